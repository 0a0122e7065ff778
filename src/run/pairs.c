/* pairs.c: which layers of teacher and student are looked at together. */
#include "run/inside_int.h"

/* What the losses of all stages compare with teacher k of the recipe. */
static int named_pairs(const lb_run *run, int k, lb_tap *out)
{
    int n = 0;

    for (int s = 0; s < lb_run_stages(run); s++) {
        const lb_run_stage stage = lb_run_stage_of(run, s);
        for (int i = 0; !stage.previous && i < stage.n_terms; i++)
            for (int p = 0; p < stage.term[i].taps.n; p++)
                /* past the limit the first ones stand for all */
                if (stage.term[i].taps.tap[p].of == k)
                    (void)lb_align_add(out, &n, LB_MAX_ALIGNED - 1,
                                       &stage.term[i].taps.tap[p]);
    }
    return n;
}

int lb_run_shown_teacher(const lb_run *run)
{
    lb_tap pair[LB_MAX_ALIGNED];

    for (int k = 0; k < run->n_members; k++)
        if (named_pairs(run, k, pair) > 0)
            return k;
    return 0;
}

lb_code lb_run_pairs(const lb_run *run, int k, lb_tap out[LB_MAX_ALIGNED], int *n,
                     lb_error *err)
{
    const lb_graph *const teacher = run->member[k].file;
    const lb_tap answers = lb_align_answers(run->student, teacher);

    *n = named_pairs(run, k, out);
    if (*n == 0) {
        lb_arena *const arena = lb_arena_new(0);
        if (!arena)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for pairs of layers");
        *n = lb_align_auto(run->student, teacher, arena, out);
        lb_arena_free(arena);
    }
    if (!lb_align_add(out, n, LB_MAX_ALIGNED, &answers))
        return lb_bug(err, "too many pairs of layers");
    return LB_OK;
}

void lb_run_add_pair(lb_json *j, const lb_run *run, int k, const lb_tap *pair)
{
    lb_json_text(j, "teacher", lb_info(run->member[k].file, pair->teacher)->name);
    lb_json_text(j, "student", lb_info(run->student, pair->student)->name);
    lb_json_ints(j, "teacher_shape", pair->teacher_shape.dim + 1,
                 pair->teacher_shape.rank - 1);
    lb_json_ints(j, "student_shape", pair->student_shape.dim + 1,
                 pair->student_shape.rank - 1);
}
