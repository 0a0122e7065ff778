/* teacher_int.h: how a teacher looks inside; shared by the teacher's files. */
#ifndef LB_DISTILL_TEACHER_INT_H
#define LB_DISTILL_TEACHER_INT_H

#include "base/file.h"
#include "distill/teacher.h"

struct lb_teacher {
    lb_teacher_setup setup;
    lb_teacher_options options;
    lb_graph *graph; /* owned: the caller's, without its last Softmax, folded and fused */
    lb_plan *plan;
    lb_value input, logits;
    lb_shape shape; /* of a sample */
    size_t sample_size;
    int classes;
    bool was_softmax;
    float *view_scratch; /* a sample for each thread, while the cache is filled */

    lb_map map;
    const float *rows; /* [views, training samples, classes] in the map; NULL: live */
};

/* teacher_ask.c: asks the network itself: samples given as pixels [n, sample], n at most
 * the batch. */
void lb_teacher_ask(lb_teacher *teacher, const float *pixels, int n, float *out);

/* The same for training samples first, first + 1, ... of one view. */
void lb_teacher_ask_views(lb_teacher *teacher, int first, int view, int n, float *out);

/* teacher_cache.c: maps the cache, after making it if it is missing or does not match.
 * Where the disk fails the teacher stays live, which gives the same answers. */
lb_code lb_teacher_open_cache(lb_teacher *teacher, lb_arena *arena,
                              lb_error *err) LB_MUST_USE;

#endif
