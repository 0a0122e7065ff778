/* fuzz_recipe.c: any bytes as a recipe, the first line of them as a --set. */
#include "recipe/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A recipe that loads must load again from its own text, to the same text. */
static void check_resolved(const lb_recipe *recipe, lb_arena *arena)
{
    const char *const first = lb_recipe_text(recipe, arena);
    lb_recipe *again = NULL;
    lb_error err = {0};

    if (!first)
        return;
    const lb_code code = lb_recipe_parse("/tmp/again.yaml", first, strlen(first), NULL, 0,
                                         arena, &again, &err);
    if (code == LB_ERR_MEMORY)
        return;
    const char *const second = code == LB_OK ? lb_recipe_text(again, arena) : NULL;
    if (code != LB_OK || (second && strcmp(first, second) != 0)) {
        fprintf(stderr, "%s\n%s\n%s\n", err.text, first, second ? second : "(refused)");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *const end = size ? memchr(data, '\n', size) : NULL;
    const bool has_set = size > 3 && memcmp(data, "#S ", 3) == 0 && end;
    lb_arena *const arena = lb_arena_new((size_t)64 << 20);
    lb_recipe *recipe = NULL;
    lb_error err = {0};

    if (!arena)
        return 0;
    const char *const set = has_set ? lb_arena_copy_chars(arena, (const char *)data + 3,
                                                          (size_t)(end - data) - 3)
                                    : NULL;
    if (lb_recipe_parse("/tmp/fuzz.yaml", (const char *)data, size, &set, set != NULL,
                        arena, &recipe, &err) == LB_OK)
        check_resolved(recipe, arena);
    lb_arena_free(arena);
    return 0;
}
