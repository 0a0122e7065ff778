/* write.c: files that are old or new, never half: written beside, synced, renamed. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Replacing by rename would silently take away a folder's or a device's name. */
static lb_code check_target(const char *path, lb_error *err)
{
    struct stat info;

    if (stat(path, &info) != 0 || S_ISREG(info.st_mode))
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT, "cannot write '%s': it is a %s, not a file", path,
                    S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
}

lb_code lb_writer_open(lb_writer *w, lb_arena *arena, const char *path, lb_error *err)
{
    *w = (lb_writer){.fd = -1};
    LB_TRY(check_target(path, err));
    char *const own = lb_arena_copy_text(arena, path);
    /* of this process and thread alone: each thread has its errno elsewhere */
    char *const beside = lb_arena_text(arena, "%s.part%ld-%lx", path, (long)getpid(),
                                       (unsigned long)(uintptr_t)&errno);
    if (!own || !beside)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to write '%s'", path);
    const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return lb_raise(err,
                        errno == ENOENT || errno == EACCES ? LB_ERR_INPUT : LB_ERR_IO,
                        "cannot write '%s': %s", path, strerror(errno));
    *w = (lb_writer){.fd = fd, .path = own, .beside = beside};
    return LB_OK;
}

void lb_writer_add(lb_writer *w, const void *data, size_t size)
{
    const char *from = data;

    while (size && !w->failed) {
        const ssize_t n = write(w->fd, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            w->failed = n < 0 ? errno : ENOSPC;
            return;
        }
        from += n;
        size -= (size_t)n;
        w->size += (uint64_t)n;
    }
}

/* The new name lasts only once its folder is on the disk. */
static int sync_folder(const char *path)
{
    const char *const slash = strrchr(path, '/');
    char folder[4096];

    const size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof folder)
        return 0;
    if (n)
        memcpy(folder, path, n);
    folder[n] = '\0';
    const int fd = open(n ? folder : slash ? "/" : ".", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0; /* a folder that may be written but not read cannot be synced */
    const int error = fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
    close(fd);
    return error;
}

lb_code lb_writer_commit(lb_writer *w, lb_error *err)
{
    if (w->fd < 0)
        return lb_bug(err, "a file was committed that is not open");
    if (!w->failed && fsync(w->fd) != 0 && errno != EINVAL)
        w->failed = errno;
    if (close(w->fd) != 0 && !w->failed)
        w->failed = errno;
    w->fd = -1;
    if (!w->failed && rename(w->beside, w->path) != 0)
        w->failed = errno;
    if (w->failed)
        unlink(w->beside);
    else
        w->failed = sync_folder(w->path);
    if (w->failed)
        return lb_raise(err, LB_ERR_IO, "cannot write '%s': %s", w->path,
                        strerror(w->failed));
    return LB_OK;
}

void lb_writer_drop(lb_writer *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    unlink(w->beside);
    w->fd = -1;
}

lb_code lb_write_file(const char *path, const void *data, size_t size, lb_error *err)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_writer w;

    if (!arena)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to write '%s'", path);
    lb_code code = lb_writer_open(&w, arena, path, err);
    if (code == LB_OK) {
        lb_writer_add(&w, data, size);
        code = lb_writer_commit(&w, err);
    }
    lb_arena_free(arena);
    return code;
}
