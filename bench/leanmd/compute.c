/* SPDX-License-Identifier: Apache-2.0 */
/* compute.c: the forces between the particles of two cells, or of one. */
#include <stdlib.h>
#include <string.h>

#include "leanmd.h"

/* About; only the ratio to what cells use matters. */
static const double SECONDS_PER_TEST = 1e-9;

typedef struct compute {
    leanmd_t *md;
    c4p_ref_t self;
    bool one_cell;
    int64_t first, second; /* its cells */
    double shift[3];       /* of the first one's positions */
    c4p_msg_t *waiting;    /* the positions that came before the other cell's */
} compute_t;

static c4p_status_t
compute_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    leanmd_t *md = ctx;
    compute_t *compute = calloc(1, sizeof *compute);
    int at[6], first[3], second[3];
    c4p_index_t index;
    (void)rt, (void)args;
    if (!compute)
        return C4P_ERR_NOMEM;
    c4p_index_unpack(self.key, 6, &index);
    for (int d = 0; d < 6; d++)
        at[d] = (int)index.at[d];
    leanmd_compute_cells(&md->opt.model, at, first, second, compute->shift);
    compute->md = md;
    compute->self = self;
    compute->one_cell = leanmd_compute_is_self(at);
    compute->first = leanmd_cell_id(&md->opt.model, first);
    compute->second = leanmd_cell_id(&md->opt.model, second);
    *object_out = compute;
    return C4P_OK;
}

static void
compute_free(c4p_rt_t *rt, void *object, void *ctx)
{
    compute_t *compute = object;
    (void)rt, (void)ctx;
    c4p_msg_free(compute->waiting);
    free(compute);
}

/* Moved and written between two steps: all it has follows from its index. */
static c4p_status_t
compute_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    const compute_t *compute = object;
    (void)rt, (void)ctx;
    if (compute->waiting)
        c4p_pup_fail(p, "a compute moves between steps only", NULL);
    return c4p_pup_status(p);
}

static c4p_status_t
compute_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    (void)p;
    return compute_construct(rt, self, NULL, ctx, object_out);
}

/* ---- a step ------------------------------------------------------------------------------------ */

/* Room for forces on n particles, cleared. */
static double *
room(leanmd_t *md, size_t n)
{
    if (md->room_len < n) {
        free(md->room);
        md->room = malloc(n * sizeof(double));
        leanmd_check(md, md->room ? C4P_OK : C4P_ERR_NOMEM, "compute forces");
        md->room_len = n;
    }
    memset(md->room, 0, n * sizeof(double));
    return md->room;
}

static void
return_forces(compute_t *compute, const leanmd_positions_t *to, const double *force)
{
    leanmd_t *md = compute->md;
    const size_t len = 3 * to->n * sizeof(double);
    if (md->opt.model.variant == LEANMD_A) {
        c4p_msg_t *msg;
        leanmd_check(md, c4p_msg_new(md->rt, len, &msg), "return forces");
        memcpy(c4p_msg_data(msg), force, len);
        c4p_msg_set_tag(msg, (uint32_t)to->num);
        leanmd_check(md, c4p_send(md->rt, to->cell, md->forces, msg), "return forces");
        return;
    }
    const c4p_reduce_t how = {.op = md->opt.ordered ? C4P_OP_SUM_ORDERED : C4P_OP_SUM,
                              .dtype = C4P_FLOAT64};
    const c4p_target_t target = {.kind = C4P_TARGET_ELEMENT, .entry = md->forces, .ref = to->cell};
    leanmd_check(
        md, c4p_section_contribute(md->rt, to->section, compute->self, &how, force, len, &target),
        "return forces");
}

static void
report_work(compute_t *compute, const leanmd_sums_t *sums, double tests)
{
    leanmd_t *md = compute->md;
    const leanmd_work_t work = {sums->potential, (double)sums->inside, tests};
    const c4p_reduce_t how = {.op = md->opt.ordered ? C4P_OP_SUM_ORDERED : C4P_OP_SUM,
                              .dtype = C4P_FLOAT64};
    leanmd_check(
        md, c4p_contribute(md->rt, compute->self, &how, &work, sizeof work, &md->potential, NULL),
        "add up energies");
}

/* Positions of both cells are there: the first one's, the second one's; the same for one cell. */
static void
interact(compute_t *compute, const leanmd_positions_t *a, const leanmd_positions_t *b)
{
    leanmd_t *md = compute->md;
    const leanmd_model_t *model = &md->opt.model;
    const bool wanted = leanmd_wants_energy(&md->opt, a->step);
    const double tests = leanmd_tests(compute->one_cell, a->n, b->n);
    leanmd_sums_t sums = {0};
    double *on_a, *on_b;
    if (compute->one_cell) {
        on_a = room(md, 3 * a->n);
        leanmd_self(&model->self_law, a->at, a->n, on_a, wanted ? &sums : NULL);
    } else {
        on_a = room(md, 3 * (a->n + b->n));
        on_b = on_a + 3 * a->n;
        leanmd_pair(&model->law, a->at, a->n, compute->shift, b->at, b->n, on_a, on_b,
                    wanted ? &sums : NULL);
        return_forces(compute, b, on_b);
    }
    return_forces(compute, a, on_a);
    if (wanted)
        report_work(compute, &sums, tests);
    if (!leanmd_balances(&md->opt, a->step))
        return;
    if (md->opt.counted)
        leanmd_check(
            md,
            c4p_lb_set_load(md->rt, compute->self, tests * SECONDS_PER_TEST * md->opt.lb_period),
            "give a load");
    leanmd_check(md, c4p_sync(md->rt, compute->self, md->rest), "balance the load");
}

/* Entry method: the positions of one cell. */
static void
compute_positions(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    compute_t *compute = object;
    const leanmd_positions_t *came = c4p_msg_data(msg);
    (void)rt, (void)ctx;
    if (compute->one_cell) {
        interact(compute, came, came);
        return;
    }
    if (!compute->waiting) {
        c4p_msg_keep(msg);
        compute->waiting = msg;
        return;
    }
    c4p_msg_t *waited = compute->waiting;
    const leanmd_positions_t *other = c4p_msg_data(waited);
    compute->waiting = NULL;
    if (came->id == compute->first)
        interact(compute, came, other);
    else
        interact(compute, other, came);
    c4p_msg_free(waited);
}

/* Entry method: the load is balanced; positions will come. */
static void
compute_rest(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

/* Where a compute is made. It is its home as well: so every rank knows where the members of a
 * section are that is made before they are, and messages to them go there directly. */
static int
compute_home(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    const leanmd_t *md = ctx;
    const int ranks = c4p_num_ranks(rt);
    int at[6], cell[3];
    (void)arg;
    for (int d = 0; d < 6; d++)
        at[d] = (int)index->at[d];
    const int turn = leanmd_compute_maker(&md->opt.model, at, cell) + 1;
    const int rank = leanmd_cell_rank(md, cell);
    switch (md->opt.placement) {
    case LEANMD_BLOCK:
        return rank;
    case LEANMD_BAD:
        return (rank + turn) % ((ranks + 1) / 2);
    default:
        return (rank + turn) % ranks;
    }
}

c4p_status_t
leanmd_compute_types(leanmd_t *md)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Compute",
                                  .construct = compute_construct,
                                  .destroy = compute_free,
                                  .pack = compute_pack,
                                  .unpack = compute_unpack,
                                  .ctx = md};
    c4p_status_t st = c4p_type_add(md->rt, &desc, &md->compute_type);
    if (st == C4P_OK)
        st = c4p_entry_add(md->rt, md->compute_type, "positions", compute_positions, md,
                           &md->positions);
    if (st == C4P_OK)
        st = c4p_entry_add(md->rt, md->compute_type, "rest", compute_rest, md, &md->rest);
    if (st == C4P_OK)
        st = c4p_map_add(md->rt, "computes", compute_home, md, &md->compute_map);
    return st;
}
