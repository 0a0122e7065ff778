/* integers.c: evaluates an int8 network by the integer reference of lower/. */
#include "run/integers.h"

#include <math.h>

/* What a thread needs for one sample. */
typedef struct lane {
    float *raw, *ready; /* as stored; as the network wants it */
    int8_t *x, *y;
    void *scratch;
} lane;

typedef struct job {
    const lb_low *low;
    const lb_data *data;
    lb_split split;
    lb_input_options input;
    lb_pool *pool;
    lane *lane; /* [threads] */
    size_t n_in, n_out;
    bool probabilities;
    int n;
    float *logits;
} job;

static bool take_lane(lane *l, const job *j, size_t n_raw, lb_arena *arena)
{
    l->raw = LB_TAKE_ARRAY(arena, n_raw, float);
    l->ready = LB_TAKE_ARRAY(arena, j->n_in, float);
    l->x = LB_TAKE_ARRAY(arena, j->n_in, int8_t);
    l->y = LB_TAKE_ARRAY(arena, j->n_out, int8_t);
    l->scratch = lb_arena_take(arena, j->low->run_bytes);
    return l->raw && l->ready && l->x && l->y && l->scratch;
}

static lb_code take_lanes(job *j, lb_arena *arena, lb_error *err)
{
    const int threads = lb_pool_threads(j->pool);
    size_t n_raw = 0;
    bool enough = lb_shape_count(&j->data->content.shape, &n_raw);

    if (n_raw != j->n_in)
        return lb_bug(err, "an int8 network of %zu inputs for samples of %zu", j->n_in,
                      n_raw);
    j->lane = LB_TAKE_ARRAY(arena, threads, lane);
    enough = enough && j->lane;
    for (int i = 0; enough && i < threads; i++)
        enough = take_lane(&j->lane[i], j, n_raw, arena);
    return enough ? LB_OK
                  : lb_raise(err, LB_ERR_MEMORY, "no memory for an evaluation in int8");
}

/* Probabilities are steps of 1/256: one that is 0 stands for half a step at most. */
static void read_row(const job *j, const int8_t *y, float *to)
{
    const lb_qparams q = j->low->buffer[j->low->output_buffer].q;

    lb_dequantise(q, y, j->n_out, to);
    for (size_t c = 0; j->probabilities && c < j->n_out; c++)
        to[c] = logf(fmaxf(to[c], q.scale / 2));
}

static void work(void *arg, int thread)
{
    const job *const j = arg;
    const lane *const l = &j->lane[thread];
    const lb_qparams q = j->low->buffer[j->low->input[0].buffer].q;

    for (int i = thread; i < j->n; i += lb_pool_threads(j->pool)) {
        lb_data_sample(j->data, j->split, i, l->raw);
        lb_input_write(&j->input, &j->data->content.shape, l->raw, l->ready);
        lb_quantise(q, l->ready, j->n_in, l->x);
        lb_low_run_int8(j->low, l->x, l->y, l->scratch);
        read_row(j, l->y, j->logits + (size_t)i * j->n_out);
    }
}

static void answer(void *arg, int n, float *logits)
{
    job *const j = arg;

    j->n = n;
    j->logits = logits;
    lb_pool_run(j->pool, work, j);
}

lb_code lb_evaluate_integers(const lb_low *low, const lb_graph *graph,
                             const lb_input_options *input, const lb_data *data,
                             lb_split split, lb_pool *pool, const int32_t *other,
                             lb_arena *arena, lb_metrics *out, lb_error *err)
{
    job j = {.low = low,
             .data = data,
             .split = split,
             .input = *input,
             .pool = pool,
             .n_in = lb_low_count_inputs(low),
             .n_out = lb_low_count(&low->output)};

    if (low->dtype != LB_I8)
        return lb_bug(err, "a network in float32 has no integers");
    if (low->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a data set fills one input, and the network has %d",
                        low->n_inputs);
    j.probabilities =
        low->n_steps > 0 && low->step[low->n_steps - 1].kind == LB_LOW_SOFTMAX;
    LB_TRY(lb_input_match(graph, &data->content.shape, &j.input, err));
    LB_TRY(take_lanes(&j, arena, err));
    return lb_evaluate_answers(answer, &j, (int)j.n_out, data, split, other, arena, out,
                               err);
}
