/* SPDX-License-Identifier: Apache-2.0 */
/* rt_nomem_test.c: small programs, each as often as it allocates, with another allocation failing
 * each time: a call returns C4P_ERR_NOMEM, after which c4p_free() leaves nothing behind, or the job
 * ends in an orderly way. Each run is a child of a process that has started MPI, on MPI_COMM_SELF.
 */
#include <sys/wait.h>

#include "rt_support.h"

#if C4PT_UNDER_ASAN
#include <sanitizer/lsan_interface.h>
#define LEAKS() __lsan_do_recoverable_leak_check()
#else
#define LEAKS() 0
#endif

enum { ENOUGH = 10, LEAKED = 66, NO_MEMORY = 71 };

#define TRY(call)                                                                                  \
    do {                                                                                           \
        c4p_status_t status_ = (call);                                                             \
        if (status_ != C4P_OK)                                                                     \
            return status_;                                                                        \
    } while (0)

/* The end that the runtime makes where it cannot tell anybody. */
int
MPI_Abort(MPI_Comm comm, int exit_status)
{
    (void)comm;
    _exit(exit_status);
}

/* ---- what programs are made of ---------------------------------------------------------------- */

typedef struct world {
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_entry_t take, give;
    c4p_handler_t handler;
    int64_t got;
} world_t;

static void
take(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    (void)rt, (void)object, (void)msg;
    w->got++;
}

static void
give(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const int64_t one = 1;
    c4p_target_t to;
    (void)ctx;
    memcpy(&to, c4p_msg_data(msg), sizeof to);
    (void)c4p_contribute(rt, obj->self, &sum, &one, sizeof one, &to, NULL);
}

static void
handle(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    (void)rt, (void)msg;
    w->got++;
}

static void
count(c4p_rt_t *rt, void *ctx)
{
    world_t *w = ctx;
    (void)rt;
    w->got++;
}

static void
on_value(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    world_t *w = ctx;
    (void)rt, (void)future, (void)msg, (void)is_error, (void)last;
    w->got++;
}

/* What a send refused is still the caller's. */
static c4p_status_t
unless_sent(c4p_status_t st, c4p_msg_t *msg)
{
    if (st != C4P_OK)
        c4p_msg_free(msg);
    return st;
}

static c4p_status_t
array(world_t *w, bool dense, int64_t n, c4p_coll_t *coll_out)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    opts.dense = dense;
    opts.dims[0] = n;
    return c4p_array_new(w->rt, w->type, &opts, NULL, coll_out);
}

static c4p_status_t
bcast(world_t *w, c4p_coll_t coll, c4p_entry_t entry, const void *data, size_t len)
{
    c4p_msg_t *msg;
    TRY(c4p_msg_new(w->rt, len, &msg));
    memcpy(c4p_msg_data(msg), data, len);
    return unless_sent(c4p_bcast(w->rt, coll, entry, msg, C4P_BCAST_NO_REPLY, 0), msg);
}

static c4p_status_t
send(world_t *w, c4p_ref_t to, size_t len, c4p_future_t reply)
{
    c4p_msg_t *msg;
    TRY(c4p_msg_new(w->rt, len, &msg));
    memset(c4p_msg_data(msg), 0, len);
    return unless_sent(
        reply ? c4p_call(w->rt, to, w->take, msg, reply) : c4p_send(w->rt, to, w->take, msg), msg);
}

/* ---- ten programs ------------------------------------------------------------------------------- */

static c4p_status_t
nothing_at_all(world_t *w)
{
    (void)w;
    return C4P_OK;
}

static c4p_status_t
group_and_broadcast(world_t *w)
{
    c4p_coll_t group;
    TRY(c4p_group_new(w->rt, w->type, NULL, 0, &group));
    return bcast(w, group, w->take, "x", 1);
}

static c4p_status_t
dense_array_and_calls(world_t *w)
{
    c4p_coll_t coll;
    c4p_future_t future;
    TRY(array(w, true, 50, &coll));
    TRY(c4p_future_new(w->rt, 50, on_value, w, &future));
    for (int i = 0; i < 50; i++)
        TRY(send(w, rts_ref(coll, i), 8, future));
    return C4P_OK;
}

static c4p_status_t
insertions_and_a_reduction(world_t *w)
{
    c4p_coll_t coll;
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
    TRY(array(w, false, 0, &coll));
    for (int64_t i = 0; i < 20; i++)
        TRY(c4p_insert(w->rt, coll, &(c4p_index_t){1, {i * i}}, -1, NULL));
    TRY(c4p_done_inserting(w->rt, coll));
    TRY(c4p_future_new(w->rt, 1, on_value, w, &to.number));
    return bcast(w, coll, w->give, &to, sizeof to);
}

static c4p_status_t
section(world_t *w)
{
    c4p_coll_t coll, some;
    c4p_ref_t members[5];
    TRY(array(w, true, 10, &coll));
    for (int i = 0; i < 5; i++)
        members[i] = rts_ref(coll, 2 * i);
    TRY(c4p_section_new(w->rt, w->type, members, 5, &some));
    return bcast(w, some, w->take, "x", 1);
}

static c4p_status_t
large_messages(world_t *w)
{
    static char more[200000];
    c4p_ref_t ref;
    c4p_msg_t *msg;
    TRY(c4p_chare_new(w->rt, w->type, 0, NULL, 0, &ref));
    TRY(send(w, ref, 3000000, 0));
    TRY(c4p_msg_new(w->rt, 100, &msg));
    c4p_status_t st = c4p_msg_attach(msg, more, sizeof more, NULL, NULL);
    if (st == C4P_OK)
        st = c4p_msg_lend(msg, more, 100, NULL, NULL);
    if (st == C4P_OK)
        st = c4p_send(w->rt, ref, w->take, msg);
    return unless_sent(st, msg);
}

static c4p_status_t
timers_and_posts(world_t *w)
{
    uint64_t id;
    for (int i = 0; i < 100; i++)
        TRY(c4p_timer(w->rt, 0, count, w, &id));
    TRY(c4p_timer_cancel(w->rt, id));
    return c4p_post(w->rt, count, w);
}

static c4p_status_t
deletion_and_insertion(world_t *w)
{
    const c4p_index_t index = {1, {3}};
    c4p_coll_t coll;
    TRY(array(w, true, 10, &coll));
    for (int i = 0; i < 5; i++) {
        TRY(c4p_destroy(w->rt, rts_ref(coll, 3)));
        TRY(c4p_insert(w->rt, coll, &index, -1, NULL));
        TRY(send(w, rts_ref(coll, 3), 8, 0));
    }
    return C4P_OK;
}

static c4p_status_t
handlers_and_quiescence(world_t *w)
{
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
    c4p_msg_t *msg;
    for (int i = 0; i < 10; i++) {
        TRY(c4p_msg_new(w->rt, 8, &msg));
        TRY(unless_sent(c4p_send_handler(w->rt, 0, w->handler, msg), msg));
    }
    TRY(c4p_future_new(w->rt, 1, on_value, w, &to.number));
    return c4p_detect_quiescence(w->rt, &to);
}

static c4p_status_t
balanced_array(world_t *w)
{
    c4p_coll_t coll;
    TRY(c4p_lb_use(w->rt, "greedy,comm-refine"));
    TRY(array(w, true, 10, &coll));
    for (int i = 0; i < 10; i++) {
        TRY(c4p_sync_join(w->rt, rts_ref(coll, i)));
        TRY(c4p_lb_set_load(w->rt, rts_ref(coll, i), i));
    }
    for (int i = 0; i < 10; i++)
        TRY(c4p_sync(w->rt, rts_ref(coll, i), w->take));
    return C4P_OK;
}

/* ---- all of it again and again ------------------------------------------------------------------ */

static void
not_a_word(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx, (void)level, (void)line;
}

static c4p_status_t
run(world_t *w, c4p_status_t (*body)(world_t *w))
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "T",
                                  .construct = rts_construct,
                                  .destroy = rts_destroy};
    int code;
    TRY(c4p_type_add(w->rt, &desc, &w->type));
    TRY(c4p_entry_add(w->rt, w->type, "take", take, w, &w->take));
    TRY(c4p_entry_add(w->rt, w->type, "give", give, w, &w->give));
    TRY(c4p_handler_add(w->rt, "handle", handle, w, &w->handler));
    TRY(c4p_start(w->rt));
    TRY(body(w));
    TRY(c4p_run_until_quiescent(w->rt, NULL));
    TRY(c4p_exit(w->rt, 0));
    return c4p_run(w->rt, &code);
}

/* The child: allocation number n fails. Its exit status says how it went. */
static void
run_with(uint64_t n, c4p_status_t (*body)(world_t *w))
{
    char text[24];
    world_t w = {.rt = NULL};
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_fn = not_a_word;
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    setenv("C4PY_FAIL_ALLOC", text, 1);
    c4p_status_t st = c4p_init_comm(MPI_COMM_SELF, &opts, &w.rt);
    if (st == C4P_OK)
        st = run(&w, body);
    c4p_free(w.rt);
    if (rts_world.alive || LEAKS())
        _exit(LEAKED);
    _exit(c4p_exit_status(st));
}

/* How many allocations failed before a run of ENOUGH that were without trouble. */
static uint64_t
fail_each(const char *name, c4p_status_t (*body)(world_t *w))
{
    uint64_t n = 1, failed = 0;
    for (int good = 0; good < ENOUGH; n++) {
        int how;
        pid_t child = fork();
        if (child == 0)
            run_with(n, body);
        CHECK_EQ(child, waitpid(child, &how, 0));
        if (!WIFEXITED(how) || (WEXITSTATUS(how) != 0 && WEXITSTATUS(how) != NO_MEMORY))
            FAIL("%s, with allocation %llu failing: %s %d", name, (unsigned long long)n,
                 WIFEXITED(how) ? "exit status" : "signal",
                 WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
        failed += WEXITSTATUS(how) == NO_MEMORY;
        good = WEXITSTATUS(how) ? 0 : good + 1;
    }
    return failed;
}

static void
each_allocation_may_fail(void)
{
    static const struct {
        const char *name;
        c4p_status_t (*body)(world_t *w);
    } programs[] = {
#define PROGRAM(name) {#name, name}
        PROGRAM(nothing_at_all),
        PROGRAM(group_and_broadcast),
        PROGRAM(dense_array_and_calls),
        PROGRAM(insertions_and_a_reduction),
        PROGRAM(section),
        PROGRAM(large_messages),
        PROGRAM(timers_and_posts),
        PROGRAM(deletion_and_insertion),
        PROGRAM(handlers_and_quiescence),
        PROGRAM(balanced_array),
#undef PROGRAM
    };
    rts_mpi();
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        uint64_t failed = fail_each(programs[i].name, programs[i].body);
        printf("%s: %llu allocations\n", programs[i].name, (unsigned long long)failed);
        fflush(stdout);
        CHECK(failed > 10);
    }
}

TEST_CASES(each_allocation_may_fail)
