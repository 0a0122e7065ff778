/* cmd_prove.c: firmware on an emulated device: does it compute what it should, and what
 * does it cost. */
#include "base/file.h"
#include "cli/results.h"
#include "cli/signals.h"
#include "run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TARGETS = 16 };

static const lb_option options[] = {
    {.name = "on",
     .value = "TARGET",
     .help = "host, qemu:BOARD or serial:DEVICE; may be repeated",
     .many = true},
    {.name = "flags",
     .value = "\"-O3 ...\"",
     .help = "more flags for the boards' compilers, behind the usual"},
    {.name = "seconds", .value = "N", .help = "that an emulator may take; usually 600"},
    {0},
};

static const lb_key seconds_key = {.name = "--seconds",
                                   .type = LB_KEY_INT,
                                   .min = 1,
                                   .max = 86400,
                                   .help = "that an emulator may take"};

typedef struct job {
    const char *run;      /* the run's folder, or NULL: a folder of firmware */
    const char *firmware; /* its folder */
    const char *on[MOST_TARGETS];
    lb_proof proof[MOST_TARGETS];
    int n;
} job;

/* In the folder itself, or where packages of Arduino and PlatformIO have it. */
static bool has_test(lb_arena *arena, const char *folder)
{
    static const char *const places[] = {"selftest.c", "extras/selftest/selftest.c"};
    bool has = false;

    for (size_t i = 0; folder && i < sizeof places / sizeof *places; i++) {
        const char *const path = lb_path_join(arena, folder, places[i]);
        has = has || (path && lb_file_exists(path));
    }
    return has;
}

/* RUN: a folder with firmware/ inside, or such a one's name under runs/. */
static lb_code find_firmware(job *j, const char *given, lb_arena *arena, lb_error *err)
{
    char *const word = lb_arena_copy_text(arena, given);

    if (!word)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the folder's name");
    /* a run is known by its folder's name without a last slash */
    for (size_t n = strlen(word); n > 1 && word[n - 1] == '/'; n--)
        word[n - 1] = '\0';
    const char *const below = lb_path_join(arena, word, "firmware");
    const char *const run = strchr(word, '/') ? NULL : lb_path_join(arena, "runs", word);
    const char *const of_run = run ? lb_path_join(arena, run, "firmware") : NULL;

    if (has_test(arena, word)) {
        j->firmware = word;
    } else if (has_test(arena, below)) {
        j->firmware = below;
        j->run = word;
    } else if (has_test(arena, of_run)) {
        j->firmware = of_run;
        j->run = run;
    } else {
        return lb_raise(err, LB_ERR_INPUT,
                        "'%.200s' holds no firmware with a self-test; `limbeck emit` "
                        "writes such a folder, and a run with `export: [c]`",
                        word);
    }
    return LB_OK;
}

static double share(uint64_t part, uint64_t all)
{
    return all ? 100 * (double)part / (double)all : 0;
}

static void print_count(const lb_proof *p, const char *name, const char *kind, uint64_t n)
{
    printf("  %-32.32s %-14.14s %14" PRIu64 " %6.2f %%\n", name, kind ? kind : "", n,
           share(n, p->instructions));
}

static void print_board(const lb_proof *p)
{
    printf("instructions %" PRIu64 " for one inference (of %d the one that takes most; "
           "mean %.0f)\n",
           p->instructions, p->inferences, p->mean_instructions);
    printf("flash        %zu B: code %zu, constants %zu, data %zu\n", p->flash_bytes,
           p->code_bytes, p->constant_bytes, p->data_bytes);
    printf("sram         %zu B: arena %zu, other data %zu, stack %zu\n", p->sram_bytes,
           p->arena_bytes, p->zeroed_bytes + p->data_bytes - p->arena_bytes,
           p->stack_bytes);
    printf("compiler     %s\nflags        %s\nemulator     %s\n", p->compiler, p->flags,
           p->emulator);
    printf("\n  %-32s %-14s %14s %8s\n", "step", "", "instructions", "share");
    for (int i = 0; i < p->n_steps; i++)
        print_count(p, p->step[i].name, p->step[i].kind, p->step[i].instructions);
    print_count(p, "driver", "copies, calls", p->driver);
}

static void print_host(const lb_proof *p)
{
    printf("flash        %zu B\nsram         %zu B: arena %zu, stack at most %zu\n"
           "compiler     %s\n",
           p->flash_bytes, p->sram_bytes, p->arena_bytes, p->stack_bytes, p->compiler);
}

/* What a board that was built before has said. */
static void print_wired(const lb_proof *p)
{
    printf("arena        %zu B\n", p->arena_bytes);
    if (p->stack_bytes)
        printf("stack        %zu B\n", p->stack_bytes);
    if (p->cycles)
        printf("cycles       %" PRIu64 " for one inference\n", p->cycles);
    for (int i = 0; i < p->n_steps; i++)
        if (p->step[i].cycles)
            printf("  %-32.32s %-14.14s %14" PRIu64 "\n", p->step[i].name,
                   p->step[i].kind ? p->step[i].kind : "", p->step[i].cycles);
}

static void print_text(const job *j)
{
    for (int i = 0; i < j->n; i++) {
        const lb_proof *const p = &j->proof[i];
        printf("%s%s on %s%s%s\n", i > 0 ? "\n" : "", j->firmware, p->on,
               p->core ? ", " : "", p->core ? p->core : "");
        if (p->mismatches == 0)
            printf("self-test    %d outputs agree; the worst differs by %.2g of the "
                   "scale\n",
                   p->outputs_checked, p->worst_error);
        else
            printf("self-test    %d of %d outputs differ, by up to %.3g of the scale\n",
                   p->mismatches, p->outputs_checked, p->worst_error);
        if (p->core)
            print_board(p);
        else if (p->compiler)
            print_host(p);
        else
            print_wired(p);
    }
}

static lb_code print_json(const job *j, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_text(&json, "firmware", j->firmware);
    if (j->n == 1) {
        lb_proof_add_json(&json, &j->proof[0]);
    } else {
        lb_json_open(&json, "proofs", '[');
        for (int i = 0; i < j->n; i++) {
            lb_json_open(&json, NULL, '{');
            lb_proof_add_json(&json, &j->proof[i]);
            lb_json_close(&json, '}');
        }
        lb_json_close(&json, ']');
    }
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code check(const job *j, lb_error *err)
{
    for (int i = 0; i < j->n; i++) {
        const lb_proof *const p = &j->proof[i];
        if (p->mismatches > 0 || p->outputs_checked == 0)
            return lb_raise(err, LB_ERR_FAILED,
                            "%s on %s: %d of %d outputs differ from the test vectors",
                            j->firmware, p->on, p->mismatches, p->outputs_checked);
    }
    return LB_OK;
}

static lb_code prove(const lb_args *args, job *j, lb_arena *arena, lb_error *err)
{
    lb_prove_options wanted = {.folder = j->firmware, .flags = lb_arg(args, "flags")};

    LB_TRY(lb_arg_by_key(args, &seconds_key, &wanted.seconds, err));
    wanted.stop = lb_signals_watch();
    for (int i = 0; i < j->n; i++) {
        if (!args->quiet)
            fprintf(stderr, "%s: %s\n", j->on[i],
                    strncmp(j->on[i], "serial:", 7) == 0 ? "asking"
                                                         : "building and running");
        if (lb_prove(&wanted, j->on[i], arena, &j->proof[i], err) != LB_OK)
            return lb_within(err, "%s", j->on[i]);
    }
    return LB_OK;
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job j = {.n = 0};

    j.n = lb_args_many(args, "on", j.on, MOST_TARGETS);
    if (j.n == 0)
        return lb_raise(err, LB_ERR_INPUT,
                        "--on is missing; it says where to run, as in --on "
                        "qemu:cortex-m4");
    for (int i = 0; i < j.n; i++)
        LB_TRY(lb_prove_check_target(j.on[i], err));
    LB_TRY(find_firmware(&j, args->word[0], arena, err));
    LB_TRY(prove(args, &j, arena, err));
    if (j.run)
        LB_TRY(lb_run_add_proofs(j.run, j.proof, j.n, arena, err));
    if (args->json)
        LB_TRY(print_json(&j, arena, err));
    else
        print_text(&j);
    return check(&j, err);
}

const lb_cmd lb_cmd_prove = {
    .name = "prove",
    .usage = "RUN|DIR --on qemu:BOARD|serial:DEVICE|host...",
    .help = "firmware's self-test on an emulated or real device, instructions counted",
    .detail =
        "DIR is firmware that emit wrote, or RUN a run with firmware. It is compiled for "
        "the\nboard, every output of the self-test is checked, and the instructions of "
        "one\ninference are counted exactly, step by step, with flash by section and the "
        "deepest\nstack. Boards: qemu:cortex-m0, cortex-m3, cortex-m4, cortex-m7, "
        "cortex-m55, riscv32.\nThey need Debian's gcc-arm-none-eabi, "
        "libnewlib-arm-none-eabi and qemu-system-arm, or\ngcc-riscv64-unknown-elf, "
        "picolibc-riscv64-unknown-elf and qemu-system-misc.\n\nserial:/dev/ttyACM0 (or "
        "serial:DEVICE@SPEED) asks a board that runs the firmware;\ndocs/proof.md says "
        "how. Exit code 1 if an output differs. --json gives for one target\nits proof, "
        "for several a list `proofs`. A run keeps them in its result and its page.",
    .example = "limbeck prove runs/fashion-watch --on qemu:cortex-m4",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
