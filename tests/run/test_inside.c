/* test_inside.c: what whole runs tell of the layers: alignments in the result, maps of
 * attention in the record that another plan gives from the files alone; of one teacher
 * and of several, in float32 and float64, of pictures and of other data. */
#include "onnx/onnx.h"
#include "recipe/tree.h"

#include <stdint.h>

#include "evaluate.h"
#include "small_runs.h"

static const char pupil_yaml[] =
    "name: pupil\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "teacher: {onnx: runs/teacher/student.onnx}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill:\n"
    "  - {loss: hint, teacher: [stem, block1], student: [stem, block1], weight: 0.5}\n"
    "  - {loss: kd, weight: 0.5}\n"
    "train: {epochs: 2, batch: 20}\n"
    "export: [onnx, report]\n";

/* Two teachers, of the same data; and one of planes of two channels. */
static const char several_yaml[] =
    "name: several\n"
    "data: {source: npy, path: ., validation: 40}\n"
    "teacher: [{onnx: runs/teacher/student.onnx}, {onnx: second/student.onnx}]\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
    "distill: [{loss: kd}]\n"
    "train: {epochs: 1, batch: 20}\n"
    "export: [onnx, report]\n";
static const char twofold_yaml[] = "name: twofold\n"
                                   "data: {source: npy, path: twofold, validation: 40}\n"
                                   "teacher: {onnx: wise/student.onnx}\n"
                                   "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
                                   "distill: [{loss: kd}]\n"
                                   "train: {epochs: 1, batch: 20}\n"
                                   "export: [onnx, report]\n";

static const lb_tree *parse(lb_arena *arena, const char *text)
{
    lb_findings findings;

    lb_findings_init(&findings, arena);
    const lb_tree *const tree =
        text ? lb_tree_parse(text, strlen(text), NULL, &findings) : NULL;
    CHECK(tree && findings.n == 0);
    return tree;
}

static const lb_tree *parse_file(lb_arena *arena, const char *path)
{
    return parse(arena, file_text(arena, path));
}

static int length(const lb_tree *list)
{
    return list ? list->n : -1;
}

static const char *word(const lb_tree *map, const char *key)
{
    const lb_tree *const at = lb_tree_find(map, key);

    return at && at->text ? at->text : "";
}

static double number(const lb_tree *map, const char *key)
{
    const char *const text = word(map, key);

    return *text && strcmp(text, "null") != 0 ? strtod(text, NULL) : NAN;
}

/* Pair i of the alignment is of these layers. */
static void check_pair(const lb_tree *alignment, int i, const char *teacher,
                       const char *student)
{
    const lb_tree *const pair = i < length(alignment) ? alignment->child[i] : NULL;
    const double cka = number(pair, "cka");

    if (strcmp(word(pair, "teacher"), teacher) != 0)
        printf("# pair %d is of '%s'\n", i, word(pair, "teacher"));
    CHECK(strcmp(word(pair, "teacher"), teacher) == 0);
    CHECK(strcmp(word(pair, "student"), student) == 0);
    CHECK(cka > 0.02 && cka <= 1);
}

static void the_losses_layers_are_compared(void)
{
    outcome o = run("pupil.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    const lb_tree *const alignment =
        lb_tree_find(parse(o.arena, o.result.json), "alignment");
    CHECK(length(alignment) == 3);
    check_pair(alignment, 0, "stem", "stem");
    check_pair(alignment, 1, "block1", "block1");
    check_pair(alignment, 2, "logits", "logits");
    CHECK(length(alignment) == 3 &&
          length(lb_tree_find(alignment->child[0], "teacher_shape")) == 3 &&
          length(lb_tree_find(alignment->child[2], "student_shape")) == 1 &&
          !lb_tree_find(alignment->child[0], "member"));
    const lb_tree *const record = parse_file(o.arena, "runs/pupil/record.json");
    const lb_tree *const grid = lb_tree_find(record, "alignment_grid");
    CHECK(number(grid, "samples") == N_TEST);
    const lb_tree *const cka = lb_tree_find(grid, "cka");
    const lb_tree *const rows = lb_tree_find(grid, "teacher");
    const lb_tree *const columns = lb_tree_find(grid, "student");
    /* stem, the block's two halves, what the dense layer is given, logits */
    CHECK(length(cka) == 5 && length(rows) == 5 && length(columns) == 5);
    int found = 0;
    for (int i = 0; i < length(cka); i++) {
        CHECK(length(cka->child[i]) == 5);
        for (int k = 0; k < length(alignment); k++)
            if (strcmp(rows->child[i]->text, word(alignment->child[k], "teacher")) == 0) {
                CHECK(strcmp(columns->child[i]->text, rows->child[i]->text) == 0);
                CHECK_NEAR(strtod(cka->child[i]->child[i]->text, NULL),
                           number(alignment->child[k], "cka"), 0);
                found++;
            }
    }
    CHECK(found == 3);
    lb_arena_free(o.arena);
}

/* As in any base64; returns how many bytes there are. */
static int decode(const char *text, uint8_t *out, int most)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    int n_bits = 0, n = 0;

    for (; *text && *text != '=' && n < most; text++) {
        const char *const at = strchr(digit, *text);
        CHECK(at != NULL);
        bits = bits << 6 | (at ? (unsigned)(at - digit) : 0);
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        out[n++] = (uint8_t)(bits >> n_bits & 255);
    }
    return n;
}

/* What the file's layer block1 gives for a test sample, squared and summed over the
 * channels, by the reference kernels. Returns the number of points. */
static int attention(lb_arena *arena, const char *path, int sample, double out[256])
{
    lb_tensor *x = NULL, *all = NULL, *given[MAX_OUTPUTS] = {NULL};
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;
    int n = 0;

    CHECK_OK(lb_npy_load(arena, "x_test.npy", 1 << 20, &all, &err), &err);
    const lb_shape one = lb_shape_of(4, 1, 1, SIDE, SIDE);
    CHECK_OK(lb_tensor_new(arena, LB_F32, &one, &x, &err), &err);
    for (size_t i = 0; all && x && i < SIDE * SIDE; i++)
        lb_tensor_put(x, i, lb_tensor_get(all, (size_t)sample * SIDE * SIDE + i) / 255);
    CHECK_OK(lb_onnx_load(path, &graph, NULL, &err), &err);
    if (!graph || !x)
        return 0;
    graph->n_outputs = 0;
    lb_builder_init(&b, graph);
    lb_output(&b, lb_layer_find(graph, "block1"));
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(evaluate(graph, x, LB_KERNELS_REFERENCE, arena, given, &err), &err);
    if (given[0]) {
        const int channels = given[0]->shape.dim[1];
        n = given[0]->shape.dim[2] * given[0]->shape.dim[3];
        CHECK(channels > 1 && n > 1 && n <= 256);
        for (int i = 0; i < n; i++) {
            out[i] = 0;
            for (int c = 0; c < channels; c++)
                out[i] += pow(lb_tensor_get(given[0], (size_t)(c * n + i)), 2);
        }
    }
    lb_graph_free(graph);
    return n;
}

static void check_map(lb_arena *arena, const char *path, int sample, const char *text)
{
    double want[256], most = 0;
    uint8_t bytes[256];
    const int n = attention(arena, path, sample, want);

    CHECK(decode(text, bytes, 256) == n && n > 1);
    for (int i = 0; i < n; i++)
        most = fmax(most, want[i]);
    for (int i = 0; i < n; i++)
        CHECK_NEAR(bytes[i], 255 * want[i] / most, 0.6);
}

static void both_look_where_the_files_say(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_tree *const a =
        lb_tree_find(parse_file(arena, "runs/pupil/record.json"), "attention");
    const lb_tree *const pairs = lb_tree_find(a, "pairs");
    const lb_tree *const samples = lb_tree_find(a, "samples");

    /* stem and block1 are of one size: the last one is shown */
    CHECK(length(pairs) == 1 && strcmp(word(pairs->child[0], "teacher"), "block1") == 0);
    CHECK(length(samples) == 8);
    for (int i = 0; i < length(samples); i++) {
        const lb_tree *const s = samples->child[i];
        const lb_tree *const maps = lb_tree_find(s, "maps");
        const int sample = (int)number(s, "sample");
        uint8_t pixels[SIDE * SIDE + 1];
        CHECK(length(maps) == 1);
        if (length(maps) != 1)
            continue;
        check_map(arena, "runs/teacher/student.onnx", sample,
                  word(maps->child[0], "teacher"));
        check_map(arena, "runs/pupil/student.onnx", sample,
                  word(maps->child[0], "student"));
        CHECK(number(maps->child[0], "cosine") > 0.1 &&
              number(maps->child[0], "cosine") <= 1 + 1e-12);
        CHECK(decode(word(s, "pixels"), pixels, sizeof pixels) == SIDE * SIDE);
        CHECK(number(lb_tree_find(s, "teacher"), "confidence") >= 1.0 / CLASSES);
        CHECK(number(lb_tree_find(s, "student"), "answer") >= 0);
        for (int k = 0; k < i; k++)
            CHECK(number(samples->child[k], "sample") != sample);
    }
    /* every class is there, those on which the two disagree first */
    int seen[CLASSES] = {0};
    bool agreed = false;
    for (int i = 0; i < length(samples); i++) {
        const lb_tree *const s = samples->child[i];
        const int label = (int)number(s, "label");
        CHECK(label >= 0 && label < CLASSES);
        if (label >= 0 && label < CLASSES)
            seen[label]++;
        const bool same = number(lb_tree_find(s, "teacher"), "answer") ==
                          number(lb_tree_find(s, "student"), "answer");
        CHECK(i > 2 || !agreed || same);
        agreed = agreed || same;
    }
    CHECK(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
    lb_arena_free(arena);
}

static void answers_alone_find_layers_by_themselves(void)
{
    outcome o = run("pupil.yaml", "auto", false, "distill=[{loss: kd}]");

    CHECK_OK(o.code, &o.err);
    const lb_tree *const alignment =
        lb_tree_find(parse(o.arena, o.result.json), "alignment");
    CHECK(length(alignment) ==
          3); /* the last map, what the dense layer is given, logits */
    check_pair(alignment, 0, "block1", "block1");
    check_pair(alignment, 2, "logits", "logits");
    lb_arena_free(o.arena);
}

/* The text from a key on, to the end of its list; empty if there is none. */
static const char *part(lb_arena *arena, const char *json, const char *key)
{
    const char *const at = json ? strstr(json, key) : NULL;
    const char *const end = at ? strstr(at, "], \"epochs\"") : NULL;

    return end ? lb_arena_copy_chars(arena, at, (size_t)(end - at)) : "";
}

/* A run that was resumed and one on another number of threads tell the same digits. */
static void figures_do_not_move(void)
{
    static const lb_run_options ways[] = {
        {.recipe = "pupil.yaml", .out = "one", .threads = 1},
        {.recipe = "pupil.yaml", .out = "three", .threads = 3}};
    outcome o = run("pupil.yaml", "two", false, NULL);
    const char *const want = part(o.arena, o.result.json, "\"alignment\"");

    CHECK_OK(o.code, &o.err);
    CHECK(strlen(want) > 100);
    for (size_t i = 0; i < 2; i++) {
        lb_run_result result;
        lb_error err = {0};
        CHECK_OK(lb_run_distill(&ways[i], o.arena, &result, &err), &err);
        CHECK(strcmp(part(o.arena, result.json, "\"alignment\""), want) == 0);
    }
    lb_arena_free(o.arena);
}

static void several_teachers_have_a_part_each(void)
{
    outcome o = run("teacher.yaml", "second", false, "seed=9");

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = run("several.yaml", NULL, false, NULL);
    CHECK_OK(o.code, &o.err);
    const lb_tree *const alignment =
        lb_tree_find(parse(o.arena, o.result.json), "alignment");
    CHECK(length(alignment) == 6);
    for (int k = 0; k < 2; k++) {
        check_pair(alignment, 3 * k, "block1", "block1");
        check_pair(alignment, 3 * k + 2, "logits", "logits");
    }
    for (int i = 0; i < length(alignment); i++)
        CHECK(number(alignment->child[i], "member") == (i >= 3));
    const lb_tree *record = parse_file(o.arena, "runs/several/record.json");
    CHECK(number(lb_tree_find(record, "attention"), "member") == 0);
    lb_arena_free(o.arena);
    /* where a loss looks into the second, that one is shown */
    o = run("several.yaml", "of_one", false,
            "distill=[{loss: hint, of: 1, teacher: stem, student: stem}]");
    CHECK_OK(o.code, &o.err);
    const lb_tree *const named = lb_tree_find(parse(o.arena, o.result.json), "alignment");
    CHECK(length(named) == 5);
    check_pair(named, 0, "block1", "block1"); /* what auto finds in the first */
    check_pair(named, 3, "stem", "stem");
    check_pair(named, 4, "logits", "logits");
    record = parse_file(o.arena, "of_one/record.json");
    const lb_tree *const attention = lb_tree_find(record, "attention");
    CHECK(number(attention, "member") == 1);
    CHECK(number(lb_tree_find(record, "alignment_grid"), "member") == 1);
    const lb_tree *const pairs = lb_tree_find(attention, "pairs");
    CHECK(length(pairs) == 1 && strcmp(word(pairs->child[0], "teacher"), "stem") == 0);
    lb_arena_free(o.arena);
}

static void float64_is_told_of_too(void)
{
    outcome o = run("pupil.yaml", "exact", false,
                    "train={epochs: 1, batch: 20, precision: float64}");

    CHECK_OK(o.code, &o.err);
    const lb_tree *const alignment =
        lb_tree_find(parse(o.arena, o.result.json), "alignment");
    check_pair(alignment, 0, "stem", "stem");
    check_pair(alignment, 2, "logits", "logits");
    lb_arena_free(o.arena);
}

static void without_teacher_or_page_there_is_less(void)
{
    outcome o = run("pupil.yaml", "alone", false, "distill=[{loss: ce}]");

    CHECK_OK(o.code, &o.err); /* a teacher that no loss asks is still compared */
    CHECK(length(lb_tree_find(parse(o.arena, o.result.json), "alignment")) == 3);
    lb_arena_free(o.arena);
    o = run("teacher.yaml", "untaught", false, "export=[onnx, report]");
    CHECK_OK(o.code, &o.err);
    CHECK(length(lb_tree_find(parse(o.arena, o.result.json), "alignment")) == 0);
    const lb_tree *record = parse_file(o.arena, "untaught/record.json");
    CHECK(strcmp(word(record, "attention"), "null") == 0);
    CHECK(strcmp(word(record, "alignment_grid"), "null") == 0);
    lb_arena_free(o.arena);
    o = run("pupil.yaml", "pageless", false, "export=[onnx]");
    CHECK_OK(o.code, &o.err);
    record = parse_file(o.arena, "pageless/record.json");
    CHECK(length(lb_tree_find(record, "alignment")) == 3);
    CHECK(strcmp(word(record, "attention"), "null") == 0);
    lb_arena_free(o.arena);
}

/* The data as floats: planes of one channel, or of two. */
static void put_floats(lb_arena *arena, const char *part, bool twofold)
{
    const char *const folder_of = twofold ? "twofold" : "planes";
    lb_tensor *x = NULL, *y = NULL;
    lb_error err = {0};

    CHECK_OK(
        lb_npy_load(arena, lb_arena_text(arena, "x_%s.npy", part), 1 << 20, &x, &err),
        &err);
    CHECK_OK(lb_tensor_cast(arena, x, LB_F32, &y, &err), &err);
    if (y && twofold)
        y->shape = lb_shape_of(4, y->shape.dim[0], 2, SIDE / 2, SIDE);
    CHECK_OK(
        y ? lb_npy_save(y, lb_arena_text(arena, "%s/x_%s.npy", folder_of, part), &err)
          : LB_ERR_BUG,
        &err);
    CHECK(system(lb_arena_text(arena, "cp y_%s.npy %s", part, folder_of)) == 0);
}

/* Planes of floats, as spectrograms are, can be drawn. */
static void planes_are_drawn(void)
{
    outcome o = run("pupil.yaml", "spectrum", false, "data.path=planes");

    CHECK_OK(o.code, &o.err);
    const lb_tree *const record = parse_file(o.arena, "spectrum/record.json");
    CHECK(length(lb_tree_find(record, "samples")) == 12);
    CHECK(length(lb_tree_find(lb_tree_find(record, "attention"), "samples")) == 8);
    lb_arena_free(o.arena);
}

/* What is no picture leaves no hole: its layers are compared all the same. */
static void other_data_is_not_drawn(void)
{
    outcome o = run("teacher.yaml", "wise", false, "data.path=twofold");

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = run("twofold.yaml", NULL, false, NULL);
    CHECK_OK(o.code, &o.err);
    const lb_tree *const record = parse_file(o.arena, "runs/twofold/record.json");
    CHECK(length(lb_tree_find(record, "samples")) == 0);
    CHECK(strcmp(word(record, "attention"), "null") == 0);
    CHECK(length(lb_tree_find(record, "alignment")) == 3);
    lb_arena_free(o.arena);
}

static void write_data(void)
{
    lb_arena *const arena = lb_arena_new(0);

    put("pupil.yaml", pupil_yaml, strlen(pupil_yaml));
    put("several.yaml", several_yaml, strlen(several_yaml));
    put("twofold.yaml", twofold_yaml, strlen(twofold_yaml));
    CHECK(system("mkdir planes twofold") == 0);
    for (int twofold = 0; twofold < 2; twofold++) {
        put_floats(arena, "train", twofold);
        put_floats(arena, "test", twofold);
    }
    lb_arena_free(arena);
}

static void train_the_teacher(void)
{
    outcome o = run("teacher.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
}

int main(void)
{
    begin();
    write_data();
    RUN(train_the_teacher);
    RUN(the_losses_layers_are_compared);
    RUN(both_look_where_the_files_say);
    RUN(answers_alone_find_layers_by_themselves);
    RUN(figures_do_not_move);
    RUN(several_teachers_have_a_part_each);
    RUN(float64_is_told_of_too);
    RUN(without_teacher_or_page_there_is_less);
    RUN(planes_are_drawn);
    RUN(other_data_is_not_drawn);
    return !end() || DONE();
}
