/* emit.c: the network's own files: NAME.h, NAME.c, NAME_weights.h and the kernels. */
#include "emit/emit_int.h"

#include <ctype.h>
#include <float.h>
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
    lb_text_add(&t, "#ifndef %s_H\n#define %s_H\n\n", u, u);
    lb_text_add(&t,
                "/* Input '%s'%s%s: channels-last, element (h, w, c) is at\n"
                " * (h * WIDTH + w) * CHANNELS + c. */\n",
                lb_emit_safe(e, low->input_name), e->options->pixel_note ? ", " : "",
                e->options->pixel_note ? lb_emit_safe(e, e->options->pixel_note) : "");
    lb_text_add(&t,
                "#define %s_INPUT_HEIGHT %d\n#define %s_INPUT_WIDTH %d\n"
                "#define %s_INPUT_CHANNELS %d\n#define %s_INPUT_SIZE %zu\n\n",
                u, low->input.h, u, low->input.w, u, low->input.c, u,
                lb_low_count(&low->input));
    lb_text_add(&t, "/* Output '%s': channels-last too. */\n",
                lb_emit_safe(e, low->output_name));
    lb_text_add(&t,
                "#define %s_OUTPUT_HEIGHT %d\n#define %s_OUTPUT_WIDTH %d\n"
                "#define %s_OUTPUT_CHANNELS %d\n#define %s_OUTPUT_SIZE %zu\n\n",
                u, low->output.h, u, low->output.w, u, low->output.c, u,
                lb_low_count(&low->output));
    lb_text_add(&t,
                "/* Bytes of the one static arena, input and output included, and of the "
                "constants. */\n#define %s_ARENA_BYTES %zu\n#define %s_WEIGHT_BYTES "
                "%zu\n\n",
                u, low->arena_bytes, u, low->weight_bytes);
    lb_text_add(
        &t,
        "/* Runs the network once. Not reentrant: the arena is shared. in may be\n"
        " * %s_input(), then nothing is copied. */\nvoid %s_run(const float *in, "
        "float *out);\n\n/* Where the input lies; %s_run may write over it. */\n"
        "float *%s_input(void);\n\n",
        e->name, e->name, e->name, e->name);
    add_memory_map(e, &t);
    lb_text_add(&t, "\n#endif\n");
    return lb_emit_file(e, file, &t, err);
}

static lb_code emit_weights(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const char *const file = lb_arena_text(e->arena, "%s_weights.h", e->name);
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    add_banner(&t, file, "weights and biases.");
    lb_text_add(&t, "#ifndef %s_WEIGHTS_H\n#define %s_WEIGHTS_H\n", e->upper, e->upper);
    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        const size_t n = lb_low_weights(low, s);
        if (!s->weight)
            continue;
        lb_text_add(&t, "\n/* %s */\nstatic const float weight%d[%zu] = {\n",
                    lb_emit_safe(e, s->name), i, n);
        lb_emit_floats(&t, s->weight, n);
        lb_text_add(&t, "};\nstatic const float bias%d[%d] = {\n", i,
                    low->buffer[s->out].dims.c);
        lb_emit_floats(&t, s->bias, (size_t)low->buffer[s->out].dims.c);
        lb_text_add(&t, "};\n");
    }
    lb_text_add(&t, "\n#endif\n");
    return lb_emit_file(e, file, &t, err);
}

static const char *limit(float v)
{
    return v <= -FLT_MAX ? "-FLT_MAX" : "FLT_MAX";
}

static void add_limit(lb_text *t, float v)
{
    if (v <= -FLT_MAX || v >= FLT_MAX)
        lb_text_add(t, "%s", limit(v));
    else
        lb_text_add(t, "%af", (double)v);
}

static void add_shape(lb_text *t, const lb_low *low, const lb_low_step *s,
                      const lb_low_dims *in)
{
    const lb_low_dims *const out = &low->buffer[s->out].dims;

    lb_text_add(t, "    static const fw_shape s = {%d, %d, %d, %d, %d, %d,", in->h, in->w,
                in->c, out->h, out->w, out->c);
    lb_text_add(t, " %d, %d, %d, %d, %d, %d,", s->kernel_h, s->kernel_w, s->stride_h,
                s->stride_w, s->dilation_h, s->dilation_w);
    lb_text_add(t, " %d, %d, %d, %d, %d, ", s->pad_top, s->pad_left, s->pad_bottom,
                s->pad_right, s->count_include_pad);
    add_limit(t, s->low);
    lb_text_add(t, ", ");
    add_limit(t, s->high);
    lb_text_add(t, "};\n");
}

/* Buffers are multiples of four bytes, so offsets are floats. */
static const char *at(lb_emission *e, int buffer, char text[48])
{
    if (buffer < 0)
        return "NULL";
    snprintf(text, 48, "arena + %zu", e->low->buffer[buffer].offset / sizeof(float));
    return text;
}

static void add_call(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    const char *const function = lb_fw_find(s->kind)->function;
    char x[48], z[48], y[48];

    lb_text_add(t, "    %s(&s, %s", function, at(e, s->in[0], x));
    switch (s->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
    case LB_LOW_DEPTHWISE:
        lb_text_add(t, ", weight%d, bias%d, %s", i, i, at(e, s->in[1], z));
        break;
    case LB_LOW_DENSE:
    case LB_LOW_AFFINE:
        lb_text_add(t, ", weight%d, bias%d", i, i);
        break;
    case LB_LOW_ADD:
        lb_text_add(t, ", %s", at(e, s->in[1], z));
        break;
    case LB_LOW_PAD:
        lb_text_add(t, ", %af", (double)s->value);
        break;
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
    case LB_LOW_SOFTMAX:
    case LB_LOW_ACTIVATION:
    case LB_LOW_CONCAT:
    case LB_LOW_COPY:
        break;
    }
    lb_text_add(t, ", %s);\n", at(e, s->out, y));
}

static void add_concat(lb_emission *e, lb_text *t, const lb_low_step *s)
{
    int first = 0;
    char x[48], y[48];

    for (int i = 0; i < s->n_in_all; i++) {
        const lb_low_dims *const in = &e->low->buffer[s->in_all[i]].dims;
        lb_text_add(t, "    {\n");
        add_shape(t, e->low, s, in);
        lb_text_add(t, "    fw_concat(&s, %s, %d, %s);\n    }\n", at(e, s->in_all[i], x),
                    first, at(e, s->out, y));
        first += in->c;
    }
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
    if (s->kind == LB_LOW_CONCAT) {
        add_concat(e, t, s);
    } else {
        add_shape(t, e->low, s, in);
        add_call(e, t, i);
    }
    lb_text_add(t, "}\n\n");
}

static lb_code emit_source(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const char *const file = lb_arena_text(e->arena, "%s.c", e->name);
    char in[48], out[48];
    lb_text t;

    if (!file)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    lb_text_init(&t, e->arena);
    add_banner(&t, file, "the network's steps.");
    lb_text_add(&t,
                "#include \"%s.h\"\n\n#include \"%s_weights.h\"\n#include \"fw.h\"\n\n"
                "#include <float.h>\n#include <stddef.h>\n#include <string.h>\n\n"
                "static float arena[%s_ARENA_BYTES / sizeof(float)];\n\n",
                e->name, e->name, e->upper);
    for (int i = 0; i < low->n_steps; i++)
        add_step(e, &t, i);
    at(e, low->input_buffer, in);
    at(e, low->output_buffer, out);
    lb_text_add(&t, "float *%s_input(void)\n{\n    return %s;\n}\n\n", e->name, in);
    lb_text_add(&t,
                "void %s_run(const float *in, float *out)\n{\n"
                "    if (in != %s)\n"
                "        memcpy(%s, in, %s_INPUT_SIZE * sizeof(float));\n",
                e->name, in, in, e->upper);
    for (int i = 0; i < low->n_steps; i++)
        lb_text_add(&t, "    step%d();\n", i);
    lb_text_add(&t, "    memcpy(out, %s, %s_OUTPUT_SIZE * sizeof(float));\n}\n", out,
                e->upper);
    return lb_emit_file(e, file, &t, err);
}

static lb_code emit_kernels(lb_emission *e, lb_error *err)
{
    const lb_fw *used[LB_FW_MOST];
    const int n = lb_emit_kernels(e->low, used);
    lb_text t;

    for (int i = -1; i < n; i++) {
        const char *const file =
            i < 0 ? "fw.h" : lb_arena_text(e->arena, "fw_%s.c", used[i]->stem);
        if (!file)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
        const char *const text = i < 0 ? lb_fw_text_fw : used[i]->text;
        lb_text_init(&t, e->arena);
        lb_text_add_chars(&t, text, strlen(text));
        LB_TRY(lb_emit_file(e, file, &t, err));
    }
    return LB_OK;
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
    if (!upper)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to emit firmware");
    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    for (int i = 0; i < low->n_steps; i++)
        if (!lb_fw_find(low->step[i].kind))
            return lb_raise(err, LB_ERR_UNSUPPORTED, "no firmware exists for '%s' (%s)",
                            low->step[i].name, lb_low_kind_name(low->step[i].kind));
    LB_TRY(emit_header(&e, err));
    LB_TRY(emit_source(&e, err));
    LB_TRY(emit_weights(&e, err));
    LB_TRY(emit_kernels(&e, err));
    return lb_emit_test(&e, err);
}
