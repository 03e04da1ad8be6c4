/* SPDX-License-Identifier: Apache-2.0 */
/* msg.c: life of message buffers: where their blocks come from, segments, copies, and the public
 * calls that need no runtime. */
#include "msg/msg.h"

#include <string.h>

/* Kept out of the short functions, which then need no stack frame. */
#define RARE __attribute__((noinline))

enum {
    SMALLEST_CLASS = 128, /* bytes of envelope + payload; each further class doubles */
    LARGEST_CLASS = SMALLEST_CLASS << (C4PI_MSG_CLASSES - 1),
    CHUNK_BYTES = 64 << 10,
    MAX_SEGMENTS = 64,
    /* A block from the cache starts with its size, in a line of its own. */
    CACHE_HEAD = 64
};

static const size_t cache_bytes = (size_t)256 << 20;

/* ---- blocks ---------------------------------------------------------------------------------- */

void
c4pi_msgs_init(c4pi_msgs_t *msgs, c4pi_port_t *port, c4p_rt_t *rt)
{
    *msgs = (c4pi_msgs_t){.port = port, .rt = rt};
    for (int cls = 0; cls < C4PI_MSG_CLASSES; cls++) {
        size_t size = offsetof(struct c4p_msg, env) + ((size_t)SMALLEST_CLASS << cls);
        c4pi_pool_init(&msgs->pools[cls], port, size, CHUNK_BYTES / size);
    }
    c4pi_pool_init(&msgs->extras, port, sizeof(c4pi_msg_extra_t), 64);
    c4pi_cache_init(&msgs->cache, port, cache_bytes);
}

void
c4pi_msgs_fini(c4pi_msgs_t *msgs)
{
    c4pi_cache_fini(&msgs->cache);
    c4pi_pool_fini(&msgs->extras);
    for (int cls = 0; cls < C4PI_MSG_CLASSES; cls++)
        c4pi_pool_fini(&msgs->pools[cls]);
}

static int
pool_class(size_t wire_len)
{
    return wire_len <= SMALLEST_CLASS ? 0
                                      : 64 - __builtin_clzll((unsigned long long)wire_len - 1) - 7;
}
_Static_assert(SMALLEST_CLASS == 1 << 7, "pool_class() knows the smallest class");

static c4p_msg_t *
large_block(c4pi_msgs_t *msgs, size_t payload_len)
{
    size_t len, cap;
    if (__builtin_add_overflow(payload_len, CACHE_HEAD + sizeof(struct c4p_msg), &len))
        return NULL;
    char *block = c4pi_cache_get(&msgs->cache, len, &cap);
    if (!block)
        return NULL;
    *(size_t *)(void *)block = cap;
    return (c4p_msg_t *)(void *)(block + CACHE_HEAD);
}

c4p_msg_t *
c4pi_msg_adopt(c4pi_msgs_t *msgs, c4p_msg_t *msg)
{
    memset(msg, 0, offsetof(struct c4p_msg, env));
    msg->home = msgs;
    msg->refs = 1;
    msg->cls = C4PI_MSG_CLS_GUEST;
    msgs->live++;
    return msg;
}

static inline c4p_msg_t *
msg_start(c4pi_msgs_t *msgs, c4p_msg_t *msg, size_t payload_len, int cls)
{
    char *header = (char *)msg;
    /* In parts: of one memset() for all, compilers make a slow string instruction. */
    for (size_t at = 0; at < sizeof(*msg); at += 32)
        memset(header + at, 0, 32);
    msg->home = msgs;
    msg->refs = 1;
    msg->cls = (uint8_t)cls;
    msg->env.len = payload_len;
    msgs->live++;
    return msg;
}

static bool
is_pooled(size_t payload_len)
{
    return payload_len <= LARGEST_CLASS - sizeof(c4pi_env_t);
}

RARE static c4p_msg_t *
alloc_slowly(c4pi_msgs_t *msgs, size_t payload_len)
{
    int cls = C4PI_MSG_CLS_CACHE;
    c4p_msg_t *msg;
    if (is_pooled(payload_len)) {
        cls = pool_class(payload_len + sizeof(c4pi_env_t));
        msg = c4pi_pool_get(&msgs->pools[cls]);
    } else {
        msg = large_block(msgs, payload_len);
    }
    return msg ? msg_start(msgs, msg, payload_len, cls) : NULL;
}

c4p_msg_t *
c4pi_msg_alloc(c4pi_msgs_t *msgs, size_t payload_len)
{
    if (!is_pooled(payload_len))
        return alloc_slowly(msgs, payload_len);
    int cls = pool_class(payload_len + sizeof(c4pi_env_t));
    if (!msgs->pools[cls].free_list)
        return alloc_slowly(msgs, payload_len);
    return msg_start(msgs, c4pi_pool_get(&msgs->pools[cls]), payload_len, cls);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void
release_extra(c4pi_msgs_t *msgs, c4pi_msg_extra_t *extra)
{
    for (uint32_t i = 0; i < extra->num_segments; i++) {
        if (extra->segments[i].release)
            extra->segments[i].release(extra->segments[i].ctx);
    }
    c4pi_free(msgs->port, extra->segments, extra->cap_segments * sizeof(*extra->segments));
    c4pi_pool_put(&msgs->extras, extra);
}

static void
release_belongings(c4pi_msgs_t *msgs, c4p_msg_t *msg)
{
    if (msg->peer && msgs->taken)
        msgs->taken(msgs->taken_ctx, msg);
    if (msg->object)
        msg->object_ops->drop(msgs->rt, msg->object);
    if (msg->extra)
        release_extra(msgs, msg->extra);
}

/* What only some messages have, and a block that is no pool's. */
RARE static void
destroy_slowly(c4pi_msgs_t *msgs, c4p_msg_t *msg)
{
    release_belongings(msgs, msg);
    msgs->live--;
    if (msg->cls == C4PI_MSG_CLS_CACHE) {
        char *block = (char *)msg - CACHE_HEAD;
        c4pi_cache_put(&msgs->cache, block, *(size_t *)(void *)block);
    } else if (msg->cls == C4PI_MSG_CLS_GUEST) {
        if (msgs->give_back)
            msgs->give_back(msgs->give_back_ctx, msg);
    } else {
        c4pi_pool_put(&msgs->pools[msg->cls], msg);
    }
}

void
c4pi_msg_destroy(c4p_msg_t *msg)
{
    c4pi_msgs_t *msgs = msg->home;
    if (msg->peer || msg->object || msg->extra || msg->cls >= C4PI_MSG_CLS_GUEST) {
        destroy_slowly(msgs, msg);
        return;
    }
    msgs->live--;
    c4pi_pool_put(&msgs->pools[msg->cls], msg);
}

/* ---- segments and copies --------------------------------------------------------------------- */

static c4p_status_t
extra_make_room(c4pi_msgs_t *msgs, c4pi_msg_extra_t *extra)
{
    if (extra->num_segments < extra->cap_segments)
        return C4P_OK;
    uint32_t cap = extra->cap_segments ? 2 * extra->cap_segments : 4;
    c4pi_segment_t *segments =
        c4pi_regrow(msgs->port, extra->segments, extra->cap_segments * sizeof(*segments),
                    cap * sizeof(*segments));
    if (!segments)
        return C4P_ERR_NOMEM;
    extra->segments = segments;
    extra->cap_segments = cap;
    return C4P_OK;
}

c4p_status_t
c4p_msg_attach(c4p_msg_t *msg, const void *data, size_t len, void (*release)(void *ctx), void *ctx)
{
    uint64_t total;
    if (!msg || msg->object || (!data && len))
        return C4P_ERR_ARG;
    c4pi_msgs_t *msgs = msg->home;
    c4pi_msg_extra_t *extra = msg->extra;
    if ((extra && extra->num_segments == MAX_SEGMENTS) ||
        __builtin_add_overflow(msg->env.len, (uint64_t)len, &total))
        return C4P_ERR_LIMIT;
    if (!extra) {
        extra = c4pi_pool_get(&msgs->extras);
        if (!extra)
            return C4P_ERR_NOMEM;
        *extra = (c4pi_msg_extra_t){.inline_len = (size_t)msg->env.len};
    }
    c4p_status_t st = extra_make_room(msgs, extra);
    if (st != C4P_OK) {
        if (!msg->extra)
            c4pi_pool_put(&msgs->extras, extra);
        return st;
    }
    extra->segments[extra->num_segments++] =
        (c4pi_segment_t){.data = data, .len = len, .release = release, .ctx = ctx};
    msg->extra = extra;
    msg->env.len = total;
    return C4P_OK;
}

c4p_status_t
c4p_msg_lend(c4p_msg_t *msg, const void *data, size_t len, void (*release)(void *ctx), void *ctx)
{
    c4p_status_t st = c4p_msg_attach(msg, data, len, release, ctx);
    if (st == C4P_OK)
        msg->extra->lent = msg->extra->segments[msg->extra->num_segments - 1].lent = true;
    return st;
}

static void
drop_message(void *ctx)
{
    c4pi_msg_drop(ctx);
}

c4p_status_t
c4pi_msg_copy_lent(c4p_msg_t **msg)
{
    c4p_msg_t *m = *msg;
    if (m->refs > 1) /* others see its segments too */
        return c4pi_msg_flatten(msg);
    for (uint32_t i = 0; i < m->extra->num_segments; i++) {
        c4pi_segment_t *segment = &m->extra->segments[i], old = *segment;
        if (!old.lent)
            continue;
        c4p_msg_t *copy = c4pi_msg_alloc(m->home, old.len); /* only as memory */
        if (!copy)
            return C4P_ERR_NOMEM;
        if (old.len)
            memcpy(copy + 1, old.data, old.len);
        *segment = (c4pi_segment_t){
            .data = copy + 1, .len = old.len, .release = drop_message, .ctx = copy};
        if (old.release)
            old.release(old.ctx);
    }
    m->extra->lent = false;
    return C4P_OK;
}

void
c4pi_msg_copy_payload(void *to, const c4p_msg_t *msg)
{
    char *at = to;
    size_t len = c4pi_msg_inline_len(msg);
    memcpy(at, msg + 1, len);
    at += len;
    for (uint32_t i = 0; msg->extra && i < msg->extra->num_segments; i++) {
        const c4pi_segment_t *segment = &msg->extra->segments[i];
        if (segment->len)
            memcpy(at, segment->data, segment->len);
        at += segment->len;
    }
}

/* Bytes that stand for the object, under the envelope of its message. */
static c4p_msg_t *
copy_object(c4pi_msgs_t *msgs, const c4p_msg_t *msg)
{
    c4p_msg_t *flat;
    if (msg->object_ops->flatten(msgs->rt, msg->object, &flat) != C4P_OK)
        return NULL;
    if (c4pi_msg_flatten(&flat) != C4P_OK) {
        c4pi_msg_drop(flat);
        return NULL;
    }
    c4pi_env_t env = msg->env;
    env.len = flat->env.len;
    if (flat->env.tag)
        env.tag = flat->env.tag;
    flat->env = env;
    return flat;
}

c4p_msg_t *
c4pi_msg_copy(c4pi_msgs_t *msgs, const c4p_msg_t *msg)
{
    if (msg->object)
        return copy_object(msgs, msg);
    c4p_msg_t *copy = c4pi_msg_alloc(msgs, (size_t)msg->env.len);
    if (copy) {
        copy->env = msg->env;
        c4pi_msg_copy_payload(copy + 1, msg);
    }
    return copy;
}

c4p_status_t
c4pi_msg_flatten(c4p_msg_t **msg)
{
    c4p_msg_t *old = *msg;
    if (!old->extra)
        return C4P_OK;
    c4p_msg_t *flat = c4pi_msg_copy(old->home, old);
    if (!flat)
        return C4P_ERR_NOMEM;
    flat->where = old->where;
    /* What is owed for it passes on; for a shared message the other owners settle it. */
    if (old->refs == 1) {
        flat->peer = old->peer;
        flat->credit = old->credit;
        old->peer = NULL;
    }
    c4pi_msg_drop(old);
    *msg = flat;
    return C4P_OK;
}

/* ---- public calls ---------------------------------------------------------------------------- */

void *
c4p_msg_object(const c4p_msg_t *msg)
{
    return msg->object;
}

void *
c4p_msg_data(c4p_msg_t *msg)
{
    return c4pi_msg_payload(msg);
}

size_t
c4p_msg_len(const c4p_msg_t *msg)
{
    return c4pi_msg_inline_len(msg);
}

void
c4p_msg_trim(c4p_msg_t *msg, size_t len)
{
    if (!msg->extra && len < msg->env.len)
        msg->env.len = len;
}

void
c4p_msg_keep(c4p_msg_t *msg)
{
    c4pi_msg_keep(msg);
}

bool
c4p_msg_exclusive(const c4p_msg_t *msg)
{
    return msg->refs == 1;
}

void
c4p_msg_free(c4p_msg_t *msg)
{
    if (msg)
        c4pi_msg_drop(msg);
}

void
c4p_msg_set_priority(c4p_msg_t *msg, int32_t priority)
{
    msg->env.priority = priority;
}

void
c4p_msg_set_tag(c4p_msg_t *msg, uint32_t tag)
{
    msg->env.tag = tag;
}

uint32_t
c4p_msg_tag(const c4p_msg_t *msg)
{
    return msg->env.tag;
}

int
c4p_msg_source(const c4p_msg_t *msg)
{
    return (int)msg->env.source;
}
