/* tflite_load.c: .tflite files from disk and from memory. */
#include "tflite/tflite.h"

#include "base/file.h"
#include "tflite/tflite_int.h"

/* Offsets in a flatbuffer have 32 bits, some with a sign. */
static const size_t file_bytes_max = (size_t)2 << 30;

lb_code lb_tflite_parse(const char *name, const uint8_t *data, size_t size,
                        lb_graph **out, lb_error *err)
{
    enum { SCRATCH_PER_BYTE = 64, GRAPH_PER_BYTE = 16, FLOOR = 64 << 20 };
    lb_tfl_reader r = {.name = name, .budget = size * GRAPH_PER_BYTE + FLOOR};

    if (size == 0)
        return lb_raise(err, LB_ERR_INPUT, "%s: the file is empty", name);
    if (size > file_bytes_max)
        return lb_raise(err, LB_ERR_INPUT, "%s: a network has at most 2 GB", name);
    r.scratch = lb_arena_new(size * SCRATCH_PER_BYTE + FLOOR);
    if (!r.scratch)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory", name);
    lb_code code = lb_tfl_read_file(name, data, size, r.scratch, &r.file, err);
    if (code == LB_OK)
        code = lb_tfl_import(&r, out, err);
    lb_arena_free(r.scratch);
    return code;
}

lb_code lb_tflite_load(const char *path, lb_graph **out, lb_digest *digest, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_bytes bytes;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory", path);
    lb_code code = lb_read_file(arena, path, file_bytes_max, &bytes, err);
    if (code == LB_OK)
        code = lb_tflite_parse(path, bytes.data, bytes.size, out, err);
    if (code == LB_OK && digest) {
        lb_hash hash;
        lb_hash_init(&hash);
        lb_hash_add(&hash, bytes.data, bytes.size);
        *digest = lb_hash_end(&hash);
    }
    lb_arena_free(arena);
    return code;
}
