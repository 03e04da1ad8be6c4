/* SPDX-License-Identifier: Apache-2.0 */
/* msg.h: message buffers. A message is an envelope that the runtime fills, a payload of bytes, and
 * optionally segments: the caller's own memory that is sent without copying and arrives as part of
 * the payload. Messages must be valid, and NULL is not, where nothing else is said. */
#ifndef C4P_MSG_H
#define C4P_MSG_H

#include <c4p/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Alignment in bytes of every payload, on the sender and on the receiver. */
#define C4P_MSG_ALIGN 64

/**
 * A new message with room for `len` payload bytes, not zeroed. `len` may exceed 4 GiB.
 * Ownership: the caller's, until a send takes it or c4p_msg_free() drops it. Cost: a free list up
 * to 4 KiB, recycled buffers above. Returns: C4P_OK; C4P_ERR_NOMEM, with *msg_out untouched.
 */
C4P_API c4p_status_t c4p_msg_new(c4p_rt_t *rt, size_t len, c4p_msg_t **msg_out);

/** What the runtime must be able to do with an object that travels by reference, see
 * c4p_msg_new_object(). */
typedef struct c4p_object_ops {
    /** Make a message of bytes that stands for the object, because it must leave this rank after
     * all. The object stays as it is. */
    c4p_status_t (*flatten)(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out);
    /** Drop the object; called once, when the message is freed. */
    void (*drop)(c4p_rt_t *rt, void *object);
    /** About how many bytes flatten would make, for statistics. NULL: nothing is known. */
    size_t (*size)(c4p_rt_t *rt, const void *object);
} c4p_object_ops_t;

/**
 * A message without bytes that carries a pointer, for a chare on the same rank: nothing is packed.
 * If the chare moves before the message runs, the runtime calls ops->flatten. Ownership: after
 * C4P_OK the message owns `object`; `ops` stays the caller's and must live as long as messages of
 * it. Returns: C4P_OK; C4P_ERR_ARG without flatten or drop; C4P_ERR_NOMEM.
 */
C4P_API c4p_status_t c4p_msg_new_object(c4p_rt_t *rt, void *object, const c4p_object_ops_t *ops,
                                        c4p_msg_t **msg_out);

/** The object of a message made by c4p_msg_new_object(); NULL for a message of bytes. Borrowed from
 * the message. */
C4P_API void *c4p_msg_object(const c4p_msg_t *msg);

/** The payload, aligned to C4P_MSG_ALIGN. Borrowed from the message. Of an own message that has
 * segments, only what was there before them. */
C4P_API void *c4p_msg_data(c4p_msg_t *msg);
/** Bytes of payload; on a received message this includes what the sender attached as segments. */
C4P_API size_t c4p_msg_len(const c4p_msg_t *msg);
/** Shorten the payload of a message that has no segments. `len` must not exceed the present length.
 */
C4P_API void c4p_msg_trim(c4p_msg_t *msg, size_t len);

/**
 * Send `len` bytes at `data` as part of this message, after its payload and earlier segments, from
 * where they lie. Nobody may change them until `release(ctx)` is called, exactly once, from the
 * thread of the runtime: inside the call that sends, or later; it must not send. At most 64
 * segments; none where an object travels. Returns: C4P_OK; C4P_ERR_ARG; C4P_ERR_LIMIT;
 * C4P_ERR_NOMEM. After an error release is not called.
 */
C4P_API c4p_status_t c4p_msg_attach(c4p_msg_t *msg, const void *data, size_t len,
                                    void (*release)(void *ctx), void *ctx);

/**
 * As c4p_msg_attach(), but the memory is only lent: when the call that sends the message has
 * returned, `release` was called and the memory may change. On its way to another rank of the same
 * host it is copied once, straight to where the receiver finds it; otherwise it is copied before
 * that call returns. A message with lent memory is to be sent, or freed, by who made it, and not
 * kept. Returns as c4p_msg_attach().
 */
C4P_API c4p_status_t c4p_msg_lend(c4p_msg_t *msg, const void *data, size_t len,
                                  void (*release)(void *ctx), void *ctx);

/** Keep a message beyond the call that lent it: adds one owner, who owes a c4p_msg_free(). */
C4P_API void c4p_msg_keep(c4p_msg_t *msg);
/** True if the message has one owner only, so that the caller, who is it or was lent it, may change
 * the payload. */
C4P_API bool c4p_msg_exclusive(const c4p_msg_t *msg);
/** Drop one owner; the last one frees it. NULL is fine. */
C4P_API void c4p_msg_free(c4p_msg_t *msg);

/** Scheduling priority on arrival: smaller runs first, 0 (the default) is first in, first out
 * between negative and positive. */
C4P_API void c4p_msg_set_priority(c4p_msg_t *msg, int32_t priority);

/** A number that travels with the message, for the language layer; 0 by default. */
C4P_API void c4p_msg_set_tag(c4p_msg_t *msg, uint32_t tag);
/** The number that came with it. */
C4P_API uint32_t c4p_msg_tag(const c4p_msg_t *msg);

/** The rank that sent the message first. */
C4P_API int c4p_msg_source(const c4p_msg_t *msg);

#ifdef __cplusplus
}
#endif
#endif
