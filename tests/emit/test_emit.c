/* test_emit.c: what is emitted compiles without a warning and computes what lb_low_run
 * computes, bit for bit. */
#include "firmware.h"
#include "lower/nets.h"

#include "base/file.h"
#include "device/device.h"
#include "ops/ops.h"

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
    const lb_window far = {.n = 2,
                           .kernel = {3, 3},
                           .stride = {2, 3},
                           .dilation = {3, 2},
                           .pad_begin = {4, 3},
                           .pad_end = {3, 4},
                           .group = 1};
    const lb_value w = net_weights(b, 3, 7, 3, 3, 3), bias = net_vector(b, 4, 7);
    const lb_shape four = lb_shape_of(1, 8), one = lb_shape_of(0);
    lb_tensor *pads = NULL, *value = NULL;
    lb_error err;

    if (lb_tensor_new(b->graph->arena, LB_I64, &four, &pads, &err) != LB_OK ||
        lb_tensor_new(b->graph->arena, LB_F32, &one, &value, &err) != LB_OK)
        return (lb_value){0};
    lb_tensor_put(pads, 2, 1);
    lb_tensor_put(pads, 7, 2);
    lb_tensor_put(value, 0, 0.25);
    const lb_value p = lb_constant(b, NULL, pads), v = lb_constant(b, NULL, value);
    const lb_value in[] = {x, p, v};
    x = lb_add_node(b, lb_op_find("Pad"), NULL, in, 3, NULL, 0);
    x = lb_conv(b, x, w, bias, &far, NULL);
    return net_conv(b, x, 6, 7, 5, 1, 7);
}

static void odd_net(void)
{
    check_net(build_odd, 3, 7, 6);
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
    lb_arena_free(arena);
}

int main(void)
{
    RUN(flatten_net);
    RUN(residual_net);
    RUN(mixed_net);
    RUN(odd_net);
    RUN(bad_names_are_refused);
    return DONE();
}
