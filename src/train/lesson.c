/* lesson.c: the graph of one training step.
 *
 * The student is cloned, so that its tensors are trained in place; batch norms take their
 * training form; the losses, their gradients and one update for each trained parameter
 * are added as nodes. What comes out is compiled once and run for every batch. */
#include "train/train_int.h"

#include "ops/rewrite.h"

#include <string.h>

lb_value lb_logits_of(const lb_graph *graph)
{
    const lb_value out = graph->n_outputs > 0 ? graph->outputs[0] : (lb_value){0};

    for (lb_value v = out; lb_info(graph, v)->kind == LB_VALUE_NODE;) {
        const lb_node *const node = &graph->nodes[lb_info(graph, v)->node];
        if (strcmp(node->op->name, "Softmax") == 0)
            return node->in[0];
        if (!(node->op->flags & LB_OP_QUANTISES))
            break;
        v = node->in[0]; /* probabilities that are held in int8 */
    }
    return out;
}

static unsigned needs_of(const lb_train_setup *setup)
{
    unsigned needs = 0;

    for (int i = 0; i < setup->n_terms; i++)
        needs |= setup->terms[i].loss->needs;
    if ((needs & LB_NEEDS_TEACHER) && setup->ensemble && setup->ensemble->correct_only)
        needs |= LB_TAKES_LABELS;
    return needs;
}

static lb_code check_student(const lb_graph *student, int classes, lb_error *err)
{
    const lb_value logits = lb_logits_of(student);
    const lb_type *const type = &lb_info(student, logits)->type;
    char shape[LB_SHAPE_TEXT];

    if (!lb_type_batched(type) || type->shape.rank != 2 || type->shape.dim[1] != classes)
        return lb_raise(
            err, LB_ERR_INPUT,
            "the student's output is %s, but the data has %d classes: it must "
            "be [N,%d]",
            lb_shape_text(&type->shape, shape), classes, classes);
    return LB_OK;
}

/* The layers that the losses look at, teacher by teacher; their inputs are to come. */
static lb_code list_features(lb_lesson *lesson, const lb_train_setup *setup,
                             lb_error *err)
{
    lb_arena *const arena = lesson->graph->arena;
    int n = 0;

    for (int v = 0; v < lesson->n_voices; v++)
        n += lb_taps_of_teacher(setup->terms, setup->n_terms, v, NULL, 0);
    lb_value *const of = LB_TAKE_ARRAY(arena, n + 1, lb_value);
    lesson->feature = LB_TAKE_ARRAY(arena, n + 1, lb_feature);
    if (!of || !lesson->feature)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's layers");
    for (int v = 0; v < lesson->n_voices; v++) {
        const int m = lb_taps_of_teacher(setup->terms, setup->n_terms, v, of, n);
        for (int k = 0; k < m; k++)
            lesson->feature[lesson->n_features++] =
                (lb_feature){.voice = v, .tap = k, .of = of[k]};
    }
    return LB_OK;
}

static lb_feature *find_feature(const lb_lesson *lesson, const lb_tap *tap)
{
    for (int i = 0; i < lesson->n_features; i++)
        if (lesson->feature[i].voice == tap->of &&
            lesson->feature[i].of.id == tap->teacher.id)
            return &lesson->feature[i];
    return NULL;
}

/* The inputs that the teachers' layers are handed over in; the pairs of all terms, one
 * after the other. */
static lb_code add_features(lb_lesson *lesson, lb_builder *b, const lb_train_setup *setup,
                            lb_loss_in *in, lb_error *err)
{
    int n = 0;

    LB_TRY(list_features(lesson, setup, err));
    for (int i = 0; i < setup->n_terms; i++)
        n += setup->terms[i].taps.n;
    lb_pair *const pair = LB_TAKE_ARRAY(lesson->graph->arena, n + 1, lb_pair);
    if (!pair)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's layers");
    in->hints = pair;
    in->shares = setup->ensemble ? setup->ensemble->weight : NULL;
    for (int i = 0; i < setup->n_terms; i++)
        for (int k = 0; k < setup->terms[i].taps.n; k++) {
            const lb_tap *const tap = &setup->terms[i].taps.tap[k];
            const lb_shape one = lb_shape_bind(&tap->teacher_shape, 1);
            lb_feature *const f = find_feature(lesson, tap);
            if (!f || !lb_shape_count(&one, &f->n))
                return lb_bug(err, "a tap of no size, or of nobody");
            if (f->input.id == 0)
                f->input = lb_input(b, "layer", lesson->dtype, &tap->teacher_shape);
            pair[in->n_hints++] = (lb_pair){tap->student, f->input};
        }
    return LB_OK;
}

/* What the teachers say together. Of a mean of logits that is all; a mean of
 * probabilities has another answer at each temperature. */
static void add_ensemble(const lb_lesson *lesson, lb_builder *b,
                         const lb_ensemble *ensemble, lb_value share[LB_MAX_TEACHERS],
                         lb_loss_in *in)
{
    in->logits.teacher = lesson->voice[0];
    if (!lesson->voice[0].id || lesson->n_voices == 1 || !ensemble)
        return;
    if (ensemble->correct_only) {
        lb_ensemble_correct(b, ensemble, lesson->voice, lesson->labels, share);
        in->member_shares = share;
    }
    in->logits.teacher = lb_ensemble_join(b, ensemble, lesson->voice, in->member_shares);
    if (ensemble->combine == LB_COMBINE_PROBABILITIES) {
        in->ensemble = ensemble;
        in->members = lesson->voice;
    }
}

/* Adds inputs and losses; the graph's outputs become the loss and the terms. */
static lb_code add_losses(lb_lesson *lesson, lb_builder *b, const lb_train_setup *setup,
                          lb_error *err)
{
    const lb_shape per_sample = lb_shape_of(1, (int)LB_BATCH), scalar = {0};
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, lesson->classes);
    const unsigned needs = needs_of(setup);
    lb_value member_share[LB_MAX_TEACHERS];
    lb_loss_in in = {.logits.student = lesson->logits,
                     .all_labelled =
                         lb_data_labelled(setup->data) == setup->data->n[LB_TRAIN],
                     .batch = lesson->batch,
                     .seed = setup->seed,
                     .dials = &lesson->dials};

    if (needs & (LB_NEEDS_LABELS | LB_TAKES_LABELS))
        lesson->labels = lb_input(b, "labels", LB_I32, &per_sample);
    for (int k = 0; (needs & LB_NEEDS_TEACHER) && k < lesson->n_voices; k++)
        lesson->voice[k] = lb_input(b, "teacher", lesson->dtype, &rows);
    lesson->rate = lb_input(b, "rate", lesson->dtype, &scalar);
    LB_TRY(add_features(lesson, b, setup, &in, err));
    in.labels = lesson->labels;
    add_ensemble(lesson, b, setup->ensemble, member_share, &in);
    lesson->loss = lb_terms_build(b, setup->terms, setup->n_terms, &in, lesson->term);
    b->graph->n_outputs = 0;
    lb_output(b, lesson->loss);
    for (int i = 0; i < lesson->n_terms; i++)
        lb_output(b, lesson->term[i]);
    return lb_builder_finish(b, err);
}

/* What no loss looks at is not run: a student that learns from layers alone ends at the
 * last of them. The logits stay an output if they are computed anyway. */
static lb_code drop_untaught(lb_lesson *lesson, lb_builder *b, lb_error *err)
{
    LB_TRY(lb_remove_untaught(lesson->graph, err));
    if (lesson->logits.id &&
        lb_info(lesson->graph, lesson->logits)->kind == LB_VALUE_NODE)
        lb_output(b, lesson->logits);
    else
        lesson->logits = (lb_value){0};
    return lb_builder_finish(b, err);
}

/* The gradient of a bias that a norm takes off again is zero: with nothing else to move
 * it, it is left alone. */
static bool moves(const lb_graph *g, int i, double weight_decay)
{
    const lb_value_info *const info = &g->values[i];

    return info->kind == LB_VALUE_PARAM && info->trained &&
           ((weight_decay > 0 && !info->no_decay) || !lb_bias_cancels(g, (lb_value){i}));
}

/* Parameters that the loss depends on; how many. */
static int keep_reached(lb_value *param, lb_value *grad, int n)
{
    int kept = 0;

    for (int i = 0; i < n; i++)
        if (grad[i].id) {
            param[kept] = param[i];
            grad[kept++] = grad[i];
        }
    return kept;
}

static lb_code add_updates(lb_lesson *lesson, lb_builder *b, const lb_train_setup *setup,
                           lb_error *err)
{
    const lb_sgd_options *const sgd = &setup->options->sgd;
    lb_graph *const g = b->graph;
    const int n_values = g->n_values;
    lb_value *const param = LB_TAKE_ARRAY(g->arena, n_values, lb_value);
    lb_value *const grad = LB_TAKE_ARRAY(g->arena, n_values, lb_value);
    int n = 0;

    lesson->velocity = LB_TAKE_ARRAY(g->arena, n_values, lb_tensor *);
    if (!param || !grad || !lesson->velocity)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for gradients");
    for (int i = 1; i < n_values; i++)
        if (moves(g, i, sgd->weight_decay))
            param[n++] = (lb_value){i};
    if (n == 0)
        return lb_raise(err, LB_ERR_INPUT, "the student has no parameter to train");
    lb_autodiff(b, &lb_op_verbs, lesson->loss, param, n, grad);
    n = keep_reached(param, grad, n);
    lb_sgd_rule rule = {.lr = lesson->rate,
                        .momentum = sgd->momentum,
                        .nesterov = sgd->nesterov && sgd->momentum > 0};
    if (sgd->clip_norm > 0)
        rule.scale = lb_clip_norm(b, grad, n, sgd->clip_norm);
    for (int i = 0; i < n && b->error.code == LB_OK; i++) {
        const lb_value_info info = *lb_info(g, param[i]);
        lb_tensor *velocity;
        LB_TRY(
            lb_tensor_new(g->arena, lesson->dtype, &info.tensor->shape, &velocity, err));
        rule.weight_decay = info.no_decay ? 0 : sgd->weight_decay;
        lb_sgd_update(b, param[i], grad[i], lb_param(b, info.name, velocity), &rule);
        lesson->velocity[lesson->n_velocities++] = velocity;
    }
    return LB_OK;
}

/* The student's params, then those that the losses added, in value order, and room for a
 * copy of each. */
static lb_code list_params(lb_lesson *lesson, int n_student_values, lb_arena *arena,
                           lb_error *err)
{
    const lb_graph *const g = lesson->graph;

    lesson->param = LB_TAKE_ARRAY(arena, g->n_values, lb_tensor *);
    lesson->before = LB_TAKE_ARRAY(arena, g->n_values, lb_tensor *);
    if (!lesson->param || !lesson->before)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the list of parameters");
    for (int i = 1; i < g->n_values; i++) {
        if (g->values[i].kind != LB_VALUE_PARAM)
            continue;
        lb_tensor **const copy = &lesson->before[lesson->n_params];
        lesson->param[lesson->n_params++] = g->values[i].tensor;
        lesson->n_helpers += i >= n_student_values;
        LB_TRY(lb_tensor_copy(arena, g->values[i].tensor, copy, err));
    }
    return LB_OK;
}

/* A loss over labels where no sample has one would teach nothing. */
static lb_code check_labels(const lb_train_setup *setup, lb_error *err)
{
    if (lb_data_labelled(setup->data) > 0)
        return LB_OK;
    for (int i = 0; i < setup->n_terms; i++)
        if (setup->terms[i].loss->needs & LB_NEEDS_LABELS)
            return lb_raise(err, LB_ERR_INPUT,
                            "loss '%s' needs labels, and none of the %d training samples "
                            "has one",
                            setup->terms[i].loss->name, setup->data->n[LB_TRAIN]);
    return LB_OK;
}

/* Of a student that has been cut the layers are smaller than when they were found. */
static lb_code fit_terms(lb_lesson *lesson, lb_train_setup *setup,
                         const lb_graph *student, lb_error *err)
{
    lb_term *const own = LB_TAKE_ARRAY(lesson->graph->arena, setup->n_terms + 1, lb_term);

    if (!own)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the losses");
    for (int i = 0; i < setup->n_terms; i++) {
        own[i] = setup->terms[i];
        LB_TRY(lb_taps_fit(&own[i], student, lesson->graph->arena, err));
    }
    setup->terms = own;
    lesson->terms = own;
    return LB_OK;
}

lb_code lb_lesson_begin(lb_lesson *lesson, const lb_train_setup *setup,
                        const lb_graph *student, int classes, lb_builder *b,
                        lb_error *err)
{
    lb_train_setup fitted = *setup;

    *lesson = (lb_lesson){.batch = setup->options->batch,
                          .classes = classes,
                          .n_voices = setup->ensemble ? setup->ensemble->n : 1,
                          .terms = setup->terms,
                          .n_terms = setup->n_terms};
    LB_TRY(check_labels(setup, err));
    LB_TRY(check_student(student, classes, err));
    LB_TRY(lb_graph_clone(student, &lesson->graph, err));
    lesson->input = lesson->graph->inputs[0];
    lesson->dtype = lb_info(lesson->graph, lesson->input)->type.dtype;
    if (setup->stage) {
        LB_TRY(lb_stage_freeze(setup->stage, lesson->graph, err));
        LB_TRY(lb_stage_check_until(setup->stage, student, err));
    }
    LB_TRY(lb_train_norms(lesson->graph, err));
    lesson->logits =
        setup->stage && setup->stage->until ? (lb_value){0} : lb_logits_of(lesson->graph);
    lb_builder_init(b, lesson->graph);
    b->prefix = "train/";
    if (setup->stage && setup->stage->cut > 0)
        LB_TRY(fit_terms(lesson, &fitted, student, err));
    return add_losses(lesson, b, &fitted, err);
}

lb_code lb_lesson_finish(lb_lesson *lesson, lb_builder *b, lb_error *err)
{
    LB_TRY(lb_builder_finish(b, err));
    LB_TRY(lb_remove_dead(lesson->graph, err));
    LB_TRY(lb_fuse_norms(lesson->graph, err));
    LB_TRY(lb_compute_late(lesson->graph, lesson->loss, err));
    return lb_graph_check(lesson->graph, err);
}

lb_code lb_lesson_compile(lb_lesson *lesson, const lb_train_setup *setup, lb_error *err)
{
    const bool reference = setup->options->precision == LB_PRECISION_FLOAT64;
    const lb_plan_options plan = {.batch = lesson->batch,
                                  .conv_direct = setup->conv_direct,
                                  .kernels =
                                      reference ? LB_KERNELS_REFERENCE : setup->kernels};

    return lb_plan_compile(lesson->graph, setup->pool, &plan, &lesson->plan, err);
}

/* Everything but the plan. */
static lb_code draft_lesson(lb_lesson *lesson, const lb_train_setup *setup,
                            const lb_graph *student, int classes, lb_arena *arena,
                            lb_error *err)
{
    lb_builder b;

    LB_TRY(lb_lesson_begin(lesson, setup, student, classes, &b, err));
    LB_TRY(list_params(lesson, student->n_values, arena, err));
    LB_TRY(drop_untaught(lesson, &b, err));
    LB_TRY(add_updates(lesson, &b, setup, err));
    return lb_lesson_finish(lesson, &b, err);
}

static lb_code check_one(const lb_train_setup *setup, lb_arena *arena, lb_error *err)
{
    lb_lesson lesson;

    const lb_code code = draft_lesson(&lesson, setup, setup->student,
                                      setup->data->content.n_classes, arena, err);
    lb_lesson_close(&lesson);
    return code;
}

lb_code lb_train_check(const lb_train_setup *setup, lb_arena *arena, lb_error *err)
{
    for (int k = 0; k < lb_train_stages(setup); k++) {
        const lb_train_setup one = lb_train_stage(setup, k);
        LB_TRY(check_one(&one, arena, err));
    }
    return LB_OK;
}

lb_code lb_lesson_open(const lb_train_setup *setup, const lb_graph *student, int classes,
                       lb_arena *arena, lb_lesson *out, lb_error *err)
{
    lb_lesson lesson;

    lb_code code = draft_lesson(&lesson, setup, student, classes, arena, err);
    if (code == LB_OK)
        code = lb_lesson_compile(&lesson, setup, err);
    if (code != LB_OK)
        lb_lesson_close(&lesson);
    else
        *out = lesson;
    return code;
}

void lb_lesson_close(lb_lesson *lesson)
{
    lb_plan_free(lesson->plan);
    lb_graph_free(lesson->graph);
    *lesson = (lb_lesson){0};
}
