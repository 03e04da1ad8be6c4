/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h: stable 4-ary min-heap of (uint64 order, uint64 sequence) -> pointer: equal orders leave
 * in the order they came. For message priorities and timers. Owner's thread only. */
#ifndef C4PI_HEAP_H
#define C4PI_HEAP_H

#include "base/port.h"

typedef struct c4pi_heap {
    c4pi_port_t *port;
    struct c4pi_heap_item {
        uint64_t order, seq;
        void *value;
    } * items;
    size_t count, capacity;
    uint64_t next_seq;
} c4pi_heap_t;

void c4pi_heap_init(c4pi_heap_t *heap, c4pi_port_t *port);
void c4pi_heap_fini(c4pi_heap_t *heap);
c4p_status_t c4pi_heap_push(c4pi_heap_t *heap, uint64_t order, void *value);
/* The first to leave; NULL if the heap is empty. order_out may be NULL. */
void *c4pi_heap_pop(c4pi_heap_t *heap);
void *c4pi_heap_top(const c4pi_heap_t *heap, uint64_t *order_out);
/* Remove by identity, O(n); false if absent. */
bool c4pi_heap_remove(c4pi_heap_t *heap, const void *value);

#endif
