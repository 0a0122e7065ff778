/* test_alignment.c: whole networks layer against layer, held against HSIC as the paper
 * writes it over what an extractor gives; the choice of pairs and of samples. */
#include "train/alignment.h"
#include "train/extract.h"

#include "classroom.h"

static classroom room;
static lb_voice voice; /* the classroom's student */

/* Another network of the same inputs, classes and first plane; more channels. */
static lb_graph *wider(bool softmax)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, ROOM_SIDE, ROOM_SIDE);
    const lb_window window = lb_square_window(3, 2);
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    lb_maker m = {.b = &b, .seed = 77};
    const lb_value x = lb_input(&b, "input", LB_F32, &in);
    const lb_value c = lb_make_conv(&m, x, 12, &window, false, "stem");
    const lb_value r = lb_relu(&b, lb_make_norm(&m, c, "stem_norm"), "stem_relu");
    const lb_value c2 = lb_make_conv(&m, r, ROOM_CLASSES, &window, true, "late");
    const lb_value y = lb_flatten(&b, lb_global_average_pool(&b, c2, "pool"), "logits");
    lb_output(&b, softmax ? lb_softmax(&b, y, 1) : y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return graph;
}

static lb_alignment align(const lb_voice *teacher, const lb_voice *student,
                          const lb_tap *pair, int n, lb_split split, lb_pool *pool)
{
    const lb_align_setup setup = {.teacher = teacher,
                                  .student = student,
                                  .pair = pair,
                                  .n_pairs = n,
                                  .data = room.data,
                                  .split = split,
                                  .pool = pool};
    lb_alignment out = {0};
    lb_error err = {0};

    CHECK_OK(lb_align(&setup, room.arena, &out, &err), &err);
    return out;
}

static void a_network_is_itself(void)
{
    lb_tap pair[LB_MAX_PAIRS + 2];
    int n = lb_align_auto(room.student, room.student, room.arena, pair);

    CHECK(n == 3); /* 4x4, 2x2, and what the dense layer is given */
    const lb_tap answers = lb_align_answers(room.student, room.student);
    CHECK(lb_align_add(pair, &n, 4, &answers) && n == 4);
    CHECK(lb_align_add(pair, &n, 4, &answers) && n == 4); /* it is there */
    CHECK_TEXT(lb_info(room.student, pair[3].teacher)->name, "logits");
    CHECK(pair[0].student_shape.dim[2] == 4 && pair[1].teacher_shape.dim[2] == 2);
    const lb_tap one_more = {.student = pair[0].student, .teacher = pair[1].teacher};
    CHECK(!lb_align_add(pair, &n, 4, &one_more) && n == 4);
    const lb_alignment a = align(&voice, &voice, pair, n, LB_TEST, room.pool);
    CHECK(a.samples == 92 && a.batch == 46 && a.n_teacher == 4 && a.n_student == 4);
    for (int t = 0; t < 4; t++) {
        CHECK_NEAR(a.cka[5 * t], 1, 1e-12);
        CHECK_NEAR(lb_alignment_of(&a, &pair[t]), 1, 1e-12);
        for (int s = 0; s < t; s++) {
            CHECK_NEAR(a.cka[4 * t + s], a.cka[4 * s + t], 1e-12);
            CHECK(a.cka[4 * t + s] < 1.0 || t == 2); /* row 2 is map 1, flattened */
            CHECK(a.cka[4 * t + s] > 0.02);
        }
    }
    CHECK_NEAR(a.cka[4 * 2 + 1], 1, 1e-12);
    CHECK(isnan(lb_alignment_of(&a, &(lb_tap){.teacher = {1}, .student = {1}})));
}

/* The formula as the paper writes it. K, L: of the rows, diagonal and all. */
static double hsic(double *k, double *l, int n)
{
    double trace = 0, sum_k = 0, sum_l = 0, sum_kl = 0;

    for (int i = 0; i < n; i++)
        k[i * n + i] = l[i * n + i] = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            trace += k[i * n + j] * l[j * n + i];
            sum_k += k[i * n + j];
            sum_l += l[i * n + j];
            for (int m = 0; m < n; m++)
                sum_kl += k[i * n + j] * l[j * n + m];
        }
    return (trace + sum_k * sum_l / ((n - 1.0) * (n - 2)) - 2 / (n - 2.0) * sum_kl) /
           (n * (n - 3.0));
}

/* Products of what the layer gives for the samples, one after the other. */
static void products(const lb_voice *network, lb_value layer, const int *sample, int n,
                     double *out)
{
    const lb_extractor_setup setup = {.network = network,
                                      .layers = &layer,
                                      .n_layers = 1,
                                      .batch = n,
                                      .data = room.data,
                                      .split = LB_VALIDATION,
                                      .pool = room.pool,
                                      .kernels = LB_KERNELS_REFERENCE};
    const lb_shape shape = lb_shape_bind(&lb_info(network->graph, layer)->type.shape, 1);
    size_t d = 0;
    lb_extractor *extractor = NULL;
    lb_error err = {0};

    CHECK(lb_shape_count(&shape, &d));
    CHECK_OK(lb_extractor_open(&setup, room.arena, &extractor, &err), &err);
    if (!extractor)
        return;
    lb_extractor_ask(extractor, sample, n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            const float *const a = lb_extractor_row(extractor, 0, i);
            const float *const b = lb_extractor_row(extractor, 0, k);
            out[i * n + k] = 0;
            for (size_t c = 0; c < d; c++)
                out[i * n + k] += (double)a[c] * (double)b[c];
        }
    lb_extractor_close(extractor);
}

static void the_formula_of_the_paper_agrees(void)
{
    enum { N = ROOM_VALIDATION };
    static double k[N * N], l[N * N], same[N * N];
    lb_graph *const other = wider(true);
    const lb_voice teacher = {other, voice.input};
    lb_tap pair[LB_MAX_PAIRS + 2];
    int sample[N], n = lb_align_auto(room.student, other, room.arena, pair);

    const lb_tap answers = lb_align_answers(room.student, other);
    CHECK(lb_align_add(pair, &n, LB_MAX_PAIRS + 2, &answers));
    CHECK_TEXT(lb_info(other, answers.teacher)->name, "logits"); /* not the softmax */
    CHECK(n >= 3);
    for (int i = 0; i < N; i++)
        sample[i] = i;
    const lb_alignment a = align(&teacher, &voice, pair, n, LB_VALIDATION, room.pool);
    CHECK(a.samples == N && a.batch == N);
    for (int i = 0; i < n; i++) {
        products(&voice, pair[i].student, sample, N, k);
        products(&teacher, pair[i].teacher, sample, N, l);
        const double xy = hsic(k, l, N);
        memcpy(same, k, sizeof same);
        const double xx = hsic(k, same, N);
        memcpy(same, l, sizeof same);
        const double yy = hsic(l, same, N);
        const double cka = lb_alignment_of(&a, &pair[i]);
        CHECK_NEAR(cka, xy / sqrt(xx * yy), 1e-4); /* of other kernels in float32 */
        CHECK(cka > 0.05 && cka < 0.999);
    }
    lb_graph_free(other);
}

/* Labels that stand in the order of the classes, as in folders: every batch still has
 * samples of all classes, and the figure is that of the shuffled ones. */
static void sorted_sources_are_spread(void)
{
    lb_graph *const other = wider(false);
    const lb_voice teacher = {other, voice.input};
    const lb_tap answers = lb_align_answers(room.student, other);
    int32_t sorted[ROOM_TRAIN + ROOM_VALIDATION];
    const int32_t *const before = room.data->sample[LB_TEST];
    int n = 0;

    const double mixed = align(&teacher, &voice, &answers, 1, LB_TEST, room.pool).cka[0];
    for (int label = 0; label < ROOM_CLASSES; label++)
        for (int i = 0; i < room.data->n[LB_TEST]; i++)
            if (lb_data_label(room.data, LB_TEST, i) == label)
                sorted[n++] = i;
    CHECK(n == room.data->n[LB_TEST]);
    room.data->sample[LB_TEST] = sorted;
    const double in_order =
        align(&teacher, &voice, &answers, 1, LB_TEST, room.pool).cka[0];
    room.data->sample[LB_TEST] = before;
    CHECK_NEAR(in_order, mixed, 0.06);
    lb_graph_free(other);
}

static void threads_change_no_bit(void)
{
    lb_graph *const other = wider(false);
    const lb_voice teacher = {other, voice.input};
    lb_tap pair[LB_MAX_PAIRS + 1];
    const int n = lb_align_auto(room.student, other, room.arena, pair);
    const lb_alignment a = align(&teacher, &voice, pair, n, LB_TEST, room.pool);
    lb_pool *three = NULL;
    lb_error err = {0};

    CHECK_OK(lb_pool_new(3, &three, &err), &err);
    const lb_alignment b = align(&teacher, &voice, pair, n, LB_TEST, three);
    CHECK(a.n_teacher == b.n_teacher && a.n_student == b.n_student);
    CHECK(memcmp(a.cka, b.cka, (size_t)(a.n_teacher * a.n_student) * sizeof(double)) ==
          0);
    lb_pool_free(three);
    lb_graph_free(other);
}

static void few_samples_have_no_figure(void)
{
    const lb_tap answers = lb_align_answers(room.student, room.student);
    const int n = room.data->n[LB_TEST];

    for (int few = 0; few < 6; few++) {
        room.data->n[LB_TEST] = few;
        const lb_alignment a = align(&voice, &voice, &answers, 1, LB_TEST, room.pool);
        CHECK(a.samples == few && isnan(a.cka[0]) == (few < 4));
    }
    room.data->n[LB_TEST] = n;
}

/* Every failure of memory is an error and no more; the last try works. */
static void memory_may_run_out(void)
{
    const lb_tap answers = lb_align_answers(room.student, room.student);
    const lb_align_setup setup = {.teacher = &voice,
                                  .student = &voice,
                                  .pair = &answers,
                                  .n_pairs = 1,
                                  .data = room.data,
                                  .split = LB_VALIDATION,
                                  .pool = room.pool};
    bool ended = false;

    for (long after = 0; !ended && after < 4000; after += after < 40 ? 1 : 17) {
        lb_alignment out = {0};
        lb_error err = {0};
        lb_arena_fail_after(after);
        const lb_code code = lb_align(&setup, room.arena, &out, &err);
        lb_arena_fail_after(-1);
        ended = code == LB_OK;
        CHECK(ended ? out.samples > 0 : code == LB_ERR_MEMORY && out.samples == 0);
    }
    CHECK(ended);
}

int main(void)
{
    classroom_open(&room, 2);
    voice = (lb_voice){room.student, room.setup.input};
    RUN(a_network_is_itself);
    RUN(the_formula_of_the_paper_agrees);
    RUN(sorted_sources_are_spread);
    RUN(threads_change_no_bit);
    RUN(few_samples_have_no_figure);
    RUN(memory_may_run_out);
    classroom_close(&room);
    return DONE();
}
