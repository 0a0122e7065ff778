/* test_little_data.c: runs that have few labels, or none for some: what the teacher knows
 * is learnt all the same, and every count agrees. */
#include "small_runs.h"

static const char yaml[] =
    "name: little\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}], class_names: "
    "\"low, middle, top\"}\n"
    "teacher: {recipe: teacher.yaml, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.25, depth: 1}\n"
    "distill: [{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
    "train: {epochs: 10, batch: 20, optimizer: {sgd: {lr: 0.1}}}\n"
    "export: [onnx, report]\n";

static outcome with(const char *out, const char *const *sets, int n)
{
    const lb_run_options options = {.recipe = "little.yaml",
                                    .sets = sets,
                                    .n_sets = n,
                                    .out = out,
                                    .beside = "runs",
                                    .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

/* The number behind "key": in what follows "after"; NaN if it is not there. */
static double figure(const char *json, const char *after, const char *key)
{
    const char *at = json ? strstr(json, after) : NULL;

    at = at ? strstr(at, key) : NULL;
    at = at ? strchr(at, ':') : NULL;
    return at ? strtod(at + 1, NULL) : (double)NAN;
}

/* The labels of the bright rows on top are never seen. The teacher tells of them, the
 * labels of the others do not. */
static void a_hidden_class_is_learnt_from_the_teacher(void)
{
    static const char *const sets[] = {"data.hidden_classes=[top]",
                                       "distill=[{loss: ce}]"};
    outcome o = with("hidden", sets, 1);

    CHECK_OK(o.code, &o.err);
    const char *const json = o.result.json;
    CHECK(figure(json, "\"name\": \"top\"", "\"labelled\"") == 0);
    CHECK(figure(json, "\"name\": \"low\"", "\"labelled\"") > 10);
    CHECK(figure(json, "\"name\": \"top\"", "\"teacher_accuracy\"") > 0.8);
    CHECK(figure(json, "\"name\": \"top\"", "\"accuracy\"") > 0.8);
    CHECK(figure(json, "\"data\"", "\"train\"") == 120);
    CHECK(figure(json, "\"data\"", "\"labelled\"") +
              figure(json, "\"data\"", "\"unlabelled\"") ==
          120);
    lb_arena_free(o.arena);
    o = with("alone", sets, 2);
    CHECK_OK(o.code, &o.err);
    CHECK(figure(o.result.json, "\"name\": \"top\"", "\"accuracy\"") == 0);
    CHECK(figure(o.result.json, "\"name\": \"low\"", "\"accuracy\"") > 0.5);
    lb_arena_free(o.arena);
}

/* As in Hinton et al. (2015), section 3: no sample of the class at all. */
static void an_omitted_class_has_no_samples(void)
{
    static const char *const sets[] = {"data.omitted_classes=[0]"};
    outcome o = with("omitted", sets, 1);

    CHECK_OK(o.code, &o.err);
    CHECK(figure(o.result.json, "\"name\": \"low\"", "\"labelled\"") == 0);
    CHECK(figure(o.result.json, "\"data\"", "\"unlabelled\"") == 0);
    CHECK(figure(o.result.json, "\"data\"", "\"train\"") < 100);
    CHECK(figure(o.result.json, "\"data\"", "\"validation\"") == 40);
    CHECK(figure(o.result.json, "\"data\"", "\"test\"") == N_TEST);
    lb_arena_free(o.arena);
}

/* Forty further pictures from a folder with nothing else in it, with the teacher's
 * answers in the cache and live. */
static void further_samples_are_taught(void)
{
    static const char *const sets[] = {
        "data.unlabelled=npy:more", "data.fraction=0.5", "train.epochs=2",
        "teacher={recipe: teacher.yaml, cache: {views: 2, store: none}}"};
    lb_error err = {0};

    CHECK_OK(lb_make_folder("more", &err), &err);
    lb_arena *const arena = lb_arena_new(0);
    CHECK(chdir("more") == 0);
    put_part(arena, "train", 40);
    CHECK(unlink("y_train.npy") == 0 && chdir("..") == 0);
    lb_arena_free(arena);
    const lb_run_options plan = {
        .recipe = "little.yaml", .sets = sets, .n_sets = 3, .dry_run = true};
    outcome o = {.arena = lb_arena_new(0)};
    o.code = lb_run_distill(&plan, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "100 to train with, 40 to validate, 60 to test");
    CHECK_TEXT(o.result.plan, "40 of those to train with are from '");
    CHECK_TEXT(o.result.plan, "60 of those to train with have a label, 40 have none");
    lb_arena_free(o.arena);
    o = with("more-cached", sets, 3);
    CHECK_OK(o.code, &o.err);
    CHECK(figure(o.result.json, "\"data\"", "\"train\"") == 100);
    CHECK(figure(o.result.json, "\"data\"", "\"labelled\"") == 60);
    CHECK(figure(o.result.json, "\"data\"", "\"unlabelled\"") == 40);
    lb_arena_free(o.arena);
    o = with("more-live", sets, 4);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("more-cached/student.onnx", "more-live/student.onnx");
    o = with("fewer", sets + 1, 2);
    CHECK_OK(o.code, &o.err);
    const lb_bytes a = contents(o.arena, "fewer/student.onnx");
    const lb_bytes b = contents(o.arena, "more-live/student.onnx");
    CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) != 0);
    lb_arena_free(o.arena);
}

static void losses_that_need_labels_say_so(void)
{
    static const char *const sets[] = {"data.labels=none", "distill=[{loss: kd}]",
                                       "data.hidden_classes=[0, 1, 2]"};
    outcome o = with("none", sets + 2, 1);

    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text,
               "loss 'ce' needs labels, and none of the 120 training samples has one");
    lb_arena_free(o.arena);
    o = with("none", sets, 1);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "loss 'ce' needs labels, and the recipe says labels: none");
    lb_arena_free(o.arena);
    o = with("none", sets, 2);
    CHECK_OK(o.code, &o.err);
    CHECK(figure(o.result.json, "\"data\"", "\"labelled\"") == 0);
    CHECK(figure(o.result.json, "\"student\"", "\"accuracy\"") > 0.8);
    lb_arena_free(o.arena);
}

int main(void)
{
    begin();
    put("little.yaml", yaml, strlen(yaml));
    RUN(a_hidden_class_is_learnt_from_the_teacher);
    RUN(an_omitted_class_has_no_samples);
    RUN(further_samples_are_taught);
    RUN(losses_that_need_labels_say_so);
    return !end() || DONE();
}
