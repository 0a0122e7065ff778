/* compare_tell.c: what a comparison found: JSON, page, row, and a sentence. */
#include "run/compare_int.h"

#include "base/file.h"
#include "run/run_int.h"

#include <math.h>
#include <string.h>

/* One figure of all runs of a side, [seeds]; NULL without memory. */
static double *column(const lb_comparison *c, const lb_run_figures *runs, size_t offset)
{
    double *const out = LB_TAKE_ARRAY(c->arena, c->options->seeds, double);

    for (int i = 0; out && i < c->options->seeds; i++)
        memcpy(&out[i], (const char *)&runs[i] + offset, sizeof out[i]);
    return out;
}

const char *lb_compare_verdict(const lb_interval *d, int seeds, lb_arena *arena)
{
    const double points = 100 * d->mean;

    if (isnan(d->low))
        return lb_arena_text(arena,
                             "it cannot be told from one seed whether the teacher helps "
                             "(%+.2f points); an interval needs at least two",
                             points);
    if (d->low > 0 || d->high < 0)
        return lb_arena_text(
            arena,
            "the teacher %s: %+.2f points on average over %d seeds, 95 %% "
            "interval %+.2f to %+.2f",
            d->low > 0 ? "helps" : "hurts", points, seeds, 100 * d->low, 100 * d->high);
    return lb_arena_text(arena,
                         "it cannot be told whether the teacher helps: %+.2f points on "
                         "average over %d seeds, but the 95 %% interval %+.2f to %+.2f "
                         "holds 0",
                         points, seeds, 100 * d->low, 100 * d->high);
}

static void add_column(lb_json *j, const char *key, const double *values, int n)
{
    lb_json_open(j, key, '[');
    for (int i = 0; i < n; i++)
        lb_json_number(j, NULL, values[i]);
    lb_json_close(j, ']');
}

static void add_interval(lb_json *j, const char *key, const lb_interval *d)
{
    if (isnan(d->low)) {
        lb_json_null(j, key);
        return;
    }
    lb_json_open(j, key, '[');
    lb_json_number(j, NULL, d->low);
    lb_json_number(j, NULL, d->high);
    lb_json_close(j, ']');
}

static void add_twin(lb_json *j, const lb_comparison *c)
{
    double rate;

    (void)lb_compare_rate(c, &rate);
    lb_json_open(j, "twin", '{');
    lb_json_number(j, "lr", c->chosen >= 0 ? c->rate[c->chosen] : rate);
    lb_json_int(j, "epochs", lb_recipe_epochs(c->twin));
    lb_json_bool(j, "taught_until_pruned", c->options->in_pruning);
    lb_json_open(j, "settings", '[');
    for (int i = 0; i < c->n_twin_sets; i++)
        lb_json_text(j, NULL, c->twin_sets[i]);
    lb_json_close(j, ']');
    lb_json_open(j, "tuned", '[');
    for (int i = 0; i < c->n_rates; i++) {
        lb_json_open(j, NULL, '{');
        lb_json_number(j, "lr", c->rate[i]);
        lb_json_number(j, "validation_accuracy", c->rate_accuracy[i]);
        lb_json_close(j, '}');
    }
    lb_json_close(j, ']');
    lb_json_close(j, '}');
}

typedef struct columns {
    double *with, *without, *with_last, *without_last, *with_valid, *without_valid;
    lb_interval best, last;
    const char *verdict;
} columns;

static bool gather(const lb_comparison *c, columns *x)
{
    const int n = c->options->seeds;
    const size_t test = offsetof(lb_run_figures, accuracy),
                 last = offsetof(lb_run_figures, last_accuracy),
                 valid = offsetof(lb_run_figures, validation_accuracy);

    x->with = column(c, c->with, test);
    x->without = column(c, c->without, test);
    x->with_last = column(c, c->with, last);
    x->without_last = column(c, c->without, last);
    x->with_valid = column(c, c->with, valid);
    x->without_valid = column(c, c->without, valid);
    if (!x->with || !x->without || !x->with_last || !x->without_last || !x->with_valid ||
        !x->without_valid)
        return false;
    x->best = lb_paired_interval(x->with, x->without, n);
    x->last = lb_paired_interval(x->with_last, x->without_last, n);
    x->verdict = lb_compare_verdict(&x->best, n, c->arena);
    return x->verdict != NULL;
}

static void add_files(lb_json *j, const lb_comparison *c, bool relative)
{
    static const char *const names[] = {"report.html", "record.json", "result.json"};

    lb_json_open(j, "files", '{');
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        lb_json_text(j, names[i],
                     relative ? names[i] : lb_path_join(c->arena, c->folder, names[i]));
    lb_json_close(j, '}');
}

/* The result, or with a little more the record of the page. NULL without memory. */
static const char *write_json(const lb_comparison *c, const columns *x, bool record)
{
    const int n = c->options->seeds;
    lb_json j;

    lb_json_init(&j, c->arena);
    lb_json_open(&j, NULL, '{');
    if (record) {
        lb_json_text(&j, "kind", "comparison");
        lb_json_text(&j, "name", c->recipe->name);
        lb_json_text(&j, "version", LB_VERSION);
        lb_json_text(&j, "recipe_text", lb_recipe_text(c->recipe, c->arena));
    }
    lb_json_text(&j, "folder", c->folder);
    lb_json_open(&j, "seeds", '[');
    for (int i = 0; i < n; i++)
        lb_json_int(&j, NULL, (int64_t)(c->recipe->seed + (uint64_t)i));
    lb_json_close(&j, ']');
    lb_json_number(&j, "teacher_accuracy", c->with[0].teacher_accuracy);
    add_column(&j, "with", x->with, n);
    add_column(&j, "without", x->without, n);
    lb_json_number(&j, "difference", x->best.mean);
    add_interval(&j, "interval", &x->best);
    lb_json_text(&j, "verdict", x->verdict);
    add_column(&j, "with_last", x->with_last, n);
    add_column(&j, "without_last", x->without_last, n);
    lb_json_number(&j, "difference_last", x->last.mean);
    add_interval(&j, "interval_last", &x->last);
    add_column(&j, "with_validation", x->with_valid, n);
    add_column(&j, "without_validation", x->without_valid, n);
    add_twin(&j, c);
    add_files(&j, c, record);
    lb_json_close(&j, '}');
    return j.text.failed ? NULL : j.text.chars;
}

static bool at_edge(const lb_comparison *c)
{
    double low = INFINITY, high = 0;

    for (int i = 0; i < c->n_rates; i++) {
        low = fmin(low, c->rate[i]);
        high = fmax(high, c->rate[i]);
    }
    return c->chosen >= 0 && (c->rate[c->chosen] <= low || c->rate[c->chosen] >= high);
}

/* How much less the pruned student knows than before the cut: of the validation samples.
 */
static void add_cost(lb_text *t, const lb_comparison *c)
{
    const int n = c->options->seeds;
    const size_t before = offsetof(lb_run_figures, validation_before),
                 after = offsetof(lb_run_figures, validation_accuracy);
    const lb_run_figures *const side[2] = {c->with, c->without};

    if (!c->options->in_pruning)
        return;
    lb_text_add(t, "both have the teacher until they are pruned, which changes the "
                   "validation accuracy by\n");
    for (int i = 0; i < 2; i++) {
        const double *const was = column(c, side[i], before);
        const double *const is = column(c, side[i], after);
        if (!was || !is) {
            t->failed = true;
            return;
        }
        const lb_interval d = lb_paired_interval(is, was, n);
        lb_text_add(t, "%s%+.2f points", i ? " " : "", 100 * d.mean);
        if (!isnan(d.low))
            lb_text_add(t, " (%+.2f to %+.2f)", 100 * d.low, 100 * d.high);
        lb_text_add(t, i ? " without it\n" : " under the teacher,");
    }
}

/* Of a recipe with stages: what the twin does instead. */
static void add_training(lb_text *t, const lb_comparison *c)
{
    const lb_recipe *const r = c->recipe;
    const int first = lb_twin_first(r);

    if (r->n_taught < 2 || c->options->in_pruning)
        return;
    lb_text_add(t, "the twin trains for %d epochs, with the steps of",
                c->twin->train.epochs);
    for (int k = first; k < r->n_taught; k++)
        lb_text_add(t, "%s '%s'", k > first ? "," : "", r->stage[k].name);
    lb_text_add_char(t, '\n');
}

static const char *summary(const lb_comparison *c, const columns *x)
{
    double rate;
    lb_text t;

    lb_text_init(&t, c->arena);
    lb_text_add(&t, "seed   with teacher   without   difference (test accuracy, %%)\n");
    for (int i = 0; i < c->options->seeds; i++)
        lb_text_add(&t, "%4llu %14.2f %9.2f %12.2f\n",
                    (unsigned long long)c->recipe->seed + (unsigned long long)i,
                    100 * x->with[i], 100 * x->without[i],
                    100 * (x->with[i] - x->without[i]));
    add_training(&t, c);
    add_cost(&t, c);
    if (c->chosen >= 0)
        lb_text_add(&t,
                    "the twin's learning rate is %g, picked on the validation split\n",
                    c->rate[c->chosen]);
    if (at_edge(c))
        lb_text_add(
            &t,
            "that is the edge of what was tried: with --twin %s=%g --tune-twin it "
            "may do better\n",
            lb_compare_rate(c, &rate), c->rate[c->chosen]);
    lb_text_add(&t, "%s\nfiles     '%s'", x->verdict, c->folder);
    return t.failed ? NULL : t.chars;
}

static double mean(const double *values, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

lb_code lb_compare_tell(const lb_comparison *c, lb_compare_result *out, lb_error *err)
{
    columns x = {0};

    if (!gather(c, &x))
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the comparison");
    out->json = write_json(c, &x, false);
    out->summary = summary(c, &x);
    const char *const record = write_json(c, &x, true);
    const lb_run_row row = {.name =
                                lb_arena_text(c->arena, "%s-compare", c->recipe->name),
                            .folder = c->folder,
                            .started = lb_run_time_text(c->arena),
                            .status = "done",
                            .teacher_accuracy = c->with[0].teacher_accuracy,
                            .student_accuracy = mean(x.with, c->options->seeds),
                            .agreement = NAN,
                            .parameters = c->with[0].parameters,
                            .macs = c->with[0].macs,
                            .flash_bytes = c->with[0].flash_bytes,
                            .sram_bytes = c->with[0].sram_bytes,
                            .latency_ms = c->with[0].latency_ms.mid,
                            .energy_uj = NAN,
                            .seconds = NAN,
                            .result = out->json};
    if (!out->json || !out->summary || !record || !row.name || !row.started)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the comparison");
    return lb_many_leave(&c->options->run, &row, record, c->arena, err);
}
