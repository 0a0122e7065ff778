/* tflite_findings.c: what cannot be taken, gathered to be told together. */
#include "tflite/tflite_int.h"

#include <stdio.h>

void lb_tfl_complain(lb_tfl_reader *r, bool malformed, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lb_findings_tell(&r->findings, malformed, format, args);
    va_end(args);
}

lb_value lb_tfl_reject(lb_tfl_reader *r, lb_tfl_node *node, bool malformed,
                       const char *format, ...)
{
    const lb_tfl_op *const op = node->op;
    const char *const tensor =
        op->n_out > 0 ? r->file.tensor[op->out[0]].name : "nothing";
    char text[360];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!node->refused)
        lb_tfl_complain(r, malformed, "operator %d (%s%s%.60s) of '%.100s': %s",
                        node->index, lb_tfl_op_name(op->code), op->custom ? " " : "",
                        op->custom ? op->custom : "", tensor, text);
    node->refused = true;
    return (lb_value){0};
}
