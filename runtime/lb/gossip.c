/* SPDX-License-Identifier: Apache-2.0 */
/* gossip.c: ranks below the mean tell a few random ranks of themselves, who pass on what they
 * heard; then ranks above it give objects to ranks that they heard of, drawn with a chance that
 * grows with how little those have. An object may go wherever it ends earlier than the giver did,
 * even above the mean, and the next round corrects what several givers did to one taker; the best
 * round is kept.
 *
 * Source: H. Menon and L. V. Kale, A distributed dynamic load balancer for iterative applications,
 * SC 2013 (GrapevineLB); J. Lifflander et al., Optimizing distributed load balancing for workloads
 * with time-varying imbalance, CLUSTER 2021 (TemperedLB): its relaxed acceptance and the rounds.
 * What a rank hears of is bounded, so that memory per rank does not grow with their number. Cost
 * O(P log P + n) a round. Guarantee: the maximum does not rise. */
#include <string.h>

#include "lb/task.h"

enum { ROUNDS = 20, FANOUT = 4, MOST_KNOWN = 48 };

typedef struct gossip {
    c4pi_lb_task_t *task;
    double *time;    /* [num_ranks] at the start of the round */
    int *known;      /* [num_ranks * MOST_KNOWN] ranks heard of, in the order they were */
    int *num_known;  /* [num_ranks] */
    int *num_before; /* [num_ranks] when this step of the rumour began: what can be passed on */
    int *num_told;   /* [num_ranks] what was passed on already */
    int *heard_by;   /* [num_ranks] scratch: the receiver that has heard of a rank, 1 more */
    const uint32_t *order;
    int *place;
    bool relaxed; /* a taker may end later than the giver then does, if not later than it did */
} gossip_t;

static int *
known_by(const gossip_t *gossip, int rank)
{
    return gossip->known + (size_t)rank * MOST_KNOWN;
}

/* `to` hears what `from` knew when this step began. */
static void
tell(gossip_t *gossip, int from, int to)
{
    const int *news = known_by(gossip, from);
    int *known = known_by(gossip, to);
    for (int i = 0; i < gossip->num_known[to]; i++)
        gossip->heard_by[known[i]] = to + 1;
    for (int i = 0; i < gossip->num_before[from] && gossip->num_known[to] < MOST_KNOWN; i++) {
        if (gossip->heard_by[news[i]] != to + 1) {
            gossip->heard_by[news[i]] = to + 1;
            known[gossip->num_known[to]++] = news[i];
        }
    }
    for (int i = 0; i < gossip->num_known[to]; i++)
        gossip->heard_by[known[i]] = 0;
}

/* One step: who has news tells some ranks. False if nobody had any. */
static bool
spread_one_step(gossip_t *gossip)
{
    size_t ranks = (size_t)gossip->task->num_ranks;
    bool news = false;
    memcpy(gossip->num_before, gossip->num_known, ranks * sizeof(int));
    for (int r = 0; r < gossip->task->num_ranks; r++) {
        if (gossip->num_before[r] == gossip->num_told[r])
            continue;
        gossip->num_told[r] = gossip->num_before[r];
        news = true;
        for (int i = 0; i < FANOUT; i++)
            tell(gossip, r, (int)c4pi_lb_random_below(gossip->task, ranks));
    }
    return news;
}

static void
spread(gossip_t *gossip)
{
    int num = gossip->task->num_ranks, steps = 2;
    for (int reach = 1; reach < num / FANOUT; reach *= FANOUT)
        steps++;
    for (int r = 0; r < num; r++) {
        gossip->num_known[r] = gossip->time[r] < gossip->task->ideal;
        gossip->num_told[r] = 0;
        known_by(gossip, r)[0] = r;
    }
    while (steps-- > 0 && spread_one_step(gossip))
        continue;
}

/* Draw one of the known ranks, with a chance in proportion to what it is below `most`. */
static int
draw_taker(gossip_t *gossip, const double *time, int num, double most)
{
    double sum = 0;
    for (int i = 0; i < num; i++)
        sum += time[i] < most ? most - time[i] : 0;
    double drawn = c4pi_lb_random_unit(gossip->task) * sum;
    for (int i = 0; i < num; i++) {
        drawn -= time[i] < most ? most - time[i] : 0;
        if (drawn < 0)
            return i;
    }
    return -1; /* none is below */
}

/* A rank above the mean gives away objects, by what it heard and what it gave itself. */
static void
give_objects(gossip_t *gossip, int rank, const uint32_t *item, size_t n)
{
    const c4pi_lb_task_t *task = gossip->task;
    const int *known = known_by(gossip, rank);
    double own = gossip->time[rank], time[MOST_KNOWN];
    double damp = gossip->relaxed ? 0 : task->slowness[rank];
    int num = gossip->num_known[rank];
    for (int i = 0; i < num; i++)
        time[i] = gossip->time[known[i]];
    for (size_t i = 0; i < n && num && own > task->ideal; i++) {
        double load = task->load[item[i]];
        int taker = draw_taker(gossip, time, num, task->ideal);
        if (taker < 0)
            return;
        double then = time[taker] + load * task->slowness[known[taker]];
        if (!(then < own - damp * load))
            continue;
        gossip->place[item[i]] = known[taker];
        time[taker] = then;
        own -= load * task->slowness[rank];
    }
}

static c4p_status_t
one_round(gossip_t *gossip)
{
    c4pi_lb_task_t *task = gossip->task, inner = *task;
    c4pi_lb_block_t *blocks = NULL;
    c4pi_lb_lists_t lists;
    inner.blocks = &blocks;
    spread(gossip);
    c4p_status_t st = c4pi_lb_lists_new(&inner, gossip->place, gossip->order, &lists);
    double above = (1 + C4PI_LB_TOLERANCE) * task->ideal;
    for (int r = 0; st == C4P_OK && r < task->num_ranks; r++) {
        if (gossip->time[r] > above)
            give_objects(gossip, r, lists.item + lists.first[r],
                         lists.first[r + 1] - lists.first[r]);
    }
    c4pi_lb_release(&inner);
    return st;
}

static c4p_status_t
gossip_begin(gossip_t *gossip, c4pi_lb_task_t *task)
{
    size_t ranks = (size_t)task->num_ranks;
    *gossip = (gossip_t){.task = task};
    gossip->time = c4pi_lb_new(task, ranks, sizeof(*gossip->time));
    gossip->known = c4pi_lb_new(task, ranks, MOST_KNOWN * sizeof(*gossip->known));
    gossip->num_known = c4pi_lb_new(task, ranks, sizeof(*gossip->num_known));
    gossip->num_before = c4pi_lb_new(task, ranks, sizeof(*gossip->num_before));
    gossip->num_told = c4pi_lb_new(task, ranks, sizeof(*gossip->num_told));
    gossip->heard_by = c4pi_lb_zeroed(task, ranks, sizeof(*gossip->heard_by));
    gossip->place = c4pi_lb_new(task, task->n, sizeof(*gossip->place));
    gossip->order = c4pi_lb_heaviest_first(task);
    if (!gossip->time || !gossip->known || !gossip->num_known || !gossip->num_before ||
        !gossip->num_told || !gossip->heard_by || !gossip->place || !gossip->order)
        return C4P_ERR_NOMEM;
    memcpy(gossip->place, task->from, task->n * sizeof(int));
    return C4P_OK;
}

c4p_status_t
c4pi_lb_gossip(c4pi_lb_task_t *task)
{
    gossip_t gossip;
    c4p_status_t st = gossip_begin(&gossip, task);
    if (st != C4P_OK)
        return st;
    double best = c4pi_lb_times(task, gossip.place, gossip.time);
    for (int i = 0; i < ROUNDS && best > (1 + C4PI_LB_TOLERANCE) * task->ideal; i++) {
        if ((st = one_round(&gossip)) != C4P_OK)
            return st;
        double most = c4pi_lb_times(task, gossip.place, gossip.time);
        gossip.relaxed = !(most < best); /* cautious steps came to an end */
        if (most < best) {
            best = most;
            memcpy(task->plan, gossip.place, task->n * sizeof(int));
        }
    }
    return C4P_OK;
}
