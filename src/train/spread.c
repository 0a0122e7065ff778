/* spread.c: some samples of a split as an array. */
#include "train/train.h"

static lb_code as_wanted(const lb_graph *graph, const lb_input_options *input,
                         const lb_data *data, lb_input_options *options, lb_shape *shape,
                         lb_error *err)
{
    *options = *input;
    LB_TRY(lb_input_match(graph, &data->content.shape, options, err));
    *shape = lb_info(graph, graph->inputs[0])->type.shape;
    return LB_OK;
}

lb_code lb_samples_read(const lb_graph *graph, const lb_input_options *input,
                        const lb_data *data, lb_split split, int n, lb_arena *arena,
                        lb_tensor **out, lb_error *err)
{
    const int there = data->n[split], wanted = n < there ? n : there;
    lb_input_options options;
    lb_shape shape;
    size_t each = 0;

    LB_TRY(as_wanted(graph, input, data, &options, &shape, err));
    if (wanted < 1)
        return lb_raise(err, LB_ERR_INPUT, "the data has no samples to take");
    shape = lb_shape_bind(&shape, wanted);
    LB_TRY(lb_tensor_new(arena, LB_F32, &shape, out, err));
    if (!lb_shape_count(&data->content.shape, &each))
        return lb_bug(err, "samples of no size");
    float *const raw = LB_TAKE_ARRAY(arena, each, float);
    if (!raw)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for samples");
    for (int i = 0; i < wanted; i++) {
        const int sample = (int)((int64_t)i * there / wanted);
        lb_data_sample(data, split, sample, raw);
        lb_input_write(&options, &data->content.shape, raw,
                       (float *)(*out)->data + (size_t)i * each);
    }
    return LB_OK;
}
