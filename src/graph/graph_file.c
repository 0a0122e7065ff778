/* graph_file.c: networks from files: size, bytes, parser, digest. */
#include "graph/graph_file.h"

#include "base/file.h"

/* Neither protocol buffers nor flatbuffers, whose offsets have 32 bits and some a sign,
 * can describe more. */
static const size_t file_bytes_max = (size_t)2 << 30;

lb_code lb_graph_file_check(const char *name, size_t size, lb_error *err)
{
    if (size == 0)
        return lb_raise(err, LB_ERR_INPUT, "%s: the file is empty", name);
    if (size > file_bytes_max)
        return lb_raise(err, LB_ERR_INPUT, "%s: a network has at most 2 GB", name);
    return LB_OK;
}

lb_code lb_graph_file_load(const char *path, lb_graph_parser parser, lb_graph **out,
                           lb_digest *digest, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_bytes bytes;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "%s: no memory", path);
    lb_code code = lb_read_file(arena, path, file_bytes_max, &bytes, err);
    if (code == LB_OK)
        code = parser(path, bytes.data, bytes.size, out, err);
    if (code == LB_OK && digest) {
        lb_hash hash;
        lb_hash_init(&hash);
        lb_hash_add(&hash, bytes.data, bytes.size);
        *digest = lb_hash_end(&hash);
    }
    lb_arena_free(arena);
    return code;
}
