/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c: the 4-ary heap. Four children lie in two cache lines, and the tree is half as deep as a
 * binary one. */
#include "base/heap.h"

typedef struct c4pi_heap_item item_t;

enum { ARITY = 4, FIRST_CAPACITY = 16 };

void
c4pi_heap_init(c4pi_heap_t *heap, c4pi_port_t *port)
{
    *heap = (c4pi_heap_t){.port = port};
}

void
c4pi_heap_fini(c4pi_heap_t *heap)
{
    c4pi_free(heap->port, heap->items, heap->capacity * sizeof(*heap->items));
    c4pi_heap_init(heap, heap->port);
}

static bool
item_before(const item_t *a, const item_t *b)
{
    return a->order < b->order || (a->order == b->order && a->seq < b->seq);
}

/* Fill the hole at `at` with `item`, moving the hole towards the root while the parent must leave
 * later. */
static void
sift_up(c4pi_heap_t *heap, size_t at, item_t item)
{
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (!item_before(&item, &heap->items[parent]))
            break;
        heap->items[at] = heap->items[parent];
        at = parent;
    }
    heap->items[at] = item;
}

/* The same away from the root, while a child must leave earlier. */
static void
sift_down(c4pi_heap_t *heap, size_t at, item_t item)
{
    for (;;) {
        size_t child = at * ARITY + 1;
        if (child >= heap->count)
            break;
        size_t end = child + ARITY < heap->count ? child + ARITY : heap->count;
        size_t best = child;
        while (++child < end) {
            if (item_before(&heap->items[child], &heap->items[best]))
                best = child;
        }
        if (!item_before(&heap->items[best], &item))
            break;
        heap->items[at] = heap->items[best];
        at = best;
    }
    heap->items[at] = item;
}

static c4p_status_t
resize(c4pi_heap_t *heap, size_t capacity)
{
    size_t used = heap->count < capacity ? heap->count : capacity;
    if (capacity > SIZE_MAX / sizeof(item_t))
        return C4P_ERR_NOMEM;
    item_t *items = c4pi_alloc(heap->port, capacity * sizeof(item_t));
    if (!items)
        return C4P_ERR_NOMEM;
    for (size_t i = 0; i < used; i++)
        items[i] = heap->items[i];
    c4pi_free(heap->port, heap->items, heap->capacity * sizeof(item_t));
    heap->items = items;
    heap->capacity = capacity;
    return C4P_OK;
}

c4p_status_t
c4pi_heap_push(c4pi_heap_t *heap, uint64_t order, void *value)
{
    if (heap->count == heap->capacity) {
        c4p_status_t st = resize(heap, heap->capacity ? 2 * heap->capacity : FIRST_CAPACITY);
        if (st != C4P_OK)
            return st;
    }
    item_t item = {.order = order, .seq = heap->next_seq++, .value = value};
    sift_up(heap, heap->count++, item);
    return C4P_OK;
}

/* Take out the item at `at`, putting the last one in its place. */
static void *
take(c4pi_heap_t *heap, size_t at)
{
    void *value = heap->items[at].value;
    item_t last = heap->items[--heap->count];
    if (at < heap->count) {
        if (at > 0 && item_before(&last, &heap->items[(at - 1) / ARITY]))
            sift_up(heap, at, last);
        else
            sift_down(heap, at, last);
    }
    if (heap->capacity > FIRST_CAPACITY && heap->count < heap->capacity / 8)
        (void)resize(heap, heap->capacity / 2); /* without memory it just stays large */
    return value;
}

void *
c4pi_heap_pop(c4pi_heap_t *heap)
{
    return heap->count ? take(heap, 0) : NULL;
}

void *
c4pi_heap_top(const c4pi_heap_t *heap, uint64_t *order_out)
{
    if (!heap->count)
        return NULL;
    if (order_out)
        *order_out = heap->items[0].order;
    return heap->items[0].value;
}

bool
c4pi_heap_remove(c4pi_heap_t *heap, const void *value)
{
    for (size_t i = 0; i < heap->count; i++) {
        if (heap->items[i].value == value) {
            take(heap, i);
            return true;
        }
    }
    return false;
}
