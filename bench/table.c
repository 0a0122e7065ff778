/* table.c: prints the rows as they come, and all of them at the end. */
#include "bench.h"

#include "base/json.h"

#include <math.h>
#include <string.h>

static void number(double x, char *out, size_t size)
{
    if (!isfinite(x) || x == 0)
        snprintf(out, size, "-");
    else if (x >= 1000)
        snprintf(out, size, "%.0f", x);
    else if (x >= 0.1)
        snprintf(out, size, "%.*f", x >= 100 ? 1 : 2, x);
    else
        snprintf(out, size, "%.1e", x);
}

static const char *verdict(const bench_figure *f)
{
    return !f->judged ? "" : f->met ? "met" : "MISSED";
}

static void print_line(const bench_figure *f, bool markdown)
{
    char ours[32], theirs[32], value[32], least[32], batch[16] = "-";

    number(f->ours, ours, sizeof ours);
    number(f->theirs, theirs, sizeof theirs);
    number(f->value, value, sizeof value);
    number(f->least, least, sizeof least);
    if (f->batch)
        snprintf(batch, sizeof batch, "%d", f->batch);
    printf(markdown ? "| %s | %s | %s | %s | %s | %s | %s | %s | %s%s | %s |\n"
                    : "%-18s %-4s %5s %9s %9s %-7s %-30s %8s  %s%-7s %s",
           f->work, f->pair, batch, ours, theirs, f->unit, f->theirs_is, value,
           !f->judged   ? ""
           : f->at_most ? "<= "
                        : ">= ",
           least, verdict(f));
    if (!markdown)
        printf(f->disturbed ? " (%d disturbed)\n" : "\n", f->disturbed);
    fflush(stdout);
}

void bench_table_heading(void)
{
    printf("%-18s %-4s %5s %9s %9s %-7s %-30s %8s  %s\n", "work", "pair", "batch",
           "limbeck", "peer", "unit", "the peer's variant", "ratio", "needed");
}

void bench_table_add(bench_table *table, const bench_figure *figure)
{
    if (table->n == BENCH_MAX_FIGURES)
        return;
    bench_figure *const f = &table->figure[table->n++];
    *f = *figure;
    f->judged = f->least > 0;
    f->met = f->judged && (f->at_most ? f->value <= f->least : f->value >= f->least);
    if (f->work[0])
        print_line(f, false);
}

void bench_table_print(const bench_table *table, const bench_options *options)
{
    int met = 0, missed = 0;

    if (options->markdown) {
        printf("\n| work | pair | batch | limbeck | peer | unit | the peer's variant | "
               "ratio | needed | |\n"
               "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for (int i = 0; i < table->n; i++)
            print_line(&table->figure[i], true);
    }
    for (int i = 0; i < table->n; i++) {
        met += table->figure[i].met;
        missed += table->figure[i].judged && !table->figure[i].met;
    }
    printf("\n%d met, %d missed\n", met, missed);
}

static void figure_json(lb_json *json, const bench_figure *f)
{
    lb_json_open(json, NULL, '{');
    lb_json_text(json, "work", f->work);
    lb_json_text(json, "pair", f->pair);
    lb_json_int(json, "batch", f->batch);
    lb_json_text(json, "unit", f->unit);
    lb_json_number(json, "limbeck", f->ours);
    lb_json_number(json, "peer", f->theirs);
    lb_json_text(json, "peer_variant", f->theirs_is);
    lb_json_number(json, "value", f->value);
    lb_json_number(json, f->at_most ? "at_most" : "at_least", f->least);
    lb_json_number(json, "aim", f->aim);
    lb_json_int(json, "rounds", f->rounds);
    lb_json_int(json, "disturbed", f->disturbed);
    if (f->judged)
        lb_json_bool(json, "met", f->met);
    lb_json_close(json, '}');
}

bool bench_table_json(const bench_table *table, const bench_options *options,
                      const bench_peers *peers, const bench_machine *machine)
{
    lb_arena *const arena = lb_arena_new(0);
    lb_json json;

    if (!arena)
        return false;
    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    lb_json_open(&json, "machine", '{');
    lb_json_text(&json, "cpu", machine->cpu);
    lb_json_text(&json, "isa", machine->isa);
    lb_json_int(&json, "cpus", machine->cpus);
    lb_json_number(&json, "peak_gflops_one_thread", machine->peak);
    lb_json_bool(&json, "real_time", bench_real_time());
    lb_json_int(&json, "windows_repeated", bench_windows_repeated());
    lb_json_close(&json, '}');
    lb_json_open(&json, "peers", '[');
    for (int i = 0; i < peers->n; i++) {
        lb_json_open(&json, NULL, '{');
        lb_json_text(&json, "torch", peers->peer[i].torch);
        lb_json_text(&json, "onnxruntime", peers->peer[i].ort);
        lb_json_close(&json, '}');
    }
    lb_json_close(&json, ']');
    lb_json_open(&json, "rows", '[');
    for (int i = 0; i < table->n; i++)
        figure_json(&json, &table->figure[i]);
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    const char *const text = json.text.failed ? NULL : json.text.chars;
    FILE *const f = text ? fopen(options->json, "w") : NULL;
    bool ok = f && fputs(text, f) >= 0;
    if (f)
        ok = fclose(f) == 0 && ok;
    lb_arena_free(arena);
    return ok;
}
