/* SPDX-License-Identifier: Apache-2.0 */
/* leanmd.h: what the parts of LeanMD share. Cells (a dense 3-D array) own the particles; computes
 * (a sparse 6-D array) join two neighbouring cells, or one with itself. In each step a cell sends
 * its positions to its computes, gets their forces, and moves its particles. The director, on rank
 * 0, creates, counts, says when to write a checkpoint, and ends the run. */
#ifndef LEANMD_H
#define LEANMD_H

#include <c4p/c4p.h>

#include "options.h"

typedef struct leanmd_director leanmd_director_t;

/* One rank's. */
typedef struct leanmd {
    c4p_rt_t *rt;
    leanmd_options_t opt;
    c4p_type_t cell_type, compute_type;
    c4p_map_t cell_map, compute_map;
    c4p_entry_t create, go, forces, arrivals, synced;     /* of cells */
    c4p_entry_t positions, rest;                          /* of computes */
    c4p_target_t created, motion, potential, safe, saved; /* handlers of the director */
    c4p_coll_t cells, computes;
    double *room; /* for forces of two cells */
    size_t room_len;
    leanmd_director_t *director; /* rank 0 only */
} leanmd_t;

/* A cell's positions, on their way to its computes. */
typedef struct leanmd_positions {
    c4p_ref_t cell; /* variant a: forces go back to it, */
    int32_t num;    /* with the number of the compute among the cell's */
    int32_t step;
    c4p_coll_t section; /* the others: its computes */
    int64_t id;         /* of the cell */
    uint64_t n;
    double at[]; /* planes */
} leanmd_positions_t;

/* What cells add up: the particles' motion, and what their ranks have sent to others so far. */
typedef struct leanmd_progress {
    leanmd_motion_t motion;
    double messages, bytes;
} leanmd_progress_t;

/* What computes add up. */
typedef struct leanmd_work {
    double potential, inside, tests;
} leanmd_work_t;

/* ---- cell.c, compute.c ------------------------------------------------------------------------ */
c4p_status_t leanmd_cell_types(leanmd_t *md);
c4p_status_t leanmd_compute_types(leanmd_t *md);
/* Where a cell is: pieces of the cells in the order of their numbers. */
int leanmd_cell_rank(const leanmd_t *md, const int at[3]);

/* ---- director.c: rank 0 ----------------------------------------------------------------------- */
c4p_status_t leanmd_director_new(leanmd_t *md);
void leanmd_director_free(leanmd_director_t *director);
/* Create everything and begin; or go on after c4p_restart(). */
void leanmd_director_begin(leanmd_t *md);
void leanmd_director_resume(leanmd_t *md);
/* What is known of rounds of load balancing. */
const struct leanmd_rounds *leanmd_director_rounds(const leanmd_director_t *director);
/* Cell 0 has finished a step. */
void leanmd_director_stepped(leanmd_t *md, int step);

/* ---- main.c ----------------------------------------------------------------------------------- */
/* End the job if a call of the library failed. */
void leanmd_check(leanmd_t *md, c4p_status_t status, const char *what);
/* Has SIGUSR2 come since this was asked last? */
bool leanmd_signalled(void);

/* ---- when -------------------------------------------------------------------------------------- */
static inline bool
leanmd_every(int step, int period)
{
    return period > 0 && step % period == 0;
}

static inline bool
leanmd_wants_energy(const leanmd_options_t *opt, int step)
{
    return step == 1 || step == opt->steps || leanmd_every(step, opt->energies);
}

static inline bool
leanmd_balances(const leanmd_options_t *opt, int step)
{
    return opt->balancer && step < opt->steps && step >= opt->lb_first &&
           (step - opt->lb_first) % opt->lb_period == 0;
}

/* Where the director may ask for a checkpoint: where one is due by steps, and with each exchange.
 */
static inline bool
leanmd_is_safe_point(const leanmd_options_t *opt, int step)
{
    return opt->checkpoint && step < opt->steps &&
           (leanmd_every(step, opt->exchange) || leanmd_every(step, opt->checkpoint_period));
}

#endif
