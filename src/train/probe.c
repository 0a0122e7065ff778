/* probe.c: how much each loss pulls at the student.
 *
 * The terms of a recipe act in places that cannot be compared: on logits, on maps of many
 * sizes. What they all reach is the student's parameters, so that is where their
 * gradients are measured: the Euclidean length of each term's gradient over all of them
 * that are trained. It is exact: one run of a whole step for each term, whose loss is the
 * sum of the terms, masked to that one. The plan has the memory of a training step, and
 * updates nothing. */
#include "train/train_int.h"

#include "graph/passes.h"
#include "ops/build.h"

#include <math.h>
#include <string.h>

/* The losses' own parameters are the lesson's, in the same order. */
static lb_code tie_params(lb_probe *probe, const lb_lesson *lesson, lb_error *err)
{
    lb_graph *const g = probe->lesson.graph;
    int n = 0;

    for (int i = 1; i < g->n_values; i++) {
        lb_value_info *const v = &g->values[i];
        if (v->kind != LB_VALUE_PARAM)
            continue;
        if (n == lesson->n_params ||
            !lb_shape_equal(&v->tensor->shape, &lesson->param[n]->shape))
            return lb_bug(err, "the probe has other parameters than the lesson");
        v->tensor = lesson->param[n++];
    }
    return LB_OK;
}

/* The loss becomes the sum of the terms, each times an input. */
static void mask_terms(lb_probe *probe, lb_builder *b)
{
    static const lb_shape scalar = {0};
    lb_lesson *const lesson = &probe->lesson;
    lb_value sum = {0};

    for (int i = 0; i < lesson->n_terms; i++) {
        probe->mask[i] = lb_input(b, "mask", lesson->dtype, &scalar);
        const lb_value share = lb_mul(b, lesson->term[i], probe->mask[i]);
        sum = i == 0 ? share : lb_add(b, sum, share);
    }
    lesson->loss = sum;
    b->graph->n_outputs = 0;
    lb_output(b, sum);
}

/* n_values: of the student, whose parameters count; what losses train beside it does
 * not. */
static lb_code add_gradients(lb_probe *probe, lb_builder *b, int n_values,
                             lb_arena *arena, lb_error *err)
{
    const lb_graph *const g = b->graph;
    lb_value *const param = LB_TAKE_ARRAY(arena, n_values, lb_value);
    lb_value *const grad = LB_TAKE_ARRAY(arena, n_values, lb_value);
    size_t most = 1;
    int n = 0;

    if (!param || !grad)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for gradients");
    for (int i = 1; i < n_values; i++)
        if (g->values[i].kind == LB_VALUE_PARAM && g->values[i].trained) {
            param[n++] = (lb_value){i};
            most = most > g->values[i].tensor->n ? most : g->values[i].tensor->n;
        }
    lb_autodiff(b, &lb_op_verbs, probe->lesson.loss, param, n, grad);
    probe->grad = grad;
    probe->of = param;
    for (int i = 0; i < n && b->error.code == LB_OK; i++)
        if (grad[i].id) {
            probe->of[probe->n_grads] = param[i];
            probe->grad[probe->n_grads++] = grad[i];
            lb_output(b, grad[i]);
        }
    probe->row = LB_TAKE_ARRAY(arena, most, double);
    if (!probe->row)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for gradients");
    return LB_OK;
}

static lb_code fill(lb_probe *probe, const lb_train_setup *setup, const lb_graph *student,
                    const lb_lesson *lesson, lb_arena *arena, lb_error *err)
{
    lb_builder b;

    LB_TRY(lb_lesson_begin(&probe->lesson, setup, student, lesson->classes, &b, err));
    LB_TRY(tie_params(probe, lesson, err));
    mask_terms(probe, &b);
    LB_TRY(lb_builder_finish(&b, err));
    LB_TRY(lb_remove_updates(probe->lesson.graph, err));
    LB_TRY(add_gradients(probe, &b, student->n_values, arena, err));
    LB_TRY(lb_lesson_finish(&probe->lesson, &b, err));
    return lb_lesson_compile(&probe->lesson, setup, err);
}

lb_code lb_probe_open(const lb_train_setup *setup, const lb_graph *student,
                      const lb_lesson *lesson, lb_arena *arena, lb_probe *out,
                      lb_error *err)
{
    lb_probe probe = {0};

    const lb_code code = fill(&probe, setup, student, lesson, arena, err);
    if (code != LB_OK)
        lb_probe_close(&probe);
    else
        *out = probe;
    return code;
}

void lb_probe_close(lb_probe *probe)
{
    lb_lesson_close(&probe->lesson);
    *probe = (lb_probe){0};
}

/* What the lesson is going to see. Both have the same inputs in the same order; the masks
 * come behind them. */
static void copy_inputs(lb_probe *probe, const lb_lesson *from)
{
    const lb_lesson *const to = &probe->lesson;

    for (int i = 0; i < from->graph->n_inputs; i++) {
        const lb_value source = from->graph->inputs[i], target = to->graph->inputs[i];
        const lb_type *const type = &lb_info(from->graph, source)->type;
        const lb_shape one = lb_shape_bind(&type->shape, 1);
        const int n = lb_type_batched(type) ? from->batch : 1;
        size_t size = 0;
        if (!lb_shape_count(&one, &size))
            continue;
        size *= lb_dtype_size(type->dtype);
        for (int k = 0; k < n; k++) {
            void *const there = lb_plan_input(to->plan, target, k);
            const void *const here = lb_plan_input(from->plan, source, k);
            if (there && here)
                memcpy(there, here, size);
        }
    }
}

static double length_of_gradient(const lb_probe *probe)
{
    const lb_lesson *const lesson = &probe->lesson;
    double sum = 0;

    for (int i = 0; i < probe->n_grads; i++) {
        const lb_shape *const shape = &lb_info(lesson->graph, probe->grad[i])->type.shape;
        size_t n = 0;
        if (!lb_shape_count(shape, &n))
            continue;
        lb_widen(lesson->dtype, lb_plan_output(lesson->plan, probe->grad[i], 0), n,
                 probe->row);
        for (size_t k = 0; k < n; k++)
            sum += probe->row[k] * probe->row[k];
    }
    return sqrt(sum);
}

static void set_mask(lb_probe *probe, int term, double mask)
{
    lb_narrow(probe->lesson.dtype, &mask, 1,
              lb_plan_input(probe->lesson.plan, probe->mask[term], 0));
}

double lb_probe_gradient(lb_probe *probe, const lb_lesson *lesson, double epoch,
                         lb_tensor *const *grad)
{
    double sum = 0;

    lb_plan_refresh(probe->lesson.plan);
    copy_inputs(probe, lesson);
    for (int i = 0; i < lesson->n_terms; i++)
        set_mask(probe, i, lb_lesson_weight(lesson, i, epoch));
    lb_plan_run(probe->lesson.plan);
    for (int i = 0; grad && i < probe->n_grads; i++) {
        lb_tensor *const to = grad[probe->of[i].id];
        memcpy(to->data, lb_plan_output(probe->lesson.plan, probe->grad[i], 0),
               lb_tensor_bytes(to));
    }
    lb_widen(lesson->dtype, lb_plan_output(probe->lesson.plan, probe->lesson.loss, 0), 1,
             &sum);
    return sum;
}

void lb_probe_run(lb_probe *probe, const lb_lesson *lesson, const bool *wanted,
                  double *norm)
{
    lb_plan *const plan = probe->lesson.plan;

    lb_plan_refresh(plan);
    for (int i = 0; i < lesson->n_terms; i++) {
        norm[i] = 0;
        if (!wanted[i])
            continue;
        copy_inputs(probe, lesson); /* a run may write over what it has read */
        for (int k = 0; k < lesson->n_terms; k++)
            set_mask(probe, k, k == i);
        lb_plan_run(plan);
        norm[i] = length_of_gradient(probe);
    }
}
