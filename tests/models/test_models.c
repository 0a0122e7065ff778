/* test_models.c: the architectures have the shapes, sizes and names that they promise,
 * begin from the seed alone, and survive an export. */
#include "models/model.h"
#include "onnx/onnx.h"

#include "evaluate.h"

#include <unistd.h>

static lb_graph *build(const char *name, int c, int h, int w, double width, int depth,
                       uint64_t seed)
{
    const lb_model_options options = {
        .input = lb_shape_of(3, c, h, w), .classes = 10, .width = width, .depth = depth};
    const lb_model *const model = lb_model_find(name);
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK(model != NULL);
    if (model)
        CHECK_OK(lb_model_build(model, &options, seed, &g, &err), &err);
    return g;
}

static void check_shape(const lb_graph *g, const char *name, const char *shape)
{
    char text[LB_SHAPE_TEXT];
    const lb_value v = lb_graph_find(g, name);

    CHECK(v.id != 0);
    CHECK_TEXT(lb_shape_text(&lb_info(g, v)->type.shape, text), shape);
}

static void channels_follow_the_width(void)
{
    CHECK(lb_channels(64, 1) == 64);
    CHECK(lb_channels(64, 0.25) == 16);
    CHECK(lb_channels(64, 0.3) == 20);
    CHECK(lb_channels(16, 0.5) == 8);
    CHECK(lb_channels(16, 0.4) == 6);
    CHECK(lb_channels(16, 0.1) == 4);
    CHECK(lb_channels(16, 8) == 128);
}

static void resnet8_is_that_of_mlperf_tiny(void)
{
    lb_graph *const g = build("resnet", 3, 32, 32, 1, 1, 1);

    if (!g)
        return;
    /* 78,666 with the norms' statistics, as Keras counts them */
    CHECK(lb_graph_parameters(g) == 78666);
    CHECK_NEAR(lb_graph_macs(g), 12501632, 200000);
    check_shape(g, "input", "[N,3,32,32]");
    check_shape(g, "stem", "[N,16,32,32]");
    check_shape(g, "block1", "[N,16,32,32]");
    check_shape(g, "block2", "[N,32,16,16]");
    check_shape(g, "block3", "[N,64,8,8]");
    check_shape(g, "logits", "[N,10]");
    CHECK(lb_graph_find(g, "block1/shortcut").id == 0);
    CHECK(lb_graph_find(g, "block2/shortcut/bias").id != 0);
    CHECK(lb_graph_find(g, "block2/shortcut_norm").id == 0);
    lb_graph_free(g);
}

static void deeper_resnets_are_those_of_the_paper(void)
{
    lb_graph *const g = build("resnet", 3, 32, 32, 1, 3, 1);

    if (!g)
        return;
    /* 272,474 with option B shortcuts; and the statistics of 784 channels of norms
     */
    CHECK(lb_graph_parameters(g) == 272474 + 1568);
    check_shape(g, "block4", "[N,32,16,16]");
    check_shape(g, "block9", "[N,64,8,8]");
    CHECK(lb_graph_find(g, "block4/shortcut_norm").id != 0);
    CHECK(lb_graph_find(g, "stem/conv/bias").id == 0);
    lb_graph_free(g);
}

static void ds_cnn_has_its_size(void)
{
    lb_graph *g = build("ds-cnn", 1, 28, 28, 1, 0, 1);

    if (g) {
        /* 21,066 that are trained, and the statistics of 64 channels in 9 norms */
        CHECK(lb_graph_parameters(g) == 21066 + 2 * 9 * 64);
        check_shape(g, "stem", "[N,64,14,14]");
        check_shape(g, "block4", "[N,64,14,14]");
        check_shape(g, "logits", "[N,10]");
        CHECK(lb_graph_find(g, "block5").id == 0);
    }
    lb_graph_free(g);
    g = build("ds-cnn", 1, 49, 10, 1, 4, 1); /* the spectrogram of keyword spotting */
    if (g) {
        check_shape(g, "stem/conv/weight", "[64,1,10,4]");
        check_shape(g, "stem", "[N,64,25,5]");
    }
    lb_graph_free(g);
}

static void widths_scale_every_layer(void)
{
    static const double widths[] = {0.125, 0.25, 0.5, 1.5};
    size_t last = 0;

    for (size_t i = 0; i < 4; i++) {
        lb_graph *const narrow = build("ds-cnn", 3, 32, 32, widths[i], 0, 1);
        lb_graph *const other = build("resnet", 1, 28, 28, widths[i], 2, 1);
        if (narrow && other) {
            CHECK(lb_graph_parameters(narrow) > last);
            last = lb_graph_parameters(narrow);
            check_shape(other, "block6", "7,7]");
        }
        lb_graph_free(narrow);
        lb_graph_free(other);
    }
}

static const float *weights(const lb_graph *g, const char *name)
{
    return lb_info(g, lb_graph_find(g, name))->tensor->data;
}

static bool same_weights(const lb_graph *a, const lb_graph *b, const char *in_a,
                         const char *in_b)
{
    const lb_tensor *const x = lb_info(a, lb_graph_find(a, in_a))->tensor;
    const lb_tensor *const y = lb_info(b, lb_graph_find(b, in_b))->tensor;

    return x->n == y->n && memcmp(x->data, y->data, lb_tensor_bytes(x)) == 0;
}

static void weights_come_from_the_seed(void)
{
    lb_graph *const a = build("ds-cnn", 1, 28, 28, 1, 0, 1);
    lb_graph *const b = build("ds-cnn", 1, 28, 28, 1, 0, 1);
    lb_graph *const c = build("ds-cnn", 1, 28, 28, 1, 0, 2);

    if (a && b && c) {
        const float *const w = weights(a, "block2/pw/weight");
        double sum = 0, squares = 0;
        for (int i = 0; i < 64 * 64; i++) {
            sum += w[i];
            squares += (double)w[i] * w[i];
        }
        /* He: a variance of 2 / 64 */
        CHECK_NEAR(sum / 4096, 0, 0.01);
        CHECK_NEAR(squares / 4096, 2.0 / 64, 0.003);
        CHECK(same_weights(a, b, "block2/pw/weight", "block2/pw/weight"));
        CHECK(!same_weights(a, c, "block2/pw/weight", "block2/pw/weight"));
        CHECK(!same_weights(a, a, "block2/pw/weight", "block3/pw/weight"));
    }
    lb_graph_free(a);
    lb_graph_free(b);
    lb_graph_free(c);
}

static void check_same(const lb_graph *g, const lb_graph *back, lb_arena *arena)
{
    CHECK(strcmp(lb_graph_dump(g, arena), lb_graph_dump(back, arena)) == 0);
    for (int i = 1; i < g->n_values; i++) {
        const lb_value_info *const v = &g->values[i];
        const lb_value_info *const w = lb_info(back, lb_graph_find(back, v->name));
        CHECK(v->no_decay == w->no_decay && v->trained == w->trained);
        CHECK(!v->tensor || same_weights(g, back, v->name, v->name));
    }
}

static void every_model_survives_an_export(void)
{
    for (const lb_model *const *model = lb_models; *model; model++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *const g = build((*model)->name, 1, 28, 28, 0.25, 0, 3);
        const char *const folder = getenv("TMPDIR");
        const char *const path = lb_arena_text(arena, "%s/limbeck-model-%ld.onnx",
                                               folder ? folder : "/tmp", (long)getpid());
        lb_graph *back = NULL;
        lb_error err = {0};
        CHECK_OK(lb_onnx_save(g, path, &err), &err);
        CHECK_OK(lb_onnx_load(path, &back, NULL, &err), &err);
        if (back)
            check_same(g, back, arena);
        unlink(path);
        lb_graph_free(back);
        lb_graph_free(g);
        lb_arena_free(arena);
    }
}

static void a_fresh_network_answers_with_finite_numbers(void)
{
    for (const lb_model *const *model = lb_models; *model; model++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *const g = build((*model)->name, 3, 32, 32, 0.5, 0, 1);
        const lb_shape shape = lb_shape_of(4, 2, 3, 32, 32);
        lb_tensor *x = NULL, *out[MAX_OUTPUTS] = {NULL};
        lb_error err = {0};
        CHECK_OK(lb_tensor_new(arena, LB_F32, &shape, &x, &err), &err);
        for (size_t i = 0; i < x->n; i++)
            lb_tensor_put(x, i, (double)(i % 17) / 17 - 0.5);
        CHECK_OK(evaluate(g, x, LB_KERNELS_BEST, arena, out, &err), &err);
        double spread = 0;
        for (size_t i = 0; out[0] && i < out[0]->n; i++)
            spread += fabs(lb_tensor_get(out[0], i));
        CHECK(isfinite(spread) && spread > 1e-3);
        lb_graph_free(g);
        lb_arena_free(arena);
    }
}

static void silly_options_are_refused(void)
{
    lb_model_options options = {
        .input = lb_shape_of(2, 28, 28), .classes = 10, .width = 1};
    const lb_model *const model = lb_model_find("resnet");
    lb_graph *g = NULL;
    lb_error err = {0};

    CHECK(lb_model_find("alexnet") == NULL);
    CHECK(lb_model_build(model, &options, 1, &g, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "model 'resnet' takes samples [C,H,W], not [28,28]");
    options.input = lb_shape_of(3, 1, 28, 28);
    options.width = 0;
    CHECK(lb_model_build(model, &options, 1, &g, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "width must be above 0");
    CHECK(g == NULL);
}

/* Behind its projector a student answers as its teacher does behind its last map, whether
 * the teacher ends in a Softmax or not. */
static void a_tail_is_the_teachers(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_shape input = lb_shape_of(4, 3, 1, 12, 12);
    lb_tensor *out[MAX_OUTPUTS] = {NULL}, *x = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_tensor_new(arena, LB_F32, &input, &x, &err), &err);
    for (size_t i = 0; i < x->n; i++)
        lb_tensor_put(x, i, sin(0.7 * (double)i));
    for (int softmax = 0; softmax < 2; softmax++) {
        lb_graph *const teacher = build("ds-cnn", 1, 12, 12, 0.25, 2, 3);
        lb_graph *student = NULL;
        const lb_value map = lb_graph_find(teacher, "block2");
        const lb_value w = lb_graph_find(teacher, "dense/weight");
        const lb_value bias = lb_graph_find(teacher, "dense/bias");
        if (softmax) {
            lb_builder_init(&b, teacher);
            const lb_value p = lb_softmax(&b, teacher->outputs[0], 1);
            teacher->n_outputs = 0;
            lb_output(&b, p);
            CHECK_OK(lb_builder_finish(&b, &err), &err);
        }
        const lb_model_tail tail = {teacher, map, 4};
        const lb_model_options options = {.input = lb_shape_of(3, 1, 12, 12),
                                          .classes = 10,
                                          .width = 0.125,
                                          .depth = 1,
                                          .tail = &tail};
        CHECK_OK(lb_model_build(lb_model_find("ds-cnn"), &options, 1, &student, &err),
                 &err);
        if (!student)
            break;
        check_shape(student, "projector/in", "[N,4,6,6]");
        check_shape(student, "projector/mid", "[N,4,6,6]");
        check_shape(student, "projector", "[N,16,6,6]");
        check_shape(student, "logits", "[N,10]");
        CHECK(!lb_info(student, lb_graph_find(student, "teacher/dense/weight"))->trained);
        lb_builder_init(&b, student);
        lb_output(&b, lb_graph_find(student, "projector"));
        CHECK_OK(lb_builder_finish(&b, &err), &err);
        CHECK_OK(evaluate(student, x, LB_KERNELS_REFERENCE, arena, out, &err), &err);
        for (int i = 0; i < 3 * 10; i++) {
            double want = lb_tensor_get(lb_info(teacher, bias)->tensor, (size_t)i % 10);
            for (int k = 0; k < 16 * 36; k++)
                want += lb_tensor_get(out[1], (size_t)(i / 10 * 16 * 36 + k)) / 36 *
                        lb_tensor_get(lb_info(teacher, w)->tensor,
                                      (size_t)(i % 10 * 16 + k / 36));
            CHECK_NEAR(lb_tensor_get(out[0], (size_t)i), want, 1e-5);
        }
        lb_graph_free(student);
        lb_graph_free(teacher);
    }
    lb_arena_free(arena);
}

/* A map that is not all that the answers depend on, and no map at all. */
static void a_tail_without_a_map_is_refused(void)
{
    lb_graph *const teacher = build("resnet", 1, 12, 12, 0.25, 1, 3);
    const char *const maps[] = {"block2/conv1", "flatten"};
    const char *const words[] = {"the teacher's answers depend on more than its last map",
                                 "the teacher has no feature map [N,C,H,W]"};

    for (int i = 0; i < 2; i++) {
        const lb_model_tail tail = {teacher, lb_graph_find(teacher, maps[i]), 2};
        const lb_model_options options = {.input = lb_shape_of(3, 1, 12, 12),
                                          .classes = 10,
                                          .width = 0.125,
                                          .tail = &tail};
        lb_graph *student = NULL;
        lb_error err = {0};
        CHECK(tail.from.id != 0);
        CHECK(lb_model_build(lb_model_find("ds-cnn"), &options, 1, &student, &err) !=
              LB_OK);
        CHECK_TEXT(err.text, words[i]);
    }
    lb_graph_free(teacher);
}

int main(void)
{
    RUN(channels_follow_the_width);
    RUN(resnet8_is_that_of_mlperf_tiny);
    RUN(deeper_resnets_are_those_of_the_paper);
    RUN(ds_cnn_has_its_size);
    RUN(widths_scale_every_layer);
    RUN(weights_come_from_the_seed);
    RUN(every_model_survives_an_export);
    RUN(a_fresh_network_answers_with_finite_numbers);
    RUN(silly_options_are_refused);
    RUN(a_tail_is_the_teachers);
    RUN(a_tail_without_a_map_is_refused);
    return DONE();
}
