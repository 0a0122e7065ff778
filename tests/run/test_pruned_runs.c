/* test_pruned_runs.c: runs that prune their student: what is left, the resolved recipe,
 * interruptions before and behind every cut, and what is refused. */
#include "small_runs.h"

#include "onnx/onnx.h"
#include "recipe/recipe.h"

#define HEAD \
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n" \
    "teacher: {onnx: runs/teacher/student.onnx, cache: {views: 2}}\n" \
    "student: {model: ds-cnn, width: 0.25, depth: 2}\n" \
    "train: {epochs: 2, batch: 20, optimizer: {sgd: {lr: 0.05, momentum: 0.8}}}\n" \
    "export: [onnx, report]\n"

/* Two cuts, a loss over layers of other widths, and losses that change on their way. */
static const char taylor_yaml[] =
    "name: taylor\n" HEAD "distill:\n"
    "  - {loss: kd, weight: 0.8, temperature: {from: 8, to: 4, over: 1}}\n"
    "  - {loss: ce, weight: 0.1}\n"
    "  - {loss: hint, weight: 0.1, teacher: block1, student: block2}\n"
    "  - {loss: mse-logits, weight: 0.1, epochs: 0..1}\n"
    "compress: {prune: {amount: 0.5, steps: 2, epochs: 1, batches: 3}}\n";
/* One loss, stages, a device. */
static const char l1_yaml[] =
    "name: l1\n" HEAD "distill: [{loss: kd}]\n"
    "stages:\n"
    "  - {name: first, train: {epochs: 1}}\n"
    "  - {name: second, train: {epochs: 1}, freeze: [\"stem*\"]}\n"
    "device: stm32l4r5\n"
    "compress: {prune: {method: l1, amount: 0.4, epochs: 1, lr: 0.02}}\n";

static double macs_of(const char *path)
{
    lb_graph *g = NULL;
    lb_error err = {0};
    double macs = 0;

    CHECK_OK(lb_onnx_load(path, &g, NULL, &err), &err);
    if (g)
        macs = lb_graph_macs(g);
    lb_graph_free(g);
    return macs;
}

static void a_dry_run_says_what_goes(void)
{
    outcome o = dry("taylor.yaml", NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan,
               "pruning   50 % of the multiply-adds go, by taylor over 3 batches for the "
               "multiply-adds, step by step\n          then about ");
    CHECK_TEXT(o.result.plan, "stage 1   training\nlosses    kd");
    CHECK_TEXT(o.result.plan, "stage 2   pruning 1\n          the student is cut: 43.8 % "
                              "are gone\nlosses    kd, weight 0.8, temperature 4, ");
    CHECK_TEXT(o.result.plan,
               "stage 3   pruning 2\n          the student is cut: 50 % are gone\n");
    CHECK_TEXT(o.result.plan, "training  1 epochs of 6 steps, 20 samples a step\n");
    lb_arena_free(o.arena);
    o = dry("l1.yaml", NULL);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "by l1 for the cycles that they cost, at once\n");
    lb_arena_free(o.arena);
}

static void each_runs_and_runs_again(void)
{
    static const char *const names[] = {"taylor", "l1"};
    static const double left[] = {0.5, 0.6};
    char recipe[64], resolved[64], student[64], result[64], count[64];

    for (int i = 0; i < 2; i++) {
        snprintf(recipe, sizeof recipe, "%s.yaml", names[i]);
        snprintf(resolved, sizeof resolved, "runs/%s/recipe.yaml", names[i]);
        snprintf(student, sizeof student, "runs/%s/student.onnx", names[i]);
        snprintf(result, sizeof result, "runs/%s/result.json", names[i]);
        outcome whole = run(recipe, "whole", false, "compress=none");
        CHECK_OK(whole.code, &whole.err);
        lb_arena_free(whole.arena);
        outcome o = run(recipe, NULL, false, NULL);
        CHECK_OK(o.code, &o.err);
        CHECK_TEXT(o.result.summary, "pruned    ");
        const double all = macs_of("whole/student.onnx"), rest = macs_of(student);
        CHECK(rest <= left[i] * all && rest > 0.8 * left[i] * all);
        snprintf(count, sizeof count, "\"macs_before\": %.0f, \"macs_after\": %.0f,", all,
                 rest);
        CHECK_TEXT(file_text(o.arena, result), count);
        CHECK_TEXT(file_text(o.arena, result), "\"validation_before\": ");
        lb_arena_free(o.arena);
        o = run(resolved, "resolved", false, NULL);
        CHECK_OK(o.code, &o.err);
        check_same("resolved/student.onnx", student);
        check_same("resolved/recipe.yaml", resolved);
        lb_arena_free(o.arena);
        CHECK(system("rm -r resolved whole") == 0);
    }
    lb_arena *const arena = lb_arena_new(0);
    CHECK_TEXT(file_text(arena, "runs/taylor/recipe.yaml"),
               "compress:\n  prune: {method: taylor, amount: 0.5, of: macs, keep: 0.1, "
               "steps: 2, epochs: 1, batches: 3, lr: 0.05}\n");
    CHECK(!strstr(file_text(arena, "runs/taylor/recipe.yaml"), "stages:"));
    CHECK(!strstr(file_text(arena, "runs/l1/recipe.yaml"), "name: pruning"));
    CHECK_TEXT(file_text(arena, "runs/taylor/record.json"), "\"pruned\": {\"method\": ");
    CHECK_TEXT(file_text(arena, "runs/teacher/record.json"), "\"pruned\": null");
    /* what the last stage freezes keeps its channels */
    CHECK_TEXT(
        file_text(arena, "runs/l1/result.json"),
        "\"stages\": [{\"name\": \"first\", \"epochs\": 1}, {\"name\": \"second\", "
        "\"epochs\": 1}, {\"name\": \"pruning\", \"epochs\": 1}]");
    CHECK_TEXT(
        file_text(arena, "runs/l1/result.json"),
        "{\"name\": \"stem/conv\", \"channels_before\": 16, \"channels_after\": 16}");
    lb_arena_free(arena);
}

/* Epochs end at steps 6, 12, 18 and 24; the cuts are behind 12 and 18. */
static void no_interruption_changes_a_bit(void)
{
    static const int at[] = {5, 12, 13, 17, 18, 19, 23};

    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const outcome o = cut_and_go_on("taylor.yaml", NULL, 0, "broken", at[i]);
        lb_arena_free(o.arena);
        check_same("broken/student.onnx", "runs/taylor/student.onnx");
        CHECK(system("rm -r broken") == 0);
    }
    for (int i = 0; i < 2; i++) { /* with a frozen layer that has learnt before */
        const outcome o = cut_and_go_on("l1.yaml", NULL, 0, "broken", i ? 14 : 8);
        lb_arena_free(o.arena);
        check_same("broken/student.onnx", "runs/l1/student.onnx");
        CHECK(system("rm -r broken") == 0);
    }
}

static void float64_is_cut_alike(void)
{
    static const char *const sets[] = {"train.precision=float64",
                                       "compress.prune.batches=1"};
    const lb_run_options options = {
        .recipe = "taylor.yaml", .sets = sets, .n_sets = 2, .out = "exact", .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = cut_and_go_on("taylor.yaml", sets, 2, "broken", 20);
    lb_arena_free(o.arena);
    check_same("broken/student.onnx", "exact/student.onnx");
    CHECK(macs_of("exact/student.onnx") <= 1.1 * macs_of("runs/taylor/student.onnx"));
    CHECK(system("rm -r broken exact") == 0);
}

/* A checkpoint behind a cut that has suffered; and one of another recipe. */
static void a_damaged_checkpoint_is_refused(void)
{
    stopper stop = {.at = 20};
    lb_run_options options = {
        .recipe = "taylor.yaml", .out = "broken", .watch = stopper_watch(&stop)};
    outcome o = {.arena = lb_arena_new(0)};

    CHECK(lb_run_distill(&options, o.arena, &o.result, &o.err) == LB_ERR_STOPPED);
    const lb_bytes whole = contents(o.arena, "broken/checkpoint.lbk");
    uint8_t *const copy = lb_arena_take(o.arena, whole.size);
    memcpy(copy, whole.data, whole.size);
    for (size_t at = 276; at < 400; at += 7) { /* from the stage on, into the masks */
        copy[at] ^= 1;
        put("broken/checkpoint.lbk", copy, whole.size);
        copy[at] ^= 1;
        const outcome again = run("taylor.yaml", "broken", true, NULL);
        CHECK(again.code == LB_ERR_INPUT);
        CHECK_TEXT(again.err.text, "it is damaged or cut short; delete it to begin anew");
        lb_arena_free(again.arena);
    }
    put("broken/checkpoint.lbk", copy, whole.size / 2);
    outcome again = run("taylor.yaml", "broken", true, NULL);
    CHECK_TEXT(again.err.text, "it is damaged or cut short");
    lb_arena_free(again.arena);
    put("broken/checkpoint.lbk", copy, whole.size);
    again = run("taylor.yaml", "broken", true, NULL);
    CHECK_OK(again.code, &again.err);
    check_same("broken/student.onnx", "runs/taylor/student.onnx");
    lb_arena_free(again.arena);
    lb_arena_free(o.arena);
    CHECK(system("rm -r broken") == 0);
}

static void what_cannot_be_is_told_at_once(void)
{
    static const struct {
        const char *recipe, *set, *words;
    } cases[] = {
        {"taylor.yaml", "compress={prune: {}}", "'amount' is missing in 'prune'"},
        {"taylor.yaml", "compress.prune.amount=1.5",
         "amount must be between 0.01 and 0.99, not 1.5"},
        {"taylor.yaml", "compress.prune.metod=l1", "did you mean 'method'?"},
        {"taylor.yaml", "compress.prune.method=l2",
         "method must be l1, bn or taylor, not 'l2'; did you mean 'l1'?"},
        {"taylor.yaml", "compress.prune.method=unstructured",
         "method unstructured: single weights are not pruned: the kernels that limbeck "
         "emits are dense"},
        {"taylor.yaml", "compress.prune.method=\"2:4\"",
         "method 2:4: N:M sparsity is not supported"},
        {"taylor.yaml", "compress.prune.keep=0.9", "compress.prune: no more than "},
        {"taylor.yaml", "distill.2.adapter=none",
         "loss 'hint': pruning takes channels of 'block2': "},
        {"l1.yaml", "stages.1.teacher=previous",
         "prune goes on with the losses of the last stage, 'second', but its teacher is "
         "the student before it"},
        {"l1.yaml",
         "stages.1={name: part, until: block1, distill: [{loss: hint, teacher: "
         "stem, student: stem}]}",
         "'part', but that runs the student until 'block1' only"},
        {"l1.yaml", "stages.1.name=pruning", "a stage is called 'pruning'"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].recipe, cases[i].set, cases[i].words);
}

int main(void)
{
    begin();
    put("taylor.yaml", taylor_yaml, strlen(taylor_yaml));
    put("l1.yaml", l1_yaml, strlen(l1_yaml));
    outcome o = run("teacher.yaml", NULL, false, "export=[onnx, report]");
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    RUN(a_dry_run_says_what_goes);
    RUN(each_runs_and_runs_again);
    RUN(no_interruption_changes_a_bit);
    RUN(float64_is_cut_alike);
    RUN(a_damaged_checkpoint_is_refused);
    RUN(what_cannot_be_is_told_at_once);
    return !end() || DONE();
}
