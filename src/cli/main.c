/* main.c: the program: one command, one exit code. */
#include "cli/help.h"
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The one place that maps codes to exit codes. */
static int exit_code(lb_code code)
{
    switch (code) {
    case LB_OK:
        return 0;
    case LB_ERR_INPUT:
    case LB_ERR_UNSUPPORTED:
        return 2;
    case LB_ERR_BUDGET:
        return 3;
    case LB_ERR_STOPPED:
        return 130;
    case LB_ERR_IO:
    case LB_ERR_FAILED:
    case LB_ERR_MEMORY:
    case LB_ERR_BUG:
        break;
    }
    return 1;
}

/* Lists of mistakes have their file before each line already. */
static void print_error(const lb_error *err, bool debug)
{
    const bool list = strchr(err->text, '\n') != NULL;

    fprintf(stderr, "%s%s\n", list ? "" : "limbeck: ", err->text);
    const char *file = err->src_file;
    while (file && strncmp(file, "../", 3) == 0) /* the build's way to the sources */
        file += 3;
    if (debug && file)
        fprintf(stderr, "  raised at %s:%d\n", file, err->src_line);
}

static lb_code run_request(const lb_request *request, lb_arena *arena, lb_error *err)
{
    if (request->version) {
        printf("limbeck " LB_VERSION "\n");
        return LB_OK;
    }
    if (request->man) {
        lb_help_man();
        return LB_OK;
    }
    if (request->help) {
        lb_help_print(request->args.cmd);
        return LB_OK;
    }
    if (!request->args.cmd)
        return lb_raise(err, LB_ERR_INPUT, "which command? `limbeck --help` lists them");
    return request->args.cmd->run(&request->args, arena, err);
}

/* A full disk behind stdout is a failure like any other. */
static lb_code close_output(lb_error *err)
{
    const bool bad = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) == 0 && !bad)
        return LB_OK;
    return lb_raise(err, LB_ERR_IO, "cannot write the results: %s",
                    errno ? strerror(errno) : "stdout failed");
}

int main(int argc, char **argv)
{
    lb_error err = {0};
    lb_request request = {0};
    lb_arena *const arena = lb_arena_new(0);
    lb_code code = LB_ERR_MEMORY;

    if (arena)
        code = lb_options_parse(argc, argv, arena, &request, &err);
    else
        (void)lb_raise(&err, LB_ERR_MEMORY, "no memory");
    if (code == LB_OK)
        code = run_request(&request, arena, &err);
    if (code == LB_OK)
        code = close_output(&err);
    if (code != LB_OK)
        print_error(&err, request.args.debug);
    lb_arena_free(arena);
    return exit_code(code);
}
