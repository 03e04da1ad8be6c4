/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h: ready messages of one rank. Three lanes: negative priorities, then priority 0 in order
 * of arrival (a linked list, no memory), then positive priorities; equal priorities stay in order.
 * Pump thread only. */
#ifndef C4PI_QUEUE_H
#define C4PI_QUEUE_H

#include "base/heap.h"
#include "msg/msg.h"

typedef struct c4pi_queue {
    c4pi_fifo_t fifo;
    c4pi_heap_t before, after;
} c4pi_queue_t;

void c4pi_queue_init(c4pi_queue_t *q, c4pi_port_t *port);
void c4pi_queue_fini(c4pi_queue_t *q); /* drops what is left */
c4p_status_t c4pi_queue_push_slow(c4pi_queue_t *q, c4p_msg_t *msg);
c4p_msg_t *c4pi_queue_pop_slow(c4pi_queue_t *q);

/* Takes over one owner after C4P_OK; only messages with a priority can fail, with C4P_ERR_NOMEM. */
static inline c4p_status_t
c4pi_queue_push(c4pi_queue_t *q, c4p_msg_t *msg)
{
    if (msg->env.priority)
        return c4pi_queue_push_slow(q, msg);
    c4pi_fifo_push(&q->fifo, msg);
    return C4P_OK;
}

/* Put back at the front of the priority-0 lane: an item that has more to do. */
static inline void
c4pi_queue_push_front(c4pi_queue_t *q, c4p_msg_t *msg)
{
    msg->next = q->fifo.head;
    q->fifo.head = msg;
    if (!q->fifo.tail)
        q->fifo.tail = msg;
    q->fifo.count++;
}

/* The next message, or NULL. */
static inline c4p_msg_t *
c4pi_queue_pop(c4pi_queue_t *q)
{
    if (q->before.count || !q->fifo.head)
        return c4pi_queue_pop_slow(q);
    return c4pi_fifo_pop(&q->fifo);
}

static inline uint64_t
c4pi_queue_count(const c4pi_queue_t *q)
{
    return q->fifo.count + q->before.count + q->after.count;
}

#endif
