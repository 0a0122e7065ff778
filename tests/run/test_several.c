/* test_several.c: whole runs with several teachers: cached or live, in float32 or float64
 * they teach the same, and every figure is told of each and of all. */
#include "small_runs.h"

#include <dirent.h>
#include <math.h>

static const char second_yaml[] = "name: second\n"
                                  "seed: 7\n"
                                  "data: {source: npy, path: ., validation: 40}\n"
                                  "student: {model: resnet, width: 0.25, depth: 1, "
                                  "mean: 0.5, std: 0.5}\n"
                                  "train: {epochs: 6, batch: 20}\n"
                                  "export: [onnx]\n";

static const char pupil_yaml[] =
    "name: pupil\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n"
    "teacher:\n"
    "  - {recipe: teacher.yaml, cache: {views: 2}}\n"
    "  - {recipe: second.yaml, weight: 3, mean: 0.5, std: 0.5, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill: [{loss: kd, temperature: 4, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
    "train: {epochs: 2, batch: 20}\n"
    "export: [onnx, report]\n";

static int count_caches(const char *path)
{
    DIR *const d = opendir(path);
    int n = 0;

    for (const struct dirent *e; d && (e = readdir(d));)
        n += strncmp(e->d_name, "teacher-", 8) == 0;
    if (d)
        closedir(d);
    return n;
}

static void each_is_trained_and_told_of(void)
{
    outcome o = run("pupil.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    CHECK(lb_file_exists("runs/teacher/student.onnx"));
    CHECK(lb_file_exists("runs/second/student.onnx"));
    CHECK(count_caches("runs/.cache") == 2);
    if (o.code == LB_OK) {
        CHECK_TEXT(o.result.json, "\"members\": [");
        CHECK_TEXT(o.result.json, "\"weight\": 0.25");
        CHECK_TEXT(o.result.json, "\"weight\": 0.75");
        CHECK_TEXT(o.result.summary, "second/student.onnx' alone");
        CHECK_TEXT(file_text(o.arena, "runs/pupil/record.json"),
                   "\"name\": \"2 teachers\"");
    }
    lb_arena_free(o.arena);
    /* all are as they were: nothing is trained, no answer is asked for again */
    o = run("runs/pupil/recipe.yaml", "again", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
}

static void same_student(const char *a, const char *b, bool same)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes first = contents(arena, a), second = contents(arena, b);

    CHECK(first.size > 0 && second.size > 0);
    CHECK(same == (first.size == second.size &&
                   memcmp(first.data, second.data, first.size) == 0));
    lb_arena_free(arena);
}

static void live_or_cached_is_the_same(void)
{
    outcome o = run("pupil.yaml", "live", false,
                    "teacher=[{onnx: runs/teacher/student.onnx, cache: {views: 2, store: "
                    "none}}, {onnx: runs/second/student.onnx, weight: 3, mean: 0.5, std: "
                    "0.5, cache: {views: 2}}]");

    CHECK_OK(o.code, &o.err);
    same_student("runs/pupil/student.onnx", "again/student.onnx", true);
    same_student("runs/pupil/student.onnx", "live/student.onnx", true);
    lb_arena_free(o.arena);
}

/* The mean of logits is another teacher; so are other shares. */
static void how_they_are_combined_counts(void)
{
    outcome o = run("pupil.yaml", "logits", false,
                    "teacher={combine: logits, members: [{onnx: "
                    "runs/teacher/student.onnx, cache: {views: 2}}, {onnx: "
                    "runs/second/student.onnx, weight: 3, mean: 0.5, std: 0.5, cache: "
                    "{views: 2}}]}");

    CHECK_OK(o.code, &o.err);
    same_student("runs/pupil/student.onnx", "logits/student.onnx", false);
    lb_arena_free(o.arena);
    o = run("pupil.yaml", "even", false, "teacher.1.weight=1");
    CHECK_OK(o.code, &o.err);
    same_student("runs/pupil/student.onnx", "even/student.onnx", false);
    lb_arena_free(o.arena);
}

/* In float64 the teachers are asked by another way; the run ends where float32 does. */
static void in_float64_they_teach_the_same(void)
{
    lb_run_figures wide = {0}, narrow = {0};
    outcome o = run("pupil.yaml", "wide", false, "train.precision=float64");

    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK_OK(lb_run_figures_read(o.result.json, o.arena, &wide, &o.err), &o.err);
        CHECK_OK(lb_run_figures_read(file_text(o.arena, "again/result.json"), o.arena,
                                     &narrow, &o.err),
                 &o.err);
        CHECK_NEAR(wide.validation_loss, narrow.validation_loss, 1e-3);
        CHECK(wide.validation_loss > 0 && wide.teacher_accuracy > 0.5);
        CHECK_NEAR(wide.teacher_accuracy, narrow.teacher_accuracy, 1e-12);
    }
    lb_arena_free(o.arena);
}

/* Teachers as pupil.yaml has them, trained by now; the second has a name. */
#define TRAINED(first_store, second_store) \
    "teacher=[{onnx: runs/teacher/student.onnx, cache: {views: 2, store: " first_store \
    "}}, {onnx: runs/second/student.onnx, name: res, weight: 3, mean: 0.5, std: 0.5, " \
    "cache: {views: 2, store: " second_store "}}]"

static outcome run_two(const char *out, const char *teachers, const char *losses)
{
    const char *const sets[] = {teachers, losses};
    const lb_run_options options = {
        .recipe = "pupil.yaml", .sets = sets, .n_sets = 2, .out = out, .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    return o;
}

/* Only whose layers are looked at runs live; the answers of the other may come from its
 * cache, or not: it is the same student. */
static void layers_of_one_leave_the_cache_of_the_other(void)
{
    static const char losses[] = "distill=[{loss: hint, of: res}, {loss: kd}]";
    outcome o = run_two("cached", TRAINED("fp32", "fp32"), losses);

    lb_arena_free(o.arena);
    o = run_two("asked", TRAINED("none", "none"), losses);
    lb_arena_free(o.arena);
    same_student("cached/student.onnx", "asked/student.onnx", true);
    o = run_two("first", TRAINED("fp32", "fp32"),
                "distill=[{loss: hint, of: 0}, {loss: kd}]");
    lb_arena_free(o.arena);
    same_student("cached/student.onnx", "first/student.onnx", false);
    o = run_two("layers", TRAINED("fp32", "fp32"), "distill=[{loss: hint}]");
    CHECK_TEXT(o.result.json, "\"members\": [");
    lb_arena_free(o.arena);
    o = run("layers/recipe.yaml", "layers-again", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    same_student("layers/student.onnx", "layers-again/student.onnx", true);
}

#define OF_VALIDATION(more) \
    "teacher={weights: validation, " more "members: [{onnx: " \
    "runs/teacher/student.onnx, cache: {views: 2}}, {onnx: runs/second/student.onnx, " \
    "mean: 0.5, std: 0.5, cache: {views: 2}}]}"

static double number_after(const char *text, const char *words)
{
    const char *const at = text ? strstr(text, words) : NULL;

    return at ? strtod(at + strlen(words), NULL) : (double)NAN;
}

/* They are told, the resolved recipe says them and finds them anew, a run that is stopped
 * goes on with them, and the student is the one of these weights. */
static void weights_are_found_on_the_validation_split(void)
{
    static const char losses[] = "distill=[{loss: kd}]";
    outcome o = run_two("found", OF_VALIDATION(""), losses);
    char set[64];

    const double first = number_after(o.result.json, "\"weight\": ");
    CHECK(first > 0 && first < 1 && fabs(first - 0.5) > 1e-6);
    const char *const text = file_text(o.arena, "found/recipe.yaml");
    CHECK_TEXT(text, "  weights: validation\n");
    CHECK_NEAR(number_after(text, "# weights found: "), first, 1e-3);
    snprintf(set, sizeof set, "teacher.0.weight=%.17g", first / (1 - first));
    lb_arena_free(o.arena);
    o = run("found/recipe.yaml", "found-again", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    same_student("found/student.onnx", "found-again/student.onnx", true);
    const char *const sets[] = {TRAINED("fp32", "fp32"), losses, "teacher.1.weight=1",
                                set};
    const lb_run_options given = {
        .recipe = "pupil.yaml", .sets = sets, .n_sets = 4, .out = "given", .threads = 1};
    o = (outcome){.arena = lb_arena_new(0)};
    o.code = lb_run_distill(&given, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    CHECK_NEAR(number_after(o.result.json, "\"weight\": "), first, 1e-9);
    lb_arena_free(o.arena);
    same_student("found/student.onnx", "given/student.onnx", true);
    o = run_two("right", OF_VALIDATION("correct_only: true, "), losses);
    lb_arena_free(o.arena);
    same_student("found/student.onnx", "right/student.onnx", false);
}

static void an_interruption_does_not_change_the_weights(void)
{
    const char *const sets[] = {OF_VALIDATION("correct_only: true, "),
                                "distill=[{loss: kd}]"};
    const outcome o = cut_and_go_on("pupil.yaml", sets, 2, "cut", 3);

    lb_arena_free(o.arena);
    same_student("right/student.onnx", "cut/student.onnx", true);
}

static void without_a_validation_split_there_are_none(void)
{
    const char *const sets[] = {OF_VALIDATION(""), "data.validation=0"};
    const lb_run_options options = {.recipe = "pupil.yaml",
                                    .sets = sets,
                                    .n_sets = 2,
                                    .out = "none",
                                    .dry_run = true};
    outcome o = {.arena = lb_arena_new(0)};

    CHECK(lb_run_distill(&options, o.arena, &o.result, &o.err) == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "weights: validation needs samples with labels in the "
                           "validation split");
    lb_arena_free(o.arena);
    o = dry("pupil.yaml", OF_VALIDATION("correct_only: true, "));
    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK_TEXT(o.result.plan, "with shares found on the validation split\n");
        CHECK_TEXT(o.result.plan, "those that are wrong are left out\n");
    }
    lb_arena_free(o.arena);
}

static void a_dry_run_names_whose_layers(void)
{
    const char *const sets[] = {TRAINED("fp32", "none"),
                                "distill=[{loss: hint}, {loss: at, of: res}]"};
    const lb_run_options options = {.recipe = "pupil.yaml",
                                    .sets = sets,
                                    .n_sets = 2,
                                    .out = "dry",
                                    .threads = 2,
                                    .dry_run = true};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK_TEXT(o.result.plan, "block1 [N,16,4,4] of teacher 0: ");
        CHECK_TEXT(o.result.plan, " of teacher 'res': ");
        CHECK_TEXT(o.result.plan, "asked live over 2 fixed views a sample: losses look");
    }
    lb_arena_free(o.arena);
}

static void a_dry_run_names_them_all(void)
{
    const lb_run_options options = {
        .recipe = "pupil.yaml", .out = "dry", .threads = 2, .dry_run = true};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    if (o.code == LB_OK) {
        CHECK_TEXT(o.result.plan, "together  the mean of their probabilities, with the "
                                  "shares 0.25, 0.75\n");
        CHECK_TEXT(o.result.plan, "its answers are cached over 2 fixed views");
    }
    lb_arena_free(o.arena);
}

int main(void)
{
    begin();
    put("second.yaml", second_yaml, strlen(second_yaml));
    put("pupil.yaml", pupil_yaml, strlen(pupil_yaml));
    RUN(each_is_trained_and_told_of);
    RUN(live_or_cached_is_the_same);
    RUN(how_they_are_combined_counts);
    RUN(in_float64_they_teach_the_same);
    RUN(a_dry_run_names_them_all);
    RUN(layers_of_one_leave_the_cache_of_the_other);
    RUN(a_dry_run_names_whose_layers);
    RUN(weights_are_found_on_the_validation_split);
    RUN(an_interruption_does_not_change_the_weights);
    RUN(without_a_validation_split_there_are_none);
    return !end() || DONE();
}
