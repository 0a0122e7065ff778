/* emit_int8.c: int8 networks: their constants, laid out for the kernels, and their steps.
 *
 * Zero points of inputs are folded into the biases; channels are filled up to whole
 * groups of four, inputs to whole blocks of four. */
#include "emit/emit_int.h"

#include "lower/low_packed.h"

#include <stdio.h>
#include <string.h>

static const lb_qparams *grid_of(const lb_emission *e, int buffer)
{
    return &e->low->buffer[buffer].q;
}

static const lb_low_dims *dims_of(const lb_emission *e, int buffer)
{
    return &e->low->buffer[buffer].dims;
}

static void describe_input(lb_emission *e, lb_text *t, int k)
{
    const lb_qparams *const q = grid_of(e, e->low->input[k].buffer);
    const char *const n = lb_emit_input_number(e, k), *const u = e->upper;

    lb_text_add(t,
                "#define %s_INPUT%s_SCALE %.8ef\n#define %s_INPUT%s_ZERO (%d)\n\n"
                "/* An element of the input: the nearest, ties to even. */\n"
                "static inline int8_t %s_quantise%s(float real)\n{\n",
                u, n, (double)q->scale, u, n, q->zero, e->name, n);
    lb_text_add(t,
                "    const float q = real / %s_INPUT%s_SCALE;\n\n"
                "    if (!(q > -128 - %s_INPUT%s_ZERO))\n        return -128;\n"
                "    if (q >= 127 - %s_INPUT%s_ZERO)\n        return 127;\n"
                "    return (int8_t)(lrintf(q) + %s_INPUT%s_ZERO);\n}\n\n",
                u, n, u, n, u, n, u, n);
}

static void describe(lb_emission *e, lb_text *t)
{
    const lb_qparams *const out = grid_of(e, e->low->output_buffer);

    lb_text_add(t,
                "/* An element q stands for SCALE * (q - ZERO). */\n"
                "#define %s_OUTPUT_SCALE %.8ef\n#define %s_OUTPUT_ZERO (%d)\n\n",
                e->upper, (double)out->scale, e->upper, out->zero);
    for (int k = 0; k < e->low->n_inputs; k++)
        describe_input(e, t, k);
    lb_emit_template(e, t,
                     "/* The number that an element of the output stands for. */\n"
                     "static inline float %1_dequantise(int8_t q)\n{\n"
                     "    return %2_OUTPUT_SCALE * (float)(q - %2_OUTPUT_ZERO);\n}\n\n");
}

static const char *at(lb_emission *e, int buffer, char text[48])
{
    if (buffer < 0)
        return "NULL";
    snprintf(text, 48, "AT(%zu)", e->low->buffer[buffer].offset);
    return text;
}

/* ---------------------------------------------------------------------------- constants
 */

static bool is_deep(const lb_low_step *s)
{
    return s->kind == LB_LOW_DEPTHWISE;
}

static size_t up_to_four(size_t n)
{
    return (n + 3) / 4 * 4;
}

/* What a channel's sum ranges over. */
static size_t inputs_of(const lb_emission *e, const lb_low_step *s)
{
    return lb_low_weights(e->low, s) / (size_t)dims_of(e, s->out)->c;
}

/* Weight k of channel m in the lowered form. */
static int8_t weight_at(const lb_emission *e, const lb_low_step *s, size_t m, size_t k)
{
    const size_t channels = (size_t)dims_of(e, s->out)->c;

    return s->q->weight[is_deep(s) ? k * channels + m : m * inputs_of(e, s) + k];
}

/* FW8_PAIRS of fw8.h. */
static size_t place_in_pairs(size_t m, size_t k, size_t inputs)
{
    static const size_t of_channel[] = {0, 1, 4, 5}, of_input[] = {0, 8, 2, 10};

    return (m / 4 * inputs + k / 4 * 4) * 4 + of_channel[m % 4] + of_input[k % 4];
}

/* FW8_ROWS. */
static size_t place_in_rows(size_t m, size_t k, size_t inputs)
{
    return m / 4 * 4 * inputs + k / 16 * 64 + m % 4 * 16 + k % 16;
}

/* An order of the weights of a convolution or dense layer, as fw8.h describes it. */
typedef struct order {
    const char *name;
    size_t channels, inputs; /* of a block; filled up with zeros to whole blocks */
    /* Where the weight of channel m and input k goes; inputs: filled up. */
    size_t (*place)(size_t m, size_t k, size_t inputs);
} order;

static const order orders[] = {{"FW8_PAIRS", 4, 4, place_in_pairs},
                               {"FW8_ROWS", 4, 16, place_in_rows}};

static size_t up_to(size_t n, size_t block)
{
    return (n + block - 1) / block * block;
}

/* n weights in their order, those of a block of channels one after the other. */
static bool add_array(lb_emission *e, lb_text *t, int i, const int8_t *weight, size_t n,
                      size_t block)
{
    if (e->low->step[i].q->packed)
        return lb_emit_packed(e, t, i, weight, n, block);
    lb_emit_array_bytes(e, t, "weight", i, weight, n);
    return true;
}

static bool add_weights_in_order(lb_emission *e, lb_text *t, int i, const order *o)
{
    const lb_low_step *const s = &e->low->step[i];
    const size_t channels = (size_t)dims_of(e, s->out)->c, inputs = inputs_of(e, s);
    const size_t padded = up_to(inputs, o->inputs);
    const size_t n = up_to(channels, o->channels) * padded;
    int8_t *const weight = LB_TAKE_ARRAY(e->arena, n, int8_t);

    if (!weight)
        return false;
    for (size_t m = 0; m < channels; m++)
        for (size_t k = 0; k < inputs; k++)
            weight[o->place(m, k, padded)] = weight_at(e, s, m, k);
    return add_array(e, t, i, weight, n, o->channels * padded);
}

/* All orders, of which the compiler takes one. */
static bool add_orders(lb_emission *e, lb_text *t, int i)
{
    for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
        lb_text_add(t, "#%sif FW8_ORDER == %s\n", k == 0 ? "" : "el", orders[k].name);
        if (!add_weights_in_order(e, t, i, &orders[k]))
            return false;
    }
    lb_text_add(t, "#endif\n");
    return true;
}

/* [group][tap][channel] */
static bool add_deep_weights(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    const size_t channels = (size_t)dims_of(e, s->out)->c, taps = inputs_of(e, s);
    const size_t n = up_to_four(channels) * taps;
    int8_t *const weight = LB_TAKE_ARRAY(e->arena, n, int8_t);

    if (!weight)
        return false;
    for (size_t m = 0; m < channels; m++)
        for (size_t k = 0; k < taps; k++)
            weight[(m / 4 * taps + k) * 4 + m % 4] = weight_at(e, s, m, k);
    return add_array(e, t, i, weight, n, 4 * taps);
}

/* Weights of 4 bits are unpacked as 16 times what they are: then their factors are as
 * small as those of whole bytes, and the fast ways can take them. Where one rounding
 * follows another that would be another result. The power of two. */
static int raise_of(const lb_emission *e, const lb_low_step *s)
{
    return s->q->packed && e->low->rounding == LB_ROUND_SINGLE ? 4 : 0;
}

static bool add_biases(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    const size_t channels = (size_t)dims_of(e, s->out)->c, inputs = inputs_of(e, s);
    const size_t padded = up_to_four(channels);
    int32_t *const bias = LB_TAKE_ARRAY(e->arena, padded, int32_t);

    if (!bias)
        return false;
    for (size_t m = 0; m < channels; m++) {
        int32_t sum = 0;
        for (size_t k = 0; k < inputs; k++)
            sum += weight_at(e, s, m, k);
        bias[m] =
            (s->q->bias[m] - grid_of(e, s->in[0])->zero * sum) * (1 << raise_of(e, s));
    }
    lb_emit_array_ints(e, t, "bias", i, bias, padded);
    return true;
}

static bool add_weights(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];

    lb_text_add(t, "\n/* %s */\n", lb_emit_safe(e, s->name));
    return (is_deep(s) ? add_deep_weights(e, t, i) : add_orders(e, t, i)) &&
           add_biases(e, t, i);
}

/* The exponent as the kernels want it. */
static int8_t shift_of(lb_multiplier m, lb_rounding rounding)
{
    if (m.q == 0)
        return 0;
    return (int8_t)((rounding == LB_ROUND_TFLITE ? 0 : -2) - m.shift);
}

/* Of factor k of a step. Beyond 31 bits nothing but the sign is left. */
static int8_t exponent_of(const lb_emission *e, const lb_low_step *s, int k)
{
    const lb_multiplier m = s->q->multiplier[k];
    const int shift = shift_of(m, e->low->rounding) + (m.q ? raise_of(e, s) : 0);

    return (int8_t)(shift < 31 ? shift : 31);
}

static bool add_factors(lb_emission *e, lb_text *t, int i)
{
    const lb_low_int8 *const q = e->low->step[i].q;
    const size_t n = up_to_four((size_t)q->n_multipliers);
    int32_t *const factor = LB_TAKE_ARRAY(e->arena, n, int32_t);
    int8_t *const shift = LB_TAKE_ARRAY(e->arena, n, int8_t);

    if (!factor || !shift)
        return false;
    for (int k = 0; k < q->n_multipliers; k++) {
        factor[k] = q->multiplier[k].q;
        shift[k] = exponent_of(e, &e->low->step[i], k);
    }
    lb_emit_array_ints(e, t, "factor", i, factor, n);
    lb_emit_array_bytes(e, t, "shift", i, shift, n);
    return true;
}

static bool add_constants(lb_emission *e, lb_text *t, int i)
{
    const lb_low_int8 *const q = e->low->step[i].q;

    if (q->weight && !add_weights(e, t, i))
        return false;
    return q->n_multipliers == 0 || add_factors(e, t, i);
}

/* -------------------------------------------------------------------------------- steps
 */

static void add_shape(lb_emission *e, lb_text *t, const lb_low_step *s, int from)
{
    const lb_low_dims *const in = dims_of(e, from), *const out = dims_of(e, s->out);
    const int fill = s->kind == LB_LOW_PAD ? s->q->value : grid_of(e, from)->zero;

    lb_text_add(t, "    static const fw8_shape s = {%d, %d, %d, %d, %d, %d, ", in->h,
                in->w, in->c, out->h, out->w, out->c);
    lb_text_add(t, "%d, %d, %d, %d, %d, %d, ", s->kernel_h, s->kernel_w, s->stride_h,
                s->stride_w, s->dilation_h, s->dilation_w);
    lb_text_add(t, "%d, %d, %d, %d, %d};\n", s->pad_top, s->pad_left, s->pad_bottom,
                s->pad_right, fill);
}

/* y = a + b: a on the grid za, b in buffer zb. */
static void add_sum(lb_emission *e, lb_text *t, const lb_low_step *s, int za, int b)
{
    const lb_sum_params *const p = &s->q->sum;
    const int zb = grid_of(e, b)->zero;

    lb_text_add(t, "    static const fw8_sum sum = {");
    if (e->low->rounding == LB_ROUND_TFLITE)
        lb_text_add(t, "%d, %d, %d, %d, %d, %d, %d, %d, ", za, zb, (int)p->in[0].q,
                    (int)p->in[1].q, (int)p->out.q, shift_of(p->in[0], LB_ROUND_TFLITE),
                    shift_of(p->in[1], LB_ROUND_TFLITE),
                    shift_of(p->out, LB_ROUND_TFLITE));
    else
        lb_text_add(t, "%d, %d, %d, %d, ", (int)p->factor[0], (int)p->factor[1],
                    (1 << (p->shift - 1)) - za * (int)p->factor[0] -
                        zb * (int)p->factor[1],
                    p->shift);
    lb_text_add(t, "%d, %d, %d};\n", grid_of(e, s->out)->zero, s->q->low, s->q->high);
}

/* No shift is below 0: factors are below 1/4, or by the double rounding at most 1. */
static bool is_flat(const lb_emission *e, const lb_low_step *s)
{
    bool flat = true;

    for (int i = 0; i < s->q->n_multipliers; i++)
        flat = flat && exponent_of(e, s, i) >= 0;
    return flat;
}

/* The usual case, which the DSP instructions have a fast way for. */
static bool is_plain(const lb_emission *e, const lb_low_step *s)
{
    const lb_low_int8 *const q = s->q;
    const bool adds = s->in[1] >= 0;

    return e->low->rounding == LB_ROUND_SINGLE &&
           (adds ? q->middle_low : q->low) == -128 &&
           (adds ? q->middle_high : q->high) == 127 && is_flat(e, s);
}

/* No weight is -128. */
static bool is_paired(const lb_emission *e, const lb_low_step *s)
{
    const size_t n = lb_low_weights(e->low, s);

    return memchr(s->q->weight, -128, n) == NULL;
}

static void add_layer(lb_emission *e, lb_text *t, const lb_low_step *s, int i)
{
    const lb_low_int8 *const q = s->q;
    const bool adds = s->in[1] >= 0;

    char weight[32] = "NULL";

    if (adds)
        add_sum(e, t, s, q->middle.zero, s->in[1]);
    if (!q->packed)
        snprintf(weight, sizeof weight, "weight%d", i);
    lb_text_add(t,
                "    static const fw8_layer l = {%s, bias%d, {factor%d, shift%d, "
                "%d, %d, %d}, %d, %d, %d, %s};\n",
                weight, i, i, i, adds ? q->middle.zero : grid_of(e, s->out)->zero,
                adds ? q->middle_low : q->low, adds ? q->middle_high : q->high,
                is_flat(e, s), is_plain(e, s), is_paired(e, s), adds ? "&sum" : "NULL");
}

/* The grid of the output, by the multipliers from number k on. */
static void add_grid(lb_emission *e, lb_text *t, const lb_low_step *s, int i, int k)
{
    if (s->q->n_multipliers > 0)
        lb_text_add(t, "    static const fw8_grid g = {factor%d + %d, shift%d + %d, ", i,
                    k, i, k);
    else
        lb_text_add(t, "    static const fw8_grid g = {NULL, NULL, ");
    lb_text_add(t, "%d, %d, %d};\n", grid_of(e, s->out)->zero, s->q->low, s->q->high);
}

/* ------------------------------------------------------------------- room of FW8_WIDE
 * Bytes of the scratch memory that its kernels need at most, whatever the instructions.
 */

/* Blocks and rows of the weights of eight channels, and n units: see fw_wide_dot8.c. */
static size_t room_of_dot(size_t runs, size_t run, size_t n)
{
    return 64 * runs * (up_to_four(run) / 4) + 8 * (up_to_four(runs * run) + 4) +
           2 * (n + 4);
}

/* Of the input with its padding: rows under all windows; positions of such a row. */
static size_t rows_under(const lb_emission *e, const lb_low_step *s)
{
    return (size_t)(dims_of(e, s->out)->h - 1) * (size_t)s->stride_h +
           (size_t)(s->kernel_h - 1) * (size_t)s->dilation_h + 1;
}

static size_t width_under(const lb_emission *e, const lb_low_step *s)
{
    return (size_t)(dims_of(e, s->out)->w - 1) * (size_t)s->stride_w +
           (size_t)(s->kernel_w - 1) * (size_t)s->dilation_w + 1;
}

static size_t room_of(const lb_emission *e, const lb_low_step *s)
{
    const lb_low_dims *const in = dims_of(e, s->in[0]);
    const size_t c = (size_t)in->c, kernel_h = (size_t)s->kernel_h;
    const size_t kernel_w = (size_t)s->kernel_w, width = width_under(e, s);

    if (s->kind == LB_LOW_CONV)
        return room_of_dot(s->dilation_w == 1 ? kernel_h : kernel_h * kernel_w,
                           s->dilation_w == 1 ? kernel_w * c : c,
                           rows_under(e, s) * width * c);
    if (s->kind == LB_LOW_POINTWISE)
        return room_of_dot(1, c, lb_low_count(in));
    if (s->kind == LB_LOW_DENSE)
        return room_of_dot(1, lb_low_count(in), lb_low_count(in));
    if (s->kind == LB_LOW_DEPTHWISE) /* see fw_wide_depthwise8.c; columns may lie */
        return 32 * kernel_h * ((kernel_w + 1) / 2) +
               8 * (rows_under(e, s) + (size_t)s->dilation_h + width +
                    (size_t)s->dilation_w) +
               32 * rows_under(e, s) * width;
    return 0;
}

static void add_room(lb_emission *e, lb_text *t)
{
    size_t most = 32;

    for (int i = 0; i < e->low->n_steps; i++) {
        const size_t room = room_of(e, &e->low->step[i]);
        most = room > most ? room : most;
    }
    lb_text_add(t,
                "/* Scratch memory: in the arena, or of its own for kernels that want "
                "more. */\n"
                "#if FW8_WIDE\n"
                "static int32_t room[%zu] FW8_ALIGNED;\n"
                "#define SCRATCH(offset) ((void *)room)\n"
                "#else\n"
                "#define SCRATCH(offset) AT(offset)\n"
                "#endif\n\n",
                (most + 3) / 4);
}

static void add_convolution(lb_emission *e, lb_text *t, const lb_low_step *s, int i)
{
    const size_t room = s->q->packed ? lb_low_unpacking_bytes(e->low, s) : 0;
    char x[48], z[48], y[48];

    add_shape(e, t, s, s->in[0]);
    add_layer(e, t, s, i);
    lb_text_add(t, "    %s(&s, &l, ", lb_fw_of(e->low, s)->function);
    if (s->q->packed)
        lb_text_add(t, "packed%d, %d, ", i, lb_low_tile(e->low, s));
    lb_text_add(t, "%s, ", at(e, s->in[0], x));
    if (s->kind != LB_LOW_DENSE)
        lb_text_add(t, "%s, ", at(e, s->in[1], z));
    if (s->q->packed)
        lb_text_add(t, "AT(%zu), ", e->low->buffer[s->scratch].offset);
    lb_text_add(t, "SCRATCH(%zu), %s);\n", e->low->buffer[s->scratch].offset + room,
                at(e, s->out, y));
}

static void add_pool(lb_emission *e, lb_text *t, const lb_low_step *s, int i)
{
    const bool padded = s->pad_top || s->pad_left || s->pad_bottom || s->pad_right;
    char x[48], y[48];

    add_shape(e, t, s, s->in[0]);
    if (s->kind == LB_LOW_MAX_POOL) {
        lb_text_add(t, "    fw8_max_pool(&s, %d, %d, %s, %s);\n", s->q->low, s->q->high,
                    at(e, s->in[0], x), at(e, s->out, y));
        return;
    }
    add_grid(e, t, s, i, 0);
    lb_text_add(t, "    fw8_average_pool(&s, &g, %d, %d, %s, %s);\n",
                padded && !s->count_include_pad, grid_of(e, s->in[0])->zero,
                at(e, s->in[0], x), at(e, s->out, y));
}

static void add_concat(lb_emission *e, lb_text *t, const lb_low_step *s, int i)
{
    const lb_qparams *const to = grid_of(e, s->out);
    int first = 0;
    char x[48], y[48];

    for (int k = 0; k < s->n_in_all; k++) {
        const int from = s->in_all[k];
        const lb_qparams *const q = grid_of(e, from);
        const bool same = q->scale == to->scale && q->zero == to->zero &&
                          s->q->low == -128 && s->q->high == 127;
        lb_text_add(t, "    {\n");
        add_shape(e, t, s, from);
        if (!same)
            add_grid(e, t, s, i, k);
        lb_text_add(t, "    fw8_concat(&s, %s, %d, %d, %s, %s);\n    }\n",
                    same ? "NULL" : "&g", q->zero, first, at(e, from, x),
                    at(e, s->out, y));
        first += dims_of(e, from)->c;
    }
}

/* Steps that go element by element. */
static void add_elements(lb_emission *e, lb_text *t, const lb_low_step *s, int i)
{
    const size_t n = lb_low_count(dims_of(e, s->out));
    const int zero = grid_of(e, s->in[0])->zero;
    const lb_softmax_params *const p = &s->q->softmax;
    char x[48], z[48], y[48];

    at(e, s->in[0], x);
    at(e, s->out, y);
    if (s->kind == LB_LOW_ADD) {
        add_sum(e, t, s, zero, s->in[1]);
        lb_text_add(t, "    fw8_add(&sum, %zu, %s, %s, %s);\n", n, x, at(e, s->in[1], z),
                    y);
    } else if (s->kind == LB_LOW_ACTIVATION) {
        add_grid(e, t, s, i, 0);
        lb_text_add(t, "    fw8_activation(&g, %d, %zu, %s, %s);\n", zero, n, x, y);
    } else {
        lb_text_add(t, "    fw8_softmax(%d, %d, %d, %zu, %s, %s);\n", (int)p->scale.q,
                    p->scale.shift, (int)p->least, n, x, y);
    }
}

static void add_step(lb_emission *e, lb_text *t, int i)
{
    const lb_low_step *const s = &e->low->step[i];
    char x[48], y[48];

    switch (s->kind) {
    case LB_LOW_CONV:
    case LB_LOW_POINTWISE:
    case LB_LOW_DEPTHWISE:
    case LB_LOW_DENSE:
        add_convolution(e, t, s, i);
        break;
    case LB_LOW_MAX_POOL:
    case LB_LOW_AVERAGE_POOL:
        add_pool(e, t, s, i);
        break;
    case LB_LOW_ADD:
    case LB_LOW_ACTIVATION:
    case LB_LOW_SOFTMAX:
        add_elements(e, t, s, i);
        break;
    case LB_LOW_CONCAT:
        add_concat(e, t, s, i);
        break;
    case LB_LOW_PAD:
    case LB_LOW_COPY:
        add_shape(e, t, s, s->in[0]);
        lb_text_add(t, "    %s(&s, %s, %s);\n", lb_fw_find(LB_I8, s->kind)->function,
                    at(e, s->in[0], x), at(e, s->out, y));
        break;
    case LB_LOW_AFFINE: /* never in int8 */
        break;
    }
}

const lb_emit_form lb_emit_int8 = {
    .type = "int8_t",
    .preamble = "#include \"%1.h\"\n\n#include \"fw8.h\"\n#include \"%1_weights.h\"\n\n"
                "#include <stddef.h>\n#include <string.h>\n\n"
                "/* in words, for alignment */\n"
                "static int32_t arena[(%2_ARENA_BYTES + 3) / 4];\n"
                "#define AT(offset) ((int8_t *)arena + (offset))\n\n" LB_EMIT_TRACE,
    .room = add_room,
    .includes = "#include <math.h>\n#include <stdint.h>\n\n",
    .describe = describe,
    .at = at,
    .constants = add_constants,
    .step = add_step,
    .vectors = lb_emit_vectors_int8,
};
