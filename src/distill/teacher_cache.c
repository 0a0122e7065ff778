/* teacher_cache.c: the teacher's logits for fixed views, kept in a file.
 *
 * The file is named by a digest of everything that the answers depend on, holds that
 * digest, the sizes and the rows, and ends with a digest of the rows. So neither a
 * changed teacher nor a changed recipe can meet an old file. On every load a few rows are
 * asked of the live teacher again and must agree bit for bit: another processor, or
 * another build, may round otherwise. */
#include "distill/teacher_int.h"

#include "engine/kernel.h"

#include <stdio.h>
#include <string.h>

enum { FORMAT = 2, SPOT_ROWS = 64 };

/* Fixed-size fields only, no padding; written as it lies in memory: a cache is for the
 * machine that made it. */
typedef struct header {
    char magic[8];
    uint32_t format, classes, views, samples, store, top;
    lb_digest key;
} header;

typedef struct cache {
    lb_teacher *teacher;
    header head;
    const char *path;
    size_t rows_bytes, n_rows;
    float *answers; /* [batch, classes] */
    char *packed;   /* [batch] rows as they are stored */
} cache;

static void hash_numbers(lb_hash *hash, const lb_numbers *numbers)
{
    lb_hash_add(hash, &numbers->n, sizeof numbers->n);
    lb_hash_add(hash, numbers->value, (size_t)numbers->n * sizeof numbers->value[0]);
}

static lb_digest key_of(const lb_teacher *t)
{
    const lb_teacher_setup *const setup = &t->setup;
    const lb_input_options *const input = &t->options.input;
    const int group = setup->batch / lb_plan_describe(t->plan).n_groups;
    const int32_t numbers[] = {
        FORMAT,         t->options.views,
        t->classes,     input->pixels,
        input->layout,  (int32_t)setup->kernels + (setup->conv_direct ? 256 : 0),
        group,          lb_cpu_block(),
        t->was_softmax, t->form.store,
        t->form.top};
    lb_hash hash;

    lb_hash_init(&hash);
    lb_hash_add_text(&hash, "limbeck teacher cache");
    lb_hash_add(&hash, numbers, sizeof numbers);
    hash_numbers(&hash, &input->mean);
    hash_numbers(&hash, &input->std);
    lb_hash_add(&hash, &setup->graph_digest, sizeof setup->graph_digest);
    lb_hash_add(&hash, &setup->data->digest, sizeof setup->data->digest);
    return lb_hash_end(&hash);
}

static lb_code describe(cache *c, lb_arena *arena, lb_error *err)
{
    lb_teacher *const t = c->teacher;
    const size_t samples = (size_t)t->setup.data->n[LB_TRAIN];
    char name[65 + 16], digest[65];

    c->head = (header){.magic = "LBCACHE",
                       .format = FORMAT,
                       .classes = (uint32_t)t->classes,
                       .views = (uint32_t)t->options.views,
                       .samples = (uint32_t)samples,
                       .store = (uint32_t)t->form.store,
                       .top = (uint32_t)t->form.top,
                       .key = key_of(t)};
    lb_digest_text(&c->head.key, digest);
    snprintf(name, sizeof name, "teacher-%.32s.cache", digest);
    c->path = lb_path_join(arena, t->setup.cache_folder, name);
    size_t total;
    if (!lb_size_mul(samples, (size_t)t->options.views, &c->n_rows) ||
        !lb_size_mul(c->n_rows, t->row_bytes, &c->rows_bytes) ||
        !lb_size_add(c->rows_bytes, sizeof(header) + sizeof(lb_digest), &total))
        return lb_raise(err, LB_ERR_INPUT, "%d views of %zu samples are too many",
                        t->options.views, samples);
    c->answers = LB_TAKE_ARRAY(arena, (size_t)t->setup.batch * (size_t)t->classes, float);
    c->packed = lb_arena_take_array(arena, (size_t)t->setup.batch, t->row_bytes);
    if (!c->path || !c->answers || !c->packed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the teacher's answers");
    return LB_OK;
}

/* Asks for `n` rows and packs them; false if some logit does not fit. */
static bool ask_packed(const cache *c, int first, int view, int n)
{
    lb_teacher *const t = c->teacher;
    bool fits = true;

    lb_teacher_ask_views(t, first, view, n, c->answers);
    for (int i = 0; i < n; i++)
        if (!lb_row_pack(&t->form, c->answers + (size_t)i * (size_t)t->classes,
                         c->packed + (size_t)i * t->row_bytes))
            fits = false;
    return fits;
}

/* Asks some rows again, spread over the file, in other company than when they were made:
 * every batch starts elsewhere. */
static bool spot_check(const cache *c, const char *rows)
{
    lb_teacher *const t = c->teacher;
    const int n = t->setup.data->n[LB_TRAIN], batch = t->setup.batch;
    const int piece = batch < SPOT_ROWS ? batch : SPOT_ROWS;
    lb_rng rng = lb_rng_make(t->setup.data->seed, LB_RNG_TEST, c->n_rows, 0);

    for (int round = 0; round < 2; round++) {
        const int view = (int)lb_rng_below(&rng, (uint64_t)t->options.views);
        const int first = (int)lb_rng_below(&rng, (uint64_t)n);
        const int count = n - first < piece ? n - first : piece;
        const size_t row = (size_t)view * (size_t)n + (size_t)first;
        (void)ask_packed(c, first, view, count);
        if (memcmp(c->packed, rows + row * t->row_bytes, (size_t)count * t->row_bytes) !=
            0)
            return false;
    }
    return true;
}

/* NULL, or why the mapped file cannot be used. */
static const char *problem(const cache *c, const lb_map *map)
{
    const size_t size = sizeof(header) + c->rows_bytes + sizeof(lb_digest);
    lb_hash hash;

    if (map->size != size)
        return "its size is wrong";
    if (memcmp(map->data, &c->head, sizeof(header)) != 0)
        return "its header does not match";
    const uint8_t *const rows = map->data + sizeof(header);
    lb_hash_init(&hash);
    lb_hash_add(&hash, rows, c->rows_bytes);
    const lb_digest digest = lb_hash_end(&hash);
    if (memcmp(rows + c->rows_bytes, &digest, sizeof digest) != 0)
        return "its content is damaged";
    if (!spot_check(c, (const char *)rows))
        return "the teacher now answers otherwise";
    return NULL;
}

static void tell(const cache *c)
{
    static const char *const name[] = {"none", "fp32", "fp16"};
    const lb_teacher *const t = c->teacher;
    char top[32] = "";

    if (t->form.top > 0)
        snprintf(top, sizeof top, ", top %d of %d", t->form.top, t->classes);
    lb_log_tell(&t->setup.log, LB_LOG_INFO, "'%s': %zu answers as %s%s, %.1f MB", c->path,
                c->n_rows, name[t->form.store], top, 1e-6 * (double)t->map.size);
}

/* Maps the file and takes it if it is right; a wrong one is told of and left. */
static void load(const cache *c)
{
    lb_teacher *const t = c->teacher;
    lb_error ignored = {0};

    if (!lb_file_exists(c->path))
        return;
    if (lb_map_open(&t->map, c->path, &ignored) != LB_OK) {
        lb_log_tell(&t->setup.log, LB_LOG_WARN, "%s; the cache is made anew",
                    ignored.text);
        return;
    }
    const char *const wrong = problem(c, &t->map);
    if (wrong) {
        lb_log_tell(&t->setup.log, LB_LOG_WARN,
                    "'%s': %s; the teacher's answers are made anew", c->path, wrong);
        lb_map_close(&t->map);
        return;
    }
    t->rows = (const char *)t->map.data + sizeof(header);
    tell(c);
}

/* Asks the teacher about every view of every sample, into the writer. */
static lb_code write_rows(const cache *c, lb_writer *w, lb_hash *hash, lb_error *err)
{
    lb_teacher *const t = c->teacher;
    const int n = t->setup.data->n[LB_TRAIN], batch = t->setup.batch;
    const int total = c->n_rows > INT32_MAX ? INT32_MAX : (int)c->n_rows;
    size_t done = 0;

    for (int view = 0; view < t->options.views; view++) {
        for (int first = 0; first < n && !w->failed; first += batch) {
            const int count = n - first < batch ? n - first : batch;
            const size_t bytes = (size_t)count * t->row_bytes;
            if (!ask_packed(c, first, view, count))
                return lb_raise(err, LB_ERR_UNSUPPORTED,
                                "a logit of the teacher is beyond 65504, the largest "
                                "number in fp16; use cache.store: fp32");
            lb_hash_add(hash, c->packed, bytes);
            lb_writer_add(w, c->packed, bytes);
            done += (size_t)count;
            const int shown = done > INT32_MAX ? INT32_MAX : (int)done;
            if (t->setup.progress &&
                !t->setup.progress(t->setup.progress_arg, shown, total))
                return lb_raise(err, LB_ERR_STOPPED,
                                "stopped while the teacher's answers were collected");
        }
    }
    return LB_OK;
}

static lb_code fill(const cache *c, lb_arena *arena, lb_error *err)
{
    lb_writer w;
    lb_hash hash;

    LB_TRY(lb_make_folder(c->teacher->setup.cache_folder, err));
    LB_TRY(lb_writer_open(&w, arena, c->path, err));
    lb_hash_init(&hash);
    lb_writer_add(&w, &c->head, sizeof c->head);
    const lb_code code = write_rows(c, &w, &hash, err);
    if (code != LB_OK) {
        lb_writer_drop(&w);
        return code;
    }
    const lb_digest digest = lb_hash_end(&hash);
    lb_writer_add(&w, &digest, sizeof digest);
    return lb_writer_commit(&w, err);
}

lb_code lb_teacher_open_cache(lb_teacher *t, lb_arena *arena, lb_error *err)
{
    cache c = {.teacher = t};
    lb_error trouble = {0};

    LB_TRY(describe(&c, arena, err));
    load(&c);
    if (t->rows)
        return LB_OK;
    const lb_code code = fill(&c, arena, &trouble);
    if (code == LB_ERR_STOPPED || code == LB_ERR_MEMORY || code == LB_ERR_UNSUPPORTED) {
        *err = trouble;
        return code;
    }
    if (code == LB_OK)
        load(&c);
    if (!t->rows)
        lb_log_tell(&t->setup.log, LB_LOG_WARN,
                    "%s; the teacher runs live, over the same views",
                    code == LB_OK ? "the teacher's cache cannot be used" : trouble.text);
    return LB_OK;
}
