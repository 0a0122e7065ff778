/* prune_keys.c: the settings of pruning, as recipes and options spell them. */
#include "compress/prune.h"

#include <stddef.h>
#include <string.h>

static const char *const methods[] = {"l1", "bn", "taylor", NULL};
static const char *const whats[] = {"channels", "blocks", "both", NULL};
static const char *const shares[] = {"macs", "parameters", NULL};

#define AT(field) offsetof(lb_prune_options, field)
const lb_key lb_prune_keys[] = {
    {.name = "method",
     .type = LB_KEY_CHOICE,
     .offset = AT(method),
     .usual = "taylor",
     .choices = methods,
     .help = "what a channel is judged by: its weights, its norm's scale, or what the "
             "loss would change by"},
    {.name = "what",
     .type = LB_KEY_CHOICE,
     .offset = AT(what),
     .usual = "channels",
     .choices = whats,
     .help = "what goes: channels, whole residual blocks, or both in one ranking"},
    {.name = "amount",
     .type = LB_KEY_FLOAT,
     .offset = AT(amount),
     .min = 0.01,
     .max = 0.99,
     .usual = NULL,
     .help = "share of the multiply-adds that goes"},
    {.name = "of",
     .type = LB_KEY_CHOICE,
     .offset = AT(of),
     .usual = "macs",
     .choices = shares,
     .help = "what amount is a share of"},
    {.name = "keep",
     .type = LB_KEY_FLOAT,
     .offset = AT(keep),
     .min = 0,
     .max = 1,
     .usual = "0.1",
     .help = "least share of each layer's channels that stays; one always does"},
    {0},
};
#undef AT

#define AT(field) offsetof(lb_prune_options, field)
const lb_key lb_prune_tune_keys[] = {
    {.name = "steps",
     .type = LB_KEY_INT,
     .offset = AT(steps),
     .min = 1,
     .max = 16,
     .usual = "1",
     .help = "cuts until the amount has gone, each with its fine-tuning"},
    {.name = "epochs",
     .type = LB_KEY_INT,
     .offset = AT(epochs),
     .min = 1,
     .max = 100000,
     .usual = "3",
     .help = "of fine-tuning after each cut, by the losses of the training"},
    {.name = "batches",
     .type = LB_KEY_INT,
     .offset = AT(batches),
     .min = 1,
     .max = 100000,
     .usual = "32",
     .help = "whose gradients taylor looks at before each cut"},
    {.name = "lr",
     .type = LB_KEY_FLOAT,
     .offset = AT(lr),
     .min = 0,
     .max = 1000,
     .usual = "",
     .help = "learning rate of the fine-tuning, which falls by a cosine; usually the "
             "training's"},
    {.name = "untaught",
     .type = LB_KEY_BOOL,
     .offset = AT(untaught),
     .usual = "false",
     .help = "true: judged and fine-tuned by ce alone, to compare with; the training "
             "before keeps its teacher"},
    {0},
};
#undef AT

double lb_prune_amount(const lb_prune_options *options, int cut)
{
    const double rest = 1 - (double)cut / options->steps;

    return options->amount * (1 - rest * rest * rest);
}

const char *lb_prune_refusal(const char *method)
{
    static const char *const sparse[] = {"unstructured", "magnitude", "sparse", "random"};
    const size_t digits = strspn(method, "0123456789");

    if (digits > 0 && method[digits] == ':')
        return "N:M sparsity is not supported: no kernel that limbeck emits skips zeros "
               "in "
               "a pattern, so nothing would be smaller or faster; whole channels go "
               "instead: l1, bn or taylor";
    for (size_t i = 0; i < sizeof sparse / sizeof *sparse; i++)
        if (strcmp(method, sparse[i]) == 0)
            return "single weights are not pruned: the kernels that limbeck emits are "
                   "dense, so zeros would cost as much as before; whole channels go "
                   "instead: l1, bn or taylor";
    return NULL;
}
