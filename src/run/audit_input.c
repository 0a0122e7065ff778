/* audit_input.c: whether a teacher does better with samples that are prepared otherwise.
 * Pixels of the wrong scale are why most teachers know nothing: all that is usual is
 * tried on some hundred samples. */
#include "run/run_int.h"

#include <math.h>
#include <string.h>

enum { MOST_SAMPLES = 500, MOST_FORMS = 8 };

/* As a recipe spells it: "pixels: unit, mean: [0.5], layout: channels-first". */
const char *lb_run_input_text(lb_arena *arena, const lb_input_options *input)
{
    lb_text t;

    lb_text_init(&t, arena);
    for (const lb_key *key = lb_input_keys; key->name; key++) {
        const char *const value = lb_key_text(key, input, arena);
        const bool none =
            key->type == LB_KEY_NUMBERS &&
            ((const lb_numbers *)((const char *)input + key->offset))->n == 0;
        if (!value)
            return NULL;
        if (!none)
            lb_text_add(&t, "%s%s: %s", t.n > 0 ? ", " : "", key->name, value);
    }
    return t.failed ? NULL : t.chars;
}

/* The same data with at most so many samples in the split, spread over it. */
static bool thin_out(lb_data *few, lb_split split, int most, lb_arena *arena)
{
    const int all = few->n[split], n = all < most ? all : most;
    int32_t *const sample = LB_TAKE_ARRAY(arena, n + 1, int32_t);

    for (int i = 0; sample && i < n; i++)
        sample[i] = few->sample[split][(int64_t)i * all / n];
    few->sample[split] = sample;
    few->n[split] = n;
    return sample != NULL;
}

static double rounded(double x)
{
    return round(1e4 * x) / 1e4;
}

/* The mean and the deviation of each channel of the samples, scaled by `pixels`. */
static bool measure_data(const lb_data *few, lb_split split, int pixels, lb_arena *arena,
                         lb_input_options *out)
{
    const lb_shape *const shape = &few->content.shape;
    const double whole = pixels == LB_PIXELS_UNIT ? 255 : 1;
    const int channels = shape->dim[0],
              most = (int)(sizeof out->mean.value / sizeof out->mean.value[0]);
    double sum[16] = {0}, square[16] = {0};
    size_t size = 0;

    if (channels > most || !lb_shape_count(shape, &size) || few->n[split] == 0)
        return false;
    const size_t area = size / (size_t)channels;
    float *const values = LB_TAKE_ARRAY(arena, size, float);
    if (!values)
        return false;
    for (int i = 0; i < few->n[split]; i++) {
        lb_data_sample(few, split, i, values);
        for (size_t k = 0; k < size; k++) {
            const double x = (double)values[k] / whole;
            sum[k / area] += x;
            square[k / area] += x * x;
        }
    }
    const double n = (double)area * few->n[split];
    *out = (lb_input_options){.pixels = pixels};
    out->mean.n = out->std.n = channels;
    for (int c = 0; c < channels; c++) {
        const double mean = sum[c] / n;
        out->mean.value[c] = rounded(mean);
        out->std.value[c] = rounded(sqrt(fmax(0, square[c] / n - mean * mean)));
        if (!(out->std.value[c] > 0))
            return false;
    }
    return true;
}

static bool same_input(const lb_input_options *a, const lb_input_options *b)
{
    return a->pixels == b->pixels && a->mean.n == b->mean.n && a->std.n == b->std.n &&
           memcmp(a->mean.value, b->mean.value,
                  (size_t)a->mean.n * sizeof a->mean.value[0]) == 0 &&
           memcmp(a->std.value, b->std.value,
                  (size_t)a->std.n * sizeof a->std.value[0]) == 0;
}

/* The usual ways but the one in use: the other scale; either without mean and std; -1 to
 * 1; and the data's own mean and std taken off. */
static int list_forms(const lb_input_options *now, const lb_data *few, lb_split split,
                      lb_arena *arena, lb_input_options out[MOST_FORMS])
{
    const int own = few->content.is_image ? LB_PIXELS_UNIT : LB_PIXELS_RAW;
    lb_input_options form[MOST_FORMS] = {
        *now,
        *now,
        {.pixels = LB_PIXELS_UNIT},
        {.pixels = LB_PIXELS_RAW},
        {.pixels = LB_PIXELS_UNIT, .mean = {1, {0.5}}, .std = {1, {0.5}}}};
    int n = 5, kept = 0;

    form[1].pixels = now->pixels == LB_PIXELS_UNIT ? LB_PIXELS_RAW : LB_PIXELS_UNIT;
    n += measure_data(few, split, own, arena, &form[n]);
    for (int i = 1; i < n; i++) {
        bool known = false;
        for (int k = 0; k < i && !known; k++)
            known = same_input(&form[i], &form[k]);
        if (known)
            continue;
        form[i].layout = now->layout;
        out[kept++] = form[i];
    }
    return kept;
}

static lb_code try_one(const lb_run *run, int k, const lb_data *few, lb_split split,
                       const lb_input_options *input, double *accuracy, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_metrics m;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for testing the teacher");
    const lb_code code = lb_evaluate(run->member[k].graph, input, few, split, run->pool,
                                     run->options->kernels, NULL, arena, &m, err);
    if (code == LB_OK)
        *accuracy = m.accuracy;
    lb_arena_free(arena);
    return code;
}

lb_code lb_run_try_inputs(const lb_run *run, int k, lb_split split, lb_arena *arena,
                          lb_input_trial *out, lb_error *err)
{
    const lb_input_options *const now = &run->recipe->teacher[k].input;
    lb_input_options form[MOST_FORMS], best = *now;
    lb_input_trial trial = {.accuracy = -1};
    lb_data few = *run->data;

    if (!thin_out(&few, split, MOST_SAMPLES, arena))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for testing the teacher");
    const int n = list_forms(now, &few, split, arena, form);
    LB_TRY(try_one(run, k, &few, split, now, &trial.now, err));
    for (int i = 0; i < n; i++) {
        double accuracy = 0;
        LB_TRY(try_one(run, k, &few, split, &form[i], &accuracy, err));
        if (accuracy > trial.accuracy) {
            trial.accuracy = accuracy;
            best = form[i];
        }
    }
    for (int i = 0; i < few.n[split]; i++)
        trial.n += lb_data_label(&few, split, i) >= 0;
    trial.text = lb_run_input_text(run->arena, &best);
    if (!trial.text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for testing the teacher");
    /* twenty points, and three standard deviations of a difference */
    const double doubt = trial.n > 0 ? 3 / sqrt(2.0 * trial.n) : 1;
    trial.helps = trial.accuracy > trial.now + fmax(0.2, doubt);
    *out = trial;
    return LB_OK;
}
