/* emit_files.c: files of the firmware's folder, and numbers in them. */
#include "emit/emit_int.h"

#include "base/file.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

const char *lb_emit_source_path(lb_emission *e, const char *file)
{
    return lb_arena_text(e->arena, "%s%s", e->sources, file);
}

const char *lb_emit_test_path(lb_emission *e, const char *file)
{
    return lb_arena_text(e->arena, "%s%s", e->tests, file);
}

lb_code lb_emit_file(lb_emission *e, const char *file, const lb_text *text, lb_error *err)
{
    const char *const path = file ? lb_path_join(e->arena, e->folder, file) : NULL;
    char *const parent = path ? lb_arena_copy_text(e->arena, path) : NULL;

    if (text->failed || !parent)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the firmware's files");
    if (strchr(file, '/')) {
        *strrchr(parent, '/') = '\0';
        LB_TRY(lb_make_folder(parent, err));
    }
    LB_TRY(lb_write_file(path, text->chars, text->n, err));
    if (!lb_arena_grow(e->arena, (void **)&e->out->file, &e->capacity, e->out->n_files,
                       sizeof *e->out->file))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the list of files");
    e->out->file[e->out->n_files++] = file;
    return LB_OK;
}

/* A trained network has none of these; a broken one must still give C that compiles. */
static const char *strange(float v)
{
    return isnan(v) ? "(0.0f / 0.0f)" : v > 0 ? "(1.0f / 0.0f)" : "(-1.0f / 0.0f)";
}

void lb_emit_floats(lb_text *t, const float *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(value[i]))
            lb_text_add(t, "%af,", (double)value[i]);
        else
            lb_text_add(t, "%s,", strange(value[i]));
        lb_text_add_char(t, i % 8 == 7 || i + 1 == n ? '\n' : ' ');
    }
}

enum { LINE = 92 }; /* characters of a line of whole numbers */

static void add_number(lb_text *t, int32_t value, size_t *line)
{
    const size_t before = t->n;

    lb_text_add(t, "%d,", (int)value);
    if (t->n - *line > LINE && !t->failed) { /* it begins the next one */
        lb_text_add_char(t, '\n');
        memmove(t->chars + before + 1, t->chars + before, t->n - 1 - before);
        t->chars[before] = '\n';
        *line = before + 1;
    }
}

void lb_emit_bytes(lb_text *t, const int8_t *value, size_t n)
{
    size_t line = t->n;

    for (size_t i = 0; i < n; i++)
        add_number(t, value[i], &line);
    lb_text_add_char(t, '\n');
}

void lb_emit_ints(lb_text *t, const int32_t *value, size_t n)
{
    size_t line = t->n;

    for (size_t i = 0; i < n; i++)
        add_number(t, value[i], &line);
    lb_text_add_char(t, '\n');
}

const char *lb_emit_input_number(lb_emission *e, int k)
{
    const char *const number =
        e->low->n_inputs > 1 ? lb_arena_text(e->arena, "%d", k) : "";

    return number ? number : "";
}

const char *lb_emit_input_list(lb_emission *e, const char *before, const char *after)
{
    lb_text t;

    lb_text_init(&t, e->arena);
    for (int k = 0; k < e->low->n_inputs; k++)
        lb_text_add(&t, "%s%s%s%s", k > 0 ? ", " : "", before, lb_emit_input_number(e, k),
                    after);
    return t.failed ? "" : t.chars;
}

const char *lb_emit_safe(lb_emission *e, const char *text)
{
    char *const copy = lb_arena_copy_text(e->arena, text);

    for (char *c = copy; c && *c; c++)
        if (!isprint((unsigned char)*c) || *c == '\\' || *c == '"' ||
            (*c == '*' && c[1] == '/') || (*c == '/' && c[1] == '*') ||
            (*c == '?' && c[1] == '?'))
            *c = '_';
    return copy ? copy : "";
}

static void list(const lb_fw_file *file, lb_fw_file used[], int *n)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(used[i].stem, file->stem) == 0)
            return;
    if (*n < LB_FW_MOST)
        used[(*n)++] = *file;
}

int lb_emit_kernels(const lb_low *low, lb_fw_file used[])
{
    int n = 0;

    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_kind kind = low->step[i].kind;
        const lb_fw *const fw[] = {lb_fw_find(low->dtype, kind),
                                   lb_fw_of(low, &low->step[i])};
        const lb_fw_file *set;
        for (int k = 0; fw[0] && fw[1] && k < 4; k++)
            list(&fw[k / 2]->file[k % 2], used, &n);
        for (int k = 0; low->dtype == LB_I8 && (set = lb_fw_find_set(kind, k)); k++)
            list(set, used, &n);
    }
    return n;
}

void lb_emit_template(lb_emission *e, lb_text *t, const char *text)
{
    for (; *text; text++) {
        if (*text == '%' && (text[1] == '1' || text[1] == '2'))
            lb_text_add(t, "%s", *++text == '1' ? e->name : e->upper);
        else
            lb_text_add_char(t, *text);
    }
}
