/* tflite_file.c: the tables of a .tflite file, checked and gathered.
 *
 * Only the first subgraph is read: it is the network. After this every index that an
 * operator names is in range and no pointer leads out of the file. */
#include "tflite/tflite.h"

#include "tflite/tflite_int.h"

#include <stdlib.h>
#include <string.h>

/* Far beyond any network for a device; keeps what a hostile file can ask for small. */
enum { MOST_TENSORS = 1 << 20, MOST_OPERATORS = 1 << 18 };

typedef struct source {
    const char *name;
    lb_arena *scratch;
    lb_tfl_file *file;
    lb_flat_vector codes, buffers; /* of tables */
} source;

static lb_code cut_short(const source *s, lb_error *err)
{
    return lb_raise(err, LB_ERR_INPUT, "%s: not a TensorFlow Lite file, or cut short",
                    s->name);
}

static lb_code no_room(const source *s, lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to read the network", s->name);
}

/* Names from a file may hold a terminal's commands. NULL without memory. */
static const char *text_of(const source *s, lb_flat_vector text)
{
    const size_t n = text.n < LB_TFL_MAX_NAME ? text.n : LB_TFL_MAX_NAME;
    char *const copy = lb_arena_copy_chars(s->scratch, (const char *)text.data, n);

    for (char *c = copy; copy && c < copy + n; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return copy;
}

static void read_shape(const lb_flat_vector *dims, lb_tfl_tensor *t)
{
    size_t n;

    if (dims->n > LB_MAX_RANK) {
        t->strange = "it has more than 6 dimensions";
        return;
    }
    t->shape.rank = (int)dims->n;
    for (int i = 0; i < t->shape.rank; i++) {
        t->shape.dim[i] = lb_flat_item_i32(dims, (size_t)i);
        if (t->shape.dim[i] < 1)
            t->strange = "it has a dimension below 1";
    }
    if (!t->strange && !lb_shape_count(&t->shape, &n))
        t->strange = "it has too many elements";
}

/* A constant's bytes stand in its buffer, or behind the flatbuffer. */
static void read_data(const source *s, uint32_t number, lb_tfl_tensor *t)
{
    lb_flat *const f = &s->file->flat;

    if (number == 0) /* always empty */
        return;
    if (number >= s->buffers.n) {
        f->broken = true;
        return;
    }
    const lb_flat_table buffer = lb_flat_item_table(f, &s->buffers, number);
    const uint64_t offset = lb_flat_u64(f, &buffer, LB_TFL_BUFFER_OFFSET, 0);
    const uint64_t size = lb_flat_u64(f, &buffer, LB_TFL_BUFFER_SIZE, 0);
    t->data = lb_flat_items(f, &buffer, LB_TFL_BUFFER_DATA, 1);
    if (offset > 1 && offset <= f->size && size <= f->size - offset)
        t->data = (lb_flat_vector){f->data + offset, (size_t)size};
    else if (offset > 1)
        f->broken = true;
    if (t->data.n == 0)
        t->data.data = NULL;
}

static void read_grid(const source *s, const lb_flat_table *table, lb_tfl_tensor *t)
{
    lb_flat *const f = &s->file->flat;

    t->scale = lb_flat_items(f, table, LB_TFL_QUANT_SCALE, 4);
    t->zero = lb_flat_items(f, table, LB_TFL_QUANT_ZERO, 8);
    t->axis = lb_flat_i32(f, table, LB_TFL_QUANT_AXIS, 0);
    if (t->scale.n == 0)
        t->scale.data = t->zero.data = NULL;
    else if (t->zero.n != t->scale.n && t->zero.n != 0)
        t->strange = "it has not as many zero points as scales";
}

static lb_code read_tensor(const source *s, const lb_flat_table *table, lb_tfl_tensor *t,
                           lb_error *err)
{
    lb_flat *const f = &s->file->flat;
    const lb_flat_vector dims = lb_flat_items(f, table, LB_TFL_TENSOR_SHAPE, 4);
    const lb_flat_table grid = lb_flat_sub(f, table, LB_TFL_TENSOR_QUANTIZATION);
    const lb_flat_table sparsity = lb_flat_sub(f, table, LB_TFL_TENSOR_SPARSITY);

    t->name = text_of(s, lb_flat_items(f, table, LB_TFL_TENSOR_NAME, 1));
    if (!t->name)
        return no_room(s, err);
    t->type = lb_flat_i8(f, table, LB_TFL_TENSOR_TYPE, 0);
    read_shape(&dims, t);
    read_data(s, lb_flat_u32(f, table, LB_TFL_TENSOR_BUFFER, 0), t);
    read_grid(s, &grid, t);
    if (sparsity.at)
        t->strange = "it is stored as a sparse tensor";
    if (lb_flat_u8(f, table, LB_TFL_TENSOR_VARIABLE, 0))
        t->strange = "it is a variable that outlives a run";
    return LB_OK;
}

static lb_code read_tensors(const source *s, const lb_flat_table *subgraph, lb_error *err)
{
    lb_flat *const f = &s->file->flat;
    const lb_flat_vector list = lb_flat_items(f, subgraph, LB_TFL_SUBGRAPH_TENSORS, 4);

    if (list.n > MOST_TENSORS)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "%s: %zu tensors are too many", s->name,
                        list.n);
    s->file->n_tensors = (int)list.n;
    s->file->tensor = LB_TAKE_ARRAY(s->scratch, list.n + 1, lb_tfl_tensor);
    if (!s->file->tensor)
        return no_room(s, err);
    for (size_t i = 0; i < list.n && !f->broken; i++) {
        const lb_flat_table table = lb_flat_item_table(f, &list, i);
        LB_TRY(read_tensor(s, &table, &s->file->tensor[i], err));
    }
    return LB_OK;
}

/* Numbers of tensors, checked; `least` is -1 where some may be left out. */
static lb_code read_numbers(const source *s, lb_flat_vector v, int least,
                            const int32_t **out, int *n, lb_error *err)
{
    enum { MOST = 1 << 16 };

    if (v.n > MOST) /* of one operator: many operators may share one vector */
        return lb_raise(err, LB_ERR_UNSUPPORTED, "%s: %zu inputs or outputs are too many",
                        s->name, v.n);
    int32_t *const list = LB_TAKE_ARRAY(s->scratch, v.n + 1, int32_t);
    if (!list)
        return no_room(s, err);
    for (size_t i = 0; i < v.n; i++) {
        list[i] = lb_flat_item_i32(&v, i);
        if (list[i] < least || list[i] >= s->file->n_tensors)
            return lb_raise(err, LB_ERR_INPUT, "%s: names tensor %d, but has %d", s->name,
                            list[i], s->file->n_tensors);
    }
    *out = list;
    *n = (int)v.n;
    return LB_OK;
}

static lb_code read_code(const source *s, uint32_t number, lb_tfl_op *op, lb_error *err)
{
    lb_flat *const f = &s->file->flat;

    if (number >= s->codes.n)
        return cut_short(s, err);
    const lb_flat_table code = lb_flat_item_table(f, &s->codes, number);
    const int old = lb_flat_i8(f, &code, LB_TFL_CODE_OLD, 0);
    const int32_t now = lb_flat_i32(f, &code, LB_TFL_CODE_NUMBER, 0);
    const lb_flat_vector custom = lb_flat_items(f, &code, LB_TFL_CODE_CUSTOM, 1);
    op->code = old > now ? old : now;
    op->custom = op->code == LB_TFL_CUSTOM ? text_of(s, custom) : NULL;
    if (op->code == LB_TFL_CUSTOM && !op->custom)
        return no_room(s, err);
    return LB_OK;
}

static lb_code read_operator(const source *s, const lb_flat_table *table, lb_tfl_op *op,
                             lb_error *err)
{
    lb_flat *const f = &s->file->flat;
    const lb_flat_vector in = lb_flat_items(f, table, LB_TFL_OPERATOR_INPUTS, 4);
    const lb_flat_vector out = lb_flat_items(f, table, LB_TFL_OPERATOR_OUTPUTS, 4);

    LB_TRY(read_code(s, lb_flat_u32(f, table, LB_TFL_OPERATOR_CODE, 0), op, err));
    LB_TRY(read_numbers(s, in, -1, &op->in, &op->n_in, err));
    LB_TRY(read_numbers(s, out, 0, &op->out, &op->n_out, err));
    op->options_type = lb_flat_u8(f, table, LB_TFL_OPERATOR_OPTIONS_TYPE, 0);
    op->options = lb_flat_sub(f, table, LB_TFL_OPERATOR_OPTIONS);
    return LB_OK;
}

static lb_code read_operators(const source *s, const lb_flat_table *subgraph,
                              lb_error *err)
{
    lb_flat *const f = &s->file->flat;
    const lb_flat_vector list = lb_flat_items(f, subgraph, LB_TFL_SUBGRAPH_OPERATORS, 4);

    if (list.n > MOST_OPERATORS)
        return lb_raise(err, LB_ERR_UNSUPPORTED, "%s: %zu operators are too many",
                        s->name, list.n);
    s->file->n_ops = (int)list.n;
    s->file->op = LB_TAKE_ARRAY(s->scratch, list.n + 1, lb_tfl_op);
    if (!s->file->op)
        return no_room(s, err);
    for (size_t i = 0; i < list.n && !f->broken; i++) {
        const lb_flat_table table = lb_flat_item_table(f, &list, i);
        LB_TRY(read_operator(s, &table, &s->file->op[i], err));
    }
    return LB_OK;
}

/* ------------------------------------------------------------------------ short names */

/* TensorFlow joins the names of all that it fused with semicolons; the first is that of
 * what came last. */
static size_t first_part(const char *name)
{
    return strcspn(name, ";");
}

static int by_first_part(const void *a, const void *b)
{
    const lb_tfl_tensor *const x = *(lb_tfl_tensor *const *)a;
    const lb_tfl_tensor *const y = *(lb_tfl_tensor *const *)b;
    const size_t n = first_part(x->name), m = first_part(y->name);
    const int order = memcmp(x->name, y->name, n < m ? n : m);

    return order ? order : (n > m) - (n < m);
}

/* Of tensors with one first part, the one that is computed may be called so, if it is the
 * only one and nothing else is called so already. */
static lb_code shorten(const source *s, lb_tfl_tensor *const *group, size_t n,
                       lb_error *err)
{
    const size_t part = first_part(group[0]->name);
    lb_tfl_tensor *chosen = NULL;
    int n_others = 0;

    for (size_t i = 0; i < n; i++) {
        const bool is_long = group[i]->name[part] == ';';
        if (!is_long || (chosen && !group[i]->data.data))
            n_others++;
        else if (!group[i]->data.data)
            chosen = group[i];
    }
    if (!chosen || n_others || part == 0)
        return LB_OK;
    chosen->name = lb_arena_copy_chars(s->scratch, chosen->name, part);
    return chosen->name ? LB_OK : no_room(s, err);
}

static lb_code shorten_names(const source *s, lb_error *err)
{
    const size_t n = (size_t)s->file->n_tensors;
    lb_tfl_tensor **const list = LB_TAKE_ARRAY(s->scratch, n + 1, lb_tfl_tensor *);

    if (!list)
        return no_room(s, err);
    for (size_t i = 0; i < n; i++)
        list[i] = &s->file->tensor[i];
    qsort(list, n, sizeof *list, by_first_part);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && by_first_part(&list[i], &list[end]) == 0;)
            end++;
        LB_TRY(shorten(s, list + i, end - i, err));
    }
    return LB_OK;
}

static lb_code read_subgraph(const source *s, const lb_flat_table *g, lb_error *err)
{
    lb_flat *const f = &s->file->flat;

    LB_TRY(read_tensors(s, g, err));
    LB_TRY(read_numbers(s, lb_flat_items(f, g, LB_TFL_SUBGRAPH_INPUTS, 4), 0,
                        &s->file->input, &s->file->n_inputs, err));
    LB_TRY(read_numbers(s, lb_flat_items(f, g, LB_TFL_SUBGRAPH_OUTPUTS, 4), 0,
                        &s->file->output, &s->file->n_outputs, err));
    LB_TRY(read_operators(s, g, err));
    return s->file->flat.broken ? LB_OK : shorten_names(s, err);
}

bool lb_tflite_is(const uint8_t *data, size_t size)
{
    return size >= 8 && memcmp(data + 4, LB_TFL_IDENTIFIER, 4) == 0;
}

lb_code lb_tfl_read_file(const char *name, const uint8_t *data, size_t size,
                         lb_arena *scratch, lb_tfl_file *out, lb_error *err)
{
    source s = {.name = name, .scratch = scratch, .file = out};
    lb_flat *const f = &out->flat;

    *f = (lb_flat){.data = data, .size = size};
    if (!lb_tflite_is(data, size))
        return cut_short(&s, err);
    const lb_flat_table model = lb_flat_root(f);
    const uint32_t version = lb_flat_u32(f, &model, LB_TFL_MODEL_VERSION, 0);
    s.codes = lb_flat_items(f, &model, LB_TFL_MODEL_CODES, 4);
    s.buffers = lb_flat_items(f, &model, LB_TFL_MODEL_BUFFERS, 4);
    const lb_flat_vector subgraphs = lb_flat_items(f, &model, LB_TFL_MODEL_SUBGRAPHS, 4);
    if (f->broken || subgraphs.n == 0)
        return cut_short(&s, err);
    if (version != LB_TFL_VERSION)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: version %u of the format is not supported; %d is", name,
                        version, (int)LB_TFL_VERSION);
    const lb_flat_table first = lb_flat_item_table(f, &subgraphs, 0);
    const lb_code code = read_subgraph(&s, &first, err);
    /* what a broken table seems to say is no ground for another complaint */
    return f->broken ? cut_short(&s, err) : code;
}
