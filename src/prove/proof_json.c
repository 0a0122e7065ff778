/* proof_json.c: a proof for programs. */
#include "prove/prove.h"

#include <math.h>

/* key: of the figure, "instructions" or "cycles". */
static void add_counts(lb_json *j, const char *list, const char *key,
                       const lb_proof_count *c, int n)
{
    lb_json_open(j, list, '[');
    for (int i = 0; i < n; i++) {
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", c[i].name);
        if (c[i].kind)
            lb_json_text(j, "kind", c[i].kind);
        lb_json_int(j, key, (int64_t)(c[i].cycles ? c[i].cycles : c[i].instructions));
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

/* A size that is 0 is not known. */
static void add_size(lb_json *j, const char *key, size_t bytes)
{
    lb_json_number(j, key, bytes ? (double)bytes : NAN);
}

/* A board that was built before tells cycles, if it counts. */
static void add_wired(lb_json *j, const lb_proof *p)
{
    bool known = false;

    for (int i = 0; i < p->n_steps; i++)
        known = known || p->step[i].cycles > 0;
    lb_json_number(j, "cycles", p->cycles ? (double)p->cycles : NAN);
    if (known)
        add_counts(j, "cycles_by_layer", "cycles", p->step, p->n_steps);
}

static void add_board(lb_json *j, const lb_proof *p)
{
    lb_json_text(j, "core", p->core);
    lb_json_text(j, "emulator", p->emulator);
    lb_json_text(j, "flags", p->flags);
    lb_json_int(j, "inferences", p->inferences);
    lb_json_int(j, "instructions", (int64_t)p->instructions);
    lb_json_number(j, "mean_instructions", p->mean_instructions);
    add_counts(j, "instructions_by_layer", "instructions", p->step, p->n_steps);
    lb_json_int(j, "driver_instructions", (int64_t)p->driver);
    add_counts(j, "instructions_by_function", "instructions", p->function,
               p->n_functions);
    lb_json_open(j, "sections", '{');
    lb_json_int(j, "code", (int64_t)p->code_bytes);
    lb_json_int(j, "constants", (int64_t)p->constant_bytes);
    lb_json_int(j, "data", (int64_t)p->data_bytes);
    lb_json_int(j, "zeroed", (int64_t)p->zeroed_bytes);
    lb_json_close(j, '}');
}

void lb_proof_add_json(lb_json *j, const lb_proof *p)
{
    lb_json_text(j, "on", p->on);
    lb_json_text(j, "compiler", p->compiler);
    lb_json_int(j, "outputs_checked", p->outputs_checked);
    lb_json_int(j, "mismatches", p->mismatches);
    lb_json_number(j, "worst_error", p->worst_error);
    add_size(j, "flash_bytes", p->flash_bytes);
    add_size(j, "sram_bytes", p->sram_bytes);
    add_size(j, "stack_bytes", p->stack_bytes);
    add_size(j, "arena_bytes", p->arena_bytes);
    if (p->core)
        add_board(j, p);
    else if (!p->compiler)
        add_wired(j, p);
}
