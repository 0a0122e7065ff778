/* test_recipe.c: what a recipe says, what it leaves out, and every mistake at once. */
#include "recipe_help.h"

static void defaults_are_the_documented_ones(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(load(least, NULL, 0, arena, &r, &err), &err);
    if (err.code == LB_OK) {
        CHECK(strcmp(r->name, "r") == 0);
        CHECK(r->seed == 1);
        CHECK(r->data.fraction == 1 && r->data.validation == 0.1 && r->data.labels == 1);
        CHECK(r->data.n_augment == 0);
        CHECK(!r->has_teacher);
        CHECK(r->student.width == 1 && r->student.depth == 0 && !r->student.init);
        CHECK(!r->device.profile);
        CHECK(r->n_terms == 1 && strcmp(r->term[0].loss->name, "ce") == 0);
        CHECK(r->term[0].weight == 1);
        CHECK(r->train.epochs == 10 && r->train.batch == 128);
        CHECK(r->train.precision == LB_PRECISION_FLOAT32 && !r->train.order);
        CHECK(r->train.sgd.lr == 0.1 && r->train.sgd.momentum == 0.9);
        CHECK(r->train.sgd.nesterov && r->train.sgd.weight_decay == 5e-4);
        CHECK(r->train.schedule.kind == LB_SCHEDULE_COSINE);
        CHECK(r->train.schedule.warmup == 1 && r->train.schedule.floor == 0);
        CHECK(r->exports == (LB_EXPORT_ONNX | LB_EXPORT_C | LB_EXPORT_REPORT));
    }
    lb_arena_free(arena);
}

static void a_teacher_brings_its_losses(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const sets[] = {"teacher={onnx: r.yaml}"};
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(load(least, sets, 1, arena, &r, &err), &err);
    if (err.code == LB_OK) {
        CHECK(r->has_teacher && r->teacher[0].views == 0);
        CHECK(r->n_terms == 2);
        CHECK(strcmp(r->term[0].loss->name, "kd") == 0 && r->term[0].weight == 0.9);
        CHECK(r->term[0].knobs[0] == 4);
        CHECK(strcmp(r->term[1].loss->name, "ce") == 0 && r->term[1].weight == 0.1);
    }
    lb_arena_free(arena);
}

static void everything_said_is_kept(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(load(full, NULL, 0, arena, &r, &err), &err);
    if (err.code == LB_OK) {
        CHECK(strcmp(r->name, "full-one") == 0);
        CHECK(r->seed == UINT64_MAX);
        CHECK(r->data.labels == 0.125 && r->data.n_augment == 3);
        CHECK(r->data.augment[0].kind == LB_AUGMENT_SHIFT &&
              r->data.augment[0].pixels == 2);
        CHECK(r->data.augment[1].kind == LB_AUGMENT_FLIP &&
              r->data.augment[1].flip == LB_FLIP_HORIZONTAL);
        CHECK(r->data.augment[2].kind == LB_AUGMENT_CROP &&
              r->data.augment[2].pixels == 4);
        CHECK(strcmp(r->teacher[0].onnx, file) == 0);
        CHECK(r->teacher[0].input.pixels == LB_PIXELS_RAW);
        CHECK(r->teacher[0].input.mean.n == 3 &&
              r->teacher[0].input.mean.value[2] == 0.406);
        CHECK(r->teacher[0].input.layout == LB_CHANNELS_LAST);
        CHECK(r->teacher[0].views == 3 && r->teacher[0].store == LB_CACHE_NONE);
        CHECK(r->student.width == 0 && r->student.depth == 3);
        CHECK(r->student.input.mean.n == 1 && r->student.input.mean.value[0] == 0.5);
        CHECK(r->device.flash == 262144 && r->device.sram == 1000);
        CHECK_NEAR(r->device.latency, 0.05, 1e-15);
        CHECK_NEAR(r->device.energy, 0.002, 1e-15);
        CHECK(r->term[0].knobs[0] == 2.5 && r->term[0].weight == 0.3);
        CHECK(r->train.precision == LB_PRECISION_FLOAT64);
        CHECK(r->train.schedule.kind == LB_SCHEDULE_STEP);
        CHECK(r->train.schedule.at.n == 2 && r->train.schedule.at.value[1] == 8);
        CHECK(!r->train.sgd.nesterov);
        CHECK(r->exports == (LB_EXPORT_ONNX | LB_EXPORT_C));
        CHECK(r->firmware.package == LB_PACKAGE_CMAKE);
    }
    lb_arena_free(arena);
}

static void compare_keys(const lb_key *keys, const void *a, const void *b,
                         lb_arena *arena)
{
    for (; keys->name; keys++) {
        const char *const x = lb_key_text(keys, a, arena);
        const char *const y = lb_key_text(keys, b, arena);
        /* paths become absolute the first time */
        CHECK(x && y && (keys->type == LB_KEY_PATH || strcmp(x, y) == 0));
    }
}

static void compare(const lb_recipe *a, const lb_recipe *b, lb_arena *arena)
{
    compare_keys(lb_data_keys, &a->data, &b->data, arena);
    compare_keys(lb_input_keys, &a->teacher[0].input, &b->teacher[0].input, arena);
    compare_keys(lb_cache_keys, &a->teacher[0], &b->teacher[0], arena);
    compare_keys(lb_input_keys, &a->student.input, &b->student.input, arena);
    compare_keys(lb_device_keys, &a->device, &b->device, arena);
    compare_keys(lb_train_keys, &a->train, &b->train, arena);
    compare_keys(lb_sgd_keys, &a->train.sgd, &b->train.sgd, arena);
    compare_keys(lb_step_keys, &a->train.schedule, &b->train.schedule, arena);
    CHECK(a->train.schedule.kind == b->train.schedule.kind);
    CHECK(a->data.labels == b->data.labels && a->data.n_augment == b->data.n_augment);
    CHECK(a->has_teacher == b->has_teacher && a->seed == b->seed);
    CHECK(a->student.width == b->student.width && a->student.depth == b->student.depth);
    CHECK(a->n_terms == b->n_terms && a->exports == b->exports);
    compare_keys(lb_firmware_keys, &a->firmware, &b->firmware, arena);
    for (int t = 0; t < a->n_terms; t++) {
        CHECK(a->term[t].loss == b->term[t].loss);
        CHECK(a->term[t].weight == b->term[t].weight);
        for (int k = 0; k < LB_MAX_KNOBS; k++)
            CHECK(a->term[t].knobs[k] == b->term[t].knobs[k]);
    }
}

/* The resolved recipe says everything: resolving it again changes nothing. */
static void resolved_again_it_is_the_same(void)
{
    static const char *const sets[] = {("teacher={onnx: r.yaml, cache: {views: 2}, "
                                        "classes: [3, 0, 1]}"),
                                       "train.epochs=3", "student.width=0.3",
                                       "distill=[{loss: mse-logits, centre: true}]"};
    const struct {
        const char *text;
        int n_sets;
    } cases[] = {{least, 0}, {least, 3}, {least, 4}, {full, 0}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_error err = {0};
        lb_recipe *a = NULL, *b = NULL;
        CHECK_OK(load(cases[i].text, sets, cases[i].n_sets, arena, &a, &err), &err);
        const char *const first = a ? lb_recipe_text(a, arena) : NULL;
        CHECK(first != NULL);
        if (first)
            CHECK_OK(load(first, NULL, 0, arena, &b, &err), &err);
        const char *const second = b ? lb_recipe_text(b, arena) : NULL;
        CHECK(first && second && strcmp(first, second) == 0);
        if (a && b)
            compare(a, b, arena);
        if (first && cases[i].n_sets == 4)
            CHECK_TEXT(first, "{loss: mse-logits, weight: 1, centre: true");
        if (first && cases[i].n_sets > 0)
            CHECK_TEXT(first, "\n  classes: [3, 0, 1]\n");
        lb_arena_free(arena);
    }
}

/* The list, the list with `combine`, and one teacher in three spellings. */
static void teachers_may_be_several(void)
{
    static const char *const sets[] = {
        ("teacher=[{onnx: r.yaml, mean: 0.5, cache: {views: 2}}, {onnx: r.yaml, weight: "
         "3, "
         "classes: [2, 0, 1], cache: {views: 2, store: fp16}}]"),
        ("teacher={combine: logits, members: [{onnx: r.yaml, weight: 0.5}, {onnx: "
         "r.yaml, "
         "weight: 1}, {onnx: r.yaml, weight: 0.5}]}"),
        "teacher=[{onnx: r.yaml, weight: 7}]",
        ("teacher={weights: validation, correct_only: true, members: [{onnx: r.yaml}, "
         "{onnx: r.yaml}]}")};
    static const lb_ensemble want[] = {
        {.n = 2, .weight = {0.25, 0.75}},
        {.n = 3, .weight = {0.25, 0.5, 0.25}, .combine = LB_COMBINE_LOGITS},
        {.n = 1, .weight = {1}},
        {.n = 2,
         .weight = {0.5, 0.5},
         .weighing = LB_WEIGHTS_VALIDATION,
         .correct_only = true}};

    for (int i = 0; i < 4; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_error err = {0};
        lb_recipe *r = NULL, *again = NULL;
        CHECK_OK(load(least, &sets[i], 1, arena, &r, &err), &err);
        const char *const text = r ? lb_recipe_text(r, arena) : NULL;
        if (text)
            CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
        const lb_recipe *const both[] = {r, again};
        for (int k = 0; k < 2 && again; k++) {
            const lb_ensemble *const e = &both[k]->ensemble;
            CHECK(both[k]->has_teacher && e->n == want[i].n);
            CHECK(e->combine == want[i].combine && e->weighing == want[i].weighing);
            CHECK(e->correct_only == want[i].correct_only && !e->found);
            for (int m = 0; m < e->n; m++)
                CHECK_NEAR(e->weight[m], want[i].weight[m], 1e-15);
        }
        const char *const second = again ? lb_recipe_text(again, arena) : NULL;
        CHECK(second && strcmp(text, second) == 0);
        if (i == 0 && again) {
            CHECK(again->teacher[0].input.mean.n == 1 && again->teacher[0].views == 2);
            CHECK(again->teacher[1].n_classes == 3 && again->teacher[1].classes[0] == 2);
            CHECK(again->teacher[1].store == LB_CACHE_FP16);
            CHECK_TEXT(text, "cache: {views: 2, store: fp16, top: 0}}\n");
        }
        lb_arena_free(arena);
    }
}

static const char two_named[] = "teacher=[{onnx: r.yaml, name: big}, {onnx: r.yaml}]";

static void layers_are_of_one_teacher_or_of_all(void)
{
    static const char *const sets[] = {
        two_named, "distill=[{loss: hint}, {loss: at, of: big}, {loss: sp, of: 1}]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_recipe *r = NULL, *again = NULL;
    lb_error err = {0};

    CHECK_OK(load(least, sets, 2, arena, &r, &err), &err);
    CHECK(!r->term[0].taps.of_one);
    CHECK(r->term[1].taps.of_one && r->term[1].taps.of == 0);
    CHECK(r->term[2].taps.of_one && r->term[2].taps.of == 1);
    const char *const text = lb_recipe_text(r, arena);
    CHECK_TEXT(text, "name: big");
    CHECK_TEXT(text, "of: big, teacher: auto");
    CHECK_TEXT(text, "of: 1, teacher: auto");
    CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    CHECK(strcmp(text, lb_recipe_text(again, arena)) == 0);
    lb_arena_free(arena);
}

static void sizes_may_be_left_to_the_device(void)
{
    static const char *const sets[] = {"student.width=fit", "student.depth=fit",
                                       "device=stm32l4r5"};
    lb_arena *const arena = lb_arena_new(0);
    lb_recipe *r = NULL, *again = NULL;
    lb_error err = {0};

    CHECK_OK(load(least, sets, 3, arena, &r, &err), &err);
    CHECK(r && r->student.depth == LB_DEPTH_FIT && !(r->student.width > 0));
    const char *const text = r ? lb_recipe_text(r, arena) : "";
    CHECK_TEXT(text, "width: fit");
    CHECK_TEXT(text, "depth: fit");
    CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    CHECK(again && strcmp(text, lb_recipe_text(again, arena)) == 0);
    lb_arena_free(arena);
}

static void mistakes_about_teachers_are_told(void)
{
    static const struct {
        const char *teacher, *distill, *words;
    } cases[] = {
        {two_named, "distill=[{loss: hint, of: bug}]",
         "'of' is the name of a teacher or its number, 0 to 1, not 'bug'; did you mean "
         "'big'?"},
        {two_named, "distill=[{loss: hint, of: 2}]", "its number, 0 to 1, not '2'"},
        {two_named, "distill=[{loss: kd, of: big}]",
         "loss 'kd' compares no layers; it takes no 'of'"},
        {"teacher=[{onnx: r.yaml, name: a}, {onnx: r.yaml, name: a}]",
         "distill=[{loss: kd}]", "two teachers are called 'a'"},
        {"teacher={weights: validation, members: [{onnx: r.yaml, weight: 2}, {onnx: "
         "r.yaml}]}",
         "distill=[{loss: kd}]",
         "with weights: validation the weights are found; leave this one out"},
        {"teacher={correct_only: true, members: [{onnx: r.yaml}, {onnx: r.yaml}]}",
         "data.labels=none", "correct_only needs labels, and the recipe says labels"},
        {"teacher={onnx: r.yaml, name: 1st}", "distill=[{loss: kd}]",
         "the name of a teacher begins with a letter, not as '1st'"},
        {two_named,
         "stages=[{distill: [{loss: ce}]}, {teacher: previous, distill: [{loss: hint, "
         "of: "
         "0}]}]",
         "the teacher of stage 'stage 2' is the student before it"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const sets[] = {cases[i].teacher, cases[i].distill};
        lb_arena *const arena = lb_arena_new(0);
        lb_recipe *r = NULL;
        lb_error err = {0};
        CHECK(load(least, sets, 2, arena, &r, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, cases[i].words);
        lb_arena_free(arena);
    }
}

static void every_mistake_is_told_at_once(void)
{
    static const char text[] = "nam: x\n"
                               "data:\n"
                               "  source: idx\n"
                               "  path: ./nowhere\n"
                               "  labels: some\n"
                               "  augment: [{shift: 2}, {flop: horizontal}]\n"
                               "teacher: {onnx: r.yaml, weigth: 1}\n"
                               "student: {model: ds-cn, width: wide, std: [0]}\n"
                               "device: stm32l4r\n"
                               "distill:\n"
                               "  - {loss: kdd, temperature: 4}\n"
                               "  - {loss: kd, temperature: -4, temprature: 2}\n"
                               "train:\n"
                               "  epochs: ten\n"
                               "  epochs: 3\n"
                               "  batch: 0\n"
                               "  optimizer: {sgd: {lr: [1], momentum: 2}}\n"
                               "  schedule: {step: {factor: 0.5}}\n"
                               "compress: {prune: {amuont: 1}, quantize: {mode: qad}}\n"
                               "export: [onnx: {a: 1}, tflite, cc, c: {package: make}]\n";
    static const char *const lines[] = {
        ":1:1: no key is called 'nam' in 'the recipe'; did you mean 'name'?\n",
        ":4:9: path: there is no '",
        ":5:11: labels must be all, none or a share from 0 to 1, not 'some'\n",
        ":6:26: no augmentation is called 'flop'; did you mean 'flip'?\n",
        ":7:25: no key is called 'weigth' in 'teacher'; did you mean 'weight'?\n",
        ":8:18: no model is called 'ds-cn'; did you mean 'ds-cnn'?\n",
        ":8:32: width must be 'fit' or a number, not 'wide'\n",
        ":8:43: std must be above 0, not 0\n",
        ":9:9: no device is called 'stm32l4r'; did you mean 'stm32l4r5'?\n",
        ":11:12: no loss is called 'kdd'; did you mean 'kd'?\n",
        ":12:29: temperature must be between ",
        ":12:33: no key is called 'temprature' in 'kd'; did you mean 'temperature'?\n",
        ":14:11: epochs must be a whole number, not 'ten'\n",
        ":15:3: 'epochs' is given twice, first in line 14\n",
        ":16:10: batch must be between 1 and 65536, not 0\n",
        ":17:25: lr must be one value, not a list\n",
        ":17:40: momentum must be between 0 and 1, not 2\n",
        ":18:20: 'at' is missing in 'step'; ",
        ":19:20: no key is called 'amuont' in 'prune'; did you mean 'amount'?\n",
        ":19:49: mode",
        ":20:9: export tflite is int8 as TensorFlow Lite rounds it: it needs compress: ",
        ":20:16: export onnx has no settings\n",
        ":20:32: no export is called 'cc'; did you mean 'c'?\n",
        ":20:49: package must be plain, cmake, arduino, zephyr or platformio, not 'make'",
        "25 mistakes in '",
        "'; nothing was run",
    };
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL;
    const char *at = err.text;

    CHECK(load(text, NULL, 0, arena, &r, &err) == LB_ERR_INPUT);
    CHECK(r == NULL);
    /* all of them, in the order of their places */
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CHECK_TEXT(at, lines[i]);
        const char *const found = strstr(at, lines[i]);
        at = found ? found + 1 : at;
    }
    lb_arena_free(arena);
}

/* A weight and a temperature that change, and a loss that comes later. */
static void numbers_may_change(void)
{
    const char *const sets[] = {
        "teacher={onnx: r.yaml}", "train.epochs=20",
        "distill=[{loss: kd, weight: {warmup: 20}, temperature: {from: 8, to: 2, over: "
        "10, "
        "after: 1, shape: cosine}}, {loss: ce, weight: {from: 1, to: 0.5, over: 3}, "
        "epochs: "
        "0..5}, {loss: ce, epochs: 5..}, {loss: ce, epochs: ..7}]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL, *again = NULL;

    CHECK_OK(load(least, sets, 3, arena, &r, &err), &err);
    const char *const text = r ? lb_recipe_text(r, arena) : NULL;
    CHECK(text != NULL);
    if (text) {
        CHECK_TEXT(text, "weight: {from: 0, to: 1, over: 20, after: 0, shape: linear}");
        CHECK_TEXT(text, "epochs: 0..5}");
        CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    }
    for (int i = 0; i < 2 && again; i++) {
        const lb_term *const t = (i ? again : r)->term;
        CHECK(t[0].weight_ramp.on && t[0].weight_ramp.from == 0);
        CHECK(t[0].weight_ramp.to == 1 && t[0].weight_ramp.over == 20);
        CHECK(t[0].knob_ramp[0].on && t[0].knob_ramp[0].from == 8);
        CHECK(t[0].knob_ramp[0].to == 2 && t[0].knob_ramp[0].after == 1);
        CHECK(t[0].knob_ramp[0].shape == LB_RAMP_COSINE);
        CHECK(t[0].first == 0 && t[0].end == 0);
        CHECK(t[1].weight_ramp.to == 0.5 && t[1].first == 0 && t[1].end == 5);
        CHECK(!t[2].weight_ramp.on && t[2].first == 5 && t[2].end == 0);
        CHECK(t[3].first == 0 && t[3].end == 7);
    }
    lb_arena_free(arena);
}

/* Weights of the literature: a number where it is known, else the word. */
static void a_weight_may_have_a_name(void)
{
    const char *const sets[] = {
        "teacher={onnx: r.yaml}",
        "distill=[{loss: sp, weight: {preset: repdistiller}}, {loss: at, weight: "
        "{preset: mdistiller}}, {loss: dkd, weight: {preset: mdistiller, warmup: 2}}, "
        "{loss: pkt, weight: {preset: kd-zoo}, form: published}, {loss: ofd, weight: "
        "{preset: mdistiller, warmup: 3}}, {loss: ce}]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL, *again = NULL;

    CHECK_OK(load(least, sets, 2, arena, &r, &err), &err);
    const char *const text = r ? lb_recipe_text(r, arena) : NULL;
    CHECK(text != NULL);
    if (!text) {
        lb_arena_free(arena);
        return;
    }
    CHECK_TEXT(text, "{loss: sp, weight: 46.875, form: per-sample, ");
    CHECK_TEXT(text, "} # weight: preset repdistiller: 3000 over the batch of 64 that");
    CHECK_TEXT(text, "{loss: at, weight: {preset: mdistiller}, ");
    CHECK_TEXT(text, "weight: {from: 0, to: 1, over: 2, after: 0, shape: linear}");
    CHECK_TEXT(text, "weight: {preset: mdistiller, from: 0, over: 3, after: 0, ");
    CHECK_TEXT(text, "{loss: pkt, weight: 10000, form: published, ");
    CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    for (int i = 0; i < 2 && again; i++) {
        const lb_term *const t = (i ? again : r)->term;
        CHECK(t[0].weight == 46.875 && t[3].weight == 10000);
        CHECK(t[1].preset && !t[1].weighed && t[1].weight == 1000);
        CHECK(t[2].weight_ramp.on && t[2].weight_ramp.to == 1 && t[2].weight == 1);
        CHECK(t[4].preset && t[4].weight_ramp.on && t[4].weight_ramp.over == 3);
        CHECK(!t[5].preset && t[5].weight == 1);
    }
    lb_arena_free(arena);
}

/* The name alone is complained about, not also a weight that nobody gave. */
static void a_misspelt_preset_is_one_mistake(void)
{
    const char *const sets[] = {"teacher={onnx: r.yaml}",
                                "distill=[{loss: at, weight: {preset: repdistiler}}]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL;

    CHECK(load(least, sets, 2, arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "has no preset 'repdistiler'; did you mean 'repdistiller'?");
    CHECK_TEXT(err.text, "1 mistake in");
    CHECK(!strstr(err.text, "weight of every loss"));
    lb_arena_free(arena);
}

/* Weights that training finds. */
static void a_weight_may_be_found(void)
{
    const char *const sets[] = {"teacher={onnx: r.yaml}",
                                "distill=[{loss: hint, weight: auto}, {loss: kd, weight: "
                                "{auto: 0.5, steps: 20}}, "
                                "{loss: ce, weight: 0.3}]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL, *again = NULL;

    CHECK_OK(load(least, sets, 2, arena, &r, &err), &err);
    const char *const text = r ? lb_recipe_text(r, arena) : NULL;
    CHECK(text != NULL);
    if (text) {
        CHECK_TEXT(text, "{loss: hint, weight: {auto: 1, steps: 50}, ");
        CHECK_TEXT(text, "{loss: kd, weight: {auto: 0.5, steps: 20}, temperature: 4, ");
        CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    }
    for (int i = 0; i < 2 && again; i++) {
        const lb_term *const t = (i ? again : r)->term;
        CHECK(t[0].balance.on && t[0].balance.share == 1 && t[0].balance.steps == 50);
        CHECK(t[1].balance.on && t[1].balance.share == 0.5 && t[1].balance.steps == 20);
        CHECK(!t[2].balance.on && t[2].weight == 0.3 && t[0].weight == 0);
    }
    lb_arena_free(arena);
}

static void a_file_is_read(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(lb_write_file(file, least, sizeof least - 1, &err), &err);
    CHECK_OK(lb_recipe_load(file, NULL, 0, arena, &r, &err), &err);
    if (err.code == LB_OK)
        CHECK(strcmp(r->student.model, "ds-cnn") == 0 && strcmp(r->path, file) == 0);
    lb_arena_free(arena);
}

static void sets_override(void)
{
    const char *const sets[] = {
        "train.epochs=3",           "train.optimizer.sgd.lr=0.5", "distill.1.weight=2",
        "distill.2.loss=ce",        "device=stm32l4r5",           "device.sram=64K",
        "data.augment=[{crop: 1}]", "train.schedule=constant",    "name=other"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(load(full, sets, 9, arena, &r, &err), &err);
    if (err.code == LB_OK) {
        CHECK(r->train.epochs == 3 && r->train.batch == 32);
        CHECK(r->train.sgd.lr == 0.5 && r->train.sgd.momentum == 0.8);
        CHECK(r->n_terms == 3 && r->term[1].weight == 2 && r->term[2].weight == 1);
        CHECK(r->device.sram == 65536 && r->device.flash == 0);
        CHECK(strcmp(r->device.profile, "stm32l4r5") == 0);
        CHECK(r->data.n_augment == 1 && r->data.augment[0].kind == LB_AUGMENT_CROP);
        CHECK(r->train.schedule.kind == LB_SCHEDULE_CONSTANT);
        CHECK(strcmp(r->name, "other") == 0);
    }
    lb_arena_free(arena);
}

static void mistakes_in_sets_name_the_set(void)
{
    const char *const sets[] = {"train.epohs=3",    "distill.7.weight=2", "train",
                                "train.batch=many", "seed=[1, 2",         "=3"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK(load(full, sets, 6, arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "--set train.epohs=3: no key is called 'epohs' in 'train'; did "
                         "you mean 'epochs'?\n");
    CHECK_TEXT(err.text,
               "--set distill.7.weight=2: '7' is no item of the list, which has "
               "2 (from 0 on)\n");
    CHECK_TEXT(err.text, "--set train: must be KEY=VALUE");
    CHECK_TEXT(err.text,
               "--set train.batch=many: batch must be a whole number, not 'many'\n");
    CHECK_TEXT(err.text, "--set seed=[1, 2: not valid YAML: ");
    CHECK_TEXT(err.text, "--set =3: must be KEY=VALUE");
    CHECK_TEXT(err.text, "6 mistakes in ");
    lb_arena_free(arena);
}

static void what_does_not_go_together_is_told(void)
{
    static const struct {
        const char *text, *set, *words;
    } cases[] = {
        {least, "distill=[{loss: kd}]", "loss 'kd' needs a teacher"},
        {least, "distill=[{loss: hint}]", "loss 'hint' needs a teacher"},
        {full, "distill=[{loss: kd, student: x}]",
         "loss 'kd' compares no layers; it takes no 'student'"},
        {full, "distill=[{loss: hint, teacher: a}]",
         "loss 'hint' names layers of the teacher alone; name those of the student, too"},
        {full, "distill=[{loss: hint, teacher: [], student: a}]",
         "'teacher' must be a layer, a list of 1 to 32 layers, or auto"},
        {full, "distill=[{loss: hint, adapter: conv}]", "did you mean 'conv1x1'?"},
        {least, "data.labels=none", "loss 'ce' needs labels"},
        {least, "student.width=fit", "width: fit needs a 'device' to fit"},
        {least, "student.depth=fit", "depth: fit needs a 'device' to fit"},
        {least, "student.depth=0", "depth must be between 1 and 1000, not 0"},
        {least, "student={width: 1}", "the student needs 'model' or 'onnx'"},
        {least, "student.onnx=r.yaml", "one of them is enough"},
        {least, "student={onnx: r.yaml, width: 2}", "'width' goes with 'model'"},
        {least, "student={onnx: no.onnx}", "onnx: there is no '"},
        {least, "teacher={pixels: raw}", "the teacher needs 'onnx'"},
        {least, "teacher={onnx: r.yaml, classes: {a: 1}}",
         "classes must say which output of the teacher"},
        {least, "teacher={onnx: r.yaml, classes: []}",
         "classes must say which output of the teacher"},
        {least, "teacher={onnx: r.yaml, classes: [1, 0, 1]}",
         "classes gives output 1 to class 0 and to class 2"},
        {least, "teacher={onnx: r.yaml, classes: [1, -1]}", "from 0, not '-1'"},
        {least, "teacher={onnx: r.yaml, classes: [1, coat]}", "from 0, not 'coat'"},
        {least, "teacher={onnx: r.yaml, classes: [65536]}", "from 0, not '65536'"},
        {least, "teacher={onnx: r.yaml, classes: names.txt}", "classes: there is no '"},
        {least, "teacher=[]", "several teachers are a list of 1 to 16"},
        {least, "teacher={members: {onnx: r.yaml}}",
         "several teachers are a list of 1 to 16"},
        {least, "teacher=[{onnx: r.yaml}, r.yaml]", "'teacher' must be a map of keys"},
        {least, "teacher=[{onnx: r.yaml}, {weight: 2}]", "the teacher needs 'onnx'"},
        {least, "teacher=[{onnx: r.yaml}, {onnx: r.yaml, weight: 0}]",
         "weight must be between 1e-06 and 1000000, not 0"},
        {least, "teacher=[{onnx: r.yaml}, {onnx: r.yaml, cache: {views: 2}}]",
         "this teacher has 2 fixed views, but the first has 0"},
        {least, "teacher={combine: logits, onnx: r.yaml}", "no key is called 'combine'"},
        {least, "teacher={combine: logit, members: [{onnx: r.yaml}]}",
         "combine must be probabilities or logits, not 'logit'"},
        {least, "distill=[{loss: mse-logits, centre: maybe}]",
         "centre must be false or true, not 'maybe'"},
        {least, "distill=[]", "distill must be a list of losses"},
        {least, "distill=[{loss: ce, weight: 0}]", "the weight of every loss is 0"},
        {least, "distill=[{loss: ce, epochs: 5}]", "are a span such as 0..5"},
        {least, "distill=[{loss: ce, epochs: ..}]", "are a span such as 0..5"},
        {least, "distill=[{loss: ce, epochs: 5..3}]", "must rise"},
        {least, "distill=[{loss: ce, epochs: a..3}]", "epochs must be a whole number"},
        {least, "distill=[{loss: ce, weight: {form: 1}}]", "did you mean 'from'?"},
        {least, "distill=[{loss: ce, weight: {from: 1, to: 0}}]", "'over' is missing"},
        {least, "distill=[{loss: ce, weight: {over: 3}}]", "'from' is missing"},
        {least, "distill=[{loss: ce, weight: auto}]",
         "the weight of loss 'ce' is found beside losses with a weight above 0"},
        {least, "distill=[{loss: ce, weight: auto}, {loss: ce, weight: 0}]",
         "is found beside losses with a weight above 0"},
        {least,
         "distill=[{loss: ce, weight: auto, epochs: 0..5}, {loss: ce, epochs: 5..}]",
         "and none counts in its epochs"},
        {least, "distill=[{loss: ce, weight: {auto: 0}}, {loss: ce}]",
         "auto must be between 1e-06 and 1000000, not 0"},
        {least, "distill=[{loss: ce, weight: {auto: 1, steps: 0}}, {loss: ce}]",
         "steps must be between 1 and 100000, not 0"},
        {least, "distill=[{loss: ce, weight: {auto: 1, warmup: 2}}, {loss: ce}]",
         "no key is called 'warmup'"},
        {least, "distill=[{loss: ce, weight: often}]", "weight must be a number"},
        {least, "distill=[{loss: ce, weight: {preset: repdistiller}}]",
         "loss 'ce' has no preset; its weight is a number"},
        {least, "distill=[{loss: nst, weight: {preset: torchdistill}}]",
         "loss 'nst' has no preset 'torchdistill'; known: repdistiller, mdistiller, "
         "kd-zoo"},
        {least, "distill=[{loss: sp, weight: {preset: repdistill}}]",
         "did you mean 'repdistiller'?"},
        {least, "distill=[{loss: sp, weight: {preset: kd-zoo, to: 3, over: 1}}]",
         "'preset' and 'to' are the same number"},
        {least, "distill=[{loss: sp, weight: {preset: [kd-zoo]}}]",
         "preset must be one value, not a list"},
        {least, "distill=[{loss: at, form: paper, weight: {preset: kd-zoo}}]",
         "preset 'kd-zoo' of loss 'at' is a weight for form: published"},
        {least, "distill=[{loss: ofd, form: published, weight: {preset: kd-zoo}}]",
         "is a weight for form: per-sample"},
        {least, "distill=[{loss: ce, weight: {warmup: 3, over: 2}}]",
         "are the same number"},
        {least, "distill=[{loss: ce, weight: {from: -1, over: 2}}]",
         "from must be between 0 and"},
        {least, "distill=[{loss: ce, label_smoothing: {from: 0, to: 0.1, over: 2}}]",
         "label_smoothing must be one value, not a map"},
        {least, "train.schedule={cosine: {warmup: 11}}", "at most the 10 epochs, not 11"},
        {least, "train.schedule={step: {at: [5, 5]}}", "the epochs of 'at' must rise"},
        {least, "train.optimizer={sgd: {momentum: 0, nesterov: true}}",
         "nesterov needs a momentum above 0"},
        {least, "train.optimizer=adma", "no optimizer is called 'adma'"},
        {least, "data.validation=10.5", "a whole number of samples or a share below 1"},
        {least, "data=x", "'data' must be a map of keys, not a value"},
        {least, "data.source=idy", "no data source is called 'idy'; did you mean 'idx'?"},
        {least, "name=../x", "name must be up to 64 letters"},
        {least, "train.epochs=", "epochs has no value"},
        {least, "stages=[]", "stages must be a list of 1 to 32 stages"},
        {"seed: 1\n", "seed=2", "'data' is missing"},
        {"", "seed=2", "'student' is missing"},
        {"- a\n- b\n", "seed=2", "'the recipe' must be a map of keys, not a list"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_error err = {0};
        lb_recipe *r;
        const lb_code code = load(cases[i].text, &cases[i].set, 1, arena, &r, &err);
        CHECK(code == LB_ERR_INPUT);
        CHECK_TEXT(err.text, cases[i].words);
        lb_arena_free(arena);
    }
}

static void a_short_run_warms_up_shortly(void)
{
    const char *const sets[] = {"train.epochs=2", "train.optimizer={sgd: {momentum: 0}}"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK_OK(load(least, sets, 2, arena, &r, &err), &err);
    if (err.code == LB_OK) {
        CHECK_NEAR(r->train.schedule.warmup, 0.2, 1e-12);
        CHECK(!r->train.sgd.nesterov);
    }
    lb_arena_free(arena);
}

static void count(void *arg, const char *full_name, const lb_key *key)
{
    int *const n = arg;

    n[0]++;
    n[1] += strcmp(full_name, "train.optimizer.sgd.lr") == 0;
    n[2] += !key->help || !*key->help;
}

static void every_key_has_a_name_and_help(void)
{
    int n[3] = {0};

    lb_recipe_each_key(count, n);
    CHECK(n[0] > 40);
    CHECK(n[1] == 1);
    CHECK(n[2] == 0);
}

int main(void)
{
    begin();
    RUN(defaults_are_the_documented_ones);
    RUN(a_teacher_brings_its_losses);
    RUN(everything_said_is_kept);
    RUN(resolved_again_it_is_the_same);
    RUN(teachers_may_be_several);
    RUN(layers_are_of_one_teacher_or_of_all);
    RUN(sizes_may_be_left_to_the_device);
    RUN(mistakes_about_teachers_are_told);
    RUN(every_mistake_is_told_at_once);
    RUN(numbers_may_change);
    RUN(a_weight_may_have_a_name);
    RUN(a_misspelt_preset_is_one_mistake);
    RUN(a_weight_may_be_found);
    RUN(a_file_is_read);
    RUN(sets_override);
    RUN(mistakes_in_sets_name_the_set);
    RUN(what_does_not_go_together_is_told);
    RUN(a_short_run_warms_up_shortly);
    RUN(every_key_has_a_name_and_help);
    end();
    return DONE();
}
