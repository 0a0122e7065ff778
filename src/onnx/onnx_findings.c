/* onnx_findings.c: what cannot be taken, gathered to be told together. */
#include "onnx/onnx_int.h"

#include <stdio.h>

void lb_onnx_complain(lb_onnx_reader *r, bool malformed, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lb_findings_tell(&r->findings, malformed, format, args);
    va_end(args);
}

void lb_onnx_refuse(lb_onnx_reader *r, lb_onnx_node *node, const char *format, ...)
{
    char text[480];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!node->refused)
        lb_onnx_complain(r, false, "node '%.100s' (%.60s, opset %d): %s", node->shown,
                         node->proto->op_type ? node->proto->op_type : "", r->opset,
                         text);
    node->refused = true;
}

const lb_tensor *lb_onnx_constant(const lb_onnx_reader *r, lb_value v)
{
    const lb_value_info *const info = lb_info(r->b.graph, v);

    return info->kind == LB_VALUE_CONSTANT ? info->tensor : NULL;
}
