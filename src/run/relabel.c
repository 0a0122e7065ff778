/* relabel.c: finds the order in which a network's classes stand.
 *
 * With n_ij samples of label i that are answered as j, the relabelling is the permutation
 * p with the largest sum of n_i,p(i): an assignment problem. Any table has a best
 * permutation, so it is found on one half of the samples and held against the other. And
 * a network that answers j for both i and j gains nothing there from trading them, where
 * each label counts the same. */
#include "run/relabel.h"

#include <math.h>

/* Shortest augmenting paths over reduced costs: row by row, each path changes the columns
 * of earlier rows where that pays. Index 0 stands for "none" throughout. */
typedef struct solver {
    const int64_t *score;
    int n;
    int64_t *of_row, *of_column, *least; /* prices; least reduced cost into a column */
    int *row_of, *before;                /* of each column; the column before it */
    bool *done;
} solver;

static int64_t cost(const solver *s, int row, int column)
{
    const size_t at = (size_t)(row - 1) * (size_t)s->n + (size_t)(column - 1);

    return -s->score[at] - s->of_row[row] - s->of_column[column];
}

/* Goes on from column `at` to the cheapest that is left. */
static int step(solver *s, int at)
{
    const int row = s->row_of[at];
    int64_t delta = INT64_MAX;
    int next = 0;

    s->done[at] = true;
    for (int j = 1; j <= s->n; j++) {
        if (s->done[j])
            continue;
        const int64_t here = cost(s, row, j);
        if (here < s->least[j]) {
            s->least[j] = here;
            s->before[j] = at;
        }
        if (s->least[j] < delta) {
            delta = s->least[j];
            next = j;
        }
    }
    for (int j = 0; j <= s->n; j++) {
        if (s->done[j]) {
            s->of_row[s->row_of[j]] += delta;
            s->of_column[j] -= delta;
        } else {
            s->least[j] -= delta;
        }
    }
    return next;
}

static void place_row(solver *s, int row)
{
    int at = 0;

    for (int j = 0; j <= s->n; j++) {
        s->least[j] = INT64_MAX / 2;
        s->done[j] = false;
    }
    s->row_of[0] = row;
    do
        at = step(s, at);
    while (s->row_of[at] != 0);
    for (; at != 0; at = s->before[at])
        s->row_of[at] = s->row_of[s->before[at]];
}

lb_code lb_assign(const int64_t *score, int n, lb_arena *arena, int *column,
                  lb_error *err)
{
    const size_t size = (size_t)n + 1;
    solver s = {.score = score, .n = n};

    s.of_row = LB_TAKE_ARRAY(arena, size, int64_t);
    s.of_column = LB_TAKE_ARRAY(arena, size, int64_t);
    s.least = LB_TAKE_ARRAY(arena, size, int64_t);
    s.row_of = LB_TAKE_ARRAY(arena, size, int);
    s.before = LB_TAKE_ARRAY(arena, size, int);
    s.done = LB_TAKE_ARRAY(arena, size, bool);
    if (!s.of_row || !s.of_column || !s.least || !s.row_of || !s.before || !s.done)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to order %d classes", n);
    for (int row = 1; row <= n; row++)
        place_row(&s, row);
    for (int j = 1; j <= n; j++)
        column[s.row_of[j] - 1] = j - 1;
    return LB_OK;
}

/* The samples, and which of them are looked at. */
typedef struct half {
    const int32_t *label, *answer;
    int n, classes;
    const uint8_t *part; /* [n] 1 or 2; 0 without a label */
    unsigned wanted;     /* 1, 2, or 3 for both */
} half;

/* Counts the half's samples, and finds its best relabelling. Right answers come before
 * classes that stay where they are. */
static lb_code find(const half *h, lb_arena *arena, int *out, lb_error *err)
{
    const size_t n = (size_t)h->classes;
    size_t cells = 0;
    int64_t *const score =
        lb_size_mul(n, n, &cells) ? LB_TAKE_ARRAY(arena, cells, int64_t) : NULL;

    if (!score)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to order %d classes", h->classes);
    for (size_t i = 0; i < n; i++)
        score[i * n + i] = 1;
    for (int i = 0; i < h->n; i++)
        if (h->part[i] & h->wanted)
            score[(size_t)h->label[i] * n + (size_t)h->answer[i]] += (int64_t)n + 1;
    return lb_assign(score, h->classes, arena, out, err);
}

static double share_right(const half *h, const int *order)
{
    int n = 0, right = 0;

    for (int i = 0; i < h->n; i++) {
        if (!(h->part[i] & h->wanted))
            continue;
        n++;
        right += h->answer[i] == order[h->label[i]];
    }
    return n > 0 ? (double)right / n : 0;
}

/* What the order gains over the classes' own on this half: the mean over the labels that
 * it moves; *doubt: two and a half standard deviations of it at most. */
static double gain_of(const half *h, const int *order, int *tally, double *doubt)
{
    int *const seen = tally, *const balance = tally + h->classes;
    double gain = 0, variance = 0;
    int moved = 0;

    for (int c = 0; c < h->classes; c++)
        seen[c] = balance[c] = 0;
    for (int i = 0; i < h->n; i++) {
        const int label = h->label[i];
        if (!(h->part[i] & h->wanted))
            continue;
        seen[label]++;
        balance[label] += (h->answer[i] == order[label]) - (h->answer[i] == label);
    }
    for (int c = 0; c < h->classes; c++) {
        if (order[c] == c || seen[c] == 0)
            continue;
        moved++;
        gain += (double)balance[c] / seen[c];
        variance += 1.0 / seen[c]; /* each sample adds -1, 0 or 1 */
    }
    *doubt = moved > 0 ? 2.5 * sqrt(variance) / moved : 0;
    return moved > 0 ? gain / moved : 0;
}

/* Every other sample of each label is of part 1, the others of part 2. */
static void halve(const int32_t *label, int n, int *seen, uint8_t *part)
{
    for (int i = 0; i < n; i++)
        part[i] = label[i] < 0 ? 0 : (uint8_t)(1 + seen[label[i]]++ % 2);
}

lb_code lb_relabel(const int32_t *label, const int32_t *answer, int n, int classes,
                   lb_arena *arena, lb_relabelling *out, lb_error *err)
{
    uint8_t *const part = LB_TAKE_ARRAY(arena, n + 1, uint8_t);
    const half all = {label, answer, n, classes, part, 3};
    const half first = {label, answer, n, classes, part, 1};
    const half second = {label, answer, n, classes, part, 2};
    int *const order = LB_TAKE_ARRAY(arena, classes, int);
    int *const tally = LB_TAKE_ARRAY(arena, (size_t)classes * 2, int);
    lb_relabelling r = {.answer = LB_TAKE_ARRAY(arena, classes, int)};
    double doubt;

    if (!part || !order || !tally || !r.answer)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to order %d classes", classes);
    halve(label, n, tally, part);
    LB_TRY(find(&first, arena, order, err));
    const double gain = gain_of(&second, order, tally, &doubt);
    LB_TRY(find(&all, arena, r.answer, err));
    for (int c = 0; c < classes; c++)
        r.n_moved += r.answer[c] != c;
    r.accuracy = share_right(&all, r.answer);
    r.certain = r.n_moved > 0 && gain > 0.25 && gain > doubt;
    *out = r;
    return LB_OK;
}
