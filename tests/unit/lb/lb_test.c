/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for all strategies: names, refused views, odd sizes, the same plan for the same view,
 * memory. */
#include "unit/lb/problem.h"

static problem_t p, q;
static fail_alloc_t fa;

/* Each name that users of the known systems write, and what they get. */
static void
the_names_of_the_known_systems_are_known(void)
{
    static const char *const names[][2] = {
        {"GreedyLB", "greedy"},
        {"GreedyRefineLB", "greedy-refine"},
        {"greedy_refine", "greedy-refine"},
        {"RefineLB", "refine"},
        {"RefineSwapLB", "refine"},
        {"RandCentLB", "random"},
        {"RotateLB", "rotate"},
        {"DummyLB", "none"},
        {"GreedyCommLB", "comm-refine"},
        {"RefineCommLB", "comm-refine"},
        {"HybridLB", "hierarchical"},
        {"HierarchicalLB", "hierarchical"},
        {"TreeLB", "hierarchical"},
        {"node-first", "hierarchical"},
        {"DistributedLB", "gossip"},
        {"TemperedLB", "gossip"},
        {"GossipLB", "gossip"},
        {"NeighborLB", "diffusion"},
        {"NborLB", "diffusion"},
        {"DiffusionLB", "diffusion"},
        {"OrbLB", "bisection"},
        {"RCB", "bisection"},
        {"SpatialLB", "bisection"},
        {"RecBipartLB", "graph"},
        {"MetisLB", "graph"},
        {"ScotchLB", "graph"},
        {"BlockLB", "block"},
        {"sfc", "hilbert"},
        {"gREEDYlb", "greedy"},
        {"memory-limited", "memory"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK_STR_EQ(names[i][1], c4p_lb_find(names[i][0]));
    CHECK(!c4p_lb_find("gree"));
    CHECK(!c4p_lb_find("greedy refine x"));
    CHECK(!c4p_lb_find("lb"));
    CHECK(!c4p_lb_find(""));
    CHECK(!c4p_lb_find(NULL));
    CHECK(!c4p_lb_find(
        "a name that is much longer than any strategy would ever be called by anyone"));
}

static void
each_strategy_is_found_by_its_name_and_says_what_it_does(void)
{
    const char *name, *what;
    int i = 0;
    for (; c4p_lb_builtin(i, &name, &what); i++) {
        CHECK_STR_EQ(name, c4p_lb_find(name));
        CHECK(strlen(what) > 10);
    }
    CHECK_EQ(15, i);
    CHECK(!c4p_lb_builtin(-1, &name, &what));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_lb_run("no-such", &p.view, p.plan));
}

/* A view with everything that any strategy needs. */
static void
full_problem(problem_t *problem, size_t wide, size_t high, int ranks, uint64_t seed)
{
    problem_grid(problem, wide, high, ranks, seed);
    problem_add_memory(problem, 3);
    problem_add_speeds(problem);
    problem_add_hosts(problem, 3);
}

static void
refused(const char *part_of_why)
{
    const char *why = "";
    c4p_lb_worth_t worth;
    memset(p.plan, 0x55, sizeof(p.plan));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_run("greedy", &p.view, p.plan));
    CHECK_EQ(0x55555555, p.plan[0]);
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_check(NULL, &p.view, &why));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_judge(&p.view, p.plan, &worth));
    CHECK_STR_HAS(part_of_why, why);
    full_problem(&p, 5, 5, 4, 1);
}

static void
views_that_are_not_consistent_are_refused(void)
{
    full_problem(&p, 5, 5, 4, 1);
    p.load[3] = NAN;
    refused("load of an object");
    p.load[3] = -1e-9;
    refused("load of an object");
    p.load[3] = INFINITY;
    refused("not finite");
    p.rank[24] = 4;
    refused("rank of an object");
    p.rank[0] = -1;
    refused("rank of an object");
    p.speed[3] = 0;
    refused("speed");
    p.speed[0] = NAN;
    refused("speed");
    p.background[1] = NAN;
    refused("background");
    p.node[2] = p.view.num_nodes;
    refused("host");
    p.coords[49] = NAN;
    refused("coordinate");
    p.view.num_coords = 17;
    refused("coordinates");
    p.edge_to[7] = 25;
    refused("leads to no object");
    p.edge_bytes[7]++;
    refused("both sides");
    p.edge_to[7] = (p.edge_to[7] + 3) % 25;
    refused("both sides");
    p.edge_first[0] = 1;
    refused("begin at 0");
    p.edge_first[5] = 1000000;
    refused("ascend");
    p.view.num_ranks = 0;
    refused("number of ranks");
    p.view.struct_size = offsetof(c4p_lb_view_t, messages) - 1;
    refused("struct_size");
    p.view.load = NULL;
    refused("no loads");
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_run("greedy", &p.view, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_run("greedy", NULL, p.plan));
    p.view.num_objects = UINT32_MAX;
    CHECK_STATUS(C4P_ERR_LIMIT, c4p_lb_run("greedy", &p.view, p.plan));
}

static void
what_a_strategy_needs_must_be_there(void)
{
    static const char *const needs[][2] = {{"bisection", "coordinates"},
                                           {"hilbert", "coordinates"},
                                           {"comm-refine", "edges"},
                                           {"graph", "edges"},
                                           {"memory", "bytes"}};
    problem_random(&p, 20, 3, 1);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const char *why = "";
        CHECK_STATUS(C4P_ERR_ARG, c4p_lb_run(needs[i][0], &p.view, p.plan));
        CHECK_STATUS(C4P_ERR_ARG, c4p_lb_check(needs[i][0], &p.view, &why));
        CHECK_STR_HAS(needs[i][1], why);
    }
}

static void
run_all(problem_t *problem)
{
    const char *name;
    for (int i = 0; c4p_lb_builtin(i, &name, NULL); i++)
        balance(problem, name);
}

static void
all_strategies_take_odd_sizes(void)
{
    for (int variant = 0; variant < 3; variant++) {
        static const size_t sides[][3] = {
            {1, 1, 1}, {1, 1, 300}, {5, 7, 1}, {3, 3, 100}, {2, 8, 7}};
        for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
            full_problem(&p, sides[i][0], sides[i][1], (int)sides[i][2], i);
            for (int r = 0; r < p.view.num_ranks; r++)
                p.memory[r] = 1000 * 40;
            for (size_t k = 0; variant == 1 && k < p.view.num_objects; k++)
                p.load[k] = 0;
            for (size_t k = 0; variant == 2 && k < 2 * p.view.num_objects; k++)
                p.coords[k] = k % 3 ? 1e308 : -1e308;
            run_all(&p);
        }
    }
    full_problem(&p, 4, 4, 4, 1);
    p.view.num_objects = 0;
    p.edge_first[0] = 0;
    run_all(&p);
    CHECK_OK(c4p_lb_run("greedy", &p.view, NULL));
}

/* Objects that did nothing must not heap up on one rank. */
static void
objects_without_load_are_spread(void)
{
    static const char *const names[] = {"greedy", "block", "bisection", "hilbert"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        int count[10] = {0};
        full_problem(&p, 10, 10, 10, 1);
        p.view.background = NULL;
        p.view.speed = NULL;
        memset(p.load, 0, sizeof(p.load));
        memset(p.rank, 0, sizeof(p.rank));
        balance(&p, names[k]);
        for (size_t i = 0; i < 100; i++)
            count[p.plan[i]]++;
        for (int r = 0; r < 10; r++)
            CHECK_EQ(10, count[r]);
    }
}

/* Also beside others that work: 100 of each kind on 10 ranks. */
static void
idle_objects_are_spread_beside_busy_ones(void)
{
    int count[10] = {0};
    problem_random(&p, 200, 10, 1);
    for (size_t i = 0; i < 200; i++)
        p.load[i] = (double)(i % 2);
    balance(&p, "greedy");
    for (size_t i = 0; i < 200; i += 2)
        CHECK(++count[p.plan[i]] <= 10);
}

static void
the_same_view_gives_the_same_plan(void)
{
    const char *name;
    full_problem(&p, 30, 30, 17, 5);
    full_problem(&q, 30, 30, 17, 5);
    for (int i = 0; c4p_lb_builtin(i, &name, NULL); i++) {
        balance(&p, name);
        balance(&q, name);
        CHECK_MEM_EQ(p.plan, q.plan, 900 * sizeof(int));
    }
    balance(&p, "random");
    q.view.seed++;
    balance(&q, "random");
    CHECK(memcmp(p.plan, q.plan, 900 * sizeof(int)) != 0);
    q.view.seed--;
    q.view.round++;
    balance(&q, "random");
    CHECK(memcmp(p.plan, q.plan, 900 * sizeof(int)) != 0);
}

/* With loads that differ, the order of objects is no reason for anything. */
static void
permuting_the_objects_permutes_the_plan(void)
{
    static const char *const names[] = {"greedy", "greedy-refine", "refine", "rotate", "diffusion"};
    static size_t at[1000];
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        prng_t prng = {7};
        problem_random(&p, 1000, 31, 3);
        problem_random(&q, 1000, 31, 3);
        for (size_t i = 0; i < 1000; i++)
            at[i] = i;
        for (size_t i = 999; i > 0; i--) {
            size_t j = prng_below(&prng, i + 1), was = at[i];
            at[i] = at[j];
            at[j] = was;
        }
        for (size_t i = 0; i < 1000; i++) {
            /* All different, and multiples of 2^-10, so that sums do not depend on their order. */
            p.load[i] = (double)(i * 7919 % 1009 + 1) * 0x1p-10;
            q.load[at[i]] = p.load[i];
            q.rank[at[i]] = p.rank[i];
        }
        balance(&p, names[k]);
        balance(&q, names[k]);
        for (size_t i = 0; i < 1000; i++)
            CHECK_EQ(p.plan[i], q.plan[at[i]]);
    }
}

static void
a_plan_is_judged_by_the_definitions(void)
{
    c4p_lb_worth_t worth;
    full_problem(&p, 20, 20, 13, 2);
    balance(&p, "random");
    CHECK_OK(c4p_lb_judge(&p.view, p.plan, &worth));
    CHECK_NEAR(max_time(&p, p.rank), worth.max_before, 1e-9);
    CHECK_NEAR(max_time(&p, p.plan), worth.max_after, 1e-9);
    CHECK_NEAR(mean_time(&p), worth.mean, 1e-9);
    CHECK_EQ(cut_bytes(&p, p.rank), worth.cut_before);
    CHECK_EQ(cut_bytes(&p, p.plan), worth.cut_after);
    CHECK_EQ(num_moved(&p), worth.moved);
    uint64_t bytes = 0, on_rank[13] = {0}, most = 0;
    for (size_t i = 0; i < 400; i++) {
        bytes += p.plan[i] != p.rank[i] ? p.bytes[i] : 0;
        on_rank[p.plan[i]] += p.bytes[i];
    }
    for (int r = 0; r < 13; r++)
        most = on_rank[r] > most ? on_rank[r] : most;
    CHECK_EQ(bytes, worth.moved_bytes);
    CHECK_EQ(most, worth.most_memory);
    p.plan[399] = 13;
    CHECK_STATUS(C4P_ERR_RANGE, c4p_lb_judge(&p.view, p.plan, &worth));
    CHECK_EQ(most, worth.most_memory);
}

/* Sums of bytes stay at the greatest number. */
static void
bytes_do_not_wrap(void)
{
    c4p_lb_worth_t worth;
    full_problem(&p, 2, 2, 2, 1);
    for (size_t i = 0; i < 4; i++)
        p.bytes[i] = UINT64_MAX / 2 + 1;
    memset(p.rank, 0, sizeof(p.rank));
    balance(&p, "rotate");
    CHECK_OK(c4p_lb_judge(&p.view, p.plan, &worth));
    CHECK_EQ(UINT64_MAX, worth.moved_bytes);
    CHECK_EQ(UINT64_MAX, worth.most_memory);
}

static void
no_memory_is_lost_when_it_is_short(void)
{
    c4pi_port_t *real;
    const c4pi_lb_builtin_t *strategy;
    CHECK_OK(c4pi_port_real_new(NULL, &real));
    full_problem(&p, 12, 12, 7, 4);
    for (size_t i = 0; i < 144; i++)
        p.rank[i] = p.rank[i] / 2;
    problem_add_memory(&p, 1.2);
    for (int s = 0; (strategy = c4pi_lb_builtin(s)); s++) {
        uint64_t n = 1;
        for (; fail_alloc_begin(&fa, real, n); n++) {
            memset(p.plan, 0x55, sizeof(p.plan));
            c4p_status_t st = c4pi_lb_run(&fa.port, strategy, &p.view, p.plan);
            CHECK_STATUS(fail_alloc_hit(&fa) ? C4P_ERR_NOMEM : C4P_OK, st);
            CHECK(st == C4P_OK || p.plan[0] == 0x55555555);
            fail_alloc_end(&fa);
        }
        CHECK(n > 3);
    }
    c4p_lb_worth_t worth = {.moved = 77};
    for (uint64_t n = 1; fail_alloc_begin(&fa, real, n); n++) {
        c4p_status_t st = c4pi_lb_judge(&fa.port, &p.view, p.rank, &worth);
        CHECK_STATUS(fail_alloc_hit(&fa) ? C4P_ERR_NOMEM : C4P_OK, st);
        CHECK_EQ(st == C4P_OK ? 0 : 77, worth.moved);
        fail_alloc_end(&fa);
    }
    c4pi_port_free(real);
}

TEST_CASES(the_names_of_the_known_systems_are_known,
           each_strategy_is_found_by_its_name_and_says_what_it_does,
           views_that_are_not_consistent_are_refused, what_a_strategy_needs_must_be_there,
           all_strategies_take_odd_sizes, objects_without_load_are_spread,
           idle_objects_are_spread_beside_busy_ones, the_same_view_gives_the_same_plan,
           permuting_the_objects_permutes_the_plan, a_plan_is_judged_by_the_definitions,
           bytes_do_not_wrap, no_memory_is_lost_when_it_is_short)
