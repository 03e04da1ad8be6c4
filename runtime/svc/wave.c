/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/wave.h"

#include <string.h>

#include "core/pump.h"
#include "core/route.h"
#include "svc/checkpoint.h"
#include "svc/reduce.h"
#include "svc/stall.h"

typedef enum wave_what { WAVE_COUNT, WAVE_DRAIN } wave_what_t;

/* Sums over ranks; also the payload of a wave message. */
typedef struct sums {
    uint64_t what;
    uint64_t created, processed; /* DRAIN: messages sent, received */
    uint64_t waiters, timers;
} sums_t;

typedef struct request {
    struct request *next;
    c4p_target_t target;
    void (*fn)(c4p_rt_t *rt, uint64_t created); /* instead of a target */
    bool fresh; /* came after the first of the present pair of waves began */
} request_t;

struct c4pi_waves {
    /* At every rank: the wave in progress. */
    bool open;
    int missing;
    uint64_t id; /* of the wave in progress: answers to an earlier one, given up for exit, are
                    ignored */
    sums_t sum;
    uint64_t sent, received; /* wave and exit messages, which a drain leaves out */
    /* Rank 0. */
    request_t *requests;
    bool have_previous;
    sums_t previous;
    uint64_t next_ns; /* no wave before this time */
    uint64_t backoff_ns;
    uint64_t quiet_work;       /* rt->work_done when the job was last seen to change */
    uint64_t judge_ns;         /* look for a stall at this time; 0: not set yet */
    uint64_t judged_created;   /* work created in all when the job was last seen quiescent */
    uint64_t reported_created; /* and when a stall was last reported */
    int num_idle; /* how often in a row nothing was left that could happen; IDLE_LOOKS for ever */
    bool exit_decided;
    bool exit_asked; /* at every rank: from here */
};

enum { EXIT_DOWN = 1, EXIT_FINISH = 2 };
static const uint64_t first_backoff_ns = 20000, max_backoff_ns = 2000000,
                      judge_again_ns = 750000000;
/* How long a rank is idle until it sends partial reductions that may be all that can come, and
 * those of which it knows that something will come. */
static const uint64_t partial_patience_ns = 200000, owed_patience_ns = 100000000;
enum { IDLE_LOOKS = 3 }; /* before the host is told that nothing is left to do */

/* ---- messages --------------------------------------------------------------------------------- */

static void
send_wave(c4p_rt_t *rt, int rank, c4pi_kind_t kind, uint16_t stage, const sums_t *body)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *body);
    *(sums_t *)c4pi_msg_payload(msg) = *body;
    msg->env.kind = (uint8_t)kind;
    msg->env.entry = stage;
    msg->env.reference = rt->waves->id;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    if (rank != rt->rank)
        rt->waves->sent++;
    c4pi_send_to(rt, rank, msg);
}

static int
send_children(c4p_rt_t *rt, c4pi_kind_t kind, uint16_t stage, const sums_t *body)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < n; i++)
        send_wave(rt, children[i], kind, stage, body);
    return n;
}

/* ---- a wave at one rank ----------------------------------------------------------------------- */

static void
wave_begin(c4p_rt_t *rt, uint64_t what)
{
    c4pi_waves_t *w = rt->waves;
    w->open = true;
    w->sum = (sums_t){.what = what};
    w->missing = send_children(rt, C4PI_WAVE, 0, &w->sum);
}

static void wave_done(c4p_rt_t *rt, const sums_t *sum);

/* What can still bring work to this rank though nothing moves. */
static uint64_t
count_to_come(c4p_rt_t *rt)
{
    bool outside = rt->hooks.outside && rt->hooks.outside(rt, rt->hooks.ctx);
    return c4pi_timers_pending(rt) + rt->short_visit + rt->waves->exit_asked + outside +
           c4pi_ckpt_busy(rt);
}

/* Answer if the children have and this rank has no work. */
static bool
wave_answer(c4p_rt_t *rt)
{
    c4pi_waves_t *w = rt->waves;
    if (!w->open || w->missing)
        return false;
    if (w->sum.what == WAVE_DRAIN) {
        c4pi_flow_counts_t counts;
        c4pi_flow_counts(rt->flow, &counts);
        w->sum.created += counts.all_sent - w->sent;
        w->sum.processed += counts.all_received - w->received;
    } else {
        w->sum.created += rt->created;
        w->sum.processed += rt->processed;
        w->sum.waiters += c4pi_count_waiters(rt);
        w->sum.timers += count_to_come(rt);
    }
    w->open = false;
    if (rt->rank == 0)
        wave_done(rt, &w->sum);
    else
        send_wave(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), C4PI_WAVE, 1, &w->sum);
    return true;
}

static void
on_wave(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_waves_t *w = rt->waves;
    const sums_t *body = c4pi_msg_payload(msg);
    w->received++;
    if (msg->env.len != sizeof *body)
        c4pi_die(rt, C4P_ERR_DATA, "a wave of the wrong length from rank %d", (int)msg->env.source);
    if (msg->env.entry == 0) {
        w->id = msg->env.reference;
        wave_begin(rt, body->what);
    } else if (w->open && msg->env.reference == w->id) {
        w->sum.created += body->created;
        w->sum.processed += body->processed;
        w->sum.waiters += body->waiters;
        w->sum.timers += body->timers;
        w->missing--;
    }
    c4pi_msg_drop(msg);
}

/* ---- rank 0 decides --------------------------------------------------------------------------- */

/* May this one be told? A checkpoint that was asked for is part of the work; only it may go on. */
static bool
is_due(c4p_rt_t *rt, const request_t *request)
{
    return !request->fresh && (request->fn || !c4pi_ckpt_pending(rt));
}

static void
tell_requests(c4p_rt_t *rt, uint64_t created)
{
    c4pi_waves_t *w = rt->waves;
    request_t **at = &w->requests, *due = NULL, **due_end = &due;
    while (*at) {
        request_t *request = *at;
        if (!is_due(rt, request)) {
            at = &request->next;
            continue;
        }
        *at = request->next;
        request->next = NULL;
        *due_end = request;
        due_end = &request->next;
    }
    while (due) {
        request_t *request = due;
        due = request->next;
        if (!request->fn)
            c4pi_target_deliver(rt, &request->target, NULL);
        else
            request->fn(rt, created);
        c4pi_free(rt->port, request, sizeof *request);
    }
}

static uint64_t
stall_after_ns(const c4p_rt_t *rt)
{
    return rt->opts.stall_after_ms * UINT64_C(1000000);
}

static void
finish(c4p_rt_t *rt)
{
    rt->phase = C4PI_PHASE_ENDED;
    rt->stop = true;
}

/* Nothing moves, nothing waits, and no timer is set. */
static void
judge_idle(c4p_rt_t *rt)
{
    c4pi_waves_t *w = rt->waves;
    if (++w->num_idle != IDLE_LOOKS)
        return;
    if (rt->hooks.nothing_left)
        rt->hooks.nothing_left(rt, rt->hooks.ctx);
    else if (rt->until_exit && !rt->hooks.tick) /* which may end the job when it likes */
        c4pi_log(rt->port, C4P_LOG_WARN,
                 "the program has nothing left to do but nobody has called c4p_exit(): no method "
                 "runs, no message is in flight, nothing waits and no timer is set, on any rank; "
                 "c4p_run() goes on until the job is told to end");
}

/* Nothing moves. A stall it is only if nothing has moved for a while on any rank, and nothing is on
 * its way that waves do not count: who is to be told of quiescence may go on, and so may a timer.
 */
static void
judge(c4p_rt_t *rt, const sums_t *sum)
{
    c4pi_waves_t *w = rt->waves;
    uint64_t now = c4pi_now_ns(rt->port);
    if (w->requests)
        return;
    if (sum->created != w->judged_created) {
        w->judged_created = sum->created;
        w->judge_ns = now + stall_after_ns(rt);
        w->num_idle = w->num_idle < IDLE_LOOKS ? 0 : w->num_idle;
        return;
    }
    w->judge_ns = now + judge_again_ns;
    if (!sum->waiters && !sum->timers && w->num_idle < IDLE_LOOKS)
        judge_idle(rt);
    if (sum->waiters && !sum->timers && rt->opts.stall != C4P_STALL_OFF &&
        sum->created != w->reported_created) { /* else it was reported and goes on (warn) */
        w->reported_created = sum->created;
        c4pi_stall_report(rt);
    }
}

/* The last wave is equal to the one before it and balanced. */
static void
decided(c4p_rt_t *rt, const sums_t *sum)
{
    c4pi_waves_t *w = rt->waves;
    w->have_previous = false;
    if (sum->what == WAVE_DRAIN) {
        sums_t none = {0};
        (void)send_children(rt, C4PI_EXIT, EXIT_FINISH, &none);
        finish(rt);
        return;
    }
    bool asked = false;
    for (request_t *request = w->requests; request; request = request->next)
        asked |= is_due(rt, request);
    if (asked) {
        tell_requests(rt, sum->created);
        return;
    }
    judge(rt, sum);
}

static void
wave_done(c4p_rt_t *rt, const sums_t *sum)
{
    c4pi_waves_t *w = rt->waves;
    bool equal = w->have_previous && sum->what == w->previous.what &&
                 sum->created == w->previous.created && sum->processed == w->previous.processed;
    bool balanced = sum->created == sum->processed;
    if (equal && balanced) {
        w->backoff_ns = first_backoff_ns;
        decided(rt, sum);
    } else {
        w->previous = *sum;
        w->have_previous = balanced;
        if (!balanced && !w->requests)
            w->judge_ns = c4pi_now_ns(rt->port) + judge_again_ns;
        if (balanced)
            w->backoff_ns = 0; /* the second look follows at once */
        else
            w->backoff_ns = w->backoff_ns < first_backoff_ns     ? first_backoff_ns
                            : 2 * w->backoff_ns < max_backoff_ns ? 2 * w->backoff_ns
                                                                 : max_backoff_ns;
    }
    w->next_ns = c4pi_now_ns(rt->port) + w->backoff_ns;
}

/* Is a wave wanted now? */
static bool
wave_wanted(c4p_rt_t *rt, uint64_t now)
{
    c4pi_waves_t *w = rt->waves;
    if (now < w->next_ns)
        return false;
    if (rt->phase == C4PI_PHASE_EXITING || w->requests)
        return true;
    if (rt->opts.stall == C4P_STALL_OFF || rt->phase != C4PI_PHASE_ACTIVE)
        return false;
    if (rt->work_done != w->quiet_work || !w->judge_ns) {
        w->quiet_work = rt->work_done;
        w->judge_ns = now + stall_after_ns(rt);
        return w->have_previous; /* finish the pair that is begun */
    }
    return w->have_previous || now >= w->judge_ns;
}

static void
wave_start(c4p_rt_t *rt)
{
    c4pi_waves_t *w = rt->waves;
    if (!w->have_previous)
        for (request_t *request = w->requests; request; request = request->next)
            request->fresh = false;
    w->id++;
    wave_begin(rt, rt->phase == C4PI_PHASE_EXITING ? WAVE_DRAIN : WAVE_COUNT);
}

/* An element that owes its part will give it, or go: meanwhile only who asks how things stand wants
 * to know of the others. */
static bool
flush_reductions(c4p_rt_t *rt, uint64_t now)
{
    const uint64_t quiet = now - rt->last_work_ns;
    const bool all = rt->waves->open || quiet > owed_patience_ns || rt->num_ranks == 1;
    return (all || quiet > partial_patience_ns) && c4pi_reduce_flush(rt, all);
}

bool
c4pi_waves_idle(c4p_rt_t *rt, uint64_t now)
{
    c4pi_waves_t *w = rt->waves;
    bool worked = false;
    if (rt->gate_closed && c4pi_queue_count(&rt->queue) && rt->phase < C4PI_PHASE_EXITING)
        return false; /* has work, only not yet */
    if (rt->reductions_held || rt->reductions_owed)
        worked = flush_reductions(rt, now);
    if (c4pi_flow_has_open(rt->flow))
        c4pi_flow_flush(rt->flow);
    if (worked)
        return true;
    if (rt->rank == 0 && !w->open && wave_wanted(rt, now)) {
        wave_start(rt);
        worked = true;
    }
    if (wave_answer(rt))
        worked = true;
    if (worked && c4pi_flow_has_open(rt->flow))
        c4pi_flow_flush(rt->flow);
    return worked;
}

/* ---- quiescence ------------------------------------------------------------------------------- */

static request_t *
add_request(c4p_rt_t *rt)
{
    request_t *request = c4pi_calloc(rt->port, sizeof *request);
    if (!request)
        c4pi_die(rt, C4P_ERR_NOMEM, "a request for quiescence is lost");
    request->fresh = true;
    request_t **at = &rt->waves->requests;
    while (*at)
        at = &(*at)->next;
    *at = request;
    rt->waves->next_ns = 0;
    return request;
}

static void
on_ask(c4p_rt_t *rt, c4p_msg_t *msg)
{
    request_t *request = add_request(rt);
    if (msg->env.len != sizeof request->target)
        c4pi_die(rt, C4P_ERR_DATA, "a request for quiescence is lost");
    memcpy(&request->target, c4pi_msg_payload(msg), sizeof request->target);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

void
c4pi_wave_call(c4p_rt_t *rt, void (*fn)(c4p_rt_t *rt, uint64_t created))
{
    add_request(rt)->fn = fn;
}

void
c4pi_wave_request(c4p_rt_t *rt, const c4p_target_t *target)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *target);
    memcpy(c4pi_msg_payload(msg), target, sizeof *target);
    msg->env.kind = C4PI_QD_ASK;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, 0, msg);
}

/* ---- exit ------------------------------------------------------------------------------------- */

static void
begin_exit(c4p_rt_t *rt, int code)
{
    if (rt->phase >= C4PI_PHASE_EXITING)
        return;
    rt->phase = C4PI_PHASE_EXITING;
    rt->frozen = false; /* a checkpoint that is being written is given up */
    rt->exit_code = code;
    rt->waves->open = false; /* a wave in progress is void: its answers would count other things */
    rt->waves->have_previous = false;
    rt->waves->next_ns = 0;
    rt->waves->backoff_ns = first_backoff_ns;
    c4pi_flow_no_limits(rt->flow);
}

static void
on_exit_ask(c4p_rt_t *rt, c4p_msg_t *msg)
{
    int code = (int)(int64_t)msg->env.reference;
    if ((int)msg->env.source != rt->rank)
        rt->waves->received++;
    c4pi_msg_drop(msg);
    if (rt->waves->exit_decided)
        return;
    rt->waves->exit_decided = true;
    sums_t body = {.what = (uint64_t)(int64_t)code};
    (void)send_children(rt, C4PI_EXIT, EXIT_DOWN, &body);
    begin_exit(rt, code);
}

static void
on_exit(c4p_rt_t *rt, c4p_msg_t *msg)
{
    const sums_t *body = c4pi_msg_payload(msg);
    rt->waves->received++;
    (void)send_children(rt, C4PI_EXIT, msg->env.entry, body);
    if (msg->env.entry == EXIT_DOWN)
        begin_exit(rt, (int)(int64_t)body->what);
    else
        finish(rt);
    c4pi_msg_drop(msg);
}

void
c4pi_exit_ask(c4p_rt_t *rt, int code)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.kind = C4PI_EXIT_ASK;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    msg->env.reference = (uint64_t)(int64_t)code;
    rt->waves->exit_asked = true;
    if (rt->rank != 0)
        rt->waves->sent++;
    c4pi_send_to(rt, 0, msg);
}

/* ---- life ------------------------------------------------------------------------------------- */

c4p_status_t
c4pi_waves_new(c4p_rt_t *rt)
{
    rt->waves = c4pi_calloc(rt->port, sizeof *rt->waves);
    if (!rt->waves)
        return C4P_ERR_NOMEM;
    rt->waves->backoff_ns = first_backoff_ns;
    rt->waves->judged_created = rt->waves->reported_created = UINT64_MAX;
    rt->on_idle = c4pi_waves_idle;
    rt->on_kind[C4PI_WAVE] = on_wave;
    rt->on_kind[C4PI_QD_ASK] = on_ask;
    rt->on_kind[C4PI_EXIT_ASK] = on_exit_ask;
    rt->on_kind[C4PI_EXIT] = on_exit;
    return C4P_OK;
}

void
c4pi_waves_free(c4p_rt_t *rt)
{
    if (!rt->waves)
        return;
    while (rt->waves->requests) {
        request_t *request = rt->waves->requests;
        rt->waves->requests = request->next;
        c4pi_free(rt->port, request, sizeof *request);
    }
    c4pi_free(rt->port, rt->waves, sizeof *rt->waves);
    rt->waves = NULL;
}
