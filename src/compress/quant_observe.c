/* quant_observe.c: runs a network over samples and shows what its values are. */
#include "compress/quant_int.h"

#include "graph/builder.h"
#include "graph/passes.h"
#include "ops/rewrite.h"

#include <string.h>

enum { BATCH = 32 };

/* A form that runs fast; what is watched stays. */
static lb_code make_graph(lb_quant_probe *p, lb_error *err)
{
    lb_builder b;

    lb_builder_init(&b, p->graph);
    p->graph->n_outputs = 0;
    for (int k = 0; k < p->n_values; k++)
        if (lb_info(p->graph, p->value[k])->kind == LB_VALUE_NODE)
            lb_output(&b, p->value[k]);
    LB_TRY(lb_builder_finish(&b, err));
    LB_TRY(lb_fold_constants(p->graph, (size_t)1 << 30, err));
    LB_TRY(lb_fuse_convolutions(p->graph, err));
    return lb_remove_dead(p->graph, err);
}

lb_code lb_quant_probe_open(const lb_graph *graph, const lb_value *value, int n_values,
                            const lb_quant_where *where, lb_quant_probe *p, lb_error *err)
{
    const int n = where->samples->shape.dim[0];

    *p = (lb_quant_probe){.value = value,
                          .n_values = n_values,
                          .samples = where->samples,
                          .batch = n < BATCH ? n : BATCH};
    const lb_plan_options options = {.batch = p->batch, .kernels = where->kernels};
    LB_TRY(lb_graph_clone(graph, &p->graph, err));
    lb_code code = make_graph(p, err);
    if (code == LB_OK)
        code = lb_plan_compile(p->graph, where->pool, &options, &p->plan, err);
    if (code != LB_OK)
        lb_quant_probe_close(p);
    return code;
}

void lb_quant_probe_close(lb_quant_probe *p)
{
    lb_plan_free(p->plan);
    lb_graph_free(p->graph);
    p->plan = NULL;
    p->graph = NULL;
}

int lb_quant_probe_run(lb_quant_probe *p, int first)
{
    const lb_tensor *const s = p->samples;
    const size_t each = lb_tensor_bytes(s) / (size_t)s->shape.dim[0];
    const int left = s->shape.dim[0] - first, here = left < p->batch ? left : p->batch;

    /* samples do not see each other: a short batch may keep some of the one before */
    for (int i = 0; i < here; i++)
        memcpy(lb_plan_input(p->plan, p->graph->inputs[0], i),
               (const char *)s->data + (size_t)(first + i) * each, each);
    lb_plan_run(p->plan);
    return here;
}

const float *lb_quant_probe_row(const lb_quant_probe *p, int k, int i)
{
    const lb_value v = p->value[k];

    return lb_info(p->graph, v)->kind == LB_VALUE_INPUT ? lb_plan_input(p->plan, v, i)
                                                        : lb_plan_output(p->plan, v, i);
}

size_t lb_quant_probe_size(const lb_quant_probe *p, int k)
{
    const lb_shape one = lb_shape_bind(&lb_info(p->graph, p->value[k])->type.shape, 1);
    size_t n = 0;

    return lb_shape_count(&one, &n) ? n : 0;
}

lb_code lb_quant_observe(const lb_graph *graph, const lb_value *value, int n_values,
                         const lb_quant_where *where, lb_quant_see *see, void *arg,
                         lb_error *err)
{
    const int n = where->samples->shape.dim[0];
    lb_quant_probe p;

    LB_TRY(lb_quant_probe_open(graph, value, n_values, where, &p, err));
    for (int first = 0; first < n; first += p.batch) {
        const int here = lb_quant_probe_run(&p, first);
        for (int i = 0; i < here; i++)
            for (int k = 0; k < n_values; k++)
                see(arg, k, lb_quant_probe_row(&p, k, i), lb_quant_probe_size(&p, k));
    }
    lb_quant_probe_close(&p);
    return LB_OK;
}
