/* test_calibrate.c: networks to int8: where the nodes are put, which scales are shared,
 * what weights and biases become, what equalisation, bias correction and the ways to find
 * ranges are worth, what is refused, and what the device and onnxruntime make of it. */
#include "compress/quantize.h"

#include "ops/ops.h"

#include "lower/nets.h"
#include "onnxruntime.h"

typedef struct fixture {
    lb_arena *arena;
    lb_pool *pool;
    lb_graph *graph;
    lb_tensor *samples;
    lb_quantize_setup setup;
    lb_quantised done;
    lb_error err;
} fixture;

/* n samples between -1 and 1. */
static lb_tensor *noise(lb_arena *arena, const lb_graph *g, int n, uint64_t seed)
{
    const lb_shape shape = lb_shape_bind(&lb_info(g, g->inputs[0])->type.shape, n);
    lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(arena, LB_F32, &shape, &t, &err), &err);
    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, 2 * lb_rng_uniform(&rng) - 1);
    return t;
}

static void begin(fixture *f, net_builder build)
{
    *f = (fixture){.arena = lb_arena_new(0)};
    CHECK_OK(lb_pool_new(2, &f->pool, &f->err), &f->err);
    f->graph = net_graph(build, 4, 9, 8);
    f->samples = noise(f->arena, f->graph, 64, 1);
    f->setup =
        (lb_quantize_setup){.graph = f->graph, .samples = f->samples, .pool = f->pool};
    CHECK_OK(lb_keys_defaults(lb_quantize_keys, &f->setup.options, f->arena, &f->err),
             &f->err);
}

static void quantise(fixture *f)
{
    lb_quantised_free(&f->done);
    CHECK_OK(lb_network_quantize(&f->setup, f->arena, &f->done, &f->err), &f->err);
}

static void end(fixture *f)
{
    lb_quantised_free(&f->done);
    lb_graph_free(f->graph);
    lb_pool_free(f->pool);
    lb_arena_free(f->arena);
}

static const lb_node *maker(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    CHECK(info->kind == LB_VALUE_NODE);
    return info->kind == LB_VALUE_NODE ? &g->nodes[info->node] : &g->nodes[0];
}

static const lb_node *user(const lb_graph *g, lb_value v)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k].id == v.id)
                return &g->nodes[i];
    CHECK(v.id == 0); /* nobody uses it */
    return &g->nodes[0];
}

/* The QuantizeLinear behind v. */
static const lb_node *held(const lb_graph *g, lb_value v)
{
    const lb_node *const q = user(g, v);

    CHECK(q->op == &lb_op_QuantizeLinear);
    CHECK(lb_count_uses(g, v) == 1);
    CHECK(lb_info(g, q->in[1])->type.shape.rank == 0);
    CHECK(lb_info(g, q->in[2])->type.dtype == LB_I8);
    CHECK(user(g, q->out[0])->op == &lb_op_DequantizeLinear);
    return q;
}

static double scale_of(const lb_graph *g, const lb_node *q)
{
    return lb_tensor_get(lb_info(g, q->in[1])->tensor, 0);
}

/* Every operator that shares scales or does not. */
static lb_value build_branches(lb_builder *b, lb_value x)
{
    const lb_window two = {.n = 2, .kernel = {2, 2}, .stride = {1, 1}, .group = 1};
    const lb_window half = {.n = 2, .kernel = {2, 2}, .stride = {2, 2}, .group = 1};
    lb_value c = net_conv(b, x, 1, 6, 3, 1, 1);
    lb_rename(b, c, "one");
    c = lb_relu(b, c, "relu");
    lb_value d = net_conv(b, c, 3, 6, 3, 1, 6);
    lb_rename(b, d, "two");
    d = lb_add(b, d, c);
    lb_rename(b, d, "sum");
    d = lb_clip(b, d, 0, 6, "relu6");
    const lb_value p = lb_max_pool(b, d, &two, "max");
    const lb_value e = net_conv(b, d, 5, 5, 2, 1, 1);
    const lb_value a = lb_average_pool(
        b, e, &(lb_window){.n = 2, .kernel = {2, 2}, .stride = {1, 1}, .group = 1}, false,
        "mean");
    const lb_value both[] = {p, a};
    lb_value y = lb_concat(b, both, 2, 1);
    lb_rename(b, y, "join");
    y = lb_max_pool(b, y, &half, "max2");
    y = lb_flatten(b, y, "flat");
    y = net_dense(b, y, 7, 5);
    lb_rename(b, y, "logits");
    return y;
}

static void nodes_stand_where_runtimes_want_them(void)
{
    fixture f;

    begin(&f, build_branches);
    quantise(&f);
    const lb_graph *const g = f.done.graph;
    const lb_node *const in = held(g, g->inputs[0]);
    CHECK(user(g, user(g, in->out[0])->out[0])->op == &lb_op_Conv);
    /* the activation is between the layer and its scale */
    const lb_value one = lb_graph_find(g, "one"), sum = lb_graph_find(g, "sum");
    CHECK(user(g, one)->op == &lb_op_Relu);
    CHECK(user(g, sum)->op == &lb_op_Clip);
    (void)held(g, lb_graph_find(g, "relu"));
    (void)held(g, lb_graph_find(g, "relu6"));
    /* a convolution that only an addition reads has its own */
    (void)held(g, lb_graph_find(g, "two"));
    /* one scale: both inputs of the concatenation, and what is moved behind it */
    const lb_node *const six = held(g, lb_graph_find(g, "relu6"));
    const lb_node *const max = held(g, lb_graph_find(g, "max"));
    const lb_node *const mean = held(g, lb_graph_find(g, "mean"));
    const lb_node *const join = held(g, lb_graph_find(g, "join"));
    const lb_node *const flat = held(g, lb_graph_find(g, "flat"));
    CHECK(six->in[1].id == max->in[1].id && max->in[1].id == mean->in[1].id);
    CHECK(mean->in[1].id == join->in[1].id && join->in[1].id == flat->in[1].id);
    CHECK(join->in[2].id == flat->in[2].id);
    CHECK(held(g, lb_graph_find(g, "two"))->in[1].id != six->in[1].id);
    /* the output keeps its name and comes out of int8 */
    CHECK(strcmp(lb_info(g, g->outputs[0])->name, "logits") == 0);
    CHECK(maker(g, g->outputs[0])->op == &lb_op_DequantizeLinear);
    CHECK(lb_is_quantised(g) && !lb_is_quantised(f.done.real));
    CHECK_OK(lb_graph_check(g, &f.err), &f.err);
    end(&f);
}

static void check_layer(const lb_graph *g, const lb_node *node)
{
    const lb_node *const w = maker(g, node->in[1]), *const b = maker(g, node->in[2]);
    const lb_tensor *const stored = lb_info(g, w->in[0])->tensor;
    const lb_tensor *const scales = lb_info(g, w->in[1])->tensor;
    const lb_tensor *const sums = lb_info(g, b->in[1])->tensor;
    const double input = scale_of(g, maker(g, node->in[0]));
    const int channels = lb_info(g, node->out[0])->type.shape.dim[1];

    CHECK(w->op == &lb_op_DequantizeLinear && b->op == &lb_op_DequantizeLinear);
    CHECK(lb_attr_int(w, "axis", 1) == 0 && lb_attr_int(b, "axis", 1) == 0);
    const lb_tensor *const zeros = lb_info(g, w->in[2])->tensor;
    CHECK(zeros && zeros->n == (size_t)channels && zeros->dtype == LB_I8);
    for (int c = 0; zeros && c < channels; c++)
        CHECK(lb_tensor_get(zeros, (size_t)c) == 0);
    CHECK(stored && stored->dtype == LB_I8 && stored->shape.dim[0] == channels);
    CHECK(lb_info(g, b->in[0])->type.dtype == LB_I32);
    CHECK(scales && sums && scales->n == (size_t)channels);
    for (int c = 0; stored && scales && sums && c < channels; c++) {
        const size_t n = stored->n / (size_t)channels;
        double most = 0;
        for (size_t i = 0; i < n; i++)
            most = fmax(most, fabs(lb_tensor_get(stored, (size_t)c * n + i)));
        CHECK(most == 127); /* the largest weight of each channel, and no -128 */
        CHECK_NEAR(lb_tensor_get(sums, (size_t)c) /
                       (input * lb_tensor_get(scales, (size_t)c)),
                   1, 1e-6);
    }
}

static void weights_have_a_scale_for_each_channel(void)
{
    fixture f;
    int layers = 0;

    begin(&f, build_branches);
    quantise(&f);
    for (int i = 0; i < f.done.graph->n_nodes; i++) {
        const lb_node *const node = &f.done.graph->nodes[i];
        if (node->op != &lb_op_Conv && node->op != &lb_op_Gemm)
            continue;
        check_layer(f.done.graph, node);
        layers++;
    }
    CHECK(layers == 4);
    end(&f);
}

static void errors_of(fixture *f, lb_layer_error *out)
{
    lb_tensor *const other = noise(f->arena, f->graph, 40, 2);

    CHECK_OK(lb_quantised_errors(&f->done, other, f->pool, LB_KERNELS_BEST, out, &f->err),
             &f->err);
}

static void every_layer_is_near_what_it_stands_for(void)
{
    static const net_builder nets[] = {build_branches, net_build_flatten,
                                       net_build_residual, net_build_mixed};
    lb_layer_error error[64];

    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++) {
        fixture f;
        begin(&f, nets[k]);
        quantise(&f);
        CHECK(f.done.n_layers > 2 && f.done.n_layers < 64);
        errors_of(&f, error);
        for (int i = 0; i < f.done.n_layers; i++) {
            if (!(error[i].sqnr > 22))
                printf("# net %zu, '%s' (%s): %g dB\n", k, f.done.layer[i].name,
                       f.done.layer[i].op, error[i].sqnr);
            CHECK(error[i].sqnr > 22);
            CHECK_NEAR(error[i].relative, pow(10, -error[i].sqnr / 20), 1e-9);
        }
        end(&f);
    }
}

/* The device's own integers give what the graph gives in floats, to a step in the last
 * layer or two. */
static void a_device_can_run_it(void)
{
    static const net_builder nets[] = {build_branches, net_build_flatten,
                                       net_build_residual};

    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++) {
        lb_tensor *out[MAX_OUTPUTS] = {NULL};
        lb_low *low = NULL;
        fixture f;
        begin(&f, nets[k]);
        quantise(&f);
        CHECK_OK(lb_lower(f.done.graph, f.arena, &low, &f.err), &f.err);
        CHECK_OK(evaluate(f.done.graph, f.samples, LB_KERNELS_BEST, f.arena, out, &f.err),
                 &f.err);
        if (low && out[0]) {
            const size_t n_in = lb_low_count_inputs(low);
            const size_t n_out = lb_low_count(&low->output);
            const lb_qparams from = low->buffer[low->input[0].buffer].q;
            const lb_qparams to = low->buffer[low->output_buffer].q;
            int8_t *const x = LB_TAKE_ARRAY(f.arena, n_in, int8_t);
            int8_t *const y = LB_TAKE_ARRAY(f.arena, n_out, int8_t);
            void *const scratch = lb_arena_take(f.arena, low->run_bytes);
            int far = 0;
            for (int i = 0; i < 64; i++) {
                lb_quantise(from, (const float *)f.samples->data + (size_t)i * n_in, n_in,
                            x);
                lb_low_run_int8(low, x, y, scratch);
                for (size_t c = 0; c < n_out; c++) {
                    const double real = lb_tensor_get(out[0], (size_t)i * n_out + c);
                    const double whole = (double)to.scale * (y[c] - to.zero);
                    far += fabs(real - whole) > 2.5 * (double)to.scale;
                }
            }
            CHECK(far == 0);
        }
        end(&f);
    }
}

/* Channels whose ranges differ a hundredfold. */
static lb_value build_uneven(lb_builder *b, lb_value x)
{
    lb_value w, c = net_conv(b, x, 11, 8, 3, 1, 1);

    w = b->graph->nodes[b->graph->n_nodes - 1].in[1];
    lb_tensor *const t = b->graph->values[w.id].tensor;
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, lb_tensor_get(t, i) * pow(10, -(double)(i / 36 % 3)));
    c = lb_relu(b, c, NULL);
    c = net_conv(b, c, 13, 8, 3, 1, 8);
    c = lb_relu(b, c, NULL);
    c = net_conv(b, c, 15, 6, 1, 1, 1);
    c = lb_global_average_pool(b, c, NULL);
    c = lb_flatten(b, c, NULL);
    return net_dense(b, c, 17, 4);
}

static void equalisation_changes_the_scales_and_not_the_network(void)
{
    lb_tensor *before[MAX_OUTPUTS] = {NULL}, *after[MAX_OUTPUTS] = {NULL};
    lb_layer_error plain[16], even[16];
    fixture f;

    begin(&f, build_uneven);
    f.setup.options.equalise = false;
    quantise(&f);
    CHECK(f.done.n_equalised == 0);
    errors_of(&f, plain);
    f.setup.options.equalise = true;
    quantise(&f);
    CHECK(f.done.n_equalised == 2);
    errors_of(&f, even);
    CHECK(even[1].sqnr > plain[1].sqnr + 3); /* the depthwise layer */
    CHECK(even[2].sqnr > plain[2].sqnr);
    CHECK_OK(evaluate(f.graph, f.samples, LB_KERNELS_BEST, f.arena, before, &f.err),
             &f.err);
    CHECK_OK(evaluate(f.done.real, f.samples, LB_KERNELS_BEST, f.arena, after, &f.err),
             &f.err);
    CHECK(difference(after[0], before[0]) < 1e-5);
    end(&f);
}

/* The mean of channel c of a value over all samples and positions. */
static double mean_of(fixture *f, const lb_graph *g, lb_value v, size_t c)
{
    const size_t spatial = 9 * 8, channels = 8;
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_graph *copy = NULL;
    double sum = 0;

    CHECK_OK(lb_graph_clone(g, &copy, &f->err), &f->err);
    copy->outputs[0] = v;
    CHECK_OK(evaluate(copy, f->samples, LB_KERNELS_BEST, f->arena, out, &f->err),
             &f->err);
    for (size_t n = 0; n < 64; n++)
        for (size_t i = 0; i < spatial; i++)
            sum += lb_tensor_get(out[0], (n * channels + c) * spatial + i);
    lb_graph_free(copy);
    return sum / (double)(64 * spatial);
}

/* The largest shift of a channel of the first layer, in its scale. */
static double shift_of(fixture *f)
{
    const lb_quantised_layer *const l = &f->done.layer[0];
    double worst = 0;

    for (size_t c = 0; c < 8; c++)
        worst = fmax(worst, fabs(mean_of(f, f->done.real, l->real, c) -
                                 mean_of(f, f->done.graph, l->whole, c)));
    return worst / (double)l->q.scale;
}

/* All numbers are between 3 and 4. */
static void begin_high(fixture *f, net_builder build)
{
    begin(f, build);
    for (size_t i = 0; i < f->samples->n; i++)
        lb_tensor_put(f->samples, i, 3 + fabs(lb_tensor_get(f->samples, i)));
}

static lb_value build_linear(lb_builder *b, lb_value x)
{
    return net_conv(b, x, 19, 8, 3, 1, 1);
}

/* What rounding does to the weights does not cancel. */
static void means_are_put_right(void)
{
    fixture f;

    begin_high(&f, build_linear);
    f.setup.options.ranges = LB_RANGES_MINMAX;
    f.setup.options.correct_bias = false;
    quantise(&f);
    const double before = shift_of(&f);
    f.setup.options.correct_bias = true;
    quantise(&f);
    CHECK(shift_of(&f) < before / 3);
    end(&f);
}

static lb_value build_pass(lb_builder *b, lb_value x)
{
    return net_conv(b, x, 3, 4, 1, 1, 1);
}

static double input_scale(fixture *f)
{
    quantise(f);
    return scale_of(f->done.graph, held(f->done.graph, f->done.graph->inputs[0]));
}

/* One sample in 64 is wild. */
static void ranges_cut_off_what_is_rare(void)
{
    fixture f;

    begin(&f, build_pass);
    lb_tensor_put(f.samples, 100, 40);
    f.setup.options.ranges = LB_RANGES_MINMAX;
    CHECK_NEAR(input_scale(&f), 41.0 / 255, 0.001);
    f.setup.options.ranges = LB_RANGES_PERCENTILE;
    f.setup.options.percentile = 99.9;
    CHECK_NEAR(input_scale(&f), 2.0 / 255, 0.0003);
    f.setup.options.percentile = 100;
    CHECK_NEAR(input_scale(&f), 41.0 / 255, 0.001);
    end(&f);
}

/* Sum of squares that the samples lose in int8. */
static double loss_of(fixture *f, lb_ranges ranges)
{
    double loss = 0;

    f->setup.options.ranges = (int)ranges;
    const double scale = input_scale(f);
    const lb_graph *const g = f->done.graph;
    const lb_value zero_of = held(g, g->inputs[0])->in[2];
    const double zero = lb_tensor_get(lb_info(g, zero_of)->tensor, 0);
    for (size_t i = 0; i < f->samples->n; i++) {
        const double x = lb_tensor_get(f->samples, i);
        const double q = fmax(-128, fmin(127, rint(x / scale) + zero));
        loss += pow(x - (q - zero) * scale, 2);
    }
    return loss;
}

/* Many numbers of like size, and one that is five times as large. */
static void the_least_square_is_less_than_others(void)
{
    fixture f;

    begin(&f, build_pass);
    f.samples = noise(f.arena, f.graph, 3000, 3);
    f.setup.samples = f.samples;
    lb_tensor_put(f.samples, 1234, 5);
    f.setup.options.percentile = 99.9;
    const double least = loss_of(&f, LB_RANGES_MSE);
    CHECK(least < 0.6 * loss_of(&f, LB_RANGES_MINMAX));
    CHECK(least < 0.98 * loss_of(&f, LB_RANGES_PERCENTILE));
    end(&f);
}

static void zero_is_a_number_of_every_grid(void)
{
    fixture f;

    begin_high(&f, build_pass);
    f.setup.options.ranges = LB_RANGES_MINMAX;
    CHECK_NEAR(input_scale(&f), 4.0 / 255, 0.0001);
    const lb_graph *const g = f.done.graph;
    CHECK(lb_tensor_get(lb_info(g, held(g, g->inputs[0])->in[2])->tensor, 0) == -128);
    end(&f);
}

/* A channel that is always 0, with a bias that no step of its weights could hold. */
static void channels_without_weights_keep_their_bias(void)
{
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    fixture f;

    begin(&f, build_pass);
    lb_tensor *const w = f.graph->values[f.graph->nodes[0].in[1].id].tensor;
    lb_tensor *const b = f.graph->values[f.graph->nodes[0].in[2].id].tensor;
    for (size_t i = 0; i < 4; i++)
        lb_tensor_put(w, 4 + i, 0);
    for (size_t i = 0; i < 4; i++)
        lb_tensor_put(w, 8 + i, 1e-12);
    lb_tensor_put(b, 1, 3);
    lb_tensor_put(b, 2, -2);
    quantise(&f);
    CHECK_OK(evaluate(f.done.graph, f.samples, LB_KERNELS_BEST, f.arena, out, &f.err),
             &f.err);
    CHECK_NEAR(lb_tensor_get(out[0], 72 + 5), 3, 0.03);
    CHECK_NEAR(lb_tensor_get(out[0], 2 * 72 + 5), -2, 0.03);
    end(&f);
}

static lb_value channel_constant(lb_builder *b, int rank, int channels)
{
    lb_shape shape = {.rank = rank};

    for (int i = 0; i < rank; i++)
        shape.dim[i] = 1;
    shape.dim[rank == 2 ? 1 : rank == 3 ? 0 : rank - 1] = channels;
    return lb_constant(b, NULL, net_random(b, 40 + (uint64_t)rank, &shape, 0.5));
}

/* As CNTK and older exporters write it, and a norm with no convolution before it. */
static lb_value build_untidy(lb_builder *b, lb_value x)
{
    const lb_shape dense = lb_shape_of(2, 7, 3);
    x = net_norm(b, x, 21);
    const lb_value c = net_conv(b, x, 23, 7, 3, 1, 1);
    const lb_value bias = channel_constant(b, 3, 7);
    x = lb_add(b, bias, c);
    x = lb_relu(b, x, NULL);
    x = lb_global_average_pool(b, x, NULL);
    x = lb_flatten(b, x, NULL);
    const lb_value w = lb_constant(b, NULL, net_random(b, 29, &dense, 0.5));
    x = lb_matmul(b, x, w);
    const lb_value last = channel_constant(b, 2, 3);
    return lb_add(b, x, last);
}

static void other_ways_to_write_layers_are_the_same_layers(void)
{
    lb_tensor *before[MAX_OUTPUTS] = {NULL}, *after[MAX_OUTPUTS] = {NULL};
    lb_layer_error error[16];
    lb_low *low = NULL;
    fixture f;
    int layers = 0;

    begin(&f, build_untidy);
    quantise(&f);
    for (int i = 0; i < f.done.real->n_nodes; i++) {
        const lb_op *const op = f.done.real->nodes[i].op;
        CHECK(op != &lb_op_Add && op != &lb_op_MatMul && op != &lb_op_BatchNormalization);
        layers += op == &lb_op_Conv || op == &lb_op_Gemm;
    }
    CHECK(layers == 3);
    CHECK_OK(evaluate(f.graph, f.samples, LB_KERNELS_BEST, f.arena, before, &f.err),
             &f.err);
    CHECK_OK(evaluate(f.done.real, f.samples, LB_KERNELS_BEST, f.arena, after, &f.err),
             &f.err);
    CHECK(difference(after[0], before[0]) < 1e-5);
    errors_of(&f, error);
    for (int i = 0; i < f.done.n_layers; i++)
        CHECK(error[i].sqnr > 25);
    CHECK_OK(lb_lower(f.done.graph, f.arena, &low, &f.err), &f.err);
    end(&f);
}

static void refused_with_reasons(void)
{
    lb_quantised again = {.n_layers = 0};
    fixture f;

    begin(&f, build_branches);
    quantise(&f);
    lb_quantize_setup setup = f.setup;
    setup.graph = f.done.graph;
    CHECK(lb_network_quantize(&setup, f.arena, &again, &f.err) == LB_ERR_INPUT);
    CHECK_TEXT(f.err.text, "the network is quantised already");
    const lb_shape wrong = lb_shape_of(4, 3, 4, 9, 9);
    lb_tensor *other = NULL;
    CHECK_OK(lb_tensor_new(f.arena, LB_F32, &wrong, &other, &f.err), &f.err);
    setup = f.setup;
    setup.samples = other;
    CHECK(lb_network_quantize(&setup, f.arena, &again, &f.err) == LB_ERR_INPUT);
    CHECK_TEXT(f.err.text, "float32 [N,4,9,8], but the samples are float32 [3,4,9,9]");
    lb_tensor_put(f.samples, 7, NAN);
    CHECK(lb_network_quantize(&f.setup, f.arena, &again, &f.err) == LB_ERR_INPUT);
    CHECK_TEXT(f.err.text, "NaN or infinity");
    CHECK(again.graph == NULL && again.real == NULL);
    end(&f);
}

static void memory_may_run_out_anywhere(void)
{
    lb_quantised done = {.n_layers = 0};
    lb_code code = LB_ERR_MEMORY;
    fixture f;
    int tries = 0;

    begin(&f, build_branches);
    for (long n = 0; code == LB_ERR_MEMORY && n < 200000; n += 1 + n / 20, tries++) {
        lb_error err = {0};
        lb_arena *const arena = lb_arena_new(0);
        lb_arena_fail_after(n);
        code = lb_network_quantize(&f.setup, arena, &done, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
        lb_quantised_free(&done);
        lb_arena_free(arena);
    }
    CHECK(code == LB_OK && tries > 20);
    end(&f);
}

static void onnxruntime_answers_alike(void)
{
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    fixture f;

    begin(&f, build_branches);
    quantise(&f);
    const lb_tensor *const y =
        onnxruntime_answer(f.done.graph, f.samples, "ORT_ENABLE_ALL", f.arena);
    if (y) {
        CHECK_OK(evaluate(f.done.graph, f.samples, LB_KERNELS_BEST, f.arena, out, &f.err),
                 &f.err);
        CHECK(difference(out[0], y) < 0.02); /* two steps of 255 */
    }
    end(&f);
}

/* ------------------------------------------------------------------- weights of 4 bits
 */

/* Layers with weights, and those whose weights are in -7..7. */
static int count_layers(const lb_graph *g, int *narrow)
{
    int n = 0;

    *narrow = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (node->op != &lb_op_Conv && node->op != &lb_op_Gemm)
            continue;
        const lb_tensor *const t = lb_info(g, maker(g, node->in[1])->in[0])->tensor;
        n++;
        *narrow += lb_low_fits_4_bits(t->data, t->n);
    }
    return n;
}

static size_t flash_of(fixture *f, const lb_graph *g)
{
    lb_estimate e = {0};
    lb_low *low = NULL;

    CHECK_OK(lb_lower(g, f->arena, &low, &f->err), &f->err);
    if (low)
        lb_device_estimate(low, &lb_devices[0], &e);
    return e.flash_bytes;
}

/* Channels with one large weight lose less if it is cut off. */
static void four_bits_lose_the_least_square(void)
{
    fixture f;
    int narrow = 0;

    begin(&f, build_branches);
    f.setup.options.weights = LB_WEIGHTS_4;
    quantise(&f);
    CHECK(count_layers(f.done.graph, &narrow) == 4 && narrow == 4);
    const lb_node *const node = maker(f.done.real, lb_graph_find(f.done.real, "one"));
    const lb_node *const same = maker(f.done.graph, lb_graph_find(f.done.graph, "one"));
    const lb_node *const dq = maker(f.done.graph, same->in[1]);
    const lb_tensor *const real = lb_info(f.done.real, node->in[1])->tensor;
    const lb_tensor *const stored = lb_info(f.done.graph, dq->in[0])->tensor;
    const lb_tensor *const scales = lb_info(f.done.graph, dq->in[1])->tensor;
    const size_t n = real->n / scales->n;
    int finer = 0;
    for (size_t c = 0; c < scales->n; c++) {
        double loss = 0, plain = 0, most = 0;
        for (size_t i = c * n; i < (c + 1) * n; i++)
            most = fmax(most, fabs(lb_tensor_get(real, i)));
        for (size_t i = c * n; i < (c + 1) * n; i++) {
            const double x = lb_tensor_get(real, i), s = lb_tensor_get(scales, c);
            loss += pow(x - lb_tensor_get(stored, i) * s, 2);
            plain += pow(x - rint(x / (most / 7)) * (most / 7), 2);
        }
        CHECK(loss <= plain * (1 + 1e-6));
        finer += loss < plain * 0.999;
    }
    CHECK(finer > 0);
    for (int i = 0; i < f.done.n_layers; i++) {
        const bool has = strcmp(f.done.layer[i].op, "Conv") == 0 ||
                         strcmp(f.done.layer[i].op, "Gemm") == 0;
        CHECK(f.done.layer[i].bits == (has ? 4 : 0));
        CHECK(isnan(f.done.layer[i].sensitivity));
    }
    end(&f);
}

/* Weights that save more than the code takes that unpacks them. */
static lb_value build_heavy(lb_builder *b, lb_value x)
{
    lb_value c = lb_relu(b, net_conv(b, x, 21, 64, 3, 1, 1), NULL);

    c = lb_relu(b, net_conv(b, c, 23, 64, 3, 1, 1), NULL);
    c = lb_relu(b, net_conv(b, c, 25, 64, 3, 1, 1), NULL);
    c = lb_flatten(b, lb_global_average_pool(b, c, NULL), NULL);
    return net_dense(b, c, 27, 100);
}

/* 4 bits in as few layers as fit; one byte less takes one more. */
static void flash_is_kept(void)
{
    fixture f;
    int narrow = 0, before = 0;

    begin(&f, build_heavy);
    quantise(&f);
    const size_t all_8 = flash_of(&f, f.done.graph);
    f.setup.options.weights = LB_WEIGHTS_4;
    quantise(&f);
    const size_t all_4 = flash_of(&f, f.done.graph);
    CHECK(all_4 + 30000 < all_8);
    f.setup.options.weights = LB_WEIGHTS_MIXED;
    f.setup.options.flash = (double)all_8;
    quantise(&f);
    CHECK(count_layers(f.done.graph, &narrow) == 4 && narrow == 0);
    for (size_t limit = all_8 - 1; limit > all_4;) {
        f.setup.options.flash = (double)limit;
        quantise(&f);
        CHECK(flash_of(&f, f.done.graph) <= limit);
        (void)count_layers(f.done.graph, &narrow);
        CHECK(narrow > before);
        before = narrow;
        limit = flash_of(&f, f.done.graph) - 1;
    }
    CHECK(before >= 2);
    f.setup.options.flash = 100;
    lb_quantised_free(&f.done);
    CHECK(lb_network_quantize(&f.setup, f.arena, &f.done, &f.err) == LB_ERR_BUDGET);
    CHECK_TEXT(f.err.text, "even with weights of 4 bits in every layer it needs ");
    end(&f);
}

/* As if each layer of 4 bits cost a point. */
static lb_code lose_a_point(void *arg, const lb_graph *graph, double *accuracy,
                            lb_error *err)
{
    int narrow, *const asked = arg;

    (void)err;
    (void)count_layers(graph, &narrow);
    *accuracy = 0.9 - 0.01 * narrow;
    ++*asked;
    return LB_OK;
}

static void accuracy_is_kept(void)
{
    fixture f;
    int narrow = 0, asked = 0;

    begin(&f, build_branches);
    f.setup.options.weights = LB_WEIGHTS_MIXED;
    f.setup.score = lose_a_point;
    f.setup.score_arg = &asked;
    for (int allowed = 0; allowed <= 5; allowed++) {
        f.setup.options.max_drop = allowed + 0.5;
        quantise(&f);
        (void)count_layers(f.done.graph, &narrow);
        CHECK(narrow == (allowed < 4 ? allowed : 4));
    }
    CHECK(asked > 0);
    /* the layers that were taken mind it less, by byte saved */
    f.setup.options.max_drop = 2;
    quantise(&f);
    double taken = 0, left = INFINITY;
    for (int i = 0; i < f.done.n_layers; i++) {
        const lb_quantised_layer *const l = &f.done.layer[i];
        if (!l->bits)
            continue;
        const lb_node *const node = maker(f.done.real, l->real);
        const lb_node *const head =
            node->n_in > 1 ? node : maker(f.done.real, node->in[0]);
        const double by =
            l->sensitivity / (double)lb_info(f.done.real, head->in[1])->tensor->n;
        CHECK(l->sensitivity >= 0);
        if (l->bits == 4)
            taken = fmax(taken, by);
        else
            left = fmin(left, by);
    }
    CHECK(taken > 0 && taken <= left && isfinite(left));
    f.setup.score = NULL;
    lb_quantised_free(&f.done);
    CHECK(lb_network_quantize(&f.setup, f.arena, &f.done, &f.err) == LB_ERR_INPUT);
    CHECK_TEXT(f.err.text, "nothing says how many layers may have weights of 4 bits");
    end(&f);
}

int main(void)
{
    RUN(nodes_stand_where_runtimes_want_them);
    RUN(weights_have_a_scale_for_each_channel);
    RUN(every_layer_is_near_what_it_stands_for);
    RUN(a_device_can_run_it);
    RUN(equalisation_changes_the_scales_and_not_the_network);
    RUN(means_are_put_right);
    RUN(ranges_cut_off_what_is_rare);
    RUN(the_least_square_is_less_than_others);
    RUN(zero_is_a_number_of_every_grid);
    RUN(channels_without_weights_keep_their_bias);
    RUN(other_ways_to_write_layers_are_the_same_layers);
    RUN(refused_with_reasons);
    RUN(memory_may_run_out_anywhere);
    RUN(onnxruntime_answers_alike);
    RUN(four_bits_lose_the_least_square);
    RUN(flash_is_kept);
    RUN(accuracy_is_kept);
    return DONE();
}
