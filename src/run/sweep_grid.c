/* sweep_grid.c: reads --over and lays out the runs. */
#include "run/sweep_int.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_NAME = 64 };

/* The length of the value at the start: up to a comma outside brackets and quotes. */
static size_t value_length(const char *text)
{
    int depth = 0;
    char quote = 0;
    size_t n = 0;

    for (; text[n]; n++) {
        const char c = text[n];
        if (quote) {
            quote = c == quote ? '\0' : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' && depth <= 0) {
            break;
        }
    }
    return n;
}

static void add_value(lb_sweep *s, lb_axis *axis, const char *from, size_t n,
                      lb_findings *f)
{
    void *values = axis->value;

    while (n > 0 && from[0] == ' ') {
        from++;
        n--;
    }
    while (n > 0 && from[n - 1] == ' ')
        n--;
    const char *const value = lb_arena_copy_chars(s->arena, from, n);
    if (!value || !lb_arena_grow(s->arena, &values, &axis->capacity, axis->n,
                                 sizeof(const char *))) {
        f->failed = true;
        return;
    }
    axis->value = values;
    if (!*value)
        lb_findings_add(f, -1, 0, "--over %.200s: a value is empty", axis->key);
    for (int i = 0; i < axis->n; i++)
        if (strcmp(axis->value[i], value) == 0)
            lb_findings_add(f, -1, 0, "--over %.200s: '%.200s' is given twice", axis->key,
                            value);
    axis->value[axis->n++] = value;
}

static bool sets_key(const char *set, const char *key)
{
    const size_t n = strlen(key);

    return strncmp(set, key, n) == 0 && set[n] == '=';
}

static void check_key(const lb_sweep *s, const char *key, lb_findings *f)
{
    const lb_run_options *const run = &s->options->run;

    if (strcmp(key, "name") == 0)
        lb_findings_add(f, -1, 0, "--over name: a sweep names its runs by itself");
    for (int i = 0; i < s->n_axes; i++)
        if (strcmp(s->axis[i].key, key) == 0)
            lb_findings_add(f, -1, 0, "--over %.200s: the key is given twice", key);
    for (int i = 0; i < run->n_sets; i++)
        if (sets_key(run->sets[i], key))
            lb_findings_add(f, -1, 0, "--over %.200s: --set has the key, too", key);
}

static void read_axis(lb_sweep *s, const char *over, lb_findings *f)
{
    const char *const equals = strchr(over, '=');
    lb_axis axis = {0};

    if (!equals || equals == over) {
        lb_findings_add(f, -1, 0,
                        "--over %.200s: must be KEY=A,B,..., as in "
                        "distill.0.temperature=1,2,4",
                        over);
        return;
    }
    axis.key = lb_arena_copy_chars(s->arena, over, (size_t)(equals - over));
    if (!axis.key) {
        f->failed = true;
        return;
    }
    check_key(s, axis.key, f);
    for (const char *at = equals + 1;;) {
        const size_t n = value_length(at);
        add_value(s, &axis, at, n, f);
        if (!at[n] || f->failed)
            break;
        at += n + 1;
    }
    if (axis.n < 2)
        lb_findings_add(
            f, -1, 0,
            "--over %.200s: a sweep needs at least two values; --set is for one",
            axis.key);
    if (s->n_axes < LB_SWEEP_MOST_KEYS)
        s->axis[s->n_axes++] = axis;
}

static lb_code read_axes(lb_sweep *s, lb_error *err)
{
    const lb_sweep_options *const o = s->options;
    lb_findings f;
    long n = 1;

    lb_findings_init(&f, s->arena);
    if (o->n_over == 0)
        lb_findings_add(&f, -1, 0,
                        "a sweep needs --over KEY=A,B,..., as in "
                        "--over distill.0.temperature=1,2,4");
    if (o->n_over > LB_SWEEP_MOST_KEYS)
        lb_findings_add(&f, -1, 0, "%d keys; a sweep goes over at most %d", o->n_over,
                        LB_SWEEP_MOST_KEYS);
    for (int i = 0; i < o->n_over && i < LB_SWEEP_MOST_KEYS; i++)
        read_axis(s, o->over[i], &f);
    for (int i = 0; i < s->n_axes && n <= LB_SWEEP_MOST_RUNS; i++)
        n *= s->axis[i].n;
    if (n > LB_SWEEP_MOST_RUNS)
        lb_findings_add(&f, -1, 0, "the grid has more than %d runs", LB_SWEEP_MOST_RUNS);
    if (!(s->recipe->data.validation > 0))
        lb_findings_add(&f, -1, 0,
                        "%s: a sweep chooses by the validation split, never by the test "
                        "split, and the recipe has none; give it data.validation",
                        s->recipe->path);
    if (f.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the grid");
    s->n_runs = (int)n;
    return lb_findings_raise(&f, LB_ERR_INPUT, s->recipe->path, "nothing was run", err);
}

/* The last part of a key, or all of it where another key ends alike. */
static const char *short_key(const lb_sweep *s, int axis)
{
    const char *const key = s->axis[axis].key;
    const char *const dot = strrchr(key, '.');
    const char *const last = dot ? dot + 1 : key;

    for (int i = 0; i < s->n_axes; i++) {
        const char *const other = strrchr(s->axis[i].key, '.');
        if (i != axis && strcmp(other ? other + 1 : s->axis[i].key, last) == 0)
            return key;
    }
    return last;
}

/* "pupil-temperature-2-width-0.25"; a number where that is too long or taken. */
static const char *name_of(const lb_sweep *s, int number)
{
    const lb_swept *const run = &s->run[number];
    lb_text t;

    lb_text_init(&t, s->arena);
    lb_text_add(&t, "%s", s->recipe->name);
    for (int i = 0; i < s->n_axes; i++)
        lb_text_add(&t, "-%s-%s", short_key(s, i), lb_path_name(run->value[i]));
    if (t.failed)
        return NULL;
    for (char *c = t.chars; *c; c++) {
        const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!letter && !(*c >= '0' && *c <= '9') && *c != '.' && *c != '_')
            *c = '-';
    }
    bool fine = t.n <= LONGEST_NAME;
    for (int i = 0; i < number && fine; i++)
        fine = strcmp(s->run[i].name, t.chars) != 0;
    return fine ? t.chars
                : lb_arena_text(s->arena, "%.48s-run-%d", s->recipe->name, number + 1);
}

static lb_code lay_out(lb_sweep *s, int number, lb_error *err)
{
    const lb_run_options *const base = &s->options->run;
    lb_swept *const run = &s->run[number];
    const char *own[LB_SWEEP_MOST_KEYS + 1];
    lb_recipe *recipe = NULL;
    int rest = number;

    for (int i = s->n_axes - 1; i >= 0; i--) { /* the last axis turns fastest */
        run->value[i] = s->axis[i].value[rest % s->axis[i].n];
        rest /= s->axis[i].n;
    }
    run->name = name_of(s, number);
    if (!run->name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the grid");
    for (int i = 0; i < s->n_axes; i++)
        own[i] = lb_arena_text(s->arena, "%s=%s", s->axis[i].key, run->value[i]);
    own[s->n_axes] = lb_arena_text(s->arena, "name=%s", run->name);
    for (int i = 0; i <= s->n_axes; i++)
        if (!own[i])
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the grid");
    run->sets = lb_many_sets(s->arena, base->sets, base->n_sets, own, s->n_axes + 1);
    run->n_sets = base->n_sets + s->n_axes + 1;
    run->folder = lb_path_join(s->arena, s->folder, run->name);
    run->alive = true;
    if (!run->sets || !run->folder)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the grid");
    LB_TRY(lb_recipe_load(base->recipe, run->sets, run->n_sets, s->arena, &recipe, err));
    if (!(recipe->data.validation > 0))
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: it has no validation split, and a sweep chooses by that, "
                        "never by the test split",
                        run->name);
    run->epochs = lb_recipe_epochs(recipe);
    return LB_OK;
}

/* Other validation samples make accuracies that do not compare. */
static void warn(const lb_sweep *s)
{
    static const char *const keys[] = {"seed",      "data.validation", "data.fraction",
                                       "data.path", "data.source",     "data"};

    for (int i = 0; i < s->n_axes; i++)
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            if (strcmp(s->axis[i].key, keys[k]) == 0)
                lb_log_tell(&s->options->run.log, LB_LOG_WARN,
                            "runs with another '%s' are judged on other validation "
                            "samples",
                            keys[k]);
}

lb_code lb_sweep_grid(lb_sweep *s, lb_error *err)
{
    LB_TRY(read_axes(s, err));
    s->run = LB_TAKE_ARRAY(s->arena, s->n_runs, lb_swept);
    if (!s->run)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the grid");
    for (int i = 0; i < s->n_runs; i++)
        LB_TRY(lay_out(s, i, err));
    warn(s);
    return LB_OK;
}
