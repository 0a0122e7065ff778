/* test_loss_docs.c: docs/losses.md lists what `limbeck losses` does, and the loss that
 * docs/adding-a-loss.md walks through is the one built here, and is right. */
#include "loss_huber_logits.c"

#include "base/file.h"

#include <stdlib.h>

#include "loss_bench.h"

static const char *read_text(lb_arena *arena, const char *name)
{
    lb_error err = {0};
    lb_bytes bytes = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", getenv("LB_SOURCE"), name);
    CHECK_OK(lb_read_file(arena, path, 1 << 20, &bytes, &err), &err);
    const char *const text =
        lb_arena_copy_chars(arena, (const char *)bytes.data, bytes.size);
    return text ? text : "";
}

/* The row of a table that begins with `name`; NULL if there is none. */
static const char *row_of(lb_arena *arena, const char *text, const char *name)
{
    char start[80];

    snprintf(start, sizeof start, "\n| `%s` |", name);
    const char *const row = strstr(text, start);
    if (!row)
        return NULL;
    return lb_arena_copy_chars(arena, row + 1, strcspn(row + 1, "\n"));
}

/* Each loss has a row, with each of its own settings and what they usually are;
 * `standardise` has a chapter. */
static void the_table_lists_every_loss(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const text = read_text(arena, "docs/losses.md");
    char setting[128];
    int n = 0;

    for (const lb_loss *const *loss = lb_losses; *loss; loss++, n++) {
        const char *const row = row_of(arena, text, (*loss)->name);
        if (!row)
            printf("# docs/losses.md has no row for '%s'\n", (*loss)->name);
        CHECK(row != NULL);
        for (const lb_knob *k = (*loss)->knobs; row && k && k->name; k++) {
            if (k->words)
                snprintf(setting, sizeof setting, "`%s`", k->name);
            else
                snprintf(setting, sizeof setting, "`%s` %g", k->name, k->usual);
            CHECK_TEXT(row, setting);
        }
    }
    CHECK(n > 0);
    CHECK_TEXT(text, "`standardise`");
    lb_arena_free(arena);
}

/* Every row that begins with a name in a table names a loss. */
static void the_table_lists_nothing_else(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const text = read_text(arena, "docs/losses.md");
    char name[64];

    for (const char *row = text; (row = strstr(row, "\n| `")) != NULL; row += 4) {
        const size_t n = strcspn(row + 4, "`");
        snprintf(name, sizeof name, "%.*s", (int)n, row + 4);
        if (!lb_loss_find(name))
            printf("# docs/losses.md tells of '%s', which is no loss\n", name);
        CHECK(lb_loss_find(name) != NULL);
    }
    lb_arena_free(arena);
}

/* docs/weights.md lists the published weights that the losses state, and no others. */
static void the_weights_are_those_of_the_losses(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const text = read_text(arena, "docs/weights.md");
    const char *at = strstr(text, "| loss | as published |");
    char setting[128];
    int stated = 0, listed = 0;

    CHECK(at != NULL);
    for (const lb_loss *const *loss = lb_losses; at && *loss; loss++)
        for (const lb_preset *p = (*loss)->presets; p && p->name; p++, stated++) {
            const char *const row = row_of(arena, at, (*loss)->name);
            snprintf(setting, sizeof setting, "`%s` %g", p->name, p->weight);
            CHECK(row != NULL);
            if (row)
                CHECK_TEXT(row, setting);
        }
    for (at = at ? strstr(at, "\n| `") : NULL; at; at = strstr(at + 1, "\n| `"))
        for (const char *c = at + 1; *c && *c != '\n'; c++)
            listed += c[0] == '`' && c[1] == ' ' && c[2] >= '0' && c[2] <= '9';
    CHECK(stated > 30 && listed == stated);
    lb_arena_free(arena);
}

static void the_walk_through_is_this_file(void)
{
    lb_arena *const arena = lb_arena_new(0);
    const char *const docs = read_text(arena, "docs/adding-a-loss.md");
    const char *const file = read_text(arena, "tests/distill/loss_huber_logits.c");

    CHECK(strlen(file) > 500);
    CHECK(strstr(docs, file) != NULL);
    CHECK_TEXT(docs, "LB_LOSS(huber_logits)");
    lb_arena_free(arena);
}

/* Differences of 0.5, -2 and 0 with delta 1: 0.125, 1.5 and 0; slopes 0.5, -1 and 0. */
static void the_example_is_right(void)
{
    const lb_term term = lb_term_usual(&lb_loss_huber_logits, 1);
    const double zs[] = {1.5, -1, 3}, zt[] = {1, 1, 3};
    const int32_t y[] = {-1};
    double grad[3];

    bench t = open_bench(&term, 1, 1, 3);
    CHECK_NEAR(run(&t, zs, zt, y, grad), 1.625 / 3, 1e-15);
    CHECK_NEAR(grad[0], 0.5 / 3, 1e-15);
    CHECK_NEAR(grad[1], -1.0 / 3, 1e-15);
    CHECK_NEAR(grad[2], 0, 0);
    close_bench(&t);
}

static void the_example_is_differentiated(void)
{
    lb_term term = lb_term_usual(&lb_loss_huber_logits, 1);
    const int32_t y[] = {0, 1};
    const double h = 1e-6;
    double zs[] = {0.3, -1.9, 2.2, 4, 0.1, -7}, grad[6];
    const double zt[] = {1.1, 0.4, 2, -3, 0.7, -6.6};

    term.knobs[DELTA] = 0.5;
    bench t = open_bench(&term, 1, 2, 3);
    (void)run(&t, zs, zt, y, grad);
    for (int i = 0; i < 6; i++) {
        const double was = zs[i];
        zs[i] = was + h;
        const double up = run(&t, zs, zt, y, NULL);
        zs[i] = was - h;
        const double down = run(&t, zs, zt, y, NULL);
        zs[i] = was;
        CHECK_NEAR(grad[i], (up - down) / (2 * h), 1e-9);
    }
    close_bench(&t);
}

int main(void)
{
    if (!getenv("LB_SOURCE")) {
        printf("1..0 # SKIP LB_SOURCE is not set\n");
        return 0;
    }
    RUN(the_table_lists_every_loss);
    RUN(the_table_lists_nothing_else);
    RUN(the_weights_are_those_of_the_losses);
    RUN(the_walk_through_is_this_file);
    RUN(the_example_is_right);
    RUN(the_example_is_differentiated);
    return DONE();
}
