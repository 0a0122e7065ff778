/* cmd_run.c: raw inference on arrays. */
#include "base/clock.h"
#include "cli/network.h"
#include "cli/results.h"
#include "engine/plan.h"
#include "tensor/npy.h"

#include <stdio.h>
#include <string.h>

enum { MOST_FILES = 64, BATCH = 64 };
static const size_t most_bytes = (size_t)4 << 30;

static const lb_option options[] = {
    {.name = "input",
     .letter = 'i',
     .value = "[NAME=]X.npy",
     .many = true,
     .help = "an input: [n,...], any n"},
    {.name = "output",
     .letter = 'o',
     .value = "[NAME=]Y.npy",
     .many = true,
     .help = "where an output goes"},
    {0},
};

/* An input or output of the network and its array. */
typedef struct bond {
    lb_value value;
    const char *path;
    lb_tensor *tensor;
    bool batched;
    size_t sample_bytes; /* of what is one sample; of the whole if not batched */
} bond;

typedef struct job {
    lb_arena *arena;
    lb_graph *graph;
    bond in[MOST_FILES], out[MOST_FILES];
    int n_in, n_out;
    int n, batch; /* samples in all, and of one run */
} job;

static lb_code name_list(const job *j, const lb_value *values, int n, const char *what,
                         const char *given, lb_error *err)
{
    char names[400] = "";

    for (int i = 0; i < n && i < 8; i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s'%.60s'", i ? ", " : "",
                 lb_info(j->graph, values[i])->name);
    }
    return lb_raise(err, LB_ERR_INPUT, "%s; the network's %ss are %s", given, what,
                    names);
}

/* "NAME=FILE", or FILE alone for the one value or the next in order. */
static lb_code bind(const job *j, const lb_value *values, int n_values, const char *what,
                    const char *word, bond *bonds, int *n, lb_error *err)
{
    const char *const equals = strchr(word, '=');
    char given[300];

    for (int i = 0; equals && i < n_values; i++) {
        const char *const name = lb_info(j->graph, values[i])->name;
        if (strlen(name) != (size_t)(equals - word) ||
            strncmp(name, word, (size_t)(equals - word)) != 0)
            continue;
        bonds[(*n)++] = (bond){.value = values[i], .path = equals + 1};
        return LB_OK;
    }
    if (equals) {
        snprintf(given, sizeof given, "no %s is called '%.*s'", what,
                 (int)(equals - word > 100 ? 100 : equals - word), word);
        return name_list(j, values, n_values, what, given, err);
    }
    if (*n >= n_values) {
        snprintf(given, sizeof given, "'%.200s' is one --%s too many", word, what);
        return name_list(j, values, n_values, what, given, err);
    }
    if (n_values > 1 && strcmp(what, "input") == 0) {
        snprintf(given, sizeof given, "--input %.200s needs a name, as in NAME=FILE",
                 word);
        return name_list(j, values, n_values, what, given, err);
    }
    bonds[*n] = (bond){.value = values[*n], .path = word};
    ++*n;
    return LB_OK;
}

static lb_code bind_all(const lb_args *args, job *j, lb_error *err)
{
    const char *words[MOST_FILES];
    const lb_graph *const g = j->graph;
    int n = lb_args_many(args, "input", words, MOST_FILES);

    for (int i = 0; i < n; i++)
        LB_TRY(bind(j, g->inputs, g->n_inputs, "input", words[i], j->in, &j->n_in, err));
    for (int i = 0; i < g->n_inputs; i++) {
        int times = 0;
        for (int k = 0; k < j->n_in; k++)
            times += j->in[k].value.id == g->inputs[i].id;
        if (times != 1)
            return lb_raise(
                err, LB_ERR_INPUT, "input '%s' is %s; usage: --input %s=X.npy",
                lb_info(g, g->inputs[i])->name, times ? "given twice" : "missing",
                lb_info(g, g->inputs[i])->name);
    }
    n = lb_args_many(args, "output", words, MOST_FILES);
    if (n == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "--output is missing; it says where the results go");
    for (int i = 0; i < n; i++)
        LB_TRY(bind(j, g->outputs, g->n_outputs, "output", words[i], j->out, &j->n_out,
                    err));
    return LB_OK;
}

static lb_code load_input(job *j, bond *b, lb_error *err)
{
    const lb_value_info *const info = lb_info(j->graph, b->value);
    char have[LB_SHAPE_TEXT], want[LB_SHAPE_TEXT];
    lb_tensor *raw;

    LB_TRY(lb_npy_load(j->arena, b->path, most_bytes, &raw, err));
    b->batched = lb_type_batched(&info->type);
    const int n = raw->shape.rank > 0 ? raw->shape.dim[0] : 1;
    const lb_shape bound =
        b->batched ? lb_shape_bind(&info->type.shape, n) : info->type.shape;
    if (!lb_shape_equal(&bound, &raw->shape) || n < 1)
        return lb_raise(err, LB_ERR_INPUT, "%s: shape is %s, but input '%s' takes %s",
                        b->path, lb_shape_text(&raw->shape, have), info->name,
                        lb_shape_text(&info->type.shape, want));
    if (b->batched && j->n && j->n != n)
        return lb_raise(err, LB_ERR_INPUT, "%s: has %d samples, but another input has %d",
                        b->path, n, j->n);
    if (b->batched)
        j->n = n;
    if (raw->dtype == info->type.dtype)
        b->tensor = raw;
    else
        LB_TRY(lb_tensor_cast(j->arena, raw, info->type.dtype, &b->tensor, err));
    b->sample_bytes = lb_tensor_bytes(b->tensor) / (size_t)(b->batched ? n : 1);
    return LB_OK;
}

static lb_code make_output(job *j, bond *b, lb_error *err)
{
    const lb_value_info *const info = lb_info(j->graph, b->value);

    b->batched = lb_type_batched(&info->type);
    if (!b->batched && j->n > j->batch)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "output '%s' is about a whole batch; give at most %d samples",
                        info->name, j->batch);
    const lb_shape shape =
        b->batched ? lb_shape_bind(&info->type.shape, j->n) : info->type.shape;
    LB_TRY(lb_tensor_new(j->arena, info->type.dtype, &shape, &b->tensor, err));
    b->sample_bytes = lb_tensor_bytes(b->tensor) / (size_t)(b->batched ? j->n : 1);
    return LB_OK;
}

/* Samples first..first+batch; the last batch is padded with its last sample. */
static void run_batch(job *j, lb_plan *plan, int first)
{
    for (int k = 0; k < j->n_in; k++) {
        const bond *const b = &j->in[k];
        for (int i = 0; i < (b->batched ? j->batch : 1); i++) {
            const int sample = first + i < j->n ? first + i : j->n - 1;
            const size_t at = b->batched ? (size_t)sample * b->sample_bytes : 0;
            memcpy(lb_plan_input(plan, b->value, i), (char *)b->tensor->data + at,
                   b->sample_bytes);
        }
    }
    lb_plan_run(plan);
    for (int k = 0; k < j->n_out; k++) {
        const bond *const b = &j->out[k];
        for (int i = 0; i < (b->batched ? j->batch : 1) && first + i < j->n; i++) {
            const size_t at = b->batched ? (size_t)(first + i) * b->sample_bytes : 0;
            memcpy((char *)b->tensor->data + at, lb_plan_output(plan, b->value, i),
                   b->sample_bytes);
        }
    }
}

static lb_code print(const lb_args *args, const job *j, double seconds, lb_error *err)
{
    char shape[LB_SHAPE_TEXT];
    lb_json json;

    if (!args->json) {
        for (int i = 0; i < j->n_out; i++)
            printf("%s %s -> %s\n", lb_info(j->graph, j->out[i].value)->name,
                   lb_shape_text(&j->out[i].tensor->shape, shape), j->out[i].path);
        printf("%d samples in %.3f s\n", j->n, seconds);
        return LB_OK;
    }
    lb_json_init(&json, j->arena);
    lb_json_open(&json, NULL, '{');
    lb_json_number(&json, "seconds", seconds);
    lb_json_open(&json, "outputs", '[');
    for (int i = 0; i < j->n_out; i++) {
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "name", lb_info(j->graph, j->out[i].value)->name);
        lb_json_open(&json, "shape", '[');
        for (int d = 0; d < j->out[i].tensor->shape.rank; d++)
            lb_json_int(&json, NULL, j->out[i].tensor->shape.dim[d]);
        lb_json_close(&json, ']');
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run_all(const lb_args *args, job *j, lb_pool *pool, double *seconds,
                       lb_error *err)
{
    lb_plan *plan;

    for (int i = 0; i < j->n_in; i++)
        LB_TRY(load_input(j, &j->in[i], err));
    if (j->n == 0)
        j->n = 1;
    j->batch = j->n < BATCH ? j->n : BATCH;
    for (int i = 0; i < j->n_out; i++)
        LB_TRY(make_output(j, &j->out[i], err));
    const lb_plan_options wanted = {
        .batch = j->batch, .kernels = args->kernels, .conv_direct = args->conv_direct};
    LB_TRY(lb_plan_compile(j->graph, pool, &wanted, &plan, err));
    const double start = lb_clock_wall();
    for (int first = 0; first < j->n; first += j->batch)
        run_batch(j, plan, first);
    *seconds = lb_clock_wall() - start;
    lb_plan_free(plan);
    for (int i = 0; i < j->n_out; i++)
        LB_TRY(lb_npy_save(j->out[i].tensor, j->out[i].path, err));
    return LB_OK;
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job *const j = LB_TAKE(arena, job);
    lb_pool *pool = NULL;
    double seconds = 0;

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the network");
    j->arena = arena;
    LB_TRY(lb_network_open(args->word[0], &j->graph, err));
    lb_code code = bind_all(args, j, err);
    if (code == LB_OK)
        code = lb_pool_new(args->threads, &pool, err);
    if (code == LB_OK)
        code = run_all(args, j, pool, &seconds, err);
    if (code == LB_OK)
        code = print(args, j, seconds, err);
    lb_pool_free(pool);
    lb_graph_free(j->graph);
    return code;
}

const lb_cmd lb_cmd_run = {
    .name = "run",
    .usage = "MODEL.onnx|.tflite --input [NAME=]X.npy... --output [NAME=]Y.npy...",
    .help = "raw inference on arrays",
    .detail =
        "Inputs are [n,...] with any n; they are taken as they are, without scaling. "
        "Outputs\nare written as .npy, in the network's order or by name.",
    .example = "limbeck run student.onnx --input x.npy --output logits.npy",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
