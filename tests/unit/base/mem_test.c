/* SPDX-License-Identifier: Apache-2.0 */
/* Pools and the cache of large blocks. */
#include "base/mem.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

static fail_alloc_t fa;

static c4pi_port_t *
real_port(void)
{
    static c4pi_port_t *port;
    if (!port)
        CHECK_OK(c4pi_port_real_new(NULL, &port));
    return port;
}

/* A port that counts, and checks what is given back; fails nothing. */
static c4pi_port_t *
counting_port(void)
{
    CHECK(fail_alloc_begin(&fa, real_port(), 1));
    fa.fail_at = 0;
    return &fa.port;
}

/* ---- pool ------------------------------------------------------------------------------------ */

static void
objects_are_aligned_and_do_not_overlap(void)
{
    static const size_t sizes[] = {1, 8, 16, 24, 48, 64, 65, 112, 128, 192, 4160};
    enum { COUNT = 100 };
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        unsigned char *objs[COUNT];
        size_t size = sizes[s];
        c4pi_pool_t pool;
        c4pi_pool_init(&pool, counting_port(), size, 7); /* several chunks */
        for (int i = 0; i < COUNT; i++) {
            objs[i] = c4pi_pool_get(&pool);
            CHECK(objs[i] != NULL);
            CHECK_EQ(0, (uintptr_t)objs[i] % (size % 64 ? 16 : 64));
            memset(objs[i], i, size);
        }
        CHECK_EQ(COUNT, pool.in_use);
        for (int i = 0; i < COUNT; i++) {
            for (size_t b = 0; b < size; b++)
                CHECK_EQ(i, objs[i][b]);
        }
        c4pi_pool_fini(&pool);
        fail_alloc_end(&fa);
    }
}

static void
freed_objects_are_used_again_before_memory_is_taken(void)
{
    void *objs[50];
    c4pi_pool_t pool;
    c4pi_pool_init(&pool, counting_port(), 32, 10);
    CHECK_EQ(0, fa.count); /* nothing before the first get */
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++)
            objs[i] = c4pi_pool_get(&pool);
        for (int i = 0; i < 50; i++)
            c4pi_pool_put(&pool, objs[i]);
    }
    CHECK_EQ(5, fa.count);
    CHECK_EQ(0, pool.in_use);
    c4pi_pool_fini(&pool);
    c4pi_pool_fini(&pool); /* twice does no harm */
    fail_alloc_end(&fa);
}

static void
a_pool_survives_lack_of_memory(void)
{
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        c4pi_pool_t pool;
        c4pi_pool_init(&pool, &fa.port, 64, 2);
        size_t got = 0;
        for (int i = 0; i < 7; i++)
            got += c4pi_pool_get(&pool) != NULL;
        CHECK_EQ(got, pool.in_use);
        CHECK_EQ(fail_alloc_hit(&fa) ? 6 : 7, got); /* one get fails, the next one tries again */
        c4pi_pool_fini(&pool);
        fail_alloc_end(&fa);
    }
}

/* ---- cache ----------------------------------------------------------------------------------- */

static void
a_block_of_a_round_size_and_headers_fits_its_class(void)
{
    c4pi_cache_t cache;
    c4pi_cache_init(&cache, counting_port(), (size_t)64 << 20);
    for (int log = 13; log <= 22; log++) {
        size_t cap, len = ((size_t)1 << log) + 4096;
        void *block = c4pi_cache_get(&cache, len, &cap);
        CHECK_EQ(len, cap);
        c4pi_cache_put(&cache, block, cap);
        block = c4pi_cache_get(&cache, len + 1, &cap);
        CHECK_EQ(((size_t)2 << log) + 4096, cap);
        c4pi_cache_put(&cache, block, cap);
    }
    c4pi_cache_fini(&cache);
    fail_alloc_end(&fa);
}

static void
blocks_are_recycled_by_class(void)
{
    c4pi_cache_t cache;
    size_t cap, cap_again;
    c4pi_cache_init(&cache, counting_port(), (size_t)64 << 20);
    void *block = c4pi_cache_get(&cache, 100000, &cap);
    CHECK_EQ(0, (uintptr_t)block % 64);
    memset(block, 1, cap);
    c4pi_cache_put(&cache, block, cap);
    CHECK_EQ(cap, cache.held_bytes);
    CHECK_EQ(block, c4pi_cache_get(&cache, 120000, &cap_again));
    CHECK_EQ(cap, cap_again);
    CHECK_EQ(0, cache.held_bytes);
    memset(block, 2, cap);
    c4pi_cache_put(&cache, block, cap);
    CHECK_EQ(1, fa.count);
    void *other = c4pi_cache_get(&cache, 10000, &cap_again); /* another class */
    CHECK(other != block);
    c4pi_cache_put(&cache, other, cap_again);
    c4pi_cache_fini(&cache);
    CHECK_EQ(0, cache.held_bytes);
    fail_alloc_end(&fa);
}

static void
the_cache_never_holds_more_than_its_bound(void)
{
    enum { SLOTS = 64 };
    static struct {
        void *p;
        size_t len, cap;
    } slots[SLOTS];
    prng_t prng = {1};
    c4pi_cache_t cache;
    memset(slots, 0, sizeof(slots));
    c4pi_cache_init(&cache, counting_port(), (size_t)4 << 20);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)prng_below(&prng, SLOTS);
        if (slots[i].p) {
            CHECK_EQ(i, *(unsigned char *)slots[i].p);
            CHECK_EQ(i, ((unsigned char *)slots[i].p)[slots[i].len - 1]);
            c4pi_cache_put(&cache, slots[i].p, slots[i].cap);
            slots[i].p = NULL;
        } else {
            size_t len = (size_t)1 << prng_below(&prng, 21);
            slots[i].len = len + (size_t)prng_below(&prng, len);
            slots[i].p = c4pi_cache_get(&cache, slots[i].len, &slots[i].cap);
            CHECK(slots[i].p && slots[i].cap >= slots[i].len);
            *(unsigned char *)slots[i].p = (unsigned char)i;
            ((unsigned char *)slots[i].p)[slots[i].len - 1] = (unsigned char)i;
        }
        CHECK(cache.held_bytes <= cache.max_held_bytes);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].p)
            c4pi_cache_put(&cache, slots[i].p, slots[i].cap);
    }
    CHECK(cache.held_bytes > 0);
    c4pi_cache_fini(&cache);
    fail_alloc_end(&fa);
}

static void
one_size_cannot_fill_the_whole_cache(void)
{
    enum { COUNT = 2000 };
    static void *blocks[COUNT];
    c4pi_cache_t cache;
    size_t cap = 0;
    c4pi_cache_init(&cache, counting_port(), (size_t)16 << 20);
    for (int i = 0; i < COUNT; i++)
        blocks[i] = c4pi_cache_get(&cache, 9000, &cap);
    for (int i = 0; i < COUNT; i++)
        c4pi_cache_put(&cache, blocks[i], cap);
    CHECK(cache.held_bytes >= (size_t)3 << 20); /* 24 MB came back */
    CHECK(cache.held_bytes <= (size_t)5 << 20);
    c4pi_cache_fini(&cache);
    fail_alloc_end(&fa);
}

static void
held_blocks_are_given_up_when_memory_is_short(void)
{
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        c4pi_cache_t cache;
        size_t cap = 1, cap_big = 1;
        c4pi_cache_init(&cache, &fa.port, (size_t)64 << 20);
        void *block = c4pi_cache_get(&cache, 50000, &cap);
        CHECK(block || cap == 1); /* outputs untouched */
        if (block)
            c4pi_cache_put(&cache, block, cap);
        void *big = c4pi_cache_get(&cache, 5000000, &cap_big);
        CHECK(big != NULL); /* the second try comes after giving up the held block */
        CHECK_EQ(n == 2 ? 0 : n == 1 ? 0 : cap, cache.held_bytes);
        c4pi_cache_put(&cache, big, cap_big);
        c4pi_cache_fini(&cache);
        fail_alloc_end(&fa);
    }
}

TEST_CASES(objects_are_aligned_and_do_not_overlap,
           freed_objects_are_used_again_before_memory_is_taken, a_pool_survives_lack_of_memory,
           a_block_of_a_round_size_and_headers_fits_its_class, blocks_are_recycled_by_class,
           the_cache_never_holds_more_than_its_bound, one_size_cannot_fill_the_whole_cache,
           held_blocks_are_given_up_when_memory_is_short)
