/* options.c: parses the command line against the rows of the commands. */
#include "cli/options.h"

#include "base/key.h"

#include <assert.h>
#include <string.h>

enum { MOST_NAMES = 96 };

const lb_option lb_common_options[] = {
    {.name = "json", .help = "one JSON object on stdout, for programs"},
    {.name = "quiet", .help = "no progress"},
    {.name = "threads", .value = "N", .help = "threads to use; usually all"},
    {.name = "kernels",
     .value = "TABLE",
     .help = "native, onednn or reference kernels; usually the fastest"},
    {.name = "conv",
     .value = "direct",
     .help = "no Winograd: slower, a little more exact"},
    {.name = "debug", .help = "say where an error was raised"},
    {.name = "help", .letter = 'h', .help = "this text"},
    {0},
};

static const lb_option main_options[] = {
    {.name = "version", .letter = 'V', .help = "the version"},
    {.name = "man", .help = "the man page, in troff"},
    {0},
};

typedef struct parse {
    lb_arena *arena;
    lb_request *out;
    const char **word, **name, **value; /* room for argc each */
    lb_error *err;
} parse;

static const lb_option *find_in(const lb_option *options, const char *name, size_t n,
                                char letter)
{
    for (; options && options->name; options++) {
        if (letter && options->letter == letter)
            return options;
        if (!letter && strlen(options->name) == n && strncmp(options->name, name, n) == 0)
            return options;
    }
    return NULL;
}

static const lb_option *find_option(const lb_cmd *cmd, const char *name, size_t n,
                                    char letter)
{
    const lb_option *found = find_in(cmd ? cmd->options : main_options, name, n, letter);

    return found ? found : find_in(lb_common_options, name, n, letter);
}

static lb_code unknown_option(const parse *p, const char *name, size_t n)
{
    const lb_cmd *const cmd = p->out->args.cmd;
    const lb_option *const tables[] = {cmd ? cmd->options : main_options,
                                       lb_common_options};
    const char *names[MOST_NAMES];
    const char *const word = lb_arena_copy_chars(p->arena, name, n);
    int n_names = 0;

    for (int t = 0; t < 2; t++)
        for (const lb_option *o = tables[t]; o && o->name && n_names < MOST_NAMES; o++)
            names[n_names++] = o->name;
    const char *const near = word ? lb_nearest(word, names, n_names) : NULL;
    const char *const what = cmd ? cmd->name : "limbeck";
    if (near)
        return lb_raise(p->err, LB_ERR_INPUT,
                        "%s has no option '--%.80s'; did you mean '--%s'?", what, word,
                        near);
    return lb_raise(p->err, LB_ERR_INPUT,
                    "%s has no option '--%.80s'; `limbeck %s%s--help` lists them", what,
                    word ? word : "", cmd ? cmd->name : "", cmd ? " " : "");
}

static lb_code take_threads(lb_args *args, const char *value, lb_error *err)
{
    const lb_key key = {.name = "--threads", .type = LB_KEY_INT, .min = 1, .max = 64};

    return lb_key_set(&key, &args->threads, value, NULL, err);
}

static lb_code take_kernels(lb_args *args, const char *value, lb_error *err)
{
    static const char *const names[] = {"best", "native", "onednn", "reference", NULL};
    const lb_key key = {.name = "--kernels", .type = LB_KEY_CHOICE, .choices = names};
    int kernels = 0;

    LB_TRY(lb_key_set(&key, &kernels, value, NULL, err));
    args->kernels = (lb_kernels)kernels;
    return LB_OK;
}

/* Options of every command go into their fields, the others into the list. */
static lb_code take_option(parse *p, const lb_option *option, const char *value)
{
    assert(value || !option->value);

    lb_request *const out = p->out;
    const char *const name = option->name;

    if (strcmp(name, "json") == 0)
        out->args.json = true;
    else if (strcmp(name, "quiet") == 0)
        out->args.quiet = true;
    else if (strcmp(name, "debug") == 0)
        out->args.debug = true;
    else if (strcmp(name, "help") == 0)
        out->help = true;
    else if (strcmp(name, "version") == 0)
        out->version = true;
    else if (strcmp(name, "man") == 0)
        out->man = true;
    else if (strcmp(name, "threads") == 0)
        return take_threads(&out->args, value, p->err);
    else if (strcmp(name, "kernels") == 0)
        return take_kernels(&out->args, value, p->err);
    else if (strcmp(name, "conv") == 0 && value && strcmp(value, "direct") != 0)
        return lb_raise(p->err, LB_ERR_INPUT, "--conv must be direct, not '%.80s'",
                        value);
    else if (strcmp(name, "conv") == 0)
        out->args.conv_direct = true;
    else if (!option->many && lb_arg_switch(&out->args, name))
        return lb_raise(p->err, LB_ERR_INPUT, "--%s is given twice", name);
    else {
        p->name[out->args.n_given] = name;
        p->value[out->args.n_given++] = value;
    }
    return LB_OK;
}

/* argv[*i] is an option; steps over its value. */
static lb_code parse_option(parse *p, int argc, char *const *argv, int *i)
{
    const char *const word = argv[*i];
    const bool is_long = word[1] == '-';
    const char *const name = is_long ? word + 2 : word + 1;
    const char *const equals = is_long ? strchr(name, '=') : NULL;
    const size_t n = equals ? (size_t)(equals - name) : is_long ? strlen(name) : 1;
    const lb_option *const option =
        find_option(p->out->args.cmd, name, n, is_long ? '\0' : name[0]);
    const char *value = NULL;

    if (!option && is_long)
        return unknown_option(p, name, n);
    if (!option)
        return lb_raise(p->err, LB_ERR_INPUT, "there is no option '-%.80s'", name);
    if (equals && !option->value)
        return lb_raise(p->err, LB_ERR_INPUT, "--%s takes no value", option->name);
    if (!is_long && name[1] && !option->value)
        return lb_raise(p->err, LB_ERR_INPUT, "there is no option '-%.80s'", name);
    if (equals)
        value = equals + 1;
    else if (option->value && !is_long && name[1])
        value = name + 1;
    else if (option->value && *i + 1 < argc)
        value = argv[++*i];
    else if (option->value)
        return lb_raise(p->err, LB_ERR_INPUT, "--%s needs a value: %s", option->name,
                        option->value);
    return take_option(p, option, value);
}

static lb_code find_command(parse *p, const char *word)
{
    const char *names[MOST_NAMES];
    int n = 0;

    for (const lb_cmd *const *cmd = lb_cmds; *cmd && n < MOST_NAMES; cmd++) {
        names[n++] = (*cmd)->name;
        if (strcmp((*cmd)->name, word) == 0) {
            p->out->args.cmd = *cmd;
            return LB_OK;
        }
    }
    if (strcmp(word, "help") == 0) {
        p->out->help = true;
        return LB_OK;
    }
    const char *const near = lb_nearest(word, names, n);
    if (near)
        return lb_raise(p->err, LB_ERR_INPUT,
                        "no command is called '%.80s'; did you mean '%s'?", word, near);
    return lb_raise(p->err, LB_ERR_INPUT,
                    "no command is called '%.80s'; `limbeck --help` lists them", word);
}

static lb_code check_words(const lb_args *args, lb_error *err)
{
    const lb_cmd *const cmd = args->cmd;

    if (args->n_words < cmd->min_words)
        return lb_raise(err, LB_ERR_INPUT, "something is missing; usage: limbeck %s %s",
                        cmd->name, cmd->usage);
    if (args->n_words > cmd->max_words)
        return lb_raise(err, LB_ERR_INPUT, "'%.200s' is too much; usage: limbeck %s %s",
                        args->word[cmd->max_words], cmd->name, cmd->usage);
    return LB_OK;
}

static lb_code parse_all(parse *p, int argc, char *const *argv)
{
    lb_args *const args = &p->out->args;
    bool ended = false;

    for (int i = 1; i < argc; i++) {
        const char *const word = argv[i];
        if (!ended && strcmp(word, "--") == 0)
            ended = true;
        else if (!ended && word[0] == '-' && word[1])
            LB_TRY(parse_option(p, argc, argv, &i));
        else if (!args->cmd)
            LB_TRY(find_command(p, word));
        else
            p->word[args->n_words++] = word;
    }
    return args->cmd && !p->out->help ? check_words(args, p->err) : LB_OK;
}

lb_code lb_options_parse(int argc, char *const *argv, lb_arena *arena, lb_request *out,
                         lb_error *err)
{
    const int room = argc > 0 ? argc : 1;
    parse p = {.arena = arena, .out = out, .err = err};

    *out = (lb_request){0};
    p.word = LB_TAKE_ARRAY(arena, room, const char *);
    p.name = LB_TAKE_ARRAY(arena, room, const char *);
    p.value = LB_TAKE_ARRAY(arena, room, const char *);
    if (!p.word || !p.name || !p.value)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the command line");
    out->args.word = p.word;
    out->args.given_name = p.name;
    out->args.given_value = p.value;
    return parse_all(&p, argc, argv);
}

const char *lb_arg(const lb_args *args, const char *name)
{
    for (int i = 0; i < args->n_given; i++)
        if (strcmp(args->given_name[i], name) == 0)
            return args->given_value[i];
    return NULL;
}

bool lb_arg_switch(const lb_args *args, const char *name)
{
    for (int i = 0; i < args->n_given; i++)
        if (strcmp(args->given_name[i], name) == 0)
            return true;
    return false;
}

int lb_args_many(const lb_args *args, const char *name, const char **out, int most)
{
    int n = 0;

    for (int i = 0; i < args->n_given && n < most; i++)
        if (strcmp(args->given_name[i], name) == 0)
            out[n++] = args->given_value[i];
    return n;
}

lb_code lb_arg_by_key(const lb_args *args, const lb_key *key, void *to, lb_error *err)
{
    const char *const text = lb_arg(args, key->name + strlen("--"));

    return text ? lb_key_set(key, to, text, NULL, err) : LB_OK;
}
