/* test_prune_rank.c: what channels are worth, and which go first. */
#include "check.h"

#include "compress/prune_nets.h"

/* conv 3 -> 4 with norm, conv 4 -> 2, pool, dense. */
static lb_value build_two(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 10, 4, 3, 1, 1);
    x = net_conv(b, x, 30, 2, 1, 1, 1);
    x = lb_relu(b, x, NULL);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    return net_dense(b, x, 50, 3);
}

typedef struct scene {
    lb_arena *arena;
    lb_graph *g;
    lb_prune_map map;
    double *score;
    bool *gone;
} scene;

static scene open_scene(net_builder build, int c, int size)
{
    scene s = {.arena = lb_arena_new(0), .g = net_graph(build, c, size, size)};
    lb_error err = {0};

    CHECK_OK(lb_prune_ties(s.g, s.arena, &s.map, &err), &err);
    s.score = LB_TAKE_ARRAY(s.arena, s.map.n_units + 1, double);
    s.gone = LB_TAKE_ARRAY(s.arena, s.map.n_units + 1, bool);
    return s;
}

static void close_scene(scene *s)
{
    lb_graph_free(s->g);
    lb_arena_free(s->arena);
}

static lb_tensor *input_of(const scene *s, const char *op, int nth, int input)
{
    for (int i = 0; i < s->g->n_nodes; i++)
        if (strcmp(s->g->nodes[i].op->name, op) == 0 && nth-- == 0)
            return lb_info(s->g, s->g->nodes[i].in[input])->tensor;
    return NULL;
}

static double size_at(const lb_tensor *t, int axis, int index)
{
    size_t inner = 1;
    double sum = 0;

    for (int k = axis + 1; k < t->shape.rank; k++)
        inner *= (size_t)t->shape.dim[k];
    for (size_t i = 0; i < t->n; i++)
        if ((int)(i / inner % (size_t)t->shape.dim[axis]) == index)
            sum += fabs(lb_tensor_get(t, i));
    return sum;
}

/* l1 of a channel: its filter and the weights that read it, over the layer's mean. */
static void l1_by_hand(void)
{
    scene s = open_scene(build_two, 3, 6);
    const lb_tensor *const w = input_of(&s, "Conv", 0, 1), *const v =
                                                               input_of(&s, "Conv", 1, 1);
    double want[4], mean = 0;
    lb_error err = {0};

    CHECK(s.map.n_units == 6 && s.map.n_groups == 2);
    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_L1, s.score, &err), &err);
    for (int i = 0; i < 4; i++) {
        want[i] = size_at(w, 0, i) + size_at(v, 1, i);
        mean += want[i] / 4;
    }
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(s.score[s.map.layer[0].unit[i]], want[i] / mean, 1e-9);
    close_scene(&s);
}

static void bn_by_hand(void)
{
    scene s = open_scene(build_two, 3, 6);
    const lb_tensor *const scale = input_of(&s, "BatchNormalization", 0, 1);
    double mean = 0;
    lb_error err = {0};

    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_BN, s.score, &err), &err);
    for (int i = 0; i < 4; i++)
        mean += fabs(lb_tensor_get(scale, (size_t)i)) / 4;
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(s.score[s.map.layer[0].unit[i]],
                   fabs(lb_tensor_get(scale, (size_t)i)) / mean, 1e-9);
    CHECK(isinf(s.score[s.map.layer[1].unit[0]])); /* it has no norm, and stays */
    close_scene(&s);

    s = open_scene(net_build_flatten, 3, 9);
    CHECK(lb_prune_score(s.g, &s.map, LB_PRUNE_BN, s.score, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "l1 does without");
    close_scene(&s);
}

/* Two batches: the square of the sum of weight times gradient in each. */
static void taylor_by_hand(void)
{
    scene s = open_scene(build_two, 3, 6);
    const lb_tensor **const grad =
        LB_TAKE_ARRAY(s.arena, s.g->n_values, const lb_tensor *);
    double want[4] = {0};
    lb_error err = {0};

    for (int batch = 0; batch < 2; batch++) {
        double sum[4] = {0};
        for (int v = 1; v < s.g->n_values; v++) {
            const lb_tensor *const t = s.g->values[v].tensor;
            lb_tensor *own;
            if (!t)
                continue;
            CHECK_OK(lb_tensor_copy(s.arena, t, &own, &err), &err);
            lb_rng rng = lb_rng_make(7, LB_RNG_TEST, (uint64_t)batch, (uint64_t)v);
            for (size_t i = 0; i < t->n; i++)
                lb_tensor_put(own, i, lb_rng_uniform(&rng) - 0.5);
            grad[v] = own;
            for (int k = 0; k < t->shape.rank; k++) {
                const int *const unit = lb_prune_units(&s.map, v, k);
                size_t inner = 1;
                for (int a = k + 1; a < t->shape.rank; a++)
                    inner *= (size_t)t->shape.dim[a];
                for (size_t i = 0; unit && i < t->n; i++)
                    for (int c = 0; c < 4; c++)
                        if (unit[i / inner % (size_t)t->shape.dim[k]] ==
                            s.map.layer[0].unit[c])
                            sum[c] += lb_tensor_get(t, i) * lb_tensor_get(own, i);
            }
        }
        CHECK_OK(lb_prune_add_taylor(s.g, &s.map, grad, s.score, &err), &err);
        for (int c = 0; c < 4; c++)
            want[c] += sum[c] * sum[c];
    }
    for (int c = 0; c < 4; c++)
        CHECK_NEAR(s.score[s.map.layer[0].unit[c]], want[c], 1e-9 * want[c]);
    close_scene(&s);
}

static int n_gone(const scene *s)
{
    int n = 0;

    for (int u = 0; u < s->map.n_units; u++)
        n += s->gone[u];
    return n;
}

/* What is left of the graph without these units: MACs or parameters. */
static double left_without(const scene *s, const bool *gone, lb_prune_of of)
{
    lb_graph *small = NULL;
    lb_error err = {0};

    if (lb_prune_cut(s->g, &s->map, gone, &small, &err) != LB_OK)
        return -1;
    const double left = of == LB_PRUNE_OF_MACS ? lb_graph_macs(small)
                                               : (double)lb_graph_parameters(small);
    lb_graph_free(small);
    return left;
}

/* The plain way: all scores for what is saved are reckoned after each that goes, by
 * really cutting. */
static void choose_plainly(const scene *s, const lb_prune_goal *goal, bool *gone)
{
    double left = left_without(s, gone, goal->of);

    while (left > goal->left) {
        double best = INFINITY;
        int take = -1;
        for (int u = 0; u < s->map.n_units; u++) {
            if (gone[u])
                continue;
            gone[u] = true;
            const double without = left_without(s, gone, goal->of);
            gone[u] = false;
            if (without < 0) /* a layer's last */
                continue;
            const double key = s->score[u] / (left - without);
            if (key < best) {
                best = key;
                take = u;
            }
        }
        if (take < 0)
            return;
        gone[take] = true;
        left = left_without(s, gone, goal->of);
    }
}

static void check_goal(net_builder build, lb_prune_of of, double amount)
{
    scene s = open_scene(build, 3, 12);
    const double all =
        of == LB_PRUNE_OF_MACS ? lb_graph_macs(s.g) : (double)lb_graph_parameters(s.g);
    const lb_prune_goal goal = {.of = of, .left = all * (1 - amount)};
    bool *const want = LB_TAKE_ARRAY(s.arena, s.map.n_units, bool);
    lb_error err = {0};

    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_L1, s.score, &err), &err);
    CHECK_OK(lb_prune_choose(s.g, &s.map, s.score, &goal, s.gone, &err), &err);
    CHECK(n_gone(&s) > 0);
    CHECK(left_without(&s, s.gone, of) <= goal.left);
    choose_plainly(&s, &goal, want);
    CHECK(memcmp(want, s.gone, (size_t)s.map.n_units * sizeof *want) == 0);
    close_scene(&s);
}

static void the_least_for_what_is_saved_goes_first(void)
{
    check_goal(build_two, LB_PRUNE_OF_MACS, 0.4);
    check_goal(pn_build_mobilenet, LB_PRUNE_OF_MACS, 0.6);
    check_goal(pn_build_mobilenet, LB_PRUNE_OF_PARAMETERS, 0.5);
    check_goal(pn_build_inception, LB_PRUNE_OF_MACS, 0.5);
    check_goal(pn_build_shuffle, LB_PRUNE_OF_PARAMETERS, 0.4);
    check_goal(net_build_residual, LB_PRUNE_OF_MACS, 0.5);
}

static void every_layer_keeps_a_share(void)
{
    scene s = open_scene(pn_build_mobilenet, 3, 12);
    lb_prune_goal goal = {
        .of = LB_PRUNE_OF_MACS, .left = 0.5 * lb_graph_macs(s.g), .keep = 0.5};
    lb_error err = {0};

    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_L1, s.score, &err), &err);
    CHECK_OK(lb_prune_choose(s.g, &s.map, s.score, &goal, s.gone, &err), &err);
    for (int k = 0; k < s.map.n_layers; k++) {
        int left = 0;
        for (int i = 0; i < s.map.layer[k].n; i++)
            left += !s.gone[s.map.layer[k].unit[i]];
        CHECK(2 * left >= s.map.layer[k].n);
    }
    goal.left = 0.05 * lb_graph_macs(s.g);
    CHECK(lb_prune_choose(s.g, &s.map, s.score, &goal, s.gone, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "95.0 % was asked for");
    CHECK_TEXT(err.text, "0.5 of each layer's channels stay");
    close_scene(&s);
}

/* Where the scores say nothing, those go that cost the named device most cycles. */
static void cycles_of_the_device_count(void)
{
    scene s = open_scene(pn_build_inception, 3, 12);
    const lb_prune_goal goal = {.of = LB_PRUNE_OF_PARAMETERS,
                                .left = 0.8 * (double)lb_graph_parameters(s.g)};

    for (int u = 0; u < s.map.n_units; u++)
        s.score[u] = 1;
    pn_check_device_counts(s.g, &s.map, s.score, goal, s.gone, s.arena);
    close_scene(&s);
}

static void sparsity_is_refused(void)
{
    CHECK_TEXT(lb_prune_refusal("2:4"), "N:M sparsity");
    CHECK_TEXT(lb_prune_refusal("unstructured"), "zeros would cost as much");
    CHECK(lb_prune_refusal("l1") == NULL && lb_prune_refusal("l2") == NULL);
}

int main(void)
{
    RUN(l1_by_hand);
    RUN(bn_by_hand);
    RUN(taylor_by_hand);
    RUN(the_least_for_what_is_saved_goes_first);
    RUN(every_layer_keeps_a_share);
    RUN(cycles_of_the_device_count);
    RUN(sparsity_is_refused);
    return DONE();
}
