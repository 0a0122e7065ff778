/* test_threads.c: a small residual network trains five steps. Every parameter ends with
 * the same bits whether 1, 2, 3 or 8 threads did it, and within rounding of what the
 * reference kernels give. */
#include "engine/plan.h"

#include "base/rng.h"
#include "ops/build.h"
#include "ops/rewrite.h"

#include "check.h"

enum { SIDE = 12, CLASSES = 10, STEPS = 5, MOST_PARAMS = 80 };

typedef struct net {
    lb_graph *graph;
    lb_builder b;
    uint64_t seed; /* of the next param */
    lb_value x, label, lr, loss;
    lb_value param[MOST_PARAMS];
    int n_params;
    size_t work_bytes;
} net;

static lb_value param(net *n, lb_shape shape, double mean, double deviation, bool trained)
{
    lb_rng rng = lb_rng_make(n->seed++, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;

    if (lb_tensor_new(n->graph->arena, LB_F32, &shape, &t, &n->b.error) != LB_OK)
        return (lb_value){0};
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, mean + deviation * lb_rng_normal(&rng));
    const lb_value v = lb_param(&n->b, NULL, t);
    n->graph->values[v.id].trained = trained;
    return v;
}

static lb_value conv(net *n, lb_value x, int c, int m, int k, int stride, int group,
                     bool bias)
{
    const lb_window w = {.n = 2,
                         .kernel = {k, k},
                         .stride = {stride, stride},
                         .pad_begin = {k / 2, k / 2},
                         .pad_end = {k / 2, k / 2},
                         .group = group};
    const int taps = c / group * k * k;
    const double deviation = sqrt(2.0 / taps);
    const lb_value weight =
        param(n, lb_shape_of(4, m, c / group, k, k), 0, deviation, true);
    const lb_value b = bias ? param(n, lb_shape_of(1, m), 0, 0.1, true) : (lb_value){0};

    return lb_conv(&n->b, x, weight, b, &w, NULL);
}

static lb_value norm(net *n, lb_value x, int c)
{
    const lb_shape shape = lb_shape_of(1, c);
    const lb_value scale = param(n, shape, 1, 0.1, true);
    const lb_value bias = param(n, shape, 0, 0.1, true);
    const lb_value mean = param(n, shape, 0, 0, false);
    const lb_value var = param(n, shape, 1, 0, false);

    return lb_batch_norm(&n->b, x, scale, bias, mean, var, 1e-5, 0.9, NULL);
}

static lb_value body(net *n, lb_value x)
{
    const lb_window half = {.n = 2, .kernel = {2, 2}, .stride = {2, 2}};
    lb_value h = conv(n, x, 3, 8, 3, 1, 1, false);

    h = norm(n, h, 8);
    h = lb_relu(&n->b, h, NULL);
    const lb_value skip = h;
    h = conv(n, h, 8, 8, 3, 1, 1, false);
    h = norm(n, h, 8);
    h = lb_relu(&n->b, h, NULL);
    h = conv(n, h, 8, 8, 3, 1, 1, false);
    h = norm(n, h, 8);
    h = lb_add(&n->b, h, skip);
    h = lb_relu(&n->b, h, NULL);
    h = lb_max_pool(&n->b, h, &half, NULL);
    h = conv(n, h, 8, 8, 3, 1, 8, false); /* depthwise */
    h = lb_clip(&n->b, h, 0, 6, NULL);
    h = conv(n, h, 8, 20, 3, 2, 1, true); /* does not fill its blocks */
    h = lb_relu(&n->b, h, NULL);
    h = lb_global_average_pool(&n->b, h, NULL);
    h = lb_flatten(&n->b, h, NULL);
    const lb_value weight = param(n, lb_shape_of(2, CLASSES, 20), 0, 0.3, true);
    const lb_value bias = param(n, lb_shape_of(1, CLASSES), 0, 0.1, true);
    return lb_gemm(&n->b, h, weight, bias, false, true, NULL);
}

static void add_loss(net *n, lb_value logits)
{
    const int class_axis[] = {1};
    const lb_value target = lb_one_hot(&n->b, n->label, LB_F32, CLASSES, 1, 0);
    const lb_value log_p = lb_log_softmax(&n->b, logits, 1);
    const lb_value hits = lb_mul(&n->b, target, log_p);
    const lb_value of_sample = lb_reduce_sum(&n->b, hits, class_axis, 1, false);
    const lb_value mean = lb_mean_all(&n->b, of_sample);

    n->loss = lb_scale(&n->b, mean, -1);
}

static void add_updates(net *n)
{
    const lb_graph *const g = n->graph;
    lb_value slope[MOST_PARAMS], trained[MOST_PARAMS];
    int n_trained = 0;

    for (int i = 1; i < g->n_values; i++)
        if (g->values[i].kind == LB_VALUE_PARAM && n->n_params < MOST_PARAMS) {
            n->param[n->n_params++] = (lb_value){i};
            if (g->values[i].trained)
                trained[n_trained++] = (lb_value){i};
        }
    lb_autodiff(&n->b, &lb_op_verbs, n->loss, trained, n_trained, slope);
    for (int i = 0; i < n_trained; i++) {
        const lb_shape shape = lb_type_of(&n->b, trained[i]).shape;
        const lb_value velocity = param(n, shape, 0, 0, false);
        lb_sgd_update(
            &n->b, trained[i], slope[i], velocity,
            &(lb_sgd_rule){
                .lr = n->lr, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true});
    }
}

static net make_net(void)
{
    net n = {.seed = 1};
    lb_error err = {0};
    const lb_shape image = lb_shape_of(4, LB_BATCH, 3, SIDE, SIDE), scalar = {0};
    const lb_shape labels = lb_shape_of(1, LB_BATCH);

    CHECK_OK(lb_graph_new(&n.graph, &err), &err);
    lb_builder_init(&n.b, n.graph);
    n.x = lb_input(&n.b, "x", LB_F32, &image);
    n.label = lb_input(&n.b, "label", LB_I32, &labels);
    n.lr = lb_input(&n.b, "lr", LB_F32, &scalar);
    const lb_value logits = body(&n, n.x);
    add_loss(&n, logits);
    lb_output(&n.b, n.loss);
    CHECK_OK(lb_train_norms(n.graph, &err), &err);
    add_updates(&n);
    CHECK_OK(lb_builder_finish(&n.b, &err), &err);
    CHECK_OK(lb_graph_check(n.graph, &err), &err);
    return n;
}

static void fill(lb_plan *plan, const net *n, int batch, int step)
{
    for (int i = 0; i < batch; i++) {
        lb_rng rng = lb_rng_make(5, LB_RNG_TEST, (uint64_t)step, (uint64_t)i);
        float *const x = lb_plan_input(plan, n->x, i);
        const int label = (int)lb_rng_below(&rng, CLASSES);
        *(int32_t *)lb_plan_input(plan, n->label, i) = label;
        for (int k = 0; k < 3 * SIDE * SIDE; k++)
            x[k] = (float)(lb_rng_normal(&rng) + (k % CLASSES == label));
    }
    *(float *)lb_plan_input(plan, n->lr, 0) = 0.05f;
}

/* Trains a network; its params stay in its graph. */
static void train_net(net *n, int threads, int batch, lb_kernels kernels,
                      double loss[STEPS])
{
    const lb_plan_options options = {.batch = batch, .kernels = kernels};
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(threads, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(n->graph, pool, &options, &plan, &err), &err);
    for (int step = 0; plan && step < STEPS; step++) {
        fill(plan, n, batch, step);
        lb_plan_run(plan);
        loss[step] = (double)*(const float *)lb_plan_output(plan, n->loss, 0);
    }
    if (plan)
        n->work_bytes = lb_plan_describe(plan).work_bytes;
    lb_plan_free(plan);
    lb_pool_free(pool);
}

static net train(int threads, int batch, lb_kernels kernels, double loss[STEPS])
{
    net n = make_net();

    train_net(&n, threads, batch, kernels, loss);
    return n;
}

static const lb_tensor *tensor_of(const net *n, int i)
{
    return lb_info(n->graph, n->param[i])->tensor;
}

static void threads_do_not_change_a_bit(void)
{
    const int threads[] = {2, 3, 8}, batches[] = {32, 12};

    for (int b = 0; b < 2; b++) {
        double want[STEPS] = {0};
        const net one = train(1, batches[b], LB_KERNELS_BEST, want);
        for (int t = 0; t < 3; t++) {
            double loss[STEPS] = {0};
            const net many = train(threads[t], batches[b], LB_KERNELS_BEST, loss);
            CHECK(many.n_params == one.n_params);
            for (int step = 0; step < STEPS; step++)
                CHECK(loss[step] == want[step]);
            for (int i = 0; i < one.n_params; i++)
                CHECK(memcmp(tensor_of(&one, i)->data, tensor_of(&many, i)->data,
                             lb_tensor_bytes(tensor_of(&one, i))) == 0);
            lb_graph_free(many.graph);
        }
        lb_graph_free(one.graph);
    }
}

static void the_reference_agrees(void)
{
    double fast_loss[STEPS] = {0}, slow_loss[STEPS] = {0};
    const net fast = train(2, 32, LB_KERNELS_BEST, fast_loss);
    const net slow = train(2, 32, LB_KERNELS_REFERENCE, slow_loss);

    for (int step = 0; step < STEPS; step++)
        CHECK_NEAR(fast_loss[step], slow_loss[step], 1e-4);
    for (int i = 0; i < fast.n_params; i++) {
        const lb_tensor *const a = tensor_of(&fast, i), *const b = tensor_of(&slow, i);
        double worst = 0, most = 1;
        for (size_t k = 0; k < a->n; k++) {
            const double d = fabs(lb_tensor_get(a, k) - lb_tensor_get(b, k));
            worst = d <= worst ? worst : d;
            most = fabs(lb_tensor_get(b, k)) > most ? fabs(lb_tensor_get(b, k)) : most;
        }
        CHECK_NEAR(worst / most, 0, 1e-4);
    }
    lb_graph_free(fast.graph);
    lb_graph_free(slow.graph);
}

/* Five steps move the weights; otherwise the two tests above would prove little. */
static void training_moves_the_weights(void)
{
    double loss[STEPS] = {0};
    const net before = make_net(), after = train(1, 32, LB_KERNELS_BEST, loss);
    int moved = 0;

    for (int i = 0; i < before.n_params; i++)
        moved += memcmp(tensor_of(&before, i)->data, tensor_of(&after, i)->data,
                        lb_tensor_bytes(tensor_of(&before, i))) != 0;
    CHECK(moved == before.n_params);
    for (int step = 0; step < STEPS; step++)
        CHECK(isfinite(loss[step]) && loss[step] > 0);
    lb_graph_free(before.graph);
    lb_graph_free(after.graph);
}

/* What a training step is made of runs on fast kernels, but for what is tiny. */
static void only_small_things_are_left_to_the_reference(void)
{
    static const char *const small[] = {"OneHot",   "ReduceSum",  "ReduceMean",
                                        "Mul",      "ExpandLike", "BatchNormTrack",
                                        "Constant", "ReduceTo",   "ConstantOfShape"};
    const lb_plan_options options = {.batch = 32};
    const net n = make_net();
    const lb_node *node = NULL;
    const char *kernel = NULL;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(n.graph, pool, &options, &plan, &err), &err);
    for (int i = 0; plan && lb_plan_step(plan, i, &kernel, &node); i++) {
        bool allowed = strcmp(kernel, "reference") != 0;
        for (size_t k = 0; k < sizeof small / sizeof *small; k++)
            allowed = allowed || strcmp(node->op->name, small[k]) == 0;
        if (!allowed)
            printf("# %s %s\n", kernel, node->op->name);
        CHECK(allowed);
    }
    lb_plan_free(plan);
    lb_pool_free(pool);
    lb_graph_free(n.graph);
}

/* Norms that are computed anew spare memory, and nothing else changes. */
static void late_norms_do_not_change_a_bit(void)
{
    double want[STEPS] = {0}, loss[STEPS] = {0};
    const net kept = train(2, 32, LB_KERNELS_BEST, want);
    net late = make_net();
    lb_error err;
    int n_late = 0;

    CHECK_OK(lb_compute_late(late.graph, late.loss, &err), &err);
    CHECK_OK(lb_graph_check(late.graph, &err), &err);
    for (int i = 0; i < late.graph->n_nodes; i++)
        n_late += late.graph->nodes[i].late;
    CHECK(n_late == 4); /* two norms and their activations; the third has an Add behind */
    train_net(&late, 2, 32, LB_KERNELS_BEST, loss);
    for (int step = 0; step < STEPS; step++)
        CHECK(loss[step] == want[step]);
    for (int i = 0; i < kept.n_params; i++)
        CHECK(memcmp(tensor_of(&kept, i)->data, tensor_of(&late, i)->data,
                     lb_tensor_bytes(tensor_of(&kept, i))) == 0);
    CHECK(late.work_bytes < kept.work_bytes);
    lb_graph_free(kept.graph);
    lb_graph_free(late.graph);
}

int main(void)
{
    RUN(late_norms_do_not_change_a_bit);
    RUN(threads_do_not_change_a_bit);
    RUN(the_reference_agrees);
    RUN(training_moves_the_weights);
    RUN(only_small_things_are_left_to_the_reference);
    return DONE();
}
