/* test_emulate.c: firmware on emulated boards: counts are exact and the same every time,
 * what is wrong is found, and nothing stays behind. */
#include "check.h"

#include "base/file.h"
#include "device/device.h"
#include "emit/emit.h"
#include "onnx/onnx.h"
#include "prove/prove_int.h"

#include <dirent.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Three steps: two that count down from a number, and one with memory of its own. */
static const char network[] =
    "#include \"net.h\"\n"
    "#include <string.h>\n"
    "static float arena[500];\n"
    "static const float table[1000] = {1.0f, 2.0f, 3.0f};\n"
    "static void count(long n)\n"
    "{\n"
    "#if defined(__arm__)\n"
    "    __asm__ volatile(\".syntax unified\\n1: subs %0, %0, #1\\n\\tbne 1b\"\n"
    "                     : \"+l\"(n) : : \"cc\");\n"
    "#else\n"
    "    __asm__ volatile(\"1: addi %0, %0, -1\\n\\tbnez %0, 1b\" : \"+r\"(n));\n"
    "#endif\n"
    "}\n"
    "/* a:b: conv, 1x1x1 to 1x1x1 */\n"
    "static void step0(void)\n{\n    count(1000);\n}\n"
    "\n"
    "/* second: dense, 1x1x1 to 1x1x1 */\n"
    "static void step1(void)\n{\n    count(2000);\n}\n"
    "static void step2(void)\n"
    "{\n"
    "    volatile char deep[1000];\n"
    "    int i;\n"
    "    for (i = 0; i < 1000; i++)\n"
    "        deep[i] = (char)i;\n"
    "    arena[1] = arena[0] + table[(int)arena[0]] + (float)(deep[3] - 3);\n"
    "}\n"
    "float *net_input(void)\n{\n    return arena;\n}\n"
    "void net_run(const float *in, float *out)\n"
    "{\n"
    "    memcpy(arena, in, sizeof(float));\n"
    "    step0();\n    step1();\n    step2();\n"
    "    memcpy(out, arena + 1, sizeof(float));\n"
    "}\n";
static const char header[] = "#ifndef NET_H\n#define NET_H\n"
                             "void net_run(const float *in, float *out);\n"
                             "float *net_input(void);\n#endif\n";
/* Two vectors; WANTED is what the second must give. */
static const char selftest[] =
    "#include \"net.h\"\n"
    "#include <stdio.h>\n"
    "static const float in[2] = {0.0f, 2.0f};\n"
    "static const float want[2] = {1.0f, WANTED};\n"
    "int main(void)\n"
    "{\n"
    "    float out;\n"
    "    int i, bad = 0;\n"
    "    for (i = 0; i < 2; i++) {\n"
    "        net_run(&in[i], &out);\n"
    "        bad += !(out == want[i]);\n"
    "    }\n"
    "    printf(\"outputs %d mismatches %d worst %.9g arena %ld\\n\", 2, bad, 0.125, "
    "2000L);\n"
    "    return bad != 0;\n"
    "}\n";

/* A folder with firmware, and one that temporary folders go to. */
typedef struct place {
    char folder[40], tmp[40];
    lb_arena *arena;
    lb_error err;
    lb_proof proof;
} place;

static void put(const place *p, const char *file, const char *text)
{
    char path[400];
    lb_error err = {0};

    snprintf(path, sizeof path, "%s/%s", p->folder, file);
    CHECK_OK(lb_write_file(path, text, strlen(text), &err), &err);
}

static void begin(place *p, const char *net, const char *wanted)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_text t;

    *p = (place){.folder = "/tmp/lb-emulate-XXXXXX", .tmp = "/tmp/lb-beside-XXXXXX"};
    p->arena = arena;
    CHECK(mkdtemp(p->folder) != NULL && mkdtemp(p->tmp) != NULL);
    CHECK(setenv("TMPDIR", p->tmp, 1) == 0);
    lb_text_init(&t, arena);
    lb_text_add(&t, "#define WANTED %s\n%s", wanted, selftest);
    put(p, "net.c", net);
    put(p, "net.h", header);
    put(p, "selftest.c", t.chars);
}

static int entries(const char *folder)
{
    DIR *const d = opendir(folder);
    int n = 0;

    for (const struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* Whatever happened, nothing may be left beside. */
static void end(place *p)
{
    static const char *const files[] = {"net.c", "net.h", "selftest.c"};
    char path[400];

    CHECK(entries(p->tmp) == 0);
    CHECK(entries(p->folder) == 3);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", p->folder, files[i]);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(p->folder) == 0 && rmdir(p->tmp) == 0);
    unsetenv("TMPDIR");
    lb_arena_free(p->arena);
}

static lb_code prove(place *p, const char *on, const lb_prove_options *more)
{
    lb_prove_options options = more ? *more : (lb_prove_options){0};

    options.folder = p->folder;
    return lb_prove(&options, on, p->arena, &p->proof, &p->err);
}

/* True, and the test skipped, if the board's tools are not there. */
static bool skipped(const place *p, lb_code code)
{
    if (code != LB_ERR_FAILED || !strstr(p->err.text, "install Debian's package"))
        return false;
    SKIP(strstr(p->err.text, "riscv") ? "no tools for RISC-V" : "no tools for Arm");
    return true;
}

static uint64_t sum(const lb_proof_count *c, int n)
{
    uint64_t all = 0;

    for (int i = 0; i < n; i++)
        all += c[i].instructions;
    return all;
}

static void check_counts(const place *p)
{
    const lb_proof *const r = &p->proof;

    CHECK(r->outputs_checked == 2 && r->mismatches == 0 && r->inferences == 2);
    CHECK_NEAR(r->worst_error, 0.125, 1e-8);
    CHECK(strcmp(r->step[0].name, "a:b") == 0 && strcmp(r->step[0].kind, "conv") == 0);
    CHECK(strcmp(r->step[1].name, "second") == 0);
    CHECK(strcmp(r->step[2].name, "step 2") == 0 && r->step[2].kind == NULL);
    /* two instructions a turn, and the same around them */
    CHECK(r->step[1].instructions - r->step[0].instructions == 2 * 1000);
    CHECK(r->step[0].instructions >= 2 * 1000 && r->step[0].instructions < 2 * 1000 + 12);
    CHECK(r->instructions == sum(r->step, r->n_steps) + r->driver);
    CHECK(r->instructions == sum(r->function, r->n_functions));
    CHECK(r->driver > 4 && r->driver < 300);
    CHECK(r->mean_instructions <= (double)r->instructions);
}

static void check_sizes(const place *p)
{
    const lb_proof *const r = &p->proof;

    CHECK(r->arena_bytes == 2000);
    CHECK(r->zeroed_bytes >= 2000 && r->zeroed_bytes < 2032);
    /* software floats may bring a table of 256 bytes */
    CHECK(r->constant_bytes >= 4000 && r->constant_bytes < 4300);
    CHECK(r->code_bytes > 60 && r->code_bytes < 2500);
    CHECK(r->flash_bytes == r->code_bytes + r->constant_bytes + r->data_bytes);
    CHECK(r->stack_bytes >= 1000 && r->stack_bytes < 1100);
    CHECK(r->sram_bytes == r->data_bytes + r->zeroed_bytes + r->stack_bytes);
    CHECK(r->flags && strstr(r->flags, "-O2") && r->compiler && r->emulator && r->core);
}

static void check_again(place *p, const char *on)
{
    const lb_proof first = p->proof;

    CHECK_OK(prove(p, on, NULL), &p->err);
    CHECK(first.instructions == p->proof.instructions);
    CHECK(first.driver == p->proof.driver && first.n_steps == p->proof.n_steps);
    for (int i = 0; i < first.n_steps && i < p->proof.n_steps; i++)
        CHECK(first.step[i].instructions == p->proof.step[i].instructions);
    CHECK(first.flash_bytes == p->proof.flash_bytes);
    CHECK(first.stack_bytes == p->proof.stack_bytes);
}

static void on_board(const char *on, bool again)
{
    place p;

    begin(&p, network, "5.0f");
    const lb_code code = prove(&p, on, NULL);
    if (!skipped(&p, code)) {
        CHECK_OK(code, &p.err);
        CHECK(code == LB_OK && strcmp(p.proof.on, on) == 0);
        CHECK(p.proof.n_steps == 3);
        if (code == LB_OK && p.proof.n_steps == 3)
            check_counts(&p);
        check_sizes(&p);
        if (again)
            check_again(&p, on);
    }
    end(&p);
}

static void cortex_m0_counts(void)
{
    on_board("qemu:cortex-m0", false);
}

static void cortex_m3_counts(void)
{
    on_board("qemu:cortex-m3", false);
}

static void cortex_m4_counts(void)
{
    on_board("qemu:cortex-m4", true);
}

static void cortex_m7_counts(void)
{
    on_board("qemu:cortex-m7", false);
}

static void cortex_m55_counts(void)
{
    on_board("qemu:cortex-m55", false);
}

static void riscv32_counts(void)
{
    on_board("qemu:riscv32", false);
}

static void a_broken_vector_is_found(void)
{
    place p;

    begin(&p, network, "5.5f");
    const lb_code code = prove(&p, "qemu:cortex-m4", NULL);
    if (!skipped(&p, code)) {
        CHECK_OK(code, &p.err);
        CHECK(p.proof.outputs_checked == 2 && p.proof.mismatches == 1);
    }
    end(&p);
}

static void flags_are_the_users(void)
{
    static const lb_prove_options odd = {.flags = "-DTWICE  -O1"};
    static const lb_prove_options wrong = {.flags = "-fno-such-thing"};
    place p;

    begin(&p, network, "5.0f");
    lb_code code = prove(&p, "qemu:cortex-m4", &odd);
    if (!skipped(&p, code)) {
        CHECK_OK(code, &p.err);
        CHECK(strstr(p.proof.flags, "-DTWICE  -O1") != NULL);
        code = prove(&p, "qemu:cortex-m4", &wrong);
        CHECK(code == LB_ERR_FAILED);
        CHECK_TEXT(p.err.text, "does not compile");
        CHECK_TEXT(p.err.text, "-fno-such-thing");
    }
    end(&p);
}

/* The second vector's step reads where nothing is, or never ends. */
static void what_goes_wrong_is_told(void)
{
    static const char at[] = "void net_run";
    static const lb_prove_options soon = {.seconds = 1};
    static const int stop = 1;
    static const lb_prove_options stopped = {.stop = &stop};
    lb_text t;
    place p;

    begin(&p, network, "5.0f");
    lb_text_init(&t, p.arena);
    lb_text_add(&t, "%.*s", (int)(strstr(network, at) - network), network);
    const size_t n = t.n;
    lb_text_add(&t, "void net_run(const float *in, float *out)\n{\n"
                    "    step0(); step1(); step2();\n"
                    "    *out = in[0] > 1 ? *(volatile float *)0xf0000000 : in[0];\n}\n");
    put(&p, "net.c", t.chars);
    lb_code code = prove(&p, "qemu:cortex-m4", NULL);
    if (!skipped(&p, code)) {
        CHECK(code == LB_ERR_FAILED);
        CHECK_TEXT(p.err.text, "broke off");
        CHECK_TEXT(p.err.text, "fault");
        t.n = n;
        lb_text_add(&t, "void net_run(const float *in, float *out)\n{\n"
                        "    volatile int run = 1;\n    *out = *in;\n"
                        "    step0(); step1(); step2();\n"
                        "    while (run)\n        ;\n}\n");
        put(&p, "net.c", t.chars);
        code = prove(&p, "qemu:cortex-m4", &soon);
        CHECK(code == LB_ERR_FAILED);
        CHECK_TEXT(p.err.text, "stopped after 1 seconds");
        CHECK(prove(&p, "qemu:cortex-m4", &stopped) == LB_ERR_STOPPED);
    }
    end(&p);
}

static void missing_tools_are_named(void)
{
    static const struct {
        const char *on, *tool, *package;
    } cases[] = {{"qemu:cortex-m4", "arm-none-eabi-gcc", "gcc-arm-none-eabi"},
                 {"qemu:riscv32", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"}};
    const char *const path = getenv("PATH");
    place p;

    begin(&p, network, "5.0f");
    char *const was = lb_arena_copy_text(p.arena, path ? path : "");
    CHECK(setenv("PATH", p.tmp, 1) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(prove(&p, cases[i].on, NULL) == LB_ERR_FAILED);
        CHECK_TEXT(p.err.text, cases[i].tool);
        CHECK_TEXT(p.err.text, cases[i].package);
    }
    CHECK(setenv("PATH", was, 1) == 0);
    end(&p);
}

static void targets_have_names(void)
{
    static const char *const wrong[][2] = {
        {"qemu:cortex-m9", "did you mean 'qemu:cortex-m"},
        {"cortex-m4", "did you mean 'qemu:cortex-m4'"},
        {"quemu:riscv32", "did you mean 'qemu:riscv32'"},
        {"qemu:z", "lists them"},
        {"nothing", "host"}};
    const char *core = NULL;
    lb_error err = {0};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(lb_prove_check_target(wrong[i][0], &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, wrong[i][1]);
    }
    CHECK_OK(lb_prove_check_target("host", &err), &err);
    for (int k = 0; lb_prove_board(k, &core); k++) {
        char on[64];
        snprintf(on, sizeof on, "qemu:%s", lb_prove_board(k, NULL));
        CHECK_OK(lb_prove_check_target(on, &err), &err);
        CHECK(core && core[0]);
    }
    CHECK(lb_prove_board(-1, NULL) == NULL && lb_prove_board(6, NULL) == NULL);
}

/* Emits a network of the source tree into the place's folder, with one vector. */
static const lb_low *emit(place *p, const char *file)
{
    char path[400];
    lb_graph *graph = NULL;
    lb_low *low = NULL;
    lb_emitted emitted;

    snprintf(path, sizeof path, "%s/%s", getenv("LB_SOURCE"), file);
    CHECK_OK(lb_onnx_load(path, &graph, NULL, &p->err), &p->err);
    if (!graph)
        return NULL;
    CHECK_OK(lb_lower(graph, p->arena, &low, &p->err), &p->err);
    lb_graph_free(graph);
    if (!low)
        return NULL;
    const lb_emit_options options = {
        .n_vectors = 1,
        .vectors = LB_TAKE_ARRAY(p->arena, lb_low_count_inputs(low), float)};
    CHECK_OK(lb_emit(low, &options, p->folder, p->arena, &emitted, &p->err), &p->err);
    return low;
}

static void empty(const char *folder)
{
    DIR *const d = opendir(folder);
    char path[800];

    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            CHECK(unlink(path) == 0);
    }
    if (d)
        closedir(d);
}

/* What is promised before anything is compiled, against what the linker made. */
static void the_estimate_is_the_firmware(void)
{
    static const struct {
        const char *file;
        double flash, sram;    /* shares by which they may differ */
        uint64_t instructions; /* at most */
    } nets[] = {{"examples/fashion-mnist/teacher.onnx", 0.01, 0.01, 77500000},
                {"tests/onnx/fixtures/norm8.onnx", 0.05, 0.05, 14500}};

    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        lb_estimate e;
        place p = {.folder = "/tmp/lb-emulate-XXXXXX", .arena = lb_arena_new(0)};
        CHECK(mkdtemp(p.folder) != NULL);
        const lb_low *const low = emit(&p, nets[i].file);
        const lb_code code = low ? prove(&p, "qemu:cortex-m4", NULL) : LB_ERR_IO;
        if (low && !skipped(&p, code)) {
            CHECK_OK(code, &p.err);
            lb_device_estimate(low, lb_device_find("stm32l4r5"), &e);
            const double flash = (double)p.proof.flash_bytes;
            const double sram = (double)p.proof.sram_bytes;
            CHECK_NEAR((double)e.flash_bytes / flash, 1, nets[i].flash);
            CHECK_NEAR((double)e.sram_bytes / sram, 1, nets[i].sram);
            CHECK(e.arena_bytes == p.proof.arena_bytes);
            CHECK(p.proof.instructions <= nets[i].instructions);
            CHECK_NEAR(e.instructions / (double)p.proof.instructions, 1, 0.15);
            CHECK(p.proof.mismatches == 0 && p.proof.n_steps == low->n_steps);
        }
        empty(p.folder);
        CHECK(rmdir(p.folder) == 0);
        lb_arena_free(p.arena);
    }
}

int main(void)
{
    RUN(targets_have_names);
    RUN(missing_tools_are_named);
    RUN(cortex_m0_counts);
    RUN(cortex_m3_counts);
    RUN(cortex_m4_counts);
    RUN(cortex_m7_counts);
    RUN(cortex_m55_counts);
    RUN(riscv32_counts);
    RUN(the_estimate_is_the_firmware);
    RUN(a_broken_vector_is_found);
    RUN(flags_are_the_users);
    RUN(what_goes_wrong_is_told);
    return DONE();
}
