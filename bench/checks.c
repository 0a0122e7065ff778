/* checks.c: the rows beside the races: latency, memory, threads, the batch, losses and
 * bits. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 20 };

static bench_figure figure_of(const bench_field *field, const char *work, int batch,
                              const char *unit)
{
    bench_figure f = {.batch = batch};

    snprintf(f.work, sizeof f.work, "%s", work);
    snprintf(f.pair, sizeof f.pair, "%s", field->pair);
    snprintf(f.unit, sizeof f.unit, "%s", unit);
    return f;
}

/* One image, one thread, against onnxruntime; microseconds an image. */
static void latency(const bench_field *field, const char *network)
{
    const bench_options *const o = field->options;
    bench_child ours = {0}, theirs = {0};
    bench_entry e[2];
    char work[32];
    const bench_peer *peer = NULL;

    for (int p = 0; p < field->peers->n; p++)
        if (strcmp(field->peers->peer[p].ort, "-") != 0)
            peer = &field->peers->peer[p];
    snprintf(work, sizeof work, "latency-%s", network);
    e[0] = (bench_entry){.child = &ours, .work = work, .variant = "-", .batch = 1};
    e[1] = (bench_entry){.child = &theirs, .work = work, .variant = "-", .batch = 1};
    if (!bench_start_limbeck(&ours, o, field->pair, 1))
        return;
    const bool has_peer = !o->alone && peer &&
                          bench_start_peer(&theirs, o, peer, field->pair, 1, true) &&
                          bench_entry_warm(&e[1], o->seconds);
    if (!has_peer && !o->alone)
        fprintf(stderr, "compare: no onnxruntime; limbeck's latency alone\n");
    if (bench_entry_warm(&e[0], o->seconds) &&
        bench_race(e, 1 + has_peer, o->rounds, true)) {
        bench_figure f = figure_of(field, work, 1, "us");
        f.ours = 1e6 / bench_median(e[0].rate, e[0].n);
        f.rounds = e[0].n;
        if (has_peer) {
            f.theirs = 1e6 / bench_median(e[1].rate, e[1].n);
            f.value = bench_ratio(e[0].rate, e[1].rate, e[0].n);
            f.least = 1.8;
            f.aim = 2.3;
            snprintf(f.theirs_is, sizeof f.theirs_is, "onnxruntime %s", peer->ort);
        }
        bench_table_add(field->table, &f);
    }
    bench_child_stop(&ours);
    bench_child_stop(&theirs);
}

/* Bytes, or 0; the child is a fresh one and is stopped. */
static double memory_of(bench_child *child, int batch, const char *variant)
{
    char reply[BENCH_TEXT];
    const bool ok =
        bench_child_ask(child, reply, sizeof reply, "memory", "kd", batch, variant, 5);
    bench_child_stop(child);
    return ok ? strtod(reply, NULL) : 0;
}

static void tell_memory(const bench_field *field, const bench_figure *f, double least)
{
    bench_figure told = *f;

    if (f->theirs > 0 && f->ours > 0) {
        told.value = f->theirs / f->ours;
        told.least = least;
        told.aim = least > 0 ? 4 : 0;
    }
    bench_table_add(field->table, &told);
}

/* Bytes of a peer's variant; 0 if it cannot. */
static double peer_memory(const bench_field *field, int p, int batch, const char *variant,
                          bool tuned, bench_figure *f)
{
    const bench_options *const o = field->options;
    const bench_peer *const peer = &field->peers->peer[p];
    bench_child child;

    if (!bench_start_peer(&child, o, peer, field->pair, o->threads, tuned))
        return 0;
    const double mb = memory_of(&child, batch, variant) / 1e6;
    if (mb > 0 && (f->theirs <= 0 || mb < f->theirs)) {
        f->theirs = mb;
        snprintf(f->theirs_is, sizeof f->theirs_is, "torch %.50s %s", peer->torch,
                 variant);
    }
    return mb;
}

/* Peak memory of the KD step. Judged against the PyTorch that needs least: with glibc's
 * malloc as it is, which gives memory back. The second row, not judged, is the PyTorch
 * that is timed. */
static void memory(const bench_field *field, int b)
{
    static const char *const variants[] = {"-", "cl+tcl"};
    const bench_options *const o = field->options;
    const int batch = o->batches[b];
    bench_figure f = figure_of(field, "memory", batch, "MB");
    bench_figure timed = figure_of(field, "memory, timed", batch, "MB");
    bench_child child;

    if (!bench_start_limbeck(&child, o, field->pair, o->threads))
        return;
    f.ours = timed.ours = memory_of(&child, batch, "-") / 1e6;
    for (int p = 0; p < field->peers->n && !o->alone; p++)
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
            peer_memory(field, p, batch, variants[v], false, &f);
    tell_memory(field, &f, 2);
    if (field->best_kd[b] && peer_memory(field, field->best_kd_peer[b], batch,
                                         field->best_kd[b], true, &timed) > 0)
        tell_memory(field, &timed, 0);
}

/* Two threads against one. */
static void threads(const bench_field *field, const char *work, int batch)
{
    const bench_options *const o = field->options;
    bench_child one = {0}, two = {0};
    bench_entry e[2] = {
        {.child = &two, .work = work, .variant = "-", .batch = batch},
        {.child = &one, .work = work, .variant = "-", .batch = batch},
    };

    if (bench_start_limbeck(&one, o, field->pair, 1) &&
        bench_start_limbeck(&two, o, field->pair, 2) &&
        bench_entry_warm(&e[0], o->seconds) && bench_entry_warm(&e[1], o->seconds) &&
        bench_race(e, 2, o->rounds, true)) {
        bench_figure f = figure_of(field, "", batch, "img/s");
        snprintf(f.work, sizeof f.work, "threads %s", work);
        snprintf(f.theirs_is, sizeof f.theirs_is, "limbeck, one thread");
        f.ours = bench_median(e[0].rate, e[0].n);
        f.theirs = bench_median(e[1].rate, e[1].n);
        f.value = bench_ratio(e[0].rate, e[1].rate, e[0].n);
        f.rounds = e[0].n;
        f.disturbed = e[0].disturbed + e[1].disturbed;
        f.least = 1.85;
        bench_table_add(field->table, &f);
    }
    bench_child_stop(&one);
    bench_child_stop(&two);
}

/* An image must not cost more in a larger batch; 5 % is noise. */
static void linear(bench_field *field)
{
    static const int batches[] = {64, 128, 256};
    const bench_options *const o = field->options;
    bench_entry e[3];

    for (int i = 0; i < 3; i++) {
        e[i] = (bench_entry){.child = &field->limbeck,
                             .work = "student",
                             .variant = "-",
                             .batch = batches[i]};
        if (!bench_entry_warm(&e[i], o->seconds))
            return;
    }
    if (!bench_race(e, 3, o->rounds, true))
        return;
    for (int i = 1; i < 3; i++) {
        bench_figure f = figure_of(field, "linear student", batches[i], "img/s");
        snprintf(f.theirs_is, sizeof f.theirs_is, "limbeck, batch 64");
        f.ours = bench_median(e[i].rate, e[i].n);
        f.theirs = bench_median(e[0].rate, e[0].n);
        f.value = bench_ratio(e[i].rate, e[0].rate, e[i].n);
        f.rounds = e[i].n;
        f.disturbed = e[i].disturbed + e[0].disturbed;
        f.least = 0.95;
        bench_table_add(field->table, &f);
    }
}

static bool losses_of(bench_child *child, int batch, const char *variant,
                      double loss[STEPS])
{
    char reply[STEPS * 32];
    char *at = reply, *end = NULL;

    if (!bench_child_ask(child, reply, sizeof reply, "loss", "kd", batch, variant, STEPS))
        return false;
    for (int i = 0; i < STEPS; i++, at = end) {
        loss[i] = strtod(at, &end);
        if (end == at)
            return false;
    }
    return true;
}

/* How far PyTorch's own variants are apart: from rounding alone, as training amplifies
 * it. */
static double own_spread(bench_field *field, int batch, const double theirs[STEPS])
{
    double curve[2 * BENCH_MAX_PEERS + 1][STEPS], most = 0;
    int n = 1;

    memcpy(curve[0], theirs, sizeof curve[0]);
    for (int p = 0; p < field->peers->n; p++)
        for (int cl = 0; cl < 2; cl++)
            n += losses_of(&field->peer[p], batch, cl ? "cl" : "-", curve[n]);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++) {
            const double d = bench_apart(curve[i], curve[k], STEPS);
            most = d > most ? d : most;
        }
    return most;
}

/* The curves of the timed variants from the same weights: the first loss must be the
 * same, and the curve as near as 1e-3. A network that amplifies rounding so much that
 * PyTorch's own variants part is held to three times their distance. */
static void losses(bench_field *field, int b)
{
    const int batch = field->options->batches[b];
    const char *const variant = field->best_kd[b] ? field->best_kd[b] : "-";
    bench_child *const timed = &field->peer[field->best_kd_peer[b]];
    bench_figure f = figure_of(field, "loss", batch, "apart");
    double ours[STEPS], theirs[STEPS];

    if (!losses_of(&field->limbeck, batch, "-", ours) ||
        !losses_of(timed, batch, variant, theirs))
        return;
    f.ours = f.value = bench_apart(ours, theirs, STEPS);
    if (!(bench_apart(ours, theirs, 1) < 1e-5))
        f.value = INFINITY; /* not the same network, batch or loss */
    f.theirs = own_spread(field, batch, theirs);
    f.least = 3 * f.theirs > 1e-3 ? 3 * f.theirs : 1e-3;
    f.at_most = true;
    snprintf(f.theirs_is, sizeof f.theirs_is, "%.40s, own spread", timed->name);
    bench_table_add(field->table, &f);
}

/* The number of different results of 1, 2, 3 and 8 threads. */
static void bits(const bench_field *field)
{
    static const int counts[] = {1, 2, 3, 8};
    bench_figure f = figure_of(field, "bits", 64, "results");
    char first[BENCH_TEXT] = "", reply[BENCH_TEXT];
    bench_child child;

    f.value = 0;
    for (int i = 0; i < 4; i++) {
        if (!bench_start_limbeck(&child, field->options, field->pair, counts[i]))
            return;
        const bool ok =
            bench_child_ask(&child, reply, sizeof reply, "bits", "kd", 64, "-", 4);
        bench_child_stop(&child);
        if (!ok)
            return;
        if (i == 0)
            snprintf(first, sizeof first, "%s", reply);
        f.value += i == 0 || strcmp(first, reply) != 0;
    }
    f.ours = f.value;
    f.least = 1;
    f.at_most = true;
    snprintf(f.theirs_is, sizeof f.theirs_is, "1, 2, 3 and 8 threads");
    bench_table_add(field->table, &f);
}

void bench_checks(bench_field *field)
{
    const bench_options *const o = field->options;

    if (bench_wants(o, "latency") && strcmp(field->pair, "b") == 0) {
        latency(field, "student");
        latency(field, "teacher");
    }
    for (int b = 0; b < o->n_batches; b++) {
        if (bench_wants(o, "memory"))
            memory(field, b);
        if (bench_wants(o, "loss") && !o->alone)
            losses(field, b);
    }
    if (bench_wants(o, "linear"))
        linear(field);
    if (bench_wants(o, "threads")) {
        threads(field, "student", 64);
        threads(field, "kd", 64);
    }
    if (bench_wants(o, "bits"))
        bits(field);
}
