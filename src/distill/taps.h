/* taps.h: which layers of the student learn from which layers of the teacher.
 *
 * A recipe names them by node or value, as `limbeck inspect` prints them; `*` stands for
 * any characters. A tap is at the output of its node. The two sides are paired in order;
 * `auto` pairs what the networks have at each spatial size. */
#ifndef LB_DISTILL_TAPS_H
#define LB_DISTILL_TAPS_H

#include "base/findings.h"
#include "base/key.h"
#include "distill/adapter.h"

enum { LB_MAX_PAIRS = 32 }; /* of one term */

typedef struct lb_term lb_term;

/* What `auto` means to a loss. */
typedef enum lb_auto {
    LB_AUTO_STAGES, /* the last map of every spatial size that both networks have */
    LB_AUTO_BEFORE, /* these maps as they are before their activation */
    LB_AUTO_LAST,   /* the last map of each network */
    LB_AUTO_ROWS,   /* what the last dense layer (or convolution) of each is given */
    LB_AUTO_REVIEW, /* the stages, the teacher's before their activation, then the rows */
} lb_auto;

/* A pair that was found. */
typedef struct lb_tap {
    int of;                    /* the teacher whose layer it is, from 0 */
    lb_value student, teacher; /* each of its own graph; clones have the same numbers */
    lb_shape student_shape, teacher_shape; /* batched, as in the graphs */
    lb_adapter adapter;
} lb_tap;

typedef struct lb_taps {
    /* as the recipe has it, borrowed; no names: auto */
    const char *const *student, *const *teacher;
    int n_student, n_teacher;
    bool of_one;       /* the layers are those of one teacher among several: */
    int of;            /* its number, from 0 */
    const char *of_as; /* and what the recipe calls it; NULL: not known */
    int adapter;       /* lb_adapter_kind */
    int line, column;  /* of the term in the recipe; 0: not known */
    /* by lb_taps_find, in the findings' arena; those of each teacher stand together */
    const lb_tap *tap;
    int n;
} lb_taps;
extern const lb_key lb_taps_keys[]; /* adapter */

/* A teacher whose layers may be looked at. */
typedef struct lb_tapped {
    const lb_graph *graph; /* as imported; borrowed */
    const char *name;      /* as messages call it: "teacher 'big'"; NULL: "the teacher" */
} lb_tapped;

/* Finds the pairs of every term whose loss compares layers, and sizes their adapters. A
 * term that names no teacher gets pairs with each of the n_teachers (at least 1): the
 * same words, or `auto`, looked for in one after the other. student: as it is trained,
 * norms not folded. Every mistake becomes a finding that names the term's loss, with the
 * term's place. */
void lb_taps_find(lb_term *terms, int n, const lb_graph *student,
                  const lb_tapped *teachers, int n_teachers, lb_findings *findings);

/* The same pairs for a student whose layers have other channels by now (value numbers are
 * the same): their adapters are sized anew. They live in the arena. */
lb_code lb_taps_fit(lb_term *term, const lb_graph *student, lb_arena *arena,
                    lb_error *err) LB_MUST_USE;

/* Whether some term compares layers; and whether one compares layers of that teacher,
 * which the recipe alone tells. */
bool lb_taps_wanted(const lb_term *terms, int n);
bool lb_taps_wanted_of(const lb_term *terms, int n, int teacher);

/* The values of teacher `of` that the terms' pairs look at, each once, in the order in
 * which they first come: what that teacher hands to the lesson. Returns how many; out has
 * room for `most`, and may be NULL to count only. */
int lb_taps_of_teacher(const lb_term *terms, int n, int of, lb_value *out, int most);

/* Its place in that list; -1 if it is not in it. */
int lb_taps_place(const lb_value *list, int n, lb_value v);

/* taps_auto.c: pairs for the loss; NULL if none, `why` then says so ("the teacher has no
 * feature map"). Returns how many, at most LB_MAX_PAIRS. */
int lb_taps_pair(lb_auto how, const lb_graph *student, const lb_graph *teacher,
                 lb_arena *arena, lb_tap *out, const char **why);

/* taps_auto.c: the trunk of a network: of every stretch between two layers with weights
 * the last value that all behind it goes through (so the end of a residual block, and
 * nothing inside it), and the last map before it is pooled to one place; in order,
 * without mere rearrangements, what the last layer gives, and values of more than `size`
 * elements a sample. Of more than `most` (at least 2) some are left out, evenly. Returns
 * how many; 0 also without memory. */
int lb_taps_trunk(const lb_graph *graph, size_t size, lb_arena *arena, lb_value *out,
                  int most);

/* `*` in the pattern stands for any characters, also none. */
bool lb_name_fits(const char *pattern, const char *name);
/* The layer of that name: what the node computes, or the value; {0} if there is none. */
lb_value lb_layer_find(const lb_graph *graph, const char *name);

/* A value that can be tapped: computed for each sample, float, rank 2 to 4. */
bool lb_is_tap(const lb_graph *graph, lb_value v);

#endif
