/* fit_run.c: searches what fits a device, for data or for a recipe. */
#include "run/fit_run.h"

#include "run/run_int.h"

#include <string.h>

typedef struct searching {
    const lb_fit_options *options;
    lb_arena *arena;
    lb_run run; /* of a recipe, or as one that has only what calibration asks for */
    lb_recipe bare;
    lb_fit_search search;
    lb_shape sizes[3];
} searching;

/* A recipe with the usual values, for a model alone. */
static lb_code begin_model(searching *s, lb_error *err)
{
    const lb_fit_options *const o = s->options;

    s->run.recipe = &s->bare;
    s->bare.int8 = o->int8;
    LB_TRY(lb_keys_defaults(lb_quantize_keys, &s->bare.quantize, s->arena, err));
    LB_TRY(lb_pool_new(o->recipe.threads, &s->run.pool, err));
    s->search.model = o->model;
    s->search.options = (lb_model_options){.input = o->sample, .classes = o->classes};
    return LB_OK;
}

static lb_code begin_recipe(searching *s, lb_error *err)
{
    LB_TRY(lb_run_open_search(&s->run, &s->search.options, err));
    s->search.model = lb_model_find(s->run.recipe->student.model);
    return LB_OK;
}

/* Limits of the options before those of the recipe. */
static lb_code find_limits(const searching *s, lb_fit_result *out, lb_error *err)
{
    const lb_device_options *const asked = &s->options->device;
    lb_device_options *const limits = &out->limits;

    *limits = s->run.recipe->device;
    limits->profile = asked->profile ? asked->profile : limits->profile;
    limits->flash = asked->flash > 0 ? asked->flash : limits->flash;
    limits->sram = asked->sram > 0 ? asked->sram : limits->sram;
    limits->latency = asked->latency > 0 ? asked->latency : limits->latency;
    limits->energy = asked->energy > 0 ? asked->energy : limits->energy;
    if (!limits->profile)
        return lb_raise(err, LB_ERR_INPUT,
                        "which device? name one that `limbeck devices` lists, as in "
                        "--device stm32l4r5");
    out->device = lb_device_find(limits->profile);
    if (!out->device)
        return lb_raise(err, LB_ERR_INPUT, "no device is called '%s'", limits->profile);
    return LB_OK;
}

/* Half a picture of 16 still has something to see. */
static bool is_picture(const lb_shape *shape)
{
    return shape->rank == 3 && shape->dim[1] >= 16 && shape->dim[2] >= 16;
}

static void choose_inputs(searching *s)
{
    const lb_fit_options *const o = s->options;
    const lb_shape own = s->search.options.input;

    if (o->n_inputs > 0) {
        s->search.input = o->input;
        s->search.n_inputs = o->n_inputs;
        return;
    }
    s->search.input = s->sizes;
    s->search.n_inputs = is_picture(&own) ? 3 : 1;
    for (int i = 0; i < s->search.n_inputs; i++) {
        s->sizes[i] = own;
        for (int d = 1; d < own.rank && i > 0; d++)
            s->sizes[i].dim[d] = (own.dim[d] * (4 - i) + 2) / 4;
    }
}

static void choose_depths(searching *s)
{
    const lb_fit_options *const o = s->options;

    s->search.depth = o->n_depths > 0 ? o->depth : s->search.model->depths;
    s->search.n_depths = o->n_depths;
    while (o->n_depths == 0 && s->search.depth[s->search.n_depths])
        s->search.n_depths++;
}

static lb_code find(searching *s, lb_fit_result *out, lb_error *err)
{
    const lb_lowerer lowerer = {lb_run_lower_deployed, &s->run};

    LB_TRY(s->options->model ? begin_model(s, err) : begin_recipe(s, err));
    LB_TRY(find_limits(s, out, err));
    s->run.device = out->device;
    choose_inputs(s);
    choose_depths(s);
    s->search.options.width = s->options->width;
    s->search.device = out->device;
    s->search.limits = &out->limits;
    s->search.lowerer = &lowerer;
    out->model = s->search.model;
    out->sample = s->search.options.input;
    out->classes = s->search.options.classes;
    out->int8 = s->run.recipe->int8;
    out->ends_in_teacher = s->search.options.tail != NULL;
    out->n = lb_fit_count(&s->search);
    out->fit = LB_TAKE_ARRAY(s->arena, out->n, lb_fit);
    if (!out->fit)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d candidates", out->n);
    return lb_fit_all(&s->search, out->fit, &out->best, err);
}

lb_code lb_fit_run(const lb_fit_options *options, lb_arena *arena, lb_fit_result *out,
                   lb_error *err)
{
    lb_run_options wanted = options->recipe;
    searching *const s = LB_TAKE(arena, searching);

    *out = (lb_fit_result){.best = -1};
    if (!s)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to search what fits");
    wanted.dry_run = true; /* no teacher is trained, no folder made */
    s->options = options;
    s->arena = arena;
    s->run = (lb_run){.options = &wanted, .arena = arena};
    const lb_code code = find(s, out, err);
    lb_run_close(&s->run);
    return code;
}
