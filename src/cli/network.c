/* network.c: loading networks. */
#include "cli/network.h"

#include "graph/passes.h"
#include "ops/rewrite.h"
#include "run/network_load.h"

static const size_t folded_bytes_max = (size_t)1 << 30;

lb_code lb_network_infer(lb_graph *graph, lb_error *err)
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
    if (lb_network_infer(graph, err) != LB_OK) {
        lb_graph_free(graph);
        return lb_within(err, "%s", path);
    }
    *out = graph;
    return LB_OK;
}

lb_code lb_network_device(const char *name, const lb_device **out, lb_error *err)
{
    const char *names[128];
    int n = 0;

    if (!name)
        return LB_OK;
    *out = lb_device_find(name);
    while (lb_devices[n].name && n < 128) {
        names[n] = lb_devices[n].name;
        n++;
    }
    if (*out)
        return LB_OK;
    const char *const near = lb_nearest(name, names, n);
    if (near)
        return lb_raise(err, LB_ERR_INPUT,
                        "no device is called '%.60s'; did you mean '%s'?", name, near);
    return lb_raise(err, LB_ERR_INPUT,
                    "no device is called '%.60s'; `limbeck devices` lists them", name);
}
