/* fuzz_onnx.c: any bytes as an ONNX file. */
#include "onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    if (lb_onnx_parse("fuzz.onnx", data, size, &graph, &err) == LB_OK)
        lb_graph_free(graph);
    return 0;
}
