/* loader.h: threads that prepare the next batches while the engine works.
 *
 * A batch is a function of (data, seed, stage, epoch, batch number): which samples, which
 * views. Loader threads only decide when it is ready, never what is in it. */
#ifndef LB_DATA_LOADER_H
#define LB_DATA_LOADER_H

#include "data/data.h"

typedef struct lb_loader lb_loader;

typedef struct lb_batch {
    int n;                 /* samples; always the loader's batch */
    int epoch, number;     /* number of the batch in its epoch */
    const float *pixels;   /* [n, C, H, W] views as stored values (0..255) */
    const int32_t *label;  /* [n] */
    const int32_t *sample; /* [n] index within the training split */
    const int32_t *view;   /* [n] */
} lb_batch;

typedef struct lb_loader_options {
    int batch;
    int threads; /* of the loader; 0: one */
    int views;   /* K fixed views a sample: epoch e shows view e mod K; 0: a new view
                    each epoch */
    const lb_tensor
        *order; /* int64 [epochs, samples] or [steps, batch] flattened: the order of
                   samples; NULL: shuffled by the seed, the stage and the epoch */
    int stage;  /* of the run: each has orders and views of its own */
    int first_epoch, first_batch; /* where to begin (resume) */
    int epochs;                   /* ends after this epoch */
} lb_loader_options;

/* data is borrowed. The last, short batch of an epoch is dropped. */
lb_code lb_loader_open(const lb_data *data, const lb_loader_options *options,
                       lb_loader **out, lb_error *err) LB_MUST_USE;
/* Waits for the next batch; NULL at the end. Borrowed until the next call. */
const lb_batch *lb_loader_next(lb_loader *loader);
int lb_loader_batches(const lb_loader *loader); /* of an epoch */
/* Seconds that lb_loader_next has waited in all: the engine's idle time. */
double lb_loader_idle(const lb_loader *loader);
void lb_loader_close(lb_loader *loader);

#endif
