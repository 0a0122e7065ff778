/* classes.c: what a run says of each class, and of how many samples it learnt. */
#include "run/run_int.h"

#include <math.h>

enum { MOST_CLASSES = 1000 }; /* of each of which is told */

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

static void add_class(lb_json *j, const lb_run *run, int c, int labelled)
{
    const char *const *const names = run->data->content.class_names;
    const char *const number = lb_arena_text(run->arena, "%d", c);
    int tested;
    const double accuracy = lb_class_accuracy(&run->student_test, c, &tested);

    lb_json_open(j, NULL, '{');
    lb_json_text(j, "name", names ? names[c] : number);
    lb_json_int(j, "test", tested);
    lb_json_int(j, "labelled", labelled);
    lb_json_number(j, "accuracy", accuracy);
    lb_json_number(j, "teacher_accuracy",
                   run->n_members > 0 ? lb_class_accuracy(&run->teacher_test, c, NULL)
                                      : NAN);
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
