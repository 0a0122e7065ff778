/* calibrate.c: fits the costs of src/device to the emulator's counts.
 *
 *     LB_SHARED=DIR bench-calibrate cortex-m55 [int8] >cost_m55.def
 *
 * Emits each network of calibrate_nets.c, counts its instructions on the board, step by
 * step, and fits costs for each kind of step; the same for bytes of code. With `int8`
 * those of float32 stay as they are compiled in. The file goes to standard output; what
 * the networks took, and how far the costs that are compiled in and the new ones are off,
 * to standard error. */
#include "calibrate.h"

#include "base/rng.h"
#include "emit/emit.h"
#include "prove/prove.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NETS = 60, MOST_ROWS = 4000 };

/* Stacks of odd layers say less about networks than networks do. */
static const double of_stacks = 0.3;

static const char *const kind_name[LB_N_LOW_KINDS] = {
    "CONV",    "POINTWISE",  "DEPTHWISE", "DENSE",  "MAX_POOL", "AVERAGE_POOL", "ADD",
    "SOFTMAX", "ACTIVATION", "PAD",       "CONCAT", "COPY",     "AFFINE"};
static const char *const part_name[] = {"DOT", "CALL", "RUN"};
static const char *const type_name[] = {"FP32", "INT8"};

typedef struct counted {
    const calibration_net *net;
    lb_low *low;
    lb_proof proof;
} counted;

static const struct {
    const char *board;
    lb_core core;
} boards[] = {{"cortex-m0", LB_CORE_M0},
              {"cortex-m3", LB_CORE_M3},
              {"cortex-m4", LB_CORE_M4},
              {"cortex-m55", LB_CORE_M55},
              {"riscv32", LB_CORE_RV32}};

/* ------------------------------------------------------------------------- counting */

static const float *vector_of(const lb_low *low, lb_arena *arena)
{
    const lb_qparams q = low->buffer[low->input[0].buffer].q;
    const size_t n = lb_low_count(&low->input[0].dims);
    float *const v = LB_TAKE_ARRAY(arena, n, float);
    lb_rng rng = lb_rng_make(9, LB_RNG_TEST, 0, 0);

    for (size_t i = 0; v && i < n; i++) {
        const float u = (float)lb_rng_uniform(&rng);
        v[i] = low->dtype == LB_I8 ? q.scale * (256 * u - 128 - (float)q.zero) : u;
    }
    return v;
}

static lb_code prove(const char *board, lb_arena *arena, counted *c, lb_error *err)
{
    const lb_emit_options options = {.n_vectors = 1, .vectors = vector_of(c->low, arena)};
    char folder[] = "/tmp/lb-calibrate-XXXXXX", on[40], path[200];
    const lb_prove_options how = {.folder = folder};
    lb_emitted emitted = {0};

    if (!options.vectors || !mkdtemp(folder))
        return lb_raise(err, LB_ERR_IO, "no folder for the firmware");
    snprintf(on, sizeof on, "qemu:%s", board);
    lb_code code = lb_emit(c->low, &options, folder, arena, &emitted, err);
    if (code == LB_OK)
        code = lb_prove(&how, on, arena, &c->proof, err);
    for (int k = 0; k < emitted.n_files; k++) {
        snprintf(path, sizeof path, "%s/%s", folder, emitted.file[k]);
        unlink(path);
    }
    rmdir(folder);
    if (code == LB_OK && (c->proof.mismatches || c->proof.n_steps != c->low->n_steps))
        return lb_raise(err, LB_ERR_FAILED, "it does not compute what it should");
    return code;
}

static lb_code count_all(const char *board, bool int8_only, lb_arena *arena, counted *out,
                         int *n, lb_error *err)
{
    for (const calibration_net *net = calibration_nets; net->name; net++) {
        if (int8_only && !net->int8)
            continue;
        counted *const c = &out[(*n)++];
        c->net = net;
        if (calibration_lower(net, arena, &c->low, err) != LB_OK ||
            prove(board, arena, c, err) != LB_OK)
            return lb_within(err, "%s", net->name);
    }
    return LB_OK;
}

/* -------------------------------------------------------------------------- fitting */

static bool is_type(const counted *c, int type)
{
    return (c->low->dtype == LB_I8) == type;
}

/* Relative to the step, and less for one that makes up little of its network. */
static void add_row(calibration_row *row, const counted *c, double instructions)
{
    const double share = instructions / (double)c->proof.instructions;

    row->target = instructions;
    row->scale = instructions / ((c->net->whole ? 1 : of_stacks) * sqrt(share));
}

static int rows_of_kind(const counted *c, int n, int type, int kind, calibration_row *out)
{
    int rows = 0;

    for (int i = 0; i < n; i++)
        for (int s = 0; s < c[i].low->n_steps && rows < MOST_ROWS; s++) {
            const lb_low_step *const step = &c[i].low->step[s];
            const double took = (double)c[i].proof.step[s].instructions;
            if (!is_type(&c[i], type) || (int)step->kind != kind || took < 1)
                continue;
            lb_step_effort(c[i].low, step, out[rows].feature);
            add_row(&out[rows++], &c[i], took);
        }
    return rows;
}

static int rows_of_driver(const counted *c, int n, int type, calibration_row *out)
{
    int rows = 0;

    for (int i = 0; i < n; i++)
        if (is_type(&c[i], type)) {
            lb_driver_effort(c[i].low, out[rows].feature);
            add_row(&out[rows++], &c[i], (double)c[i].proof.driver);
        }
    return rows;
}

static void fit_steps(const counted *c, int n, int type, calibration_row *row,
                      lb_core_costs *out)
{
    for (int kind = 0; kind <= LB_COSTS_OF_DRIVER; kind++) {
        const int rows = kind == LB_COSTS_OF_DRIVER ? rows_of_driver(c, n, type, row)
                                                    : rows_of_kind(c, n, type, kind, row);
        calibration_fit(row, rows, LB_N_EFFORTS, out->step[type][kind]);
    }
}

static double code_of(const counted *c)
{
    return (double)c->proof.flash_bytes - (double)c->low->weight_bytes;
}

static void fit_code(const counted *c, int n, int type, calibration_row *row,
                     lb_core_costs *out)
{
    int rows = 0;

    for (int i = 0; i < n; i++) {
        int count[LB_N_PARTS];
        if (!is_type(&c[i], type))
            continue;
        lb_low_parts(c[i].low, count);
        for (int f = 0; f < LB_N_PARTS; f++)
            row[rows].feature[f] = count[f];
        row[rows].target = code_of(&c[i]);
        row[rows].scale = row[rows].target;
        rows++;
    }
    calibration_fit(row, rows, LB_N_PARTS, out->code[type]);
}

/* A network's stack is that of its deepest kernel: each has the least of the networks
 * that it is in. */
static void fit_stack(const counted *c, int n, int type, lb_core_costs *out)
{
    for (int f = 0; f < LB_N_PARTS; f++) {
        double least = HUGE_VAL;
        for (int i = 0; i < n; i++) {
            int count[LB_N_PARTS];
            lb_low_parts(c[i].low, count);
            if (is_type(&c[i], type) && count[f] > 0)
                least = fmin(least, (double)c[i].proof.stack_bytes);
        }
        out->stack[type][f] = isfinite(least) ? least : 0;
    }
}

/* -------------------------------------------------------------------------- telling */

static double sum_of(const double *cost, const double *effort)
{
    double sum = 0;

    for (int k = 0; k < LB_N_EFFORTS; k++)
        sum += cost[k] * effort[k];
    return sum;
}

static double instructions_by(const lb_core_costs *costs, const lb_low *low)
{
    const int type = low->dtype == LB_I8;
    double effort[LB_N_EFFORTS];

    lb_driver_effort(low, effort);
    double sum = sum_of(costs->step[type][LB_COSTS_OF_DRIVER], effort);
    for (int i = 0; i < low->n_steps; i++) {
        lb_step_effort(low, &low->step[i], effort);
        sum += sum_of(costs->step[type][low->step[i].kind], effort);
    }
    return sum;
}

static void memory_by(const lb_core_costs *costs, const lb_low *low, double *flash,
                      double *stack)
{
    const int type = low->dtype == LB_I8;
    int count[LB_N_PARTS];

    lb_low_parts(low, count);
    *flash = (double)low->weight_bytes;
    *stack = 0;
    for (int f = 0; f < LB_N_PARTS; f++) {
        *flash += count[f] * costs->code[type][f];
        if (count[f] > 0)
            *stack = fmax(*stack, costs->stack[type][f]);
    }
}

static double percent(double estimate, double found)
{
    return 100 * (estimate / found - 1);
}

static void tell(const counted *c, const lb_core_costs *before,
                 const lb_core_costs *after)
{
    const lb_core_costs *const costs[] = {before, after};
    const double sram = (double)c->proof.sram_bytes;
    const double arena = sram - (double)c->proof.stack_bytes;

    fprintf(stderr, "%-20s %12.0f", c->net->name, (double)c->proof.instructions);
    for (int k = 0; k < 2; k++)
        fprintf(
            stderr, " %+7.1f%%",
            percent(instructions_by(costs[k], c->low), (double)c->proof.instructions));
    fprintf(stderr, " %8zu", c->proof.flash_bytes);
    for (int k = 0; k < 2; k++) {
        double flash, stack;
        memory_by(costs[k], c->low, &flash, &stack);
        fprintf(stderr, " %+6.1f%% %+6.1f%%",
                percent(flash, (double)c->proof.flash_bytes),
                percent(arena + stack, sram));
    }
    fputc('\n', stderr);
}

static void print_steps(const char *head, const double *cost)
{
    printf("%s", head);
    for (int k = 0; k < LB_N_EFFORTS; k++)
        printf(", %.4g", cost[k]);
    printf(")\n");
}

static void print(const char *board, const lb_core_costs *costs, const char *compiler)
{
    char head[60];

    printf("/* Written by `bench-calibrate %s`, of %s.\n"
           " * STEP: instructions of each tap, block, input, output, position, step,\n"
           " * gathered value, wide tap;\n"
           " * DRIVER: of the copies in and out, of each step, and once;\n"
           " * KERNEL, PART: bytes of code and of stack. */\n",
           board, compiler);
    for (int type = 0; type < 2; type++) {
        for (int kind = 0; kind <= LB_COSTS_OF_DRIVER; kind++) {
            if (kind == LB_COSTS_OF_DRIVER)
                snprintf(head, sizeof head, "DRIVER(%s", type_name[type]);
            else
                snprintf(head, sizeof head, "STEP(%s, %s", type_name[type],
                         kind_name[kind]);
            print_steps(head, costs->step[type][kind]);
        }
        for (int f = 0; f < LB_N_PARTS; f++)
            printf("%s(%s, %s, %.0f, %.0f)\n", f < LB_N_LOW_KINDS ? "KERNEL" : "PART",
                   type_name[type],
                   f < LB_N_LOW_KINDS ? kind_name[f] : part_name[f - LB_N_LOW_KINDS],
                   costs->code[type][f], costs->stack[type][f]);
    }
}

static int calibrate(const char *board, lb_core core, bool int8_only)
{
    lb_arena *const arena = lb_arena_new(0);
    counted *const c = LB_TAKE_ARRAY(arena, MOST_NETS, counted);
    calibration_row *const row = LB_TAKE_ARRAY(arena, MOST_ROWS, calibration_row);
    lb_core_costs costs = lb_core_costs_of[core];
    lb_error err = {0};
    int n = 0;

    if (!c || !row)
        return 1;
    if (count_all(board, int8_only, arena, c, &n, &err) != LB_OK) {
        fprintf(stderr, "bench-calibrate: %s\n", err.text);
        return 1;
    }
    for (int type = int8_only; type < 2; type++) {
        fit_steps(c, n, type, row, &costs);
        fit_code(c, n, type, row, &costs);
        fit_stack(c, n, type, &costs);
    }
    fprintf(stderr, "%-20s %12s %8s %8s %8s %15s %15s\n", "", "instructions", "before",
            "after", "flash", "before, sram", "after, sram");
    for (int i = 0; i < n; i++)
        tell(&c[i], &lb_core_costs_of[core], &costs);
    print(board, &costs, c[0].proof.compiler);
    lb_arena_free(arena);
    return 0;
}

int main(int argc, char **argv)
{
    const bool int8_only = argc == 3 && strcmp(argv[2], "int8") == 0;

    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++)
        if ((argc == 2 || int8_only) && strcmp(argv[1], boards[i].board) == 0)
            return calibrate(boards[i].board, boards[i].core, int8_only);
    fprintf(stderr, "usage: bench-calibrate BOARD [int8], BOARD one of");
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++)
        fprintf(stderr, " %s", boards[i].board);
    fputc('\n', stderr);
    return 2;
}
