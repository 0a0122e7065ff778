/* test_emit_bars.c: MLPerf Tiny's int8 networks as firmware: every output on emulated
 * boards, no more instructions and memory than the last time, and what was estimated. The
 * counts are exact, whatever else the machine does. Without LB_EVERYTHING, which `make
 * check-long` sets, Cortex-M3 and riscv32 run one of the networks. */
#include "check.h"

#include "base/file.h"
#include "base/rng.h"
#include "device/device.h"
#include "emit/emit.h"
#include "prove/prove.h"
#include "tflite/tflite.h"

#include <stdlib.h>
#include <unistd.h>

enum { VECTORS = 2 };

enum { M4, M0, M3, M55, RV32, BOARDS };
static const struct {
    const char *on, *core; /* as the device table has it */
} boards[BOARDS] = {[M4] = {"qemu:cortex-m4", "Cortex-M4F"},
                    [M0] = {"qemu:cortex-m0", "Cortex-M0+"},
                    [M3] = {"qemu:cortex-m3", "Cortex-M3"},
                    [M55] = {"qemu:cortex-m55", "Cortex-M55"},
                    [RV32] = {"qemu:riscv32", "RV32IMC"}};

enum { DS_CNN = 1 };
/* CMSIS-NN takes 29.87, 7.84, 24.71, 0.58 and 2.22 million on the M4; 97.57, 29.00, 86.87
 * and 1.76 on the M0+; 41.75, 10.54, 32.07 and 0.95 on the M3; 4.81, 1.78, 6.42, 0.147
 * and 0.408 on the M55. */
static const struct {
    const char *file;
    size_t arena;
    double instructions[BOARDS]; /* at most */
} bars[] = {
    {"pretrainedResnet_quant", 33360, {15.2e6, 36.2e6, 24.2e6, 2.48e6, 36.8e6}},
    [DS_CNN] = {"kws_ref_model", 8292, {4.08e6, 10.1e6, 6.75e6, 0.82e6, 10.3e6}},
    {"vww_96_int8", 38136, {12.2e6, 29.8e6, 19.4e6, 2.73e6, 29.7e6}},
    {"ad01_int8", 1920, {0.335e6, 1.05e6, 0.635e6, 0.0725e6, 1.02e6}},
    {"str_ww_ref_model", 3744, {1.42e6, 4.2e6, 2.5e6, 0.228e6, 4e6}},
};

static lb_low *load(const char *file, lb_arena *arena)
{
    const char *const given = getenv("LB_SHARED"), *const source = getenv("LB_SOURCE");
    char path[500];
    lb_graph *graph = NULL;
    lb_low *low = NULL;
    lb_error err = {0};

    snprintf(path, sizeof path, "%s%s/data/mlperf-tiny/%s.tflite",
             given    ? given
             : source ? source
                      : ".",
             given ? "" : "/../shared", file);
    if (access(path, R_OK) != 0)
        return NULL;
    CHECK_OK(lb_tflite_load(path, &graph, NULL, &err), &err);
    if (graph)
        CHECK_OK(lb_lower(graph, arena, &low, &err), &err);
    lb_graph_free(graph);
    return low;
}

static const float *vectors_for(const lb_low *low, lb_arena *arena)
{
    const lb_qparams q = low->buffer[low->input[0].buffer].q;
    const size_t n = VECTORS * lb_low_count_inputs(low);
    float *const v = LB_TAKE_ARRAY(arena, n, float);
    lb_rng rng = lb_rng_make(9, LB_RNG_TEST, 0, 0);

    for (size_t i = 0; v && i < n; i++)
        v[i] = q.scale * (float)(256 * lb_rng_uniform(&rng) - 128 - q.zero);
    return v;
}

/* What is promised before anything is compiled, against what was counted and linked.
 * Kernels that changed want their costs fitted anew: docs/proof.md, Estimates. */
static void check_estimate(const lb_low *low, const char *core, const lb_proof *proof)
{
    const lb_device device = {.core = core, .clock_hz = 1};
    lb_estimate e;

    lb_device_estimate(low, &device, &e);
    printf("# estimated: %.0f instructions, %zu bytes of flash for %zu, %zu of SRAM for "
           "%zu\n",
           e.instructions, e.flash_bytes, proof->flash_bytes, e.sram_bytes,
           proof->sram_bytes);
    CHECK_NEAR(e.instructions / (double)proof->instructions, 1, 0.15);
    CHECK_NEAR((double)e.flash_bytes / (double)proof->flash_bytes, 1, 0.05);
    CHECK_NEAR((double)e.sram_bytes / (double)proof->sram_bytes, 1, 0.05);
}

static void check_board(int i, int board, const lb_low *low, const char *folder,
                        lb_arena *arena)
{
    const lb_prove_options prove = {.folder = folder};
    lb_proof proof = {0};
    lb_error err = {0};
    const lb_code code = lb_prove(&prove, boards[board].on, arena, &proof, &err);

    if (code == LB_ERR_FAILED && strstr(err.text, "install")) {
        SKIP("no tools for a board: install what docs/dependencies.md lists");
        return;
    }
    CHECK_OK(code, &err);
    CHECK((size_t)proof.outputs_checked == VECTORS * lb_low_count(&low->output));
    CHECK(proof.mismatches == 0);
    const double taken = (double)proof.instructions;
    printf("# %s, %s: %.0f instructions\n", bars[i].file, boards[board].on, taken);
    CHECK(taken <= bars[i].instructions[board]);
    check_estimate(low, boards[board].core, &proof);
}

static void check_bar(int i)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_low *const low = load(bars[i].file, arena);
    char folder[] = "/tmp/lb-bars-XXXXXX", path[600];
    lb_emitted emitted = {0};
    lb_error err = {0};

    if (!low) {
        SKIP("no shared data");
        lb_arena_free(arena);
        return;
    }
    CHECK(mkdtemp(folder) != NULL);
    const lb_emit_options options = {.n_vectors = VECTORS,
                                     .vectors = vectors_for(low, arena)};
    CHECK_OK(lb_emit(low, &options, folder, arena, &emitted, &err), &err);
    CHECK(low->arena_bytes <= bars[i].arena);
    for (int board = 0; board < BOARDS; board++)
        if (i == DS_CNN || (board != M3 && board != RV32) || getenv("LB_EVERYTHING"))
            check_board(i, board, low, folder, arena);
    for (int k = 0; k < emitted.n_files; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, emitted.file[k]);
        unlink(path);
    }
    rmdir(folder);
    lb_arena_free(arena);
}

static void resnet(void)
{
    check_bar(0);
}

static void ds_cnn(void)
{
    check_bar(1);
}

static void mobilenet(void)
{
    check_bar(2);
}

static void autoencoder(void)
{
    check_bar(3);
}

static void wake_word(void)
{
    check_bar(4);
}

int main(void)
{
    RUN(resnet);
    RUN(ds_cnn);
    RUN(mobilenet);
    RUN(autoencoder);
    RUN(wake_word);
    return DONE();
}
