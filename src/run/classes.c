/* classes.c: what a run says of each class, and of how many samples it learnt. */
#include "run/run_int.h"

#include <math.h>

enum { MOST_CLASSES = 1000 }; /* of which each is told */

void lb_run_add_counts(lb_json *j, const lb_run *run)
{
    const lb_data *const d = run->data;
    const int labelled = lb_data_labelled(d);

    lb_json_int(j, "train", d->n[LB_TRAIN]);
    lb_json_int(j, "labelled", labelled);
    lb_json_int(j, "unlabelled", d->n[LB_TRAIN] - labelled);
    lb_json_int(j, "validation", d->n[LB_VALIDATION]);
    lb_json_int(j, "test", d->n[LB_TEST]);
}

/* Samples of the class that were tested. */
static int tested(const lb_metrics *m, int c)
{
    const int *const row = m->confusion + (size_t)c * (size_t)m->classes;
    int n = 0;

    for (int k = 0; k < m->classes; k++)
        n += row[k];
    return n;
}

/* Share of the class's samples that were answered right; NaN without one. */
static double accuracy_of(const lb_metrics *m, int c)
{
    const int n = tested(m, c);
    const size_t at = (size_t)c * (size_t)m->classes + (size_t)c;

    return n > 0 ? (double)m->confusion[at] / n : NAN;
}

static void add_class(lb_json *j, const lb_run *run, int c, int labelled)
{
    const char *const *const names = run->data->content.class_names;
    const char *const number = lb_arena_text(run->arena, "%d", c);

    lb_json_open(j, NULL, '{');
    lb_json_text(j, "name", names ? names[c] : number);
    lb_json_int(j, "test", tested(&run->student_test, c));
    lb_json_int(j, "labelled", labelled);
    lb_json_number(j, "accuracy", accuracy_of(&run->student_test, c));
    lb_json_number(j, "teacher_accuracy",
                   run->n_members > 0 ? accuracy_of(&run->teacher_test, c) : NAN);
    lb_json_close(j, '}');
}

void lb_run_add_class_figures(lb_json *j, const lb_run *run)
{
    const lb_data *const d = run->data;
    const int n = d->content.n_classes;
    int *const labelled = LB_TAKE_ARRAY(run->arena, n + 1, int);

    if (n > MOST_CLASSES || run->student_test.n == 0 || !labelled) {
        lb_json_null(j, "classes");
        return;
    }
    for (int i = 0; i < d->n[LB_TRAIN]; i++)
        if (d->train_label[i] >= 0)
            labelled[d->train_label[i]]++;
    lb_json_open(j, "classes", '[');
    for (int c = 0; c < n; c++)
        add_class(j, run, c, labelled[c]);
    lb_json_close(j, ']');
}
