/* test_tflite_networks.c: MLPerf Tiny's int8 networks, read, lowered and run with
 * LB_ROUND_TFLITE, give the bytes of TensorFlow Lite's reference kernels: every operator
 * of every network, and the end result. The bytes were made by tests/golden/tflite.py. */
#include "tflite/tflite.h"

#include "base/file.h"
#include "graph/passes.h"
#include "lower/lower.h"

#include "evaluate.h"

static const size_t golden_bytes = (size_t)1 << 20;

typedef struct trial {
    lb_arena *arena;
    lb_graph *graph;
    lb_tensor *in, *out, *layers;
} trial;

static lb_tensor *golden(lb_arena *arena, const char *net, const char *what)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    const char *const rest =
        lb_arena_text(arena, "tests/golden/tflite_%s_%s.npy", net, what);

    CHECK_OK(lb_npy_load(arena, test_path(arena, false, rest), golden_bytes, &t, &err),
             &err);
    return t;
}

/* False if the network is not there, or a check failed. */
static bool begin(trial *t, const char *net, const char *file)
{
    lb_error err = {0};

    *t = (trial){.arena = lb_arena_new(0)};
    const char *const rest = lb_arena_text(t->arena, "data/mlperf-tiny/%s", file);
    const char *const path = test_path(t->arena, true, rest);
    if (!lb_file_exists(path)) {
        SKIP("MLPerf Tiny's networks are not in $LB_SHARED/data/mlperf-tiny");
        return false;
    }
    CHECK_OK(lb_tflite_load(path, &t->graph, NULL, &err), &err);
    t->in = golden(t->arena, net, "in");
    t->out = golden(t->arena, net, "out");
    t->layers = golden(t->arena, net, "layers");
    return t->graph && t->in && t->out && t->layers;
}

static void end(trial *t)
{
    lb_graph_free(t->graph);
    lb_arena_free(t->arena);
}

/* [H,W,C] to [C,H,W], or back. */
static void turn(const int8_t *from, const lb_low_dims *d, bool to_channels_last,
                 int8_t *to)
{
    const size_t area = (size_t)d->h * (size_t)d->w, c_n = (size_t)d->c;

    for (size_t c = 0; c < c_n; c++)
        for (size_t p = 0; p < area; p++)
            if (to_channels_last)
                to[p * c_n + c] = from[c * area + p];
            else
                to[c * area + p] = from[p * c_n + c];
}

/* Runs the graph up to v, a value that a DequantizeLinear makes, on a sample; the bytes
 * come back channels last. NULL after a failed check. */
static const int8_t *run_to(const trial *t, lb_value v, int sample, size_t *n)
{
    lb_graph *part = NULL;
    lb_low *low = NULL;
    lb_error err = {0};
    int8_t *result = NULL;

    CHECK_OK(lb_graph_clone(t->graph, &part, &err), &err);
    part->outputs[0] = v;
    CHECK_OK(lb_remove_dead(part, &err), &err);
    CHECK_OK(lb_lower_rounded(part, LB_ROUND_TFLITE, t->arena, &low, &err), &err);
    if (low && low->dtype == LB_I8) {
        const size_t n_in = lb_low_count_inputs(low);
        int8_t *const in = LB_TAKE_ARRAY(t->arena, n_in, int8_t);
        int8_t *const out = LB_TAKE_ARRAY(t->arena, lb_low_count(&low->output), int8_t);
        void *const scratch = lb_arena_take(t->arena, low->run_bytes);
        *n = lb_low_count(&low->output);
        result = LB_TAKE_ARRAY(t->arena, *n, int8_t);
        turn((const int8_t *)t->in->data + (size_t)sample * n_in, &low->input[0].dims,
             false, in);
        memset(scratch, 0x55, low->run_bytes); /* what nobody wrote shows */
        lb_low_run_int8(low, in, out, scratch);
        turn(out, &low->output, true, result);
    }
    CHECK(result != NULL);
    lb_graph_free(part);
    return result;
}

/* FNV-1a without its sign bit, as tflite.py has it. */
static int64_t hash(const int8_t *bytes, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)bytes[i]) * UINT64_C(1099511628211);
    return (int64_t)(h & INT64_MAX);
}

/* The values on a grid, in the file's order: the input first, then one an operator. */
static int grids_of(const lb_graph *g, lb_arena *arena, const lb_value **out)
{
    lb_value *const list = LB_TAKE_ARRAY(arena, g->n_nodes, lb_value);
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (strcmp(node->op->name, "DequantizeLinear") == 0 &&
            lb_info(g, node->in[0])->kind == LB_VALUE_NODE)
            list[n++] = node->out[0];
    }
    *out = list;
    return n;
}

/* The first layer that differs is named; those behind it would differ because of it. */
static void compare_layers(const trial *t, int sample)
{
    const int n_samples = t->layers->shape.dim[1];
    const int64_t *const want = t->layers->data;
    const lb_value *grid = NULL;
    const int n = grids_of(t->graph, t->arena, &grid);

    CHECK(n == t->layers->shape.dim[0] + 1);
    for (int k = 1; k < n; k++) {
        size_t count = 0;
        const int8_t *const is = run_to(t, grid[k], sample, &count);
        if (is && hash(is, count) == want[(k - 1) * n_samples + sample])
            continue;
        printf("# operator %d, '%s', is the first that differs\n", k - 1,
               lb_info(t->graph, grid[k])->name);
        CHECK(false);
        return;
    }
}

static void check_network(const char *net, const char *file, const lb_shape *input)
{
    trial t;

    if (begin(&t, net, file)) {
        const size_t n_out = t.out->n / (size_t)t.out->shape.dim[0];
        CHECK(lb_shape_equal(&lb_info(t.graph, t.graph->inputs[0])->type.shape, input));
        for (int i = 0; i < t.in->shape.dim[0]; i++) {
            size_t n = 0;
            const int8_t *const is = run_to(&t, t.graph->outputs[0], i, &n);
            CHECK(is && n == n_out &&
                  memcmp(is, (const int8_t *)t.out->data + (size_t)i * n, n) == 0);
        }
        compare_layers(&t, 0);
    }
    end(&t);
}

static void the_autoencoder_equals_tensorflow_lite(void)
{
    const lb_shape input = lb_shape_of(2, LB_BATCH, 640);

    check_network("ad", "ad01_int8.tflite", &input);
}

static void the_resnet_equals_tensorflow_lite(void)
{
    const lb_shape input = lb_shape_of(4, LB_BATCH, 3, 32, 32);

    check_network("ic", "pretrainedResnet_quant.tflite", &input);
}

static void the_keyword_network_equals_tensorflow_lite(void)
{
    const lb_shape input = lb_shape_of(4, LB_BATCH, 1, 49, 10);

    check_network("kws", "kws_ref_model.tflite", &input);
}

static void the_wake_word_network_equals_tensorflow_lite(void)
{
    const lb_shape input = lb_shape_of(4, LB_BATCH, 40, 30, 1);

    check_network("sww", "str_ww_ref_model.tflite", &input);
}

static void the_mobilenet_equals_tensorflow_lite(void)
{
    const lb_shape input = lb_shape_of(4, LB_BATCH, 3, 96, 96);

    check_network("vww", "vww_96_int8.tflite", &input);
}

int main(void)
{
    RUN(the_autoencoder_equals_tensorflow_lite);
    RUN(the_resnet_equals_tensorflow_lite);
    RUN(the_keyword_network_equals_tensorflow_lite);
    RUN(the_wake_word_network_equals_tensorflow_lite);
    RUN(the_mobilenet_equals_tensorflow_lite);
    return DONE();
}
