/* onnx_load.c: ONNX files from disk: networks, and weights for a network. */
#include "onnx/onnx.h"

#include "graph/graph_file.h"
#include "onnx/onnx_int.h"

#include <string.h>

/* protobuf-c takes all its memory from an arena with a limit; giving back does nothing.
 */
typedef struct taker {
    lb_arena *arena;
    bool refused;
} taker;

static void *take(void *data, size_t size)
{
    taker *const t = data;
    void *const p = lb_arena_take(t->arena, size);

    t->refused = t->refused || !p;
    return p;
}

static void give(void *data, void *p)
{
    (void)data;
    (void)p;
}

static lb_code unpack(const char *name, const uint8_t *data, size_t size, lb_arena *arena,
                      Onnx__ModelProto **out, lb_error *err)
{
    taker t = {.arena = arena};
    ProtobufCAllocator allocator = {.alloc = take, .free = give, .allocator_data = &t};

    switch (lb_onnx_scan_model(data, size)) {
    case LB_SCAN_FINE:
        break;
    case LB_SCAN_BROKEN:
        return lb_raise(err, LB_ERR_INPUT, "%s: not an ONNX file, or cut short", name);
    case LB_SCAN_DEEP:
        return lb_raise(err, LB_ERR_INPUT, "%s: its parts are nested too deeply", name);
    }
    *out = onnx__model_proto__unpack(&allocator, size, data);
    if (!*out && t.refused)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory to unpack %zu bytes", name,
                        size);
    if (!*out)
        return lb_raise(err, LB_ERR_INPUT, "%s: not an ONNX file, or cut short", name);
    return LB_OK;
}

lb_code lb_onnx_parse(const char *name, const uint8_t *data, size_t size, lb_graph **out,
                      lb_error *err)
{
    enum { UNPACKED_PER_BYTE = 32, UNPACKED_FLOOR = 1 << 20 };
    Onnx__ModelProto *model = NULL;

    LB_TRY(lb_graph_file_check(name, size, err));
    lb_arena *const packed = lb_arena_new(size * UNPACKED_PER_BYTE + UNPACKED_FLOOR);
    lb_arena *const scratch = lb_arena_new(0);
    lb_code code =
        packed && scratch ? LB_OK : lb_raise(err, LB_ERR_MEMORY, "%s: no memory", name);
    if (code == LB_OK)
        code = unpack(name, data, size, packed, &model, err);
    if (code == LB_OK)
        code = lb_onnx_read_model(name, size, model, scratch, out, err);
    lb_arena_free(scratch);
    lb_arena_free(packed);
    return code;
}

lb_code lb_onnx_load(const char *path, lb_graph **out, lb_digest *digest, lb_error *err)
{
    return lb_graph_file_load(path, lb_onnx_parse, out, digest, err);
}

/* A finding for a param that the file does not have, or not in this shape. */
static bool matches(const lb_graph *from, const lb_value_info *want,
                    const lb_tensor **have, lb_findings *findings)
{
    const lb_value v = lb_graph_find(from, want->name);
    const lb_value_info *const found = lb_info(from, v);
    char is[LB_SHAPE_TEXT], should[LB_SHAPE_TEXT];

    *have = found->tensor;
    if (!found->tensor) {
        if (want->trained)
            lb_findings_add(findings, 0, 0, "param '%s' %s is missing", want->name,
                            lb_shape_text(&want->type.shape, should));
        return false;
    }
    if (lb_shape_equal(&found->tensor->shape, &want->tensor->shape) &&
        lb_dtype_is_float(found->tensor->dtype))
        return true;
    lb_findings_add(
        findings, 0, 0, "param '%s' is %s %s, not %s %s", want->name,
        lb_dtype_name(found->tensor->dtype), lb_shape_text(&found->tensor->shape, is),
        lb_dtype_name(want->tensor->dtype), lb_shape_text(&want->type.shape, should));
    return false;
}

static void copy_weights(const lb_tensor *from, lb_tensor *to)
{
    if (from->dtype == to->dtype)
        memcpy(to->data, from->data, lb_tensor_bytes(to));
    else
        for (size_t i = 0; i < to->n; i++)
            lb_tensor_put(to, i, lb_tensor_get(from, i));
}

/* All is checked before the first weight changes. */
static lb_code copy_params(const char *path, const lb_graph *from, lb_graph *to,
                           lb_arena *arena, lb_error *err)
{
    const lb_tensor *have = NULL;
    lb_findings findings;

    lb_findings_init(&findings, arena);
    for (int i = 1; i < to->n_values; i++)
        if (to->values[i].kind == LB_VALUE_PARAM)
            (void)matches(from, &to->values[i], &have, &findings);
    LB_TRY(lb_findings_raise(&findings, LB_ERR_INPUT, path,
                             "these weights are not for this network; none was changed",
                             err));
    for (int i = 1; i < to->n_values; i++)
        if (to->values[i].kind == LB_VALUE_PARAM &&
            matches(from, &to->values[i], &have, &findings))
            copy_weights(have, to->values[i].tensor);
    return LB_OK;
}

lb_code lb_onnx_load_weights(const char *path, lb_graph *to, lb_error *err)
{
    lb_graph *from = NULL;

    LB_TRY(lb_onnx_load(path, &from, NULL, err));
    lb_arena *const arena = lb_arena_new(0);
    const lb_code code = arena ? copy_params(path, from, to, arena, err)
                               : lb_raise(err, LB_ERR_MEMORY, "%s: no memory", path);
    lb_arena_free(arena);
    lb_graph_free(from);
    return code;
}
