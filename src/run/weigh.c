/* weigh.c: makes the student, and holds it against the device before the first step. */
#include "run/run_int.h"

#include "base/rng.h"
#include "device/fit.h"
#include "onnx/onnx.h"
#include "run/network_load.h"

#include <stdio.h>
#include <string.h>

/* width 0, depth LB_DEPTH_FIT: to be found. */
static lb_model_options model_options(const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    return (lb_model_options){.input = run->data->content.shape,
                              .classes = run->data->content.n_classes,
                              .width = r->student.width,
                              .depth = r->student.depth,
                              .tail = run->tail.graph ? &run->tail : NULL};
}

/* As it will be deployed: about what pruning leaves of it, in int8 if it becomes that. */
lb_code lb_run_lower_deployed(const void *arg, const lb_graph *graph, lb_arena *arena,
                              lb_low **out, lb_error *err)
{
    const lb_run *const run = arg;
    lb_graph *small = NULL;
    lb_error why = {0};

    if (!(run->recipe->prune.amount > 0))
        return lb_run_lower(run, graph, arena, out, err);
    lb_code code = lb_run_sketch(run, graph, &small, &why);
    if (code == LB_ERR_INPUT) /* too narrow to lose so much: others are tried, too */
        return lb_run_lower(run, graph, arena, out, err);
    if (code != LB_OK) {
        *err = why;
        return code;
    }
    code = lb_run_lower(run, small, arena, out, err);
    lb_graph_free(small);
    return code;
}

/* Of the depths below `below` (0: of all) if options->depth is LB_DEPTH_FIT, and of all
 * widths if options->width is 0, the most capable that fits. */
static lb_code find_fit(const lb_run *run, const lb_model *model,
                        lb_model_options *options, int below, lb_error *err)
{
    const lb_lowerer lowerer = {lb_run_lower_deployed, run};
    lb_fit_search search = {.model = model,
                            .options = *options,
                            .device = run->device,
                            .limits = &run->recipe->device,
                            .lowerer = &lowerer};
    int best;

    if (options->depth == LB_DEPTH_FIT) {
        search.depth = model->depths;
        while (model->depths[search.n_depths] &&
               (below == 0 || model->depths[search.n_depths] < below))
            search.n_depths++;
        if (search.n_depths == 0)
            return lb_raise(err, LB_ERR_BUDGET, "no lower depth is searched");
    }
    lb_fit *const out = LB_TAKE_ARRAY(run->arena, lb_fit_count(&search), lb_fit);
    if (!out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to search what fits");
    LB_TRY(lb_fit_all(&search, out, &best, err));
    options->width = out[best].width;
    options->depth = out[best].depth;
    return LB_OK;
}

static lb_code build_student(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model = lb_model_find(r->student.model);
    lb_model_options options = model_options(run);

    if (!model)
        return lb_raise(err, LB_ERR_INPUT, "no model is called '%s'", r->student.model);
    if ((options.width <= 0 || options.depth == LB_DEPTH_FIT) && !run->device)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s: fit' needs a device to fit; name one under 'device', or "
                        "give the %s as a number",
                        options.width <= 0 ? "width" : "depth",
                        options.width <= 0 ? "width" : "depth");
    if (options.width <= 0 || options.depth == LB_DEPTH_FIT)
        LB_TRY(find_fit(run, model, &options, 0, err));
    run->width = options.width;
    run->model_depth = options.depth > 0 ? options.depth : model->usual_depth;
    return lb_model_build(model, &options, r->seed, &run->student, err);
}

/* New weights for the stages that begin with them: of the run's seed and the stage. */
static lb_code build_fresh(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model = lb_model_find(r->student.model);
    lb_model_options options = model_options(run);

    options.width = run->width;
    options.depth = run->model_depth;
    for (int k = 1; k < r->n_stages; k++) {
        lb_rng rng = lb_rng_make(r->seed, LB_RNG_INIT, 0, (uint64_t)k);
        if (r->stage[k].fresh)
            LB_TRY(
                lb_model_build(model, &options, lb_rng_next(&rng), &run->fresh[k], err));
    }
    return LB_OK;
}

/* What of the teacher the student ends in. */
static lb_code find_tail(lb_run *run, lb_error *err)
{
    const lb_student_options *const s = &run->recipe->student;
    const lb_graph *const teacher = run->member[0].file;
    const char *why = NULL;
    lb_tap last[LB_MAX_PAIRS];

    if (s->head != LB_HEAD_TEACHER)
        return LB_OK;
    if (run->n_members == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "the student ends in the teacher's classifier, and '%s' has not "
                        "been trained yet; run it first",
                        run->recipe->teacher[0].recipe);
    if (lb_taps_pair(LB_AUTO_LAST, teacher, teacher, run->arena, last, &why) == 0)
        return lb_raise(err, LB_ERR_INPUT, "head: teacher: %s", why);
    run->tail = (lb_model_tail){teacher, last[0].teacher, s->reduction};
    return LB_OK;
}

lb_code lb_run_model_options(lb_run *run, lb_model_options *out, lb_error *err)
{
    LB_TRY(find_tail(run, err));
    *out = model_options(run);
    return LB_OK;
}

lb_code lb_run_open_student(lb_run *run, lb_error *err)
{
    lb_student_options *const s = &run->recipe->student;
    const char *const profile = run->recipe->device.profile;

    lb_run_phase(run, "student");
    if (profile && !(run->device = lb_device_find(profile)))
        return lb_raise(err, LB_ERR_INPUT, "no device is called '%s'", profile);
    LB_TRY(find_tail(run, err));
    if (s->onnx)
        LB_TRY(lb_network_load(s->onnx, &run->student, &run->student_digest, err));
    else
        LB_TRY(build_student(run, err));
    if (!s->onnx)
        LB_TRY(build_fresh(run, err));
    if (s->init)
        LB_TRY(lb_onnx_load_weights(s->init, run->student, err));
    if (lb_input_match(run->student, &run->data->content.shape, &s->input, err) != LB_OK)
        return lb_within(err, "student");
    return LB_OK;
}

/* Adds to a refusal the nearest students that would fit: narrower, or less deep. */
static lb_code with_advice(const lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_model *const model =
        r->student.onnx ? NULL : lb_model_find(r->student.model);
    lb_model_options narrow = model_options(run), shallow = narrow;
    char was[sizeof err->text];
    lb_error ignored = {0};

    if (!model)
        return LB_ERR_BUDGET;
    narrow.width = 0;
    narrow.depth = run->model_depth;
    shallow.depth = LB_DEPTH_FIT;
    const bool width = find_fit(run, model, &narrow, 0, &ignored) == LB_OK;
    const bool depth =
        find_fit(run, model, &shallow, run->model_depth, &ignored) == LB_OK;
    memcpy(was, err->text, sizeof was);
    if (width)
        (void)lb_raise(err, LB_ERR_BUDGET,
                       "%s; the widest '%s' that fits has width %g (student.width: fit "
                       "finds it)",
                       was, model->name, narrow.width);
    memcpy(was, err->text, sizeof was);
    if (depth)
        (void)lb_raise(err, LB_ERR_BUDGET, "%s; at width %g, '%s' fits with depth %d%s",
                       was, shallow.width, model->name, shallow.depth,
                       width ? "" : " (student.depth: fit finds it)");
    memcpy(was, err->text, sizeof was);
    narrow.width = 0;
    narrow.depth = LB_DEPTH_FIT;
    if (width || depth)
        return LB_ERR_BUDGET;
    if (find_fit(run, model, &narrow, 0, &ignored) != LB_OK)
        return lb_raise(err, LB_ERR_BUDGET, "%s; no width and depth of '%s' fit", was,
                        model->name);
    (void)lb_raise(err, LB_ERR_BUDGET,
                   "%s; width %g and depth %d fit (`limbeck fit` searches both)", was,
                   narrow.width, narrow.depth);
    return LB_ERR_BUDGET;
}

/* A line of the budget; a limit of 0: none. */
static void add_limit(lb_text *t, const char *name, const lb_range *needs, double limit,
                      const char *unit)
{
    char text[64];

    if (needs->low < needs->high)
        snprintf(text, sizeof text, "%.4g to %.4g %s", needs->low, needs->high, unit);
    else
        snprintf(text, sizeof text, "%.0f %s", needs->high, unit);
    lb_text_add(t, "\n  %-8s %s", name, text);
    if (limit > 0)
        lb_text_add(t, " of %.*f %s%s", limit < 100 ? 3 : 0, limit, unit,
                    needs->high > limit ? ": too much" : "");
}

static void tell_budget(const lb_run *run)
{
    const lb_device_options *const limits = &run->recipe->device;
    const lb_device *const d = run->device;
    const lb_estimate *const e = &run->estimate;
    const lb_range flash = {(double)e->flash_bytes, (double)e->flash_bytes,
                            (double)e->flash_bytes};
    const lb_range sram = {(double)e->sram_bytes, (double)e->sram_bytes,
                           (double)e->sram_bytes};
    lb_text t;

    if (run->options->go_on) /* one of many */
        return;
    lb_text_init(&t, run->arena);
    lb_text_add(&t, "what the student needs on %s (%s):", d->name, d->core);
    add_limit(&t, "flash", &flash, limits->flash > 0 ? limits->flash : d->flash_bytes,
              "B");
    add_limit(&t, "SRAM", &sram, limits->sram > 0 ? limits->sram : d->sram_bytes, "B");
    add_limit(&t, "latency", &e->latency_ms, limits->latency * 1e3, "ms");
    add_limit(&t, "energy", &e->energy_uj, limits->energy * 1e6, "uJ");
    if (!t.failed)
        lb_log_tell(&run->options->log, LB_LOG_WARN, "%s", t.chars);
}

lb_code lb_run_weigh(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;

    if (!run->device && !(r->exports & LB_EXPORT_C))
        return LB_OK;
    if (lb_run_lower_deployed(run, run->student, run->arena, &run->low, err) != LB_OK)
        return lb_within(err, "the student cannot run on a device");
    if (!run->device)
        return LB_OK;
    lb_device_estimate(run->low, run->device, &run->estimate);
    const lb_code code =
        lb_device_check(run->low, run->device, &r->device, &run->estimate, err);
    if (code != LB_ERR_BUDGET)
        return code;
    tell_budget(run);
    return with_advice(run, err);
}
