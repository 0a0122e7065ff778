/* test_cka.c: centred kernel alignment against values by numpy (tests/golden/cka.py),
 * what it does not change under, and layers that say nothing. */
#include "train/cka.h"

#include "base/rng.h"
#include "tensor/npy.h"

#include <stdlib.h>

#include "check.h"

enum { MOST = 64 };

static lb_arena *arena;
static lb_pool *pool;

static lb_tensor *load(const char *name)
{
    lb_tensor *t = NULL;
    lb_error err = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/golden/%s", getenv("LB_SOURCE"), name);
    CHECK_OK(lb_npy_load(arena, path, 1 << 20, &t, &err), &err);
    return t;
}

static lb_tensor *blank(lb_dtype dtype, int n, int d)
{
    const lb_shape shape = lb_shape_of(2, n, d);
    lb_tensor *t = NULL;
    lb_error err = {0};

    CHECK_OK(lb_tensor_new(arena, dtype, &shape, &t, &err), &err);
    return t;
}

static lb_tensor *noise(lb_dtype dtype, int n, int d, int which, double mean)
{
    lb_tensor *const t = blank(dtype, n, d);
    lb_rng rng = lb_rng_make(5, LB_RNG_TEST, (uint64_t)which, 0);

    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, mean + lb_rng_normal(&rng));
    return t;
}

static void gram_of(const lb_tensor *x, int first, int batch, lb_pool *with, double *out)
{
    const size_t d = (size_t)x->shape.dim[1], bytes = d * lb_dtype_size(x->dtype);
    const void *row[MOST];
    const lb_rows rows = {.row = row, .n = batch, .d = d, .dtype = x->dtype};
    double *const scratch = LB_TAKE_ARRAY(arena, lb_gram_scratch(batch), double);

    for (int i = 0; i < batch; i++)
        row[i] = (const char *)x->data + (size_t)(first + i) * bytes;
    lb_gram(&rows, with, scratch, out);
}

static double cka(const lb_tensor *x, const lb_tensor *y, int batch)
{
    static double k[MOST * MOST], l[MOST * MOST];
    double xy = 0, xx = 0, yy = 0, raw_x = 0, raw_y = 0;

    for (int i = 0; i + batch <= x->shape.dim[0]; i += batch) {
        gram_of(x, i, batch, pool, k);
        gram_of(y, i, batch, pool, l);
        raw_x += lb_gram_centre(k, batch);
        raw_y += lb_gram_centre(l, batch);
        xy += lb_gram_product(k, l, batch);
        xx += lb_gram_product(k, k, batch);
        yy += lb_gram_product(l, l, batch);
    }
    return lb_cka(xy, xx, yy, raw_x, raw_y);
}

static void numpy_agrees(void)
{
    static const int batch[] = {36, 12, 6};

    if (!getenv("LB_SOURCE")) {
        SKIP("LB_SOURCE is not set");
        return;
    }
    const lb_tensor *const x = load("cka_x.npy"), *const y = load("cka_y.npy");
    const lb_tensor *const out = load("cka_out.npy");
    CHECK(x && y && out && out->n == 3);
    for (size_t i = 0; x && y && out && i < 3; i++) {
        CHECK_NEAR(cka(x, y, batch[i]), lb_tensor_get(out, i), 1e-12);
        CHECK_NEAR(cka(y, x, batch[i]), lb_tensor_get(out, i), 1e-12);
    }
}

/* x is 1, 2, 4, 8, and its products and their U-centring are written down by hand. */
static void four_samples_by_hand(void)
{
    const double value[] = {1, 2, 4, 8};
    lb_tensor *const x = blank(LB_F64, 4, 1), *const y = blank(LB_F32, 4, 1);
    double k[16], l[16];

    for (size_t i = 0; i < 4; i++) {
        lb_tensor_put(x, i, value[i]);
        lb_tensor_put(y, i, i == 3); /* one sample alone: all products are 0 */
    }
    gram_of(x, 0, 4, pool, k);
    gram_of(y, 0, 4, pool, l);
    CHECK(k[4] == 2 && k[8] == 4 && k[9] == 8 && k[12] == 8 && k[13] == 16 &&
          k[14] == 32);
    const double raw = lb_gram_centre(k, 4);
    CHECK_NEAR(raw, 2 * (4 + 16 + 64 + 64 + 256 + 1024), 0);
    /* rows 14, 26, 44, 56; all 140: 2 - (14 + 26) / 2 + 140 / 6 */
    CHECK_NEAR(k[1], 2 - 20 + 140.0 / 6, 1e-12);
    CHECK_NEAR(k[4], k[1], 0);
    CHECK_NEAR(k[14], 32 - 50 + 140.0 / 6, 1e-12);
    CHECK(k[0] == 0 && k[5] == 0 && k[10] == 0 && k[15] == 0);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(k[4 * i] + k[4 * i + 1] + k[4 * i + 2] + k[4 * i + 3], 0, 1e-12);
    CHECK(lb_gram_centre(l, 4) == 0);
    CHECK(isnan(lb_cka(0, lb_gram_product(k, k, 4), 0, raw, 0)));
}

/* x turned by an orthogonal matrix, scaled and moved is x to it. */
static void turned_scaled_and_moved_is_the_same(void)
{
    if (!getenv("LB_SOURCE")) {
        SKIP("LB_SOURCE is not set");
        return;
    }
    const lb_tensor *const x = load("cka_x.npy"), *const turn = load("cka_turn.npy");
    const lb_tensor *const other = load("cka_y.npy");
    lb_tensor *const y = blank(LB_F64, 36, 24);
    for (size_t i = 0; x && turn && i < 36; i++)
        for (size_t k = 0; k < 24; k++) {
            double sum = 1000;
            for (size_t c = 0; c < 24; c++)
                sum +=
                    0.03 * lb_tensor_get(x, 24 * i + c) * lb_tensor_get(turn, 24 * c + k);
            lb_tensor_put(y, 24 * i + k, sum);
        }
    CHECK(x && cka(x, x, 12) >= 1 - 1e-15);
    CHECK(x && cka(x, x, 12) <= 1);
    CHECK_NEAR(cka(x, y, 12), 1, 1e-6);
    CHECK_NEAR(cka(y, other, 12), cka(x, other, 12), 1e-6);
    CHECK(fabs(cka(x, other, 12) - 1) > 0.1); /* or the above would say nothing */
}

/* Unbiased: layers that share nothing come out near 0 even where the rows are much longer
 * than the batch, for which the usual form gives nearly 1. */
static void strangers_are_near_zero(void)
{
    const lb_tensor *const x = noise(LB_F32, 1024, 600, 1, 2);
    const lb_tensor *const y = noise(LB_F64, 1024, 77, 2, 0);

    CHECK_NEAR(cka(x, y, 64), 0, 0.02);
    CHECK_NEAR(cka(x, x, 64), 1, 1e-14);
}

static void layers_that_say_nothing_have_no_figure(void)
{
    const lb_tensor *const x = noise(LB_F32, 32, 10, 3, 0);
    lb_tensor *const same = blank(LB_F32, 32, 700), *const zero = blank(LB_F32, 32, 9);
    lb_tensor *const bad = noise(LB_F32, 32, 10, 4, 0);

    for (size_t i = 0; i < same->n; i++)
        lb_tensor_put(same, i, 0.1 + 1e-3 * (double)(i % 700)); /* rows are equal */
    lb_tensor_put(bad, 7, NAN);
    CHECK(isnan(cka(x, same, 16)) && isnan(cka(same, x, 16)) &&
          isnan(cka(same, same, 8)));
    CHECK(isnan(cka(x, zero, 16)) && isnan(cka(zero, zero, 16)));
    CHECK(isnan(cka(x, bad, 16)));
    lb_tensor_put(bad, 7, INFINITY);
    CHECK(isnan(cka(x, bad, 16)));
    /* a millionth beside what all have in common is enough */
    lb_tensor *const thin = blank(LB_F64, 32, 10);
    for (size_t i = 0; i < thin->n; i++)
        lb_tensor_put(thin, i, 1 + 1e-5 * lb_tensor_get(x, i));
    CHECK_NEAR(cka(x, thin, 16), 1, 1e-6);
}

static void threads_change_no_bit(void)
{
    const lb_tensor *const x = noise(LB_F32, 33, 1111, 6, 1);
    static double one[MOST * MOST], other[MOST * MOST];
    lb_error err = {0};

    gram_of(x, 0, 33, pool, one);
    for (int n = 1; n <= 5; n += 2) {
        lb_pool *with = NULL;
        CHECK_OK(lb_pool_new(n, &with, &err), &err);
        gram_of(x, 0, 33, with, other);
        CHECK(memcmp(one, other, 33 * 33 * sizeof *one) == 0);
        lb_pool_free(with);
    }
}

int main(void)
{
    lb_error err = {0};

    arena = lb_arena_new(0);
    CHECK_OK(lb_pool_new(2, &pool, &err), &err);
    RUN(numpy_agrees);
    RUN(four_samples_by_hand);
    RUN(turned_scaled_and_moved_is_the_same);
    RUN(strangers_are_near_zero);
    RUN(layers_that_say_nothing_have_no_figure);
    RUN(threads_change_no_bit);
    lb_pool_free(pool);
    lb_arena_free(arena);
    return DONE();
}
