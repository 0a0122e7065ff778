/* count.c: a plugin of QEMU's code generator (TCG) that counts instructions exactly.
 *
 * It is compiled with the host's compiler when a proof is made. Debian ships no header
 * for plugins, so what is used of the interface (version 1) is declared here.
 *
 * Translated code comes in blocks without jumps. A row of the table says what lies at its
 * addresses:
 *     w  the wrapper around the network: outside of an inference
 *     r  the network's function that calls its steps
 *     s  a step
 *     f  any other function
 * A block that begins within w, r or s says who is at work from there on, and so until
 * the next such block: all that a step calls counts for the step, however the compiler
 * has arranged it. Beside that, each row counts the instructions at its own addresses.
 *
 * Arguments: table=FILE (lines `first end kind`, hexadecimal, in order, not overlapping),
 * out=FILE. Written are the figures of the inference that took most instructions: lines
 * `at-work own` for each row, behind `inferences instructions-of-all`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
typedef struct plugin_block plugin_block;
typedef struct plugin_instruction plugin_instruction;
enum { ADD_U64 = 0, NO_REGISTERS = 0 };

extern __attribute__((visibility("default"))) int qemu_plugin_version;
int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int
qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id,
                                           void (*)(plugin_id, plugin_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(plugin_block *, void (*)(unsigned, void *), int,
                                          void *);
void qemu_plugin_register_vcpu_tb_exec_inline(plugin_block *, int, void *, uint64_t);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const plugin_block *);
plugin_instruction *qemu_plugin_tb_get_insn(const plugin_block *, size_t);
uint64_t qemu_plugin_insn_vaddr(const plugin_instruction *);

typedef struct row {
    uint64_t first, end;
    char kind;
    uint64_t own, own_before, own_most;
    uint64_t work, work_most;
} row;

/* A block that says who is at work. */
typedef struct entry {
    row *at;
    uint64_t n;
} entry;

static row *rows;
static size_t n_rows;
static row *working; /* NULL: outside */
static uint64_t executed, seen, inferences, all, most;
static const char *out;

static row *find(uint64_t address)
{
    size_t low = 0, high = n_rows;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (rows[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n_rows && rows[low].first <= address ? &rows[low] : NULL;
}

static void begin_inference(void)
{
    for (size_t i = 0; i < n_rows; i++) {
        rows[i].own_before = rows[i].own;
        rows[i].work = 0;
    }
}

static void end_inference(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n_rows; i++)
        sum += rows[i].work;
    inferences++;
    all += sum;
    if (sum <= most)
        return;
    most = sum;
    for (size_t i = 0; i < n_rows; i++) {
        rows[i].work_most = rows[i].work;
        rows[i].own_most = rows[i].own - rows[i].own_before;
    }
}

/* Settles what was executed until now, then counts its own block. That block has no other
 * counter, so the order in which QEMU runs the two does not matter. */
static void enter(unsigned cpu, void *argument)
{
    const entry *const e = argument;
    row *const next = e->at->kind == 'w' ? NULL : e->at;

    (void)cpu;
    if (working)
        working->work += executed - seen;
    if (working && !next)
        end_inference();
    if (!working && next)
        begin_inference();
    seen = executed;
    executed += e->n;
    e->at->own += e->n;
    working = next;
}

static void *memory(size_t size)
{
    void *const block = calloc(1, size);

    if (!block) {
        fprintf(stderr, "count: no memory\n");
        exit(98);
    }
    return block;
}

/* Each stretch of one row's instructions within the block adds its length. */
static void count_rows(plugin_block *block, size_t n)
{
    for (size_t i = 0; i < n;) {
        row *const r = find(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, i)));
        size_t k = i + 1;
        while (k < n &&
               find(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, k))) == r)
            k++;
        if (r)
            qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &r->own, k - i);
        i = k;
    }
}

static void translated(plugin_id id, plugin_block *block)
{
    const size_t n = qemu_plugin_tb_n_insns(block);
    row *const r =
        n > 0 ? find(qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(block, 0))) : NULL;

    (void)id;
    if (r && r->kind != 'f') {
        entry *const e = memory(sizeof *e);
        e->at = r;
        e->n = n;
        qemu_plugin_register_vcpu_tb_exec_cb(block, enter, NO_REGISTERS, e);
        return;
    }
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &executed, n);
    count_rows(block, n);
}

static void finish(plugin_id id, void *argument)
{
    FILE *const f = fopen(out, "w");

    (void)id;
    (void)argument;
    if (!f)
        return;
    fprintf(f, "%" PRIu64 " %" PRIu64 "\n", inferences, all);
    for (size_t i = 0; i < n_rows; i++)
        fprintf(f, "%" PRIu64 " %" PRIu64 "\n", rows[i].work_most, rows[i].own_most);
    fclose(f);
}

static int read_table(const char *path)
{
    FILE *const f = fopen(path, "r");
    size_t room = 0;
    row r = {0};

    if (!f)
        return -1;
    while (fscanf(f, "%" SCNx64 " %" SCNx64 " %c", &r.first, &r.end, &r.kind) == 3) {
        if (n_rows == room) {
            room = room ? 2 * room : 256;
            rows = realloc(rows, room * sizeof *rows);
            if (!rows)
                exit(98);
        }
        rows[n_rows++] = r;
    }
    fclose(f);
    return 0;
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    const char *table = NULL;

    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "table=", 6) == 0)
            table = argv[i] + 6;
        else if (strncmp(argv[i], "out=", 4) == 0)
            out = strdup(argv[i] + 4);
    if (!table || !out || read_table(table) != 0) {
        fprintf(stderr, "count: needs table=FILE and out=FILE\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
