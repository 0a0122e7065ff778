/* dnnl_call.c: a oneDNN primitive as the kernels of this folder use it. */
#include "engine/onednn/dnnl_call.h"

#include <omp.h>
#include <string.h>

/* oneDNN plans for as many threads as OpenMP would give it. */
static int one_thread(void)
{
    const int was = omp_get_max_threads();

    if (was != 1)
        omp_set_num_threads(1);
    return was;
}

static void as_before(int was)
{
    if (was != 1)
        omp_set_num_threads(was);
}

bool lb_dnnl_open(lb_dnnl_desc *desc)
{
    *desc = (lb_dnnl_desc){0};
    return dnnl_engine_create(&desc->engine, dnnl_cpu, 0) == dnnl_success &&
           dnnl_primitive_attr_create(&desc->attr) == dnnl_success &&
           dnnl_primitive_attr_set_scratchpad_mode(
               desc->attr, dnnl_scratchpad_mode_user) == dnnl_success;
}

void lb_dnnl_close(lb_dnnl_desc *desc)
{
    if (desc->primitive)
        (void)dnnl_primitive_desc_destroy(desc->primitive);
    if (desc->attr)
        (void)dnnl_primitive_attr_destroy(desc->attr);
    if (desc->engine)
        (void)dnnl_engine_destroy(desc->engine);
    *desc = (lb_dnnl_desc){0};
}

bool lb_dnnl_find(lb_dnnl_desc *desc, const_dnnl_op_desc_t op)
{
    const char *name = "ref";
    const int was = one_thread();

    if (desc->primitive)
        (void)dnnl_primitive_desc_destroy(desc->primitive);
    desc->primitive = NULL;
    const dnnl_status_t status =
        dnnl_primitive_desc_create(&desc->primitive, op, desc->attr, desc->engine, NULL);

    as_before(was);
    if (status != dnnl_success)
        return false;
    return dnnl_primitive_desc_query(desc->primitive, dnnl_query_impl_info_str, 0,
                                     (void *)&name) == dnnl_success &&
           strncmp(name, "ref", 3) != 0;
}

const dnnl_memory_desc_t *lb_dnnl_wants(const lb_dnnl_desc *desc, int arg)
{
    return dnnl_primitive_desc_query_md(desc->primitive, dnnl_query_exec_arg_md, arg);
}

size_t lb_dnnl_bytes(const lb_dnnl_desc *desc, int arg)
{
    const dnnl_memory_desc_t *const md = lb_dnnl_wants(desc, arg);

    return md ? dnnl_memory_desc_get_size(md) : 0;
}

void lb_dnnl_destroy(void *state)
{
    lb_dnnl *const call = state;

    for (int i = 0; i < call->n_lanes; i++) {
        for (int k = 0; k < call->n_operands; k++)
            if (call->lane[i].arg[k].memory)
                (void)dnnl_memory_destroy(call->lane[i].arg[k].memory);
        if (call->lane[i].stream)
            (void)dnnl_stream_destroy(call->lane[i].stream);
    }
    for (int k = 0; k < 2; k++)
        if (call->reorder_arg[k].memory)
            (void)dnnl_memory_destroy(call->reorder_arg[k].memory);
    if (call->reorder_stream)
        (void)dnnl_stream_destroy(call->reorder_stream);
    if (call->reorder)
        (void)dnnl_primitive_destroy(call->reorder);
    if (call->primitive)
        (void)dnnl_primitive_destroy(call->primitive);
    if (call->engine)
        (void)dnnl_engine_destroy(call->engine);
    *call = (lb_dnnl){0};
}

static bool make_lane(lb_dnnl *call, const lb_dnnl_desc *desc,
                      const lb_dnnl_operand *operands, lb_dnnl_lane *lane)
{
    if (dnnl_stream_create(&lane->stream, call->engine, dnnl_stream_default_flags) !=
        dnnl_success)
        return false;
    for (int k = 0; k < call->n_operands; k++) {
        lane->arg[k].arg = operands[k].arg;
        if (dnnl_memory_create(&lane->arg[k].memory, lb_dnnl_wants(desc, operands[k].arg),
                               call->engine, DNNL_MEMORY_NONE) != dnnl_success)
            return false;
    }
    return true;
}

static bool make_call(lb_dnnl *call, const lb_dnnl_desc *desc,
                      const lb_dnnl_operand *operands, int n)
{
    const int was = one_thread();
    const dnnl_status_t status = dnnl_primitive_create(&call->primitive, desc->primitive);

    as_before(was);
    if (status != dnnl_success)
        return false;
    call->n_operands = n;
    for (int k = 0; k < n; k++)
        call->from[k] = operands[k].from;
    for (int i = 0; i < call->n_lanes; i++)
        if (!make_lane(call, desc, operands, &call->lane[i]))
            return false;
    return true;
}

lb_code lb_dnnl_create(lb_dnnl_desc *desc, const lb_ask *ask,
                       const lb_dnnl_operand *operands, int n, lb_arena *arena,
                       lb_dnnl *call, lb_error *err)
{
    call->lane = LB_TAKE_ARRAY(arena, ask->threads, lb_dnnl_lane);
    if (!call->lane) {
        lb_dnnl_close(desc);
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    }
    call->n_lanes = ask->threads;
    call->engine = desc->engine;
    desc->engine = NULL;
    const bool made = make_call(call, desc, operands, n);
    lb_dnnl_close(desc);
    if (made)
        return LB_OK;
    lb_dnnl_destroy(call);
    return lb_raise(err, LB_ERR_FAILED, "oneDNN cannot make its kernel");
}

static bool make_reorder(lb_dnnl *call, const dnnl_memory_desc_t *from,
                         const dnnl_memory_desc_t *to)
{
    dnnl_primitive_desc_t desc;
    const int was = one_thread();
    bool made = dnnl_reorder_primitive_desc_create(&desc, from, call->engine, to,
                                                   call->engine, NULL) == dnnl_success;

    if (made) {
        made = dnnl_primitive_create(&call->reorder, desc) == dnnl_success;
        (void)dnnl_primitive_desc_destroy(desc);
    }
    as_before(was);
    call->reorder_arg[0].arg = DNNL_ARG_FROM;
    call->reorder_arg[1].arg = DNNL_ARG_TO;
    return made &&
           dnnl_stream_create(&call->reorder_stream, call->engine,
                              dnnl_stream_default_flags) == dnnl_success &&
           dnnl_memory_create(&call->reorder_arg[0].memory, from, call->engine,
                              DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&call->reorder_arg[1].memory, to, call->engine,
                              DNNL_MEMORY_NONE) == dnnl_success;
}

lb_code lb_dnnl_add_reorder(lb_dnnl *call, const dnnl_memory_desc_t *from,
                            const dnnl_memory_desc_t *to, lb_error *err)
{
    if (make_reorder(call, from, to))
        return LB_OK;
    lb_dnnl_destroy(call);
    return lb_raise(err, LB_ERR_FAILED, "oneDNN cannot reorder weights");
}

/* oneDNN's handles are not const, but what is only read stays as it is. */
static void point_at(dnnl_exec_arg_t *arg, const void *data)
{
    void *address;

    memcpy(&address, &data, sizeof address);
    (void)dnnl_memory_set_data_handle(arg->memory, address);
}

static void execute(dnnl_primitive_t primitive, dnnl_stream_t stream, int n,
                    const dnnl_exec_arg_t *args)
{
    const int was = one_thread();

    (void)dnnl_primitive_execute(primitive, stream, n, args);
    as_before(was);
}

void lb_dnnl_reorder(lb_dnnl *call, const void *from, void *to)
{
    point_at(&call->reorder_arg[0], from);
    point_at(&call->reorder_arg[1], to);
    execute(call->reorder, call->reorder_stream, 2, call->reorder_arg);
}

void lb_dnnl_run(const lb_call *call)
{
    const lb_dnnl *const state = call->state;
    lb_dnnl_lane *const lane = &state->lane[call->lane];

    for (int k = 0; k < state->n_operands; k++) {
        const int from = state->from[k];
        point_at(&lane->arg[k], from == LB_DNNL_SCRATCH ? call->scratch
                                : from >= LB_DNNL_OUT   ? call->out[from - LB_DNNL_OUT]
                                                        : call->in[from]);
    }
    execute(state->primitive, lane->stream, state->n_operands, lane->arg);
}
