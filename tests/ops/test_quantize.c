/* test_quantize.c: QuantizeLinear and DequantizeLinear: ties, saturation, an axis, what
 * is refused, the straight-through gradient, and weights that stay as they are stored
 * until a plan is made. */
#include "eval.h"
#include "folded.h"

static const lb_value none;

static void ties_go_to_even_and_ends_saturate(void)
{
    static const double x[] = {0.25,  0.75, -0.25, -0.75,    1.25, 63.4,
                               63.75, -70,  1e30,  INFINITY, -1e30};
    static const double int8[] = {3, 5, 3, 1, 5, 127, 127, -128, 127, 127, -128};
    static const double uint8[] = {0, 2, 0, 0, 2, 127, 128, 0, 255, 255, 0};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = list(&b, LB_F32, x, 11);
    const lb_value scale = lb_scalar(&b, LB_F32, 0.5);
    const lb_value three = lb_scalar(&b, LB_I8, 3);
    const lb_value a = lb_quantize(&b, in, scale, three, 0, NULL);
    const lb_value c = lb_quantize(&b, in, scale, none, 0, NULL);

    check_folded(&b, a, LB_I8, int8, 11);
    check_folded(&b, c, LB_U8, uint8, 11);
    lb_graph_free(g);
}

/* 0.35 / 0.1 in float32 is 3.5 and a bit less, which float32 rounds up to the tie 3.5
 * and the tie to 4; 0.25 / 0.1 is 2.49999996, float32's 2.5, and 2. */
static void quotients_of_float32_are_float32(void)
{
    static const double x[] = {0.35, 0.25, 0.45, 0.05, 0.15};
    static const double q[] = {4, 2, 4, 0, 2};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = list(&b, LB_F32, x, 5);
    const lb_value scale = lb_scalar(&b, LB_F32, 0.1);
    const lb_value y = lb_quantize(&b, in, scale, none, 0, NULL);
    double wanted[5];

    for (int i = 0; i < 5; i++) {
        const float quotient = (float)x[i] / 0.1F;
        wanted[i] = rint((double)quotient);
        CHECK_NEAR(wanted[i], q[i], 0);
    }
    check_folded(&b, y, LB_U8, wanted, 5);
    lb_graph_free(g);
}

static void an_axis_has_scales_and_zero_points_of_its_own(void)
{
    static const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const double scales[] = {1, 0.5, 2}, zeros[] = {0, 10, -1};
    static const double middle[] = {1, 2, 16, 18, 1, 2, 7, 8, 28, 30, 5, 5};
    static const double back[] = {1, 2, 3, 4, 4, 6, 7, 8, 9, 10, 12, 12};
    const lb_shape shape = lb_shape_of(3, 2, 3, 2);
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = tensor(&b, LB_F64, &shape, x);
    const lb_value scale = list(&b, LB_F64, scales, 3);
    const lb_value zero = list(&b, LB_I8, zeros, 3);
    const lb_value q = lb_quantize(&b, in, scale, zero, -2, NULL);
    const lb_value y = lb_dequantize(&b, q, scale, zero, 1, NULL);

    check_folded(&b, q, LB_I8, middle, 12);
    check_folded(&b, y, LB_F64, back, 12);
    lb_graph_free(g);
}

static void sums_dequantise_without_a_zero_point(void)
{
    static const double x[] = {-2147483648.0, 70000, -3};
    static const double y[] = {-536870912, 17500, -0.75};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = list(&b, LB_I32, x, 3);
    const lb_value scale = lb_scalar(&b, LB_F32, 0.25);
    const lb_value plain = lb_dequantize(&b, in, scale, none, 0, NULL);
    const lb_value zero = lb_scalar(&b, LB_I32, 0);
    const lb_value with_zero = lb_dequantize(&b, in, scale, zero, 0, NULL);

    check_folded(&b, plain, LB_F32, y, 3);
    check_folded(&b, with_zero, LB_F32, y, 3);
    lb_graph_free(g);
}

/* What is wrong with a node of these inputs; its types are in the letters of `types`: x,
 * scale, zero point, '-' if it is left out. */
typedef struct refusal {
    const lb_op *op;
    lb_dtype x, scale, zero;
    int scales, zeros; /* 0: a scalar; -1: left out */
    double scale_is, zero_is;
    const char *wanted;
} refusal;

static lb_value numbers(lb_builder *b, lb_dtype dtype, int n, double value)
{
    const double x[] = {value, value, value, value};

    if (n < 0)
        return none;
    return n == 0 ? lb_scalar(b, dtype, value) : list(b, dtype, x, n);
}

static void refused_with_reasons(void)
{
    const lb_op *const q = &lb_op_QuantizeLinear, *const dq = &lb_op_DequantizeLinear;
    const refusal cases[] = {
        {q, LB_I32, LB_F32, LB_I8, 0, 0, 1, 0, "input 0 is int32"},
        {q, LB_F32, LB_F64, LB_I8, 0, 0, 1, 0, "input 0 is float32, but input 1"},
        {q, LB_F32, LB_F32, LB_I32, 0, 0, 1, 0, "quantises to int32"},
        {q, LB_F32, LB_F32, LB_I8, 0, 0, 0, 0, "a scale must be above 0, not 0"},
        {q, LB_F32, LB_F32, LB_I8, 0, 0, -2, 0, "a scale must be above 0, not -2"},
        {q, LB_F32, LB_F32, LB_I8, 4, 4, 1, 0, "4 scales do not go with axis 1 of"},
        {q, LB_F32, LB_F32, LB_I8, 3, 2, 1, 0, "the zero point has shape [2], not [3]"},
        {q, LB_F32, LB_F32, LB_I8, 3, 0, 1, 0, "the zero point has shape [], not [3]"},
        {dq, LB_F32, LB_F32, LB_I8, 0, 0, 1, 0, "it dequantises float32"},
        {dq, LB_I8, LB_F32, LB_U8, 0, 0, 1, 0, "zero point is uint8, but the input is"},
        {dq, LB_I8, LB_I32, LB_I8, 0, 0, 1, 0, "the scale is int32"},
        {dq, LB_I32, LB_F32, LB_I32, 0, 0, 1, 5, "int32 must be 0, not 5"},
        {dq, LB_I8, LB_F32, LB_I8, 0, -1, NAN, 0, "a scale must be above 0, not"},
    };
    const lb_shape shape = lb_shape_of(2, LB_BATCH, 3);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const refusal *const c = &cases[i];
        lb_error err = {0};
        lb_builder b;
        lb_graph *const g = begin(&b);
        const lb_value x = lb_input(&b, "x", c->x, &shape);
        const lb_value scale = numbers(&b, c->scale, c->scales, c->scale_is);
        const lb_value in[] = {x, scale, numbers(&b, c->zero, c->zeros, c->zero_is)};
        lb_add_node(&b, c->op, NULL, in, 3, NULL, 0);
        CHECK(lb_builder_finish(&b, &err) != LB_OK);
        CHECK_TEXT(err.text, c->wanted);
        lb_graph_free(g);
    }
}

/* The slope of dequantize(quantize(x)) is that of a clip: 1 where nothing saturates. */
static void the_gradient_passes_where_nothing_saturates(void)
{
    static const double x[] = {-13, -12.76, -12.74, -1, 0, 7, 12.74, 12.76, 40};
    static const double slope[] = {0, 0, 1, 1, 1, 1, 1, 0, 0};
    const lb_shape shape = lb_shape_of(2, LB_BATCH, 3);
    lb_value dx = {0};
    lb_error err = {0};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = lb_input(&b, "x", LB_F64, &shape);
    const lb_value scale = lb_scalar(&b, LB_F64, 0.1);
    const lb_value zero = lb_scalar(&b, LB_U8, 128);
    const lb_value q = lb_quantize(&b, in, scale, zero, 1, NULL);
    const lb_value y = lb_dequantize(&b, q, scale, zero, 1, NULL);
    const lb_value twice = lb_scale(&b, y, 2);
    const lb_value sum = lb_sum_all(&b, twice);
    eval e;

    /* 255 - 128 = 127 steps up, 128 down: the last whole number begins half a step on */
    lb_autodiff(&b, &lb_op_verbs, sum, &in, 1, &dx);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(dx.id != 0);
    eval_begin(&e, g, 3, 2);
    memcpy(e.value[in.id], x, sizeof x);
    eval_run(&e);
    for (int i = 0; i < 9; i++) {
        const double high = x[i] > 12.7 ? 12.7 : x[i];
        const double clipped = high < -12.8 ? -12.8 : high;
        CHECK_NEAR(e.value[y.id][i], clipped, 0.05 + 1e-9);
        if (i > 1) /* -12.76 and -13 are -12.8 */
            CHECK_NEAR(e.value[dx.id][i], 2 * slope[i], 0);
    }
    CHECK_NEAR(e.value[dx.id][0], 0, 0);
    CHECK_NEAR(e.value[dx.id][1], 2, 0);
    eval_end(&e);
    lb_graph_free(g);
}

/* Weights under training, each channel with its scale: the gradient reaches them. */
static void the_gradient_reaches_weights_along_an_axis(void)
{
    static const double weights[] = {0.1, 0.9, 3, -0.3, 2, -20};
    static const double scales[] = {0.01, 0.1}, zeros[] = {0, 0};
    static const double slopes[] = {1, 1, 0, 1, 1, 0};
    const lb_shape shape = lb_shape_of(2, 2, 3);
    lb_tensor *t = NULL;
    lb_value dw = {0};
    lb_error err = {0};
    lb_builder b;
    lb_graph *const g = begin(&b);

    CHECK_OK(lb_tensor_new(g->arena, LB_F64, &shape, &t, &err), &err);
    memcpy(t->data, weights, sizeof weights);
    const lb_value w = lb_param(&b, "w", t);
    const lb_value scale = list(&b, LB_F64, scales, 2);
    const lb_value zero = list(&b, LB_I8, zeros, 2);
    const lb_value q = lb_quantize(&b, w, scale, zero, 0, NULL);
    const lb_value y = lb_dequantize(&b, q, scale, zero, 0, NULL);
    const lb_value sum = lb_sum_all(&b, y);
    eval e;

    lb_autodiff(&b, &lb_op_verbs, sum, &w, 1, &dw);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(dw.id != 0);
    eval_begin(&e, g, 1, 1);
    eval_run(&e);
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(e.value[dw.id][i], slopes[i], 0);
    eval_end(&e);
    lb_graph_free(g);
}

static void an_import_leaves_stored_weights_to_be_seen(void)
{
    static const double stored[] = {-127, 0, 64}, wanted[] = {-63.5, 0, 32};
    lb_error err = {0};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value in = list(&b, LB_I8, stored, 3);
    const lb_value scale = lb_scalar(&b, LB_F32, 0.5);
    const lb_value y = lb_dequantize(&b, in, scale, none, 0, "w");

    CHECK_OK(lb_fold_last(g, 1 << 20, &err), &err);
    CHECK(g->n_nodes == 1);
    check_folded(&b, y, LB_F32, wanted, 3);
    CHECK(g->n_nodes == 0);
    lb_graph_free(g);
}

int main(void)
{
    RUN(ties_go_to_even_and_ends_saturate);
    RUN(quotients_of_float32_are_float32);
    RUN(an_axis_has_scales_and_zero_points_of_its_own);
    RUN(sums_dequantise_without_a_zero_point);
    RUN(refused_with_reasons);
    RUN(the_gradient_passes_where_nothing_saturates);
    RUN(the_gradient_reaches_weights_along_an_axis);
    RUN(an_import_leaves_stored_weights_to_be_seen);
    return DONE();
}
