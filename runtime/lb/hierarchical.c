/* SPDX-License-Identifier: Apache-2.0 */
/* hierarchical.c: balance between hosts first, moving few objects, then within each host, where a
 * move is cheap: the first step is refine on hosts as if each were one fast rank, the second
 * greedy-refine among the ranks of each host.
 *
 * Source: G. Zheng, A. Bhatele, E. Meneses, L. V. Kale, Periodic hierarchical load balancing for
 * large supercomputers, Int. J. High Perform. Comput. Appl. 25 (2011); HybridLB of Charm++. Cost
 * O(n log n). Guarantee: no object leaves a host whose load is within tolerance. The second step's
 * steps are as small as hosts, which is what makes it fit for many ranks. */
#include "lb/refine.h"

typedef struct hosts {
    c4pi_lb_task_t *task;
    int num;
    const int *of;                        /* [num_ranks] host of a rank */
    int *place;                           /* [n] host of an object */
    c4pi_lb_lists_t ranks;                /* of each host */
    c4pi_lb_lists_t objects;              /* of each host after the first step */
    int *local;                           /* [num_ranks] a rank's number on its host */
    double *load, *slowness, *background; /* room for the task of one host */
    int *from, *plan;
} hosts_t;

/* Hosts as ranks: their speed is the sum of their ranks' speeds. Hosts without ranks get no work.
 */
static c4p_status_t
balance_between(hosts_t *hosts)
{
    c4pi_lb_task_t *task = hosts->task, between = *task;
    size_t num = (size_t)hosts->num;
    double *slowness = c4pi_lb_zeroed(task, num, sizeof(*slowness));
    double *background = c4pi_lb_zeroed(task, num, sizeof(*background));
    int *from = c4pi_lb_new(task, task->n, sizeof(*from));
    if (!slowness || !background || !from)
        return C4P_ERR_NOMEM;
    for (int r = 0; r < task->num_ranks; r++) {
        slowness[hosts->of[r]] += 1 / task->slowness[r];
        background[hosts->of[r]] += task->background[r];
    }
    for (size_t h = 0; h < num; h++)
        slowness[h] = 1 / slowness[h];
    for (size_t i = 0; i < task->n; i++)
        from[i] = hosts->of[task->from[i]];
    between.num_ranks = hosts->num;
    between.from = from;
    between.slowness = slowness;
    between.background = background;
    between.memory = NULL;
    between.plan = hosts->place;
    return c4pi_lb_refine_to(&between, C4PI_LB_TOLERANCE / 2); /* what is off here stays off */
}

static c4p_status_t
balance_within(hosts_t *hosts, int host)
{
    c4pi_lb_task_t *task = hosts->task, within = *task;
    c4pi_lb_block_t *blocks = NULL; /* its memory can go at its end */
    const uint32_t *rank = hosts->ranks.item + hosts->ranks.first[host];
    const uint32_t *object = hosts->objects.item + hosts->objects.first[host];
    within.num_ranks = (int)(hosts->ranks.first[host + 1] - hosts->ranks.first[host]);
    within.n = hosts->objects.first[host + 1] - hosts->objects.first[host];
    for (int r = 0; r < within.num_ranks; r++) {
        hosts->slowness[r] = task->slowness[rank[r]];
        hosts->background[r] = task->background[rank[r]];
    }
    for (size_t i = 0; i < within.n; i++) {
        int from = task->from[object[i]];
        hosts->load[i] = task->load[object[i]];
        hosts->from[i] = hosts->of[from] == host ? hosts->local[from] : -1;
    }
    within.blocks = &blocks;
    within.load = hosts->load;
    within.from = hosts->from;
    within.slowness = hosts->slowness;
    within.background = hosts->background;
    within.bytes = NULL;
    within.memory = NULL;
    within.plan = hosts->plan;
    c4pi_lb_set_ideal(&within);
    c4p_status_t st = c4pi_lb_greedy_refine(&within);
    for (size_t i = 0; st == C4P_OK && i < within.n; i++)
        task->plan[object[i]] = (int)rank[hosts->plan[i]];
    c4pi_lb_release(&within);
    return st;
}

/* Hosts that have ranks, numbered without gaps in the order of their first ranks. */
static c4p_status_t
number_hosts(hosts_t *hosts)
{
    c4pi_lb_task_t *task = hosts->task;
    const int *node = task->view->node;
    size_t known = node ? (size_t)task->view->num_nodes : 1;
    int *number = c4pi_lb_zeroed(task, known, sizeof(*number)); /* 1 more; 0: not met */
    int *of = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*of));
    if (!number || !of)
        return C4P_ERR_NOMEM;
    for (int r = 0; r < task->num_ranks; r++) {
        int *mine = &number[node ? node[r] : 0];
        if (!*mine)
            *mine = ++hosts->num;
        of[r] = *mine - 1;
    }
    hosts->of = of;
    return C4P_OK;
}

/* hosts->ranks: the ranks of each host; they are the objects of a task of hosts. */
static c4p_status_t
list_ranks(hosts_t *hosts)
{
    c4pi_lb_task_t ranks = *hosts->task;
    ranks.num_ranks = hosts->num;
    ranks.n = (size_t)hosts->task->num_ranks;
    c4p_status_t st = c4pi_lb_lists_new(&ranks, hosts->of, NULL, &hosts->ranks);
    hosts->local = c4pi_lb_new(&ranks, ranks.n, sizeof(*hosts->local));
    if (st != C4P_OK || !hosts->local)
        return C4P_ERR_NOMEM;
    for (int h = 0; h < hosts->num; h++) {
        for (size_t k = hosts->ranks.first[h]; k < hosts->ranks.first[h + 1]; k++)
            hosts->local[hosts->ranks.item[k]] = (int)(k - hosts->ranks.first[h]);
    }
    return C4P_OK;
}

static c4p_status_t
make_room(hosts_t *hosts)
{
    c4pi_lb_task_t *task = hosts->task;
    size_t ranks = (size_t)task->num_ranks;
    hosts->place = c4pi_lb_new(task, task->n, sizeof(*hosts->place));
    hosts->load = c4pi_lb_new(task, task->n, sizeof(*hosts->load));
    hosts->from = c4pi_lb_new(task, task->n, sizeof(*hosts->from));
    hosts->plan = c4pi_lb_new(task, task->n, sizeof(*hosts->plan));
    hosts->slowness = c4pi_lb_new(task, ranks, sizeof(*hosts->slowness));
    hosts->background = c4pi_lb_new(task, ranks, sizeof(*hosts->background));
    bool ok = hosts->place && hosts->load && hosts->from && hosts->plan && hosts->slowness &&
              hosts->background;
    return ok ? C4P_OK : C4P_ERR_NOMEM;
}

c4p_status_t
c4pi_lb_hierarchical(c4pi_lb_task_t *task)
{
    hosts_t hosts = {.task = task};
    c4p_status_t st = number_hosts(&hosts);
    if (st == C4P_OK)
        st = list_ranks(&hosts);
    if (st == C4P_OK)
        st = make_room(&hosts);
    if (st == C4P_OK)
        st = balance_between(&hosts);
    if (st != C4P_OK)
        return st;
    c4pi_lb_task_t per_host = *task;
    per_host.num_ranks = hosts.num;
    st = c4pi_lb_lists_new(&per_host, hosts.place, NULL, &hosts.objects);
    for (int h = 0; st == C4P_OK && h < hosts.num; h++)
        st = balance_within(&hosts, h);
    return st;
}
