/* test_rate.c: the learning rate at known steps. */
#include "train/train.h"

#include "check.h"

static void constant_with_warmup(void)
{
    const lb_schedule_options s = {.kind = LB_SCHEDULE_CONSTANT, .warmup = 2};

    CHECK_NEAR(lb_schedule_rate(&s, 0.5, 10, 0, 10), 0.5 / 20, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 0.5, 10, 9, 10), 0.25, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 0.5, 10, 19, 10), 0.5, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 0.5, 10, 20, 10), 0.5, 0);
    CHECK_NEAR(lb_schedule_rate(&s, 0.5, 10, 99, 10), 0.5, 0);
}

static void cosine_falls_to_its_floor(void)
{
    const lb_schedule_options s = {.kind = LB_SCHEDULE_COSINE};
    const lb_schedule_options floored = {
        .kind = LB_SCHEDULE_COSINE, .warmup = 1, .floor = 0.1};

    CHECK_NEAR(lb_schedule_rate(&s, 0.1, 4, 0, 100), 0.1, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 0.1, 4, 200, 100), 0.05, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 0.1, 4, 100, 100), 0.1 * 0.85355339059327376, 1e-15);
    CHECK(lb_schedule_rate(&s, 0.1, 4, 399, 100) > 0);
    CHECK_NEAR(lb_schedule_rate(&floored, 1, 3, 100, 100), 1, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&floored, 1, 3, 200, 100), 0.55, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&floored, 1, 3, 299, 100), 0.1, 1e-4);
    for (int64_t step = 101; step < 300; step++)
        CHECK(lb_schedule_rate(&floored, 1, 3, step, 100) <
              lb_schedule_rate(&floored, 1, 3, step - 1, 100));
}

static void steps_fall_at_their_epochs(void)
{
    const lb_schedule_options s = {
        .kind = LB_SCHEDULE_STEP, .at = {2, {2, 3.5}}, .factor = 0.1};

    CHECK_NEAR(lb_schedule_rate(&s, 1, 5, 19, 10), 1, 0);
    CHECK_NEAR(lb_schedule_rate(&s, 1, 5, 20, 10), 0.1, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 1, 5, 34, 10), 0.1, 1e-15);
    CHECK_NEAR(lb_schedule_rate(&s, 1, 5, 35, 10), 0.01, 1e-15);
}

/* A warm-up longer than the run, or as long: never a division by zero. */
static void long_warmups_stay_finite(void)
{
    for (double warmup = 0; warmup <= 4; warmup += 0.5) {
        const lb_schedule_options s = {.kind = LB_SCHEDULE_COSINE, .warmup = warmup};
        for (int64_t step = 0; step < 20; step++) {
            const double rate = lb_schedule_rate(&s, 1, 2, step, 10);
            CHECK(rate >= 0 && rate <= 1);
        }
    }
}

int main(void)
{
    RUN(constant_with_warmup);
    RUN(cosine_falls_to_its_floor);
    RUN(steps_fall_at_their_epochs);
    RUN(long_warmups_stay_finite);
    return DONE();
}
