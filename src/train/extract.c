/* extract.c: looks into a network. */
#include "train/extract.h"

#include "graph/passes.h"
#include "ops/rewrite.h"
#include "train/train_int.h"

struct lb_extractor {
    lb_extractor_setup setup;
    lb_graph *graph; /* owned: the network up to the last of the layers */
    lb_plan *plan;
    lb_feed feed;
    float *pixels; /* [batch, sample] */
};

/* Before anything is folded or fused: the rewriters leave outputs alone. */
static lb_code mark_layers(lb_extractor *p, lb_error *err)
{
    lb_builder b;

    p->graph->n_outputs = 0;
    lb_builder_init(&b, p->graph);
    for (int k = 0; k < p->setup.n_layers; k++)
        lb_output(&b, p->setup.layers[k]);
    return lb_builder_finish(&b, err);
}

static lb_code make_plan(lb_extractor *p, lb_arena *arena, lb_error *err)
{
    const lb_extractor_setup *const s = &p->setup;
    const lb_plan_options options = {
        .batch = s->batch, .kernels = s->kernels, .conv_direct = s->conv_direct};
    size_t n = 0;

    LB_TRY(lb_graph_clone(s->network->graph, &p->graph, err));
    LB_TRY(mark_layers(p, err));
    LB_TRY(lb_fold_batch_norm(p->graph, err));
    LB_TRY(lb_fuse_convolutions(p->graph, err));
    LB_TRY(lb_remove_dead(p->graph, err));
    LB_TRY(lb_feed_init(&p->feed, p->graph, &s->network->input, s->data, s->pool, arena,
                        err));
    if (lb_size_mul((size_t)s->batch, p->feed.n, &n))
        p->pixels = LB_TAKE_ARRAY(arena, n, float);
    if (!p->pixels)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for samples");
    return lb_plan_compile(p->graph, s->pool, &options, &p->plan, err);
}

lb_code lb_extractor_open(const lb_extractor_setup *setup, lb_arena *arena,
                          lb_extractor **out, lb_error *err)
{
    lb_extractor *const p = LB_TAKE(arena, lb_extractor);

    if (!p)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to look into a network");
    p->setup = *setup;
    const lb_code code = make_plan(p, arena, err);
    if (code != LB_OK)
        lb_extractor_close(p);
    else
        *out = p;
    return code;
}

void lb_extractor_close(lb_extractor *p)
{
    if (!p)
        return;
    lb_plan_free(p->plan);
    lb_graph_free(p->graph);
    p->plan = NULL;
    p->graph = NULL;
}

void lb_extractor_ask(lb_extractor *p, const int *sample, int n)
{
    for (int i = 0; i < n; i++)
        lb_data_sample(p->setup.data, p->setup.split, sample[i],
                       p->pixels + (size_t)i * p->feed.n);
    lb_feed_pixels(&p->feed, p->plan, p->graph->inputs[0], p->pixels, n);
    lb_plan_run(p->plan);
}

const void *lb_extractor_row(const lb_extractor *p, int k, int i)
{
    return lb_plan_output(p->plan, p->setup.layers[k], i);
}
