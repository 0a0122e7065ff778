/* test_audit.c: what is told of a teacher before the student is taught, and why a run
 * with a wrong one stops. */
#include "onnx/onnx.h"
#include "ops/build.h"
#include "run/relabel.h"

#include "small_runs.h"

enum { QUARTERS = 4 };

/* The order that gets all scores, by trying every one. */
static int64_t best_by_trial(const int64_t *score, int n, int row, unsigned taken)
{
    int64_t best = INT64_MIN / 2;

    if (row == n)
        return 0;
    for (int c = 0; c < n; c++) {
        if (taken >> c & 1)
            continue;
        const int64_t rest = best_by_trial(score, n, row + 1, taken | 1u << c);
        const int64_t here = score[row * n + c] + rest;
        best = here > best ? here : best;
    }
    return best;
}

static void assignments_are_the_best_there_are(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_rng rng = lb_rng_make(4, LB_RNG_TEST, 0, 0);
    lb_error err = {0};

    for (int n = 1; n <= 7; n++)
        for (int round = 0; round < 30; round++) {
            int64_t score[49], sum = 0;
            int column[7] = {0};
            unsigned seen = 0;
            for (int i = 0; i < n * n; i++)
                score[i] = (int64_t)lb_rng_below(&rng, round % 2 ? 5 : 1000) - 2;
            CHECK_OK(lb_assign(score, n, arena, column, &err), &err);
            for (int i = 0; i < n; i++) {
                sum += score[i * n + column[i]];
                seen |= 1u << column[i];
            }
            CHECK(seen == (1u << n) - 1);
            CHECK(sum == best_by_trial(score, n, 0, 0));
        }
    lb_arena_free(arena);
}

/* n samples of `classes` in turn; what is answered is order[label], or by chance any. */
static lb_relabelling relabel(lb_arena *arena, const int *order, int classes, int n,
                              double luck, int32_t only)
{
    lb_rng rng = lb_rng_make((uint64_t)n, LB_RNG_TEST, 1, 0);
    int32_t *const label = LB_TAKE_ARRAY(arena, n, int32_t);
    int32_t *const answer = LB_TAKE_ARRAY(arena, n, int32_t);
    lb_relabelling r = {0};
    lb_error err = {0};

    for (int i = 0; i < n; i++) {
        label[i] = i % classes;
        answer[i] = only >= 0 ? only : order[label[i]];
        if (lb_rng_uniform(&rng) < luck)
            answer[i] = (int32_t)lb_rng_below(&rng, (uint64_t)classes);
    }
    CHECK_OK(lb_relabel(label, answer, n, classes, arena, &r, &err), &err);
    return r;
}

static void orders_are_found_but_not_imagined(void)
{
    static const int same[] = {0, 1, 2, 3}, turned[] = {1, 2, 3, 0};
    static const int swapped[] = {0, 3, 2, 1}, falls[] = {0, 3, 2, 3};
    lb_arena *const arena = lb_arena_new(0);

    lb_relabelling r = relabel(arena, turned, 4, 80, 0.3, -1);
    CHECK(r.certain && r.n_moved == 4 && memcmp(r.answer, turned, sizeof turned) == 0);
    CHECK(r.accuracy > 0.6);
    r = relabel(arena, swapped, 4, 80, 0.3, -1);
    CHECK(r.certain && r.n_moved == 2 && memcmp(r.answer, swapped, sizeof swapped) == 0);
    r = relabel(arena, same, 4, 80, 0.3, -1);
    CHECK(!r.certain && r.n_moved == 0);
    r = relabel(arena, falls, 4, 80, 0, -1); /* a class that it does not know */
    CHECK(!r.certain);
    r = relabel(arena, same, 4, 80, 0, 2); /* the same to all */
    CHECK(!r.certain);
    for (int n = 8; n <= 400; n++) { /* chance alone */
        r = relabel(arena, same, 4, n, 1, -1);
        CHECK(!r.certain);
    }
    r = relabel(arena, turned, 4, 8, 0, -1); /* too few to be sure */
    CHECK(!r.certain);
    lb_arena_free(arena);
}

/* A bright quarter tells the class. */
static void put_quarters(const char *part, int n)
{
    const lb_shape shape = lb_shape_of(4, n, 1, SIDE, SIDE), labels = lb_shape_of(1, n);
    lb_arena *const arena = lb_arena_new(0);
    lb_rng rng = lb_rng_make((uint64_t)n, LB_RNG_TEST, 0, 0);
    lb_tensor *x = NULL, *y = NULL;
    lb_error err = {0};
    char name[32];

    CHECK_OK(lb_tensor_new(arena, LB_U8, &shape, &x, &err), &err);
    CHECK_OK(lb_tensor_new(arena, LB_I64, &labels, &y, &err), &err);
    for (int i = 0; i < n; i++) {
        lb_tensor_put(y, (size_t)i, i % QUARTERS);
        for (int k = 0; k < SIDE * SIDE; k++) {
            const int quarter = k / SIDE / 4 * 2 + k % SIDE / 4;
            const double bright = quarter == i % QUARTERS ? 160 : 60;
            lb_tensor_put(x, (size_t)(i * SIDE * SIDE + k),
                          bright + 40 * lb_rng_uniform(&rng));
        }
    }
    snprintf(name, sizeof name, "x_%s.npy", part);
    CHECK_OK(lb_npy_save(x, name, &err), &err);
    snprintf(name, sizeof name, "y_%s.npy", part);
    CHECK_OK(lb_npy_save(y, name, &err), &err);
    lb_arena_free(arena);
}

typedef enum tail { LOGITS, SOFTMAX, LOG_SOFTMAX, PROBABILITIES } tail;

/* A teacher by hand: how far each quarter is above `dark` is the logit of the output that
 * `output` names. */
static void put_teacher(const char *path, double dark, const int *output, tail end_)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, SIDE, SIDE);
    const lb_shape picks = lb_shape_of(2, QUARTERS, QUARTERS);
    const lb_window window = {
        .n = 2, .kernel = {4, 4}, .stride = {4, 4}, .dilation = {1, 1}, .group = 1};
    lb_graph *graph = NULL;
    lb_tensor *w = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    CHECK_OK(lb_tensor_new(graph->arena, LB_F32, &picks, &w, &err), &err);
    for (int c = 0; c < QUARTERS; c++)
        lb_tensor_put(w, (size_t)(output[c] * QUARTERS + c), 20 / dark);
    lb_builder_init(&b, graph);
    const lb_value x = lb_input(&b, "input", LB_F32, &in);
    const lb_value mean = lb_average_pool(&b, x, &window, true, "mean");
    const lb_value flat = lb_flatten(&b, mean, "flat");
    const lb_value least = lb_scalar(&b, LB_F32, dark);
    const lb_value above = lb_sub(&b, flat, least);
    const lb_value bright = lb_relu(&b, above, "bright");
    const lb_value picked = lb_constant(&b, "picks", w);
    lb_value z = lb_gemm(&b, bright, picked, (lb_value){0}, false, true, "logits");
    if (end_ == SOFTMAX || end_ == PROBABILITIES)
        z = lb_softmax(&b, z, 1);
    if (end_ == LOG_SOFTMAX)
        z = lb_log_softmax(&b, z, 1);
    if (end_ == PROBABILITIES)
        z = lb_abs(&b, z); /* no Softmax is last */
    lb_output(&b, z);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_onnx_save(graph, path, &err), &err);
    lb_graph_free(graph);
}

/* What the audit says while the run goes on. */
typedef struct ear {
    char text[4000];
} ear;

static void hear(void *arg, lb_log_level level, const char *text)
{
    ear *const e = arg;

    (void)level;
    strncat(e->text, text, sizeof e->text - strlen(e->text) - 2);
    strcat(e->text, "\n");
}

static outcome taught_by(const char *teacher, const char *set, ear *e)
{
    const char *const sets[] = {teacher, set};
    const lb_run_options options = {.recipe = "audit.yaml",
                                    .sets = sets,
                                    .n_sets = set ? 2 : 1,
                                    .threads = 1,
                                    .out = "audited",
                                    .log = {hear, e}};
    outcome o = {.arena = lb_arena_new(0)};

    e->text[0] = '\0';
    CHECK(system("rm -rf audited") == 0);
    o.code = lb_run_distill(&options, o.arena, &o.result, &o.err);
    return o;
}

static void a_good_teacher_is_described(void)
{
    static const struct {
        const char *file, *log, *json;
        tail end_;
    } cases[] = {{"plain.onnx", "its output is taken for logits",
                  "\"logits\": \"output\"", LOGITS},
                 {"softmax.onnx", "its logits are what its closing Softmax is given",
                  "\"logits\": \"softmax input\"", SOFTMAX},
                 {"log.onnx", "its output is log-probabilities",
                  "\"logits\": \"log-probabilities\"", LOG_SOFTMAX}};
    static const int order[] = {0, 1, 2, 3};
    ear e;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char set[128];
        put_teacher(cases[i].file, 0.4, order, cases[i].end_);
        snprintf(set, sizeof set, "teacher={onnx: %s, mean: 0.1}", cases[i].file);
        outcome o = taught_by(set, NULL, &e);
        CHECK_OK(o.code, &o.err);
        CHECK_TEXT(e.text, "is given pixels: unit, mean: [0.1], layout: channels-first");
        CHECK_TEXT(e.text, cases[i].log);
        CHECK_TEXT(e.text, "agrees with 100.00 % of the labels of 40 validation samples");
        CHECK_TEXT(o.result.json, cases[i].json);
        CHECK_TEXT(o.result.json, "\"preprocessing\": {\"pixels\": \"unit\", \"mean\": "
                                  "[0.1], \"std\": [], \"layout\": \"channels-first\"}");
        CHECK_TEXT(o.result.json, "\"split\": \"validation\", \"samples\": 40, "
                                  "\"accuracy\": 1, \"chance\": 0.25");
        lb_arena_free(o.arena);
    }
}

static void another_order_of_classes_is_found(void)
{
    static const int swapped[] = {0, 3, 2, 1}, turned[] = {1, 2, 3, 0};
    ear e;

    put_teacher("swapped.onnx", 0.4, swapped, LOGITS);
    put_teacher("turned.onnx", 0.4, turned, SOFTMAX);
    outcome o = taught_by("teacher={onnx: swapped.onnx}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text,
               "gets 50.0 % of the samples right; it gets 100.0 % if 2 of its "
               "classes stand in another order than the data's; to put them "
               "right, give it classes: [0, 3, 2, 1]");
    lb_arena_free(o.arena);
    o = taught_by("teacher={onnx: turned.onnx}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "gets 0.0 % of the samples right, where guessing gets 25.0 %; "
                           "it gets 100.0 %");
    CHECK_TEXT(o.err.text, "give it classes: [1, 2, 3, 0]");
    lb_arena_free(o.arena);
    /* what is told mends it; a wrong map is answered by the right one */
    o = taught_by("teacher={onnx: turned.onnx, classes: [1, 2, 3, 0]}", NULL, &e);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.json, "\"logits\": \"softmax input\"");
    lb_arena_free(o.arena);
    o = taught_by("teacher={onnx: turned.onnx, classes: [3, 2, 1, 0]}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "give it classes: [1, 2, 3, 0]");
    lb_arena_free(o.arena);
}

enum { PIXELS = SIDE * SIDE };

/* The one bright pixel tells the class. */
static void put_pixels(const char *part, int n)
{
    const lb_shape shape = lb_shape_of(4, n, 1, SIDE, SIDE), labels = lb_shape_of(1, n);
    lb_arena *const arena = lb_arena_new(0);
    lb_tensor *x = NULL, *y = NULL;
    lb_error err = {0};
    char name[32];

    CHECK_OK(lb_tensor_new(arena, LB_U8, &shape, &x, &err), &err);
    CHECK_OK(lb_tensor_new(arena, LB_I64, &labels, &y, &err), &err);
    for (int i = 0; i < n; i++) {
        lb_tensor_put(y, (size_t)i, i % PIXELS);
        lb_tensor_put(x, (size_t)(i * PIXELS + i % PIXELS), 255);
    }
    snprintf(name, sizeof name, "many/x_%s.npy", part);
    CHECK_OK(lb_npy_save(x, name, &err), &err);
    snprintf(name, sizeof name, "many/y_%s.npy", part);
    CHECK_OK(lb_npy_save(y, name, &err), &err);
    lb_arena_free(arena);
}

/* Output c + 1 of many speaks of pixel c. */
static void put_shifted(const char *path)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, SIDE, SIDE);
    const lb_shape picks = lb_shape_of(2, PIXELS, PIXELS);
    lb_graph *graph = NULL;
    lb_tensor *w = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    CHECK_OK(lb_tensor_new(graph->arena, LB_F32, &picks, &w, &err), &err);
    for (int c = 0; c < PIXELS; c++)
        lb_tensor_put(w, (size_t)((c + 1) % PIXELS * PIXELS + c), 9);
    lb_builder_init(&b, graph);
    const lb_value x = lb_input(&b, "input", LB_F32, &in);
    const lb_value flat = lb_flatten(&b, x, "flat");
    const lb_value picked = lb_constant(&b, "picks", w);
    lb_output(&b, lb_gemm(&b, flat, picked, (lb_value){0}, false, true, "logits"));
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK_OK(lb_onnx_save(graph, path, &err), &err);
    lb_graph_free(graph);
}

/* Too long for a message: it lies beside the run. */
static void a_long_order_is_written(void)
{
    static const char data[] = "data={source: npy, path: many, validation: 0.5}";
    lb_error err = {0};
    ear e;

    CHECK_OK(lb_make_folder("many", &err), &err);
    put_pixels("train", 8 * PIXELS);
    put_pixels("test", PIXELS);
    put_shifted("shifted.onnx");
    outcome o = taught_by("teacher={onnx: shifted.onnx}", data, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "it gets 100.0 % if 64 of its classes stand in another order");
    CHECK_TEXT(o.err.text, "give it what 'audited/teacher-classes.yaml' says");
    const lb_bytes bytes = contents(o.arena, "audited/teacher-classes.yaml");
    const char *const text =
        lb_arena_copy_chars(o.arena, (const char *)bytes.data, bytes.size);
    CHECK_TEXT(text, "classes: [1, 2, 3, ");
    CHECK_TEXT(text, ", 62, 63, 0]");
    lb_arena_free(o.arena);
}

/* The one that works is named, and works. */
static void another_preprocessing_is_found(void)
{
    static const int order[] = {0, 1, 2, 3};
    ear e;

    put_teacher("raw.onnx", 120, order, LOGITS);
    put_teacher("centred.onnx", 0.05, order, LOGITS);
    outcome o = taught_by("teacher={onnx: raw.onnx}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text,
               "where guessing gets 25.0 %; it is given 'pixels: unit, layout: "
               "channels-first', but with 'pixels: raw, layout: "
               "channels-first' it gets 100.0 % of 40");
    lb_arena_free(o.arena);
    o = taught_by("teacher={onnx: raw.onnx, pixels: raw}", NULL, &e);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = taught_by("teacher={onnx: centred.onnx, mean: 2, std: 0.5}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "it is given 'pixels: unit, mean: [2], std: [0.5], layout");
    CHECK_TEXT(o.err.text, "it gets 100.0 % of 40");
    lb_arena_free(o.arena);
}

static void the_same_answer_to_all_is_told(void)
{
    static const int order[] = {0, 1, 2, 3};
    ear e;

    put_teacher("blind.onnx", 1e6, order, LOGITS); /* nothing is that bright */
    outcome o = taught_by("teacher={onnx: blind.onnx}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "where guessing gets 25.0 %: it answers class '0' to 100.0 % "
                           "of them, whatever they show; it is given 'pixels: unit");
    lb_arena_free(o.arena);
}

static void probabilities_are_refused(void)
{
    static const int order[] = {0, 1, 2, 3};
    ear e;

    put_teacher("sure.onnx", 0.4, order, PROBABILITIES);
    outcome o = taught_by("teacher={onnx: sure.onnx}", NULL, &e);
    CHECK(o.code == LB_ERR_INPUT);
    CHECK_TEXT(o.err.text, "answers in probabilities: every row sums to 1");
    lb_arena_free(o.arena);
}

/* Where no sample that it may be measured on has a label, that is said. */
static void hidden_labels_are_not_measured(void)
{
    static const int order[] = {0, 1, 2, 3};
    ear e;

    put_teacher("plain.onnx", 0.4, order, LOGITS);
    outcome o =
        taught_by("teacher={onnx: plain.onnx}", "data.hidden_classes=[0, 2, 3]", &e);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(e.text, "agrees with 100.00 % of the labels of ");
    CHECK(!strstr(e.text, "of 40 validation"));
    lb_arena_free(o.arena);
    o = taught_by("teacher={onnx: plain.onnx}", "data.validation=0", &e);
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(e.text, "of the labels of 60 test samples");
    lb_arena_free(o.arena);
}

/* A dry run runs nothing, but says what is known from the files. */
static void a_dry_run_says_what_it_is_given(void)
{
    static const int order[] = {0, 1, 2, 3};

    put_teacher("softmax.onnx", 0.4, order, SOFTMAX);
    outcome o = dry("audit.yaml", "teacher={onnx: softmax.onnx, std: 0.5}");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan,
               "is given pixels: unit, std: [0.5], layout: channels-first; "
               "its logits are what its closing Softmax is given");
    CHECK_TEXT(o.result.json, "\"audit\": null");
    lb_arena_free(o.arena);
}

int main(void)
{
    static const char yaml[] = "data: {source: npy, path: ., validation: 40}\n"
                               "teacher: {onnx: plain.onnx}\n"
                               "student: {model: ds-cnn, width: 0.125, depth: 1}\n"
                               "train: {epochs: 1, batch: 20}\n"
                               "export: [onnx]\n";

    begin();
    put_quarters("train", N_TRAIN);
    put_quarters("test", N_TEST);
    put("audit.yaml", yaml, strlen(yaml));
    RUN(assignments_are_the_best_there_are);
    RUN(orders_are_found_but_not_imagined);
    RUN(a_good_teacher_is_described);
    RUN(another_order_of_classes_is_found);
    RUN(a_long_order_is_written);
    RUN(another_preprocessing_is_found);
    RUN(the_same_answer_to_all_is_told);
    RUN(probabilities_are_refused);
    RUN(hidden_labels_are_not_measured);
    RUN(a_dry_run_says_what_it_is_given);
    return !end() || DONE();
}
