/* recipe_ramp.c: numbers that change while training goes on, and the epochs of a loss. */
#include "recipe/recipe_int.h"

#include <stddef.h>
#include <string.h>

lb_ramp_rows lb_ramp_rows_of(const lb_key *key)
{
    lb_ramp_rows rows = {0};

    for (int i = 0; i < 5; i++)
        rows.key[i] = lb_ramp_keys[i];
    for (int i = 0; i < 2; i++) { /* from, to */
        rows.key[i].min = key->min;
        rows.key[i].max = key->max;
    }
    return rows;
}

/* Where it begins is known: at zero for a warm-up, else as written. */
static void check_ramp(lb_reader *r, const lb_tree *map, const lb_key *key,
                       const lb_ramp *ramp)
{
    const bool warms = lb_tree_find(map, "warmup") != NULL;

    if (warms && lb_tree_find(map, "over"))
        lb_tree_complain(
            &r->findings, lb_tree_find(map, "over"),
            "'warmup' and 'over' are the same number; one of them is enough");
    else if (!warms && !lb_tree_find(map, "over") && ramp->shape != LB_RAMP_STEP)
        lb_tree_complain(&r->findings, map,
                         "'%s' changes, but 'over' is missing: how many epochs it takes",
                         key->name);
    if (!lb_tree_find(map, "from") && (!warms || key->min > 0))
        lb_tree_complain(&r->findings, map,
                         "'%s' changes, but 'from' is missing: where it begins",
                         key->name);
}

void lb_read_ramp(lb_reader *r, const lb_tree *map, const lb_key *key, double usual,
                  lb_ramp *ramp)
{
    static const char *const forms[] = {"warmup", NULL};
    const lb_ramp_rows rows = lb_ramp_rows_of(key);
    const lb_section sections[] = {{rows.key, ramp}};
    const lb_tree *const warmup = lb_tree_find(map, "warmup");

    lb_read_map(r, map, map, key->name, sections, 1, forms, NULL);
    ramp->on = true;
    if (!lb_tree_find(map, "to"))
        ramp->to = usual;
    if (warmup) {
        lb_key over = *lb_key_find(rows.key, "over");
        over.name = "warmup";
        lb_read_value(r, &over, ramp, warmup);
    }
    check_ramp(r, map, key, ramp);
}

/* One end of a span; an empty one stays. False after a finding. */
static bool read_end(lb_reader *r, const lb_tree *value, const lb_key *key,
                     const char *text, size_t n, lb_term *term)
{
    lb_tree end = *value;

    if (n == 0)
        return true;
    end.text = lb_arena_copy_chars(r->arena, text, n);
    if (!end.text) {
        r->findings.failed = true;
        return false;
    }
    return lb_read_value(r, key, term, &end);
}

void lb_read_epochs(lb_reader *r, const lb_tree *value, lb_term *term)
{
    const char *const text = lb_read_word(r, "epochs", value);
    const char *const dots = text ? strstr(text, "..") : NULL;

    if (!text)
        return;
    if (!dots || strlen(text) == 2) {
        lb_tree_complain(&r->findings, value,
                         "the epochs of a loss are a span such as 0..5, the first five, "
                         "or 5.., all others; not '%.60s'",
                         text);
        return;
    }
    if (read_end(r, value, &lb_first_key, text, (size_t)(dots - text), term) &&
        read_end(r, value, &lb_end_key, dots + 2, strlen(dots + 2), term) &&
        term->end > 0 && term->end <= term->first)
        lb_tree_complain(&r->findings, value,
                         "the epochs of a loss must rise: '%.60s' is no epoch at all",
                         text);
}
