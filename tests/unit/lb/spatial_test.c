/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies that look at where objects are or whom they talk to: bisection, hilbert, block,
 * comm-refine, graph. */
#include "unit/lb/problem.h"

#include "lb/task.h"

static problem_t p;

/* The least maximum of all cuts of a row, in the order of objects, into pieces for ranks 0, 1, ...
 * (of one speed), by dynamic programming. */
static double
best_cut(const problem_t *problem)
{
    size_t n = problem->view.num_objects;
    static double best[MAX_OBJECTS + 1];
    for (size_t i = 0; i <= n; i++)
        best[i] = i ? INFINITY : 0;
    for (int r = 0; r < problem->view.num_ranks; r++) {
        for (size_t end = n; end > 0; end--) {
            double piece = 0;
            for (size_t begin = end; begin > 0; begin--) {
                piece += problem->load[begin - 1];
                best[end] = fmin(best[end], fmax(best[begin - 1], piece));
            }
        }
    }
    return best[n];
}

static void
block_is_the_best_cut_of_the_order_of_objects(void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        problem_random(&p, 1 + seed, 1 + (int)(seed % 13), seed);
        balance(&p, "block");
        for (size_t i = 1; i < p.view.num_objects; i++)
            CHECK(p.plan[i - 1] <= p.plan[i]);
        CHECK_NEAR(best_cut(&p), max_time(&p, p.plan), 1e-6);
    }
}

/* In one dimension both are pieces of the line. */
static void
pieces_of_a_line_are_contiguous(void)
{
    static const char *const names[] = {"bisection", "hilbert"};
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 1000, 17, 1);
        for (size_t i = 0; i < 1000; i++)
            p.coords[i] = (double)(i * 7919 % 1009) - 500;
        p.view.num_coords = 1;
        p.view.coords = p.coords;
        balance(&p, names[k]);
        for (size_t i = 0; i < 1000; i++) {
            for (size_t j = 0; j < 1000; j++)
                CHECK(p.coords[i] >= p.coords[j] || p.plan[i] <= p.plan[j]);
        }
        CHECK(max_time(&p, p.plan) < 1.05 * mean_time(&p));
    }
}

/* In the plane, with coordinates that all differ: boxes without an object of another rank. */
static void
bisection_makes_boxes(void)
{
    prng_t prng = {5};
    problem_random(&p, 2000, 23, 1);
    for (size_t i = 0; i < 4000; i++)
        p.coords[i] = unit(&prng);
    p.view.num_coords = 2;
    p.view.coords = p.coords;
    balance(&p, "bisection");
    for (int r = 0; r < 23; r++) {
        double low[2] = {1, 1}, high[2] = {0, 0};
        for (size_t i = 0; i < 2000; i++) {
            for (size_t d = 0; p.plan[i] == r && d < 2; d++) {
                low[d] = fmin(low[d], p.coords[2 * i + d]);
                high[d] = fmax(high[d], p.coords[2 * i + d]);
            }
        }
        for (size_t i = 0; i < 2000; i++) {
            const double *at = &p.coords[2 * i];
            CHECK(p.plan[i] == r || at[0] < low[0] || at[0] > high[0] || at[1] < low[1] ||
                  at[1] > high[1]);
        }
    }
    CHECK(max_time(&p, p.plan) < 1.05 * mean_time(&p));
}

/* Neighbours on the curve are neighbours in the plane: on a full grid each rank's objects are
 * connected. */
static void
hilbert_makes_connected_pieces(void)
{
    problem_grid(&p, 32, 32, 19, 1);
    balance(&p, "hilbert");
    static int mark[1024];
    memset(mark, 0, sizeof(mark));
    int pieces = 0;
    for (size_t start = 0; start < 1024; start++) {
        static uint32_t stack[4096];
        size_t depth = 0;
        if (mark[start])
            continue;
        pieces++;
        mark[start] = 1;
        stack[depth++] = (uint32_t)start;
        while (depth) {
            uint32_t i = stack[--depth];
            for (size_t e = p.edge_first[i]; e < p.edge_first[i + 1]; e++) {
                uint32_t j = p.edge_to[e];
                if (!mark[j] && p.plan[j] == p.plan[i]) {
                    mark[j] = 1;
                    stack[depth++] = j;
                }
            }
        }
    }
    CHECK_EQ(19, pieces);
    CHECK(max_time(&p, p.plan) < 1.06 * mean_time(&p));
}

/* Four squares of a 2 x 2 curve: 00, 01, 11, 10 or its mirror image, never a diagonal step; in
 * three dimensions, too. */
static void
steps_on_the_curve_are_short(void)
{
    problem_random(&p, 512, 300, 1);
    for (size_t i = 0; i < 512; i++) {
        p.load[i] = i == 511 ? 1e-9 : 1;
        p.coords[3 * i] = (double)(i % 8);
        p.coords[3 * i + 1] = (double)(i / 8 % 8);
        p.coords[3 * i + 2] = (double)(i / 64);
    }
    p.view.num_coords = 3;
    p.view.coords = p.coords;
    balance(&p, "hilbert"); /* two or one on each rank, in the order of the curve */
    for (size_t i = 0; i < 511; i++) {
        for (size_t j = 0; j < i; j++) {
            double far = 0;
            for (size_t d = 0; d < 3; d++)
                far += fabs(p.coords[3 * i + d] - p.coords[3 * j + d]);
            CHECK(p.plan[i] != p.plan[j] || far <= 2);
        }
    }
}

static void
speeds_and_background_count_in_cuts(void)
{
    static const char *const names[] = {"block", "bisection", "hilbert"};
    for (size_t k = 0; k < 3; k++) {
        problem_grid(&p, 50, 50, 10, 1);
        problem_add_speeds(&p);
        p.speed[3] = 6;
        p.background[7] = 1e4; /* more than its share: gets nothing */
        balance(&p, names[k]);
        for (size_t i = 0; i < 2500; i++)
            CHECK(p.plan[i] != 7);
        p.background[7] = 40;
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) < 1.06 * mean_time(&p));
    }
}

/* Objects that talk are on ranks at random: where they can be together, they come together. */
static void
comm_refine_lowers_the_cut_within_tolerance(void)
{
    problem_grid(&p, 40, 40, 8, 1);
    prng_t prng = {3};
    for (size_t i = 0; i < 1600; i++)
        p.rank[i] = (int)prng_below(&prng, 8);
    balance(&p, "refine");
    double refined = max_time(&p, p.plan);
    balance(&p, "comm-refine");
    CHECK(max_time(&p, p.plan) <= fmax(refined, 1.05 * mean_time(&p)) + 1e-9);
    CHECK(cut_bytes(&p, p.plan) < cut_bytes(&p, p.rank) * 6 / 10);
}

/* Pairs that talk, each on two ranks: they all come together. Between the ranks there is room for
 * one object more. */
static void
pairs_come_together(void)
{
    problem_grid(&p, 2, 500, 10, 1);
    for (size_t e = 0; e < p.edge_first[1000]; e++)
        p.edge_bytes[e] = 1;
    for (size_t i = 0; i < 1000; i++) {
        p.load[i] = 1;
        p.rank[i] = (int)(i % 10);
        for (size_t e = p.edge_first[i]; e < p.edge_first[i + 1]; e++)
            p.edge_bytes[e] = p.edge_to[e] / 2 == i / 2 ? 1000000 : 1;
    }
    balance(&p, "comm-refine");
    size_t apart = 0;
    for (size_t i = 0; i < 1000; i += 2)
        apart += p.plan[i] != p.plan[i + 1];
    CHECK(apart <= 5);
    CHECK(max_time(&p, p.plan) <= 105 + 1e-9);
}

/* With METIS a quarter of a random placement's cut is little; without it comm-refine answers. */
static void
graph_balances_and_lowers_the_cut(void)
{
    problem_grid(&p, 40, 40, 8, 1);
    problem_add_speeds(&p);
    prng_t prng = {3};
    for (size_t i = 0; i < 1600; i++)
        p.rank[i] = (int)prng_below(&prng, 8);
    balance(&p, "graph");
    CHECK(max_time(&p, p.plan) < 1.06 * mean_time(&p));
    CHECK(cut_bytes(&p, p.plan) < cut_bytes(&p, p.rank) * 6 / 10);
    problem_grid(&p, 3, 3, 8, 1); /* too few for METIS */
    balance(&p, "graph");
}

TEST_CASES(block_is_the_best_cut_of_the_order_of_objects, pieces_of_a_line_are_contiguous,
           bisection_makes_boxes, hilbert_makes_connected_pieces, steps_on_the_curve_are_short,
           speeds_and_background_count_in_cuts, comm_refine_lowers_the_cut_within_tolerance,
           pairs_come_together, graph_balances_and_lowers_the_cut)
