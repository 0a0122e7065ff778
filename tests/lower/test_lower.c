/* test_lower.c: the lowered form computes what the graph computes, in the memory that it
 * promises, and names everything that it refuses. */
#include "check.h"

#include "lower/nets.h"

#include "models/model.h"

#include <float.h>

/* The lowered form against the reference kernels: the worst difference over the scale. */
static double difference(const lb_graph *g, const lb_low *low, lb_arena *arena)
{
    const size_t n_in = lb_low_count_inputs(low), n_out = lb_low_count(&low->output);
    const lb_plan_options options = {.batch = 1, .kernels = LB_KERNELS_REFERENCE};
    float *const in = LB_TAKE_ARRAY(arena, n_in, float);
    float *const out = LB_TAKE_ARRAY(arena, n_out, float);
    void *const scratch = lb_arena_take(arena, low->arena_bytes);
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, 0, 0);
    double worst = 0, scale = 0;
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(g, pool, &options, &plan, &err), &err);
    if (!plan)
        return 1;
    for (size_t i = 0; i < n_in; i++)
        in[i] = (float)(2 * lb_rng_uniform(&rng) - 1);
    const float *from = in;
    for (int k = 0; k < low->n_inputs; k++) {
        const size_t n = lb_low_count(&low->input[k].dims);
        memcpy(lb_plan_input(plan, g->inputs[k], 0), from, n * sizeof *from);
        from += n;
    }
    memset(scratch, 0x7f,
           low->arena_bytes); /* a step that reads what nobody wrote shows */
    lb_low_run(low, in, out, scratch);
    lb_plan_run(plan);
    const float *const want = lb_plan_output(plan, g->outputs[0], 0);
    for (size_t i = 0; i < n_out; i++) {
        worst = fmax(worst, fabs((double)out[i] - (double)want[i]));
        scale = fmax(scale, fabs((double)want[i]));
    }
    CHECK(scale > 1e-3);
    lb_plan_free(plan);
    lb_pool_free(pool);
    return worst / scale;
}

static lb_low *check_net(net_builder build, int c, int h, int w, lb_arena *arena)
{
    lb_graph *const g = net_graph(build, c, h, w);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK(g != NULL);
    if (!g)
        return NULL;
    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    if (low) {
        CHECK_NEAR(difference(g, low, arena), 0, 1e-5);
        CHECK(low->arena_bytes >= low->bound_bytes);
        CHECK(low->bound_bytes > 0);
    }
    lb_graph_free(g);
    return low;
}

static void flatten_is_free(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(net_build_flatten, 3, 9, 7, arena);

    CHECK(low && low->n_steps == 3);
    if (low && low->n_steps == 3) {
        CHECK(low->step[0].kind == LB_LOW_CONV && low->step[0].low == 0);
        CHECK(low->step[1].kind == LB_LOW_DENSE && low->step[1].low == 0);
        CHECK(low->step[2].kind == LB_LOW_DENSE && low->step[2].low == -FLT_MAX);
        /* 3x9x7 in, 5x5x4 out: both alive in the first step, nothing more */
        CHECK(low->arena_bytes == (189 + 100) * sizeof(float));
        CHECK(low->weight_bytes ==
              (5 * 27 + 5 + 9 * 100 + 9 + 4 * 9 + 4) * sizeof(float));
        CHECK_NEAR(low->step[1].macs, 900, 0);
    }
    lb_arena_free(arena);
}

static void residual_adds_in_place(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(net_build_residual, 3, 8, 8, arena);

    CHECK(low && low->n_steps == 6);
    if (low && low->n_steps == 6) {
        const lb_low_step *const s = &low->step[2];
        CHECK(s->in[1] >= 0);
        CHECK(low->buffer[s->out].offset == low->buffer[s->in[1]].offset);
        /* stem and one more map of 8x8x8 */
        CHECK(low->arena_bytes == 2 * 512 * sizeof(float));
    }
    lb_arena_free(arena);
}

static void every_kind_agrees(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(net_build_mixed, 4, 9, 8, arena);
    bool seen[LB_LOW_AFFINE + 1] = {false};

    for (int i = 0; low && i < low->n_steps; i++)
        seen[low->step[i].kind] = true;
    CHECK(seen[LB_LOW_AFFINE] && seen[LB_LOW_POINTWISE] && seen[LB_LOW_DEPTHWISE]);
    CHECK(seen[LB_LOW_MAX_POOL] && seen[LB_LOW_AVERAGE_POOL] && seen[LB_LOW_CONCAT]);
    CHECK(seen[LB_LOW_COPY] && seen[LB_LOW_ACTIVATION] && seen[LB_LOW_ADD]);
    lb_arena_free(arena);
}

static void several_inputs_agree(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(net_build_inputs, 3, 9, 7, arena);

    CHECK(low && low->n_inputs == 3);
    if (low) {
        CHECK(lb_low_count_inputs(low) == 3 * 9 * 7 + 5 * 9 * 7 + 3);
        CHECK(strcmp(low->input[2].name, "state") == 0);
        CHECK(low->input[1].dims.h == 9 && low->input[1].dims.c == 5);
    }
    lb_arena_free(arena);
}

/* A fourth input. */
static lb_value build_too_many(lb_builder *b, lb_value x)
{
    const lb_shape shape = lb_shape_of(2, LB_BATCH, 4);

    return lb_add(b, net_build_inputs(b, x), lb_input(b, "more", LB_F32, &shape));
}

static void too_many_inputs_are_refused(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(build_too_many, 3, 9, 7);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK(g && lb_lower(g, arena, &low, &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text, "4 inputs and 1 outputs; a device takes up to 3 inputs");
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* A map that is added to twice: the first sum must not eat it. */
static lb_value build_shared(lb_builder *b, lb_value x)
{
    const lb_value a =
        lb_max_pool(b, x, &(lb_window){.n = 2, .kernel = {2, 2}, .stride = {2, 2}}, NULL);
    const lb_value p = net_conv(b, a, 5, 4, 3, 1, 1), q = lb_add(b, p, a);
    const lb_value r = lb_add(b, q, a), s = lb_relu(b, q, NULL), t = lb_add(b, r, s);
    const lb_value u = lb_add(b, t, t);

    return lb_global_average_pool(b, u, NULL);
}

static void shared_values_survive(void)
{
    lb_arena *const arena = lb_arena_new(0);

    check_net(build_shared, 4, 6, 6, arena);
    lb_arena_free(arena);
}

/* Constants around a dense layer fold into it; behind a flatten with another user not. */
static lb_value build_constants(lb_builder *b, lb_value x)
{
    x = lb_global_average_pool(b, x, NULL);
    const lb_value f = lb_flatten(b, x, NULL);
    const lb_shape shape = lb_shape_of(2, 3, 5);
    const lb_value w = lb_param(b, NULL, net_random(b, 7, &shape, 1));
    const lb_value bias = net_vector(b, 8, 5), factor = net_vector(b, 9, 5);
    lb_value y = lb_matmul(b, f, w);

    y = lb_add(b, y, bias);
    y = lb_mul(b, factor, y);
    const lb_value half = lb_scalar(b, LB_F32, 0.5), z = lb_sub(b, half, y);
    return lb_relu(b, z, NULL);
}

static void constants_fold(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(build_constants, 3, 4, 4, arena);

    CHECK(low && low->n_steps == 2);
    lb_arena_free(arena);
}

static lb_value build_refused(lb_builder *b, lb_value x)
{
    x = net_conv(b, x, 5, 4, 3, 1, 2);
    const lb_value y = lb_log_softmax(b, x, 1);
    return lb_add(b, y, x);
}

static lb_value build_refused_twice(lb_builder *b, lb_value x)
{
    const lb_value t = lb_transpose(b, x, (int[]){0, 2, 3, 1}, 4);
    const lb_value m = lb_mul(b, x, x), s = lb_log_softmax(b, m, 1);
    const lb_value u = lb_reduce_sum(b, t, (int[]){1, 2, 3}, 3, false);
    const lb_value v = lb_reduce_sum(b, s, (int[]){1, 2, 3}, 3, false);

    return lb_add(b, u, v);
}

static void refusals_name_every_node(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *g = net_graph(build_refused, 4, 6, 6);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK(g && lb_lower(g, arena, &low, &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text, "2 groups of 4 to 4 channels");
    CHECK_TEXT(err.text, "(LogSoftmax)");
    lb_graph_free(g);
    g = net_graph(build_refused_twice, 4, 6, 6);
    CHECK(g && lb_lower(g, arena, &low, &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text, "(Transpose): it moves elements");
    CHECK_TEXT(err.text, "(Mul): of two values");
    CHECK_TEXT(err.text, "(LogSoftmax)");
    CHECK_TEXT(err.text, "(ReduceSum)");
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* 1-D: [N,C,L] with the time axis as the width, a mean over it. */
static lb_value build_sequence(lb_builder *b, lb_value x)
{
    const lb_shape flat = lb_shape_of(3, LB_BATCH, 4, 30);
    const lb_shape shape = lb_shape_of(3, 6, 4, 5);
    const lb_window window = {.n = 1,
                              .kernel = {5},
                              .stride = {2},
                              .dilation = {1},
                              .pad_begin = {1},
                              .pad_end = {2},
                              .group = 1};
    x = lb_reshape(b, x, &flat);
    const lb_value w = lb_param(b, NULL, net_random(b, 4, &shape, 0.5));
    const lb_value bias = net_vector(b, 5, 6);
    x = lb_conv(b, x, w, bias, &window, NULL);
    x = lb_relu(b, x, NULL);
    return lb_reduce_mean(b, x, (int[]){2}, 1, false);
}

static void sequences_agree(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_low *const low = check_net(build_sequence, 1, 4, 30, arena);

    CHECK(low && low->n_steps == 3);
    CHECK(low && low->step[1].kernel_w == 5 && low->step[1].kernel_h == 1);
    lb_arena_free(arena);
}

/* The least memory that these networks can do with, by hand: ResNet-8 needs two maps of
 * 32x32x16, DS-CNN two of 25x5x64. */
static void published_networks_need_no_more(void)
{
    static const struct {
        const char *model;
        int c, h, w;
        size_t arena;
    } cases[] = {{"resnet", 3, 32, 32, 2 * 16384 * 4}, {"ds-cnn", 1, 49, 10, 64000}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lb_model *const model = lb_model_find(cases[i].model);
        const lb_model_options options = {
            .input = lb_shape_of(3, cases[i].c, cases[i].h, cases[i].w),
            .classes = 10,
            .width = 1};
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *g = NULL;
        lb_low *low = NULL;
        lb_error err = {0};
        CHECK(model != NULL);
        CHECK_OK(lb_model_build(model, &options, 1, &g, &err), &err);
        CHECK_OK(lb_lower(g, arena, &low, &err), &err);
        CHECK(low && low->arena_bytes == cases[i].arena);
        CHECK(low && low->n_steps == 11);
        if (low)
            CHECK_NEAR(difference(g, low, arena), 0, 1e-4);
        lb_graph_free(g);
        lb_arena_free(arena);
    }
}

int main(void)
{
    RUN(sequences_agree);
    RUN(published_networks_need_no_more);
    RUN(flatten_is_free);
    RUN(residual_adds_in_place);
    RUN(every_kind_agrees);
    RUN(several_inputs_agree);
    RUN(too_many_inputs_are_refused);
    RUN(shared_values_survive);
    RUN(constants_fold);
    RUN(refusals_name_every_node);
    return DONE();
}
