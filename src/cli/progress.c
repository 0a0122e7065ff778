/* progress.c: progress bars and lines. */
#include "cli/progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_COLUMNS = 24 };

void lb_progress_init(lb_progress *progress, const lb_args *args, const volatile int *ask)
{
    const char *const term = getenv("TERM");
    const char *const no_color = getenv("NO_COLOR");
    const bool dumb = !term || strcmp(term, "dumb") == 0;

    *progress = (lb_progress){
        .quiet = args->quiet,
        .terminal = isatty(STDERR_FILENO) && !dumb,
        .accuracy = -1,
        .ask = ask,
    };
    progress->colour = progress->terminal && !(no_color && *no_color);
}

void lb_progress_end(lb_progress *progress)
{
    if (progress->bar)
        fputs("\r\033[K", stderr);
    progress->bar = false;
    fflush(stderr);
}

static int terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col
                                                                            : 80;
}

/* At most every `seconds`; true if now is the time. */
static bool is_time(lb_progress *progress, double seconds)
{
    const double t = lb_clock_wall();

    if (t - progress->shown < seconds)
        return false;
    progress->shown = t;
    return true;
}

/* "training  [=====>     ]  42 %  behind" on the terminal's last line. */
static void draw(lb_progress *progress, const char *before, double share,
                 const char *behind)
{
    char bar[BAR_COLUMNS + 1], line[512];
    const double part = share < 0 ? 0 : share > 1 ? 1 : share;
    const int full = (int)(part * BAR_COLUMNS);

    memset(bar, ' ', BAR_COLUMNS);
    memset(bar, '=', (size_t)full);
    if (full < BAR_COLUMNS)
        bar[full] = '>';
    bar[BAR_COLUMNS] = 0;
    snprintf(line, sizeof line, "%s [%s] %3.0f %%  %s", before, bar, 100 * part, behind);
    const int columns = terminal_columns() - 1;
    fprintf(stderr, "\r%s%.*s%s\033[K", progress->colour ? "\033[36m" : "", columns, line,
            progress->colour ? "\033[0m" : "");
    fflush(stderr);
    progress->bar = true;
}

static void print_line(lb_progress *progress, const char *text)
{
    lb_progress_end(progress);
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
    progress->shown = lb_clock_wall();
}

/* "1:02:03" or "2:03" */
static const char *clock_text(double seconds, char out[32])
{
    const long s = seconds > 0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;

    if (s >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
    return out;
}

/* "answers (2/3)  epoch 4/10", or without stages "epoch 4/10". */
static const char *place_text(const lb_progress *p, int epoch, char out[96])
{
    if (p->name)
        snprintf(out, 96, "%.40s (%d/%d)  epoch %d/%d", p->name, p->stage + 1, p->stages,
                 epoch + 1, p->epochs);
    else
        snprintf(out, 96, "epoch %d/%d", epoch + 1, p->epochs);
    return out;
}

static void show_step(void *arg, const lb_step_report *r)
{
    lb_progress *const p = arg;
    char before[96], behind[256], left[32], accuracy[48] = "";

    p->epochs = r->epochs;
    p->stage = r->stage;
    p->stages = r->stages;
    p->name = r->name;
    if (p->quiet || !is_time(p, p->terminal ? 0.1 : 10))
        return;
    if (p->accuracy >= 0)
        snprintf(accuracy, sizeof accuracy, "  validation %.2f %%", 100 * p->accuracy);
    place_text(p, r->epoch, before);
    snprintf(behind, sizeof behind, "%.0f images/s  %s left  loss %.4f%s",
             r->images_per_second, clock_text(r->seconds_left, left), r->loss, accuracy);
    const double share = r->steps > 0 ? (double)r->step / (double)r->steps : 0;
    if (p->terminal)
        draw(p, before, share, behind);
    else
        fprintf(stderr, "%s  %.0f %%  %s\n", before, 100 * share, behind);
}

static void show_epoch(void *arg, const lb_epoch_report *r)
{
    lb_progress *const p = arg;
    char line[320], place[96], train[32] = "", accuracy[64] = "";
    const bool last = r->epoch + 1 == p->epochs;

    p->accuracy = r->validation_accuracy;
    if (p->quiet || (!p->terminal && r->epoch > 0 && !last && !is_time(p, 2)))
        return;
    if (p->accuracy >= 0) /* neither without a validation split, nor NaN */
        snprintf(accuracy, sizeof accuracy, "  validation %.2f %%%s", 100 * p->accuracy,
                 r->best && r->judged ? " (best)" : "");
    if (r->train_accuracy >= 0) /* NaN: the losses do without answers */
        snprintf(train, sizeof train, "  train %.2f %%", 100 * r->train_accuracy);
    snprintf(line, sizeof line, "%s  loss %.4f%s%s  %.0f images/s  idle %.1f %%",
             place_text(p, r->epoch, place), r->loss, train, accuracy,
             r->images_per_second, 100 * r->idle_share);
    print_line(p, line);
}

static bool ask_stop(void *arg)
{
    const lb_progress *const p = arg;

    return p->ask && *p->ask;
}

lb_watch lb_progress_watch(lb_progress *progress)
{
    return (lb_watch){
        .arg = progress, .step = show_step, .epoch = show_epoch, .stop = ask_stop};
}

bool lb_progress_cache(void *arg, int done, int total)
{
    lb_progress *const p = arg;
    char behind[64];

    if (!p->quiet && p->terminal && is_time(p, 0.1)) {
        snprintf(behind, sizeof behind, "%d of %d samples", done, total);
        draw(p, "asking the teacher", total ? (double)done / total : 1, behind);
    } else if (!p->quiet && !p->terminal && is_time(p, 10)) {
        fprintf(stderr, "asking the teacher: %d of %d samples\n", done, total);
    }
    return !ask_stop(p);
}

void lb_progress_phase(void *arg, const char *text)
{
    lb_progress *const p = arg;

    if (!p->quiet)
        print_line(p, text);
}

static void hear(void *arg, lb_log_level level, const char *text)
{
    lb_progress *const p = arg;
    const bool warn = level == LB_LOG_WARN;

    if (p->quiet && !warn)
        return;
    lb_progress_end(p);
    fprintf(stderr, "%s%s%s%s\n", warn && p->colour ? "\033[33m" : "",
            warn ? "warning: " : "", text, warn && p->colour ? "\033[0m" : "");
}

lb_log lb_progress_log(lb_progress *progress)
{
    return (lb_log){.hook = hear, .arg = progress};
}
