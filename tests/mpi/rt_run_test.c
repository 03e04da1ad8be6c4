/* SPDX-License-Identifier: Apache-2.0 */
/* rt_run_test.c: life of runtimes on real ranks: start and end, many times and on communicators of
 * the host's; the scheduler's calls, futures, timers, posts, quiescence, exit. */
#include "rt_support.h"
#include "support/prng.h"

/* ---- start and end --------------------------------------------------------------------------------- */

static void
hundred_runtimes_one_after_the_other(void)
{
    for (int i = 0; i < 100; i++) {
        c4p_rt_t *rt = rts_open(NULL);
        c4p_type_t type = rts_type(rt, "Member");
        c4p_coll_t group;
        int code = -1, who = i % c4p_num_ranks(rt);
        CHECK(!c4p_exiting(rt));
        CHECK_OK(c4p_start(rt));
        if (c4p_rank(rt) == who) {
            CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
            CHECK_OK(c4p_exit(rt, i));
        }
        CHECK_OK(c4p_run(rt, &code));
        CHECK_EQ(i, code);
        CHECK(c4p_exiting(rt));
        c4p_free(rt);
        CHECK_EQ(0, rts_world.alive);
    }
}

static void
a_runtime_that_never_started_can_be_freed(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    rts_type(rt, "Unused");
    c4p_free(rt);
    rt = rts_open(NULL);
    CHECK_OK(c4p_start(rt));
    rts_close(rt);
    c4p_free(NULL);
}

static int64_t token_hops;

/* A token with hops to go goes round the group. */
static void
pass_token(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const c4p_entry_t *entry = ctx;
    int64_t left = rts_number_in(msg);
    token_hops++;
    if (left == 0)
        CHECK_OK(c4p_exit(rt, 20 + c4p_rank(rt)));
    else
        CHECK_OK(c4p_send(rt, rts_ref(obj->self.coll, (c4p_rank(rt) + 1) % c4p_num_ranks(rt)),
                          *entry, rts_number(rt, left - 1)));
}

/* A runtime with a token that makes `hops` hops from rank 0 on. */
static c4p_rt_t *
token_runtime(MPI_Comm comm, int64_t hops, c4p_entry_t *entry)
{
    c4p_rt_t *rt;
    c4p_coll_t group;
    CHECK_OK(c4p_init_comm(comm, NULL, &rt));
    c4p_type_t type = rts_type(rt, "Member");
    CHECK_OK(c4p_entry_add(rt, type, "pass", pass_token, entry, entry));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        CHECK_OK(c4p_send(rt, rts_ref(group, 0), *entry, rts_number(rt, hops)));
    }
    return rt;
}

/* Even and odd ranks in two jobs, ranks in reverse; the host's own messages in between are not
 * disturbed. */
static void
runtimes_live_on_communicators_of_the_host(void)
{
    MPI_Comm half;
    int world_rank, code, rank, ranks;
    rts_mpi();
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_split(MPI_COMM_WORLD, world_rank % 2, -world_rank, &half);
    MPI_Comm_rank(half, &rank);
    MPI_Comm_size(half, &ranks);
    for (int round = 0; round < 5; round++) {
        c4p_entry_t entry;
        int64_t hops = 100 + world_rank % 2 * 57;
        int mine = 0, number = 4711;
        MPI_Request request;
        /* A message of the host's, under way while the runtime lives, that no wildcard of ours may
         * take. */
        MPI_Irecv(&mine, 1, MPI_INT, (rank + ranks - 1) % ranks, 0, half, &request);
        token_hops = 0;
        c4p_rt_t *rt = token_runtime(half, hops, &entry);
        MPI_Send(&number, 1, MPI_INT, (rank + 1) % ranks, 0, half);
        CHECK_EQ(rank, c4p_rank(rt));
        CHECK_EQ(ranks, c4p_num_ranks(rt));
        CHECK_OK(c4p_run(rt, &code));
        c4p_free(rt);
        CHECK_EQ(20 + hops % ranks, code);
        int64_t all;
        MPI_Allreduce(&token_hops, &all, 1, MPI_INT64_T, MPI_SUM, half);
        CHECK_EQ(hops + 1, all);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
        CHECK_EQ(4711, mine);
    }
    MPI_Comm_free(&half);
}

/* Nothing is shared between runtimes of one process. */
static void
two_runtimes_run_in_turns(void)
{
    c4p_entry_t entries[2];
    c4p_rt_t *rts[2];
    int code;
    rts_mpi();
    token_hops = 0;
    rts[0] = token_runtime(MPI_COMM_WORLD, 1000, &entries[0]);
    rts[1] = token_runtime(MPI_COMM_WORLD, 2000, &entries[1]);
    while (!c4p_exiting(rts[0]) || !c4p_exiting(rts[1]))
        for (int i = 0; i < 2; i++)
            if (!c4p_exiting(rts[i]))
                CHECK_OK(c4p_step(rts[i], 1, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(c4p_run(rts[i], &code));
        CHECK_EQ(20 + 1000 * (i + 1) % c4p_num_ranks(rts[i]), code);
        c4p_free(rts[i]);
    }
    CHECK_EQ(3002, rts_sum(token_hops));
}

static void
facts_about_ranks_and_time(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    int rank, ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    CHECK_EQ(rank, c4p_rank(rt));
    CHECK_EQ(ranks, c4p_num_ranks(rt));
    CHECK(c4p_host_rank(rt) >= 0 && c4p_host_rank(rt) < c4p_host_ranks(rt) &&
          c4p_host_ranks(rt) <= ranks);
    const double wall = MPI_Wtime(), before = c4p_time_s(rt), read = MPI_Wtime();
    CHECK(before >= 0 && before < 600);
    while (MPI_Wtime() - read < 0.05) {
    }
    double elapsed = c4p_time_s(rt) - before;
    CHECK(elapsed >= 0.049 && elapsed <= MPI_Wtime() - wall + 0.01);
    CHECK_OK(c4p_start(rt));
    rts_close(rt);
}

/* ---- log and settings ----------------------------------------------------------------------------------- */

static char logged[1000];
static int lines_logged;

static void
take_line(void *ctx, c4p_log_level_t level, const char *line)
{
    CHECK(ctx == logged);
    CHECK(level <= C4P_LOG_INFO);
    snprintf(logged, sizeof logged, "%s", line);
    lines_logged++;
}

static void
log_lines_name_the_rank_and_are_filtered(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    char rank[20];
    opts.log_level = C4P_LOG_INFO;
    opts.log_fn = take_line;
    opts.log_ctx = logged;
    lines_logged = 0;
    c4p_rt_t *rt = rts_open(&opts);
    int before = lines_logged;
    c4p_log(rt, C4P_LOG_INFO, "the answer is %d", 42);
    CHECK_EQ(before + 1, lines_logged);
    CHECK_STR_HAS("the answer is 42", logged);
    snprintf(rank, sizeof rank, "%d", c4p_rank(rt));
    CHECK_STR_HAS(rank, logged);
    c4p_log(rt, C4P_LOG_DEBUG, "not this one");
    CHECK_EQ(before + 1, lines_logged);
    c4p_free(rt);
}

static void
the_table_of_settings_has_what_the_options_name(void)
{
    static const char *const names[] = {"C4PY_LOG",           "C4PY_STALL",       "C4PY_IDLE",
                                        "C4PY_CREDIT_BYTES",  "C4PY_SMALL_BYTES", "C4PY_RING",
                                        "C4PY_BATCH_BYTES",   "C4PY_BCAST_LOG",   "C4PY_LOC_CACHE",
                                        "C4PY_STALL_AFTER_MS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        c4p_setting_t setting = {NULL, NULL, NULL, NULL};
        bool found = false;
        for (size_t n = 0; !found && c4p_setting_get(n, &setting); n++)
            found = strcmp(setting.name, names[i]) == 0;
        CHECK(found);
        CHECK(setting.values && setting.default_value && strlen(setting.meaning) > 5);
    }
    CHECK(!c4p_setting_get(1000, &(c4p_setting_t){0}));
}

/* ---- futures ---------------------------------------------------------------------------------------------- */

static void
give_values(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4p_future_t future = (c4p_future_t)rts_number_in(msg);
    (void)object, (void)ctx;
    CHECK_OK(c4p_future_send(rt, future, rts_number(rt, 1 + c4p_rank(rt)), false));
    CHECK_OK(c4p_future_send(rt, future, NULL, c4p_rank(rt) == 0));
}

static void
futures_take_as_many_values_as_they_were_made_for(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t give = rts_entry(rt, type, "give", give_values);
    rts_wait_t wait, dropped;
    c4p_coll_t group;
    int ranks = c4p_num_ranks(rt);

    CHECK_OK(c4p_start(rt));
    c4p_future_t all = rts_future(rt, 2 * (uint64_t)ranks, &wait),
                 none = rts_future(rt, 2 * (uint64_t)ranks, &dropped);
    CHECK(all != none && all != 0);
    CHECK_EQ(c4p_rank(rt), c4p_future_rank(all));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    CHECK_OK(c4p_bcast(rt, group, give, rts_number(rt, (int64_t)all), C4P_BCAST_NO_REPLY, 0));
    CHECK_OK(c4p_bcast(rt, group, give, rts_number(rt, (int64_t)none), C4P_BCAST_NO_REPLY, 0));
    c4p_future_free(rt, none);
    rts_settle(rt);
    CHECK_EQ(2 * ranks, wait.values);
    CHECK_EQ(ranks, wait.empty);
    CHECK_EQ(1, wait.errors);
    CHECK_EQ(1, wait.last);
    CHECK_EQ(ranks * (ranks + 1) / 2, wait.sum);
    CHECK_EQ(0, dropped.values);
    rts_wait_end(&wait);

    /* More of them than any small counter holds, all alive at once. */
    enum { MANY = 70000 };
    static c4p_future_t many[MANY];
    rts_wait_t sum = {0};
    for (int i = 0; i < MANY; i++)
        CHECK_OK(c4p_future_new(rt, 1, rts_on_value, &sum, &many[i]));
    for (int i = MANY - 1; i >= 0; i--)
        CHECK_OK(c4p_future_send(rt, many[i], rts_number(rt, i), false));
    rts_settle(rt);
    CHECK_EQ(MANY, sum.values);
    CHECK_EQ((int64_t)MANY * (MANY - 1) / 2, sum.sum);
    rts_wait_end(&sum);
    rts_close(rt);
}

/* ---- timers and posts ---------------------------------------------------------------------------------------- */

typedef struct alarm {
    double due_s; /* not before */
    int64_t *order;
    int64_t at;      /* its place among those that fired; -1: not yet */
    double latest_s; /* when it was due at the latest, should this process have been interrupted */
} alarm_t;

static void
ring(c4p_rt_t *rt, void *ctx)
{
    alarm_t *clock = ctx;
    CHECK(c4p_time_s(rt) >= clock->due_s);
    CHECK_EQ(-1, clock->at);
    clock->at = (*clock->order)++;
}

static void
end_job(c4p_rt_t *rt, void *ctx)
{
    (void)ctx;
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 0));
}

static void
timers_fire_once_not_early_and_in_order(void)
{
    enum { N = 1000 };
    static alarm_t clocks[N];
    c4p_rt_t *rt = rts_open(NULL);
    int64_t fired = 0;
    uint64_t ids[N];
    int code;

    CHECK_OK(c4p_start(rt));
    for (int i = 0; i < N; i++) {
        double delay_s = (double)(i * 37 % N) * 1e-4;
        clocks[i] = (alarm_t){c4p_time_s(rt) + delay_s, &fired, -1, 0};
        CHECK_OK(c4p_timer(rt, delay_s, ring, &clocks[i], &ids[i]));
        clocks[i].latest_s = c4p_time_s(rt) + delay_s;
    }
    for (int i = 0; i < N; i += 10)
        CHECK_OK(c4p_timer_cancel(rt, ids[i]));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_timer_cancel(rt, ids[0]));
    CHECK_OK(c4p_timer(rt, 0.15, end_job, NULL, NULL));
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(c4p_rank(rt) == 0 ? N - N / 10 : fired, fired); /* the others may end before their last
                                                                ones */
    for (int i = 0; i < N; i++) {
        if (i % 10 == 0)
            CHECK_EQ(-1, clocks[i].at);
        for (int j = 0; j < N; j += 97) /* those due later fire later */
            if (clocks[i].at >= 0 && clocks[j].at >= 0 && clocks[i].latest_s < clocks[j].due_s)
                CHECK(clocks[i].at < clocks[j].at);
    }
    c4p_free(rt);
}

static int64_t posts_run;

static void
note_post(c4p_rt_t *rt, void *ctx)
{
    int64_t *slot = ctx;
    (void)rt;
    *slot = posts_run++;
}

static void
post_again(c4p_rt_t *rt, void *ctx)
{
    int64_t *left = ctx;
    posts_run++;
    if (--*left > 0)
        CHECK_OK(c4p_post(rt, post_again, left));
}

static void
posts_run_first_in_first_out_and_keep_the_job_busy(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    int64_t slots[100], chain = 5000;
    posts_run = 0;
    CHECK_OK(c4p_start(rt));
    for (int i = 0; i < 100; i++) {
        slots[i] = -1;
        CHECK_OK(c4p_post(rt, note_post, &slots[i]));
        CHECK_EQ(-1, slots[i]); /* from the scheduler only */
    }
    rts_settle(rt);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(i, slots[i]);
    CHECK_OK(c4p_post(rt, post_again, &chain)); /* quiescence waits for the whole chain */
    rts_settle(rt);
    CHECK_EQ(0, chain);
    CHECK_EQ(5100, posts_run);
    rts_close(rt);
}

/* ---- quiescence ------------------------------------------------------------------------------------------------ */

typedef struct burst {
    int64_t depth, seed;
} burst_t;

static int64_t bursts_run;

/* A random tree of messages: nobody knows when it is over. */
static void
burst(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const c4p_entry_t *entry = ctx;
    burst_t in;
    CHECK_EQ(sizeof in, c4p_msg_len(msg));
    memcpy(&in, c4p_msg_data(msg), sizeof in);
    prng_t prng = {(uint64_t)in.seed};
    bursts_run++;
    for (int i = 0; in.depth && i < 2; i++) {
        burst_t out = {in.depth - 1, (int64_t)prng_next(&prng)};
        int to = (int)prng_below(&prng, (uint64_t)c4p_num_ranks(rt));
        CHECK_OK(c4p_send(rt, rts_ref(obj->self.coll, to), *entry, rts_msg(rt, &out, sizeof out)));
    }
}

typedef struct quiet {
    int64_t told, bursts_then;
} quiet_t;

static void
on_quiet(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    quiet_t *quiet = ctx;
    (void)rt, (void)future, (void)is_error;
    CHECK(msg == NULL && last);
    quiet->told++;
    quiet->bursts_then = bursts_run;
}

static void
quiescence_is_told_after_the_last_message_to_all_who_asked(void)
{
    enum { DEPTH = 9 };
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry;
    c4p_coll_t group;
    quiet_t quiet[3] = {{0, 0}};
    int ranks = c4p_num_ranks(rt);

    bursts_run = 0;
    CHECK_OK(c4p_entry_add(rt, type, "burst", burst, &entry, &entry));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    for (int i = 0; i < 3; i++) {
        burst_t first = {DEPTH, c4p_rank(rt) * 100 + i};
        c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
        CHECK_OK(c4p_send(rt, rts_ref(group, i % ranks), entry, rts_msg(rt, &first, sizeof first)));
        CHECK_OK(c4p_future_new(rt, 1, on_quiet, &quiet[i], &to.number));
        CHECK_OK(c4p_detect_quiescence(rt, &to));
    }
    rts_settle(rt);
    /* The news are messages too: a rank may leave the scheduler while one is on its way to it. */
    for (int i = 0; i < 5 && rts_sum(quiet[0].told + quiet[1].told + quiet[2].told) < 3 * ranks;
         i++)
        rts_settle(rt);
    CHECK_EQ(3 * ranks * ((1 << (DEPTH + 1)) - 1), rts_sum(bursts_run));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(1, quiet[i].told);
    /* The last one told knew all; an earlier one may have been told before the bursts of slower
     * ranks began. */
    CHECK_EQ(bursts_run, quiet[2].bursts_then);
    rts_close(rt);
}

static void
a_pending_timer_does_not_hold_quiescence_up(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    int64_t fired = 0;
    alarm_t clock = {0, &fired, -1, 0};
    uint64_t id;
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_timer(rt, 1000, ring, &clock, &id));
    double before = MPI_Wtime();
    rts_settle(rt);
    CHECK(MPI_Wtime() - before < 20);
    CHECK_EQ(0, fired);
    CHECK_OK(c4p_timer_cancel(rt, id));
    rts_close(rt);
}

/* ---- scheduler calls --------------------------------------------------------------------------------------------- */

static int64_t calls, poll_calls;

static void
inside(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    int code;
    bool exited;
    int64_t before = ++calls;
    (void)object, (void)msg, (void)ctx;
    CHECK_STATUS(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    CHECK_STATUS(C4P_ERR_STATE, c4p_run(rt, &code));
    CHECK_STATUS(C4P_ERR_STATE, c4p_run_until_quiescent(rt, &exited));
    for (int i = 0; i < 1000; i++)
        c4p_poll(rt);
    CHECK_EQ(before, calls); /* polling runs no entry */
    poll_calls++;
}

static void
step_runs_a_bounded_number_of_entries(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry = rts_entry(rt, type, "inside", inside);
    c4p_coll_t group;
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);

    calls = poll_calls = 0;
    CHECK_STATUS(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    CHECK_OK(c4p_start(rt));
    if (me == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    for (int i = 0; i < 10; i++)
        CHECK_OK(c4p_send(rt, rts_ref(group, (me + 1) % ranks), entry, rts_number(rt, i)));
    while (calls < 10) {
        int64_t before = calls;
        uint32_t did = 99;
        CHECK_OK(c4p_step(rt, 2, &did));
        CHECK(calls - before <= 2);
        CHECK(calls == before || did > 0);
    }
    rts_settle(rt);
    CHECK_EQ(10, calls);
    CHECK_EQ(10, poll_calls);
    uint32_t did = 99;
    CHECK_OK(c4p_step(rt, 0, &did));
    CHECK_EQ(10, calls);
    rts_close(rt);
}

/* ---- exit ---------------------------------------------------------------------------------------------------------- */

static void
every_rank_may_end_the_job_and_all_see_the_same_code(void)
{
    static const int codes[] = {0, 1, 3, 63, 125, 255, -1};
    for (int who = -1; who < 4; who++) { /* -1: all at once */
        for (size_t c = 0; c < sizeof codes / sizeof codes[0]; c++) {
            c4p_rt_t *rt = rts_open(NULL);
            int code = 777, ranks = c4p_num_ranks(rt);
            CHECK_OK(c4p_start(rt));
            CHECK_OK(who < 0 || c4p_rank(rt) == who % ranks
                         ? c4p_exit(rt, codes[c] + (who < 0 ? c4p_rank(rt) : 0))
                         : C4P_OK);
            CHECK_OK(c4p_run(rt, &code));
            CHECK(code >= codes[c] && code < codes[c] + (who < 0 ? ranks : 1));
            CHECK_EQ((int64_t)code * ranks, rts_sum(code)); /* the same everywhere */
            CHECK_OK(c4p_exit(rt, 9));                      /* too late, and harmless */
            c4p_free(rt);
        }
    }
}

static int64_t runs_after_exit;

static void
count_run(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    runs_after_exit += c4p_exiting(rt);
    calls++;
}

static void
nothing_runs_after_the_exit(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry = rts_entry(rt, type, "count", count_run);
    c4p_coll_t group;
    c4p_msg_t *msg;
    int code, me = c4p_rank(rt);

    calls = runs_after_exit = 0;
    CHECK_OK(c4p_start(rt));
    if (me == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    for (int i = 0; i < 2000; i++)
        CHECK_OK(c4p_send(rt, rts_ref(group, i % c4p_num_ranks(rt)), entry, rts_msg(rt, NULL, 0)));
    CHECK_OK(c4p_exit(rt, 0));
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(0, runs_after_exit);
    /* What is sent now would never run. */
    CHECK_OK(c4p_msg_new(rt, 8, &msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_send(rt, rts_ref(group, 0), entry, msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_bcast(rt, group, entry, msg, C4P_BCAST_NO_REPLY, 0));
    c4p_msg_free(msg);
    CHECK_STATUS(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    bool exited = false;
    CHECK_OK(c4p_run_until_quiescent(rt, &exited));
    CHECK(exited);
    c4p_free(rt);
}

static void
exit_inside_a_run_until_quiescent_is_told(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    bool exited = false;
    int code = -1;
    CHECK_OK(c4p_start(rt));
    rts_settle(rt);
    if (c4p_rank(rt) == c4p_num_ranks(rt) - 1)
        CHECK_OK(c4p_exit(rt, 44));
    while (!exited)
        CHECK_OK(c4p_run_until_quiescent(rt, &exited));
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(44, code);
    c4p_free(rt);
}

/* ---- hooks ------------------------------------------------------------------------------------------------------------ */

static int64_t ticks, idles_begun, idles_ended;

static bool
tick(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    ticks++;
    return true;
}

static void
idle_begin(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    CHECK_EQ(idles_begun, idles_ended);
    idles_begun++;
}

static void
idle_end(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    idles_ended++;
    CHECK_EQ(idles_begun, idles_ended);
}

static void
hooks_are_called_while_the_scheduler_idles(void)
{
    const c4p_hooks_t hooks = {
        .struct_size = sizeof hooks, .tick = tick, .idle_begin = idle_begin, .idle_end = idle_end};
    c4p_opts_t opts = C4P_OPTS_INIT;
    int code;
    opts.idle = C4P_IDLE_SLEEP;
    c4p_rt_t *rt = rts_open(&opts);
    ticks = idles_begun = idles_ended = 0;
    CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_timer(rt, 0.3, end_job, NULL, NULL));
    double begin = MPI_Wtime();
    CHECK_OK(c4p_run(rt, &code));
    double elapsed_s = MPI_Wtime() - begin;
    CHECK(ticks >= 5 && (double)ticks <= elapsed_s / 0.010 + 2);
    CHECK(idles_begun >= 10);
    CHECK_EQ(idles_begun, idles_ended);
    c4p_free(rt);
}

/* Busy for ever, in turns that last 10 ms each. */
static void
keep_busy(c4p_rt_t *rt, void *ctx)
{
    double until = c4p_time_s(rt) + 0.01;
    while (c4p_time_s(rt) < until)
        ;
    CHECK_OK(c4p_post(rt, keep_busy, ctx));
}

static bool
listens(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    return true;
}

/* A turn takes 16 posts at most, so in 3 s there are about 18 of them: fewer than the 64 after
 * which a busy rank that nobody outside waits for would look at the clock. */
static void
a_busy_rank_that_listens_outside_ticks_after_every_turn(void)
{
    const c4p_hooks_t hooks = {.struct_size = sizeof hooks, .tick = tick, .outside = listens};
    c4p_rt_t *rt = rts_open(NULL);
    int code;
    ticks = 0;
    CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_timer(rt, 3, end_job, NULL, NULL));
    CHECK_OK(c4p_post(rt, keep_busy, NULL));
    CHECK_OK(c4p_run(rt, &code));
    CHECK(ticks >= 5);
    c4p_free(rt);
}

TEST_CASES(hundred_runtimes_one_after_the_other, a_runtime_that_never_started_can_be_freed,
           runtimes_live_on_communicators_of_the_host, two_runtimes_run_in_turns,
           facts_about_ranks_and_time, log_lines_name_the_rank_and_are_filtered,
           the_table_of_settings_has_what_the_options_name,
           futures_take_as_many_values_as_they_were_made_for,
           timers_fire_once_not_early_and_in_order,
           posts_run_first_in_first_out_and_keep_the_job_busy,
           quiescence_is_told_after_the_last_message_to_all_who_asked,
           a_pending_timer_does_not_hold_quiescence_up, step_runs_a_bounded_number_of_entries,
           every_rank_may_end_the_job_and_all_see_the_same_code, nothing_runs_after_the_exit,
           exit_inside_a_run_until_quiescent_is_told, hooks_are_called_while_the_scheduler_idles,
           a_busy_rank_that_listens_outside_ticks_after_every_turn)
