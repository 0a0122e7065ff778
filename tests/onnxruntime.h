/* onnxruntime.h: asks onnxruntime, where python3 has it. */
#ifndef LB_TESTS_ONNXRUNTIME_H
#define LB_TESTS_ONNXRUNTIME_H

#include "onnx/onnx.h"

#include "evaluate.h"

#include <unistd.h>

/* A network's file of this process. */
static inline const char *scratch_path(lb_arena *arena)
{
    const char *const folder = getenv("TMPDIR");

    return lb_arena_text(arena, "%s/limbeck-test-%ld.onnx", folder ? folder : "/tmp",
                         (long)getpid());
}

/* Its first output for all samples of x; NULL where it is not installed. level: of
 * optimisation, as in ORT_ENABLE_ALL, which is the usual one. */
static inline lb_tensor *onnxruntime_answer(const lb_graph *g, const lb_tensor *x,
                                            const char *level, lb_arena *arena)
{
    const char *const path = scratch_path(arena);
    const char *const array = lb_arena_text(arena, "%s.npy", path);
    const char *const command =
        lb_arena_text(arena,
                      "python3 -c 'import sys, numpy as np, onnxruntime as o; "
                      "t = o.SessionOptions(); "
                      "t.graph_optimization_level = o.GraphOptimizationLevel.%s; "
                      "s = o.InferenceSession(sys.argv[1], t); "
                      "np.save(sys.argv[2], s.run(None, {s.get_inputs()[0].name: "
                      "np.load(sys.argv[2])})[0])' %s %s 2>/dev/null",
                      level, path, array);
    lb_tensor *y = NULL;
    lb_error err = {0};

    CHECK_OK(lb_onnx_save(g, path, &err), &err);
    CHECK_OK(lb_npy_save(x, array, &err), &err);
    if (system("python3 -c 'import numpy, onnxruntime' 2>/dev/null") != 0) {
        SKIP("python3 has no onnxruntime");
    } else {
        CHECK(system(command) == 0); /* NOLINT: files of its own */
        CHECK_OK(lb_npy_load(arena, array, 1 << 20, &y, &err), &err);
    }
    unlink(path);
    unlink(array);
    return y;
}

#endif
