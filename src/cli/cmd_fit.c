/* cmd_fit.c: the most capable student inside a device's limits. */
#include "cli/layer_list.h"
#include "cli/limits.h"
#include "cli/recipe_run.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "run/fit_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lb_option options[] = {
    {.name = "device", .value = "NAME", .help = "that it is for; usually the recipe's"},
    LB_LIMIT_OPTIONS,
    {.name = "input",
     .value = "CxHxW,...",
     .help = "sizes to try; usually the data's, 3/4 and 1/2 of it"},
    {.name = "classes", .value = "N", .help = "of a MODEL without --data"},
    {LB_DATA_OPTION, .help = "gives a MODEL its input and classes"},
    {.name = "depth", .value = "N,...", .help = "to try; usually a row of the model's"},
    {.name = "width", .value = "W", .help = "keeps to this one"},
    {.name = "int8", .help = "weighs a MODEL in int8; a recipe says it itself"},
    {.name = "set", .value = "KEY=VALUE", .many = true, .help = "changes the recipe"},
    {0},
};

typedef struct job {
    const lb_args *args;
    lb_arena *arena;
    lb_fit_options wanted;
    lb_progress progress;
    const char *sets[LB_MOST_SETS];
    lb_fit_result result;
} job;

/* -------------------------------------------------------------------------- options */

/* The whole numbers of "1x28x28", `most` at most; 0 if it is not that. */
static int read_numbers(const char *text, char between, int most, int *out)
{
    int n = 0;

    for (;;) {
        char *end;
        const long v = strtol(text, &end, 10);
        if (end == text || *text < '0' || *text > '9' || v < 1 || v > 100000 || n == most)
            return 0;
        out[n++] = (int)v;
        if (*end == '\0')
            return n;
        if (*end != between)
            return 0;
        text = end + 1;
    }
}

static lb_code read_inputs(job *j, lb_error *err)
{
    const char *text = lb_arg(j->args, "input");

    for (; text && *text; text += strcspn(text, ","), text += *text == ',') {
        const size_t n = strcspn(text, ",");
        const char *const word = lb_arena_copy_chars(j->arena, text, n);
        int dim[3];
        if (!word || read_numbers(word, 'x', 3, dim) != 3 ||
            j->wanted.n_inputs == LB_MOST_FITS)
            return lb_raise(err, LB_ERR_INPUT,
                            "--input takes up to %d sizes CxHxW, as in 3x32x32,3x24x24, "
                            "not '%.60s'",
                            LB_MOST_FITS, text);
        j->wanted.input[j->wanted.n_inputs++] = lb_shape_of(3, dim[0], dim[1], dim[2]);
    }
    return LB_OK;
}

static lb_code read_shape(job *j, lb_error *err)
{
    static const lb_key classes = {.name = "--classes",
                                   .type = LB_KEY_INT,
                                   .min = 2,
                                   .max = 1000000,
                                   .help = "of the data"};
    static const lb_key width = {.name = "--width",
                                 .type = LB_KEY_FLOAT,
                                 .min = 0.01,
                                 .max = 64,
                                 .help = "of the model"};
    const char *const depth = lb_arg(j->args, "depth");

    LB_TRY(read_inputs(j, err));
    LB_TRY(lb_arg_by_key(j->args, &classes, &j->wanted.classes, err));
    LB_TRY(lb_arg_by_key(j->args, &width, &j->wanted.width, err));
    if (!depth)
        return LB_OK;
    j->wanted.n_depths = read_numbers(depth, ',', LB_MOST_FITS, j->wanted.depth);
    if (j->wanted.n_depths > 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "--depth takes up to %d whole numbers, as in 1,2,3, not '%.60s'",
                    LB_MOST_FITS, depth);
}

/* What the data says of a model's input and classes, or the options. */
static lb_code read_model(job *j, lb_error *err)
{
    lb_fit_options *const w = &j->wanted;
    lb_data *data = NULL;
    lb_split split;

    w->int8 = lb_arg_switch(j->args, "int8");
    w->recipe.threads = j->args->threads;
    w->recipe.kernels = j->args->kernels;
    if (lb_arg(j->args, "data")) {
        LB_TRY(lb_samples_open(j->args, j->arena, &data, &split, err));
        w->sample = data->content.shape;
        w->classes = data->content.n_classes;
        return LB_OK;
    }
    if (w->n_inputs == 0 || w->classes == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' needs data to be built for: --data SOURCE:PATH, or --input "
                        "CxHxW with --classes N",
                        w->model->name);
    w->sample = w->input[0];
    return LB_OK;
}

static lb_code read_recipe(job *j, lb_error *err)
{
    static const char *const of_model[] = {"data", "classes", "int8"};
    const char *const word = j->args->word[0], *const dot = strrchr(word, '.');

    if (dot && (strcmp(dot, ".onnx") == 0 || strcmp(dot, ".tflite") == 0))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%.200s' has its width and depth; what is searched is a model "
                        "that `limbeck models` lists, or a recipe's; `limbeck prune` "
                        "makes a network smaller",
                        word);
    for (size_t i = 0; i < sizeof of_model / sizeof *of_model; i++)
        if (lb_arg(j->args, of_model[i]) || lb_arg_switch(j->args, of_model[i]))
            return lb_raise(err, LB_ERR_INPUT,
                            "--%s goes with a model that `limbeck models` lists; a "
                            "recipe says it itself",
                            of_model[i]);
    j->wanted.recipe = lb_recipe_run(j->args, &j->progress, j->sets);
    return LB_OK;
}

static lb_code no_model(const char *word, lb_error *err)
{
    enum { MOST = 64 };
    const char *names[MOST];
    int n = 0;

    for (; lb_models[n] && n < MOST; n++)
        names[n] = lb_models[n]->name;
    const char *const near = lb_nearest(word, names, n);
    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "no model is called '%.60s'; did you mean '%s'?", word, near);
    return lb_raise(err, LB_ERR_INPUT,
                    "'%.60s' is no model (`limbeck models` lists them) and no recipe's "
                    "file",
                    word);
}

static lb_code read_options(job *j, lb_error *err)
{
    const char *const word = j->args->word[0];

    LB_TRY(lb_limits_read(j->args, j->arena, &j->wanted.device, err));
    LB_TRY(read_shape(j, err));
    j->wanted.model = lb_model_find(word);
    if (!j->wanted.model && !strpbrk(word, "./"))
        return no_model(word, err);
    return j->wanted.model ? read_model(j, err) : read_recipe(j, err);
}

/* -------------------------------------------------------------------------- telling */

static const char *size_text(const lb_shape *shape, char out[40])
{
    snprintf(out, 40, "%dx%dx%d", shape->dim[0], shape->dim[1], shape->dim[2]);
    return out;
}

static void print_limit(const char *name, double asked, double own, double per,
                        const char *unit)
{
    const double limit = asked > 0 ? asked : own;

    if (limit > 0)
        printf(", %s %.*f %s", name, limit * per < 100 ? 2 : 0, limit * per, unit);
}

static void print_row(const lb_fit *f, bool best)
{
    const lb_estimate *const e = &f->estimate;
    char input[40], parameters[32], macs[32], latency[LB_RANGE_TEXT];

    printf("%c %5d  %-10s %7.4g %10s %8s %9zu %9zu  %s%s\n", best ? '*' : ' ', f->depth,
           size_text(&f->input, input), f->width,
           lb_results_short((double)f->parameters, parameters),
           lb_results_short(f->macs, macs), e->flash_bytes, e->sram_bytes,
           lb_limits_range(&e->latency_ms, "ms", latency), f->fits ? "" : ", too much");
}

static void print_table(const lb_fit_result *r)
{
    const lb_device *const d = r->device;

    printf("%s in %s, %d classes, on %s (%s)", r->model->name,
           r->int8 ? "int8" : "float32", r->classes, d->name, d->core);
    print_limit("flash", r->limits.flash, d->flash_bytes, 1, "B");
    print_limit("SRAM", r->limits.sram, d->sram_bytes, 1, "B");
    print_limit("latency", r->limits.latency, 0, 1e3, "ms");
    print_limit("energy", r->limits.energy, 0, 1e6, "uJ");
    printf("\n\n%7s  %-10s %7s %10s %8s %9s %9s  %s\n", "depth", "input", "width",
           "parameters", "MACs", "flash", "SRAM", "latency");
    for (int i = 0; i < r->n; i++)
        print_row(&r->fit[i], i == r->best);
}

/* The best of those that take the data as it is, or -1; they stand first. */
static int best_of_own(const lb_fit_result *r)
{
    int n = 0;

    while (n < r->n && lb_shape_equal(&r->fit[n].input, &r->sample))
        n++;
    return lb_fit_best(r->fit, n);
}

/* As a recipe says it, with the limits that were given. */
static lb_code print_device(const lb_fit_result *r, lb_arena *arena, lb_error *err)
{
    bool first = true;

    printf("device: {");
    for (const lb_key *key = lb_device_keys; key->name; key++) {
        const double *const limit =
            (const void *)((const char *)&r->limits + key->offset);
        const bool given = key->type == LB_KEY_TEXT || *limit > 0;
        const char *const text = given ? lb_key_text(key, &r->limits, arena) : NULL;
        if (given && !text)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the limits");
        if (given)
            printf("%s%s: %s", first ? "" : ", ", key->name, text);
        first = false;
    }
    printf("}\n");
    return LB_OK;
}

/* What a recipe says to have the best. */
static lb_code print_lines(const lb_fit_result *r, bool of_recipe, lb_arena *arena,
                           lb_error *err)
{
    const lb_fit *const f = &r->fit[r->best];
    const int own = best_of_own(r);
    char from[40], to[40];

    printf(
        "\nmost capable: the one that computes most within the limits. In a recipe:\n\n"
        "student:\n  model: %s\n  width: %g\n  depth: %d\n",
        r->model->name, f->width, f->depth);
    if (!of_recipe)
        LB_TRY(print_device(r, arena, err));
    if (!of_recipe && r->int8)
        printf("compress: {quantize: qat}\n");
    if (own == r->best)
        return LB_OK;
    printf("\nThe data must be resized from %s to %s first, for training and on the "
           "device\n(each value the mean of the area that it stands for).",
           size_text(&r->sample, from), size_text(&f->input, to));
    if (own >= 0)
        printf(" As the data is: width %g, depth %d.", r->fit[own].width,
               r->fit[own].depth);
    printf("\n");
    return LB_OK;
}

static void json_fit(lb_json *json, const lb_fit *f)
{
    lb_json_number(json, "width", f->width);
    lb_json_int(json, "depth", f->depth);
    lb_json_ints(json, "input", f->input.dim, f->input.rank);
    lb_json_int(json, "parameters", (int64_t)f->parameters);
    lb_json_number(json, "macs", f->macs);
    lb_limits_json(json, &f->estimate, f->fits);
}

/* The layers of the best. */
static lb_code json_layers(const job *j, const lb_fit *f, lb_json *json, lb_error *err)
{
    const lb_fit_result *const r = &j->result;
    const lb_model_options made = {
        .input = f->input, .classes = r->classes, .width = f->width, .depth = f->depth};
    lb_layer_list list;
    lb_graph *graph = NULL;

    if (r->ends_in_teacher) {
        lb_json_null(json, "layers");
        return LB_OK;
    }
    lb_code code = lb_model_build(r->model, &made, 1, &graph, err);
    if (code == LB_OK)
        code = lb_layer_list_fill(graph, j->arena, &list, err);
    if (code == LB_OK)
        lb_layer_list_json(json, &list);
    lb_graph_free(graph);
    return code;
}

static lb_code print_json(const job *j, lb_error *err)
{
    const lb_fit_result *const r = &j->result;
    lb_json json;

    lb_json_init(&json, j->arena);
    lb_json_open(&json, NULL, '{');
    lb_json_text(&json, "model", r->model->name);
    lb_json_text(&json, "device", r->device->name);
    lb_json_text(&json, "dtype", r->int8 ? "int8" : "float32");
    if (r->best >= 0) {
        json_fit(&json, &r->fit[r->best]);
        LB_TRY(json_layers(j, &r->fit[r->best], &json, err));
    } else {
        lb_json_bool(&json, "fits", false);
    }
    lb_json_open(&json, "candidates", '[');
    for (int i = 0; i < r->n; i++) {
        lb_json_open(&json, NULL, '{');
        json_fit(&json, &r->fit[i]);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job *const j = LB_TAKE(arena, job);
    lb_error ignored = {0};

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to search what fits");
    j->args = args;
    j->arena = arena;
    LB_TRY(read_options(j, err));
    const lb_code code = lb_fit_run(&j->wanted, arena, &j->result, err);
    if (!j->wanted.model)
        lb_progress_end(&j->progress);
    if (code != LB_OK && code != LB_ERR_BUDGET)
        return code;
    if (args->json) {
        const lb_code told = print_json(j, code == LB_OK ? err : &ignored);
        return code == LB_OK ? told : code;
    }
    print_table(&j->result);
    return code == LB_OK ? print_lines(&j->result, !j->wanted.model, arena, err) : code;
}

const lb_cmd lb_cmd_fit = {
    .name = "fit",
    .usage = "MODEL|RECIPE --device NAME [--flash BYTES] ...",
    .help = "the most capable student inside a device's limits",
    .detail =
        "Every depth and input size is taken at the widest that fits flash, SRAM, "
        "latency "
        "and\nenergy (the high ends); the most capable is the one with most "
        "multiply-adds. MODEL is\nbuilt for --data, or --input and --classes. Exit code "
        "3 if none fits.",
    .example =
        "limbeck fit resnet --data idx:DIR --int8 --device stm32l4r5 --latency 100ms",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
