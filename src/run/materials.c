/* materials.c: opens what a run works with: the data and the teacher. */
#include "run/run_int.h"

#include "base/file.h"
#include "ops/rewrite.h"
#include "run/network_load.h"

#include <math.h>

void lb_run_add_classes(lb_text *t, const lb_data *data, const bool *marked,
                        const char *before)
{
    const char *const *const names = data->content.class_names;
    int n = 0;

    for (int c = 0; marked && c < data->content.n_classes; c++) {
        if (!marked[c])
            continue;
        lb_text_add(t, "%s", n++ == 0 ? before : ", ");
        if (names)
            lb_text_add(t, "%s", names[c]);
        else
            lb_text_add(t, "%d", c);
    }
    if (n > 0)
        lb_text_add_char(t, '\n');
}

static void tell_labels(const lb_run *run)
{
    const lb_data *const d = run->data;
    const int labelled = lb_data_labelled(d);

    if (labelled < d->n[LB_TRAIN])
        lb_log_tell(&run->options->log, LB_LOG_INFO,
                    "%d samples to train with, %d of them with a label", d->n[LB_TRAIN],
                    labelled);
}

lb_code lb_run_open_data(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;

    LB_TRY(lb_data_open(&r->data, r->seed, run->arena, &run->data, err));
    if (run->data->content.n_classes < 2)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: the data has no labels; the test part needs them to measure "
                        "by",
                        r->data.path);
    tell_labels(run);
    return LB_OK;
}

/* Trains a teacher by its own recipe, in its own folder beside this run's. */
static lb_code train_teacher(lb_run *run, lb_teacher_options *teacher, lb_error *err)
{
    lb_recipe *recipe = NULL;
    lb_run_result result;

    LB_TRY(lb_recipe_load(teacher->recipe, NULL, 0, run->arena, &recipe, err));
    const char *const folder = lb_path_join(run->arena, run->parent, recipe->name);
    lb_run_options options = *run->options;
    options.recipe = teacher->recipe;
    options.sets = NULL;
    options.n_sets = 0;
    options.pause = 0;
    options.prepare_only = false;
    options.out = folder;
    options.resume = true; /* a teacher that is there is not trained again */
    if (!folder)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's folder");
    teacher->onnx = lb_path_join(run->arena, folder, "student.onnx");
    if (!teacher->onnx)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's path");
    if (run->options->dry_run)
        return LB_OK;
    lb_run_phase(run, "the teacher's own training");
    if (run->within(&options, run->depth + 1, run->arena, &result, err) != LB_OK)
        return lb_within(err, "teacher '%s'", teacher->recipe);
    return LB_OK;
}

static lb_code check_classes(const lb_run *run, const lb_graph *g, lb_error *err)
{
    const int classes = run->data->content.n_classes;
    const lb_type type =
        g->n_outputs > 0 ? lb_info(g, g->outputs[0])->type : (lb_type){.dtype = LB_F32};
    char shape[LB_SHAPE_TEXT];

    if (type.shape.rank == 2 && type.shape.dim[1] == classes)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "the teacher's output is %s, but the data has %d classes: it must be "
                    "[N,%d], or 'classes' must say which outputs they are",
                    lb_shape_text(&type.shape, shape), classes, classes);
}

/* Puts the data's classes in place of the teacher's, if the recipe says which is which.
 * What is made of its answers is then named by the map, too. */
static lb_code map_classes(const lb_run *run, const lb_teacher_options *teacher,
                           lb_run_member *m, lb_error *err)
{
    const int classes = run->data->content.n_classes;
    const int *map = teacher->classes;
    lb_hash hash;

    if (!map && !teacher->class_file)
        return LB_OK;
    if (map && teacher->n_classes != classes)
        return lb_raise(err, LB_ERR_INPUT,
                        "'classes' has %d outputs, but the data has %d classes",
                        teacher->n_classes, classes);
    if (!map)
        LB_TRY(lb_teacher_find_classes(teacher->class_file, &run->data->content,
                                       run->arena, &map, err));
    LB_TRY(lb_teacher_map_classes(m->file, map, classes, err));
    m->map = map;
    lb_hash_init(&hash);
    lb_hash_add(&hash, &m->digest, sizeof m->digest);
    lb_hash_add(&hash, map, (size_t)classes * sizeof *map);
    m->digest = lb_hash_end(&hash);
    return LB_OK;
}

static lb_code import_teacher(const lb_run *run, lb_teacher_options *teacher,
                              lb_run_member *m, lb_error *err)
{
    LB_TRY(lb_network_load(teacher->onnx, &m->file, &m->digest, err));
    m->had_softmax = m->file->n_outputs > 0 &&
                     lb_teacher_logits_of(m->file).id != m->file->outputs[0].id;
    LB_TRY(map_classes(run, teacher, m, err));
    LB_TRY(check_classes(run, m->file, err));
    LB_TRY(lb_input_match(m->file, &run->data->content.shape, &teacher->input, err));
    LB_TRY(lb_graph_clone(m->file, &m->graph, err));
    LB_TRY(lb_fold_batch_norm(m->graph, err));
    LB_TRY(lb_fuse_convolutions(m->graph, err));
    return lb_remove_dead(m->graph, err);
}

/* *known: false if a dry run would have to train it. */
static lb_code open_member(lb_run *run, int k, bool *known, lb_error *err)
{
    lb_teacher_options *const teacher = &run->recipe->teacher[k];

    if (teacher->recipe && !(teacher->onnx && lb_file_exists(teacher->onnx)))
        LB_TRY(train_teacher(run, teacher, err));
    *known = !run->options->dry_run || !teacher->recipe || lb_file_exists(teacher->onnx);
    if (!*known)
        return LB_OK;
    lb_run_phase(run, "teacher");
    if (run->recipe->ensemble.n > 1) {
        run->member[k].called =
            teacher->name ? lb_arena_text(run->arena, "teacher '%s'", teacher->name)
                          : lb_arena_text(run->arena, "teacher %d", k);
        if (!run->member[k].called)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for a teacher's name");
    }
    if (import_teacher(run, teacher, &run->member[k], err) != LB_OK)
        return lb_within(err, "teacher '%s'", teacher->onnx);
    run->voice[k] = (lb_voice){run->member[k].file, teacher->input};
    return LB_OK;
}

lb_code lb_run_open_teacher(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    int n_known = 0;

    for (int k = 0; r->has_teacher && k < r->ensemble.n; k++) {
        bool known;
        LB_TRY(open_member(run, k, &known, err));
        n_known += known;
    }
    if (n_known == r->ensemble.n)
        run->n_members = n_known;
    return LB_OK;
}

size_t lb_run_teacher_parameters(const lb_run *run)
{
    size_t n = 0;

    for (int k = 0; k < run->n_members; k++)
        n += lb_graph_parameters(run->member[k].file);
    return n;
}

double lb_run_teacher_macs(const lb_run *run)
{
    double macs = 0;

    for (int k = 0; k < run->n_members; k++)
        macs += lb_graph_macs(run->member[k].file);
    return macs;
}

void lb_run_close(lb_run *run)
{
    lb_run_close_teachers(run);
    for (int k = 0; k < LB_MAX_TEACHERS; k++) {
        lb_graph_free(run->member[k].graph);
        lb_graph_free(run->member[k].file);
    }
    lb_run_close_pruning(run);
    lb_graph_free(run->int8.graph);
    lb_graph_free(run->student);
    lb_pool_free(run->pool);
}
