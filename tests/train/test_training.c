/* test_training.c: what training promises: it learns, the same bits on any number of
 * threads and after any interruption, the best epoch's weights, a NaN with its layer. */
#include "train/train.h"

#include "classroom.h"
#include "stopper.h"

enum { MOST = 4096 };

static void it_learns(void)
{
    classroom c;
    lb_train_result r = {0};
    lb_metrics m;
    lb_error err = {0};

    classroom_open(&c, 2);
    c.data->options.n_augment = 0;
    c.options.epochs = 30;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    CHECK(r.epochs_done == 30);
    CHECK(r.epoch && r.epoch[29].train_accuracy > 0.95);
    CHECK(r.epoch && r.epoch[29].loss < 0.3 * r.epoch[0].loss);
    CHECK(r.best_accuracy > 0.9);
    CHECK(r.epoch && r.epoch[r.best_epoch].best);
    CHECK(r.epoch && r.epoch[r.best_epoch].validation_accuracy == r.best_accuracy);
    /* the student has the best epoch's weights: measured again, they say the same */
    CHECK_OK(lb_evaluate(c.student, &c.setup.input, c.data, LB_VALIDATION, c.pool,
                         LB_KERNELS_BEST, NULL, c.arena, &m, &err),
             &err);
    CHECK_NEAR(m.accuracy, r.best_accuracy, 0);
    CHECK(r.epoch && m.loss == r.epoch[r.best_epoch].validation_loss);
    classroom_close(&c);
}

/* The weights that a loss moves, in one step from the classroom's. */
static size_t moved_by(double clip_norm, float *out)
{
    classroom c;
    lb_train_result r;
    lb_error err = {0};
    size_t n = 0;

    classroom_open(&c, 2);
    c.options.epochs = 1;
    c.options.batch = 64;
    c.options.schedule = (lb_schedule_options){.kind = LB_SCHEDULE_CONSTANT};
    c.options.sgd = (lb_sgd_options){.lr = 0.5, .clip_norm = clip_norm};
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    for (int i = 1; i < c.student->n_values; i++) {
        const lb_value_info *const v = &c.student->values[i];
        if (v->kind == LB_VALUE_PARAM && v->trained && n + v->tensor->n <= MOST) {
            memcpy(out + n, v->tensor->data, lb_tensor_bytes(v->tensor));
            n += v->tensor->n;
        }
    }
    classroom_close(&c);
    return n;
}

/* A step is as long as the rate times the gradient, or times what clipping leaves. */
static void gradients_are_clipped(void)
{
    static float still[MOST], freely[MOST], clipped[MOST];
    const size_t n = moved_by(1e-9, still);
    double length = 0, part = 0;

    CHECK(moved_by(0, freely) == n && n > 300);
    for (size_t i = 0; i < n; i++)
        length += pow((double)freely[i] - (double)still[i], 2);
    length = sqrt(length) / 0.5;
    CHECK(length > 0.01);
    CHECK(moved_by(1.01 * length, clipped) == n); /* longer than the gradient */
    CHECK(memcmp(clipped, freely, n * sizeof *freely) == 0);
    CHECK(moved_by(0.25 * length, clipped) == n);
    for (size_t i = 0; i < n; i++) {
        part += pow((double)clipped[i] - (double)still[i], 2);
        CHECK_NEAR(clipped[i], still[i] + 0.25f * (freely[i] - still[i]), 1e-5);
    }
    CHECK_NEAR(sqrt(part) / 0.5, 0.25 * length, 1e-4 * length);
}

static size_t trained(int threads, lb_kernels kernels, float *out)
{
    classroom c;
    lb_train_result r;
    lb_error err = {0};

    classroom_open(&c, threads);
    c.setup.kernels = kernels;
    c.options.loader_threads = threads;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    const size_t n = classroom_weights(&c, out, MOST);
    classroom_close(&c);
    return n;
}

static void threads_do_not_change_a_bit(void)
{
    const lb_kernels tables[] = {LB_KERNELS_BEST, LB_KERNELS_REFERENCE};
    static float want[MOST], have[MOST];

    for (int t = 0; t < 2; t++) {
        const size_t n = trained(1, tables[t], want);
        CHECK(n > 500);
        for (int threads = 2; threads <= 5; threads++) {
            CHECK(trained(threads, tables[t], have) == n);
            CHECK(memcmp(want, have, n * sizeof *want) == 0);
        }
    }
}

/* Trains in `folder` until step `stop` (12 is the end); returns the code. */
static lb_code sit(const char *folder, int stop, bool resume, int precision, float *out)
{
    classroom c;
    stopper s = {.at = stop};
    lb_train_result r;
    lb_error err = {0};

    classroom_open(&c, 2);
    c.setup.folder = folder;
    c.setup.resume = resume;
    c.options.precision = precision;
    c.setup.watch = stopper_watch(&s);
    const lb_code code = lb_train_run(&c.setup, c.arena, &r, &err);
    if (code != LB_OK && code != LB_ERR_STOPPED)
        printf("# %s\n", err.text);
    if (code == LB_OK)
        CHECK(classroom_weights(&c, out, MOST) > 500);
    classroom_close(&c);
    return code;
}

static void an_interruption_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    for (int precision = 0; precision < 2; precision++) {
        memset(want, 0, sizeof want);
        CHECK(sit(folder, 99, false, precision, want) == LB_OK);
        for (int cut = 1; cut < 12; cut++) {
            forget(folder);
            memset(have, 0, sizeof have);
            CHECK(sit(folder, cut, false, precision, have) == LB_ERR_STOPPED);
            CHECK(sit(folder, 99, true, precision, have) == LB_OK);
            CHECK(memcmp(want, have, sizeof want) == 0);
        }
        /* stopped after every single step */
        forget(folder);
        for (int cut = 1; cut < 12; cut++)
            CHECK(sit(folder, cut, true, precision, have) == LB_ERR_STOPPED);
        memset(have, 0, sizeof have);
        CHECK(sit(folder, 99, true, precision, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        /* and resumed when there is nothing left to do */
        memset(have, 0, sizeof have);
        CHECK(sit(folder, 99, true, precision, have) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        forget(folder);
    }
    rmdir(folder);
}

static void a_bad_loss_stops_with_its_layer(void)
{
    classroom c;
    lb_train_result r;
    lb_error err = {0};

    classroom_open(&c, 2);
    const lb_value w = lb_graph_find(c.student, "conv2/weight");
    CHECK(w.id != 0);
    lb_tensor_put(lb_info(c.student, w)->tensor, 3, NAN);
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "step 1 (epoch 1)");
    CHECK_TEXT(err.text, "node 'conv2'");
    classroom_close(&c);

    /* a rate that blows up: some step, some layer, never a result */
    classroom_open(&c, 2);
    c.options.sgd.lr = 1e12;
    c.options.schedule.warmup = 0;
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_FAILED);
    CHECK_TEXT(err.text, "the loss is");
    CHECK_TEXT(err.text, "lower train.optimizer.sgd.lr");
    classroom_close(&c);
}

static void wrong_setups_are_refused(void)
{
    classroom c;
    lb_train_result r;
    lb_error err = {0};

    classroom_open(&c, 1);
    c.options.batch = 100;
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "batch must be between 1 and the 72 training samples, not 100");
    c.options.batch = 16;
    c.term.loss = lb_loss_find("kd");
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "loss 'kd' needs a teacher");
    c.term.loss = lb_loss_find("ce");
    c.data->content.n_classes = 5;
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "the student's output is [N,4], but the data has 5 classes");
    c.data->content.n_classes = 4;
    c.data->content.shape = lb_shape_of(3, 1, 8, 7);
    CHECK(lb_train_run(&c.setup, c.arena, &r, &err) == LB_ERR_INPUT);
    CHECK_TEXT(err.text, "takes [N,1,8,8], but the samples are [1,8,7]");
    classroom_close(&c);
}

static void without_validation_the_last_epoch_counts(void)
{
    classroom c;
    lb_train_result r = {0};
    lb_error err = {0};

    classroom_open(&c, 1);
    c.data->n[LB_VALIDATION] = 0;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    CHECK(r.best_epoch == 2);
    CHECK(r.epoch && r.best_accuracy == r.epoch[2].train_accuracy);
    CHECK(r.epoch && isnan(r.epoch[2].validation_accuracy));
    CHECK(r.epoch && !r.epoch[0].best && !r.epoch[1].best && r.epoch[2].best);
    classroom_close(&c);
}

/* A second loss counts in the first epoch only: the sum that is reported says so. */
static void a_loss_counts_in_its_epochs(void)
{
    classroom c;
    lb_train_result r = {0};
    lb_error err = {0};

    classroom_open(&c, 1);
    const lb_term two[] = {c.term, {.loss = c.term.loss, .weight = 3, .end = 1}};
    c.setup.terms = two;
    c.setup.n_terms = 2;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    for (int i = 0; r.epoch && i < 3; i++) {
        const double want = r.epoch[i].term[0] + (i < 1 ? 3 : 0) * r.epoch[i].term[1];
        CHECK(r.epoch[i].term[1] > 0);
        CHECK_NEAR(r.epoch[i].loss, want, 1e-6);
    }
    classroom_close(&c);
}

/* Validation labels that are wrong: the better it learns, the worse it is judged. */
static void be_misjudged(classroom *c)
{
    int32_t *const label = LB_TAKE_ARRAY(c->arena, c->data->content.train.n, int32_t);

    for (int i = 0; i < c->data->content.train.n; i++) {
        const int32_t is = c->data->content.train.label[i];
        label[i] = i < ROOM_TRAIN ? is : (is + 1) % ROOM_CLASSES;
    }
    c->data->content.train.label = label;
    c->options.epochs = 6;
    c->options.sgd.lr = 0.1;
}

static void the_last_epoch_is_kept_beside_the_best(void)
{
    static float best[MOST], last[MOST], again[MOST], plain[MOST];
    lb_train_result r = {0};
    lb_error err = {0};
    classroom c;

    classroom_open(&c, 1);
    be_misjudged(&c);
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    CHECK(r.best_epoch < 5 && r.last && !r.paused);
    classroom_weights(&c, best, MOST);
    if (r.last) {
        lb_train_swap(c.student, r.last);
        classroom_weights(&c, last, MOST);
        lb_train_swap(c.student, r.last);
    }
    classroom_weights(&c, again, MOST);
    CHECK(memcmp(best, again, sizeof best) == 0);
    CHECK(memcmp(best, last, sizeof best) != 0);
    classroom_close(&c);
    /* without a validation split the last epoch is what comes out */
    classroom_open(&c, 1);
    be_misjudged(&c);
    c.data->n[LB_VALIDATION] = 0;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    CHECK(!r.last);
    classroom_weights(&c, plain, MOST);
    CHECK(memcmp(last, plain, sizeof last) == 0);
    classroom_close(&c);
}

/* A sitting of at most `pause` epochs. */
static lb_train_result sit_until(const char *folder, int pause, float *weights)
{
    lb_train_result r = {0}, figures;
    lb_error err = {0};
    classroom c;

    classroom_open(&c, 1);
    c.setup.folder = folder;
    c.setup.resume = true;
    c.setup.pause = pause;
    CHECK_OK(lb_train_run(&c.setup, c.arena, &r, &err), &err);
    classroom_weights(&c, weights, MOST);
    figures = r;
    figures.epoch = NULL;
    figures.last = NULL;
    classroom_close(&c);
    return figures;
}

static void a_pause_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    CHECK(!sit_until(folder, 0, want).paused);
    forget(folder);
    const lb_train_result first = sit_until(folder, 1, have);
    CHECK(first.paused && first.epochs_done == 1 && first.best_epoch == 0);
    const lb_train_result second = sit_until(folder, 2, have);
    CHECK(second.paused && second.epochs_done == 2);
    CHECK(!sit_until(folder, 3, have).paused);
    CHECK(memcmp(want, have, sizeof want) == 0);
    /* what was found at a pause is found again from any later state */
    const lb_train_result late = sit_until(folder, 1, have);
    CHECK(late.paused && late.epochs_done == 1 && late.best_epoch == 0);
    CHECK(late.best_accuracy == first.best_accuracy);
    forget(folder);
    rmdir(folder);
}

static void a_trial_step_changes_nothing(void)
{
    static float before[MOST], after[MOST];
    double seconds = -1;
    lb_error err = {0};
    classroom c;

    classroom_open(&c, 1);
    const size_t n = classroom_weights(&c, before, MOST);
    CHECK_OK(lb_train_try(&c.setup, c.arena, &seconds, &err), &err);
    CHECK(seconds > 0 && seconds < 60);
    CHECK(classroom_weights(&c, after, MOST) == n);
    CHECK(memcmp(before, after, n * sizeof *before) == 0);
    classroom_close(&c);
}

int main(void)
{
    RUN(it_learns);
    RUN(gradients_are_clipped);
    RUN(threads_do_not_change_a_bit);
    RUN(an_interruption_does_not_change_a_bit);
    RUN(a_bad_loss_stops_with_its_layer);
    RUN(wrong_setups_are_refused);
    RUN(without_validation_the_last_epoch_counts);
    RUN(a_loss_counts_in_its_epochs);
    RUN(the_last_epoch_is_kept_beside_the_best);
    RUN(a_pause_does_not_change_a_bit);
    RUN(a_trial_step_changes_nothing);
    return DONE();
}
