/* test_hint_two.c: learning from the layers of two teachers: each counts by its share and
 * has adapters of its own; whom nobody asks stays shut; the same bits on any number of
 * threads and after any interruption; float64 agrees. */
#include "train/train.h"

#include "models/model.h"

#include "classroom.h"
#include "stopper.h"

enum { MOST = 4096, STEPS = 12 };

typedef struct lesson {
    bool alike; /* teachers like the student: no adapter is needed */
    const char *loss;
    int of;              /* -1: both */
    bool with_kd, still; /* still: a rate of 0 */
    int threads, precision, epochs;
    const char *folder;
    int stop; /* step; 0: never */
    bool resume;
    double first, last; /* out: the term over layers, of the first and the last epoch */
} lesson;

typedef struct counter {
    stopper stop; /* first: the shared callbacks see it alone */
    long takes;   /* of memory, in the third step */
} counter;

static void count_step(void *arg, const lb_step_report *report)
{
    counter *const c = arg;

    stopper_counts(&c->stop, report);
    if (report->step == 2 || report->step == 3)
        c->takes = lb_arena_takes() - c->takes;
}

/* Number k of the two. */
static lb_graph *make_teacher(const classroom *c, bool alike, int k)
{
    const lb_model_options options = {.input = c->data->content.shape,
                                      .classes = ROOM_CLASSES,
                                      .width = k == 0 ? 0.25 : 0.5,
                                      .depth = 1};
    lb_graph *graph = NULL;
    lb_error err = {0};

    if (!alike) {
        CHECK_OK(lb_model_build(lb_model_find("ds-cnn"), &options, 7, &graph, &err),
                 &err);
        return graph;
    }
    graph = classroom_student();
    for (int i = 1; i < graph->n_values; i++) {
        const lb_value_info *const v = &graph->values[i];
        for (size_t e = 0; v->kind == LB_VALUE_PARAM && e < v->tensor->n; e++)
            lb_tensor_put(v->tensor, e,
                          lb_tensor_get(v->tensor, e) * (k == 0 ? 1.5 : 0.7));
    }
    return graph;
}

static const char *const student_layers[] = {"relu", "relu2"};
static const char *const other_layers[] = {"stem", "block1"};

static void open_teacher(classroom *c, const lesson *l, const lb_teacher_options *options,
                         lb_graph *const graph[2])
{
    lb_teacher *member[2] = {NULL, NULL};
    static lb_value taps[2][4];
    lb_error err = {0};

    for (int k = 0; k < 2; k++) {
        const int n = lb_taps_of_teacher(c->setup.terms, c->setup.n_terms, k, taps[k], 4);
        const lb_teacher_setup setup = {.options = options,
                                        .graph = graph[k],
                                        .taps = taps[k],
                                        .n_taps = n,
                                        .taps_only = !l->with_kd,
                                        .data = c->data,
                                        .pool = c->pool,
                                        .batch = c->options.batch};
        CHECK(n == (l->of < 0 || l->of == k ? 2 : 0));
        if (n > 0 || l->with_kd)
            CHECK_OK(lb_teacher_open(&setup, c->arena, &member[k], &err), &err);
    }
    CHECK_OK(lb_teacher_join(member, 2, c->arena, &c->setup.teacher, &err), &err);
}

/* Trains as the lesson says; the weights into out. */
static lb_code learn(lesson *l, float *out)
{
    static const lb_ensemble ensemble = {.n = 2, .weight = {0.25, 0.75}};
    const lb_teacher_options options = {.input = {.pixels = LB_PIXELS_UNIT}};
    counter count = {.stop.at = l->stop};
    lb_train_result r = {0};
    lb_findings findings;
    lb_error err = {0};
    classroom c;

    classroom_open(&c, l->threads ? l->threads : 2);
    lb_graph *const graph[] = {make_teacher(&c, l->alike, 0),
                               make_teacher(&c, l->alike, 1)};
    const lb_tapped tapped[] = {{graph[0], "teacher 0"}, {graph[1], "teacher 1"}};
    const lb_voice voices[] = {{graph[0], options.input}, {graph[1], options.input}};
    lb_term terms[] = {lb_term_usual(lb_loss_find(l->loss), 1),
                       lb_term_usual(lb_loss_find(l->with_kd ? "kd" : "ce"), 0.1)};
    terms[0].taps = (lb_taps){.student = student_layers,
                              .teacher = l->alike ? student_layers : other_layers,
                              .n_student = 2,
                              .n_teacher = 2,
                              .of_one = l->of >= 0,
                              .of = l->of};
    c.setup.terms = terms;
    c.setup.n_terms = 2;
    c.setup.ensemble = &ensemble;
    c.setup.voices = voices;
    lb_findings_init(&findings, c.arena);
    lb_taps_find(terms, 2, c.student, tapped, 2, &findings);
    CHECK(findings.n == 0);
    c.options.precision = l->precision;
    c.options.epochs = l->epochs ? l->epochs : 3;
    if (l->still)
        c.options.sgd.lr = 0;
    if (l->precision == LB_PRECISION_FLOAT32)
        open_teacher(&c, l, &options, graph);
    c.setup.folder = l->folder;
    c.setup.resume = l->resume;
    c.setup.watch = (lb_watch){.arg = &count, .step = count_step, .stop = stopper_stops};
    const lb_code code = lb_train_run(&c.setup, c.arena, &r, &err);
    if (code != LB_OK && code != LB_ERR_STOPPED)
        printf("# %s\n", err.text);
    if (code == LB_OK) {
        CHECK(l->resume || count.takes == 0);
        CHECK(classroom_weights(&c, out, MOST) > 500);
        l->first = r.epoch[0].term[0];
        l->last = r.epoch[r.epochs_done - 1].term[0];
    }
    lb_teacher_close(c.setup.teacher);
    lb_graph_free(graph[0]);
    lb_graph_free(graph[1]);
    classroom_close(&c);
    return code;
}

/* Where nothing is learnt, what is told of both is what is told of each. */
static void each_counts_by_its_share(void)
{
    static float out[MOST];
    lesson l = {.alike = true, .loss = "hint", .epochs = 1, .still = true};
    double alone[2];

    for (l.of = 0; l.of < 2; l.of++) {
        CHECK(learn(&l, out) == LB_OK);
        alone[l.of] = l.first;
    }
    l.of = -1;
    CHECK(learn(&l, out) == LB_OK);
    CHECK(fabs(alone[0] - alone[1]) > 0.1 * alone[0]);
    CHECK_NEAR(l.first, 0.25 * alone[0] + 0.75 * alone[1], 1e-6);
}

static void both_are_learnt(void)
{
    static float out[MOST];
    static const char *const losses[] = {"hint", "at", "sp"};

    for (size_t i = 0; i < 3; i++) {
        lesson l = {.loss = losses[i], .of = -1, .epochs = 25};
        CHECK(learn(&l, out) == LB_OK);
        printf("# %s: %g to %g\n", l.loss, l.first, l.last);
        CHECK(l.last < 0.7 * l.first);
    }
}

static void threads_do_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];

    for (int kd = 0; kd < 2; kd++) {
        lesson l = {.loss = "hint", .of = -1, .with_kd = kd, .threads = 1};
        CHECK(learn(&l, want) == LB_OK);
        for (l.threads = 2; l.threads < 6; l.threads += 3) {
            CHECK(learn(&l, have) == LB_OK);
            CHECK(memcmp(want, have, sizeof want) == 0);
        }
    }
}

static void an_interruption_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    for (int precision = 0; precision < 2; precision++) {
        lesson l = {.loss = "hint", .of = -1, .precision = precision, .folder = folder};
        CHECK(learn(&l, want) == LB_OK);
        for (int cut = 1; cut < STEPS; cut += 4) {
            forget(folder);
            l.stop = cut;
            l.resume = false;
            CHECK(learn(&l, have) == LB_ERR_STOPPED);
            l.stop = 0;
            l.resume = true;
            CHECK(learn(&l, have) == LB_OK);
            CHECK(memcmp(want, have, sizeof want) == 0);
        }
        forget(folder);
    }
    rmdir(folder);
}

static void float64_agrees(void)
{
    static float fast[MOST], exact[MOST];

    for (int of = -1; of < 2; of++)
        for (int kd = 0; kd < 2; kd++) {
            lesson l = {.loss = "hint", .of = of, .with_kd = kd, .epochs = 1};
            CHECK(learn(&l, fast) == LB_OK);
            const double loss = l.last;
            l.precision = LB_PRECISION_FLOAT64;
            CHECK(learn(&l, exact) == LB_OK);
            CHECK_NEAR(loss, l.last, 1e-5 * l.last);
            for (int k = 0; k < MOST; k++)
                if (fabsf(fast[k] - exact[k]) > 1e-4f)
                    CHECK(fast[k] == exact[k]);
        }
}

int main(void)
{
    RUN(each_counts_by_its_share);
    RUN(both_are_learnt);
    RUN(threads_do_not_change_a_bit);
    RUN(an_interruption_does_not_change_a_bit);
    RUN(float64_agrees);
    return DONE();
}
