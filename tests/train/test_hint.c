/* test_hint.c: learning from layers: the teacher's are what its network computes, folded
 * or not; the adapters are trained and kept, the same bits on any number of threads and
 * after any interruption; float64 agrees; what no loss looks at is left alone. */
#include "train/train.h"

#include "engine/plan.h"
#include "models/model.h"

#include "classroom.h"
#include "stopper.h"

enum { MOST = 4096, STEPS = 12 };

typedef struct lesson {
    const char *student[3], *teacher[3]; /* layers; NULL: auto */
    int n;
    bool with_ce;
    int threads, precision, epochs;
    const char *folder;
    int stop; /* step; 0: never */
    bool resume;
    double first_loss, last_loss;   /* out */
    float mean, conv2, dense, conv; /* out: one weight of each layer */
    int n_values;                   /* out: of the student's graph, beyond before */
    double train_accuracy;          /* out */
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

static lb_graph *make_teacher(const classroom *c)
{
    const lb_model_options options = {.input = c->data->content.shape,
                                      .classes = ROOM_CLASSES,
                                      .width = 0.25,
                                      .depth = 1};
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(lb_model_build(lb_model_find("ds-cnn"), &options, 7, &graph, &err), &err);
    /* norms that fold to something */
    for (int i = 1; i < graph->n_values; i++) {
        const lb_value_info *const v = &graph->values[i];
        if (v->kind == LB_VALUE_PARAM && v->tensor->shape.rank == 1)
            for (size_t k = 0; k < v->tensor->n; k++)
                lb_tensor_put(v->tensor, k,
                              lb_tensor_get(v->tensor, k) + 0.05 * (double)(k % 5));
    }
    return graph;
}

static float weight(const classroom *c, const char *name)
{
    const lb_value v = lb_graph_find(c->student, name);

    CHECK(v.id != 0);
    return v.id ? (float)lb_tensor_get(lb_info(c->student, v)->tensor, 0) : 0;
}

static void remember(lesson *l, const classroom *c)
{
    l->mean = weight(c, "norm/mean");
    l->conv = weight(c, "conv/weight");
    l->conv2 = weight(c, "conv2/weight");
    l->dense = weight(c, "dense/weight");
}

static void find_taps(const classroom *c, const lb_graph *teacher, lb_term *terms, int n)
{
    lb_findings findings;

    lb_findings_init(&findings, c->arena);
    lb_taps_find(terms, n, c->student, &(lb_tapped){teacher, NULL}, 1, &findings);
    for (int i = 0; i < findings.n; i++)
        printf("# %s\n", findings.item[i].text);
    CHECK(findings.n == 0);
}

/* Trains as the lesson says; the weights into out. */
static lb_code learn(lesson *l, float *out)
{
    classroom c;
    counter count = {.stop.at = l->stop};
    const lb_teacher_options options = {.input = {.pixels = LB_PIXELS_UNIT}};
    lb_value taps[8];
    lb_train_result r = {0};
    lb_error err = {0};

    classroom_open(&c, l->threads ? l->threads : 2);
    lb_graph *const teacher = make_teacher(&c);
    lb_term terms[2] = {{.loss = lb_loss_find("hint"),
                         .weight = 1,
                         .taps = {.student = l->student,
                                  .teacher = l->teacher,
                                  .n_student = l->n,
                                  .n_teacher = l->n}},
                        {.loss = lb_loss_find("ce"), .weight = 0.5}};
    const int n_values = c.student->n_values;
    c.setup.terms = terms;
    c.setup.n_terms = l->with_ce ? 2 : 1;
    find_taps(&c, teacher, terms, c.setup.n_terms);
    c.options.precision = l->precision;
    c.options.epochs = l->epochs ? l->epochs : 3;
    const lb_voice voice = {teacher, options.input};
    c.setup.voices = &voice;
    const lb_teacher_setup t = {
        .options = &options,
        .graph = teacher,
        .taps = taps,
        .n_taps = lb_taps_of_teacher(terms, c.setup.n_terms, 0, taps, 8),
        .taps_only = true,
        .data = c.data,
        .pool = c.pool,
        .batch = c.options.batch};
    if (l->precision == LB_PRECISION_FLOAT32)
        CHECK_OK(lb_teacher_open(&t, c.arena, &c.setup.teacher, &err), &err);
    c.setup.folder = l->folder;
    c.setup.resume = l->resume;
    c.setup.watch = (lb_watch){.arg = &count, .step = count_step, .stop = stopper_stops};
    const lb_code code = lb_train_run(&c.setup, c.arena, &r, &err);
    if (code != LB_OK && code != LB_ERR_STOPPED)
        printf("# %s\n", err.text);
    if (code == LB_OK) {
        CHECK(l->resume || count.takes == 0);
        CHECK(classroom_weights(&c, out, MOST) > 500);
        l->first_loss = r.epoch[0].term[0];
        l->last_loss = r.epoch[r.epochs_done - 1].term[0];
        l->train_accuracy = r.epoch[0].train_accuracy;
        l->n_values = c.student->n_values - n_values;
        remember(l, &c);
    }
    lb_teacher_close(c.setup.teacher);
    lb_graph_free(teacher);
    classroom_close(&c);
    return code;
}

static const lesson two_layers = {
    .student = {"relu", "relu2"}, .teacher = {"stem", "block1"}, .n = 2, .with_ce = true};

static void hints_are_learnt(void)
{
    static float out[MOST];
    lesson l = two_layers, automatic = {.with_ce = true};

    l.epochs = automatic.epochs = 25;
    CHECK(learn(&l, out) == LB_OK);
    CHECK(l.last_loss < 0.5 * l.first_loss);
    CHECK(l.n_values == 0); /* nothing was added to the student */
    CHECK(l.train_accuracy > 0);
    CHECK(learn(&automatic, out) == LB_OK); /* 4x4 alone */
    CHECK(automatic.last_loss < 0.5 * automatic.first_loss);
}

static void threads_do_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    lesson l = two_layers;

    l.threads = 1;
    CHECK(learn(&l, want) == LB_OK);
    for (l.threads = 2; l.threads < 6; l.threads += 3) {
        CHECK(learn(&l, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
    }
}

static void an_interruption_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    for (int precision = 0; precision < 2; precision++) {
        lesson l = two_layers;
        l.folder = folder;
        l.precision = precision;
        memset(want, 0, sizeof want);
        CHECK(learn(&l, want) == LB_OK);
        for (int cut = 1; cut < STEPS; cut += 2) {
            forget(folder);
            memset(have, 0, sizeof have);
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

/* Wherever the taps are, before or behind norms and activations, the rewriters of the
 * training graph and of the teacher leave them what they are. */
static void float64_agrees_at_every_layer(void)
{
    static float fast[MOST], exact[MOST];
    static const char *const student[] = {"conv", "norm", "relu", "conv2"};
    static const char *const teacher[] = {"stem/conv", "stem/norm", "block1/dw_norm",
                                          "block1"};

    for (size_t i = 0; i < 4; i++) {
        lesson l = {.student = {student[i]},
                    .teacher = {teacher[i]},
                    .n = 1,
                    .with_ce = true,
                    .epochs = 1};
        memset(fast, 0, sizeof fast);
        memset(exact, 0, sizeof exact);
        CHECK(learn(&l, fast) == LB_OK);
        const double loss = l.last_loss;
        l.precision = LB_PRECISION_FLOAT64;
        CHECK(learn(&l, exact) == LB_OK);
        CHECK_NEAR(loss, l.last_loss, 1e-5 * l.last_loss);
        for (int k = 0; k < MOST; k++)
            if (fabsf(fast[k] - exact[k]) > 1e-4f)
                CHECK(fast[k] == exact[k]);
    }
}

/* Without a loss that looks at the answers, the student ends at its last tap. */
static void what_no_loss_looks_at_is_left_alone(void)
{
    static float out[MOST];
    classroom c;
    lesson before = {0}, l = {.student = {"relu"}, .teacher = {"stem"}, .n = 1};

    classroom_open(&c, 1);
    remember(&before, &c);
    classroom_close(&c);
    for (int precision = 0; precision < 2; precision++) {
        l.precision = precision;
        l.student[0] = "relu";
        CHECK(learn(&l, out) == LB_OK);
        CHECK(isnan(l.train_accuracy));
        CHECK(l.conv != before.conv && l.mean != before.mean);
        CHECK(l.conv2 == before.conv2 && l.dense == before.dense);
        l.student[0] = "conv"; /* the norm behind it tracks nothing */
        CHECK(learn(&l, out) == LB_OK);
        CHECK(l.conv != before.conv && l.mean == before.mean);
        CHECK(l.conv2 == before.conv2 && l.dense == before.dense);
    }
}

/* The network as it stands, on reference kernels. */
static void check_layer(const classroom *c, const lb_graph *teacher, lb_value tap,
                        const lb_teacher *live, int k, const float *pixels)
{
    const lb_plan_options options = {
        .batch = 16, .kernels = LB_KERNELS_REFERENCE, .keep_all = true};
    const size_t n_pixels = ROOM_SIDE * ROOM_SIDE;
    lb_plan *plan = NULL;
    lb_tensor *want = NULL;
    lb_error err = {0};

    CHECK_OK(lb_plan_compile(teacher, c->pool, &options, &plan, &err), &err);
    for (size_t i = 0; i < 16; i++) {
        float *const to = lb_plan_input(plan, teacher->inputs[0], (int)i);
        for (size_t p = 0; p < n_pixels; p++)
            to[p] = pixels[i * n_pixels + p] / 255;
    }
    lb_plan_run(plan);
    CHECK_OK(lb_plan_read(plan, tap, c->arena, &want, &err), &err);
    for (size_t i = 0; want && i < want->n; i++) {
        const size_t each = want->n / 16;
        CHECK_NEAR(lb_teacher_tap(live, 0, k, (int)(i / each))[i % each],
                   lb_tensor_get(want, i), 1e-5);
    }
    lb_plan_free(plan);
}

static void the_teachers_layers_are_its_own(void)
{
    static const char *const names[] = {"stem/conv",      "stem/norm", "stem",
                                        "block1/dw_norm", "block1",    "logits"};
    static float pixels[16 * ROOM_SIDE * ROOM_SIDE], logits[2][16 * ROOM_CLASSES];
    const lb_teacher_options options = {
        .input = {.pixels = LB_PIXELS_UNIT}, .views = 2, .store = LB_CACHE_FP32};
    int32_t which[16] = {0};
    classroom c;
    lb_value taps[6];
    lb_error err = {0};

    classroom_open(&c, 2);
    lb_graph *const graph = make_teacher(&c);
    for (int i = 0; i < 6; i++)
        taps[i] = lb_graph_find(graph, names[i]);
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++)
        pixels[i] = (float)(i % 37);
    const lb_batch batch = {.n = 16, .pixels = pixels, .sample = which, .view = which};
    for (int with = 0; with < 2; with++) {
        const lb_teacher_setup setup = {.options = &options,
                                        .graph = graph,
                                        .taps = taps,
                                        .n_taps = with ? 6 : 0,
                                        .data = c.data,
                                        .pool = c.pool,
                                        .batch = 16};
        lb_teacher *t = NULL;
        CHECK_OK(lb_teacher_open(&setup, c.arena, &t, &err), &err);
        lb_teacher_logits(t, &batch, logits[with]);
        for (int k = 0; k < 6 && with; k++)
            check_layer(&c, graph, taps[k], t, k, pixels);
        lb_teacher_close(t);
    }
    for (int i = 0; i < 16 * ROOM_CLASSES; i++)
        CHECK_NEAR(logits[0][i], logits[1][i], 1e-5);
    lb_graph_free(graph);
    classroom_close(&c);
}

/* Every failure reaches the caller with words; in float64, so that the oracle fails, too.
 */
static void memory_may_run_out(void)
{
    classroom c;
    lb_error err = {0};
    lb_code code = LB_ERR_MEMORY;
    lb_train_result r;
    long n = 0;

    classroom_open(&c, 1);
    lb_graph *const teacher = make_teacher(&c);
    lb_term term = {.loss = lb_loss_find("hint"),
                    .weight = 1,
                    .taps = {.student = two_layers.student,
                             .teacher = two_layers.teacher,
                             .n_student = 2,
                             .n_teacher = 2}};
    find_taps(&c, teacher, &term, 1);
    c.setup.terms = &term;
    const lb_voice voice = {.graph = teacher};
    c.setup.voices = &voice;
    c.options.precision = LB_PRECISION_FLOAT64;
    c.options.epochs = 1;
    for (; n < 20000 && code == LB_ERR_MEMORY; n += 1 + n / 16) {
        lb_arena_fail_after(n);
        code = lb_train_run(&c.setup, c.arena, &r, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
    }
    CHECK(n > 100);
    CHECK_OK(code, &err);
    lb_graph_free(teacher);
    classroom_close(&c);
}

int main(void)
{
    RUN(the_teachers_layers_are_its_own);
    RUN(hints_are_learnt);
    RUN(threads_do_not_change_a_bit);
    RUN(an_interruption_does_not_change_a_bit);
    RUN(float64_agrees_at_every_layer);
    RUN(what_no_loss_looks_at_is_left_alone);
    RUN(memory_may_run_out);
    return DONE();
}
