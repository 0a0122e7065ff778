/* test_kernels.c: every row of the kernel tables against the reference kernel of its
 * operator: random shapes and layouts, blocks of 8 and 16, guard bytes around all that
 * a kernel may write, results in place, padding that stays zero. A row that no case
 * reaches fails the test. */
#include "engine/kernel.h"
#include "engine/kernel_cases.h"

#include "check.h"

#include <stdlib.h>

enum { ROUNDS = 60, GUARD = 64, MOST_ROWS = 128 };

static int reached[2][MOST_ROWS];

/* One operand: what the reference sees, and memory for the kernel with guards. */
typedef struct operand {
    double *wide; /* plain */
    float *plain; /* the same as floats, or NULL */
    size_t n, bytes;
    char *block, *data;
} operand;

typedef struct trial {
    lb_arena *arena;
    lb_ask ask;
    operand in[LB_MAX_INPUTS], out[LB_MAX_OUTPUTS], scratch;
    double *want[LB_MAX_OUTPUTS];
    int first;   /* number of the first sample at hand */
    bool coarse; /* values from a small set: ties, zeros, limits met exactly */
} trial;

static void *take(trial *t, size_t size)
{
    void *const memory = lb_arena_take(t->arena, size ? size : 1);

    if (!memory) {
        fprintf(stderr, "no memory for the test\n");
        exit(1);
    }
    return memory;
}

static void guard(trial *t, operand *o, size_t bytes)
{
    o->bytes = bytes;
    o->block = take(t, bytes + 2 * GUARD);
    memset(o->block, 0xA5, bytes + 2 * GUARD);
    o->data = o->block + GUARD;
}

static bool guards_hold(const operand *o)
{
    for (size_t i = 0; o->block && i < GUARD; i++)
        if ((unsigned char)o->block[i] != 0xA5 ||
            (unsigned char)o->data[o->bytes + i] != 0xA5)
            return false;
    return true;
}

static double draw(trial *t, lb_rng *rng)
{
    const double x = lb_rng_normal(rng);

    return t->coarse ? floor(x * 2) / 4 : (double)(float)x;
}

static bool is_floating(const lb_type *type)
{
    return type->dtype == LB_F32 || type->dtype == LB_F64;
}

/* Keeps input k where its operator is defined, and away from its poles. */
static void keep_in_domain(trial *t, int k)
{
    static const struct {
        const char *op;
        int input;
        double least;
    } domain[] = {{"Log", 0, 0.25},
                  {"Reciprocal", 0, 0.25},
                  {"Div", 1, 0.25},
                  {"Sqrt", 0, 0},
                  {"Pow", 0, 0},
                  {"PowGrad", 0, 0},
                  {"FakeQuantize", 1, 0.002},
                  {"FakeQuantizeGrad", 2, 0.002},
                  {"FakeQuantizeGradScale", 2, 0.002}};
    operand *const o = &t->in[k];

    for (size_t row = 0; row < sizeof domain / sizeof *domain; row++)
        if (k == domain[row].input && strcmp(t->ask.node->op->name, domain[row].op) == 0)
            for (size_t i = 0; i < o->n; i++)
                o->wide[i] = (double)(float)(fabs(o->wide[i]) + domain[row].least);
}

/* Values of input k as the reference wants them. Sums of squares are made large enough
 * that the variance is positive. */
static void fill_input(trial *t, int k, lb_rng *rng)
{
    const lb_type *const type = &t->ask.in[k];
    const lb_tensor *const constant = t->ask.constant[k];
    operand *const o = &t->in[k];
    const double elements = (double)t->ask.in[0].shape.dim[0] * 3;

    (void)!lb_shape_count(&type->shape, &o->n);
    o->wide = take(t, o->n * sizeof(double));
    for (size_t i = 0; i < o->n; i++) {
        if (constant && (!is_floating(type) || constant->n == 1))
            o->wide[i] = lb_tensor_get(constant, i);
        else
            o->wide[i] = draw(t, rng);
    }
    if (type->dtype == LB_F64)
        for (size_t i = 0; i < o->n; i++)
            o->wide[i] =
                k > 0 && t->ask.in[k - 1].dtype == LB_F64
                    ? t->in[k - 1].wide[i] * t->in[k - 1].wide[i] + elements + (double)i
                    : o->wide[i] * elements;
    if (k == 4 && strcmp(t->ask.node->op->name, "BatchNormalization") == 0)
        for (size_t i = 0; i < o->n; i++)
            o->wide[i] = fabs(o->wide[i]);
    keep_in_domain(t, k);
    o->plain = take(t, o->n * sizeof(float));
    for (size_t i = 0; i < o->n; i++)
        o->plain[i] = (float)o->wide[i];
}

static void fill_ask(trial *t, const lb_graph *g, const lb_node *node, maker *m)
{
    lb_ask *const ask = &t->ask;

    *ask = (lb_ask){.node = node,
                    .n_in = node->n_in,
                    .n_out = node->n_out,
                    .samples = m->samples,
                    .batch = m->batch,
                    .block = pick(m, 0, 1) ? 8 : lb_cpu_block(),
                    .threads = 2};
    t->first = m->samples * pick(m, 0, m->batch / m->samples - 1);
    for (int k = 0; k < node->n_in; k++) {
        const lb_value_info *const info = lb_info(g, node->in[k]);
        if (!node->in[k].id)
            continue;
        ask->has_in[k] = true;
        ask->in[k] =
            (lb_type){info->type.dtype, lb_shape_bind(&info->type.shape, ask->samples)};
        ask->batched_in[k] = lb_type_batched(&info->type);
        ask->constant[k] = info->tensor;
        ask->packable[k] = !ask->batched_in[k];
        const int rank = info->type.shape.rank;
        if (ask->batched_in[k] && (rank == 3 || rank == 4) && pick(m, 0, 1))
            ask->in_layout[k] = LB_BLOCKED;
        ask->want_in[k] = ask->in_layout[k];
    }
    for (int k = 0; k < node->n_out; k++) {
        const lb_value_info *const info = lb_info(g, node->out[k]);
        ask->out[k] =
            (lb_type){info->type.dtype, lb_shape_bind(&info->type.shape, ask->samples)};
        ask->batched_out[k] = lb_type_batched(&info->type);
    }
}

static void run_reference(trial *t)
{
    const lb_ask *const ask = &t->ask;
    const bool updates = (ask->node->op->flags & LB_OP_UPDATE) != 0;
    lb_ref_call call = {.node = ask->node,
                        .n_in = ask->n_in,
                        .n_out = ask->n_out,
                        .batch = ask->batch,
                        .first = t->first};

    for (int k = 0; k < ask->n_in; k++) {
        call.in[k] = ask->has_in[k] ? t->in[k].wide : NULL;
        call.in_type[k] = ask->in[k];
        call.batched_in[k] = ask->batched_in[k];
    }
    for (int k = 0; k < ask->n_out; k++) {
        operand *const o = &t->out[k];
        (void)!lb_shape_count(&ask->out[k].shape, &o->n);
        t->want[k] = take(t, o->n * sizeof(double));
        if (updates && t->in[k].wide)
            memcpy(t->want[k], t->in[k].wide, o->n * sizeof(double));
        call.out[k] = t->want[k];
        call.out_type[k] = ask->out[k];
    }
    ask->node->op->run(&call);
}

/* Puts input k where the kernel wants it. */
static void place_input(trial *t, const lb_kernel *kernel, void *state, int k)
{
    const lb_type *const type = &t->ask.in[k];
    operand *const o = &t->in[k];

    if (t->ask.packed_bytes[k]) {
        guard(t, o, t->ask.packed_bytes[k]);
        kernel->pack(state, k, o->plain, o->data);
        return;
    }
    if (t->ask.want_in[k] == LB_BLOCKED) {
        guard(t, o, lb_blocked_count(&type->shape, t->ask.block) * sizeof(float));
        lb_to_blocked(&type->shape, t->ask.block, o->plain, (float *)(void *)o->data);
        return;
    }
    guard(t, o, o->n * lb_dtype_size(type->dtype));
    lb_narrow(type->dtype, o->wide, o->n, o->data);
}

static void place_output(trial *t, int k)
{
    const lb_type *const type = &t->ask.out[k];
    size_t bytes = t->out[k].n * lb_dtype_size(type->dtype);

    if (t->ask.out_layout[k] == LB_BLOCKED)
        bytes = lb_blocked_count(&type->shape, t->ask.block) * sizeof(float);
    if (t->ask.share_bytes[k])
        bytes = t->ask.share_bytes[k];
    guard(t, &t->out[k], bytes);
    if (t->ask.parts[k]) /* the parts of other groups */
        memset(t->out[k].data, 0, bytes);
}

/* Output k as plain doubles. */
static double *result(trial *t, const lb_kernel *kernel, void *state, int k)
{
    operand *const o = &t->out[k];
    double *const wide = take(t, o->n * sizeof(double));
    const void *from = o->data;

    if (t->ask.out_layout[k] == LB_BLOCKED) {
        float *const plain = take(t, o->n * sizeof(float));
        lb_to_plain(&t->ask.out[k].shape, t->ask.block, from, plain);
        from = plain;
    } else if (t->ask.share_bytes[k]) {
        float *const plain = take(t, o->n * sizeof(float));
        kernel->unpack(state, k, o->data, plain);
        from = plain;
    }
    lb_widen(t->ask.out[k].dtype, from, o->n, wide);
    return wide;
}

/* The largest difference, as a share of the largest value. */
static double difference(const double *a, const double *b, size_t n)
{
    double worst = 0, most = 1e-30;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs(a[i] - b[i]);
        worst = d <= worst ? worst : d;
        most = fabs(b[i]) > most ? fabs(b[i]) : most;
    }
    return worst / most;
}

/* A blocked result must be as lb_to_blocked makes it: zeros in the padding. */
static bool padding_is_zero(trial *t, int k)
{
    const lb_shape *const shape = &t->ask.out[k].shape;
    float *const plain = take(t, t->out[k].n * sizeof(float));
    float *const again = take(t, t->out[k].bytes);

    if (t->ask.out_layout[k] != LB_BLOCKED)
        return true;
    lb_to_plain(shape, t->ask.block, (const float *)(const void *)t->out[k].data, plain);
    lb_to_blocked(shape, t->ask.block, plain, again);
    const float *const got = (const float *)(const void *)t->out[k].data;
    for (size_t i = 0; i < t->out[k].bytes / sizeof(float); i++)
        if (!(got[i] == again[i]))
            return false;
    return true;
}

static void describe(const trial *t, const lb_kernel *kernel)
{
    char text[LB_SHAPE_TEXT];

    printf("# %s %s, block %d, %d of %d samples:", kernel->table, t->ask.node->op->name,
           t->ask.block, t->ask.samples, t->ask.batch);
    for (int k = 0; k < t->ask.n_in; k++)
        if (t->ask.has_in[k])
            printf(" %s%s", lb_shape_text(&t->ask.in[k].shape, text),
                   t->ask.want_in[k] == LB_BLOCKED ? "*" : "");
    for (int i = 0; i < t->ask.node->n_attrs; i++) {
        const lb_attr *const a = &t->ask.node->attrs[i];
        printf(" %s=%lld", a->name, (long long)a->i);
        for (int j = 0; j < a->n && a->ints; j++)
            printf(",%lld", (long long)a->ints[j]);
    }
    printf("\n");
}

/* The same result when it is written over its first input. */
static bool same_in_place(trial *t, const lb_kernel *kernel, lb_call *call)
{
    const size_t bytes = t->out[0].bytes;
    char *const first = take(t, bytes);

    if (!t->ask.in_place || t->in[0].bytes != bytes)
        return true;
    memcpy(first, t->out[0].data, bytes);
    call->out[0] = t->in[0].data;
    kernel->run(call);
    return memcmp(first, t->in[0].data, bytes) == 0 && guards_hold(&t->in[0]);
}

static bool same_twice(trial *t, const lb_kernel *kernel, lb_call *call)
{
    const size_t bytes = t->out[0].bytes;
    char *const first = take(t, bytes);

    memcpy(first, t->out[0].data, bytes);
    memset(t->out[0].data, t->ask.parts[0] ? 0 : 0x5A, bytes);
    call->lane = !call->lane;
    kernel->run(call);
    return memcmp(first, t->out[0].data, bytes) == 0;
}

/* Products over many terms, where rounding adds up. */
static bool is_long_sum(const trial *t, int k)
{
    const char *const op = t->ask.node->op->name;

    return !t->ask.batched_out[k] || strstr(op, "Conv") || strstr(op, "Gemm") ||
           strstr(op, "MatMul");
}

/* Errors are shares of the largest result. A clipped one may be far below the sums
 * behind it, and these carry the error. */
static double tolerance(const trial *t, int k)
{
    if (lb_attr_find(t->ask.node, "activation_params"))
        return 3e-4;
    return is_long_sum(t, k) ? 3e-5 : 1e-5;
}

static void check_results(trial *t, const lb_kernel *kernel, void *state)
{
    const int failed = check_failed_here;

    for (int k = 0; k < t->ask.n_out; k++) {
        const double *const got = result(t, kernel, state, k);
        const double worst = difference(got, t->want[k], t->out[k].n);
        CHECK_NEAR(worst, 0, tolerance(t, k));
        CHECK(guards_hold(&t->out[k]));
        CHECK(padding_is_zero(t, k));
    }
    CHECK(guards_hold(&t->scratch));
    for (int k = 0; k < t->ask.n_in; k++)
        CHECK(guards_hold(&t->in[k]));
    if (check_failed_here > failed)
        describe(t, kernel);
}

static void run_kernel(trial *t, const lb_kernel *kernel)
{
    void *state = NULL;
    lb_error err;
    const bool updates = (t->ask.node->op->flags & LB_OP_UPDATE) != 0;
    lb_call call = {.lane = t->ask.samples % 2, .first = t->first};

    CHECK_OK(kernel->create(&t->ask, t->arena, &state, &err), &err);
    if (!state)
        return;
    for (int k = 0; k < t->ask.n_in; k++)
        if (t->ask.has_in[k]) {
            place_input(t, kernel, state, k);
            call.in[k] = t->in[k].data;
        }
    for (int k = 0; k < t->ask.n_out; k++) {
        place_output(t, k);
        call.out[k] = t->out[k].data;
        if (!updates)
            continue;
        memcpy(t->out[k].data, t->in[k].data, t->out[k].bytes);
        call.in[k] = call.out[k];
    }
    guard(t, &t->scratch, t->ask.scratch_bytes);
    call.scratch = t->scratch.data;
    call.state = state;
    kernel->run(&call);
    check_results(t, kernel, state);
    if (!updates) {
        const bool twice = same_twice(t, kernel, &call);
        const bool over = same_in_place(t, kernel, &call);
        CHECK(twice);
        CHECK(over);
        if (!twice || !over)
            describe(t, kernel);
    }
    if (kernel->destroy)
        kernel->destroy(state);
}

static void try_tables(trial *t, const lb_ask *preset)
{
    const lb_kernel *const *const table[] = {lb_native_kernels, lb_onednn_kernels};

    for (int i = 0; i < 2; i++)
        for (int row = 0; table[i][row]; row++) {
            const lb_kernel *const kernel = table[i][row];
            t->ask = *preset;
            if (strcmp(kernel->op, preset->node->op->name) != 0 ||
                !kernel->accepts(&t->ask))
                continue;
            reached[i][row]++;
            run_kernel(t, kernel);
        }
}

static void one_round(int which, int round)
{
    lb_graph *graph;
    lb_error err = {.text = "no memory for a graph"};
    trial t = {.arena = lb_arena_new(0), .coarse = round % 2 == 0};
    maker m = {.rng = lb_rng_make(7, LB_RNG_TEST, (uint64_t)which, (uint64_t)round)};

    if (!t.arena || lb_graph_new(&graph, &err) != LB_OK) {
        CHECK_OK(LB_ERR_MEMORY, &err);
        lb_arena_free(t.arena);
        return;
    }
    lb_builder_init(&m.b, graph);
    m.samples = pick(&m, 1, 5);
    m.batch = m.samples * pick(&m, 1, 3);
    kernel_case[which].make(&m, kernel_case[which].op);
    CHECK_OK(lb_builder_finish(&m.b, &err), &err);
    if (graph->n_nodes == 1) {
        fill_ask(&t, graph, &graph->nodes[0], &m);
        for (int k = 0; k < t.ask.n_in; k++)
            if (t.ask.has_in[k])
                fill_input(&t, k, &m.rng);
        run_reference(&t);
        const lb_ask preset = t.ask;
        try_tables(&t, &preset);
    }
    lb_graph_free(graph);
    lb_arena_free(t.arena);
}

static void kernels_agree_with_reference(void)
{
    const int n = (int)(sizeof kernel_case / sizeof *kernel_case);

    for (int which = 0; which < n; which++)
        for (int round = 0; round < ROUNDS; round++)
            one_round(which, round);
}

static void every_row_is_reached(void)
{
    const lb_kernel *const *const table[] = {lb_native_kernels, lb_onednn_kernels};

    for (int i = 0; i < 2; i++)
        for (int row = 0; table[i][row]; row++) {
            if (reached[i][row] == 0)
                printf("# %s %s was never reached\n", table[i][row]->table,
                       table[i][row]->op);
            CHECK(reached[i][row] > 0);
        }
}

static void doubles_are_declined(void)
{
    lb_graph *graph;
    lb_error err;
    trial t = {.arena = lb_arena_new(0)};
    maker m = {.rng = lb_rng_make(7, LB_RNG_TEST, 99, 0), .samples = 2, .batch = 4};

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&m.b, graph);
    const lb_value x = batched(&m, LB_F64, lb_shape_of(4, 1, 8, 5, 5));
    add(&m, "Relu", &x, 1, NULL, 0);
    add(&m, "GlobalAveragePool", &x, 1, NULL, 0);
    add(&m, "Softmax", &x, 1, NULL, 0);
    CHECK_OK(lb_builder_finish(&m.b, &err), &err);
    for (int i = 0; i < graph->n_nodes; i++) {
        fill_ask(&t, graph, &graph->nodes[i], &m);
        for (int row = 0; lb_native_kernels[row]; row++) {
            lb_ask ask = t.ask;
            if (strcmp(lb_native_kernels[row]->op, ask.node->op->name) == 0)
                CHECK(!lb_native_kernels[row]->accepts(&ask));
        }
    }
    lb_graph_free(graph);
    lb_arena_free(t.arena);
}

int main(void)
{
    RUN(kernels_agree_with_reference);
    RUN(every_row_is_reached);
    RUN(doubles_are_declined);
    return DONE();
}
