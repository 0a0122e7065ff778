/* unlabelled.c: further samples to train with. Their labels, if there are any, are not
 * read, so a folder of samples alone will do. */
#include "data/data_int.h"

#include <sys/stat.h>

/* Whether two paths lead to the same file or folder. */
static bool same_place(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static lb_code check_alike(const lb_content *own, const lb_content *more,
                           const char *own_path, const char *path, lb_error *err)
{
    const lb_dtype have = more->train.dtype, want = own->train.dtype;
    char of_more[LB_SHAPE_TEXT], of_own[LB_SHAPE_TEXT];

    if (lb_shape_equal(&own->shape, &more->shape) && have == want)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT,
                    "unlabelled: '%s' holds samples %s %s, but those of '%s' are %s %s",
                    path, lb_dtype_name(have), lb_shape_text(&more->shape, of_more),
                    own_path, lb_dtype_name(want), lb_shape_text(&own->shape, of_own));
}

lb_code lb_data_open_unlabelled(const lb_data *data, lb_arena *arena, lb_part *out,
                                bool *same, lb_error *err)
{
    const lb_data_options *const o = &data->options;
    const char *const path = o->unlabelled.path;
    const char *const name =
        o->unlabelled.source && *o->unlabelled.source ? o->unlabelled.source : o->source;
    const lb_source *source;
    lb_content content = {0};

    *same = same_place(path, o->path);
    if (*same)
        return LB_OK;
    LB_TRY(lb_data_find_source(name, &source, err));
    LB_TRY(source->open_samples(path, arena, &content, err));
    LB_TRY(lb_data_check_content(&content, path, err));
    LB_TRY(check_alike(&data->content, &content, o->path, path, err));
    *out = content.train;
    return LB_OK;
}
