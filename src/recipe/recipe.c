/* recipe.c: from a file to a recipe: tree, overrides, parts, findings. */
#include "recipe/recipe_int.h"

#include "base/file.h"

#include <string.h>

/* A name is a folder and the stem of C identifiers. */
static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

enum { LONGEST_NAME = 64 };

static void check_name(lb_reader *r, const lb_tree *root, const char *name)
{
    const lb_tree *const at = lb_tree_find(root, "name");
    bool fine = name && *name != '.' && *name != '-' && strlen(name) <= LONGEST_NAME;

    if (!at || !name)
        return;
    for (const char *c = name; *c; c++)
        fine = fine && is_name_char(*c);
    if (!fine)
        lb_tree_complain(
            &r->findings, at,
            "name must be up to %d letters, digits, '-', "
            "'_' and '.', and begin with a letter, digit or '_', not '%.80s'",
            LONGEST_NAME, name);
}

/* "recipes/my watch.yaml" to "my-watch". */
static const char *name_of_file(lb_arena *arena, const char *path)
{
    char *const name = lb_arena_copy_text(arena, lb_path_name(path));

    if (!name)
        return NULL;
    char *const dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
    if (strlen(name) > LONGEST_NAME)
        name[LONGEST_NAME] = 0;
    for (char *c = name; *c; c++)
        if (!is_name_char(*c) || (c == name && (*c == '.' || *c == '-')))
            *c = c == name ? '_' : '-';
    return *name ? name : "run";
}

static void read_root(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"data",    "teacher",  "student", "device",
                                        "distill", "train",    "freeze",  "until",
                                        "stages",  "compress", "export",  NULL};
    const lb_section sections[] = {{lb_recipe_keys, recipe}};

    lb_read_map(r, root, root, "the recipe", sections, 1, forms, NULL);
    if (root->kind != LB_TREE_MAP)
        return;
    check_name(r, root, recipe->name);
    if (!recipe->name)
        recipe->name = name_of_file(r->arena, recipe->path);
    lb_read_data(r, root, recipe);
    lb_read_teacher(r, root, recipe);
    lb_read_student(r, root, recipe);
    lb_read_device(r, root, recipe);
    lb_read_train(r, root, recipe);
    if (lb_stages_need_top(root))
        lb_read_terms(r, root, recipe); /* some losses ask for a batch of some size */
    lb_read_stages(r, root, recipe);
    lb_read_compress(r, root, recipe);
    lb_read_exports(r, root, recipe);
}

static lb_code raise_findings(const lb_reader *r, const char *path, lb_error *err)
{
    const int n = r->findings.n;
    const char *const closing = lb_arena_text(
        r->arena, "%d mistake%s in '%s'; nothing was run", n, n == 1 ? "" : "s", path);

    if (!closing || r->findings.failed)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory for the recipe", path);
    return lb_findings_raise(&r->findings, LB_ERR_INPUT, path, closing, err);
}

lb_code lb_recipe_parse(const char *path, const char *chars, size_t n,
                        const char *const *sets, int n_sets, lb_arena *arena,
                        lb_recipe **out, lb_error *err)
{
    lb_reader r = {.arena = arena, .folder = lb_path_folder(arena, path)};
    lb_recipe *const recipe = LB_TAKE(arena, lb_recipe);

    if (!recipe || !r.folder)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory for the recipe", path);
    recipe->path = lb_arena_copy_text(arena, path);
    if (!recipe->path)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory for the recipe", path);
    lb_findings_init(&r.findings, arena);
    lb_tree *const root = lb_tree_parse(chars, n, NULL, &r.findings);
    for (int i = 0; root && root->kind == LB_TREE_MAP && i < n_sets; i++)
        lb_tree_set(root, sets[i], &r.findings);
    if (root && !r.findings.failed)
        read_root(&r, root, recipe);
    LB_TRY(raise_findings(&r, path, err));
    *out = recipe;
    return LB_OK;
}

lb_code lb_recipe_load(const char *path, const char *const *sets, int n_sets,
                       lb_arena *arena, lb_recipe **out, lb_error *err)
{
    lb_bytes bytes;

    LB_TRY(lb_read_file(arena, path, LB_TREE_MOST_BYTES, &bytes, err));
    return lb_recipe_parse(path, (const char *)bytes.data, bytes.size, sets, n_sets,
                           arena, out, err);
}
