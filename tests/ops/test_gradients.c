/* test_gradients.c: every operator's gradient against central differences, in float64;
 * and every reference kernel over single samples against itself over the batch. */
#include "ops/build.h"

#include "cases.h"
#include "eval.h"

enum { BATCH = 3 };

static const op_case cases[] = {
    {"Conv", "", {"N,2,5,4", "3,2,3,3", "3"}},
    {"Conv", "strides=2,1 pads=1,0,2,1", {"N,2,5,4", "3,2,3,2"}},
    {"Conv", "group=2 pads=1,1,1,1", {"N,4,4,4", "6,2,3,3", "6"}},
    {"Conv", "group=4 pads=1,1,1,1 strides=2,2", {"N,4,5,5", "4,1,3,3"}},
    {"Conv", "dilations=2,1 pads=2,0,1,0", {"N,1,5,4", "2,1,3,2", "2"}},
    {"Conv", "auto_pad=SAME_UPPER strides=2,2", {"N,1,5,6", "2,1,3,2"}},
    {"Conv", "auto_pad=SAME_LOWER strides=2,3", {"N,1,6,5", "2,1,3,4"}},
    {"Conv", "auto_pad=VALID strides=3,2", {"N,1,8,5", "2,1,3,2"}},
    {"Conv", "kernel_shape=1,1", {"N,3,3,4", "2,3,1,1", "2"}},
    {"Conv", "strides=2,2", {"N,3,4,5", "2,3,1,1"}},
    {"Conv", "pads=4,4,4,4", {"N,1,2,2", "1,1,3,3"}},
    {"Conv", "strides=2, pads=1,2, dilations=2,", {"N,2,9", "3,2,3", "3"}},
    {"Conv", "pads=1,1,1,1", {"2,2,4,4", "3,2,3,3", "3"}},
    {"BatchNormalization", "epsilon=0.1", {"N,3,2,2", "3", "3", "!3", "+!3"}},
    {"BatchNormalization", "", {"N,4", "4", "4", "!4", "+!4"}},
    {"BatchNormApply", "epsilon=0.1", {"N,3,2,2", "3", "3"}},
    {"BatchNormApply", "", {"N,3", "3", "3"}},
    {"Gemm", "transB=1", {"N,4", "5,4", "5"}},
    {"Gemm", "alpha=0.5 beta=2.0", {"N,4", "4,5", "1,5"}},
    {"Gemm", "transB=1", {"N,4", "5,4", "N,5"}},
    {"Gemm", "transA=1", {"N,4", "N,5"}},
    {"Gemm", "transA=1 transB=1 alpha=1.5", {"4,2", "3,4", "2,1"}},
    {"Gemm", "transA=1", {"4,2", "4,3", "3"}},
    {"MatMul", "", {"N,4", "4,5"}},
    {"MatMul", "", {"N,3,4", "4,2"}},
    {"MatMul", "", {"N,3,4", "N,4,2"}},
    {"MatMul", "", {"N,2,3,4", "N,1,4,2"}},
    {"MatMul", "", {"N,1,3,4", "2,4,2"}},
    {"MatMul", "", {"2,3", "N,3,4"}},
    {"Add", "", {"N,3,2", "N,3,2"}},
    {"Add", "", {"N,3,2", "3,1"}},
    {"Add", "", {"2", "N,3,2"}},
    {"Add", "", {"N,1,2", "1,3,1"}},
    {"Sub", "", {"N,3", "3"}},
    {"Sub", "", {"1", "N,3"}},
    {"Mul", "", {"N,3,2", "N,3,1"}},
    {"Mul", "", {"N,3,2", "1,3,2"}},
    {"Mul", "", {"N,3", "N,3"}},
    {"Div", "", {"N,3,2", "+N,3,2"}},
    {"Div", "", {"N,3,2", "+3,1"}},
    {"Div", "", {"3", "+N,3"}},
    {"Relu", "", {"N,20"}},
    {"Clip", "", {"N,20", "=-0.5", "=0.4"}},
    {"Clip", "", {"N,20", "", "=0.3"}},
    {"Clip", "", {"N,20", "=0.1"}},
    {"MaxPool", "kernel_shape=2,2 strides=2,2", {"N,2,5,4"}},
    {"MaxPool", "kernel_shape=3,2 strides=2,1 pads=1,0,1,1", {"N,2,5,4"}},
    {"MaxPool", "kernel_shape=2,2 strides=2,2 ceil_mode=1", {"N,1,5,5"}},
    {"MaxPool", "kernel_shape=2,2 dilations=2,2", {"N,1,5,4"}},
    {"MaxPool", "kernel_shape=3, strides=2, pads=1,1", {"N,2,7"}},
    {"MaxPool", "kernel_shape=3,3 strides=2,2 auto_pad=SAME_UPPER", {"N,1,6,5"}},
    {"AveragePool", "kernel_shape=2,2 strides=2,2", {"N,2,5,4"}},
    {"AveragePool", "kernel_shape=3,2 strides=2,1 pads=1,0,1,1", {"N,2,5,4"}},
    {"AveragePool", "kernel_shape=3,3 pads=1,1,1,1 count_include_pad=1", {"N,1,4,5"}},
    {"AveragePool",
     "kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1 ceil_mode=1",
     {"N,1,4,5"}},
    {"AveragePool", "kernel_shape=3,3 strides=2,2 ceil_mode=1", {"N,1,6,5"}},
    {"AveragePool", "kernel_shape=3, strides=2, auto_pad=SAME_LOWER", {"N,2,6"}},
    {"GlobalAveragePool", "", {"N,3,4,2"}},
    {"GlobalAveragePool", "", {"N,3,5"}},
    {"Reshape", "", {"N,2,6", "#0,3,-1"}},
    {"Reshape", "", {"N,2,6", "#-1,12"}},
    {"Reshape", "", {"2,6", "#4,3"}},
    {"Flatten", "axis=1", {"N,2,3"}},
    {"Flatten", "axis=-2", {"2,3,4"}},
    {"Squeeze", "", {"N,1,3,1", "#1,-1"}},
    {"Squeeze", "", {"N,1,3,1"}},
    {"Unsqueeze", "", {"N,3", "#1,-1"}},
    {"Transpose", "perm=0,2,3,1", {"N,2,3,4"}},
    {"Transpose", "", {"2,3,4"}},
    {"Concat", "axis=1", {"N,2,3", "N,1,3", "N,3,3"}},
    {"Concat", "axis=-1", {"N,2,3", "N,2,1"}},
    {"Slice", "", {"N,4,5", "#1,0", "#3,4", "#1,2"}},
    {"Slice", "", {"N,4,5", "#-1,1", "#-9223372036854775807,99", "#1,2", "#-2,2"}},
    {"Slice", "", {"4,5", "#1", "#-1"}},
    {"Pad", "", {"N,2,3", "#0,1,0,0,0,2", "=0.5"}},
    {"Pad", "", {"N,4,5", "#0,-1,1,0,2,-2"}},
    {"Pad", "", {"N,2,3", "#1,2", "", "#-1"}},
    {"Softmax", "axis=-1", {"N,5"}},
    {"Softmax", "axis=1", {"N,3,4"}},
    {"LogSoftmax", "", {"N,5"}},
    {"LogSoftmax", "axis=1", {"N,3,4"}},
    {"ReduceMean", "axes=2,3 keepdims=1", {"N,2,3,4"}},
    {"ReduceMean", "axes=0,2 keepdims=0", {"N,2,3"}},
    {"ReduceMean", "", {"N,3"}},
    {"ReduceMean", "keepdims=0 axes=0,", {"2,3"}},
    {"ReduceSum", "keepdims=0", {"N,2,3", "#1"}},
    {"ReduceSum", "keepdims=1", {"N,2,3", "#0,-1"}},
    {"ReduceSum", "keepdims=0", {"N,2,3"}},
    {"ReduceSum", "noop_with_empty_axes=1", {"N,2"}},
    {"Cast", "to=1", {"N,3"}},
    {"Identity", "", {"N,3"}},
};

typedef struct problem {
    lb_graph *g;
    lb_value in[7], dx[7]; /* float inputs and their gradients */
    bool constant[7];      /* must have no gradient */
    bool positive[7];
    int n;
    lb_value weights, sum; /* sum = sum(y * weights) */
} problem;

static bool begin_problem(problem *p, const op_case *c)
{
    lb_value in[6] = {{0}};
    lb_builder b;
    lb_error err = {0};
    int n_in = 0;

    *p = (problem){0};
    CHECK_OK(lb_graph_new(&p->g, &err), &err);
    lb_builder_init(&b, p->g);
    const lb_value y = build_case(&b, c, in, &n_in);
    for (int i = 0; i < n_in; i++) {
        if (lb_info(p->g, in[i])->kind != LB_VALUE_INPUT)
            continue;
        p->constant[p->n] = strchr(c->in[i], '!') != NULL;
        p->positive[p->n] = strchr(c->in[i], '+') != NULL;
        p->in[p->n++] = in[i];
    }
    const lb_shape shape = lb_type_of(&b, y).shape;
    p->weights = lb_input(&b, "weights", LB_F64, &shape);
    const lb_value product = lb_mul(&b, y, p->weights);
    p->sum = lb_sum_all(&b, product);
    lb_autodiff(&b, &lb_op_verbs, p->sum, p->in, p->n, p->dx);
    lb_output(&b, p->sum);
    for (int i = 0; i < p->n; i++)
        if (p->dx[i].id)
            lb_output(&b, p->dx[i]);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    if (err.code == LB_OK)
        CHECK_OK(lb_graph_check(p->g, &err), &err);
    return err.code == LB_OK;
}

static void fill_inputs(const problem *p, eval *e)
{
    for (int i = 0; i < p->n; i++)
        eval_random(e, p->in[i], 7, p->positive[i] ? 0.5 : -1, p->positive[i] ? 2 : 1);
    eval_random(e, p->weights, 7, -1, 1);
}

/* (f(x + h) - f(x - h)) / 2h for element i of an input. */
static double slope(const problem *p, eval *e, lb_value x, size_t i)
{
    const double h = 1e-5, kept = e->value[x.id][i];

    e->value[x.id][i] = kept + h;
    eval_run(e);
    const double above = e->value[p->sum.id][0];
    e->value[x.id][i] = kept - h;
    eval_run(e);
    const double below = e->value[p->sum.id][0];
    e->value[x.id][i] = kept;
    return (above - below) / (2 * h);
}

static void check_input(const problem *p, eval *e, int k)
{
    const size_t n = eval_count(e, p->in[k]);
    double *const given = lb_heap_take((n + 1) * sizeof *given);

    if (p->constant[k]) {
        CHECK(p->dx[k].id == 0);
    } else {
        CHECK(p->dx[k].id != 0);
        CHECK(eval_count(e, p->dx[k]) == n);
        CHECK(lb_shape_equal(&lb_info(p->g, p->in[k])->type.shape,
                             &lb_info(p->g, p->dx[k])->type.shape));
        memcpy(given, e->value[p->dx[k].id], n * sizeof *given);
        for (size_t i = 0; i < n; i++) {
            const double wanted = slope(p, e, p->in[k], i);
            CHECK_NEAR(given[i], wanted, 1e-6 * (1 + fabs(wanted)));
        }
    }
    lb_heap_give(given);
}

/* Samples one by one give what the whole batch gives. */
static void check_groups(const problem *p, const eval *whole)
{
    eval single;

    eval_begin(&single, p->g, BATCH, 1);
    fill_inputs(p, &single);
    eval_run(&single);
    for (int i = 0; i < p->g->n_outputs; i++) {
        const lb_value v = p->g->outputs[i];
        for (size_t k = 0; k < eval_count(whole, v); k++)
            CHECK_NEAR(single.value[v.id][k], whole->value[v.id][k], 1e-12);
    }
    eval_end(&single);
}

static void check_case(const op_case *c)
{
    const int before = check_failed_here;
    problem p;
    eval e;

    if (begin_problem(&p, c)) {
        eval_begin(&e, p.g, BATCH, BATCH);
        fill_inputs(&p, &e);
        eval_run(&e);
        check_groups(&p, &e);
        for (int k = 0; k < p.n; k++) {
            eval_run(&e);
            check_input(&p, &e, k);
        }
        eval_end(&e);
    }
    lb_graph_free(p.g);
    if (check_failed_here > before)
        printf("# in the case %s(%s, %s) %s\n", c->op, c->in[0], c->in[1] ? c->in[1] : "",
               c->attrs);
}

static void gradients_are_slopes(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

static void every_operator_has_a_case(void)
{
    for (const lb_op *const *op = lb_ops; *op; op++) {
        bool found = false;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            found = found || strcmp(cases[i].op, (*op)->name) == 0;
        if (((*op)->grad != NULL) != found)
            printf("# %s %s\n", (*op)->name, found ? "has no gradient" : "has no case");
        CHECK(((*op)->grad != NULL) == found);
        CHECK(((*op)->grad == NULL) == (((*op)->flags & LB_OP_FORWARD_ONLY) != 0));
    }
}

int main(void)
{
    RUN(gradients_are_slopes);
    RUN(every_operator_has_a_case);
    return DONE();
}
