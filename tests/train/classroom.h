/* classroom.h: a small data set and a small network, for the tests of training. */
#ifndef LB_TESTS_CLASSROOM_H
#define LB_TESTS_CLASSROOM_H

#include "models/parts.h"
#include "train/train.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"

enum { ROOM_SIDE = 8, ROOM_CLASSES = 4, ROOM_TRAIN = 72, ROOM_VALIDATION = 21 };

typedef struct classroom {
    lb_arena *arena;
    lb_pool *pool;
    lb_data *data;
    lb_graph *student;
    lb_term term;
    lb_train_options options;
    lb_train_setup setup;
} classroom;

/* Classes are noisy bright quarters of an 8x8 picture. */
static inline lb_data *classroom_data(lb_arena *arena)
{
    enum { N = ROOM_TRAIN + ROOM_VALIDATION, AREA = ROOM_SIDE * ROOM_SIDE };
    lb_data *const d = LB_TAKE(arena, lb_data);
    uint8_t *const pixels = LB_TAKE_ARRAY(arena, N * AREA, uint8_t);
    int32_t *const label = LB_TAKE_ARRAY(arena, N, int32_t);
    int32_t *const sample = LB_TAKE_ARRAY(arena, N, int32_t);
    lb_rng rng = lb_rng_make(11, LB_RNG_TEST, 0, 0);

    for (int i = 0; i < N; i++) {
        label[i] = (int32_t)lb_rng_below(&rng, ROOM_CLASSES);
        sample[i] = i;
        for (int k = 0; k < AREA; k++) {
            const int quarter = (k / ROOM_SIDE >= 4) * 2 + (k % ROOM_SIDE >= 4);
            const double bright = quarter == label[i] ? 150 : 90;
            pixels[i * AREA + k] = (uint8_t)(bright + 100 * lb_rng_uniform(&rng));
        }
    }
    d->content =
        (lb_content){.shape = lb_shape_of(3, 1, ROOM_SIDE, ROOM_SIDE),
                     .n_classes = ROOM_CLASSES,
                     .train = {.n = N, .dtype = LB_U8, .value = pixels, .label = label},
                     .test = {.n = N, .dtype = LB_U8, .value = pixels, .label = label},
                     .is_image = true};
    d->options.augment[0] = (lb_augment){.kind = LB_AUGMENT_SHIFT, .pixels = 1};
    d->options.n_augment = 1;
    d->options.labels = d->options.fraction = 1;
    d->seed = 3;
    d->n[LB_TRAIN] = ROOM_TRAIN;
    d->n[LB_VALIDATION] = ROOM_VALIDATION;
    d->n[LB_TEST] = N;
    d->sample[LB_TRAIN] = sample;
    d->train_label = label;
    d->sample[LB_VALIDATION] = sample + ROOM_TRAIN;
    d->sample[LB_TEST] = sample;
    return d;
}

/* Convolution, norm, relu, mean, dense. */
static inline lb_graph *classroom_student(void)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, ROOM_SIDE, ROOM_SIDE);
    const lb_window window = lb_square_window(3, 2);
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    lb_maker m = {.b = &b, .seed = 5};
    const lb_value x = lb_input(&b, "input", LB_F32, &in);
    const lb_value c = lb_make_conv(&m, x, 8, &window, false, "conv");
    const lb_value n = lb_make_norm(&m, c, "norm");
    const lb_value r = lb_relu(&b, n, "relu");
    const lb_value c2 = lb_make_conv(&m, r, 8, &window, true, "conv2");
    const lb_value r2 = lb_relu(&b, c2, "relu2");
    const lb_shape flat = lb_shape_of(2, (int)LB_BATCH, 32);
    const lb_value f = lb_reshape(&b, r2, &flat);
    lb_tensor *w = NULL;
    const lb_shape shape = lb_shape_of(2, ROOM_CLASSES, 32);
    CHECK_OK(lb_tensor_new(graph->arena, LB_F32, &shape, &w, &err), &err);
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, 0, 0);
    for (size_t i = 0; i < w->n; i++)
        lb_tensor_put(w, i, 0.2 * lb_rng_normal(&rng));
    const lb_value weight = lb_param(&b, "dense/weight", w);
    const lb_value y = lb_gemm(&b, f, weight, (lb_value){0}, false, true, "logits");
    lb_output(&b, y);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return graph;
}

/* 3 epochs of 4 batches of 16: 12 steps (the odd samples are dropped). */
static inline void classroom_open(classroom *c, int threads)
{
    lb_error err = {0};

    memset(c, 0, sizeof *c);
    c->arena = lb_arena_new(0);
    CHECK_OK(lb_pool_new(threads, &c->pool, &err), &err);
    c->data = classroom_data(c->arena);
    c->student = classroom_student();
    c->term = (lb_term){.loss = lb_loss_find("ce"), .weight = 1};
    c->options = (lb_train_options){
        .epochs = 3,
        .batch = 16,
        .sgd = {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3, .nesterov = true},
        .schedule = {.kind = LB_SCHEDULE_COSINE, .warmup = 0.5},
        .loader_threads = 2};
    c->setup = (lb_train_setup){.options = &c->options,
                                .terms = &c->term,
                                .n_terms = 1,
                                .student = c->student,
                                .input = {.pixels = LB_PIXELS_UNIT, .mean = {1, {0.5}}},
                                .data = c->data,
                                .seed = 3,
                                .pool = c->pool,
                                .key = "the key"};
}

static inline void classroom_close(classroom *c)
{
    lb_graph_free(c->student);
    lb_pool_free(c->pool);
    lb_arena_free(c->arena);
}

/* All params in a row; the caller's array of `most` floats; returns how many. */
static inline size_t classroom_weights(const classroom *c, float *out, size_t most)
{
    size_t n = 0;

    for (int i = 1; i < c->student->n_values; i++) {
        const lb_value_info *const v = &c->student->values[i];
        if (v->kind != LB_VALUE_PARAM || n + v->tensor->n > most)
            continue;
        memcpy(out + n, v->tensor->data, lb_tensor_bytes(v->tensor));
        n += v->tensor->n;
    }
    return n;
}

#endif
