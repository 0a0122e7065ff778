/* preset.h: the weights of the literature, for `weight: {preset: repdistiller}`.
 *
 * A weight is right for one way of writing the loss down: published code divides by the
 * batch or by the places of a map as it happens to, and so its weights hide a factor.
 * Each loss states its published weights as they were published (lb_loss.presets), and
 * what they have to be multiplied by for the usual form here, `form: per-sample`. */
#ifndef LB_DISTILL_PRESET_H
#define LB_DISTILL_PRESET_H

#include <stdbool.h>

typedef struct lb_loss lb_loss;
typedef struct lb_term lb_term;

/* How the published weight becomes the one of `form: per-sample`. */
typedef enum lb_preset_unit {
    LB_PRESET_AS_IS,
    LB_PRESET_BATCH,    /* over the batch that it was found with */
    LB_PRESET_PLACES,   /* over the places of the compared maps */
    LB_PRESET_ELEMENTS, /* times their elements, channels and places */
} lb_preset_unit;

typedef struct lb_preset {
    const char *name;    /* whose weight: "repdistiller" */
    double weight;       /* as published */
    const char *form;    /* the word of the knob `form` at which it is right as it is;
                            NULL: at every one */
    lb_preset_unit unit; /* at `form: per-sample`, if that is another */
    int batch;           /* of LB_PRESET_BATCH */
    bool averages;       /* the published loss is the mean over pairs of layers, not their
                            sum */
    const char *with; /* the settings that it was found with: "temperature 4"; or NULL */
} lb_preset;

/* NULL if the loss has none of that name. */
const lb_preset *lb_preset_find(const lb_loss *loss, const char *name);

/* Whether the preset has a weight for the term's `form`. */
bool lb_preset_fits(const lb_preset *preset, const lb_term *term);

/* Sets the term's weight (and where its ramp ends) by term->preset, if all that it takes
 * is known: some need the term's layers. Until then the weight is the published number.
 * True once it is set; of several pairs of layers the mean factor counts. */
bool lb_preset_weigh(lb_term *term);

/* "preset repdistiller: 3000 over the batch of 64 that it was found with". */
enum { LB_PRESET_TEXT = 240 };
const char *lb_preset_text(const lb_term *term, char out[LB_PRESET_TEXT]);

#endif
