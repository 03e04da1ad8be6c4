/* SPDX-License-Identifier: Apache-2.0 */
/* small.c: scenarios about one thing each: priorities and the gate, ends of the job by a mistake of
 * the program's, ranks that disagree at the start. */
#include <stdio.h>
#include <string.h>

#include "sim/sim_scenarios.h"

enum { MOST = 400, MAX_RANKS = 9 };

typedef struct item {
    int32_t priority;
    int source;
    uint32_t number; /* of its source */
} item_t;

typedef struct small {
    sim_job_t *job;
    c4p_type_t type;
    c4p_entry_t on_item;
    c4p_handler_t arrive, go;
    c4p_map_t bad_map;
    c4p_coll_t group;
    c4p_future_t futures[2];
    uint32_t kind;
    uint32_t sent, seen, arrived;
    uint32_t tokens, hops;
    uint32_t next[MAX_RANKS];
    item_t ran[MOST];
    const char *expect; /* in the report */
} small_t;

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self;
    if (args && c4p_msg_len(args) == 1)
        return C4P_ERR_USER;
    *object_out = ctx;
    return C4P_OK;
}

static small_t *
small_of(sim_job_t *job)
{
    small_t *s = job->world;
    if (!s) {
        s = job->world = sim_memory(job, sizeof *s);
        s->job = job;
    }
    return s;
}

static void
add_type(small_t *s, c4p_rt_t *rt)
{
    c4p_type_desc_t type = {
        .struct_size = sizeof type, .name = "Small", .construct = construct, .ctx = s};
    sim_ok(s->job, rt, c4p_type_add(rt, &type, &s->type), "c4p_type_add");
}

/* ---- priority ---------------------------------------------------------------------------------- */

/* All messages wait behind the closed gate of rank 0. When it opens they run by priority, and in
 * the order sent where priority and sender are the same. */
static void
item(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    item_t *now = &s->ran[s->seen];
    (void)object;
    memcpy(now, c4p_msg_data(msg), sizeof *now);
    SIM_CHECK(s->job, "gate", !rt->gate_closed, "an entry method runs behind a closed gate");
    for (uint32_t i = 0; i < s->seen; i++) {
        const item_t *before = &s->ran[i];
        SIM_CHECK(s->job, "priority", before->priority <= now->priority,
                  "a message of priority %d runs before one of %d", before->priority,
                  now->priority);
        SIM_CHECK(s->job, "P2",
                  before->priority != now->priority || before->source != now->source ||
                      before->number < now->number,
                  "messages of one rank and priority run out of order");
    }
    if (++s->seen == s->sent)
        sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
}

static void
arrive(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    (void)msg;
    if (++s->arrived == (uint32_t)s->job->ranks)
        c4p_gate(rt, false);
}

static c4p_msg_t *
message(small_t *s, c4p_rt_t *rt, size_t len)
{
    c4p_msg_t *msg;
    sim_ok(s->job, rt, c4p_msg_new(rt, len, &msg), "c4p_msg_new");
    memset(c4p_msg_data(msg), 0, len);
    return msg;
}

/* On every rank, where the group is known by now: send some, then say so. */
static void
go(c4p_rt_t *rt, c4p_msg_t *order, void *ctx)
{
    static const int32_t priorities[] = {0, 1, -1, 7, -7, INT32_MAX, INT32_MIN};
    small_t *s = ctx;
    sim_job_t *job = s->job;
    (void)order;
    for (uint32_t n = 1 + sim_choose(job, 30); n > 0; n--) {
        item_t what = {priorities[sim_choose(job, 7)], rt->rank, s->next[rt->rank]++};
        c4p_msg_t *msg = message(s, rt, sizeof what + (sim_choose(job, 8) == 7 ? 6000 : 0));
        memcpy(c4p_msg_data(msg), &what, sizeof what);
        c4p_msg_set_priority(msg, what.priority);
        c4p_ref_t to = {s->group, {{0, 0}}};
        sim_ok(job, rt, c4p_send(rt, to, s->on_item, msg), "c4p_send");
        s->sent++;
    }
    if (rt->rank == 0)
        arrive(rt, NULL, s); /* what it sends to itself waits behind the gate as well */
    else
        sim_ok(job, rt, c4p_send_handler(rt, 0, s->arrive, message(s, rt, 0)), "handler");
}

static void
add_priority(sim_job_t *job, c4p_rt_t *rt)
{
    small_t *s = small_of(job);
    add_type(s, rt);
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "item", item, s, &s->on_item), "c4p_entry_add");
    sim_ok(job, rt, c4p_handler_add(rt, "arrive", arrive, s, &s->arrive), "c4p_handler_add");
    sim_ok(job, rt, c4p_handler_add(rt, "go", go, s, &s->go), "c4p_handler_add");
    if (rt->rank == 0)
        c4p_gate(rt, true);
}

/* The order goes down the same tree as the news of the group. */
static void
begin_priority(sim_job_t *job)
{
    small_t *s = job->world;
    c4p_rt_t *rt = job->rts[job->ranks - 1];
    sim_ok(job, rt, c4p_group_new(rt, s->type, NULL, 0, &s->group), "c4p_group_new");
    if (rt->rank == 0) /* it would wait behind its own gate */
        go(rt, NULL, s);
    else
        sim_ok(job, rt, c4p_bcast_handler(rt, s->go, message(s, rt, 0)), "c4p_bcast_handler");
}

const sim_scenario_t sim_priority = {.name = "priority",
                                     .what = "messages by priority, behind a gate",
                                     .min_ranks = 1,
                                     .max_ranks = MAX_RANKS,
                                     .add = add_priority,
                                     .begin = begin_priority};

/* ---- mistakes ---------------------------------------------------------------------------------- */

static int
place_nowhere(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)rt, (void)arg, (void)ctx;
    return index->at[0] == 2 ? 1000 : 0;
}

static void
disagree(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    c4p_ref_t self = c4p_self(rt);
    int64_t values[2] = {1, 2};
    c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t nobody = {.kind = C4P_TARGET_NONE};
    (void)object, (void)msg;
    sim_ok(s->job, rt,
           c4p_contribute(rt, self, &how, values, self.key.w[0] == 3 ? 16 : 8, &nobody, NULL),
           "c4p_contribute");
}

static void
got(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    (void)rt, (void)future, (void)msg, (void)is_error, (void)last, (void)ctx;
}

static void
add_mistake(sim_job_t *job, c4p_rt_t *rt)
{
    small_t *s = small_of(job);
    add_type(s, rt);
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "disagree", disagree, s, &s->on_item), "entry");
    sim_ok(job, rt, c4p_map_add(rt, "nowhere", place_nowhere, s, &s->bad_map), "c4p_map_add");
}

static void
expect(small_t *s, int status, const char *text)
{
    s->job->expect_status = status;
    s->expect = text;
}

static void
begin_mistake(sim_job_t *job)
{
    small_t *s = job->world;
    c4p_rt_t *rt = job->rts[sim_choose(job, (uint32_t)job->ranks)];
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_index_t index = {.ndims = 1, .at = {2}};
    c4p_future_t future;
    c4p_coll_t array;
    c4p_msg_t *args = NULL;
    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = 6;
    s->kind = sim_choose(job, 7);
    if (s->kind == 4)
        opts.map = s->bad_map;
    if (s->kind == 5)
        args = message(s, rt, 1);
    if (s->kind == 4)
        expect(s, 1, "placement map 'nowhere' answers rank 1000 for Small(2)");
    if (s->kind == 5)
        expect(s, 1, "the constructor of Small(");
    if (s->kind == 6) {
        expect(s, 42, "no more of this");
        c4p_abort(rt, 42, "no more of this");
    }
    sim_ok(job, rt, c4p_array_new(rt, s->type, &opts, args, &array), "c4p_array_new");
    switch (s->kind) {
    case 0:
        expect(s, 1, "insertion of Small(2): that element exists already");
        sim_ok(job, rt, c4p_insert(rt, array, &index, -1, NULL), "c4p_insert");
        break;
    case 1:
        expect(s, 1, "got one value more than it was made for");
        sim_ok(job, rt, c4p_future_new(rt, 2, got, s, &future), "c4p_future_new");
        for (int i = 0; i < 3; i++) {
            c4p_rt_t *from = job->rts[sim_choose(job, (uint32_t)job->ranks)];
            sim_ok(job, from, c4p_future_send(from, future, NULL, false), "c4p_future_send");
        }
        break;
    case 2:
        expect(s, 1, "the members disagree");
        sim_ok(job, rt, c4p_bcast(rt, array, s->on_item, message(s, rt, 0), C4P_BCAST_NO_REPLY, 0),
               "c4p_bcast");
        break;
    case 3: /* inserted twice from two ranks */
        expect(s, 1, "insertion of Small(9): that element exists already");
        index.at[0] = 9;
        for (int i = 0; i < 2; i++) {
            c4p_rt_t *from = job->rts[sim_choose(job, (uint32_t)job->ranks)];
            sim_ok(job, from, c4p_insert(from, array, &index, -1, NULL), "c4p_insert");
        }
        break;
    default:
        break;
    }
}

static void
check_mistake(sim_job_t *job)
{
    small_t *s = job->world;
    const char *log = c4pi_simnet_world(job->net)->log;
    SIM_CHECK(job, "report", s->expect && log && strstr(log, s->expect),
              "the report does not say '%s'", s->expect ? s->expect : "?");
}

const sim_scenario_t sim_mistake = {.name = "mistake",
                                    .what = "a mistake of the program's ends the job with its name",
                                    .min_ranks = 1,
                                    .max_ranks = MAX_RANKS,
                                    .add = add_mistake,
                                    .begin = begin_mistake,
                                    .aborted = check_mistake};

/* ---- tokens ------------------------------------------------------------------------------------ */

/* A few messages that are always under way, from rank to rank, while quiescence is asked for all
 * the time: waves that cut the ranks' histories at different moments are the rule here (P8). */
static void
send_token(small_t *s, c4p_rt_t *rt)
{
    uint64_t next = sim_choose(s->job, (uint32_t)s->job->ranks);
    c4p_ref_t to = {s->group, {{next, 0}}};
    sim_ok(s->job, rt, c4p_send(rt, to, s->on_item, message(s, rt, 0)), "c4p_send");
}

/* One goes on, or becomes two, or ends; the last ends when there were enough hops. */
static void
pass_token(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    uint32_t fate = sim_choose(s->job, 4);
    (void)object, (void)msg;
    s->hops -= s->hops > 0;
    if (s->hops == 0 || (fate == 2 && s->tokens > 1)) {
        s->tokens--;
        return;
    }
    send_token(s, rt);
    if (fate == 1 && s->tokens < 5) {
        s->tokens++;
        send_token(s, rt);
    }
}

static void
ask_quiet(small_t *s, c4p_rt_t *rt)
{
    c4p_target_t target = {.kind = C4P_TARGET_HANDLER, .number = s->arrive};
    sim_ok(s->job, rt, c4p_detect_quiescence(rt, &target), "c4p_detect_quiescence");
}

static void
quiet(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    (void)msg;
    SIM_CHECK(s->job, "P8", s->tokens == 0, "quiescence, but %u tokens go round for %u hops more",
              s->tokens, s->hops);
    sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
}

static void
add_token(sim_job_t *job, c4p_rt_t *rt)
{
    small_t *s = small_of(job);
    add_type(s, rt);
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "token", pass_token, s, &s->on_item), "entry");
    sim_ok(job, rt, c4p_handler_add(rt, "quiet", quiet, s, &s->arrive), "c4p_handler_add");
}

static void
begin_token(sim_job_t *job)
{
    small_t *s = job->world;
    c4p_rt_t *rt = job->rts[sim_choose(job, (uint32_t)job->ranks)];
    sim_ok(job, rt, c4p_group_new(rt, s->type, NULL, 0, &s->group), "c4p_group_new");
    s->hops = 40 + sim_choose(job, 60);
    s->tokens = 1 + sim_choose(job, 3);
    for (uint32_t i = 0; i < s->tokens; i++)
        send_token(s, rt);
    ask_quiet(s, rt);
}

const sim_scenario_t sim_token = {.name = "token",
                                  .what = "a few messages go round while quiescence is asked for",
                                  .min_ranks = 2,
                                  .max_ranks = MAX_RANKS,
                                  .add = add_token,
                                  .begin = begin_token};

/* ---- filling an array -------------------------------------------------------------------------- */

/* All ranks insert into one array and tell rank 0, which ends the insertion, although insertions
 * may still be under way. Elements contribute at once: the first reduction has them all (P6). */
static c4p_status_t
contribute(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    small_t *s = ctx;
    int64_t one = 1;
    c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t target = {.kind = C4P_TARGET_FUTURE};
    (void)args;
    *object_out = ctx;
    for (int i = 0; i < 2; i++) {
        target.number = s->futures[i];
        sim_ok(s->job, rt, c4p_contribute(rt, self, &how, &one, 8, &target, NULL),
               "c4p_contribute");
    }
    return C4P_OK;
}

static void
filled(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    small_t *s = ctx;
    (void)msg;
    if (++s->arrived == (uint32_t)s->job->ranks)
        sim_ok(s->job, rt, c4p_done_inserting(rt, s->group), "c4p_done_inserting");
}

static void
summed(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    small_t *s = ctx;
    c4p_result_t result;
    (void)is_error, (void)last;
    SIM_CHECK(s->job, "P6", c4p_result_get(msg, &result) == C4P_OK, "a result cannot be read");
    SIM_CHECK(s->job, "P6", future == s->futures[s->seen], "the second reduction ends first");
    SIM_CHECK(s->job, "P6", result.contributors == s->sent && *(int64_t *)result.data == s->sent,
              "a reduction over %u elements has %d contributions", s->sent,
              (int)result.contributors);
    if (++s->seen == 2)
        sim_ok(s->job, rt, c4p_exit(rt, 0), "c4p_exit");
}

static void
add_fill(sim_job_t *job, c4p_rt_t *rt)
{
    small_t *s = small_of(job);
    c4p_type_desc_t type = {
        .struct_size = sizeof type, .name = "Small", .construct = contribute, .ctx = s};
    sim_ok(job, rt, c4p_type_add(rt, &type, &s->type), "c4p_type_add");
    sim_ok(job, rt, c4p_handler_add(rt, "filled", filled, s, &s->arrive), "c4p_handler_add");
}

static void
begin_fill(sim_job_t *job)
{
    small_t *s = job->world;
    c4p_rt_t *root = job->rts[sim_choose(job, (uint32_t)job->ranks)];
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    sim_ok(job, root, c4p_array_new(root, s->type, &opts, NULL, &s->group), "c4p_array_new");
    for (int i = 0; i < 2; i++)
        sim_ok(job, job->rts[0], c4p_future_new(job->rts[0], 1, summed, s, &s->futures[i]),
               "future");
    for (int r = 0; r < job->ranks; r++) {
        c4p_rt_t *rt = job->rts[r];
        uint32_t n = sim_choose(job, 4) + (r == 0);
        for (s->sent += n; n > 0; n--) {
            c4p_index_t index = {.ndims = 1, .at = {r + 100 * (int64_t)n}};
            int where = (int)sim_choose(job, (uint32_t)job->ranks + 1) - 1;
            sim_ok(job, rt, c4p_insert(rt, s->group, &index, where, NULL), "c4p_insert");
        }
        sim_ok(job, rt, c4p_send_handler(rt, 0, s->arrive, message(s, rt, 0)), "handler");
    }
}

const sim_scenario_t sim_fill = {.name = "fill",
                                 .what = "all ranks fill an array, whose elements reduce at once",
                                 .min_ranks = 1,
                                 .max_ranks = MAX_RANKS,
                                 .add = add_fill,
                                 .begin = begin_fill};

/* ---- disagreement at the start ----------------------------------------------------------------- */

static void
add_differently(sim_job_t *job, c4p_rt_t *rt)
{
    small_t *s = small_of(job);
    if (rt->rank == 0)
        s->kind = sim_choose(job, (uint32_t)job->ranks); /* who differs; 0: nobody */
    add_type(s, rt);
    const char *name = rt->rank && rt->rank == (int)s->kind ? "odd" : "even";
    sim_ok(job, rt, c4p_entry_add(rt, s->type, name, disagree, s, &s->on_item), "c4p_entry_add");
}

static void
begin_agreed(sim_job_t *job)
{
    small_t *s = job->world;
    SIM_CHECK(job, "start", s->kind == 0, "ranks that differ have started");
    sim_ok(job, job->rts[0], c4p_exit(job->rts[0], 0), "c4p_exit");
}

static void
check_disagreement(sim_job_t *job)
{
    small_t *s = job->world;
    char text[100];
    const char *log = c4pi_simnet_world(job->net)->log;
    snprintf(text, sizeof text,
             "rank 0 has 'entry method even' where rank %u has 'entry method odd'", s->kind);
    SIM_CHECK(job, "start", !s->kind || (log && strstr(log, text)), "the log does not say: %s",
              text);
}

const sim_scenario_t sim_differ = {.name = "differ",
                                   .what = "ranks that registered different things do not start",
                                   .min_ranks = 1,
                                   .max_ranks = MAX_RANKS,
                                   .add = add_differently,
                                   .begin = begin_agreed,
                                   .end = check_disagreement};
