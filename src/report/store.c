/* store.c: the run store, one SQLite file.
 *
 * Several runs may add to it at once: every change is one immediate transaction, and a
 * busy store is waited for. The file carries an application id, so that another
 * program's database is never taken for a store. */
#include "report/report.h"

#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

enum { APPLICATION = 0x6c696d62, VERSION = 1, WAIT_MS = 30000 };

struct lb_store {
    sqlite3 *db;
    const char *path; /* lives in the arena */
    lb_arena *arena;
};

static const char SCHEMA[] =
    "CREATE TABLE runs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folder TEXT NOT NULL,"
    " started TEXT NOT NULL, status TEXT NOT NULL, teacher_accuracy REAL,"
    " student_accuracy REAL, agreement REAL, parameters REAL, macs REAL,"
    " flash_bytes REAL, sram_bytes REAL, latency_ms REAL, energy_uj REAL, seconds REAL,"
    " result TEXT NOT NULL);";

/* The columns that are figures, in the order of the table. */
static const size_t FIGURES[] = {
    offsetof(lb_run_row, teacher_accuracy),
    offsetof(lb_run_row, student_accuracy),
    offsetof(lb_run_row, agreement),
    offsetof(lb_run_row, parameters),
    offsetof(lb_run_row, macs),
    offsetof(lb_run_row, flash_bytes),
    offsetof(lb_run_row, sram_bytes),
    offsetof(lb_run_row, latency_ms),
    offsetof(lb_run_row, energy_uj),
    offsetof(lb_run_row, seconds),
};
enum { N_FIGURES = sizeof FIGURES / sizeof FIGURES[0] };

static lb_code sql_error(const lb_store *s, const char *what, lb_error *err)
{
    const int code = sqlite3_errcode(s->db) & 0xff;

    if (code == SQLITE_NOMEM)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to %s the run store '%s'", what,
                        s->path);
    return lb_raise(err, LB_ERR_IO, "cannot %s the run store '%s': %s", what, s->path,
                    sqlite3_errmsg(s->db));
}

static lb_code no_store(const lb_store *s, lb_error *err)
{
    return lb_raise(err, LB_ERR_INPUT,
                    "'%s' is no run store of limbeck; it was left as it is", s->path);
}

/* A file that is there and not empty must begin as SQLite's files do: asked before SQLite
 * sees it, so that nothing can be done to it. */
static lb_code look(const lb_store *s, lb_error *err)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof magic];
    const int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return LB_OK; /* missing, or SQLite will say why it cannot be opened */
    const ssize_t n = read(fd, head, sizeof head);
    close(fd);
    if (n == 0 || (n == (ssize_t)sizeof head && memcmp(head, magic, sizeof head) == 0))
        return LB_OK;
    return no_store(s, err);
}

static lb_code run_sql(lb_store *s, const char *sql, const char *what, lb_error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_error(s, what, err);
    return LB_OK;
}

/* One whole number that a statement answers. */
static lb_code ask(lb_store *s, const char *sql, int64_t *out, lb_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int step = SQLITE_ERROR;

    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK)
        step = sqlite3_step(stmt);
    const lb_code code = step == SQLITE_ROW ? LB_OK
                         : sqlite3_errcode(s->db) == SQLITE_NOTADB
                             ? no_store(s, err)
                             : sql_error(s, "read", err);
    if (code == LB_OK)
        *out = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return code;
}

/* *is_new: nothing is in the file yet. */
static lb_code recognise(lb_store *s, bool *is_new, lb_error *err)
{
    int64_t application = 0, version = 0, tables = 0;

    LB_TRY(ask(s, "PRAGMA application_id", &application, err));
    LB_TRY(ask(s, "PRAGMA user_version", &version, err));
    LB_TRY(ask(s, "SELECT count(*) FROM sqlite_master", &tables, err));
    *is_new = application == 0 && version == 0 && tables == 0;
    if (*is_new)
        return LB_OK;
    if (application != APPLICATION)
        return no_store(s, err);
    if (version != VERSION)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the run store '%s' has version %lld; this limbeck reads %d",
                        s->path, (long long)version, VERSION);
    return LB_OK;
}

/* Makes the table, unless another process was faster. */
static lb_code create(lb_store *s, lb_error *err)
{
    char sql[sizeof SCHEMA + 128];
    bool is_new = false;

    LB_TRY(run_sql(s, "BEGIN IMMEDIATE", "write to", err));
    lb_code code = recognise(s, &is_new, err);
    if (code == LB_OK && is_new) {
        sqlite3_snprintf(sizeof sql, sql,
                         "%s PRAGMA application_id = %d; PRAGMA user_version = %d;",
                         SCHEMA, APPLICATION, VERSION);
        code = run_sql(s, sql, "write to", err);
    }
    if (code == LB_OK)
        code = run_sql(s, "COMMIT", "write to", err);
    if (code != LB_OK)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* Looks at one state of the file, while another process may be making its table. */
static lb_code recognise_at_once(lb_store *s, bool *is_new, lb_error *err)
{
    LB_TRY(run_sql(s, "BEGIN", "read", err));
    const lb_code code = recognise(s, is_new, err);
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

static lb_code open_db(lb_store *s, lb_error *err)
{
    bool is_new = false;

    LB_TRY(look(s, err));
    if (sqlite3_open_v2(s->path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        if (!s->db)
            return lb_raise(err, LB_ERR_MEMORY, "no memory to open '%s'", s->path);
        return sql_error(s, "open", err);
    }
    sqlite3_busy_timeout(s->db, WAIT_MS);
    LB_TRY(recognise_at_once(s, &is_new, err));
    return is_new ? create(s, err) : LB_OK;
}

lb_code lb_store_open(const char *path, lb_store **out, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_store *const s = arena ? LB_TAKE(arena, lb_store) : NULL;

    if (s) {
        s->arena = arena;
        s->path = lb_arena_copy_text(arena, path);
    }
    if (!s || !s->path) {
        lb_arena_free(arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory to open '%s'", path);
    }
    const lb_code code = open_db(s, err);
    if (code != LB_OK)
        lb_store_close(s);
    else
        *out = s;
    return code;
}

void lb_store_close(lb_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    lb_arena_free(store->arena);
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_STATIC);
}

lb_code lb_store_add(lb_store *store, const lb_run_row *row, int64_t *id, lb_error *err)
{
    static const char sql[] =
        "INSERT INTO runs (name, folder, started, status, teacher_accuracy,"
        " student_accuracy, agreement, parameters, macs, flash_bytes, sram_bytes,"
        " latency_ms, energy_uj, seconds, result)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_error(store, "write to", err);
    bind_text(stmt, 1, row->name);
    bind_text(stmt, 2, row->folder);
    bind_text(stmt, 3, row->started);
    bind_text(stmt, 4, row->status);
    for (int i = 0; i < N_FIGURES; i++) {
        double figure;
        memcpy(&figure, (const char *)row + FIGURES[i], sizeof figure);
        if (isfinite(figure))
            sqlite3_bind_double(stmt, 5 + i, figure); /* else it stays NULL */
    }
    bind_text(stmt, 5 + N_FIGURES, row->result);
    const lb_code code =
        sqlite3_step(stmt) == SQLITE_DONE ? LB_OK : sql_error(store, "write to", err);
    if (code == LB_OK)
        *id = sqlite3_last_insert_rowid(store->db);
    sqlite3_finalize(stmt);
    return code;
}

lb_code lb_store_set_result(lb_store *store, const char *folder, const char *result,
                            lb_error *err)
{
    static const char sql[] = "UPDATE runs SET result = ? WHERE id ="
                              " (SELECT max(id) FROM runs WHERE folder = ?)";
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_error(store, "write to", err);
    bind_text(stmt, 1, result);
    bind_text(stmt, 2, folder);
    const lb_code code =
        sqlite3_step(stmt) == SQLITE_DONE ? LB_OK : sql_error(store, "write to", err);
    sqlite3_finalize(stmt);
    return code;
}

/* No column of text may be NULL: SQLite answers NULL only without memory. */
static const char *column_text(sqlite3_stmt *stmt, int at, lb_arena *arena)
{
    const unsigned char *const text = sqlite3_column_text(stmt, at);

    return text ? lb_arena_copy_text(arena, (const char *)text) : NULL;
}

/* False without memory. */
static bool read_row(sqlite3_stmt *stmt, lb_arena *arena, lb_run_row *row)
{
    row->id = sqlite3_column_int64(stmt, 0);
    row->name = column_text(stmt, 1, arena);
    row->folder = column_text(stmt, 2, arena);
    row->started = column_text(stmt, 3, arena);
    row->status = column_text(stmt, 4, arena);
    for (int i = 0; i < N_FIGURES; i++) {
        const double figure = sqlite3_column_type(stmt, 5 + i) == SQLITE_NULL
                                  ? NAN
                                  : sqlite3_column_double(stmt, 5 + i);
        memcpy((char *)row + FIGURES[i], &figure, sizeof figure);
    }
    row->result = column_text(stmt, 5 + N_FIGURES, arena);
    return row->name && row->folder && row->started && row->status && row->result;
}

lb_code lb_store_list(lb_store *store, lb_arena *arena, lb_run_row **rows, int *n,
                      lb_error *err)
{
    static const char sql[] =
        "SELECT id, name, folder, started, status, teacher_accuracy, student_accuracy,"
        " agreement, parameters, macs, flash_bytes, sram_bytes, latency_ms, energy_uj,"
        " seconds, result FROM runs ORDER BY id";
    sqlite3_stmt *stmt = NULL;
    void *list = NULL;
    int count = 0, capacity = 0, step;
    bool memory = true;
    lb_code code = LB_OK;

    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_error(store, "read", err);
    while ((step = sqlite3_step(stmt)) == SQLITE_ROW && memory) {
        memory = lb_arena_grow(arena, &list, &capacity, count, sizeof(lb_run_row)) &&
                 read_row(stmt, arena, (lb_run_row *)list + count);
        count++;
    }
    if (!memory)
        code = lb_raise(err, LB_ERR_MEMORY, "no memory to list the run store '%s'",
                        store->path);
    else if (step != SQLITE_DONE)
        code = sql_error(store, "read", err);
    sqlite3_finalize(stmt);
    if (code == LB_OK) {
        *rows = list;
        *n = count;
    }
    return code;
}
