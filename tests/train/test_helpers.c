/* test_helpers.c: parameters that losses train beside the student: they learn, they are
 * in the checkpoint, and they leave no trace in the student. */
#include "train/train.h"

#include "classroom.h"
#include "mixed_loss.h"
#include "stopper.h"

enum { MOST = 4096, STEPS = 12 };

typedef struct sitting {
    const char *folder;
    const lb_loss *loss;
    int stop;
    bool resume;
    int precision;
    uint64_t seed;
    double last_loss; /* out: of the last epoch that ended */
    char error[512];  /* out */
} sitting;

static lb_code sit(sitting *s, float *out)
{
    classroom c;
    stopper stop = {.at = s->stop};
    lb_train_result r = {0};
    lb_error err = {0};

    classroom_open(&c, 2);
    c.term = lb_term_usual(s->loss, 1);
    c.setup.seed = s->seed;
    c.setup.folder = s->folder;
    c.setup.resume = s->resume;
    c.options.precision = s->precision;
    c.setup.watch = stopper_watch(&stop);
    const lb_code code = lb_train_run(&c.setup, c.arena, &r, &err);
    snprintf(s->error, sizeof s->error, "%s", err.text);
    if (code == LB_OK) {
        CHECK(classroom_weights(&c, out, MOST) > 500);
        s->last_loss = r.epoch[r.epochs_done - 1].loss;
    }
    classroom_close(&c);
    return code;
}

static void an_interruption_does_not_change_a_bit(void)
{
    static float want[MOST], have[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < 4; i++) {
        const lb_loss *const loss = i < 2 ? &mixed : lb_loss_find("dml");
        sitting s = {folder, loss, 99, false, i % 2, 3, 0, ""};
        memset(want, 0, sizeof want);
        CHECK(sit(&s, want) == LB_OK);
        for (int cut = 1; cut < STEPS; cut += 3) {
            forget(folder);
            memset(have, 0, sizeof have);
            s.stop = cut;
            s.resume = false;
            CHECK(sit(&s, have) == LB_ERR_STOPPED);
            s.stop = 99;
            s.resume = true;
            CHECK(sit(&s, have) == LB_OK);
            CHECK(memcmp(want, have, sizeof want) == 0);
        }
        forget(folder);
    }
    rmdir(folder);
}

/* The same seed gives the same helper; another one gives another. */
static void the_seed_decides(void)
{
    static float a[MOST], b[MOST], c[MOST];
    sitting s = {NULL, &mixed, 99, false, LB_PRECISION_FLOAT32, 3, 0, ""};

    CHECK(sit(&s, a) == LB_OK);
    CHECK(s.last_loss < 1.4); /* chance: log(4) = 1.386 */
    CHECK(sit(&s, b) == LB_OK);
    CHECK(memcmp(a, b, sizeof a) == 0);
    s.seed = 4;
    CHECK(sit(&s, c) == LB_OK);
    CHECK(memcmp(a, c, sizeof a) != 0);
}

static void a_checkpoint_of_other_losses_is_refused(void)
{
    static float out[MOST];
    char folder[] = "/tmp/limbeck-test-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    sitting s = {folder, &mixed, 5, false, LB_PRECISION_FLOAT32, 3, 0, ""};
    CHECK(sit(&s, out) == LB_ERR_STOPPED);
    s.loss = lb_loss_find("ce");
    s.resume = true;
    CHECK(sit(&s, out) == LB_ERR_INPUT);
    CHECK_TEXT(s.error, "it has other losses");
    forget(folder);
    rmdir(folder);
}

/* A graph with one parameter of each kind. */
static void parameters_begin_as_asked(void)
{
    const lb_shape rows = lb_shape_of(2, (int)LB_BATCH, 5);
    const lb_shape weight = lb_shape_of(4, 64, 32, 3, 3), scalar = {0};
    lb_graph *graph = NULL;
    lb_error err = {0};
    lb_builder b;

    CHECK_OK(lb_graph_new(&graph, &err), &err);
    lb_builder_init(&b, graph);
    const lb_value x = lb_input(&b, "x", LB_F64, &rows);
    const lb_loss_in in = {.logits = {x, x}, .seed = 7, .scope = "hint2"};
    const lb_value v[] = {
        lb_loss_param(&b, &in, "he", &weight, (lb_init){.kind = LB_INIT_HE}),
        lb_loss_param(&b, &in, "glorot", &weight, (lb_init){.kind = LB_INIT_GLOROT}),
        lb_loss_param(&b, &in, "one", &scalar, (lb_init){.value = 1, .no_decay = true})};
    const double variance[] = {2.0 / (32 * 9), 2.0 / (32 * 9 + 64 * 9), 0};

    CHECK_OK(lb_builder_finish(&b, &err), &err);
    CHECK(strcmp(lb_name(&b, v[0]), "hint2/he") == 0);
    for (int i = 0; i < 3; i++) {
        const lb_value_info *const info = lb_info(graph, v[i]);
        double sum = 0, sumsq = 0;
        for (size_t k = 0; k < info->tensor->n; k++) {
            const double at = lb_tensor_get(info->tensor, k);
            sum += at;
            sumsq += at * at;
        }
        const double n = (double)info->tensor->n, mean = sum / n;
        CHECK(info->kind == LB_VALUE_PARAM && info->trained);
        CHECK(info->type.dtype == LB_F64);
        CHECK(info->no_decay == (i == 2));
        CHECK_NEAR(mean, i == 2 ? 1 : 0, 0.002);
        CHECK_NEAR(sumsq / n - mean * mean, variance[i], 0.03 * variance[i]);
    }
    lb_graph_free(graph);
}

int main(void)
{
    RUN(parameters_begin_as_asked);
    RUN(the_seed_decides);
    RUN(an_interruption_does_not_change_a_bit);
    RUN(a_checkpoint_of_other_losses_is_refused);
    return DONE();
}
