/* SPDX-License-Identifier: Apache-2.0 */
/* msg.h: the message buffer from inside. Reference-counted, owner's thread only.
 *
 *   [ struct c4p_msg 64 B (local) | envelope 64 B (wire) | payload ... ]
 *
 * is one block; each of the three parts is aligned to 64 bytes.
 *
 * Blocks up to 4 KiB of envelope + payload come from pools (classes 128, 256, 512, 1024, 2048, 4096
 * bytes of envelope + payload), larger ones from the recycling cache, behind a line that tells the
 * block's size. A message of an object (see c4p/msg.h) has no payload. */
#ifndef C4PI_MSG_H
#define C4PI_MSG_H

#include <c4p/msg.h>

#include "base/mem.h"
#include "msg/envelope.h"

typedef struct c4pi_segment {
    const void *data;
    size_t len;
    void (*release)(void *ctx);
    void *ctx;
    bool lent; /* the caller's again when the call that sends returns */
} c4pi_segment_t;

/* What a message has only rarely, allocated on demand. */
typedef struct c4pi_msg_extra {
    uint32_t num_segments, cap_segments;
    bool lent;         /* some segment is */
    size_t inline_len; /* payload bytes in the block itself; the rest of env.len is in segments */
    c4pi_segment_t *segments;
} c4pi_msg_extra_t;

struct c4p_msg {
    struct c4p_msg *next;   /* one queue at a time */
    struct c4pi_msgs *home; /* where the block goes back to */
    void *where;  /* queued for this element record (core), or free for the holder's use */
    void *peer;   /* comm: who must be credited when the message is done; NULL: nobody */
    void *object; /* message of an object */
    const c4p_object_ops_t *object_ops;
    c4pi_msg_extra_t *extra;
    uint32_t refs;
    uint8_t cls; /* pool class, or C4PI_MSG_CLS_* */
    uint8_t spare;
    uint16_t credit; /* comm: bytes to be credited to the peer */
    c4pi_env_t env;  /* from here on: what goes over the wire */
    /* payload follows */
};
_Static_assert(offsetof(struct c4p_msg, env) == 64, "the envelope starts the second cache line");
_Static_assert(sizeof(struct c4p_msg) == 128, "the payload starts the third cache line");

enum {
    C4PI_MSG_CLASSES = 6,
    C4PI_MSG_CLS_GUEST = 254, /* the block is not ours: give_back() */
    C4PI_MSG_CLS_CACHE = 255
};

/* The message memory of one runtime. */
typedef struct c4pi_msgs {
    c4pi_port_t *port;
    c4p_rt_t *rt; /* handed to object ops */
    c4pi_pool_t pools[C4PI_MSG_CLASSES];
    c4pi_pool_t extras;
    c4pi_cache_t cache;
    uint64_t live; /* messages not yet freed */
    /* Called when the last owner drops a message that has a peer: comm returns credit. */
    void (*taken)(void *ctx, c4p_msg_t *msg);
    void *taken_ctx;
    /* Called when the last owner drops a message made by c4pi_msg_adopt(): its block goes back. */
    void (*give_back)(void *ctx, c4p_msg_t *msg);
    void *give_back_ctx;
} c4pi_msgs_t;

void c4pi_msgs_init(c4pi_msgs_t *msgs, c4pi_port_t *port, c4p_rt_t *rt);
void c4pi_msgs_fini(c4pi_msgs_t *msgs);

/* A message with a zeroed envelope but for len, one owner. NULL when out of memory. */
c4p_msg_t *c4pi_msg_alloc(c4pi_msgs_t *msgs, size_t payload_len);

/* Make a message of memory that somebody else provides, in the usual layout with a valid envelope:
 * its local part is filled in. One owner; when the last drops it, msgs->give_back is called. */
c4p_msg_t *c4pi_msg_adopt(c4pi_msgs_t *msgs, c4p_msg_t *msg);

static inline void *
c4pi_msg_payload(c4p_msg_t *msg)
{
    return msg + 1;
}

static inline c4p_msg_t *
c4pi_msg_keep(c4p_msg_t *msg)
{
    msg->refs++;
    return msg;
}

void c4pi_msg_destroy(c4p_msg_t *msg); /* the slow part of drop */

static inline void
c4pi_msg_drop(c4p_msg_t *msg)
{
    if (--msg->refs == 0)
        c4pi_msg_destroy(msg);
}

/* Payload bytes that stand in the block itself: all, unless segments are attached. */
static inline size_t
c4pi_msg_inline_len(const c4p_msg_t *msg)
{
    return msg->extra ? msg->extra->inline_len : (size_t)msg->env.len;
}

/* A private copy (one owner, same envelope, segments flattened into it). Of an object message: the
 * bytes that its flatten makes, under the message's envelope but for len, and for the tag if
 * flatten set one. NULL when out of memory or when flatten fails. */
c4p_msg_t *c4pi_msg_copy(c4pi_msgs_t *msgs, const c4p_msg_t *msg);

/* Copy segments into the block so that the payload is contiguous; called when a message stays on
 * this rank. May replace *msg. C4P_OK, or C4P_ERR_NOMEM with everything as it was. */
c4p_status_t c4pi_msg_flatten(c4p_msg_t **msg);

/* Write the payload, segments behind each other, to `to`, which has room for env.len bytes. Not for
 * messages of objects. */
void c4pi_msg_copy_payload(void *to, const c4p_msg_t *msg);

c4p_status_t c4pi_msg_copy_lent(c4p_msg_t **msg); /* the slow part of own */

/* To be called where a message is kept beyond the call that sends it: lent segments are copied, and
 * the message with them if it has other owners. C4P_OK, or C4P_ERR_NOMEM with everything still
 * valid. */
static inline c4p_status_t
c4pi_msg_own(c4p_msg_t **msg)
{
    return (*msg)->extra && (*msg)->extra->lent ? c4pi_msg_copy_lent(msg) : C4P_OK;
}

/* Make *msg fit to be sent by its owner: a copy of its own if others own it too (what is queued,
 * logged or on the wire must not change), without what an earlier journey left in the envelope.
 * C4P_ERR_NOMEM leaves everything as it was. */
static inline c4p_status_t
c4pi_msg_prepare(c4p_msg_t **msg)
{
    if ((*msg)->refs > 1) {
        c4p_msg_t *copy = c4pi_msg_copy((*msg)->home, *msg);
        if (!copy)
            return C4P_ERR_NOMEM;
        c4pi_msg_drop(*msg);
        *msg = copy;
    }
    (*msg)->env.hint_nonce = (*msg)->env.hint_epoch = 0;
    (*msg)->env.hops = 0;
    (*msg)->env.flags &= C4PI_FLAG_RESULT;
    return C4P_OK;
}

/* A FIFO of messages through their next pointers. */
typedef struct c4pi_fifo {
    c4p_msg_t *head, *tail;
    uint64_t count;
} c4pi_fifo_t;

static inline void
c4pi_fifo_push(c4pi_fifo_t *q, c4p_msg_t *msg)
{
    msg->next = NULL;
    if (q->tail)
        q->tail->next = msg;
    else
        q->head = msg;
    q->tail = msg;
    q->count++;
}

static inline c4p_msg_t *
c4pi_fifo_pop(c4pi_fifo_t *q)
{
    c4p_msg_t *msg = q->head;
    if (msg) {
        q->head = msg->next;
        if (!q->head)
            q->tail = NULL;
        msg->next = NULL;
        q->count--;
    }
    return msg;
}

#endif
