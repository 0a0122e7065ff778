/* test_store.c: the run store. */
#include "report/report.h"

#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/limbeck-store-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *const f = fopen(path, "wb");
    CHECK(f != NULL);
    if (f) {
        fputs(text, f);
        fclose(f);
    }
}

/* A file's content up to 64 KB; the caller's buffer. */
static size_t read_all(const char *path, char *out)
{
    FILE *const f = fopen(path, "rb");
    const size_t n = f ? fread(out, 1, 65536, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static const lb_run_row row = {.name = "watch 'quoted'",
                               .folder = "runs/watch",
                               .started = "2026-01-15T09:30:00Z",
                               .status = "done",
                               .teacher_accuracy = NAN,
                               .student_accuracy = 0.9,
                               .agreement = 1.0 / 3,
                               .parameters = 9610,
                               .macs = 1e9,
                               .flash_bytes = 1,
                               .sram_bytes = 2,
                               .latency_ms = 3,
                               .energy_uj = INFINITY,
                               .seconds = 4,
                               .result = "{\"run\": \"watch\"}"};

static void rows_come_back(void)
{
    lb_error err = {0};
    lb_store *store = NULL;
    lb_arena *const arena = lb_arena_new(0);
    lb_run_row *rows = NULL;
    int n = -1;
    int64_t first = 0, second = 0;

    CHECK_OK(lb_store_open(in_folder("a.db"), &store, &err), &err);
    CHECK_OK(lb_store_list(store, arena, &rows, &n, &err), &err);
    CHECK(n == 0);
    CHECK_OK(lb_store_add(store, &row, &first, &err), &err);
    CHECK_OK(lb_store_add(store, &row, &second, &err), &err);
    CHECK(second > first && first > 0);
    lb_store_close(store);

    CHECK_OK(lb_store_open(in_folder("a.db"), &store, &err), &err);
    CHECK_OK(lb_store_list(store, arena, &rows, &n, &err), &err);
    CHECK(n == 2);
    if (n == 2) {
        CHECK(rows[0].id == first && rows[1].id == second);
        CHECK_TEXT(rows[1].name, row.name);
        CHECK_TEXT(rows[1].folder, row.folder);
        CHECK_TEXT(rows[1].started, row.started);
        CHECK_TEXT(rows[1].status, row.status);
        CHECK_TEXT(rows[1].result, row.result);
        CHECK(isnan(rows[1].teacher_accuracy) && isnan(rows[1].energy_uj));
        CHECK(rows[1].student_accuracy == 0.9 && rows[1].agreement == 1.0 / 3);
        CHECK(rows[1].parameters == 9610 && rows[1].macs == 1e9 && rows[1].seconds == 4);
        CHECK(rows[1].flash_bytes == 1 && rows[1].sram_bytes == 2);
        CHECK(rows[1].latency_ms == 3);
    }
    /* the newest run of the folder has another result */
    CHECK_OK(lb_store_set_result(store, row.folder, "{\"new\": 1}", &err), &err);
    CHECK_OK(lb_store_set_result(store, "elsewhere", "{}", &err), &err);
    CHECK_OK(lb_store_list(store, arena, &rows, &n, &err), &err);
    CHECK(n == 2 && strcmp(rows[1].result, "{\"new\": 1}") == 0);
    CHECK(n == 2 && strcmp(rows[0].result, row.result) == 0);
    lb_store_close(store);
    lb_arena_free(arena);
}

static void refuse(const char *name, const char *content)
{
    static char before[65536], after[65536];
    lb_error err = {0};
    lb_store *store = NULL;

    if (content)
        write_text(in_folder(name), content);
    const size_t n = read_all(in_folder(name), before);
    CHECK(lb_store_open(in_folder(name), &store, &err) == LB_ERR_INPUT);
    CHECK(store == NULL);
    CHECK_TEXT(err.text, "is no run store");
    CHECK_TEXT(err.text, name);
    CHECK(read_all(in_folder(name), after) == n && memcmp(before, after, n) == 0);
}

static void other_files_are_left_alone(void)
{
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    refuse("short.txt", "x");
    refuse("long.txt", long_text);
    refuse("half.db", "SQLite forma");
    memcpy(long_text, "SQLite format 3", 16);
    refuse("magic.db", NULL); /* made below by hand: the magic, then rubbish */
}

static void make_rubbish_with_magic(void)
{
    FILE *const f = fopen(in_folder("magic.db"), "wb");
    CHECK(f != NULL);
    if (!f)
        return;
    fwrite("SQLite format 3", 1, 16, f);
    for (int i = 0; i < 4000; i++)
        fputc(i * 37 & 0xff, f);
    fclose(f);
}

/* A store of a later version, and another program's database: only the numbers in the
 * head differ (bytes 60 and 68 of the file format). */
static void patch(const char *name, long at, unsigned char value)
{
    lb_error err = {0};
    lb_store *store = NULL;
    int64_t id;

    CHECK_OK(lb_store_open(in_folder(name), &store, &err), &err);
    CHECK_OK(lb_store_add(store, &row, &id, &err), &err);
    lb_store_close(store);
    FILE *const f = fopen(in_folder(name), "r+b");
    CHECK(f != NULL);
    if (f) {
        fseek(f, at, SEEK_SET);
        fputc(value, f);
        fclose(f);
    }
}

static void other_databases_are_refused(void)
{
    lb_error err = {0};
    lb_store *store = NULL;

    patch("later.db", 63, 2);
    CHECK(lb_store_open(in_folder("later.db"), &store, &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text, "version 2");
    patch("foreign.db", 68, 'X');
    refuse("foreign.db", NULL);
}

static void bad_places_give_words(void)
{
    lb_error err = {0};
    lb_store *store = NULL;

    CHECK(lb_store_open(folder, &store, &err) != LB_OK);
    CHECK(err.text[0] != 0);
    CHECK(lb_store_open(in_folder("no/such/folder.db"), &store, &err) == LB_ERR_IO);
    CHECK_TEXT(err.text, "folder.db");
}

enum { WRITERS = 6, ROWS = 15 };

static int write_rows(void)
{
    lb_error err = {0};
    lb_store *store = NULL;
    int64_t id;

    if (lb_store_open(in_folder("many.db"), &store, &err) != LB_OK)
        return 1;
    for (int i = 0; i < ROWS; i++)
        if (lb_store_add(store, &row, &id, &err) != LB_OK)
            return 2;
    lb_store_close(store);
    return 0;
}

static void runs_add_at_once(void)
{
    lb_error err = {0};
    lb_store *store = NULL;
    lb_arena *const arena = lb_arena_new(0);
    lb_run_row *rows = NULL;
    int n = 0;
    pid_t child[WRITERS];

    fflush(stdout);
    for (int i = 0; i < WRITERS; i++) {
        child[i] = fork();
        if (child[i] == 0)
            _exit(write_rows());
        CHECK(child[i] > 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK_OK(lb_store_open(in_folder("many.db"), &store, &err), &err);
    CHECK_OK(lb_store_list(store, arena, &rows, &n, &err), &err);
    CHECK(n == WRITERS * ROWS);
    lb_store_close(store);
    lb_arena_free(arena);
}

static void memory_may_run_out(void)
{
    lb_code code = LB_ERR_MEMORY;

    for (long k = 0; k < 100 && code != LB_OK; k++) {
        lb_error err = {0};
        lb_store *store = NULL;
        lb_arena *const arena = lb_arena_new(0);
        lb_run_row *rows = NULL;
        int n;
        lb_arena_fail_after(k);
        code = lb_store_open(in_folder("a.db"), &store, &err);
        if (code == LB_OK)
            code = lb_store_list(store, arena, &rows, &n, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
        lb_store_close(store);
        lb_arena_free(arena);
    }
    CHECK(code == LB_OK);
}

int main(void)
{
    char command[300];

    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        return 1;
    }
    RUN(rows_come_back);
    make_rubbish_with_magic();
    RUN(other_files_are_left_alone);
    RUN(other_databases_are_refused);
    RUN(bad_places_give_words);
    RUN(runs_add_at_once);
    RUN(memory_may_run_out);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("# '%s' was left behind\n", folder);
    return DONE();
}
