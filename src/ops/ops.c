/* ops.c: the table of operators. */
#include "ops/ops.h"

#include <string.h>

const lb_op *const lb_ops[] = {
#define LB_OP(stem, name) &lb_op_##name,
#include "ops/ops.def"
#undef LB_OP
    NULL,
};

const lb_op *lb_op_find(const char *name)
{
    for (const lb_op *const *op = lb_ops; *op; op++)
        if (strcmp((*op)->name, name) == 0)
            return *op;
    return NULL;
}
