/* test_onnx_conformance.c: ONNX's own tests of its operators, as Debian's
 * libonnx-testdata has them. Each is a small network with inputs and outputs. It is run
 * in two ways: with every input known (the importer folds it all), and with its first
 * input given at run time, whose first dimension is then the batch.
 *
 * Networks that limbeck refuses are counted, not failed; those it takes must be right. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "onnx/onnx_int.h"

#include "evaluate.h"

#include <dirent.h>

static const char *const root = "/usr/share/libonnx-testdata/data";

enum { MAX_CASE_INPUTS = 8 };

typedef struct tally {
    int taken, wrong, refused;
} tally;

/* protobuf-c's own allocator: released with the model. */
static Onnx__TensorProto *read_tensor(lb_arena *arena, const char *folder,
                                      const char *kind, int i)
{
    const char *const path =
        lb_arena_text(arena, "%s/test_data_set_0/%s_%d.pb", folder, kind, i);
    lb_bytes bytes;
    lb_error err = {0};

    if (!lb_file_exists(path) ||
        lb_read_file(arena, path, (size_t)1 << 24, &bytes, &err) != LB_OK)
        return NULL;
    return onnx__tensor_proto__unpack(NULL, bytes.size, bytes.data);
}

/* Inputs from `first` on become initialisers; the batch of those before is opened. */
static void bind_inputs(Onnx__GraphProto *graph, Onnx__TensorProto **inputs, size_t first)
{
    const size_t n = graph->n_input < MAX_CASE_INPUTS ? graph->n_input : MAX_CASE_INPUTS;

    graph->initializer = realloc(graph->initializer,
                                 (graph->n_initializer + n) * sizeof *graph->initializer);
    for (size_t i = first; i < n; i++) {
        if (!inputs[i])
            continue;
        free(inputs[i]->name);
        inputs[i]->name = strdup(graph->input[i]->name);
        graph->initializer[graph->n_initializer++] = inputs[i];
    }
    for (size_t i = 0; i < first && i < n; i++) {
        Onnx__TypeProto *const type = graph->input[i]->type;
        if (type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
            type->tensor_type->shape && type->tensor_type->shape->n_dim > 0 &&
            type->tensor_type->shape->dim[0]->value_case ==
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            type->tensor_type->shape->dim[0]->dim_value = 0;
    }
}

static lb_code parse_bound(lb_arena *arena, const char *folder, size_t first,
                           lb_graph **out, lb_error *err)
{
    Onnx__TensorProto *inputs[MAX_CASE_INPUTS];
    lb_bytes bytes;

    LB_TRY(lb_read_file(arena, lb_arena_text(arena, "%s/model.onnx", folder),
                        (size_t)1 << 24, &bytes, err));
    Onnx__ModelProto *const model =
        onnx__model_proto__unpack(NULL, bytes.size, bytes.data);
    if (!model || !model->graph)
        return lb_raise(err, LB_ERR_INPUT, "'%s' cannot be unpacked", folder);
    for (int i = 0; i < MAX_CASE_INPUTS; i++)
        inputs[i] = read_tensor(arena, folder, "input", i);
    bind_inputs(model->graph, inputs, first);
    const size_t size = onnx__model_proto__get_packed_size(model);
    uint8_t *const packed = lb_arena_take(arena, size);
    onnx__model_proto__pack(model, packed);
    const size_t n =
        model->graph->n_input < MAX_CASE_INPUTS ? model->graph->n_input : MAX_CASE_INPUTS;
    for (size_t i = 0; i < MAX_CASE_INPUTS; i++)
        if (inputs[i] && (i < first || i >= n))
            onnx__tensor_proto__free_unpacked(inputs[i], NULL);
    onnx__model_proto__free_unpacked(model, NULL);
    return lb_onnx_parse(folder, packed, size, out, err);
}

static lb_tensor *expected(lb_arena *arena, const char *folder, const char *kind)
{
    Onnx__TensorProto *const proto = read_tensor(arena, folder, kind, 0);
    lb_tensor *t = NULL;
    lb_error err = {0};

    if (proto && lb_onnx_tensor_in(proto, "the array", arena, &t, &err) != LB_OK)
        t = NULL;
    if (proto)
        onnx__tensor_proto__free_unpacked(proto, NULL);
    return t;
}

/* Refused is fine: LB_ERR_UNSUPPORTED, or wrong for a batch. */
static void run_case(const char *folder, size_t first, tally *sum)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_tensor *const y = expected(arena, folder, "output");
    lb_tensor *const x = expected(arena, folder, "input");
    lb_tensor *out[MAX_OUTPUTS] = {NULL};
    lb_graph *graph = NULL;
    lb_error err = {0};

    lb_code code = parse_bound(arena, folder, first, &graph, &err);
    if (code == LB_OK && first == 0)
        out[0] = lb_info(graph, graph->outputs[0])->tensor;
    else if (code == LB_OK && x && x->shape.rank > 0 && x->shape.dim[0] > 0 &&
             graph->n_inputs == 1)
        code = evaluate(graph, x, LB_KERNELS_REFERENCE, arena, out, &err);
    else
        code = LB_ERR_UNSUPPORTED;
    if (code != LB_OK || !out[0] || !y) {
        sum->refused++;
        if (getenv("VERBOSE"))
            printf("# refused: %s %zu: %s\n", folder, first, err.text);
        CHECK(code != LB_ERR_BUG);
    } else if (difference(out[0], y) > 1e-5) {
        sum->wrong++;
        printf("# %s, %s: off by %g\n", folder, first ? "batched" : "folded",
               difference(out[0], y));
    } else {
        sum->taken++;
    }
    lb_graph_free(graph);
    lb_arena_free(arena);
}

static void run_folder(const char *part, size_t first, int least)
{
    char path[1024];
    tally sum = {0};

    snprintf(path, sizeof path, "%s/%s", root, part);
    DIR *const folder = opendir(path);
    if (!folder) {
        SKIP("libonnx-testdata is not installed");
        return;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char name[2048];
        if (strncmp(entry->d_name, "test_", 5) != 0)
            continue;
        /* the shape of a batch is known when the plan is compiled, not at import */
        if (first && strncmp(entry->d_name, "test_shape", 10) == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        run_case(name, first, &sum);
    }
    closedir(folder);
    printf("# %s, %s: %d right, %d wrong, %d not taken\n", part,
           first ? "batched" : "folded", sum.taken, sum.wrong, sum.refused);
    CHECK(sum.wrong == 0);
    CHECK(sum.taken >= least);
}

static void operators_are_right_when_folded(void)
{
    run_folder("node", 0, 180);
}

static void operators_are_right_on_a_batch(void)
{
    run_folder("node", 1, 110);
}

static void small_networks_are_right(void)
{
    run_folder("pytorch-converted", 1, 2); /* most are of opset 6 */
    run_folder("simple", 1, 1);
}

int main(void)
{
    RUN(operators_are_right_when_folded);
    RUN(operators_are_right_on_a_batch);
    RUN(small_networks_are_right);
    return DONE();
}
