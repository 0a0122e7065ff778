/* hash.h: SHA-256 (FIPS 180-4), for keys by content. */
#ifndef LB_BASE_HASH_H
#define LB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct lb_hash {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
} lb_hash;

typedef struct lb_digest {
    uint8_t byte[32];
} lb_digest;

void lb_hash_init(lb_hash *hash);
void lb_hash_add(lb_hash *hash, const void *data, size_t size);
/* Adds the text with its length, so that "ab","c" differs from "a","bc". */
void lb_hash_add_text(lb_hash *hash, const char *text);
lb_digest lb_hash_end(lb_hash *hash);
/* 64 hex digits and a zero into out. */
void lb_digest_text(const lb_digest *digest, char out[65]);

#endif
