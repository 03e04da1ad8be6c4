/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <string.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t
load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void
store32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (24 - 8 * i));
}

static inline uint32_t
rotate(uint32_t v, int n)
{
    return v >> n | v << (32 - n);
}

/* One round; the letters of the standard, but for the rotation of names. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        uint32_t t = (h) + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +                        \
                     (((e) & (f)) ^ (~(e) & (g))) + round_constants[i] + w[i];                     \
        (d) += t;                                                                                  \
        (h) = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +                                 \
              (((a) & (b)) ^ ((a) & (c)) ^ ((b) & (c)));                                           \
    } while (0)

static void
take_block(uint32_t state[8], const uint8_t *at)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 16; i++)
        w[i] = load32(at + 4 * i);
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
               w[i - 7] + (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    const uint32_t sum[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += sum[i];
}

void
c4pi_sha256_init(c4pi_sha256_t *sha)
{
    *sha = (c4pi_sha256_t){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                     0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void
c4pi_sha256_add(c4pi_sha256_t *sha, const void *data, size_t len)
{
    const uint8_t *at = data;
    size_t filled = sha->len % C4PI_SHA256_BLOCK;
    sha->len += len;
    if (filled && len) {
        size_t part = C4PI_SHA256_BLOCK - filled < len ? C4PI_SHA256_BLOCK - filled : len;
        memcpy(sha->block + filled, at, part);
        at += part;
        len -= part;
        if (filled + part == C4PI_SHA256_BLOCK)
            take_block(sha->state, sha->block);
    }
    for (; len >= C4PI_SHA256_BLOCK; at += C4PI_SHA256_BLOCK, len -= C4PI_SHA256_BLOCK)
        take_block(sha->state, at);
    if (len)
        memcpy(sha->block, at, len);
}

void
c4pi_sha256_end(c4pi_sha256_t *sha, uint8_t digest_out[C4PI_SHA256_LEN])
{
    static const uint8_t padding[C4PI_SHA256_BLOCK] = {0x80};
    uint8_t bits[8];
    store32(bits, (uint32_t)(sha->len >> 29));
    store32(bits + 4, (uint32_t)(sha->len << 3));
    c4pi_sha256_add(sha, padding, 1 + (119 - sha->len % C4PI_SHA256_BLOCK) % C4PI_SHA256_BLOCK);
    c4pi_sha256_add(sha, bits, sizeof bits);
    for (int i = 0; i < 8; i++)
        store32(digest_out + 4 * i, sha->state[i]);
}

void
c4pi_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t mac_out[C4PI_SHA256_LEN])
{
    uint8_t block[C4PI_SHA256_BLOCK] = {0}, digest[C4PI_SHA256_LEN];
    c4pi_sha256_t sha;
    c4pi_sha256_init(&sha);
    if (key_len > sizeof block) {
        c4pi_sha256_add(&sha, key, key_len);
        c4pi_sha256_end(&sha, block);
        c4pi_sha256_init(&sha);
    } else if (key_len) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    c4pi_sha256_add(&sha, block, sizeof block);
    c4pi_sha256_add(&sha, data, len);
    c4pi_sha256_end(&sha, digest);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    c4pi_sha256_init(&sha);
    c4pi_sha256_add(&sha, block, sizeof block);
    c4pi_sha256_add(&sha, digest, sizeof digest);
    c4pi_sha256_end(&sha, mac_out);
}

bool
c4pi_sha256_same(const uint8_t a[C4PI_SHA256_LEN], const uint8_t b[C4PI_SHA256_LEN])
{
    uint8_t differing = 0;
    for (int i = 0; i < C4PI_SHA256_LEN; i++)
        differing |= a[i] ^ b[i];
    return differing == 0;
}
