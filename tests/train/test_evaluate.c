/* test_evaluate.c: figures of a network whose logits are the samples themselves. */
#include "train/train.h"

#include "base/rng.h"
#include "ops/build.h"

#include "check.h"

enum { N = 300, CLASSES = 7 };

typedef struct exam {
    lb_arena *arena;
    lb_pool *pool;
    lb_data data;
    float value[N * CLASSES];
    int32_t label[N], sample[N];
    lb_input_options input;
} exam;

static void open_exam(exam *e)
{
    lb_rng rng = lb_rng_make(4, LB_RNG_TEST, 0, 0);
    lb_error err = {0};

    memset(e, 0, sizeof *e);
    e->arena = lb_arena_new(0);
    CHECK_OK(lb_pool_new(2, &e->pool, &err), &err);
    for (int i = 0; i < N * CLASSES; i++)
        e->value[i] = (float)(2 * lb_rng_normal(&rng));
    for (int i = 0; i < N; i++) {
        e->sample[i] = i;
        e->label[i] = (int32_t)lb_rng_below(&rng, CLASSES + 1) - 1; /* some have none */
    }
    e->data.content = (lb_content){
        .shape = lb_shape_of(1, CLASSES),
        .n_classes = CLASSES,
        .test = {.n = N, .dtype = LB_F32, .value = e->value, .label = e->label}};
    e->data.n[LB_TEST] = N;
    e->data.sample[LB_TEST] = e->sample;
    e->data.options.labels = 1;
    e->input.pixels = LB_PIXELS_RAW;
}

static void close_exam(exam *e)
{
    lb_pool_free(e->pool);
    lb_arena_free(e->arena);
}

/* y = x, or softmax(x). */
static lb_graph *identity(bool softmax)
{
    const lb_shape in = lb_shape_of(2, (int)LB_BATCH, CLASSES),
                   one = lb_shape_of(1, CLASSES);
    lb_graph *graph = NULL;
    lb_tensor *zeros = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    CHECK_OK(lb_tensor_new(graph->arena, LB_F32, &one, &zeros, &err), &err);
    lb_builder_init(&b, graph);
    const lb_value x = lb_input(&b, "x", LB_F32, &in);
    const lb_value zero = lb_constant(&b, "zero", zeros);
    lb_value y = lb_add(&b, x, zero);
    if (softmax)
        y = lb_softmax(&b, y, 1);
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return graph;
}

static lb_code measure(exam *e, const lb_graph *g, const int32_t *other, lb_metrics *m,
                       lb_error *err)
{
    return lb_evaluate(g, &e->input, &e->data, LB_TEST, e->pool, LB_KERNELS_BEST, other,
                       e->arena, m, err);
}

/* The same figures, the plain way. */
static lb_metrics by_hand(const exam *e)
{
    double hit[16] = {0}, sure[16] = {0};
    lb_metrics m = {0};
    int labelled = 0;

    for (int i = 0; i < N; i++) {
        const float *const z = e->value + i * CLASSES;
        double total = 0, best = -1;
        int above = 0, answer = 0;
        if (e->label[i] < 0)
            continue;
        for (int c = 0; c < CLASSES; c++)
            total += exp((double)z[c]);
        for (int c = 0; c < CLASSES; c++) {
            above += z[c] > z[e->label[i]];
            if (exp((double)z[c]) / total > best) {
                best = exp((double)z[c]) / total;
                answer = c;
            }
        }
        const int bin = (int)ceil(best * 15);
        hit[bin] += answer == e->label[i];
        sure[bin] += best;
        m.accuracy += answer == e->label[i];
        m.top5 += above < 5;
        m.loss -= log(exp((double)z[e->label[i]]) / total);
        labelled++;
    }
    for (int bin = 0; bin < 16; bin++)
        m.ece += fabs(hit[bin] - sure[bin]) / labelled;
    m.accuracy /= labelled;
    m.top5 /= labelled;
    m.loss /= labelled;
    return m;
}

static void figures_are_right(void)
{
    static exam e;
    lb_metrics m;
    lb_error err = {0};

    open_exam(&e);
    const lb_metrics want = by_hand(&e);
    for (int softmax = 0; softmax < 2; softmax++) {
        lb_graph *const g = identity(softmax);
        CHECK_OK(measure(&e, g, NULL, &m, &err), &err);
        CHECK(m.n == N);
        CHECK_NEAR(m.accuracy, want.accuracy, 1e-12);
        CHECK_NEAR(m.top5, want.top5, 1e-12);
        CHECK_NEAR(m.loss, want.loss, 1e-6);
        CHECK_NEAR(m.ece, want.ece, 1e-6);
        CHECK_NEAR(m.agreement, -1, 0);
        int cells = 0, diagonal = 0, labelled = 0;
        for (int i = 0; i < CLASSES * CLASSES; i++) {
            cells += m.confusion[i];
            diagonal += i % (CLASSES + 1) == 0 ? m.confusion[i] : 0;
        }
        for (int i = 0; i < N; i++)
            labelled += e.label[i] >= 0;
        CHECK(cells == labelled);
        for (int c = 0; c < CLASSES; c++) {
            int all = 0, right = 0, n = -1;
            for (int i = 0; i < N; i++) {
                all += e.label[i] == c;
                right += e.label[i] == c && m.answer[i] == c;
            }
            CHECK(all > 0);
            CHECK_NEAR(lb_class_accuracy(&m, c, &n), (double)right / all, 1e-15);
            CHECK(n == all);
        }
        CHECK_NEAR((double)diagonal / labelled, want.accuracy, 1e-12);
        lb_graph_free(g);
    }
    close_exam(&e);
}

/* A softmax that ends in int8 is still one: its steps of 1/256 change the loss a bit, and
 * a probability of 0 is no infinite surprise. */
static void probabilities_may_be_held_in_int8(void)
{
    static exam e;
    lb_metrics m;
    lb_error err = {0};
    lb_builder b;

    open_exam(&e);
    const lb_metrics want = by_hand(&e);
    lb_graph *const g = identity(true);
    lb_builder_init(&b, g);
    const lb_value scale = lb_scalar(&b, LB_F32, 1.0 / 256);
    const lb_value zero = lb_scalar(&b, LB_I8, -128);
    const lb_value q = lb_quantize(&b, g->outputs[0], scale, zero, 0, NULL);
    g->outputs[0] = lb_dequantize(&b, q, scale, zero, 0, NULL);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(measure(&e, g, NULL, &m, &err), &err);
    CHECK_NEAR(m.accuracy, want.accuracy, 0.01);
    CHECK_NEAR(m.loss, want.loss, 0.1);
    CHECK_NEAR(m.ece, want.ece, 0.02);
    lb_graph_free(g);
    close_exam(&e);
}

static void agreement_counts_equal_answers(void)
{
    static exam e;
    static int32_t other[N];
    lb_metrics m;
    lb_error err = {0};

    open_exam(&e);
    lb_graph *const g = identity(false);
    CHECK_OK(measure(&e, g, NULL, &m, &err), &err);
    memcpy(other, m.answer, sizeof other);
    for (int i = 0; i < 30; i++)
        other[i] = (other[i] + 1) % CLASSES;
    CHECK_OK(measure(&e, g, other, &m, &err), &err);
    CHECK_NEAR(m.agreement, 0.9, 1e-12);
    lb_graph_free(g);
    close_exam(&e);
}

/* Against the definition, with the softmax written out; two ways round it differs. */
static void divergence_is_of_the_teacher_first(void)
{
    static exam e;
    static float halved[N * CLASSES];
    lb_metrics teacher, student;
    lb_error err = {0};
    double want = 0;

    open_exam(&e);
    lb_graph *const g = identity(false);
    CHECK_OK(measure(&e, g, NULL, &teacher, &err), &err);
    CHECK(teacher.classes == CLASSES);
    CHECK_NEAR(lb_divergence(&teacher, &teacher), 0, 1e-12);
    student = teacher;
    student.logits = halved;
    for (int i = 0; i < N; i++) {
        double p[CLASSES], q[CLASSES], p_sum = 0, q_sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            const float z = teacher.logits[i * CLASSES + c];
            halved[i * CLASSES + c] = z / 2;
            p_sum += p[c] = exp((double)z);
            q_sum += q[c] = exp((double)z / 2);
        }
        for (int c = 0; c < CLASSES; c++)
            want += p[c] / p_sum * log(p[c] / p_sum / (q[c] / q_sum)) / N;
    }
    CHECK(want > 0.01);
    CHECK_NEAR(lb_divergence(&teacher, &student), want, 1e-6);
    CHECK(fabs(lb_divergence(&student, &teacher) - want) > 1e-3);
    student.classes = CLASSES - 1;
    CHECK(isnan(lb_divergence(&teacher, &student)));
    lb_graph_free(g);
    close_exam(&e);
}

static void ties_go_to_the_lower_class(void)
{
    static exam e;
    lb_metrics m;
    lb_error err = {0};

    open_exam(&e);
    memset(e.value, 0, sizeof e.value);
    for (int i = 0; i < N; i++)
        e.label[i] = i % CLASSES;
    lb_graph *const g = identity(false);
    CHECK_OK(measure(&e, g, NULL, &m, &err), &err);
    for (int i = 0; i < N; i++)
        CHECK(m.answer[i] == 0);
    CHECK_NEAR(m.top5, 215.0 / 300, 1e-12); /* classes 0 to 4 */
    CHECK_NEAR(m.loss, log(CLASSES), 1e-6);
    lb_graph_free(g);
    close_exam(&e);
}

static void nothing_labelled_is_not_a_number(void)
{
    static exam e;
    lb_metrics m;
    lb_error err = {0};

    open_exam(&e);
    for (int i = 0; i < N; i++)
        e.label[i] = -1;
    lb_graph *const g = identity(false);
    CHECK_OK(measure(&e, g, NULL, &m, &err), &err);
    CHECK(isnan(m.accuracy) && isnan(m.loss) && isnan(m.ece));
    lb_graph_free(g);
    close_exam(&e);
}

static void layouts_are_found(void)
{
    const lb_shape sample = lb_shape_of(3, 3, 8, 6);
    const lb_shape shapes[] = {
        lb_shape_of(4, (int)LB_BATCH, 3, 8, 6), lb_shape_of(4, (int)LB_BATCH, 8, 6, 3),
        lb_shape_of(2, (int)LB_BATCH, 144), lb_shape_of(4, (int)LB_BATCH, 3, 8, 8)};
    const lb_code codes[] = {LB_OK, LB_OK, LB_OK, LB_ERR_INPUT};
    const int layouts[] = {LB_CHANNELS_FIRST, LB_CHANNELS_LAST, LB_CHANNELS_FIRST, 0};

    for (int i = 0; i < 4; i++) {
        lb_input_options options = {0};
        lb_graph *graph = NULL;
        lb_error err = {0};
        lb_builder b;
        CHECK_OK(lb_graph_new(&graph, &err), &err);
        lb_builder_init(&b, graph);
        lb_input(&b, "x", LB_F32, &shapes[i]);
        CHECK_OK(lb_builder_finish(&b, &err), &err);
        CHECK(lb_input_match(graph, &sample, &options, &err) == codes[i]);
        CHECK(options.layout == layouts[i]);
        lb_graph_free(graph);
    }
}

int main(void)
{
    RUN(figures_are_right);
    RUN(probabilities_may_be_held_in_int8);
    RUN(agreement_counts_equal_answers);
    RUN(divergence_is_of_the_teacher_first);
    RUN(ties_go_to_the_lower_class);
    RUN(nothing_labelled_is_not_a_number);
    RUN(layouts_are_found);
    return DONE();
}
