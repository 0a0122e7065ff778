/* low_place.c: how long each buffer lives, what happens in place, and where it all lies.
 *
 * A step may write over an input that dies with it if it reads element i before it writes
 * element i and nothing later: activations, additions, and the residual of a
 * convolution. */
#include "lower/lower_int.h"

#include "graph/memory.h"

static int root_of(const lb_low *low, int buffer)
{
    while (low->buffer[buffer].alias >= 0)
        buffer = low->buffer[buffer].alias;
    return buffer;
}

static void read_at(lb_low *low, int buffer, int step)
{
    if (buffer >= 0 && low->buffer[buffer].last < step)
        low->buffer[buffer].last = step;
}

static void find_lives(lb_lowering *l)
{
    lb_low *const low = l->low;

    for (int i = 0; i < low->n_buffers; i++) {
        const int maker = l->maker[root_of(low, i)];
        low->buffer[i].first = low->buffer[i].last = maker < 0 ? 0 : maker;
    }
    for (int s = 0; s < low->n_steps; s++) {
        read_at(low, low->step[s].in[0], s);
        read_at(low, low->step[s].in[1], s);
        for (int i = 0; i < low->step[s].n_in_all; i++)
            read_at(low, low->step[s].in_all[i], s);
    }
    read_at(low, low->output_buffer, low->n_steps - 1);
}

/* Lets the step's output take over `buffer` if that dies here. */
static bool take_over(lb_low *low, int s, int buffer, int *group_last)
{
    const int out = low->step[s].out;
    const int root = root_of(low, buffer);

    if (group_last[root] != s || low->buffer[root].bytes != low->buffer[out].bytes)
        return false;
    low->buffer[out].alias = root;
    if (group_last[out] > group_last[root])
        group_last[root] = group_last[out];
    return true;
}

static void find_in_place(lb_low *low, int *group_last)
{
    for (int i = 0; i < low->n_buffers; i++) {
        const int root = root_of(low, i);
        if (group_last[root] < low->buffer[i].last)
            group_last[root] = low->buffer[i].last;
    }
    for (int s = 0; s < low->n_steps; s++) {
        const lb_low_step *const step = &low->step[s];
        switch (step->kind) {
        case LB_LOW_ADD:
            if (!take_over(low, s, step->in[0], group_last))
                take_over(low, s, step->in[1], group_last);
            break;
        case LB_LOW_ACTIVATION:
        case LB_LOW_AFFINE:
        case LB_LOW_SOFTMAX:
            take_over(low, s, step->in[0], group_last);
            break;
        case LB_LOW_CONV:
        case LB_LOW_POINTWISE:
        case LB_LOW_DEPTHWISE:
            if (step->in[1] >= 0 &&
                root_of(low, step->in[0]) != root_of(low, step->in[1]))
                take_over(low, s, step->in[1], group_last);
            break;
        case LB_LOW_DENSE:
        case LB_LOW_MAX_POOL:
        case LB_LOW_AVERAGE_POOL:
        case LB_LOW_PAD:
        case LB_LOW_CONCAT:
        case LB_LOW_COPY:
            break;
        }
    }
}

lb_code lb_low_place(lb_lowering *l, lb_error *err)
{
    lb_low *const low = l->low;
    lb_piece *const piece = LB_TAKE_ARRAY(l->arena, low->n_buffers, lb_piece);
    int *const group_last = LB_TAKE_ARRAY(l->arena, low->n_buffers, int);

    if (!piece || !group_last)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to place %d buffers",
                        low->n_buffers);
    find_lives(l);
    find_in_place(low, group_last);
    for (int i = 0; i < low->n_buffers; i++) {
        const lb_low_buffer *const b = &low->buffer[i];
        lb_piece *const p = &piece[root_of(low, i)];
        const bool fresh = p->size == 0;
        p->size = b->bytes;
        p->first = fresh || b->first < p->first ? b->first : p->first;
        p->last = fresh || b->last > p->last ? b->last : p->last;
    }
    LB_TRY(lb_memory_plan(piece, low->n_buffers, sizeof(float), &low->arena_bytes, err));
    low->bound_bytes = lb_memory_bound(piece, low->n_buffers);
    for (int i = 0; i < low->n_buffers; i++)
        low->buffer[i].offset = piece[root_of(low, i)].offset;
    return LB_OK;
}
