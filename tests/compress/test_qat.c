/* test_qat.c: the training form of a quantised network computes what the network
 * computes, and comes back as the same whole numbers; after training, as what was
 * trained. */
#include "check.h"

#include "compress/qat.h"
#include "lower/nets_int8.h"
#include "nodes.h"

typedef struct trial {
    lb_arena *arena;
    lb_graph *deployed, *trained, *again;
} trial;

static trial begin(net_builder build, int c, int h, int w)
{
    trial t = {.arena = lb_arena_new(0), .deployed = net_graph(build, c, h, w)};
    lb_error err = {0};

    CHECK(t.deployed != NULL);
    if (t.deployed)
        CHECK_OK(lb_qat_train_form(t.deployed, &t.trained, &err), &err);
    return t;
}

static void end(trial *t)
{
    lb_graph_free(t->again);
    lb_graph_free(t->trained);
    lb_graph_free(t->deployed);
    lb_arena_free(t->arena);
}

static float *run(const lb_graph *g, lb_arena *arena, size_t n_in, size_t n_out)
{
    const lb_plan_options options = {.batch = 1};
    float *const out = LB_TAKE_ARRAY(arena, n_out, float);
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, 0, 0);
    lb_pool *pool = NULL;
    lb_plan *plan = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(1, &pool, &err), &err);
    CHECK_OK(lb_plan_compile(g, pool, &options, &plan, &err), &err);
    if (plan) {
        float *const in = lb_plan_input(plan, g->inputs[0], 0);
        for (size_t i = 0; i < n_in; i++)
            in[i] = (float)(4 * lb_rng_uniform(&rng) - 2);
        lb_plan_run(plan);
        memcpy(out, lb_plan_output(plan, g->outputs[0], 0), n_out * sizeof *out);
    }
    lb_plan_free(plan);
    lb_pool_free(pool);
    return out;
}

/* The share of outputs that are apart by half a step or more. */
static double apart(const trial *t, const lb_graph *a, const lb_graph *b)
{
    lb_low *low = NULL;
    lb_error err = {0};
    double share = 0;

    CHECK_OK(lb_lower(t->deployed, t->arena, &low, &err), &err);
    if (!low)
        return 1;
    const size_t n_in = lb_low_count_inputs(low), n_out = lb_low_count(&low->output);
    const double step = (double)low->buffer[low->output_buffer].q.scale;
    const float *const x = run(a, t->arena, n_in, n_out);
    const float *const y = run(b, t->arena, n_in, n_out);
    for (size_t i = 0; i < n_out; i++)
        share += (fabs((double)x[i] - (double)y[i]) >= step / 2) / (double)n_out;
    return share;
}

/* All stored integers are the same ones. */
static void check_same_integers(const lb_graph *a, const lb_graph *b)
{
    int n = 0;

    for (int i = 1; i < a->n_values; i++) {
        const lb_value_info *const x = &a->values[i];
        const lb_value v = lb_graph_find(b, x->name);
        if (!x->tensor || strncmp(x->name, "stored", 6) != 0)
            continue;
        const lb_tensor *const y = v.id ? lb_info(b, v)->tensor : NULL;
        CHECK(y && y->n == x->tensor->n && y->dtype == x->tensor->dtype);
        if (y && y->n == x->tensor->n)
            CHECK(memcmp(x->tensor->data, y->data, lb_tensor_bytes(y)) == 0);
        n++;
    }
    CHECK(n > 0);
}

static void check_round_trip(net_builder build, int c, int h, int w)
{
    trial t = begin(build, c, h, w);
    lb_error err = {0};

    if (t.trained) {
        CHECK(count_nodes(t.trained, "QuantizeLinear") == 0);
        CHECK(count_nodes(t.trained, "FakeQuantize") > 0);
        CHECK_NEAR(apart(&t, t.deployed, t.trained), 0, 0.02);
        CHECK_OK(lb_qat_deploy(t.trained, &t.again, &err), &err);
    }
    if (t.again) {
        CHECK(count_nodes(t.again, "FakeQuantize") == 0);
        CHECK(count_nodes(t.again, "QuantizeLinear") ==
              count_nodes(t.deployed, "QuantizeLinear"));
        CHECK_NEAR(apart(&t, t.deployed, t.again), 0, 0);
        check_same_integers(t.deployed, t.again);
    }
    end(&t);
}

static void round_trips_are_exact(void)
{
    check_round_trip(net8_build_convs, 3, 11, 9);
    check_round_trip(net8_build_residual, 3, 8, 8);
    check_round_trip(net8_build_mixed, 4, 9, 8);
    check_round_trip(net8_build_sequence, 1, 4, 30);
}

/* What training may do: every parameter moves. */
static void move_parameters(lb_graph *g)
{
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, 0, 0);

    for (int i = 1; i < g->n_values; i++) {
        const lb_value_info *const info = &g->values[i];
        if (info->kind != LB_VALUE_PARAM)
            continue;
        CHECK(info->trained);
        for (size_t k = 0; k < info->tensor->n; k++)
            lb_tensor_put(info->tensor, k,
                          lb_tensor_get(info->tensor, k) *
                                  (1 + 0.1 * lb_rng_uniform(&rng)) +
                              0.02 * lb_rng_uniform(&rng));
    }
}

static void what_was_trained_is_deployed(void)
{
    trial t = begin(net8_build_convs, 3, 11, 9);
    lb_low *low = NULL;
    lb_error err = {0};

    if (t.trained) {
        move_parameters(t.trained);
        CHECK_OK(lb_qat_deploy(t.trained, &t.again, &err), &err);
    }
    if (t.again) {
        CHECK(apart(&t, t.deployed, t.again) > 0);
        /* biases are rounded: seldom a step */
        CHECK_NEAR(apart(&t, t.trained, t.again), 0, 0.2);
        CHECK_OK(lb_lower(t.again, t.arena, &low, &err), &err);
    }
    end(&t);
}

/* Weights of 4 bits stay that, whatever training does. */
static void four_bits_stay_four(void)
{
    trial t = {.arena = lb_arena_new(0)};
    lb_low *low = NULL;
    lb_error err = {0};

    t.deployed = net_graph(net8_build_convs, 3, 11, 9);
    net8_narrow(t.deployed);
    CHECK_OK(lb_qat_train_form(t.deployed, &t.trained, &err), &err);
    if (t.trained) {
        CHECK_NEAR(apart(&t, t.deployed, t.trained), 0, 0.02);
        CHECK_OK(lb_qat_deploy(t.trained, &t.again, &err), &err);
    }
    if (t.again)
        check_same_integers(t.deployed, t.again);
    lb_graph_free(t.again);
    t.again = NULL;
    if (t.trained) {
        move_parameters(t.trained);
        CHECK_OK(lb_qat_deploy(t.trained, &t.again, &err), &err);
    }
    if (t.again) {
        CHECK_NEAR(apart(&t, t.trained, t.again), 0, 0.2);
        CHECK_OK(lb_lower(t.again, t.arena, &low, &err), &err);
    }
    for (int i = 0; low && i < low->n_steps; i++)
        CHECK(!low->step[i].q->weight || low->step[i].q->packed);
    end(&t);
}

/* A scale that two values share is one parameter; a softmax keeps the one that it has. */
static void grids_stay_shared(void)
{
    trial t = begin(net8_build_residual, 3, 8, 8);
    int fixed = 0;

    for (int i = 0; t.trained && i < t.trained->n_nodes; i++) {
        const lb_node *const node = &t.trained->nodes[i];
        if (strcmp(node->op->name, "FakeQuantize") == 0 &&
            lb_info(t.trained, node->in[0])->kind == LB_VALUE_NODE)
            fixed += lb_info(t.trained, node->in[1])->kind == LB_VALUE_CONSTANT;
    }
    CHECK(fixed == 1);
    end(&t);
}

static void failures_are_told(void)
{
    trial t = begin(net8_build_convs, 3, 11, 9);
    lb_graph *const plain = net_graph(net_build_flatten, 3, 9, 7);
    lb_graph *none = NULL;
    lb_error err = {0};

    CHECK(plain && lb_qat_train_form(plain, &none, &err) == LB_ERR_INPUT);
    for (int i = 1; t.trained && i < t.trained->n_values; i++)
        if (t.trained->values[i].kind == LB_VALUE_PARAM && t.trained->values[i].no_decay)
            lb_tensor_put(t.trained->values[i].tensor, 0, -1e30);
    CHECK(t.trained && lb_qat_deploy(t.trained, &t.again, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "training has driven");
    lb_graph_free(plain);
    end(&t);
}

int main(void)
{
    RUN(round_trips_are_exact);
    RUN(what_was_trained_is_deployed);
    RUN(four_bits_stay_four);
    RUN(grids_stay_shared);
    RUN(failures_are_told);
    return DONE();
}
