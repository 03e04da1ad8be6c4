/* SPDX-License-Identifier: Apache-2.0 */
/* rt_support.h: what the tests of the runtime on real ranks share: a runtime on MPI_COMM_WORLD made
 * and ended in each case, chares that remember who they are, and sums over the ranks to compare
 * what happened. Everything goes through the public interface, but for the parser of settings. */
#ifndef C4PT_RT_SUPPORT_H
#define C4PT_RT_SUPPORT_H

#include <mpi.h>
#include <sched.h>

#include <c4p/c4p.h>
#include <c4p/mpi.h>

#include "base/env.h"
#include "support/test.h"

/* ---- MPI, shared by all cases of a program ---------------------------------------------------- */

static inline void
rts_finalize(void)
{
    int finalised = 0;
    MPI_Finalized(&finalised);
    if (!finalised)
        MPI_Finalize();
}

static inline void
rts_mpi(void)
{
    int initialised = 0, provided;
    MPI_Initialized(&initialised);
    if (initialised)
        return;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    atexit(rts_finalize);
}

/* MPICH never gives its core away while it waits, to a rank that it waits for. */
static inline void
rts_wait_for(MPI_Request *req)
{
    for (int done = 0; !done; sched_yield())
        MPI_Test(req, &done, MPI_STATUS_IGNORE);
}

static inline void
rts_barrier(void)
{
    MPI_Request req;
    MPI_Ibarrier(MPI_COMM_WORLD, &req);
    rts_wait_for(&req);
}

/* Sum over all ranks; collective. */
static inline int64_t
rts_sum(int64_t mine)
{
    int64_t all = 0;
    MPI_Request req;
    MPI_Iallreduce(&mine, &all, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD, &req);
    rts_wait_for(&req);
    return all;
}

/* ---- what lives on this rank -------------------------------------------------------------------- */

typedef struct rts_obj {
    struct rts_obj *next;
    c4p_ref_t self;
    c4p_index_t index;
    int64_t given; /* the number in the constructor's message, 0 without one */
    int64_t count; /* for the case */
    int64_t sum;
} rts_obj_t;

/* The chares that live on this rank, and how many were made here in all. */
typedef struct rts_world {
    rts_obj_t *objs;
    int64_t alive, made;
} rts_world_t;

static rts_world_t rts_world;

/* ---- a runtime -------------------------------------------------------------------------------- */

/* Not started yet: types can be added. */
static inline c4p_rt_t *
rts_open(const c4p_opts_t *opts)
{
    c4p_rt_t *rt = NULL;
    rts_world = (rts_world_t){0};
    rts_mpi();
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, opts, &rt));
    return rt;
}

/* All ranks; rank 0 asks for the end. */
static inline void
rts_close(c4p_rt_t *rt)
{
    int code = -1;
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 5));
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(5, code);
    c4p_free(rt);
}

/* Until nothing happens any more on any rank, and all ranks know; collective. */
static inline void
rts_settle(c4p_rt_t *rt)
{
    bool exited = true;
    CHECK_OK(c4p_run_until_quiescent(rt, &exited));
    CHECK(!exited);
    rts_barrier();
}

/* What the first reduction of a collection is numbered. */
static inline uint64_t
rts_counter_base(void)
{
    const char *text = getenv("C4PY_TEST_COUNTER_BASE");
    uint64_t base = 0;
    CHECK(!text || c4pi_env_number(text, &base));
    return base;
}

static inline c4p_msg_t *
rts_msg(c4p_rt_t *rt, const void *data, size_t len)
{
    c4p_msg_t *msg = NULL;
    CHECK_OK(c4p_msg_new(rt, len, &msg));
    if (len)
        memcpy(c4p_msg_data(msg), data, len);
    return msg;
}

static inline c4p_msg_t *
rts_number(c4p_rt_t *rt, int64_t number)
{
    return rts_msg(rt, &number, sizeof number);
}

static inline int64_t
rts_number_in(c4p_msg_t *msg)
{
    int64_t number;
    CHECK_EQ(sizeof number, c4p_msg_len(msg));
    memcpy(&number, c4p_msg_data(msg), sizeof number);
    return number;
}

static inline c4p_ref_t
rts_ref(c4p_coll_t coll, int64_t i)
{
    c4p_ref_t ref = {coll, {{0, 0}}};
    const c4p_index_t index = {1, {i}};
    CHECK_OK(c4p_index_pack(&index, &ref.key));
    return ref;
}

/* ---- chares ----------------------------------------------------------------------------------- */

static inline c4p_status_t
rts_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    c4p_coll_info_t info;
    rts_obj_t *obj = calloc(1, sizeof *obj);
    (void)ctx;
    CHECK(obj != NULL);
    CHECK_OK(c4p_coll_info(rt, self.coll, &info));
    CHECK(c4p_ref_eq(self, c4p_self(rt)));
    c4p_index_unpack(self.key, info.ndims, &obj->index);
    obj->self = self;
    obj->given = args && c4p_msg_len(args) == sizeof(int64_t) ? rts_number_in(args) : 0;
    obj->next = rts_world.objs;
    rts_world.objs = obj;
    rts_world.alive++;
    rts_world.made++;
    *object_out = obj;
    return C4P_OK;
}

static inline void
rts_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    rts_obj_t **at = &rts_world.objs;
    (void)rt, (void)ctx;
    while (*at && *at != object)
        at = &(*at)->next;
    CHECK(*at != NULL);
    *at = (*at)->next;
    rts_world.alive--;
    free(object);
}

static inline c4p_type_t
rts_type(c4p_rt_t *rt, const char *name)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = name,
                                  .construct = rts_construct,
                                  .destroy = rts_destroy};
    c4p_type_t type;
    CHECK_OK(c4p_type_add(rt, &desc, &type));
    return type;
}

static inline c4p_entry_t
rts_entry(c4p_rt_t *rt, c4p_type_t type, const char *name, c4p_entry_fn_t fn)
{
    c4p_entry_t entry;
    CHECK_OK(c4p_entry_add(rt, type, name, fn, NULL, &entry));
    return entry;
}

/* A one-dimensional array of n elements, made on this rank. */
static inline c4p_coll_t
rts_array(c4p_rt_t *rt, c4p_type_t type, int64_t n)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_coll_t coll = 0;
    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = n;
    CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
    return coll;
}

/* ---- futures that count ----------------------------------------------------------------------- */

typedef struct rts_wait {
    int64_t values, errors, empty, last;
    int64_t sum;     /* of values that are one number */
    c4p_msg_t *kept; /* the latest value with bytes; free it */
} rts_wait_t;

static inline void
rts_on_value(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    rts_wait_t *wait = ctx;
    (void)rt, (void)future;
    wait->values++;
    wait->errors += is_error;
    wait->last += last;
    wait->empty += msg == NULL;
    if (!msg)
        return;
    if (c4p_msg_len(msg) == sizeof(int64_t))
        wait->sum += rts_number_in(msg);
    c4p_msg_free(wait->kept);
    c4p_msg_keep(msg);
    wait->kept = msg;
}

static inline c4p_future_t
rts_future(c4p_rt_t *rt, uint64_t num_values, rts_wait_t *wait)
{
    c4p_future_t future = 0;
    *wait = (rts_wait_t){0};
    CHECK_OK(c4p_future_new(rt, num_values, rts_on_value, wait, &future));
    return future;
}

static inline void
rts_wait_end(rts_wait_t *wait)
{
    c4p_msg_free(wait->kept);
    wait->kept = NULL;
}

static inline c4p_target_t
rts_to_future(c4p_future_t future)
{
    return (c4p_target_t){.kind = C4P_TARGET_FUTURE, .number = future};
}

#endif
