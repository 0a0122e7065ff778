/* network.c: loading networks, and fitting them to data. */
#include "cli/network.h"

#include "graph/passes.h"
#include "onnx/onnx.h"
#include "ops/rewrite.h"

static lb_code make_inference(lb_graph *graph, lb_error *err)
{
    LB_TRY(lb_fold_batch_norm(graph, err));
    LB_TRY(lb_fuse_convolutions(graph, err));
    return lb_remove_dead(graph, err);
}

lb_code lb_network_open(const char *path, lb_graph **out, lb_error *err)
{
    lb_graph *graph;

    LB_TRY(lb_onnx_load(path, &graph, NULL, err));
    if (make_inference(graph, err) != LB_OK) {
        lb_graph_free(graph);
        return lb_within(err, "%s", path);
    }
    *out = graph;
    return LB_OK;
}

/* [C,H,W] stored as [H,W,C]; [C,L] as [L,C]. */
static lb_shape channels_last(const lb_shape *sample)
{
    lb_shape last = *sample;

    for (int i = 0; i + 1 < sample->rank; i++)
        last.dim[i] = sample->dim[i + 1];
    if (sample->rank > 0)
        last.dim[sample->rank - 1] = sample->dim[0];
    return last;
}

lb_code lb_network_fit_input(const lb_graph *graph, const char *path,
                             const lb_shape *sample, lb_input_options *options,
                             lb_error *err)
{
    char have[LB_SHAPE_TEXT], want[LB_SHAPE_TEXT];
    lb_shape own = {0};
    size_t n_own, n_sample;

    if (graph->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: the network has %d inputs; data sets give one", path,
                        graph->n_inputs);
    const lb_value_info *const input = lb_info(graph, graph->inputs[0]);
    if (!lb_type_batched(&input->type) || input->type.dtype != LB_F32)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: input '%s' is %s %s; it must be a batch of float32", path,
                        input->name, lb_dtype_name(input->type.dtype),
                        lb_shape_text(&input->type.shape, have));
    own.rank = input->type.shape.rank - 1;
    for (int i = 0; i < own.rank; i++)
        own.dim[i] = input->type.shape.dim[i + 1];
    const lb_shape last = channels_last(sample);
    if (lb_shape_equal(&own, sample))
        options->layout = LB_CHANNELS_FIRST;
    else if (lb_shape_equal(&own, &last))
        options->layout = LB_CHANNELS_LAST;
    else if (!lb_shape_count(&own, &n_own) || !lb_shape_count(sample, &n_sample) ||
             n_own != n_sample)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: the network takes samples of shape %s, but the data has %s",
                        path, lb_shape_text(&own, have), lb_shape_text(sample, want));
    return LB_OK;
}
