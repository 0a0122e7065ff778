/* cmd_losses.c: the losses there are. */
#include "cli/results.h"
#include "distill/loss.h"

#include <stdio.h>

static const lb_option options[] = {{0}};

static void print_knob_json(lb_json *json, const lb_knob *k)
{
    lb_json_open(json, NULL, '{');
    lb_json_text(json, "name", k->name);
    lb_json_text(json, "help", k->help);
    if (k->words) {
        lb_json_text(json, "usual", k->words[(int)k->usual]);
        lb_json_open(json, "words", '[');
        for (int i = 0; k->words[i]; i++)
            lb_json_text(json, NULL, k->words[i]);
        lb_json_close(json, ']');
    } else {
        lb_json_number(json, "usual", k->usual);
        lb_json_number(json, "min", k->min);
        lb_json_number(json, "max", k->max);
    }
    lb_json_close(json, '}');
}

static void print_knob(const lb_knob *k)
{
    printf("  %-20s %s", k->name, k->help);
    if (!k->words) {
        printf("; usually %g\n", k->usual);
        return;
    }
    for (int i = 0; k->words[i]; i++)
        printf("%s%s", i == 0 ? ": " : k->words[i + 1] ? ", " : " or ", k->words[i]);
    printf("; usually %s\n", k->words[(int)k->usual]);
}

static void print_presets_json(lb_json *json, const lb_loss *loss)
{
    lb_json_open(json, "presets", '[');
    for (const lb_preset *p = loss->presets; p && p->name; p++) {
        lb_json_open(json, NULL, '{');
        lb_json_text(json, "name", p->name);
        lb_json_number(json, "weight", p->weight);
        lb_json_text(json, "form", p->form);
        lb_json_text(json, "with", p->with);
        lb_json_close(json, '}');
    }
    lb_json_close(json, ']');
}

static void print_presets(const lb_loss *loss)
{
    for (const lb_preset *p = loss->presets; p && p->name; p++) {
        printf("  preset %-13s weight %g", p->name, p->weight);
        if (p->form)
            printf(" of form: %s", p->form);
        printf("%s%s\n", p->with ? "; with " : "", p->with ? p->with : "");
    }
}

static void print_json(lb_json *json, const lb_loss *loss)
{
    lb_json_open(json, NULL, '{');
    lb_json_text(json, "name", loss->name);
    lb_json_text(json, "help", loss->help);
    lb_json_text(json, "source", loss->source);
    lb_json_open(json, "knobs", '[');
    for (int i = 0; lb_loss_knob(loss, i); i++)
        print_knob_json(json, lb_loss_knob(loss, i));
    lb_json_close(json, ']');
    print_presets_json(json, loss);
    lb_json_close(json, '}');
}

static void print_text(const lb_loss *loss)
{
    printf("%-12s %s\n", loss->name, loss->help);
    for (int i = 0; lb_loss_knob(loss, i); i++)
        print_knob(lb_loss_knob(loss, i));
    print_presets(loss);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "losses", '[');
    for (const lb_loss *const *loss = lb_losses; *loss; loss++) {
        if (args->json)
            print_json(&json, *loss);
        else
            print_text(*loss);
    }
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return args->json ? lb_results_json(&json, err) : LB_OK;
}

const lb_cmd lb_cmd_losses = {
    .name = "losses",
    .usage = "",
    .help = "the losses there are",
    .example = "limbeck losses",
    .options = options,
    .run = run,
};
