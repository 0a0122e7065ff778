/* emit_package.c: the files that stand around a network's sources: the self-test, what
 * build systems want; see packages.def. */
#include "emit/emit_int.h"

#include <ctype.h>
#include <string.h>

static const char *const packages[] = {"plain",  "cmake",      "arduino",
                                       "zephyr", "platformio", NULL};

static const char *const forms[] = {"c", "string", "incbin", NULL};

const lb_key lb_firmware_keys[] = {
    {.name = "package",
     .type = LB_KEY_CHOICE,
     .offset = offsetof(lb_firmware_options, package),
     .usual = "plain",
     .choices = packages,
     .help = "the build system that the firmware suits"},
    {.name = "weights",
     .type = LB_KEY_CHOICE,
     .offset = offsetof(lb_firmware_options, weights),
     .usual = "c",
     .choices = forms,
     .help = "constants as numbers, strings, or a binary file"},
    {0}};

bool lb_firmware_is_usual(const lb_firmware_options *options)
{
    return options->package == LB_PACKAGE_PLAIN && options->weights == LB_WEIGHTS_C;
}

/* What holds for a network and its package. */
enum {
    INT8 = 1,
    FP32 = 2,
    TESTED = 4, /* there are vectors */
    PLAIN = 8,
    CMAKE = 16,
    ARDUINO = 32,
    ZEPHYR = 64,
    PLATFORMIO = 128,
    INCBIN = 256
};

static const struct {
    const char *word;
    unsigned bit;
} facts[] = {{"INT8", INT8},     {"FP32", FP32},
             {"TESTED", TESTED}, {"PLAIN", PLAIN},
             {"CMAKE", CMAKE},   {"ARDUINO", ARDUINO},
             {"ZEPHYR", ZEPHYR}, {"PLATFORMIO", PLATFORMIO},
             {"INCBIN", INCBIN}};

static const struct {
    const char *path, *text;
    unsigned needs;
} rows[] = {
#define LB_PACKAGE_FILE(path, text, needs) {path, lb_package_text_##text, needs},
#include "emit/packages.def"
#undef LB_PACKAGE_FILE
};

static unsigned facts_of(const lb_emission *e)
{
    static const unsigned of_package[] = {PLAIN, CMAKE, ARDUINO, ZEPHYR, PLATFORMIO};

    return (e->low->dtype == LB_I8 ? INT8 : FP32) |
           (e->options->n_vectors > 0 ? TESTED : 0u) |
           (e->options->firmware.weights == LB_WEIGHTS_INCBIN ? INCBIN : 0u) |
           of_package[e->options->firmware.package];
}

lb_code lb_emit_check_options(const lb_emission *e, lb_error *err)
{
    const lb_firmware_options *const o = &e->options->firmware;
    const char *const package = packages[o->package];

    if (o->weights == LB_WEIGHTS_INCBIN && (facts_of(e) & (ARDUINO | PLATFORMIO)))
        return lb_raise(
            err, LB_ERR_INPUT,
            "weights: incbin does not go with package: %s, whose builds do not "
            "tell the assembler where the library's folder is; take string",
            package);
    if (o->weights == LB_WEIGHTS_STRING && e->low->dtype != LB_I8)
        return lb_raise(err, LB_ERR_INPUT,
                        "weights: string is for int8 networks, and this one computes in "
                        "floats; take incbin");
    return LB_OK;
}

void lb_emit_choose_folders(lb_emission *e)
{
    const unsigned apart = facts_of(e) & (ARDUINO | PLATFORMIO);

    e->sources = apart ? "src/" : "";
    e->tests = apart ? "extras/selftest/" : "";
}

/* Small letters, digits and single dashes within. */
static void add_slug(lb_text *t, const char *name)
{
    const size_t begin = t->n;

    for (; *name; name++) {
        if (*name != '_')
            lb_text_add_char(t, (char)tolower((unsigned char)*name));
        else if (t->n > begin && name[1] && name[1] != '_')
            lb_text_add_char(t, '-');
    }
    if (t->n == begin)
        lb_text_add(t, "net");
}

/* Which repetition of a line this is. */
typedef struct repetition {
    const char *source;
    const char *number; /* of an input */
    const lb_low_step *step;
} repetition;

static bool add_step_word(lb_emission *e, lb_text *t, const char *word, size_t n,
                          const lb_low_step *step)
{
    if (n == 9 && memcmp(word, "STEP_NAME", n) == 0)
        lb_text_add(t, "%s (%s)", lb_emit_safe(e, step->name),
                    lb_low_kind_name(step->kind));
    else if (n == 9 && memcmp(word, "STEP_MACS", n) == 0)
        lb_text_add(t, "%.0f", step->macs);
    else
        return false;
    return true;
}

/* A word that stood between @; false if it is none. */
static bool add_word(lb_emission *e, lb_text *t, const char *word, size_t n,
                     const repetition *at)
{
    const char *const own = lb_arena_text(e->arena, "%s_input", e->name);
    const struct {
        const char *word, *value;
    } known[] = {
        {"NAME", e->name},
        {"UPPER", e->upper},
        {"TYPE", e->form->type},
        {"VERSION", LB_VERSION},
        {"TESTS", e->tests},
        {"FROM", *e->tests ? "../../src" : "."},
        {"KERNELS_HEADER", e->low->dtype == LB_I8 ? "fw8.h" : "fw.h"},
        {"SOURCE", at->source ? at->source : ""},
        {"INPUT", at->number ? at->number : ""},
        {"TEST_INPUTS", lb_emit_input_list(e, "test_in", "[v]")},
        {"INPUTS", lb_emit_input_list(e, own ? own : "", "()")},
        {"IN", lb_emit_input_list(e, "in", "")},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].word) == n && memcmp(known[i].word, word, n) == 0) {
            lb_text_add(t, "%s", known[i].value);
            return true;
        }
    if (at->step && add_step_word(e, t, word, n, at->step))
        return true;
    if (n == 4 && memcmp(word, "SLUG", n) == 0)
        add_slug(t, e->name);
    else if (n == 7 && memcmp(word, "N_STEPS", n) == 0)
        lb_text_add(t, "%d", e->low->n_steps);
    else if (n == 12 && memcmp(word, "WEIGHT_BYTES", n) == 0)
        lb_text_add(t, "%zu", e->low->weight_bytes);
    else if (n == 11 && memcmp(word, "ARENA_BYTES", n) == 0)
        lb_text_add(t, "%zu", e->low->arena_bytes);
    else
        return false;
    return true;
}

/* n characters with their words filled in. */
static void add_filled(lb_emission *e, lb_text *t, const char *text, size_t n,
                       repetition at)
{
    const char *const end = text + n;

    while (text < end) {
        const char *const close =
            *text == '@' ? memchr(text + 1, '@', (size_t)(end - text - 1)) : NULL;
        if (close && add_word(e, t, text + 1, (size_t)(close - text - 1), &at))
            text = close + 1;
        else
            lb_text_add_char(t, *text++);
    }
}

/* Steps over a condition that begins the line; *fits: whether it holds. */
static bool take_condition(const lb_emission *e, const char **line, bool *fits)
{
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const size_t n = strlen(facts[i].word);
        if (**line != '@' || strncmp(*line + 1, facts[i].word, n) != 0 ||
            (*line)[n + 1] != '@')
            continue;
        *line += n + 2;
        *fits = (facts_of(e) & facts[i].bit) != 0;
        return true;
    }
    return false;
}

/* Steps over all of them; false if one does not hold. */
static bool holds(const lb_emission *e, const char **line)
{
    bool fits = true;

    while (fits && take_condition(e, line, &fits))
        ;
    return fits;
}

static bool has(const char *line, size_t n, const char *word)
{
    const size_t length = strlen(word);

    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(line + i, word, length) == 0)
            return true;
    return false;
}

static void add_for_sources(lb_emission *e, lb_text *t, const char *line, size_t n)
{
    lb_fw_file used[LB_FW_MOST];
    const int n_kernels = lb_emit_kernels(e->low, used);

    for (int i = -1; i < n_kernels; i++) {
        const char *const source = i < 0
                                       ? lb_arena_text(e->arena, "%s.c", e->name)
                                       : lb_arena_text(e->arena, "fw_%s.c", used[i].stem);
        add_filled(e, t, line, n, (repetition){.source = source});
        t->failed = t->failed || !source;
    }
}

/* A line, or as many as the network has sources, inputs or steps. */
static void add_line(lb_emission *e, lb_text *t, const char *line, size_t n)
{
    if (has(line, n, "@SOURCE@")) {
        add_for_sources(e, t, line, n);
    } else if (has(line, n, "@INPUT@")) {
        for (int k = 0; k < e->low->n_inputs; k++)
            add_filled(e, t, line, n, (repetition){.number = lb_emit_input_number(e, k)});
    } else if (has(line, n, "@STEP_NAME@")) {
        for (int i = 0; i < e->low->n_steps; i++)
            add_filled(e, t, line, n, (repetition){.step = &e->low->step[i]});
    } else {
        add_filled(e, t, line, n, (repetition){0});
    }
}

static lb_code emit_row(lb_emission *e, const char *path, const char *text, lb_error *err)
{
    lb_text name, body;

    lb_text_init(&name, e->arena);
    lb_text_init(&body, e->arena);
    add_filled(e, &name, path, strlen(path), (repetition){0});
    while (*text) {
        const char *line = text;
        const char *const end = strchr(text, '\n');
        text = end ? end + 1 : text + strlen(text);
        if (holds(e, &line))
            add_line(e, &body, line, (size_t)(text - line));
    }
    return lb_emit_file(e, name.failed ? NULL : name.chars, &body, err);
}

lb_code lb_emit_package(lb_emission *e, lb_error *err)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((rows[i].needs & ~facts_of(e)) == 0)
            LB_TRY(emit_row(e, rows[i].path, rows[i].text, err));
    return LB_OK;
}
