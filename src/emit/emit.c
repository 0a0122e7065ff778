/* emit.c: the network's own files, whatever its element type: NAME.h, NAME.c,
 * NAME_weights.h and the kernels. */
#include "emit/emit_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void add_banner(lb_text *t, const char *file, const char *what)
{
    lb_text_add(t,
                "/* %s: %s\n * Emitted by limbeck %s. It belongs to whoever emitted it. "
                "*/\n",
                file, what, LB_VERSION);
}

static void add_memory_map(lb_emission *e, lb_text *t)
{
    const lb_low *const low = e->low;

    lb_text_add(t, "/* Memory of the arena: bytes, at, alive during steps.\n");
    for (int i = 0; i < low->n_buffers; i++) {
        const lb_low_buffer *const b = &low->buffer[i];
        lb_text_add(t, " *   %8zu @ %-8zu %3d..%-3d %dx%dx%d %s%s\n", b->bytes, b->offset,
                    b->first, b->last, b->dims.h, b->dims.w, b->dims.c,
                    lb_emit_safe(e, b->name), b->alias >= 0 ? " (in place)" : "");
    }
    lb_text_add(t, " */\n");
}

static void add_dims(lb_text *t, const char *upper, const char *which,
                     const lb_low_dims *d)
{
    lb_text_add(t,
                "#define %s_%s_HEIGHT %d\n#define %s_%s_WIDTH %d\n"
                "#define %s_%s_CHANNELS %d\n#define %s_%s_SIZE %zu\n\n",
                upper, which, d->h, upper, which, d->w, upper, which, d->c, upper, which,
                lb_low_count(d));
}

static void add_input(lb_emission *e, lb_text *t, int k)
{
    const char *const note = e->options->pixel_note;
    const char *const which =
        lb_arena_text(e->arena, "INPUT%s", lb_emit_input_number(e, k));

    lb_text_add(t,
                "/* Input '%s'%s%s: channels-last, element (h, w, c) is at\n"
                " * (h * WIDTH + w) * CHANNELS + c. */\n",
                lb_emit_safe(e, e->low->input[k].name), note ? ", " : "",
                note ? lb_emit_safe(e, note) : "");
    add_dims(t, e->upper, which ? which : "", &e->low->input[k].dims);
}

static void add_functions(lb_emission *e, lb_text *t)
{
    const char *const type = e->form->type, *const name = e->name;

    const char *const before = lb_arena_text(e->arena, "const %s *in", type);

    lb_text_add(
        t,
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
        "/* Runs the network once. Not reentrant: the arena is shared. in may be\n"
        " * %s_input(), then nothing is copied. */\nvoid %s_run(%s, %s *out);\n\n"
        "/* Where the input lies; %s_run may write over it. */\n",
        name, name, lb_emit_input_list(e, before ? before : "", ""), type, name);
    for (int k = 0; k < e->low->n_inputs; k++)
        lb_text_add(t, "%s *%s_input%s(void);\n", type, name, lb_emit_input_number(e, k));
    lb_text_add(t,
                "\n#ifdef %s_TRACE\n/* Called after each step with its output: n "
                "elements. Yours to define. */\nvoid %s_trace(int step, const %s *y, "
                "long n);\n#endif\n",
                e->upper, name, type);
    lb_text_add(t, "\n#ifdef __cplusplus\n}\n#endif\n\n");
}

static lb_code emit_header(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const char *const file = lb_arena_text(e->arena, "%s.h", e->name);
    const char *const u = e->upper;
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    add_banner(&t, file, "a neural network as C99.");
    lb_text_add(&t, "#ifndef %s_H\n#define %s_H\n\n%s", u, u, e->form->includes);
    for (int k = 0; k < low->n_inputs; k++)
        add_input(e, &t, k);
    lb_text_add(&t, "/* Output '%s': channels-last too. */\n",
                lb_emit_safe(e, low->output_name));
    add_dims(&t, u, "OUTPUT", &low->output);
    if (e->form->describe)
        e->form->describe(e, &t);
    lb_text_add(&t,
                "/* Bytes of the one static arena, input and output included, and of the "
                "constants. */\n#define %s_ARENA_BYTES %zu\n#define %s_WEIGHT_BYTES "
                "%zu\n\n",
                u, low->arena_bytes, u, low->weight_bytes);
    add_functions(e, &t);
    add_memory_map(e, &t);
    lb_text_add(&t, "\n#endif\n");
    return lb_emit_file(e, lb_emit_source_path(e, file), &t, err);
}

static lb_code emit_weights(lb_emission *e, lb_error *err)
{
    const char *const file = lb_arena_text(e->arena, "%s_weights.h", e->name);
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    add_banner(&t, file, "weights and other constants.");
    lb_text_add(&t, "#ifndef %s_WEIGHTS_H\n#define %s_WEIGHTS_H\n", e->upper, e->upper);
    lb_emit_arrays_begin(e, &t);
    for (int i = 0; i < e->low->n_steps; i++)
        if (!e->form->constants(e, &t, i))
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the constants");
    lb_text_add(&t, "\n#endif\n");
    LB_TRY(lb_emit_file(e, lb_emit_source_path(e, file), &t, err));
    return lb_emit_arrays_end(e, err);
}

/* A function for each step, labelled with its node. */
static void add_step(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    const lb_low_dims *const in = &e->low->buffer[s->in[0]].dims;
    const lb_low_dims *const out = &e->low->buffer[s->out].dims;

    lb_text_add(t, "/* %s: %s, %dx%dx%d to %dx%dx%d */\nstatic void step%d(void)\n{\n",
                lb_emit_safe(e, s->name), lb_low_kind_name(s->kind), in->h, in->w, in->c,
                out->h, out->w, out->c, i);
    e->form->step(e, t, i);
    lb_text_add(t, "}\n\n");
}

static void add_run(lb_emission *e, lb_text *t)
{
    const lb_low *const low = e->low;
    const char *const type = e->form->type;
    const char *const before = lb_arena_text(e->arena, "const %s *in", type);
    char in[48], out[48], y[48];

    e->form->at(e, low->output_buffer, out);
    for (int k = 0; k < low->n_inputs; k++)
        lb_text_add(t, "%s *%s_input%s(void)\n{\n    return %s;\n}\n\n", type, e->name,
                    lb_emit_input_number(e, k), e->form->at(e, low->input[k].buffer, in));
    lb_text_add(t, "void %s_run(%s, %s *out)\n{\n", e->name,
                lb_emit_input_list(e, before ? before : "", ""), type);
    for (int k = 0; k < low->n_inputs; k++) {
        const char *const number = lb_emit_input_number(e, k);
        e->form->at(e, low->input[k].buffer, in);
        lb_text_add(t,
                    "    if (in%s != %s)\n"
                    "        memcpy(%s, in%s, %s_INPUT%s_SIZE * sizeof *in%s);\n",
                    number, in, in, number, e->upper, number, number);
    }
    for (int i = 0; i < low->n_steps; i++) {
        const int buffer = low->step[i].out;
        lb_text_add(t, "    step%d();\n    TRACE(%d, %s, %zu);\n", i, i,
                    e->form->at(e, buffer, y), lb_low_count(&low->buffer[buffer].dims));
    }
    lb_text_add(t, "    memcpy(out, %s, %s_OUTPUT_SIZE * sizeof *out);\n}\n", out,
                e->upper);
}

static lb_code emit_source(lb_emission *e, lb_error *err)
{
    const char *const file = lb_arena_text(e->arena, "%s.c", e->name);
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    add_banner(&t, file, "the network's steps.");
    lb_emit_template(e, &t, e->form->preamble);
    if (e->form->room)
        e->form->room(e, &t);
    for (int i = 0; i < e->low->n_steps; i++)
        add_step(e, &t, i);
    add_run(e, &t);
    return lb_emit_file(e, lb_emit_source_path(e, file), &t, err);
}

static lb_code emit_text(lb_emission *e, const char *file, const char *text,
                         lb_error *err)
{
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    lb_text_add_chars(&t, text, strlen(text));
    return lb_emit_file(e, lb_emit_source_path(e, file), &t, err);
}

/* The header that says how the int8 kernels round. */
static lb_code emit_rounding(lb_emission *e, lb_error *err)
{
    static const char mark[] = "FW8_TFLITE 0";
    char *const text = lb_arena_copy_text(e->arena, lb_fw_text_fw8_rounding);
    char *const at = text ? strstr(text, mark) : NULL;

    if (!text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a kernel's header");
    if (!at)
        return lb_bug(err, "fw8_rounding.h has no line '#define %s'", mark);
    if (e->low->rounding == LB_ROUND_TFLITE)
        at[sizeof mark - 2] = '1';
    return emit_text(e, "fw8_rounding.h", text, err);
}

static lb_code emit_kernels(lb_emission *e, lb_error *err)
{
    lb_fw_file used[LB_FW_MOST];
    const int n = lb_emit_kernels(e->low, used);

    if (e->low->dtype == LB_I8) {
        LB_TRY(emit_text(e, "fw8.h", lb_fw_text_fw8, err));
        LB_TRY(emit_text(e, "fw8_eight.h", lb_fw_text_fw8_eight, err));
        LB_TRY(emit_text(e, "fw8_ending.h", lb_fw_text_fw8_ending, err));
        LB_TRY(emit_text(e, "fw8_wide.h", lb_fw_text_fw8_wide, err));
        LB_TRY(emit_rounding(e, err));
    } else {
        LB_TRY(emit_text(e, "fw.h", lb_fw_text_fw, err));
    }
    for (int i = 0; i < n; i++)
        LB_TRY(emit_text(e, lb_arena_text(e->arena, "fw_%s.c", used[i].stem),
                         used[i].text, err));
    return LB_OK;
}

/* The firmware's folder has files of these names. */
static bool is_taken(const char *name)
{
    static const char *const names[] = {"selftest", "benchmark", "vectors", "fw", "fw8"};
    bool taken = strncmp(name, "fw_", 3) == 0 || strncmp(name, "fw8_", 4) == 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        taken = taken || strcmp(name, names[i]) == 0;
    return taken;
}

static bool is_identifier(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

lb_code lb_emit(const lb_low *low, const lb_emit_options *options, const char *folder,
                lb_arena *arena, lb_emitted *out, lb_error *err)
{
    const char *const name = options->name ? options->name : "net";
    char *const upper = lb_arena_copy_text(arena, name);
    lb_emission e = {.low = low,
                     .form = low->dtype == LB_I8 ? &lb_emit_int8 : &lb_emit_fp32,
                     .options = options,
                     .name = name,
                     .upper = upper,
                     .folder = folder,
                     .arena = arena,
                     .out = out};

    *out = (lb_emitted){0};
    if (!is_identifier(name) || strlen(name) > 64)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' is no name for C; give letters, digits and underscores, at "
                        "most 64",
                        name);
    if (is_taken(name))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' is the name of another file of the firmware; give another",
                        name);
    if (!upper)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to emit firmware");
    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    for (int i = 0; i < low->n_steps; i++)
        if (!lb_fw_find(low->dtype, low->step[i].kind))
            return lb_raise(err, LB_ERR_UNSUPPORTED, "no firmware exists for '%s' (%s)",
                            low->step[i].name, lb_low_kind_name(low->step[i].kind));
    LB_TRY(lb_emit_check_options(&e, err));
    lb_emit_choose_folders(&e);
    LB_TRY(emit_header(&e, err));
    LB_TRY(emit_source(&e, err));
    LB_TRY(emit_weights(&e, err));
    LB_TRY(emit_kernels(&e, err));
    if (options->n_vectors > 0)
        LB_TRY(e.form->vectors(&e, err));
    return lb_emit_package(&e, err);
}
