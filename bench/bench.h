/* bench.h: what the files of the comparison share.
 *
 * options.c reads the command line, peers.c finds PyTorch and makes the networks,
 * child.c runs both sides as children and times windows of steps, rows.c and checks.c
 * have the rows of the table, table.c prints them, machine.c says on what. */
#ifndef LB_BENCH_BENCH_H
#define LB_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    BENCH_TEXT = 512,
    BENCH_PATH = 4096,
    BENCH_MAX_ROUNDS = 99,
    BENCH_MAX_BATCHES = 8,
    BENCH_MAX_PAIRS = 16,
    BENCH_MAX_PEERS = 4,
    BENCH_MAX_FIGURES = 512,
    BENCH_MAX_ENTRIES = 48,
};

typedef struct bench_options {
    char pairs[BENCH_MAX_PAIRS][16];
    int n_pairs;
    const char *works; /* comma-separated; NULL: all */
    int batches[BENCH_MAX_BATCHES];
    int n_batches;
    int rounds, threads;
    double seconds; /* of a window */
    const char *kernels, *json;
    bool markdown, quick, compiled, alone, self_test;
    char folder[BENCH_PATH], entrant[BENCH_PATH];
} bench_options;

/* False after a message (or the help) was printed; *status is then the exit code. */
bool bench_options_read(bench_options *options, int argc, char **argv, int *status);
bool bench_wants(const bench_options *options, const char *work);

/* A process that answers a line with a line. */
typedef struct bench_child {
    pid_t pid; /* 0: none */
    FILE *to, *from;
    char name[BENCH_TEXT];
} bench_child;

/* tuned: glibc's malloc is told to keep its pages. Output on stderr goes to `log`. */
bool bench_child_start(bench_child *child, char *const argv[], bool tuned,
                       const char *log);
void bench_child_stop(bench_child *child);
/* Sends "VERB WORK BATCH VARIANT N", reads the reply; false if it is an error or none. */
bool bench_child_ask(bench_child *child, char *reply, size_t size, const char *verb,
                     const char *work, int batch, const char *variant, int n);

/* Somebody in a race: a child at one kind of work. */
typedef struct bench_entry {
    bench_child *child;
    const char *work, *variant;
    int batch, steps, n;
    double rate[BENCH_MAX_ROUNDS]; /* images a second in each round */
    int disturbed;                 /* windows that were kept in spite of foreign load */
} bench_entry;

/* Runs some steps and finds how many make a window; false if the child cannot. */
bool bench_entry_warm(bench_entry *entry, double seconds);
/* Adds `rounds` windows to each entry, in turn. patient: those that other processes
 * disturbed are run again. */
bool bench_race(bench_entry *entries, int n, int rounds, bool patient);
bool bench_real_time(void); /* whether windows ran with real-time scheduling */
int bench_windows_repeated(void);

double bench_median(const double *x, int n);
/* The median of a[i] / b[i]. */
double bench_ratio(const double *a, const double *b, int n);
/* The largest of |a[i] - b[i]| / |b[i]|. */
double bench_apart(const double *a, const double *b, int n);
/* Checks them; prints TAP; the number that failed. */
int bench_self_test(void);

/* PyTorch, as it was found. */
typedef struct bench_peer {
    char python[BENCH_PATH], torch[64], ort[64];
} bench_peer;
typedef struct bench_peers {
    bench_peer peer[BENCH_MAX_PEERS];
    int n;
} bench_peers;
void bench_peers_find(bench_peers *peers);
/* Networks and batches of a pair, made by the first peer unless they are there. */
bool bench_pair_make(const bench_options *options, const bench_peers *peers,
                     const char *pair);
bool bench_start_limbeck(bench_child *child, const bench_options *options,
                         const char *pair, int threads);
bool bench_start_peer(bench_child *child, const bench_options *options,
                      const bench_peer *peer, const char *pair, int threads, bool tuned);

/* A row of the table. */
typedef struct bench_figure {
    char work[32], pair[16], unit[16], theirs_is[96];
    int batch, rounds, disturbed;
    double ours, theirs, value, least, aim; /* value: the ratio that is judged */
    bool at_most;                           /* value may not be above `least` */
    bool judged, met;
} bench_figure;
typedef struct bench_table {
    bench_figure figure[BENCH_MAX_FIGURES];
    int n;
} bench_table;
void bench_table_add(bench_table *table, const bench_figure *figure);
void bench_table_heading(void);
void bench_table_print(const bench_table *table, const bench_options *options);

typedef struct bench_machine {
    char cpu[128], isa[64];
    int cpus;
    double peak; /* GFLOP/s of one thread, fp32; 0: not measured */
} bench_machine;
void bench_machine_look(bench_machine *machine);
bool bench_table_json(const bench_table *table, const bench_options *options,
                      const bench_peers *peers, const bench_machine *machine);

/* One pair of networks under way: limbeck and every peer, each a child. */
typedef struct bench_field {
    const bench_options *options;
    const bench_peers *peers;
    bench_table *table;
    const char *pair;
    bench_child limbeck, peer[BENCH_MAX_PEERS];
    const char *best_kd[BENCH_MAX_BATCHES]; /* the fastest variant; NULL: not sought */
    int best_kd_peer[BENCH_MAX_BATCHES];
} bench_field;

/* rows.c: the races against PyTorch. */
void bench_rows(bench_field *field);
/* checks.c: latency, memory, threads, batches, losses, bits. */
void bench_checks(bench_field *field);

#endif
