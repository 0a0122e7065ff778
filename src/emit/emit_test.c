/* emit_test.c: the self-test that goes with the firmware, its Makefile and its README. */
#include "emit/emit_int.h"

/* [C,H,W] to channels-last. */
static void to_channels_last(const lb_low_dims *d, const float *from, float *to)
{
    const size_t area = (size_t)d->h * (size_t)d->w, c = (size_t)d->c;

    for (size_t i = 0; i < area * c; i++)
        to[i % area * c + i / area] = from[i];
}

static lb_code emit_vectors(lb_emission *e, lb_error *err)
{
    const lb_low *const low = e->low;
    const size_t n_in = lb_low_count(&low->input), n_out = lb_low_count(&low->output);
    float *const in = LB_TAKE_ARRAY(e->arena, n_in, float);
    float *const plain = LB_TAKE_ARRAY(e->arena, n_out, float);
    float *const out = LB_TAKE_ARRAY(e->arena, n_out, float);
    void *const scratch = lb_arena_take(e->arena, low->arena_bytes);
    const int n = e->options->n_vectors;
    lb_text inputs, outputs;

    if (!in || !plain || !out || !scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    lb_text_init(&inputs, e->arena);
    lb_text_init(&outputs, e->arena);
    lb_text_add(&inputs,
                "/* vectors.h: inputs, and what limbeck computes from them. */\n"
                "#ifndef %s_VECTORS_H\n#define %s_VECTORS_H\n\n#define N_VECTORS %d\n\n"
                "static const float test_in[N_VECTORS][%s_INPUT_SIZE] = {\n",
                e->upper, e->upper, n, e->upper);
    lb_text_add(&outputs, "static const float test_out[N_VECTORS][%s_OUTPUT_SIZE] = {\n",
                e->upper);
    for (int i = 0; i < n; i++) {
        const float *const vector = e->options->vectors + (size_t)i * n_in;
        to_channels_last(&low->input, vector, in);
        lb_low_run(low, vector, plain, scratch);
        to_channels_last(&low->output, plain, out);
        lb_text_add(&inputs, "{\n");
        lb_emit_floats(&inputs, in, n_in);
        lb_text_add(&inputs, "},\n");
        lb_text_add(&outputs, "{\n");
        lb_emit_floats(&outputs, out, n_out);
        lb_text_add(&outputs, "},\n");
    }
    lb_text_add(&inputs, "};\n\n");
    if (outputs.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    lb_text_add_chars(&inputs, outputs.chars, outputs.n);
    lb_text_add(&inputs, "};\n\n#endif\n");
    return lb_emit_file(e, "vectors.h", &inputs, err);
}

/* %1 stands for the name, %2 for the macros' prefix. */
static const char selftest[] =
    "/* selftest.c: runs the network on vectors.h. Prints one line of results; the exit\n"
    " * status is 0 if every output is within 1e-4 of the outputs' scale. */\n"
    "#include \"%1.h\"\n"
    "#include \"vectors.h\"\n"
    "\n"
    "#include <math.h>\n"
    "#include <stdio.h>\n"
    "\n"
    "static float out[%2_OUTPUT_SIZE];\n"
    "\n"
    "int main(void)\n"
    "{\n"
    "    double scale = 0, worst = 0;\n"
    "    long checked = 0, mismatches = 0;\n"
    "    int v, i;\n"
    "\n"
    "    for (v = 0; v < N_VECTORS; v++)\n"
    "        for (i = 0; i < %2_OUTPUT_SIZE; i++)\n"
    "            scale = fmax(scale, fabs((double)test_out[v][i]));\n"
    "    for (v = 0; v < N_VECTORS; v++) {\n"
    "        %1_run(test_in[v], out);\n"
    "        for (i = 0; i < %2_OUTPUT_SIZE; i++) {\n"
    "            const double d = fabs((double)out[i] - (double)test_out[v][i]);\n"
    "            checked++;\n"
    "            if (!(d <= 1e-4 * scale))\n"
    "                mismatches++;\n"
    "            if (!(d <= worst))\n"
    "                worst = d;\n"
    "        }\n"
    "    }\n"
    "    if (scale > 0)\n"
    "        worst /= scale;\n"
    "    printf(\"outputs %ld mismatches %ld worst %.9g arena %ld\\n\", checked, "
    "mismatches,\n"
    "           worst, (long)%2_ARENA_BYTES);\n"
    "    return mismatches == 0 && checked > 0 ? 0 : 1;\n"
    "}\n";

static const char readme[] =
    "%1: a neural network as C99, emitted by limbeck.\n"
    "\n"
    "These files, the kernels (fw*.[ch]) among them, belong to whoever emitted them and\n"
    "may be used in any way, without notice and without warranty. limbeck's own licence\n"
    "does not reach them.\n"
    "\n"
    "  %1.h          what to call: %1_run(in, out); sizes; the map of the memory\n"
    "  %1.c          the steps, labelled with the nodes they come from\n"
    "  %1_weights.h  the weights, for flash\n"
    "  fw.h, fw_*.c  the kernels in use; two networks may share them\n"
    "  selftest.c    runs vectors.h; the only file that needs stdio\n"
    "\n"
    "Build all but selftest.c into the firmware with a C99 compiler. No heap is used;\n"
    "the one arena is static. `make check` builds and runs the self-test here;\n"
    "CC and CFLAGS choose another compiler. -ffp-contract=off gives limbeck's results\n"
    "to the last bit; without it they are as good, and faster where a fused\n"
    "multiply-add exists.\n";

static void add_template(lb_text *t, const char *text, const lb_emission *e)
{
    for (; *text; text++) {
        if (*text == '%' && (text[1] == '1' || text[1] == '2'))
            lb_text_add(t, "%s", *++text == '1' ? e->name : e->upper);
        else
            lb_text_add_char(t, *text);
    }
}

static lb_code emit_makefile(lb_emission *e, lb_error *err)
{
    const lb_fw *used[LB_FW_MOST];
    const int n = lb_emit_kernels(e->low, used);
    lb_text t;

    lb_text_init(&t, e->arena);
    lb_text_add(&t,
                "# make check: builds and runs the self-test on this machine.\n"
                "CFLAGS = -std=c99 -O2 -Wall -Wextra -Wconversion -ffp-contract=off\n"
                "OBJECTS = %s.o",
                e->name);
    for (int i = 0; i < n; i++)
        lb_text_add(&t, " fw_%s.o", used[i]->stem);
    lb_text_add(&t,
                "\n\ncheck: selftest\n\t./selftest\n\n"
                "selftest: selftest.o $(OBJECTS)\n"
                "\t$(CC) $(CFLAGS) -o $@ selftest.o $(OBJECTS) -lm\n\n"
                "$(OBJECTS) selftest.o: fw.h %s.h %s_weights.h vectors.h\n\n"
                "clean:\n\trm -f selftest selftest.o $(OBJECTS)\n\n"
                ".PHONY: check clean\n",
                e->name, e->name);
    return lb_emit_file(e, "Makefile", &t, err);
}

lb_code lb_emit_test(lb_emission *e, lb_error *err)
{
    lb_text t;

    if (e->options->n_vectors > 0) {
        LB_TRY(emit_vectors(e, err));
        lb_text_init(&t, e->arena);
        add_template(&t, selftest, e);
        LB_TRY(lb_emit_file(e, "selftest.c", &t, err));
        LB_TRY(emit_makefile(e, err));
    }
    lb_text_init(&t, e->arena);
    add_template(&t, readme, e);
    return lb_emit_file(e, "README.txt", &t, err);
}
