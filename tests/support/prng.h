/* SPDX-License-Identifier: Apache-2.0 */
/* prng.h: random numbers for tests that compare with a simple model: the same in every run. */
#ifndef C4PT_PRNG_H
#define C4PT_PRNG_H

#include <stdint.h>

typedef struct prng {
    uint64_t state;
} prng_t;

static inline uint64_t
prng_next(prng_t *prng)
{
    uint64_t z = (prng->state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n-1 */
static inline uint64_t
prng_below(prng_t *prng, uint64_t n)
{
    return prng_next(prng) % n;
}

#endif
