/* network.c: loading networks. */
#include "cli/network.h"

#include "graph/passes.h"
#include "ops/rewrite.h"
#include "run/network_load.h"

static const size_t folded_bytes_max = (size_t)1 << 30;

static lb_code make_inference(lb_graph *graph, lb_error *err)
{
    LB_TRY(lb_fold_batch_norm(graph, err));
    LB_TRY(lb_fold_constants(graph, folded_bytes_max, err)); /* weights kept as int8 */
    LB_TRY(lb_fuse_convolutions(graph, err));
    return lb_remove_dead(graph, err);
}

lb_code lb_network_open(const char *path, lb_graph **out, lb_error *err)
{
    lb_graph *graph;

    LB_TRY(lb_network_load(path, &graph, NULL, err));
    if (make_inference(graph, err) != LB_OK) {
        lb_graph_free(graph);
        return lb_within(err, "%s", path);
    }
    *out = graph;
    return LB_OK;
}
