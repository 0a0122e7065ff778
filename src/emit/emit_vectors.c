/* emit_vectors.c: vectors.h: inputs of the self-test, and what limbeck computes from
 * them. */
#include "emit/emit_int.h"

/* [C,H,W] to channels-last. */
static size_t place(const lb_low_dims *d, size_t i)
{
    const size_t area = (size_t)d->h * (size_t)d->w;

    return i % area * (size_t)d->c + i / area;
}

/* Texts of the arrays under way. */
typedef struct vectors {
    lb_text inputs[LB_LOW_INPUTS], outputs, sums;
} vectors;

static void begin(lb_emission *e, vectors *v)
{
    const char *const type = e->form->type;

    lb_text_init(&v->outputs, e->arena);
    lb_text_init(&v->sums, e->arena);
    for (int k = 0; k < e->low->n_inputs; k++) {
        const char *const number = lb_emit_input_number(e, k);
        lb_text_init(&v->inputs[k], e->arena);
        lb_text_add(&v->inputs[k],
                    "static const %s test_in%s[N_VECTORS][%s_INPUT%s_SIZE] = {\n", type,
                    number, e->upper, number);
    }
    lb_text_add(&v->outputs, "static const %s test_out[N_VECTORS][%s_OUTPUT_SIZE] = {\n",
                type, e->upper);
}

/* n elements of a vector, [C,H,W], as the firmware has them. */
static void add_floats(lb_emission *e, lb_text *t, const lb_low_dims *dims,
                       const float *plain)
{
    const size_t n = lb_low_count(dims);
    float *const turned = LB_TAKE_ARRAY(e->arena, n, float);

    for (size_t i = 0; turned && i < n; i++)
        turned[place(dims, i)] = plain[i];
    lb_text_add(t, "{\n");
    if (turned)
        lb_emit_floats(t, turned, n);
    t->failed = t->failed || !turned;
    lb_text_add(t, "},\n");
}

static void add_bytes(lb_emission *e, lb_text *t, const lb_low_dims *dims,
                      const int8_t *plain)
{
    const size_t n = lb_low_count(dims);
    int8_t *const turned = LB_TAKE_ARRAY(e->arena, n, int8_t);

    for (size_t i = 0; turned && i < n; i++)
        turned[place(dims, i)] = plain[i];
    lb_text_add(t, "{\n");
    if (turned)
        lb_emit_bytes(t, turned, n);
    t->failed = t->failed || !turned;
    lb_text_add(t, "},\n");
}

static lb_code finish(lb_emission *e, vectors *v, lb_error *err)
{
    bool failed = v->outputs.failed || v->sums.failed;
    lb_text t;

    lb_text_init(&t, e->arena);
    lb_text_add(&t,
                "/* vectors.h: inputs, and what limbeck computes from them. */\n"
                "#ifndef %s_VECTORS_H\n#define %s_VECTORS_H\n\n#define N_VECTORS %d\n\n",
                e->upper, e->upper, e->options->n_vectors);
    for (int k = 0; k < e->low->n_inputs; k++) {
        failed = failed || v->inputs[k].failed;
        if (!failed)
            lb_text_add_chars(&t, v->inputs[k].chars, v->inputs[k].n);
        lb_text_add(&t, "};\n\n");
    }
    if (failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    lb_text_add_chars(&t, v->outputs.chars, v->outputs.n);
    lb_text_add(&t, "};\n");
    lb_text_add_chars(&t, v->sums.chars, v->sums.n);
    lb_text_add(&t, "\n#endif\n");
    return lb_emit_file(e, lb_emit_test_path(e, "vectors.h"), &t, err);
}

lb_code lb_emit_vectors_fp32(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const size_t n_in = lb_low_count_inputs(low);
    float *const out = LB_TAKE_ARRAY(e->arena, lb_low_count(&low->output), float);
    void *const scratch = lb_arena_take(e->arena, low->arena_bytes);
    vectors v;

    if (!out || !scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    begin(e, &v);
    for (int i = 0; i < e->options->n_vectors; i++) {
        const float *in = e->options->vectors + (size_t)i * n_in;
        lb_low_run(low, in, out, scratch);
        for (int k = 0; k < low->n_inputs; k++) {
            add_floats(e, &v.inputs[k], &low->input[k].dims, in);
            in += lb_low_count(&low->input[k].dims);
        }
        add_floats(e, &v.outputs, &low->output, out);
    }
    return finish(e, &v, err);
}

/* The checksum of selftest.c: FNV-1a of 32 bits. */
static uint32_t checksum(const int8_t *bytes, size_t n)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 16777619U;
    return hash;
}

typedef struct watching {
    const lb_low *low;
    lb_text *sums;
} watching;

static void watch(void *user, int step, const int8_t *y)
{
    const watching *const w = user;
    const int out = w->low->step[step].out;

    lb_text_add(w->sums, "0x%08xu,",
                checksum(y, lb_low_count(&w->low->buffer[out].dims)));
    lb_text_add_char(w->sums, step % 8 == 7 ? '\n' : ' ');
}

static void begin_sums(lb_emission *e, lb_text *t)
{
    const lb_low *const low = e->low;

    lb_text_add(t,
                "\n#ifdef %s_TRACE\n/* Checksums of what each step writes. */\n"
                "#define N_STEPS %d\nstatic const char *const step_name[N_STEPS] = {\n",
                e->upper, low->n_steps);
    for (int i = 0; i < low->n_steps; i++)
        lb_text_add(t, "\"%s (%s)\",\n", lb_emit_safe(e, low->step[i].name),
                    lb_low_kind_name(low->step[i].kind));
    lb_text_add(t, "};\nstatic const uint32_t step_sum[N_VECTORS][N_STEPS] = {\n");
}

lb_code lb_emit_vectors_int8(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const size_t n_in = lb_low_count_inputs(low);
    int8_t *const all = LB_TAKE_ARRAY(e->arena, n_in, int8_t);
    int8_t *const out = LB_TAKE_ARRAY(e->arena, lb_low_count(&low->output), int8_t);
    void *const scratch = lb_arena_take(e->arena, low->run_bytes);
    vectors v;
    watching w = {.low = low, .sums = &v.sums};

    if (!all || !out || !scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    begin(e, &v);
    begin_sums(e, &v.sums);
    for (int i = 0; i < e->options->n_vectors; i++) {
        const int8_t *in = all;
        lb_low_quantise_inputs(low, e->options->vectors + (size_t)i * n_in, all);
        lb_text_add(&v.sums, "{\n");
        lb_low_run_int8_watched(low, all, out, scratch, watch, &w);
        lb_text_add(&v.sums, "},\n");
        for (int k = 0; k < low->n_inputs; k++) {
            add_bytes(e, &v.inputs[k], &low->input[k].dims, in);
            in += lb_low_count(&low->input[k].dims);
        }
        add_bytes(e, &v.outputs, &low->output, out);
    }
    lb_text_add(&v.sums, "};\n#endif\n");
    return finish(e, &v, err);
}
