/* folder.c: the folder of a run, and the key that says whose it is.
 *
 * The key is a hash of everything that decides the result: the resolved recipe and the
 * content of each file that it names. It lies in `run.key`; a folder with another key is
 * never written into. */
#include "run/run_int.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

const char *lb_run_path(const lb_run *run, const char *name)
{
    return lb_path_join(run->arena, run->folder, name);
}

lb_code lb_run_place(lb_run *run, lb_error *err)
{
    const char *const out = run->options->out;

    run->folder = out ? out : lb_path_join(run->arena, "runs", run->recipe->name);
    run->parent = run->options->beside ? run->options->beside
                  : run->folder        ? lb_path_folder(run->arena, run->folder)
                                       : NULL;
    if (!run->folder || !run->parent)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the run's folder");
    return LB_OK;
}

static lb_code add_file(lb_run *run, lb_hash *hash, const char *path, lb_error *err)
{
    lb_map map;

    (void)run;
    if (!path) {
        lb_hash_add_text(hash, "");
        return LB_OK;
    }
    LB_TRY(lb_map_open(&map, path, err));
    lb_hash_add(hash, map.data, map.size);
    lb_map_close(&map);
    return LB_OK;
}

lb_code lb_run_key(lb_run *run, lb_error *err)
{
    const lb_recipe *const r = run->recipe;
    const int32_t kernels =
        (int32_t)run->options->kernels + (run->options->conv_direct ? 256 : 0);
    lb_hash hash;

    lb_hash_init(&hash);
    lb_hash_add_text(&hash, LB_VERSION);
    lb_hash_add_text(&hash, run->recipe_text);
    lb_hash_add(&hash, &kernels, sizeof kernels);
    lb_hash_add(&hash, &run->data->digest, sizeof run->data->digest);
    for (int k = 0; k < run->n_members; k++)
        lb_hash_add(&hash, &run->member[k].digest, sizeof run->member[k].digest);
    lb_hash_add(&hash, &run->student_digest, sizeof run->student_digest);
    LB_TRY(add_file(run, &hash, r->student.init, err));
    for (int k = 0; k < lb_run_stages(run); k++)
        LB_TRY(add_file(run, &hash, lb_run_stage_of(run, k).train->order, err));
    const lb_digest digest = lb_hash_end(&hash);
    lb_digest_text(&digest, run->key);
    return LB_OK;
}

static bool key_is(const lb_run *run, const char *path)
{
    lb_error err = {0};
    lb_bytes have;

    return lb_read_file(run->arena, path, 64, &have, &err) == LB_OK && have.size == 64 &&
           memcmp(have.data, run->key, 64) == 0;
}

lb_code lb_run_enter(lb_run *run, lb_error *err)
{
    const char *const key = lb_run_path(run, "run.key");
    const char *const recipe = lb_run_path(run, "recipe.yaml");
    const char *const result = lb_run_path(run, "result.json");

    if (!key || !recipe || !result)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the run's folder");
    if (lb_file_exists(key) && !key_is(run, key))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' holds a run of another recipe, or of other data or another "
                        "teacher; choose a folder with --out, or delete that one",
                        run->folder);
    LB_TRY(lb_make_folder(run->folder, err));
    if (!run->options->resume)
        remove(result); /* begun anew: what lies there is no longer its result */
    LB_TRY(lb_write_file(recipe, run->recipe_text, strlen(run->recipe_text), err));
    return lb_write_file(key, run->key, 64, err);
}

const char *lb_run_finished(const lb_run *run)
{
    const char *const path = lb_run_path(run, "result.json");
    lb_error err = {0};
    lb_bytes text;

    if (!path || !lb_file_exists(path) ||
        lb_read_file(run->arena, path, (size_t)1 << 24, &text, &err) != LB_OK)
        return NULL;
    return lb_arena_copy_chars(run->arena, (const char *)text.data, text.size);
}
