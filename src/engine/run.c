/* run.c: runs a plan. Nothing here allocates, looks up a name or changes a layout that
 * was not planned. */
#include "engine/plan_int.h"

#include <math.h>
#include <string.h>

/* Shares of all groups, added in group order. */
static void run_sum(const lb_plan *plan, const lb_step *step)
{
    const lb_buffer *const shares = &plan->buffers[step->in[0]];
    const lb_buffer *const to =
        &plan->buffers[step->kernel ? step->out[1] : step->out[0]];

    memcpy(to->base, lb_buffer_at(plan, shares, 0, 0), shares->bytes);
    for (int g = 1; g < plan->n_groups; g++) {
        const char *const from = lb_buffer_at(plan, shares, g, 0);
        if (step->dtype == LB_F64) {
            double *restrict const sum = (double *)(void *)to->base;
            const double *restrict const share = (const double *)(const void *)from;
            for (size_t i = 0; i < step->count; i++)
                sum[i] += share[i];
        } else {
            float *restrict const sum = (float *)(void *)to->base;
            const float *restrict const share = (const float *)(const void *)from;
            for (size_t i = 0; i < step->count; i++)
                sum[i] += share[i];
        }
    }
    if (step->kernel)
        step->kernel->unpack(step->state, step->operand, to->base,
                             plan->buffers[step->out[0]].base);
}

static void run_reorder(const lb_plan *plan, const lb_step *step, int group, int lane)
{
    const lb_buffer *const from = &plan->buffers[step->in[0]];
    const lb_buffer *const to = &plan->buffers[step->out[0]];
    const float *const in =
        (const float *)(const void *)lb_buffer_at(plan, from, group, lane);
    float *const out = (float *)(void *)lb_buffer_at(plan, to, group, lane);

    if (to->layout == LB_BLOCKED)
        lb_to_blocked(&step->shape, plan->block, in, out);
    else
        lb_to_plain(&step->shape, plan->block, in, out);
}

static void run_node(const lb_plan *plan, const lb_step *step, int group, int lane)
{
    lb_call call = {.state = step->state,
                    .scratch = plan->scratch + (size_t)lane * plan->scratch_bytes,
                    .lane = lane,
                    .first = group * plan->samples};

    for (int k = 0; k < step->n_in; k++)
        if (step->in[k] >= 0)
            call.in[k] = lb_buffer_at(plan, &plan->buffers[step->in[k]], group, lane);
    for (int k = 0; k < step->n_out; k++)
        call.out[k] = lb_buffer_at(plan, &plan->buffers[step->out[k]], group, lane);
    step->kernel->run(&call);
}

void lb_step_run(const lb_plan *plan, const lb_step *step, int group, int lane)
{
    switch (step->kind) {
    case LB_STEP_NODE:
        run_node(plan, step, group, lane);
        break;
    case LB_STEP_REORDER:
        run_reorder(plan, step, group, lane);
        break;
    case LB_STEP_PACK:
        step->kernel->pack(step->state, step->operand, plan->buffers[step->in[0]].base,
                           plan->buffers[step->out[0]].base);
        break;
    case LB_STEP_SUM:
        run_sum(plan, step);
        break;
    }
}

static void run_grouped(const lb_plan *plan, const lb_segment *seg, int thread)
{
    const int first = plan->n_groups * thread / plan->n_threads;
    const int end = plan->n_groups * (thread + 1) / plan->n_threads;

    for (int g = first; g < end; g++)
        for (int i = seg->first; i < seg->first + seg->n; i++)
            lb_step_run(plan, &plan->steps[i], g, thread);
}

static void run_shared(const lb_plan *plan, const lb_segment *seg, int thread)
{
    for (int i = seg->first; i < seg->first + seg->n; i++)
        if (plan->steps[i].thread == thread)
            lb_step_run(plan, &plan->steps[i], 0, thread);
}

static void work(void *arg, int thread)
{
    const lb_plan *const plan = arg;

    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        if (s > 0)
            lb_pool_barrier(plan->pool);
        if (seg->grouped)
            run_grouped(plan, seg, thread);
        else
            run_shared(plan, seg, thread);
    }
}

void lb_plan_run(lb_plan *plan)
{
    lb_plan_enter(plan);
    lb_pool_run(plan->pool, work, plan);
}

void lb_plan_refresh(lb_plan *plan)
{
    lb_plan_enter(plan);
    for (int i = 0; i < plan->n_packs; i++)
        lb_step_run(plan, &plan->packs[i], 0, 0);
}

static bool all_finite(const lb_plan *plan, int buffer, int group)
{
    const lb_buffer *const b = &plan->buffers[buffer];
    const lb_dtype dtype = plan->graph->values[b->value].type.dtype;
    const char *const at = lb_buffer_at(plan, b, group, 0);

    if (!lb_dtype_is_float(dtype))
        return true;
    for (size_t i = 0; i < b->bytes / lb_dtype_size(dtype); i++) {
        const double x = dtype == LB_F64 ? ((const double *)(const void *)at)[i]
                                         : (double)((const float *)(const void *)at)[i];
        if (!isfinite(x))
            return false;
    }
    return true;
}

/* Runs a step unless it updates; true if its results are finite. */
static bool is_sound(const lb_plan *plan, const lb_step *step, int group)
{
    if (step->node && (step->node->op->flags & LB_OP_UPDATE) &&
        step->kind == LB_STEP_NODE)
        return true;
    lb_step_run(plan, step, group, 0);
    for (int k = 0; step->kind == LB_STEP_NODE && k < step->n_out; k++) {
        const bool whole =
            !plan->buffers[step->out[k]].parts || group == plan->n_groups - 1;
        if (whole && !all_finite(plan, step->out[k], group))
            return false;
    }
    return true;
}

const lb_node *lb_plan_find_nan(lb_plan *plan)
{
    lb_plan_enter(plan);
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        for (int g = 0; g < (seg->grouped ? plan->n_groups : 1); g++)
            for (int i = seg->first; i < seg->first + seg->n; i++)
                if (!is_sound(plan, &plan->steps[i], g))
                    return plan->steps[i].node;
    }
    return NULL;
}
