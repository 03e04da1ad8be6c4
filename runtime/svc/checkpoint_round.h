/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_round.h: rounds over all ranks, of which checkpoint and restart are made. Rank 0 gives
 * an order, which goes down a tree; every rank carries it out; what came of it goes up and is put
 * together: the first failure, sums, and parts one behind the other. One round at a time. Pump
 * thread only. */
#ifndef C4PI_CHECKPOINT_ROUND_H
#define C4PI_CHECKPOINT_ROUND_H

#include "core/rt.h"
#include "msg/pup.h"
#include "svc/setfile.h"

/* Orders: first those of a checkpoint, then those of a restart. */
typedef enum c4pi_order {
    C4PI_ORDER_PREPARE, /* stand still, say whether there is anything in the way */
    C4PI_ORDER_WRITE,
    C4PI_ORDER_FINISH, /* go on; the new set counts, or does not */
    C4PI_ORDER_LOAD,   /* read and check */
    C4PI_ORDER_MAKE,   /* the collections */
    C4PI_ORDER_SPREAD, /* send elements, or sections, to where they belong */
    C4PI_ORDER_OPEN,   /* all are there */
    C4PI_ORDER_STOP,   /* it cannot be */
    C4PI_NUM_ORDERS
} c4pi_order_t;

typedef struct c4pi_outcome {
    c4p_status_t status; /* of the lowest rank that failed */
    int rank;
    char why[C4PI_WHY_MAX];
    uint64_t sum[2];
    uint64_t max[2];
    c4p_pup_t parts;
} c4pi_outcome_t;

/* At every rank: carry an order out. */
typedef void (*c4pi_order_fn_t)(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
/* Rank 0: all have. May begin the next round. */
typedef void (*c4pi_round_over_fn_t)(c4p_rt_t *rt, c4pi_outcome_t *outcome);

typedef struct c4pi_rounds {
    bool open;
    c4pi_order_t order;
    int missing;
    c4pi_outcome_t outcome;
} c4pi_rounds_t;

struct c4pi_ckpt;
/* The state of checkpoints and restarts, made when first needed. Dies when out of memory. */
struct c4pi_ckpt *c4pi_ckpt_need(c4p_rt_t *rt);
void c4pi_ckpt_init(c4p_rt_t *rt);
void c4pi_ckpt_free(c4p_rt_t *rt);

/* Rank 0: give an order, packed into p, which is used up. */
void c4pi_round_begin(c4p_rt_t *rt, c4pi_order_t order, c4p_pup_t *p);

/* The first failure of this rank counts. */
void c4pi_outcome_fail(c4p_rt_t *rt, c4pi_outcome_t *outcome, c4p_status_t status, const char *fmt,
                       ...) C4P_PRINTF(4, 5);

#endif
