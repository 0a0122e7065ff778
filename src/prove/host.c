/* host.c: compiles emitted firmware with the host's compiler, runs its self-test, and
 * measures the objects. */
#include "prove/prove_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILES = 64, OUTPUT = 16384, COMPILE_SECONDS = 300, RUN_SECONDS = 120 };

typedef struct job {
    lb_arena *arena;
    const char *folder, *name, *cc;
    char *beside; /* a folder of its own for what the compiler makes */
    char *source[MOST_FILES];
    int n_sources;
    char *output; /* of the last command */
    lb_proof *proof;
    size_t run_stack, kernel_stack;
} job;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_source(const job *j, const char *file)
{
    for (int i = 0; file && i < j->n_sources; i++)
        if (strcmp(j->source[i], file) == 0)
            return true;
    return false;
}

static lb_code find_sources(job *j, lb_error *err)
{
    const char *const own = lb_arena_text(j->arena, "%s.c", j->name);
    DIR *const d = opendir(j->folder);

    if (!d)
        return lb_raise(err, LB_ERR_IO, "cannot open '%s': %s", j->folder,
                        strerror(errno));
    for (const struct dirent *e; (e = readdir(d)) && j->n_sources < MOST_FILES;) {
        const size_t n = strlen(e->d_name);
        if (n < 3 || strcmp(e->d_name + n - 2, ".c") != 0)
            continue;
        j->source[j->n_sources] = lb_arena_copy_text(j->arena, e->d_name);
        if (j->source[j->n_sources])
            j->n_sources++;
    }
    closedir(d);
    qsort(j->source, (size_t)j->n_sources, sizeof *j->source, by_name);
    if (!has_source(j, own) || !has_source(j, "selftest.c"))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' holds no firmware called '%s' with a self-test", j->folder,
                        j->name);
    return LB_OK;
}

static lb_code run(job *j, char **argv, int seconds, int *status, lb_error *err)
{
    lb_command c = {.argv = argv,
                    .folder = j->folder,
                    .seconds = seconds,
                    .output = j->output,
                    .most = OUTPUT};

    LB_TRY(lb_command_run(&c, err));
    *status = c.status;
    return LB_OK;
}

static lb_code find_compiler(job *j, lb_error *err)
{
    const char *const given = getenv("CC");
    int status;

    j->cc = given && *given && !strchr(given, ' ') ? given : "cc";
    char *argv[] = {lb_arena_copy_text(j->arena, j->cc), "--version", NULL};
    if (!argv[0])
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, RUN_SECONDS, &status, err));
    if (status != 0)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "there is no C compiler '%s'; install one, or set CC", j->cc);
    j->proof->compiler =
        lb_arena_copy_chars(j->arena, j->output, strcspn(j->output, "\n"));
    return LB_OK;
}

static char *object_of(job *j, int i, const char *ending)
{
    const size_t n = strlen(j->source[i]) - 2;

    return lb_arena_text(j->arena, "%s/%.*s%s", j->beside, (int)n, j->source[i], ending);
}

static lb_code failed(const job *j, const char *what, lb_error *err)
{
    return lb_raise(err, LB_ERR_FAILED, "%s:\n%.3000s", what, j->output);
}

static lb_code compile(job *j, int i, lb_error *err)
{
    char *const object = object_of(j, i, ".o");
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
                    "-c",
                    j->source[i],
                    "-o",
                    object,
                    NULL};
    int status;

    if (!object)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK : failed(j, "the firmware does not compile", err);
}

/* "fw_conv.c:12:6:fw_conv<tab>208<tab>static" of each function: the sum bounds the file's
 * calls, of which none is recursive. */
static size_t stack_of(job *j, int i)
{
    const char *const path = object_of(j, i, ".su");
    size_t sum = 0;
    lb_bytes bytes;
    lb_error ignored;

    if (!path || lb_read_file(j->arena, path, 1 << 20, &bytes, &ignored) != LB_OK)
        return 0;
    char *const text =
        lb_arena_copy_chars(j->arena, (const char *)bytes.data, bytes.size);
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
    const char *const path = object_of(j, i, ".o");
    const bool kernel = strncmp(j->source[i], "fw_", 3) == 0;
    const size_t stack = stack_of(j, i);
    lb_sections s;
    lb_bytes bytes;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to measure the firmware");
    LB_TRY(lb_read_file(j->arena, path, (size_t)1 << 30, &bytes, err));
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
    char *argv[MOST_FILES + 5] = {(char *)j->cc, "-o", NULL};
    int n = 3, status;

    argv[2] = lb_arena_text(j->arena, "%s/selftest", j->beside);
    for (int i = 0; i < j->n_sources; i++) {
        LB_TRY(compile(j, i, err));
        argv[n++] = object_of(j, i, ".o");
        if (strcmp(j->source[i], "selftest.c") != 0)
            LB_TRY(measure(j, i, err));
    }
    argv[n++] = "-lm";
    argv[n] = NULL;
    for (int i = 0; i < n; i++)
        if (!argv[i])
            return lb_raise(err, LB_ERR_MEMORY, "no memory to run the compiler");
    LB_TRY(run(j, argv, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK : failed(j, "the firmware does not link", err);
}

static lb_code test(job *j, lb_error *err)
{
    char *argv[] = {lb_arena_text(j->arena, "%s/selftest", j->beside), NULL};
    long outputs, mismatches, arena;
    double worst;
    int status;

    if (!argv[0])
        return lb_raise(err, LB_ERR_MEMORY, "no memory to run the self-test");
    LB_TRY(run(j, argv, RUN_SECONDS, &status, err));
    if (status > 1 || sscanf(j->output, "outputs %ld mismatches %ld worst %lf arena %ld",
                             &outputs, &mismatches, &worst, &arena) != 4)
        return failed(j, "the self-test broke off", err);
    j->proof->outputs_checked = (int)outputs;
    j->proof->mismatches = (int)mismatches;
    j->proof->worst_error = worst;
    j->proof->arena_bytes = (size_t)arena;
    j->proof->stack_bytes = j->run_stack + j->kernel_stack;
    j->proof->sram_bytes += j->proof->stack_bytes;
    return LB_OK;
}

static void clear(const char *folder)
{
    DIR *const d = opendir(folder);
    char path[4096];

    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

lb_code lb_prove_host(const char *folder, const char *name, lb_arena *arena,
                      lb_proof *out, lb_error *err)
{
    const char *const tmp = getenv("TMPDIR");
    job j = {.arena = arena, .folder = folder, .name = name, .proof = out};

    *out = (lb_proof){0};
    j.output = lb_arena_take(arena, OUTPUT);
    j.beside = lb_arena_text(arena, "%s/limbeck-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!j.output || !j.beside)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try the firmware");
    LB_TRY(find_sources(&j, err));
    LB_TRY(find_compiler(&j, err));
    if (!mkdtemp(j.beside))
        return lb_raise(err, LB_ERR_IO, "cannot make a folder in '%s': %s",
                        tmp && *tmp ? tmp : "/tmp", strerror(errno));
    lb_code code = build(&j, err);
    if (code == LB_OK)
        code = test(&j, err);
    clear(j.beside);
    return code;
}
