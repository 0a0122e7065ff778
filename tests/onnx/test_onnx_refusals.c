/* test_onnx_refusals.c: what cannot be read is refused in words, whatever the bytes. */
#include "onnx/onnx.h"

#include "base/file.h"

#include "evaluate.h"

static lb_bytes read_fixture(lb_arena *arena, const char *name)
{
    const char *const path = test_path(
        arena, false, lb_arena_text(arena, "tests/onnx/fixtures/%s.onnx", name));
    lb_bytes bytes = {0};
    lb_error err = {0};

    CHECK_OK(lb_read_file(arena, path, 1 << 20, &bytes, &err), &err);
    return bytes;
}

static void all_refusals_are_told_together(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes bytes = read_fixture(arena, "refused");
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK(lb_onnx_parse("bad.onnx", bytes.data, bytes.size, &graph, &err) ==
          LB_ERR_UNSUPPORTED);
    CHECK(graph == NULL);
    CHECK_TEXT(err.text, "bad.onnx");
    CHECK_TEXT(err.text, "node 'n_a' (Sin, opset 13): this operator is not supported");
    CHECK_TEXT(err.text,
               "node 'n_c' (Gelu, opset 13): operators of domain 'com.example'");
    CHECK_TEXT(err.text, "node 'n_e' (Erf, opset 13)");
    CHECK_TEXT(err.text, "input 'z': dimension 1 ('length') is open");
    CHECK_TEXT(err.text, "4 things in 'bad.onnx'");
    CHECK(!strstr(err.text, "n_b")); /* it only stands behind a refused one */
    lb_arena_free(arena);
}

/* The copy has exactly n bytes, so that a sanitiser sees a read past them. */
static lb_code parse_copy(const uint8_t *data, size_t n, lb_error *err)
{
    uint8_t *const copy = malloc(n ? n : 1);
    lb_graph *graph = NULL;

    memcpy(copy, data, n);
    const lb_code code = lb_onnx_parse("x.onnx", copy, n, &graph, err);
    if (code == LB_OK)
        lb_graph_free(graph);
    free(copy);
    return code;
}

static void a_truncated_file_is_an_error_at_every_length(void)
{
    static const char *const names[] = {"conv8", "norm8", "shapes13", "fields9"};

    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        lb_arena *const arena = lb_arena_new(0);
        const lb_bytes bytes = read_fixture(arena, names[k]);
        for (size_t n = 0; n < bytes.size; n++) {
            lb_error err = {0};
            const lb_code code = parse_copy(bytes.data, n, &err);
            CHECK(code == LB_ERR_INPUT);
            CHECK_TEXT(err.text, "x.onnx: ");
        }
        lb_arena_free(arena);
    }
}

static void a_truncated_teacher_is_an_error(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const path =
        test_path(arena, true, "data/teachers/cifar10-mlperf-resnet8.onnx");
    lb_bytes bytes = {0};
    lb_error err = {0};

    if (!lb_file_exists(path)) {
        SKIP("the shared data with the teachers is not there");
    } else {
        CHECK_OK(lb_read_file(arena, path, 1 << 20, &bytes, &err), &err);
        for (size_t n = 0; n < bytes.size; n += n < bytes.size - 500 ? 1013 : 1)
            CHECK(parse_copy(bytes.data, n, &err) == LB_ERR_INPUT);
    }
    lb_arena_free(arena);
}

static void changed_bytes_do_no_harm(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes bytes = read_fixture(arena, "shapes13");
    uint8_t *const copy = malloc(bytes.size);
    static const uint8_t changes[] = {0x01, 0x7f, 0x80, 0xff};
    int taken = 0;

    for (size_t i = 0; i < bytes.size; i++)
        for (size_t k = 0; k < sizeof changes; k++) {
            lb_error err = {0};
            memcpy(copy, bytes.data, bytes.size);
            copy[i] ^= changes[k];
            const lb_code code = parse_copy(copy, bytes.size, &err);
            CHECK(code == LB_OK || code == LB_ERR_INPUT || code == LB_ERR_UNSUPPORTED ||
                  code == LB_ERR_MEMORY);
            CHECK(code == LB_OK || err.text[0]);
            taken += code == LB_OK;
        }
    CHECK(taken > 0); /* a changed name or weight is no error */
    free(copy);
    lb_arena_free(arena);
}

/* A graph in an attribute in a node in a graph ...: small, and endless to a recursion. */
static void deep_nesting_is_refused(void)
{
    enum { LEVELS = 100000, BYTES = LEVELS * 8 };
    uint8_t *const data = malloc(BYTES);
    static const uint8_t keys[] = {0x3a, 0x0a, 0x2a,
                                   0x32}; /* graph, node, attribute, g */
    size_t at = BYTES;
    lb_error err = {0};
    lb_graph *graph = NULL;

    for (int i = LEVELS - 1; i >= 0; i--) {
        uint64_t length = BYTES - at;
        uint8_t varint[10];
        size_t n = 0;
        do {
            varint[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
            length >>= 7;
        } while (length);
        at -= n;
        memcpy(data + at, varint, n);
        data[--at] = i == 0       ? keys[0]
                     : i % 3 == 1 ? keys[1]
                     : i % 3 == 2 ? keys[2]
                                  : keys[3];
    }
    CHECK(lb_onnx_parse("deep.onnx", data + at, BYTES - at, &graph, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "nested too deeply");
    free(data);
}

static void other_files_are_no_networks(void)
{
    lb_graph *graph = NULL;
    lb_error err = {0};

    CHECK(lb_onnx_parse("a.txt", (const uint8_t *)"hello, world", 12, &graph, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "a.txt: not an ONNX file, or cut short");
    CHECK(lb_onnx_parse("e.onnx", (const uint8_t *)"", 0, &graph, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "e.onnx: the file is empty");
    CHECK(lb_onnx_load("/nonexistent/x.onnx", &graph, NULL, &err) != LB_OK);
    CHECK_TEXT(err.text, "/nonexistent/x.onnx");
    CHECK(lb_onnx_load("/", &graph, NULL, &err) != LB_OK);
    CHECK(graph == NULL);
}

static void running_out_of_memory_is_an_error(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const lb_bytes bytes = read_fixture(arena, "norm8");

    for (long n = 0; n < 100000; n++) {
        lb_graph *graph = NULL;
        lb_error err = {0};
        lb_arena_fail_after(n);
        const lb_code code =
            lb_onnx_parse("n.onnx", bytes.data, bytes.size, &graph, &err);
        lb_arena_fail_after(-1);
        if (code == LB_OK) {
            lb_graph_free(graph);
            CHECK(n > 20);
            break;
        }
        CHECK(code == LB_ERR_MEMORY);
        if (code != LB_ERR_MEMORY) {
            printf("# take %ld: %s\n", n, err.text);
            break;
        }
    }
    lb_arena_free(arena);
}

int main(void)
{
    RUN(all_refusals_are_told_together);
    RUN(a_truncated_file_is_an_error_at_every_length);
    RUN(a_truncated_teacher_is_an_error);
    RUN(changed_bytes_do_no_harm);
    RUN(deep_nesting_is_refused);
    RUN(other_files_are_no_networks);
    RUN(running_out_of_memory_is_an_error);
    return DONE();
}
