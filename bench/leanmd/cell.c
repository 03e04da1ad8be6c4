/* SPDX-License-Identifier: Apache-2.0 */
/* cell.c: a piece of the box and its particles. A step: positions to the computes, forces from
 * them, motion, now and then particles to other cells. */
#include <stdlib.h>
#include <string.h>

#include "leanmd.h"

typedef struct cell {
    leanmd_t *md;
    c4p_ref_t self;
    int at[3];
    int step; /* in progress, or the last finished one */
    size_t n;
    double *pos, *vel;    /* planes of n */
    c4p_coll_t section;   /* of its computes; not in variant a */
    double *force;        /* variant a: the sum of what came */
    int num_forces;       /* that came; likewise */
    c4p_msg_t **forces;   /* by number of the compute, if they are to be added in order */
    int num_arrivals;     /* messages of particles that came */
    c4p_msg_t **arrivals; /* by number of the neighbour */
} cell_t;

/* ---- life ------------------------------------------------------------------------------------- */

static void
cell_free(c4p_rt_t *rt, void *object, void *ctx)
{
    cell_t *cell = object;
    (void)rt, (void)ctx;
    for (int k = 0; cell->forces && k < leanmd_num_neighbours(&cell->md->opt.model); k++) {
        c4p_msg_free(cell->forces[k]);
        c4p_msg_free(cell->arrivals[k]);
    }
    free(cell->forces);
    free(cell->force);
    free(cell->pos);
    free(cell->vel);
    free(cell);
}

static bool
cell_resize(cell_t *cell, size_t n)
{
    cell->n = n;
    free(cell->pos);
    free(cell->vel);
    free(cell->force);
    cell->pos = calloc(3 * n + 1, sizeof(double));
    cell->vel = calloc(3 * n + 1, sizeof(double));
    cell->force = calloc(3 * n + 1, sizeof(double));
    return cell->pos && cell->vel && cell->force;
}

static cell_t *
cell_new(leanmd_t *md, c4p_ref_t self)
{
    cell_t *cell = calloc(1, sizeof *cell);
    c4p_index_t index;
    if (!cell)
        return NULL;
    cell->md = md;
    cell->self = self;
    c4p_index_unpack(self.key, 3, &index);
    for (int d = 0; d < 3; d++)
        cell->at[d] = (int)index.at[d];
    const size_t num = (size_t)leanmd_num_neighbours(&md->opt.model);
    cell->forces = calloc(2 * num, sizeof(c4p_msg_t *));
    if (!cell->forces) {
        free(cell);
        return NULL;
    }
    cell->arrivals = cell->forces + num;
    return cell;
}

static c4p_status_t
cell_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    leanmd_t *md = ctx;
    const leanmd_model_t *model = &md->opt.model;
    cell_t *cell = cell_new(md, self);
    (void)args;
    if (!cell)
        return C4P_ERR_NOMEM;
    if (!cell_resize(cell, leanmd_cell_particles(model, leanmd_cell_id(model, cell->at)))) {
        cell_free(rt, cell, ctx);
        return C4P_ERR_NOMEM;
    }
    leanmd_cell_fill(model, cell->at, cell->pos, cell->vel);
    *object_out = cell;
    return C4P_OK;
}

/* Between two steps: nothing has come yet. */
static c4p_status_t
cell_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    const cell_t *cell = object;
    (void)rt, (void)ctx;
    c4p_put_u32(p, (uint32_t)cell->step);
    c4p_put_u64(p, cell->section);
    c4p_put_blob(p, cell->pos, 3 * cell->n * sizeof(double));
    c4p_put_blob(p, cell->vel, 3 * cell->n * sizeof(double));
    return c4p_pup_status(p);
}

static c4p_status_t
cell_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    cell_t *cell = cell_new(ctx, self);
    size_t pos_len, vel_len;
    if (!cell)
        return C4P_ERR_NOMEM;
    cell->step = (int)c4p_get_u32(p);
    cell->section = c4p_get_u64(p);
    const void *pos = c4p_get_blob(p, &pos_len), *vel = c4p_get_blob(p, &vel_len);
    c4p_status_t st = c4p_pup_status(p);
    if (st == C4P_OK && (pos_len != vel_len || pos_len % (3 * sizeof(double)) != 0))
        st = C4P_ERR_DATA;
    if (st == C4P_OK && !cell_resize(cell, pos_len / (3 * sizeof(double))))
        st = C4P_ERR_NOMEM;
    if (st != C4P_OK) {
        cell_free(rt, cell, ctx);
        return st;
    }
    memcpy(cell->pos, pos, pos_len);
    memcpy(cell->vel, vel, vel_len);
    *object_out = cell;
    return C4P_OK;
}

/* Cells stay where they are; their computes move. */
static bool
cell_movable(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)object, (void)ctx;
    return false;
}

/* ---- creating computes ------------------------------------------------------------------------ */

static c4p_index_t
to_index(const int at[6])
{
    c4p_index_t index = {.ndims = 6};
    for (int d = 0; d < 6; d++)
        index.at[d] = at[d];
    return index;
}

/* The computes of this cell, by number. */
static c4p_ref_t
compute_ref(const cell_t *cell, int num)
{
    c4p_ref_t ref = {.coll = cell->md->computes};
    int at[6];
    leanmd_compute_index(&cell->md->opt.model, cell->at, num, at);
    c4p_index_t index = to_index(at);
    leanmd_check(cell->md, c4p_index_pack(&index, &ref.key), "index of a compute");
    return ref;
}

/* Entry method: make this cell's computes, and the section that the cell talks to. */
static void
cell_create(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    leanmd_t *md = ctx;
    const int num = leanmd_num_neighbours(&md->opt.model);
    int at[6];
    memcpy(&md->cells, c4p_msg_data(msg), sizeof md->cells);
    memcpy(&md->computes, (c4p_coll_t *)c4p_msg_data(msg) + 1, sizeof md->computes);
    for (int k = 0; k < num; k++) {
        if (!leanmd_compute_index(&md->opt.model, cell->at, k, at))
            continue;
        c4p_index_t index = to_index(at);
        leanmd_check(md, c4p_insert(rt, md->computes, &index, -1, NULL), "insert a compute");
    }
    if (md->opt.model.variant != LEANMD_A) {
        c4p_ref_t *members = calloc((size_t)num, sizeof *members);
        leanmd_check(md, members ? C4P_OK : C4P_ERR_NOMEM, "make a section");
        for (int k = 0; k < num; k++)
            members[k] = compute_ref(cell, k);
        leanmd_check(md,
                     c4p_section_new(rt, md->compute_type, members, (size_t)num, &cell->section),
                     "make a section");
        free(members);
    }
    leanmd_check(md,
                 c4p_contribute(rt, cell->self, &(c4p_reduce_t){.op = C4P_OP_NOP}, NULL, 0,
                                &md->created, NULL),
                 "say that the computes are made");
}

/* ---- a step ------------------------------------------------------------------------------------ */

static c4p_msg_t *
positions_new(const cell_t *cell, int num)
{
    const size_t len = 3 * cell->n * sizeof(double);
    c4p_msg_t *msg;
    leanmd_check(cell->md, c4p_msg_new(cell->md->rt, sizeof(leanmd_positions_t) + len, &msg),
                 "send positions");
    leanmd_positions_t *p = c4p_msg_data(msg);
    *p = (leanmd_positions_t){.cell = cell->self,
                              .num = num,
                              .step = cell->step,
                              .section = cell->section,
                              .id = leanmd_cell_id(&cell->md->opt.model, cell->at),
                              .n = cell->n};
    memcpy(p->at, cell->pos, len);
    return msg;
}

/* Entry method: the next step. */
static void
cell_go(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    leanmd_t *md = ctx;
    (void)msg;
    cell->step++;
    if (md->opt.model.variant != LEANMD_A) {
        leanmd_check(md,
                     c4p_bcast(rt, cell->section, md->positions, positions_new(cell, 0),
                               C4P_BCAST_NO_REPLY, 0),
                     "send positions");
        return;
    }
    for (int k = 0; k < leanmd_num_neighbours(&md->opt.model); k++)
        leanmd_check(md, c4p_send(rt, compute_ref(cell, k), md->positions, positions_new(cell, k)),
                     "send positions");
}

/* Stop here if the step that has ended asks for it, and go on otherwise. */
static void
cell_go_on(cell_t *cell)
{
    leanmd_t *md = cell->md;
    const c4p_reduce_t how = {.op = C4P_OP_MAX, .dtype = C4P_INT64};
    const c4p_target_t all_go = {
        .kind = C4P_TARGET_BROADCAST, .entry = md->go, .ref.coll = md->cells};
    const bool safe = leanmd_is_safe_point(&md->opt, cell->step);
    const int64_t step = cell->step;
    if (step == md->opt.steps)
        return;
    if (!safe && !md->opt.barrier)
        cell_go(md->rt, cell, NULL, md);
    else
        leanmd_check(md,
                     c4p_contribute(md->rt, cell->self, &how, &step, sizeof step,
                                    safe ? &md->safe : &all_go, NULL),
                     "wait for all");
}

/* Entry method: the load is balanced. */
static void
cell_synced(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)msg, (void)ctx;
    cell_go_on(object);
}

static void
cell_step_ended(cell_t *cell)
{
    leanmd_t *md = cell->md;
    if (leanmd_cell_id(&md->opt.model, cell->at) == 0)
        leanmd_director_stepped(md, cell->step);
    if (leanmd_balances(&md->opt, cell->step))
        leanmd_check(md, c4p_sync(md->rt, cell->self, md->synced), "balance the load");
    else
        cell_go_on(cell);
}

/* Whether no cell with a smaller number lives here. */
static bool
is_first_here(const cell_t *cell)
{
    const leanmd_model_t *model = &cell->md->opt.model;
    const int64_t id = leanmd_cell_id(model, cell->at), ranks = c4p_num_ranks(cell->md->rt);
    const int64_t cells = leanmd_num_cells(model);
    return id == 0 || (id - 1) * ranks / cells != id * ranks / cells;
}

static void
report_motion(cell_t *cell, const leanmd_motion_t *motion)
{
    leanmd_t *md = cell->md;
    leanmd_progress_t progress = {.motion = *motion};
    if (is_first_here(cell)) {
        c4p_stats_t stats = {.struct_size = sizeof stats};
        leanmd_check(md, c4p_stats(md->rt, &stats), "count messages");
        progress.messages = (double)stats.sent;
        progress.bytes = (double)stats.sent_bytes;
    }
    const c4p_reduce_t how = {.op = md->opt.ordered ? C4P_OP_SUM_ORDERED : C4P_OP_SUM,
                              .dtype = C4P_FLOAT64};
    leanmd_check(
        md, c4p_contribute(md->rt, cell->self, &how, &progress, sizeof progress, &md->motion, NULL),
        "add up energies");
}

static void send_particles(cell_t *cell);

static void
advance(cell_t *cell, const double *force)
{
    leanmd_t *md = cell->md;
    leanmd_motion_t motion;
    leanmd_advance(&md->opt.model, cell->step > 1, cell->n, cell->pos, cell->vel, force, &motion);
    if (leanmd_wants_energy(&md->opt, cell->step))
        report_motion(cell, &motion);
    if (leanmd_every(cell->step, md->opt.exchange) && cell->step < md->opt.steps)
        send_particles(cell);
    else
        cell_step_ended(cell);
}

/* ---- forces ------------------------------------------------------------------------------------ */

static void
add(double *sum, const double *more, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += more[i];
}

/* Variant a: one compute's; added as they come, or in the order of their numbers. */
static void
forces_of_one(cell_t *cell, c4p_msg_t *msg)
{
    const int all = leanmd_num_neighbours(&cell->md->opt.model);
    const bool ordered = cell->md->opt.ordered;
    if (cell->num_forces == 0)
        memset(cell->force, 0, 3 * cell->n * sizeof(double));
    if (ordered) {
        c4p_msg_keep(msg);
        cell->forces[c4p_msg_tag(msg)] = msg;
    } else {
        add(cell->force, c4p_msg_data(msg), 3 * cell->n);
    }
    if (++cell->num_forces < all)
        return;
    cell->num_forces = 0;
    for (int k = 0; ordered && k < all; k++) {
        add(cell->force, c4p_msg_data(cell->forces[k]), 3 * cell->n);
        c4p_msg_free(cell->forces[k]);
        cell->forces[k] = NULL;
    }
    advance(cell, cell->force);
}

/* Entry method: forces on this cell's particles, of one compute or the sum of all. */
static void
cell_forces(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    c4p_result_t sum;
    (void)rt, (void)ctx;
    if (cell->md->opt.model.variant == LEANMD_A) {
        forces_of_one(cell, msg);
        return;
    }
    leanmd_check(cell->md, c4p_result_get(msg, &sum), "read forces");
    advance(cell, sum.data);
}

/* ---- particles that change their cell ----------------------------------------------------------- */

/* A particle on its way. */
typedef struct traveller {
    double pos[3], vel[3];
} traveller_t;

static void
pick_up(const cell_t *cell, size_t i, traveller_t *t)
{
    for (size_t d = 0; d < 3; d++) {
        t->pos[d] = cell->pos[d * cell->n + i];
        t->vel[d] = cell->vel[d * cell->n + i];
    }
}

/* To each neighbour those that enter it, to this cell those that stay; most messages are empty. */
static void
send_particles(cell_t *cell)
{
    leanmd_t *md = cell->md;
    const leanmd_model_t *model = &md->opt.model;
    const int all = leanmd_num_neighbours(model);
    int *where = calloc(cell->n + 1, sizeof *where);
    size_t *count = calloc((size_t)all, sizeof *count);
    c4p_msg_t **msgs = calloc((size_t)all, sizeof(c4p_msg_t *));
    leanmd_check(md, where && count && msgs ? C4P_OK : C4P_ERR_NOMEM, "exchange particles");
    for (size_t i = 0; i < cell->n; i++)
        count[where[i] = leanmd_destination(model, cell->at, cell->n, cell->pos, i)]++;
    for (int k = 0; k < all; k++) {
        leanmd_check(md, c4p_msg_new(md->rt, count[k] * sizeof(traveller_t), &msgs[k]),
                     "exchange particles");
        count[k] = 0;
    }
    for (size_t i = 0; i < cell->n; i++) {
        traveller_t *to = c4p_msg_data(msgs[where[i]]);
        pick_up(cell, i, &to[count[where[i]]++]);
    }
    for (int k = 0; k < all; k++) {
        int offset[3], at[3];
        leanmd_neighbour(model, cell->at, k, offset, at);
        c4p_index_t index = {.ndims = 3, .at = {at[0], at[1], at[2]}};
        c4p_ref_t to = {.coll = md->cells};
        leanmd_check(md, c4p_index_pack(&index, &to.key), "index of a cell");
        c4p_msg_set_tag(msgs[k], (uint32_t)leanmd_reverse(model, k));
        leanmd_check(md, c4p_send(md->rt, to, md->arrivals, msgs[k]), "exchange particles");
    }
    free(msgs);
    free(count);
    free(where);
}

static void
settle(cell_t *cell)
{
    const int all = leanmd_num_neighbours(&cell->md->opt.model);
    size_t n = 0, i = 0;
    for (int k = 0; k < all; k++)
        n += c4p_msg_len(cell->arrivals[k]) / sizeof(traveller_t);
    leanmd_check(cell->md, cell_resize(cell, n) ? C4P_OK : C4P_ERR_NOMEM, "take particles in");
    for (int k = 0; k < all; k++) {
        const traveller_t *from = c4p_msg_data(cell->arrivals[k]);
        const size_t num = c4p_msg_len(cell->arrivals[k]) / sizeof(traveller_t);
        for (size_t j = 0; j < num; j++, i++)
            for (size_t d = 0; d < 3; d++) {
                cell->pos[d * n + i] = from[j].pos[d];
                cell->vel[d * n + i] = from[j].vel[d];
            }
        c4p_msg_free(cell->arrivals[k]);
        cell->arrivals[k] = NULL;
    }
}

/* Entry method: particles from one neighbour. They are taken in by the neighbours' order, so that a
 * cell's order does not depend on which message came first. */
static void
cell_arrivals(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    (void)rt, (void)ctx;
    c4p_msg_keep(msg);
    cell->arrivals[c4p_msg_tag(msg)] = msg;
    if (++cell->num_arrivals < leanmd_num_neighbours(&cell->md->opt.model))
        return;
    cell->num_arrivals = 0;
    settle(cell);
    cell_step_ended(cell);
}

/* ---- the type ----------------------------------------------------------------------------------- */

int
leanmd_cell_rank(const leanmd_t *md, const int at[3])
{
    return (int)(leanmd_cell_id(&md->opt.model, at) * c4p_num_ranks(md->rt) /
                 leanmd_num_cells(&md->opt.model));
}

static int
cell_home(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    const int at[3] = {(int)index->at[0], (int)index->at[1], (int)index->at[2]};
    (void)rt, (void)arg;
    return leanmd_cell_rank(ctx, at);
}

c4p_status_t
leanmd_cell_types(leanmd_t *md)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Cell",
                                  .construct = cell_construct,
                                  .destroy = cell_free,
                                  .pack = cell_pack,
                                  .unpack = cell_unpack,
                                  .movable = cell_movable,
                                  .ctx = md};
    const struct {
        const char *name;
        c4p_entry_fn_t fn;
        c4p_entry_t *entry;
    } entries[] = {{"create", cell_create, &md->create},
                   {"go", cell_go, &md->go},
                   {"forces", cell_forces, &md->forces},
                   {"arrivals", cell_arrivals, &md->arrivals},
                   {"synced", cell_synced, &md->synced}};
    c4p_status_t st = c4p_type_add(md->rt, &desc, &md->cell_type);
    for (size_t i = 0; st == C4P_OK && i < sizeof entries / sizeof entries[0]; i++)
        st = c4p_entry_add(md->rt, md->cell_type, entries[i].name, entries[i].fn, md,
                           entries[i].entry);
    return st == C4P_OK ? c4p_map_add(md->rt, "cells", cell_home, md, &md->cell_map) : st;
}
