/* SPDX-License-Identifier: Apache-2.0 */
/* The heap, against an array that is searched for the item that must leave first. */
#include "base/heap.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

enum { MODEL_ITEMS = 500 };

typedef struct model {
    size_t count;
    struct {
        uint64_t order, age;
        void *value;
    } items[MODEL_ITEMS];
    uint64_t next_age;
} model_t;

static fail_alloc_t fa;
static model_t model;

static c4pi_port_t *
real_port(void)
{
    static c4pi_port_t *port;
    if (!port)
        CHECK_OK(c4pi_port_real_new(NULL, &port));
    return port;
}

static void
start(c4pi_heap_t *heap)
{
    CHECK(fail_alloc_begin(&fa, real_port(), 1));
    fa.fail_at = 0;
    c4pi_heap_init(heap, &fa.port);
    memset(&model, 0, sizeof(model));
}

static void
finish(c4pi_heap_t *heap)
{
    c4pi_heap_fini(heap);
    fail_alloc_end(&fa);
}

static void
model_push(uint64_t order, void *value)
{
    model.items[model.count].order = order;
    model.items[model.count].age = model.next_age++;
    model.items[model.count++].value = value;
}

static size_t
model_first(void)
{
    size_t first = 0;
    for (size_t i = 1; i < model.count; i++) {
        if (model.items[i].order < model.items[first].order ||
            (model.items[i].order == model.items[first].order &&
             model.items[i].age < model.items[first].age))
            first = i;
    }
    return first;
}

static void *
model_take(size_t i)
{
    void *value = model.items[i].value;
    model.items[i] = model.items[--model.count];
    return value;
}

static void
random_use_agrees_with_an_array(void)
{
    static const uint64_t ranges[] = {1, 2, 10, UINT64_MAX};
    static char values[100000];
    for (int r = 0; r < 4; r++) {
        prng_t prng = {(uint64_t)r};
        c4pi_heap_t heap;
        size_t used = 0;
        start(&heap);
        for (int step = 0; step < 20000; step++) {
            bool growing = step / 1000 % 2 == 0;
            uint64_t what = prng_below(&prng, 10);
            if (what < (growing ? 6u : 3u) && model.count < MODEL_ITEMS) {
                uint64_t order = prng_below(&prng, ranges[r]);
                model_push(order, &values[used]);
                CHECK_OK(c4pi_heap_push(&heap, order, &values[used++]));
            } else if (what == 9 && model.count) {
                void *value = model_take((size_t)prng_below(&prng, model.count));
                CHECK(c4pi_heap_remove(&heap, value));
                CHECK(!c4pi_heap_remove(&heap, value));
            } else if (model.count) {
                uint64_t order = 0;
                size_t first = model_first();
                CHECK_EQ(model.items[first].value, c4pi_heap_top(&heap, &order));
                CHECK_EQ(model.items[first].order, order);
                CHECK_EQ(model_take(first), c4pi_heap_pop(&heap));
            }
            CHECK_EQ(model.count, heap.count);
        }
        while (model.count)
            CHECK_EQ(model_take(model_first()), c4pi_heap_pop(&heap));
        CHECK_EQ(NULL, c4pi_heap_pop(&heap));
        finish(&heap);
    }
}

static void
equal_orders_leave_in_the_order_they_came(void)
{
    static char values[10000];
    c4pi_heap_t heap;
    start(&heap);
    for (int i = 0; i < 10000; i++)
        CHECK_OK(c4pi_heap_push(&heap, 5, &values[i]));
    for (int i = 0; i < 10000; i++)
        CHECK_EQ(&values[i], c4pi_heap_pop(&heap));
    CHECK(heap.capacity <= 32); /* and what many items needed is given back */
    finish(&heap);
}

static void
an_empty_heap_gives_nothing(void)
{
    uint64_t order = 123;
    c4pi_heap_t heap;
    start(&heap);
    CHECK_EQ(NULL, c4pi_heap_pop(&heap));
    CHECK_EQ(NULL, c4pi_heap_top(&heap, &order));
    CHECK_EQ(123, order);
    CHECK(!c4pi_heap_remove(&heap, &order));
    CHECK_OK(c4pi_heap_push(&heap, UINT64_MAX, &order));
    CHECK_EQ(&order, c4pi_heap_top(&heap, NULL));
    finish(&heap);
}

static void
order_by_arrival_goes_on_beyond_32_bits(void)
{
    char a, b;
    c4pi_heap_t heap;
    start(&heap);
    heap.next_seq = UINT32_MAX;
    CHECK_OK(c4pi_heap_push(&heap, 1, &a));
    CHECK_OK(c4pi_heap_push(&heap, 1, &b));
    CHECK_EQ(&a, c4pi_heap_pop(&heap));
    CHECK_EQ(&b, c4pi_heap_pop(&heap));
    finish(&heap);
}

static void
a_heap_is_unchanged_when_memory_is_short(void)
{
    static char values[100];
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        bool had[100];
        c4pi_heap_t heap;
        c4pi_heap_init(&heap, &fa.port);
        for (int i = 0; i < 100; i++) {
            c4p_status_t st = c4pi_heap_push(&heap, (uint64_t)i, &values[i]);
            CHECK(st == C4P_OK || st == C4P_ERR_NOMEM);
            had[i] = st == C4P_OK;
        }
        for (int i = 0; i < 100; i++) {
            if (had[i])
                CHECK_EQ(&values[i], c4pi_heap_pop(&heap));
        }
        CHECK_EQ(0, heap.count);
        c4pi_heap_fini(&heap);
        fail_alloc_end(&fa);
    }
}

TEST_CASES(random_use_agrees_with_an_array, equal_orders_leave_in_the_order_they_came,
           an_empty_heap_gives_nothing, order_by_arrival_goes_on_beyond_32_bits,
           a_heap_is_unchanged_when_memory_is_short)
