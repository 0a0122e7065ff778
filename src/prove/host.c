/* host.c: compiles emitted firmware with the host's compiler, runs its self-test, and
 * measures the objects. */
#include "prove/prove_int.h"

#include <stdlib.h>
#include <string.h>

enum { COMPILE_SECONDS = 300, RUN_SECONDS = 120, MOST_WORDS = LB_WORKSHOP_FILES + 5 };

typedef struct job {
    lb_workshop w;
    const char *cc;
    lb_proof *proof;
    size_t run_stack, kernel_stack;
} job;

static lb_code run(job *j, char **argv, int seconds, int *status, lb_error *err)
{
    return lb_workshop_run(&j->w, j->w.folder, argv, seconds, status, err);
}

static lb_code find_compiler(job *j, lb_error *err)
{
    const char *const given = getenv("CC");
    int status;

    j->cc = given && *given && !strchr(given, ' ') ? given : "cc";
    char *argv[] = {lb_arena_copy_text(j->w.arena, j->cc), "--version", NULL};
    if (!argv[0])
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, RUN_SECONDS, &status, err));
    if (status != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "there is no C compiler '%s'; install one, or set CC", j->cc);
    j->proof->compiler =
        lb_arena_copy_chars(j->w.arena, j->w.output, strcspn(j->w.output, "\n"));
    return LB_OK;
}

static lb_code compile(job *j, int i, lb_error *err)
{
    char *const object = lb_workshop_object(&j->w, i, ".o");
    char *argv[] = {(char *)j->cc,
                    "-std=c99",
                    "-O2",
                    "-Wall",
                    "-Wextra",
                    "-Wconversion",
                    "-Werror",
                    "-ffp-contract=off",
                    "-fno-asynchronous-unwind-tables",
                    "-fstack-usage",
                    "-Isrc",
                    "-c",
                    j->w.source[i],
                    "-o",
                    object,
                    NULL};
    int status;

    if (!object)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK
                       : lb_workshop_failed(&j->w, "the firmware does not compile", err);
}

/* "fw_conv.c:12:6:fw_conv<tab>208<tab>static" of each function: the sum bounds the file's
 * calls, of which none is recursive. */
static size_t stack_of(job *j, int i)
{
    const char *const path = lb_workshop_object(&j->w, i, ".su");
    size_t sum = 0;
    lb_bytes bytes;
    lb_error ignored;

    if (!path || lb_read_file(j->w.arena, path, 1 << 20, &bytes, &ignored) != LB_OK)
        return 0;
    char *const text =
        lb_arena_copy_chars(j->w.arena, (const char *)bytes.data, bytes.size);
    for (char *at = text; at && (at = strchr(at, '\t')); at++) {
        char *end;
        const unsigned long n = strtoul(at + 1, &end, 10);
        if (end != at + 1)
            sum += n;
    }
    return sum;
}

static lb_code measure(job *j, int i, lb_error *err)
{
    const char *const path = lb_workshop_object(&j->w, i, ".o");
    const bool kernel = lb_workshop_is_kernel(&j->w, i);
    const size_t stack = stack_of(j, i);
    lb_sections s;
    lb_bytes bytes;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to measure the firmware");
    LB_TRY(lb_read_file(j->w.arena, path, (size_t)1 << 30, &bytes, err));
    if (!lb_elf_sections(bytes.data, bytes.size, &s))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "'%s' makes no ELF objects; sizes cannot be read", j->cc);
    j->proof->flash_bytes += (size_t)(s.fixed + s.initialised);
    j->proof->sram_bytes += (size_t)(s.zeroed + s.initialised);
    if (kernel && stack > j->kernel_stack)
        j->kernel_stack = stack;
    if (!kernel)
        j->run_stack += stack;
    return LB_OK;
}

static lb_code build(job *j, lb_error *err)
{
    char *argv[MOST_WORDS] = {(char *)j->cc, "-o", NULL};
    int n = 3, status;

    argv[2] = lb_arena_text(j->w.arena, "%s/selftest", j->w.beside);
    for (int i = 0; i < j->w.n_sources; i++) {
        LB_TRY(compile(j, i, err));
        argv[n++] = lb_workshop_object(&j->w, i, ".o");
        if (!lb_workshop_is_test(&j->w, i))
            LB_TRY(measure(j, i, err));
    }
    argv[n++] = "-lm";
    argv[n] = NULL;
    for (int i = 0; i < n; i++)
        if (!argv[i])
            return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK
                       : lb_workshop_failed(&j->w, "the firmware does not link", err);
}

static lb_code test(job *j, lb_error *err)
{
    char *argv[] = {lb_arena_text(j->w.arena, "%s/selftest", j->w.beside), NULL};
    int status;

    if (!argv[0])
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the self-test");
    LB_TRY(run(j, argv, RUN_SECONDS, &status, err));
    if (status > 1 || !lb_workshop_results(&j->w, j->proof))
        return lb_workshop_failed(&j->w, "the self-test broke off", err);
    j->proof->stack_bytes = j->run_stack + j->kernel_stack;
    j->proof->sram_bytes += j->proof->stack_bytes;
    return LB_OK;
}

lb_code lb_prove_host(const char *folder, const char *name, lb_arena *arena,
                      lb_proof *out, lb_error *err)
{
    job j = {.proof = out};

    *out = (lb_proof){.on = "host"};
    LB_TRY(lb_workshop_init(&j.w, folder, name, arena, err));
    LB_TRY(find_compiler(&j, err));
    LB_TRY(lb_workshop_open(&j.w, err));
    lb_code code = build(&j, err);
    if (code == LB_OK)
        code = test(&j, err);
    lb_workshop_close(&j.w);
    return code;
}
