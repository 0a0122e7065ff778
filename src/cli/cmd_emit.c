/* cmd_emit.c: firmware from a network. */
#include "base/file.h"
#include "base/rng.h"
#include "cli/network.h"
#include "cli/results.h"
#include "cli/samples.h"
#include "emit/emit.h"
#include "prove/prove.h"
#include "run/network_load.h"

#include <stdio.h>
#include <string.h>

enum { N_VECTORS = 4 };

static const lb_option options[] = {
    {.name = "output", .letter = 'o', .value = "DIR", .help = "the folder to write"},
    {.name = "name",
     .value = "NAME",
     .help = "C identifier before every name; usually the file's"},
    {.name = "package",
     .value = "FOR",
     .help = "plain (usual), cmake, arduino, zephyr or platformio"},
    {.name = "weights",
     .value = "FORM",
     .help = "c: numbers (usual); string; incbin: a binary file"},
    {.name = "rounding",
     .value = "RULE",
     .help = "of int8: single (usual), or tflite: twice"},
    {.name = "vectors", .value = "N", .help = "inputs of the self-test; usually 4"},
    {LB_DATA_OPTION, .help = "takes them from a data set"},
    {LB_SPLIT_OPTION, .help = "test (usual), validation or train"},
    {LB_PIXELS_OPTION},
    {LB_MEAN_OPTION},
    {LB_STD_OPTION},
    {.name = "no-check", .help = "does not compile and run the self-test here"},
    {0},
};

static const lb_key vectors_key = {.name = "--vectors",
                                   .type = LB_KEY_INT,
                                   .min = 1,
                                   .max = 10000,
                                   .help = "inputs of the self-test"};

/* "my-net.onnx" to "my_net". */
static const char *identifier(lb_arena *arena, const char *path)
{
    char *const name = lb_arena_text(arena, "%.40s", lb_path_name(path));

    if (!name)
        return NULL;
    char *const dot = strrchr(name, '.');
    if (dot)
        *dot = 0;
    for (char *c = name; *c; c++) {
        const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        if (!letter && !(*c >= '0' && *c <= '9' && c > name))
            *c = '_';
    }
    return *name ? name : "net";
}

static lb_code check_identifier(const char *name, lb_error *err)
{
    bool fine = *name && strlen(name) <= 40;

    for (const char *c = name; *c; c++) {
        const bool letter =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        fine = fine && (letter || (*c >= '0' && *c <= '9' && c > name));
    }
    if (fine)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT, "--name must be a C identifier, not '%.80s'",
                    name);
}

/* n vectors of any numbers in the usual range, in int8 in that of the grid. */
static void fill_at_random(const lb_low *low, float *vectors, size_t n)
{
    lb_rng rng = lb_rng_make(1, LB_RNG_TEST, 0, 0);
    const float *const end = vectors + n * lb_low_count_inputs(low);

    for (int k = 0; vectors < end; k = (k + 1) % low->n_inputs) {
        const lb_qparams q = low->buffer[low->input[k].buffer].q;
        for (size_t i = 0; i < lb_low_count(&low->input[k].dims); i++) {
            const float v = (float)lb_rng_uniform(&rng);
            *vectors++ =
                low->dtype == LB_I8 ? q.scale * (v * 256 - 128 - (float)q.zero) : v;
        }
    }
}

/* The first samples of a data set, as the network wants them, channels first. */
static lb_code fill_from_data(const lb_args *args, const lb_low *low, lb_arena *arena,
                              float *vectors, int *n, lb_error *err)
{
    lb_input_options input = {0};
    lb_data *data = NULL;
    lb_split split;
    size_t each = 0;

    if (low->n_inputs != 1)
        return lb_raise(err, LB_ERR_UNSUPPORTED,
                        "a data set fills one input, and the network has %d",
                        low->n_inputs);
    LB_TRY(lb_samples_input(args, "", arena, &input, err));
    LB_TRY(lb_samples_open(args, arena, &data, &split, err));
    const lb_shape *const shape = &data->content.shape;
    input.layout = LB_CHANNELS_FIRST;
    LB_TRY(lb_input_check(&input, shape, err));
    if (!lb_shape_count(shape, &each) || each != lb_low_count_inputs(low))
        return lb_raise(err, LB_ERR_INPUT,
                        "a sample has %zu values, the network's input %zu", each,
                        lb_low_count_inputs(low));
    *n = *n < data->n[split] ? *n : data->n[split];
    float *const raw = LB_TAKE_ARRAY(arena, each, float);
    for (int i = 0; raw && i < *n; i++) {
        lb_data_sample(data, split, i, raw);
        lb_input_write(&input, shape, raw, vectors + (size_t)i * each);
    }
    if (!raw)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    return LB_OK;
}

/* Inputs for the self-test. */
static lb_code make_vectors(const lb_args *args, const lb_low *low, lb_arena *arena,
                            lb_emit_options *out, lb_error *err)
{
    int n = N_VECTORS;
    size_t all;

    LB_TRY(lb_arg_by_key(args, &vectors_key, &n, err));
    if (!lb_size_mul(lb_low_count_inputs(low), (size_t)n, &all))
        return lb_raise(err, LB_ERR_UNSUPPORTED, "the input is too large");
    float *const vectors = LB_TAKE_ARRAY(arena, all, float);
    if (!vectors)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the test vectors");
    if (lb_arg(args, "data"))
        LB_TRY(fill_from_data(args, low, arena, vectors, &n, err));
    else
        fill_at_random(low, vectors, (size_t)n);
    out->n_vectors = n;
    out->vectors = vectors;
    return LB_OK;
}

/* Options that are keys of firmware, too. */
static lb_code read_firmware(const lb_args *args, lb_arena *arena,
                             lb_firmware_options *out, lb_error *err)
{
    LB_TRY(lb_keys_defaults(lb_firmware_keys, out, arena, err));
    for (const lb_key *key = lb_firmware_keys; key->name; key++) {
        lb_key option = *key;
        option.name = lb_arena_text(arena, "--%s", key->name);
        if (!option.name)
            return lb_raise(err, LB_ERR_MEMORY, "no memory for the options");
        LB_TRY(lb_arg_by_key(args, &option, out, err));
    }
    return LB_OK;
}

typedef struct job {
    const char *folder, *name;
    lb_firmware_options firmware;
    lb_emitted emitted;
    lb_proof proof;
    bool proved;
} job;

static lb_code rounding_of(const lb_args *args, lb_rounding *out, lb_error *err)
{
    const char *const rule = lb_arg(args, "rounding");

    *out = rule && strcmp(rule, "tflite") == 0 ? LB_ROUND_TFLITE : LB_ROUND_SINGLE;
    if (!rule || *out == LB_ROUND_TFLITE || strcmp(rule, "single") == 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_INPUT, "--rounding must be single or tflite, not '%.60s'",
                    rule);
}

static lb_code lower(const lb_args *args, const lb_graph *graph, lb_rounding rounding,
                     lb_arena *arena, lb_low **out, lb_error *err)
{
    LB_TRY(lb_lower_rounded(graph, rounding, arena, out, err));
    if (lb_arg(args, "rounding") && (*out)->dtype != LB_I8)
        return lb_raise(err, LB_ERR_INPUT,
                        "--rounding is for int8 networks, and this one computes in "
                        "floats");
    return LB_OK;
}

static lb_code emit(const lb_args *args, job *j, lb_arena *arena, lb_error *err)
{
    lb_emit_options wanted = {.name = j->name, .firmware = j->firmware};
    lb_graph *graph;
    lb_low *low = NULL;
    lb_rounding rounding;

    LB_TRY(rounding_of(args, &rounding, err));
    LB_TRY(lb_network_load(args->word[0], &graph, NULL, err));
    lb_code code = lower(args, graph, rounding, arena, &low, err);
    if (code != LB_OK)
        code = lb_within(err, "%s", args->word[0]);
    lb_graph_free(graph);
    if (code != LB_OK)
        return code;
    LB_TRY(make_vectors(args, low, arena, &wanted, err));
    LB_TRY(lb_make_folder(j->folder, err));
    return lb_emit(low, &wanted, j->folder, arena, &j->emitted, err);
}

/* No compiler is no failure: the sources are there. */
static lb_code prove(const lb_args *args, job *j, lb_arena *arena, lb_error *err)
{
    lb_error why = {0};

    if (lb_arg_switch(args, "no-check"))
        return LB_OK;
    const lb_code code = lb_prove_host(j->folder, j->name, arena, &j->proof, &why);
    if (code == LB_ERR_UNSUPPORTED) {
        if (!args->quiet)
            fprintf(stderr, "warning: not checked: %s\n", why.text);
        return LB_OK;
    }
    if (code != LB_OK) {
        *err = why;
        return code;
    }
    j->proved = true;
    if (j->proof.mismatches == 0)
        return LB_OK;
    return lb_raise(err, LB_ERR_FAILED,
                    "%s: the compiled firmware differs from the network in %d of %d "
                    "outputs, by up to %.3g of the scale",
                    j->folder, j->proof.mismatches, j->proof.outputs_checked,
                    j->proof.worst_error);
}

static void print_text(const job *j)
{
    const lb_proof *const p = &j->proof;

    for (int i = 0; i < j->emitted.n_files; i++)
        printf("%s/%s\n", j->folder, j->emitted.file[i]);
    if (!j->proved)
        return;
    printf("flash        %zu B as compiled here (%s)\n", p->flash_bytes, p->compiler);
    printf("sram         %zu B (arena %zu, stack %zu)\n", p->sram_bytes, p->arena_bytes,
           p->stack_bytes);
    printf("self-test    %d outputs agree; the worst differs by %.2g of the scale\n",
           p->outputs_checked, p->worst_error);
}

static lb_code print_json(const job *j, lb_arena *arena, lb_error *err)
{
    const lb_proof *const p = &j->proof;
    lb_json json;

    lb_json_init(&json, arena);
    lb_json_open(&json, NULL, '{');
    if (j->proved) {
        lb_json_int(&json, "flash_bytes", (int64_t)p->flash_bytes);
        lb_json_int(&json, "sram_bytes", (int64_t)p->sram_bytes);
        lb_json_int(&json, "arena_bytes", (int64_t)p->arena_bytes);
        lb_json_int(&json, "stack_bytes", (int64_t)p->stack_bytes);
        lb_json_int(&json, "outputs_checked", p->outputs_checked);
        lb_json_int(&json, "mismatches", p->mismatches);
        lb_json_number(&json, "worst_error", p->worst_error);
    } else {
        lb_json_null(&json, "flash_bytes");
        lb_json_null(&json, "sram_bytes");
    }
    lb_json_open(&json, "files", '[');
    for (int i = 0; i < j->emitted.n_files; i++)
        lb_json_text(&json, NULL, j->emitted.file[i]);
    lb_json_close(&json, ']');
    lb_json_close(&json, '}');
    return lb_results_json(&json, err);
}

static lb_code run(const lb_args *args, lb_arena *arena, lb_error *err)
{
    job j = {.folder = lb_arg(args, "output"), .name = lb_arg(args, "name")};

    if (!j.folder)
        return lb_raise(err, LB_ERR_INPUT,
                        "--output is missing; it names the folder to write");
    LB_TRY(read_firmware(args, arena, &j.firmware, err));
    if (!j.name)
        j.name = identifier(arena, args->word[0]);
    if (!j.name)
        return lb_raise(err, LB_ERR_MEMORY, "no memory for the name");
    LB_TRY(check_identifier(j.name, err));
    LB_TRY(emit(args, &j, arena, err));
    LB_TRY(prove(args, &j, arena, err));
    if (args->json)
        return print_json(&j, arena, err);
    print_text(&j);
    return LB_OK;
}

const lb_cmd lb_cmd_emit = {
    .name = "emit",
    .usage = "MODEL.onnx|.tflite -o DIR [--package FOR] [--rounding RULE]",
    .help = "firmware C with its own test vectors",
    .detail =
        "Writes self-contained C99: const weights, one static arena, no malloc. The "
        "sources\nare compiled with CC (or cc) and their self-test is run; flash and "
        "SRAM are the\nfigures of that build. The firmware belongs to you.",
    .example = "limbeck emit student.onnx -o firmware",
    .options = options,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
