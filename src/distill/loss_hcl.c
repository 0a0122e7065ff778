/* loss_hcl.c: hierarchical context (Chen et al., 2021, the loss of ReviewKD): maps alike
 * place by place, and coarser and coarser.
 *
 *     L = sum_l w_l mean (pool_l(F_s) - pool_l(F_t))^2 / sum_l w_l,   w_l = 2^-l
 *
 * for the full map, l = 0, and its means on grids of 4x4, 2x2 and 1x1, as far as these
 * are coarser than the map and divide it; summed over pairs of layers. The trained blocks
 * by which the paper first fuses the student's stages are those of 'reviewkd'; here the
 * adapter of the pair stands in their place. */
#include "distill/loss_util.h"

/* The map can be averaged down to size x size. */
static bool divides(lb_builder *b, lb_value x, int size)
{
    bool is_coarser = false;

    for (int i = 2; i < lb_rank(b, x); i++) {
        if (lb_dim(b, x, i) % size != 0)
            return false;
        is_coarser = is_coarser || lb_dim(b, x, i) > size;
    }
    return is_coarser;
}

lb_value lb_context_loss(lb_builder *b, const lb_loss_in *in, lb_pair pair)
{
    lb_value sum = lb_mean_square(b, pair.student, pair.teacher);
    double weight = 1, total = 1;

    (void)in;
    for (int size = 4; size >= 1; size /= 2) {
        const int places[] = {size, size};
        if (!divides(b, pair.student, size))
            continue;
        const lb_value s = lb_pool_to(b, pair.student, places);
        const lb_value t = lb_pool_to(b, pair.teacher, places);
        const lb_value mean = lb_mean_square(b, s, t);
        weight /= 2;
        total += weight;
        const lb_value share = lb_scale(b, mean, weight);
        sum = lb_add(b, sum, share);
    }
    return lb_scale(b, sum, 1 / total);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    return lb_sum_pairs(b, in, lb_context_loss);
}

const lb_loss lb_loss_hcl = {
    .name = "hcl",
    .help = "the teacher's feature maps, fine and coarse",
    .source = "Chen et al., 2021 (ReviewKD)",
    .needs = LB_NEEDS_HINTS,
    .match = LB_MATCH_SHAPE,
    .automatic = LB_AUTO_STAGES,
    .refuse = lb_refuse_shapes,
    .build = build,
};
