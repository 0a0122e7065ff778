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
    lb_run_stage out = {.term = r->term, .n_terms = r->n_terms, .train = &r->train};

    if (r->n_stages > 0) {
        lb_stage *const stage = &r->stage[k];
        out = (lb_run_stage){.name = stage->name,
                             .term = stage->term,
                             .n_terms = stage->n_terms,
                             .train = &stage->train,
                             .previous = stage->previous};
    }
    if (out.previous && run->student)
        out.teacher[out.n_teachers++] = (lb_tapped){run->student, NULL};
    for (int m = 0; !out.previous && m < run->n_members; m++)
        out.teacher[out.n_teachers++] =
            (lb_tapped){run->member[m].file, run->member[m].called};
    return out;
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

static bool needs_logits(const lb_run_stage *stage)
{
    for (int i = 0; i < stage->n_terms; i++)
        if (stage->term[i].loss->needs & LB_NEEDS_TEACHER)
            return true;
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

static bool is_stored(const lb_teacher_options *teacher)
{
    return teacher->views > 0 && teacher->store != LB_CACHE_NONE;
}

/* A stage that looks at the layers of some teachers may want the answers of all. */
bool lb_run_cached_in(const lb_run *run, int stage, int k)
{
    const lb_run_stage s = lb_run_stage_of(run, stage);

    if (s.previous || !is_stored(&run->recipe->teacher[k]))
        return false;
    return !looks_inside(&s) ||
           (needs_logits(&s) && !lb_taps_wanted_of(s.term, s.n_terms, k));
}

bool lb_run_asked_in(const lb_run *run, int stage, int k)
{
    const lb_run_stage s = lb_run_stage_of(run, stage);

    return !s.previous && (needs_logits(&s) || lb_taps_wanted_of(s.term, s.n_terms, k));
}

bool lb_run_cached(const lb_run *run, int k)
{
    for (int s = 0; s < lb_run_stages(run); s++)
        if (lb_run_cached_in(run, s, k))
            return true;
    return false;
}

/* What teachers are opened for: a stage that looks at layers of some of them, or answers
 * alone. */
typedef struct purpose {
    const lb_run_stage *stage; /* NULL: answers */
    int batch;
    bool live_only; /* who answers from its cache stays shut */
    int number;     /* of the stage, with live_only */
} purpose;

/* The layers that the stage looks at of teacher k. */
static lb_code list_taps(const lb_run *run, const purpose *p, int k, lb_value **taps,
                         int *n, lb_error *err)
{
    const lb_run_stage *const s = p->stage;

    *n = s ? lb_taps_of_teacher(s->term, s->n_terms, k, NULL, 0) : 0;
    *taps = LB_TAKE_ARRAY(run->arena, *n + 1, lb_value);
    if (!*taps)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the layers");
    if (s)
        lb_taps_of_teacher(s->term, s->n_terms, k, *taps, *n);
    return LB_OK;
}

/* Who is not asked at all stays shut: *out is NULL. */
static lb_code open_member(const lb_run *run, int k, const purpose *p, lb_teacher **out,
                           lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const lb_run_member *const m = &run->member[k];
    const bool answers = !p->stage || needs_logits(p->stage);
    lb_value *taps;
    int n_taps;

    LB_TRY(list_taps(run, p, k, &taps, &n_taps, err));
    if ((n_taps == 0 && !answers) ||
        (p->live_only && lb_run_cached_in(run, p->number, k)))
        return LB_OK;
    const lb_teacher_setup setup = {.options = &r->teacher[k],
                                    .graph = n_taps > 0 ? m->file : m->graph,
                                    .taps = taps,
                                    .n_taps = n_taps,
                                    .taps_only = !answers,
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
    const bool stored = is_stored(&r->teacher[k]);
    if (stored && n_taps > 0)
        lb_log_tell(&run->options->log, LB_LOG_INFO,
                    "%s is asked live: its cache holds answers, and a loss looks at its "
                    "layers",
                    m->called ? m->called : "the teacher");
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
    const purpose p = {.stage = stage, .batch = stage->train->batch};

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

/* The student of the stage before, as the training has it. */
static lb_code open_previous(lb_run *run, int number, lb_error *err)
{
    const lb_run_stage stage = lb_run_stage_of(run, number);
    const lb_recipe *const r = run->recipe;
    const purpose p = {.stage = &stage};
    const lb_teacher_options options = {.input = r->student.input,
                                        .views = r->has_teacher ? r->teacher[0].views : 0,
                                        .store = LB_CACHE_NONE};
    lb_value *taps;
    int n_taps;

    LB_TRY(list_taps(run, &p, 0, &taps, &n_taps, err));
    if (n_taps == 0 && !needs_logits(&stage))
        return LB_OK;
    const lb_teacher_setup setup = {.options = &options,
                                    .graph = run->student,
                                    .taps = taps,
                                    .n_taps = n_taps,
                                    .taps_only = !needs_logits(&stage),
                                    .data = run->data,
                                    .pool = run->pool,
                                    .kernels = run->options->kernels,
                                    .conv_direct = run->options->conv_direct,
                                    .batch = stage.train->batch,
                                    .log = run->options->log};
    return lb_teacher_open(&setup, run->arena, &run->teacher[number], err);
}

lb_code lb_run_open_live(lb_run *run, int number, lb_error *err)
{
    const lb_run_stage stage = lb_run_stage_of(run, number);
    const purpose p = {.stage = looks_inside(&stage) ? &stage : NULL,
                       .batch = stage.train->batch,
                       .live_only = true,
                       .number = number};
    bool any = false;

    if (stage.previous)
        return open_previous(run, number, err);
    for (int k = 0; k < run->n_members; k++)
        any =
            any || (lb_run_asked_in(run, number, k) && !lb_run_cached_in(run, number, k));
    return any ? open_all(run, &p, &run->teacher[number], err) : LB_OK;
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
