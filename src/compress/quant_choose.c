/* quant_choose.c: which layers have weights of 4 bits.
 *
 * Each layer in turn gets 4 bits, the others keep 8, and the answers to the samples are
 * compared with those of 8 bits throughout: the layer's sensitivity is the mean of the
 * divergence KL(p || p'), p being the softmax of the logits (Cai et al., "ZeroQ", CVPR
 * 2020). Layers are taken in the order of sensitivity by byte saved: as few as make the
 * firmware fit `flash`, or as many as do not cost more accuracy than `max_drop`. */
#include "compress/quant_int.h"

#include "ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    int node;
    double damage; /* sensitivity by byte saved */
} candidate;

typedef struct choice {
    lb_quant *q;
    candidate *layer; /* least damage first */
    int n;
    float *answer; /* [samples, classes] with 8 bits throughout */
    size_t classes;
    bool is_probability; /* the network ends in a softmax */
} choice;

/* ------------------------------------------------------------------------- sensitivity
 */

/* exp(x - most) / sum, or what is a probability already; at least what can be divided by.
 */
static void soften(const choice *c, const float *x, double *p)
{
    const double least = 1e-12;
    double most = (double)x[0], sum = 0;

    for (size_t i = 0; i < c->classes; i++)
        most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < c->classes; i++) {
        p[i] = c->is_probability ? (double)x[i] : exp((double)x[i] - most);
        sum += p[i];
    }
    for (size_t i = 0; i < c->classes; i++)
        p[i] = fmax(least, p[i] / fmax(least, sum));
}

/* The sum over the samples of KL(answers before || those of the graph), or NULL to keep
 * the answers. */
static lb_code compare(const choice *c, const lb_graph *graph, double *kl, lb_error *err)
{
    const lb_value out[] = {graph->outputs[0]};
    const int n = c->q->where->samples->shape.dim[0];
    lb_arena *const scratch = lb_arena_new(0);
    lb_quant_probe probe = {.n_values = 0};
    double *const p = scratch ? LB_TAKE_ARRAY(scratch, 2 * c->classes, double) : NULL;
    lb_code code = p ? lb_quant_probe_open(graph, out, 1, c->q->where, &probe, err)
                     : lb_raise(err, LB_ERR_MEMORY, "no memory to compare answers");

    for (int first = 0; code == LB_OK && first < n; first += probe.batch) {
        const int here = lb_quant_probe_run(&probe, first);
        for (int i = 0; i < here; i++) {
            const float *const x = lb_quant_probe_row(&probe, 0, i);
            float *const kept = c->answer + (size_t)(first + i) * c->classes;
            if (!kl) {
                memcpy(kept, x, c->classes * sizeof *x);
                continue;
            }
            soften(c, kept, p);
            soften(c, x, p + c->classes);
            for (size_t k = 0; k < c->classes; k++)
                *kl += p[k] * log(p[k] / p[c->classes + k]);
        }
    }
    lb_quant_probe_close(&probe);
    lb_arena_free(scratch);
    return code;
}

/* Builds the network with 4 bits in the first `many` of the layers, or in one alone. */
static lb_code build(const choice *c, int first, int many, lb_arena *arena,
                     lb_quantised *out, lb_error *err)
{
    lb_quant trial = *c->q;

    trial.arena = arena;
    trial.bits = LB_TAKE_ARRAY(arena, c->q->real->n_nodes + 1, int);
    if (!trial.bits)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose bits");
    for (int i = 0; i < c->q->real->n_nodes; i++)
        trial.bits[i] = 8;
    for (int k = first; k < first + many; k++)
        trial.bits[c->layer[k].node] = 4;
    *out = (lb_quantised){.n_layers = 0};
    return lb_quant_build(&trial, out, err);
}

/* What is done with a network that has been built. */
typedef lb_code use(const choice *c, const lb_graph *graph, void *arg, lb_error *err);

static lb_code with(const choice *c, int first, int many, use *then, void *arg,
                    lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_quantised built = {.n_layers = 0};

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose bits");
    lb_code code = build(c, first, many, arena, &built, err);
    if (code == LB_OK)
        code = then(c, built.graph, arg, err);
    lb_graph_free(built.graph);
    lb_arena_free(arena);
    return code;
}

static lb_code keep_answers(const choice *c, const lb_graph *graph, void *arg,
                            lb_error *err)
{
    (void)arg;
    return compare(c, graph, NULL, err);
}

static lb_code measure(const choice *c, const lb_graph *graph, void *arg, lb_error *err)
{
    return compare(c, graph, arg, err);
}

static int by_damage(const void *a, const void *b)
{
    const candidate *const x = a, *const y = b;

    if (x->damage != y->damage)
        return x->damage < y->damage ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

static lb_code rank(choice *c, lb_error *err)
{
    const int samples = c->q->where->samples->shape.dim[0];
    lb_quant_layer layer;

    LB_TRY(with(c, 0, 0, keep_answers, NULL, err));
    for (int k = 0; k < c->n; k++) {
        candidate *const one = &c->layer[k];
        double kl = 0;
        LB_TRY(with(c, k, 1, measure, &kl, err));
        kl = fmax(0, kl / samples); /* rounding may leave a little less */
        c->q->sensitivity[one->node] = kl;
        (void)lb_quant_layer_of(c->q->real, &c->q->real->nodes[one->node], &layer);
        one->damage = kl / ((double)layer.weight->n / 2);
    }
    qsort(c->layer, (size_t)c->n, sizeof *c->layer, by_damage);
    return LB_OK;
}

/* ------------------------------------------------------------------------------- taking
 */

static lb_code weigh(const choice *c, const lb_graph *graph, void *arg, lb_error *err)
{
    const lb_rounding rounding = (lb_rounding)c->q->setup->options.rounding;
    lb_arena *const arena = lb_arena_new(0);
    const lb_device *const device = c->q->setup->device;
    lb_estimate estimate;
    lb_low *low = NULL;
    double *const flash = arg;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to weigh a network");
    const lb_code code = lb_lower_rounded(graph, rounding, arena, &low, err);
    if (code == LB_OK) {
        lb_device_estimate(low, device ? device : &lb_devices[0], &estimate);
        *flash = (double)estimate.flash_bytes;
    }
    lb_arena_free(arena);
    return code;
}

/* The least number of layers by which the firmware fits. */
static lb_code fit_flash(const choice *c, int *many, lb_error *err)
{
    const double limit = c->q->setup->options.flash;
    double flash = 0;

    for (*many = 0; *many <= c->n; ++*many) {
        LB_TRY(with(c, 0, *many, weigh, &flash, err));
        if (flash <= limit)
            return LB_OK;
    }
    return lb_raise(err, LB_ERR_BUDGET,
                    "even with weights of 4 bits in every layer it needs %.0f bytes of "
                    "flash, %.0f more than the %.0f allowed",
                    flash, flash - limit, limit);
}

static lb_code score(const choice *c, const lb_graph *graph, void *arg, lb_error *err)
{
    const lb_quantize_setup *const s = c->q->setup;

    return s->score(s->score_arg, graph, arg, err);
}

/* The largest number of layers by which accuracy falls no further than it may, taken to
 * fall with every layer more. */
static lb_code keep_accuracy(const choice *c, int *many, lb_error *err)
{
    const double allowed = c->q->setup->options.max_drop / 100 + 1e-9;
    double before = 0, after = 0;
    int most = c->n;

    LB_TRY(with(c, 0, 0, score, &before, err));
    *many = 0;
    while (*many < most) {
        const int next = (*many + most + 1) / 2;
        LB_TRY(with(c, 0, next, score, &after, err));
        if (before - after <= allowed)
            *many = next;
        else
            most = next - 1;
    }
    return LB_OK;
}

/* ---------------------------------------------------------------------------- the whole
 */

static lb_code begin(choice *c, lb_error *err)
{
    lb_quant *const q = c->q;
    const lb_graph *const g = q->real;
    const lb_value_info *const out = lb_info(g, g->outputs[0]);
    const int samples = q->where->samples->shape.dim[0];
    lb_type one = out->type;
    lb_quant_layer layer;

    one.shape = lb_shape_bind(&one.shape, 1);
    c->is_probability =
        out->kind == LB_VALUE_NODE && g->nodes[out->node].op == &lb_op_Softmax;
    if (!lb_shape_count(&one.shape, &c->classes) || c->classes < 1)
        return lb_raise(err, LB_ERR_INPUT, "the network has no answers to compare");
    c->answer = LB_TAKE_ARRAY(q->arena, (size_t)samples * c->classes, float);
    c->layer = LB_TAKE_ARRAY(q->arena, g->n_nodes + 1, candidate);
    if (!c->answer || !c->layer)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose bits");
    for (int i = 0; i < g->n_nodes; i++)
        if (lb_quant_is_layer(q, &g->nodes[i], &layer))
            c->layer[c->n++] = (candidate){.node = i};
    return LB_OK;
}

lb_code lb_quant_choose(lb_quant *q, lb_error *err)
{
    choice c = {.q = q};
    int many = 0;

    LB_TRY(begin(&c, err));
    LB_TRY(rank(&c, err));
    if (q->setup->options.flash > 0)
        LB_TRY(fit_flash(&c, &many, err));
    else if (q->setup->score)
        LB_TRY(keep_accuracy(&c, &many, err));
    else
        return lb_raise(err, LB_ERR_INPUT,
                        "nothing says how many layers may have weights of 4 bits: give "
                        "flash, or answers to compare with");
    for (int k = 0; k < many; k++)
        q->bits[c.layer[k].node] = 4;
    return LB_OK;
}
