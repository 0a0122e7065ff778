/* text.h: text that grows. Holds the first failure (out of memory): afterwards every
 * call does nothing and the owner asks once at the end. */
#ifndef LB_BASE_TEXT_H
#define LB_BASE_TEXT_H

#include "base/arena.h"

typedef struct lb_text {
    lb_arena *arena; /* borrowed; old copies stay behind in it */
    char *chars;     /* never NULL after init unless failed; ends with a zero */
    size_t n, capacity;
    bool failed;
} lb_text;

void lb_text_init(lb_text *text, lb_arena *arena);
void lb_text_add(lb_text *text, const char *format, ...) LB_PRINTF(2, 3);
void lb_text_add_chars(lb_text *text, const char *chars, size_t n);
void lb_text_add_char(lb_text *text, char c);

#endif
