/* feed.c: writes samples into the input of a plan, each thread its share. */
#include "train/train_int.h"

#include <string.h>

static bool shape_is(const lb_shape *in, int rank, const int *dim)
{
    if (in->rank != rank + 1)
        return false;
    for (int i = 0; i < rank; i++)
        if (in->dim[i + 1] != dim[i])
            return false;
    return true;
}

lb_code lb_input_match(const lb_graph *graph, const lb_shape *sample,
                       lb_input_options *options, lb_error *err)
{
    char have[LB_SHAPE_TEXT], want[LB_SHAPE_TEXT];
    int last[LB_MAX_RANK] = {0};
    size_t n_in = 1, n_sample = 0;

    if (graph->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "the network has %d inputs; one, for the sample, can be fed",
                        graph->n_inputs);
    const lb_type *const type = &lb_info(graph, graph->inputs[0])->type;
    const lb_shape *const in = &type->shape;
    if (!lb_type_batched(type) || !lb_dtype_is_float(type->dtype) ||
        in->rank > LB_MAX_RANK || sample->rank >= LB_MAX_RANK ||
        !lb_shape_count(sample, &n_sample))
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "input '%s' must be a batch of numbers, not %s %s",
                        lb_info(graph, graph->inputs[0])->name,
                        lb_dtype_name(type->dtype), lb_shape_text(in, want));
    for (int i = 1; i < in->rank; i++)
        n_in *= (size_t)in->dim[i];
    for (int i = 0; i < sample->rank; i++)
        last[i] = sample->dim[(i + 1) % sample->rank];
    if (shape_is(in, sample->rank, sample->dim))
        options->layout = LB_CHANNELS_FIRST;
    else if (shape_is(in, sample->rank, last))
        options->layout = LB_CHANNELS_LAST;
    else if (n_in != n_sample || in->rank > sample->rank + 1)
        return lb_raise(err, LB_ERR_INPUT, "input '%s' takes %s, but the samples are %s",
                        lb_info(graph, graph->inputs[0])->name, lb_shape_text(in, want),
                        lb_shape_text(sample, have));
    return LB_OK;
}

lb_code lb_feed_init(lb_feed *feed, const lb_graph *graph,
                     const lb_input_options *options, const lb_data *data, lb_pool *pool,
                     lb_arena *arena, lb_error *err)
{
    size_t n;

    *feed = (lb_feed){.options = *options, .shape = data->content.shape, .pool = pool};
    LB_TRY(lb_input_match(graph, &feed->shape, &feed->options, err));
    feed->dtype = lb_info(graph, graph->inputs[0])->type.dtype;
    if (!lb_shape_count(&feed->shape, &feed->n) || feed->n == 0)
        return lb_bug(err, "samples of no size");
    if (lb_size_mul((size_t)lb_pool_threads(pool) * 2, feed->n, &n))
        feed->scratch = LB_TAKE_ARRAY(arena, n, float);
    if (!feed->scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for samples");
    return LB_OK;
}

typedef struct job {
    const lb_feed *feed;
    lb_plan *plan;
    lb_value input;
    const float *pixels; /* or NULL: from the split */
    const lb_data *data;
    lb_split split;
    int first, n_samples;
} job;

static void work(void *arg, int thread)
{
    const job *const j = arg;
    const lb_feed *const feed = j->feed;
    float *const raw = feed->scratch + (size_t)thread * 2 * feed->n;
    float *const ready = raw + feed->n;
    const int n_threads = lb_pool_threads(feed->pool);

    for (int i = thread; i < j->n_samples; i += n_threads) {
        void *const to = lb_plan_input(j->plan, j->input, i);
        const float *from = raw;
        if (j->pixels)
            from = j->pixels + (size_t)i * feed->n;
        else
            lb_data_sample(j->data, j->split, j->first + i, raw);
        if (feed->dtype == LB_F32) {
            lb_input_write(&feed->options, &feed->shape, from, to);
            continue;
        }
        lb_input_write(&feed->options, &feed->shape, from, ready);
        lb_widen(LB_F32, ready, feed->n, to);
    }
}

void lb_feed_pixels(const lb_feed *feed, lb_plan *plan, lb_value input,
                    const float *pixels, int n_samples)
{
    job j = {.feed = feed,
             .plan = plan,
             .input = input,
             .pixels = pixels,
             .n_samples = n_samples};

    lb_pool_run(feed->pool, work, &j);
}

void lb_feed_split(const lb_feed *feed, lb_plan *plan, lb_value input,
                   const lb_data *data, lb_split split, int first, int n_samples)
{
    job j = {.feed = feed,
             .plan = plan,
             .input = input,
             .data = data,
             .split = split,
             .first = first,
             .n_samples = n_samples};

    lb_pool_run(feed->pool, work, &j);
}
