/* entrant.c: limbeck's side of the comparison.
 *
 * It runs what a product run runs: networks come in through onnx/, the teacher through
 * distill/teacher.h, a training step through train/'s lesson. A process prints "ready",
 * then answers one line on stdout for each line on stdin; bench/protocol.md has the
 * words.
 *
 *     entrant FOLDER [threads] [best|native|onednn|reference] */
#include "train/train_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "onnx/onnx.h"
#include "tensor/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 64 << 20, MAX_WORKS = 64 };

/* As bench/peer.py has them. */
static const lb_sgd_options sgd = {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4};

typedef struct side {
    const char *folder;
    lb_arena *arena;
    lb_pool *pool;
    lb_kernels kernels;
    const lb_tensor *images, *labels;
    lb_input_options input;
} side;

/* What one word of the protocol runs, at one batch. */
typedef struct work {
    const struct kind *kind;
    int n;
    side *side;
    lb_data data;
    lb_batch batch;
    int32_t *numbers; /* 0, 1, 2, ... */
    lb_graph *student, *teacher_graph;
    lb_teacher_options teacher_options;
    lb_teacher *teacher;
    lb_term terms[2];
    lb_train_options options;
    lb_train_setup setup;
    lb_lesson lesson;
    lb_tensor **initial; /* of each param of the lesson */
    lb_feed feed;
    float *logits, *sample_view;
} work;

typedef struct kind {
    const char *name;
    const char *network; /* whose inference it is, or NULL */
    bool student, kd, live, cached, loader;
} kind;

static const kind kinds[] = {
    {.name = "teacher", .network = "teacher.onnx"},
    {.name = "latency-teacher", .network = "teacher.onnx"},
    {.name = "latency-student", .network = "student.onnx"},
    {.name = "student", .student = true},
    {.name = "kd", .network = "teacher.onnx", .student = true, .kd = true, .live = true},
    {.name = "cached",
     .network = "teacher.onnx",
     .student = true,
     .kd = true,
     .cached = true},
    {.name = "loader", .loader = true},
};

static const kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static lb_code load_array(side *s, const char *name, const lb_tensor **out, lb_error *err)
{
    const char *const path = lb_path_join(s->arena, s->folder, name);
    lb_tensor *tensor = NULL;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a path");
    LB_TRY(lb_npy_load(s->arena, path, LARGEST, &tensor, err));
    *out = tensor;
    return LB_OK;
}

/* The first n samples as a data set, with the augmentation of the recipe. */
static lb_code make_data(work *w, lb_error *err)
{
    side *const s = w->side;
    lb_data *const d = &w->data;
    lb_hash hash;

    w->numbers = LB_TAKE_ARRAY(s->arena, w->n, int32_t);
    int32_t *const view = LB_TAKE_ARRAY(s->arena, w->n, int32_t);
    w->logits = LB_TAKE_ARRAY(s->arena, w->n * 10, float);
    w->sample_view =
        LB_TAKE_ARRAY(s->arena, s->images->n / (size_t)s->images->shape.dim[0], float);
    if (!w->numbers || !view || !w->logits || !w->sample_view)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a batch");
    for (int i = 0; i < w->n; i++)
        w->numbers[i] = i;
    d->content = (lb_content){.shape = s->images->shape,
                              .n_classes = 10,
                              .train = {.n = w->n,
                                        .dtype = LB_F32,
                                        .value = s->images->data,
                                        .label = s->labels->data},
                              .is_image = true};
    d->content.shape.rank = s->images->shape.rank - 1;
    for (int i = 0; i < d->content.shape.rank; i++)
        d->content.shape.dim[i] = s->images->shape.dim[i + 1];
    d->options.labels = d->options.fraction = 1;
    if (w->kind->loader) {
        d->options.augment[0] = (lb_augment){.kind = LB_AUGMENT_SHIFT, .pixels = 4};
        d->options.augment[1] =
            (lb_augment){.kind = LB_AUGMENT_FLIP, .flip = LB_FLIP_HORIZONTAL};
        d->options.n_augment = 2;
    }
    d->seed = 1;
    d->n[LB_TRAIN] = w->n;
    d->sample[LB_TRAIN] = w->numbers;
    d->train_label = s->labels->data;
    lb_hash_init(&hash);
    lb_hash_add(&hash, s->images->data, lb_tensor_bytes(s->images));
    lb_hash_add(&hash, &w->n, sizeof w->n);
    d->digest = lb_hash_end(&hash);
    w->batch = (lb_batch){.n = w->n,
                          .pixels = s->images->data,
                          .label = s->labels->data,
                          .sample = w->numbers,
                          .view = view};
    return LB_OK;
}

static lb_code open_teacher(work *w, lb_error *err)
{
    side *const s = w->side;
    const char *const path = lb_path_join(s->arena, s->folder, w->kind->network);
    lb_digest digest;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a path");
    LB_TRY(lb_onnx_load(path, &w->teacher_graph, &digest, err));
    w->teacher_options = (lb_teacher_options){
        .input = s->input, .views = w->kind->cached ? 1 : 0, .store = LB_CACHE_FP32};
    const lb_teacher_setup setup = {
        .options = &w->teacher_options,
        .graph = w->teacher_graph,
        .graph_digest = digest,
        .data = &w->data,
        .pool = s->pool,
        .kernels = s->kernels,
        .batch = w->n,
        .cache_folder =
            w->kind->cached ? lb_path_join(s->arena, s->folder, "rows") : NULL};
    return lb_teacher_open(&setup, s->arena, &w->teacher, err);
}

static lb_code open_lesson(work *w, lb_error *err)
{
    side *const s = w->side;
    const char *const path = lb_path_join(s->arena, s->folder, "student.onnx");
    int n = 0;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a path");
    LB_TRY(lb_onnx_load(path, &w->student, NULL, err));
    w->terms[n++] =
        (lb_term){.loss = lb_loss_find("ce"), .weight = w->kind->kd ? 0.1 : 1.0};
    if (w->kind->kd)
        w->terms[n++] =
            (lb_term){.loss = lb_loss_find("kd"), .weight = 0.9, .knobs = {4.0}};
    w->options = (lb_train_options){.epochs = 1, .batch = w->n, .sgd = sgd};
    w->setup = (lb_train_setup){.options = &w->options,
                                .terms = w->terms,
                                .n_terms = n,
                                .student = w->student,
                                .input = s->input,
                                .teacher = w->teacher,
                                .data = &w->data,
                                .pool = s->pool,
                                .kernels = s->kernels};
    LB_TRY(
        lb_feed_init(&w->feed, w->student, &s->input, &w->data, s->pool, s->arena, err));
    LB_TRY(lb_lesson_open(&w->setup, w->student, 10, s->arena, &w->lesson, err));
    w->initial = LB_TAKE_ARRAY(s->arena, w->lesson.n_params, lb_tensor *);
    if (!w->initial)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the initial weights");
    for (int i = 0; i < w->lesson.n_params; i++)
        LB_TRY(lb_tensor_copy(s->arena, w->lesson.param[i], &w->initial[i], err));
    return LB_OK;
}

static lb_code open_work(work *w, side *s, const kind *what, int n, lb_error *err)
{
    *w = (work){.kind = what, .n = n, .side = s};
    if (n < 1 || n > s->images->shape.dim[0])
        return lb_raise(err, LB_ERR_INPUT, "the batch must be 1 to %d, not %d",
                        s->images->shape.dim[0], n);
    LB_TRY(make_data(w, err));
    if (what->network)
        LB_TRY(open_teacher(w, err));
    return what->student ? open_lesson(w, err) : LB_OK;
}

static void close_work(work *w)
{
    lb_lesson_close(&w->lesson);
    lb_teacher_close(w->teacher);
    lb_graph_free(w->student);
    lb_graph_free(w->teacher_graph);
    *w = (work){0};
}

/* The initial weights, and no velocity. */
static void reset(work *w)
{
    lb_lesson *const lesson = &w->lesson;

    if (!w->kind->student)
        return;
    for (int i = 0; i < lesson->n_params; i++)
        memcpy(lesson->param[i]->data, w->initial[i]->data,
               lb_tensor_bytes(w->initial[i]));
    for (int i = 0; i < lesson->n_velocities; i++)
        memset(lesson->velocity[i]->data, 0, lb_tensor_bytes(lesson->velocity[i]));
    lb_plan_refresh(lesson->plan);
}

/* One step as train/loop.c makes it; returns the loss. */
static double step(work *w)
{
    if (w->kind->loader) {
        for (int i = 0; i < w->n; i++)
            lb_data_view(&w->data, i, 1, w->sample_view);
        return 0;
    }
    if (w->teacher)
        lb_teacher_logits(w->teacher, &w->batch, w->logits);
    if (!w->kind->student)
        return (double)w->logits[0];
    lb_feed_pixels(&w->feed, w->lesson.plan, w->lesson.input, w->batch.pixels, w->n);
    if (w->kind->kd)
        lb_lesson_hear(&w->lesson, w->logits);
    return lb_lesson_run(&w->lesson, w->batch.label, sgd.lr, 0);
}

/* From the initial weights, so that no window runs on a network that has learnt its one
 * batch by heart (its gradients are too small for fast arithmetic). */
static double seconds_of(work *w, int steps)
{
    reset(w);
    const double start = lb_clock_wall();

    for (int i = 0; i < steps; i++)
        step(w);
    return lb_clock_wall() - start;
}

/* Bytes from a line of /proc/self/status. */
static long status(const char *key)
{
    FILE *const f = fopen("/proc/self/status", "r");
    char line[256];
    long kilobytes = -1;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = strtol(line + strlen(key), NULL, 10);
    if (f)
        fclose(f);
    return kilobytes * 1024;
}

/* Of all params after some steps: the same bits give the same text. */
static void print_bits(work *w, int steps)
{
    lb_hash hash;
    char text[65];

    reset(w);
    for (int i = 0; i < steps; i++)
        step(w);
    lb_hash_init(&hash);
    for (int i = 0; i < w->lesson.n_params; i++)
        lb_hash_add(&hash, w->lesson.param[i]->data, lb_tensor_bytes(w->lesson.param[i]));
    const lb_digest digest = lb_hash_end(&hash);
    lb_digest_text(&digest, text);
    puts(text);
}

static void print_losses(work *w, int steps)
{
    reset(w);
    for (int i = 0; i < steps; i++) {
        const double loss = step(w);
        printf("%s%.9g", i ? " " : "", loss);
    }
    puts("");
}

/* Peak above what was in use before the networks were made. */
static void print_memory(work *w, int steps, long before)
{
    FILE *f;

    seconds_of(w, 2);
    f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f); /* the high-water mark becomes what is in use now */
        fclose(f);
    }
    seconds_of(w, steps);
    printf("%ld\n", status("VmHWM:") - before);
}

static lb_code answer(side *s, work *works, int *n_works, const char *line, lb_error *err)
{
    char verb[16], name[32], variant[64];
    int n, steps;
    work *w = NULL;

    if (sscanf(line, "%15s %31s %d %63s %d", verb, name, &n, variant, &steps) != 5)
        return lb_raise(err, LB_ERR_INPUT, "expected VERB WORK BATCH VARIANT STEPS");
    for (int i = 0; i < *n_works; i++)
        if (works[i].n == n && strcmp(works[i].kind->name, name) == 0)
            w = &works[i];
    const long before = status("VmRSS:");
    if (!w) {
        const kind *const what = find_kind(name);
        if (!what || *n_works == MAX_WORKS)
            return lb_raise(err, LB_ERR_INPUT, "no such work '%s'", name);
        w = &works[*n_works];
        const lb_code code = open_work(w, s, what, n, err);
        if (code != LB_OK) {
            close_work(w);
            return code;
        }
        *n_works += 1;
    }
    if (strcmp(verb, "run") == 0)
        printf("%.9f\n", seconds_of(w, steps));
    else if (strcmp(verb, "loss") == 0)
        print_losses(w, steps);
    else if (strcmp(verb, "bits") == 0 && w->kind->student)
        print_bits(w, steps);
    else if (strcmp(verb, "memory") == 0)
        print_memory(w, steps, before);
    else
        return lb_raise(err, LB_ERR_INPUT, "no such verb '%s' for '%s'", verb, name);
    return LB_OK;
}

static lb_code open_side(side *s, int argc, char **argv, lb_error *err)
{
    static const char *const tables[] = {[LB_KERNELS_BEST] = "best",
                                         [LB_KERNELS_NATIVE] = "native",
                                         [LB_KERNELS_ONEDNN] = "onednn",
                                         [LB_KERNELS_REFERENCE] = "reference"};
    if (argc < 2)
        return lb_raise(err, LB_ERR_INPUT, "usage: entrant FOLDER [THREADS] [KERNELS]");
    s->folder = argv[1];
    s->input.pixels = LB_PIXELS_RAW;
    s->arena = lb_arena_new(0);
    if (!s->arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory");
    for (int i = 0; argc > 3 && i < (int)(sizeof tables / sizeof *tables); i++)
        if (strcmp(argv[3], tables[i]) == 0)
            s->kernels = (lb_kernels)i;
    LB_TRY(lb_pool_new(argc > 2 ? atoi(argv[2]) : 2, &s->pool, err));
    LB_TRY(load_array(s, "images.npy", &s->images, err));
    LB_TRY(load_array(s, "labels.npy", &s->labels, err));
    if (s->images->dtype != LB_F32 || s->images->shape.rank < 2 ||
        s->labels->dtype != LB_I32 || s->labels->n != (size_t)s->images->shape.dim[0])
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: images must be float32 [N,...], labels int32 [N]",
                        s->folder);
    return LB_OK;
}

int main(int argc, char **argv)
{
    static work works[MAX_WORKS];
    side s = {0};
    lb_error err = {0};
    int n_works = 0;
    char line[256];

    lb_code code = open_side(&s, argc, argv, &err);
    puts(code == LB_OK ? "ready" : err.text);
    fflush(stdout);
    while (code == LB_OK && fgets(line, sizeof line, stdin)) {
        if (answer(&s, works, &n_works, line, &err) != LB_OK)
            printf("error %.300s\n", err.text);
        fflush(stdout);
    }
    for (int i = 0; i < n_works; i++)
        close_work(&works[i]);
    lb_pool_free(s.pool);
    lb_arena_free(s.arena);
    return code == LB_OK ? 0 : 1;
}
