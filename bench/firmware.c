/* firmware.c: int8 firmware on this machine, beside onnxruntime and LiteRT: one sample at
 * a time, one thread. Prints a table for the networks that it is given.
 *
 *     bench-firmware [--rounds N] [--seconds S] [--flags FLAGS] MODEL.tflite|.onnx...
 *
 * Each network is emitted and compiled here (CC, or cc; FLAGS are usually -O3
 * -march=native), and saved as QDQ ONNX and as .tflite for the peers. LB_PEERS names a
 * Python environment with them; one that it lacks is left out. The networks of the
 * peers are the same to the last weight; they begin at the int8 input (onnxruntime: at
 * a float one, which it quantises). */
#include "bench.h"

#include "base/file.h"
#include "emit/emit.h"
#include "lower/lower.h"
#include "run/network_load.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDES = 5, MOST_NETWORKS = 32 };

typedef struct settings {
    int rounds;
    double seconds;
    const char *flags;
    char folder[BENCH_PATH]; /* of all networks, then of one */
    char python[BENCH_PATH], log[BENCH_PATH + 16];
    const char *model[MOST_NETWORKS];
    int n_models;
} settings;

/* The first is judged against the others. */
static const struct side {
    const char *name, *runtime, *define, *file;
} sides[SIDES] = {
    {"limbeck", NULL, "", NULL},
    {"C99 alone", NULL, "-DFW8_PLAIN", NULL},
    {"onnxruntime", "onnxruntime", NULL, "net.onnx"},
    {"onnxruntime u8", "onnxruntime-u8", NULL, "net.onnx"},
    {"LiteRT", "litert", NULL, "net.tflite"},
};

static bool tell(const lb_error *err)
{
    fprintf(stderr, "firmware: %s\n", err->text);
    return false;
}

/* Writes all forms of a network into the folder. */
static bool make_forms(const settings *o, const char *model)
{
    char onnx[BENCH_PATH + 16], tflite[BENCH_PATH + 16];
    const lb_emit_options options = {.name = "net"};
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *graph = NULL;
    lb_low *low = NULL;
    lb_emitted emitted = {0};
    lb_error err = {0};

    snprintf(onnx, sizeof onnx, "%s/net.onnx", o->folder);
    snprintf(tflite, sizeof tflite, "%s/net.tflite", o->folder);
    bool ok = lb_network_load(model, &graph, NULL, &err) == LB_OK;
    ok = ok && lb_network_save(graph, onnx, &err) == LB_OK;
    ok = ok && lb_network_save(graph, tflite, &err) == LB_OK;
    ok = ok && lb_lower(graph, arena, &low, &err) == LB_OK;
    ok = ok && lb_emit(low, &options, o->folder, arena, &emitted, &err) == LB_OK;
    lb_graph_free(graph);
    lb_arena_free(arena);
    return ok || tell(&err);
}

static bool compile(const settings *o, const char *define, const char *program)
{
    char command[8 * BENCH_PATH];
    const char *const cc = getenv("CC");

    snprintf(command, sizeof command,
             "%s -std=c99 %s %s -I'%s' -o '%s/%s' '%s/bench/firmware_child.c' "
             "'%s'/net.c '%s'/fw_*.c -lm",
             cc ? cc : "cc", o->flags, define, o->folder, o->folder, program,
             LB_BENCH_SOURCE, o->folder, o->folder);
    if (system(command) == 0) /* NOLINT: the user's own compiler */
        return true;
    fprintf(stderr, "firmware: the compiler failed: %s\n", command);
    return false;
}

static bool start(const settings *o, int side, bench_child *child)
{
    char program[BENCH_PATH + 32], file[BENCH_PATH + 32], python[BENCH_PATH],
        runtime[32] = "", script[] = LB_BENCH_SOURCE "/bench/firmware_peer.py",
        serve[] = "serve";
    char *const ours[] = {program, NULL};
    char *const theirs[] = {python, script, serve, runtime, file, NULL};
    const struct side *const s = &sides[side];

    if (s->runtime) {
        snprintf(python, sizeof python, "%s", o->python);
        snprintf(runtime, sizeof runtime, "%s", s->runtime);
        snprintf(file, sizeof file, "%s/%s", o->folder, s->file);
        return bench_child_start(child, theirs, true, o->log);
    }
    snprintf(program, sizeof program, "child%d", side);
    if (!compile(o, s->define, program))
        return false;
    snprintf(program, sizeof program, "%s/child%d", o->folder, side);
    return bench_child_start(child, ours, false, o->log);
}

static double fastest(const bench_entry *e)
{
    double most = 0;

    for (int i = 0; i < e->n; i++)
        most = fmax(most, e->rate[i]);
    return most;
}

static const char *stem_of(const char *model, int *n)
{
    const char *const slash = strrchr(model, '/'), *const stem =
                                                       slash ? slash + 1 : model;

    *n = (int)strcspn(stem, ".");
    return stem;
}

static void print_row(const char *model, const bench_entry *ours, const bench_entry *e)
{
    int letters;
    const char *const stem = stem_of(model, &letters);

    printf("| %.*s | %s | %.1f | %.1f | %.2f |\n", letters, stem, e->child->name,
           1e6 / bench_median(e->rate, e->n), 1e6 / fastest(e),
           bench_ratio(ours->rate, e->rate, e->n));
    fflush(stdout);
}

static bool run_network(const settings *all, const char *model, const bool present[])
{
    static bench_entry entry[SIDES];
    bench_child child[SIDES];
    lb_error err = {0};
    settings own = *all;
    const settings *const o = &own;
    int n = 0, letters;
    const char *const stem = stem_of(model, &letters);

    snprintf(own.folder, sizeof own.folder, "%.3000s/%.*s", all->folder, letters, stem);
    bool ok = lb_make_folder(o->folder, &err) == LB_OK || tell(&err);
    ok = ok && make_forms(o, model);
    memset(entry, 0, sizeof entry);
    for (int i = 0; ok && i < SIDES; i++) {
        if (!present[i])
            continue;
        ok = start(o, i, &child[n]);
        if (!ok)
            break;
        snprintf(child[n].name, sizeof child[n].name, "%s", sides[i].name);
        entry[n] =
            (bench_entry){.child = &child[n], .work = "-", .variant = "-", .batch = 1};
        n++;
        ok = bench_entry_warm(&entry[n - 1], o->seconds);
    }
    ok = ok && bench_race(entry, n, o->rounds, false);
    for (int i = 0; ok && i < n; i++)
        print_row(model, &entry[0], &entry[i]);
    for (int i = 0; i < n; i++)
        bench_child_stop(&child[i]);
    return ok;
}

/* Which sides there are, and their versions. */
static void look(const settings *o, bool present[])
{
    char command[3 * BENCH_PATH], line[BENCH_TEXT];

    for (int i = 0; i < SIDES; i++) {
        present[i] = !sides[i].runtime;
        if (present[i])
            continue;
        snprintf(command, sizeof command,
                 "'%s' '%s/bench/firmware_peer.py' version %s 2>/dev/null", o->python,
                 LB_BENCH_SOURCE, sides[i].runtime);
        FILE *const f = popen(command, "r");
        if (!f)
            continue;
        present[i] = fgets(line, sizeof line, f) != NULL;
        present[i] = pclose(f) == 0 && present[i];
        printf("%s %s", sides[i].name, present[i] ? line : "is not installed\n");
    }
}

static bool read_options(settings *o, int argc, char **argv)
{
    const char *const peers = getenv("LB_PEERS");

    *o = (settings){.rounds = 9, .seconds = 0.1, .flags = "-O3 -march=native"};
    snprintf(o->python, sizeof o->python, "%.4000s/bin/python",
             peers ? peers : LB_BENCH_SOURCE "/.cache/peers");
    snprintf(o->folder, sizeof o->folder, "%s/.cache/bench-firmware", LB_BENCH_SOURCE);
    snprintf(o->log, sizeof o->log, "%s/log", o->folder);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && o->n_models < MOST_NETWORKS)
            o->model[o->n_models++] = argv[i];
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            o->rounds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            o->seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--flags") == 0 && i + 1 < argc)
            o->flags = argv[++i];
        else
            return false;
    }
    return o->n_models > 0 && o->rounds > 0 && o->rounds <= BENCH_MAX_ROUNDS &&
           o->seconds > 0;
}

int main(int argc, char **argv)
{
    static settings o;
    bool present[SIDES];
    lb_error err = {0};
    bool ok = true;

    if (!read_options(&o, argc, argv)) {
        fprintf(stderr, "usage: bench-firmware [--rounds 9] [--seconds 0.1] "
                        "[--flags '-O3 -march=native'] MODEL.tflite|.onnx...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a child that dies is an answer that does not come */
    if (lb_make_folder(o.folder, &err) != LB_OK)
        return !tell(&err);
    look(&o, present);
    printf("\n| network | | median us | best us | limbeck is faster by |\n"
           "| --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < o.n_models; i++)
        ok = run_network(&o, o.model[i], present) && ok;
    return !ok;
}
