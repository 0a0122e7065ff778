/* oracle.c: asks the teacher in float64 on the reference kernels, live. Logits rounded to
 * float32 would be the largest error of a comparison in float64. */
#include "train/train_int.h"

#include "graph/passes.h"

#include <string.h>

static lb_code mark_outputs(lb_oracle *oracle, const lb_lesson *lesson, lb_error *err)
{
    lb_builder b;

    lb_builder_init(&b, oracle->graph);
    oracle->graph->n_outputs = 0;
    if (oracle->out.id)
        lb_output(&b, oracle->out);
    for (int i = 0; i < lesson->n_features; i++)
        lb_output(&b, lesson->feature[i].of);
    return lb_builder_finish(&b, err);
}

static lb_code fill_oracle(lb_oracle *oracle, const lb_train_setup *setup,
                           const lb_lesson *lesson, lb_arena *arena, lb_error *err)
{
    const lb_plan_options options = {.batch = setup->options->batch,
                                     .kernels = LB_KERNELS_REFERENCE};

    LB_TRY(lb_graph_with_precision(setup->teacher_graph, LB_F64, &oracle->graph, err));
    LB_TRY(lb_feed_init(&oracle->feed, oracle->graph, &setup->teacher_input, setup->data,
                        setup->pool, arena, err));
    oracle->in = oracle->graph->inputs[0];
    if (lesson->teacher.id)
        oracle->out = lb_logits_of(oracle->graph);
    LB_TRY(mark_outputs(oracle, lesson, err));
    LB_TRY(lb_remove_dead(oracle->graph, err));
    return lb_plan_compile(oracle->graph, setup->pool, &options, &oracle->plan, err);
}

lb_code lb_oracle_open(const lb_train_setup *setup, const lb_lesson *lesson,
                       lb_arena *arena, lb_oracle *out, lb_error *err)
{
    lb_oracle oracle = {0};
    const lb_code code = fill_oracle(&oracle, setup, lesson, arena, err);

    if (code != LB_OK)
        lb_oracle_close(&oracle);
    else
        *out = oracle;
    return code;
}

void lb_oracle_ask(const lb_oracle *oracle, const lb_batch *batch,
                   const lb_lesson *lesson)
{
    const size_t classes = (size_t)lesson->classes;

    lb_feed_pixels(&oracle->feed, oracle->plan, oracle->in, batch->pixels, batch->n);
    lb_plan_run(oracle->plan);
    for (int i = 0; oracle->out.id && i < batch->n; i++) {
        const double *const row = lb_plan_output(oracle->plan, oracle->out, i);
        lb_narrow(lesson->dtype, row, classes,
                  lb_plan_input(lesson->plan, lesson->teacher, i));
    }
    for (int k = 0; k < lesson->n_features; k++)
        for (int i = 0; i < batch->n; i++) {
            const lb_feature *const f = &lesson->feature[k];
            lb_narrow(lesson->dtype, lb_plan_output(oracle->plan, f->of, i), f->n,
                      lb_plan_input(lesson->plan, f->input, i));
        }
}

void lb_oracle_close(lb_oracle *oracle)
{
    lb_plan_free(oracle->plan);
    lb_graph_free(oracle->graph);
    *oracle = (lb_oracle){0};
}
