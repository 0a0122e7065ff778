/* test_elements.c: functions of one number and extremes at points whose values are known
 * from tables, and their slopes where finite differences cannot tell: on kinks, at ties,
 * where the slope is infinite. */
#include "ops/build.h"

#include "cases.h"
#include "eval.h"

typedef struct point {
    const char *op, *attrs;
    double x, y, slope;
} point;

/* values to 15 digits; NAN: no gradient */
static const point points[] = {
    {"Exp", "", 1, 2.71828182845905, 2.71828182845905},
    {"Exp", "", -2, 0.135335283236613, 0.135335283236613},
    {"Log", "", 2, 0.693147180559945, 0.5},
    {"Log", "", 0, -INFINITY, 0},
    {"Sqrt", "", 2, 1.4142135623731, 0.353553390593274},
    {"Sqrt", "", 0, 0, 0},
    {"Abs", "", -3.5, 3.5, -1},
    {"Abs", "", 3.5, 3.5, 1},
    {"Abs", "", 0, 0, 0},
    {"Sign", "", -3, -1, NAN},
    {"Sign", "", 0, 0, NAN},
    {"Sign", "", 0.1, 1, NAN},
    {"Neg", "", 4, -4, -1},
    {"Reciprocal", "", 4, 0.25, -0.0625},
    {"Sigmoid", "", 1, 0.731058578630005, 0.196611933241482},
    {"Sigmoid", "", -1, 0.268941421369995, 0.196611933241482},
    {"Sigmoid", "", -800, 0, 0},
    {"Sigmoid", "", 800, 1, 0},
    {"Tanh", "", 0.5, 0.46211715726001, 0.786447732965927},
    {"Softplus", "", 0, 0.693147180559945, 0.5},
    {"Softplus", "", -1, 0.313261687518223, 0.268941421369995},
    {"Softplus", "", 900, 900, 1},
    {"Softplus", "", -900, 0, 0},
    {"LeakyRelu", "", -2, -0.02, 0.01},
    {"LeakyRelu", "alpha=0.25", -2, -0.5, 0.25},
    {"LeakyRelu", "alpha=0.25", 2, 2, 1},
    {"StepAbove", "", 0, 0, NAN},
    {"StepAbove", "threshold=0.5", 0.5, 0, NAN},
    {"StepAbove", "threshold=0.5", 0.75, 1, NAN},
    {"StopGradient", "", 1.25, 1.25, NAN},
};

/* Adds the node and the gradient of its sum; runs them on one value. */
static void run_point(lb_builder *b, lb_value x, lb_value y, double at, double *value,
                      double *slope)
{
    const lb_value sum = lb_sum_all(b, y);
    lb_value dx = {0};
    lb_error err = {0};
    eval e;

    lb_autodiff(b, &lb_op_verbs, sum, &x, 1, &dx);
    CHECK_OK(lb_builder_finish(b, &err), &err);
    eval_begin(&e, b->graph, 1, 1);
    e.value[x.id][0] = at;
    eval_run(&e);
    *value = e.value[y.id][0];
    *slope = dx.id ? e.value[dx.id][0] : NAN;
    eval_end(&e);
}

static lb_value begin(lb_builder *b, const lb_shape *shape)
{
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(b, g);
    return lb_input(b, "x", LB_F64, shape);
}

static bool is_near(double a, double b)
{
    return isnan(b) ? isnan(a) : a == b || fabs(a - b) <= 1e-13 * (1 + fabs(b));
}

static void functions_have_known_values(void)
{
    const lb_shape one = lb_shape_of(1, 1);

    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        const point *const p = &points[i];
        double y = 0, slope = 0;
        case_attrs attrs;
        lb_builder b;
        const lb_value x = begin(&b, &one);
        parse_attrs(&attrs, p->attrs);
        const lb_value node =
            lb_add_node(&b, lb_op_find(p->op), NULL, &x, 1, attrs.attr, attrs.n);
        run_point(&b, x, node, p->x, &y, &slope);
        if (!is_near(y, p->y) || !is_near(slope, p->slope))
            printf("# %s(%g) is %.15g with slope %.15g\n", p->op, p->x, y, slope);
        CHECK(is_near(y, p->y));
        CHECK(is_near(slope, p->slope));
        lb_graph_free(b.graph);
    }
}

static void powers_are_safe_at_zero(void)
{
    static const struct {
        double x, exponent, y, slope;
    } power[] = {{0, 0.5, 0, 0},   {0, 1, 0, 1},    {0, 2, 0, 0},
                 {0, 0, 1, 0},     {3, 2, 9, 6},    {-3, 2, 9, -6},
                 {4, 0.5, 2, .25}, {-2, 3, -8, 12}, {2, -1, 0.5, -0.25}};
    const lb_shape one = lb_shape_of(1, 1);

    for (size_t i = 0; i < sizeof power / sizeof *power; i++) {
        double y = 0, slope = 0;
        lb_builder b;
        const lb_value x = begin(&b, &one);
        const lb_value node = lb_pow(&b, x, power[i].exponent);
        run_point(&b, x, node, power[i].x, &y, &slope);
        CHECK_NEAR(y, power[i].y, 1e-14);
        CHECK_NEAR(slope, power[i].slope, 1e-14);
        lb_graph_free(b.graph);
    }
}

/* y = op(x, 2): at the tie the gradient is x's, and the other way round it is not. */
static void ties_go_to_the_first(void)
{
    const lb_shape one = lb_shape_of(1, 1);

    for (int i = 0; i < 4; i++) {
        double y = 0, slope = 0;
        lb_builder b;
        const lb_value x = begin(&b, &one);
        const lb_value two = lb_scalar(&b, LB_F64, 2);
        const lb_value left = i & 1 ? two : x, right = i & 1 ? x : two;
        const lb_value node = i & 2 ? lb_max(&b, left, right) : lb_min(&b, left, right);
        run_point(&b, x, node, 2, &y, &slope);
        CHECK(y == 2);
        CHECK(slope == (i & 1 ? 0 : 1));
        lb_graph_free(b.graph);
    }
}

static void the_first_maximum_has_the_gradient(void)
{
    static const double in[] = {1, 4, 4, 2, 3, -1, 3, 3},
                        wanted[] = {0, 1, 0, 0, 1, 0, 0, 0};
    const lb_shape shape = lb_shape_of(2, 2, 4);
    const int axis = 1;
    lb_builder b;
    lb_error err = {0};
    lb_value dx = {0};
    eval e;
    const lb_value x = begin(&b, &shape);
    const lb_value y = lb_reduce_max(&b, x, &axis, 1, false);
    const lb_value sum = lb_sum_all(&b, y);

    lb_autodiff(&b, &lb_op_verbs, sum, &x, 1, &dx);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    eval_begin(&e, b.graph, 1, 1);
    memcpy(e.value[x.id], in, sizeof in);
    eval_run(&e);
    CHECK(e.value[y.id][0] == 4 && e.value[y.id][1] == 3);
    CHECK(memcmp(e.value[dx.id], wanted, sizeof wanted) == 0);
    e.value[x.id][2] = NAN;
    eval_run(&e);
    CHECK(isnan(e.value[y.id][0]) && e.value[y.id][1] == 3);
    eval_end(&e);
    lb_graph_free(b.graph);
}

/* NaN must not hide behind a limit. */
static void extremes_hand_nan_on(void)
{
    const lb_shape one = lb_shape_of(1, 1);

    for (int i = 0; i < 2; i++) {
        double y = 0, slope = 0;
        lb_builder b;
        const lb_value x = begin(&b, &one);
        const lb_value zero = lb_scalar(&b, LB_F64, 0);
        const lb_value node = i ? lb_max(&b, zero, x) : lb_min(&b, x, zero);
        run_point(&b, x, node, NAN, &y, &slope);
        CHECK(isnan(y));
        lb_graph_free(b.graph);
    }
}

int main(void)
{
    RUN(functions_have_known_values);
    RUN(powers_are_safe_at_zero);
    RUN(ties_go_to_the_first);
    RUN(the_first_maximum_has_the_gradient);
    RUN(extremes_hand_nan_on);
    return DONE();
}
