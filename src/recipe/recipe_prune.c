/* recipe_prune.c: `compress: {prune: ...}`: further stages behind those of the recipe,
 * each of which begins with a cut and goes on as the last one ended. */
#include "recipe/recipe_int.h"

#include <stdio.h>
#include <string.h>

/* Sparsity that nothing gains from is told why. */
static bool is_refused(lb_reader *r, const lb_tree *map)
{
    const lb_tree *const method = lb_tree_find(map, "method");
    const bool word = method && method->kind == LB_TREE_SCALAR;
    const char *const why = word ? lb_prune_refusal(method->text) : NULL;

    if (why)
        lb_tree_complain(&r->findings, method, "method %.60s: %s", method->text, why);
    return why != NULL;
}

static void check_last(lb_reader *r, const lb_tree *at, const lb_recipe *recipe)
{
    const lb_stage *const last = &recipe->stage[recipe->n_taught - 1];

    if (recipe->n_taught + recipe->prune.steps > LB_MAX_STAGES)
        lb_tree_complain(&r->findings, at,
                         "%d stages and %d cuts of prune are more than %d stages in all",
                         recipe->n_taught, recipe->prune.steps, LB_MAX_STAGES);
    if (recipe->prune.untaught && recipe->data.labels <= 0)
        lb_tree_complain(&r->findings, at,
                         "prune: untaught: nothing is left to learn from with labels: "
                         "none");
    if (last->previous && !recipe->prune.untaught)
        lb_tree_complain(
            &r->findings, at,
            "prune goes on with the losses of the last stage, '%.60s', but its "
            "teacher is the student before it, which is gone by then; add a "
            "stage with a teacher that stays",
            last->name);
    if (last->until)
        lb_tree_complain(
            &r->findings, at,
            "prune goes on with the losses of the last stage, '%.60s', but that "
            "runs the student until '%.60s' only: what is behind it would not "
            "be fine-tuned",
            last->name, last->until);
}

/* With `untaught`: the labels alone, as the recipe's ce takes them. */
static int by_labels(const lb_stage *last, lb_term *out)
{
    const lb_loss *const ce = lb_loss_find("ce");

    *out = lb_term_usual(ce, 1);
    for (int i = 0; i < last->n_terms; i++)
        if (last->term[i].loss == ce) {
            *out = last->term[i];
            lb_terms_settle(&last->term[i], 1, 1, out);
            out->weight = 1;
            break;
        }
    return 1;
}

static bool is_taken(const lb_recipe *recipe, const char *name)
{
    for (int k = 0; k < recipe->n_stages; k++)
        if (strcmp(recipe->stage[k].name, name) == 0)
            return true;
    return false;
}

static void add_stage(lb_reader *r, const lb_tree *at, lb_recipe *recipe, int cut)
{
    const lb_stage *const last = &recipe->stage[recipe->n_taught - 1];
    lb_stage *const stage = &recipe->stage[recipe->n_stages];

    *stage = *last;
    stage->name =
        recipe->prune.steps == 1 ? "pruning" : lb_arena_text(r->arena, "pruning %d", cut);
    if (!stage->name) {
        r->findings.failed = true;
        return;
    }
    if (is_taken(recipe, stage->name))
        lb_tree_complain(&r->findings, at, "a stage is called '%s', as what prune adds",
                         stage->name);
    stage->fresh = false;
    stage->cut = cut;
    stage->train = lb_train_further(&last->train, recipe->prune.epochs, recipe->prune.lr);
    if (recipe->prune.untaught)
        stage->n_terms = by_labels(last, stage->term);
    else
        stage->n_terms =
            lb_terms_settle(last->term, last->n_terms, last->train.epochs, stage->term);
    recipe->n_stages++;
}

/* Room for the cuts; a recipe without stages becomes one of its only stage. */
static bool make_room(lb_reader *r, lb_recipe *recipe)
{
    lb_stage *const stages = LB_TAKE_ARRAY(r->arena, LB_MAX_STAGES + 1, lb_stage);

    if (!stages) {
        r->findings.failed = true;
        return false;
    }
    for (int k = 0; k < recipe->n_stages; k++)
        stages[k] = recipe->stage[k];
    if (recipe->n_stages == 0) {
        stages[0] = (lb_stage){
            .name = "training", .train = recipe->train, .n_terms = recipe->n_terms};
        memcpy(stages[0].term, recipe->term, sizeof stages[0].term);
        recipe->n_stages = 1;
    }
    recipe->stage = stages;
    recipe->n_taught = recipe->n_stages;
    return true;
}

void lb_read_prune(lb_reader *r, const lb_tree *map, lb_recipe *recipe)
{
    const lb_section sections[] = {{lb_prune_keys, &recipe->prune},
                                   {lb_prune_tune_keys, &recipe->prune}};

    if (map->kind == LB_TREE_MAP && is_refused(r, map))
        return;
    lb_read_map(r, map, map, "prune", sections, 2, NULL, NULL);
    if (r->findings.n > 0 || !make_room(r, recipe))
        return;
    if (!(recipe->prune.lr > 0))
        recipe->prune.lr = recipe->stage[recipe->n_taught - 1].train.sgd.lr;
    check_last(r, map, recipe);
    for (int cut = 1; r->findings.n == 0 && cut <= recipe->prune.steps; cut++)
        add_stage(r, map, recipe, cut);
}
