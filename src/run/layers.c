/* layers.c: the layers of teacher and student that the losses compare. */
#include "run/run_int.h"

#include <string.h>

void lb_run_add_pairs(lb_text *text, const lb_run *run, const lb_run_stage *stage,
                      const lb_term *term, const char *indent)
{
    for (int i = 0; stage->n_teachers > 0 && i < term->taps.n; i++) {
        const lb_tap *const tap = &term->taps.tap[i];
        const lb_tapped *const teacher = &stage->teacher[tap->of];
        char s[LB_SHAPE_TEXT], t[LB_SHAPE_TEXT], how[LB_ADAPTER_TEXT];
        lb_text_add(text, "%s%s %s from %s %s", indent,
                    lb_info(run->student, tap->student)->name,
                    lb_shape_text(&tap->student_shape, s),
                    lb_info(teacher->graph, tap->teacher)->name,
                    lb_shape_text(&tap->teacher_shape, t));
        if (teacher->name)
            lb_text_add(text, " of %s", teacher->name);
        lb_text_add(text, ": %s\n", lb_adapter_text(&tap->adapter, how));
    }
}

static void tell_pairs(const lb_run *run, const lb_run_stage *stage)
{
    for (int i = 0; i < stage->n_terms; i++) {
        const lb_term *const term = &stage->term[i];
        lb_text text;
        lb_text_init(&text, run->arena);
        lb_run_add_pairs(&text, run, stage, term, "");
        char *line = text.failed || term->taps.n == 0 ? NULL : text.chars;
        while (line && *line) {
            char *const end = strchr(line, '\n');
            *end = '\0';
            lb_log_tell(&run->options->log, LB_LOG_INFO, "%s: %s", term->loss->name,
                        line);
            line = end + 1;
        }
    }
}

/* Weights of the literature that depend on the layers get their number now, and the
 * resolved recipe has it. */
static lb_code weigh_presets(lb_run *run, lb_error *err)
{
    char text[LB_PRESET_TEXT];
    bool any = false;

    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        for (int i = 0; i < stage.n_terms; i++) {
            lb_term *const term = &stage.term[i];
            if (!term->preset)
                continue;
            any = true;
            if (lb_preset_weigh(term))
                lb_log_tell(&run->options->log, LB_LOG_INFO, "%s: weight %g: %s",
                            term->loss->name, term->weight, lb_preset_text(term, text));
        }
    }
    if (any)
        run->recipe_text = lb_recipe_text(run->recipe, run->arena);
    if (!run->recipe_text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the recipe");
    return LB_OK;
}

/* The names in `freeze` and `until`. */
static void check_names(const lb_run *run, lb_findings *findings)
{
    for (int k = 0; k < run->recipe->n_stages; k++) {
        const lb_stage *const stage = &run->recipe->stage[k];
        lb_error err = {0};
        if (lb_stage_check(stage, run->student, &err) != LB_OK)
            lb_findings_add(findings, stage->line, stage->column, "%s", err.text);
    }
}

lb_code lb_run_find_taps(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    lb_findings findings;

    lb_findings_init(&findings, run->arena);
    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        if (stage.n_teachers > 0)
            lb_taps_find(stage.term, stage.n_terms, run->student, stage.teacher,
                         stage.n_teachers, &findings);
    }
    if (findings.n == 0)
        check_names(run, &findings);
    const char *const closing =
        lb_arena_text(run->arena, "%d mistake%s in '%s'; nothing was run", findings.n,
                      findings.n == 1 ? "" : "s", r->path);
    if (!closing)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    LB_TRY(lb_findings_raise(&findings, LB_ERR_INPUT, r->path, closing, err));
    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        tell_pairs(run, &stage);
    }
    return weigh_presets(run, err);
}
