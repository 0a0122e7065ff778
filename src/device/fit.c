/* fit.c: tries depths and sizes of the input, each at the widest width that fits. */
#include "device/fit.h"

#include <math.h>
#include <string.h>

/* Widths are looked at in steps of one part of so many. */
enum { STEPS = 16 };

/* Less is no difference. */
static const double alike = 0.05;

int lb_fit_count(const lb_fit_search *s)
{
    return (s->n_inputs > 0 ? s->n_inputs : 1) * (s->n_depths > 0 ? s->n_depths : 1);
}

/* LB_OK with what it costs, or LB_ERR_BUDGET. */
static lb_code weigh(const lb_fit_search *s, double width, lb_fit *out, lb_error *err)
{
    lb_model_options options = s->options;
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *graph = NULL;
    lb_low *low = NULL;
    lb_fit found = *out;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to weigh a network");
    options.depth = out->depth;
    options.input = out->input;
    options.width = found.width = width;
    lb_code code = lb_model_build(s->model, &options, 1, &graph, err);
    if (code == LB_OK)
        code = s->lowerer ? s->lowerer->lower(s->lowerer->arg, graph, arena, &low, err)
                          : lb_lower(graph, arena, &low, err);
    if (code == LB_OK) {
        found.parameters = lb_graph_parameters(graph);
        found.macs = lb_graph_macs(graph);
        lb_device_estimate(low, s->device, &found.estimate);
        code = lb_device_check(low, s->device, s->limits, &found.estimate, err);
        found.fits = code == LB_OK;
    }
    if (code == LB_OK || (code == LB_ERR_BUDGET && !out->fits))
        *out = found;
    lb_graph_free(graph);
    lb_arena_free(arena);
    return code;
}

/* *ends becomes true if the width does not fit; all else is an error. */
static lb_code try_width(const lb_fit_search *s, int n, lb_fit *out, bool *ends,
                         lb_error *err)
{
    lb_error why = {0};
    const lb_code code = weigh(s, (double)n / STEPS, out, &why);

    *ends = code == LB_ERR_BUDGET;
    if (code == LB_OK || *ends)
        return LB_OK;
    *err = why;
    return code;
}

/* Costs grow with the width, so those that fit are the least ones. What does not fit may
 * be very large: so widths grow from below. */
static lb_code widen(const lb_fit_search *s, lb_fit *out, lb_error *err)
{
    const int most = (int)floor(s->model->most_width * STEPS);
    int fits = (int)fmax(1, ceil(s->model->least_width * STEPS)), fails = most + 1;
    bool ends = false;

    if (weigh(s, (double)fits / STEPS, out, err) != LB_OK)
        return lb_within(err, "even at width %g, the least of '%s'", (double)fits / STEPS,
                         s->model->name);
    while (!ends && fits < most) {
        const int n = 2 * fits < most ? 2 * fits : most;
        LB_TRY(try_width(s, n, out, &ends, err));
        if (ends)
            fails = n;
        else
            fits = n;
    }
    while (fails - fits > 1) {
        const int n = fits + (fails - fits) / 2;
        LB_TRY(try_width(s, n, out, &ends, err));
        if (ends)
            fails = n;
        else
            fits = n;
    }
    return LB_OK;
}

/* [H,W] */
static double area(const lb_fit *f)
{
    return (double)f->input.dim[1] * f->input.dim[2];
}

static double score(const lb_fit *f, double largest)
{
    return f->fits ? f->macs * sqrt(area(f) / largest) : -1;
}

static bool comes_before(const lb_fit *a, const lb_fit *b)
{
    if (area(a) < area(b) || area(a) > area(b))
        return area(a) > area(b);
    return a->parameters > b->parameters;
}

int lb_fit_best(const lb_fit *fit, int n)
{
    double largest = 0, most = 0;
    int best = -1;

    for (int i = 0; i < n; i++)
        largest = fmax(largest, area(&fit[i]));
    for (int i = 0; i < n; i++)
        most = fmax(most, score(&fit[i], largest));
    for (int i = 0; i < n; i++)
        if (score(&fit[i], largest) >= (1 - alike) * most &&
            (best < 0 || comes_before(&fit[i], &fit[best])))
            best = i;
    return best;
}

/* LB_OK or LB_ERR_BUDGET; *why: what it breaks. */
static lb_code try_one(const lb_fit_search *s, lb_fit *f, lb_error *why)
{
    if (f->depth == 0)
        f->depth = s->model->usual_depth;
    return s->options.width > 0 ? weigh(s, s->options.width, f, why) : widen(s, f, why);
}

lb_code lb_fit_all(const lb_fit_search *s, lb_fit *out, int *best, lb_error *err)
{
    const int n = lb_fit_count(s), depths = s->n_depths > 0 ? s->n_depths : 1;
    lb_error least = {0};

    for (int i = 0; i < n; i++) {
        lb_error why = {0};
        out[i] =
            (lb_fit){.depth = s->n_depths > 0 ? s->depth[i % depths] : s->options.depth,
                     .input = s->n_inputs > 0 ? s->input[i / depths] : s->options.input};
        const lb_code code = try_one(s, &out[i], &why);
        if (code != LB_OK && code != LB_ERR_BUDGET) {
            *err = why;
            return code;
        }
        /* the least network is the first of the last inputs */
        if (code == LB_ERR_BUDGET && i % depths == 0)
            least = why;
    }
    *best = lb_fit_best(out, n);
    if (*best >= 0)
        return LB_OK;
    *err = least;
    return LB_ERR_BUDGET;
}
