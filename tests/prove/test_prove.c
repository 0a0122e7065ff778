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

/* Sources as emit prints them, and others. */
static void steps_are_found(void)
{
    static const char source[] = "/* a: b: conv, 1x1x1 to 2x2x2 */\n"
                                 "static void step0(void)\n{\n    work();\n}\n\n"
                                 "static void step2(const int *x)\n{\n}\n"
                                 "static void lockstep3(void)\n"
                                 "static int stepx(void)\n"
                                 "    step0();\n"
                                 "/* only a name */\n"
                                 "static void step10(void) {}";
    lb_arena *const arena = lb_arena_new(0);
    lb_step_names names;
    lb_error err = {0};
    lb_text copy;

    lb_text_init(&copy, arena);
    CHECK_OK(lb_steps_mark(source, strlen(source), arena, &copy, &names, &err), &err);
    CHECK(names.n == 11);
    CHECK(strcmp(names.name[0], "a: b") == 0 && strcmp(names.kind[0], "conv") == 0);
    CHECK(strcmp(names.name[1], "step 1") == 0 && names.kind[1] == NULL);
    CHECK(strcmp(names.name[2], "step 2") == 0);
    CHECK(strcmp(names.name[10], "only a name") == 0 && names.kind[10] == NULL);
    CHECK_TEXT(copy.chars, "static __attribute__((noipa)) void step0(void)\n{");
    CHECK_TEXT(copy.chars, "static __attribute__((noipa)) void step2(const int *x)\n");
    CHECK_TEXT(copy.chars, "\nstatic void lockstep3(void)\nstatic int stepx(void)\n");
    for (size_t n = 0; n < sizeof source - 1; n++) {
        lb_text_init(&copy, arena);
        CHECK_OK(lb_steps_mark(source, n, arena, &copy, &names, &err), &err);
    }
    lb_arena_free(arena);
}

static void put_number(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

enum { PROGRAM = 320, NAMES = 224, SYMBOLS = 240 };

/* A program of 32 bits for Arm: two section headers (symbols, their names), names and
 * five symbols: two functions, two more names for the first, and data. */
static void make_program(uint8_t *data)
{
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 1, 1};
    static const struct {
        uint32_t name, value, size;
        uint8_t kind;
    } symbol[5] = {{1, 0x101, 8, 2},
                   {5, 0x101, 16, 2},
                   {9, 0x109, 4, 2},
                   {9, 0x200, 8, 1},
                   {1, 0x105, 2, 2}};

    memset(data, 0, PROGRAM);
    memcpy(data, magic, sizeof magic);
    data[18] = 40;
    put_number(data + 32, 96);
    data[46] = 40;
    data[48] = 2;
    put_number(data + 96 + 4, 2);
    put_number(data + 96 + 16, SYMBOLS);
    put_number(data + 96 + 20, 80);
    put_number(data + 96 + 24, 1);
    put_number(data + 136 + 4, 3);
    put_number(data + 136 + 16, NAMES);
    put_number(data + 136 + 20, 13);
    memcpy(data + NAMES, "\0aaa\0bbb\0ccc", 13);
    for (int i = 0; i < 5; i++) {
        uint8_t *const at = data + SYMBOLS + 16 * i;
        put_number(at, symbol[i].name);
        put_number(at + 4, symbol[i].value);
        put_number(at + 8, symbol[i].size);
        at[12] = symbol[i].kind;
    }
}

static void functions_are_found(void)
{
    uint8_t data[PROGRAM];
    lb_arena *const arena = lb_arena_new(0);
    lb_function *f = NULL;
    int n = 0;

    make_program(data);
    CHECK(lb_elf_functions(data, sizeof data, arena, &f, &n));
    CHECK(n == 2);
    CHECK(strcmp(f[0].name, "aaa") == 0 && f[0].first == 0x100 && f[0].end == 0x108);
    CHECK(strcmp(f[1].name, "ccc") == 0 && f[1].first == 0x108 && f[1].end == 0x10c);
    /* damaged: no byte beyond the end is read (sanitisers look) */
    for (size_t k = 0; k < sizeof data; k++) {
        uint8_t *const cut = lb_heap_take(k + 1);
        memcpy(cut, data, k);
        (void)lb_elf_functions(cut, k, arena, &f, &n);
        lb_heap_give(cut);
    }
    for (int i = 0; i < PROGRAM; i++)
        for (int v = 0; v < 256; v += 5) {
            const uint8_t was = data[i];
            data[i] = (uint8_t)v;
            if (lb_elf_functions(data, sizeof data, arena, &f, &n))
                for (int k = 1; k < n; k++)
                    CHECK(f[k].first >= f[k - 1].end);
            data[i] = was;
        }
    lb_arena_free(arena);
}

/* What the plugin writes, cut at every length. */
static void counts_may_be_cut(void)
{
    static const lb_function function[] = {
        {"helper", 0, 4}, {"net_run", 4, 8}, {"step0", 8, 12}, {"step1", 12, 20}};
    static const char *name[] = {"x", "y"}, *kind[] = {"conv", NULL};
    static const char text[] = "2 210\n0 60\n10 12\n40 20\n55 13\n";
    const lb_counting c = {.function = function,
                           .n = 4,
                           .network = "net_run",
                           .steps = {.name = name, .kind = kind, .n = 2}};
    lb_arena *const arena = lb_arena_new(0);
    lb_proof proof = {0};
    lb_error err = {0};
    lb_text table;

    lb_text_init(&table, arena);
    lb_counts_table(&c, &table);
    CHECK(strcmp(table.chars, "0 4 f\n4 8 r\n8 c s\nc 14 s\n") == 0);
    CHECK_OK(lb_counts_read(&c, text, arena, &proof, &err), &err);
    CHECK(proof.instructions == 105 && proof.driver == 10 && proof.inferences == 2);
    CHECK_NEAR(proof.mean_instructions, 105, 0);
    CHECK(proof.n_steps == 2 && proof.step[1].instructions == 55);
    CHECK(proof.n_functions == 4 && strcmp(proof.function[0].name, "helper") == 0);
    CHECK(strcmp(proof.function[3].name, "net_run") == 0);
    for (size_t n = 0; n + 1 < sizeof text - 1; n++) {
        const char *const cut = lb_arena_copy_chars(arena, text, n);
        proof = (lb_proof){0};
        CHECK(lb_counts_read(&c, cut, arena, &proof, &err) == LB_ERR_FAILED);
    }
    lb_arena_free(arena);
}

int main(void)
{
    RUN(steps_are_found);
    RUN(functions_are_found);
    RUN(counts_may_be_cut);
    RUN(mismatches_are_counted);
    RUN(broken_firmware_is_told);
    RUN(commands_are_limited);
    RUN(objects_may_be_broken);
    return DONE();
}
