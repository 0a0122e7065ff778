/* test_recipe_hostile.c: whatever the file holds, loading ends, in words. */
#include "recipe_help.h"

#include "base/rng.h"

/* Returns the code; on failure there must be words that name the file or the --set. */
static lb_code try_bytes(const char *bytes, size_t n)
{
    lb_arena *const arena = lb_arena_new((size_t)64 << 20);
    lb_error err = {0};
    lb_recipe *r = NULL;
    const lb_code code = load_bytes(bytes, n, NULL, 0, arena, &r, &err);

    CHECK(code == LB_OK || code == LB_ERR_INPUT || code == LB_ERR_MEMORY);
    CHECK((code == LB_OK) == (r != NULL));
    if (code != LB_OK)
        CHECK_TEXT(err.text, "r.yaml");
    for (const char *c = err.text; *c; c++)
        CHECK((unsigned char)*c >= 0x20 || *c == '\n');
    lb_arena_free(arena);
    return code;
}

static void cut_at_every_length(void)
{
    const size_t n = sizeof full - 1;
    int good = 0;

    for (size_t i = 0; i < n; i++)
        good += try_bytes(full, i) == LB_OK;
    CHECK(try_bytes(full, n) == LB_OK);
    CHECK(good < (int)n / 2); /* without a student there is no recipe */
}

static void changed_bytes(void)
{
    lb_rng rng = lb_rng_make(7, LB_RNG_TEST, 0, 0);
    char text[sizeof full];

    for (int round = 0; round < 600; round++) {
        memcpy(text, full, sizeof full);
        for (int k = 0; k < 1 + round % 5; k++)
            text[lb_rng_below(&rng, sizeof full - 1)] = (char)lb_rng_below(&rng, 256);
        try_bytes(text, sizeof full - 1);
    }
}

static void garbage(void)
{
    lb_rng rng = lb_rng_make(8, LB_RNG_TEST, 0, 0);
    char text[512];

    for (int round = 0; round < 300; round++) {
        const size_t n = (size_t)lb_rng_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)lb_rng_below(&rng, 256);
        if (n)
            CHECK(try_bytes(text, n) != LB_OK);
    }
}

static void nests_and_floods(void)
{
    enum { MANY = 200000 };
    char *const text = malloc(MANY * 5 + 1);

    if (!text) {
        SKIP("no memory");
        return;
    }
    memset(text, '[', MANY);
    CHECK(try_bytes(text, MANY) == LB_ERR_INPUT);
    memset(text, '{', MANY);
    CHECK(try_bytes(text, MANY) == LB_ERR_INPUT);
    for (int i = 0; i < MANY; i++)
        snprintf(text + 5 * i, 6, "- 1\n\n");
    CHECK(try_bytes(text, MANY * 5) == LB_ERR_INPUT);
    for (int i = 0; i < MANY; i++)
        snprintf(text + 5 * i, 6, "%c%c:\n\n", 'a' + i / 26 % 26, 'a' + i % 26);
    CHECK(try_bytes(text, MANY * 5) == LB_ERR_INPUT);
    free(text);
}

static void what_yaml_has_and_recipes_do_not(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"a: &x [1]\nb: *x\n", "r.yaml:1:4: anchors (&name) have no place"},
        {"a: *x\n", "r.yaml:1:4: aliases (*name) have no place"},
        {"a: !!python/object x\n", "r.yaml:1:4: tags (!name) have no place"},
        {"a: 1\n---\nb: 2\n", "a recipe is one document, not several"},
        {"? [a]\n: 1\n", "a key must be a word"},
        {"a: \"\\0\"\n", "a zero byte has no place"},
        {"a: 'never closed\n", "not valid YAML"},
        {"a:\n\t- 1\n", "not valid YAML"},
        {"a: \xff\n", "not a text in UTF-8"},
        {"<<: {a: 1}\n", "no key is called '<<'"},
        {"na\\x1b[31mme: \"\\x1b[2J\"\n", "no key is called"},
        {"\"\\x1b[2J\": 1\n", "no key is called '?[2J'"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_error err = {0};
        lb_recipe *r;
        CHECK(load(cases[i].text, NULL, 0, arena, &r, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, cases[i].words);
        lb_arena_free(arena);
    }
}

static void files_that_are_no_recipes(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r;

    CHECK(lb_recipe_load("/nowhere/at/all.yaml", NULL, 0, arena, &r, &err) ==
          LB_ERR_INPUT);
    CHECK_TEXT(err.text, "/nowhere/at/all.yaml");
    CHECK(lb_recipe_load(folder, NULL, 0, arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, folder);
    CHECK(lb_recipe_load("/dev/zero", NULL, 0, arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "/dev/zero");
    lb_arena_free(arena);
}

/* The n-th piece of memory is refused, for every n until the recipe loads. */
static void memory_runs_out(void)
{
    lb_error err = {0};
    lb_code code = LB_ERR_MEMORY;
    int n = 0;

    CHECK_OK(lb_write_file(file, full, sizeof full - 1, &err), &err);
    for (; code != LB_OK && n < 100000; n++) {
        const char *const sets[] = {"train.epochs=3", "device.sram=64K"};
        lb_arena *const arena = lb_arena_new(0);
        lb_recipe *r = NULL;
        lb_arena_fail_after(n);
        code = lb_recipe_load(file, sets, 2, arena, &r, &err);
        const char *const text = code == LB_OK ? lb_recipe_text(r, arena) : NULL;
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
        if (code == LB_OK && !text)
            code = LB_ERR_MEMORY;
        lb_arena_free(arena);
    }
    CHECK(code == LB_OK && n > 20);
}

int main(void)
{
    begin();
    RUN(cut_at_every_length);
    RUN(changed_bytes);
    RUN(garbage);
    RUN(nests_and_floods);
    RUN(what_yaml_has_and_recipes_do_not);
    RUN(files_that_are_no_recipes);
    RUN(memory_runs_out);
    end();
    return DONE();
}
