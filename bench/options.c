/* options.c: the command line of compare. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: bench-compare [options]\n"
    "Times limbeck beside PyTorch; bench/setup installs the latter. Options:\n"
    "  --pair a,b,c      pairs of networks (rows of bench/networks.py; usual: a,b,c)\n"
    "  --work LIST       teacher, student, kd, cached, recipe, latency, memory, "
    "threads,\n"
    "                    linear, loss, bits (usual: all)\n"
    "  --batch 64,128    batch sizes\n"
    "  --rounds 7        windows of each side\n"
    "  --seconds 0.25    of a window\n"
    "  --threads 2       of both sides\n"
    "  --kernels best    limbeck's: best, native, onednn, reference\n"
    "  --quick           no heat: PyTorch's usual best variants on the first version "
    "only\n"
    "  --compile         torch.compile is tried as well (minutes)\n"
    "  --alone           limbeck only: no ratios, nothing judged\n"
    "  --json FILE       all figures\n"
    "  --markdown        the table once more as Markdown\n"
    "  --self-test       checks the statistics\n";

static bool fail(const char *what, const char *value, int *status)
{
    fprintf(stderr, "compare: %s '%s'\n%s", what, value, usage);
    *status = 2;
    return false;
}

/* "a,b" or "64,128", one after the other. */
static const char *next_word(const char *list, char *word, size_t size)
{
    const size_t n = strcspn(list, ",");

    snprintf(word, size, "%.*s", (int)n, list);
    return list[n] ? list + n + 1 : list + n;
}

static bool read_batches(bench_options *o, const char *list)
{
    char word[32];

    o->n_batches = 0;
    while (*list) {
        list = next_word(list, word, sizeof word);
        const int n = atoi(word);
        if (n < 1 || n > 256 || o->n_batches == BENCH_MAX_BATCHES)
            return false;
        o->batches[o->n_batches++] = n;
    }
    return o->n_batches > 0;
}

static bool read_pairs(bench_options *o, const char *list)
{
    o->n_pairs = 0;
    while (*list) {
        if (o->n_pairs == BENCH_MAX_PAIRS)
            return false;
        list = next_word(list, o->pairs[o->n_pairs], sizeof o->pairs[0]);
        if (strspn(o->pairs[o->n_pairs], "abcdefghijklmnopqrstuvwxyz0123456789-_") !=
            strlen(o->pairs[o->n_pairs]))
            return false;
        o->n_pairs++;
    }
    return o->n_pairs > 0;
}

static bool read_value(bench_options *o, const char *name, const char *value)
{
    if (strcmp(name, "--pair") == 0)
        return read_pairs(o, value);
    if (strcmp(name, "--batch") == 0)
        return read_batches(o, value);
    if (strcmp(name, "--work") == 0)
        return (o->works = value) != NULL;
    if (strcmp(name, "--rounds") == 0)
        return (o->rounds = atoi(value)) > 0 && o->rounds <= BENCH_MAX_ROUNDS;
    if (strcmp(name, "--seconds") == 0)
        return (o->seconds = strtod(value, NULL)) > 0.01;
    if (strcmp(name, "--threads") == 0)
        return (o->threads = atoi(value)) > 0;
    if (strcmp(name, "--kernels") == 0)
        return (o->kernels = value) != NULL;
    if (strcmp(name, "--json") == 0)
        return (o->json = value) != NULL;
    return false;
}

static bool read_switch(bench_options *o, const char *name)
{
    if (strcmp(name, "--markdown") == 0)
        return o->markdown = true;
    if (strcmp(name, "--quick") == 0)
        return o->quick = true;
    if (strcmp(name, "--compile") == 0)
        return o->compiled = true;
    if (strcmp(name, "--alone") == 0)
        return o->alone = true;
    if (strcmp(name, "--self-test") == 0)
        return o->self_test = true;
    return false;
}

/* The entrant lies beside this program. */
static void find_entrant(bench_options *o)
{
    char self[BENCH_PATH - 32];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = 0;
    char *const slash = strrchr(self, '/');
    if (slash)
        *slash = 0;
    snprintf(o->entrant, sizeof o->entrant, "%s/bench-entrant", self);
}

bool bench_options_read(bench_options *o, int argc, char **argv, int *status)
{
    memset(o, 0, sizeof *o);
    o->rounds = 7;
    o->seconds = 0.25;
    o->threads = 2;
    o->kernels = "best";
    read_pairs(o, "a,b,c");
    read_batches(o, "64,128");
    snprintf(o->folder, sizeof o->folder, "%s/.cache/bench", LB_BENCH_SOURCE);
    find_entrant(o);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            *status = 0;
            return false;
        }
        if (read_switch(o, argv[i]))
            continue;
        if (i + 1 == argc)
            return fail("not an option, or without its value:", argv[i], status);
        if (!read_value(o, argv[i], argv[i + 1]))
            return fail(argv[i], argv[i + 1], status);
        i++;
    }
    return true;
}

bool bench_wants(const bench_options *o, const char *work)
{
    const size_t n = strlen(work);

    if (!o->works)
        return true;
    for (const char *at = o->works; (at = strstr(at, work)) != NULL; at += n)
        if ((at == o->works || at[-1] == ',') && (at[n] == 0 || at[n] == ','))
            return true;
    return false;
}
