/* SPDX-License-Identifier: Apache-2.0 */
/* Strategies whose ranks know little: diffusion and gossip. */
#include "unit/lb/problem.h"

static problem_t p;
static const char *const names[] = {"diffusion", "gossip"};

/* All work on a twentieth of the ranks: max/avg near 20 before. */
static void
a_hot_spot_is_levelled(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 4000, 100, 1);
        for (size_t i = 0; i < 4000; i++)
            p.rank[i] %= 5;
        CHECK(max_time(&p, p.rank) > 15 * mean_time(&p));
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) < 1.1 * mean_time(&p));
    }
}

static void
random_loads_are_levelled(void)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (size_t k = 0; k < 2; k++) {
            problem_random(&p, 2000, 60, seed);
            for (size_t i = 0; i < 2000; i++)
                p.load[i] *= p.rank[i] % 4 == 0 ? 3 : 0.5;
            CHECK(max_time(&p, p.rank) > 2 * mean_time(&p));
            balance(&p, names[k]);
            CHECK(max_time(&p, p.plan) < 1.1 * mean_time(&p));
        }
    }
}

static void
slow_and_busy_ranks_get_less(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 4000, 50, 1);
        problem_add_speeds(&p);
        p.speed[3] = 0.1;
        CHECK(max_time(&p, p.rank) > 2 * mean_time(&p));
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) < 1.15 * mean_time(&p));
    }
}

static void
the_maximum_never_rises(void)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        prng_t prng = {seed};
        problem_random(&p, 1 + prng_below(&prng, 60), 1 + (int)prng_below(&prng, 30), seed);
        if (seed % 2)
            problem_add_speeds(&p);
        double before = max_time(&p, p.rank);
        for (size_t k = 0; k < 2; k++) {
            balance(&p, names[k]);
            CHECK(max_time(&p, p.plan) <= before);
        }
    }
}

static void
what_is_balanced_stays(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 1000, 10, 1);
        for (size_t i = 0; i < 1000; i++) {
            p.load[i] = 1 + 0.01 * p.load[i];
            p.rank[i] = (int)(i % 10);
        }
        balance(&p, names[k]);
        CHECK_EQ(0, num_moved(&p));
    }
}

/* Few ranks can take much: eight of ten are twenty times slower, and all work is on one of the
 * others. */
static void
slow_ranks_are_not_flooded(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 4000, 10, 1);
        problem_add_speeds(&p);
        for (int r = 0; r < 10; r++) {
            p.speed[r] = r < 2 ? 1 : 0.05;
            p.background[r] = 0;
        }
        memset(p.rank, 0, sizeof(p.rank));
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) < 1.05 * mean_time(&p));
    }
}

/* Two objects on one rank, one small one on the other: cautious steps alone would stop here. */
static void
an_object_may_make_the_taker_the_busier_one(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 3, 2, 1);
        p.load[0] = p.load[1] = 1;
        p.load[2] = 0.2;
        p.rank[0] = p.rank[1] = 0;
        p.rank[2] = 1;
        balance(&p, names[k]);
        CHECK_NEAR(1.2, max_time(&p, p.plan), 1e-12);
    }
}

/* Work that has to travel: in diffusion a rank knows its neighbours only, yet all of 300 ranks are
 * reached. */
static void
work_reaches_all_ranks(void)
{
    for (size_t k = 0; k < 2; k++) {
        problem_random(&p, 4000, 300, 1);
        memset(p.rank, 0, sizeof(p.rank));
        for (size_t i = 0; i < 4000; i++)
            p.load[i] = 1;
        balance(&p, names[k]);
        CHECK(max_time(&p, p.plan) <= 15); /* 13.3 on average */
    }
}

TEST_CASES(a_hot_spot_is_levelled, random_loads_are_levelled, slow_and_busy_ranks_get_less,
           slow_ranks_are_not_flooded, the_maximum_never_rises, what_is_balanced_stays,
           an_object_may_make_the_taker_the_busier_one, work_reaches_all_ranks)
