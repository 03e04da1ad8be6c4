/* SPDX-License-Identifier: Apache-2.0 */
/* rt_end_test.c: how jobs of C programs end: exit codes, stall reports, aborts, disagreeing ranks,
 * crashes. One case per run, named on the command line; what must be printed and which exit status
 * must be seen is said where the test is listed. */
#include <mpi.h>

#include <signal.h>

#include "rt_support.h"

static int
last_rank(const c4p_rt_t *rt)
{
    return c4p_num_ranks(rt) - 1;
}

static void
contribute_one(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_reduce_t least = {.op = C4P_OP_MIN, .dtype = C4P_INT64};
    c4p_target_t none = {0};
    int64_t one = 1, how = rts_number_in(msg);
    (void)ctx;
    if (how == 1 && obj->index.at[0] == 3)
        return; /* the one that forgets */
    CHECK_OK(c4p_contribute(rt, obj->self, how == 2 && obj->index.at[0] == 3 ? &least : &sum, &one,
                            sizeof one, &none, NULL));
}

static void
noop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

static c4p_type_t type;
static c4p_entry_t contribute_entry, noop_entry;

/* On MPI that the runtime starts itself, as most programs do. Ends the process if the start is
 * refused. */
static c4p_rt_t *
begin(void)
{
    c4p_rt_t *rt;
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        exit(c4p_exit_status(st));
    type = rts_type(rt, "Grid");
    contribute_entry = rts_entry(rt, type, "contribute", contribute_one);
    noop_entry = rts_entry(rt, type, "step", noop);
    st = c4p_start(rt);
    if (st != C4P_OK) {
        fprintf(stderr, "start: %s\n", c4p_strerror(st));
        c4p_free(rt);
        exit(c4p_exit_status(st));
    }
    return rt;
}

/* The rest of a usual main function. */
static void
run_and_exit(c4p_rt_t *rt)
{
    int code = 99;
    c4p_status_t st = c4p_run(rt, &code);
    c4p_free(rt);
    exit(st == C4P_OK ? code : c4p_exit_status(st));
}

/* A program in which this entry method runs in a group's members. */
static void
run_on_all(const char *name, c4p_entry_fn_t fn)
{
    c4p_rt_t *rt;
    c4p_coll_t group;
    CHECK_OK(c4p_init(NULL, &rt));
    type = rts_type(rt, "Grid");
    c4p_entry_t entry = rts_entry(rt, type, name, fn);
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        CHECK_OK(c4p_bcast(rt, group, entry, rts_number(rt, 0), C4P_BCAST_NO_REPLY, 0));
    }
    run_and_exit(rt);
}

/* ---- orderly ---------------------------------------------------------------------------------------- */

static void
exit_code(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == c4pt_arg(0, 0) % c4p_num_ranks(rt))
        CHECK_OK(c4p_exit(rt, (int)c4pt_arg(1, 0)));
    printf("the last line of rank %d, without an end", c4p_rank(rt));
    run_and_exit(rt);
}

static void
nothing_waits_so_nothing_is_reported(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0)
        rts_array(rt, type, 10);
    const double begin_s = c4p_time_s(rt);
    while (!c4p_exiting(rt) && c4p_time_s(rt) - begin_s < 2) /* idle, but not stalled: nobody waits
                                                                for anything */
        CHECK_OK(c4p_step(rt, 16, NULL));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 0));
    run_and_exit(rt);
}

/* Rank 0 is told that nobody will ever end the job, and so does it. */
static c4p_rt_t *told;

static void
on_log(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
    if (level == C4P_LOG_WARN && strstr(line, "nobody has called c4p_exit()"))
        CHECK_OK(c4p_exit(told, 3));
}

static void
forgotten_exit(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_fn = on_log;
    CHECK_OK(c4p_init(&opts, &told));
    type = rts_type(told, "Grid");
    CHECK_OK(c4p_start(told));
    run_and_exit(told);
}

/* Who has begun MPI is told that it is not ended. */
static void
freed_too_early(void)
{
    c4p_rt_t *rt = begin();
    CHECK_OK(c4p_run_until_quiescent(rt, NULL));
    c4p_free(rt);
    MPI_Finalize();
}

static void
free_inside(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    c4p_free(rt);
}

static void
freed_inside(void)
{
    run_on_all("free", free_inside);
}

static void
free_again(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)object, (void)ctx;
    c4p_free(rt);
}

static void
freed_by_destroy(void)
{
    c4p_rt_t *rt;
    c4p_coll_t group;
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Cell",
                                  .construct = rts_construct,
                                  .destroy = free_again};
    CHECK_OK(c4p_init(NULL, &rt));
    CHECK_OK(c4p_type_add(rt, &desc, &type));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    CHECK_OK(c4p_run_until_quiescent(rt, NULL));
    CHECK_OK(c4p_exit(rt, 0));
    run_and_exit(rt);
}

/* A log function that ends the job at the first error, in the middle of its report too. */
static c4p_rt_t *logged;

static void
end_at_errors(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx;
    fprintf(stderr, "%s\n", line);
    if (level == C4P_LOG_ERROR)
        c4p_abort(logged, 12, "an error was logged");
}

static void
log_function_that_aborts(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_fn = end_at_errors;
    CHECK_OK(c4p_init(&opts, &logged));
    type = rts_type(logged, "Grid");
    CHECK_OK(c4p_start(logged));
    if (c4p_rank(logged) == last_rank(logged))
        c4p_abort(logged, 11, "the disk is full");
    run_and_exit(logged);
}

/* Status 256 would be 0 for a shell. */
static void
abort_status(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0)
        c4p_abort(rt, (int)c4pt_arg(0, 0), "the disk is full");
    run_and_exit(rt);
}

/* ---- stalls -------------------------------------------------------------------------------------------- */

static void
message_for_nobody(void)
{
    c4p_rt_t *rt = begin();
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_coll_t coll;
    opts.ndims = 2;
    if (c4p_rank(rt) == last_rank(rt)) {
        c4p_index_t index = {2, {9, -4}};
        c4p_ref_t ref = {0, {{0, 0}}};
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
        ref.coll = coll;
        CHECK_OK(c4p_index_pack(&index, &ref.key));
        for (int i = 0; i < 3; i++)
            CHECK_OK(c4p_send(rt, ref, noop_entry, rts_number(rt, i)));
    }
    run_and_exit(rt);
}

static void
element_that_does_not_contribute(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0) {
        c4p_coll_t coll = rts_array(rt, type, 8);
        CHECK_OK(c4p_bcast(rt, coll, contribute_entry, rts_number(rt, 1), C4P_BCAST_NO_REPLY, 0));
    }
    run_and_exit(rt);
}

static void
insertions_that_are_never_done(void)
{
    c4p_rt_t *rt = begin();
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_index_t index = {1, {1}};
    c4p_coll_t coll;
    opts.ndims = 1;
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
        CHECK_OK(c4p_insert(rt, coll, &index, -1, NULL));
        CHECK_OK(c4p_bcast(rt, coll, contribute_entry, rts_number(rt, 0), C4P_BCAST_NO_REPLY, 0));
    }
    run_and_exit(rt);
}

static void
collection_that_nobody_made(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_send(rt, rts_ref((c4p_coll_t)last_rank(rt) << 40 | 77, 1), noop_entry,
                          rts_number(rt, 0)));
    run_and_exit(rt);
}

static void
end_job(c4p_rt_t *rt, void *ctx)
{
    (void)ctx;
    CHECK_OK(c4p_exit(rt, 6));
}

/* A timer may still bring what is missing, so this is no stall. */
static void
a_pending_timer_is_no_stall(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0) {
        c4p_coll_t coll = rts_array(rt, type, 8);
        CHECK_OK(c4p_bcast(rt, coll, contribute_entry, rts_number(rt, 1), C4P_BCAST_NO_REPLY, 0));
        CHECK_OK(c4p_timer(rt, 2.5, end_job, NULL, NULL));
    }
    run_and_exit(rt);
}

/* A job in which a reduction lacks a contribution; rank 0 goes on by itself, the others wait. */
static c4p_rt_t *
begin_stalled(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0) {
        c4p_coll_t coll = rts_array(rt, type, 8);
        CHECK_OK(c4p_bcast(rt, coll, contribute_entry, rts_number(rt, 1), C4P_BCAST_NO_REPLY, 0));
    }
    return rt;
}

/* With C4PY_STALL=warn the job lives on after the report, and ends when it wants to. When the
 * report comes depends on how soon all ranks get their turn, so rank 0 waits until it sees it. */
static void
stall_that_goes_on(void)
{
    c4p_rt_t *rt = begin_stalled();
    if (c4p_rank(rt) == 0) {
        char text[4096];
        FILE *seen = tmpfile();
        const int terminal = dup(STDERR_FILENO);
        CHECK(seen && terminal >= 0 && dup2(fileno(seen), STDERR_FILENO) >= 0);
        while (lseek(STDERR_FILENO, 0, SEEK_END) == 0)
            CHECK_OK(c4p_step(rt, 16, NULL));
        CHECK(dup2(terminal, STDERR_FILENO) >= 0);
        rewind(seen);
        fwrite(text, 1, fread(text, 1, sizeof text, seen), stderr);
        fclose(seen);
        close(terminal);
        CHECK_OK(c4p_exit(rt, 8));
    }
    run_and_exit(rt);
}

/* With C4PY_STALL=off nobody looks: the job is quiet for longer than a report would need. */
static void
stall_that_nobody_looks_for(void)
{
    c4p_rt_t *rt = begin_stalled();
    const double begin_s = c4p_time_s(rt);
    while (c4p_rank(rt) == 0 && c4p_time_s(rt) - begin_s < 2)
        CHECK_OK(c4p_step(rt, 16, NULL));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 8));
    run_and_exit(rt);
}

/* ---- disorderly ----------------------------------------------------------------------------------------- */

static void
abort_inside(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    if (c4p_rank(rt) == last_rank(rt))
        c4p_abort(rt, 9, "the disk is full");
}

static void
aborted_by_an_entry(void)
{
    run_on_all("abort", abort_inside);
}

/* The last rank registers another entry method than the others. */
static void
ranks_that_disagree(void)
{
    c4p_rt_t *rt;
    CHECK_OK(c4p_init(NULL, &rt));
    type = rts_type(rt, "Grid");
    rts_entry(rt, type, "first", noop);
    rts_entry(rt, type, c4p_rank(rt) == last_rank(rt) ? "third" : "second", noop);
    c4p_status_t st = c4p_start(rt);
    printf("rank %d: %s\n", c4p_rank(rt), c4p_status_name(st));
    fflush(stdout);
    CHECK_STATUS(C4P_ERR_MISMATCH, st);
    c4p_free(rt);
    exit(c4p_exit_status(st));
}

static c4p_status_t
construct_badly(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)args, (void)ctx, (void)object_out;
    return self.key.w[0] == 5 ? C4P_ERR_USER : rts_construct(rt, self, args, ctx, object_out);
}

static void
constructor_that_fails(void)
{
    c4p_rt_t *rt;
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Cell",
                                  .construct = construct_badly,
                                  .destroy = rts_destroy};
    CHECK_OK(c4p_init(NULL, &rt));
    CHECK_OK(c4p_type_add(rt, &desc, &type));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        rts_array(rt, type, 8);
    run_and_exit(rt);
}

static int
bad_map(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)index, (void)arg, (void)ctx;
    return c4p_num_ranks(rt);
}

static void
map_to_a_rank_that_is_none(void)
{
    c4p_rt_t *rt;
    c4p_map_t map;
    CHECK_OK(c4p_init(NULL, &rt));
    type = rts_type(rt, "Grid");
    CHECK_OK(c4p_map_add(rt, "beyond", bad_map, NULL, &map));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        c4p_coll_t coll;
        opts.ndims = 1;
        opts.dense = true;
        opts.dims[0] = 4;
        opts.map = map;
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
    }
    run_and_exit(rt);
}

static void
index_inserted_twice(void)
{
    c4p_rt_t *rt = begin();
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_index_t index = {1, {12}};
    c4p_coll_t coll;
    opts.ndims = 1;
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
        for (int i = 0; i < 2; i++)
            CHECK_OK(c4p_insert(rt, coll, &index, -1, NULL));
    }
    run_and_exit(rt);
}

static void
value_too_many(void)
{
    c4p_rt_t *rt = begin();
    rts_wait_t wait;
    if (c4p_rank(rt) == 0) {
        c4p_future_t future = rts_future(rt, 1, &wait);
        for (int i = 0; i < 2; i++)
            CHECK_OK(c4p_future_send(rt, future, NULL, false));
    }
    run_and_exit(rt);
}

static void
contributions_that_do_not_fit(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == 0) {
        c4p_coll_t coll = rts_array(rt, type, 8);
        CHECK_OK(c4p_bcast(rt, coll, contribute_entry, rts_number(rt, 2), C4P_BCAST_NO_REPLY, 0));
    }
    run_and_exit(rt);
}

static bool
interrupted(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
    return false;
}

static void
hook_that_says_stop(void)
{
    c4p_rt_t *rt;
    const c4p_hooks_t hooks = {.struct_size = sizeof hooks, .tick = interrupted};
    CHECK_OK(c4p_init(NULL, &rt));
    if (c4p_rank(rt) == last_rank(rt))
        CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    run_and_exit(rt);
}

/* Who looks after something outside may end the job whenever it likes: nothing is forgotten. */
static bool
end_after_a_while(c4p_rt_t *rt, void *ctx)
{
    (void)ctx;
    if (c4p_rank(rt) == 0 && c4p_time_s(rt) > 3)
        CHECK_OK(c4p_exit(rt, 4));
    return true;
}

static void
hook_that_exits_late(void)
{
    c4p_rt_t *rt;
    const c4p_hooks_t hooks = {.struct_size = sizeof hooks, .tick = end_after_a_while};
    CHECK_OK(c4p_init(NULL, &rt));
    CHECK_OK(c4p_set_hooks(rt, &hooks));
    CHECK_OK(c4p_start(rt));
    run_and_exit(rt);
}

/* ---- crashes ---------------------------------------------------------------------------------------------- */

static void
killed(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == last_rank(rt))
        raise(SIGKILL);
    run_and_exit(rt);
}

static void
segmentation_fault(void)
{
    c4p_rt_t *rt = begin();
    int *volatile nowhere = NULL;
    if (c4p_rank(rt) == last_rank(rt))
        *(volatile int *)nowhere = 1;
    run_and_exit(rt);
}

/* The allocator finds its own data destroyed and aborts while it holds its lock: whoever allocates
 * in a signal handler then, hangs. */
static void
damaged_heap(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == last_rank(rt)) {
        volatile char *blocks[4];
        for (int i = 0; i < 4; i++)
            blocks[i] = malloc(3000);
        for (int i = 3000; i < 3100; i++) /* beyond the end of the first, over the head of the next
                                           */
            blocks[0][i] = 0x51;
        for (int i = 0; i < 4; i++)
            free((void *)(uintptr_t)blocks[i]);
    }
    run_and_exit(rt);
}

static void
gone_without_a_word(void)
{
    c4p_rt_t *rt = begin();
    if (c4p_rank(rt) == last_rank(rt))
        _exit(33);
    run_and_exit(rt);
}

TEST_CASES(exit_code, forgotten_exit, freed_too_early, freed_inside, freed_by_destroy,
           log_function_that_aborts, abort_status, nothing_waits_so_nothing_is_reported,
           message_for_nobody, element_that_does_not_contribute, insertions_that_are_never_done,
           collection_that_nobody_made, a_pending_timer_is_no_stall, stall_that_goes_on,
           stall_that_nobody_looks_for, aborted_by_an_entry, ranks_that_disagree,
           constructor_that_fails, map_to_a_rank_that_is_none, index_inserted_twice, value_too_many,
           contributions_that_do_not_fit, hook_that_says_stop, hook_that_exits_late, killed,
           segmentation_fault, damaged_heap, gone_without_a_word)
