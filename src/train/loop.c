/* loop.c: teaches: batch after batch, epoch after epoch.
 *
 * Whatever decides a result is in the weights and the ledger, so a checkpoint at any step
 * leads to the same bits as a run without a break. Time is looked at for reports and for
 * when to write a checkpoint, nothing else. */
#include "train/train_int.h"

#include "base/file.h"
#include "graph/passes.h"
#include "tensor/npy.h"

#include <math.h>
#include <string.h>

static const double checkpoint_seconds = 60;

typedef struct session {
    const lb_train_setup *all;   /* as the caller gave it */
    lb_train_setup now;          /* the same, for the stage under way */
    const lb_train_setup *setup; /* &now */
    lb_arena *arena;
    lb_graph *student; /* of the precision that is trained in */
    bool own_student;
    lb_feed feed;
    lb_tester *tester; /* NULL: no validation split */
    lb_ledger ledger;
    lb_tensor *
        *previous;    /* the student as the stage before left it; NULL: none teaches */
    const char *path; /* of the checkpoint, or NULL */
    double saved_at;  /* clock */
    double began_at;  /* clock, of this sitting */
    int64_t steps, before; /* of all stages; of those that are done */
    int64_t began_step;
    int epochs, until; /* of all stages; to train in this sitting */
    lb_tensor **last;  /* the last epoch's weights, if the best epoch's are another's */

    /* of the stage */
    lb_arena *stage_arena;
    lb_lesson lesson;
    lb_oracle oracle; /* of float64 */
    lb_graph *prior;  /* the student of the stage before, as a teacher */
    lb_voice own_voice;
    lb_teacher *own; /* what asks it */
    lb_loader *loader;
    float *teacher_logits;
    int batches; /* of an epoch */
    int end;     /* epochs of it to train in this sitting */
} session;

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

/* Everything that can be told of the later stages before the first one runs. */
static lb_code check_stages(session *s, lb_error *err)
{
    for (int k = 0; k < lb_train_stages(s->all); k++) {
        const lb_train_setup one = lb_train_stage(s->all, k);
        LB_TRY(check_stage(&one, err));
        if (one.options->precision != s->now.options->precision)
            return lb_raise(err, LB_ERR_INPUT,
                            "stage '%s' has another precision than the first",
                            one.stage->name);
        if (one.stage)
            LB_TRY(lb_stage_check(one.stage, s->all->student, err));
        s->epochs += one.options->epochs;
        s->steps += (int64_t)one.options->epochs *
                    (s->all->data->n[LB_TRAIN] / one.options->batch);
    }
    return LB_OK;
}

static lb_dtype precision_of(const lb_train_setup *setup)
{
    return setup->options->precision == LB_PRECISION_FLOAT64 ? LB_F64 : LB_F32;
}

static lb_code open_student(session *s, lb_error *err)
{
    s->student = s->all->student;
    if (precision_of(&s->now) == LB_F32)
        return LB_OK;
    LB_TRY(lb_graph_with_precision(s->all->student, LB_F64, &s->student, err));
    s->own_student = true;
    return LB_OK;
}

static lb_code open_tester(session *s, lb_error *err)
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

static lb_code read_order(const session *s, lb_tensor **order, lb_error *err)
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

static lb_code open_loader(session *s, lb_error *err)
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

static lb_checkpoint checkpoint_of(session *s)
{
    return (lb_checkpoint){.path = s->path,
                           .key = s->setup->key ? s->setup->key : "",
                           .lesson = &s->lesson,
                           .ledger = &s->ledger,
                           .epochs = s->setup->options->epochs,
                           .batches = s->batches,
                           .previous = s->previous && s->now.stage->previous ? s->previous
                                                                             : NULL};
}

static lb_code save(session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    s->saved_at = lb_train_clock();
    return s->path ? lb_checkpoint_save(&checkpoint, err) : LB_OK;
}

/* Whether there is a checkpoint to go on from. */
static bool resumes(const session *s)
{
    if (!s->path || !s->all->resume)
        return false;
    if (lb_file_exists(s->path))
        return true;
    lb_log_tell(&s->all->log, LB_LOG_INFO,
                "'%s' is not there yet; beginning at the first step", s->path);
    return false;
}

/* The parameters of a graph, in value order, copied from or to tensors of their own. */
static int copy_params(const lb_graph *g, lb_tensor **with, bool to_graph)
{
    int n = 0;

    for (int i = 1; i < g->n_values; i++) {
        if (g->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const own = g->values[i].tensor, *const other = with[n++];
        const lb_tensor *const from = to_graph ? other : own;
        lb_tensor *const to = to_graph ? own : other;
        memcpy(to->data, from->data, lb_tensor_bytes(to));
    }
    return n;
}

static lb_code take_previous(session *s, lb_error *err)
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

static lb_code open_session(session *s, lb_error *err)
{
    const lb_train_setup *const all = s->all;

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
static void begin_weights(session *s)
{
    const lb_stage *const stage = s->now.stage;
    const lb_graph *const fresh =
        stage && stage->fresh && s->all->fresh ? s->all->fresh[s->now.number] : NULL;

    if (stage && stage->previous)
        copy_params(s->student, s->previous, false);
    for (int i = 1; fresh && i < fresh->n_values; i++) {
        if (fresh->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const to = s->student->values[i].tensor;
        for (size_t k = 0; k < to->n; k++)
            lb_tensor_put(to, k, lb_tensor_get(fresh->values[i].tensor, k));
    }
}

/* The layers of the teacher that the lesson looks at, in its order. */
static lb_code open_own_teacher(session *s, lb_error *err)
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
static lb_code open_prior(session *s, lb_error *err)
{
    LB_TRY(lb_graph_with_precision(s->student, precision_of(&s->now), &s->prior, err));
    copy_params(s->prior, s->previous, true);
    s->now.teacher = NULL;
    s->own_voice = (lb_voice){s->prior, s->all->input};
    s->now.voices = &s->own_voice;
    return LB_OK;
}

static lb_code load(session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    return lb_checkpoint_load(&checkpoint, err);
}

static lb_code open_teaching(session *s, lb_error *err)
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

static lb_code open_stage(session *s, int number, bool resumed, lb_error *err)
{
    const int classes = s->all->data->content.n_classes;
    int first = 0;

    s->now = lb_train_stage(s->all, number);
    s->before = 0;
    for (int k = 0; k < number; k++) {
        const lb_train_options *const o = &s->all->stages[k].train;
        first += o->epochs;
        s->before += (int64_t)o->epochs * (s->all->data->n[LB_TRAIN] / o->batch);
    }
    const size_t batch = (size_t)s->now.options->batch;
    s->batches = s->all->data->n[LB_TRAIN] / s->now.options->batch;
    s->stage_arena = lb_arena_new(0);
    if (!s->stage_arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a stage");
    begin_weights(s);
    LB_TRY(lb_lesson_open(&s->now, s->student, classes, s->stage_arena, &s->lesson, err));
    LB_TRY(lb_ledger_begin(&s->ledger, &s->lesson, &s->now, first, s->stage_arena, err));
    if (resumed)
        LB_TRY(load(s, err));
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

static void close_stage(session *s)
{
    lb_loader_close(s->loader);
    lb_teacher_close(s->own);
    lb_graph_free(s->prior);
    lb_oracle_close(&s->oracle);
    lb_lesson_close(&s->lesson);
    lb_arena_free(s->stage_arena);
    s->loader = NULL;
    s->own = NULL;
    s->prior = NULL;
    s->stage_arena = NULL;
}

static void close_session(session *s)
{
    close_stage(s);
    lb_tester_close(s->tester);
    if (s->own_student)
        lb_graph_free(s->student);
}

static lb_code blame(session *s, double loss, lb_error *err)
{
    const lb_node *const node = lb_lesson_blame(&s->lesson);
    const char *const what = isnan(loss) ? "not a number" : "infinite";
    const long long step = (long long)(s->before + s->ledger.step) + 1;

    if (!node)
        return lb_raise(err, LB_ERR_FAILED,
                        "the loss is %s at step %lld (epoch %d); lower "
                        "train.optimizer.sgd.lr, or warm up for longer",
                        what, step, s->ledger.epoch + 1);
    return lb_raise(err, LB_ERR_FAILED,
                    "the loss is %s at step %lld (epoch %d): node '%s' (%s) is the first "
                    "with a value that is not finite; lower train.optimizer.sgd.lr, or "
                    "warm up for longer",
                    what, step, s->ledger.epoch + 1, node->name, node->op->name);
}

static double rate_of(const session *s, int64_t step)
{
    const lb_train_options *const o = s->setup->options;

    return lb_schedule_rate(&o->schedule, o->sgd.lr, o->epochs, step, s->batches);
}

static lb_code end_epoch(session *s, lb_error *err)
{
    const lb_metrics *const validation =
        s->tester ? lb_tester_run(s->tester, NULL) : NULL;
    const double rate = rate_of(s, s->ledger.step - 1);
    const lb_epoch_report *const report =
        lb_ledger_epoch(&s->ledger, &s->lesson, rate, validation);

    if (validation && isfinite(report->loss) && !isnan(validation->accuracy) &&
        !isfinite(validation->loss))
        return lb_raise(
            err, LB_ERR_FAILED,
            "the validation loss is not finite after epoch %d: the weights or "
            "running statistics have run away; lower train.optimizer.sgd.lr",
            report->epoch + 1);
    if (s->setup->watch.epoch)
        s->setup->watch.epoch(s->setup->watch.arg, report);
    return LB_OK;
}

static void tell_step(const session *s, double loss)
{
    const lb_train_options *const o = s->setup->options;
    const double seconds = lb_train_clock() - s->began_at;
    const int64_t step = s->before + s->ledger.step;
    const double done = (double)(step - s->began_step);
    const lb_step_report report = {
        .stage = s->now.number,
        .stages = lb_train_stages(s->all),
        .name = s->now.stage ? s->now.stage->name : NULL,
        .epoch = s->ledger.batch > 0 ? s->ledger.epoch : s->ledger.epoch - 1,
        .epochs = o->epochs,
        .step = step,
        .steps = s->steps,
        .loss = loss,
        .images_per_second = seconds > 0 ? done * o->batch / seconds : 0,
        .seconds_left = seconds / done * (double)(s->steps - step)};

    if (s->setup->watch.step)
        s->setup->watch.step(s->setup->watch.arg, &report);
}

static void hear_teacher(session *s, const lb_batch *batch)
{
    const bool logits = s->lesson.voice[0].id != 0;

    if (!lb_lesson_listens(&s->lesson))
        return;
    if (s->oracle.n > 0) {
        lb_oracle_ask(&s->oracle, batch, &s->lesson);
        return;
    }
    lb_teacher_logits(s->setup->teacher, batch, logits ? s->teacher_logits : NULL);
    if (logits)
        lb_lesson_hear(&s->lesson, s->teacher_logits);
    lb_lesson_see(&s->lesson, s->setup->teacher, s->setup->pool);
}

static lb_code one_step(session *s, double *loss, lb_error *err)
{
    const double begin = lb_train_clock(), idle = lb_loader_idle(s->loader);
    const lb_batch *const batch = lb_loader_next(s->loader);

    if (!batch || batch->epoch != s->ledger.epoch || batch->number != s->ledger.batch)
        return lb_bug(err, "the loader is not at epoch %d, batch %d", s->ledger.epoch,
                      s->ledger.batch);
    lb_feed_pixels(&s->feed, s->lesson.plan, s->lesson.input, batch->pixels, batch->n);
    hear_teacher(s, batch);
    *loss = lb_lesson_run(&s->lesson, batch->label, rate_of(s, s->ledger.step),
                          (double)s->ledger.step / s->batches);
    if (!isfinite(*loss))
        return blame(s, *loss, err);
    lb_ledger_step(&s->ledger, &s->lesson, batch->label, *loss);
    const double took = lb_train_clock() - begin;
    s->ledger.seconds += took;
    s->ledger.epoch_seconds += took;
    s->ledger.epoch_idle += lb_loader_idle(s->loader) - idle;
    return LB_OK;
}

static lb_code teach(session *s, lb_error *err)
{
    const lb_watch *const watch = &s->setup->watch;

    while (s->ledger.epoch < s->end) {
        double loss = 0;
        LB_TRY(one_step(s, &loss, err));
        const bool ends = s->ledger.batch == s->batches;
        if (ends)
            LB_TRY(end_epoch(s, err));
        tell_step(s, loss);
        const bool stopped = watch->stop && watch->stop(watch->arg);
        if (ends || stopped || lb_train_clock() - s->saved_at > checkpoint_seconds)
            LB_TRY(save(s, err));
        if (stopped && s->ledger.first + s->ledger.epoch < s->until)
            return lb_raise(err, LB_ERR_STOPPED, "stopped after step %lld of %lld",
                            (long long)(s->before + s->ledger.step), (long long)s->steps);
    }
    return LB_OK;
}

/* The last epoch's weights, where the best epoch's are another's. */
static lb_code keep_last(session *s, lb_error *err)
{
    const int n = s->lesson.n_params;

    if (s->ledger.best_epoch == s->ledger.epoch - 1)
        return LB_OK;
    s->last = LB_TAKE_ARRAY(s->arena, n, lb_tensor *);
    if (!s->last)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the last epoch's weights");
    for (int i = 0; i < n; i++)
        LB_TRY(lb_tensor_copy(s->arena, s->lesson.param[i], &s->last[i], err));
    return LB_OK;
}

/* The best epoch's weights are what the stage leaves. */
static lb_code end_stage(session *s, lb_error *err)
{
    if (s->now.number + 1 == lb_train_stages(s->all))
        LB_TRY(keep_last(s, err));
    for (int i = 0; i < s->lesson.n_params; i++)
        memcpy(s->lesson.param[i]->data, s->ledger.best[i]->data,
               lb_tensor_bytes(s->lesson.param[i]));
    return LB_OK;
}

static lb_code one_stage(session *s, int number, bool resumed, lb_error *err)
{
    LB_TRY(open_stage(s, number, resumed, err));
    if (s->began_at <= 0) {
        s->began_at = s->saved_at = lb_train_clock();
        s->began_step = s->before + s->ledger.step;
    }
    LB_TRY(teach(s, err));
    if (s->ledger.epoch == s->now.options->epochs)
        return end_stage(s, err);
    return LB_OK;
}

static lb_code teach_all(session *s, lb_error *err)
{
    const int n = lb_train_stages(s->all);
    const bool resumed = resumes(s);
    const int first = resumed ? lb_checkpoint_stage(s->path, n) : 0;

    for (int k = first; k < n && (k == first || s->ledger.n_reports < s->until); k++) {
        const lb_code code = one_stage(s, k, resumed && k == first, err);
        close_stage(s);
        if (code != LB_OK)
            return code;
    }
    return LB_OK;
}

/* What was learnt goes back into the student that the caller gave. */
static void hand_back(const session *s)
{
    const lb_graph *const to = s->all->student;

    for (int i = 1; s->own_student && i < to->n_values; i++) {
        if (to->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const t = to->values[i].tensor;
        for (size_t k = 0; k < t->n; k++)
            lb_tensor_put(t, k, lb_tensor_get(s->student->values[i].tensor, k));
    }
}

void lb_train_swap(const lb_graph *student, lb_tensor *const *weights)
{
    int n = 0;

    for (int i = 1; i < student->n_values; i++) {
        if (student->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const a = student->values[i].tensor, *const b = weights[n++];
        for (size_t k = 0; k < a->n; k++) {
            const double was = lb_tensor_get(a, k);
            lb_tensor_put(a, k, lb_tensor_get(b, k));
            lb_tensor_put(b, k, was);
        }
    }
}

/* Samples that the steps so far have seen. */
static double images_of(const session *s)
{
    double images = (double)s->ledger.step * s->now.options->batch;

    for (int k = 0; k < s->now.number; k++) {
        const lb_train_options *const o = &s->all->stages[k].train;
        const int batches = s->all->data->n[LB_TRAIN] / o->batch;
        images += (double)o->epochs * batches * o->batch;
    }
    return images;
}

static void conclude(const session *s, lb_train_result *out)
{
    const lb_ledger *const ledger = &s->ledger;
    const double seconds = ledger->seconds;
    const int best = lb_ledger_best(ledger, s->until);

    *out = (lb_train_result){
        .best_epoch = best,
        .epochs_done = s->until,
        .best_accuracy = lb_ledger_score(&ledger->report[best]),
        .paused = s->until<s->epochs, .seconds = seconds, .images_per_second = seconds> 0
                      ? images_of(s) / seconds
                      : 0,
        .epoch = ledger->report};
    if (out->paused)
        return;
    out->last = s->last;
    hand_back(s);
}

lb_code lb_train_run(const lb_train_setup *setup, lb_arena *arena, lb_train_result *out,
                     lb_error *err)
{
    session s = {.all = setup, .arena = arena};

    s.setup = &s.now;
    lb_code code = open_session(&s, err);
    if (code == LB_OK)
        code = teach_all(&s, err);
    if (code == LB_OK)
        conclude(&s, out);
    close_session(&s);
    return code;
}
