/* fw_move8.c: padding, joining of channels, change of layout. */
#include "fw8.h"

#include <stddef.h>
#include <string.h>

void fw8_pad(const fw8_shape *s, const int8_t *x, int8_t *y)
{
    const size_t n = (size_t)s->in_c;
    int h, w;

    for (h = 0; h < s->out_h; h++)
        for (w = 0; w < s->out_w; w++, y += n) {
            const int from_h = h - s->pad_top, from_w = w - s->pad_left;
            if (from_h >= 0 && from_h < s->in_h && from_w >= 0 && from_w < s->in_w)
                memcpy(y, x + ((ptrdiff_t)from_h * s->in_w + from_w) * s->in_c, n);
            else
                memset(y, s->fill, n);
        }
}

void fw8_concat(const fw8_shape *s, const fw8_grid *grid, int zero_x, int first,
                const int8_t *x, int8_t *y)
{
    const int positions = s->out_h * s->out_w;
    int p, c;

    for (p = 0, y += first; p < positions; p++, x += s->in_c, y += s->out_c) {
        if (!grid) {
            memcpy(y, x, (size_t)s->in_c);
            continue;
        }
        for (c = 0; c < s->in_c; c++)
            y[c] = (int8_t)fw8_clamp(
                fw8_scale(x[c] - zero_x, grid->factor[0], grid->shift[0], grid->zero),
                grid->low, grid->high);
    }
}

void fw8_copy(const fw8_shape *s, const int8_t *x, int8_t *y)
{
    const int from_area = s->in_h * s->in_w, to_area = s->out_h * s->out_w;
    const int n = to_area * s->out_c;
    int i;

    for (i = 0; i < n; i++)
        y[(i % to_area) * s->out_c + i / to_area] =
            x[(i % from_area) * s->in_c + i / from_area];
}
