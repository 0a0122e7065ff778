/* calibrate.c: a student in int8 by calibration: of one that has been trained, or
 * roughly, to be weighed, of one that has not. */
#include "run/run_int.h"

#include "base/rng.h"

lb_rounding lb_run_rounding(const lb_run *run)
{
    return (lb_rounding)run->recipe->quantize.rounding;
}

lb_code lb_run_calibrate(const lb_run *run, const lb_graph *student,
                         const lb_tensor *samples, lb_arena *arena, lb_quantised *out,
                         lb_error *err)
{
    const lb_quantize_setup setup = {.graph = student,
                                     .samples = samples,
                                     .options = run->recipe->quantize,
                                     .pool = run->pool,
                                     .kernels = run->options->kernels};

    return lb_network_quantize(&setup, arena, out, err);
}

/* Noise of the usual range: any numbers give the same geometry. */
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
    lb_tensor *noise = NULL;
    lb_quantised rough = {0};

    if (!run->recipe->int8)
        return lb_lower(student, arena, out, err);
    LB_TRY(make_noise(student, arena, &noise, err));
    LB_TRY(lb_run_calibrate(run, student, noise, arena, &rough, err));
    const lb_code code =
        lb_lower_rounded(rough.graph, lb_run_rounding(run), arena, out, err);
    lb_quantised_free(&rough);
    return code;
}
