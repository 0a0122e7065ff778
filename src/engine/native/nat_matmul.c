/* nat_matmul.c: MatMul of stacks of matrices: one product for each pair, where an operand
 * may be one matrix for all. A matrix on the right of rank 2 is nat_gemm.c's. */
#include "engine/native/nat_walk.h"
#include "engine/simd/simd_table.h"

typedef struct state {
    lb_nat_walk walk; /* over the pairs; operands: result, a, b */
    lb_dense sizes;
    const lb_simd *simd;
} state;

static bool accepts(lb_ask *ask)
{
    const int a = ask->in[0].shape.rank, b = ask->in[1].shape.rank;

    if (!lb_nat_floats(ask) || a < 2 || b < 2 || (b == 2 && !ask->batched_in[1]))
        return false;
    ask->want_in[0] = ask->want_in[1] = LB_PLAIN;
    return true;
}

/* A shape without its last two axes, and the strides of its matrices in a stack. */
static lb_shape stack_of(const lb_shape *shape, ptrdiff_t *matrix)
{
    lb_shape stack = *shape;

    stack.rank -= 2;
    *matrix = (ptrdiff_t)shape->dim[stack.rank] * shape->dim[stack.rank + 1];
    return stack;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    const lb_shape *const shape[] = {&ask->out[0].shape, &ask->in[0].shape,
                                     &ask->in[1].shape};
    const int rank = shape[1]->rank, n = shape[2]->dim[shape[2]->rank - 1];
    ptrdiff_t stride[LB_NAT_OPERANDS][LB_MAX_RANK] = {{0}}, matrix;
    state *const s = LB_TAKE(arena, state);

    if (!s)
        return lb_nat_no_memory(err);
    const lb_shape space = stack_of(shape[0], &matrix);
    for (int k = 0; k < LB_NAT_OPERANDS; k++) {
        const lb_shape stack = stack_of(shape[k], &matrix);
        lb_nat_spread(&space, &stack, stride[k]);
        for (int i = 0; i < space.rank; i++)
            stride[k][i] *= matrix;
    }
    lb_nat_walk_make(&s->walk, &space, LB_NAT_OPERANDS, stride);
    s->sizes = (lb_dense){.m = shape[1]->dim[rank - 2],
                          .k = shape[1]->dim[rank - 1],
                          .n = n,
                          .row = (size_t)shape[1]->dim[rank - 1],
                          .column = 1,
                          .pitch = (size_t)n,
                          .alpha = 1};
    s->simd = lb_simd_best();
    *out = s;
    return LB_OK;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const lb_nat_walk *const w = &s->walk;
    const float *const a = call->in[0], *const b = call->in[1];
    float *const y = call->out[0];
    lb_nat_spot at;

    for (lb_nat_begin(w, &at); at.more; lb_nat_next(w, &at))
        for (ptrdiff_t i = 0; i < (ptrdiff_t)w->n; i++)
            s->simd->dense(&s->sizes, a + at.at[1] + i * w->step[1],
                           b + at.at[2] + i * w->step[2], NULL,
                           y + at.at[0] + i * w->step[0]);
}

const lb_kernel lb_nat_matmul_stack = {
    .table = "native", .op = "MatMul", .accepts = accepts, .create = create, .run = run};
