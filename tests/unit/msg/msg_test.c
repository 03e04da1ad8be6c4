/* SPDX-License-Identifier: Apache-2.0 */
/* Message buffers: classes, owners, segments, objects. */
#include "msg/msg.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

static fail_alloc_t fa;
static c4pi_msgs_t msgs;

static c4pi_port_t *
real_port(void)
{
    static c4pi_port_t *port;
    if (!port)
        CHECK_OK(c4pi_port_real_new(NULL, &port));
    return port;
}

static void
start(void)
{
    CHECK(fail_alloc_begin(&fa, real_port(), 1));
    fa.fail_at = 0;
    c4pi_msgs_init(&msgs, &fa.port, NULL);
}

static void
finish(void)
{
    CHECK_EQ(0, msgs.live);
    CHECK_EQ(0, msgs.extras.in_use);
    c4pi_msgs_fini(&msgs);
    fail_alloc_end(&fa);
}

static c4p_msg_t *
make(size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs, len);
    CHECK(msg != NULL);
    return msg;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void
a_new_message_is_blank_but_for_its_length(void)
{
    static const size_t lens[] = {0, 8, 500, 4032, 4033, 100000};
    start();
    for (int i = 0; i < 6; i++) {
        for (int round = 0; round < 2; round++) { /* the second time in a used block */
            c4p_msg_t *msg = make(lens[i]);
            c4pi_env_t blank = {.len = lens[i]};
            CHECK_MEM_EQ(&blank, &msg->env, sizeof(blank));
            CHECK_EQ(1, msg->refs);
            CHECK(!msg->next && !msg->where && !msg->peer && !msg->object && !msg->extra);
            CHECK_EQ(lens[i], c4p_msg_len(msg));
            memset(&msg->env, 0xff, sizeof(msg->env));
            memset(c4p_msg_data(msg), 0xff, lens[i]);
            msg->where = msg;
            c4pi_msg_drop(msg);
        }
    }
    finish();
}

static void
envelope_and_payload_are_aligned_and_adjacent(void)
{
    start();
    for (size_t len = 0; len < 20000; len += 61) {
        c4p_msg_t *msg = make(len);
        CHECK_EQ(0, (uintptr_t)c4p_msg_data(msg) % C4P_MSG_ALIGN);
        CHECK_EQ((char *)&msg->env + 64, c4p_msg_data(msg));
        c4p_msg_free(msg);
    }
    finish();
}

static void
each_length_has_the_smallest_class_that_holds_it(void)
{
    start();
    for (size_t len = 0; len <= 5000; len++) {
        c4p_msg_t *msg = make(len);
        int expected = 0;
        while (expected < C4PI_MSG_CLASSES && ((size_t)128 << expected) < len + 64)
            expected++;
        CHECK_EQ(expected < C4PI_MSG_CLASSES ? expected : C4PI_MSG_CLS_CACHE, msg->cls);
        memset(c4p_msg_data(msg), 1, len);
        c4p_msg_free(msg);
    }
    finish();
}

static void
messages_do_not_overlap(void)
{
    enum { COUNT = 1000 };
    static c4p_msg_t *all[COUNT];
    static size_t lens[COUNT];
    prng_t prng = {3};
    start();
    for (int i = 0; i < COUNT; i++) {
        lens[i] = (size_t)prng_below(&prng, i % 10 ? 5000 : 60000);
        all[i] = make(lens[i]);
        memset(c4p_msg_data(all[i]), i & 0xff, lens[i]);
        c4p_msg_set_tag(all[i], (uint32_t)i);
    }
    CHECK_EQ(COUNT, msgs.live);
    for (int i = 0; i < COUNT; i++) {
        const unsigned char *data = c4p_msg_data(all[i]);
        CHECK_EQ(i, c4p_msg_tag(all[i]));
        for (size_t b = 0; b < lens[i]; b++)
            CHECK_EQ(i & 0xff, data[b]);
        c4p_msg_free(all[i]);
    }
    finish();
}

static void
steady_traffic_takes_no_memory(void)
{
    static const size_t lens[] = {8, 200, 1000, 4000, 50000, 3000000};
    c4p_msg_t *window[6];
    uint64_t taken = 0;
    start();
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 6; i++)
            window[i] = make(lens[i]);
        for (int i = 0; i < 6; i++)
            c4p_msg_free(window[i]);
        taken = round == 0 ? fa.count : taken;
    }
    CHECK_EQ(taken, fa.count);
    finish();
}

static void
a_length_that_cannot_be_is_refused(void)
{
    start();
    CHECK_EQ(NULL, c4pi_msg_alloc(&msgs, SIZE_MAX));
    CHECK_EQ(NULL, c4pi_msg_alloc(&msgs, SIZE_MAX - 128));
    finish();
}

/* ---- owners ---------------------------------------------------------------------------------- */

static void
the_last_owner_frees(void)
{
    start();
    c4p_msg_t *msg = make(10);
    c4p_msg_keep(msg);
    c4p_msg_keep(msg);
    c4p_msg_free(msg);
    c4p_msg_free(msg);
    CHECK_EQ(1, msgs.live);
    c4p_msg_free(msg);
    CHECK_EQ(0, msgs.live);
    c4p_msg_free(NULL);
    finish();
}

static void
a_fifo_keeps_the_order(void)
{
    c4pi_fifo_t fifo = {0};
    start();
    CHECK_EQ(NULL, c4pi_fifo_pop(&fifo));
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 10; i++) {
            c4p_msg_t *msg = make(0);
            msg->env.tag = i;
            c4pi_fifo_push(&fifo, msg);
        }
        CHECK_EQ(10, fifo.count);
        for (uint32_t i = 0; i < 10; i++) {
            c4p_msg_t *msg = c4pi_fifo_pop(&fifo);
            CHECK_EQ(i, msg->env.tag);
            CHECK_EQ(NULL, msg->next);
            c4pi_msg_drop(msg);
        }
        CHECK_EQ(NULL, c4pi_fifo_pop(&fifo));
        CHECK_EQ(0, fifo.count);
    }
    finish();
}

static void
note_taken(void *ctx, c4p_msg_t *msg)
{
    *(uint64_t *)ctx += 64 + msg->env.len;
    CHECK_EQ(&fa, msg->peer);
}

static void
who_must_be_credited_hears_of_the_end_once(void)
{
    uint64_t credited = 0;
    start();
    msgs.taken = note_taken;
    msgs.taken_ctx = &credited;
    c4p_msg_t *msg = make(36);
    c4p_msg_free(msg); /* nobody to be told */
    CHECK_EQ(0, credited);
    msg = make(36);
    msg->peer = &fa;
    c4p_msg_keep(msg);
    c4p_msg_free(msg);
    CHECK_EQ(0, credited);
    c4p_msg_free(msg);
    CHECK_EQ(100, credited);
    msg = make(36);
    CHECK_EQ(NULL, msg->peer);
    c4p_msg_free(msg);
    finish();
}

static void
trimming_only_shortens(void)
{
    start();
    c4p_msg_t *msg = make(100);
    c4p_msg_trim(msg, 100);
    CHECK_EQ(100, c4p_msg_len(msg));
    c4p_msg_trim(msg, 7);
    CHECK_EQ(7, c4p_msg_len(msg));
    CHECK_EQ(7, msg->env.len);
    c4p_msg_trim(msg, 50);
    CHECK_EQ(7, c4p_msg_len(msg));
    c4p_msg_free(msg);
    msg = make(100000); /* finds its way back to the cache although it says otherwise */
    c4p_msg_trim(msg, 1);
    c4p_msg_free(msg);
    finish();
}

static void
properties_are_kept(void)
{
    start();
    c4p_msg_t *msg = make(0);
    CHECK_EQ(0, c4p_msg_tag(msg));
    c4p_msg_set_tag(msg, UINT32_MAX);
    c4p_msg_set_priority(msg, INT32_MIN);
    msg->env.source = C4P_MAX_RANKS - 1;
    CHECK_EQ(UINT32_MAX, c4p_msg_tag(msg));
    CHECK_EQ(INT32_MIN, msg->env.priority);
    CHECK_EQ(C4P_MAX_RANKS - 1, c4p_msg_source(msg));
    CHECK_EQ(0, msg->env.hops);
    c4p_msg_free(msg);
    finish();
}

/* ---- segments -------------------------------------------------------------------------------- */

static void
count_release(void *ctx)
{
    ++*(int *)ctx;
}

static void
segments_follow_the_payload_in_the_order_attached(void)
{
    int released[3] = {0, 0, 0};
    start();
    c4p_msg_t *msg = make(3);
    memcpy(c4p_msg_data(msg), "abc", 3);
    CHECK_OK(c4p_msg_attach(msg, "defg", 4, count_release, &released[0]));
    CHECK_OK(c4p_msg_attach(msg, NULL, 0, count_release, &released[1]));
    CHECK_OK(c4p_msg_attach(msg, "hi", 2, count_release, &released[2]));
    CHECK_EQ(9, msg->env.len);
    CHECK_EQ(3, c4p_msg_len(msg)); /* what stands behind c4p_msg_data() */
    c4p_msg_trim(msg, 1);          /* refused: it has segments */
    CHECK_EQ(9, msg->env.len);
    CHECK_EQ(0, released[0] + released[1] + released[2]);

    msg->env.priority = 4;
    msg->where = &msgs;
    CHECK_OK(c4pi_msg_flatten(&msg));
    CHECK_EQ(1, released[0]);
    CHECK_EQ(1, released[1]);
    CHECK_EQ(1, released[2]);
    CHECK_EQ(9, c4p_msg_len(msg));
    CHECK_MEM_EQ("abcdefghi", c4p_msg_data(msg), 9);
    CHECK_EQ(4, msg->env.priority);
    CHECK_EQ(&msgs, msg->where);
    CHECK_EQ(1, msgs.live);

    c4p_msg_t *same = msg;
    CHECK_OK(c4pi_msg_flatten(&msg)); /* nothing to do */
    CHECK_EQ(same, msg);
    c4p_msg_free(msg);
    CHECK_EQ(1, released[0]);
    finish();
}

static void
a_message_without_payload_may_have_segments(void)
{
    int released = 0;
    start();
    c4p_msg_t *msg = make(0);
    CHECK_OK(c4p_msg_attach(msg, "xyz", 3, count_release, &released));
    CHECK_EQ(0, c4p_msg_len(msg));
    CHECK_OK(c4pi_msg_flatten(&msg));
    CHECK_MEM_EQ("xyz", c4p_msg_data(msg), 3);
    c4p_msg_free(msg);
    CHECK_EQ(1, released);
    finish();
}

static void
dropping_a_message_releases_its_segments_once(void)
{
    int released = 0;
    start();
    c4p_msg_t *msg = make(1);
    for (int i = 0; i < 64; i++)
        CHECK_OK(c4p_msg_attach(msg, "x", 1, count_release, &released));
    CHECK_STATUS(C4P_ERR_LIMIT, c4p_msg_attach(msg, "x", 1, count_release, &released));
    CHECK_EQ(65, msg->env.len);
    c4p_msg_keep(msg);
    c4p_msg_free(msg);
    CHECK_EQ(0, released);
    c4p_msg_free(msg);
    CHECK_EQ(64, released);
    msg = make(1);
    CHECK_OK(c4p_msg_attach(msg, "x", 1, NULL, NULL)); /* constant memory needs no release */
    c4p_msg_free(msg);
    finish();
}

static void
impossible_segments_are_refused(void)
{
    int released = 0;
    start();
    c4p_msg_t *msg = make(10);
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_attach(msg, NULL, 1, count_release, &released));
    CHECK_STATUS(C4P_ERR_LIMIT, c4p_msg_attach(msg, "x", SIZE_MAX, count_release, &released));
    CHECK_EQ(10, msg->env.len);
    CHECK_EQ(NULL, msg->extra);
    c4p_msg_free(msg);
    CHECK_EQ(0, released);
    finish();
}

static void
a_copy_is_private_and_flat(void)
{
    int released = 0;
    start();
    c4p_msg_t *msg = make(3);
    memcpy(c4p_msg_data(msg), "abc", 3);
    CHECK_OK(c4p_msg_attach(msg, "def", 3, count_release, &released));
    msg->env.coll = 17;
    msg->env.tag = 99;
    c4p_msg_keep(msg);
    c4p_msg_t *copy = c4pi_msg_copy(&msgs, msg);
    CHECK_EQ(1, copy->refs);
    CHECK_EQ(6, c4p_msg_len(copy));
    CHECK_MEM_EQ(&msg->env, &copy->env, sizeof(copy->env));
    CHECK_MEM_EQ("abcdef", c4p_msg_data(copy), 6);
    CHECK_EQ(NULL, copy->extra);
    memset(c4p_msg_data(copy), 0, 6);
    CHECK_MEM_EQ("abc", c4p_msg_data(msg), 3);
    CHECK_EQ(0, released);
    c4p_msg_free(copy);
    c4p_msg_free(msg);
    c4p_msg_free(msg);
    CHECK_EQ(1, released);
    finish();
}

static void
flattening_a_shared_message_leaves_the_other_owners_theirs(void)
{
    int released = 0;
    start();
    c4p_msg_t *msg = make(1), *mine;
    memcpy(c4p_msg_data(msg), "a", 1);
    CHECK_OK(c4p_msg_attach(msg, "b", 1, count_release, &released));
    mine = msg;
    c4p_msg_keep(msg);
    CHECK_OK(c4pi_msg_flatten(&mine));
    CHECK(mine != msg);
    CHECK_EQ(1, msg->refs);
    CHECK_EQ(1, mine->refs);
    CHECK_EQ(0, released);
    CHECK_MEM_EQ("ab", c4p_msg_data(mine), 2);
    c4p_msg_free(mine);
    c4p_msg_free(msg);
    CHECK_EQ(1, released);
    finish();
}

static void
a_credit_passes_to_the_flat_message(void)
{
    uint64_t credited = 0;
    start();
    msgs.taken = note_taken;
    msgs.taken_ctx = &credited;
    c4p_msg_t *msg = make(30);
    msg->peer = &fa;
    CHECK_OK(c4p_msg_attach(msg, "abcdef", 6, NULL, NULL));
    CHECK_OK(c4pi_msg_flatten(&msg));
    CHECK_EQ(0, credited);
    c4p_msg_free(msg);
    CHECK_EQ(100, credited);
    finish();
}

static void
a_shared_message_keeps_the_credit_that_is_owed_for_it(void)
{
    uint64_t credited = 0;
    start();
    msgs.taken = note_taken;
    msgs.taken_ctx = &credited;
    c4p_msg_t *msg = make(30), *mine = msg;
    msg->peer = &fa;
    CHECK_OK(c4p_msg_attach(msg, "abcdef", 6, NULL, NULL));
    c4p_msg_keep(msg);
    CHECK_OK(c4pi_msg_flatten(&mine));
    c4p_msg_free(mine);
    CHECK_EQ(0, credited);
    c4p_msg_free(msg);
    CHECK_EQ(100, credited);
    finish();
}

/* ---- objects --------------------------------------------------------------------------------- */

typedef struct thing {
    int dropped, released;
    bool refuses, in_segments;
    uint32_t tag;
} thing_t;

static c4p_status_t
thing_flatten(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out)
{
    thing_t *thing = object;
    CHECK_EQ(NULL, rt);
    if (thing->refuses)
        return C4P_ERR_USER;
    c4p_msg_t *flat = c4pi_msg_alloc(&msgs, 5);
    if (!flat)
        return C4P_ERR_NOMEM;
    memcpy(c4p_msg_data(flat), "thing", 5);
    c4p_msg_set_tag(flat, thing->tag);
    if (thing->in_segments &&
        c4p_msg_attach(flat, " seg", 4, count_release, &thing->released) != C4P_OK) {
        c4p_msg_free(flat);
        return C4P_ERR_NOMEM;
    }
    *flat_out = flat;
    return C4P_OK;
}

static void
thing_drop(c4p_rt_t *rt, void *object)
{
    CHECK_EQ(NULL, rt);
    ((thing_t *)object)->dropped++;
}

static const c4p_object_ops_t thing_ops = {.flatten = thing_flatten, .drop = thing_drop};

static c4p_msg_t *
make_thing(thing_t *thing)
{
    c4p_msg_t *msg = make(0);
    msg->object = thing;
    msg->object_ops = &thing_ops;
    return msg;
}

static void
an_object_goes_with_its_message(void)
{
    thing_t thing = {0};
    start();
    c4p_msg_t *msg = make_thing(&thing);
    CHECK_EQ(&thing, c4p_msg_object(msg));
    CHECK_EQ(0, c4p_msg_len(msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_attach(msg, "x", 1, NULL, NULL));
    c4p_msg_keep(msg);
    c4p_msg_free(msg);
    CHECK_EQ(0, thing.dropped);
    c4p_msg_free(msg);
    CHECK_EQ(1, thing.dropped);
    msg = make(0);
    CHECK_EQ(NULL, c4p_msg_object(msg));
    c4p_msg_free(msg);
    finish();
}

static void
the_copy_of_an_object_message_is_bytes_under_its_envelope(void)
{
    thing_t thing = {.in_segments = true};
    start();
    c4p_msg_t *msg = make_thing(&thing);
    msg->env.coll = 3;
    msg->env.entry = 4;
    msg->env.tag = 5;
    c4p_msg_t *copy = c4pi_msg_copy(&msgs, msg);
    CHECK_EQ(NULL, c4p_msg_object(copy));
    CHECK_EQ(9, c4p_msg_len(copy));
    CHECK_MEM_EQ("thing seg", c4p_msg_data(copy), 9);
    CHECK_EQ(3, copy->env.coll);
    CHECK_EQ(4, copy->env.entry);
    CHECK_EQ(5, copy->env.tag);
    CHECK_EQ(1, thing.released);
    c4p_msg_free(copy);
    thing.tag = 6; /* who flattens may say how to read the bytes */
    copy = c4pi_msg_copy(&msgs, msg);
    CHECK_EQ(6, copy->env.tag);
    c4p_msg_free(copy);
    thing.refuses = true;
    CHECK_EQ(NULL, c4pi_msg_copy(&msgs, msg));
    CHECK_EQ(0, thing.dropped); /* the object stays as it is */
    c4p_msg_free(msg);
    CHECK_EQ(1, thing.dropped);
    finish();
}

/* ---- lack of memory -------------------------------------------------------------------------- */

static void
lack_of_memory_changes_nothing(void)
{
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        int released = 0, attached = 0;
        thing_t thing = {.in_segments = true};
        c4pi_msgs_init(&msgs, &fa.port, NULL);
        c4p_msg_t *msg = c4pi_msg_alloc(&msgs, 100);
        c4p_msg_t *large = c4pi_msg_alloc(&msgs, 100000);
        CHECK(fail_alloc_hit(&fa) || (msg && large));
        for (int i = 0; msg && i < 10; i++) {
            uint64_t len = msg->env.len;
            c4p_status_t st = c4p_msg_attach(msg, "abcd", 4, count_release, &released);
            CHECK(st == C4P_OK || st == C4P_ERR_NOMEM);
            CHECK_EQ(st == C4P_OK ? len + 4 : len, msg->env.len);
            attached += st == C4P_OK;
        }
        c4p_msg_t *before = msg;
        if (msg && c4pi_msg_flatten(&msg) != C4P_OK) {
            CHECK_EQ(before, msg);
            CHECK_EQ(0, released);
        }
        CHECK(attached >= 9 || !msg);
        c4p_msg_t *object = c4pi_msg_alloc(&msgs, 0);
        if (object) {
            object->object = &thing;
            object->object_ops = &thing_ops;
            c4p_msg_t *copy = c4pi_msg_copy(&msgs, object);
            c4p_msg_free(copy);
            c4p_msg_free(object);
            CHECK_EQ(1, thing.dropped);
        }
        c4p_msg_free(msg);
        c4p_msg_free(large);
        CHECK_EQ(attached, released);
        finish();
    }
}

/* What is kept must not need lent memory any more; what was given for good stays where it is. */
static void
lent_memory_is_copied_where_a_message_is_kept(void)
{
    int released = 0;
    char data[] = "defghi";
    start();
    c4p_msg_t *msg = make(3), *other = make(1);
    memcpy(c4p_msg_data(msg), "abc", 3);
    CHECK_OK(c4p_msg_attach(msg, data, 3, count_release, &released));
    c4p_msg_t *same = msg;
    CHECK_OK(c4pi_msg_own(&msg));
    CHECK_EQ(same, msg);
    CHECK_EQ(0, released);
    CHECK_OK(c4p_msg_lend(msg, data + 3, 3, count_release, &released));
    CHECK_OK(c4pi_msg_own(&msg));
    CHECK_EQ(same, msg);
    CHECK_EQ(1, released); /* only what was lent */
    memset(data + 3, 'x', 3);
    c4p_msg_t *flat = c4pi_msg_copy(&msgs, msg);
    CHECK_MEM_EQ("abcdefghi", c4p_msg_data(flat), 9);
    c4p_msg_free(flat);
    c4p_msg_keep(msg); /* with other owners: a message of its own */
    CHECK_OK(c4p_msg_lend(msg, data, 2, count_release, &released));
    c4p_msg_t *theirs = msg;
    CHECK_OK(c4pi_msg_own(&msg));
    CHECK(msg != theirs);
    CHECK_MEM_EQ("abcdefghide", c4p_msg_data(msg), 11);
    CHECK_EQ(1, released);
    c4p_msg_free(theirs);
    CHECK_EQ(3, released);
    CHECK_OK(c4pi_msg_own(&other)); /* has none */
    c4p_msg_free(msg);
    c4p_msg_free(other);
    finish();
}

/* A message in memory of somebody else's: it goes back there. */
static void
note_given_back(void *ctx, c4p_msg_t *msg)
{
    *(c4p_msg_t **)ctx = msg;
}

static void
an_adopted_message_goes_back_when_its_last_owner_drops_it(void)
{
    _Alignas(64) uint8_t block[sizeof(c4p_msg_t) + 64];
    c4p_msg_t *back = NULL;
    start();
    msgs.give_back = note_given_back;
    msgs.give_back_ctx = &back;
    memset(block, 0xee, sizeof block);
    c4p_msg_t *msg = (c4p_msg_t *)(void *)block;
    msg->env = (c4pi_env_t){.kind = C4PI_USER, .len = 64};
    CHECK_EQ(msg, c4pi_msg_adopt(&msgs, msg));
    CHECK_EQ(1, msgs.live);
    CHECK_EQ(64, c4p_msg_len(msg));
    CHECK(c4p_msg_exclusive(msg));
    CHECK(c4p_msg_object(msg) == NULL);
    c4p_msg_keep(msg);
    c4p_msg_free(msg);
    CHECK(back == NULL);
    c4p_msg_free(msg);
    CHECK_EQ(msg, back);
    CHECK_EQ(0, msgs.live);
    finish();
}

TEST_CASES(lent_memory_is_copied_where_a_message_is_kept,
           an_adopted_message_goes_back_when_its_last_owner_drops_it,
           a_new_message_is_blank_but_for_its_length, envelope_and_payload_are_aligned_and_adjacent,
           each_length_has_the_smallest_class_that_holds_it, messages_do_not_overlap,
           steady_traffic_takes_no_memory, a_length_that_cannot_be_is_refused, the_last_owner_frees,
           a_fifo_keeps_the_order, who_must_be_credited_hears_of_the_end_once,
           trimming_only_shortens, properties_are_kept,
           segments_follow_the_payload_in_the_order_attached,
           a_message_without_payload_may_have_segments,
           dropping_a_message_releases_its_segments_once, impossible_segments_are_refused,
           a_copy_is_private_and_flat, flattening_a_shared_message_leaves_the_other_owners_theirs,
           a_credit_passes_to_the_flat_message,
           a_shared_message_keeps_the_credit_that_is_owed_for_it, an_object_goes_with_its_message,
           the_copy_of_an_object_message_is_bytes_under_its_envelope,
           lack_of_memory_changes_nothing)
