/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/chaos.h"

#include <stdio.h>
#include <string.h>

#include "core/collection.h"
#include "core/load.h"
#include "svc/migrate.h"

enum { WINDOW = 32 };

/* The element that a queued message is for; NULL: it is none of this sort. */
static const c4pi_elem_t *
elem_of(const c4p_msg_t *msg)
{
    bool to_element = msg->env.kind == C4PI_USER || msg->env.kind == C4PI_DESTROY ||
                      msg->env.kind == C4PI_SECTION_CALL;
    return to_element ? msg->where : NULL;
}

/* Some element that has just run, if `msg` runs any: the one called, or one of a broadcast's. */
static c4p_ref_t
who_runs(c4p_rt_t *rt, const c4p_msg_t *msg)
{
    const c4pi_elem_t *elem = elem_of(msg);
    if (elem)
        return c4pi_elem_ref(elem);
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (msg->env.kind != C4PI_BCAST_DOWN || !coll || !coll->count)
        return (c4p_ref_t){0};
    return c4pi_elem_ref(coll->vec[c4pi_chaos_draw(rt) % coll->count]);
}

static void
move_some(c4p_rt_t *rt, c4p_ref_t who)
{
    if (!who.coll || !c4pi_chaos(rt, rt->chaos.migrate))
        return;
    int rank = (int)(c4pi_chaos_draw(rt) % (uint64_t)rt->num_ranks);
    c4pi_elem_t *elem = c4pi_elem_local(rt, who);
    if (elem && elem->coll->kind == C4P_KIND_ARRAY && !elem->suspended && c4pi_may_move(elem))
        (void)c4pi_migrate(elem, rank, NULL); /* unless it cannot just now */
}

static bool
same_source(const c4p_msg_t *a, const c4p_msg_t *b)
{
    return (a->env.source & 0xffffff) == (b->env.source & 0xffffff);
}

/* Calls of one rank to one element stay in order (not in "anyorder"), and so does all that is not a
 * call to an element. Nothing overtakes what is being made. */
static bool
must_follow(const c4p_rt_t *rt, const c4p_msg_t *msg, const c4p_msg_t *before)
{
    const c4pi_elem_t *elem = elem_of(msg), *other = elem_of(before);
    uint8_t kind = before->env.kind;
    if (kind == C4PI_COLL_NEW || kind == C4PI_CONSTRUCT || kind == C4PI_INSERT_DO)
        return true;
    if (!elem || !other)
        return !elem && !other;
    if (rt->chaos.queue == C4PI_CHAOS_ANYORDER && msg->env.kind == C4PI_USER && kind == C4PI_USER)
        return false;
    return elem == other && same_source(msg, before);
}

static bool
may_be_next(const c4p_rt_t *rt, const c4p_msg_t *msg)
{
    const c4pi_elem_t *elem = elem_of(msg);
    if (elem && elem->state == C4PI_ELEM_NEW) /* not before the constructor */
        return false;
    for (const c4p_msg_t *before = rt->queue.fifo.head; before != msg; before = before->next)
        if (must_follow(rt, msg, before))
            return false;
    return true;
}

/* Bring another message of those that wait to the front. */
static void
reorder(c4p_rt_t *rt)
{
    c4pi_fifo_t *fifo = &rt->queue.fifo;
    uint64_t count = fifo->count < WINDOW ? fifo->count : WINDOW;
    if (count < 2)
        return;
    uint64_t skip = rt->chaos.queue == C4PI_CHAOS_LIFO ? count - 1 : c4pi_chaos_draw(rt) % count;
    c4p_msg_t *chosen = NULL, *before = NULL, *prev = NULL;
    for (c4p_msg_t *msg = fifo->head; skip > 0; skip--) {
        prev = msg;
        msg = msg->next;
        if (may_be_next(rt, msg)) {
            chosen = msg;
            before = prev;
        }
    }
    if (!chosen)
        return;
    before->next = chosen->next;
    if (fifo->tail == chosen)
        fifo->tail = before;
    fifo->count--;
    c4pi_queue_push_front(&rt->queue, chosen);
}

/* Of the calls with a priority, any; but one rank's calls of one element with one priority stay in
 * order. */
static c4p_msg_t *
take_any(c4p_rt_t *rt, c4pi_heap_t *lane)
{
    size_t chosen = c4pi_chaos_draw(rt) % lane->count;
    const c4p_msg_t *some = lane->items[chosen].value;
    const c4pi_elem_t *elem = elem_of(some);
    for (size_t i = 0; elem && i < lane->count; i++) {
        const struct c4pi_heap_item *item = &lane->items[i], *first = &lane->items[chosen];
        if (item->order == first->order && item->seq < first->seq && elem_of(item->value) == elem &&
            same_source(item->value, some))
            chosen = i;
    }
    c4p_msg_t *msg = elem ? lane->items[chosen].value : c4pi_heap_top(lane, NULL);
    (void)c4pi_heap_remove(lane, msg);
    return msg;
}

/* Any of the three lanes has its turn, as likely as it is long. */
static c4p_msg_t *
take_from_any_lane(c4p_rt_t *rt)
{
    c4pi_queue_t *q = &rt->queue;
    uint64_t count = c4pi_queue_count(q), at = count ? c4pi_chaos_draw(rt) % count : 0;
    if (at < q->before.count)
        return take_any(rt, &q->before);
    if (at < q->before.count + q->after.count)
        return take_any(rt, &q->after);
    return c4pi_fifo_pop(&q->fifo);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void
stand_still(c4p_rt_t *rt, uint64_t ns)
{
    if (rt->load)
        c4pi_load_pause(rt);
    rt->port->ops->sleep_ns(rt->port, ns);
    if (rt->load)
        c4pi_load_resume(rt);
}

/* Sleep for what the last message took, a few times, in pieces that are not too small. */
static void
be_slow(c4p_rt_t *rt)
{
    c4pi_chaos_t *chaos = &rt->chaos;
    uint64_t now = c4pi_now_ns(rt->port);
    chaos->owed_ns += (now - chaos->since_ns) * (chaos->slow.times - 1);
    if (chaos->owed_ns < 100000)
        return;
    stand_still(rt, chaos->owed_ns);
    uint64_t slept = c4pi_now_ns(rt->port) - now;
    chaos->owed_ns -= slept < chaos->owed_ns ? slept : chaos->owed_ns;
}

/* ---- the hook --------------------------------------------------------------------------------- */

static bool
is_slow(const c4p_rt_t *rt)
{
    return rt->chaos.slow.times > 1 && rt->chaos.slow.rank == (uint64_t)rt->rank;
}

/* What may happen after a message has run. */
static void
after_last(c4p_rt_t *rt)
{
    c4p_ref_t ran = rt->chaos.ran;
    rt->chaos.ran = (c4p_ref_t){0};
    rt->chaos.worked = false;
    if (is_slow(rt))
        be_slow(rt);
    move_some(rt, ran);
    if (rt->hooks.collect && c4pi_chaos(rt, rt->chaos.collect))
        rt->hooks.collect(rt, rt->hooks.ctx);
}

/* The next message to run; before that, what may happen after the last one. */
static c4p_msg_t *
take(c4p_rt_t *rt)
{
    if (rt->phase >= C4PI_PHASE_EXITING)
        return c4pi_queue_pop(&rt->queue);
    if (rt->chaos.worked)
        after_last(rt);
    if (c4pi_chaos(rt, rt->chaos.idle))
        return NULL;
    if (rt->chaos.queue)
        reorder(rt);
    c4p_msg_t *msg = rt->chaos.queue == C4PI_CHAOS_PRIO_SHUFFLE ? take_from_any_lane(rt)
                                                                : c4pi_queue_pop(&rt->queue);
    rt->chaos.worked = msg != NULL;
    if (msg && rt->chaos.migrate)
        rt->chaos.ran = who_runs(rt, msg);
    if (msg && is_slow(rt))
        rt->chaos.since_ns = c4pi_now_ns(rt->port);
    return msg;
}

/* ---- start ------------------------------------------------------------------------------------- */

c4p_status_t
c4pi_chaos_init(c4p_rt_t *rt)
{
    c4pi_chaos_t *chaos = &rt->chaos;
    const char *text = rt->port->ops->getenv(rt->port, "C4PY_CHAOS");
    if (!text || !*text)
        return C4P_OK;
    c4p_status_t st = c4pi_chaos_read(rt, text);
    if (st != C4P_OK)
        return st;
    chaos->on = true;
    chaos->state = c4pi_hash_u64(chaos->seed ^ c4pi_hash_u64((uint64_t)rt->rank + 1));
    chaos->net.seed = c4pi_hash_u64(chaos->state);
    rt->take = take;
    if (chaos->credit_min)
        c4pi_flow_set_credit(rt->flow, 0);
    if (chaos->net.delay || chaos->net.split)
        st = c4pi_perturb(c4pi_flow_comm(rt->flow), &chaos->net);
    snprintf(chaos->said, sizeof chaos->said, "  chaos: C4PY_CHAOS=%.200s\n", text);
    if (rt->rank == 0)
        c4pi_log(rt->port, C4P_LOG_WARN, "chaos is on, with seed %llu: C4PY_CHAOS=%s",
                 (unsigned long long)chaos->seed, text);
    return st;
}
