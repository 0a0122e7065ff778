/* test_page.c: the report page from a record made up for this test, also in a browser if
 * Chromium is there. */
#include "report/report.h"

#include "base/file.h"
#include "check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/limbeck-page-XXXXXX";
static char page_path[128];
static lb_arena *arena;
static const char *page; /* what was written, ends with a zero */

static const char *read_text(const char *path)
{
    lb_error err = {0};
    lb_bytes bytes = {0};

    CHECK_OK(lb_read_file(arena, path, (size_t)8 << 20, &bytes, &err), &err);
    return bytes.data ? lb_arena_copy_chars(arena, (const char *)bytes.data, bytes.size)
                      : "";
}

static const char *record(void)
{
    const char *const source = getenv("LB_SOURCE");
    return read_text(
        lb_arena_text(arena, "%s/tests/report/record.json", source ? source : "."));
}

static int occurrences(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static void the_page_stands_alone(void)
{
    static const char *const outside[] = {
        "src=\"",  "src='", "<link",  "<img",           "url(",      "@import",
        "<iframe", "<base", "fetch(", "XMLHttpRequest", "WebSocket", "sourceMappingURL"};
    lb_error err = {0};
    const char *const json = record();

    CHECK_OK(lb_report_page(json, strlen(json), page_path, &err), &err);
    page = read_text(page_path);
    CHECK(strlen(page) > strlen(json) && strlen(page) < 1000000);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        if (strstr(page, outside[i]))
            printf("# the page holds '%s'\n", outside[i]);
        CHECK(!strstr(page, outside[i]));
    }
    CHECK_TEXT(page, "Content-Security-Policy\" content=\"default-src 'none'");
    CHECK_TEXT(page, "Chart.js v3");
    CHECK_TEXT(page, "Permission is hereby granted");
    CHECK_TEXT(page, "</html>");
    CHECK(!strstr(page, "{{record}}") && !strstr(page, "{{js}}") &&
          !strstr(page, "{{css}}"));
}

static void records_cannot_break_out(void)
{
    static const char json[] = "{\"name\": \"</script><script>alert(1)</script><!-- "
                               "\xe2\x80\xa8\xe2\x80\xa9\"}";
    lb_error err = {0};
    const char *const other = lb_arena_text(arena, "%s/escape.html", folder);
    const int ends = occurrences(page, "</script");

    CHECK_OK(lb_report_page(json, sizeof json - 1, other, &err), &err);
    const char *const text = read_text(other);
    CHECK_TEXT(text, "{\"name\": \"\\u003c/script>\\u003cscript>alert(1)\\u003c/script>"
                     "\\u003c!-- \\u2028\\u2029\"}</script>");
    CHECK(occurrences(text, "</script") == ends);
    CHECK(!strstr(text, "\xe2\x80\xa8") && !strstr(text, "\xe2\x80\xa9"));
}

static void bad_records_are_refused(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"", 0},
        {"[1]", 3},
        {"{\"a\": \"\xff\"}", 9},
        {"{\"a\": \"\xc0\xaf\"}", 10},         /* overlong */
        {"{\"a\": \"\xed\xa0\x80\"}", 11},     /* a surrogate */
        {"{\"a\": \"\xf4\x90\x80\x80\"}", 12}, /* above U+10FFFF */
        {"{\"a\": \"\xe2\x80", 9},             /* cut short */
        {"{\"a\0b\": 1}", 10},
    };
    const char *const other = lb_arena_text(arena, "%s/bad.html", folder);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lb_error err = {0};
        CHECK(lb_report_page(bad[i].bytes, bad[i].size, other, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, "the record is no");
        CHECK(access(other, F_OK) != 0);
    }
}

static void bad_paths_give_words(void)
{
    lb_error err = {0};

    CHECK(lb_report_page("{}", 2, lb_arena_text(arena, "%s/no/x.html", folder), &err) !=
          LB_OK);
    CHECK_TEXT(err.text, "x.html");
}

/* Lets Chromium run the page; returns what it made of it, up to its scripts, and what it
 * complained about. */
static const char *browse(const char *path, const char **console)
{
    const char *const dom = lb_arena_text(arena, "%s/dom.html", folder);
    const char *const log = lb_arena_text(arena, "%s/console.txt", folder);
    const char *const command = lb_arena_text(
        arena,
        "HOME='%s' timeout 120 chromium --headless --no-sandbox --disable-gpu"
        " --disable-dev-shm-usage --user-data-dir='%s/profile' --enable-logging=stderr"
        " --virtual-time-budget=5000 --dump-dom 'file://%s' >'%s' 2>'%s'",
        folder, folder, path, dom, log);

    *console = "";
    if (system(command) != 0)
        return NULL;
    *console = read_text(log);
    const char *const text = read_text(dom);
    const char *const script = strstr(text, "<script");
    CHECK(script != NULL);
    return script ? lb_arena_copy_chars(arena, text, (size_t)(script - text)) : text;
}

static void chromium_draws_it(void)
{
    const char *console;

    if (system("command -v chromium >/dev/null 2>&1") != 0) {
        SKIP("chromium is not installed");
        return;
    }
    const char *const dom = browse(page_path, &console);
    if (!dom) {
        SKIP("chromium does not start here");
        return;
    }
    CHECK(!strstr(console, "CONSOLE"));
    CHECK_TEXT(dom, "<h1>fixture-watch</h1>");
    CHECK_TEXT(dom, ">fits the device<");
    CHECK_TEXT(dom, "Teacher and student");
    CHECK_TEXT(dom, "Learning curves");
    CHECK_TEXT(dom, "Memory over the layers");
    CHECK_TEXT(dom, "Layer by layer");
    CHECK_TEXT(dom, "What the teacher knows");
    CHECK_TEXT(dom, "Who is taken for whom");
    CHECK_TEXT(dom, "block1.depthwise");
    CHECK_TEXT(dom, "all of them agree");
    CHECK_TEXT(dom, "Proved on a device");
    CHECK_TEXT(dom, ">qemu:cortex-m4</th>");
    CHECK_TEXT(dom, ">12\u202f345\u202f678</td>");
    CHECK_TEXT(dom, ">proved.logits</th>");
    CHECK_TEXT(dom, "Where the time goes");
    CHECK_TEXT(dom, "its teacher asked live");
    CHECK_TEXT(dom, "Roofline");
    CHECK_TEXT(dom, "native ConvGradWeight");
    CHECK_TEXT(dom, "3 smaller ones");
    CHECK_TEXT(dom, "teacher: layer2");
    CHECK_TEXT(dom, "What each loss pulls");
    CHECK_TEXT(dom, "Share of the gradient over 20 epochs: kd ends at 76\u202f%, ce ends "
                    "at 24\u202f%");
    CHECK_TEXT(dom, "How alike they see");
    CHECK_TEXT(dom, "over 1\xe2\x80\xaf"
                    "024 test samples");
    CHECK_TEXT(dom, "layer3 of the teacher, block2 of the student: 0.60");
    CHECK_TEXT(dom, "Where they look");
    CHECK_TEXT(dom, "attention of the teacher at layer3 on a sample of Ankle boot: "
                    "strongest in the middle\"");
    CHECK_TEXT(dom, "layer3 and block4");
    CHECK_TEXT(dom, "<b>Shirt</b>"); /* a wrong answer */
    CHECK_TEXT(dom, "Channels were taken off by taylor");
    CHECK_TEXT(dom, "Channels of 1 layer<");
    CHECK_TEXT(dom, "block1/pw</th><td class=\"num\">32</td>");
    CHECK_TEXT(dom, "then trained on for 2 epochs");
    CHECK_TEXT(dom, "0.12 points lower");
    CHECK_TEXT(dom, "in int8, answers ");
    CHECK_TEXT(dom, "31.5\u202fdB");
    CHECK_TEXT(dom, ">exact<");
    CHECK(!strstr(dom, "<b>bare") && occurrences(dom, "&lt;b&gt;bare") >= 2);
    /* 7 charts, 12 pictures, and 3 samples that both look at */
    CHECK(occurrences(dom, "<canvas") == 28);
}

/* The page may know nearly nothing and must still stand. */
static void chromium_draws_little(void)
{
    static const char *const records[] = {
        "{}",
        "{\"name\": \"<b>bare</b>\", \"student\": {\"accuracy\": 0.5}, \"teacher\": null,"
        " \"epochs\": [], \"memory\": {\"steps\": []}, \"samples\": [{}, null],"
        " \"confusion\": {\"student\": [], \"teacher\": null}, \"firmware\": null}",
        "{\"name\": 7, \"epochs\": [{\"epoch\": 0, \"loss\": null}], \"samples\":"
        " [{\"label\": 0, \"shape\": [3, 1, 1], \"pixels\": \"AAAA\","
        " \"student_logits\": [1, 2]}], \"files\": {\"bad\": \"javascript:alert(1)\"}}",
        /* of `limbeck bench --html` */
        "{\"name\": \"net.onnx\", \"profile\": {\"batch\": 8, \"images_per_second\": 100,"
        " \"layers\": [{\"name\": \"<b>bare</b>\", \"op\": \"Conv\", \"kernel\": \"native"
        " Conv\", \"milliseconds\": 80, \"share\": 1, \"flops\": 8e6, \"bytes\": 1e6,"
        " \"gflops\": 0.1}, null, {\"name\": 3}]}}",
        /* layers and maps that are not what they say */
        "{\"student\": {}, \"alignment\": [null, 7, {\"teacher\": \"<b>bare\", \"cka\":"
        " 1e300, \"member\": -4, \"teacher_shape\": \"x\"}, {\"cka\": \"<b>bare\"}, [1]],"
        " \"alignment_grid\": {\"teacher\": [\"a\", 2], \"student\": [null, \"<b>bare\"],"
        " \"cka\": [[2, -7], [null, \"x\"]]}, \"attention\": {\"pairs\": [{\"teacher\": "
        "1,"
        " \"student\": \"<b>bare\", \"teacher_shape\": [1, 1000000, 1000000],"
        " \"student_shape\": [1, \"2\", -2]}], \"samples\": [null, {\"maps\": []},"
        " {\"maps\": [{\"teacher\": \"!!\", \"student\": 3, \"cosine\": \"<b>bare\"}],"
        " \"label\": 1e9, \"shape\": [1, 2, 2], \"pixels\": \"AAAA\", \"teacher\":"
        " {\"answer\": -1, \"confidence\": 9e9}, \"student\": 4}]}}",
        "{\"student\": {}, \"alignment\": {}, \"alignment_grid\": {\"teacher\": [1, 2],"
        " \"student\": [1, 2], \"cka\": [[1]]}, \"attention\": {\"pairs\": [{}],"
        " \"samples\": [{\"maps\": [1]}]}}",
        "{\"attention\": {\"pairs\": [{\"teacher_shape\": [1, 1, 2], \"student_shape\":"
        " [1, 2, 1]}], \"samples\": [{\"label\": 0, \"shape\": [3, 1, 1], \"pixels\":"
        " \"AAAA\", \"maps\": [{\"teacher\": \"AAE=\", \"student\": \"AAE=\"}]}]}}",
        "{\"device_proof\": {\"a\": null, \"b\": {\"outputs_checked\": 3,"
        " \"instructions_by_layer\": [null, {\"instructions\": \"<b>bare\"}]}, \"c\":"
        " [1]}}",
        "{\"student\": {}, \"pruned\": {\"macs_after\": 1, \"macs_before\": 2, "
        "\"parameters_before\": 3, \"parameters_after\": 2, "
        "\"method\":"
        " \"<b>bare\", \"layers\": [null, 7, {\"channels_before\": 4, "
        "\"channels_after\": 3,"
        " \"name\": \"<b>bare\"}]}}",
        "{not JSON",
    };
    const char *const path = lb_arena_text(arena, "%s/little.html", folder);

    if (system("command -v chromium >/dev/null 2>&1") != 0) {
        SKIP("chromium is not installed");
        return;
    }
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        lb_error err = {0};
        const char *console;
        CHECK_OK(lb_report_page(records[i], strlen(records[i]), path, &err), &err);
        const char *const dom = browse(path, &console);
        if (!dom) {
            SKIP("chromium does not start here");
            return;
        }
        CHECK(!strstr(console, "CONSOLE"));
        CHECK_TEXT(dom, i == 9   ? "This record cannot be read"
                        : i == 7 ? "Proved on a device"
                                 : "<h1>");
        CHECK(!strstr(dom, "How alike they see") == (i != 4));
        CHECK(!strstr(dom, "Where they look") == (i != 4 && i != 6));
        if (i == 6)
            CHECK_TEXT(dom, "strongest at the right\"");
        if (i == 8)
            CHECK_TEXT(dom, "bare</th><td class=\"num\">4</td>");
        if (i == 3)
            CHECK_TEXT(dom, "Inference: <strong>100 images a second</strong>");
        CHECK(!strstr(dom, "<b>bare") && !strstr(dom, "href=\"javascript"));
    }
}

/* The pages of many runs, from full records and from nearly empty ones. */
static void chromium_draws_many(void)
{
    static const struct {
        const char *record, *shows[6];
        int canvases;
    } pages[] = {
        {"{\"kind\": \"comparison\", \"name\": \"<b>bare</b>\", \"seeds\": [1, 2],"
         " \"with\": [0.9, 0.92], \"without\": [0.88, 0.89], \"difference\": 0.025,"
         " \"interval\": [-0.0385, 0.0885], \"verdict\": \"it cannot be told\","
         " \"twin\": {\"lr\": 0.2, \"settings\": [\"teacher=none\"], \"tuned\":"
         " [{\"lr\": 0.2, \"validation_accuracy\": null}]}}",
         {"<strong>It cannot be told.</strong>", "What the teacher adds", "+2.50",
          "teacher=none", "it failed"},
         2},
        {"{\"kind\": \"comparison\", \"interval\": [0.01, 0.02]}", {">it helps<"}, 1},
        {"{\"kind\": \"sweep\", \"name\": \"grid\", \"best\": \"a\", \"pareto\": [\"a\"],"
         " \"command\": \"limbeck distill x.yaml\", \"runs\": [{\"name\": \"a\","
         " \"status\": \"done\", \"settings\": {\"train.batch\": \"16\"},"
         " \"validation_accuracy\": 0.9, \"test_accuracy\": 0.89, \"flash_bytes\": 4096,"
         " \"latency_ms\": {\"low\": 1, \"mid\": 2, \"high\": 3}}, {\"name\": \"b\","
         " \"status\": \"does not fit\", \"reason\": \"<b>bare</b>\"}, null,"
         " {\"name\": \"c\", \"status\": \"done\", \"validation_accuracy\": 0.8,"
         " \"flash_bytes\": 2048, \"latency_ms\": {\"low\": 1, \"mid\": 1, \"high\": "
         "1}}]}",
         {"<h1>grid, swept</h1>", ">2 of 3 runs ended<", "Accuracy against latency",
          "train.batch", "does not fit", "limbeck distill x.yaml"},
         2},
        {"{\"kind\": \"sweep\", \"runs\": [{\"name\": \"a\", \"status\": \"done\","
         " \"validation_accuracy\": 0.9, \"flash_bytes\": 4096}, {\"name\": \"b\","
         " \"status\": \"done\", \"validation_accuracy\": 0.8, \"flash_bytes\": 4096}]}",
         {"All runs cost the same"},
         0},
        {"{\"kind\": \"sweep\"}", {"No run ended."}, 0},
    };
    const char *const path = lb_arena_text(arena, "%s/many.html", folder);

    if (system("command -v chromium >/dev/null 2>&1") != 0) {
        SKIP("chromium is not installed");
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        lb_error err = {0};
        const char *console;
        CHECK_OK(lb_report_page(pages[i].record, strlen(pages[i].record), path, &err),
                 &err);
        const char *const dom = browse(path, &console);
        if (!dom) {
            SKIP("chromium does not start here");
            return;
        }
        CHECK(!strstr(console, "CONSOLE"));
        for (int k = 0; k < 6 && pages[i].shows[k]; k++)
            CHECK_TEXT(strstr(dom, "<main"), pages[i].shows[k]);
        CHECK(occurrences(dom, "<canvas") == pages[i].canvases);
        CHECK(!strstr(dom, "<b>bare"));
    }
}

int main(void)
{
    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        return 1;
    }
    arena = lb_arena_new(0);
    snprintf(page_path, sizeof page_path, "%s/report.html", folder);
    RUN(the_page_stands_alone);
    RUN(records_cannot_break_out);
    RUN(bad_records_are_refused);
    RUN(bad_paths_give_words);
    RUN(chromium_draws_it);
    RUN(chromium_draws_little);
    RUN(chromium_draws_many);
    if (system(lb_arena_text(arena, "rm -rf '%s'", folder)) != 0)
        printf("# '%s' was left behind\n", folder);
    lb_arena_free(arena);
    return DONE();
}
