/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c: the slow halves of the pools, and the cache of large blocks. */
#include "base/mem.h"

#include <string.h>

/* ---- pool ------------------------------------------------------------------------------------ */

enum { CHUNK_HEAD = 64 }; /* keeps the objects aligned; its first word links the chunks */

void
c4pi_pool_init(c4pi_pool_t *pool, c4pi_port_t *port, size_t obj_size, size_t per_chunk)
{
    size_t align = obj_size % 64 ? 16 : 64;
    *pool = (c4pi_pool_t){.port = port,
                          .obj_size = obj_size ? (obj_size + align - 1) & ~(align - 1) : align,
                          .per_chunk = per_chunk ? per_chunk : 1};
}

static size_t
pool_chunk_len(const c4pi_pool_t *pool)
{
    return CHUNK_HEAD + pool->per_chunk * pool->obj_size;
}

void
c4pi_pool_fini(c4pi_pool_t *pool)
{
    while (pool->chunks) {
        void *chunk = pool->chunks;
        pool->chunks = *(void **)chunk;
        C4PI_UNPOISON(chunk, pool_chunk_len(pool));
        c4pi_free(pool->port, chunk, pool_chunk_len(pool));
    }
    pool->free_list = NULL;
    pool->in_use = 0;
}

void *
c4pi_pool_grow(c4pi_pool_t *pool)
{
    char *chunk = c4pi_alloc(pool->port, pool_chunk_len(pool));
    if (!chunk)
        return NULL;
    *(void **)chunk = pool->chunks;
    pool->chunks = chunk;
    /* From the last to the first, so that objects are handed out in rising order. */
    for (size_t i = pool->per_chunk; i-- > 0;) {
        void **obj = (void **)(chunk + CHUNK_HEAD + i * pool->obj_size);
        *obj = pool->free_list;
        pool->free_list = obj;
        C4PI_POISON(obj + 1, pool->obj_size - sizeof(*obj));
    }
    return c4pi_pool_get(pool);
}

/* ---- cache ----------------------------------------------------------------------------------- */

/* A class holds blocks of a power of two and a page: messages of a round size fit with their
 * headers. */
static const size_t cache_first = 8192;
static const size_t cache_slack = 4096;

static size_t
cache_class_cap(int cls)
{
    return (cache_first << cls) + cache_slack;
}

/* The class for len bytes; C4PI_CACHE_CLASSES if no class is large enough. */
static int
cache_class(size_t len)
{
    if (len <= cache_class_cap(0))
        return 0;
    if (len > cache_class_cap(C4PI_CACHE_CLASSES - 1))
        return C4PI_CACHE_CLASSES;
    return 64 - __builtin_clzll((unsigned long long)(len - cache_slack - 1)) - 13;
}

void
c4pi_cache_init(c4pi_cache_t *cache, c4pi_port_t *port, size_t max_held_bytes)
{
    *cache = (c4pi_cache_t){.port = port, .max_held_bytes = max_held_bytes};
}

static void *
cache_take(c4pi_cache_t *cache, int cls)
{
    void *block = cache->cls[cls].head;
    size_t cap = cache_class_cap(cls);
    C4PI_UNPOISON(block, cap);
    cache->cls[cls].head = *(void **)block;
    cache->cls[cls].count--;
    cache->held_bytes -= cap;
    return block;
}

void
c4pi_cache_fini(c4pi_cache_t *cache)
{
    for (int cls = 0; cls < C4PI_CACHE_CLASSES; cls++) {
        while (cache->cls[cls].head)
            c4pi_free(cache->port, cache_take(cache, cls), cache_class_cap(cls));
    }
}

void *
c4pi_cache_get(c4pi_cache_t *cache, size_t len, size_t *cap_out)
{
    int cls = cache_class(len);
    size_t cap = cls < C4PI_CACHE_CLASSES ? cache_class_cap(cls) : len;
    void *block;
    if (cls < C4PI_CACHE_CLASSES && cache->cls[cls].head) {
        block = cache_take(cache, cls);
    } else {
        block = c4pi_alloc(cache->port, cap);
        if (!block && cache->held_bytes) { /* what is held in vain may help here */
            c4pi_cache_fini(cache);
            block = c4pi_alloc(cache->port, cap);
        }
    }
    if (block)
        *cap_out = cap;
    return block;
}

/* A few blocks of each class always, more while the class stays below a quarter of the bound. */
static bool
cache_wants(const c4pi_cache_t *cache, int cls)
{
    size_t cap = cache_class_cap(cls), count = cache->cls[cls].count;
    return cap <= cache->max_held_bytes - cache->held_bytes &&
           (count < 4 || count * cap < cache->max_held_bytes / 4);
}

void
c4pi_cache_put(c4pi_cache_t *cache, void *block, size_t cap)
{
    int cls = cache_class(cap);
    if (cls == C4PI_CACHE_CLASSES || !cache_wants(cache, cls)) {
        c4pi_free(cache->port, block, cap);
        return;
    }
    *(void **)block = cache->cls[cls].head;
    cache->cls[cls].head = block;
    cache->cls[cls].count++;
    cache->held_bytes += cap;
    C4PI_POISON((char *)block + sizeof(void *), cap - sizeof(void *));
}
