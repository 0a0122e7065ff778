/* recipe_text.c: the resolved recipe: every default written out, paths absolute. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "recipe/recipe_int.h"

#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct printer {
    lb_text text;
    lb_arena *arena;
    const char *indent; /* before each key of a block; NULL: {a: 1, b: 2} */
    int n;              /* keys printed of an inline map */
} printer;

/* Words that YAML reads back as they are; everything else goes in double quotes. */
static bool is_simple(const char *word)
{
    for (const char *c = word; *c; c++) {
        const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        const bool inside = (*c >= '0' && *c <= '9') || strchr("-_./", *c);
        if (!letter && !(inside && (c > word || *c == '/')))
            return false;
    }
    return *word;
}

static void print_word(printer *p, const char *word)
{
    if (is_simple(word)) {
        lb_text_add(&p->text, "%s", word);
        return;
    }
    lb_text_add_char(&p->text, '"');
    for (const char *c = word; *c; c++) {
        if (*c == '"' || *c == '\\')
            lb_text_add(&p->text, "\\%c", *c);
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            lb_text_add(&p->text, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            lb_text_add_char(&p->text, *c);
    }
    lb_text_add_char(&p->text, '"');
}

static const char *absolute(printer *p, const char *path)
{
    char real[PATH_MAX], here[PATH_MAX];
    const char *found = realpath(path, real);

    if (!found)
        found = path[0] == '/' || !getcwd(here, sizeof here)
                    ? path
                    : lb_arena_text(p->arena, "%s/%s", here, path);
    const char *const copy = found ? lb_arena_copy_text(p->arena, found) : NULL;
    if (!copy)
        p->text.failed = true;
    return copy ? copy : "";
}

/* A key that may be left out, and was. */
static bool is_left_out(const lb_key *key, const void *options)
{
    const void *const field = (const char *)options + key->offset;

    switch (key->type) {
    case LB_KEY_TEXT:
    case LB_KEY_PATH:
        return !*(const char *const *)field;
    case LB_KEY_NUMBERS:
        return key->usual && !*key->usual && ((const lb_numbers *)field)->n == 0;
    case LB_KEY_INT:
        return key->usual && !*key->usual && *(const int *)field == 0;
    case LB_KEY_FLOAT:
    case LB_KEY_BYTES:
    case LB_KEY_SECONDS:
    case LB_KEY_JOULES:
        return key->usual && !*key->usual && !(*(const double *)field > 0);
    case LB_KEY_BOOL:
    case LB_KEY_CHOICE:
    case LB_KEY_WORD:
    case LB_KEY_UNSIGNED:
        break;
    }
    return false;
}

static void print_name(printer *p, const char *name)
{
    if (p->indent)
        lb_text_add(&p->text, "%s%s: ", p->indent, name);
    else
        lb_text_add(&p->text, "%s%s: ", p->n ? ", " : "", name);
    p->n++;
}

static void end_value(printer *p)
{
    if (p->indent)
        lb_text_add_char(&p->text, '\n');
}

static void print_key(printer *p, const lb_key *key, const void *options)
{
    if (is_left_out(key, options))
        return;
    const char *const text = lb_key_text(key, options, p->arena);
    if (!text) {
        p->text.failed = true;
        return;
    }
    print_name(p, key->name);
    if (key->type == LB_KEY_PATH)
        print_word(p, absolute(p, text));
    else if (key->type == LB_KEY_TEXT)
        print_word(p, text);
    else
        lb_text_add(&p->text, "%s", text);
    end_value(p);
}

static void print_keys(printer *p, const lb_key *keys, const void *options)
{
    for (; keys->name; keys++)
        print_key(p, keys, options);
}

static void begin_block(printer *p, const char *name)
{
    lb_text_add(&p->text, "%s:\n", name);
    p->indent = "  ";
}

static void begin_inline(printer *p)
{
    lb_text_add_char(&p->text, '{');
    p->indent = NULL;
    p->n = 0;
}

static void print_unlabelled(printer *p, const lb_unlabelled *unlabelled)
{
    if (!unlabelled->path)
        return;
    lb_text_add(&p->text, "  unlabelled: ");
    begin_inline(p);
    print_keys(p, lb_unlabelled_keys, unlabelled);
    lb_text_add(&p->text, "}\n");
    p->indent = "  ";
}

static void print_classes_of_data(printer *p, const char *key,
                                  const lb_class_words *words)
{
    for (int i = 0; i < words->n; i++) {
        if (i == 0)
            lb_text_add(&p->text, "  %s: [", key);
        else
            lb_text_add(&p->text, ", ");
        print_word(p, words->word[i]);
    }
    if (words->n > 0)
        lb_text_add(&p->text, "]\n");
}

static void print_data(printer *p, const lb_data_options *data)
{
    begin_block(p, "data");
    print_keys(p, lb_data_keys, data);
    if (data->labels >= 1)
        lb_text_add(&p->text, "  labels: all\n");
    else if (data->labels <= 0)
        lb_text_add(&p->text, "  labels: none\n");
    else
        print_key(p, &lb_labels_key, data);
    print_unlabelled(p, &data->unlabelled);
    print_classes_of_data(p, "hidden_classes", &data->hidden);
    print_classes_of_data(p, "omitted_classes", &data->omitted);
    lb_text_add(&p->text, "  augment: [");
    for (int i = 0; i < data->n_augment; i++) {
        const lb_augment *const a = &data->augment[i];
        if (i)
            lb_text_add(&p->text, ", ");
        if (a->kind == LB_AUGMENT_FLIP)
            lb_text_add(&p->text, "{flip: %s}", lb_flip_key.choices[a->flip]);
        else
            lb_text_add(&p->text, "{%s: %d}",
                        a->kind == LB_AUGMENT_SHIFT ? "shift" : "crop", a->pixels);
    }
    lb_text_add(&p->text, "]\n");
}

static void print_classes(printer *p, const lb_teacher_options *teacher)
{
    if (!teacher->classes && !teacher->class_file)
        return;
    print_name(p, "classes");
    if (teacher->class_file) {
        print_word(p, absolute(p, teacher->class_file));
        end_value(p);
        return;
    }
    for (int i = 0; i < teacher->n_classes; i++)
        lb_text_add(&p->text, "%s%d", i ? ", " : "[", teacher->classes[i]);
    lb_text_add_char(&p->text, ']');
    end_value(p);
}

/* weighed: it has a weight of its own. */
static void print_one_teacher(printer *p, const lb_teacher_options *teacher, bool weighed)
{
    print_keys(p, lb_teacher_keys, teacher);
    print_keys(p, lb_input_keys, &teacher->input);
    print_classes(p, teacher);
    if (weighed)
        print_keys(p, lb_member_keys, teacher);
    print_name(p, "cache");
    if (teacher->views == 0) {
        lb_text_add(&p->text, "none");
        end_value(p);
        return;
    }
    const char *const indent = p->indent;
    begin_inline(p);
    print_keys(p, lb_cache_keys, teacher);
    lb_text_add_char(&p->text, '}');
    p->indent = indent;
    p->n = 1;
    end_value(p);
}

static void print_teacher(printer *p, const lb_recipe *recipe)
{
    const lb_ensemble *const e = &recipe->ensemble;
    const bool given = e->weighing == LB_WEIGHTS_GIVEN;
    const bool plain =
        e->combine == LB_COMBINE_PROBABILITIES && given && !e->correct_only;

    begin_block(p, "teacher");
    if (e->n == 1) {
        print_one_teacher(p, &recipe->teacher[0], false);
        return;
    }
    if (!plain) {
        print_keys(p, lb_ensemble_keys, e);
        for (int i = 0; e->found && i < e->n; i++)
            lb_text_add(&p->text, "%s %.4g",
                        i ? "," : "  # weights found:", e->weight[i]);
        lb_text_add(&p->text, e->found ? "\n" : "");
        lb_text_add(&p->text, "  members:\n");
    }
    for (int i = 0; i < e->n; i++) {
        lb_text_add(&p->text, plain ? "  - " : "    - ");
        begin_inline(p);
        print_one_teacher(p, &recipe->teacher[i], given);
        lb_text_add(&p->text, "}\n");
    }
}

static void print_student(printer *p, const lb_student_options *student)
{
    begin_block(p, "student");
    print_keys(p, lb_student_keys, student);
    if (student->model && student->width > 0)
        print_key(p, &lb_width_key, student);
    else if (student->model)
        lb_text_add(&p->text, "  width: fit\n");
    if (student->model && student->depth > 0)
        print_key(p, &lb_depth_key, student);
    else if (student->model && student->depth == LB_DEPTH_FIT)
        lb_text_add(&p->text, "  depth: fit\n");
    if (student->head == LB_HEAD_TEACHER)
        print_keys(p, lb_head_keys, student);
    print_keys(p, lb_input_keys, &student->input);
}

static void print_layers(printer *p, const char *side, const char *const *words, int n)
{
    print_name(p, side);
    if (n == 0)
        lb_text_add(&p->text, "auto");
    for (int i = 0; i < n; i++) {
        lb_text_add(&p->text, i ? ", " : "[");
        print_word(p, words[i]);
    }
    if (n > 0)
        lb_text_add_char(&p->text, ']');
}

static void print_taps(printer *p, const lb_taps *taps)
{
    if (taps->of_one) {
        print_name(p, "of");
        if (strchr("0123456789", *taps->of_as))
            lb_text_add(&p->text, "%d", taps->of);
        else
            print_word(p, taps->of_as);
    }
    print_layers(p, "teacher", taps->teacher, taps->n_teacher);
    print_layers(p, "student", taps->student, taps->n_student);
    print_keys(p, lb_taps_keys, taps);
}

/* A term's weight or knob: a number, or how it changes. */
static void print_number(printer *p, const lb_key *key, const lb_term *term,
                         const lb_ramp *ramp)
{
    if (!ramp->on) {
        print_key(p, key, term);
        return;
    }
    const lb_ramp_rows rows = lb_ramp_rows_of(key);
    print_name(p, key->name);
    begin_inline(p);
    print_keys(p, rows.key, ramp);
    lb_text_add_char(&p->text, '}');
    p->n = 1;
}

/* A weight of the literature is a number once it is known what it is here; where it comes
 * from stands behind the line. */
static void print_weight(printer *p, const lb_term *term)
{
    if (term->balance.on) {
        print_name(p, "weight");
        begin_inline(p);
        print_keys(p, lb_balance_keys, &term->balance);
        lb_text_add_char(&p->text, '}');
        p->n = 1;
        return;
    }
    if (!term->preset || term->weighed) {
        print_number(p, &lb_weight_key, term, &term->weight_ramp);
        return;
    }
    print_name(p, "weight");
    begin_inline(p);
    print_name(p, "preset");
    print_word(p, term->preset->name);
    const lb_ramp_rows rows = lb_ramp_rows_of(&lb_weight_key);
    for (const lb_key *key = rows.key; term->weight_ramp.on && key->name; key++)
        if (strcmp(key->name, "to") != 0)
            print_key(p, key, &term->weight_ramp);
    lb_text_add_char(&p->text, '}');
    p->n = 1;
}

static void print_origin(printer *p, const lb_term *term)
{
    char text[LB_PRESET_TEXT];

    if (term->preset && term->weighed)
        lb_text_add(&p->text, " # weight: %s", lb_preset_text(term, text));
}

static void print_epochs(printer *p, const lb_term *term)
{
    if (term->first == 0 && term->end == 0)
        return;
    print_name(p, "epochs");
    lb_text_add(&p->text, "%d..", term->first);
    if (term->end > 0)
        lb_text_add(&p->text, "%d", term->end);
}

/* margin: before each line. */
static void print_terms(printer *p, const char *margin, const lb_term *terms, int n)
{
    lb_text_add(&p->text, "%sdistill:\n", margin);
    for (int i = 0; i < n; i++) {
        const lb_term *const term = &terms[i];
        lb_key key;
        lb_text_add(&p->text, "%s  - ", margin);
        begin_inline(p);
        print_name(p, "loss");
        print_word(p, term->loss->name);
        print_weight(p, term);
        for (int k = 0; lb_knob_key(term->loss, k, &key); k++)
            print_number(p, &key, term, &term->knob_ramp[k]);
        if (term->loss->needs & LB_NEEDS_HINTS)
            print_taps(p, &term->taps);
        print_epochs(p, term);
        lb_text_add_char(&p->text, '}');
        print_origin(p, term);
        lb_text_add_char(&p->text, '\n');
    }
}

static void print_optimizer(printer *p, const lb_train_options *train)
{
    lb_text_add(&p->text, "optimizer: {sgd: ");
    begin_inline(p);
    print_keys(p, lb_sgd_keys, &train->sgd);
    lb_text_add(&p->text, "}}");
}

static void print_schedule(printer *p, const lb_schedule_options *schedule)
{
    const bool step = schedule->kind == LB_SCHEDULE_STEP;

    if (schedule->kind == LB_SCHEDULE_CONSTANT) {
        lb_text_add(&p->text, "schedule: constant");
        return;
    }
    lb_text_add(&p->text, "schedule: {%s: ", step ? "step" : "cosine");
    begin_inline(p);
    print_keys(p, step ? lb_step_keys : lb_cosine_keys, schedule);
    lb_text_add(&p->text, "}}");
}

static void print_train(printer *p, const char *margin, const lb_train_options *train)
{
    lb_text_add(&p->text, "%strain:\n", margin);
    p->indent = *margin ? "      " : "  ";
    print_keys(p, lb_train_keys, train);
    lb_text_add(&p->text, "%s  ", margin);
    print_optimizer(p, train);
    lb_text_add(&p->text, "\n%s  ", margin);
    print_schedule(p, &train->schedule);
    lb_text_add_char(&p->text, '\n');
}

const char *lb_recipe_train_text(const lb_train_options *train, lb_arena *arena)
{
    printer p = {.arena = arena};

    lb_text_init(&p.text, arena);
    begin_inline(&p);
    print_keys(&p, lb_train_keys, train);
    lb_text_add(&p.text, ", ");
    print_optimizer(&p, train);
    lb_text_add(&p.text, ", ");
    print_schedule(&p, &train->schedule);
    lb_text_add_char(&p.text, '}');
    return p.text.failed ? NULL : p.text.chars;
}

static void print_stage(printer *p, const lb_stage *stage)
{
    lb_text_add(&p->text, "  - name: ");
    print_word(p, stage->name);
    lb_text_add_char(&p->text, '\n');
    print_terms(p, "    ", stage->term, stage->n_terms);
    print_train(p, "    ", &stage->train);
    for (int i = 0; i < stage->freeze.n; i++) {
        lb_text_add(&p->text, i ? ", " : "    freeze: [");
        print_word(p, stage->freeze.pattern[i]);
    }
    if (stage->freeze.n > 0)
        lb_text_add(&p->text, "]\n");
    if (stage->until) {
        lb_text_add(&p->text, "    until: ");
        print_word(p, stage->until);
        lb_text_add_char(&p->text, '\n');
    }
    if (stage->previous)
        lb_text_add(&p->text, "    teacher: previous\n");
    if (stage->fresh)
        lb_text_add(&p->text, "    student: fresh\n");
}

static void print_stages(printer *p, const lb_recipe *recipe)
{
    lb_text_add(&p->text, "stages:\n");
    for (int k = 0; k < recipe->n_taught; k++)
        print_stage(p, &recipe->stage[k]);
}

/* The stages that pruning adds follow from it. */
static void print_compress(printer *p, const lb_recipe *recipe)
{
    if (recipe->prune.amount > 0 || recipe->int8)
        lb_text_add(&p->text, "compress:\n");
    if (recipe->prune.amount > 0) {
        lb_text_add(&p->text, "  prune: ");
        begin_inline(p);
        print_keys(p, lb_prune_keys, &recipe->prune);
        print_keys(p, lb_prune_tune_keys, &recipe->prune);
        lb_text_add(&p->text, "}\n");
    }
    if (recipe->int8) {
        lb_text_add(&p->text, "  quantize: ");
        begin_inline(p);
        print_keys(p, lb_qat_keys, &recipe->qat);
        print_keys(p, lb_quantize_keys, &recipe->quantize);
        lb_text_add(&p->text, "}\n");
    }
}

/* [onnx, c], or with what is said of the firmware: [onnx, {c: {package: cmake}}]. */
static void print_exports(printer *p, const lb_recipe *recipe)
{
    const lb_firmware_options *const firmware = &recipe->firmware;
    bool first = true;

    lb_text_add(&p->text, "export: [");
    for (const lb_export_name *e = lb_export_names; e->name; e++) {
        if (!(recipe->exports & (unsigned)e->bit))
            continue;
        lb_text_add(&p->text, "%s", first ? "" : ", ");
        first = false;
        if (e->bit != LB_EXPORT_C || lb_firmware_is_usual(firmware)) {
            lb_text_add(&p->text, "%s", e->name);
            continue;
        }
        lb_text_add(&p->text, "{%s: ", e->name);
        begin_inline(p);
        print_keys(p, lb_firmware_keys, firmware);
        lb_text_add(&p->text, "}}");
    }
    lb_text_add(&p->text, "]\n");
}

/* A recipe that was given stages, or that says what of the student learns. */
static bool has_stages(const lb_recipe *recipe)
{
    const lb_stage *const first = recipe->stage;

    return recipe->n_taught > 1 ||
           (recipe->n_taught == 1 && (recipe->prune.steps == 0 || first->freeze.n > 0 ||
                                      strcmp(first->name, "training") != 0));
}

const char *lb_recipe_text(const lb_recipe *recipe, lb_arena *arena)
{
    printer p = {.arena = arena, .indent = ""};

    lb_text_init(&p.text, arena);
    print_keys(&p, lb_recipe_keys, recipe);
    print_data(&p, &recipe->data);
    if (recipe->has_teacher)
        print_teacher(&p, recipe);
    print_student(&p, &recipe->student);
    if (recipe->device.profile) {
        begin_block(&p, "device");
        print_keys(&p, lb_device_keys, &recipe->device);
    }
    if (has_stages(recipe)) {
        print_stages(&p, recipe);
    } else if (recipe->n_taught > 0) {
        print_terms(&p, "", recipe->stage[0].term, recipe->stage[0].n_terms);
        print_train(&p, "", &recipe->stage[0].train);
    } else {
        print_terms(&p, "", recipe->term, recipe->n_terms);
        print_train(&p, "", &recipe->train);
    }
    print_compress(&p, recipe);
    print_exports(&p, recipe);
    return p.text.failed ? NULL : p.text.chars;
}
