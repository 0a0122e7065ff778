/* tflite_pack.c: lists of tensors and operators as the flatbuffer of a .tflite file.
 *
 * Parents stand before their children, since offsets lead forwards; the bytes of
 * constants come last, each at a multiple of 16. */
#include "tflite/tflite_write.h"

typedef struct packer {
    const lb_tfl_draft *d;
    lb_flat_out out;
    int *code;  /* [n_steps] number of the step's operator code */
    int *first; /* [n_steps] step that has code i first */
    int n_codes;
    int *buffer; /* [n_tensors]; 0: the empty one */
    int n_buffers;
} packer;

/* Operators that are alike share a code. */
static void number_codes(packer *p)
{
    for (int i = 0; i < p->d->n_steps; i++) {
        const lb_tfl_step *const s = &p->d->step[i];
        int c = 0;
        while (c < p->n_codes && (p->d->step[p->first[c]].code != s->code ||
                                  p->d->step[p->first[c]].version != s->version))
            c++;
        if (c == p->n_codes)
            p->first[p->n_codes++] = i;
        p->code[i] = c;
    }
    p->n_buffers = 1;
    for (int i = 0; i < p->d->n_tensors; i++)
        p->buffer[i] = p->d->tensor[i].data ? p->n_buffers++ : 0;
}

static size_t put_code(packer *p, const lb_tfl_step *s)
{
    const int old = s->code < LB_TFL_OLD_CODES_END ? s->code : LB_TFL_OLD_CODES_END;
    const lb_flat_field fields[] = {lb_flat_byte(LB_TFL_CODE_OLD, old),
                                    lb_flat_int(LB_TFL_CODE_VERSION, s->version),
                                    lb_flat_int(LB_TFL_CODE_NUMBER, s->code)};

    return lb_flat_put_table(&p->out, fields, 3);
}

static size_t put_grid(packer *p, const lb_tfl_sketch *t)
{
    const lb_flat_field fields[] = {lb_flat_offset(LB_TFL_QUANT_SCALE),
                                    lb_flat_offset(LB_TFL_QUANT_ZERO),
                                    lb_flat_int(LB_TFL_QUANT_AXIS, t->axis)};
    const size_t n = (size_t)t->n_scales;
    const size_t at = lb_flat_put_table(&p->out, fields, t->axis ? 3 : 2);

    lb_flat_link_field(&p->out, at, LB_TFL_QUANT_SCALE,
                       lb_flat_put_vector(&p->out, t->scale, n, 4, 4));
    lb_flat_link_field(&p->out, at, LB_TFL_QUANT_ZERO,
                       lb_flat_put_vector(&p->out, t->zero, n, 8, 8));
    return at;
}

static size_t put_tensor(packer *p, int i)
{
    const lb_tfl_sketch *const t = &p->d->tensor[i];
    const lb_flat_field fields[] = {
        lb_flat_offset(LB_TFL_TENSOR_SHAPE), lb_flat_byte(LB_TFL_TENSOR_TYPE, t->type),
        lb_flat_int(LB_TFL_TENSOR_BUFFER, p->buffer[i]),
        lb_flat_offset(LB_TFL_TENSOR_NAME), lb_flat_offset(LB_TFL_TENSOR_QUANTIZATION)};
    int32_t dim[LB_MAX_RANK] = {0};
    const size_t at = lb_flat_put_table(&p->out, fields, t->n_scales ? 5 : 4);

    for (int k = 0; k < t->shape.rank; k++)
        dim[k] = t->shape.dim[k];
    lb_flat_link_field(&p->out, at, LB_TFL_TENSOR_SHAPE,
                       lb_flat_put_vector(&p->out, dim, (size_t)t->shape.rank, 4, 4));
    lb_flat_link_field(&p->out, at, LB_TFL_TENSOR_NAME,
                       lb_flat_put_text(&p->out, t->name));
    if (t->n_scales)
        lb_flat_link_field(&p->out, at, LB_TFL_TENSOR_QUANTIZATION, put_grid(p, t));
    return at;
}

static size_t put_step(packer *p, int i)
{
    const lb_tfl_step *const s = &p->d->step[i];
    const lb_flat_field fields[] = {
        lb_flat_int(LB_TFL_OPERATOR_CODE, p->code[i]),
        lb_flat_offset(LB_TFL_OPERATOR_INPUTS), lb_flat_offset(LB_TFL_OPERATOR_OUTPUTS),
        lb_flat_byte(LB_TFL_OPERATOR_OPTIONS_TYPE, s->options_type),
        lb_flat_offset(LB_TFL_OPERATOR_OPTIONS)};
    const size_t at = lb_flat_put_table(&p->out, fields, s->options_type ? 5 : 3);

    lb_flat_link_field(&p->out, at, LB_TFL_OPERATOR_INPUTS,
                       lb_flat_put_vector(&p->out, s->in, (size_t)s->n_in, 4, 4));
    lb_flat_link_field(&p->out, at, LB_TFL_OPERATOR_OUTPUTS,
                       lb_flat_put_vector(&p->out, &s->out, 1, 4, 4));
    if (s->options_type)
        lb_flat_link_field(&p->out, at, LB_TFL_OPERATOR_OPTIONS,
                           lb_flat_put_table(&p->out, s->option, s->n_options));
    return at;
}

static size_t put_subgraph(packer *p)
{
    const lb_tfl_draft *const d = p->d;
    const lb_flat_field fields[] = {
        lb_flat_offset(LB_TFL_SUBGRAPH_TENSORS), lb_flat_offset(LB_TFL_SUBGRAPH_INPUTS),
        lb_flat_offset(LB_TFL_SUBGRAPH_OUTPUTS),
        lb_flat_offset(LB_TFL_SUBGRAPH_OPERATORS), lb_flat_offset(LB_TFL_SUBGRAPH_NAME)};
    const size_t at = lb_flat_put_table(&p->out, fields, 5);

    const size_t tensors = lb_flat_put_vector(&p->out, NULL, (size_t)d->n_tensors, 4, 4);
    lb_flat_link_field(&p->out, at, LB_TFL_SUBGRAPH_TENSORS, tensors);
    for (int i = 0; i < d->n_tensors; i++)
        lb_flat_link_item(&p->out, tensors, (size_t)i, put_tensor(p, i));
    lb_flat_link_field(&p->out, at, LB_TFL_SUBGRAPH_INPUTS,
                       lb_flat_put_vector(&p->out, d->input, (size_t)d->n_inputs, 4, 4));
    lb_flat_link_field(
        &p->out, at, LB_TFL_SUBGRAPH_OUTPUTS,
        lb_flat_put_vector(&p->out, d->output, (size_t)d->n_outputs, 4, 4));
    const size_t steps = lb_flat_put_vector(&p->out, NULL, (size_t)d->n_steps, 4, 4);
    lb_flat_link_field(&p->out, at, LB_TFL_SUBGRAPH_OPERATORS, steps);
    for (int i = 0; i < d->n_steps; i++)
        lb_flat_link_item(&p->out, steps, (size_t)i, put_step(p, i));
    lb_flat_link_field(&p->out, at, LB_TFL_SUBGRAPH_NAME,
                       lb_flat_put_text(&p->out, "main"));
    return at;
}

static size_t put_buffer(packer *p, const lb_tfl_sketch *t)
{
    enum { ALIGN = 16 }; /* the schema asks for it, so that files can be mapped */
    const lb_flat_field field = lb_flat_offset(LB_TFL_BUFFER_DATA);
    const size_t at = lb_flat_put_table(&p->out, &field, t ? 1 : 0);

    if (t)
        lb_flat_link_field(&p->out, at, LB_TFL_BUFFER_DATA,
                           lb_flat_put_vector(&p->out, t->data, t->bytes, 1, ALIGN));
    return at;
}

static void put_buffers(packer *p, size_t model)
{
    const size_t list = lb_flat_put_vector(&p->out, NULL, (size_t)p->n_buffers, 4, 4);

    lb_flat_link_field(&p->out, model, LB_TFL_MODEL_BUFFERS, list);
    lb_flat_link_item(&p->out, list, 0, put_buffer(p, NULL));
    for (int i = 0; i < p->d->n_tensors; i++)
        if (p->buffer[i])
            lb_flat_link_item(&p->out, list, (size_t)p->buffer[i],
                              put_buffer(p, &p->d->tensor[i]));
}

static void put_model(packer *p)
{
    const lb_flat_field fields[] = {
        lb_flat_int(LB_TFL_MODEL_VERSION, LB_TFL_VERSION),
        lb_flat_offset(LB_TFL_MODEL_CODES), lb_flat_offset(LB_TFL_MODEL_SUBGRAPHS),
        lb_flat_offset(LB_TFL_MODEL_DESCRIPTION), lb_flat_offset(LB_TFL_MODEL_BUFFERS)};
    const size_t at = lb_flat_put_table(&p->out, fields, 5);

    lb_flat_link_root(&p->out, at);
    const size_t codes = lb_flat_put_vector(&p->out, NULL, (size_t)p->n_codes, 4, 4);
    lb_flat_link_field(&p->out, at, LB_TFL_MODEL_CODES, codes);
    for (int i = 0; i < p->n_codes; i++)
        lb_flat_link_item(&p->out, codes, (size_t)i,
                          put_code(p, &p->d->step[p->first[i]]));
    const size_t subgraphs = lb_flat_put_vector(&p->out, NULL, 1, 4, 4);
    lb_flat_link_field(&p->out, at, LB_TFL_MODEL_SUBGRAPHS, subgraphs);
    lb_flat_link_item(&p->out, subgraphs, 0, put_subgraph(p));
    lb_flat_link_field(&p->out, at, LB_TFL_MODEL_DESCRIPTION,
                       lb_flat_put_text(&p->out, "limbeck " LB_VERSION));
    put_buffers(p, at);
}

lb_code lb_tfl_pack(const lb_tfl_draft *draft, lb_arena *arena, lb_bytes *out,
                    lb_error *err)
{
    packer p = {.d = draft,
                .code = LB_TAKE_ARRAY(arena, draft->n_steps + 1, int),
                .first = LB_TAKE_ARRAY(arena, draft->n_steps + 1, int),
                .buffer = LB_TAKE_ARRAY(arena, draft->n_tensors + 1, int)};

    lb_flat_begin(&p.out, arena, LB_TFL_IDENTIFIER);
    if (!p.code || !p.first || !p.buffer || p.out.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to write the network");
    number_codes(&p);
    put_model(&p);
    if (p.out.failed)
        return lb_raise(err, LB_ERR_MEMORY,
                        "no memory to write the network, or more than 2 GB of it");
    *out = (lb_bytes){p.out.data, p.out.n};
    return LB_OK;
}
