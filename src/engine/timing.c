/* timing.c: measures a plan, step by step and as a whole. */
#include "engine/timing.h"

#include "base/clock.h"
#include "engine/machine.h"
#include "engine/plan_int.h"

#include <string.h>

enum { MOST_RUNS = 25, MOST_WALL_RUNS = 101 };

/* True for a node that the builder named by its operator and a number, which tells a
 * reader nothing. */
static bool is_unnamed(const lb_node *node)
{
    const char *const slash = strrchr(node->name, '/');
    const char *const last = slash ? slash + 1 : node->name;
    const size_t n = strlen(node->op->name);

    return strncmp(last, node->op->name, n) == 0 && (!last[n] || last[n] == '_');
}

/* The first parameter that a node reads, or NULL. */
static const char *param_of(const lb_graph *g, const lb_node *node)
{
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k].id && lb_info(g, node->in[k])->kind == LB_VALUE_PARAM)
            return lb_info(g, node->in[k])->name;
    return NULL;
}

/* The first named node whose value a node reads, or NULL. */
static const char *source_of(const lb_graph *g, const lb_node *node)
{
    for (int k = 0; k < node->n_in; k++) {
        const lb_value_info *const in = lb_info(g, node->in[k]);
        if (node->in[k].id && in->kind == LB_VALUE_NODE &&
            !is_unnamed(&g->nodes[in->node]))
            return g->nodes[in->node].name;
    }
    return NULL;
}

/* The parameter that a later node makes of a node's output: its update's. */
static const char *updated_by(const lb_graph *g, const lb_node *node)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if ((g->nodes[i].op->flags & LB_OP_UPDATE) &&
                g->nodes[i].in[k].id == node->out[0].id)
                return param_of(g, &g->nodes[i]);
    return NULL;
}

/* The layer that a node works for, as a reader knows it: its own name, that of its
 * parameter without the last part ("conv1/weight"), or of the layer whose gradient it is.
 */
static const char *layer_of(const lb_graph *g, const lb_node *node, lb_arena *arena)
{
    if (!is_unnamed(node))
        return lb_arena_copy_text(arena, node->name);
    const char *const updated = updated_by(g, node);
    const char *const param = updated ? updated : param_of(g, node);
    if (param) {
        size_t n = strlen(param);
        while (n > 0 && !strchr("/.", param[n - 1]))
            n--;
        return lb_arena_copy_chars(arena, param, n > 1 ? n - 1 : strlen(param));
    }
    const bool is_gradient = node->op->flags & LB_OP_FORWARD_ONLY;
    const char *const source = is_gradient ? source_of(g, node) : NULL;
    return lb_arena_copy_text(arena, source ? source : node->name);
}

static lb_code describe(const lb_plan *plan, int i, lb_arena *arena, lb_timing_row *row,
                        lb_error *err)
{
    const lb_step *const step = &plan->steps[i];
    const char *kernel = "";
    const lb_node *node = NULL;

    lb_plan_step(plan, i, &kernel, &node);
    row->work = lb_plan_work(plan, i);
    row->name =
        node ? layer_of(plan->graph, node, arena)
             : lb_arena_copy_text(
                   arena, plan->graph->values[plan->buffers[step->in[0]].value].name);
    row->op = lb_arena_copy_text(arena, node ? node->op->name : "");
    const bool runs_node = node && step->kind == LB_STEP_NODE;
    const char *const way = runs_node ? lb_native_way(step->kernel) : NULL;
    row->kernel = !runs_node ? lb_arena_copy_text(arena, kernel)
                  : way      ? lb_arena_text(arena, "%s %s (%s)", kernel, row->op, way)
                             : lb_arena_text(arena, "%s %s", kernel, row->op);
    if (!row->name || !row->op || !row->kernel)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the timing of a plan");
    return LB_OK;
}

/* run: [MOST_RUNS][n]; returns how many were made. */
static int run_all(lb_plan *plan, double seconds, int n, double *run)
{
    const double start = lb_clock_wall();
    int runs = 0;

    lb_plan_profile(plan,
                    run); /* warms up; counts only if there is no time for another */
    while (runs < MOST_RUNS && (runs == 0 || lb_clock_wall() - start < seconds)) {
        if (runs == 0 && lb_clock_wall() - start > seconds)
            return 1;
        double *const row = run + (size_t)runs++ * (size_t)n;
        memset(row, 0, (size_t)n * sizeof *row);
        lb_plan_profile(plan, row);
    }
    return runs;
}

lb_code lb_plan_time(lb_plan *plan, double seconds, lb_arena *arena, lb_timing *out,
                     lb_error *err)
{
    lb_timing t = {.plan = lb_plan_describe(plan)};

    t.n = t.plan.n_steps;
    t.row = LB_TAKE_ARRAY(arena, t.n, lb_timing_row);
    double *const run = LB_TAKE_ARRAY(arena, (size_t)t.n * MOST_RUNS, double);
    if (!t.row || !run)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the timing of a plan");
    const int runs = run_all(plan, seconds, t.n, run);
    for (int i = 0; i < t.n; i++) {
        double sample[MOST_RUNS];
        LB_TRY(describe(plan, i, arena, &t.row[i], err));
        for (int r = 0; r < runs; r++)
            sample[r] = run[(size_t)r * (size_t)t.n + (size_t)i];
        t.row[i].seconds = lb_median(sample, runs);
        t.seconds += t.row[i].seconds;
        t.work.flops += t.row[i].work.flops;
        t.work.bytes += t.row[i].work.bytes;
    }
    *out = t;
    return LB_OK;
}

double lb_plan_wall(lb_plan *plan, double seconds)
{
    const double start = lb_clock_wall();
    double run[MOST_WALL_RUNS];
    int n = 0;

    lb_plan_run(plan);
    while (n < MOST_WALL_RUNS && (n < 3 || lb_clock_wall() - start < seconds)) {
        const double begin = lb_clock_wall();
        lb_plan_run(plan);
        run[n++] = lb_clock_wall() - begin;
    }
    return lb_median(run, n);
}
