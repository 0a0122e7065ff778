/* data_idx.c: the idx files of MNIST and its kin (LeCun, Cortes and Burges), packed by
 * gzip or not.
 *
 * A big-endian magic (two zeros, 8 for bytes, the number of dimensions), one 32-bit size
 * for each dimension, then the bytes. */
#include "data/data_int.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
           (uint32_t)at[3];
}

lb_code lb_idx_parse(lb_bytes bytes, lb_idx *out, lb_error *err)
{
    size_t n = 1;

    if (bytes.size < 4)
        return lb_raise(err, LB_ERR_INPUT, "%s: cut short: no idx file has %zu bytes",
                        out->path, bytes.size);
    const uint32_t magic = big_endian(bytes.data);
    const int rank = (int)(magic & 0xFF);
    if (magic >> 8 != 8 || rank < 1 || rank > 4)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: not an idx file of bytes: its magic is 0x%08x, not "
                        "0x00000801 to 0x00000804",
                        out->path, magic);
    const size_t head = 4 + 4 * (size_t)rank;
    if (bytes.size < head)
        return lb_raise(err, LB_ERR_INPUT, "%s: cut short within its header", out->path);
    for (int i = 0; i < rank; i++) {
        const uint32_t dim = big_endian(bytes.data + 4 + 4 * i);
        if (dim == 0 || dim > INT_MAX || !lb_size_mul(n, dim, &n))
            return lb_raise(err, LB_ERR_INPUT, "%s: dimension %d cannot be %u", out->path,
                            i, dim);
        out->dim[i] = (int)dim;
    }
    if (n != bytes.size - head)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: %s: its header announces %zu bytes of data, not %zu",
                        out->path, n > bytes.size - head ? "cut short" : "too long", n,
                        bytes.size - head);
    out->rank = rank;
    out->data = bytes.data + head;
    out->n = n;
    return LB_OK;
}

static lb_code load(lb_arena *arena, const char *folder, const char *stem, lb_idx *out,
                    lb_error *err)
{
    static const char *const endings[] = {"", ".gz"};
    lb_bytes bytes = {0};

    for (int i = 0; i < 2; i++) {
        const char *const name = lb_arena_text(arena, "%s%s", stem, endings[i]);
        const char *const path = name ? lb_path_join(arena, folder, name) : NULL;
        if (!path)
            return lb_raise(err, LB_ERR_MEMORY, "no memory to open '%s'", folder);
        if (!lb_file_exists(path))
            continue;
        out->path = path;
        LB_TRY(lb_read_gzip(arena, path, LB_DATA_MOST_BYTES, &bytes, err));
        return lb_idx_parse(bytes, out, err);
    }
    return lb_raise(err, LB_ERR_INPUT, "the folder '%s' has no %s and no %s.gz", folder,
                    stem, stem);
}

static lb_code check_images(const lb_idx *images, lb_error *err)
{
    if (images->rank < 2)
        return lb_raise(err, LB_ERR_INPUT, "%s: images have 2 to 4 dimensions, not 1",
                        images->path);
    return LB_OK;
}

static lb_code label_part(const lb_idx *images, const lb_idx *labels, lb_arena *arena,
                          lb_part *out, lb_error *err)
{
    if (labels->rank != 1)
        return lb_raise(err, LB_ERR_INPUT, "%s: labels have one dimension, not %d",
                        labels->path, labels->rank);
    LB_TRY(check_images(images, err));
    if (labels->dim[0] != images->dim[0])
        return lb_raise(err, LB_ERR_INPUT, "%s holds %d labels, but %s holds %d images",
                        labels->path, labels->dim[0], images->path, images->dim[0]);
    int32_t *const label = LB_TAKE_ARRAY(arena, labels->n, int32_t);
    if (!label)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for %zu labels", labels->n);
    for (size_t i = 0; i < labels->n; i++)
        label[i] = labels->data[i];
    *out = (lb_part){images->dim[0], LB_U8, images->data, label};
    return LB_OK;
}

/* [H,W] is [1,H,W]. */
static lb_shape shape_of(const lb_idx *images)
{
    switch (images->rank) {
    case 2:
        return lb_shape_of(1, images->dim[1]);
    case 3:
        return lb_shape_of(3, 1, images->dim[1], images->dim[2]);
    default:
        return lb_shape_of(3, images->dim[1], images->dim[2], images->dim[3]);
    }
}

static lb_code check_folder(const char *path, lb_error *err)
{
    struct stat info;

    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        return lb_raise(err, LB_ERR_INPUT,
                        "'%s' is a file, not a folder with train-images-idx3-ubyte and "
                        "its companions",
                        path);
    if (!lb_file_exists(path))
        return lb_raise(err, LB_ERR_INPUT, "there is no folder '%s'", path);
    return LB_OK;
}

static lb_code open_idx(const char *path, lb_arena *arena, lb_content *out, lb_error *err)
{
    lb_idx images[2] = {0}, labels[2] = {0};

    LB_TRY(check_folder(path, err));
    LB_TRY(load(arena, path, "train-images-idx3-ubyte", &images[0], err));
    LB_TRY(load(arena, path, "train-labels-idx1-ubyte", &labels[0], err));
    LB_TRY(load(arena, path, "t10k-images-idx3-ubyte", &images[1], err));
    LB_TRY(load(arena, path, "t10k-labels-idx1-ubyte", &labels[1], err));
    lb_content content = {.is_image = true};
    LB_TRY(label_part(&images[0], &labels[0], arena, &content.train, err));
    LB_TRY(label_part(&images[1], &labels[1], arena, &content.test, err));
    content.shape = shape_of(&images[0]);
    const lb_shape test = shape_of(&images[1]);
    if (!lb_shape_equal(&content.shape, &test))
        return lb_raise(err, LB_ERR_INPUT, "%s and %s hold images of different sizes",
                        images[0].path, images[1].path);
    LB_TRY(lb_content_count_classes(&content, labels[0].path, labels[1].path, err));
    *out = content;
    return LB_OK;
}

static lb_code open_samples(const char *path, lb_arena *arena, lb_content *out,
                            lb_error *err)
{
    lb_idx images = {0};

    LB_TRY(check_folder(path, err));
    LB_TRY(load(arena, path, "train-images-idx3-ubyte", &images, err));
    LB_TRY(check_images(&images, err));
    *out = (lb_content){.shape = shape_of(&images),
                        .train = {images.dim[0], LB_U8, images.data, NULL},
                        .is_image = true};
    return LB_OK;
}

const lb_source lb_source_idx = {
    .name = "idx",
    .help = "a folder of MNIST's idx files: train-images-idx3-ubyte[.gz] and so on",
    .open = open_idx,
    .open_samples = open_samples,
};
