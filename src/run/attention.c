/* attention.c: where teacher and student look, on a few test samples.
 *
 * The samples are found by rule: the first of each class, on up to half of them the two
 * answer differently, if there are such. */
#include "run/inside_int.h"

#include "train/extract.h"

#include <math.h>
#include <string.h>

static int points(const lb_shape *shape)
{
    return shape->dim[2] * shape->dim[3];
}

static bool has_plane(const lb_shape *shape)
{
    return shape->rank == 4 && shape->dim[2] > 1 && shape->dim[3] > 1;
}

/* The pair that lies farthest back in the student among those whose plane has more than
 * `above` points; NULL if there is none. */
static const lb_tap *last_of(const lb_run *run, const lb_tap *pair, int n, int above)
{
    const lb_tap *last = NULL;
    int at = -1;

    for (int i = 0; i < n; i++) {
        const int node = lb_info(run->student, pair[i].student)->node;
        if (!has_plane(&pair[i].student_shape) || !has_plane(&pair[i].teacher_shape) ||
            points(&pair[i].student_shape) <= above || node <= at)
            continue;
        last = &pair[i];
        at = node;
    }
    return last;
}

/* The last maps, and before them the last larger ones. */
static void take_pairs(const lb_run *run, const lb_tap *pair, int n,
                       struct lb_run_attention *a)
{
    const lb_tap *const last = last_of(run, pair, n, 0);

    if (!last)
        return;
    const lb_tap *const before = last_of(run, pair, n, points(&last->student_shape));
    if (before)
        a->pair[a->n_pairs++] = *before;
    a->pair[a->n_pairs++] = *last;
}

static lb_code choose_pairs(const lb_run *run, struct lb_run_attention *a, lb_error *err)
{
    lb_tap pair[LB_MAX_ALIGNED];
    int n = 0;

    LB_TRY(lb_run_pairs(run, a->of, pair, &n, err));
    take_pairs(run, pair, n, a);
    if (a->n_pairs > 0)
        return LB_OK;
    /* the losses compare rows alone */
    lb_arena *const arena = lb_arena_new(0);
    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for pairs of layers");
    n = lb_align_auto(run->student, run->member[a->of].file, arena, pair);
    lb_arena_free(arena);
    take_pairs(run, pair, n, a);
    return LB_OK;
}

/* Adds samples of classes that have fewer than `each` so far, until there are `most`. */
static void add_samples(const lb_run *run, struct lb_run_attention *a, int *of_class,
                        bool differ, int each, int most)
{
    const lb_metrics *const t = &run->member[a->of].test, *const s = &run->student_test;

    for (int i = 0; i < s->n && a->n_samples < most; i++) {
        const int label = lb_data_label(run->data, LB_TEST, i);
        bool taken = false;
        for (int k = 0; k < a->n_samples; k++)
            taken = taken || a->sample[k] == i;
        if (taken || label < 0 || of_class[label] >= each ||
            (differ && t->answer[i] == s->answer[i]))
            continue;
        of_class[label]++;
        a->sample[a->n_samples++] = i;
    }
}

static lb_code choose_samples(const lb_run *run, struct lb_run_attention *a,
                              lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    int *const of_class =
        arena ? LB_TAKE_ARRAY(arena, run->data->content.n_classes, int) : NULL;

    if (!of_class) {
        lb_arena_free(arena);
        return lb_raise(err, LB_ERR_MEMORY, "no memory for samples");
    }
    add_samples(run, a, of_class, true, 1, LB_LOOK_SAMPLES / 2);
    for (int each = 1; each <= LB_LOOK_SAMPLES; each++)
        add_samples(run, a, of_class, false, each, LB_LOOK_SAMPLES);
    lb_arena_free(arena);
    return LB_OK;
}

/* The attention map of one sample; out: [h*w]. */
static void attend(const void *row, const lb_type *type, double *wide, double *out)
{
    const size_t n = (size_t)points(&type->shape);
    const size_t bytes = n * lb_dtype_size(type->dtype);

    memset(out, 0, n * sizeof *out);
    for (int c = 0; c < type->shape.dim[1]; c++) {
        lb_widen(type->dtype, (const char *)row + (size_t)c * bytes, n, wide);
        for (size_t i = 0; i < n; i++)
            out[i] += wide[i] * wide[i];
    }
}

static const uint8_t *in_steps(const double *map, size_t n, lb_arena *arena)
{
    uint8_t *const out = LB_TAKE_ARRAY(arena, n, uint8_t);
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = map[i] > most ? map[i] : most;
    for (size_t i = 0; out && most > 0 && i < n; i++) {
        const double step = round(255 * (map[i] / most));
        out[i] = step >= 0 && step <= 255 ? (uint8_t)step : 0; /* 0: not a number */
    }
    return out;
}

static double cosine(const double *a, const double *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    const double out = ab / (sqrt(aa) * sqrt(bb));
    return isfinite(out) ? out : (double)NAN;
}

/* One of the two networks, looked into. */
typedef struct eye {
    lb_voice network;
    lb_value layer[LB_LOOK_PAIRS];
    lb_extractor *extractor;
    double *wide, *map; /* [h*w] of the largest */
} eye;

static const lb_type *type_of(const eye *e, int k)
{
    return &lb_info(e->network.graph, e->layer[k])->type;
}

static lb_code open_eye(const lb_run *run, const struct lb_run_attention *a,
                        lb_arena *arena, eye *e, lb_error *err)
{
    size_t most = 0;

    for (int k = 0; k < a->n_pairs; k++) {
        const size_t n = (size_t)points(&type_of(e, k)->shape);
        most = n > most ? n : most;
    }
    e->wide = LB_TAKE_ARRAY(arena, most, double);
    e->map = LB_TAKE_ARRAY(arena, most, double);
    if (!e->wide || !e->map)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for attention maps");
    /* two pairs may share a layer of one side */
    const bool shared = a->n_pairs == 2 && e->layer[0].id == e->layer[1].id;
    const lb_extractor_setup setup = {.network = &e->network,
                                      .layers = e->layer,
                                      .n_layers = shared ? 1 : a->n_pairs,
                                      .batch = a->n_samples,
                                      .data = run->data,
                                      .split = LB_TEST,
                                      .pool = run->pool,
                                      .kernels = run->options->kernels,
                                      .conv_direct = run->options->conv_direct};
    LB_TRY(lb_extractor_open(&setup, arena, &e->extractor, err));
    lb_extractor_ask(e->extractor, a->sample, a->n_samples);
    return LB_OK;
}

static lb_code look_at(const lb_run *run, int i, int k, eye *t, eye *s,
                       struct lb_look *to, lb_error *err)
{
    const lb_type *const of_t = type_of(t, k), *const of_s = type_of(s, k);
    const size_t n_t = (size_t)points(&of_t->shape), n_s = (size_t)points(&of_s->shape);
    const bool same_size = of_t->shape.dim[2] == of_s->shape.dim[2] && n_t == n_s;

    attend(lb_extractor_row(t->extractor, k, i), of_t, t->wide, t->map);
    attend(lb_extractor_row(s->extractor, k, i), of_s, s->wide, s->map);
    to->teacher = in_steps(t->map, n_t, run->arena);
    to->student = in_steps(s->map, n_s, run->arena);
    to->cosine = same_size ? cosine(t->map, s->map, n_t) : (double)NAN;
    if (!to->teacher || !to->student)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for attention maps");
    return LB_OK;
}

static lb_code look(const lb_run *run, struct lb_run_attention *a, eye *t, eye *s,
                    lb_error *err)
{
    for (int i = 0; i < a->n_samples; i++)
        for (int k = 0; k < a->n_pairs; k++)
            LB_TRY(look_at(run, i, k, t, s, &a->look[i][k], err));
    return LB_OK;
}

static lb_code fill(const lb_run *run, struct lb_run_attention *a, lb_error *err)
{
    eye t = {.network = run->voice[a->of]};
    eye s = {.network = {run->student, run->recipe->student.input}};
    lb_arena *const arena = lb_arena_new(0);

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for attention maps");
    for (int k = 0; k < a->n_pairs; k++) {
        t.layer[k] = a->pair[k].teacher;
        s.layer[k] = a->pair[k].student;
    }
    lb_code code = open_eye(run, a, arena, &t, err);
    if (code == LB_OK)
        code = open_eye(run, a, arena, &s, err);
    if (code == LB_OK)
        code = look(run, a, &t, &s, err);
    lb_extractor_close(t.extractor);
    lb_extractor_close(s.extractor);
    lb_arena_free(arena);
    return code;
}

lb_code lb_run_attend(const lb_run *run, struct lb_run_attention **out, lb_error *err)
{
    if (!lb_run_has_pictures(run))
        return LB_OK;
    struct lb_run_attention *const a = LB_TAKE(run->arena, struct lb_run_attention);
    if (!a)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for attention maps");
    a->of = lb_run_shown_teacher(run);
    LB_TRY(choose_pairs(run, a, err));
    LB_TRY(choose_samples(run, a, err));
    if (a->n_pairs == 0 || a->n_samples == 0)
        return LB_OK;
    LB_TRY(fill(run, a, err));
    *out = a;
    return LB_OK;
}

static void add_answer(lb_json *j, const char *key, const lb_metrics *m, int sample,
                       int classes)
{
    const float *const row = m->logits + (size_t)sample * (size_t)m->classes;
    const double most = (double)row[m->answer[sample]];
    double sum = 0;

    for (int c = 0; c < m->classes; c++)
        sum += exp((double)row[c] - most);
    lb_json_open(j, key, '{');
    lb_json_int(j, "answer", m->answer[sample] < classes ? m->answer[sample] : -1);
    lb_json_number(j, "confidence", 1 / sum);
    lb_json_close(j, '}');
}

static void add_looks(lb_json *j, const lb_run *run, int i)
{
    const struct lb_run_attention *const a = run->attention;

    lb_json_open(j, "maps", '[');
    for (int k = 0; k < a->n_pairs; k++) {
        const struct lb_look *const look = &a->look[i][k];
        lb_json_open(j, NULL, '{');
        lb_json_text(j, "teacher",
                     lb_run_base64(run->arena, look->teacher,
                                   (size_t)points(&a->pair[k].teacher_shape)));
        lb_json_text(j, "student",
                     lb_run_base64(run->arena, look->student,
                                   (size_t)points(&a->pair[k].student_shape)));
        lb_json_number(j, "cosine", look->cosine);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
}

void lb_run_record_attention(lb_json *j, const lb_run *run)
{
    const struct lb_run_attention *const a = run->attention;

    if (!a) {
        lb_json_null(j, "attention");
        return;
    }
    lb_json_open(j, "attention", '{');
    if (run->n_members > 1)
        lb_json_int(j, "member", a->of);
    lb_json_open(j, "pairs", '[');
    for (int k = 0; k < a->n_pairs; k++) {
        lb_json_open(j, NULL, '{');
        lb_run_add_pair(j, run, a->of, &a->pair[k]);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_open(j, "samples", '[');
    for (int i = 0; i < a->n_samples; i++) {
        const int sample = a->sample[i], classes = run->data->content.n_classes;
        lb_json_open(j, NULL, '{');
        lb_json_int(j, "sample", sample);
        lb_run_add_picture(j, run, sample);
        add_answer(j, "teacher", &run->member[a->of].test, sample, classes);
        add_answer(j, "student", &run->student_test, sample, classes);
        add_looks(j, run, i);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}
