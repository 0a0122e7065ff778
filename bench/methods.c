/* methods.c: bench-methods: a list of ways of teaching, each over several seeds, each
 * held against a twin without a teacher; prints the table of docs/results.md.
 *
 * Unlike `limbeck compare` it keeps what is finished whatever version of limbeck made it:
 * a table of a hundred runs takes hours, and grows by rows. */
#include "methods.h"

#include "base/file.h"

#include <math.h>
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

static const char *trimmed(char *text)
{
    char *end;

    while (*text == ' ')
        text++;
    for (end = text + strlen(text); end > text && end[-1] == ' '; end--)
        end[-1] = '\0';
    return text;
}

static lb_code add_row(methods *all, char *line, int number, lb_error *err)
{
    method *const row = &all->row[all->n];
    char *rest = line;

    for (int field = 0; rest; field++) {
        char *const bar = strchr(rest, '|');
        if (bar)
            *bar = '\0';
        const char *const text = trimmed(rest);
        rest = bar ? bar + 1 : NULL;
        if (field == 0)
            row->name = text;
        else if (field == 1 && strncmp(text, "tune ", 5) == 0) {
            row->twin = text + 5;
            row->candidate = true;
        } else if (field == 1)
            row->twin = strcmp(text, "-") == 0 ? NULL : text;
        else if (*text && row->n_sets == METHODS_SETS)
            return lb_raise(err, LB_ERR_INPUT, "%s:%d: more than %d settings", all->list,
                            number, METHODS_SETS);
        else if (*text)
            row->set[row->n_sets++] = text;
    }
    if (!*row->name || strpbrk(row->name, "/ "))
        return lb_raise(err, LB_ERR_INPUT, "%s:%d: '%s' is no name", all->list, number,
                        row->name);
    all->n++;
    return LB_OK;
}

lb_code methods_read(methods *all, lb_error *err)
{
    lb_bytes file;
    int number = 0;

    LB_TRY(lb_read_file(all->arena, all->list, (size_t)1 << 20, &file, err));
    char *const text =
        lb_arena_copy_chars(all->arena, (const char *)file.data, file.size);
    if (!text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the list");
    for (char *line = text; line;) {
        char *const end = strchr(line, '\n');
        if (end)
            *end = '\0';
        number++;
        if (*line && *line != '#') {
            if (all->n == METHODS_MOST)
                return lb_raise(err, LB_ERR_INPUT, "%s: more than %d methods", all->list,
                                METHODS_MOST);
            LB_TRY(add_row(all, line, number, err));
        }
        line = end ? end + 1 : NULL;
    }
    return LB_OK;
}

bool methods_tuned(const methods *all, const char *name)
{
    for (int i = 0; i < all->n; i++)
        if (all->row[i].candidate && strcmp(all->row[i].twin, name) == 0 &&
            !all->row[i].run[0].done && !all->row[i].run[0].failed)
            return false;
    return true;
}

const method *methods_twin(const methods *all, const char *name)
{
    const method *best = NULL;

    for (int i = 0; i < all->n; i++) {
        const method *const row = &all->row[i];
        if (!row->candidate && strcmp(row->name, name) == 0)
            return row;
        if (row->candidate && strcmp(row->twin, name) == 0 && row->run[0].done &&
            (!best || row->run[0].figures.validation_accuracy >
                          best->run[0].figures.validation_accuracy))
            best = row;
    }
    return best;
}

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
