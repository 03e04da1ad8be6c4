/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h: runs what the queue holds: finds the element, calls its entry method, sees to it that
 * the caller gets an answer. Pump thread only. */
#ifndef C4PI_DISPATCH_H
#define C4PI_DISPATCH_H

#include "core/collection.h"

/* c4p_reply_t.kind */
enum { C4PI_REPLY_NONE, C4PI_REPLY_FUTURE, C4PI_REPLY_BCAST };
/* c4p_reply_t.number of a creation, where others have the number of a broadcast. */
#define C4PI_REPLY_CREATION UINT64_MAX

void c4pi_dispatch_init(c4p_rt_t *rt);

/* Run one queued message to its end. Takes over one owner. */
void c4pi_dispatch(c4p_rt_t *rt, c4p_msg_t *msg);

/* Drop a queued message without running it, because the job ends. Takes over one owner. */
void c4pi_dispatch_drop(c4p_msg_t *msg);

/* Run an entry method on a live local element; `reply` says who waits for its end (kind NONE:
 * nobody). msg is borrowed. */
void
c4pi_run_entry(c4pi_elem_t *elem, c4pi_entry_t *entry, c4p_msg_t *msg, const c4p_reply_t *reply);

/* Run the constructor of a NEW element and release what came early for it. args may be NULL. Dies
 * with a report if it fails. */
void c4pi_run_constructor(c4pi_elem_t *elem, c4p_msg_t *args, const c4p_reply_t *reply);

/* An element stopped running or waiting: carry out a deletion or move that was put off. The record
 * may be gone afterwards. */
void c4pi_elem_idle(c4pi_elem_t *elem);
/* The turn of a queued message to an element has come: true if the element lives here. Else the
 * message has been sent after it, or waits for its constructor. */
bool c4pi_turn_comes(c4p_rt_t *rt, c4p_msg_t *msg);
/* Run the entry method that a call names; the message is borrowed. */
void c4pi_run_call(c4pi_elem_t *elem, c4p_msg_t *msg);
/* Run the `arrived` function of a local element's type, if it has one. */
void c4pi_run_arrived(c4pi_elem_t *elem);

/* May it be moved or deleted right now? */
static inline bool
c4pi_elem_busy(const c4pi_elem_t *elem)
{
    return (elem->flags & C4PI_ELEM_RUNNING) || elem->suspended || elem->state == C4PI_ELEM_NEW;
}

#endif
