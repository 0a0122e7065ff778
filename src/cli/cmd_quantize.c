/* cmd_quantize.c: a network to int8. */
#include "cli/results.h"
#include "cli/samples.h"
#include "compress/quantize.h"
#include "ops/rewrite.h"
#include "run/integers.h"
#include "run/network_load.h"
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Samples that the layers are compared on. */
enum { HELD_OUT = 256 };

static const lb_option options[] = {
    {LB_DATA_OPTION, .help = "the data set, as in idx:DIR"},
    {.name = "output", .letter = 'o', .value = "OUT", .help = "the file to write"},
    {.name = "samples", .value = "N", .help = "of the training split; usually 512"},
    {.name = "ranges", .value = "minmax|percentile|mse", .help = "usually mse"},
    {.name = "percentile", .value = "P", .help = "of --ranges percentile; usually 99.99"},
    {.name = "equalise", .value = "true|false", .help = "like ranges for all channels"},
    {.name = "correct-bias", .value = "true|false", .help = "takes off mean shifts"},
    {.name = "rounding", .value = "single|tflite", .help = "of the integer arithmetic"},
    {.name = "weights", .value = "8|4|mixed", .help = "bits of weights; usually 8"},
    {.name = "flash", .value = "BYTES", .help = "of mixed: 4 bits until that holds it"},
    {.name = "max-drop", .value = "P", .help = "else: points of accuracy; usually 0.5"},
    {.name = "floats", .help = "measures in floats: faster, not to the last bit"},
    {LB_SPLIT_OPTION, .help = "to measure on: test (usual), validation"},
    {LB_PIXELS_OPTION},
    {LB_MEAN_OPTION},
    {LB_STD_OPTION},
    {0},
};

typedef struct job {
    const lb_args *args;
    lb_arena *arena;
    lb_data *data;
    lb_split split;
    lb_pool *pool;
    lb_input_options input;
    lb_quantize_options options;
    lb_graph *graph;
    lb_quantised done;
    lb_layer_error *error; /* [done.n_layers] */
    lb_metrics real, whole;
    lb_low *low;   /* steps of a device, or NULL */
    bool integers; /* whole is by the integer reference, not by floats */
    lb_error why;  /* why not */
} job;

/* The option that sets a key: --correct-bias for correct_bias. */
static const char *option_of(lb_arena *arena, const lb_key *key)
{
    char *const name = lb_arena_copy_text(arena, key->name);

    for (char *c = name; c && *c; c++)
        if (*c == '_')
            *c = '-';
    return name ? name : key->name;
}

static lb_code read_options(job *j, lb_error *err)
{
    LB_TRY(lb_keys_defaults(lb_quantize_keys, &j->options, j->arena, err));
    for (const lb_key *key = lb_quantize_keys; key->name; key++) {
        const char *const option = option_of(j->arena, key);
        const char *const text = lb_arg(j->args, option);
        if (text && lb_key_set(key, &j->options, text, j->arena, err) != LB_OK)
            return lb_within(err, "--%s", option);
    }
    /* its average pools cannot rescale */
    if (!lb_arg(j->args, "rounding") && lb_network_is_tflite(lb_arg(j->args, "output")))
        j->options.rounding = LB_ROUND_TFLITE;
    return LB_OK;
}

static lb_code measure_floats(const job *j, const lb_graph *graph, lb_split split,
                              const int32_t *other, lb_metrics *out, lb_error *err)
{
    lb_graph *ready = NULL;

    LB_TRY(lb_graph_clone(graph, &ready, err));
    lb_code code = lb_fold_batch_norm(ready, err);
    if (code == LB_OK)
        code = lb_fold_constants(ready, (size_t)1 << 30, err);
    if (code == LB_OK)
        code = lb_fuse_convolutions(ready, err);
    if (code == LB_OK)
        code = lb_evaluate(ready, &j->input, j->data, split, j->pool, j->args->kernels,
                           other, j->arena, out, err);
    lb_graph_free(ready);
    return code;
}

/* Not on what is measured in the end. */
static lb_code score(void *arg, const lb_graph *graph, double *accuracy, lb_error *err)
{
    const job *const j = arg;
    const lb_split split = j->data->n[LB_VALIDATION] > 0 ? LB_VALIDATION : LB_TRAIN;
    lb_metrics metrics;

    LB_TRY(measure_floats(j, graph, split, NULL, &metrics, err));
    *accuracy = metrics.accuracy;
    return LB_OK;
}

static lb_code quantise(job *j, lb_error *err)
{
    lb_quantize_setup setup = {.graph = j->graph,
                               .options = j->options,
                               .pool = j->pool,
                               .kernels = j->args->kernels,
                               .score = score,
                               .score_arg = j};
    lb_tensor *samples = NULL;

    LB_TRY(lb_samples_read(j->graph, &j->input, j->data, LB_TRAIN, j->options.samples,
                           j->arena, &samples, err));
    setup.samples = samples;
    return lb_network_quantize(&setup, j->arena, &j->done, err);
}

/* In the arithmetic of the device, unless some node has no step there. */
static lb_code measure_whole(job *j, lb_error *err)
{
    const lb_rounding rounding = (lb_rounding)j->options.rounding;

    if (lb_arg_switch(j->args, "floats"))
        return measure_floats(j, j->done.graph, j->split, j->real.answer, &j->whole, err);
    const lb_code code =
        lb_lower_rounded(j->done.graph, rounding, j->arena, &j->low, &j->why);
    if (code == LB_ERR_UNSUPPORTED)
        return measure_floats(j, j->done.graph, j->split, j->real.answer, &j->whole, err);
    if (code != LB_OK) {
        *err = j->why;
        return code;
    }
    j->integers = true;
    return lb_evaluate_integers(j->low, j->done.graph, &j->input, j->data, j->split,
                                j->pool, j->real.answer, j->arena, &j->whole, err);
}

static lb_code measure(job *j, lb_error *err)
{
    lb_tensor *samples = NULL;

    LB_TRY(measure_floats(j, j->graph, j->split, NULL, &j->real, err));
    LB_TRY(measure_whole(j, err));
    LB_TRY(lb_samples_read(j->graph, &j->input, j->data, j->split, HELD_OUT, j->arena,
                           &samples, err));
    j->error = LB_TAKE_ARRAY(j->arena, j->done.n_layers + 1, lb_layer_error);
    if (!j->error)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    return lb_quantised_errors(&j->done, samples, j->pool, j->args->kernels, j->error,
                               err);
}

/* Columns for layers that do not all have weights of 8 bits. */
static void print_bits(const lb_quantised_layer *l)
{
    if (l->bits)
        printf(" %4d", l->bits);
    else
        printf(" %4s", "");
    if (isfinite(l->sensitivity))
        printf(" %11.2g", l->sensitivity);
}

static void print_layers(const job *j)
{
    const bool narrow = j->options.weights != LB_WEIGHTS_8;

    printf("%-28s %-18s %9s %9s %12s %6s", "layer", "operator", "SQNR dB", "error",
           "scale", "zero");
    if (narrow)
        printf(" %4s%s", "bits",
               j->options.weights == LB_WEIGHTS_MIXED ? " sensitivity" : "");
    printf("\n");
    for (int i = 0; i < j->done.n_layers; i++) {
        const lb_quantised_layer *const l = &j->done.layer[i];
        printf("%-28s %-18s %9.1f %8.2f%% %12.6g %6d", l->name, l->op, j->error[i].sqnr,
               100 * j->error[i].relative, (double)l->q.scale, l->q.zero);
        if (narrow)
            print_bits(l);
        printf("\n");
    }
}

static void print_text(const job *j)
{
    print_layers(j);
    if (j->low)
        printf("weights   %zu bytes of flash, with biases and factors\n",
               j->low->weight_bytes);
    printf("accuracy  %.4f in float32, %.4f in int8, of %d\n", j->real.accuracy,
           j->whole.accuracy, j->real.n);
    printf("agreement %.4f\n", j->whole.agreement);
    if (j->why.code != LB_OK)
        printf("int8 was measured in floats; no device runs it: %s\n", j->why.text);
    printf("%s\n", lb_arg(j->args, "output"));
}

static void add_layer(lb_json *json, const lb_quantised_layer *l, const lb_layer_error *e)
{
    lb_json_open(json, NULL, '{');
    lb_json_text(json, "name", l->name);
    lb_json_text(json, "op", l->op);
    if (isfinite(e->sqnr))
        lb_json_number(json, "sqnr_db", e->sqnr);
    else
        lb_json_null(json, "sqnr_db");
    lb_json_number(json, "relative_rms", e->relative);
    lb_json_number(json, "scale", (double)l->q.scale);
    lb_json_int(json, "zero", l->q.zero);
    if (l->bits)
        lb_json_int(json, "bits", l->bits);
    else
        lb_json_null(json, "bits");
    if (isfinite(l->sensitivity))
        lb_json_number(json, "sensitivity", l->sensitivity);
    else
        lb_json_null(json, "sensitivity");
    lb_json_close(json, '}');
}

static lb_code print_json(const job *j, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, j->arena);
    lb_json_open(&json, NULL, '{');
    lb_json_number(&json, "accuracy_fp32", j->real.accuracy);
    lb_json_number(&json, "accuracy_int8", j->whole.accuracy);
    lb_json_number(&json, "agreement", j->whole.agreement);
    lb_json_bool(&json, "integers", j->integers);
    lb_json_int(&json, "images", j->real.n);
    lb_json_int(&json, "equalised", j->done.n_equalised);
    if (j->low)
        lb_json_int(&json, "weight_bytes", (int64_t)j->low->weight_bytes);
    else
        lb_json_null(&json, "weight_bytes");
    lb_json_open(&json, "layers", '[');
    for (int i = 0; i < j->done.n_layers; i++)
        add_layer(&json, &j->done.layer[i], &j->error[i]);
    lb_json_close(&json, ']');
    lb_json_text(&json, "file", lb_arg(j->args, "output"));
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code work(job *j, lb_error *err)
{
    const char *const network = j->args->word[0];

    LB_TRY(lb_network_load(network, &j->graph, NULL, err));
    if (quantise(j, err) != LB_OK || measure(j, err) != LB_OK)
        return lb_within(err, "%s", network);
    LB_TRY(lb_network_save(j->done.graph, lb_arg(j->args, "output"), err));
    if (j->args->json)
        return print_json(j, err);
    print_text(j);
    return LB_OK;
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    const char *const output = lb_arg(args, "output");
    job *const j = LB_TAKE(arena, job);

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to quantise a network");
    *j = (job){.args = args, .arena = arena};
    if (!output)
        return lb_raise(err, LB_ERR_INPUT,
                        "--output is missing; it names the file to write");
    LB_TRY(read_options(j, err));
    LB_TRY(lb_samples_input(args, "", arena, &j->input, err));
    LB_TRY(lb_samples_open(args, arena, &j->data, &j->split, err));
    LB_TRY(lb_pool_new(args->threads, &j->pool, err));
    const lb_code code = work(j, err);
    lb_quantised_free(&j->done);
    lb_graph_free(j->graph);
    lb_pool_free(j->pool);
    return code;
}

const lb_cmd lb_cmd_quantize = {
    .name = "quantize",
    .usage = "MODEL.onnx --data SOURCE:PATH -o OUT.onnx|OUT.tflite",
    .help = "int8 by calibration, as QDQ ONNX or .tflite",
    .detail =
        "Training samples show the ranges of the activations; weights get a scale for "
        "each\nchannel. Prints how far each layer is off on samples of the test split "
        "(SQNR, and\nthe error's share of the layer's size), and the accuracy before "
        "and after.",
    .example = "limbeck quantize student.onnx --data "
               "idx:DIR -o student-int8.onnx",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
