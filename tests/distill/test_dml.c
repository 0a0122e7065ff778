/* test_dml.c: deep mutual learning: the value by hand from what the networks answer, the
 * gradient by its formula, and peers that are networks of their own. */
#include "distill/loss.h"
#include "engine/plan.h"

#include <math.h>
#include <string.h>

#include "check.h"

enum { B = 5, IN = 3, HIDDEN = 6, C = 4, MOST_NETS = 4 };

typedef struct school {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_value x, labels, loss, grad, logits[MOST_NETS];
    int nets;
    double t;
} school;

static lb_value weight(lb_builder *b, const char *name, int rows, int columns)
{
    const lb_shape shape = lb_shape_of(2, rows, columns);
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, LB_F64, &shape, &t, &b->error) != LB_OK)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, sin(0.7 + 1.3 * (double)i));
    return lb_param(b, name, t);
}

static lb_value bias(lb_builder *b, const char *name, int n)
{
    const lb_shape shape = lb_shape_of(1, n);
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, LB_F64, &shape, &t, &b->error) != LB_OK)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, 0.3);
    return lb_param(b, name, t);
}

/* Two layers, and the loss over them. */
static school open_school(int peers, double t)
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, IN);
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH);
    const lb_loss *const dml = lb_loss_find("dml");
    school s = {.nets = 1 + peers, .t = t};
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_pool_new(2, &s.pool, &err), &err);
    CHECK_OK(lb_graph_new(&s.graph, &err), &err);
    lb_builder_init(&b, s.graph);
    s.x = lb_input(&b, "x", LB_F64, &rows);
    s.labels = lb_input(&b, "labels", LB_I32, &per_sample);
    const lb_value w1 = weight(&b, "w1", HIDDEN, IN), b1 = bias(&b, "b1", HIDDEN);
    const lb_value w2 = weight(&b, "w2", C, HIDDEN), b2 = bias(&b, "b2", C);
    const lb_value h = lb_gemm(&b, s.x, w1, b1, false, true, "first");
    s.logits[0] = lb_gemm(&b, lb_relu(&b, h, "relu"), w2, b2, false, true, "second");
    const double knobs[LB_MAX_KNOBS] = {peers, t};
    const lb_loss_in in = {.logits.student = s.logits[0],
                           .labels = s.labels,
                           .batch = B,
                           .knobs = knobs,
                           .seed = 9,
                           .scope = "dml1"};
    s.loss = dml->build(&b, &in);
    lb_autodiff(&b, &lb_op_verbs, s.loss, &s.logits[0], 1, &s.grad);
    lb_output(&b, s.loss);
    lb_output(&b, s.grad);
    lb_output(&b, s.logits[0]);
    for (int i = 1; i < s.nets; i++) {
        char name[64];
        snprintf(name, sizeof name, "dml1/peer%d/second", i);
        for (int n = 0; n < s.graph->n_nodes; n++)
            if (strcmp(s.graph->nodes[n].name, name) == 0)
                s.logits[i] = s.graph->nodes[n].out[0];
        CHECK(s.logits[i].id != 0);
        lb_output(&b, s.logits[i]);
    }
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_graph_check(s.graph, &err), &err);
    const lb_plan_options options = {.batch = B, .kernels = LB_KERNELS_REFERENCE};
    CHECK_OK(lb_plan_compile(s.graph, s.pool, &options, &s.plan, &err), &err);
    return s;
}

static void close_school(school *s)
{
    lb_plan_free(s->plan);
    lb_graph_free(s->graph);
    lb_pool_free(s->pool);
}

static int label_of(int sample)
{
    return (sample * 3 + 1) % C;
}

static void run_school(const school *s)
{
    for (int i = 0; i < B; i++) {
        double *const x = lb_plan_input(s->plan, s->x, i);
        for (int k = 0; k < IN; k++)
            x[k] = cos(0.5 + i + 1.7 * k);
        *(int32_t *)lb_plan_input(s->plan, s->labels, i) = label_of(i);
    }
    lb_plan_run(s->plan);
}

static void soften(const double *z, double t, double p[C])
{
    double sum = 0;

    for (int c = 0; c < C; c++)
        sum += p[c] = exp(z[c] / t);
    for (int c = 0; c < C; c++)
        p[c] /= sum;
}

static const double *answer(const school *s, int net, int sample)
{
    return lb_plan_output(s->plan, s->logits[net], sample);
}

static double value_by_hand(const school *s)
{
    double sum = 0;

    for (int i = 0; i < B; i++)
        for (int n = 0; n < s->nets; n++) {
            double own[C], other[C];
            soften(answer(s, n, i), 1, own);
            if (n > 0)
                sum -= log(own[label_of(i)]);
            soften(answer(s, n, i), s->t, own);
            for (int m = 0; m < s->nets; m++) {
                if (m == n)
                    continue;
                soften(answer(s, m, i), s->t, other);
                for (int c = 0; c < C; c++)
                    sum +=
                        s->t * s->t / (s->nets - 1) * other[c] * log(other[c] / own[c]);
            }
        }
    return sum / B;
}

static void check_gradient(const school *s)
{
    for (int i = 0; i < B; i++) {
        const double *const grad = lb_plan_output(s->plan, s->grad, i);
        double own[C], other[C];
        soften(answer(s, 0, i), s->t, own);
        for (int c = 0; c < C; c++) {
            double want = 0;
            for (int m = 1; m < s->nets; m++) {
                soften(answer(s, m, i), s->t, other);
                want += own[c] - other[c];
            }
            CHECK_NEAR(grad[c], want * s->t / (B * (s->nets - 1.0)), 1e-12);
        }
    }
}

static void value_and_gradient_are_those_of_the_formula(void)
{
    for (int peers = 1; peers < MOST_NETS; peers++) {
        school s = open_school(peers, peers == 2 ? 3 : 1);
        run_school(&s);
        const double value = *(const double *)lb_plan_output(s.plan, s.loss, 0);
        CHECK(value > 0.1);
        CHECK_NEAR(value, value_by_hand(&s), 1e-12);
        check_gradient(&s);
        close_school(&s);
    }
}

/* Peers begin differently, with weights that are trained and vectors that begin at 0. */
static void peers_are_networks_of_their_own(void)
{
    school s = open_school(2, 1);
    int own = 0;

    run_school(&s);
    for (int i = 0; i < 3; i++)
        CHECK(fabs(answer(&s, i, 0)[0] - answer(&s, (i + 1) % 3, 0)[0]) > 1e-3);
    for (int i = 1; i < s.graph->n_values; i++) {
        const lb_value_info *const info = &s.graph->values[i];
        if (info->kind != LB_VALUE_PARAM || strncmp(info->name, "dml1/", 5) != 0)
            continue;
        own++;
        CHECK(info->trained);
        CHECK((lb_tensor_get(info->tensor, 0) == 0) == (info->type.shape.rank == 1));
    }
    CHECK(own == 2 * 4);
    close_school(&s);
}

int main(void)
{
    RUN(value_and_gradient_are_those_of_the_formula);
    RUN(peers_are_networks_of_their_own);
    return DONE();
}
