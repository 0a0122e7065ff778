/* board.c: what a self-test needs on an emulated board: memory that is set up, printf
 * over semihosting, and a wrapper around the network that measures its stack.
 *
 * LB_RUN names the network's function. The linker sends the self-test's calls of it to
 * the wrapper (--wrap): that paints the stack below itself, runs the network and looks
 * how far down the paint is gone. The instruction counter knows by the wrapper's address
 * when an inference is over. */
#include "board.h"

#include <stdarg.h>

enum { WRITE0 = 0x04, EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };
#define PAINT 0x5afec0deu
#define JOIN(a, b) a##b
#define WRAPPER(name) JOIN(__wrap_, name)
#define NETWORK(name) JOIN(__real_, name)
#ifdef __riscv
#define READ_STACK "mv %0, sp"
#else
#define READ_STACK "mov %0, sp"
#endif

int main(void);
int printf(const char *format, ...);
void WRAPPER(LB_RUN)(void *a, void *b, void *c, void *d);
void NETWORK(LB_RUN)(void *a, void *b, void *c, void *d);

static uint32_t most_stack;

/* Four words of arguments pass through as they are, however many the network takes. */
void WRAPPER(LB_RUN)(void *a, void *b, void *c, void *d)
{
    volatile uint32_t *p;
    uint32_t here;

    __asm__ volatile(READ_STACK : "=r"(here));
    for (p = board_stack_bottom; (uint32_t)p < here; p++)
        *p = PAINT;
    NETWORK(LB_RUN)(a, b, c, d);
    for (p = board_stack_bottom; (uint32_t)p < here && *p == PAINT;)
        p++;
    if (here - (uint32_t)p > most_stack)
        most_stack = here - (uint32_t)p;
}

typedef struct line {
    char text[256];
    unsigned n;
} line;

static void put(line *l, char c)
{
    if (l->n + 1 < sizeof l->text)
        l->text[l->n++] = c;
}

static void put_text(line *l, const char *s)
{
    while (*s)
        put(l, *s++);
}

/* At least `width` characters, filled with zeros or blanks. */
static void put_number(line *l, long v, int width, char fill)
{
    unsigned long u = v < 0 ? 0ul - (unsigned long)v : (unsigned long)v;
    char digit[24];
    int n = 0;

    do {
        digit[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    for (width -= n + (v < 0); fill == ' ' && width > 0; width--)
        put(l, ' ');
    if (v < 0)
        put(l, '-');
    for (; width > 0; width--)
        put(l, '0');
    while (n > 0)
        put(l, digit[--n]);
}

/* Nine digits, as 1.23456789e-5. */
static void put_real(line *l, double v)
{
    int exponent = 0, i;

    if (v != v) {
        put_text(l, "nan");
        return;
    }
    if (v < 0)
        put(l, '-');
    v = v < 0 ? -v : v;
    if (v > 1e300) {
        put_text(l, "inf");
        return;
    }
    for (; v >= 10; exponent++)
        v /= 10;
    for (; v > 0 && v < 1; exponent--)
        v *= 10;
    for (i = 0; i < 9; i++) {
        const int digit = (int)v;
        put(l, (char)('0' + digit));
        if (i == 0)
            put(l, '.');
        v = (v - digit) * 10;
    }
    put(l, 'e');
    put_number(l, exponent, 0, ' ');
}

/* One conversion; *format is at its %, and then at its letter. */
static void put_next(line *l, const char **format, va_list *more)
{
    const char *f = *format + 1;
    const char fill = *f == '0' ? '0' : ' ';
    int width = 0, is_long = 0;

    for (; *f >= '0' && *f <= '9'; f++)
        width = 10 * width + (*f - '0');
    for (; *f == '.' || (*f >= '0' && *f <= '9'); f++)
        ;
    for (; *f == 'l'; f++)
        is_long = 1;
    if (*f == '%')
        put(l, '%');
    else if (*f == 's')
        put_text(l, va_arg(*more, const char *));
    else if (*f == 'c')
        put(l, (char)va_arg(*more, int));
    else if (*f == 'e' || *f == 'f' || *f == 'g')
        put_real(l, va_arg(*more, double));
    else if (*f)
        put_number(l, is_long ? va_arg(*more, long) : va_arg(*more, int), width, fill);
    *format = *f ? f : f - 1;
}

typedef struct arguments {
    va_list list;
} arguments;

/* The conversions of a self-test: d, i and u (with l and a width), s, c, and g, e and f,
 * which are written as e with nine digits. */
int printf(const char *format, ...)
{
    line l = {{0}, 0};
    arguments more;

    va_start(more.list, format);
    for (; *format; format++)
        if (*format == '%')
            put_next(&l, &format, &more.list);
        else
            put(&l, *format);
    va_end(more.list);
    board_call(WRITE0, l.text);
    return (int)l.n;
}

int putchar(int c);
int putchar(int c)
{
    printf("%c", c);
    return c;
}

int puts(const char *text);
int puts(const char *text)
{
    return printf("%s\n", text);
}

static void end(int status)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};

    board_call(EXIT_EXTENDED, block);
    for (;;)
        ;
}

void board_fault(void)
{
    printf("the processor stopped at a fault\n");
    end(99);
}

void board_start(void)
{
    volatile uint32_t *to = board_data_start;
    const uint32_t *from = board_data_load;
    int status;

    while (to < board_data_end)
        *to++ = *from++;
    for (to = board_bss_start; to < board_bss_end; to++)
        *to = 0;
    printf("begin\n");
    status = main();
    printf("stack %ld\nend\n", (long)most_stack);
    end(status);
}
