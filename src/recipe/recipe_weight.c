/* recipe_weight.c: a loss's weight where it is no number: one of the literature, one that
 * is found, or one that changes while training goes on. */
#include "recipe/recipe_int.h"

#include <string.h>

enum { MOST_NAMES = 32 };

/* The map without one of its keys; borrowed trees. NULL without memory. */
static const lb_tree *without(lb_reader *r, const lb_tree *map, const char *key)
{
    lb_tree *const rest = LB_TAKE(r->arena, lb_tree);
    lb_tree **const keys = LB_TAKE_ARRAY(r->arena, map->n + 1, lb_tree *);
    lb_tree **const children = LB_TAKE_ARRAY(r->arena, map->n + 1, lb_tree *);

    if (!rest || !keys || !children) {
        r->findings.failed = true;
        return NULL;
    }
    *rest = *map;
    rest->key = keys;
    rest->child = children;
    rest->n = 0;
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->key[i]->text, key) != 0) {
            keys[rest->n] = map->key[i];
            children[rest->n++] = map->child[i];
        }
    return rest;
}

static void complain_unknown(lb_reader *r, const lb_tree *value, const lb_loss *loss)
{
    const char *names[MOST_NAMES];
    int n = 0;

    for (const lb_preset *p = loss->presets; p && p->name && n < MOST_NAMES; p++)
        names[n++] = p->name;
    if (n == 0)
        lb_tree_complain(&r->findings, value,
                         "loss '%s' has no preset; its weight is a number", loss->name);
    else
        lb_tree_complain(&r->findings, value, "loss '%s' has no preset '%.60s'%s",
                         loss->name, value->text, lb_read_hint(r, value->text, names, n));
}

static void read_preset(lb_reader *r, const lb_tree *map, const lb_tree *value,
                        const lb_key *key, lb_term *term)
{
    const char *const name = lb_read_word(r, "preset", value);
    const lb_tree *const rest = without(r, map, "preset");

    if (!name || !rest)
        return;
    term->preset = lb_preset_find(term->loss, name);
    if (!term->preset) {
        complain_unknown(r, value, term->loss);
        term->weight = 1; /* one mistake, not also a weight of 0 */
        return;
    }
    term->weight = term->preset->weight;
    if (lb_tree_find(map, "to"))
        lb_tree_complain(&r->findings, lb_tree_find(map, "to"),
                         "'preset' and 'to' are the same number; one of them is enough");
    else if (rest->n > 0)
        lb_read_ramp(r, rest, key, term->weight, &term->weight_ramp);
}

bool lb_weight_is_word(const lb_tree *value)
{
    return value->kind == LB_TREE_MAP ||
           (value->kind == LB_TREE_SCALAR && strcmp(value->text, "auto") == 0);
}

/* `auto` or {auto: 0.5, steps: 100}. */
static void read_balance(lb_reader *r, const lb_tree *value, lb_balance *balance)
{
    const lb_section sections[] = {{lb_balance_keys, balance}};
    const bool is_map = value->kind == LB_TREE_MAP;

    lb_read_map(r, is_map ? value : NULL, value, "weight", sections, 1, NULL, NULL);
    balance->on = true;
}

void lb_read_weight(lb_reader *r, const lb_tree *map, const lb_key *key, lb_term *term)
{
    const lb_tree *const preset = lb_tree_find(map, "preset");

    if (map->kind != LB_TREE_MAP || lb_tree_find(map, "auto")) {
        read_balance(r, map, &term->balance);
        return;
    }
    if (preset) {
        read_preset(r, map, preset, key, term);
        return;
    }
    lb_read_ramp(r, map, key, 1, &term->weight_ramp);
    term->weight = term->weight_ramp.to;
}

/* Behind the other settings: what the number is depends on them. */
void lb_weigh_preset(lb_reader *r, const lb_tree *item, lb_term *term)
{
    if (!term->preset)
        return;
    if (lb_preset_fits(term->preset, term))
        lb_preset_weigh(term);
    else
        lb_tree_complain(&r->findings, lb_tree_find(item, "weight"),
                         "preset '%s' of loss '%s' is a weight for form: %s; there is "
                         "none for the form here",
                         term->preset->name, term->loss->name, term->preset->form);
}

/* Whether the two count in some epoch together. */
static bool meet(const lb_term *a, const lb_term *b)
{
    const int first = a->first > b->first ? a->first : b->first;

    return (a->end == 0 || first < a->end) && (b->end == 0 || first < b->end);
}

void lb_check_balance(lb_reader *r, const lb_tree *list, const lb_term *terms, int n)
{
    for (int i = 0; i < n; i++) {
        const lb_term *const term = &terms[i];
        bool found = !term->balance.on;
        for (int k = 0; k < n && !found; k++)
            found = lb_term_full_weight(&terms[k], terms[k].first) > 0 &&
                    meet(term, &terms[k]);
        if (!found)
            lb_tree_complain(
                &r->findings, lb_tree_find(list->child[i], "weight"),
                "the weight of loss '%s' is found beside losses with a weight "
                "above 0 of their own, and none counts in its epochs",
                term->loss->name);
    }
}
