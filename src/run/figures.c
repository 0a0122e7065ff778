/* figures.c: reads back what a run's result says. */
#include "run/run.h"

#include "base/number.h"
#include "recipe/tree.h"

#include <math.h>
#include <string.h>

static double number(const lb_tree *map, const char *key)
{
    const lb_tree *const at = lb_tree_find(map, key);
    double value;

    if (!at || at->kind != LB_TREE_SCALAR ||
        !lb_number_parse(at->text, strlen(at->text), &value))
        return NAN;
    return value;
}

static int count(const lb_tree *map, const char *key)
{
    const double value = number(map, key);

    return value >= 0 && value < 1e9 ? (int)value : 0;
}

lb_code lb_run_figures_read(const char *json, lb_arena *arena, lb_run_figures *out,
                            lb_error *err)
{
    lb_findings findings;

    lb_findings_init(&findings, arena);
    const lb_tree *const root = lb_tree_parse(json, strlen(json), NULL, &findings);
    if (findings.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to read a run's result");
    if (!root || root->kind != LB_TREE_MAP || findings.n > 0)
        return lb_raise(err, LB_ERR_INPUT, "a run's result.json is no JSON object");
    const lb_tree *const student = lb_tree_find(root, "student");
    const lb_tree *const latency = lb_tree_find(student, "latency_ms");
    *out = (lb_run_figures){
        .epochs = count(root, "epochs"),
        .best_epoch = count(root, "best_epoch"),
        .validation = count(lb_tree_find(root, "data"), "validation"),
        .validation_accuracy = number(student, "validation_accuracy"),
        .validation_loss = number(student, "validation_loss"),
        .validation_before = number(lb_tree_find(root, "pruned"), "validation_before"),
        .accuracy = number(student, "accuracy"),
        .last_accuracy = number(student, "last_accuracy"),
        .teacher_accuracy = number(lb_tree_find(root, "teacher"), "accuracy"),
        .parameters = number(student, "parameters"),
        .macs = number(student, "macs"),
        .flash_bytes = number(student, "flash_bytes"),
        .sram_bytes = number(student, "sram_bytes"),
        .latency_ms = {.low = number(latency, "low"),
                       .mid = number(latency, "mid"),
                       .high = number(latency, "high")}};
    return LB_OK;
}
