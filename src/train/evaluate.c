/* evaluate.c: accuracy and more of a network on a split.
 *
 * Expected calibration error: 15 equal bins of the confidence, ((m-1)/15, m/15] (Guo et
 * al., 2017). Sums run over samples in order, in double. */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

enum { BATCH = 128, BINS = 15, TOP = 5 };

struct lb_tester {
    lb_tester_setup setup;
    lb_feed feed;
    lb_plan *plan;
    lb_value in, out;
    lb_dtype dtype;
    int batch, classes;
    bool probabilities; /* the network ends in Softmax */
    double least;       /* probability that is told from 0 */
    lb_metrics metrics;
};

static lb_code take_figures(lb_metrics *m, int n, int n_classes, lb_arena *arena,
                            lb_error *err)
{
    const size_t classes = (size_t)n_classes;
    size_t cells = 0, squares = 0;

    *m = (lb_metrics){.n = n, .classes = n_classes};
    if (lb_size_mul((size_t)n + 1, classes, &cells) &&
        lb_size_mul(classes, classes, &squares)) {
        m->answer = LB_TAKE_ARRAY(arena, n + 1, int32_t);
        m->logits = LB_TAKE_ARRAY(arena, cells, float);
        m->confusion = LB_TAKE_ARRAY(arena, squares, int);
    }
    if (!m->answer || !m->logits || !m->confusion)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the answers to %d samples", n);
    return LB_OK;
}

static lb_code check_classes(int classes, const lb_data *data, lb_error *err)
{
    if (classes >= data->content.n_classes)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "the network tells %d classes apart, but the data has %d", classes,
                    data->content.n_classes);
}

/* In int8 a probability that is 0 may be half a step of 1/256. */
static bool is_held(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    return info->kind == LB_VALUE_NODE &&
           (g->nodes[info->node].op->flags & LB_OP_QUANTISES);
}

lb_code lb_tester_open(const lb_tester_setup *setup, lb_arena *arena, lb_tester **out,
                       lb_error *err)
{
    const int n = setup->data->n[setup->split];
    lb_tester *const t = LB_TAKE(arena, lb_tester);
    char shape[LB_SHAPE_TEXT];

    if (!t)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for an evaluation");
    t->setup = *setup;
    LB_TRY(lb_feed_init(&t->feed, setup->graph, setup->input, setup->data, setup->pool,
                        arena, err));
    t->in = setup->graph->inputs[0];
    t->out = setup->graph->n_outputs > 0 ? setup->graph->outputs[0] : (lb_value){0};
    const lb_type type = lb_info(setup->graph, t->out)->type;
    if (!lb_type_batched(&type) || type.shape.rank != 2 ||
        !lb_dtype_is_float(type.dtype) || type.shape.dim[1] < 1)
        return lb_raise(
            err, LB_ERR_UNSUPPORTED,
            "the network's first output is %s; classes [N,C] can be evaluated",
            lb_shape_text(&type.shape, shape));
    LB_TRY(check_classes(type.shape.dim[1], setup->data, err));
    t->classes = type.shape.dim[1];
    t->dtype = type.dtype;
    t->probabilities = lb_logits_of(setup->graph).id != t->out.id;
    t->least = is_held(setup->graph, t->out) ? 1.0 / 512 : 1e-37;
    t->batch = n < BATCH ? (n > 0 ? n : 1) : BATCH;
    LB_TRY(take_figures(&t->metrics, n, t->classes, arena, err));
    const lb_plan_options options = {.batch = t->batch, .kernels = setup->kernels};
    LB_TRY(lb_plan_compile(setup->graph, setup->pool, &options, &t->plan, err));
    *out = t;
    return LB_OK;
}

void lb_tester_close(lb_tester *tester)
{
    if (tester)
        lb_plan_free(tester->plan);
}

/* Row `to` of the logits becomes what the plan says of its sample i. */
static void read_row(lb_tester *t, int i, float *to)
{
    const void *const from = lb_plan_output(t->plan, t->out, i);

    for (int c = 0; c < t->classes; c++) {
        double x = t->dtype == LB_F32 ? (double)((const float *)from)[c]
                                      : ((const double *)from)[c];
        if (t->probabilities)
            x = log(fmax(x, t->least));
        to[c] = (float)x;
    }
}

static void answer_all(lb_tester *t)
{
    const int n = t->metrics.n;

    lb_plan_refresh(t->plan);
    for (int first = 0; first < n; first += t->batch) {
        const int here = n - first < t->batch ? n - first : t->batch;
        /* a last, short batch keeps samples of the one before behind it: samples do not
         * see each other in an inference plan */
        lb_feed_split(&t->feed, t->plan, t->in, t->setup.data, t->setup.split, first,
                      here);
        lb_plan_run(t->plan);
        for (int i = 0; i < here; i++)
            read_row(t, i, t->metrics.logits + (size_t)(first + i) * (size_t)t->classes);
    }
}

/* Sums over labelled samples. */
typedef struct tally {
    int labelled, correct, top, agreed;
    double loss;
    double bin_confidence[BINS];
    int bin_correct[BINS], bin_n[BINS];
} tally;

static int arg_max(const float *x, int n)
{
    int best = 0;

    for (int c = 1; c < n; c++)
        if (x[c] > x[best])
            best = c;
    return best;
}

static void add_sample(tally *sum, const float *z, int classes, int answer, int label)
{
    const double peak = (double)z[answer];
    double total = 0;
    int rank = 0;

    for (int c = 0; c < classes; c++) {
        total += exp((double)z[c] - peak);
        rank += z[c] > z[label] || (z[c] == z[label] && c < label);
    }
    const double confidence = 1 / total;
    int bin = (int)ceil(confidence * BINS) - 1;
    bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
    sum->labelled++;
    sum->correct += answer == label;
    sum->top += rank < TOP;
    sum->loss += log(total) - ((double)z[label] - peak);
    sum->bin_n[bin]++;
    sum->bin_correct[bin] += answer == label;
    sum->bin_confidence[bin] += confidence;
}

static void conclude(lb_metrics *m, const tally *sum, bool compared)
{
    const double n = sum->labelled;

    m->agreement = compared && m->n > 0 ? (double)sum->agreed / m->n : -1;
    m->accuracy = m->top5 = m->loss = m->ece = NAN;
    if (sum->labelled == 0)
        return;
    m->accuracy = sum->correct / n;
    m->top5 = sum->top / n;
    m->loss = sum->loss / n;
    m->ece = 0;
    for (int i = 0; i < BINS; i++)
        m->ece += fabs(sum->bin_correct[i] - sum->bin_confidence[i]) / n;
}

/* All figures from the logits. */
static void judge(lb_metrics *m, int n_classes, const lb_data *data, lb_split split,
                  const int32_t *other)
{
    const size_t classes = (size_t)n_classes;
    tally sum = {0};

    memset(m->confusion, 0, classes * classes * sizeof *m->confusion);
    for (int i = 0; i < m->n; i++) {
        const float *const z = m->logits + (size_t)i * classes;
        const int label = lb_data_label(data, split, i);
        m->answer[i] = arg_max(z, n_classes);
        sum.agreed += other && other[i] == m->answer[i];
        if (label < 0 || label >= n_classes)
            continue;
        m->confusion[(size_t)label * classes + (size_t)m->answer[i]]++;
        add_sample(&sum, z, n_classes, m->answer[i], label);
    }
    conclude(m, &sum, other != NULL);
}

double lb_class_accuracy(const lb_metrics *m, int class, int *n)
{
    const int *const row = m->confusion + (size_t) class * (size_t)m->classes;
    int all = 0;

    for (int k = 0; k < m->classes; k++)
        all += row[k];
    if (n)
        *n = all;
    return all > 0 ? (double)row[class] / all : NAN;
}

const lb_metrics *lb_tester_run(lb_tester *t, const int32_t *other)
{
    answer_all(t);
    judge(&t->metrics, t->classes, t->setup.data, t->setup.split, other);
    return &t->metrics;
}

lb_code lb_evaluate_answers(lb_answer *answer, void *arg, int classes,
                            const lb_data *data, lb_split split, const int32_t *other,
                            lb_arena *arena, lb_metrics *out, lb_error *err)
{
    LB_TRY(check_classes(classes, data, err));
    LB_TRY(take_figures(out, data->n[split], classes, arena, err));
    answer(arg, out->n, out->logits);
    judge(out, classes, data, split, other);
    return LB_OK;
}

lb_code lb_evaluate_ensemble(const lb_ensemble *ensemble, const lb_metrics *members,
                             const lb_data *data, lb_split split, lb_arena *arena,
                             lb_metrics *out, lb_error *err)
{
    const int classes = data->content.n_classes;
    const float *rows[LB_MAX_TEACHERS];

    LB_TRY(take_figures(out, members[0].n, classes, arena, err));
    for (int i = 0; i < out->n; i++) {
        const size_t at = (size_t)i * (size_t)classes;
        for (int k = 0; k < ensemble->n; k++)
            rows[k] = members[k].logits + at;
        lb_ensemble_row(ensemble, rows, classes, out->logits + at);
    }
    judge(out, classes, data, split, NULL);
    return LB_OK;
}

lb_code lb_evaluate(const lb_graph *graph, const lb_input_options *input,
                    const lb_data *data, lb_split split, lb_pool *pool,
                    lb_kernels kernels, const int32_t *other, lb_arena *arena,
                    lb_metrics *out, lb_error *err)
{
    const lb_tester_setup setup = {.graph = graph,
                                   .input = input,
                                   .data = data,
                                   .split = split,
                                   .pool = pool,
                                   .kernels = kernels};
    lb_tester *tester = NULL;

    LB_TRY(lb_tester_open(&setup, arena, &tester, err));
    *out = *lb_tester_run(tester, other);
    lb_tester_close(tester);
    return LB_OK;
}

static double log_of_sum(const float *z, int classes)
{
    const double peak = (double)z[arg_max(z, classes)];
    double total = 0;

    for (int c = 0; c < classes; c++)
        total += exp((double)z[c] - peak);
    return peak + log(total);
}

static double divergence_of_sample(const float *teacher, const float *student,
                                   int classes)
{
    const double of_teacher = log_of_sum(teacher, classes);
    const double of_student = log_of_sum(student, classes);
    double sum = 0;

    for (int c = 0; c < classes; c++) {
        const double log_p = (double)teacher[c] - of_teacher;
        const double log_q = (double)student[c] - of_student;
        const double p = exp(log_p);
        if (!(p <= 0)) /* 0 log 0 is 0; what is not a number stays so */
            sum += p * (log_p - log_q);
    }
    return sum < 0 ? 0 : sum; /* below 0 by rounding only; NaN stays */
}

double lb_divergence(const lb_metrics *teacher, const lb_metrics *student)
{
    const int classes = student->classes;
    double sum = 0;

    if (teacher->n != student->n || teacher->classes != classes || student->n < 1)
        return NAN;
    for (int i = 0; i < student->n; i++) {
        const size_t row = (size_t)i * (size_t)classes;
        sum +=
            divergence_of_sample(teacher->logits + row, student->logits + row, classes);
    }
    return sum / student->n;
}
