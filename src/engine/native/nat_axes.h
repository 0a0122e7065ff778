/* nat_axes.h: which axes a reduction runs over. */
#ifndef LB_ENGINE_NATIVE_NAT_AXES_H
#define LB_ENGINE_NATIVE_NAT_AXES_H

#include "engine/native/nat_util.h"

/* The axes as bits, from the attribute or a constant input 1 (all where none is named);
 * false if they are not known. */
bool lb_nat_axes_of(const lb_ask *ask, int rank, bool as_input, unsigned *bits);

#endif
