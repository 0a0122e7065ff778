/* page.c: writes the report page.
 *
 * The page is a template with five places, {{css}} and so on. Style, scripts and Chart.js
 * are embedded in limbeck; the record goes in as JSON inside a script element, which the
 * page's own script reads. There only '<' could end the element, and JSON has that
 * character in texts alone, where \u003c means the same. */
#include "report/report.h"

#include "base/file.h"
#include "report/asset_int.h"
#include "report/utf8_int.h"

#include <string.h>

enum { MOST_ASSETS = 6 }; /* at one place */
static const size_t MOST_BYTES = (size_t)64 << 20;

/* Copies the record, with what a script element or JavaScript would stumble over in its
 * escaped spelling: '<', and the line separators U+2028 and U+2029. */
static void add_record(lb_writer *w, const char *json, size_t size)
{
    size_t from = 0, i = 0;

    while (i < size) {
        const bool less = json[i] == '<';
        const bool separator =
            size - i >= 3 && (memcmp(json + i, "\xe2\x80\xa8", 3) == 0 ||
                              memcmp(json + i, "\xe2\x80\xa9", 3) == 0);
        if (!less && !separator) {
            i++;
            continue;
        }
        lb_writer_add(w, json + from, i - from);
        const char *const escaped = less                    ? "\\u003c"
                                    : json[i + 2] == '\xa8' ? "\\u2028"
                                                            : "\\u2029";
        lb_writer_add(w, escaped, 6);
        i += less ? 1 : 3;
        from = i;
    }
    lb_writer_add(w, json + from, size - from);
}

/* Writes what belongs at the place of this name; false if no place has that name. */
static bool fill(lb_writer *w, const char *name, size_t n, const char *json, size_t size)
{
    static const struct {
        const char *name;
        const lb_asset *asset[MOST_ASSETS];
    } places[] = {
        {"css", {&lb_asset_css, NULL}},
        {"chart", {&lb_asset_chartjs, NULL}},
        {"js",
         {&lb_asset_script, &lb_asset_roofline, &lb_asset_many, &lb_asset_inside,
          &lb_asset_pressed, &lb_asset_charts}},
    };

    if (n == strlen("record") && memcmp(name, "record", n) == 0) {
        add_record(w, json, size);
        return true;
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (strlen(places[i].name) != n || memcmp(places[i].name, name, n) != 0)
            continue;
        for (int k = 0; k < MOST_ASSETS; k++)
            if (places[i].asset[k])
                lb_writer_add(w, places[i].asset[k]->bytes, places[i].asset[k]->size);
        return true;
    }
    return false;
}

static lb_code add_page(lb_writer *w, const char *json, size_t size, lb_error *err)
{
    const char *at = (const char *)lb_asset_page.bytes; /* ends with a zero */

    for (;;) {
        const char *const open = strstr(at, "{{");
        if (!open) {
            lb_writer_add(w, at, strlen(at));
            return LB_OK;
        }
        const char *const close = strstr(open, "}}");
        lb_writer_add(w, at, (size_t)(open - at));
        if (!close || !fill(w, open + 2, (size_t)(close - open) - 2, json, size))
            return lb_bug(err, "the page's template has an unknown place");
        at = close + 2;
    }
}

lb_code lb_report_page(const char *record_json, size_t size, const char *path,
                       lb_error *err)
{
    size_t bad;
    lb_writer writer;

    if (size > MOST_BYTES)
        return lb_raise(err, LB_ERR_INPUT,
                        "the record has %zu bytes; a page holds at most %zu", size,
                        MOST_BYTES);
    if (size == 0 || record_json[0] != '{')
        return lb_raise(err, LB_ERR_INPUT, "the record is no JSON object");
    if (!lb_utf8_check(record_json, size, &bad))
        return lb_raise(err, LB_ERR_INPUT, "the record is no UTF-8 text at byte %zu",
                        bad);
    lb_arena *const arena = lb_arena_new(0);
    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to write '%s'", path);
    lb_code code = lb_writer_open(&writer, arena, path, err);
    if (code == LB_OK) {
        code = add_page(&writer, record_json, size, err);
        if (code == LB_OK)
            code = lb_writer_commit(&writer, err);
        else
            lb_writer_drop(&writer);
    }
    lb_arena_free(arena);
    return code;
}
