/* SPDX-License-Identifier: Apache-2.0 */
/* stall.c: P13. A job in which something waits for ever ends with a report that lists exactly that,
 * within two seconds, and not before the last timer has fired; a job in which everything goes on by
 * itself later is left alone. */
#include <stdio.h>
#include <string.h>

#include "sim/sim_scenarios.h"

enum {
    NO_ELEMENT = 1,    /* messages to an index that nobody creates */
    NO_COLLECTION = 2, /* a message to a collection that nobody creates */
    NOT_ALL = 4,       /* a reduction that some members do not contribute to */
    NOT_DONE = 8,      /* a reduction over an array whose insertion nobody ended */
    NO_ANSWER = 16,    /* an awaited broadcast that one element never finishes */
    HOST = 32,         /* the language layer waits for something */
    ALL_KINDS = 64
};

/* When rank 0 must have found out, at the latest, after the last work (svc/wave.c): a look that
 * found work in progress, one that found that some had been done since the look before
 * (stall_after_ms), and for "nothing left" two more; rank 0, idle, takes a turn every 64 ms, and so
 * may be late for each. */
enum {
    TURN_MS = 64,
    AGAIN_MS = 750,
    STALL_AFTER_MS = 500,
    LATEST_STALL_MS = AGAIN_MS + STALL_AFTER_MS + 3 * TURN_MS,
    LATEST_IDLE_MS = LATEST_STALL_MS + 2 * (AGAIN_MS + TURN_MS)
};

typedef struct stalled {
    sim_job_t *job;
    c4p_type_t type;
    c4p_entry_t on_hop, on_give, on_keep;
    uint32_t kinds;
    uint64_t last_ns;     /* of the last thing that happened, */
    uint64_t withheld_ns; /* and how long the schedule had made the job wait by then */
    uint32_t hops_left;
    int waits[9]; /* HOST: on each rank */
    c4p_coll_t group, array, sparse;
    uint32_t keeps; /* who does not contribute, or answer: the index */
    bool idle;      /* the job has nothing left to do, for a while */
    int visitors; /* how often a rank is yet asked for work from outside before it comes; 0: none */
    int visited;  /* the rank */
    int num_idle;
    char expect[8][120];
    int num_expect;
} stalled_t;

static uint64_t
withheld_ns(const stalled_t *s)
{
    c4pi_simnet_stats_t stats;
    c4pi_simnet_stats(s->job->net, &stats);
    return stats.withheld_ns;
}

/* Something happens at this time. */
static void
works_at(stalled_t *s, uint64_t now_ns)
{
    s->last_ns = now_ns;
    s->withheld_ns = withheld_ns(s);
}

/* Since the last work, but for the time that the schedule let pass though something could be done.
 */
static uint64_t
waited_ns(const stalled_t *s)
{
    return sim_now(s->job) - s->last_ns - (withheld_ns(s) - s->withheld_ns);
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args;
    *object_out = ctx;
    return C4P_OK;
}

static c4p_msg_t *
message(stalled_t *s, c4p_rt_t *rt)
{
    c4p_msg_t *msg;
    sim_ok(s->job, rt, c4p_msg_new(rt, 0, &msg), "c4p_msg_new");
    return msg;
}

/* Work that keeps the job busy for a while: from rank to rank. */
static void
hop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    stalled_t *s = ctx;
    (void)object, (void)msg;
    works_at(s, sim_now(s->job));
    if (s->hops_left-- == 0)
        return;
    uint64_t next = sim_choose(s->job, (uint32_t)s->job->ranks);
    c4p_ref_t to = {s->group, {{next, 0}}};
    sim_ok(s->job, rt, c4p_send(rt, to, s->on_hop, message(s, rt)), "c4p_send");
}

static void
give(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    stalled_t *s = ctx;
    c4p_ref_t self = c4p_self(rt);
    c4p_reduce_t how = {.op = C4P_OP_NOP};
    c4p_target_t nobody = {.kind = C4P_TARGET_NONE};
    (void)object, (void)msg;
    works_at(s, sim_now(s->job));
    if (self.coll == s->array && self.key.w[0] == s->keeps)
        return;
    sim_ok(s->job, rt, c4p_contribute(rt, self, &how, NULL, 0, &nobody, NULL), "c4p_contribute");
}

static void
keep(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    stalled_t *s = ctx;
    c4p_reply_t reply;
    (void)object;
    works_at(s, sim_now(s->job));
    if (c4p_self(rt).key.w[0] == s->keeps)
        sim_ok(s->job, rt, c4p_reply_take(rt, msg, &reply), "c4p_reply_take");
}

static uint64_t
count_waiters(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    return (uint64_t)s->waits[rt->rank];
}

static void
list_waiters(c4p_rt_t *rt, void *ctx, struct c4p_report *report)
{
    stalled_t *s = ctx;
    for (int i = 0; i < s->waits[rt->rank]; i++)
        c4p_report_line(report, "rank %d waits for Godot", rt->rank);
}

/* Asked about once a second: after a while what was to come from outside has come. */
static bool
outside(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    if (s->visited != rt->rank || !s->visitors)
        return false;
    if (--s->visitors == 0)
        sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
    return true;
}

static void
end_it(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
}

static void
nothing_left(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    sim_ok(s->job, rt, c4p_timer(rt, 0.1, end_it, s, NULL), "c4p_timer");
    SIM_CHECK(s->job, "P13", s->idle, "nothing is left, says a rank of a job that waits");
    SIM_CHECK(s->job, "P13", rt->rank == 0 && ++s->num_idle == 1,
              "nothing is left, said rank %d as number %d", rt->rank, s->num_idle);
    SIM_CHECK(s->job, "P13", waited_ns(s) < LATEST_IDLE_MS * 1000000u,
              "nothing is left, it said %.3f s after the last work", (double)waited_ns(s) * 1e-9);
    SIM_CHECK(s->job, "P13", sim_now(s->job) > s->last_ns + 1000000000u,
              "nothing is left, it said %.3f s after the last work",
              (double)(sim_now(s->job) - s->last_ns) * 1e-9);
}

static void
add(sim_job_t *job, c4p_rt_t *rt)
{
    stalled_t *s = job->world;
    if (!s) {
        s = job->world = sim_memory(job, sizeof *s);
        s->job = job;
    }
    c4p_type_desc_t type = {
        .struct_size = sizeof type, .name = "Waiter", .construct = construct, .ctx = s};
    c4p_hooks_t hooks = {.struct_size = sizeof hooks,
                         .count_waiters = count_waiters,
                         .list_waiters = list_waiters,
                         .ctx = s,
                         .nothing_left = nothing_left,
                         .outside = outside};
    sim_ok(job, rt, c4p_type_add(rt, &type, &s->type), "c4p_type_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "hop", hop, s, &s->on_hop), "c4p_entry_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "give", give, s, &s->on_give), "c4p_entry_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "keep", keep, s, &s->on_keep), "c4p_entry_add");
    sim_ok(job, rt, c4p_set_hooks(rt, &hooks), "c4p_set_hooks");
}

static void
make_collections(stalled_t *s)
{
    c4p_rt_t *rt = s->job->rts[sim_choose(s->job, (uint32_t)s->job->ranks)];
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = 5;
    sim_ok(s->job, rt, c4p_group_new(rt, s->type, NULL, 0, &s->group), "c4p_group_new");
    sim_ok(s->job, rt, c4p_array_new(rt, s->type, &opts, NULL, &s->array), "c4p_array_new");
    opts.dense = false;
    sim_ok(s->job, rt, c4p_array_new(rt, s->type, &opts, NULL, &s->sparse), "c4p_array_new");
    s->hops_left = sim_choose(s->job, 40);
    c4p_ref_t first = {s->group, {{0, 0}}};
    sim_ok(s->job, rt, c4p_send(rt, first, s->on_hop, message(s, rt)), "c4p_send");
}

/* The next line that the report must have. */
static char *
expect(stalled_t *s)
{
    return s->expect[s->num_expect++];
}

static void
timer_fired(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    (void)rt;
    works_at(s, sim_now(s->job));
}

static void
value_came(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    stalled_t *s = ctx;
    (void)rt, (void)future, (void)msg, (void)is_error, (void)last;
    sim_fail(s->job, "P13", "an awaited broadcast is complete that one element did not finish");
}

static void
wait_for_answer(stalled_t *s, c4p_rt_t *rt)
{
    c4p_future_t future;
    sim_ok(s->job, rt, c4p_future_new(rt, 1, value_came, s, &future), "c4p_future_new");
    sim_ok(s->job, rt, c4p_bcast(rt, s->array, s->on_keep, message(s, rt), C4P_BCAST_DONE, future),
           "c4p_bcast");
    s->waits[rt->rank]++;
    snprintf(expect(s), 120, "rank %d waits for Godot", rt->rank);
    snprintf(expect(s), 120, "awaited broadcast ");
}

static void
wait_for_insertions(stalled_t *s, c4p_rt_t *rt)
{
    c4p_index_t index = {.ndims = 1, .at = {3}};
    c4p_ref_t to = {s->sparse, {{3, 0}}};
    sim_ok(s->job, rt, c4p_insert(rt, s->sparse, &index, -1, NULL), "c4p_insert");
    sim_ok(s->job, rt, c4p_send(rt, to, s->on_give, message(s, rt)), "c4p_send");
    snprintf(expect(s), 120, "reduction %llu over Waiter: 1 contributed, but nobody has said that",
             (unsigned long long)s->job->opts.counter_base);
}

static void
wait_for_nothing(stalled_t *s, c4p_rt_t *rt, uint32_t kind)
{
    uint32_t n = 1 + sim_choose(s->job, 3), i;
    c4p_ref_t nowhere = {s->array, {{99, 0}}};
    switch (kind) {
    case NO_ELEMENT:
        for (i = 0; i < n; i++)
            sim_ok(s->job, rt, c4p_send(rt, nowhere, s->on_give, message(s, rt)), "c4p_send");
        snprintf(expect(s), 120, "undeliverable: Waiter(99).give x%u from rank %d: ", n, rt->rank);
        break;
    case NO_COLLECTION:
        nowhere.coll += 100;
        sim_ok(s->job, rt, c4p_send(rt, nowhere, s->on_give, message(s, rt)), "c4p_send");
        snprintf(expect(s), 120, "undeliverable: 1 message(s) for collection ");
        break;
    case NOT_ALL:
        sim_ok(s->job, rt,
               c4p_bcast(rt, s->array, s->on_give, message(s, rt), C4P_BCAST_NO_REPLY, 0),
               "c4p_bcast");
        snprintf(expect(s), 120, "reduction %llu over Waiter: 4 of 5 members have contributed",
                 (unsigned long long)s->job->opts.counter_base);
        break;
    case NOT_DONE:
        wait_for_insertions(s, rt);
        break;
    case NO_ANSWER:
        wait_for_answer(s, rt);
        break;
    default:
        s->waits[rt->rank]++;
        snprintf(expect(s), 120, "rank %d waits for Godot", rt->rank);
    }
}

static void
begin(sim_job_t *job)
{
    stalled_t *s = job->world;
    make_collections(s);
    s->keeps = sim_choose(job, 5);
    s->kinds = 1 + sim_choose(job, ALL_KINDS - 1);
    for (uint32_t kind = HOST; kind; kind >>= 1)
        if (s->kinds & kind)
            wait_for_nothing(s, job->rts[sim_choose(job, (uint32_t)job->ranks)], kind);
    if (sim_choose(job, 2)) {
        c4p_rt_t *rt = job->rts[sim_choose(job, (uint32_t)job->ranks)];
        sim_ok(job, rt, c4p_timer(rt, 1.5, timer_fired, s, NULL), "c4p_timer");
        works_at(s, sim_now(job) + 1500000000);
    }
}

/* How many lines of the report begin with this text. */
static int
lines_with(const char *log, const char *text)
{
    int count = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        count += at == log || at[-1] == '\n';
    return count;
}

static void
check_report(sim_job_t *job)
{
    stalled_t *s = job->world;
    const char *log = c4pi_simnet_world(job->net)->log;
    const char *from = log ? strstr(log, "and these wait:\n") : NULL;
    const char *to = from ? strstr(from, "  hint:") : NULL;
    int lines = 0;
    SIM_CHECK(job, "P13", to, "the job ended with status 75 without a stall report");
    SIM_CHECK(job, "P13", sim_now(job) >= s->last_ns, "stalled, and there was a timer");
    SIM_CHECK(job, "P13", waited_ns(s) < LATEST_STALL_MS * 1000000u,
              "the stall was reported %.3f s after the last work", (double)waited_ns(s) * 1e-9);
    for (int i = 0; i < s->num_expect; i++) {
        int same = 0;
        for (int k = 0; k < s->num_expect; k++)
            same += strcmp(s->expect[i], s->expect[k]) == 0;
        SIM_CHECK(job, "P13", lines_with(from, s->expect[i]) == same,
                  "the stall report has %d lines '%s', not %d", lines_with(from, s->expect[i]),
                  s->expect[i], same);
    }
    for (const char *at = strchr(from, '\n') + 1; at < to; at = strchr(at, '\n') + 1)
        lines++;
    SIM_CHECK(job, "P13", lines == s->num_expect, "the stall report has %d lines, not %d", lines,
              s->num_expect);
}

const sim_scenario_t sim_stall = {.name = "stall",
                                  .what =
                                      "something waits for ever: the job ends with a report of it",
                                  .min_ranks = 1,
                                  .max_ranks = 9,
                                  .exit_status = 75,
                                  .add = add,
                                  .begin = begin,
                                  .aborted = check_report};

/* ---- no false alarm ---------------------------------------------------------------------------- */

static void
come(c4p_rt_t *rt, void *ctx)
{
    stalled_t *s = ctx;
    uint64_t n = sim_choose(s->job, 3);
    s->waits[rt->rank] = 0;
    if (s->kinds-- > 1) {
        int next = (int)sim_choose(s->job, (uint32_t)s->job->ranks);
        c4p_rt_t *there = s->job->rts[next];
        s->waits[next] = 1;
        sim_ok(s->job, there, c4p_timer(there, 0.3 + 1.1 * (double)n, come, s, NULL), "c4p_timer");
    } else {
        sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
    }
}

/* There is always either nobody who waits or a timer. */
static void
begin_patient(sim_job_t *job)
{
    stalled_t *s = job->world;
    make_collections(s);
    s->kinds = 2 + sim_choose(job, 4);
    if (sim_choose(job, 2))
        s->waits[0] = 1;
    sim_ok(job, job->rts[0], c4p_timer(job->rts[0], 3, come, s, NULL), "c4p_timer");
}

const sim_scenario_t sim_patient = {.name = "patient",
                                    .what = "long quiet times with a timer: no report",
                                    .min_ranks = 1,
                                    .max_ranks = 9,
                                    .add = add,
                                    .begin = begin_patient};

/* ---- nothing left, and nobody has ended the job ------------------------------------------------ */

static void
begin_idle(sim_job_t *job)
{
    stalled_t *s = job->world;
    make_collections(s);
    s->idle = true;
    if (sim_choose(job, 2)) {
        c4p_rt_t *rt = job->rts[sim_choose(job, (uint32_t)job->ranks)];
        sim_ok(job, rt, c4p_timer(rt, 2.5, timer_fired, s, NULL), "c4p_timer");
        works_at(s, sim_now(job) + 2500000000);
    }
}

/* The job ends at all only because the runtime says that nothing is left. */
const sim_scenario_t sim_idle = {.name = "idle",
                                 .what = "nothing is left to do: the host is told so, once",
                                 .min_ranks = 1,
                                 .max_ranks = 9,
                                 .add = add,
                                 .begin = begin_idle};

/* ---- a server for clients outside of the job ------------------------------------------------------ */

static void
begin_visited(sim_job_t *job)
{
    stalled_t *s = job->world;
    make_collections(s);
    s->visited = (int)sim_choose(job, (uint32_t)job->ranks);
    s->visitors = 12;
    if (sim_choose(job, 2))
        s->waits[sim_choose(job, (uint32_t)job->ranks)] = 1;
}

/* The job ends at all only because somebody comes; the other ranks may wait as long as they like.
 */
const sim_scenario_t sim_visited = {.name = "visited",
                                    .what =
                                        "a rank listens outside: no report, and something is left",
                                    .min_ranks = 1,
                                    .max_ranks = 9,
                                    .add = add,
                                    .begin = begin_visited};
