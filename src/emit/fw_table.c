/* fw_table.c: which kernel runs which step. */
#include "emit/fw_text.h"

static const lb_fw table[] = {
#define LB_FW(stem, kind, function) \
    {LB_LOW_##kind, #stem, "fw_" #function, lb_fw_text_##stem},
#include "emit/kernels.def"
#undef LB_FW
};

const lb_fw *lb_fw_find(lb_low_kind kind)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].kind == kind)
            return &table[i];
    return NULL;
}
