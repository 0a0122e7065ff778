/* test_norms.c: the training form of a batch norm against one written by hand; steps of
 * SGD against PyTorch's rules worked out by hand. */
#include "ops/rewrite.h"

#include "ops/build.h"

#include "eval.h"

enum { BATCH = 3, CHANNELS = 2, INNER = 4 };

static lb_value channel_param(lb_builder *b, const char *name, double first,
                              double second)
{
    const lb_shape shape = lb_shape_of(1, CHANNELS);
    lb_tensor *t = NULL;

    CHECK_OK(lb_tensor_new(b->graph->arena, LB_F64, &shape, &t, &b->error), &b->error);
    lb_tensor_put(t, 0, first);
    lb_tensor_put(t, 1, second);
    return lb_param(b, name, t);
}

static lb_graph *norm_graph(void)
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, CHANNELS, 2, 2);
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F64, &shape);
    const lb_value scale = channel_param(&b, "scale", 1.5, -0.5);
    const lb_value bias = channel_param(&b, "bias", 0.25, 1);
    const lb_value mean = channel_param(&b, "mean", 0.5, -1);
    const lb_value var = channel_param(&b, "var", 1, 2);
    const lb_value y = lb_batch_norm(&b, x, scale, bias, mean, var, 1e-2, 0.75, "norm");
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static double at(const double *x, int n, int c, int i)
{
    return x[(n * CHANNELS + c) * INNER + i];
}

/* Mean and sum of squared distances from it. */
static void moments(const double *x, int c, double *mean, double *spread)
{
    *mean = *spread = 0;
    for (int n = 0; n < BATCH; n++)
        for (int i = 0; i < INNER; i++)
            *mean += at(x, n, c, i) / (BATCH * INNER);
    for (int n = 0; n < BATCH; n++)
        for (int i = 0; i < INNER; i++)
            *spread += pow(at(x, n, c, i) - *mean, 2);
}

static void the_training_form_norms_the_batch(void)
{
    static const double scale[] = {1.5, -0.5}, bias[] = {0.25, 1};
    static const double old_mean[] = {0.5, -1}, old_var[] = {1, 2};
    lb_graph *const g = norm_graph();
    const lb_value x = lb_graph_find(g, "x"), y = g->outputs[0];
    const lb_value mean = lb_graph_find(g, "mean"), var = lb_graph_find(g, "var");
    const int count = BATCH * INNER;
    lb_error err = {0};
    eval e;

    CHECK_OK(lb_train_norms(g, &err), &err);
    CHECK_OK(lb_graph_check(g, &err), &err);
    CHECK_OK(lb_remove_dead(g, &err), &err);
    CHECK(g->n_nodes == 3);
    CHECK(g->outputs[0].id == y.id);
    eval_begin(&e, g, BATCH, 2);
    eval_random(&e, x, 1, -3, 5);
    eval_run(&e);
    for (int c = 0; c < CHANNELS; c++) {
        double m, spread;
        moments(e.value[x.id], c, &m, &spread);
        for (int n = 0; n < BATCH; n++)
            for (int i = 0; i < INNER; i++)
                CHECK_NEAR(at(e.value[y.id], n, c, i),
                           (at(e.value[x.id], n, c, i) - m) /
                                   sqrt(spread / count + 1e-2) * scale[c] +
                               bias[c],
                           1e-12);
        CHECK_NEAR(e.value[mean.id][c], 0.75 * old_mean[c] + 0.25 * m, 1e-12);
        CHECK_NEAR(e.value[var.id][c], 0.75 * old_var[c] + 0.25 * spread / (count - 1),
                   1e-12);
    }
    eval_end(&e);
    lb_graph_free(g);
}

/* A frozen norm, whose statistics are constants, keeps its inference form. */
static void frozen_norms_stay(void)
{
    lb_graph *const g = norm_graph();
    lb_error err = {0};

    g->values[lb_graph_find(g, "mean").id].kind = LB_VALUE_CONSTANT;
    CHECK_OK(lb_train_norms(g, &err), &err);
    CHECK(g->n_nodes == 1);
    CHECK(strcmp(g->nodes[0].op->name, "BatchNormalization") == 0);
    lb_graph_free(g);
}

/* Two steps from p = 1, gradients 0.5 and -0.25, lr 0.1, momentum 0.9, decay 0.2:
 *   g1 = 0.7, v1 = 0.7;  plain p1 = 0.93, nesterov p1 = 1 - 0.1 (0.7 + 0.63) = 0.867
 *   plain    g2 = -0.25 + 0.186  = -0.064,  v2 = 0.63 - 0.064  = 0.566,  p2 = 0.8734
 *   nesterov g2 = -0.25 + 0.1734 = -0.0766, v2 = 0.63 - 0.0766 = 0.5534,
 *            p2 = 0.867 - 0.1 (-0.0766 + 0.49806) = 0.824854 */
static void sgd_steps(void)
{
    const lb_shape shape = lb_shape_of(1, CHANNELS), scalar = {0};

    for (int nesterov = 0; nesterov < 2; nesterov++) {
        lb_graph *g = NULL;
        lb_error err = {0};
        lb_builder b;
        eval e;

        CHECK_OK(lb_graph_new(&g, &err), &err);
        lb_builder_init(&b, g);
        const lb_value p = channel_param(&b, "p", 1, 1);
        const lb_value v = channel_param(&b, "v", 0, 0);
        const lb_value grad = lb_input(&b, "grad", LB_F64, &shape);
        const lb_value lr = lb_input(&b, "lr", LB_F64, &scalar);
        lb_sgd_update(
            &b, p, grad, v,
            &(lb_sgd_rule){
                .lr = lr, .momentum = 0.9, .weight_decay = 0.2, .nesterov = nesterov});
        CHECK_OK(lb_builder_finish(&b, &err), &err);
        eval_begin(&e, g, 1, 1);
        e.value[lr.id][0] = 0.1;
        e.value[grad.id][0] = 0.5;
        eval_run(&e);
        CHECK_NEAR(e.value[p.id][0], nesterov ? 0.867 : 0.93, 1e-12);
        e.value[grad.id][0] = -0.25;
        eval_run(&e);
        CHECK_NEAR(e.value[v.id][0], nesterov ? 0.5534 : 0.566, 1e-12);
        CHECK_NEAR(e.value[p.id][0], nesterov ? 0.824854 : 0.8734, 1e-12);
        eval_end(&e);
        lb_graph_free(g);
    }
}

/* conv -> norm -> relu -> conv -> relu: the first bias is taken off again. */
static lb_graph *biased_graph(bool frozen, bool looked_at, lb_value bias[2])
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, CHANNELS, 2, 2);
    const lb_shape weights = lb_shape_of(4, CHANNELS, CHANNELS, 1, 1);
    const lb_window point = {.n = 2, .kernel = {1, 1}, .group = 1};
    lb_tensor *w = NULL;
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    CHECK_OK(lb_tensor_new(g->arena, LB_F64, &weights, &w, &err), &err);
    for (size_t i = 0; i < w->n; i++)
        lb_tensor_put(w, i, 0.5 - (double)i);
    lb_value x = lb_input(&b, "x", LB_F64, &shape);
    const lb_value kernel = lb_param(&b, "w", w);
    bias[0] = channel_param(&b, "bias 0", 0.25, 1);
    bias[1] = channel_param(&b, "bias 1", 0.5, -1);
    x = lb_conv(&b, x, kernel, bias[0], &point, NULL);
    if (looked_at)
        lb_output(&b, x);
    const lb_value scale = channel_param(&b, "scale", 1.5, -0.5);
    const lb_value shift = channel_param(&b, "shift", 0.25, 1);
    const lb_value mean = channel_param(&b, "mean", 0.5, -1);
    const lb_value var = channel_param(&b, "var", 1, 2);
    x = lb_batch_norm(&b, x, scale, shift, mean, var, 1e-2, 0.75, "norm");
    x = lb_relu(&b, x, NULL);
    x = lb_conv(&b, x, kernel, bias[1], &point, NULL);
    lb_output(&b, lb_relu(&b, x, NULL));
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    for (int i = 1; frozen && i < g->n_values; i++)
        g->values[i].trained = false;
    CHECK_OK(lb_train_norms(g, &err), &err);
    CHECK(!lb_bias_cancels(g, kernel));
    return g;
}

static void a_norm_takes_a_bias_off_again(void)
{
    lb_value bias[2];
    lb_graph *g = biased_graph(false, false, bias);

    CHECK(lb_bias_cancels(g, bias[0]));
    CHECK(!lb_bias_cancels(g, bias[1]));
    lb_graph_free(g);
    g = biased_graph(false, true, bias); /* somebody else looks at the sum */
    CHECK(!lb_bias_cancels(g, bias[0]));
    lb_graph_free(g);
    g = biased_graph(true, false, bias); /* running means take nothing off */
    CHECK(!lb_bias_cancels(g, bias[0]));
    lb_graph_free(g);
}

int main(void)
{
    RUN(the_training_form_norms_the_batch);
    RUN(frozen_norms_stay);
    RUN(a_norm_takes_a_bias_off_again);
    RUN(sgd_steps);
    return DONE();
}
