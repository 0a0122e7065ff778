/* compare.c: runs a recipe and its twin, seed by seed. */
#include "run/compare_int.h"

#include "base/file.h"
#include "base/number.h"
#include "run/go_on.h"

#include <math.h>
#include <string.h>

/* What a twin may have for itself: nothing that decides data, order, steps or student. */
static bool is_own(const lb_compare_options *options, const char *set)
{
    static const char *const training[] = {"train.optimizer", "train.schedule", NULL},
                             *const pruning[] = {"compress.prune.lr", NULL};
    const char *const *own = options->in_pruning ? pruning : training;

    for (; *own; own++) {
        const size_t n = strlen(*own);
        if (strncmp(set, *own, n) == 0 && (set[n] == '.' || set[n] == '='))
            return true;
    }
    return false;
}

const char *lb_compare_rate(const lb_comparison *c, double *rate)
{
    if (!c->options->in_pruning)
        return lb_train_rate_key(&c->twin->train, rate);
    *rate = c->twin->prune.lr;
    return "compress.prune.lr";
}

/* `ce` alone, with the settings that the recipe gives it. NULL without memory. */
static const char *twin_losses(const lb_recipe *recipe, lb_arena *arena)
{
    char number[LB_NUMBER_TEXT];
    lb_text t;

    lb_text_init(&t, arena);
    lb_text_add(&t, "distill=[{loss: ce, weight: 1");
    for (int i = 0; i < recipe->n_terms; i++) {
        const lb_term *const term = &recipe->term[i];
        if (strcmp(term->loss->name, "ce") != 0)
            continue;
        for (int k = 0; lb_loss_knob(term->loss, k); k++) {
            const lb_knob *const knob = lb_loss_knob(term->loss, k);
            const double value = term->knobs[k];
            lb_text_add(&t, ", %s: %s", knob->name,
                        knob->words ? knob->words[(int)value]
                                    : lb_number_text(value, number));
        }
        break;
    }
    lb_text_add(&t, "}]");
    return t.failed ? NULL : t.chars;
}

/* Or a student that teaches the next one. */
static bool has_teacher(const lb_recipe *recipe)
{
    bool any = recipe->has_teacher;

    for (int k = 0; k < recipe->n_stages; k++)
        any = any || recipe->stage[k].previous;
    return any;
}

static lb_code check(const lb_comparison *c, lb_error *err)
{
    const lb_compare_options *const o = c->options;
    const lb_recipe *const r = c->recipe;
    lb_findings f;

    lb_findings_init(&f, c->arena);
    if (o->seeds < 1 || o->seeds > LB_COMPARE_MOST_SEEDS)
        lb_findings_add(&f, -1, 0, "--seeds must be between 1 and %d, not %d",
                        LB_COMPARE_MOST_SEEDS, o->seeds);
    if (!has_teacher(r))
        lb_findings_add(&f, -1, 0, "%s: the recipe has no teacher: it is its own twin",
                        r->path);
    if (r->data.labels <= 0)
        lb_findings_add(&f, -1, 0,
                        "%s: the recipe says labels: none, and its twin would have "
                        "nothing to learn from",
                        r->path);
    if (o->in_pruning && !(r->prune.amount > 0))
        lb_findings_add(&f, -1, 0,
                        "%s: --in-pruning compares prunings, and the recipe has no "
                        "compress.prune",
                        r->path);
    if (!o->in_pruning && lb_twin_refusal(r))
        lb_findings_add(&f, -1, 0, "%s: %s", r->path, lb_twin_refusal(r));
    for (int i = 0; i < o->n_twin; i++)
        if (!is_own(o, o->twin[i]))
            lb_findings_add(&f, -1, 0,
                            "--twin %.200s: a twin has the recipe's data, order, steps "
                            "and student; only %s may be its own",
                            o->twin[i],
                            o->in_pruning ? "compress.prune.lr"
                                          : "train.optimizer and train.schedule");
    if (o->tune_twin && r->data.validation <= 0)
        lb_findings_add(&f, -1, 0,
                        "--tune-twin picks a learning rate on the validation split, and "
                        "the recipe has none; give it data.validation");
    return lb_findings_raise(&f, LB_ERR_INPUT, r->path, "nothing was run", err);
}

/* What makes it, in front of what the user says; how many, -1 without memory. */
static int plain_sets(const lb_comparison *c, const char *plain[3 + LB_TWIN_SETS])
{
    if (c->options->in_pruning) {
        plain[0] = "compress.prune.untaught=true";
        return 1;
    }
    plain[0] = "teacher=none";
    plain[1] = twin_losses(c->recipe, c->arena);
    const int n_training = lb_twin_training(c->recipe, c->arena, plain + 2);
    if (!plain[1] || n_training < 0)
        return -1;
    if (c->recipe->student.head != LB_HEAD_TEACHER)
        return 2 + n_training;
    plain[2 + n_training] = "student.head=own";
    return 3 + n_training;
}

static lb_code make_twin(lb_comparison *c, lb_error *err)
{
    const lb_compare_options *const o = c->options;
    const char *plain[3 + LB_TWIN_SETS];
    const int n_plain = plain_sets(c, plain);
    lb_recipe *twin = NULL;

    if (n_plain < 0)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the twin");
    c->twin_sets = lb_many_sets(c->arena, plain, n_plain, o->twin, o->n_twin);
    c->n_twin_sets = n_plain + o->n_twin;
    const char **const sets =
        lb_many_sets(c->arena, o->run.sets, o->run.n_sets, c->twin_sets, c->n_twin_sets);
    if (!c->twin_sets || !sets)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the twin");
    LB_TRY(lb_recipe_load(o->run.recipe, sets, o->run.n_sets + c->n_twin_sets, c->arena,
                          &twin, err));
    c->twin = twin;
    return LB_OK;
}

static const char *go_on_line(const lb_comparison *c)
{
    const lb_compare_options *const o = c->options;
    lb_text t;

    lb_text_init(&t, c->arena);
    lb_text_add(&t, "limbeck compare %s --seeds %d", o->run.recipe, o->seeds);
    lb_go_on_add(&t, "set", o->run.sets, o->run.n_sets);
    lb_go_on_add(&t, "twin", o->twin, o->n_twin);
    if (o->in_pruning)
        lb_text_add(&t, " --in-pruning");
    if (o->tune_twin)
        lb_text_add(&t, " --tune-twin");
    if (o->run.out)
        lb_go_on_add(&t, "out", &o->run.out, 1);
    lb_go_on_add_common(&t, &o->run);
    return t.failed ? NULL : t.chars;
}

static lb_code open_comparison(lb_comparison *c, lb_error *err)
{
    const lb_compare_options *const o = c->options;
    lb_recipe *recipe = NULL;

    LB_TRY(lb_recipe_load(o->run.recipe, o->run.sets, o->run.n_sets, c->arena, &recipe,
                          err));
    c->recipe = recipe;
    LB_TRY(check(c, err));
    LB_TRY(make_twin(c, err));
    c->folder = o->run.out ? o->run.out
                           : lb_arena_text(c->arena, "runs/%s-compare", recipe->name);
    c->beside = c->folder ? lb_path_folder(c->arena, c->folder) : NULL;
    c->go_on = go_on_line(c);
    c->with = LB_TAKE_ARRAY(c->arena, o->seeds, lb_run_figures);
    c->without = LB_TAKE_ARRAY(c->arena, o->seeds, lb_run_figures);
    if (!c->beside || !c->go_on || !c->with || !c->without)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the comparison");
    return LB_OK;
}

/* One run in the folder that `name` says: the recipe's sets, its seed, then `sets`. */
static lb_code one_run(const lb_comparison *c, const char *name, uint64_t seed,
                       const char *const *sets, int n_sets, lb_run_figures *out,
                       lb_error *err)
{
    const lb_run_options *const base = &c->options->run;
    const char *own[] = {lb_arena_text(c->arena, "seed=%llu", (unsigned long long)seed),
                         lb_arena_text(c->arena, "name=%.40s-%s", c->recipe->name, name)};
    lb_run_options options = *base;

    const char **const first = lb_many_sets(c->arena, base->sets, base->n_sets, own, 2);
    options.sets =
        first ? lb_many_sets(c->arena, first, base->n_sets + 2, sets, n_sets) : NULL;
    options.n_sets = base->n_sets + 2 + n_sets;
    options.out = lb_path_join(c->arena, c->folder, name);
    options.beside = c->beside;
    options.go_on = c->go_on;
    options.phase = NULL;
    if (!own[0] || !own[1] || !options.sets || !options.out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the run '%s'", name);
    lb_many_tell(base, "%s: seed %llu", options.out, (unsigned long long)seed);
    return lb_many_run(&options, c->arena, out, NULL, err);
}

static lb_code try_rate(lb_comparison *c, double factor, lb_error *err)
{
    char text[LB_NUMBER_TEXT];
    lb_run_figures figures = {.validation_accuracy = NAN};
    double rate;

    const char *const key = lb_compare_rate(c, &rate);
    rate *= factor;
    const char *const number = lb_number_text(rate, text);
    const char *const set = lb_arena_text(c->arena, "%s=%s", key, number);
    const char *const name = lb_arena_text(c->arena, "tune-lr-%s", number);
    const char **const sets =
        lb_many_sets(c->arena, c->twin_sets, c->n_twin_sets, &set, 1);
    if (!set || !name || !sets)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the learning rates");
    const lb_code code =
        one_run(c, name, c->recipe->seed, sets, c->n_twin_sets + 1, &figures, err);
    if (code != LB_OK && code != LB_ERR_FAILED)
        return code;
    if (code == LB_ERR_FAILED) /* it diverged: no choice, and no end either */
        lb_log_tell(&c->options->run.log, LB_LOG_WARN, "%s: %s", name, err->text);
    c->rate[c->n_rates] = rate;
    c->rate_accuracy[c->n_rates++] = code == LB_OK ? figures.validation_accuracy : NAN;
    return LB_OK;
}

/* Nearest first: a tie goes to the rate that is nearer to the one given. */
static lb_code tune(lb_comparison *c, lb_error *err)
{
    static const double factors[LB_COMPARE_RATES] = {1, 0.5, 2, 0.25, 4};
    char text[LB_NUMBER_TEXT];
    double given;
    int best = -1;

    for (int i = 0; i < LB_COMPARE_RATES; i++)
        LB_TRY(try_rate(c, factors[i], err));
    for (int i = 0; i < c->n_rates; i++)
        if (!isnan(c->rate_accuracy[i]) &&
            (best < 0 || c->rate_accuracy[i] > c->rate_accuracy[best]))
            best = i;
    if (best < 0)
        return lb_raise(err, LB_ERR_FAILED,
                        "the twin learns at no learning rate that was tried");
    const char *const key = lb_compare_rate(c, &given);
    const char *const set =
        lb_arena_text(c->arena, "%s=%s", key, lb_number_text(c->rate[best], text));
    const char **const sets =
        set ? lb_many_sets(c->arena, c->twin_sets, c->n_twin_sets, &set, 1) : NULL;
    if (!sets)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the learning rates");
    c->chosen = best;
    c->twin_sets = sets;
    c->n_twin_sets++;
    return LB_OK;
}

static lb_code run_pairs(const lb_comparison *c, lb_error *err)
{
    for (int i = 0; i < c->options->seeds; i++) {
        const uint64_t seed = c->recipe->seed + (uint64_t)i;
        const char *const with = lb_arena_text(c->arena, "with-%d", i + 1);
        const char *const without = lb_arena_text(c->arena, "without-%d", i + 1);
        if (!with || !without)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the runs");
        if (one_run(c, with, seed, NULL, 0, &c->with[i], err) != LB_OK)
            return lb_within(err, "%s", with);
        if (one_run(c, without, seed, c->twin_sets, c->n_twin_sets, &c->without[i],
                    err) != LB_OK)
            return lb_within(err, "%s", without);
    }
    return LB_OK;
}

lb_code lb_run_compare(const lb_compare_options *options, lb_arena *arena,
                       lb_compare_result *out, lb_error *err)
{
    lb_comparison c = {.options = options, .arena = arena, .chosen = -1};

    LB_TRY(open_comparison(&c, err));
    if (options->tune_twin)
        LB_TRY(tune(&c, err));
    LB_TRY(run_pairs(&c, err));
    return lb_compare_tell(&c, out, err);
}
