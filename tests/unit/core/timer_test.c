/* SPDX-License-Identifier: Apache-2.0 */
/* Timers, in simulated time. */
#include "core/pump.h"

#include "unit/core/core_world.h"

static core_world_t w;
static char order[100];

static void
note(c4p_rt_t *rt, void *ctx)
{
    size_t len = strlen(order);
    (void)rt;
    if (len + 1 < sizeof order) {
        order[len] = (char)(uintptr_t)ctx;
        order[len + 1] = 0;
    }
}

static void
start(void)
{
    core_world_begin(&w, 0, 1, 10, 0);
    order[0] = 0;
}

static uint64_t
add(uint64_t delay_ns, bool internal, char name)
{
    uint64_t id;
    CHECK_OK(c4pi_timer_add(w.rt, delay_ns, internal, note, (void *)(uintptr_t)name, &id));
    return id;
}

static uint32_t
fire_after(uint64_t ns)
{
    w.sim.now_ns += ns;
    return c4pi_timers_fire(w.rt);
}

static void
timers_fire_when_due_and_in_that_order(void)
{
    start();
    add(3000000, false, 'c');
    add(1000000, false, 'a');
    add(2000000, false, 'b');
    CHECK_EQ(0, fire_after(500000));
    CHECK_EQ(1, fire_after(500000));
    CHECK_STR_EQ("a", order);
    CHECK_EQ(2, fire_after(5000000));
    CHECK_STR_EQ("abc", order);
    CHECK_EQ(0, fire_after(5000000));
    core_world_end(&w);
}

static void
a_timer_never_fires_early(void)
{
    start();
    uint64_t before = w.sim.now_ns;
    add(1000000, false, 'a');
    while (!order[0]) {
        CHECK_EQ(0, strlen(order));
        (void)fire_after(10);
    }
    CHECK(w.sim.now_ns - before >= 1000000);
    core_world_end(&w);
}

static void
a_cancelled_timer_does_not_fire(void)
{
    start();
    uint64_t id = add(10, false, 'x');
    CHECK(c4pi_timer_cancel(w.rt, id));
    CHECK(!c4pi_timer_cancel(w.rt, id));
    CHECK_EQ(0, c4pi_timers_pending(w.rt));
    CHECK_EQ(0, fire_after(1000));
    uint64_t fired = add(10, false, 'y');
    CHECK_EQ(1, fire_after(1000));
    CHECK(!c4pi_timer_cancel(w.rt, fired));
    CHECK_STR_EQ("y", order);
    core_world_end(&w);
}

static void
only_the_users_timers_can_wake_somebody(void)
{
    start();
    add(10, true, 'i');
    add(10, false, 'u');
    CHECK_EQ(1, c4pi_timers_pending(w.rt));
    CHECK_EQ(2, fire_after(100));
    CHECK_EQ(0, c4pi_timers_pending(w.rt));
    CHECK_EQ(UINT64_MAX, c4pi_timers_next(w.rt));
    core_world_end(&w);
}

static void
after_exit_only_internal_timers_fire(void)
{
    start();
    add(10, false, 'u');
    add(20, true, 'i');
    w.rt->phase = C4PI_PHASE_EXITING;
    CHECK_EQ(1, fire_after(100));
    CHECK_STR_EQ("i", order);
    core_world_end(&w);
}

static void
once_more(c4p_rt_t *rt, void *ctx)
{
    int *left = ctx;
    if (--*left > 0)
        CHECK_OK(c4pi_timer_add(rt, 50, false, once_more, left, NULL));
}

static void
a_timer_may_set_another(void)
{
    int left = 3;
    start();
    CHECK_OK(c4pi_timer_add(w.rt, 0, false, once_more, &left, NULL));
    for (int i = 0; i < 10 && left; i++)
        (void)fire_after(100);
    CHECK_EQ(0, left);
    CHECK_EQ(0, c4pi_timers_pending(w.rt));
    core_world_end(&w);
}

static void
many_timers_may_wait(void)
{
    start();
    for (uint64_t i = 0; i < 5000; i++)
        CHECK_OK(c4pi_timer_add(w.rt, 1000000 + i * 7919 % 5000, false, note, NULL, NULL));
    CHECK_EQ(5000, c4pi_timers_pending(w.rt));
    CHECK_EQ(5000, fire_after(10000000));
    core_world_end(&w);
}

static void
a_timer_that_finds_no_memory_is_not_set(void)
{
    for (uint64_t n = 1;; n++) {
        start();
        w.sim.opts.fail_alloc = w.sim.allocs + n;
        c4p_status_t st = c4pi_timer_add(w.rt, 10, false, note, NULL, NULL);
        if (st == C4P_OK) {
            core_world_end(&w);
            CHECK(n > 1);
            return;
        }
        CHECK_STATUS(C4P_ERR_NOMEM, st);
        CHECK_EQ(0, c4pi_timers_pending(w.rt));
        CHECK_EQ(0, fire_after(100));
        core_world_end(&w);
    }
}

TEST_CASES(timers_fire_when_due_and_in_that_order, a_timer_never_fires_early,
           a_cancelled_timer_does_not_fire, only_the_users_timers_can_wake_somebody,
           after_exit_only_internal_timers_fire, a_timer_may_set_another, many_timers_may_wait,
           a_timer_that_finds_no_memory_is_not_set)
