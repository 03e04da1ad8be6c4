/* SPDX-License-Identifier: Apache-2.0 */
/* list.h: intrusive doubly linked list, and an intrusive FIFO. */
#ifndef C4PI_LIST_H
#define C4PI_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct c4pi_link {
    struct c4pi_link *prev, *next;
} c4pi_link_t;

#define C4PI_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void
c4pi_list_init(c4pi_link_t *head)
{
    head->prev = head->next = head;
}

static inline bool
c4pi_list_empty(const c4pi_link_t *head)
{
    return head->next == head;
}

static inline void
c4pi_list_push(c4pi_link_t *head, c4pi_link_t *item) /* at the end */
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void
c4pi_list_remove(c4pi_link_t *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->prev = item->next = item;
}

#endif
