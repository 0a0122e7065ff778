/* taylor.c: first-order Taylor scores on samples: the losses of a training step and their
 * gradients, of which only the scores are kept (Molchanov et al., CVPR 2019). */
#include "run/taylor.h"

#include "distill/loss.h"

#include <string.h>

typedef struct looker {
    const lb_prune_map *map;
    double *score;
    void *muted; /* weights of the block that is being tried */
} looker;

static lb_code look(void *arg, const lb_graph *student, const lb_tensor *const *grad,
                    lb_error *err)
{
    const looker *const l = arg;

    return lb_prune_add_taylor(student, l->map, grad, l->score, err);
}

static int count_trials(void *arg)
{
    const looker *const l = arg;

    return l->map->n_blocks;
}

static lb_code mute(void *arg, const lb_graph *student, int trial, bool on, lb_error *err)
{
    looker *const l = arg;
    const lb_prune_block *const block = &l->map->block[trial];

    if (on)
        return lb_prune_mute(student, block, &l->muted, err);
    lb_prune_unmute(student, block, l->muted);
    return LB_OK;
}

static void tried(void *arg, int trial, double change)
{
    const looker *const l = arg;

    lb_prune_add_trial(l->map, trial, change, l->score);
}

/* What is said of a sample by the teacher counts most, as in the examples. */
static int make_terms(bool taught, lb_term terms[2])
{
    int n = 0;

    if (taught)
        terms[n++] = lb_term_usual(lb_loss_find("kd"), 0.9);
    terms[n++] = lb_term_usual(lb_loss_find("ce"), taught ? 0.1 : 1);
    return n;
}

static lb_code make_options(const lb_taylor_setup *setup, lb_arena *arena,
                            lb_train_options *out, int *batches, lb_error *err)
{
    const int n = setup->data->n[LB_TRAIN];
    const int most = setup->samples < n ? setup->samples : n;

    if (n == 0 || setup->samples < 1)
        return lb_raise(err, LB_ERR_INPUT, "the data has no samples to train with");
    *out = (lb_train_options){0};
    LB_TRY(lb_keys_defaults(lb_train_keys, out, arena, err));
    LB_TRY(lb_keys_defaults(lb_sgd_keys, &out->sgd, arena, err));
    out->batch = most < LB_TAYLOR_BATCH ? most : LB_TAYLOR_BATCH;
    out->epochs = 1;
    *batches = most / out->batch;
    return LB_OK;
}

static lb_code open_teacher(const lb_taylor_setup *setup, int batch, lb_arena *arena,
                            lb_teacher **out, lb_error *err)
{
    const lb_teacher_options options = {.input = setup->teacher_input,
                                        .store = LB_CACHE_NONE};
    const lb_teacher_setup teacher = {.options = &options,
                                      .graph = setup->teacher,
                                      .data = setup->data,
                                      .pool = setup->pool,
                                      .kernels = setup->kernels,
                                      .batch = batch,
                                      .log = setup->log};

    if (!setup->teacher)
        return LB_OK;
    if (lb_teacher_open(&teacher, arena, out, err) != LB_OK)
        return lb_within(err, "the teacher");
    return LB_OK;
}

lb_code lb_taylor_score(const lb_taylor_setup *setup, lb_arena *arena, double *score,
                        int *looked, lb_error *err)
{
    looker l = {.map = setup->map, .score = score};
    lb_cutter cutter = {
        .arg = &l, .look = look, .trials = count_trials, .mute = mute, .tried = tried};
    lb_term terms[2];
    const int n_terms = make_terms(setup->teacher != NULL, terms);
    lb_train_options options;
    lb_teacher *teacher = NULL;

    memset(score, 0, (size_t)setup->map->n_parts * sizeof *score);
    LB_TRY(make_options(setup, arena, &options, &cutter.batches, err));
    LB_TRY(open_teacher(setup, options.batch, arena, &teacher, err));
    const lb_voice voice = {setup->teacher, setup->teacher_input};
    const lb_train_setup train = {.options = &options,
                                  .terms = terms,
                                  .n_terms = n_terms,
                                  .student = setup->graph,
                                  .input = setup->input,
                                  .teacher = teacher,
                                  .voices = teacher ? &voice : NULL,
                                  .cutter = &cutter,
                                  .data = setup->data,
                                  .seed = 1,
                                  .pool = setup->pool,
                                  .kernels = setup->kernels,
                                  .log = setup->log};
    const lb_code code = lb_train_look(&train, arena, err);
    lb_teacher_close(teacher);
    *looked = cutter.batches * options.batch;
    return code;
}
