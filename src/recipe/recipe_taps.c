/* recipe_taps.c: the layers that a loss looks at, as a recipe names them: a word, a list
 * of words, or auto. Which layers they are is known when the networks are
 * (distill/taps.h). */
#include "recipe/recipe_int.h"

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
    static const char *const names[] = {"teacher", "student", "adapter"};

    for (int i = 0; i < 3; i++)
        if (lb_tree_find(item, names[i]))
            lb_tree_complain(&r->findings, lb_tree_find(item, names[i]),
                             "loss '%s' compares no layers; it takes no '%s'", loss->name,
                             names[i]);
}

void lb_read_taps(lb_reader *r, const lb_tree *item, lb_term *term)
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
