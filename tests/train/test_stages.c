/* test_stages.c: what stages promise: each its own losses, epochs and part of the
 * student; the same bits after an interruption anywhere; frozen parameters and norms that
 * stay. */
#include "train/train.h"

#include "classroom.h"
#include "stopper.h"

enum { MOST = 4096, STEPS = 20 };

/* 2 epochs with a frozen stem, 1 of new weights taught by what that gave, 2 of all: 20
 * steps. */
typedef struct school {
    classroom room;
    lb_stage stage[3];
    lb_graph *other;
    const lb_graph *fresh[3];
} school;

static void open_school(school *s, int threads, int precision)
{
    classroom *const c = &s->room;

    classroom_open(c, threads);
    memset(s->stage, 0, sizeof s->stage);
    for (int k = 0; k < 3; k++) {
        s->stage[k].name = k == 0 ? "head" : k == 1 ? "born again" : "all";
        s->stage[k].train = c->options;
        s->stage[k].train.epochs = k == 1 ? 1 : 2;
        s->stage[k].train.precision = precision;
        s->stage[k].term[0] = c->term;
        s->stage[k].n_terms = 1;
        s->fresh[k] = NULL;
    }
    s->stage[0].freeze = (lb_freeze){2, {"conv/weight", "norm"}};
    s->stage[1].fresh = s->stage[1].previous = true;
    s->stage[1].term[0] =
        (lb_term){.loss = lb_loss_find("kd"), .weight = 1, .knobs = {1}};
    s->stage[2].train.sgd.lr = 0.01;
    s->stage[2].train.batch = 18;
    s->other = classroom_student();
    for (int i = 1; i < s->other->n_values; i++)
        if (s->other->values[i].kind == LB_VALUE_PARAM && s->other->values[i].trained)
            lb_tensor_put(s->other->values[i].tensor, 0, 0.125);
    s->fresh[1] = s->other;
    c->setup.stages = s->stage;
    c->setup.n_stages = 3;
    c->setup.fresh = s->fresh;
}

static void close_school(school *s)
{
    lb_graph_free(s->other);
    classroom_close(&s->room);
}

static void count_step(void *arg, const lb_step_report *report)
{
    stopper_counts(arg, report);
    CHECK(report->steps == STEPS && report->stages == 3 && report->name);
}

static lb_code sit(const char *folder, int stop, bool resume, int precision, float *out,
                   lb_train_result *r)
{
    school s;
    stopper stop_it = {.at = stop};
    lb_train_result own;
    lb_error err = {0};

    open_school(&s, 2, precision);
    s.room.setup.folder = folder;
    s.room.setup.resume = resume;
    s.room.setup.watch =
        (lb_watch){.arg = &stop_it, .step = count_step, .stop = stopper_stops};
    const lb_code code = lb_train_run(&s.room.setup, s.room.arena, &own, &err);
    if (code != LB_OK && code != LB_ERR_STOPPED)
        printf("# %s\n", err.text);
    if (code == LB_OK) {
        CHECK(classroom_weights(&s.room, out, MOST) > 500);
        CHECK(own.epochs_done == 5);
        for (int i = 0; r && i < 5; i++)
            r->epoch[i] = own.epoch[i];
    }
    close_school(&s);
    return code;
}

static void same_reports(const lb_epoch_report *a, const lb_epoch_report *b)
{
    for (int i = 0; i < 5; i++) {
        CHECK(a[i].stage == b[i].stage && a[i].epoch == b[i].epoch);
        CHECK(a[i].loss == b[i].loss && a[i].best == b[i].best);
        CHECK(a[i].validation_accuracy == b[i].validation_accuracy);
    }
}

static void an_interruption_anywhere_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    lb_epoch_report whole[5], pieces[5];
    lb_train_result w = {.epoch = whole}, p = {.epoch = pieces};
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    for (int precision = 0; precision < 2; precision++) {
        memset(want, 0, sizeof want);
        CHECK(sit(folder, 99, false, precision, want, &w) == LB_OK);
        CHECK(whole[0].stage == 0 && whole[2].stage == 1 && whole[4].stage == 2);
        CHECK(whole[2].epoch == 0 && whole[4].epoch == 1);
        for (int cut = 1; cut < STEPS; cut++) {
            forget(folder);
            memset(have, 0, sizeof have);
            CHECK(sit(folder, cut, false, precision, have, NULL) == LB_ERR_STOPPED);
            CHECK(sit(folder, 99, true, precision, have, &p) == LB_OK);
            CHECK(memcmp(want, have, sizeof want) == 0);
            same_reports(whole, pieces);
        }
        forget(folder);
        for (int cut = 1; cut < STEPS; cut++)
            CHECK(sit(folder, cut, true, precision, have, NULL) == LB_ERR_STOPPED);
        memset(have, 0, sizeof have);
        CHECK(sit(folder, 99, true, precision, have, &p) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        same_reports(whole, pieces);
        memset(have, 0, sizeof have); /* nothing is left to do */
        CHECK(sit(folder, 99, true, precision, have, NULL) == LB_OK);
        CHECK(memcmp(want, have, sizeof want) == 0);
        forget(folder);
    }
    rmdir(folder);
}

static const lb_tensor *param(const classroom *c, const char *name)
{
    const lb_value v = lb_graph_find(c->student, name);

    CHECK(v.id != 0);
    return lb_info(c->student, v)->tensor;
}

static bool differs(const lb_tensor *a, const lb_tensor *b)
{
    return memcmp(a->data, b->data, lb_tensor_bytes(a)) != 0;
}

/* Runs the first stage alone, and tells which parameters moved. */
static void what_is_frozen_stays(void)
{
    school s, was;
    lb_train_result r;
    lb_error err = {0};

    open_school(&s, 1, LB_PRECISION_FLOAT32);
    open_school(&was, 1, LB_PRECISION_FLOAT32);
    s.room.setup.n_stages = 1;
    CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
    for (int i = 1; i < s.room.student->n_values; i++) {
        const lb_value_info *const v = &s.room.student->values[i];
        if (v->kind != LB_VALUE_PARAM)
            continue;
        const bool stem =
            strcmp(v->name, "conv/weight") == 0 || strncmp(v->name, "norm", 4) == 0;
        CHECK(differs(v->tensor, was.room.student->values[i].tensor) == !stem);
        CHECK(v->trained ==
              was.room.student->values[i].trained); /* marks are the run's */
    }
    close_school(&was);
    close_school(&s);
}

/* Only scale and bias, by a pattern: the norm works by its running statistics. Without
 * the bias it is trained on, and its statistics move. */
static void a_norm_freezes_as_a_whole(void)
{
    const lb_freeze freeze[] = {{1, {"norm/*"}}, {1, {"norm/scale"}}};

    for (int k = 0; k < 2; k++) {
        school s, was;
        lb_train_result r;
        lb_error err = {0};
        open_school(&s, 1, LB_PRECISION_FLOAT32);
        open_school(&was, 1, LB_PRECISION_FLOAT32);
        s.stage[0].freeze = freeze[k];
        s.room.setup.n_stages = 1;
        CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
        CHECK(differs(param(&s.room, "norm/mean"), param(&was.room, "norm/mean")) == k);
        CHECK(differs(param(&s.room, "conv/weight"), param(&was.room, "conv/weight")));
        close_school(&was);
        close_school(&s);
    }
}

/* A student that goes on, taught at a rate of 0 by what it was: the loss is 0. */
static void the_previous_student_teaches(void)
{
    for (int precision = 0; precision < 2; precision++) {
        school s;
        lb_train_result r = {0};
        lb_error err = {0};
        open_school(&s, 1, precision);
        s.room.data->options.n_augment = 0;
        s.room.setup.n_stages = 2;
        /* norms by their running statistics, as the teacher has them */
        s.stage[1].freeze = (lb_freeze){1, {"norm"}};
        s.stage[1].train.sgd.lr = 0;
        s.stage[1].fresh = false;
        CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
        CHECK(r.epoch && fabs(r.epoch[2].loss) < 1e-6);
        close_school(&s);
        open_school(&s, 1, precision);
        s.room.setup.n_stages = 2;
        s.stage[1].train.sgd.lr = 0;
        CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
        CHECK(r.epoch && r.epoch[2].loss > 0.01); /* new weights know nothing yet */
        close_school(&s);
    }
}

/* Two equal stages do not see the samples in the same order. */
static void each_stage_has_its_own_order(void)
{
    double loss[2] = {0};

    for (int k = 0; k < 2; k++) {
        school s;
        lb_train_result r = {0};
        lb_error err = {0};
        open_school(&s, 1, LB_PRECISION_FLOAT32);
        for (int i = 0; i < 3; i++) {
            s.stage[i] = s.stage[2];
            s.stage[i].train.sgd.lr = 0;
            s.stage[i].train.epochs = 1;
            s.stage[i].train.batch = 16;
        }
        s.room.setup.n_stages = 2;
        CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
        if (r.epoch)
            loss[0] = r.epoch[0].loss, loss[1] = r.epoch[1].loss;
        CHECK(loss[0] != loss[1]); /* 8 samples of 72 are left out, not the same ones */
        close_school(&s);
    }
}

/* Epochs of a pause are counted over all stages. */
static void a_pause_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    CHECK(sit(folder, 99, false, LB_PRECISION_FLOAT32, want, NULL) == LB_OK);
    forget(folder);
    for (int pause = 1; pause <= 5; pause++) {
        school s;
        lb_train_result r = {0};
        lb_error err = {0};
        open_school(&s, 1, LB_PRECISION_FLOAT32);
        s.room.setup.folder = folder;
        s.room.setup.resume = true;
        s.room.setup.pause = pause;
        CHECK_OK(lb_train_run(&s.room.setup, s.room.arena, &r, &err), &err);
        CHECK(r.epochs_done == pause && r.paused == (pause < 5));
        CHECK(r.epoch && r.epoch[r.best_epoch].stage == r.epoch[pause - 1].stage);
        CHECK(r.epoch && r.epoch[r.best_epoch].best);
        classroom_weights(&s.room, have, MOST);
        close_school(&s);
    }
    CHECK(memcmp(want, have, sizeof want) == 0);
    forget(folder);
    rmdir(folder);
}

static void mistakes_are_told_before_the_first_step(void)
{
    static const struct {
        const char *freeze, *until, *words;
    } cases[] = {
        {"nosuch*", NULL, "stage 'all' freezes 'nosuch*', but no layer"},
        {"*", NULL, "'freeze' names them all"},
        {NULL, "relu3", "until 'relu3', but it has no such layer"},
        {NULL, "relu", "loss 'ce' looks at its answers"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        school s;
        stopper none = {.at = 999};
        lb_train_result r;
        lb_error err = {0};
        open_school(&s, 1, LB_PRECISION_FLOAT32);
        s.stage[2].freeze = (lb_freeze){cases[i].freeze ? 1 : 0, {cases[i].freeze}};
        s.stage[2].until = cases[i].until;
        s.room.setup.watch =
            (lb_watch){.arg = &none, .step = count_step, .stop = stopper_stops};
        CHECK(lb_train_run(&s.room.setup, s.room.arena, &r, &err) == LB_ERR_INPUT);
        CHECK_TEXT(err.text, cases[i].words);
        CHECK(none.step == 0);
        close_school(&s);
    }
}

int main(void)
{
    RUN(an_interruption_anywhere_does_not_change_a_bit);
    RUN(what_is_frozen_stays);
    RUN(a_norm_freezes_as_a_whole);
    RUN(the_previous_student_teaches);
    RUN(each_stage_has_its_own_order);
    RUN(a_pause_does_not_change_a_bit);
    RUN(mistakes_are_told_before_the_first_step);
    return DONE();
}
