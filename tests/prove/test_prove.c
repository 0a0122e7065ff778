/* test_prove.c: firmware that is wrong, hangs or does not compile is told as such. */
#include "check.h"

#include "base/file.h"
#include "prove/prove_int.h"

#include <stdlib.h>
#include <unistd.h>

static void put(const char *folder, const char *file, const char *text)
{
    char path[400];
    lb_error err = {0};

    snprintf(path, sizeof path, "%s/%s", folder, file);
    CHECK_OK(lb_write_file(path, text, strlen(text), &err), &err);
}

/* Proves a folder of these two files. */
static lb_code prove(const char *net, const char *selftest, lb_arena *arena,
                     lb_proof *proof, lb_error *err)
{
    char folder[] = "/tmp/lb-prove-XXXXXX", path[400];

    CHECK(mkdtemp(folder) != NULL);
    put(folder, "net.c", net);
    put(folder, "selftest.c", selftest);
    const lb_code code = lb_prove_host(folder, "net", arena, proof, err);
    snprintf(path, sizeof path, "%s/net.c", folder);
    CHECK(unlink(path) == 0);
    snprintf(path, sizeof path, "%s/selftest.c", folder);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
    return code;
}

static const char net[] = "int net_run(int x);\n"
                          "static int buffer[100];\n"
                          "static const int table[50] = {1, 2, 3};\n"
                          "const int *net_table = table;\n"
                          "int net_run(int x) { return buffer[x] + table[x % 50]; }\n";

static void mismatches_are_counted(void)
{
    static const char selftest[] =
        "#include <stdio.h>\nint main(void) { printf(\"outputs 8 mismatches 3 worst "
        "0.25 arena 400\\n\"); return 1; }\n";
    lb_arena *const arena = lb_arena_new(0);
    lb_proof proof;
    lb_error err = {0};

    const lb_code code = prove(net, selftest, arena, &proof, &err);
    if (code == LB_ERR_UNSUPPORTED) {
        SKIP("no compiler");
    } else {
        CHECK_OK(code, &err);
        CHECK(proof.outputs_checked == 8 && proof.mismatches == 3);
        CHECK_NEAR(proof.worst_error, 0.25, 0);
        CHECK(proof.arena_bytes == 400);
        CHECK(proof.flash_bytes > 200 && proof.flash_bytes < 600);
        CHECK(proof.sram_bytes > 0 && proof.compiler && proof.compiler[0]);
    }
    lb_arena_free(arena);
}

static void broken_firmware_is_told(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_proof proof;
    lb_error err = {0};

    lb_code code = prove("int net_run(int x) { return y; }\n",
                         "int main(void) { return 0; }\n", arena, &proof, &err);
    if (code == LB_ERR_UNSUPPORTED) {
        SKIP("no compiler");
    } else {
        CHECK(code == LB_ERR_FAILED);
        CHECK_TEXT(err.text, "does not compile");
        CHECK_TEXT(err.text, "net.c");
        code = prove(net, "int main(void) { int *volatile p = 0; return *p; }\n", arena,
                     &proof, &err);
        CHECK(code == LB_ERR_FAILED);
        CHECK_TEXT(err.text, "broke off");
    }
    CHECK(lb_prove_host("/nonexistent", "net", arena, &proof, &err) == LB_ERR_IO);
    lb_arena_free(arena);
}

static void commands_are_limited(void)
{
    char output[16];
    char *argv[] = {"sleep", "60", NULL};
    char *words[] = {"echo", "a long line that is cut", NULL};
    char *missing[] = {"no-such-program-here", NULL};
    lb_command c = {.argv = argv, .seconds = 1, .output = output, .most = sizeof output};
    lb_error err = {0};

    CHECK(lb_command_run(&c, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "stopped after 1 seconds");
    c.argv = words;
    c.seconds = 10;
    CHECK_OK(lb_command_run(&c, &err), &err);
    CHECK(c.status == 0 && strcmp(output, "a long line tha") == 0);
    c.argv = missing;
    CHECK_OK(lb_command_run(&c, &err), &err);
    CHECK(c.status == 127);
}

/* A damaged object at every length, and with every byte of its header changed. */
static void objects_may_be_broken(void)
{
    uint8_t data[192] = {0x7f, 'E', 'L', 'F', 2, 1};
    lb_sections s;

    data[40] = 64; /* two section headers behind this one */
    data[58] = 64;
    data[60] = 2;
    data[64 + 4] = 1; /* loaded, not written, 9 bytes */
    data[64 + 8] = 2;
    data[64 + 32] = 9;
    data[128 + 4] = 8; /* zeroed, 300 bytes */
    data[128 + 8] = 3;
    data[128 + 32] = 44;
    data[128 + 33] = 1;
    CHECK(lb_elf_sections(data, sizeof data, &s));
    CHECK(s.fixed == 9 && s.zeroed == 300 && s.initialised == 0);
    for (size_t n = 0; n < sizeof data; n++)
        CHECK(!lb_elf_sections(data, n, &s));
    for (int i = 0; i < 64; i++)
        for (int v = 0; v < 256; v++) {
            const uint8_t was = data[i];
            data[i] = (uint8_t)v;
            (void)lb_elf_sections(data, sizeof data, &s);
            CHECK(s.fixed + s.zeroed <= (uint64_t)4 << 40);
            data[i] = was;
        }
}

int main(void)
{
    RUN(mismatches_are_counted);
    RUN(broken_firmware_is_told);
    RUN(commands_are_limited);
    RUN(objects_may_be_broken);
    return DONE();
}
