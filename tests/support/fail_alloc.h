/* SPDX-License-Identifier: Apache-2.0 */
/* fail_alloc.h: a port around another one that fails the n-th allocation, knows what is still
 * allocated, and notices a block that is freed with a wrong length. A scenario is rerun, failing
 * each allocation in turn, until one run asks for no more:
 *
 *     fail_alloc_t fa;
 *     for (uint64_t n = 1; fail_alloc_begin(&fa, inner_port, n); n++) {
 *         c4p_status_t st = scenario(&fa.port);          // must free what it made, also on failure
 *         CHECK_STATUS(fail_alloc_hit(&fa) ? C4P_ERR_NOMEM : C4P_OK, st);
 *         fail_alloc_end(&fa);                           // checks that nothing leaked
 *     }
 *
 * One thread. */
#ifndef C4PT_FAIL_ALLOC_H
#define C4PT_FAIL_ALLOC_H

#include "base/port.h"
#include "support/test.h"

#define FAIL_ALLOC_MAX_BLOCKS 65536

typedef struct fail_alloc_block {
    void *p;
    size_t len;
} fail_alloc_block_t;

typedef struct fail_alloc {
    c4pi_port_t port; /* give this one to the code under test; first member */
    c4pi_port_t *inner;
    uint64_t fail_at; /* fail this allocation, counted from 1; 0: none */
    uint64_t count;   /* allocations asked for */
    bool was_hit;     /* the previous run failed one, so there may be more */
    bool wrong_free;
    size_t num_blocks;
    fail_alloc_block_t blocks[FAIL_ALLOC_MAX_BLOCKS];
} fail_alloc_t;

static inline c4pi_port_t *
fail_alloc_inner(c4pi_port_t *port)
{
    return ((fail_alloc_t *)(void *)port)->inner;
}

static inline void *
fail_alloc_alloc(c4pi_port_t *port, size_t len)
{
    fail_alloc_t *fa = (fail_alloc_t *)(void *)port;
    if (++fa->count == fa->fail_at)
        return NULL;
    CHECK(fa->num_blocks < FAIL_ALLOC_MAX_BLOCKS);
    void *p = c4pi_alloc(fa->inner, len);
    if (p)
        fa->blocks[fa->num_blocks++] = (fail_alloc_block_t){p, len};
    return p;
}

static inline void
fail_alloc_free(c4pi_port_t *port, void *p, size_t len)
{
    fail_alloc_t *fa = (fail_alloc_t *)(void *)port;
    size_t i = fa->num_blocks; /* young blocks die first */
    if (!p)
        return;
    while (i > 0 && fa->blocks[i - 1].p != p)
        i--;
    if (i == 0 || fa->blocks[i - 1].len != len)
        fa->wrong_free = true; /* reported by fail_alloc_end(): no jump out of the code under test
                                */
    if (i > 0) {
        len = fa->blocks[i - 1].len;
        fa->blocks[i - 1] = fa->blocks[--fa->num_blocks];
        c4pi_free(fa->inner, p, len);
    }
}

static inline uint64_t
fail_alloc_now_ns(c4pi_port_t *port)
{
    return c4pi_now_ns(fail_alloc_inner(port));
}

static inline uint64_t
fail_alloc_cpu_ns(c4pi_port_t *port)
{
    c4pi_port_t *inner = fail_alloc_inner(port);
    return inner->ops->cpu_ns(inner);
}

static inline uint64_t
fail_alloc_random_u64(c4pi_port_t *port)
{
    c4pi_port_t *inner = fail_alloc_inner(port);
    return inner->ops->random_u64(inner);
}

static inline void
fail_alloc_sleep_ns(c4pi_port_t *port, uint64_t ns)
{
    c4pi_port_t *inner = fail_alloc_inner(port);
    inner->ops->sleep_ns(inner, ns);
}

static inline void
fail_alloc_yield(c4pi_port_t *port)
{
    c4pi_port_t *inner = fail_alloc_inner(port);
    inner->ops->yield(inner);
}

/* Logs would only repeat "out of memory" for every n. */
static inline void
fail_alloc_write_log(c4pi_port_t *port, c4p_log_level_t level, const char *line)
{
    (void)port, (void)level, (void)line;
}

static inline void
fail_alloc_write_report(c4pi_port_t *port, const char *text, size_t len)
{
    (void)port, (void)text, (void)len;
}

static inline const char *
fail_alloc_getenv(c4pi_port_t *port, const char *name)
{
    c4pi_port_t *inner = fail_alloc_inner(port);
    return inner->ops->getenv(inner, name);
}

static inline void
fail_alloc_free_port(c4pi_port_t *port)
{
    (void)port; /* the caller's storage, and the inner port is the caller's too */
}

/* Start run number `n` (from 1). False when the run before failed no allocation, so that all have
 * been tried. */
static inline bool
fail_alloc_begin(fail_alloc_t *fa, c4pi_port_t *inner, uint64_t n)
{
    static const c4pi_port_ops_t ops = {
        .now_ns = fail_alloc_now_ns,
        .cpu_ns = fail_alloc_cpu_ns,
        .random_u64 = fail_alloc_random_u64,
        .alloc = fail_alloc_alloc,
        .free = fail_alloc_free,
        .sleep_ns = fail_alloc_sleep_ns,
        .yield = fail_alloc_yield,
        .write_log = fail_alloc_write_log,
        .write_report = fail_alloc_write_report,
        .getenv = fail_alloc_getenv,
        .free_port = fail_alloc_free_port,
    };
    if (n > 1 && !fa->was_hit)
        return false;
    fa->port = *inner;
    fa->port.ops = &ops;
    fa->inner = inner;
    fa->fail_at = n;
    fa->count = 0;
    fa->was_hit = false;
    fa->wrong_free = false;
    fa->num_blocks = 0;
    return true;
}

/* True once the allocation that this run fails has been asked for. */
static inline bool
fail_alloc_hit(const fail_alloc_t *fa)
{
    return fa->fail_at != 0 && fa->count >= fa->fail_at;
}

/* End a run: nothing may be left, and everything must have been freed with its own length. */
static inline void
fail_alloc_end(fail_alloc_t *fa)
{
    fa->was_hit = fail_alloc_hit(fa);
    if (fa->num_blocks)
        FAIL("%zu blocks leaked (the last of %zu bytes) when allocation %" PRIu64 " fails",
             fa->num_blocks, fa->blocks[fa->num_blocks - 1].len, fa->fail_at);
    if (fa->wrong_free)
        FAIL("a block was freed twice or with a wrong length when allocation %" PRIu64 " fails",
             fa->fail_at);
}

#endif
