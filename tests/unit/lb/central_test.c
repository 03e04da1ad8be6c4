/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies that know everything: rotate, random, greedy, greedy-refine, refine, hierarchical,
 * memory. */
#include "unit/lb/problem.h"

#include "lb/ranks.h"

static problem_t p;

static void
rotate_moves_each_object_to_the_next_rank(void)
{
    problem_random(&p, 500, 9, 1);
    balance(&p, "rotate");
    for (size_t i = 0; i < 500; i++)
        CHECK_EQ((p.rank[i] + 1) % 9, p.plan[i]);
    balance(&p, "none");
    CHECK_EQ(0, num_moved(&p));
}

/* 4000 draws of 10 ranks: 400 +- 20 each; five standard deviations are never exceeded by chance. */
static void
random_uses_all_ranks_alike(void)
{
    int count[10] = {0};
    problem_random(&p, 4000, 10, 1);
    balance(&p, "random");
    for (size_t i = 0; i < 4000; i++)
        count[p.plan[i]]++;
    for (int r = 0; r < 10; r++)
        CHECK(count[r] > 300 && count[r] < 500);
}

/* The least maximum of all placements, by trying them: of objects i.. on top of these times. */
static double
try_all(const problem_t *problem, size_t i, double *work, double best)
{
    if (i == problem->view.num_objects) {
        double most = 0;
        for (int r = 0; r < problem->view.num_ranks; r++)
            most = fmax(most, work[r]);
        return fmin(best, most);
    }
    for (int r = 0; r < problem->view.num_ranks; r++) {
        if (work[r] + problem->load[i] < best) {
            work[r] += problem->load[i];
            best = try_all(problem, i + 1, work, best);
            work[r] -= problem->load[i];
        }
    }
    return best;
}

static void
greedy_keeps_its_bound_to_the_optimum(void)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        double work[4] = {0};
        int ranks = 2 + (int)(seed % 3);
        problem_random(&p, 5 + seed % 6, ranks, seed);
        double best = try_all(&p, 0, work, INFINITY);
        balance(&p, "greedy");
        CHECK(max_time(&p, p.plan) <= best * (4.0 / 3 - 1.0 / (3 * ranks)) + 1e-12);
        double greedy = max_time(&p, p.plan);
        balance(&p, "greedy-refine");
        CHECK(max_time(&p, p.plan) <= greedy * (1 + C4PI_LB_TOLERANCE) + 1e-12);
    }
}

/* Objects that could not stay come last and may find no good place; then less must stay. */
static void
greedy_refine_keeps_its_bound_to_greedy(void)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        prng_t prng = {seed};
        problem_random(&p, 3 + prng_below(&prng, 30), 2 + (int)prng_below(&prng, 6), seed);
        balance(&p, "greedy");
        double greedy = max_time(&p, p.plan);
        balance(&p, "greedy-refine");
        CHECK(max_time(&p, p.plan) <= greedy * (1 + C4PI_LB_TOLERANCE) + 1e-12);
    }
}

/* Graham's example, where the bound is met: 2P + 1 objects of P = 3 ranks, optimum 9, greedy 11. */
static void
greedy_takes_the_heaviest_first(void)
{
    static const double loads[] = {3, 5, 4, 3, 5, 4, 3};
    problem_random(&p, 7, 3, 1);
    memcpy(p.load, loads, sizeof(loads));
    balance(&p, "greedy");
    CHECK_NEAR(11, max_time(&p, p.plan), 1e-12);
}

static void
speeds_and_background_count(void)
{
    static const char *const names[] = {"greedy", "greedy-refine", "refine", "hierarchical"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        problem_random(&p, 3000, 10, 1);
        problem_add_speeds(&p);
        problem_add_hosts(&p, 5);
        p.speed[3] = 6;
        p.background[7] = 40;
        double mean = mean_time(&p);
        CHECK(max_time(&p, p.rank) > 1.5 * mean);
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) < 1.07 * mean);
    }
}

static void
greedy_refine_moves_little(void)
{
    problem_random(&p, 4000, 40, 1);
    balance(&p, "greedy");
    double greedy = max_time(&p, p.plan);
    CHECK(num_moved(&p) > 3800);
    balance(&p, "greedy-refine");
    CHECK(num_moved(&p) < 1000); /* loads of ranks differ by about 10 % at first */
    CHECK(max_time(&p, p.plan) <= greedy * (1 + C4PI_LB_TOLERANCE) + 1e-12);
    memcpy(p.rank, p.plan, sizeof(p.rank));
    balance(&p, "greedy-refine");
    CHECK_EQ(0, num_moved(&p));
}

/* Whatever the view, never worse. */
static void
refine_never_raises_the_maximum(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        prng_t prng = {seed};
        problem_random(&p, 1 + prng_below(&prng, 100), 1 + (int)prng_below(&prng, 20), seed);
        if (seed % 2)
            problem_add_speeds(&p);
        double before = max_time(&p, p.rank);
        balance(&p, "refine");
        CHECK(max_time(&p, p.plan) <= before);
    }
}

/* Where objects are small, only what is overloaded loses any. */
static void
refine_moves_nothing_from_ranks_within_tolerance(void)
{
    problem_random(&p, 4000, 20, 1);
    balance(&p, "refine");
    CHECK(num_moved(&p) > 0);
    for (size_t i = 0; i < 4000; i++)
        CHECK(p.plan[i] == p.rank[i] ||
              rank_time(&p, p.rank, p.rank[i]) > (1 + C4PI_LB_TOLERANCE) * mean_time(&p));
}

/* Three to eight objects a rank, half of them on few ranks: nearly as good as starting anew, on
 * average, with fewer moves. */
static void
refine_is_good_with_few_objects(void)
{
    double refined = 0, anew = 0;
    size_t moved = 0, objects = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        prng_t prng = {seed};
        int ranks = 5 + (int)prng_below(&prng, 60);
        problem_random(&p, (size_t)ranks * (3 + prng_below(&prng, 6)), ranks, seed);
        for (size_t i = 0; i < p.view.num_objects; i += 2) {
            p.rank[i] %= (ranks + 3) / 4;
            p.load[i] *= 3;
        }
        balance(&p, "greedy");
        anew += max_time(&p, p.plan) / mean_time(&p);
        balance(&p, "refine");
        refined += max_time(&p, p.plan) / mean_time(&p);
        moved += num_moved(&p);
        objects += p.view.num_objects;
    }
    CHECK(refined < 1.05 * anew);
    CHECK(moved < objects * 6 / 10);
}

/* 20 ranks with 50 objects of load 1; rank 4 has 10 more. 3 % above the mean of 50.5 is 52.0, so 8
 * must go. */
static void
refine_moves_no_more_than_it_must(void)
{
    problem_random(&p, 1010, 20, 1);
    for (size_t i = 0; i < 1010; i++) {
        p.load[i] = 1;
        p.rank[i] = i < 1000 ? (int)(i % 20) : 4;
    }
    balance(&p, "refine");
    CHECK_EQ(8, num_moved(&p));
    CHECK_NEAR(52, max_time(&p, p.plan), 1e-9);
}

/* Rank 0 has 11 where 10.01 is allowed, rank 1 has room for 3: the object of 1 suffices, not that
 * of 3, nor ten of 0.1. */
static void
refine_takes_the_smallest_object_that_suffices(void)
{
    problem_random(&p, 934, 10, 1);
    for (size_t i = 0; i < 934; i++) {
        p.load[i] = i == 0 ? 1 : i == 1 ? 3 : 0.1;
        p.rank[i] = i < 72 ? 0 : i < 142 ? 1 : 2 + (int)(i % 8);
    }
    balance(&p, "refine");
    CHECK_EQ(1, num_moved(&p));
    CHECK_EQ(1, p.plan[0]);
}

/* Work moves between hosts only from those that have too much. */
static void
hierarchical_keeps_objects_on_their_hosts(void)
{
    problem_random(&p, 4000, 40, 2);
    problem_add_hosts(&p, 8);
    for (size_t i = 0; i < 4000; i++)
        p.rank[i] = (int)(i % 8 == 0 ? 0 : i % 40); /* the first host has nearly a third */
    balance(&p, "hierarchical");
    CHECK(max_time(&p, p.plan) < 1.1 * mean_time(&p));
    size_t left = 0, left_others = 0;
    for (size_t i = 0; i < 4000; i++) {
        left += p.node[p.plan[i]] != p.node[p.rank[i]];
        left_others += p.node[p.plan[i]] != p.node[p.rank[i]] && p.node[p.rank[i]] != 0;
    }
    CHECK_EQ(0, left_others);
    CHECK(left > 100 && left < 800);
}

/* Hosts whose ranks are not neighbours, one without any rank, and objects that change host. */
static void
hierarchical_takes_any_numbering_of_hosts(void)
{
    problem_random(&p, 2000, 30, 3);
    for (int r = 0; r < 30; r++)
        p.node[r] = 2 * (r % 3) + 1;
    p.view.node = p.node;
    p.view.num_nodes = 7;
    for (size_t i = 0; i < 2000; i++)
        p.rank[i] = 3 * (p.rank[i] / 3);
    balance(&p, "hierarchical");
    CHECK(max_time(&p, p.plan) < 1.1 * mean_time(&p));
}

static bool
keeps_memory(const problem_t *problem, const int *place)
{
    uint64_t used[MAX_RANKS] = {0};
    for (size_t i = 0; i < problem->view.num_objects; i++)
        used[place[i]] += problem->bytes[i];
    for (int r = 0; r < problem->view.num_ranks; r++) {
        if (used[r] > problem->memory[r])
            return false;
    }
    return true;
}

/* A placement within the limits exists because there is one now, however tight. */
static void
memory_limits_are_kept_when_they_are_kept_now(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        prng_t prng = {seed};
        int ranks = 1 + (int)prng_below(&prng, 10);
        problem_random(&p, 1 + prng_below(&prng, 60), ranks, seed);
        problem_add_memory(&p, 1);
        memset(p.memory, 0, sizeof(p.memory));
        for (size_t i = 0; i < p.view.num_objects; i++)
            p.memory[p.rank[i]] += p.bytes[i];
        p.memory[0] += prng_below(&prng, 500);
        CHECK(keeps_memory(&p, p.rank));
        balance(&p, "memory");
        CHECK(keeps_memory(&p, p.plan));
    }
}

/* 300 objects in bins with 10 % to spare, now all on rank 0: largest first surely finds a way. */
static void
memory_limits_are_met_when_they_are_not_kept_now(void)
{
    problem_random(&p, 300, 10, 1);
    problem_add_memory(&p, 1.1);
    memset(p.rank, 0, sizeof(p.rank));
    balance(&p, "memory");
    CHECK(keeps_memory(&p, p.plan));
    CHECK(max_time(&p, p.plan) < 1.3 * mean_time(&p));
}

/* Ten ranks of 1000 bytes, 6 objects of 600 without load, 18 of 330 with load 1. By load two of
 * these go to each of eight ranks, and four large ones find no room; by size all do. */
static void
memory_limits_are_met_by_size_where_load_misleads(void)
{
    problem_random(&p, 24, 10, 1);
    problem_add_memory(&p, 1);
    for (size_t i = 0; i < 24; i++) {
        p.bytes[i] = i < 6 ? 600 : 330;
        p.load[i] = i < 6 ? 0 : 1;
        p.rank[i] = 0;
    }
    for (int r = 0; r < 10; r++)
        p.memory[r] = 1000;
    balance(&p, "memory");
    CHECK(keeps_memory(&p, p.plan));
}

static void
memory_balances_as_well_as_greedy_refine_where_there_is_room(void)
{
    problem_random(&p, 2000, 20, 1);
    memset(p.rank, 0, sizeof(p.rank));
    problem_add_memory(&p, 2);
    balance(&p, "memory");
    CHECK(keeps_memory(&p, p.plan));
    CHECK(max_time(&p, p.plan) < 1.05 * mean_time(&p));
}

static void
memory_that_cannot_suffice_is_said(void)
{
    problem_random(&p, 50, 5, 1);
    problem_add_memory(&p, 0.9);
    memset(p.plan, 0x55, sizeof(p.plan));
    CHECK_STATUS(C4P_ERR_LIMIT, c4p_lb_run("memory", &p.view, p.plan));
    CHECK_EQ(0x55555555, p.plan[0]);
}

/* The tournament against a look at all ranks. */
static void
the_earliest_rank_is_found(void)
{
    for (int variant = 0; variant < 4; variant++) {
        c4pi_lb_block_t *blocks = NULL;
        uint64_t least = 10;
        c4pi_lb_task_t task = {.blocks = &blocks, .num_ranks = 37, .bytes = &least, .n = 1};
        double slowness[37], background[37] = {0}, time[37];
        uint64_t memory[37], room[37];
        prng_t prng = {(uint64_t)variant};
        c4pi_lb_ranks_t ranks;
        CHECK_OK(c4pi_port_real_new(NULL, &task.port));
        for (int r = 0; r < 37; r++) {
            slowness[r] = variant & 1 ? 0.5 + unit(&prng) : 1;
            memory[r] = room[r] = variant & 2 ? prng_below(&prng, 5000) : UINT64_MAX;
            time[r] = 0;
        }
        task.slowness = slowness;
        task.background = background;
        task.memory = variant & 2 ? memory : NULL;
        CHECK_OK(c4pi_lb_ranks_new(&task, NULL, &ranks));
        for (int step = 0; step < 2000; step++) {
            double load = unit(&prng), end = INFINITY;
            uint64_t bytes = variant & 2 ? least + prng_below(&prng, 200) : 0;
            int best = c4pi_lb_ranks_best(&ranks, load, bytes);
            for (int r = 0; r < 37; r++) {
                if (room[r] >= bytes)
                    end = fmin(end, time[r] + load * slowness[r]);
            }
            if (end == INFINITY) {
                CHECK_EQ(-1, best);
                continue;
            }
            CHECK_NEAR(end, time[best] + load * slowness[best], 1e-9);
            CHECK(room[best] >= bytes);
            time[best] += load * slowness[best];
            room[best] -= variant & 2 ? bytes : 0;
            c4pi_lb_ranks_add(&ranks, best, load, bytes);
        }
        c4pi_lb_release(&task);
        c4pi_port_free(task.port);
    }
}

TEST_CASES(rotate_moves_each_object_to_the_next_rank, random_uses_all_ranks_alike,
           greedy_keeps_its_bound_to_the_optimum, greedy_refine_keeps_its_bound_to_greedy,
           greedy_takes_the_heaviest_first, speeds_and_background_count, greedy_refine_moves_little,
           refine_never_raises_the_maximum, refine_moves_nothing_from_ranks_within_tolerance,
           refine_is_good_with_few_objects, refine_moves_no_more_than_it_must,
           refine_takes_the_smallest_object_that_suffices,
           hierarchical_keeps_objects_on_their_hosts, hierarchical_takes_any_numbering_of_hosts,
           memory_limits_are_kept_when_they_are_kept_now,
           memory_limits_are_met_when_they_are_not_kept_now,
           memory_limits_are_met_by_size_where_load_misleads,
           memory_balances_as_well_as_greedy_refine_where_there_is_room,
           memory_that_cannot_suffice_is_said, the_earliest_rank_is_found)
