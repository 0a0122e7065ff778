/* calibrate.c: a student in int8 by calibration: of one that has been trained, or
 * roughly, to be weighed, of one that has not. */
#include "run/run_int.h"

#include "base/rng.h"

lb_rounding lb_run_rounding(const lb_run *run)
{
    return (lb_rounding)run->recipe->quantize.rounding;
}

static lb_quantize_setup setup_of(const lb_run *run, const lb_graph *student)
{
    return (lb_quantize_setup){.graph = student,
                               .options = run->recipe->quantize,
                               .pool = run->pool,
                               .kernels = run->options->kernels};
}

lb_code lb_run_calibrate(const lb_run *run, const lb_graph *student,
                         const lb_tensor *samples, lb_arena *arena, lb_quantised *out,
                         lb_error *err)
{
    lb_quantize_setup setup = setup_of(run, student);

    setup.samples = samples;
    return lb_network_quantize(&setup, arena, out, err);
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
    lb_quantize_setup setup = setup_of(run, student);
    lb_tensor *noise = NULL;
    lb_quantised rough = {0};

    if (!run->recipe->int8)
        return lb_lower(student, arena, out, err);
    LB_TRY(make_noise(student, arena, &noise, err));
    setup.samples = noise;
    setup.options.ranges = LB_RANGES_MINMAX;
    setup.options.equalise = setup.options.correct_bias = false;
    LB_TRY(lb_network_quantize(&setup, arena, &rough, err));
    const lb_code code =
        lb_lower_rounded(rough.graph, lb_run_rounding(run), arena, out, err);
    lb_quantised_free(&rough);
    return code;
}
