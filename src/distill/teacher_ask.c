/* teacher_ask.c: asks the live network, batch by batch. */
#include "distill/teacher_int.h"

#include <string.h>

typedef struct job {
    lb_teacher *teacher;
    const float *pixels; /* NULL: the views of `view` */
    int first, view, n;
} job;

static void write_inputs(void *arg, int thread)
{
    const job *const j = arg;
    const lb_teacher *const t = j->teacher;
    const int n_threads = lb_pool_threads(t->setup.pool);
    float *const scratch = t->view_scratch + (size_t)thread * t->sample_size;

    for (int i = thread; i < t->setup.batch; i += n_threads) {
        /* past the end the last sample stands in, so that no plan reads old memory */
        const int at = i < j->n ? i : j->n - 1;
        const float *from = scratch;
        if (j->pixels)
            from = j->pixels + (size_t)at * t->sample_size;
        else
            lb_data_view(t->setup.data, j->first + at, j->view, scratch);
        lb_input_write(&t->options.input, &t->shape, from,
                       lb_plan_input(t->plan, t->input, i));
    }
}

static void ask(const job *j, float *out)
{
    lb_teacher *const t = j->teacher;
    job copy = *j;

    lb_pool_run(t->setup.pool, write_inputs, &copy);
    lb_plan_run(t->plan);
    for (int i = 0; out && i < j->n; i++)
        memcpy(out + (size_t)i * (size_t)t->classes,
               lb_plan_output(t->plan, t->logits, i), (size_t)t->classes * sizeof *out);
}

void lb_teacher_ask(lb_teacher *t, const float *pixels, int n, float *out)
{
    ask(&(job){.teacher = t, .pixels = pixels, .n = n}, out);
}

void lb_teacher_ask_views(lb_teacher *t, int first, int view, int n, float *out)
{
    ask(&(job){.teacher = t, .first = first, .view = view, .n = n}, out);
}
