/* schedule.c: the order of steps, their segments, and the lives of buffers.
 *
 * A step's level is the earliest segment in which all that it needs is ready. Steps that
 * write a param also wait for every earlier reader of it. Late nodes are put off until
 * the segment of their first reader. Inside a segment the order of
 * making is kept, so that the plan, and with it every sum, depends on the graph alone. */
#include "engine/plan_int.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct ready {
    int *written; /* level of the last writer of each buffer; -1: before the run */
    int *read;    /* highest level of a reader */
    int *wanted;  /* lowest level of a reader */
} ready;

static int at_least(int level, bool grouped)
{
    const bool odd = level % 2 != 0;

    return odd == grouped ? level : level + 1;
}

static bool is_late(const lb_step *step)
{
    return step->kind == LB_STEP_NODE && step->grouped && step->node->late;
}

/* When the contents of a buffer are all there. */
static int level_of(const lb_plan *plan, const ready *r, int buffer)
{
    return r->written[buffer] + (plan->buffers[buffer].parts ? 1 : 0);
}

static void set_level(const lb_plan *plan, lb_step *step, const ready *r)
{
    int level = is_late(step) ? step->level : 0;

    for (int k = 0; k < step->n_in; k++)
        if (step->in[k] >= 0 && level_of(plan, r, step->in[k]) > level)
            level = level_of(plan, r, step->in[k]);
    for (int k = 0; k < step->n_out; k++) {
        const int b = step->out[k];
        if (b >= 0 && r->written[b] > level)
            level = r->written[b];
        if (b >= 0 && r->read[b] > level)
            level = r->read[b];
    }
    step->level = at_least(level, step->grouped);
    for (int k = 0; k < step->n_in; k++)
        if (step->in[k] >= 0 && r->read[step->in[k]] < step->level)
            r->read[step->in[k]] = step->level;
    for (int k = 0; k < step->n_out; k++)
        if (step->out[k] >= 0)
            r->written[step->out[k]] = step->level;
}

/* Moves late steps up to the first of their readers; set_level is run again then. */
static void put_off(lb_plan *plan, const ready *r)
{
    for (int i = plan->n_steps - 1; i >= 0; i--) {
        lb_step *const step = &plan->steps[i];
        int first = INT_MAX;
        for (int k = 0; k < step->n_out; k++)
            if (step->out[k] >= 0 && r->wanted[step->out[k]] < first)
                first = r->wanted[step->out[k]];
        if (is_late(step) && first < INT_MAX)
            step->level = first;
        for (int k = 0; k < step->n_in; k++)
            if (step->in[k] >= 0 && step->level < r->wanted[step->in[k]])
                r->wanted[step->in[k]] = step->level;
    }
}

static void set_levels(lb_plan *plan, const ready *r)
{
    for (int i = 0; i < plan->n_buffers; i++)
        r->written[i] = r->read[i] = -1;
    for (int i = 0; i < plan->n_steps; i++)
        set_level(plan, &plan->steps[i], r);
}

static int by_level(const void *a, const void *b)
{
    const lb_step *const x = a, *const y = b;

    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static lb_code make_segments(lb_plan *plan, lb_error *err)
{
    for (int i = 0; i < plan->n_steps; i++) {
        const lb_step *const step = &plan->steps[i];
        if (i == 0 || step->level != plan->steps[i - 1].level) {
            if (!lb_arena_grow(plan->arena, (void **)&plan->segments,
                               &plan->segments_capacity, plan->n_segments,
                               sizeof *plan->segments))
                return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
            plan->segments[plan->n_segments++] =
                (lb_segment){.grouped = step->grouped, .first = i};
        }
        plan->segments[plan->n_segments - 1].n++;
    }
    return LB_OK;
}

static void touch(lb_buffer *b, int first, int last)
{
    if (b->first < 0 || first < b->first)
        b->first = first;
    if (last > b->last)
        b->last = last;
}

/* A buffer that only one group sees lives exactly from step to step; what several threads
 * see lives for whole segments, since they are not in step inside one. */
static void set_lives(lb_plan *plan)
{
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        for (int i = seg->first; i < seg->first + seg->n; i++) {
            const lb_step *const step = &plan->steps[i];
            for (int k = 0; k < step->n_in + step->n_out; k++) {
                const int id = k < step->n_in ? step->in[k] : step->out[k - step->n_in];
                if (id < 0)
                    continue;
                lb_buffer *const b = &plan->buffers[id];
                if (seg->grouped && b->place == LB_PLACE_SLOT)
                    touch(b, i, i);
                else
                    touch(b, seg->first, seg->first + seg->n - 1);
            }
        }
    }
    for (int i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].lasting)
            touch(&plan->buffers[i], 0, plan->n_steps);
}

static int root_of(int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* Joins steps of the segment that share a buffer which one of them writes. */
static void join_steps(const lb_plan *plan, const lb_segment *seg, int *parent,
                       int *writer)
{
    for (int i = 0; i < seg->n; i++) {
        const lb_step *const step = &plan->steps[seg->first + i];
        for (int k = 0; k < step->n_in + step->n_out; k++) {
            const int id = k < step->n_in ? step->in[k] : step->out[k - step->n_in];
            if (id >= 0 && writer[id] >= seg->first)
                parent[root_of(parent, i)] = root_of(parent, writer[id] - seg->first);
        }
        for (int k = 0; k < step->n_out; k++)
            if (step->out[k] >= 0)
                writer[step->out[k]] = seg->first + i;
    }
    /* readers before a writer: an update of a param that others in the segment read */
    for (int i = 0; i < seg->n; i++) {
        const lb_step *const step = &plan->steps[seg->first + i];
        for (int k = 0; k < step->n_in; k++)
            if (step->in[k] >= 0 && writer[step->in[k]] >= seg->first)
                parent[root_of(parent, i)] =
                    root_of(parent, writer[step->in[k]] - seg->first);
    }
}

static size_t work_of(const lb_plan *plan, const lb_step *step)
{
    size_t bytes = 64;

    for (int k = 0; k < step->n_out; k++)
        if (step->out[k] >= 0)
            bytes += plan->buffers[step->out[k]].bytes;
    return step->kind == LB_STEP_SUM ? bytes * (size_t)plan->n_groups : bytes;
}

/* Components go to the thread that has the least to do so far, in order. Which thread
 * runs a component never changes its result. */
static void spread(lb_plan *plan, const lb_segment *seg, int *parent, size_t *work)
{
    size_t load[64] = {0};

    memset(work, 0, (size_t)seg->n * sizeof *work);
    for (int i = 0; i < seg->n; i++)
        work[root_of(parent, i)] += work_of(plan, &plan->steps[seg->first + i]);
    for (int i = 0; i < seg->n; i++) {
        if (root_of(parent, i) != i)
            continue;
        int best = 0;
        for (int t = 1; t < plan->n_threads; t++)
            if (load[t] < load[best])
                best = t;
        load[best] += work[i];
        plan->steps[seg->first + i].thread = best;
    }
    for (int i = 0; i < seg->n; i++)
        plan->steps[seg->first + i].thread =
            plan->steps[seg->first + root_of(parent, i)].thread;
}

static lb_code spread_shared(lb_plan *plan, lb_error *err)
{
    const size_t n = (size_t)plan->n_steps + 1;
    int *const parent = lb_heap_take(n * sizeof *parent);
    size_t *const work = lb_heap_take(n * sizeof *work);
    int *const writer = lb_heap_take((size_t)(plan->n_buffers + 1) * sizeof *writer);
    lb_code code = LB_OK;

    if (!parent || !work || !writer) {
        code = lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
        goto done;
    }
    for (int i = 0; i < plan->n_buffers; i++)
        writer[i] = -1;
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        if (seg->grouped)
            continue;
        for (int i = 0; i < seg->n; i++)
            parent[i] = i;
        join_steps(plan, seg, parent, writer);
        spread(plan, seg, parent, work);
    }

done:
    lb_heap_give(parent);
    lb_heap_give(work);
    lb_heap_give(writer);
    return code;
}

lb_code lb_plan_schedule(lb_plan *plan, lb_error *err)
{
    const size_t n = (size_t)plan->n_buffers + 1;
    ready r = {lb_heap_take(n * sizeof(int)), lb_heap_take(n * sizeof(int)),
               lb_heap_take(n * sizeof(int))};
    lb_code code = LB_OK;

    if (!r.written || !r.read || !r.wanted) {
        code = lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
        goto done;
    }
    for (int i = 0; i < plan->n_buffers; i++)
        r.wanted[i] = INT_MAX;
    set_levels(plan, &r);
    put_off(plan, &r);
    set_levels(plan, &r);
    if (plan->n_steps > 0)
        qsort(plan->steps, (size_t)plan->n_steps, sizeof *plan->steps, by_level);
    code = make_segments(plan, err);
    if (code != LB_OK)
        goto done;
    set_lives(plan);
    code = spread_shared(plan, err);

done:
    lb_heap_give(r.written);
    lb_heap_give(r.read);
    lb_heap_give(r.wanted);
    return code;
}
