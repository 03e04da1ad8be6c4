/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/ranks.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SLACK 3e-3 /* of the ideal time */

/* What is above two nodes. One without room for any object must not hide by its little work that
 * the other one has more. */
static c4pi_lb_node_t
joined(const c4pi_lb_ranks_t *ranks, const c4pi_lb_node_t *a, const c4pi_lb_node_t *b)
{
    if (a->room < ranks->least)
        return *b;
    if (b->room < ranks->least)
        return *a;
    return (c4pi_lb_node_t){.time = a->time <= b->time ? a->time : b->time,
                            .slowness = a->slowness <= b->slowness ? a->slowness : b->slowness,
                            .room = a->room >= b->room ? a->room : b->room};
}

/* Give the ranks their leaves, the fastest first. */
static c4p_status_t
seat(c4pi_lb_task_t *task, c4pi_lb_ranks_t *ranks)
{
    size_t num = (size_t)ranks->num;
    uint64_t *keys = c4pi_lb_new(task, num, sizeof(*keys));
    if (!keys)
        return C4P_ERR_NOMEM;
    memcpy(keys, task->slowness, num * sizeof(*keys)); /* positive: ordered like the numbers */
    uint32_t *order = c4pi_lb_sort(task, keys, num);
    if (!order)
        return C4P_ERR_NOMEM;
    for (int i = 0; i < ranks->num; i++) {
        ranks->rank_at[i] = (int)order[i];
        ranks->leaf_of[order[i]] = ranks->leaves + i;
    }
    ranks->plain = !task->memory && (!num || keys[order[0]] == keys[order[num - 1]]);
    return C4P_OK;
}

static void
fill_leaves(const c4pi_lb_task_t *task, const int *place, c4pi_lb_ranks_t *ranks)
{
    c4pi_lb_node_t *leaf = ranks->node + ranks->leaves;
    for (int i = 0; i < ranks->leaves; i++)
        leaf[i] = (c4pi_lb_node_t){INFINITY, DBL_MAX, 0};
    for (int r = 0; r < ranks->num; r++)
        ranks->node[ranks->leaf_of[r]] =
            (c4pi_lb_node_t){task->background[r] * task->slowness[r], task->slowness[r],
                             task->memory ? task->memory[r] : UINT64_MAX};
    for (size_t i = 0; place && i < task->n; i++) {
        if (place[i] < 0)
            continue;
        c4pi_lb_node_t *node = &ranks->node[ranks->leaf_of[place[i]]];
        node->time += task->load[i] * node->slowness;
        if (task->memory)
            node->room = node->room > task->bytes[i] ? node->room - task->bytes[i] : 0;
    }
}

c4p_status_t
c4pi_lb_ranks_new(c4pi_lb_task_t *task, const int *place, c4pi_lb_ranks_t *ranks_out)
{
    c4pi_lb_ranks_t ranks = {.num = task->num_ranks, .leaves = 1, .slack = SLACK * task->ideal};
    while (ranks.leaves < ranks.num)
        ranks.leaves *= 2;
    ranks.node = c4pi_lb_new(task, 2 * (size_t)ranks.leaves, sizeof(*ranks.node));
    ranks.leaf_of = c4pi_lb_new(task, (size_t)ranks.num, sizeof(int));
    ranks.rank_at = c4pi_lb_new(task, (size_t)ranks.leaves, sizeof(int));
    if (!ranks.node || !ranks.leaf_of || !ranks.rank_at)
        return C4P_ERR_NOMEM;
    c4p_status_t st = seat(task, &ranks);
    if (st != C4P_OK)
        return st;
    fill_leaves(task, place, &ranks);
    ranks.least = task->memory ? UINT64_MAX : 0;
    for (size_t i = 0; task->memory && i < task->n; i++)
        ranks.least = task->bytes[i] < ranks.least ? task->bytes[i] : ranks.least;
    for (int i = ranks.leaves - 1; i >= 1; i--)
        ranks.node[i] = joined(&ranks, &ranks.node[2 * i], &ranks.node[2 * i + 1]);
    *ranks_out = ranks;
    return C4P_OK;
}

void
c4pi_lb_ranks_copy(c4pi_lb_ranks_t *ranks, const c4pi_lb_ranks_t *from)
{
    memcpy(ranks->node, from->node, 2 * (size_t)from->leaves * sizeof(*from->node));
}

typedef struct search {
    const c4pi_lb_ranks_t *ranks;
    double load;
    uint64_t bytes;
    double end; /* what would be better than the best so far */
    int best;   /* its node */
} search_t;

static void
search_below(search_t *search, int at)
{
    const c4pi_lb_node_t *node = &search->ranks->node[at];
    double end = node->time + search->load * node->slowness;
    if (end >= search->end || node->room < search->bytes)
        return;
    if (at >= search->ranks->leaves) {
        search->end = end - search->ranks->slack;
        search->best = at;
        return;
    }
    const c4pi_lb_node_t *left = search->ranks->node + 2 * at, *right = left + 1;
    bool right_first =
        right->time + search->load * right->slowness < left->time + search->load * left->slowness;
    search_below(search, 2 * at + right_first);
    search_below(search, 2 * at + !right_first);
}

int
c4pi_lb_ranks_best(const c4pi_lb_ranks_t *ranks, double load, uint64_t bytes)
{
    int at = 1;
    if (ranks->plain) {
        while (at < ranks->leaves)
            at = 2 * at + (ranks->node[2 * at + 1].time < ranks->node[2 * at].time);
    } else {
        search_t search = {.ranks = ranks, .load = load, .bytes = bytes, .end = INFINITY};
        search_below(&search, 1);
        if (!search.best)
            return -1;
        at = search.best;
    }
    return ranks->rank_at[at - ranks->leaves];
}

static void
replay(c4pi_lb_ranks_t *ranks, int at)
{
    for (at /= 2; at >= 1; at /= 2)
        ranks->node[at] = joined(ranks, &ranks->node[2 * at], &ranks->node[2 * at + 1]);
}

void
c4pi_lb_ranks_add(c4pi_lb_ranks_t *ranks, int rank, double load, uint64_t bytes)
{
    int at = ranks->leaf_of[rank];
    c4pi_lb_node_t *leaf = &ranks->node[at];
    leaf->time += load * leaf->slowness;
    leaf->room = leaf->room > bytes ? leaf->room - bytes : 0;
    replay(ranks, at);
}

void
c4pi_lb_ranks_remove(c4pi_lb_ranks_t *ranks, int rank, double load, uint64_t bytes)
{
    int at = ranks->leaf_of[rank];
    c4pi_lb_node_t *leaf = &ranks->node[at];
    leaf->time -= load * leaf->slowness;
    leaf->room = leaf->room < UINT64_MAX - bytes ? leaf->room + bytes : UINT64_MAX;
    replay(ranks, at);
}

double
c4pi_lb_ranks_most(const c4pi_lb_ranks_t *ranks)
{
    double most = 0;
    for (int r = 0; r < ranks->num; r++) {
        double time = c4pi_lb_ranks_time(ranks, r);
        most = time > most ? time : most;
    }
    return most;
}
