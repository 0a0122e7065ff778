/* layers.c: the layers of teacher and student that the losses compare. */
#include "run/run_int.h"

#include <string.h>

bool lb_run_looks_inside(const lb_run *run)
{
    return lb_taps_wanted(run->recipe->term, run->recipe->n_terms);
}

void lb_run_add_pairs(lb_text *text, const lb_run *run, const lb_term *term,
                      const char *indent)
{
    for (int i = 0; i < term->taps.n; i++) {
        const lb_tap *const tap = &term->taps.tap[i];
        char s[LB_SHAPE_TEXT], t[LB_SHAPE_TEXT], how[LB_ADAPTER_TEXT];
        lb_text_add(text, "%s%s %s from %s %s: %s\n", indent,
                    lb_info(run->student, tap->student)->name,
                    lb_shape_text(&tap->student_shape, s),
                    lb_info(run->member[0].file, tap->teacher)->name,
                    lb_shape_text(&tap->teacher_shape, t),
                    lb_adapter_text(&tap->adapter, how));
    }
}

static void tell_pairs(const lb_run *run)
{
    const lb_recipe *const r = run->recipe;

    for (int i = 0; i < r->n_terms; i++) {
        lb_text text;
        lb_text_init(&text, run->arena);
        lb_run_add_pairs(&text, run, &r->term[i], "");
        char *line = text.failed || r->term[i].taps.n == 0 ? NULL : text.chars;
        while (line && *line) {
            char *const end = strchr(line, '\n');
            *end = '\0';
            lb_log_tell(&run->options->log, LB_LOG_INFO, "%s: %s", r->term[i].loss->name,
                        line);
            line = end + 1;
        }
    }
}

lb_code lb_run_find_taps(lb_run *run, lb_error *err)
{
    lb_recipe *const r = run->recipe;
    lb_findings findings;

    if (!lb_run_looks_inside(run) || run->n_members == 0)
        return LB_OK;
    lb_findings_init(&findings, run->arena);
    lb_taps_find(r->term, r->n_terms, run->student, run->member[0].file, &findings);
    const char *const closing =
        lb_arena_text(run->arena, "%d mistake%s in '%s'; nothing was run", findings.n,
                      findings.n == 1 ? "" : "s", r->path);
    if (!closing)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    LB_TRY(lb_findings_raise(&findings, LB_ERR_INPUT, r->path, closing, err));
    run->n_taps = lb_taps_of_teacher(r->term, r->n_terms, NULL, 0);
    run->taps = LB_TAKE_ARRAY(run->arena, run->n_taps + 1, lb_value);
    if (!run->taps)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    lb_taps_of_teacher(r->term, r->n_terms, run->taps, run->n_taps);
    tell_pairs(run);
    return LB_OK;
}
