/* alignment.c: asks two networks about the same samples and compares their layers. */
#include "train/alignment.h"

#include "train/cka.h"
#include "train/extract.h"
#include "train/train_int.h"

#include <math.h>

bool lb_align_add(lb_tap *list, int *n, int most, const lb_tap *pair)
{
    for (int i = 0; i < *n; i++)
        if (list[i].student.id == pair->student.id &&
            list[i].teacher.id == pair->teacher.id)
            return true;
    if (*n == most)
        return false;
    list[(*n)++] = *pair;
    return true;
}

static void note_shapes(const lb_graph *student, const lb_graph *teacher, lb_tap *pair)
{
    pair->student_shape = lb_info(student, pair->student)->type.shape;
    pair->teacher_shape = lb_info(teacher, pair->teacher)->type.shape;
}

int lb_align_auto(const lb_graph *student, const lb_graph *teacher, lb_arena *arena,
                  lb_tap *out)
{
    const char *why = NULL;
    lb_tap rows;
    int n = lb_taps_pair(LB_AUTO_STAGES, student, teacher, arena, out, &why);

    if (lb_taps_pair(LB_AUTO_ROWS, student, teacher, arena, &rows, &why) == 1)
        (void)lb_align_add(out, &n, LB_MAX_PAIRS + 1, &rows);
    for (int i = 0; i < n; i++)
        note_shapes(student, teacher, &out[i]);
    return n;
}

lb_tap lb_align_answers(const lb_graph *student, const lb_graph *teacher)
{
    lb_tap pair = {.student = lb_logits_of(student), .teacher = lb_logits_of(teacher)};

    note_shapes(student, teacher, &pair);
    return pair;
}

enum { MOST = LB_MAX_ALIGNED + LB_TRUNK, TRUNK_SIZE = 1 << 16 };

/* One of the networks. */
typedef struct side {
    const lb_voice *network;
    lb_value layer[MOST];
    int n;
    lb_extractor *extractor;
    double *gram[MOST];           /* [batch, batch] of the batch under way, centred */
    double norm[MOST], raw[MOST]; /* summed over the batches */
} side;

typedef struct comparison {
    const lb_align_setup *setup;
    int batch, n_batches;
    side teacher, student;
    const void **row; /* [batch] */
    double *scratch;
    double *sum; /* [teacher.n, student.n] */
} comparison;

/* In the order of the network. */
static void note_layer(side *s, lb_value v)
{
    const lb_graph *const g = s->network->graph;
    int at = s->n;

    if (lb_taps_place(s->layer, s->n, v) >= 0)
        return;
    for (; at > 0 && lb_info(g, s->layer[at - 1])->node > lb_info(g, v)->node; at--)
        s->layer[at] = s->layer[at - 1];
    s->layer[at] = v;
    s->n++;
}

static void note_trunk(side *s, lb_arena *arena)
{
    lb_value trunk[LB_TRUNK];
    const int n = lb_taps_trunk(s->network->graph, TRUNK_SIZE, arena, trunk, LB_TRUNK);

    for (int i = 0; i < n; i++)
        note_layer(s, trunk[i]);
}

static lb_code take_memory(comparison *c, lb_arena *arena, lb_error *err)
{
    const size_t cells = (size_t)c->batch * (size_t)c->batch;
    bool all = true;

    c->row = LB_TAKE_ARRAY(arena, c->batch, const void *);
    c->scratch = LB_TAKE_ARRAY(arena, lb_gram_scratch(c->batch), double);
    for (int k = 0; k < c->teacher.n; k++)
        all = (c->teacher.gram[k] = LB_TAKE_ARRAY(arena, cells, double)) && all;
    for (int k = 0; k < c->student.n; k++)
        all = (c->student.gram[k] = LB_TAKE_ARRAY(arena, cells, double)) && all;
    if (!all || !c->row || !c->scratch)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    return LB_OK;
}

static lb_code open_side(const comparison *c, side *s, lb_arena *arena, lb_error *err)
{
    const lb_extractor_setup extractor = {.network = s->network,
                                          .layers = s->layer,
                                          .n_layers = s->n,
                                          .batch = c->batch,
                                          .data = c->setup->data,
                                          .split = c->setup->split,
                                          .pool = c->setup->pool,
                                          .kernels = c->setup->kernels,
                                          .conv_direct = c->setup->conv_direct};

    return lb_extractor_open(&extractor, arena, &s->extractor, err);
}

static void look(const comparison *c, side *s, const int *sample)
{
    lb_extractor_ask(s->extractor, sample, c->batch);
    for (int k = 0; k < s->n; k++) {
        const lb_type *const type = &lb_info(s->network->graph, s->layer[k])->type;
        const lb_shape one = lb_shape_bind(&type->shape, 1);
        lb_rows rows = {.row = c->row, .n = c->batch, .dtype = type->dtype};
        if (!lb_shape_count(&one, &rows.d))
            rows.d = 0; /* too large to be planned: never reached */
        for (int i = 0; i < c->batch; i++)
            c->row[i] = lb_extractor_row(s->extractor, k, i);
        lb_gram(&rows, c->setup->pool, c->scratch, s->gram[k]);
        s->raw[k] += lb_gram_centre(s->gram[k], c->batch);
        s->norm[k] += lb_gram_product(s->gram[k], s->gram[k], c->batch);
    }
}

/* Sample i of batch b: every batch is spread over the whole split. */
static int nth_sample(const comparison *c, int b, int i)
{
    const int64_t of = (int64_t)c->batch * c->n_batches;
    const int64_t at = (int64_t)i * c->n_batches + b;

    return (int)(at * c->setup->data->n[c->setup->split] / of);
}

static void compare_batch(comparison *c, int b)
{
    int sample[LB_ALIGN_BATCH];

    for (int i = 0; i < c->batch; i++)
        sample[i] = nth_sample(c, b, i);
    look(c, &c->teacher, sample);
    look(c, &c->student, sample);
    for (int t = 0; t < c->teacher.n; t++)
        for (int s = 0; s < c->student.n; s++)
            c->sum[t * c->student.n + s] +=
                lb_gram_product(c->teacher.gram[t], c->student.gram[s], c->batch);
}

/* Sums become alignments. */
static void conclude(comparison *c)
{
    const side *const t = &c->teacher, *const s = &c->student;

    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < s->n; k++) {
            double *const at = &c->sum[i * s->n + k];
            *at = c->batch > 3 ? lb_cka(*at, t->norm[i], s->norm[k], t->raw[i], s->raw[k])
                               : (double)NAN;
        }
}

static lb_code run(comparison *c, lb_arena *arena, lb_error *err)
{
    if (c->batch < 4)
        return LB_OK;
    LB_TRY(take_memory(c, arena, err));
    LB_TRY(open_side(c, &c->teacher, arena, err));
    LB_TRY(open_side(c, &c->student, arena, err));
    for (int b = 0; b < c->n_batches; b++)
        compare_batch(c, b);
    return LB_OK;
}

/* Batches of one size; fewer samples than there are batches stay out. */
static void size_batches(comparison *c)
{
    const int n = c->setup->data->n[c->setup->split];
    const int most = n < LB_ALIGN_SAMPLES ? n : LB_ALIGN_SAMPLES;

    c->n_batches = (most + LB_ALIGN_BATCH - 1) / LB_ALIGN_BATCH;
    c->batch = c->n_batches > 0 ? most / c->n_batches : 0;
}

static lb_code keep(const comparison *c, lb_arena *arena, lb_alignment *out,
                    lb_error *err)
{
    lb_value *const teacher = LB_TAKE_ARRAY(arena, c->teacher.n, lb_value);
    lb_value *const student = LB_TAKE_ARRAY(arena, c->student.n, lb_value);

    if (!teacher || !student)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    for (int k = 0; k < c->teacher.n; k++)
        teacher[k] = c->teacher.layer[k];
    for (int k = 0; k < c->student.n; k++)
        student[k] = c->student.layer[k];
    *out = (lb_alignment){.samples = c->batch * c->n_batches,
                          .batch = c->batch,
                          .n_teacher = c->teacher.n,
                          .n_student = c->student.n,
                          .teacher = teacher,
                          .student = student,
                          .cka = c->sum};
    return LB_OK;
}

lb_code lb_align(const lb_align_setup *setup, lb_arena *arena, lb_alignment *out,
                 lb_error *err)
{
    comparison c = {.setup = setup,
                    .teacher = {.network = setup->teacher},
                    .student = {.network = setup->student}};

    if (setup->n_pairs < 1 || setup->n_pairs > LB_MAX_ALIGNED)
        return lb_bug(err, "a comparison of no layers, or of too many");
    for (int i = 0; i < setup->n_pairs; i++) {
        note_layer(&c.teacher, setup->pair[i].teacher);
        note_layer(&c.student, setup->pair[i].student);
    }
    size_batches(&c);
    lb_arena *const own = lb_arena_new(0);
    if (own && setup->trunk) {
        note_trunk(&c.teacher, own);
        note_trunk(&c.student, own);
    }
    c.sum = LB_TAKE_ARRAY(arena, c.teacher.n * c.student.n, double);
    lb_code code = c.sum && own
                       ? run(&c, own, err)
                       : lb_raise(err, LB_ERR_MEMORY, "no memory to compare layers");
    lb_extractor_close(c.teacher.extractor);
    lb_extractor_close(c.student.extractor);
    lb_arena_free(own);
    if (code != LB_OK)
        return code;
    conclude(&c);
    return keep(&c, arena, out, err);
}

double lb_alignment_of(const lb_alignment *a, const lb_tap *pair)
{
    const int t = lb_taps_place(a->teacher, a->n_teacher, pair->teacher);
    const int s = lb_taps_place(a->student, a->n_student, pair->student);

    return t < 0 || s < 0 ? (double)NAN : a->cka[t * a->n_student + s];
}
