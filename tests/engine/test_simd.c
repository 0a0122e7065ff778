/* test_simd.c: the inner kernels of every instruction set that this CPU has, against
 * plain loops in double: test_kernels only meets the set that lb_simd_best picks. */
#include "base/arena.h"
#include "base/rng.h"
#include "engine/kernel.h"
#include "engine/simd/simd_table.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const lb_simd lb_simd_base;
#if defined(LB_SIMD_X86)
extern const lb_simd lb_simd_avx2, lb_simd_avx512;
#endif

enum { ROUNDS = 40, MOST_TABLES = 3, GUARD = 16 };

static const struct lb_simd *table[MOST_TABLES];
static const char *table_name[MOST_TABLES];
static int n_tables;

static void add_table(const lb_simd *t, const char *name)
{
    table[n_tables] = t;
    table_name[n_tables++] = name;
}

static void find_tables(void)
{
    add_table(&lb_simd_base, "base");
#if defined(LB_SIMD_X86)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        add_table(&lb_simd_avx2, "avx2");
    if (lb_cpu_block() == 16)
        add_table(&lb_simd_avx512, "avx512");
#endif
}

/* A convolution: x [n,c,h,w], kernels [m,c/group,k,k], y [n,m,oh,ow]. */
typedef struct conv {
    int n, c, m, h, w, oh, ow, k, stride, pad_h, pad_w, group;
    double *x, *kernel, *y, *dy, *dx, *dkernel; /* what the plain loops make */
} conv;

typedef struct trial {
    lb_arena *arena;
    lb_rng rng;
    const lb_simd *simd;
    const char *name;
    conv conv;
} trial;

static void *take(trial *t, size_t bytes)
{
    void *const p = lb_arena_take(t->arena, bytes ? bytes : 1);

    if (!p) {
        fprintf(stderr, "no memory for the test\n");
        exit(1);
    }
    return p;
}

static int pick(trial *t, int low, int high)
{
    return low + (int)lb_rng_below(&t->rng, (uint64_t)(high - low + 1));
}

static double *draw(trial *t, size_t n)
{
    double *const a = take(t, n * sizeof *a);

    for (size_t i = 0; i < n; i++)
        a[i] = (double)(float)lb_rng_normal(&t->rng);
    return a;
}

static size_t x_count(const conv *c)
{
    return (size_t)(c->n * c->c * c->h * c->w);
}

static size_t y_count(const conv *c)
{
    return (size_t)(c->n * c->m * c->oh * c->ow);
}

static size_t kernel_count(const conv *c)
{
    return (size_t)(c->m * (c->c / c->group) * c->k * c->k);
}

/* One product of the three passes: element i of x, weight j, element o of y. */
static void add_products(conv *c, int n, int m, int oh, int ow, size_t o)
{
    const int per_group = c->c / c->group;
    const int first = m / (c->m / c->group) * per_group;

    for (int i = 0; i < per_group; i++)
        for (int kh = 0; kh < c->k; kh++)
            for (int kw = 0; kw < c->k; kw++) {
                const int h = oh * c->stride - c->pad_h + kh;
                const int w = ow * c->stride - c->pad_w + kw;
                if (h < 0 || w < 0 || h >= c->h || w >= c->w)
                    continue;
                const size_t at =
                    (size_t)(((n * c->c + first + i) * c->h + h) * c->w + w);
                const size_t tap =
                    (size_t)(((m * per_group + i) * c->k + kh) * c->k + kw);
                c->y[o] += c->x[at] * c->kernel[tap];
                c->dx[at] += c->dy[o] * c->kernel[tap];
                c->dkernel[tap] += c->dy[o] * c->x[at];
            }
}

static void run_plain(trial *t)
{
    conv *const c = &t->conv;
    size_t o = 0;

    c->oh = (c->h + 2 * c->pad_h - c->k) / c->stride + 1;
    c->ow = (c->w + 2 * c->pad_w - c->k) / c->stride + 1;
    c->x = draw(t, x_count(c));
    c->kernel = draw(t, kernel_count(c));
    c->dy = draw(t, y_count(c));
    c->y = take(t, y_count(c) * sizeof(double));
    c->dx = take(t, x_count(c) * sizeof(double));
    c->dkernel = take(t, kernel_count(c) * sizeof(double));
    for (int n = 0; n < c->n; n++)
        for (int m = 0; m < c->m; m++)
            for (int oh = 0; oh < c->oh; oh++)
                for (int ow = 0; ow < c->ow; ow++)
                    add_products(c, n, m, oh, ow, o++);
}

static lb_shape x_shape(const conv *c)
{
    return lb_shape_of(4, c->n, c->c, c->h, c->w);
}

static lb_shape y_shape(const conv *c)
{
    return lb_shape_of(4, c->n, c->m, c->oh, c->ow);
}

static float *narrow(trial *t, const double *a, size_t n)
{
    float *const f = take(t, n * sizeof *f);

    for (size_t i = 0; i < n; i++)
        f[i] = (float)a[i];
    return f;
}

static float *blocked(trial *t, const lb_shape *shape, const double *a)
{
    size_t n = 0;

    (void)!lb_shape_count(shape, &n);
    float *const plain = narrow(t, a, n);
    float *const to = take(t, lb_blocked_count(shape, t->simd->block) * sizeof(float));
    lb_to_blocked(shape, t->simd->block, plain, to);
    return to;
}

/* Room for a result, with marks behind it. */
static float *room(trial *t, size_t n)
{
    float *const p = take(t, (n + GUARD) * sizeof *p);

    for (size_t i = 0; i < n + GUARD; i++)
        p[i] = 77;
    return p;
}

static void check_marks(const float *p, size_t n)
{
    for (size_t i = n; i < n + GUARD; i++)
        CHECK(p[i] == 77);
}

static void describe(const trial *t, const char *pass)
{
    const conv *const c = &t->conv;

    printf("# %s %s: n %d, %d -> %d channels of %d groups, %dx%d -> %dx%d, kernel %d, "
           "stride %d, pads %d %d\n",
           t->name, pass, c->n, c->c, c->m, c->group, c->h, c->w, c->oh, c->ow, c->k,
           c->stride, c->pad_h, c->pad_w);
}

static void compare(const trial *t, const char *pass, const float *got,
                    const double *want, size_t n)
{
    double worst = 0, most = 1e-30;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - want[i]);
        worst = d <= worst ? worst : d;
        most = fabs(want[i]) > most ? fabs(want[i]) : most;
    }
    CHECK_NEAR(worst / most, 0, 3e-5);
    if (!(worst / most <= 3e-5))
        describe(t, pass);
}

static void compare_blocked(trial *t, const char *pass, const lb_shape *shape,
                            const float *got, const double *want)
{
    size_t n = 0;

    (void)!lb_shape_count(shape, &n);
    float *const plain = take(t, n * sizeof *plain);
    lb_to_plain(shape, t->simd->block, got, plain);
    compare(t, pass, plain, want, n);
    check_marks(got, lb_blocked_count(shape, t->simd->block));
}

static const lb_conv_after nothing_after;

static int blocks(const trial *t, int channels)
{
    return (channels + t->simd->block - 1) / t->simd->block;
}

/* [c][9][block] from [c][9], or back; turned: each window the other way round. */
static float *pack_windows(trial *t, const double *kernel, bool turned)
{
    const int block = t->simd->block, c = t->conv.c;
    float *const to = take(t, (size_t)(blocks(t, c) * 9 * block) * sizeof *to);

    for (int i = 0; i < c; i++)
        for (int k = 0; k < 9; k++)
            to[(i / block * 9 + k) * block + i % block] =
                (float)kernel[i * 9 + (turned ? 8 - k : k)];
    return to;
}

static lb_depth depth_sizes(const trial *t)
{
    const conv *const c = &t->conv;

    return (lb_depth){.n = c->n,
                      .c = blocks(t, c->c),
                      .h = c->h,
                      .w = c->w,
                      .oh = c->oh,
                      .ow = c->ow,
                      .stride = c->stride,
                      .pad_h = c->pad_h,
                      .pad_w = c->pad_w};
}

static void depth_gradient(trial *t, const float *dy)
{
    const conv *const c = &t->conv;
    const lb_shape shape = x_shape(c);
    float *const dx = room(t, lb_blocked_count(&shape, t->simd->block));
    lb_depth s = depth_sizes(t);

    if (c->stride == 2) {
        t->simd->depth_back(&s, dy, pack_windows(t, c->kernel, false), dx);
    } else {
        s.h = c->oh;
        s.w = c->ow;
        s.oh = c->h;
        s.ow = c->w;
        s.pad_h = 2 - c->pad_h;
        s.pad_w = 2 - c->pad_w;
        t->simd->depth_forward(&s, dy, pack_windows(t, c->kernel, true), &nothing_after,
                               dx);
    }
    compare_blocked(t, "depth input", &shape, dx, c->dx);
}

static void depth(trial *t)
{
    conv *const c = &t->conv;

    *c = (conv){.n = pick(t, 1, 3), .k = 3, .stride = pick(t, 1, 2)};
    c->c = c->m = c->group = pick(t, 1, 40);
    c->pad_h = pick(t, 0, 3);
    c->pad_w = pick(t, 0, 3);
    c->h = pick(t, c->pad_h ? 1 : 3, 9);
    c->w = pick(t, c->pad_w ? 1 : 3, 27);
    run_plain(t);
    const int block = t->simd->block;
    const size_t windows = (size_t)(blocks(t, c->c) * 9 * block);
    const lb_shape xs = x_shape(c), ys = y_shape(c);
    const float *const x = blocked(t, &xs, c->x), *const dy = blocked(t, &ys, c->dy);
    const lb_depth s = depth_sizes(t);

    float *const y = room(t, lb_blocked_count(&ys, block));
    t->simd->depth_forward(&s, x, pack_windows(t, c->kernel, false), &nothing_after, y);
    compare_blocked(t, "depth forward", &ys, y, c->y);
    depth_gradient(t, dy);
    float *const dw = room(t, windows), *const plain = take(t, windows * sizeof *plain);
    t->simd->depth_weight(&s, x, dy, dw);
    check_marks(dw, windows);
    for (int i = 0; i < c->c * 9; i++)
        plain[i] = dw[(i / 9 / block * 9 + i % 9) * block + i / 9 % block];
    compare(t, "depth weight", plain, c->dkernel, kernel_count(c));
}

/* Bias, residual and limits, in that order. */
static void depth_after(trial *t)
{
    conv *const c = &t->conv;

    *c = (conv){
        .n = 2, .k = 3, .stride = pick(t, 1, 2), .pad_h = 1, .pad_w = 1, .h = 5, .w = 13};
    c->c = c->m = c->group = pick(t, 1, 40);
    run_plain(t);
    const lb_shape ys = y_shape(c), xs = x_shape(c);
    const size_t filters = (size_t)(blocks(t, c->c) * t->simd->block);
    const double *const bias = draw(t, filters);
    float *const packed = narrow(t, bias, filters);
    const lb_conv_after after = {.bias = packed,
                                 .residual = blocked(t, &ys, c->dy),
                                 .clips = true,
                                 .low = -0.5F,
                                 .high = 1.5F};
    const lb_depth s = depth_sizes(t);

    for (size_t i = (size_t)c->c; i < filters; i++)
        packed[i] = 0;
    for (size_t i = 0; i < y_count(c); i++) {
        const size_t m = i / (size_t)(c->oh * c->ow) % (size_t)c->m;
        c->y[i] = fmin(1.5, fmax(-0.5, c->y[i] + bias[m] + c->dy[i]));
    }
    float *const y = room(t, lb_blocked_count(&ys, t->simd->block));
    t->simd->depth_forward(&s, blocked(t, &xs, c->x), pack_windows(t, c->kernel, false),
                           &after, y);
    compare_blocked(t, "depth after", &ys, y, c->y);
}

/* Panels of two blocks of filters; with steps of one and c the gradient's. */
static float *pack_panels(trial *t, const lb_point *s, int filter_step, int channel_step)
{
    const int block = t->simd->block;
    float *const u = take(t, t->simd->point_packed(s) * sizeof *u);
    int at = 0;

    for (int o = 0; o < s->oc; o += 2)
        for (int k = 0; k < s->channels; k++)
            for (int f = o * block; f < (o + 2 > s->oc ? s->oc : o + 2) * block;
                 f++, at++)
                if (f < s->filters)
                    u[at] = (float)t->conv.kernel[f * filter_step + k * channel_step];
    return u;
}

static void point_forwards(trial *t)
{
    conv *const c = &t->conv;
    const lb_shape xs = x_shape(c), ys = y_shape(c);
    lb_point s = {.n = c->n,
                  .ic = blocks(t, c->c),
                  .oc = blocks(t, c->m),
                  .pixels = c->h * c->w,
                  .channels = c->c,
                  .filters = c->m};
    const double *const bias = draw(t, (size_t)(s.oc * t->simd->block));
    float *const packed = narrow(t, bias, (size_t)(s.oc * t->simd->block));
    const lb_conv_after after = {.bias = packed,
                                 .residual = blocked(t, &ys, c->dy),
                                 .clips = true,
                                 .low = -2,
                                 .high = 3};
    float *const y = room(t, lb_blocked_count(&ys, t->simd->block));
    float *const dx = room(t, lb_blocked_count(&xs, t->simd->block));

    for (int i = c->m; i < s.oc * t->simd->block; i++)
        packed[i] = 0;
    t->simd->point_forward(&s, blocked(t, &xs, c->x), pack_panels(t, &s, c->c, 1), &after,
                           y);
    for (size_t i = 0; i < y_count(c); i++) {
        const size_t m = i / (size_t)(c->oh * c->ow) % (size_t)c->m;
        c->y[i] = fmin(3, fmax(-2, c->y[i] + bias[m] + c->dy[i]));
    }
    compare_blocked(t, "point forward", &ys, y, c->y);
    s = (lb_point){.n = c->n,
                   .ic = blocks(t, c->m),
                   .oc = blocks(t, c->c),
                   .pixels = c->h * c->w,
                   .channels = c->m,
                   .filters = c->c};
    t->simd->point_forward(&s, blocked(t, &ys, c->dy), pack_panels(t, &s, 1, c->c),
                           &nothing_after, dx);
    compare_blocked(t, "point input", &xs, dx, c->dx);
}

static void point(trial *t)
{
    conv *const c = &t->conv;

    *c = (conv){.n = pick(t, 1, 4),
                .k = 1,
                .stride = 1,
                .group = 1,
                .c = pick(t, 1, 70),
                .m = pick(t, 1, 70),
                .h = pick(t, 1, 13),
                .w = pick(t, 1, 13)};
    run_plain(t);
    const lb_shape xs = x_shape(c), ys = y_shape(c);
    const lb_point s = {.n = c->n,
                        .ic = blocks(t, c->c),
                        .oc = blocks(t, c->m),
                        .pixels = c->h * c->w,
                        .filters = c->m};
    const size_t row = (size_t)(s.ic * t->simd->block);
    const size_t n = row * (size_t)(s.oc * t->simd->block);
    float *const dw = room(t, n), *const plain = take(t, n * sizeof *plain);

    t->simd->point_weight(&s, blocked(t, &xs, c->x), blocked(t, &ys, c->dy), dw);
    check_marks(dw, n);
    for (size_t m = 0; m < (size_t)c->m; m++)
        for (size_t i = 0; i < (size_t)c->c; i++)
            plain[m * (size_t)c->c + i] = dw[m * row + i];
    compare(t, "point weight", plain, c->dkernel, kernel_count(c));
    point_forwards(t);
}

static lb_wino wino_sizes(const trial *t)
{
    const conv *const c = &t->conv;

    return (lb_wino){.n = c->n,
                     .ic = blocks(t, c->c),
                     .oc = blocks(t, c->m),
                     .h = c->h,
                     .w = c->w,
                     .oh = c->oh,
                     .ow = c->ow,
                     .pad_h = c->pad_h,
                     .pad_w = c->pad_w};
}

/* dw [9][channels][filters] in blocks against the plain one. */
static void compare_taps(trial *t, const char *what, const lb_wino *s, const float *dw)
{
    const conv *const c = &t->conv;
    const size_t row = (size_t)(s->oc * t->simd->block);
    const size_t tap = row * (size_t)(s->ic * t->simd->block);
    float *const plain = take(t, kernel_count(c) * sizeof *plain);
    size_t at = 0;

    check_marks(dw, 9 * tap);
    for (size_t m = 0; m < (size_t)c->m; m++)
        for (size_t i = 0; i < (size_t)c->c; i++)
            for (size_t k = 0; k < 9; k++)
                plain[at++] = dw[k * tap + i * row + m];
    compare(t, what, plain, c->dkernel, kernel_count(c));
}

static float *room_for_taps(trial *t, const lb_wino *s)
{
    return room(t, (size_t)(9 * s->ic * s->oc * t->simd->block * t->simd->block));
}

static void wino_gradients(trial *t, const float *x, const float *dy)
{
    const conv *const c = &t->conv;
    const lb_shape xs = x_shape(c);
    lb_wino s = {.n = c->n,
                 .ic = blocks(t, c->m),
                 .oc = blocks(t, c->c),
                 .h = c->oh,
                 .w = c->ow,
                 .oh = c->h,
                 .ow = c->w,
                 .pad_h = 2 - c->pad_h,
                 .pad_w = 2 - c->pad_w};
    float *const dx = room(t, lb_blocked_count(&xs, t->simd->block));
    const float *const kernel = narrow(t, c->kernel, kernel_count(c));
    float *const scratch = take(t, t->simd->wino_plan(&s, LB_WINO_FORWARD));
    float *const u = take(t, t->simd->wino_packed(&s) * sizeof *u);

    t->simd->wino_pack_back(&s, c->m, c->c, kernel, u);
    t->simd->wino_forward(&s, dy, u, &nothing_after, dx, scratch);
    compare_blocked(t, "wino input", &xs, dx, c->dx);
    s = wino_sizes(t);
    float *const more = take(t, t->simd->wino_plan(&s, LB_WINO_WEIGHT));
    float *const dw = room_for_taps(t, &s);
    t->simd->wino_weight(&s, x, dy, dw, more);
    compare_taps(t, "wino weight", &s, dw);
}

static void wino(trial *t)
{
    conv *const c = &t->conv;

    *c = (conv){.n = pick(t, 1, 3),
                .k = 3,
                .stride = 1,
                .group = 1,
                .c = pick(t, 1, 40),
                .m = pick(t, 1, 40),
                .h = pick(t, 3, 11),
                .w = pick(t, 3, 14),
                .pad_h = pick(t, 0, 2),
                .pad_w = pick(t, 0, 2)};
    run_plain(t);
    const lb_shape xs = x_shape(c), ys = y_shape(c);
    const float *const x = blocked(t, &xs, c->x), *const dy = blocked(t, &ys, c->dy);
    lb_wino s = wino_sizes(t);
    float *const scratch = take(t, t->simd->wino_plan(&s, LB_WINO_FORWARD));
    float *const u = take(t, t->simd->wino_packed(&s) * sizeof *u);
    float *const y = room(t, lb_blocked_count(&ys, t->simd->block));

    t->simd->wino_pack(&s, c->m, c->c, narrow(t, c->kernel, kernel_count(c)), u);
    t->simd->wino_forward(&s, x, u, &nothing_after, y, scratch);
    compare_blocked(t, "wino forward", &ys, y, c->y);
    wino_gradients(t, x, dy);
}

/* Stride 2: all three passes, without padding and with one. */
static void halve(trial *t)
{
    conv *const c = &t->conv;
    const int pad = pick(t, 0, 1);

    *c = (conv){.n = pick(t, 1, 3),
                .k = 3,
                .stride = 2,
                .group = 1,
                .c = pick(t, 1, 40),
                .m = pick(t, 1, 40),
                .h = pick(t, 3, 19),
                .w = pick(t, 3, 22),
                .pad_h = pad,
                .pad_w = pad};
    run_plain(t);
    const lb_shape xs = x_shape(c), ys = y_shape(c);
    const float *const x = blocked(t, &xs, c->x), *const dy = blocked(t, &ys, c->dy);
    const float *const kernel = narrow(t, c->kernel, kernel_count(c));
    lb_wino s = wino_sizes(t);
    float *const scratch = take(t, t->simd->halve_plan(&s, LB_WINO_FORWARD));
    float *const u = take(t, t->simd->halve_packed(&s) * sizeof *u);
    float *const y = room(t, lb_blocked_count(&ys, t->simd->block));

    t->simd->halve_pack(&s, c->m, c->c, kernel, u);
    t->simd->halve_forward(&s, x, u, &nothing_after, y, scratch);
    compare_blocked(t, "halve forward", &ys, y, c->y);
    s = wino_sizes(t);
    float *const more = take(t, t->simd->halve_plan(&s, LB_WINO_BACK));
    float *const dx = room(t, lb_blocked_count(&xs, t->simd->block));
    t->simd->halve_pack_back(&s, c->m, c->c, kernel, u);
    t->simd->halve_back(&s, dy, u, dx, more);
    compare_blocked(t, "halve input", &xs, dx, c->dx);
    s = wino_sizes(t);
    float *const most = take(t, t->simd->halve_plan(&s, LB_WINO_WEIGHT));
    float *const dw = room_for_taps(t, &s);
    t->simd->halve_weight(&s, x, dy, dw, most);
    compare_taps(t, "halve weight", &s, dw);
}

/* All ways that a, b and y may lie. */
static void dense(trial *t)
{
    const int m = pick(t, 1, 21), k = pick(t, 1, 70), n = pick(t, 1, 50);
    const bool turned = pick(t, 0, 1), has_bias = pick(t, 0, 1);
    const size_t pitch = (size_t)(pick(t, 0, 1) ? n : (n + 15) / 16 * 16);
    const lb_dense s = {.m = m,
                        .k = k,
                        .n = n,
                        .row = turned ? 1 : (size_t)k,
                        .column = turned ? (size_t)m : 1,
                        .pitch = pitch,
                        .alpha = pick(t, 0, 1) ? 1 : 0.5f};
    const size_t n_a = (size_t)(m * k), n_b = (size_t)k * pitch, n_y = (size_t)(m * n);
    const double *const a = draw(t, n_a), *const b = draw(t, n_b);
    const double *const bias = draw(t, (size_t)n);
    double *const want = take(t, n_y * sizeof *want);
    float *const fa = take(t, n_a * sizeof *fa), *const fb = take(t, n_b * sizeof *fb);
    float *const fbias = take(t, (size_t)n * sizeof *fbias), *const y = room(t, n_y);

    t->conv = (conv){.n = m, .c = k, .m = n}; /* for what a failure prints */
    for (size_t i = 0; i < n_a; i++)
        fa[i] = (float)a[i];
    for (size_t i = 0; i < n_b; i++)
        fb[i] = (float)b[i];
    for (int j = 0; j < n; j++)
        fbias[j] = (float)bias[j];
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += a[(size_t)i * s.row + (size_t)l * s.column] *
                       b[(size_t)l * pitch + (size_t)j];
            want[i * n + j] = (double)s.alpha * sum + (has_bias ? bias[j] : 0);
        }
    t->simd->dense(&s, fa, fb, has_bias ? fbias : NULL, y);
    check_marks(y, n_y);
    compare(t, "dense", y, want, n_y);
}

/* Every set, many sizes. */
static void try_all(void (*one)(trial *t), uint64_t which)
{
    for (int i = 0; i < n_tables; i++)
        for (int round = 0; round < ROUNDS; round++) {
            trial t = {.arena = lb_arena_new(0),
                       .rng = lb_rng_make(11, LB_RNG_TEST, which, (uint64_t)round),
                       .simd = table[i],
                       .name = table_name[i]};
            CHECK(t.arena != NULL);
            if (t.arena)
                one(&t);
            lb_arena_free(t.arena);
        }
}

static void depthwise_agrees(void)
{
    try_all(depth, 1);
    try_all(depth_after, 2);
}

static void pointwise_agrees(void)
{
    try_all(point, 3);
}

static void products_agree(void)
{
    try_all(dense, 6);
}

static void winograd_agrees(void)
{
    try_all(wino, 4);
    try_all(halve, 5);
}

static void blocks_are_as_promised(void)
{
    for (int i = 0; i < n_tables; i++)
        CHECK(table[i]->block == (strcmp(table_name[i], "avx512") == 0 ? 16 : 8));
    CHECK(lb_simd_best()->block == lb_cpu_block());
    CHECK(lb_simd_best() == table[n_tables - 1]);
}

int main(void)
{
    find_tables();
    RUN(blocks_are_as_promised);
    RUN(depthwise_agrees);
    RUN(pointwise_agrees);
    RUN(products_agree);
    RUN(winograd_agrees);
    return DONE();
}
