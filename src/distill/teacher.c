/* teacher.c: the teacher's logits for a batch.
 *
 * The network runs in inference form as a plan over groups of fixed size. What a sample
 * gets does not depend on its neighbours, so that the answers for fixed views can be kept
 * in a cache (teacher_cache.c) and equal what the live network says, bit for bit. */
#include "distill/teacher_int.h"

#include "graph/builder.h"
#include "ops/rewrite.h"

#include <string.h>

enum { GROUP = 16 };

/* A last Softmax only hides the logits: what it is given takes its place. */
static void strip_softmax(lb_teacher *t)
{
    lb_graph *const g = t->graph;
    const lb_value logits = lb_teacher_logits_of(g);

    g->n_outputs = 1;
    t->was_softmax = logits.id != g->outputs[0].id;
    g->outputs[0] = logits;
}

static lb_code check_input(lb_teacher *t, lb_error *err)
{
    const lb_graph *const g = t->graph;
    char want[LB_SHAPE_TEXT], have[LB_SHAPE_TEXT];
    size_t n = 0;

    if (g->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the teacher has %d inputs; it must have one", g->n_inputs);
    t->input = g->inputs[0];
    const lb_type *const type = &lb_info(g, t->input)->type;
    const lb_shape one = lb_shape_bind(&type->shape, 1);
    if (type->dtype != LB_F32 || !lb_type_batched(type) || !lb_shape_count(&one, &n) ||
        n != t->sample_size)
        return lb_raise(err, LB_ERR_INPUT,
                        "the teacher's input '%s' is %s %s, but the samples are %s",
                        lb_info(g, t->input)->name, lb_dtype_name(type->dtype),
                        lb_shape_text(&type->shape, want),
                        lb_shape_text(&t->shape, have));
    return lb_input_check(&t->options.input, &t->shape, err);
}

static lb_code check_output(lb_teacher *t, lb_error *err)
{
    const lb_graph *const g = t->graph;
    char text[LB_SHAPE_TEXT];

    if (g->n_outputs < 1)
        return lb_raise(err, LB_ERR_INPUT, "the teacher has no output");
    const lb_type *const type = &lb_info(g, g->outputs[0])->type;
    if (type->dtype != LB_F32 || !lb_type_batched(type) || type->shape.rank != 2)
        return lb_raise(err, LB_ERR_INPUT,
                        "the teacher's first output '%s' is %s %s; it must be float32 "
                        "logits [N,classes]",
                        lb_info(g, g->outputs[0])->name, lb_dtype_name(type->dtype),
                        lb_shape_text(&type->shape, text));
    t->classes = type->shape.dim[1];
    if (t->setup.data->content.n_classes &&
        t->setup.data->content.n_classes != t->classes)
        return lb_raise(err, LB_ERR_INPUT,
                        "the teacher tells %d classes apart, but the data has %d",
                        t->classes, t->setup.data->content.n_classes);
    return LB_OK;
}

/* Before anything is folded or fused: the rewriters leave outputs alone. */
static lb_code add_taps(lb_teacher *t, lb_error *err)
{
    lb_builder b;

    lb_builder_init(&b, t->graph);
    if (t->setup.taps_only)
        t->graph->n_outputs = 0;
    for (int i = 0; i < t->setup.n_taps; i++)
        lb_output(&b, t->setup.taps[i]);
    return lb_builder_finish(&b, err);
}

static lb_code make_plan(lb_teacher *t, lb_error *err)
{
    const int batch = t->setup.batch;
    const lb_plan_options options = {.batch = batch,
                                     .group_samples = batch % GROUP == 0 ? GROUP : 0,
                                     .kernels = t->setup.kernels,
                                     .conv_direct = t->setup.conv_direct};

    LB_TRY(lb_graph_clone(t->setup.graph, &t->graph, err));
    LB_TRY(check_output(t, err));
    strip_softmax(t);
    t->logits = t->graph->outputs[0];
    LB_TRY(add_taps(t, err));
    LB_TRY(lb_fold_batch_norm(t->graph, err));
    LB_TRY(lb_fuse_convolutions(t->graph, err));
    LB_TRY(lb_remove_dead(t->graph, err));
    LB_TRY(check_input(t, err));
    return lb_plan_compile(t->graph, t->setup.pool, &options, &t->plan, err);
}

static lb_code take_scratch(lb_teacher *t, lb_arena *arena, lb_error *err)
{
    const size_t threads = (size_t)lb_pool_threads(t->setup.pool);
    size_t n;

    if (lb_size_mul(threads, t->sample_size, &n))
        t->view_scratch = LB_TAKE_ARRAY(arena, n, float);
    if (!t->view_scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's views");
    return LB_OK;
}

/* The form of stored rows; what is asked live over fixed views goes through it, too. */
static lb_code choose_form(lb_teacher *t, lb_arena *arena, lb_error *err)
{
    const lb_teacher_options *const o = &t->options;

    t->form = (lb_row_form){o->store, t->classes, 0};
    if (o->views == 0 || o->store == LB_CACHE_NONE)
        return LB_OK;
    if (o->top < 0 || o->top > LB_ROW_TOP || (o->top > 0 && o->top >= t->classes))
        return lb_raise(err, LB_ERR_INPUT,
                        "cache.top is %d, but the teacher tells %d classes apart; it "
                        "must be smaller, or 0 for all of them",
                        o->top, t->classes);
    if (o->top > 0 && t->classes > LB_ROW_CLASSES)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "cache.top works with up to %d classes, not %d", LB_ROW_CLASSES,
                        t->classes);
    t->form.top = o->top;
    t->row_bytes = lb_row_bytes(&t->form);
    t->row = lb_arena_take(arena, t->row_bytes);
    return t->row ? LB_OK
                  : lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's answers");
}

lb_code lb_teacher_open(const lb_teacher_setup *setup, lb_arena *arena, lb_teacher **out,
                        lb_error *err)
{
    lb_teacher *const t = LB_TAKE(arena, lb_teacher);

    if (!t)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher");
    t->setup = *setup;
    t->options = *setup->options;
    t->shape = setup->data->content.shape;
    if (!lb_shape_count(&t->shape, &t->sample_size))
        return lb_bug(err, "the data has no sample shape");
    lb_code code = make_plan(t, err);
    if (code == LB_OK)
        code = choose_form(t, arena, err);
    if (code == LB_OK)
        code = take_scratch(t, arena, err);
    if (code == LB_OK && t->options.views > 0 && t->options.store != LB_CACHE_NONE &&
        setup->cache_folder && setup->n_taps == 0)
        code = lb_teacher_open_cache(t, arena, err);
    if (code != LB_OK) {
        lb_teacher_close(t);
        return code;
    }
    *out = t;
    return LB_OK;
}

void lb_teacher_close(lb_teacher *t)
{
    if (!t)
        return;
    for (int k = 0; k < t->n_members; k++)
        lb_teacher_close(t->member[k]);
    t->rows = NULL;
    lb_map_close(&t->map);
    lb_plan_free(t->plan);
    lb_graph_free(t->graph);
    t->plan = NULL;
    t->graph = NULL;
}

lb_code lb_teacher_join(lb_teacher *const *members, int n, lb_arena *arena,
                        lb_teacher **out, lb_error *err)
{
    const lb_teacher *first = NULL;
    lb_teacher *t;
    size_t size;

    if (n == 1) {
        *out = members[0];
        return LB_OK;
    }
    for (int k = 0; k < n && !first; k++)
        first = members[k];
    if (!first)
        return lb_bug(err, "no teacher is open");
    t = LB_TAKE(arena, lb_teacher);
    if (!t || !(t->member = LB_TAKE_ARRAY(arena, n, lb_teacher *)) ||
        !lb_size_mul((size_t)first->setup.batch, (size_t)first->classes, &size) ||
        !(t->answers = LB_TAKE_ARRAY(arena, size, float)))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d teachers", n);
    for (int k = 0; k < n; k++) {
        if (members[k] && (members[k]->classes != first->classes ||
                           members[k]->setup.batch != first->setup.batch))
            return lb_bug(err, "teachers that cannot answer together");
        t->member[k] = members[k];
    }
    t->classes = first->classes;
    t->setup.batch = first->setup.batch;
    t->n_members = n;
    *out = t;
    return LB_OK;
}

int lb_teacher_voices(const lb_teacher *t)
{
    return t->n_members > 0 ? t->n_members : 1;
}

static void ask_members(lb_teacher *t, const lb_batch *batch, float *out)
{
    const size_t classes = (size_t)t->classes, voices = (size_t)t->n_members;

    for (size_t k = 0; k < voices; k++) {
        if (!t->member[k] || (!out && t->member[k]->setup.n_taps == 0))
            continue;
        lb_teacher_logits(t->member[k], batch, out ? t->answers : NULL);
        for (size_t i = 0; out && i < (size_t)batch->n; i++)
            memcpy(out + (i * voices + k) * classes, t->answers + i * classes,
                   classes * sizeof *out);
    }
}

void lb_teacher_logits(lb_teacher *t, const lb_batch *batch, float *out)
{
    if (t->n_members > 0) {
        ask_members(t, batch, out);
        return;
    }
    const size_t classes = (size_t)t->classes;
    const bool exact = t->form.store != LB_CACHE_FP16 && t->form.top == 0;

    if (!t->rows)
        lb_teacher_ask(t, batch->pixels, batch->n, out);
    if (!out || (!t->rows && exact))
        return;
    for (int i = 0; i < batch->n; i++) {
        const size_t row = (size_t)batch->view[i] * (size_t)t->setup.data->n[LB_TRAIN] +
                           (size_t)batch->sample[i];
        float *const to = out + (size_t)i * classes;
        if (!t->rows)
            (void)lb_row_pack(&t->form, to, t->row);
        lb_row_unpack(&t->form, t->rows ? t->rows + row * t->row_bytes : t->row, to);
    }
}

const float *lb_teacher_tap(const lb_teacher *t, int member, int k, int i)
{
    const lb_teacher *const one = t->n_members > 0 ? t->member[member] : t;

    return lb_plan_output(one->plan, one->setup.taps[k], i);
}

lb_plan *lb_teacher_live_plan(lb_teacher *t, int k)
{
    const lb_teacher *const one = t->n_members > 0 ? t->member[k] : t;

    return !one || one->rows ? NULL : one->plan;
}

bool lb_teacher_was_softmax(const lb_teacher *t)
{
    return t->was_softmax;
}
