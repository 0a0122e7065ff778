/* test_probe.c: the share that each loss has in the student's gradient: against what a
 * plain step of one loss alone changes, and that looking changes nothing. */
#include "train/train_int.h"

#include "classroom.h"
#include "graph/passes.h"
#include "mixed_loss.h"
#include "stopper.h"

#include <math.h>

enum { MOST = 4096, STEPS = 12, EPOCHS = 3 };

/* What a lesson sees: noise and labels, another batch for every number. */
static void feed(const lb_lesson *lesson, int number, int32_t *labels)
{
    lb_rng rng = lb_rng_make(21, LB_RNG_TEST, (uint64_t)number, 0);

    for (int i = 0; i < lesson->batch; i++) {
        double *const x = lb_plan_input(lesson->plan, lesson->input, i);
        labels[i] = (int32_t)lb_rng_below(&rng, ROOM_CLASSES);
        for (int k = 0; k < ROOM_SIDE * ROOM_SIDE; k++)
            x[k] = lb_rng_normal(&rng);
    }
}

static size_t store(const lb_lesson *lesson, double *out)
{
    size_t n = 0;

    for (int i = 0; i < lesson->n_params; i++) {
        const lb_tensor *const t = lesson->param[i];
        if (n + t->n > MOST)
            return 0;
        memcpy(out + n, t->data, t->n * sizeof *out);
        n += t->n;
    }
    return n;
}

/* The length of the student's trained parameters' way from `from` to where they are. */
static double way(const lb_lesson *lesson, const lb_graph *student, const double *from)
{
    double sum = 0;
    size_t at = 0;
    int n = 0;

    for (int i = 1; i < student->n_values; i++) {
        const lb_value_info *const v = &student->values[i];
        if (v->kind != LB_VALUE_PARAM)
            continue;
        const lb_tensor *const t = lesson->param[n++];
        for (size_t k = 0; v->trained && k < t->n; k++) {
            const double gap = ((const double *)t->data)[k] - from[at + k];
            sum += gap * gap;
        }
        at += t->n;
    }
    return sqrt(sum);
}

/* Steps of plain gradient descent by a loss with a layer of its own, in float64; the
 * second term weighs nothing. The way of each step over the rate is the length of the
 * gradient. */
static void lengths_are_those_of_the_steps(void)
{
    static double before[MOST], after[MOST];
    const bool both[] = {true, true}, first[] = {true, false};
    const double rate = 0.05;
    lb_graph *student = NULL;
    lb_lesson lesson = {0};
    lb_probe probe = {0};
    lb_error err = {0};
    classroom c;

    classroom_open(&c, 2);
    lb_term terms[] = {lb_term_usual(&mixed, 1), lb_term_usual(lb_loss_find("ce"), 0)};
    c.options.precision = LB_PRECISION_FLOAT64;
    c.options.sgd = (lb_sgd_options){.lr = rate};
    c.setup.terms = terms;
    c.setup.n_terms = 2;
    CHECK_OK(lb_graph_with_precision(c.student, LB_F64, &student, &err), &err);
    CHECK_OK(lb_lesson_open(&c.setup, student, ROOM_CLASSES, c.arena, &lesson, &err),
             &err);
    CHECK_OK(lb_probe_open(&c.setup, student, &lesson, c.arena, &probe, &err), &err);
    for (int step = 0; lesson.plan && probe.lesson.plan && step < 4; step++) {
        int32_t labels[16];
        double norm[2] = {-1, -1}, again[2] = {-1, -1};
        feed(&lesson, step, labels);
        const size_t n = store(&lesson, before);
        CHECK(n > 500);
        lb_lesson_set(&lesson, labels, 0);
        lb_probe_run(&probe, &lesson, both, norm);
        lb_probe_run(&probe, &lesson, first, again);
        CHECK(norm[0] == again[0] && again[1] == 0);
        CHECK(store(&lesson, after) == n &&
              memcmp(before, after, n * sizeof *before) == 0);
        lb_lesson_run(&lesson, labels, rate, 0);
        CHECK(norm[0] > 0.01 && norm[1] > 0.01 && norm[0] != norm[1]);
        CHECK_NEAR(way(&lesson, student, before) / rate, norm[0], 1e-9 * norm[0]);
    }
    lb_probe_close(&probe);
    lb_lesson_close(&lesson);
    lb_graph_free(student);
    classroom_close(&c);
}

typedef struct sitting {
    const lb_term *terms;
    int n_terms, precision;
    const char *folder;
    int stop;
    bool resume;
    lb_epoch_report epoch[EPOCHS]; /* out */
} sitting;

static lb_code sit(sitting *s, float *out)
{
    classroom c;
    stopper stop = {.at = s->stop};
    lb_train_result r = {0};
    lb_error err = {0};

    classroom_open(&c, 2);
    c.setup.terms = s->terms;
    c.setup.n_terms = s->n_terms;
    c.setup.folder = s->folder;
    c.setup.resume = s->resume;
    c.options.precision = s->precision;
    c.setup.watch = stopper_watch(&stop);
    const lb_code code = lb_train_run(&c.setup, c.arena, &r, &err);
    if (code == LB_OK) {
        CHECK(r.epochs_done == EPOCHS && classroom_weights(&c, out, MOST) > 500);
        memcpy(s->epoch, r.epoch, sizeof s->epoch);
    }
    classroom_close(&c);
    return code;
}

/* A second term of no weight calls for the probe, and must not change a bit: neither of
 * the weights nor of the running statistics, on any kernels. */
static void looking_changes_no_bit(void)
{
    static float want[MOST], have[MOST];
    const lb_term terms[] = {lb_term_usual(lb_loss_find("ce"), 1),
                             lb_term_usual(lb_loss_find("ce"), 0)};

    for (int exact = 0; exact < 2; exact++) {
        sitting alone = {.terms = terms, .n_terms = 1, .precision = exact};
        sitting two = {.terms = terms, .n_terms = 2, .precision = exact};
        memset(want, 0, sizeof want);
        memset(have, 0, sizeof have);
        CHECK(sit(&alone, want) == LB_OK && sit(&two, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        for (int e = 0; e < EPOCHS; e++) {
            CHECK(alone.epoch[e].share[0] == 1 && alone.epoch[e].weight[0] == 1);
            CHECK(two.epoch[e].share[0] == 1 && two.epoch[e].share[1] == 0);
        }
    }
}

/* Twice the same loss: the shares are those of the weights, at the epoch's end. */
static void shares_follow_the_weights(void)
{
    static float out[MOST];
    lb_term terms[] = {lb_term_usual(lb_loss_find("ce"), 1),
                       lb_term_usual(lb_loss_find("ce"), 3),
                       lb_term_usual(lb_loss_find("ce"), 4)};
    sitting s = {.terms = terms, .n_terms = 3};

    terms[1].end = 2; /* epochs 0 and 1 */
    terms[2].weight_ramp = (lb_ramp){.on = true, .from = 0, .to = 4, .over = 2};
    CHECK(sit(&s, out) == LB_OK);
    for (int e = 0; e < EPOCHS; e++) {
        const lb_epoch_report *const r = &s.epoch[e];
        const double third = e < 2 ? 2 * (e + 0.75) : 4; /* 4 steps an epoch */
        const double second = e < 2 ? 3 : 0, sum = 1 + second + third;
        CHECK_NEAR(r->weight[0], 1, 0);
        CHECK_NEAR(r->weight[1], second, 0);
        CHECK_NEAR(r->weight[2], third, 1e-12);
        CHECK_NEAR(r->share[0], 1 / sum, 1e-6);
        CHECK_NEAR(r->share[1], second / sum, 1e-6);
        CHECK_NEAR(r->share[2], third / sum, 1e-6);
    }
}

/* Cut anywhere, the reports of a run are the same; so are its weights. */
static void an_interruption_changes_no_share(void)
{
    static float want[MOST], have[MOST];
    const lb_term terms[] = {lb_term_usual(&mixed, 0.5),
                             lb_term_usual(lb_loss_find("ce"), 1)};
    char folder[] = "/tmp/limbeck-test-XXXXXX";
    sitting whole = {.terms = terms, .n_terms = 2};

    CHECK(mkdtemp(folder) != NULL);
    memset(want, 0, sizeof want);
    CHECK(sit(&whole, want) == LB_OK);
    CHECK(whole.epoch[0].share[0] > 0.01 && whole.epoch[0].share[0] < 0.99);
    CHECK_NEAR(whole.epoch[2].share[0] + whole.epoch[2].share[1], 1, 1e-12);
    CHECK(whole.epoch[0].share[0] != whole.epoch[2].share[0]);
    sitting exact = {.terms = terms, .n_terms = 2, .precision = LB_PRECISION_FLOAT64};
    CHECK(sit(&exact, have) == LB_OK);
    CHECK_NEAR(exact.epoch[0].share[0], whole.epoch[0].share[0], 1e-4);
    for (int cut = 1; cut < STEPS; cut += 3) {
        sitting s = {.terms = terms, .n_terms = 2, .folder = folder, .stop = cut};
        forget(folder);
        memset(have, 0, sizeof have);
        CHECK(sit(&s, have) == LB_ERR_STOPPED);
        s.stop = 0;
        s.resume = true;
        CHECK(sit(&s, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        for (int e = 0; e < EPOCHS; e++)
            for (int i = 0; i < 2; i++) {
                CHECK(s.epoch[e].share[i] == whole.epoch[e].share[i]);
                CHECK(s.epoch[e].weight[i] == whole.epoch[e].weight[i]);
            }
    }
    forget(folder);
    rmdir(folder);
}

static lb_term found_term(const lb_loss *loss, double share, int steps)
{
    lb_term term = lb_term_usual(loss, 0);

    term.balance = (lb_balance){.on = true, .share = share, .steps = steps};
    return term;
}

/* By the first step alone the shares at the first batch are to the point those asked for:
 * each relative to the fixed losses, not to each other; then the weights stay. */
static void weights_are_found(void)
{
    static float out[MOST];
    const lb_loss *const ce = lb_loss_find("ce");
    const lb_term terms[] = {lb_term_usual(ce, 0.5), found_term(&mixed, 0.5, 1),
                             lb_term_usual(ce, 1.5), found_term(ce, 3, 1)};

    for (int exact = 0; exact < 2; exact++) {
        sitting s = {.terms = terms, .n_terms = 4, .precision = exact};
        CHECK(sit(&s, out) == LB_OK);
        const lb_epoch_report *const r = s.epoch;
        CHECK_NEAR(r[0].share[0] + r[0].share[2], 1 / 4.5, 1e-9);
        CHECK_NEAR(r[0].share[1], 0.5 / 4.5, 1e-9);
        CHECK_NEAR(r[0].share[3], 3 / 4.5, 1e-9);
        CHECK_NEAR(r[0].weight[3], 6, exact ? 1e-9 : 1e-5); /* the same loss: 3 x 2 */
        CHECK(r[0].weight[1] > 0 && r[2].weight[1] == r[0].weight[1]);
        CHECK(r[2].weight[3] == r[0].weight[3]);
        CHECK(fabs(r[2].share[1] - r[0].share[1]) > 1e-4); /* but the student moved */
    }
}

/* Over more steps it is the ratio of the sums; an epoch of 4 steps is the most. Written
 * down as a number, the weight gives the same student, measured or not. */
static void a_weight_found_is_a_number(void)
{
    static float want[MOST], have[MOST];
    const lb_loss *const ce = lb_loss_find("ce");
    lb_term terms[] = {lb_term_usual(ce, 1), found_term(&mixed, 1, 50)};
    sitting s = {.terms = terms, .n_terms = 2};

    CHECK(sit(&s, want) == LB_OK);
    const double four = s.epoch[0].weight[1];
    CHECK(four == s.epoch[2].weight[1] && four > 0);
    terms[1].balance.steps = 4;
    CHECK(sit(&s, have) == LB_OK && s.epoch[2].weight[1] == four);
    CHECK(memcmp(want, have, sizeof want) == 0);
    terms[1].balance.steps = 1;
    CHECK(sit(&s, want) == LB_OK);
    const double one = s.epoch[0].weight[1];
    CHECK(one != four && fabs(one - four) < 0.5 * four);
    terms[1] = lb_term_usual(&mixed, one);
    CHECK(sit(&s, have) == LB_OK);
    CHECK(memcmp(want, have, sizeof want) == 0);
}

/* A fixed weight that warms up counts in full; a loss that comes later is measured when
 * it comes; one without a gradient gets no weight. */
static void weights_wait_for_their_losses(void)
{
    static float out[MOST];
    const lb_loss *const ce = lb_loss_find("ce");
    lb_term terms[] = {lb_term_usual(ce, 4), found_term(ce, 0.5, 2)};
    sitting s = {.terms = terms, .n_terms = 2};

    terms[0].weight_ramp = (lb_ramp){.on = true, .to = 4, .over = 2};
    CHECK(sit(&s, out) == LB_OK);
    CHECK_NEAR(s.epoch[0].weight[1], 2, 1e-5);
    terms[0] = lb_term_usual(ce, 4);
    terms[1].first = 1;
    terms[1].end = 2;
    CHECK(sit(&s, out) == LB_OK);
    CHECK(s.epoch[0].weight[1] == 0 && s.epoch[0].share[1] == 0);
    CHECK_NEAR(s.epoch[1].weight[1], 2, 1e-5);
    CHECK_NEAR(s.epoch[1].share[1], 1 / 3.0, 1e-5);
    CHECK(s.epoch[2].weight[1] == 0);
    terms[1].first = terms[1].end = 0; /* nothing fixed beside it in the first epoch */
    terms[0].first = 1;
    CHECK(sit(&s, out) == LB_OK);
    CHECK(s.epoch[0].weight[1] == 0);
    CHECK_NEAR(s.epoch[1].weight[1], 2, 1e-5);
    terms[0] = lb_term_usual(ce, 0);
    CHECK(sit(&s, out) == LB_ERR_INPUT);
}

/* In the middle of the search, and behind it. */
static void an_interruption_changes_no_weight(void)
{
    static float want[MOST], have[MOST];
    const lb_term terms[] = {found_term(&mixed, 0.7, 3),
                             lb_term_usual(lb_loss_find("ce"), 1)};
    char folder[] = "/tmp/limbeck-test-XXXXXX";
    sitting whole = {.terms = terms, .n_terms = 2};

    CHECK(mkdtemp(folder) != NULL);
    memset(want, 0, sizeof want);
    CHECK(sit(&whole, want) == LB_OK);
    for (int cut = 1; cut < STEPS; cut += cut < 4 ? 1 : 4) {
        sitting s = {.terms = terms, .n_terms = 2, .folder = folder, .stop = cut};
        forget(folder);
        memset(have, 0, sizeof have);
        CHECK(sit(&s, have) == LB_ERR_STOPPED);
        s.stop = 0;
        s.resume = true;
        CHECK(sit(&s, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        for (int e = 0; e < EPOCHS; e++)
            CHECK(s.epoch[e].weight[0] == whole.epoch[e].weight[0]);
    }
    forget(folder);
    rmdir(folder);
}

/* The sums of gradients, by hand. */
static void the_ratio_is_that_of_the_sums(void)
{
    const lb_balance half = {.on = true, .share = 0.5, .steps = 3};
    lb_balancing state = {0};

    lb_balance_step(&half, 4, 0, &state);
    CHECK(state.weight == 0 && state.steps == 1);
    lb_balance_step(&half, 2, 1, &state);
    CHECK_NEAR(state.weight, 3, 1e-12);
    lb_balance_step(&half, 6, 5, &state);
    CHECK_NEAR(state.weight, 1, 1e-12);
    lb_balance_step(&half, NAN, 5, &state);
    CHECK(state.weight == 0);
    state = (lb_balancing){0};
    lb_balance_step(&half, 1, 1e-30, &state);
    CHECK(state.weight == LB_BALANCE_MOST);
}

/* The plan that looks is counted where training is measured. */
static void its_memory_is_told(void)
{
    lb_term terms[] = {lb_term_usual(lb_loss_find("ce"), 1),
                       lb_term_usual(lb_loss_find("ce"), 1)};

    for (int n = 1; n <= 2; n++) {
        lb_train_profile p = {.probe = {.kept_bytes = 1}};
        lb_error err = {0};
        classroom c;
        classroom_open(&c, 2);
        c.setup.terms = terms;
        c.setup.n_terms = n;
        CHECK_OK(lb_train_measure(&c.setup, 0.01, c.arena, &p, &err), &err);
        CHECK(n == 1 ? p.probe.kept_bytes == 0 : p.probe.kept_bytes > 1000);
        classroom_close(&c);
    }
}

int main(void)
{
    RUN(lengths_are_those_of_the_steps);
    RUN(looking_changes_no_bit);
    RUN(shares_follow_the_weights);
    RUN(an_interruption_changes_no_share);
    RUN(its_memory_is_told);
    RUN(the_ratio_is_that_of_the_sums);
    RUN(weights_are_found);
    RUN(a_weight_found_is_a_number);
    RUN(weights_wait_for_their_losses);
    RUN(an_interruption_changes_no_weight);
    return DONE();
}
