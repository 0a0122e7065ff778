/* teacher_int.h: how a teacher looks inside; shared by the teacher's files. */
#ifndef LB_DISTILL_TEACHER_INT_H
#define LB_DISTILL_TEACHER_INT_H

#include "base/file.h"
#include "distill/teacher.h"

enum { LB_ROW_TOP = 1024, LB_ROW_CLASSES = 65536 }; /* the most of each */

/* How the cache stores a row. */
typedef struct lb_row_form {
    int store; /* lb_cache_store, not none */
    int classes, top;
} lb_row_form;

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
    const char *rows; /* [views, training samples] in the map; NULL: live */
    lb_row_form form;
    size_t row_bytes;
    char *row; /* one, for live answers that must be as those of the cache */

    /* of joined teachers; then the above is not used but for classes and setup.batch */
    lb_teacher **member;
    int n_members;  /* 0: not joined */
    float *answers; /* [batch, classes] of one of them */
};

/* teacher_rows.c: what they do and why is told there. */
size_t lb_row_bytes(const lb_row_form *form);
/* False if a logit is too large for fp16; it is infinite then. */
bool lb_row_pack(const lb_row_form *form, const float *row, void *packed);
void lb_row_unpack(const lb_row_form *form, const void *packed, float *row);

/* teacher_ask.c: asks the network itself: samples given as pixels [n, sample], n at most
 * the batch. out: NULL if only the taps are wanted. */
void lb_teacher_ask(lb_teacher *teacher, const float *pixels, int n, float *out);

/* The same for training samples first, first + 1, ... of one view. */
void lb_teacher_ask_views(lb_teacher *teacher, int first, int view, int n, float *out);

/* teacher_cache.c: maps the cache, after making it if it is missing or does not match.
 * Where the disk fails the teacher stays live, which gives the same answers. */
lb_code lb_teacher_open_cache(lb_teacher *teacher, lb_arena *arena,
                              lb_error *err) LB_MUST_USE;

#endif
