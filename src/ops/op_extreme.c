/* op_extreme.c: Max and Min of up to eight inputs, with broadcasting.
 *
 * A NaN anywhere gives NaN. At ties the whole gradient goes to the first of the inputs
 * that share the extreme: ExtremeMask(x0, x1, ...; index, least) is 1 where input `index`
 * is that one. */
#include "ops/op_util.h"

#include "ops/build.h"

#include <math.h>

static lb_code infer(const lb_view *view, lb_type *out, lb_error *err)
{
    LB_TRY(lb_check_floats(view, err));
    *out = *view->in[0];
    for (int k = 1; k < view->n_in; k++) {
        const lb_shape so_far = out->shape;
        if (!view->in[k])
            return lb_raise(err, LB_ERR_INPUT, "input %d is left out", k);
        LB_TRY(lb_broadcast(&so_far, &view->in[k]->shape, &out->shape, err));
    }
    return lb_check_size(&out->shape, err);
}

static lb_code infer_mask(const lb_view *view, lb_type *out, lb_error *err)
{
    const int64_t index = lb_attr_int(view->node, "index", 0);

    if (index < 0 || index >= view->n_in)
        return lb_raise(err, LB_ERR_INPUT, "index must be between 0 and %d, not %lld",
                        view->n_in - 1, (long long)index);
    return infer(view, out, err);
}

static lb_cost cost(const lb_view *view, const lb_type *out)
{
    return (lb_cost){.other = lb_per_sample(&out[0]) * (view->n_in - 1)};
}

/* x takes the place of what has been found so far; never at a tie. */
static bool beats(double x, double found, bool least)
{
    return isnan(x) || (least ? x < found : x > found);
}

/* Operand 0 walks over the result, operand 1 over input k. */
static void walk_input(const lb_ref_call *call, int k, lb_walk *w)
{
    lb_walk_init(w, &call->out_type[0].shape);
    lb_walk_operand(w, 0, &call->out_type[0].shape);
    lb_walk_operand(w, 1, &call->in_type[k].shape);
}

static void run(const lb_ref_call *call, bool least)
{
    lb_walk w;

    for (int k = 0; k < call->n_in; k++) {
        walk_input(call, k, &w);
        for (lb_walk_begin(&w); w.more; lb_walk_next(&w))
            for (int i = 0; i < w.n; i++) {
                const double x = call->in[k][w.at[1] + i * w.step[1]];
                double *const y = &call->out[0][w.at[0] + i * w.step[0]];
                if (k == 0 || (!isnan(*y) && beats(x, *y, least)))
                    *y = x;
            }
    }
}

static void run_max(const lb_ref_call *call)
{
    run(call, false);
}

static void run_min(const lb_ref_call *call)
{
    run(call, true);
}

/* First the extreme itself, then a 1 where input `index` is it and none before is. */
static void run_mask(const lb_ref_call *call)
{
    const int index = (int)lb_attr_int(call->node, "index", 0);
    const bool least = lb_attr_int(call->node, "least", 0) != 0;
    lb_walk mine, other;

    walk_input(call, index, &mine);
    for (lb_walk_begin(&mine); mine.more; lb_walk_next(&mine))
        for (int i = 0; i < mine.n; i++)
            call->out[0][mine.at[0] + i * mine.step[0]] = 1;
    for (int k = 0; k < call->n_in; k++) {
        if (k == index)
            continue;
        lb_walk_init(&other, &call->out_type[0].shape);
        lb_walk_operand(&other, 0, &call->out_type[0].shape);
        lb_walk_operand(&other, 1, &call->in_type[index].shape);
        lb_walk_operand(&other, 2, &call->in_type[k].shape);
        for (lb_walk_begin(&other); other.more; lb_walk_next(&other))
            for (int i = 0; i < other.n; i++) {
                const double x = call->in[index][other.at[1] + i * other.step[1]];
                const double y = call->in[k][other.at[2] + i * other.step[2]];
                if (beats(y, x, least) || (k < index && x == y))
                    call->out[0][other.at[0] + i * other.step[0]] = 0;
            }
    }
}

static void grad(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx,
                 bool least)
{
    for (int k = 0; k < node->n_in; k++) {
        const lb_attr attrs[] = {lb_ai("index", k), lb_ai("least", least)};
        const lb_value mask =
            lb_add_node(b, &lb_op_ExtremeMask, NULL, node->in, node->n_in, attrs, 2);
        const lb_value share = lb_mul(b, dy[0], mask);
        dx[k] = lb_reduce_to(b, share, node->in[k]);
    }
}

static void grad_max(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    grad(b, node, dy, dx, false);
}

static void grad_min(lb_builder *b, const lb_node *node, const lb_value *dy, lb_value *dx)
{
    grad(b, node, dy, dx, true);
}

const lb_op lb_op_Max = {
    .name = "Max",
    .help = "largest of several inputs, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = LB_MAX_INPUTS,
    .n_out = 1,
    .opset_min = 8,
    .opset_max = 22,
    .infer = infer,
    .grad = grad_max,
    .cost = cost,
    .run = run_max,
};

const lb_op lb_op_Min = {
    .name = "Min",
    .help = "smallest of several inputs, with broadcasting",
    .flags = LB_OP_ONNX,
    .min_in = 1,
    .max_in = LB_MAX_INPUTS,
    .n_out = 1,
    .opset_min = 8,
    .opset_max = 22,
    .infer = infer,
    .grad = grad_min,
    .cost = cost,
    .run = run_min,
};

const lb_op lb_op_ExtremeMask = {
    .name = "ExtremeMask",
    .help = "1 where input `index` of Max or Min is the first that gives the result",
    .flags = LB_OP_FORWARD_ONLY,
    .min_in = 1,
    .max_in = LB_MAX_INPUTS,
    .n_out = 1,
    .infer = infer_mask,
    .cost = cost,
    .run = run_mask,
};
