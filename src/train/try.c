/* try.c: runs a few steps of a training that is not begun: how long they take, and where
 * the time goes. Nothing of the caller's is changed or written. */
#include "train/train_int.h"

#include "base/clock.h"
#include "engine/machine.h"
#include "graph/passes.h"

#include <math.h>

enum { MOST_STEPS = 201, WARM_STEPS = 3 };

typedef struct trial {
    const lb_train_setup *setup;
    lb_graph *student; /* a copy, of the precision that is trained in */
    lb_lesson lesson;
    lb_feed feed;
    lb_loader *loader;
    int32_t *blank; /* labels */
    float *said;    /* what the teacher says of a batch */
} trial;

static lb_code open_trial(trial *t, const lb_train_setup *setup, lb_arena *arena,
                          lb_error *err)
{
    const int classes = setup->data->content.n_classes;
    const size_t batch = (size_t)setup->options->batch;
    const size_t voices = setup->ensemble ? (size_t)setup->ensemble->n : 1;
    const bool exact = setup->options->precision == LB_PRECISION_FLOAT64;

    *t = (trial){.setup = setup};
    t->blank = LB_TAKE_ARRAY(arena, batch, int32_t);
    t->said = LB_TAKE_ARRAY(arena, batch * voices * (size_t)classes, float);
    if (!t->blank || !t->said)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a batch");
    LB_TRY(lb_graph_with_precision(setup->student, exact ? LB_F64 : LB_F32, &t->student,
                                   err));
    return lb_lesson_open(setup, t->student, classes, arena, &t->lesson, err);
}

static void close_trial(trial *t)
{
    lb_loader_close(t->loader);
    lb_lesson_close(&t->lesson);
    lb_graph_free(t->student);
}

/* Needs no teacher: the shapes are what counts. */
lb_code lb_train_try(const lb_train_setup *setup, lb_arena *arena, double *step_seconds,
                     lb_error *err)
{
    double fastest = INFINITY;
    trial t;

    const lb_code code = open_trial(&t, setup, arena, err);
    for (int i = 0; code == LB_OK && i < 3; i++) {
        const double begin = lb_clock_wall();
        lb_lesson_run(&t.lesson, t.blank, 0, 0);
        fastest = fmin(fastest, lb_clock_wall() - begin);
    }
    if (code == LB_OK)
        *step_seconds = fastest;
    close_trial(&t);
    return code;
}

static lb_code open_loader(trial *t, lb_arena *arena, lb_error *err)
{
    const lb_train_setup *const setup = t->setup;
    const lb_train_options *const o = setup->options;
    const int n = setup->data->n[LB_TRAIN];

    if (o->batch > n)
        return lb_raise(err, LB_ERR_INPUT,
                        "batch must be between 1 and the %d training samples, not %d", n,
                        o->batch);
    const lb_loader_options options = {.batch = o->batch,
                                       .threads = o->loader_threads,
                                       .views = setup->views,
                                       .epochs = MOST_STEPS + WARM_STEPS};
    LB_TRY(lb_feed_init(&t->feed, t->student, &setup->input, setup->data, setup->pool,
                        arena, err));
    return lb_loader_open(setup->data, &options, &t->loader, err);
}

/* As the training loop does it; the rate is zero. */
static lb_code one_step(trial *t, lb_error *err)
{
    const lb_batch *const batch = lb_loader_next(t->loader);

    if (!batch)
        return lb_bug(err, "the loader has no batch to try");
    lb_feed_pixels(&t->feed, t->lesson.plan, t->lesson.input, batch->pixels, batch->n);
    if (t->setup->teacher && lb_lesson_listens(&t->lesson)) {
        lb_teacher_logits(t->setup->teacher, batch,
                          t->lesson.voice[0].id ? t->said : NULL);
        lb_lesson_see(&t->lesson, t->setup->teacher, t->setup->pool);
    }
    if (t->lesson.voice[0].id)
        lb_lesson_hear(&t->lesson, t->said);
    lb_lesson_run(&t->lesson, batch->label, 0, 0);
    return LB_OK;
}

static lb_code run_steps(trial *t, double seconds, lb_train_profile *p, lb_error *err)
{
    const double start = lb_clock_wall();
    double step[MOST_STEPS], sum = 0;

    for (int i = 0; i < WARM_STEPS && lb_clock_wall() - start < seconds; i++)
        LB_TRY(one_step(t, err));
    const double idle = lb_loader_idle(t->loader), warm = lb_clock_wall();
    while (p->steps < MOST_STEPS && (p->steps < 2 || lb_clock_wall() - warm < seconds)) {
        const double begin = lb_clock_wall();
        LB_TRY(one_step(t, err));
        step[p->steps] = lb_clock_wall() - begin;
        sum += step[p->steps++];
    }
    p->step_seconds = lb_median(step, p->steps);
    p->idle_share = sum > 0 ? (lb_loader_idle(t->loader) - idle) / sum : 0;
    return LB_OK;
}

static lb_code profile(trial *t, double seconds, lb_arena *arena, lb_train_profile *p,
                       lb_error *err)
{
    lb_teacher *const teacher = lb_lesson_listens(&t->lesson) ? t->setup->teacher : NULL;

    LB_TRY(open_loader(t, arena, err));
    LB_TRY(run_steps(t, seconds / 2, p, err));
    LB_TRY(lb_plan_time(t->lesson.plan, seconds / 4, arena, &p->student, err));
    for (int k = 0; teacher && k < lb_teacher_voices(teacher); k++) {
        lb_plan *const plan = lb_teacher_live_plan(teacher, k);
        if (plan)
            LB_TRY(lb_plan_time(plan, seconds / (4 * lb_teacher_voices(teacher)), arena,
                                &p->teacher[p->n_teachers++], err));
    }
    return LB_OK;
}

/* What training keeps beside the step, to tell what each loss pulls. */
static lb_code measure_probe(const trial *t, lb_arena *arena, lb_train_profile *p,
                             lb_error *err)
{
    lb_probe probe;

    if (t->lesson.n_terms < 2)
        return LB_OK;
    LB_TRY(lb_probe_open(t->setup, t->student, &t->lesson, arena, &probe, err));
    p->probe = lb_plan_describe(probe.lesson.plan);
    lb_probe_close(&probe);
    return LB_OK;
}

lb_code lb_train_measure(const lb_train_setup *setup, double seconds, lb_arena *arena,
                         lb_train_profile *out, lb_error *err)
{
    lb_train_profile p = {.steps = 0};
    trial t;

    lb_code code = open_trial(&t, setup, arena, err);
    if (code == LB_OK)
        code = profile(&t, seconds, arena, &p, err);
    if (code == LB_OK)
        code = measure_probe(&t, arena, &p, err);
    close_trial(&t);
    if (code == LB_OK)
        *out = p;
    return code;
}
