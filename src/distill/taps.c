/* taps.c: finds the layers that a recipe's terms name. */
#include "distill/taps.h"

#include "distill/loss.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* in the order of lb_adapter_kind */
static const char *const kinds[] = {"auto",   "none",       "conv1x1", "conv3x3",
                                    "linear", "transposed", NULL};

const lb_key lb_taps_keys[] = {
    {.name = "adapter",
     .type = LB_KEY_CHOICE,
     .offset = offsetof(lb_taps, adapter),
     .usual = "auto",
     .choices = kinds,
     .help = "what makes layers of other shapes comparable: a trained layer on the "
             "student's side; auto: what the shapes need"},
    {0},
};

typedef struct finder {
    const lb_term *term;
    lb_findings *findings;
} finder;

/* One network, and the values that the term names in it. */
typedef struct side {
    const char *who;
    const lb_graph *graph;
    lb_value found[LB_MAX_PAIRS];
    int n;
    bool wrong; /* it has a finding already */
} side;

static void complain(const finder *f, side *s, const char *format, ...) LB_PRINTF(3, 4);
static void complain(const finder *f, side *s, const char *format, ...)
{
    char text[700];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lb_findings_add(f->findings, f->term->taps.line, f->term->taps.column,
                    "loss '%s': %s", f->term->loss->name, text);
    if (s)
        s->wrong = true;
}

static void add(const finder *f, side *s, lb_value v, const char *word)
{
    if (s->n == LB_MAX_PAIRS && !s->wrong)
        complain(f, s, "'%.60s' and what is before it are more than %d layers of %s",
                 word, LB_MAX_PAIRS, s->who);
    if (s->n < LB_MAX_PAIRS)
        s->found[s->n++] = v;
}

static void find_pattern(const finder *f, side *s, const char *pattern)
{
    const lb_graph *const g = s->graph;
    bool any = false;

    for (int i = 0; i < g->n_nodes; i++) {
        const lb_value v = g->nodes[i].out[0];
        if (!lb_is_tap(g, v) || (!lb_name_fits(pattern, g->nodes[i].name) &&
                                 !lb_name_fits(pattern, lb_info(g, v)->name)))
            continue;
        any = true;
        add(f, s, v, pattern);
    }
    if (!any)
        complain(f, s, "no layer of %s is called '%.60s'; `limbeck inspect` lists them",
                 s->who, pattern);
}

/* The names of nodes and of what they compute. */
static const char *nearest_to(const finder *f, const lb_graph *g, const char *word)
{
    const char **const names =
        LB_TAKE_ARRAY(f->findings->arena, 2 * (size_t)g->n_nodes + 1, const char *);
    int n = 0;

    for (int i = 0; names && i < g->n_nodes; i++) {
        names[n++] = g->nodes[i].name;
        names[n++] = lb_info(g, g->nodes[i].out[0])->name;
    }
    return names ? lb_nearest(word, names, n) : NULL;
}

lb_value lb_layer_find(const lb_graph *g, const char *word)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, word) == 0)
            return g->nodes[i].out[0];
    return lb_graph_find(g, word);
}

static void find_word(const finder *f, side *s, const char *word)
{
    const lb_value v = lb_layer_find(s->graph, word);
    const lb_value_info *const info = lb_info(s->graph, v);
    char shape[LB_SHAPE_TEXT];

    if (strchr(word, '*')) {
        find_pattern(f, s, word);
    } else if (v.id == 0 || info->kind == LB_VALUE_NONE) {
        const char *const near = nearest_to(f, s->graph, word);
        if (near)
            complain(f, s, "%s has no layer '%.60s'; did you mean '%.100s'?", s->who,
                     word, near);
        else
            complain(f, s, "%s has no layer '%.60s'; `limbeck inspect` lists them",
                     s->who, word);
    } else if (info->kind != LB_VALUE_NODE) {
        complain(f, s, "'%.60s' is no layer of %s, but its %s", word, s->who,
                 info->kind == LB_VALUE_INPUT ? "input" : "parameter");
    } else if (!lb_is_tap(s->graph, v)) {
        complain(f, s,
                 "'%.60s' of %s is %s %s; a layer to learn from is a batch of float "
                 "rows [N,D] or maps [N,C,H,W]",
                 word, s->who, lb_dtype_name(info->type.dtype),
                 lb_shape_text(&info->type.shape, shape));
    } else {
        add(f, s, v, word);
    }
}

static void find_words(const finder *f, side *s, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        find_word(f, s, words[i]);
}

/* The pairs that the two lists name; 0 after a finding. */
static int pair_names(const finder *f, side *s, side *t, lb_tap *out)
{
    const lb_taps *const taps = &f->term->taps;

    find_words(f, t, taps->teacher, taps->n_teacher);
    find_words(f, s, taps->student, taps->n_student);
    if (s->wrong || t->wrong)
        return 0;
    if (s->n != t->n) {
        complain(f, s,
                 "it names %d layer%s of %s and %d of the student; they are paired one "
                 "to one, in order",
                 t->n, t->n == 1 ? "" : "s", t->who, s->n);
        return 0;
    }
    for (int i = 0; i < s->n; i++)
        out[i] = (lb_tap){.student = s->found[i], .teacher = t->found[i]};
    return s->n;
}

/* The adapter between the two shapes. */
static lb_code plan_adapter(const lb_term *term, lb_tap *tap, lb_error *err)
{
    const lb_loss *const loss = term->loss;
    const bool free = loss->brings_layers && loss->brings_layers(term->knobs);

    return lb_adapter_plan(free ? LB_MATCH_ANY : loss->match, term->taps.adapter,
                           &tap->student_shape, &tap->teacher_shape, &tap->adapter, err);
}

static void fit_pair(const finder *f, const side *s, const side *t, lb_tap *tap)
{
    const lb_value_info *const a = lb_info(s->graph, tap->student);
    const lb_value_info *const b = lb_info(t->graph, tap->teacher);
    lb_error err = {0};

    tap->student_shape = a->type.shape;
    tap->teacher_shape = b->type.shape;
    if (plan_adapter(f->term, tap, &err) != LB_OK)
        complain(f, NULL, "'%.60s' of the student and '%.60s' of %s: %.400s", a->name,
                 b->name, t->who, err.text);
}

/* The pairs with the layers of one teacher, behind those of the teachers before. False
 * after a finding that the next teacher would only repeat. */
static bool find_in(lb_term *term, lb_tap *tap, const lb_graph *student,
                    const lb_tapped *teacher, int of, lb_findings *findings)
{
    const finder f = {term, findings};
    side s = {.who = "the student", .graph = student},
         t = {.who = teacher->name ? teacher->name : "the teacher",
              .graph = teacher->graph};
    const bool named = term->taps.n_student > 0 || term->taps.n_teacher > 0;
    const char *why = NULL;
    int n = 0;

    if (named)
        n = pair_names(&f, &s, &t, tap);
    else
        n = lb_taps_pair(term->loss->automatic, student, teacher->graph, findings->arena,
                         tap, &why);
    if (why)
        complain(&f, NULL,
                 "auto%s%s: %s; name the layers: teacher: [...], student: [...]",
                 teacher->name ? " with " : "", teacher->name ? teacher->name : "", why);
    for (int i = 0; i < n; i++) {
        tap[i].of = of;
        fit_pair(&f, &s, &t, &tap[i]);
    }
    term->taps.n += n;
    return !s.wrong;
}

static bool looks_at(const lb_term *term, int teacher)
{
    return (term->loss->needs & LB_NEEDS_HINTS) &&
           (!term->taps.of_one || term->taps.of == teacher);
}

static void find_term(lb_term *term, const lb_graph *student, const lb_tapped *teachers,
                      int n_teachers, lb_findings *findings)
{
    lb_tap *const tap = LB_TAKE_ARRAY(findings->arena, n_teachers * LB_MAX_PAIRS, lb_tap);

    if (!tap) {
        findings->failed = true;
        return;
    }
    term->taps.tap = tap;
    term->taps.n = 0;
    for (int k = 0; k < n_teachers; k++)
        if (looks_at(term, k) &&
            !find_in(term, tap + term->taps.n, student, &teachers[k], k, findings))
            return;
}

void lb_taps_find(lb_term *terms, int n, const lb_graph *student,
                  const lb_tapped *teachers, int n_teachers, lb_findings *findings)
{
    for (int i = 0; i < n; i++)
        if (terms[i].loss->needs & LB_NEEDS_HINTS)
            find_term(&terms[i], student, teachers, n_teachers, findings);
}

lb_code lb_taps_fit(lb_term *term, const lb_graph *student, lb_arena *arena,
                    lb_error *err)
{
    lb_taps *const taps = &term->taps;
    lb_tap *const own = LB_TAKE_ARRAY(arena, taps->n + 1, lb_tap);

    if (!own)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    for (int i = 0; i < taps->n; i++) {
        const lb_value_info *const layer = lb_info(student, taps->tap[i].student);
        own[i] = taps->tap[i];
        own[i].student_shape = layer->type.shape;
        if (plan_adapter(term, &own[i], err) != LB_OK)
            return lb_within(err, "loss '%s': pruning takes channels of '%.60s'",
                             term->loss->name, layer->name);
    }
    taps->tap = own;
    return LB_OK;
}

bool lb_taps_wanted(const lb_term *terms, int n)
{
    for (int i = 0; i < n; i++)
        if (terms[i].loss->needs & LB_NEEDS_HINTS)
            return true;
    return false;
}

bool lb_taps_wanted_of(const lb_term *terms, int n, int teacher)
{
    for (int i = 0; i < n; i++)
        if (looks_at(&terms[i], teacher))
            return true;
    return false;
}

int lb_taps_place(const lb_value *list, int n, lb_value v)
{
    for (int i = 0; i < n; i++)
        if (list[i].id == v.id)
            return i;
    return -1;
}

/* Whether an earlier pair looks at the same value of the same teacher. */
static bool came_before(const lb_term *terms, int term, int pair)
{
    const lb_tap *const tap = &terms[term].taps.tap[pair];

    for (int i = 0; i <= term; i++)
        for (int k = 0; k < (i < term ? terms[i].taps.n : pair); k++) {
            const lb_tap *const other = &terms[i].taps.tap[k];
            if (other->of == tap->of && other->teacher.id == tap->teacher.id)
                return true;
        }
    return false;
}

int lb_taps_of_teacher(const lb_term *terms, int n, int of, lb_value *out, int most)
{
    int count = 0;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < terms[i].taps.n; k++) {
            if (terms[i].taps.tap[k].of != of || came_before(terms, i, k))
                continue;
            if (out && count < most)
                out[count] = terms[i].taps.tap[k].teacher;
            count++;
        }
    return count;
}
