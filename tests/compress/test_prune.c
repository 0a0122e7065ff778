/* test_prune.c: channels that hang together are found, and go together: where their
 * weights are zero, a network without them says the same. */
#include "check.h"

#include "compress/prune_nets.h"

#include "models/model.h"

/* About every third unit, but never the last channel of a layer. */
static bool *choose(const lb_prune_map *map, lb_arena *arena, uint64_t seed)
{
    bool *const gone = LB_TAKE_ARRAY(arena, map->n_units + 1, bool);
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 2, 0);

    for (int u = 0; u < map->n_units; u++) {
        gone[u] = lb_rng_below(&rng, 3) == 0;
        for (int k = 0; k < map->n_layers; k++) {
            bool any = false;
            for (int i = 0; i < map->layer[k].n; i++)
                any = any || map->layer[k].unit[i] < 0 || !gone[map->layer[k].unit[i]];
            if (!any)
                gone[u] = false;
        }
    }
    return gone;
}

/* Cuts zeros out of a graph three times; takes it over. Returns its units. */
static int check_cuts(lb_graph *g)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_prune_map map;
    lb_error err = {0};

    CHECK(g != NULL);
    if (!g)
        return 0;
    CHECK_OK(lb_prune_ties(g, arena, &map, &err), &err);
    CHECK(map.n_units > 0);
    for (uint64_t seed = 0; seed < 3; seed++) {
        const bool *const gone = choose(&map, arena, seed);
        lb_graph *full = NULL, *small = NULL;
        CHECK_OK(lb_graph_with_precision(g, LB_F32, &full, &err), &err);
        pn_silence(full, &map, gone);
        CHECK_OK(lb_prune_cut(full, &map, gone, &small, &err), &err);
        if (small) {
            CHECK_OK(lb_graph_check(small, &err), &err);
            CHECK(lb_graph_parameters(small) < lb_graph_parameters(full));
            CHECK(lb_graph_macs(small) < lb_graph_macs(full));
            CHECK_NEAR(pn_difference(full, small), 0, 1e-6);
        }
        lb_graph_free(small);
        lb_graph_free(full);
    }
    lb_graph_free(g);
    lb_arena_free(arena);
    return map.n_units;
}

static void ds_cnn(void)
{
    /* every layer its own channels, each with those of the depthwise filters before */
    CHECK(check_cuts(pn_model("ds-cnn", 0.25, 0)) == 5 * lb_channels(64, 0.25));
}

static void resnet(void)
{
    CHECK(check_cuts(pn_model("resnet", 0.5, 1)) > 0);
    CHECK(check_cuts(pn_model("resnet", 0.5, 2)) > 0);
}

static void mobilenet(void)
{
    /* 6 tied by the first addition, 18 within, 6 * 2 more are those of the depthwise
     * filters, so of the first 6; 36 within the second block */
    CHECK(check_cuts(net_graph(pn_build_mobilenet, 3, 12, 12)) == 6 + 18 + 36);
}

static void branches(void)
{
    CHECK(check_cuts(net_graph(pn_build_inception, 3, 8, 8)) == 5 + 4 + 6 + 4 + 9);
}

static void shuffles_and_groups(void)
{
    CHECK(check_cuts(net_graph(pn_build_shuffle, 3, 12, 12)) > 0);
}

static void decoders(void)
{
    CHECK(check_cuts(net_graph(pn_build_decoder, 3, 12, 12)) == 8 + 6 + 4);
}

static void lowering_nets(void)
{
    CHECK(check_cuts(net_graph(net_build_flatten, 3, 9, 7)) == 5 + 9);
    CHECK(check_cuts(net_graph(net_build_residual, 3, 8, 8)) > 0);
    CHECK(check_cuts(net_graph(net_build_mixed, 4, 9, 8)) > 0);
}

static lb_graph *random_graph(uint64_t seed)
{
    const lb_shape shape = lb_shape_of(4, (int)LB_BATCH, 3, 10, 9);
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "input", LB_F32, &shape);
    const lb_value y = pn_build_random(&b, x, seed);
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return g;
}

static void random_graphs(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        check_cuts(random_graph(seed));
}

/* Zero padding of channels, a layer of weights [in, out], and layers that are refused. */
static lb_value build_padded(lb_builder *b, lb_value x)
{
    const lb_shape eight = lb_shape_of(1, 8), weights = lb_shape_of(2, 6, 3);
    lb_tensor *pads = NULL;
    lb_error err;

    if (lb_tensor_new(b->graph->arena, LB_I64, &eight, &pads, &err) != LB_OK)
        return (lb_value){0};
    lb_tensor_put(pads, 1, 2); /* two channels before */
    x = pn_block(b, x, 10, 4, 3, 1, 1);
    const lb_value in[] = {x, lb_constant(b, NULL, pads)};
    const lb_value wide = lb_add_node(b, lb_op_find("Pad"), NULL, in, 2, NULL, 0);
    const lb_value y = pn_block(b, x, 50, 6, 1, 1, 1), z = lb_add(b, wide, y);
    const lb_value pooled = lb_global_average_pool(b, z, NULL);
    const lb_value flat = lb_flatten(b, pooled, NULL);
    const lb_value w = lb_param(b, NULL, net_random(b, 90, &weights, 0.5));
    return lb_gemm(b, flat, w, (lb_value){0}, false, false, NULL);
}

static void padded_channels_stay(void)
{
    CHECK(check_cuts(net_graph(build_padded, 3, 8, 8)) == 4);
}

static void last_channel_is_kept(void)
{
    lb_graph *const g = net_graph(net_build_flatten, 3, 9, 7);
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *small = NULL;
    lb_prune_map map;
    lb_error err = {0};

    CHECK_OK(lb_prune_ties(g, arena, &map, &err), &err);
    CHECK(map.n_layers == 2 && map.n_groups == 2);
    bool *const gone = LB_TAKE_ARRAY(arena, map.n_units, bool);
    for (int i = 0; i < map.layer[1].n; i++)
        gone[map.layer[1].unit[i]] = true;
    CHECK(lb_prune_cut(g, &map, gone, &small, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "would lose all its channels");
    CHECK_TEXT(err.text, map.layer[1].name);
    CHECK(small == NULL);
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* The n-th piece of memory is not there, for every n until all goes well. */
static void memory_may_run_out(void)
{
    lb_graph *const g = net_graph(pn_build_shuffle, 3, 8, 8);
    bool done = false;

    for (long n = 0; n < 100000 && !done; n++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *small = NULL;
        lb_prune_map map;
        lb_error err = {0};
        lb_arena_fail_after(n);
        lb_code code = lb_prune_ties(g, arena, &map, &err);
        if (code == LB_OK) {
            lb_arena_fail_after(-1);
            const bool *const gone = choose(&map, arena, 1);
            lb_arena_fail_after(n);
            code = lb_prune_cut(g, &map, gone, &small, &err);
        }
        lb_arena_fail_after(-1);
        done = code == LB_OK;
        CHECK(done || (code == LB_ERR_MEMORY && strstr(err.text, "memory")));
        lb_graph_free(small);
        lb_arena_free(arena);
    }
    CHECK(done);
    lb_graph_free(g);
}

int main(void)
{
    RUN(memory_may_run_out);
    RUN(padded_channels_stay);
    RUN(last_channel_is_kept);
    RUN(ds_cnn);
    RUN(resnet);
    RUN(mobilenet);
    RUN(branches);
    RUN(shuffles_and_groups);
    RUN(decoders);
    RUN(lowering_nets);
    RUN(random_graphs);
    return DONE();
}
