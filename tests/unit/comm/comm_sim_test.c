/* SPDX-License-Identifier: Apache-2.0 */
/* comm_sim_test.c: the simulated network keeps the transport's promises under every schedule,
 * repeats itself exactly, and notices when others break theirs. */
#include "comm/comm_sim.h"

#include "support/prng.h"
#include "support/test.h"

enum { RANKS = 5, PER_LINK = 30 };

typedef struct node {
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
    uint64_t out[RANKS], in[RANKS];
    int rank, runs;
} node_t;

typedef struct job {
    c4pi_simnet_t *net;
    node_t nodes[RANKS];
    uint64_t arrivals[RANKS * RANKS * PER_LINK]; /* in the order seen, over all ranks */
    size_t num_arrivals;
} job_t;

static job_t job;

static void
on_arrival(void *ctx, c4p_msg_t *msg)
{
    node_t *node = ctx;
    int source = (int)(uintptr_t)msg->where;
    CHECK_EQ(source, (int)msg->env.source);
    CHECK_EQ(node->in[source], msg->env.reference);
    node->in[source]++;
    if (job.num_arrivals < RANKS * RANKS * PER_LINK)
        job.arrivals[job.num_arrivals++] = msg->env.tag;
    c4pi_msg_drop(msg);
}

static void
start(const c4pi_simnet_opts_t *opts)
{
    c4pi_simnet_opts_t all = *opts;
    all.num_ranks = RANKS;
    memset(&job, 0, sizeof job);
    job.net = c4pi_simnet_new(&all);
    for (int i = 0; i < RANKS; i++) {
        node_t *node = &job.nodes[i];
        node->rank = i;
        c4pi_msgs_init(&node->msgs, c4pi_simnet_port(job.net, i), NULL);
        CHECK_OK(c4pi_simnet_comm_new(job.net, i, &node->msgs, &node->comm));
        node->comm->deliver = on_arrival;
        node->comm->deliver_ctx = node;
    }
}

static void
stop(void)
{
    for (int i = 0; i < RANKS; i++) {
        job.nodes[i].comm->ops->free_comm(job.nodes[i].comm);
        CHECK_EQ(0, job.nodes[i].msgs.live);
        c4pi_msgs_fini(&job.nodes[i].msgs);
    }
    CHECK_EQ(C4PI_SIM_END, c4pi_simnet_step(job.net));
    CHECK_EQ(0, c4pi_simnet_world(job.net)->live_blocks);
    c4pi_simnet_free(job.net);
}

static c4p_msg_t *
message(node_t *node, int dest, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, len);
    msg->env.kind = C4PI_USER;
    msg->env.source = (uint32_t)node->rank & 0xffffff;
    msg->env.reference = node->out[dest]++;
    memset(c4pi_msg_payload(msg), 3, len);
    return msg;
}

static void
send(node_t *node, int dest, size_t len)
{
    c4p_msg_t *msg = message(node, dest, len);
    msg->env.tag = (uint32_t)node->out[dest] + 1000 * (uint32_t)node->rank;
    CHECK_OK(node->comm->ops->send(node->comm, dest, msg));
}

static void
poll_until_quiet(void)
{
    while (!c4pi_simnet_quiet(job.net)) {
        int did = 0, rank = c4pi_simnet_step(job.net);
        if (rank < 0)
            continue;
        c4pi_comm_t *comm = job.nodes[rank].comm;
        CHECK_OK(comm->ops->poll(comm, 1 + (int)c4pi_simnet_choose(job.net, 4), &did));
        CHECK(did <= 4);
        job.nodes[rank].runs++;
        c4pi_simnet_ran(job.net, rank, did > 0, 0);
    }
}

/* Each rank sends to each in turns of its own; the trace hash of what follows. */
static uint64_t
storm(const c4pi_simnet_opts_t *opts)
{
    start(opts);
    for (int k = 0; k < PER_LINK; k++)
        for (int from = 0; from < RANKS; from++)
            for (int to = 0; to < RANKS; to++)
                if (to != from)
                    send(&job.nodes[from], to, k % 3 ? 10 : 5000);
    poll_until_quiet();
    for (int from = 0; from < RANKS; from++)
        for (int to = 0; to < RANKS; to++)
            CHECK_EQ(to == from ? 0 : PER_LINK, job.nodes[to].in[from]);
    return c4pi_simnet_trace_hash(job.net);
}

/* ---- promises of a transport ------------------------------------------------------------------------ */

static void
every_mode_delivers_everything_in_order_per_link(void)
{
    for (c4pi_sim_mode_t mode = C4PI_SIM_RANDOM; mode < C4PI_SIM_NUM_MODES; mode++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            storm(&(c4pi_simnet_opts_t){.mode = mode, .seed = seed});
            stop();
        }
    }
}

static void
the_boring_tape_delivers_in_the_order_sent(void)
{
    for (c4pi_sim_mode_t mode = C4PI_SIM_RANDOM; mode < C4PI_SIM_NUM_MODES; mode++) {
        start(&(c4pi_simnet_opts_t){.mode = mode, .bytes = (const uint8_t *)""});
        for (uint32_t k = 0; k < 20; k++) {
            c4p_msg_t *msg = message(&job.nodes[k % 4], 4, 10);
            msg->env.tag = k;
            CHECK_OK(job.nodes[k % 4].comm->ops->send(job.nodes[k % 4].comm, 4, msg));
        }
        poll_until_quiet();
        for (uint32_t k = 0; k < 20; k++)
            CHECK_EQ(k, job.arrivals[k]);
        stop();
    }
}

static void
seeds_lead_to_different_orders(void)
{
    uint64_t first[RANKS * RANKS * PER_LINK];
    storm(&(c4pi_simnet_opts_t){.seed = 1});
    memcpy(first, job.arrivals, sizeof first);
    stop();
    storm(&(c4pi_simnet_opts_t){.seed = 2});
    CHECK(memcmp(first, job.arrivals, sizeof first) != 0);
    stop();
}

/* ---- repeating ---------------------------------------------------------------------------------------- */

static void
the_same_seed_repeats_the_run_and_so_does_its_recorded_tape(void)
{
    for (c4pi_sim_mode_t mode = C4PI_SIM_RANDOM; mode < C4PI_SIM_NUM_MODES; mode++) {
        static uint8_t tape[1 << 16];
        c4pi_simnet_opts_t opts = {.mode = mode, .seed = 11};
        uint64_t hash = storm(&opts);
        size_t used = c4pi_simnet_world(job.net)->tape.used;
        CHECK(used > 0 && used < sizeof tape);
        memcpy(tape, c4pi_simnet_world(job.net)->tape.record, used);
        stop();
        CHECK_EQ(hash, storm(&opts));
        stop();
        opts.bytes = tape;
        opts.num_bytes = used;
        CHECK_EQ(hash, storm(&opts));
        stop();
        if (mode != C4PI_SIM_RANDOM) /* where not every byte need matter */
            continue;
        tape[used / 2] ^= 1;
        CHECK(hash != storm(&opts));
        stop();
    }
}

static void
a_choice_takes_as_many_bytes_as_it_needs(void)
{
    static const uint8_t bytes[] = {7, 1, 2, 0, 0, 1, 0};
    c4pi_tape_t tape = {0};
    c4pi_tape_from_bytes(&tape, bytes, sizeof bytes);
    CHECK_EQ(0, c4pi_tape_choose(&tape, 1));
    CHECK_EQ(0, tape.used);
    CHECK_EQ(7 % 3, c4pi_tape_choose(&tape, 3));
    CHECK_EQ(0x102 % 1000, c4pi_tape_choose(&tape, 1000));
    CHECK_EQ(0x100, c4pi_tape_choose(&tape, 70000));
    CHECK_EQ(0, c4pi_tape_choose(&tape, 5)); /* past the end: boring */
    c4pi_tape_fini(&tape);
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static void
an_idle_rank_runs_again_after_ever_longer_ticks_until_a_message_comes(void)
{
    c4pi_simnet_opts_t opts = {.bytes = (const uint8_t *)"", .tick_ns = 1000000, .event_ns = 1};
    start(&opts);
    c4pi_simworld_t *world = c4pi_simnet_world(job.net);
    while (job.nodes[RANKS - 1].runs < 9) {
        int rank = c4pi_simnet_step(job.net);
        if (rank >= 0) {
            job.nodes[rank].runs++;
            c4pi_simnet_ran(job.net, rank, false, 0);
        }
    }
    /* 1 + 2 + 4 + ... + 64 ms, then every 64 ms: at 0, 1, 3, 7, 15, 31, 63, 127 and 191 ms */
    CHECK(world->now_ns >= 191 * 1000000ull && world->now_ns < 192 * 1000000ull);
    CHECK_EQ(9, job.nodes[0].runs);
    int before = job.nodes[2].runs;
    send(&job.nodes[1], 2, 8);
    while (job.nodes[2].runs == before) {
        int rank = c4pi_simnet_step(job.net);
        if (rank >= 0) {
            CHECK_EQ(2, rank);
            job.nodes[rank].runs++;
            c4pi_simnet_ran(job.net, rank, false, 0);
        }
    }
    CHECK(world->now_ns < 192 * 1000000ull);
    stop();
}

static void
a_timer_wakes_its_rank_in_time(void)
{
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)"", .tick_ns = 50000000, .event_ns = 1});
    c4pi_simworld_t *world = c4pi_simnet_world(job.net);
    for (int i = 0; i < RANKS; i++) {
        int rank = c4pi_simnet_step(job.net);
        c4pi_simnet_ran(job.net, rank, false, rank == 3 ? 7000000 : 0);
    }
    CHECK_EQ(C4PI_SIM_TIME, c4pi_simnet_step(job.net));
    CHECK(world->now_ns >= 7000000 && world->now_ns < 7001000);
    CHECK_EQ(3, c4pi_simnet_step(job.net));
    stop();
}

/* ---- memory and messages -------------------------------------------------------------------------------------- */

static void
a_large_message_stays_with_the_sender_until_it_has_arrived(void)
{
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)""});
    c4pi_comm_t *comm = job.nodes[0].comm;
    send(&job.nodes[0], 1, 100);
    CHECK_EQ(0, job.nodes[0].msgs.live);
    CHECK_EQ(0, comm->ops->sends_pending(comm));
    send(&job.nodes[0], 1, 10000);
    CHECK_EQ(1, job.nodes[0].msgs.live);
    CHECK_EQ(1, comm->ops->sends_pending(comm));
    poll_until_quiet();
    CHECK_EQ(0, job.nodes[0].msgs.live);
    CHECK_EQ(0, comm->ops->sends_pending(comm));
    stop();
}

static void
changing_a_message_that_is_being_sent_is_noticed(void)
{
    c4pi_simnet_stats_t stats;
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)""});
    c4p_msg_t *msg = message(&job.nodes[0], 1, 10000);
    CHECK_OK(job.nodes[0].comm->ops->send(job.nodes[0].comm, 1, msg));
    ((uint8_t *)c4pi_msg_payload(msg))[5000]++;
    poll_until_quiet();
    c4pi_simnet_stats(job.net, &stats);
    CHECK_EQ(1, stats.broken);
    CHECK_STR_HAS("changed while it was being sent", c4pi_simnet_world(job.net)->log);
    stop();
}

static void
a_message_that_arrives_after_finish_is_noticed(void)
{
    c4pi_simnet_stats_t stats;
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)""});
    CHECK_OK(job.nodes[1].comm->ops->finish(job.nodes[1].comm));
    send(&job.nodes[0], 1, 8);
    poll_until_quiet();
    c4pi_simnet_stats(job.net, &stats);
    CHECK_EQ(1, stats.broken);
    stop();
}

/* ---- faults and death ------------------------------------------------------------------------------------------- */

static void
ordered_faults_happen(void)
{
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)"", .drop_message = 2});
    for (int i = 0; i < 2; i++)
        send(&job.nodes[0], 1, 8);
    poll_until_quiet();
    CHECK_EQ(1, job.nodes[1].in[0]);
    stop();
    start(&(c4pi_simnet_opts_t){.bytes = (const uint8_t *)"", .repeat_message = 1});
    job.nodes[0].out[1] = 0;
    send(&job.nodes[0], 1, 8);
    c4pi_simnet_stats_t stats;
    for (int i = 0; i < 1; i++)
        CHECK_EQ(C4PI_SIM_DELIVERED, c4pi_simnet_step(job.net));
    c4pi_simnet_stats(job.net, &stats);
    CHECK_EQ(2, stats.in_inboxes);
    stop();
}

static void
abort_some_job(void *ctx)
{
    c4pi_comm_t *comm = ctx;
    c4pi_log(comm->port, C4P_LOG_ERROR, "the reason");
    (void)c4pi_alloc(comm->port, 100); /* lost, but not leaked */
    comm->ops->abort(comm, 42);
}

static void
an_abort_ends_the_call_with_status_rank_and_log(void)
{
    start(&(c4pi_simnet_opts_t){.seed = 1});
    send(&job.nodes[0], 1, 10000);
    CHECK(!c4pi_simnet_call(job.net, abort_some_job, job.nodes[3].comm));
    c4pi_simworld_t *world = c4pi_simnet_world(job.net);
    CHECK(world->dead);
    CHECK_EQ(42, world->exit_status);
    CHECK_EQ(3, world->dead_rank);
    CHECK_STR_EQ("c4py: rank 3/5: the reason\n", world->log);
    CHECK_EQ(1, world->num_log[C4P_LOG_ERROR]);
    c4pi_simnet_free(job.net); /* without freeing the ranks: sanitizers would complain of what
                                  remains */
}

/* ---- the port ------------------------------------------------------------------------------------------------------ */

static void
the_environment_is_what_the_options_say(void)
{
    static const char *const env[] = {"C4PY_A=1", "C4PY_AB=two", NULL};
    start(&(c4pi_simnet_opts_t){.seed = 1, .world = {.env = env}});
    c4pi_port_t *port = c4pi_simnet_port(job.net, 2);
    CHECK_STR_EQ("1", port->ops->getenv(port, "C4PY_A"));
    CHECK_STR_EQ("two", port->ops->getenv(port, "C4PY_AB"));
    CHECK(port->ops->getenv(port, "HOME") == NULL);
    stop();
}

static void
the_ordered_allocation_fails_and_all_is_counted(void)
{
    c4pi_simworld_t world;
    c4pi_simworld_init(&world, &(c4pi_simworld_opts_t){.fail_alloc = 2});
    c4pi_port_t *port = c4pi_port_sim_new(&world, 0, 1);
    void *a = c4pi_alloc(port, 100), *b = c4pi_alloc(port, 100), *c = c4pi_alloc(port, 7);
    CHECK(a && !b && c);
    CHECK_EQ(0, (uintptr_t)a % 64);
    CHECK_EQ(2, world.live_blocks);
    CHECK_EQ(107, world.live_bytes);
    c4pi_free(port, a, 100);
    c4pi_free(port, c, 7);
    CHECK_EQ(0, world.live_bytes);
    CHECK_EQ(107, world.peak_bytes);
    CHECK(c4pi_alloc(port, SIZE_MAX) == NULL);
    c4pi_simworld_fini(&world);
}

static void
time_is_one_for_all_ranks_and_only_goes_on(void)
{
    start(&(c4pi_simnet_opts_t){.seed = 1, .world = {.start_ns = 500}});
    c4pi_port_t *a = c4pi_simnet_port(job.net, 0), *b = c4pi_simnet_port(job.net, 1);
    uint64_t first = c4pi_now_ns(a), second = c4pi_now_ns(b);
    CHECK_EQ(500, first);
    CHECK(second > first);
    uint64_t cpu_a = a->ops->cpu_ns(a), cpu_b = b->ops->cpu_ns(b);
    c4pi_port_sim_burn(a, 1000000);
    CHECK(a->ops->cpu_ns(a) >= cpu_a + 1000000);
    CHECK(b->ops->cpu_ns(b) < cpu_b + 1000);
    CHECK(c4pi_now_ns(b) >= second + 1000000);
    stop();
}

/* What a rank does takes its own time; the others do theirs meanwhile. Rank 1 is half as fast. */
static void
timed_ranks_compute_at_the_same_time_each_at_its_speed(void)
{
    uint64_t ended_ns[RANKS] = {0}, came_ns = 0;
    int rank;
    start(&(c4pi_simnet_opts_t){.mode = C4PI_SIM_TIMED, .event_ns = 100, .latency_ns = 5000});
    c4pi_port_sim_set_speed(c4pi_simnet_port(job.net, 1), 0.5);
    while (!came_ns && (rank = c4pi_simnet_step(job.net)) != C4PI_SIM_END) {
        if (rank < 0)
            continue;
        node_t *node = &job.nodes[rank];
        c4pi_port_t *port = c4pi_simnet_port(job.net, rank);
        int did = 0;
        CHECK_OK(node->comm->ops->poll(node->comm, 1, &did));
        if (did)
            came_ns = c4pi_now_ns(port);
        if (node->runs++ == 0) {
            c4pi_port_sim_burn(port, 1000000);
            ended_ns[rank] = c4pi_now_ns(port);
            if (rank == 1)
                CHECK_OK(node->comm->ops->send(node->comm, 0, message(node, 0, 10)));
        }
        c4pi_simnet_ran(job.net, rank, false, 0);
    }
    for (int i = 0; i < RANKS; i++)
        CHECK_NEAR(i == 1 ? 2000100 : 1000100, (double)ended_ns[i], 50);
    CHECK_NEAR(2005200, (double)came_ns, 50); /* late by the latency, in a turn of its own */
    stop();
}

TEST_CASES(every_mode_delivers_everything_in_order_per_link,
           the_boring_tape_delivers_in_the_order_sent, seeds_lead_to_different_orders,
           the_same_seed_repeats_the_run_and_so_does_its_recorded_tape,
           a_choice_takes_as_many_bytes_as_it_needs,
           an_idle_rank_runs_again_after_ever_longer_ticks_until_a_message_comes,
           a_timer_wakes_its_rank_in_time,
           a_large_message_stays_with_the_sender_until_it_has_arrived,
           changing_a_message_that_is_being_sent_is_noticed,
           a_message_that_arrives_after_finish_is_noticed, ordered_faults_happen,
           an_abort_ends_the_call_with_status_rank_and_log, the_environment_is_what_the_options_say,
           the_ordered_allocation_fails_and_all_is_counted,
           time_is_one_for_all_ranks_and_only_goes_on,
           timed_ranks_compute_at_the_same_time_each_at_its_speed)
