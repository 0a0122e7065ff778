/* teacher_classes.c: a teacher whose list of classes is not the data's.
 *
 * The wanted logits are picked by a product with a matrix that has a single 1 in each
 * row, which is exact. The other classes' logits are gone before any softmax, so that the
 * wanted ones share all of the probability. */
#include "distill/teacher_int.h"

#include "base/text.h"
#include "graph/builder.h"
#include "ops/build.h"

#include <string.h>

enum { MOST_BYTES = 1 << 20 };

lb_value lb_teacher_logits_of(const lb_graph *g)
{
    const lb_value out = g->n_outputs > 0 ? g->outputs[0] : (lb_value){0};
    const lb_value_info *const info = lb_info(g, out);

    if (!out.id || info->kind != LB_VALUE_NODE)
        return out;
    const lb_node *const node = &g->nodes[info->node];
    if (strcmp(node->op->name, "Softmax") != 0)
        return out;
    const lb_shape *const in = &lb_info(g, node->in[0])->type.shape;
    return lb_shape_equal(in, &info->type.shape) ? node->in[0] : out;
}

static lb_code check_map(const lb_graph *g, lb_value logits, const int *classes, int n,
                         lb_error *err)
{
    const lb_type *const type = &lb_info(g, logits)->type;
    char text[LB_SHAPE_TEXT];

    if (!logits.id || !lb_type_batched(type) || type->shape.rank != 2 ||
        type->dtype != LB_F32)
        return lb_raise(err, LB_ERR_INPUT,
                        "'classes' picks outputs of a teacher with float32 logits "
                        "[N,classes]; this one's output is %s %s",
                        lb_dtype_name(type->dtype), lb_shape_text(&type->shape, text));
    for (int i = 0; i < n; i++)
        if (classes[i] < 0 || classes[i] >= type->shape.dim[1])
            return lb_raise(err, LB_ERR_INPUT,
                            "'classes' names output %d for class %d, but the teacher has "
                            "outputs 0 to %d",
                            classes[i], i, type->shape.dim[1] - 1);
    return LB_OK;
}

lb_code lb_teacher_map_classes(lb_graph *g, const int *classes, int n, lb_error *err)
{
    const lb_value logits = lb_teacher_logits_of(g);
    lb_tensor *picks;
    lb_builder b;

    LB_TRY(check_map(g, logits, classes, n, err));
    const lb_shape shape = lb_shape_of(2, n, lb_info(g, logits)->type.shape.dim[1]);
    LB_TRY(lb_tensor_new(g->arena, LB_F32, &shape, &picks, err));
    for (int i = 0; i < n; i++)
        lb_tensor_put(picks, (size_t)i * (size_t)shape.dim[1] + (size_t)classes[i], 1);
    lb_builder_init(&b, g);
    const lb_value w = lb_constant(&b, "classes/picks", picks);
    const lb_value picked =
        lb_gemm(&b, logits, w, (lb_value){0}, false, true, "classes/picked");
    g->n_outputs = 0;
    lb_output(&b, picked);
    return lb_builder_finish(&b, err);
}

static const char *next_line(const char **at, const char *end, lb_arena *arena)
{
    const char *const first = *at;
    const char *stop = memchr(first, '\n', (size_t)(end - first));

    *at = stop ? stop + 1 : end;
    if (!stop)
        stop = end;
    while (stop > first && strchr(" \t\r", stop[-1]))
        stop--;
    return lb_arena_copy_chars(arena, first, (size_t)(stop - first));
}

/* Empty lines at the end do not count. */
static lb_code read_names(const char *path, lb_arena *arena, const char ***names,
                          int *n_names, lb_error *err)
{
    lb_bytes bytes;
    int n = 0, named = 0;

    LB_TRY(lb_read_file(arena, path, MOST_BYTES, &bytes, err));
    const char *at = (const char *)bytes.data;
    const char *const end = at + bytes.size;
    const char **const list = LB_TAKE_ARRAY(arena, bytes.size + 1, const char *);
    while (list && at < end) {
        list[n] = next_line(&at, end, arena);
        if (!list[n])
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the names of classes");
        if (*list[n++])
            named = n;
    }
    if (!list)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the names of classes");
    *names = list;
    *n_names = named;
    return LB_OK;
}

static int place_of(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

lb_code lb_teacher_find_classes(const char *path, const lb_content *content,
                                lb_arena *arena, const int **out, lb_error *err)
{
    const int n = content->n_classes;
    const char **names;
    int n_names;

    if (!content->class_names)
        return lb_raise(err, LB_ERR_INPUT,
                        "'classes' is a file of names, but the data's classes have none; "
                        "give them as data.class_names, or 'classes' as a list of "
                        "numbers");
    LB_TRY(read_names(path, arena, &names, &n_names, err));
    int *const classes = LB_TAKE_ARRAY(arena, n, int);
    for (int i = 0; classes && i < n; i++) {
        const char *const name = content->class_names[i];
        classes[i] = place_of(name, names, n_names);
        if (classes[i] >= 0 &&
            place_of(name, names + classes[i] + 1, n_names - classes[i] - 1) < 0)
            continue;
        const char *const near = lb_nearest(name, names, n_names);
        if (classes[i] >= 0)
            return lb_raise(err, LB_ERR_INPUT, "%s: two lines name the class '%.60s'",
                            path, name);
        return lb_raise(err, LB_ERR_INPUT, "%s: no line names the class '%.60s'%s%.60s%s",
                        path, name, near ? "; is it called '" : "", near ? near : "",
                        near ? "'?" : "");
    }
    if (!classes)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the map of classes");
    *out = classes;
    return LB_OK;
}
