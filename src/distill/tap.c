/* tap.c: what can be tapped, and which names a pattern fits. */
#include "distill/taps.h"

bool lb_is_tap(const lb_graph *g, lb_value v)
{
    const lb_value_info *const info = lb_info(g, v);

    return info->kind == LB_VALUE_NODE && lb_dtype_is_float(info->type.dtype) &&
           lb_type_batched(&info->type) && info->type.shape.rank >= 2 &&
           info->type.shape.rank <= 4;
}

/* `*` stands for any characters, also none. On a mismatch the last star takes one more.
 */
bool lb_name_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *again = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            again = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
