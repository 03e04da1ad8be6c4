/* SPDX-License-Identifier: Apache-2.0 */
/* scale_test.c: what collective operations cost on 64, 512 and 4096 ranks: messages in all,
 * messages of the busiest rank, the longest chain of messages of which each waits for the one
 * before, and memory of a rank, which must not grow with their number. Everything is scheduled the
 * boring way, oldest first, so that the counts are exact. */
#include "sim/sim_driver.h"
#include "support/test.h"

/* FIND: a message to an element that has moved, from a rank that does not know, and the next one.
 */
typedef enum step {
    CREATE,
    SHOUT,
    REDUCE,
    AWAIT,
    QUIET,
    SETUP,
    FIRST,
    SYNC,
    MOVE,
    FIND,
    FOUND,
    NUM_STEPS
} step_t;

static const char *const step_names[NUM_STEPS] = {"creation",
                                                  "broadcast",
                                                  "reduction",
                                                  "awaited broadcast",
                                                  "quiescence",
                                                  NULL,
                                                  "first synchronization point",
                                                  "each further one",
                                                  "migration",
                                                  "message to who moved",
                                                  "the next one"};

typedef struct cost {
    uint64_t messages; /* of all ranks */
    uint64_t busiest;  /* of the rank that sent most */
    uint64_t depth;    /* one after the other */
} cost_t;

typedef struct scale {
    sim_job_t *job;
    c4p_type_t type;
    c4p_entry_t on_run, on_give, on_sync;
    c4p_coll_t group, array;
    step_t step;
    uint32_t ran;
    uint32_t calm;    /* turns since nothing is on its way */
    uint64_t *before; /* messages sent by each rank */
    cost_t costs[NUM_STEPS];
    uint64_t bytes_per_rank;
} scale_t;

static cost_t costs[NUM_STEPS];
static uint64_t bytes_per_rank;

static void next(scale_t *s, c4p_rt_t *rt);

static uint64_t
sent_by(c4p_rt_t *rt)
{
    c4pi_flow_counts_t counts;
    c4pi_flow_counts(rt->flow, &counts);
    return counts.all_sent;
}

static void
begin_step(scale_t *s)
{
    for (int i = 0; i < s->job->ranks; i++)
        s->before[i] = sent_by(s->job->rts[i]);
    c4pi_simnet_depth_from_here(s->job->net);
}

static void
end_step(scale_t *s)
{
    cost_t *cost = &s->costs[s->step];
    c4pi_simnet_stats_t stats;
    c4pi_simnet_stats(s->job->net, &stats);
    cost->depth = stats.depth;
    for (int i = 0; i < s->job->ranks; i++) {
        uint64_t sent = sent_by(s->job->rts[i]) - s->before[i];
        cost->messages += sent;
        if (sent > cost->busiest)
            cost->busiest = sent;
    }
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    scale_t *s = ctx;
    (void)args;
    *object_out = ctx;
    if (s->step == CREATE)
        sim_ok(s->job, rt, c4p_sync_join(rt, self), "c4p_sync_join");
    return C4P_OK;
}

static void
run(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    scale_t *s = ctx;
    (void)rt, (void)object, (void)msg;
    s->ran++;
}

static c4p_status_t
pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    (void)rt, (void)object, (void)ctx;
    return c4p_pup_status(p);
}

static c4p_status_t
unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    scale_t *s = ctx;
    (void)rt, (void)self;
    s->ran++;
    *object_out = ctx;
    return c4p_pup_status(p);
}

/* All are ready for a synchronization point, and go on. */
static void
get_ready(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    scale_t *s = ctx;
    (void)object, (void)msg;
    sim_ok(s->job, rt, c4p_sync(rt, c4p_self(rt), s->on_run), "c4p_sync");
}

static void
came(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool is_last, void *ctx)
{
    scale_t *s = ctx;
    c4p_result_t result;
    uint64_t ranks = (uint64_t)s->job->ranks;
    (void)future;
    SIM_CHECK(s->job, "scale", is_last && !is_error, "a future has failed");
    if (s->step == REDUCE)
        SIM_CHECK(s->job, "P6",
                  c4p_result_get(msg, &result) == C4P_OK && *(uint64_t *)result.data == ranks,
                  "the sum over all ranks is wrong");
    SIM_CHECK(s->job, "P7", s->step != AWAIT || s->ran == 2 * ranks,
              "an awaited broadcast was complete after %u executions", s->ran);
    end_step(s);
    s->step++;
    next(s, rt);
}

static c4p_future_t
future(scale_t *s, c4p_rt_t *rt)
{
    c4p_future_t id;
    sim_ok(s->job, rt, c4p_future_new(rt, 1, came, s, &id), "c4p_future_new");
    return id;
}

static void
give(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    scale_t *s = ctx;
    uint64_t one = 1;
    c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_UINT64};
    c4p_target_t target = {.kind = C4P_TARGET_FUTURE};
    (void)object;
    memcpy(&target.number, c4p_msg_data(msg), 8);
    sim_ok(s->job, rt, c4p_contribute(rt, c4p_self(rt), &how, &one, 8, &target, NULL),
           "contribute");
}

static c4p_msg_t *
message(scale_t *s, c4p_rt_t *rt, uint64_t number)
{
    c4p_msg_t *msg;
    sim_ok(s->job, rt, c4p_msg_new(rt, 8, &msg), "c4p_msg_new");
    memcpy(c4p_msg_data(msg), &number, 8);
    return msg;
}

/* A plain broadcast is over when all have run it: that is looked at after every turn. */
static void
turn(sim_job_t *job, c4p_rt_t *rt)
{
    scale_t *s = job->world;
    (void)rt;
    c4pi_simnet_stats_t stats;
    uint32_t all =
        s->step == SHOUT || s->step == FIRST || s->step == SYNC ? (uint32_t)job->ranks : 1;
    if ((s->step != SHOUT && s->step < SETUP) || s->step == NUM_STEPS || s->ran < all)
        return;
    c4pi_simnet_stats(job->net, &stats);
    s->calm = stats.in_flight ? 0 : s->calm + 1;
    if (s->step > QUIET && s->calm < 2 * (uint32_t)job->ranks) /* a correction may follow */
        return;
    s->calm = 0;
    end_step(s);
    s->step++;
    next(s, job->rts[0]);
}

static void
next(scale_t *s, c4p_rt_t *rt)
{
    sim_job_t *job = s->job;
    c4p_target_t target = {.kind = C4P_TARGET_FUTURE};
    c4p_ref_t one = {.coll = s->array};
    c4p_rt_t *far = job->rts[job->ranks / 2];
    begin_step(s);
    if (s->step > QUIET)
        s->ran = s->step == SETUP;
    switch (s->step) {
    case CREATE:
        sim_ok(job, rt, c4p_group_new(rt, s->type, NULL, future(s, rt), &s->group), "group");
        break;
    case SHOUT:
        sim_ok(job, rt, c4p_bcast(rt, s->group, s->on_run, message(s, rt, 0), 0, 0), "c4p_bcast");
        break;
    case REDUCE:
        sim_ok(job, rt, c4p_bcast(rt, s->group, s->on_give, message(s, rt, future(s, rt)), 0, 0),
               "c4p_bcast");
        break;
    case AWAIT:
        sim_ok(job, rt,
               c4p_bcast(rt, s->group, s->on_run, message(s, rt, 0), C4P_BCAST_DONE, future(s, rt)),
               "c4p_bcast");
        break;
    case QUIET:
        target.number = future(s, rt);
        sim_ok(job, rt, c4p_detect_quiescence(rt, &target), "c4p_detect_quiescence");
        break;
    case SETUP: {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        opts.ndims = 1;
        opts.dense = true;
        opts.dims[0] = 1;
        sim_ok(job, rt, c4p_array_new(rt, s->type, &opts, NULL, &s->array), "array");
        c4pi_flow_flush(rt->flow);
        break;
    }
    case FIRST:
    case SYNC:
        sim_ok(job, rt, c4p_bcast(rt, s->group, s->on_sync, message(s, rt, 0), 0, 0), "c4p_bcast");
        break;
    case MOVE: /* the element of rank 0, to the last */
        sim_ok(job, rt, c4p_migrate(rt, one, job->ranks - 1, NULL), "c4p_migrate");
        c4pi_flow_flush(rt->flow);
        break;
    case FIND: /* by a rank that does not know */
    case FOUND:
        sim_ok(job, far, c4p_send(far, one, s->on_run, message(s, far, 0)), "c4p_send");
        c4pi_flow_flush(far->flow);
        break;
    case NUM_STEPS:
        s->bytes_per_rank = c4pi_simnet_world(job->net)->live_bytes / (uint64_t)job->ranks;
        sim_ok(job, rt, c4p_exit(rt, 0), "c4p_exit");
        break;
    }
}

static void
no_stall(sim_job_t *job, c4p_opts_t *opts)
{
    (void)job;
    opts->stall = C4P_STALL_OFF; /* its waves would be counted too */
}

static void
add(sim_job_t *job, c4p_rt_t *rt)
{
    scale_t *s = job->world;
    if (!s) {
        s = job->world = sim_memory(job, sizeof *s);
        s->job = job;
        s->before = sim_memory(job, (size_t)job->ranks * 8);
    }
    c4p_type_desc_t type = {.struct_size = sizeof type,
                            .name = "Cell",
                            .construct = construct,
                            .pack = pack,
                            .unpack = unpack,
                            .ctx = s};
    sim_ok(job, rt, c4p_type_add(rt, &type, &s->type), "c4p_type_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "run", run, s, &s->on_run), "c4p_entry_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "give", give, s, &s->on_give), "c4p_entry_add");
    sim_ok(job, rt, c4p_entry_add(rt, s->type, "get ready", get_ready, s, &s->on_sync), "entry");
}

static void
begin(sim_job_t *job)
{
    next(job->world, job->rts[0]);
}

static void
end(sim_job_t *job)
{
    scale_t *s = job->world;
    memcpy(costs, s->costs, sizeof costs);
    bytes_per_rank = s->bytes_per_rank;
}

static const sim_scenario_t scenario = {.name = "scale",
                                        .what = "costs of collective operations",
                                        .min_ranks = 1,
                                        .max_ranks = 4096,
                                        .max_events = 4000000,
                                        .options = no_stall,
                                        .add = add,
                                        .begin = begin,
                                        .turn = turn,
                                        .end = end};

/* The way from the deepest rank to rank 0. */
static uint64_t
tree_depth(int ranks)
{
    uint64_t depth = 0;
    for (int rank = ranks - 1; rank != 0; rank = c4pi_tree_parent(rank, 0, ranks))
        depth++;
    return depth;
}

/* A row of the table in docs/testing.md. */
static void
show(int ranks)
{
    for (int step = 0; step < NUM_STEPS; step++) {
        if (!step_names[step])
            continue;
        printf("| %s | %d | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " |\n", step_names[step], ranks,
               costs[step].messages, costs[step].busiest, costs[step].depth);
    }
}

static void
measure(int ranks)
{
    static const uint8_t boring[1];
    /* events follow each other here, but happen on all ranks at once in the world: as good as no
     * time between them, or partial results would be sent for waiting too long */
    sim_config_t config = {.scenario = &scenario, .ranks = ranks, .tape = boring, .event_ns = 1};
    sim_outcome_t outcome;
    sim_run(&config, &outcome);
    if (outcome.failed)
        fprintf(stderr, "%s: %s\n%s", outcome.property, outcome.text,
                outcome.log ? outcome.log : "");
    bool failed = outcome.failed;
    sim_outcome_fini(&outcome);
    CHECK(!failed);
    uint64_t p = (uint64_t)ranks;
    printf("%5d ranks: %" PRIu64 " bytes a rank\n", ranks, bytes_per_rank);
    show(ranks);
    /* down the tree to all others, and an answer of each */
    CHECK_EQ(2 * (p - 1), costs[CREATE].messages);
    CHECK_EQ(p - 1, costs[SHOUT].messages);
    CHECK_EQ(2 * (p - 1), costs[REDUCE].messages);
    CHECK_EQ(2 * (p - 1), costs[AWAIT].messages);
    /* each wave goes down and up; at least two are needed, and one more may come too early */
    CHECK(costs[QUIET].messages >= 4 * (p - 1));
    CHECK(costs[QUIET].messages <= 6 * (p - 1));
    /* the broadcast that says so, a hint from each rank, two waves, and the way down to go on */
    CHECK_EQ(7 * (p - 1), costs[SYNC].messages);
    CHECK(costs[FIRST].messages <= 10 * (p - 1)); /* a wave comes too early */
    /* itself, the news to its home, that these have arrived (not here: it was at home); and, up the
     * tree, that a part without elements has one now */
    CHECK(costs[MOVE].messages <= 3 + tree_depth(ranks));
    /* by way of the home, and a correction; then straight */
    CHECK(costs[FIND].messages <= 3);
    CHECK_EQ(1, costs[FOUND].messages);
    CHECK(costs[SYNC].busiest <= 19); /* 4 down, 1 up, twice 4 down and 1 up, 4 down */
    /* each way up or down takes as long as the tree is deep: down; down and up; two waves; seven
     * ways */
    uint64_t depth = tree_depth(ranks);
    CHECK_EQ(2 * depth, costs[CREATE].depth);
    CHECK_EQ(depth, costs[SHOUT].depth);
    CHECK_EQ(2 * depth, costs[REDUCE].depth);
    CHECK_EQ(2 * depth, costs[AWAIT].depth);
    CHECK(costs[QUIET].depth >= 4 * depth && costs[QUIET].depth <= 6 * depth);
    CHECK_EQ(7 * depth, costs[SYNC].depth);
    CHECK(costs[FIRST].depth <= 10 * depth);
    CHECK(costs[MOVE].depth <= 2 + depth);
    CHECK(costs[FIND].depth <= 3);
    CHECK_EQ(1, costs[FOUND].depth);
    /* nobody talks to more than four children and a parent */
    CHECK(costs[CREATE].busiest <= 5);
    CHECK(costs[SHOUT].busiest <= 4);
    CHECK(costs[REDUCE].busiest <= 5);
    CHECK(costs[AWAIT].busiest <= 5);
    CHECK(costs[QUIET].busiest <= 15);
}

static uint64_t few;

static void
collectives_on_64_ranks_cost_a_tree(void)
{
    measure(64);
    few = bytes_per_rank;
}

static void
collectives_on_512_ranks_cost_a_tree_and_no_more_memory_each(void)
{
    measure(512);
    CHECK(few == 0 || bytes_per_rank <= few + few / 20);
}

static void
collectives_on_4096_ranks_cost_a_tree_and_no_more_memory_each(void)
{
    measure(4096);
    CHECK(few == 0 || bytes_per_rank <= few + few / 20);
}

TEST_CASES(collectives_on_64_ranks_cost_a_tree,
           collectives_on_512_ranks_cost_a_tree_and_no_more_memory_each,
           collectives_on_4096_ranks_cost_a_tree_and_no_more_memory_each)
