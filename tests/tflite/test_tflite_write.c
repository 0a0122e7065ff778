/* test_tflite_write.c: a quantised network that was written and read again computes the
 * same bytes under both rules of rounding; the file is laid out as the format asks; what
 * the file cannot hold is refused by name. That TensorFlow Lite takes such files and
 * computes the same is told in docs/tflite.md. */
#include "tflite/small.h"

#include "lower/nets_int8.h"
#include "ops/ops.h"
#include "tflite/tflite_flat.h"
#include "tflite/tflite_schema.h"

#include <unistd.h>

/* A path in a folder of this run; the file is removed by forget(). */
static const char *new_path(lb_arena *arena)
{
    return lb_arena_text(arena, "tflite_write_%d.tflite", (int)getpid());
}

static lb_graph *written_and_read(const lb_graph *graph, lb_arena *arena)
{
    const char *const path = new_path(arena);
    lb_graph *again = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tflite_save(graph, path, &err), &err);
    CHECK_OK(lb_tflite_load(path, &again, NULL, &err), &err);
    (void)remove(path);
    return again;
}

static const int8_t *run(const lb_graph *graph, lb_rounding rounding, lb_arena *arena,
                         const int8_t *in, size_t *n)
{
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK_OK(lb_lower_rounded(graph, rounding, arena, &low, &err), &err);
    if (!low)
        return NULL;
    CHECK(low->dtype == LB_I8);
    int8_t *const out = LB_TAKE_ARRAY(arena, lb_low_count(&low->output), int8_t);
    void *const scratch = lb_arena_take(arena, low->run_bytes);
    *n = lb_low_count(&low->output);
    lb_low_run_int8(low, in, out, scratch);
    return out;
}

static void compare(const lb_graph *a, const lb_graph *b, lb_rounding rounding,
                    lb_arena *arena)
{
    const lb_shape shape = lb_shape_bind(&lb_info(a, a->inputs[0])->type.shape, 1);
    lb_rng rng = lb_rng_make(9, LB_RNG_TEST, 0, 0);
    size_t n_in = 0, n_a = 0, n_b = 1;

    CHECK(lb_shape_count(&shape, &n_in));
    int8_t *const in = LB_TAKE_ARRAY(arena, n_in, int8_t);
    for (int sample = 0; sample < 3; sample++) {
        for (size_t i = 0; i < n_in; i++)
            in[i] = (int8_t)(lb_rng_uniform(&rng) * 256 - 128);
        const int8_t *const x = run(a, rounding, arena, in, &n_a);
        const int8_t *const y = run(b, rounding, arena, in, &n_b);
        CHECK(x && y && n_a == n_b && memcmp(x, y, n_a) == 0);
    }
}

static void check_round_trip(net_builder build, int c, int h, int w, bool is_tflite)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = net_graph(build, c, h, w);
    lb_graph *const again = graph ? written_and_read(graph, arena) : NULL;

    CHECK(again != NULL);
    if (again)
        compare(graph, again, LB_ROUND_SINGLE, arena);
    if (again && is_tflite)
        compare(graph, again, LB_ROUND_TFLITE, arena);
    lb_graph_free(graph);
    lb_graph_free(again);
    lb_arena_free(arena);
}

/* A pool behind a Relu with pads that are not SAME, one that counts its pads, a Pad, a
 * join of unlike grids, Relu6, a dense layer stored as [K,M] behind a flattened map. */
static lb_value build_pads(lb_builder *b, lb_value x)
{
    const lb_window most = {.n = 2,
                            .kernel = {3, 3},
                            .stride = {2, 2},
                            .pad_begin = {1, 1},
                            .pad_end = {1, 1}};
    const lb_window mean = {
        .n = 2, .kernel = {2, 2}, .pad_begin = {1, 0}, .pad_end = {0, 1}};
    const int64_t given[] = {0, 0, 1, 0, 0, 0, 0, 2};
    const lb_shape eight = lb_shape_of(1, 8), matrix = lb_shape_of(2, 250, 3);
    lb_tensor *const list = net8_tensor(b, LB_I64, &eight);
    lb_tensor *const scales = net8_scales(b, 1, 0.01);
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    for (size_t i = 0; list && i < 8; i++)
        lb_tensor_put(list, i, (double)given[i]);
    y = net8_same(b, y, 61, 5, 3, 1, (net8_end){0.03, -128, true});
    y.v = lb_max_pool(b, y.v, &most, NULL);
    const net8 p = net8_grid(b, lb_average_pool(b, y.v, &mean, true, NULL), 0.03, -128);
    const net8 q = net8_grid(b, lb_clip(b, p.v, 0, 6, NULL), 0.025, -128);
    const lb_value all[] = {p.v, q.v};
    y = net8_grid(b, lb_concat(b, all, 2, 1), 0.04, -120);
    const lb_value in[] = {y.v, lb_constant(b, NULL, list), lb_scalar(b, LB_F32, 0)};
    y.v = lb_add_node(b, &lb_op_Pad, NULL, in, 3, NULL, 0);
    y.v = lb_flatten(b, y.v, NULL);
    const lb_value weights = net8_constant(b, 63, LB_I8, &matrix, 127, scales);
    const lb_value sum = lb_gemm(b, y.v, weights, (lb_value){0}, false, false, NULL);
    return net8_grid(b, sum, 0.4, 6).v;
}

static void networks_come_back_as_they_were(void)
{
    check_round_trip(net8_build_convs, 3, 9, 8, true);
    check_round_trip(net8_build_residual, 3, 8, 7, false);
    check_round_trip(net8_build_sequence, 4, 1, 30, false);
    check_round_trip(build_pads, 3, 7, 5, true);
}

static void files_of_others_come_back_as_they_were(void)
{
    static const char *const names[] = {"layers8", "sequence8"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *const graph = small_graph(arena, names[i]);
        lb_graph *const again = graph ? written_and_read(graph, arena) : NULL;
        if (again) {
            const char *const is = lb_info(again, again->outputs[0])->name;
            compare(graph, again, LB_ROUND_TFLITE, arena);
            CHECK(strcmp(is, lb_info(graph, graph->outputs[0])->name) == 0);
        }
        CHECK(again != NULL);
        lb_graph_free(graph);
        lb_graph_free(again);
        lb_arena_free(arena);
    }
}

/* ----------------------------------------------------------------------------- layout */

static bool is_at(const lb_flat *f, const uint8_t *p, size_t align)
{
    return !p || (size_t)(p - f->data) % align == 0;
}

static void everything_stands_where_the_format_wants_it(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = small_graph(arena, "layers8");
    const char *const path = new_path(arena);
    lb_bytes file = {0};
    lb_error err = {0};
    int n_constants = 0;

    CHECK_OK(lb_tflite_save(graph, path, &err), &err);
    CHECK_OK(lb_read_file(arena, path, 1 << 20, &file, &err), &err);
    (void)remove(path);
    lb_flat f = {.data = file.data, .size = file.size};
    const lb_flat_table model = lb_flat_root(&f);
    CHECK(lb_flat_u32(&f, &model, LB_TFL_MODEL_VERSION, 0) == 3);
    const lb_flat_vector buffers = lb_flat_items(&f, &model, LB_TFL_MODEL_BUFFERS, 4);
    for (size_t i = 0; i < buffers.n; i++) {
        const lb_flat_table b = lb_flat_item_table(&f, &buffers, i);
        const lb_flat_vector data = lb_flat_items(&f, &b, LB_TFL_BUFFER_DATA, 1);
        CHECK((i == 0) == (data.data == NULL)); /* the first is the empty one */
        CHECK(is_at(&f, data.data, 16));
        n_constants += data.n > 0;
    }
    const lb_flat_vector graphs = lb_flat_items(&f, &model, LB_TFL_MODEL_SUBGRAPHS, 4);
    const lb_flat_table g = lb_flat_item_table(&f, &graphs, 0);
    const lb_flat_vector tensors = lb_flat_items(&f, &g, LB_TFL_SUBGRAPH_TENSORS, 4);
    for (size_t i = 0; i < tensors.n; i++) {
        const lb_flat_table t = lb_flat_item_table(&f, &tensors, i);
        const lb_flat_table q = lb_flat_sub(&f, &t, LB_TFL_TENSOR_QUANTIZATION);
        const lb_flat_vector name = lb_flat_items(&f, &t, LB_TFL_TENSOR_NAME, 1);
        CHECK(t.at % 4 == 0 && name.n > 0 && name.data[name.n] == 0);
        CHECK(is_at(&f, lb_flat_items(&f, &q, LB_TFL_QUANT_SCALE, 4).data, 4));
        CHECK(is_at(&f, lb_flat_items(&f, &q, LB_TFL_QUANT_ZERO, 8).data, 8));
    }
    CHECK(!f.broken && n_constants > 8 && tensors.n > 20);
    lb_graph_free(graph);
    lb_arena_free(arena);
}

/* --------------------------------------------------------------------------- refusals */

static void check_refusal(net_builder build, const char *const *words)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = net_graph(build, 3, 6, 6);
    lb_error err = {0};

    CHECK(graph && lb_tflite_save(graph, new_path(arena), &err) == LB_ERR_UNSUPPORTED);
    for (; *words; words++)
        CHECK_TEXT(err.text, *words);
    CHECK(strchr(err.text, '\n') ==
          strrchr(err.text, '\n')); /* one finding, and the end */
    CHECK(!lb_file_exists(new_path(arena)));
    lb_graph_free(graph);
    lb_arena_free(arena);
}

static lb_value build_floats(lb_builder *b, lb_value x)
{
    return lb_relu(b, x, "r");
}

static lb_value build_unknown(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 0.05, 0);

    y = net8_grid(b, lb_sigmoid(b, y.v), 1.0 / 256, -128);
    y = net8_same(b, y, 71, 4, 1, 1, (net8_end){0.05, 0, false}); /* in silence */
    return y.v;
}

static lb_value build_halves(lb_builder *b, lb_value x)
{
    const net8 y = net8_grid(b, x, 0.05, 0);
    const lb_window pool = {.n = 2, .kernel = {2, 2}, .stride = {2, 2}};
    const lb_value p =
        net8_grid(b, lb_average_pool(b, y.v, &pool, false, NULL), 0.04, 0).v;
    const lb_value q = lb_relu(b, lb_max_pool(b, y.v, &pool, NULL), NULL);
    const lb_value sum = lb_add(b, p, q);

    return net8_grid(b, lb_flatten(b, net8_grid(b, sum, 0.1, 0).v, NULL), 0.1, 0).v;
}

static void what_the_file_cannot_hold_is_refused(void)
{
    static const char *const floats[] = {"input 'input' is not quantised", NULL};
    static const char *const unknown[] = {"(Sigmoid): the file has no operator for it",
                                          NULL};
    static const char *const halves[] = {
        "(AveragePool): its output must have the scale and the zero point of its input",
        NULL};

    check_refusal(build_floats, floats);
    check_refusal(build_unknown, unknown);
    check_refusal(build_halves, halves);
}

static void memory_may_run_out_anywhere(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const graph = small_graph(arena, "layers8");
    const char *const path = new_path(arena);
    lb_code code = LB_ERR_MEMORY;
    long n = 0;

    for (; code == LB_ERR_MEMORY && n < 10000; n++) {
        lb_error err = {0};
        lb_arena_fail_after(n);
        code = lb_tflite_save(graph, path, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || !lb_file_exists(path));
    }
    CHECK(code == LB_OK && n > 40);
    (void)remove(path);
    lb_graph_free(graph);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(networks_come_back_as_they_were);
    RUN(files_of_others_come_back_as_they_were);
    RUN(everything_stands_where_the_format_wants_it);
    RUN(what_the_file_cannot_hold_is_refused);
    RUN(memory_may_run_out_anywhere);
    return DONE();
}
