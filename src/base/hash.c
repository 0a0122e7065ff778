/* hash.c: SHA-256 as in FIPS 180-4. */
#include "base/hash.h"

#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

static uint32_t turn(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void add_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t w[64];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >> 3) + w[i - 7] +
               (turn(y, 17) ^ turn(y, 19) ^ y >> 10);
    }
    for (int i = 0; i < 64; i++) {
        const uint32_t one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
                             ((e & f) ^ (~e & g)) + k[i] + w[i];
        const uint32_t two =
            (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void lb_hash_init(lb_hash *hash)
{
    *hash = (lb_hash){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void lb_hash_add(lb_hash *hash, const void *data, size_t size)
{
    const uint8_t *from = data;
    const size_t held = (size_t)(hash->n_bytes % 64);

    if (size == 0)
        return;
    hash->n_bytes += size;
    if (held) {
        const size_t room = 64 - held, n = size < room ? size : room;
        memcpy(hash->block + held, from, n);
        if (n < room)
            return;
        add_block(hash->state, hash->block);
        from += n;
        size -= n;
    }
    for (; size >= 64; from += 64, size -= 64)
        add_block(hash->state, from);
    if (size)
        memcpy(hash->block, from, size);
}

void lb_hash_add_text(lb_hash *hash, const char *text)
{
    const uint64_t n = strlen(text);
    uint8_t length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(n >> (8 * i));
    lb_hash_add(hash, length, sizeof length);
    lb_hash_add(hash, text, (size_t)n);
}

lb_digest lb_hash_end(lb_hash *hash)
{
    const uint64_t n_bits = hash->n_bytes * 8;
    const size_t held = (size_t)(hash->n_bytes % 64);
    uint8_t pad[72] = {0x80};
    const size_t zeros = (held < 56 ? 56 : 120) - held;
    lb_digest digest;

    for (int i = 0; i < 8; i++)
        pad[zeros + (size_t)i] = (uint8_t)(n_bits >> (56 - 8 * i));
    lb_hash_add(hash, pad, zeros + 8);
    for (int i = 0; i < 32; i++)
        digest.byte[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

void lb_digest_text(const lb_digest *digest, char out[65])
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < 32; i++) {
        out[2 * i] = hex[digest->byte[i] >> 4];
        out[2 * i + 1] = hex[digest->byte[i] & 15];
    }
    out[64] = '\0';
}
