/* memory.c: greedy placement of buffers with lifetimes.
 *
 * Two orders are tried, by size and by size times life, and the tighter result is kept.
 * Each buffer goes to the lowest gap among those placed before it whose lives overlap. */
#include "graph/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct item {
    double rank; /* larger is placed sooner */
    int index;
} item;

static int by_rank(const void *a, const void *b)
{
    const item *const x = a, *const y = b;

    if (x->rank != y->rank)
        return x->rank > y->rank ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool lives_overlap(const lb_piece *a, const lb_piece *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static size_t round_up(size_t n, size_t align)
{
    return (n + align - 1) / align * align;
}

/* The lowest offset where `piece` fits; `placed` holds n indices sorted by offset. */
static size_t lowest_gap(const lb_piece *pieces, const int *placed, int n,
                         const lb_piece *piece, const size_t *offset, size_t align)
{
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        const lb_piece *const other = &pieces[placed[i]];
        if (!lives_overlap(piece, other))
            continue;
        if (offset[placed[i]] >= at + piece->size)
            break;
        const size_t end = round_up(offset[placed[i]] + other->size, align);
        if (end > at)
            at = end;
    }
    return at;
}

static size_t place_in_order(const lb_piece *pieces, const item *order, int n,
                             size_t align, int *placed, size_t *offset)
{
    size_t total = 0;
    int n_placed = 0;

    for (int i = 0; i < n; i++) {
        const int index = order[i].index;
        const lb_piece *const piece = &pieces[index];
        if (piece->size == 0) {
            offset[index] = 0;
            continue;
        }
        offset[index] = lowest_gap(pieces, placed, n_placed, piece, offset, align);
        if (offset[index] + piece->size > total)
            total = offset[index] + piece->size;
        int k = n_placed++;
        for (; k > 0 && offset[placed[k - 1]] > offset[index]; k--)
            placed[k] = placed[k - 1];
        placed[k] = index;
    }
    return round_up(total, align);
}

static double rank_of(const lb_piece *piece, int way)
{
    const double life = (double)piece->last - piece->first + 1;

    return way == 0 ? (double)piece->size : (double)piece->size * life;
}

lb_code lb_memory_plan(lb_piece *pieces, int n, size_t align, size_t *total,
                       lb_error *err)
{
    const size_t count = n > 0 ? (size_t)n : 1;
    item *const order = lb_heap_take(count * sizeof *order);
    int *const placed = lb_heap_take(count * sizeof *placed);
    size_t *const offset = lb_heap_take(count * sizeof *offset);
    lb_code code = LB_OK;
    size_t best = SIZE_MAX;

    if (!order || !placed || !offset) {
        code = lb_raise(err, LB_ERR_MEMORY, "no memory to place %d buffers", n);
        goto done;
    }
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < n; i++)
            order[i] = (item){rank_of(&pieces[i], way), i};
        qsort(order, (size_t)n, sizeof *order, by_rank);
        const size_t size = place_in_order(pieces, order, n, align, placed, offset);
        if (size >= best)
            continue;
        best = size;
        for (int i = 0; i < n; i++)
            pieces[i].offset = offset[i];
    }
    *total = n > 0 ? best : 0;

done:
    lb_heap_give(order);
    lb_heap_give(placed);
    lb_heap_give(offset);
    return code;
}

size_t lb_memory_bound(const lb_piece *pieces, int n)
{
    size_t most = 0;

    for (int i = 0; i < n; i++) {
        size_t alive = 0; /* at the step where piece i begins */
        for (int k = 0; k < n; k++)
            if (pieces[k].first <= pieces[i].first && pieces[i].first <= pieces[k].last)
                alive += pieces[k].size;
        if (alive > most)
            most = alive;
    }
    return most;
}
