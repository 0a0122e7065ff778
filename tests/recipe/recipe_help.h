/* recipe_help.h: recipes from strings, in a folder that is removed at the end. */
#ifndef LB_TESTS_RECIPE_RECIPE_HELP_H
#define LB_TESTS_RECIPE_RECIPE_HELP_H

#include "base/file.h"
#include "recipe/recipe.h"

#include "check.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[64], file[96];

static inline void begin(void)
{
    lb_error err = {0};

    snprintf(folder, sizeof folder, "/tmp/lb-recipe-XXXXXX");
    if (!mkdtemp(folder)) {
        printf("Bail out! no folder for the test\n");
        exit(1);
    }
    snprintf(file, sizeof file, "%s/r.yaml", folder);
    CHECK_OK(lb_write_file(file, "name: x\n", 8, &err), &err);
}

static inline void end(void)
{
    unlink(file);
    rmdir(folder);
}

/* Reads these bytes as r.yaml, beside which a file of that name lies. */
static inline lb_code load_bytes(const char *bytes, size_t n, const char *const *sets,
                                 int n_sets, lb_arena *arena, lb_recipe **out,
                                 lb_error *err)
{
    return lb_recipe_parse(file, bytes, n, sets, n_sets, arena, out, err);
}

static inline lb_code load(const char *text, const char *const *sets, int n_sets,
                           lb_arena *arena, lb_recipe **out, lb_error *err)
{
    return load_bytes(text, strlen(text), sets, n_sets, arena, out, err);
}

static const char least[] = "data: {source: idx, path: .}\n"
                            "student: {model: ds-cnn}\n";

static const char full[] =
    "name: full-one\n"
    "seed: 18446744073709551615\n"
    "data:\n"
    "  source: idx\n"
    "  path: .\n"
    "  fraction: 0.25\n"
    "  validation: 5000\n"
    "  labels: 0.125\n"
    "  augment: [{shift: 2}, {flip: horizontal}, {crop: 4}]\n"
    "teacher:\n"
    "  onnx: \"r.yaml\"   # any file that is there\n"
    "  pixels: raw\n"
    "  mean: [0.485, 0.456, 0.406]\n"
    "  std: [0.1, 0.2, 0.3]\n"
    "  layout: channels-last\n"
    "  cache: {views: 3, store: none}\n"
    "student: {model: ds-cnn, width: fit, depth: 3, init: r.yaml, mean: 0.5}\n"
    "device: {profile: stm32l4r5, flash: 256K, sram: 1000, latency: 50ms, energy: 2mJ}\n"
    "distill:\n"
    "  - {loss: kd, temperature: 2.5, weight: 0.3}\n"
    "  - {loss: ce, weight: 0.1}\n"
    "train:\n"
    "  epochs: 12\n"
    "  batch: 32\n"
    "  order: r.yaml\n"
    "  precision: float64\n"
    "  loader_threads: 2\n"
    "  optimizer: {sgd: {lr: 0.05, momentum: 0.8, nesterov: false, weight_decay: 1e-4}}\n"
    "  schedule: {step: {at: [4, 8], factor: 0.2, warmup: 0.5}}\n"
    "export: [{c: {package: cmake}}, onnx]\n";

#endif
