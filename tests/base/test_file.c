/* test_file.c: files read within limits, and written old or new, never half. */
#include "base/file.h"

#include "base/pool.h"

#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static lb_arena *arena;
static char folder[64];

static const char *in_folder(const char *name)
{
    return lb_path_join(arena, folder, name);
}

/* Opened by both before either commits. */
typedef struct race {
    lb_pool *pool;
    const char *path;
    lb_code code[2];
    char beside[2][512];
} race;

static void write_one(void *arg, int thread)
{
    race *const r = arg;
    lb_arena *const own = lb_arena_new(0);
    lb_error err = {0};
    lb_writer w;
    char text[5000];

    memset(text, 'a' + thread, sizeof text);
    r->code[thread] = lb_writer_open(&w, own, r->path, &err);
    if (r->code[thread] == LB_OK) {
        snprintf(r->beside[thread], sizeof r->beside[thread], "%s", w.beside);
        lb_writer_add(&w, text, sizeof text);
    }
    lb_pool_barrier(r->pool);
    if (r->code[thread] == LB_OK)
        r->code[thread] = lb_writer_commit(&w, &err);
    lb_arena_free(own);
}

static void threads_write_beside_each_other(void)
{
    race r = {.path = in_folder("race")};
    lb_bytes bytes = {0};
    lb_error err = {0};

    CHECK_OK(lb_pool_new(2, &r.pool, &err), &err);
    lb_pool_run(r.pool, write_one, &r);
    lb_pool_free(r.pool);
    CHECK(r.code[0] == LB_OK && r.code[1] == LB_OK);
    CHECK(strcmp(r.beside[0], r.beside[1]) != 0);
    CHECK_OK(lb_read_file(arena, r.path, 10000, &bytes, &err), &err);
    CHECK(bytes.size == 5000 && bytes.data[0] == bytes.data[4999]);
    remove(r.path);
}

static void refused(const char *path, size_t most, const char *part)
{
    lb_bytes bytes = {0};
    lb_error err = {0};
    lb_map map = {0};

    CHECK(lb_read_file(arena, path, most, &bytes, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, part);
    CHECK(lb_read_gzip(arena, path, most, &bytes, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, part);
    if (most >= 100) {
        CHECK(lb_map_open(&map, path, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, part);
    }
    CHECK(bytes.data == NULL && map.data == NULL);
}

static void files_come_back(void)
{
    const char *const path = in_folder("a");
    lb_bytes bytes = {0};
    lb_error err = {0};
    lb_map map;

    CHECK_OK(lb_write_file(path, "hello", 5, &err), &err);
    CHECK_OK(lb_write_file(path, "hello!", 6, &err), &err);
    CHECK_OK(lb_read_file(arena, path, 6, &bytes, &err), &err);
    CHECK(bytes.size == 6 && memcmp(bytes.data, "hello!", 6) == 0);
    CHECK_OK(lb_map_open(&map, path, &err), &err);
    CHECK(map.size == 6 && memcmp(map.data, "hello!", 6) == 0);
    lb_map_close(&map);
    refused(path, 5, "has 6 bytes, above the 5 that are read");
    CHECK_OK(lb_write_file(path, "", 0, &err), &err);
    CHECK_OK(lb_read_file(arena, path, 0, &bytes, &err), &err);
    CHECK(bytes.size == 0);
    CHECK_OK(lb_map_open(&map, path, &err), &err);
    CHECK(map.size == 0);
    lb_map_close(&map);
}

static void what_is_no_file_is_refused(void)
{
    lb_error err = {0};

    refused(in_folder("missing"), 100, "No such file or directory");
    refused(folder, 100, "is a folder, not a file");
    refused("/dev/zero", 100, "is a device, not a file");
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    refused(in_folder("pipe"), 100, "is a pipe, not a file");
    CHECK(lb_write_file(in_folder("pipe"), "x", 1, &err) == LB_ERR_INPUT);
    CHECK(lb_write_file(folder, "x", 1, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "it is a folder, not a file");
    CHECK(lb_write_file("/dev/full", "x", 1, &err) == LB_ERR_INPUT);
    CHECK(lb_write_file(in_folder("no/such/folder"), "x", 1, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "cannot write");
}

static int count_files(void)
{
    DIR *const d = opendir(folder);
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* A limit on the size of files stands in for a full disk, at every length. */
static void a_full_disk_leaves_the_old_file(void)
{
    const char *const path = in_folder("precious");
    char data[64];
    lb_error err = {0};
    lb_bytes bytes = {0};
    struct rlimit was, now;

    memset(data, 'n', sizeof data);
    CHECK_OK(lb_write_file(path, "old", 3, &err), &err);
    const int n_files = count_files();
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
    for (rlim_t most = 0; most < sizeof data; most++) {
        now = was;
        now.rlim_cur = most;
        CHECK(setrlimit(RLIMIT_FSIZE, &now) == 0);
        const lb_code code = lb_write_file(path, data, sizeof data, &err);
        CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
        CHECK(code == LB_ERR_IO);
        CHECK_TEXT(err.text, "cannot write");
        CHECK_OK(lb_read_file(arena, path, 100, &bytes, &err), &err);
        CHECK(bytes.size == 3 && memcmp(bytes.data, "old", 3) == 0);
        CHECK(count_files() == n_files);
    }
}

static void writers_commit_or_drop(void)
{
    const char *const path = in_folder("pieces");
    lb_error err = {0};
    lb_bytes bytes = {0};
    lb_writer w;

    CHECK_OK(lb_writer_open(&w, arena, path, &err), &err);
    lb_writer_add(&w, "ab", 2);
    CHECK(!lb_file_exists(path));
    lb_writer_add(&w, "cd", 2);
    CHECK(w.size == 4);
    CHECK_OK(lb_writer_commit(&w, &err), &err);
    lb_writer_drop(&w);
    CHECK_OK(lb_read_file(arena, path, 100, &bytes, &err), &err);
    CHECK(bytes.size == 4 && memcmp(bytes.data, "abcd", 4) == 0);
    const int n_files = count_files();
    CHECK_OK(lb_writer_open(&w, arena, path, &err), &err);
    lb_writer_add(&w, "x", 1);
    lb_writer_drop(&w);
    CHECK(count_files() == n_files);
    CHECK_OK(lb_read_file(arena, path, 100, &bytes, &err), &err);
    CHECK(bytes.size == 4);
}

static void pack(const char *path, const char *mode, const void *data, size_t size)
{
    const gzFile f = gzopen(path, mode);

    CHECK(f && gzwrite(f, data, (unsigned)size) == (int)size);
    if (f)
        gzclose(f);
}

static void gzip_is_unpacked(void)
{
    static uint8_t data[300000], packed[300000];
    const char *const path = in_folder("z.gz");
    lb_error err = {0};
    lb_bytes bytes = {0};

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i >> 7);
    pack(path, "wb", data, 200000);
    pack(path, "ab", data + 200000, 100000); /* a second member */
    CHECK_OK(lb_read_gzip(arena, path, sizeof data, &bytes, &err), &err);
    CHECK(bytes.size == sizeof data && memcmp(bytes.data, data, sizeof data) == 0);
    CHECK(lb_read_gzip(arena, path, sizeof data - 1, &bytes, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "unpacks to more than the 299999 bytes");
    pack(path, "wb", data, 3000);
    CHECK_OK(lb_read_file(arena, path, sizeof packed, &bytes, &err), &err);
    memcpy(packed, bytes.data, bytes.size);
    const size_t size = bytes.size;
    for (size_t n = 2; n < size; n++) {
        CHECK_OK(lb_write_file(path, packed, n, &err), &err);
        CHECK(lb_read_gzip(arena, path, 4000, &bytes, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, "cut short");
    }
    packed[size / 2] ^= 0x55;
    CHECK_OK(lb_write_file(path, packed, size, &err), &err);
    CHECK(lb_read_gzip(arena, path, 4000, &bytes, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "z.gz' ");
}

static void paths_are_taken_apart(void)
{
    lb_error err = {0};

    CHECK(strcmp(lb_path_join(arena, "a", "b"), "a/b") == 0);
    CHECK(strcmp(lb_path_join(arena, "a/", "b"), "a/b") == 0);
    CHECK(strcmp(lb_path_join(arena, "a", "/b"), "/b") == 0);
    CHECK(strcmp(lb_path_join(arena, NULL, "b"), "b") == 0);
    CHECK(strcmp(lb_path_folder(arena, "a/b/c"), "a/b") == 0);
    CHECK(strcmp(lb_path_folder(arena, "c"), ".") == 0);
    CHECK(strcmp(lb_path_folder(arena, "/c"), "/") == 0);
    CHECK(strcmp(lb_path_name("a/b/c"), "c") == 0 && strcmp(lb_path_name("c"), "c") == 0);
    CHECK_OK(lb_make_folder(in_folder("x/y//z"), &err), &err);
    CHECK_OK(lb_make_folder(in_folder("x/y/z/"), &err), &err);
    CHECK(lb_file_exists(in_folder("x/y/z")));
    CHECK_OK(lb_write_file(in_folder("x/file"), "1", 1, &err), &err);
    CHECK(lb_make_folder(in_folder("x/file"), &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "is a file, not a folder");
    CHECK(lb_make_folder(in_folder("x/file/y"), &err) == LB_ERR_INPUT);
    CHECK(lb_make_folder("", &err) == LB_ERR_INPUT);
}

/* Each taking of memory fails once; every call says so and leaves nothing behind. */
static void memory_may_run_out(void)
{
    static const char data[2000];
    const char *const path = in_folder("m.gz");
    lb_error err = {0};
    lb_bytes bytes = {0};
    lb_code code = LB_ERR_MEMORY;

    pack(path, "wb", data, sizeof data);
    for (int n = 0; code != LB_OK && n < 100; n++) {
        lb_arena_fail_after(n);
        code = lb_read_gzip(arena, path, sizeof data, &bytes, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
    }
    CHECK(code == LB_OK && bytes.size == sizeof data);
}

int main(void)
{
    char command[128];

    arena = lb_arena_new(0);
    strcpy(folder, "/tmp/limbeck-test-XXXXXX");
    if (!mkdtemp(folder)) {
        printf("Bail out! no folder for the test\n");
        return 1;
    }
    RUN(files_come_back);
    RUN(what_is_no_file_is_refused);
    RUN(a_full_disk_leaves_the_old_file);
    RUN(writers_commit_or_drop);
    RUN(gzip_is_unpacked);
    RUN(threads_write_beside_each_other);
    RUN(paths_are_taken_apart);
    RUN(memory_may_run_out);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("# '%s' was left behind\n", folder);
    lb_arena_free(arena);
    return DONE();
}
