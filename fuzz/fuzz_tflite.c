/* fuzz_tflite.c: any bytes as a TensorFlow Lite file. */
#include "tflite/tflite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    if (lb_tflite_parse("fuzz.tflite", data, size, &graph, &err) == LB_OK)
        lb_graph_free(graph);
    return 0;
}
