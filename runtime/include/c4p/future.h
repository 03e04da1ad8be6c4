/* SPDX-License-Identifier: Apache-2.0 */
/* future.h: futures as message targets: any rank sends values, the owner's callback gets them. */
#ifndef C4P_FUTURE_H
#define C4P_FUTURE_H

#include <c4p/msg.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Called on the owner for each value, from the scheduler. msg is borrowed, NULL for a value
 * without bytes. last: no more are expected and the future is gone. */
typedef void (*c4p_future_fn_t)(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error,
                                bool last, void *ctx);

/** A future for `num_values` values (at least 1), owned by this rank. Ownership: it goes by itself
 * with the last value. Returns: C4P_OK; C4P_ERR_ARG; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_future_new(c4p_rt_t *rt, uint64_t num_values, c4p_future_fn_t fn,
                                    void *ctx, c4p_future_t *future_out);
/** Forget a future of this rank before its last value: later values are dropped silently. */
C4P_API void c4p_future_free(c4p_rt_t *rt, c4p_future_t future);
/** Forget a future whose number nobody else has learned, so that no value can come: nothing is kept
 * for it. (Of one that is freed, what counts its values is kept until the last has come.) */
C4P_API void c4p_future_discard(c4p_rt_t *rt, c4p_future_t future);

/** Send one value; asynchronous, also here. Ownership: as c4p_send(); msg may be NULL. A value more
 * than expected ends the job with a report on the owner. Returns: C4P_OK; C4P_ERR_ARG for future 0;
 * C4P_ERR_RANGE for one of no rank; C4P_ERR_STATE; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_future_send(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg,
                                     bool is_error);

/** The rank that owns a future. Any thread. */
static inline int
c4p_future_rank(c4p_future_t future)
{
    return (int)(future >> 40);
}

#ifdef __cplusplus
}
#endif
#endif
