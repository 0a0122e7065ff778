/* test_emit_int8.c: int8 firmware compiles without a warning and computes what
 * lb_low_run_int8 computes, byte for byte, after every step, by both rules of rounding. */
#include "check.h"
#include "lower/nets_int8.h"

#include "base/file.h"
#include "emit/emit.h"
#include "ops/ops.h"
#include "prove/prove.h"

#include <stdlib.h>
#include <unistd.h>

enum { VECTORS = 3 };

static void clear(const char *folder, const lb_emitted *emitted)
{
    char path[600];

    for (int i = 0; i < emitted->n_files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, emitted->file[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(folder) == 0); /* nothing else was left there */
}

static float *vectors_for(const lb_low *low, lb_arena *arena)
{
    const size_t n = VECTORS * lb_low_count(&low->input);
    float *const v = LB_TAKE_ARRAY(arena, n, float);
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, 0, 0);

    for (size_t i = 0; v && i < n; i++)
        v[i] = (float)(4 * lb_rng_uniform(&rng) - 2);
    return v;
}

/* Runs `make` in the folder; its exit status. */
static int make(const char *folder, const char *arguments)
{
    char command[700];

    snprintf(command, sizeof command, "make -s -C '%s' %s >/dev/null 2>&1", folder,
             arguments);
    return system(command); /* NOLINT: a test's own folder */
}

static bool has(const char *program)
{
    char command[200];

    snprintf(command, sizeof command, "%s --version >/dev/null 2>&1", program);
    return system(command) == 0; /* NOLINT */
}

static void check_compilers(const char *folder)
{
    static const char *const compiler[] = {"gcc", "clang"};
    char arguments[300];

    for (size_t i = 0; i < sizeof compiler / sizeof *compiler; i++) {
        if (!has(compiler[i]))
            continue;
        snprintf(arguments, sizeof arguments,
                 "trace CC=%s CFLAGS='-std=c99 -O1 -Wall -Wextra -pedantic -Wconversion "
                 "-Wshadow -Werror -fsanitize=address,undefined "
                 "-fno-sanitize-recover=all'",
                 compiler[i]);
        CHECK(make(folder, arguments) == 0);
        CHECK(make(folder, "clean") == 0);
    }
}

static void check_low(const lb_low *low, lb_arena *arena)
{
    char folder[] = "/tmp/lb-emit8-XXXXXX";
    lb_emitted emitted = {0};
    lb_proof proof = {0};
    lb_error err = {0};

    CHECK(mkdtemp(folder) != NULL);
    const lb_emit_options options = {.name = "tiny_net",
                                     .n_vectors = VECTORS,
                                     .vectors = vectors_for(low, arena),
                                     .pixel_note = "value / 255 */ \\ hello"};
    CHECK_OK(lb_emit(low, &options, folder, arena, &emitted, &err), &err);
    const lb_code code = lb_prove_host(folder, "tiny_net", arena, &proof, &err);
    if (code == LB_ERR_UNSUPPORTED)
        SKIP("no compiler");
    else
        CHECK_OK(code, &err);
    if (code == LB_OK) {
        CHECK((size_t)proof.outputs_checked == VECTORS * lb_low_count(&low->output));
        CHECK(proof.mismatches == 0);
        CHECK(proof.arena_bytes == low->arena_bytes);
        check_compilers(folder);
    }
    clear(folder, &emitted);
}

static void check_net(net_builder build, int c, int h, int w)
{
    for (int i = 0; i < 2; i++) {
        const lb_rounding rounding = i == 0 ? LB_ROUND_SINGLE : LB_ROUND_TFLITE;
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *const g = net_graph(build, c, h, w);
        lb_low *low = NULL;
        lb_error err = {0};
        CHECK(g != NULL);
        if (g)
            CHECK_OK(lb_lower_rounded(g, rounding, arena, &low, &err), &err);
        lb_graph_free(g);
        if (low) {
            CHECK(low->dtype == LB_I8);
            check_low(low, arena);
        }
        lb_arena_free(arena);
    }
}

static void convolutions(void)
{
    check_net(net8_build_convs, 3, 11, 9);
}

static void residuals(void)
{
    check_net(net8_build_residual, 3, 8, 8);
}

static void mixed(void)
{
    check_net(net8_build_mixed, 4, 9, 8);
}

static void sequence(void)
{
    check_net(net8_build_sequence, 4, 1, 30);
}

int main(void)
{
    RUN(convolutions);
    RUN(residuals);
    RUN(mixed);
    RUN(sequence);
    return DONE();
}
