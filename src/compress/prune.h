/* prune.h: structured pruning: which channels of a network can only go together, and a
 * really smaller network without some of them.
 *
 * A *unit* is a set of channels that depend on each other: an output channel of a
 * convolution, its batch norm and the depthwise filter behind it, the channel of another
 * convolution that is added to it, and the slices of all weights that read them (the
 * dependency graph of Fang et al., "DepGraph", CVPR 2023). What reaches the network's
 * output or comes from its input is in no unit and always stays. Value numbers are the
 * same before and after a cut, so that layers which losses look at stay where they are.
 */
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

/* What hangs together in a graph, found by lb_prune_ties. Lives in the arena. */
typedef struct lb_prune_map {
    int n_values; /* of the graph */
    int n_units;
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

/* Takes units out of the graph itself: parameters and constants are replaced by smaller
 * ones in its arena, types are inferred anew. gone: [map->n_units]. Value numbers stay; a
 * constant that holds sizes may be added behind them. After a failure the graph is of no
 * use. LB_ERR_INPUT if a layer would lose its last channel. */
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

typedef struct lb_prune_options {
    int method;    /* lb_prune_method */
    int of;        /* lb_prune_of: what `amount` is a share of */
    double amount; /* that goes, 0..1; 0: nothing is pruned */
    double keep;   /* the least share of each layer's channels that stays */
    /* in a recipe: */
    int steps;   /* cuts: 1 takes all at once */
    int epochs;  /* of fine-tuning after each cut */
    int batches; /* whose gradients taylor looks at before each cut */
    double lr;   /* of the fine-tuning; 0: the training's own */
} lb_prune_options;
extern const lb_key lb_prune_keys[];      /* method, of, amount, keep */
extern const lb_key lb_prune_tune_keys[]; /* steps, epochs, batches, lr */

/* The share that is gone after that many cuts: much at first, where there is most to
 * spare, as a - a (1 - cut / steps)^3 (Zhu and Gupta, 2017). */
double lb_prune_amount(const lb_prune_options *options, int cut);

/* Why a method by that name is not there: unstructured or N:M sparsity, from which no
 * emitted kernel gains. NULL: it is not one of these. */
const char *lb_prune_refusal(const char *method);

/* What each unit weighs by the graph's own weights: l1 (the sum of the sizes of all
 * trained weights that go with it, over the mean of its group) or bn (the mean size of
 * its norms' scales; INFINITY where it has none). score: [map->n_units]. LB_ERR_INPUT for
 * bn where no unit has a norm, LB_ERR_BUG for taylor, which needs gradients. */
lb_code lb_prune_score(const lb_graph *graph, const lb_prune_map *map,
                       lb_prune_method method, double *score, lb_error *err) LB_MUST_USE;

/* Adds what one batch says of taylor: for each unit the square of the sum of weight times
 * gradient over all that goes with it. grad: [graph->n_values] the gradient of each
 * parameter, of its shape, or NULL. */
lb_code lb_prune_add_taylor(const lb_graph *graph, const lb_prune_map *map,
                            const lb_tensor *const *grad, double *score,
                            lb_error *err) LB_MUST_USE;

/* Units that touch a parameter which is not trained are worth INFINITY: they never go.
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
} lb_prune_goal;

/* Chooses the units that go: those with the least score for what they save, one after the
 * other, until the goal is met; what a unit saves is reckoned anew as its neighbours go.
 * Ties go to the lower number. gone: [map->n_units]. LB_ERR_INPUT, with the most that can
 * go, if `keep` stands before the goal; LB_ERR_UNSUPPORTED if the device cannot run the
 * network. */
lb_code lb_prune_choose(const lb_graph *graph, const lb_prune_map *map,
                        const double *score, const lb_prune_goal *goal, bool *gone,
                        lb_error *err) LB_MUST_USE;

#endif
