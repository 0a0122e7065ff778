/* test_fake_quantize.c: FakeQuantize is QuantizeLinear and DequantizeLinear in one, and
 * its gradients are those of learned step sizes. */
#include "ops/build.h"

#include "eval.h"

enum { N = 12, ROWS = 3, COLUMNS = N / ROWS, ZERO = -5 };

static const double numbers[N] = {0.26,  -0.31, 14,   -20,  0.35, 0.05,
                                  -0.05, 12.7,  12.8, 0.44, -1.9, 3.3};
static const double scales[ROWS] = {0.1, 0.05, 0.2};

typedef struct trial {
    lb_graph *g;
    lb_builder b;
    lb_value x, scale, zero;
    bool rows; /* a scale for each row, and no zero point; else one scale */
} trial;

static lb_value tensor(lb_builder *b, lb_dtype dtype, const lb_shape *shape,
                       const double *x)
{
    lb_tensor *t = NULL;

    if (lb_tensor_new(b->graph->arena, dtype, shape, &t, &b->error) != LB_OK)
        return (lb_value){0};
    lb_narrow(dtype, x, t->n, t->data);
    return lb_param(b, NULL, t);
}

static trial begin(bool rows)
{
    static const double none[ROWS] = {0}, zero[1] = {ZERO};
    const lb_shape x = lb_shape_of(2, ROWS, COLUMNS);
    const lb_shape s = rows ? lb_shape_of(1, ROWS) : lb_shape_of(0);
    trial t = {.rows = rows};
    lb_error err = {0};

    CHECK_OK(lb_graph_new(&t.g, &err), &err);
    lb_builder_init(&t.b, t.g);
    t.x = tensor(&t.b, LB_F32, &x, numbers);
    t.scale = tensor(&t.b, LB_F32, &s, scales);
    t.zero = tensor(&t.b, LB_I8, &s, rows ? none : zero);
    return t;
}

static lb_value fake(trial *t)
{
    return lb_fake_quantize(&t->b, t->x, t->scale, t->rows ? 0 : ZERO, -128, 127, NULL);
}

static void is_both_in_one(void)
{
    for (int rows = 0; rows < 2; rows++) {
        trial t = begin(rows);
        const lb_value one = fake(&t);
        const lb_value q = lb_quantize(&t.b, t.x, t.scale, t.zero, 0, NULL);
        const lb_value two = lb_dequantize(&t.b, q, t.scale, t.zero, 0, NULL);
        lb_error err = {0};
        eval e;
        CHECK_OK(lb_builder_finish(&t.b, &err), &err);
        eval_begin(&e, t.g, 1, 1);
        eval_run(&e);
        for (int i = 0; i < N; i++)
            CHECK_NEAR(e.value[one.id][i], e.value[two.id][i], 0);
        CHECK(e.value[one.id][0] != numbers[0]);
        eval_end(&e);
        lb_graph_free(t.g);
    }
}

/* By hand, from the definition: the result's slope in s where round() stands still. */
static double slope_of_scale(double x, double s, int zero, bool *inside)
{
    const double q = rint((double)(float)((double)(float)x / (double)(float)s)) + zero;

    *inside = q >= -128 && q <= 127;
    if (*inside)
        return q - zero - (double)(float)((double)(float)x / (double)(float)s);
    return (q < 0 ? -128 : 127) - zero;
}

static void gradients_are_those_of_learned_steps(void)
{
    for (int rows = 0; rows < 2; rows++) {
        trial t = begin(rows);
        const lb_shape shape = lb_shape_of(2, ROWS, COLUMNS);
        double weight[N], want[ROWS] = {0};
        for (int i = 0; i < N; i++)
            weight[i] = cos(i + 1);
        const lb_value w = tensor(&t.b, LB_F32, &shape, weight);
        const lb_value product = lb_mul(&t.b, fake(&t), w);
        const lb_value loss = lb_sum_all(&t.b, product);
        const lb_value wrt[] = {t.x, t.scale};
        lb_value dx[2] = {{0}};
        lb_error err = {0};
        eval e;
        lb_autodiff(&t.b, &lb_op_verbs, loss, wrt, 2, dx);
        CHECK_OK(lb_builder_finish(&t.b, &err), &err);
        eval_begin(&e, t.g, 1, 1);
        eval_run(&e);
        for (int i = 0; i < N; i++) {
            const int row = rows ? i / COLUMNS : 0;
            bool inside;
            want[row] += weight[i] * slope_of_scale(numbers[i], scales[row],
                                                    rows ? 0 : ZERO, &inside);
            CHECK_NEAR(e.value[dx[0].id][i], inside ? weight[i] : 0, 1e-6);
        }
        for (int k = 0; k < (rows ? ROWS : 1); k++)
            CHECK_NEAR(e.value[dx[1].id][k], want[k] / sqrt((rows ? COLUMNS : N) * 127.0),
                       1e-6);
        eval_end(&e);
        lb_graph_free(t.g);
    }
}

static void wrong_scales_are_refused(void)
{
    trial t = begin(false);
    const lb_shape shape = lb_shape_of(1, 2);
    const lb_value two = tensor(&t.b, LB_F32, &shape, scales);
    lb_error err = {0};

    lb_fake_quantize(&t.b, t.x, two, 0, -127, 127, NULL);
    CHECK(lb_builder_finish(&t.b, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "one for each index of the first axis, not [2]");
    lb_graph_free(t.g);
}

int main(void)
{
    RUN(is_both_in_one);
    RUN(gradients_are_those_of_learned_steps);
    RUN(wrong_scales_are_refused);
    return DONE();
}
