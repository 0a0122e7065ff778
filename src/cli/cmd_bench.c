/* cmd_bench.c: where the time goes, layer by layer. */
#include "base/file.h"
#include "cli/network.h"
#include "cli/recipe_run.h"
#include "cli/results.h"
#include "report/report.h"
#include "run/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_BATCH = 64, LEAST_WIDTH = 18, MOST_WIDTH = 40 };
static const double usual_seconds = 2;
static const double least_share = 0.01; /* of a line of its own, by time */

static const lb_option options[] = {
    {.name = "batch",
     .value = "N",
     .help = "images at once; usually 64, or the recipe's"},
    {.name = "by",
     .value = "run|time",
     .help = "in run order (the usual), or the slowest first"},
    {.name = "seconds", .value = "S", .help = "how long to measure; usually 2"},
    {.name = "set",
     .value = "KEY=VALUE",
     .many = true,
     .help = "overrides a key of the recipe"},
    {.name = "stage",
     .value = "NAME",
     .help = "of a recipe with stages; usually the last"},
    {.name = "html", .value = "FILE", .help = "a page with the roofline picture"},
    {0},
};

typedef struct wish {
    int batch; /* 0: not given */
    double seconds;
    bool by_time, is_recipe;
    const char *html;
} wish;

static lb_code read_wish(const lb_args *args, wish *w, lb_error *err)
{
    static const char *const orders[] = {"run", "time", NULL};
    const lb_key batch = {.name = "--batch", .type = LB_KEY_INT, .min = 1, .max = 65536};
    const lb_key seconds = {
        .name = "--seconds", .type = LB_KEY_FLOAT, .min = 0.01, .max = 600};
    const lb_key by = {.name = "--by", .type = LB_KEY_CHOICE, .choices = orders};
    const char *const word = args->word[0];
    const size_t n = strlen(word);
    int order = 0;

    *w = (wish){.seconds = usual_seconds, .html = lb_arg(args, "html")};
    w->is_recipe = (n > 5 && strcmp(word + n - 5, ".yaml") == 0) ||
                   (n > 4 && strcmp(word + n - 4, ".yml") == 0);
    LB_TRY(lb_arg_by_key(args, &batch, &w->batch, err));
    LB_TRY(lb_arg_by_key(args, &seconds, &w->seconds, err));
    LB_TRY(lb_arg_by_key(args, &by, &order, err));
    w->by_time = order == 1;
    if (!w->is_recipe && lb_arg(args, "set"))
        return lb_raise(err, LB_ERR_INPUT,
                        "--set goes with a recipe (.yaml); '%.200s' is a network", word);
    if (!w->is_recipe && lb_arg(args, "stage"))
        return lb_raise(err, LB_ERR_INPUT,
                        "--stage goes with a recipe (.yaml); '%.200s' is a network",
                        word);
    return LB_OK;
}

static lb_code bench_network(const lb_args *args, const wish *w, lb_arena *arena,
                             lb_bench *out, lb_error *err)
{
    lb_graph *graph = NULL;

    LB_TRY(lb_network_open(args->word[0], &graph, err));
    const lb_bench_network network = {.graph = graph,
                                      .plan = {.batch = w->batch ? w->batch : USUAL_BATCH,
                                               .kernels = args->kernels,
                                               .conv_direct = args->conv_direct},
                                      .threads = args->threads};
    lb_code code = lb_bench_infer(&network, w->seconds, arena, out, err);
    lb_graph_free(graph);
    out->what = args->word[0];
    return code;
}

static lb_code bench_recipe(const lb_args *args, const wish *w, lb_arena *arena,
                            lb_bench *out, lb_error *err)
{
    const char *sets[LB_MOST_SETS + 1];
    lb_progress progress;
    lb_run_options wanted = lb_recipe_run(args, &progress, sets);

    if (w->batch)
        sets[wanted.n_sets++] = lb_arena_text(arena, "train.batch=%d", w->batch);
    if (wanted.n_sets > 0 && !sets[wanted.n_sets - 1])
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the settings");
    const lb_code code =
        lb_bench_recipe(&wanted, lb_arg(args, "stage"), w->seconds, arena, out, err);
    lb_progress_end(&progress);
    if (code == LB_OK && w->batch && out->batch != w->batch)
        return lb_raise(err, LB_ERR_INPUT,
                        "stage '%s' has a batch of its own, %d; give it another by --set "
                        "stages.N.train.batch=%d, N from 0",
                        out->stage, out->batch, w->batch);
    return code;
}

/* A line of the table. */
typedef struct line {
    const char *part;
    const lb_timing_row *row;
    int number; /* in run order */
} line;

static int slowest_first(const void *a, const void *b)
{
    const line *const x = a, *const y = b;
    const double s = x->row->seconds, t = y->row->seconds;

    if (s != t)
        return s < t ? 1 : -1;
    return x->number - y->number;
}

/* Of the columns with words. */
typedef struct widths {
    int name, kernel;
} widths;

static void widen(int *width, const char *text)
{
    const int n = (int)strlen(text);

    if (n > *width)
        *width = n < MOST_WIDTH ? n : MOST_WIDTH;
}

/* row: its name and kernel, too. */
static void print_line(const lb_bench *b, const char *part, const widths *w,
                       const lb_timing_row *row)
{
    char moved[32], speed[32] = "-", share[32] = "-";
    const double rate = row->seconds > 0 ? row->work.flops / row->seconds : 0;

    if (rate > 0) {
        snprintf(speed, sizeof speed, "%.1f", 1e-9 * rate);
        snprintf(share, sizeof share, "%.1f", 100 * rate / b->machine.thread_flops);
    }
    if (b->n_parts > 1)
        printf("%-8s ", part);
    printf("%-*.*s %-*.*s %9.3f %5.1f %8s %6s %9sB\n", w->name, w->name, row->name,
           w->kernel, w->kernel, row->kernel, 1e3 * row->seconds,
           100 * row->seconds / b->cpu_seconds, speed, share,
           lb_results_short(row->work.bytes, moved));
}

/* All rows of all parts; NULL without memory. */
static line *list_lines(const lb_bench *b, lb_arena *arena, int *n, widths *w)
{
    int most = 0;

    *n = 0;
    for (int p = 0; p < b->n_parts; p++)
        most += b->part[p].timing.n;
    line *const lines = LB_TAKE_ARRAY(arena, most, line);
    for (int p = 0; lines && p < b->n_parts; p++)
        for (int i = 0; i < b->part[p].timing.n; i++) {
            const lb_timing_row *const row = &b->part[p].timing.row[i];
            lines[*n] = (line){.part = b->part[p].name, .row = row, .number = *n};
            *n += 1;
            widen(&w->name, row->name);
            widen(&w->kernel, row->kernel);
        }
    return lines;
}

static lb_code print_layers(const lb_bench *b, const wish *asked, lb_arena *arena,
                            lb_error *err)
{
    lb_timing_row rest = {.kernel = ""};
    widths w = {LEAST_WIDTH, LEAST_WIDTH};
    int n = 0, n_rest = 0;
    line *const lines = list_lines(b, arena, &n, &w);

    if (!lines)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the table");
    if (asked->by_time)
        qsort(lines, (size_t)n, sizeof *lines, slowest_first);
    if (b->n_parts > 1)
        printf("%-8s ", "part");
    printf("%-*s %-*s %9s %5s %8s %6s %10s\n", w.name, "layer", w.kernel, "kernel", "ms",
           "%", "GFLOP/s", "% peak", "moved");
    for (int i = 0; i < n; i++) {
        const lb_timing_row *const row = lines[i].row;
        if (!asked->by_time || row->seconds >= least_share * b->cpu_seconds) {
            print_line(b, lines[i].part, &w, row);
            continue;
        }
        rest.seconds += row->seconds;
        rest.work.flops += row->work.flops;
        rest.work.bytes += row->work.bytes;
        n_rest++;
    }
    rest.name = lb_arena_text(arena, "%d smaller ones", n_rest);
    if (!rest.name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the table");
    if (n_rest > 0)
        print_line(b, "", &w, &rest);
    return LB_OK;
}

static void print_totals(const lb_bench *b)
{
    const lb_machine *const m = &b->machine;
    char memory[32];

    printf("\none thread    %.3f ms for %d images, %.1f GFLOP/s at most\n",
           1e3 * b->cpu_seconds, b->batch, 1e-9 * m->thread_flops);
    printf("memory        ");
    for (int i = 0; i < LB_MACHINE_LEVELS; i++)
        printf("%s%s %.0f GB/s", i ? ", " : "", m->level[i].name,
               1e-9 * m->level[i].bytes_per_second);
    printf(" at most; the plan holds %sB\n",
           lb_results_short((double)b->memory_bytes, memory));
    printf("%d thread%s     %.3f ms, %.0f images/s, %.1f GFLOP/s: %.1f %% of the peak of "
           "%.0f\n",
           m->threads, m->threads > 1 ? "s" : " ", 1e3 * b->step_seconds,
           b->images_per_second, 1e-9 * b->flops, 100 * b->peak_share, 1e-9 * m->flops);
    if (b->stage)
        printf("stage         %s\n", b->stage);
    if (b->teacher)
        printf("teacher       %s\n", b->teacher);
    if (!isnan(b->idle_share))
        printf("idle          %.1f %% of the time waits for data\n", 100 * b->idle_share);
    printf("no layer      %.1f %% of the threads' time: waits, copies, other programs\n",
           100 * lb_bench_other_share(b));
}

static lb_code write_page(const lb_bench *b, const char *path, lb_arena *arena,
                          lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_text(&json, "name", b->what);
    lb_json_text(&json, "version", LB_VERSION);
    lb_json_open(&json, "profile", '{');
    lb_bench_json(&json, b);
    lb_json_close(&json, '}');
    lb_json_close(&json, '}');
    if (json.text.failed)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the page");
    return lb_report_page(json.text.chars, strlen(json.text.chars), path, err);
}

static lb_code print_json(const lb_bench *b, lb_arena *arena, lb_error *err)
{
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_bench_json(&json, b);
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    lb_bench bench = {.what = NULL};
    wish w;

    LB_TRY(read_wish(args, &w, err));
    if (w.is_recipe)
        LB_TRY(bench_recipe(args, &w, arena, &bench, err));
    else
        LB_TRY(bench_network(args, &w, arena, &bench, err));
    if (w.html)
        LB_TRY(write_page(&bench, w.html, arena, err));
    if (args->json)
        return print_json(&bench, arena, err);
    LB_TRY(print_layers(&bench, &w, arena, err));
    print_totals(&bench);
    return LB_OK;
}

const lb_cmd lb_cmd_bench = {
    .name = "bench",
    .usage = "MODEL.onnx|RECIPE.yaml [--batch N] [--by time] [--html FILE]",
    .help = "where the time goes, layer by layer",
    .detail =
        "A network is run as inference; of a recipe a training step is measured, with\n"
        "its loader and its teacher (live, or cached at no cost). Layers are measured\n"
        "on one thread and held against what a thread can do at most; the last lines\n"
        "are for all threads. A convolution counts two operations for each product of\n"
        "the definition: Winograd does fewer, so that its effective rate may be above\n"
        "the peak. Moved: what a layer reads and writes, all weights included.",
    .example = "limbeck bench student.onnx --by time --html roofline.html",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
