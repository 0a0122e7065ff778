/* autodiff.h: reverse-mode differentiation that adds graph nodes. */
#ifndef LB_GRAPH_AUTODIFF_H
#define LB_GRAPH_AUTODIFF_H

#include "graph/builder.h"

/* How gradients are begun and added up; filled by ops/, since these name operators. */
typedef struct lb_diff_verbs {
    lb_value (*one)(lb_builder *b, lb_value like);          /* ones of that type */
    lb_value (*add)(lb_builder *b, lb_value x, lb_value y); /* same shapes */
} lb_diff_verbs;

/* Adds nodes that compute the gradient of `of` (a scalar) with respect to each of
 * wrt[0..n-1] into out[0..n-1]; {0} where `of` does not depend on it. Contributions are
 * added in node order, last user first. */
void lb_autodiff(lb_builder *b, const lb_diff_verbs *verbs, lb_value of,
                 const lb_value *wrt, int n, lb_value *out);

#endif
