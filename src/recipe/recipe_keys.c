/* recipe_keys.c: the recipe's own rows, and the walk over all tables. */
#include "recipe/recipe_int.h"

#include <stddef.h>
#include <string.h>

/* in the order of lb_head */
static const char *const heads[] = {"own", "teacher", NULL};
static const char *const flips[] = {"none", "horizontal", "vertical", NULL};

const lb_key lb_recipe_keys[] = {
    {.name = "name",
     .type = LB_KEY_TEXT,
     .offset = offsetof(lb_recipe, name),
     .usual = "",
     .help = "what the run is called; usually the recipe's file name"},
    {.name = "seed",
     .type = LB_KEY_UNSIGNED,
     .offset = offsetof(lb_recipe, seed),
     .usual = "1",
     .help = "of all random numbers: the same seed gives the same weights"},
    {0},
};

#define AT(field) offsetof(lb_student_options, field)
const lb_key lb_student_keys[] = {
    {.name = "model",
     .type = LB_KEY_TEXT,
     .offset = AT(model),
     .usual = "",
     .help = "a built-in architecture"},
    {.name = "onnx",
     .type = LB_KEY_PATH,
     .offset = AT(onnx),
     .usual = "",
     .help = "or a graph from an ONNX file"},
    {.name = "init",
     .type = LB_KEY_PATH,
     .offset = AT(init),
     .usual = "",
     .help = "an ONNX file with the initial weights"},
    {0},
};
const lb_key lb_head_keys[] = {
    {.name = "head",
     .type = LB_KEY_CHOICE,
     .offset = AT(head),
     .usual = "own",
     .choices = heads,
     .help = "own, or the teacher's classifier behind a projector: both are part of the "
             "student then"},
    {.name = "reduction",
     .type = LB_KEY_INT,
     .offset = AT(reduction),
     .min = 1,
     .max = 64,
     .usual = "2",
     .help = "with head: teacher: how many times fewer channels the projector has within "
             "than the teacher's last map"},
    {0},
};
const lb_key lb_width_key = {
    .name = "width",
    .type = LB_KEY_FLOAT,
    .offset = AT(width),
    .min = 0.01,
    .max = 100,
    .usual = "1",
    .help = "multiplies the channels; fit: the widest that the device holds"};
const lb_key lb_depth_key = {
    .name = "depth",
    .type = LB_KEY_INT,
    .offset = AT(depth),
    .min = 1,
    .max = 1000,
    .usual = "",
    .help = "the architecture's own depth, usually the published one; fit: of those that "
            "the device holds, the one that computes most"};
#undef AT

const lb_key lb_labels_key = {
    .name = "labels",
    .type = LB_KEY_FLOAT,
    .offset = offsetof(lb_data_options, labels),
    .min = 0,
    .max = 1,
    .usual = "all",
    .help = "all, none, or the share of the samples that keep their label"};

const lb_key lb_shift_key = {.name = "shift",
                             .type = LB_KEY_INT,
                             .offset = offsetof(lb_augment, pixels),
                             .min = 1,
                             .max = 64,
                             .help = "moves by at most so many pixels each way"};
const lb_key lb_crop_key = {.name = "crop",
                            .type = LB_KEY_INT,
                            .offset = offsetof(lb_augment, pixels),
                            .min = 1,
                            .max = 64,
                            .help = "pads by so many pixels, then crops at random"};
const lb_key lb_flip_key = {.name = "flip",
                            .type = LB_KEY_CHOICE,
                            .offset = offsetof(lb_augment, flip),
                            .choices = flips,
                            .help = "mirrors half of the views"};

const lb_key lb_weight_key = {.name = "weight",
                              .type = LB_KEY_FLOAT,
                              .offset = offsetof(lb_term, weight),
                              .min = 0,
                              .max = 1e6,
                              .usual = "1",
                              .help = "what the loss is multiplied by in the sum"};

const lb_key lb_first_key = {.name = "epochs",
                             .type = LB_KEY_INT,
                             .offset = offsetof(lb_term, first),
                             .min = 0,
                             .max = 100000,
                             .help = "the first epoch in which the loss counts"};
const lb_key lb_end_key = {.name = "epochs",
                           .type = LB_KEY_INT,
                           .offset = offsetof(lb_term, end),
                           .min = 1,
                           .max = 100000,
                           .help = "the epoch from which on it does not"};

const lb_export_name lb_export_names[] = {{"onnx", LB_EXPORT_ONNX},
                                          {"c", LB_EXPORT_C},
                                          {"report", LB_EXPORT_REPORT},
                                          {"tflite", LB_EXPORT_TFLITE},
                                          {0}};

/* Keys that the recipe reads by itself. */
static const lb_key loss_key = {.name = "loss",
                                .help = "its name; `limbeck losses` lists them"};
static const lb_key of_key = {
    .name = "of",
    .usual = "",
    .help = "the teacher whose layers they are, by name or number from "
            "0; usually each teacher's count by its share"};
static const lb_key teacher_key = {
    .name = "teacher",
    .usual = "auto",
    .help = "layers of the teacher that a loss looks at: names, "
            "patterns with *, or auto"};
static const lb_key student_key = {
    .name = "student",
    .usual = "auto",
    .help = "the student's layers that learn from them, in order"};
static const lb_key preset_key = {.name = "preset",
                                  .usual = "",
                                  .help =
                                      "a weight of the literature instead of a number, "
                                      "converted; `limbeck losses` lists them"};
static const lb_key epochs_key = {
    .name = "epochs",
    .usual = "",
    .help = "when the loss counts, from epoch 0: 0..5 is the first "
            "five, 5.. all others"};
static const lb_key classes_key = {
    .name = "classes",
    .usual = "",
    .help = "which output each class of the data is, as in [3, 0, "
            "1], or a file that names the outputs"};
static const lb_key hidden_key = {.name = "hidden_classes",
                                  .usual = "",
                                  .help =
                                      "classes whose labels are never seen, as in [3] or "
                                      "[bag, coat]; their samples stay"};
static const lb_key omitted_key = {.name = "omitted_classes",
                                   .usual = "",
                                   .help = "classes without a sample to train with or to "
                                           "validate"};
static const lb_key export_key = {
    .name = "export", .usual = "[onnx, c, report]", .help = "what the run leaves behind"};
static const lb_key stage_keys[] = {
    {.name = "name", .usual = "", .help = "what the stage is called"},
    {.name = "distill", .usual = "", .help = "its losses; usually those of the top"},
    {.name = "train", .usual = "", .help = "its training, over that of the top"},
    {.name = "freeze",
     .usual = "none",
     .help = "layers and parameters that stay as they are; * fits any characters"},
    {.name = "until",
     .usual = "none",
     .help = "the layer that the student runs to, and no further"},
    {.name = "teacher",
     .usual = "",
     .help = "previous: the student as the stage before left it"},
    {.name = "student", .usual = "", .help = "fresh: begins with new weights"},
    {0}};

typedef struct rows {
    const char *prefix;
    const lb_key *key;
    bool many; /* an array of keys, not one */
} rows;

/* In the order in which they are told; those of stages stand between the two. */
static const rows before_stages[] = {{"", lb_recipe_keys, true},
                                     {"data.", lb_data_keys, true},
                                     {"data.", &lb_labels_key, false},
                                     {"data.unlabelled.", lb_unlabelled_keys, true},
                                     {"data.", &hidden_key, false},
                                     {"data.", &omitted_key, false},
                                     {"data.augment.", &lb_shift_key, false},
                                     {"data.augment.", &lb_flip_key, false},
                                     {"data.augment.", &lb_crop_key, false},
                                     {"teacher.", lb_teacher_keys, true},
                                     {"teacher.", lb_input_keys, true},
                                     {"teacher.", &classes_key, false},
                                     {"teacher.", lb_member_keys, true},
                                     {"teacher.", lb_ensemble_keys, true},
                                     {"teacher.cache.", lb_cache_keys, true},
                                     {"student.", lb_student_keys, true},
                                     {"student.", &lb_width_key, false},
                                     {"student.", &lb_depth_key, false},
                                     {"student.", lb_head_keys, true},
                                     {"student.", lb_input_keys, true},
                                     {"device.", lb_device_keys, true},
                                     {"distill.", &loss_key, false},
                                     {"distill.", &lb_weight_key, false},
                                     {"distill.", &of_key, false},
                                     {"distill.", &teacher_key, false},
                                     {"distill.", &student_key, false},
                                     {"distill.", lb_taps_keys, true},
                                     {"distill.weight.", lb_ramp_keys, true},
                                     {"distill.weight.", &preset_key, false},
                                     {"distill.weight.", lb_balance_keys, true},
                                     {"distill.", &epochs_key, false},
                                     {"train.", lb_train_keys, true},
                                     {"train.optimizer.sgd.", lb_sgd_keys, true},
                                     {"train.schedule.cosine.", lb_cosine_keys, true},
                                     {"train.schedule.step.", lb_step_keys, true}};
static const rows behind_stages[] = {{"compress.prune.", lb_prune_keys, true},
                                     {"compress.prune.", lb_prune_tune_keys, true},
                                     {"compress.quantize.", lb_qat_keys, true},
                                     {"compress.quantize.", lb_quantize_keys, true},
                                     {"", &export_key, false},
                                     {"export.c.", lb_firmware_keys, true}};

typedef void row_hook(void *arg, const char *full_name, const lb_key *key);

static void tell(row_hook *row, void *arg, const char *prefix, const lb_key *key)
{
    char name[128] = "";

    strncat(name, prefix, 63);
    strncat(name, key->name, 63);
    row(arg, name, key);
}

static void tell_rows(row_hook *row, void *arg, const rows *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (const lb_key *key = r[i].key; key->name; key++) {
            tell(row, arg, r[i].prefix, key);
            if (!r[i].many)
                break;
        }
}

static void tell_stages(row_hook *row, void *arg)
{
    for (const lb_key *key = stage_keys; key->name; key++) {
        if (strcmp(key->name, "freeze") == 0 || strcmp(key->name, "until") == 0)
            tell(row, arg, "", key); /* of the only stage */
        tell(row, arg, "stages.", key);
    }
}

void lb_recipe_each_key(void (*row)(void *arg, const char *full_name, const lb_key *key),
                        void *arg)
{
    tell_rows(row, arg, before_stages, sizeof before_stages / sizeof *before_stages);
    tell_stages(row, arg);
    tell_rows(row, arg, behind_stages, sizeof behind_stages / sizeof *behind_stages);
}
