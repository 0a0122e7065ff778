/* dnnl_call.h: a oneDNN primitive as the kernels of this folder use it.
 *
 * A kernel describes its primitive into an lb_dnnl_desc, once in accepts (to learn
 * whether oneDNN has a fast implementation, and its sizes) and again in create, which
 * hands it to lb_dnnl_create. Every lane has a stream and memory objects of its own, so
 * a run sets addresses and executes. Primitives are made for one thread and run on one:
 * lanes are the parallelism. */
#ifndef LB_ENGINE_ONEDNN_DNNL_CALL_H
#define LB_ENGINE_ONEDNN_DNNL_CALL_H

#include "engine/kernel.h"

#include <oneapi/dnnl/dnnl.h>

/* Where an argument of the primitive comes from: input k of the call, or one of these. */
enum { LB_DNNL_OUT = 16, LB_DNNL_SCRATCH = 32 };

typedef struct lb_dnnl_operand {
    int arg; /* DNNL_ARG_... */
    int from;
} lb_dnnl_operand;

enum { LB_DNNL_OPERANDS = 5 };

typedef struct lb_dnnl_desc {
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; /* scratch is the caller's; post-ops may be added */
    dnnl_primitive_desc_t primitive;
} lb_dnnl_desc;

typedef struct lb_dnnl_lane {
    dnnl_stream_t stream;
    dnnl_exec_arg_t arg[LB_DNNL_OPERANDS];
} lb_dnnl_lane;

/* A kernel's state begins with one. */
typedef struct lb_dnnl {
    dnnl_engine_t engine;
    dnnl_primitive_t primitive;
    lb_dnnl_lane *lane;
    int n_lanes, n_operands;
    int from[LB_DNNL_OPERANDS];
    dnnl_primitive_t reorder; /* of pack or unpack, which run on one thread at a time */
    dnnl_stream_t reorder_stream;
    dnnl_exec_arg_t reorder_arg[2];
} lb_dnnl;

/* Makes engine and attributes; close in any case. */
bool lb_dnnl_open(lb_dnnl_desc *desc);
void lb_dnnl_close(lb_dnnl_desc *desc);

/* Makes desc->primitive from a filled oneDNN descriptor; false if oneDNN has nothing
 * better than its reference implementation. */
bool lb_dnnl_find(lb_dnnl_desc *desc, const_dnnl_op_desc_t op);

/* What the primitive wants for an argument. */
const dnnl_memory_desc_t *lb_dnnl_wants(const lb_dnnl_desc *desc, int arg);
size_t lb_dnnl_bytes(const lb_dnnl_desc *desc, int arg);

/* Fills *call, which starts zeroed, and closes desc. On failure nothing is left to
 * release. */
lb_code lb_dnnl_create(lb_dnnl_desc *desc, const lb_ask *ask,
                       const lb_dnnl_operand *operands, int n, lb_arena *arena,
                       lb_dnnl *call, lb_error *err) LB_MUST_USE;

/* Adds what lb_dnnl_reorder runs; releases the call on failure. */
lb_code lb_dnnl_add_reorder(lb_dnnl *call, const dnnl_memory_desc_t *from,
                            const dnnl_memory_desc_t *to, lb_error *err) LB_MUST_USE;
void lb_dnnl_reorder(lb_dnnl *call, const void *from, void *to);

void lb_dnnl_destroy(void *state);
void lb_dnnl_run(const lb_call *call);

#endif
