/* test_distill.c: whole runs on a small data set: what they leave behind, how they go on,
 * and what they refuse. */
#include "onnx/onnx.h"

#include "small_runs.h"

static const char student_yaml[] =
    "name: pupil\n"
    "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}]}\n"
    "teacher: {recipe: teacher.yaml, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill: [{loss: kd, temperature: 4, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
    "train: {epochs: 2, batch: 20}\n"
    "export: [onnx, report]\n";

static void a_run_leaves_what_it_promises(void)
{
    static const char *const keys[] = {
        "\"run\"",        "\"teacher\"",   "\"student\"",     "\"accuracy\"",
        "\"parameters\"", "\"macs\"",      "\"flash_bytes\"", "\"sram_bytes\"",
        "\"latency_ms\"", "\"energy_uj\"", "\"int8\"",        "\"agreement\"",
        "\"kl\"",         "\"ece\"",       "\"seconds\"",     "\"images_per_second\"",
        "\"files\""};
    static const char *const files[] = {"recipe.yaml", "student.onnx", "result.json",
                                        "record.json", "report.html",  "checkpoint.lbk"};
    outcome o = run("student.yaml", NULL, false, NULL);
    char path[64];

    CHECK_OK(o.code, &o.err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        CHECK_TEXT(o.result.json, keys[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "runs/pupil/%s", files[i]);
        CHECK(lb_file_exists(path));
    }
    CHECK(lb_file_exists("runs/teacher/student.onnx")); /* trained on the way */
    CHECK(lb_file_exists("runs/runs.db"));
    CHECK_TEXT(o.result.summary, "teacher");
    const lb_bytes result = contents(o.arena, "runs/pupil/result.json");
    CHECK(o.result.json && result.size == strlen(o.result.json) &&
          memcmp(result.data, o.result.json, result.size) == 0);
    lb_arena_free(o.arena);
}

/* The exported student answers as the record says; the recipe in the folder gives the
 * same bytes again. */
static void the_resolved_recipe_runs_again(void)
{
    outcome o = run("runs/pupil/recipe.yaml", "again", false, NULL);

    CHECK_OK(o.code, &o.err);
    const lb_bytes first = contents(o.arena, "runs/pupil/student.onnx");
    const lb_bytes second = contents(o.arena, "again/student.onnx");
    CHECK(first.size > 0 && first.size == second.size &&
          memcmp(first.data, second.data, first.size) == 0);
    lb_arena_free(o.arena);
}

/* A cache over fixed views is the live teacher over the same views, bit for bit. */
static void the_cache_changes_nothing(void)
{
    outcome o = run("student.yaml", "live", false, "teacher.cache.store=none");

    CHECK_OK(o.code, &o.err);
    const lb_bytes first = contents(o.arena, "again/student.onnx");
    const lb_bytes second = contents(o.arena, "live/student.onnx");
    CHECK(first.size > 0 && first.size == second.size &&
          memcmp(first.data, second.data, first.size) == 0);
    lb_arena_free(o.arena);
}

/* The teacher's file with its last layer's rows in another order: row i goes to
 * (i + 1) mod 3. */
static void turn_classes(const char *from, const char *to)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_load(from, &graph, NULL, &err), &err);
    const lb_node *const last =
        graph ? &graph->nodes[lb_info(graph, graph->outputs[0])->node] : NULL;
    for (int k = 1; last && k < last->n_in; k++) {
        lb_tensor *const w = lb_info(graph, last->in[k])->tensor;
        const size_t row = w->n / CLASSES;
        lb_tensor *copy = NULL;
        CHECK(w->shape.dim[0] == CLASSES);
        CHECK_OK(lb_tensor_copy(graph->arena, w, &copy, &err), &err);
        for (size_t i = 0; copy && i < w->n; i++)
            lb_tensor_put(w, (i + row) % w->n, lb_tensor_get(copy, i));
    }
    CHECK_OK(lb_onnx_save(graph, to, &err), &err);
    lb_graph_free(graph);
}

/* A teacher whose classes stand in another order teaches the very same, by numbers or by
 * names. */
static void classes_may_stand_in_another_order(void)
{
    static const char yaml[] =
        "name: turned\n"
        "data: {source: npy, path: ., validation: 40, augment: [{shift: 1}], "
        "class_names: \"top, middle, low\"}\n"
        "teacher: {onnx: turned.onnx, classes: turned.txt, cache: {views: 2}}\n"
        "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
        "distill: [{loss: kd, temperature: 4, weight: 0.9}, {loss: ce, weight: 0.1}]\n"
        "train: {epochs: 2, batch: 20}\n"
        "export: [onnx]\n";
    static const char *const sets[] = {NULL, "teacher.classes=[1, 2, 0]",
                                       "teacher={onnx: turned.onnx, classes: [1, 2, 0], "
                                       "cache: {views: 2, store: none}}"};

    turn_classes("runs/teacher/student.onnx", "turned.onnx");
    put("turned.txt", "low\ntop\nmiddle\n", 15);
    put("turned.yaml", yaml, strlen(yaml));
    for (int i = 0; i < 3; i++) {
        const char name[] = {'t', (char)('0' + i), '\0'};
        char student[32];
        outcome o = run("turned.yaml", name, false, sets[i]);
        CHECK_OK(o.code, &o.err);
        snprintf(student, sizeof student, "%s/student.onnx", name);
        const lb_bytes first = contents(o.arena, "again/student.onnx");
        const lb_bytes second = contents(o.arena, student);
        CHECK(first.size > 0 && first.size == second.size &&
              memcmp(first.data, second.data, first.size) == 0);
        lb_arena_free(o.arena);
    }
    outcome o = run("turned.yaml", "t3", false, "teacher.classes=[0, 1]");
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "'classes' has 2 outputs, but the data has 3 classes");
    lb_arena_free(o.arena);
    o = run("turned.yaml", "t4", false, "teacher.classes=[0, 1, 3]");
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "teacher has outputs 0 to 2");
    lb_arena_free(o.arena);
    o = run("turned.yaml", "t5", false, "teacher.classes=[0, 2, 1]");
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "where guessing gets 33.3 %");
    CHECK_TEXT(o.err.text, "give it classes: [1, 2, 0]");
    lb_arena_free(o.arena);
}

static outcome sit(const char *out, int epochs, bool prepare)
{
    const lb_run_options options = {.recipe = "student.yaml",
                                    .out = out,
                                    .resume = true,
                                    .threads = 2,
                                    .beside = "runs",
                                    .pause = epochs,
                                    .prepare_only = prepare};
    outcome o = {.arena = lb_arena_new(0)};

    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

/* Prepared, paused, ended: the bytes are those of a run in one sitting, and what the
 * JSON says is read back. */
static void a_paused_run_goes_on(void)
{
    lb_run_figures f;
    outcome o = sit("kept/paused", 0, true);

    CHECK_OK(o.code, &o.err);
    CHECK(!lb_file_exists("kept/paused/checkpoint.lbk"));
    lb_arena_free(o.arena);
    o = sit("kept/paused", 1, false);
    CHECK_OK(o.code, &o.err);
    CHECK(!lb_file_exists("kept/paused/student.onnx"));
    CHECK_OK(lb_run_figures_read(o.result.json, o.arena, &f, &o.err), &o.err);
    CHECK(f.epochs == 1 && f.best_epoch == 0 && isnan(f.accuracy));
    CHECK(f.validation_accuracy > 0 && f.validation_accuracy <= 1);
    lb_arena_free(o.arena);
    o = sit("kept/paused", 0, false);
    CHECK_OK(o.code, &o.err);
    CHECK_OK(lb_run_figures_read(o.result.json, o.arena, &f, &o.err), &o.err);
    CHECK(f.epochs == 2 && f.accuracy > 0 && f.last_accuracy > 0);
    CHECK(f.teacher_accuracy > 0.3 && f.parameters > 100 && isnan(f.flash_bytes));
    const lb_bytes first = contents(o.arena, "again/student.onnx");
    const lb_bytes second = contents(o.arena, "kept/paused/student.onnx");
    CHECK(first.size > 0 && first.size == second.size &&
          memcmp(first.data, second.data, first.size) == 0);
    CHECK(!lb_file_exists("kept/teacher") && !lb_file_exists("kept/.cache"));
    lb_arena_free(o.arena);
}

static void runs_are_not_mixed(void)
{
    outcome o = run("student.yaml", NULL, false, "train.epochs=3");

    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "holds a run of another recipe");
    CHECK_TEXT(o.err.text, "--out");
    lb_arena_free(o.arena);
    o = run("student.yaml", NULL, true, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.summary, "nothing was left to do");
    lb_arena_free(o.arena);
}

static void a_lost_export_is_made_good(void)
{
    outcome o = {0};

    remove("runs/pupil/result.json");
    remove("runs/pupil/student.onnx");
    o = run("student.yaml", NULL, true, NULL);
    CHECK_OK(o.code, &o.err);
    const lb_bytes first = contents(o.arena, "again/student.onnx");
    const lb_bytes second = contents(o.arena, "runs/pupil/student.onnx");
    CHECK(first.size > 0 && first.size == second.size &&
          memcmp(first.data, second.data, first.size) == 0);
    lb_arena_free(o.arena);
}

/* Weights that mean nothing: the teacher's file with its dense layer set to zero. */
static void a_teacher_that_guesses_is_refused(void)
{
    static const char yaml[] = "name: misled\n"
                               "data: {source: npy, path: ., validation: 40}\n"
                               "teacher: {onnx: blank.onnx}\n"
                               "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
                               "train: {epochs: 1, batch: 20}\n"
                               "export: [onnx]\n";
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_load("runs/teacher/student.onnx", &graph, NULL, &err), &err);
    for (int i = 1; graph && i < graph->n_values; i++)
        if (graph->values[i].kind == LB_VALUE_PARAM && graph->values[i].trained)
            memset(graph->values[i].tensor->data, 0,
                   lb_tensor_bytes(graph->values[i].tensor));
    CHECK_OK(lb_onnx_save(graph, "blank.onnx", &err), &err);
    lb_graph_free(graph);
    put("misled.yaml", yaml, strlen(yaml));
    outcome o = run("misled.yaml", NULL, false, NULL);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "where guessing gets 33.3 %");
    lb_arena_free(o.arena);
}

static void what_does_not_fit_is_not_trained(void)
{
    outcome o =
        run("student.yaml", "tight", false, "device={profile: stm32l4r5, sram: 1K}");

    CHECK(o.code == LB_ERR_BUDGET);
    CHECK(!lb_file_exists("tight/checkpoint.lbk"));
    lb_arena_free(o.arena);
}

/* The most capable student that the device holds, as firmware that was compiled and
 * tried. */
static void firmware_is_written_and_tried(void)
{
    static const char yaml[] = "name: tiny-4\n"
                               "data: {source: npy, path: ., validation: 40}\n"
                               "student: {model: ds-cnn, width: fit, depth: fit}\n"
                               "device: {profile: stm32l4r5, flash: 32K, sram: 8K}\n"
                               "train: {epochs: 1, batch: 20}\n"
                               "export: [onnx, c]\n";

    put("tiny.yaml", yaml, strlen(yaml));
    outcome o = run("tiny.yaml", NULL, false, NULL);
    CHECK_OK(o.code, &o.err);
    CHECK(lb_file_exists("runs/tiny-4/firmware/tiny_4.c"));
    CHECK(lb_file_exists("runs/tiny-4/firmware/selftest.c"));
    CHECK_TEXT(o.result.json, "\"firmware\"");
    CHECK_TEXT(o.result.json, "\"flash_bytes\": ");
    const lb_bytes record = contents(o.arena, "runs/tiny-4/record.json");
    const char *const text =
        lb_arena_copy_chars(o.arena, (const char *)record.data, record.size);
    CHECK_TEXT(text, "\"width\": \"fit\"");
    CHECK_TEXT(text, "\"depth\": \"fit\"");
    CHECK_TEXT(text, "\"depth_found\": ");
    if (system("cc --version > /dev/null 2>&1") == 0) {
        CHECK_TEXT(text, "\"compiled\": true");
        CHECK_TEXT(text, "\"mismatches\": 0");
    }
    lb_arena_free(o.arena);
}

static void missing_files_are_named(void)
{
    outcome o = run("nowhere.yaml", NULL, false, NULL);

    CHECK(o.code == LB_ERR_INPUT || o.code == LB_ERR_IO);
    CHECK_TEXT(o.err.text, "nowhere.yaml");
    lb_arena_free(o.arena);
    o = run("misled.yaml", "lost", false, "teacher.onnx=gone.onnx");
    CHECK(o.code == LB_ERR_INPUT || o.code == LB_ERR_IO);
    CHECK_TEXT(o.err.text, "gone.onnx");
    lb_arena_free(o.arena);
}

static void recipes_that_teach_themselves_end(void)
{
    static const char yaml[] = "name: circle\n"
                               "data: {source: npy, path: ., validation: 40}\n"
                               "teacher: {recipe: circle.yaml}\n"
                               "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
                               "train: {epochs: 1, batch: 20}\n"
                               "export: [onnx]\n";

    put("circle.yaml", yaml, strlen(yaml));
    outcome o = run("circle.yaml", NULL, false, NULL);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "does one name itself as its teacher?");
    lb_arena_free(o.arena);
}

int main(void)
{
    begin();
    put("student.yaml", student_yaml, strlen(student_yaml));
    RUN(a_run_leaves_what_it_promises);
    RUN(the_resolved_recipe_runs_again);
    RUN(the_cache_changes_nothing);
    RUN(classes_may_stand_in_another_order);
    RUN(a_paused_run_goes_on);
    RUN(runs_are_not_mixed);
    RUN(a_lost_export_is_made_good);
    RUN(a_teacher_that_guesses_is_refused);
    RUN(what_does_not_fit_is_not_trained);
    RUN(firmware_is_written_and_tried);
    RUN(missing_files_are_named);
    RUN(recipes_that_teach_themselves_end);
    return !end() || DONE();
}
