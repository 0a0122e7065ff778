/* choose.c: picks a kernel for every node and writes the steps and buffers of a plan.
 *
 * Nodes are visited in order. The first kernel that accepts decides the layouts; where a
 * value is not in the layout that a kernel wants, a reorder is put in, once for each
 * value and layout. Outputs of grouped nodes that are not batched become shares and a
 * sum, unless the kernel says that each group writes a part of its own. */
#include "engine/plan_int.h"

#include <string.h>

static lb_code no_memory(lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "no memory to make a plan");
}

static int add_buffer(lb_plan *plan, const lb_buffer *buffer)
{
    if (!lb_arena_grow(plan->arena, (void **)&plan->buffers, &plan->buffers_capacity,
                       plan->n_buffers, sizeof *buffer))
        return -1;
    plan->buffers[plan->n_buffers] = *buffer;
    plan->buffers[plan->n_buffers].first = -1;
    plan->buffers[plan->n_buffers].last = -1;
    plan->buffers[plan->n_buffers].heir = -1;
    return plan->n_buffers++;
}

static lb_code add_step(lb_plan *plan, const lb_step *step, lb_error *err)
{
    if (!lb_arena_grow(plan->arena, (void **)&plan->steps, &plan->steps_capacity,
                       plan->n_steps, sizeof *step))
        return no_memory(err);
    plan->steps[plan->n_steps] = *step;
    plan->steps[plan->n_steps].index = plan->n_steps;
    plan->n_steps++;
    return LB_OK;
}

static bool is_batched(const lb_plan *plan, lb_value v)
{
    return lb_type_batched(&lb_info(plan->graph, v)->type);
}

static bool is_output(const lb_plan *plan, lb_value v)
{
    for (int i = 0; i < plan->graph->n_outputs; i++)
        if (plan->graph->outputs[i].id == v.id)
            return true;
    return false;
}

/* The type with the batch bound to a group's samples. */
static lb_code bind(const lb_plan *plan, lb_value v, lb_type *out, lb_error *err)
{
    const lb_value_info *const info = lb_info(plan->graph, v);
    char text[LB_SHAPE_TEXT];
    size_t count;

    *out = info->type;
    for (int i = 1; i < out->shape.rank; i++)
        if (out->shape.dim[i] == LB_BATCH)
            return lb_raise(err, LB_ERR_UNSUPPORTED,
                            "value '%s' is %s: the batch may only be the first dimension",
                            info->name, lb_shape_text(&info->type.shape, text));
    out->shape = lb_shape_bind(&out->shape, plan->samples);
    if (!lb_shape_count(&out->shape, &count))
        return lb_raise(err, LB_ERR_INPUT, "value '%s' of shape %s is too large",
                        info->name, lb_shape_text(&info->type.shape, text));
    return LB_OK;
}

static size_t bytes_of(const lb_plan *plan, const lb_type *bound, lb_layout layout)
{
    size_t count = 0;

    if (layout == LB_BLOCKED)
        count = lb_blocked_count(&bound->shape, plan->block);
    else
        (void)!lb_shape_count(&bound->shape, &count);
    return count * lb_dtype_size(bound->dtype);
}

/* A new buffer for a computed value, remembered as its buffer in that layout. */
static lb_code value_buffer(lb_plan *plan, lb_value v, const lb_type *bound,
                            lb_layout layout, int *out, lb_error *err)
{
    const bool batched = is_batched(plan, v);
    const bool lasting =
        plan->options.keep_all || (layout == LB_PLAIN && is_output(plan, v));
    const lb_place place = !batched  ? LB_PLACE_SHARED
                           : lasting ? LB_PLACE_BATCH
                                     : LB_PLACE_SLOT;

    *out = add_buffer(plan, &(lb_buffer){.place = place,
                                         .layout = layout,
                                         .bytes = bytes_of(plan, bound, layout),
                                         .value = v.id,
                                         .lasting = lasting});
    if (*out < 0)
        return no_memory(err);
    plan->value_buffer[v.id][layout] = *out;
    return LB_OK;
}

static lb_code add_sources(lb_plan *plan, lb_error *err)
{
    const lb_graph *const g = plan->graph;

    for (int i = 1; i < g->n_values; i++) {
        const lb_value_info *const info = &g->values[i];
        const lb_value v = {i};
        lb_buffer b = {.layout = LB_PLAIN, .value = i, .lasting = true};
        lb_type bound;
        plan->value_buffer[i][LB_PLAIN] = plan->value_buffer[i][LB_BLOCKED] = -1;
        if (info->kind == LB_VALUE_NONE || info->kind == LB_VALUE_NODE)
            continue;
        LB_TRY(bind(plan, v, &bound, err));
        b.bytes = bytes_of(plan, &bound, LB_PLAIN);
        b.place = info->tensor          ? LB_PLACE_TENSOR
                  : is_batched(plan, v) ? LB_PLACE_BATCH
                                        : LB_PLACE_SHARED;
        b.base = info->tensor ? info->tensor->data : NULL;
        plan->value_buffer[i][LB_PLAIN] = add_buffer(plan, &b);
        if (plan->value_buffer[i][LB_PLAIN] < 0)
            return no_memory(err);
    }
    return LB_OK;
}

static lb_code fill_ask(const lb_plan *plan, const lb_node *node, lb_ask *ask,
                        lb_error *err)
{
    *ask = (lb_ask){.node = node,
                    .n_in = node->n_in,
                    .n_out = node->n_out,
                    .samples = plan->samples,
                    .batch = plan->options.batch,
                    .block = plan->block,
                    .threads = plan->n_threads,
                    .conv_direct = plan->options.conv_direct};
    for (int k = 0; k < node->n_in; k++) {
        const lb_value v = node->in[k];
        const lb_value_info *const info = lb_info(plan->graph, v);
        if (v.id == 0)
            continue;
        LB_TRY(bind(plan, v, &ask->in[k], err));
        ask->has_in[k] = true;
        ask->batched_in[k] = is_batched(plan, v);
        ask->constant[k] = info->tensor;
        ask->packable[k] = !ask->batched_in[k];
        const bool plain = plan->value_buffer[v.id][LB_PLAIN] >= 0;
        ask->in_layout[k] = plain ? LB_PLAIN : LB_BLOCKED;
        /* a value that is there in both layouts is offered blocked */
        if (plan->value_buffer[v.id][LB_BLOCKED] >= 0)
            ask->in_layout[k] = LB_BLOCKED;
        ask->want_in[k] = ask->in_layout[k];
    }
    for (int k = 0; k < node->n_out; k++) {
        LB_TRY(bind(plan, node->out[k], &ask->out[k], err));
        ask->batched_out[k] = is_batched(plan, node->out[k]);
    }
    return LB_OK;
}

static bool serves(const lb_kernel *kernel, const lb_ask *preset, lb_ask *ask)
{
    if (kernel->op && strcmp(kernel->op, preset->node->op->name) != 0)
        return false;
    *ask = *preset;
    return kernel->accepts(ask);
}

static const lb_kernel *first_that_accepts(const lb_plan *plan, const lb_ask *preset,
                                           lb_ask *ask)
{
    const lb_kernels forced = plan->options.kernels;
    const lb_kernel *const *const tables[] = {
        forced == LB_KERNELS_BEST || forced == LB_KERNELS_NATIVE ? lb_native_kernels
                                                                 : NULL,
        forced == LB_KERNELS_BEST || forced == LB_KERNELS_ONEDNN ? lb_onednn_kernels
                                                                 : NULL,
    };

    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const lb_kernel *const *k = tables[t]; k && *k; k++)
            if (serves(*k, preset, ask))
                return *k;
    *ask = *preset;
    (void)lb_reference_kernel.accepts(ask);
    return &lb_reference_kernel;
}

/* The buffer of v in that layout; puts a reorder in if it is only there in the other. */
static lb_code in_layout(lb_plan *plan, lb_value v, const lb_type *bound,
                         lb_layout layout, int *out, lb_error *err)
{
    *out = plan->value_buffer[v.id][layout];
    if (*out >= 0)
        return LB_OK;
    const int from = plan->value_buffer[v.id][layout == LB_PLAIN ? LB_BLOCKED : LB_PLAIN];
    LB_TRY(value_buffer(plan, v, bound, layout, out, err));
    plan->n_reorders++;
    return add_step(plan,
                    &(lb_step){.kind = LB_STEP_REORDER,
                               .grouped = true,
                               .n_in = 1,
                               .n_out = 1,
                               .in = {from},
                               .out = {*out},
                               .shape = bound->shape},
                    err);
}

static lb_code add_pack(lb_plan *plan, const lb_step *user, const lb_ask *ask, int k,
                        int *out, lb_error *err)
{
    const int id = ask->node->in[k].id;
    lb_step pack = {.kind = LB_STEP_PACK,
                    .node = ask->node,
                    .kernel = user->kernel,
                    .state = user->state,
                    .operand = k,
                    .n_in = 1,
                    .n_out = 1,
                    .in = {plan->value_buffer[id][LB_PLAIN]},
                    .once = lb_info(plan->graph, ask->node->in[k])->tensor &&
                            !plan->mutable_param[id]};

    *out = add_buffer(plan, &(lb_buffer){.place = LB_PLACE_SHARED,
                                         .layout = LB_PLAIN,
                                         .bytes = ask->packed_bytes[k],
                                         .value = id,
                                         .lasting = pack.once});
    if (*out < 0)
        return no_memory(err);
    pack.out[0] = *out;
    if (!pack.once)
        return add_step(plan, &pack, err);
    if (!lb_arena_grow(plan->arena, (void **)&plan->packs, &plan->packs_capacity,
                       plan->n_packs, sizeof pack))
        return no_memory(err);
    plan->packs[plan->n_packs++] = pack;
    return LB_OK;
}

static lb_code add_inputs(lb_plan *plan, lb_step *step, const lb_ask *ask, lb_error *err)
{
    for (int k = 0; k < ask->n_in; k++) {
        const lb_value v = ask->node->in[k];
        step->in[k] = -1;
        if (!ask->has_in[k])
            continue;
        if (ask->packed_bytes[k])
            LB_TRY(add_pack(plan, step, ask, k, &step->in[k], err));
        else
            LB_TRY(in_layout(plan, v, &ask->in[k], ask->want_in[k], &step->in[k], err));
    }
    return LB_OK;
}

/* A share for each group, to be summed once all are there. */
static lb_code add_share(lb_plan *plan, lb_step *step, const lb_ask *ask, int k,
                         lb_error *err)
{
    const size_t plain = bytes_of(plan, &ask->out[k], LB_PLAIN);
    const bool packed = ask->share_bytes[k] != 0;
    const int b =
        add_buffer(plan, &(lb_buffer){.place = LB_PLACE_SLOT,
                                      .bytes = packed ? ask->share_bytes[k] : plain,
                                      .value = ask->node->out[k].id});

    if (b < 0)
        return no_memory(err);
    step->out[k] = b;
    return LB_OK;
}

static lb_code add_sum(lb_plan *plan, const lb_step *step, const lb_ask *ask, int k,
                       lb_error *err)
{
    const size_t bytes = plan->buffers[step->out[k]].bytes;
    lb_step sum = {.kind = LB_STEP_SUM,
                   .node = ask->node,
                   .kernel = ask->share_bytes[k] ? step->kernel : NULL,
                   .state = step->state,
                   .operand = k,
                   .n_in = 1,
                   .n_out = 1,
                   .in = {step->out[k]},
                   .count = bytes / lb_dtype_size(ask->out[k].dtype),
                   .dtype = ask->out[k].dtype};

    LB_TRY(
        value_buffer(plan, ask->node->out[k], &ask->out[k], LB_PLAIN, &sum.out[0], err));
    if (sum.kernel) { /* the sum in the kernel's form, then made plain */
        sum.n_out = 2;
        sum.out[1] = add_buffer(plan, &(lb_buffer){.place = LB_PLACE_SHARED,
                                                   .bytes = bytes,
                                                   .value = ask->node->out[k].id});
        if (sum.out[1] < 0)
            return no_memory(err);
    }
    return add_step(plan, &sum, err);
}

static lb_code add_outputs(lb_plan *plan, lb_step *step, const lb_ask *ask, lb_error *err)
{
    const lb_node *const node = ask->node;

    for (int k = 0; k < ask->n_out; k++) {
        if (node->op->flags & LB_OP_UPDATE) { /* in the place of input k */
            step->out[k] = plan->value_buffer[node->in[k].id][LB_PLAIN];
            plan->value_buffer[node->out[k].id][LB_PLAIN] = step->out[k];
        } else if (step->grouped && !ask->batched_out[k] && !ask->parts[k]) {
            LB_TRY(add_share(plan, step, ask, k, err));
        } else {
            LB_TRY(value_buffer(plan, node->out[k], &ask->out[k], ask->out_layout[k],
                                &step->out[k], err));
            plan->buffers[step->out[k]].parts = ask->parts[k];
        }
    }
    return LB_OK;
}

static lb_code choose_node(lb_plan *plan, const lb_node *node, lb_error *err)
{
    lb_step step = {
        .kind = LB_STEP_NODE, .node = node, .n_in = node->n_in, .n_out = node->n_out};
    lb_ask preset, ask;

    LB_TRY(fill_ask(plan, node, &preset, err));
    for (int k = 0; k < node->n_in; k++)
        step.grouped = step.grouped || preset.batched_in[k];
    for (int k = 0; k < node->n_out; k++)
        step.grouped = step.grouped || preset.batched_out[k];
    step.kernel = first_that_accepts(plan, &preset, &ask);
    if (step.kernel->create(&ask, plan->arena, &step.state, err) != LB_OK)
        return lb_within(err, "node '%s' (%s)", node->name, node->op->name);
    if (ask.scratch_bytes > plan->scratch_bytes)
        plan->scratch_bytes = ask.scratch_bytes;
    step.in_place = ask.in_place;
    LB_TRY(add_inputs(plan, &step, &ask, err));
    LB_TRY(add_outputs(plan, &step, &ask, err));
    LB_TRY(add_step(plan, &step, err));
    if (node->op->flags & LB_OP_UPDATE)
        return LB_OK;
    for (int k = 0; k < node->n_out; k++)
        if (step.grouped && !ask.batched_out[k] && !ask.parts[k])
            LB_TRY(add_sum(plan, &step, &ask, k, err));
    return LB_OK;
}

static lb_code find_mutable(lb_plan *plan, lb_error *err)
{
    const lb_graph *const g = plan->graph;

    plan->mutable_param = LB_TAKE_ARRAY(plan->arena, g->n_values, bool);
    plan->value_buffer =
        lb_arena_take_array(plan->arena, (size_t)g->n_values, sizeof *plan->value_buffer);
    if (!plan->mutable_param || !plan->value_buffer)
        return no_memory(err);
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        for (int k = 0; (node->op->flags & LB_OP_UPDATE) && k < node->n_out; k++) {
            if (lb_info(g, node->in[k])->kind != LB_VALUE_PARAM)
                return lb_bug(err, "node '%s' updates '%s', which is no parameter",
                              node->name, lb_info(g, node->in[k])->name);
            plan->mutable_param[node->in[k].id] = true;
        }
    }
    return LB_OK;
}

lb_code lb_plan_choose(lb_plan *plan, lb_error *err)
{
    const lb_graph *const g = plan->graph;

    LB_TRY(find_mutable(plan, err));
    LB_TRY(add_sources(plan, err));
    for (int i = 0; i < g->n_nodes; i++)
        LB_TRY(choose_node(plan, &g->nodes[i], err));
    for (int i = 0; i < g->n_outputs; i++) {
        const lb_value v = g->outputs[i];
        lb_type bound;
        int buffer;
        LB_TRY(bind(plan, v, &bound, err));
        LB_TRY(in_layout(plan, v, &bound, LB_PLAIN, &buffer, err));
    }
    return LB_OK;
}
