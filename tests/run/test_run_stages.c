/* test_run_stages.c: whole runs in stages: layers then answers, born again, frozen parts;
 * the resolved recipe, an interruption in the second stage, mistakes with their place. */
#include "small_runs.h"

#define HEAD \
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n" \
    "teacher: {onnx: runs/teacher/student.onnx, cache: {views: 2}}\n" \
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n" \
    "train: {epochs: 2, batch: 20, optimizer: {sgd: {lr: 0.05, momentum: 0.8}}}\n" \
    "export: [onnx, report]\n"

static const char hints_yaml[] =
    "name: hints\n" HEAD "stages:\n"
    "  - name: hints\n"
    "    distill: [{loss: hint, teacher: block1, student: block1}]\n"
    "    until: block1\n"
    "    train: {epochs: 1, batch: 24}\n"
    "  - name: answers\n"
    "    distill: [{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
    "    train: {optimizer: {sgd: {lr: 0.1}}}\n";
static const char again_yaml[] =
    "name: again\n" HEAD "stages:\n"
    "  - {name: first}\n"
    "  - name: second\n"
    "    teacher: previous\n"
    "    student: fresh\n"
    "    distill: [{loss: kd}, {loss: hint, teacher: block1, student: block1}]\n";
static const char layers_yaml[] =
    "name: layers\n" HEAD "stages:\n"
    "  - distill: [{loss: hint, teacher: stem, student: stem}]\n"
    "    until: stem\n"
    "  - {freeze: [\"stem*\"], train: {epochs: 1}}\n"
    "  - {train: {epochs: 1, schedule: constant}}\n";

static void a_dry_run_prints_every_stage(void)
{
    outcome o = dry("hints.yaml", NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "stage 1   hints\n          the student runs until block1\n"
                              "losses    hint, weight 1");
    CHECK_TEXT(o.result.plan, "training  1 epochs of 5 steps, 24 samples a step\n"
                              "stage 2   answers\nlosses    kd, weight 0.9");
    CHECK_TEXT(o.result.plan, "training  2 epochs of 6 steps, 20 samples a step\n");
    lb_arena_free(o.arena);
    o = dry("again.yaml", "stages.1.train.epochs=3");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "the student of the stage before is the teacher\n"
                              "          the student begins with new weights\n");
    CHECK_TEXT(o.result.plan, "block1 [N,8,4,4] from block1 [N,8,4,4]: ");
    CHECK_TEXT(o.result.plan, "training  3 epochs of 6 steps");
    lb_arena_free(o.arena);
}

static const char plain_yaml[] = "name: plain\n" HEAD;
static const char frozen_yaml[] = "name: frozen\n" HEAD "freeze: [\"stem*\", missing]\n";

/* What is frozen at the top is a recipe of one stage: its bytes, and what stays. */
static void the_top_may_say_what_learns(void)
{
    static const char *const sets[] = {"freeze=[\"stem*\"]", "until=block1"};
    static const char hint[] = "distill=[{loss: hint, teacher: stem, student: stem}]";
    static const char one[] = "stages=[{name: training, freeze: [\"stem*\"]}]";
    outcome o = run("plain.yaml", "frozen", false, sets[0]);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(file_text(o.arena, "frozen/recipe.yaml"), "stages:\n  - name: training\n");
    lb_arena_free(o.arena);
    o = run("plain.yaml", "staged", false, one);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("frozen/student.onnx", "staged/student.onnx");
    check_same("frozen/recipe.yaml", "staged/recipe.yaml");
    o = run("frozen/recipe.yaml", "frozen-again", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("frozen/student.onnx", "frozen-again/student.onnx");
    o = dry("plain.yaml", sets[0]);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "stage 1   training\n          frozen: stem*\n");
    lb_arena_free(o.arena);
    const char *const both[] = {hint, sets[1]};
    const lb_run_options options = {
        .recipe = "plain.yaml", .sets = both, .n_sets = 2, .dry_run = true};
    o = (outcome){.arena = lb_arena_new(0)};
    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "the student runs until block1\n");
    lb_arena_free(o.arena);
}

static void mistakes_at_the_top_have_their_place(void)
{
    static const struct {
        const char *recipe, *set, *words;
    } cases[] = {
        {"frozen.yaml", NULL,
         "frozen.yaml:7:1: stage 'training' freezes 'missing', but no layer"},
        {"plain.yaml", "until=block1",
         "stage 'training' runs the student until 'block1', but loss 'kd' looks at its "
         "answers"},
        {"plain.yaml", "freeze=[\"*\"]", "has nothing to train: 'freeze' names them all"},
        {"plain.yaml", "train.freeze=[stem]",
         "'freeze' is no key of 'train'; it stands beside it"},
        {"layers.yaml", "freeze=[stem]",
         "'freeze' at the top is for a recipe without stages; say in which stage"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].recipe, cases[i].set, cases[i].words);
}

/* Stopped in the middle and gone on with: the same bytes. */
static void a_frozen_run_goes_on(void)
{
    static const char *const set[] = {"freeze=[\"stem*\"]"};
    const outcome o = cut_and_go_on("plain.yaml", set, 1, "cut", 5);

    lb_arena_free(o.arena);
    check_same("frozen/student.onnx", "cut/student.onnx");
}

static void each_runs_and_runs_again(void)
{
    static const char *const names[] = {"hints", "again", "layers"};
    char recipe[64], resolved[64], student[64];

    for (int i = 0; i < 3; i++) {
        snprintf(recipe, sizeof recipe, "%s.yaml", names[i]);
        snprintf(resolved, sizeof resolved, "runs/%s/recipe.yaml", names[i]);
        snprintf(student, sizeof student, "runs/%s/student.onnx", names[i]);
        outcome o = run(recipe, NULL, false, NULL);
        CHECK_OK(o.code, &o.err);
        lb_arena_free(o.arena);
        o = run(resolved, "resolved", false, NULL);
        CHECK_OK(o.code, &o.err);
        check_same("resolved/student.onnx", student);
        check_same("resolved/recipe.yaml", resolved);
        lb_arena_free(o.arena);
        CHECK(system("rm -r resolved") == 0);
    }
    lb_arena *const arena = lb_arena_new(0);
    const char *const text = file_text(arena, "runs/hints/recipe.yaml");
    CHECK_TEXT(text, "stages:\n  - name: hints\n    distill:\n      - {loss: hint");
    CHECK_TEXT(text, "optimizer: {sgd: {lr: 0.1, momentum: 0.8,"); /* merged by key */
    CHECK_TEXT(text, "    until: block1\n");
    CHECK_TEXT(file_text(arena, "runs/hints/result.json"),
               "\"stages\": [{\"name\": \"hints\", \"epochs\": 1}, {\"name\": "
               "\"answers\", \"epochs\": 2}]");
    const char *const record = file_text(arena, "runs/hints/record.json");
    CHECK_TEXT(record, "\"stages\": [{\"name\": \"hints\", \"epochs\": 1}, ");
    CHECK_TEXT(record, "\"term_names\": [\"hint\", \"kd\", \"ce\"]");
    CHECK_TEXT(record, "{\"epoch\": 1, \"stage\": 1, ");
    CHECK_TEXT(record, "\"terms\": [null, "); /* no hint in the second stage */
    CHECK_TEXT(file_text(arena, "runs/layers/recipe.yaml"), "freeze: [\"stem*\"]");
    CHECK_TEXT(file_text(arena, "runs/again/recipe.yaml"),
               "    teacher: previous\n    student: fresh\n");
    lb_arena_free(arena);
}

/* Steps 8 and 15 are in the second stage of each. */
static void an_interruption_in_the_second_stage_does_not_change_a_bit(void)
{
    static const struct {
        const char *recipe, *student;
        int64_t at;
    } cases[] = {{"hints.yaml", "runs/hints/student.onnx", 8},
                 {"again.yaml", "runs/again/student.onnx", 15}};

    for (int i = 0; i < 2; i++) {
        stopper s = {.at = cases[i].at};
        const lb_run_options options = {.recipe = cases[i].recipe,
                                        .out = "broken",
                                        .threads = 2,
                                        .watch = stopper_watch(&s)};
        outcome o = {.arena = lb_arena_new(0)};
        o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
        CHECK(o.code == LB_ERR_STOPPED && s.step == s.at);
        lb_arena_free(o.arena);
        o = run(cases[i].recipe, "broken", true, NULL);
        CHECK_OK(o.code, &o.err);
        check_same("broken/student.onnx", cases[i].student);
        lb_arena_free(o.arena);
        CHECK(system("rm -r broken") == 0);
    }
}

/* Other epochs, another loss, other weights: another run. */
static void the_folder_knows_every_stage(void)
{
    outcome o = run("hints.yaml", NULL, true, "stages.0.train.epochs=2");

    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "holds a run of another recipe");
    lb_arena_free(o.arena);
}

static void mistakes_have_their_place(void)
{
    static const struct {
        const char *set, *words;
    } cases[] = {
        {"stages=[]", "stages must be a list of 1 to 32 stages"},
        {"stages.0.untill=stem", "did you mean 'until'?"},
        {"stages.0.train.epohs=1", "did you mean 'epochs'?"},
        {"stages.0.teacher=previous", "the first stage has none before it"},
        {"stages.1.teacher=previos", "did you mean 'previous'?"},
        {"stages.1.name=hints", "two stages are called 'hints'"},
        {"stages.1.distill=[{loss: ce, epochs: 2..}]",
         "no loss counts in stage 'answers'"},
        {"stages.0.distill.0.student=blok1", "did you mean 'block1'?"},
        {"stages.0.until=blok1",
         "hints.yaml:8:5: stage 'hints' runs the student until 'blok1', but"},
        {"stages.1.freeze=[stm]",
         "hints.yaml:12:5: stage 'answers' freezes 'stm', but no layer"},
        {"train.epochs=no", "1 mistake in 'hints.yaml'"}, /* not one a stage */
        {"stages.1.distill=[]", "distill must be a list of losses"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused("hints.yaml", cases[i].set, cases[i].words);
}

int main(void)
{
    begin();
    put("hints.yaml", hints_yaml, strlen(hints_yaml));
    put("again.yaml", again_yaml, strlen(again_yaml));
    put("layers.yaml", layers_yaml, strlen(layers_yaml));
    put("plain.yaml", plain_yaml, strlen(plain_yaml));
    put("frozen.yaml", frozen_yaml, strlen(frozen_yaml));
    outcome o = run("teacher.yaml", NULL, false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    RUN(a_dry_run_prints_every_stage);
    RUN(each_runs_and_runs_again);
    RUN(an_interruption_in_the_second_stage_does_not_change_a_bit);
    RUN(the_folder_knows_every_stage);
    RUN(mistakes_have_their_place);
    RUN(the_top_may_say_what_learns);
    RUN(mistakes_at_the_top_have_their_place);
    RUN(a_frozen_run_goes_on);
    return !end() || DONE();
}
