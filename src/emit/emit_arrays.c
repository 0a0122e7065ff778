/* emit_arrays.c: constants of NAME_weights.h, in one of the forms of lb_weights_form. */
#include "emit/emit_int.h"

#include <string.h>

enum {
    MOST_CHARS = 4095, /* of a string, which C99 asks of every compiler */
    FEW = 32           /* bytes that are better read as numbers */
};

/* How elements of a type are written. */
typedef struct element {
    const char *type;
    const char *aligned; /* behind the array's name */
    size_t size;
} element;
static const element bytes = {"int8_t", " FW8_ALIGNED", 1},
                     ints = {"int32_t", "", sizeof(int32_t)},
                     floats = {"float", "", sizeof(float)};

void lb_emit_arrays_begin(lb_emission *e, lb_text *t)
{
    const int form = e->options->firmware.weights;

    lb_text_init(&e->binary, e->arena);
    if (form == LB_WEIGHTS_STRING)
        lb_text_add(t,
                    "\n/* strings without their zeros */\n"
                    "#if (defined(__clang__) && __clang_major__ >= 21) || \\\n"
                    "    (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 15)\n"
                    "#define NO_ZERO __attribute__((nonstring))\n"
                    "#else\n#define NO_ZERO\n#endif\n");
    if (form == LB_WEIGHTS_INCBIN)
        lb_emit_template(
            e, t,
            "\n/* The assembler takes the constants from this file, which it looks for "
            "in the\n * current folder and those of -I. */\n"
            "#ifndef %2_WEIGHTS_FILE\n#define %2_WEIGHTS_FILE \"%1_weights.bin\"\n"
            "#endif\n"
            "#if !defined(__GNUC__) || !defined(__ELF__) || \\\n"
            "    __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
            "#error \"%1_weights.bin wants GNU C, ELF and a little-endian processor\"\n"
            "#endif\n"
            "/* n elements from byte `from` of it on */\n"
            "#define PART(type, name, n, bytes, from) \\\n"
            "    extern const type name[n] __asm__(\"%1_\" #name) \\\n"
            "        __attribute__((visibility(\"hidden\"))); \\\n"
            "    __asm__(\".pushsection .rodata.%1_\" #name \",\\\"a\\\"\\n\\t\" \\\n"
            "            \".balign 8\\n\\t\" \\\n"
            "            \".globl %1_\" #name \"\\n\\t.hidden %1_\" #name \"\\n\\t\" \\\n"
            "            \".type %1_\" #name \", %object\\n\" \\\n"
            "            \"%1_\" #name \":\\n\\t\" \\\n"
            "            \".incbin \\\"\" %2_WEIGHTS_FILE \"\\\", \" #from \", \" #bytes "
            "\"\\n\\t\" \\\n"
            "            \".size %1_\" #name \", \" #bytes \"\\n\\t.popsection\")\n");
}

lb_code lb_emit_arrays_end(lb_emission *e, lb_error *err)
{
    const char *const file = lb_arena_text(e->arena, "%s_weights.bin", e->name);

    if (e->options->firmware.weights != LB_WEIGHTS_INCBIN)
        return LB_OK;
    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    return lb_emit_file(e, lb_emit_source_path(e, file), &e->binary, err);
}

/* As an octal escape, as short as what follows allows, or as it is. */
static void add_escaped(lb_text *t, uint8_t byte, uint8_t next)
{
    if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' && byte != '?')
        lb_text_add_char(t, (char)byte);
    else
        lb_text_add(t, next >= '0' && next <= '7' ? "\\%03o" : "\\%o", (unsigned)byte);
}

/* n characters, cut into lines. */
static void add_string(lb_text *t, const int8_t *value, size_t n)
{
    size_t line = t->n;

    lb_text_add_char(t, '"');
    for (size_t i = 0; i < n; i++) {
        const bool full = t->n - line > 84;
        const bool last = full || i + 1 == n;
        add_escaped(t, (uint8_t)value[i], last ? ' ' : (uint8_t)value[i + 1]);
        if (full && i + 1 < n) {
            lb_text_add(t, "\"\n\"");
            line = t->n - 1;
        }
    }
    lb_text_add_char(t, '"');
}

/* The longest rows, equal ones, that are no longer than a string may be. */
static size_t row_of(size_t n)
{
    size_t rows = (n + MOST_CHARS - 1) / MOST_CHARS;

    while (n % rows != 0)
        rows++;
    return n / rows;
}

/* Rows that lie one behind the other; `name` is where the first begins. */
static void add_strings(lb_text *t, const char *name, int i, const int8_t *value,
                        size_t n)
{
    const size_t row = row_of(n);

    lb_text_add(t, "static const int8_t rows_of_%s%d[%zu][%zu] NO_ZERO FW8_ALIGNED = {\n",
                name, i, n / row, row);
    for (size_t k = 0; k < n; k += row) {
        add_string(t, value + k, row);
        lb_text_add(t, k + row < n ? ",\n" : "};\n");
    }
    lb_text_add(t, "#define %s%d ((const int8_t *)rows_of_%s%d)\n", name, i, name, i);
}

static void add_part(lb_emission *e, lb_text *t, const element *of, const char *name,
                     int i, const void *value, size_t n)
{
    const unsigned char *const from = value;
    const size_t at = e->binary.n;

    lb_text_add(t, "PART(%s, %s%d, %zu, %zu, %zu);\n", of->type, name, i, n, n * of->size,
                at);
    for (size_t k = 0; k < n * of->size; k++) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        const size_t place = k / of->size * of->size + of->size - 1 - k % of->size;
#else
        const size_t place = k;
#endif
        lb_text_add_char(&e->binary, (char)from[place]);
    }
}

static void add_head(lb_text *t, const element *of, const char *name, int i, size_t n)
{
    lb_text_add(t, "static const %s %s%d[%zu]%s = {\n", of->type, name, i, n,
                of->aligned);
}

void lb_emit_array_bytes(lb_emission *e, lb_text *t, const char *name, int i,
                         const int8_t *value, size_t n)
{
    const int form = e->options->firmware.weights;

    if (form == LB_WEIGHTS_INCBIN) {
        add_part(e, t, &bytes, name, i, value, n);
    } else if (form == LB_WEIGHTS_STRING && row_of(n) >= FEW) {
        add_strings(t, name, i, value, n);
    } else {
        add_head(t, &bytes, name, i, n);
        lb_emit_bytes(t, value, n);
        lb_text_add(t, "};\n");
    }
}

void lb_emit_array_ints(lb_emission *e, lb_text *t, const char *name, int i,
                        const int32_t *value, size_t n)
{
    if (e->options->firmware.weights == LB_WEIGHTS_INCBIN) {
        add_part(e, t, &ints, name, i, value, n);
        return;
    }
    add_head(t, &ints, name, i, n);
    lb_emit_ints(t, value, n);
    lb_text_add(t, "};\n");
}

void lb_emit_array_floats(lb_emission *e, lb_text *t, const char *name, int i,
                          const float *value, size_t n)
{
    if (e->options->firmware.weights == LB_WEIGHTS_INCBIN) {
        add_part(e, t, &floats, name, i, value, n);
        return;
    }
    add_head(t, &floats, name, i, n);
    lb_emit_floats(t, value, n);
    lb_text_add(t, "};\n");
}
