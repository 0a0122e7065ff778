/* test_teacher.c: the cache says what the live teacher says, bit for bit, or is not used.
 */
#include "distill/teacher_int.h"
#include "models/model.h"
#include "ops/ops.h"

#include "check.h"
#include "data/scratch.h"

#include <dirent.h>

enum { N = 50, BATCH = 16, VIEWS = 3, CLASSES = 3, SIDE = 12 };

static char folder[64], caches[64];
static lb_arena *arena;
static const lb_data *data;
static lb_pool *pool;

typedef struct witness {
    int warnings, calls, stop_after;
    char last[1000], info[1000];
} witness;

static void hear(void *arg, lb_log_level level, const char *text)
{
    witness *const w = arg;

    w->warnings += level == LB_LOG_WARN;
    if (level == LB_LOG_WARN)
        snprintf(w->last, sizeof w->last, "%s", text);
    else
        snprintf(w->info, sizeof w->info, "%s", text);
}

static bool progress(void *arg, int done, int total)
{
    witness *const w = arg;

    w->calls++;
    return done <= total && (w->stop_after == 0 || w->calls < w->stop_after);
}

static void add_softmax(lb_graph *graph)
{
    lb_error err = {0};
    lb_builder b;

    lb_builder_init(&b, graph);
    const lb_value p = lb_softmax(&b, graph->outputs[0], 1);
    graph->n_outputs = 0;
    lb_output(&b, p);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
}

static lb_graph *model(uint64_t seed, bool softmax)
{
    const lb_model_options options = {
        .input = data->content.shape, .classes = CLASSES, .width = 0.25};
    lb_error err = {0};
    lb_graph *graph = NULL;

    CHECK_OK(lb_model_build(lb_model_find("resnet"), &options, seed, &graph, &err), &err);
    if (graph && softmax)
        add_softmax(graph);
    return graph;
}

static lb_teacher_setup setup_of(const lb_teacher_options *options, const lb_graph *graph,
                                 witness *w)
{
    return (lb_teacher_setup){.options = options,
                              .graph = graph,
                              .data = data,
                              .pool = pool,
                              .batch = BATCH,
                              .cache_folder = caches,
                              .log = {hear, w},
                              .progress = progress,
                              .progress_arg = w};
}

static lb_teacher_options options_of(int store)
{
    return (lb_teacher_options){.views = VIEWS,
                                .store = store,
                                .input = {.mean = {1, {0.5}}, .std = {1, {0.25}}}};
}

static lb_teacher *opened(int store, const lb_graph *graph, witness *w)
{
    const lb_teacher_options options = options_of(store);
    const lb_teacher_setup setup = setup_of(&options, graph, w);
    lb_error err = {0};
    lb_teacher *teacher = NULL;

    CHECK_OK(lb_teacher_open(&setup, arena, &teacher, &err), &err);
    return teacher;
}

/* Counts files in the cache folder; the name of the last goes to `name` (if given). */
static int count_files(char name[256])
{
    DIR *const d = opendir(caches);
    int n = 0;

    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (name)
            snprintf(name, 256, "%.255s", e->d_name);
    }
    if (d)
        closedir(d);
    return n;
}

/* All batches of two rounds over the views agree in every bit. */
static void agree(lb_teacher *a, lb_teacher *b)
{
    const lb_loader_options options = {
        .batch = BATCH, .views = VIEWS, .epochs = 2 * VIEWS, .threads = 2};
    float x[BATCH * CLASSES], y[BATCH * CLASSES];
    lb_error err = {0};
    lb_loader *loader = NULL;
    int n = 0;

    CHECK_OK(lb_loader_open(data, &options, &loader, &err), &err);
    for (const lb_batch *batch; a && b && (batch = lb_loader_next(loader)); n++) {
        lb_teacher_logits(a, batch, x);
        lb_teacher_logits(b, batch, y);
        CHECK(memcmp(x, y, sizeof x) == 0);
        CHECK(x[0] != x[1] && isfinite(x[0]));
    }
    CHECK(n == 2 * VIEWS * (N / BATCH));
    lb_loader_close(loader);
}

static void the_cache_equals_the_live_teacher(void)
{
    lb_graph *const graph = model(1, false);

    for (int threads = 1; threads <= 3; threads++) {
        lb_error err = {0};
        witness w = {0}, second = {0}, live = {0};
        lb_pool *const usual = pool;
        CHECK_OK(lb_pool_new(threads, &pool, &err), &err);
        lb_teacher *const a = opened(LB_CACHE_FP32, graph, &w);
        lb_teacher *const b = opened(LB_CACHE_NONE, graph, &live);
        CHECK(threads == 1 ? w.calls == VIEWS * ((N + BATCH - 1) / BATCH) : w.calls == 0);
        CHECK(live.calls == 0 && count_files(NULL) == 1);
        agree(a, b);
        lb_teacher *const again = opened(LB_CACHE_FP32, graph, &second);
        CHECK(second.calls == 0 && second.warnings == 0);
        agree(again, b);
        lb_teacher_close(again);
        lb_teacher_close(a);
        lb_teacher_close(b);
        lb_pool_free(pool);
        pool = usual;
    }
    lb_graph_free(graph);
}

/* A softmax at the end is taken off. */
static void softmax_is_seen_through(void)
{
    lb_graph *const plain = model(1, false), *const soft = model(1, true);
    witness w = {0};
    lb_teacher *const a = opened(LB_CACHE_NONE, plain, &w);
    lb_teacher *const b = opened(LB_CACHE_NONE, soft, &w);

    CHECK(a && !lb_teacher_was_softmax(a));
    CHECK(b && lb_teacher_was_softmax(b));
    agree(a, b);
    CHECK(soft->n_outputs == 1 && soft->nodes[soft->n_nodes - 1].op == &lb_op_Softmax);
    lb_teacher_close(a);
    lb_teacher_close(b);
    lb_graph_free(plain);
    lb_graph_free(soft);
}

/* Flips or cuts the only cache file; it must be noticed, told of, and made anew. */
static void damage_is_noticed(void)
{
    lb_graph *const graph = model(1, false);
    witness live = {0};
    lb_teacher *const b = opened(LB_CACHE_NONE, graph, &live);
    char name[256] = "";
    lb_error err = {0};
    lb_bytes file = {0};

    CHECK(count_files(name) == 1);
    const char *const path = lb_path_join(arena, caches, name);
    CHECK_OK(lb_read_file(arena, path, 1 << 20, &file, &err), &err);
    CHECK(file.size == 64 + (size_t)N * VIEWS * CLASSES * 4 + 32);
    uint8_t *const copy = lb_arena_take(arena, file.size + 1);
    for (size_t at = 0; at < file.size; at += 157) {
        for (int cut = 0; cut < 2; cut++) {
            witness w = {0};
            memcpy(copy, file.data, file.size);
            copy[at] ^= 0x10;
            CHECK_OK(lb_write_file(path, copy, cut ? at : file.size, &err), &err);
            lb_teacher *const a = opened(LB_CACHE_FP32, graph, &w);
            CHECK(w.warnings == 1 && w.calls > 0);
            CHECK_TEXT(w.last, "made anew");
            if (at % 3 == 0)
                agree(a, b);
            lb_teacher_close(a);
        }
    }
    lb_teacher_close(b);
    lb_graph_free(graph);
}

/* A file that names this teacher and is whole, but holds the answers of another. */
static void another_teachers_answers_are_refused(void)
{
    lb_graph *const graph = model(2, false);
    witness w = {0}, live = {0};
    lb_teacher *const a = opened(LB_CACHE_FP32, graph, &w);
    lb_teacher *const b = opened(LB_CACHE_NONE, graph, &live);

    CHECK(w.warnings == 1 && w.calls > 0);
    CHECK_TEXT(w.last, "the teacher now answers otherwise");
    agree(a, b);
    lb_teacher_close(a);
    lb_teacher_close(b);
    lb_graph_free(graph);
}

/* A whole file of an older form in the place of this one. */
static void another_version_is_refused(void)
{
    lb_graph *const graph = model(1, false);
    witness live = {0}, w = {0};
    char name[256] = "";
    lb_error err = {0};
    lb_bytes file = {0};

    lb_teacher_close(opened(LB_CACHE_FP32, graph, &live));
    CHECK(count_files(name) == 1);
    const char *const path = lb_path_join(arena, caches, name);
    CHECK_OK(lb_read_file(arena, path, 1 << 20, &file, &err), &err);
    uint8_t *const copy = lb_arena_take(arena, file.size);
    memcpy(copy, file.data, file.size);
    CHECK(copy[8] == 2); /* the form's number */
    copy[8] = 1;
    CHECK_OK(lb_write_file(path, copy, file.size, &err), &err);
    lb_teacher_close(opened(LB_CACHE_FP32, graph, &w));
    CHECK(w.warnings == 1 && w.calls > 0);
    CHECK_TEXT(w.last, "its header does not match");
    lb_graph_free(graph);
}

static void every_change_is_another_file(void)
{
    lb_graph *const graph = model(2, false);
    lb_teacher_options options = options_of(LB_CACHE_FP32);
    lb_data_options data_options = data->options;
    const int before = count_files(NULL);

    for (int change = 0; change < 8; change++) {
        witness w = {0};
        lb_teacher_setup setup = setup_of(&options, graph, &w);
        lb_error err = {0};
        lb_teacher *teacher = NULL;
        if (change == 0)
            options.views = 1;
        if (change == 1)
            options.input.mean.value[0] = 0.25;
        if (change == 2)
            options.input.pixels = LB_PIXELS_RAW;
        if (change == 3)
            setup.graph_digest.byte[31] = 1;
        if (change == 4)
            options.store = LB_CACHE_FP16;
        if (change == 5)
            options.top = 1;
        if (change == 6)
            data_options.augment[0].pixels = 1;
        if (change >= 6) { /* 7: the seed alone */
            lb_data *other = NULL;
            CHECK_OK(lb_data_open(&data_options, 5 + (uint64_t)(change == 7), arena,
                                  &other, &err),
                     &err);
            setup.data = other;
        }
        CHECK_OK(lb_teacher_open(&setup, arena, &teacher, &err), &err);
        CHECK(w.calls > 0 && w.warnings == 0);
        CHECK(count_files(NULL) == before + 1 + change);
        lb_teacher_close(teacher);
    }
    lb_graph_free(graph);
}

/* Stored with loss, made now or found, or live for want of a file: the same answers. */
static void every_form_has_one_answer(void)
{
    static const struct {
        int store, top;
        const char *told;
        size_t bytes;
    } form[] = {{LB_CACHE_FP16, 0, "150 answers as fp16, 0.0 MB", 6},
                {LB_CACHE_FP32, 2, "150 answers as fp32, top 2 of 3, 0.0 MB", 16},
                {LB_CACHE_FP16, 1, "150 answers as fp16, top 1 of 3, 0.0 MB", 8}};
    lb_graph *const graph = model(4, false);

    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        lb_teacher_options options = options_of(form[i].store);
        witness w = {0}, found = {0}, live = {0};
        lb_teacher_setup setup = setup_of(&options, graph, &w);
        lb_teacher *made = NULL, *again = NULL, *asked = NULL;
        lb_error err = {0};
        options.top = form[i].top;
        setup.graph_digest.byte[3] = (uint8_t)(40 + i);
        CHECK_OK(lb_teacher_open(&setup, arena, &made, &err), &err);
        setup.log.arg = setup.progress_arg = &found;
        CHECK_OK(lb_teacher_open(&setup, arena, &again, &err), &err);
        setup.log.arg = setup.progress_arg = &live;
        setup.cache_folder = NULL;
        CHECK_OK(lb_teacher_open(&setup, arena, &asked, &err), &err);
        CHECK(w.calls > 0 && w.warnings == 0);
        CHECK(found.calls == 0 && found.warnings == 0 && live.calls == 0);
        CHECK_TEXT(found.info, form[i].told);
        CHECK(made->map.size == 64 + N * VIEWS * form[i].bytes + 32);
        agree(made, asked);
        agree(again, asked);
        lb_teacher_close(made);
        lb_teacher_close(again);
        lb_teacher_close(asked);
    }
    lb_graph_free(graph);
}

static void too_many_to_keep_are_refused(void)
{
    lb_graph *const graph = model(4, false);
    lb_teacher_options options = options_of(LB_CACHE_FP32);
    witness w = {0};
    const lb_teacher_setup setup = setup_of(&options, graph, &w);
    lb_error err = {0};
    lb_teacher *teacher = NULL;

    options.top = CLASSES;
    CHECK(lb_teacher_open(&setup, arena, &teacher, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "cache.top is 3, but the teacher tells 3 classes apart");
    lb_graph_free(graph);
}

static void a_stop_leaves_no_file(void)
{
    lb_graph *const graph = model(3, false);
    const lb_teacher_options options = options_of(LB_CACHE_FP32);
    witness w = {.stop_after = 5};
    lb_teacher_setup setup = setup_of(&options, graph, &w);
    lb_error err = {0};
    lb_teacher *teacher = NULL;
    const int before = count_files(NULL);

    setup.graph_digest.byte[0] = 9;
    CHECK(lb_teacher_open(&setup, arena, &teacher, &err) == LB_ERR_STOPPED);
    CHECK(w.calls == 5 && teacher == NULL && count_files(NULL) == before);
    lb_graph_free(graph);
}

static void without_a_folder_it_runs_live(void)
{
    lb_graph *const graph = model(3, false);
    const lb_teacher_options options = options_of(LB_CACHE_FP32);
    witness w = {0}, live = {0};
    lb_teacher_setup setup = setup_of(&options, graph, &w);
    lb_error err = {0};
    lb_teacher *a = NULL;

    setup.cache_folder = scratch_path(folder, "train-labels-idx1-ubyte");
    CHECK_OK(lb_teacher_open(&setup, arena, &a, &err), &err);
    CHECK(w.warnings == 1);
    CHECK_TEXT(w.last, "the teacher runs live");
    lb_teacher *const b = opened(LB_CACHE_NONE, graph, &live);
    agree(a, b);
    lb_teacher_close(a);
    lb_teacher_close(b);
    lb_graph_free(graph);
}

/* The same sample has the same answer wherever it stands in the batch and whoever stands
 * beside it: what the cache rests on. */
static void neighbours_do_not_matter(void)
{
    enum { SIZE = SIDE * SIDE };
    static float pixels[BATCH * SIZE];
    float first[CLASSES] = {0}, out[BATCH * CLASSES];
    int32_t label[BATCH] = {0}, sample[BATCH] = {0}, view[BATCH] = {0};
    lb_graph *const graph = model(1, false);
    witness w = {0};
    lb_teacher *const teacher = opened(LB_CACHE_NONE, graph, &w);

    for (int at = 0; teacher && at < BATCH; at++) {
        for (int i = 0; i < BATCH; i++)
            lb_data_view(data, (i * 7 + at) % N, at, pixels + i * SIZE);
        lb_data_view(data, 5, 0, pixels + at * SIZE);
        const lb_batch batch = {BATCH, 0, 0, pixels, label, sample, view};
        lb_teacher_logits(teacher, &batch, out);
        if (at == 0)
            memcpy(first, out, sizeof first);
        CHECK(memcmp(first, out + at * CLASSES, sizeof first) == 0);
    }
    lb_teacher_close(teacher);
    lb_graph_free(graph);
}

/* What a network says of training sample i, seen as view 0. */
static void ask_graph(const lb_graph *graph, int i, float *out, int n)
{
    enum { SIZE = SIDE * SIDE };
    const lb_teacher_options options = options_of(LB_CACHE_NONE);
    const lb_plan_options plan_options = {.batch = 1};
    float pixels[SIZE];
    lb_error err = {0};
    lb_plan *plan = NULL;

    CHECK_OK(lb_plan_compile(graph, pool, &plan_options, &plan, &err), &err);
    lb_data_view(data, i, 0, pixels);
    lb_input_write(&options.input, &data->content.shape, pixels,
                   lb_plan_input(plan, graph->inputs[0], 0));
    lb_plan_run(plan);
    memcpy(out, lb_plan_output(plan, graph->outputs[0], 0), (size_t)n * sizeof *out);
    lb_plan_free(plan);
}

/* A network of five classes, of which the data has three: the logits are picked before
 * the Softmax, so that the other two have no share. */
static void classes_are_picked_from_the_teachers(void)
{
    static const int map[CLASSES] = {4, 0, 2};
    const lb_model_options options = {
        .input = {3, {1, SIDE, SIDE}}, .classes = 5, .width = 0.25};

    for (int softmax = 0; softmax < 2; softmax++) {
        lb_error err = {0};
        lb_graph *graph = NULL;
        float all[5], picked[CLASSES];
        CHECK_OK(lb_model_build(lb_model_find("resnet"), &options, 7, &graph, &err),
                 &err);
        ask_graph(graph, 3, all, 5);
        if (softmax)
            add_softmax(graph);
        CHECK_OK(lb_teacher_map_classes(graph, map, CLASSES, &err), &err);
        ask_graph(graph, 3, picked, CLASSES);
        CHECK(graph->n_outputs == 1 && all[0] != all[4]);
        for (int c = 0; c < CLASSES; c++)
            CHECK(picked[c] == all[map[c]]);
        witness w = {0};
        lb_teacher *const teacher = opened(LB_CACHE_NONE, graph, &w);
        CHECK(teacher != NULL);
        lb_teacher_close(teacher);
        lb_graph_free(graph);
    }
}

static lb_code write_names(const char *path, const char *names, lb_error *err)
{
    return lb_write_file(path, names, strlen(names), err);
}

static void wrong_maps_of_classes_are_refused(void)
{
    static const int map[] = {0, 3};
    static const char *const names[] = {"coat", "bag", "shirt"};
    lb_content content = {.n_classes = 3};
    const int *found = NULL;
    lb_error err = {0};
    lb_graph *const graph = model(1, false);
    const char *const path = scratch_path(folder, "names.txt");

    CHECK(lb_teacher_map_classes(graph, map, 2, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text,
               "names output 3 for class 1, but the teacher has outputs 0 to 2");
    lb_graph_free(graph);
    CHECK_OK(write_names(path, "shirt\r\ndress\ncoat \nbag", &err), &err);
    CHECK(lb_teacher_find_classes(path, &content, arena, &found, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "give them as data.class_names");
    content.class_names = names;
    CHECK_OK(lb_teacher_find_classes(path, &content, arena, &found, &err), &err);
    CHECK(found && found[0] == 2 && found[1] == 3 && found[2] == 0);
    CHECK_OK(write_names(path, "shirt\ncoats\nbag\n\n", &err), &err);
    CHECK(lb_teacher_find_classes(path, &content, arena, &found, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "no line names the class 'coat'; is it called 'coats'?");
    CHECK_OK(write_names(path, "shirt\ncoat\nbag\ncoat", &err), &err);
    CHECK(lb_teacher_find_classes(path, &content, arena, &found, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "two lines name the class 'coat'");
    CHECK_OK(write_names(path, "", &err), &err);
    CHECK(lb_teacher_find_classes(path, &content, arena, &found, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "no line names the class 'coat'");
    remove(path);
}

static void wrong_networks_are_refused(void)
{
    const lb_model_options model_options = {
        .input = {3, {1, SIDE, SIDE}}, .classes = CLASSES + 1, .width = 0.25};
    const lb_teacher_options options = options_of(LB_CACHE_NONE);
    witness w = {0};
    lb_error err = {0};
    lb_graph *graph = NULL;
    lb_teacher *teacher = NULL;

    CHECK_OK(lb_model_build(lb_model_find("resnet"), &model_options, 1, &graph, &err),
             &err);
    const lb_teacher_setup setup = setup_of(&options, graph, &w);
    CHECK(lb_teacher_open(&setup, arena, &teacher, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "the teacher tells 4 classes apart, but the data has 3");
    lb_graph_free(graph);
}

int main(void)
{
    lb_data_options options = {.source = "idx",
                               .path = folder,
                               .fraction = 1,
                               .labels = 1,
                               .augment = {{LB_AUGMENT_SHIFT, 2, LB_FLIP_NONE},
                                           {LB_AUGMENT_FLIP, 0, LB_FLIP_HORIZONTAL}},
                               .n_augment = 2};
    lb_error err = {0};
    lb_data *opened_data = NULL;

    arena = lb_arena_new(0);
    scratch_make(folder);
    scratch_make(caches);
    scratch_idx_folder(folder, N, SIDE, SIDE, false);
    if (lb_data_open(&options, 5, arena, &opened_data, &err) != LB_OK ||
        lb_pool_new(2, &pool, &err) != LB_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    data = opened_data;
    RUN(neighbours_do_not_matter);
    RUN(the_cache_equals_the_live_teacher);
    RUN(softmax_is_seen_through);
    RUN(damage_is_noticed);
    RUN(another_version_is_refused);
    RUN(another_teachers_answers_are_refused);
    RUN(every_change_is_another_file);
    RUN(every_form_has_one_answer);
    RUN(too_many_to_keep_are_refused);
    RUN(a_stop_leaves_no_file);
    RUN(without_a_folder_it_runs_live);
    RUN(classes_are_picked_from_the_teachers);
    RUN(wrong_maps_of_classes_are_refused);
    RUN(wrong_networks_are_refused);
    lb_pool_free(pool);
    scratch_remove(folder);
    scratch_remove(caches);
    lb_arena_free(arena);
    return DONE();
}
