/* rows.c: the races: teacher, student step, KD step live and cached, a whole recipe.
 *
 * PyTorch first runs a heat against itself: every variant on every version that is
 * installed. The fastest one then runs against limbeck, window by window. */
#include "bench.h"

#include <string.h>

enum { HEAT_ROUNDS = 3, EPOCHS = 20, VIEWS = 4 };

typedef struct goal {
    const char *work, *pair;
    double least, aim;
} goal;

/* pair NULL: any other */
static const goal goals[] = {
    {"teacher", NULL, 2.5, 3}, {"student", "b", 2.5, 3}, {"student", NULL, 3, 5},
    {"kd", NULL, 2.5, 3},      {"cached", "b", 4, 4.8},  {"cached", "c", 15, 30},
    {"recipe", "b", 2.8, 3.3}, {"recipe", "c", 7, 9},
};

static const goal *goal_of(const char *work, const char *pair)
{
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++)
        if (strcmp(goals[i].work, work) == 0 &&
            (!goals[i].pair || strcmp(goals[i].pair, pair) == 0))
            return &goals[i];
    return NULL;
}

/* What PyTorch may try; the words are those of bench/peer.py. */
static const char *const teacher_variants[] = {"-",       "tcl",         "jit",
                                               "tcl+jit", "tcl+compile", NULL};
static const char *const student_variants[] = {
    "-", "cl", "foreach", "cl+foreach", "cl+fused", "fused", "cl+compile", NULL};
static const char *const kd_variants[] = {"jit",
                                          "tcl+jit",
                                          "cl+jit",
                                          "cl+tcl",
                                          "cl+tcl+jit",
                                          "cl+tcl+jit+foreach",
                                          "cl+tcl+jit+fused",
                                          "cl+tcl+compile",
                                          NULL};

static const char *const *variants_of(const bench_options *options, const char *work)
{
    static const char *const quick[][2] = {{"jit", NULL}, {"cl", NULL}, {"cl+jit", NULL}};

    if (options->quick)
        return quick[strcmp(work, "teacher") == 0   ? 0
                     : strcmp(work, "student") == 0 ? 1
                                                    : 2];
    return strcmp(work, "teacher") == 0   ? teacher_variants
           : strcmp(work, "student") == 0 ? student_variants
                                          : kd_variants;
}

/* One round, then two more for those that are not far behind; the fastest comes first. */
static bool run_heat(bench_entry *entries, int n)
{
    double best = 0;
    int kept = 0;

    if (!bench_race(entries, n, 1, false))
        return false;
    for (int i = 0; i < n; i++)
        best = entries[i].rate[0] > best ? entries[i].rate[0] : best;
    for (int i = 0; i < n; i++)
        if (entries[i].rate[0] > 0.8 * best) {
            const bench_entry e = entries[kept];
            entries[kept++] = entries[i];
            entries[i] = e;
        }
    if (!bench_race(entries, kept, HEAT_ROUNDS - 1, false))
        return false;
    for (int i = 1; i < kept; i++) {
        const bench_entry e = entries[i];
        if (bench_median(e.rate, e.n) > bench_median(entries[0].rate, entries[0].n)) {
            entries[i] = entries[0];
            entries[0] = e;
        }
    }
    return true;
}

/* The fastest entry of a heat among all peers, or false if none runs. */
static bool heat(bench_field *field, const char *work, int batch, bench_entry *best)
{
    const double seconds = field->options->seconds / 2;
    bench_entry entries[BENCH_MAX_ENTRIES];
    char reply[BENCH_TEXT];
    int n = 0;

    for (int p = 0; p < field->peers->n && (p == 0 || !field->options->quick); p++)
        for (const char *const *v = variants_of(field->options, work); *v; v++) {
            if (strstr(*v, "compile") && !field->options->compiled)
                continue;
            entries[n] = (bench_entry){
                .child = &field->peer[p], .work = work, .variant = *v, .batch = batch};
            if (n + 1 < BENCH_MAX_ENTRIES && bench_entry_warm(&entries[n], seconds))
                n++;
        }
    if (n == 0 || !run_heat(entries, n))
        return false;
    for (int i = 1; i < n; i++)
        bench_child_ask(entries[i].child, reply, sizeof reply, "forget", work, batch,
                        entries[i].variant, 0);
    *best = entries[0];
    return true;
}

static void tell(const bench_field *field, const char *work, const bench_entry *ours,
                 const bench_entry *theirs)
{
    const goal *const g = goal_of(work, field->pair);
    bench_figure f = {.batch = ours->batch,
                      .rounds = ours->n,
                      .disturbed = ours->disturbed,
                      .ours = bench_median(ours->rate, ours->n)};

    snprintf(f.work, sizeof f.work, "%s", work);
    snprintf(f.pair, sizeof f.pair, "%s", field->pair);
    snprintf(f.unit, sizeof f.unit, "img/s");
    if (theirs) {
        f.theirs = bench_median(theirs->rate, theirs->n);
        f.value = bench_ratio(ours->rate, theirs->rate, ours->n);
        f.disturbed += theirs->disturbed;
        snprintf(f.theirs_is, sizeof f.theirs_is, "%.50s %.40s", theirs->child->name,
                 theirs->variant);
        if (g) {
            f.least = g->least;
            f.aim = g->aim;
        }
    }
    bench_table_add(field->table, &f);
}

static bool set_limbeck(bench_field *field, const char *work, int batch, bench_entry *e)
{
    *e = (bench_entry){
        .child = &field->limbeck, .work = work, .variant = "-", .batch = batch};
    if (bench_entry_warm(e, field->options->seconds))
        return true;
    fprintf(stderr, "compare: limbeck cannot run %s %s %d; see peers.log\n", field->pair,
            work, batch);
    return false;
}

/* Limbeck against the fastest peer; entries[0] is limbeck's, the last the peer's. */
static bool race(bench_field *field, bench_entry *entries, int n, const char *heat_of)
{
    bench_entry *const theirs = &entries[n];
    bool has_peer = !field->options->alone;

    if (has_peer)
        has_peer = heat(field, heat_of, entries[0].batch, theirs) &&
                   bench_entry_warm(theirs, field->options->seconds);
    if (!has_peer && !field->options->alone)
        fprintf(stderr, "compare: no peer runs %s; limbeck alone\n", heat_of);
    return bench_race(entries, n + has_peer, field->options->rounds, true) && has_peer;
}

static void simple(bench_field *field, const char *work, int batch)
{
    bench_entry e[2];

    if (!bench_wants(field->options, work) || !set_limbeck(field, work, batch, &e[0]))
        return;
    const bool has_peer = race(field, e, 1, work);
    tell(field, work, &e[0], has_peer ? &e[1] : NULL);
}

/* Seconds an image that the loader costs, spread over the threads. */
static double loader_cost(bench_field *field, int batch)
{
    bench_entry e;

    if (!set_limbeck(field, "loader", batch, &e) || !bench_race(&e, 1, 3, true))
        return 0;
    return 1 / bench_median(e.rate, e.n) / field->options->threads;
}

/* A whole recipe of 20 epochs over 4 cached views, an image of the training set: 4
 * teacher passes, 20 steps, the views of both; PyTorch: 20 live steps, its loader free of
 * charge. */
static void recipe(bench_field *field, const bench_entry *teacher,
                   const bench_entry *cached, const bench_entry *theirs)
{
    const double loader = loader_cost(field, cached->batch);
    bench_entry ours = *cached, whole = *cached;

    for (int i = 0; i < cached->n; i++) {
        const double seconds = VIEWS / teacher->rate[i] + EPOCHS / cached->rate[i] +
                               (VIEWS + EPOCHS) * loader;
        ours.rate[i] = EPOCHS / seconds;
    }
    if (theirs)
        whole = *theirs;
    tell(field, "recipe", &ours, theirs ? &whole : NULL);
}

/* Live, cached and the whole recipe share the peer's windows. */
static void distillation(bench_field *field, int b)
{
    const bench_options *const o = field->options;
    const bool judged_recipe = goal_of("recipe", field->pair) != NULL;
    const bool wants_cached = bench_wants(o, "cached"),
               wants_recipe = bench_wants(o, "recipe") && judged_recipe;
    const int batch = o->batches[b];
    bench_entry e[4];

    if (!bench_wants(o, "kd") && !wants_cached && !wants_recipe)
        return;
    if (!set_limbeck(field, "kd", batch, &e[0]) ||
        !set_limbeck(field, "cached", batch, &e[1]) ||
        !set_limbeck(field, "teacher", batch, &e[2]))
        return;
    const bool has_peer = race(field, e, 3, "kd");
    const bench_entry *const theirs = has_peer ? &e[3] : NULL;
    if (theirs) {
        field->best_kd[b] = theirs->variant;
        field->best_kd_peer[b] = (int)(theirs->child - field->peer);
    }
    if (bench_wants(o, "kd"))
        tell(field, "kd", &e[0], theirs);
    if (wants_cached)
        tell(field, "cached", &e[1], theirs);
    if (wants_recipe)
        recipe(field, &e[2], &e[1], theirs);
}

void bench_rows(bench_field *field)
{
    for (int b = 0; b < field->options->n_batches; b++) {
        simple(field, "teacher", field->options->batches[b]);
        simple(field, "student", field->options->batches[b]);
        distillation(field, b);
    }
}
