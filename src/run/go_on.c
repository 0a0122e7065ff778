/* go_on.c: the command line that goes on with what was interrupted. */
#include "run/go_on.h"

/* In single quotes, where a shell reads nothing but the quote itself. */
static void add_quoted(lb_text *line, const char *word)
{
    lb_text_add_char(line, '\'');
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            lb_text_add(line, "'\\''");
        else
            lb_text_add_char(line, *c);
    lb_text_add_char(line, '\'');
}

void lb_go_on_add(lb_text *line, const char *name, const char *const *values, int n)
{
    for (int i = 0; i < n; i++) {
        lb_text_add(line, " --%s ", name);
        add_quoted(line, values[i]);
    }
}

void lb_go_on_add_common(lb_text *line, const lb_run_options *options)
{
    static const char *const kernels[] = {"best", "native", "onednn", "reference"};

    if (options->kernels)
        lb_text_add(line, " --kernels %s", kernels[options->kernels]);
    if (options->conv_direct)
        lb_text_add(line, " --conv direct");
}
