/* test_tflite_layers.c: small networks that together hold every operator compute what
 * TensorFlow Lite computes: as graphs over real numbers within a step of the grid for
 * each layer, lowered to integers in the very bytes. */
#include "lower/lower.h"

#include "tflite/small.h"

/* The worst difference of any output, in units of that output's `unit`. */
static double worst_of(const char *name, double unit)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_error err = {0};
    double worst = 0;

    lb_graph *const graph = small_graph(arena, name);
    const lb_tensor *const in = small_array(arena, name, "in");
    if (graph && in)
        CHECK_OK(evaluate(graph, in, LB_KERNELS_REFERENCE, arena, out, &err), &err);
    for (int i = 0; graph && i < graph->n_outputs; i++) {
        const char *const what = lb_arena_text(arena, "out%d", i);
        const lb_tensor *const want = small_array(arena, name, what);
        CHECK(out[i] && want && lb_shape_equal(&out[i]->shape, &want->shape));
        for (size_t k = 0; out[i] && want && k < want->n; k++) {
            const double off = lb_tensor_get(out[i], k) - lb_tensor_get(want, k);
            worst = fmax(worst, fabs(off) / unit);
        }
    }
    CHECK(out[0] != NULL);
    lb_graph_free(graph);
    lb_arena_free(arena);
    return worst;
}

static size_t count_wrong(const lb_low *low, const lb_tensor *in, const lb_tensor *want,
                          lb_arena *arena)
{
    const size_t n_in = lb_low_count_inputs(low), n_out = lb_low_count(&low->output);
    int8_t *const x = LB_TAKE_ARRAY(arena, n_in, int8_t);
    int8_t *const y = LB_TAKE_ARRAY(arena, n_out, int8_t);
    float *const real = LB_TAKE_ARRAY(arena, n_out, float);
    void *const scratch = lb_arena_take(arena, low->run_bytes);
    size_t wrong = 0;

    for (int s = 0; s < in->shape.dim[0]; s++) {
        lb_quantise(low->buffer[low->input[0].buffer].q,
                    (const float *)in->data + (size_t)s * n_in, n_in, x);
        memset(scratch, 0x55, low->run_bytes); /* what nobody wrote shows */
        lb_low_run_int8(low, x, y, scratch);
        lb_dequantise(low->buffer[low->output_buffer].q, y, n_out, real);
        for (size_t k = 0; k < n_out; k++)
            wrong += real[k] != ((const float *)want->data)[(size_t)s * n_out + k];
    }
    return wrong;
}

static void check_bytes(const char *name)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_low *low = NULL;
    lb_error err = {0};

    lb_graph *const graph = small_graph(arena, name);
    const lb_tensor *const in = small_array(arena, name, "in");
    const lb_tensor *const want = small_array(arena, name, "out0");
    if (graph)
        CHECK_OK(lb_lower_rounded(graph, LB_ROUND_TFLITE, arena, &low, &err), &err);
    CHECK(low && in && want && low->dtype == LB_I8);
    if (low && in && want)
        CHECK(count_wrong(low, in, want, arena) == 0);
    lb_graph_free(graph);
    lb_arena_free(arena);
}

static void layers_of_every_kind(void)
{
    /* a step of the logits is 0.09: it moves a probability by up to a quarter of that */
    CHECK(worst_of("layers8", 0.09 / 4) <= 1.01);
    check_bytes("layers8");
}

static void float_ends_and_a_mean(void)
{
    CHECK(worst_of("ends8", 0.03) <= 2.01);
}

static void sequences_stay_channels_last_where_they_are_flattened(void)
{
    CHECK(worst_of("sequence8", 0.03) <= 1.01);
    check_bytes("sequence8");
}

static void floats_with_weights_of_other_types(void)
{
    CHECK(worst_of("floats", 1) < 1e-5);
}

static void reshapes_keep_the_order_of_the_file(void)
{
    CHECK(worst_of("orders", 1) == 0);
}

/* Of the names that TensorFlow joins, the first is enough where it is the only such. */
static void names_are_short_where_they_can_be(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = small_graph(arena, "layers8");

    if (graph) {
        CHECK(lb_graph_find(graph, "stem/Relu6").id != 0); /* "stem/Relu6;stem/sum" */
        CHECK(lb_graph_find(graph, "stem/Relu6;stem/sum").id == 0);
        CHECK(lb_graph_find(graph, "answer").id == graph->outputs[0].id);
    }
    lb_graph_free(graph);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(names_are_short_where_they_can_be);
    RUN(layers_of_every_kind);
    RUN(float_ends_and_a_mean);
    RUN(sequences_stay_channels_last_where_they_are_flattened);
    RUN(floats_with_weights_of_other_types);
    RUN(reshapes_keep_the_order_of_the_file);
    return DONE();
}
