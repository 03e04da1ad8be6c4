/* SPDX-License-Identifier: Apache-2.0 */
/* rt_checkpoint_test.c: a job is written by some ranks and goes on on another number of them, with
 * the same result as if nothing had been. Both are runtimes on parts of MPI_COMM_WORLD. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>

#include "mpi/rt_support.h"

enum { WRITERS = 4, CELLS = 41, ROWS = 5, COLUMNS = 6, SPARSE = 17, IN_SECTION = 7 };

typedef struct cell {
    uint64_t x, steps;
    c4p_coll_t section; /* it contributes to this, too */
} cell_t;

typedef struct job {
    c4p_rt_t *rt;
    MPI_Comm comm;
    c4p_type_t type, plain, purse_type;
    c4p_entry_t step, add, touch;
    c4p_map_t map;
    c4p_coll_t cells, grid, sparse, group, section, purses;
    c4p_ref_t one;
    bool fail_pack;
} job_t;

static char test_dir[100];

/* ---- chares ----------------------------------------------------------------------------------- */

static c4p_status_t
cell_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    cell_t *cell = calloc(1, sizeof *cell);
    (void)rt, (void)args, (void)ctx;
    CHECK(cell != NULL);
    cell->x = self.key.w[0] * 31 + self.key.w[1] + self.coll;
    *object_out = cell;
    return C4P_OK;
}

static void
cell_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

static c4p_status_t
cell_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    const cell_t *cell = object;
    const job_t *job = ctx;
    if (job->fail_pack && c4p_checkpointing(rt) && cell->x % 3 == 0) {
        c4p_pup_fail(p, "it holds a file that is open", NULL);
        return C4P_ERR_USER;
    }
    c4p_put_u64(p, cell->x);
    c4p_put_u64(p, cell->steps);
    c4p_put_u64(p, cell->section);
    return C4P_OK;
}

static c4p_status_t
cell_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    CHECK_OK(cell_construct(rt, self, NULL, ctx, object_out));
    cell_t *cell = *object_out;
    cell->x = c4p_get_u64(p);
    cell->steps = c4p_get_u64(p);
    cell->section = c4p_get_u64(p);
    return C4P_OK;
}

/* A purse has money that is neither lost nor doubled when there is another number of them. */
static c4p_status_t
purse_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    uint64_t *money = malloc(sizeof *money);
    (void)rt, (void)args, (void)ctx;
    CHECK(money != NULL);
    *money = UINT64_C(1) << 8 * self.key.w[0]; /* another digit for each rank */
    *object_out = money;
    return C4P_OK;
}

static c4p_status_t
purse_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    (void)rt, (void)ctx;
    c4p_put_u64(p, *(uint64_t *)object);
    return C4P_OK;
}

static c4p_status_t
purse_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    CHECK_OK(purse_construct(rt, self, NULL, ctx, object_out));
    *(uint64_t *)*object_out = c4p_get_u64(p);
    return C4P_OK;
}

static c4p_status_t
purse_regroup(c4p_rt_t *rt, void *object, const c4p_group_state_t *states, uint32_t count,
              c4p_pup_t *why, void *ctx)
{
    uint64_t money = 0;
    (void)why, (void)ctx;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(c4p_rank(rt), states[i].rank % c4p_num_ranks(rt));
        CHECK(i == 0 || states[i].rank > states[i - 1].rank);
        money += c4p_get_u64(states[i].p);
        CHECK_OK(c4p_pup_status(states[i].p));
    }
    *(uint64_t *)object = money;
    return C4P_OK;
}

/* Every step ends in a sum; a future's number comes along. */
static void
on_step(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    const c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_target_t target = rts_to_future((c4p_future_t)rts_number_in(msg));
    (void)ctx;
    cell->x = cell->x * 6364136223846793005u + 1442695040888963407u;
    cell->steps++;
    int64_t value = (int64_t)(cell->x >> 8);
    CHECK_OK(c4p_contribute(rt, c4p_self(rt), &how, &value, sizeof value, &target, NULL));
}

static void
on_add(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    const job_t *job = ctx;
    const c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_target_t target = rts_to_future((c4p_future_t)rts_number_in(msg));
    int64_t value = (int64_t)(cell->x >> 9);
    CHECK_OK(c4p_section_contribute(rt, job->section, c4p_self(rt), &how, &value, sizeof value,
                                    &target));
}

static void
on_touch(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    (void)rt, (void)ctx;
    cell->x += (uint64_t)rts_number_in(msg);
}

/* Every third to the next rank. */
static void
move_some(job_t *job, c4p_coll_t coll, int64_t n)
{
    for (int64_t i = 0; i < n; i += 3) {
        c4p_ref_t ref = rts_ref(coll, i);
        if (c4p_local(job->rt, ref))
            CHECK_OK(
                c4p_migrate(job->rt, ref, (c4p_rank(job->rt) + 1) % c4p_num_ranks(job->rt), NULL));
    }
}

static int
map_backwards(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)ctx;
    return (int)((uint64_t)(index->at[0] * 7 + index->at[1] + (int64_t)arg) %
                 (uint64_t)c4p_num_ranks(rt));
}

/* ---- a job on some ranks ---------------------------------------------------------------------- */

static void
job_open(job_t *job, MPI_Comm comm)
{
    c4p_type_desc_t desc = {.struct_size = sizeof desc,
                            .name = "Cell",
                            .construct = cell_construct,
                            .destroy = cell_destroy,
                            .pack = cell_pack,
                            .unpack = cell_unpack,
                            .ctx = job};
    *job = (job_t){.comm = comm};
    CHECK_OK(c4p_init_comm(comm, NULL, &job->rt));
    CHECK_OK(c4p_type_add(job->rt, &desc, &job->type));
    desc.name = "Plain";
    desc.pack = NULL;
    desc.unpack = NULL;
    CHECK_OK(c4p_type_add(job->rt, &desc, &job->plain));
    desc.name = "Purse";
    desc.construct = purse_construct;
    desc.pack = purse_pack;
    desc.unpack = purse_unpack;
    desc.regroup = purse_regroup;
    CHECK_OK(c4p_type_add(job->rt, &desc, &job->purse_type));
    CHECK_OK(c4p_entry_add(job->rt, job->type, "step", on_step, job, &job->step));
    CHECK_OK(c4p_entry_add(job->rt, job->type, "add", on_add, job, &job->add));
    CHECK_OK(c4p_entry_add(job->rt, job->type, "touch", on_touch, job, &job->touch));
    CHECK_OK(c4p_map_add(job->rt, "backwards", map_backwards, NULL, &job->map));
    CHECK_OK(c4p_start(job->rt));
}

static void
job_settle(job_t *job)
{
    CHECK_OK(c4p_run_until_quiescent(job->rt, NULL));
    MPI_Barrier(job->comm);
}

/* References are the same on all ranks; the test does not send them in messages. */
static void
job_share(job_t *job)
{
    uint64_t all[7] = {job->cells,   job->grid,     job->sparse, job->group,
                       job->section, job->one.coll, job->purses};
    MPI_Bcast(all, 7, MPI_UINT64_T, c4p_num_ranks(job->rt) - 1, job->comm);
    job->cells = all[0];
    job->grid = all[1];
    job->sparse = all[2];
    job->group = all[3];
    job->section = all[4];
    job->one = (c4p_ref_t){all[5], {{0, 0}}};
    job->purses = all[6];
}

/* Made by the last rank, which need not be there afterwards. */
static void
job_make(job_t *job)
{
    if (c4p_rank(job->rt) == c4p_num_ranks(job->rt) - 1) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        c4p_ref_t members[IN_SECTION];
        job->cells = rts_array(job->rt, job->type, CELLS);
        opts.ndims = 2;
        opts.dense = true;
        opts.dims[0] = ROWS;
        opts.dims[1] = COLUMNS;
        opts.map = job->map;
        opts.map_arg = 3;
        CHECK_OK(c4p_array_new(job->rt, job->type, &opts, NULL, &job->grid));
        opts = (c4p_array_opts_t)C4P_ARRAY_OPTS_INIT;
        opts.ndims = 1;
        CHECK_OK(c4p_array_new(job->rt, job->type, &opts, NULL, &job->sparse));
        for (int64_t i = 0; i < SPARSE; i++) {
            c4p_index_t index = {1, {i * 1000 - 5000}};
            CHECK_OK(
                c4p_insert(job->rt, job->sparse, &index, (int)(i % c4p_num_ranks(job->rt)), NULL));
        }
        CHECK_OK(c4p_done_inserting(job->rt, job->sparse));
        CHECK_OK(c4p_group_new(job->rt, job->type, NULL, 0, &job->group));
        CHECK_OK(c4p_group_new(job->rt, job->purse_type, NULL, 0, &job->purses));
        CHECK_OK(c4p_chare_new(job->rt, job->type, 1 % c4p_num_ranks(job->rt), NULL, 0, &job->one));
        for (int i = 0; i < IN_SECTION; i++)
            members[i] = rts_ref(job->cells, i * 5);
        CHECK_OK(c4p_section_new(job->rt, job->type, members, IN_SECTION, &job->section));
    }
    job_share(job);
    job_settle(job);
    move_some(job, job->cells, CELLS);
    job_settle(job);
    if (c4p_rank(job->rt) == 0) /* the population is not what it was made with */
        CHECK_OK(c4p_destroy(job->rt, rts_ref(job->cells, 7)));
    job_settle(job);
}

/* The sums of n steps of all collections, mixed. The group is left out: it has as many members as
 * there are ranks. */
static uint64_t
job_steps(job_t *job, int n)
{
    uint64_t result = 0;
    for (int i = 0; i < n; i++) {
        const c4p_coll_t colls[] = {job->cells, job->grid, job->sparse, job->one.coll,
                                    job->section};
        for (int k = 0; k < 5; k++) {
            rts_wait_t wait = {0};
            if (c4p_rank(job->rt) == 0) {
                c4p_future_t future = rts_future(job->rt, 1, &wait);
                CHECK_OK(c4p_bcast(job->rt, colls[k], k == 4 ? job->add : job->step,
                                   rts_number(job->rt, (int64_t)future), C4P_BCAST_NO_REPLY, 0));
            }
            job_settle(job);
            if (c4p_rank(job->rt) == 0) {
                c4p_result_t value;
                CHECK_EQ(1, wait.values);
                CHECK_OK(c4p_result_get(wait.kept, &value));
                int64_t sum;
                memcpy(&sum, value.data, sizeof sum);
                result = result * 31 + (uint64_t)sum;
            }
            rts_wait_end(&wait);
        }
    }
    MPI_Bcast(&result, 1, MPI_UINT64_T, 0, job->comm);
    return result;
}

/* Rank 0 asks; everybody gets the result. */
static c4p_status_t
job_checkpoint(job_t *job, const char *dir, char *why, size_t size)
{
    rts_wait_t wait = {0};
    int status = -1;
    if (c4p_rank(job->rt) == 0) {
        c4p_target_t done = rts_to_future(rts_future(job->rt, 1, &wait));
        CHECK_OK(c4p_checkpoint(job->rt, dir, (c4p_ref_t){0}, &done));
    }
    job_settle(job);
    if (c4p_rank(job->rt) == 0) {
        c4p_checkpoint_result_t result;
        CHECK_EQ(1, wait.values);
        CHECK_OK(c4p_checkpoint_result(wait.kept, &result));
        status = (int)result.status;
        snprintf(why, size, "%s", result.why);
        if (result.status == C4P_OK) {
            CHECK_EQ(CELLS - 1 + ROWS * COLUMNS + SPARSE + 1 + 2 * c4p_num_ranks(job->rt),
                     result.elements);
            CHECK(result.bytes > result.elements * 24);
        }
    }
    rts_wait_end(&wait);
    MPI_Bcast(&status, 1, MPI_INT, 0, job->comm);
    return (c4p_status_t)status;
}

static void
job_close(job_t *job)
{
    rts_close(job->rt);
}

/* ---- ranks ------------------------------------------------------------------------------------ */

static int world_rank, world_size;

static void
begin(const char *name)
{
    rts_mpi();
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world_size);
    snprintf(test_dir, sizeof test_dir, "ckpt-%s-%d", name, world_size);
    if (world_rank == 0) {
        char command[1000];
        snprintf(command, sizeof command, "rm -rf %s", test_dir);
        CHECK_EQ(0, system(command));
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* The first n ranks; MPI_COMM_NULL for the others. */
static MPI_Comm
first(int n)
{
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, world_rank < n ? 0 : MPI_UNDEFINED, world_rank, &comm);
    return comm;
}

static void
done_with(MPI_Comm comm)
{
    if (comm != MPI_COMM_NULL)
        MPI_Comm_free(&comm);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* ---- cases ------------------------------------------------------------------------------------ */

/* Writes after 3 steps; returns the sums of 3 more. */
static uint64_t
write_one(int num_ranks)
{
    MPI_Comm comm = first(num_ranks);
    uint64_t sums = 0, refs[8] = {0};
    if (comm != MPI_COMM_NULL) {
        job_t job;
        char why[1400];
        job_open(&job, comm);
        job_make(&job);
        (void)job_steps(&job, 3);
        CHECK_OK(job_checkpoint(&job, test_dir, why, sizeof why));
        sums = job_steps(&job, 3);
        uint64_t all[8] = {job.cells,   job.grid,     job.sparse, job.group,
                           job.section, job.one.coll, sums,       job.purses};
        memcpy(refs, all, sizeof refs);
        job_close(&job);
    }
    done_with(comm);
    MPI_Bcast(refs, 8, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    if (world_rank == 0) {
        char name[300];
        snprintf(name, sizeof name, "%s/refs", test_dir);
        FILE *f = fopen(name, "wb");
        CHECK(f != NULL);
        CHECK_EQ(8, fwrite(refs, sizeof refs[0], 8, f));
        fclose(f);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return refs[6];
}

static void
read_refs(job_t *job)
{
    uint64_t refs[8];
    char name[300];
    snprintf(name, sizeof name, "%s/refs", test_dir);
    FILE *f = fopen(name, "rb");
    CHECK(f != NULL);
    CHECK_EQ(8, fread(refs, sizeof refs[0], 8, f));
    fclose(f);
    job->cells = refs[0];
    job->grid = refs[1];
    job->sparse = refs[2];
    job->group = refs[3];
    job->section = refs[4];
    job->one = (c4p_ref_t){refs[5], {{0, 0}}};
    job->purses = refs[7];
}

static uint64_t
all_money(const job_t *job)
{
    c4p_ref_t mine = {job->purses, {{(uint64_t)c4p_rank(job->rt), 0}}};
    uint64_t money = *(uint64_t *)c4p_local(job->rt, mine), sum;
    MPI_Allreduce(&money, &sum, 1, MPI_UINT64_T, MPI_SUM, job->comm);
    return sum;
}

static uint64_t
go_on(int num_ranks, bool write_again)
{
    MPI_Comm comm = first(num_ranks);
    uint64_t sums = 0;
    if (comm != MPI_COMM_NULL) {
        job_t job;
        char why[1400];
        job_open(&job, comm);
        CHECK_OK(c4p_restart(job.rt, test_dir));
        read_refs(&job);
        CHECK_EQ(1, c4p_local_count(job.rt, job.group));
        CHECK_EQ(0x01010101, all_money(&job));
        if (write_again) {
            move_some(&job, job.cells, CELLS);
            job_settle(&job);
            CHECK_OK(job_checkpoint(&job, test_dir, why, sizeof why));
        }
        sums = job_steps(&job, 3);
        /* New things have new names. */
        if (c4p_rank(job.rt) == 0)
            CHECK(rts_array(job.rt, job.type, 3) > job.cells || job.cells >> 40 > 0);
        job_settle(&job);
        job_close(&job);
    }
    done_with(comm);
    MPI_Bcast(&sums, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    return sums;
}

static void
any_number_of_ranks_goes_on_with_the_same_result(void)
{
    static const int ranks[] = {4, 1, 2, 3, 7};
    begin("any");
    uint64_t want = write_one(WRITERS);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(want, go_on(ranks[i], false));
}

static void
what_goes_on_can_be_written_again(void)
{
    begin("again");
    uint64_t want = write_one(WRITERS);
    CHECK_EQ(want, go_on(7, true));
    CHECK_EQ(want, go_on(2, true));
    CHECK_EQ(want, go_on(3, true));
    CHECK_EQ(want, go_on(1, false));
    if (world_rank == 0) { /* the sets before are gone */
        char command[1000];
        snprintf(command, sizeof command, "test \"$(ls %s | grep -c '^set')\" = 3", test_dir);
        CHECK_EQ(0, system(command));
    }
}

/* Ranks may not create files longer than this. */
static void
limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
}

static void
a_checkpoint_that_fails_leaves_the_former_one(void)
{
    begin("fails");
    uint64_t want = write_one(WRITERS);
    MPI_Comm comm = first(WRITERS);
    if (comm != MPI_COMM_NULL) {
        job_t job;
        char why[1400] = "";
        job_open(&job, comm);
        CHECK_OK(c4p_restart(job.rt, test_dir));
        read_refs(&job);
        limit_files(c4p_rank(job.rt) == 2 ? 500 : RLIM_INFINITY); /* one rank's disk is full */
        CHECK_STATUS(C4P_ERR_IO, job_checkpoint(&job, test_dir, why, sizeof why));
        if (c4p_rank(job.rt) == 0) {
            CHECK_STR_HAS("rank 2: ", why);
            CHECK_STR_HAS("set2.rank2: cannot write: File too large", why);
        }
        limit_files(RLIM_INFINITY);
        job.fail_pack = true;
        CHECK_STATUS(C4P_ERR_USER, job_checkpoint(&job, test_dir, why, sizeof why));
        if (c4p_rank(job.rt) == 0)
            CHECK_STR_HAS("cannot be packed: it holds a file that is open", why);
        job.fail_pack = false;
        c4p_coll_t plain = 0;
        if (c4p_rank(job.rt) == 1)
            plain = rts_array(job.rt, job.plain, 3);
        job_settle(&job);
        CHECK_STATUS(C4P_ERR_TYPE, job_checkpoint(&job, test_dir, why, sizeof why));
        if (c4p_rank(job.rt) == 0)
            CHECK_STR_HAS("chares of type Plain cannot be packed", why);
        CHECK(plain || c4p_rank(job.rt) != 1);
        CHECK_EQ(want, job_steps(&job, 3)); /* the job goes on */
        job_close(&job);
    }
    done_with(comm);
    CHECK_EQ(want, go_on(3, false));
    if (world_rank == 0) {
        char command[1000];
        snprintf(command, sizeof command,
                 "test \"$(ls %s | tr '\\n' ' ')\" = 'lock manifest refs set1.rank0 "
                 "set1.rank1 set1.rank2 set1.rank3 '",
                 test_dir);
        CHECK_EQ(0, system(command)); /* nothing is left over */
    }
}

static void
what_waits_is_in_the_way(void)
{
    begin("waits");
    MPI_Comm comm = first(2);
    if (comm != MPI_COMM_NULL) {
        job_t job;
        char why[1400] = "";
        job_open(&job, comm);
        job_make(&job);
        c4p_ref_t some = rts_ref(job.cells, 3);
        bool here = c4p_local(job.rt, some) != NULL;
        if (here)
            CHECK_OK(c4p_suspended(job.rt, some, 1));
        CHECK_STATUS(C4P_ERR_BUSY, job_checkpoint(&job, test_dir, why, sizeof why));
        if (c4p_rank(job.rt) == 0)
            CHECK_STR_HAS("Cell(3) is in the way: a coroutine of it waits", why);
        if (here)
            CHECK_OK(c4p_suspended(job.rt, some, 0));
        rts_wait_t wait = {0};
        if (c4p_rank(job.rt) == 0) { /* one of many contributes */
            c4p_future_t future = rts_future(job.rt, 1, &wait);
            CHECK_OK(c4p_send(job.rt, some, job.step, rts_number(job.rt, (int64_t)future)));
        }
        CHECK_OK(c4p_run_until_quiescent(job.rt, NULL));
        CHECK_STATUS(C4P_ERR_BUSY, job_checkpoint(&job, test_dir, why, sizeof why));
        if (c4p_rank(job.rt) == 0)
            CHECK_STR_HAS("a reduction over Cell lacks contributions", why);
        job_close(&job);
    }
    done_with(comm);
}

static void
shell(const char *command)
{
    char line[1000];
    snprintf(line, sizeof line, "cd %s && %s", test_dir, command);
    CHECK_EQ(0, system(line));
}

/* Two jobs at once, the first of which has the directory until its end. */
static void
a_directory_is_one_jobs_and_swept(void)
{
    begin("two");
    bool a = world_rank < 3;
    job_t job;
    char why[1400] = "";
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, a, world_rank, &comm);
    job_open(&job, comm);
    job_make(&job);
    if (a)
        CHECK_OK(job_checkpoint(&job, test_dir, why, sizeof why));
    MPI_Barrier(MPI_COMM_WORLD);
    if (!a)
        CHECK_STATUS(C4P_ERR_BUSY, job_checkpoint(&job, test_dir, why, sizeof why));
    if (!a && c4p_rank(job.rt) == 0)
        CHECK_STR_HAS("/lock: another job that still runs", why);
    MPI_Barrier(MPI_COMM_WORLD);
    if (a)
        job_close(&job);
    if (world_rank == 0) /* of jobs that were killed, and not ours */
        shell("touch set1.rank12 set7.rank0 set1.rank07 settings set set1.rank set2.rank1x");
    MPI_Barrier(MPI_COMM_WORLD);
    if (!a) {
        CHECK_OK(job_checkpoint(&job, test_dir, why, sizeof why));
        job_close(&job);
    }
    done_with(comm);
    if (world_rank == 0)
        shell("test \"$(ls | LC_ALL=C sort | tr '\\n' ' ')\" = 'lock manifest set set1.rank "
              "set1.rank07 "
              "set2.rank0 set2.rank1 set2.rank1x set2.rank2 set2.rank3 settings '");
}

static void
restart_from(const char *dir, c4p_status_t status)
{
    job_t job;
    job_open(&job, MPI_COMM_WORLD);
    CHECK_STATUS(status, c4p_restart(job.rt, dir));
    if (status == C4P_OK)
        job_close(&job);
    else
        c4p_free(job.rt);
}

static void
bad_files_are_refused_on_all_ranks(void)
{
    char command[1000];
    begin("bad");
    restart_from(test_dir, C4P_ERR_NO_INPUT);
    (void)write_one(WRITERS);
    for (int what = 0; what < 4; what++) {
        static const char *const damage[] = {
            ("cp %s/set1.rank2 kept; printf X | dd of=%s/set1.rank2 bs=1 seek=300 conv=notrunc "
             "2>/dev/null"),
            "truncate -s 400 %s/set1.rank2 # %s", "cp %s/set1.rank1 %s/set1.rank2",
            "chmod g+w %s/set1.rank2 # %s"};
        MPI_Barrier(MPI_COMM_WORLD);
        if (world_rank == 0) {
            snprintf(command, sizeof command, damage[what], test_dir, test_dir);
            CHECK_EQ(0, system(command));
        }
        MPI_Barrier(MPI_COMM_WORLD);
        restart_from(test_dir, C4P_ERR_DATA);
        MPI_Barrier(MPI_COMM_WORLD);
        if (world_rank == 0) {
            snprintf(command, sizeof command,
                     "rm %s/set1.rank2; cp -p kept %s/set1.rank2; chmod 600 %s/set1.rank2",
                     test_dir, test_dir, test_dir);
            CHECK_EQ(0, system(command));
        }
    }
    MPI_Barrier(MPI_COMM_WORLD);
    restart_from(test_dir, C4P_OK);
}

TEST_CASES(any_number_of_ranks_goes_on_with_the_same_result, what_goes_on_can_be_written_again,
           a_checkpoint_that_fails_leaves_the_former_one, what_waits_is_in_the_way,
           a_directory_is_one_jobs_and_swept, bad_files_are_refused_on_all_ranks)
