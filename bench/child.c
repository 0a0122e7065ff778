/* child.c: children, and windows of steps timed in turn.
 *
 * Windows are short and alternate, so that both sides see the same machine. While a
 * child works it has real-time scheduling if that is permitted. A window during
 * which other processes used too much of the CPUs is thrown away and run again. */
#include "bench.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_FOREIGN 0.12
enum { RETRIES = 3 };

static bool real_time;
static int repeated;

bool bench_real_time(void)
{
    return real_time;
}

int bench_windows_repeated(void)
{
    return repeated;
}

static void rest(double seconds)
{
    const struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
}

static void become(char *const argv[], bool tuned, const char *log, const int in[2],
                   const int out[2])
{
    dup2(in[0], 0);
    dup2(out[1], 1);
    if (freopen(log, "a", stderr) == NULL)
        _exit(126);
    if (tuned) {
        setenv("MALLOC_MMAP_THRESHOLD_", "4000000000", 1);
        setenv("MALLOC_TRIM_THRESHOLD_", "4000000000", 1);
        setenv("MALLOC_TOP_PAD_", "268435456", 1);
    }
    execv(argv[0], argv);
    _exit(127);
}

static bool get_line(FILE *from, char *line, size_t size)
{
    if (!fgets(line, (int)size, from))
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

bool bench_child_start(bench_child *child, char *const argv[], bool tuned,
                       const char *log)
{
    int in[2], out[2];
    char line[BENCH_TEXT] = "";

    memset(child, 0, sizeof *child);
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, tuned, log, in, out);
    close(in[0]);
    close(out[1]);
    child->pid = pid > 0 ? pid : 0;
    child->to = fdopen(in[1], "w");
    child->from = fdopen(out[0], "r");
    if (pid > 0 && child->to && child->from && get_line(child->from, line, sizeof line) &&
        strcmp(line, "ready") == 0)
        return true;
    fprintf(stderr, "compare: '%s' did not start; see %s %s\n", argv[0], log, line);
    bench_child_stop(child);
    return false;
}

void bench_child_stop(bench_child *child)
{
    if (child->to)
        fclose(child->to);
    if (child->from)
        fclose(child->from);
    if (child->pid > 0)
        waitpid(child->pid, NULL, 0);
    memset(child, 0, sizeof *child);
}

/* All threads of a child. Those that it makes meanwhile inherit it. */
static void schedule(pid_t pid, bool first)
{
    const struct sched_param param = {.sched_priority = first ? 10 : 0};
    char path[64];
    const struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *const folder = opendir(path);
    while (folder && (entry = readdir(folder)) != NULL) {
        const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 &&
            sched_setscheduler(thread, first ? SCHED_FIFO : SCHED_OTHER, &param) == 0 &&
            first)
            real_time = true;
    }
    if (folder)
        closedir(folder);
}

bool bench_child_ask(bench_child *child, char *reply, size_t size, const char *verb,
                     const char *work, int batch, const char *variant, int n)
{
    if (!child->to || !child->from)
        return false;
    schedule(child->pid, true);
    fprintf(child->to, "%s %s %d %s %d\n", verb, work, batch, variant, n);
    const bool got = fflush(child->to) == 0 && get_line(child->from, reply, size);
    schedule(child->pid, false);
    return got && strncmp(reply, "error", 5) != 0;
}

/* CPU seconds that all processes have used. */
static double cpu_of_all(void)
{
    FILE *const f = fopen("/proc/stat", "r");
    double v[8] = {0};

    if (!f)
        return 0;
    const int n = fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2],
                         &v[3], &v[4], &v[5], &v[6], &v[7]);
    fclose(f);
    if (n != 8)
        return 0;
    return (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_of(pid_t pid)
{
    char path[64], text[1024];
    double user, system;
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *const f = fopen(path, "r");
    if (f) {
        n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
    }
    text[n] = 0;
    const char *const after = strrchr(text, ')');
    if (!after || sscanf(after, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf",
                         &user, &system) != 2)
        return 0;
    return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static bool run_once(bench_entry *e, double *seconds)
{
    char reply[BENCH_TEXT];

    if (!bench_child_ask(e->child, reply, sizeof reply, "run", e->work, e->batch,
                         e->variant, e->steps))
        return false;
    *seconds = strtod(reply, NULL);
    return *seconds > 0;
}

/* patient: a disturbed window is run again. */
static bool window(bench_entry *e, bool patient)
{
    const double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double seconds = 0;

    for (int i = 0;; i++) {
        const double all = cpu_of_all(), own = cpu_of(e->child->pid) + cpu_of(getpid());
        const double start = lb_clock_wall();
        const bool done = run_once(e, &seconds);
        const double wall = lb_clock_wall() - start;
        if (!done)
            return false;
        const double mine = cpu_of(e->child->pid) + cpu_of(getpid()) - own;
        const bool quiet = (cpu_of_all() - all - mine) / (cpus * wall) < MOST_FOREIGN;
        rest(wall * 0.5 < 0.2 ? wall * 0.5 : 0.2);
        if (quiet || !patient || i == RETRIES) {
            e->disturbed += !quiet;
            break;
        }
        repeated++;
        rest(0.2);
    }
    e->rate[e->n++] = (double)e->steps * e->batch / seconds;
    return true;
}

bool bench_entry_warm(bench_entry *e, double seconds)
{
    double took = 0;

    e->n = e->disturbed = 0;
    e->steps = 2;
    if (!run_once(e, &took))
        return false;
    e->steps = 1;
    if (!run_once(e, &took))
        return false;
    if (took < seconds / 8) { /* one step is too short to tell */
        e->steps = (int)(seconds / 8 / took) + 1;
        if (!run_once(e, &took))
            return false;
    }
    const double steps = seconds / took * e->steps;
    e->steps = steps < 1 ? 1 : (int)(steps + 0.5);
    return true;
}

bool bench_race(bench_entry *entries, int n, int rounds, bool patient)
{
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++) {
            bench_entry *const e = &entries[r % 2 ? n - 1 - i : i];
            if (e->n < BENCH_MAX_ROUNDS && !window(e, patient)) {
                fprintf(stderr, "compare: '%s' failed at %s %s\n", e->child->name,
                        e->work, e->variant);
                return false;
            }
        }
    return true;
}
