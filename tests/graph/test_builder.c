/* test_builder.c: graphs are built, kept in order, copied, folded and cleaned; a builder
 * holds its first error. The operators here are stubs of this test. */
#include "graph/autodiff.h"
#include "graph/passes.h"

#include "check.h"

static lb_code infer_same(const lb_view *view, lb_type *out, lb_error *err)
{
    if (view->in[0]->shape.rank > 3)
        return lb_raise(err, LB_ERR_INPUT, "rank 3 is the most, not %d",
                        view->in[0]->shape.rank);
    *out = *view->in[0];
    return LB_OK;
}

static void run_add(const lb_ref_call *call)
{
    size_t n;

    if (lb_shape_count(&call->out_type[0].shape, &n))
        for (size_t i = 0; i < n; i++)
            call->out[0][i] = call->in[0][i] + call->in[1][i];
}

static void grad_add(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    (void)b;
    (void)node;
    dx[0] = dx[1] = dy[0];
}

static const lb_op op_add = {.name = "Add",
                             .min_in = 2,
                             .max_in = 2,
                             .n_out = 1,
                             .infer = infer_same,
                             .grad = grad_add,
                             .run = run_add};

static lb_value add(lb_builder *b, lb_value x, lb_value y)
{
    const lb_value in[] = {x, y};

    return lb_add_node(b, &op_add, NULL, in, 2, NULL, 0);
}

static lb_value one(lb_builder *b, lb_value like)
{
    (void)like;
    return lb_scalar(b, LB_F32, 1);
}

static lb_graph *new_graph(lb_builder *b)
{
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK_OK(lb_graph_new(&g, &err), &err);
    lb_builder_init(b, g);
    return g;
}

static void the_first_error_is_held(void)
{
    lb_builder b;
    lb_graph *const g = new_graph(&b);
    const lb_shape deep = lb_shape_of(4, 1, 2, 3, 4);
    const lb_value x = lb_input(&b, "x", LB_F32, &deep);
    const lb_value y = add(&b, x, x);
    const lb_value z = add(&b, y, y);
    lb_error err = {0};

    CHECK(y.id == 0 && z.id == 0);
    CHECK(lb_rank(&b, z) == 0 && lb_dim(&b, z, 1) == 1);
    CHECK(lb_builder_finish(&b, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "rank 3 is the most, not 4");
    CHECK_TEXT(err.text, "(Add)");
    CHECK(g->n_nodes == 0);
    lb_graph_free(g);
}

static void names_are_unique(void)
{
    lb_builder b;
    lb_graph *const g = new_graph(&b);
    const lb_shape shape = lb_shape_of(1, 2);
    lb_error err = {0};

    for (int i = 0; i < 1000; i++)
        (void)lb_input(&b, "x", LB_F32, &shape);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(g->n_inputs == 1000);
    for (int i = 1; i < g->n_values; i++)
        CHECK(lb_graph_find(g, g->values[i].name).id == i);
    lb_rename(&b, g->inputs[7], "seven");
    CHECK(lb_graph_find(g, "seven").id == g->inputs[7].id);
    CHECK(lb_graph_find(g, "nobody").id == 0);
    lb_graph_free(g);
}

static void constants_fold_and_dead_nodes_go(void)
{
    lb_builder b;
    lb_graph *const g = new_graph(&b), *copy = NULL;
    const lb_shape scalar = {0};
    const lb_value x = lb_input(&b, "x", LB_F32, &scalar);
    const lb_value two = lb_scalar(&b, LB_F32, 2);
    const lb_value three = lb_scalar(&b, LB_F32, 3);
    const lb_value five = add(&b, two, three);
    const lb_value y = add(&b, x, five);
    const lb_value unused = add(&b, x, x);
    lb_error err = {0};

    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_fold_constants(g, 1000, &err), &err);
    CHECK(g->n_nodes == 2);
    CHECK(lb_info(g, five)->kind == LB_VALUE_CONSTANT);
    CHECK_NEAR(lb_tensor_get(lb_info(g, five)->tensor, 0), 5, 0);
    CHECK_OK(lb_remove_dead(g, &err), &err);
    CHECK(g->n_nodes == 1);
    CHECK(lb_info(g, unused)->kind == LB_VALUE_NONE);
    CHECK_OK(lb_graph_check(g, &err), &err);
    CHECK_OK(lb_graph_clone(g, &copy, &err), &err);
    CHECK_OK(lb_graph_check(copy, &err), &err);
    CHECK(lb_graph_find(copy, lb_info(g, y)->name).id == y.id);
    lb_graph_free(copy);
    lb_graph_free(g);
}

/* d(x + x + p)/dx is 2, and values off the path get no gradient. */
static void shares_of_a_gradient_are_added(void)
{
    lb_builder b;
    lb_graph *const g = new_graph(&b);
    const lb_diff_verbs verbs = {one, add};
    const lb_shape scalar = {0};
    const lb_value x = lb_input(&b, "x", LB_F32, &scalar);
    const lb_value p = lb_input(&b, "p", LB_F32, &scalar);
    const lb_value q = lb_input(&b, "q", LB_F32, &scalar);
    const lb_value xx = add(&b, x, x);
    const lb_value y = add(&b, xx, p);
    const lb_value wrt[] = {x, q};
    lb_value dx[2];
    lb_error err = {0};

    lb_autodiff(&b, &verbs, y, wrt, 2, dx);
    lb_output(&b, dx[0]);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(dx[1].id == 0);
    CHECK_OK(lb_fold_constants(g, 1000, &err), &err);
    CHECK(lb_info(g, dx[0])->kind == LB_VALUE_CONSTANT);
    CHECK_NEAR(lb_tensor_get(lb_info(g, dx[0])->tensor, 0), 2, 0);
    lb_graph_free(g);
}

/* Of every size, also where the table of names has just grown. */
static void copies_find_every_name(void)
{
    const lb_shape shape = lb_shape_of(1, 2);
    lb_error err = {0};
    lb_builder b;
    lb_graph *const g = new_graph(&b);

    for (int n = 1; n <= 1100; n++) {
        lb_graph *copy = NULL;
        CHECK(lb_input(&b, NULL, LB_F32, &shape).id == n);
        if (n % 64 > 1 && n < 1098)
            continue;
        CHECK_OK(lb_graph_clone(g, &copy, &err), &err);
        for (int i = 1; copy && i <= n; i++)
            CHECK(lb_graph_find(copy, copy->values[i].name).id == i);
        CHECK(lb_graph_find(copy, "nobody").id == 0);
        lb_graph_free(copy);
    }
    lb_graph_free(g);
}

int main(void)
{
    RUN(the_first_error_is_held);
    RUN(names_are_unique);
    RUN(copies_find_every_name);
    RUN(constants_fold_and_dead_nodes_go);
    RUN(shares_of_a_gradient_are_added);
    return DONE();
}
