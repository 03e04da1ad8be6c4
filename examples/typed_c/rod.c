/* SPDX-License-Identifier: Apache-2.0 */
/* rod.c: heat spreads along a rod in blocks, whose entry methods are plain C functions. Usage:
 * typed_c [blocks] [cells in each] [steps] */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT, RIGHT };

/* Known on every rank, from the command line and from the registration. */
typedef struct rod {
    int blocks, cells, steps;
    c4p_type_t type;
    c4p_typed_t begin, edge, collect;
} rod_t;

/* As the signature of collect has it. */
typedef struct part {
    int index;
    double least, most;
} part_t;

typedef struct block {
    const rod_t *rod;
    c4p_coll_t coll;
    int index, steps, step; /* step: how many are done; -1 before begin() */
    double ends[2];
    double *u, *next;    /* [cells + 2]: cell 0 and the last one belong to the neighbours */
    double edges[2][2];  /* from the neighbours: of step s in [s % 2], on each side */
    bool has_edge[2][2]; /* a neighbour is one step ahead at most */
    double *whole;       /* of block 0: [blocks * cells] */
    part_t extremes;     /* of block 0 */
    int collected;       /* of block 0 */
} block_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

/* ---- the type --------------------------------------------------------------------------------- */

static void
block_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    block_t *block = object;
    (void)rt, (void)ctx;
    free(block->u);
    free(block->next);
    free(block->whole);
    free(block);
}

static c4p_status_t
block_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    const rod_t *rod = ctx;
    const size_t n = (size_t)rod->cells + 2;
    block_t *block = calloc(1, sizeof *block);
    c4p_index_t index;

    (void)args;
    if (!block)
        return C4P_ERR_NOMEM;
    c4p_index_unpack(self.key, 1, &index);
    block->rod = rod;
    block->coll = self.coll;
    block->index = (int)index.at[0];
    block->step = -1;
    block->u = calloc(n, sizeof *block->u);
    block->next = calloc(n, sizeof *block->next);
    if (block->index == 0)
        block->whole = calloc((size_t)rod->blocks * (size_t)rod->cells, sizeof *block->whole);
    if (!block->u || !block->next || (block->index == 0 && !block->whole)) {
        block_destroy(rt, block, ctx);
        return C4P_ERR_NOMEM;
    }
    *object_out = block;
    return C4P_OK;
}

static c4p_ref_t
block_ref(c4p_rt_t *rt, c4p_coll_t coll, int at)
{
    const c4p_index_t index = {1, {at}};
    c4p_ref_t ref = {.coll = coll};
    check(rt, c4p_index_pack(&index, &ref.key));
    return ref;
}

/* ---- the physics ------------------------------------------------------------------------------ */

/* One step of the cells 1 to n. */
static void
relax(const double *u, double *next, int n)
{
    for (int i = 1; i <= n; i++)
        next[i] = u[i] + 0.25 * (u[i - 1] - 2 * u[i] + u[i + 1]);
}

/* The whole rod by itself: the same numbers in the same order. */
static bool
is_right(const block_t *block)
{
    const int n = block->rod->blocks * block->rod->cells;
    double *u = calloc((size_t)n + 2, sizeof *u), *next = calloc((size_t)n + 2, sizeof *next);
    bool right = u && next;

    for (int step = 0; right && step < block->steps; step++) {
        double *former = u;
        u[0] = block->ends[LEFT];
        u[n + 1] = block->ends[RIGHT];
        relax(u, next, n);
        u = next;
        next = former;
    }
    right = right && memcmp(u + 1, block->whole, (size_t)n * sizeof *u) == 0;
    free(u);
    free(next);
    return right;
}

/* ---- entry methods ---------------------------------------------------------------------------- */

/* Tell a neighbour what it needs for its next step. */
static void
send_edge(c4p_rt_t *rt, const block_t *block, int side)
{
    const int to = block->index + (side == RIGHT ? 1 : -1);
    if (to >= 0 && to < block->rod->blocks)
        check(rt, c4p_send_typed(rt, block_ref(rt, block->coll, to), block->rod->edge, block->step,
                                 side == RIGHT ? LEFT : RIGHT,
                                 block->u[side == RIGHT ? block->rod->cells : 1]));
}

static bool
is_at_end(const block_t *block, int side)
{
    return block->index == (side == RIGHT ? block->rod->blocks - 1 : 0);
}

/* Is the value beyond this side known for the next step? Then it is put beside the cells. */
static bool
take_edge(block_t *block, int side)
{
    const int parity = block->step % 2;
    if (!is_at_end(block, side) && !block->has_edge[parity][side])
        return false;
    block->u[side == RIGHT ? block->rod->cells + 1 : 0] =
        is_at_end(block, side) ? block->ends[side] : block->edges[parity][side];
    return true;
}

static void
send_result(c4p_rt_t *rt, const block_t *block)
{
    const int n = block->rod->cells;
    part_t part = {block->index, block->u[1], block->u[1]};
    for (int i = 2; i <= n; i++) {
        part.least = block->u[i] < part.least ? block->u[i] : part.least;
        part.most = block->u[i] > part.most ? block->u[i] : part.most;
    }
    check(rt, c4p_send_typed(rt, block_ref(rt, block->coll, 0), block->rod->collect, &part, n,
                             block->u + 1));
}

/* As many steps as can be done now. */
static void
advance(c4p_rt_t *rt, block_t *block)
{
    while (block->step >= 0 && block->step < block->steps && take_edge(block, LEFT) &&
           take_edge(block, RIGHT)) {
        double *former = block->u;
        block->has_edge[block->step % 2][LEFT] = block->has_edge[block->step % 2][RIGHT] = false;
        relax(block->u, block->next, block->rod->cells);
        block->u = block->next;
        block->next = former;
        block->step++;
        if (block->step < block->steps) {
            send_edge(rt, block, LEFT);
            send_edge(rt, block, RIGHT);
        } else {
            send_result(rt, block);
        }
    }
}

/* "int steps, double ends[2], str title" */
static void
begin(c4p_rt_t *rt, void *object, int steps, const double *ends, const char *title)
{
    block_t *block = object;
    if (block->index == 0)
        printf("%s: %d blocks of %d cells, %d steps on %d ranks\n", title, block->rod->blocks,
               block->rod->cells, steps, c4p_num_ranks(rt));
    block->steps = steps;
    memcpy(block->ends, ends, sizeof block->ends); /* ends and title are lent */
    block->step = 0;
    send_edge(rt, block, LEFT);
    send_edge(rt, block, RIGHT);
    advance(rt, block); /* edges may have come before */
}

/* "int step, int side, double value" */
static void
edge(c4p_rt_t *rt, void *object, int step, int side, double value)
{
    block_t *block = object;
    block->edges[step % 2][side] = value;
    block->has_edge[step % 2][side] = true;
    advance(rt, block);
}

/* "{int index, double least, double most} part, int n, double u[n]": of block 0. */
static void
collect(c4p_rt_t *rt, void *object, const part_t *part, int n, const double *u)
{
    block_t *block = object;
    memcpy(block->whole + (size_t)part->index * (size_t)n, u, (size_t)n * sizeof *u);
    if (block->collected == 0 || part->least < block->extremes.least)
        block->extremes.least = part->least;
    if (block->collected == 0 || part->most > block->extremes.most)
        block->extremes.most = part->most;
    if (++block->collected < block->rod->blocks)
        return;
    const bool right = is_right(block);
    printf("from %.3f to %.3f degrees: %s a serial run, bit for bit\n", block->extremes.least,
           block->extremes.most, right ? "equal to" : "NOT equal to");
    check(rt, c4p_exit(rt, right ? 0 : 1));
}

/* ---- the program ------------------------------------------------------------------------------ */

static void
register_all(c4p_rt_t *rt, rod_t *rod)
{
    const c4p_type_desc_t block = {.struct_size = sizeof block,
                                   .name = "Block",
                                   .construct = block_construct,
                                   .destroy = block_destroy,
                                   .ctx = rod};
    check(rt, c4p_type_add(rt, &block, &rod->type));
    check(rt, c4p_entry_add_typed(rt, rod->type, "begin", "int steps, double ends[2], str title",
                                  (c4p_any_fn_t)begin, &rod->begin));
    check(rt, c4p_entry_add_typed(rt, rod->type, "edge", "int step, int side, double value",
                                  (c4p_any_fn_t)edge, &rod->edge));
    check(rt, c4p_entry_add_typed(rt, rod->type, "collect",
                                  "{int index, double least, double most} part, int n, double u[n]",
                                  (c4p_any_fn_t)collect, &rod->collect));
}

/* Make the array, and tell all blocks to begin. */
static void
start(c4p_rt_t *rt, const rod_t *rod)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    const double ends[2] = {0, 100};
    c4p_coll_t coll;
    c4p_msg_t *msg;

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = rod->blocks;
    check(rt, c4p_array_new(rt, rod->type, &opts, NULL, &coll));
    check(rt, c4p_msg_typed(rt, rod->begin, &msg, rod->steps, ends, "a rod"));
    check(rt, c4p_bcast(rt, coll, rod->begin.entry, msg, C4P_BCAST_NO_REPLY, 0));
}

int
main(int argc, char **argv)
{
    c4p_rt_t *rt;
    int exit_code = 1;
    rod_t rod = {.blocks = argc > 1 ? atoi(argv[1]) : 8,
                 .cells = argc > 2 ? atoi(argv[2]) : 16,
                 .steps = argc > 3 ? atoi(argv[3]) : 500};

    if (rod.blocks < 1 || rod.blocks > 1000 || rod.cells < 1 || rod.cells > 10000 ||
        rod.steps < 1 || rod.steps > 1000000) {
        fprintf(stderr, "usage: typed_c [blocks 1..1000] [cells 1..10000] [steps 1..1000000]\n");
        return 2;
    }
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    register_all(rt, &rod);
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        start(rt, &rod);
    st = c4p_run(rt, &exit_code);
    c4p_free(rt);
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
