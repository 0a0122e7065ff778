/* test_loader.c: batches are functions of seed, epoch and number alone. */
#include "data/loader.h"

#include "check.h"
#include "scratch.h"

enum { N = 50, BATCH = 8, EPOCHS = 5, SIZE = 48, BATCHES = N / BATCH };

static char folder[64];
static lb_arena *arena;
static const lb_data *data;

typedef struct record {
    int epoch, number;
    int32_t label[BATCH], sample[BATCH], view[BATCH];
    float pixels[BATCH * SIZE];
} record;

/* Reads to the end; returns the number of batches. */
static int run(const lb_loader_options *options, record *out, int most)
{
    lb_error err = {0};
    lb_loader *loader = NULL;
    const lb_batch *b;
    int n = 0;

    CHECK_OK(lb_loader_open(data, options, &loader, &err), &err);
    if (!loader)
        return 0;
    CHECK(lb_loader_batches(loader) == BATCHES);
    while ((b = lb_loader_next(loader)) && n < most) {
        record *const r = &out[n++];
        r->epoch = b->epoch;
        r->number = b->number;
        memcpy(r->label, b->label, sizeof r->label);
        memcpy(r->sample, b->sample, sizeof r->sample);
        memcpy(r->view, b->view, sizeof r->view);
        memcpy(r->pixels, b->pixels, sizeof r->pixels);
    }
    CHECK(b == NULL && lb_loader_next(loader) == NULL);
    CHECK(lb_loader_idle(loader) >= 0);
    lb_loader_close(loader);
    return n;
}

static record first[EPOCHS * BATCHES + 1], again[EPOCHS * BATCHES + 1];

static void batches_hold_views(void)
{
    const lb_loader_options options = {.batch = BATCH, .epochs = EPOCHS, .views = 3};
    float view[SIZE];

    CHECK(run(&options, first, EPOCHS * BATCHES + 1) == EPOCHS * BATCHES);
    for (int e = 0; e < EPOCHS; e++) {
        int seen[N] = {0};
        for (int k = 0; k < BATCHES; k++) {
            const record *const r = &first[e * BATCHES + k];
            CHECK(r->epoch == e && r->number == k);
            for (int i = 0; i < BATCH; i++) {
                seen[r->sample[i]]++;
                CHECK(r->view[i] == e % 3);
                CHECK(r->label[i] == lb_data_label(data, LB_TRAIN, r->sample[i]));
                lb_data_view(data, r->sample[i], r->view[i], view);
                CHECK(memcmp(view, r->pixels + i * SIZE, sizeof view) == 0);
            }
        }
        for (int i = 0; i < N; i++)
            CHECK(seen[i] <= 1);
    }
    CHECK(memcmp(first[0].sample, first[BATCHES].sample, sizeof first[0].sample) != 0);
}

static void threads_change_nothing(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        const lb_loader_options options = {
            .batch = BATCH, .epochs = EPOCHS, .views = 3, .threads = threads};
        memset(again, 0, sizeof again);
        CHECK(run(&options, again, EPOCHS * BATCHES + 1) == EPOCHS * BATCHES);
        CHECK(memcmp(first, again, sizeof(record) * EPOCHS * BATCHES) == 0);
    }
}

static void a_resumed_run_goes_on(void)
{
    for (int from = 0; from <= EPOCHS * BATCHES; from++) {
        const lb_loader_options options = {.batch = BATCH,
                                           .epochs = EPOCHS,
                                           .views = 3,
                                           .threads = 2,
                                           .first_epoch = from / BATCHES,
                                           .first_batch = from % BATCHES};
        const int left = EPOCHS * BATCHES - from;
        CHECK(run(&options, again, EPOCHS * BATCHES + 1) == left);
        CHECK(memcmp(first + from, again, sizeof(record) * (size_t)left) == 0);
    }
}

static void every_epoch_has_new_views(void)
{
    const lb_loader_options options = {.batch = BATCH, .epochs = EPOCHS};

    run(&options, again, EPOCHS * BATCHES + 1);
    for (int e = 0; e < EPOCHS; e++)
        CHECK(again[e * BATCHES].view[0] == e);
}

static void orders_are_followed(void)
{
    const lb_shape by_step = lb_shape_of(2, 2 * BATCHES, BATCH);
    const lb_shape by_epoch = lb_shape_of(2, 2, N);
    lb_error err = {0};
    lb_tensor *order = NULL;

    for (int form = 0; form < 2; form++) {
        CHECK_OK(lb_tensor_new(arena, LB_I64, form ? &by_epoch : &by_step, &order, &err),
                 &err);
        for (size_t i = 0; i < order->n; i++)
            lb_tensor_put(order, i, (double)(i * 7 % N));
        const lb_loader_options options = {.batch = BATCH, .epochs = 2, .order = order};
        CHECK(run(&options, again, EPOCHS * BATCHES) == 2 * BATCHES);
        for (int k = 0; k < 2 * BATCHES; k++) {
            const int row = form ? k / BATCHES * N + k % BATCHES * BATCH : k * BATCH;
            for (int i = 0; i < BATCH; i++)
                CHECK(again[k].sample[i] == (row + i) * 7 % N);
        }
    }
    lb_tensor_put(order, 3, N);
    lb_loader_options options = {.batch = BATCH, .epochs = 2, .order = order};
    lb_loader *loader = NULL;
    CHECK(lb_loader_open(data, &options, &loader, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "holds 50 at index 3, but there are samples 0 to 49");
    options.epochs = 3;
    CHECK(lb_loader_open(data, &options, &loader, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "too short");
}

static void loaders_close_early(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        const lb_loader_options options = {
            .batch = BATCH, .epochs = 1000, .threads = threads};
        lb_error err = {0};
        lb_loader *loader = NULL;
        CHECK_OK(lb_loader_open(data, &options, &loader, &err), &err);
        for (int i = 0; i < threads; i++)
            CHECK(lb_loader_next(loader) != NULL);
        lb_loader_close(loader);
    }
}

static void wrong_sizes_are_refused(void)
{
    lb_loader_options options = {.batch = N + 1, .epochs = 1};
    lb_error err = {0};
    lb_loader *loader = NULL;

    CHECK(lb_loader_open(data, &options, &loader, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "batch must be between 1 and the 50 training samples, not 51");
}

static void memory_may_run_out(void)
{
    const lb_loader_options options = {.batch = BATCH, .epochs = 2, .threads = 2};
    lb_code code = LB_ERR_MEMORY;
    int n = 0;

    for (; code != LB_OK && n < 100; n++) {
        lb_error err = {0};
        lb_loader *loader = NULL;
        lb_arena_fail_after(n);
        code = lb_loader_open(data, &options, &loader, &err);
        lb_arena_fail_after(-1);
        CHECK(code == LB_OK || code == LB_ERR_MEMORY);
        lb_loader_close(loader);
    }
    CHECK(code == LB_OK && n > 5);
}

int main(void)
{
    lb_data_options options = {
        .source = "idx",
        .path = folder,
        .fraction = 1,
        .labels = 0.5,
        .augment = {{LB_AUGMENT_CROP, 2, LB_FLIP_NONE}},
        .n_augment = 1,
    };
    lb_error err = {0};
    lb_data *opened = NULL;

    arena = lb_arena_new(0);
    scratch_make(folder);
    scratch_idx_folder(folder, N, 6, 8, false);
    if (lb_data_open(&options, 5, arena, &opened, &err) != LB_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    data = opened;
    RUN(batches_hold_views);
    RUN(threads_change_nothing);
    RUN(a_resumed_run_goes_on);
    RUN(every_epoch_has_new_views);
    RUN(orders_are_followed);
    RUN(loaders_close_early);
    RUN(wrong_sizes_are_refused);
    RUN(memory_may_run_out);
    scratch_remove(folder);
    lb_arena_free(arena);
    return DONE();
}
