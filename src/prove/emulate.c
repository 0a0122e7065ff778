/* emulate.c: compiles emitted firmware for a board, runs its self-test on the emulator
 * and counts what it executes. */
#include "prove/prove_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_SECONDS = 60,
    COMPILE_SECONDS = 300,
    RUN_SECONDS = 600,
    MOST_SOURCE = 1 << 28
};

/* What changes the code, beside the board's own flags; it is told with the result. */
static const char code_flags[] =
    "-std=c99 -O2 -ffp-contract=off -ffunction-sections -fdata-sections";
static const char strict_flags[] =
    "-Wall -Wextra -pedantic -Wconversion -Werror -fno-asynchronous-unwind-tables";

typedef struct job {
    lb_workshop w;
    const lb_prove_options *options;
    const lb_board *board;
    lb_proof *proof;
    const char *run; /* the network's function: NAME_run */
    lb_counting counting;
} job;

static lb_code run(job *j, const char *where, lb_words *words, int seconds, int *status,
                   lb_error *err)
{
    if (words->failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a command line");
    return lb_workshop_run(&j->w, where, words->word, seconds, status, err);
}

/* The first line of `program --version`. */
static lb_code ask_version(job *j, const char *program, const char *package,
                           const char **out, lb_error *err)
{
    lb_words words = {.arena = j->w.arena};
    int status;

    lb_words_add(&words, program);
    lb_words_add(&words, "--version");
    LB_TRY(run(j, j->w.folder, &words, ASK_SECONDS, &status, err));
    if (status != 0)
        return lb_raise(err, LB_ERR_FAILED,
                        "there is no '%s' here; install Debian's package '%s'", program,
                        package);
    *out = lb_arena_copy_chars(j->w.arena, j->w.output, strcspn(j->w.output, "\n"));
    return *out ? LB_OK : lb_raise(err, LB_ERR_MEMORY, "no memory for a version");
}

static lb_code check_tools(job *j, lb_error *err)
{
    const lb_board *const b = j->board;
    lb_words words = {.arena = j->w.arena};
    int status;

    LB_TRY(ask_version(j, b->compiler, b->compiler_package, &j->proof->compiler, err));
    LB_TRY(ask_version(j, b->emulator, b->emulator_package, &j->proof->emulator, err));
    lb_words_add(&words, b->compiler);
    lb_words_add_all(&words, b->flags);
    lb_words_add_all(&words, "-fsyntax-only -include math.h -x c /dev/null");
    LB_TRY(run(j, j->w.folder, &words, ASK_SECONDS, &status, err));
    if (status == 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_FAILED,
                    "'%s' has no C library for %s; install Debian's package '%s'",
                    b->compiler, b->name, b->library_package);
}

static lb_code write_text(const job *j, const char *file, const char *text, size_t size,
                          lb_error *err)
{
    const char *const path = lb_workshop_path(&j->w, file);

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    return lb_write_file(path, text, size, err);
}

/* The board's files, and the network's source with its steps kept apart. */
static lb_code write_files(job *j, lb_error *err)
{
    const lb_board *const b = j->board;
    const struct {
        const char *file, *text;
    } files[] = {
        {"board.c", lb_board_text_board_c}, {"board.h", lb_board_text_board_h},
        {b->start_file, b->start},          {"board.ld", b->script},
        {"count.c", lb_board_text_count_c},
    };
    const char *const own = lb_arena_text(j->w.arena, "%s.c", j->w.name);
    const char *const path = lb_workshop_own_path(&j->w, ".c");
    lb_bytes source;
    lb_text copy;

    if (!own || !path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        LB_TRY(write_text(j, files[i].file, files[i].text, strlen(files[i].text), err));
    LB_TRY(lb_read_file(j->w.arena, path, MOST_SOURCE, &source, err));
    lb_text_init(&copy, j->w.arena);
    LB_TRY(lb_steps_mark((const char *)source.data, source.size, j->w.arena, &copy,
                         &j->counting.steps, err));
    return write_text(j, own, copy.chars, copy.n, err);
}

static lb_code build_plugin(job *j, lb_error *err)
{
    const char *const given = getenv("CC");
    const char *const cc = given && *given && !strchr(given, ' ') ? given : "cc";
    lb_words words = {.arena = j->w.arena};
    int status;

    lb_words_add(&words, cc);
    lb_words_add_all(&words, "-shared -fPIC -std=c11 -O2 -D_POSIX_C_SOURCE=200809L "
                             "-Wall -Wextra -o count.so count.c");
    LB_TRY(run(j, j->w.beside, &words, COMPILE_SECONDS, &status, err));
    if (status == 127)
        return lb_raise(err, LB_ERR_FAILED,
                        "there is no C compiler '%s' for the instruction counter; "
                        "install Debian's package 'gcc', or set CC",
                        cc);
    return status == 0 ? LB_OK
                       : lb_workshop_failed(
                             &j->w, "the instruction counter does not compile", err);
}

/* Source i of the firmware; the network's own from the copy. */
static lb_code compile(job *j, int i, lb_error *err)
{
    const char *const own = lb_arena_text(j->w.arena, "%s.c", j->w.name);
    const bool copied = j->w.source[i] == j->w.own;
    lb_words words = {.arena = j->w.arena};
    int status;

    lb_words_add(&words, j->board->compiler);
    lb_words_add_all(&words, j->proof->flags);
    lb_words_add_all(&words, strict_flags);
    lb_words_add_all(&words, "-I. -Isrc -c");
    lb_words_add(&words, copied ? lb_workshop_path(&j->w, own) : j->w.source[i]);
    lb_words_add(&words, "-o");
    lb_words_add(&words, lb_workshop_object(&j->w, i, ".o"));
    LB_TRY(run(j, j->w.folder, &words, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK
                       : lb_workshop_failed(&j->w, "the firmware does not compile", err);
}

static lb_code compile_board(job *j, const char *file, const char *object, lb_error *err)
{
    lb_words words = {.arena = j->w.arena};
    int status;

    lb_words_add(&words, j->board->compiler);
    lb_words_add_all(&words, j->board->flags);
    /* no call may come of a loop that paints the stack or sets up memory */
    lb_words_add_all(&words, "-std=gnu99 -O2 -Wall -Wextra -fno-builtin "
                             "-fno-tree-loop-distribute-patterns");
    lb_words_add(&words, lb_arena_text(j->w.arena, "-DLB_RUN=%s", j->run));
    lb_words_add(&words, "-c");
    lb_words_add(&words, file);
    lb_words_add(&words, "-o");
    lb_words_add(&words, object);
    LB_TRY(run(j, j->w.beside, &words, COMPILE_SECONDS, &status, err));
    return status == 0
               ? LB_OK
               : lb_workshop_failed(&j->w, "the board's code does not compile", err);
}

static void begin_link(const job *j, lb_words *words)
{
    lb_words_add(words, j->board->compiler);
    lb_words_add_all(words, j->proof->flags);
    lb_words_add_all(words, j->board->link);
    lb_words_add_all(words, "-nostartfiles -Wl,--gc-sections -T board.ld");
}

static lb_code end_link(job *j, lb_words *words, lb_error *err)
{
    int status;

    lb_words_add(words, "-lm");
    LB_TRY(run(j, j->w.beside, words, COMPILE_SECONDS, &status, err));
    return status == 0 ? LB_OK
                       : lb_workshop_failed(
                             &j->w, "the firmware does not link for the board", err);
}

/* Two programs: test.elf is run, net.elf holds the network alone and is measured. */
static lb_code link_both(job *j, lb_error *err)
{
    lb_words test = {.arena = j->w.arena}, net = {.arena = j->w.arena};

    begin_link(j, &test);
    lb_words_add(&test, lb_arena_text(j->w.arena, "-Wl,--wrap=%s", j->run));
    lb_words_add_all(&test, "-o test.elf board.o start.o");
    begin_link(j, &net);
    lb_words_add(&net, lb_arena_text(j->w.arena, "-Wl,-e,%s", j->run));
    lb_words_add(&net, lb_arena_text(j->w.arena, "-Wl,-u,%s_input", j->w.name));
    lb_words_add_all(&net, "-o net.elf");
    for (int i = 0; i < j->w.n_sources; i++) {
        lb_words_add(&test, lb_workshop_object(&j->w, i, ".o"));
        if (!lb_workshop_is_test(&j->w, i))
            lb_words_add(&net, lb_workshop_object(&j->w, i, ".o"));
    }
    LB_TRY(end_link(j, &test, err));
    return end_link(j, &net, err);
}

static lb_code build(job *j, lb_error *err)
{
    LB_TRY(write_files(j, err));
    LB_TRY(build_plugin(j, err));
    for (int i = 0; i < j->w.n_sources; i++)
        LB_TRY(compile(j, i, err));
    LB_TRY(compile_board(j, "board.c", "board.o", err));
    LB_TRY(compile_board(j, j->board->start_file, "start.o", err));
    return link_both(j, err);
}

static lb_code read_beside(const job *j, const char *file, lb_bytes *out, lb_error *err)
{
    const char *const path = lb_workshop_path(&j->w, file);

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a file's name");
    return lb_read_file(j->w.arena, path, (size_t)1 << 30, out, err);
}

static lb_code measure(job *j, lb_error *err)
{
    lb_proof *const p = j->proof;
    lb_sections s;
    lb_bytes net, test;
    lb_function *function;
    lb_text table;

    LB_TRY(read_beside(j, "net.elf", &net, err));
    LB_TRY(read_beside(j, "test.elf", &test, err));
    if (!lb_elf_sections(net.data, net.size, &s) ||
        !lb_elf_functions(test.data, test.size, j->w.arena, &function, &j->counting.n))
        return lb_raise(err, LB_ERR_FAILED, "'%s' made a program that cannot be read",
                        j->board->compiler);
    p->code_bytes = (size_t)s.code;
    p->constant_bytes = (size_t)(s.fixed - s.code);
    p->data_bytes = (size_t)s.initialised;
    p->zeroed_bytes = (size_t)s.zeroed;
    p->flash_bytes = (size_t)(s.fixed + s.initialised);
    p->sram_bytes = (size_t)(s.zeroed + s.initialised);
    j->counting.function = function;
    j->counting.network = j->run;
    lb_text_init(&table, j->w.arena);
    lb_counts_table(&j->counting, &table);
    if (table.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the table of functions");
    return write_text(j, "table", table.chars, table.n, err);
}

static lb_code emulate(job *j, lb_error *err)
{
    lb_words words = {.arena = j->w.arena};
    lb_proof *const p = j->proof;
    lb_bytes counts;
    long stack;
    int status;

    lb_words_add(&words, j->board->emulator);
    lb_words_add_all(&words, j->board->machine);
    lb_words_add_all(&words,
                     "-display none -monitor none -serial none "
                     "-semihosting-config enable=on,target=native "
                     "-plugin ./count.so,table=table,out=counts -kernel test.elf");
    LB_TRY(run(j, j->w.beside, &words,
               j->options->seconds > 0 ? j->options->seconds : RUN_SECONDS, &status,
               err));
    const char *const tail = strstr(j->w.output, "stack ");
    if (status > 1 || !lb_workshop_results(&j->w, p) || !tail ||
        sscanf(tail, "stack %ld", &stack) != 1)
        return lb_workshop_failed(&j->w, "the self-test broke off on the emulator", err);
    p->stack_bytes = (size_t)stack;
    p->sram_bytes += p->stack_bytes;
    LB_TRY(read_beside(j, "counts", &counts, err));
    char *const text =
        lb_arena_copy_chars(j->w.arena, (const char *)counts.data, counts.size);
    if (!text)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the counts");
    return lb_counts_read(&j->counting, text, j->w.arena, p, err);
}

lb_code lb_prove_emulated(const lb_prove_options *options, const lb_board *board,
                          lb_arena *arena, lb_proof *out, lb_error *err)
{
    job j = {.options = options, .board = board, .proof = out};

    *out = (lb_proof){.on = lb_arena_text(arena, "qemu:%s", board->name),
                      .core = board->core};
    out->flags =
        lb_arena_text(arena, "%s %s%s%s", board->flags, code_flags,
                      options->flags ? " " : "", options->flags ? options->flags : "");
    LB_TRY(lb_workshop_init(&j.w, options->folder, options->name, arena, err));
    j.w.stop = options->stop;
    j.run = lb_arena_text(arena, "%s_run", j.w.name);
    if (!out->on || !out->flags || !j.run)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try the firmware");
    LB_TRY(check_tools(&j, err));
    LB_TRY(lb_workshop_open(&j.w, err));
    lb_code code = build(&j, err);
    if (code == LB_OK)
        code = measure(&j, err);
    if (code == LB_OK)
        code = emulate(&j, err);
    lb_workshop_close(&j.w);
    return code;
}
