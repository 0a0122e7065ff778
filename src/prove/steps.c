/* steps.c: the steps of a network within its emitted source.
 *
 * Emitted code has a function for each step, `static ... stepN(`, below a comment `name:
 * kind, shapes`. A compiler may put such a function into its only caller; then nothing
 * could be counted for it. So the copy that is proved forbids that (noipa: no inlining,
 * no joining of equal steps), and nothing else about the code changes: what a step calls
 * may still become part of it. */
#include "prove/prove_int.h"

#include <ctype.h>
#include <string.h>

enum { MOST_STEPS = 100000 };

/* The step whose definition begins at `line` ("static void step12("), or -1; *at: behind
 * "static ". */
static int step_at(const char *line, const char *end, const char **at)
{
    static const char head[] = "static ", word[] = "step";
    const char *p = line;
    int number = 0, digits = 0;

    if ((size_t)(end - p) < sizeof head || memcmp(p, head, sizeof head - 1) != 0)
        return -1;
    *at = p + sizeof head - 1;
    while (p < end && *p != '(')
        p++;
    if (p == end)
        return -1;
    const char *const bracket = p;
    while (p > *at && isdigit((unsigned char)p[-1]))
        p--;
    for (const char *d = p; d < bracket && number < MOST_STEPS; d++, digits++)
        number = 10 * number + (*d - '0');
    if (digits == 0 || p - *at <= (ptrdiff_t)strlen(word) || p[-5] != ' ' ||
        memcmp(p - strlen(word), word, strlen(word)) != 0)
        return -1;
    return number < MOST_STEPS ? number : -1;
}

/* "name: kind, 1x2x3 to 4x5x6" between first and end; a name may hold colons. */
static bool read_comment(const char *first, const char *end, lb_arena *arena,
                         const char **name, const char **kind)
{
    size_t n = (size_t)(end - first);

    if (n < 6 || memcmp(first, "/* ", 3) != 0 || memcmp(end - 3, " */", 3) != 0)
        return false;
    first += 3;
    n -= 6;
    const char *colon = NULL;
    for (const char *p = first; p + 1 < first + n; p++)
        if (p[0] == ':' && p[1] == ' ')
            colon = p;
    *name = lb_arena_copy_chars(arena, first, colon ? (size_t)(colon - first) : n);
    if (colon) {
        const size_t rest = (size_t)(first + n - (colon + 2));
        const char *const comma = memchr(colon + 2, ',', rest);
        *kind = lb_arena_copy_chars(arena, colon + 2,
                                    comma ? (size_t)(comma - (colon + 2)) : rest);
    }
    return *name != NULL && (!colon || *kind != NULL);
}

/* Room for step `number`. */
static bool make_room(lb_step_names *s, int *room, int number, lb_arena *arena)
{
    int room_kind = *room;

    while (s->n <= number) {
        if (!lb_arena_grow(arena, (void **)&s->name, room, s->n, sizeof *s->name) ||
            !lb_arena_grow(arena, (void **)&s->kind, &room_kind, s->n, sizeof *s->kind))
            return false;
        s->name[s->n] = lb_arena_text(arena, "step %d", s->n);
        s->kind[s->n] = NULL;
        if (!s->name[s->n++])
            return false;
    }
    return true;
}

lb_code lb_steps_mark(const char *text, size_t size, lb_arena *arena, lb_text *copy,
                      lb_step_names *out, lb_error *err)
{
    const char *const end = text + size;
    const char *before = NULL, *before_end = NULL, *at = NULL;
    int room = 0;

    *out = (lb_step_names){0};
    for (const char *line = text; line < end;) {
        const char *const stop = memchr(line, '\n', (size_t)(end - line));
        const char *const line_end = stop ? stop : end;
        const int number = step_at(line, line_end, &at);
        if (number >= 0) {
            if (!make_room(out, &room, number, arena))
                return lb_raise(err, LB_ERR_MEMORY, "no memory for the steps' names");
            if (before &&
                !read_comment(before, before_end, arena, &out->name[number],
                              &out->kind[number]) &&
                !out->name[number])
                return lb_raise(err, LB_ERR_MEMORY, "no memory for the steps' names");
            lb_text_add(copy, "static __attribute__((noipa)) ");
            lb_text_add_chars(copy, at, (size_t)(line_end - at));
        } else {
            lb_text_add_chars(copy, line, (size_t)(line_end - line));
        }
        lb_text_add_char(copy, '\n');
        before = line;
        before_end = line_end;
        line = line_end + 1;
    }
    if (copy->failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a copy of the source");
    return LB_OK;
}
