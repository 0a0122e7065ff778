/* test_npy.c: .npy files round the trip, cut short, and with hostile headers. */
#include "base/file.h"
#include "tensor/npy.h"

#include "check.h"

#include <stdlib.h>
#include <unistd.h>

static lb_arena *arena;
static char path[64];

static void all_types_come_back(void)
{
    const lb_shape shapes[] = {lb_shape_of(0), lb_shape_of(1, 5), lb_shape_of(2, 3, 4),
                               lb_shape_of(6, 1, 2, 3, 1, 2, 2), lb_shape_of(2, 0, 4)};

    for (int dtype = 0; dtype < LB_N_DTYPES; dtype++) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            lb_error err = {0};
            lb_tensor *t = NULL, *back = NULL;
            CHECK_OK(lb_tensor_new(arena, (lb_dtype)dtype, &shapes[s], &t, &err), &err);
            for (size_t i = 0; i < t->n; i++)
                lb_tensor_put(t, i,
                              dtype == LB_BOOL ? (double)(i % 2) : 3.25 * (double)i);
            CHECK_OK(lb_npy_save(t, path, &err), &err);
            CHECK_OK(lb_npy_load(arena, path, 1 << 20, &back, &err), &err);
            if (!back)
                continue;
            CHECK(back->dtype == t->dtype && lb_shape_equal(&back->shape, &t->shape));
            CHECK(memcmp(back->data, t->data, lb_tensor_bytes(t)) == 0);
        }
    }
}

/* A version 1 file with this dictionary and n bytes 0, 1, 2 ... of data. */
static size_t make(uint8_t *out, const char *dictionary, size_t n)
{
    const size_t length = strlen(dictionary);

    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (uint8_t)length;
    out[9] = (uint8_t)(length >> 8);
    memcpy(out + 10, dictionary, length);
    for (size_t i = 0; i < n; i++)
        out[10 + length + i] = (uint8_t)i;
    return 10 + length + n;
}

/* Parses a copy of exactly that size, so that a read past the end is seen. */
static lb_code parse(const uint8_t *data, size_t size, lb_tensor **out, lb_error *err)
{
    uint8_t *const copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    const lb_code code = lb_npy_parse(arena, "x.npy", copy, size, out, err);
    free(copy);
    return code;
}

static void cut_files_are_refused(void)
{
    uint8_t file[256];
    const size_t size =
        make(file, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n", 24);

    for (size_t n = 0; n <= size; n++) {
        lb_error err = {0};
        lb_tensor *t = NULL;
        const lb_code code = parse(file, n, &t, &err);
        CHECK(code == (n == size ? LB_OK : LB_ERR_INPUT));
        CHECK((t != NULL) == (n == size));
        if (n < size)
            CHECK_TEXT(err.text, "x.npy: ");
    }
}

static void refused(const char *dictionary, size_t n, const char *part)
{
    uint8_t file[512];
    lb_error err = {0};
    lb_tensor *t = NULL;
    const size_t size = make(file, dictionary, n);

    CHECK(parse(file, size, &t, &err) != LB_OK && t == NULL);
    CHECK_TEXT(err.text, part);
}

#define HEAD "{'descr': '<f4', 'fortran_order': False, 'shape': "

static void hostile_headers_are_refused(void)
{
    refused(HEAD "(4,), }", 12, "cut short: its shape [4] of f4 needs 16 bytes");
    refused(HEAD "(4,), }", 17, "too long");
    refused(HEAD "(2147483648,), }", 8, "a dimension of its shape is above 2147483647");
    refused(HEAD "(99999999999999999999999999,), }", 8, "a dimension of its shape");
    refused(HEAD "(2147483647, 2147483647, 2147483647), }", 8, "no array can have");
    refused(HEAD "(-1,), }", 8, "no readable 'shape'");
    refused(HEAD "(1, 1, 1, 1, 1, 1, 1), }", 4, "more than 6 dimensions");
    refused(HEAD "(4", 16, "no readable 'shape'");
    refused(HEAD "4, }", 16, "no readable 'shape'");
    refused(HEAD "(4 4), }", 16, "no readable 'shape'");
    refused(HEAD "(4,), } junk", 16, "no readable end");
    refused(HEAD "(4,), 'x': 1}", 16, "holds the key 'x'");
    refused("{'descr': '<f4', 'shape': (4,)}", 16, "no readable 'fortran_order'");
    refused("{'descr': '<c8', 'fortran_order': False, 'shape': (4,)}", 32,
            "arrays of '<c8' are not read");
    refused("{'descr': '>f4', 'fortran_order': False, 'shape': (4,)}", 16, "big-endian");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", 16,
            "no readable 'descr'");
    refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", 16,
            "Fortran order");
    refused("", 0, "no readable dictionary");
    refused("{'descr", 0, "no readable dictionary");
    refused("[1]", 0, "no readable dictionary");
}

/* One byte changed anywhere: an answer, whatever it is, and no harm. */
static void changed_bytes_do_no_harm(void)
{
    uint8_t file[256];
    const size_t size = make(file, HEAD "(2, 3), }\n", 24);

    for (size_t i = 0; i < size; i++) {
        for (int value = 0; value < 256; value += 3) {
            const uint8_t was = file[i];
            lb_error err = {0};
            lb_tensor *t = NULL;
            file[i] = (uint8_t)value;
            const lb_code code = parse(file, size, &t, &err);
            CHECK((code == LB_OK) == (t != NULL));
            file[i] = was;
        }
    }
}

static double first_of(const char *dictionary, const void *data, size_t n, lb_dtype dtype)
{
    uint8_t file[256];
    lb_error err = {0};
    lb_tensor *t = NULL;
    const size_t size = make(file, dictionary, n);

    memcpy(file + size - n, data, n);
    CHECK_OK(parse(file, size, &t, &err), &err);
    CHECK(t && t->dtype == dtype && t->n == 1);
    return t ? lb_tensor_get(t, 0) : 0;
}

#define REST ", 'fortran_order': False, 'shape': (1,)}"

static void other_integers_are_widened(void)
{
    CHECK(first_of("{'descr': '<i2'" REST, "\xFE\xFF", 2, LB_I32) == -2);
    CHECK(first_of("{'descr': '<u2'" REST, "\xFE\xFF", 2, LB_I32) == 65534);
    CHECK(first_of("{'descr': '<u4'" REST, "\xFE\xFF\xFF\xFF", 4, LB_I64) ==
          4294967294.0);
    CHECK(first_of("{'descr': '|b1'" REST, "\x07", 1, LB_BOOL) == 1);
    CHECK(first_of("{'descr': '>u1'" REST, "\x07", 1, LB_U8) == 7);
}

static void shared_arrays_load(void)
{
    const char *const shared = getenv("LB_SHARED"), *const source = getenv("LB_SOURCE");
    lb_error err = {0};
    lb_tensor *t = NULL;
    char name[512];

    snprintf(name, sizeof name, "%s%s/data/uci-har/X_test.npy",
             shared   ? shared
             : source ? source
                      : "",
             shared ? "" : "/../shared");
    if (!lb_file_exists(name)) {
        SKIP("the shared data is not there");
        return;
    }
    CHECK_OK(lb_npy_load(arena, name, 1 << 30, &t, &err), &err);
    CHECK(t && t->dtype == LB_F32 && t->shape.rank == 3 && t->shape.dim[2] == 128);
    CHECK(lb_npy_load(arena, name, 1000, &t, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "above the 1000 that are read");
}

int main(void)
{
    arena = lb_arena_new(0);
    strcpy(path, "/tmp/limbeck-test-XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0) {
        printf("Bail out! no file for the test\n");
        return 1;
    }
    close(fd);
    RUN(all_types_come_back);
    RUN(cut_files_are_refused);
    RUN(hostile_headers_are_refused);
    RUN(changed_bytes_do_no_harm);
    RUN(other_integers_are_widened);
    RUN(shared_arrays_load);
    unlink(path);
    lb_arena_free(arena);
    return DONE();
}
