/* fw_move.c: padding, joining of channels, change of layout. */
#include "fw.h"

#include <stddef.h>

void fw_pad(const fw_shape *s, const float *x, float value, float *y)
{
    int h, w, c;

    for (h = 0; h < s->out_h; h++)
        for (w = 0; w < s->out_w; w++) {
            const int from_h = h - s->pad_top, from_w = w - s->pad_left;
            const int inside =
                from_h >= 0 && from_h < s->in_h && from_w >= 0 && from_w < s->in_w;
            for (c = 0; c < s->out_c; c++)
                *y++ = inside ? x[(from_h * s->in_w + from_w) * s->in_c + c] : value;
        }
}

void fw_concat(const fw_shape *s, const float *x, int first, float *y)
{
    const int positions = s->out_h * s->out_w;
    int p, c;

    for (p = 0; p < positions; p++)
        for (c = 0; c < s->in_c; c++)
            y[(ptrdiff_t)p * s->out_c + first + c] = *x++;
}

void fw_copy(const fw_shape *s, const float *x, float *y)
{
    const int from_area = s->in_h * s->in_w, to_area = s->out_h * s->out_w;
    const int n = to_area * s->out_c;
    int i;

    for (i = 0; i < n; i++)
        y[(i % to_area) * s->out_c + i / to_area] =
            x[(i % from_area) * s->in_c + i / from_area];
}
