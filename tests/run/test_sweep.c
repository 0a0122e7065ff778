/* test_sweep.c: the grid, the front, the halves, and what a sweep leaves behind. */
#include "run/sweep.h"
#include "run/sweep_int.h"

#include "small_runs.h"

static const char swept_yaml[] =
    "name: pupil\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "teacher: {recipe: teacher.yaml, cache: {views: 1}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "device: {profile: stm32l4r5}\n"
    "distill: [{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
    "train: {epochs: 4, batch: 20}\n"
    "export: [onnx]\n";

typedef struct answer {
    lb_code code;
    lb_error err;
    lb_sweep_result result;
    lb_arena *arena;
} answer;

/* Says stop once it was asked so many times. */
static bool count_down(void *arg)
{
    int *const left = arg;

    return --*left < 0;
}

enum { NO_STOP = 1 << 30 };

static answer sweep(const char *const *over, int n_over, const char *out, int jobs,
                    bool halving, int steps)
{
    const lb_sweep_options options = {
        .run = {.recipe = "swept.yaml",
                .out = out,
                .threads = 2,
                .watch = {.arg = &steps, .stop = steps < NO_STOP ? count_down : NULL}},
        .over = over,
        .n_over = n_over,
        .jobs = jobs,
        .halving = halving};
    answer a = {.arena = lb_arena_new(0)};

    a.code = lb_run_sweep(&options, a.arena, &a.result, &a.err);
    return a;
}

static bool same_files(const char *a, const char *b)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes x = contents(arena, a), y = contents(arena, b);
    const bool same =
        x.size > 0 && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;

    lb_arena_free(arena);
    return same;
}

static int occurrences(const char *text, const char *part)
{
    int n = 0;

    for (const char *at = text; at && (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static void the_front_is_the_one_by_hand(void)
{
    /* accuracy, flash, SRAM */
    static const double point[][3] = {
        {0.90, 100, 10}, /* on it: the most accurate */
        {0.85, 60, 12},  /* on it: less flash */
        {0.85, 70, 12},  /* the one before is better */
        {0.80, 60, 8},   /* on it: less SRAM */
        {0.90, 100, 10}, /* on it: as good as the first, none is better */
        {0.70, 60, NAN}, /* the fourth is better in what is known */
        {0.10, 50, 20},  /* on it: less flash than all */
    };
    static const bool want[] = {true, true, false, true, true, false, true};
    const double *value[7];
    bool on_front[7];

    for (int i = 0; i < 7; i++)
        value[i] = point[i];
    lb_pareto_front(value, 7, 3, on_front);
    for (int i = 0; i < 7; i++)
        CHECK(on_front[i] == want[i]);
}

static void better_is_by_validation_alone(void)
{
    const lb_run_figures a = {.validation_accuracy = 0.9, .validation_loss = 1},
                         b = {.validation_accuracy = 0.9, .validation_loss = 2},
                         c = {.validation_accuracy = 0.8, .accuracy = 1},
                         none = {.validation_accuracy = NAN, .accuracy = 1};
    const lb_run_figures *const all[] = {&c, &b, NULL, &a, &none};

    CHECK(lb_figures_best(all, 5) == 3 && lb_figures_worst(all, 5) == 4);
    CHECK(lb_figures_best(all, 2) == 1 && lb_figures_worst(all, 2) == 0);
    CHECK(lb_figures_worst(all + 1, 3) == 0);
    CHECK(lb_figures_best(all + 2, 1) == -1 && lb_figures_worst(all + 2, 1) == -1);
    const lb_run_figures *const twins[] = {&b, &b, &none, &none};
    CHECK(lb_figures_best(twins, 2) == 0 && lb_figures_worst(twins, 2) == 1);
    CHECK(lb_figures_best(twins, 4) == 0 && lb_figures_worst(twins, 4) == 3);
    CHECK(lb_figures_best(twins + 2, 2) == 0);
}

/* One sample of 200 more or less is chance; two are not. */
static void within_a_sample_the_loss_decides(void)
{
    const lb_run_figures
        best = {.validation = 200, .validation_accuracy = 0.9, .validation_loss = 0.5},
        near = {.validation = 200, .validation_accuracy = 0.895, .validation_loss = 0.4},
        far = {.validation = 200, .validation_accuracy = 0.89, .validation_loss = 0.1};
    const lb_run_figures *const all[] = {&best, &near, &far}, *const two[] = {&best,
                                                                              &far};

    CHECK(lb_figures_best(all, 3) == 1);  /* far is two samples below the best */
    CHECK(lb_figures_worst(all, 3) == 1); /* and near is one above the worst */
    CHECK(lb_figures_best(two, 2) == 0 && lb_figures_worst(two, 2) == 1);
    lb_run_figures lower = near, higher = best; /* of a split of unknown size */
    lower.validation = higher.validation = 0;
    const lb_run_figures *const some[] = {&lower, &higher};
    CHECK(lb_figures_best(some, 2) == 1 && lb_figures_worst(some, 2) == 0);
}

/* Two keys make four runs, each a whole run; one does not fit and is a row. */
static void a_grid_of_runs(void)
{
    static const char *const over[] = {
        "student.width=0.125, 0.25",
        "device={profile: stm32l4r5},{profile: stm32l4r5, sram: 1K}"};
    static const char plain_name[] = "name=plain";
    answer a = sweep(over, 2, "grid", 1, false, NO_STOP);

    CHECK_OK(a.code, &a.err);
    CHECK(occurrences(a.result.json, "\"validation_accuracy\": ") == 4);
    CHECK(occurrences(a.result.json, "\"status\": \"done\"") == 2);
    CHECK(occurrences(a.result.json, "\"status\": \"does not fit\"") == 2);
    CHECK_TEXT(a.result.json, "\"settings\": {\"student.width\": \"0.25\", \"device\": "
                              "\"{profile: stm32l4r5}\"}");
    CHECK_TEXT(a.result.json, "\"pareto\": [\"");
    CHECK_TEXT(a.result.json, "\"latency_ms\": {\"low\": ");
    CHECK_TEXT(a.result.json, "\"command\": \"limbeck distill swept.yaml --set 'student");
    CHECK_TEXT(a.result.summary, "the best by validation is");
    CHECK(lb_file_exists("grid/report.html") && lb_file_exists("grid/result.json"));
    /* one of them by hand */
    outcome o = run("swept.yaml", "plain", false, plain_name);
    CHECK_OK(o.code, &o.err);
    lb_run_figures plain = {0};
    CHECK_OK(lb_run_figures_read(o.result.json, o.arena, &plain, &o.err), &o.err);
    CHECK_TEXT(a.result.json,
               lb_arena_text(o.arena, "\"flash_bytes\": %.0f", plain.flash_bytes));
    lb_arena_free(o.arena);
    lb_arena_free(a.arena);
}

static const char *const four[] = {"distill.0.temperature=1,2,4,8"};

/* The better half of four, then the better of two: the one that is left ends in the
 * bits of a run in one sitting, and the others stopped where they should. */
static void halving_keeps_the_better(void)
{
    answer whole = sweep(four, 1, "whole", 1, false, NO_STOP);
    answer half = sweep(four, 1, "half", 1, true, NO_STOP);
    char left[64] = "", path[2][96];

    CHECK_OK(whole.code, &whole.err);
    CHECK_OK(half.code, &half.err);
    CHECK(occurrences(half.result.json, "\"status\": \"done\"") == 1);
    CHECK(occurrences(half.result.json, "\"status\": \"stopped early\"") == 3);
    CHECK(occurrences(half.result.json, "\"epochs\": 1,") == 2);
    CHECK(occurrences(half.result.json, "\"epochs\": 2,") == 1);
    CHECK(occurrences(half.result.json, "\"epochs\": 4,") == 1);
    CHECK(occurrences(half.result.json, "\"test_accuracy\": null") == 3);
    const char *const best = strstr(half.result.json, "\"best\": \"");
    CHECK(best && sscanf(best, "\"best\": \"%63[^\"]", left) == 1);
    snprintf(path[0], sizeof path[0], "whole/%s/student.onnx", left);
    snprintf(path[1], sizeof path[1], "half/%s/student.onnx", left);
    CHECK(same_files(path[0], path[1]));
    lb_arena_free(whole.arena);
    lb_arena_free(half.arena);
}

/* A number that a key has behind a mark in a text; -1 if it is not there. */
static double number_after(const char *text, const char *mark, const char *key)
{
    const char *const from = text ? strstr(text, mark) : NULL;
    const char *const at = from ? strstr(from, key) : NULL;
    double value = -1;

    CHECK(at && sscanf(at + strlen(key), "%lf", &value) == 1);
    return value;
}

/* None that was left behind was better by more than a sample after the first epoch than
 * one that went on; what they were like then is in the records of the whole runs. */
static void the_right_ones_are_kept(void)
{
    lb_arena *const arena = lb_arena_new(0);
    double first[4], epochs[4];
    char text[96];

    const char *const half = file_text(arena, "half/result.json");
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "whole/pupil-temperature-%d/record.json", 1 << i);
        first[i] = number_after(file_text(arena, text), "\"epochs\": [",
                                "\"validation_accuracy\": ");
        snprintf(text, sizeof text, "\"name\": \"pupil-temperature-%d\"", 1 << i);
        epochs[i] = number_after(half, text, "\"epochs\": ");
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++)
            CHECK(!(epochs[i] > 1 && epochs[k] == 1) || first[i] > first[k] - 1.5 / 40);
    lb_arena_free(arena);
}

/* Two at a time, the same bits and the same words. */
static void jobs_change_nothing(void)
{
    answer a = sweep(four, 1, "jobs", 2, false, NO_STOP);
    char one[96], other[96];

    CHECK_OK(a.code, &a.err);
    for (int i = 0; i < 4; i++) {
        snprintf(one, sizeof one, "whole/pupil-temperature-%d/student.onnx", 1 << i);
        snprintf(other, sizeof other, "jobs/pupil-temperature-%d/student.onnx", 1 << i);
        CHECK(same_files(one, other));
    }
    lb_arena_free(a.arena);
}

static void a_stopped_sweep_goes_on(void)
{
    int stops = 0;

    for (int i = 0; i < 60; i++) {
        answer a = sweep(four, 1, "half-again", 1, true, 9);
        const lb_code code = a.code;
        if (code == LB_ERR_STOPPED) {
            CHECK_TEXT(a.err.text, "to go on: limbeck sweep swept.yaml --over "
                                   "'distill.0.temperature=1,2,4,8' --halving --out "
                                   "'half-again' --resume");
            stops++;
        }
        CHECK(code == LB_OK || code == LB_ERR_STOPPED);
        lb_arena_free(a.arena);
        if (code == LB_OK)
            break;
    }
    CHECK(stops > 2);
    answer a = sweep(four, 1, "half", 1, true, NO_STOP),
           b = sweep(four, 1, "half-again", 1, true, NO_STOP);
    const char *const best = a.code == LB_OK ? strstr(a.result.json, "\"best\"") : NULL;
    CHECK(best && b.code == LB_OK && strstr(b.result.json, best) != NULL);
    lb_arena_free(a.arena);
    lb_arena_free(b.arena);
}

static void nothing_that_fits_is_said(void)
{
    static const char *const over[] = {"device.sram=500,1K"};
    answer a = sweep(over, 1, "tight", 1, false, NO_STOP);

    CHECK(a.code == LB_ERR_BUDGET);
    CHECK_TEXT(a.err.text, "no run of 2 ended; pupil-sram-500: ");
    CHECK(lb_file_exists("tight/report.html"));
    lb_arena_free(a.arena);
}

static void refused(const char *over, const char *why)
{
    answer a = sweep(&over, 1, "never", 1, false, NO_STOP);

    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, why);
    lb_arena_free(a.arena);
}

static void mistakes_are_found_first(void)
{
    static const char *const twice[] = {"train.batch=10,20", "train.batch=10,40,10"};

    refused("train.batch", "--over train.batch: must be KEY=A,B,...");
    refused("train.batch=20", "needs at least two values; --set is for one");
    refused("train.batch=20,,40", "--over train.batch: a value is empty");
    refused("train.batch=20,40,20", "'20' is given twice");
    refused("train.bach=20,40", "--set train.bach=20");
    refused("train.bach=20,40", "did you mean 'batch'");
    refused("distill.7.weight=1,2", "'7' is no item of the list, which has 2");
    refused("name=a,b", "a sweep names its runs by itself");
    const char *const set = "data.validation=0";
    const lb_sweep_options options = {
        .run = {.recipe = "swept.yaml", .out = "never", .sets = &set, .n_sets = 1},
        .over = four,
        .n_over = 1,
        .jobs = 1};
    answer none = {.arena = lb_arena_new(0)};
    CHECK(lb_run_sweep(&options, none.arena, &none.result, &none.err) == LB_ERR_INPUT);
    CHECK_TEXT(none.err.text, "never by the test split, and the recipe has none");
    lb_arena_free(none.arena);
    answer a = sweep(twice, 2, "never", 1, false, NO_STOP);
    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "the key is given twice");
    CHECK_TEXT(a.err.text, "'10' is given twice"); /* all mistakes at once */
    lb_arena_free(a.arena);
    a = sweep(NULL, 0, "never", 1, false, NO_STOP);
    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "a sweep needs --over");
    lb_arena_free(a.arena);
    a = sweep(four, 1, "never", 0, false, NO_STOP);
    CHECK_TEXT(a.err.text, "--jobs must be between 1 and 64, not 0");
    lb_arena_free(a.arena);
    CHECK(!lb_file_exists("never"));
}

int main(void)
{
    begin();
    put("swept.yaml", swept_yaml, strlen(swept_yaml));
    RUN(the_front_is_the_one_by_hand);
    RUN(better_is_by_validation_alone);
    RUN(within_a_sample_the_loss_decides);
    RUN(a_grid_of_runs);
    RUN(halving_keeps_the_better);
    RUN(the_right_ones_are_kept);
    RUN(jobs_change_nothing);
    RUN(a_stopped_sweep_goes_on);
    RUN(nothing_that_fits_is_said);
    RUN(mistakes_are_found_first);
    return !end() || DONE();
}
