/* loop.c: teaches: batch after batch, epoch after epoch.
 *
 * Whatever decides a result is in the weights and the ledger, so a checkpoint at any step
 * leads to the same bits as a run without a break. Time is looked at for reports and for
 * when to write a checkpoint, nothing else. */
#include "train/session_int.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double checkpoint_seconds = 60;

static lb_code blame(lb_session *s, double loss, lb_error *err)
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

static double rate_of(const lb_session *s, int64_t step)
{
    const lb_train_options *const o = s->setup->options;

    return lb_schedule_rate(&o->schedule, o->sgd.lr, o->epochs, step, s->batches);
}

/* At the first and at the last epoch of a stage. */
static void tell_terms(const lb_session *s, const lb_epoch_report *report)
{
    char line[LB_MAX_TERMS * 64] = "";
    size_t n = 0;

    if (s->lesson.n_terms < 2 ||
        (report->epoch > 0 && report->epoch + 1 < s->now.options->epochs))
        return;
    for (int i = 0; i < s->lesson.n_terms; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%.20s %.4g x %.4g (%.0f %%)",
                              i ? ", " : "", s->lesson.terms[i].loss->name,
                              report->weight[i], report->term[i], 100 * report->share[i]);
    lb_log_tell(&s->all->log, LB_LOG_INFO,
                "epoch %d, weight x value (share of the gradient): %s", report->epoch + 1,
                line);
}

static lb_code end_epoch(lb_session *s, lb_error *err)
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
    tell_terms(s, report);
    return LB_OK;
}

static void tell_step(const lb_session *s, double loss)
{
    const lb_train_options *const o = s->setup->options;
    const double seconds = lb_clock_wall() - s->began_at;
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

/* What is measured before a step: how much each term pulls, told anew at the first batch
 * of an epoch, and for longer where a weight has to be found by it. */
static void measure_terms(lb_session *s, const int32_t *labels)
{
    const double epoch = (double)s->ledger.step / s->batches;
    const bool balances = lb_session_balances(s, epoch);
    bool wanted[LB_MAX_TERMS];
    double norm[LB_MAX_TERMS];

    if (!s->probe.lesson.plan || (s->ledger.batch > 0 && !balances))
        return;
    for (int i = 0; i < s->lesson.n_terms; i++)
        wanted[i] = lb_term_counts(&s->lesson.terms[i], epoch);
    lb_lesson_set(&s->lesson, labels, epoch);
    lb_probe_run(&s->probe, &s->lesson, wanted, norm);
    if (s->ledger.batch == 0)
        memcpy(s->ledger.norm, norm, sizeof norm[0] * (size_t)s->lesson.n_terms);
    if (balances)
        lb_session_balance(s, epoch, norm);
}

static lb_code one_step(lb_session *s, double *loss, lb_error *err)
{
    const double begin = lb_clock_wall(), idle = lb_loader_idle(s->loader);
    const lb_batch *const batch = lb_loader_next(s->loader);

    if (!batch || batch->epoch != s->ledger.epoch || batch->number != s->ledger.batch)
        return lb_bug(err, "the loader is not at epoch %d, batch %d", s->ledger.epoch,
                      s->ledger.batch);
    lb_feed_pixels(&s->feed, s->lesson.plan, s->lesson.input, batch->pixels, batch->n);
    lb_session_hear(s, batch);
    measure_terms(s, batch->label);
    *loss = lb_lesson_run(&s->lesson, batch->label, rate_of(s, s->ledger.step),
                          (double)s->ledger.step / s->batches);
    if (!isfinite(*loss))
        return blame(s, *loss, err);
    lb_ledger_step(&s->ledger, &s->lesson, batch->label, *loss);
    const double took = lb_clock_wall() - begin;
    s->ledger.seconds += took;
    s->ledger.epoch_seconds += took;
    s->ledger.epoch_idle += lb_loader_idle(s->loader) - idle;
    return LB_OK;
}

static lb_code teach(lb_session *s, lb_error *err)
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
        if (ends || stopped || lb_clock_wall() - s->saved_at > checkpoint_seconds)
            LB_TRY(lb_session_save(s, err));
        if (stopped && s->ledger.first + s->ledger.epoch < s->until)
            return lb_raise(err, LB_ERR_STOPPED, "stopped after step %lld of %lld",
                            (long long)(s->before + s->ledger.step), (long long)s->steps);
    }
    return LB_OK;
}

/* The last epoch's weights, where the best epoch's are another's. */
static lb_code keep_last(lb_session *s, lb_error *err)
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
static lb_code end_stage(lb_session *s, lb_error *err)
{
    if (s->now.number + 1 == lb_train_stages(s->all))
        LB_TRY(keep_last(s, err));
    for (int i = 0; i < s->lesson.n_params; i++)
        memcpy(s->lesson.param[i]->data, s->ledger.best[i]->data,
               lb_tensor_bytes(s->lesson.param[i]));
    return LB_OK;
}

static lb_code one_stage(lb_session *s, int number, bool resumed, lb_error *err)
{
    if (!resumed)
        LB_TRY(lb_session_shrink(s, number, err));
    LB_TRY(lb_session_open_stage(s, number, resumed, err));
    if (s->began_at <= 0) {
        s->began_at = s->saved_at = lb_clock_wall();
        s->began_step = s->before + s->ledger.step;
    }
    LB_TRY(teach(s, err));
    if (s->ledger.epoch == s->now.options->epochs)
        return end_stage(s, err);
    return LB_OK;
}

static lb_code teach_all(lb_session *s, lb_error *err)
{
    const int n = lb_train_stages(s->all);
    const bool resumed = lb_session_resumes(s);
    const int first = resumed ? lb_checkpoint_stage(s->path, n) : 0;

    if (resumed)
        LB_TRY(lb_session_replay(s, first, err));
    for (int k = first; k < n && (k == first || s->ledger.n_reports < s->until); k++) {
        const lb_code code = one_stage(s, k, resumed && k == first, err);
        lb_session_close_stage(s);
        if (code != LB_OK)
            return code;
    }
    return LB_OK;
}

static void conclude(const lb_session *s, lb_train_result *out)
{
    const lb_ledger *const ledger = &s->ledger;
    const double seconds = ledger->seconds;
    const double images =
        (double)(s->images_before + ledger->step * s->now.options->batch);
    const int best = lb_ledger_best(ledger, s->until);

    *out = (lb_train_result){.best_epoch = best,
                             .epochs_done = s->until,
                             .best_accuracy = lb_ledger_score(&ledger->report[best]),
                             .seconds = seconds,
                             .images_per_second = seconds > 0 ? images / seconds : 0,
                             .epoch = ledger->report};
    out->paused = s->until < s->epochs;
    if (out->paused)
        return;
    out->last = s->last;
    if (s->own_student)
        lb_weights_copy(s->all->student, s->student);
}

lb_code lb_train_run(const lb_train_setup *setup, lb_arena *arena, lb_train_result *out,
                     lb_error *err)
{
    lb_session s = {.all = setup, .arena = arena};

    lb_code code = lb_session_open(&s, err);
    if (code == LB_OK)
        code = teach_all(&s, err);
    if (code == LB_OK)
        conclude(&s, out);
    lb_session_close(&s);
    return code;
}
