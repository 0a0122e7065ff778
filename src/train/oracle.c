/* oracle.c: asks the teacher in float64 on the reference kernels, live. Logits rounded to
 * float32 would be the largest error of a comparison in float64. */
#include "train/train_int.h"

#include "graph/passes.h"

typedef struct lb_oracle_voice voice;

/* Whether some loss looks at layers of that teacher. */
static bool is_tapped(const lb_lesson *lesson, int number)
{
    for (int i = 0; i < lesson->n_features; i++)
        if (lesson->feature[i].voice == number)
            return true;
    return false;
}

static lb_code mark_outputs(voice *v, const lb_lesson *lesson, int number, lb_error *err)
{
    lb_builder b;

    lb_builder_init(&b, v->graph);
    v->graph->n_outputs = 0;
    if (v->out.id)
        lb_output(&b, v->out);
    for (int i = 0; i < lesson->n_features; i++)
        if (lesson->feature[i].voice == number)
            lb_output(&b, lesson->feature[i].of);
    return lb_builder_finish(&b, err);
}

static lb_code open_voice(voice *v, const lb_voice *from, int number,
                          const lb_train_setup *setup, const lb_lesson *lesson,
                          lb_arena *arena, lb_error *err)
{
    const lb_plan_options options = {.batch = setup->options->batch,
                                     .kernels = LB_KERNELS_REFERENCE};

    if (!lesson->voice[0].id && !is_tapped(lesson, number))
        return LB_OK; /* nobody asks it */
    LB_TRY(lb_graph_with_precision(from->graph, LB_F64, &v->graph, err));
    LB_TRY(lb_feed_init(&v->feed, v->graph, &from->input, setup->data, setup->pool, arena,
                        err));
    v->in = v->graph->inputs[0];
    if (lesson->voice[0].id)
        v->out = lb_logits_of(v->graph);
    LB_TRY(mark_outputs(v, lesson, number, err));
    LB_TRY(lb_remove_dead(v->graph, err));
    return lb_plan_compile(v->graph, setup->pool, &options, &v->plan, err);
}

lb_code lb_oracle_open(const lb_train_setup *setup, const lb_lesson *lesson,
                       lb_arena *arena, lb_oracle *out, lb_error *err)
{
    lb_oracle oracle = {.n = lesson->n_voices};

    oracle.voice = LB_TAKE_ARRAY(arena, oracle.n, voice);
    if (!oracle.voice)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher in float64");
    lb_code code = LB_OK;
    for (int k = 0; k < oracle.n && code == LB_OK; k++)
        code =
            open_voice(&oracle.voice[k], &setup->voices[k], k, setup, lesson, arena, err);
    if (code != LB_OK)
        lb_oracle_close(&oracle);
    else
        *out = oracle;
    return code;
}

static void tell_logits(const voice *v, const lb_lesson *lesson, int k)
{
    for (int i = 0; v->out.id && i < lesson->batch; i++)
        lb_narrow(lesson->dtype, lb_plan_output(v->plan, v->out, i),
                  (size_t)lesson->classes,
                  lb_plan_input(lesson->plan, lesson->voice[k], i));
}

static void tell_layers(const voice *v, const lb_lesson *lesson, int number)
{
    for (int k = 0; k < lesson->n_features; k++)
        for (int i = 0; i < lesson->batch; i++) {
            const lb_feature *const f = &lesson->feature[k];
            if (f->voice != number)
                break;
            lb_narrow(lesson->dtype, lb_plan_output(v->plan, f->of, i), f->n,
                      lb_plan_input(lesson->plan, f->input, i));
        }
}

void lb_oracle_ask(const lb_oracle *oracle, const lb_batch *batch,
                   const lb_lesson *lesson)
{
    for (int k = 0; k < oracle->n; k++) {
        const voice *const v = &oracle->voice[k];
        if (!v->plan)
            continue;
        lb_feed_pixels(&v->feed, v->plan, v->in, batch->pixels, batch->n);
        lb_plan_run(v->plan);
        tell_logits(v, lesson, k);
        tell_layers(v, lesson, k);
    }
}

void lb_oracle_close(lb_oracle *oracle)
{
    for (int k = 0; k < oracle->n; k++) {
        lb_plan_free(oracle->voice[k].plan);
        lb_graph_free(oracle->voice[k].graph);
    }
    *oracle = (lb_oracle){0};
}
