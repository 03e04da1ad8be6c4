/* SPDX-License-Identifier: Apache-2.0 */
/* diffusion.c: load flows along the edges of a graph of ranks, from longer times to shorter ones,
 * until the flow is known that would level them; then each rank gives its neighbours objects worth
 * that flow. Several sweeps, because a rank can pass on only what it has; the best is kept.
 *
 * Source: G. Cybenko, Dynamic load balancing for distributed memory multiprocessors, J. Parallel
 * Distrib. Comput. 7 (1989), first-order scheme; DiffusionLB and NeighborLB of Charm++. Each rank
 * uses its own objects and the times of its neighbours, and of all others only the maximum and the
 * mean (two reductions). Ranks r and r +- 2^k are neighbours, so that about 40 rounds level any
 * load. Cost O(P log P) a round and O(n log P) a sweep. Guarantee: the maximum does not rise. */
#include <string.h>

#include "lb/task.h"

enum { ROUNDS = 20, SWEEPS = 20, MOST_CHORDS = 24 };

typedef struct diffusion {
    c4pi_lb_task_t *task;
    int chords; /* rank r has an edge to r + 2^k for each k below this, and from r - 2^k */
    double *time, *new_time; /* [num_ranks] */
    double *flow;            /* [num_ranks * chords] work over each edge, from r to r + 2^k */
    const uint32_t *order;
    int *place;
    bool relaxed; /* a taker may end later than the giver then does, if not later than it did */
} diffusion_t;

/* What one rank wants to give to its neighbours, and what it knows of them. */
typedef struct giver {
    int num, most; /* most: the place of the neighbour that wants most */
    bool relaxed;
    double own_time, total;
    int to[2 * MOST_CHORDS];
    double want[2 * MOST_CHORDS], time[2 * MOST_CHORDS];
} giver_t;

static int
up(const diffusion_t *df, int rank, int k)
{
    return (int)(((int64_t)rank + ((int64_t)1 << k)) % df->task->num_ranks);
}

static int
down(const diffusion_t *df, int rank, int k)
{
    int64_t num = df->task->num_ranks;
    return (int)((rank - ((int64_t)1 << k) + num) % num);
}

/* One round of the first-order scheme on times, adding to the flows. */
static void
diffuse(diffusion_t *df)
{
    const double *slowness = df->task->slowness;
    double part = 1.0 / (2 * df->chords + 1);
    memcpy(df->new_time, df->time, (size_t)df->task->num_ranks * sizeof(double));
    for (int r = 0; r < df->task->num_ranks; r++) {
        for (int k = 0; k < df->chords; k++) {
            int n = up(df, r, k);
            double slower = slowness[r] > slowness[n] ? slowness[r] : slowness[n];
            double work = part * (df->time[r] - df->time[n]) / slower;
            df->flow[(size_t)r * (size_t)df->chords + (size_t)k] += work;
            df->new_time[r] -= work * slowness[r];
            df->new_time[n] += work * slowness[n];
        }
    }
    double *old = df->time;
    df->time = df->new_time;
    df->new_time = old;
}

static void
giver_add(giver_t *giver, int to, double want, double time)
{
    if (!(want > 0))
        return;
    giver->to[giver->num] = to;
    giver->want[giver->num] = want;
    giver->time[giver->num++] = time;
    giver->total += want;
}

static void
giver_of(const diffusion_t *df, int rank, giver_t *giver)
{
    giver->num = 0;
    giver->total = 0;
    giver->relaxed = df->relaxed;
    giver->own_time = df->time[rank];
    for (int k = 0; k < df->chords; k++) {
        int above = up(df, rank, k), below = down(df, rank, k);
        size_t chords = (size_t)df->chords;
        giver_add(giver, above, df->flow[(size_t)rank * chords + (size_t)k], df->time[above]);
        giver_add(giver, below, -df->flow[(size_t)below * chords + (size_t)k], df->time[below]);
    }
}

static void
giver_find_most(giver_t *giver)
{
    giver->most = 0;
    for (int i = 1; i < giver->num; i++) {
        if (giver->want[i] > giver->want[giver->most])
            giver->most = i;
    }
}

/* Whether the neighbour that wants most should get an object of this load. It wants about as much,
 * or all neighbours together do (parts of an object cannot be given). Being careful, it should not
 * then be busier than the giver; relaxed, it may, but not busier than the giver was. */
static bool
should_give(const giver_t *giver, const double *slowness, int rank, double load)
{
    double total = giver->relaxed ? 2 * giver->total : giver->total;
    double bound = giver->own_time - (giver->relaxed ? 0 : load * slowness[rank]);
    if (load > 2 * giver->want[giver->most] && load > total)
        return false;
    return giver->time[giver->most] + load * slowness[giver->to[giver->most]] < bound;
}

static void
give_objects(diffusion_t *df, int rank, const uint32_t *item, size_t n)
{
    giver_t giver;
    const double *slowness = df->task->slowness;
    giver_of(df, rank, &giver);
    if (!giver.num)
        return;
    giver_find_most(&giver);
    for (size_t i = 0; i < n && giver.total > 0; i++) {
        double load = df->task->load[item[i]];
        int taker = giver.to[giver.most];
        if (!should_give(&giver, slowness, rank, load))
            continue;
        df->place[item[i]] = taker;
        giver.want[giver.most] -= load;
        giver.total -= load;
        giver.time[giver.most] += load * slowness[taker];
        giver.own_time -= load * slowness[rank];
        giver_find_most(&giver);
    }
}

/* From the present times to flows, from flows to places. */
static c4p_status_t
sweep(diffusion_t *df)
{
    c4pi_lb_task_t *task = df->task, inner = *task;
    c4pi_lb_block_t *blocks = NULL;
    c4pi_lb_lists_t lists;
    inner.blocks = &blocks;
    size_t chords = (size_t)df->chords;
    memset(df->flow, 0, (size_t)task->num_ranks * chords * sizeof(*df->flow));
    for (int round = 0; round < ROUNDS; round++)
        diffuse(df);
    c4pi_lb_times(task, df->place, df->time);
    c4p_status_t st = c4pi_lb_lists_new(&inner, df->place, df->order, &lists);
    for (int r = 0; st == C4P_OK && r < task->num_ranks; r++)
        give_objects(df, r, lists.item + lists.first[r], lists.first[r + 1] - lists.first[r]);
    c4pi_lb_release(&inner);
    return st;
}

static c4p_status_t
diffusion_begin(diffusion_t *df, c4pi_lb_task_t *task)
{
    size_t ranks = (size_t)task->num_ranks;
    *df = (diffusion_t){.task = task};
    while (df->chords < MOST_CHORDS && (int64_t)1 << df->chords < task->num_ranks)
        df->chords++;
    df->time = c4pi_lb_new(task, ranks, sizeof(*df->time));
    df->new_time = c4pi_lb_new(task, ranks, sizeof(*df->new_time));
    df->flow = c4pi_lb_new(task, ranks * (size_t)df->chords, sizeof(*df->flow));
    df->place = c4pi_lb_new(task, task->n, sizeof(*df->place));
    df->order = c4pi_lb_heaviest_first(task);
    if (!df->time || !df->new_time || !df->flow || !df->place || !df->order)
        return C4P_ERR_NOMEM;
    memcpy(df->place, task->from, task->n * sizeof(int));
    return C4P_OK;
}

c4p_status_t
c4pi_lb_diffusion(c4pi_lb_task_t *task)
{
    diffusion_t df;
    c4p_status_t st = diffusion_begin(&df, task);
    if (st != C4P_OK)
        return st;
    double best = c4pi_lb_times(task, df.place, df.time), enough = task->ideal;
    enough *= 1 + C4PI_LB_TOLERANCE;
    for (int i = 0; i < SWEEPS && best > enough; i++) {
        if ((st = sweep(&df)) != C4P_OK)
            return st;
        double most = c4pi_lb_times(task, df.place, df.time);
        df.relaxed = !(most < best); /* cautious steps came to an end */
        if (most < best) {
            best = most;
            memcpy(task->plan, df.place, task->n * sizeof(int));
        }
    }
    return C4P_OK;
}
