/* train_keys.c: the settings of training, as recipes spell them. */
#include "train/train.h"

#include <stddef.h>

static const char *const precisions[] = {"float32", "float64", NULL};

#define AT(field) offsetof(lb_train_options, field)
const lb_key lb_train_keys[] = {
    {.name = "epochs",
     .type = LB_KEY_INT,
     .offset = AT(epochs),
     .min = 1,
     .max = 100000,
     .usual = "10",
     .help = "passes over the training samples"},
    {.name = "batch",
     .type = LB_KEY_INT,
     .offset = AT(batch),
     .min = 1,
     .max = 65536,
     .usual = "128",
     .help = "samples of one step"},
    {.name = "order",
     .type = LB_KEY_PATH,
     .offset = AT(order),
     .usual = "",
     .help = "an .npy with the order of the samples, to compare with other software"},
    {.name = "precision",
     .type = LB_KEY_CHOICE,
     .offset = AT(precision),
     .usual = "float32",
     .choices = precisions,
     .help = "float64 runs on the reference kernels: slow, for comparisons"},
    {.name = "loader_threads",
     .type = LB_KEY_INT,
     .offset = AT(loader_threads),
     .min = 1,
     .max = 64,
     .usual = "1",
     .help = "threads that prepare the batches"},
    {0},
};
#undef AT

#define AT(field) offsetof(lb_sgd_options, field)
const lb_key lb_sgd_keys[] = {
    {.name = "lr",
     .type = LB_KEY_FLOAT,
     .offset = AT(lr),
     .min = 0,
     .max = 1000,
     .usual = "0.1",
     .help = "learning rate after the warm-up"},
    {.name = "momentum",
     .type = LB_KEY_FLOAT,
     .offset = AT(momentum),
     .min = 0,
     .max = 1,
     .usual = "0.9",
     .help = "share of the last step that is kept"},
    {.name = "nesterov",
     .type = LB_KEY_BOOL,
     .offset = AT(nesterov),
     .usual = "true",
     .help = "Nesterov's form of the momentum; usually on where there is momentum"},
    {.name = "weight_decay",
     .type = LB_KEY_FLOAT,
     .offset = AT(weight_decay),
     .min = 0,
     .max = 1,
     .usual = "0.0005",
     .help = "pull of the weights to zero; biases and norms are spared"},
    {.name = "clip_norm",
     .type = LB_KEY_FLOAT,
     .offset = AT(clip_norm),
     .min = 0,
     .max = 1e9,
     .usual = "0",
     .help = "gradients longer than that, all together, are shortened to it; 0: none"},
    {0},
};
#undef AT

#define AT(field) offsetof(lb_schedule_options, field)
const lb_key lb_cosine_keys[] = {
    {.name = "warmup",
     .type = LB_KEY_FLOAT,
     .offset = AT(warmup),
     .min = 0,
     .max = 100000,
     .usual = "1",
     .help = "epochs of linear warm-up; at most a tenth of the epochs unless given"},
    {.name = "floor",
     .type = LB_KEY_FLOAT,
     .offset = AT(floor),
     .min = 0,
     .max = 1,
     .usual = "0",
     .help = "the last rate, as a share of lr"},
    {0},
};

const lb_key lb_step_keys[] = {
    {.name = "at",
     .type = LB_KEY_NUMBERS,
     .offset = AT(at),
     .min = 0,
     .max = 100000,
     .usual = NULL,
     .help = "the epochs at which the rate falls, as in [60, 80]"},
    {.name = "factor",
     .type = LB_KEY_FLOAT,
     .offset = AT(factor),
     .min = 0,
     .max = 1,
     .usual = "0.1",
     .help = "what the rate is multiplied by there"},
    {.name = "warmup",
     .type = LB_KEY_FLOAT,
     .offset = AT(warmup),
     .min = 0,
     .max = 100000,
     .usual = "0",
     .help = "epochs of linear warm-up"},
    {0},
};
#undef AT

const char *lb_train_rate_key(const lb_train_options *options, double *rate)
{
    *rate = options->sgd.lr;
    return "train.optimizer.sgd.lr";
}
