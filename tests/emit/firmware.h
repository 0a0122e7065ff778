/* firmware.h: emits a lowered network into a folder of its own and runs its self-test. */
#ifndef LB_TESTS_EMIT_FIRMWARE_H
#define LB_TESTS_EMIT_FIRMWARE_H

#include "check.h"

#include "base/rng.h"
#include "emit/emit.h"
#include "prove/prove.h"

#include <stdlib.h>
#include <unistd.h>

enum { VECTORS = 3 };

typedef struct firmware {
    char folder[32];
    lb_emitted emitted;
    lb_proof proof;
    bool proved; /* false: there is no compiler, or something has failed */
} firmware;

/* Inputs within -reach..reach. */
static inline float *vectors_for(const lb_low *low, double reach, lb_arena *arena)
{
    const size_t n = VECTORS * lb_low_count_inputs(low);
    float *const v = LB_TAKE_ARRAY(arena, n, float);
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, 0, 0);

    for (size_t i = 0; v && i < n; i++)
        v[i] = (float)(reach * (2 * lb_rng_uniform(&rng) - 1));
    return v;
}

/* Every output is right, and the arena is as large as was said. */
static inline firmware firmware_begin(const lb_low *low, double reach, lb_arena *arena)
{
    firmware f = {.folder = "/tmp/lb-emit-XXXXXX"};
    lb_error err = {0};

    CHECK(mkdtemp(f.folder) != NULL);
    const lb_emit_options options = {.name = "tiny_net",
                                     .n_vectors = VECTORS,
                                     .vectors = vectors_for(low, reach, arena),
                                     .pixel_note = "value / 255 */ \\ hello"};
    CHECK_OK(lb_emit(low, &options, f.folder, arena, &f.emitted, &err), &err);
    const lb_code code = lb_prove_host(f.folder, "tiny_net", arena, &f.proof, &err);
    if (code == LB_ERR_UNSUPPORTED)
        SKIP("no compiler");
    else
        CHECK_OK(code, &err);
    f.proved = code == LB_OK;
    if (f.proved) {
        CHECK((size_t)f.proof.outputs_checked == VECTORS * lb_low_count(&low->output));
        CHECK(f.proof.mismatches == 0);
        CHECK(f.proof.arena_bytes == low->arena_bytes);
    }
    return f;
}

/* Removes what was emitted; nothing else was left there. */
static inline void firmware_end(const firmware *f)
{
    char path[600];

    for (int i = 0; i < f->emitted.n_files; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, f->emitted.file[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(f->folder) == 0);
}

#endif
