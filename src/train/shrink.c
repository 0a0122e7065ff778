/* shrink.c: cuts the student where a stage begins with it.
 *
 * The stage is opened on the student as it is, so that its losses' gradients over the
 * first batches can be looked at; then it is closed, the student cut, and the stage
 * opened again by the loop. What went is in every later checkpoint, so that a run goes on
 * from the same shapes. */
#include "train/session_int.h"

/* A gradient for each parameter that the probe reaches. */
static lb_code take_gradients(const lb_session *s, const lb_probe *probe,
                              lb_tensor ***out, lb_error *err)
{
    const lb_graph *const g = s->student;
    lb_tensor **const grad = LB_TAKE_ARRAY(s->stage_arena, g->n_values, lb_tensor *);

    if (!grad)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the gradients of channels");
    for (int i = 0; i < probe->n_grads; i++) {
        const int v = probe->of[i].id;
        LB_TRY(lb_tensor_new(s->stage_arena, s->lesson.dtype, &g->values[v].tensor->shape,
                             &grad[v], err));
    }
    *out = grad;
    return LB_OK;
}

/* The batch's loss without each of the parts that are tried. */
static lb_code try_parts(const lb_session *s, lb_probe *probe, double loss, lb_error *err)
{
    const lb_cutter *const cutter = s->all->cutter;
    const int n = cutter->trials ? cutter->trials(cutter->arg) : 0;

    for (int i = 0; i < n; i++) {
        LB_TRY(cutter->mute(cutter->arg, s->student, i, true, err));
        const double without = lb_probe_gradient(probe, &s->lesson, 0, NULL);
        LB_TRY(cutter->mute(cutter->arg, s->student, i, false, err));
        cutter->tried(cutter->arg, i, without - loss);
    }
    return LB_OK;
}

static lb_code look_with(lb_session *s, lb_probe *probe, lb_error *err)
{
    const lb_cutter *const cutter = s->all->cutter;
    const int64_t all = (int64_t)s->batches * s->now.options->epochs;
    lb_tensor **grad;

    LB_TRY(take_gradients(s, probe, &grad, err));
    for (int i = 0; i < cutter->batches && i < all; i++) {
        const lb_batch *const batch = lb_loader_next(s->loader);
        if (!batch)
            return lb_bug(err, "the loader has no batch to look at");
        lb_feed_pixels(&s->feed, s->lesson.plan, s->lesson.input, batch->pixels,
                       batch->n);
        lb_session_hear(s, batch);
        lb_lesson_set(&s->lesson, batch->label, 0);
        const double loss = lb_probe_gradient(probe, &s->lesson, 0, grad);
        LB_TRY(
            cutter->look(cutter->arg, s->student, (const lb_tensor *const *)grad, err));
        LB_TRY(try_parts(s, probe, loss, err));
    }
    return LB_OK;
}

/* The probe of a loss alone is opened here. */
static lb_code look(lb_session *s, lb_error *err)
{
    lb_probe own = {0};

    if (s->probe.lesson.plan)
        return look_with(s, &s->probe, err);
    LB_TRY(lb_probe_open(&s->now, s->student, &s->lesson, s->stage_arena, &own, err));
    const lb_code code = look_with(s, &own, err);
    lb_probe_close(&own);
    return code;
}

/* Parameters of the student that the stage under way does not train. */
static lb_code find_frozen(const lb_session *s, const lb_stage *stage, bool *frozen,
                           lb_error *err)
{
    lb_graph *copy = NULL;

    LB_TRY(lb_graph_clone(s->student, &copy, err));
    const lb_code code = lb_stage_freeze(stage, copy, err);
    for (int i = 1; i < copy->n_values; i++)
        frozen[i] = copy->values[i].kind == LB_VALUE_PARAM && !copy->values[i].trained;
    lb_graph_free(copy);
    return code;
}

static lb_code choose(lb_session *s, const lb_stage *stage, lb_mask *mask, lb_error *err)
{
    const lb_cutter *const cutter = s->all->cutter;
    bool *const frozen = LB_TAKE_ARRAY(s->arena, s->student->n_values, bool);

    mask->gone = LB_TAKE_ARRAY(s->arena, mask->n + 1, bool);
    if (!frozen || !mask->gone)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to choose channels");
    LB_TRY(find_frozen(s, stage, frozen, err));
    return cutter->choose(cutter->arg, s->student, frozen, stage->cut, mask->gone, err);
}

/* The validation plan is of the student as it was. */
static lb_code cut(lb_session *s, const lb_mask *mask, lb_error *err)
{
    const lb_cutter *const cutter = s->all->cutter;

    lb_tester_close(s->tester);
    s->tester = NULL;
    LB_TRY(cutter->cut(cutter->arg, s->student, mask->gone, err));
    if (s->own_student)
        LB_TRY(cutter->cut(cutter->arg, s->all->student, mask->gone, err));
    return LB_OK;
}

lb_code lb_session_shrink(lb_session *s, int number, lb_error *err)
{
    const lb_stage *const stage = s->all->stages ? &s->all->stages[number] : NULL;
    const lb_cutter *const cutter = s->all->cutter;

    if (!stage || stage->cut == 0)
        return LB_OK;
    lb_mask *const mask = &s->masks.mask[s->masks.n];
    LB_TRY(cutter->open(cutter->arg, s->student, &mask->n, err));
    if (cutter->batches > 0) {
        lb_code code = lb_session_open_stage(s, number, false, err);
        if (code == LB_OK)
            code = look(s, err);
        lb_session_close_stage(s);
        LB_TRY(code);
    }
    LB_TRY(choose(s, stage, mask, err));
    s->masks.n++;
    return cut(s, mask, err);
}

lb_code lb_session_replay(lb_session *s, int number, lb_error *err)
{
    const lb_cutter *const cutter = s->all->cutter;
    int n_units = 0;

    LB_TRY(lb_checkpoint_masks(s->path, s->all->key ? s->all->key : "", s->arena,
                               &s->masks, err));
    if (!cutter || !s->all->stages || number == 0)
        s->masks.n = 0;
    for (int i = 0; i < s->masks.n; i++) {
        LB_TRY(cutter->open(cutter->arg, s->student, &n_units, err));
        if (n_units != s->masks.mask[i].n) {
            s->masks.n = i; /* another run's: loading says so */
            return LB_OK;
        }
        LB_TRY(cut(s, &s->masks.mask[i], err));
    }
    return LB_OK;
}

lb_code lb_train_look(const lb_train_setup *setup, lb_arena *arena, lb_error *err)
{
    lb_session s = {.all = setup, .arena = arena};

    lb_code code = lb_session_open(&s, err);
    if (code == LB_OK)
        code = lb_session_open_stage(&s, 0, false, err);
    if (code == LB_OK)
        code = look(&s, err);
    lb_session_close(&s);
    return code;
}
