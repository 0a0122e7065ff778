/* dnn.c: oneDNN primitives and their memory objects. */
#include "engine/onednn/dnn.h"

#include <omp.h>
#include <string.h>

lb_code lb_dnn_failed(lb_error *err, const char *what)
{
    return lb_raise(err, LB_ERR_FAILED, "oneDNN refused %s that it had offered", what);
}

dnnl_engine_t lb_dnn_engine(void)
{
    dnnl_engine_t engine = NULL;

    return dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success ? engine : NULL;
}

void lb_dnn_single(void)
{
    if (omp_get_max_threads() != 1)
        omp_set_num_threads(1);
}

dnnl_primitive_attr_t lb_dnn_attr(void)
{
    dnnl_primitive_attr_t attr = NULL;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success)
        return NULL;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) !=
        dnnl_success) {
        dnnl_primitive_attr_destroy(attr);
        return NULL;
    }
    return attr;
}

size_t lb_dnn_scratch(dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *const md =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);

    return md ? dnnl_memory_desc_get_size(md) : 0;
}

bool lb_dnn_is_slow(dnnl_primitive_desc_t pd)
{
    const char *name = NULL;

    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) !=
        dnnl_success)
        return true;
    return strncmp(name, "ref", 3) == 0 || strstr(name, ":ref") != NULL;
}

bool lb_dnn_plain_desc(int n, const dnnl_dims_t dims, dnnl_memory_desc_t *out)
{
    static const dnnl_format_tag_t tags[] = {dnnl_a,   dnnl_a,    dnnl_ab,
                                             dnnl_abc, dnnl_abcd, dnnl_abcde};

    return dnnl_memory_desc_init_by_tag(out, n, dims, dnnl_f32, tags[n]) == dnnl_success;
}

bool lb_dnn_map_desc(const lb_ask *ask, const lb_type *type, lb_layout layout,
                     dnnl_memory_desc_t *out)
{
    const lb_shape *const s = &type->shape;
    const int b = ask->block;
    dnnl_dims_t dims = {s->dim[0], s->dim[1], 1, 1};
    dnnl_format_tag_t tag = dnnl_nchw;

    if (s->rank < 3 || s->rank > 4 || type->dtype != LB_F32)
        return false;
    dims[3] = s->dim[s->rank - 1];
    dims[2] = s->rank == 4 ? s->dim[2] : 1;
    if (layout == LB_BLOCKED) {
        dims[1] = (dims[1] + b - 1) / b * b;
        tag = b == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    }
    return dnnl_memory_desc_init_by_tag(out, 4, dims, dnnl_f32, tag) == dnnl_success;
}

static lb_code open_lane(lb_dnn *dnn, lb_dnn_lane *lane,
                         const dnnl_memory_desc_t *const *mds, lb_error *err)
{
    if (dnnl_stream_create(&lane->stream, dnn->engine, dnnl_stream_default_flags) !=
        dnnl_success)
        return lb_dnn_failed(err, "a stream");
    for (int k = 0; k < dnn->n_args; k++)
        if (dnnl_memory_create(&lane->memory[k], mds[k], dnn->engine, DNNL_MEMORY_NONE) !=
            dnnl_success)
            return lb_dnn_failed(err, "a memory object");
    return LB_OK;
}

lb_code lb_dnn_open(lb_dnn *dnn, dnnl_engine_t engine, dnnl_primitive_desc_t pd,
                    const int *ids, const dnnl_memory_desc_t *const *mds, int n_args,
                    int n_lanes, lb_arena *arena, lb_error *err)
{
    const dnnl_memory_desc_t *all[LB_DNN_ARGS] = {NULL};

    *dnn = (lb_dnn){.engine = engine, .n_args = n_args, .n_lanes = n_lanes};
    for (int k = 0; k < n_args; k++) {
        dnn->id[k] = ids[k];
        all[k] = mds[k];
    }
    if (lb_dnn_scratch(pd) > 0) {
        dnn->id[dnn->n_args] = DNNL_ARG_SCRATCHPAD;
        all[dnn->n_args++] =
            dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    }
    dnn->lane = LB_TAKE_ARRAY(arena, n_lanes, lb_dnn_lane);
    if (!dnn->lane)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    lb_dnn_single();
    if (dnnl_primitive_create(&dnn->primitive, pd) != dnnl_success)
        return lb_dnn_failed(err, "a primitive");
    for (int i = 0; i < n_lanes; i++)
        LB_TRY(open_lane(dnn, &dnn->lane[i], all, err));
    return LB_OK;
}

void lb_dnn_close(lb_dnn *dnn)
{
    for (int i = 0; dnn->lane && i < dnn->n_lanes; i++) {
        for (int k = 0; k < dnn->n_args; k++)
            if (dnn->lane[i].memory[k])
                dnnl_memory_destroy(dnn->lane[i].memory[k]);
        if (dnn->lane[i].stream)
            dnnl_stream_destroy(dnn->lane[i].stream);
    }
    if (dnn->primitive)
        dnnl_primitive_destroy(dnn->primitive);
    dnn->primitive = NULL;
    dnn->lane = NULL;
}

void lb_dnn_run(const lb_dnn *dnn, int lane, const void *const *buffers, void *scratch)
{
    const lb_dnn_lane *const l = &dnn->lane[lane];
    dnnl_exec_arg_t args[LB_DNN_ARGS];

    lb_dnn_single();
    for (int k = 0; k < dnn->n_args; k++) {
        void *const at =
            dnn->id[k] == DNNL_ARG_SCRATCHPAD ? scratch : (void *)(uintptr_t)buffers[k];
        (void)dnnl_memory_set_data_handle(l->memory[k], at);
        args[k] = (dnnl_exec_arg_t){dnn->id[k], l->memory[k]};
    }
    (void)dnnl_primitive_execute(dnn->primitive, l->stream, dnn->n_args, args);
}
