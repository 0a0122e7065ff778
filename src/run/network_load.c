/* network_load.c: networks from files and into files, whatever their format. */
#include "run/network_load.h"

#include "onnx/onnx.h"
#include "tflite/tflite.h"

#include <stdio.h>
#include <string.h>

lb_code lb_network_load(const char *path, lb_graph **out, lb_digest *digest,
                        lb_error *err)
{
    uint8_t start[8] = {0};
    FILE *const file = fopen(path, "rb"); /* what is wrong with it, the reader says */
    const size_t n = file ? fread(start, 1, sizeof start, file) : 0;

    if (file)
        fclose(file);
    if (lb_tflite_is(start, n))
        return lb_tflite_load(path, out, digest, err);
    return lb_onnx_load(path, out, digest, err);
}

bool lb_network_is_tflite(const char *path)
{
    static const char ending[] = ".tflite";
    const size_t n = strlen(path), n_ending = sizeof ending - 1;

    return n >= n_ending && strcmp(path + n - n_ending, ending) == 0;
}

lb_code lb_network_save(const lb_graph *graph, const char *path, lb_error *err)
{
    return lb_network_is_tflite(path) ? lb_tflite_save(graph, path, err)
                                      : lb_onnx_save(graph, path, err);
}
