/* compare.c: limbeck beside PyTorch: prints the table that docs/performance.md explains.
 *
 * It needs the peers that bench/setup installs, and no rights: real-time scheduling is
 * used where it is granted. */
#include "bench.h"

#include "base/file.h"

#include <signal.h>
#include <string.h>

static void tell_machine(const bench_options *o, const bench_peers *peers,
                         const bench_machine *m)
{
    printf("machine: %s, %s, %d CPUs", m->cpu, m->isa, m->cpus);
    if (m->peak > 0)
        printf(", fp32 multiply-add peak %.1f GFLOP/s a thread", m->peak);
    printf("\npeers:");
    for (int i = 0; i < peers->n; i++)
        printf("%s torch %s (onnxruntime %s)", i ? "," : "", peers->peer[i].torch,
               peers->peer[i].ort);
    printf(peers->n ? "\n" : " none; run bench/setup\n");
    printf("%d threads, %d rounds of windows of %.2f s\n\n", o->threads, o->rounds,
           o->seconds);
}

static void run_pair(const bench_options *options, const bench_peers *peers,
                     bench_table *table, const char *pair)
{
    static bench_field field;

    const int n_peers = options->alone ? 0 : options->quick ? peers->n > 0 : peers->n;
    field =
        (bench_field){.options = options, .peers = peers, .table = table, .pair = pair};
    bool ok = bench_start_limbeck(&field.limbeck, options, pair, options->threads);
    for (int p = 0; ok && p < n_peers; p++)
        ok = bench_start_peer(&field.peer[p], options, &peers->peer[p], pair,
                              options->threads, true);
    if (ok) {
        bench_rows(&field);
        bench_checks(&field);
    }
    bench_child_stop(&field.limbeck);
    for (int p = 0; p < peers->n; p++)
        bench_child_stop(&field.peer[p]);
}

int main(int argc, char **argv)
{
    static bench_options options;
    static bench_peers peers;
    static bench_table table;
    bench_machine machine;
    lb_error err = {0};
    int status = 0;

    if (!bench_options_read(&options, argc, argv, &status))
        return status;
    if (options.self_test)
        return bench_self_test() != 0;
    signal(SIGPIPE, SIG_IGN); /* a child that dies is an answer that does not come */
    if (lb_make_folder(options.folder, &err) != LB_OK) {
        fprintf(stderr, "compare: %s\n", err.text);
        return 1;
    }
    bench_machine_look(&machine);
    bench_peers_find(&peers);
    tell_machine(&options, &peers, &machine);
    bench_table_heading();
    for (int i = 0; i < options.n_pairs; i++)
        if (bench_pair_make(&options, &peers, options.pairs[i]))
            run_pair(&options, &peers, &table, options.pairs[i]);
    printf("\n%d windows were repeated for foreign load; real-time scheduling %s\n",
           bench_windows_repeated(), bench_real_time() ? "used" : "not permitted");
    bench_table_print(&table, &options);
    if (options.json && !bench_table_json(&table, &options, &peers, &machine)) {
        fprintf(stderr, "compare: cannot write '%s'\n", options.json);
        return 1;
    }
    return table.n == 0;
}
