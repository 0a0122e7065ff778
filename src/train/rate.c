/* rate.c: the learning rate as a pure function of the step. */
#include "train/train.h"

#include <math.h>

static double after_warmup(const lb_schedule_options *s, double warm, double step,
                           double total, double per_epoch)
{
    double rate = 1;

    switch ((lb_schedule_kind)s->kind) {
    case LB_SCHEDULE_CONSTANT:
        break;
    case LB_SCHEDULE_COSINE: {
        const double way = total > warm ? (step - warm) / (total - warm) : 1;
        const double wave = 0.5 * (1 + cos(3.14159265358979323846 * way));
        rate = s->floor + (1 - s->floor) * wave;
        break;
    }
    case LB_SCHEDULE_STEP:
        for (int i = 0; i < s->at.n; i++)
            if (step >= s->at.value[i] * per_epoch)
                rate *= s->factor;
        break;
    }
    return rate;
}

double lb_schedule_rate(const lb_schedule_options *schedule, double lr, int epochs,
                        int64_t step, int64_t steps_per_epoch)
{
    const double per_epoch = (double)steps_per_epoch;
    const double warm = schedule->warmup * per_epoch;
    const double at = (double)step;

    /* the first step already moves; the last of the warm-up has the full rate */
    if (at < warm)
        return lr * fmin(1, (at + 1) / warm);
    return lr * after_warmup(schedule, warm, at, epochs * per_epoch, per_epoch);
}

lb_train_options lb_train_further(const lb_train_options *ended, int epochs, double lr)
{
    lb_train_options further = *ended;

    further.epochs = epochs;
    further.sgd.lr = lr;
    further.schedule = (lb_schedule_options){.kind = LB_SCHEDULE_COSINE};
    further.order = NULL;
    return further;
}
