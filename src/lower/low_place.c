/* low_place.c: how long each buffer lives, what happens in place, and where it all lies.
 *
 * A step may write over an input that dies with it if it reads element i before it writes
 * element i and nothing later: activations, additions, and the residual of a convolution.
 * The int8 kernels go further: a depthwise convolution works in place if its output is no
 * larger than its input; of a pointwise or dense layer input and output may begin
 * together (the smaller output) or end together (the larger one); the output of a
 * convolution may follow the rows that it no longer needs. Each is done where the arena
 * does not grow by it. */
#include "lower/lower_int.h"

/* Buffers that share memory form a group, named by its root. */
typedef struct placing {
    lb_low *low;
    int n;
    int *last;     /* of each root: the last step that needs its group */
    size_t *at;    /* of each buffer: where it begins in its group's memory */
    size_t *size;  /* of each root: its group's memory */
    size_t *begin; /* of each root: where its group lies in the arena */
    bool *placed;
    double *rank;
} placing;

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

/* A buffer for each step that works in one. */
static void add_scratch(lb_lowering *l)
{
    lb_low *const low = l->low;

    for (int i = 0; i < low->n_steps; i++) {
        const size_t bytes = lb_low_scratch_bytes(low, &low->step[i]);
        if (bytes == 0)
            continue;
        low->step[i].scratch = low->n_buffers;
        l->maker[low->n_buffers] = i;
        low->buffer[low->n_buffers++] = (lb_low_buffer){.name = "scratch",
                                                        .dims = {1, 1, (int)bytes},
                                                        .bytes = bytes,
                                                        .first = i,
                                                        .last = i,
                                                        .alias = -1};
    }
}

/* ----------------------------------------------------------------------------- sharing
 */

/* Lets the step's output take over `buffer`, whose group dies here; it begins `lead`
 * bytes before that. */
static void share(placing *p, int s, int buffer, size_t lead)
{
    lb_low *const low = p->low;
    const int out = low->step[s].out, root = root_of(low, buffer);
    const size_t grown = lead > p->at[buffer] ? lead - p->at[buffer] : 0;

    for (int i = 0; i < p->n; i++)
        if (root_of(low, i) == root)
            p->at[i] += grown;
    p->size[root] += grown;
    const size_t first = p->at[buffer] - lead;
    for (int i = 0; i < p->n; i++)
        if (root_of(low, i) == out) /* itself, and others by its name */
            p->at[i] = first;
    if (p->size[root] < first + low->buffer[out].bytes)
        p->size[root] = first + low->buffer[out].bytes;
    low->buffer[out].alias = root;
    if (p->last[out] > p->last[root])
        p->last[root] = p->last[out];
}

static bool dies(const placing *p, int s, int buffer)
{
    return p->last[root_of(p->low, buffer)] == s;
}

/* The same, if the sizes agree. */
static bool take_over(placing *p, int s, int buffer)
{
    const lb_low_buffer *const out = &p->low->buffer[p->low->step[s].out];

    if (!dies(p, s, buffer) || p->low->buffer[buffer].bytes != out->bytes ||
        out->alias >= 0)
        return false;
    share(p, s, buffer, 0);
    return true;
}

static void share_equals(placing *p)
{
    for (int s = 0; s < p->low->n_steps; s++) {
        const lb_low_step *const step = &p->low->step[s];
        switch (step->kind) {
        case LB_LOW_ADD:
            if (!take_over(p, s, step->in[0]))
                take_over(p, s, step->in[1]);
            break;
        case LB_LOW_ACTIVATION:
        case LB_LOW_AFFINE:
        case LB_LOW_SOFTMAX:
            take_over(p, s, step->in[0]);
            break;
        case LB_LOW_CONV:
        case LB_LOW_POINTWISE:
        case LB_LOW_DEPTHWISE:
            if (step->in[1] >= 0 &&
                root_of(p->low, step->in[0]) != root_of(p->low, step->in[1]))
                take_over(p, s, step->in[1]);
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

/* Whether a row of a depthwise convolution is written over rows of the input only that no
 * later row needs: all up to the last one under its kernel have been copied. */
static bool rows_follow(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const in = &low->buffer[s->in[0]].dims;
    const lb_low_dims *const out = &low->buffer[s->out].dims;

    for (int h = 0; h < out->h; h++) {
        const int copied =
            h * s->stride_h - s->pad_top + (s->kernel_h - 1) * s->dilation_h + 1;
        if (copied < in->h && (h + 1) * out->w > (copied < 0 ? 0 : copied) * in->w)
            return false;
    }
    return low->buffer[s->out].bytes <= low->buffer[s->in[0]].bytes;
}

/* How far before its input a convolution's output must begin so that no row of it reaches
 * rows of the input that are still needed: the first under the kernel, and on. */
static size_t lead_of_rows(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const in = &low->buffer[s->in[0]].dims;
    const lb_low_dims *const out = &low->buffer[s->out].dims;
    const long in_row = (long)in->w * in->c, out_row = (long)out->w * out->c;
    long lead = 0;

    for (int h = 0; h < out->h; h++) {
        const int top = h * s->stride_h - s->pad_top;
        const int needed = top < 0 ? 0 : top < in->h ? top : in->h;
        const long reach = (h + 1) * out_row - needed * in_row;
        lead = reach > lead ? reach : lead;
    }
    return (size_t)(lead + 3) / 4 * 4;
}

/* Whether the int8 kernel can work in the memory of its input, and then by how much its
 * output must lead. */
static bool works_in_place(const lb_low *low, const lb_low_step *s, size_t *lead)
{
    const size_t in = low->buffer[s->in[0]].bytes, out = low->buffer[s->out].bytes;

    *lead = 0;
    if (low->dtype != LB_I8 ||
        (s->in[1] >= 0 && root_of(low, s->in[0]) == root_of(low, s->in[1])))
        return false;
    if (s->kind == LB_LOW_DEPTHWISE)
        return rows_follow(low, s);
    if (s->kind == LB_LOW_CONV)
        *lead = lead_of_rows(low, s);
    else if (s->kind == LB_LOW_POINTWISE || s->kind == LB_LOW_DENSE)
        *lead = out > in ? out - in : 0;
    else
        return false;
    return *lead < out;
}

/* ----------------------------------------------------------------------------- placing
 */

static bool lives_overlap(const lb_low_buffer *a, const lb_low_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Where a group must begin at least so that its buffer a does not meet the placed b; 0:
 * it does not as it is. */
static size_t behind(const placing *p, int a, int b, size_t begin)
{
    const lb_low_buffer *const x = &p->low->buffer[a], *const y = &p->low->buffer[b];
    const size_t at = begin + p->at[a], other = p->begin[root_of(p->low, b)] + p->at[b];

    if (!lives_overlap(x, y) || at >= other + y->bytes || other >= at + x->bytes)
        return 0;
    const size_t end = other + y->bytes;
    return (end - p->at[a] + 3) / 4 * 4;
}

/* The lowest place where the group meets nothing that lives with any of it. */
static size_t lowest_place(const placing *p, int root)
{
    const lb_low *const low = p->low;
    size_t begin = 0;

    for (bool moved = true; moved;) {
        moved = false;
        for (int a = 0; a < p->n; a++)
            for (int b = 0; root_of(low, a) == root && b < p->n; b++) {
                const size_t next =
                    p->placed[root_of(low, b)] ? behind(p, a, b, begin) : 0;
                moved = moved || next > begin;
                begin = next > begin ? next : begin;
            }
    }
    return begin;
}

enum { N_WAYS = 4 };

static double rank_of(const placing *p, int root, int way)
{
    const lb_low *const low = p->low;
    int first = low->n_steps;

    for (int i = 0; i < p->n; i++)
        if (root_of(low, i) == root && low->buffer[i].first < first)
            first = low->buffer[i].first;
    switch (way) {
    case 0:
        return (double)p->size[root];
    case 1:
        return (double)p->size[root] * (p->last[root] - first + 1);
    case 2:
        return low->n_steps - first;
    default:
        return p->last[root];
    }
}

/* Greedy by size, by size times life (see graph/memory.h), from the first step on, or
 * from the last. Buffers that share memory keep their distance, but each takes its room
 * only while it lives. */
static size_t place_all(placing *p, int way)
{
    const lb_low *const low = p->low;
    size_t total = 0;

    for (int i = 0; i < p->n; i++) {
        p->placed[i] = false;
        p->rank[i] = low->buffer[i].alias < 0 ? rank_of(p, i, way) : -1;
    }
    for (;;) {
        int best = -1;
        for (int i = 0; i < p->n; i++)
            if (!p->placed[i] && p->rank[i] >= 0 &&
                (best < 0 || p->rank[i] > p->rank[best]))
                best = i;
        if (best < 0)
            return (total + 3) / 4 * 4;
        p->begin[best] = lowest_place(p, best);
        p->placed[best] = true;
        if (p->begin[best] + p->size[best] > total)
            total = p->begin[best] + p->size[best];
    }
}

/* The best of these ways; begin[] is that one's. */
static size_t plan(placing *p)
{
    size_t least = SIZE_MAX;
    int best = 0;

    for (int way = 0; way < N_WAYS; way++) {
        const size_t total = place_all(p, way);
        best = total < least ? way : best;
        least = total < least ? total : least;
    }
    return place_all(p, best);
}

/* Groups as they are before a step works in the memory of its input. */
typedef struct state {
    int *alias, *last;
    size_t *at, *size;
} state;

static bool take_state(state *s, int n, lb_arena *arena)
{
    s->alias = LB_TAKE_ARRAY(arena, n, int);
    s->last = LB_TAKE_ARRAY(arena, n, int);
    s->at = LB_TAKE_ARRAY(arena, n, size_t);
    s->size = LB_TAKE_ARRAY(arena, n, size_t);
    return s->alias && s->last && s->at && s->size;
}

static void save(const placing *p, state *to)
{
    for (int i = 0; i < p->n; i++) {
        to->alias[i] = p->low->buffer[i].alias;
        to->last[i] = p->last[i];
        to->at[i] = p->at[i];
        to->size[i] = p->size[i];
    }
}

static void restore(placing *p, const state *from)
{
    for (int i = 0; i < p->n; i++) {
        p->low->buffer[i].alias = from->alias[i];
        p->last[i] = from->last[i];
        p->at[i] = from->at[i];
        p->size[i] = from->size[i];
    }
}

/* The arena if the wanted steps work in place, as far as they can. */
static size_t try_sharing(placing *p, const state *before, const bool *wanted)
{
    lb_low *const low = p->low;

    restore(p, before);
    for (int s = 0; s < low->n_steps; s++) {
        const lb_low_step *const step = &low->step[s];
        size_t lead;
        if (wanted[s] && works_in_place(low, step, &lead) && dies(p, s, step->in[0]) &&
            low->buffer[step->out].alias < 0)
            share(p, s, step->in[0], lead);
    }
    return plan(p);
}

/* The next step from s on that can work in place; the number of steps: none. */
static int next_able(const lb_low *low, int s)
{
    size_t lead;

    while (s < low->n_steps && !works_in_place(low, &low->step[s], &lead))
        s++;
    return s;
}

/* Which steps work in place: first those by which the arena does not grow, one after the
 * other. Then, in turn, neighbours are turned round together, for one may stand in the
 * other's way, and each alone, where the arena shrinks by that. */
static lb_code share_inputs(placing *p, lb_arena *arena, lb_error *err)
{
    enum { ROUNDS = 6 };
    const int n = p->low->n_steps;
    bool *const wanted = LB_TAKE_ARRAY(arena, n + 1, bool); /* one for 'none' */
    state before;

    if (!wanted || !take_state(&before, p->n, arena))
        return lb_raise(err, LB_ERR_MEMORY, "no memory to place %d buffers", p->n);
    save(p, &before);
    size_t best = plan(p);
    for (int round = 0; round < ROUNDS; round++)
        for (int s = next_able(p->low, 0); s < n; s = next_able(p->low, s + 1)) {
            const int other = round % 2 == 1 ? next_able(p->low, s + 1) : n;
            wanted[s] = !wanted[s];
            wanted[other] = !wanted[other];
            const size_t total = try_sharing(p, &before, wanted);
            if (total < best || (total == best && round == 0)) {
                best = total;
                continue;
            }
            wanted[s] = !wanted[s];
            wanted[other] = !wanted[other];
        }
    try_sharing(p, &before, wanted);
    return LB_OK;
}

static void begin(placing *p)
{
    const lb_low *const low = p->low;

    for (int i = 0; i < p->n; i++) {
        const int root = root_of(low, i);
        if (p->last[root] < low->buffer[i].last)
            p->last[root] = low->buffer[i].last;
        p->size[i] = low->buffer[i].bytes;
    }
}

lb_code lb_low_place(lb_lowering *l, lb_error *err)
{
    lb_low *const low = l->low;

    find_lives(l);
    add_scratch(l);
    placing p = {.low = low, .n = low->n_buffers};
    p.last = LB_TAKE_ARRAY(l->arena, p.n, int);
    p.at = LB_TAKE_ARRAY(l->arena, p.n, size_t);
    p.size = LB_TAKE_ARRAY(l->arena, p.n, size_t);
    p.begin = LB_TAKE_ARRAY(l->arena, p.n, size_t);
    p.placed = LB_TAKE_ARRAY(l->arena, p.n, bool);
    p.rank = LB_TAKE_ARRAY(l->arena, p.n, double);
    if (!p.last || !p.at || !p.size || !p.begin || !p.placed || !p.rank)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to place %d buffers", p.n);
    begin(&p);
    share_equals(&p);
    LB_TRY(share_inputs(&p, l->arena, err));
    low->arena_bytes = plan(&p);
    low->run_bytes = low->arena_bytes;
    for (int i = 0; i < p.n; i++) {
        lb_low_buffer *const b = &low->buffer[i];
        b->offset = p.begin[root_of(low, i)] + p.at[i];
        if (low->run_bytes < low->arena_bytes + b->bytes)
            low->run_bytes = low->arena_bytes + b->bytes;
    }
    for (int i = 0; i < low->n_steps; i++) {
        const size_t live = lb_low_live_bytes(low, i);
        low->bound_bytes = live > low->bound_bytes ? live : low->bound_bytes;
    }
    return LB_OK;
}

static bool is_live(const lb_low_buffer *b, int step)
{
    return b->first <= step && step <= b->last;
}

/* Bytes that two buffers share. */
static size_t overlap(const lb_low_buffer *a, const lb_low_buffer *b)
{
    const size_t begin = a->offset > b->offset ? a->offset : b->offset;
    const size_t end_a = a->offset + a->bytes, end_b = b->offset + b->bytes;
    const size_t end = end_a < end_b ? end_a : end_b;

    return end > begin ? end - begin : 0;
}

size_t lb_low_live_bytes(const lb_low *low, int step)
{
    size_t sum = 0;

    for (int i = 0; i < low->n_buffers; i++) {
        const lb_low_buffer *const b = &low->buffer[i];
        size_t shared = 0;
        for (int k = 0; k < i && is_live(b, step); k++) {
            const size_t both =
                is_live(&low->buffer[k], step) ? overlap(b, &low->buffer[k]) : 0;
            shared = both > shared ? both : shared;
        }
        sum += is_live(b, step) ? b->bytes - shared : 0;
    }
    return sum;
}
