/* test_half.c: 16-bit floats. */
#include "tensor/half.h"

#include "base/rng.h"

#include "check.h"

static float from_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static void known_values(void)
{
    static const struct {
        float x;
        uint16_t half;
    } row[] = {
        {0, 0},
        {1, 0x3c00},
        {-2, 0xc000},
        {65504, 0x7bff},
        {65519, 0x7bff},
        {65520, 0x7c00}, /* a tie with infinity, which is even */
        {-1e30f, 0xfc00},
        {INFINITY, 0x7c00},
        {-INFINITY, 0xfc00},
        {0x1p-14f, 0x0400}, /* the least normal number */
        {0x1p-15f, 0x0200},
        {0x1p-24f, 0x0001}, /* the least of all */
        {0x1p-25f, 0x0000}, /* a tie, to even */
        {0x1.000002p-25f, 0x0001},
        {0x1.8p-24f, 0x0002},   /* a tie, to even */
        {0x1.ff8p-15f, 0x03ff}, /* the largest subnormal */
        {0x1.ffcp-15f, 0x0400}, /* a tie that carries into the normal ones */
        {-0x1p-40f, 0x8000},
        {0x1.002p0f, 0x3c00}, /* ties */
        {0x1.006p0f, 0x3c02},
        {0x1.002002p0f, 0x3c01},
        {0x1.fffp0f, 0x4000}, /* carries */
        {0x1p-140f, 0x0000},
        {1.0f / 3, 0x3555},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (lb_half_from(row[i].x) != row[i].half)
            printf("# %a is %04x, not %04x\n", (double)row[i].x, lb_half_from(row[i].x),
                   row[i].half);
        CHECK(lb_half_from(row[i].x) == row[i].half);
    }
    CHECK(lb_half_from(-0.0f) == 0x8000);
    CHECK(signbit(lb_half_to(0x8000)) && lb_half_to(0x8000) == 0);
    CHECK(isnan(lb_half_to(lb_half_from(NAN))));
    CHECK(isnan(lb_half_to(lb_half_from(from_bits(0x7f800001)))));
    CHECK(isnan(lb_half_to(lb_half_from(from_bits(0xff802000)))));
}

static void all_of_them_come_back(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float x = lb_half_to((uint16_t)h);
        if (isnan(x))
            CHECK((h & 0x7c00) == 0x7c00 && (h & 0x3ff) &&
                  isnan(lb_half_to(lb_half_from(x))));
        else
            CHECK(lb_half_from(x) == h);
    }
}

/* Of two neighbours the nearer one, whatever the number. */
static void the_nearest_is_taken(void)
{
    lb_rng rng = lb_rng_make(2, LB_RNG_TEST, 0, 0);

    for (int i = 0; i < 200000; i++) {
        const int exponent = (int)lb_rng_below(&rng, 44) - 27;
        const float x = (float)ldexp(1 + lb_rng_uniform(&rng), exponent);
        const uint16_t half = lb_half_from(x);
        if (half == 0x7c00) {
            CHECK(x >= 65520);
            continue;
        }
        const double off = fabs((double)lb_half_to(half) - (double)x);
        const double above =
            half == 0x7bff ? 65536 : (double)lb_half_to((uint16_t)(half + 1));
        CHECK(off <= above - (double)x);
        if (half > 0)
            CHECK(off <= (double)x - (double)lb_half_to((uint16_t)(half - 1)));
        CHECK(lb_half_from(-x) == (half | 0x8000));
    }
}

int main(void)
{
    RUN(known_values);
    RUN(all_of_them_come_back);
    RUN(the_nearest_is_taken);
    return DONE();
}
