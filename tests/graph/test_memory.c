/* test_memory.c: buffers that live at the same time never overlap, and the plan is tight
 * where tightness is known. */
#include "graph/memory.h"

#include "base/rng.h"

#include "check.h"

enum { MOST = 60 };

static bool overlap(const lb_piece *a, const lb_piece *b)
{
    const bool in_time = a->first <= b->last && b->first <= a->last;
    const bool in_space =
        a->offset < b->offset + b->size && b->offset < a->offset + a->size;

    return a->size && b->size && in_time && in_space;
}

static void random_plans_are_sound(void)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        lb_rng rng = lb_rng_make(seed, LB_RNG_TEST, 0, 0);
        const int n = 1 + (int)lb_rng_below(&rng, MOST);
        lb_piece p[MOST] = {{0}};
        lb_error err = {0};
        size_t total = 0;
        for (int i = 0; i < n; i++) {
            p[i].size = lb_rng_below(&rng, 5) ? 1 + lb_rng_below(&rng, 5000) : 0;
            p[i].first = (int)lb_rng_below(&rng, 40);
            p[i].last = p[i].first + (int)lb_rng_below(&rng, 10);
        }
        CHECK_OK(lb_memory_plan(p, n, 64, &total, &err), &err);
        for (int i = 0; i < n; i++) {
            CHECK(p[i].offset % 64 == 0);
            CHECK(p[i].offset + p[i].size <= total);
            for (int k = 0; k < i; k++)
                CHECK(!overlap(&p[i], &p[k]));
        }
        CHECK(total >= lb_memory_bound(p, n));
    }
}

/* A chain: each buffer lives until the next one is made. Two neighbours at a time. */
static void a_chain_needs_its_largest_pair(void)
{
    lb_piece p[] = {{.size = 640, .first = 0, .last = 1},
                    {.size = 1280, .first = 1, .last = 2},
                    {.size = 320, .first = 2, .last = 3},
                    {.size = 64, .first = 3, .last = 4}};
    lb_error err = {0};
    size_t total = 0;

    CHECK_OK(lb_memory_plan(p, 4, 64, &total, &err), &err);
    CHECK(lb_memory_bound(p, 4) == 1920);
    CHECK(total == 1920);
}

static void nothing_needs_nothing(void)
{
    lb_piece none = {0};
    lb_error err = {0};
    size_t total = 1;

    CHECK_OK(lb_memory_plan(&none, 0, 64, &total, &err), &err);
    CHECK(total == 0);
}

int main(void)
{
    RUN(random_plans_are_sound);
    RUN(a_chain_needs_its_largest_pair);
    RUN(nothing_needs_nothing);
    return DONE();
}
