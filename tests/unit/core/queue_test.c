/* SPDX-License-Identifier: Apache-2.0 */
/* The ready queue, against a list that is searched for the message that must run next. */
#include "core/queue.h"

#include "base/port_sim.h"
#include "support/prng.h"
#include "support/test.h"

enum { MANY = 600 };

static c4pi_simworld_t world;
static c4pi_msgs_t msgs;
static c4pi_queue_t queue;

static void
start(void)
{
    c4pi_simworld_init(&world, NULL);
    c4pi_port_t *port = c4pi_port_sim_new(&world, 0, 1);
    c4pi_msgs_init(&msgs, port, NULL);
    c4pi_queue_init(&queue, port);
}

static void
finish(void)
{
    c4pi_queue_fini(&queue);
    CHECK_EQ(0, msgs.live);
    c4pi_msgs_fini(&msgs);
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

static c4p_msg_t *
message(int32_t priority, uint64_t number)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs, 0);
    msg->env.priority = priority;
    msg->env.reference = number;
    return msg;
}

static void
push(int32_t priority, uint64_t number)
{
    CHECK_OK(c4pi_queue_push(&queue, message(priority, number)));
}

/* The number of the next message, which is dropped; UINT64_MAX: none. */
static uint64_t
pop(void)
{
    c4p_msg_t *msg = c4pi_queue_pop(&queue);
    uint64_t number = msg ? msg->env.reference : UINT64_MAX;
    if (msg)
        c4pi_msg_drop(msg);
    return number;
}

static void
empty_queue_gives_nothing(void)
{
    start();
    CHECK_EQ(UINT64_MAX, pop());
    CHECK_EQ(0, c4pi_queue_count(&queue));
    finish();
}

static void
priority_zero_is_first_in_first_out(void)
{
    start();
    for (uint64_t i = 0; i < 5; i++)
        push(0, i);
    for (uint64_t i = 0; i < 5; i++)
        CHECK_EQ(i, pop());
    finish();
}

static void
smaller_priorities_leave_first(void)
{
    start();
    push(INT32_MAX, 6);
    push(0, 3);
    push(-1, 2);
    push(INT32_MIN, 0);
    push(1, 4);
    push(INT32_MIN + 1, 1);
    push(2, 5);
    for (uint64_t i = 0; i < 7; i++)
        CHECK_EQ(i, pop());
    finish();
}

static void
equal_priorities_stay_in_order(void)
{
    start();
    for (uint64_t i = 0; i < 20; i++)
        push(i % 2 ? 9 : -9, i);
    for (uint64_t i = 0; i < 20; i += 2)
        CHECK_EQ(i, pop());
    for (uint64_t i = 1; i < 20; i += 2)
        CHECK_EQ(i, pop());
    finish();
}

static void
an_item_put_back_is_the_next_of_priority_zero(void)
{
    start();
    push(0, 2);
    c4pi_queue_push_front(&queue, message(0, 1));
    push(-5, 0);
    CHECK_EQ(3, c4pi_queue_count(&queue));
    for (uint64_t i = 0; i < 3; i++)
        CHECK_EQ(i, pop());
    c4pi_queue_push_front(&queue, message(0, 7)); /* also into an empty lane */
    push(0, 8);
    CHECK_EQ(7, pop());
    CHECK_EQ(8, pop());
    finish();
}

/* Place of the item that must leave first: smallest priority, then oldest. */
static size_t
first_of(const int32_t *priorities, size_t count)
{
    size_t first = 0;
    for (size_t i = 1; i < count; i++)
        if (priorities[i] < priorities[first])
            first = i;
    return first;
}

static void
any_mixture_leaves_by_priority_and_age(void)
{
    static int32_t priorities[MANY];
    static uint64_t numbers[MANY];
    prng_t prng = {5};
    size_t count = 0;
    start();
    for (uint64_t step = 0; step < 5000; step++) {
        if (count < MANY && prng_below(&prng, 100) < 55) {
            priorities[count] = (int32_t)prng_below(&prng, 7) - 3;
            numbers[count++] = step;
            push(priorities[count - 1], step);
        } else if (count > 0) {
            size_t first = first_of(priorities, count);
            CHECK_EQ(numbers[first], pop());
            count--;
            memmove(&priorities[first], &priorities[first + 1], (count - first) * sizeof(int32_t));
            memmove(&numbers[first], &numbers[first + 1], (count - first) * sizeof(uint64_t));
        }
        CHECK_EQ(count, c4pi_queue_count(&queue));
    }
    finish();
}

static void
without_memory_the_message_stays_the_callers(void)
{
    start();
    c4p_msg_t *msg = message(4, 1);
    world.opts.fail_from = world.allocs + 1;
    CHECK_STATUS(C4P_ERR_NOMEM, c4pi_queue_push(&queue, msg));
    CHECK_EQ(0, c4pi_queue_count(&queue));
    world.opts.fail_from = 0;
    CHECK_OK(c4pi_queue_push(&queue, msg));
    CHECK_EQ(1, pop());
    finish();
}

static void
what_is_left_is_dropped_at_the_end(void)
{
    start();
    push(0, 1);
    push(3, 2);
    push(-3, 3);
    finish(); /* checks that no message lives */
}

TEST_CASES(empty_queue_gives_nothing, priority_zero_is_first_in_first_out,
           smaller_priorities_leave_first, equal_priorities_stay_in_order,
           an_item_put_back_is_the_next_of_priority_zero, any_mixture_leaves_by_priority_and_age,
           without_memory_the_message_stays_the_callers, what_is_left_is_dropped_at_the_end)
