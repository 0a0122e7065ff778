/* cases.h: operators in a line of text each.
 *
 * Inputs: "N,3,4" an input of that shape, N the batch; "+N,3" one of positive numbers;
 * "!4" one that gets no gradient, "+!4" both; "#1,-1" a constant list of int64, "=0.5" a
 * constant number, "" left out. Attributes: "strides=2,1 group=2 mode=constant
 * alpha=0.5"; a list of one ends in a comma. */
#ifndef LB_TESTS_OPS_CASES_H
#define LB_TESTS_OPS_CASES_H

#include "graph/builder.h"
#include "ops/ops.h"

#include "check.h"

#include <stdlib.h>

typedef struct op_case {
    const char *op, *attrs;
    const char *in[6];
} op_case;

typedef struct case_attrs {
    lb_attr attr[8];
    char text[8][64];
    int64_t ints[8][16];
    int n;
} case_attrs;

static inline void parse_value(case_attrs *a, char *value)
{
    lb_attr *const attr = &a->attr[a->n];
    int64_t *const ints = a->ints[a->n];
    int n = 0;

    if (strchr(value, ',')) {
        for (char *at = value; *at; n++) {
            ints[n] = strtoll(at, &at, 10);
            at += *at == ',';
        }
        *attr = lb_ais(attr->name, ints, n);
    } else if (strchr(value, '.')) {
        *attr = lb_af(attr->name, strtod(value, NULL));
    } else if (strchr("-0123456789", value[0])) {
        *attr = lb_ai(attr->name, strtoll(value, NULL, 10));
    } else {
        *attr = lb_at(attr->name, value);
    }
}

static inline void parse_attrs(case_attrs *a, const char *text)
{
    a->n = 0;
    while (*text) {
        const size_t n = strcspn(text, " ");
        char *const copy = a->text[a->n];
        snprintf(copy, sizeof a->text[0], "%.*s", (int)n, text);
        char *const value = strchr(copy, '=');
        *value = '\0';
        a->attr[a->n] = (lb_attr){.name = copy};
        parse_value(a, value + 1);
        a->n++;
        text += n;
        text += strspn(text, " ");
    }
}

static inline lb_shape parse_shape(const char *text)
{
    lb_shape shape = {0};

    while (*text) {
        shape.dim[shape.rank++] = *text == 'N' ? LB_BATCH : (int)strtol(text, NULL, 10);
        text += strcspn(text, ",");
        text += *text == ',';
    }
    return shape;
}

static inline lb_value case_input(lb_builder *b, const char *text)
{
    lb_tensor *t = NULL;
    int64_t ints[16];
    int n = 0;

    if (*text == '\0')
        return (lb_value){0};
    if (*text == '=')
        return lb_scalar(b, LB_F64, strtod(text + 1, NULL));
    if (*text != '#') {
        const lb_shape shape = parse_shape(text + strspn(text, "+!"));
        return lb_input(b, NULL, LB_F64, &shape);
    }
    for (char *at = (char *)(uintptr_t)(text + 1); *at; n++) {
        ints[n] = strtoll(at, &at, 10);
        at += *at == ',';
    }
    const lb_shape shape = lb_shape_of(1, n);
    CHECK_OK(lb_tensor_new(b->graph->arena, LB_I64, &shape, &t, &b->error), &b->error);
    memcpy(t->data, ints, (size_t)n * sizeof *ints);
    return lb_constant(b, NULL, t);
}

/* Adds the case's node; in[] gets its inputs. BatchNormApply's case has x, scale, bias:
 * the statistics are those of x. */
static inline lb_value build_case(lb_builder *b, const op_case *c, lb_value in[6],
                                  int *n_in)
{
    const lb_op *const op = lb_op_find(c->op);
    case_attrs attrs;
    int n = 0;

    for (; n < 6 && c->in[n]; n++)
        in[n] = case_input(b, c->in[n]);
    *n_in = n;
    parse_attrs(&attrs, c->attrs);
    if (strcmp(c->op, "BatchNormApply") == 0) {
        const lb_value sum = lb_add_node(b, &lb_op_BatchNormStats, NULL, in, 1, NULL, 0);
        const lb_value all[] = {in[0], sum, lb_nth(b, sum, 1), in[1], in[2]};
        return lb_add_node(b, op, NULL, all, 5, attrs.attr, attrs.n);
    }
    return lb_add_node(b, op, NULL, in, n, attrs.attr, attrs.n);
}

#endif
