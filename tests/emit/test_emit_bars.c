/* test_emit_bars.c: MLPerf Tiny's int8 networks as firmware: every output on an emulated
 * Cortex-M4 and M55, and no more instructions and memory than the last time. The counts
 * are exact, whatever else the machine does. */
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

/* CMSIS-NN takes 29.87, 7.84, 24.71, 0.58 and 2.22 million on M4, and 4.81, 1.78, 6.42,
 * 0.147 and 0.408 on M55. */
static const struct {
    const char *file;
    double on_m4, on_m55; /* instructions, at most */
    size_t arena;
} bars[] = {
    {"pretrainedResnet_quant", 15.2e6, 2.48e6, 33360},
    {"kws_ref_model", 4.08e6, 0.82e6, 8292},
    {"vww_96_int8", 12.2e6, 2.73e6, 38136},
    {"ad01_int8", 0.335e6, 0.0725e6, 1920},
    {"str_ww_ref_model", 1.42e6, 0.228e6, 3744},
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

/* Whether the emulator could be asked. */
static bool check_board(const lb_low *low, const char *folder, const char *board,
                        double most, lb_arena *arena, lb_proof *proof)
{
    const lb_prove_options prove = {.folder = folder};
    lb_error err = {0};
    const lb_code code = lb_prove(&prove, board, arena, proof, &err);

    if (code == LB_ERR_FAILED && strstr(err.text, "install")) {
        SKIP("no emulator");
        return false;
    }
    CHECK_OK(code, &err);
    if (code != LB_OK)
        return false;
    CHECK((size_t)proof->outputs_checked == VECTORS * lb_low_count(&low->output));
    CHECK(proof->mismatches == 0);
    printf("# %s: %.0f instructions\n", board, (double)proof->instructions);
    CHECK((double)proof->instructions <= most);
    return true;
}

static void check_bar(int i)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_low *const low = load(bars[i].file, arena);
    char folder[] = "/tmp/lb-bars-XXXXXX", path[600];
    lb_emitted emitted = {0};
    lb_proof proof = {0};
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
    if (check_board(low, folder, "qemu:cortex-m4", bars[i].on_m4, arena, &proof)) {
        lb_estimate e;
        lb_device_estimate(low, lb_device_find("stm32l4r5"), &e);
        CHECK_NEAR(e.instructions / (double)proof.instructions, 1, 0.15);
    }
    check_board(low, folder, "qemu:cortex-m55", bars[i].on_m55, arena, &proof);
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
