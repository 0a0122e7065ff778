/* half.c: conversion between 32-bit and 16-bit floats. */
#include "tensor/half.h"

#include <string.h>

/* Drops the `n` lowest bits of x (n below 32), rounding to the nearest, ties to even. */
static uint32_t round_off(uint32_t x, int n)
{
    const uint32_t kept = x >> n, rest = x & ((1u << n) - 1), tie = 1u << (n - 1);

    return kept + (rest > tie || (rest == tie && (kept & 1)));
}

uint16_t lb_half_from(float x)
{
    enum { BIAS = 127 - 15 };
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, fraction = bits & 0x7fffff;
    const int exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0xff)
        return (uint16_t)(sign | 0x7c00 | (fraction ? 0x200 | fraction >> 13 : 0));
    if (exponent > BIAS + 30)
        return (uint16_t)(sign | 0x7c00);
    /* what rounds up to the next exponent carries into it, up to infinity */
    if (exponent > BIAS)
        return (uint16_t)(sign |
                          round_off((uint32_t)(exponent - BIAS) << 23 | fraction, 13));
    /* subnormal: the leading one is written out and shifted to units of 2^-24 */
    const int shift = 14 + BIAS - exponent;
    return (uint16_t)(sign | (shift > 25 ? 0 : round_off(fraction | 0x800000, shift)));
}

float lb_half_to(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, fraction = half & 0x3ff;
    const uint32_t exponent = half >> 10 & 0x1f;
    uint32_t bits;
    float x;

    if (exponent == 0) { /* units of 2^-24: exact in a float */
        x = (float)fraction * 0x1p-24f;
        memcpy(&bits, &x, sizeof bits);
        bits |= sign;
    } else if (exponent == 0x1f) {
        bits = sign | 0x7f800000 | fraction << 13;
    } else {
        bits = sign | (exponent + 127 - 15) << 23 | fraction << 13;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}
