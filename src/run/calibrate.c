/* calibrate.c: a student in int8 by calibration: of one that has been trained, or
 * roughly, to be weighed, of one that has not. */
#include "run/run_int.h"

#include "base/rng.h"

lb_rounding lb_run_rounding(const lb_run *run)
{
    return (lb_rounding)run->recipe->quantize.rounding;
}

static lb_quantize_setup setup_of(const lb_run *run, const lb_graph *student,
                                  const lb_tensor *samples)
{
    return (lb_quantize_setup){.graph = student,
                               .samples = samples,
                               .options = run->recipe->quantize,
                               .pool = run->pool,
                               .kernels = run->options->kernels,
                               .device = run->device};
}

typedef struct judge {
    const lb_run *run;
} judge;

/* On what is held back from training. */
static lb_code score(void *arg, const lb_graph *graph, double *accuracy, lb_error *err)
{
    const lb_run *const run = ((const judge *)arg)->run;
    const lb_split split = run->data->n[LB_VALIDATION] > 0 ? LB_VALIDATION : LB_TRAIN;
    lb_arena *const arena = lb_arena_new(0);
    lb_metrics metrics;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to evaluate a network");
    const lb_code code =
        lb_evaluate(graph, &run->recipe->student.input, run->data, split, run->pool,
                    run->options->kernels, NULL, arena, &metrics, err);
    if (code == LB_OK)
        *accuracy = metrics.accuracy;
    lb_arena_free(arena);
    return code;
}

lb_code lb_run_calibrate(const lb_run *run, const lb_graph *student,
                         const lb_tensor *samples, lb_arena *arena, lb_quantised *out,
                         lb_error *err)
{
    lb_quantize_setup setup = setup_of(run, student, samples);
    judge one = {run};

    setup.score = score;
    setup.score_arg = &one;
    return lb_network_quantize(&setup, arena, out, err);
}

/* In rough calibration `mixed` becomes what takes most flash or, where a limit decides,
 * least. */
static int rough_weights(const lb_quantize_options *q)
{
    if (q->weights != LB_WEIGHTS_MIXED)
        return q->weights;
    return q->flash > 0 ? LB_WEIGHTS_4 : LB_WEIGHTS_8;
}

/* Whether `flash` can be kept. */
static lb_code check_flash(const lb_run *run, const lb_low *low, lb_error *err)
{
    const lb_quantize_options *const q = &run->recipe->quantize;
    lb_estimate estimate;

    if (q->weights != LB_WEIGHTS_MIXED || q->flash <= 0)
        return LB_OK;
    lb_device_estimate(low, run->device ? run->device : &lb_devices[0], &estimate);
    if ((double)estimate.flash_bytes <= q->flash)
        return LB_OK;
    return lb_raise(err, LB_ERR_BUDGET,
                    "even with weights of 4 bits in every layer it needs %zu bytes of "
                    "flash, more than compress: quantize: flash allows: %.0f",
                    estimate.flash_bytes, q->flash);
}

/* Noise of the usual range: any numbers give the same geometry, however the ranges are
 * found. */
static lb_code make_noise(const lb_graph *student, lb_arena *arena, lb_tensor **out,
                          lb_error *err)
{
    const lb_type *const type = &lb_info(student, student->inputs[0])->type;
    const lb_shape shape = lb_shape_bind(&type->shape, 2);
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);

    LB_TRY(lb_tensor_new(arena, LB_F32, &shape, out, err));
    for (size_t i = 0; i < (*out)->n; i++)
        lb_tensor_put(*out, i, lb_rng_uniform(&rng));
    return LB_OK;
}

lb_code lb_run_lower(const lb_run *run, const lb_graph *student, lb_arena *arena,
                     lb_low **out, lb_error *err)
{
    lb_quantize_setup setup = setup_of(run, student, NULL);
    lb_tensor *noise = NULL;
    lb_quantised rough = {0};

    if (!run->recipe->int8)
        return lb_lower(student, arena, out, err);
    LB_TRY(make_noise(student, arena, &noise, err));
    setup.samples = noise;
    setup.options.weights = rough_weights(&setup.options);
    setup.options.ranges = LB_RANGES_MINMAX;
    setup.options.equalise = setup.options.correct_bias = false;
    LB_TRY(lb_network_quantize(&setup, arena, &rough, err));
    lb_code code = lb_lower_rounded(rough.graph, lb_run_rounding(run), arena, out, err);
    lb_quantised_free(&rough);
    if (code == LB_OK)
        code = check_flash(run, *out, err);
    return code;
}
