/* SPDX-License-Identifier: Apache-2.0 */
/* dot.c: a scalar product of two vectors whose blocks are chares, in a program with a communicator
 * of its own. Usage: dot [length] [blocks] */
#include <c4p/c4p.h>
#include <c4p/mpi.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sizes {
    long length;
    int blocks;
} sizes_t;

/* Elements first to end - 1 of both vectors. */
typedef struct block {
    c4p_ref_t self;
    long first, end;
    double *x, *y;
} block_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

/* Of vectors whose product is known: sum of 1 / ((i + 1)(i + 2)) for i < n is n / (n + 1). */
static double
x_at(long i)
{
    return 1 / ((double)i + 1);
}

static double
y_at(long i)
{
    return 1 / ((double)i + 2);
}

/* ---- blocks ----------------------------------------------------------------------------------- */

static void
block_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    block_t *block = object;
    (void)rt, (void)ctx;
    free(block->x);
    free(block->y);
    free(block);
}

static c4p_status_t
block_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    const sizes_t *sizes = ctx;
    block_t *block = calloc(1, sizeof *block);
    c4p_index_t index;

    (void)args;
    if (!block)
        return C4P_ERR_NOMEM;
    c4p_index_unpack(self.key, 1, &index);
    block->self = self;
    block->first = (long)(sizes->length * index.at[0] / sizes->blocks);
    block->end = (long)(sizes->length * (index.at[0] + 1) / sizes->blocks);
    const size_t bytes = (size_t)(block->end - block->first + 1) * sizeof(double);
    block->x = malloc(bytes);
    block->y = malloc(bytes);
    if (!block->x || !block->y) {
        block_destroy(rt, block, ctx);
        return C4P_ERR_NOMEM;
    }
    for (long i = block->first; i < block->end; i++) {
        block->x[i - block->first] = x_at(i);
        block->y[i - block->first] = y_at(i);
    }
    *object_out = block;
    return C4P_OK;
}

/* Entry method: give this block's part of the product to whom the message names. */
static void
multiply(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const block_t *block = object;
    const c4p_reduce_t in_order = {.op = C4P_OP_SUM_ORDERED, .dtype = C4P_FLOAT64};
    c4p_target_t to;
    double sum = 0;

    (void)ctx;
    memcpy(&to, c4p_msg_data(msg), sizeof to);
    for (long i = 0; i < block->end - block->first; i++)
        sum += block->x[i] * block->y[i];
    check(rt, c4p_contribute(rt, block->self, &in_order, &sum, sizeof sum, &to, NULL));
}

/* ---- the host --------------------------------------------------------------------------------- */

static void
on_product(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    c4p_result_t result;

    (void)future, (void)is_error, (void)last;
    check(rt, c4p_result_get(msg, &result));
    memcpy(ctx, result.data, sizeof(double));
    check(rt, c4p_exit(rt, 0));
}

/* On one rank: make the blocks, and ask for the product. */
static void
ask(c4p_rt_t *rt, const sizes_t *sizes, c4p_type_t type, c4p_entry_t entry, double *product)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
    c4p_coll_t blocks;
    c4p_msg_t *msg;

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = sizes->blocks;
    check(rt, c4p_array_new(rt, type, &opts, NULL, &blocks));
    check(rt, c4p_future_new(rt, 1, on_product, product, &to.number));
    check(rt, c4p_msg_new(rt, sizeof to, &msg));
    memcpy(c4p_msg_data(msg), &to, sizeof to);
    check(rt, c4p_bcast(rt, blocks, entry, msg, C4P_BCAST_NO_REPLY, 0));
}

/* The product, on rank 0 of comm; collective. */
static c4p_status_t
by_chares(MPI_Comm comm, sizes_t *sizes, double *product)
{
    const c4p_type_desc_t block = {.struct_size = sizeof block,
                                   .name = "Block",
                                   .construct = block_construct,
                                   .destroy = block_destroy,
                                   .ctx = sizes};
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_entry_t entry;
    int exit_code;
    c4p_status_t st = c4p_init_comm(comm, NULL, &rt);

    if (st != C4P_OK)
        return st;
    check(rt, c4p_type_add(rt, &block, &type));
    check(rt, c4p_entry_add(rt, type, "multiply", multiply, NULL, &entry));
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        ask(rt, sizes, type, entry, product);
    st = c4p_run(rt, &exit_code);
    c4p_free(rt);
    return st;
}

/* The same by the host itself, on its communicator, which is as it was. */
static double
by_mpi(MPI_Comm comm, const sizes_t *sizes)
{
    int rank, ranks;
    double mine = 0, sum = 0;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    for (long i = rank; i < sizes->length; i += ranks)
        mine += x_at(i) * y_at(i);
    MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
    return sum;
}

/* On each rank; rank 0 of comm compares. */
static int
work(MPI_Comm comm, sizes_t *sizes)
{
    const double n = (double)sizes->length;
    double chares = 0;
    int rank, ranks;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    const c4p_status_t st = by_chares(comm, sizes, &chares);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    const double mpi = by_mpi(comm, sizes);
    if (rank != 0)
        return 0;
    const bool right = fabs(chares - n / (n + 1)) < 1e-12 && fabs(mpi - n / (n + 1)) < 1e-12;
    printf("%ld elements in %d blocks on %d ranks: %.15f by chares, %.15f by MPI, %s\n",
           sizes->length, sizes->blocks, ranks, chares, mpi, right ? "right" : "WRONG");
    return right ? 0 : 1;
}

int
main(int argc, char **argv)
{
    sizes_t sizes = {.length = argc > 1 ? atol(argv[1]) : 1000000,
                     .blocks = argc > 2 ? atoi(argv[2]) : 64};
    MPI_Comm own;
    int rank;

    if (sizes.length < 1 || sizes.length > 1000000000 || sizes.blocks < 1 ||
        sizes.blocks > 1000000) {
        fprintf(stderr, "usage: dot [length 1..1000000000] [blocks 1..1000000]\n");
        return 2;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &own); /* all ranks, the last one first */
    const int exit_code = work(own, &sizes);
    MPI_Comm_free(&own);
    MPI_Finalize();
    return exit_code;
}
