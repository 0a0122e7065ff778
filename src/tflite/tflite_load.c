/* tflite_load.c: .tflite files from disk and from memory. */
#include "tflite/tflite.h"

#include "graph/graph_file.h"
#include "tflite/tflite_int.h"

lb_code lb_tflite_parse(const char *name, const uint8_t *data, size_t size,
                        lb_graph **out, lb_error *err)
{
    enum { SCRATCH_PER_BYTE = 64, GRAPH_PER_BYTE = 16, FLOOR = 64 << 20 };
    lb_tfl_reader r = {.name = name, .budget = size * GRAPH_PER_BYTE + FLOOR};

    LB_TRY(lb_graph_file_check(name, size, err));
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
    return lb_graph_file_load(path, lb_tflite_parse, out, digest, err);
}
