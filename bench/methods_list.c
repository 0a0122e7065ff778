/* methods_list.c: reads the list of methods, and finds the twin of one. */
#include "methods.h"

#include "base/file.h"

#include <string.h>

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
