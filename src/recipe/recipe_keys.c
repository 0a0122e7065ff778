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

typedef void row_hook(void *arg, const char *full_name, const lb_key *key);

static void tell(row_hook *row, void *arg, const char *prefix, const lb_key *key)
{
    char name[128] = "";

    strncat(name, prefix, 63);
    strncat(name, key->name, 63);
    row(arg, name, key);
}

static void tell_all(row_hook *row, void *arg, const char *prefix, const lb_key *keys)
{
    for (; keys->name; keys++)
        tell(row, arg, prefix, keys);
}

void lb_recipe_each_key(void (*row)(void *arg, const char *full_name, const lb_key *key),
                        void *arg)
{
    const lb_key loss = {.name = "loss", .help = "its name; `limbeck losses` lists them"};
    const lb_key of = {.name = "of",
                       .usual = "",
                       .help =
                           "the teacher whose layers they are, by name or number from "
                           "0; usually each teacher's count by its share"};
    const lb_key teacher = {.name = "teacher",
                            .usual = "auto",
                            .help = "layers of the teacher that a loss looks at: names, "
                                    "patterns with *, or auto"};
    const lb_key student = {.name = "student",
                            .usual = "auto",
                            .help =
                                "the student's layers that learn from them, in order"};
    const lb_key preset = {.name = "preset",
                           .usual = "",
                           .help = "a weight of the literature instead of a number, "
                                   "converted; `limbeck losses` lists them"};
    const lb_key epochs = {.name = "epochs",
                           .usual = "",
                           .help =
                               "when the loss counts, from epoch 0: 0..5 is the first "
                               "five, 5.. all others"};
    const lb_key classes = {.name = "classes",
                            .usual = "",
                            .help =
                                "which output each class of the data is, as in [3, 0, "
                                "1], or a file that names the outputs"};
    const lb_key hidden = {.name = "hidden_classes",
                           .usual = "",
                           .help = "classes whose labels are never seen, as in [3] or "
                                   "[bag, coat]; their samples stay"};
    const lb_key omitted = {.name = "omitted_classes",
                            .usual = "",
                            .help = "classes without a sample to train with or to "
                                    "validate"};
    static const lb_key stage[] = {
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
    const lb_key export = {.name = "export",
                           .usual = "[onnx, c, report]",
                           .help = "what the run leaves behind"};

    tell_all(row, arg, "", lb_recipe_keys);
    tell_all(row, arg, "data.", lb_data_keys);
    tell(row, arg, "data.", &lb_labels_key);
    tell_all(row, arg, "data.unlabelled.", lb_unlabelled_keys);
    tell(row, arg, "data.", &hidden);
    tell(row, arg, "data.", &omitted);
    tell(row, arg, "data.augment.", &lb_shift_key);
    tell(row, arg, "data.augment.", &lb_flip_key);
    tell(row, arg, "data.augment.", &lb_crop_key);
    tell_all(row, arg, "teacher.", lb_teacher_keys);
    tell_all(row, arg, "teacher.", lb_input_keys);
    tell(row, arg, "teacher.", &classes);
    tell_all(row, arg, "teacher.", lb_member_keys);
    tell_all(row, arg, "teacher.", lb_ensemble_keys);
    tell_all(row, arg, "teacher.cache.", lb_cache_keys);
    tell_all(row, arg, "student.", lb_student_keys);
    tell(row, arg, "student.", &lb_width_key);
    tell(row, arg, "student.", &lb_depth_key);
    tell_all(row, arg, "student.", lb_head_keys);
    tell_all(row, arg, "student.", lb_input_keys);
    tell_all(row, arg, "device.", lb_device_keys);
    tell(row, arg, "distill.", &loss);
    tell(row, arg, "distill.", &lb_weight_key);
    tell(row, arg, "distill.", &of);
    tell(row, arg, "distill.", &teacher);
    tell(row, arg, "distill.", &student);
    tell_all(row, arg, "distill.", lb_taps_keys);
    tell_all(row, arg, "distill.weight.", lb_ramp_keys);
    tell(row, arg, "distill.weight.", &preset);
    tell_all(row, arg, "distill.weight.", lb_balance_keys);
    tell(row, arg, "distill.", &epochs);
    tell_all(row, arg, "train.", lb_train_keys);
    tell_all(row, arg, "train.optimizer.sgd.", lb_sgd_keys);
    tell_all(row, arg, "train.schedule.cosine.", lb_cosine_keys);
    tell_all(row, arg, "train.schedule.step.", lb_step_keys);
    for (int i = 0; stage[i].name; i++) {
        if (strcmp(stage[i].name, "freeze") == 0 || strcmp(stage[i].name, "until") == 0)
            tell(row, arg, "", &stage[i]); /* of the only stage */
        tell(row, arg, "stages.", &stage[i]);
    }
    tell_all(row, arg, "compress.prune.", lb_prune_keys);
    tell_all(row, arg, "compress.prune.", lb_prune_tune_keys);
    tell_all(row, arg, "compress.quantize.", lb_qat_keys);
    tell_all(row, arg, "compress.quantize.", lb_quantize_keys);
    tell(row, arg, "", &export);
    tell_all(row, arg, "export.c.", lb_firmware_keys);
}
