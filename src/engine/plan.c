/* plan.c: compiling a graph into a plan, and reading what a plan holds. */
#include "engine/plan_int.h"

#include "base/text.h"

#include <string.h>

/* The most groups that divide the batch: equal groups need one set of kernels. */
static int groups_of(int batch)
{
    int n = batch < 16 ? batch : 16;

    while (batch % n != 0)
        n--;
    return n;
}

static lb_code set_groups(lb_plan *plan, lb_error *err)
{
    const int batch = plan->options.batch, wanted = plan->options.group_samples;

    if (batch < 1 || batch > 1 << 20)
        return lb_raise(err, LB_ERR_INPUT, "a batch must have 1 to %d samples, not %d",
                        1 << 20, batch);
    plan->n_groups =
        wanted > 0 && batch % wanted == 0 ? batch / wanted : groups_of(batch);
    plan->samples = batch / plan->n_groups;
    return LB_OK;
}

static lb_code make(lb_plan *plan, lb_error *err)
{
    LB_TRY(set_groups(plan, err));
    LB_TRY(lb_plan_choose(plan, err));
    LB_TRY(lb_plan_schedule(plan, err));
    return lb_plan_place(plan, err);
}

lb_code lb_plan_compile(const lb_graph *graph, lb_pool *pool,
                        const lb_plan_options *options, lb_plan **out, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_plan *const plan = arena ? LB_TAKE(arena, lb_plan) : NULL;

    if (!plan) {
        lb_arena_free(arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
    }
    plan->arena = arena;
    plan->graph = graph;
    plan->pool = pool;
    plan->options = *options;
    plan->n_threads = lb_pool_threads(pool);
    plan->block = lb_cpu_block();
    const lb_code code = make(plan, err);
    if (code != LB_OK) {
        lb_plan_free(plan);
        return code;
    }
    lb_plan_refresh(plan);
    *out = plan;
    return LB_OK;
}

void lb_plan_free(lb_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_steps; i++) {
        const lb_step *const step = &plan->steps[i];
        if (step->kind == LB_STEP_NODE && step->kernel->destroy)
            step->kernel->destroy(step->state);
    }
    lb_arena_free(plan->arena);
}

static char *sample_at(const lb_plan *plan, lb_value v, int i)
{
    const int id = plan->value_buffer[v.id][LB_PLAIN];
    const lb_buffer *const b = id < 0 ? NULL : &plan->buffers[id];

    if (!b || b->place == LB_PLACE_SLOT || b->place == LB_PLACE_LANE)
        return NULL;
    if (b->place != LB_PLACE_BATCH)
        return b->base;
    return b->base + (size_t)i * (b->bytes / (size_t)plan->samples);
}

void *lb_plan_input(const lb_plan *plan, lb_value input, int i)
{
    return sample_at(plan, input, i);
}

const void *lb_plan_output(const lb_plan *plan, lb_value output, int i)
{
    return sample_at(plan, output, i);
}

static void copy_plain(const lb_plan *plan, const lb_buffer *b, lb_tensor *to)
{
    const lb_shape shape =
        lb_shape_bind(&plan->graph->values[b->value].type.shape, plan->samples);
    const size_t plain = lb_tensor_bytes(to) / (size_t)plan->n_groups;

    if (b->place != LB_PLACE_BATCH) {
        memcpy(to->data, b->base, lb_tensor_bytes(to));
        return;
    }
    for (int g = 0; g < plan->n_groups; g++) {
        char *const at = (char *)to->data + (size_t)g * plain;
        const char *const from = lb_buffer_at(plan, b, g, 0);
        if (b->layout == LB_BLOCKED)
            lb_to_plain(&shape, plan->block, (const float *)(const void *)from,
                        (float *)(void *)at);
        else
            memcpy(at, from, plain);
    }
}

lb_code lb_plan_read(const lb_plan *plan, lb_value v, lb_arena *arena, lb_tensor **out,
                     lb_error *err)
{
    const lb_value_info *const info = lb_info(plan->graph, v);
    const int *const ids = plan->value_buffer[v.id];
    const int id = ids[LB_PLAIN] >= 0 ? ids[LB_PLAIN] : ids[LB_BLOCKED];
    const lb_shape shape = lb_shape_bind(&info->type.shape, plan->options.batch);

    if (id < 0 || plan->buffers[id].place == LB_PLACE_SLOT ||
        plan->buffers[id].place == LB_PLACE_LANE ||
        (plan->buffers[id].place == LB_PLACE_SHARED && !plan->buffers[id].lasting))
        return lb_bug(err, "value '%s' is not kept by this plan", info->name);
    LB_TRY(lb_tensor_new(arena, info->type.dtype, &shape, out, err));
    copy_plain(plan, &plan->buffers[id], *out);
    return LB_OK;
}

lb_plan_stats lb_plan_describe(const lb_plan *plan)
{
    size_t tensors = 0;

    for (int i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].place == LB_PLACE_TENSOR)
            tensors += plan->buffers[i].bytes;
    return (lb_plan_stats){.work_bytes = plan->slot_bytes * (size_t)plan->n_groups +
                                         (plan->lane_bytes + plan->scratch_bytes) *
                                             (size_t)plan->n_threads,
                           .kept_bytes = plan->shared_bytes,
                           .tensor_bytes = tensors,
                           .n_groups = plan->n_groups,
                           .n_steps = plan->n_steps,
                           .n_segments = plan->n_segments,
                           .n_reorders = plan->n_reorders};
}

static const char *kind_name(const lb_step *step)
{
    switch (step->kind) {
    case LB_STEP_NODE:
        return step->kernel->table;
    case LB_STEP_REORDER:
        return "reorder";
    case LB_STEP_PACK:
        return "pack";
    case LB_STEP_SUM:
        return "sum";
    }
    return "";
}

bool lb_plan_step(const lb_plan *plan, int i, const char **kernel, const lb_node **node)
{
    if (i < 0 || i >= plan->n_steps)
        return false;
    *kernel = kind_name(&plan->steps[i]);
    *node = plan->steps[i].node;
    return true;
}

static void dump_step(lb_text *text, const lb_plan *plan, const lb_step *step)
{
    lb_text_add(text, "%3d %-9s", step->level, kind_name(step));
    if (step->node)
        lb_text_add(text, " %s %s", step->node->op->name, step->node->name);
    for (int k = 0; k < step->n_in + step->n_out; k++) {
        const int id = k < step->n_in ? step->in[k] : step->out[k - step->n_in];
        if (id < 0)
            continue;
        const lb_buffer *const b = &plan->buffers[id];
        lb_text_add(text, "%s%s%s", k == step->n_in ? " -> " : " ",
                    plan->graph->values[b->value].name,
                    b->layout == LB_BLOCKED ? "*" : "");
    }
    lb_text_add(text, "\n");
}

const char *lb_plan_dump(const lb_plan *plan, lb_arena *arena)
{
    lb_text text;

    lb_text_init(&text, arena);
    lb_text_add(&text,
                "groups %d of %d samples, %zu bytes each, %zu a thread, %zu shared\n",
                plan->n_groups, plan->samples, plan->slot_bytes, plan->lane_bytes,
                plan->shared_bytes);
    for (int i = 0; i < plan->n_steps; i++)
        dump_step(&text, plan, &plan->steps[i]);
    return text.failed ? NULL : text.chars;
}
