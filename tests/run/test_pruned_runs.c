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

/* Whole blocks; a loss looks at one of them, which stays. */
static const char blocks_yaml[] =
    "name: blocks\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "teacher: {onnx: runs/teacher/student.onnx, cache: {views: 2}}\n"
    "student: {model: resnet, width: 0.25, depth: 2}\n"
    "train: {epochs: 1, batch: 20, optimizer: {sgd: {lr: 0.05, momentum: 0.8}}}\n"
    "export: [onnx, c, report]\n"
    "distill:\n"
    "  - {loss: kd, weight: 0.8}\n"
    "  - {loss: ce, weight: 0.2}\n"
    "  - {loss: hint, weight: 0.1, teacher: block1, student: block2/relu1}\n"
    "device: stm32l4r5\n"
    "compress: {prune: {what: blocks, amount: 0.3, steps: 2, epochs: 1, batches: 2}}\n";

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
               "compress:\n  prune: {method: taylor, what: channels, amount: 0.5, "
               "of: macs, keep: 0.1, steps: 2, epochs: 1, batches: 3, lr: 0.05, "
               "untaught: false}\n");
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

static double number_in(const char *file, const char *object, const char *key)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *at = strstr(file_text(arena, file), object);
    double value = NAN;

    CHECK(at && (at = strstr(at, key)) != NULL);
    if (at)
        value = strtod(at + strlen(key), NULL);
    lb_arena_free(arena);
    return value;
}

/* They go, with all their layers; training goes on, firmware says the same, and a run
 * that was stopped ends alike. */
static void whole_blocks_go(void)
{
    outcome whole = run("blocks.yaml", "whole", false, "compress=none");
    CHECK_OK(whole.code, &whole.err);
    lb_arena_free(whole.arena);
    outcome o = run("blocks.yaml", NULL, false, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.summary, " of 5 blocks gone");
    const char *const result = file_text(o.arena, "runs/blocks/result.json");
    CHECK_TEXT(result, "\"gone\": true");
    CHECK_TEXT(result, "\"channels_after\": 0");
    CHECK_TEXT(o.result.summary, "compiled, 12 outputs agree (worst 0 of the scale)");
    CHECK(!strstr(result, "block2/add"));
    CHECK(macs_of("runs/blocks/student.onnx") <= 0.7 * macs_of("whole/student.onnx"));
    lb_arena_free(o.arena);
    for (int at = 7; at < 18; at += 6) {
        o = cut_and_go_on("blocks.yaml", NULL, 0, "broken", at);
        lb_arena_free(o.arena);
        check_same("broken/student.onnx", "runs/blocks/student.onnx");
        CHECK(system("rm -r broken") == 0);
    }
    CHECK(system("rm -r whole") == 0);
    o = dry("blocks.yaml", NULL);
    CHECK_TEXT(o.result.plan, "go with whole blocks, by taylor over 2 batches");
    lb_arena_free(o.arena);
}

static void untaught_is_by_the_labels_alone(void)
{
    outcome o = dry("taylor.yaml", "compress.prune.untaught=true");

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan,
               "stage 3   pruning 2\n          the student is cut: 50 % are "
               "gone\nlosses    ce, weight 1");
    CHECK_TEXT(o.result.plan, "stage 1   training\nlosses    kd");
    lb_arena_free(o.arena);
}

/* taylor.yaml, with so much flash; 0: all. */
static outcome gated(bool dry_run, const char *amount, double flash)
{
    char device[64];
    const char *const sets[] = {device, amount};
    const lb_run_options options = {.recipe = "taylor.yaml",
                                    .sets = sets,
                                    .n_sets = 2,
                                    .out = "heavy",
                                    .dry_run = dry_run,
                                    .threads = 2};
    outcome o = {.arena = lb_arena_new(0)};

    snprintf(device, sizeof device, "device={profile: stm32l4r5, flash: %.0f}",
             flash > 0 ? flash : 1e6);
    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

/* The device has to hold what is left: about so before the training, exactly behind the
 * cut. */
static void the_gate_weighs_what_is_left(void)
{
    const char *const before = "\"flash_bytes\": ";
    char limit[64], amount[64] = "";
    double guess = 0, is = 0;

    outcome o = dry("l1.yaml", "compress=none");
    CHECK_OK(o.code, &o.err);
    put("dry.json", o.result.json, strlen(o.result.json));
    const double all = number_in("dry.json", "\"student\"", before);
    CHECK_TEXT(o.result.plan, "(Cortex-M4F): it fits\n");
    lb_arena_free(o.arena);

    o = dry("l1.yaml", NULL);
    CHECK_OK(o.code, &o.err);
    put("dry.json", o.result.json, strlen(o.result.json));
    const double left = number_in("dry.json", "\"student\"", before);
    CHECK(left < all);
    CHECK_TEXT(o.result.plan, "it should fit once it is pruned (an estimate");
    lb_arena_free(o.arena);

    /* between the two: only the pruned student fits */
    snprintf(limit, sizeof limit, "device={profile: stm32l4r5, flash: %.0f}",
             (all + left) / 2);
    o = dry("l1.yaml", limit);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    snprintf(limit, sizeof limit, "device={profile: stm32l4r5, flash: %.0f}", left - 1);
    o = dry("l1.yaml", limit);
    CHECK(o.code == LB_ERR_BUDGET);
    lb_arena_free(o.arena);

    /* what really goes may weigh less than what the estimate took */
    for (int i = 0; i < 4 && !(is > guess); i++) {
        snprintf(amount, sizeof amount, "compress.prune={amount: 0.%d, epochs: 1}",
                 3 + i);
        o = gated(true, amount, 0);
        put("dry.json", o.result.json, strlen(o.result.json));
        guess = number_in("dry.json", "\"student\"", before);
        lb_arena_free(o.arena);
        o = gated(false, amount, 0);
        CHECK_OK(o.code, &o.err);
        is = number_in("heavy/result.json", "\"student\"", before);
        lb_arena_free(o.arena);
        CHECK(system("rm -r heavy") == 0);
    }
    CHECK(is > guess);
    o = gated(false, amount, (is + guess) / 2);
    CHECK(o.code == LB_ERR_BUDGET);
    CHECK_TEXT(o.err.text, "what is left of it does not fit: ");
    CHECK_TEXT(o.err.text, "let more go with compress.prune.amount");
    CHECK(system("test ! -e heavy/student.onnx && rm -r heavy") == 0);
    lb_arena_free(o.arena);
}

/* The widest that fits once it is pruned is wider than the widest that fits; the least
 * widths, whose layers cannot lose so much, are no hindrance. */
static void a_width_is_found_for_what_is_left(void)
{
    const char *const sets[] = {"student.width=fit",
                                "device={profile: stm32l4r5, flash: 12000}",
                                "compress.prune={amount: 0.5, keep: 0.62, epochs: 1}"};
    double width[2] = {0};

    for (int prunes = 0; prunes < 2; prunes++) {
        const char *const own[] = {sets[0], sets[1], prunes ? sets[2] : "compress=none"};
        const lb_run_options options = {
            .recipe = "taylor.yaml", .sets = own, .n_sets = 3, .dry_run = true};
        outcome o = {.arena = lb_arena_new(0)};
        o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
        CHECK_OK(o.code, &o.err);
        const char *const at = o.code == LB_OK ? strstr(o.result.plan, ", width ") : NULL;
        CHECK(at != NULL);
        width[prunes] = at ? strtod(at + 8, NULL) : 0;
        lb_arena_free(o.arena);
    }
    printf("# widths %g %g\n", width[0], width[1]);
    CHECK(width[1] > width[0]);
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
        {"l1.yaml", "compress.prune.what=blocks",
         "compress.prune: what: blocks: the student has no residual block"},
        {"blocks.yaml", "compress.prune.amount=0.99",
         "can go with its 5 residual blocks alone; 99.0 % was asked for"},
        {"taylor.yaml", "compress.prune.what=block", "did you mean 'blocks'?"},
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
    put("blocks.yaml", blocks_yaml, strlen(blocks_yaml));
    outcome o = run("teacher.yaml", NULL, false, "export=[onnx, report]");
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    RUN(a_dry_run_says_what_goes);
    RUN(each_runs_and_runs_again);
    RUN(no_interruption_changes_a_bit);
    RUN(whole_blocks_go);
    RUN(untaught_is_by_the_labels_alone);
    RUN(the_gate_weighs_what_is_left);
    RUN(a_width_is_found_for_what_is_left);
    RUN(float64_is_cut_alike);
    RUN(a_damaged_checkpoint_is_refused);
    RUN(what_cannot_be_is_told_at_once);
    return !end() || DONE();
}
