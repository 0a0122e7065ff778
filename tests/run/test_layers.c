/* test_layers.c: whole runs that learn from layers: what a dry run says of them,
 * mistakes, the same bytes after an interruption and from the resolved recipe, and no
 * trace of an adapter in what a run leaves behind. */
#include "onnx/onnx.h"

#include "small_runs.h"

static const char hint_yaml[] =
    "name: hinted\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n"
    "teacher: {onnx: runs/teacher/student.onnx, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill:\n"
    "  - {loss: hint, teacher: [stem, b*1], student: [block1/pw_norm, block1], weight: "
    "0.5}\n"
    "  - {loss: kd, weight: 0.5}\n"
    "  - {loss: ce, weight: 0.1}\n"
    "train: {epochs: 2, batch: 20}\n"
    "export: [onnx, c, report]\n";
static const char plain[] = "distill=[{loss: ce}]";

static void train_the_teacher(void)
{
    outcome o = run("teacher.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
}

static void a_dry_run_prints_pairs_and_shapes(void)
{
    outcome o = dry("hint.yaml", NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "block1/pw_norm [N,8,4,4] from stem [N,16,4,4]: "
                              "1x1 convolution to 16 channels, 144 parameters\n");
    CHECK_TEXT(o.result.plan, "block1 [N,8,4,4] from block1 [N,16,4,4]: ");
    CHECK_TEXT(o.result.plan, "asked live over 2 fixed views a sample");
    lb_arena_free(o.arena);
    o = dry("hint.yaml", "distill=[{loss: hint}]"); /* auto */
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "block1 [N,8,4,4] from block1 [N,16,4,4]: ");
    lb_arena_free(o.arena);
    /* what the loss maps by itself needs no adapter */
    o = dry("hint.yaml", "distill=[{loss: infonce, dimension: 16}]");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "flatten [N,8] from flatten [N,16]: as they are");
    lb_arena_free(o.arena);
    o = dry("hint.yaml", "distill=[{loss: infonce}]");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "flatten [N,8] from flatten [N,16]: dense layer to 16");
    lb_arena_free(o.arena);
    /* before the teacher is there */
    o = dry("hint.yaml", "teacher={recipe: later.yaml}");
    CHECK(o.code == LB_ERR_INPUT); /* no such recipe */
    lb_arena_free(o.arena);
    lb_arena *const arena = lb_arena_new(0);
    char *const text = lb_arena_text(arena, "%s", teacher_yaml);
    memcpy(text + strlen("name: "), "teachEr", strlen("teachEr"));
    put("later.yaml", text, strlen(text));
    lb_arena_free(arena);
    o = dry("hint.yaml", "teacher={recipe: later.yaml}");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "is known once the teacher is trained");
    lb_arena_free(o.arena);
}

static void mistakes_have_their_place(void)
{
    static const struct {
        const char *set, *words;
    } cases[] = {
        {"distill.0.teacher=[stem, blok1]",
         "hint.yaml:6:5: loss 'hint': the teacher has no layer 'blok1'; did you mean "
         "'block1'?\n1 mistake in 'hint.yaml'; nothing was run"},
        {"distill.0.student=block1",
         "it names 2 layers of the teacher and 1 of the student"},
        {"distill.0.adapter=none",
         "'block1' of the student and 'block1' of the teacher: without an adapter the "
         "shapes must be equal: the student's is [N,8,4,4], the teacher's [N,16,4,4]"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused("hint.yaml", cases[i].set, cases[i].words);
}

/* Parameters by name and shape. */
static void check_same_network(const char *a, const char *b)
{
    lb_graph *x = NULL, *y = NULL;
    lb_error err = {0};
    int n = 0;

    CHECK_OK(lb_onnx_load(a, &x, NULL, &err), &err);
    CHECK_OK(lb_onnx_load(b, &y, NULL, &err), &err);
    for (int i = 1; x && y && i < x->n_values; i++) {
        const lb_value_info *const v = &x->values[i];
        if (v->kind == LB_VALUE_NONE)
            continue;
        const lb_value w = lb_graph_find(y, v->name);
        CHECK(w.id != 0 && lb_shape_equal(&v->type.shape, &lb_info(y, w)->type.shape));
        CHECK(!strstr(v->name, "adapter") && !strstr(v->name, "hint"));
        n++;
    }
    CHECK(n > 10 && x && y && x->n_nodes == y->n_nodes && x->n_values == y->n_values);
    CHECK(x && y && lb_graph_parameters(x) == lb_graph_parameters(y));
    lb_graph_free(x);
    lb_graph_free(y);
}

static size_t size_of(const char *path)
{
    lb_arena *const arena = lb_arena_new(0);
    const size_t n = contents(arena, path).size;

    lb_arena_free(arena);
    return n;
}

static void no_export_holds_an_adapter(void)
{
    outcome o = run("hint.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.json,
               "\"terms\": [{\"loss\": \"hint\", \"layers\": [{"
               "\"student\": \"block1/pw_norm\", \"teacher\": "
               "\"stem\"}, {\"student\": \"block1\", \"teacher\": "
               "\"block1\"}], \"weight\": 0.5, \"auto\": null, \"value\": ");
    CHECK_TEXT(o.result.json, "{\"loss\": \"ce\", \"layers\": [], \"weight\": 0.1, ");
    CHECK_TEXT(o.result.json, "\"first_gradient_share\": 0.");
    CHECK_TEXT(o.result.summary, "gradient  hint (weight 0.5) ");
    const char *const record = file_text(o.arena, "runs/hinted/record.json");
    CHECK_TEXT(record, "\"weights\": [0.5, 0.5, 0.1], \"shares\": [0.");
    outcome p = run("hint.yaml", "plain", false, plain);
    CHECK_TEXT(p.result.json, "\"gradient_share\": 1, \"first_gradient_share\": 1}]");
    CHECK(!strstr(p.result.summary, "gradient"));
    CHECK_OK(p.code, &p.err);
    check_same_network("runs/hinted/student.onnx", "plain/student.onnx");
    CHECK(size_of("runs/hinted/student.onnx") == size_of("plain/student.onnx"));
    const char *const firmware = file_text(o.arena, "runs/hinted/firmware/hinted.c");
    CHECK_TEXT(firmware, "block1");
    CHECK(firmware && !strstr(firmware, "adapter") && !strstr(firmware, "hint2"));
    /* the weights are kept as numbers of equal width, or the figures say it */
    const char *const a = strstr(o.result.json, "\"parameters\"");
    const char *const teacher = a ? strstr(a + 1, "\"student\"") : NULL;
    const char *const b = strstr(p.result.json, "\"student\"");
    const char *const mine = teacher ? strstr(teacher, "\"parameters\"") : NULL;
    const char *const its = b ? strstr(b, "\"parameters\"") : NULL;
    CHECK(mine && its && strncmp(mine, its, 20) == 0);
    lb_arena_free(o.arena);
    lb_arena_free(p.arena);
}

static void the_resolved_recipe_runs_again(void)
{
    outcome o = run("runs/hinted/recipe.yaml", "again", false, NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(
        file_text(o.arena, "runs/hinted/recipe.yaml"),
        "teacher: [stem, \"b*1\"], student: [block1/pw_norm, block1], adapter: auto");
    check_same("runs/hinted/student.onnx", "again/student.onnx");
    lb_arena_free(o.arena);
}

static void an_interruption_does_not_change_a_bit(void)
{
    for (int64_t at = 1; at < 12; at += 5) {
        stopper s = {.at = at};
        const lb_run_options options = {.recipe = "hint.yaml",
                                        .out = "cut",
                                        .threads = 2,
                                        .watch = stopper_watch(&s)};
        lb_arena *const arena = lb_arena_new(0);
        lb_run_result result;
        lb_error err = {0};
        CHECK(system("rm -rf cut") == 0);
        CHECK(lb_run_distill(&options, arena, &result, &err) == LB_ERR_STOPPED);
        lb_arena_free(arena);
        outcome o = run("hint.yaml", "cut", true, NULL);
        CHECK_OK(o.code, &o.err);
        lb_arena_free(o.arena);
        check_same("runs/hinted/student.onnx", "cut/student.onnx");
    }
}

/* The teacher is not asked for logits then; the student's last layer stays as it was. */
static void layers_alone_are_enough(void)
{
    for (int exact = 0; exact < 2; exact++) {
        outcome o = run("hint.yaml", exact ? "alone64" : "alone", false,
                        exact ? "train={epochs: 1, batch: 20, precision: float64}"
                              : "distill=[{loss: hint}]");
        CHECK_OK(o.code, &o.err);
        lb_arena_free(o.arena);
    }
    check_same_network("alone/student.onnx", "plain/student.onnx");
    check_same_network("alone64/student.onnx", "plain/student.onnx");
}

/* All of them at once, in float32 on the fast kernels, each on the layers that it finds
 * by itself (fsp needs two); and in the other forms. A value that is not finite would
 * stop the run. */
static void every_loss_over_layers_trains(void)
{
    outcome o = run("hint.yaml", "all", false,
                    "distill=[{loss: hint}, {loss: hcl}, {loss: at}, {loss: nst}, "
                    "{loss: gram}, {loss: fsp, teacher: [stem, block1], student: [stem, "
                    "block1]}, {loss: ft}, {loss: ab, weight: 0.1}, {loss: ofd}, "
                    "{loss: vid, weight: 0.1}, {loss: reviewkd, weight: 0.1}, {loss: "
                    "sp}, {loss: pkt}, {loss: rkd, "
                    "weight: 0.1}, {loss: cc}, {loss: infonce, weight: 0.1}]");

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = run("hint.yaml", "forms", false,
            "distill=[{loss: ce}, {loss: at, form: paper, power: 3}, {loss: ft, form: "
            "attention}, {loss: sp, form: published}, {loss: pkt, form: published}, "
            "{loss: infonce, symmetric: false}, "
            "{loss: infonce, dimension: 16, weight: 0.1}, {loss: cc, dimension: 16}, "
            "{loss: ft, form: factors, weight: 10, transfer: {from: 0, after: 1, shape: "
            "step}}]");
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same_network("all/student.onnx", "plain/student.onnx");
}

/* A weight of the literature that depends on the maps: a number in the plan and in the
 * resolved recipe, which runs to the same bytes. */
static void a_weight_of_the_literature_becomes_a_number(void)
{
    static const char set[] =
        "distill=[{loss: at, weight: {preset: repdistiller}}, {loss: ce}]";
    outcome o = dry("hint.yaml", set);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "at, weight 62.5, ");
    lb_arena_free(o.arena);
    o = run("hint.yaml", "preset", false, set);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(file_text(o.arena, "preset/recipe.yaml"),
               "{loss: at, weight: 62.5, form: per-sample, power: 2, teacher: auto, "
               "student: auto, adapter: auto} # weight: preset repdistiller: 1000 over "
               "the 16 places of a map; published with power 2\n");
    lb_arena_free(o.arena);
    o = run("preset/recipe.yaml", "preset2", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("preset/student.onnx", "preset2/student.onnx");
}

/* A weight that the run finds: told in the result, asked for in the resolved recipe,
 * which finds the same. */
static void a_weight_is_found(void)
{
    static const char set[] = "distill=[{loss: hint, weight: {auto: 0.5, steps: 3}}, "
                              "{loss: ce, weight: {warmup: 1}}]";
    outcome o = dry("hint.yaml", set);

    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "hint, weight auto 0.5");
    CHECK_TEXT(o.result.plan, "ce, weight 0 to 1");
    CHECK_TEXT(o.result.json, "\"weight\": null, \"auto\": 0.5, ");
    lb_arena_free(o.arena);
    o = run("hint.yaml", "found", false, set);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.json, "\"auto\": 0.5, ");
    CHECK(!strstr(o.result.json, "\"weight\": null"));
    CHECK(!strstr(o.result.json, "\"weight\": 0,"));
    CHECK_TEXT(file_text(o.arena, "found/recipe.yaml"),
               "{loss: hint, weight: {auto: 0.5, steps: 3}, ");
    lb_arena_free(o.arena);
    o = run("found/recipe.yaml", "found2", false, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("found/student.onnx", "found2/student.onnx");
}

static void a_batch_too_small_to_compare_is_refused(void)
{
    static const char *const losses[] = {"sp", "pkt", "rkd", "cc", "infonce"};
    lb_arena *const arena = lb_arena_new(0);

    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        const char *const text = lb_arena_text(
            arena,
            "name: small\ndata: {source: npy, path: ., validation: 40}\n"
            "teacher: {onnx: runs/teacher/student.onnx}\n"
            "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
            "distill: [{loss: %s}]\ntrain: {epochs: 1, batch: 4}\nexport: [onnx]\n",
            losses[i]);
        put("small.yaml", text, strlen(text));
        check_refused("small.yaml", NULL, "use 'kd'");
    }
    lb_arena_free(arena);
}

int main(void)
{
    begin();
    put("hint.yaml", hint_yaml, strlen(hint_yaml));
    RUN(train_the_teacher);
    RUN(a_dry_run_prints_pairs_and_shapes);
    RUN(mistakes_have_their_place);
    RUN(no_export_holds_an_adapter);
    RUN(the_resolved_recipe_runs_again);
    RUN(an_interruption_does_not_change_a_bit);
    RUN(layers_alone_are_enough);
    RUN(every_loss_over_layers_trains);
    RUN(a_weight_of_the_literature_becomes_a_number);
    RUN(a_weight_is_found);
    RUN(a_batch_too_small_to_compare_is_refused);
    return !end() || DONE();
}
