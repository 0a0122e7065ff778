/* split.c: which samples are for what, and which labels are told.
 *
 * Training takes from the front of one permutation, validation from its end: a smaller
 * fraction is part of a larger one, and neither meets the other. Within a split samples
 * stand in the source's order, so that numbers mean the same to other software; what
 * data.unlabelled brings stands behind them. Samples of classes that are left out are
 * taken out of the permutation first. */
#include "data/data_int.h"

#include <limits.h>
#include <math.h>

/* What a split works with; gone when it is done. */
typedef struct splitter {
    lb_data *data;
    lb_arena *arena, *brief;
    int32_t *order; /* the samples of the training part that may be used, shuffled */
    int n_order;
    uint8_t *mark; /* one for each sample of the training part; zero between uses */
    int n_own;     /* training samples out of `order` */
} splitter;

enum { USE_SPLIT, USE_LABELS, USE_UNLABELLED };

/* 0..n-1 shuffled by the seed; use tells the orders of one seed apart. */
static int32_t *shuffled(lb_arena *arena, uint64_t seed, uint64_t use, int n)
{
    int32_t *const order = LB_TAKE_ARRAY(arena, n, int32_t);
    lb_rng rng = lb_rng_make(seed, LB_RNG_SPLIT, use, 0);

    for (int i = 0; order && i < n; i++)
        order[i] = i;
    if (order)
        lb_rng_shuffle(&rng, order, n);
    return order;
}

static bool is_omitted(const lb_data *data, int sample)
{
    const int32_t *const label = data->content.train.label;

    return data->omitted && label && data->omitted[label[sample]];
}

static lb_code take_order(splitter *s, lb_error *err)
{
    const int n = s->data->content.train.n;

    s->order = shuffled(s->brief, s->data->seed, USE_SPLIT, n);
    s->mark = LB_TAKE_ARRAY(s->brief, n, uint8_t);
    if (!s->order || !s->mark)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to split %d samples", n);
    for (int i = 0; i < n; i++)
        if (!is_omitted(s->data, s->order[i]))
            s->order[s->n_order++] = s->order[i];
    return LB_OK;
}

/* How many samples go where. */
static lb_code count_splits(splitter *s, lb_error *err)
{
    lb_data *const data = s->data;
    const lb_data_options *const o = &data->options;
    const int n = s->n_order;
    const bool share = o->validation < 1;
    const double validation =
        share ? round(o->validation * round(o->fraction * n)) : floor(o->validation);
    const double used = share ? round(o->fraction * n) - validation
                              : round(o->fraction * (n - validation));

    if (!(validation >= 0) || !(used >= 1))
        return lb_raise(err, LB_ERR_INPUT,
                        "no sample is left to train on: of %d, the fraction %g is used "
                        "and %g are for validation",
                        n, o->fraction, validation);
    s->n_own = (int)used;
    data->n[LB_VALIDATION] = (int)validation;
    data->n[LB_TEST] = data->content.test.n;
    return LB_OK;
}

/* Writes the marked ones in rising order, and clears the marks. */
static void sort_marked(splitter *s, int32_t *out)
{
    int k = 0;

    for (int i = 0; i < s->data->content.train.n; i++) {
        if (s->mark[i])
            out[k++] = i;
        s->mark[i] = 0;
    }
}

static void mark(splitter *s, const int32_t *samples, int n)
{
    for (int i = 0; i < n; i++)
        s->mark[samples[i]] = 1;
}

static lb_code take_splits(splitter *s, int32_t *train, lb_error *err)
{
    lb_data *const data = s->data;
    const int n_validation = data->n[LB_VALIDATION], n_test = data->n[LB_TEST];
    int32_t *const validation = LB_TAKE_ARRAY(s->arena, n_validation, int32_t);
    int32_t *const test = LB_TAKE_ARRAY(s->arena, n_test, int32_t);

    if (!validation || !test)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to split %d samples",
                        data->content.train.n);
    mark(s, s->order, s->n_own);
    sort_marked(s, train);
    mark(s, s->order + s->n_order - n_validation, n_validation);
    sort_marked(s, validation);
    for (int i = 0; i < n_test; i++)
        test[i] = i;
    data->sample[LB_VALIDATION] = validation;
    data->sample[LB_TEST] = test;
    return LB_OK;
}

static lb_code count_unlabelled(splitter *s, int n, lb_error *err)
{
    const lb_unlabelled *const u = &s->data->options.unlabelled;
    const int used = (int)round(u->fraction * n);

    if (used < 1)
        return lb_raise(err, LB_ERR_INPUT,
                        "unlabelled: the fraction %g of the %d samples in '%s' that are "
                        "not used already leaves none",
                        u->fraction, n, u->path);
    if (used > INT_MAX - s->data->content.train.n)
        return lb_raise(err, LB_ERR_INPUT, "unlabelled: %d samples are too many", used);
    s->data->n_unlabelled = used;
    return LB_OK;
}

/* Of the data's own folder: the middle of the permutation, which nobody took. */
static lb_code take_rest(splitter *s, int32_t **out, lb_error *err)
{
    const int n = s->n_order - s->n_own - s->data->n[LB_VALIDATION];

    LB_TRY(count_unlabelled(s, n, err));
    *out = LB_TAKE_ARRAY(s->brief, s->data->n_unlabelled, int32_t);
    if (!*out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for unlabelled samples");
    mark(s, s->order + s->n_own, s->data->n_unlabelled);
    sort_marked(s, *out);
    return LB_OK;
}

/* Of another: numbered behind the data's own. */
static lb_code take_others(splitter *s, int32_t **out, lb_error *err)
{
    lb_data *const data = s->data;
    const int n = data->unlabelled.n, own = data->content.train.n;

    LB_TRY(count_unlabelled(s, n, err));
    const int32_t *const order = shuffled(s->brief, data->seed, USE_UNLABELLED, n);
    uint8_t *const taken = LB_TAKE_ARRAY(s->brief, n, uint8_t);
    *out = LB_TAKE_ARRAY(s->brief, data->n_unlabelled, int32_t);
    if (!order || !taken || !*out)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for unlabelled samples");
    int k = 0;
    for (int i = 0; i < data->n_unlabelled; i++)
        taken[order[i]] = 1;
    for (int i = 0; i < n; i++)
        if (taken[i])
            (*out)[k++] = own + i;
    return LB_OK;
}

static lb_code take_unlabelled(splitter *s, int32_t **out, lb_error *err)
{
    bool same = false;

    if (!s->data->options.unlabelled.path)
        return LB_OK;
    LB_TRY(lb_data_open_unlabelled(s->data, s->arena, &s->data->unlabelled, &same, err));
    return same ? take_rest(s, out, err) : take_others(s, out, err);
}

/* Which training samples keep their label: the first share of a second permutation, but
 * for those of hidden classes. */
static lb_code tell_labels(splitter *s, int32_t *label, lb_error *err)
{
    lb_data *const data = s->data;
    const lb_part *const part = &data->content.train;
    const int32_t *const order = shuffled(s->brief, data->seed, USE_LABELS, part->n);
    int32_t *const place = LB_TAKE_ARRAY(s->brief, part->n, int32_t);

    if (!order || !place)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d labels", part->n);
    for (int i = 0; i < s->n_own; i++)
        place[data->sample[LB_TRAIN][i]] = i + 1;
    for (int i = 0; i < data->n[LB_TRAIN]; i++)
        label[i] = -1;
    int left = part->label ? (int)round(data->options.labels * s->n_own) : 0;
    for (int i = 0; i < part->n && left > 0; i++) {
        const int at = place[order[i]];
        if (at == 0)
            continue;
        left--;
        const int32_t true_label = part->label[order[i]];
        if (data->hidden && data->hidden[true_label])
            continue;
        label[at - 1] = true_label;
    }
    data->train_label = label;
    return LB_OK;
}

static lb_code split(splitter *s, lb_error *err)
{
    lb_data *const data = s->data;
    int32_t *others = NULL;

    LB_TRY(take_order(s, err));
    LB_TRY(count_splits(s, err));
    LB_TRY(take_unlabelled(s, &others, err));
    const int n = s->n_own + data->n_unlabelled;
    int32_t *const train = LB_TAKE_ARRAY(s->arena, n, int32_t);
    int32_t *const label = LB_TAKE_ARRAY(s->arena, n, int32_t);
    if (!train || !label)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to split %d samples", n);
    LB_TRY(take_splits(s, train, err));
    for (int i = 0; others && i < data->n_unlabelled; i++)
        train[s->n_own + i] = others[i];
    data->n[LB_TRAIN] = n;
    data->sample[LB_TRAIN] = train;
    return tell_labels(s, label, err);
}

lb_code lb_data_split(lb_data *data, lb_arena *arena, lb_error *err)
{
    splitter s = {.data = data, .arena = arena, .brief = lb_arena_new(0)};

    if (!s.brief)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for data");
    const lb_code code = split(&s, err);
    lb_arena_free(s.brief);
    return code;
}
