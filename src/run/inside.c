/* inside.c: looks into teacher and student once the student has been trained. */
#include "run/inside_int.h"

static lb_code compare(const lb_run *run, int k, struct lb_run_inside *out, lb_error *err)
{
    const lb_voice student = {run->student, run->recipe->student.input};

    LB_TRY(lb_run_pairs(run, k, out->pair, &out->n_pairs, err));
    const lb_align_setup setup = {.teacher = &run->voice[k],
                                  .student = &student,
                                  .pair = out->pair,
                                  .n_pairs = out->n_pairs,
                                  .trunk = k == lb_run_shown_teacher(run),
                                  .data = run->data,
                                  .split = LB_TEST,
                                  .pool = run->pool,
                                  .kernels = run->options->kernels,
                                  .conv_direct = run->options->conv_direct};
    return lb_align(&setup, run->arena, &out->alignment, err);
}

static lb_code look(lb_run *run, lb_error *err)
{
    struct lb_run_inside *const inside =
        LB_TAKE_ARRAY(run->arena, run->n_members, struct lb_run_inside);

    if (!inside)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    for (int k = 0; k < run->n_members; k++)
        LB_TRY(compare(run, k, &inside[k], err));
    run->inside = inside;
    if (!(run->recipe->exports & LB_EXPORT_REPORT))
        return LB_OK;
    return lb_run_attend(run, &run->attention, err);
}

void lb_run_look_inside(lb_run *run)
{
    lb_error err = {0};

    if (run->n_members == 0)
        return;
    lb_run_phase(run, "comparing layers");
    if (look(run, &err) != LB_OK)
        lb_log_tell(&run->options->log, LB_LOG_WARN,
                    "the layers of teacher and student were not compared: %s", err.text);
}

void lb_run_add_alignment(lb_json *j, const lb_run *run)
{
    lb_json_open(j, "alignment", '[');
    for (int k = 0; run->inside && k < run->n_members; k++)
        for (int i = 0; i < run->inside[k].n_pairs; i++) {
            const lb_tap *const pair = &run->inside[k].pair[i];
            lb_json_open(j, NULL, '{');
            if (run->n_members > 1)
                lb_json_int(j, "member", k);
            lb_run_add_pair(j, run, k, pair);
            lb_json_number(j, "cka", lb_alignment_of(&run->inside[k].alignment, pair));
            lb_json_close(j, '}');
        }
    lb_json_close(j, ']');
}

static void add_names(lb_json *j, const char *key, const lb_graph *graph,
                      const lb_value *layer, int n)
{
    lb_json_open(j, key, '[');
    for (int i = 0; i < n; i++)
        lb_json_text(j, NULL, lb_info(graph, layer[i])->name);
    lb_json_close(j, ']');
}

void lb_run_record_inside(lb_json *j, const lb_run *run)
{
    lb_run_add_alignment(j, run);
    if (!run->inside) {
        lb_json_null(j, "alignment_grid");
        return;
    }
    const int k = lb_run_shown_teacher(run);
    const lb_alignment *const a = &run->inside[k].alignment;
    lb_json_open(j, "alignment_grid", '{');
    if (run->n_members > 1)
        lb_json_int(j, "member", k);
    lb_json_int(j, "samples", a->samples);
    add_names(j, "teacher", run->member[k].file, a->teacher, a->n_teacher);
    add_names(j, "student", run->student, a->student, a->n_student);
    lb_json_open(j, "cka", '[');
    for (int t = 0; t < a->n_teacher; t++) {
        lb_json_open(j, NULL, '[');
        for (int s = 0; s < a->n_student; s++)
            lb_json_number(j, NULL, a->cka[t * a->n_student + s]);
        lb_json_close(j, ']');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}
