/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pump.h"

#include "core/dispatch.h"
#include "core/load.h"

enum {
    POLL_BATCH = 16,  /* messages taken from the network at once */
    RUN_BATCH = 16,   /* messages run between two polls */
    CLOCK_EVERY = 64, /* busy turns between two looks at the clock */
    SPIN_POLLS = 8,   /* looks at the network between two at the clock, while nothing happens */
    EXIT_INTERRUPTED = 130, /* as shells say it of SIGINT */
};
static const uint64_t spin_ns = 1000000, yield_ns = 1000000000, max_sleep_ns = 1000000,
                      tick_ns = 10000000;

void
c4pi_pump_deliver(void *ctx, c4p_msg_t *msg)
{
    c4p_rt_t *rt = ctx;
    if (rt->phase < C4PI_PHASE_ACTIVE && msg->env.kind != C4PI_START) {
        c4pi_flow_take(rt->flow, msg);
        c4pi_fifo_push(&rt->before_start, msg); /* svc/start.c hands it up */
        return;
    }
    c4pi_kind_fn_t fn = rt->on_kind[msg->env.kind];
    if (!fn)
        c4pi_die(rt, C4P_ERR_DATA, "rank %d sent a message of a kind that cannot arrive here (%s)",
                 (int)msg->env.source, c4pi_kind_name(msg->env.kind));
    rt->work_done += c4pi_kind_counted(msg->env.kind);
    /* What waits in the queue for its turn stays on its sender's account; nothing else does, nor
     * what waits for a gate that a message may have to open. */
    if ((msg->env.kind != C4PI_USER && msg->env.kind != C4PI_FUTURE) || rt->gate_closed)
        c4pi_flow_take(rt->flow, msg);
    fn(rt, msg);
}

/* did: how many messages have just come. */
static uint32_t
turn(c4p_rt_t *rt, uint32_t did, uint32_t max_msgs, uint32_t *ran_out)
{
    uint32_t ran = 0;
    if (c4pi_timers_next(rt) != UINT64_MAX && !rt->frozen)
        did += c4pi_timers_fire(rt);
    c4pi_flow_set_busy(rt->flow, did != 0 || c4pi_queue_count(&rt->queue) != 0);
    if (!rt->gate_closed || rt->phase >= C4PI_PHASE_EXITING) {
        for (; ran < max_msgs && !rt->stop; ran++) {
            c4p_msg_t *msg = rt->take ? rt->take(rt) : c4pi_queue_pop(&rt->queue);
            if (!msg)
                break;
            /* What one entry method sent does not wait for the next, which may compute for long or
             * wait for the answer by means of its own: only floods from one method are batched. */
            if (c4pi_flow_has_open(rt->flow))
                c4pi_flow_flush(rt->flow);
            if (rt->phase < C4PI_PHASE_EXITING)
                c4pi_dispatch(rt, msg);
            else
                c4pi_dispatch_drop(msg);
        }
    }
    if (c4pi_flow_has_open(rt->flow))
        c4pi_flow_flush(rt->flow);
    *ran_out = ran;
    return did + ran;
}

uint32_t
c4pi_pump_turn(c4p_rt_t *rt, uint32_t max_msgs, uint32_t *ran_out)
{
    return turn(rt, (uint32_t)c4pi_flow_poll(rt->flow, POLL_BATCH), max_msgs, ran_out);
}

/* The same when nothing was there to be done the last time: what comes now is seen at once, rather
 * than after a look at the clock and at all that happens rarely. */
static uint32_t
idle_turn(c4p_rt_t *rt, uint32_t max_msgs, uint32_t *ran_out)
{
    const int polls = c4pi_flow_comm(rt->flow)->oversubscribed ? 1 : SPIN_POLLS;
    int did = 0;
    for (int k = 0; k < polls && did == 0; k++)
        did = c4pi_flow_poll(rt->flow, POLL_BATCH);
    return turn(rt, (uint32_t)did, max_msgs, ran_out);
}

static void
look_at_clock(c4p_rt_t *rt, uint64_t now)
{
    if (now - rt->last_tick_ns < tick_ns || rt->frozen)
        return;
    rt->last_tick_ns = now;
    if (rt->hooks.tick && !rt->hooks.tick(rt, rt->hooks.ctx))
        c4pi_end_with_text(rt, EXIT_INTERRUPTED, "interrupted");
}

/* After how many busy turns to look again. What comes from outside of the job is served by the tick
 * and must not wait for 64 turns of long methods. */
static uint32_t
clock_every(c4p_rt_t *rt)
{
    return rt->hooks.outside && rt->hooks.outside(rt, rt->hooks.ctx) ? 1 : CLOCK_EVERY;
}

static void
rest(c4p_rt_t *rt, uint64_t now, uint64_t *sleep_ns)
{
    uint64_t quiet = now - rt->last_work_ns;
    c4p_idle_mode_t mode = rt->opts.idle;
    bool crowded = c4pi_flow_comm(rt->flow)->oversubscribed;
    if (mode == C4P_IDLE_SPIN || (mode == C4P_IDLE_AUTO && !crowded && quiet < spin_ns))
        return;
    if (rt->load)
        c4pi_load_pause(rt);
    if (mode == C4P_IDLE_YIELD || (mode == C4P_IDLE_AUTO && quiet < yield_ns)) {
        rt->port->ops->yield(rt->port);
        if (rt->load)
            c4pi_load_resume(rt);
        return;
    }
    uint64_t next = c4pi_timers_next(rt), ns = *sleep_ns;
    if (next != UINT64_MAX)
        ns = next <= now ? 0 : next - now < ns ? next - now : ns;
    if (rt->hooks.idle_begin)
        rt->hooks.idle_begin(rt, rt->hooks.ctx);
    if (ns)
        rt->port->ops->sleep_ns(rt->port, ns);
    if (rt->hooks.idle_end)
        rt->hooks.idle_end(rt, rt->hooks.ctx);
    if (rt->load)
        c4pi_load_resume(rt);
    *sleep_ns = 2 * *sleep_ns < max_sleep_ns ? 2 * *sleep_ns : max_sleep_ns;
}

uint64_t
c4pi_pump_run(c4p_rt_t *rt, uint64_t max_msgs)
{
    uint64_t sleep_ns = 20000, left = max_msgs;
    uint32_t turns = 0, every = clock_every(rt);
    bool busy = true;
    rt->last_work_ns = c4pi_now_ns(rt->port);
    while (left && !rt->stop && rt->phase != C4PI_PHASE_ENDED) {
        const uint32_t most = left < RUN_BATCH ? (uint32_t)left : RUN_BATCH;
        uint32_t ran, did = (busy ? c4pi_pump_turn : idle_turn)(rt, most, &ran);
        left -= ran;
        if (did) {
            /* The runtime's own rounds (quiescence, stall) are no reason to stay awake. */
            if (!busy && rt->work_done != rt->work_seen) {
                busy = true;
                sleep_ns = 20000;
            }
            if (++turns % every == 0 && busy) {
                look_at_clock(rt, rt->last_work_ns = c4pi_now_ns(rt->port));
                every = clock_every(rt);
            }
            continue;
        }
        uint64_t now = c4pi_now_ns(rt->port);
        if (busy) {
            busy = false;
            rt->last_work_ns = now;
            rt->work_seen = rt->work_done;
        }
        look_at_clock(rt, now);
        if (rt->on_idle(rt, now))
            continue;
        rest(rt, now, &sleep_ns);
    }
    return max_msgs - left;
}
