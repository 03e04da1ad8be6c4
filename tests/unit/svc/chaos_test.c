/* SPDX-License-Identifier: Apache-2.0 */
/* chaos_test.c: what may stand in C4PY_CHAOS, and what is said of what may not. */
#include "svc/chaos.h"

#include "base/port_sim.h"
#include "support/test.h"

static c4pi_simworld_t world;
static c4p_rt_t rt;

static c4p_status_t
read_text(const char *text)
{
    const c4pi_simworld_opts_t opts = {.log_level = C4P_LOG_ERROR};
    c4pi_simworld_init(&world, &opts);
    memset(&rt, 0, sizeof rt);
    rt.port = c4pi_port_sim_new(&world, 0, 1);
    c4p_status_t st = c4pi_chaos_read(&rt, text);
    CHECK_EQ(st == C4P_OK, world.log == NULL);
    return st;
}

static void
done(void)
{
    c4pi_port_free(rt.port);
    c4pi_simworld_fini(&world);
}

static void
all_keys_are_read(void)
{
    CHECK_OK(
        read_text("seed=0x9f31,queue=random,delay=0.02:500us,migrate=0.01,dropcache=0.05,slowrank="
                  "2:8x,gc=0.01,split=0.2,credit=min,idle=0.1,flush=1,wave=0.00001"));
    CHECK_EQ(0x9f31, rt.chaos.seed);
    CHECK_EQ(C4PI_CHAOS_RANDOM, rt.chaos.queue);
    CHECK_EQ(65536 * 2 / 100, rt.chaos.net.delay);
    CHECK_EQ(500000, rt.chaos.net.delay_ns);
    CHECK_EQ(655, rt.chaos.migrate);
    CHECK_EQ(3276, rt.chaos.forget_cache);
    CHECK_EQ(2, rt.chaos.slow.rank);
    CHECK_EQ(8, rt.chaos.slow.times);
    CHECK_EQ(655, rt.chaos.collect);
    CHECK_EQ(13107, rt.chaos.net.split);
    CHECK(rt.chaos.credit_min);
    CHECK_EQ(6553, rt.chaos.idle);
    CHECK_EQ(65536, rt.chaos.flush_early);
    CHECK_EQ(1, rt.chaos.wave_now); /* not never */
    done();
}

static void
values_have_short_forms(void)
{
    static const char *const queues[] = {"fifo", "random", "lifo", "prio-shuffle", "anyorder"};
    for (int i = 0; i < 5; i++) {
        char text[40];
        snprintf(text, sizeof text, "queue=%s", queues[i]);
        CHECK_OK(read_text(text));
        CHECK_EQ(i, (int)rt.chaos.queue);
        done();
    }
    CHECK_OK(read_text("delay=1,slowrank=10:3"));
    CHECK_EQ(200000, rt.chaos.net.delay_ns);
    CHECK_EQ(10, rt.chaos.slow.rank);
    CHECK_EQ(3, rt.chaos.slow.times);
    done();
}

static void
a_wrong_value_is_refused_with_what_is_allowed(void)
{
    static const char *const wrong[][2] = {
        {"seed=x", "seed takes a number"},
        {"queue=sorted", "queue takes fifo, random, lifo, prio-shuffle or anyorder"},
        {"queue=rando", "queue takes"},
        {"delay=0.1:3h", "delay takes a chance, as 0.01, or 0.01:500us"},
        {"delay=0.1:3hs", "delay takes"},
        {"delay=0.1:", "delay takes"},
        {"delay=0.1:0us", "delay takes"},
        {"delay=0.1:1001ms", "delay takes"},
        {"migrate=1.5", "migrate takes a chance from 0 to 1"},
        {"migrate=-1", "migrate takes"},
        {"dropcache=.", "dropcache takes"},
        {"slowrank=2", "slowrank takes a rank and how many times slower, as 2:8x"},
        {"slowrank=:2x", "slowrank takes"},
        {"slowrank=1:", "slowrank takes"},
        {"slowrank=1:0x", "slowrank takes"},
        {"slowrank=1:1001x", "slowrank takes"},
        {"slowrank=1:2xx", "slowrank takes"},
        {"gc=often", "gc takes a chance"},
        {"split=", "split takes"},
        {"split", "split takes"},
        {"credit=max", "credit takes min"},
        {"idle=1", "idle takes a chance from 0 to 0.99"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[80];
        snprintf(text, sizeof text, "seed=1,%s,flush=0.1", wrong[i][0]);
        CHECK_EQ(C4P_ERR_OPTION, read_text(text));
        CHECK(strstr(world.log, wrong[i][1]) != NULL);
        snprintf(text, sizeof text, "C4PY_CHAOS has '%s'", wrong[i][0]);
        CHECK(strstr(world.log, text) != NULL);
        done();
    }
}

static void
an_unknown_key_is_refused_with_all_that_there_are(void)
{
    CHECK_EQ(C4P_ERR_OPTION, read_text("seed=1,tempo=0.1"));
    CHECK(strstr(world.log,
                 "C4PY_CHAOS has no key 'tempo'; the keys are seed, queue, delay, "
                 "migrate, dropcache, slowrank, gc, split, credit, idle, flush, wave") != NULL);
    done();
    CHECK_EQ(C4P_ERR_OPTION, read_text("migrat=0.1"));
    CHECK(strstr(world.log, "no key 'migrat'; did you mean migrate?") != NULL);
    done();
    CHECK_EQ(C4P_ERR_OPTION, read_text("seed=1,"));
    CHECK(strstr(world.log, "no key ''") != NULL);
    done();
}

TEST_CASES(all_keys_are_read, values_have_short_forms,
           a_wrong_value_is_refused_with_what_is_allowed,
           an_unknown_key_is_refused_with_all_that_there_are)
