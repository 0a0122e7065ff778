/* recipe_compress.c: what happens to the student once it is trained. */
#include "recipe/recipe_int.h"

#include <string.h>

static bool is_none(const lb_tree *value)
{
    return value->kind == LB_TREE_SCALAR && strcmp(value->text, "none") == 0;
}

/* {mode: qat, ...}, or the mode alone. */
static void read_quantize(lb_reader *r, const lb_tree *value, lb_recipe *recipe)
{
    const lb_section sections[] = {{lb_qat_keys, &recipe->qat},
                                   {lb_quantize_keys, &recipe->quantize}};
    const bool word = value->kind == LB_TREE_SCALAR;

    recipe->int8 = true;
    lb_read_map(r, word ? NULL : value, value, "quantize", sections, 2, NULL, NULL);
    if (word)
        lb_read_value(r, &lb_qat_keys[0], &recipe->qat, value);
}

void lb_read_compress(lb_reader *r, const lb_tree *root, lb_recipe *recipe)
{
    static const char *const forms[] = {"prune", "quantize", NULL};
    const lb_tree *const map = lb_tree_find(root, "compress");

    recipe->n_taught = recipe->n_stages;
    if (!map || is_none(map))
        return;
    lb_read_map(r, map, map, "compress", NULL, 0, forms, NULL);
    if (map->kind != LB_TREE_MAP)
        return;
    const lb_tree *const prune = lb_tree_find(map, "prune");
    const lb_tree *const quantize = lb_tree_find(map, "quantize");
    if (prune && !is_none(prune))
        lb_read_prune(r, prune, recipe);
    if (quantize && !is_none(quantize))
        read_quantize(r, quantize, recipe);
}
