/* compare_twin.c: the training of a twin whose recipe has stages.
 *
 * The twin learns in one piece, by `ce` alone. It has the optimiser, the schedule and the
 * batch of the last stage, and as many steps as the stages have together in which the
 * deployed student is trained: all of them, or those from the last `student: fresh` on.
 * Each counts wholly, also one that runs a part of the student, or trains a part. What
 * every one of them freezes stays as it is in the twin, too. A recipe that prunes has a
 * twin that is pruned in the same manner, and fine-tuned for as long, by `ce`. */
#include "run/compare_int.h"

#include <math.h>
#include <string.h>

int lb_twin_first(const lb_recipe *recipe)
{
    int first = 0;

    for (int k = 0; k < recipe->n_taught; k++)
        if (recipe->stage[k].fresh)
            first = k;
    return first;
}

/* An epoch of smaller batches has more steps; a rest is rounded up. */
static int epochs_of(const lb_recipe *recipe)
{
    double epochs = 0;

    for (int k = lb_twin_first(recipe); k < recipe->n_taught; k++) {
        const lb_train_options *const o = &recipe->stage[k].train;
        epochs += (double)o->epochs * recipe->train.batch / o->batch;
    }
    return (int)ceil(epochs - 1e-9);
}

/* Falls of a step schedule keep their distance from the end. */
static lb_train_options train_of(const lb_recipe *recipe)
{
    lb_train_options train = recipe->train;
    lb_numbers *const at = &train.schedule.at;

    train.epochs = epochs_of(recipe);
    for (int i = 0; i < at->n; i++)
        at->value[i] += train.epochs - recipe->train.epochs;
    return train;
}

static bool freezes(const lb_stage *stage, const char *pattern)
{
    for (int i = 0; i < stage->freeze.n; i++)
        if (strcmp(stage->freeze.pattern[i], pattern) == 0)
            return true;
    return false;
}

/* "freeze=[a, b]", or "freeze=none". */
static const char *freeze_of(const lb_recipe *recipe, lb_arena *arena)
{
    const lb_freeze *const last = &recipe->stage[recipe->n_taught - 1].freeze;
    lb_text t;
    int n = 0;

    lb_text_init(&t, arena);
    lb_text_add(&t, "freeze=");
    for (int i = 0; i < last->n; i++) {
        bool all = true;
        for (int k = lb_twin_first(recipe); k < recipe->n_taught; k++)
            all = all && freezes(&recipe->stage[k], last->pattern[i]);
        if (all)
            lb_text_add(&t, "%s\"%s\"", n++ ? ", " : "[", last->pattern[i]);
    }
    lb_text_add(&t, n > 0 ? "]" : "none");
    return t.failed ? NULL : t.chars;
}

int lb_twin_training(const lb_recipe *recipe, lb_arena *arena,
                     const char *sets[LB_TWIN_SETS])
{
    const lb_train_options train = train_of(recipe);

    if (recipe->n_stages == 0)
        return 0;
    const char *const text = lb_recipe_train_text(&train, arena);
    sets[0] = "stages=none";
    sets[1] = "until=none";
    sets[2] = freeze_of(recipe, arena);
    sets[3] = text ? lb_arena_text(arena, "train=%s", text) : NULL;
    return sets[2] && sets[3] ? LB_TWIN_SETS : -1;
}

const char *lb_twin_refusal(const lb_recipe *recipe)
{
    const bool one = recipe->n_taught - lb_twin_first(recipe) <= 1;

    return recipe->train.order && !one
               ? "the recipe has stages and train.order: the twin trains in one piece, "
                 "and the order of its epochs is nowhere; leave train.order out"
               : NULL;
}
