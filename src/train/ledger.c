/* ledger.c: what has happened in a run so far, and which epoch was the best. */
#include "train/train_int.h"

#include <math.h>
#include <string.h>

lb_code lb_ledger_init(lb_ledger *ledger, int epochs, lb_arena *arena, lb_error *err)
{
    *ledger = (lb_ledger){.best_epoch = -1};
    ledger->report = LB_TAKE_ARRAY(arena, epochs, lb_epoch_report);
    if (!ledger->report)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the ledger");
    return LB_OK;
}

/* Whether some loss looks at the student's answers, or at what they follow from by the
 * teacher's classifier: only then does its accuracy tell which epoch was the best. */
static bool is_judged(const lb_train_setup *setup)
{
    for (int i = 0; i < setup->n_terms; i++) {
        const unsigned needs = setup->terms[i].loss->needs;
        if (!(needs & LB_NEEDS_HINTS) || (needs & LB_NEEDS_HEAD))
            return true;
    }
    return false;
}

lb_code lb_ledger_begin(lb_ledger *ledger, const lb_lesson *lesson,
                        const lb_train_setup *setup, int first, lb_arena *arena,
                        lb_error *err)
{
    *ledger = (lb_ledger){.stage = setup->number,
                          .first = first,
                          .judged = is_judged(setup),
                          .seconds = ledger->seconds,
                          .best_epoch = -1,
                          .n_reports = first,
                          .report = ledger->report};
    ledger->best = LB_TAKE_ARRAY(arena, lesson->n_params + 1, lb_tensor *);
    if (!ledger->best)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the ledger");
    for (int i = 0; i < lesson->n_params; i++)
        LB_TRY(lb_tensor_copy(arena, lesson->param[i], &ledger->best[i], err));
    return LB_OK;
}

/* The weights at the epoch's last step, and what the terms pull with them. */
static void tell_shares(const lb_ledger *ledger, const lb_lesson *lesson,
                        lb_epoch_report *report)
{
    const double last = (double)(ledger->step - 1) / ledger->batch;
    double sum = 0;

    for (int i = 0; i < lesson->n_terms; i++) {
        report->weight[i] = lb_lesson_weight(lesson, i, last);
        sum += report->weight[i] * ledger->norm[i];
    }
    for (int i = 0; i < lesson->n_terms; i++)
        report->share[i] = lesson->n_terms == 1 ? 1
                           : sum > 0 ? report->weight[i] * ledger->norm[i] / sum
                                     : NAN;
}

void lb_ledger_step(lb_ledger *ledger, const lb_lesson *lesson, const int32_t *labels,
                    double loss)
{
    ledger->loss_sum += loss;
    for (int i = 0; i < lesson->n_terms; i++)
        ledger->term_sum[i] += lb_lesson_term(lesson, i);
    lb_lesson_score(lesson, labels, &ledger->labelled, &ledger->correct);
    ledger->batch++;
    ledger->step++;
}

/* By validation accuracy, then the lower loss, then the earlier epoch. Without a
 * validation split every epoch is better than the one before. */
static bool is_better(const lb_epoch_report *report, const lb_epoch_report *than)
{
    if (!report->judged || isnan(report->validation_accuracy))
        return true;
    if (report->validation_accuracy != than->validation_accuracy)
        return report->validation_accuracy > than->validation_accuracy;
    return report->validation_loss < than->validation_loss;
}

int lb_ledger_best(const lb_ledger *ledger, int n)
{
    int best = n - 1;

    while (best > 0 && ledger->report[best - 1].stage == ledger->report[best].stage)
        best--;
    for (int i = best + 1; i < n; i++)
        if (is_better(&ledger->report[i], &ledger->report[best]))
            best = i;
    return best;
}

double lb_ledger_score(const lb_epoch_report *report)
{
    return isnan(report->validation_accuracy) ? report->train_accuracy
                                              : report->validation_accuracy;
}

static void keep(lb_ledger *ledger, const lb_lesson *lesson, lb_epoch_report *report)
{
    if (ledger->best_epoch >= 0)
        ledger->report[ledger->first + ledger->best_epoch].best = false;
    report->best = true;
    ledger->best_epoch = report->epoch;
    ledger->best_accuracy = lb_ledger_score(report);
    ledger->best_loss = report->validation_loss;
    for (int i = 0; i < lesson->n_params; i++)
        memcpy(ledger->best[i]->data, lesson->param[i]->data,
               lb_tensor_bytes(lesson->param[i]));
}

const lb_epoch_report *lb_ledger_epoch(lb_ledger *ledger, const lb_lesson *lesson,
                                       double rate, const lb_metrics *validation)
{
    lb_epoch_report *const report = &ledger->report[ledger->first + ledger->epoch];
    const double n = ledger->batch, seconds = ledger->epoch_seconds;

    *report = (lb_epoch_report){
        .stage = ledger->stage,
        .judged = ledger->judged,
        .epoch = ledger->epoch,
        .lr = rate,
        .loss = ledger->loss_sum / n,
        .train_accuracy = ledger->labelled > 0
                              ? (double)ledger->correct / (double)ledger->labelled
                              : NAN,
        .validation_accuracy = validation ? validation->accuracy : NAN,
        .validation_loss = validation ? validation->loss : NAN,
        .seconds = seconds,
        .images_per_second = seconds > 0 ? n * lesson->batch / seconds : 0,
        .idle_share = seconds > 0 ? fmin(1, ledger->epoch_idle / seconds) : 0,
    };
    for (int i = 0; i < lesson->n_terms; i++)
        report->term[i] = ledger->term_sum[i] / n;
    tell_shares(ledger, lesson, report);
    if (ledger->best_epoch < 0 ||
        is_better(report, &ledger->report[ledger->first + ledger->best_epoch]))
        keep(ledger, lesson, report);
    ledger->n_reports = ledger->first + ledger->epoch + 1;
    ledger->epoch++;
    ledger->batch = 0;
    ledger->loss_sum = ledger->epoch_seconds = ledger->epoch_idle = 0;
    memset(ledger->term_sum, 0, sizeof ledger->term_sum);
    ledger->labelled = ledger->correct = 0;
    return report;
}
