/* test_checkpoint.c: damaged and foreign checkpoints are refused with a clear line. */
#include "train/train.h"

#include "base/file.h"

#include "classroom.h"

#include <sys/stat.h>

static char folder[] = "/tmp/limbeck-test-XXXXXX";
static char path[sizeof folder + 32];

static bool stop_now(void *arg)
{
    (void)arg;
    return true;
}

static lb_code sit(classroom *c, bool resume, lb_error *err)
{
    lb_train_result r;

    c->setup.folder = folder;
    c->setup.resume = resume;
    c->setup.watch.stop = stop_now;
    return lb_train_run(&c->setup, c->arena, &r, err);
}

static lb_bytes good(lb_arena *arena)
{
    lb_bytes bytes = {0};
    lb_error err = {0};

    CHECK_OK(lb_read_file(arena, path, 1 << 24, &bytes, &err), &err);
    return bytes;
}

static void put(const void *data, size_t size)
{
    lb_error err = {0};

    CHECK_OK(lb_write_file(path, data, size, &err), &err);
}

static void stopping_writes_one(void)
{
    classroom c;
    lb_error err = {0};

    classroom_open(&c, 1);
    CHECK(sit(&c, false, &err) == LB_ERR_STOPPED);
    CHECK_TEXT(err.text, "stopped after step 1 of 12");
    CHECK(lb_file_exists(path));
    classroom_close(&c);
}

static void damaged_ones_are_refused(void)
{
    classroom c;
    lb_error err = {0};

    classroom_open(&c, 1);
    const lb_bytes was = good(c.arena);
    uint8_t *const bad = lb_arena_take(c.arena, was.size + 1);
    /* every short length near either end, and a sample of those between */
    for (size_t size = 0; size < was.size;
         size += size < 600 || size + 80 > was.size ? 1 : 197) {
        put(was.data, size);
        CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, "cannot resume from");
    }
    for (size_t at = 0; at < was.size; at += at < 600 ? 7 : 411) {
        memcpy(bad, was.data, was.size);
        bad[at] ^= 0x20;
        put(bad, was.size);
        CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
    }
    memcpy(bad, was.data, was.size);
    put(bad, was.size + 1);
    CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
    put(was.data, was.size);
    CHECK(sit(&c, true, &err) == LB_ERR_STOPPED);
    CHECK_TEXT(err.text, "step 2 of 12");
    put(was.data, was.size);
    classroom_close(&c);
}

static void foreign_ones_are_refused(void)
{
    classroom c;
    lb_error err = {0};

    classroom_open(&c, 1);
    c.setup.key = "another key";
    CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "it belongs to another run");
    c.setup.key = "the key";
    c.options.batch = 72;
    CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "past the last");
    c.options.batch = 16;
    c.options.precision = LB_PRECISION_FLOAT64;
    CHECK(sit(&c, true, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "other shapes");
    classroom_close(&c);
}

static void a_folder_is_no_checkpoint(void)
{
    classroom c;
    lb_error err = {0};

    remove(path);
    CHECK(mkdir(path, 0700) == 0);
    classroom_open(&c, 1);
    const lb_code code = sit(&c, true, &err);
    CHECK(code == LB_ERR_INPUT || code == LB_ERR_IO);
    CHECK_TEXT(err.text, path);
    classroom_close(&c);
    rmdir(path);
}

static void without_one_it_begins_anew(void)
{
    classroom c;
    lb_error err = {0};

    classroom_open(&c, 1);
    CHECK(sit(&c, true, &err) == LB_ERR_STOPPED);
    CHECK_TEXT(err.text, "stopped after step 1 of 12");
    classroom_close(&c);
    remove(path);
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/checkpoint.lbk", folder);
    RUN(stopping_writes_one);
    RUN(damaged_ones_are_refused);
    RUN(foreign_ones_are_refused);
    RUN(a_folder_is_no_checkpoint);
    RUN(without_one_it_begins_anew);
    rmdir(folder);
    return DONE();
}
