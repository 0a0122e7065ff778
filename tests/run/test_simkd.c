/* test_simkd.c: students that end in their teacher's classifier: it is counted before the
 * first step, exported as the teacher has it, and not trained; what must be refused. */
#include "onnx/onnx.h"
#include "run/compare.h"

#include "small_runs.h"

/* The teacher's maps are 4x4 with 16 channels, as those of a ds-cnn of width 0.25 are. */
static const char simkd_yaml[] =
    "name: reuses\n"
    "data: {source: npy, path: ., labels: none, validation: 40, augment: [{shift: 1}]}\n"
    "teacher: {onnx: runs/teacher/student.onnx, cache: {views: 2}}\n"
    "student: {model: ds-cnn, width: 0.125, depth: 1, head: teacher}\n"
    "device: rp2040\n"
    "distill: [{loss: simkd}]\n"
    "train: {epochs: 3, batch: 20, optimizer: {sgd: {lr: 0.2}}}\n"
    "export: [onnx, c]\n";

static void train_the_teacher(void)
{
    outcome o = run("teacher.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
}

static size_t number_after(const char *json, const char *key)
{
    const char *const student = strstr(json, "\"student\"");
    const char *const at = student ? strstr(student, key) : NULL;

    CHECK(at != NULL);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* ds-cnn with 8 channels: stem 8x1x3x3, dw 8x3x3, pw 8x8; three norms of 4 x 8; the
 * projector 8->8, 8->8 of 3x3, 8->16 with its norms; the classifier 3x16 + 3. */
static void both_are_counted(void)
{
    const size_t backbone = 72 + 72 + 64 + 3 * 32;
    const size_t projector = 64 + 576 + 128 + 32 + 32 + 64;
    outcome o = dry("simkd.yaml", NULL), own = dry("simkd.yaml", "student.head=own");

    CHECK_OK(o.code, &o.err);
    CHECK(own.code == LB_ERR_INPUT); /* simkd without it */
    lb_arena_free(own.arena);
    own = dry("own.yaml", NULL);
    CHECK_OK(own.code, &own.err);
    CHECK_TEXT(o.result.plan, "with a projector and the teacher's part behind 'block1'");
    CHECK_TEXT(o.result.plan, "projector [N,16,4,4] from block1 [N,16,4,4]: as they are");
    CHECK(number_after(o.result.json, "\"parameters\": ") == backbone + projector + 51);
    CHECK(number_after(own.result.json, "\"parameters\": ") == backbone + 27);
    /* what does not fit stops here: a device that holds the student with a head of its
     * own, and not with the teacher's */
    lb_arena_free(o.arena);
    lb_arena_free(own.arena);
    o = dry("simkd.yaml", "device={profile: rp2040, flash: 11K}");
    own = dry("own.yaml", "device={profile: rp2040, flash: 11K}");
    CHECK_OK(own.code, &own.err);
    CHECK(o.code == LB_ERR_BUDGET);
    lb_arena_free(o.arena);
    lb_arena_free(own.arena);
}

static void check_same_values(const lb_graph *a, const char *name, const lb_graph *b,
                              const char *other)
{
    const lb_value v = lb_graph_find(a, name), w = lb_graph_find(b, other);

    CHECK(v.id != 0 && w.id != 0);
    if (v.id == 0 || w.id == 0)
        return;
    const lb_tensor *const x = lb_info(a, v)->tensor, *const y = lb_info(b, w)->tensor;
    CHECK(x && y && lb_shape_equal(&x->shape, &y->shape));
    for (size_t i = 0; x && y && i < x->n; i++)
        CHECK(lb_tensor_get(x, i) == lb_tensor_get(y, i));
}

static void the_classifier_is_the_teachers_bit_for_bit(void)
{
    lb_graph *student = NULL, *teacher = NULL;
    lb_error err = {0};
    outcome o = run("simkd.yaml", NULL, false, NULL);

    CHECK_OK(o.code, &o.err);
    CHECK_OK(lb_onnx_load("runs/reuses/student.onnx", &student, NULL, &err), &err);
    CHECK_OK(lb_onnx_load("runs/teacher/student.onnx", &teacher, NULL, &err), &err);
    if (student && teacher) {
        check_same_values(student, "teacher/dense/weight", teacher, "dense/weight");
        check_same_values(student, "teacher/dense/bias", teacher, "dense/bias");
        CHECK(lb_graph_find(student, "dense/weight").id == 0);
        CHECK(lb_graph_find(student, "projector/conv/weight").id != 0);
        CHECK(strcmp(lb_info(student, student->outputs[0])->name, "logits") == 0);
    }
    const char *const firmware =
        (const char *)contents(o.arena, "runs/reuses/firmware/reuses.c").data;
    CHECK_TEXT(firmware, "projector");
    CHECK_TEXT(firmware, "teacher/dense");
    CHECK_TEXT(o.result.summary, "compiled");
    lb_graph_free(student);
    lb_graph_free(teacher);
    lb_arena_free(o.arena);
}

/* The maps come to agree, and with them the answers. */
static void the_student_learns_without_labels(void)
{
    outcome o = run("simkd.yaml", "long", false,
                    "train={epochs: 40, batch: 20, optimizer: {sgd: {lr: 0.5}}}");

    CHECK_OK(o.code, &o.err);
    const char *const accuracy = strstr(o.result.json, "\"agreement\": ");
    const double agrees = accuracy ? strtod(accuracy + 13, NULL) : 0;
    printf("# agreement %g\n", agrees);
    CHECK(agrees > 0.8);
    lb_arena_free(o.arena);
}

static void it_goes_on_to_the_same_bits(void)
{
    stopper s = {.at = 7};
    const lb_run_options options = {
        .recipe = "simkd.yaml", .out = "cut", .threads = 2, .watch = stopper_watch(&s)};
    lb_arena *const arena = lb_arena_new(0);
    lb_run_result result;
    lb_error err = {0};

    CHECK(lb_run_distill(&options, arena, &result, &err) == LB_ERR_STOPPED);
    lb_arena_free(arena);
    outcome o = run("simkd.yaml", "cut", true, NULL);
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("runs/reuses/student.onnx", "cut/student.onnx");
    o = run("runs/reuses/recipe.yaml", "again", false, NULL); /* as resolved */
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    check_same("runs/reuses/student.onnx", "again/student.onnx");
}

/* A larger plane is averaged to the teacher's; with a smaller one the teacher's map is
 * averaged for the loss. Other losses may look at the answers. */
static void planes_may_differ(void)
{
    outcome o = run("simkd.yaml", "small", false,
                    "student={model: resnet, width: 0.25, depth: 1, head: teacher}");

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = run("simkd.yaml", "both", false, "distill=[{loss: simkd}, {loss: kd}]");
    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
    o = dry("simkd.yaml", "teacher={onnx: wide/student.onnx}");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "projector [N,16,2,2] from block3 [N,16,2,2]: as they");
    lb_arena_free(o.arena);
    o = dry("simkd.yaml",
            "student={model: resnet, width: 0.25, depth: 1, head: teacher}");
    CHECK_OK(o.code, &o.err);
    CHECK_TEXT(o.result.plan, "projector [N,16,2,2] from block1 [N,16,4,4]: the teacher "
                              "averaged to 2x2");
    lb_arena_free(o.arena);
}

static void mistakes_are_found_before_anything_runs(void)
{
    static const struct {
        const char *set, *words;
    } cases[] = {
        {"student={model: ds-cnn}",
         "simkd.yaml:6:18: loss 'simkd' is for a student that ends in the teacher's "
         "classifier; add head: teacher to 'student', or use 'hint'"},
        {"student={onnx: runs/teacher/student.onnx, head: teacher}",
         "'head' goes with 'model'; an ONNX file has its own"},
        {"teacher=none", "head: teacher needs a teacher, and the recipe has none"},
        {"teacher=[{onnx: runs/teacher/student.onnx}, {onnx: runs/teacher/student.onnx}]",
         "head: teacher takes one teacher's classifier, and the recipe has 2 teachers"},
        {"teacher={recipe: later.yaml}",
         "the student ends in the teacher's classifier, and './later.yaml' has not been "
         "trained yet; run it first"},
    };
    lb_arena *const arena = lb_arena_new(0);
    char *const later = lb_arena_text(arena, "%s", teacher_yaml);

    memcpy(later + strlen("name: "), "teachEr", strlen("teachEr"));
    put("later.yaml", later, strlen(later));
    lb_arena_free(arena);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused("simkd.yaml", cases[i].set, cases[i].words);
}

/* Without a teacher there is no classifier to reuse. */
static void a_twin_has_a_head_of_its_own(void)
{
    const lb_compare_options options = {.run = {.recipe = "compared.yaml", .threads = 2},
                                        .seeds = 1};
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *with = NULL, *without = NULL;
    lb_compare_result result;
    lb_error err = {0};

    CHECK_OK(lb_run_compare(&options, arena, &result, &err), &err);
    CHECK_OK(lb_onnx_load("runs/compared-compare/with-1/student.onnx", &with, NULL, &err),
             &err);
    CHECK_OK(lb_onnx_load("runs/compared-compare/without-1/student.onnx", &without, NULL,
                          &err),
             &err);
    CHECK(with && lb_graph_find(with, "teacher/dense/weight").id != 0);
    CHECK(without && lb_graph_find(without, "dense/weight").id != 0);
    lb_graph_free(with);
    lb_graph_free(without);
    lb_arena_free(arena);
}

static void write_recipes(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const own =
        lb_arena_text(arena, "%s",
                      "name: own\ndata: {source: npy, path: ., validation: 40}\n"
                      "student: {model: ds-cnn, width: 0.125, depth: 1}\ndevice: rp2040\n"
                      "train: {epochs: 1, batch: 20}\nexport: [onnx]\n");
    const char *const compared = lb_arena_text(
        arena, "%s",
        "name: compared\ndata: {source: npy, path: ., validation: 40}\n"
        "teacher: {onnx: runs/teacher/student.onnx}\n"
        "student: {model: ds-cnn, width: 0.125, depth: 1, head: teacher, reduction: 4}\n"
        "distill: [{loss: simkd}, {loss: ce}]\n"
        "train: {epochs: 1, batch: 20}\nexport: [onnx]\n");

    put("simkd.yaml", simkd_yaml, strlen(simkd_yaml));
    put("own.yaml", own, strlen(own));
    put("compared.yaml", compared, strlen(compared));
    lb_arena_free(arena);
}

/* A teacher whose last map is 2x2. */
static void train_a_deeper_teacher(void)
{
    outcome o = run("teacher.yaml", "wide", false,
                    "student={model: resnet, width: 0.25, depth: 1}");

    CHECK_OK(o.code, &o.err);
    lb_arena_free(o.arena);
}

int main(void)
{
    begin();
    write_recipes();
    RUN(train_the_teacher);
    RUN(train_a_deeper_teacher);
    RUN(both_are_counted);
    RUN(the_classifier_is_the_teachers_bit_for_bit);
    RUN(the_student_learns_without_labels);
    RUN(it_goes_on_to_the_same_bits);
    RUN(planes_may_differ);
    RUN(a_twin_has_a_head_of_its_own);
    RUN(mistakes_are_found_before_anything_runs);
    return !end() || DONE();
}
