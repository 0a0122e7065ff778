/* profile.c: where the time of a plan goes, step by step, and what for. */
#include "base/clock.h"
#include "engine/plan_int.h"

static void run_timed(const lb_plan *plan, int i, int group, double *seconds)
{
    const double start = lb_clock_thread();

    lb_step_run(plan, &plan->steps[i], group, 0);
    seconds[i] += lb_clock_thread() - start;
}

void lb_plan_profile(lb_plan *plan, double *seconds)
{
    lb_plan_enter(plan);
    for (int s = 0; s < plan->n_segments; s++) {
        const lb_segment *const seg = &plan->segments[s];
        for (int g = 0; g < (seg->grouped ? plan->n_groups : 1); g++)
            for (int i = seg->first; i < seg->first + seg->n; i++)
                run_timed(plan, i, g, seconds);
    }
}

static double bytes_of(const lb_plan *plan, int buffer)
{
    if (buffer < 0)
        return 0;
    const lb_buffer *const b = &plan->buffers[buffer];
    switch (b->place) {
    case LB_PLACE_SLOT:
    case LB_PLACE_LANE:
    case LB_PLACE_BATCH:
        return (double)b->bytes * plan->n_groups;
    case LB_PLACE_SHARED:
    case LB_PLACE_TENSOR:
        break;
    }
    return (double)b->bytes;
}

static bool is_batched(const lb_graph *g, const lb_node *node)
{
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k].id && lb_type_batched(&lb_info(g, node->in[k])->type))
            return true;
    return false;
}

lb_work lb_plan_work(const lb_plan *plan, int i)
{
    const lb_step *const step = &plan->steps[i];
    const lb_node *const node = step->node;
    lb_work work = {0};

    for (int k = 0; k < step->n_in; k++)
        work.bytes += bytes_of(plan, step->in[k]);
    for (int k = 0; k < step->n_out; k++)
        work.bytes += bytes_of(plan, step->out[k]);
    if (step->kind == LB_STEP_NODE && node->op->cost) {
        lb_type out[LB_MAX_OUTPUTS] = {0};
        lb_view view;
        for (int k = 0; k < node->n_out; k++)
            out[k] = lb_info(plan->graph, node->out[k])->type;
        lb_graph_view(plan->graph, node, &view);
        const lb_cost cost = node->op->cost(&view, out);
        work.flops = (2 * cost.macs + cost.other) *
                     (is_batched(plan->graph, node) ? plan->options.batch : 1);
    }
    return work;
}
