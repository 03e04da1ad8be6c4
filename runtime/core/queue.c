/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

void
c4pi_queue_init(c4pi_queue_t *q, c4pi_port_t *port)
{
    *q = (c4pi_queue_t){0};
    c4pi_heap_init(&q->before, port);
    c4pi_heap_init(&q->after, port);
}

void
c4pi_queue_fini(c4pi_queue_t *q)
{
    for (c4p_msg_t *msg; (msg = c4pi_queue_pop(q)) != NULL;)
        c4pi_msg_drop(msg);
    c4pi_heap_fini(&q->before);
    c4pi_heap_fini(&q->after);
}

/* Signed priorities in an unsigned order: flip the sign bit. */
static uint64_t
order_of(int32_t priority)
{
    return (uint64_t)((uint32_t)priority ^ 0x80000000u);
}

c4p_status_t
c4pi_queue_push_slow(c4pi_queue_t *q, c4p_msg_t *msg)
{
    c4pi_heap_t *lane = msg->env.priority < 0 ? &q->before : &q->after;
    return c4pi_heap_push(lane, order_of(msg->env.priority), msg);
}

c4p_msg_t *
c4pi_queue_pop_slow(c4pi_queue_t *q)
{
    c4p_msg_t *msg = c4pi_heap_pop(&q->before);
    if (!msg)
        msg = c4pi_fifo_pop(&q->fifo);
    return msg ? msg : c4pi_heap_pop(&q->after);
}
