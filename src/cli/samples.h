/* samples.h: the data set that a command is given, and how its samples reach a network.
 */
#ifndef LB_CLI_SAMPLES_H
#define LB_CLI_SAMPLES_H

#include "cli/command.h"
#include "data/data.h"

/* Fields of the rows of these options; .help of the first two is the command's. */
#define LB_DATA_OPTION .name = "data", .value = "SOURCE:PATH"
#define LB_SPLIT_OPTION .name = "split", .value = "NAME"
#define LB_PIXELS_OPTION \
    .name = "pixels", .value = "unit|raw", .help = "value / 255 (usual), or 0..255"
#define LB_MEAN_OPTION .name = "mean", .value = "A,..", .help = "taken off each channel"
#define LB_STD_OPTION \
    .name = "std", .value = "A,..", .help = "what each channel is divided by"

/* Three rows: the input of a --teacher. */
#define LB_TEACHER_INPUT_OPTIONS \
    {.name = "teacher-pixels", .value = "WHAT", .help = "as --pixels, for it"}, \
        {.name = "teacher-mean", .value = "A,..", .help = "as --mean, for it"}, \
    { \
        .name = "teacher-std", .value = "A,..", .help = "as --std, for it" \
    }

/* From --data and --split (test, if it is not given). */
lb_code lb_samples_open(const lb_args *args, lb_arena *arena, lb_data **data,
                        lb_split *split, lb_error *err) LB_MUST_USE;

/* From --pixels, --mean and --std; of options that begin with `prefix` where they are
 * given, as in --teacher-pixels. */
lb_code lb_samples_input(const lb_args *args, const char *prefix, lb_arena *arena,
                         lb_input_options *out, lb_error *err) LB_MUST_USE;

#endif
