/* step.c: runs the step that a lesson has compiled: what goes in, what comes out. */
#include "train/train_int.h"

#include <string.h>

static double read_scalar(const lb_lesson *lesson, lb_value v)
{
    double x;

    lb_widen(lesson->dtype, lb_plan_output(lesson->plan, v, 0), 1, &x);
    return x;
}

void lb_lesson_hear(lb_lesson *lesson, const float *rows)
{
    const size_t classes = (size_t)lesson->classes;

    for (int i = 0; i < lesson->batch; i++)
        for (int k = 0; k < lesson->n_voices; k++, rows += classes) {
            void *const to = lb_plan_input(lesson->plan, lesson->voice[k], i);
            if (lesson->dtype == LB_F32)
                memcpy(to, rows, classes * sizeof *rows);
            else
                lb_widen(LB_F32, rows, classes, to);
        }
}

bool lb_lesson_listens(const lb_lesson *lesson)
{
    return lesson->voice[0].id || lesson->n_features > 0;
}

typedef struct seeing {
    lb_lesson *lesson;
    const lb_teacher *teacher;
    int n_threads;
} seeing;

static void see(void *arg, int thread)
{
    const seeing *const s = arg;
    lb_lesson *const lesson = s->lesson;

    for (int i = thread; i < lesson->batch; i += s->n_threads)
        for (int k = 0; k < lesson->n_features; k++) {
            const lb_feature *const f = &lesson->feature[k];
            const float *const from = lb_teacher_tap(s->teacher, f->voice, f->tap, i);
            void *const to = lb_plan_input(lesson->plan, f->input, i);
            if (lesson->dtype == LB_F32)
                memcpy(to, from, f->n * sizeof *from);
            else
                lb_widen(LB_F32, from, f->n, to);
        }
}

void lb_lesson_see(lb_lesson *lesson, const lb_teacher *teacher, lb_pool *pool)
{
    seeing s = {lesson, teacher, lb_pool_threads(pool)};

    if (lesson->n_features > 0)
        lb_pool_run(pool, see, &s);
}

static void write_scalar(lb_lesson *lesson, lb_value v, double x)
{
    lb_narrow(lesson->dtype, &x, 1, lb_plan_input(lesson->plan, v, 0));
}

double lb_lesson_weight(const lb_lesson *lesson, int i, double epoch)
{
    const lb_term *const term = &lesson->terms[i];

    if (!term->balance.on)
        return lb_term_number(term, -1, epoch);
    return lb_term_counts(term, epoch) ? lesson->found[i] : 0;
}

static double dial_at(const lb_lesson *lesson, const lb_dial *dial, double epoch)
{
    return dial->knob < 0 ? lb_lesson_weight(lesson, dial->term, epoch)
                          : lb_term_number(&lesson->terms[dial->term], dial->knob, epoch);
}

void lb_lesson_set(lb_lesson *lesson, const int32_t *labels, double epoch)
{
    for (int i = 0; lesson->labels.id && i < lesson->batch; i++)
        *(int32_t *)lb_plan_input(lesson->plan, lesson->labels, i) = labels[i];
    for (int i = 0; i < lesson->dials.n; i++) {
        const lb_dial *const dial = &lesson->dials.dial[i];
        write_scalar(lesson, dial->input, dial_at(lesson, dial, epoch));
    }
}

double lb_lesson_run(lb_lesson *lesson, const int32_t *labels, double rate, double epoch)
{
    lb_lesson_set(lesson, labels, epoch);
    write_scalar(lesson, lesson->rate, rate);
    for (int i = 0; i < lesson->n_params; i++)
        memcpy(lesson->before[i]->data, lesson->param[i]->data,
               lb_tensor_bytes(lesson->param[i]));
    lb_plan_run(lesson->plan);
    return read_scalar(lesson, lesson->loss);
}

double lb_lesson_term(const lb_lesson *lesson, int i)
{
    return read_scalar(lesson, lesson->term[i]);
}

void lb_lesson_score(const lb_lesson *lesson, const int32_t *labels, int64_t *labelled,
                     int64_t *correct)
{
    const lb_shape shape = lb_shape_of(1, lesson->classes);

    for (int i = 0; lesson->logits.id && i < lesson->batch; i++) {
        /* read only */
        const lb_tensor row = {
            .dtype = lesson->dtype,
            .shape = shape,
            .n = (size_t)lesson->classes,
            .data = (void *)(uintptr_t)lb_plan_output(lesson->plan, lesson->logits, i)};
        int answer = 0;
        if (labels[i] < 0)
            continue;
        for (int c = 1; c < lesson->classes; c++)
            if (lb_tensor_get(&row, (size_t)c) > lb_tensor_get(&row, (size_t)answer))
                answer = c;
        *labelled += 1;
        *correct += answer == labels[i];
    }
}

const lb_node *lb_lesson_blame(lb_lesson *lesson)
{
    for (int i = 0; i < lesson->n_params; i++)
        memcpy(lesson->param[i]->data, lesson->before[i]->data,
               lb_tensor_bytes(lesson->param[i]));
    lb_plan_refresh(lesson->plan);
    return lb_plan_find_nan(lesson->plan);
}
