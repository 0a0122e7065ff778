/* test_labels.c: samples without labels: hidden and omitted classes, and further samples
 * that have none. */
#include "data/data.h"

#include "check.h"
#include "scratch.h"
#include "tensor/npy.h"

static char folder[64], other[64];
static lb_arena *arena;
static const char *const first_and_last[] = {"coat", "2"};

static lb_data_options options_of(const char *source)
{
    return (lb_data_options){.source = source,
                             .path = folder,
                             .class_names = "coat, bag, hat",
                             .fraction = 1,
                             .validation = 10,
                             .labels = 1,
                             .augment = {{LB_AUGMENT_SHIFT, 2, LB_FLIP_NONE}},
                             .n_augment = 1};
}

static const lb_data *opened(const lb_data_options *options)
{
    lb_error err = {0};
    lb_data *data = NULL;

    CHECK_OK(lb_data_open(options, 1, arena, &data, &err), &err);
    return data;
}

static void refused(const lb_data_options *options, const char *part)
{
    lb_error err = {0};
    lb_data *data = NULL;

    CHECK(lb_data_open(options, 1, arena, &data, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, part);
    CHECK(data == NULL);
}

static void save(const char *where, const char *name, const lb_shape *shape)
{
    lb_error err = {0};
    lb_tensor *t = NULL;

    CHECK_OK(lb_tensor_new(arena, LB_U8, shape, &t, &err), &err);
    for (size_t i = 0; i < t->n; i++)
        lb_tensor_put(t, i, (double)(i % 251));
    CHECK_OK(lb_npy_save(t, scratch_path(where, name), &err), &err);
}

static void begin(void)
{
    scratch_make(folder);
    scratch_make(other);
    scratch_idx_folder(folder, 50, 6, 8, false);
}

static void end(void)
{
    scratch_remove(folder);
    scratch_remove(other);
}

/* They keep their places without a label; so do those that validate. The test tells all.
 */
static void labels_of_classes_are_hidden(void)
{
    lb_data_options options = options_of("idx");
    int told = 0;

    begin();
    const lb_data *const all = opened(&options);
    options.hidden = (lb_class_words){2, first_and_last};
    const lb_data *const some = opened(&options);
    CHECK(some->n[LB_TRAIN] == 40 && some->n[LB_VALIDATION] == 10);
    for (int s = LB_TRAIN; s < LB_N_SPLITS; s++)
        for (int i = 0; i < some->n[s]; i++) {
            const int label = lb_data_label(all, (lb_split)s, i);
            const bool hidden = s != LB_TEST && label != 1;
            CHECK(some->sample[s][i] == all->sample[s][i]);
            CHECK(lb_data_label(some, (lb_split)s, i) == (hidden ? -1 : label));
            told += s == LB_TRAIN && !hidden;
        }
    CHECK(told > 5 && lb_data_labelled(some) == told && lb_data_labelled(all) == 40);
    CHECK(memcmp(&some->digest, &all->digest, sizeof some->digest) != 0);
    options.labels = 0.5; /* chosen first; then those of hidden classes go, too */
    const lb_data *const half = opened(&options);
    CHECK(lb_data_labelled(half) < 20 && lb_data_labelled(half) > 0);
    end();
}

static void classes_may_be_left_out(void)
{
    lb_data_options options = options_of("idx");
    int seen[3] = {0};

    begin();
    options.omitted = (lb_class_words){1, first_and_last};
    const lb_data *const data = opened(&options);
    CHECK(data->n[LB_TRAIN] == 33 - 10 && data->n[LB_VALIDATION] == 10);
    CHECK(data->n[LB_TEST] == 4);
    for (int s = LB_TRAIN; s <= LB_VALIDATION; s++)
        for (int i = 0; i < data->n[s]; i++)
            seen[lb_data_label(data, (lb_split)s, i)]++;
    CHECK(seen[0] == 0 && seen[1] == 17 && seen[2] == 16);
    CHECK(lb_data_label(data, LB_TEST, 0) == 0);
    options.validation = 33;
    refused(&options, "no sample is left to train on: of 33");
    end();
}

static void unknown_classes_are_refused(void)
{
    static const char *const words[] = {"hatt", "3", "-1"};
    static const char *const said[] = {
        "hidden_classes: no class is called 'hatt'; did you mean 'hat'?",
        "no class is called '3'; classes have the numbers 0 to 2", "called '-1'"};
    lb_data_options options = options_of("idx");

    begin();
    for (int i = 0; i < 3; i++) {
        options.hidden = (lb_class_words){1, words + i};
        refused(&options, said[i]);
    }
    options.hidden.n = 0;
    options.class_names = NULL;
    options.omitted = (lb_class_words){1, first_and_last};
    refused(&options, "omitted_classes: no class is called 'coat'; classes have the "
                      "numbers 0 to 2, and names if class_names gives them");
    end();
}

static bool is_shift(const float *plain, const float *view)
{
    for (int dy = -2; dy <= 2; dy++)
        for (int dx = -2; dx <= 2; dx++) {
            bool same = true;
            for (int i = 0; i < 48 && same; i++) {
                const int y = i / 8 + dy, x = i % 8 + dx;
                const bool in = y >= 0 && y < 6 && x >= 0 && x < 8;
                same = view[i] == (in ? plain[y * 8 + x] : 0);
            }
            if (same)
                return true;
        }
    return false;
}

/* A folder of samples alone: they stand behind the others, and are seen in views. */
static void further_samples_are_appended(void)
{
    const lb_shape more = lb_shape_of(3, 30, 6, 8);
    lb_data_options options = options_of("idx");
    float out[48], view[48];

    begin();
    save(other, "x_train.npy", &more);
    const lb_data *const plain = opened(&options);
    options.unlabelled = (lb_unlabelled){"npy", other, 1};
    const lb_data *const data = opened(&options);
    CHECK(data->n[LB_TRAIN] == 70 && data->n_unlabelled == 30);
    CHECK(data->n[LB_VALIDATION] == 10 && lb_data_labelled(data) == 40);
    CHECK(memcmp(data->sample[LB_TRAIN], plain->sample[LB_TRAIN], 40 * 4) == 0);
    CHECK(memcmp(data->train_label, plain->train_label, 40 * 4) == 0);
    CHECK(memcmp(&data->digest, &plain->digest, sizeof data->digest) != 0);
    for (int i = 0; i < 30; i++) {
        CHECK(lb_data_label(data, LB_TRAIN, 40 + i) == -1);
        lb_data_sample(data, LB_TRAIN, 40 + i, out);
        CHECK(out[47] == (float)((i * 48 + 47) % 251));
        lb_data_view(data, 40 + i, 1, view);
        CHECK(is_shift(out, view));
    }
    options.unlabelled.fraction = 0.3;
    options.fraction = 0.5; /* of the labelled ones alone */
    const lb_data *const some = opened(&options);
    CHECK(some->n[LB_TRAIN] == 20 + 9 && some->n_unlabelled == 9);
    for (int i = 20; i < 29; i++) {
        CHECK(some->sample[LB_TRAIN][i] >= 50 && some->sample[LB_TRAIN][i] < 80);
        CHECK(i == 20 || some->sample[LB_TRAIN][i] > some->sample[LB_TRAIN][i - 1]);
    }
    options.unlabelled.fraction = 0.001;
    refused(&options, "unlabelled: the fraction 0.001 of the 30 samples in");
    end();
}

/* The same in the source of the data, whose labels are not asked for. */
static void idx_samples_need_no_labels(void)
{
    lb_data_options options = options_of("idx");

    begin();
    scratch_idx_folder(other, 20, 6, 8, true);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"train-labels-idx1-ubyte.gz",
                                            "t10k-labels-idx1-ubyte.gz",
                                            "t10k-images-idx3-ubyte.gz"};
        unlink(scratch_path(other, names[i]));
    }
    options.unlabelled = (lb_unlabelled){.path = other, .fraction = 1};
    const lb_data *const data = opened(&options);
    CHECK(data->n[LB_TRAIN] == 60 && data->unlabelled.n == 20);
    options.path = other;
    options.unlabelled.path = folder;
    refused(&options, "has no train-labels-idx1-ubyte");
    end();
}

static void others_shapes_are_refused(void)
{
    const lb_shape wide = lb_shape_of(3, 30, 8, 6);
    lb_data_options options = options_of("idx");

    begin();
    save(other, "x_train.npy", &wide);
    options.unlabelled = (lb_unlabelled){"npy", other, 1};
    refused(&options, "holds samples uint8 [1,8,6], but those of");
    refused(&options, "are uint8 [1,6,8]");
    options.unlabelled.source = ""; /* that of the data */
    refused(&options, "has no train-images-idx3-ubyte");
    options.unlabelled.source = "nyp";
    refused(&options, "no data source is called 'nyp'; did you mean 'npy'?");
    options.unlabelled = (lb_unlabelled){"npy", "nowhere", 1};
    refused(&options, "there is no folder 'nowhere'");
    end();
}

/* The data's own folder again: those that neither training nor validation took, which
 * look as they would have with a label. */
static void further_samples_may_be_the_rest(void)
{
    lb_data_options options = options_of("idx");
    int seen[50] = {0};

    begin();
    const lb_data *const all = opened(&options);
    options.fraction = 0.25;
    options.unlabelled =
        (lb_unlabelled){.path = scratch_path(folder, "."), .fraction = 1};
    const lb_data *const data = opened(&options);
    CHECK(data->n[LB_TRAIN] == 40 && data->n_unlabelled == 30 && data->unlabelled.n == 0);
    CHECK(lb_data_labelled(data) == 10 && data->n[LB_VALIDATION] == 10);
    for (int s = LB_TRAIN; s <= LB_VALIDATION; s++)
        for (int i = 0; i < data->n[s]; i++)
            seen[data->sample[s][i]]++;
    for (int i = 0; i < 50; i++)
        CHECK(seen[i] == 1);
    for (int i = 10, j = 0; i < 40; i++, j = 0) {
        float a[48], b[48];
        while (all->sample[LB_TRAIN][j] != data->sample[LB_TRAIN][i])
            j++;
        lb_data_view(data, i, 2, a);
        lb_data_view(all, j, 2, b);
        CHECK(memcmp(a, b, sizeof a) == 0);
    }
    options.omitted = (lb_class_words){1, first_and_last + 1};
    const lb_data *const fewer = opened(&options);
    CHECK(fewer->n[LB_TRAIN] == 34 - 10);
    for (int i = 0; i < fewer->n[LB_TRAIN]; i++)
        CHECK(fewer->sample[LB_TRAIN][i] % 3 != 2);
    options.fraction = 1;
    refused(&options, "of the 0 samples in");
    end();
}

/* Each taking of memory fails once: one clear error, and nothing is left behind. */
static void memory_may_run_out(void)
{
    const lb_shape more = lb_shape_of(4, 30, 6, 8, 1);
    lb_data_options options = options_of("idx");

    begin();
    save(other, "x_train.npy", &more);
    for (int kind = 0; kind < 2; kind++) {
        lb_code code = LB_ERR_MEMORY;
        int n = 0;
        options.fraction = 0.5;
        options.hidden = options.omitted = (lb_class_words){1, first_and_last};
        options.unlabelled =
            kind ? (lb_unlabelled){"npy", other, 1} : (lb_unlabelled){"idx", folder, 1};
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
    }
    end();
}

int main(void)
{
    arena = lb_arena_new(0);
    RUN(labels_of_classes_are_hidden);
    RUN(classes_may_be_left_out);
    RUN(unknown_classes_are_refused);
    RUN(further_samples_are_appended);
    RUN(idx_samples_need_no_labels);
    RUN(others_shapes_are_refused);
    RUN(further_samples_may_be_the_rest);
    RUN(memory_may_run_out);
    lb_arena_free(arena);
    return DONE();
}
