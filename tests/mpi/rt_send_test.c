/* SPDX-License-Identifier: Apache-2.0 */
/* rt_send_test.c: messages to chares and to handlers on real ranks: every size, segments, order,
 * priorities, answers, objects. */
#include "rt_support.h"
#include "support/prng.h"

/* ---- helpers ---------------------------------------------------------------------------------- */

/* What the bytes of message `number` of `source` to `target` must be. */
static uint8_t
byte_at(int source, int64_t target, int64_t number, size_t i)
{
    return (uint8_t)(source * 89 + target * 31 + number * 131 + (int64_t)i * 7 +
                     (int64_t)(i >> 12) * 3);
}

typedef struct head {
    int64_t source, target, number;
} head_t;

/* A message that says who sent it; of `len` bytes, of which those after the first sizeof(head_t)
 * are a pattern. Shorter ones are pattern only and numbered through the tag. */
static c4p_msg_t *
patterned(c4p_rt_t *rt, int64_t target, int64_t number, size_t len)
{
    c4p_msg_t *msg;
    CHECK_OK(c4p_msg_new(rt, len, &msg));
    uint8_t *data = c4p_msg_data(msg);
    head_t head = {c4p_rank(rt), target, number};
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(c4p_rank(rt), target, number, i);
    if (len >= sizeof head)
        memcpy(data, &head, sizeof head);
    c4p_msg_set_tag(msg, (uint32_t)number);
    return msg;
}

typedef struct arrivals {
    int64_t next[64][64]; /* element, source: the number to come */
    int64_t bytes, messages;
} arrivals_t;

static arrivals_t arrivals;

static void
check_arrival(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    const uint8_t *data = c4p_msg_data(msg);
    const size_t len = c4p_msg_len(msg);
    const int source = c4p_msg_source(msg);
    const int64_t me = obj->index.at[0], number = c4p_msg_tag(msg);
    size_t from = 0;
    (void)rt, (void)ctx;

    CHECK_EQ(0, (uintptr_t)data % C4P_MSG_ALIGN);
    CHECK_EQ(arrivals.next[me][source], number);
    arrivals.next[me][source]++;
    if (len >= sizeof(head_t)) {
        head_t head;
        memcpy(&head, data, sizeof head);
        CHECK_EQ(source, head.source);
        CHECK_EQ(me, head.target);
        CHECK_EQ(number, head.number);
        from = sizeof head;
    }
    for (size_t i = from; i < len; i++)
        if (data[i] != byte_at(source, me, number, i))
            FAIL("byte %zu of %zu of message %d from rank %d is wrong", i, len, (int)number,
                 source);
    arrivals.bytes += (int64_t)len;
    arrivals.messages++;
}

/* A group whose members check what they get. */
static c4p_entry_t check_entry;
static c4p_coll_t group;

static c4p_rt_t *
open_checked_group(const c4p_opts_t *opts)
{
    c4p_rt_t *rt = rts_open(opts);
    c4p_type_t type = rts_type(rt, "Target");
    arrivals = (arrivals_t){0};
    check_entry = rts_entry(rt, type, "check", check_arrival);
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    return rt;
}

/* ---- sizes and order --------------------------------------------------------------------------- */

static const size_t sizes[] = {0,       1,
                               7,       8,
                               9,       63,
                               64,      65,
                               191,     192,
                               193,     255,
                               256,     257,
                               3967,    3968,
                               3969,    4031,
                               4032,    4033,
                               4095,    4096,
                               4097,    8191,
                               32768,   65535,
                               65536,   65537,
                               100,     0,
                               1 << 20, (1 << 20) + 1,
                               3,       (4 << 20) - 1,
                               5,       (16 << 20) + 3,
                               1};

static void
every_size_arrives_intact_and_in_order(void)
{
    c4p_rt_t *rt = open_checked_group(NULL);
    const int ranks = c4p_num_ranks(rt), n = sizeof sizes / sizeof sizes[0];
    c4p_stats_t before = {.struct_size = sizeof before}, after = before;
    int64_t bytes = 0;

    CHECK_OK(c4p_stats(rt, &before));
    for (int i = 0; i < n; i++) {
        bytes += (int64_t)sizes[i];
        for (int r = 0; r < ranks; r++)
            CHECK_OK(c4p_send(rt, rts_ref(group, r), check_entry, patterned(rt, r, i, sizes[i])));
    }
    rts_settle(rt);
    CHECK_OK(c4p_stats(rt, &after));
    const int64_t sent = (int64_t)(after.sent_bytes - before.sent_bytes);
    CHECK(after.sent - before.sent >= (uint64_t)(n * (ranks - 1)));
    CHECK(sent >= bytes * (ranks - 1) && sent < bytes * (ranks - 1) + 100000);
    CHECK_EQ(n * ranks, arrivals.messages);
    CHECK_EQ(bytes * ranks, arrivals.bytes);
    rts_close(rt);
}

/* A large body takes longer than the small message behind it, which must wait for it. */
static void
small_messages_do_not_overtake_large_ones(void)
{
    enum { PAIRS = 100 };
    c4p_rt_t *rt = open_checked_group(NULL);
    int64_t number = 0;
    int to = (c4p_rank(rt) + 1) % c4p_num_ranks(rt);

    for (int i = 0; i < PAIRS; i++) {
        CHECK_OK(c4p_send(rt, rts_ref(group, to), check_entry,
                          patterned(rt, to, number++, 200000 + (size_t)i)));
        CHECK_OK(c4p_send(rt, rts_ref(group, to), check_entry, patterned(rt, to, number++, 24)));
    }
    rts_settle(rt);
    CHECK_EQ(2 * PAIRS, arrivals.messages);
    rts_close(rt);
}

/* Everybody to everybody, sizes at random, with settings that make every mechanism work for its
 * living. */
static void
storms_are_complete_and_in_order(void)
{
    enum { MESSAGES = 3000 };
    for (int variant = 0; variant < 4; variant++) {
        c4p_opts_t opts = C4P_OPTS_INIT;
        if (variant & 1)
            opts.credit_bytes = 4096;
        if (variant & 2) {
            opts.small_bytes = 256;
            opts.ring_slots = 2;
        }
        c4p_rt_t *rt = open_checked_group(&opts);
        const int ranks = c4p_num_ranks(rt);
        prng_t prng = {(uint64_t)(c4p_rank(rt) * 10 + variant)};
        int64_t numbers[64] = {0};

        for (int i = 0; i < MESSAGES; i++) {
            int to = (int)prng_below(&prng, (uint64_t)ranks);
            size_t len = prng_below(&prng, 20) == 0  ? prng_below(&prng, 20000)
                         : prng_below(&prng, 3) == 0 ? prng_below(&prng, 1000)
                                                     : prng_below(&prng, 100);
            CHECK_OK(c4p_send(rt, rts_ref(group, to), check_entry,
                              patterned(rt, to, numbers[to]++, len)));
        }
        rts_settle(rt);
        CHECK_EQ((int64_t)MESSAGES * ranks, rts_sum(arrivals.messages));
        CHECK_EQ(0, c4p_backlog_bytes(rt));
        rts_close(rt);
    }
}

/* ---- segments ----------------------------------------------------------------------------------- */

static int64_t released;

static void
release(void *ctx)
{
    ++*(int64_t *)ctx;
    released++;
}

static void
segments_arrive_behind_the_payload_and_are_released_once(void)
{
    enum { MAX_SEGMENTS = 64, BYTES = 70000 };
    static int64_t counts[200][MAX_SEGMENTS];
    static const struct {
        size_t payload;
        int segments;
        size_t each;
    } cases[] = {{0, 1, 1},       {0, 1, 4096},     {5, 2, 0},    {24, 1, 100000}, {24, 3, 1000},
                 {4000, 2, 31},   {24, 64, 100},    {1, 64, 0},   {100, 64, 5000}, {24, 1, 0},
                 {5000, 2, 5000}, {24, 2, 1 << 20}, {0, 5, 12345}};
    enum { CASES = sizeof cases / sizeof cases[0] };
    c4p_rt_t *rt = open_checked_group(NULL);
    const int ranks = c4p_num_ranks(rt);
    int64_t expected = 0, bytes = 0;
    uint8_t *memory = malloc((size_t)CASES * (size_t)ranks * (3u << 20));
    size_t used = 0;

    CHECK(memory != NULL);
    memset(counts, 0, sizeof counts);
    released = 0;
    for (int c = 0; c < CASES; c++) {
        for (int r = 0; r < ranks; r++) {
            c4p_msg_t *msg = patterned(rt, r, c, cases[c].payload);
            size_t at = cases[c].payload;
            for (int s = 0; s < cases[c].segments; s++) {
                uint8_t *segment = memory + used;
                head_t head = {c4p_rank(rt), r, c};
                for (size_t i = 0; i < cases[c].each; i++, at++) {
                    segment[i] =
                        at < sizeof head && cases[c].payload < sizeof head &&
                                cases[c].payload + (size_t)cases[c].segments * cases[c].each >=
                                    sizeof head
                            ? ((uint8_t *)&head)[at]
                            : byte_at(c4p_rank(rt), r, c, at);
                }
                used += cases[c].each;
                CHECK_OK(c4p_msg_attach(msg, segment, cases[c].each, release,
                                        &counts[c * ranks + r][s]));
                expected++;
            }
            if (cases[c].payload > 0 && cases[c].payload < sizeof(head_t) && at >= sizeof(head_t)) {
                head_t head = {c4p_rank(rt), r, c};
                memcpy(c4p_msg_data(msg), &head, cases[c].payload);
            }
            bytes += (int64_t)at;
            if (cases[c].segments == MAX_SEGMENTS)
                CHECK_STATUS(C4P_ERR_LIMIT, c4p_msg_attach(msg, memory, 1, release, &counts[0][0]));
            CHECK_OK(c4p_send(rt, rts_ref(group, r), check_entry, msg));
        }
    }
    rts_settle(rt);
    CHECK_EQ(CASES * ranks, arrivals.messages);
    CHECK_EQ(rts_sum(bytes), rts_sum(arrivals.bytes));
    CHECK_EQ(expected, released);
    for (int c = 0; c < CASES * ranks; c++)
        for (int s = 0; s < cases[c / ranks].segments; s++)
            CHECK_EQ(1, counts[c][s]);

    /* A message that is dropped instead of sent lets go of its segments as well. */
    c4p_msg_t *msg = patterned(rt, 0, 0, 8);
    int64_t count = 0;
    CHECK_OK(c4p_msg_attach(msg, memory, 10, release, &count));
    c4p_msg_free(msg);
    CHECK_EQ(1, count);
    rts_close(rt);
    free(memory);
}

/* A message of two segments that together are the number. */
static const int64_t in_parts = 0x1122334455667788;
static int64_t ignored;

static c4p_msg_t *
number_in_parts(c4p_rt_t *rt)
{
    c4p_msg_t *msg = rts_msg(rt, NULL, 0);
    CHECK_OK(c4p_msg_attach(msg, &in_parts, 3, NULL, NULL));
    CHECK_OK(c4p_msg_attach(msg, (const char *)&in_parts + 3, 5, release, &ignored));
    return msg;
}

static int64_t whole;

static void
on_parts(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)ctx;
    whole += rts_number_in(msg) == in_parts;
}

static void
answer_in_parts(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4p_reply_t reply;
    (void)object, (void)ctx;
    whole += rts_number_in(msg) == in_parts;
    if (c4p_reply_take(rt, msg, &reply) == C4P_OK)
        CHECK_OK(c4p_reply_send(rt, &reply, number_in_parts(rt), false));
}

/* Wherever a message goes, also to the own rank, it arrives in one piece. */
static void
segments_may_be_anywhere(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_entry_t entry = rts_entry(rt, type, "answer", answer_in_parts);
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_index_t index = {1, {c4p_rank(rt)}};
    c4p_handler_t handler;
    c4p_coll_t array, sparse;
    rts_wait_t value, reply, gathered;
    int ranks = c4p_num_ranks(rt);

    whole = released = 0;
    opts.ndims = 1;
    CHECK_OK(c4p_handler_add(rt, "parts", on_parts, NULL, &handler));
    CHECK_OK(c4p_start(rt));
    for (int r = 0; r < ranks; r++)
        CHECK_OK(c4p_send_handler(rt, r, handler, number_in_parts(rt)));
    CHECK_OK(c4p_bcast_handler(rt, handler, number_in_parts(rt)));
    CHECK_OK(c4p_future_send(rt, rts_future(rt, 1, &value), number_in_parts(rt), false));
    CHECK_OK(c4p_array_new(rt, type, &opts, number_in_parts(rt), &sparse));
    CHECK_OK(c4p_send(rt, rts_ref(sparse, index.at[0]), entry, number_in_parts(rt))); /* waits for
                                                                                         the
                                                                                         insertion
                                                                                       */
    CHECK_OK(c4p_insert(rt, sparse, &index, 0, number_in_parts(rt)));
    opts.dense = true;
    opts.dims[0] = ranks;
    CHECK_OK(c4p_array_new(rt, type, &opts, number_in_parts(rt), &array));
    CHECK_OK(c4p_bcast(rt, array, entry, number_in_parts(rt), C4P_BCAST_GATHER,
                       rts_future(rt, 1, &gathered)));
    CHECK_OK(c4p_call(rt, rts_ref(array, index.at[0]), entry, number_in_parts(rt),
                      rts_future(rt, 1, &reply)));
    rts_settle(rt);
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        CHECK_EQ(in_parts, obj->given);
    CHECK_EQ(ranks * ranks + ranks, rts_sum(rts_world.alive));
    CHECK_EQ(ranks * (2 * ranks + 1 + ranks + 1), rts_sum(whole));
    CHECK_EQ(in_parts, value.sum);
    CHECK_EQ(in_parts, reply.sum);
    CHECK_EQ(ranks, c4p_gathered_count(gathered.kept));
    c4p_gathered_t part;
    for (size_t at = 0; c4p_gathered_next(gathered.kept, &at, &part);)
        CHECK_MEM_EQ(&in_parts, part.data, sizeof in_parts);
    CHECK_EQ(ranks * (ranks + 1 + 1 + 5 + 1 + 1 + ranks), rts_sum(released));
    rts_wait_end(&value);
    rts_wait_end(&reply);
    rts_wait_end(&gathered);
    rts_close(rt);
}

/* ---- priorities ----------------------------------------------------------------------------------- */

static int32_t ran[1000];
static int64_t ran_number[1000];
static int num_ran;

static void
note_priority(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    int64_t both = rts_number_in(msg);
    (void)rt, (void)object, (void)ctx;
    ran[num_ran] = (int32_t)(both >> 32);
    ran_number[num_ran++] = both & 0xffffffff;
}

static bool all_sent;

static void
on_all_sent(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)msg, (void)ctx;
    all_sent = true;
}

/* Busy until everything has arrived. */
static void
wait_inside(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    while (!all_sent && c4p_num_ranks(rt) > 1)
        c4p_poll(rt);
}

static void
queued_messages_run_by_priority_then_by_age(void)
{
    enum { N = 500 };
    static const int32_t extremes[] = {INT32_MIN, INT32_MAX, -1, 0, 1};
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_entry_t note = rts_entry(rt, type, "note", note_priority);
    c4p_entry_t busy = rts_entry(rt, type, "busy", wait_inside);
    prng_t prng = {7};
    c4p_handler_t sent;
    int last = c4p_num_ranks(rt) - 1;

    num_ran = 0;
    all_sent = false;
    CHECK_OK(c4p_handler_add(rt, "sent", on_all_sent, NULL, &sent));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        c4p_msg_t *first = rts_number(rt, 0);
        c4p_msg_set_priority(first, INT32_MIN);
        CHECK_OK(c4p_send(rt, rts_ref(group, last), busy, first));
        for (int64_t i = 0; i < N; i++) {
            int32_t priority = i < 5 ? extremes[i] : (int32_t)prng_below(&prng, 7) - 3;
            c4p_msg_t *msg =
                rts_number(rt, (int64_t)((uint64_t)(uint32_t)priority << 32 | (uint64_t)i));
            c4p_msg_set_priority(msg, priority);
            CHECK_OK(c4p_send(rt, rts_ref(group, last), note, msg));
        }
        CHECK_OK(c4p_send_handler(rt, last, sent, rts_number(rt, 0)));
    }
    rts_settle(rt);
    if (c4p_rank(rt) == last) {
        CHECK_EQ(N, num_ran);
        CHECK_EQ(INT32_MIN, ran[0]);
        CHECK_EQ(INT32_MAX, ran[N - 1]);
        for (int i = 1; i < N; i++) {
            CHECK(ran[i - 1] <= ran[i]);
            if (ran[i - 1] == ran[i])
                CHECK(ran_number[i - 1] < ran_number[i]);
        }
    }
    rts_close(rt);
}

/* ---- answers --------------------------------------------------------------------------------------- */

static c4p_reply_t later;

enum { ANSWER_NOTHING, ANSWER_VALUE, ANSWER_ERROR, ANSWER_LATER };

static void
answer(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    int64_t how = rts_number_in(msg);
    c4p_reply_t reply;
    (void)object, (void)ctx;
    if (how == ANSWER_NOTHING)
        return;
    CHECK_OK(c4p_reply_take(rt, msg, &reply));
    CHECK(c4p_reply_wants_value(&reply));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_reply_take(rt, msg, &later)); /* once only */
    if (how == ANSWER_LATER)
        later = reply;
    else
        CHECK_OK(
            c4p_reply_send(rt, &reply, rts_number(rt, 1000 + c4p_rank(rt)), how == ANSWER_ERROR));
}

static void
nobody_waits(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4p_reply_t reply = {.kind = 77};
    (void)object, (void)ctx;
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_reply_take(rt, msg, &reply));
    CHECK_EQ(0, reply.kind);
    CHECK_OK(c4p_reply_send(rt, &reply, rts_number(rt, 1), false)); /* goes nowhere */
}

static void
calls_are_answered_now_later_or_with_an_error(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_entry_t ask = rts_entry(rt, type, "answer", answer),
                none = rts_entry(rt, type, "none", nobody_waits);
    int ranks = c4p_num_ranks(rt), me = c4p_rank(rt);

    CHECK_OK(c4p_start(rt));
    if (me == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    for (int from = 0; from < ranks; from++) {
        for (int to = 0; to < ranks; to++) {
            rts_wait_t wait[4];
            for (int64_t how = ANSWER_NOTHING; me == from && how <= ANSWER_LATER; how++)
                CHECK_OK(c4p_call(rt, rts_ref(group, to), ask, rts_number(rt, how),
                                  rts_future(rt, 1, &wait[how])));
            if (me == from)
                CHECK_OK(c4p_send(rt, rts_ref(group, to), none, rts_number(rt, 0)));
            rts_settle(rt);
            if (me == from) {
                CHECK_EQ(1, wait[ANSWER_NOTHING].values);
                CHECK_EQ(1, wait[ANSWER_NOTHING].empty);
                CHECK_EQ(1000 + to, wait[ANSWER_VALUE].sum);
                CHECK_EQ(0, wait[ANSWER_VALUE].errors);
                CHECK_EQ(1000 + to, wait[ANSWER_ERROR].sum);
                CHECK_EQ(1, wait[ANSWER_ERROR].errors);
                CHECK_EQ(0, wait[ANSWER_LATER].values);
            }
            if (me == to)
                CHECK_OK(c4p_reply_send(rt, &later, rts_number(rt, 5), false));
            rts_settle(rt);
            if (me == from) {
                CHECK_EQ(5, wait[ANSWER_LATER].sum);
                CHECK_EQ(1, wait[ANSWER_LATER].last);
                for (int how = 0; how < 4; how++)
                    rts_wait_end(&wait[how]);
            }
        }
    }
    rts_close(rt);
}

/* ---- objects ---------------------------------------------------------------------------------------- */

typedef struct thing {
    int64_t value;
    int flattened, dropped;
} thing_t;

static c4p_status_t
thing_flatten(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out)
{
    thing_t *thing = object;
    thing->flattened++;
    *flat_out = rts_number(rt, thing->value);
    return C4P_OK;
}

static void
thing_drop(c4p_rt_t *rt, void *object)
{
    (void)rt;
    ((thing_t *)object)->dropped++;
}

static const c4p_object_ops_t thing_ops = {.flatten = thing_flatten, .drop = thing_drop};

static void
take_thing(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const thing_t *thing = c4p_msg_object(msg);
    (void)ctx;
    CHECK_EQ(c4p_msg_source(msg) == c4p_rank(rt), thing != NULL); /* the very object, or bytes that
                                                                     stand for it */
    obj->count++;
    obj->sum += thing ? thing->value : rts_number_in(msg);
}

static void
an_object_travels_by_reference_on_its_rank_and_as_bytes_to_others(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_entry_t take = rts_entry(rt, type, "take", take_thing);
    thing_t things[64] = {{0}};
    int ranks = c4p_num_ranks(rt), me = c4p_rank(rt);

    CHECK_OK(c4p_start(rt));
    if (me == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    for (int r = 0; r < ranks; r++) {
        c4p_msg_t *msg;
        things[r].value = 100 * me + r;
        CHECK_OK(c4p_msg_new_object(rt, &things[r], &thing_ops, &msg));
        CHECK_OK(c4p_send(rt, rts_ref(group, r), take, msg));
    }
    rts_settle(rt);
    for (int r = 0; r < ranks; r++) {
        CHECK_EQ(r != me, things[r].flattened);
        CHECK_EQ(1, things[r].dropped);
    }
    CHECK_EQ(ranks, rts_world.objs->count);
    CHECK_EQ(100 * ranks * (ranks - 1) / 2 + ranks * me, rts_world.objs->sum);
    rts_close(rt);
}

/* ---- keeping ------------------------------------------------------------------------------------------ */

static c4p_msg_t *kept[300];
static int num_kept;

static void
keep(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)ctx;
    c4p_msg_keep(msg);
    CHECK(!c4p_msg_exclusive(msg));
    kept[num_kept++] = msg;
}

static void
a_kept_message_stays_what_it_was(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_entry_t entry = rts_entry(rt, type, "keep", keep);
    int to = (c4p_rank(rt) + 1) % c4p_num_ranks(rt);

    num_kept = 0;
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    for (int64_t i = 0; i < 300; i++) /* many more than there are receive buffers; batched, single
                                         and large */
        CHECK_OK(c4p_send(rt, rts_ref(group, to), entry,
                          patterned(rt, to, i,
                                    i % 3 == 0   ? 30
                                    : i % 3 == 1 ? 2000
                                                 : 9000)));
    rts_settle(rt);
    CHECK_EQ(300, num_kept);
    for (int i = 0; i < 300; i++) {
        const uint8_t *data = c4p_msg_data(kept[i]);
        int source = c4p_msg_source(kept[i]);
        CHECK_EQ(i, c4p_msg_tag(kept[i]));
        CHECK(c4p_msg_exclusive(kept[i]));
        for (size_t b = sizeof(head_t); b < c4p_msg_len(kept[i]); b++)
            CHECK_EQ(byte_at(source, c4p_rank(rt), i, b), data[b]);
        c4p_msg_free(kept[i]);
    }
    rts_close(rt);
}

static void
a_message_can_be_shortened_before_it_is_sent(void)
{
    c4p_rt_t *rt = open_checked_group(NULL);
    static const size_t lens[][2] = {
        {100, 24}, {4096, 40}, {100000, 3000}, {100000, 50000}, {50, 0}};
    int to = (c4p_rank(rt) + 1) % c4p_num_ranks(rt);
    int64_t bytes = 0;

    for (int64_t i = 0; i < 5; i++) {
        c4p_msg_t *msg = patterned(rt, to, i, lens[i][0]);
        c4p_msg_trim(msg, lens[i][1]);
        CHECK_EQ(lens[i][1], c4p_msg_len(msg));
        bytes += (int64_t)lens[i][1];
        CHECK_OK(c4p_send(rt, rts_ref(group, to), check_entry, msg));
    }
    rts_settle(rt);
    CHECK_EQ(5, arrivals.messages);
    CHECK_EQ(bytes, arrivals.bytes);
    rts_close(rt);
}

/* ---- handlers ---------------------------------------------------------------------------------------- */

static int64_t handled, handled_sum;

static void
on_handler(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt;
    CHECK(ctx == &handled);
    CHECK_EQ(0, c4p_self(rt).coll);
    handled++;
    handled_sum += rts_number_in(msg);
}

static void
handlers_run_on_one_rank_or_on_all(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_handler_t other, handler;
    int ranks = c4p_num_ranks(rt), me = c4p_rank(rt);

    handled = handled_sum = 0;
    CHECK_OK(c4p_handler_add(rt, "other", on_all_sent, NULL, &other));
    CHECK_OK(c4p_handler_add(rt, "handler", on_handler, &handled, &handler));
    CHECK_OK(c4p_start(rt));
    for (int r = 0; r < ranks; r++) {
        int64_t before = handled;
        CHECK_OK(c4p_send_handler(rt, r, handler, rts_number(rt, 10 * me)));
        CHECK_EQ(before, handled); /* asynchronous here too */
    }
    rts_settle(rt);
    CHECK_EQ(ranks, handled);
    CHECK_EQ(10 * ranks * (ranks - 1) / 2, handled_sum);

    handled = handled_sum = 0;
    for (int i = 0; i < 10; i++)
        CHECK_OK(c4p_bcast_handler(rt, handler, rts_number(rt, 1000 + me)));
    rts_settle(rt);
    CHECK_EQ(10 * ranks, handled);
    CHECK_EQ(10 * (1000 * ranks + ranks * (ranks - 1) / 2), handled_sum);
    rts_close(rt);
}

/* While the gate is closed nothing of the user's runs, but handlers do; one of them opens it. */
static void
on_open(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)msg, (void)ctx;
    CHECK_EQ(0, arrivals.messages);
    c4p_gate(rt, false);
}

static void
a_closed_gate_holds_messages_back(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    c4p_handler_t open_gate;
    int ranks = c4p_num_ranks(rt), me = c4p_rank(rt);

    arrivals = (arrivals_t){0};
    check_entry = rts_entry(rt, type, "check", check_arrival);
    CHECK_OK(c4p_handler_add(rt, "open", on_open, NULL, &open_gate));
    c4p_gate(rt, me != 0);
    CHECK_OK(c4p_start(rt));
    if (me == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        for (int r = 1; r < ranks; r++)
            for (int64_t i = 0; i < 50; i++)
                CHECK_OK(c4p_send(rt, rts_ref(group, r), check_entry, patterned(rt, r, i, 500)));
        for (int r = 1; r < ranks; r++)
            CHECK_OK(c4p_send_handler(rt, r, open_gate, rts_number(rt, 0)));
    }
    rts_settle(rt);
    CHECK_EQ(me == 0 ? 0 : 50, arrivals.messages);
    rts_close(rt);
}

TEST_CASES(every_size_arrives_intact_and_in_order, small_messages_do_not_overtake_large_ones,
           storms_are_complete_and_in_order,
           segments_arrive_behind_the_payload_and_are_released_once, segments_may_be_anywhere,
           queued_messages_run_by_priority_then_by_age,
           calls_are_answered_now_later_or_with_an_error,
           an_object_travels_by_reference_on_its_rank_and_as_bytes_to_others,
           a_kept_message_stays_what_it_was, a_message_can_be_shortened_before_it_is_sent,
           handlers_run_on_one_rank_or_on_all, a_closed_gate_holds_messages_back)
