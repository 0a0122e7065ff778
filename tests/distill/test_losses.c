/* test_losses.c: the losses, in float64: values and gradients that PyTorch and an
 * independent computation gave, gradients against finite differences for every row of the
 * table, and what happens to samples without a label. */
#include "distill/logits.h"

#include "base/rng.h"
#include "tensor/npy.h"

#include <stdlib.h>

#include "loss_bench.h"

enum { MOST = 160 };

/* The inputs of the published golden values. */
static void fill_golden(double zs[20], double zt[20])
{
    for (int b = 0; b < 4; b++)
        for (int c = 0; c < 5; c++) {
            zs[b * 5 + c] = 3 * sin(1 + .7 * b + 1.3 * c);
            zt[b * 5 + c] = 5 * sin(2 + .9 * b + .8 * c);
        }
}

static double norm(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* A setting of a loss by its name; a list ends with a row without one. */
typedef struct setting {
    const char *name;
    double value;
} setting;

enum { MOST_SETTINGS = 4 };

/* A loss at its usual settings but for these. */
static lb_term term_of(const char *loss, const setting set[MOST_SETTINGS])
{
    lb_term term = lb_term_usual(lb_loss_find(loss), 1);

    for (int i = 0; set && i < MOST_SETTINGS && set[i].name; i++) {
        int k = 0;
        while (lb_loss_knob(term.loss, k) &&
               strcmp(lb_loss_knob(term.loss, k)->name, set[i].name) != 0)
            k++;
        CHECK(lb_loss_knob(term.loss, k) != NULL);
        term.knobs[k] = set[i].value;
    }
    return term;
}

typedef struct loss_case {
    const char *loss;
    setting set[MOST_SETTINGS];
} loss_case;

/* Value, first element and norm of the gradient, computed independently of this code. */
static void golden_values_hold(void)
{
    static const struct {
        loss_case of;
        double value, first, norm;
    } cases[] = {
        {{"ce", {{0}}}, 3.0427628724, 0.13600543, 0.54004974},
        {{"ce", {{"label_smoothing", 0.1}}}, 3.0530121849, 0.13100543, 0.50241556},
        {{"kd", {{"temperature", 1}}}, 0.2241982962, -0.10029157, 0.18113586},
        {{"kd", {{"temperature", 4}}}, 1.4244581958, -0.20688407, 0.40296836},
        {{"kd", {{"temperature", 20}}}, 1.9295432870, -0.17426867, 0.44280501},
        {{"kd", {{"temperature", 1e4}}}, 1.9792529435, 0, 0},
        {{"hint", {{0}}}, 6.5772359825, -0.20220742, 1.14692946},
        {{"mse-logits", {{0}}}, 6.5772359825, -0.20220742, 1.14692946},
        {{"dkd", {{"target_weight", 1}, {"non_target_weight", 0}}}, 0.3823393279, 0, 0},
        {{"dkd", {{"target_weight", 0}, {"non_target_weight", 1}}}, 1.2831574181, 0, 0},
        {{"dkd", {{0}}}, 10.6475986726, -2.03669444, 3.26812275},
        {{"dist", {{"intra_weight", 0}}}, 0.0846904021, 0, 0},
        {{"dist", {{"inter_weight", 0}}}, 0.1787219295, 0, 0},
        {{"dist", {{0}}}, 0.2634123316, -0.20619039, 0.33995635},
        {{"dist", {{"temperature", 4}}}, 3.8123979009, -1.39157735, 2.94124903},
        {{"kd", {{"temperature", 2}, {"standardise", 1}}},
         0.1082160222,
         -0.01152724,
         0.04212019},
        {{"mlkd", {{"form", 1}, {"class_weight", 0}}},
         0.0210037916,
         -0.00075099,
         0.00407137},
        {{"mlkd", {{"form", 1}, {"batch_weight", 0}}},
         0.0231645461,
         -0.00138140,
         0.00592176},
        {{"mlkd", {{0}}}, 0.0210037916 / 4 + 0.0231645461 / 16, 0, 0},
        /* one temperature: kd; two: the mean of kd's */
        {{"multi-t", {{"lowest_temperature", 20}, {"highest_temperature", 20}}},
         1.9295432870,
         -0.17426867,
         0.44280501},
        {{"multi-t",
          {{"lowest_temperature", 4},
           {"highest_temperature", 20},
           {"temperature_step", 16}}},
         (1.4244581958 + 1.9295432870) / 2,
         (-0.20688407 - 0.17426867) / 2,
         0},
    };
    const int32_t y[] = {1, 3, 0, 2};
    double zs[20], zt[20], grad[20];

    fill_golden(zs, zt);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lb_term term = term_of(cases[i].of.loss, cases[i].of.set);
        bench t = open_bench(&term, 1, 4, 5);
        /* T^2 = 1e8 magnifies what doubles round */
        CHECK_NEAR(run(&t, zs, zt, y, grad), cases[i].value,
                   cases[i].of.set[0].value > 100 ? 5e-8 : 5.1e-11);
        if (cases[i].first != 0)
            CHECK_NEAR(grad[0], cases[i].first, 5.1e-9);
        if (cases[i].norm > 0)
            CHECK_NEAR(norm(grad, 20), cases[i].norm, 5.1e-9);
        close_bench(&t);
    }
}

/* The hot limit of kd on the same inputs is 1.9793108188. */
static void centred_logits_are_twice_the_hot_limit(void)
{
    static const setting centred[MOST_SETTINGS] = {{"centre", 1}};
    const lb_term term = term_of("mse-logits", centred);
    const int32_t y[4] = {0};
    double zs[20], zt[20];

    fill_golden(zs, zt);
    bench t = open_bench(&term, 1, 4, 5);
    CHECK_NEAR(run(&t, zs, zt, y, NULL) / 2, 1.9793108188, 5.1e-11);
    close_bench(&t);
}

static lb_tensor *load(lb_arena *arena, const char *set, const char *what)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/golden/%s_%s.npy", getenv("LB_SOURCE"), set,
             what);
    CHECK_OK(lb_npy_load(arena, path, 1 << 20, &t, &err), &err);
    return t;
}

static void compare_with_pytorch(lb_arena *arena, const char *set)
{
    static const loss_case cases[] = {
        {"ce", {{0}}},
        {"ce", {{"label_smoothing", 0.1}}},
        {"kd", {{"temperature", 1}}},
        {"kd", {{"temperature", 4}}},
        {"kd", {{"temperature", 20}}},
        {"mse-logits", {{0}}},
        {"mse-logits", {{"centre", 1}}},
        {"multi-t", {{0}}},
        {"multi-t",
         {{"lowest_temperature", 1.5},
          {"highest_temperature", 2.5},
          {"temperature_step", 0.5}}},
        {"dkd", {{0}}},
        {"dkd", {{"temperature", 2}, {"target_weight", 0.5}, {"non_target_weight", 3}}},
        {"dist", {{0}}},
        {"dist", {{"temperature", 4}, {"inter_weight", 2}, {"intra_weight", 0.5}}},
        {"kd", {{"temperature", 2}, {"standardise", 1}}},
        {"dkd",
         {{"temperature", 2},
          {"target_weight", 9},
          {"non_target_weight", 72},
          {"standardise", 1}}},
        {"mse-logits", {{"standardise", 1}}},
        {"mlkd", {{"form", 1}}},
        {"mlkd", {{"temperature", 2}, {"batch_weight", 3}, {"class_weight", 0.5}}},
    };
    const lb_tensor *const in = load(arena, set, "in");
    const lb_tensor *const labels = load(arena, set, "labels");
    const lb_tensor *const out = load(arena, set, "out");
    double grad[MOST];

    if (!in || !labels || !out)
        return;
    const int b = in->shape.dim[1], c = in->shape.dim[2], n = b * c;
    const double *const z = in->data;
    CHECK(n <= MOST && out->shape.dim[0] == (int)(sizeof cases / sizeof *cases));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double *const want = (const double *)out->data + i * (size_t)(n + 1);
        const lb_term term = term_of(cases[i].loss, cases[i].set);
        bench t = open_bench(&term, 1, b, c);
        CHECK_NEAR(run(&t, z, z + n, labels->data, grad), want[0],
                   1e-13 * fmax(10, want[0]));
        for (int k = 0; k < n; k++)
            CHECK_NEAR(grad[k], want[k + 1], 1e-14 * fmax(10, fabs(want[0])));
        close_bench(&t);
    }
}

static void pytorch_agrees(void)
{
    lb_arena *const arena = lb_arena_new(0);

    if (!getenv("LB_SOURCE")) {
        SKIP("LB_SOURCE is not set");
    } else {
        compare_with_pytorch(arena, "losses");
        compare_with_pytorch(arena, "losses_wide");
    }
    lb_arena_free(arena);
}

static void fill(double *z, int n, uint64_t seed, double size)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);

    for (int i = 0; i < n; i++)
        z[i] = size * lb_rng_normal(&rng);
}

/* A knob's usual value, and two others within its range; or each word in turn. */
static double knob_at(const lb_knob *knob, int which)
{
    int n = 0;

    while (knob->words && knob->words[n])
        n++;
    if (n > 0)
        return ((int)knob->usual + which) % n;
    const double value = which == 0   ? knob->usual
                         : which == 1 ? 0.7 * knob->usual + 0.3
                                      : 0.1 + 0.2 * knob->usual;
    return fmin(knob->max, fmax(knob->min, value));
}

/* Nothing is compiled. */
static bool is_refused(const lb_term *term, int b, int c)
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, c);
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    char start[80];
    lb_value value[1];
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder builder;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&builder, graph);
    const lb_value s = lb_input(&builder, "student", LB_F32, &rows);
    const lb_value t = lb_input(&builder, "teacher", LB_F32, &rows);
    const lb_value y = lb_input(&builder, "labels", LB_I32, &per_sample);
    const lb_pair pair = {s, t};
    const lb_loss_in in = {
        .logits = pair, .hints = &pair, .n_hints = 1, .labels = y, .batch = b};
    lb_terms_build(&builder, term, 1, &in, value);
    const lb_code code = lb_builder_finish(&builder, &err);
    lb_graph_free(graph);
    if (code == LB_OK)
        return false;
    /* with its name, and with a way out */
    snprintf(start, sizeof start, "loss '%s': ", term->loss->name);
    CHECK(code == LB_ERR_INPUT && strncmp(err.text, start, strlen(start)) == 0);
    CHECK_TEXT(err.text, "; ");
    return true;
}

static void check_gradient(const lb_loss *loss, int b, int c, int which)
{
    lb_term term = {.loss = loss, .weight = 1.7};
    double zs[MOST], zt[MOST], grad[MOST];
    int32_t y[MOST];
    const double h = 1e-5;

    for (int k = 0; lb_loss_knob(loss, k); k++)
        term.knobs[k] = knob_at(lb_loss_knob(loss, k), which);
    if (is_refused(&term, b, c))
        return;
    bench t = open_bench(&term, 1, b, c);
    fill(zs, b * c, 5, 2);
    fill(zt, b * c, 6, 3);
    for (int i = 0; i < b; i++)
        y[i] = (i * 7 + 1) % (c + 1) - 1; /* some have no label */
    CHECK(isfinite(run(&t, zs, zt, y, grad)));
    for (int k = 0; k < b * c; k++) {
        const double was = zs[k];
        zs[k] = was + h;
        const double up = run(&t, zs, zt, y, NULL);
        zs[k] = was - h;
        const double down = run(&t, zs, zt, y, NULL);
        zs[k] = was;
        CHECK_NEAR(grad[k], (up - down) / (2 * h), 1e-7);
    }
    close_bench(&t);
}

static void gradients_are_derivatives(void)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        for (int which = 0; which < 3; which++) {
            if ((*loss)->needs & (LB_NEEDS_HINTS | LB_NEEDS_HELPER))
                continue; /* test_feature_losses.c tries those on maps */
            check_gradient(*loss, 1, 2, which);
            check_gradient(*loss, 5, 3, which);
            check_gradient(*loss, 18, 3, which);
        }
}

/* The hot limit of kd is half the mean squared difference of centred logits; equal logits
 * give 0; log-probabilities are as good as logits. */
static void kd_keeps_its_identities(void)
{
    const lb_term hot = {.loss = lb_loss_find("kd"), .weight = 1, .knobs = {3000}};
    const lb_term warm = {.loss = lb_loss_find("kd"), .weight = 1, .knobs = {4}};
    const int32_t y[4] = {0};
    double zs[20], zt[20], log_p[20], limit = 0;

    fill(zs, 20, 1, 2);
    fill(zt, 20, 2, 2);
    for (int b = 0; b < 4; b++) {
        double mean_s = 0, mean_t = 0, total = 0;
        for (int c = 0; c < 5; c++) {
            mean_s += zs[b * 5 + c] / 5;
            mean_t += zt[b * 5 + c] / 5;
            total += exp(zt[b * 5 + c]);
        }
        for (int c = 0; c < 5; c++) {
            const double d = zs[b * 5 + c] - mean_s - zt[b * 5 + c] + mean_t;
            limit += 0.5 * d * d / 20;
            log_p[b * 5 + c] = zt[b * 5 + c] - log(total);
        }
    }
    bench t = open_bench(&hot, 1, 4, 5);
    CHECK_NEAR(run(&t, zs, zt, y, NULL), limit, 5e-3);
    close_bench(&t);
    t = open_bench(&warm, 1, 4, 5);
    CHECK_NEAR(run(&t, zs, zs, y, NULL), 0, 1e-15);
    CHECK_NEAR(run(&t, zs, log_p, y, NULL), run(&t, zs, zt, y, NULL), 1e-13);
    close_bench(&t);
}

/* No label: nothing to learn, no gradient, while the others' gradient is as it was. */
static void samples_without_a_label_take_no_part(void)
{
    static const loss_case cases[] = {
        {"ce", {{0}}}, {"ce", {{"label_smoothing", 0.2}}}, {"dkd", {{0}}}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lb_term term = term_of(cases[i].loss, cases[i].set);
        const int32_t all[] = {2, 0, 1, 1}, some[] = {2, -1, 1, -1};
        const int32_t none[] = {-1, -1, -1, -1};
        double zs[12], zt[12], with_all[12], with_some[12];
        bench t = open_bench(&term, 1, 4, 3);

        fill(zs, 12, 3, 2);
        fill(zt, 12, 4, 2);
        run(&t, zs, zt, all, with_all);
        run(&t, zs, zt, some, with_some);
        for (int c = 0; c < 3; c++) {
            CHECK_NEAR(with_some[c], 2 * with_all[c], 1e-15);
            CHECK_NEAR(with_some[3 + c], 0, 0);
            CHECK_NEAR(with_some[6 + c], 2 * with_all[6 + c], 1e-15);
            CHECK_NEAR(with_some[9 + c], 0, 0);
        }
        CHECK_NEAR(run(&t, zs, zt, none, with_some), 0, 0);
        for (int k = 0; k < 12; k++)
            CHECK_NEAR(with_some[k], 0, 0);
        close_bench(&t);
    }
}

/* By hand: equal logits say 1/4 each, so that ce is log 4, however many rows have a
 * label, and its gradient (1/4 - onehot) over their number. Twelve rows are several
 * groups. */
static void ce_is_a_mean_over_the_labelled(void)
{
    static const double zeros[48];
    const lb_term term = lb_term_usual(lb_loss_find("ce"), 1);
    bench t = open_bench(&term, 1, 12, 4);
    int32_t y[12];
    double grad[48];

    for (int labelled = 1; labelled <= 12; labelled++) {
        for (int i = 0; i < 12; i++)
            y[i] = i >= 12 - labelled ? i % 4 : -1;
        CHECK_NEAR(run(&t, zeros, zeros, y, grad), log(4), 1e-15);
        CHECK_NEAR(grad[44], 0.25 / labelled, 1e-16);
        CHECK_NEAR(grad[47], -0.75 / labelled, 1e-16);
        CHECK(labelled == 12 || grad[0] == 0);
    }
    close_bench(&t);
}

/* KD = TCKD + (1 - p) NCKD of each sample, p the teacher's probability of the label. */
static void kd_is_dkd_put_together(void)
{
    static const setting target[] = {
        {"target_weight", 1}, {"non_target_weight", 0}, {0}, {0}};
    static const setting others[] = {
        {"target_weight", 0}, {"non_target_weight", 1}, {0}, {0}};
    const lb_term terms[] = {term_of("kd", NULL), term_of("dkd", target),
                             term_of("dkd", others)};
    bench t[3];

    for (int i = 0; i < 3; i++)
        t[i] = open_bench(&terms[i], 1, 1, 5);
    for (int32_t n = 0; n < 20; n++) {
        const int32_t y = n % 5;
        double zs[5], zt[5], value[3], sum = 0;
        fill(zs, 5, (uint64_t)n, 6);
        fill(zt, 5, 100 + (uint64_t)n, 9);
        for (int c = 0; c < 5; c++)
            sum += exp(zt[c] / 4);
        for (int i = 0; i < 3; i++)
            value[i] = run(&t[i], zs, zt, &y, NULL);
        const double p = exp(zt[y] / 4) / sum;
        CHECK_NEAR(value[1] + (1 - p) * value[2], value[0], 2e-14);
    }
    for (int i = 0; i < 3; i++)
        close_bench(&t[i]);
}

/* Losses that look at each sample for itself: a batch four times over has the same mean,
 * and each row a quarter of the gradient. */
static void a_batch_four_times_over_is_worth_the_same(void)
{
    double zs[64], zt[64], once[16], four[64];
    int32_t y[16];

    fill(zs, 16, 5, 2);
    fill(zt, 16, 6, 3);
    for (int i = 0; i < 64; i++) {
        zs[i] = zs[i % 16];
        zt[i] = zt[i % 16];
        y[i / 4] = (i / 4) % 4 - (i / 4 % 4 == 3) * 4;
    }
    for (const lb_loss *const *loss = lb_losses; *loss; loss++) {
        const lb_term term = lb_term_usual(*loss, 1);
        if ((*loss)->min_batch > 0 || ((*loss)->needs & LB_NEEDS_HELPER) ||
            is_refused(&term, 4, 4))
            continue;
        bench a = open_bench(&term, 1, 4, 4), b = open_bench(&term, 1, 16, 4);
        const double value = run(&a, zs, zt, y, once);
        CHECK_NEAR(run(&b, zs, zt, y, four), value, 1e-14 * fmax(1, value));
        for (int i = 0; i < 64; i++)
            CHECK_NEAR(four[i], once[i % 16] / 4, 1e-15 * fmax(1, fabs(once[i % 16])));
        close_bench(&a);
        close_bench(&b);
    }
}

/* Rows of one number, of huge numbers, and both at once: no NaN, no infinity. */
static void check_extremes(const lb_term *term, int shift, lb_dtype dtype)
{
    static const double rows[][4] = {
        {0, 0, 0, 0},         {7, 7, 7, 7},         {1e4, -1e4, 1e4, -1e4},
        {-1e4, 0, 1e4, 1e-9}, {1e4, 1e4, 1e4, 1e4}, {1e-30, 0, 0, 0},
    };
    enum { ROWS = (int)(sizeof rows / sizeof *rows), B = 12 };
    double zs[B * 4], zt[B * 4], grad[B * 4];
    int32_t y[B];

    for (int i = 0; i < B; i++) {
        memcpy(zs + (ptrdiff_t)i * 4, rows[i % ROWS], sizeof rows[0]);
        memcpy(zt + (ptrdiff_t)i * 4, rows[(i + shift) % ROWS], sizeof rows[0]);
        y[i] = (i + shift) % 5 - 1;
    }
    bench t = open_bench_as(dtype, term, 1, B, 4);
    CHECK(isfinite(run(&t, zs, zt, y, grad)));
    CHECK(isfinite(norm(grad, B * 4)));
    close_bench(&t);
}

static void extreme_logits_have_finite_gradients(void)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        for (int shift = 0; shift < 6; shift++)
            for (int standardised = 0; standardised < 2; standardised++) {
                const setting set[MOST_SETTINGS] = {{"standardise", standardised}};
                const bool has = ((*loss)->needs & LB_NEEDS_TEACHER) != 0;
                const lb_term term = term_of((*loss)->name, has ? set : NULL);
                if ((*loss)->needs & LB_NEEDS_HELPER)
                    continue;
                if ((standardised && !has) || is_refused(&term, 12, 4))
                    continue;
                check_extremes(&term, shift, LB_F64);
                check_extremes(&term, shift, LB_F32);
            }
}

/* What softmax makes of z is all that these look at: a teacher that ends in Softmax
 * teaches the same by the logarithms of its answers. */
static void log_probabilities_teach_what_logits_do(void)
{
    static const loss_case cases[] = {
        {"kd", {{0}}},
        {"kd", {{"standardise", 1}}},
        {"dkd", {{0}}},
        {"multi-t", {{0}}},
        {"mse-logits", {{"centre", 1}}},
        {"dist", {{0}}},
        {"dkd", {{"standardise", 1}, {"temperature", 2}}},
    };
    double zs[20], zt[20], log_p[20], by_logits[20], by_log_p[20];
    const int32_t y[] = {1, 3, 0, 2};

    fill_golden(zs, zt);
    for (int b = 0; b < 4; b++) {
        double total = 0;
        for (int c = 0; c < 5; c++)
            total += exp(zt[b * 5 + c]);
        for (int c = 0; c < 5; c++)
            log_p[b * 5 + c] = zt[b * 5 + c] - log(total);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lb_term term = term_of(cases[i].loss, cases[i].set);
        bench t = open_bench(&term, 1, 4, 5);
        const double value = run(&t, zs, zt, y, by_logits);
        CHECK_NEAR(run(&t, zs, log_p, y, by_log_p), value, 1e-13);
        for (int k = 0; k < 20; k++)
            CHECK_NEAR(by_log_p[k], by_logits[k], 1e-13);
        close_bench(&t);
    }
}

/* Of two standardised logits only the order is left, whatever they were. */
static void two_standardised_logits_are_always_the_same(void)
{
    static const struct {
        double row[2], first;
    } cases[] = {{{1, 0.2}, 0.70711},
                 {{9, -9}, 0.70711},
                 {{0.3, 0.2999}, 0.70611},
                 {{-4, -4}, 0},
                 {{2, 3}, -0.70711}};
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, 2);
    const int n = (int)(sizeof cases / sizeof *cases);
    const lb_plan_options options = {.batch = n, .kernels = LB_KERNELS_REFERENCE};
    lb_graph *graph = NULL;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    const lb_value z = lb_input(&b, "z", LB_F64, &rows);
    const lb_value out = lb_standardise(&b, z);
    lb_output(&b, out);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_plan_compile(graph, pool, &options, &plan, &err), &err);
    for (int i = 0; plan && i < n; i++)
        memcpy(lb_plan_input(plan, z, i), cases[i].row, sizeof cases[i].row);
    if (plan)
        lb_plan_run(plan);
    for (int i = 0; plan && i < n; i++) {
        const double *const row = lb_plan_output(plan, out, i);
        CHECK_NEAR(row[0], cases[i].first, 5.1e-6);
        CHECK_NEAR(row[1], -row[0], 1e-12);
    }
    lb_plan_free(plan);
    lb_graph_free(graph);
    lb_pool_free(pool);
}

static void losses_refuse_what_they_cannot_work_on(void)
{
    static const setting far[] = {
        {"temperature_step", 0.1}, {"highest_temperature", 9}, {0}, {0}};
    static const setting back[] = {{"highest_temperature", 1.5}, {0}, {0}, {0}};
    static const setting standardised[MOST_SETTINGS] = {{"standardise", 1}};
    const lb_term dkd = term_of("dkd", NULL), many = term_of("multi-t", far),
                  none = term_of("multi-t", back), multi = term_of("multi-t", NULL);

    const lb_term dist = term_of("dist", NULL);
    lb_term whole = term_of("kd", standardised);

    CHECK(is_refused(&dist, 8, 2) && !is_refused(&dist, 4, 3));
    CHECK(dist.loss->min_batch == 8 && dist.loss->instead != NULL);
    CHECK(is_refused(&whole, 8, 2) && !is_refused(&whole, 8, 3));
    CHECK(is_refused(&dkd, 8, 2) && !is_refused(&dkd, 8, 3));
    CHECK(is_refused(&many, 8, 3) && is_refused(&none, 8, 3) &&
          !is_refused(&multi, 8, 3));
}

static void terms_are_added_by_weight(void)
{
    const lb_loss *const kd = lb_loss_find("kd"), *const ce = lb_loss_find("ce");
    const lb_term both[] = {{.loss = kd, .weight = 0.9, .knobs = {4}},
                            {.loss = ce, .weight = 0.1}};
    const lb_term one = {.loss = kd, .weight = 1, .knobs = {4}};
    const lb_term other = {.loss = ce, .weight = 1};
    const int32_t y[] = {2, 0, 1, 1};
    double zs[12], zt[12];

    fill(zs, 12, 3, 2);
    fill(zt, 12, 4, 2);
    bench t = open_bench(both, 2, 4, 3), a = open_bench(&one, 1, 4, 3),
          b = open_bench(&other, 1, 4, 3);
    const double first = run(&a, zs, zt, y, NULL), second = run(&b, zs, zt, y, NULL);
    CHECK_NEAR(run(&t, zs, zt, y, NULL), 0.9 * first + 0.1 * second, 1e-14);
    close_bench(&t);
    close_bench(&a);
    close_bench(&b);
}

static void what_a_loss_needs_must_be_there(void)
{
    const lb_term kd = {.loss = lb_loss_find("kd"), .weight = 1, .knobs = {4}};
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, 3);
    lb_value value[1];
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    const lb_loss_in in = {.logits.student = lb_input(&b, "student", LB_F32, &rows)};
    lb_terms_build(&b, &kd, 1, &in, value);
    CHECK(lb_builder_finish(&b, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "loss 'kd' needs a teacher");
    CHECK(lb_loss_find("kdd") == NULL);
    lb_graph_free(graph);
}

int main(void)
{
    RUN(golden_values_hold);
    RUN(centred_logits_are_twice_the_hot_limit);
    RUN(pytorch_agrees);
    RUN(gradients_are_derivatives);
    RUN(kd_keeps_its_identities);
    RUN(samples_without_a_label_take_no_part);
    RUN(ce_is_a_mean_over_the_labelled);
    RUN(kd_is_dkd_put_together);
    RUN(a_batch_four_times_over_is_worth_the_same);
    RUN(extreme_logits_have_finite_gradients);
    RUN(log_probabilities_teach_what_logits_do);
    RUN(two_standardised_logits_are_always_the_same);
    RUN(losses_refuse_what_they_cannot_work_on);
    RUN(terms_are_added_by_weight);
    RUN(what_a_loss_needs_must_be_there);
    return DONE();
}
