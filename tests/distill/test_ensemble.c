/* test_ensemble.c: several teachers as one: every loss over logits gets the mean of their
 * probabilities at its own temperature. Numbers by tests/golden/ensemble.py, which knows
 * no logits of a mean. */
#include "distill/ensemble.h"
#include "distill/loss.h"
#include "engine/plan.h"
#include "ops/build.h"

#include "check.h"

#include <string.h>

enum { B = 4, C = 5 };

static int32_t labels[B] = {0, 2, 4, 1};
static bool hidden; /* the last two have no label */
static bool turned; /* the second teacher has the classes the other way round */
static const lb_ensemble of_probabilities = {.n = 2, .weight = {0.7, 0.3}};
static const lb_ensemble of_logits = {
    .n = 2, .weight = {0.7, 0.3}, .combine = LB_COMBINE_LOGITS};

/* The student's logits, then the two teachers'. */
static void fill(double z[3][B * C])
{
    for (int b = 0; b < B; b++)
        for (int c = 0; c < C; c++) {
            z[0][b * C + c] = 3 * sin(1 + .7 * b + 1.3 * c);
            z[1][b * C + c] = 5 * sin(2 + .9 * b + .8 * c);
            z[2][b * C + (turned ? C - 1 - c : c)] = 4 * cos(.5 + 1.1 * b + .6 * c);
        }
}

/* A loss taught by two, as the training step does it; returns its value. */
static double learn(lb_term *term, const lb_ensemble *ensemble, lb_dtype dtype,
                    double grad[B * C])
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, C);
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    const lb_plan_options options = {.batch = B, .kernels = LB_KERNELS_REFERENCE};
    double z[3][B * C], loss = NAN;
    lb_value in[3], term_value, gradient;
    lb_graph *graph = NULL;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};
    lb_builder b;

    fill(z);
    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    for (int k = 0; k < 3; k++)
        in[k] = lb_input(&b, "logits", dtype, &rows);
    const lb_value y = lb_input(&b, "labels", LB_I32, &per_sample);
    lb_value share[LB_MAX_TEACHERS];
    if (ensemble->correct_only)
        lb_ensemble_correct(&b, ensemble, in + 1, y, share);
    const lb_value *const shares = ensemble->correct_only ? share : NULL;
    const lb_value teacher = lb_ensemble_join(&b, ensemble, in + 1, shares);
    const bool at_once = ensemble->combine == LB_COMBINE_PROBABILITIES;
    const lb_loss_in seen = {.logits = {in[0], teacher},
                             .ensemble = at_once ? ensemble : NULL,
                             .members = in + 1,
                             .member_shares = shares,
                             .labels = y,
                             .batch = B};
    const lb_value value = lb_terms_build(&b, term, 1, &seen, &term_value);
    lb_autodiff(&b, &lb_op_verbs, value, &in[0], 1, &gradient);
    lb_output(&b, value);
    lb_output(&b, gradient);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    if (lb_plan_compile(graph, pool, &options, &plan, &err) == LB_OK) {
        for (int i = 0; i < B; i++) {
            for (int k = 0; k < 3; k++)
                lb_narrow(dtype, z[k] + (size_t)i * C, C, lb_plan_input(plan, in[k], i));
            *(int32_t *)lb_plan_input(plan, y, i) = hidden && i > 1 ? -1 : labels[i];
        }
        lb_plan_run(plan);
        for (int i = 0; i < B; i++)
            lb_widen(dtype, lb_plan_output(plan, gradient, i), C, grad + (size_t)i * C);
        lb_widen(dtype, lb_plan_output(plan, value, 0), 1, &loss);
    }
    lb_plan_free(plan);
    lb_graph_free(graph);
    lb_pool_free(pool);
    return loss;
}

static lb_term term_of(const char *loss, const char *knob, double value)
{
    lb_term term = lb_term_usual(lb_loss_find(loss), 1);

    for (int k = 0; knob && lb_loss_knob(term.loss, k); k++)
        if (strcmp(lb_loss_knob(term.loss, k)->name, knob) == 0)
            term.knobs[k] = value;
    return term;
}

static void every_loss_gets_the_mean_at_its_temperature(void)
{
    static const struct {
        const char *loss, *knob;
        double set, temperature; /* 0: as usual */
        const lb_ensemble *ensemble;
        double value, first, norm;
    } cases[] = {
        {"kd", "temperature", 1, 0, &of_probabilities, 0.1950131515, -0.09169632,
         0.16719787},
        {"kd", "temperature", 4, 0, &of_probabilities, 1.1750848476, -0.17247305,
         0.35632964},
        {"kd", "temperature", 4, 0, &of_logits, 1.1847553575, -0.17332953, 0.35766393},
        {"kd", "standardise", 1, 2, &of_probabilities, 0.1223984797, -0.01092328,
         0.04411468},
        {"multi-t", NULL, 0, 0, &of_probabilities, 1.0929663578, -0.16557424, 0.33934269},
        {"mse-logits", NULL, 0, 0, &of_probabilities, 20.7827909691, 0.26178372,
         2.03876389},
        {"mse-logits", NULL, 0, 0, &of_logits, 6.0826175762, -0.17112271, 1.10296125},
        {"dkd", NULL, 0, 4, &of_probabilities, 9.3454760279, -0.17247305, 2.97639517},
        {"dist", NULL, 0, 4, &of_probabilities, 3.8397895896, -1.34704871, 2.89325142},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lb_term term = term_of(cases[i].loss, cases[i].knob, cases[i].set);
        double grad[B * C] = {0}, narrow[B * C] = {0}, square = 0;
        if (cases[i].temperature > 0)
            term.knobs[0] = cases[i].temperature;
        const double value = learn(&term, cases[i].ensemble, LB_F64, grad);
        CHECK_NEAR(value, cases[i].value, 1e-9);
        CHECK_NEAR(grad[0], cases[i].first, 2e-8);
        for (int k = 0; k < B * C; k++)
            square += grad[k] * grad[k];
        CHECK_NEAR(sqrt(square), cases[i].norm, 2e-8);
        CHECK_NEAR(learn(&term, cases[i].ensemble, LB_F32, narrow), value,
                   2e-6 * (1 + value));
    }
}

/* KL of the mean has the gradient of the mean of KLs. */
static void the_gradient_is_the_mean_of_their_gradients(void)
{
    static const lb_ensemble first = {.n = 1, .weight = {1}};
    lb_term term = term_of("kd", "temperature", 3);
    double both[B * C] = {0}, one[B * C] = {0}, other[B * C] = {0};
    static const lb_ensemble last = {.n = 2, .weight = {1e-12, 1 - 1e-12}};

    (void)learn(&term, &of_probabilities, LB_F64, both);
    lb_ensemble alone = first;
    alone.combine = LB_COMBINE_LOGITS; /* the one is all there is */
    (void)learn(&term, &alone, LB_F64, one);
    (void)learn(&term, &last, LB_F64, other);
    for (int k = 0; k < B * C; k++)
        CHECK_NEAR(both[k], 0.7 * one[k] + 0.3 * other[k], 1e-10);
}

static void a_row_of_numbers_agrees(void)
{
    static const double mean[C] = {-0.093424260, -2.486976788, -5.256090409, -7.455109660,
                                   -8.343803411};
    static const double blend[C] = {4.235640068, 1.716773871, -1.703434945, -4.130138484,
                                    -4.257241093};
    static const lb_ensemble one = {.n = 1, .weight = {1}};
    double z[3][B * C];
    float a[C], b[C], out[C];
    const float *const rows[] = {a, b};

    fill(z);
    lb_narrow(LB_F32, z[1], C, a);
    lb_narrow(LB_F32, z[2], C, b);
    lb_ensemble_row(&of_probabilities, rows, C, out);
    for (int c = 0; c < C; c++)
        CHECK_NEAR((double)out[c], mean[c], 1e-6);
    lb_ensemble_row(&of_logits, rows, C, out);
    for (int c = 0; c < C; c++)
        CHECK_NEAR((double)out[c], blend[c], 1e-6);
    lb_ensemble_row(&one, rows, C, out);
    CHECK(memcmp(out, a, sizeof a) == 0);
}

/* Where every member is certain no class is lost: float32 holds no e^-200. */
static void certain_teachers_stay_finite(void)
{
    static const lb_ensemble even = {.n = 2, .weight = {0.5, 0.5}};
    const float a[] = {300, 0, -300}, b[] = {0, 300, -300};
    const float *const rows[] = {a, b};
    float out[3];

    lb_ensemble_row(&even, rows, 3, out);
    CHECK_NEAR((double)out[0], log(0.5), 1e-6);
    CHECK_NEAR((double)out[1], log(0.5), 1e-6);
    CHECK_NEAR((double)out[2], -600, 1e-4);
}

static int best_of(const double *z)
{
    int best = 0;

    for (int c = 1; c < C; c++)
        best = z[c] > z[best] ? c : best;
    return best;
}

static void soften(const double *z, double t, double *p)
{
    double sum = 0;

    for (int c = 0; c < C; c++)
        sum += exp(z[c] / t);
    for (int c = 0; c < C; c++)
        p[c] = exp(z[c] / t) / sum;
}

/* kd from those of the two that are right, by the formula; *n_left: answers left out. */
static double kd_of_the_right(bool logits, double t, int *n_left)
{
    double z[3][B * C], sum = 0;

    fill(z);
    *n_left = 0;
    for (int b = 0; b < B; b++) {
        const int label = hidden && b > 1 ? -1 : labels[b];
        const bool one = best_of(z[1] + b * C) == label,
                   two = best_of(z[2] + b * C) == label;
        double w[2] = {one || !two ? 0.7 : 0, two || !one ? 0.3 : 0};
        double student[C], p[2][C], mean[C], blend[C];
        *n_left += one != two;
        const double all = w[0] + w[1];
        soften(z[0] + b * C, t, student);
        soften(z[1] + b * C, t, p[0]);
        soften(z[2] + b * C, t, p[1]);
        for (int c = 0; c < C; c++) {
            mean[c] = (w[0] * p[0][c] + w[1] * p[1][c]) / all;
            blend[c] = (w[0] * z[1][b * C + c] + w[1] * z[2][b * C + c]) / all;
        }
        if (logits)
            soften(blend, t, mean);
        for (int c = 0; c < C; c++)
            sum += mean[c] * log(mean[c] / student[c]);
    }
    return t * t * sum / B;
}

static void the_wrong_are_left_out(void)
{
    lb_term term = term_of("kd", "temperature", 3);
    int n_left = 0, n_hidden = 0;
    double grad[B * C], z[3][B * C];

    turned = true;
    fill(z); /* the first is right, the second, nobody, the first */
    for (int b = 0; b < B; b++) {
        const int one = best_of(z[1] + (size_t)b * C),
                  two = best_of(z[2] + (size_t)b * C);
        CHECK(one != two);
        labels[b] = b == 1 ? two : b == 2 ? (one + 1) % C : one;
    }

    for (int combine = 0; combine < 2; combine++) {
        lb_ensemble e = {.n = 2, .weight = {0.7, 0.3}, .combine = combine};
        const double all = learn(&term, &e, LB_F64, grad);
        e.correct_only = true;
        const double right = kd_of_the_right(combine, 3, &n_left);
        CHECK(n_left > 0 && fabs(right - all) > 1e-3);
        CHECK_NEAR(learn(&term, &e, LB_F64, grad), right, 1e-9);
        CHECK_NEAR(learn(&term, &e, LB_F32, grad), right, 1e-5);
        hidden = true; /* all count where nobody can tell */
        const double some = kd_of_the_right(combine, 3, &n_hidden);
        CHECK_NEAR(learn(&term, &e, LB_F64, grad), some, 1e-9);
        hidden = false;
        CHECK(n_hidden < n_left);
    }
    turned = false;
}

enum { SAMPLES = 300, KINDS = 3 };

/* Three members of unlike worth: the label's logit is raised by more or less. */
static void fill_samples(float logits[3][SAMPLES * KINDS], int32_t known[SAMPLES])
{
    static const double worth[] = {1.4, 1.2, 0.6};

    for (int i = 0; i < SAMPLES; i++) {
        known[i] = i % 7 == 0 ? -1 : i % KINDS;
        for (int k = 0; k < 3; k++)
            for (int c = 0; c < KINDS; c++)
                logits[k][i * KINDS + c] =
                    (float)(2 * sin(1.7 * i + 2.9 * k + 1.1 * c * (k + 1)) +
                            (c == i % KINDS ? worth[k] : 0));
    }
}

/* The mean log-likelihood with these weights, by lb_ensemble_row. */
static double likelihood(const lb_ensemble *e, float logits[3][SAMPLES * KINDS],
                         const int32_t *known)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < SAMPLES; i++) {
        const float *const rows[] = {logits[0] + (size_t)i * KINDS,
                                     logits[1] + (size_t)i * KINDS,
                                     logits[2] + (size_t)i * KINDS};
        float z[KINDS];
        double total = 0;
        if (known[i] < 0)
            continue;
        lb_ensemble_row(e, rows, KINDS, z);
        for (int c = 0; c < KINDS; c++)
            total += exp((double)z[c]);
        sum += (double)z[known[i]] - log(total);
        n++;
    }
    return sum / n;
}

/* No weights of a fine grid over two or three members answer better. */
static void fitted_weights_are_the_best(void)
{
    static float logits[3][SAMPLES * KINDS];
    static int32_t known[SAMPLES];
    const float *const of[] = {logits[0], logits[1], logits[2]};
    const lb_ensemble_samples samples = {
        .logits = of, .labels = known, .n = SAMPLES, .classes = KINDS};
    lb_arena *const arena = lb_arena_new(0);
    lb_ensemble_fitted fitted;
    lb_error err = {0};

    fill_samples(logits, known);
    for (int combine = 0; combine < 2; combine++) {
        lb_ensemble e = {.n = 3, .combine = combine}, grid = {.n = 3, .combine = combine};
        CHECK_OK(lb_ensemble_fit(&e, &samples, arena, &fitted, &err), &err);
        CHECK(e.found && fitted.n == SAMPLES - 43);
        CHECK_NEAR(e.weight[0] + e.weight[1] + e.weight[2], 1, 1e-12);
        const double best = likelihood(&e, logits, known);
        CHECK_NEAR(fitted.best, best, 1e-5);
        CHECK(fitted.best > fitted.even + 0.01);
        printf("# %.4f %.4f %.4f: %.5f, even %.5f\n", e.weight[0], e.weight[1],
               e.weight[2], fitted.best, fitted.even);
        CHECK(e.weight[0] > e.weight[1] && e.weight[1] > e.weight[2]);
        for (int i = 1; i < 20; i++)
            for (int k = 1; i + k < 20; k++) {
                grid.weight[0] = i / 20.0;
                grid.weight[1] = k / 20.0;
                grid.weight[2] = 1 - (i + k) / 20.0;
                CHECK(likelihood(&grid, logits, known) < best + 1e-3);
            }
        lb_ensemble again = {.n = 3, .combine = combine};
        CHECK_OK(lb_ensemble_fit(&again, &samples, arena, &fitted, &err), &err);
        CHECK(memcmp(again.weight, e.weight, sizeof e.weight) == 0);
    }
    lb_arena_free(arena);
}

/* One that knows nothing beside another keeps the least weight; without labels all are
 * even; without memory nothing is found. */
static void nobody_is_left_out(void)
{
    static float logits[2][SAMPLES * KINDS];
    static int32_t known[SAMPLES];
    const float *const of[] = {logits[0], logits[1]};
    const lb_ensemble_samples samples = {
        .logits = of, .labels = known, .n = SAMPLES, .classes = KINDS};
    lb_arena *const arena = lb_arena_new(0);
    lb_ensemble e = {.n = 2};
    lb_ensemble_fitted fitted;
    lb_error err = {0};

    for (int i = 0; i < SAMPLES * KINDS; i++)
        logits[0][i] = i % KINDS == (i / KINDS) % KINDS ? 6 : 0;
    for (int i = 0; i < SAMPLES; i++)
        known[i] = i % KINDS;
    CHECK_OK(lb_ensemble_fit(&e, &samples, arena, &fitted, &err), &err);
    CHECK_NEAR(e.weight[1], LB_LEAST_WEIGHT, 1e-4);
    for (int i = 0; i < SAMPLES; i++)
        known[i] = -1;
    CHECK_OK(lb_ensemble_fit(&e, &samples, arena, &fitted, &err), &err);
    CHECK(fitted.n == 0 && !e.found);
    CHECK_NEAR(e.weight[0], 0.5, 0);
    lb_arena_fail_after(0);
    CHECK(lb_ensemble_fit(&e, &samples, arena, &fitted, &err) == LB_ERR_MEMORY);
    lb_arena_fail_after(-1);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(every_loss_gets_the_mean_at_its_temperature);
    RUN(the_gradient_is_the_mean_of_their_gradients);
    RUN(a_row_of_numbers_agrees);
    RUN(certain_teachers_stay_finite);
    RUN(the_wrong_are_left_out);
    RUN(fitted_weights_are_the_best);
    RUN(nobody_is_left_out);
    return DONE();
}
