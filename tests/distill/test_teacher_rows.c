/* test_teacher_rows.c: rows of logits as the cache stores them, and what comes back. */
#include "distill/teacher_int.h"

#include "base/rng.h"
#include "tensor/half.h"

#include "check.h"

enum { MOST = 1000 };

static void random_row(lb_rng *rng, float *row, int classes)
{
    for (int c = 0; c < classes; c++)
        row[c] = (float)(3 * lb_rng_normal(rng));
    if (classes > 4) /* equals */
        row[classes - 1] = row[1];
}

static double log_sum(const float *row, int classes)
{
    double sum = 0;

    for (int c = 0; c < classes; c++)
        sum += exp((double)row[c]);
    return log(sum);
}

static void all_classes_come_back(void)
{
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);
    float row[MOST], back[MOST];
    char packed[MOST * 4];

    for (int classes = 1; classes <= MOST; classes = classes * 3 + 1) {
        const lb_row_form exact = {LB_CACHE_FP32, classes, 0};
        const lb_row_form half = {LB_CACHE_FP16, classes, 0};
        random_row(&rng, row, classes);
        CHECK(lb_row_bytes(&exact) == 4 * (size_t)classes);
        CHECK(lb_row_pack(&exact, row, packed));
        lb_row_unpack(&exact, packed, back);
        CHECK(memcmp(row, back, (size_t)classes * sizeof *row) == 0);
        CHECK(lb_row_bytes(&half) == 2 * (size_t)classes);
        CHECK(lb_row_pack(&half, row, packed));
        lb_row_unpack(&half, packed, back);
        for (int c = 0; c < classes; c++)
            CHECK(back[c] == lb_half_to(lb_half_from(row[c])));
    }
}

static void what_does_not_fit_is_told(void)
{
    const lb_row_form half = {LB_CACHE_FP16, 3, 0}, top = {LB_CACHE_FP16, 3, 1};
    const float row[] = {65520, 0, -1}, low[] = {1, 0, -70000},
                endless[] = {-INFINITY, 0, 1};
    char packed[64];

    CHECK(!lb_row_pack(&half, row, packed));
    CHECK(!lb_row_pack(&top, row, packed));
    CHECK(!lb_row_pack(&half, low, packed));
    CHECK(lb_row_pack(&top, low, packed)); /* it is part of the remainder */
    CHECK(lb_row_pack(&half, endless, packed));
}

/* The softmax of the rebuilt row: the top classes as they were, the others equal, and
 * together what they were. */
static void check_top(const lb_row_form *form, const float *row, double tolerance)
{
    float back[MOST] = {0};
    char packed[MOST * 8];
    const int classes = form->classes;
    int kept = 0, least = -1;

    CHECK(lb_row_pack(form, row, packed));
    lb_row_unpack(form, packed, back);
    const double all = log_sum(row, classes), all_back = log_sum(back, classes);
    double rest = 0, rest_back = 0;
    CHECK_NEAR(all_back, all, tolerance);
    uint16_t at[LB_ROW_TOP];
    memcpy(at, packed, (size_t)form->top * sizeof *at);
    bool is_top[MOST] = {false};
    for (int i = 0; i < form->top; i++) {
        CHECK(at[i] < classes && !is_top[at[i]]);
        is_top[at[i]] = true;
        if (form->store == LB_CACHE_FP32)
            CHECK(back[at[i]] == row[at[i]]);
        CHECK_NEAR(exp((double)back[at[i]] - all_back), exp((double)row[at[i]] - all),
                   tolerance);
        least = at[i];
        kept++;
    }
    CHECK(kept == form->top);
    float share = NAN;
    for (int c = 0; c < classes; c++) {
        if (is_top[c])
            continue;
        CHECK(row[c] <= row[least] && (row[c] < row[least] || c > least));
        CHECK(isnan(share) || back[c] == share);
        share = back[c];
        rest += exp((double)row[c] - all);
        rest_back += exp((double)back[c] - all_back);
    }
    CHECK_NEAR(rest_back, rest, tolerance);
}

static void the_top_is_kept_and_the_rest_is_shared(void)
{
    static const int sizes[][2] = {{2, 1},  {10, 1},  {10, 3},
                                   {10, 9}, {100, 5}, {1000, 64}};
    lb_rng rng = lb_rng_make(3, LB_RNG_TEST, 0, 0);
    float row[MOST];

    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            lb_row_form form = {LB_CACHE_FP32, sizes[i][0], sizes[i][1]};
            random_row(&rng, row, form.classes);
            CHECK(lb_row_bytes(&form) == 6 * (size_t)form.top + 4);
            check_top(&form, row, 1e-6);
            form.store = LB_CACHE_FP16;
            CHECK(lb_row_bytes(&form) == 4 * (size_t)form.top + 4);
            check_top(&form, row, 1e-2);
        }
}

/* All equal: the first classes are the top. Nothing left: the remainder is no class's. */
static void edges(void)
{
    const lb_row_form form = {LB_CACHE_FP32, 4, 2};
    const float equal[] = {1, 1, 1, 1}, far[] = {-INFINITY, 0, -INFINITY, 2};
    float back[4];
    char packed[64];

    check_top(&form, equal, 1e-6);
    CHECK(lb_row_pack(&form, far, packed));
    lb_row_unpack(&form, packed, back);
    CHECK(back[1] == 0 && back[3] == 2 && isinf(back[0]) && back[0] < 0 &&
          isinf(back[2]));
}

int main(void)
{
    RUN(all_classes_come_back);
    RUN(what_does_not_fit_is_told);
    RUN(the_top_is_kept_and_the_rest_is_shared);
    RUN(edges);
    return DONE();
}
