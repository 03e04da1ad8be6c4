/* SPDX-License-Identifier: Apache-2.0 */
/* rt_chaos_test.c: what each key of C4PY_CHAOS does, seen from a program. The order tests send to
 * several elements of one rank and look at who ran when. */
#include "rt_support.h"

enum { TARGETS = 3, CALLS = 10, ALL = TARGETS * CALLS, SPIN_MS = 2 };

static c4p_entry_t note_entry, spin_entry, bounce_entry;
static int64_t seen[ALL], num_seen, collected, bounces;
static double spun_s;

/* Who, and which of those that were sent to it. */
static void
note(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    (void)rt, (void)ctx;
    CHECK(num_seen < ALL);
    seen[num_seen++] = obj->index.at[0] * CALLS + rts_number_in(msg);
}

static void
spin(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const double start_s = c4p_time_s(rt);
    (void)object, (void)msg, (void)ctx;
    while (c4p_time_s(rt) < start_s + SPIN_MS * 1e-3) {
    }
    spun_s += c4p_time_s(rt) - start_s;
}

static void
bounce(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    const int64_t left = rts_number_in(msg);
    (void)ctx;
    bounces++;
    if (left)
        CHECK_OK(c4p_send(rt, rts_ref(obj->self.coll, 1 - c4p_rank(rt)), bounce_entry,
                          rts_number(rt, left - 1)));
}

static void
collect(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    collected++;
}

/* An array of three elements on rank 0, or a group, which all ranks know. */
static c4p_rt_t *
begin(const char *chaos, bool group, c4p_coll_t *coll_out)
{
    const c4p_hooks_t hooks = {.struct_size = sizeof hooks, .collect = collect};
    CHECK_EQ(0, setenv("C4PY_CHAOS", chaos, 1));
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    note_entry = rts_entry(rt, type, "note", note);
    spin_entry = rts_entry(rt, type, "spin", spin);
    bounce_entry = rts_entry(rt, type, "bounce", bounce);
    num_seen = collected = bounces = 0;
    spun_s = 0;
    CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    *coll_out = 0;
    if (c4p_rank(rt) == 0) {
        if (group)
            CHECK_OK(c4p_group_new(rt, type, NULL, 0, coll_out));
        else
            *coll_out = rts_array(rt, type, TARGETS);
    }
    MPI_Bcast(coll_out, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    return rt;
}

/* One to each target in turn, again and again, some with priorities. */
static void
send_notes(c4p_rt_t *rt, c4p_coll_t coll, bool priorities)
{
    for (int64_t k = 0; k < CALLS; k++)
        for (int64_t i = 0; i < TARGETS; i++) {
            c4p_msg_t *msg = rts_number(rt, k);
            c4p_msg_set_priority(msg, priorities ? (int32_t)(k % 3) - 1 : 0);
            CHECK_OK(c4p_send(rt, rts_ref(coll, i), note_entry, msg));
        }
}

static void
run_notes(const char *chaos, bool priorities)
{
    c4p_coll_t coll;
    c4p_rt_t *rt = begin(chaos, false, &coll);
    send_notes(rt, coll, priorities);
    rts_settle(rt);
    CHECK_EQ(ALL, num_seen);
    bool there[ALL] = {false};
    for (int i = 0; i < ALL; i++) {
        CHECK(!there[seen[i]]);
        there[seen[i]] = true;
    }
    rts_close(rt);
}

/* How often something ran before what was sent earlier: to the same target or to another. */
static int
count_inversions(bool same_target)
{
    int count = 0;
    for (int i = 0; i < ALL; i++)
        for (int j = i + 1; j < ALL; j++) {
            bool same = seen[i] / CALLS == seen[j] / CALLS;
            int64_t sent_i = seen[i] % CALLS * TARGETS + seen[i] / CALLS;
            int64_t sent_j = seen[j] % CALLS * TARGETS + seen[j] / CALLS;
            count += same == same_target && sent_i > sent_j;
        }
    return count;
}

static void
usually_messages_run_in_the_order_sent(void)
{
    run_notes("seed=1,queue=fifo", false);
    CHECK_EQ(0, count_inversions(true));
    CHECK_EQ(0, count_inversions(false));
}

/* The last that may run runs first: all of the last target's, in order, then those of the one
 * before it. */
static void
lifo_turns_the_order_of_targets_round_but_not_that_of_ones_calls(void)
{
    run_notes("seed=1,queue=lifo", false);
    for (int i = 0; i < ALL; i++)
        CHECK_EQ((TARGETS - 1 - i / CALLS) * CALLS + i % CALLS, seen[i]);
}

static void
random_mixes_targets_but_not_ones_calls(void)
{
    run_notes("seed=1,queue=random", false);
    CHECK_EQ(0, count_inversions(true));
    CHECK(count_inversions(false) > 10);
    int64_t first[ALL];
    memcpy(first, seen, sizeof first);
    run_notes("seed=1,queue=random", false);
    CHECK_EQ(0, memcmp(first, seen, sizeof first)); /* the choices come from the seed */
    run_notes("seed=2,queue=random", false);
    CHECK(memcmp(first, seen, sizeof first) != 0);
}

static void
anyorder_mixes_ones_calls_too(void)
{
    run_notes("seed=1,queue=anyorder", false);
    CHECK(count_inversions(true) > 10);
    CHECK(count_inversions(false) > 10);
}

static void
prio_shuffle_mixes_priorities_but_not_calls_with_the_same(void)
{
    run_notes("seed=1,queue=fifo", true);
    for (int i = 1; i < ALL; i++)
        CHECK(seen[i - 1] % CALLS % 3 <= seen[i] % CALLS % 3); /* the lower priority number first */
    run_notes("seed=1,queue=prio-shuffle", true);
    int mixed = 0;
    for (int i = 0; i < ALL; i++)
        for (int j = i + 1; j < ALL; j++) {
            int64_t k = seen[i] % CALLS, l = seen[j] % CALLS;
            mixed += k % 3 > l % 3;
            CHECK(seen[i] / CALLS != seen[j] / CALLS || k % 3 != l % 3 || k < l);
        }
    CHECK(mixed > 30);
}

static void
garbage_is_looked_for_after_methods(void)
{
    run_notes("seed=1,gc=1", false);
    CHECK(collected >= ALL);
    run_notes("seed=1,gc=0.3", false);
    CHECK(collected > 0 && collected < ALL);
    run_notes("seed=1", false);
    CHECK_EQ(0, collected);
}

static void
an_idle_turn_leaves_messages_waiting(void)
{
    uint32_t did = 0;
    c4p_coll_t coll;
    c4p_rt_t *rt = begin("seed=1,idle=0.5", false, &coll);
    send_notes(rt, coll, false);
    CHECK_OK(c4p_step(rt, 1000, &did));
    CHECK(did < ALL / 2);
    rts_settle(rt);
    CHECK_EQ(ALL, num_seen);
    rts_close(rt);
}

static void
a_slow_rank_takes_several_times_as_long(void)
{
    c4p_coll_t coll;
    c4p_rt_t *rt = begin("seed=1,slowrank=0:8x", false, &coll);
    const double start_s = c4p_time_s(rt);
    for (int i = 0; i < 20; i++)
        CHECK_OK(c4p_send(rt, rts_ref(coll, 0), spin_entry, rts_msg(rt, NULL, 0)));
    rts_settle(rt);
    CHECK(c4p_time_s(rt) - start_s > 7 * spun_s);
    rts_close(rt);
}

/* 40 messages, each late by less than 20 ms: 400 ms on average. */
static void
late_messages_take_their_time(void)
{
    c4p_coll_t group;
    c4p_rt_t *rt = begin("seed=1,delay=1:20ms", true, &group);
    const double start_s = c4p_time_s(rt);
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_send(rt, rts_ref(group, 1), bounce_entry, rts_number(rt, 39)));
    rts_settle(rt);
    CHECK_EQ(40, rts_sum(bounces));
    CHECK(c4p_time_s(rt) - start_s > 0.2);
    rts_close(rt);
}

/* How many bytes wait on rank 0 when it has sent 360 kB; all arrive. */
static int64_t
backlog_after(const char *chaos)
{
    c4p_coll_t group;
    c4p_rt_t *rt = begin(chaos, true, &group);
    if (c4p_rank(rt) == 0)
        for (int64_t i = 0; i < 5000; i++)
            CHECK_OK(c4p_send(rt, rts_ref(group, 1), bounce_entry, rts_number(rt, 0)));
    int64_t backlog = rts_sum((int64_t)c4p_backlog_bytes(rt));
    rts_settle(rt);
    CHECK_EQ(5000, rts_sum(bounces));
    rts_close(rt);
    return backlog;
}

/* That is less than the usual credit and more than the least. */
static void
with_little_credit_messages_wait_at_the_sender(void)
{
    CHECK_EQ(0, backlog_after("seed=1"));
    CHECK(backlog_after("seed=1,credit=min") > 200000);
}

static void
all_of_it_at_once_loses_nothing(void)
{
    (void)backlog_after(
        "seed=3,queue=random,delay=0.1:1ms,dropcache=0.2,slowrank=1:3x,gc=0.1,split="
        "0.5,credit=min,idle=0.2,flush=0.2,wave=0.2,migrate=0.1");
}

TEST_CASES(usually_messages_run_in_the_order_sent,
           lifo_turns_the_order_of_targets_round_but_not_that_of_ones_calls,
           random_mixes_targets_but_not_ones_calls, anyorder_mixes_ones_calls_too,
           prio_shuffle_mixes_priorities_but_not_calls_with_the_same,
           garbage_is_looked_for_after_methods, an_idle_turn_leaves_messages_waiting,
           a_slow_rank_takes_several_times_as_long, late_messages_take_their_time,
           with_little_credit_messages_wait_at_the_sender, all_of_it_at_once_loses_nothing)
