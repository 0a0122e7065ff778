/* scratch.h: tiny data sets that a test writes for itself, in a folder of its own. */
#ifndef LB_TESTS_SCRATCH_H
#define LB_TESTS_SCRATCH_H

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* Makes a new folder; its path is in `out`. */
static inline void scratch_make(char out[64])
{
    strcpy(out, "/tmp/limbeck-test-XXXXXX");
    if (!mkdtemp(out))
        out[0] = '\0';
}

static inline const char *scratch_path(const char *folder, const char *name)
{
    static char path[8][256];
    static int turn;

    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static inline void scratch_write(const char *folder, const char *name, const void *data,
                                 size_t size)
{
    FILE *const f = fopen(scratch_path(folder, name), "wb");

    if (!f)
        return;
    fwrite(data, 1, size, f);
    fclose(f);
}

static inline void scratch_gzip(const char *folder, const char *name, const void *data,
                                size_t size)
{
    const gzFile f = gzopen(scratch_path(folder, name), "wb");

    gzwrite(f, data, (unsigned)size);
    gzclose(f);
}

static inline void scratch_remove(const char *folder)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (strncmp(folder, "/tmp/limbeck-test-", 18) != 0 || system(command) != 0)
        printf("# '%s' was left behind\n", folder);
}

/* An idx file of bytes: returns its size. */
static inline size_t scratch_idx(uint8_t *out, int rank, const int *dim, int step)
{
    size_t n = 1, at = 4;

    memcpy(out, "\0\0\x08", 3);
    out[3] = (uint8_t)rank;
    for (int i = 0; i < rank; i++, at += 4) {
        const uint8_t size[4] = {0, 0, (uint8_t)(dim[i] >> 8), (uint8_t)dim[i]};
        memcpy(out + at, size, 4);
        n *= (size_t)dim[i];
    }
    for (size_t i = 0; i < n; i++)
        out[at + i] = (uint8_t)(i * (size_t)step + i / 7);
    return at + n;
}

/* A folder of idx files: `n` training images of h x w, 4 test images, 3 classes. */
static inline void scratch_idx_folder(const char *folder, int n, int h, int w, bool zip)
{
    static uint8_t file[1 << 16];
    const int images[3] = {n, h, w}, test[3] = {4, h, w};
    void (*const put)(const char *, const char *, const void *, size_t) =
        zip ? scratch_gzip : scratch_write;

    size_t size = scratch_idx(file, 3, images, 13);
    put(folder, zip ? "train-images-idx3-ubyte.gz" : "train-images-idx3-ubyte", file,
        size);
    size = scratch_idx(file, 3, test, 5);
    put(folder, zip ? "t10k-images-idx3-ubyte.gz" : "t10k-images-idx3-ubyte", file, size);
    size = scratch_idx(file, 1, images, 0);
    for (int i = 0; i < n; i++)
        file[8 + i] = (uint8_t)(i % 3);
    put(folder, zip ? "train-labels-idx1-ubyte.gz" : "train-labels-idx1-ubyte", file,
        size);
    size = scratch_idx(file, 1, test, 0);
    memcpy(file + 8, "\0\1\2\1", 4);
    put(folder, zip ? "t10k-labels-idx1-ubyte.gz" : "t10k-labels-idx1-ubyte", file, size);
}

#endif
