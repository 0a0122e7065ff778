/* record_device.c: the parts of record.json that tell of the device: memory and work of
 * each step, and the firmware as compiled. */
#include "run/run_int.h"

/* A buffer that took over another's memory is counted once. */
static size_t live_bytes(const lb_low *low, int step)
{
    size_t sum = 0;

    for (int i = 0; i < low->n_buffers; i++) {
        const lb_low_buffer *const b = &low->buffer[i];
        const bool shared = b->alias >= 0 && low->buffer[b->alias].first <= step &&
                            step <= low->buffer[b->alias].last;
        if (b->first <= step && step <= b->last && !shared)
            sum += b->bytes;
    }
    return sum;
}

/* Weights and biases of a step. */
static size_t weight_bytes(const lb_low *low, const lb_low_step *s)
{
    const lb_low_dims *const x = &low->buffer[s->in[0]].dims;
    const size_t c = (size_t)x->c, m = (size_t)low->buffer[s->out].dims.c;
    const size_t taps = (size_t)s->kernel_h * (size_t)s->kernel_w;
    size_t n = m; /* a weight for each channel */

    if (!s->weight)
        return 0;
    if (s->kind == LB_LOW_CONV || s->kind == LB_LOW_POINTWISE)
        n = m * taps * c;
    else if (s->kind == LB_LOW_DEPTHWISE)
        n = m * taps;
    else if (s->kind == LB_LOW_DENSE)
        n = m * (size_t)x->h * (size_t)x->w * c;
    return (n + m) * sizeof(float);
}

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
        lb_json_int(j, "live_bytes", (int64_t)live_bytes(low, i));
        lb_json_number(j, "macs", s->macs);
        lb_json_int(j, "weight_bytes", (int64_t)weight_bytes(low, s));
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
