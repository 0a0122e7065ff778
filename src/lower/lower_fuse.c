/* lower_fuse.c: puts additions into the convolutions before them.
 *
 * In fp32 the graph's fusion does it; in int8 the convolution's own result is rounded
 * first, on a grid that a graph without quantisation does not have. */
#include "lower/lower_int.h"

static bool is_convolution(const lb_low_step *s)
{
    return s->kind == LB_LOW_CONV || s->kind == LB_LOW_POINTWISE ||
           s->kind == LB_LOW_DEPTHWISE;
}

/* How often a buffer is read, by any name of its memory. */
static int count_reads(const lb_low *low, int buffer)
{
    int n = low->output_buffer == buffer;

    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        n += (s->in[0] == buffer && s->n_in_all == 0) + (s->in[1] == buffer);
        for (int k = 0; k < s->n_in_all; k++)
            n += s->in_all[k] == buffer;
    }
    for (int i = 0; i < low->n_buffers; i++)
        n += low->buffer[i].alias == buffer ? 2 : 0;
    return n;
}

/* The convolution that makes operand k for this addition alone; -1: none. */
static int convolution_before(const lb_lowering *l, const lb_low_step *add, int k)
{
    const int maker = l->maker[add->in[k]];

    if (maker < 0 || !is_convolution(&l->low->step[maker]) ||
        l->low->step[maker].in[1] >= 0 || l->low->buffer[add->in[k]].alias >= 0 ||
        count_reads(l->low, add->in[k]) != 1)
        return -1;
    return maker;
}

/* Makes of the convolution one that adds; q is its new home. */
static void join(lb_lowering *l, lb_low_step *conv, const lb_low_step *add, int k,
                 lb_low_int8 *q)
{
    const lb_low_int8 *const sum = add->q;

    *q = *conv->q;
    q->middle = l->low->buffer[conv->out].q;
    q->middle_low = q->low;
    q->middle_high = q->high;
    q->low = sum->low;
    q->high = sum->high;
    q->sum = sum->sum;
    if (k == 1) { /* the convolution comes first */
        q->sum.factor[0] = sum->sum.factor[1];
        q->sum.factor[1] = sum->sum.factor[0];
        q->sum.in[0] = sum->sum.in[1];
        q->sum.in[1] = sum->sum.in[0];
    }
    conv->q = q;
    conv->other += add->other;
    conv->in[1] = add->in[1 - k];
    conv->out = add->out;
}

static void remove_step(lb_lowering *l, int step)
{
    lb_low *const low = l->low;

    for (int i = step; i + 1 < low->n_steps; i++) {
        low->step[i] = low->step[i + 1];
        l->maker[low->step[i].out] = i;
    }
    low->n_steps--;
}

/* The buffer was nobody's but the convolution's. */
static void remove_buffer(lb_lowering *l, int buffer)
{
    lb_low *const low = l->low;

    for (int i = buffer; i + 1 < low->n_buffers; i++) {
        low->buffer[i] = low->buffer[i + 1];
        l->maker[i] = l->maker[i + 1];
    }
    low->n_buffers--;
    for (int i = 0; i < low->n_buffers; i++)
        low->buffer[i].alias -= low->buffer[i].alias > buffer;
    for (int i = 0; i < low->n_steps; i++) {
        lb_low_step *const s = &low->step[i];
        s->in[0] -= s->in[0] > buffer;
        s->in[1] -= s->in[1] > buffer;
        s->out -= s->out > buffer;
        for (int k = 0; k < s->n_in_all; k++)
            s->in_all[k] -= s->in_all[k] > buffer;
    }
    for (int k = 0; k < low->n_inputs; k++)
        low->input[k].buffer -= low->input[k].buffer > buffer;
    low->output_buffer -= low->output_buffer > buffer;
}

/* Puts the later of the convolutions before the addition in its place. */
static lb_code fuse_add(lb_lowering *l, int add, lb_error *err)
{
    lb_low *const low = l->low;
    const int maker[2] = {convolution_before(l, &low->step[add], 0),
                          convolution_before(l, &low->step[add], 1)};
    const int k = maker[1] > maker[0], conv = maker[k];

    if (conv < 0)
        return LB_OK;
    lb_low_step fused = low->step[conv];
    lb_low_int8 *const q = LB_TAKE(l->arena, lb_low_int8);
    if (!q)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a fused step");
    const int between = fused.out;
    join(l, &fused, &low->step[add], k, q);
    low->step[add] = fused;
    remove_step(l, conv);
    remove_buffer(l, between);
    return LB_OK;
}

lb_code lb_low_fuse_adds(lb_lowering *l, lb_error *err)
{
    for (int i = l->low->n_steps - 1; i >= 0; i--)
        if (i < l->low->n_steps && l->low->step[i].kind == LB_LOW_ADD)
            LB_TRY(fuse_add(l, i, err));
    return LB_OK;
}
