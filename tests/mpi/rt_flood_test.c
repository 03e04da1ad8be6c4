/* SPDX-License-Identifier: Apache-2.0 */
/* rt_flood_test.c: what a job costs when one rank is slower than the others, when it is quiet, and
 * over many rounds. The number of messages of each sender can be given:
 * mpirun -n 2 build/tests/mpi_rt_flood a_slow_receiver_is_not_drowned -- 10000000 */
#include <time.h>

#include "rt_support.h"

static int64_t
resident_bytes(void)
{
    long long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lld %lld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static double
cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- flood -------------------------------------------------------------------------------------------- */

typedef struct flood {
    c4p_entry_t take, go_on;
    c4p_ref_t to, me;
    int64_t to_send, sent, received, expected, next[64];
    int64_t resident_peak, backlog_peak;
    uint64_t credit;
} flood_t;

static flood_t flood;

/* Look at the network until nothing more comes, as a long computation would; the queue is then as
 * long as it gets. */
static void
let_it_pile_up(c4p_rt_t *rt)
{
    int64_t before = resident_bytes();
    for (int quiet = 0; quiet < 300; quiet++) {
        c4p_poll(rt);
        if (resident_bytes() > before) {
            before = resident_bytes();
            quiet = 0;
        }
    }
    if (before > flood.resident_peak)
        flood.resident_peak = before;
}

static void
take_slowly(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    int64_t number;
    (void)object, (void)ctx;
    memcpy(&number, c4p_msg_data(msg), sizeof number);
    CHECK_EQ(flood.next[c4p_msg_source(msg)], number);
    flood.next[c4p_msg_source(msg)]++;
    flood.received++;
    if (flood.received < 4 || flood.received % 20000 == 0)
        let_it_pile_up(rt);
}

static void
note_sender(c4p_rt_t *rt)
{
    const int64_t backlog = (int64_t)c4p_backlog_bytes(rt), resident = resident_bytes();
    if (backlog > flood.backlog_peak)
        flood.backlog_peak = backlog;
    if (resident > flood.resident_peak)
        flood.resident_peak = resident;
}

/* A polite sender: some messages at a time, none while much waits to go out. */
static void
send_some(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    for (int i = 0;
         i < 500 && flood.sent < flood.to_send && c4p_backlog_bytes(rt) < 2 * flood.credit; i++) {
        c4p_msg_t *out;
        CHECK_OK(c4p_msg_new(rt, 64, &out));
        memcpy(c4p_msg_data(out), &flood.sent, sizeof flood.sent);
        CHECK_OK(c4p_send(rt, flood.to, flood.take, out));
        flood.sent++;
    }
    note_sender(rt);
    if (flood.sent < flood.to_send)
        CHECK_OK(c4p_send(rt, flood.me, flood.go_on, rts_number(rt, 0)));
}

/* All ranks but the last send to the last, all at once (ranks that do not look at the backlog) or
 * politely. */
static void
flood_last_rank(bool polite, int64_t messages)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4p_coll_t group;
    opts.credit_bytes = 1 << 20;
    c4p_rt_t *rt = rts_open(&opts);
    c4p_type_t type = rts_type(rt, "Target");
    const int last = c4p_num_ranks(rt) - 1, me = c4p_rank(rt);

    flood = (flood_t){.to_send = messages, .credit = opts.credit_bytes};
    flood.take = rts_entry(rt, type, "take", take_slowly);
    flood.go_on = rts_entry(rt, type, "go_on", send_some);
    CHECK_OK(c4p_start(rt));
    if (me == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    flood.to = rts_ref(group, last);
    flood.me = rts_ref(group, me);
    const int64_t resident_before = resident_bytes();
    if (me != last) {
        if (polite)
            CHECK_OK(c4p_send(rt, flood.me, flood.go_on, rts_number(rt, 0)));
        for (; !polite && flood.sent < messages; flood.sent++) {
            c4p_msg_t *msg = rts_msg(rt, (int64_t[8]){flood.sent}, 64);
            CHECK_OK(c4p_send(rt, flood.to, flood.take, msg));
        }
        if (!polite)
            note_sender(rt);
    }
    rts_settle(rt);
    /* Credits count the bytes on the wire; buffers are rounded up to powers of two and come in
     * chunks. */
    const int64_t credit = (int64_t)opts.credit_bytes, slack = 6 << 20;
    printf("rank %d: resident set %.1f MiB before, at most %.1f MiB; received %lld messages, sent "
           "%lld, of which at most %.1f MiB waited; credit %.1f MiB\n",
           me, (double)resident_before / (1 << 20), (double)flood.resident_peak / (1 << 20),
           (long long)flood.received, (long long)flood.sent, (double)flood.backlog_peak / (1 << 20),
           (double)credit / (1 << 20));
    if (me == last) {
        CHECK_EQ(last * messages, flood.received);
        CHECK(flood.resident_peak - resident_before <= 3 * last * credit + slack);
    } else if (polite) {
        CHECK(flood.backlog_peak <= 2 * credit + 600 * 256);
        CHECK(flood.resident_peak - resident_before <= 6 * credit + 2 * slack); /* MPI has some too
                                                                                 */
    }
    rts_close(rt);
}

static void
a_slow_receiver_is_not_drowned(void)
{
    rts_mpi();
    flood_last_rank(true, c4pt_arg(0, 100000));
}

static void
not_even_by_senders_that_do_not_care(void)
{
    rts_mpi();
    flood_last_rank(false, c4pt_arg(0, 100000));
}

/* ---- memory over many rounds ------------------------------------------------------------------------------ */

static void
bounce(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    int64_t left = rts_number_in(msg);
    (void)ctx;
    flood.received++;
    if (left > 0) {
        c4p_ref_t to = rts_ref(obj->self.coll, (c4p_rank(rt) + 1) % c4p_num_ranks(rt));
        CHECK_OK(c4p_send(rt, to, flood.take, rts_number(rt, left - 1)));
    }
}

static void
memory_does_not_grow_with_the_number_of_messages(void)
{
    const int64_t messages = c4pt_arg(0, 100000);
    c4p_coll_t group;
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    int64_t resident[3];

    flood = (flood_t){0};
    flood.take = rts_entry(rt, type, "bounce", bounce);
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    for (int round = 0; round < 3; round++) { /* the first one warms up */
        for (int i = 0; c4p_rank(rt) == 0 && i < 8; i++)
            CHECK_OK(c4p_send(rt, rts_ref(group, i % c4p_num_ranks(rt)), flood.take,
                              rts_number(rt, messages / 24)));
        rts_settle(rt);
        resident[round] = resident_bytes();
    }
    CHECK_EQ(24 * (messages / 24 + 1), rts_sum(flood.received));
    CHECK(resident[2] - resident[0] < (1 << 20));
    rts_close(rt);
}

/* ---- idle ---------------------------------------------------------------------------------------------------- */

typedef struct sample {
    double cpu_s, wall_s;
} sample_t;

static sample_t samples[2];
static double quiet_since_s;

/* Looks at the clock without being work: after 1.5 s of quiet, and again 2 s later. */
static bool
take_sample(c4p_rt_t *rt, void *ctx)
{
    const double quiet_s = c4p_time_s(rt) - quiet_since_s;
    (void)ctx;
    if (samples[0].wall_s == 0 && quiet_s > 1.5)
        samples[0] = (sample_t){cpu_s(), c4p_time_s(rt)};
    if (samples[1].wall_s == 0 && quiet_s > 3.5)
        samples[1] = (sample_t){cpu_s(), c4p_time_s(rt)};
    return true;
}

static void
end_job(c4p_rt_t *rt, void *ctx)
{
    (void)ctx;
    CHECK_OK(c4p_exit(rt, 0));
}

static void
an_idle_job_leaves_the_cores_alone(void)
{
    const c4p_hooks_t hooks = {.struct_size = sizeof hooks, .tick = take_sample};
    int code;
    c4p_rt_t *rt = rts_open(NULL);
    CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    quiet_since_s = c4p_time_s(rt);
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_timer(rt, 4.5, end_job, NULL, NULL));
    CHECK_OK(c4p_run(rt, &code));
    CHECK(samples[1].wall_s > 0);
    const double used =
        (samples[1].cpu_s - samples[0].cpu_s) / (samples[1].wall_s - samples[0].wall_s);
    printf("rank %d used %.2f %% of a core\n", c4p_rank(rt), 100 * used);
    CHECK(used < 0.03);
    c4p_free(rt);
}

TEST_CASES(a_slow_receiver_is_not_drowned, not_even_by_senders_that_do_not_care,
           memory_does_not_grow_with_the_number_of_messages, an_idle_job_leaves_the_cores_alone)
