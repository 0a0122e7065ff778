/* model.h: the built-in architectures. To add one, write src/models/model_NAME.c and the
 * line LB_MODEL(NAME) in models.def. */
#ifndef LB_MODELS_MODEL_H
#define LB_MODELS_MODEL_H

#include "base/key.h"
#include "ops/build.h"

/* The last part of another network, for a student to end in: all that lies between the
 * map `from`, [N,C,H,W], and the logits. Borrowed. */
typedef struct lb_model_tail {
    const lb_graph *graph;
    lb_value from;
    int reduction; /* the projector to that map has C / reduction channels within */
} lb_model_tail;

typedef struct lb_model_options {
    lb_shape input; /* of a sample, from the data: [C,H,W] */
    int classes;
    double width; /* multiplies the channels; 1 is the published network */
    int depth; /* the architecture's own: n of ResNet 6n+2, blocks of a DS-CNN; 0: usual
                */
    const lb_model_tail *tail; /* NULL: pooling and a dense layer */
} lb_model_options;

typedef struct lb_model {
    const char *name; /* as recipes spell it: "ds-cnn" */
    const char *help;
    const char *source;             /* the paper or specification */
    double least_width, most_width; /* that `width: fit` searches */
    int usual_depth;
    const int *depths; /* that `depth: fit` searches, rising; ends with 0 */
    /* x: [N,C,H,W] float32; returns logits [N,classes]. Adds BatchNormalization nodes
     * (not folded), and names taps by stage: "stem", "block1", ... */
    lb_value (*build)(lb_builder *b, lb_value x, const lb_model_options *options,
                      uint64_t seed);
} lb_model;

extern const lb_model *const lb_models[]; /* ends with NULL */
const lb_model *lb_model_find(const char *name);

/* A graph with input "input" and output "logits", weights initialised by the seed (He
 * normal for convolutions, as the papers do). */
lb_code lb_model_build(const lb_model *model, const lb_model_options *options,
                       uint64_t seed, lb_graph **out, lb_error *err) LB_MUST_USE;

/* Channels at a width: rounded to a multiple of 4 from 8 on, at least 4 (2 below). */
int lb_channels(int published, double width);

#endif
