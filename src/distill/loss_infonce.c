/* loss_infonce.c: contrastive distillation within the batch (van den Oord et al., 2018;
 * to a teacher: Tian et al., 2020, there with a memory bank).
 *
 *     L = -(1/B) sum_i log softmax_j(s_i . t_j / temperature)[i]
 *
 * on embeddings of length 1 (with `dimension`: of a trained linear map of each side): of
 * all samples, the teacher's own answer to the same one shall be the nearest. Symmetric:
 * the mean of that and of the same with the sides swapped. Other samples of the same
 * class are not held against it, where labels are given. */
#include "distill/helper.h"
#include "distill/loss_util.h"

#include "ops/ops.h"

enum { TEMPERATURE, SYMMETRIC, DIMENSION };

/* Added to what shall not count: exp() of it is 0 in every float type. */
static const double far_off = -1e9;

static const lb_knob knobs[] = {
    [TEMPERATURE] = {.name = "temperature",
                     .help = "smaller: the hardest samples count more",
                     .usual = 0.1,
                     .min = 0.01,
                     .max = 100},
    [SYMMETRIC] = {.name = "symmetric",
                   .help = "the teacher's answers shall find the student's, too",
                   .usual = 1,
                   .words = lb_no_yes},
    [DIMENSION] = {.name = "dimension",
                   .help =
                       "compares trained linear maps of both sides to so many numbers "
                       "(published: 128); 0: the layers themselves",
                   .usual = 0,
                   .min = 0,
                   .max = 65536},
    {0},
};

/* [N,B] with row i of the unit matrix for sample i. */
static lb_value own_column(lb_builder *b, const lb_loss_in *in, lb_dtype dtype)
{
    const lb_shape shape = lb_shape_of(2, in->batch, in->batch);
    lb_tensor *const eye = lb_build_tensor(b, dtype, &shape);

    if (!eye)
        return (lb_value){0};
    for (int i = 0; i < in->batch; i++)
        lb_tensor_put(eye, (size_t)i * (size_t)in->batch + (size_t)i, 1);
    const lb_value whole = lb_constant(b, NULL, eye);
    return lb_batch_rows(b, whole);
}

/* [N,B], 1 where another sample has the same known label. */
static lb_value same_class(lb_builder *b, const lb_loss_in *in, lb_value own,
                           lb_dtype dtype)
{
    const lb_shape column = lb_shape_of(2, (int)LB_BATCH, 1);
    const lb_attr to = lb_ai("to", dtype == LB_F64 ? 11 : 1);
    const lb_value number = lb_add_node(b, &lb_op_Cast, NULL, &in->labels, 1, &to, 1);
    const lb_value each = lb_reshape(b, number, &column);
    const lb_value gathered = lb_batch_gather(b, each, in->batch);
    const lb_value all = lb_swap_last(b, gathered);
    const lb_value gap = lb_sub(b, each, all);
    const lb_value size = lb_abs(b, gap);
    const lb_value differs = lb_step_above(b, size, 0.5);
    const lb_value alike = lb_one_minus(b, differs);
    const lb_value is_known = lb_step_above(b, each, -0.5);
    const lb_value known = lb_mul(b, alike, is_known);
    const lb_value others = lb_one_minus(b, own);

    return lb_mul(b, known, others);
}

/* How well each of x finds its own among all of y. */
static lb_value search(lb_builder *b, const lb_loss_in *in, lb_pair xy, lb_value own,
                       lb_value hidden)
{
    const lb_value cosine = lb_products(b, in, xy.student, xy.teacher);
    lb_value near = lb_scale(b, cosine, 1 / in->knobs[TEMPERATURE]);

    if (hidden.id) {
        const lb_value off = lb_scale(b, hidden, far_off);
        near = lb_add(b, near, off);
    }
    const lb_value log_p = lb_log_softmax(b, near, 1);
    const lb_value found = lb_mul(b, own, log_p);
    const lb_value mean = lb_mean_all(b, found);
    return lb_scale(b, mean, -in->batch);
}

static lb_value of_rows(lb_builder *b, const lb_loss_in *in, lb_pair rows)
{
    const lb_dtype dtype = lb_type_of(b, rows.student).dtype;
    const lb_value s = lb_unit(b, rows.student, 0), t = lb_unit(b, rows.teacher, 0);
    const lb_value own = own_column(b, in, dtype);
    const lb_value hidden = in->labels.id ? same_class(b, in, own, dtype) : (lb_value){0};
    const lb_value there = search(b, in, (lb_pair){s, t}, own, hidden);

    if (in->knobs[SYMMETRIC] == 0)
        return there;
    const lb_value back = search(b, in, (lb_pair){t, s}, own, hidden);
    const lb_value both = lb_add(b, there, back);
    return lb_scale(b, both, 0.5);
}

static lb_value build(lb_builder *b, const lb_loss_in *in)
{
    const int dimension = (int)in->knobs[DIMENSION];
    lb_value sum = {0};

    for (int i = 0; i < in->n_hints; i++) {
        const lb_pair rows =
            lb_helper_embed(b, in, in->hints[i], i + 1, dimension, false);
        const lb_value one = of_rows(b, in, rows);
        sum = i == 0 ? one : lb_add(b, sum, one);
    }
    return sum;
}

static bool brings_layers(const double *set)
{
    return set[DIMENSION] > 0;
}

/* Trained maps make sides of any two shapes comparable. */
static bool refuse(const lb_builder *b, const lb_loss_in *in, char why[LB_REFUSAL_TEXT])
{
    if (lb_refuse_dimension(in->knobs[DIMENSION], why))
        return true;
    return !brings_layers(in->knobs) && lb_refuse_shapes(b, in, why);
}

const lb_loss lb_loss_infonce = {
    .name = "infonce",
    .help = "which answer of the teacher belongs to which sample of a batch",
    .source = "van den Oord et al., 2018",
    .needs = LB_NEEDS_HINTS | LB_TAKES_LABELS,
    .match = LB_MATCH_SHAPE,
    .brings_layers = brings_layers,
    .automatic = LB_AUTO_ROWS,
    .knobs = knobs,
    .min_batch = 8,
    .instead = "'kd' or 'hint'",
    .refuse = refuse,
    .build = build,
};
