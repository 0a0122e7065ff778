/* help.c: prints the rows of the commands for people. */
#include "cli/help.h"

#include "cli/options.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

static const char about[] =
    "limbeck distils neural networks for small devices: a big network teaches a small "
    "one,\nwhich leaves as ONNX, as C99 firmware and with a report of how well it "
    "learnt.";

static const struct {
    int code;
    const char *meaning;
} exits[] = {{0, "done"},
             {1, "it failed"},
             {2, "the command line, the recipe or an input file is wrong"},
             {3, "the student does not fit the device"},
             {130, "interrupted; a checkpoint was written, --resume goes on"}};
enum { N_EXITS = sizeof exits / sizeof exits[0] };

static void print_option(const lb_option *option)
{
    char left[64];

    snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter ? "-" : "",
             option->letter ? option->letter : ' ', option->letter ? ", " : "   ",
             option->name, option->value ? " " : "", option->value ? option->value : "");
    printf("  %-27s %s\n", left, option->help);
}

static void print_options(const lb_option *options)
{
    for (; options && options->name; options++)
        print_option(options);
}

static void print_program(void)
{
    printf("%s\n\nusage: limbeck COMMAND [options]\n\ncommands:\n", about);
    for (const lb_cmd *const *cmd = lb_cmds; *cmd; cmd++)
        printf("  %-10s %s\n", (*cmd)->name, (*cmd)->help);
    printf("\noptions of every command:\n");
    print_options(lb_common_options);
    printf("\n`limbeck COMMAND --help` tells more; `limbeck --version` the version.\n"
           "exit codes: ");
    for (int i = 0; i < N_EXITS; i++)
        printf("%s%d %s",
               i == 0   ? ""
               : i == 1 ? ", "
                        : "\n            ",
               exits[i].code, exits[i].meaning);
    printf("\n");
}

void lb_help_print(const lb_cmd *cmd)
{
    if (!cmd) {
        print_program();
        return;
    }
    printf("%s: %s\n\nusage: limbeck %s%s%s\n", cmd->name, cmd->help, cmd->name,
           *cmd->usage ? " " : "", cmd->usage);
    if (cmd->detail)
        printf("\n%s\n", cmd->detail);
    if (cmd->options && cmd->options->name)
        printf("\noptions:\n");
    print_options(cmd->options);
    printf("\noptions of every command:\n");
    print_options(lb_common_options);
    if (cmd->example)
        printf("\nexample:\n  %s\n", cmd->example);
}

/* Troff reads '-' as a hyphen, and a dot or a quote at the start of a line as its own. */
static void roff(const char *text)
{
    bool start = true;

    for (const char *c = text; *c; c++) {
        if (start && (*c == '.' || *c == '\''))
            fputs("\\&", stdout);
        if (*c == '-')
            fputs("\\-", stdout);
        else if (*c == '\\')
            fputs("\\e", stdout);
        else
            fputc(*c, stdout);
        start = *c == '\n';
    }
}

static void roff_options(const lb_option *options)
{
    for (; options && options->name; options++) {
        printf(".TP\n");
        if (options->letter)
            printf("\\fB\\-%c\\fR, ", options->letter);
        printf("\\fB\\-\\-");
        roff(options->name);
        printf("\\fR");
        if (options->value) {
            printf(" \\fI");
            roff(options->value);
            printf("\\fR");
        }
        printf("\n");
        roff(options->help);
        printf("\n");
    }
}

static void roff_command(const lb_cmd *cmd)
{
    printf(".SS ");
    roff(cmd->name);
    printf("\n\\fBlimbeck %s\\fR ", cmd->name);
    roff(cmd->usage);
    printf("\n.PP\n");
    roff(cmd->help);
    printf(".\n");
    if (cmd->detail) {
        printf(".PP\n");
        roff(cmd->detail);
        printf("\n");
    }
    roff_options(cmd->options);
    if (cmd->example) {
        printf(".PP\n.EX\n");
        roff(cmd->example);
        printf("\n.EE\n");
    }
}

static void roff_key(void *arg, const char *full_name, const lb_key *key)
{
    (void)arg;
    printf(".TP\n\\fB");
    roff(full_name);
    printf("\\fR");
    if (key->usual && *key->usual) {
        printf(" (");
        roff(key->usual);
        printf(")");
    }
    printf("\n");
    roff(key->help);
    printf("\n");
}

void lb_help_man(void)
{
    printf(".TH LIMBECK 1 \"\" \"limbeck " LB_VERSION "\" \"User Commands\"\n"
           ".SH NAME\nlimbeck \\- distils neural networks for small devices\n"
           ".SH SYNOPSIS\n\\fBlimbeck\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
           ".SH DESCRIPTION\n");
    roff(about);
    printf("\n.SH COMMANDS\n");
    for (const lb_cmd *const *cmd = lb_cmds; *cmd; cmd++)
        roff_command(*cmd);
    printf(".SH OPTIONS\nEvery command takes these:\n");
    roff_options(lb_common_options);
    printf(".SH RECIPE KEYS\nWith their usual values; 'distill' is a list, and each loss "
           "has "
           "settings of its own.\n");
    lb_recipe_each_key(roff_key, NULL);
    printf(".SH EXIT STATUS\n");
    for (int i = 0; i < N_EXITS; i++) {
        printf(".TP\n%d\n", exits[i].code);
        roff(exits[i].meaning);
        printf("\n");
    }
    printf(".SH ENVIRONMENT\n.TP\nNO_COLOR\nIf set, no colours.\n"
           ".TP\nCC\nThe compiler that checks emitted firmware.\n");
}
