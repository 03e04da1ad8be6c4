/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c: graph partitioning by METIS: parts of about the same load with few bytes between them.
 * Parts go to the ranks that have most of them already; refinement then fits them to speeds and
 * background load.
 *
 * Source: G. Karypis and V. Kumar, A fast and high quality multilevel scheme for partitioning
 * irregular graphs, SIAM J. Sci. Comput. 20 (1998). METIS is loaded when it is wanted
 * (libmetis.so.5 with 32-bit indices, as systems install it); the two functions that we use are
 * declared here. Where it is not there, where there are fewer than four objects for each rank,
 * where a few objects are most of the load, or with more edges than 2^31, comm-refine answers. Cost
 * O(edges + P log P), with a large constant. METIS allocates for itself. */
#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "lb/task.h"

/* From metis.h of version 5. */
typedef int32_t metis_int_t;
enum { METIS_OK_STATUS = 1, METIS_NUM_OPTIONS = 40, METIS_SEED = 8, METIS_UFACTOR = 16 };
typedef int (*set_options_fn_t)(metis_int_t *options);
typedef int (*part_fn_t)(metis_int_t *num, metis_int_t *num_weights, metis_int_t *first,
                         metis_int_t *to, metis_int_t *weight, metis_int_t *size,
                         metis_int_t *edge_weight, metis_int_t *num_parts, void *part_weights,
                         void *imbalance, metis_int_t *options, metis_int_t *cut_out,
                         metis_int_t *part_out);

typedef struct metis {
    void *library;
    set_options_fn_t set_options;
    part_fn_t part;
} metis_t;

typedef struct graph {
    metis_int_t *first, *to, *weight, *edge_weight, *part;
} graph_t;

/* METIS built for 64-bit indices writes twice as far. */
static bool
has_short_indices(const metis_t *metis)
{
    metis_int_t options[2 * METIS_NUM_OPTIONS];
    memset(options, 0, sizeof(options));
    metis->set_options(options);
    return options[METIS_NUM_OPTIONS] == 0;
}

static bool
metis_open(metis_t *metis)
{
    metis->library = dlopen("libmetis.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!metis->library)
        return false;
    void *set = dlsym(metis->library, "METIS_SetDefaultOptions");
    void *part = dlsym(metis->library, "METIS_PartGraphKway");
    memcpy(&metis->set_options, &set, sizeof(set)); /* C has no cast from an object to a function */
    memcpy(&metis->part, &part, sizeof(part));
    if (set && part && has_short_indices(metis))
        return true;
    dlclose(metis->library);
    return false;
}

/* A part of 2^29 in proportion, at least 1. */
static metis_int_t
scaled(double value, double sum)
{
    double part = sum > 0 ? value / sum * 0x1p29 : 0;
    return part < 1 ? 1 : (metis_int_t)part;
}

static c4p_status_t
graph_new(c4pi_lb_task_t *task, graph_t *graph)
{
    const c4p_lb_view_t *view = task->view;
    size_t n = task->n, edges = view->edge_first[n], at = 0;
    double load = 0, bytes = 0;
    graph->first = c4pi_lb_new(task, n + 1, sizeof(metis_int_t));
    graph->to = c4pi_lb_new(task, edges, sizeof(metis_int_t));
    graph->weight = c4pi_lb_new(task, n, sizeof(metis_int_t));
    graph->edge_weight = c4pi_lb_new(task, edges, sizeof(metis_int_t));
    graph->part = c4pi_lb_zeroed(task, n, sizeof(metis_int_t));
    if (!graph->first || !graph->to || !graph->weight || !graph->edge_weight || !graph->part)
        return C4P_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        load += task->load[i];
    for (size_t e = 0; e < edges; e++)
        bytes += (double)view->edge_bytes[e];
    for (size_t i = 0; i < n; i++) {
        graph->first[i] = (metis_int_t)at;
        graph->weight[i] = scaled(task->load[i], load);
        for (size_t e = view->edge_first[i]; e < view->edge_first[i + 1]; e++) {
            if (view->edge_to[e] == i)
                continue;
            graph->to[at] = (metis_int_t)view->edge_to[e];
            graph->edge_weight[at++] = scaled((double)view->edge_bytes[e], bytes);
        }
    }
    graph->first[n] = (metis_int_t)at;
    return C4P_OK;
}

static bool
partition(const metis_t *metis, const c4pi_lb_task_t *task, graph_t *graph)
{
    metis_int_t options[METIS_NUM_OPTIONS], cut, one = 1;
    metis_int_t n = (metis_int_t)task->n, parts = task->num_ranks;
    metis->set_options(options);
    options[METIS_SEED] = (metis_int_t)(task->random & 0x7fffffff);
    options[METIS_UFACTOR] = 30; /* thousandths above the mean */
    return metis->part(&n, &one, graph->first, graph->to, graph->weight, NULL, graph->edge_weight,
                       &parts, NULL, NULL, options, &cut, graph->part) == METIS_OK_STATUS;
}

/* ---- which rank gets which part ---------------------------------------------------------------- */

typedef struct overlap {
    int part, rank;
    double load;
} overlap_t;

/* Loads that parts and ranks share; *num_out of them. */
static overlap_t *
overlaps_new(c4pi_lb_task_t *task, const metis_int_t *part, size_t *num_out)
{
    uint64_t *keys = c4pi_lb_new(task, task->n, sizeof(*keys));
    overlap_t *overlaps = c4pi_lb_new(task, task->n, sizeof(*overlaps));
    size_t num = 0;
    if (!keys || !overlaps)
        return NULL;
    for (size_t i = 0; i < task->n; i++)
        keys[i] = (uint64_t)part[i] << 32 | (uint64_t)task->from[i];
    uint32_t *order = c4pi_lb_sort(task, keys, task->n);
    if (!order)
        return NULL;
    for (size_t k = 0; k < task->n; k++) {
        uint32_t i = order[k];
        if (!k || keys[i] != keys[order[k - 1]])
            overlaps[num++] = (overlap_t){part[i], task->from[i], 0};
        overlaps[num - 1].load += task->load[i];
    }
    *num_out = num;
    return overlaps;
}

/* The greatest overlaps first; what is left in order. rank_out[part]. */
static c4p_status_t
match(c4pi_lb_task_t *task, const metis_int_t *part, int *rank_out)
{
    size_t num = 0, ranks = (size_t)task->num_ranks;
    overlap_t *overlaps = overlaps_new(task, part, &num);
    double *loads = c4pi_lb_new(task, num, sizeof(*loads));
    bool *taken = c4pi_lb_zeroed(task, ranks, sizeof(*taken));
    if (!overlaps || !loads || !taken)
        return C4P_ERR_NOMEM;
    c4pi_lb_task_t sorted = *task;
    for (size_t i = 0; i < num; i++)
        loads[i] = overlaps[i].load;
    sorted.load = loads;
    sorted.n = num;
    uint32_t *order = c4pi_lb_heaviest_first(&sorted);
    if (!order)
        return C4P_ERR_NOMEM;
    for (size_t p = 0; p < ranks; p++)
        rank_out[p] = -1;
    for (size_t i = 0; i < num; i++) {
        const overlap_t *overlap = &overlaps[order[i]];
        if (rank_out[overlap->part] < 0 && !taken[overlap->rank]) {
            rank_out[overlap->part] = overlap->rank;
            taken[overlap->rank] = true;
        }
    }
    for (size_t p = 0, r = 0; p < ranks; p++) {
        while (r < ranks && taken[r])
            r++;
        if (rank_out[p] < 0) {
            rank_out[p] = (int)r;
            taken[r] = true;
        }
    }
    return C4P_OK;
}

static c4p_status_t
place_parts(c4pi_lb_task_t *task, const metis_int_t *part)
{
    c4pi_lb_task_t again = *task;
    int *rank_of = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*rank_of));
    int *start = c4pi_lb_new(task, task->n, sizeof(*start));
    if (!rank_of || !start)
        return C4P_ERR_NOMEM;
    c4p_status_t st = match(task, part, rank_of);
    if (st != C4P_OK)
        return st;
    for (size_t i = 0; i < task->n; i++)
        start[i] = rank_of[part[i]];
    again.from = start;
    return c4pi_lb_comm_refine(&again);
}

/* Whether this is a graph that METIS does well with: enough objects for all parts, and not so that
 * a few of them are most of the load. Elsewhere it prints complaints, too. */
static bool
suits(const c4pi_lb_task_t *task)
{
    double load = 0, capped = 0;
    if (task->num_ranks < 2 || task->n / 4 < (size_t)task->num_ranks || task->n >= INT32_MAX ||
        task->view->edge_first[task->n] >= INT32_MAX)
        return false;
    for (size_t i = 0; i < task->n; i++)
        load += task->load[i];
    for (size_t i = 0; i < task->n; i++)
        capped += fmin(task->load[i], load / task->num_ranks);
    return capped > 0.9 * load;
}

c4p_status_t
c4pi_lb_graph(c4pi_lb_task_t *task)
{
    metis_t metis;
    graph_t graph;
    if (!suits(task) || !metis_open(&metis))
        return c4pi_lb_comm_refine(task);
    c4p_status_t st = graph_new(task, &graph);
    bool done = st == C4P_OK && partition(&metis, task, &graph);
    dlclose(metis.library);
    if (st != C4P_OK)
        return st;
    return done ? place_parts(task, graph.part) : c4pi_lb_comm_refine(task);
}
