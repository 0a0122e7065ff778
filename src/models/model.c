/* model.c: the table of architectures, and building one from it. */
#include "models/model.h"

#include <math.h>
#include <string.h>

#define LB_MODEL(name) extern const lb_model lb_model_##name;
#include "models/models.def"
#undef LB_MODEL

const lb_model *const lb_models[] = {
#define LB_MODEL(name) &lb_model_##name,
#include "models/models.def"
#undef LB_MODEL
    NULL,
};

const lb_model *lb_model_find(const char *name)
{
    for (const lb_model *const *model = lb_models; *model; model++)
        if (strcmp((*model)->name, name) == 0)
            return *model;
    return NULL;
}

int lb_channels(int published, double width)
{
    const double wanted = published * width;

    if (wanted >= 8)
        return (int)lround(wanted / 4) * 4;
    return wanted < 5 ? 4 : (int)lround(wanted / 2) * 2;
}

static lb_code check_options(const lb_model *model, const lb_model_options *options,
                             lb_error *err)
{
    const lb_shape *const input = &options->input;
    char shape[LB_SHAPE_TEXT];
    size_t n;

    if (input->rank != 3 || !lb_shape_count(input, &n) || n == 0)
        return lb_raise(err, LB_ERR_INPUT, "model '%s' takes samples [C,H,W], not %s",
                        model->name, lb_shape_text(input, shape));
    if (options->classes < 2 || options->classes > 1000000)
        return lb_raise(err, LB_ERR_INPUT,
                        "model '%s': classes must be between 2 and 1000000, not %d",
                        model->name, options->classes);
    if (!(options->width > 0 && options->width <= 64))
        return lb_raise(err, LB_ERR_INPUT,
                        "model '%s': width must be above 0 and at most 64, not %g",
                        model->name, options->width);
    if (options->depth < 0 || options->depth > 100)
        return lb_raise(err, LB_ERR_INPUT,
                        "model '%s': depth must be between 1 and 100, not %d",
                        model->name, options->depth);
    return LB_OK;
}

lb_code lb_model_build(const lb_model *model, const lb_model_options *options,
                       uint64_t seed, lb_graph **out, lb_error *err)
{
    const int *const dim = options->input.dim;
    lb_model_options own = *options;
    lb_graph *graph = NULL;
    lb_builder b;

    LB_TRY(check_options(model, options, err));
    LB_TRY(lb_graph_new(&graph, err));
    if (own.depth == 0)
        own.depth = model->usual_depth;
    lb_builder_init(&b, graph);
    const lb_shape shape = lb_shape_of(4, (int)LB_BATCH, dim[0], dim[1], dim[2]);
    const lb_value x = lb_input(&b, "input", LB_F32, &shape);
    const lb_value y = model->build(&b, x, &own, seed);
    lb_output(&b, y);
    if (lb_builder_finish(&b, err) != LB_OK) {
        lb_graph_free(graph);
        return lb_within(err, "model '%s'", model->name);
    }
    *out = graph;
    return LB_OK;
}
