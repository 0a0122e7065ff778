/* test_device.c: the table is sane, estimates add up, refusals say what and by how much,
 * and the widest fitting width is found. */
#include "check.h"
#include "lower/nets.h"

#include "device/device.h"

static bool is_rising(const lb_range *r)
{
    return r->low > 0 && r->low <= r->mid && r->mid <= r->high && r->high < 1e6;
}

static void check_speed(const lb_speed *speed)
{
    for (int k = 0; k < LB_N_WORK_KINDS; k++)
        CHECK(is_rising(&speed->cycles_per_mac[k]));
    CHECK(is_rising(&speed->cycles_per_element));
    CHECK(is_rising(&speed->cycles_per_layer));
}

static void table_is_sane(void)
{
    int n = 0;

    for (const lb_device *d = lb_devices; d->name; d++, n++) {
        CHECK(lb_device_find(d->name) == d); /* no name twice */
        CHECK(d->core && d->source && strlen(d->source) > 20);
        CHECK(d->clock_hz >= 1e6 && d->flash_bytes >= 65536 && d->sram_bytes >= 16384);
        CHECK(is_rising(&d->watts));
        check_speed(&d->fp32);
        check_speed(&d->int8);
    }
    CHECK(n >= 17);
    CHECK(!lb_device_find("stm32") && !lb_device_find(NULL));
}

static void estimates_add_up(void)
{
    const lb_device *const slow = lb_device_find("stm32g0b1");
    const lb_device *const fast = lb_device_find("stm32h743");
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(net_build_residual, 3, 8, 8);
    lb_low *low = NULL;
    lb_estimate a, b;
    lb_error err = {0};

    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    lb_device_estimate(low, slow, &a);
    lb_device_estimate(low, fast, &b);
    CHECK(a.flash_bytes == a.weight_bytes + a.code_bytes);
    CHECK(a.sram_bytes == a.arena_bytes + a.stack_bytes);
    CHECK(a.weight_bytes == low->weight_bytes && a.arena_bytes == low->arena_bytes);
    CHECK(is_rising(&a.latency_ms) && is_rising(&a.energy_uj));
    CHECK(a.latency_ms.low > b.latency_ms.high);
    /* 100 uJ/ms is 100 mW */
    CHECK_NEAR(b.energy_uj.mid, b.latency_ms.mid * fast->watts.mid * 1e3, 1e-9);
    lb_graph_free(g);
    lb_arena_free(arena);
}

static void refusals_say_by_how_much(void)
{
    const lb_device *const d = lb_device_find("stm32l4r5");
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(net_build_residual, 3, 8, 8);
    lb_device_options limits = {0};
    lb_low *low = NULL;
    lb_estimate e;
    char text[100];
    lb_error err = {0};

    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    lb_device_estimate(low, d, &e);
    CHECK_OK(lb_device_check(low, d, &limits, &e, &err), &err);
    limits.sram = (double)e.sram_bytes;
    limits.flash = (double)e.flash_bytes;
    limits.latency = e.latency_ms.high * 1.001e-3;
    limits.energy = e.energy_uj.high * 1.001e-6;
    CHECK_OK(lb_device_check(low, d, &limits, &e, &err), &err);
    limits.sram -= 1;
    CHECK(lb_device_check(low, d, &limits, &e, &err) == LB_ERR_BUDGET);
    snprintf(text, sizeof text, "needs %zu bytes of SRAM, 1 more than the %zu allowed",
             e.sram_bytes, e.sram_bytes - 1);
    CHECK_TEXT(err.text, text);
    CHECK_TEXT(err.text, low->step[e.peak_step].name);
    CHECK(!strstr(err.text, "flash"));
    limits.flash -= 100;
    limits.latency /= 2;
    limits.energy /= 2;
    CHECK(lb_device_check(low, d, &limits, &e, &err) == LB_ERR_BUDGET);
    CHECK_TEXT(err.text, "flash, 100 more than");
    CHECK_TEXT(err.text, " ms, up to");
    CHECK_TEXT(err.text, " uJ, up to");
    lb_graph_free(g);
    lb_arena_free(arena);
}

/* Estimates grow with the width; the width found fits and the next one does not. */
static void widest_is_found(void)
{
    const lb_model *const model = lb_model_find("ds-cnn");
    const lb_device *const d = lb_device_find("stm32l4r5");
    const lb_device_options limits = {.flash = 60e3};
    lb_model_options options = {.input = lb_shape_of(3, 1, 28, 28), .classes = 10};
    double width = 0;
    lb_error err = {0};

    CHECK(model != NULL);
    if (!model)
        return;
    CHECK_OK(lb_device_fit(model, &options, d, &limits, NULL, &width, &err), &err);
    CHECK_NEAR(width * 16, round(width * 16), 0);
    size_t last = 0;
    for (int k = -1; k <= 1; k++) {
        lb_arena *const arena = lb_arena_new(0);
        lb_graph *g = NULL;
        lb_low *low = NULL;
        lb_estimate e;
        options.width = width + k / 16.0;
        CHECK_OK(lb_model_build(model, &options, 1, &g, &err), &err);
        CHECK_OK(lb_lower(g, arena, &low, &err), &err);
        lb_device_estimate(low, d, &e);
        CHECK(e.flash_bytes >= last);
        CHECK((e.flash_bytes <= 60000) == (k <= 0));
        last = e.flash_bytes;
        lb_graph_free(g);
        lb_arena_free(arena);
    }
    const lb_device_options none = {.sram = 500};
    CHECK(lb_device_fit(model, &options, d, &none, NULL, &width, &err) == LB_ERR_BUDGET);
    CHECK_TEXT(err.text, "even at width");
}

int main(void)
{
    RUN(table_is_sane);
    RUN(estimates_add_up);
    RUN(refusals_say_by_how_much);
    RUN(widest_is_found);
    return DONE();
}
