/* test_key.c: settings from text and back; did you mean. */
#include "base/key.h"
#include "base/number.h"

#include "check.h"

typedef struct options {
    int epochs, flavour;
    double rate, size, time, energy, form;
    bool on;
    const char *name;
    lb_numbers list;
    uint64_t seed;
} options;

static const char *const flavours[] = {"sweet", "sour", "salty", NULL};

#define AT(field) offsetof(options, field)
static const lb_key keys[] = {
    {"epochs", LB_KEY_INT, AT(epochs), 1, 1000, "10", NULL, "help"},
    {"temperature", LB_KEY_FLOAT, AT(rate), 0.1, 100, "4", NULL, "help"},
    {"on", LB_KEY_BOOL, AT(on), 0, 0, "true", NULL, "help"},
    {"name", LB_KEY_TEXT, AT(name), 0, 0, NULL, NULL, "help"},
    {"flavour", LB_KEY_CHOICE, AT(flavour), 0, 0, "sour", flavours, "help"},
    {"form", LB_KEY_WORD, AT(form), 0, 0, "sour", flavours, "help"},
    {"size", LB_KEY_BYTES, AT(size), 0, 0, "64K", NULL, "help"},
    {"time", LB_KEY_SECONDS, AT(time), 0, 0, "50ms", NULL, "help"},
    {"energy", LB_KEY_JOULES, AT(energy), 0, 0, "", NULL, "help"},
    {"list", LB_KEY_NUMBERS, AT(list), 0, 0, "[0.485, 0.456]", NULL, "help"},
    {"seed", LB_KEY_UNSIGNED, AT(seed), 0, 0, "1", NULL, "help"},
    {0},
};

static lb_arena *arena;

static bool sets(options *o, const char *name, const char *text)
{
    lb_error err = {0};

    return lb_key_set(lb_key_find(keys, name), o, text, arena, &err) == LB_OK;
}

static void refuses(const char *name, const char *text, const char *message)
{
    lb_error err = {0};
    options o = {0}, before = {0};

    CHECK(lb_key_set(lb_key_find(keys, name), &o, text, arena, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, message);
    CHECK(memcmp(&o, &before, sizeof o) == 0);
}

static void defaults_are_set(void)
{
    options o = {0};
    lb_error err = {0};

    CHECK_OK(lb_keys_defaults(keys, &o, arena, &err), &err);
    CHECK(o.epochs == 10 && o.rate == 4 && o.on && o.flavour == 1 && o.form == 1 &&
          o.size == 65536);
    CHECK(o.time == 0.05 && o.energy == 0 && !o.name && o.seed == 1);
    CHECK(o.list.n == 2 && o.list.value[1] == 0.456);
}

static void values_are_read(void)
{
    options o = {0};

    CHECK(sets(&o, "temperature", "5e-1") && o.rate == 0.5);
    CHECK(sets(&o, "temperature", ".5") && sets(&o, "temperature", "+1."));
    CHECK(sets(&o, "size", "1.5M") && o.size == 1572864);
    CHECK(sets(&o, "size", "1000") && o.size == 1000);
    CHECK(sets(&o, "size", "2KiB") && o.size == 2048);
    CHECK(sets(&o, "time", "300us") && o.time == 0.0003);
    CHECK(sets(&o, "energy", "2mJ") && o.energy == 0.002);
    CHECK(sets(&o, "energy", "0") && o.energy == 0);
    CHECK(sets(&o, "seed", "18446744073709551615") && o.seed == UINT64_MAX);
    CHECK(sets(&o, "list", "1, -2,3e2") && o.list.n == 3 && o.list.value[2] == 300);
    CHECK(sets(&o, "list", "[]") && o.list.n == 0);
    CHECK(sets(&o, "list", "7") && o.list.n == 1);
    CHECK(sets(&o, "name", "x y") && strcmp(o.name, "x y") == 0);
}

static void wrong_values_are_refused(void)
{
    refuses("temperature", "-4", "temperature must be between 0.1 and 100, not -4");
    refuses("temperature", "nan", "temperature must be a number, not 'nan'");
    refuses("temperature", "inf", "must be a number");
    refuses("temperature", "0x10", "must be a number");
    refuses("temperature", "1e999", "must be a number");
    refuses("temperature", " 1", "must be a number");
    refuses("temperature", "1 ", "must be a number");
    refuses("temperature", "1,5", "must be a number");
    refuses("temperature", "", "must be a number");
    refuses("temperature", ".", "must be a number");
    refuses("epochs", "3.5", "epochs must be a whole number, not '3.5'");
    refuses("epochs", "99999999999999999999", "must be a whole number");
    refuses("epochs", "4000000000", "epochs must be between 1 and 1000, not 4000000000");
    refuses("on", "yes", "on must be true or false, not 'yes'");
    refuses("name", "", "name must not be empty");
    refuses("flavour", "swet",
            "flavour must be sweet, sour or salty, not 'swet'; did you mean 'sweet'?");
    refuses("form", "1", "form must be sweet, sour or salty, not '1'");
    refuses("size", "64Q", "size must be a size such as 64K or 2M");
    refuses("size", "-1K", "must be a size");
    refuses("time", "50", "a time with its unit, such as 50ms or 2s, not '50'");
    refuses("energy", "2kJ", "energy must be an energy with its unit");
    refuses("list", "[1, 2", "a list of at most 16 numbers");
    refuses("list", "1,,2", "a list of at most 16 numbers");
    refuses("list", "1,", "a list of at most 16 numbers");
    refuses("list", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "a list of at most 16 numbers");
    refuses("seed", "18446744073709551616", "seed must be below 2^64");
    refuses("seed", "-1", "seed must be a whole number from 0 on");
}

static void text_reads_back(void)
{
    static const struct {
        const char *name, *text, *back;
    } rows[] = {
        {"epochs", "3", "3"},
        {"temperature", "0.1", "0.1"},
        {"temperature", "1e1", "10"},
        {"on", "false", "false"},
        {"flavour", "salty", "salty"},
        {"size", "1048576", "1M"},
        {"size", "1500", "1500"},
        {"time", "0.05s", "50ms"},
        {"time", "2s", "2s"},
        {"energy", "40uJ", "40uJ"},
        {"form", "salty", "salty"},
        {"list", "1,.5", "[1, 0.5]"},
        {"seed", "7", "7"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const lb_key *const key = lb_key_find(keys, rows[i].name);
        options o = {0};
        CHECK(sets(&o, rows[i].name, rows[i].text));
        const char *const text = lb_key_text(key, &o, arena);
        CHECK_TEXT(text, rows[i].back);
        CHECK(strlen(text) == strlen(rows[i].back));
    }
}

static void numbers_read_back(void)
{
    static const double values[] = {0.1,       1.0 / 3, 5e-324, 1.7976931348623157e308,
                                    123456789, -2.5e-7, 1e15,   4.35};
    char text[LB_NUMBER_TEXT];
    double back;

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        lb_number_text(values[i], text);
        CHECK(lb_number_parse(text, strlen(text), &back) && back == values[i]);
    }
    CHECK(strcmp(lb_number_text(100, text), "100") == 0);
    CHECK(strcmp(lb_number_text(0.1, text), "0.1") == 0);
}

static void near_words_are_found(void)
{
    static const char *const names[] = {"temperature", "weight", "attention",
                                        "kd",          "ce",     "label_smoothing"};
    const int n = (int)(sizeof names / sizeof names[0]);

    CHECK(lb_nearest("atention", names, n) == names[2]);
    CHECK(lb_nearest("wieght", names, n) == names[1]);
    CHECK(lb_nearest("TEMPERATURE", names, n) == names[0]);
    CHECK(lb_nearest("temp", names, n) == names[0]);
    CHECK(lb_nearest("kf", names, n) == names[3]);
    CHECK(lb_nearest("label-smoothing", names, n) == names[5]);
    CHECK(lb_nearest("banana", names, n) == NULL);
    CHECK(lb_nearest("", names, n) == NULL);
    CHECK(lb_nearest("temperature", NULL, 0) == NULL);
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(defaults_are_set);
    RUN(values_are_read);
    RUN(wrong_values_are_refused);
    RUN(text_reads_back);
    RUN(numbers_read_back);
    RUN(near_words_are_found);
    lb_arena_free(arena);
    return DONE();
}
