/* text.c: text that grows in an arena. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool make_room(lb_text *text, size_t more)
{
    size_t needed, wanted;

    if (text->failed)
        return false;
    if (!lb_size_add(text->n, more, &needed) || !lb_size_add(needed, 1, &needed)) {
        text->failed = true;
        return false;
    }
    if (needed <= text->capacity)
        return true;
    wanted = text->capacity * 2 > needed ? text->capacity * 2 : needed;
    char *const bigger = lb_arena_take(text->arena, wanted);
    if (!bigger) {
        text->failed = true;
        return false;
    }
    if (text->n)
        memcpy(bigger, text->chars, text->n);
    text->chars = bigger;
    text->capacity = wanted;
    return true;
}

void lb_text_init(lb_text *text, lb_arena *arena)
{
    *text = (lb_text){.arena = arena};
    (void)make_room(text, 255);
}

void lb_text_add_chars(lb_text *text, const char *chars, size_t n)
{
    if (!make_room(text, n))
        return;
    if (n)
        memcpy(text->chars + text->n, chars, n);
    text->n += n;
    text->chars[text->n] = '\0';
}

void lb_text_add_char(lb_text *text, char c)
{
    lb_text_add_chars(text, &c, 1);
}

void lb_text_add(lb_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !make_room(text, (size_t)n)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->chars + text->n, (size_t)n + 1, format, args);
    va_end(args);
    text->n += (size_t)n;
}
