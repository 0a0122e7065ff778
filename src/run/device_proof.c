/* device_proof.c: what a proof found goes where the run's other figures are. */
#include "run/run.h"

#include "base/file.h"
#include "report/report.h"

#include <string.h>

static const char key[] = "device_proof";
static const size_t most_bytes = (size_t)64 << 20;

static lb_code no_memory(lb_error *err)
{
    return lb_raise(err, LB_ERR_MEMORY, "no memory for the proof's record");
}

/* {"qemu:cortex-m4": {...}, ...} as it was, with these in. NULL without memory. */
static const char *join(const char *before, const lb_proof *proofs, int n,
                        lb_arena *arena)
{
    const char *all = before;

    for (int i = 0; i < n && all; i++) {
        lb_json json;
        lb_json_init(&json, arena);
        lb_json_open(&json, NULL, '{');
        lb_proof_add_json(&json, &proofs[i]);
        lb_json_close(&json, '}');
        all = json.text.failed ? NULL
                               : lb_json_set(arena, all, proofs[i].on, json.text.chars);
    }
    return all;
}

/* *out: the file's text as it is now; NULL if there is none. */
static lb_code add_to(const char *path, const lb_proof *proofs, int n, lb_arena *arena,
                      const char **out, lb_error *err)
{
    lb_bytes bytes;

    *out = NULL;
    if (!lb_file_exists(path))
        return LB_OK;
    LB_TRY(lb_read_file(arena, path, most_bytes, &bytes, err));
    const char *const text =
        lb_arena_copy_chars(arena, (const char *)bytes.data, bytes.size);
    if (!text)
        return no_memory(err);
    const char *const before = lb_json_get(arena, text, key);
    const char *const all =
        join(before && *before == '{' ? before : "{}", proofs, n, arena);
    if (!all)
        return no_memory(err);
    *out = lb_json_set(arena, text, key, all);
    if (!*out)
        return lb_raise(err, LB_ERR_INPUT, "'%s' is no JSON object", path);
    return lb_write_file(path, *out, strlen(*out), err);
}

static lb_code store(const char *folder, const char *result, lb_error *err)
{
    lb_store *open = NULL;

    if (!lb_file_exists("runs/runs.db"))
        return LB_OK;
    LB_TRY(lb_store_open("runs/runs.db", &open, err));
    const lb_code code = lb_store_set_result(open, folder, result, err);
    lb_store_close(open);
    return code;
}

lb_code lb_run_add_proofs(const char *folder, const lb_proof *proofs, int n,
                          lb_arena *arena, lb_error *err)
{
    const char *const result = lb_path_join(arena, folder, "result.json");
    const char *const record = lb_path_join(arena, folder, "record.json");
    const char *const page = lb_path_join(arena, folder, "report.html");
    const char *text = NULL;

    if (!result || !record || !page)
        return no_memory(err);
    LB_TRY(add_to(record, proofs, n, arena, &text, err));
    if (text && lb_file_exists(page))
        LB_TRY(lb_report_page(text, strlen(text), page, err));
    LB_TRY(add_to(result, proofs, n, arena, &text, err));
    return text ? store(folder, text, err) : LB_OK;
}
