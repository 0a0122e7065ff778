/* test_onnx_limits.c: networks that are well formed but beyond what is promised, or wrong
 * in one place: each gets its own words. They are made from a good one by one change. */
#include "onnx/onnx.h"

#include "base/file.h"
#include "onnx/onnx_int.h"

#include "evaluate.h"

typedef void (*change)(Onnx__ModelProto *model);

/* Reads the fixture norm8 (Conv, BatchNormalization, Dropout, Relu, Identity), changes it
 * and parses it; the error's text lands in text. */
static lb_code parse_changed(change apply, lb_graph **graph, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path = test_path(arena, false, "tests/onnx/fixtures/norm8.onnx");
    lb_bytes bytes = {0};

    CHECK_OK(lb_read_file(arena, path, 1 << 20, &bytes, err), err);
    Onnx__ModelProto *const model =
        onnx__model_proto__unpack(NULL, bytes.size, bytes.data);
    CHECK(model != NULL);
    apply(model);
    const size_t size = onnx__model_proto__get_packed_size(model);
    uint8_t *const packed = lb_arena_take(arena, size);
    onnx__model_proto__pack(model, packed);
    onnx__model_proto__free_unpacked(model, NULL);
    const lb_code code = lb_onnx_parse("net.onnx", packed, size, graph, err);
    lb_arena_free(arena);
    return code;
}

static void check_refusal(change apply, lb_code code, const char *words)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK(parse_changed(apply, &graph, &err) == code);
    CHECK_TEXT(err.text, words);
    CHECK(graph == NULL);
    lb_graph_free(graph);
}

static Onnx__TensorShapeProto *input_shape(Onnx__ModelProto *m)
{
    return m->graph->input[0]->type->tensor_type->shape;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
}

static void nothing(Onnx__ModelProto *m)
{
    (void)m;
}

static void opset_7(Onnx__ModelProto *m)
{
    m->opset_import[0]->version = 7;
}

static void opset_18(Onnx__ModelProto *m)
{
    m->opset_import[0]->version = 18;
}

static void ir_2(Onnx__ModelProto *m)
{
    m->ir_version = 2;
}

static void no_opset(Onnx__ModelProto *m)
{
    set_text(&m->opset_import[0]->domain, "ai.onnx.ml");
}

static void batch_of_8(Onnx__ModelProto *m)
{
    Onnx__TensorShapeProto__Dimension *const dim = input_shape(m)->dim[0];

    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM)
        free(dim->dim_param);
    dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dim->dim_value = 8;
}

static void batch_of_1(Onnx__ModelProto *m)
{
    batch_of_8(m);
    input_shape(m)->dim[0]->dim_value = 1;
}

static void negative_height(Onnx__ModelProto *m)
{
    input_shape(m)->dim[2]->dim_value = -6;
}

static void huge_input(Onnx__ModelProto *m)
{
    input_shape(m)->dim[2]->dim_value = INT32_MAX;
    input_shape(m)->dim[3]->dim_value = INT32_MAX;
}

static void negative_weights(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->dims[0] = -4;
}

static void huge_weights(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->dims[0] = (int64_t)1 << 30;
}

static void half_weights(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
}

static void weights_elsewhere(Onnx__ModelProto *m)
{
    m->graph->initializer[0]->has_data_location = true;
    m->graph->initializer[0]->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

static void unknown_input(Onnx__ModelProto *m)
{
    set_text(&m->graph->node[0]->input[0], "nobody");
}

static void same_output(Onnx__ModelProto *m)
{
    set_text(&m->graph->node[1]->output[0], m->graph->node[0]->output[0]);
}

static void unknown_output(Onnx__ModelProto *m)
{
    set_text(&m->graph->output[0]->name, "nobody");
}

static void norm_per_pixel(Onnx__ModelProto *m)
{
    Onnx__NodeProto *const node = m->graph->node[1];

    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, "spatial") == 0)
            node->attribute[i]->i = 0;
}

/* It must be harmless to print what a file calls its nodes. */
static void name_with_escape(Onnx__ModelProto *m)
{
    set_text(&m->graph->node[0]->name, "a\033[2Jb");
    set_text(&m->graph->node[0]->op_type, "Nothing");
}

static void the_fixture_is_good_unchanged(void)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(parse_changed(nothing, &graph, &err), &err);
    if (graph) {
        CHECK(graph->n_nodes == 3); /* Dropout and Identity are gone */
        CHECK(strcmp(lb_info(graph, graph->outputs[0])->name, "y") == 0);
        CHECK(lb_graph_find(graph, "bn").id != 0);
        CHECK(lb_info(graph, lb_graph_find(graph, "w1"))->kind == LB_VALUE_PARAM);
        CHECK(lb_info(graph, lb_graph_find(graph, "w1"))->trained);
        CHECK(!lb_info(graph, lb_graph_find(graph, "w1"))->no_decay);
        CHECK(lb_info(graph, lb_graph_find(graph, "s"))->no_decay);
        CHECK(!lb_info(graph, lb_graph_find(graph, "m"))->trained);
    }
    lb_graph_free(graph);
}

static void a_batch_of_one_is_opened(void)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(parse_changed(batch_of_1, &graph, &err), &err);
    if (graph)
        CHECK(lb_info(graph, graph->inputs[0])->type.shape.dim[0] == LB_BATCH);
    lb_graph_free(graph);
}

static void versions_are_checked(void)
{
    check_refusal(
        opset_7, LB_ERR_UNSUPPORTED,
        "net.onnx: opset 7 is not supported; export the network with one from 8 "
        "to 17");
    check_refusal(opset_18, LB_ERR_UNSUPPORTED, "opset 18 is not supported");
    check_refusal(ir_2, LB_ERR_UNSUPPORTED, "IR version 2 is not supported");
    check_refusal(no_opset, LB_ERR_INPUT, "names no opset");
}

static void inputs_are_checked(void)
{
    check_refusal(
        batch_of_8, LB_ERR_UNSUPPORTED,
        "input 'x' has a fixed batch of 8; export the network with a batch of 1");
    check_refusal(negative_height, LB_ERR_INPUT, "dimension 2 must be above 0, not -6");
    check_refusal(huge_input, LB_ERR_INPUT, "input 'x' has too many elements");
}

static void initialisers_are_checked(void)
{
    check_refusal(
        negative_weights, LB_ERR_INPUT,
        "initialiser 'w1': dimension 0 must be between 0 and 2147483647, not -4");
    check_refusal(huge_weights, LB_ERR_INPUT,
                  "initialiser 'w1' should hold 28991029248 ");
    check_refusal(half_weights, LB_ERR_UNSUPPORTED,
                  "initialiser 'w1' has element type float16");
    check_refusal(weights_elsewhere, LB_ERR_UNSUPPORTED,
                  "initialiser 'w1' keeps its elements in another file");
}

static void nodes_are_checked(void)
{
    check_refusal(unknown_input, LB_ERR_INPUT,
                  "node 'n_c' (Conv, opset 8): input 'nobody' is not defined before it");
    check_refusal(same_output, LB_ERR_INPUT, "'c' is defined twice");
    check_refusal(unknown_output, LB_ERR_INPUT, "output 'nobody' is never computed");
    check_refusal(norm_per_pixel, LB_ERR_UNSUPPORTED, "spatial=0");
    check_refusal(name_with_escape, LB_ERR_UNSUPPORTED,
                  "node 'a?[2Jb' (Nothing, opset 8)");
}

int main(void)
{
    RUN(the_fixture_is_good_unchanged);
    RUN(a_batch_of_one_is_opened);
    RUN(versions_are_checked);
    RUN(inputs_are_checked);
    RUN(initialisers_are_checked);
    RUN(nodes_are_checked);
    return DONE();
}
