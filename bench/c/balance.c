/* SPDX-License-Identifier: Apache-2.0 */
/* balance.c: all built-in balancing strategies on a grid of objects with a hot spot: time, quality,
 * moves and cut, as a table for docs/load-balancing.md. One process. Usage: bench_balance [most
 * objects [strategy]]. */
#include <c4p/c4p.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct size {
    size_t wide, high;
    int ranks, ranks_per_host;
} size_case_t;

/* Storage of one view. */
typedef struct grid {
    c4p_lb_view_t view;
    int *node, *rank, *plan;
    double *load, *coords;
    uint64_t *bytes, *memory, *edge_bytes;
    size_t *edge_first;
    uint32_t *edge_to;
} grid_t;

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double
random_unit(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void *
need(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) {
        fprintf(stderr, "bench_balance: out of memory\n");
        exit(71);
    }
    return p;
}

/* Loads from 0.5 to 1.5 ms, up to 12 times that around a point; equal pieces of rows on the ranks.
 */
static void
fill_objects(grid_t *grid, const size_case_t *size)
{
    uint64_t state = 1;
    size_t n = size->wide * size->high;
    for (size_t i = 0; i < n; i++) {
        double x = (double)(i % size->wide), y = (double)(i / size->wide);
        double dx = x / (double)size->wide - 0.3, dy = y / (double)size->high - 0.6;
        grid->coords[2 * i] = x;
        grid->coords[2 * i + 1] = y;
        grid->load[i] =
            1e-3 * (0.5 + random_unit(&state)) * (1 + 11 * exp(-80 * (dx * dx + dy * dy)));
        grid->bytes[i] = 5000 + (uint64_t)(10000 * random_unit(&state));
        grid->rank[i] = (int)(i * (size_t)size->ranks / n);
    }
    for (int r = 0; r < size->ranks; r++) {
        grid->node[r] = r / size->ranks_per_host;
        grid->memory[r] = 2 * n / (size_t)size->ranks * 10000;
    }
}

/* Each object talks to its four neighbours. */
static void
fill_edges(grid_t *grid, const size_case_t *size)
{
    size_t n = size->wide * size->high, at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t x = i % size->wide, y = i / size->wide;
        grid->edge_first[i] = at;
        if (y > 0)
            grid->edge_to[at++] = (uint32_t)(i - size->wide);
        if (x > 0)
            grid->edge_to[at++] = (uint32_t)(i - 1);
        if (x + 1 < size->wide)
            grid->edge_to[at++] = (uint32_t)(i + 1);
        if (y + 1 < size->high)
            grid->edge_to[at++] = (uint32_t)(i + size->wide);
    }
    grid->edge_first[n] = at;
    for (size_t e = 0; e < at; e++)
        grid->edge_bytes[e] = 8000;
}

static void
grid_new(grid_t *grid, const size_case_t *size)
{
    size_t n = size->wide * size->high, ranks = (size_t)size->ranks;
    grid->node = need(ranks, sizeof(int));
    grid->memory = need(ranks, sizeof(uint64_t));
    grid->rank = need(n, sizeof(int));
    grid->plan = need(n, sizeof(int));
    grid->load = need(n, sizeof(double));
    grid->coords = need(n, 2 * sizeof(double));
    grid->bytes = need(n, sizeof(uint64_t));
    grid->edge_first = need(n + 1, sizeof(size_t));
    grid->edge_to = need(n, 4 * sizeof(uint32_t));
    grid->edge_bytes = need(n, 4 * sizeof(uint64_t));
    fill_objects(grid, size);
    fill_edges(grid, size);
    grid->view = (c4p_lb_view_t){.struct_size = sizeof(c4p_lb_view_t),
                                 .seed = 1,
                                 .num_ranks = size->ranks,
                                 .num_nodes = (size->ranks - 1) / size->ranks_per_host + 1,
                                 .node = grid->node,
                                 .memory = grid->memory,
                                 .num_objects = n,
                                 .load = grid->load,
                                 .rank = grid->rank,
                                 .bytes = grid->bytes,
                                 .num_coords = 2,
                                 .coords = grid->coords,
                                 .edge_first = grid->edge_first,
                                 .edge_to = grid->edge_to,
                                 .edge_bytes = grid->edge_bytes};
}

static void
grid_free(grid_t *grid)
{
    void *all[] = {grid->node,   grid->memory, grid->rank,       grid->plan,    grid->load,
                   grid->coords, grid->bytes,  grid->edge_first, grid->edge_to, grid->edge_bytes};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static int
measure(grid_t *grid, const char *name)
{
    c4p_lb_worth_t worth;
    double start = seconds();
    c4p_status_t st = c4p_lb_run(name, &grid->view, grid->plan);
    double took = seconds() - start;
    if (st == C4P_OK)
        st = c4p_lb_judge(&grid->view, grid->plan, &worth);
    if (st != C4P_OK) {
        fprintf(stderr, "bench_balance: %s: %s\n", name, c4p_strerror(st));
        return 1;
    }
    double all = 8000.0 / 2 * (double)grid->view.edge_first[grid->view.num_objects];
    printf("| %s | %.*f ms | %.3f | %.1f %% | %.1f %% |\n", name, took < 0.01 ? 2 : 0, 1e3 * took,
           worth.max_after / worth.mean,
           100.0 * (double)worth.moved / (double)grid->view.num_objects,
           100.0 * (double)worth.cut_after / all);
    fflush(stdout);
    return 0;
}

static int
table(const size_case_t *size, const char *only)
{
    grid_t grid;
    c4p_lb_worth_t worth;
    const char *name;
    int failed = 0;
    grid_new(&grid, size);
    if (c4p_lb_judge(&grid.view, grid.rank, &worth) != C4P_OK)
        return 1;
    double all = 8000.0 / 2 * (double)grid.view.edge_first[grid.view.num_objects];
    printf("\n%zu objects on %d ranks; before: max/avg %.3f, cut %.1f %%\n\n",
           grid.view.num_objects, size->ranks, worth.max_before / worth.mean,
           100.0 * (double)worth.cut_before / all);
    printf("| strategy | time | max/avg | moved | cut |\n|---|--:|--:|--:|--:|\n");
    for (int i = 0; c4p_lb_builtin(i, &name, NULL); i++) {
        if (!only || strcmp(only, name) == 0)
            failed |= measure(&grid, name);
    }
    grid_free(&grid);
    return failed;
}

int
main(int argc, char **argv)
{
    static const size_case_t sizes[] = {
        {40, 25, 8, 4}, {400, 250, 1000, 64}, {1000, 1000, 10000, 64}};
    double most = argc > 1 ? atof(argv[1]) : 1e6;
    const char *only = argc > 2 ? c4p_lb_find(argv[2]) : NULL;
    int failed = 0;
    if (!(most >= 1000) || (argc > 2 && !only)) {
        fprintf(stderr, "usage: bench_balance [most objects, 1000 or more [strategy]]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if ((double)(sizes[i].wide * sizes[i].high) <= most)
            failed |= table(&sizes[i], only);
    }
    return failed;
}
