/* graph_file.h: networks from files, whatever the format: read whole, within a limit of
 * size, and made a graph by the format's parser. */
#ifndef LB_GRAPH_GRAPH_FILE_H
#define LB_GRAPH_GRAPH_FILE_H

#include "base/hash.h"
#include "graph/graph.h"

/* Makes a graph of a file's bytes; `name` is for messages. */
typedef lb_code (*lb_graph_parser)(const char *name, const uint8_t *data, size_t size,
                                   lb_graph **out, lb_error *err);

/* Can a file of that size be a network? LB_ERR_INPUT where it is empty or above 2 GB. */
lb_code lb_graph_file_check(const char *name, size_t size, lb_error *err) LB_MUST_USE;

/* Reads path and parses it. digest (may be NULL): SHA-256 of the file. On failure *out
 * and *digest are as they were. */
lb_code lb_graph_file_load(const char *path, lb_graph_parser parser, lb_graph **out,
                           lb_digest *digest, lb_error *err) LB_MUST_USE;

#endif
