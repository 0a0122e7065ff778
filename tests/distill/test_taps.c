/* test_taps.c: which layers a recipe's words name, how they are paired, and the adapters
 * between them: sizes, words, and gradients against finite differences. */
#include "distill/loss.h"

#include "base/rng.h"
#include "engine/plan.h"
#include "models/model.h"
#include "models/parts.h"

#include "check.h"

static lb_arena *arena;

static lb_graph *network(const char *model, double width, int depth, int side)
{
    const lb_model_options options = {.input = lb_shape_of(3, 1, side, side),
                                      .classes = 4,
                                      .width = width,
                                      .depth = depth};
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK_OK(lb_model_build(lb_model_find(model), &options, 1, &graph, &err), &err);
    return graph;
}

typedef struct lookup {
    lb_term term;
    lb_findings findings;
} lookup;

static lookup look(const lb_graph *student, const lb_graph *teacher, lb_taps taps)
{
    lookup l = {.term = {.loss = lb_loss_find("hint"), .weight = 1, .taps = taps}};

    l.term.taps.line = 7;
    l.term.taps.column = 5;
    lb_findings_init(&l.findings, arena);
    lb_taps_find(&l.term, 1, student, &(lb_tapped){teacher, NULL}, 1, &l.findings);
    return l;
}

#define NAMES(...) \
    (const char *const[]) \
    { \
        __VA_ARGS__ \
    }

static const char *name_of(const lb_graph *graph, lb_value v)
{
    return lb_info(graph, v)->name;
}

static void names_and_patterns_are_found(void)
{
    lb_graph *const s = network("ds-cnn", 0.25, 3, 16);
    lb_graph *const t = network("ds-cnn", 0.5, 3, 16);
    lookup l = look(s, t,
                    (lb_taps){.student = NAMES("block1"),
                              .n_student = 1,
                              .teacher = NAMES("block2/pw_norm"),
                              .n_teacher = 1});

    CHECK(l.findings.n == 0 && l.term.taps.n == 1);
    CHECK_TEXT(name_of(s, l.term.taps.tap[0].student), "block1");
    CHECK_TEXT(name_of(t, l.term.taps.tap[0].teacher), "block2/pw_norm");
    l = look(s, t,
             (lb_taps){.student = NAMES("stem", "block*/dw"),
                       .n_student = 2,
                       .teacher = NAMES("b*1/*elu", "*2/dw*lu", "block3/dw", "block1/dw"),
                       .n_teacher = 4});
    CHECK(l.findings.n == 0 && l.term.taps.n == 4);
    if (l.term.taps.n == 4) {
        CHECK(strcmp(name_of(s, l.term.taps.tap[0].student), "stem") == 0);
        CHECK(strcmp(name_of(s, l.term.taps.tap[3].student), "block3/dw") == 0);
        CHECK(strcmp(name_of(t, l.term.taps.tap[0].teacher), "block1/dw_relu") == 0);
        CHECK(strcmp(name_of(t, l.term.taps.tap[1].teacher), "block2/dw_relu") == 0);
        CHECK(strcmp(name_of(t, l.term.taps.tap[3].teacher), "block1/dw") == 0);
        CHECK(l.term.taps.tap[0].adapter.kernel == 1);
        CHECK(l.term.taps.tap[0].adapter.from == 16 &&
              l.term.taps.tap[0].adapter.to == 32);
    }
    lb_graph_free(s);
    lb_graph_free(t);
}

static void mistakes_name_the_term(void)
{
    static const struct {
        const char *student, *teacher, *text;
        int adapter;
    } cases[] = {
        {"blok1", "block1",
         "loss 'hint': the student has no layer 'blok1'; did you mean "
         "'block1'?",
         0},
        {"block1", "zzzzzzzz", "the teacher has no layer 'zzzzzzzz'; `limbeck inspect`",
         0},
        {"block1", "z*", "no layer of the teacher is called 'z*'", 0},
        {"block*/dw", "block1", "it names 1 layer of the teacher and 2 of the student",
         0},
        {"input", "block1", "'input' is no layer of the student, but its input", 0},
        {"stem/conv/weight", "block1", "is no layer of the student, but its parameter",
         0},
        {"block1", "logits",
         "no adapter joins these: the student's is [N,16,8,8], the "
         "teacher's [N,4]",
         0},
        {"block1", "block1",
         "without an adapter the shapes must be equal: the student's "
         "is [N,16,8,8], the teacher's [N,32,8,8]",
         LB_ADAPTER_NONE},
        {"block1", "block1", "'linear' joins rows [N,D]", LB_ADAPTER_LINEAR},
        {"logits", "logits", "a convolution joins feature maps", LB_ADAPTER_CONV1X1},
    };
    lb_graph *const s = network("ds-cnn", 0.25, 2, 16);
    lb_graph *const t = network("ds-cnn", 0.5, 2, 16);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lookup l = look(s, t,
                              (lb_taps){.student = &cases[i].student,
                                        .n_student = 1,
                                        .teacher = &cases[i].teacher,
                                        .n_teacher = 1,
                                        .adapter = cases[i].adapter});
        CHECK(l.findings.n == 1);
        if (l.findings.n != 1)
            continue;
        CHECK_TEXT(l.findings.item[0].text, cases[i].text);
        CHECK(l.findings.item[0].line == 7 && l.findings.item[0].column == 5);
    }
    lb_graph_free(s);
    lb_graph_free(t);
}

static void too_many_layers_are_refused(void)
{
    lb_graph *const g = network("resnet", 0.25, 3, 16);
    const lookup l = look(g, g,
                          (lb_taps){.student = NAMES("*"),
                                    .n_student = 1,
                                    .teacher = NAMES("*"),
                                    .n_teacher = 1});

    CHECK(l.findings.n == 2);
    if (l.findings.n == 2)
        CHECK_TEXT(l.findings.item[0].text, "more than 32 layers of the teacher");
    lb_graph_free(g);
}

/* Stages end where everything goes through one value, not inside the next block. */
static void auto_pairs_stage_ends(void)
{
    lb_graph *const s = network("resnet", 0.25, 1, 32);
    lb_graph *const t = network("resnet", 0.5, 2, 32);
    lookup l = look(s, t, (lb_taps){.n_student = 0});

    CHECK(l.findings.n == 0 && l.term.taps.n == 3);
    for (int i = 0; i < 3 && l.term.taps.n == 3; i++) {
        static const char *const want_s[] = {"block1", "block2", "block3"};
        static const char *const want_t[] = {"block2", "block4", "block6"};
        CHECK(strcmp(name_of(s, l.term.taps.tap[i].student), want_s[i]) == 0);
        CHECK(strcmp(name_of(t, l.term.taps.tap[i].teacher), want_t[i]) == 0);
    }
    lb_graph_free(s);
    lb_graph *const small = network("ds-cnn", 0.25, 2, 10);
    l = look(small, t, (lb_taps){.n_student = 0});
    CHECK(l.findings.n == 1);
    if (l.findings.n == 1)
        CHECK_TEXT(l.findings.item[0].text,
                   "have the same spatial size; name the layers");
    lb_graph_free(small);
    lb_graph_free(t);
}

/* A block that widens before it halves, with a shortcut: its first layers have the size
 * of the stage before, but not all goes through them. */
static lb_graph *bottleneck(void)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, 8, 8);
    const lb_window point = lb_square_window(1, 1), halving = lb_square_window(3, 2);
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    lb_maker m = {.b = &b, .seed = 5};
    lb_value x = lb_input(&b, "input", LB_F32, &in);
    x = lb_make_conv(&m, x, 8, &point, true, "stem/conv");
    x = lb_relu(&b, x, "end");
    lb_value y = lb_make_conv(&m, x, 32, &point, true, "wide/conv");
    y = lb_relu(&b, y, "wide");
    y = lb_make_conv(&m, y, 8, &halving, true, "half");
    const lb_value shortcut = lb_make_conv(&m, x, 8, &halving, true, "shortcut");
    y = lb_add(&b, y, shortcut);
    y = lb_relu(&b, y, "last");
    lb_output(&b, lb_make_head(&m, y, &(lb_model_options){.classes = 4}));
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return graph;
}

static void auto_stays_out_of_blocks(void)
{
    lb_graph *const g = bottleneck();
    const lookup l = look(g, g, (lb_taps){.n_student = 0});

    CHECK(l.findings.n == 0 && l.term.taps.n == 2);
    if (l.term.taps.n == 2) {
        CHECK(strcmp(name_of(g, l.term.taps.tap[0].student), "end") == 0);
        CHECK(strcmp(name_of(g, l.term.taps.tap[1].teacher), "last") == 0);
    }
    lb_graph_free(g);
}

/* A map that is written in another form on its way. */
static lb_graph *rearranged(void)
{
    const lb_shape in = lb_shape_of(4, (int)LB_BATCH, 1, 8, 8);
    const lb_shape other = lb_shape_of(4, (int)LB_BATCH, 8, 4, 16);
    const lb_window point = lb_square_window(1, 1);
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    lb_maker m = {.b = &b, .seed = 5};
    lb_value x = lb_input(&b, "input", LB_F32, &in);
    x = lb_relu(&b, lb_make_conv(&m, x, 8, &point, true, "stem"), "end");
    x = lb_make_conv(&m, lb_reshape(&b, x, &other), 8, &point, true, "second");
    lb_output(&b, lb_make_head(&m, x, &(lb_model_options){.classes = 4}));
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    return graph;
}

static void check_trunk(const lb_graph *g, size_t size, int most,
                        const char *const *names, int n)
{
    lb_value list[16];
    const int found = lb_taps_trunk(g, size, arena, list, most);

    CHECK(found == n);
    for (int i = 0; i < found && i < n; i++) {
        if (strcmp(name_of(g, list[i]), names[i]) != 0)
            printf("# '%s', not '%s'\n", name_of(g, list[i]), names[i]);
        CHECK(strcmp(name_of(g, list[i]), names[i]) == 0);
    }
}

static void the_trunk_is_what_all_goes_through(void)
{
    lb_graph *const g = bottleneck(), *const d = network("ds-cnn", 0.25, 3, 16);
    lb_graph *const r = rearranged();
    static const char *const all[] = {
        "stem",   "block1/dw_relu", "block1", "block2/dw_relu",
        "block2", "block3/dw_relu", "block3", "flatten"};

    check_trunk(g, 1 << 16, 16, (const char *const[]){"end", "last", "flatten"}, 3);
    check_trunk(g, 8 * 8 * 8 - 1, 16, (const char *const[]){"last", "flatten"}, 2);
    check_trunk(r, 1 << 16, 16, (const char *const[]){"end", "second", "flatten"}, 3);
    check_trunk(d, 1 << 16, 16, all, 8);
    check_trunk(d, 1 << 16, 3, (const char *const[]){all[0], all[3], all[7]}, 3);
    for (long n = 0; n < 3; n++) {
        lb_value list[16];
        lb_arena_fail_after(n);
        const int found = lb_taps_trunk(d, 1 << 16, arena, list, 16);
        lb_arena_fail_after(-1);
        CHECK(found == 0);
    }
    lb_graph_free(g);
    lb_graph_free(d);
    lb_graph_free(r);
}

/* No pairs, but a word of why, or that there was no memory for it. */
static void memory_may_run_out(void)
{
    lb_graph *const g = network("ds-cnn", 0.25, 2, 16);
    const lb_taps named = {.student = NAMES("block*", "blok"),
                           .n_student = 2,
                           .teacher = NAMES("block1"),
                           .n_teacher = 1};
    int failures = 0;

    for (long n = 0; n < 12; n++) {
        lb_arena_fail_after(n);
        const lookup a = look(g, g, (lb_taps){.n_student = 0}), c = look(g, g, named);
        lb_arena_fail_after(-1);
        failures += a.findings.failed || a.findings.n > 0;
        CHECK(a.findings.failed || a.findings.n > 0 || a.term.taps.n > 0);
        CHECK(c.findings.failed || c.findings.n > 0);
    }
    CHECK(failures > 0 && failures < 12);
    lb_graph_free(g);
}

/* Where a stage ends in an activation, what that is given; else the end itself. */
static void auto_looks_before_activations(void)
{
    lb_graph *const s = network("resnet", 0.25, 1, 32);
    lb_graph *const g = bottleneck();
    const char *why = NULL;
    lb_tap tap[LB_MAX_PAIRS];

    CHECK(lb_taps_pair(LB_AUTO_BEFORE, s, s, arena, tap, &why) == 3);
    CHECK(strcmp(name_of(s, tap[0].student), "block1/add") == 0);
    CHECK(strcmp(name_of(s, tap[2].teacher), "block3/add") == 0);
    CHECK(lb_taps_pair(LB_AUTO_BEFORE, g, g, arena, tap, &why) == 2);
    CHECK(strcmp(name_of(g, tap[0].student), "stem/conv") == 0);
    CHECK(strcmp(name_of(g, tap[1].student), "last") != 0);
    lb_graph_free(s);
    lb_graph_free(g);
}

static void auto_finds_the_last_map_and_the_rows(void)
{
    lb_graph *const s = network("ds-cnn", 0.25, 2, 20);
    lb_graph *const t = network("resnet", 0.5, 2, 20);
    const char *why = NULL;
    lb_tap tap[LB_MAX_PAIRS];

    CHECK(lb_taps_pair(LB_AUTO_LAST, s, t, arena, tap, &why) == 1);
    CHECK(strcmp(name_of(s, tap[0].student), "block2") == 0);
    CHECK(strcmp(name_of(t, tap[0].teacher), "block6") == 0);
    CHECK(lb_taps_pair(LB_AUTO_ROWS, s, t, arena, tap, &why) == 1);
    CHECK(strcmp(name_of(s, tap[0].student), "flatten") == 0);
    CHECK(lb_info(t, tap[0].teacher)->type.shape.rank == 2);
    CHECK(lb_info(t, tap[0].teacher)->type.shape.dim[1] == 32);
    lb_graph_free(s);
    lb_graph_free(t);
}

/* 20x20 down to 5x5: one size of the resnet is the ds-cnn's, 10x10; then the vectors. */
static void auto_reviews_stages_and_the_vector(void)
{
    lb_graph *const s = network("ds-cnn", 0.25, 2, 20);
    lb_graph *const t = network("resnet", 0.5, 2, 20);
    const char *why = NULL;
    lb_tap tap[LB_MAX_PAIRS];

    CHECK(lb_taps_pair(LB_AUTO_REVIEW, s, t, arena, tap, &why) == 2);
    CHECK(strcmp(name_of(s, tap[0].student), "block2") == 0);
    const lb_value_info *const of_teacher = lb_info(t, tap[0].teacher);
    CHECK(of_teacher->type.shape.dim[2] == 10);
    CHECK(strcmp(t->nodes[of_teacher->node].op->name, "Add") == 0);
    CHECK(strcmp(name_of(s, tap[1].student), "flatten") == 0);
    CHECK(lb_info(t, tap[1].teacher)->type.shape.rank == 2);
    lb_graph_free(s);
    lb_graph_free(t);
}

static void each_layer_of_the_teacher_is_asked_once(void)
{
    lb_graph *const g = network("ds-cnn", 0.25, 2, 16);
    const lookup a = look(g, g,
                          (lb_taps){.student = NAMES("block1", "block2"),
                                    .n_student = 2,
                                    .teacher = NAMES("block2", "block1"),
                                    .n_teacher = 2});
    const lookup c = look(g, g,
                          (lb_taps){.student = NAMES("stem", "stem"),
                                    .n_student = 2,
                                    .teacher = NAMES("block1", "stem"),
                                    .n_teacher = 2});
    const lb_term terms[] = {a.term, {.loss = lb_loss_find("ce")}, c.term};
    lb_value list[8];

    CHECK(lb_taps_of_teacher(terms, 3, 0, NULL, 0) == 3);
    CHECK(lb_taps_of_teacher(terms, 3, 0, list, 8) == 3);
    CHECK(lb_taps_of_teacher(terms, 3, 1, NULL, 0) == 0);
    CHECK(strcmp(name_of(g, list[0]), "block2") == 0);
    CHECK(strcmp(name_of(g, list[1]), "block1") == 0);
    CHECK(strcmp(name_of(g, list[2]), "stem") == 0);
    CHECK(lb_taps_place(list, 3, list[2]) == 2);
    CHECK(lb_taps_place(list, 2, list[2]) == -1);
    CHECK(lb_taps_wanted(terms, 3) && !lb_taps_wanted(terms + 1, 1));
    lb_graph_free(g);
}

/* Of two teachers: those of each stand together, and a value is one teacher's. */
static void each_teacher_has_pairs_of_its_own(void)
{
    lb_graph *const g = network("ds-cnn", 0.25, 2, 16);
    lb_graph *const wide = network("ds-cnn", 0.5, 2, 16);
    const lb_tapped teachers[] = {{g, "teacher 'a'"}, {wide, "teacher 'b'"}};
    const char *const layer[] = {"block1"};
    lb_term term = {
        .loss = lb_loss_find("hint"),
        .taps = {.student = layer, .n_student = 1, .teacher = layer, .n_teacher = 1}};
    lb_findings findings;
    lb_value list[4];

    lb_findings_init(&findings, arena);
    lb_taps_find(&term, 1, g, teachers, 2, &findings);
    CHECK(findings.n == 0 && term.taps.n == 2);
    CHECK(term.taps.tap[0].of == 0 && term.taps.tap[0].adapter.kernel == 0);
    CHECK(term.taps.tap[1].of == 1 && term.taps.tap[1].adapter.to == 32);
    CHECK(lb_taps_of_teacher(&term, 1, 0, list, 4) == 1);
    CHECK(lb_taps_of_teacher(&term, 1, 1, list, 4) == 1);
    CHECK(lb_taps_wanted_of(&term, 1, 0) && lb_taps_wanted_of(&term, 1, 1));
    term.taps.of_one = true;
    term.taps.of = 1;
    lb_taps_find(&term, 1, g, teachers, 2, &findings);
    CHECK(findings.n == 0 && term.taps.n == 1 && term.taps.tap[0].of == 1);
    CHECK(!lb_taps_wanted_of(&term, 1, 0) && lb_taps_wanted_of(&term, 1, 1));
    term.taps.n_student = term.taps.n_teacher = 0; /* auto */
    lb_taps_find(&term, 1, g, teachers, 2, &findings);
    CHECK(findings.n == 0 && term.taps.n > 0 && term.taps.tap[0].of == 1);
    lb_graph_free(g);
    lb_graph_free(wide);
}

/* What is wrong with the student is told once, what is with a teacher by its name. */
static void mistakes_name_the_teacher(void)
{
    lb_graph *const g = network("ds-cnn", 0.25, 2, 16);
    lb_graph *const r = network("resnet", 0.25, 1, 16);
    const lb_tapped teachers[] = {{g, "teacher 'a'"}, {r, "teacher 1"}};
    const char *const layer[] = {"block2/dw_relu"}, *const none[] = {"blok"};
    lb_term term = {
        .loss = lb_loss_find("hint"),
        .taps = {.student = layer, .n_student = 1, .teacher = layer, .n_teacher = 1}};
    lb_findings findings;

    lb_findings_init(&findings, arena);
    lb_taps_find(&term, 1, g, teachers, 2, &findings);
    CHECK(findings.n == 1);
    CHECK_TEXT(findings.item[0].text, "teacher 1 has no layer 'block2/dw_relu'");
    lb_findings_init(&findings, arena);
    term.taps.student = none;
    lb_taps_find(&term, 1, g, teachers, 2, &findings);
    CHECK(findings.n == 1);
    CHECK_TEXT(findings.item[0].text, "the student has no layer 'blok'");
    lb_graph_free(g);
    lb_graph_free(r);
}

typedef struct sizing {
    lb_match match;
    int kind;
    lb_shape student, teacher;
    const char *text;
    size_t parameters;
} sizing;

#define MAP(c, h, w) \
    { \
        4, \
        { \
            LB_BATCH, c, h, w \
        } \
    }
#define ROW(d) \
    { \
        2, \
        { \
            LB_BATCH, d \
        } \
    }

static const sizing sizings[] = {
    {LB_MATCH_SHAPE, 0, MAP(3, 4, 4), MAP(3, 4, 4), "as they are", 0},
    {LB_MATCH_SHAPE, 0, MAP(3, 4, 4), MAP(5, 4, 4),
     "1x1 convolution to 5 channels, 20 parameters", 20},
    {LB_MATCH_SHAPE, 0, MAP(3, 8, 7), MAP(5, 4, 4),
     "3x3 convolution of stride 2 to 5 channels, 140 parameters", 140},
    {LB_MATCH_SHAPE, 0, MAP(3, 9, 9), MAP(5, 3, 3),
     "the student averaged to 3x3, 1x1 convolution to 5 channels, 20 parameters", 20},
    {LB_MATCH_SHAPE, 0, MAP(3, 4, 4), MAP(3, 7, 8), "the teacher averaged to 4x4", 0},
    {LB_MATCH_SHAPE, 0, ROW(3), ROW(2), "dense layer to 2, 8 parameters", 8},
    {LB_MATCH_SHAPE, 0, ROW(3), MAP(2, 1, 1), "dense layer to 2, 8 parameters", 8},
    {LB_MATCH_SHAPE, 0, MAP(3, 1, 1), ROW(3), "as they are", 0},
    {LB_MATCH_SHAPE, LB_ADAPTER_CONV1X1, MAP(3, 8, 8), MAP(3, 4, 4),
     "the student averaged to 4x4, 1x1 convolution to 3 channels, 12 parameters", 12},
    {LB_MATCH_SHAPE, LB_ADAPTER_CONV3X3, MAP(2, 4, 4), MAP(2, 4, 4),
     "3x3 convolution to 2 channels, 38 parameters", 38},
    {LB_MATCH_SHAPE, LB_ADAPTER_LINEAR, ROW(3), ROW(3), "dense layer to 3, 12 parameters",
     12},
    {LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, MAP(3, 2, 3), MAP(2, 4, 6),
     "transposed 4x4 convolution of stride 2 to 2 channels, 98 parameters", 98},
    {LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, MAP(1, 2, 1), MAP(2, 6, 3),
     "transposed 5x5 convolution of stride 3 to 2 channels, 52 parameters", 52},
    {LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, MAP(2, 4, 2), MAP(1, 7, 3),
     "transposed 3x3 convolution of stride 2 to 1 channels, 19 parameters", 19},
    {LB_MATCH_SHAPE,
     0,
     {3, {LB_BATCH, 3, 8}},
     {3, {LB_BATCH, 2, 4}},
     "3x3 convolution of stride 2 to 2 channels, 20 parameters",
     20},
    {LB_MATCH_PLANE, 0, MAP(3, 8, 8), MAP(5, 4, 4), "the student averaged to 4x4", 0},
    {LB_MATCH_PLANE, 0, MAP(3, 4, 4), MAP(5, 4, 4), "as they are", 0},
    {LB_MATCH_ANY, 0, MAP(3, 4, 4), ROW(7), "as they are", 0},
    {LB_MATCH_ANY, LB_ADAPTER_LINEAR, ROW(3), ROW(2), "dense layer to 2, 8 parameters",
     8},
};

static void adapters_are_sized_from_the_shapes(void)
{
    char text[LB_ADAPTER_TEXT];
    lb_error err = {0};
    lb_adapter a;

    for (size_t i = 0; i < sizeof sizings / sizeof *sizings; i++) {
        const sizing *const s = &sizings[i];
        CHECK_OK(lb_adapter_plan(s->match, s->kind, &s->student, &s->teacher, &a, &err),
                 &err);
        CHECK_TEXT(lb_adapter_text(&a, text), s->text);
        CHECK(strlen(text) == strlen(s->text));
        CHECK(lb_adapter_parameters(&a) == s->parameters);
    }
    const lb_shape tall = MAP(3, 8, 4), wide = MAP(3, 4, 8), row = ROW(3);
    CHECK(lb_adapter_plan(LB_MATCH_SHAPE, 0, &tall, &wide, &a, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "neither plane holds the other");
    CHECK(lb_adapter_plan(LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, &wide, &tall, &a,
                          &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "'transposed' makes a plane 2, 3 or more times as large");
    CHECK(lb_adapter_plan(LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, &tall, &tall, &a,
                          &err) == LB_ERR_INPUT);
    CHECK(lb_adapter_plan(LB_MATCH_SHAPE, LB_ADAPTER_TRANSPOSED, &row, &row, &a, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "a convolution joins feature maps");
    CHECK(lb_adapter_plan(LB_MATCH_PLANE, 0, &row, &row, &a, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "feature maps [N,C,H,W] are compared");
}

enum { BATCH = 3, MOST = 800 };

typedef struct bench {
    lb_graph *graph;
    lb_pool *pool;
    lb_plan *plan;
    lb_value student, teacher, loss, wrt[3], grad[3];
    int n_wrt;
    size_t n_student, n_teacher; /* of a sample */
} bench;

static size_t count(const lb_shape *shape)
{
    const lb_shape one = lb_shape_bind(shape, 1);
    size_t n = 0;

    CHECK(lb_shape_count(&one, &n));
    return n;
}

/* hint between two shapes, with the gradients of the student and of its adapter. */
static bench open_bench(const sizing *s)
{
    lb_tap tap = {.student_shape = s->student, .teacher_shape = s->teacher};
    lb_term term = {.loss = lb_loss_find("hint"), .weight = 1};
    bench t = {.n_student = count(&s->student), .n_teacher = count(&s->teacher)};
    lb_value value[1];
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_adapter_plan(LB_MATCH_SHAPE, s->kind, &s->student, &s->teacher,
                             &tap.adapter, &err),
             &err);
    term.taps.tap = &tap;
    term.taps.n = 1;
    CHECK_OK(lb_pool_new(1, &t.pool, &err), &err);
    CHECK_OK(lb_graph_new(&t.graph, &err), &err);
    lb_builder_init(&b, t.graph);
    t.student = lb_input(&b, "student", LB_F64, &s->student);
    t.teacher = lb_input(&b, "teacher", LB_F64, &s->teacher);
    const lb_pair pair = {t.student, t.teacher};
    const lb_loss_in in = {.hints = &pair, .n_hints = 1, .batch = BATCH, .seed = 9};
    t.loss = lb_terms_build(&b, &term, 1, &in, value);
    t.wrt[t.n_wrt++] = t.student;
    for (int i = 1; i < t.graph->n_values; i++)
        if (t.graph->values[i].kind == LB_VALUE_PARAM)
            t.wrt[t.n_wrt++] = (lb_value){i};
    lb_autodiff(&b, &lb_op_verbs, t.loss, t.wrt, t.n_wrt, t.grad);
    lb_output(&b, t.loss);
    for (int i = 0; i < t.n_wrt; i++)
        lb_output(&b, t.grad[i]);
    CHECK_OK(lb_builder_finish(&b, &err), &err);
    const lb_plan_options options = {.batch = BATCH, .kernels = LB_KERNELS_REFERENCE};
    CHECK_OK(lb_plan_compile(t.graph, t.pool, &options, &t.plan, &err), &err);
    return t;
}

static double run(const bench *t, const double *s, const double *y)
{
    for (int i = 0; i < BATCH; i++) {
        memcpy(lb_plan_input(t->plan, t->student, i), s + (size_t)i * t->n_student,
               t->n_student * sizeof *s);
        memcpy(lb_plan_input(t->plan, t->teacher, i), y + (size_t)i * t->n_teacher,
               t->n_teacher * sizeof *y);
    }
    lb_plan_refresh(t->plan);
    lb_plan_run(t->plan);
    return *(const double *)lb_plan_output(t->plan, t->loss, 0);
}

static void check_slope(const bench *t, const double *s, const double *y, double *x,
                        double grad)
{
    const double was = *x, h = 1e-5;

    *x = was + h;
    const double up = run(t, s, y);
    *x = was - h;
    const double down = run(t, s, y);
    *x = was;
    CHECK_NEAR(grad, (up - down) / (2 * h), 1e-7);
}

static void gradients_go_through_adapters(void)
{
    static double s[MOST], y[MOST], grad[MOST];

    for (size_t i = 0; i < sizeof sizings / sizeof *sizings; i++) {
        if (sizings[i].match != LB_MATCH_SHAPE)
            continue;
        bench t = open_bench(&sizings[i]);
        lb_rng rng = lb_rng_make(i, LB_RNG_TEST, 0, 0);
        CHECK(BATCH * t.n_student <= MOST && BATCH * t.n_teacher <= MOST);
        CHECK((t.n_wrt == 3) == (sizings[i].parameters > 0));
        for (int k = 0; k < MOST; k++) {
            s[k] = lb_rng_normal(&rng);
            y[k] = lb_rng_normal(&rng);
        }
        CHECK(run(&t, s, y) > 0.1);
        for (int k = 0; k < BATCH; k++)
            memcpy(grad + (size_t)k * t.n_student, lb_plan_output(t.plan, t.grad[0], k),
                   t.n_student * sizeof *s);
        for (size_t k = 0; k < BATCH * t.n_student; k += 3)
            check_slope(&t, s, y, &s[k], grad[k]);
        for (int w = 1; w < t.n_wrt; w++) {
            lb_tensor *const param = lb_info(t.graph, t.wrt[w])->tensor;
            double *const x = param->data;
            run(&t, s, y);
            memcpy(grad, lb_plan_output(t.plan, t.grad[w], 0), param->n * sizeof *x);
            for (size_t k = 0; k < param->n; k += 2)
                check_slope(&t, s, y, &x[k], grad[k]);
        }
        lb_plan_free(t.plan);
        lb_graph_free(t.graph);
        lb_pool_free(t.pool);
    }
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(names_and_patterns_are_found);
    RUN(mistakes_name_the_term);
    RUN(too_many_layers_are_refused);
    RUN(auto_pairs_stage_ends);
    RUN(auto_stays_out_of_blocks);
    RUN(the_trunk_is_what_all_goes_through);
    RUN(auto_looks_before_activations);
    RUN(memory_may_run_out);
    RUN(auto_finds_the_last_map_and_the_rows);
    RUN(auto_reviews_stages_and_the_vector);
    RUN(each_layer_of_the_teacher_is_asked_once);
    RUN(each_teacher_has_pairs_of_its_own);
    RUN(mistakes_name_the_teacher);
    RUN(adapters_are_sized_from_the_shapes);
    RUN(gradients_go_through_adapters);
    lb_arena_free(arena);
    return DONE();
}
