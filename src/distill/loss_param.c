/* loss_param.c: parameters that losses train beside the student. */
#include "distill/loss.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>

/* FNV-1a, 64 bits: a stream for each name. */
static uint64_t number_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash;
}

/* The elements behind one of the first two dimensions: [M,K,...] has n / M for each
 * output, n / K for each input. */
static double fan(const lb_tensor *t, int axis)
{
    const int dim = t->shape.rank > axis ? t->shape.dim[axis] : 1;

    return dim > 0 ? (double)t->n / dim : 1;
}

static void begin(lb_tensor *t, lb_init init, lb_rng rng)
{
    const double deviation = sqrt(2 / fan(t, 0));
    const double bound = sqrt(6 / (fan(t, 0) + fan(t, 1)));

    for (size_t i = 0; i < t->n; i++) {
        double x = init.value;
        if (init.kind == LB_INIT_HE)
            x = deviation * lb_rng_normal(&rng);
        else if (init.kind == LB_INIT_GLOROT)
            x = bound * (2 * lb_rng_uniform(&rng) - 1);
        lb_tensor_put(t, i, x);
    }
}

/* Of what the loss looks at; there is always something. */
static lb_dtype dtype_of(const lb_builder *b, const lb_loss_in *in)
{
    const lb_value seen = in->logits.student.id || in->n_hints == 0
                              ? in->logits.student
                              : in->hints[0].student;

    return lb_type_of(b, seen).dtype;
}

lb_value lb_loss_param(lb_builder *b, const lb_loss_in *in, const char *name,
                       const lb_shape *shape, lb_init init)
{
    lb_tensor *const tensor = lb_build_tensor(b, dtype_of(b, in), shape);
    char full[160];

    snprintf(full, sizeof full, "%s/%s", in->scope ? in->scope : "loss", name);
    if (!tensor)
        return (lb_value){0};
    begin(tensor, init, lb_rng_make(in->seed, LB_RNG_HELPER, number_of(full), 0));
    const lb_value v = lb_param(b, full, tensor);
    if (v.id) {
        b->graph->values[v.id].no_decay = init.no_decay;
        b->graph->values[v.id].trained = !init.fixed;
    }
    return v;
}
