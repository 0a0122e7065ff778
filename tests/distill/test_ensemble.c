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

static const int32_t labels[B] = {0, 2, 4, 1};
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
            z[2][b * C + c] = 4 * cos(.5 + 1.1 * b + .6 * c);
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
    const lb_value teacher = lb_ensemble_join(&b, ensemble, in + 1);
    const bool at_once = ensemble->combine == LB_COMBINE_PROBABILITIES;
    const lb_loss_in seen = {.logits = {in[0], teacher},
                             .ensemble = at_once ? ensemble : NULL,
                             .members = in + 1,
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
            *(int32_t *)lb_plan_input(plan, y, i) = labels[i];
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

int main(void)
{
    RUN(every_loss_gets_the_mean_at_its_temperature);
    RUN(the_gradient_is_the_mean_of_their_gradients);
    RUN(a_row_of_numbers_agrees);
    RUN(certain_teachers_stay_finite);
    return DONE();
}
