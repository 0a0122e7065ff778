/* file.h: files read whole within a limit, and written so that a kill, a full disk or a
 * power cut leaves the old or the new file, never half of one: written beside, synced,
 * renamed. */
#ifndef LB_BASE_FILE_H
#define LB_BASE_FILE_H

#include "base/arena.h"

typedef struct lb_bytes {
    const uint8_t *data;
    size_t size;
} lb_bytes;

/* Reads all of path into the arena. A file above `most` bytes, a folder or a device is
 * refused before any memory is taken. On failure *out is as it was. */
lb_code lb_read_file(lb_arena *arena, const char *path, size_t most, lb_bytes *out,
                     lb_error *err) LB_MUST_USE;

/* As lb_read_file, and unpacks gzip when the content is gzip; `most` bounds both. */
lb_code lb_read_gzip(lb_arena *arena, const char *path, size_t most, lb_bytes *out,
                     lb_error *err) LB_MUST_USE;

/* Atomically replaces path by these bytes. */
lb_code lb_write_file(const char *path, const void *data, size_t size,
                      lb_error *err) LB_MUST_USE;

/* A file under way: write to it in pieces, then commit (sync and rename) or drop. A
 * failed write is held and reported by commit. */
typedef struct lb_writer {
    int fd;
    char *path, *beside; /* live in the arena given to open */
    int failed;          /* errno of the first failed write, or 0 */
    uint64_t size;
} lb_writer;

lb_code lb_writer_open(lb_writer *w, lb_arena *arena, const char *path,
                       lb_error *err) LB_MUST_USE;
void lb_writer_add(lb_writer *w, const void *data, size_t size);
lb_code lb_writer_commit(lb_writer *w, lb_error *err) LB_MUST_USE;
void lb_writer_drop(lb_writer *w); /* does nothing after commit */

/* A file mapped read-only. */
typedef struct lb_map {
    const uint8_t *data;
    size_t size;
} lb_map;

lb_code lb_map_open(lb_map *map, const char *path, lb_error *err) LB_MUST_USE;
void lb_map_close(lb_map *map);

/* Makes the folder and its parents; fine if it is there. */
lb_code lb_make_folder(const char *path, lb_error *err) LB_MUST_USE;
bool lb_file_exists(const char *path);

/* folder/name, or name alone if it is absolute or folder is NULL; lives in the arena. */
char *lb_path_join(lb_arena *arena, const char *folder, const char *name);
/* The folder part of a path ("." if none). */
char *lb_path_folder(lb_arena *arena, const char *path);
/* Only the last part. */
const char *lb_path_name(const char *path);

#endif
