/* test_ramp.c: numbers that change while training goes on: their course, and that a loss
 * whose numbers are inputs is the loss with these numbers. */
#include "distill/loss.h"

#include "engine/plan.h"

#include "check.h"

static void a_ramp_goes_its_way(void)
{
    lb_ramp r = {.on = true, .from = 2, .to = 10, .over = 4, .after = 1};

    CHECK_NEAR(lb_ramp_at(&r, 0), 2, 0);
    CHECK_NEAR(lb_ramp_at(&r, 1), 2, 0);
    CHECK_NEAR(lb_ramp_at(&r, 2), 4, 1e-15);
    CHECK_NEAR(lb_ramp_at(&r, 3.5), 7, 1e-15);
    CHECK_NEAR(lb_ramp_at(&r, 5), 10, 0);
    CHECK_NEAR(lb_ramp_at(&r, 1e9), 10, 0);
    r.shape = LB_RAMP_COSINE;
    CHECK_NEAR(lb_ramp_at(&r, 1), 2, 0);
    CHECK_NEAR(lb_ramp_at(&r, 2), 2 + 8 * 0.14644660940672624,
               1e-12); /* (1-sqrt(.5))/2 */
    CHECK_NEAR(lb_ramp_at(&r, 3), 6, 1e-12);
    CHECK_NEAR(lb_ramp_at(&r, 5), 10, 0);
    r.shape = LB_RAMP_STEP;
    CHECK_NEAR(lb_ramp_at(&r, 4.999), 2, 0);
    CHECK_NEAR(lb_ramp_at(&r, 5), 10, 0);
    r.over = 0;
    CHECK_NEAR(lb_ramp_at(&r, 0.999), 2, 0);
    CHECK_NEAR(lb_ramp_at(&r, 1), 10, 0);
}

static void a_term_counts_in_its_epochs(void)
{
    lb_term t = {.loss = lb_loss_find("kd"), .weight = 3, .knobs = {4}, .first = 2};

    CHECK(lb_term_number(&t, -1, 1.9) == 0 && lb_term_number(&t, -1, 2) == 3);
    CHECK(lb_term_number(&t, -1, 1e6) == 3);
    t.end = 5;
    CHECK(lb_term_number(&t, -1, 4.99) == 3 && lb_term_number(&t, -1, 5) == 0);
    CHECK(lb_term_number(&t, 0, 0) == 4); /* only the weight goes */
    t.weight_ramp = (lb_ramp){.on = true, .from = 0, .to = 1, .over = 10};
    CHECK_NEAR(lb_term_number(&t, -1, 3), 0.3, 1e-15);
    CHECK(lb_term_number(&t, -1, 6) == 0);
}

/* A loss over 3 samples and 4 classes with its gradient, in float64. */
typedef struct bench {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_value student, teacher, labels, loss, grad;
    lb_dials dials;
} bench;

enum { N = 3, C = 4 };

static void open_bench(bench *t, const lb_term *terms, int n)
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, C);
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    const lb_plan_options options = {.batch = N, .kernels = LB_KERNELS_REFERENCE};
    lb_value value[LB_MAX_TERMS];
    lb_error err = {0};
    lb_builder b;

    *t = (bench){0};
    CHECK_OK(lb_pool_new(1, &t->pool, &err), &err);
    CHECK_OK(lb_graph_new(&t->graph, &err), &err);
    lb_builder_init(&b, t->graph);
    t->student = lb_input(&b, "student", LB_F64, &rows);
    t->teacher = lb_input(&b, "teacher", LB_F64, &rows);
    t->labels = lb_input(&b, "labels", LB_I32, &per_sample);
    const lb_loss_in in = {.logits = {t->student, t->teacher},
                           .labels = t->labels,
                           .batch = N,
                           .dials = &t->dials};
    t->loss = lb_terms_build(&b, terms, n, &in, value);
    lb_autodiff(&b, &lb_op_verbs, t->loss, &t->student, 1, &t->grad);
    lb_output(&b, t->loss);
    lb_output(&b, t->grad);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_plan_compile(t->graph, t->pool, &options, &t->plan, &err), &err);
}

static void close_bench(bench *t)
{
    lb_plan_free(t->plan);
    lb_graph_free(t->graph);
    lb_pool_free(t->pool);
}

/* The loss, then the gradient, at that time. */
static void answer(bench *t, const lb_term *terms, double epoch, double out[1 + N * C])
{
    for (int i = 0; i < N; i++)
        for (int c = 0; c < C; c++) {
            ((double *)lb_plan_input(t->plan, t->student, i))[c] =
                1.5 * ((i + 2 * c) % 5);
            ((double *)lb_plan_input(t->plan, t->teacher, i))[c] =
                2.5 * ((3 * i + c) % 4);
        }
    for (int i = 0; i < N; i++)
        *(int32_t *)lb_plan_input(t->plan, t->labels, i) = i - 1;
    for (int i = 0; i < t->dials.n; i++) {
        const lb_dial *const d = &t->dials.dial[i];
        *(double *)lb_plan_input(t->plan, d->input, 0) =
            lb_term_number(&terms[d->term], d->knob, epoch);
    }
    lb_plan_run(t->plan);
    out[0] = *(const double *)lb_plan_output(t->plan, t->loss, 0);
    for (int i = 0; i < N; i++)
        memcpy(out + 1 + i * C, lb_plan_output(t->plan, t->grad, i), C * sizeof *out);
}

/* One graph for all epochs gives what a graph of constants gives for each. */
static void dials_are_the_numbers_they_show(void)
{
    const lb_loss *const kd = lb_loss_find("kd");
    const lb_term moving[] = {
        {.loss = kd,
         .weight_ramp = {.on = true, .from = 1, .to = 0, .over = 8},
         .knob_ramp =
             {{.on = true, .from = 8, .to = 2, .over = 4, .shape = LB_RAMP_COSINE}}},
        {.loss = kd, .weight = 0.25, .knobs = {1}, .first = 3}};
    double have[1 + N * C], want[1 + N * C];
    bench a;

    open_bench(&a, moving, 2);
    CHECK(a.dials.n == 3);
    for (int epoch = 0; epoch < 10; epoch++) {
        const lb_term still[] = {
            {.loss = kd,
             .weight = lb_term_number(&moving[0], -1, epoch),
             .knobs = {lb_term_number(&moving[0], 0, epoch)}},
            {.loss = kd, .weight = epoch < 3 ? 0 : 0.25, .knobs = {1}}};
        bench b;
        open_bench(&b, still, 2);
        CHECK(b.dials.n == 0);
        answer(&a, moving, epoch, have);
        answer(&b, still, epoch, want);
        for (int i = 0; i <= N * C; i++)
            CHECK_NEAR(have[i], want[i], 1e-13);
        CHECK(want[0] > 0.01);
        close_bench(&b);
    }
    close_bench(&a);
}

/* Every number of every loss over logits that may change. */
static void every_dial_is_its_number(void)
{
    double have[1 + N * C], want[1 + N * C];
    int n_dials = 0;

    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        for (int k = 0; lb_loss_knob(*loss, k); k++) {
            const lb_knob *const knob = lb_loss_knob(*loss, k);
            lb_term moving = lb_term_usual(*loss, 1), still = moving;
            bench a, b;
            if (!knob->ramps || ((*loss)->needs & LB_NEEDS_HINTS))
                continue;
            still.knobs[k] = knob->usual / 2;
            moving.knob_ramp[k] =
                (lb_ramp){.on = true, .from = knob->usual, .to = 0, .over = 2};
            open_bench(&a, &moving, 1);
            open_bench(&b, &still, 1);
            CHECK(a.dials.n == 1 && b.dials.n == 0);
            answer(&a, &moving, 1, have);
            answer(&b, &still, 1, want);
            for (int i = 0; i <= N * C; i++)
                CHECK_NEAR(have[i], want[i], 1e-13);
            CHECK(fabs(want[0]) > 1e-4);
            close_bench(&a);
            close_bench(&b);
            n_dials++;
        }
    CHECK(n_dials >= 7);
}

static void without_dials_nothing_may_change(void)
{
    const lb_term kd = {.loss = lb_loss_find("kd"), .weight = 1, .knobs = {4}, .end = 2};
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, C);
    lb_value value[1];
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    const lb_value z = lb_input(&b, "student", LB_F32, &rows);
    const lb_loss_in in = {.logits = {z, z}};
    lb_terms_build(&b, &kd, 1, &in, value);
    CHECK(lb_builder_finish(&b, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "loss 'kd' has a number that changes");
    lb_graph_free(graph);
}

int main(void)
{
    RUN(a_ramp_goes_its_way);
    RUN(a_term_counts_in_its_epochs);
    RUN(dials_are_the_numbers_they_show);
    RUN(every_dial_is_its_number);
    RUN(without_dials_nothing_may_change);
    return DONE();
}
