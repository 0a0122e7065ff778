/* npy.c: NumPy's array files: a magic, a header that is a Python dictionary, the data.
 *
 * The header is read by a small strict reader, not as Python. Integers that limbeck has
 * no type for are widened to the next one that it has. */
#include "tensor/npy.h"

#include "base/file.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* How elements are stored; `as` is the type that they become. */
typedef struct stored {
    const char *descr; /* without the byte order */
    size_t size;
    lb_dtype as;
} stored;

static const stored kinds[] = {
    {"f4", 4, LB_F32}, {"f8", 8, LB_F64}, {"i8", 8, LB_I64},  {"i4", 4, LB_I32},
    {"i1", 1, LB_I8},  {"u1", 1, LB_U8},  {"b1", 1, LB_BOOL}, {"i2", 2, LB_I32},
    {"u2", 2, LB_I32}, {"u4", 4, LB_I64}, {NULL, 0, LB_F32},
};

typedef struct header {
    const stored *kind;
    lb_shape shape;
    bool has_descr, has_order, has_shape, fortran;
} header;

typedef struct reader {
    const char *at, *end;
    const char *name;
} reader;

static void skip_spaces(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t'))
        r->at++;
}

static bool take(reader *r, const char *word)
{
    const size_t n = strlen(word);

    skip_spaces(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

static lb_code broken(const reader *r, const char *what, lb_error *err)
{
    return lb_raise(err, LB_ERR_INPUT, "%s: its .npy header has no readable %s", r->name,
                    what);
}

/* A quoted word of at most size - 1 characters. */
static bool take_word(reader *r, char *out, size_t size)
{
    size_t n = 0;

    skip_spaces(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"'))
        return false;
    const char quote = *r->at++;
    while (r->at < r->end && *r->at != quote) {
        if (n + 1 == size || *r->at < ' ' || *r->at > '~')
            return false;
        out[n++] = *r->at++;
    }
    out[n] = '\0';
    return r->at < r->end && *r->at++ == quote;
}

static lb_code read_descr(reader *r, header *h, lb_error *err)
{
    char word[24];

    if (!take_word(r, word, sizeof word))
        return broken(r, "'descr'", err);
    const char order = word[0];
    if (order != '<' && order != '|' && order != '>' && order != '=')
        return broken(r, "'descr'", err);
    for (const stored *kind = kinds; kind->descr; kind++)
        if (strcmp(kind->descr, word + 1) == 0)
            h->kind = kind;
    if (!h->kind)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: arrays of '%s' are not read; save it as float32 or int64",
                        r->name, word);
    if (order == '>' && h->kind->size > 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: it is big-endian ('%s'); save it as little-endian", r->name,
                        word);
    h->has_descr = true;
    return LB_OK;
}

static lb_code read_dim(reader *r, header *h, lb_error *err)
{
    long long dim = 0;
    int digits = 0;

    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; digits++, r->at++) {
        dim = dim * 10 + (*r->at - '0');
        if (dim > INT_MAX)
            return lb_raise(err, LB_ERR_INPUT, "%s: a dimension of its shape is above %d",
                            r->name, INT_MAX);
    }
    if (digits == 0)
        return broken(r, "'shape'", err);
    if (h->shape.rank == LB_MAX_RANK)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: arrays of more than %d dimensions "
                        "are not read",
                        r->name, LB_MAX_RANK);
    h->shape.dim[h->shape.rank++] = (int)dim;
    return LB_OK;
}

/* (), (3,), (3, 4) or (3, 4,). */
static lb_code read_shape(reader *r, header *h, lb_error *err)
{
    h->shape = (lb_shape){0};
    h->has_shape = true;
    if (!take(r, "("))
        return broken(r, "'shape'", err);
    while (!take(r, ")")) {
        skip_spaces(r);
        LB_TRY(read_dim(r, h, err));
        if (take(r, ","))
            continue;
        if (!take(r, ")"))
            return broken(r, "'shape'", err);
        break;
    }
    return LB_OK;
}

static lb_code read_header(reader *r, header *h, lb_error *err)
{
    char key[24];

    if (!take(r, "{"))
        return broken(r, "dictionary", err);
    while (!take(r, "}")) {
        if (!take_word(r, key, sizeof key) || !take(r, ":"))
            return broken(r, "dictionary", err);
        if (strcmp(key, "descr") == 0) {
            LB_TRY(read_descr(r, h, err));
        } else if (strcmp(key, "shape") == 0) {
            LB_TRY(read_shape(r, h, err));
        } else if (strcmp(key, "fortran_order") == 0) {
            h->fortran = take(r, "True");
            if (!h->fortran && !take(r, "False"))
                return broken(r, "'fortran_order'", err);
            h->has_order = true;
        } else {
            return lb_raise(err, LB_ERR_INPUT, "%s: its .npy header holds the key '%s'",
                            r->name, key);
        }
        if (!take(r, ",") && (skip_spaces(r), r->at < r->end) && *r->at != '}')
            return broken(r, "dictionary", err);
    }
    skip_spaces(r);
    if (r->at < r->end && *r->at != '\0')
        return broken(r, "end", err);
    if (!h->has_descr || !h->has_shape || !h->has_order)
        return broken(r,
                      !h->has_descr   ? "'descr'"
                      : !h->has_shape ? "'shape'"
                                      : "'fortran_order'",
                      err);
    return LB_OK;
}

/* Finds the header in the file: versions differ in how its length is stored. */
static lb_code find_header(const char *name, const uint8_t *data, size_t size,
                           reader *out, size_t *data_at, lb_error *err)
{
    if (size < 10 || memcmp(data, "\x93NUMPY", 6) != 0)
        return lb_raise(err, LB_ERR_INPUT, "%s: not a .npy file, or cut short", name);
    const int version = data[6];
    if (version < 1 || version > 3)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: .npy version %d is not read, only "
                        "1 to 3",
                        name, version);
    const size_t before = version == 1 ? 10 : 12;
    size_t length = (size_t)data[8] | (size_t)data[9] << 8;
    if (version > 1 && size >= before)
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
    if (size < before || length > size - before)
        return lb_raise(err, LB_ERR_INPUT, "%s: cut short within its header", name);
    const char *const at = (const char *)data + before;
    *out = (reader){at, at + length, name};
    *data_at = before + length;
    return LB_OK;
}

/* Widens 2-byte integers to int32 and uint32 to int64; makes every true a 1. */
static void fill(const stored *kind, const uint8_t *from, lb_tensor *to)
{
    for (size_t i = 0; i < to->n && kind->size == 2; i++) {
        const int word = from[2 * i] | from[2 * i + 1] << 8;
        const bool negative = kind->descr[0] == 'i' && word > INT16_MAX;
        ((int32_t *)to->data)[i] = negative ? word - 65536 : word;
    }
    for (size_t i = 0; i < to->n && strcmp(kind->descr, "u4") == 0; i++) {
        uint32_t word;
        memcpy(&word, from + 4 * i, sizeof word);
        ((int64_t *)to->data)[i] = word;
    }
    if (kind->size == lb_dtype_size(to->dtype) && to->n)
        memcpy(to->data, from, lb_tensor_bytes(to));
    for (size_t i = 0; i < to->n && to->dtype == LB_BOOL; i++)
        ((uint8_t *)to->data)[i] = ((uint8_t *)to->data)[i] != 0;
}

lb_code lb_npy_parse(lb_arena *arena, const char *name, const uint8_t *data, size_t size,
                     lb_tensor **out, lb_error *err)
{
    char text[LB_SHAPE_TEXT];
    reader r = {0};
    header h = {0};
    size_t at = 0, n, bytes;
    lb_tensor *t = NULL;

    LB_TRY(find_header(name, data, size, &r, &at, err));
    LB_TRY(read_header(&r, &h, err));
    if (h.fortran && h.shape.rank > 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "%s: it is in Fortran order; save np.ascontiguousarray of it",
                        name);
    if (!lb_shape_count(&h.shape, &n) || !lb_size_mul(n, h.kind->size, &bytes))
        return lb_raise(err, LB_ERR_INPUT, "%s: no array can have the shape %s", name,
                        lb_shape_text(&h.shape, text));
    if (bytes != size - at)
        return lb_raise(err, LB_ERR_INPUT,
                        "%s: %s: its shape %s of %s needs %zu bytes of data, not %zu",
                        name, bytes > size - at ? "cut short" : "too long",
                        lb_shape_text(&h.shape, text), h.kind->descr, bytes, size - at);
    const lb_code code = lb_tensor_new(arena, h.kind->as, &h.shape, &t, err);
    if (code != LB_OK)
        return lb_within(err, "%s", name);
    fill(h.kind, data + at, t);
    *out = t;
    return LB_OK;
}

lb_code lb_npy_load(lb_arena *arena, const char *path, size_t most, lb_tensor **out,
                    lb_error *err)
{
    lb_arena *const brief = lb_arena_new(0);
    lb_bytes bytes = {0};

    if (!brief)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to read '%s'", path);
    lb_code code = lb_read_file(brief, path, most, &bytes, err);
    if (code == LB_OK)
        code = lb_npy_parse(arena, path, bytes.data, bytes.size, out, err);
    lb_arena_free(brief);
    return code;
}

static const char *descr_of(lb_dtype dtype)
{
    for (const stored *kind = kinds; kind->descr; kind++)
        if (kind->as == dtype)
            return kind->descr; /* each type's own row stands before the widened ones */
    return "";
}

/* Magic, version 1.0, length and dictionary, filled up so that the data is aligned. */
static bool make_header(lb_text *text, const lb_tensor *tensor)
{
    const bool one_byte = lb_dtype_size(tensor->dtype) == 1;

    lb_text_add_chars(text, "\x93NUMPY\x01\x00\x00\x00", 10);
    lb_text_add(text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                one_byte ? '|' : '<', descr_of(tensor->dtype));
    for (int i = 0; i < tensor->shape.rank; i++)
        lb_text_add(text, "%s%d%s", i ? " " : "", tensor->shape.dim[i],
                    i + 1 < tensor->shape.rank || tensor->shape.rank == 1 ? "," : "");
    lb_text_add(text, "), }");
    while (!text->failed && (text->n + 1) % 64)
        lb_text_add_char(text, ' ');
    lb_text_add_char(text, '\n');
    if (text->failed)
        return false;
    const size_t length = text->n - 10;
    text->chars[8] = (char)(length & 0xFF);
    text->chars[9] = (char)(length >> 8);
    return true;
}

lb_code lb_npy_save(const lb_tensor *tensor, const char *path, lb_error *err)
{
    lb_arena *const brief = lb_arena_new(0);
    lb_text text;
    lb_writer w;

    if (!brief)
        return lb_raise(err, LB_ERR_MEMORY, "no memory to write '%s'", path);
    lb_text_init(&text, brief);
    lb_code code = make_header(&text, tensor)
                       ? lb_writer_open(&w, brief, path, err)
                       : lb_raise(err, LB_ERR_MEMORY, "no memory to write '%s'", path);
    if (code == LB_OK) {
        lb_writer_add(&w, text.chars, text.n);
        lb_writer_add(&w, tensor->data, lb_tensor_bytes(tensor));
        code = lb_writer_commit(&w, err);
    }
    lb_arena_free(brief);
    return code;
}
