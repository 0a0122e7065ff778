/* test_lower_int8.c: int8 steps compute what the quantised graph means, one step of the
 * grid aside, and everything that they cannot do is refused by name. */
#include "check.h"

#include "lower/nets_int8.h"

#include <stdlib.h>

typedef struct trial {
    lb_arena *arena;
    lb_graph *graph;
    lb_low *low;
    size_t n_out;
    int8_t *got;       /* by the integer reference */
    const float *want; /* by the graph, run in float64 */
    lb_pool *pool;
    lb_plan *plan;
} trial;

static bool run_graph(trial *t, const float *in)
{
    const lb_plan_options options = {.batch = 1, .kernels = LB_KERNELS_REFERENCE};
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &t->pool, &err), &err);
    CHECK_OK(lb_plan_compile(t->graph, t->pool, &options, &t->plan, &err), &err);
    if (!t->plan)
        return false;
    for (int k = 0; k < t->low->n_inputs; k++) {
        const size_t n = lb_low_count(&t->low->input[k].dims);
        memcpy(lb_plan_input(t->plan, t->graph->inputs[k], 0), in, n * sizeof *in);
        in += n;
    }
    lb_plan_run(t->plan);
    t->want = lb_plan_output(t->plan, t->graph->outputs[0], 0);
    return true;
}

/* Both on the same random input. */
static bool run_both(trial *t, uint64_t seed)
{
    const size_t n_in = lb_low_count_inputs(t->low);
    float *const in = LB_TAKE_ARRAY(t->arena, n_in, float);
    int8_t *const in8 = LB_TAKE_ARRAY(t->arena, n_in, int8_t);
    void *const scratch = lb_arena_take(t->arena, t->low->run_bytes);
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);

    t->n_out = lb_low_count(&t->low->output);
    t->got = LB_TAKE_ARRAY(t->arena, t->n_out, int8_t);
    for (size_t i = 0; i < n_in; i++)
        in[i] = (float)(4 * lb_rng_uniform(&rng) - 2);
    lb_low_quantise_inputs(t->low, in, in8);
    memset(scratch, 0x55, t->low->run_bytes); /* what nobody wrote shows */
    lb_low_run_int8(t->low, in8, t->got, scratch);
    return run_graph(t, in);
}

static void end(trial *t)
{
    lb_plan_free(t->plan);
    lb_pool_free(t->pool);
    lb_graph_free(t->graph);
    lb_arena_free(t->arena);
}

static trial begin(net_builder build, int c, int h, int w, lb_rounding rounding)
{
    trial t = {.arena = lb_arena_new(0), .graph = net_graph(build, c, h, w)};
    lb_error err = {0};

    CHECK(t.graph != NULL);
    if (t.graph)
        CHECK_OK(lb_lower_rounded(t.graph, rounding, t.arena, &t.low, &err), &err);
    return t;
}

/* How far the integers are from the graph's numbers: the most steps, and the share of
 * elements that are not the same step. */
typedef struct distance {
    int most;
    double share;
} distance;

static distance apart(const trial *t)
{
    const lb_qparams q = t->low->buffer[t->low->output_buffer].q;
    int8_t low = 127, high = -128;
    distance d = {0};

    for (size_t i = 0; i < t->n_out; i++) {
        int8_t want;
        lb_quantise(q, &t->want[i], 1, &want);
        const int steps = abs(t->got[i] - want);
        d.most = steps > d.most ? steps : d.most;
        d.share += (steps > 0) / (double)t->n_out;
        low = t->got[i] < low ? t->got[i] : low;
        high = t->got[i] > high ? t->got[i] : high;
    }
    CHECK(high > low); /* a network that says the same to all proves nothing */
    return d;
}

static void check_net(net_builder build, int c, int h, int w, int most, double share)
{
    trial t = begin(build, c, h, w, LB_ROUND_SINGLE);

    if (t.low && run_both(&t, 3)) {
        const distance d = apart(&t);
        CHECK(t.low->dtype == LB_I8);
        CHECK(d.most <= most);
        CHECK_NEAR(d.share, 0, share);
    }
    end(&t);
}

/* One layer on the same input: at most one step, and that seldom. */
static lb_value build_conv(lb_builder *b, lb_value x)
{
    const lb_window w = {.n = 2,
                         .kernel = {3, 3},
                         .stride = {2, 1},
                         .pad_end = {1, 1},
                         .pad_begin = {0, 1}};

    return net8_conv(b, net8_grid(b, x, 1.0 / 64, -3), 3, 7, &w,
                     (net8_end){0.03, -100, true})
        .v;
}

static lb_value build_depthwise(lb_builder *b, lb_value x)
{
    return net8_same(b, net8_grid(b, x, 1.0 / 64, -3), 3, 3, 3, 3,
                     (net8_end){0.02, 11, false})
        .v;
}

static lb_value build_sum(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, x, 1.0 / 64, -3);
    const lb_window two = {.n = 2, .kernel = {1, 1}};
    const lb_value m = lb_max_pool(b, y.v, &two, NULL);
    const net8 z = net8_grid(b, lb_clip(b, m, -1.2, 0.3, NULL), 0.007, 25);

    return net8_grid(b, lb_add(b, z.v, y.v), 0.019, 6).v;
}

static lb_value build_mean(lb_builder *b, lb_value x)
{
    const lb_window w = {.n = 2,
                         .kernel = {3, 3},
                         .stride = {2, 2},
                         .pad_begin = {1, 1},
                         .pad_end = {1, 1}};
    const net8 y = net8_grid(b, x, 1.0 / 64, -3);

    return net8_grid(b, lb_average_pool(b, y.v, &w, false, NULL), 0.009, -7).v;
}

static lb_value build_softmax(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, lb_flatten(b, x, NULL), 1.0 / 32, -3);

    return net8_grid(b, lb_softmax(b, y.v, 1), 1.0 / 256, -128).v;
}

static void layers_agree(void)
{
    check_net(build_conv, 3, 9, 8, 1, 0.01);
    check_net(build_depthwise, 3, 9, 8, 1, 0.01);
    check_net(build_sum, 3, 9, 8, 1, 0.03); /* ties: half up against half to even */
    check_net(build_mean, 3, 9, 8, 1, 0.02);
    check_net(build_softmax, 1, 3, 5, 1, 0.1);
}

static void networks_agree(void)
{
    check_net(net8_build_convs, 3, 11, 9, 2, 0.05);
    check_net(net8_build_residual, 3, 8, 8, 2, 0.5);
    check_net(net8_build_mixed, 4, 9, 8, 2, 1);
    check_net(net8_build_sequence, 1, 4, 30, 1, 0.2);
    check_net(net8_build_inputs, 3, 9, 7, 2, 0.5);
}

/* The other rule is another function, but not a far one. */
static void roundings_are_close(void)
{
    trial t = begin(net8_build_convs, 3, 11, 9, LB_ROUND_TFLITE);

    if (t.low && run_both(&t, 3)) {
        const distance d = apart(&t);
        CHECK(d.most <= 3);
    }
    end(&t);
}

static void additions_are_fused(void)
{
    trial t = begin(net8_build_residual, 3, 8, 8, LB_ROUND_SINGLE);
    int n = 0;

    /* two of the additions have a convolution before them */
    CHECK(t.low && t.low->n_steps == 8);
    for (int i = 0; t.low && i < t.low->n_steps; i++) {
        const lb_low_step *const s = &t.low->step[i];
        CHECK(s->kind != LB_LOW_ADD);
        if (s->in[1] < 0)
            continue;
        n++;
        CHECK(t.low->buffer[s->out].offset == t.low->buffer[s->in[1]].offset);
        CHECK(s->q->middle.scale > 0);
    }
    CHECK(n == 2);
    /* stem and one more map of 8x8x8, and what a 3x3 kernel over 8 channels works in */
    CHECK(t.low && t.low->arena_bytes == 2 * 512 + 4 * 72 + 8);
    end(&t);
}

/* Pointwise and depthwise layers work in the memory of their input: alone in the arena
 * with the largest map are the kernel and three rows that a depthwise layer works in. */
static void layers_work_in_place(void)
{
    trial t = begin(net8_build_separable, 4, 12, 10, LB_ROUND_SINGLE);

    CHECK(t.low && t.low->n_steps == 4);
    if (t.low && t.low->n_steps == 4) {
        const lb_low_step *const s = t.low->step;
        const lb_low_buffer *const b = t.low->buffer;
        CHECK(b[s[0].in[0]].offset == b[s[0].out].offset);
        /* 8 channels from 4: both end together */
        CHECK(b[s[1].in[0]].offset + 480 == b[s[1].out].offset + 960);
        CHECK(b[s[2].in[0]].offset == b[s[2].out].offset);
        CHECK(t.low->arena_bytes == 960 + 8 * (9 + 3 * 11));
    }
    end(&t);
}

static lb_value build_one(lb_builder *b, lb_value x)
{
    return net8_same(b, net8_grid(b, x, 1.0 / 64, -3), 59, 8, 3, 1,
                     (net8_end){0.05, -128, true})
        .v;
}

/* A convolution writes over the rows that it has done with: two rows of 12x12x8 more than
 * the map, and what the kernel works in. */
static void convolutions_follow_their_input(void)
{
    trial t = begin(build_one, 8, 12, 12, LB_ROUND_SINGLE);

    CHECK(t.low && t.low->arena_bytes == 1152 + 2 * 96 + 4 * 72 + 8);
    end(&t);
}

/* Of 9x6x10 weights, of 6 depthwise ones of nine taps and of 6x3: whole groups of four
 * channels, and of each group whole eights of weights. */
static lb_value build_narrow(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_same(b, y, 61, 6, 3, 1, (net8_end){0.5, 3, false});
    y = net8_same(b, y, 63, 6, 3, 6, (net8_end){0.5, 3, false});
    return net8_same(b, y, 65, 3, 1, 1, (net8_end){0.5, 3, false}).v;
}

static void weights_of_4_bits_are_packed(void)
{
    static const size_t weights[] = {2 * 92 * 2, 2 * 20, 8 * 2};
    static const size_t channels[] = {8, 8, 4};
    static const int8_t fit[] = {-7, 7, 0}, low[] = {-8, 7}, high[] = {0, 8};
    lb_error err = {0};
    trial t = {.arena = lb_arena_new(0), .graph = net_graph(build_narrow, 10, 6, 5)};

    net8_narrow(t.graph);
    CHECK_OK(lb_lower(t.graph, t.arena, &t.low, &err), &err);
    CHECK(t.low && t.low->n_steps == 3);
    for (int i = 0; t.low && i < t.low->n_steps; i++) {
        const lb_low_step *const s = &t.low->step[i];
        CHECK(s->q->packed);
        /* bias, factor and shift of each channel */
        CHECK(lb_low_constant_bytes(t.low, s) == weights[i] + 9 * channels[i]);
        CHECK((size_t)lb_low_tile(t.low, s) == channels[i]);
    }
    CHECK(lb_low_fits_4_bits(fit, 3) && !lb_low_fits_4_bits(low, 2) &&
          !lb_low_fits_4_bits(high, 2));
    end(&t);
}

static void check_refused(net_builder build, const char *why)
{
    trial t = {.arena = lb_arena_new(0), .graph = net_graph(build, 4, 6, 6)};
    lb_error err = {0};

    CHECK(t.graph && lb_lower(t.graph, t.arena, &t.low, &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text, why);
    end(&t);
}

static lb_value build_open(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, x, 0.02, 0);

    return lb_average_pool(b, y.v, &(lb_window){.n = 2, .kernel = {2, 2}}, true, NULL);
}

static lb_value build_float_weights(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, x, 0.02, 0);

    return net8_grid(b, net_conv(b, y.v, 3, 4, 3, 1, 1), 0.1, 0).v;
}

static lb_value build_wrong_bias(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 0.02, 0);

    y.scale = 0.03; /* what the bias is made for */
    return net8_same(b, y, 3, 4, 3, 1, (net8_end){0.1, 0, false}).v;
}

static lb_value build_norm(lb_builder *b, lb_value x)
{
    const net8 y =
        net8_same(b, net8_grid(b, x, 0.02, 0), 3, 4, 3, 1, (net8_end){0.1, 0, false});

    return net8_grid(b, net_norm(b, y.v, 9), 0.1, 0).v;
}

static lb_value build_softmax_grid(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, lb_flatten(b, x, NULL), 0.02, 0);

    return net8_grid(b, lb_softmax(b, y.v, 1), 0.01, 0).v;
}

static lb_value build_far_apart(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, x, 1e-9, 0), z = net8_grid(b, lb_relu(b, x, NULL), 1, 0);

    return net8_grid(b, lb_add(b, y.v, z.v), 1e-9, 0).v;
}

static void refusals_have_reasons(void)
{
    check_refused(build_open, "is not quantised: a QuantizeLinear must follow");
    check_refused(build_float_weights, "not int8 behind a DequantizeLinear");
    check_refused(build_wrong_bias, "the scale of its bias must be that of input");
    check_refused(build_norm, "must be folded into a convolution");
    check_refused(build_softmax_grid, "scale 1/256 and zero point -128");
    check_refused(build_far_apart, "scale");
}

int main(void)
{
    RUN(layers_agree);
    RUN(networks_agree);
    RUN(roundings_are_close);
    RUN(additions_are_fused);
    RUN(layers_work_in_place);
    RUN(convolutions_follow_their_input);
    RUN(weights_of_4_bits_are_packed);
    RUN(refusals_have_reasons);
    return DONE();
}
