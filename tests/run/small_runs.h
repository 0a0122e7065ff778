/* small_runs.h: whole runs on a small data set in a folder of their own. */
#ifndef LB_TESTS_SMALL_RUNS_H
#define LB_TESTS_SMALL_RUNS_H

#include "run/run.h"

#include "base/file.h"
#include "base/rng.h"
#include "tensor/npy.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "stopper.h"

enum { N_TRAIN = 160, N_TEST = 60, SIDE = 8, CLASSES = 3 };

static char folder[] = "/tmp/limbeck-test-XXXXXX";

static const char teacher_yaml[] =
    "name: teacher\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "student: {model: ds-cnn, width: 0.25, depth: 1}\n"
    "train: {epochs: 12, batch: 20, optimizer: {sgd: {lr: 0.1}}}\n"
    "export: [onnx]\n";

static inline void put(const char *name, const void *data, size_t size)
{
    lb_error err = {0};

    CHECK_OK(lb_write_file(name, data, size, &err), &err);
}

/* A bright row tells the class. */
static inline void put_part(lb_arena *arena, const char *part, int n)
{
    const lb_shape shape = lb_shape_of(4, n, 1, SIDE, SIDE), labels = lb_shape_of(1, n);
    lb_rng rng = lb_rng_make((uint64_t)n, LB_RNG_TEST, 0, 0);
    lb_tensor *x = NULL, *y = NULL;
    lb_error err = {0};
    char name[32];

    CHECK_OK(lb_tensor_new(arena, LB_U8, &shape, &x, &err), &err);
    CHECK_OK(lb_tensor_new(arena, LB_I64, &labels, &y, &err), &err);
    for (int i = 0; i < n; i++) {
        const int label = (int)lb_rng_below(&rng, CLASSES);
        lb_tensor_put(y, (size_t)i, label);
        for (int k = 0; k < SIDE * SIDE; k++) {
            const double bright = k / SIDE / 3 == label ? 140 : 30;
            lb_tensor_put(x, (size_t)(i * SIDE * SIDE + k),
                          bright + 60 * lb_rng_uniform(&rng));
        }
    }
    snprintf(name, sizeof name, "x_%s.npy", part);
    CHECK_OK(lb_npy_save(x, name, &err), &err);
    snprintf(name, sizeof name, "y_%s.npy", part);
    CHECK_OK(lb_npy_save(y, name, &err), &err);
}

typedef struct outcome {
    lb_code code;
    lb_error err;
    lb_run_result result;
    lb_arena *arena;
} outcome;

static inline outcome run(const char *recipe, const char *out, bool resume,
                          const char *set)
{
    const lb_run_options options = {.recipe = recipe,
                                    .sets = &set,
                                    .n_sets = set ? 1 : 0,
                                    .out = out,
                                    .resume = resume,
                                    .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

static inline lb_bytes contents(lb_arena *arena, const char *path)
{
    lb_bytes bytes = {0};
    lb_error err = {0};

    CHECK_OK(lb_read_file(arena, path, 1 << 24, &bytes, &err), &err);
    return bytes;
}

static inline const char *file_text(lb_arena *arena, const char *path)
{
    const lb_bytes bytes = contents(arena, path);

    return lb_arena_copy_chars(arena, (const char *)bytes.data, bytes.size);
}

/* The plan, without running it; set: NULL, or an override. */
static inline outcome dry(const char *recipe, const char *set)
{
    const lb_run_options options = {.recipe = recipe,
                                    .sets = &set,
                                    .n_sets = set ? 1 : 0,
                                    .dry_run = true,
                                    .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

/* It is the user's mistake, and these words are in the message. */
static inline void check_refused(const char *recipe, const char *set, const char *words)
{
    outcome o = dry(recipe, set);

    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, words);
    lb_arena_free(o.arena);
}

/* Stopped after `at` looks at the stopper, then gone on with to its end. */
static inline outcome cut_and_go_on(const char *recipe, const char *const *sets, int n,
                                    const char *out, int at)
{
    stopper stop = {.at = at};
    lb_run_options options = {.recipe = recipe,
                              .sets = sets,
                              .n_sets = n,
                              .out = out,
                              .threads = 1,
                              .watch = stopper_watch(&stop)};
    outcome o = {.arena = lb_arena_new(0)};

    CHECK(lb_run_distill(&options, o.arena, &o.result, &o.err) == LB_ERR_STOPPED);
    stop.at = 0;
    options.resume = true;
    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    return o;
}

/* Two files with the same bytes. */
static inline void check_same(const char *a, const char *b)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes x = contents(arena, a), y = contents(arena, b);

    CHECK(x.size > 0 && x.size == y.size && memcmp(x.data, y.data, x.size) == 0);
    lb_arena_free(arena);
}

/* Makes the folder, goes there, and puts the data and teacher.yaml into it. */
static inline void begin(void)
{
    lb_arena *const arena = lb_arena_new(0);

    CHECK(mkdtemp(folder) != NULL && chdir(folder) == 0);
    put_part(arena, "train", N_TRAIN);
    put_part(arena, "test", N_TEST);
    lb_arena_free(arena);
    put("teacher.yaml", teacher_yaml, strlen(teacher_yaml));
}

/* False if the folder could not be removed. */
static inline bool end(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0;
}

#endif
