/* workshop.c: where firmware is built for a proof: its sources, and a folder beside them
 * that is gone afterwards. */
#include "prove/prove_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT = 16384, MOST_TEST = 1 << 20 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Behind the last '/'. */
static const char *base_of(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The path of a source by its name; NULL if it is not there. */
static const char *find_source(const lb_workshop *w, const char *file)
{
    for (int i = 0; file && i < w->n_sources; i++)
        if (strcmp(base_of(w->source[i]), file) == 0)
            return w->source[i];
    return NULL;
}

/* The benchmark is a program of its own. */
static bool is_source(const char *file)
{
    const size_t n = strlen(file);

    return n > 2 && strcmp(file + n - 2, ".c") == 0 && strcmp(file, "benchmark.c") != 0;
}

/* In the folder itself, or where packages keep them: a folder that is not there holds
 * none. */
static lb_code list_in(lb_workshop *w, const char *within, lb_error *err)
{
    const char *const path = lb_arena_text(w->arena, "%s/%s", w->folder, within);
    DIR *const d = path ? opendir(path) : NULL;

    if (!path)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try the firmware");
    if (!d && *within)
        return LB_OK;
    if (!d)
        return lb_raise(err, LB_ERR_IO, "cannot open '%s': %s", w->folder,
                        strerror(errno));
    for (const struct dirent *e; (e = readdir(d)) && w->n_sources < LB_WORKSHOP_FILES;) {
        if (!is_source(e->d_name))
            continue;
        w->source[w->n_sources] = lb_arena_text(w->arena, "%s%s", within, e->d_name);
        if (w->source[w->n_sources])
            w->n_sources++;
    }
    closedir(d);
    return LB_OK;
}

static lb_code list_sources(lb_workshop *w, lb_error *err)
{
    static const char *const within[] = {"", "src/", "extras/selftest/"};

    for (size_t i = 0; i < sizeof within / sizeof *within; i++)
        LB_TRY(list_in(w, within[i], err));
    qsort(w->source, (size_t)w->n_sources, sizeof *w->source, by_name);
    return LB_OK;
}

/* The self-test includes NAME.h of a NAME.c that is there. */
static const char *find_name(const lb_workshop *w)
{
    const char *const test = find_source(w, "selftest.c");
    char *const path = test ? lb_path_join(w->arena, w->folder, test) : NULL;
    lb_bytes bytes;
    lb_error ignored;

    if (!path || lb_read_file(w->arena, path, MOST_TEST, &bytes, &ignored) != LB_OK)
        return NULL;
    const char *at = lb_arena_copy_chars(w->arena, (const char *)bytes.data, bytes.size);
    while (at && (at = strstr(at, "#include \""))) {
        at += strlen("#include \"");
        const size_t n = strcspn(at, ".\"\n");
        char *const name = lb_arena_copy_chars(w->arena, at, n);
        if (name && strncmp(at + n, ".h\"", 3) == 0 &&
            find_source(w, lb_arena_text(w->arena, "%s.c", name)))
            return name;
    }
    return NULL;
}

lb_code lb_workshop_init(lb_workshop *w, const char *folder, const char *name,
                         lb_arena *arena, lb_error *err)
{
    *w = (lb_workshop){.arena = arena, .folder = folder, .name = name};
    w->output = lb_arena_take(arena, OUTPUT);
    if (!w->output)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try the firmware");
    LB_TRY(list_sources(w, err));
    if (!w->name)
        w->name = find_name(w);
    if (!w->name)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' holds no firmware: a self-test that includes NAME.h of a "
                        "NAME.c",
                        folder);
    w->own = find_source(w, lb_arena_text(arena, "%s.c", w->name));
    if (!w->own || !find_source(w, "selftest.c"))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' holds no firmware called '%s' with a self-test", folder,
                        w->name);
    return LB_OK;
}

lb_code lb_workshop_open(lb_workshop *w, lb_error *err)
{
    const char *const given = getenv("TMPDIR");
    const char *const tmp = given && *given ? given : "/tmp";
    char *const beside = lb_arena_text(w->arena, "%s/limbeck-XXXXXX", tmp);

    if (!beside)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to try the firmware");
    if (!mkdtemp(beside))
        return lb_raise(err, LB_ERR_IO, "cannot make a folder in '%s': %s", tmp,
                        strerror(errno));
    w->beside = beside;
    return LB_OK;
}

void lb_workshop_close(lb_workshop *w)
{
    DIR *const d = w->beside ? opendir(w->beside) : NULL;
    char path[4096];

    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", w->beside, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d) {
        closedir(d);
        rmdir(w->beside);
    }
    w->beside = NULL;
}

lb_code lb_workshop_run(lb_workshop *w, const char *where, char *const *argv, int seconds,
                        int *status, lb_error *err)
{
    lb_command c = {.argv = argv,
                    .folder = where,
                    .seconds = seconds,
                    .stop = w->stop,
                    .output = w->output,
                    .most = OUTPUT};

    LB_TRY(lb_command_run(&c, err));
    *status = c.status;
    return LB_OK;
}

char *lb_workshop_path(const lb_workshop *w, const char *file)
{
    return lb_arena_text(w->arena, "%s/%s", w->beside, file);
}

char *lb_workshop_object(const lb_workshop *w, int i, const char *ending)
{
    const char *const file = base_of(w->source[i]);

    return lb_arena_text(w->arena, "%s/%.*s%s", w->beside, (int)strlen(file) - 2, file,
                         ending);
}

bool lb_workshop_is_test(const lb_workshop *w, int i)
{
    return strcmp(base_of(w->source[i]), "selftest.c") == 0;
}

bool lb_workshop_is_kernel(const lb_workshop *w, int i)
{
    return strncmp(base_of(w->source[i]), "fw_", 3) == 0;
}

char *lb_workshop_own_path(const lb_workshop *w, const char *ending)
{
    char *const path = lb_path_join(w->arena, w->folder, w->own);

    if (path)
        path[strlen(path) - 2] = '\0';
    return path ? lb_arena_text(w->arena, "%s%s", path, ending) : NULL;
}

lb_code lb_workshop_failed(const lb_workshop *w, const char *what, lb_error *err)
{
    return lb_raise(err, LB_ERR_FAILED, "%s:\n%.3000s", what, w->output);
}

bool lb_workshop_read(const char *line, lb_proof *out)
{
    long outputs, mismatches, arena;
    double worst;

    if (sscanf(line, "outputs %ld mismatches %ld worst %lf arena %ld", &outputs,
               &mismatches, &worst, &arena) != 4)
        return false;
    out->outputs_checked = (int)outputs;
    out->mismatches = (int)mismatches;
    out->worst_error = worst;
    out->arena_bytes = (size_t)arena;
    return true;
}

bool lb_workshop_results(const lb_workshop *w, lb_proof *out)
{
    const char *const at = strstr(w->output, "outputs ");

    return at && lb_workshop_read(at, out);
}

void lb_words_add(lb_words *w, const char *word)
{
    const int room = (int)(sizeof w->word / sizeof *w->word) - 1;
    char *const copy = word && w->n < room ? lb_arena_copy_text(w->arena, word) : NULL;

    if (copy)
        w->word[w->n++] = copy;
    else
        w->failed = true;
}

void lb_words_add_all(lb_words *w, const char *words)
{
    while (words && *words) {
        const size_t n = strcspn(words, " ");
        if (n > 0)
            lb_words_add(w, lb_arena_copy_chars(w->arena, words, n));
        words += n + (words[n] == ' ');
    }
}
