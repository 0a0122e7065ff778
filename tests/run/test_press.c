/* test_press.c: recipes that make the student int8: calibrated, and trained on under the
 * same losses, with interruptions. */
#include "small_runs.h"

#include "base/json.h"
#include "lower/lower.h"
#include "onnx/onnx.h"
#include "run/network_load.h"

static const char press_yaml[] =
    "name: press\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "teacher: {onnx: t/student.onnx}\n"
    "student: {model: ds-cnn, width: 0.25, depth: 1}\n"
    "device: {profile: stm32l4r5, flash: 64K}\n"
    "distill: [{loss: kd}, {loss: ce, weight: 0.1}]\n"
    "train: {epochs: 8, batch: 20, optimizer: {sgd: {lr: 0.1}}}\n"
    "compress: {quantize: {mode: qat, epochs: 2, lr: 0.02, samples: 60}}\n"
    "export: [onnx]\n";

/* The number behind "key": somewhere behind "object": in the result. */
static double figure_in(const outcome *o, const char *object, const char *key)
{
    const char *const at = o->result.json ? strstr(o->result.json, object) : NULL;
    const char *const found = at ? strstr(at, key) : NULL;

    return found ? strtod(found + strlen(key) + 2, NULL) : NAN;
}

static double figure(const outcome *o, const char *key)
{
    return figure_in(o, "\"int8\"", key);
}

static double float_accuracy(const outcome *o)
{
    return figure_in(o, "\"student\"", "accuracy");
}

/* The student is weighed in int8, and its floats beside it. */
static void check_weights(const outcome *o)
{
    CHECK_NEAR(figure_in(o, "\"student\"", "sram_bytes"), figure(o, "arena_bytes") + 2048,
               2048);
    CHECK(figure(o, "arena_bytes") < figure_in(o, "\"in_floats\"", "sram_bytes") / 2);
    CHECK(figure(o, "weight_bytes") <
          figure_in(o, "\"in_floats\"", "weight_bytes") / 1.5);
    CHECK(figure_in(o, "\"in_floats\"", "flash_bytes") > 0);
    CHECK_TEXT(o->result.json, "\"sqnr_db\"");
}

static void check_int8_file(const char *path)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *graph = NULL;
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_load(path, &graph, NULL, &err), &err);
    if (graph) {
        CHECK(lb_is_quantised(graph));
        CHECK_OK(lb_lower(graph, arena, &low, &err), &err);
        CHECK(low && low->dtype == LB_I8);
    }
    lb_graph_free(graph);
    lb_arena_free(arena);
}

static void students_become_int8(void)
{
    static const char *const modes[] = {"compress.quantize.mode=ptq",
                                        "compress.quantize.mode=qat"};

    for (int i = 0; i < 2; i++) {
        const outcome o = run("press.yaml", i ? "qat" : "ptq", false, modes[i]);
        CHECK_OK(o.code, &o.err);
        if (o.code == LB_OK) {
            CHECK_NEAR(figure(&o, "accuracy"), float_accuracy(&o), 0.1);
            CHECK(figure(&o, "accuracy") > 0.8);
            CHECK_NEAR(figure(&o, "epochs"), i ? 2 : 0, 0);
            CHECK_TEXT(o.result.summary, "in int8");
            check_weights(&o);
        }
        check_int8_file(i ? "qat/student-int8.onnx" : "ptq/student-int8.onnx");
        lb_arena_free(o.arena);
    }
    check_same("ptq/student.onnx", "qat/student.onnx");
}

/* Stops a run when it has been asked so often; 0: never. */
typedef struct patience {
    int left;
} patience;

static bool is_over(void *arg)
{
    patience *const p = arg;

    return p->left > 0 && --p->left == 0;
}

/* 8 epochs of 6 steps, then 2: stopped in the second of them. */
static void training_on_goes_on(void)
{
    patience p = {.left = 8 * 6 + 8};
    lb_run_options options = {.recipe = "press.yaml",
                              .out = "cut",
                              .threads = 1,
                              .watch = {.arg = &p, .stop = is_over}};
    outcome o = {.arena = lb_arena_new(0)};

    CHECK(lb_run_distill(&options, o.arena, &o.result, &o.err) == LB_ERR_STOPPED);
    CHECK(lb_file_exists("cut/quantize/checkpoint.lbk"));
    CHECK(!lb_file_exists("cut/student-int8.onnx"));
    options.resume = true;
    CHECK_OK(lb_run_distill(&options, o.arena, &o.result, &o.err), &o.err);
    check_same("cut/student.onnx", "qat/student.onnx");
    check_same("cut/student-int8.onnx", "qat/student-int8.onnx");
    lb_arena_free(o.arena);
}

/* Trained on with weights of 4 bits; and where a limit asks for them. */
static void weights_of_4_bits_are_trained(void)
{
    const outcome o = run("press.yaml", "four", false, "compress.quantize.weights=4");
    const outcome plan =
        dry("press.yaml", "compress.quantize={mode: qat, weights: mixed, "
                          "flash: 64K}");
    const outcome tight = dry("press.yaml", "compress.quantize={mode: qat, weights: "
                                            "mixed, flash: 2K}");

    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK(figure(&o, "layers_of_4_bits") == 4);
        CHECK(figure(&o, "accuracy") > 0.8);
    }
    check_int8_file("four/student-int8.onnx");
    CHECK_OK(plan.code, &plan.err);
    CHECK_TEXT(plan.result.plan, "weights of 4 bits where 65536 bytes of flash ask");
    CHECK(tight.code == LB_ERR_BUDGET);
    CHECK_TEXT(tight.err.text, "more than compress: quantize: flash allows: 2048");
    lb_arena_free(o.arena);
    lb_arena_free(plan.arena);
    lb_arena_free(tight.arena);
}

/* Cut first, then quantised: both under the same losses. */
static void pruned_students_become_int8(void)
{
    const outcome o = run("press.yaml", "small", false,
                          "compress.prune={method: l1, amount: 0.3, epochs: 2}");

    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK_NEAR(figure(&o, "accuracy"), float_accuracy(&o), 0.1);
        CHECK_TEXT(o.result.json, "\"pruning\"");
        check_weights(&o);
    }
    check_int8_file("small/student-int8.onnx");
    lb_arena_free(o.arena);
}

/* The file for TensorFlow Lite holds the same integers. */
static void lite_files_are_written(void)
{
    static const char *const sets[] = {"compress.quantize.rounding=tflite",
                                       "export=[onnx, tflite]"};
    const lb_run_options options = {
        .recipe = "press.yaml", .sets = sets, .n_sets = 2, .out = "lite", .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};
    lb_graph *graph = NULL;

    CHECK_OK(lb_run_distill(&options, o.arena, &o.result, &o.err), &o.err);
    CHECK_TEXT(o.result.json, "student-int8.tflite");
    CHECK_OK(lb_network_load("lite/student-int8.tflite", &graph, NULL, &o.err), &o.err);
    CHECK(graph && lb_is_quantised(graph));
    lb_graph_free(graph);
    lb_arena_free(o.arena);
}

static void plans_say_so(void)
{
    const outcome o = dry("press.yaml", NULL);
    const outcome real = dry("press.yaml", "compress.quantize=none");

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "calibrated on 60 samples, then trained on for 2 epochs");
    CHECK(real.code == LB_OK && !strstr(real.result.plan, "int8"));
    lb_arena_free(o.arena);
    lb_arena_free(real.arena);
}

static void mistakes_are_told(void)
{
    const outcome o = dry("press.yaml", "distill=[{loss: hint}]");
    const outcome word = dry("press.yaml", "compress.quantize=qad");
    const outcome prune = dry("press.yaml", "compress={quantise: ptq}");
    const outcome lite = dry("press.yaml", "export=tflite");

    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "has none at its end; add one (kd, ce), or choose mode: ptq");
    CHECK(word.code == LB_ERR_INPUT);
    CHECK_TEXT(word.err.text, "did you mean 'qat'?");
    CHECK(prune.code == LB_ERR_INPUT);
    CHECK_TEXT(prune.err.text, "did you mean 'quantize'?");
    lb_arena_free(o.arena);
    lb_arena_free(word.arena);
    CHECK(lite.code == LB_ERR_INPUT);
    CHECK_TEXT(lite.err.text, "it needs compress: {quantize: {rounding: tflite}}");
    lb_arena_free(prune.arena);
    lb_arena_free(lite.arena);
}

int main(void)
{
    begin();
    put("press.yaml", press_yaml, strlen(press_yaml));
    const outcome teacher = run("teacher.yaml", "t", false, NULL);
    CHECK_OK(teacher.code, &teacher.err);
    lb_arena_free(teacher.arena);
    RUN(students_become_int8);
    RUN(training_on_goes_on);
    RUN(weights_of_4_bits_are_trained);
    RUN(pruned_students_become_int8);
    RUN(lite_files_are_written);
    RUN(plans_say_so);
    RUN(mistakes_are_told);
    if (!end())
        return 1;
    return DONE();
}
