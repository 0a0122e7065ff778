/* test_emit_packages.c: every package builds as its build system would build it and
 * passes its own self-test: CMake's with CMake, the others with plain compilers and, for
 * what the other build systems bring along, stand-ins that tests/emit/packages holds. */
#include "check.h"

#include "base/file.h"
#include "base/rng.h"
#include "emit/emit.h"
#include "lower/nets_int8.h"
#include "prove/prove.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { VECTORS = 2 };

/* A folder with the network packed, and an empty one beside to build in. */
typedef struct packed {
    lb_arena *arena;
    lb_low *low;
    char folder[40];
    lb_emitted emitted;
} packed;

static const char *stand_ins(void)
{
    static char path[400];
    const char *const source = getenv("LB_SOURCE");

    snprintf(path, sizeof path, "%s/tests/emit/packages", source ? source : ".");
    return path;
}

/* Runs a shell's words in the package's folder; P is that, S the stand-ins' folder; what
 * is made goes below P/made. Its words show if it fails. */
static bool shell(const packed *p, const char *format, ...) LB_PRINTF(2, 3);
static bool shell(const packed *p, const char *format, ...)
{
    char words[2000], command[2900];
    va_list more;

    va_start(more, format);
    vsnprintf(words, sizeof words, format, more);
    va_end(more);
    snprintf(command, sizeof command,
             "cd '%s' && P='%s' S='%s' && export P S && mkdir -p made && "
             "{ %s; } >made/said 2>&1 || { sed 's/^/# /' made/said; false; }",
             p->folder, p->folder, stand_ins(), words);
    return system(command) == 0; /* NOLINT: a test's own folder */
}

static bool has(const char *program)
{
    char command[200];

    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0; /* NOLINT */
}

static packed pack_in_form(net_builder build, lb_package package, lb_weights_form form)
{
    packed p = {.arena = lb_arena_new(0), .folder = "/tmp/lb-package-XXXXXX"};
    lb_graph *const g = net_graph(build, 3, 8, 8);
    lb_error err = {0};

    CHECK(g != NULL && mkdtemp(p.folder) != NULL);
    if (g)
        CHECK_OK(lb_lower(g, p.arena, &p.low, &err), &err);
    lb_graph_free(g);
    if (!p.low)
        return p;
    const size_t n = VECTORS * lb_low_count_inputs(p.low);
    float *const v = LB_TAKE_ARRAY(p.arena, n, float);
    lb_rng rng = lb_rng_make(11, LB_RNG_TEST, 0, 0);
    for (size_t i = 0; v && i < n; i++)
        v[i] = (float)(4 * lb_rng_uniform(&rng) - 2);
    const lb_emit_options options = {.name = "tiny_Net",
                                     .firmware = {(int)package, (int)form},
                                     .n_vectors = VECTORS,
                                     .vectors = v};
    CHECK_OK(lb_emit(p.low, &options, p.folder, p.arena, &p.emitted, &err), &err);
    return p;
}

static packed pack(net_builder build, lb_package package)
{
    return pack_in_form(build, package, LB_WEIGHTS_C);
}

/* The self-test by `limbeck prove`, wherever the sources lie. */
static void check_proof(const packed *p)
{
    lb_proof proof = {0};
    lb_error err = {0};
    const lb_code code = lb_prove_host(p->folder, NULL, p->arena, &proof, &err);

    if (code == LB_ERR_UNSUPPORTED)
        return;
    CHECK_OK(code, &err);
    CHECK((size_t)proof.outputs_checked == VECTORS * lb_low_count(&p->low->output));
    CHECK(proof.mismatches == 0);
}

/* No word between @ is left, and every file that was listed is there. */
static void unpack(packed *p)
{
    char path[600];

    CHECK(shell(p, "! grep -rnE '@[A-Z_]+@' . --exclude-dir=made"));
    for (int i = 0; i < p->emitted.n_files; i++) {
        snprintf(path, sizeof path, "%s/%s", p->folder, p->emitted.file[i]);
        CHECK(lb_file_exists(path));
    }
    snprintf(path, sizeof path, "rm -rf '%s'", p->folder);
    CHECK(system(path) == 0); /* NOLINT */
    lb_arena_free(p->arena);
}

#define STRICT "-Wall -Wextra -pedantic -Wconversion -Werror"

/* Both element types. */
static void each(lb_package package, void (*check)(const packed *p, bool int8))
{
    for (int k = 0; k < 2; k++) {
        packed p = pack(k ? net8_build_residual : net_build_residual, package);
        if (p.low) {
            if (k == 1)
                check_proof(&p);
            check(&p, k == 1);
        }
        unpack(&p);
    }
}

static void check_plain(const packed *p, bool int8)
{
    CHECK(shell(p, "make -s check"));
    if (int8)
        CHECK(shell(p, "make -s trace"));
}

/* A line for each step, in order, and their sum. */
static bool check_counts(const packed *p)
{
    return shell(p,
                 "tr -d '\\r' <made/counts | awk '"
                 "/^step / { bad = bad || $2 != n++ || $3 <= 0; sum += $3 } "
                 "/^(cycles|ticks|nanoseconds) / { all = $2 } "
                 "END { exit bad || n != %d || sum != all || all <= 0 }'",
                 p->low->n_steps);
}

/* On emulated boards, whose timers go by the instructions; DWT stands still there, so
 * that the M4 falls back to SysTick. */
static void check_boards(const packed *p)
{
    static const char build[] =
        "B=$LB_SOURCE/src/prove/boards && W='-std=c99 -O2 -Wall -Wextra -pedantic "
        "-Wconversion -Werror' && mkdir -p made && cd made && rm -f *.o && "
        "for f in ../tiny_Net.c ../fw*.c ../benchmark.c; do "
        "$C $W -DTINY_NET_TRACE -c $f || exit; done && "
        "for f in board.c $START; do $C -std=gnu99 -O2 -fno-builtin "
        "-fno-tree-loop-distribute-patterns -DLB_RUN=tiny_Net_run -c $B/$f || exit; done "
        "&& $C -nostartfiles -T $B/$LD -Wl,--defsym=board_vectors=0x21000000 "
        "-Wl,--wrap=tiny_Net_run *.o -lm -o bench.elf && "
        "$Q -display none -monitor none -serial none -semihosting-config "
        "enable=on,target=native -icount shift=0,align=off,sleep=off -kernel bench.elf "
        ">counts 2>&1";
    static const struct {
        const char *compiler, *emulator, *set;
    } boards[] = {
        {"arm-none-eabi-gcc", "qemu-system-arm",
         "C='arm-none-eabi-gcc -mcpu=cortex-m0plus -mthumb --specs=nano.specs' "
         "START=start_arm.c LD=mps2.ld Q='qemu-system-arm -M mps2-an385'"},
        {"arm-none-eabi-gcc", "qemu-system-arm",
         "C='arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb --specs=nano.specs' "
         "START=start_arm.c LD=mps2.ld Q='qemu-system-arm -M mps2-an386'"},
        {"riscv64-unknown-elf-gcc", "qemu-system-riscv32",
         "C='riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 --specs=picolibc.specs' "
         "START=start_riscv.c LD=virt.ld Q='qemu-system-riscv32 -M virt -bios none'"},
    };

    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++) {
        if (has(boards[i].compiler) && has(boards[i].emulator))
            CHECK(shell(p, "%s && %s", boards[i].set, build) && check_counts(p));
        else
            SKIP("no emulator");
    }
}

static void check_benchmark(const packed *p, bool int8)
{
    CHECK(shell(p, "make -s bench >made/counts") && check_counts(p));
    if (int8)
        check_boards(p);
}

static void benchmark(void)
{
    each(LB_PACKAGE_PLAIN, check_benchmark);
}

static void plain(void)
{
    each(LB_PACKAGE_PLAIN, check_plain);
}

/* By itself, with its tests; as a subdirectory; fetched; installed and found. */
static void check_cmake(const packed *p, bool int8)
{
    if (!has("cmake")) {
        SKIP("no cmake");
        return;
    }
    CHECK(shell(p, "cmake -S . -B made/own "
                   "-DCMAKE_INSTALL_PREFIX=$P/made/there -DCMAKE_C_FLAGS='" STRICT "' && "
                   "cmake --build made/own --target all tiny_Net_benchmark && cd "
                   "made/own && ctest --output-on-failure && "
                   "ctest | grep '100%% tests passed, 0 tests failed out of 1' && "
                   "cmake --install ."));
    static const char *const ways[] = {"subdirectory", "fetch", "find"};
    for (size_t i = 0; int8 && i < sizeof ways / sizeof *ways; i++)
        CHECK(shell(p,
                    "cmake -S $S -B made/%s -DWAY=%s -DPACKAGE=$P "
                    "-DCMAKE_PREFIX_PATH=$P/made/there && cmake --build made/%s && "
                    "made/%s/user | grep '^ran %zu outputs$'",
                    ways[i], ways[i], ways[i], ways[i], lb_low_count(&p->low->output)));
}

static void cmake(void)
{
    each(LB_PACKAGE_CMAKE, check_cmake);
}

/* Everything below src/ is compiled as C, the sketch as C++ behind <Arduino.h>; for an
 * Arduino with a Cortex-M0+ or M4, too. */
static void check_arduino(const packed *p, bool int8)
{
    static const char *const need[] = {"name",       "version",  "author",
                                       "maintainer", "sentence", "paragraph",
                                       "category",   "url",      "architectures"};

    for (size_t i = 0; int8 && i < sizeof need / sizeof *need; i++)
        CHECK(shell(p, "grep -E '^%s=.+' library.properties", need[i]));
    CHECK(shell(p,
                "cp examples/tiny_Net/tiny_Net.ino made/sketch.cpp && "
                "for f in src/*.c; do cc -std=gnu11 " STRICT " -Isrc -c $f "
                "-o made/$(basename $f).o || exit; done && "
                "c++ -std=gnu++11 " STRICT " -include $S/Arduino.h -Isrc "
                "made/sketch.cpp $S/arduino_main.cpp made/*.o -lm -o made/sketch && "
                "made/sketch >made/out && grep '^microseconds [0-9]' made/out && "
                "[ $(wc -l <made/out) = %zu ]",
                1 + lb_low_count(&p->low->output)));
    CHECK(shell(p, "make -s -C extras/selftest check CFLAGS=-O1"));
    if (int8 && has("arm-none-eabi-g++"))
        CHECK(shell(p,
                    "for cpu in cortex-m0plus cortex-m4; do "
                    "for f in src/*.c; do arm-none-eabi-gcc -mcpu=$cpu -mthumb -Os "
                    "-std=gnu11 " STRICT " -Isrc -c $f -o made/x.o || exit; done; done"));
}

static void arduino(void)
{
    each(LB_PACKAGE_ARDUINO, check_arduino);
}

/* The module's files with stand-ins for Zephyr's functions of CMake. */
static void check_zephyr(const packed *p, bool int8)
{
    (void)int8;
    CHECK(shell(p, "grep '^  cmake: zephyr$' zephyr/module.yml && "
                   "[ -f zephyr/CMakeLists.txt ] && "
                   "grep '^  kconfig: zephyr/Kconfig$' zephyr/module.yml && "
                   "grep '^config LIMBECK_TINY_NET$' zephyr/Kconfig && "
                   "grep '^CONFIG_LIMBECK_TINY_NET=y$' samples/tiny_Net/prj.conf && "
                   "grep '^  - samples$' zephyr/module.yml"));
    if (!has("cmake")) {
        SKIP("no cmake");
        return;
    }
    CHECK(shell(p, "ZEPHYR_BASE=$S/zephyr cmake -S samples/tiny_Net -B made/zephyr "
                   "-DCONFIG_LIMBECK_TINY_NET=1 && cmake --build made/zephyr && "
                   "made/zephyr/app >made/out && "
                   "grep -E \"$(sed -n 's/^ *- \"\\(.*\\)\"$/\\1/p' "
                   "samples/tiny_Net/sample.yaml)\" made/out"));
    /* left out where it is not asked for */
    CHECK(shell(p, "ZEPHYR_BASE=$S/zephyr cmake -S samples/tiny_Net -B made/without "
                   "&& ! cmake --build made/without"));
}

static void zephyr(void)
{
    each(LB_PACKAGE_ZEPHYR, check_zephyr);
}

/* The library's folder, the example and the test as PlatformIO compiles them natively. */
static void check_platformio(const packed *p, bool int8)
{
    (void)int8;
    CHECK(shell(p, "grep '\"name\": \"tiny-net\"' library.json && "
                   "grep '\"version\": \"1.0.0\"' library.json"));
    if (has("python3"))
        CHECK(shell(p, "python3 -c 'import json; d = json.load(open(\"library.json\")); "
                       "e = d[\"examples\"][0]; "
                       "[open(e[\"base\"] + \"/\" + f) for f in e[\"files\"]]'"));
    CHECK(shell(p,
                "for f in src/*.c; do cc " STRICT " -Isrc -c $f "
                "-o made/$(basename $f).o || exit; done && "
                "cc " STRICT " -Isrc examples/tiny_Net/src/main.c made/*.o -lm "
                "-o made/example && [ $(made/example | wc -l) = %zu ] && "
                "c++ -Wall -Wextra -Werror -I$S -Isrc "
                "test/test_tiny_Net/test_main.cpp made/*.o -lm -o made/test && made/test",
                lb_low_count(&p->low->output)));
}

static void platformio(void)
{
    each(LB_PACKAGE_PLATFORMIO, check_platformio);
}

/* What calls the network knows how many inputs it has. */
static void several_inputs(void)
{
    packed p = pack(net8_build_inputs, LB_PACKAGE_PLAIN);
    packed a = pack(net_build_inputs, LB_PACKAGE_ARDUINO);
    packed o = pack(net8_build_inputs, LB_PACKAGE_PLATFORMIO);

    CHECK(shell(&p, "make -s bench >made/counts") && check_counts(&p));
    check_arduino(&a, false);
    check_platformio(&o, true);
    unpack(&p);
    unpack(&a);
    unpack(&o);
}

/* Constants in other forms are the same constants, by compilers here and for a board, as
 * a whole program, too, and in the packages that find a binary file. */
static void check_form(net_builder build, lb_weights_form form, bool packages)
{
    packed p = pack_in_form(build, LB_PACKAGE_PLAIN, form);
    packed c = pack_in_form(build, LB_PACKAGE_CMAKE, form);
    packed z = pack_in_form(build, LB_PACKAGE_ZEPHYR, form);

    if (p.low) {
        check_proof(&p);
        CHECK(shell(&p, "make -s check CC='cc -std=c99 " STRICT "'"));
        CHECK(shell(&p, "rm selftest && make -s check CC='cc -flto " STRICT "'"));
        if (has("clang"))
            CHECK(shell(&p, "rm selftest && make -s check CC='clang " STRICT "'"));
        if (has("arm-none-eabi-gcc"))
            CHECK(shell(&p, "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -std=c99 " STRICT
                            " -c tiny_Net.c -o made/x.o"));
    }
    if (packages && has("cmake")) {
        check_cmake(&c, true);
        check_zephyr(&z, true);
    }
    unpack(&p);
    unpack(&c);
    unpack(&z);
}

static void forms(void)
{
    check_form(net8_build_residual, LB_WEIGHTS_STRING, false);
    check_form(net8_build_residual, LB_WEIGHTS_INCBIN, true);
    check_form(net_build_residual, LB_WEIGHTS_INCBIN, false);
}

static lb_code emit_form(net_builder build, lb_package package, lb_weights_form form,
                         lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(build, 3, 8, 8);
    const lb_emit_options options = {.firmware = {(int)package, (int)form}};
    lb_emitted emitted;
    lb_low *low = NULL;
    lb_code code = lb_lower(g, arena, &low, err);

    if (code == LB_OK)
        code = lb_emit(low, &options, "/nonexistent", arena, &emitted, err);
    lb_graph_free(g);
    lb_arena_free(arena);
    return code;
}

static void forms_are_refused(void)
{
    lb_error err = {0};

    CHECK(emit_form(net8_build_residual, LB_PACKAGE_ARDUINO, LB_WEIGHTS_INCBIN, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "weights: incbin does not go with package: arduino");
    CHECK(emit_form(net8_build_residual, LB_PACKAGE_PLATFORMIO, LB_WEIGHTS_INCBIN,
                    &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "package: platformio");
    CHECK(emit_form(net_build_residual, LB_PACKAGE_PLAIN, LB_WEIGHTS_STRING, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "weights: string is for int8 networks");
}

/* Without vectors there is no self-test, and nothing that wants one. */
static void without_vectors(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(net8_build_residual, 3, 8, 8);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    lb_graph_free(g);
    for (int package = 0; low && package <= LB_PACKAGE_PLATFORMIO; package++) {
        packed p = {.low = low, .folder = "/tmp/lb-package-XXXXXX", .arena = arena};
        const lb_emit_options options = {.name = "a", .firmware = {.package = package}};
        CHECK(mkdtemp(p.folder) != NULL);
        CHECK_OK(lb_emit(low, &options, p.folder, arena, &p.emitted, &err), &err);
        CHECK(shell(&p, "! grep -rl 'selftest[.]c' . --exclude-dir=made && ! find . "
                        "-name 'vectors.h' | grep ."));
        CHECK(shell(&p, "rm -rf \"$P\"; true"));
    }
    lb_arena_free(arena);
}

int main(void)
{
    RUN(plain);
    RUN(benchmark);
    RUN(cmake);
    RUN(arduino);
    RUN(zephyr);
    RUN(platformio);
    RUN(several_inputs);
    RUN(forms);
    RUN(forms_are_refused);
    RUN(without_vectors);
    return DONE();
}
