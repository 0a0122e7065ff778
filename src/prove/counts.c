/* counts.c: what the plugin is told of a program, and what it found. */
#include "prove/prove_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The step that a function is, or -1. */
static int step_of(const lb_counting *c, const char *name)
{
    char *end;

    if (strncmp(name, "step", 4) != 0 || name[4] < '0' || name[4] > '9')
        return -1;
    const long n = strtol(name + 4, &end, 10);
    return *end == '\0' && n < c->steps.n ? (int)n : -1;
}

static char kind_of(const lb_counting *c, const char *name)
{
    static const char wrapper[] = "__wrap_";

    if (strcmp(name, c->network) == 0)
        return 'r';
    if (strncmp(name, wrapper, strlen(wrapper)) == 0)
        return 'w';
    return step_of(c, name) >= 0 ? 's' : 'f';
}

void lb_counts_table(const lb_counting *c, lb_text *out)
{
    for (int i = 0; i < c->n; i++)
        lb_text_add(out, "%" PRIx64 " %" PRIx64 " %c\n", c->function[i].first,
                    c->function[i].end, kind_of(c, c->function[i].name));
}

static lb_code broken(lb_error *err)
{
    return lb_raise(err, LB_ERR_FAILED,
                    "the instruction counter left no figures; is the emulator one with "
                    "plugins, as Debian's is?");
}

/* Two numbers and a line's end. */
static bool read_pair(const char **text, uint64_t *a, uint64_t *b)
{
    char *end;

    *a = strtoull(*text, &end, 10);
    if (end == *text || *end != ' ')
        return false;
    *text = end + 1;
    *b = strtoull(*text, &end, 10);
    if (end == *text || *end != '\n')
        return false;
    *text = end + 1;
    return true;
}

static int most_first(const void *a, const void *b)
{
    const lb_proof_count *const x = a, *const y = b;

    if (x->instructions != y->instructions)
        return x->instructions > y->instructions ? -1 : 1;
    return strcmp(x->name, y->name);
}

static lb_code take_rows(const lb_counting *c, const char *text, lb_proof *out,
                         lb_error *err)
{
    uint64_t work, own;

    for (int i = 0; i < c->n; i++) {
        const char *const name = c->function[i].name;
        const char kind = kind_of(c, name);
        if (!read_pair(&text, &work, &own))
            return broken(err);
        out->instructions += work;
        if (kind == 's')
            out->step[step_of(c, name)].instructions = work;
        else if (kind == 'r')
            out->driver = work;
        if (own > 0 && kind != 'w')
            out->function[out->n_functions++] =
                (lb_proof_count){.name = name, .instructions = own};
    }
    return LB_OK;
}

lb_code lb_counts_read(const lb_counting *c, const char *text, lb_arena *arena,
                       lb_proof *out, lb_error *err)
{
    uint64_t inferences, all;

    out->step = LB_TAKE_ARRAY(arena, c->steps.n + 1, lb_proof_count);
    out->function = LB_TAKE_ARRAY(arena, c->n + 1, lb_proof_count);
    if (!out->step || !out->function)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the counts");
    out->n_steps = c->steps.n;
    for (int i = 0; i < c->steps.n; i++)
        out->step[i] =
            (lb_proof_count){.name = c->steps.name[i], .kind = c->steps.kind[i]};
    if (!read_pair(&text, &inferences, &all) || inferences == 0 || inferences > INT32_MAX)
        return broken(err);
    out->inferences = (int)inferences;
    out->mean_instructions = (double)all / (double)inferences;
    LB_TRY(take_rows(c, text, out, err));
    qsort(out->function, (size_t)out->n_functions, sizeof *out->function, most_first);
    return LB_OK;
}
