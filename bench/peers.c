/* peers.c: finds PyTorch, makes the networks, starts both sides. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a shell command prints first. */
static bool ask_shell(const char *command, char *line, size_t size)
{
    FILE *const f = popen(command, "r");
    bool got = false;

    if (f) {
        got = fgets(line, (int)size, f) != NULL;
        got = pclose(f) == 0 && got;
    }
    return got;
}

static void try_peer(bench_peers *peers, const char *python)
{
    char command[3 * BENCH_PATH], line[BENCH_TEXT];
    bench_peer *const p = &peers->peer[peers->n];

    if (peers->n == BENCH_MAX_PEERS || access(python, X_OK) != 0)
        return;
    snprintf(command, sizeof command, "'%s' '%s/bench/peer.py' versions 2>/dev/null",
             python, LB_BENCH_SOURCE);
    if (!ask_shell(command, line, sizeof line) ||
        sscanf(line, "%63s %63s", p->torch, p->ort) != 2)
        return;
    snprintf(p->python, sizeof p->python, "%s", python);
    peers->n++;
}

void bench_peers_find(bench_peers *peers)
{
    const char *const given = getenv("LB_PEERS");
    char path[BENCH_PATH];

    memset(peers, 0, sizeof *peers);
    try_peer(peers, "/usr/bin/python3");
    if (given)
        snprintf(path, sizeof path, "%.4000s/bin/python", given);
    else
        snprintf(path, sizeof path, "%s/.cache/peers/bin/python", LB_BENCH_SOURCE);
    try_peer(peers, path);
}

static time_t changed(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 ? s.st_mtime : 0;
}

bool bench_pair_make(const bench_options *options, const bench_peers *peers,
                     const char *pair)
{
    char path[2 * BENCH_PATH], command[5 * BENCH_PATH];

    snprintf(path, sizeof path, "%s/%s/labels.npy", options->folder, pair);
    const time_t made = changed(path);
    if (made > changed(LB_BENCH_SOURCE "/bench/networks.py") &&
        made > changed(LB_BENCH_SOURCE "/bench/peer.py"))
        return true;
    if (peers->n == 0) {
        fprintf(stderr, "compare: PyTorch, which makes the networks, was not found; run "
                        "bench/setup\n");
        return false;
    }
    snprintf(command, sizeof command,
             "'%s' '%s/bench/peer.py' export '%s' '%s/%s' 2>>'%s/peers.log'",
             peers->peer[0].python, LB_BENCH_SOURCE, pair, options->folder, pair,
             options->folder);
    if (system(command) == 0)
        return true;
    fprintf(stderr, "compare: pair '%s' could not be exported; see %s/peers.log\n", pair,
            options->folder);
    return false;
}

bool bench_start_limbeck(bench_child *child, const bench_options *options,
                         const char *pair, int threads)
{
    char entrant[BENCH_PATH], folder[2 * BENCH_PATH], log[2 * BENCH_PATH], number[16],
        kernels[32];
    char *const argv[] = {entrant, folder, number, kernels, NULL};

    snprintf(entrant, sizeof entrant, "%s", options->entrant);
    snprintf(folder, sizeof folder, "%s/%s", options->folder, pair);
    snprintf(log, sizeof log, "%s/peers.log", options->folder);
    snprintf(number, sizeof number, "%d", threads);
    snprintf(kernels, sizeof kernels, "%s", options->kernels);
    if (!bench_child_start(child, argv, false, log))
        return false;
    snprintf(child->name, sizeof child->name, "limbeck");
    return true;
}

bool bench_start_peer(bench_child *child, const bench_options *options,
                      const bench_peer *peer, const char *pair, int threads, bool tuned)
{
    char python[BENCH_PATH], folder[2 * BENCH_PATH], log[2 * BENCH_PATH], number[16],
        name[16], script[] = LB_BENCH_SOURCE "/bench/peer.py", serve[] = "serve",
                  option[] = "--threads";
    char *const argv[] = {python, script, serve, name, folder, option, number, NULL};

    snprintf(python, sizeof python, "%s", peer->python);
    snprintf(folder, sizeof folder, "%s/%s", options->folder, pair);
    snprintf(log, sizeof log, "%s/peers.log", options->folder);
    snprintf(number, sizeof number, "%d", threads);
    snprintf(name, sizeof name, "%s", pair);
    if (!bench_child_start(child, argv, tuned, log))
        return false;
    snprintf(child->name, sizeof child->name, "torch %s", peer->torch);
    return true;
}
