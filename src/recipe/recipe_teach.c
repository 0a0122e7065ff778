/* recipe_teach.c: the losses and the training of a recipe. */
#include "recipe/recipe_int.h"

#include "base/file.h"

#include <string.h>

#define SECTIONS(array) array, (int)(sizeof(array) / sizeof(array)[0])

enum { MOST_NAMES = 128 };

/* The rows of a loss: its weight and its knobs. Those have their usual values already:
 * they may be left out. */
static void loss_keys(const lb_loss *loss, lb_key keys[LB_MAX_KNOBS + 2])
{
    int n = 1;

    keys[0] = lb_weight_key;
    while (n <= LB_MAX_KNOBS && lb_knob_key(loss, n - 1, &keys[n]))
        keys[n++].usual = "";
    keys[n] = (lb_key){0};
}

static const lb_loss *find_loss(lb_reader *r, const lb_tree *item)
{
    const lb_tree *const at = lb_tree_find(item, "loss");
    const char *names[MOST_NAMES];
    int n = 0;

    if (!at) {
        lb_tree_complain(&r->findings, item, "'loss' is missing in 'distill'");
        return NULL;
    }
    const char *const word = lb_read_word(r, "loss", at);
    const lb_loss *const loss = word ? lb_loss_find(word) : NULL;
    if (loss || !word)
        return loss;
    while (lb_losses[n] && n < MOST_NAMES) {
        names[n] = lb_losses[n]->name;
        n++;
    }
    lb_tree_complain(&r->findings, at, "no loss is called '%.60s'%s", word,
                     lb_read_hint(r, word, names, n));
    return NULL;
}

/* What the loss needs and the recipe does not have. */
static void check_needs(lb_reader *r, const lb_tree *at, const lb_loss *loss,
                        const lb_recipe *recipe)
{
    if ((loss->needs & (LB_NEEDS_TEACHER | LB_NEEDS_HINTS)) && !recipe->has_teacher)
        lb_tree_complain(&r->findings, at,
                         "loss '%s' needs a teacher, and the recipe has "
                         "none; add 'teacher', or use 'ce'",
                         loss->name);
    if ((loss->needs & LB_NEEDS_HEAD) && recipe->student.head != LB_HEAD_TEACHER)
        lb_tree_complain(&r->findings, at,
                         "loss '%s' is for a student that ends in the teacher's "
                         "classifier; add head: teacher to 'student', or use 'hint'",
                         loss->name);
    if ((loss->needs & LB_NEEDS_LABELS) && recipe->data.labels <= 0)
        lb_tree_complain(&r->findings, at,
                         "loss '%s' needs labels, and the recipe says labels: none",
                         loss->name);
}

/* Numbers that change are maps: they are read here, and their rows leave `keys` for
 * `forms`, the keys that are not read by their rows. */
static void read_ramps(lb_reader *r, const lb_tree *item, lb_key *keys,
                       const char **forms, lb_term *term)
{
    int kept = 0;

    while (*forms)
        forms++;
    for (int i = 0; keys[i].name; i++) {
        const lb_tree *const value = lb_tree_find(item, keys[i].name);
        const bool ramps = i == 0 || lb_loss_knob(term->loss, i - 1)->ramps;
        const bool is_number =
            !value || (i == 0 ? !lb_weight_is_word(value) : value->kind != LB_TREE_MAP);
        if (!ramps || is_number) {
            keys[kept++] = keys[i];
            continue;
        }
        if (i == 0) {
            lb_read_weight(r, value, &keys[i], term);
        } else {
            lb_ramp *const ramp = &term->knob_ramp[i - 1];
            lb_read_ramp(r, value, &keys[i], lb_loss_knob(term->loss, i - 1)->usual,
                         ramp);
            term->knobs[i - 1] = ramp->to;
        }
        *forms++ = keys[i].name;
    }
    keys[kept] = (lb_key){0};
}

/* Some losses compare the samples of a batch with each other. */
static void check_batch(lb_reader *r, const lb_tree *at, const lb_loss *loss,
                        const lb_recipe *recipe)
{
    if (recipe->train.batch > 0 && recipe->train.batch < loss->min_batch)
        lb_tree_complain(&r->findings, at,
                         "loss '%s' compares the samples of a batch, and %d are too few "
                         "for it; set train.batch to %d or more, or use %s",
                         loss->name, recipe->train.batch, loss->min_batch, loss->instead);
}

static void read_term(lb_reader *r, const lb_tree *item, lb_recipe *recipe)
{
    const char *forms[LB_MAX_KNOBS + 8] = {"loss",    "epochs",  "of",
                                           "teacher", "student", "adapter"};
    lb_key keys[LB_MAX_KNOBS + 2];

    if (item->kind != LB_TREE_MAP) {
        lb_tree_complain(
            &r->findings, item,
            "a line of 'distill' must be a map, as in {loss: kd, weight: 1}");
        return;
    }
    const lb_loss *const loss = find_loss(r, item);
    if (!loss)
        return;
    lb_term term = lb_term_usual(loss, 0);
    loss_keys(loss, keys);
    read_ramps(r, item, keys, forms, &term);
    const lb_section sections[] = {{keys, &term}, {lb_taps_keys, &term.taps}};
    const int n_sections = loss->needs & LB_NEEDS_HINTS ? 2 : 1;
    lb_read_map(r, item, item, loss->name, sections, n_sections, forms, NULL);
    lb_read_taps(r, item, recipe, &term);
    lb_weigh_preset(r, item, &term);
    if (lb_tree_find(item, "epochs"))
        lb_read_epochs(r, lb_tree_find(item, "epochs"), &term);
    check_needs(r, lb_tree_find(item, "loss"), term.loss, recipe);
    check_batch(r, lb_tree_find(item, "loss"), loss, recipe);
    if (recipe->n_terms < LB_MAX_TERMS)
        recipe->term[recipe->n_terms++] = term;
}

static void add_usual_term(lb_reader *r, const lb_tree *root, lb_recipe *recipe,
                           const char *name, double weight)
{
    const lb_loss *const loss = lb_loss_find(name);

    if (!loss)
        return;
    check_needs(r, root, loss, recipe);
    recipe->term[recipe->n_terms++] = lb_term_usual(loss, weight);
}

void lb_read_terms(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    const lb_tree *const list = lb_tree_find(root, "distill");
    double sum = 0;

    if (!list) {
        const bool labels = recipe->data.labels > 0;
        if (recipe->has_teacher)
            add_usual_term(r, root, recipe, "kd", labels ? 0.9 : 1);
        if (labels || !recipe->has_teacher)
            add_usual_term(r, root, recipe, "ce", recipe->has_teacher ? 0.1 : 1);
        return;
    }
    if (list->kind == LB_TREE_MAP && list->set) {
        lb_tree_complain(&r->findings, list,
                         "the recipe has no list 'distill' whose losses could be set; "
                         "write it out, as in [{loss: kd, weight: 0.9}, {loss: ce, "
                         "weight: 0.1}]");
        return;
    }
    if (list->kind != LB_TREE_LIST || list->n == 0) {
        lb_tree_complain(&r->findings, list,
                         "distill must be a list of losses, as in "
                         "[{loss: kd, weight: 0.9}, {loss: ce, weight: 0.1}]");
        return;
    }
    if (list->n > LB_MAX_TERMS) {
        lb_tree_complain(&r->findings, list,
                         "distill has %d losses; at most %d are possible", list->n,
                         LB_MAX_TERMS);
        return;
    }
    for (int i = 0; i < list->n; i++)
        read_term(r, list->child[i], recipe);
    for (int i = 0; i < recipe->n_terms; i++)
        sum += recipe->term[i].weight + recipe->term[i].weight_ramp.from +
               recipe->term[i].balance.on;
    if (recipe->n_terms == list->n)
        lb_check_balance(r, list, recipe->term, recipe->n_terms);
    if (recipe->n_terms == list->n && sum <= 0)
        lb_tree_complain(&r->findings, list, "the weight of every loss is 0");
}

static void read_optimizer(lb_reader *r, const lb_tree *train, const lb_tree *root,
                           lb_sgd_options *sgd)
{
    static const char *const names[] = {"sgd"};
    const lb_section sections[] = {{lb_sgd_keys, sgd}};
    const lb_tree *const value = lb_tree_find(train, "optimizer");
    const lb_tree *name, *inner = NULL;

    if (value) {
        if (!lb_read_choice(r, "optimizer", value, &name, &inner))
            return;
        if (strcmp(name->text, "sgd") != 0) {
            lb_tree_complain(&r->findings, name, "no optimizer is called '%.60s'%s",
                             name->text, lb_read_hint(r, name->text, names, 1));
            return;
        }
    }
    lb_read_map(r, inner, value ? value : root, "sgd", SECTIONS(sections), NULL, NULL);
    if (sgd->nesterov && sgd->momentum <= 0) {
        if (lb_tree_find(inner, "nesterov"))
            lb_tree_complain(&r->findings, lb_tree_find(inner, "nesterov"),
                             "nesterov needs a momentum above 0");
        sgd->nesterov = false;
    }
}

static void check_schedule(lb_reader *r, const lb_tree *map,
                           const lb_train_options *train, lb_schedule_options *schedule)
{
    const lb_tree *const warmup = lb_tree_find(map, "warmup");
    const lb_tree *const at = lb_tree_find(map, "at");

    if (warmup && schedule->warmup > train->epochs)
        lb_tree_complain(&r->findings, warmup,
                         "warmup must be at most the %d epochs, not %g", train->epochs,
                         schedule->warmup);
    for (int i = 1; at && i < schedule->at.n; i++)
        if (!(schedule->at.value[i] > schedule->at.value[i - 1])) {
            lb_tree_complain(&r->findings, at, "the epochs of 'at' must rise");
            break;
        }
    /* a short run would spend itself warming up */
    if (!warmup && schedule->warmup > 0.1 * train->epochs)
        schedule->warmup = 0.1 * train->epochs;
}

static void read_schedule(lb_reader *r, const lb_tree *train, const lb_tree *root,
                          lb_train_options *options)
{
    static const char *const names[] = {"constant", "cosine", "step"}; /* as the enum */
    static const lb_key none[] = {{0}};
    static const lb_key *const keys[] = {none, lb_cosine_keys, lb_step_keys};
    lb_schedule_options *const schedule = &options->schedule;
    const lb_tree *const value = lb_tree_find(train, "schedule");
    const lb_tree *name, *inner = NULL;
    int kind = LB_SCHEDULE_COSINE;

    if (value) {
        if (!lb_read_choice(r, "schedule", value, &name, &inner))
            return;
        for (kind = 0; kind < 3 && strcmp(name->text, names[kind]) != 0;)
            kind++;
        if (kind == 3) {
            lb_tree_complain(&r->findings, name, "no schedule is called '%.60s'%s",
                             name->text, lb_read_hint(r, name->text, names, 3));
            return;
        }
    }
    schedule->kind = kind;
    const lb_section sections[] = {{keys[kind], schedule}};
    lb_read_map(r, inner, value ? value : root, names[kind], SECTIONS(sections), NULL,
                NULL);
    check_schedule(r, inner, options, schedule);
}

void lb_read_train(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"optimizer", "schedule", "freeze", "until", NULL};
    static const char *const elsewhere[] = {"freeze", "until"};
    const lb_tree *const map = lb_tree_find(root, "train");
    lb_train_options *const train = &recipe->train;
    const lb_section sections[] = {{lb_train_keys, train}};

    lb_read_map(r, map, root, "train", SECTIONS(sections), forms, NULL);
    for (int i = 0; i < 2; i++)
        if (lb_tree_find(map, elsewhere[i]))
            lb_tree_complain(&r->findings, lb_tree_find(map, elsewhere[i]),
                             "'%s' is no key of 'train'; it stands beside it, at the "
                             "recipe's top or in a stage",
                             elsewhere[i]);
    read_optimizer(r, map, root, &train->sgd);
    read_schedule(r, map, root, train);
    const lb_tree *const order = lb_tree_find(map, "order");
    if (order && train->order && !lb_file_exists(train->order))
        lb_tree_complain(&r->findings, order, "order: there is no '%.500s'",
                         train->order);
}
