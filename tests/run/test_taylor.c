/* test_taylor.c: what channels and blocks are worth by a loss over samples, against
 * differences of that loss as it is measured when a network is evaluated. */
#include "run/taylor.h"

#include "small_runs.h"

#include "compress/prune_nets.h"

enum { SAMPLES = 48 };

/* No norm: training sees what evaluation does. */
static lb_value build_plain(lb_builder *b, lb_value x)
{
    x = lb_relu(b, net_conv(b, x, 10, 4, 3, 2, 1), NULL);
    lb_value y = lb_relu(b, net_conv(b, x, 20, 6, 3, 1, 1), NULL);
    x = lb_relu(b, lb_add(b, net_conv(b, y, 30, 4, 3, 1, 1), x), NULL);
    x = lb_flatten(b, lb_global_average_pool(b, x, NULL), NULL);
    return net_dense(b, x, 40, CLASSES);
}

typedef struct scene {
    lb_arena *arena;
    lb_pool *pool;
    lb_data *data;
    lb_graph *g;
    lb_prune_map map;
    double *score;
    lb_taylor_setup setup;
} scene;

/* setup borrows the map: the scene stays where it is. */
static void open_scene(scene *out)
{
    scene s = {.arena = lb_arena_new(0), .g = net_graph(build_plain, 1, SIDE, SIDE)};
    lb_data_options options;
    lb_error err = {0};

    CHECK_OK(lb_data_parse("npy:small", s.arena, &options, &err), &err);
    options.validation = 0;
    CHECK_OK(lb_data_open(&options, 1, s.arena, &s.data, &err), &err);
    CHECK_OK(lb_pool_new(1, &s.pool, &err), &err);
    CHECK_OK(lb_prune_ties(s.g, s.arena, &s.map, &err), &err);
    CHECK_OK(lb_prune_blocks(s.g, NULL, s.arena, &s.map, &err), &err);
    CHECK(s.map.n_blocks == 1 && s.map.n_units == 4 + 6);
    s.score = LB_TAKE_ARRAY(s.arena, s.map.n_parts, double);
    s.setup = (lb_taylor_setup){.graph = s.g,
                                .map = &out->map,
                                .data = s.data,
                                .samples = SAMPLES,
                                .pool = s.pool};
    CHECK_OK(lb_input_match(s.g, &s.data->content.shape, &s.setup.input, &err), &err);
    s.setup.teacher_input = s.setup.input;
    *out = s;
}

static void close_scene(scene *s)
{
    lb_graph_free(s->g);
    lb_pool_free(s->pool);
    lb_arena_free(s->arena);
}

static double loss_of(const scene *s)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_metrics m = {0};
    lb_error err = {0};

    CHECK_OK(lb_evaluate(s->g, &s->setup.input, s->data, LB_TRAIN, s->pool,
                         LB_KERNELS_REFERENCE, NULL, arena, &m, &err),
             &err);
    lb_arena_free(arena);
    return m.loss;
}

/* All weights that go with a unit, those along two of its axes once, become so many times
 * what they are. */
static void stretch(const scene *s, int u, double factor)
{
    for (int v = 1; v < s->g->n_values; v++) {
        lb_tensor *const t = s->g->values[v].tensor;
        for (size_t e = 0; t && e < t->n; e++) {
            bool any = false;
            size_t inner = 1;
            for (int k = t->shape.rank - 1; k >= 0; k--) {
                const int *const unit = lb_prune_units(&s->map, v, k);
                any = any || (unit && unit[e / inner % (size_t)t->shape.dim[k]] == u);
                inner *= (size_t)t->shape.dim[k];
            }
            if (any)
                lb_tensor_put(t, e, factor * lb_tensor_get(t, e));
        }
    }
}

/* One batch of all samples: the square of the slope, and of the change without a block.
 */
static void scores_are_those_of_the_loss(void)
{
    const double step = 1e-3;
    scene s;
    lb_error err = {0};
    void *kept = NULL;
    int looked = 0;

    open_scene(&s);
    const double loss = loss_of(&s);
    CHECK_OK(lb_taylor_score(&s.setup, s.arena, s.score, &looked, &err), &err);
    CHECK(looked == SAMPLES);
    CHECK_NEAR(loss_of(&s), loss, 0); /* the network is as it was */
    for (int u = 0; u < s.map.n_units; u++) {
        stretch(&s, u, 1 + step);
        const double more = loss_of(&s);
        stretch(&s, u, (1 - step) / (1 + step));
        const double less = loss_of(&s);
        stretch(&s, u, 1 / (1 - step));
        CHECK_NEAR(sqrt(s.score[u]), fabs(more - less) / (2 * step), 2e-3);
    }
    CHECK_OK(lb_prune_mute(s.g, &s.map.block[0], &kept, &err), &err);
    const double without = loss_of(&s);
    lb_prune_unmute(s.g, &s.map.block[0], kept);
    CHECK(fabs(without - loss) > 1e-3);
    CHECK_NEAR(sqrt(s.score[s.map.n_units]), 2 * fabs(without - loss), 1e-4);
    close_scene(&s);
}

/* A network teaches itself nothing: a tenth of the labels' slope is left. */
static void the_teacher_counts(void)
{
    scene s;
    lb_error err = {0};
    int looked = 0;

    open_scene(&s);
    double *const labels = LB_TAKE_ARRAY(s.arena, s.map.n_parts, double);
    s.setup.samples = 32;
    CHECK_OK(lb_taylor_score(&s.setup, s.arena, labels, &looked, &err), &err);
    CHECK(looked == 32);
    s.setup.teacher = s.g;
    CHECK_OK(lb_taylor_score(&s.setup, s.arena, s.score, &looked, &err), &err);
    CHECK(labels[0] > 0);
    for (int u = 0; u < s.map.n_units; u++)
        CHECK_NEAR(s.score[u], 0.01 * labels[u], 1e-4 * labels[u] + 1e-9);
    close_scene(&s);
}

static lb_value build_of_two(lb_builder *b, lb_value x)
{
    return net_dense(b, lb_flatten(b, x, NULL), 50, 2);
}

static void what_does_not_fit_is_refused(void)
{
    scene s;
    lb_graph *const other = net_graph(build_of_two, 1, SIDE, SIDE);
    lb_error err = {0};
    int looked = 0;

    open_scene(&s);
    s.setup.teacher = other;
    CHECK(lb_taylor_score(&s.setup, s.arena, s.score, &looked, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "the teacher");
    s.setup.teacher = NULL;
    s.setup.samples = 0;
    CHECK(lb_taylor_score(&s.setup, s.arena, s.score, &looked, &err) == LB_ERR_INPUT);
    lb_graph_free(other);
    close_scene(&s);
}

int main(void)
{
    begin();
    lb_arena *const arena = lb_arena_new(0);
    CHECK(system("mkdir small") == 0 && chdir("small") == 0);
    put_part(arena, "train", SAMPLES);
    put_part(arena, "test", N_TEST);
    CHECK(chdir("..") == 0);
    lb_arena_free(arena);
    RUN(scores_are_those_of_the_loss);
    RUN(the_teacher_counts);
    RUN(what_does_not_fit_is_refused);
    return !end() || DONE();
}
