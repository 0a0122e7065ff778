/* test_compare.c: the interval, the twin, and what a comparison says. */
#include "run/compare.h"
#include "run/compare_int.h"
#include "run/interval.h"

#include "base/number.h"

#include "small_runs.h"

static const char taught_yaml[] =
    "name: pupil\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n"
    "teacher: {recipe: teacher.yaml, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill: [{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1, label_smoothing: 0.1}]\n"
    "train: {epochs: 2, batch: 20}\n"
    "export: [onnx]\n";
/* the twin, written by hand */
static const char twin_yaml[] =
    "name: pupil-without-2\n"
    "seed: 2\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill: [{loss: ce, weight: 1, label_smoothing: 0.1}]\n"
    "train: {epochs: 2, batch: 20, optimizer: {sgd: {lr: 0.2}}}\n"
    "export: [onnx]\n";

static void quantiles_are_those_of_the_tables(void)
{
    /* 0.975 quantiles, to the digits that are known */
    static const struct {
        int freedom;
        double t;
    } known[] = {{1, 12.706204736174698},  {2, 4.302652729749464},
                 {3, 3.182446305283710},   {4, 2.776445105198055},
                 {5, 2.570581835636315},   {9, 2.262157162798205},
                 {10, 2.228138851986274},  {30, 2.042272456301238},
                 {100, 1.983971518523552}, {999, 1.962341461133449}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        CHECK_NEAR(lb_t_quantile(0.975, known[i].freedom), known[i].t, 1e-9);
    CHECK_NEAR(lb_t_quantile(0.95, 1), 6.313751514675043, 1e-9);
    CHECK_NEAR(lb_t_quantile(0.995, 7), 3.499483297350493, 1e-9);
    CHECK_NEAR(lb_t_quantile(0.5, 3), 0, 1e-9);
}

/* Differences 0.01, 0.03, 0.02: mean 0.02, s 0.01, s / sqrt(3) 0.0057735. */
static void the_interval_is_the_one_by_hand(void)
{
    static const double with[] = {0.90, 0.95, 0.92}, without[] = {0.89, 0.92, 0.90};
    const lb_interval d = lb_paired_interval(with, without, 3);
    const lb_interval one = lb_paired_interval(with, without, 1);

    CHECK_NEAR(d.mean, 0.02, 1e-12);
    CHECK_NEAR(d.low, 0.02 - 4.302652729749464 * 0.00577350269189626, 1e-12);
    CHECK_NEAR(d.high, 0.02 + 4.302652729749464 * 0.00577350269189626, 1e-12);
    CHECK_NEAR(one.mean, 0.01, 1e-12);
    CHECK(isnan(one.low) && isnan(one.high));
}

static void the_interval_decides(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_interval good = {0.02, 0.01, 0.03}, bad = {-0.02, -0.03, -0.01},
                      open = {0.02, -0.01, 0.05}, one = {0.02, NAN, NAN};

    CHECK_TEXT(lb_compare_verdict(&good, 3, arena),
               "the teacher helps: +2.00 points on average over 3 seeds, 95 % interval "
               "+1.00 to +3.00");
    CHECK_TEXT(lb_compare_verdict(&bad, 3, arena), "the teacher hurts: -2.00");
    CHECK_TEXT(lb_compare_verdict(&open, 3, arena), "cannot be told whether");
    CHECK_TEXT(lb_compare_verdict(&open, 3, arena), "holds 0");
    CHECK_TEXT(lb_compare_verdict(&one, 1, arena), "cannot be told from one seed");
    lb_arena_free(arena);
}

typedef struct answer {
    lb_code code;
    lb_error err;
    lb_compare_result result;
    lb_arena *arena;
} answer;

/* Says stop once it was asked so many times. */
static bool count_down(void *arg)
{
    int *const left = arg;

    return --*left < 0;
}

static answer compare(int seeds, const char *set, const char *twin, bool tune, int steps)
{
    const lb_compare_options options = {
        .run = {.recipe = "taught.yaml",
                .sets = &set,
                .n_sets = set ? 1 : 0,
                .threads = 2,
                .watch = {.arg = &steps, .stop = count_down}},
        .seeds = seeds,
        .twin = &twin,
        .n_twin = twin ? 1 : 0,
        .tune_twin = tune};
    answer a = {.arena = lb_arena_new(0)};

    a.code = lb_run_compare(&options, a.arena, &a.result, &a.err);
    return a;
}

static bool same_files(lb_arena *arena, const char *a, const char *b)
{
    const lb_bytes x = contents(arena, a), y = contents(arena, b);

    return x.size > 0 && x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
}

static void the_twin_is_a_plain_run(void)
{
    static const char *const keys[] = {"\"with\": [",         "\"without\": [",
                                       "\"difference\": ",    "\"interval\": [",
                                       "\"verdict\": \"",     "\"with_last\": [",
                                       "\"without_last\": [", "\"with_validation\": [",
                                       "\"seeds\": [1, 2]"};
    answer a = compare(2, NULL, "train.optimizer.sgd.lr=0.2", false, 1000);

    CHECK_OK(a.code, &a.err);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        CHECK_TEXT(a.result.json, keys[i]);
    CHECK_TEXT(a.result.json, "\"lr\": 0.2");
    put("twin.yaml", twin_yaml, strlen(twin_yaml));
    outcome o = run("twin.yaml", "plain/twin", false, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK(same_files(a.arena, "plain/twin/student.onnx",
                     "runs/pupil-compare/without-2/student.onnx"));
    lb_arena_free(o.arena);
    o = run("taught.yaml", "plain/taught", false, "name=pupil-with-1");
    CHECK_OK(o.code, &o.err);
    CHECK(same_files(a.arena, "plain/taught/student.onnx",
                     "runs/pupil-compare/with-1/student.onnx"));
    lb_arena_free(o.arena);
    CHECK(lb_file_exists("runs/pupil-compare/report.html"));
    CHECK(lb_file_exists("runs/teacher/student.onnx")); /* shared with plain runs */
    lb_arena_free(a.arena);
}

/* The figures are those of the runs' own results. */
static void the_difference_is_of_the_runs(void)
{
    double with[2] = {0}, without[2] = {0};
    answer a = compare(2, NULL, "train.optimizer.sgd.lr=0.2", false, 0);
    char path[128], number[LB_NUMBER_TEXT];

    CHECK_OK(a.code, &a.err); /* nothing was left to do, so nothing could be stopped */
    for (int i = 0; i < 4; i++) {
        lb_run_figures f = {0};
        snprintf(path, sizeof path, "runs/pupil-compare/%s-%d/result.json",
                 i % 2 ? "without" : "with", i / 2 + 1);
        const lb_bytes bytes = contents(a.arena, path);
        CHECK_OK(lb_run_figures_read(
                     lb_arena_copy_chars(a.arena, (const char *)bytes.data, bytes.size),
                     a.arena, &f, &a.err),
                 &a.err);
        (i % 2 ? without : with)[i / 2] = f.accuracy;
    }
    const lb_interval d = lb_paired_interval(with, without, 2);
    CHECK_TEXT(a.result.json, lb_arena_text(a.arena, "\"difference\": %s, \"interval\"",
                                            lb_number_text(d.mean, number)));
    CHECK_TEXT(a.result.summary, "with teacher");
    lb_arena_free(a.arena);
}

static void one_seed_says_nothing(void)
{
    answer a = compare(1, NULL, "train.optimizer.sgd.lr=0.2", false, 0);

    CHECK_OK(a.code, &a.err);
    CHECK_TEXT(a.result.json, "\"interval\": null");
    CHECK_TEXT(a.result.json, "cannot be told from one seed");
    lb_arena_free(a.arena);
}

/* Stopped again and again, it ends in the same result. */
static void a_stopped_comparison_goes_on(void)
{
    lb_arena *const arena = lb_arena_new(0);
    int stops = 0;

    (void)!system("mv runs/pupil-compare whole");
    for (int i = 0; i < 40; i++) {
        answer a = compare(2, NULL, "train.optimizer.sgd.lr=0.2", false, 7);
        if (a.code == LB_OK) {
            lb_arena_free(a.arena);
            break;
        }
        CHECK(a.code == LB_ERR_STOPPED);
        CHECK_TEXT(a.err.text, "to go on: limbeck compare taught.yaml --seeds 2 --twin "
                               "'train.optimizer.sgd.lr=0.2'");
        CHECK(!strstr(a.err.text, "limbeck distill"));
        stops++;
        lb_arena_free(a.arena);
    }
    CHECK(stops > 2);
    CHECK(same_files(arena, "whole/result.json", "runs/pupil-compare/result.json"));
    lb_arena_free(arena);
}

static void a_twin_finds_its_rate(void)
{
    answer a = compare(1, "name=tuned", NULL, true, 100000);

    CHECK_OK(a.code, &a.err);
    CHECK_TEXT(a.result.json, "\"tuned\": [{\"lr\": ");
    CHECK_TEXT(a.result.json, "\"train.optimizer.sgd.lr=");
    CHECK_TEXT(a.result.summary, "picked on the validation split");
    CHECK(lb_file_exists("runs/tuned-compare/tune-lr-0.1/result.json"));
    lb_arena_free(a.arena);
}

#define DATA \
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n" \
    "student: {model: ds-cnn, width: 0.125, depth: 1}\nexport: [onnx]\n"
static const char staged_yaml[] =
    "name: staged\n" DATA "teacher: {recipe: teacher.yaml, cache: {views: 2}}\n"
    "train: {epochs: 2, batch: 20, optimizer: {sgd: {lr: 0.05, momentum: 0.8}}}\n"
    "stages:\n"
    "  - name: hints\n"
    "    until: block1\n"
    "    distill: [{loss: hint, teacher: block1, student: block1}]\n"
    "    train: {epochs: 1, batch: 10, optimizer: {sgd: {lr: 0.3}}}\n"
    "  - name: answers\n"
    "    freeze: [\"stem*\"]\n"
    "    distill: [{loss: kd}, {loss: ce, label_smoothing: 0.1}]\n"
    "    train: {schedule: {step: {at: [1], factor: 0.5, warmup: 0}}}\n";
/* 12 steps with batches of 10 are 2 epochs with batches of 20; the rate falls an epoch
 * before the end */
static const char staged_twin_yaml[] =
    "name: staged-without-1\n" DATA "distill: [{loss: ce, label_smoothing: 0.1}]\n"
    "train: {epochs: 4, batch: 20, optimizer: {sgd: {lr: 0.05, momentum: 0.8}}, "
    "schedule: {step: {at: [3], factor: 0.5, warmup: 0}}}\n";
static const char born_again_yaml[] =
    "name: born\n" DATA "train: {epochs: 3, batch: 20}\n"
    "stages:\n"
    "  - {name: first, distill: [{loss: ce}]}\n"
    "  - {name: second, teacher: previous, student: fresh, freeze: [\"stem*\", "
    "\"block1/pw*\"], "
    "distill: [{loss: kd}, {loss: ce}], train: {epochs: 1}}\n"
    "  - {name: third, teacher: previous, freeze: \"block1/pw*\", distill: [{loss: kd}, "
    "{loss: "
    "ce}], train: {epochs: 2}}\n";
static const char born_again_twin_yaml[] =
    "name: born-without-1\n" DATA "distill: [{loss: ce}]\n"
    "freeze: \"block1/pw*\"\n"
    "train: {epochs: 3, batch: 20, schedule: {cosine: {warmup: 0.2}}}\n";

static answer compare_with(const char *recipe, const char *set, bool tune)
{
    const lb_compare_options options = {
        .run = {.recipe = recipe, .sets = &set, .n_sets = set ? 1 : 0, .threads = 1},
        .seeds = 1,
        .tune_twin = tune};
    answer a = {.arena = lb_arena_new(0)};

    a.code = lb_run_compare(&options, a.arena, &a.result, &a.err);
    return a;
}

/* In the very steps of the stages together, by `ce`. */
static void stages_have_a_twin_of_as_many_steps(void)
{
    put("staged.yaml", staged_yaml, strlen(staged_yaml));
    put("staged-twin.yaml", staged_twin_yaml, strlen(staged_twin_yaml));
    answer a = compare_with("staged.yaml", NULL, false);

    CHECK_OK(a.code, &a.err);
    if (a.code == LB_OK) {
        CHECK_TEXT(a.result.json, "\"twin\": {\"lr\": 0.05, \"epochs\": 4, ");
        CHECK_TEXT(a.result.json, "\"stages=none\", \"until=none\", \"freeze=none\"");
        CHECK_TEXT(a.result.summary, "the twin trains for 4 epochs, with the steps of "
                                     "'hints', 'answers'\n");
    }
    outcome o = run("staged-twin.yaml", "plain/staged", false, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK(same_files(a.arena, "plain/staged/student.onnx",
                     "runs/staged-compare/without-1/student.onnx"));
    lb_arena_free(o.arena);
    o = run("staged.yaml", "plain/with", false, "name=staged-with-1");
    CHECK_OK(o.code, &o.err);
    CHECK(same_files(a.arena, "plain/with/student.onnx",
                     "runs/staged-compare/with-1/student.onnx"));
    lb_arena_free(o.arena);
    lb_arena_free(a.arena);
}

/* Of a chain only the last student's own training counts; what all of it freezes stays
 * frozen. There is no teacher but the student before. */
static void a_chain_has_the_twin_of_its_last_student(void)
{
    put("born.yaml", born_again_yaml, strlen(born_again_yaml));
    put("born-twin.yaml", born_again_twin_yaml, strlen(born_again_twin_yaml));
    answer a = compare_with("born.yaml", NULL, false);

    CHECK_OK(a.code, &a.err);
    if (a.code == LB_OK) {
        CHECK_TEXT(a.result.json, "\"freeze=[\\\"block1/pw*\\\"]\"");
        CHECK_TEXT(a.result.json, "\"teacher_accuracy\": null");
        CHECK_TEXT(a.result.summary, "for 3 epochs, with the steps of 'second', 'third'");
    }
    outcome o = run("born-twin.yaml", "plain/born", false, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK(same_files(a.arena, "plain/born/student.onnx",
                     "runs/born-compare/without-1/student.onnx"));
    lb_arena_free(o.arena);
    lb_arena_free(a.arena);
}

static void the_rate_of_such_a_twin_is_tuned(void)
{
    answer a = compare_with("staged.yaml", "name=staged-tuned", true);

    CHECK_OK(a.code, &a.err);
    if (a.code == LB_OK)
        CHECK_TEXT(a.result.json, "\"tuned\": [{\"lr\": 0.05,");
    CHECK(lb_file_exists("runs/staged-tuned-compare/tune-lr-0.2/result.json"));
    lb_arena_free(a.arena);
    a = compare_with("staged.yaml", "train.order=y_train.npy", false);
    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "the recipe has stages and train.order: the twin trains in "
                           "one piece");
    lb_arena_free(a.arena);
    a = compare_with("staged.yaml", "data.labels=none", false);
    CHECK(a.code == LB_ERR_INPUT);
    lb_arena_free(a.arena);
}

/* Both prune the same student; the twin goes on without the teacher. */
static const char pruned_yaml[] =
    "name: cut\n" DATA "teacher: {recipe: teacher.yaml, cache: {views: 2}}\n"
    "distill: [{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1, label_smoothing: 0.1}]\n"
    "train: {epochs: 1, batch: 20}\n"
    "compress: {prune: {amount: 0.3, epochs: 1, batches: 2, lr: 0.05}}\n";

static answer compare_prunings(const char *recipe, const char *twin, bool tune)
{
    const lb_compare_options options = {.run = {.recipe = recipe, .threads = 2},
                                        .seeds = 2,
                                        .twin = &twin,
                                        .n_twin = twin ? 1 : 0,
                                        .in_pruning = true,
                                        .tune_twin = tune};
    answer a = {.arena = lb_arena_new(0)};

    a.code = lb_run_compare(&options, a.arena, &a.result, &a.err);
    return a;
}

static lb_run_figures figures_in(lb_arena *arena, const char *path)
{
    const lb_bytes bytes = contents(arena, path);
    lb_run_figures f = {0};
    lb_error err = {0};

    CHECK_OK(lb_run_figures_read(
                 lb_arena_copy_chars(arena, (const char *)bytes.data, bytes.size), arena,
                 &f, &err),
             &err);
    return f;
}

static void the_pruning_has_a_twin_of_its_own(void)
{
    put("pruned.yaml", pruned_yaml, strlen(pruned_yaml));
    answer a = compare_prunings("pruned.yaml", NULL, true);
    CHECK_OK(a.code, &a.err);
    CHECK_TEXT(a.result.json, "\"taught_until_pruned\": true");
    CHECK_TEXT(a.result.json, "\"compress.prune.untaught=true\", \"compress.prune.lr=");
    CHECK_TEXT(a.result.json, "\"tuned\": [{\"lr\": 0.05, ");
    CHECK_TEXT(a.result.summary, "both have the teacher until they are pruned");
    CHECK_TEXT(a.result.summary, " under the teacher, ");
    const char *const resolved =
        file_text(a.arena, "runs/cut-compare/without-1/recipe.yaml");
    CHECK_TEXT(resolved, "untaught: true");
    CHECK_TEXT(resolved, "loss: kd");
    for (int seed = 1; seed <= 2; seed++) {
        char with[64], without[64];
        snprintf(with, sizeof with, "runs/cut-compare/with-%d/result.json", seed);
        snprintf(without, sizeof without, "runs/cut-compare/without-%d/result.json",
                 seed);
        const lb_run_figures x = figures_in(a.arena, with),
                             y = figures_in(a.arena, without);
        CHECK(x.validation_before > 0);
        CHECK_NEAR(x.validation_before, y.validation_before, 0);
    }
    CHECK(!same_files(a.arena, "runs/cut-compare/with-1/student.onnx",
                      "runs/cut-compare/without-1/student.onnx"));
    lb_arena_free(a.arena);

    a = compare_prunings("pruned.yaml", "train.optimizer.sgd.lr=0.2", false);
    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "only compress.prune.lr may be its own");
    lb_arena_free(a.arena);
    a = compare_prunings("taught.yaml", NULL, false);
    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "--in-pruning compares prunings");
    lb_arena_free(a.arena);
}

static void refused(int seeds, const char *set, const char *twin, bool tune,
                    const char *why)
{
    answer a = compare(seeds, set, twin, tune, 0);

    CHECK(a.code == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, why);
    lb_arena_free(a.arena);
}

static void mistakes_are_found_first(void)
{
    refused(0, NULL, NULL, false, "--seeds must be between 1 and 1000, not 0");
    refused(2, NULL, "data.fraction=0.5", false,
            "--twin data.fraction=0.5: a twin has the recipe's data");
    refused(2, NULL, "train.optimizers.sgd.lr=1", false, "--twin train.optimizers");
    refused(2, NULL, "train.optimizer.sgd.rate=1", false,
            "--set train.optimizer.sgd.rate=1");
    refused(2, "train.epohs=3", NULL, false, "did you mean 'epochs'");
    refused(2, "data.validation=0", NULL, true, "the recipe has none");
    put("alone.yaml", twin_yaml, strlen(twin_yaml));
    const lb_compare_options options = {.run = {.recipe = "alone.yaml"}, .seeds = 2};
    answer a = {.arena = lb_arena_new(0)};
    CHECK(lb_run_compare(&options, a.arena, &a.result, &a.err) == LB_ERR_INPUT);
    CHECK_TEXT(a.err.text, "the recipe has no teacher: it is its own twin");
    lb_arena_free(a.arena);
}

int main(void)
{
    begin();
    put("taught.yaml", taught_yaml, strlen(taught_yaml));
    RUN(quantiles_are_those_of_the_tables);
    RUN(the_interval_is_the_one_by_hand);
    RUN(the_interval_decides);
    RUN(the_twin_is_a_plain_run);
    RUN(the_difference_is_of_the_runs);
    RUN(a_stopped_comparison_goes_on);
    RUN(one_seed_says_nothing);
    RUN(a_twin_finds_its_rate);
    RUN(the_pruning_has_a_twin_of_its_own);
    RUN(mistakes_are_found_first);
    RUN(stages_have_a_twin_of_as_many_steps);
    RUN(a_chain_has_the_twin_of_its_last_student);
    RUN(the_rate_of_such_a_twin_is_tuned);
    return !end() || DONE();
}
