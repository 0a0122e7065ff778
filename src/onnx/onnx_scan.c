/* onnx_scan.c: a walk over the wire format of protocol buffers before they are unpacked.
 *
 * protobuf-c unpacks nested messages by recursion without a bound, so a small file could
 * use up the stack. The walk follows the same descriptors, takes no memory and stops at
 * a depth that no honest network reaches. */
#include "onnx/onnx_int.h"

enum { DEPTH_MAX = 32 };

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

static bool read_varint(cursor *c, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        const uint8_t byte = *c->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* Steps over one value; a nested block of bytes is given back in `inner`. */
static bool skip_value(cursor *c, unsigned wire, cursor *inner)
{
    uint64_t length = 0;

    *inner = (cursor){0};
    switch (wire) {
    case 0:
        return read_varint(c, &length);
    case 1:
        length = 8;
        break;
    case 5:
        length = 4;
        break;
    case 2:
        if (!read_varint(c, &length))
            return false;
        break;
    default:
        return false;
    }
    if (length > (uint64_t)(c->end - c->at))
        return false;
    if (wire == 2)
        *inner = (cursor){c->at, c->at + length};
    c->at += length;
    return true;
}

static const ProtobufCMessageDescriptor *
nested_message(const ProtobufCMessageDescriptor *message, uint64_t key)
{
    const ProtobufCFieldDescriptor *const field =
        protobuf_c_message_descriptor_get_field(message, (unsigned)(key >> 3));

    if ((key & 7) != 2 || !field || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NULL;
    return field->descriptor;
}

static lb_onnx_scan scan(const ProtobufCMessageDescriptor *message, cursor c, int depth)
{
    if (depth > DEPTH_MAX)
        return LB_SCAN_DEEP;
    while (c.at < c.end) {
        cursor inner;
        uint64_t key;
        if (!read_varint(&c, &key) || key >> 3 == 0 || key > UINT32_MAX ||
            !skip_value(&c, (unsigned)(key & 7), &inner))
            return LB_SCAN_BROKEN;
        const ProtobufCMessageDescriptor *const next = nested_message(message, key);
        const lb_onnx_scan found = next ? scan(next, inner, depth + 1) : LB_SCAN_FINE;
        if (found != LB_SCAN_FINE)
            return found;
    }
    return LB_SCAN_FINE;
}

lb_onnx_scan lb_onnx_scan_model(const uint8_t *data, size_t size)
{
    return scan(&onnx__model_proto__descriptor, (cursor){data, data + size}, 0);
}
