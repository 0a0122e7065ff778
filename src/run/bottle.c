/* bottle.c: writes what a run leaves behind: student.onnx and firmware/. */
#include "run/run_int.h"

#include "base/file.h"
#include "onnx/onnx.h"
#include "run/network_load.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { VECTORS = 4 };

/* The recipe's name as a C identifier. */
static char *identifier(lb_arena *arena, const char *name)
{
    char *const id =
        lb_arena_text(arena, "%s%s", isdigit((unsigned char)name[0]) ? "n" : "", name);

    for (char *c = id; c && *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return id;
}

static void add_numbers(lb_text *t, const char *what, const lb_numbers *numbers)
{
    if (numbers->n == 0)
        return;
    lb_text_add(t, "; %s", what);
    for (int i = 0; i < numbers->n; i++)
        lb_text_add(t, "%s %.9g", i > 0 ? "," : "", numbers->value[i]);
}

static const char *pixel_note(const lb_run *run)
{
    const lb_input_options *const in = &run->recipe->student.input;
    lb_text t;

    lb_text_init(&t, run->arena);
    lb_text_add(&t, in->pixels == LB_PIXELS_UNIT ? "value / 255" : "value as it is");
    add_numbers(&t, "minus", &in->mean);
    add_numbers(&t, "divided by", &in->std);
    return t.failed ? "" : t.chars;
}

/* The first test samples, as the network wants them, channels first. */
static float *make_vectors(lb_run *run, int n)
{
    const lb_shape *const shape = &run->data->content.shape;
    lb_input_options in = run->recipe->student.input;
    size_t each = 0, all = 0;

    if (!lb_shape_count(shape, &each) || !lb_size_mul(each, (size_t)n, &all))
        return NULL;
    float *const out = LB_TAKE_ARRAY(run->arena, all, float);
    float *const raw = LB_TAKE_ARRAY(run->arena, each, float);
    in.layout = LB_CHANNELS_FIRST;
    for (int i = 0; out && raw && i < n; i++) {
        lb_data_sample(run->data, LB_TEST, i, raw);
        lb_input_write(&in, shape, raw, out + (size_t)i * each);
    }
    return raw ? out : NULL;
}

/* Then the engine's figures are log-probabilities, the firmware's probabilities. */
static bool ends_in_softmax(const lb_graph *student)
{
    const lb_value_info *const out = lb_info(student, student->outputs[0]);

    return out->kind == LB_VALUE_NODE &&
           strcmp(student->nodes[out->node].op->name, "Softmax") == 0;
}

/* What firmware computes must be what was measured: at most 1e-4 of the output's scale.
 */
static lb_code compare_with_engine(lb_run *run, const float *vectors, int n,
                                   lb_error *err)
{
    const int classes = run->data->content.n_classes;
    float *const out = LB_TAKE_ARRAY(run->arena, classes, float);
    void *const scratch = lb_arena_take(run->arena, run->low->arena_bytes + 64);
    size_t each = 0;
    double worst = 0, scale = 0;

    if (!out || !scratch || !lb_shape_count(&run->data->content.shape, &each))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for comparing the firmware");
    for (int i = 0; i < n; i++) {
        const float *const want = run->student_test.logits + (size_t)i * (size_t)classes;
        lb_low_run(run->low, vectors + (size_t)i * each, out, scratch);
        for (int c = 0; c < classes; c++) {
            worst = fmax(worst, fabs((double)out[c] - (double)want[c]));
            scale = fmax(scale, fabs((double)want[c]));
        }
    }
    if (worst <= 1e-4 * scale)
        return LB_OK;
    return lb_raise(err, LB_ERR_FAILED,
                    "the firmware's form of the student answers %.3g of the scale apart "
                    "from the student; the weights are safe in '%s'",
                    worst / scale, lb_run_path(run, "student.onnx"));
}

static lb_code prove(lb_run *run, const char *folder, const char *name, lb_error *err)
{
    lb_error why = {0};
    const lb_code code = lb_prove_host(folder, name, run->arena, &run->proof, &why);

    if (code == LB_ERR_UNSUPPORTED) {
        run->proof_note = lb_arena_copy_text(run->arena, why.text);
        lb_log_tell(&run->options->log, LB_LOG_WARN, "the firmware was not tried: %s",
                    why.text);
        return LB_OK;
    }
    if (code != LB_OK) {
        *err = why;
        return lb_within(err, "'%s'", folder);
    }
    run->has_proof = true;
    if (run->proof.mismatches == 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_FAILED,
                    "the firmware in '%s' answers otherwise than the student: %d of %d "
                    "outputs differ, the worst by %.3g of the scale",
                    folder, run->proof.mismatches, run->proof.outputs_checked,
                    run->proof.worst_error);
}

/* The weights have changed since the student was weighed. */
static lb_code lower_trained(lb_run *run, const float *vectors, int n, lb_error *err)
{
    if (run->int8.low) {
        run->low = run->int8.low;
        return LB_OK;
    }
    LB_TRY(lb_lower(run->student, run->arena, &run->low, err));
    return ends_in_softmax(run->student) ? LB_OK
                                         : compare_with_engine(run, vectors, n, err);
}

static lb_code write_firmware(lb_run *run, lb_error *err)
{
    const int n = run->data->n[LB_TEST] < VECTORS ? run->data->n[LB_TEST] : VECTORS;
    const char *const folder = lb_run_path(run, "firmware");
    const char *const name = identifier(run->arena, run->recipe->name);
    const float *const vectors = make_vectors(run, n);
    const lb_emit_options options = {.name = name,
                                     .firmware = run->recipe->firmware,
                                     .n_vectors = n,
                                     .vectors = vectors,
                                     .pixel_note = pixel_note(run)};

    if (!folder || !name || !vectors)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the firmware");
    lb_run_phase(run, "firmware");
    LB_TRY(lower_trained(run, vectors, n, err));
    LB_TRY(lb_make_folder(folder, err));
    LB_TRY(lb_emit(run->low, &options, folder, run->arena, &run->emitted, err));
    run->has_firmware = true;
    return prove(run, folder, name, err);
}

lb_code lb_run_bottle(lb_run *run, lb_error *err)
{
    const char *const path = lb_run_path(run, "student.onnx");
    const char *const whole = lb_run_path(run, "student-int8.onnx");
    const char *const lite = lb_run_path(run, "student-int8.tflite");

    if (!path || !whole || !lite)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the student's path");
    lb_run_phase(run, "exporting");
    /* always: whatever goes wrong later, the weights are safe */
    LB_TRY(lb_onnx_save(run->student, path, err));
    if (run->int8.graph)
        LB_TRY(lb_onnx_save(run->int8.graph, whole, err));
    if (run->int8.graph && (run->recipe->exports & LB_EXPORT_TFLITE))
        LB_TRY(lb_network_save(run->int8.graph, lite, err));
    if (run->recipe->exports & LB_EXPORT_C)
        LB_TRY(write_firmware(run, err));
    return LB_OK;
}
