/* session.c: opens what a training needs: once for all stages, and anew for each. */
#include "train/session_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "graph/passes.h"
#include "tensor/npy.h"

#include <string.h>

static bool has_teacher(const lb_train_setup *setup)
{
    return setup->teacher || setup->voices ||
           (setup->stage && setup->stage->previous && setup->number > 0);
}

static lb_code check_stage(const lb_train_setup *setup, lb_error *err)
{
    const lb_train_options *const o = setup->options;
    const int n = setup->data->n[LB_TRAIN];

    if (o->epochs < 1)
        return lb_raise(err, LB_ERR_INPUT, "epochs must be at least 1, not %d",
                        o->epochs);
    if (o->batch < 1 || o->batch > n)
        return lb_raise(err, LB_ERR_INPUT,
                        "batch must be between 1 and the %d training samples, not %d", n,
                        o->batch);
    for (int i = 0; i < setup->n_terms; i++) {
        const lb_loss *const loss = setup->terms[i].loss;
        if (o->batch < loss->min_batch)
            return lb_raise(err, LB_ERR_INPUT,
                            "loss '%s' compares the samples of a batch: batch must be at "
                            "least %d, not %d; or use %s",
                            loss->name, loss->min_batch, o->batch, loss->instead);
        if ((loss->needs & (LB_NEEDS_TEACHER | LB_NEEDS_HINTS)) && !has_teacher(setup))
            return lb_raise(err, LB_ERR_INPUT,
                            "loss '%s' needs a teacher, and there is none", loss->name);
    }
    return LB_OK;
}

/* A weight is found beside others that are given. */
static lb_code check_weights(const lb_train_setup *setup, lb_error *err)
{
    const lb_term *found = NULL;

    for (int i = 0; i < setup->n_terms; i++) {
        const lb_term *const term = &setup->terms[i];
        if (lb_term_full_weight(term, term->first) > 0)
            return LB_OK;
        found = term->balance.on ? term : found;
    }
    if (found)
        return lb_raise(
            err, LB_ERR_INPUT,
            "the weight of loss '%s' is to be found, but no loss has a weight "
            "of its own",
            found->loss->name);
    return LB_OK;
}

/* Everything that can be told of the later stages before the first one runs. */
static lb_code check_stages(lb_session *s, lb_error *err)
{
    for (int k = 0; k < lb_train_stages(s->all); k++) {
        const lb_train_setup one = lb_train_stage(s->all, k);
        LB_TRY(check_stage(&one, err));
        LB_TRY(check_weights(&one, err));
        if (one.options->precision != s->now.options->precision)
            return lb_raise(err, LB_ERR_INPUT,
                            "stage '%s' has another precision than the first",
                            one.stage->name);
        if (one.stage && one.stage->cut > 0 && !s->all->cutter)
            return lb_bug(err, "a stage begins with a cut, and nobody cuts");
        if (one.stage)
            LB_TRY(lb_stage_check(one.stage, s->all->student, err));
        s->epochs += one.options->epochs;
        s->steps += lb_train_steps(s->all->data, one.options);
    }
    return LB_OK;
}

static lb_dtype precision_of(const lb_train_setup *setup)
{
    return setup->options->precision == LB_PRECISION_FLOAT64 ? LB_F64 : LB_F32;
}

static lb_code open_student(lb_session *s, lb_error *err)
{
    s->student = s->all->student;
    if (precision_of(&s->now) == LB_F32)
        return LB_OK;
    LB_TRY(lb_graph_with_precision(s->all->student, LB_F64, &s->student, err));
    s->own_student = true;
    return LB_OK;
}

static lb_code open_tester(lb_session *s, lb_error *err)
{
    const lb_train_setup *const setup = s->setup;
    const bool reference = setup->options->precision == LB_PRECISION_FLOAT64;
    const lb_tester_setup tester = {.graph = s->student,
                                    .input = &setup->input,
                                    .data = setup->data,
                                    .split = LB_VALIDATION,
                                    .pool = setup->pool,
                                    .kernels = reference ? LB_KERNELS_REFERENCE
                                                         : setup->kernels};

    if (setup->data->n[LB_VALIDATION] == 0)
        return LB_OK;
    return lb_tester_open(&tester, s->arena, &s->tester, err);
}

static lb_code read_order(const lb_session *s, lb_tensor **order, lb_error *err)
{
    const char *const path = s->setup->options->order;
    lb_tensor *read = NULL;

    if (!path)
        return LB_OK;
    LB_TRY(lb_npy_load(s->stage_arena, path, (size_t)1 << 31, &read, err));
    if (read->dtype != LB_I64 && read->dtype != LB_I32)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: an order of samples holds int64 or int32, not %s", path,
                        lb_dtype_name(read->dtype));
    return lb_tensor_cast(s->stage_arena, read, LB_I64, order, err);
}

static lb_code open_loader(lb_session *s, lb_error *err)
{
    const lb_train_options *const o = s->setup->options;
    lb_tensor *order = NULL;

    LB_TRY(read_order(s, &order, err));
    const lb_loader_options options = {.batch = o->batch,
                                       .threads = o->loader_threads,
                                       .views = s->setup->views,
                                       .order = order,
                                       .stage = s->now.number,
                                       .first_epoch = s->ledger.epoch,
                                       .first_batch = s->ledger.batch,
                                       .epochs = o->epochs};
    return lb_loader_open(s->setup->data, &options, &s->loader, err);
}

static lb_checkpoint checkpoint_of(lb_session *s)
{
    return (lb_checkpoint){.path = s->path,
                           .key = s->setup->key ? s->setup->key : "",
                           .lesson = &s->lesson,
                           .ledger = &s->ledger,
                           .epochs = s->setup->options->epochs,
                           .batches = s->batches,
                           .previous =
                               s->previous && s->now.stage->previous ? s->previous : NULL,
                           .masks = &s->masks};
}

lb_code lb_session_save(lb_session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    s->saved_at = lb_clock_wall();
    return s->path ? lb_checkpoint_save(&checkpoint, err) : LB_OK;
}

bool lb_session_resumes(const lb_session *s)
{
    if (!s->path || !s->all->resume)
        return false;
    if (lb_file_exists(s->path))
        return true;
    lb_log_tell(&s->all->log, LB_LOG_INFO,
                "'%s' is not there yet; beginning at the first step", s->path);
    return false;
}

static lb_code take_previous(lb_session *s, lb_error *err)
{
    const lb_graph *const g = s->student;
    bool wanted = false;
    int n = 0;

    for (int k = 0; k < lb_train_stages(s->all); k++)
        wanted = wanted || (s->all->stages && s->all->stages[k].previous);
    if (!wanted)
        return LB_OK;
    s->previous = LB_TAKE_ARRAY(s->arena, g->n_values, lb_tensor *);
    if (!s->previous)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the student of a stage");
    for (int i = 1; i < g->n_values; i++)
        if (g->values[i].kind == LB_VALUE_PARAM)
            LB_TRY(lb_tensor_copy(s->arena, g->values[i].tensor, &s->previous[n++], err));
    return LB_OK;
}

lb_code lb_session_open(lb_session *s, lb_error *err)
{
    const lb_train_setup *const all = s->all;

    s->setup = &s->now;
    s->now = lb_train_stage(all, 0);
    LB_TRY(check_stages(s, err));
    s->until = all->pause > 0 && all->pause < s->epochs ? all->pause : s->epochs;
    LB_TRY(open_student(s, err));
    LB_TRY(lb_feed_init(&s->feed, s->student, &all->input, all->data, all->pool, s->arena,
                        err));
    LB_TRY(lb_ledger_init(&s->ledger, s->epochs, s->arena, err));
    LB_TRY(take_previous(s, err));
    s->path = all->folder ? lb_path_join(s->arena, all->folder, "checkpoint.lbk") : NULL;
    if (all->folder && !s->path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the checkpoint's path");
    return LB_OK;
}

/* The weights that a stage begins with; the ones before teach it, if it says so. */
static void begin_weights(lb_session *s)
{
    const lb_stage *const stage = s->now.stage;
    const lb_graph *const fresh =
        stage && stage->fresh && s->all->fresh ? s->all->fresh[s->now.number] : NULL;

    if (stage && stage->previous)
        lb_weights_store(s->student, s->previous);
    if (fresh)
        lb_weights_copy(s->student, fresh);
}

/* The layers of the teacher that the lesson looks at, in its order. */
static lb_code open_own_teacher(lb_session *s, lb_error *err)
{
    const lb_lesson *const lesson = &s->lesson;
    const lb_teacher_options options = {
        .input = s->all->input, .views = s->all->views, .store = LB_CACHE_NONE};
    lb_value *const taps =
        LB_TAKE_ARRAY(s->stage_arena, lesson->n_features + 1, lb_value);

    if (!taps)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the student as a teacher");
    for (int i = 0; i < lesson->n_features; i++)
        taps[i] = lesson->feature[i].of;
    const lb_teacher_setup setup = {.options = &options,
                                    .graph = s->prior,
                                    .taps = taps,
                                    .n_taps = lesson->n_features,
                                    .taps_only = lesson->voice[0].id == 0,
                                    .data = s->all->data,
                                    .pool = s->all->pool,
                                    .kernels = s->all->kernels,
                                    .conv_direct = s->all->conv_direct,
                                    .batch = s->now.options->batch,
                                    .log = s->all->log};
    LB_TRY(lb_teacher_open(&setup, s->stage_arena, &s->own, err));
    s->now.teacher = s->own;
    return LB_OK;
}

/* The student of the stage before, with weights of its own, teaches. */
static lb_code open_prior(lb_session *s, lb_error *err)
{
    LB_TRY(lb_graph_with_precision(s->student, precision_of(&s->now), &s->prior, err));
    lb_weights_restore(s->prior, s->previous);
    s->now.teacher = NULL;
    s->own_voice = (lb_voice){s->prior, s->all->input};
    s->now.voices = &s->own_voice;
    return LB_OK;
}

static lb_code load(lb_session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    LB_TRY(lb_checkpoint_load(&checkpoint, err));
    lb_plan_refresh(s->lesson.plan); /* what is frozen was packed as it began */
    return LB_OK;
}

static lb_code open_teaching(lb_session *s, lb_error *err)
{
    const bool previous = s->now.stage && s->now.stage->previous;

    if (!lb_lesson_listens(&s->lesson))
        return LB_OK;
    if (previous)
        LB_TRY(open_prior(s, err));
    if (previous && precision_of(&s->now) == LB_F32)
        return open_own_teacher(s, err);
    if (!s->now.teacher)
        return lb_oracle_open(&s->now, &s->lesson, s->stage_arena, &s->oracle, err);
    return LB_OK;
}

lb_code lb_session_open_stage(lb_session *s, int number, bool resumed, lb_error *err)
{
    const int classes = s->all->data->content.n_classes;
    int first = 0;

    s->now = lb_train_stage(s->all, number);
    s->before = 0;
    s->images_before = 0;
    for (int k = 0; k < number; k++) {
        const lb_train_options *const o = &s->all->stages[k].train;
        const int64_t steps = lb_train_steps(s->all->data, o);
        first += o->epochs;
        s->before += steps;
        s->images_before += steps * o->batch;
    }
    const size_t batch = (size_t)s->now.options->batch;
    s->batches = lb_train_batches(s->all->data, s->now.options);
    s->stage_arena = lb_arena_new(0);
    if (!s->stage_arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a stage");
    begin_weights(s);
    LB_TRY(lb_lesson_open(&s->now, s->student, classes, s->stage_arena, &s->lesson, err));
    if (s->lesson.n_terms > 1)
        LB_TRY(lb_probe_open(&s->now, s->student, &s->lesson, s->stage_arena, &s->probe,
                             err));
    LB_TRY(lb_ledger_begin(&s->ledger, &s->lesson, &s->now, first, s->stage_arena, err));
    if (resumed)
        LB_TRY(load(s, err));
    lb_session_take_weights(s);
    LB_TRY(open_teaching(s, err));
    s->teacher_logits = LB_TAKE_ARRAY(
        s->stage_arena, batch * (size_t)classes * (size_t)s->lesson.n_voices, float);
    if (!s->teacher_logits)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a batch");
    if (!s->tester)
        LB_TRY(open_tester(s, err));
    s->end = s->until - first;
    if (s->end > s->now.options->epochs)
        s->end = s->now.options->epochs;
    if (s->ledger.epoch < s->end)
        LB_TRY(open_loader(s, err));
    return LB_OK;
}

void lb_session_close_stage(lb_session *s)
{
    lb_loader_close(s->loader);
    lb_teacher_close(s->own);
    lb_graph_free(s->prior);
    lb_oracle_close(&s->oracle);
    lb_probe_close(&s->probe);
    lb_lesson_close(&s->lesson);
    lb_arena_free(s->stage_arena);
    s->loader = NULL;
    s->own = NULL;
    s->prior = NULL;
    s->stage_arena = NULL;
}

void lb_session_close(lb_session *s)
{
    lb_session_close_stage(s);
    lb_tester_close(s->tester);
    if (s->own_student)
        lb_graph_free(s->student);
}
