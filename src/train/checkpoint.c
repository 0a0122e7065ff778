/* checkpoint.c: a run's state in one file.
 *
 * The layout is written once, as a walk over the state (walk()), which counts, writes or
 * reads whatever it passes: magic, version, size of the whole file, then the key of the
 * run, the stage, how the student was cut, the ledger, the weights, the velocities, the
 * best weights, what the stage before left if it teaches, and a SHA-256 over all of it.
 * Numbers are in the machine's byte order; another order fails the version. */
#include "train/train_int.h"

#include "base/file.h"
#include "base/hash.h"

#include <string.h>

static const char magic[8] = {'L', 'B', 'C', 'H', 'E', 'C', 'K', '\n'};

typedef enum walk_mode { WALK_COUNT, WALK_WRITE, WALK_READ } walk_mode;

typedef struct walker {
    walk_mode mode;
    uint64_t size; /* passed so far */
    lb_writer *out;
    lb_hash hash;
    lb_bytes in;
    const char *wrong; /* the first thing that does not match, or NULL */
} walker;

static void refuse(walker *w, const char *wrong)
{
    if (!w->wrong)
        w->wrong = wrong;
}

static void pass(walker *w, void *data, size_t size)
{
    switch (w->mode) {
    case WALK_COUNT:
        break;
    case WALK_WRITE:
        lb_hash_add(&w->hash, data, size);
        lb_writer_add(w->out, data, size);
        break;
    case WALK_READ:
        if (w->wrong || size > w->in.size - w->size) {
            refuse(w, "it is cut short");
            return;
        }
        memcpy(data, w->in.data + w->size, size);
        break;
    }
    w->size += size;
}

static void pass_int(walker *w, int *value, int least, int most, const char *what)
{
    pass(w, value, sizeof *value);
    if (*value < least || *value > most)
        refuse(w, what);
}

static void pass_count(walker *w, int64_t *value, const char *what)
{
    pass(w, value, sizeof *value);
    if (*value < 0)
        refuse(w, what);
}

/* A number that must be the same on both sides. */
static void pass_same(walker *w, int value, const char *what)
{
    int there = value;

    pass(w, &there, sizeof there);
    if (there != value)
        refuse(w, what);
}

enum { KEY_BYTES = 256 };

/* magic, version, size, key: then the stage, then the masks. */
enum {
    STAGE_AT = sizeof magic + sizeof(int) + sizeof(uint64_t) + KEY_BYTES,
    MASKS_AT = STAGE_AT + sizeof(int)
};

static void padded_key(const char *key, char out[KEY_BYTES])
{
    const size_t n = strlen(key);

    memset(out, 0, KEY_BYTES);
    memcpy(out, key, n < KEY_BYTES ? n : KEY_BYTES - 1);
}

static void pass_key(walker *w, const char *key)
{
    char have[KEY_BYTES];

    padded_key(key, have);
    char there[sizeof have];
    memcpy(there, have, sizeof there);
    pass(w, there, sizeof there);
    if (memcmp(there, have, sizeof there) != 0)
        refuse(w, "it belongs to another run: the recipe, the data or the teacher has "
                  "changed since");
}

static void pass_report(walker *w, lb_epoch_report *r)
{
    int best = r->best, judged = r->judged;

    pass_int(w, &r->stage, 0, LB_MAX_STAGES - 1, "an epoch's report is damaged");
    pass_int(w, &r->epoch, 0, 1 << 20, "an epoch's report is damaged");
    pass(w, &r->lr, sizeof r->lr);
    pass(w, &r->loss, sizeof r->loss);
    pass(w, r->term, sizeof r->term);
    pass(w, r->weight, sizeof r->weight);
    pass(w, r->share, sizeof r->share);
    pass(w, &r->train_accuracy, sizeof r->train_accuracy);
    pass(w, &r->validation_accuracy, sizeof r->validation_accuracy);
    pass(w, &r->validation_loss, sizeof r->validation_loss);
    pass(w, &r->seconds, sizeof r->seconds);
    pass(w, &r->images_per_second, sizeof r->images_per_second);
    pass(w, &r->idle_share, sizeof r->idle_share);
    pass_int(w, &best, 0, 1, "an epoch's report is damaged");
    r->best = best == 1;
    pass_int(w, &judged, 0, 1, "an epoch's report is damaged");
    r->judged = judged == 1;
}

static void pass_balancing(walker *w, lb_balancing *b)
{
    pass(w, &b->fixed, sizeof b->fixed);
    pass(w, &b->own, sizeof b->own);
    pass_int(w, &b->steps, 0, 1 << 20, "a weight that was found is damaged");
    pass(w, &b->weight, sizeof b->weight);
}

static void pass_ledger(walker *w, lb_ledger *l, int epochs, int batches)
{
    pass_int(w, &l->epoch, 0, epochs, "its epoch is past the last");
    pass_int(w, &l->batch, 0, batches - 1, "its batch is past the last");
    pass_int(w, &l->best_epoch, -1, epochs - 1, "its best epoch is past the last");
    pass_int(w, &l->n_reports, l->first, l->first + epochs,
             "it has more epochs than the run");
    pass_count(w, &l->step, "its step is negative");
    pass_count(w, &l->labelled, "its count of labels is negative");
    pass_count(w, &l->correct, "its count of answers is negative");
    pass(w, &l->seconds, sizeof l->seconds);
    pass(w, &l->epoch_seconds, sizeof l->epoch_seconds);
    pass(w, &l->epoch_idle, sizeof l->epoch_idle);
    pass(w, &l->loss_sum, sizeof l->loss_sum);
    pass(w, l->term_sum, sizeof l->term_sum);
    pass(w, l->norm, sizeof l->norm);
    for (int i = 0; i < LB_MAX_TERMS; i++)
        pass_balancing(w, &l->balancing[i]);
    pass(w, &l->best_accuracy, sizeof l->best_accuracy);
    pass(w, &l->best_loss, sizeof l->best_loss);
    if (l->n_reports != l->first + l->epoch || l->best_epoch >= l->epoch ||
        (l->epoch == epochs && l->batch != 0) ||
        l->step != (int64_t)l->epoch * batches + l->batch)
        refuse(w, "its counters contradict each other");
    for (int i = 0; !w->wrong && i < l->n_reports; i++)
        pass_report(w, &l->report[i]);
}

static void pass_tensor(walker *w, lb_tensor *t)
{
    static const char wrong[] = "its weights have other shapes";

    pass_same(w, (int)t->dtype, wrong);
    pass_same(w, t->shape.rank, wrong);
    for (int i = 0; i < t->shape.rank; i++)
        pass_same(w, t->shape.dim[i], wrong);
    if (!w->wrong)
        pass(w, t->data, lb_tensor_bytes(t));
}

static void pass_masks(walker *w, const lb_masks *masks)
{
    pass_same(w, masks->n, "the student has been cut another number of times");
    for (int i = 0; !w->wrong && i < masks->n; i++) {
        const lb_mask *const m = &masks->mask[i];
        pass_same(w, m->n, "it has another student");
        for (int k = 0; !w->wrong && k < m->n; k++) {
            char gone = m->gone[k] ? 1 : 0;
            pass(w, &gone, 1);
            if (gone != (m->gone[k] ? 1 : 0))
                refuse(w, "it has another student");
        }
    }
}

/* The same for counting, writing and reading. total: of the file, with the hash. */
static void walk(walker *w, const lb_checkpoint *c, uint64_t total)
{
    const lb_lesson *const lesson = c->lesson;
    char first[sizeof magic];
    uint64_t size = total;

    memcpy(first, magic, sizeof first);
    pass(w, first, sizeof first);
    if (memcmp(first, magic, sizeof first) != 0)
        refuse(w, "it is no checkpoint");
    pass_same(w, LB_CHECKPOINT_VERSION, "another version of limbeck wrote it");
    pass(w, &size, sizeof size);
    if (size != total)
        refuse(w, "it is cut short");
    pass_key(w, c->key);
    pass_same(w, c->ledger->stage, "its stage is past the last");
    pass_masks(w, c->masks);
    pass_same(w, lesson->n_terms, "it has other losses");
    pass_same(w, lesson->n_helpers, "it has other losses");
    pass_same(w, lesson->n_params, "it has another student");
    pass_same(w, lesson->n_velocities, "it has another student");
    pass_ledger(w, c->ledger, c->epochs, c->batches);
    for (int i = 0; !w->wrong && i < lesson->n_params; i++)
        pass_tensor(w, lesson->param[i]);
    for (int i = 0; !w->wrong && i < lesson->n_velocities; i++)
        pass_tensor(w, lesson->velocity[i]);
    for (int i = 0; !w->wrong && c->ledger->best_epoch >= 0 && i < lesson->n_params; i++)
        pass_tensor(w, c->ledger->best[i]);
    for (int i = 0; !w->wrong && c->previous && i < lesson->n_params - lesson->n_helpers;
         i++)
        pass_tensor(w, c->previous[i]);
}

lb_code lb_checkpoint_save(const lb_checkpoint *c, lb_error *err)
{
    walker count = {.mode = WALK_COUNT}, write = {.mode = WALK_WRITE};
    lb_arena *const arena = lb_arena_new(0);
    lb_writer file;
    lb_code code;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a checkpoint");
    walk(&count, c, 0);
    code = lb_writer_open(&file, arena, c->path, err);
    if (code == LB_OK) {
        lb_hash_init(&write.hash);
        write.out = &file;
        walk(&write, c, count.size + sizeof(lb_digest));
        const lb_digest digest = lb_hash_end(&write.hash);
        lb_writer_add(&file, &digest, sizeof digest);
        code = lb_writer_commit(&file, err);
    }
    lb_arena_free(arena);
    return code;
}

/* The state takes no more than this; a larger file is none of ours. */
static size_t most_bytes(const lb_checkpoint *c)
{
    size_t most = (size_t)1 << 16;

    for (int i = 0; i < c->lesson->n_params; i++)
        most += 3 * (lb_tensor_bytes(c->lesson->param[i]) + 64);
    for (int i = 0; i < c->masks->n; i++)
        most += (size_t)c->masks->mask[i].n + 8;
    for (int i = 0; i < c->lesson->n_velocities; i++)
        most += lb_tensor_bytes(c->lesson->velocity[i]) + 64;
    return most + (size_t)(c->ledger->first + c->epochs) * 1024;
}

/* Damage is told apart from what only does not belong to this run. */
static const char *damage(lb_bytes in)
{
    lb_hash hash;
    lb_digest want;

    if (in.size < sizeof magic || memcmp(in.data, magic, sizeof magic) != 0)
        return "it is no checkpoint, or cut short";
    if (in.size < sizeof want + sizeof magic)
        return "it is cut short";
    lb_hash_init(&hash);
    lb_hash_add(&hash, in.data, in.size - sizeof want);
    const lb_digest have = lb_hash_end(&hash);
    memcpy(&want, in.data + in.size - sizeof want, sizeof want);
    if (memcmp(&have, &want, sizeof have) != 0)
        return "it is damaged or cut short";
    return NULL;
}

lb_code lb_checkpoint_load(const lb_checkpoint *c, lb_error *err)
{
    walker read = {.mode = WALK_READ};
    lb_arena *const arena = lb_arena_new(0);
    lb_code code;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for a checkpoint");
    code = lb_read_file(arena, c->path, most_bytes(c), &read.in, err);
    if (code == LB_OK) {
        const uint64_t total = read.in.size;
        read.wrong = damage(read.in);
        if (!read.wrong) {
            read.in.size -= sizeof(lb_digest);
            walk(&read, c, total);
            if (read.size != read.in.size)
                refuse(&read, "it holds more than it should");
        }
        if (read.wrong)
            code = lb_raise(err, LB_ERR_INPUT,
                            "cannot resume from '%s': %s; delete it to begin anew, or "
                            "choose another folder",
                            c->path, read.wrong);
    }
    lb_arena_free(arena);
    return code;
}

int lb_checkpoint_stage(const char *path, int n_stages)
{
    lb_error ignored = {0};
    int stage = 0;
    lb_map map;

    if (lb_map_open(&map, path, &ignored) != LB_OK)
        return 0;
    if (map.size >= MASKS_AT)
        memcpy(&stage, (const char *)map.data + STAGE_AT, sizeof stage);
    lb_map_close(&map);
    return stage > 0 && stage < n_stages ? stage : 0;
}

/* The next n bytes at *at; NULL: the file ends before. */
static const char *next(lb_bytes in, size_t *at, size_t n)
{
    const char *const here = (const char *)in.data + *at;

    if (n > in.size - *at)
        return NULL;
    *at += n;
    return here;
}

static lb_code read_masks(lb_bytes in, lb_arena *arena, lb_masks *out, lb_error *err)
{
    size_t at = 0;
    int n = 0;

    if (!next(in, &at, MASKS_AT))
        return LB_OK;
    const char *here = next(in, &at, sizeof n);
    if (here)
        memcpy(&n, here, sizeof n);
    for (int i = 0; here && i < n && i < LB_MAX_STAGES; i++) {
        lb_mask *const m = &out->mask[i];
        if ((here = next(in, &at, sizeof m->n)) != NULL)
            memcpy(&m->n, here, sizeof m->n);
        if (!here || m->n < 0 || !(here = next(in, &at, (size_t)m->n)))
            return LB_OK;
        m->gone = LB_TAKE_ARRAY(arena, m->n + 1, bool);
        if (!m->gone)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for a checkpoint");
        for (int k = 0; k < m->n; k++)
            m->gone[k] = here[k] != 0;
        out->n = i + 1;
    }
    return LB_OK;
}

static bool has_key(lb_bytes in, const char *key)
{
    char own[KEY_BYTES];

    padded_key(key, own);
    return in.size >= STAGE_AT &&
           memcmp(in.data + STAGE_AT - KEY_BYTES, own, KEY_BYTES) == 0;
}

lb_code lb_checkpoint_masks(const char *path, const char *key, lb_arena *arena,
                            lb_masks *out, lb_error *err)
{
    lb_error ignored = {0};
    lb_code code = LB_OK;
    lb_map map;

    *out = (lb_masks){0};
    if (lb_map_open(&map, path, &ignored) != LB_OK)
        return LB_OK;
    const lb_bytes in = {map.data, map.size};
    if (!damage(in) && has_key(in, key))
        code = read_masks(in, arena, out, err);
    lb_map_close(&map);
    return code;
}
