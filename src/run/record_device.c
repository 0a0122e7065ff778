/* record_device.c: the parts of record.json that tell of the device: memory and work of
 * each step, and the firmware as compiled. */
#include "run/run_int.h"

void lb_run_record_memory(lb_json *j, const lb_run *run)
{
    const lb_low *const low = run->low;
    const double limit = run->recipe->device.sram;
    double cycles = 0;

    if (!low || !run->device) {
        lb_json_null(j, "memory");
        return;
    }
    for (int i = 0; i < low->n_steps; i++)
        cycles += lb_device_step_cycles(&low->step[i], run->device).mid;
    lb_json_open(j, "memory", '{');
    lb_json_number(j, "budget_bytes", limit > 0 ? limit : run->device->sram_bytes);
    lb_json_int(j, "arena_bytes", (int64_t)low->arena_bytes);
    lb_json_int(j, "stack_bytes", (int64_t)run->estimate.stack_bytes);
    lb_json_open(j, "steps", '[');
    for (int i = 0; i < low->n_steps; i++) {
        const lb_low_step *const s = &low->step[i];
        const lb_low_dims *const d = &low->buffer[s->out].dims;
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "name", s->name);
        lb_json_text(j, "kind", lb_low_kind_name(s->kind));
        lb_json_int(j, "live_bytes", (int64_t)lb_low_live_bytes(low, i));
        lb_json_number(j, "macs", s->macs);
        lb_json_int(j, "weight_bytes", (int64_t)lb_low_constant_bytes(low, s));
        lb_json_number(j, "cycles_share",
                       lb_device_step_cycles(s, run->device).mid / cycles);
        lb_json_open(j, "shape", '[');
        lb_json_int(j, NULL, d->c);
        lb_json_int(j, NULL, d->h);
        lb_json_int(j, NULL, d->w);
        lb_json_close(j, ']');
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}

void lb_run_record_firmware(lb_json *j, const lb_run *run)
{
    const lb_proof *const p = &run->proof;

    if (!run->has_firmware) {
        lb_json_null(j, "firmware");
        return;
    }
    lb_json_open(j, "firmware", '{');
    lb_json_bool(j, "compiled", run->has_proof);
    if (run->has_proof) {
        lb_json_text(j, "compiler", p->compiler);
        lb_json_int(j, "flash_bytes", (int64_t)p->flash_bytes);
        lb_json_int(j, "sram_bytes", (int64_t)p->sram_bytes);
        lb_json_int(j, "stack_bytes", (int64_t)p->stack_bytes);
        lb_json_int(j, "outputs_checked", p->outputs_checked);
        lb_json_int(j, "mismatches", p->mismatches);
        lb_json_number(j, "worst_error", p->worst_error);
    }
    lb_json_close(j, '}');
}
