/* press_tell.c: what int8 costs and gains: the student in int8 beside the one in floats.
 */
#include "run/run_int.h"

#include <math.h>

enum { SAMPLES = 256 }; /* of the test split, on which layers are compared */

static lb_code compare_layers(lb_run *run, const lb_quantised *calibrated,
                              lb_layer_error *error, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_arena *const arena = lb_arena_new(0);
    lb_tensor *samples = NULL;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    lb_code code = lb_samples_read(run->student, &r->student.input, run->data, LB_TEST,
                                   SAMPLES, arena, &samples, err);
    if (code == LB_OK)
        code = lb_quantised_errors(calibrated, samples, run->pool, run->options->kernels,
                                   error, err);
    lb_arena_free(arena);
    return code;
}

lb_code lb_run_compare_int8(lb_run *run, const lb_quantised *calibrated, lb_error *err)
{
    lb_run_int8 *const q = &run->int8;
    lb_layer_error *const error =
        LB_TAKE_ARRAY(run->arena, calibrated->n_layers + 1, lb_layer_error);

    q->layer = LB_TAKE_ARRAY(run->arena, calibrated->n_layers + 1, lb_run_int8_layer);
    if (!error || !q->layer)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    LB_TRY(compare_layers(run, calibrated, error, err));
    q->n_layers = calibrated->n_layers;
    for (int i = 0; i < q->n_layers; i++)
        q->layer[i] = (lb_run_int8_layer){
            lb_arena_copy_text(run->arena, calibrated->layer[i].name),
            lb_arena_copy_text(run->arena, calibrated->layer[i].op), error[i],
            calibrated->layer[i].bits, calibrated->layer[i].sensitivity};
    if (!run->device)
        return LB_OK;
    LB_TRY(lb_lower(run->student, run->arena, &q->floats, err));
    lb_device_estimate(q->floats, run->device, &q->estimate);
    return LB_OK;
}

static void add_layers(lb_json *j, const lb_run_int8 *q)
{
    lb_json_open(j, "layers", '[');
    for (int i = 0; i < q->n_layers; i++) {
        const lb_run_int8_layer *const l = &q->layer[i];
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", l->name);
        lb_json_text(j, "op", l->op);
        lb_json_number(j, "sqnr_db", l->error.sqnr);
        lb_json_number(j, "relative_rms", l->error.relative);
        if (l->bits)
            lb_json_int(j, "bits", l->bits);
        if (isfinite(l->sensitivity))
            lb_json_number(j, "sensitivity", l->sensitivity);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

static void add_floats(lb_json *j, const lb_run_int8 *q)
{
    const lb_estimate *const e = &q->estimate;

    if (!q->floats) {
        lb_json_null(j, "in_floats");
        return;
    }
    lb_json_open(j, "in_floats", '{');
    lb_json_int(j, "flash_bytes", (int64_t)e->flash_bytes);
    lb_json_int(j, "weight_bytes", (int64_t)e->weight_bytes);
    lb_json_int(j, "sram_bytes", (int64_t)e->sram_bytes);
    lb_json_range(j, "latency_ms", e->latency_ms.low, e->latency_ms.mid,
                  e->latency_ms.high);
    lb_json_range(j, "energy_uj", e->energy_uj.low, e->energy_uj.mid, e->energy_uj.high);
    lb_json_close(j, '}');
}

static int packed_steps(const lb_low *low)
{
    int n = 0;

    for (int i = 0; i < low->n_steps; i++)
        n += low->step[i].q->packed;
    return n;
}

void lb_run_add_int8(lb_json *j, const lb_run *run)
{
    const lb_run_int8 *const q = &run->int8;

    if (!q->graph) {
        lb_json_null(j, "int8");
        return;
    }
    lb_json_open(j, "int8", '{');
    lb_json_number(j, "accuracy", q->test.accuracy);
    lb_json_number(j, "ece", q->test.ece);
    lb_json_number(j, "agreement_with_float", q->test.agreement);
    lb_json_text(j, "mode", run->recipe->qat.mode == LB_INT8_QAT ? "qat" : "ptq");
    lb_json_int(j, "epochs", q->epochs);
    lb_json_number(j, "seconds", q->seconds);
    lb_json_int(j, "layers_of_4_bits", q->low ? packed_steps(q->low) : 0);
    lb_json_int(j, "weight_bytes", q->low ? (int64_t)q->low->weight_bytes : 0);
    lb_json_int(j, "arena_bytes", q->low ? (int64_t)q->low->arena_bytes : 0);
    add_floats(j, q);
    add_layers(j, q);
    lb_json_close(j, '}');
}
