/* methods_run.c: runs what is missing, some at a time, each on one thread. */
#include "methods.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct job {
    pid_t pid; /* 0: free */
    methods_run *run;
    char name[160];
} job;

static const char *folder_of(const methods *all, const method *row, int seed)
{
    return lb_arena_text(all->arena, "%s/%s-%d", all->out, row->name, seed + 1);
}

/* The CPU seconds are kept beside the run, for they are no figure of its own. */
static double read_seconds(const methods *all, const char *folder)
{
    const char *const path = lb_path_join(all->arena, folder, "cpu-seconds");
    lb_error ignored = {0};
    lb_bytes text;

    if (!path || !lb_file_exists(path) ||
        lb_read_file(all->arena, path, 64, &text, &ignored) != LB_OK)
        return NAN;
    const char *const copy =
        lb_arena_copy_chars(all->arena, (const char *)text.data, text.size);
    return copy ? strtod(copy, NULL) : NAN;
}

static void look_at(const methods *all, const method *row, int seed, methods_run *run)
{
    const char *const folder = folder_of(all, row, seed);
    const char *const path =
        folder ? lb_path_join(all->arena, folder, "result.json") : NULL;
    lb_error ignored = {0};
    lb_bytes text;

    if (!path || !lb_file_exists(path) ||
        lb_read_file(all->arena, path, (size_t)1 << 24, &text, &ignored) != LB_OK)
        return;
    const char *const json =
        lb_arena_copy_chars(all->arena, (const char *)text.data, text.size);
    if (json && lb_run_figures_read(json, all->arena, &run->figures, &ignored) == LB_OK &&
        !isnan(run->figures.accuracy)) {
        run->done = true;
        run->cpu_seconds = read_seconds(all, folder);
    }
}

void methods_look(methods *all)
{
    for (int i = 0; i < all->n; i++)
        for (int s = 0; s < all->seeds; s++)
            look_at(all, &all->row[i], s, &all->row[i].run[s]);
}

static int add_set(const char **argv, int n, const char *set)
{
    argv[n] = "--set";
    argv[n + 1] = set;
    return n + 2;
}

static void become(const methods *all, const method *row, int seed, const char *folder)
{
    const char *argv[4 * METHODS_SETS + 16];
    char name[200], number[32], key[400], log[400];
    int n = 0;

    snprintf(name, sizeof name, "name=%.100s-%d", row->name, seed + 1);
    snprintf(number, sizeof number, "seed=%d", seed + 1);
    snprintf(key, sizeof key, "%s/run.key", folder);
    snprintf(log, sizeof log, "%s.log", folder);
    argv[n++] = all->limbeck;
    argv[n++] = "distill";
    argv[n++] = all->recipe;
    for (int i = 0; i < all->n_sets; i++)
        n = add_set(argv, n, all->set[i]);
    for (int i = 0; i < row->n_sets; i++)
        n = add_set(argv, n, row->set[i]);
    n = add_set(argv, n, name);
    n = add_set(argv, n, number);
    argv[n++] = "--threads";
    argv[n++] = "1";
    argv[n++] = "--quiet";
    argv[n++] = "--out";
    argv[n++] = folder;
    if (lb_file_exists(key))
        argv[n++] = "--resume";
    argv[n] = NULL;
    const int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0) {
        dup2(fd, 1);
        dup2(fd, 2);
    }
    execv(all->limbeck, (char *const *)(uintptr_t)argv);
    _exit(126);
}

static bool wanted(const methods *all, const method *row, int seed)
{
    const methods_run *const run = &row->run[seed];

    if (run->done || run->failed || run->busy)
        return false;
    return !row->candidate || seed == 0 ||
           (methods_tuned(all, row->twin) && methods_twin(all, row->twin) == row);
}

/* Starts the next run in the order of the list, so that rows become whole one after the
 * other; false if there is none. */
static bool start_next(methods *all, job *j)
{
    for (int i = 0; i < all->n; i++)
        for (int s = 0; s < all->seeds; s++) {
            method *const row = &all->row[i];
            const char *const folder = folder_of(all, row, s);
            if (!folder || !wanted(all, row, s))
                continue;
            fflush(stdout);
            const pid_t pid = fork();
            if (pid == 0)
                become(all, row, s, folder);
            if (pid < 0)
                return false;
            *j = (job){.pid = pid, .run = &row->run[s]};
            snprintf(j->name, sizeof j->name, "%.100s-%d", row->name, s + 1);
            j->run->busy = true;
            return true;
        }
    return false;
}

static void keep_seconds(const methods *all, const char *name, double seconds)
{
    char path[400], text[64];
    lb_error err = {0};

    snprintf(path, sizeof path, "%s/%s/cpu-seconds", all->out, name);
    snprintf(text, sizeof text, "%.1f\n", seconds);
    if (lb_write_file(path, text, strlen(text), &err) != LB_OK)
        fprintf(stderr, "bench-methods: %s\n", err.text);
}

static void end_job(methods *all, job *j, int status, const struct rusage *used)
{
    const double seconds =
        (double)used->ru_utime.tv_sec + (double)used->ru_stime.tv_sec +
        1e-6 * (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec);

    j->run->busy = false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        keep_seconds(all, j->name, seconds);
    else
        j->run->failed = true;
    j->pid = 0;
    methods_look(all);
    fprintf(stderr, "%s: %s, %.0f s of CPU time\n", j->name,
            j->run->done ? "done" : "failed, see its .log", seconds);
}

lb_code methods_run_all(methods *all, lb_error *err)
{
    job jobs[64] = {{0}};
    int n_running = 0;

    LB_TRY(lb_make_folder(all->out, err));
    for (;;) {
        for (int k = 0; k < all->jobs; k++)
            if (jobs[k].pid == 0 && start_next(all, &jobs[k]))
                n_running++;
        if (n_running == 0)
            return LB_OK;
        struct rusage used;
        int status;
        const pid_t pid = wait4(-1, &status, 0, &used);
        if (pid < 0 && errno != EINTR)
            return lb_raise(err, LB_ERR_FAILED, "cannot wait for a run: %s",
                            strerror(errno));
        for (int k = 0; k < all->jobs; k++)
            if (pid > 0 && jobs[k].pid == pid) {
                end_job(all, &jobs[k], status, &used);
                n_running--;
            }
    }
}
