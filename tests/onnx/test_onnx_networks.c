/* test_onnx_networks.c: networks made by others give the answers that onnxruntime gave:
 * the small ones of fixtures/ (every older form of an operator), and the teachers of the
 * shared data. */
#include "onnx/onnx.h"

#include "base/file.h"

#include "evaluate.h"

typedef struct network {
    const char *name;
    int n_outputs;
} network;

static const network fixtures[] = {
    {"conv8", 1},     {"conv_auto", 4},   {"conv1d", 2},     {"pools", 8},
    {"clip8", 4},     {"clip13", 2},      {"pad8", 2},       {"slice8", 2},
    {"slice13", 2},   {"axes8", 3},       {"reduce13", 2},   {"softmax8", 3},
    {"softmax13", 3}, {"gemm8", 2},       {"gemm13", 1},     {"matmul13", 2},
    {"norm8", 1},     {"arith8", 3},      {"concat11", 2},   {"shapes13", 3},
    {"fields9", 1},   {"elements13", 13}, {"extremes12", 6}, {"longer11", 7},
    {"longer1d", 2},
};

static const char *const teachers[] = {
    "cifar10-mlperf-resnet8", "cifar10-resnet20-jpg", "cifar10-resnet20",
    "cifar10-resnet56",       "mnist-8-cntk",
};

static lb_tensor *load_array(lb_arena *arena, const char *path)
{
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_npy_load(arena, path, (size_t)1 << 26, &t, &err), &err);
    return t;
}

static void check_network(lb_arena *arena, const char *onnx, const char *arrays,
                          int n_outputs, const char *first, lb_kernels kernels,
                          double tolerance)
{
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_graph *graph = NULL;
    lb_error err = {0};

    lb_tensor *const x = load_array(arena, lb_arena_text(arena, "%s.x.npy", arrays));
    CHECK_OK(lb_onnx_load(onnx, &graph, NULL, &err), &err);
    if (!x || !graph)
        return;
    CHECK(graph->n_outputs == n_outputs);
    CHECK_OK(evaluate(graph, x, kernels, arena, out, &err), &err);
    for (int i = 0; i < n_outputs; i++) {
        const char *const path = i == 0 ? lb_arena_text(arena, "%s.%s.npy", arrays, first)
                                        : lb_arena_text(arena, "%s.y%d.npy", arrays, i);
        lb_tensor *const y = load_array(arena, path);
        const double off = difference(out[i], y);
        if (!(off <= tolerance))
            printf("# %s, output %d: off by %g of the scale\n", onnx, i, off);
        CHECK(off <= tolerance);
    }
    lb_graph_free(graph);
}

static void fixtures_give_the_answers_of_onnxruntime(void)
{
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        lb_arena *const arena = lb_arena_new(0);
        const char *const base =
            test_path(arena, false,
                      lb_arena_text(arena, "tests/onnx/fixtures/%s", fixtures[i].name));
        const char *const onnx = lb_arena_text(arena, "%s.onnx", base);
        check_network(arena, onnx, base, fixtures[i].n_outputs, "y0",
                      LB_KERNELS_REFERENCE, 2e-6);
        check_network(arena, onnx, base, fixtures[i].n_outputs, "y0", LB_KERNELS_BEST,
                      1e-5);
        lb_arena_free(arena);
    }
}

static void check_teacher(const char *name, lb_kernels kernels)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const onnx =
        test_path(arena, true, lb_arena_text(arena, "data/teachers/%s.onnx", name));
    const char *const arrays =
        test_path(arena, true, lb_arena_text(arena, "data/teachers/ref/%s", name));

    if (lb_file_exists(onnx))
        check_network(arena, onnx, arrays, 1, "y", kernels, 1e-4);
    else
        SKIP("the shared data with the teachers is not there");
    lb_arena_free(arena);
}

static void teachers_give_their_reference_outputs(void)
{
    for (size_t i = 0; i < sizeof teachers / sizeof *teachers; i++)
        check_teacher(teachers[i], LB_KERNELS_BEST);
}

static void a_teacher_gives_them_on_the_reference_kernels(void)
{
    check_teacher("mnist-8-cntk", LB_KERNELS_REFERENCE);
}

int main(void)
{
    RUN(fixtures_give_the_answers_of_onnxruntime);
    RUN(teachers_give_their_reference_outputs);
    RUN(a_teacher_gives_them_on_the_reference_kernels);
    return DONE();
}
