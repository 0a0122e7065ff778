/* test_prune_blocks.c: residual blocks are found where a branch goes round a shortcut; a
 * network without one that adds nothing says the same; and which of them go. */
#include "check.h"

#include "compress/prune_nets.h"

#include "models/model.h"
#include "nodes.h"

typedef struct scene {
    lb_arena *arena;
    lb_graph *g;
    lb_prune_map map;
    double *score;
    bool *gone;
} scene;

static scene open_graph(lb_graph *g, const bool *held)
{
    scene s = {.arena = lb_arena_new(0), .g = g};
    lb_error err = {0};

    CHECK(g != NULL);
    CHECK_OK(lb_prune_ties(s.g, s.arena, &s.map, &err), &err);
    CHECK(s.map.n_parts == s.map.n_units && s.map.n_blocks == 0);
    CHECK_OK(lb_prune_blocks(s.g, held, s.arena, &s.map, &err), &err);
    CHECK(s.map.n_parts == s.map.n_units + s.map.n_blocks);
    s.score = LB_TAKE_ARRAY(s.arena, s.map.n_parts + 1, double);
    s.gone = LB_TAKE_ARRAY(s.arena, s.map.n_parts + 1, bool);
    return s;
}

static scene open_scene(net_builder build, int size)
{
    return open_graph(net_graph(build, 3, size, size), NULL);
}

static void close_scene(scene *s)
{
    lb_graph_free(s->g);
    lb_arena_free(s->arena);
}

static lb_graph *resnet(int depth)
{
    return pn_model("resnet", 0.5, depth);
}

static int blocks_gone(const scene *s)
{
    int n = 0;

    for (int k = 0; k < s->map.n_blocks; k++)
        n += s->gone[s->map.n_units + k];
    return n;
}

/* Zeros in the weights of the last layer: the branch adds nothing. */
static void silence(const scene *s)
{
    for (int k = 0; k < s->map.n_blocks; k++)
        for (int i = 0; s->gone[s->map.n_units + k] && i < s->map.block[k].n_closing;
             i++) {
            lb_tensor *const t = lb_info(s->g, s->map.block[k].closing[i])->tensor;
            for (size_t e = 0; e < t->n; e++)
                lb_tensor_put(t, e, 0);
        }
}

static double macs_of_blocks(const scene *s)
{
    double macs = 0;

    for (int k = 0; k < s->map.n_blocks; k++)
        for (int i = 0; s->gone[s->map.n_units + k] && i < s->map.block[k].n_nodes; i++) {
            const lb_node *const node = &s->g->nodes[s->map.block[k].node[i]];
            lb_type out[LB_MAX_OUTPUTS];
            lb_view view;
            lb_graph_view(s->g, node, &view);
            lb_graph_out_types(s->g, node, out);
            macs += node->op->cost ? node->op->cost(&view, out).macs : 0;
        }
    return macs;
}

/* What is left says the same to the last bit; the caller frees it. */
static lb_graph *check_cut(const scene *s)
{
    lb_graph *small = NULL;
    lb_error err = {0};

    silence(s);
    CHECK_OK(lb_prune_cut(s->g, &s->map, s->gone, &small, &err), &err);
    if (!small)
        return NULL;
    CHECK_OK(lb_graph_check(small, &err), &err);
    CHECK_NEAR(pn_difference(s->g, small), 0, 1e-12);
    CHECK_NEAR(lb_graph_macs(small), lb_graph_macs(s->g) - macs_of_blocks(s), 0.5);
    return small;
}

static void every_set_of_blocks_of_a_resnet(void)
{
    for (unsigned set = 1; set < 64; set += 3) {
        scene s = open_graph(resnet(2), NULL);
        CHECK(s.map.n_blocks == 6); /* two a stage; two of them have a projection */
        for (int k = 0; k < 6; k++)
            s.gone[s.map.n_units + k] = (set >> k & 1) != 0;
        lb_graph *const small = check_cut(&s);
        CHECK(small && count_nodes(small, "Identity") == 0);
        CHECK(small &&
              count_nodes(s.g, "Add") - count_nodes(small, "Add") == blocks_gone(&s));
        lb_graph_free(small);
        close_scene(&s);
    }
}

/* An identity leaves nothing behind; a projection stays, with its Relu. */
static void nothing_needless_is_left(void)
{
    static const int relus[6] = {2, 2, 1, 2, 1, 2}; /* that go with each block */

    for (int k = 0; k < 6; k++) {
        scene s = open_graph(resnet(2), NULL);
        s.gone[s.map.n_units + k] = true;
        lb_graph *const small = check_cut(&s);
        CHECK(small && count_nodes(s.g, "Relu") - count_nodes(small, "Relu") == relus[k]);
        CHECK(small && count_nodes(s.g, "Conv") - count_nodes(small, "Conv") == 2);
        lb_graph_free(small);
        close_scene(&s);
    }
}

static void mlperf_resnet(void)
{
    scene s = open_graph(resnet(1), NULL);

    CHECK(s.map.n_blocks == 3);
    CHECK(strcmp(s.map.block[1].name, "block2/add") == 0);
    CHECK(s.map.block[1].n_nodes == 5 && s.map.block[1].n_channels == 16);
    close_scene(&s);
}

static void inverted_residuals(void)
{
    scene s = open_scene(pn_build_mobilenet, 12);

    CHECK(s.map.n_blocks == 2);
    s.gone[s.map.n_units] = s.gone[s.map.n_units + 1] = true;
    lb_graph_free(check_cut(&s));
    close_scene(&s);
}

/* A branch that holds another, biases of their own, dense layers. */
static lb_value build_nested(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 10, 6, 3, 1, 1);
    lb_value y = pn_block(b, x, 40, 4, 1, 1, 1);
    y = lb_add(b, net_norm(b, net_conv(b, y, 70, 4, 3, 1, 1), 80), y);
    y = net_conv(b, y, 90, 6, 1, 1, 1);
    x = lb_add(b, x, y);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    lb_value z = lb_relu(b, net_dense(b, x, 110, 9), NULL);
    const lb_shape weights = lb_shape_of(2, 9, 6);
    const lb_value w = lb_param(b, NULL, net_random(b, 120, &weights, 0.5));
    z = lb_add(b, lb_matmul(b, z, w), net_vector(b, 130, 6));
    x = lb_add(b, z, x);
    return net_dense(b, x, 140, 3);
}

static void nested_and_dense(void)
{
    for (unsigned set = 1; set < 8; set++) {
        scene s = open_scene(build_nested, 6);
        CHECK(s.map.n_blocks == 3);
        CHECK(s.map.block[1].n_nodes > s.map.block[0].n_nodes + 1);
        CHECK(s.map.block[2].n_closing == 2); /* the weights and their bias */
        for (int k = 0; k < 3; k++)
            s.gone[s.map.n_units + k] = (set >> k & 1) != 0;
        lb_graph *small = NULL;
        lb_error err = {0};
        silence(&s);
        CHECK_OK(lb_prune_cut(s.g, &s.map, s.gone, &small, &err), &err);
        CHECK(small && pn_difference(s.g, small) < 1e-12);
        lb_graph_free(small);
        close_scene(&s);
    }
}

/* Branches that end in an activation, joins, what is read by others, too. */
static lb_value build_none(lb_builder *b, lb_value x)
{
    x = pn_block(b, x, 10, 6, 3, 1, 1);
    x = lb_add(b, x, pn_block(b, x, 40, 6, 1, 1, 1));
    const lb_value y = net_conv(b, x, 70, 6, 3, 1, 1);
    const lb_value z = lb_add(b, x, y), both[] = {y, z};
    x = lb_concat(b, both, 2, 1);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    return net_dense(b, x, 100, 3);
}

static void what_is_no_block(void)
{
    scene s = open_scene(build_none, 6);
    CHECK(s.map.n_blocks == 0);
    close_scene(&s);
    s = open_scene(pn_build_inception, 8);
    CHECK(s.map.n_blocks == 0);
    close_scene(&s);
    s = open_scene(pn_build_shuffle, 8);
    CHECK(s.map.n_blocks == 0);
    close_scene(&s);
}

/* Blocks and channels together: what goes is zero in all weights first. */
static void with_channels(void)
{
    for (uint64_t seed = 0; seed < 8; seed++) {
        scene s = open_graph(resnet(2), NULL);
        lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 3, 0);
        lb_graph *small = NULL;
        lb_error err = {0};
        for (int u = 0; u < s.map.n_parts; u++)
            s.gone[u] = lb_rng_below(&rng, 3) == 0;
        for (int k = 0; k < s.map.n_layers; k++)
            s.gone[s.map.layer[k].unit[0]] = false;
        pn_silence(s.g, &s.map, s.gone);
        silence(&s);
        CHECK_OK(lb_prune_cut(s.g, &s.map, s.gone, &small, &err), &err);
        CHECK(small && pn_difference(s.g, small) < 1e-6);
        lb_graph_free(small);
        close_scene(&s);
    }
}

/* All channels of a layer may go with its block, and only then. */
static void a_layer_may_end_with_its_block(void)
{
    scene s = open_graph(resnet(1), NULL);
    const int block = s.map.n_units + 1; /* the second */
    lb_graph *small = NULL;
    lb_error err = {0};

    for (int k = 0; k < s.map.n_layers; k++)
        for (int i = 0; i < s.map.layer[k].n; i++)
            if (strcmp(s.map.layer[k].name, "block2/conv1") == 0)
                s.gone[s.map.layer[k].unit[i]] = true;
    CHECK(lb_prune_cut(s.g, &s.map, s.gone, &small, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "'block2/conv1' would lose all its channels");
    s.gone[block] = true;
    CHECK_OK(lb_prune_cut(s.g, &s.map, s.gone, &small, &err), &err);
    lb_graph_free(small);
    close_scene(&s);
}

static void what_is_looked_at_stays(void)
{
    lb_graph *const g = resnet(2);
    bool *const held = lb_heap_take((size_t)g->n_values * sizeof *held);
    const lb_value within = lb_graph_find(g, "block2/relu1"),
                   sum = lb_graph_find(g, "block4/add"), end = lb_graph_find(g, "block4");

    CHECK(held && within.id && sum.id && end.id);
    held[within.id] = held[sum.id] = held[end.id] = true;
    scene s = open_graph(g, held);
    CHECK(s.map.n_blocks == 5);
    for (int k = 0; k < 5; k++) {
        CHECK(strcmp(s.map.block[k].name, "block2/add") != 0);
        s.gone[s.map.n_units + k] = true;
    }
    lb_graph *const small = check_cut(&s);
    CHECK(small && lb_info(small, within)->kind == LB_VALUE_NODE);
    CHECK(small && lb_graph_find(small, "block4").id == end.id);
    CHECK(small && lb_info(small, sum)->kind == LB_VALUE_NODE);
    CHECK(small && lb_info(small, end)->kind == LB_VALUE_NODE);
    CHECK(small && count_nodes(small, "Identity") == 2);
    lb_graph_free(small);
    close_scene(&s);
    lb_heap_give(held);
}

/* ------------------------------------------------------------------- what goes first */

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

/* The least score for what is saved, by really cutting; -1: none. A block may not be more
 * than `too_much`. */
static int next_plainly(const scene *s, const lb_prune_goal *goal, bool *gone,
                        double left, double too_much)
{
    double best = INFINITY;
    int found = -1;

    for (int u = goal->blocks_only ? s->map.n_units : 0; u < s->map.n_parts; u++) {
        if (gone[u])
            continue;
        gone[u] = true;
        const double without = left_without(s, gone, goal->of);
        gone[u] = false;
        if (without < 0 || without >= left ||
            (u >= s->map.n_units && left - without > too_much))
            continue;
        if (s->score[u] / (left - without) < best) {
            best = s->score[u] / (left - without);
            found = u;
        }
    }
    return found;
}

static void choose_plainly(const scene *s, const lb_prune_goal *goal, bool *gone)
{
    double left = left_without(s, gone, goal->of);

    while (left > goal->left) {
        const double too_much = goal->blocks_only ? INFINITY : left - goal->left;
        int take = next_plainly(s, goal, gone, left, too_much);
        if (take < 0)
            take = next_plainly(s, goal, gone, left, INFINITY);
        CHECK(take >= 0);
        if (take < 0)
            return;
        gone[take] = true;
        left = left_without(s, gone, goal->of);
    }
}

/* Random scores; blocks are worth about what some of their channels are. */
static int check_goal(lb_graph *g, lb_prune_of of, double amount, bool blocks_only,
                      uint64_t seed)
{
    scene s = open_graph(g, NULL);
    const double all = left_without(&s, s.gone, of);
    const lb_prune_goal goal = {
        .of = of, .left = all * (1 - amount), .blocks_only = blocks_only};
    bool *const want = LB_TAKE_ARRAY(s.arena, s.map.n_parts + 1, bool);
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 4, 0);
    lb_error err = {0};

    for (int u = 0; u < s.map.n_parts; u++)
        s.score[u] = (u < s.map.n_units ? 1 : 4) * lb_rng_uniform(&rng);
    CHECK_OK(lb_prune_choose(s.g, &s.map, s.score, &goal, s.gone, &err), &err);
    CHECK(left_without(&s, s.gone, of) <= goal.left);
    choose_plainly(&s, &goal, want);
    CHECK(memcmp(want, s.gone, (size_t)s.map.n_parts * sizeof *want) == 0);
    const int n = blocks_gone(&s);
    close_scene(&s);
    return n;
}

static void the_least_for_what_is_saved_goes_first(void)
{
    int n = 0;

    for (uint64_t seed = 0; seed < 3; seed++) {
        n += check_goal(resnet(1), LB_PRUNE_OF_MACS, 0.5, false, seed);
        n += check_goal(resnet(1), LB_PRUNE_OF_PARAMETERS, 0.4, false, seed);
        n += check_goal(net_graph(build_nested, 3, 6, 6), LB_PRUNE_OF_MACS, 0.5, false,
                        seed);
        CHECK(check_goal(resnet(2), LB_PRUNE_OF_MACS, 0.4, true, seed) > 1);
    }
    CHECK(n > 2); /* blocks and channels go side by side */
}

static void blocks_alone_have_an_end(void)
{
    scene s = open_graph(resnet(1), NULL);
    const lb_prune_goal goal = {
        .of = LB_PRUNE_OF_MACS, .left = 0.01 * lb_graph_macs(s.g), .blocks_only = true};
    lb_error err = {0};

    CHECK(lb_prune_choose(s.g, &s.map, s.score, &goal, s.gone, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "can go with its 3 residual blocks alone; 99.0 % was asked for");
    close_scene(&s);
}

/* A block goes before its channels where that spares the named device more. */
static void cycles_of_the_device_count(void)
{
    scene s = open_graph(resnet(2), NULL);
    const lb_prune_goal goal = {.of = LB_PRUNE_OF_PARAMETERS,
                                .left = 0.8 * (double)lb_graph_parameters(s.g),
                                .blocks_only = true};

    for (int u = 0; u < s.map.n_parts; u++)
        s.score[u] = 1;
    pn_check_device_counts(s.g, &s.map, s.score, goal, s.gone, s.arena);
    close_scene(&s);
}

static const lb_prune_block *block_named(const scene *s, const char *name, int *part)
{
    for (int k = 0; k < s->map.n_blocks; k++)
        if (strcmp(s->map.block[k].name, name) == 0) {
            *part = s->map.n_units + k;
            return &s->map.block[k];
        }
    CHECK(s->map.n_blocks < 0); /* there is none of that name */
    return NULL;
}

static void scores_by_hand(void)
{
    scene s = open_graph(resnet(2), NULL);
    bool *const frozen = LB_TAKE_ARRAY(s.arena, s.g->n_values, bool);
    double mean = 0, own = 0, harmonic = 0;
    lb_error err = {0};
    int part = 0;

    const lb_prune_block *const block = block_named(&s, "block4/add", &part);
    if (!block)
        return;
    CHECK(block->n_closing == 2 && block->n_channels == 16);
    for (int k = 0; k < s.map.n_blocks; k++) {
        const lb_tensor *const scale = lb_info(s.g, s.map.block[k].closing[0])->tensor;
        double size = 0;
        for (size_t i = 0; i < scale->n; i++)
            size += fabs(lb_tensor_get(scale, i)) / (double)scale->n;
        mean += size / s.map.n_blocks;
        own = &s.map.block[k] == block ? size : own;
    }
    for (int i = 1; i <= 16; i++)
        harmonic += 1.0 / i;
    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_BN, s.score, &err), &err);
    CHECK_NEAR(s.score[part], own / mean * harmonic, 1e-9);
    CHECK_OK(lb_prune_score(s.g, &s.map, LB_PRUNE_L1, s.score, &err), &err);
    CHECK(s.score[part] > 0.5 * harmonic && s.score[part] < 2 * harmonic);

    frozen[block->param[0].id] = true;
    lb_prune_hold(s.g, &s.map, frozen, s.score);
    CHECK(isinf(s.score[part]));
    for (int k = 0; k < s.map.n_blocks; k++)
        CHECK(s.map.n_units + k == part || isfinite(s.score[s.map.n_units + k]));
    close_scene(&s);
}

/* Muted, it says what a network says that has lost the block; then it is as before. */
static void a_block_is_muted_and_is_back(void)
{
    scene s = open_graph(resnet(2), NULL);
    lb_graph *before = NULL, *small = NULL;
    lb_error err = {0};
    void *kept = NULL;

    CHECK_OK(lb_graph_with_precision(s.g, LB_F32, &before, &err), &err);
    for (int k = 0; k < s.map.n_blocks; k++) {
        s.gone[s.map.n_units + k] = true;
        CHECK_OK(lb_prune_cut(before, &s.map, s.gone, &small, &err), &err);
        CHECK_OK(lb_prune_mute(s.g, &s.map.block[k], &kept, &err), &err);
        CHECK_NEAR(pn_difference(s.g, small), 0, 1e-12);
        CHECK(pn_difference(s.g, before) > 1e-3);
        lb_prune_unmute(s.g, &s.map.block[k], kept);
        CHECK_NEAR(pn_difference(s.g, before), 0, 0);
        s.gone[s.map.n_units + k] = false;
        lb_graph_free(small);
        small = NULL;
    }
    lb_prune_add_trial(&s.map, 1, 0.5, s.score);
    lb_prune_add_trial(&s.map, 1, -0.25, s.score);
    CHECK_NEAR(s.score[s.map.n_units + 1], 4 * (0.25 + 0.0625), 1e-12);
    lb_graph_free(before);
    close_scene(&s);
}

static void memory_may_run_out(void)
{
    lb_graph *const g = resnet(1);
    bool done = false;

    for (long n = 0; n < 10000 && !done; n++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_prune_map map;
        lb_error err = {0};
        CHECK_OK(lb_prune_ties(g, arena, &map, &err), &err);
        lb_arena_fail_after(n);
        const lb_code code = lb_prune_blocks(g, NULL, arena, &map, &err);
        lb_arena_fail_after(-1);
        done = code == LB_OK;
        CHECK(done || (code == LB_ERR_MEMORY && strstr(err.text, "memory")));
        lb_arena_free(arena);
    }
    CHECK(done);
    lb_graph_free(g);
}

int main(void)
{
    RUN(every_set_of_blocks_of_a_resnet);
    RUN(nothing_needless_is_left);
    RUN(mlperf_resnet);
    RUN(inverted_residuals);
    RUN(nested_and_dense);
    RUN(what_is_no_block);
    RUN(with_channels);
    RUN(a_layer_may_end_with_its_block);
    RUN(what_is_looked_at_stays);
    RUN(the_least_for_what_is_saved_goes_first);
    RUN(blocks_alone_have_an_end);
    RUN(cycles_of_the_device_count);
    RUN(scores_by_hand);
    RUN(a_block_is_muted_and_is_back);
    RUN(memory_may_run_out);
    return DONE();
}
