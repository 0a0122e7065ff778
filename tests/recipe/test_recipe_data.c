/* test_recipe_data.c: what a recipe says of samples without labels. */
#include "recipe_help.h"

static const char said[] = "data:\n"
                           "  source: idx\n"
                           "  path: .\n"
                           "  class_names: \"a, b\"\n"
                           "  unlabelled: {source: npy, path: r.yaml, fraction: 0.5}\n"
                           "  hidden_classes: [a, 7]\n"
                           "  omitted_classes: \"ankle boot\"\n"
                           "student: {model: ds-cnn}\n";

static void check_said(const lb_data_options *data)
{
    CHECK(strcmp(data->unlabelled.source, "npy") == 0);
    CHECK(strcmp(data->unlabelled.path, file) == 0);
    CHECK(data->unlabelled.fraction == 0.5);
    CHECK(data->hidden.n == 2 && strcmp(data->hidden.word[0], "a") == 0);
    CHECK(data->hidden.n == 2 && strcmp(data->hidden.word[1], "7") == 0);
    CHECK(data->omitted.n == 1 && strcmp(data->omitted.word[0], "ankle boot") == 0);
}

static void it_is_read_and_written(void)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL, *again = NULL;

    CHECK_OK(load(said, NULL, 0, arena, &r, &err), &err);
    const char *const text = r ? lb_recipe_text(r, arena) : NULL;
    CHECK_TEXT(text, "\n  hidden_classes: [a, \"7\"]\n"
                     "  omitted_classes: [\"ankle boot\"]\n");
    if (text)
        CHECK_OK(load(text, NULL, 0, arena, &again, &err), &err);
    if (r && again) {
        check_said(&r->data);
        check_said(&again->data);
        const char *const second = lb_recipe_text(again, arena);
        CHECK(second && strcmp(text, second) == 0);
    }
    lb_arena_free(arena);
}

/* One word names data, too; none is none, and says nothing. */
static void a_word_will_do(void)
{
    static const char *const words[] = {"data.unlabelled=npy:r.yaml",
                                        "data.unlabelled=none", "data.hidden_classes=[]"};
    lb_arena *const arena = lb_arena_new(0);
    lb_error err = {0};
    lb_recipe *r = NULL;

    CHECK_OK(load(least, words, 1, arena, &r, &err), &err);
    if (r) {
        CHECK(strcmp(r->data.unlabelled.source, "npy") == 0);
        CHECK(strcmp(r->data.unlabelled.path, file) == 0);
        CHECK(r->data.unlabelled.fraction == 1);
    }
    CHECK_OK(load(said, words + 1, 2, arena, &r, &err), &err);
    CHECK(r && !r->data.unlabelled.path && r->data.hidden.n == 0);
    CHECK(r && !strstr(lb_recipe_text(r, arena), "unlabelled"));
    lb_arena_free(arena);
}

static void mistakes_are_told(void)
{
    static const char *const cases[][2] = {
        {"data.unlabelled=idx", "unlabelled: 'idx' names no data; write SOURCE:PATH"},
        {"data.unlabelled=idx:nowhere", "unlabelled: there is no '"},
        {"data.unlabelled=ixd:r.yaml", "no data source is called 'ixd'; did you mean"},
        {"data.unlabelled={source: idx}", "'path' is missing in 'unlabelled'"},
        {"data.unlabelled={path: r.yaml, fraction: 2}", "fraction must be between"},
        {"data.unlabelled={path: r.yaml, labels: all}", "no key is called 'labels'"},
        {"data.unlabelled=[r.yaml]", "'unlabelled' must be a map of keys, not a list"},
        {"data.hidden_classes={a: 1}", "hidden_classes must be a list of classes"},
        {"data.omitted_classes=[[a]]", "omitted_classes must be one value, not a list"},
        {"data.hidden_clases=[a]", "did you mean 'hidden_classes'?"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_error err = {0};
        lb_recipe *r = NULL;
        CHECK(load(least, cases[i], 1, arena, &r, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, cases[i][1]);
        lb_arena_free(arena);
    }
}

int main(void)
{
    begin();
    RUN(it_is_read_and_written);
    RUN(a_word_will_do);
    RUN(mistakes_are_told);
    end();
    return DONE();
}
