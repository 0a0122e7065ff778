/* fw_table.c: which kernel runs which step. */
#include "emit/fw_text.h"

#define FILE_OF(stem) \
    { \
#stem, lb_fw_text_##stem \
    }

static const lb_fw table[] = {
#define LB_FW(stem, kind, function) \
    {LB_F32, LB_LOW_##kind, false, "fw_" #function, {FILE_OF(stem), FILE_OF(stem)}},
#define LB_FW8(stem, needs, kind, function) \
    {LB_I8, LB_LOW_##kind, false, "fw8_" #function, {FILE_OF(stem), FILE_OF(needs)}},
#define LB_FW4(stem, needs, kind, function) \
    {LB_I8, LB_LOW_##kind, true, "fw8_" #function, {FILE_OF(stem), FILE_OF(needs)}},
#define LB_FW8_SET(stem, kind)
#include "emit/kernels.def"
#undef LB_FW
#undef LB_FW8
#undef LB_FW4
#undef LB_FW8_SET
};

static const struct {
    lb_low_kind kind;
    lb_fw_file file;
} sets[] = {
#define LB_FW(stem, kind, function)
#define LB_FW8(stem, needs, kind, function)
#define LB_FW4(stem, needs, kind, function)
#define LB_FW8_SET(stem, kind) {LB_LOW_##kind, FILE_OF(stem)},
#include "emit/kernels.def"
#undef LB_FW
#undef LB_FW8
#undef LB_FW4
#undef LB_FW8_SET
    {LB_LOW_COPY, {NULL, NULL}}, /* the end */
};

static const lb_fw *find(lb_dtype dtype, lb_low_kind kind, bool packed)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].dtype == dtype && table[i].kind == kind && table[i].packed == packed)
            return &table[i];
    return NULL;
}

const lb_fw *lb_fw_find(lb_dtype dtype, lb_low_kind kind)
{
    return find(dtype, kind, false);
}

const lb_fw *lb_fw_of(const lb_low *low, const lb_low_step *step)
{
    return find(low->dtype, step->kind, step->q && step->q->packed);
}

const lb_fw_file *lb_fw_find_set(lb_low_kind kind, int k)
{
    for (size_t i = 0; sets[i].file.text; i++)
        if (sets[i].kind == kind && k-- == 0)
            return &sets[i].file;
    return NULL;
}
