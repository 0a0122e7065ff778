/* fw_table.c: which kernel runs which step. */
#include "emit/fw_text.h"

#define FILE_OF(stem) \
    { \
#stem, lb_fw_text_##stem \
    }

static const lb_fw table[] = {
#define LB_FW(stem, kind, function) \
    {LB_F32, LB_LOW_##kind, "fw_" #function, {FILE_OF(stem), FILE_OF(stem)}},
#define LB_FW8(stem, needs, kind, function) \
    {LB_I8, LB_LOW_##kind, "fw8_" #function, {FILE_OF(stem), FILE_OF(needs)}},
#include "emit/kernels.def"
#undef LB_FW
#undef LB_FW8
};

const lb_fw *lb_fw_find(lb_dtype dtype, lb_low_kind kind)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].dtype == dtype && table[i].kind == kind)
            return &table[i];
    return NULL;
}
