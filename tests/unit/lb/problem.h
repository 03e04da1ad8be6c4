/* SPDX-License-Identifier: Apache-2.0 */
/* problem.h: views for tests of balancing strategies, with storage of their own, and figures of
 * plans computed here, apart from the code under test. */
#ifndef C4PT_LB_PROBLEM_H
#define C4PT_LB_PROBLEM_H

#include "lb/lb.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

enum { MAX_OBJECTS = 4096, MAX_RANKS = 300, MAX_EDGES = 4 * MAX_OBJECTS };

typedef struct problem {
    c4p_lb_view_t view;
    double load[MAX_OBJECTS], coords[2 * MAX_OBJECTS];
    int rank[MAX_OBJECTS], plan[MAX_OBJECTS], node[MAX_RANKS];
    uint64_t bytes[MAX_OBJECTS], memory[MAX_RANKS], edge_bytes[MAX_EDGES];
    double speed[MAX_RANKS], background[MAX_RANKS];
    size_t edge_first[MAX_OBJECTS + 1];
    uint32_t edge_to[MAX_EDGES];
} problem_t;

static inline double
unit(prng_t *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1p-53;
}

/* n objects of loads 0 .. 1 on random ranks; nothing else is known. */
static inline void
problem_random(problem_t *p, size_t n, int ranks, uint64_t seed)
{
    prng_t prng = {seed};
    CHECK(n <= MAX_OBJECTS && ranks <= MAX_RANKS);
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < n; i++) {
        p->load[i] = unit(&prng);
        p->rank[i] = (int)prng_below(&prng, (uint64_t)ranks);
        p->plan[i] = -7;
    }
    p->view = (c4p_lb_view_t){.struct_size = sizeof(p->view),
                              .seed = seed,
                              .num_ranks = ranks,
                              .num_nodes = 1,
                              .num_objects = n,
                              .load = p->load,
                              .rank = p->rank};
}

/* A grid of wide * high objects; each talks to its neighbours, 1000 bytes each. Rows on the ranks.
 */
static inline void
problem_grid(problem_t *p, size_t wide, size_t high, int ranks, uint64_t seed)
{
    size_t n = wide * high, at = 0;
    problem_random(p, n, ranks, seed);
    for (size_t i = 0; i < n; i++) {
        size_t x = i % wide, y = i / wide;
        p->rank[i] = (int)(i * (size_t)ranks / n);
        p->coords[2 * i] = (double)x;
        p->coords[2 * i + 1] = (double)y;
        p->edge_first[i] = at;
        if (y > 0)
            p->edge_to[at++] = (uint32_t)(i - wide);
        if (x > 0)
            p->edge_to[at++] = (uint32_t)(i - 1);
        if (x + 1 < wide)
            p->edge_to[at++] = (uint32_t)(i + 1);
        if (y + 1 < high)
            p->edge_to[at++] = (uint32_t)(i + wide);
    }
    p->edge_first[n] = at;
    for (size_t e = 0; e < at; e++)
        p->edge_bytes[e] = 1000;
    p->view.num_coords = 2;
    p->view.coords = p->coords;
    p->view.edge_first = p->edge_first;
    p->view.edge_to = p->edge_to;
    p->view.edge_bytes = p->edge_bytes;
}

/* Sizes of 1 .. 1000 bytes, and room for `factor` times what each rank would have on average. */
static inline void
problem_add_memory(problem_t *p, double factor)
{
    prng_t prng = {99};
    uint64_t sum = 0;
    for (size_t i = 0; i < p->view.num_objects; i++)
        sum += p->bytes[i] = 1 + prng_below(&prng, 1000);
    for (int r = 0; r < p->view.num_ranks; r++)
        p->memory[r] = (uint64_t)(factor * (double)sum / p->view.num_ranks);
    p->view.bytes = p->bytes;
    p->view.memory = p->memory;
}

/* Speeds 0.5 .. 1.5 and some background load. */
static inline void
problem_add_speeds(problem_t *p)
{
    prng_t prng = {98};
    for (int r = 0; r < p->view.num_ranks; r++) {
        p->speed[r] = 0.5 + unit(&prng);
        p->background[r] = 3 * unit(&prng);
    }
    p->view.speed = p->speed;
    p->view.background = p->background;
}

static inline void
problem_add_hosts(problem_t *p, int ranks_per_host)
{
    for (int r = 0; r < p->view.num_ranks; r++)
        p->node[r] = r / ranks_per_host;
    p->view.num_nodes = (p->view.num_ranks + ranks_per_host - 1) / ranks_per_host;
    p->view.node = p->node;
}

/* The time of one rank under a placement, straight from the definition. */
static inline double
rank_time(const problem_t *p, const int *place, int rank)
{
    double work = p->view.background ? p->view.background[rank] : 0;
    for (size_t i = 0; i < p->view.num_objects; i++)
        work += place[i] == rank ? p->load[i] : 0;
    return work / (p->view.speed ? p->view.speed[rank] : 1);
}

static inline double
max_time(const problem_t *p, const int *place)
{
    double most = 0;
    for (int r = 0; r < p->view.num_ranks; r++)
        most = fmax(most, rank_time(p, place, r));
    return most;
}

static inline double
mean_time(const problem_t *p)
{
    double work = 0, speed = 0;
    for (size_t i = 0; i < p->view.num_objects; i++)
        work += p->load[i];
    for (int r = 0; r < p->view.num_ranks; r++) {
        work += p->view.background ? p->view.background[r] : 0;
        speed += p->view.speed ? p->view.speed[r] : 1;
    }
    return work / speed;
}

static inline uint64_t
cut_bytes(const problem_t *p, const int *place)
{
    uint64_t both = 0;
    for (size_t i = 0; i < p->view.num_objects; i++) {
        for (size_t e = p->edge_first[i]; e < p->edge_first[i + 1]; e++)
            both += place[p->edge_to[e]] != place[i] ? p->edge_bytes[e] : 0;
    }
    return both / 2;
}

static inline size_t
num_moved(const problem_t *p)
{
    size_t moved = 0;
    for (size_t i = 0; i < p->view.num_objects; i++)
        moved += p->plan[i] != p->rank[i];
    return moved;
}

/* Run a strategy; each object must have got a rank. */
static inline void
balance(problem_t *p, const char *name)
{
    CHECK_OK(c4p_lb_run(name, &p->view, p->plan));
    for (size_t i = 0; i < p->view.num_objects; i++)
        CHECK(p->plan[i] >= 0 && p->plan[i] < p->view.num_ranks);
}

#endif
