/* recipe_stages.c: the stages of a recipe. What a stage leaves out it takes from the top:
 * its losses as a whole, its training key by key. */
#include "recipe/recipe_int.h"

#include <string.h>

/* A map with the keys of `own`, and those of `top` that it does not have. Of what both
 * have as maps: merged as a choice (`choices`: of `train`), or key by key. Trees are
 * borrowed. NULL without memory. */
static const lb_tree *merge(lb_reader *r, const lb_tree *top, const lb_tree *own,
                            bool choices);

static bool add(lb_reader *r, lb_tree *map, const lb_tree *from, int i,
                const lb_tree *value)
{
    map->key[map->n] = from->key[i];
    map->child[map->n] = (lb_tree *)value;
    map->n += value != NULL;
    r->findings.failed = r->findings.failed || !value;
    return value != NULL;
}

static bool is_map(const lb_tree *value)
{
    return value && value->kind == LB_TREE_MAP;
}

static bool is_none(const lb_tree *value)
{
    return value && value->kind == LB_TREE_SCALAR && strcmp(value->text, "none") == 0;
}

/* {sgd: {lr: 1}} over {sgd: {momentum: 0.9}}; but {step: ...} over {cosine: ...} has
 * nothing of the other's. */
static const lb_tree *merge_value(lb_reader *r, const lb_tree *top, const lb_tree *own)
{
    if (!is_map(top) || !is_map(own) || top->n != 1 || own->n != 1 ||
        strcmp(top->key[0]->text, own->key[0]->text) != 0)
        return own;
    return merge(r, top, own, false);
}

static const lb_tree *merge(lb_reader *r, const lb_tree *top, const lb_tree *own,
                            bool choices)
{
    const int most = top->n + own->n + 1;
    lb_tree *const map = LB_TAKE(r->arena, lb_tree);
    lb_tree **const keys = LB_TAKE_ARRAY(r->arena, most, lb_tree *);
    lb_tree **const children = LB_TAKE_ARRAY(r->arena, most, lb_tree *);

    if (!map || !keys || !children) {
        r->findings.failed = true;
        return NULL;
    }
    *map = *own;
    map->key = keys;
    map->child = children;
    map->n = 0;
    for (int i = 0; i < own->n; i++) {
        const lb_tree *const above = lb_tree_find(top, own->key[i]->text);
        const lb_tree *value = own->child[i];
        if (choices)
            value = merge_value(r, above, value);
        else if (is_map(above) && is_map(value))
            value = merge(r, above, value, false);
        if (!add(r, map, own, i, value))
            return NULL;
    }
    for (int i = 0; i < top->n; i++)
        if (!lb_tree_find(own, top->key[i]->text) && !add(r, map, top, i, top->child[i]))
            return NULL;
    return map;
}

/* `train` of a stage, as a map that has it as its only key. */
static const lb_tree *train_of(lb_reader *r, const lb_tree *root, const lb_tree *item)
{
    const lb_tree *const top = lb_tree_find(root, "train");
    const lb_tree *const own = lb_tree_find(item, "train");

    if (!own)
        return root;
    if (!is_map(top) || !is_map(own))
        return item;
    lb_tree *const map = LB_TAKE(r->arena, lb_tree);
    lb_tree **const both = LB_TAKE_ARRAY(r->arena, 2, lb_tree *);
    lb_tree *const key = LB_TAKE(r->arena, lb_tree);
    const lb_tree *const train = merge(r, top, own, true);
    if (!map || !both || !key || !train) {
        r->findings.failed = true;
        return NULL;
    }
    *key = *own;
    key->kind = LB_TREE_SCALAR;
    key->text = "train";
    both[0] = key;
    both[1] = (lb_tree *)train;
    *map = *item;
    map->key = &both[0];
    map->child = &both[1];
    map->n = 1;
    return map;
}

static void read_freeze(lb_reader *r, const lb_tree *value, lb_freeze *freeze)
{
    const int n = value->kind == LB_TREE_LIST ? value->n : 1;

    if (value->kind == LB_TREE_MAP || n > LB_MAX_FREEZE) {
        lb_tree_complain(&r->findings, value,
                         "freeze must be a layer or a list of at most %d layers and "
                         "parameters, as in [stem, \"block*\"]",
                         LB_MAX_FREEZE);
        return;
    }
    for (int i = 0; i < n; i++) {
        const lb_tree *const item = value->kind == LB_TREE_LIST ? value->child[i] : value;
        const char *const word = lb_read_word(r, "freeze", item);
        if (word)
            freeze->pattern[freeze->n++] = word;
    }
}

/* A key that takes one word alone; true if it is there and right. */
static bool read_flag(lb_reader *r, const lb_tree *item, const char *key,
                      const char *wanted, const char *first, int number)
{
    const lb_tree *const value = lb_tree_find(item, key);
    const char *const word = value ? lb_read_word(r, key, value) : NULL;

    if (!word)
        return false;
    if (strcmp(word, wanted) != 0) {
        lb_tree_complain(&r->findings, value,
                         "'%s' of a stage can be '%s', not '%.60s'%s", key, wanted, word,
                         lb_read_hint(r, word, &wanted, 1));
        return false;
    }
    if (number > 0)
        return true;
    lb_tree_complain(&r->findings, value, "%s", first);
    return false;
}

static bool counts(const lb_term *term, int epochs)
{
    const bool weighs =
        term->weight > 0 || term->weight_ramp.from > 0 || term->balance.on;

    return weighs && term->first < epochs;
}

/* A stage whose losses are all asleep would only wear the weights down. */
static void check_counts(lb_reader *r, const lb_tree *item, const lb_stage *stage)
{
    for (int i = 0; i < stage->n_terms; i++)
        if (counts(&stage->term[i], stage->train.epochs))
            return;
    lb_tree_complain(&r->findings, item,
                     "no loss counts in stage '%.60s': it has %d epochs, and the losses "
                     "begin later or weigh nothing",
                     stage->name, stage->train.epochs);
}

/* The student before is the only teacher of its stage. */
static void check_previous(lb_reader *r, const lb_tree *item, const lb_stage *stage)
{
    for (int i = 0; i < stage->n_terms; i++)
        if (stage->term[i].taps.of_one)
            lb_tree_complain(&r->findings, item,
                             "loss '%s' learns from layers of teacher '%.60s', but the "
                             "teacher of stage '%.60s' is the student before it",
                             stage->term[i].loss->name, stage->term[i].taps.of_as,
                             stage->name);
}

static void check_twin(lb_reader *r, const lb_tree *item, const lb_recipe *recipe)
{
    const char *const name = recipe->stage[recipe->n_stages].name;

    for (int k = 0; k < recipe->n_stages; k++)
        if (strcmp(recipe->stage[k].name, name) == 0)
            lb_tree_complain(&r->findings, item, "two stages are called '%.60s'", name);
}

/* The parts that a recipe has, too, read by a recipe of the stage's own. */
static void read_parts(lb_reader *r, const lb_tree *root, const lb_tree *item,
                       const lb_recipe *recipe, lb_stage *stage)
{
    lb_recipe *const own = LB_TAKE(r->arena, lb_recipe);
    const lb_tree *const train = train_of(r, root, item);
    const bool has_losses = lb_tree_find(item, "distill") != NULL;

    if (!own || !train) {
        r->findings.failed = true;
        return;
    }
    *own = *recipe;
    own->has_teacher = recipe->has_teacher || stage->previous;
    if (stage->previous)
        own->ensemble.n = 1;
    if (train != root) {
        own->train = (lb_train_options){0};
        lb_read_train(r, train, own);
    }
    if (has_losses || !lb_tree_find(root, "distill")) {
        own->n_terms = 0;
        lb_read_terms(r, item, own);
    }
    stage->train = own->train;
    stage->n_terms = own->n_terms;
    memcpy(stage->term, own->term, sizeof stage->term);
}

static void read_stage(lb_reader *r, const lb_tree *root, const lb_tree *item,
                       lb_recipe *recipe)
{
    static const char *const forms[] = {"name",  "distill", "train",   "freeze",
                                        "until", "teacher", "student", NULL};
    lb_stage *const stage = &recipe->stage[recipe->n_stages];
    const lb_tree *value;

    if (item->kind != LB_TREE_MAP) {
        lb_tree_complain(&r->findings, item,
                         "a stage must be a map, as in {name: hints, train: {epochs: "
                         "3}}");
        return;
    }
    const int before = r->findings.n;
    stage->line = item->set ? 0 : item->line;
    stage->column = item->set ? 0 : item->column;
    lb_read_map(r, item, item, "a stage", NULL, 0, forms, NULL);
    if ((value = lb_tree_find(item, "name")))
        stage->name = lb_read_word(r, "name", value);
    if (!stage->name)
        stage->name = lb_arena_text(r->arena, "stage %d", recipe->n_stages + 1);
    if (!stage->name) {
        r->findings.failed = true;
        return;
    }
    check_twin(r, item, recipe);
    if ((value = lb_tree_find(item, "freeze")) && !is_none(value))
        read_freeze(r, value, &stage->freeze);
    if ((value = lb_tree_find(item, "until")) && !is_none(value))
        stage->until = lb_read_word(r, "until", value);
    stage->previous = read_flag(r, item, "teacher", "previous",
                                "the first stage has none before it to be its teacher",
                                recipe->n_stages);
    stage->fresh =
        read_flag(r, item, "student", "fresh",
                  "the first stage begins with new weights anyway", recipe->n_stages);
    if (stage->fresh && recipe->student.onnx)
        lb_tree_complain(&r->findings, lb_tree_find(item, "student"),
                         "an ONNX file has one set of weights; student: fresh needs a "
                         "built-in model");
    read_parts(r, root, item, recipe, stage);
    if (stage->previous)
        check_previous(r, item, stage);
    if (r->findings.n == before)
        check_counts(r, item, stage);
    recipe->n_stages++;
}

/* The list of stages; NULL: there is none, or it says none. */
static const lb_tree *list_of(const lb_tree *root)
{
    const lb_tree *const list = lb_tree_find(root, "stages");

    return is_none(list) ? NULL : list;
}

/* `freeze` and `until` at the recipe's top, as a map of their own, borrowed. */
static lb_tree of_top(const lb_tree *root, lb_tree *key[2], lb_tree *child[2])
{
    static const char *const names[] = {"freeze", "until"};
    lb_tree map = *root;

    map.key = key;
    map.child = child;
    map.n = 0;
    for (int i = 0; i < root->n; i++)
        for (int k = 0; k < 2; k++)
            if (map.n < 2 && strcmp(root->key[i]->text, names[k]) == 0 &&
                !is_none(root->child[i])) {
                key[map.n] = root->key[i];
                child[map.n++] = root->child[i];
            }
    if (map.n > 0) {
        map.line = key[0]->line;
        map.column = key[0]->column;
        map.set = key[0]->set;
    }
    return map;
}

/* A recipe without stages that says what of the student learns is its only one. */
static void read_only_stage(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    lb_tree *key[2], *child[2];
    const lb_tree item = of_top(root, key, child);
    lb_tree nothing = *root;

    if (item.n == 0)
        return;
    recipe->stage = LB_TAKE(r->arena, lb_stage);
    if (!recipe->stage) {
        r->findings.failed = true;
        return;
    }
    nothing.n = 0;
    recipe->stage[0].name = "training";
    read_stage(r, r->findings.n == 0 ? root : &nothing, &item, recipe);
}

/* With stages it is each of them that says so. */
static void refuse_top(lb_reader *r, const lb_tree *root)
{
    lb_tree *key[2], *child[2];
    const lb_tree item = of_top(root, key, child);

    for (int i = 0; i < item.n; i++)
        lb_tree_complain(&r->findings, child[i],
                         "'%s' at the top is for a recipe without stages; say in which "
                         "stage it holds",
                         key[i]->text);
}

void lb_read_stages(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    const lb_tree *const list = list_of(root);

    if (!list) {
        read_only_stage(r, root, recipe);
        return;
    }
    refuse_top(r, root);
    if (list->kind != LB_TREE_LIST || list->n == 0 || list->n > LB_MAX_STAGES) {
        lb_tree_complain(&r->findings, list,
                         "stages must be a list of 1 to %d stages, as in [{name: hints, "
                         "train: {epochs: 3}}, {name: answers}]",
                         LB_MAX_STAGES);
        return;
    }
    recipe->stage = LB_TAKE_ARRAY(r->arena, list->n, lb_stage);
    if (!recipe->stage) {
        r->findings.failed = true;
        return;
    }
    /* what is wrong at the top is told once, not again by each stage that inherits it */
    lb_tree nothing = *root;
    nothing.n = 0;
    const lb_tree *const top = r->findings.n == 0 ? root : &nothing;
    for (int k = 0; k < list->n; k++)
        read_stage(r, top, list->child[k], recipe);
    if (recipe->n_stages == 0)
        return;
    /* the top speaks for the stage that makes the student what it is in the end */
    const lb_stage *const last = &recipe->stage[recipe->n_stages - 1];
    recipe->train = last->train;
    recipe->n_terms = last->n_terms;
    memcpy(recipe->term, last->term, sizeof recipe->term);
}

int lb_recipe_epochs(const lb_recipe *recipe)
{
    int n = recipe->n_stages > 0 ? 0 : recipe->train.epochs;

    for (int k = 0; k < recipe->n_stages; k++)
        n += recipe->stage[k].train.epochs;
    return n;
}

bool lb_stages_need_top(const lb_tree *root)
{
    return lb_tree_find(root, "distill") || !list_of(root);
}
