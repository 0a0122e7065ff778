/* test_shapes.c: what shapes the operators infer, and what they refuse, and why. */
#include "graph/passes.h"
#include "ops/build.h"

#include "cases.h"

typedef struct shape_case {
    op_case op;
    const char *wanted; /* the shape, or a part of the refusal */
} shape_case;

static const shape_case cases[] = {
    {{"Conv", "strides=2,2 pads=1,1,1,1", {"N,3,32,31", "8,3,3,3"}}, "[N,8,16,16]"},
    {{"Conv", "auto_pad=SAME_UPPER strides=2,2", {"N,3,7,8", "8,3,3,3"}}, "[N,8,4,4]"},
    {{"Conv", "auto_pad=VALID dilations=2,2", {"N,3,7,8", "8,3,3,3"}}, "[N,8,3,4]"},
    {{"Conv", "strides=2,", {"N,3,7", "8,3,3"}}, "[N,8,3]"},
    {{"Conv", "", {"N,3,8,8", "8,4,3,3"}}, "weights [8,4,3,3] do not go with"},
    {{"Conv", "group=3", {"N,3,8,8", "8,1,3,3"}}, "in 3 groups"},
    {{"Conv", "", {"N,3,2,2", "8,3,3,3"}}, "larger than the input"},
    {{"Conv", "", {"N,3,8,8", "8,3,3,3", "7"}}, "the bias has shape [7], not [8]"},
    {{"Conv", "strides=0,1", {"N,3,8,8", "8,3,3,3"}}, "strides must be between 1"},
    {{"Conv", "strides=1,1,1", {"N,3,8,8", "8,3,3,3"}}, "strides must have 2 numbers"},
    {{"Conv", "pads=-1,0,0,0", {"N,3,8,8", "8,3,3,3"}}, "pads must be between 0"},
    {{"Conv", "auto_pad=SOME", {"N,3,8,8", "8,3,3,3"}}, "not 'SOME'"},
    {{"Conv", "group=0", {"N,3,8,8", "8,3,3,3"}}, "group must be between 1"},
    {{"Conv", "", {"N,3,2,2,2", "8,3,3,3,3"}}, "rank 3 or 4"},
    {{"FusedConv", "activation=Tanh", {"N,3,8,8", "8,3,3,3"}}, "not 'Tanh'"},
    {{"FusedConv", "", {"N,3,8,8", "8,3,3,3", "", "N,8,8,8"}}, "the residual has shape"},
    {{"BatchNormalization", "", {"N,3,2", "3", "3", "3", "4"}}, "var has shape [4]"},
    {{"BatchNormStats", "", {"N,3,2,2"}}, "[3]"},
    {{"Gemm", "transB=1", {"N,4", "5,4", "5"}}, "[N,5]"},
    {{"Gemm", "transA=1", {"N,4", "N,5"}}, "[4,5]"},
    {{"Gemm", "", {"N,4", "5,4"}}, "cannot be multiplied"},
    {{"Gemm", "transB=1", {"N,4", "N,4"}}, "the batch as its last axis"},
    {{"Gemm", "", {"N,4", "4,5", "6"}}, "do not go together"},
    {{"Gemm", "", {"1,4", "4,5", "2,5"}}, "cannot hold"},
    {{"MatMul", "", {"N,3,4", "4,2"}}, "[N,3,2]"},
    {{"MatMul", "", {"N,4", "3,4,2"}}, "move the batch"},
    {{"MatMul", "", {"2,N", "N,4"}}, "mix samples"},
    {{"Add", "", {"N,3,1,1", "3,4,5"}}, "[N,3,4,5]"},
    {{"Add", "", {"1,3", "N,3"}}, "[N,3]"},
    {{"Add", "", {"N,3", "2,3"}}, "do not go together"},
    {{"Add", "", {"N,3", "2,3,3"}}, "do not go together"},
    {{"Add", "", {"N,3", "2,1,3"}}, "move the batch"},
    {{"Add", "", {"2", "#1,2"}}, "must be alike"},
    {{"Clip", "", {"N,3", "1"}}, "constants"},
    {{"Exp", "", {"#1,2"}}, "only float32 and float64"},
    {{"Pow", "", {"N,3", "=2"}}, "[N,3]"},
    {{"Pow", "", {"N,3", "#2"}}, "[N,3]"},
    {{"Pow", "", {"N,3", "1"}}, "exponent must be a constant"},
    {{"Pow", "", {"N,2", "#1,2"}}, "must be one number, not [2]"},
    {{"Max", "", {"N,3,1", "4", "3,1"}}, "[N,3,4]"},
    {{"Min", "", {"N,3", "N,4"}}, "do not go together"},
    {{"Max", "", {"2", ""}}, "input 1 is left out"},
    {{"ExtremeMask", "index=2", {"3", "3"}}, "index must be between 0 and 1, not 2"},
    {{"ReduceMax", "axes=1, keepdims=0", {"N,3,4"}}, "[N,4]"},
    {{"ReduceMax", "", {"N,3,4"}}, "a maximum over the batch"},
    {{"ReduceMax", "axes=1,", {"2,0"}}, "the maximum of no elements"},
    {{"BatchGather", "batch=8", {"N,3,4"}}, "[8,3,4]"},
    {{"BatchGather", "", {"N,3"}}, "batch must be between 1"},
    {{"BatchGather", "batch=8", {"8,3"}}, "it has no batch to gather"},
    {{"BatchRows", "", {"8,3,4"}}, "[N,3,4]"},
    {{"BatchRows", "", {"N,3"}}, "is wanted, batch a number"},
    {{"MaxPool", "kernel_shape=3,3 strides=2,2 ceil_mode=1", {"N,3,6,7"}}, "[N,3,3,3]"},
    {{"MaxPool", "kernel_shape=2,2 strides=2,2 pads=1,1,1,1 ceil_mode=1", {"N,1,3,4"}},
     "[N,1,2,3]"},
    {{"MaxPool", "strides=2,2", {"N,3,6,7"}}, "kernel_shape is missing"},
    {{"MaxPool", "kernel_shape=2,2 pads=2,0,0,0", {"N,3,6,7"}}, "smaller than the"},
    {{"AveragePool", "kernel_shape=7,7", {"N,3,6,7"}}, "larger than the input"},
    {{"GlobalAveragePool", "", {"N,3,6,7"}}, "[N,3,1,1]"},
    {{"GlobalAveragePool", "", {"N,3"}}, "rank 3 to 4"},
    {{"GlobalMaxPool", "", {"N,3,6,7"}}, "[N,3,1,1]"},
    {{"ConvTranspose", "strides=2,2", {"N,3,7,5", "3,8,2,2"}}, "[N,8,14,10]"},
    {{"ConvTranspose",
      "strides=2,2 pads=1,1,1,1 output_padding=1,1 group=3",
      {"N,3,7,5", "3,2,3,3"}},
     "[N,6,14,10]"},
    {{"ConvTranspose", "strides=3, dilations=2,", {"N,3,7", "3,1,3"}}, "[N,1,23]"},
    {{"ConvTranspose", "output_padding=1,0", {"N,3,7,5", "3,8,2,2"}},
     "less than the stride"},
    {{"ConvTranspose", "output_padding=0,", {"N,3,7,5", "3,8,2,2"}},
     "must have 2 numbers"},
    {{"ConvTranspose", "pads=1,0,1,0", {"N,3,1,5", "3,8,2,2"}}, "would have size 0"},
    {{"ConvTranspose", "group=2", {"N,3,7,5", "3,8,2,2"}}, "in 2 groups"},
    {{"ConvTranspose", "", {"N,3,7,5", "4,8,2,2"}}, "do not go with"},
    {{"ConvTranspose", "", {"N,3,7,5", "3,8,2,2", "7"}},
     "the bias has shape [7], not [8]"},
    {{"ConvTranspose", "auto_pad=SAME_UPPER", {"N,3,7,5", "3,8,2,2"}},
     "auto_pad 'SAME_UPPER' is not supported"},
    {{"ConvTranspose", "output_shape=9,9", {"N,3,7,5", "3,8,2,2"}},
     "output_shape is not supported"},
    {{"Resize", "", {"N,3,7,5", "", "#1,1,2,3"}}, "[N,3,14,15]"},
    {{"Resize", "", {"N,3,7,5", "", "", "#1,3,14,5"}}, "[N,3,14,5]"},
    {{"Resize", "nearest_mode=round_prefer_ceil", {"N,3,5", "", "#1,1,2"}}, "[N,3,10]"},
    {{"Resize", "", {"N,3,7,5", "", "#1,2,2,2"}}, "whole factors of spatial axes"},
    {{"Resize", "", {"N,3,7,5", "", "", "#1,3,15,5"}}, "whole factors of spatial axes"},
    {{"Resize", "", {"N,3,7,5", "", "#1,1,2"}}, "must have 4 numbers, not 3"},
    {{"Resize", "mode=linear", {"N,3,7,5", "", "#1,1,2,2"}}, "mode 'linear' is not"},
    {{"Resize", "nearest_mode=floor", {"N,3,7,5", "", "#1,1,2,2"}},
     "half_pixel coordinates with floor are not supported"},
    {{"Resize", "", {"N,3,7,5"}}, "must be a constant"},
    {{"Reshape", "", {"N,4,2", "#1,8"}}, "[N,8]"},
    {{"Reshape", "", {"N,4,2", "#-1,-1"}}, "[N,8]"},
    {{"Reshape", "", {"N,4,2", "#0,0,1,2"}}, "[N,4,1,2]"},
    {{"Reshape", "", {"N,4,2", "#64,2,-1"}}, "[N,2,4]"},
    {{"Reshape", "", {"N,4,2", "#-1,4"}}, "mix the samples"},
    {{"Reshape", "", {"N,4,2", "#8,-1,-1"}}, "mix the samples"},
    {{"Reshape", "", {"4,2", "#3,-1"}}, "does not have the elements"},
    {{"Reshape", "", {"4,2", "#-1,-1"}}, "does not have the elements"},
    {{"Reshape", "", {"4,2", "#9223372036854775807,9223372036854775807"}},
     "does not have the elements"},
    {{"Reshape", "", {"4,2", "4"}}, "must be a constant"},
    {{"Flatten", "axis=1", {"N,3,4"}}, "[N,12]"},
    {{"Flatten", "axis=2", {"2,3,4"}}, "[6,4]"},
    {{"Flatten", "axis=0", {"2,3,4"}}, "[1,24]"},
    {{"Flatten", "axis=2", {"N,3,4"}}, "mix the samples"},
    {{"Squeeze", "", {"N,1,3,1"}}, "[N,3]"},
    {{"Squeeze", "", {"N,1,3", "#0"}}, "mix the samples"},
    {{"Squeeze", "", {"N,1,3", "#2"}}, "has size 3, not 1"},
    {{"Squeeze", "", {"N,1,1", "#1,-2"}}, "named twice"},
    {{"Unsqueeze", "", {"N,3", "#1,-1"}}, "[N,1,3,1]"},
    {{"Unsqueeze", "", {"N,3", "#0"}}, "mix the samples"},
    {{"Unsqueeze", "", {"N,3", "#3"}}, "axis must be between"},
    {{"Shape", "", {"N,3"}}, "[2]"},
    {{"Shape", "start=1 end=-1", {"N,3,4,5"}}, "[2]"},
    {{"Transpose", "perm=0,2,1", {"N,3,4"}}, "[N,4,3]"},
    {{"Transpose", "perm=1,0,2", {"N,3,4"}}, "must stay the first axis"},
    {{"Transpose", "perm=0,1,1", {"N,3,4"}}, "once"},
    {{"Concat", "axis=-1", {"N,3", "N,4"}}, "[N,7]"},
    {{"Concat", "axis=0", {"N,3", "N,3"}}, "batches cannot be joined"},
    {{"Concat", "axis=1", {"N,3,2", "N,3,3"}}, "cannot be joined along axis 1"},
    {{"Concat", "", {"N,3"}}, "axis is missing"},
    {{"Slice", "", {"N,5", "#1", "#9223372036854775807", "#1", "#2"}}, "[N,2]"},
    {{"Slice", "", {"N,5", "#0", "#9223372036854775807"}}, "[N,5]"},
    {{"Slice", "", {"N,5", "#-1", "#-9223372036854775808", "#1", "#-1"}}, "[N,5]"},
    {{"Slice", "", {"N,5", "#4", "#2", "#1"}}, "[N,0]"},
    {{"Slice", "", {"N,5", "#0", "#1"}}, "a batch cannot be cut"},
    {{"Slice", "", {"N,5", "#0", "#1", "#1", "#0"}}, "a step of 0"},
    {{"Slice", "", {"N,5", "#0,1", "#1"}}, "of one length"},
    {{"Gather", "axis=1", {"N,5", "#0,-1,2"}}, "[N,3]"},
    {{"Gather", "axis=1", {"N,5", "#5"}}, "index 5 is outside"},
    {{"Gather", "axis=0", {"N,5", "#0"}}, "a batch cannot be picked from"},
    {{"Pad", "", {"N,3", "#0,1,0,2"}}, "[N,6]"},
    {{"Pad", "", {"N,3", "#0,-2,0,-2"}}, "would have size -1"},
    {{"Pad", "", {"N,3", "#1,0,0,0"}}, "a batch cannot be padded"},
    {{"Pad", "", {"N,3", "#0,1,0"}}, "pads must have 4 numbers, not 3"},
    {{"Pad", "mode=reflect", {"N,3", "#0,1,0,2"}}, "mode 'reflect' is not supported"},
    {{"Softmax", "axis=2", {"N,3"}}, "axis must be between -2 and 1, not 2"},
    {{"Softmax", "axis=0", {"N,3"}}, "softmax over the batch"},
    {{"ReduceMean", "axes=0,2 keepdims=1", {"N,3,4"}}, "[1,3,1]"},
    {{"ReduceMean", "keepdims=0", {"N,3,4"}}, "[]"},
    {{"ReduceSum", "keepdims=0", {"N,3,4", "#-1"}}, "[N,3]"},
    {{"ReduceSum", "", {"N,3,4", "#1,-2"}}, "named twice"},
    {{"ReduceTo", "", {"N,3,4", "3,1"}}, "[3,1]"},
    {{"ReduceTo", "", {"N,3,4", "2,1"}}, "do not go together"},
    {{"ConstantOfShape", "", {"#2,3"}}, "[2,3]"},
    {{"ConstantOfShape", "", {"#-1,3"}}, "a dimension of -1"},
    {{"ConstantOfShape", "", {"#1073741824,1073741824"}}, "cannot have the shape"},
    {{"Cast", "to=16", {"N,3"}}, "element type 16"},
    {{"OneHot", "", {"#0,1", "=3", "#0,1"}}, "[2,3]"},
    {{"OneHot", "", {"N", "=3", "#0,1"}}, "must be whole numbers"},
    {{"OneHot", "", {"#0,1", "=0", "#0,1"}}, "depth must be between 1"},
    {{"SgdUpdate", "", {"3,4", "3,4", "3,4", "1"}}, "[3,4]"},
    {{"SgdUpdate", "", {"3,4", "3,4", "4,3", "1"}}, "the gradient has shape"},
};

static void shapes_are_inferred_or_refused(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const shape_case *const c = &cases[i];
        char text[LB_SHAPE_TEXT];
        lb_value in[6];
        lb_graph *g = NULL;
        lb_error err = {0};
        lb_builder b;
        int n = 0;

        CHECK_OK(lb_graph_new(&g, &err), &err);
        lb_builder_init(&b, g);
        const lb_value y = build_case(&b, &c->op, in, &n);
        const lb_shape shape = lb_type_of(&b, y).shape;
        if (c->wanted[0] == '[') {
            CHECK_OK(lb_builder_finish(&b, &err), &err);
            if (strcmp(lb_shape_text(&shape, text), c->wanted) != 0)
                printf("# %s gives %s, not %s\n", c->op.op, text, c->wanted);
            CHECK(strcmp(lb_shape_text(&shape, text), c->wanted) == 0);
        } else {
            CHECK(lb_builder_finish(&b, &err) != LB_OK);
            CHECK(err.code == LB_ERR_INPUT || err.code == LB_ERR_UNSUPPORTED);
            CHECK_TEXT(err.text, c->wanted);
            CHECK_TEXT(err.text, c->op.op);
        }
        lb_graph_free(g);
    }
}

static lb_value ints(lb_builder *b, int64_t value)
{
    const lb_shape shape = lb_shape_of(1, 1);
    lb_tensor *t = NULL;

    CHECK_OK(lb_tensor_new(b->graph->arena, LB_I64, &shape, &t, &b->error), &b->error);
    ((int64_t *)t->data)[0] = value;
    return lb_constant(b, NULL, t);
}

static lb_value folded(lb_builder *b, const lb_op *op, const lb_value *in, int n)
{
    const lb_attr axis = lb_ai("axis", 0);
    const lb_value y = lb_add_node(b, op, NULL, in, n, &axis, op != &lb_op_Shape);
    lb_error err = {0};

    CHECK_OK(lb_fold_last(b->graph, 1 << 20, &err), &err);
    return y;
}

/* What exporters write for x.view(x.size(0), -1): it folds to one Reshape. */
static void chains_of_shapes_fold(void)
{
    const lb_shape shape = lb_shape_of(4, LB_BATCH, 2, 3, 4);
    lb_graph *g = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(&b, g);
    const lb_value x = lb_input(&b, "x", LB_F32, &shape);
    const lb_value sizes = folded(&b, &lb_op_Shape, &x, 1);
    const lb_value zero = ints(&b, 0), rest = ints(&b, -1);
    const lb_value pick[] = {sizes, zero};
    const lb_value parts[] = {folded(&b, &lb_op_Gather, pick, 2), rest};
    const lb_value in[] = {x, folded(&b, &lb_op_Concat, parts, 2)};
    const lb_value y = lb_add_node(&b, &lb_op_Reshape, NULL, in, 2, NULL, 0);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(g->n_nodes == 1);
    CHECK(lb_dim(&b, y, 0) == LB_BATCH && lb_dim(&b, y, 1) == 24);
    lb_graph_free(g);
}

int main(void)
{
    RUN(shapes_are_inferred_or_refused);
    RUN(chains_of_shapes_fold);
    return DONE();
}
