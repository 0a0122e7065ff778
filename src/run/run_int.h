/* run_int.h: what the files of run/ share: one run, as far as it has come. */
#ifndef LB_RUN_RUN_INT_H
#define LB_RUN_RUN_INT_H

#include "base/hash.h"
#include "base/json.h"
#include "emit/emit.h"
#include "prove/prove.h"
#include "report/report.h"
#include "run/bench.h"
#include "run/run.h"

/* What the logits of a teacher are. */
typedef enum lb_logits_kind {
    LB_LOGITS_PLAIN,        /* its output */
    LB_LOGITS_STRIPPED,     /* what its closing Softmax is given */
    LB_LOGITS_LOGARITHMS,   /* its output: log-probabilities */
    LB_LOGITS_PROBABILITIES /* its output: not to be learnt from */
} lb_logits_kind;

/* What was found out about a teacher before anybody learns from it. */
typedef struct lb_audit {
    const char *input; /* what it is given, as recipes spell it */
    lb_logits_kind logits;
    lb_split split; /* that it was measured on */
    int n;          /* labelled samples there; 0: it could not be measured */
    double accuracy, chance;
    int commonest; /* its answer to most samples, and to what share of them */
    double commonest_share;
} lb_audit;

/* One of the teachers. */
typedef struct lb_run_member {
    lb_graph *file;     /* as imported, with the data's classes */
    lb_graph *graph;    /* inference form */
    const char *called; /* in messages, of several; NULL: it is the only one */
    lb_digest digest;
    const int *map;   /* [classes] the outputs that are the data's classes; NULL: as they
                         stand */
    bool had_softmax; /* at its end, in the file */
    bool audited;
    lb_audit audit;
    lb_metrics test;
} lb_run_member;

/* cutter.c: a run that prunes its student. */
typedef struct lb_run_pruning {
    lb_cutter cutter;
    const struct lb_run *run;
    lb_arena *arena;
    size_t parameters; /* of the student before the first cut */
    double macs;
    lb_prune_map map;      /* of the student as it was opened last */
    double *score;         /* [map.n_parts] */
    void *muted;           /* weights of the block that is being tried */
    lb_prune_layer *layer; /* [n_layers] before the first cut */
    int n_layers;
    const lb_prune_block *block; /* [n_blocks] before the first cut */
    int n_blocks;
} lb_run_pruning;

/* A layer of the student in int8, as calibrated. */
typedef struct lb_run_int8_layer {
    const char *name, *op;
    lb_layer_error error; /* on test samples */
    int bits;             /* of its weights; 0: it has none */
    double sensitivity;   /* NaN: not measured */
} lb_run_int8_layer;

/* The student in int8. */
typedef struct lb_run_int8 {
    lb_graph *graph; /* with QuantizeLinear and DequantizeLinear; NULL: not asked for,
                        or not yet */
    lb_low *low;     /* its steps */
    lb_metrics test; /* by the integer reference; agreement: with the floats */
    int epochs;      /* that it was trained on for */
    double seconds;  /* of that */
    lb_run_int8_layer *layer;
    int n_layers;
    lb_low *floats;       /* the same student in floats, on the device; NULL: no device */
    lb_estimate estimate; /* of that */
} lb_run_int8;

typedef struct lb_run {
    const lb_run_options *options;
    int depth;       /* of runs that train the teacher of a run that ... */
    lb_arena *arena; /* the caller's */
    double began;    /* clock */
    const char *started;
    lb_pool *pool;
    lb_recipe *recipe;
    const char *recipe_text; /* resolved */
    const char *folder, *parent;
    char key[65]; /* what the run is, by content */

    lb_data *data;

    lb_run_member member[LB_MAX_TEACHERS];
    int n_members; /* all of the recipe's teachers; 0 without one, or if one of them is
                      not trained yet */
    lb_voice voice[LB_MAX_TEACHERS]; /* the same for float64 */
    lb_teacher *answers; /* all of them, for the stages that look at no layers */
    lb_teacher *teacher[LB_MAX_STAGES]; /* what each stage asks; NULL: nobody, or the
                                           student of the stage before */
    lb_metrics teacher_test;            /* what they say together */

    lb_graph *student;
    lb_model_tail tail;             /* with head: teacher; graph NULL without */
    lb_digest student_digest;       /* of an imported graph and of initial weights */
    lb_graph *fresh[LB_MAX_STAGES]; /* new weights for the stages that ask for them */
    double width;                   /* 0: the model has none */
    int model_depth;                /* the same */
    const lb_device *device;        /* NULL: no gate */
    lb_low *low;                    /* NULL: not asked for */
    lb_estimate estimate;           /* with a device */

    lb_train_result trained;
    double train_wall; /* of this sitting */
    lb_metrics student_test;
    lb_run_pruning *pruning; /* NULL: nothing is pruned */
    double last_accuracy;    /* of the last epoch, on the test split */
    double kl;               /* KL(teacher || student) on the test split; NaN without */
    lb_run_int8 int8;
    struct lb_run_inside *inside;       /* [n_members]; NULL: layers not compared */
    struct lb_run_attention *attention; /* NULL: nothing to show */
    bool has_profile;
    lb_bench profile; /* of a training step */

    lb_emitted emitted;
    bool has_firmware, has_proof;
    lb_proof proof;
    const char *proof_note; /* why the firmware was not compiled, or NULL */

    /* A run within this one: trains its teacher. */
    lb_code (*within)(const lb_run_options *options, int depth, lb_arena *arena,
                      lb_run_result *out, lb_error *err);
} lb_run;

/* prepare.c: reads the recipe and opens data, teacher and student; what training needs.
 */
lb_code lb_run_prepare(lb_run *run, lb_error *err) LB_MUST_USE;
lb_train_setup lb_run_train_setup(const lb_run *run);
/* Reads the recipe and opens what a search needs: how its student is built, with width
 * and depth as the recipe has them. LB_ERR_INPUT if the student is a file. */
lb_code lb_run_open_search(lb_run *run, lb_model_options *out, lb_error *err) LB_MUST_USE;

/* bench.c: where the time of a training step of a stage goes, measured for about so many
 * seconds. */
lb_code lb_run_measure(const lb_run *run, int stage, double seconds, lb_bench *out,
                       lb_error *err) LB_MUST_USE;
/* The same for the report of a run that has trained: a glance, where it costs little. */
void lb_run_glance(lb_run *run);

/* phase.c */
/* The time now as ISO 8601 in UTC; NULL without memory. */
const char *lb_run_time_text(lb_arena *arena);
void lb_run_phase(const lb_run *run, const char *text);

/* folder.c: the run's folder, and whose it is. */
lb_code lb_run_place(lb_run *run, lb_error *err) LB_MUST_USE; /* names it only */
lb_code lb_run_key(lb_run *run, lb_error *err) LB_MUST_USE;
/* Makes the folder and its recipe; refuses a folder that holds another run. */
lb_code lb_run_enter(lb_run *run, lb_error *err) LB_MUST_USE;
/* The result that a finished run of this key left there; NULL if it has not finished. */
const char *lb_run_finished(const lb_run *run);
/* The folder joined with a name; NULL without memory. */
const char *lb_run_path(const lb_run *run, const char *name);

/* materials.c: data, teacher and student. */
/* The marked classes by name or number, a line behind `before`; nothing if there are
 * none. marked: [n_classes] or NULL. */
void lb_run_add_classes(lb_text *text, const lb_data *data, const bool *marked,
                        const char *before);
lb_code lb_run_open_data(lb_run *run, lb_error *err) LB_MUST_USE;
lb_code lb_run_open_teacher(lb_run *run, lb_error *err) LB_MUST_USE;
/* teacher_weights.c: with `weights: validation`, whether there is something to find them
 * with, before anything runs; and finds them: the recipe's ensemble, and its text in the
 * run's folder, have them. */
lb_code lb_run_check_weights(const lb_run *run, lb_error *err) LB_MUST_USE;
lb_code lb_run_find_weights(lb_run *run, lb_error *err) LB_MUST_USE;
lb_code lb_run_open_cache(lb_run *run, lb_error *err) LB_MUST_USE;
/* Whether answers of teacher k come from its cache while the student is trained; and
 * whether they do in that stage, where no loss looks at its layers. */
bool lb_run_cached(const lb_run *run, int k);
bool lb_run_cached_in(const lb_run *run, int stage, int k);
/* Whether that stage asks teacher k for anything, live or cached. */
bool lb_run_asked_in(const lb_run *run, int stage, int k);
/* Of all teachers. */
size_t lb_run_teacher_parameters(const lb_run *run);
double lb_run_teacher_macs(const lb_run *run);
void lb_run_close(lb_run *run);

/* audit.c: looks at every teacher before anybody learns from it, and refuses one that
 * knows no more than chance, whose classes stand in another order, or that answers in
 * probabilities. */
lb_code lb_run_audit(lb_run *run, lb_error *err) LB_MUST_USE;
/* A sentence on where the logits come from. */
const char *lb_logits_text(lb_logits_kind kind);
/* The keys `preprocessing` and `audit` of teacher k; audit is null before. */
void lb_run_add_audit(lb_json *j, const lb_run *run, int k);

/* audit_input.c: "pixels: unit, mean: [0.5], layout: channels-first". NULL without
 * memory. */
const char *lb_run_input_text(lb_arena *arena, const lb_input_options *input);
/* The best of the usual preprocessings but the one in use, on some hundred samples. */
typedef struct lb_input_trial {
    int n; /* labelled samples that it was tried on */
    double now, accuracy;
    bool helps; /* by 20 points, and more than by chance */
    const char *text;
} lb_input_trial;
lb_code lb_run_try_inputs(const lb_run *run, int k, lb_split split, lb_arena *arena,
                          lb_input_trial *out, lb_error *err) LB_MUST_USE;

/* weigh.c: how the student's model is built; with head: teacher the teachers must be
 * open. */
/* lb_run_lower of the student as it will be deployed: pruned, if the recipe says so. arg:
 * the run. */
lb_code lb_run_lower_deployed(const void *arg, const lb_graph *graph, lb_arena *arena,
                              lb_low **out, lb_error *err) LB_MUST_USE;
lb_code lb_run_model_options(lb_run *run, lb_model_options *out,
                             lb_error *err) LB_MUST_USE;

/* layers.c: finds the layers that the losses look at; for every mistake a finding in the
 * recipe. */
lb_code lb_run_find_taps(lb_run *run, lb_error *err) LB_MUST_USE;
/* Whether some loss looks into the teacher: it is asked live then. */
bool lb_run_looks_inside(const lb_run *run);

/* run_stages.c: the stages of the recipe; one, of all of it, if it has none. */
typedef struct lb_run_stage {
    const char *name; /* NULL without stages */
    lb_term *term;
    int n_terms;
    const lb_train_options *train;
    bool previous;
    lb_tapped teacher[LB_MAX_TEACHERS]; /* whose layers the losses may look at */
    int n_teachers;                     /* 0: not known */
} lb_run_stage;
int lb_run_stages(const lb_run *run);
/* Opens what one stage asks live, alone: no cache is read or filled, and who answers from
 * one stays shut. For a stage that is measured. */
lb_code lb_run_open_live(lb_run *run, int stage, lb_error *err) LB_MUST_USE;
lb_run_stage lb_run_stage_of(const lb_run *run, int k);
void lb_run_close_teachers(lb_run *run);
/* layers.c: the pairs of one of the stage's terms, a line each, behind `indent`; nothing
 * if it has none, or the teachers are not known. */
void lb_run_add_pairs(lb_text *text, const lb_run *run, const lb_run_stage *stage,
                      const lb_term *term, const char *indent);

/* run_terms.c: what each loss was worth. */
/* The key `terms` of a result: of each loss its value, weight and share of the gradient.
 */
void lb_run_add_terms(lb_json *j, const lb_run *run);
/* A list with a number for each loss of all stages: of_epoch, a list of the report's, for
 * those of its stage, null for the others. */
void lb_run_add_each_term(lb_json *j, const char *key, const lb_run *run,
                          const lb_epoch_report *e, const double *of_epoch);
/* "weight 0.5", "weight 0 to 1" where it changes, "weight auto 0.5" where it is found. */
enum { LB_WEIGHT_TEXT = 64 };
const char *lb_run_weight_text(const lb_term *term, char out[LB_WEIGHT_TEXT]);
/* A line on the shares of the gradient at the last epoch; none for a loss alone. */
void lb_run_add_pull(lb_text *text, const lb_run *run);

/* weigh.c: the student, and whether the device can hold it. */
lb_code lb_run_open_student(lb_run *run, lb_error *err) LB_MUST_USE;
lb_code lb_run_weigh(lb_run *run, lb_error *err) LB_MUST_USE;

/* cutter.c: makes ready to prune, and refuses what cannot be cut so far; after the
 * training: estimates and layers are those of the smaller student. */
lb_code lb_run_open_pruning(lb_run *run, lb_error *err) LB_MUST_USE;
lb_code lb_run_end_pruning(lb_run *run, lb_error *err) LB_MUST_USE;
void lb_run_close_pruning(lb_run *run);
/* About what is left of such a student after all cuts, before it is trained: as much goes
 * as in the end, but by the sizes of the weights as they are. Borrows its tensors. */
lb_code lb_run_sketch(const lb_run *run, const lb_graph *student, lb_graph **out,
                      lb_error *err) LB_MUST_USE;
/* cutter_tell.c. The key `pruned` of a result and of the record; null without. A line of
 * the summary; and of the plan. */
void lb_run_add_pruning(lb_json *j, const lb_run *run);
void lb_run_tell_pruning(lb_text *text, const lb_run *run);
void lb_run_plan_pruning(lb_text *text, const lb_run *run);

/* plan_text.c: what a dry run says. NULL without memory. */
/* step_seconds: of each stage; NaN: not known. */
const char *lb_run_plan_text(const lb_run *run, const double *step_seconds);

/* press.c: with `compress: quantize`, makes the trained student int8. */
lb_code lb_run_press(lb_run *run, lb_error *err) LB_MUST_USE;
/* Whether the recipe's losses can train on in int8, before anything runs. */
lb_code lb_run_check_press(const lb_run *run, lb_error *err) LB_MUST_USE;
/* press_tell.c: what each layer loses, and what the student in floats would need. */
lb_code lb_run_compare_int8(lb_run *run, const lb_quantised *calibrated,
                            lb_error *err) LB_MUST_USE;
/* The key `int8` of a result: null without. */
void lb_run_add_int8(lb_json *j, const lb_run *run);

/* calibrate.c: by the recipe's options, on samples as the student wants them. */
lb_code lb_run_calibrate(const lb_run *run, const lb_graph *student,
                         const lb_tensor *samples, lb_arena *arena, lb_quantised *out,
                         lb_error *err) LB_MUST_USE;
lb_rounding lb_run_rounding(const lb_run *run);
/* The steps of a student that has not been trained: of floats, or of int8 if that is what
 * the recipe makes of it. Its geometry is right, its numbers are not. */
lb_code lb_run_lower(const lb_run *run, const lb_graph *student, lb_arena *arena,
                     lb_low **out, lb_error *err) LB_MUST_USE;

/* bottle.c: writes student.onnx and firmware/. */
lb_code lb_run_bottle(lb_run *run, lb_error *err) LB_MUST_USE;

/* result.c: the object of --json; NULL without memory. */
const char *lb_run_result_json(const lb_run *run);
/* Its key `stages`: of each how many epochs are done. Empty without stages. */
void lb_run_add_stages(lb_json *j, const lb_run *run);
const char *lb_run_summary(const lb_run *run);
double lb_run_seconds(const lb_run *run);

/* classes.c: the keys train, labelled, unlabelled, validation and test: samples. */
void lb_run_add_counts(lb_json *j, const lb_run *run);
/* The key `classes`: of each its name, its tested and its labelled training samples, and
 * the accuracies of student and teacher on it; null before the test, or of very many. */
void lb_run_add_class_figures(lb_json *j, const lb_run *run);

/* inside.c: compares the layers of teachers and student over test samples, and finds
 * where they look. What goes wrong is a warning: the student is there. */
void lb_run_look_inside(lb_run *run);
/* The key `alignment`: an empty list if nothing was compared. */
void lb_run_add_alignment(lb_json *j, const lb_run *run);
/* pairs.c: the names and shapes of a pair of teacher k, in an object that is open. */
void lb_run_add_pair(lb_json *j, const lb_run *run, int k, const lb_tap *pair);
/* The keys `alignment` and `alignment_grid` of the record. */
void lb_run_record_inside(lb_json *j, const lb_run *run);
/* attention.c: its key `attention`. */
void lb_run_record_attention(lb_json *j, const lb_run *run);

/* picture.c: whether samples can be drawn: images, and other planes of one channel. */
bool lb_run_has_pictures(const lb_run *run);
/* `label`, `shape` and `pixels` of a test sample, in an object that is open. */
void lb_run_add_picture(lb_json *j, const lb_run *run, int sample);
/* NULL without memory. */
const char *lb_run_base64(lb_arena *arena, const uint8_t *data, size_t n);

/* record.c: record.json, for the report page; NULL without memory. */
const char *lb_run_record_json(const lb_run *run);
/* record_device.c: its keys `memory` and `firmware`. */
void lb_run_record_memory(lb_json *j, const lb_run *run);
void lb_run_record_firmware(lb_json *j, const lb_run *run);

/* tell.c: result.json, record.json, report.html, a row in the store. */
lb_code lb_run_tell(lb_run *run, lb_run_result *out, lb_error *err) LB_MUST_USE;
/* The store is beside the runs. What it cannot take is a warning: the run's own files
 * are what counts. */
void lb_run_store_row(const lb_run_row *row, const lb_log *log);
/* A row for a run that did not end well; none for what the user can mend first. */
void lb_run_tell_end(const lb_run *run, lb_code code);

#endif
