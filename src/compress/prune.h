/* prune.h: structured pruning: which channels of a network can only go together, and a
 * really smaller network without some of them.
 *
 * A *unit* is a set of channels that depend on each other: an output channel of a
 * convolution, its batch norm and the depthwise filter behind it, the channel of another
 * convolution that is added to it, and the slices of all weights that read them (the
 * dependency graph of Fang et al., "DepGraph", CVPR 2023). What reaches the network's
 * output or comes from its input is in no unit and always stays. Value numbers are the
 * same before and after a cut, so that layers which losses look at stay where they are.
 *
 * A *block* is what a residual branch adds to its shortcut. It goes as a whole, and the
 * shortcut goes on alone. */
#ifndef LB_COMPRESS_PRUNE_H
#define LB_COMPRESS_PRUNE_H

#include "base/key.h"
#include "device/device.h"
#include "graph/graph.h"

/* Something that makes channels: a convolution, a dense layer. */
typedef struct lb_prune_layer {
    const char *name; /* of its node; borrowed from the graph */
    lb_value out;     /* what it computes */
    int axis;         /* its channels there */
    int n;            /* how many */
    const int *unit;  /* [n] the unit of each; -1: stays */
} lb_prune_layer;

enum { LB_PRUNE_CLOSING = 4 };

/* A residual block: an addition of a branch, which may go, and its shortcut. */
typedef struct lb_prune_block {
    const char *name; /* of the sum; borrowed from the graph */
    lb_value sum;     /* what it computes */
    int branch;       /* which of its inputs goes: 0 or 1 */
    const int *node;  /* [n_nodes] of the branch, which nothing else depends on; in the
                         order in which they run */
    int n_nodes;
    lb_value *param; /* [n_params] that these alone read */
    int n_params;
    lb_value closing[LB_PRUNE_CLOSING]; /* weights of its last layer: zeros in their
                                           place make all of it zero */
    int n_closing;
    int n_channels; /* that it adds to */
} lb_prune_block;

/* What hangs together in a graph, found by lb_prune_ties. Lives in the arena. */
typedef struct lb_prune_map {
    int n_values; /* of the graph */
    int n_parts;  /* what may go, each alone: units and, behind them, blocks */
    int n_units;
    int n_blocks; /* 0 without lb_prune_blocks */
    const lb_prune_block *block;
    const bool *held; /* [n_values] values that stay where they are; NULL: none has to */
    int n_groups;     /* sets of layers whose units are of one kind: tied by additions */
    const int *group; /* [n_units] */
    int n_layers;     /* those with units, in the order in which they run */
    const lb_prune_layer *layer;
    const int **unit; /* [n_values * LB_MAX_RANK]: for axis k of value v at
                         v * LB_MAX_RANK + k the unit of each index, -1: stays; NULL: all
                         stay */
} lb_prune_map;

/* NULL: nothing along that axis ever goes. */
static inline const int *lb_prune_units(const lb_prune_map *map, int value, int axis)
{
    return map->unit[value * LB_MAX_RANK + axis];
}

/* graph: with BatchNormalization not folded (as it is trained) or folded. Operators that
 * have no rule here hold their channels fast. */
lb_code lb_prune_ties(const lb_graph *graph, lb_arena *arena, lb_prune_map *out,
                      lb_error *err) LB_MUST_USE;

/* Adds the residual blocks to a map of the same graph. held: [graph->n_values] values
 * that have to stay, as losses look at them: a block that computes one within is left
 * out; NULL: none; borrowed as long as the map is used. */
lb_code lb_prune_blocks(const lb_graph *graph, const bool *held, lb_arena *arena,
                        lb_prune_map *map, lb_error *err) LB_MUST_USE;

/* Takes parts out of the graph itself: parameters and constants are replaced by smaller
 * ones in its arena, types are inferred anew; the nodes of blocks that go are no more,
 * and neither is a second Relu over what has had one. gone: [map->n_parts]. Value numbers
 * stay; a constant that holds sizes may be added behind them. After a failure the graph
 * is of no use. LB_ERR_INPUT if a layer would lose its last channel. */
lb_code lb_prune_apply(lb_graph *graph, const lb_prune_map *map, const bool *gone,
                       lb_error *err) LB_MUST_USE;

/* The same for a copy. What is not cut is borrowed from `from`, which must outlive it. */
lb_code lb_prune_cut(const lb_graph *from, const lb_prune_map *map, const bool *gone,
                     lb_graph **out, lb_error *err) LB_MUST_USE;

typedef enum lb_prune_method {
    LB_PRUNE_L1,    /* size of the weights (Li et al., "Pruning Filters", ICLR 2017) */
    LB_PRUNE_BN,    /* scale of the batch norms (Liu et al., "Slimming", ICCV 2017) */
    LB_PRUNE_TAYLOR /* first-order change of the loss (Molchanov et al., CVPR 2019) */
} lb_prune_method;

typedef enum lb_prune_of { LB_PRUNE_OF_MACS, LB_PRUNE_OF_PARAMETERS } lb_prune_of;

typedef enum lb_prune_what {
    LB_PRUNE_CHANNELS,
    LB_PRUNE_BLOCKS,
    LB_PRUNE_BOTH
} lb_prune_what;

typedef struct lb_prune_options {
    int method;    /* lb_prune_method */
    int what;      /* lb_prune_what */
    int of;        /* lb_prune_of: what `amount` is a share of */
    double amount; /* that goes, 0..1; 0: nothing is pruned */
    double keep;   /* the least share of each layer's channels that stays */
    /* in a recipe: */
    int steps;     /* cuts: 1 takes all at once */
    int epochs;    /* of fine-tuning after each cut */
    int batches;   /* whose gradients taylor looks at before each cut */
    double lr;     /* of the fine-tuning; 0: the training's own */
    bool untaught; /* judged and fine-tuned by ce alone, for a comparison */
} lb_prune_options;
extern const lb_key lb_prune_keys[];      /* method, what, amount, of, keep */
extern const lb_key lb_prune_tune_keys[]; /* steps, epochs, batches, lr, untaught */

/* The share that is gone after that many cuts: much at first, where there is most to
 * spare, as a - a (1 - cut / steps)^3 (Zhu and Gupta, 2017). */
double lb_prune_amount(const lb_prune_options *options, int cut);

/* Why a method by that name is not there: unstructured or N:M sparsity, from which no
 * emitted kernel gains. NULL: it is not one of these. */
const char *lb_prune_refusal(const char *method);

/* What each part weighs by the graph's own weights. A unit by l1: the sum of the sizes of
 * all trained weights that go with it, over the mean of its group; by bn: the mean size
 * of its norms' scales; INFINITY where it has none. A block by l1: the mean size of the
 * weights in it beside that with which they begin, by bn: of the scales of its last
 * layer, if that is a norm; over the mean of all blocks, times 1 + 1/2 + ... + 1/n for
 * its n channels: it is as dear as they would be one after the other, each at what is
 * left. score: [map->n_parts]. LB_ERR_INPUT for bn where no part has a norm, LB_ERR_BUG
 * for taylor, which needs gradients. */
lb_code lb_prune_score(const lb_graph *graph, const lb_prune_map *map,
                       lb_prune_method method, double *score, lb_error *err) LB_MUST_USE;

/* Adds what one batch says of taylor: for each unit the square of the sum of weight times
 * gradient over all that goes with it. Blocks are left as they are: so large a change is
 * not of first order, and where a network has been trained the first order of a whole
 * branch is about nothing. grad: [graph->n_values] the gradient of each parameter, of its
 * shape, or NULL. */
lb_code lb_prune_add_taylor(const lb_graph *graph, const lb_prune_map *map,
                            const lb_tensor *const *grad, double *score,
                            lb_error *err) LB_MUST_USE;

/* For blocks the same is measured: the branch adds nothing while it is muted, as the
 * weights of its last layer are zero. *kept: what they were, for lb_prune_unmute, which
 * every mute must be followed by. */
lb_code lb_prune_mute(const lb_graph *graph, const lb_prune_block *block, void **kept,
                      lb_error *err) LB_MUST_USE;
void lb_prune_unmute(const lb_graph *graph, const lb_prune_block *block, void *kept);
/* Adds the change of one batch's loss while block k was muted; squared, and counted
 * twice, as the sum of a unit has what it does where its weights make it and where others
 * read it. */
void lb_prune_add_trial(const lb_prune_map *map, int k, double change, double *score);

/* Parts that touch a parameter which is not trained are worth INFINITY: they never go.
 * frozen: [graph->n_values]; the running statistics of norms are left aside. */
void lb_prune_hold(const lb_graph *graph, const lb_prune_map *map, const bool *frozen,
                   double *score);

/* What a ranking is for. */
typedef struct lb_prune_goal {
    lb_prune_of of;
    double left; /* MACs or parameters that may be left at most */
    double keep; /* as in lb_prune_options */
    /* Scores are divided by what a unit saves: cycles of this device (mid of the
     * estimate); NULL: MACs or parameters. */
    const lb_device *device;
    /* The scores compare channels of one layer, not layers: all are brought to what they
     * cost at the start. */
    bool relative;
    bool blocks_only; /* channels stay */
} lb_prune_goal;

/* Chooses the parts that go: those with the least score for what they save, one after the
 * other, until the goal is met; what a part saves is reckoned anew as its neighbours go.
 * A block that would overshoot the goal waits until no channel is left to go. Ties go to
 * the lower number. gone: [map->n_parts]. LB_ERR_INPUT, with the most that can go, if
 * `keep` stands before the goal; LB_ERR_UNSUPPORTED if the device cannot run the network.
 */
lb_code lb_prune_choose(const lb_graph *graph, const lb_prune_map *map,
                        const double *score, const lb_prune_goal *goal, bool *gone,
                        lb_error *err) LB_MUST_USE;

#endif
