/* test_helper_losses.c: the losses that train layers of their own, in float64: PyTorch's
 * values and gradients by every layer and every parameter
 * (tests/golden/helper_losses.py), those gradients against finite differences, and
 * refusals. */
#include "distill/loss.h"

#include "engine/plan.h"
#include "tensor/npy.h"

#include <stdlib.h>

#include "check.h"

enum { MOST_PAIRS = 3, MOST_PARAMS = 64, BATCH = 9 };

/* The layers of a case, batched; [0] of both sides is the first pair. */
typedef struct sides {
    int n;
    lb_shape student[MOST_PAIRS], teacher[MOST_PAIRS];
} sides;

typedef struct bench {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_pair pair[MOST_PAIRS];
    lb_value labels, loss;
    lb_value by[MOST_PAIRS + MOST_PARAMS]; /* the student's layers, then the parameters */
    lb_value grad[MOST_PAIRS + MOST_PARAMS];
    int n, n_by;
} bench;

typedef struct setting {
    const char *name;
    double value;
} setting;

static lb_term term_of(const char *loss, const setting *set)
{
    lb_term term = lb_term_usual(lb_loss_find(loss), 1);

    for (int k = 0; lb_loss_knob(term.loss, k); k++)
        for (int i = 0; set && set[i].name; i++)
            if (strcmp(set[i].name, lb_loss_knob(term.loss, k)->name) == 0)
                term.knobs[k] = set[i].value;
    return term;
}

/* As helper_losses.py fills it. */
static void fill_param(const lb_value_info *info)
{
    const size_t length = strlen(info->name);
    const bool is_scale = length > 5 && strcmp(info->name + length - 5, "scale") == 0;
    int sum = 0;

    for (const char *c = info->name; *c; c++)
        sum += *c;
    for (size_t i = 0; i < info->tensor->n; i++)
        lb_tensor_put(info->tensor, i,
                      0.4 * sin(0.37 * (sum % 97) + 0.71 * (double)i) + is_scale);
}

static bench open_bench(const lb_term *term, const sides *s, lb_error *err)
{
    const lb_plan_options options = {.batch = BATCH, .kernels = LB_KERNELS_REFERENCE};
    bench w = {.n = s->n};
    lb_value value[1];
    lb_builder b;

    CHECK_OK(lb_pool_new(2, &w.pool, err), err);
    CHECK_OK(lb_graph_new(&w.graph, err), err);
    lb_builder_init(&b, w.graph);
    for (int i = 0; i < w.n; i++) {
        w.by[i] = lb_input(&b, "s", LB_F64, &s->student[i]);
        w.pair[i] = (lb_pair){w.by[i], lb_input(&b, "t", LB_F64, &s->teacher[i])};
    }
    const lb_loss_in in = {.hints = w.pair, .n_hints = w.n, .batch = BATCH, .seed = 3};
    w.loss = lb_terms_build(&b, term, 1, &in, value);
    w.n_by = w.n;
    for (int i = 1; i < w.graph->n_values; i++) {
        if (w.graph->values[i].kind != LB_VALUE_PARAM)
            continue;
        fill_param(&w.graph->values[i]);
        if (w.graph->values[i].trained && w.n_by < MOST_PAIRS + MOST_PARAMS)
            w.by[w.n_by++] = (lb_value){i};
    }
    lb_autodiff(&b, &lb_op_verbs, w.loss, w.by, w.n_by, w.grad);
    lb_output(&b, w.loss);
    for (int i = 0; i < w.n_by; i++)
        lb_output(&b, w.grad[i]);
    if (lb_builder_finish(&b, err) != LB_OK)
        return w;
    CHECK_OK(lb_graph_check(w.graph, err), err);
    CHECK_OK(lb_plan_compile(w.graph, w.pool, &options, &w.plan, err), err);
    return w;
}

static void close_bench(bench *w)
{
    lb_plan_free(w->plan);
    lb_graph_free(w->graph);
    lb_pool_free(w->pool);
}

static int row_of(const bench *w, lb_value v)
{
    const lb_shape *const shape = &lb_info(w->graph, v)->type.shape;
    int size = 1;

    for (int i = 1; i < shape->rank; i++)
        size *= shape->dim[i];
    return size;
}

/* Puts the batch in, and returns what is behind it. */
static const double *put(const bench *w, lb_value v, const double *x)
{
    const int row = row_of(w, v);

    for (int i = 0; i < BATCH; i++, x += row)
        memcpy(lb_plan_input(w->plan, v, i), x, (size_t)row * sizeof *x);
    return x;
}

/* x: all of the student's layers; t: all of the teacher's. */
static double run(const bench *w, const double *s, const double *t)
{
    for (int i = 0; i < w->n; i++) {
        s = put(w, w->pair[i].student, s);
        t = put(w, w->pair[i].teacher, t);
    }
    lb_plan_run(w->plan);
    return *(const double *)lb_plan_output(w->plan, w->loss, 0);
}

/* Element k of the gradient by by[i]. */
static double slope(const bench *w, int i, int k)
{
    const int row = i < w->n ? row_of(w, w->by[i]) : 0;

    if (row == 0)
        return ((const double *)lb_plan_output(w->plan, w->grad[i], 0))[k];
    return ((const double *)lb_plan_output(w->plan, w->grad[i], k / row))[k % row];
}

static int elements(const bench *w, int i)
{
    return i < w->n ? BATCH * row_of(w, w->by[i])
                    : (int)lb_info(w->graph, w->by[i])->tensor->n;
}

static lb_tensor *load(lb_arena *arena, const char *name)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/golden/%s", getenv("LB_SOURCE"), name);
    CHECK_OK(lb_npy_load(arena, path, 1 << 20, &t, &err), &err);
    return t;
}

/* As in helper_losses.py. */
static sides all_sides(int n)
{
    const int batch = (int)LB_BATCH;

    return (sides){.n = n,
                   .student = {lb_shape_of(4, batch, 3, 6, 4),
                               lb_shape_of(4, batch, 4, 3, 2), lb_shape_of(2, batch, 6)},
                   .teacher = {lb_shape_of(4, batch, 4, 6, 4),
                               lb_shape_of(4, batch, 2, 3, 3), lb_shape_of(2, batch, 5)}};
}

enum { OF_STUDENT = BATCH * (72 + 24 + 6), OF_TEACHER = BATCH * (96 + 18 + 5) };

typedef struct golden {
    const char *loss;
    setting set[5];
    int n; /* pairs */
} golden;

static const golden cases[] = {
    {"reviewkd", {{0}}, 3},
    {"reviewkd", {{"mid", 3}}, 2},
    {"ft", {{"form", 2}}, 1},
    {"ft", {{"form", 2}, {"rate", 1.25}, {"transfer", 2}, {"reconstruction", 3}}, 1},
    {"cc", {{"dimension", 5}}, 1},
    {"infonce", {{"dimension", 4}}, 1},
};

static void pytorch_agrees(void)
{
    lb_arena *const arena = lb_arena_new(0);

    if (!getenv("LB_SOURCE"))
        SKIP("LB_SOURCE is not set");
    const lb_tensor *const in = load(arena, "helper_in.npy");
    const lb_tensor *const out = load(arena, "helper_out.npy");
    CHECK(in && out && in->n == OF_STUDENT + OF_TEACHER);
    const double *want = out ? out->data : NULL;
    for (size_t c = 0; in && want && c < sizeof cases / sizeof *cases; c++) {
        const lb_term term = term_of(cases[c].loss, cases[c].set);
        const sides s = all_sides(cases[c].n);
        const double *const x = in->data;
        lb_error err = {0};
        bench w = open_bench(&term, &s, &err);
        printf("# %s: %d parameters %s\n", cases[c].loss, w.n_by - w.n, err.text);
        CHECK(w.plan != NULL);
        if (!w.plan)
            break;
        CHECK_NEAR(run(&w, x, x + OF_STUDENT), want[0], 1e-11 * (1 + fabs(want[0])));
        want++;
        for (int i = 0; i < w.n_by; i++)
            for (int k = 0; k < elements(&w, i); k++)
                CHECK_NEAR(slope(&w, i, k), *want++, 1e-11);
        close_bench(&w);
    }
    CHECK(out && want == (const double *)out->data + out->n);
    lb_arena_free(arena);
}

static void fill(double *x, int n, double at)
{
    for (int i = 0; i < n; i++)
        x[i] = sin(at + 1.7 * i + 0.013 * i * i);
}

/* The first and the last element of each parameter; each has some influence. No gradient
 * of ft's transfer flows into its paraphraser, though its value depends on it: each of
 * the two networks is tried by the part of the loss that trains it. */
static void gradients_are_derivatives(void)
{
    static const struct {
        golden of;
        const char *within; /* names of parameters */
    } tried[] = {
        {{"reviewkd", {{0}}, 3}, ""},
        {{"reviewkd", {{"mid", 3}}, 2}, ""},
        {{"ft", {{"form", 2}}, 1}, "translator"},
        {{"ft", {{"form", 2}, {"transfer", 0}}, 1}, "paraphraser"},
        {{"cc", {{"dimension", 5}}, 1}, ""},
        {{"infonce", {{"dimension", 4}}, 1}, ""},
    };
    static double s[OF_STUDENT], t[OF_TEACHER];
    const double h = 1e-6;

    fill(s, OF_STUDENT, 0.3);
    fill(t, OF_TEACHER, 1.1);
    for (size_t c = 0; c < sizeof tried / sizeof *tried; c++) {
        const lb_term term = term_of(tried[c].of.loss, tried[c].of.set);
        const sides shapes = all_sides(tried[c].of.n);
        lb_error err = {0};
        bench w = open_bench(&term, &shapes, &err);
        CHECK(w.plan != NULL && w.n_by > w.n);
        for (int i = w.n; w.plan && i < w.n_by; i++) {
            lb_tensor *const p = lb_info(w.graph, w.by[i])->tensor;
            double most = 0;
            if (!strstr(lb_info(w.graph, w.by[i])->name, tried[c].within))
                continue;
            for (size_t k = 0; k<p->n; k += p->n> 1 ? p->n - 1 : 1) {
                const double was = lb_tensor_get(p, k);
                run(&w, s, t);
                const double is = slope(&w, i, (int)k);
                for (size_t l = 0; l < p->n; l++)
                    most = fmax(most, fabs(slope(&w, i, (int)l)));
                lb_tensor_put(p, k, was + h);
                const double up = run(&w, s, t);
                lb_tensor_put(p, k, was - h);
                const double down = run(&w, s, t);
                lb_tensor_put(p, k, was);
                CHECK_NEAR(is, (up - down) / (2 * h), 1e-7 * (1 + fabs(is)));
            }
            if (most < 1e-9)
                printf("# %s is not trained\n", lb_info(w.graph, w.by[i])->name);
            CHECK(most > 1e-9);
        }
        close_bench(&w);
    }
}

static void check_refused(const char *loss, const setting *set, const sides *s,
                          const char *words)
{
    const lb_term term = term_of(loss, set);
    lb_error err = {0};
    bench w = open_bench(&term, s, &err);

    CHECK(w.plan == NULL);
    CHECK_TEXT(err.text, words);
    close_bench(&w);
}

/* The teacher's map of cc begins at random and stays: it has no gradient. */
static void the_teachers_map_stays(void)
{
    const setting mapped[] = {{"dimension", 8}, {0}};
    const lb_term term = term_of("cc", mapped);
    const sides s = all_sides(1);
    lb_error err = {0};
    bench w = open_bench(&term, &s, &err);
    const lb_value fixed = lb_graph_find(w.graph, "cc1/pair1/teacher/weight");
    const lb_value trained = lb_graph_find(w.graph, "cc1/pair1/student/weight");

    CHECK(fixed.id != 0 && !lb_info(w.graph, fixed)->trained);
    CHECK(trained.id != 0 && lb_info(w.graph, trained)->trained);
    close_bench(&w);
}

static void what_cannot_work_is_refused(void)
{
    const setting half[] = {{"mid", 2.5}, {0}};
    sides s = all_sides(2);

    check_refused("reviewkd", half, &s, "'mid' must be a whole number");
    s.student[0] = s.student[1];
    s.student[1] = all_sides(1).student[0];
    check_refused("reviewkd", NULL, &s,
                  "it goes back from the deepest layer, and a later one is larger here; "
                  "name the layers in the networks' order, or use 'hcl'");
    s = all_sides(2);
    s.teacher[1] = lb_shape_of(3, (int)LB_BATCH, 2, 9);
    check_refused("reviewkd", NULL, &s, "all with as many spatial axes");

    const setting part[] = {{"dimension", 2.5}, {0}};
    const setting factors[] = {{"form", 2}, {0}};
    s = all_sides(1);
    check_refused("cc", part, &s, "dimension must be a whole number, not 2.5");
    check_refused("infonce", part, &s, "use 128, or 0 for none");
    check_refused("infonce", NULL, &s, "both sides must have one shape");
    s.teacher[0] = lb_shape_of(4, (int)LB_BATCH, 4, 5, 4);
    check_refused("ft", factors, &s,
                  "whose planes are whole multiples of each other, and the layers are "
                  "[N,3,6,4] and [N,4,5,4]; name other layers, or use 'sp'");
}

int main(void)
{
    RUN(pytorch_agrees);
    RUN(gradients_are_derivatives);
    RUN(the_teachers_map_stays);
    RUN(what_cannot_work_is_refused);
    return DONE();
}
