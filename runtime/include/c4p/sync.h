/* SPDX-License-Identifier: Apache-2.0 */
/* sync.h: synchronization points at which the load may be balanced (AtSync): elements of any
 * collections say that they are ready, and go on when all of them, everywhere, have said so. */
#ifndef C4P_SYNC_H
#define C4P_SYNC_H

#include <c4p/chare.h>

#ifdef __cplusplus
extern "C" {
#endif

/** As c4p_insert(), into any array; the element takes part in synchronization points, as all
 * elements of an array made with at_sync do, to its end: no point is reached without it, nor while
 * it is still to be made. Returns as c4p_insert(). */
C4P_API c4p_status_t c4p_insert_participant(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index,
                                            int rank, c4p_msg_t *args);

/**
 * An element that lives on this rank takes part from now on. Elements of groups may; they are not
 * moved. Returns: C4P_OK, also when it takes part already; C4P_ERR_NOT_FOUND if it does not
 * live here.
 */
C4P_API c4p_status_t c4p_sync_join(c4p_rt_t *rt, c4p_ref_t self);

/**
 * The element is ready: when all are, and the balancer has moved what it wants to move, entry
 * method `entry` is called, without arguments, where the element is then. Until then it runs what
 * is sent to it, as always. Returns: C4P_OK; C4P_ERR_NOT_FOUND if it does not live here;
 * C4P_ERR_STATE if it does not take part, and from its unpack function; C4P_ERR_BUSY if it is ready
 * already; C4P_ERR_ARG for an entry its type lacks.
 */
C4P_API c4p_status_t c4p_sync(c4p_rt_t *rt, c4p_ref_t self, c4p_entry_t entry);

#ifdef __cplusplus
}
#endif
#endif
