/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h: fixed-size object pools and recycled large blocks on top of the port. Owner's thread only.
 *
 *   pool:  chunk [ obj | obj | obj ... ]  ->  free list through the objects' first word
 *   cache: classes of 8 KiB * 2^n, and a page for headers; bounded in total; saves page faults
 *
 * Under AddressSanitizer free objects and blocks are poisoned but for their first word, so that
 * late uses are reported. */
#ifndef C4PI_MEM_H
#define C4PI_MEM_H

#include "base/port.h"

#if defined(__SANITIZE_ADDRESS__)
#define C4PI_POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define C4PI_POISONING 1
#endif
#endif
#ifdef C4PI_POISONING
#include <sanitizer/asan_interface.h>
#define C4PI_POISON(p, len)   __asan_poison_memory_region(p, len)
#define C4PI_UNPOISON(p, len) __asan_unpoison_memory_region(p, len)
#else
#define C4PI_POISON(p, len)   ((void)0)
#define C4PI_UNPOISON(p, len) ((void)0)
#endif

typedef struct c4pi_pool {
    c4pi_port_t *port;
    void *free_list;
    void *chunks;
    size_t obj_size;
    size_t in_use; /* objects handed out */
    size_t per_chunk;
} c4pi_pool_t;

/* obj_size is rounded up to 16; multiples of 64 are aligned to 64. No memory is taken before the
 * first get. */
void c4pi_pool_init(c4pi_pool_t *pool, c4pi_port_t *port, size_t obj_size, size_t per_chunk);
/* Returns all chunks; objects still in use become invalid. */
void c4pi_pool_fini(c4pi_pool_t *pool);
void *c4pi_pool_grow(c4pi_pool_t *pool); /* the slow part of get; NULL when out of memory */

static inline void *
c4pi_pool_get(c4pi_pool_t *pool)
{
    void **obj = pool->free_list;
    if (!obj)
        return c4pi_pool_grow(pool);
    C4PI_UNPOISON(obj, pool->obj_size);
    pool->free_list = *obj;
    pool->in_use++;
    return obj;
}

static inline void
c4pi_pool_put(c4pi_pool_t *pool, void *obj)
{
    *(void **)obj = pool->free_list;
    pool->free_list = obj;
    pool->in_use--;
    C4PI_POISON((char *)obj + sizeof(void *), pool->obj_size - sizeof(void *));
}

#define C4PI_CACHE_CLASSES 20 /* 8 KiB .. 4 GiB, each and 4 KiB; larger blocks are not held */

typedef struct c4pi_cache {
    c4pi_port_t *port;
    struct {
        void *head;
        uint32_t count;
    } cls[C4PI_CACHE_CLASSES];
    size_t held_bytes, max_held_bytes;
} c4pi_cache_t;

void c4pi_cache_init(c4pi_cache_t *cache, c4pi_port_t *port, size_t max_held_bytes);
void c4pi_cache_fini(c4pi_cache_t *cache);
/* A block of at least len bytes, aligned to 64; *cap_out is its real size, to be given back to put.
 * NULL when out of memory, with *cap_out untouched; what the cache holds is given back to the port
 * before that. */
void *c4pi_cache_get(c4pi_cache_t *cache, size_t len, size_t *cap_out);
void c4pi_cache_put(c4pi_cache_t *cache, void *block, size_t cap);

#endif
