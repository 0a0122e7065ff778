/* recipe_taps.c: the layers that a loss looks at, as a recipe names them: a word, a list
 * of words, or auto. Which layers they are is known when the networks are
 * (distill/taps.h). */
#include "recipe/recipe_int.h"

#include "base/number.h"

#include <string.h>

static bool is_auto(const lb_tree *value)
{
    return !value || (value->kind == LB_TREE_SCALAR && strcmp(value->text, "auto") == 0);
}

/* A word or a list of words; 0 after a finding. */
static int read_words(lb_reader *r, const char *key, const lb_tree *value,
                      const char *const **out)
{
    const int n = value->kind == LB_TREE_LIST ? value->n : 1;
    const char **const words = LB_TAKE_ARRAY(r->arena, n > 0 ? n : 1, const char *);

    if (!words) {
        r->findings.failed = true;
        return 0;
    }
    if (value->kind == LB_TREE_MAP || n == 0 || n > LB_MAX_PAIRS) {
        lb_tree_complain(&r->findings, value,
                         "'%s' must be a layer, a list of 1 to %d layers, or auto", key,
                         LB_MAX_PAIRS);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        const lb_tree *const item = value->kind == LB_TREE_LIST ? value->child[i] : value;
        words[i] = lb_read_word(r, key, item);
        if (!words[i])
            return 0;
    }
    *out = words;
    return n;
}

/* A loss over answers has no layers. */
static void refuse_taps(lb_reader *r, const lb_tree *item, const lb_loss *loss)
{
    static const char *const names[] = {"of", "teacher", "student", "adapter"};

    for (int i = 0; i < 4; i++)
        if (lb_tree_find(item, names[i]))
            lb_tree_complain(&r->findings, lb_tree_find(item, names[i]),
                             "loss '%s' compares no layers; it takes no '%s'", loss->name,
                             names[i]);
}

/* The names that the recipe gives its teachers; how many have one. */
static int list_names(const lb_recipe *recipe, const char *names[LB_MAX_TEACHERS])
{
    int n = 0;

    for (int k = 0; k < recipe->ensemble.n; k++)
        if (recipe->teacher[k].name)
            names[n++] = recipe->teacher[k].name;
    return n;
}

/* A teacher by its name, or by its number as --set counts them, from 0. */
static void read_of(lb_reader *r, const lb_tree *value, const lb_recipe *recipe,
                    lb_taps *taps)
{
    const char *const word = lb_read_word(r, "of", value);
    const char *names[LB_MAX_TEACHERS];
    const int n = recipe->has_teacher ? recipe->ensemble.n : 0;
    int64_t number;

    if (!word || n == 0)
        return;
    taps->of_as = word;
    taps->of_one = true;
    for (int k = 0; k < n; k++)
        if (recipe->teacher[k].name && strcmp(recipe->teacher[k].name, word) == 0) {
            taps->of = k;
            return;
        }
    if (lb_number_parse_int(word, strlen(word), &number) && number >= 0 && number < n) {
        taps->of = (int)number;
        return;
    }
    const int n_names = list_names(recipe, names);
    lb_tree_complain(
        &r->findings, value,
        "'of' is the name of a teacher or its number, 0 to %d, not '%.60s'%s", n - 1,
        word, n_names > 0 ? lb_read_hint(r, word, names, n_names) : "");
}

void lb_read_taps(lb_reader *r, const lb_tree *item, const lb_recipe *recipe,
                  lb_term *term)
{
    const lb_tree *const teacher = lb_tree_find(item, "teacher");
    const lb_tree *const student = lb_tree_find(item, "student");
    lb_taps *const taps = &term->taps;

    if (!(term->loss->needs & LB_NEEDS_HINTS)) {
        refuse_taps(r, item, term->loss);
        return;
    }
    taps->line = item->set ? 0 : item->line;
    taps->column = item->set ? 0 : item->column;
    if (lb_tree_find(item, "of"))
        read_of(r, lb_tree_find(item, "of"), recipe, taps);
    if (is_auto(teacher) && is_auto(student))
        return;
    if (is_auto(teacher) || is_auto(student)) {
        lb_tree_complain(&r->findings, is_auto(teacher) ? student : teacher,
                         "loss '%s' names layers of the %s alone; name those of the %s, "
                         "too, or none for auto",
                         term->loss->name, is_auto(teacher) ? "student" : "teacher",
                         is_auto(teacher) ? "teacher" : "student");
        return;
    }
    taps->n_teacher = read_words(r, "teacher", teacher, &taps->teacher);
    taps->n_student = read_words(r, "student", student, &taps->student);
}
