/* prune_score.c: what each unit is worth, and each block. */
#include "compress/prune.h"

#include <math.h>
#include <string.h>

/* Adds `value` of each element of a parameter to the units that it goes with; an element
 * that two axes give to one unit counts once. */
static void spread(const lb_prune_map *map, int v, const lb_tensor *t,
                   double (*value)(const lb_tensor *t, const lb_tensor *grad, size_t i),
                   const lb_tensor *grad, double *sum, double *count)
{
    size_t inner[LB_MAX_RANK] = {0};
    bool any = false;

    for (int k = t->shape.rank - 1; k >= 0; k--) {
        inner[k] = k + 1 < t->shape.rank ? inner[k + 1] * (size_t)t->shape.dim[k + 1] : 1;
        any = any || lb_prune_units(map, v, k);
    }
    for (size_t i = 0; any && i < t->n; i++) {
        const double x = value(t, grad, i);
        int before = -1;
        for (int k = 0; k < t->shape.rank; k++) {
            const int *const unit = lb_prune_units(map, v, k);
            const int u = unit ? unit[i / inner[k] % (size_t)t->shape.dim[k]] : -1;
            if (u < 0 || u == before)
                continue;
            sum[u] += x;
            if (count)
                count[u] += 1;
            before = u;
        }
    }
}

static double size_of(const lb_tensor *t, const lb_tensor *grad, size_t i)
{
    (void)grad;
    return fabs(lb_tensor_get(t, i));
}

static double moved_by(const lb_tensor *t, const lb_tensor *grad, size_t i)
{
    return lb_tensor_get(t, i) * lb_tensor_get(grad, i);
}

/* A parameter or, in a network whose norms are folded, a constant in its place. */
static bool is_weight(const lb_value_info *v)
{
    return (v->kind == LB_VALUE_PARAM || v->kind == LB_VALUE_CONSTANT) &&
           lb_dtype_is_float(v->type.dtype) && v->type.shape.rank > 1;
}

/* Over the mean of the group: layers of many small weights are like those of few large
 * ones. */
static lb_code over_group(const lb_prune_map *map, double *score, lb_error *err)
{
    double *const sum = lb_heap_take(2 * (size_t)(map->n_groups + 1) * sizeof *sum);
    double *const n = sum ? sum + map->n_groups : NULL;

    if (!sum)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    for (int u = 0; u < map->n_units; u++) {
        if (!isfinite(score[u]))
            continue;
        sum[map->group[u]] += score[u];
        n[map->group[u]] += 1;
    }
    for (int u = 0; u < map->n_units; u++) {
        const double mean = sum[map->group[u]] / n[map->group[u]];
        if (isfinite(score[u]))
            score[u] = mean > 0 ? score[u] / mean : 0;
    }
    lb_heap_give(sum);
    return LB_OK;
}

/* Over their mean; and a block is as dear as its channels one after the other. */
static void over_blocks(const lb_prune_map *map, double *score)
{
    double sum = 0, n = 0;

    for (int k = 0; k < map->n_blocks; k++)
        if (isfinite(score[map->n_units + k])) {
            sum += score[map->n_units + k];
            n += 1;
        }
    for (int k = 0; k < map->n_blocks; k++) {
        double *const own = &score[map->n_units + k];
        double steps = 0;
        for (int i = 1; i <= map->block[k].n_channels; i++)
            steps += 1.0 / i;
        if (isfinite(*own))
            *own = sum > 0 ? *own / (sum / n) * steps : 0;
    }
}

/* The mean size of the weights that are the block's own, times the square root of how
 * many make a sum: so large do they all begin (He et al., 2015), whatever the width. */
static double size_of_block(const lb_graph *g, const lb_prune_block *block)
{
    double sum = 0, n = 0;

    for (int i = 0; i < block->n_params; i++) {
        const lb_value_info *const info = lb_info(g, block->param[i]);
        if (!is_weight(info))
            continue;
        const double elements = (double)info->tensor->n;
        const double scale = sqrt(elements / info->type.shape.dim[0]);
        for (size_t k = 0; k < info->tensor->n; k++)
            sum += scale * fabs(lb_tensor_get(info->tensor, k));
        n += elements;
    }
    return n > 0 ? sum / n : (double)INFINITY;
}

/* The mean size of the scales of the norm that it ends in. */
static double scale_of_block(const lb_graph *g, const lb_prune_block *block)
{
    const lb_tensor *const scale = lb_info(g, block->closing[0])->tensor;
    double sum = 0;

    if (scale->shape.rank != 1 || block->n_closing != 2)
        return (double)INFINITY;
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].op->name, "BatchNormalization") == 0 &&
            g->nodes[i].in[1].id == block->closing[0].id) {
            for (size_t k = 0; k < scale->n; k++)
                sum += fabs(lb_tensor_get(scale, k));
            return sum / (double)scale->n;
        }
    return (double)INFINITY;
}

static void score_blocks(const lb_graph *g, const lb_prune_map *map, double *score,
                         double (*own)(const lb_graph *g, const lb_prune_block *block))
{
    for (int k = 0; k < map->n_blocks; k++)
        score[map->n_units + k] = own(g, &map->block[k]);
    over_blocks(map, score);
}

static lb_code score_l1(const lb_graph *g, const lb_prune_map *map, double *score,
                        lb_error *err)
{
    for (int v = 1; v < g->n_values; v++)
        if (is_weight(&g->values[v]))
            spread(map, v, g->values[v].tensor, size_of, NULL, score, NULL);
    score_blocks(g, map, score, size_of_block);
    return over_group(map, score, err);
}

static lb_code score_bn(const lb_graph *g, const lb_prune_map *map, double *score,
                        lb_error *err)
{
    double *const count = lb_heap_take((size_t)(map->n_units + 1) * sizeof *count);
    bool any = false;

    if (!count)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (strcmp(node->op->name, "BatchNormalization") == 0 &&
            lb_info(g, node->in[1])->tensor)
            spread(map, node->in[1].id, lb_info(g, node->in[1])->tensor, size_of, NULL,
                   score, count);
    }
    for (int u = 0; u < map->n_units; u++) {
        any = any || count[u] > 0;
        score[u] = count[u] > 0 ? score[u] / count[u] : (double)INFINITY;
    }
    lb_heap_give(count);
    score_blocks(g, map, score, scale_of_block);
    return any ? over_group(map, score, err)
               : lb_raise(err, LB_ERR_INPUT,
                          "method bn judges channels by the scales of their batch norms, "
                          "and no channel that could go has one; l1 does without");
}

lb_code lb_prune_score(const lb_graph *graph, const lb_prune_map *map,
                       lb_prune_method method, double *score, lb_error *err)
{
    memset(score, 0, (size_t)map->n_parts * sizeof *score);
    switch (method) {
    case LB_PRUNE_L1:
        return score_l1(graph, map, score, err);
    case LB_PRUNE_BN:
        return score_bn(graph, map, score, err);
    case LB_PRUNE_TAYLOR:
        break;
    }
    return lb_bug(err, "taylor scores without gradients");
}

lb_code lb_prune_add_taylor(const lb_graph *graph, const lb_prune_map *map,
                            const lb_tensor *const *grad, double *score, lb_error *err)
{
    double *const sum = lb_heap_take((size_t)(map->n_units + 1) * sizeof *sum);

    if (!sum)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the scores of channels");
    for (int v = 1; v < map->n_values; v++)
        if (grad[v])
            spread(map, v, graph->values[v].tensor, moved_by, grad[v], sum, NULL);
    for (int u = 0; u < map->n_units; u++)
        score[u] += sum[u] * sum[u];
    lb_heap_give(sum);
    return LB_OK;
}

static size_t closing_bytes(const lb_graph *g, const lb_prune_block *block)
{
    size_t n = 0;

    for (int i = 0; i < block->n_closing; i++)
        n += lb_tensor_bytes(lb_info(g, block->closing[i])->tensor);
    return n;
}

lb_code lb_prune_mute(const lb_graph *graph, const lb_prune_block *block, void **kept,
                      lb_error *err)
{
    char *to = lb_heap_take(closing_bytes(graph, block));

    *kept = to;
    if (!to)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try a network without a block");
    for (int i = 0; i < block->n_closing; i++) {
        lb_tensor *const t = lb_info(graph, block->closing[i])->tensor;
        memcpy(to, t->data, lb_tensor_bytes(t));
        memset(t->data, 0, lb_tensor_bytes(t));
        to += lb_tensor_bytes(t);
    }
    return LB_OK;
}

void lb_prune_unmute(const lb_graph *graph, const lb_prune_block *block, void *kept)
{
    const char *from = kept;

    for (int i = 0; i < block->n_closing; i++) {
        lb_tensor *const t = lb_info(graph, block->closing[i])->tensor;
        memcpy(t->data, from, lb_tensor_bytes(t));
        from += lb_tensor_bytes(t);
    }
    lb_heap_give(kept);
}

void lb_prune_add_trial(const lb_prune_map *map, int k, double change, double *score)
{
    score[map->n_units + k] += 4 * change * change;
}

/* Mean and variance of a norm are nobody's to train. */
static bool is_statistic(const lb_graph *g, int v)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        for (int k = 3; k < node->n_in; k++)
            if (node->in[k].id == v && strcmp(node->op->name, "BatchNormalization") == 0)
                return true;
    }
    return false;
}

static void hold_blocks(const lb_graph *graph, const lb_prune_map *map,
                        const bool *frozen, double *score)
{
    for (int k = 0; k < map->n_blocks; k++)
        for (int i = 0; i < map->block[k].n_params; i++) {
            const int v = map->block[k].param[i].id;
            if (frozen[v] && !is_statistic(graph, v))
                score[map->n_units + k] = (double)INFINITY;
        }
}

void lb_prune_hold(const lb_graph *graph, const lb_prune_map *map, const bool *frozen,
                   double *score)
{
    hold_blocks(graph, map, frozen, score);
    for (int v = 1; v < map->n_values; v++) {
        const lb_value_info *const info = &graph->values[v];
        if (!frozen[v] || is_statistic(graph, v))
            continue;
        for (int k = 0; k < info->type.shape.rank; k++) {
            const int *const unit = lb_prune_units(map, v, k);
            for (int i = 0; unit && i < info->type.shape.dim[k]; i++)
                if (unit[i] >= 0)
                    score[unit[i]] = (double)INFINITY;
        }
    }
}
