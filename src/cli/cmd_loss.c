/* cmd_loss.c: one loss and its gradient, in float64 on the reference kernels. */
#include "cli/results.h"
#include "distill/loss.h"
#include "engine/plan.h"
#include "tensor/npy.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ARRAYS = 16 };
static const size_t most_bytes = (size_t)1 << 30;

static const lb_option options[] = {
    {.name = "student",
     .value = "S.npy",
     .many = true,
     .help = "the student's logits [n,classes], or its layers in order"},
    {.name = "teacher", .value = "T.npy", .many = true, .help = "the teacher's"},
    {.name = "labels", .value = "L.npy", .help = "class numbers [n]; -1: no label"},
    {.name = "set", .value = "KEY=VALUE", .many = true, .help = "a setting of the loss"},
    {.name = "grad",
     .value = "G.npy",
     .help = "where the gradient of the first student array goes"},
    {0},
};

typedef struct job {
    lb_arena *arena;
    const lb_loss *loss;
    lb_term term;
    lb_tensor *student[MOST_ARRAYS], *teacher[MOST_ARRAYS], *labels;
    int n_student, n_teacher, n;
    lb_graph *graph;
    lb_pair pair[MOST_ARRAYS];
    lb_value label_value, value, grad;
} job;

static lb_code find_loss(const char *word, job *j, lb_error *err)
{
    const char *names[128];
    int n = 0;

    j->loss = lb_loss_find(word);
    while (lb_losses[n] && n < 128) {
        names[n] = lb_losses[n]->name;
        n++;
    }
    if (j->loss)
        return LB_OK;
    const char *const near = lb_nearest(word, names, n);
    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "no loss is called '%.60s'; did you mean '%s'?", word, near);
    return lb_raise(err, LB_ERR_INPUT,
                    "no loss is called '%.60s'; `limbeck losses` lists them", word);
}

static lb_code set_knob(job *j, const char *word, lb_error *err)
{
    const char *names[LB_MAX_KNOBS];
    const char *const equals = strchr(word, '=');
    lb_key key;
    int n = 0;

    if (!equals)
        return lb_raise(err, LB_ERR_INPUT,
                        "--set must be KEY=VALUE, as in temperature=4, not '%.80s'",
                        word);
    const char *const name = lb_arena_copy_chars(j->arena, word, (size_t)(equals - word));
    if (!name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the settings");
    for (; n < LB_MAX_KNOBS && lb_knob_key(j->loss, n, &key); n++) {
        names[n] = key.name;
        if (strcmp(key.name, name) == 0)
            return lb_key_set(&key, &j->term, equals + 1, j->arena, err);
    }
    const char *const near = lb_nearest(name, names, n);
    return lb_raise(err, LB_ERR_INPUT, "loss '%s' has no setting '%.60s'%s%s%s",
                    j->loss->name, name, near ? "; did you mean '" : "", near ? near : "",
                    near ? "'?" : "");
}

static lb_code load_arrays(const lb_args *args, const char *name, job *j, lb_tensor **out,
                           int *n, lb_error *err)
{
    const char *paths[MOST_ARRAYS];
    const int n_paths = lb_args_many(args, name, paths, MOST_ARRAYS);

    for (int i = 0; i < n_paths; i++) {
        lb_tensor *raw;
        LB_TRY(lb_npy_load(j->arena, paths[i], most_bytes, &raw, err));
        if (raw->shape.rank < 2 || raw->n == 0)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s: must be an array [n,...] with something in it",
                            paths[i]);
        if (j->n && raw->shape.dim[0] != j->n)
            return lb_raise(err, LB_ERR_INPUT, "%s: has %d samples, but the first has %d",
                            paths[i], raw->shape.dim[0], j->n);
        j->n = raw->shape.dim[0];
        LB_TRY(lb_tensor_cast(j->arena, raw, LB_F64, &out[i], err));
    }
    *n = n_paths;
    return LB_OK;
}

static lb_code load_labels(const char *path, job *j, lb_error *err)
{
    char shape[LB_SHAPE_TEXT];
    lb_tensor *raw;

    LB_TRY(lb_npy_load(j->arena, path, most_bytes, &raw, err));
    if (raw->shape.rank != 1 || raw->shape.dim[0] != j->n)
        return lb_raise(err, LB_ERR_INPUT, "%s: labels must be [%d], not %s", path, j->n,
                        lb_shape_text(&raw->shape, shape));
    if (lb_dtype_is_float(raw->dtype))
        return lb_raise(err, LB_ERR_INPUT, "%s: labels must be whole numbers, not %s",
                        path, lb_dtype_name(raw->dtype));
    /* over layers and embeddings labels only say which samples are of one class */
    const bool logits = !(j->loss->needs & LB_NEEDS_HINTS);
    const double classes = logits ? j->student[0]->shape.dim[1] : INT32_MAX;
    for (size_t i = 0; i < raw->n; i++)
        if (lb_tensor_get(raw, i) < -1 || lb_tensor_get(raw, i) >= classes)
            return lb_raise(err, LB_ERR_INPUT,
                            "%s: label %zu must be between -1 and %.0f, not %.0f", path,
                            i, classes - 1, lb_tensor_get(raw, i));
    return lb_tensor_cast(j->arena, raw, LB_I32, &j->labels, err);
}

static lb_code check_arrays(const job *j, lb_error *err)
{
    const unsigned needs = j->loss->needs;

    const bool brings = j->loss->brings_layers && j->loss->brings_layers(j->term.knobs);

    if ((needs & LB_NEEDS_HELPER) || brings)
        return lb_raise(
            err, LB_ERR_INPUT,
            "loss '%s' trains a helper beside the student; it needs a recipe, "
            "and `limbeck distill`",
            j->loss->name);
    if (j->n_student == 0)
        return lb_raise(err, LB_ERR_INPUT, "--student is missing");
    if ((needs & (LB_NEEDS_TEACHER | LB_NEEDS_HINTS)) && j->n_teacher != j->n_student)
        return lb_raise(err, LB_ERR_INPUT,
                        "loss '%s' needs as many --teacher arrays as --student, %d, not "
                        "%d",
                        j->loss->name, j->n_student, j->n_teacher);
    if (j->n_student > 1 && !(needs & LB_NEEDS_HINTS))
        return lb_raise(err, LB_ERR_INPUT, "loss '%s' takes one --student array, not %d",
                        j->loss->name, j->n_student);
    if ((needs & LB_NEEDS_LABELS) && !j->labels)
        return lb_raise(err, LB_ERR_INPUT, "loss '%s' needs --labels", j->loss->name);
    return LB_OK;
}

static lb_code load_all(const lb_args *args, job *j, lb_error *err)
{
    const char *sets[LB_MAX_KNOBS * 4];
    const char *const labels = lb_arg(args, "labels");
    const int n_sets = lb_args_many(args, "set", sets, LB_MAX_KNOBS * 4);

    LB_TRY(find_loss(args->word[0], j, err));
    j->term = lb_term_usual(j->loss, 1);
    for (int i = 0; i < n_sets; i++)
        LB_TRY(set_knob(j, sets[i], err));
    LB_TRY(load_arrays(args, "student", j, j->student, &j->n_student, err));
    LB_TRY(load_arrays(args, "teacher", j, j->teacher, &j->n_teacher, err));
    if (labels && j->n_student)
        LB_TRY(load_labels(labels, j, err));
    return check_arrays(j, err);
}

static lb_value add_input(lb_builder *b, const char *name, const lb_tensor *tensor)
{
    lb_shape shape = tensor->shape;

    shape.dim[0] = LB_BATCH;
    return lb_input(b, name, tensor->dtype, &shape);
}

static lb_code build(job *j, lb_error *err)
{
    lb_builder b;
    char name[32];

    LB_TRY(lb_graph_new(&j->graph, err));
    lb_builder_init(&b, j->graph);
    for (int i = 0; i < j->n_student; i++) {
        snprintf(name, sizeof name, "student%d", i);
        j->pair[i].student = add_input(&b, name, j->student[i]);
    }
    for (int i = 0; i < j->n_teacher; i++) {
        snprintf(name, sizeof name, "teacher%d", i);
        j->pair[i].teacher = add_input(&b, name, j->teacher[i]);
    }
    if (j->labels)
        j->label_value = add_input(&b, "labels", j->labels);
    const bool hints = (j->loss->needs & LB_NEEDS_HINTS) != 0;
    const lb_loss_in in = {
        .logits = hints ? (lb_pair){{0}, {0}} : j->pair[0],
        .hints = j->pair,
        .n_hints = hints ? j->n_student : 0,
        .labels = j->label_value,
        .batch = j->n,
    };
    lb_terms_build(&b, &j->term, 1, &in, &j->value);
    lb_autodiff(&b, &lb_op_verbs, j->value, &j->pair[0].student, 1, &j->grad);
    lb_output(&b, j->value);
    if (j->grad.id)
        lb_output(&b, j->grad);
    return lb_builder_finish(&b, err);
}

static void fill(const lb_plan *plan, lb_value value, const lb_tensor *tensor)
{
    const size_t n = (size_t)tensor->shape.dim[0];
    const size_t bytes = lb_tensor_bytes(tensor) / n;

    for (size_t i = 0; i < n; i++)
        memcpy(lb_plan_input(plan, value, (int)i), (char *)tensor->data + i * bytes,
               bytes);
}

static lb_code compute(job *j, lb_pool *pool, const char *grad_path, double *loss,
                       lb_error *err)
{
    const lb_plan_options wanted = {.batch = j->n, .kernels = LB_KERNELS_REFERENCE};
    lb_tensor *grad = j->student[0]; /* a gradient of zeros, if the loss ignores it */
    lb_plan *plan;

    LB_TRY(lb_plan_compile(j->graph, pool, &wanted, &plan, err));
    for (int i = 0; i < j->n_student; i++)
        fill(plan, j->pair[i].student, j->student[i]);
    for (int i = 0; i < j->n_teacher; i++)
        fill(plan, j->pair[i].teacher, j->teacher[i]);
    if (j->labels)
        fill(plan, j->label_value, j->labels);
    lb_plan_run(plan);
    *loss = *(const double *)lb_plan_output(plan, j->value, 0);
    const size_t bytes = lb_tensor_bytes(grad) / (size_t)j->n;
    memset(grad->data, 0, lb_tensor_bytes(grad));
    for (int i = 0; j->grad.id && i < j->n; i++)
        memcpy((char *)grad->data + (size_t)i * bytes, lb_plan_output(plan, j->grad, i),
               bytes);
    lb_plan_free(plan);
    return grad_path ? lb_npy_save(grad, grad_path, err) : LB_OK;
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job *const j = LB_TAKE(arena, job);
    lb_pool *pool = NULL;
    double loss = 0;
    lb_json json;

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the loss");
    j->arena = arena;
    LB_TRY(load_all(args, j, err));
    lb_code code = build(j, err);
    if (code == LB_OK)
        code = lb_pool_new(args->threads, &pool, err);
    if (code == LB_OK)
        code = compute(j, pool, lb_arg(args, "grad"), &loss, err);
    lb_pool_free(pool);
    lb_graph_free(j->graph);
    if (code != LB_OK)
        return code;
    if (!args->json) {
        printf("%.17g\n", loss);
        return LB_OK;
    }
    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_number(&json, "loss", loss);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

const lb_cmd lb_cmd_loss = {
    .name = "loss",
    .usage = "NAME --student S.npy... [--teacher T.npy...] [--labels L.npy]",
    .help = "one loss and its gradient, computed in float64",
    .detail =
        "To try a loss, and to check it against other software: the value as a "
        "recipe's run\nwould see it for this batch, with 17 digits, and the gradient "
        "with respect to the\nfirst student array.",
    .example = "limbeck loss kd --student s.npy --teacher t.npy --set temperature=4 "
               "--grad g.npy",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
