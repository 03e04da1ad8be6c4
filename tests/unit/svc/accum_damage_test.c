/* SPDX-License-Identifier: Apache-2.0 */
/* accum_damage_test.c: damaged bytes are refused or harmless, and a call that finds no memory
 * changes nothing. */
#include "support/fail_alloc.h"
#include "svc/accum_format.h"
#include "unit/svc/accum_world.h"

/* ---- damaged bytes --------------------------------------------------------------------------- */

/* One contribution of every sort, and a second one to meet it. */
static void
add_sample(c4pi_accum_t *a, int sort, int64_t member)
{
    static const double values[4] = {1, 2, 3, 4};
    static const int16_t truths[5] = {0, 1, 0, 7, 1};
    uint8_t tuple[160];
    size_t at = 0;
    c4p_reduce_t how = {.meta = "shape", .meta_len = 5, .custom = 7};
    const char *why;

    switch (sort) {
    case 0:
        how.op = C4P_OP_NOP;
        CHECK_OK(c4pi_accum_add(a, key_1d(member), &how, NULL, 0, &why));
        return;
    case 1:
        add(a, member, C4P_OP_SUM, C4P_FLOAT64, values, 32);
        return;
    case 2:
        add(a, member, C4P_OP_XOR, C4P_INT16, truths, 10);
        return;
    case 3:
        add(a, member, C4P_OP_SUM_COMPENSATED, C4P_FLOAT64, values, 32);
        return;
    case 4:
        CHECK_OK(c4pi_accum_add_value(a, key_1d(member), member % 2, values,
                                      (size_t)(5 * (member & 3))));
        return;
    case 5:
        how.op = C4P_OP_SUM_ORDERED;
        how.dtype = C4P_FLOAT32;
        CHECK_OK(c4pi_accum_add(a, key_1d(-member), &how, values, 16, &why));
        return;
    case 6:
        how.op = C4P_OP_CUSTOM;
        CHECK_OK(c4pi_accum_add(a, key_1d(member), &how, values, 32, &why));
        return;
    case 7:
        CHECK_OK(c4p_tuple_add(tuple, sizeof(tuple), &at, C4P_OP_OR, C4P_INT16, truths, 10));
        CHECK_OK(c4p_tuple_add(tuple, sizeof(tuple), &at, C4P_OP_MAXLOC, C4P_FLOAT64, values, 32));
        CHECK_OK(c4p_tuple_add(tuple, sizeof(tuple), &at, C4P_OP_SUM_COMPENSATED, C4P_FLOAT32,
                               values, 12));
        add(a, member, C4P_OP_TUPLE, (c4p_dtype_t)0, tuple, at);
        return;
    default:
        add(a, member, C4P_OP_MINLOC, C4P_FLOAT64, values, 32);
        return;
    }
}
enum { NUM_SORTS = 9 };

/* Bytes in a block of exactly their size, so that a sanitizer sees every step outside. */
static uint8_t *
mutate(const uint8_t *bytes, size_t len, size_t *len_out)
{
    size_t n = len;
    if (below(3) == 0)
        n = below(2) ? below(len + 1) : len + below(40);
    uint8_t *block = malloc(n ? n : 1);
    for (size_t i = 0; i < n; i++)
        block[i] = i < len ? bytes[i] : (uint8_t)draw();
    for (uint64_t k = below(4); n && k > 0; k--) {
        const size_t at = below(2) ? below(n) : below(n < 32 ? n : 32);
        const uint64_t extremes[] = {0,      UINT64_MAX, UINT64_MAX - 15, UINT64_C(1) << 63,
                                     draw(), below(300)};
        const size_t width = below(2) && at + 8 <= n ? 8 : 1;
        memcpy(block + at, &extremes[below(6)], width);
    }
    *len_out = n;
    return block;
}

/* A message that stands alone in a block of exactly its size. */
static c4p_msg_t *
message_of(const uint8_t *bytes, size_t len)
{
    c4p_msg_t *msg = malloc(sizeof(*msg) + len);
    memset(msg, 0, sizeof(*msg));
    msg->refs = 1;
    msg->env.len = len;
    msg->env.flags = C4PI_FLAG_RESULT;
    memcpy(msg + 1, bytes, len);
    return msg;
}

static volatile uint64_t touched;

static void
touch(const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        touched += ((const uint8_t *)data)[i];
}

/* Read whatever a message says that it has. */
static void
read_result(c4p_msg_t *msg)
{
    c4p_result_t result;
    c4p_gathered_t part;
    c4p_op_t op;
    c4p_dtype_t dtype;
    const void *data;
    uint64_t len, parts = 0;
    size_t cursor = 0, at = 0;

    while (c4p_gathered_next(msg, &cursor, &part)) {
        touch(part.data, part.len);
        parts++;
    }
    CHECK_EQ(parts, c4p_gathered_count(msg));
    if (c4p_result_get(msg, &result) != C4P_OK)
        return;
    touch(result.data, (size_t)result.len);
    touch(result.meta, (size_t)result.meta_len);
    while (c4p_tuple_next(result.data, (size_t)result.len, &at, &op, &dtype, &data, &len))
        touch(data, (size_t)len);
}

static c4p_msg_t *
packed_sample(world_t *w, int sort)
{
    c4pi_accum_t *a = make_accum(w);
    c4p_pup_t p;
    c4p_msg_t *msg;

    for (int64_t i = 0; i < 3; i++)
        add_sample(a, sort, i);
    c4pi_pup_pack_init(&p, &w->msgs);
    CHECK_OK(c4pi_accum_pack(a, &p));
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    c4pi_accum_free(a);
    return msg;
}

static void
damaged_partials_are_refused_or_harmless(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_msg_t *samples[NUM_SORTS], *msg;
    int refused = 0, taken = 0;

    for (int i = 0; i < NUM_SORTS; i++)
        samples[i] = packed_sample(&w, i);
    for (int round = 0; round < 100000; round++) {
        const c4p_msg_t *sample = samples[round % NUM_SORTS];
        size_t len;
        uint8_t *bytes = mutate((const uint8_t *)(sample + 1), (size_t)sample->env.len, &len);
        const char *why = NULL;
        c4p_pup_t p;
        if (below(2))
            add_sample(a, (int)below(4) ? round % NUM_SORTS : (int)below(NUM_SORTS), 9);
        c4pi_pup_unpack_init(&p, bytes, len);
        const c4p_status_t st = c4pi_accum_merge(a, &p, &why);
        free(bytes);
        if (st == C4P_OK)
            taken++;
        else if (st == C4P_ERR_TYPE)
            CHECK(why != NULL && strlen(why) < 400);
        else {
            CHECK_STATUS(C4P_ERR_DATA, st);
            refused++;
        }
        if (c4pi_accum_finish(a, 1, 2, &msg) != C4P_OK) {
            c4pi_accum_free(a);
            a = make_accum(&w);
            continue;
        }
        read_result(msg);
        c4pi_msg_drop(msg);
    }
    CHECK(refused > 20000 && taken > 20000); /* the loop exercises both */
    for (int i = 0; i < NUM_SORTS; i++)
        c4pi_msg_drop(samples[i]);
    c4pi_accum_free(a);
    close_world(&w);
}

/* A packed accumulator with these contents. */
static c4p_status_t
merge_made_up(world_t *w, c4p_op_t op, c4p_dtype_t dtype, uint64_t each, size_t meta_len,
              const void *data, size_t len)
{
    static const uint8_t zeros[5000];
    c4pi_accum_t *a = make_accum(w);
    c4p_msg_t *msg;
    const char *why;
    c4p_pup_t p;

    c4pi_pup_pack_init(&p, &w->msgs);
    c4p_put_u8(&p, 1);
    c4p_put_u8(&p, (uint8_t)op);
    c4p_put_u8(&p, (uint8_t)dtype);
    c4p_put_u32(&p, 0);
    c4p_put_u64(&p, each);
    c4p_put_blob(&p, zeros, meta_len);
    c4p_put_blob(&p, data, len);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    c4p_status_t st = c4pi_accum_merge(a, &p, &why);
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    return st;
}

static void
every_sort_of_damage_is_named(void)
{
    uint8_t bytes[96] = {0};
    const c4pi_part_head_t part = {.len = 8};
    const c4pi_tuple_head_t head = {C4P_OP_OR, C4P_INT16, 20};
    world_t w;
    open_world(&w, 1);

    CHECK_OK(merge_made_up(&w, C4P_OP_SUM, C4P_INT64, 16, 4096, bytes, 16));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_SUM, C4P_INT64, 16, 4097, bytes, 16));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_SUM, C4P_INT64, 16, 0, bytes, 17));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_SUM, C4P_INT64, 15, 0, bytes, 8));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_SUM, C4P_BOOL, 16, 0, bytes, 16));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, (c4p_op_t)40, C4P_INT64, 16, 0, bytes, 16));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_NOP, C4P_INT64, 0, 0, bytes, 1));
    CHECK_OK(merge_made_up(&w, C4P_OP_AND, C4P_INT64, 32, 0, bytes, 4));
    bytes[3] = 2; /* no truth */
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_AND, C4P_INT64, 32, 0, bytes, 4));

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, &part, sizeof(part));
    CHECK_OK(merge_made_up(&w, C4P_OP_GATHER, (c4p_dtype_t)0, 0, 0, bytes, 48));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_GATHER, (c4p_dtype_t)0, 0, 0, bytes, 47));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_GATHER, (c4p_dtype_t)0, 0, 0, bytes, 64));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_GATHER, (c4p_dtype_t)0, 0, 0, bytes, 0));
    CHECK_OK(merge_made_up(&w, C4P_OP_SUM_ORDERED, C4P_INT64, 8, 0, bytes, 48));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_SUM_ORDERED, C4P_INT64, 16, 0, bytes, 48));

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, &head, sizeof(head)); /* ten int16 as ten truths */
    CHECK_OK(merge_made_up(&w, C4P_OP_TUPLE, (c4p_dtype_t)0, 0, 0, bytes, 32));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_TUPLE, (c4p_dtype_t)0, 0, 0, bytes, 48));
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_TUPLE, (c4p_dtype_t)0, 0, 0, bytes, 31));
    bytes[16] = 2;
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_TUPLE, (c4p_dtype_t)0, 0, 0, bytes, 32));
    bytes[16] = 0;
    bytes[8] = 21; /* half an int16 */
    CHECK_STATUS(C4P_ERR_DATA, merge_made_up(&w, C4P_OP_TUPLE, (c4p_dtype_t)0, 0, 0, bytes, 32));
    close_world(&w);
}

static void
lists_of_impossible_dimensions_are_not_read(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_result_t result;
    c4p_gathered_t part;
    size_t cursor = SIZE_MAX;

    add(a, 0, C4P_OP_GATHER, (c4p_dtype_t)0, "x", 1);
    c4p_msg_t *msg = finish(a, &result);
    CHECK(!c4p_gathered_next(msg, &cursor, &part)); /* a cursor from elsewhere */
    CHECK_EQ(1, c4p_gathered_count(msg));
    ((c4pi_result_head_t *)c4pi_msg_payload(msg))->ndims = 7;
    CHECK_EQ(0, c4p_gathered_count(msg));
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    close_world(&w);
}

static void
damaged_results_are_read_inside_their_bytes(void)
{
    world_t w;
    open_world(&w, 3);
    c4p_msg_t *samples[NUM_SORTS];

    for (int i = 0; i < NUM_SORTS; i++) {
        c4pi_accum_t *a = make_accum(&w);
        for (int64_t k = 0; k < 3; k++)
            add_sample(a, i, k);
        CHECK_OK(c4pi_accum_finish(a, 1, 3, &samples[i]));
        c4pi_accum_free(a);
    }
    for (int round = 0; round < 100000; round++) {
        const c4p_msg_t *sample = samples[round % NUM_SORTS];
        size_t len;
        uint8_t *bytes = mutate((const uint8_t *)(sample + 1), (size_t)sample->env.len, &len);
        c4p_msg_t *msg = message_of(bytes, len);
        read_result(msg);
        free(msg);
        free(bytes);
    }
    for (int i = 0; i < NUM_SORTS; i++)
        c4pi_msg_drop(samples[i]);
    close_world(&w);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static fail_alloc_t failing;

/* A call that failed for want of memory is made again and must then succeed as if nothing had been.
 */
#define TRY_TWICE(call)                                                                            \
    do {                                                                                           \
        c4p_status_t st_ = (call);                                                                 \
        if (st_ == C4P_ERR_NOMEM && !*failed) {                                                    \
            *failed = true;                                                                        \
            st_ = (call);                                                                          \
        }                                                                                          \
        CHECK_OK(st_);                                                                             \
    } while (0)

static c4p_status_t
pack_once(world_t *w, c4pi_accum_t *a, c4p_msg_t **msg_out)
{
    c4p_pup_t p;
    c4pi_pup_pack_init(&p, &w->msgs);
    c4p_status_t st = c4pi_accum_pack(a, &p);
    if (st == C4P_OK)
        return c4pi_pup_pack_finish(&p, msg_out);
    c4pi_pup_fini(&p);
    return st;
}

static c4p_status_t
merge_once(c4pi_accum_t *a, c4p_msg_t *msg)
{
    const char *why;
    c4p_pup_t p;
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    return c4pi_accum_merge(a, &p, &why);
}

/* Meta bytes are another at each attempt; those that were taken must come out. */
static uint64_t shape[300], shape_taken;

static c4p_status_t
add_with_shape(c4pi_accum_t *a, uint64_t i, c4p_op_t op, const void *data, size_t len)
{
    const size_t meta_len = i == 2 ? sizeof(shape) : 0;
    const c4p_reduce_t how = {
        .op = op, .dtype = C4P_UINT64, .custom = 7, .meta = shape, .meta_len = meta_len};
    const char *why;

    shape[0]++;
    c4p_status_t st = c4pi_accum_add(a, key_1d(40 - (int64_t)i), &how, data, len, &why);
    if (st == C4P_OK && i == 2)
        shape_taken = shape[0];
    return st;
}

/* 40 contributions of so many words in falling index order, half of them by way of another
 * accumulator. */
static void
one_failure(c4p_op_t op, size_t words, uint64_t *sum_out, bool *failed)
{
    static uint64_t data[500];
    world_t w;
    c4pi_accum_t *a = NULL, *b = NULL;
    c4p_msg_t *packed, *msg;
    c4p_result_t result;
    uint8_t tuple[4096];
    size_t at = 0;

    world_init(&w, &failing.port, 1);
    TRY_TWICE(c4pi_accum_new(&w.env, &a));
    TRY_TWICE(c4pi_accum_new(&w.env, &b));
    for (uint64_t i = 0; i < 40; i++) {
        data[0] = i + 1;
        const void *from = data;
        size_t len = 8 * words;
        if (op == C4P_OP_TUPLE) {
            at = 0;
            CHECK_OK(
                c4p_tuple_add(tuple, sizeof(tuple), &at, C4P_OP_SUM, C4P_UINT64, data, 8 * words));
            from = tuple;
            len = at;
        }
        TRY_TWICE(add_with_shape(i % 2 ? a : b, i, op, from, len));
    }
    TRY_TWICE(pack_once(&w, b, &packed));
    TRY_TWICE(merge_once(a, packed));
    c4pi_msg_drop(packed);
    TRY_TWICE(c4pi_accum_finish(a, 0, 40, &msg));
    CHECK_OK(c4p_result_get(msg, &result));
    CHECK_EQ(sizeof(shape), result.meta_len);
    CHECK_EQ(shape_taken, u64_at(result.meta));
    *sum_out = u64_at((uint8_t *)result.data + (op == C4P_OP_TUPLE ? 16 : 0));
    if (op == C4P_OP_GATHER) {
        c4p_gathered_t part;
        *sum_out = 0;
        for (size_t cursor = 0; c4p_gathered_next(msg, &cursor, &part);)
            *sum_out += u64_at(part.data);
    }
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    c4pi_accum_free(b);
    CHECK_EQ(0, w.msgs.live);
    c4pi_msgs_fini(&w.msgs);
}

static void
a_call_that_finds_no_memory_changes_nothing(void)
{
    const c4p_op_t ops[] = {C4P_OP_SUM, C4P_OP_GATHER, C4P_OP_SUM_ORDERED, C4P_OP_CUSTOM,
                            C4P_OP_TUPLE};
    c4pi_port_t *inner;
    uint64_t sum;

    CHECK_OK(c4pi_port_real_new(NULL, &inner));
    for (size_t i = 0; i < 2 * sizeof(ops) / sizeof(ops[0]); i++) {
        int num_failed = 0;
        for (uint64_t n = 1; fail_alloc_begin(&failing, inner, n); n++) {
            bool failed = false;
            one_failure(ops[i / 2], i % 2 ? 500 : 75, &sum, &failed);
            CHECK_EQ(820, sum); /* 1 + ... + 40 */
            if (failed)         /* else one that was made good, as by giving up spare blocks */
                num_failed++;
            fail_alloc_end(&failing);
        }
        CHECK(num_failed > 3);
    }
    c4pi_port_free(inner);
}

static void
contributions_after_the_first_take_no_memory(void)
{
    c4pi_port_t *inner;
    world_t w;
    c4pi_accum_t *a;
    double v = 0.5;
    c4p_result_t result;

    CHECK_OK(c4pi_port_real_new(NULL, &inner));
    fail_alloc_begin(&failing, inner, 1);
    failing.fail_at = 0;
    world_init(&w, &failing.port, 1);
    a = make_accum(&w);
    add(a, 0, C4P_OP_SUM, C4P_FLOAT64, &v, 8);
    const uint64_t allocs = failing.count, messages = w.msgs.live;
    for (int i = 1; i < 1000; i++)
        add(a, i, C4P_OP_SUM, C4P_FLOAT64, &v, 8);
    CHECK_EQ(allocs, failing.count);
    CHECK_EQ(messages, w.msgs.live);
    for (int round = 0; round < 100; round++) { /* and nor does the next reduction */
        c4p_msg_t *msg = finish(a, &result);
        CHECK_EQ(round ? 0.5 : 500.0, *(double *)result.data);
        c4pi_msg_drop(msg);
        add(a, 0, C4P_OP_SUM, C4P_FLOAT64, &v, 8);
    }
    CHECK_EQ(allocs, failing.count);
    c4pi_accum_free(a);
    c4pi_msgs_fini(&w.msgs);
    fail_alloc_end(&failing);
    c4pi_port_free(inner);
}

static void
dimensions_are_checked(void)
{
    world_t w;
    open_world(&w, 0);
    c4pi_accum_t *a = NULL;

    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_new(&w.env, &a));
    w.env.ndims = 7;
    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_new(&w.env, &a));
    CHECK(a == NULL);
    c4pi_accum_free(NULL);
    close_world(&w);
}

TEST_CASES(damaged_partials_are_refused_or_harmless, damaged_results_are_read_inside_their_bytes,
           every_sort_of_damage_is_named, lists_of_impossible_dimensions_are_not_read,
           a_call_that_finds_no_memory_changes_nothing,
           contributions_after_the_first_take_no_memory, dimensions_are_checked)
