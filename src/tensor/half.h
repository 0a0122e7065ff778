/* half.h: 16-bit floats (IEEE 754 binary16), in whole numbers only, so that every machine
 * rounds alike. */
#ifndef LB_TENSOR_HALF_H
#define LB_TENSOR_HALF_H

#include <stdint.h>

/* To the nearest, ties to even; beyond 65504 (from 65520 on) to infinity. NaN stays NaN.
 */
uint16_t lb_half_from(float x);

/* Exact. */
float lb_half_to(uint16_t half);

#endif
