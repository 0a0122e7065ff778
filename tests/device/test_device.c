/* test_device.c: the table is sane, estimates add up, refusals say what and by how much,
 * and the most capable network that fits is found. */
#include "check.h"
#include "lower/nets.h"

#include "device/fit.h"

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

/* What a network of a model costs. */
static size_t flash_of(const lb_model *model, const lb_model_options *options,
                       const lb_device *device)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *g = NULL;
    lb_low *low = NULL;
    lb_estimate e = {0};
    lb_error err = {0};

    CHECK_OK(lb_model_build(model, options, 1, &g, &err), &err);
    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    lb_device_estimate(low, device, &e);
    lb_graph_free(g);
    lb_arena_free(arena);
    return e.flash_bytes;
}

static const lb_model_options picture = {.input = {.rank = 3, .dim = {1, 28, 28}},
                                         .classes = 10};

/* Estimates grow with the width; the width found fits and the next one does not. */
static void widest_is_found(void)
{
    const lb_device_options limits = {.flash = 60e3}, none = {.sram = 500};
    lb_fit_search s = {.model = lb_model_find("ds-cnn"),
                       .options = picture,
                       .device = lb_device_find("stm32l4r5"),
                       .limits = &limits};
    lb_model_options options = picture;
    lb_fit f;
    int best;
    lb_error err = {0};

    CHECK(lb_fit_count(&s) == 1);
    CHECK_OK(lb_fit_all(&s, &f, &best, &err), &err);
    CHECK(best == 0 && f.fits && f.depth == s.model->usual_depth);
    CHECK(lb_shape_equal(&f.input, &picture.input) && f.parameters > 0 && f.macs > 0);
    CHECK_NEAR(f.width * 16, round(f.width * 16), 0);
    size_t last = 0;
    for (int k = -1; k <= 1; k++) {
        options.width = f.width + k / 16.0;
        const size_t flash = flash_of(s.model, &options, s.device);
        CHECK(flash >= last);
        CHECK((flash <= 60000) == (k <= 0));
        CHECK(k != 0 || flash == f.estimate.flash_bytes);
        last = flash;
    }
    s.limits = &none;
    CHECK(lb_fit_all(&s, &f, &best, &err) == LB_ERR_BUDGET);
    CHECK(best == -1 && !f.fits);
    CHECK_TEXT(err.text, "even at width");
}

/* Multiply-adds, of a picture of half the side half of them. */
static double score_of(const lb_fit *f)
{
    return f->macs * f->input.dim[1] / 28;
}

/* Every depth and input at its own widest; the best is that which computes most, and of
 * those that are alike the one with the larger input. */
static void most_capable_is_found(void)
{
    static const int depth[] = {1, 3};
    const lb_shape input[] = {lb_shape_of(3, 1, 28, 28), lb_shape_of(3, 1, 14, 14)};
    const lb_device_options slow = {.latency = 30e-3}, small = {.flash = 24e3};
    lb_fit_search s = {.model = lb_model_find("resnet"),
                       .options = {.classes = 10},
                       .depth = depth,
                       .n_depths = 2,
                       .input = input,
                       .n_inputs = 2,
                       .device = lb_device_find("stm32l4r5"),
                       .limits = &slow};
    lb_fit f[4];
    int best;
    lb_error err = {0};

    CHECK(lb_fit_count(&s) == 4);
    CHECK_OK(lb_fit_all(&s, f, &best, &err), &err);
    for (int i = 0; i < 4; i++) {
        CHECK(f[i].depth == depth[i % 2] && lb_shape_equal(&f[i].input, &input[i / 2]));
        CHECK(!f[i].fits || f[i].estimate.latency_ms.high <= 30);
    }
    CHECK(best >= 0);
    for (int i = 0; best >= 0 && i < 4; i++)
        CHECK(!f[i].fits || score_of(&f[i]) <= 1.06 * score_of(&f[best]));
    /* where flash alone is short, a small input gains nothing */
    s.limits = &small;
    CHECK_OK(lb_fit_all(&s, f, &best, &err), &err);
    CHECK(best == 0 || best == 1);
    CHECK(f[0].width == f[2].width && f[0].macs > 3 * f[2].macs);
}

/* With a width given, depths are all that is looked at. */
static void depth_is_found(void)
{
    const lb_model *const model = lb_model_find("resnet");
    const lb_device_options limits = {.flash = 80e3}, none = {.flash = 5e3};
    lb_fit_search s = {.model = model,
                       .options = picture,
                       .depth = model->depths,
                       .n_depths = 6,
                       .device = lb_device_find("stm32l4r5"),
                       .limits = &limits};
    lb_fit f[6];
    int best, n = 0;
    lb_error err = {0};

    while (model->depths[n])
        n++;
    CHECK(n == 6);
    s.options.width = 0.25;
    CHECK_OK(lb_fit_all(&s, f, &best, &err), &err);
    CHECK(best > 0 && best < 5);
    for (int i = 0; i < 6; i++) {
        lb_model_options o = s.options;
        o.depth = model->depths[i];
        CHECK(f[i].fits == (i <= best));
        CHECK((flash_of(model, &o, s.device) <= 80000) == (i <= best));
        CHECK(!f[i].fits || f[i].width == 0.25);
    }
    s.limits = &none;
    CHECK(lb_fit_all(&s, f, &best, &err) == LB_ERR_BUDGET);
    CHECK_TEXT(err.text, "flash");
}

/* Steps of every core that is known cost something, and an estimate is NaN elsewhere. */
static void cores_are_known(void)
{
    static const struct {
        const char *device;
        lb_core core;
    } known[] = {{"rp2040", LB_CORE_M0},     {"stm32l4r5", LB_CORE_M4},
                 {"stm32u575", LB_CORE_M4},  {"stm32h743", LB_CORE_M4},
                 {"esp32-c3", LB_CORE_RV32}, {"esp32", LB_N_CORES}};
    lb_arena *const arena = lb_arena_new(0);
    lb_graph *const g = net_graph(net_build_residual, 3, 8, 8);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const lb_device *const d = lb_device_find(known[i].device);
        CHECK(d && lb_device_core(d) == known[i].core);
    }
    for (int core = 0; core < LB_N_CORES; core++) {
        double sum = 0;
        for (int i = 0; i < low->n_steps; i++) {
            const double n =
                lb_device_step_instructions(low, &low->step[i], (lb_core)core);
            CHECK(n > 0);
            sum += n;
        }
        CHECK(lb_device_instructions(low, (lb_core)core) > sum);
        /* an FPU makes the difference */
        CHECK(core == LB_CORE_M4 || core == LB_CORE_M55 ||
              sum > 4 * lb_device_instructions(low, LB_CORE_M4));
    }
    CHECK(isnan(lb_device_instructions(low, LB_N_CORES)));
    lb_graph_free(g);
    lb_arena_free(arena);
}

int main(void)
{
    RUN(table_is_sane);
    RUN(estimates_add_up);
    RUN(refusals_say_by_how_much);
    RUN(widest_is_found);
    RUN(most_capable_is_found);
    RUN(depth_is_found);
    RUN(cores_are_known);
    return DONE();
}
