/* layout.c: between plain [N,C,spatial] and blocked [N,C/b,spatial,b]. */
#include "engine/kernel.h"

#include <string.h>

/* A shape seen as [n, c, inner]; vectors and scalars have one spatial position. */
typedef struct view3 {
    size_t n, c, inner;
} view3;

static view3 view_of(const lb_shape *shape)
{
    view3 v = {1, 1, 1};

    for (int i = 0; i < shape->rank; i++) {
        if (i == 0)
            v.n = (size_t)shape->dim[i];
        else if (i == 1)
            v.c = (size_t)shape->dim[i];
        else
            v.inner *= (size_t)shape->dim[i];
    }
    return v;
}

static size_t blocks_of(const view3 *v, size_t block)
{
    return (v->c + block - 1) / block;
}

size_t lb_blocked_count(const lb_shape *shape, int block)
{
    const view3 v = view_of(shape);

    return v.n * blocks_of(&v, (size_t)block) * (size_t)block * v.inner;
}

void lb_to_blocked(const lb_shape *shape, int block, const float *plain, float *blocked)
{
    const view3 v = view_of(shape);
    const size_t b = (size_t)block, n_blocks = blocks_of(&v, b);

    for (size_t n = 0; n < v.n; n++)
        for (size_t k = 0; k < n_blocks; k++) {
            float *const to = blocked + (n * n_blocks + k) * v.inner * b;
            const float *const from = plain + (n * v.c + k * b) * v.inner;
            const size_t filled = v.c - k * b < b ? v.c - k * b : b;
            if (filled < b)
                memset(to, 0, v.inner * b * sizeof *to);
            for (size_t i = 0; i < v.inner; i++)
                for (size_t c = 0; c < filled; c++)
                    to[i * b + c] = from[c * v.inner + i];
        }
}

void lb_to_plain(const lb_shape *shape, int block, const float *blocked, float *plain)
{
    const view3 v = view_of(shape);
    const size_t b = (size_t)block, n_blocks = blocks_of(&v, b);

    for (size_t n = 0; n < v.n; n++)
        for (size_t k = 0; k < n_blocks; k++) {
            const float *const from = blocked + (n * n_blocks + k) * v.inner * b;
            float *const to = plain + (n * v.c + k * b) * v.inner;
            const size_t filled = v.c - k * b < b ? v.c - k * b : b;
            for (size_t c = 0; c < filled; c++)
                for (size_t i = 0; i < v.inner; i++)
                    to[c * v.inner + i] = from[i * b + c];
        }
}
