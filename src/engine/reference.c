/* reference.c: the kernel that accepts everything: it hands the operator's reference
 * kernel plain doubles, whatever the element type and layout of the operands, and puts
 * the results back. Slow, readable, and what every other kernel is measured against. */
#include "engine/kernel.h"

#include <assert.h>
#include <string.h>

typedef struct operand {
    lb_type type;
    lb_layout layout;
    size_t n;    /* elements, plain */
    size_t wide; /* offset in scratch of its doubles */
    bool there, batched;
} operand;

typedef struct state {
    const lb_node *node;
    operand in[LB_MAX_INPUTS], out[LB_MAX_OUTPUTS];
    size_t plain; /* offset in scratch of a plain float copy of a blocked operand */
    int batch, block;
} state;

static bool accepts(lb_ask *ask)
{
    size_t bytes = 0, plain = 0, n;

    for (int k = 0; k < ask->n_in + ask->n_out; k++) {
        const lb_type *const t = k < ask->n_in ? &ask->in[k] : &ask->out[k - ask->n_in];
        n = 0;
        (void)!lb_shape_count(&t->shape, &n);
        bytes += (n * sizeof(double) + 63) / 64 * 64 + 64;
        if (n > plain)
            plain = n;
    }
    ask->scratch_bytes = bytes + plain * sizeof(float) + 64;
    return true;
}

static size_t describe(operand *o, const lb_type *type, lb_layout layout, size_t at)
{
    *o = (operand){.type = *type, .layout = layout, .there = true, .wide = at};
    (void)!lb_shape_count(&type->shape, &o->n);
    return at + (o->n * sizeof(double) + 63) / 64 * 64 + 64;
}

static lb_code create(const lb_ask *ask, lb_arena *arena, void **out, lb_error *err)
{
    state *const s = LB_TAKE(arena, state);
    size_t at = 0;

    if (!s)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    if (!ask->node->op->run)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "it can only be computed at import, from "
                        "constants");
    *s = (state){.node = ask->node, .batch = ask->batch, .block = ask->block};
    for (int k = 0; k < ask->n_in; k++)
        if (ask->has_in[k]) {
            at = describe(&s->in[k], &ask->in[k], ask->want_in[k], at);
            s->in[k].batched = ask->batched_in[k];
        }
    for (int k = 0; k < ask->n_out; k++)
        at = describe(&s->out[k], &ask->out[k], LB_PLAIN, at);
    s->plain = at;
    *out = s;
    return LB_OK;
}

/* The operand's values as doubles: in place where they are, else widened into scratch. */
static const double *widen(const state *s, const operand *o, const void *from,
                           char *scratch)
{
    double *const wide = (double *)(void *)(scratch + o->wide);

    if (o->type.dtype == LB_F64)
        return from;
    if (o->layout == LB_BLOCKED) {
        float *const plain = (float *)(void *)(scratch + s->plain);
        lb_to_plain(&o->type.shape, s->block, from, plain);
        from = plain;
    }
    lb_widen(o->type.dtype, from, o->n, wide);
    return wide;
}

static void run(const lb_call *call)
{
    const state *const s = call->state;
    const lb_node *const node = s->node;
    lb_ref_call ref = {.node = node,
                       .n_in = node->n_in,
                       .n_out = node->n_out,
                       .batch = s->batch,
                       .first = call->first};

    for (int k = 0; k < node->n_in; k++) {
        if (!s->in[k].there)
            continue;
        ref.in_type[k] = s->in[k].type;
        ref.batched_in[k] = s->in[k].batched;
        ref.in[k] = widen(s, &s->in[k], call->in[k], call->scratch);
    }
    for (int k = 0; k < node->n_out; k++) {
        const operand *const o = &s->out[k];
        ref.out_type[k] = o->type;
        ref.out[k] = o->type.dtype == LB_F64
                         ? call->out[k]
                         : (double *)(void *)((char *)call->scratch + o->wide);
        if ((node->op->flags & LB_OP_UPDATE) && ref.out[k] != ref.in[k]) {
            assert(ref.in[k]); /* an update has its inputs */
            memcpy(ref.out[k], ref.in[k], o->n * sizeof(double));
        }
    }
    node->op->run(&ref);
    for (int k = 0; k < node->n_out; k++)
        if (s->out[k].type.dtype != LB_F64)
            lb_narrow(s->out[k].type.dtype, ref.out[k], s->out[k].n, call->out[k]);
}

const lb_kernel lb_reference_kernel = {
    .table = "reference", .accepts = accepts, .create = create, .run = run};
