/* cmd_inspect.c: what a network is made of, and what it costs on a device. */
#include "cli/layer_list.h"
#include "cli/limits.h"
#include "cli/results.h"
#include "run/network_load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const lb_option options[] = {
    {.name = "device", .value = "NAME", .help = "estimates for this device"},
    LB_LIMIT_OPTIONS,
    {0},
};

typedef struct job {
    lb_graph *graph; /* as in the file */
    lb_layer_list list;
    const lb_low *low;  /* NULL: a device cannot run it */
    lb_error low_error; /* then, why */
    const lb_device *device;
    lb_device_options limits;
    lb_estimate estimate;
    bool fits;
    lb_error fit_error; /* why not */
} job;

static void estimate(job *j, lb_arena *arena)
{
    lb_low *low = NULL;

    if (lb_lower(j->graph, arena, &low, &j->low_error) != LB_OK)
        return;
    j->low = low;
    if (!j->device)
        return;
    lb_device_estimate(low, j->device, &j->estimate);
    j->fits =
        lb_device_check(low, j->device, &j->limits, &j->estimate, &j->fit_error) == LB_OK;
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

static double limit_of(double asked, double own)
{
    return asked > 0 ? asked : own;
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
           limit_of(j->limits.flash, j->device->flash_bytes), e->weight_bytes,
           e->code_bytes);
    printf("sram         %zu B of %.0f (arena %zu, stack %zu)\n", e->sram_bytes,
           limit_of(j->limits.sram, j->device->sram_bytes), e->arena_bytes,
           e->stack_bytes);
    if (isfinite(e->instructions))
        printf("instructions %s (an estimate; `limbeck prove` counts them)\n",
               lb_results_short(e->instructions, text));
    print_range("latency", &e->latency_ms, "ms");
    print_range("energy", &e->energy_uj, "uJ");
    printf("fits         %s\n", j->fits ? "yes" : "no");
}

static void print_text(const job *j)
{
    char shape[LB_SHAPE_TEXT], a[32], b[32];

    printf("%-28s %-18s %-18s %10s %10s\n", "layer", "operator", "output", "parameters",
           "MACs");
    for (int i = 0; i < j->list.n; i++) {
        const lb_layer_row *const l = &j->list.row[i];
        printf("%-28.60s %-18s %-18s %10s %10s\n", l->name, l->op,
               lb_shape_text(&l->shape, shape),
               lb_results_short((double)l->parameters, a), lb_results_short(l->macs, b));
    }
    printf("\nparameters   %zu\nmacs         %.0f\n", j->list.parameters,
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
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_int(&json, "parameters", (int64_t)j->list.parameters);
    lb_json_number(&json, "macs", lb_graph_macs(j->graph));
    lb_limits_json(&json, j->low && j->device ? &j->estimate : NULL, j->fits);
    if (j->low)
        json_memory(j, &json);
    lb_layer_list_json(&json, &j->list);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job *const j = LB_TAKE(arena, job);

    if (!j)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to inspect the network");
    LB_TRY(lb_limits_read(args, arena, &j->limits, err));
    j->device = lb_device_find(j->limits.profile);
    LB_TRY(lb_network_load(args->word[0], &j->graph, NULL, err));
    lb_code code = lb_layer_list_fill(j->graph, arena, &j->list, err);
    if (code == LB_OK) {
        estimate(j, arena);
        if (args->json)
            code = print_json(j, arena, err);
        else
            print_text(j);
    }
    lb_graph_free(j->graph);
    if (code != LB_OK || !j->device || !j->low || j->fits)
        return code;
    return lb_raise(err, LB_ERR_BUDGET,
                    "%s; `limbeck prune` makes a network smaller, `limbeck quantize` its "
                    "numbers, `limbeck fit` finds a built-in student that fits",
                    j->fit_error.text);
}

const lb_cmd lb_cmd_inspect = {
    .name = "inspect",
    .usage = "MODEL.onnx|.tflite [--device NAME] [--flash BYTES] ...",
    .help = "layers, parameters, multiply-adds, memory and estimates",
    .detail =
        "The names of the layers are the tap points of recipes. With a device, flash, "
        "SRAM,\nlatency and energy of the firmware are estimated, as low, middle and "
        "high. Exit code 3\nif the high end breaks a limit: the device's own, or a given "
        "one.",
    .example = "limbeck inspect student.onnx --device stm32l4r5",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
