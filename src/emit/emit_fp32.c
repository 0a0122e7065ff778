/* emit_fp32.c: networks of floats: their constants and their steps. */
#include "emit/emit_int.h"

#include <float.h>
#include <stdio.h>

static bool add_constants(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    const size_t n = lb_low_weights(e->low, s);
    const int channels = e->low->buffer[s->out].dims.c;

    if (!s->weight)
        return true;
    lb_text_add(t, "\n/* %s */\n", lb_emit_safe(e, s->name));
    lb_emit_array_floats(e, t, "weight", i, s->weight, n);
    lb_emit_array_floats(e, t, "bias", i, s->bias, (size_t)channels);
    return true;
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
    const char *const function = lb_fw_find(LB_F32, s->kind)->function;
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

static void add_step(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];

    if (s->kind == LB_LOW_CONCAT) {
        add_concat(e, t, s);
        return;
    }
    add_shape(t, e->low, s, &e->low->buffer[s->in[0]].dims);
    add_call(e, t, i);
}

const lb_emit_form lb_emit_fp32 = {
    .type = "float",
    .preamble = "#include \"%1.h\"\n\n#include \"%1_weights.h\"\n#include \"fw.h\"\n\n"
                "#include <float.h>\n#include <stddef.h>\n#include <string.h>\n\n"
                "static float arena[%2_ARENA_BYTES / sizeof(float)];\n\n" LB_EMIT_TRACE,
    .includes = "",
    .at = at,
    .constants = add_constants,
    .step = add_step,
    .vectors = lb_emit_vectors_fp32,
};
