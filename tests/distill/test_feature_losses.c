/* test_feature_losses.c: the losses over feature maps and embeddings, in float64: values
 * that were computed independently of this code, PyTorch's values and gradients on other
 * shapes (tests/golden/feature_losses.py), gradients against finite differences, the
 * identities that tie forms together, dead and degenerate inputs, and refusals. */
#include "distill/loss.h"

#include "base/rng.h"
#include "engine/plan.h"
#include "tensor/npy.h"

#include <stdlib.h>

#include "check.h"

enum { MOST_PAIRS = 4, MOST = 4096 };

/* A side of up to four layers, as plain arrays. */
typedef struct layer {
    lb_shape shape; /* [B,...] */
    double x[MOST];
} layer;

typedef struct bench {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_pair pair[MOST_PAIRS];
    lb_value labels, loss, grad;
    int batch, n;
} bench;

static lb_value add_layer(lb_builder *b, const char *name, const layer *l)
{
    lb_shape shape = l->shape;

    shape.dim[0] = LB_BATCH;
    return lb_input(b, name, LB_F64, &shape);
}

/* The loss over n pairs of layers, compiled with its gradient by the first student layer.
 * err: what it refuses with, if anything; t.plan is NULL then. */
static bench open_bench(const lb_term *term, const layer *s, const layer *t, int n,
                        bool labelled, lb_error *err)
{
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    bench w = {.batch = s[0].shape.dim[0], .n = n};
    lb_builder b;

    CHECK_OK(lb_pool_new(2, &w.pool, err), err);
    CHECK_OK(lb_graph_new(&w.graph, err), err);
    lb_builder_init(&b, w.graph);
    for (int i = 0; i < n; i++)
        w.pair[i] = (lb_pair){add_layer(&b, "student", &s[i]), add_layer(&b, "t", &t[i])};
    if (labelled)
        w.labels = lb_input(&b, "labels", LB_I32, &per_sample);
    const lb_loss_in in = {
        .hints = w.pair, .n_hints = n, .batch = w.batch, .labels = w.labels};
    lb_value value[1];
    w.loss = lb_terms_build(&b, term, 1, &in, value);
    lb_autodiff(&b, &lb_op_verbs, w.loss, &w.pair[0].student, 1, &w.grad);
    lb_output(&b, w.loss);
    lb_output(&b, w.grad);
    if (lb_builder_finish(&b, err) != LB_OK)
        return w;
    CHECK_OK(lb_graph_check(w.graph, err), err);
    const lb_plan_options options = {.batch = w.batch, .kernels = LB_KERNELS_REFERENCE};
    CHECK_OK(lb_plan_compile(w.graph, w.pool, &options, &w.plan, err), err);
    return w;
}

static void close_bench(bench *w)
{
    lb_plan_free(w->plan);
    lb_graph_free(w->graph);
    lb_pool_free(w->pool);
}

static int row_of(const layer *l)
{
    int size = 1;

    for (int i = 1; i < l->shape.rank; i++)
        size *= l->shape.dim[i];
    return size;
}

static void put(const bench *w, lb_value v, const layer *l)
{
    const int row = row_of(l);

    for (int i = 0; i < w->batch; i++)
        memcpy(lb_plan_input(w->plan, v, i), l->x + i * row,
               (size_t)row * sizeof(double));
}

static double run(const bench *w, const layer *s, const layer *t, const int32_t *labels,
                  double *grad)
{
    const int row = row_of(&s[0]);

    if (!w->plan)
        return NAN;
    for (int i = 0; i < w->n; i++) {
        put(w, w->pair[i].student, &s[i]);
        put(w, w->pair[i].teacher, &t[i]);
    }
    for (int i = 0; labels && i < w->batch; i++)
        *(int32_t *)lb_plan_input(w->plan, w->labels, i) = labels[i];
    lb_plan_run(w->plan);
    for (int i = 0; grad && i < w->batch; i++)
        memcpy(grad + i * row, lb_plan_output(w->plan, w->grad, i),
               (size_t)row * sizeof(double));
    return *(const double *)lb_plan_output(w->plan, w->loss, 0);
}

/* A term at its usual settings but for up to three "name" = value, ended by NULL. */
typedef struct setting {
    const char *name;
    double value;
} setting;

static lb_term term_of(const char *loss, const setting *set)
{
    lb_term term = {.loss = lb_loss_find(loss), .weight = 1};

    CHECK(term.loss != NULL);
    for (int k = 0; term.loss && term.loss->knobs && term.loss->knobs[k].name; k++) {
        term.knobs[k] = term.loss->knobs[k].usual;
        for (int i = 0; set && i < 3 && set[i].name; i++)
            if (strcmp(set[i].name, term.loss->knobs[k].name) == 0)
                term.knobs[k] = set[i].value;
    }
    return term;
}

static double value_of(const lb_term *term, const layer *s, const layer *t, int n,
                       double *grad)
{
    lb_error err = {0};
    bench w = open_bench(term, s, t, n, false, &err);
    const double value = run(&w, s, t, NULL, grad);

    if (!w.plan)
        printf("# %s\n", err.text);
    close_bench(&w);
    return value;
}

static double norm(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static int count(const layer *l)
{
    return l->shape.dim[0] * row_of(l);
}

/* The inputs of the independent computation. */
enum { FS, FT, FT3, GS, GT, ES, ET, ET6, KNOWN };

static double known(int which, int b, int c, int h, int w)
{
    switch (which) {
    case FS:
        return sin(.3 + .5 * b + .9 * c + .37 * h + .61 * w + .11 * b * c);
    case FT:
    case FT3:
        return cos(.2 + .4 * b + .7 * c + .45 * h + .53 * w + .13 * b * h);
    case GS:
        return sin(.8 + .3 * b + 1.1 * c + .7 * h + .4 * w);
    case GT:
        return cos(.5 + .6 * b + .9 * c + .2 * h + 1.0 * w);
    case ES:
        return sin(.4 + .9 * b + .6 * c);
    default:
        return cos(.1 + .7 * b + .5 * c);
    }
}

static void fill_known(layer *l, int which)
{
    static const int channels[] = {3, 5, 3, 2, 2, 6, 8, 6};
    const int c_n = channels[which], p = which <= FT3 ? 4 : which <= GT ? 2 : 1;
    int at = 0;

    l->shape = p > 1 ? lb_shape_of(4, 4, c_n, p, p) : lb_shape_of(2, 4, c_n);
    for (int b = 0; b < 4; b++)
        for (int c = 0; c < c_n; c++)
            for (int h = 0; h < p; h++)
                for (int w = 0; w < p; w++)
                    l->x[at++] = known(which, b, c, h, w);
}

static void golden_values_hold(void)
{
    static const struct {
        const char *loss;
        setting set[3];
        int student, teacher;
        double value, first, norm;
    } cases[] = {
        {"hint", {{0}}, FS, FT3, 0.7303076977, -0.00713069, 0.12334806},
        {"simkd", {{0}}, FS, FT3, 0.7303076977, -0.00713069, 0.12334806},
        {"at", {{"form", 1}}, FS, FT, 0.0009129494, 0.00000668, 0.00309853},
        {"at", {{"form", 2}}, FS, FT, 0.1129424304, 0.00054827, 0.20446027},
        {"hcl", {{0}}, FS, FT3, 0.6461194776, -0.00309911, 0.11055697},
        {"nst", {{0}}, FS, FT, 0.1268556316, 0.00197370, 0.06678021},
        {"fsp", {{0}}, FS, FT3, 0.1374829535, 0.00273645, 0.03178630},
        {"sp", {{"form", 1}}, FS, FT, 0.0002529456, -0.00041753, 0.00278648},
        {"pkt", {{"form", 1}}, ES, ET, 0.0041480467, -0.00770703, 0.02181848},
        {"rkd",
         {{"distance_weight", 1}, {"angle_weight", 0}},
         ES,
         ET,
         0.0035931098,
         -0.00459339,
         0.01513893},
        {"rkd",
         {{"distance_weight", 0}, {"angle_weight", 1}},
         ES,
         ET,
         0.0122534217,
         -0.01096509,
         0.04616214},
        {"cc", {{0}}, ES, ET, 0.0030345034, -0.00507156, 0.01321134},
        {"ab", {{"form", 1}}, FS, FT3, 56.6342358681, -0.35223990, 7.52557213},
        {"ft", {{0}}, FS, FT3, 0.1492056347, -0.00133336, 0.01282998},
        {"ft", {{"form", 1}}, FS, FT3, 0.0694861388, 0.00114163, 0.05006025},
        {"infonce",
         {{"temperature", 0.5}, {"symmetric", 0}},
         ES,
         ET6,
         0.9671176200,
         -0.01081717,
         0.25383111},
    };
    static layer in[KNOWN], s[2], t[2];
    static double grad[MOST];

    for (int i = 0; i < KNOWN; i++)
        fill_known(&in[i], i);
    s[1] = in[GS];
    t[1] = in[GT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lb_term term = term_of(cases[i].loss, cases[i].set);
        const int n = strcmp(cases[i].loss, "fsp") == 0 ? 2 : 1;
        s[0] = in[cases[i].student];
        t[0] = in[cases[i].teacher];
        printf("# %s\n", cases[i].loss);
        CHECK_NEAR(value_of(&term, s, t, n, grad), cases[i].value, 5.1e-11);
        CHECK_NEAR(grad[0], cases[i].first, 5.1e-9);
        CHECK_NEAR(norm(grad, count(&s[0])), cases[i].norm, 5.1e-9);
    }
}

/* One channel of a known map. */
static void fill_channel(layer *l, int which, int channel)
{
    int at = 0;

    l->shape = lb_shape_of(4, 4, 1, 4, 4);
    for (int b = 0; b < 4; b++)
        for (int h = 0; h < 4; h++)
            for (int w = 0; w < 4; w++)
                l->x[at++] = known(which, b, channel, h, w);
}

/* The known value has a margin for each channel, and channels add up. */
static void golden_overhaul_holds(void)
{
    static const double margins[] = {-.3, -.5, -.7};
    static layer s, t;
    static double grad[MOST];
    double value = 0, square = 0, first = 0;

    for (int c = 0; c < 3; c++) {
        const setting set[3] = {{"form", 1}, {"margin", margins[c]}};
        const lb_term term = term_of("ofd", set);
        fill_channel(&s, FS, c);
        fill_channel(&t, FT3, c);
        value += value_of(&term, &s, &t, 1, grad);
        square += pow(norm(grad, count(&s)), 2);
        first = c == 0 ? grad[0] : first;
    }
    CHECK_NEAR(value, 21.9789661136, 5.1e-11);
    CHECK_NEAR(first, -0.34227319, 5.1e-9);
    CHECK_NEAR(sqrt(square), 4.68817300, 5.1e-9);
}

static void fill(layer *l, lb_shape shape, uint64_t seed, double size)
{
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);

    l->shape = shape;
    for (int i = 0; i < count(l); i++)
        l->x[i] = size * lb_rng_normal(&rng);
}

/* What every loss is tried on: shapes that it takes. */
typedef struct sample {
    const char *loss;
    setting set[3];
    int n;
    int student[5], teacher[5]; /* rank, then the axes behind the batch */
} sample;

static const sample samples[] = {
    {"hint", {{0}}, 1, {4, 3, 2, 3}, {4, 3, 2, 3}},
    {"at", {{0}}, 1, {4, 3, 2, 3}, {4, 5, 4, 3}},
    {"at", {{"power", 3}}, 2, {4, 3, 4, 6}, {4, 2, 2, 2}},
    {"at", {{"form", 2}, {"power", 1}}, 1, {3, 4, 6}, {3, 2, 3}},
    {"sp", {{0}}, 1, {4, 3, 2, 2}, {2, 9}},
    {"pkt", {{0}}, 1, {2, 5}, {2, 9}},
    {"nst", {{0}}, 1, {4, 6, 2, 2}, {4, 9, 2, 2}},
    {"nst", {{0}}, 2, {4, 2, 3, 4}, {4, 1, 3, 4}},
    {"gram", {{0}}, 1, {4, 3, 2, 4}, {4, 3, 4, 4}},
    {"hcl", {{0}}, 2, {4, 2, 4, 6}, {4, 2, 4, 6}},
    {"fsp", {{0}}, 3, {4, 3, 2, 4}, {4, 3, 4, 4}},
    {"rkd", {{0}}, 1, {2, 5}, {2, 7}},
    {"cc", {{0}}, 1, {2, 5}, {2, 7}},
    {"cc", {{"gamma", 1}, {"order", 3}}, 1, {2, 5}, {2, 7}},
    {"infonce", {{0}}, 1, {2, 5}, {2, 5}},
    {"ab", {{0}}, 1, {4, 3, 2, 2}, {4, 3, 2, 2}},
    {"ofd", {{0}}, 2, {4, 3, 2, 2}, {4, 3, 2, 2}},
    {"ft", {{0}}, 1, {4, 3, 2, 2}, {4, 3, 2, 2}},
    {"ft", {{"form", 1}}, 1, {4, 3, 2, 2}, {4, 2, 4, 2}},
    {"simkd", {{0}}, 1, {4, 3, 2, 3}, {4, 3, 2, 3}},
};
enum { N_SAMPLES = sizeof samples / sizeof *samples };

static lb_shape with_batch(const int *spec, int batch)
{
    lb_shape shape = {.rank = spec[0], .dim = {batch}};

    for (int i = 1; i < spec[0]; i++)
        shape.dim[i] = spec[i];
    return shape;
}

static void fill_sample(const sample *c, int batch, layer *s, layer *t)
{
    for (int i = 0; i < c->n; i++) {
        fill(&s[i], with_batch(c->student, batch), 20 + (uint64_t)i, 1);
        fill(&t[i], with_batch(c->teacher, batch), 40 + (uint64_t)i, 1.3);
    }
}

static void check_gradient(const sample *c, int batch)
{
    static layer s[MOST_PAIRS], t[MOST_PAIRS];
    static double grad[MOST];
    const lb_term term = term_of(c->loss, c->set);
    const double h = 1e-6;
    lb_error err = {0};

    fill_sample(c, batch, s, t);
    bench w = open_bench(&term, s, t, c->n, false, &err);
    const double value = run(&w, s, t, NULL, grad);
    printf("# %s, batch %d: %.6g %s\n", c->loss, batch, value, err.text);
    CHECK(isfinite(value));
    for (int k = 0; k < count(&s[0]) && w.plan; k += 1 + count(&s[0]) / 40) {
        const double was = s[0].x[k];
        s[0].x[k] = was + h;
        const double up = run(&w, s, t, NULL, NULL);
        s[0].x[k] = was - h;
        const double down = run(&w, s, t, NULL, NULL);
        s[0].x[k] = was;
        CHECK_NEAR(grad[k], (up - down) / (2 * h), 2e-7 * (1 + fabs(value)));
    }
    close_bench(&w);
}

static bool is_tried(const lb_loss *loss)
{
    for (int i = 0; i < N_SAMPLES; i++)
        if (strcmp(samples[i].loss, loss->name) == 0)
            return true;
    return (loss->needs & (LB_NEEDS_HINTS | LB_NEEDS_HELPER)) != LB_NEEDS_HINTS;
}

static void gradients_are_derivatives(void)
{
    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        CHECK(is_tried(*loss));
    for (int i = 0; i < N_SAMPLES; i++)
        for (int batch = 1; batch <= 5; batch += 2)
            check_gradient(&samples[i], batch);
    check_gradient(&samples[4], 18); /* more than one group of samples */
    check_gradient(&samples[11], 18);
    check_gradient(&samples[14], 18);
}

static void a_dead_layer_is_no_division_by_zero(void)
{
    static layer s[MOST_PAIRS], t[MOST_PAIRS];
    static double grad[MOST];

    for (int i = 0; i < N_SAMPLES; i++)
        for (int dead = 1; dead < 4; dead++) {
            const lb_term term = term_of(samples[i].loss, samples[i].set);
            fill_sample(&samples[i], 5, s, t);
            for (int k = 0; k < samples[i].n; k++) {
                if (dead & 1)
                    memset(s[k].x, 0, sizeof s[k].x);
                if (dead & 2)
                    memset(t[k].x, 0, sizeof t[k].x);
            }
            CHECK(isfinite(value_of(&term, s, t, samples[i].n, grad)));
            for (int k = 0; k < count(&s[0]); k++)
                CHECK(isfinite(grad[k]) && fabs(grad[k]) < 1e3);
        }
}

/* Losses that look at each sample alone: the same batch four times is the same number. */
static void a_batch_repeated_weighs_the_same(void)
{
    static const char *const alone[] = {"hint", "at", "nst", "gram",
                                        "fsp",  "ab", "ofd", "ft"};
    static layer s[MOST_PAIRS], t[MOST_PAIRS], many_s[MOST_PAIRS], many_t[MOST_PAIRS];

    for (int i = 0; i < N_SAMPLES; i++)
        for (size_t a = 0; a < sizeof alone / sizeof *alone; a++) {
            if (strcmp(alone[a], samples[i].loss) != 0)
                continue;
            const lb_term term = term_of(samples[i].loss, samples[i].set);
            const int n = samples[i].n;
            fill_sample(&samples[i], 3, s, t);
            fill_sample(&samples[i], 12, many_s, many_t);
            for (int k = 0; k < n; k++)
                for (int r = 0; r < 4; r++) {
                    const int ns = count(&s[k]), nt = count(&t[k]);
                    memcpy(many_s[k].x + r * ns, s[k].x, (size_t)ns * sizeof(double));
                    memcpy(many_t[k].x + r * nt, t[k].x, (size_t)nt * sizeof(double));
                }
            const double once = value_of(&term, s, t, n, NULL);
            CHECK(once > 1e-6);
            CHECK_NEAR(value_of(&term, many_s, many_t, n, NULL), once, 1e-13 * once);
        }
}

/* Several pairs of layers are summed; but fsp looks from one pair to the next. */
static void pairs_are_added_up(void)
{
    static layer s[MOST_PAIRS], t[MOST_PAIRS];

    for (int i = 0; i < N_SAMPLES; i++) {
        const lb_term term = term_of(samples[i].loss, samples[i].set);
        if (strcmp(samples[i].loss, "fsp") == 0)
            continue;
        fill_sample(&samples[i], 9, s, t);
        s[1] = s[0];
        t[1] = t[0];
        for (int k = 0; k < count(&s[1]); k++)
            s[1].x[k] = cos(0.3 + 1.7 * s[1].x[k] + 0.01 * k);
        const double first = value_of(&term, s, t, 1, NULL);
        const double second = value_of(&term, s + 1, t + 1, 1, NULL);
        CHECK(fabs(first) > 1e-9 && fabs(second) > 1e-9);
        CHECK_NEAR(value_of(&term, s, t, 2, NULL), first + second,
                   1e-13 * (fabs(first) + fabs(second)));
    }
}

/* form: per-sample is form: published times a constant. */
static void forms_differ_by_their_factor(void)
{
    static const struct {
        const char *loss;
        double factor;
    } cases[] = {{"sp", 5}, {"pkt", 5}, {"at", 12}, {"ab", 1.0 / 36}, {"ofd", 1.0 / 36}};
    static layer s, t;

    fill(&s, lb_shape_of(4, 5, 3, 3, 4), 1, 1);
    fill(&t, lb_shape_of(4, 5, 3, 3, 4), 2, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const setting published[3] = {{"form", 1}};
        const lb_term usual = term_of(cases[i].loss, NULL);
        const lb_term other = term_of(cases[i].loss, published);
        const double want = cases[i].factor * value_of(&other, &s, &t, 1, NULL);
        CHECK_NEAR(value_of(&usual, &s, &t, 1, NULL), want, 1e-14 * fabs(want));
    }
}

/* Every channel `times` times: A^T A / C, and with it the loss, is as it was, but the
 * other of the two formulas is the cheaper one then. */
static void both_forms_of_nst_are_one(void)
{
    static layer s, t, wide_s, wide_t;
    const lb_term term = term_of("nst", NULL);
    const int places = 6, times = 8;

    fill(&s, lb_shape_of(4, 3, 2, 2, 3), 1, 1);
    fill(&t, lb_shape_of(4, 3, 3, 2, 3), 2, 1);
    wide_s.shape = lb_shape_of(4, 3, 2 * times, 2, 3);
    wide_t.shape = lb_shape_of(4, 3, 3 * times, 2, 3);
    for (int i = 0; i < count(&wide_s); i++)
        wide_s.x[i] = s.x[i / (places * times) * places + i % places];
    for (int i = 0; i < count(&wide_t); i++)
        wide_t.x[i] = t.x[i / (places * times) * places + i % places];
    const double narrow = value_of(&term, &s, &t, 1, NULL);
    CHECK(narrow > 0.01);
    CHECK_NEAR(value_of(&term, &wide_s, &wide_t, 1, NULL), narrow, 1e-13);
}

/* Equal sides cost nothing, where the loss is a distance. */
static void equal_layers_cost_nothing(void)
{
    static layer s[MOST_PAIRS], t[MOST_PAIRS];

    for (int i = 0; i < N_SAMPLES; i++) {
        const char *const loss = samples[i].loss;
        if (strcmp(loss, "ab") == 0 || strcmp(loss, "ofd") == 0 ||
            strcmp(loss, "infonce") == 0)
            continue;
        const lb_term term = term_of(loss, samples[i].set);
        fill_sample(&samples[i], 5, s, t);
        CHECK_NEAR(value_of(&term, s, s, samples[i].n, NULL), 0, 1e-14);
    }
}

static void same_class_is_not_held_against(void)
{
    static layer s, t, two_s, two_t;
    const lb_term term = term_of("infonce", NULL);
    const int32_t none[] = {-1, -1, -1}, own[] = {0, 1, 2}, pair[] = {4, 4, 1};
    lb_error err = {0};

    fill(&s, lb_shape_of(2, 3, 5), 1, 1);
    fill(&t, lb_shape_of(2, 3, 5), 2, 1);
    bench w = open_bench(&term, &s, &t, 1, true, &err);
    const double plain = value_of(&term, &s, &t, 1, NULL);
    CHECK_NEAR(run(&w, &s, &t, none, NULL), plain, 1e-14);
    CHECK_NEAR(run(&w, &s, &t, own, NULL), plain, 1e-14);

    /* samples 0 and 1 do not see each other: two batches of two, and sample 2 sees all */
    const double masked = run(&w, &s, &t, pair, NULL);
    const setting one_way[3] = {{"symmetric", 0}};
    const lb_term there = term_of("infonce", one_way);
    double cosine[3][3], want = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double dot = 0;
            for (int k = 0; k < 5; k++)
                dot += s.x[i * 5 + k] * t.x[j * 5 + k];
            cosine[i][j] = dot / norm(s.x + i * 5, 5) / norm(t.x + j * 5, 5) / 0.1;
        }
    for (int back = 0; back < 2; back++)
        for (int i = 0; i < 3; i++) {
            double sum = 0;
            for (int j = 0; j < 3; j++)
                if (i == j || pair[i] != pair[j])
                    sum += exp(back ? cosine[j][i] : cosine[i][j]);
            want += (log(sum) - cosine[i][i]) / 6;
        }
    CHECK_NEAR(masked, want, 1e-13);
    CHECK(fabs(masked - plain) > 1e-3);

    /* swapped sides, symmetric: the same */
    two_s = t;
    two_t = s;
    CHECK_NEAR(value_of(&term, &two_s, &two_t, 1, NULL), plain, 1e-14);
    CHECK(fabs(value_of(&there, &two_s, &two_t, 1, NULL) -
               value_of(&there, &s, &t, 1, NULL)) > 1e-6);
    close_bench(&w);
}

/* Sets a parameter of a loss; as a matrix `x` on the diagonal, else everywhere. */
static void set_param(const lb_graph *graph, const char *name, double x)
{
    const lb_value v = lb_graph_find(graph, name);
    lb_tensor *const t = lb_info(graph, v)->tensor;

    CHECK(v.id != 0 && t != NULL);
    if (!t)
        return;
    const size_t k = t->shape.rank == 4 ? (size_t)t->shape.dim[1] : 1;
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, t->shape.rank < 4 || i / k == i % k ? x : 0);
}

/* With convolutions that pass everything on (lifted above Relu's corner by biases, and
 * back) the mean is the student's map, and the variance is 5 at first. */
static void golden_vid_holds(void)
{
    static layer s, t;
    static double grad[MOST];
    const lb_term term = term_of("vid", NULL);
    lb_error err = {0};

    fill_known(&s, FS);
    fill_known(&t, FT3);
    bench w = open_bench(&term, &s, &t, 1, false, &err);
    set_param(w.graph, "vid1/pair1/conv1/weight", 1);
    set_param(w.graph, "vid1/pair1/conv2/weight", 1);
    set_param(w.graph, "vid1/pair1/conv3/weight", 1);
    set_param(w.graph, "vid1/pair1/conv1/bias", 2);
    set_param(w.graph, "vid1/pair1/conv3/bias", -2);
    CHECK_NEAR(run(&w, &s, &t, NULL, grad), 0.8777497260, 5.1e-11);
    CHECK_NEAR(grad[0], -0.00071307, 5.1e-9);
    CHECK_NEAR(norm(grad, count(&s)), 0.01233481, 5.1e-9);
    close_bench(&w);
}

/* Every parameter of vid has a gradient, the variances too, and it is the derivative. */
static void vid_trains_what_it_brings(void)
{
    static const char *const names[] = {"conv1/weight", "conv1/bias",   "conv2/weight",
                                        "conv2/bias",   "conv3/weight", "conv3/bias",
                                        "variance"};
    enum { N = sizeof names / sizeof *names };
    static layer s[2], t[2];
    const lb_shape student = lb_shape_of(4, (int)LB_BATCH, 3, 2, 4);
    const lb_shape teacher = lb_shape_of(4, (int)LB_BATCH, 2, 4, 4);
    const lb_term term = term_of("vid", NULL);
    lb_value value[1], param[N], grad[N];
    lb_graph *graph = NULL;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};
    lb_builder b;

    fill(&s[0], lb_shape_of(4, 5, 3, 2, 4), 1, 1);
    fill(&t[0], lb_shape_of(4, 5, 2, 4, 4), 2, 1);
    CHECK_OK(lb_pool_new(2, &pool, &err), &err);
    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    const lb_pair pair = {lb_input(&b, "s", LB_F64, &student),
                          lb_input(&b, "t", LB_F64, &teacher)};
    const lb_loss_in in = {.hints = &pair, .n_hints = 1, .batch = 5, .seed = 3};
    const lb_value loss = lb_terms_build(&b, &term, 1, &in, value);
    for (int i = 0; i < N; i++) {
        char name[64];
        snprintf(name, sizeof name, "vid1/pair1/%s", names[i]);
        param[i] = lb_graph_find(graph, name);
    }
    lb_autodiff(&b, &lb_op_verbs, loss, param, N, grad);
    lb_output(&b, loss);
    for (int i = 0; i < N; i++)
        lb_output(&b, grad[i]);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    const lb_plan_options options = {.batch = 5, .kernels = LB_KERNELS_REFERENCE};
    CHECK_OK(lb_plan_compile(graph, pool, &options, &plan, &err), &err);
    const bench w = {
        .graph = graph, .plan = plan, .pair = {pair}, .loss = loss, .batch = 5, .n = 1};
    set_param(graph, "vid1/pair1/conv1/bias", 0.1); /* off the corners of Relu */
    set_param(graph, "vid1/pair1/conv2/bias", 0.1);
    run(&w, s, t, NULL, NULL);
    for (int i = 0; i < N && plan; i++) {
        const double is = *(const double *)lb_plan_output(plan, grad[i], 0), h = 1e-6;
        lb_tensor *const p = lb_info(graph, param[i])->tensor;
        const double was = lb_tensor_get(p, 0);
        lb_tensor_put(p, 0, was + h);
        const double up = run(&w, s, t, NULL, NULL);
        lb_tensor_put(p, 0, was - h);
        const double down = run(&w, s, t, NULL, NULL);
        lb_tensor_put(p, 0, was);
        run(&w, s, t, NULL, NULL);
        printf("# %s\n", names[i]);
        CHECK_NEAR(is, (up - down) / (2 * h), 1e-7);
        CHECK(fabs(is) > 1e-6);
    }
    lb_plan_free(plan);
    lb_graph_free(graph);
    lb_pool_free(pool);
}

static void check_refusal(const char *loss, const int *student, const int *teacher, int n,
                          int batch, const char *reason, const char *substitute)
{
    static layer s[MOST_PAIRS], t[MOST_PAIRS];
    const lb_term term = term_of(loss, NULL);
    lb_error err = {0};

    for (int i = 0; i < n; i++) {
        s[i].shape = with_batch(student, batch);
        t[i].shape = with_batch(teacher, batch);
    }
    bench w = open_bench(&term, s, t, n, false, &err);
    CHECK(w.plan == NULL);
    CHECK_TEXT(err.text, reason);
    CHECK_TEXT(err.text, substitute);
    close_bench(&w);
}

static void what_cannot_work_is_refused(void)
{
    static const int row[] = {2, 6}, wide[] = {2, 8}, dot[] = {4, 6, 1, 1};
    static const int map[] = {4, 6, 4, 4}, other[] = {4, 6, 3, 4}, thin[] = {4, 5, 4, 4};

    check_refusal("at", row, row, 1, 4, "compares places", "use 'sp' or 'pkt'");
    check_refusal("at", dot, dot, 1, 4, "always alike", "use 'sp' or 'pkt'");
    check_refusal("at", map, other, 1, 4, "whole multiple", "use 'sp' or 'pkt'");
    check_refusal("nst", map, dot, 1, 4, "always alike", "use 'sp' or 'pkt'");
    check_refusal("gram", map, thin, 1, 4, "as many channels", "use 'nst'");
    check_refusal("gram", row, row, 1, 4, "channels of feature maps", "use 'sp'");
    check_refusal("fsp", map, map, 1, 4, "only one pair", "use 'gram'");
    check_refusal("fsp", map, thin, 2, 4, "as many channels", "use 'nst'");
    check_refusal("ab", map, thin, 1, 4, "one shape", "use 'sp'");
    check_refusal("ofd", map, other, 1, 4, "one shape", "use 'sp'");
    check_refusal("ft", map, thin, 1, 4, "one shape", "use 'sp'");
    check_refusal("infonce", row, wide, 1, 4, "one shape", "use 'sp'");
    check_refusal("rkd", row, wide, 1, 257, "257 is more than 256", "use 'pkt'");
}

static lb_tensor *load(lb_arena *arena, const char *name)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/golden/%s", getenv("LB_SOURCE"), name);
    CHECK_OK(lb_npy_load(arena, path, 1 << 22, &t, &err), &err);
    return t;
}

static void take(layer *l, lb_shape shape, const double *x)
{
    l->shape = shape;
    CHECK(count(l) <= MOST);
    memcpy(l->x, x, (size_t)count(l) * sizeof(double));
}

/* feature_in.npy: the arrays one behind the other; feature_out.npy: for each case its
 * value, then its gradient by the first student array. Shapes and cases are those of
 * tests/golden/feature_losses.py. */
static void pytorch_agrees(void)
{
    static const struct {
        const char *loss;
        setting set[3];
        int n;
        bool rows;
    } cases[] = {
        {"hint", {{0}}, 1, false},
        {"at", {{"form", 1}}, 1, false},
        {"at", {{"form", 1}, {"power", 3}}, 1, false},
        {"at", {{"form", 2}}, 1, false},
        {"sp", {{"form", 1}}, 1, false},
        {"nst", {{0}}, 1, false},
        {"gram", {{0}}, 1, false},
        {"hcl", {{0}}, 1, false},
        {"fsp", {{0}}, 2, false},
        {"ab", {{"form", 1}, {"margin", 0.7}}, 1, false},
        {"ofd", {{"form", 1}}, 1, false},
        {"ft", {{0}}, 1, false},
        {"ft", {{"form", 1}}, 1, false},
        {"pkt", {{"form", 1}}, 1, true},
        {"rkd", {{0}}, 1, true},
        {"cc", {{"gamma", 0.9}, {"order", 2}}, 1, true},
        {"infonce", {{0}}, 1, true},
    };
    static layer map_s[2], map_t[2], row_s, row_t;
    static double grad[MOST];
    lb_arena *const arena = lb_arena_new(0);
    const lb_tensor *const in =
        getenv("LB_SOURCE") ? load(arena, "feature_in.npy") : NULL;
    const lb_tensor *const out =
        getenv("LB_SOURCE") ? load(arena, "feature_out.npy") : NULL;

    if (!getenv("LB_SOURCE"))
        SKIP("LB_SOURCE is not set");
    if (in && out) {
        const double *x = in->data, *want = out->data;
        take(&map_s[0], lb_shape_of(4, 9, 4, 6, 4), x);
        take(&map_t[0], lb_shape_of(4, 9, 4, 6, 4), x += count(&map_s[0]));
        take(&map_s[1], lb_shape_of(4, 9, 3, 3, 2), x += count(&map_t[0]));
        take(&map_t[1], lb_shape_of(4, 9, 3, 3, 2), x += count(&map_s[1]));
        take(&row_s, lb_shape_of(2, 9, 7), x += count(&map_t[1]));
        take(&row_t, lb_shape_of(2, 9, 7), x += count(&row_s));
        CHECK(x + count(&row_t) == (const double *)in->data + in->n);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const lb_term term = term_of(cases[i].loss, cases[i].set);
            const layer *const s = cases[i].rows ? &row_s : map_s;
            const layer *const t = cases[i].rows ? &row_t : map_t;
            const int n = count(s);
            printf("# %s\n", cases[i].loss);
            CHECK_NEAR(value_of(&term, s, t, cases[i].n, grad), want[0],
                       1e-12 * (1 + fabs(want[0])));
            for (int k = 0; k < n; k++)
                CHECK_NEAR(grad[k], want[1 + k], 1e-12);
            want += 1 + n;
        }
        CHECK(want == (const double *)out->data + out->n);
    }
    lb_arena_free(arena);
}

/* Two pairs of layers of one shape, unlike in their numbers. */
static void fill_pairs(layer s[2], layer t[2], const lb_shape *shape)
{
    for (int k = 0; k < 2; k++) {
        s[k].shape = t[k].shape = *shape;
        for (int i = 0; i < count(&s[k]); i++) {
            s[k].x[i] = sin(0.7 * i + k);
            t[k].x[i] = cos(0.3 * i + 2 * k) - 0.2;
        }
    }
}

static const setting published_form[] = {{"form", 1}, {0}};

/* A published weight means the same whichever way the loss is written down; with the
 * batch that it was found with, where it depends on that. */
static void a_preset_means_the_same_in_both_forms(void)
{
    static layer s[2], t[2];
    lb_tap tap[2];
    int n = 0;

    for (const lb_loss *const *loss = lb_losses; *loss; loss++)
        for (const lb_preset *p = (*loss)->presets; p && p->name; p++) {
            if (!p->form || strcmp(p->form, "published") != 0)
                continue;
            const lb_shape shape = p->unit == LB_PRESET_BATCH
                                       ? lb_shape_of(2, p->batch, 6)
                                       : lb_shape_of(4, 3, 5, 4, 6);
            lb_term per_sample = term_of((*loss)->name, NULL);
            lb_term published = term_of((*loss)->name, published_form);
            fill_pairs(s, t, &shape);
            for (int k = 0; k < 2; k++)
                tap[k] = (lb_tap){.student_shape = shape, .teacher_shape = shape};
            per_sample.preset = published.preset = p;
            per_sample.taps.tap = published.taps.tap = tap;
            per_sample.taps.n = published.taps.n = 2;
            CHECK(lb_preset_fits(p, &per_sample) && lb_preset_fits(p, &published));
            CHECK(lb_preset_weigh(&per_sample) && lb_preset_weigh(&published));
            CHECK_NEAR(published.weight, p->averages ? p->weight / 2 : p->weight, 0);
            CHECK(per_sample.weight != published.weight);
            per_sample.taps.n = published.taps.n = 0; /* the bench hands its own over */
            const double a = value_of(&per_sample, s, t, 2, NULL);
            const double b = value_of(&published, s, t, 2, NULL);
            if (!(fabs(a - b) <= 1e-9 * fabs(a)))
                printf("# %s of %s: %.9g and %.9g\n", p->name, (*loss)->name, a, b);
            CHECK(a > 0 && fabs(a - b) <= 1e-9 * fabs(a));
            n++;
        }
    CHECK(n >= 10);
}

/* The table that the losses were designed by, to three digits. */
static void presets_are_the_known_numbers(void)
{
    static const struct {
        const char *loss, *preset;
        int side;
        double weight;
    } cases[] = {{"sp", "repdistiller", 0, 46.9},  {"pkt", "repdistiller", 0, 469},
                 {"at", "repdistiller", 32, 0.98}, {"at", "repdistiller", 16, 3.9},
                 {"at", "torchdistill", 8, 15.6},  {"hint", "repdistiller", 0, 100},
                 {"kd", "mdistiller", 0, 0.9},     {"ofd", "mdistiller", 8, 1.02},
                 {"sp", "kd-zoo", 8, 23.4}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int side = cases[i].side;
        lb_term term = term_of(cases[i].loss, NULL);
        /* the larger plane is pooled down; the student's channels are adapted */
        const lb_tap tap = {.student_shape = lb_shape_of(4, (int)LB_BATCH, 3, side, side),
                            .teacher_shape =
                                lb_shape_of(4, (int)LB_BATCH, 16, 2 * side, 2 * side)};
        term.preset = lb_preset_find(term.loss, cases[i].preset);
        CHECK(term.preset != NULL);
        if (!term.preset)
            continue;
        term.taps.tap = &tap;
        term.taps.n = side > 0;
        CHECK(lb_preset_weigh(&term));
        CHECK_NEAR(term.weight, cases[i].weight, 0.006 * cases[i].weight);
    }
}

/* Maps of several sizes, what is not known yet, and a form that has no weight. */
static void presets_wait_for_their_layers(void)
{
    static const setting paper[] = {{"form", 2}, {0}};
    const lb_tap tap[] = {
        {.student_shape = lb_shape_of(4, (int)LB_BATCH, 8, 16, 16),
         .teacher_shape = lb_shape_of(4, (int)LB_BATCH, 8, 16, 16)},
        {.student_shape = lb_shape_of(4, (int)LB_BATCH, 8, 8, 8),
         .teacher_shape = lb_shape_of(4, (int)LB_BATCH, 8, 8, 8)},
    };
    lb_term term = term_of("at", NULL), other = term_of("at", paper);
    char text[LB_PRESET_TEXT];

    term.preset = lb_preset_find(term.loss, "kd-zoo");
    CHECK(!lb_preset_weigh(&term) && !term.weighed && term.weight == 1000);
    CHECK_TEXT(lb_preset_text(&term, text), "1000 over the places of the layers");
    term.taps.tap = tap;
    term.taps.n = 2;
    term.weight_ramp.on = true;
    CHECK(lb_preset_weigh(&term) && term.weighed);
    CHECK_NEAR(term.weight, 1000 * (1.0 / 256 + 1.0 / 64) / 2 / 2, 1e-12);
    CHECK(term.weight_ramp.to == term.weight);
    CHECK_TEXT(lb_preset_text(&term, text), "over the 64 to 256 places of the maps");
    CHECK_TEXT(text, "over 2 pairs of layers");
    CHECK(!lb_preset_fits(term.preset, &other));
    CHECK(!lb_preset_find(term.loss, "nobody"));
    CHECK(!lb_preset_find(lb_loss_find("ce"), "repdistiller"));
}

int main(void)
{
    RUN(a_preset_means_the_same_in_both_forms);
    RUN(presets_are_the_known_numbers);
    RUN(presets_wait_for_their_layers);
    RUN(golden_values_hold);
    RUN(golden_overhaul_holds);
    RUN(pytorch_agrees);
    RUN(gradients_are_derivatives);
    RUN(a_dead_layer_is_no_division_by_zero);
    RUN(a_batch_repeated_weighs_the_same);
    RUN(pairs_are_added_up);
    RUN(forms_differ_by_their_factor);
    RUN(both_forms_of_nst_are_one);
    RUN(equal_layers_cost_nothing);
    RUN(same_class_is_not_held_against);
    RUN(golden_vid_holds);
    RUN(vid_trains_what_it_brings);
    RUN(what_cannot_work_is_refused);
    return DONE();
}
