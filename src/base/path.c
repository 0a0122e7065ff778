/* path.c: folders and the names of files. */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static lb_code make_one(const char *path, lb_error *err)
{
    struct stat info;

    if (mkdir(path, 0777) == 0)
        return LB_OK;
    const int error = errno;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return LB_OK;
        return lb_raise(err, LB_ERR_INPUT, "'%s' is a file, not a folder", path);
    }
    return lb_raise(err, error == EACCES || error == ENOTDIR ? LB_ERR_INPUT : LB_ERR_IO,
                    "cannot make the folder '%s': %s", path, strerror(error));
}

lb_code lb_make_folder(const char *path, lb_error *err)
{
    char part[4096];
    const size_t n = strlen(path);

    if (n == 0 || n >= sizeof part)
        return lb_raise(err, LB_ERR_INPUT, "'%.100s' cannot be the path of a folder",
                        path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        LB_TRY(make_one(part, err));
        part[i] = '/';
    }
    return make_one(path, err);
}

bool lb_file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

char *lb_path_join(lb_arena *arena, const char *folder, const char *name)
{
    if (!folder || !*folder || name[0] == '/')
        return lb_arena_copy_text(arena, name);
    const size_t n = strlen(folder);
    return lb_arena_text(arena, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *lb_path_folder(lb_arena *arena, const char *path)
{
    const char *const slash = strrchr(path, '/');

    if (!slash)
        return lb_arena_copy_text(arena, ".");
    return lb_arena_copy_chars(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

const char *lb_path_name(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
