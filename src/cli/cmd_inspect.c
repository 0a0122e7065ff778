/* cmd_inspect.c: what a network is made of, and what it costs on a device. */
#include "cli/network.h"
#include "cli/results.h"
#include "device/device.h"
#include "run/network_load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const lb_option options[] = {
    {.name = "device", .value = "NAME", .help = "estimates for this device"},
    {0},
};

typedef struct layer {
    const char *name, *op, *output;
    lb_shape shape;
    double macs;
    size_t parameters;
} layer;

typedef struct job {
    lb_graph *graph; /* as in the file */
    layer *layers;
    int n_layers;
    size_t parameters;
    const lb_low *low;  /* NULL: a device cannot run it */
    lb_error low_error; /* then, why */
    const lb_device *device;
    lb_estimate estimate;
    bool fits;
    lb_error fit_error; /* why not */
} job;

static bool is_op(const lb_node *node, const char *name)
{
    return strcmp(node->op->name, name) == 0;
}

/* Elements of a parameter, stored as it is or as integers behind a DequantizeLinear. */
static size_t parameters_of(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    if (info->kind == LB_VALUE_PARAM)
        return info->tensor->n;
    if (info->kind != LB_VALUE_NODE)
        return 0;
    const lb_node *const node = &g->nodes[info->node];
    const lb_tensor *const stored = lb_info(g, node->in[0])->tensor;
    return is_op(node, "DequantizeLinear") && stored ? stored->n : 0;
}

static void fill_layer(const lb_graph *g, const lb_node *node, layer *l)
{
    lb_type out[LB_MAX_OUTPUTS] = {0};
    lb_view view;

    for (int k = 0; k < node->n_out; k++)
        out[k] = lb_info(g, node->out[k])->type;
    lb_graph_view(g, node, &view);
    l->name = node->name;
    l->op = node->op->name;
    l->output = lb_info(g, node->out[0])->name;
    l->shape = out[0].shape;
    l->macs = node->op->cost ? node->op->cost(&view, out).macs : 0;
    for (int k = 0; k < node->n_in; k++)
        l->parameters += parameters_of(g, node->in[k]);
}

/* How numbers are stored is no layer. */
static lb_code list_layers(job *j, lb_arena *arena, lb_error *err)
{
    const lb_graph *const g = j->graph;

    j->layers = LB_TAKE_ARRAY(arena, g->n_nodes + 1, layer);
    if (!j->layers)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %d layers", g->n_nodes);
    j->parameters = lb_graph_parameters(g);
    for (int i = 0; i < g->n_nodes; i++) {
        const lb_node *const node = &g->nodes[i];
        if (is_op(node, "DequantizeLinear"))
            j->parameters += parameters_of(g, node->out[0]);
        if (!is_op(node, "DequantizeLinear") && !is_op(node, "QuantizeLinear"))
            fill_layer(g, node, &j->layers[j->n_layers++]);
    }
    return LB_OK;
}

static void estimate(job *j, lb_arena *arena)
{
    const lb_device_options no_limits = {0};
    lb_low *low = NULL;

    if (lb_lower(j->graph, arena, &low, &j->low_error) != LB_OK)
        return;
    j->low = low;
    if (!j->device)
        return;
    lb_device_estimate(low, j->device, &j->estimate);
    j->fits =
        lb_device_check(low, j->device, &no_limits, &j->estimate, &j->fit_error) == LB_OK;
}

static void print_memory(const job *j)
{
    const lb_low *const low = j->low;

    printf("\nmemory over time (activations):\n");
    for (int i = 0; i < low->n_steps; i++) {
        const size_t live = lb_low_live_bytes(low, i);
        const size_t width =
            low->arena_bytes ? (live * 40 + low->arena_bytes - 1) / low->arena_bytes : 0;
        printf("  %-28.28s %9zu B  %.*s\n", low->step[i].name, live,
               (int)(width > 40 ? 40 : width),
               "########################################");
    }
}

static void print_range(const char *name, const lb_range *r, const char *unit)
{
    printf("%-12s %.3g %s (%.3g to %.3g)\n", name, r->mid, unit, r->low, r->high);
}

static void print_device(const job *j)
{
    const lb_estimate *const e = &j->estimate;
    char text[32];

    printf("\non %s (%s):\n", j->device->name, j->device->core);
    printf("flash        %zu B of %.0f (weights %zu, code %zu)\n", e->flash_bytes,
           j->device->flash_bytes, e->weight_bytes, e->code_bytes);
    printf("sram         %zu B of %.0f (arena %zu, stack %zu)\n", e->sram_bytes,
           j->device->sram_bytes, e->arena_bytes, e->stack_bytes);
    if (isfinite(e->instructions))
        printf("instructions %s (an estimate; `limbeck prove` counts them)\n",
               lb_results_short(e->instructions, text));
    print_range("latency", &e->latency_ms, "ms");
    print_range("energy", &e->energy_uj, "uJ");
    if (j->fits)
        printf("fits         yes\n");
    else
        printf("fits         no: %s\n", j->fit_error.text);
}

static void print_text(const job *j)
{
    char shape[LB_SHAPE_TEXT], a[32], b[32];

    printf("%-28s %-18s %-18s %10s %10s\n", "layer", "operator", "output", "parameters",
           "MACs");
    for (int i = 0; i < j->n_layers; i++) {
        const layer *const l = &j->layers[i];
        printf("%-28.60s %-18s %-18s %10s %10s\n", l->name, l->op,
               lb_shape_text(&l->shape, shape),
               lb_results_short((double)l->parameters, a), lb_results_short(l->macs, b));
    }
    printf("\nparameters   %zu\nmacs         %.0f\n", j->parameters,
           lb_graph_macs(j->graph));
    if (!j->low) {
        printf("no estimate: %s\n", j->low_error.text);
        return;
    }
    printf("weights      %zu B as %s\narena        %zu B (at least %zu)\n",
           j->low->weight_bytes, lb_dtype_name(j->low->dtype), j->low->arena_bytes,
           j->low->bound_bytes);
    print_memory(j);
    if (j->device)
        print_device(j);
}

static void json_layers(const job *j, lb_json *json)
{
    lb_json_open(json, "layers", '[');
    for (int i = 0; i < j->n_layers; i++) {
        const layer *const l = &j->layers[i];
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "name", l->name);
        lb_json_text(json, "op", l->op);
        lb_json_text(json, "output", l->output);
        lb_json_open(json, "shape", '[');
        for (int d = 0; d < l->shape.rank; d++)
            if (l->shape.dim[d] == LB_BATCH)
                lb_json_null(json, NULL);
            else
                lb_json_int(json, NULL, l->shape.dim[d]);
        lb_json_close(json, ']');
        lb_json_int(json, "parameters", (int64_t)l->parameters);
        lb_json_number(json, "macs", l->macs);
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}

static void json_memory(const job *j, lb_json *json)
{
    lb_json_int(json, "weight_bytes", (int64_t)j->low->weight_bytes);
    lb_json_int(json, "arena_bytes", (int64_t)j->low->arena_bytes);
    lb_json_open(json, "memory", '[');
    for (int i = 0; i < j->low->n_steps; i++) {
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "step", j->low->step[i].name);
        lb_json_int(json, "bytes", (int64_t)lb_low_live_bytes(j->low, i));
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}

static lb_code print_json(const job *j, lb_arena *arena, lb_error *err)
{
    static const char *const of_device[] = {"flash_bytes", "sram_bytes", "instructions",
                                            "latency_ms",  "energy_uj",  "fits"};
    const lb_estimate *const e = &j->estimate;
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_int(&json, "parameters", (int64_t)j->parameters);
    lb_json_number(&json, "macs", lb_graph_macs(j->graph));
    if (j->low && j->device) {
        lb_json_int(&json, "flash_bytes", (int64_t)e->flash_bytes);
        lb_json_int(&json, "sram_bytes", (int64_t)e->sram_bytes);
        lb_json_number(&json, "instructions", e->instructions);
        lb_json_range(&json, "latency_ms", e->latency_ms.low, e->latency_ms.mid,
                      e->latency_ms.high);
        lb_json_range(&json, "energy_uj", e->energy_uj.low, e->energy_uj.mid,
                      e->energy_uj.high);
        lb_json_bool(&json, "fits", j->fits);
    } else {
        for (size_t i = 0; i < sizeof of_device / sizeof of_device[0]; i++)
            lb_json_null(&json, of_device[i]);
    }
    if (j->low)
        json_memory(j, &json);
    json_layers(j, &json);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job *const j = LB_TAKE(arena, job);

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to inspect the network");
    LB_TRY(lb_network_device(lb_arg(args, "device"), &j->device, err));
    LB_TRY(lb_network_load(args->word[0], &j->graph, NULL, err));
    lb_code code = list_layers(j, arena, err);
    if (code == LB_OK) {
        estimate(j, arena);
        if (args->json)
            code = print_json(j, arena, err);
        else
            print_text(j);
    }
    lb_graph_free(j->graph);
    return code;
}

const lb_cmd lb_cmd_inspect = {
    .name = "inspect",
    .usage = "MODEL.onnx|.tflite [--device NAME]",
    .help = "layers, parameters, multiply-adds, memory and estimates",
    .detail =
        "The names of the layers are the tap points of recipes. With a device, flash, "
        "SRAM,\nlatency and energy of the firmware are estimated, as low, middle and "
        "high.",
    .example = "limbeck inspect student.onnx --device stm32l4r5",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
