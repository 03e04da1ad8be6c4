/* SPDX-License-Identifier: Apache-2.0 */
/* comm_mpi_life.c: start and end of the MPI back end: communicators, who shares the host, sizes
 * that all ranks must agree on; an end that loses nothing and leaves MPI to the host as it was. */
#define _POSIX_C_SOURCE 200809L
#include "comm/comm_mpi_int.h"

#include <stdio.h>
#include <string.h>

#include "comm/launch.h"

enum {
    DEFAULT_SMALL = 4032, /* stays under the eager limit of shared memory */
    MIN_SMALL = 128,
    MAX_SMALL = 65472,
    DEFAULT_RING = 64,
    MIN_SLOT = 1024, /* room for the longest announcement */
    POLL_AT_ONCE = 16
};

/* ---- end ------------------------------------------------------------------------------------------ */

/* Poll until the request is done. */
static c4p_status_t
poll_until(mpi_comm_t *c, MPI_Request *req, const char *what)
{
    for (;;) {
        int done = 0, did = 0;
        int rc = MPI_Test(req, &done, MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, what, -1, 0);
        if (done)
            return C4P_OK;
        c4p_status_t st = c4pi_mpi_poll(&c->base, POLL_AT_ONCE, &did);
        if (st != C4P_OK)
            return st;
        if (!did && c->base.oversubscribed)
            c->base.port->ops->yield(c->base.port);
    }
}

/* Receive until nothing that any rank sent is on its way. Nobody sends meanwhile, so equal sums
 * mean that. */
static c4p_status_t
finish_drain(mpi_comm_t *c)
{
    for (;;) {
        uint64_t mine[2] = {c->small_sent, c->small_received}, all[2] = {0, 0};
        MPI_Request req;
        int rc = MPI_Iallreduce(mine, all, 2, MPI_UINT64_T, MPI_SUM, c->small, &req);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, "MPI_Iallreduce", -1, 0);
        c4p_status_t st = poll_until(c, &req, "MPI_Iallreduce");
        if (st != C4P_OK)
            return st;
        if (all[0] == all[1])
            return C4P_OK;
    }
}

static c4p_status_t
finish_requests(mpi_comm_t *c)
{
    while (c->num_reqs || c->holds.count) {
        int did = 0;
        c4p_status_t st = c4pi_mpi_poll(&c->base, POLL_AT_ONCE, &did);
        if (st != C4P_OK)
            return st;
    }
    return C4P_OK;
}

/* Take back the posted receives. */
static c4p_status_t
ring_cancel(mpi_comm_t *c)
{
    for (uint32_t i = 0; i < c->ring_size; i++) {
        if (c->ring_req[i] == MPI_REQUEST_NULL)
            continue;
        int rc = MPI_Cancel(&c->ring_req[i]);
        if (rc == MPI_SUCCESS)
            rc = MPI_Wait(&c->ring_req[i], MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, "MPI_Cancel", -1, 0);
    }
    return C4P_OK;
}

static c4p_status_t
mpi_finish(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    MPI_Request req;
    c4p_status_t st;

    if ((st = finish_drain(c)) != C4P_OK || (st = finish_requests(c)) != C4P_OK)
        return st;
    int rc = MPI_Ibarrier(c->small, &req);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Ibarrier", -1, 0);
    if ((st = poll_until(c, &req, "MPI_Ibarrier")) != C4P_OK || (st = ring_cancel(c)) != C4P_OK)
        return st;
    MPI_Comm_free(&c->bulk);
    MPI_Comm_free(&c->small);
    c->finished = true;
    return C4P_OK;
}

/* ---- a host that forgets ------------------------------------------------------------------------ */

/* MPI deletes the attributes of MPI_COMM_SELF first of all in MPI_Finalize, when it still works. */
static int
on_delete(MPI_Comm self, int keyval, void *value, void *extra)
{
    mpi_comm_t *c = value;
    (void)self, (void)keyval, (void)extra;
    if (!c->base.orphaned)
        return MPI_SUCCESS;
    c->orphaned = true;
    c->base.orphaned(c->base.orphaned_ctx);
    return MPI_SUCCESS;
}

static c4p_status_t
watch_end(mpi_comm_t *c)
{
    int rc = MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_delete, &c->keyval, NULL);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Comm_create_keyval", -1, 0);
    rc = MPI_Comm_set_attr(MPI_COMM_SELF, c->keyval, c);
    return rc == MPI_SUCCESS ? C4P_OK : c4pi_mpi_fail(c, rc, "MPI_Comm_set_attr", -1, 0);
}

static void
watch_no_more(mpi_comm_t *c)
{
    if (c->keyval == MPI_KEYVAL_INVALID)
        return;
    c->base.orphaned = NULL;
    if (!c->orphaned) /* otherwise MPI is about to */
        MPI_Comm_delete_attr(MPI_COMM_SELF, c->keyval);
    MPI_Comm_free_keyval(&c->keyval);
}

bool
c4pi_comm_mpi_over(void)
{
    int finalized = 0;
    MPI_Finalized(&finalized);
    return finalized;
}

/* ---- free ------------------------------------------------------------------------------------------ */

/* Drop what was not delivered, and the ring's buffers if MPI does not write to them any more. */
static void
free_messages(mpi_comm_t *c, bool ring_is_ours)
{
    size_t at = 0;
    uint64_t key;
    void *value;

    while (at = 0, c4pi_map_next(&c->holds, &at, &key, &value)) {
        hold_t *hold = value;
        c4p_msg_t *msg;
        while ((msg = c4pi_fifo_pop(&hold->fifo)) != NULL) {
            incoming_t *in = msg->where;
            if (in && in->complete)
                c4pi_msg_drop(in->msg); /* an incomplete one is still MPI's to write to */
            c4pi_msg_drop(msg);
        }
        (void)c4pi_map_remove(&c->holds, key);
    }
    for (uint32_t i = 0; ring_is_ours && i < c->ring_size; i++)
        if (c->ring_msg[i])
            c4pi_msg_drop(c->ring_msg[i]);
}

/* Not through mpi_finish(). Communicators whose messages may still be on their way are not freed
 * before MPI ends: a later one could be given theirs. True if nothing is received any more. */
static bool
give_up(mpi_comm_t *c)
{
    if (c->broken)
        return false;
    if (c->ring_req && c->ring_msg && ring_cancel(c) != C4P_OK)
        return false;
    if (c->orphaned) {
        MPI_Comm_free(&c->bulk);
        MPI_Comm_free(&c->small);
    }
    return true;
}

static void
mpi_free(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    c4pi_port_t *port = comm->port;
    const bool in_use = comm->orphaned && !c->finished && !c->orphaned;

    free_messages(c, c->finished || give_up(c));
    watch_no_more(c);
    if (c->we_initialised && c->finished && !c->orphaned)
        MPI_Finalize();
    else if (c->we_initialised && in_use)
        c4pi_log(port, C4P_LOG_WARN,
                 "c4p_free() in the middle of the job: MPI is not finalised, since messages may be "
                 "on their way; call c4p_exit() and c4p_run() before, or MPI_Finalize() after it");
    c4pi_pool_fini(&c->incoming_pool);
    c4pi_pool_fini(&c->hold_pool);
    c4pi_map_fini(&c->holds);
    c4pi_near_free(c->near);
    c4pi_shared_free(c->shared);
    c4pi_hosts_fini(&c->base.hosts, port);
    c4pi_free(port, c->owners, c->cap_reqs * sizeof *c->owners);
    c4pi_free(port, c->reqs, c->cap_reqs * sizeof *c->reqs);
    c4pi_free(port, c->ring_msg, c->ring_size * sizeof *c->ring_msg);
    c4pi_free(port, c->ring_req, c->ring_size * sizeof(MPI_Request));
    c4pi_free(port, c, sizeof *c);
}

static bool
mpi_before_fork(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    return !c->shared || c4pi_shared_before_fork(c->shared);
}

static bool
mpi_claim_report(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    return !c->shared || c4pi_shared_claim_report(c->shared);
}

/* ---- start ---------------------------------------------------------------------------------------- */

static const c4pi_comm_ops_t mpi_ops = {
    .send = c4pi_mpi_send,
    .poll = c4pi_mpi_poll,
    .sends_pending = c4pi_mpi_sends_pending,
    .finish = mpi_finish,
    .before_fork = mpi_before_fork,
    .claim_report = mpi_claim_report,
    .abort = c4pi_mpi_abort,
    .free_comm = mpi_free,
};

/* "Open MPI v4.1.4", without what follows. Also before MPI_Init. */
static void
library_name(char name_out[MPI_MAX_LIBRARY_VERSION_STRING])
{
    int len = 0;
    name_out[0] = '\0';
    MPI_Get_library_version(name_out, &len);
    name_out[strcspn(name_out, ",\n")] = '\0';
}

/* MPI is the host's. May this thread call it? */
static c4p_status_t
check_thread(mpi_comm_t *c)
{
    int level = MPI_THREAD_SINGLE, is_main = 0;
    int rc = MPI_Query_thread(&level);
    if (rc == MPI_SUCCESS)
        rc = MPI_Is_thread_main(&is_main);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Query_thread", -1, 0);
    if (is_main || level >= MPI_THREAD_SERIALIZED)
        return C4P_OK;
    c4pi_log(c->base.port, C4P_LOG_ERROR,
             "MPI was initialised by another thread, with %s: create the runtime there, or ask for "
             "MPI_THREAD_SERIALIZED",
             level == MPI_THREAD_SINGLE ? "MPI_THREAD_SINGLE" : "MPI_THREAD_FUNNELED");
    return C4P_ERR_STATE;
}

static c4p_status_t
init_mpi(mpi_comm_t *c, const void *host_comm)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    c4pi_launch_signals_t signals;
    int initialised = 0, finalised = 0, provided = 0;

    MPI_Initialized(&initialised);
    MPI_Finalized(&finalised);
    if (finalised || (host_comm && !initialised)) {
        c4pi_log(c->base.port, C4P_LOG_ERROR,
                 finalised
                     ? "MPI has been finalised already: create the runtime before MPI_Finalize"
                     : "MPI is not initialised: call MPI_Init before creating the runtime on a "
                       "communicator");
        return C4P_ERR_STATE;
    }
    if (initialised)
        return check_thread(c);
    c4pi_launch_prepare(c->base.port);
    library_name(library);
    c4pi_launch_warn(c->base.port, library);
    c4pi_launch_keep_signals(&signals);
    int rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    c4pi_launch_restore_signals(&signals);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Init_thread", -1, 0);
    c->we_initialised = true;
    return C4P_OK;
}

static c4p_status_t
check_alone(mpi_comm_t *c)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    library_name(library);
    return c4pi_launch_check_alone(c->base.port, library);
}

/* Nobody waits for messages yet. MPI's own waiting would keep the core, with MPICH even from a rank
 * that it waits for. rc: whether the request was started. */
static int
wait_for(mpi_comm_t *c, int rc, MPI_Request *req)
{
    for (int done = 0; rc == MPI_SUCCESS && !done;) {
        rc = MPI_Test(req, &done, MPI_STATUS_IGNORE);
        if (!done)
            c->base.port->ops->yield(c->base.port);
    }
    return rc;
}

static int
combine(mpi_comm_t *c, const void *mine, void *all, int count, MPI_Datatype type, MPI_Op op,
        MPI_Comm comm)
{
    MPI_Request req;
    int rc = MPI_Iallreduce(mine, all, count, type, op, comm, &req);
    return wait_for(c, rc, &req);
}

static int
gather(mpi_comm_t *c, const void *mine, void *all, int count, MPI_Datatype type, MPI_Comm comm)
{
    MPI_Request req;
    int rc = MPI_Iallgather(mine, count, type, all, count, type, comm, &req);
    return wait_for(c, rc, &req);
}

static c4p_status_t
dup_comm(mpi_comm_t *c, MPI_Comm from, MPI_Comm *to)
{
    int rc = MPI_Comm_dup(from, to);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Comm_dup", -1, 0);
    rc = MPI_Comm_set_errhandler(*to, MPI_ERRORS_RETURN);
    return rc == MPI_SUCCESS ? C4P_OK : c4pi_mpi_fail(c, rc, "MPI_Comm_set_errhandler", -1, 0);
}

/* Exchange what the ranks of this host must know for using each other's pools, and agree on whether
 * all of them can. */
static c4p_status_t
share_pools(mpi_comm_t *c, MPI_Comm host, c4pi_shared_id_t *ids)
{
    c4pi_shared_id_t mine = {.bytes = 0};
    if (c->shared)
        c4pi_shared_id(c->shared, &mine);
    int rc = gather(c, &mine, ids, sizeof mine, MPI_BYTE, host);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Allgather", -1, 0);
    int good = c->shared && c4pi_shared_open(c->shared, ids, c->base.host_ranks), all = 0;
    rc = combine(c, &good, &all, 1, MPI_INT, MPI_MIN, host);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Allreduce", -1, 0);
    if (all)
        return C4P_OK;
    c4pi_log(c->base.port, C4P_LOG_INFO,
             "the ranks of this host cannot share memory: messages go through MPI, and each "
             "rank that fails reports it");
    c4pi_shared_free(c->shared);
    c->shared = NULL;
    return C4P_OK;
}

static c4p_status_t
set_up_near(mpi_comm_t *c)
{
    if (!c4pi_shared_has_lanes(c->shared))
        return C4P_OK;
    c->near = c4pi_near_new(c->base.msgs, c->shared);
    if (!c->near)
        return c4pi_mpi_no_memory(c, "the ranks of this host", (uint64_t)c->base.host_ranks,
                                  c->base.rank);
    c->all_near = c->base.host_ranks == c->base.num_ranks;
    return C4P_OK;
}

static c4p_status_t
set_up_shared(mpi_comm_t *c, MPI_Comm host, uint64_t bytes)
{
    size_t len = (size_t)c->base.host_ranks * sizeof(c4pi_shared_id_t);
    if (c->base.host_ranks == 1)
        return C4P_OK;
    c4pi_shared_id_t *ids = c4pi_alloc(c->base.port, len);
    if (!ids)
        return c4pi_mpi_no_memory(c, "the ranks of this host", len, c->base.rank);
    c->shared =
        c4pi_shared_new(c->base.msgs, c->base.rank, c->base.host_ranks, bytes, c->slot_bytes);
    c4p_status_t st = share_pools(c, host, ids);
    c4pi_free(c->base.port, ids, len);
    return st == C4P_OK && c->shared ? set_up_near(c) : st;
}

/* The host of every rank, where the placement follows no formula. */
static c4p_status_t
list_hosts(mpi_comm_t *c, int num_hosts, int my_host)
{
    int n = c->base.num_ranks;
    size_t len = (size_t)n * sizeof(int);
    int *host_of = c4pi_alloc(c->base.port, len);
    if (!host_of)
        return c4pi_mpi_no_memory(c, "the hosts of all ranks", len, c->base.rank);
    c4p_status_t st = C4P_OK;
    int rc = gather(c, &my_host, host_of, 1, MPI_INT, c->small);
    if (rc != MPI_SUCCESS)
        st = c4pi_mpi_fail(c, rc, "MPI_Allgather", -1, 0);
    else if (c4pi_hosts_init_list(&c->base.hosts, c->base.port, n, num_hosts, host_of) != C4P_OK)
        st = c4pi_mpi_no_memory(c, "the hosts of all ranks", len, c->base.rank);
    c4pi_free(c->base.port, host_of, len);
    return st;
}

/* Number the hosts in the order of their lowest ranks, and find out which ranks are where. */
static c4p_status_t
number_hosts(mpi_comm_t *c, MPI_Comm host)
{
    int n = c->base.num_ranks, rank = c->base.rank;
    int leads = c->base.host_rank == 0, before = 0, my_host = 0, num_hosts = 0;
    int elsewhere, block = 0, irregular, any_irregular = 0;

    MPI_Request req;
    int rc = wait_for(c, MPI_Iexscan(&leads, &before, 1, MPI_INT, MPI_SUM, c->small, &req), &req);
    if (rc == MPI_SUCCESS)
        rc = combine(c, &leads, &num_hosts, 1, MPI_INT, MPI_SUM, c->small);
    my_host = rank > 0 ? before : 0; /* Exscan leaves it undefined on rank 0 */
    if (rc == MPI_SUCCESS)
        rc = wait_for(c, MPI_Ibcast(&my_host, 1, MPI_INT, 0, host, &req), &req);
    elsewhere = my_host == 0 ? n : rank; /* the first rank that is not on host 0 ends its block */
    if (rc == MPI_SUCCESS)
        rc = combine(c, &elsewhere, &block, 1, MPI_INT, MPI_MIN, c->small);
    irregular = rc == MPI_SUCCESS && rank / block % num_hosts != my_host;
    if (rc == MPI_SUCCESS)
        rc = combine(c, &irregular, &any_irregular, 1, MPI_INT, MPI_MAX, c->small);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "numbering the hosts", -1, 0);
    if (any_irregular)
        return list_hosts(c, num_hosts, my_host);
    c4pi_hosts_init(&c->base.hosts, n, num_hosts, block);
    return C4P_OK;
}

/* The ranks of this host, or of the one that C4PY_TEST_HOSTS names. */
static int
split_by_host(mpi_comm_t *c, uint64_t test_hosts, MPI_Comm *host)
{
    char digits[24];
    if (!test_hosts)
        return MPI_Comm_split_type(c->small, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, host);
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)test_hosts);
    return MPI_Comm_split(c->small, digits[c->base.rank % len] - '0', 0, host);
}

/* Who shares this host, and are there enough CPUs for them? */
static c4p_status_t
find_host(mpi_comm_t *c, const c4p_opts_t *opts)
{
    MPI_Comm host;
    uint64_t mine[C4PI_CPU_WORDS], all[C4PI_CPU_WORDS];
    int cpus = 0;

    int rc = split_by_host(c, opts->test_hosts, &host);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Comm_split_type", -1, 0);
    MPI_Comm_rank(host, &c->base.host_rank);
    MPI_Comm_size(host, &c->base.host_ranks);
    c4pi_launch_cpus(mine);
    rc = combine(c, mine, all, C4PI_CPU_WORDS, MPI_UINT64_T, MPI_BOR, host);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Allreduce", -1, 0);
    c4p_status_t st = number_hosts(c, host);
    if (st == C4P_OK)
        st = set_up_shared(c, host, opts->shared_bytes);
    MPI_Comm_free(&host);
    if (st != C4P_OK)
        return st;
    for (int i = 0; i < C4PI_CPU_WORDS; i++)
        cpus += __builtin_popcountll(all[i]);
    c->base.oversubscribed = cpus > 0 && c->base.host_ranks > cpus;
    return C4P_OK;
}

/* Sizes that both ends of a message must agree on. */
static c4p_status_t
check_same_sizes(mpi_comm_t *c, const c4p_opts_t *opts)
{
    enum { N = 4 };
    static const char *const names[N] = {"C4PY_SMALL_BYTES", "C4PY_CREDIT_BYTES",
                                         "C4PY_SHARED_BYTES", "the layout of messages"};
    uint64_t values[N] = {c->base.small_bytes, opts->credit_bytes, opts->shared_bytes,
                          sizeof(c4pi_env_t) << 16 | sizeof(c4p_msg_t)};
    uint64_t mine[2 * N], most[2 * N]; /* the largest of x, and of ~x: the smallest */

    for (int i = 0; i < N; i++) {
        mine[i] = values[i];
        mine[i + N] = ~values[i];
    }
    int rc = combine(c, mine, most, 2 * N, MPI_UINT64_T, MPI_MAX, c->small);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Allreduce", -1, 0);
    for (int i = 0; i < N; i++) {
        if (most[i] == ~most[i + N])
            continue;
        if (c->base.rank == 0)
            c4pi_log(c->base.port, C4P_LOG_ERROR,
                     "the ranks disagree on %s: it is between %llu and %llu; set it alike on all "
                     "of them",
                     names[i], (unsigned long long)~most[i + N], (unsigned long long)most[i]);
        return C4P_ERR_MISMATCH;
    }
    return C4P_OK;
}

static c4p_status_t
ring_new(mpi_comm_t *c, uint32_t size)
{
    if (c->base.num_ranks == 1)
        return C4P_OK;
    c->ring_req = c4pi_calloc(c->base.port, size * sizeof(MPI_Request));
    c->ring_msg = c4pi_calloc(c->base.port, size * sizeof *c->ring_msg);
    c->ring_size = size;
    if (!c->ring_req || !c->ring_msg)
        return c4pi_mpi_no_memory(c, "the ring of receives", size, c->base.rank);
    for (uint32_t i = 0; i < size; i++)
        c->ring_req[i] = MPI_REQUEST_NULL;
    c->ring_unposted = size;
    return c4pi_mpi_ring_repost(c);
}

static void
set_tags(mpi_comm_t *c)
{
    int *upper = NULL, found = 0;
    MPI_Comm_get_attr(c->bulk, MPI_TAG_UB, &upper, &found);
    int limit = found ? *upper : 32767;
    c->tag_mask = 1;
    while (c->tag_mask <= (uint32_t)limit / 2)
        c->tag_mask = 2 * c->tag_mask + 1;
}

static uint32_t
within(uint32_t value, uint32_t deflt, uint32_t low, uint32_t high)
{
    if (value == 0)
        return deflt;
    return value < low ? low : value > high ? high : value;
}

static c4p_status_t
set_up(mpi_comm_t *c, const c4p_opts_t *opts, const void *host_comm)
{
    c4p_status_t st;
    c4pi_comm_t *base = &c->base;

    if ((st = init_mpi(c, host_comm)) != C4P_OK)
        return st;
    MPI_Comm from = host_comm ? *(const MPI_Comm *)host_comm : MPI_COMM_WORLD;
    MPI_Comm_rank(from, &base->rank);
    MPI_Comm_size(from, &base->num_ranks);
    if (!host_comm && base->num_ranks == 1 && (st = check_alone(c)) != C4P_OK)
        return st;
    base->port->rank = base->rank;
    base->port->num_ranks = base->num_ranks;
    if (base->num_ranks > C4P_MAX_RANKS) {
        c4pi_log(base->port, C4P_LOG_ERROR, "%d ranks are more than the %d that are possible",
                 base->num_ranks, C4P_MAX_RANKS);
        return C4P_ERR_LIMIT;
    }
    if ((st = dup_comm(c, from, &c->small)) != C4P_OK ||
        (st = dup_comm(c, from, &c->bulk)) != C4P_OK)
        return st;
    set_tags(c);
    base->small_bytes = within(opts->small_bytes, DEFAULT_SMALL, MIN_SMALL, MAX_SMALL);
    c->slot_bytes = base->small_bytes > MIN_SLOT ? base->small_bytes : MIN_SLOT;
    if ((st = check_same_sizes(c, opts)) != C4P_OK || (st = find_host(c, opts)) != C4P_OK)
        return st;
    st = ring_new(c, within(opts->ring_slots, DEFAULT_RING, 2, 4096));
    return st == C4P_OK ? watch_end(c) : st;
}

/* After a failed start, which all ranks see alike but for lack of memory. */
static void
undo_set_up(mpi_comm_t *c, c4p_status_t st)
{
    if (!c->broken && st != C4P_ERR_NOMEM) {
        if (c->bulk != MPI_COMM_NULL)
            MPI_Comm_free(&c->bulk);
        if (c->small != MPI_COMM_NULL)
            MPI_Comm_free(&c->small);
        c->finished = true;
    }
    mpi_free(&c->base);
}

c4p_status_t
c4pi_comm_mpi_new(c4pi_port_t *port, c4pi_msgs_t *msgs, const c4p_opts_t *opts,
                  const void *host_comm, c4pi_comm_t **comm_out)
{
    mpi_comm_t *c = c4pi_calloc(port, sizeof *c);
    if (!c)
        return C4P_ERR_NOMEM;
    c->base = (c4pi_comm_t){.ops = &mpi_ops, .port = port, .msgs = msgs};
    c->small = c->bulk = MPI_COMM_NULL;
    c->keyval = MPI_KEYVAL_INVALID;
    c4pi_map_init(&c->holds, port);
    c4pi_pool_init(&c->hold_pool, port, sizeof(hold_t), 16);
    c4pi_pool_init(&c->incoming_pool, port, sizeof(incoming_t), 32);

    c4p_status_t st = set_up(c, opts, host_comm);
    if (st != C4P_OK) {
        undo_set_up(c, st);
        return st;
    }
    *comm_out = &c->base;
    return C4P_OK;
}
