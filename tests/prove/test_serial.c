/* test_serial.c: boards on a serial line, played by programs at the other end of a
 * pseudo-terminal: one by the firmware itself, others by scripts. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#include "check.h"

#include "base/file.h"
#include "prove/prove_int.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char network[] =
    "#include \"net.h\"\n"
    "/* first: conv, 1x1x1 to 1x1x1 */\nstatic void step0(void)\n{\n}\n"
    "/* second: dense, 1x1x1 to 1x1x1 */\nstatic void step1(void)\n{\n}\n"
    "void net_run(const float *in, float *out)\n"
    "{\n    step0();\n    step1();\n    *out = *in + 1;\n}\n";
static const char header[] = "#define NET_ARENA_BYTES 2000\n"
                             "void net_run(const float *in, float *out);\n";
static const char selftest[] =
    "#include \"net.h\"\n"
    "#include <stdio.h>\n"
    "int main(void)\n"
    "{\n"
    "    float in = 4, out;\n"
    "    net_run(&in, &out);\n"
    "    printf(\"outputs 1 mismatches %d worst %.9g arena %ld\\n\", out != 5, 0.25,\n"
    "           (long)NET_ARENA_BYTES);\n"
    "    return 0;\n"
    "}\n";

static char folder[] = "/tmp/lb-serial-XXXXXX";
static lb_arena *arena;
static int held = -1; /* so that the line stays up between two proofs, as a wire does */

static void put(const char *file, const char *text)
{
    lb_error err = {0};

    CHECK_OK(lb_write_file(lb_arena_text(arena, "%s/%s", folder, file), text,
                           strlen(text), &err),
             &err);
}

/* The program at the other end; *line: what limbeck opens. */
static pid_t begin_board(char *const *argv, const char **line)
{
    const int end = posix_openpt(O_RDWR | O_NOCTTY);

    CHECK(end >= 0 && grantpt(end) == 0 && unlockpt(end) == 0);
    *line = lb_arena_copy_text(arena, ptsname(end));
    held = open(*line, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(held >= 0);
    const pid_t board = fork();
    if (board == 0) {
        dup2(end, 0);
        dup2(end, 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(end);
    return board;
}

static void end_board(pid_t board)
{
    kill(board, SIGKILL);
    CHECK(waitpid(board, NULL, 0) == board);
    close(held);
}

static lb_code prove(const char *on, int seconds, lb_proof *proof, lb_error *err)
{
    const lb_prove_options options = {.folder = folder, .seconds = seconds};

    return lb_prove(&options, on, arena, proof, err);
}

/* A board that is this script. */
static lb_code with_script(const char *script, int seconds, lb_proof *proof,
                           lb_error *err)
{
    char *argv[] = {"sh", "-c", lb_arena_copy_text(arena, script), NULL};
    const char *line;
    const pid_t board = begin_board(argv, &line);
    const lb_code code =
        prove(lb_arena_text(arena, "serial:%s", line), seconds, proof, err);

    end_board(board);
    return code;
}

static void firmware_speaks_it(void)
{
    char output[4096];
    char *compile[] = {"cc", "-std=c99", "-Dmain=selftest", "-c", "selftest.c", NULL};
    char *link[] = {"cc", "-o", "board", "selftest.o", "net.c", "serial_main.c", NULL};
    char *argv[] = {lb_arena_text(arena, "%s/board", folder), NULL};
    lb_command c = {.argv = compile,
                    .folder = folder,
                    .seconds = 60,
                    .output = output,
                    .most = sizeof output};
    lb_error err = {0};
    lb_proof proof;
    const char *line;

    CHECK_OK(lb_command_run(&c, &err), &err);
    if (c.status == 127) {
        SKIP("no compiler");
        return;
    }
    c.argv = link;
    CHECK_OK(lb_command_run(&c, &err), &err);
    CHECK(c.status == 0);
    /* the firmware's folder must hold firmware only */
    CHECK(unlink(lb_arena_text(arena, "%s/serial_main.c", folder)) == 0);
    const pid_t board = begin_board(argv, &line);
    /* twice: it waits for the next question */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(prove(lb_arena_text(arena, "serial:%s", line), 20, &proof, &err), &err);
        CHECK(proof.outputs_checked == 1 && proof.mismatches == 0);
        CHECK_NEAR(proof.worst_error, 0.25, 1e-9);
        CHECK(proof.arena_bytes == 2000);
    }
    end_board(board);
}

static void words_come_in_any_order(void)
{
    lb_error err = {0};
    lb_proof proof;

    CHECK_OK(with_script("read a; echo; echo 'hello, end'; echo end; echo begin;"
                         " echo step 1 500; echo step 7 3; echo step x; printf 'cyc';"
                         " sleep 0.2; printf 'les 900\\r\\n'; echo stack 77; echo stack;"
                         " echo outputs 3 mismatches 2 worst 0.5 arena 2000; echo end;"
                         " sleep 20",
                         20, &proof, &err),
             &err);
    CHECK(proof.outputs_checked == 3 && proof.mismatches == 2);
    CHECK(proof.cycles == 900 && proof.stack_bytes == 77);
    CHECK(proof.n_steps == 2 && proof.step[1].cycles == 500 && proof.step[0].cycles == 0);
    CHECK(proof.n_steps == 2 && strcmp(proof.step[1].name, "second") == 0);
}

/* A board that starts late is asked again. */
static void boards_may_start_late(void)
{
    lb_error err = {0};
    lb_proof proof;

    CHECK_OK(with_script("read lost; sleep 1.2; read a; echo begin;"
                         " echo outputs 1 mismatches 0 worst 0 arena 2000; echo end;"
                         " sleep 20",
                         20, &proof, &err),
             &err);
    CHECK(proof.outputs_checked == 1);
}

static void what_is_wrong_is_told(void)
{
    lb_error err = {0};
    lb_proof proof;

    CHECK(with_script("sleep 20", 1, &proof, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "did not begin within 1 seconds");
    CHECK(with_script("read a; echo begin; sleep 20", 1, &proof, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "did not end within 1 seconds");
    CHECK(with_script("read a; echo begin; exit", 20, &proof, &err) == LB_ERR_IO);
    CHECK_TEXT(err.text, "broke off");
    CHECK(with_script("read a; echo begin; echo outputs 1 mismatches 0 worst 0 arena 7;"
                      " echo end; sleep 20",
                      20, &proof, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "other firmware: its arena has 7 bytes, that of");
    CHECK(prove("serial:/dev/null", 1, &proof, &err) == LB_ERR_IO);
    CHECK_TEXT(err.text, "'/dev/null' is no serial line");
    CHECK(prove("serial:/nonexistent/tty", 1, &proof, &err) == LB_ERR_IO);
    CHECK_TEXT(err.text, "cannot open '/nonexistent/tty'");
    CHECK(prove("serial:/dev/null@12", 1, &proof, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "'12' is no speed");
    CHECK(prove("serial:", 1, &proof, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "serial:/dev/ttyACM0");
}

int main(void)
{
    lb_error err = {0};
    lb_bytes text;

    arena = lb_arena_new(0);
    if (!arena || !mkdtemp(folder))
        return 1;
    put("net.c", network);
    put("net.h", header);
    put("selftest.c", selftest);
    const char *const source =
        lb_arena_text(arena, "%s/src/prove/boards/serial_main.c", getenv("LB_SOURCE"));
    CHECK_OK(lb_read_file(arena, source, 1 << 16, &text, &err), &err);
    put("serial_main.c", lb_arena_copy_chars(arena, (const char *)text.data, text.size));
    RUN(firmware_speaks_it);
    RUN(words_come_in_any_order);
    RUN(boards_may_start_late);
    RUN(what_is_wrong_is_told);
    if (system(lb_arena_text(arena, "rm -rf '%s'", folder)) != 0)
        printf("# '%s' was left behind\n", folder);
    lb_arena_free(arena);
    return DONE();
}
