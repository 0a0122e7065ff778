/* plan_int.h: how a plan looks inside; for the files of this room that make and run it.
 *
 * Making a plan: choose.c asks the kernels and writes steps over buffers, schedule.c puts
 * the steps into segments, place.c gives the buffers memory, plan.c ties them together;
 * run.c runs the result.
 *
 * Segments alternate: in a *grouped* segment every thread runs all steps for its own
 * groups of samples; in a *shared* one the steps that look across groups (sums of shares,
 * updates, packing) run once, spread over the threads by components that do not touch
 * each other. A barrier stands between segments. */
#ifndef LB_ENGINE_PLAN_INT_H
#define LB_ENGINE_PLAN_INT_H

#include "engine/kernel.h"
#include "engine/plan.h"
#include "graph/memory.h"

/* Where a buffer lies. */
typedef enum lb_place {
    LB_PLACE_SLOT,   /* in each group's own stretch: samples that wait for other groups */
    LB_PLACE_LANE,   /* in each thread's: what is born and dies within a segment, so that
                        it stays in the thread's cache */
    LB_PLACE_BATCH,  /* all samples side by side: inputs, outputs, what is kept */
    LB_PLACE_SHARED, /* one for the plan: sums, packed weights */
    LB_PLACE_TENSOR, /* the tensor of a param or constant */
} lb_place;

typedef struct lb_buffer {
    lb_place place;
    lb_layout layout;
    size_t bytes;    /* slot, lane, batch: of a group */
    int value;       /* whose contents it holds */
    int first, last; /* in run order; -1, -1: never touched */
    int heir;        /* the buffer that takes over this one's memory in place, or -1 */
    bool parts;      /* shared, and each group writes a part: whole behind the segment */
    bool lasting;    /* contents must survive the run: outputs, weights packed once */
    size_t offset;
    char *base; /* all but slots and lanes: where it is */
} lb_buffer;

typedef enum lb_step_kind {
    LB_STEP_NODE,
    LB_STEP_REORDER,
    LB_STEP_PACK,
    LB_STEP_SUM
} lb_step_kind;

typedef struct lb_step {
    lb_step_kind kind;
    bool grouped;
    const lb_node *node; /* of a pack or sum: whose operand it serves */
    const lb_kernel *kernel;
    void *state;
    int operand; /* of a pack or sum: which input or output */
    int n_in, n_out;
    int in[LB_MAX_INPUTS], out[LB_MAX_OUTPUTS]; /* buffers, -1: none */
    int level;      /* its segment: even shared, odd grouped */
    int index;      /* in the order of making */
    int thread;     /* of a shared step */
    lb_shape shape; /* of a reorder: of a group */
    size_t count;   /* of a sum: elements of a share */
    lb_dtype dtype; /* of a sum */
    bool once;      /* a pack that runs at refresh only */
    bool in_place;  /* out[0] may take over the memory of in[0] */
} lb_step;

typedef struct lb_segment {
    bool grouped;
    int first, n; /* steps */
} lb_segment;

struct lb_plan {
    lb_arena *arena;
    const lb_graph *graph;
    lb_pool *pool;
    lb_plan_options options;
    int samples, n_groups, n_threads, block;

    lb_buffer *buffers;
    int n_buffers, buffers_capacity;
    lb_step *steps;
    int n_steps, steps_capacity;
    lb_step *packs; /* those that run at refresh */
    int n_packs, packs_capacity;
    lb_segment *segments;
    int n_segments, segments_capacity;

    int (*value_buffer)[2]; /* of each value, plain and blocked; -1: none */
    bool *mutable_param;    /* values that an update writes */

    char *shared;                     /* memory of its own */
    char *slots, *lanes, *scratch;    /* in the pool's memory, from lb_plan_enter on */
    size_t slot_bytes, shared_bytes;  /* of a group, in all */
    size_t lane_bytes, scratch_bytes; /* of a thread */
    int n_reorders;
};

/* choose.c: steps and buffers for every node. */
lb_code lb_plan_choose(lb_plan *plan, lb_error *err) LB_MUST_USE;
/* schedule.c: levels, run order, segments, threads of shared steps, lives of buffers. */
lb_code lb_plan_schedule(lb_plan *plan, lb_error *err) LB_MUST_USE;
/* place.c: memory for buffers and scratch. */
lb_code lb_plan_place(lb_plan *plan, lb_error *err) LB_MUST_USE;
/* Looks where the pool's memory is now; before anything is run. */
void lb_plan_enter(lb_plan *plan);
/* run.c */
void lb_step_run(const lb_plan *plan, const lb_step *step, int group, int lane);

/* Where a buffer lies for a group that a thread works on. */
static inline char *lb_buffer_at(const lb_plan *plan, const lb_buffer *b, int group,
                                 int lane)
{
    switch (b->place) {
    case LB_PLACE_SLOT:
        return plan->slots + (size_t)group * plan->slot_bytes + b->offset;
    case LB_PLACE_LANE:
        return plan->lanes + (size_t)lane * plan->lane_bytes + b->offset;
    case LB_PLACE_BATCH:
        return b->base + (size_t)group * b->bytes;
    case LB_PLACE_SHARED:
    case LB_PLACE_TENSOR:
        return b->base;
    }
    return b->base;
}

#endif
