/* SPDX-License-Identifier: Apache-2.0 */
/* rt_host_test.c: the library as a guest in an MPI program: what it takes of MPI it gives back,
 * also when the host forgets to end it. MPI is counted through its profiling interface. */
#include <pthread.h>
#include <signal.h>

#include "rt_support.h"

/* ---- what is taken of MPI ----------------------------------------------------------------------- */

typedef struct taken {
    int64_t comms, keyvals, requests; /* made and not yet freed */
    int64_t calls;                    /* that made any of them */
} taken_t;

static taken_t taken;

static int
made(int64_t *what, int rc)
{
    CHECK_EQ(MPI_SUCCESS, rc);
    taken.calls++;
    ++*what;
    return rc;
}

static int
freed(int64_t *what, int64_t n, int rc)
{
    CHECK_EQ(MPI_SUCCESS, rc);
    *what -= n;
    return rc;
}

int
MPI_Comm_dup(MPI_Comm comm, MPI_Comm *out)
{
    return made(&taken.comms, PMPI_Comm_dup(comm, out));
}

int
MPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *out)
{
    return made(&taken.comms, PMPI_Comm_split(comm, color, key, out));
}

int
MPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *out)
{
    return made(&taken.comms, PMPI_Comm_split_type(comm, type, key, info, out));
}

int
MPI_Comm_free(MPI_Comm *comm)
{
    return freed(&taken.comms, 1, PMPI_Comm_free(comm));
}

int
MPI_Comm_create_keyval(MPI_Comm_copy_attr_function *copy, MPI_Comm_delete_attr_function *delete_fn,
                       int *keyval, void *extra)
{
    return made(&taken.keyvals, PMPI_Comm_create_keyval(copy, delete_fn, keyval, extra));
}

int
MPI_Comm_free_keyval(int *keyval)
{
    return freed(&taken.keyvals, 1, PMPI_Comm_free_keyval(keyval));
}

int
MPI_Isend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
          MPI_Request *req)
{
    return made(&taken.requests, PMPI_Isend(buf, count, type, dest, tag, comm, req));
}

int
MPI_Irecv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
          MPI_Request *req)
{
    return made(&taken.requests, PMPI_Irecv(buf, count, type, source, tag, comm, req));
}

int
MPI_Iallreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
               MPI_Request *req)
{
    return made(&taken.requests, PMPI_Iallreduce(from, to, count, type, op, comm, req));
}

int
MPI_Iallgather(const void *from, int from_count, MPI_Datatype from_type, void *to, int count,
               MPI_Datatype type, MPI_Comm comm, MPI_Request *req)
{
    return made(&taken.requests,
                PMPI_Iallgather(from, from_count, from_type, to, count, type, comm, req));
}

int
MPI_Iexscan(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
            MPI_Request *req)
{
    return made(&taken.requests, PMPI_Iexscan(from, to, count, type, op, comm, req));
}

int
MPI_Ibcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *req)
{
    return made(&taken.requests, PMPI_Ibcast(data, count, type, root, comm, req));
}

int
MPI_Ibarrier(MPI_Comm comm, MPI_Request *req)
{
    return made(&taken.requests, PMPI_Ibarrier(comm, req));
}

int
MPI_Test(MPI_Request *req, int *flag, MPI_Status *status)
{
    const bool was = *req != MPI_REQUEST_NULL;
    int rc = PMPI_Test(req, flag, status);
    return freed(&taken.requests, was && *req == MPI_REQUEST_NULL, rc);
}

int
MPI_Wait(MPI_Request *req, MPI_Status *status)
{
    const bool was = *req != MPI_REQUEST_NULL;
    return freed(&taken.requests, was, PMPI_Wait(req, status));
}

int
MPI_Testsome(int count, MPI_Request *reqs, int *num_done, int *indices, MPI_Status *statuses)
{
    int rc = PMPI_Testsome(count, reqs, num_done, indices, statuses);
    return freed(&taken.requests, *num_done == MPI_UNDEFINED ? 0 : *num_done, rc);
}

/* ---- a job ---------------------------------------------------------------------------------------- */

static void
nothing(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

/* A group whose members get a small and a large message. It ends only if it is told to. */
static c4p_rt_t *
job(MPI_Comm comm)
{
    c4p_rt_t *rt;
    c4p_coll_t group;
    CHECK_OK(c4p_init_comm(comm, NULL, &rt));
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry = rts_entry(rt, type, "nothing", nothing);
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        CHECK_OK(c4p_send(rt, rts_ref(group, c4p_num_ranks(rt) - 1), entry, rts_number(rt, 1)));
        c4p_msg_t *large;
        CHECK_OK(c4p_msg_new(rt, 100000, &large));
        memset(c4p_msg_data(large), 1, 100000);
        CHECK_OK(c4p_bcast(rt, group, entry, large, C4P_BCAST_NO_REPLY, 0));
    }
    return rt;
}

static void
run_to_its_end(c4p_rt_t *rt)
{
    int code = -1;
    CHECK_OK(c4p_run_until_quiescent(rt, NULL));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 3));
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(3, code);
}

/* ---- many of them ----------------------------------------------------------------------------------- */

static int64_t
resident_bytes(void)
{
    long long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ(2, fscanf(f, "%lld %lld", &all, &resident));
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

/* The argument after "--" says how many. What a tenth of them needs is enough for all. */
static void
cycles_leave_memory_and_mpi_as_they_were(void)
{
    const int64_t cycles = c4pt_arg(0, 1000);
    const int64_t few = 1 << 20; /* bytes: allocators and MPI take some when they please */
    int64_t early = 0;
    int world_rank;
    MPI_Comm half;
    rts_mpi();
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_split(MPI_COMM_WORLD, world_rank % 2, 0, &half);
    const taken_t before = taken;
    for (int64_t i = 0; i < cycles; i++) {
        c4p_rt_t *rt = job(half);
        run_to_its_end(rt);
        c4p_free(rt);
        CHECK_EQ(0, rts_world.alive);
        CHECK_EQ(before.comms, taken.comms);
        CHECK_EQ(before.keyvals, taken.keyvals);
        CHECK_EQ(before.requests, taken.requests);
        if (i + 1 == cycles / 10)
            early = resident_bytes();
    }
    CHECK(taken.calls >= before.calls + 4 * cycles); /* two duplicates, one of the host, a keyval */
    const int64_t grown = resident_bytes() - early;
    if (world_rank == 0)
        printf("resident after %lld cycles: %lld KiB, after %lld: %+lld KiB\n",
               (long long)cycles / 10, (long long)early >> 10, (long long)cycles,
               (long long)grown / 1024);
#if !C4PT_UNDER_ASAN /* which keeps freed memory for a while */
    CHECK(grown < few);
#endif
    (void)few;
    MPI_Comm_free(&half);
}

/* ---- a host that forgets ---------------------------------------------------------------------------- */

static void
finalize_and_check(void)
{
    MPI_Finalize();
    CHECK_EQ(0, taken.comms);
    CHECK_EQ(0, taken.keyvals);
    CHECK_EQ(0, taken.requests);
    CHECK_EQ(0, rts_world.alive);
}

/* The pointers are lost, so that what is left over would be found as a leak. */
static void
forget_one_that_ended(void)
{
    run_to_its_end(job(MPI_COMM_WORLD));
}

static void
mpi_finalize_frees_a_runtime_that_ended(void)
{
    rts_mpi();
    forget_one_that_ended();
    finalize_and_check();
}

static void
mpi_finalize_frees_runtimes_at_any_stage(void)
{
    c4p_rt_t *rt;
    rts_mpi();
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, NULL, &rt)); /* never started */
    rts_type(rt, "Member");
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, NULL, &rt)); /* nothing made */
    CHECK_OK(c4p_start(rt));
    rt = job(MPI_COMM_WORLD); /* would go on */
    CHECK_OK(c4p_run_until_quiescent(rt, NULL));
    forget_one_that_ended();
    finalize_and_check();
}

/* The first freed by the host, on rank 0 before and on the others in MPI_Finalize(). */
static void
some_ranks_free_and_others_forget(void)
{
    rts_mpi();
    c4p_rt_t *rt = job(MPI_COMM_WORLD);
    run_to_its_end(rt);
    if (c4p_rank(rt) == 0)
        c4p_free(rt);
    finalize_and_check();
}

static void
free_after_finalize_does_nothing(void)
{
    rts_mpi();
    c4p_rt_t *rt = job(MPI_COMM_WORLD);
    run_to_its_end(rt);
    finalize_and_check();
    c4p_free(rt);
}

/* MPI that c4p_init() has started, and the host ends. */
static void
mpi_of_the_runtime_may_be_finalised_by_the_host(void)
{
    c4p_rt_t *rt;
    int code;
    CHECK_OK(c4p_init(NULL, &rt));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_exit(rt, 0));
    CHECK_OK(c4p_run(rt, &code));
    finalize_and_check();
}

/* ---- threads ------------------------------------------------------------------------------------------ */

static void *
init_elsewhere(void *ctx)
{
    c4p_rt_t *rt = NULL;
    *(c4p_status_t *)ctx = c4p_init_comm(MPI_COMM_WORLD, NULL, &rt);
    return rt;
}

/* With MPI_THREAD_FUNNELED, as rts_mpi() has it. */
static void
a_thread_that_may_not_call_mpi_is_refused(void)
{
    pthread_t thread;
    c4p_status_t st = C4P_OK;
    void *rt;
    rts_mpi();
    CHECK_EQ(0, pthread_create(&thread, NULL, init_elsewhere, &st));
    CHECK_EQ(0, pthread_join(thread, &rt));
    CHECK_STATUS(C4P_ERR_STATE, st);
    CHECK(rt == NULL);
}

/* As MPI_Init() has it. */
static void
a_host_without_threads_will_do(void)
{
    int provided;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SINGLE, &provided);
    forget_one_that_ended();
    finalize_and_check();
}

/* ---- a guest in the process --------------------------------------------------------------------------- */

typedef struct process {
    void (*handlers[NSIG])(int);
    int out, err; /* saved */
    FILE *said;
} process_t;

static void
look_at_handlers(void (**handlers)(int))
{
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(i, NULL, &action);
        handlers[i] = action.sa_handler;
    }
}

/* From here on what is printed goes to a file. */
static void
look_at_process(process_t *before)
{
    fflush(stdout);
    look_at_handlers(before->handlers);
    before->said = tmpfile();
    before->out = dup(STDOUT_FILENO);
    before->err = dup(STDERR_FILENO);
    CHECK(before->said && before->out >= 0 && before->err >= 0);
    CHECK(dup2(fileno(before->said), STDOUT_FILENO) >= 0);
    CHECK(dup2(fileno(before->said), STDERR_FILENO) >= 0);
}

static void
check_process(process_t *before)
{
    void (*now[NSIG])(int);
    fflush(stdout);
    const off_t said = lseek(fileno(before->said), 0, SEEK_END);
    CHECK(dup2(before->out, STDOUT_FILENO) >= 0 && dup2(before->err, STDERR_FILENO) >= 0);
    close(before->out);
    close(before->err);
    fclose(before->said);
    CHECK_EQ(0, said);
    look_at_handlers(now);
    for (int i = 1; i < NSIG; i++)
        if (now[i] != before->handlers[i])
            FAIL("signal %d has another handler", i);
}

static void
it_prints_nothing_and_leaves_signals_alone(void)
{
    process_t before;
    rts_mpi();
    look_at_process(&before);
    c4p_rt_t *rt = job(MPI_COMM_WORLD);
    run_to_its_end(rt);
    /* Refused, and told by the status. */
    c4p_status_t refused = c4p_send(rt, rts_ref(1, 0), 0, NULL);
    c4p_free(rt);
    check_process(&before);
    CHECK_STATUS(C4P_ERR_ARG, refused);
}

/* Also when MPI is the library's own. */
static void
so_it_does_with_mpi_of_its_own(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    process_t before;
    c4p_rt_t *rt;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        signal(faults[i], SIG_DFL); /* UCX has taken them when it was loaded */
    look_at_process(&before);
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st == C4P_OK)
        st = c4p_start(rt);
    if (st == C4P_OK)
        st = c4p_exit(rt, 0);
    if (st == C4P_OK)
        st = c4p_run(rt, NULL);
    if (st == C4P_OK)
        c4p_free(rt);
    check_process(&before);
    CHECK_OK(st);
}

static void
hear(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx;
    printf("heard at level %d: %s\n", (int)level, line);
    fflush(stdout);
}

static void
say_goodbye(void)
{
    printf("an atexit function ran\n");
    fflush(stdout);
}

/* A failure that ends the job: the host hears the report before, and exit() is not called. */
static void
the_host_hears_of_a_failure_before_the_end(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4p_rt_t *rt;
    rts_wait_t wait;
    rts_mpi();
    atexit(say_goodbye);
    opts.log_fn = hear;
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, &opts, &rt));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        c4p_future_t future = rts_future(rt, 1, &wait);
        for (int i = 0; i < 2; i++)
            CHECK_OK(c4p_future_send(rt, future, NULL, false));
    }
    CHECK_OK(c4p_run(rt, NULL));
}

TEST_CASES(cycles_leave_memory_and_mpi_as_they_were, mpi_finalize_frees_a_runtime_that_ended,
           mpi_finalize_frees_runtimes_at_any_stage, some_ranks_free_and_others_forget,
           free_after_finalize_does_nothing, a_thread_that_may_not_call_mpi_is_refused,
           it_prints_nothing_and_leaves_signals_alone, so_it_does_with_mpi_of_its_own,
           the_host_hears_of_a_failure_before_the_end, a_host_without_threads_will_do,
           mpi_of_the_runtime_may_be_finalised_by_the_host)
