/* wino_pack.c: weights as Winograd's convolution reads them: 36 matrices [channel]
 * [filter], each cut into panels of two blocks of filters, the last of one if there is an
 * odd one. */
#include "engine/simd/wino.h"
#include "engine/simd/wino_product.h"

size_t LB_SIMD(wino_packed)(const lb_wino *s)
{
    return (size_t)LB_WINO_ALL * (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;
}

/* One channel, one block of filters: nine weights of each become 36. */
static void transform(float g[9][LB_BLOCK], float *u, size_t pitch)
{
    lb_vec t[6][3];

    for (int j = 0; j < 3; j++) {
        const lb_vec column[3] = {lb_load(g[j]), lb_load(g[3 + j]), lb_load(g[6 + j])};
        lb_vec o[6];
        lb_wino_weight_in(column, o);
        for (int i = 0; i < 6; i++)
            t[i][j] = o[i];
    }
    for (int i = 0; i < 6; i++) {
        lb_vec o[6];
        lb_wino_weight_in(t[i], o);
        for (int j = 0; j < 6; j++)
            lb_store(u + (size_t)(i * 6 + j) * pitch, o[j]);
    }
}

/* Where the nine weights of channel i and filter o lie in the plain array, and whether
 * they are turned about. */
typedef struct source {
    const float *w;
    size_t by_filter, by_channel;
    int filters, channels;
    bool turned;
} source;

static void pack(const lb_wino *s, const source *from, float *u)
{
    const size_t pitch = (size_t)(s->ic * s->oc) * LB_BLOCK * LB_BLOCK;

    for (int i = 0; i < s->ic * LB_BLOCK; i++)
        for (int b = 0; b < s->oc; b++) {
            float g[9][LB_BLOCK];
            for (int k = 0; k < LB_BLOCK; k++) {
                const int o = b * LB_BLOCK + k;
                const bool there = i < from->channels && o < from->filters;
                const float *const w =
                    from->w + (size_t)i * from->by_channel + (size_t)o * from->by_filter;
                for (int j = 0; j < 9; j++)
                    g[j][k] = there ? w[from->turned ? 8 - j : j] : 0;
            }
            transform(g, u + lb_wino_panel(s->ic * LB_BLOCK, s->oc, i, b), pitch);
        }
}

void LB_SIMD(wino_pack)(const lb_wino *s, int m, int c, const float *w, float *u)
{
    const source from = {
        .w = w, .by_filter = (size_t)c * 9, .by_channel = 9, .filters = m, .channels = c};

    pack(s, &from, u);
}

void LB_SIMD(wino_pack_back)(const lb_wino *s, int m, int c, const float *w, float *u)
{
    const source from = {.w = w,
                         .by_filter = 9,
                         .by_channel = (size_t)c * 9,
                         .filters = c,
                         .channels = m,
                         .turned = true};

    pack(s, &from, u);
}
