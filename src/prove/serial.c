/* serial.c: a proof by a board on a serial line.
 *
 * The board runs the self-test when it receives a line `prove`. It sends a line `begin`,
 * then lines of words and numbers in any order, then `end`: outputs N mismatches N worst
 * X arena N stack N        bytes, if it knows cycles N       of one inference, by its own
 * counter step K N       cycles of step K of it Other lines are passed over: boards like
 * to introduce themselves. This is what an emulated board prints, too;
 * boards/serial_main.c is a main for boards. */
#define _DEFAULT_SOURCE /* baud rates above 38400 */
#include "prove/prove_int.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE = 512, USUAL_BAUD = 115200, USUAL_SECONDS = 600, ASK_EVERY = 1 };

typedef struct line_reader {
    int fd;
    char text[LINE];
    size_t n;
} line_reader;

typedef struct talk {
    const lb_prove_options *options;
    const char *device;
    line_reader in;
    lb_workshop w;
    lb_proof *proof;
    bool begun, has_results;
} talk;

static bool find_speed(int baud, speed_t *out)
{
    static const struct {
        int baud;
        speed_t speed;
    } known[] = {{9600, B9600},     {19200, B19200},   {38400, B38400},
                 {57600, B57600},   {115200, B115200}, {230400, B230400},
                 {460800, B460800}, {921600, B921600}, {1000000, B1000000}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].baud == baud) {
            *out = known[i].speed;
            return true;
        }
    return false;
}

/* "/dev/ttyACM0@921600": the part behind @ is the speed. */
static lb_code split(talk *t, const char *place, speed_t *speed, lb_error *err)
{
    const char *const at = strrchr(place, '@');
    const int baud = at ? atoi(at + 1) : USUAL_BAUD;

    t->device =
        lb_arena_copy_chars(t->w.arena, place, at ? (size_t)(at - place) : strlen(place));
    if (!t->device)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the device's name");
    if (find_speed(baud, speed))
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "'%.40s' is no speed of a serial line; known: 9600, 19200, 38400, "
                    "57600, 115200, 230400, 460800, 921600, 1000000",
                    at + 1);
}

/* Bytes as they are, no echo, no signals, eight bits. */
static lb_code open_line(talk *t, speed_t speed, lb_error *err)
{
    struct termios set;

    t->in.fd = open(t->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (t->in.fd < 0)
        return lb_raise(err, LB_ERR_IO, "cannot open '%s': %s", t->device,
                        strerror(errno));
    if (tcgetattr(t->in.fd, &set) == 0) {
        set.c_iflag = IGNBRK;
        set.c_oflag = 0;
        set.c_lflag = 0;
        set.c_cflag = CS8 | CREAD | CLOCAL;
        set.c_cc[VMIN] = 1;
        set.c_cc[VTIME] = 0;
        if (cfsetispeed(&set, speed) == 0 && cfsetospeed(&set, speed) == 0 &&
            tcsetattr(t->in.fd, TCSANOW, &set) == 0) {
            tcflush(t->in.fd, TCIOFLUSH);
            return LB_OK;
        }
    }
    const int why = errno;
    close(t->in.fd);
    return lb_raise(err, LB_ERR_IO, "'%s' is no serial line: %s", t->device,
                    strerror(why));
}

/* True if `line` is `word N`, with N in *value. */
static bool is_number(const char *line, const char *word, uint64_t *value)
{
    const size_t n = strlen(word);
    char *end;

    if (strncmp(line, word, n) != 0 || line[n] != ' ' || line[n + 1] < '0' ||
        line[n + 1] > '9')
        return false;
    *value = strtoull(line + n + 1, &end, 10);
    return *end == '\0';
}

static void take_step(talk *t, const char *line)
{
    lb_proof *const p = t->proof;
    unsigned k;
    unsigned long long cycles;

    if (sscanf(line, "step %u %llu", &k, &cycles) == 2 && k < (unsigned)p->n_steps)
        p->step[k].cycles = cycles;
}

/* True at the end. */
static bool take_line(talk *t, const char *line)
{
    uint64_t value;

    if (strcmp(line, "begin") == 0)
        t->begun = true;
    else if (strncmp(line, "outputs ", 8) == 0)
        t->has_results = lb_workshop_read(line, t->proof) || t->has_results;
    else if (is_number(line, "stack", &value))
        t->proof->stack_bytes = (size_t)value;
    else if (is_number(line, "cycles", &value))
        t->proof->cycles = value;
    else if (strncmp(line, "step ", 5) == 0)
        take_step(t, line);
    return strcmp(line, "end") == 0 && t->has_results;
}

/* One byte of what came; true at the end of the protocol. */
static bool take_byte(talk *t, char c)
{
    line_reader *const in = &t->in;

    if (c != '\n' && c != '\r') {
        if (in->n + 1 < sizeof in->text)
            in->text[in->n++] = c;
        return false;
    }
    in->text[in->n] = '\0';
    in->n = 0;
    return take_line(t, in->text);
}

/* *ended: the board has said `end`. False if the line broke. */
static bool take_bytes(talk *t, bool *ended)
{
    char block[256];
    const ssize_t n = read(t->in.fd, block, sizeof block);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    for (ssize_t i = 0; i < n && !*ended; i++)
        *ended = take_byte(t, block[i]);
    return true;
}

static lb_code broken(const talk *t, lb_error *err)
{
    return lb_raise(err, LB_ERR_IO, "'%s' broke off", t->device);
}

/* Asks once a second until the board begins: it may still be starting. */
static lb_code converse(talk *t, lb_error *err)
{
    static const char question[] = "prove\n";
    const int seconds = t->options->seconds > 0 ? t->options->seconds : USUAL_SECONDS;
    const double until = lb_clock_wall() + seconds;
    double ask = lb_clock_wall();
    bool ended = false;

    while (!ended) {
        struct pollfd p = {.fd = t->in.fd, .events = POLLIN};
        if (t->options->stop && *t->options->stop)
            return lb_raise(err, LB_ERR_STOPPED, "stopped");
        if (lb_clock_wall() >= until)
            return lb_raise(err, LB_ERR_FAILED,
                            t->begun ? "'%s' did not end within %d seconds"
                                     : "'%s' did not begin within %d seconds",
                            t->device, seconds);
        if (!t->begun && lb_clock_wall() >= ask) {
            if (write(t->in.fd, question, strlen(question)) < 0 && errno != EAGAIN)
                return broken(t, err);
            ask = lb_clock_wall() + ASK_EVERY;
        }
        const int ready = poll(&p, 1, 100);
        if (ready < 0 && errno != EINTR)
            return broken(t, err);
        if (ready > 0 && !take_bytes(t, &ended))
            return broken(t, err);
    }
    return LB_OK;
}

/* The figure of `#define NAME_ARENA_BYTES` in NAME.h; 0 if it is not there. */
static size_t expected_arena(const lb_workshop *w)
{
    char *const path = lb_workshop_own_path(w, ".h");
    lb_bytes bytes;
    lb_error ignored;

    if (!path || lb_read_file(w->arena, path, 1 << 20, &bytes, &ignored) != LB_OK)
        return 0;
    const char *const text =
        lb_arena_copy_chars(w->arena, (const char *)bytes.data, bytes.size);
    const char *const at = text ? strstr(text, "_ARENA_BYTES ") : NULL;
    return at ? (size_t)strtoull(at + strlen("_ARENA_BYTES "), NULL, 10) : 0;
}

/* The steps' names are those of the source. */
static lb_code name_steps(talk *t, lb_error *err)
{
    char *const path = lb_workshop_own_path(&t->w, ".c");
    lb_step_names names;
    lb_bytes source;
    lb_text copy;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    LB_TRY(lb_read_file(t->w.arena, path, (size_t)1 << 28, &source, err));
    lb_text_init(&copy, t->w.arena);
    LB_TRY(lb_steps_mark((const char *)source.data, source.size, t->w.arena, &copy,
                         &names, err));
    t->proof->step = LB_TAKE_ARRAY(t->w.arena, names.n + 1, lb_proof_count);
    if (!t->proof->step)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the steps");
    t->proof->n_steps = names.n;
    for (int i = 0; i < names.n; i++) {
        t->proof->step[i].name = names.name[i];
        t->proof->step[i].kind = names.kind[i];
    }
    return LB_OK;
}

lb_code lb_prove_serial(const lb_prove_options *options, const char *place,
                        lb_arena *arena, lb_proof *out, lb_error *err)
{
    talk t = {.options = options, .proof = out};
    speed_t speed = B115200;

    *out = (lb_proof){.on = lb_arena_text(arena, "serial:%s", place)};
    if (!out->on)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the device's name");
    LB_TRY(lb_workshop_init(&t.w, options->folder, options->name, arena, err));
    LB_TRY(split(&t, place, &speed, err));
    LB_TRY(name_steps(&t, err));
    LB_TRY(open_line(&t, speed, err));
    const lb_code code = converse(&t, err);
    close(t.in.fd);
    if (code != LB_OK)
        return code;
    const size_t arena_bytes = expected_arena(&t.w);
    if (arena_bytes == 0 || arena_bytes == out->arena_bytes)
        return LB_OK;
    return lb_raise(err, LB_ERR_FAILED,
                    "the board runs other firmware: its arena has %zu bytes, that of "
                    "'%s' %zu",
                    out->arena_bytes, options->folder, arena_bytes);
}
