/* kernel.h: what a kernel is, and the tables of them.
 *
 * For each node the engine asks the kernels of each table in order (native, oneDNN,
 * reference; the CPU's class decides which comes first); the first that accepts runs the
 * node. To add one, write src/engine/TABLE/..._NAME.c and add the line LB_KERNEL(stem,
 * symbol) to that table's kernels.def. Every kernel is tested against the reference over
 * random shapes by tests/engine/test_kernels.c without further work.
 *
 * LAYOUTS. Plain is row-major. Blocked is [N, C/b, spatial..., b] with b = block floats
 * (8 or 16) and C padded up to a multiple of b by zeros: for batched values of rank 3
 * or 4. Kernels treat a blocked tensor as having C rounded up; padding stays zero. */
#ifndef LB_ENGINE_KERNEL_H
#define LB_ENGINE_KERNEL_H

#include "graph/graph.h"

typedef enum lb_layout { LB_PLAIN, LB_BLOCKED } lb_layout;

typedef struct lb_kernel lb_kernel;

/* What the engine wants to know, and what a kernel answers. */
typedef struct lb_ask {
    const lb_node *node;
    int n_in, n_out;
    lb_type in[LB_MAX_INPUTS]; /* bound: dimension 0 of a batched value is `samples` */
    bool has_in[LB_MAX_INPUTS];
    bool batched_in[LB_MAX_INPUTS], batched_out[LB_MAX_OUTPUTS];
    lb_type out[LB_MAX_OUTPUTS];
    lb_layout in_layout[LB_MAX_INPUTS];       /* as the value is now */
    const lb_tensor *constant[LB_MAX_INPUTS]; /* of constants and params, or NULL */
    bool packable[LB_MAX_INPUTS];             /* not batched: may be packed */
    int samples;                              /* of this group */
    int batch;                                /* of the whole batch */
    int block;                                /* floats of a block: 8 or 16 */
    int threads;                              /* lanes that may run the kernel at once */
    bool conv_direct;

    /* Answers, preset to: want what is there, plain outputs, no packing, no scratch. */
    lb_layout want_in[LB_MAX_INPUTS]; /* the engine puts reorders where they differ */
    lb_layout out_layout[LB_MAX_OUTPUTS];
    size_t packed_bytes[LB_MAX_INPUTS]; /* this packable input is handed over as pack()
                                           makes it */
    size_t share_bytes[LB_MAX_OUTPUTS]; /* an unbatched output of a grouped node: each
                                           group's share has this size and form; unpack()
                                           turns the sum of the shares, added as floats,
                                           into the plain output. 0: plain floats */
    bool parts[LB_MAX_OUTPUTS];         /* an unbatched output of a grouped node: each
                                           group writes a part of its own; no shares */
    size_t scratch_bytes;               /* for each lane */
    bool in_place;                      /* out[0] may be the memory of in[0] */
} lb_ask;

/* One run for one group, by one thread. */
typedef struct lb_call {
    void *state;
    const void *in[LB_MAX_INPUTS]; /* this group's samples; NULL: left out */
    void *out[LB_MAX_OUTPUTS];     /* likewise, or the group's share (not zeroed), or the
                                      whole of which it writes its part */
    void *scratch;                 /* this lane's */
    int lane;                      /* 0..threads-1 */
    int first;                     /* number of the first sample within the batch */
} lb_call;

struct lb_kernel {
    const char *table;            /* "native", "onednn", "reference" */
    const char *op;               /* the operator's name; NULL: any */
    bool (*accepts)(lb_ask *ask); /* fills the answers if true */
    /* Makes the state; lives in the arena, foreign handles are released by destroy. */
    lb_code (*create)(const lb_ask *ask, lb_arena *arena, void **state, lb_error *err);
    void (*destroy)(void *state); /* NULL: nothing to release */
    void (*run)(const lb_call *call);
    void (*pack)(void *state, int input, const void *plain, void *packed);
    void (*unpack)(void *state, int output, const void *sum, void *plain);
};

/* The tables in the order in which they are asked on this CPU; ends with NULL. */
extern const lb_kernel *const lb_native_kernels[];
extern const lb_kernel *const lb_onednn_kernels[];
/* The file stem of a native kernel that shares its operator with others: "wino"; NULL for
 * any other kernel. */
const char *lb_native_way(const lb_kernel *kernel);
extern const lb_kernel lb_reference_kernel; /* accepts everything */

/* Floats of a block on this CPU: 16 with AVX-512, else 8. */
int lb_cpu_block(void);

/* Elements of a blocked tensor of this bound shape. */
size_t lb_blocked_count(const lb_shape *shape, int block);
void lb_to_blocked(const lb_shape *shape, int block, const float *plain, float *blocked);
void lb_to_plain(const lb_shape *shape, int block, const float *blocked, float *plain);

#endif
