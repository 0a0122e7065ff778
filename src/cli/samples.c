/* samples.c: --data, --split, --pixels, --mean, --std. */
#include "cli/samples.h"

#include <stdio.h>

lb_code lb_samples_open(const lb_args *args, lb_arena *arena, lb_data **data,
                        lb_split *split, lb_error *err)
{
    static const char *const splits[] = {"train", "validation", "test", NULL};
    const lb_key key = {.name = "--split", .type = LB_KEY_CHOICE, .choices = splits};
    const char *const word = lb_arg(args, "data");
    const char *const split_word = lb_arg(args, "split");
    lb_data_options wanted = {0};
    int number = LB_TEST;

    if (!word)
        return lb_raise(err, LB_ERR_INPUT,
                        "--data is missing; it names the data set, as in idx:DIR");
    if (split_word)
        LB_TRY(lb_key_set(&key, &number, split_word, arena, err));
    LB_TRY(lb_data_parse(word, arena, &wanted, err));
    if (number == LB_TRAIN)
        wanted.validation = 0;
    *split = (lb_split)number;
    return lb_data_open(&wanted, 1, arena, data, err);
}

lb_code lb_samples_input(const lb_args *args, const char *prefix, lb_arena *arena,
                         lb_input_options *out, lb_error *err)
{
    LB_TRY(lb_keys_defaults(lb_input_keys, out, arena, err));
    for (const lb_key *key = lb_input_keys; key->name; key++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, key->name);
        const char *text = lb_arg(args, name);
        if (!text)
            text = lb_arg(args, key->name);
        if (text && lb_key_set(key, out, text, arena, err) != LB_OK)
            return lb_within(err, "--%s", key->name);
    }
    for (int i = 0; i < out->std.n; i++)
        if (!(out->std.value[i] > 0))
            return lb_raise(err, LB_ERR_INPUT, "--std must be above 0, not %g",
                            out->std.value[i]);
    return LB_OK;
}
