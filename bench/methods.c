/* methods.c: bench-methods: a list of ways of teaching, each over several seeds, each
 * held against a twin without a teacher; prints the table of docs/results.md.
 *
 * Unlike `limbeck compare` it keeps what is finished whatever version of limbeck made it:
 * a table of a hundred runs takes hours, and grows by rows. */
#include "methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: bench-methods LIST RECIPE [options]\n"
    "Runs every line of LIST (NAME | TWIN | KEY=VALUE ...) as RECIPE with these "
    "settings,\n"
    "then prints a table. What is finished is not run again.\n"
    "  --out DIR         where runs lie, as NAME-SEED (usual: runs/methods)\n"
    "  --limbeck FILE    the program (usual: build/limbeck)\n"
    "  --seeds 3         from 1 on\n"
    "  --jobs 2          runs at a time, one thread each\n"
    "  --set KEY=VALUE   of every run\n"
    "  --print           only the table of what is there\n";

/* The value of an option that takes one; NULL if argv[i] is another. */
static const char *value_of(char *const *argv, int argc, int i, const char *name)
{
    return strcmp(argv[i], name) == 0 && i + 1 < argc ? argv[i + 1] : NULL;
}

static bool read_number(const char *text, int most, int *out)
{
    char *end;
    const long n = strtol(text, &end, 10);

    *out = (int)n;
    return *end == '\0' && n >= 1 && n <= most;
}

static bool read_option(methods *all, char *const *argv, int argc, int i)
{
    const char *value;

    if ((value = value_of(argv, argc, i, "--out")))
        all->out = value;
    else if ((value = value_of(argv, argc, i, "--limbeck")))
        all->limbeck = value;
    else if ((value = value_of(argv, argc, i, "--seeds")))
        return read_number(value, METHODS_SEEDS, &all->seeds);
    else if ((value = value_of(argv, argc, i, "--jobs")))
        return read_number(value, 64, &all->jobs);
    else if ((value = value_of(argv, argc, i, "--set")) && all->n_sets < METHODS_SETS)
        all->set[all->n_sets++] = value;
    else
        return false;
    return true;
}

static bool read_options(methods *all, char *const *argv, int argc)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--print") == 0)
            all->print_only = true;
        else if (argv[i][0] == '-' && read_option(all, argv, argc, i))
            i++;
        else if (argv[i][0] == '-' || all->recipe)
            return false;
        else
            *(all->list ? &all->recipe : &all->list) = argv[i];
    return all->recipe != NULL;
}

int main(int argc, char **argv)
{
    static methods all;
    lb_error err = {0};

    all = (methods){.limbeck = "build/limbeck",
                    .out = "runs/methods",
                    .seeds = 3,
                    .jobs = 2,
                    .arena = lb_arena_new(0)};
    if (!all.arena || !read_options(&all, argv, argc)) {
        fputs(usage, stderr);
        lb_arena_free(all.arena);
        return 2;
    }
    lb_code code = methods_read(&all, &err);
    if (code == LB_OK)
        methods_look(&all);
    if (code == LB_OK && !all.print_only)
        code = methods_run_all(&all, &err);
    if (code == LB_OK)
        methods_print(&all);
    else
        fprintf(stderr, "bench-methods: %s\n", err.text);
    lb_arena_free(all.arena);
    return code != LB_OK;
}
