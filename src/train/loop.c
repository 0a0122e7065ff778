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
    const lb_train_setup *setup;
    lb_arena *arena;
    lb_graph *student; /* of the precision that is trained in */
    bool own_student;
    lb_lesson lesson;
    lb_feed feed;
    lb_oracle oracle; /* of float64 */
    lb_ledger ledger;
    lb_tester *tester; /* NULL: no validation split */
    lb_loader *loader;
    float *teacher_logits;
    int batches;      /* of an epoch */
    int end;          /* epochs to train in this sitting */
    const char *path; /* of the checkpoint, or NULL */
    double saved_at;  /* clock */
    double began_at;  /* clock, of this sitting */
    int64_t began_step;
} session;

static lb_code check_setup(const lb_train_setup *setup, lb_error *err)
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
        if ((loss->needs & (LB_NEEDS_TEACHER | LB_NEEDS_HINTS)) && !setup->teacher &&
            !setup->teacher_graph)
            return lb_raise(err, LB_ERR_INPUT,
                            "loss '%s' needs a teacher, and there is none", loss->name);
    }
    return LB_OK;
}

static lb_dtype precision_of(const lb_train_setup *setup)
{
    return setup->options->precision == LB_PRECISION_FLOAT64 ? LB_F64 : LB_F32;
}

static lb_code open_student(session *s, lb_error *err)
{
    s->student = s->setup->student;
    if (precision_of(s->setup) == LB_F32)
        return LB_OK;
    LB_TRY(lb_graph_with_precision(s->setup->student, LB_F64, &s->student, err));
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
    LB_TRY(lb_npy_load(s->arena, path, (size_t)1 << 31, &read, err));
    if (read->dtype != LB_I64 && read->dtype != LB_I32)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: an order of samples holds int64 or int32, not %s", path,
                        lb_dtype_name(read->dtype));
    return lb_tensor_cast(s->arena, read, LB_I64, order, err);
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
                           .batches = s->batches};
}

static lb_code save(session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    s->saved_at = lb_train_clock();
    return s->path ? lb_checkpoint_save(&checkpoint, err) : LB_OK;
}

static lb_code resume(session *s, lb_error *err)
{
    const lb_checkpoint checkpoint = checkpoint_of(s);

    if (!s->path || !s->setup->resume)
        return LB_OK;
    if (!lb_file_exists(s->path)) {
        lb_log_tell(&s->setup->log, LB_LOG_INFO,
                    "'%s' is not there yet; beginning at the first step", s->path);
        return LB_OK;
    }
    return lb_checkpoint_load(&checkpoint, err);
}

static lb_code open_session(session *s, lb_error *err)
{
    const lb_train_setup *const setup = s->setup;
    const int classes = setup->data->content.n_classes;
    const size_t batch = (size_t)setup->options->batch;

    LB_TRY(check_setup(setup, err));
    LB_TRY(open_student(s, err));
    LB_TRY(lb_feed_init(&s->feed, s->student, &setup->input, setup->data, setup->pool,
                        s->arena, err));
    LB_TRY(lb_lesson_open(setup, s->student, classes, s->arena, &s->lesson, err));
    LB_TRY(lb_ledger_init(&s->ledger, &s->lesson, setup->options->epochs, s->arena, err));
    if (lb_lesson_listens(&s->lesson) && !setup->teacher)
        LB_TRY(lb_oracle_open(setup, &s->lesson, s->arena, &s->oracle, err));
    LB_TRY(open_tester(s, err));
    s->teacher_logits = LB_TAKE_ARRAY(s->arena, batch * (size_t)classes, float);
    s->path =
        setup->folder ? lb_path_join(s->arena, setup->folder, "checkpoint.lbk") : NULL;
    if (!s->teacher_logits || (setup->folder && !s->path))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a batch");
    s->batches = setup->data->n[LB_TRAIN] / setup->options->batch;
    s->end = setup->options->epochs;
    if (setup->pause > 0 && setup->pause < s->end)
        s->end = setup->pause;
    LB_TRY(resume(s, err));
    if (s->ledger.epoch < s->end)
        LB_TRY(open_loader(s, err));
    s->began_at = s->saved_at = lb_train_clock();
    s->began_step = s->ledger.step;
    return LB_OK;
}

static void close_session(session *s)
{
    lb_loader_close(s->loader);
    lb_tester_close(s->tester);
    lb_oracle_close(&s->oracle);
    lb_lesson_close(&s->lesson);
    if (s->own_student)
        lb_graph_free(s->student);
}

static lb_code blame(session *s, double loss, lb_error *err)
{
    const lb_node *const node = lb_lesson_blame(&s->lesson);
    const char *const what = isnan(loss) ? "not a number" : "infinite";
    const long long step = (long long)s->ledger.step + 1;

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
    const double done = (double)(s->ledger.step - s->began_step);
    const int64_t steps = (int64_t)o->epochs * s->batches;
    const lb_step_report report = {
        .epoch = s->ledger.batch > 0 ? s->ledger.epoch : s->ledger.epoch - 1,
        .epochs = o->epochs,
        .step = s->ledger.step,
        .steps = steps,
        .loss = loss,
        .images_per_second = seconds > 0 ? done * o->batch / seconds : 0,
        .seconds_left = seconds / done * (double)(steps - s->ledger.step)};

    if (s->setup->watch.step)
        s->setup->watch.step(s->setup->watch.arg, &report);
}

static void hear_teacher(session *s, const lb_batch *batch)
{
    const bool logits = s->lesson.teacher.id != 0;

    if (!lb_lesson_listens(&s->lesson))
        return;
    if (s->oracle.plan) {
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
        if (stopped && s->ledger.epoch < s->end)
            return lb_raise(err, LB_ERR_STOPPED, "stopped after step %lld of %lld",
                            (long long)s->ledger.step,
                            (long long)s->setup->options->epochs * s->batches);
    }
    return LB_OK;
}

/* The best epoch's weights go back into the student that the caller gave. */
static void hand_back(const session *s)
{
    const lb_graph *const to = s->setup->student;
    int n = 0;

    for (int i = 1; i < to->n_values; i++) {
        if (to->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor *const t = to->values[i].tensor;
        const lb_tensor *const best = s->ledger.best[n++];
        for (size_t k = 0; k < t->n; k++)
            lb_tensor_put(t, k, lb_tensor_get(best, k));
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

/* The last epoch's weights, where the best epoch's are another's. */
static lb_code keep_last(const session *s, lb_train_result *out, lb_error *err)
{
    const int n = s->lesson.n_params;

    if (s->ledger.best_epoch == s->ledger.n_reports - 1)
        return LB_OK;
    out->last = LB_TAKE_ARRAY(s->arena, n, lb_tensor *);
    if (!out->last)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the last epoch's weights");
    for (int i = 0; i < n; i++)
        LB_TRY(lb_tensor_copy(s->arena, s->lesson.param[i], &out->last[i], err));
    return LB_OK;
}

static lb_code conclude(const session *s, lb_train_result *out, lb_error *err)
{
    const lb_ledger *const ledger = &s->ledger;
    const double seconds = ledger->seconds;
    const double images = (double)ledger->step * s->setup->options->batch;
    const int best = lb_ledger_best(ledger, s->end);

    *out =
        (lb_train_result){.best_epoch = best,
                          .epochs_done = s->end,
                          .best_accuracy = lb_ledger_score(&ledger->report[best]),
                          .paused = s->end<s->setup->options->epochs, .seconds = seconds,
                                           .images_per_second = seconds> 0
                                        ? images / seconds
                                        : 0,
                          .epoch = ledger->report};
    if (out->paused)
        return LB_OK;
    LB_TRY(keep_last(s, out, err));
    hand_back(s);
    return LB_OK;
}

lb_code lb_train_run(const lb_train_setup *setup, lb_arena *arena, lb_train_result *out,
                     lb_error *err)
{
    session s = {.setup = setup, .arena = arena};
    lb_code code = open_session(&s, err);

    if (code == LB_OK)
        code = teach(&s, err);
    if (code == LB_OK)
        code = conclude(&s, out, err);
    close_session(&s);
    return code;
}
