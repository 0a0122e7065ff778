/* boards.c: the table of emulated boards. */
#include "prove/board_int.h"

#include "base/key.h"
#include "prove/prove_int.h"

#include <string.h>

const lb_board lb_boards[] = {
#include "prove/boards.def"
    {0}};

static const char emulated[] = "qemu:", wired[] = "serial:";
enum { MOST_NAMES = 32 };

lb_code lb_board_find(const char *name, const lb_board **out, lb_error *err)
{
    const char *names[MOST_NAMES];
    int n = 0;

    for (const lb_board *b = lb_boards; b->name && n < MOST_NAMES; b++) {
        names[n++] = b->name;
        if (strcmp(b->name, name) == 0) {
            *out = b;
            return LB_OK;
        }
    }
    const char *const near = lb_nearest(name, names, n);
    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "no board is called 'qemu:%.60s'; did you mean 'qemu:%s'?", name,
                        near);
    return lb_raise(err, LB_ERR_INPUT,
                    "no board is called 'qemu:%.60s'; `limbeck prove --help` lists them",
                    name);
}

/* A word that is no target: perhaps the prefix was forgotten, or misspelt. */
static lb_code unknown(const char *on, lb_error *err)
{
    const char *const colon = strchr(on, ':');
    const char *const word = colon ? colon + 1 : on;
    const char *names[MOST_NAMES];
    int n = 0;

    for (const lb_board *b = lb_boards; b->name && n < MOST_NAMES; b++)
        names[n++] = b->name;
    const char *const near = lb_nearest(word, names, n);
    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "nothing to run on is called '%.60s'; did you mean 'qemu:%s'?",
                        on, near);
    return lb_raise(
        err, LB_ERR_INPUT,
        "nothing to run on is called '%.60s'; say host, serial: and a device, "
        "or one of the boards that `limbeck prove --help` lists",
        on);
}

lb_code lb_prove_check_target(const char *on, lb_error *err)
{
    const lb_board *board;

    if (strcmp(on, "host") == 0)
        return LB_OK;
    if (strncmp(on, emulated, strlen(emulated)) == 0)
        return lb_board_find(on + strlen(emulated), &board, err);
    if (strncmp(on, wired, strlen(wired)) == 0 && !on[strlen(wired)])
        return lb_raise(err, LB_ERR_INPUT,
                        "'serial:' wants a device, as in serial:/dev/ttyACM0");
    if (strncmp(on, wired, strlen(wired)) == 0)
        return LB_OK;
    return unknown(on, err);
}

lb_code lb_prove(const lb_prove_options *options, const char *on, lb_arena *arena,
                 lb_proof *out, lb_error *err)
{
    const lb_board *board;

    LB_TRY(lb_prove_check_target(on, err));
    if (strcmp(on, "host") == 0)
        return lb_prove_host(options->folder, options->name, arena, out, err);
    if (strncmp(on, wired, strlen(wired)) == 0)
        return lb_prove_serial(options, on + strlen(wired), arena, out, err);
    LB_TRY(lb_board_find(on + strlen(emulated), &board, err));
    return lb_prove_emulated(options, board, arena, out, err);
}

const char *lb_prove_board(int k, const char **core)
{
    if (k < 0 || k >= (int)(sizeof lb_boards / sizeof *lb_boards) - 1)
        return NULL;
    if (core)
        *core = lb_boards[k].core;
    return lb_boards[k].name;
}
