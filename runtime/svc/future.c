/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/future.h"

#include "core/route.h"

typedef struct future {
    uint64_t remaining;
    c4p_future_fn_t fn;
    void *ctx;
} future_t;

struct c4pi_futures {
    c4pi_map_t map; /* id -> future_t */
    c4pi_pool_t pool;
    uint64_t next;
};

static const uint64_t serial_mask = 0xffffffffffu;

static void run_future(c4p_rt_t *rt, c4p_msg_t *msg);

c4p_status_t
c4pi_futures_new(c4p_rt_t *rt)
{
    c4pi_futures_t *futures = c4pi_calloc(rt->port, sizeof *futures);
    if (!futures)
        return C4P_ERR_NOMEM;
    c4pi_map_init(&futures->map, rt->port);
    c4pi_pool_init(&futures->pool, rt->port, sizeof(future_t), 64);
    futures->next = (rt->opts.counter_base & serial_mask) + 1;
    rt->futures = futures;
    rt->on_kind[C4PI_FUTURE] = c4pi_enqueue;
    rt->run_kind[C4PI_FUTURE] = run_future;
    return C4P_OK;
}

void
c4pi_futures_free(c4p_rt_t *rt)
{
    if (!rt->futures)
        return;
    c4pi_map_fini(&rt->futures->map);
    c4pi_pool_fini(&rt->futures->pool);
    c4pi_free(rt->port, rt->futures, sizeof *rt->futures);
    rt->futures = NULL;
}

uint64_t
c4pi_futures_next(const c4p_rt_t *rt)
{
    return rt->futures->next;
}

void
c4pi_futures_skip(c4p_rt_t *rt, uint64_t next)
{
    if (rt->futures->next < (next & serial_mask))
        rt->futures->next = next & serial_mask;
}

c4p_status_t
c4p_future_new(c4p_rt_t *rt, uint64_t num_values, c4p_future_fn_t fn, void *ctx,
               c4p_future_t *future_out)
{
    if (!rt || !fn || !future_out || num_values == 0)
        return C4P_ERR_ARG;
    c4pi_futures_t *futures = rt->futures;
    future_t *future = c4pi_pool_get(&futures->pool);
    if (!future)
        return C4P_ERR_NOMEM;
    *future = (future_t){num_values, fn, ctx};
    uint64_t id = (uint64_t)rt->rank << 40 | futures->next;
    c4p_status_t st = c4pi_map_put(&futures->map, id, future);
    if (st != C4P_OK) {
        c4pi_pool_put(&futures->pool, future);
        return st;
    }
    futures->next = (futures->next + 1) & serial_mask;
    futures->next += futures->next == 0; /* after 10^12 futures of one rank: id 0 names none */
    *future_out = id;
    return C4P_OK;
}

void
c4p_future_free(c4p_rt_t *rt, c4p_future_t id)
{
    future_t *future = rt ? c4pi_map_get(&rt->futures->map, id) : NULL;
    if (future)
        future->fn = NULL; /* values still to come are counted and dropped */
}

static void
forget(c4p_rt_t *rt, c4p_future_t id, future_t *future)
{
    c4pi_map_remove(&rt->futures->map, id);
    c4pi_pool_put(&rt->futures->pool, future);
}

void
c4p_future_discard(c4p_rt_t *rt, c4p_future_t id)
{
    future_t *future = rt ? c4pi_map_get(&rt->futures->map, id) : NULL;
    if (future)
        forget(rt, id, future);
}

static void
run_future(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4p_future_t id = msg->env.reference;
    future_t *future = c4pi_map_get(&rt->futures->map, id);
    if (!future)
        c4pi_die(rt, C4P_ERR_USER,
                 "future %llu of rank %d got one value more than it was made for (from rank %d)",
                 (unsigned long long)(id & serial_mask), rt->rank, (int)msg->env.source);
    future_t copy = *future;
    bool last = --future->remaining == 0;
    if (last)
        forget(rt, id, future);
    if (copy.fn)
        copy.fn(rt, id, msg->env.flags & C4PI_FLAG_EMPTY ? NULL : msg,
                msg->env.flags & C4PI_FLAG_ERROR, last, copy.ctx);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

void
c4pi_future_deliver(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *value, bool is_error)
{
    int owner = c4p_future_rank(future);
    if (!value) {
        value = c4pi_msg_or_die(rt, 0);
        value->env.flags |= C4PI_FLAG_EMPTY;
    }
    value->env.kind = C4PI_FUTURE;
    value->env.flags |= is_error ? C4PI_FLAG_ERROR : 0;
    value->env.reference = future;
    value->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, owner, owner == rt->rank ? value : c4pi_msg_as_bytes(rt, value));
}

c4p_status_t
c4p_future_send(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error)
{
    if (!rt || future == 0)
        return C4P_ERR_ARG;
    if (c4p_future_rank(future) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    if (msg && c4pi_msg_prepare(&msg) != C4P_OK)
        return C4P_ERR_NOMEM;
    c4pi_future_deliver(rt, future, msg, is_error);
    return C4P_OK;
}
