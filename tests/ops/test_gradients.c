/* test_gradients.c: every operator's gradient against central differences, in float64;
 * every reference kernel over single samples against itself over the batch, and its
 * values against stored ones. */
#include "ops/build.h"

#include "cases.h"
#include "eval.h"

enum { BATCH = 3 };

/* value: sum of cos(i + 1) * y[i] by ONNX Runtime in float32, to 5 digits; NAN where it
 * cannot run the case. */
typedef struct value_case {
    op_case op;
    double value;
} value_case;

static const value_case cases[] = {
    {{"Conv", "", {"N,2,5,4", "3,2,3,3", "3"}}, -8.79259},
    {{"Conv", "strides=2,1 pads=1,0,2,1", {"N,2,5,4", "3,2,3,2"}}, -7.47750},
    {{"Conv", "group=2 pads=1,1,1,1", {"N,4,4,4", "6,2,3,3", "6"}}, -4.03161},
    {{"Conv", "group=4 pads=1,1,1,1 strides=2,2", {"N,4,5,5", "4,1,3,3"}}, 6.46125},
    {{"Conv", "dilations=2,1 pads=2,0,1,0", {"N,1,5,4", "2,1,3,2", "2"}}, 0.70056},
    {{"Conv", "auto_pad=SAME_UPPER strides=2,2", {"N,1,5,6", "2,1,3,2"}}, 0.92914},
    {{"Conv", "auto_pad=SAME_LOWER strides=2,3", {"N,1,6,5", "2,1,3,4"}}, -2.77930},
    {{"Conv", "auto_pad=VALID strides=3,2", {"N,1,8,5", "2,1,3,2"}}, -2.55949},
    {{"Conv", "kernel_shape=1,1", {"N,3,3,4", "2,3,1,1", "2"}}, -4.87283},
    {{"Conv", "strides=2,2", {"N,3,4,5", "2,3,1,1"}}, 3.55943},
    {{"Conv", "pads=4,4,4,4", {"N,1,2,2", "1,1,3,3"}}, 1.96571},
    {{"Conv", "strides=2, pads=1,2, dilations=2,", {"N,2,9", "3,2,3", "3"}}, -2.48170},
    {{"Conv", "pads=1,1,1,1", {"2,2,4,4", "3,2,3,3", "3"}}, -0.88498},
    {{"ConvTranspose", "", {"N,2,3,4", "2,3,3,2", "3"}}, NAN},
    {{"ConvTranspose", "strides=2,3 pads=1,0,2,1", {"N,2,3,4", "2,3,3,3"}}, NAN},
    {{"ConvTranspose",
      "strides=3,2 output_padding=2,1 group=2",
      {"N,4,3,2", "4,3,2,3", "6"}},
     NAN},
    {{"ConvTranspose",
      "strides=2, dilations=2, pads=1,1 output_padding=1,",
      {"N,3,4", "3,2,3", "2"}},
     NAN},
    {{"Resize",
      "coordinate_transformation_mode=asymmetric nearest_mode=floor",
      {"N,2,3,2", "", "#1,1,2,3"}},
     NAN},
    {{"Resize", "", {"N,2,3", "", "#1,1,3"}}, NAN},
    {{"Resize", "", {"N,2,3", "", "", "#9,2,6"}}, NAN},
    {{"GlobalMaxPool", "", {"N,3,4,2"}}, NAN},
    {{"GlobalMaxPool", "", {"N,3,5"}}, NAN},
    {{"BatchNormalization", "epsilon=0.1", {"N,3,2,2", "3", "3", "!3", "+!3"}}, -4.41345},
    {{"BatchNormalization", "", {"N,4", "4", "4", "!4", "+!4"}}, 0.58845},
    {{"BatchNormApply", "epsilon=0.1", {"N,3,2,2", "3", "3"}}, NAN},
    {{"BatchNormApply", "", {"N,3", "3", "3"}}, NAN},
    {{"Gemm", "transB=1", {"N,4", "5,4", "5"}}, -0.13411},
    {{"Gemm", "alpha=0.5 beta=2.0", {"N,4", "4,5", "1,5"}}, -0.88291},
    {{"Gemm", "transB=1", {"N,4", "5,4", "N,5"}}, 0.60444},
    {{"Gemm", "transA=1", {"N,4", "N,5"}}, -0.31753},
    {{"Gemm", "transA=1 transB=1 alpha=1.5", {"4,2", "3,4", "2,1"}}, -2.16804},
    {{"Gemm", "transA=1", {"4,2", "4,3", "3"}}, 0.25675},
    {{"MatMul", "", {"N,4", "4,5"}}, 0.13862},
    {{"MatMul", "", {"N,3,4", "4,2"}}, 2.38733},
    {{"MatMul", "", {"N,3,4", "N,4,2"}}, 1.79885},
    {{"MatMul", "", {"N,2,3,4", "N,1,4,2"}}, -3.20456},
    {{"MatMul", "", {"N,1,3,4", "2,4,2"}}, 3.41618},
    {{"MatMul", "", {"2,3", "N,3,4"}}, -0.98622},
    {{"Add", "", {"N,3,2", "N,3,2"}}, -0.06791},
    {{"Add", "", {"N,3,2", "3,1"}}, 7.98767},
    {{"Add", "", {"2", "N,3,2"}}, -1.27579},
    {{"Add", "", {"N,1,2", "1,3,1"}}, 7.07818},
    {{"Sub", "", {"N,3", "3"}}, 0.66971},
    {{"Sub", "", {"1", "N,3"}}, 0.96727},
    {{"Mul", "", {"N,3,2", "N,3,1"}}, -0.49091},
    {{"Mul", "", {"N,3,2", "1,3,2"}}, 0.44414},
    {{"Mul", "", {"N,3", "N,3"}}, 0.99675},
    {{"Div", "", {"N,3,2", "+N,3,2"}}, 0.38046},
    {{"Div", "", {"N,3,2", "+3,1"}}, 1.88241},
    {{"Div", "", {"3", "+N,3"}}, 0.09434},
    {{"Relu", "", {"N,20"}}, 1.56233},
    {{"Clip", "", {"N,20", "=-0.5", "=0.4"}}, 3.36118},
    {{"Clip", "", {"N,20", "", "=0.3"}}, 3.78380},
    {{"Clip", "", {"N,20", "=0.1"}}, 0.93177},
    {{"Exp", "", {"N,3,2"}}, NAN},
    {{"Log", "", {"+N,3"}}, NAN},
    {{"Sqrt", "", {"+N,3"}}, NAN},
    {{"Abs", "", {"N,9"}}, NAN},
    {{"Neg", "", {"N,3"}}, NAN},
    {{"Reciprocal", "", {"+N,3"}}, NAN},
    {{"Sigmoid", "", {"N,9"}}, NAN},
    {{"Tanh", "", {"4,3"}}, NAN},
    {{"Softplus", "", {"N,9"}}, NAN},
    {{"Pow", "", {"N,9", "=2"}}, NAN},
    {{"Pow", "", {"+N,9", "=0.5"}}, NAN},
    {{"Pow", "", {"+3,3", "=-1.5"}}, NAN},
    {{"Pow", "", {"N,9", "#3"}}, NAN},
    {{"LeakyRelu", "", {"N,20"}}, NAN},
    {{"LeakyRelu", "alpha=0.3", {"N,20"}}, NAN},
    {{"Max", "", {"N,3,2", "N,3,2"}}, NAN},
    {{"Max", "", {"N,3,2", "3,1"}}, NAN},
    {{"Max", "", {"3,1", "1,4", "3,4"}}, NAN},
    {{"Max", "", {"N,5"}}, NAN},
    {{"Min", "", {"2", "N,3,2"}}, NAN},
    {{"Min", "", {"N,5", "N,5", "5", "1"}}, NAN},
    {{"ReduceMax", "axes=2,3 keepdims=1", {"N,2,3,4"}}, NAN},
    {{"ReduceMax", "axes=-2, keepdims=0", {"N,2,3"}}, NAN},
    {{"ReduceMax", "", {"4,3"}}, NAN},
    {{"ReduceMax", "axes=0, keepdims=0", {"4,3"}}, NAN},
    {{"BatchGather", "batch=3", {"N,2,3"}}, NAN},
    {{"BatchGather", "batch=3", {"N"}}, NAN},
    {{"BatchRows", "", {"3,2,3"}}, NAN},
    {{"MaxPool", "kernel_shape=2,2 strides=2,2", {"N,2,5,4"}}, -0.49658},
    {{"MaxPool", "kernel_shape=3,2 strides=2,1 pads=1,0,1,1", {"N,2,5,4"}}, 1.10585},
    {{"MaxPool", "kernel_shape=2,2 strides=2,2 ceil_mode=1", {"N,1,5,5"}}, 0.97901},
    {{"MaxPool", "kernel_shape=2,2 dilations=2,2", {"N,1,5,4"}}, 2.01683},
    {{"MaxPool", "kernel_shape=3, strides=2, pads=1,1", {"N,2,7"}}, -0.41225},
    {{"MaxPool", "kernel_shape=3,3 strides=2,2 auto_pad=SAME_UPPER", {"N,1,6,5"}},
     -1.41947},
    {{"AveragePool", "kernel_shape=2,2 strides=2,2", {"N,2,5,4"}}, 0.73226},
    {{"AveragePool", "kernel_shape=3,2 strides=2,1 pads=1,0,1,1", {"N,2,5,4"}}, 2.27033},
    {{"AveragePool", "kernel_shape=3,3 pads=1,1,1,1 count_include_pad=1", {"N,1,4,5"}},
     1.99633},
    {{"AveragePool",
      "kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1 ceil_mode=1",
      {"N,1,4,5"}},
     0.60339},
    {{"AveragePool", "kernel_shape=3,3 strides=2,2 ceil_mode=1", {"N,1,6,5"}}, -0.15879},
    {{"AveragePool", "kernel_shape=3, strides=2, auto_pad=SAME_LOWER", {"N,2,6"}},
     -0.70430},
    {{"GlobalAveragePool", "", {"N,3,4,2"}}, -1.02337},
    {{"GlobalAveragePool", "", {"N,3,5"}}, 0.44738},
    {{"Reshape", "", {"N,2,6", "#0,3,-1"}}, 1.70834},
    {{"Reshape", "", {"N,2,6", "#-1,12"}}, 1.70834},
    {{"Reshape", "", {"2,6", "#4,3"}}, 0.43445},
    {{"Flatten", "axis=1", {"N,2,3"}}, 1.15052},
    {{"Flatten", "axis=-2", {"2,3,4"}}, 0.44206},
    {{"Squeeze", "", {"N,1,3,1", "#1,-1"}}, 1.29296},
    {{"Squeeze", "", {"N,1,3,1"}}, 1.29296},
    {{"Unsqueeze", "", {"N,3", "#1,-1"}}, 1.29296},
    {{"Transpose", "perm=0,2,3,1", {"N,2,3,4"}}, 0.59653},
    {{"Transpose", "", {"2,3,4"}}, 0.12912},
    {{"Concat", "axis=1", {"N,2,3", "N,1,3", "N,3,3"}}, 4.58005},
    {{"Concat", "axis=-1", {"N,2,3", "N,2,1"}}, 0.28725},
    {{"Slice", "", {"N,4,5", "#1,0", "#3,4", "#1,2"}}, 3.04817},
    {{"Slice", "", {"N,4,5", "#-1,1", "#-9223372036854775807,99", "#1,2", "#-2,2"}},
     1.44514},
    {{"Slice", "", {"4,5", "#1", "#-1"}}, 0.09513},
    {{"Pad", "", {"N,2,3", "#0,1,0,0,0,2", "=0.5"}}, 0.74031},
    {{"Pad", "", {"N,4,5", "#0,-1,1,0,2,-2"}}, -0.81452},
    {{"Pad", "", {"N,2,3", "#1,2", "", "#-1"}}, NAN},
    {{"Softmax", "axis=-1", {"N,5"}}, 0.22299},
    {{"Softmax", "axis=1", {"N,3,4"}}, -0.09424},
    {{"LogSoftmax", "", {"N,5"}}, 1.63370},
    {{"LogSoftmax", "axis=1", {"N,3,4"}}, 3.14805},
    {{"ReduceMean", "axes=2,3 keepdims=1", {"N,2,3,4"}}, 0.12102},
    {{"ReduceMean", "axes=0,2 keepdims=0", {"N,2,3"}}, -0.05598},
    {{"ReduceMean", "", {"N,3"}}, -0.20163},
    {{"ReduceMean", "keepdims=0 axes=0,", {"2,3"}}, 0.30437},
    {{"ReduceSum", "keepdims=0", {"N,2,3", "#1"}}, 0.73210},
    {{"ReduceSum", "keepdims=1", {"N,2,3", "#0,-1"}}, -0.50381},
    {{"ReduceSum", "keepdims=0", {"N,2,3"}}, -1.93618},
    {{"ReduceSum", "noop_with_empty_axes=1", {"N,2"}}, 1.34949},
    {{"Cast", "to=1", {"N,3"}}, 1.29296},
    {{"Identity", "", {"N,3"}}, 1.29296},
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
        check_case(&cases[i].op);
}

/* Inputs are filled by their numbers, so they are those of the stored value. */
static void check_value(const value_case *c)
{
    const int before = check_failed_here;
    double sum = 0;
    problem p;
    eval e;

    if (begin_problem(&p, &c->op)) {
        const lb_value product = p.g->nodes[lb_info(p.g, p.sum)->node].in[0];
        const lb_value y = p.g->nodes[lb_info(p.g, product)->node].in[0];
        eval_begin(&e, p.g, BATCH, BATCH);
        fill_inputs(&p, &e);
        eval_run(&e);
        for (size_t i = 0; i < eval_count(&e, y); i++)
            sum += cos((double)i + 1) * e.value[y.id][i];
        CHECK_NEAR(sum, c->value, 2e-5 * (1 + fabs(sum)));
        eval_end(&e);
    }
    lb_graph_free(p.g);
    if (check_failed_here > before)
        printf("# in the case %s(%s) %s\n", c->op.op, c->op.in[0], c->op.attrs);
}

static void values_are_those_of_another_runtime(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!isnan(cases[i].value))
            check_value(&cases[i]);
}

static void every_operator_has_a_case(void)
{
    for (const lb_op *const *op = lb_ops; *op; op++) {
        /* of a staircase the slope is 0; test_quantize.c has what stands in for it */
        bool found = ((*op)->flags & LB_OP_QUANTISES) != 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            found = found || strcmp(cases[i].op.op, (*op)->name) == 0;
        if (((*op)->grad != NULL) != found)
            printf("# %s %s\n", (*op)->name, found ? "has no gradient" : "has no case");
        CHECK(((*op)->grad != NULL) == found);
        CHECK(((*op)->grad == NULL) == (((*op)->flags & LB_OP_FORWARD_ONLY) != 0));
    }
}

int main(void)
{
    RUN(gradients_are_slopes);
    RUN(values_are_those_of_another_runtime);
    RUN(every_operator_has_a_case);
    return DONE();
}
