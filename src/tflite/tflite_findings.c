/* tflite_findings.c: what cannot be taken, gathered to be told together. */
#include "tflite/tflite_int.h"

#include <stdio.h>

void lb_tfl_complain(lb_tfl_reader *r, bool malformed, const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->malformed = r->malformed || malformed;
    lb_findings_add(&r->findings, 0, 0, "%s", text);
}

static void tell(lb_tfl_reader *r, lb_tfl_node *node, bool malformed, const char *text)
{
    const lb_tfl_op *const op = node->op;
    const char *const tensor =
        op->n_out > 0 ? r->file.tensor[op->out[0]].name : "nothing";

    if (!node->refused)
        lb_tfl_complain(r, malformed, "operator %d (%s%s%.60s) of '%.100s': %s",
                        node->index, lb_tfl_op_name(op->code), op->custom ? " " : "",
                        op->custom ? op->custom : "", tensor, text);
    node->refused = true;
}

lb_value lb_tfl_refuse(lb_tfl_reader *r, lb_tfl_node *node, const char *format, ...)
{
    char text[360];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(r, node, false, text);
    return (lb_value){0};
}

lb_value lb_tfl_blame(lb_tfl_reader *r, lb_tfl_node *node, const char *format, ...)
{
    char text[360];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(r, node, true, text);
    return (lb_value){0};
}
