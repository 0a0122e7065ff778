/* loader.c: threads that fill a ring of batches.
 *
 * Batches are numbered through the whole run. A thread claims the next number under the
 * lock, copies the batch's sample numbers there (so that the epoch's order may change
 * behind it), and fills slot number % ring outside it. The consumer takes the numbers in
 * turn. So who fills a batch, and when, never shows in what is in it. */
#include "data/loader.h"

#include "base/clock.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

enum { MOST_THREADS = 64, MOST_EPOCHS = 1 << 20 };

typedef struct slot {
    lb_batch batch;
    float *pixels;
    int32_t *label, *sample, *view;
    int64_t ready; /* number of the batch that it holds, or -1 */
} slot;

struct lb_loader {
    lb_arena *arena;
    const lb_data *data;
    lb_loader_options options;
    int batches; /* of an epoch */
    size_t sample_size;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot *ring;
    int n_ring;
    int64_t claimed, taken, end; /* next to claim; next to hand out; past the last */
    bool holds, stop;            /* the consumer holds batch taken - 1 */
    int32_t *order;              /* of the epoch */
    int order_epoch;             /* -1: none yet */

    pthread_t thread[MOST_THREADS];
    int n_threads;
    double idle;
};

/* The epoch's order, when it is not given: called under the lock. */
static const int32_t *order_of(lb_loader *l, int epoch)
{
    const int n = l->data->n[LB_TRAIN];

    if (l->order_epoch == epoch)
        return l->order;
    for (int i = 0; i < n; i++)
        l->order[i] = i;
    lb_rng rng = lb_rng_make(l->data->seed, LB_RNG_ORDER, (uint64_t)epoch,
                             (uint64_t)l->options.stage);
    lb_rng_shuffle(&rng, l->order, n);
    l->order_epoch = epoch;
    return l->order;
}

/* Where the given order's batch begins. */
static size_t order_at(const lb_loader *l, int epoch, int number)
{
    const lb_tensor *const order = l->options.order;
    const size_t batch = (size_t)l->options.batch;
    const bool by_epoch =
        order->shape.rank == 2 && order->shape.dim[1] == l->data->n[LB_TRAIN];

    if (by_epoch)
        return (size_t)epoch * (size_t)order->shape.dim[1] + (size_t)number * batch;
    return ((size_t)epoch * (size_t)l->batches + (size_t)number) * batch;
}

/* Names the samples of batch `index` of the run: called under the lock. */
static void name_samples(lb_loader *l, int64_t index, slot *s)
{
    const lb_loader_options *const o = &l->options;
    const int epoch = (int)(index / l->batches), number = (int)(index % l->batches);
    const int view = o->views > 0 ? epoch % o->views : o->stage * MOST_EPOCHS + epoch;

    if (o->order) {
        const int64_t *const from =
            (const int64_t *)o->order->data + order_at(l, epoch, number);
        for (int i = 0; i < o->batch; i++)
            s->sample[i] = (int32_t)from[i];
    } else {
        const int32_t *const order = order_of(l, epoch);
        memcpy(s->sample, order + (size_t)number * (size_t)o->batch,
               (size_t)o->batch * sizeof *order);
    }
    for (int i = 0; i < o->batch; i++)
        s->view[i] = view;
    s->batch = (lb_batch){.n = o->batch,
                          .epoch = epoch,
                          .number = number,
                          .pixels = s->pixels,
                          .label = s->label,
                          .sample = s->sample,
                          .view = s->view};
}

static void fill(const lb_loader *l, slot *s)
{
    for (int i = 0; i < l->options.batch; i++) {
        s->label[i] = lb_data_label(l->data, LB_TRAIN, s->sample[i]);
        lb_data_view(l->data, s->sample[i], s->view[i],
                     s->pixels + (size_t)i * l->sample_size);
    }
}

static void *work(void *arg)
{
    lb_loader *const l = arg;

    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->claimed < l->end) {
        /* the batch in the consumer's hands keeps its slot */
        if (l->claimed - (l->taken - l->holds) >= l->n_ring) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        const int64_t index = l->claimed++;
        slot *const s = &l->ring[index % l->n_ring];
        name_samples(l, index, s);
        pthread_mutex_unlock(&l->lock);
        fill(l, s);
        pthread_mutex_lock(&l->lock);
        s->ready = index;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static lb_code check_order(const lb_loader *l, lb_error *err)
{
    const lb_loader_options *const o = &l->options;
    const lb_tensor *const order = o->order;
    char text[LB_SHAPE_TEXT];

    if (!order)
        return LB_OK;
    if (order->dtype != LB_I64)
        return lb_raise(err, LB_ERR_INPUT, "the order of samples must be int64, not %s",
                        lb_dtype_name(order->dtype));
    const size_t needed = order_at(l, o->epochs - 1, l->batches - 1) + (size_t)o->batch;
    if (needed > order->n)
        return lb_raise(err, LB_ERR_INPUT,
                        "the order of samples %s is too short: %d epochs of %d batches "
                        "of %d need %zu numbers",
                        lb_shape_text(&order->shape, text), o->epochs, l->batches,
                        o->batch, needed);
    for (size_t i = 0; i < order->n; i++) {
        const int64_t at = ((const int64_t *)order->data)[i];
        if (at < 0 || at >= l->data->n[LB_TRAIN])
            return lb_raise(err, LB_ERR_INPUT,
                            "the order of samples holds %lld at index %zu, but there are "
                            "samples 0 to %d",
                            (long long)at, i, l->data->n[LB_TRAIN] - 1);
    }
    return LB_OK;
}

static lb_code check_options(lb_loader *l, lb_error *err)
{
    const lb_loader_options *const o = &l->options;
    const int n = l->data->n[LB_TRAIN];

    if (o->batch < 1 || o->batch > n)
        return lb_raise(err, LB_ERR_INPUT,
                        "batch must be between 1 and the %d training samples, not %d", n,
                        o->batch);
    if (o->stage < 0 || o->stage > INT_MAX / MOST_EPOCHS - 1 || o->epochs > MOST_EPOCHS)
        return lb_bug(err, "stage %d with %d epochs is out of reach", o->stage,
                      o->epochs);
    if (o->threads < 0 || o->threads > MOST_THREADS)
        return lb_raise(err, LB_ERR_INPUT,
                        "loader threads must be between 0 and %d, not %d", MOST_THREADS,
                        o->threads);
    l->batches = n / o->batch;
    if (o->epochs < 1 || o->first_epoch < 0 || o->first_epoch > o->epochs ||
        o->first_batch < 0 || o->first_batch > l->batches)
        return lb_bug(err, "the loader cannot begin at batch %d of epoch %d",
                      o->first_batch, o->first_epoch);
    return check_order(l, err);
}

static lb_code take_ring(lb_loader *l, lb_error *err)
{
    const size_t batch = (size_t)l->options.batch;
    size_t values;

    l->n_ring = (l->options.threads ? l->options.threads : 1) + 2;
    l->ring = LB_TAKE_ARRAY(l->arena, l->n_ring, slot);
    l->order = LB_TAKE_ARRAY(l->arena, l->data->n[LB_TRAIN], int32_t);
    if (!l->ring || !l->order || !lb_size_mul(batch, l->sample_size, &values))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for batches");
    for (int i = 0; i < l->n_ring; i++) {
        slot *const s = &l->ring[i];
        s->pixels = LB_TAKE_ARRAY(l->arena, values, float);
        s->label = LB_TAKE_ARRAY(l->arena, batch, int32_t);
        s->sample = LB_TAKE_ARRAY(l->arena, batch, int32_t);
        s->view = LB_TAKE_ARRAY(l->arena, batch, int32_t);
        s->ready = -1;
        if (!s->pixels || !s->label || !s->sample || !s->view)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for batches");
    }
    return LB_OK;
}

static lb_code start(lb_loader *l, lb_error *err)
{
    const int wanted = l->options.threads ? l->options.threads : 1;

    while (l->n_threads < wanted) {
        const int error = pthread_create(&l->thread[l->n_threads], NULL, work, l);
        if (error)
            return lb_raise(err, LB_ERR_IO, "cannot start a loader thread: %s",
                            strerror(error));
        l->n_threads++;
    }
    return LB_OK;
}

lb_code lb_loader_open(const lb_data *data, const lb_loader_options *options,
                       lb_loader **out, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_loader *const l = arena ? LB_TAKE(arena, lb_loader) : NULL;

    if (!l) {
        lb_arena_free(arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the loader");
    }
    l->arena = arena;
    l->data = data;
    l->options = *options;
    l->order_epoch = -1;
    (void)lb_shape_count(&data->content.shape, &l->sample_size);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    lb_code code = check_options(l, err);
    if (code == LB_OK)
        code = take_ring(l, err);
    if (code == LB_OK) {
        l->claimed = (int64_t)options->first_epoch * l->batches + options->first_batch;
        l->taken = l->claimed;
        l->end = (int64_t)options->epochs * l->batches;
        code = start(l, err);
    }
    if (code != LB_OK) {
        lb_loader_close(l);
        return code;
    }
    *out = l;
    return LB_OK;
}

const lb_batch *lb_loader_next(lb_loader *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->holds) {
        l->holds = false;
        pthread_cond_broadcast(&l->changed);
    }
    if (l->taken >= l->end) {
        pthread_mutex_unlock(&l->lock);
        return NULL;
    }
    slot *const s = &l->ring[l->taken % l->n_ring];
    if (s->ready != l->taken) {
        const double from = lb_clock_wall();
        while (s->ready != l->taken)
            pthread_cond_wait(&l->changed, &l->lock);
        l->idle += lb_clock_wall() - from;
    }
    l->taken++;
    l->holds = true;
    pthread_mutex_unlock(&l->lock);
    return &s->batch;
}

int lb_loader_batches(const lb_loader *loader)
{
    return loader->batches;
}

double lb_loader_idle(const lb_loader *loader)
{
    return loader->idle;
}

void lb_loader_close(lb_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        pthread_join(l->thread[i], NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    lb_arena_free(l->arena);
}
