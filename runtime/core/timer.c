/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c: one-shot timers in a heap by due time; cancelled ones are dropped when their time comes.
 */
#include "core/pump.h"

typedef struct timer {
    uint64_t id;
    c4p_fn_t fn; /* NULL: cancelled */
    void *ctx;
    bool internal; /* the runtime's own: wakes nobody of the user's */
} timer_item_t;

struct c4pi_timers {
    c4pi_heap_t heap;
    c4pi_map_t by_id;
    c4pi_pool_t pool;
    uint64_t next_id, pending;
};

c4p_status_t
c4pi_timers_new(c4pi_port_t *port, c4pi_timers_t **timers_out)
{
    c4pi_timers_t *timers = c4pi_calloc(port, sizeof *timers);
    if (!timers)
        return C4P_ERR_NOMEM;
    c4pi_heap_init(&timers->heap, port);
    c4pi_map_init(&timers->by_id, port);
    c4pi_pool_init(&timers->pool, port, sizeof(timer_item_t), 64);
    timers->next_id = 1;
    *timers_out = timers;
    return C4P_OK;
}

void
c4pi_timers_free(c4pi_timers_t *timers)
{
    if (!timers)
        return;
    c4pi_port_t *port = timers->heap.port;
    c4pi_heap_fini(&timers->heap);
    c4pi_map_fini(&timers->by_id);
    c4pi_pool_fini(&timers->pool);
    c4pi_free(port, timers, sizeof *timers);
}

c4p_status_t
c4pi_timer_add(c4p_rt_t *rt, uint64_t delay_ns, bool internal, c4p_fn_t fn, void *ctx,
               uint64_t *id_out)
{
    c4pi_timers_t *timers = rt->timers;
    timer_item_t *item = c4pi_pool_get(&timers->pool);
    if (!item)
        return C4P_ERR_NOMEM;
    *item = (timer_item_t){timers->next_id, fn, ctx, internal};
    c4p_status_t st = c4pi_map_put(&timers->by_id, item->id, item);
    if (st == C4P_OK) {
        st = c4pi_heap_push(&timers->heap, c4pi_now_ns(rt->port) + delay_ns, item);
        if (st != C4P_OK)
            c4pi_map_remove(&timers->by_id, item->id);
    }
    if (st != C4P_OK) {
        c4pi_pool_put(&timers->pool, item);
        return st;
    }
    timers->next_id++;
    timers->pending += !internal;
    if (id_out)
        *id_out = item->id;
    return C4P_OK;
}

bool
c4pi_timer_cancel(c4p_rt_t *rt, uint64_t id)
{
    timer_item_t *item = c4pi_map_remove(&rt->timers->by_id, id);
    if (!item)
        return false;
    rt->timers->pending -= !item->internal;
    item->fn = NULL;
    return true;
}

uint64_t
c4pi_timers_pending(const c4p_rt_t *rt)
{
    return rt->timers->pending;
}

uint64_t
c4pi_timers_next(const c4p_rt_t *rt)
{
    uint64_t due = UINT64_MAX;
    c4pi_heap_top(&rt->timers->heap, &due);
    return rt->timers->heap.count ? due : UINT64_MAX;
}

uint32_t
c4pi_timers_fire(c4p_rt_t *rt)
{
    c4pi_timers_t *timers = rt->timers;
    uint32_t fired = 0;
    uint64_t due, now = c4pi_now_ns(rt->port);
    while (c4pi_heap_top(&timers->heap, &due) && due <= now) {
        timer_item_t *item = c4pi_heap_pop(&timers->heap);
        timer_item_t copy = *item;
        if (copy.fn) {
            c4pi_map_remove(&timers->by_id, copy.id);
            timers->pending -= !copy.internal;
        }
        c4pi_pool_put(&timers->pool, item);
        if (!copy.fn || (rt->phase >= C4PI_PHASE_EXITING && !copy.internal))
            continue;
        rt->work_done += !copy.internal;
        copy.fn(rt, copy.ctx);
        fired++;
    }
    return fired;
}
