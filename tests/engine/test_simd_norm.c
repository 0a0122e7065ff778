/* test_simd_norm.c: the inner kernels of batch norm, of every instruction set that this
 * CPU has, against plain loops in double. */
#include "base/rng.h"
#include "engine/kernel.h"
#include "engine/simd/simd_table.h"

#include "check.h"

#include <math.h>
#include <string.h>

extern const lb_simd lb_simd_base;
#if defined(LB_SIMD_X86)
extern const lb_simd lb_simd_avx2, lb_simd_avx512;
#endif

/* Two blocks of channels lie in a sample; the second is worked on. */
enum { ROUNDS = 60, MOST_N = 4, MOST_PIXELS = 150, BLOCKS = 2, WIDEST = 16 };
enum { ROOM = MOST_N * MOST_PIXELS * BLOCKS * WIDEST };

typedef struct trial {
    lb_rng rng;
    const lb_simd *simd;
    lb_norm s;
    lb_norm_factors f;
    bool adds, masks;
    size_t count, first; /* floats in all; before the block of the first sample */
} trial;

/* Inputs and results, as the kernels have them; past the end of the run they stay. */
static float x[ROOM], dy[ROOM], more[ROOM], y[ROOM], got[ROOM];

static double want[ROOM], sums[2][WIDEST], got_sums[2 * WIDEST];

static int pick(trial *t, int low, int high)
{
    return low + (int)lb_rng_below(&t->rng, (uint64_t)(high - low + 1));
}

static void draw(trial *t, float *to, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(scale * lb_rng_normal(&t->rng));
}

static void begin(trial *t, const lb_simd *simd, int round)
{
    static const float limits[][2] = {{0, INFINITY}, {0, 6}, {-0.5F, 0.75F}};
    const int block = simd->block;

    t->rng = lb_rng_make(12, LB_RNG_TEST, (uint64_t)block, (uint64_t)round);
    t->simd = simd;
    t->s = (lb_norm){.n = pick(t, 1, MOST_N), .pixels = (size_t)pick(t, 1, MOST_PIXELS)};
    t->first = t->s.pixels * (size_t)block;
    t->s.stride = t->first * BLOCKS;
    t->count = t->s.stride * (size_t)t->s.n;
    t->s.clips = pick(t, 0, 2) > 0;
    const int which = pick(t, 0, 2);
    t->s.low = limits[which][0];
    t->s.high = limits[which][1];
    t->adds = pick(t, 0, 1);
    t->masks = t->s.clips && pick(t, 0, 1);
    draw(t, t->f.mean, WIDEST, 1);
    draw(t, t->f.scale, WIDEST, 1);
    draw(t, t->f.shift, WIDEST, 1);
    draw(t, t->f.dshift, WIDEST, 1);
    draw(t, t->f.dscale, WIDEST, 1);
    draw(t, x, t->count, 2);
    draw(t, dy, t->count, 1);
    draw(t, more, t->count, 1);
    draw(t, y, t->count, 1);
    memcpy(got, dy, sizeof got); /* what is beside the block stays */
    for (size_t i = 0; i < t->count; i++)
        want[i] = (double)dy[i];
    memset(sums, 0, sizeof sums);
    memset(got_sums, 0, sizeof got_sums);
    for (int k = 0; k < 2 * block; k++) /* added to what is there */
        got_sums[k] = sums[k / block][k % block] = k;
}

static bool inside(const trial *t, double v)
{
    return v > (double)t->s.low && v < (double)t->s.high;
}

/* x - mean, and the norm's result before it is clipped. */
static double centred(const trial *t, size_t i, int c)
{
    return (double)x[i] - (double)t->f.mean[c];
}

static double normed(const trial *t, size_t i, int c)
{
    return centred(t, i, c) * (double)t->f.scale[c] + (double)t->f.shift[c];
}

/* Calls `one` for every float of the block. */
static void each(trial *t, void (*one)(const trial *t, size_t i, int c))
{
    const size_t block = (size_t)t->simd->block;

    for (int n = 0; n < t->s.n; n++)
        for (size_t i = 0; i < t->s.pixels * block; i++)
            one(t, (size_t)n * t->s.stride + t->first + i, (int)(i % block));
}

static void plain_sums(const trial *t, size_t i, int c)
{
    (void)t;
    sums[0][c] += (double)x[i];
    sums[1][c] += (double)x[i] * (double)x[i];
}

static void plain_apply(const trial *t, size_t i, int c)
{
    double v = normed(t, i, c) + (t->adds ? (double)more[i] : 0);

    if (t->s.clips && v < (double)t->s.low)
        v = (double)t->s.low;
    if (t->s.clips && v > (double)t->s.high)
        v = (double)t->s.high;
    want[i] = v;
}

static void plain_grad_sums(const trial *t, size_t i, int c)
{
    const double g = t->s.clips && !inside(t, normed(t, i, c)) ? 0 : (double)dy[i];

    sums[0][c] += g * centred(t, i, c);
    sums[1][c] += g;
}

static void plain_join(const trial *t, size_t i, int c)
{
    const double sum = (double)dy[i] + (t->adds ? (double)more[i] : 0);

    want[i] = t->masks && !inside(t, (double)y[i]) ? 0 : sum;
    sums[0][c] += want[i] * centred(t, i, c);
    sums[1][c] += want[i];
}

static void plain_input(const trial *t, size_t i, int c)
{
    const double g = t->s.clips && !inside(t, normed(t, i, c)) ? 0 : (double)dy[i];

    want[i] = (double)t->f.scale[c] *
              (g - (double)t->f.dshift[c] - centred(t, i, c) * (double)t->f.dscale[c]);
}

static void check_map(const trial *t)
{
    double worst = 0;

    for (size_t i = 0; i < ROOM; i++) {
        const double w = i < t->count ? want[i] : (double)dy[i];
        const double d = fabs((double)got[i] - w) / (1 + fabs(w));
        worst = d <= worst ? worst : d;
    }
    CHECK_NEAR(worst, 0, 1e-5);
}

static void check_sums(const trial *t)
{
    const int block = t->simd->block;
    const double terms = (double)t->s.n * (double)t->s.pixels;

    for (int k = 0; k < block; k++) {
        CHECK_NEAR(got_sums[k], sums[0][k], 1e-6 * (10 + terms));
        CHECK_NEAR(got_sums[block + k], sums[1][k], 1e-6 * (10 + terms));
    }
    for (int k = 2 * block; k < 2 * WIDEST; k++)
        CHECK(got_sums[k] == 0);
}

static void sum_up(trial *t)
{
    each(t, plain_sums);
    t->simd->norm_sums(&t->s, x + t->first, got_sums);
    check_sums(t);
}

static void apply(trial *t)
{
    each(t, plain_apply);
    t->simd->norm_apply(&t->s, &t->f, x + t->first, t->adds ? more + t->first : NULL,
                        got + t->first);
    check_map(t);
}

static void grad_sums(trial *t)
{
    each(t, plain_grad_sums);
    t->simd->norm_grad_sums(&t->s, &t->f, x + t->first, dy + t->first, got_sums);
    check_sums(t);
}

static void grad_join(trial *t)
{
    const lb_norm_join from = {dy + t->first, t->adds ? more + t->first : NULL,
                               t->masks ? y + t->first : NULL};

    each(t, plain_join);
    t->simd->norm_grad_join(&t->s, &t->f, x + t->first, &from, got + t->first, got_sums);
    check_map(t);
    check_sums(t);
}

static void grad_input(trial *t)
{
    each(t, plain_input);
    t->simd->norm_grad_input(&t->s, &t->f, x + t->first, dy + t->first, got + t->first);
    check_map(t);
}

static void try_set(const lb_simd *simd, const char *name, void (*one)(trial *t))
{
    const int failed = check_failed_here;

    for (int round = 0; round < ROUNDS; round++) {
        trial t;
        memset(&t, 0, sizeof t);
        begin(&t, simd, round);
        one(&t);
    }
    if (check_failed_here > failed)
        printf("# with %s\n", name);
}

static void try_all(void (*one)(trial *t))
{
    try_set(&lb_simd_base, "base", one);
#if defined(LB_SIMD_X86)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        try_set(&lb_simd_avx2, "avx2", one);
    if (lb_cpu_block() == 16)
        try_set(&lb_simd_avx512, "avx512", one);
#endif
}

static void sums_agree(void)
{
    try_all(sum_up);
    try_all(grad_sums);
}

static void passes_agree(void)
{
    try_all(apply);
    try_all(grad_input);
}

static void joins_agree(void)
{
    try_all(grad_join);
}

int main(void)
{
    RUN(sums_agree);
    RUN(passes_agree);
    RUN(joins_agree);
    return DONE();
}
