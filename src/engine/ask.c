/* ask.c: what kernels of several tables read out of an lb_ask. */
#include "engine/ask.h"

lb_view lb_ask_view(const lb_ask *ask)
{
    lb_view view = {.node = ask->node, .n_in = ask->n_in, .n_out = ask->n_out};

    for (int k = 0; k < ask->n_in; k++) {
        view.in[k] = ask->has_in[k] ? &ask->in[k] : NULL;
        view.constant[k] = ask->constant[k];
    }
    return view;
}

bool lb_ask_window(const lb_ask *ask, lb_window *out)
{
    const lb_view view = lb_ask_view(ask);
    lb_window window;
    lb_error err;

    if (lb_window_of(&view, &window, &err) != LB_OK)
        return false;
    *out = lb_window_2d(&window);
    return true;
}
