/* test_emit_int8.c: int8 firmware compiles without a warning and computes what
 * lb_low_run_int8 computes, byte for byte, after every step, by both rules of rounding.
 *
 * Each network of each rounding for each processor takes minutes of compilers' time: that
 * is done if LB_EVERYTHING is set, as `make check-long` does. Otherwise what is alike for
 * several networks is tried with one or two of them. */
#include "firmware.h"
#include "lower/nets_int8.h"

#include "base/file.h"

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

/* With clang and the sanitizers; after every step. */
static void check_thoroughly(const char *folder)
{
    if (has("clang"))
        CHECK(make(folder, "trace CC=clang CFLAGS='-std=c99 -O1 -Wall -Wextra -pedantic "
                           "-Wconversion -Wshadow -Werror -fsanitize=address,undefined "
                           "-fno-sanitize-recover=all'") == 0);
}

/* Where the emulator is installed: the ways of an instruction set. */
static void check_board(const char *board, const char *folder, const lb_low *low,
                        lb_arena *arena)
{
    const bool riscv = strstr(board, "riscv") != NULL;
    const lb_prove_options options = {.folder = folder};
    lb_proof proof = {0};
    lb_error err = {0};

    if (!has(riscv ? "riscv64-unknown-elf-gcc" : "arm-none-eabi-gcc") ||
        !has(riscv ? "qemu-system-riscv32" : "qemu-system-arm"))
        return;
    CHECK_OK(lb_prove(&options, board, arena, &proof, &err), &err);
    CHECK((size_t)proof.outputs_checked == VECTORS * lb_low_count(&low->output));
    CHECK(proof.mismatches == 0);
}

/* The kernels of FW8_WIDE, where there is a compiler: compiled without a warning, and run
 * where the machine can. The forms of AArch64 share what depends on the rounding. */
static const struct wide {
    const char *compiler, *flags;
    const char *machine; /* a command that succeeds where `run` works */
    const char *run;     /* before ./selftest */
    int rounding;        /* lb_rounding, or -1: both */
} wides[] = {
#if defined(__x86_64__)
    {"clang", "-mavx2 -fsanitize=address,undefined -fno-sanitize-recover=all",
     "grep -qw avx2 /proc/cpuinfo", "", -1},
    {"gcc", "-mavx2 -mavxvnni", "grep -qw avx_vnni /proc/cpuinfo", "", LB_ROUND_SINGLE},
    {"gcc", "-mavx512vl -mavx512vnni",
     "grep -w avx512vl /proc/cpuinfo | grep -qw avx512_vnni", "", LB_ROUND_TFLITE},
#endif
    {"aarch64-linux-gnu-gcc", "-march=armv8-a -static", "qemu-aarch64 --version",
     "qemu-aarch64 ", LB_ROUND_TFLITE},
    {"aarch64-linux-gnu-gcc", "-march=armv8.2-a+dotprod -static",
     "qemu-aarch64 --version", "qemu-aarch64 -cpu max ", LB_ROUND_SINGLE},
};

/* After every step. */
static void check_wide(const char *folder, const struct wide *w)
{
    char command[900];
    bool right;

    snprintf(command, sizeof command,
             "selftest CC=%s CFLAGS='-std=c99 -O1 -Wall -Wextra -pedantic -Wconversion "
             "-Wshadow -Werror -DTINY_NET_TRACE %s'",
             w->compiler, w->flags);
    right = make(folder, command) == 0;
    CHECK(right);
    snprintf(command, sizeof command, "%s >/dev/null 2>&1", w->machine);
    if (right && system(command) == 0) { /* NOLINT: of the table */
        snprintf(command, sizeof command, "cd '%s' && %s./selftest >/dev/null", folder,
                 w->run);
        right = system(command) == 0; /* NOLINT: its own folder */
        CHECK(right);
    }
    if (!right)
        printf("# %s %s\n", w->compiler, w->flags);
    CHECK(make(folder, "clean") == 0);
}

static void check_wides(const char *folder, lb_rounding rounding)
{
    for (size_t i = 0; i < sizeof wides / sizeof *wides; i++)
        if ((wides[i].rounding < 0 || wides[i].rounding == (int)rounding) &&
            has(wides[i].compiler))
            check_wide(folder, &wides[i]);
}

/* What a network is for; all of it if LB_EVERYTHING is set. */
enum {
    TWICE = 1,      /* by TensorFlow Lite's rounding, too: its averages keep the scale */
    SANITIZED = 2,  /* with clang and the sanitizers */
    ON_DSP = 4,     /* Cortex-M4 */
    ON_VECTORS = 8, /* Cortex-M55 */
    ON_SMALL = 16,  /* Cortex-M0 */
    ON_OTHERS = 32, /* what works in the same way: Cortex-M3, riscv32 */
    WIDE = 64,      /* x86 and AArch64 */
    ALL_BUT_TWICE = 126
};

static void check_low(const lb_low *low, lb_arena *arena, int uses)
{
    static const struct {
        int use;
        const char *board;
    } boards[] = {{ON_DSP, "qemu:cortex-m4"},
                  {ON_VECTORS, "qemu:cortex-m55"},
                  {ON_SMALL, "qemu:cortex-m0"},
                  {ON_OTHERS, "qemu:cortex-m3"},
                  {ON_OTHERS, "qemu:riscv32"}};
    const firmware f = firmware_begin(low, 2, arena);

    if (f.proved && (uses & SANITIZED))
        check_thoroughly(f.folder);
    for (size_t i = 0; f.proved && i < sizeof boards / sizeof *boards; i++)
        if (uses & boards[i].use)
            check_board(boards[i].board, f.folder, low, arena);
    if (f.proved && (uses & WIDE))
        check_wides(f.folder, low->rounding);
    firmware_end(&f);
}

static void check_graph(const lb_graph *g, int uses)
{
    if (getenv("LB_EVERYTHING"))
        uses |= ALL_BUT_TWICE;
    CHECK(g != NULL);
    for (int i = 0; g && i <= (uses & TWICE); i++) {
        const lb_rounding rounding = i == 0 ? LB_ROUND_SINGLE : LB_ROUND_TFLITE;
        lb_arena *const arena = lb_arena_new(0);
        lb_low *low = NULL;
        lb_error err = {0};
        CHECK_OK(lb_lower_rounded(g, rounding, arena, &low, &err), &err);
        if (low) {
            CHECK(low->dtype == LB_I8);
            check_low(low, arena, uses);
        }
        lb_arena_free(arena);
    }
}

static void check_net(net_builder build, int c, int h, int w, int uses)
{
    lb_graph *const g = net_graph(build, c, h, w);

    check_graph(g, uses);
    lb_graph_free(g);
}

/* The same network with weights of 4 bits. */
static void check_narrow(net_builder build, int c, int h, int w, int uses)
{
    lb_graph *const g = net_graph(build, c, h, w);

    net8_narrow(g);
    check_graph(g, uses);
    lb_graph_free(g);
}

static void convolutions(void)
{
    check_net(net8_build_convs, 3, 11, 9, TWICE | ON_VECTORS);
}

/* TensorFlow Lite has no average pools that change the scale, as these networks do. */
static void residuals(void)
{
    check_net(net8_build_residual, 3, 8, 8, ON_VECTORS);
}

static void mixed(void)
{
    check_net(net8_build_mixed, 4, 9, 8, 0);
}

static void sequence(void)
{
    check_net(net8_build_sequence, 4, 1, 30, 0);
}

static void separable(void)
{
    check_net(net8_build_separable, 4, 12, 10, TWICE | ON_SMALL);
}

/* Windows that hang over every border, dilated and strided; channels in no groups of
 * four; residuals of all three kinds of convolution. */
static lb_value build_odd(lb_builder *b, lb_value x)
{
    const lb_window far = net_far();
    const lb_window deep = {.n = 2,
                            .kernel = {3, 2},
                            .dilation = {2, 3},
                            .pad_begin = {1, 2},
                            .pad_end = {3, 1},
                            .group = 7};
    const lb_window rows = {.n = 2, .kernel = {1, 1}, .stride = {3, 1}, .group = 7};
    net8 y = net8_grid(b, x, 1.0 / 64, 5);

    y = net8_conv(b, y, 61, 7, &far, (net8_end){0.1, -12, false});
    net8 z = net8_conv(b, y, 63, 7, &deep, (net8_end){0.3, 7, false});
    y = net8_finish(b, lb_add(b, z.v, y.v), (net8_end){0.25, -7, true});
    z = net8_same(b, y, 65, 7, 1, 1, (net8_end){0.5, 3, true});
    y = net8_finish(b, lb_add(b, y.v, z.v), (net8_end){0.5, -3, false});
    z = net8_same(b, y, 67, 7, 2, 1, (net8_end){2, 3, false});
    y = net8_finish(b, lb_add(b, y.v, z.v), (net8_end){2, 11, false});
    y = net8_conv(b, y, 69, 7, &rows, (net8_end){0.5, 1, false});
    return net8_grid(b, lb_relu(b, y.v, NULL), 0.5, 1).v;
}

static void odd(void)
{
    check_net(build_odd, 3, 9, 11, TWICE | SANITIZED | ON_DSP | ON_VECTORS | ON_SMALL);
}

/* Depthwise kernels of every form: up to four rows, of one row or column, wider; strided,
 * dilated, hanging over; one to a single column. */
static lb_value build_deep(lb_builder *b, lb_value x)
{
    static const struct {
        int kernel[2], stride[2], dilation[2], begin[2], end[2];
    } w[] = {{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
             {{2, 3}, {1, 1}, {1, 1}, {0, 2}, {1, 0}},
             {{3, 2}, {1, 1}, {1, 3}, {2, 1}, {0, 2}},
             {{4, 4}, {1, 1}, {1, 1}, {1, 2}, {2, 1}},
             {{2, 1}, {1, 1}, {3, 1}, {2, 0}, {1, 0}},
             {{1, 5}, {1, 1}, {1, 1}, {0, 2}, {0, 2}},
             {{5, 1}, {1, 1}, {2, 1}, {4, 0}, {4, 0}},
             {{5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
             {{3, 3}, {2, 1}, {1, 1}, {1, 1}, {1, 1}},
             {{1, 3}, {1, 2}, {1, 1}, {0, 1}, {0, 1}},
             {{2, 3}, {3, 1}, {1, 1}, {1, 0}, {1, 0}},
             {{3, 1}, {1, 1}, {1, 1}, {2, 0}, {0, 0}}};
    net8 y = net8_grid(b, x, 1.0 / 64, 5);

    for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
        const lb_window window = {.n = 2,
                                  .kernel = {w[i].kernel[0], w[i].kernel[1]},
                                  .stride = {w[i].stride[0], w[i].stride[1]},
                                  .dilation = {w[i].dilation[0], w[i].dilation[1]},
                                  .pad_begin = {w[i].begin[0], w[i].begin[1]},
                                  .pad_end = {w[i].end[0], w[i].end[1]},
                                  .group = 8};
        y = net8_conv(b, y, 101 + 2 * i, 8, &window,
                      (net8_end){0.04 + 0.01 * (double)i, (int)i - 9, i % 3 == 2});
    }
    return y.v;
}

static void deep(void)
{
    check_net(build_deep, 8, 13, 5, TWICE | ON_VECTORS);
    check_net(build_deep, 8, 3, 14, ON_VECTORS);
}

/* Factors above 1/4, which want 64 bits, and above 1; a channel's scale that vanishes. */
static lb_value build_steep(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 1.0 / 64, 0);

    y = net8_same(b, y, 71, 5, 3, 5, (net8_end){0.0005, 2, false});
    y = net8_same(b, y, 73, 4, 1, 1, (net8_end){2e-6, -4, false});
    return net8_same(b, y, 75, 6, 3, 1, (net8_end){30000, 0, false}).v;
}

static void steep(void)
{
    check_net(build_steep, 5, 6, 5, TWICE | ON_DSP | ON_SMALL);
}

/* Averages that keep the grid, with and without their padding; joined; dense layers that
 * grow and shrink; softmax. */
static lb_value build_kept(lb_builder *b, lb_value x)
{
    const lb_window pool = net_uneven();
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y = net8_same(b, y, 81, 5, 3, 1, (net8_end){0.05, -20, false});
    const net8 p = {lb_max_pool(b, y.v, &pool, NULL), y.scale, y.zero};
    const net8 q =
        net8_grid(b, lb_average_pool(b, y.v, &pool, false, NULL), y.scale, y.zero);
    const net8 r =
        net8_grid(b, lb_average_pool(b, y.v, &pool, true, NULL), y.scale, y.zero);
    const lb_value all[] = {p.v, q.v, r.v};
    y = net8_grid(b, lb_concat(b, all, 3, 1), 0.04, -10);
    y = net8_grid(b, lb_global_average_pool(b, y.v, NULL), 0.04, -10);
    y.v = lb_flatten(b, y.v, NULL);
    y = net8_dense(b, y, 83, 37, (net8_end){0.02, -128, true});
    y = net8_dense(b, y, 85, 6, (net8_end){0.1, 3, false});
    return net8_grid(b, lb_softmax(b, y.v, 1), 1.0 / 256, -128).v;
}

static void kept(void)
{
    check_net(build_kept, 3, 8, 7, TWICE | ON_DSP | ON_VECTORS);
}

/* A value that is padded, in two ways, and clamped where it lies. */
static lb_value build_padded(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 1.0 / 64, -3);

    y.v = net_pad(b, y.v);
    return net8_same(b, y, 91, 6, 5, 1, (net8_end){0.3, -128, true}).v;
}

static void padded(void)
{
    check_net(build_padded, 3, 6, 5, TWICE);
}

/* Rows of eight and more positions and what is left of them; more than eight channels;
 * kernels apart, with fours of channels and without; clamps on both sides; residuals. */
static lb_value build_broad(lb_builder *b, lb_value x)
{
    const lb_window apart = {.n = 2,
                             .kernel = {2, 3},
                             .dilation = {1, 2},
                             .pad_begin = {1, 2},
                             .pad_end = {0, 2}};
    const lb_window deep = {.n = 2,
                            .kernel = {3, 4},
                            .stride = {2, 1},
                            .dilation = {1, 2},
                            .pad_begin = {1, 3},
                            .pad_end = {1, 3},
                            .group = 20};
    net8 y = net8_grid(b, x, 1.0 / 64, 5);

    y = net8_same(b, y, 101, 10, 3, 1, (net8_end){0.1, -128, true});
    y = net8_conv(b, y, 103, 20, &apart, (net8_end){0.3, 7, false});
    net8 z = net8_conv(b, y, 105, 20, &apart, (net8_end){0.9, -30, false});
    y = net8_finish(b, lb_clip(b, lb_add(b, z.v, y.v), -20, 30, NULL),
                    (net8_end){0.5, -5, false});
    z = net8_same(b, y, 107, 20, 3, 20, (net8_end){0.5, 3, true});
    y = net8_finish(b, lb_add(b, y.v, z.v), (net8_end){0.6, -3, false});
    y = net8_conv(b, y, 109, 20, &deep, (net8_end){0.7, 11, true});
    y = net8_same(b, y, 111, 13, 1, 1, (net8_end){2, 0, false});
    y = net8_finish(b, lb_add(b, y.v, y.v), (net8_end){3, 1, false});
    y.v = lb_flatten(b, y.v, NULL);
    return net8_dense(b, y, 113, 11, (net8_end){6, -3, false}).v;
}

static void broad(void)
{
    check_net(build_broad, 4, 7, 19, TWICE | SANITIZED | WIDE);
}

static void several_inputs(void)
{
    check_net(net8_build_inputs, 3, 9, 7, TWICE);
}

/* A 3x3 convolution of weights that are all as far from 0 as can be. */
static net8 far_off(lb_builder *b, net8 x, int m, int least, net8_end end)
{
    const lb_window window = {
        .n = 2, .kernel = {3, 3}, .pad_begin = {1, 1}, .pad_end = {1, 1}};
    const lb_shape shape = lb_shape_of(4, m, lb_dim(b, x.v, 1), 3, 3);
    lb_tensor *const scales = net8_scales(b, m, 0.01);
    lb_tensor *const t = net8_tensor(b, LB_I8, &shape);
    lb_rng rng = lb_rng_make((uint64_t)m, LB_RNG_TEST, 0, 0);

    for (size_t i = 0; t && i < t->n; i++)
        lb_tensor_put(t, i, lb_rng_uniform(&rng) < 0.8 ? least : 127);
    const lb_value w = lb_dequantize(
        b, lb_constant(b, NULL, t), lb_constant(b, NULL, scales), (lb_value){0}, 0, NULL);
    const lb_value bias = net8_bias(b, 3, m, x.scale, scales);
    return net8_finish(b, lb_conv(b, x.v, w, bias, &window, NULL), end);
}

/* Inputs and weights of -128, -127 and 127: no two of their products make more than an
 * int16, unless both are 128 * 128. */
static lb_value build_extreme(lb_builder *b, lb_value x)
{
    net8 y = net8_grid(b, x, 1.0 / 4096, 0);

    y = far_off(b, y, 8, -127, (net8_end){0.002, -60, false});
    y = far_off(b, y, 9, -127, (net8_end){0.002, -128, false});
    return far_off(b, y, 10, -128, (net8_end){20, 3, false}).v;
}

static void extreme(void)
{
    check_net(build_extreme, 3, 7, 6, TWICE | ON_DSP | ON_SMALL | ON_OTHERS);
}

static void narrow(void)
{
    check_narrow(build_odd, 3, 9, 11, TWICE | ON_DSP);
    check_narrow(build_kept, 3, 8, 7, 0);
    check_narrow(net8_build_separable, 4, 12, 10, ON_SMALL);
    check_narrow(net8_build_residual, 3, 8, 8, 0);
    check_narrow(build_padded, 3, 6, 5, 0);
}

/* Layers of more weights than are unpacked at once, with groups that are not whole: they
 * go by rows, by positions and by outputs, in place and with residuals. */
static lb_value build_tiled(lb_builder *b, lb_value x)
{
    const lb_window far = {.n = 2,
                           .kernel = {3, 3},
                           .stride = {2, 1},
                           .pad_begin = {4, 1},
                           .pad_end = {3, 1},
                           .group = 1};
    net8 y = net8_grid(b, x, 1.0 / 64, 5);

    y = net8_same(b, y, 101, 70, 1, 1, (net8_end){0.1, -12, false});
    y = net8_same(b, y, 103, 70, 1, 1, (net8_end){0.5, 3, true});
    net8 z = net8_same(b, y, 105, 70, 1, 1, (net8_end){1, 5, false});
    y = net8_finish(b, lb_add(b, z.v, y.v), (net8_end){1, -7, false});
    y = net8_same(b, y, 107, 27, 3, 1, (net8_end){6, 1, true});
    z = net8_same(b, y, 109, 27, 3, 1, (net8_end){8, 2, false});
    y = net8_finish(b, lb_add(b, y.v, z.v), (net8_end){8, -3, false});
    y = net8_conv(b, y, 111, 14, &far, (net8_end){30, 11, false});
    y.v = lb_flatten(b, y.v, NULL);
    y = net8_dense(b, y, 113, 9, (net8_end){200, -4, false});
    return net8_dense(b, y, 115, 300, (net8_end){100, 4, false}).v;
}

static void tiled(void)
{
    check_narrow(build_tiled, 21, 5, 7, TWICE | SANITIZED | ON_VECTORS);
}

int main(void)
{
    RUN(convolutions);
    RUN(residuals);
    RUN(mixed);
    RUN(sequence);
    RUN(separable);
    RUN(odd);
    RUN(deep);
    RUN(steep);
    RUN(kept);
    RUN(padded);
    RUN(broad);
    RUN(several_inputs);
    RUN(extreme);
    RUN(narrow);
    RUN(tiled);
    return DONE();
}
