/* nat_gemm.c: the products of dense layers and their gradients, while b fits a cache. A b
 * that lies transposed is turned round when it is packed. */
#include "engine/native/nat_util.h"
#include "engine/product.h"
#include "engine/simd/simd_table.h"

/* Floats of b; above, oneDNN's cutting into pieces pays. */
enum { MOST = 1 << 16 };

typedef struct state {
    lb_dense sizes;
    bool has_bias;
    const lb_simd *simd;
} state;

/* Rows of the packed b begin at whole blocks. */
static int pitch_of(const lb_product *p)
{
    return (p->n + LB_NAT_WIDE - 1) / LB_NAT_WIDE * LB_NAT_WIDE;
}

static bool accepts(lb_ask *ask)
{
    lb_product p;

    if (!lb_product_of(ask, &p) || (size_t)p.k * (size_t)p.n > MOST ||
        (p.tb && !ask->packable[1]))
        return false;
    ask->want_in[0] = ask->want_in[1] = LB_PLAIN;
    if (p.tb)
        ask->packed_bytes[1] = (size_t)p.k * (size_t)pitch_of(&p) * sizeof(float);
    return true;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);
    lb_product p;

    if (!s)
        return lb_nat_no_memory(err);
    if (!lb_product_of(ask, &p))
        return lb_bug(err, "a product that was accepted is refused");
    *s = (state){.sizes = {.m = p.m,
                           .k = p.k,
                           .n = p.n,
                           .row = p.ta ? 1 : (size_t)p.k,
                           .column = p.ta ? (size_t)p.m : 1,
                           .pitch = (size_t)(p.tb ? pitch_of(&p) : p.n),
                           .alpha = p.alpha},
                 .has_bias = p.has_bias,
                 .simd = lb_simd_best()};
    *out = s;
    return LB_OK;
}

static void pack(void *state_, int input, const void *plain, void *packed)
{
    const lb_dense *const s = &((const state *)state_)->sizes;
    const float *const from = plain;
    float *to = packed;

    (void)input;
    for (int k = 0; k < s->k; k++, to += s->pitch) {
        for (int j = 0; j < s->n; j++)
            to[j] = from[(size_t)j * (size_t)s->k + (size_t)k];
        memset(to + s->n, 0, (s->pitch - (size_t)s->n) * sizeof *to);
    }
}

static void run(const lb_call *call)
{
    const state *const s = call->state;

    s->simd->dense(&s->sizes, call->in[0], call->in[1], s->has_bias ? call->in[2] : NULL,
                   call->out[0]);
}

const lb_kernel lb_nat_gemm = {.table = "native",
                               .op = "Gemm",
                               .accepts = accepts,
                               .create = create,
                               .run = run,
                               .pack = pack};

const lb_kernel lb_nat_matmul = {.table = "native",
                                 .op = "MatMul",
                                 .accepts = accepts,
                                 .create = create,
                                 .run = run,
                                 .pack = pack};

const lb_kernel lb_nat_matmul_grad_weight = {.table = "native",
                                             .op = "MatMulGradWeight",
                                             .accepts = accepts,
                                             .create = create,
                                             .run = run,
                                             .pack = pack};
