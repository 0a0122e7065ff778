/* dnn.h: one oneDNN primitive with its memory objects, one set for each lane.
 *
 * oneDNN 2.6, the C API with operation descriptors. Primitives run on one thread each:
 * the engine's own groups are the parallelism. Nothing of the library is allocated in a
 * run: scratchpads are the engine's scratch. Blocked tensors are described with their
 * channels rounded up, so that the library never pads by itself. */
#ifndef LB_ENGINE_ONEDNN_DNN_H
#define LB_ENGINE_ONEDNN_DNN_H

#include "engine/kernel.h"

#include <oneapi/dnnl/dnnl.h>

enum { LB_DNN_ARGS = 6 };

typedef struct lb_dnn_lane {
    dnnl_stream_t stream;
    dnnl_memory_t memory[LB_DNN_ARGS];
} lb_dnn_lane;

typedef struct lb_dnn {
    dnnl_engine_t engine;
    dnnl_primitive_t primitive;
    int n_args, id[LB_DNN_ARGS]; /* DNNL_ARG_... */
    int n_lanes;
    lb_dnn_lane *lane;
} lb_dnn;

/* An engine for the states of one kernel; NULL if the library gives none. */
dnnl_engine_t lb_dnn_engine(void);

/* Sets the calling thread to run primitives alone. Cheap; called before each use. */
void lb_dnn_single(void);

/* Makes the primitive of pd and memory objects for these arguments; the scratchpad is
 * added as the last argument if pd wants one. Takes over nothing. */
lb_code lb_dnn_open(lb_dnn *dnn, dnnl_engine_t engine, dnnl_primitive_desc_t pd,
                    const int *ids, const dnnl_memory_desc_t *const *mds, int n_args,
                    int n_lanes, lb_arena *arena, lb_error *err) LB_MUST_USE;
void lb_dnn_close(lb_dnn *dnn);

/* Runs with these buffers, in the order of the arguments, scratch last. */
void lb_dnn_run(const lb_dnn *dnn, int lane, const void *const *buffers, void *scratch);

size_t lb_dnn_scratch(dnnl_primitive_desc_t pd);

/* True if pd is one of the library's slow reference implementations. */
bool lb_dnn_is_slow(dnnl_primitive_desc_t pd);

/* Attributes with the scratchpad in the user's hands. NULL without memory. */
dnnl_primitive_attr_t lb_dnn_attr(void);

/* [N, C, H, W] of a bound value; [N,C,L] as H = 1; channels rounded up where blocked. */
bool lb_dnn_map_desc(const lb_ask *ask, const lb_type *type, lb_layout layout,
                     dnnl_memory_desc_t *out);

/* A plain array. */
bool lb_dnn_plain_desc(int n, const dnnl_dims_t dims, dnnl_memory_desc_t *out);

lb_code lb_dnn_failed(lb_error *err, const char *what);

#endif
