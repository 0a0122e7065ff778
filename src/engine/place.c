/* place.c: memory for the buffers of a plan.
 *
 * Buffers of samples under way share one small layout that every group has a copy of, and
 * those that no other segment sees one that every thread has; so groups never meet in
 * memory and need no barrier. Everything is taken here, once; what holds nothing between
 * runs is the pool's, for all plans of it. */
#include "engine/plan_int.h"

/* True if the step's first result may be written over its first input: nothing reads that
 * input later, and no other operand of the step is the same buffer. */
static bool may_take_over(const lb_plan *plan, int index)
{
    const lb_step *const step = &plan->steps[index];

    if (!step->in_place || !step->grouped || step->n_in < 1 || step->n_out < 1)
        return false;
    const lb_buffer *const from = &plan->buffers[step->in[0]];
    const lb_buffer *const to = &plan->buffers[step->out[0]];
    for (int k = 1; k < step->n_in; k++)
        if (step->in[k] == step->in[0])
            return false;
    return (from->place == LB_PLACE_SLOT || from->place == LB_PLACE_LANE) &&
           from->place == to->place && from->bytes == to->bytes &&
           from->layout == to->layout && from->last == index && to->first == index;
}

/* Chains of buffers in one place: each names its heir; the first of a chain gets the
 * place for as long as the last lives. */
static void find_heirs(lb_plan *plan)
{
    for (int i = 0; i < plan->n_steps; i++)
        if (may_take_over(plan, i))
            plan->buffers[plan->steps[i].in[0]].heir = plan->steps[i].out[0];
}

static void join_heirs(const lb_plan *plan, lb_piece *pieces)
{
    for (int i = 0; i < plan->n_buffers; i++)
        for (int h = plan->buffers[i].heir; h >= 0 && pieces[i].size;
             h = plan->buffers[h].heir) {
            pieces[i].last = plan->buffers[h].last;
            pieces[h].size = 0;
        }
}

/* Buffers are made before their heirs, so one pass in order passes every place on. */
static void set_offsets(lb_plan *plan, lb_place place, const lb_piece *pieces)
{
    for (int i = 0; i < plan->n_buffers; i++) {
        lb_buffer *const b = &plan->buffers[i];
        if (b->place != place)
            continue;
        if (pieces[i].size)
            b->offset = pieces[i].offset;
        if (b->heir >= 0)
            plan->buffers[b->heir].offset = b->offset;
    }
}

/* place: slots or lanes. */
static lb_code place_own(lb_plan *plan, lb_place place, lb_piece *pieces, size_t *bytes,
                         lb_error *err)
{
    for (int i = 0; i < plan->n_buffers; i++) {
        const lb_buffer *const b = &plan->buffers[i];
        const bool here = b->place == place && b->first >= 0;
        pieces[i] =
            (lb_piece){.size = here ? b->bytes : 0, .first = b->first, .last = b->last};
    }
    join_heirs(plan, pieces);
    LB_TRY(lb_memory_plan(pieces, plan->n_buffers, 64, bytes, err));
    set_offsets(plan, place, pieces);
    return LB_OK;
}

/* Slots that no other segment touches. */
static void find_lanes(lb_plan *plan)
{
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        for (int i = 0; i < plan->n_buffers; i++) {
            lb_buffer *const b = &plan->buffers[i];
            if (b->place == LB_PLACE_SLOT && b->first >= seg->first &&
                b->last < seg->first + seg->n)
                b->place = LB_PLACE_LANE;
        }
    }
}

static lb_code place_shared(lb_plan *plan, lb_piece *pieces, lb_error *err)
{
    for (int i = 0; i < plan->n_buffers; i++) {
        const lb_buffer *const b = &plan->buffers[i];
        const size_t groups = b->place == LB_PLACE_BATCH ? (size_t)plan->n_groups : 1;
        const bool here =
            (b->place == LB_PLACE_SHARED || b->place == LB_PLACE_BATCH) && b->first >= 0;
        pieces[i] = (lb_piece){
            .size = here ? b->bytes * groups : 0, .first = b->first, .last = b->last};
    }
    LB_TRY(lb_memory_plan(pieces, plan->n_buffers, 64, &plan->shared_bytes, err));
    plan->shared = lb_arena_take(plan->arena, plan->shared_bytes);
    if (!plan->shared)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the %zu bytes of a plan",
                        plan->shared_bytes);
    for (int i = 0; i < plan->n_buffers; i++) {
        lb_buffer *const b = &plan->buffers[i];
        if (b->place == LB_PLACE_SHARED || b->place == LB_PLACE_BATCH)
            b->base = plan->shared + pieces[i].offset;
    }
    return LB_OK;
}

/* Slots, lanes and scratch lie in the pool's memory: they hold nothing between runs, and
 * the plans of a pool run one after the other. */
static lb_code reserve(lb_plan *plan, lb_error *err)
{
    const size_t threads = (size_t)plan->n_threads;
    size_t slots, lanes, scratch, all;

    plan->scratch_bytes = (plan->scratch_bytes + 63) / 64 * 64;
    if (!lb_size_mul(plan->slot_bytes, (size_t)plan->n_groups, &slots) ||
        !lb_size_mul(plan->lane_bytes, threads, &lanes) ||
        !lb_size_mul(plan->scratch_bytes, threads, &scratch) ||
        !lb_size_add(slots, lanes, &all) || !lb_size_add(all, scratch, &all) ||
        !lb_size_add(all, 64, &all)) /* never nothing: it has an address */
        return lb_raise(err, LB_ERR_MEMORY, "a plan of this batch is too large");
    if (lb_pool_reserve(plan->pool, all, err) != LB_OK)
        return lb_raise(err, LB_ERR_MEMORY,
                        "no memory for the %zu bytes of activations; a smaller batch "
                        "needs less",
                        all);
    return LB_OK;
}

void lb_plan_enter(lb_plan *plan)
{
    plan->slots = lb_pool_memory(plan->pool);
    plan->lanes = plan->slots + plan->slot_bytes * (size_t)plan->n_groups;
    plan->scratch = plan->lanes + plan->lane_bytes * (size_t)plan->n_threads;
}

lb_code lb_plan_place(lb_plan *plan, lb_error *err)
{
    lb_piece *const pieces = lb_heap_take((size_t)(plan->n_buffers + 1) * sizeof *pieces);
    lb_code code = LB_OK;

    if (!pieces)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    find_lanes(plan);
    find_heirs(plan);
    code = place_own(plan, LB_PLACE_SLOT, pieces, &plan->slot_bytes, err);
    if (code == LB_OK)
        code = place_own(plan, LB_PLACE_LANE, pieces, &plan->lane_bytes, err);
    if (code == LB_OK)
        code = place_shared(plan, pieces, err);
    if (code == LB_OK)
        code = reserve(plan, err);
    lb_heap_give(pieces);
    return code;
}
