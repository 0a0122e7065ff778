/* nat_window.c: the windows of pools over blocked values. */
#include "engine/native/nat_window.h"

bool lb_nat_window_of(const lb_ask *ask, const lb_shape *x, const lb_shape *y,
                      lb_nat_window *out)
{
    lb_view view = {.node = ask->node, .n_in = ask->n_in, .n_out = ask->n_out};
    lb_window window;
    lb_error err;

    for (int k = 0; k < ask->n_in; k++)
        view.in[k] = ask->has_in[k] ? &ask->in[k] : NULL;
    if (lb_window_of(&view, &window, &err) != LB_OK)
        return false;
    *out = (lb_nat_window){.x = lb_nat_blocks_of(x, ask->block),
                           .y = lb_nat_blocks_of(y, ask->block),
                           .window = lb_window_2d(&window),
                           .include_pad =
                               lb_attr_int(ask->node, "count_include_pad", 0) != 0};
    for (int i = 0; i < 2; i++)
        if (out->window.dilation[i] != 1 ||
            out->window.pad_begin[i] >= out->window.kernel[i] ||
            out->window.pad_end[i] >= out->window.kernel[i])
            return false;
    return true;
}
