/* ask.h: what kernels of several tables read out of an lb_ask. */
#ifndef LB_ENGINE_ASK_H
#define LB_ENGINE_ASK_H

#include "engine/kernel.h"
#include "ops/window.h"

/* The node as its operator's rules see it. Borrows the ask. */
lb_view lb_ask_view(const lb_ask *ask);

/* The window of a convolution or one of its gradients, as a 2-D one; false if it is not
 * right. */
bool lb_ask_window(const lb_ask *ask, lb_window *out);

#endif
