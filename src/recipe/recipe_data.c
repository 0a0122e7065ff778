/* recipe_data.c: the data of a recipe. */
#include "recipe/recipe_int.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

#define SECTIONS(array) array, (int)(sizeof(array) / sizeof(array)[0])

enum { MOST_NAMES = 128 };

static void read_augment(lb_reader *r, const lb_tree *item, lb_data_options *data)
{
    static const char *const names[] = {"shift", "flip", "crop"};
    lb_augment augment = {0};
    const lb_tree *name, *inner;
    const lb_key *key = NULL;

    if (!lb_read_choice(r, "an augmentation", item, &name, &inner))
        return;
    for (int i = 0; i < 3; i++)
        if (strcmp(name->text, names[i]) == 0) {
            static const lb_key *const keys[] = {&lb_shift_key, &lb_flip_key,
                                                 &lb_crop_key};
            key = keys[i];
            augment.kind = (lb_augment_kind)i;
        }
    if (!key)
        lb_tree_complain(&r->findings, name, "no augmentation is called '%.60s'%s",
                         name->text, lb_read_hint(r, name->text, names, 3));
    else if (!inner)
        lb_tree_complain(&r->findings, name,
                         "'%s' needs a value, as in {shift: 2} or "
                         "{flip: horizontal}",
                         key->name);
    else if (key == &lb_flip_key) {
        int flip = 0; /* a choice is an int; the field is an enum */
        lb_key local = lb_flip_key;
        local.offset = 0;
        if (lb_read_value(r, &local, &flip, inner))
            augment.flip = (lb_flip)flip;
    } else {
        lb_read_value(r, key, &augment, inner);
    }
    if (data->n_augment < LB_MAX_AUGMENTS)
        data->augment[data->n_augment++] = augment;
}

static void read_augments(lb_reader *r, const lb_tree *list, lb_data_options *data)
{
    if (list->kind == LB_TREE_SCALAR && strcmp(list->text, "none") == 0)
        return;
    if (list->kind != LB_TREE_LIST) {
        lb_tree_complain(&r->findings, list,
                         "augment must be a list, as in [{shift: 2}, "
                         "{flip: horizontal}]");
        return;
    }
    if (list->n > LB_MAX_AUGMENTS)
        lb_tree_complain(&r->findings, list,
                         "augment has %d items; at most %d are "
                         "possible",
                         list->n, LB_MAX_AUGMENTS);
    for (int i = 0; i < list->n; i++)
        read_augment(r, list->child[i], data);
}

static void read_labels(lb_reader *r, const lb_tree *value, lb_data_options *data)
{
    const bool word = value->kind == LB_TREE_SCALAR;

    if (word && strcmp(value->text, "all") == 0)
        data->labels = 1;
    else if (word && strcmp(value->text, "none") == 0)
        data->labels = 0;
    else if (word && *value->text && !strchr("0123456789.+-", *value->text))
        lb_tree_complain(&r->findings, value,
                         "labels must be all, none or a share from 0 "
                         "to 1, not '%.60s'",
                         value->text);
    else
        lb_read_value(r, &lb_labels_key, data, value);
}

static void check_source(lb_reader *r, const lb_tree *map, const char *source)
{
    const lb_tree *const at = lb_tree_find(map, "source");
    const char *names[MOST_NAMES];
    int n = 0;

    if (!at || !source || lb_source_find(source))
        return;
    while (lb_sources[n] && n < MOST_NAMES) {
        names[n] = lb_sources[n]->name;
        n++;
    }
    lb_tree_complain(&r->findings, at, "no data source is called '%.60s'%s", source,
                     lb_read_hint(r, source, names, n));
}

/* SOURCE:PATH */
static void read_unlabelled_word(lb_reader *r, const lb_tree *word,
                                 lb_unlabelled *unlabelled)
{
    lb_data_options named;
    lb_error err = {0};

    const lb_code code = lb_data_parse(word->text, r->arena, &named, &err);
    const char *const path =
        code == LB_OK ? lb_path_join(r->arena, r->folder, named.path) : NULL;
    if (code == LB_ERR_MEMORY || (code == LB_OK && !path))
        r->findings.failed = true;
    else if (code != LB_OK)
        lb_tree_complain(&r->findings, word, "unlabelled: %s", err.text);
    else if (!lb_file_exists(path))
        lb_tree_complain(&r->findings, word, "unlabelled: there is no '%.500s'", path);
    *unlabelled = (lb_unlabelled){
        .source = code == LB_OK ? named.source : NULL, .path = path, .fraction = 1};
}

/* SOURCE:PATH, {source: ..., path: ..., fraction: ...}, or none. */
static void read_unlabelled(lb_reader *r, const lb_tree *value, lb_unlabelled *unlabelled)
{
    const lb_section sections[] = {{lb_unlabelled_keys, unlabelled}};

    if (value->kind == LB_TREE_SCALAR) {
        if (strcmp(value->text, "none") != 0)
            read_unlabelled_word(r, value, unlabelled);
        return;
    }
    lb_read_map(r, value, value, "unlabelled", SECTIONS(sections), NULL, NULL);
    if (unlabelled->source && *unlabelled->source)
        check_source(r, value, unlabelled->source);
    lb_check_file(r, value, "path", unlabelled->path);
}

/* A list of names and numbers of classes; one alone may stand for itself. What they are
 * called is known when the data is open. */
static void read_class_words(lb_reader *r, const lb_tree *map, const char *key,
                             lb_class_words *words)
{
    const lb_tree *const value = lb_tree_find(map, key);

    if (!value)
        return;
    if (value->kind == LB_TREE_MAP) {
        lb_tree_complain(&r->findings, value,
                         "%s must be a list of classes, as in [3] or [bag, coat], not a "
                         "map",
                         key);
        return;
    }
    const bool list = value->kind == LB_TREE_LIST;
    const int n = list ? value->n : 1;
    const char **const word = LB_TAKE_ARRAY(r->arena, n + 1, const char *);
    if (!word) {
        r->findings.failed = true;
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *const text = lb_read_word(r, key, list ? value->child[i] : value);
        if (text)
            word[words->n++] = text;
    }
    words->word = word;
}

void lb_read_data(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"labels",          "unlabelled", "hidden_classes",
                                        "omitted_classes", "augment",    NULL};
    const lb_tree *const map = lb_tree_find(root, "data");
    const lb_tree *value;
    lb_data_options *const data = &recipe->data;
    const lb_section sections[] = {{lb_data_keys, data}};

    data->labels = 1;
    if (!map) {
        lb_tree_complain(&r->findings, root,
                         "'data' is missing; a recipe names its data, "
                         "as in data: {source: idx, path: FOLDER}");
        return;
    }
    lb_read_map(r, map, root, "data", SECTIONS(sections), forms, NULL);
    check_source(r, map, data->source);
    lb_check_file(r, map, "path", data->path);
    if ((value = lb_tree_find(map, "validation")) && data->validation > 1 &&
        floor(data->validation) < data->validation)
        lb_tree_complain(&r->findings, value,
                         "validation must be a whole number of "
                         "samples or a share below 1, not %g",
                         data->validation);
    if ((value = lb_tree_find(map, "labels")))
        read_labels(r, value, data);
    if ((value = lb_tree_find(map, "unlabelled")))
        read_unlabelled(r, value, &data->unlabelled);
    read_class_words(r, map, "hidden_classes", &data->hidden);
    read_class_words(r, map, "omitted_classes", &data->omitted);
    if ((value = lb_tree_find(map, "augment")))
        read_augments(r, value, data);
}
