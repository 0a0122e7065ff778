/* test_emit.c: what is emitted compiles without a warning and computes what lb_low_run
 * computes, bit for bit. */
#include "firmware.h"
#include "lower/nets.h"

#include "base/file.h"
#include "device/device.h"

static lb_low *lower(net_builder build, int c, int h, int w, lb_arena *arena)
{
    lb_graph *const g = net_graph(build, c, h, w);
    lb_low *low = NULL;
    lb_error err = {0};

    CHECK(g != NULL);
    if (g)
        CHECK_OK(lb_lower(g, arena, &low, &err), &err);
    lb_graph_free(g);
    return low;
}

static void check_net(net_builder build, int c, int h, int w)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_low *const low = lower(build, c, h, w, arena);
    lb_estimate estimate;

    CHECK(low != NULL);
    if (!low)
        return;
    const firmware f = firmware_begin(low, 1, arena);
    if (f.proved) {
        CHECK_NEAR(f.proof.worst_error, 0, 0);
        CHECK(f.proof.sram_bytes == low->arena_bytes + f.proof.stack_bytes);
        CHECK(f.proof.stack_bytes > 0 && f.proof.stack_bytes < 4096);
        /* another processor's code: within a factor for the code alone */
        lb_device_estimate(low, lb_device_find("stm32l4r5"), &estimate);
        CHECK(f.proof.flash_bytes > estimate.weight_bytes);
        const size_t code_bytes = f.proof.flash_bytes - estimate.weight_bytes;
        CHECK(code_bytes > estimate.code_bytes / 4 &&
              code_bytes < estimate.code_bytes * 4);
    }
    firmware_end(&f);
    lb_arena_free(arena);
}

static void flatten_net(void)
{
    check_net(net_build_flatten, 3, 9, 7);
}

static void residual_net(void)
{
    check_net(net_build_residual, 3, 8, 8);
}

static void mixed_net(void)
{
    check_net(net_build_mixed, 4, 9, 8);
}

/* Windows that hang over every border, strides that skip, pads that are values. */
static lb_value build_odd(lb_builder *b, lb_value x)
{
    const lb_window far = net_far();
    const lb_value w = net_weights(b, 3, 7, 3, 3, 3), bias = net_vector(b, 4, 7);

    x = lb_conv(b, net_pad(b, x), w, bias, &far, NULL);
    return net_conv(b, x, 6, 7, 5, 1, 7);
}

static void odd_net(void)
{
    check_net(build_odd, 3, 7, 6);
}

static void several_inputs(void)
{
    check_net(net_build_inputs, 3, 9, 7);
}

static void bad_names_are_refused(void)
{
    static const char *const bad[] = {"", "1net", "a-b", "a b", "a;b", "../x"};
    lb_arena *const arena = lb_arena_new(0);
    lb_low *const low = lower(net_build_flatten, 3, 9, 7, arena);
    lb_emitted emitted;
    lb_error err = {0};

    for (size_t i = 0; low && i < sizeof bad / sizeof *bad; i++) {
        const lb_emit_options options = {.name = bad[i]};
        CHECK(lb_emit(low, &options, "/nonexistent", arena, &emitted, &err) ==
              LB_ERR_INPUT);
        CHECK_TEXT(err.text, "is no name for C");
    }
    static const char *const taken[] = {"selftest", "benchmark", "fw", "fw_conv",
                                        "fw8_x"};
    for (size_t i = 0; low && i < sizeof taken / sizeof *taken; i++) {
        const lb_emit_options options = {.name = taken[i]};
        CHECK(lb_emit(low, &options, "/nonexistent", arena, &emitted, &err) ==
              LB_ERR_INPUT);
        CHECK_TEXT(err.text, "is the name of another file");
    }
    lb_arena_free(arena);
}

int main(void)
{
    RUN(flatten_net);
    RUN(residual_net);
    RUN(mixed_net);
    RUN(odd_net);
    RUN(several_inputs);
    RUN(bad_names_are_refused);
    return DONE();
}
