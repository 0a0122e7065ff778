/* recipe_parts.c: teacher, student, device and exports of a recipe. */
#include "recipe/recipe_int.h"

#include "base/file.h"
#include "base/number.h"

#include <stddef.h>
#include <string.h>

#define SECTIONS(array) array, (int)(sizeof(array) / sizeof(array)[0])

enum { MOST_NAMES = 128, MOST_OUTPUTS = 65535 };

void lb_check_file(lb_reader *r, const lb_tree *map, const char *key, const char *path)
{
    const lb_tree *const at = lb_tree_find(map, key);

    if (at && path && !lb_file_exists(path))
        lb_tree_complain(&r->findings, at, "%s: there is no '%.500s'", key, path);
}

static void check_input(lb_reader *r, const lb_tree *map, const lb_input_options *input)
{
    const lb_tree *const std = lb_tree_find(map, "std");
    const lb_tree *const mean = lb_tree_find(map, "mean");

    for (int i = 0; std && i < input->std.n; i++)
        if (!(input->std.value[i] > 0)) {
            lb_tree_complain(&r->findings, std, "std must be above 0, not %g",
                             input->std.value[i]);
            break;
        }
    if (mean && std && input->mean.n > 1 && input->std.n > 1 &&
        input->mean.n != input->std.n)
        lb_tree_complain(&r->findings, std, "std has %d numbers, but mean has %d",
                         input->std.n, input->mean.n);
}

static void read_cache(lb_reader *r, const lb_tree *value, lb_teacher_options *teacher)
{
    const lb_section sections[] = {{lb_cache_keys, teacher}};

    if (value->kind == LB_TREE_SCALAR && strcmp(value->text, "none") == 0)
        return;
    lb_read_map(r, value, value, "cache", SECTIONS(sections), NULL, NULL);
    if (teacher->top > 0 && teacher->store == LB_CACHE_NONE)
        lb_tree_complain(&r->findings, value,
                         "top: %d is about what is stored, but store is none; choose "
                         "fp32 or fp16",
                         teacher->top);
}

/* Which output of the teacher each class of the data is; false after a finding. */
static bool read_output(lb_reader *r, const lb_tree *value, int *output)
{
    const char *const word = lb_read_word(r, "an output in 'classes'", value);
    int64_t number;

    if (!word)
        return false;
    if (!lb_number_parse_int(word, strlen(word), &number) || number < 0 ||
        number > MOST_OUTPUTS) {
        lb_tree_complain(&r->findings, value,
                         "classes must be the numbers of the teacher's outputs, from 0, "
                         "not '%.60s'",
                         word);
        return false;
    }
    *output = (int)number;
    return true;
}

static void read_output_list(lb_reader *r, const lb_tree *list,
                             lb_teacher_options *teacher)
{
    int *const classes = LB_TAKE_ARRAY(r->arena, list->n + 1, int);
    int *const owner = LB_TAKE_ARRAY(r->arena, MOST_OUTPUTS + 1, int);

    if (!classes || !owner) {
        r->findings.failed = true;
        return;
    }
    for (int i = 0; i < list->n; i++) {
        if (!read_output(r, list->child[i], &classes[i]))
            continue;
        if (owner[classes[i]] > 0)
            lb_tree_complain(&r->findings, list->child[i],
                             "classes gives output %d to class %d and to class %d",
                             classes[i], owner[classes[i]] - 1, i);
        owner[classes[i]] = i + 1;
    }
    teacher->classes = classes;
    teacher->n_classes = list->n;
}

/* [3, 0, 1], or a file that names the teacher's outputs. */
static void read_classes(lb_reader *r, const lb_tree *map, lb_teacher_options *teacher)
{
    static const lb_key file = {.name = "classes",
                                .type = LB_KEY_PATH,
                                .offset = offsetof(lb_teacher_options, class_file)};
    const lb_tree *const value = lb_tree_find(map, "classes");

    if (!value)
        return;
    if (value->kind == LB_TREE_LIST && value->n > 0) {
        read_output_list(r, value, teacher);
    } else if (value->kind != LB_TREE_SCALAR) {
        lb_tree_complain(&r->findings, value,
                         "classes must say which output of the teacher each class of the "
                         "data is, as in [3, 0, 1], or name a file with the outputs' "
                         "names, one a line");
    } else if (lb_read_value(r, &file, teacher, value)) {
        lb_check_file(r, map, "classes", teacher->class_file);
    }
}

/* A number would name another teacher by its place. */
static void check_teacher_name(lb_reader *r, const lb_tree *map, const char *name)
{
    const lb_tree *const at = lb_tree_find(map, "name");

    if (at && name && strchr("0123456789+-", *name))
        lb_tree_complain(&r->findings, at,
                         "the name of a teacher begins with a letter, not as '%.60s'",
                         name);
}

static void read_one_teacher(lb_reader *r, const lb_tree *map, const lb_tree *at,
                             lb_teacher_options *teacher)
{
    static const char *const forms[] = {"cache", "classes", NULL};
    const lb_section sections[] = {{lb_teacher_keys, teacher},
                                   {lb_input_keys, &teacher->input},
                                   {lb_member_keys, teacher}};
    const lb_tree *cache;

    lb_read_map(r, map, at, "teacher", SECTIONS(sections), forms, NULL);
    if (map->kind != LB_TREE_MAP)
        return;
    if (!lb_tree_find(map, "onnx") && !lb_tree_find(map, "recipe"))
        lb_tree_complain(&r->findings, map,
                         "the teacher needs 'onnx', a file, or "
                         "'recipe', which trains it");
    if (!teacher->recipe)
        lb_check_file(r, map, "onnx", teacher->onnx);
    lb_check_file(r, map, "recipe", teacher->recipe);
    check_teacher_name(r, map, teacher->name);
    check_input(r, map, &teacher->input);
    read_classes(r, map, teacher);
    if ((cache = lb_tree_find(map, "cache")))
        read_cache(r, cache, teacher);
}

static void check_teacher_twins(lb_reader *r, const lb_tree *list,
                                const lb_recipe *recipe)
{
    const lb_teacher_options *const teacher = recipe->teacher;

    for (int i = 1; i < recipe->ensemble.n; i++)
        for (int k = 0; k < i; k++)
            if (teacher[i].name && teacher[k].name &&
                strcmp(teacher[i].name, teacher[k].name) == 0)
                lb_tree_complain(&r->findings, list->child[i],
                                 "two teachers are called '%.60s'", teacher[i].name);
}

/* All see the same views of a sample: those that the student sees. */
static void check_views(lb_reader *r, const lb_tree *list, const lb_recipe *recipe)
{
    const lb_teacher_options *const teacher = recipe->teacher;

    for (int i = 1; i < recipe->ensemble.n; i++)
        if (teacher[i].views != teacher[0].views)
            lb_tree_complain(&r->findings, list->child[i],
                             "this teacher has %d fixed views, but the first has %d; all "
                             "see the same views, so 'cache' must name as many, or none",
                             teacher[i].views, teacher[0].views);
}

static void read_members(lb_reader *r, const lb_tree *list, lb_recipe *recipe)
{
    lb_ensemble *const e = &recipe->ensemble;
    double sum = 0;

    if (list->kind != LB_TREE_LIST || list->n < 1 || list->n > LB_MAX_TEACHERS) {
        lb_tree_complain(&r->findings, list,
                         "several teachers are a list of 1 to %d, as in "
                         "[{onnx: a.onnx}, {onnx: b.onnx, weight: 2}]",
                         LB_MAX_TEACHERS);
        return;
    }
    e->n = list->n;
    for (int i = 0; i < e->n; i++) {
        const lb_tree *const weight = lb_tree_find(list->child[i], "weight");
        read_one_teacher(r, list->child[i], list, &recipe->teacher[i]);
        sum += recipe->teacher[i].weight;
        if (weight && e->weighing == LB_WEIGHTS_VALIDATION)
            lb_tree_complain(&r->findings, weight,
                             "with weights: validation the weights are found; leave this "
                             "one out, or say weights: given");
    }
    for (int i = 0; i < e->n; i++)
        e->weight[i] = e->weighing == LB_WEIGHTS_VALIDATION
                           ? 1.0 / e->n
                           : recipe->teacher[i].weight / sum;
    check_views(r, list, recipe);
    check_teacher_twins(r, list, recipe);
}

/* One; a list; or {combine: logits, weights: validation, members: [...]}. */
void lb_read_teacher(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"members", NULL};
    const lb_section sections[] = {{lb_ensemble_keys, &recipe->ensemble}};
    const lb_tree *const value = lb_tree_find(root, "teacher");
    const lb_tree *const members = lb_tree_find(value, "members");

    if (!value || (value->kind == LB_TREE_SCALAR && strcmp(value->text, "none") == 0))
        return;
    recipe->has_teacher = true;
    recipe->ensemble = (lb_ensemble){.n = 1, .weight = {1}};
    if (members)
        lb_read_map(r, value, root, "teacher", SECTIONS(sections), forms, NULL);
    if (recipe->ensemble.correct_only && recipe->data.labels <= 0)
        lb_tree_complain(&r->findings, lb_tree_find(value, "correct_only"),
                         "correct_only needs labels, and the recipe says labels: none");
    if (members || value->kind == LB_TREE_LIST)
        read_members(r, members ? members : value, recipe);
    else
        read_one_teacher(r, value, root, &recipe->teacher[0]);
}

/* Whether the value is `fit`; if not, it is read as the key's number. */
static bool read_fit(lb_reader *r, const lb_tree *root, const lb_tree *value,
                     const lb_key *key, lb_student_options *student)
{
    const lb_tree *const device = lb_tree_find(root, "device");

    if (!value)
        return false;
    if (value->kind != LB_TREE_SCALAR || strcmp(value->text, "fit") != 0) {
        if (value->kind == LB_TREE_SCALAR && *value->text &&
            !strchr("0123456789.+-", *value->text))
            lb_tree_complain(&r->findings, value,
                             "%s must be 'fit' or a number, not '%.60s'", key->name,
                             value->text);
        else
            lb_read_value(r, key, student, value);
        return false;
    }
    if (!device || (device->kind == LB_TREE_SCALAR && strcmp(device->text, "none") == 0))
        lb_tree_complain(&r->findings, value, "%s: fit needs a 'device' to fit",
                         key->name);
    return true;
}

static void read_size(lb_reader *r, const lb_tree *root, const lb_tree *map,
                      lb_student_options *student)
{
    student->width = 1;
    if (read_fit(r, root, lb_tree_find(map, "width"), &lb_width_key, student))
        student->width = 0;
    if (read_fit(r, root, lb_tree_find(map, "depth"), &lb_depth_key, student))
        student->depth = LB_DEPTH_FIT;
}

static void check_model(lb_reader *r, const lb_tree *map, const char *model)
{
    const lb_tree *const at = lb_tree_find(map, "model");
    const char *names[MOST_NAMES];
    int n = 0;

    if (!at || !model || lb_model_find(model))
        return;
    while (lb_models[n] && n < MOST_NAMES) {
        names[n] = lb_models[n]->name;
        n++;
    }
    lb_tree_complain(&r->findings, at, "no model is called '%.60s'%s", model,
                     lb_read_hint(r, model, names, n));
}

/* The teacher's classifier can be copied where there is one teacher, and one student that
 * is built here. */
static void check_head(lb_reader *r, const lb_tree *map, const lb_recipe *recipe)
{
    const lb_tree *const head = lb_tree_find(map, "head");

    if (!head || recipe->student.head != LB_HEAD_TEACHER)
        return;
    if (!recipe->has_teacher)
        lb_tree_complain(&r->findings, head,
                         "head: teacher needs a teacher, and the recipe has none");
    else if (recipe->ensemble.n > 1)
        lb_tree_complain(&r->findings, head,
                         "head: teacher takes one teacher's classifier, and the recipe "
                         "has %d teachers",
                         recipe->ensemble.n);
    if (lb_tree_find(map, "onnx"))
        lb_tree_complain(&r->findings, head,
                         "'head' goes with 'model'; an ONNX file has its own");
}

void lb_read_student(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"width", "depth", NULL};
    static const char *const later[] = {"from", NULL};
    static const char *const shaped[] = {"width", "depth"};
    const lb_tree *const map = lb_tree_find(root, "student");
    lb_student_options *const student = &recipe->student;
    const lb_section sections[] = {{lb_student_keys, student},
                                   {lb_head_keys, student},
                                   {lb_input_keys, &student->input}};

    if (!map) {
        lb_tree_complain(&r->findings, root,
                         "'student' is missing; a recipe names its "
                         "student, as in student: {model: ds-cnn}");
        return;
    }
    lb_read_map(r, map, root, "student", SECTIONS(sections), forms, later);
    if (map->kind != LB_TREE_MAP)
        return;
    const bool onnx = lb_tree_find(map, "onnx") != NULL;
    const bool model = lb_tree_find(map, "model") != NULL;
    if (!onnx && !model && !lb_tree_find(map, "from"))
        lb_tree_complain(&r->findings, map, "the student needs 'model' or 'onnx'");
    if (onnx && model)
        lb_tree_complain(&r->findings, lb_tree_find(map, "onnx"),
                         "the student has 'model' and 'onnx'; one of them is enough");
    for (int i = 0; onnx && !model && i < 2; i++)
        if (lb_tree_find(map, shaped[i]))
            lb_tree_complain(&r->findings, lb_tree_find(map, shaped[i]),
                             "'%s' goes with 'model'; an ONNX file has its own",
                             shaped[i]);
    check_model(r, map, student->model);
    lb_check_file(r, map, "onnx", student->onnx);
    lb_check_file(r, map, "init", student->init);
    check_input(r, map, &student->input);
    check_head(r, map, recipe);
    read_size(r, root, map, student);
}

void lb_read_device(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    const lb_tree *const value = lb_tree_find(root, "device");
    const lb_section sections[] = {{lb_device_keys, &recipe->device}};
    const lb_tree *at = value;
    const char *names[MOST_NAMES];
    int n = 0;

    if (!value || (value->kind == LB_TREE_SCALAR && strcmp(value->text, "none") == 0))
        return;
    if (value->kind == LB_TREE_SCALAR) {
        recipe->device.profile = lb_read_word(r, "device", value);
    } else {
        lb_read_map(r, value, root, "device", SECTIONS(sections), NULL, NULL);
        at = lb_tree_find(value, "profile");
    }
    const char *const profile = recipe->device.profile;
    if (!at || !profile || lb_device_find(profile))
        return;
    while (lb_devices[n].name && n < MOST_NAMES) {
        names[n] = lb_devices[n].name;
        n++;
    }
    lb_tree_complain(&r->findings, at, "no device is called '%.60s'%s", profile,
                     lb_read_hint(r, profile, names, n));
}

/* What firmware is like; inner: NULL if nothing is said. */
static void read_firmware(lb_reader *r, const lb_tree *inner, const lb_tree *at,
                          lb_recipe *recipe)
{
    const lb_section sections[] = {{lb_firmware_keys, &recipe->firmware}};

    lb_read_map(r, inner, at, "c", SECTIONS(sections), NULL, NULL);
}

/* `onnx`, or {c: {package: cmake}}. */
static void read_export(lb_reader *r, const lb_tree *item, lb_recipe *recipe)
{
    const char *names[8];
    const lb_tree *name, *inner;
    int n = 0;

    if (!lb_read_choice(r, "export", item, &name, &inner))
        return;
    for (const lb_export_name *e = lb_export_names; e->name; e++) {
        names[n++] = e->name;
        if (strcmp(e->name, name->text) != 0)
            continue;
        recipe->exports |= (unsigned)e->bit;
        if (e->bit == LB_EXPORT_C)
            read_firmware(r, inner, item, recipe);
        else if (inner)
            lb_tree_complain(&r->findings, inner, "export %s has no settings", e->name);
        return;
    }
    lb_tree_complain(&r->findings, item, "no export is called '%.60s'%s", name->text,
                     lb_read_hint(r, name->text, names, n));
}

/* TensorFlow Lite files hold the student in int8, as their own kernels compute it. */
static void check_tflite(lb_reader *r, const lb_tree *list, const lb_recipe *recipe)
{
    if ((recipe->exports & LB_EXPORT_TFLITE) &&
        !(recipe->int8 && recipe->quantize.rounding == LB_ROUND_TFLITE))
        lb_tree_complain(&r->findings, list,
                         "export tflite is int8 as TensorFlow Lite rounds it: it needs "
                         "compress: {quantize: {rounding: tflite}}");
}

void lb_read_exports(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    const lb_tree *const list = lb_tree_find(root, "export");

    if (!list) {
        recipe->exports = LB_EXPORT_USUAL;
    } else if (list->kind == LB_TREE_LIST) {
        for (int i = 0; i < list->n; i++)
            read_export(r, list->child[i], recipe);
    } else if (list->kind == LB_TREE_SCALAR) {
        read_export(r, list, recipe);
    } else {
        lb_tree_complain(&r->findings, list,
                         "export must be a list, as in [onnx, c, report]");
    }
    if (list)
        check_tflite(r, list, recipe);
}
