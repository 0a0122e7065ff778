/* quant_ranges.c: scales of activations from what the samples show.
 *
 * A first run finds the least and the largest number of each group, a second one counts
 * how many lie where between them. Zeros are counted apart: 0 is always exact, and a Relu
 * makes many. A range that cuts numbers off loses (x - end)^2 for each of them and gains
 * finer steps for the others, whose error is a step's square over 12 in the mean, or the
 * number itself where it is so small that it becomes 0. */
#include "compress/quant_int.h"

#include "ops/ops.h"

#include <math.h>

enum { BINS = 2048, SHRINKS = 48 };

/* What a group has shown. */
typedef struct seen {
    double low, high;
    int64_t zeros, n;
    int64_t *bin; /* [BINS], between low and high */
} seen;

typedef struct look {
    const lb_quant *q;
    seen *group; /* [values] */
    bool broken; /* NaN or infinity was seen */
} look;

static seen *group_of(const look *l, int source)
{
    return &l->group[lb_quant_group(l->q, l->q->source[source])];
}

static void see_ends(void *arg, int of, const float *x, size_t n)
{
    look *const l = arg;
    seen *const s = group_of(l, of);

    for (size_t i = 0; i < n; i++) {
        const double value = (double)x[i];
        l->broken = l->broken || !isfinite(value);
        s->low = value < s->low ? value : s->low;
        s->high = value > s->high ? value : s->high;
    }
}

static void see_where(void *arg, int of, const float *x, size_t n)
{
    const look *const l = arg;
    seen *const s = group_of(l, of);
    const double per = s->high > s->low ? BINS / (s->high - s->low) : 0;

    s->n += (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        const double value = (double)x[i];
        const int at = (int)((value - s->low) * per);
        if (value == 0)
            s->zeros++;
        else
            s->bin[at < BINS ? at : BINS - 1]++;
    }
}

static double centre(const seen *s, int bin)
{
    return s->low + (s->high - s->low) * (bin + 0.5) / BINS;
}

/* The mean square that [low, high] loses, times how many there are. */
static double loss_of(const seen *s, double low, double high)
{
    const double step = (high - low) / 255, round = step * step / 12;
    double loss = 0;

    for (int i = 0; i < BINS; i++) {
        const double x = centre(s, i);
        const double off = x > high ? x - high : x < low ? low - x : 0;
        if (s->bin[i])
            loss += (double)s->bin[i] * (off > 0 ? off * off : fmin(round, x * x));
    }
    return loss;
}

/* Shrinks one end at a time, in turns, while that helps. */
static void least_square(const seen *s, double *low, double *high)
{
    double best = loss_of(s, *low, *high);
    bool better = true;

    for (int turn = 0; better && turn < 4; turn++) {
        const double from_low = *low, from_high = *high;
        better = false;
        for (int i = 1; i < 2 * SHRINKS; i++) {
            const double keep = 1 - (double)(i % SHRINKS) / SHRINKS * 0.96;
            const bool upper = i < SHRINKS;
            const double l = upper ? from_low : from_low * keep;
            const double h = upper ? from_high * keep : from_high;
            const double loss = loss_of(s, l, h);
            if (loss < best * (1 - 1e-9)) {
                best = loss;
                *low = l;
                *high = h;
                better = true;
            }
        }
    }
}

/* The ends of what is left when that share is cut off above, and as much below. */
static void cut_shares(const seen *s, double share, double *low, double *high)
{
    const double most = share * (double)s->n;
    double above = 0, below = 0;
    int first = 0, last = BINS - 1;

    /* zeros lie between and are never cut off: the range takes in 0 */
    while (last > 0 && above + (double)s->bin[last] <= most)
        above += (double)s->bin[last--];
    while (first < last && below + (double)s->bin[first] <= most)
        below += (double)s->bin[first++];
    const double width = (s->high - s->low) / BINS;
    *low = fmin(0, s->low + width * first);
    *high = fmax(0, s->low + width * (last + 1));
}

lb_qparams lb_quant_scale_of(double low, double high)
{
    const double least = fmin(low, 0), most = fmax(high, 0);
    const float step = (float)((most - least) / 255);
    lb_qparams s = {1, 0};

    if (step < 1e-30F) /* nothing but zeros */
        return s;
    s.scale = step;
    s.zero = (int)rint(-128 - least / (double)step);
    s.zero = s.zero < -128 ? -128 : s.zero > 127 ? 127 : s.zero;
    return s;
}

double lb_quant_there_and_back(const lb_qparams *s, double x)
{
    const double scale = (double)s->scale;
    const double whole = rint((double)(float)(x / scale)) + s->zero;
    const double held = whole < -128 ? -128 : whole > 127 ? 127 : whole;

    return (held - s->zero) * scale;
}

/* Values whose range is known before anything is seen, as TFLite has it. */
static bool is_fixed(const lb_quant *q, lb_value v, lb_qparams *out)
{
    const lb_value_info *const info = lb_info(q->real, v);
    const lb_op *const op =
        info->kind == LB_VALUE_NODE ? q->real->nodes[info->node].op : NULL;

    if (op == &lb_op_Softmax || op == &lb_op_Sigmoid)
        *out = (lb_qparams){1.0F / 256, -128};
    else if (op == &lb_op_Tanh)
        *out = (lb_qparams){1.0F / 128, 0};
    else
        return false;
    return true;
}

static int sources_of(const lb_quant *q, int group)
{
    int n = 0;

    for (int k = 0; k < q->n_sources; k++)
        n += lb_quant_group(q, q->source[k]) == group;
    return n;
}

static void choose(lb_quant *q, const look *l, int group, lb_value source)
{
    const seen *const s = &l->group[group];
    double low = s->low, high = s->high;

    if (sources_of(q, group) == 1 && is_fixed(q, source, &q->scale[group]))
        return;
    if (q->setup->options.ranges == LB_RANGES_MSE)
        least_square(s, &low, &high);
    if (q->setup->options.ranges == LB_RANGES_PERCENTILE)
        cut_shares(s, 1 - q->setup->options.percentile / 100, &low, &high);
    q->scale[group] = lb_quant_scale_of(low, high);
}

static lb_code take_bins(look *l, lb_error *err)
{
    for (int k = 0; k < l->q->n_sources; k++) {
        seen *const s = group_of(l, k);
        if (!s->bin)
            s->bin = LB_TAKE_ARRAY(l->q->arena, BINS, int64_t);
        if (!s->bin)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for ranges");
    }
    return LB_OK;
}

lb_code lb_quant_find_scales(lb_quant *q, lb_error *err)
{
    look l = {.q = q};

    l.group = LB_TAKE_ARRAY(q->arena, q->real->n_values, seen);
    q->scale = LB_TAKE_ARRAY(q->arena, q->real->n_values, lb_qparams);
    if (!l.group || !q->scale)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for ranges");
    LB_TRY(
        lb_quant_observe(q->real, q->source, q->n_sources, q->where, see_ends, &l, err));
    if (l.broken)
        return lb_raise(err, LB_ERR_INPUT,
                        "the network gives NaN or infinity on the samples; it has no "
                        "ranges to quantise");
    if (q->setup->options.ranges != LB_RANGES_MINMAX) {
        LB_TRY(take_bins(&l, err));
        LB_TRY(lb_quant_observe(q->real, q->source, q->n_sources, q->where, see_where, &l,
                                err));
    }
    for (int k = 0; k < q->n_sources; k++)
        choose(q, &l, lb_quant_group(q, q->source[k]), q->source[k]);
    return LB_OK;
}
