/* test_data.c: splits, views, inputs; what is refused. */
#include "data/data.h"

#include "check.h"
#include "scratch.h"
#include "tensor/npy.h"

static char folder[64];
static lb_arena *arena;

static lb_data_options options_of(const char *source)
{
    return (lb_data_options){.source = source,
                             .path = folder,
                             .fraction = 1,
                             .validation = 10,
                             .labels = 1,
                             .augment = {{LB_AUGMENT_SHIFT, 2, LB_FLIP_NONE},
                                         {LB_AUGMENT_FLIP, 0, LB_FLIP_HORIZONTAL}},
                             .n_augment = 2};
}

static lb_data *opened(const lb_data_options *options, uint64_t seed)
{
    lb_error err = {0};
    lb_data *data = NULL;

    CHECK_OK(lb_data_open(options, seed, arena, &data, &err), &err);
    return data;
}

static void refused(const char *part)
{
    const lb_data_options options = options_of("idx");
    lb_error err = {0};
    lb_data *data = NULL;

    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, part);
    CHECK(data == NULL);
}

static void idx_files_open(void)
{
    for (int zip = 0; zip < 2; zip++) {
        float out[48];
        scratch_make(folder);
        scratch_idx_folder(folder, 50, 6, 8, zip == 1);
        const lb_data_options options = options_of("idx");
        const lb_data *const data = opened(&options, 1);
        CHECK(data->n[LB_TRAIN] == 40 && data->n[LB_VALIDATION] == 10 &&
              data->n[LB_TEST] == 4);
        CHECK(data->content.n_classes == 3 && data->content.is_image);
        CHECK(data->content.shape.rank == 3 && data->content.shape.dim[2] == 8);
        lb_data_sample(data, LB_TEST, 1, out);
        for (int i = 0; i < 48; i++)
            CHECK(out[i] == (float)(uint8_t)((48 + i) * 5 + (48 + i) / 7));
        CHECK(lb_data_label(data, LB_TEST, 2) == 2);
        scratch_remove(folder);
    }
}

static void splits_do_not_meet(void)
{
    lb_data_options options = options_of("idx");
    int seen[50] = {0}, half[50] = {0};

    scratch_make(folder);
    scratch_idx_folder(folder, 50, 6, 8, false);
    const lb_data *const all = opened(&options, 7);
    for (int s = LB_TRAIN; s <= LB_VALIDATION; s++)
        for (int i = 0; i < all->n[s]; i++)
            seen[all->sample[s][i]]++;
    for (int i = 0; i < 50; i++)
        CHECK(seen[i] == 1);
    options.fraction = 0.5;
    const lb_data *const some = opened(&options, 7);
    CHECK(some->n[LB_TRAIN] == 20 && some->n[LB_VALIDATION] == 10);
    for (int i = 0; i < 40; i++)
        half[all->sample[LB_TRAIN][i]] = 1;
    for (int i = 0; i < 20; i++) /* a smaller fraction lies inside the larger one */
        CHECK(half[some->sample[LB_TRAIN][i]]);
    for (int i = 0; i < 10; i++)
        CHECK(some->sample[LB_VALIDATION][i] == all->sample[LB_VALIDATION][i]);
    const lb_data *const other = opened(&options, 8);
    CHECK(memcmp(other->sample[LB_TRAIN], some->sample[LB_TRAIN], 20 * 4) != 0);
    options.fraction = 1;
    options.validation = 0.2;
    CHECK(opened(&options, 7)->n[LB_VALIDATION] == 10);
    options.validation = 50;
    lb_error err = {0};
    lb_data *data = NULL;
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "no sample is left to train on");
    scratch_remove(folder);
}

static void digests_name_what_is_used(void)
{
    lb_data_options options = options_of("idx");

    scratch_make(folder);
    scratch_idx_folder(folder, 50, 6, 8, false);
    const lb_digest first = opened(&options, 1)->digest;
    const lb_digest again = opened(&options, 1)->digest;
    const lb_digest seed = opened(&options, 2)->digest;
    options.augment[0].pixels = 1;
    const lb_digest shift = opened(&options, 1)->digest;
    options.augment[0].pixels = 2;
    options.labels = 0.5;
    const lb_digest labels = opened(&options, 1)->digest;
    options.labels = 1;
    scratch_remove(folder);
    scratch_make(folder);
    scratch_idx_folder(folder, 50, 8, 6, false);
    const lb_digest shape = opened(&options, 1)->digest;
    CHECK(memcmp(&first, &again, 32) == 0);
    CHECK(memcmp(&first, &seed, 32) != 0);
    CHECK(memcmp(&first, &shift, 32) != 0);
    CHECK(memcmp(&first, &labels, 32) != 0);
    CHECK(memcmp(&first, &shape, 32) != 0);
    scratch_remove(folder);
}

static void labels_are_taken_away(void)
{
    lb_data_options options = options_of("idx");
    int kept = 0;

    scratch_make(folder);
    scratch_idx_folder(folder, 50, 6, 8, false);
    const lb_data *const all = opened(&options, 1);
    options.labels = 0.25;
    const lb_data *const some = opened(&options, 1);
    for (int i = 0; i < 40; i++) {
        const int label = lb_data_label(some, LB_TRAIN, i);
        CHECK(label == -1 || label == lb_data_label(all, LB_TRAIN, i));
        CHECK(lb_data_label(all, LB_TRAIN, i) == all->sample[LB_TRAIN][i] % 3);
        kept += label >= 0;
    }
    CHECK(kept == 10);
    for (int i = 0; i < 10; i++)
        CHECK(lb_data_label(some, LB_VALIDATION, i) >= 0);
    scratch_remove(folder);
}

/* The view by hand: try every shift and flip; exactly the right pixels must come out. */
static bool is_shift_and_flip(const float *plain, const float *view)
{
    for (int flip = 0; flip < 2; flip++)
        for (int dy = -2; dy <= 2; dy++)
            for (int dx = -2; dx <= 2; dx++) {
                bool same = true;
                for (int i = 0; i < 48 && same; i++) {
                    const int y = i / 8 + dy, x = (flip ? 7 - i % 8 : i % 8) + dx;
                    const bool in = y >= 0 && y < 6 && x >= 0 && x < 8;
                    same = view[i] == (in ? plain[y * 8 + x] : 0);
                }
                if (same)
                    return true;
            }
    return false;
}

static void views_are_functions(void)
{
    lb_data_options options = options_of("idx");
    float plain[48], view[48], again[48];
    int differ = 0, moved = 0;

    scratch_make(folder);
    scratch_idx_folder(folder, 50, 6, 8, false);
    const lb_data *const data = opened(&options, 3);
    options.fraction = 0.5;
    const lb_data *const half = opened(&options, 3);
    for (int i = 0; i < 40; i++) {
        lb_data_sample(data, LB_TRAIN, i, plain);
        for (int v = 0; v < 4; v++) {
            lb_data_view(data, i, v, view);
            lb_data_view(data, i, v, again);
            CHECK(memcmp(view, again, sizeof view) == 0);
            CHECK(is_shift_and_flip(plain, view));
            moved += memcmp(view, plain, sizeof view) != 0;
            lb_data_view(data, i, v + 1, again);
            differ += memcmp(view, again, sizeof view) != 0;
        }
    }
    CHECK(moved > 120 && differ > 120);
    /* the number within the part counts, not the place within the split */
    for (int i = 0, j = 0; i < 20; i++) {
        while (data->sample[LB_TRAIN][j] != half->sample[LB_TRAIN][i])
            j++;
        lb_data_view(half, i, 1, view);
        lb_data_view(data, j, 1, again);
        CHECK(memcmp(view, again, sizeof view) == 0);
    }
    scratch_remove(folder);
}

static void classes_get_names(void)
{
    lb_data_options options = options_of("idx");
    lb_error err = {0};
    lb_data *data = NULL;

    scratch_make(folder);
    scratch_idx_folder(folder, 50, 6, 8, false);
    options.class_names = "coat, ankle boot ,bag";
    const lb_data *const named = opened(&options, 1);
    CHECK(strcmp(named->content.class_names[0], "coat") == 0);
    CHECK(strcmp(named->content.class_names[1], "ankle boot") == 0);
    CHECK(strcmp(named->content.class_names[2], "bag") == 0);
    options.class_names = "coat, bag";
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "class_names has 2 names, but the data has 3 classes");
    options.class_names = "coat,,bag";
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "class_names: name 1 is empty");
    scratch_remove(folder);
}

static void wrong_files_are_refused(void)
{
    static uint8_t file[4096];
    const int images[3] = {50, 6, 8}, labels[1] = {49};
    const char *const label_name = "train-labels-idx1-ubyte";

    scratch_make(folder);
    refused("has no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz");
    scratch_idx_folder(folder, 50, 6, 8, false);
    scratch_write(folder, label_name, file, scratch_idx(file, 1, labels, 0));
    refused("holds 49 labels, but");
    size_t size = scratch_idx(file, 1, images, 0);
    memset(file + 8, 0, 50);
    scratch_write(folder, label_name, file, size);
    refused("t10k-labels-idx1-ubyte: label 2 at index 2 is out of range; the training "
            "labels are 0 to 0");
    for (int i = 0; i < 50; i++)
        file[8 + i] = (uint8_t)(i % 3);
    file[8 + 17] = 200;
    scratch_write(folder, label_name, file, size);
    refused("train-labels-idx1-ubyte: label 200 at index 17 is out of range");
    file[8 + 17] = 1;
    file[2] = 9;
    scratch_write(folder, label_name, file, size);
    refused("its magic is 0x00000901");
    file[2] = 8;
    scratch_write(folder, label_name, file, size + 1);
    refused("too long");
    memset(file + 4, 0xFF, 4);
    scratch_write(folder, label_name, file, size);
    refused("dimension 0 cannot be 4294967295");
    unlink(scratch_path(folder, label_name));
    lb_error err = {0};
    CHECK_OK(lb_make_folder(scratch_path(folder, label_name), &err), &err);
    refused("is a folder, not a file");
    scratch_remove(folder);
    refused("there is no folder");
}

/* Every file cut at every length: refused, or (gzip's trailing zeros apart) the same. */
static void cut_files_are_refused(void)
{
    static const char *const names[2][2] = {
        {"train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"},
        {"train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"}};
    static uint8_t file[4096];

    for (int zip = 0; zip < 2; zip++) {
        for (int k = 0; k < 2; k++) {
            scratch_make(folder);
            scratch_idx_folder(folder, 50, 6, 8, zip == 1);
            FILE *const f = fopen(scratch_path(folder, names[zip][k]), "rb");
            const size_t size = f ? fread(file, 1, sizeof file, f) : 0;
            if (f)
                fclose(f);
            CHECK(size > 20);
            for (size_t n = 0; n < size; n++) {
                scratch_write(folder, names[zip][k], file, n);
                refused(names[zip][k]);
            }
            scratch_remove(folder);
        }
    }
}

static void save(const char *name, lb_dtype dtype, const lb_shape *shape, int modulus)
{
    lb_error err = {0};
    lb_tensor *t = NULL;

    CHECK_OK(lb_tensor_new(arena, dtype, shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, (double)(i % (size_t)modulus));
    CHECK_OK(lb_npy_save(t, scratch_path(folder, name), &err), &err);
}

static void npy_files_open(void)
{
    const lb_shape x = lb_shape_of(4, 20, 6, 8, 3), x2 = lb_shape_of(4, 5, 6, 8, 3);
    const lb_shape y = lb_shape_of(1, 20), y2 = lb_shape_of(1, 5);
    lb_data_options options = options_of("npy");
    lb_error err = {0};
    lb_data *data = NULL;
    float out[144];

    scratch_make(folder);
    save("X_train.npy", LB_U8, &x, 251);
    save("x_test.npy", LB_U8, &x2, 251);
    save("y_train.npy", LB_I64, &y, 4);
    save("Y_test.npy", LB_U8, &y2, 4);
    data = opened(&options, 1);
    const lb_shape *const shape = &data->content.shape;
    CHECK(shape->dim[0] == 3 && shape->dim[1] == 6 && shape->dim[2] == 8);
    CHECK(data->content.n_classes == 4 && data->content.is_image);
    lb_data_sample(data, LB_TEST, 1, out); /* channels were last */
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 48; i++)
            CHECK(out[c * 48 + i] == (float)((144 + i * 3 + c) % 251));
    save("y_train.npy", LB_F32, &y, 4);
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "labels must be whole numbers, not float32");
    save("y_train.npy", LB_I64, &y2, 4);
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "holds 5 labels, but");
    unlink(scratch_path(folder, "y_train.npy"));
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "has no y_train.npy");
    scratch_remove(folder);
}

static void sequences_open(void)
{
    const lb_shape x = lb_shape_of(3, 20, 2, 8), y = lb_shape_of(1, 20);
    lb_data_options options = options_of("npy");
    lb_error err = {0};
    lb_data *data = NULL;
    float out[16], view[16];

    scratch_make(folder);
    save("x_train.npy", LB_F32, &x, 1000);
    save("x_test.npy", LB_F32, &x, 1000);
    save("y_train.npy", LB_I32, &y, 2);
    save("y_test.npy", LB_I8, &y, 2);
    data = opened(&options, 1);
    CHECK(data->content.shape.rank == 2 && !data->content.is_image);
    lb_data_sample(data, LB_TRAIN, 3, out);
    lb_data_view(data, 3, 0, view);
    CHECK(out[9] == out[1] + 8);
    options.augment[1].flip = LB_FLIP_VERTICAL;
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "augment: flip does not fit samples of shape [2,8]");
    options.augment[0].pixels = 8;
    CHECK(lb_data_open(&options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "augment: shift does not fit");
    scratch_remove(folder);
}

static void inputs_are_scaled(void)
{
    const lb_shape shape = lb_shape_of(3, 2, 1, 2);
    const float from[4] = {0, 255, 51, 102};
    lb_input_options options = {.mean = {2, {0.5, 0}}, .std = {1, {0.25}}};
    lb_error err = {0};
    float to[4];

    lb_input_write(&options, &shape, from, to);
    CHECK_NEAR(to[0], -2, 1e-6);
    CHECK_NEAR(to[1], 2, 1e-6);
    CHECK_NEAR(to[2], 0.8, 1e-6);
    CHECK_NEAR(to[3], 1.6, 1e-6);
    options.layout = LB_CHANNELS_LAST;
    lb_input_write(&options, &shape, from, to);
    CHECK_NEAR(to[1], 0.8, 1e-6);
    CHECK_NEAR(to[2], 2, 1e-6);
    options = (lb_input_options){.pixels = LB_PIXELS_RAW};
    lb_input_write(&options, &shape, from, to);
    CHECK(memcmp(from, to, sizeof to) == 0);
    options.mean.n = 3;
    CHECK(lb_input_check(&options, &shape, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "mean has 3 numbers");
}

static void words_name_data(void)
{
    lb_data_options options;
    lb_error err = {0};

    CHECK_OK(lb_data_parse("idx:/some/where", arena, &options, &err), &err);
    CHECK(strcmp(options.source, "idx") == 0 && strcmp(options.path, "/some/where") == 0);
    CHECK(options.fraction == 1 && options.labels == 1);
    CHECK(lb_data_parse("idy:/x", arena, &options, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "no data source is called 'idy'; did you mean 'idx'?");
    CHECK(lb_data_parse("/x", arena, &options, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "write SOURCE:PATH");
}

/* Each taking of memory fails once: one clear error, and nothing is left behind. */
static void memory_may_run_out(void)
{
    const lb_shape x = lb_shape_of(4, 20, 6, 8, 3), y = lb_shape_of(1, 20);

    for (int kind = 0; kind < 2; kind++) {
        lb_data_options options = options_of(kind ? "npy" : "idx");
        lb_code code = LB_ERR_MEMORY;
        int n = 0;
        scratch_make(folder);
        scratch_idx_folder(folder, 50, 6, 8, true);
        save("x_train.npy", LB_U8, &x, 251);
        save("x_test.npy", LB_U8, &x, 251);
        save("y_train.npy", LB_I64, &y, 4);
        save("y_test.npy", LB_I64, &y, 4);
        for (; code != LB_OK && n < 1000; n++) {
            lb_arena *const own = lb_arena_new(0);
            lb_error err = {0};
            lb_data *data = NULL;
            lb_arena_fail_after(n);
            code = lb_data_open(&options, 1, own, &data, &err);
            lb_arena_fail_after(-1);
            CHECK(code == LB_OK || code == LB_ERR_MEMORY);
            CHECK((data != NULL) == (code == LB_OK));
            lb_arena_free(own);
        }
        CHECK(code == LB_OK && n > 20);
        scratch_remove(folder);
    }
}

static void fashion_mnist_opens(void)
{
    lb_data_options options = options_of("idx");

    options.path = "/usr/share/datasets/fashion-mnist";
    options.validation = 5000;
    if (!lb_file_exists(options.path)) {
        SKIP("the package dataset-fashion-mnist is not installed");
        return;
    }
    const lb_data *const data = opened(&options, 1);
    CHECK(data->n[LB_TRAIN] == 55000 && data->n[LB_TEST] == 10000);
    CHECK(data->content.n_classes == 10 && data->content.shape.dim[1] == 28);
    CHECK(data->content.train.label[0] == 9 && data->content.test.label[0] == 9);
}

static void human_activity_opens(void)
{
    lb_data_options options = options_of("npy");
    const char *const shared = getenv("LB_SHARED"), *const source = getenv("LB_SOURCE");

    const char *const root = shared   ? shared
                             : source ? lb_path_join(arena, source, "../shared")
                                      : ".";
    options.path = lb_path_join(arena, root, "data/uci-har");
    if (!lb_file_exists(options.path)) {
        SKIP("the shared data is not there");
        return;
    }
    const lb_data *const data = opened(&options, 1);
    CHECK(data && data->n[LB_TRAIN] == 7405 && data->n[LB_TEST] == 2996);
    CHECK(data && data->content.n_classes == 6 && data->content.shape.rank == 2);
    CHECK(data && data->content.shape.dim[0] == 9 && data->content.shape.dim[1] == 128);
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(idx_files_open);
    RUN(splits_do_not_meet);
    RUN(digests_name_what_is_used);
    RUN(labels_are_taken_away);
    RUN(views_are_functions);
    RUN(classes_get_names);
    RUN(wrong_files_are_refused);
    RUN(cut_files_are_refused);
    RUN(npy_files_open);
    RUN(sequences_open);
    RUN(inputs_are_scaled);
    RUN(words_name_data);
    RUN(memory_may_run_out);
    RUN(fashion_mnist_opens);
    RUN(human_activity_opens);
    lb_arena_free(arena);
    return DONE();
}
