/* cmd_prune.c: a network with fewer channels, or fewer blocks. */
#include "cli/network.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "compress/prune.h"
#include "onnx/onnx.h"
#include "run/network_load.h"
#include "run/taylor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const lb_option options[] = {
    {.name = "amount",
     .value = "A",
     .help = "share of the multiply-adds that goes, 0..1"},
    {.name = "of", .value = "macs|parameters", .help = "what --amount is a share of"},
    {.name = "what",
     .value = "WHAT",
     .help = "channels (usual), blocks (residual), or both"},
    {.name = "method",
     .value = "l1|bn|taylor",
     .help = "how they are judged: l1; taylor with --data"},
    {.name = "keep", .value = "A", .help = "least share of a layer that stays: 0.1"},
    {.name = "device", .value = "NAME", .help = "judged by the cycles they cost there"},
    {.name = "output", .value = "OUT.onnx", .letter = 'o', .help = "the smaller network"},
    {LB_DATA_OPTION, .help = "also tells the accuracy on it"},
    {LB_SPLIT_OPTION, .help = "test (usual), validation or train"},
    {LB_PIXELS_OPTION},
    {LB_MEAN_OPTION},
    {LB_STD_OPTION},
    {.name = "samples", .value = "N", .help = "that taylor looks at; usually 2048"},
    {.name = "teacher", .value = "T.onnx", .help = "taylor judges by what it says, too"},
    LB_TEACHER_INPUT_OPTIONS,
    {0},
};

/* A network, before or after. */
typedef struct side {
    lb_graph *graph;
    size_t parameters;
    double macs;
    lb_estimate estimate; /* with a device */
    double accuracy;      /* NaN without data */
} side;

typedef struct job {
    const lb_args *args;
    lb_arena *arena;
    lb_prune_options options;
    const lb_device *device;
    lb_data *data; /* NULL without --data */
    lb_split split;
    lb_pool *pool; /* with data */
    lb_prune_map map;
    bool *gone;
    int samples; /* that taylor may look at; then that it did */
    side before, after;
} job;

/* Of taylor, which needs samples; and what it alone takes. */
static lb_code check_taylor(job *j, lb_error *err)
{
    const lb_key key = {.name = "--samples", .type = LB_KEY_INT, .min = 1, .max = 1e9};
    const bool taylor = j->options.method == LB_PRUNE_TAYLOR;

    j->samples = LB_TAYLOR_SAMPLES;
    LB_TRY(lb_arg_by_key(j->args, &key, &j->samples, err));
    if (taylor && !lb_arg(j->args, "data"))
        return lb_raise(err, LB_ERR_INPUT,
                        "method taylor judges by the gradient of a loss over samples: "
                        "name them, as in --data idx:DIR, and with --teacher T.onnx who "
                        "teaches");
    if (!taylor && (lb_arg(j->args, "teacher") || lb_arg(j->args, "samples")))
        return lb_raise(err, LB_ERR_INPUT,
                        "--teacher and --samples are for --method taylor; l1 and bn look "
                        "at the weights alone");
    return LB_OK;
}

static lb_code read_options(job *j, lb_error *err)
{
    const char *const method = lb_arg(j->args, "method");
    const char *const refusal = method ? lb_prune_refusal(method) : NULL;

    if (refusal)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "--method %s: %s", method, refusal);
    j->options.method = LB_PRUNE_L1;
    j->options.keep = 0.1;
    for (const lb_key *row = lb_prune_keys; row->name; row++) {
        const char *const text = lb_arg(j->args, row->name);
        if (text && lb_key_set(row, &j->options, text, j->arena, err) != LB_OK)
            return lb_within(err, "--%s", row->name);
    }
    if (!lb_arg(j->args, "amount"))
        return lb_raise(err, LB_ERR_INPUT,
                        "--amount is missing; it says what share of the multiply-adds "
                        "goes, as in --amount 0.5");
    if (!lb_arg(j->args, "output"))
        return lb_raise(err, LB_ERR_INPUT,
                        "--output is missing; it names the file to write");
    LB_TRY(check_taylor(j, err));
    return lb_network_device(lb_arg(j->args, "device"), &j->device, err);
}

static lb_code weigh(const job *j, side *s, lb_error *err)
{
    lb_low *low = NULL;

    s->parameters = lb_graph_parameters(s->graph);
    s->macs = lb_graph_macs(s->graph);
    s->accuracy = (double)NAN;
    if (!j->device)
        return LB_OK;
    LB_TRY(lb_lower(s->graph, j->arena, &low, err));
    lb_device_estimate(low, j->device, &s->estimate);
    return LB_OK;
}

/* What hangs together in the network, and that something can go. */
static lb_code find_parts(job *j, lb_error *err)
{
    const lb_graph *const g = j->before.graph;
    const bool blocks = j->options.what == LB_PRUNE_BLOCKS;

    LB_TRY(lb_prune_ties(g, j->arena, &j->map, err));
    if (j->options.what != LB_PRUNE_CHANNELS)
        LB_TRY(lb_prune_blocks(g, NULL, j->arena, &j->map, err));
    if (blocks && j->map.n_blocks == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "it has no residual block that could go: no branch of its own is "
                        "added to a shortcut round it");
    if (j->map.n_parts == 0)
        return lb_raise(
            err, LB_ERR_INPUT,
            "it has no channel that could go: all hang on its input or output");
    return LB_OK;
}

static lb_code look(job *j, const lb_graph *teacher, double *score, lb_error *err)
{
    lb_taylor_setup setup = {.graph = j->before.graph,
                             .map = &j->map,
                             .teacher = teacher,
                             .data = j->data,
                             .samples = j->samples,
                             .pool = j->pool,
                             .kernels = j->args->kernels};

    LB_TRY(lb_samples_input(j->args, "", j->arena, &setup.input, err));
    LB_TRY(lb_samples_input(j->args, "teacher-", j->arena, &setup.teacher_input, err));
    LB_TRY(lb_input_match(setup.graph, &j->data->content.shape, &setup.input, err));
    return lb_taylor_score(&setup, j->arena, score, &j->samples, err);
}

static lb_code judge(job *j, double *score, lb_error *err)
{
    const char *const path = lb_arg(j->args, "teacher");
    lb_graph *teacher = NULL;

    if (j->options.method != LB_PRUNE_TAYLOR)
        return lb_prune_score(j->before.graph, &j->map,
                              (lb_prune_method)j->options.method, score, err);
    if (path)
        LB_TRY(lb_network_open(path, &teacher, err));
    const lb_code code = look(j, teacher, score, err);
    lb_graph_free(teacher);
    return code;
}

static lb_code choose(job *j, lb_error *err)
{
    const lb_graph *const g = j->before.graph;
    const lb_prune_options *const o = &j->options;
    const bool macs = o->of == LB_PRUNE_OF_MACS;
    const double all = macs ? j->before.macs : (double)j->before.parameters;
    const lb_prune_goal goal = {.of = (lb_prune_of)o->of,
                                .left = all * (1 - o->amount),
                                .keep = o->keep,
                                .device = j->device,
                                .relative = o->method != LB_PRUNE_TAYLOR,
                                .blocks_only = o->what == LB_PRUNE_BLOCKS};

    LB_TRY(find_parts(j, err));
    double *const score = LB_TAKE_ARRAY(j->arena, j->map.n_parts + 1, double);
    j->gone = LB_TAKE_ARRAY(j->arena, j->map.n_parts + 1, bool);
    if (!score || !j->gone)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    LB_TRY(judge(j, score, err));
    LB_TRY(lb_prune_choose(g, &j->map, score, &goal, j->gone, err));
    return lb_prune_cut(g, &j->map, j->gone, &j->after.graph, err);
}

static lb_code prune(job *j, lb_error *err)
{
    const char *const path = j->args->word[0];

    LB_TRY(lb_network_load(path, &j->before.graph, NULL, err));
    lb_code code = weigh(j, &j->before, err);
    if (code == LB_OK)
        code = choose(j, err);
    if (code == LB_OK)
        code = weigh(j, &j->after, err);
    return code == LB_OK ? code : lb_within(err, "%s", path);
}

static lb_code open_data(job *j, lb_error *err)
{
    if (!lb_arg(j->args, "data"))
        return LB_OK;
    LB_TRY(lb_samples_open(j->args, j->arena, &j->data, &j->split, err));
    return lb_pool_new(j->args->threads, &j->pool, err);
}

static lb_code evaluate(const job *j, side *s, lb_error *err)
{
    lb_input_options input = {0};
    lb_graph *graph = NULL;
    lb_metrics metrics;

    if (!j->data)
        return LB_OK;
    LB_TRY(lb_samples_input(j->args, "", j->arena, &input, err));
    LB_TRY(lb_graph_clone(s->graph, &graph, err));
    lb_code code = lb_network_infer(graph, err);
    if (code == LB_OK)
        code = lb_evaluate(graph, &input, j->data, j->split, j->pool, j->args->kernels,
                           NULL, j->arena, &metrics, err);
    if (code == LB_OK)
        s->accuracy = metrics.accuracy;
    lb_graph_free(graph);
    return code;
}

/* Whether the layer is part of a block that goes. */
static bool is_gone(const job *j, const lb_prune_layer *layer)
{
    const int node = lb_info(j->before.graph, layer->out)->node;

    for (int k = 0; k < j->map.n_blocks; k++)
        for (int i = 0; j->gone[j->map.n_units + k] && i < j->map.block[k].n_nodes; i++)
            if (j->map.block[k].node[i] == node)
                return true;
    return false;
}

static int left_of(const job *j, const lb_prune_layer *layer)
{
    int n = 0;

    if (is_gone(j, layer))
        return 0;
    for (int i = 0; i < layer->n; i++)
        n += layer->unit[i] < 0 || !j->gone[layer->unit[i]];
    return n;
}

/* "3 of 9 are gone: a, b, c". */
static void print_blocks(const job *j)
{
    int n = 0;

    for (int k = 0; k < j->map.n_blocks; k++)
        n += j->gone[j->map.n_units + k];
    if (j->map.n_blocks > 0)
        printf("blocks       %d of %d are gone", n, j->map.n_blocks);
    for (int k = 0, at = 0; k < j->map.n_blocks; k++)
        if (j->gone[j->map.n_units + k])
            printf("%s%s", at++ > 0 ? ", " : ": ", j->map.block[k].name);
    if (j->map.n_blocks > 0)
        printf("\n");
}

static void print_text(const job *j)
{
    const side *const a = &j->before, *const b = &j->after;
    char from[32], to[32];

    printf("%-32s %8s %8s\n", "layer", "before", "after");
    for (int i = 0; i < j->map.n_layers; i++)
        printf("%-32s %8d %8d\n", j->map.layer[i].name, j->map.layer[i].n,
               left_of(j, &j->map.layer[i]));
    printf("\n");
    print_blocks(j);
    printf("macs         %s to %s (%.1f %% less)\n", lb_results_short(a->macs, from),
           lb_results_short(b->macs, to), 100 * (1 - b->macs / a->macs));
    printf("parameters   %s to %s\n", lb_results_short((double)a->parameters, from),
           lb_results_short((double)b->parameters, to));
    if (j->device)
        printf("%-12s flash %zu to %zu B, sram %zu to %zu B, latency %.3g to %.3g ms\n",
               j->device->name, a->estimate.flash_bytes, b->estimate.flash_bytes,
               a->estimate.sram_bytes, b->estimate.sram_bytes, a->estimate.latency_ms.mid,
               b->estimate.latency_ms.mid);
    if (!isnan(a->accuracy))
        printf("accuracy     %.4f to %.4f, without fine-tuning\n", a->accuracy,
               b->accuracy);
    if (j->options.method == LB_PRUNE_TAYLOR)
        printf("judged       by %s over %d samples to train with\n",
               lb_arg(j->args, "teacher") ? "0.9 kd + 0.1 ce" : "ce", j->samples);
}

static void add_range(lb_json *json, const char *key, const lb_range *range)
{
    lb_json_open(json, key, '{');
    lb_json_number(json, "low", range->low);
    lb_json_number(json, "mid", range->mid);
    lb_json_number(json, "high", range->high);
    lb_json_close(json, '}');
}

static void add_estimates(lb_json *json, const job *j)
{
    const lb_estimate *const a = &j->before.estimate, *const b = &j->after.estimate;

    if (!j->device)
        return;
    lb_json_int(json, "flash_bytes_before", (int64_t)a->flash_bytes);
    lb_json_int(json, "flash_bytes_after", (int64_t)b->flash_bytes);
    lb_json_int(json, "sram_bytes_before", (int64_t)a->sram_bytes);
    lb_json_int(json, "sram_bytes_after", (int64_t)b->sram_bytes);
    add_range(json, "latency_ms_before", &a->latency_ms);
    add_range(json, "latency_ms_after", &b->latency_ms);
}

static lb_code print_json(const job *j, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, j->arena);
    lb_json_open(&json, NULL, '{');
    lb_json_int(&json, "parameters_before", (int64_t)j->before.parameters);
    lb_json_int(&json, "parameters_after", (int64_t)j->after.parameters);
    lb_json_number(&json, "macs_before", j->before.macs);
    lb_json_number(&json, "macs_after", j->after.macs);
    lb_json_number(&json, "accuracy_before", j->before.accuracy);
    lb_json_number(&json, "accuracy_after", j->after.accuracy);
    add_estimates(&json, j);
    lb_json_open(&json, "layers", '[');
    for (int i = 0; i < j->map.n_layers; i++) {
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", j->map.layer[i].name);
        lb_json_int(&json, "channels_before", j->map.layer[i].n);
        lb_json_int(&json, "channels_after", left_of(j, &j->map.layer[i]));
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_open(&json, "blocks", '[');
    for (int k = 0; k < j->map.n_blocks; k++) {
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", j->map.block[k].name);
        lb_json_bool(&json, "gone", j->gone[j->map.n_units + k]);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    if (j->options.method == LB_PRUNE_TAYLOR)
        lb_json_int(&json, "samples", j->samples);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job j = {.args = args, .arena = arena};

    LB_TRY(read_options(&j, err));
    LB_TRY(open_data(&j, err));
    lb_code code = prune(&j, err);
    if (code == LB_OK)
        code = evaluate(&j, &j.before, err);
    if (code == LB_OK)
        code = evaluate(&j, &j.after, err);
    if (code == LB_OK)
        code = lb_onnx_save(j.after.graph, lb_arg(args, "output"), err);
    if (code == LB_OK && args->json)
        code = print_json(&j, err);
    else if (code == LB_OK)
        print_text(&j);
    lb_graph_free(j.after.graph);
    lb_graph_free(j.before.graph);
    lb_pool_free(j.pool);
    return code;
}

const lb_cmd lb_cmd_prune = {
    .name = "prune",
    .usage = "MODEL --amount A [--device NAME] [--data ...] -o OUT.onnx",
    .help = "fewer channels or blocks: a network that is really smaller",
    .detail =
        "Takes whole channels out, with all that hangs on them (norms, depthwise "
        "filters, the\nweights that read them), or whole residual blocks, whose "
        "shortcuts "
        "go on alone. Those\ngo first that are worth least for the multiply-adds, "
        "parameters or cycles that they\ncost: l1 by their weights' sizes, bn by their "
        "norms' scales, taylor by the loss. Nothing\nis trained here; a recipe's "
        "compress: {prune: ...} fine-tunes under the teacher.",
    .example = "limbeck prune student.onnx --amount 0.3 --device stm32l4r5 -o small.onnx",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
