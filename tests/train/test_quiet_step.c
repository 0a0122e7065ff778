/* test_quiet_step.c: a training step takes no memory, looks up no name, and changes no
 * layout but where the plan says so. */
#define _GNU_SOURCE
#include "train/counted.h"

#include "base/rng.h"
#include "engine/plan_int.h"
#include "models/model.h"
#include "train/train_int.h"

#include "check.h"
#include "data/scratch.h"

enum { SIDE = 32, CHANNELS = 3, CLASSES = 10, BATCH = 16, BATCHES = 5, EPOCHS = 2 };
/* What oneDNN 2.6 takes and gives back at most to list the arguments of one execution. */
enum { EXECUTION_TAKINGS = 16 };
enum { N = BATCH * BATCHES, SIZE = CHANNELS * SIDE * SIDE };

typedef struct scene {
    lb_arena *arena;
    lb_pool *pool;
    lb_data *data;
    lb_graph *student, *teacher_graph;
    lb_teacher *teacher;
    lb_teacher_options teacher_options;
    lb_term terms[2];
    lb_train_options options;
    lb_train_setup setup;
    counts seen[BATCHES * EPOCHS];
    int n_seen;
} scene;

static lb_data *noise(lb_arena *arena)
{
    lb_data *const d = LB_TAKE(arena, lb_data);
    uint8_t *const pixels = LB_TAKE_ARRAY(arena, N * SIZE, uint8_t);
    int32_t *const label = LB_TAKE_ARRAY(arena, N, int32_t);
    int32_t *const sample = LB_TAKE_ARRAY(arena, N, int32_t);
    lb_rng rng = lb_rng_make(8, LB_RNG_TEST, 0, 0);

    for (int i = 0; i < N * SIZE; i++)
        pixels[i] = (uint8_t)lb_rng_below(&rng, 256);
    for (int i = 0; i < N; i++) {
        label[i] = (int32_t)lb_rng_below(&rng, CLASSES);
        sample[i] = i;
    }
    d->content =
        (lb_content){.shape = lb_shape_of(3, CHANNELS, SIDE, SIDE),
                     .n_classes = CLASSES,
                     .train = {.n = N, .dtype = LB_U8, .value = pixels, .label = label},
                     .is_image = true};
    d->options.augment[0] = (lb_augment){.kind = LB_AUGMENT_SHIFT, .pixels = 2};
    d->options.augment[1] =
        (lb_augment){.kind = LB_AUGMENT_FLIP, .flip = LB_FLIP_HORIZONTAL};
    d->options.n_augment = 2;
    d->options.labels = d->options.fraction = 1;
    d->n[LB_TRAIN] = N;
    d->sample[LB_TRAIN] = sample;
    d->train_label = label;
    return d;
}

static lb_graph *model(const char *name, const lb_data *data, double width)
{
    const lb_model_options options = {
        .input = data->content.shape, .classes = CLASSES, .width = width};
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(lb_model_build(lb_model_find(name), &options, 1, &graph, &err), &err);
    return graph;
}

static void step_done(void *arg, const lb_step_report *report)
{
    scene *const s = arg;

    (void)report;
    s->seen[s->n_seen++] = count_now();
}

/* cache_folder: NULL for a live teacher. */
static void open_scene(scene *s, const char *name, double width, const char *cache_folder)
{
    lb_error err = {0};

    memset(s, 0, sizeof *s);
    s->arena = lb_arena_new(0);
    CHECK_OK(lb_pool_new(2, &s->pool, &err), &err);
    s->data = noise(s->arena);
    s->student = model(name, s->data, width);
    s->teacher_graph = model("resnet", s->data, 0.5);
    s->teacher_options = (lb_teacher_options){
        .views = 1, .store = cache_folder ? LB_CACHE_FP32 : LB_CACHE_NONE};
    const lb_teacher_setup teacher = {.options = &s->teacher_options,
                                      .graph = s->teacher_graph,
                                      .data = s->data,
                                      .pool = s->pool,
                                      .batch = BATCH,
                                      .cache_folder = cache_folder};
    CHECK_OK(lb_teacher_open(&teacher, s->arena, &s->teacher, &err), &err);
    const lb_loss *const kd = lb_loss_find("kd");
    s->terms[0] = (lb_term){.loss = kd, .weight = 0.9, .knobs = {kd->knobs[0].usual}};
    s->terms[1] = (lb_term){.loss = lb_loss_find("ce"), .weight = 0.1};
    s->options = (lb_train_options){
        .epochs = EPOCHS,
        .batch = BATCH,
        .sgd = {.lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true},
        .schedule = {.kind = LB_SCHEDULE_COSINE},
        .loader_threads = 1};
    s->setup = (lb_train_setup){.options = &s->options,
                                .terms = s->terms,
                                .n_terms = 2,
                                .student = s->student,
                                .teacher = s->teacher,
                                .views = 1,
                                .data = s->data,
                                .pool = s->pool,
                                .watch = {.arg = s, .step = step_done}};
}

static void close_scene(scene *s)
{
    lb_teacher_close(s->teacher);
    lb_graph_free(s->teacher_graph);
    lb_graph_free(s->student);
    lb_pool_free(s->pool);
    lb_arena_free(s->arena);
}

/* All that happens from one step to the next of the same epoch: the loader's work, the
 * teacher's answers, the step itself, the ledger. */
static void check_quiet(const char *name, double width, const char *cache_folder)
{
    lb_train_result result = {0};
    lb_error err = {0};
    scene s;

    open_scene(&s, name, width, cache_folder);
    CHECK_OK(lb_train_run(&s.setup, s.arena, &result, &err), &err);
    CHECK(s.n_seen == BATCHES * EPOCHS);
    for (int i = 1; i < s.n_seen; i++) {
        const counts c = counts_between(s.seen[i - 1], s.seen[i]);
        if (i % BATCHES == 0) /* an epoch ends in between */
            continue;
        if (c.memory || c.words)
            printf("# %s, step %d: %ld takings of memory, %ld looks at words\n", name,
                   i + 1, c.memory, c.words);
        CHECK(c.memory == 0);
        CHECK(c.foreign <= EXECUTION_TAKINGS * c.executions);
        CHECK(c.words == 0);
    }
    close_scene(&s);
}

static void takes_no_memory_and_looks_up_no_name(void)
{
    char folder[64];

    scratch_make(folder);
    check_quiet("resnet", 1, NULL);
    check_quiet("ds-cnn", 1, NULL);
    check_quiet("ds-cnn", 0.25, folder);
    scratch_remove(folder);
    if (!LB_COUNTS_MEMORY)
        SKIP("memory is not counted: a sanitizer, or no glibc; names were");
}

/* The counters do count, or the zeros above say nothing. */
static void counts_what_happens(void)
{
    lb_error err = {0};
    lb_graph *graph = NULL;
    scene s;

    open_scene(&s, "ds-cnn", 0.25, NULL);
    const counts before = count_now();
    CHECK_OK(lb_graph_clone(s.student, &graph, &err), &err);
    lb_graph_free(graph);
    CHECK(lb_model_find("resnet") != NULL);
    const counts after = counts_between(before, count_now());
    CHECK(after.words > 0);
    CHECK(after.memory > 0 || !LB_COUNTS_MEMORY);
    close_scene(&s);
}

/* Runs one step of a lesson: layouts change where the plan has a reorder, packed weights
 * are made where it has a pack or unpacks a sum, nowhere else. */
static void check_layouts(const char *name, double width, int most)
{
    lb_error err = {0};
    lb_lesson lesson = {0};
    int32_t labels[BATCH] = {0};
    long reorders = 0, calls = 0, packs = 0;
    scene s;

    open_scene(&s, name, width, NULL);
    CHECK_OK(lb_lesson_open(&s.setup, s.student, CLASSES, s.arena, &lesson, &err), &err);
    const counts before = count_now();
    lb_lesson_run(&lesson, labels, 0, 0);
    const counts c = counts_between(before, count_now());
    for (int i = 0; i < lesson.plan->n_steps; i++) {
        const lb_step *const step = &lesson.plan->steps[i];
        reorders += step->kind == LB_STEP_REORDER;
        calls += step->kind != LB_STEP_REORDER ? 0
                 : step->grouped               ? lesson.plan->n_groups
                                               : 1;
        packs +=
            step->kind == LB_STEP_PACK || (step->kind == LB_STEP_SUM && step->kernel);
    }
    CHECK(lb_plan_describe(lesson.plan).n_reorders == reorders);
    if (reorders > most)
        printf("# %s: %ld reorders instead of %d\n", name, reorders, most);
    CHECK(reorders <= most);
    CHECK(c.layouts == calls);
    CHECK(c.packs <= packs);
    lb_lesson_close(&lesson);
    close_scene(&s);
}

/* One at most: the gradient of the dense layer on its way back into the last map. */
static void changes_layouts_only_where_planned(void)
{
    check_layouts("resnet", 1, 1);
    check_layouts("ds-cnn", 1, 1);
}

int main(void)
{
    RUN(takes_no_memory_and_looks_up_no_name);
    RUN(counts_what_happens);
    RUN(changes_layouts_only_where_planned);
    return DONE();
}
