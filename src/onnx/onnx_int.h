/* onnx_int.h: what the files of onnx/ share.
 *
 * An import goes: scan (is the nesting sane?), unpack (protobuf-c, into an arena), then
 * node by node: convert to opset 17's form, add to the graph, fold if all is known. */
#ifndef LB_ONNX_ONNX_INT_H
#define LB_ONNX_ONNX_INT_H

#include "base/findings.h"
#include "graph/builder.h"

#include <onnx.pb-c.h>

enum {
    LB_ONNX_OPSET_MIN = 8,
    LB_ONNX_OPSET_MAX = 17,
    LB_ONNX_MAX_ATTRS = 24,
    LB_ONNX_MAX_ATTR_TEXT = 64
};

/* From names in the file to values; several names may mean one value. */
typedef struct lb_onnx_name {
    const char *name;
    lb_value value; /* {0}: made by a node that was refused */
} lb_onnx_name;

typedef struct lb_onnx_names {
    lb_onnx_name *slot; /* open addressing; name NULL: empty */
    size_t n_slots;     /* a power of two, at least twice the names that will come */
    size_t n;
} lb_onnx_names;

typedef struct lb_onnx_reader {
    const char *file; /* for messages */
    lb_builder b;
    lb_arena *scratch; /* gone after the import */
    lb_findings findings;
    bool batch_was_fixed;
    int opset;
    size_t budget; /* bytes that the graph may take */
    lb_onnx_names names;
} lb_onnx_reader;

/* A node on its way into the graph. Converters change all but proto. */
typedef struct lb_onnx_node {
    const Onnx__NodeProto *proto;
    const char *shown; /* its name, or its first output's */
    const char *op;    /* the operator that it becomes */
    lb_value *in;      /* room for a few more than the file has; {0} where left out */
    int n_in;
    lb_attr attr[LB_ONNX_MAX_ATTRS];
    int n_attrs;
    lb_tensor *constant; /* it is this, and no node is added */
    bool refused;
    bool alias; /* the first output is the first input; no node is added */
} lb_onnx_node;

/* onnx_scan.c. Walks the wire format without taking memory. */
typedef enum lb_onnx_scan { LB_SCAN_FINE, LB_SCAN_BROKEN, LB_SCAN_DEEP } lb_onnx_scan;
lb_onnx_scan lb_onnx_scan_model(const uint8_t *data, size_t size);

/* onnx_names.c */
bool lb_onnx_names_init(lb_onnx_names *names, lb_arena *arena, size_t most);
/* NULL if the name has not been seen. */
const lb_onnx_name *lb_onnx_names_find(const lb_onnx_names *names, const char *name);
/* False if there is no more room. A name that is there already is replaced. */
bool lb_onnx_names_put(lb_onnx_names *names, const char *name, lb_value value);

/* onnx_tensor.c. `what` begins messages: "initialiser 'conv1.w'". */
lb_code lb_onnx_tensor_in(const Onnx__TensorProto *proto, const char *what,
                          lb_arena *arena, lb_tensor **out, lb_error *err) LB_MUST_USE;
/* The element type of ONNX's number; false if limbeck has none. */
bool lb_onnx_dtype_in(int32_t number, lb_dtype *out);
int32_t lb_onnx_dtype_out(lb_dtype dtype);
/* ONNX's name of an element type, for messages. */
const char *lb_onnx_dtype_name(int32_t number);

/* onnx_findings.c. A finding; malformed: the file is at fault, not limbeck. */
void lb_onnx_complain(lb_onnx_reader *r, bool malformed, const char *format, ...)
    LB_PRINTF(3, 4);
/* A finding about a node, which is then refused. */
void lb_onnx_refuse(lb_onnx_reader *r, lb_onnx_node *node, const char *format, ...)
    LB_PRINTF(3, 4);
/* The value of a constant input; NULL if it is left out or not known. */
const lb_tensor *lb_onnx_constant(const lb_onnx_reader *r, lb_value v);

/* onnx_attr.c. Fills node->attr; on a kind that has no place here the node is refused. */
void lb_onnx_attrs_in(lb_onnx_reader *r, lb_onnx_node *node);
const lb_attr *lb_onnx_attr(const lb_onnx_node *node, const char *name);
int64_t lb_onnx_attr_int(const lb_onnx_node *node, const char *name, int64_t usual);
void lb_onnx_attr_drop(lb_onnx_node *node, const char *name);
void lb_onnx_attr_set(lb_onnx_node *node, lb_attr attr);

/* onnx_convert.c. From the form of the file's opset to that of opset 17. */
void lb_onnx_convert(lb_onnx_reader *r, lb_onnx_node *node);
/* Has the importer a way to take this operator? */
bool lb_onnx_is_known(const char *op);

/* onnx_import.c. file and size: of what was unpacked. */
lb_code lb_onnx_read_model(const char *file, size_t size, const Onnx__ModelProto *model,
                           lb_arena *scratch, lb_graph **out, lb_error *err) LB_MUST_USE;

/* onnx_roles.c: constants that are used as weights become params. */
void lb_onnx_mark_weights(lb_graph *graph);

#endif
