/* file.c: reading files whole, within limits. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* What the user can mend (a wrong name) or what the system failed at. */
static lb_code code_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case ENAMETOOLONG:
        return LB_ERR_INPUT;
    default:
        return LB_ERR_IO;
    }
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

/* Opens a plain file. O_NONBLOCK: opening a pipe without a writer would wait for ever. */
static lb_code open_plain(const char *path, int *out, uint64_t *size, lb_error *err)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return lb_raise(err, code_of(errno), "cannot read '%s': %s", path,
                        strerror(errno));
    if (fstat(fd, &info) != 0) {
        const int error = errno;
        close(fd);
        return lb_raise(err, LB_ERR_IO, "cannot read '%s': %s", path, strerror(error));
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return lb_raise(err, LB_ERR_INPUT, "'%s' is %s, not a file", path,
                        kind_of(info.st_mode));
    }
    *out = fd;
    *size = (uint64_t)info.st_size;
    return LB_OK;
}

/* Reads up to size bytes; fewer if the file ends, which is no error here. */
static lb_code read_up_to(int fd, const char *path, uint8_t *to, size_t size, size_t *got,
                          lb_error *err)
{
    *got = 0;
    while (*got < size) {
        const ssize_t n = read(fd, to + *got, size - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return lb_raise(err, LB_ERR_IO, "cannot read '%s': %s", path,
                            strerror(errno));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return LB_OK;
}

static lb_code read_open(int fd, uint64_t size, lb_arena *arena, const char *path,
                         size_t most, lb_bytes *out, lb_error *err)
{
    if (size > most)
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' has %llu bytes, above the %llu that are read", path,
                        (unsigned long long)size, (unsigned long long)most);
    uint8_t *const data = lb_arena_take(arena, (size_t)size);
    if (!data)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the %llu bytes of '%s'",
                        (unsigned long long)size, path);
    size_t got;
    LB_TRY(read_up_to(fd, path, data, (size_t)size, &got, err));
    *out = (lb_bytes){data, got};
    return LB_OK;
}

lb_code lb_read_file(lb_arena *arena, const char *path, size_t most, lb_bytes *out,
                     lb_error *err)
{
    uint64_t size = 0;
    int fd = -1;

    LB_TRY(open_plain(path, &fd, &size, err));
    const lb_code code = read_open(fd, size, arena, path, most, out, err);
    close(fd);
    return code;
}

static void *zip_take(void *opaque, unsigned n, unsigned size)
{
    (void)opaque;
    return lb_heap_take((size_t)n * size);
}

static void zip_give(void *opaque, void *block)
{
    (void)opaque;
    lb_heap_give(block);
}

/* Unpacks all members of `packed`. Without `to` it only counts, so that the memory that
 * is taken is what the content truly needs, whatever the file says of itself. */
static lb_code unpack(const char *path, lb_bytes packed, size_t most, uint8_t *to,
                      size_t *size, lb_error *err)
{
    enum { PIECE = 1 << 16, GZIP_ONLY = 16 };
    z_stream z = {.zalloc = zip_take, .zfree = zip_give};
    uint8_t piece[4096];
    size_t done = 0, fed = 0;

    if (inflateInit2(&z, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to unpack '%s'", path);
    lb_code code = LB_OK;
    while (code == LB_OK) {
        if (z.avail_in == 0 && fed < packed.size) {
            const size_t n = packed.size - fed < PIECE ? packed.size - fed : PIECE;
            z.next_in = (z_const Bytef *)packed.data + fed;
            z.avail_in = (uInt)n;
            fed += n;
        }
        const size_t left = most - done;
        const size_t room = to && left ? (left < PIECE ? left : PIECE) : sizeof piece;
        z.next_out = to && left ? to + done : piece;
        z.avail_out = (uInt)room;
        const int state = inflate(&z, Z_NO_FLUSH);
        const size_t made = room - z.avail_out;
        if (made > left) {
            code = lb_raise(err, LB_ERR_INPUT,
                            "'%s' unpacks to more than the %llu bytes that are read",
                            path, (unsigned long long)most);
            break;
        }
        done += made;
        if (state == Z_STREAM_END) {
            if (z.avail_in == 0 && fed == packed.size)
                break;
            inflateReset(&z); /* the next member */
        } else if (state == Z_BUF_ERROR || (state == Z_OK && made == 0 &&
                                            z.avail_in == 0 && fed == packed.size)) {
            code = lb_raise(err, LB_ERR_INPUT,
                            "'%s' is cut short: its gzip data ends "
                            "after %llu unpacked bytes",
                            path, (unsigned long long)done);
        } else if (state == Z_MEM_ERROR) {
            code = lb_raise(err, LB_ERR_MEMORY, "no memory to unpack '%s'", path);
        } else if (state != Z_OK) {
            code = lb_raise(err, LB_ERR_INPUT, "'%s' holds broken gzip data: %s", path,
                            z.msg ? z.msg : "not readable");
        }
    }
    inflateEnd(&z);
    *size = done;
    return code;
}

static lb_code read_packed(int fd, uint64_t size, lb_arena *arena, const char *path,
                           size_t most, lb_bytes *out, lb_error *err)
{
    lb_arena *const brief = lb_arena_new(0);
    lb_bytes packed = {0};
    size_t n = 0;

    if (!brief)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to unpack '%s'", path);
    lb_code code = read_open(fd, size, brief, path, most, &packed, err);
    if (code == LB_OK)
        code = unpack(path, packed, most, NULL, &n, err);
    if (code == LB_OK) {
        uint8_t *const data = lb_arena_take(arena, n);
        code = data ? unpack(path, packed, n, data, &n, err)
                    : lb_raise(err, LB_ERR_MEMORY, "no memory for the %llu bytes of '%s'",
                               (unsigned long long)n, path);
        if (code == LB_OK)
            *out = (lb_bytes){data, n};
    }
    lb_arena_free(brief);
    return code;
}

lb_code lb_read_gzip(lb_arena *arena, const char *path, size_t most, lb_bytes *out,
                     lb_error *err)
{
    uint8_t magic[2] = {0};
    uint64_t size = 0;
    size_t got = 0;
    int fd = -1;

    LB_TRY(open_plain(path, &fd, &size, err));
    lb_code code = read_up_to(fd, path, magic, sizeof magic, &got, err);
    if (code == LB_OK && lseek(fd, 0, SEEK_SET) < 0)
        code = lb_raise(err, LB_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
    const bool packed = got == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
    if (code == LB_OK)
        code = packed ? read_packed(fd, size, arena, path, most, out, err)
                      : read_open(fd, size, arena, path, most, out, err);
    close(fd);
    return code;
}

lb_code lb_map_open(lb_map *map, const char *path, lb_error *err)
{
    uint64_t size = 0;
    int fd = -1;

    LB_TRY(open_plain(path, &fd, &size, err));
    if (size == 0) {
        close(fd);
        *map = (lb_map){0};
        return LB_OK;
    }
    void *const data = size > SIZE_MAX
                           ? MAP_FAILED
                           : mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    close(fd);
    if (data == MAP_FAILED)
        return lb_raise(err, LB_ERR_IO, "cannot map '%s': %s", path, strerror(error));
    *map = (lb_map){data, (size_t)size};
    return LB_OK;
}

void lb_map_close(lb_map *map)
{
    if (map->data) {
        /* munmap takes a pointer to what may change; the union spares a cast of const */
        union {
            const uint8_t *in;
            void *out;
        } address = {map->data};
        munmap(address.out, map->size);
    }
    *map = (lb_map){0};
}
