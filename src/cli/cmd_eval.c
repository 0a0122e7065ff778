/* cmd_eval.c: how good a network is on a data set. */
#include "cli/network.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "run/network_load.h"
#include "train/alignment.h"

#include <math.h>
#include <stdio.h>

static const lb_option options[] = {
    {LB_DATA_OPTION, .help = "the data set, as in idx:DIR"},
    {LB_SPLIT_OPTION, .help = "test (usual), validation or train"},
    {LB_PIXELS_OPTION},
    {LB_MEAN_OPTION},
    {LB_STD_OPTION},
    {.name = "teacher", .value = "T.onnx", .help = "also tells how alike both answer"},
    LB_TEACHER_INPUT_OPTIONS,
    {0},
};

typedef struct job {
    const lb_args *args;
    lb_arena *arena;
    lb_data *data;
    lb_split split;
    lb_pool *pool;
} job;

static lb_code evaluate(const job *j, const char *path, const char *prefix,
                        const int32_t *other, lb_metrics *out, lb_error *err)
{
    lb_input_options input = {0};
    lb_graph *graph;

    LB_TRY(lb_samples_input(j->args, prefix, j->arena, &input, err));
    LB_TRY(lb_network_open(path, &graph, err));
    lb_code code = lb_evaluate(graph, &input, j->data, j->split, j->pool,
                               j->args->kernels, other, j->arena, out, err);
    if (code != LB_OK)
        code = lb_within(err, "%s", path);
    lb_graph_free(graph);
    return code;
}

/* The two networks as their files have them, layer beside layer. */
typedef struct layers {
    lb_graph *teacher_file, *student_file;
    lb_voice teacher, student;
    lb_tap pair[LB_MAX_PAIRS + 2];
    int n;
    lb_alignment alignment;
} layers;

static lb_code load_voice(const job *j, const char *path, const char *prefix,
                          lb_graph **file, lb_voice *out, lb_error *err)
{
    LB_TRY(lb_samples_input(j->args, prefix, j->arena, &out->input, err));
    LB_TRY(lb_network_load(path, file, NULL, err));
    out->graph = *file;
    return LB_OK;
}

static lb_code align(const job *j, const char *teacher, const char *student, layers *l,
                     lb_error *err)
{
    LB_TRY(load_voice(j, teacher, "teacher-", &l->teacher_file, &l->teacher, err));
    LB_TRY(load_voice(j, student, "", &l->student_file, &l->student, err));
    const lb_tap answers = lb_align_answers(l->student_file, l->teacher_file);
    l->n = lb_align_auto(l->student_file, l->teacher_file, j->arena, l->pair);
    if (!lb_align_add(l->pair, &l->n, LB_MAX_PAIRS + 2, &answers))
        return lb_bug(err, "too many pairs of layers");
    const lb_align_setup setup = {.teacher = &l->teacher,
                                  .student = &l->student,
                                  .pair = l->pair,
                                  .n_pairs = l->n,
                                  .data = j->data,
                                  .split = j->split,
                                  .pool = j->pool,
                                  .kernels = j->args->kernels};
    return lb_align(&setup, j->arena, &l->alignment, err);
}

static void add_layers(lb_json *json, const layers *l)
{
    lb_json_open(json, "alignment", '[');
    for (int i = 0; i < l->n; i++) {
        const lb_tap *const pair = &l->pair[i];
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "teacher", lb_info(l->teacher_file, pair->teacher)->name);
        lb_json_text(json, "student", lb_info(l->student_file, pair->student)->name);
        lb_json_ints(json, "teacher_shape", pair->teacher_shape.dim + 1,
                     pair->teacher_shape.rank - 1);
        lb_json_ints(json, "student_shape", pair->student_shape.dim + 1,
                     pair->student_shape.rank - 1);
        lb_json_number(json, "cka", lb_alignment_of(&l->alignment, pair));
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}

static void print_layers(const layers *l)
{
    for (int i = 0; i < l->n; i++) {
        const lb_tap *const pair = &l->pair[i];
        const char *const teacher = lb_info(l->teacher_file, pair->teacher)->name;
        const char *const student = lb_info(l->student_file, pair->student)->name;
        const double cka = lb_alignment_of(&l->alignment, pair);
        if (!isnan(cka))
            printf("cka       %.4f  %s of the teacher, %s\n", cka, teacher, student);
    }
}

/* Class by class, for programs; not of very many. */
static void add_classes(const job *j, const lb_metrics *m, lb_json *json)
{
    enum { MOST_CLASSES = 1000 };
    const int classes = j->data->content.n_classes;

    if (classes > MOST_CLASSES) {
        lb_json_null(json, "classes");
        return;
    }
    lb_json_open(json, "classes", '[');
    for (int c = 0; c < classes; c++) {
        int n;
        const double accuracy = lb_class_accuracy(m, c, &n);
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "name", lb_arena_text(j->arena, "%d", c));
        lb_json_int(json, "images", n);
        lb_json_number(json, "accuracy", accuracy);
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}

static lb_code print(const job *j, const lb_metrics *m, double kl, const layers *l,
                     lb_error *err)
{
    lb_json json;

    if (!j->args->json) {
        printf("images    %d\naccuracy  %.4f\ntop5      %.4f\nloss      %.6f\n"
               "ece       %.4f\n",
               m->n, m->accuracy, m->top5, m->loss, m->ece);
        if (m->agreement >= 0)
            printf("agreement %.4f\n", m->agreement);
        if (!isnan(kl))
            printf("kl        %.6f\n", kl);
        print_layers(l);
        return LB_OK;
    }
    lb_json_init(&json, j->arena);
    lb_json_open(&json, NULL, '{');
    lb_json_int(&json, "images", m->n);
    lb_json_number(&json, "accuracy", m->accuracy);
    lb_json_number(&json, "top5", m->top5);
    lb_json_number(&json, "loss", m->loss);
    lb_json_number(&json, "ece", m->ece);
    if (m->agreement >= 0)
        lb_json_number(&json, "agreement", m->agreement);
    else
        lb_json_null(&json, "agreement");
    lb_json_number(&json, "kl", kl);
    add_classes(j, m, &json);
    add_layers(&json, l);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code measure(const job *j, const char *teacher, lb_error *err)
{
    const char *const network = j->args->word[0];
    lb_metrics of_teacher = {0}, metrics = {0};
    layers l = {.n = 0};

    if (teacher)
        LB_TRY(evaluate(j, teacher, "teacher-", NULL, &of_teacher, err));
    LB_TRY(evaluate(j, network, "", of_teacher.answer, &metrics, err));
    const double kl = teacher ? lb_divergence(&of_teacher, &metrics) : (double)NAN;
    lb_code code = teacher ? align(j, teacher, network, &l, err) : LB_OK;
    if (code == LB_OK)
        code = print(j, &metrics, kl, &l, err);
    lb_graph_free(l.teacher_file);
    lb_graph_free(l.student_file);
    return code;
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job j = {.args = args, .arena = arena};

    LB_TRY(lb_samples_open(args, arena, &j.data, &j.split, err));
    LB_TRY(lb_pool_new(args->threads, &j.pool, err));
    const lb_code code = measure(&j, lb_arg(args, "teacher"), err);
    lb_pool_free(j.pool);
    return code;
}

const lb_cmd lb_cmd_eval = {
    .name = "eval",
    .usage = "MODEL --data SOURCE:PATH [--split test] [--teacher T.onnx]",
    .help = "accuracy and more on a data set",
    .detail =
        "Prints fractions of 1: accuracy, top-5 accuracy, mean cross-entropy, "
        "expected\ncalibration error (15 bins) and, with a teacher, the share of "
        "equal answers,\nthe mean of KL(teacher || student) in nats, and how alike both "
        "see: the centred\nkernel alignment of layers of equal spatial size, and of the "
        "answers. Images reach\nthe network as value / 255 (--pixels unit) or 0..255 "
        "(raw), then (x - mean) / std\nwhere given. MODEL is .onnx or .tflite, and so is "
        "T.",
    .example = "limbeck eval teacher.onnx --data idx:/usr/share/datasets/fashion-mnist",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
