/* run.h: conducts one run through the rooms, from recipe to bottle. */
#ifndef LB_RUN_RUN_H
#define LB_RUN_RUN_H

#include "prove/prove.h"
#include "recipe/recipe.h"

typedef struct lb_run_options {
    const char *recipe;
    const char *const *sets;
    int n_sets;
    const char *out;    /* folder; NULL: runs/NAME */
    const char *beside; /* where teachers that are trained first and the caches of their
                           answers lie; NULL: the parent of the run's folder */
    const char *go_on;  /* the line that goes on after an interruption; NULL: that of
                           limbeck distill */
    int pause;         /* epochs after which it ends with LB_OK, to be resumed later: only
                          figures are left; 0: at the end */
    bool prepare_only; /* ends before the first step; the teacher is there, its cache is
                          filled */
    bool resume, dry_run;
    int threads; /* 0: all */
    lb_kernels kernels;
    bool conv_direct;
    lb_watch watch;
    bool (*cache_progress)(void *arg, int done, int total); /* watch.arg */
    void (*phase)(void *arg,
                  const char *text); /* "teacher", "training", ...; watch.arg */
    lb_log log;
} lb_run_options;

/* Everything that was found out; lives in the arena. */
typedef struct lb_run_result {
    const char *folder, *name;
    const char *json;    /* the one object of --json, and of result.json */
    const char *plan;    /* of a dry run: text for people */
    const char *summary; /* a few lines for people */
} lb_run_result;

lb_code lb_run_distill(const lb_run_options *options, lb_arena *arena, lb_run_result *out,
                       lb_error *err) LB_MUST_USE;

/* What a run's JSON says, as numbers. Figures not known are NaN. */
typedef struct lb_run_figures {
    int epochs, best_epoch;                      /* done; counted from 0 */
    int validation;                              /* samples of that split; 0: not known */
    double validation_accuracy, validation_loss; /* of the best epoch */
    double validation_before;       /* of a run that prunes: when the cut came */
    double accuracy, last_accuracy; /* on the test split: best, last epoch */
    double teacher_accuracy;
    double parameters, macs, flash_bytes, sram_bytes;
    lb_range latency_ms;
} lb_run_figures;
lb_code lb_run_figures_read(const char *json, lb_arena *arena, lb_run_figures *out,
                            lb_error *err) LB_MUST_USE;

/* Adds proofs of a run's firmware to its result.json and record.json (key `device_proof`,
 * an object by target; a new proof of a target takes the old one's place), to its page if
 * it has one, and to its row in the store. */
lb_code lb_run_add_proofs(const char *folder, const lb_proof *proofs, int n,
                          lb_arena *arena, lb_error *err) LB_MUST_USE;

#endif
