/* test_tflite_hostile.c: files that are cut short, damaged or beyond what is promised
 * give one clear text and nothing else. */
#include "tflite/small.h"

#include "tflite/tflite_flat.h"

static const char *const nets[] = {"layers8.tflite", "floats.tflite", "orders.tflite"};

enum { N_NETS = sizeof nets / sizeof *nets };

static lb_code parse(const uint8_t *data, size_t size, lb_error *err)
{
    lb_graph *graph = NULL;
    const lb_code code = lb_tflite_parse("net.tflite", data, size, &graph, err);

    CHECK((code == LB_OK) == (graph != NULL));
    lb_graph_free(graph);
    return code;
}

/* A copy of its own, so that a sanitiser sees a read past the end. */
static lb_code parse_copy(const uint8_t *data, size_t size, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    uint8_t *const copy = lb_arena_take(arena, size);

    memcpy(copy, data, size);
    const lb_code code = parse(copy, size, err);
    lb_arena_free(arena);
    return code;
}

static void files_cut_short_are_refused(void)
{
    lb_arena *const arena = lb_arena_new(0);

    for (int i = 0; i < N_NETS; i++) {
        const lb_bytes file = small_bytes(arena, nets[i]);
        for (size_t n = 0; n < file.size; n++) {
            lb_error err = {0};
            const lb_code code = parse_copy(file.data, n, &err);
            /* the last bytes pad the file to whole words */
            if (n + 4 < file.size)
                CHECK(code == LB_ERR_INPUT);
        }
    }
    lb_arena_free(arena);
}

static void no_damaged_byte_does_harm(void)
{
    static const uint8_t values[] = {0x00, 0x7f, 0xff};
    lb_arena *const arena = lb_arena_new(0);

    for (int i = 0; i < N_NETS; i++) {
        const lb_bytes file = small_bytes(arena, nets[i]);
        uint8_t *const copy = lb_arena_take(arena, file.size);
        memcpy(copy, file.data, file.size);
        for (size_t n = 0; n < file.size; n++)
            for (size_t k = 0; k < sizeof values; k++) {
                lb_error err = {0};
                copy[n] = values[k];
                if (parse(copy, file.size, &err) != LB_OK)
                    CHECK(err.code == LB_ERR_INPUT || err.code == LB_ERR_UNSUPPORTED);
                copy[n] = file.data[n];
            }
    }
    lb_arena_free(arena);
}

static void memory_may_run_out_anywhere(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes file = small_bytes(arena, "layers8.tflite");
    lb_code code = LB_ERR_MEMORY;
    long n = 0;

    for (; code == LB_ERR_MEMORY && n < 10000; n++) {
        lb_error err = {0};
        lb_arena_fail_after(n);
        code = parse(file.data, file.size, &err);
        lb_arena_fail_after(-1);
    }
    CHECK(code == LB_OK && n > 100);
    lb_arena_free(arena);
}

static void all_that_cannot_be_taken_is_told_at_once(void)
{
    static const char *const words[] = {
        "operator 0 (LOGISTIC) of 'gate': this operator is not supported",
        "operator 2 (ADD) of 'shifted': its input 'one' is a constant",
        "operator 3 (MAX_POOL_2D) of 'finer': input and output have different scales",
        "operator 4 (CONV_2D) of 'skewed': the weights 'w' have a zero point other",
    };
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes file = small_bytes(arena, "refused.tflite");
    lb_error err = {0};

    CHECK(parse(file.data, file.size, &err) == LB_ERR_UNSUPPORTED);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        CHECK_TEXT(err.text, words[i]);
    CHECK(strstr(err.text, "behind") == NULL); /* follows from the first */
    lb_arena_free(arena);
}

static void other_files_are_named(void)
{
    lb_error err = {0};
    lb_graph *graph = NULL;

    CHECK(parse((const uint8_t *)"", 0, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "net.tflite: the file is empty");
    CHECK(parse((const uint8_t *)"no flatbuffer at all", 20, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "net.tflite: not a TensorFlow Lite file, or cut short");
    CHECK(lb_tflite_load("/nowhere.tflite", &graph, NULL, &err) != LB_OK);
    CHECK_TEXT(err.text, "/nowhere.tflite");
    CHECK(lb_tflite_is((const uint8_t *)"\x1c\0\0\0TFL3", 8));
    CHECK(!lb_tflite_is((const uint8_t *)"\x1c\0\0\0TFL3", 7));
}

/* --------------------------------------------------------------------- the flatbuffer */

static lb_flat_table root_of(lb_flat *f, const uint8_t *data, size_t size)
{
    *f = (lb_flat){.data = data, .size = size};
    return lb_flat_root(f);
}

static void offsets_out_of_the_file_break_it(void)
{
    static const uint8_t beyond[] = {0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0};
    static const uint8_t nowhere[] = {0, 0, 0, 0, 0, 0, 0, 0};
    /* vtable before the file, behind it, and too short for itself */
    static const uint8_t before[] = {4, 0, 0, 0, 5, 0, 0, 0};
    static const uint8_t behind[] = {4, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff};
    static const uint8_t tiny[] = {8, 0, 0, 0, 2, 0, 4, 0, 4, 0, 0, 0};
    lb_flat f;

    CHECK(root_of(&f, beyond, sizeof beyond).at == 0 && f.broken);
    CHECK(root_of(&f, nowhere, sizeof nowhere).at == 0 && f.broken);
    CHECK(root_of(&f, before, sizeof before).at == 0 && f.broken);
    CHECK(root_of(&f, behind, sizeof behind).at == 0 && f.broken);
    CHECK(root_of(&f, tiny, sizeof tiny).at == 0 && f.broken);
    CHECK(root_of(&f, tiny, 3).at == 0 && f.broken);
}

static void fields_are_read_or_left_out(void)
{
    /* root; vtable at 4: 10 bytes, table of 12, fields at 4, 0 (left out) and 8; the
     * table at 16: an int and an offset to a vector at 28 */
    static const uint8_t data[] = {
        16,   0,    0,    0,    10, 0, 12, 0, 4, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0,
        0xfe, 0xff, 0xff, 0xff, 4,  0, 0,  0, 2, 0, 0, 0, 7, 0, 0, 0, 9,  0, 0, 0};
    lb_flat f;
    const lb_flat_table t = root_of(&f, data, sizeof data);

    CHECK(t.at == 16 && !f.broken);
    CHECK(lb_flat_i32(&f, &t, 0, 5) == -2);
    CHECK(lb_flat_i32(&f, &t, 1, 5) == 5);
    CHECK(lb_flat_i32(&f, &t, 7, 5) == 5); /* a vtable of an older schema */
    CHECK(lb_flat_i8(&f, &t, 0, 5) == -2);
    const lb_flat_vector v = lb_flat_items(&f, &t, 2, 4);
    CHECK(v.n == 2 && lb_flat_item_i32(&v, 0) == 7 && lb_flat_item_i32(&v, 1) == 9);
    CHECK(!f.broken);
    CHECK(lb_flat_items(&f, &t, 2, 8).data == NULL && f.broken); /* two do not fit */
    f.broken = false;
    CHECK(lb_flat_u64(&f, &t, 2, 3) == 3 && f.broken); /* beyond the table */
}

/* A table that is its own child ends where the reader stops asking. */
static void a_circle_of_tables_does_not_hold_up(void)
{
    static const uint8_t data[] = {12, 0, 0, 0, 6, 0, 8,    0,    4,    0,
                                   0,  0, 8, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff};
    lb_flat f;
    const lb_flat_table t = root_of(&f, data, sizeof data);

    CHECK(t.at == 12 && !f.broken);
    /* offsets have no sign: none leads back */
    CHECK(lb_flat_sub(&f, &t, 0).at == 0 && f.broken);
}

int main(void)
{
    RUN(files_cut_short_are_refused);
    RUN(no_damaged_byte_does_harm);
    RUN(memory_may_run_out_anywhere);
    RUN(all_that_cannot_be_taken_is_told_at_once);
    RUN(other_files_are_named);
    RUN(offsets_out_of_the_file_break_it);
    RUN(fields_are_read_or_left_out);
    RUN(a_circle_of_tables_does_not_hold_up);
    return DONE();
}
