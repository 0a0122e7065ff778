/* run_stages.c: the stages of a run, and the teachers that each of them asks. A recipe
 * without stages is its own only one. */
#include "run/run_int.h"

#include "base/file.h"

int lb_run_stages(const lb_run *run)
{
    return run->recipe->n_stages > 0 ? run->recipe->n_stages : 1;
}

lb_run_stage lb_run_stage_of(const lb_run *run, int k)
{
    lb_recipe *const r = run->recipe;
    const lb_graph *const file = run->n_members > 0 ? run->member[0].file : NULL;

    if (r->n_stages == 0)
        return (lb_run_stage){
            .term = r->term, .n_terms = r->n_terms, .train = &r->train, .teacher = file};
    lb_stage *const stage = &r->stage[k];
    return (lb_run_stage){.name = stage->name,
                          .term = stage->term,
                          .n_terms = stage->n_terms,
                          .train = &stage->train,
                          .previous = stage->previous,
                          .teacher = stage->previous ? run->student : file};
}

/* Whether it looks into the teachers of the recipe. */
static bool looks_inside(const lb_run_stage *stage)
{
    return !stage->previous && lb_taps_wanted(stage->term, stage->n_terms);
}

bool lb_run_looks_inside(const lb_run *run)
{
    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        if (looks_inside(&stage))
            return true;
    }
    return false;
}

/* The largest batch of the stages that want answers alone; 0: none does. */
static int answers_batch(const lb_run *run)
{
    int batch = 0;

    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        if (!stage.previous && !looks_inside(&stage) && stage.train->batch > batch)
            batch = stage.train->batch;
    }
    return batch;
}

bool lb_run_cached(const lb_run *run, int k)
{
    const lb_teacher_options *const teacher = &run->recipe->teacher[k];

    return teacher->views > 0 && teacher->store != LB_CACHE_NONE &&
           answers_batch(run) > 0;
}

static bool needs_logits(const lb_run_stage *stage)
{
    for (int i = 0; i < stage->n_terms; i++)
        if (stage->term[i].loss->needs & LB_NEEDS_TEACHER)
            return true;
    return false;
}

/* What a teacher is opened for: a stage that looks at its layers, or answers alone. */
typedef struct purpose {
    const lb_run_stage *stage; /* NULL: answers */
    lb_value *taps;
    int n_taps, batch;
} purpose;

static lb_code open_member(const lb_run *run, int k, const purpose *p, lb_teacher **out,
                           lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_run_member *const m = &run->member[k];
    const lb_teacher_setup setup = {.options = &r->teacher[k],
                                    .graph = p->n_taps > 0 ? m->file : m->graph,
                                    .taps = p->taps,
                                    .n_taps = p->n_taps,
                                    .taps_only = p->n_taps > 0 && !needs_logits(p->stage),
                                    .graph_digest = m->digest,
                                    .data = run->data,
                                    .pool = run->pool,
                                    .kernels = run->options->kernels,
                                    .conv_direct = run->options->conv_direct,
                                    .batch = p->batch,
                                    .cache_folder =
                                        lb_path_join(run->arena, run->parent, ".cache"),
                                    .log = run->options->log,
                                    .progress = run->options->cache_progress,
                                    .progress_arg = run->options->watch.arg};
    if (!setup.cache_folder)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the cache's folder");
    const bool stored = r->teacher[k].store != LB_CACHE_NONE && r->teacher[k].views > 0;
    if (stored && p->n_taps > 0)
        lb_log_tell(
            &run->options->log, LB_LOG_INFO,
            "the teacher is asked live: its cache holds answers, and a loss looks "
            "at its layers");
    else if (stored)
        lb_run_phase(run, "the teacher's answers");
    return lb_teacher_open(&setup, run->arena, out, err);
}

static lb_code open_all(const lb_run *run, const purpose *p, lb_teacher **out,
                        lb_error *err)
{
    const int n = run->n_members;
    lb_teacher *member[LB_MAX_TEACHERS] = {NULL};
    lb_code code = LB_OK;

    for (int k = 0; k < n && code == LB_OK; k++)
        code = open_member(run, k, p, &member[k], err);
    if (code == LB_OK)
        code = lb_teacher_join(member, n, run->arena, out, err);
    for (int k = 0; k < n && code != LB_OK; k++)
        lb_teacher_close(member[k]);
    return code;
}

static lb_code open_for_layers(const lb_run *run, const lb_run_stage *stage,
                               lb_teacher **out, lb_error *err)
{
    purpose p = {.stage = stage, .batch = stage->train->batch};

    p.n_taps = lb_taps_of_teacher(stage->term, stage->n_terms, NULL, 0);
    p.taps = LB_TAKE_ARRAY(run->arena, p.n_taps + 1, lb_value);
    if (!p.taps)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    lb_taps_of_teacher(stage->term, stage->n_terms, p.taps, p.n_taps);
    return open_all(run, &p, out, err);
}

lb_code lb_run_open_cache(lb_run *run, lb_error *err)
{
    const purpose answers = {.batch = answers_batch(run)};

    /* training in float64 asks the teacher in float64: a cache would round */
    if (run->n_members == 0 || run->recipe->train.precision == LB_PRECISION_FLOAT64)
        return LB_OK;
    if (answers.batch > 0)
        LB_TRY(open_all(run, &answers, &run->answers, err));
    for (int k = 0; k < lb_run_stages(run); k++) {
        const lb_run_stage stage = lb_run_stage_of(run, k);
        if (looks_inside(&stage))
            LB_TRY(open_for_layers(run, &stage, &run->teacher[k], err));
        else if (!stage.previous)
            run->teacher[k] = run->answers;
    }
    return LB_OK;
}

void lb_run_close_teachers(lb_run *run)
{
    for (int k = 0; k < LB_MAX_STAGES; k++) {
        if (run->teacher[k] != run->answers)
            lb_teacher_close(run->teacher[k]);
        lb_graph_free(run->fresh[k]);
    }
    lb_teacher_close(run->answers);
}
