/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.h: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104). Any thread. */
#ifndef C4PI_SHA256_H
#define C4PI_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { C4PI_SHA256_LEN = 32, C4PI_SHA256_BLOCK = 64 };

typedef struct c4pi_sha256 {
    uint32_t state[8];
    uint64_t len; /* bytes so far */
    uint8_t block[C4PI_SHA256_BLOCK];
} c4pi_sha256_t;

void c4pi_sha256_init(c4pi_sha256_t *sha);
void c4pi_sha256_add(c4pi_sha256_t *sha, const void *data, size_t len);
/* The digest of what was added; *sha is used up, a copy of it before would go on. */
void c4pi_sha256_end(c4pi_sha256_t *sha, uint8_t digest_out[C4PI_SHA256_LEN]);

void c4pi_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      uint8_t mac_out[C4PI_SHA256_LEN]);

/* Compares all bytes, so that the time it takes tells nothing. */
bool c4pi_sha256_same(const uint8_t a[C4PI_SHA256_LEN], const uint8_t b[C4PI_SHA256_LEN]);

#endif
