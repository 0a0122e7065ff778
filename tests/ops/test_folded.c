/* test_folded.c: operators on whole numbers, labels and types, worked out by folding. */
#include "ops/ops.h"

#include "folded.h"

static void labels_become_rows(void)
{
    static const double labels[] = {2, -1, 0, 3};
    static const double rows[] = {0.1, 0.1, 0.7, 0.1, 0.1, 0.1,
                                  0.7, 0.1, 0.1, 0.1, 0.1, 0.1};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value x = list(&b, LB_I32, labels, 4);
    const lb_value y = lb_one_hot(&b, x, LB_F64, 3, 0.7, 0.1);

    CHECK(lb_rank(&b, y) == 2 && lb_dim(&b, y, 1) == 3);
    check_folded(&b, y, LB_F64, rows, 12);
    lb_graph_free(g);
}

static void whole_numbers_divide_towards_zero(void)
{
    static const double left[] = {7, -7, 9}, right[] = {2, 2, -4};
    static const double wanted[] = {3, -3, -2};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value x = list(&b, LB_I64, left, 3);
    const lb_value y = list(&b, LB_I64, right, 3);
    const lb_value z = lb_div(&b, x, y);

    check_folded(&b, z, LB_I64, wanted, 3);
    lb_graph_free(g);
}

static void elements_are_picked(void)
{
    static const double x[] = {10, 11, 12, 13}, at[] = {-1, 0, 2};
    static const double wanted[] = {13, 10, 12};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value data = list(&b, LB_I64, x, 4);
    const lb_value indices = list(&b, LB_I64, at, 3);
    const lb_value in[] = {data, indices};
    const lb_value y = lb_add_node(&b, &lb_op_Gather, NULL, in, 2, NULL, 0);

    check_folded(&b, y, LB_I64, wanted, 3);
    lb_graph_free(g);
}

static void constants_have_their_shape(void)
{
    static const double dims[] = {2, 2}, wanted[] = {5, 5, 5, 5};
    const lb_shape one = lb_shape_of(1, 1);
    lb_error err = {0};
    lb_builder b;
    lb_graph *const g = begin(&b);
    lb_tensor *five = NULL;

    CHECK_OK(lb_tensor_new(g->arena, LB_I64, &one, &five, &err), &err);
    lb_tensor_put(five, 0, 5);
    const lb_attr value = {.name = "value", .kind = LB_ATTR_TENSOR, .tensor = five};
    const lb_value shape = list(&b, LB_I64, dims, 2);
    const lb_value y =
        lb_add_node(&b, &lb_op_ConstantOfShape, NULL, &shape, 1, &value, 1);
    const lb_value z = lb_add_node(&b, &lb_op_Constant, NULL, NULL, 0, &value, 1);

    check_folded(&b, y, LB_I64, wanted, 4);
    check_folded(&b, z, LB_I64, wanted, 1);
    lb_graph_free(g);
}

static void casts_cut_and_keep_the_precision(void)
{
    static const double x[] = {1.75, -1.75, 0}, whole[] = {1, -1, 0}, truth[] = {1, 1, 0};
    lb_builder b;
    lb_graph *const g = begin(&b);
    const lb_value data = list(&b, LB_F64, x, 3);
    const lb_attr to_int = lb_ai("to", 7), to_bool = lb_ai("to", 9),
                  to_float = lb_ai("to", 1);
    const lb_value i = lb_add_node(&b, &lb_op_Cast, NULL, &data, 1, &to_int, 1);
    const lb_value t = lb_add_node(&b, &lb_op_Cast, NULL, &data, 1, &to_bool, 1);
    const lb_value f = lb_add_node(&b, &lb_op_Cast, NULL, &data, 1, &to_float, 1);

    check_folded(&b, i, LB_I64, whole, 3);
    check_folded(&b, t, LB_BOOL, truth, 3);
    check_folded(&b, f, LB_F64, x, 3);
    lb_graph_free(g);
}

int main(void)
{
    RUN(labels_become_rows);
    RUN(whole_numbers_divide_towards_zero);
    RUN(elements_are_picked);
    RUN(constants_have_their_shape);
    RUN(casts_cut_and_keep_the_precision);
    return DONE();
}
