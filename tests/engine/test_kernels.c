/* test_kernels.c: every fast kernel against the reference, over random shapes.
 *
 * A case is a graph of one node. It is run by the fast tables and by the reference; all
 * outputs must agree, and some case must have been run by each row of both tables. */
#include "engine/kernel.h"
#include "engine/plan.h"

#include "base/rng.h"
#include "ops/build.h"
#include "ops/ops.h"

#include "check.h"

enum { MOST_IN = 7, ROUNDS = 25 };

typedef struct test_case {
    lb_graph *graph;
    lb_builder b;
    lb_rng rng;
    lb_value in[MOST_IN];
    int n_in;
    lb_attr attrs[8];
    int n_attrs;
    int64_t ints[4][4];
    int n_ints;
} test_case;

static int between(test_case *c, int low, int high)
{
    return low + (int)lb_rng_below(&c->rng, (uint64_t)(high - low + 1));
}

static lb_tensor *random_tensor(test_case *c, lb_dtype dtype, const lb_shape *shape)
{
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(c->graph->arena, dtype, shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, lb_rng_normal(&c->rng));
    return t;
}

static void batched(test_case *c, int rank, int ch, int h, int w)
{
    lb_shape s = lb_shape_of(4, LB_BATCH, ch, h, w);

    s.rank = rank;
    if (rank == 3)
        s.dim[2] = w;
    c->in[c->n_in++] = lb_input(&c->b, "in", LB_F32, &s);
}

static void weights(test_case *c, lb_dtype dtype, int rank, int a, int b, int h, int w)
{
    lb_shape s = lb_shape_of(4, a, b, h, w);

    s.rank = rank;
    if (rank == 3)
        s.dim[2] = w;
    c->in[c->n_in++] = lb_param(&c->b, "param", random_tensor(c, dtype, &s));
}

static void ints(test_case *c, const char *name, int n, int a, int b, int d, int e)
{
    const int64_t values[4] = {a, b, d, e};
    int64_t *const own = c->ints[c->n_ints++];

    memcpy(own, values, sizeof values);
    c->attrs[c->n_attrs++] = lb_ais(name, own, n);
}

static int channels(test_case *c)
{
    static const int some[] = {1, 3, 8, 16, 20, 32, 5, 12};

    return some[lb_rng_below(&c->rng, 8)];
}

typedef struct conv {
    int rank, c, m, h, w, kh, kw, sh, sw, dh, dw, group, pads[4], oh, ow;
} conv;

static conv random_conv(test_case *t)
{
    conv k = {.rank = between(t, 0, 4) ? 4 : 3};
    const int form = between(t, 0, 3);

    k.c = channels(t);
    k.m = form == 0 ? k.c : channels(t);
    k.group = form == 0 ? k.c : 1;
    k.kh = k.rank == 4 ? between(t, 1, 4) : 1;
    k.kw = between(t, 1, 4);
    k.sh = k.rank == 4 ? between(t, 1, 2) : 1;
    k.sw = between(t, 1, 2);
    k.dh = k.rank == 4 && between(t, 0, 3) == 0 ? 2 : 1;
    k.dw = between(t, 0, 3) == 0 ? 2 : 1;
    k.h = k.rank == 4 ? between(t, 7, 12) : 1;
    k.w = between(t, 7, 12);
    for (int i = 0; i < 4; i++)
        k.pads[i] = between(t, 0, 1);
    if (k.rank == 3)
        k.pads[0] = k.pads[2] = 0;
    k.oh = (k.h + k.pads[0] + k.pads[2] - ((k.kh - 1) * k.dh + 1)) / k.sh + 1;
    k.ow = (k.w + k.pads[1] + k.pads[3] - ((k.kw - 1) * k.dw + 1)) / k.sw + 1;
    return k;
}

static void conv_attrs(test_case *t, const conv *k)
{
    const bool flat = k->rank == 3;

    ints(t, "kernel_shape", flat ? 1 : 2, flat ? k->kw : k->kh, k->kw, 0, 0);
    ints(t, "strides", flat ? 1 : 2, flat ? k->sw : k->sh, k->sw, 0, 0);
    ints(t, "dilations", flat ? 1 : 2, flat ? k->dw : k->dh, k->dw, 0, 0);
    if (flat)
        ints(t, "pads", 2, k->pads[1], k->pads[3], 0, 0);
    else
        ints(t, "pads", 4, k->pads[0], k->pads[1], k->pads[2], k->pads[3]);
    t->attrs[t->n_attrs++] = lb_ai("group", k->group);
}

static void make_conv(test_case *t)
{
    const conv k = random_conv(t);

    batched(t, k.rank, k.c, k.h, k.w);
    weights(t, LB_F32, k.rank, k.m, k.c / k.group, k.kh, k.kw);
    if (between(t, 0, 1))
        weights(t, LB_F32, 1, k.m, 0, 0, 0);
    conv_attrs(t, &k);
}

static void make_fused_conv(test_case *t)
{
    static const double limits[2] = {-0.5, 1.5};
    const conv k = random_conv(t);
    const int activation = between(t, 0, 2);

    batched(t, k.rank, k.c, k.h, k.w);
    weights(t, LB_F32, k.rank, k.m, k.c / k.group, k.kh, k.kw);
    weights(t, LB_F32, 1, k.m, 0, 0, 0);
    if (between(t, 0, 1))
        batched(t, k.rank, k.m, k.oh, k.ow);
    conv_attrs(t, &k);
    if (activation == 1)
        t->attrs[t->n_attrs++] = lb_at("activation", "Relu");
    if (activation == 2) {
        t->attrs[t->n_attrs++] = lb_at("activation", "Clip");
        t->attrs[t->n_attrs++] = (lb_attr){.name = "activation_params",
                                           .kind = LB_ATTR_FLOATS,
                                           .n = 2,
                                           .floats = limits};
    }
}

static void make_conv_grad_input(test_case *t)
{
    const conv k = random_conv(t);
    const bool flat = k.rank == 3;

    batched(t, k.rank, k.m, k.oh, k.ow);
    weights(t, LB_F32, k.rank, k.m, k.c / k.group, k.kh, k.kw);
    /* the array of ints is full: spatial takes the place of nothing else */
    static int64_t spatial[2];
    spatial[0] = flat ? k.w : k.h;
    spatial[1] = k.w;
    conv_attrs(t, &k);
    t->attrs[t->n_attrs++] = lb_ais("spatial", spatial, flat ? 1 : 2);
}

static void make_conv_grad_weight(test_case *t)
{
    const conv k = random_conv(t);

    batched(t, k.rank, k.c, k.h, k.w);
    batched(t, k.rank, k.m, k.oh, k.ow);
    conv_attrs(t, &k);
}

static void make_map(test_case *t, int n)
{
    const int rank = between(t, 3, 4), c = channels(t), h = between(t, 1, 9);
    const int w = between(t, 1, 9);

    for (int i = 0; i < n; i++)
        batched(t, rank, c, h, w);
}

static void make_unary(test_case *t)
{
    make_map(t, 1);
}

static void make_binary(test_case *t)
{
    make_map(t, 2);
}

static void make_norm_apply(test_case *t)
{
    make_map(t, 1);
    const int c = lb_dim(&t->b, t->in[0], 1);
    weights(t, LB_F64, 1, c, 0, 0, 0);
    lb_tensor *const square = random_tensor(t, LB_F64, &(lb_shape){1, {c}});
    for (int i = 0; i < c; i++) /* a variance that is no rounding error */
        ((double *)square->data)[i] = 500 + fabs(((double *)square->data)[i]);
    t->in[t->n_in++] = lb_param(&t->b, "square", square);
    weights(t, LB_F32, 1, c, 0, 0, 0);
    weights(t, LB_F32, 1, c, 0, 0, 0);
}

static void make_norm_grad_stats(test_case *t)
{
    make_map(t, 2);
    const int c = lb_dim(&t->b, t->in[0], 1);
    weights(t, LB_F64, 1, c, 0, 0, 0);
    lb_tensor *const square = random_tensor(t, LB_F64, &(lb_shape){1, {c}});
    for (int i = 0; i < c; i++)
        ((double *)square->data)[i] = 500 + fabs(((double *)square->data)[i]);
    t->in[t->n_in++] = lb_param(&t->b, "square", square);
}

static void make_norm_grad_input(test_case *t)
{
    make_norm_grad_stats(t);
    const int c = lb_dim(&t->b, t->in[0], 1);
    for (int i = 0; i < 3; i++)
        weights(t, LB_F32, 1, c, 0, 0, 0);
}

static void make_norm(test_case *t)
{
    make_map(t, 1);
    const int c = lb_dim(&t->b, t->in[0], 1);
    for (int i = 0; i < 3; i++)
        weights(t, LB_F32, 1, c, 0, 0, 0);
    lb_tensor *const var = random_tensor(t, LB_F32, &(lb_shape){1, {c}});
    for (int i = 0; i < c; i++)
        ((float *)var->data)[i] = 0.1f + fabsf(((float *)var->data)[i]);
    t->in[t->n_in++] = lb_param(&t->b, "var", var);
}

static void make_pool_grad(test_case *t)
{
    const int rank = between(t, 3, 4), h = rank == 4 ? between(t, 1, 9) : 1;
    const int w = between(t, 1, 9), c = channels(t);

    batched(t, rank, c, 1, 1);
    ints(t, "kernel_shape", rank - 2, rank == 4 ? h : w, w, 0, 0);
    ints(t, "spatial", rank - 2, rank == 4 ? h : w, w, 0, 0);
}

static void make_gemm(test_case *t)
{
    const int form = between(t, 0, 2), k = between(t, 1, 40), m = between(t, 1, 40);

    if (form == 2) { /* a weight's gradient */
        batched(t, 2, m, 0, 0);
        batched(t, 2, k, 0, 0);
        t->attrs[t->n_attrs++] = lb_ai("transA", 1);
        return;
    }
    batched(t, 2, k, 0, 0);
    if (form == 0) {
        weights(t, LB_F32, 2, m, k, 0, 0);
        t->attrs[t->n_attrs++] = lb_ai("transB", 1);
    } else {
        weights(t, LB_F32, 2, k, m, 0, 0);
    }
    if (between(t, 0, 1))
        weights(t, LB_F32, 1, m, 0, 0, 0);
}

static void make_sgd(test_case *t)
{
    const int n = between(t, 1, 100);
    const lb_shape scalar = {0};

    for (int i = 0; i < 3; i++)
        weights(t, LB_F32, 1, n, 0, 0, 0);
    t->in[t->n_in++] = lb_input(&t->b, "lr", LB_F32, &scalar);
    t->attrs[t->n_attrs++] = lb_af("momentum", 0.9);
    t->attrs[t->n_attrs++] = lb_af("weight_decay", 0.01);
    t->attrs[t->n_attrs++] = lb_ai("nesterov", between(t, 0, 1));
}

static const struct {
    const char *op;
    void (*make)(test_case *t);
} makers[] = {
    {"Conv", make_conv},
    {"FusedConv", make_fused_conv},
    {"ConvGradInput", make_conv_grad_input},
    {"ConvGradWeight", make_conv_grad_weight},
    {"Relu", make_unary},
    {"ReluGrad", make_binary},
    {"Add", make_binary},
    {"Sub", make_binary},
    {"Mul", make_binary},
    {"BatchNormalization", make_norm},
    {"BatchNormStats", make_unary},
    {"BatchNormApply", make_norm_apply},
    {"BatchNormGradStats", make_norm_grad_stats},
    {"BatchNormGradInput", make_norm_grad_input},
    {"GlobalAveragePool", make_unary},
    {"AveragePoolGrad", make_pool_grad},
    {"Gemm", make_gemm},
    {"SgdUpdate", make_sgd},
};
enum { N_MAKERS = sizeof makers / sizeof *makers };

/* How often each table has run each operator. */
static int ran[2][N_MAKERS];

/* The node, behind a value that is blocked if `blocked`: x + x by a fast Add of maps. */
static void build(test_case *t, int maker, uint64_t seed)
{
    lb_error err = {0};

    *t = (test_case){.rng = lb_rng_make(seed, LB_RNG_TEST, (uint64_t)maker, 0)};
    CHECK_OK(lb_graph_new(&t->graph, &err), &err);
    lb_builder_init(&t->b, t->graph);
    makers[maker].make(t);
    const lb_op *const op = lb_op_find(makers[maker].op);
    lb_value in[MOST_IN];
    for (int i = 0; i < t->n_in; i++) {
        /* a convolution by one makes the map blocked, as it would be inside a network */
        in[i] = t->in[i];
        const lb_type type = lb_type_of(&t->b, in[i]);
        if (lb_type_batched(&type) && type.shape.rank >= 3 && seed % 2 == 0 &&
            type.shape.dim[1] >= 8) {
            const lb_shape one = type.shape.rank == 4
                                     ? lb_shape_of(4, type.shape.dim[1], 1, 1, 1)
                                     : lb_shape_of(3, type.shape.dim[1], 1, 1);
            const lb_window w = {
                .n = type.shape.rank - 2, .kernel = {1, 1}, .group = type.shape.dim[1]};
            const lb_value by = lb_param(&t->b, "by", random_tensor(t, LB_F32, &one));
            in[i] = lb_conv(&t->b, in[i], by, (lb_value){0}, &w, "made_blocked");
        }
    }
    const lb_value y =
        lb_add_node(&t->b, op, "tested", in, t->n_in, t->attrs, t->n_attrs);
    for (int i = 0; i < op->n_out; i++)
        if (!(op->flags & LB_OP_UPDATE))
            lb_output(&t->b, lb_nth(&t->b, y, i));
    CHECK_OK(lb_builder_finish(&t->b, &err), &err);
}

static lb_plan *run_plan(test_case *t, lb_pool *pool, int batch, lb_kernels kernels)
{
    const lb_plan_options options = {.batch = batch, .kernels = kernels};
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_plan_compile(t->graph, pool, &options, &plan, &err), &err);
    if (!plan)
        return NULL;
    for (int k = 0; k < t->graph->n_inputs; k++) {
        const lb_value v = t->graph->inputs[k];
        const lb_shape bound = lb_shape_bind(&lb_info(t->graph, v)->type.shape, 1);
        size_t n = 0;
        CHECK(lb_shape_count(&bound, &n));
        const bool is_batched = lb_type_batched(&lb_info(t->graph, v)->type);
        for (int i = 0; i < (is_batched ? batch : 1); i++) {
            lb_rng rng = lb_rng_make(7, LB_RNG_TEST, (uint64_t)k, (uint64_t)i);
            float *const x = lb_plan_input(plan, v, i);
            for (size_t e = 0; e < n; e++)
                x[e] = (float)lb_rng_normal(&rng);
        }
    }
    lb_plan_run(plan);
    return plan;
}

static void note_table(const lb_plan *plan, int maker)
{
    const lb_node *node;
    const char *table;

    for (int i = 0; lb_plan_step(plan, i, &table, &node); i++) {
        if (!node || strcmp(node->name, "tested") != 0)
            continue;
        ran[0][maker] += strcmp(table, "native") == 0;
        ran[1][maker] += strcmp(table, "onednn") == 0;
    }
}

static void compare(const lb_tensor *a, const lb_tensor *b, const char *op, uint64_t seed)
{
    double most = 1e-3, worst = 0;

    for (size_t i = 0; i < a->n; i++) {
        const double x = lb_tensor_get(a, i), y = lb_tensor_get(b, i);
        most = fabs(y) > most ? fabs(y) : most;
        worst = fabs(x - y) > worst ? fabs(x - y) : worst;
    }
    if (!(worst <= 2e-5 * most)) {
        char text[LB_SHAPE_TEXT];
        printf("# %s seed %d %s: off by %g of %g\n", op, (int)seed,
               lb_shape_text(&a->shape, text), worst, most);
        CHECK(0 && "agrees with the reference");
    }
}

static void check_case(lb_pool *pool, int maker, uint64_t seed, lb_kernels kernels)
{
    const int batch = 1 + (int)(seed % 5);
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    test_case fast, slow;

    build(&fast, maker, seed);
    build(&slow, maker, seed);
    lb_plan *const p = run_plan(&fast, pool, batch, kernels);
    lb_plan *const q = run_plan(&slow, pool, batch, LB_KERNELS_REFERENCE);
    if (p && q) {
        note_table(p, maker);
        for (int i = 0; i < fast.graph->n_outputs; i++) {
            lb_tensor *a = NULL, *b = NULL;
            CHECK_OK(lb_plan_read(p, fast.graph->outputs[i], arena, &a, &err), &err);
            CHECK_OK(lb_plan_read(q, slow.graph->outputs[i], arena, &b, &err), &err);
            if (a && b)
                compare(a, b, makers[maker].op, seed);
        }
        for (int v = 1; v < fast.graph->n_values; v++)
            if (fast.graph->values[v].kind == LB_VALUE_PARAM)
                compare(fast.graph->values[v].tensor, slow.graph->values[v].tensor,
                        makers[maker].op, seed);
    }
    lb_plan_free(p);
    lb_plan_free(q);
    lb_graph_free(fast.graph);
    lb_graph_free(slow.graph);
    lb_arena_free(arena);
}

static void fast_kernels_agree_with_the_reference(void)
{
    static const lb_kernels tables[] = {LB_KERNELS_BEST, LB_KERNELS_ONEDNN};
    lb_pool *pool = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(2, &pool, &err), &err);
    for (int m = 0; m < N_MAKERS; m++)
        for (uint64_t seed = 0; seed < ROUNDS; seed++)
            for (int t = 0; t < 2; t++)
                check_case(pool, m, seed, tables[t]);
    lb_pool_free(pool);
}

static void every_row_has_been_run(void)
{
    const lb_kernel *const *const tables[] = {lb_native_kernels, lb_onednn_kernels};

    for (int t = 0; t < 2; t++)
        for (const lb_kernel *const *k = tables[t]; *k; k++) {
            int runs = 0;
            for (int m = 0; m < N_MAKERS; m++)
                if (strcmp(makers[m].op, (*k)->op) == 0)
                    runs += ran[t][m];
            if (runs == 0)
                printf("# no case was run by %s %s\n", (*k)->table, (*k)->op);
            CHECK(runs > 0);
        }
}

int main(void)
{
    RUN(fast_kernels_agree_with_the_reference);
    RUN(every_row_has_been_run);
    return DONE();
}
