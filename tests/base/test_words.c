/* test_words.c: JSON, findings, SHA-256. */
#include "base/findings.h"
#include "base/hash.h"
#include "base/json.h"

#include "check.h"

static lb_arena *arena;

static void json_is_written(void)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_text(&json, "a\"b", "line\n\ttab \\ \x01 <script> \xC3\xA9 \xFF\xC3");
    lb_json_text(&json, "none", NULL);
    lb_json_open(&json, "list", '[');
    lb_json_number(&json, NULL, 0.1);
    lb_json_number(&json, NULL, (double)NAN);
    lb_json_int(&json, NULL, INT64_MIN);
    lb_json_bool(&json, NULL, true);
    lb_json_open(&json, NULL, '{');
    lb_json_close(&json, '}');
    lb_json_close(&json, ']');
    lb_json_range(&json, "ms", 1, 2.5, (double)INFINITY);
    lb_json_ints(&json, "shape", (const int[]){3, -1}, 2);
    lb_json_ints(&json, "scalar", NULL, 0);
    lb_json_close(&json, '}');
    CHECK(!json.text.failed && json.depth == 0);
    const char *const want =
        "{\"a\\\"b\": \"line\\n\\u0009tab \\\\ \\u0001 \\u003cscript> \xC3\xA9 "
        "\\ufffd\\ufffd\", \"none\": null, \"list\": [0.1, null, -9223372036854775808, "
        "true, {}], \"ms\": {\"low\": 1, \"mid\": 2.5, \"high\": null}, \"shape\": [3, "
        "-1], \"scalar\": []}";
    CHECK_TEXT(json.text.chars, want);
    CHECK(strlen(json.text.chars) == strlen(want));
}

static void json_is_edited(void)
{
    static const char text[] =
        " {\"a\": 1, \"b\" : {\"a\": [\"}\", \"\\\"\"]},\"c\":\"x\"} \n";

    CHECK(strcmp(lb_json_get(arena, text, "a"), "1") == 0);
    CHECK(strcmp(lb_json_get(arena, text, "b"), "{\"a\": [\"}\", \"\\\"\"]}") == 0);
    CHECK(strcmp(lb_json_get(arena, text, "c"), "\"x\"") == 0);
    CHECK(lb_json_get(arena, text, "x") == NULL && lb_json_get(arena, text, "") == NULL);
    CHECK(strcmp(lb_json_set(arena, text, "b", "true"),
                 " {\"a\": 1, \"b\" : true,\"c\":\"x\"} \n") == 0);
    CHECK(strcmp(lb_json_set(arena, text, "d", "[]"),
                 " {\"a\": 1, \"b\" : {\"a\": [\"}\", \"\\\"\"]},\"c\":\"x\", \"d\": []} "
                 "\n") == 0);
    CHECK(strcmp(lb_json_set(arena, "{ }", "d", "2"), "{ \"d\": 2}") == 0);
    /* cut anywhere before its last brace, it is no object */
    for (size_t n = 0; n < sizeof text - 4; n++)
        CHECK(lb_json_set(arena, lb_arena_copy_chars(arena, text, n), "z", "0") == NULL);
    CHECK(lb_json_set(arena, "{\"a\": 1 \"b\": 2}", "z", "0") == NULL);
    CHECK(lb_json_set(arena, "{\"a\"}", "z", "0") == NULL);
    CHECK(lb_json_set(arena, "[]", "z", "0") == NULL);
}

static void deep_json_fails_softly(void)
{
    lb_json json;

    lb_json_init(&json, arena);
    for (int i = 0; i < 100; i++)
        lb_json_open(&json, NULL, '[');
    CHECK(json.text.failed);
    lb_json_init(&json, arena);
    lb_json_close(&json, ']');
    CHECK(json.text.failed);
}

static void findings_are_in_order(void)
{
    lb_findings findings;
    lb_error err = {0};

    lb_findings_init(&findings, arena);
    CHECK_OK(lb_findings_raise(&findings, LB_ERR_INPUT, "f.yaml", "end", &err), &err);
    lb_findings_add(&findings, 9, 2, "third '%s'", "x");
    lb_findings_add(&findings, 9, 1, "second");
    lb_findings_add(&findings, 9, 2, "fourth");
    lb_findings_add(&findings, 3, 0, "first");
    lb_findings_add(&findings, 0, 0, "whole file");
    lb_findings_add(&findings, -1, 0, "--set a=b: wrong");
    CHECK(lb_findings_raise(&findings, LB_ERR_INPUT, "f.yaml", "6 mistakes", &err) ==
          LB_ERR_INPUT);
    CHECK(strcmp(err.text, "--set a=b: wrong\nf.yaml: whole file\nf.yaml:3: first\n"
                           "f.yaml:9:1: second\nf.yaml:9:2: third 'x'\n"
                           "f.yaml:9:2: fourth\n6 mistakes") == 0);
}

static void many_findings_are_cut(void)
{
    lb_findings findings;
    lb_error err = {0};
    int shown = 0, more = 0;

    lb_findings_init(&findings, arena);
    for (int i = 0; i < 500; i++)
        lb_findings_add(&findings, i + 1, 1, "a mistake of some length, number %d", i);
    CHECK(lb_findings_raise(&findings, LB_ERR_INPUT, "f.yaml", "500 mistakes", &err) ==
          LB_ERR_INPUT);
    const char *const tail = strstr(err.text, "... and ");
    CHECK(tail && sscanf(tail, "... and %d more\n500 mistakes", &more) == 1);
    for (const char *c = err.text; *c; c++)
        shown += *c == '\n';
    CHECK(shown - 1 + more == 500 && shown > 50);
    CHECK_TEXT(err.text, "\n500 mistakes");
}

static void hash_matches(const char *text, size_t repeat, const char *want)
{
    const size_t n = strlen(text);

    for (size_t piece = 1; piece <= 130; piece += 43) {
        lb_hash hash;
        char got[65];
        lb_hash_init(&hash);
        for (size_t r = 0; r < repeat; r++)
            for (size_t i = 0; i < n; i += piece)
                lb_hash_add(&hash, text + i, n - i < piece ? n - i : piece);
        const lb_digest digest = lb_hash_end(&hash);
        lb_digest_text(&digest, got);
        CHECK(strcmp(got, want) == 0);
    }
}

/* `...` as a room's own function hands it on. */
LB_PRINTF(3, 4)
static void tell(lb_findings *findings, bool malformed, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lb_findings_tell(findings, malformed, format, args);
    va_end(args);
}

static void strange_files_are_refused(void)
{
    lb_findings findings;
    lb_error err = {0};
    char longest[700];

    lb_findings_init(&findings, arena);
    CHECK_OK(lb_findings_refuse(&findings, "f.onnx", &err), &err);
    tell(&findings, false, "'%s' is new", "a\x1b[2J\n\x7f\xC3\xA9");
    CHECK(lb_findings_refuse(&findings, "f.onnx", &err) == LB_ERR_UNSUPPORTED);
    CHECK_TEXT(err.text,
               "f.onnx: 'a?[2J??\xC3\xA9' is new\n1 thing in 'f.onnx' cannot be "
               "taken; nothing was loaded");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    tell(&findings, true, "%s", longest);
    tell(&findings, false, "small");
    CHECK(findings.n == 3 && strlen(findings.item[1].text) == 599);
    CHECK(lb_findings_refuse(&findings, "f.onnx", &err) == LB_ERR_INPUT);
    CHECK(strstr(err.text, "\n3 things in 'f.onnx' cannot be taken"));
}

/* The vectors of FIPS 180-4's examples. */
static void hashes_are_right(void)
{
    hash_matches("", 1,
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_matches("abc", 1,
                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_matches("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hash_matches("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmno"
                 "pjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                 1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    hash_matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20000,
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void texts_are_told_apart(void)
{
    lb_hash a, b;

    lb_hash_init(&a);
    lb_hash_add_text(&a, "ab");
    lb_hash_add_text(&a, "c");
    lb_hash_init(&b);
    lb_hash_add_text(&b, "a");
    lb_hash_add_text(&b, "bc");
    const lb_digest x = lb_hash_end(&a), y = lb_hash_end(&b);
    CHECK(memcmp(&x, &y, sizeof x) != 0);
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(json_is_written);
    RUN(json_is_edited);
    RUN(deep_json_fails_softly);
    RUN(findings_are_in_order);
    RUN(many_findings_are_cut);
    RUN(strange_files_are_refused);
    RUN(hashes_are_right);
    RUN(texts_are_told_apart);
    lb_arena_free(arena);
    return DONE();
}
