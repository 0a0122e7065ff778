/* ops.h: the table of operators. To add one, write src/ops/op_NAME.c (a file may hold a
 * family) and add a line LB_OP(file_stem, Name) to ops.def; import, export, the gradient
 * test and the docs follow from that. */
#ifndef LB_OPS_OPS_H
#define LB_OPS_OPS_H

#include "graph/op.h"

/* Every operator, in the table's order; ends with NULL. */
extern const lb_op *const lb_ops[];

/* NULL if no operator has that name. */
const lb_op *lb_op_find(const char *name);

#define LB_OP(stem, name) extern const lb_op lb_op_##name;
#include "ops/ops.def"
#undef LB_OP

#endif
