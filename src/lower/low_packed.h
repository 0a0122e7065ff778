/* low_packed.h: weights of 4 bits, as the firmware has them: see emit/kernels/fw8.h. */
#ifndef LB_LOWER_LOW_PACKED_H
#define LB_LOWER_LOW_PACKED_H

#include "lower/low.h"

/* Bytes of the weights of four channels, not packed, in the usual order. */
size_t lb_low_group_bytes(const lb_low *low, const lb_low_step *step);

/* What a packed step needs of scratch memory beside its kernel. */
size_t lb_low_unpacking_bytes(const lb_low *low, const lb_low_step *step);

#endif
