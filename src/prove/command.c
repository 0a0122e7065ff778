/* command.c: runs another program, without a shell, for a limited time. */
#include "prove/prove_int.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In the child: only calls that are safe after fork. */
static void become(const lb_command *c, int output)
{
    const int nothing = open("/dev/null", O_RDONLY);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 ||
        dup2(output, 2) < 0 || (c->folder && chdir(c->folder) != 0))
        _exit(127);
    execvp(c->argv[0], c->argv);
    _exit(127);
}

static bool is_stopped(const lb_command *c)
{
    return c->stop && *c->stop;
}

/* Reads until the other end closes; false if the time is up, or it is to stop. */
static bool gather(const lb_command *c, int from, double until)
{
    size_t n = 0;
    char block[4096];

    c->output[0] = '\0';
    for (;;) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        const double left = until - lb_clock_wall();
        if (left <= 0 || is_stopped(c))
            return false;
        const int ready = poll(&p, 1, left > 0.1 ? 100 : (int)(left * 1000) + 1);
        if (ready < 0 && errno != EINTR)
            return true;
        if (ready <= 0)
            continue;
        const ssize_t got = read(from, block, sizeof block);
        if (got == 0 || (got < 0 && errno != EINTR))
            return true;
        const size_t room = c->most - 1 - n;
        const size_t kept = got < 0 ? 0 : (size_t)got < room ? (size_t)got : room;
        memcpy(c->output + n, block, kept);
        n += kept;
        c->output[n] = '\0';
    }
}

/* Waits for the child; false if it had to be killed. */
static bool reap(const lb_command *c, pid_t child, double until, bool in_time,
                 int *status)
{
    int wait_status = 0;

    while (in_time && lb_clock_wall() < until && !is_stopped(c)) {
        const pid_t got = waitpid(child, &wait_status, WNOHANG);
        if (got != 0) {
            *status = got < 0                  ? 127
                      : WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                               : 128 + WTERMSIG(wait_status);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR)
        ;
    return false;
}

lb_code lb_command_run(lb_command *command, lb_error *err)
{
    const double until = lb_clock_wall() + command->seconds;
    int ends[2];

    if (pipe(ends) != 0)
        return lb_raise(err, LB_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return lb_raise(err, LB_ERR_IO, "cannot start '%s': %s", command->argv[0],
                        strerror(errno));
    }
    if (child == 0)
        become(command, ends[1]);
    close(ends[1]);
    const bool in_time = gather(command, ends[0], until);
    close(ends[0]);
    if (reap(command, child, until, in_time, &command->status))
        return LB_OK;
    if (is_stopped(command))
        return lb_raise(err, LB_ERR_STOPPED, "stopped");
    return lb_raise(err, LB_ERR_FAILED, "'%s' was stopped after %d seconds",
                    command->argv[0], command->seconds);
}
