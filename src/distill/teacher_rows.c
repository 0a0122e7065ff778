/* teacher_rows.c: a row of the teacher's logits as the cache stores it.
 *
 * All classes: the logits as they stand, in 32 or 16 bits each. The top K of C: the K
 * class numbers (16 bits each), largest logit first, of equals the lower class; their
 * logits in the same order; and, as a 32-bit float, the remainder
 *
 *     r = log(sum of exp(logit) over the other C - K classes).
 *
 * A row is rebuilt by spreading the remainder evenly: each of the others gets
 * r - log(C - K). So their probabilities sum to what they were, and those of the K are
 * what they were. */
#include "distill/teacher_int.h"

#include "tensor/half.h"

#include <math.h>
#include <string.h>

static size_t value_bytes(const lb_row_form *form)
{
    return form->store == LB_CACHE_FP16 ? sizeof(uint16_t) : sizeof(float);
}

size_t lb_row_bytes(const lb_row_form *form)
{
    if (form->top == 0)
        return (size_t)form->classes * value_bytes(form);
    return (size_t)form->top * (sizeof(uint16_t) + value_bytes(form)) + sizeof(float);
}

static bool write_values(const lb_row_form *form, const float *values, int n, char *to)
{
    bool fits = true;

    if (form->store != LB_CACHE_FP16) {
        memcpy(to, values, (size_t)n * sizeof *values);
        return true;
    }
    for (int i = 0; i < n; i++) {
        const uint16_t half = lb_half_from(values[i]);
        memcpy(to + (size_t)i * sizeof half, &half, sizeof half);
        fits = fits && ((half & 0x7fff) != 0x7c00 || isinf(values[i]));
    }
    return fits;
}

static void read_values(const lb_row_form *form, const char *from, int n, float *values)
{
    if (form->store != LB_CACHE_FP16) {
        memcpy(values, from, (size_t)n * sizeof *values);
        return;
    }
    for (int i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + (size_t)i * sizeof half, sizeof half);
        values[i] = lb_half_to(half);
    }
}

/* The k largest in falling order, of equals the first. */
static void find_top(const float *row, int classes, int k, uint16_t *at, float *values)
{
    int n = 0;

    for (int c = 0; c < classes; c++) {
        if (n > 0 && n == k && !(row[c] > values[n - 1]))
            continue;
        int place = n < k ? n++ : k - 1;
        for (; place > 0 && row[c] > values[place - 1]; place--) {
            values[place] = values[place - 1];
            at[place] = at[place - 1];
        }
        values[place] = row[c];
        at[place] = (uint16_t)c;
    }
}

/* Takes the top classes' logits out of *row for as long as it looks at the others. */
static double remainder_of(const float *row, int classes, int k, const uint16_t *at)
{
    uint8_t taken[(LB_ROW_CLASSES + 7) / 8] = {0};
    double most = -INFINITY, sum = 0;

    for (int i = 0; i < k; i++)
        taken[at[i] / 8] |= (uint8_t)(1 << at[i] % 8);
    for (int c = 0; c < classes; c++)
        if (!(taken[c / 8] >> c % 8 & 1) && (double)row[c] > most)
            most = (double)row[c];
    if (isinf(most))
        return most;
    for (int c = 0; c < classes; c++)
        if (!(taken[c / 8] >> c % 8 & 1))
            sum += exp((double)row[c] - most);
    return most + log(sum);
}

bool lb_row_pack(const lb_row_form *form, const float *row, void *packed)
{
    uint16_t at[LB_ROW_TOP] = {0};
    float values[LB_ROW_TOP] = {0};
    char *to = packed;

    if (form->top == 0)
        return write_values(form, row, form->classes, to);
    find_top(row, form->classes, form->top, at, values);
    const float rest = (float)remainder_of(row, form->classes, form->top, at);
    memcpy(to, at, (size_t)form->top * sizeof *at);
    to += (size_t)form->top * sizeof *at;
    const bool fits = write_values(form, values, form->top, to);
    memcpy(to + (size_t)form->top * value_bytes(form), &rest, sizeof rest);
    return fits;
}

void lb_row_unpack(const lb_row_form *form, const void *packed, float *row)
{
    const char *from = packed;
    uint16_t at[LB_ROW_TOP];
    float values[LB_ROW_TOP], rest;

    if (form->top == 0) {
        read_values(form, from, form->classes, row);
        return;
    }
    memcpy(at, from, (size_t)form->top * sizeof *at);
    from += (size_t)form->top * sizeof *at;
    read_values(form, from, form->top, values);
    memcpy(&rest, from + (size_t)form->top * value_bytes(form), sizeof rest);
    const float share = (float)((double)rest - log(form->classes - form->top));
    for (int c = 0; c < form->classes; c++)
        row[c] = share;
    for (int i = 0; i < form->top; i++)
        if (at[i] < form->classes)
            row[at[i]] = values[i];
}
