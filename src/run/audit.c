/* audit.c: what can be told of a teacher before anything is learnt from it: what it is
 * given, what its logits are, how much it knows; and why it seems to know nothing.
 *
 * It is measured on the validation samples, or without those on the test samples. One
 * that knows no more than guessing, whose classes stand in another order than the data's,
 * or whose answers are no logits, would only mislead: the run stops. */
#include "run/run_int.h"

#include "base/file.h"
#include "run/relabel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LIST_TEXT = 160 }; /* a longer list of classes goes to a file */

/* One teacher under audit. */
typedef struct inquiry {
    const lb_run *run;
    int k;
    lb_arena *arena; /* gone afterwards */
    lb_metrics m;
    lb_relabelling order; /* answer NULL: not looked for */
    lb_input_trial trial; /* n 0: none was tried */
    lb_audit *found;
} inquiry;

static const char *path_of(const inquiry *q)
{
    return q->run->recipe->teacher[q->k].onnx;
}

static lb_code measure(inquiry *q, lb_error *err)
{
    const lb_run *const run = q->run;
    const lb_teacher_options *const teacher = &run->recipe->teacher[q->k];

    for (int split = LB_VALIDATION; split <= LB_TEST; split++) {
        LB_TRY(lb_evaluate(run->member[q->k].graph, &teacher->input, run->data,
                           (lb_split)split, run->pool, run->options->kernels, NULL,
                           q->arena, &q->m, err));
        q->found->split = (lb_split)split;
        if (q->m.n > 0 && !isnan(q->m.accuracy))
            break;
    }
    for (int i = 0; i < q->m.n; i++)
        q->found->n += lb_data_label(run->data, q->found->split, i) >= 0;
    q->found->accuracy = q->m.accuracy;
    return LB_OK;
}

static void count_answers(inquiry *q)
{
    const lb_metrics *const m = &q->m;
    int *const n = LB_TAKE_ARRAY(q->arena, m->classes + 1, int);
    lb_audit *const a = q->found;

    for (int i = 0; n && i < m->n; i++)
        n[m->answer[i]]++;
    for (int c = 0; n && m->n > 0 && c < m->classes; c++)
        if (c == 0 || n[c] > n[a->commonest])
            a->commonest = c;
    a->commonest_share = n && m->n > 0 ? (double)n[a->commonest] / m->n : NAN;
}

/* Whether every row sums to one: as it stands, or of what it is the logarithm of. */
static bool rows_sum_to_one(const lb_metrics *m, bool logarithms)
{
    for (int i = 0; i < m->n; i++) {
        double sum = 0;
        for (int c = 0; c < m->classes; c++) {
            const double x =
                (double)m->logits[(size_t)i * (size_t)m->classes + (size_t)c];
            if (!(logarithms ? x <= 1e-6 : x >= 0))
                return false;
            sum += logarithms ? exp(x) : x;
        }
        if (!(fabs(sum - 1) < 1e-3))
            return false;
    }
    return m->n > 1;
}

static void tell_logits(inquiry *q)
{
    lb_audit *const a = q->found;

    if (q->run->member[q->k].had_softmax)
        a->logits = LB_LOGITS_STRIPPED;
    else if (rows_sum_to_one(&q->m, false))
        a->logits = LB_LOGITS_PROBABILITIES;
    else if (rows_sum_to_one(&q->m, true))
        a->logits = LB_LOGITS_LOGARITHMS;
    else
        a->logits = LB_LOGITS_PLAIN;
}

/* Three standard deviations of guessing, and a twentieth of the way to perfect. */
static bool knows_nothing(const lb_audit *a)
{
    const double luck = 3 * sqrt(a->chance * (1 - a->chance) / a->n);

    return a->accuracy <= a->chance + fmax(luck, 0.05 * (1 - a->chance));
}

/* Whether the commonest answer to some label is another class. */
static bool some_class_strays(const lb_metrics *m)
{
    for (int i = 0; i < m->classes; i++) {
        const int *const row = m->confusion + (size_t)i * (size_t)m->classes;
        for (int c = 0; c < m->classes; c++)
            if (row[c] > row[i])
                return true;
    }
    return false;
}

static lb_code look_for_order(inquiry *q, lb_error *err)
{
    int32_t *const label = LB_TAKE_ARRAY(q->arena, q->m.n + 1, int32_t);

    if (!label)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for labels");
    for (int i = 0; i < q->m.n; i++)
        label[i] = lb_data_label(q->run->data, q->found->split, i);
    return lb_relabel(label, q->m.answer, q->m.n, q->m.classes, q->arena, &q->order, err);
}

/* What the recipe's `classes` would have to be. */
static const char *classes_text(const inquiry *q)
{
    const int *const was = q->run->member[q->k].map;
    lb_text t;

    lb_text_init(&t, q->run->arena);
    lb_text_add(&t, "classes: [");
    for (int c = 0; c < q->m.classes; c++) {
        const int output = q->order.answer[c];
        lb_text_add(&t, "%s%d", c > 0 ? ", " : "", was ? was[output] : output);
    }
    lb_text_add_char(&t, ']');
    return t.failed ? NULL : t.chars;
}

static lb_code refuse_order(const inquiry *q, lb_error *err)
{
    const lb_audit *const a = q->found;
    const char *list = classes_text(q);
    char guess[64] = "";

    if (!list)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the order of classes");
    if (strlen(list) > LIST_TEXT) {
        const char *const path = lb_run_path(q->run, "teacher-classes.yaml");
        if (!path)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's path");
        LB_TRY(lb_write_file(path, list, strlen(list), err));
        list = lb_arena_text(q->run->arena, "what '%s' says", path);
    }
    if (knows_nothing(a))
        snprintf(guess, sizeof guess, ", where guessing gets %.1f %%", 100 * a->chance);
    return lb_raise(
        err, LB_ERR_INPUT,
        "teacher '%s' gets %.1f %% of the samples right%s; it gets %.1f %% if "
        "%d of its classes stand in another order than the data's; to put "
        "them right, give it %s",
        path_of(q), 100 * a->accuracy, guess, 100 * q->order.accuracy, q->order.n_moved,
        list ? list : "another order");
}

static lb_code refuse_input(const inquiry *q, lb_error *err)
{
    const lb_audit *const a = q->found;

    return lb_raise(err, LB_ERR_INPUT,
                    "teacher '%s' gets %.1f %% of the samples right, where guessing gets "
                    "%.1f %%; it is given '%s', but with '%s' it gets %.1f %% of %d",
                    path_of(q), 100 * a->accuracy, 100 * a->chance, a->input,
                    q->trial.text, 100 * q->trial.accuracy, q->trial.n);
}

static lb_code refuse_ignorance(const inquiry *q, lb_error *err)
{
    const lb_audit *const a = q->found;
    const char *const *const names = q->run->data->content.class_names;
    const char *const number = lb_arena_text(q->arena, "%d", a->commonest);
    const char *const name = names ? names[a->commonest] : number;

    if (a->commonest_share > 0.9)
        return lb_raise(err, LB_ERR_INPUT,
                        "teacher '%s' gets %.1f %% of the samples right, where guessing "
                        "gets %.1f %%: it answers class '%.60s' to %.1f %% of them, "
                        "whatever they show; it is given '%s'",
                        path_of(q), 100 * a->accuracy, 100 * a->chance, name ? name : "",
                        100 * a->commonest_share, a->input);
    return lb_raise(err, LB_ERR_INPUT,
                    "teacher '%s' gets %.1f %% of the samples right, where guessing gets "
                    "%.1f %%; do its pixels, mean and std fit it, and the order of its "
                    "classes? it is given '%s'",
                    path_of(q), 100 * a->accuracy, 100 * a->chance, a->input);
}

static lb_code judge(const inquiry *q, lb_error *err)
{
    const lb_audit *const a = q->found;
    const bool ordered = q->order.answer && q->order.certain;
    const bool better = q->trial.n > 0 && q->trial.helps;

    if (knows_nothing(a)) {
        if (better && !(ordered && q->order.accuracy > q->trial.accuracy))
            return refuse_input(q, err);
        return ordered ? refuse_order(q, err) : refuse_ignorance(q, err);
    }
    if (ordered)
        return refuse_order(q, err);
    if (better)
        lb_log_tell(&q->run->options->log, LB_LOG_WARN,
                    "teacher '%s': with '%s' it gets %.1f %% of %d samples right, with "
                    "what it is given %.1f %%",
                    path_of(q), q->trial.text, 100 * q->trial.accuracy, q->trial.n,
                    100 * q->trial.now);
    return LB_OK;
}

static void tell(const inquiry *q)
{
    const lb_audit *const a = q->found;
    const lb_log *const log = &q->run->options->log;

    lb_log_tell(log, LB_LOG_INFO, "teacher '%s' is given %s; %s", path_of(q), a->input,
                lb_logits_text(a->logits));
    if (a->n == 0)
        lb_log_tell(log, LB_LOG_WARN,
                    "teacher '%s' could not be measured: none of the samples to validate "
                    "or to test has a label",
                    path_of(q));
    else
        lb_log_tell(log, LB_LOG_INFO,
                    "teacher '%s' agrees with %.2f %% of the labels of %d %s samples",
                    path_of(q), 100 * a->accuracy, a->n,
                    a->split == LB_VALIDATION ? "validation" : "test");
}

static lb_code inquire(inquiry *q, lb_error *err)
{
    lb_audit *const a = q->found;

    LB_TRY(measure(q, err));
    count_answers(q);
    tell_logits(q);
    tell(q);
    if (a->logits == LB_LOGITS_PROBABILITIES)
        return lb_raise(err, LB_ERR_INPUT,
                        "teacher '%s' answers in probabilities: every row sums to 1, and "
                        "no closing Softmax was found to take off; losses need its "
                        "logits",
                        path_of(q));
    if (a->n == 0)
        return LB_OK;
    if (some_class_strays(&q->m))
        LB_TRY(look_for_order(q, err));
    if (a->accuracy < (1 + a->chance) / 2)
        LB_TRY(lb_run_try_inputs(q->run, q->k, a->split, q->arena, &q->trial, err));
    return judge(q, err);
}

static lb_code audit_member(lb_run *run, int k, lb_error *err)
{
    lb_run_member *const m = &run->member[k];
    inquiry q = {.run = run, .k = k, .arena = lb_arena_new(0), .found = &m->audit};

    m->audit = (lb_audit){
        .chance = 1.0 / run->data->content.n_classes,
        .input = lb_run_input_text(run->arena, &run->recipe->teacher[k].input)};
    if (!q.arena || !m->audit.input) {
        lb_arena_free(q.arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory for testing the teacher");
    }
    const lb_code code = inquire(&q, err);
    lb_arena_free(q.arena);
    m->audited = code == LB_OK;
    return code;
}

lb_code lb_run_audit(lb_run *run, lb_error *err)
{
    if (run->n_members == 0)
        return LB_OK;
    lb_run_phase(run, "testing the teacher");
    for (int k = 0; k < run->n_members; k++)
        LB_TRY(audit_member(run, k, err));
    return LB_OK;
}

const char *lb_logits_text(lb_logits_kind kind)
{
    switch (kind) {
    case LB_LOGITS_PLAIN:
        return "its output is taken for logits";
    case LB_LOGITS_STRIPPED:
        return "its logits are what its closing Softmax is given";
    case LB_LOGITS_LOGARITHMS:
        return "its output is log-probabilities, which teach as logits do";
    case LB_LOGITS_PROBABILITIES:
        break;
    }
    return "its output is probabilities";
}

static void add_numbers(lb_json *j, const char *key, const lb_numbers *numbers)
{
    lb_json_open(j, key, '[');
    for (int i = 0; i < numbers->n; i++)
        lb_json_number(j, NULL, numbers->value[i]);
    lb_json_close(j, ']');
}

static void add_input(lb_json *j, const lb_input_options *input)
{
    lb_json_open(j, "preprocessing", '{');
    lb_json_text(j, "pixels", input->pixels == LB_PIXELS_UNIT ? "unit" : "raw");
    add_numbers(j, "mean", &input->mean);
    add_numbers(j, "std", &input->std);
    lb_json_text(j, "layout",
                 input->layout == LB_CHANNELS_LAST ? "channels-last" : "channels-first");
    lb_json_close(j, '}');
}

void lb_run_add_audit(lb_json *j, const lb_run *run, int k)
{
    static const char *const kinds[] = {"output", "softmax input", "log-probabilities",
                                        "probabilities"};
    const lb_run_member *const m = &run->member[k];
    const lb_audit *const a = &m->audit;

    add_input(j, &run->recipe->teacher[k].input);
    if (!m->audited) {
        lb_json_null(j, "audit");
        return;
    }
    lb_json_open(j, "audit", '{');
    lb_json_text(j, "logits", kinds[a->logits]);
    lb_json_text(j, "split", a->split == LB_VALIDATION ? "validation" : "test");
    lb_json_int(j, "samples", a->n);
    lb_json_number(j, "accuracy", a->n > 0 ? a->accuracy : NAN);
    lb_json_number(j, "chance", a->chance);
    lb_json_number(j, "commonest_answer_share", a->commonest_share);
    lb_json_close(j, '}');
}
