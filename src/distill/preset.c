/* preset.c: published weights, and what they are for losses that no batch and no map
 * makes larger. */
#include "distill/loss.h"

#include <stdio.h>
#include <string.h>

const lb_preset *lb_preset_find(const lb_loss *loss, const char *name)
{
    for (const lb_preset *p = loss->presets; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* The word that the term has for its knob `form`; NULL if it has no such knob. */
static const char *form_of(const lb_term *term)
{
    for (int i = 0; lb_loss_knob(term->loss, i); i++) {
        const lb_knob *const knob = lb_loss_knob(term->loss, i);
        if (knob->words && strcmp(knob->name, "form") == 0)
            return knob->words[(int)term->knobs[i]];
    }
    return NULL;
}

static bool is_as_published(const lb_preset *preset, const lb_term *term)
{
    const char *const form = form_of(term);

    return !preset->form || (form && strcmp(form, preset->form) == 0);
}

bool lb_preset_fits(const lb_preset *preset, const lb_term *term)
{
    const char *const form = form_of(term);

    if (is_as_published(preset, term))
        return true;
    return preset->unit != LB_PRESET_AS_IS && form && strcmp(form, "per-sample") == 0;
}

/* Of the maps that are compared: behind the adapter both sides have the smaller plane and
 * the teacher's channels. */
static double places_of(const lb_tap *tap)
{
    double n = 1;

    for (int i = 2; i < tap->student_shape.rank && i < tap->teacher_shape.rank; i++) {
        const int s = tap->student_shape.dim[i], t = tap->teacher_shape.dim[i];
        n *= s < t ? s : t;
    }
    return n;
}

static double elements_of(const lb_tap *tap)
{
    return tap->teacher_shape.dim[1] * places_of(tap);
}

static double factor_of_pair(lb_preset_unit unit, const lb_tap *tap)
{
    return unit == LB_PRESET_PLACES ? 1 / places_of(tap) : elements_of(tap);
}

static bool looks_at_maps(lb_preset_unit unit)
{
    return unit == LB_PRESET_PLACES || unit == LB_PRESET_ELEMENTS;
}

/* Of several teachers the mean: their shares are weights already. */
static double pairs_of_a_teacher(const lb_term *term)
{
    const lb_tap *const tap = term->taps.tap;
    int n_teachers = 0;

    for (int i = 0; i < term->taps.n; i++)
        n_teachers += i == 0 || tap[i].of != tap[i - 1].of;
    return n_teachers > 0 ? (double)term->taps.n / n_teachers : 0;
}

bool lb_preset_weigh(lb_term *term)
{
    const lb_preset *const p = term->preset;
    const lb_preset_unit unit = is_as_published(p, term) ? LB_PRESET_AS_IS : p->unit;
    const int n = term->taps.n;
    double weight = p->weight;

    term->weighed = n > 0 || (!looks_at_maps(unit) && !p->averages);
    if (term->weighed && unit == LB_PRESET_BATCH)
        weight /= p->batch;
    if (term->weighed && looks_at_maps(unit)) {
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += factor_of_pair(unit, &term->taps.tap[i]);
        weight *= sum / n;
    }
    if (term->weighed && p->averages)
        weight /= pairs_of_a_teacher(term);
    term->weight = weight;
    if (term->weight_ramp.on)
        term->weight_ramp.to = weight;
    return term->weighed;
}

/* "the map's 256 places", "64 to 1024 places of the maps, the mean of 3 factors" */
static int add_maps(const lb_term *term, lb_preset_unit unit, char *out, size_t room)
{
    const bool places = unit == LB_PRESET_PLACES;
    const char *const what = places ? "places" : "elements";
    double least = 0, most = 0;

    for (int i = 0; i < term->taps.n; i++) {
        const lb_tap *const tap = &term->taps.tap[i];
        const double size = places ? places_of(tap) : elements_of(tap);
        least = i == 0 || size < least ? size : least;
        most = size > most ? size : most;
    }
    const char *const how = places ? "over" : "times";
    if (term->taps.n == 0)
        return snprintf(out, room, " %s the %s of the layers", how, what);
    if (least >= most)
        return snprintf(out, room, " %s the %.0f %s of a map", how, least, what);
    return snprintf(out, room, " %s the %.0f to %.0f %s of the maps (the mean factor)",
                    how, least, most, what);
}

const char *lb_preset_text(const lb_term *term, char out[LB_PRESET_TEXT])
{
    const lb_preset *const p = term->preset;
    const lb_preset_unit unit = is_as_published(p, term) ? LB_PRESET_AS_IS : p->unit;
    size_t n = 0;
    char *const end = out + LB_PRESET_TEXT;

    n += (size_t)snprintf(out, LB_PRESET_TEXT, "preset %s: %g", p->name, p->weight);
    if (unit == LB_PRESET_BATCH)
        n += (size_t)snprintf(out + n, (size_t)(end - out) - n,
                              " over the batch of %d that it was found with", p->batch);
    else if (looks_at_maps(unit))
        n += (size_t)add_maps(term, unit, out + n, (size_t)(end - out) - n);
    if (p->averages && pairs_of_a_teacher(term) > 1)
        n += (size_t)snprintf(out + n, (size_t)(end - out) - n,
                              ", over %g pairs of layers", pairs_of_a_teacher(term));
    if (p->with)
        snprintf(out + n, (size_t)(end - out) - n, "; published with %s", p->with);
    return out;
}
