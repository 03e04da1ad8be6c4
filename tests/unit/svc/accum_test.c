/* SPDX-License-Identifier: Apache-2.0 */
/* accum_test.c: whatever the tree and the order, the result is that of a plain loop over wide
 * numbers written here; what does not go together is refused with a text. */
#include "svc/accum_format.h"
#include "unit/svc/accum_world.h"

/* ---- the same arithmetic, told differently --------------------------------------------------- */

typedef struct wide {
    __int128 i; /* integers and bools */
    long double re, im;
    int64_t place;
} wide_t;

static bool
is_float(c4p_dtype_t t)
{
    return t >= C4P_FLOAT32;
}

static bool
is_complex(c4p_dtype_t t)
{
    return t >= C4P_COMPLEX64;
}

static bool
is_placed(c4p_op_t op)
{
    return op == C4P_OP_MINLOC || op == C4P_OP_MAXLOC;
}

static bool
is_logical(c4p_op_t op)
{
    return op == C4P_OP_AND || op == C4P_OP_OR || op == C4P_OP_XOR;
}

static size_t
item_size(c4p_op_t op, c4p_dtype_t t)
{
    return is_placed(op) ? 16 : c4p_dtype_size(t);
}

#define READ(enumerator, type, field)                                                              \
    case enumerator: {                                                                             \
        type v;                                                                                    \
        memcpy(&v, at, sizeof(v));                                                                 \
        w.field = v;                                                                               \
        break;                                                                                     \
    }
#define READ_PAIR(enumerator, type)                                                                \
    case enumerator: {                                                                             \
        type v[2];                                                                                 \
        memcpy(v, at, sizeof(v));                                                                  \
        w.re = v[0];                                                                               \
        w.im = v[1];                                                                               \
        break;                                                                                     \
    }

static wide_t
read_item(c4p_op_t op, c4p_dtype_t t, const uint8_t *at)
{
    wide_t w = {0};
    switch (t) {
        READ(C4P_BOOL, uint8_t, i)
        READ(C4P_INT8, int8_t, i)
        READ(C4P_UINT8, uint8_t, i)
        READ(C4P_INT16, int16_t, i)
        READ(C4P_UINT16, uint16_t, i)
        READ(C4P_INT32, int32_t, i)
        READ(C4P_UINT32, uint32_t, i)
        READ(C4P_INT64, int64_t, i)
        READ(C4P_UINT64, uint64_t, i)
        READ(C4P_FLOAT32, float, re)
        READ(C4P_FLOAT64, double, re)
        READ_PAIR(C4P_COMPLEX64, float)
        READ_PAIR(C4P_COMPLEX128, double)
    }
    if (is_placed(op))
        memcpy(&w.place, at + 8, 8);
    return w;
}

/* a op b; only small whole numbers occur in floats, so that nothing is rounded. */
static wide_t
combine_wide(c4p_op_t op, c4p_dtype_t t, wide_t a, wide_t b)
{
    const bool nan_a = is_float(t) && isnan(a.re), nan_b = is_float(t) && isnan(b.re);
    const bool less = is_float(t) ? a.re < b.re : a.i < b.i,
               more = is_float(t) ? a.re > b.re : a.i > b.i;
    wide_t r = a;

    switch (op) {
    case C4P_OP_SUM:
    case C4P_OP_SUM_ORDERED:
    case C4P_OP_SUM_COMPENSATED:
        return (wide_t){.i = a.i + b.i, .re = a.re + b.re, .im = a.im + b.im};
    case C4P_OP_PRODUCT: /* factors below 2^64, and the product is cut down to its type after each
                            step */
        return (wide_t){.i = (__int128)((unsigned __int128)a.i * (unsigned __int128)b.i),
                        .re = a.re * b.re - a.im * b.im,
                        .im = a.re * b.im + a.im * b.re};
    case C4P_OP_MIN:
        return nan_a ? a : nan_b ? b : less ? a : b;
    case C4P_OP_MAX:
        return nan_a ? a : nan_b ? b : more ? a : b;
    case C4P_OP_AND:
        return (wide_t){.i = a.i && b.i};
    case C4P_OP_OR:
        return (wide_t){.i = a.i || b.i};
    case C4P_OP_XOR:
        return (wide_t){.i = !a.i != !b.i};
    case C4P_OP_BIT_AND:
        return (wide_t){.i = a.i & b.i};
    case C4P_OP_BIT_OR:
        return (wide_t){.i = a.i | b.i};
    case C4P_OP_BIT_XOR:
        return (wide_t){.i = a.i ^ b.i};
    case C4P_OP_MINLOC:
    case C4P_OP_MAXLOC:
        if (nan_a != nan_b)
            return nan_a ? a : b;
        if (nan_a || (!less && !more)) {
            r.place = a.place < b.place ? a.place : b.place;
            return r;
        }
        return (op == C4P_OP_MINLOC ? less : more) ? a : b;
    default:
        FAIL("operation %d is not tested", (int)op);
    }
}

/* To the value range of the type: two's complement, without the overflow. */
static wide_t
cut(c4p_dtype_t t, wide_t w)
{
    if (is_float(t) || t == C4P_BOOL)
        return w;
    const int bits = 8 * (int)c4p_dtype_size(t);
    unsigned __int128 u = (unsigned __int128)w.i & ((((unsigned __int128)1) << bits) - 1);
    const bool is_signed = t == C4P_INT8 || t == C4P_INT16 || t == C4P_INT32 || t == C4P_INT64;
    w.i = (__int128)u;
    if (is_signed && (u >> (bits - 1)))
        w.i -= (__int128)1 << bits;
    return w;
}

static bool
same_float(long double a, long double b)
{
    return (isnan(a) && isnan(b)) || a == b;
}

static void
check_items(c4p_op_t op, c4p_dtype_t result_dtype, const wide_t *want, const uint8_t *got,
            size_t items)
{
    for (size_t i = 0; i < items; i++) {
        wide_t have = read_item(op, result_dtype, got + i * item_size(op, result_dtype));
        if (have.i != want[i].i || !same_float(have.re, want[i].re) ||
            !same_float(have.im, want[i].im) || have.place != want[i].place)
            FAIL("op %d dtype %d item %zu: expected %lld %Lg %Lg @%lld, got %lld %Lg %Lg @%lld",
                 (int)op, (int)result_dtype, i, (long long)want[i].i, want[i].re, want[i].im,
                 (long long)want[i].place, (long long)have.i, have.re, have.im,
                 (long long)have.place);
    }
}

/* One contribution's worth of random items: integers of all bits, floats of small whole numbers,
 * now and then a NaN or an infinity where order matters. */
static void
fill_items(c4p_op_t op, c4p_dtype_t t, uint8_t *to, size_t items)
{
    const bool order = op == C4P_OP_MIN || op == C4P_OP_MAX || is_placed(op);

    for (size_t i = 0; i < items; i++, to += item_size(op, t)) {
        uint64_t bits[2] = {draw(), draw()};
        if (t == C4P_BOOL || (is_logical(op) && below(2)))
            bits[0] = bits[1] = below(2);
        if (order && below(2) && !is_float(t))
            bits[0] = below(3);
        memcpy(to, bits, item_size(op, t)); /* placed: what pads the value is random too */
        float f[2] = {(float)below(9) - 4, (float)below(9) - 4};
        if (op == C4P_OP_PRODUCT)
            f[0] = below(2) ? 1 : -1, f[1] = is_complex(t) && below(4) == 0 ? 1 : 0;
        if (order && below(12) == 0)
            f[0] = below(2) ? (float)NAN : below(2) ? INFINITY : -INFINITY;
        const double d[2] = {f[0], f[1]};
        if (t == C4P_FLOAT32 || t == C4P_COMPLEX64)
            memcpy(to, f, c4p_dtype_size(t));
        if (t == C4P_FLOAT64 || t == C4P_COMPLEX128)
            memcpy(to, d, c4p_dtype_size(t));
        if (is_placed(op)) {
            int64_t place = (int64_t)below(5) - 2;
            memcpy(to + 8, &place, 8);
        }
    }
}

enum { MAX_MEMBERS = 24, MAX_ITEMS = 37, MAX_ACCUMS = 5 };

/* Contributions of n members, each `len` bytes long at data + i * stride. */
typedef struct crowd {
    int n;
    c4p_reduce_t how;
    c4p_key_t key[MAX_MEMBERS];
    const uint8_t *data[MAX_MEMBERS];
    size_t len[MAX_MEMBERS];
} crowd_t;

/* Contribute in random order to random accumulators, of which now and then one is sent to another;
 * in the end all to the first. */
static c4p_msg_t *
reduce_randomly(world_t *w, const crowd_t *crowd)
{
    c4pi_accum_t *accums[MAX_ACCUMS];
    int order[MAX_MEMBERS];
    const int num = 1 + (int)below(MAX_ACCUMS);
    const char *why = "no reason";
    c4p_msg_t *msg;

    for (int i = 0; i < num; i++)
        accums[i] = make_accum(w);
    for (int i = 0; i < crowd->n; i++) {
        const int j = (int)below((uint64_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (int i = 0; i < crowd->n; i++) {
        const int m = order[i];
        CHECK_OK(c4pi_accum_check(&crowd->how, crowd->data[m], crowd->len[m]));
        CHECK_OK(c4pi_accum_add(accums[below((uint64_t)num)], crowd->key[m], &crowd->how,
                                crowd->data[m], crowd->len[m], &why));
        if (num > 1 && below(3) == 0) {
            const int from = (int)below((uint64_t)num),
                      into = (from + 1 + (int)below((uint64_t)num - 1)) % num;
            CHECK_OK(send_partial(w, accums[from], accums[into], &why));
        }
    }
    for (int i = 1; i < num; i++)
        CHECK_OK(send_partial(w, accums[i], accums[0], &why));
    CHECK_OK(c4pi_accum_finish(accums[0], UINT64_C(1) << 63, (uint64_t)crowd->n, &msg));
    for (int i = 0; i < num; i++)
        c4pi_accum_free(accums[i]);
    return msg;
}

/* ---- typed operations ------------------------------------------------------------------------ */

static bool
pair_allowed(c4p_op_t op, c4p_dtype_t t)
{
    switch (op) { /* as c4p/collective.h and accum.h promise */
    case C4P_OP_SUM:
    case C4P_OP_PRODUCT:
    case C4P_OP_SUM_ORDERED:
        return t != C4P_BOOL;
    case C4P_OP_MIN:
    case C4P_OP_MAX:
    case C4P_OP_MINLOC:
    case C4P_OP_MAXLOC:
        return t != C4P_BOOL && !is_complex(t);
    case C4P_OP_SUM_COMPENSATED:
        return is_float(t);
    default:
        return !is_float(t);
    }
}

static const c4p_op_t typed_ops[] = {
    C4P_OP_SUM,         C4P_OP_PRODUCT,
    C4P_OP_MIN,         C4P_OP_MAX,
    C4P_OP_AND,         C4P_OP_OR,
    C4P_OP_XOR,         C4P_OP_BIT_AND,
    C4P_OP_BIT_OR,      C4P_OP_BIT_XOR,
    C4P_OP_MINLOC,      C4P_OP_MAXLOC,
    C4P_OP_SUM_ORDERED, C4P_OP_SUM_COMPENSATED,
};
enum { NUM_TYPED_OPS = sizeof(typed_ops) / sizeof(typed_ops[0]) };

static void
only_the_promised_pairs_are_taken(void)
{
    const uint8_t zeros[32] = {0};

    for (int i = 0; i < NUM_TYPED_OPS; i++) {
        for (int t = 0; t <= C4P_COMPLEX128 + 1; t++) {
            const c4p_reduce_t how = how_of(typed_ops[i], (c4p_dtype_t)t);
            const bool known = t >= C4P_BOOL && t <= C4P_COMPLEX128;
            const bool allowed = known && pair_allowed(how.op, how.dtype);
            CHECK_STATUS(allowed ? C4P_OK : C4P_ERR_TYPE, c4pi_accum_check(&how, zeros, 32));
            if (allowed && item_size(how.op, how.dtype) > 1)
                CHECK_STATUS(C4P_ERR_TYPE, c4pi_accum_check(&how, zeros, 17));
        }
    }
}

static void
check_refuses_what_cannot_be_contributed(void)
{
    c4p_reduce_t how = how_of(C4P_OP_GATHER, (c4p_dtype_t)0);
    CHECK_OK(c4pi_accum_check(&how, NULL, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_check(&how, NULL, 1));
    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_check(NULL, "", 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4pi_accum_check(&how, "", SIZE_MAX));
    how.meta_len = 1;
    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_check(&how, "", 0));
    how.meta = "x";
    how.meta_len = 4096;
    CHECK_OK(c4pi_accum_check(&how, "", 0));
    how.meta_len = 4097;
    CHECK_STATUS(C4P_ERR_RANGE, c4pi_accum_check(&how, "", 0));
    how = how_of((c4p_op_t)99, C4P_INT64);
    CHECK_STATUS(C4P_ERR_ARG, c4pi_accum_check(&how, "", 0));
    how = how_of(C4P_OP_NOP, (c4p_dtype_t)0);
    CHECK_OK(c4pi_accum_check(&how, "", 0));
    CHECK_STATUS(C4P_ERR_TYPE, c4pi_accum_check(&how, "x", 1));
    how = how_of(C4P_OP_TUPLE, (c4p_dtype_t)0);
    CHECK_OK(c4pi_accum_check(&how, "", 0));
    CHECK_STATUS(C4P_ERR_TYPE, c4pi_accum_check(&how, "0123456789abcdef", 16));
}

static void
expect_typed(c4p_op_t op, c4p_dtype_t t, const uint8_t *data, int n, size_t items, wide_t *want)
{
    const size_t size = item_size(op, t);

    for (size_t i = 0; i < items; i++) {
        want[i] = read_item(op, t, data + i * size);
        if (is_logical(op) || t == C4P_BOOL)
            want[i].i = want[i].i != 0;
        for (int m = 1; m < n; m++)
            want[i] = cut(t, combine_wide(op, t, want[i],
                                          read_item(op, t, data + ((size_t)m * items + i) * size)));
    }
}

static void
any_tree_gives_the_plain_result(void)
{
    static uint8_t data[MAX_MEMBERS * MAX_ITEMS * 16];
    wide_t want[MAX_ITEMS];
    c4p_result_t result;
    world_t w;

    open_world(&w, 1);
    for (int round = 0; round < 12; round++) {
        for (int o = 0; o < NUM_TYPED_OPS; o++) {
            for (int t = C4P_BOOL; t <= C4P_COMPLEX128; t++) {
                const c4p_op_t op = typed_ops[o];
                if (!pair_allowed(op, (c4p_dtype_t)t))
                    continue;
                const size_t items = round < 2 ? (size_t)round : 1 + below(MAX_ITEMS),
                             len = items * item_size(op, (c4p_dtype_t)t);
                crowd_t crowd = {.n = 1 + (int)below(MAX_MEMBERS),
                                 .how = how_of(op, (c4p_dtype_t)t)};
                fill_items(op, (c4p_dtype_t)t, data, items * (size_t)crowd.n);
                for (int m = 0; m < crowd.n; m++) {
                    crowd.key[m] = key_1d(m);
                    crowd.data[m] = data + (size_t)m * len;
                    crowd.len[m] = len;
                }
                c4p_msg_t *msg = reduce_randomly(&w, &crowd);
                expect_typed(op, (c4p_dtype_t)t, data, crowd.n, items, want);
                CHECK_OK(c4p_result_get(msg, &result));
                CHECK_EQ(op, result.op);
                CHECK_EQ(is_logical(op) ? C4P_BOOL : t, result.dtype);
                CHECK_EQ(UINT64_C(1) << 63, result.number);
                CHECK_EQ(crowd.n, result.contributors);
                CHECK_EQ(items * item_size(op, result.dtype), result.len);
                check_items(op, result.dtype, want, result.data, items);
                c4pi_msg_drop(msg);
            }
        }
    }
    close_world(&w);
}

static void
integers_wrap_around(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_result_t result;
    const int64_t half = INT64_C(1) << 62;
    const uint8_t u8 = 200;
    const uint16_t u16 = 65535;
    const int32_t i32 = INT32_MIN;

    add(a, 0, C4P_OP_SUM, C4P_INT64, &half, 8);
    add(a, 1, C4P_OP_SUM, C4P_INT64, &half, 8);
    c4p_msg_t *msg = finish(a, &result);
    CHECK_EQ(INT64_MIN, (int64_t)u64_at(result.data));
    c4pi_msg_drop(msg);
    add(a, 0, C4P_OP_SUM, C4P_UINT8, &u8, 1);
    add(a, 1, C4P_OP_SUM, C4P_UINT8, &u8, 1);
    msg = finish(a, &result);
    CHECK_EQ(144, *(uint8_t *)result.data); /* 400 - 256 */
    c4pi_msg_drop(msg);
    add(a, 0, C4P_OP_PRODUCT, C4P_UINT16, &u16, 2);
    add(a, 1, C4P_OP_PRODUCT, C4P_UINT16, &u16, 2);
    msg = finish(a, &result);
    CHECK_EQ(1, *(uint16_t *)result.data); /* (-1)^2 */
    c4pi_msg_drop(msg);
    add(a, 0, C4P_OP_SUM, C4P_INT32, &i32, 4);
    add(a, 1, C4P_OP_SUM, C4P_INT32, &i32, 4);
    msg = finish(a, &result);
    CHECK_EQ(0, *(int32_t *)result.data);
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    close_world(&w);
}

/* 1 is far below the last digit of 1e16: a plain sum loses the small parts in some order. */
static void
compensated_sum_keeps_what_rounding_drops(void)
{
    enum { N = 12 };
    double values[N] = {1e16, -1e16, 1e16, -1e16};
    crowd_t crowd = {.n = N, .how = how_of(C4P_OP_SUM_COMPENSATED, C4P_FLOAT64)};
    c4p_result_t result;
    world_t w;

    open_world(&w, 1);
    for (int i = 0; i < N; i++) {
        if (i >= 4)
            values[i] = 0.125;
        crowd.key[i] = key_1d(i);
        crowd.data[i] = (const uint8_t *)&values[i];
        crowd.len[i] = 8;
    }
    for (int round = 0; round < 200; round++) {
        c4p_msg_t *msg = reduce_randomly(&w, &crowd);
        CHECK_OK(c4p_result_get(msg, &result));
        CHECK_EQ(8, result.len);
        CHECK_EQ(1.0, *(double *)result.data); /* 8 x 1/8, exact */
        c4pi_msg_drop(msg);
    }
    close_world(&w);
}

static void
compensated_sum_of_infinities_is_that_of_plain_ones(void)
{
    const struct {
        double a, b, c, want;
    } cases[] = {{INFINITY, 1, 2, INFINITY},
                 {1, -INFINITY, 2, -INFINITY},
                 {INFINITY, 1, -INFINITY, NAN},
                 {NAN, 1, 1, NAN},
                 {1e308, 1e308, 1, INFINITY}};
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_result_t result;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add(a, 0, C4P_OP_SUM_COMPENSATED, C4P_FLOAT64, &cases[i].a, 8);
        add(a, 1, C4P_OP_SUM_COMPENSATED, C4P_FLOAT64, &cases[i].b, 8);
        add(a, 2, C4P_OP_SUM_COMPENSATED, C4P_FLOAT64, &cases[i].c, 8);
        c4p_msg_t *msg = finish(a, &result);
        CHECK(same_float(cases[i].want, *(double *)result.data));
        c4pi_msg_drop(msg);
    }
    c4pi_accum_free(a);
    close_world(&w);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int
compare_indices(const c4p_index_t *a, const c4p_index_t *b)
{
    for (int d = 0; d < a->ndims; d++)
        if (a->at[d] != b->at[d])
            return a->at[d] < b->at[d] ? -1 : 1;
    return 0;
}

/* Random indices, all different, mostly small and of both signs, some at the limits. order_out:
 * positions in row-major order. */
static void
draw_indices(crowd_t *crowd, int ndims, c4p_index_t *index, int *order_out)
{
    for (int i = 0; i < crowd->n; i++) {
        bool fresh;
        do {
            index[i].ndims = ndims;
            for (int d = 0; d < ndims; d++)
                index[i].at[d] = below(8)   ? (int64_t)below(9) - 4
                                 : below(2) ? c4p_index_max(ndims)
                                            : -c4p_index_max(ndims);
            if (ndims == 1)
                index[i].at[0] +=
                    16 * (int64_t)below(40) * (index[i].at[0] < 100 && index[i].at[0] > -100);
            fresh = true;
            for (int j = 0; j < i; j++)
                fresh &= compare_indices(&index[i], &index[j]) != 0;
        } while (!fresh);
        CHECK_OK(c4p_index_pack(&index[i], &crowd->key[i]));
        int at = i;
        for (; at > 0 && compare_indices(&index[i], &index[order_out[at - 1]]) < 0; at--)
            order_out[at] = order_out[at - 1];
        order_out[at] = i;
    }
}

static void
gather_comes_in_index_order(void)
{
    static uint8_t bytes[MAX_MEMBERS][64];
    c4p_index_t index[MAX_MEMBERS];
    int order[MAX_MEMBERS];

    for (int round = 0; round < 120; round++) {
        const int ndims = 1 + round % C4P_MAX_DIMS;
        world_t w;
        open_world(&w, ndims);
        crowd_t crowd = {.n = 1 + (int)below(MAX_MEMBERS),
                         .how = how_of(C4P_OP_GATHER, (c4p_dtype_t)0)};
        draw_indices(&crowd, ndims, index, order);
        for (int i = 0; i < crowd.n; i++) {
            crowd.data[i] = bytes[i];
            crowd.len[i] = below(65);
            memset(bytes[i], (int)below(256), 64);
        }
        c4p_msg_t *msg = reduce_randomly(&w, &crowd);
        c4p_gathered_t part;
        size_t cursor = 0;
        CHECK_EQ(crowd.n, c4p_gathered_count(msg));
        for (int i = 0; i < crowd.n; i++) {
            CHECK(c4p_gathered_next(msg, &cursor, &part));
            CHECK_EQ(ndims, part.index.ndims);
            CHECK_EQ(0, compare_indices(&index[order[i]], &part.index));
            CHECK_EQ(0, (uintptr_t)part.data % 16);
            CHECK(!part.is_error);
            CHECK_EQ(crowd.len[order[i]], part.len);
            CHECK_MEM_EQ(crowd.data[order[i]], part.data, part.len);
        }
        CHECK(!c4p_gathered_next(msg, &cursor, &part));
        c4pi_msg_drop(msg);
        close_world(&w);
    }
}

static void
equal_indices_stay_as_they_came(void)
{
    const char letters[] = "abcABC";
    const int64_t members[] = {2, 0, 1, 2, 0, 1};
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    char got[7] = "";
    c4p_gathered_t part;
    c4p_result_t result;

    for (int i = 0; i < 6; i++)
        add(a, members[i], C4P_OP_GATHER, (c4p_dtype_t)0, &letters[i], 1);
    c4p_msg_t *msg = finish(a, &result);
    for (size_t cursor = 0, i = 0; c4p_gathered_next(msg, &cursor, &part); i++)
        got[i] = *(const char *)part.data;
    CHECK_STR_EQ("bBcCaA", got);
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    close_world(&w);
}

/* Values of all magnitudes, whose sum depends on the order: it must have the bits of the loop in
 * index order. */
static void
ordered_sum_has_the_same_bits_from_any_tree(void)
{
    double values[MAX_MEMBERS][3], want[3];
    c4p_index_t index[MAX_MEMBERS];
    int order[MAX_MEMBERS];
    c4p_result_t result;

    for (int round = 0; round < 120; round++) {
        const int ndims = 1 + round % C4P_MAX_DIMS;
        world_t w;
        open_world(&w, ndims);
        crowd_t crowd = {.n = 1 + (int)below(MAX_MEMBERS),
                         .how = how_of(C4P_OP_SUM_ORDERED, C4P_FLOAT64)};
        draw_indices(&crowd, ndims, index, order);
        for (int i = 0; i < crowd.n; i++) {
            for (int j = 0; j < 3; j++)
                values[i][j] = ldexp((double)below(1 << 20) - (1 << 19), (int)below(80) - 40);
            crowd.data[i] = (const uint8_t *)values[i];
            crowd.len[i] = sizeof(values[i]);
        }
        memcpy(want, values[order[0]], sizeof(want));
        for (int i = 1; i < crowd.n; i++)
            for (int j = 0; j < 3; j++)
                want[j] += values[order[i]][j];
        c4p_msg_t *msg = reduce_randomly(&w, &crowd);
        CHECK_OK(c4p_result_get(msg, &result));
        CHECK_EQ(C4P_FLOAT64, result.dtype);
        CHECK_EQ(sizeof(want), result.len);
        CHECK_MEM_EQ(want, result.data, sizeof(want));
        c4pi_msg_drop(msg);
        close_world(&w);
    }
}

static void
values_keep_their_error_marks(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w), *b = make_accum(&w);
    const char *why;
    c4p_gathered_t part;
    c4p_result_t result;
    size_t cursor = 0;

    CHECK_OK(c4pi_accum_add_value(a, key_1d(3), false, "three", 5));
    CHECK_OK(c4pi_accum_add_value(b, key_1d(-1), true, "broken", 6));
    CHECK_OK(c4pi_accum_add_value(b, key_1d(2), false, NULL, 0));
    CHECK_OK(send_partial(&w, b, a, &why));
    c4p_msg_t *msg = finish(a, &result);
    CHECK_EQ(3, c4p_gathered_count(msg));
    CHECK(c4p_gathered_next(msg, &cursor, &part));
    CHECK(part.is_error && part.len == 6 && part.index.at[0] == -1);
    CHECK_MEM_EQ("broken", part.data, 6);
    CHECK(c4p_gathered_next(msg, &cursor, &part));
    CHECK(!part.is_error && part.len == 0 && part.index.at[0] == 2);
    CHECK(c4p_gathered_next(msg, &cursor, &part));
    CHECK(!part.is_error && part.len == 5 && part.index.at[0] == 3);
    CHECK(!c4p_gathered_next(msg, &cursor, &part));
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    c4pi_accum_free(b);
    close_world(&w);
}

static void
a_large_gather_in_reverse_is_sorted(void)
{
    enum { N = 20000 };
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_gathered_t part;
    c4p_result_t result;
    size_t cursor = 0;

    for (int64_t i = N; i-- > 0;)
        add(a, i, C4P_OP_GATHER, (c4p_dtype_t)0, &i, 8);
    c4p_msg_t *msg = finish(a, &result);
    CHECK_EQ(N, c4p_gathered_count(msg));
    for (int64_t i = 0; i < N; i++) {
        CHECK(c4p_gathered_next(msg, &cursor, &part));
        CHECK_EQ(i, part.index.at[0]);
        CHECK_EQ(i, (int64_t)u64_at(part.data));
    }
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    close_world(&w);
}

/* ---- custom reducers ------------------------------------------------------------------------- */

static void
custom_reducer_adds_up_over_any_tree(void)
{
    uint64_t words[MAX_MEMBERS][5];
    c4p_result_t result;
    world_t w;

    open_world(&w, 1);
    for (int round = 0; round < 100; round++) {
        crowd_t crowd = {.n = 1 + (int)below(MAX_MEMBERS),
                         .how = {.op = C4P_OP_CUSTOM, .custom = 7}};
        uint64_t sum = 0, longest = 0;
        for (int i = 0; i < crowd.n; i++) {
            words[i][0] = draw();
            sum += words[i][0];
            crowd.data[i] = (const uint8_t *)words[i];
            crowd.len[i] = 8 + below(33);
            crowd.key[i] = key_1d(i);
            longest = crowd.len[i] > longest ? crowd.len[i] : longest;
        }
        c4p_msg_t *msg = reduce_randomly(&w, &crowd);
        CHECK_OK(c4p_result_get(msg, &result));
        CHECK_EQ(C4P_OP_CUSTOM, result.op);
        CHECK_EQ(7, result.custom);
        CHECK_EQ(longest, result.len);
        CHECK_EQ(sum, u64_at(result.data));
        c4pi_msg_drop(msg);
    }
    close_world(&w);
}

static void
a_single_custom_contribution_passes_unchanged(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w), *b = make_accum(&w);
    const c4p_reduce_t how = {.op = C4P_OP_CUSTOM, .custom = 7};
    const char *why;
    c4p_result_t result;

    CHECK_OK(c4pi_accum_add(a, key_1d(0), &how, "just me", 7, &why));
    CHECK_OK(send_partial(&w, a, b, &why));
    c4p_msg_t *msg = finish(b, &result);
    CHECK_EQ(0, fake_rt.calls);
    CHECK_EQ(7, result.len);
    CHECK_MEM_EQ("just me", result.data, 7);
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    c4pi_accum_free(b);
    close_world(&w);
}

static void
failing_custom_reducers_are_passed_on(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    c4p_reduce_t how = {.op = C4P_OP_CUSTOM, .custom = 7};
    const char *why;
    c4p_msg_t *msg = NULL;
    c4p_pup_t p;

    CHECK_OK(c4pi_accum_add(a, key_1d(0), &how, "01234567", 8, &why));
    CHECK_OK(c4pi_accum_add(a, key_1d(1), &how, "01234567", 8, &why));
    fake_rt.answer = C4P_ERR_USER;
    CHECK_STATUS(C4P_ERR_USER, c4pi_accum_finish(a, 0, 2, &msg));
    c4pi_pup_pack_init(&p, &w.msgs);
    CHECK_STATUS(C4P_ERR_USER, c4pi_accum_pack(a, &p));
    c4pi_pup_fini(&p);
    fake_rt.answer = C4P_OK; /* nothing was lost by the failures */
    CHECK_OK(c4pi_accum_finish(a, 0, 2, &msg));
    c4pi_msg_drop(msg);
    msg = NULL;
    how.custom = 8;
    CHECK_OK(c4pi_accum_add(a, key_1d(0), &how, "x", 1, &why));
    CHECK_OK(c4pi_accum_add(a, key_1d(1), &how, "x", 1, &why));
    CHECK_EQ(0, lines_logged); /* a reducer that fails says itself why */
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4pi_accum_finish(a, 0, 2, &msg));
    CHECK_EQ(1, lines_logged);
    CHECK(msg == NULL);
    c4pi_accum_free(a);
    close_world(&w);
}

/* ---- tuples ---------------------------------------------------------------------------------- */

static void
tuple_parts_combine_each_by_their_own(void)
{
    enum { PARTS = 5, ROOM = PARTS * (16 + MAX_ITEMS * 16) };
    static uint8_t tuples[MAX_MEMBERS][ROOM] __attribute__((aligned(16)));
    static uint8_t data[PARTS][MAX_MEMBERS * MAX_ITEMS * 16];
    wide_t want[MAX_ITEMS];
    c4p_result_t result;
    world_t w;

    open_world(&w, 1);
    for (int round = 0; round < 200; round++) {
        crowd_t crowd = {.n = 1 + (int)below(MAX_MEMBERS),
                         .how = how_of(C4P_OP_TUPLE, (c4p_dtype_t)0)};
        const int parts = (int)below(PARTS + 1);
        c4p_op_t ops[PARTS];
        c4p_dtype_t types[PARTS];
        size_t items[PARTS], used[MAX_MEMBERS] = {0};
        for (int p = 0; p < parts; p++) {
            do {
                ops[p] = typed_ops[below(NUM_TYPED_OPS)];
                types[p] = (c4p_dtype_t)(1 + below(C4P_COMPLEX128));
            } while (!pair_allowed(ops[p], types[p]) || ops[p] == C4P_OP_SUM_ORDERED);
            items[p] = below(MAX_ITEMS + 1);
            fill_items(ops[p], types[p], data[p], items[p] * (size_t)crowd.n);
            const size_t len = items[p] * item_size(ops[p], types[p]);
            for (int m = 0; m < crowd.n; m++) {
                const size_t before = used[m];
                CHECK_OK(c4p_tuple_add(tuples[m], ROOM, &used[m], ops[p], types[p],
                                       data[p] + (size_t)m * len, len));
                CHECK_EQ(c4p_tuple_size(len), used[m] - before);
            }
        }
        for (int m = 0; m < crowd.n; m++) {
            crowd.key[m] = key_1d(m);
            crowd.data[m] = tuples[m];
            crowd.len[m] = used[m];
        }
        c4p_msg_t *msg = reduce_randomly(&w, &crowd);
        CHECK_OK(c4p_result_get(msg, &result));
        CHECK_EQ(C4P_OP_TUPLE, result.op);
        size_t at = 0;
        c4p_op_t op;
        c4p_dtype_t dtype;
        const void *part;
        uint64_t len;
        for (int p = 0; p < parts; p++) {
            CHECK(c4p_tuple_next(result.data, (size_t)result.len, &at, &op, &dtype, &part, &len));
            CHECK_EQ(ops[p], op);
            CHECK_EQ(is_logical(op) ? C4P_BOOL : types[p], dtype);
            CHECK_EQ(0, (uintptr_t)part % 16);
            CHECK_EQ(items[p] * item_size(op, dtype), len);
            expect_typed(op, types[p], data[p], crowd.n, items[p], want);
            check_items(op, dtype, want, part, items[p]);
        }
        CHECK(!c4p_tuple_next(result.data, (size_t)result.len, &at, &op, &dtype, &part, &len));
        c4pi_msg_drop(msg);
    }
    close_world(&w);
}

static void
tuple_add_stays_inside_its_buffer(void)
{
    uint8_t buf[64];
    size_t at = 0;
    const int64_t v[6] = {0};

    memset(buf, 0xee, sizeof(buf));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(buf, 47, &at, C4P_OP_SUM, C4P_INT64, v, 24));
    CHECK_STATUS(C4P_ERR_RANGE,
                 c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, v, UINT64_MAX - 7));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, v, 7));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_tuple_add(buf, 64, &at, C4P_OP_GATHER, C4P_INT64, v, 8));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM_ORDERED, C4P_INT64, v, 8));
    CHECK_EQ(0, at);
    at = SIZE_MAX - 15;
    CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, v, 8));
    at = 8;
    CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, v, 8));
    at = 0;
    CHECK_OK(c4p_tuple_add(buf, 48, &at, C4P_OP_SUM, C4P_INT64, v, 24));
    CHECK_EQ(48, at);
    CHECK_EQ(0, buf[47]);
    CHECK_EQ(0xee, buf[48]);
    CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(buf, 48, &at, C4P_OP_SUM, C4P_INT64, v, 0));
    CHECK_EQ(32, c4p_tuple_size(1));
    CHECK_EQ(SIZE_MAX, c4p_tuple_size(UINT64_MAX));
}

/* ---- barriers, meta bytes, emptiness --------------------------------------------------------- */

static void
a_barrier_has_no_data(void)
{
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w), *b = make_accum(&w);
    const char *why;
    c4p_result_t result;

    add(a, 0, C4P_OP_NOP, (c4p_dtype_t)0, NULL, 0);
    add(b, 1, C4P_OP_NOP, (c4p_dtype_t)0, NULL, 0);
    CHECK_OK(send_partial(&w, b, a, &why));
    CHECK_OK(send_partial(&w, b, a, &why)); /* an empty one changes nothing */
    c4p_msg_t *msg = finish(a, &result);
    CHECK_EQ(C4P_OP_NOP, result.op);
    CHECK_EQ(0, result.len);
    CHECK_EQ(5, result.number);
    CHECK_EQ(3, result.contributors);
    CHECK_EQ(0, c4p_gathered_count(msg));
    c4pi_msg_drop(msg);
    msg = finish(a, &result); /* nobody contributed */
    CHECK_EQ(C4P_OP_NOP, result.op);
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    c4pi_accum_free(b);
    close_world(&w);
}

/* Of a reduction in which only the second member has meta bytes, whatever the operation and whether
 * the bytes come by way of another rank. */
static void
meta_bytes_travel_with_the_result(void)
{
    static uint8_t meta[4096], data[48];
    const c4p_op_t ops[] = {
        C4P_OP_NOP,    C4P_OP_SUM,         C4P_OP_AND,    C4P_OP_SUM_COMPENSATED,
        C4P_OP_GATHER, C4P_OP_SUM_ORDERED, C4P_OP_CUSTOM, C4P_OP_TUPLE};
    const size_t sizes[] = {1, 17, 4096};
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w), *b = make_accum(&w);
    c4p_result_t result;
    const char *why;
    size_t at = 0;

    for (size_t i = 0; i < sizeof(meta); i++)
        meta[i] = (uint8_t)draw();
    for (int round = 0; round < 2 * 3 * 8; round++) {
        c4p_reduce_t how = how_of(ops[round % 8], round % 8 == 2 ? C4P_INT16 : C4P_FLOAT64);
        how.custom = 7;
        size_t len = how.op == C4P_OP_NOP ? 0 : 8;
        memset(data, 0, sizeof(data));
        at = 0;
        if (how.op == C4P_OP_TUPLE) {
            CHECK_OK(
                c4p_tuple_add(data, sizeof(data), &at, C4P_OP_SUM, C4P_INT64, "\0\0\0\0\0\0\0", 8));
            len = at;
        }
        CHECK_OK(c4pi_accum_add(a, key_1d(4), &how, data, len, &why));
        how.meta = meta;
        how.meta_len = sizes[round / 8 % 3];
        if (round < 24) {
            CHECK_OK(c4pi_accum_add(a, key_1d(3), &how, data, len, &why));
        } else {
            CHECK_OK(c4pi_accum_add(b, key_1d(3), &how, data, len, &why));
            CHECK_OK(send_partial(&w, b, a, &why));
        }
        how.meta = "other";
        how.meta_len = 5;
        CHECK_OK(c4pi_accum_add(a, key_1d(2), &how, data, len, &why));
        c4p_msg_t *msg = finish(a, &result);
        CHECK_EQ(sizes[round / 8 % 3], result.meta_len);
        CHECK_MEM_EQ(meta, result.meta, result.meta_len);
        c4pi_msg_drop(msg);
        how.meta_len = 0; /* the next reduction does not inherit them */
        CHECK_OK(c4pi_accum_add(a, key_1d(4), &how, data, len, &why));
        msg = finish(a, &result);
        CHECK_EQ(0, result.meta_len);
        CHECK(result.meta == NULL);
        c4pi_msg_drop(msg);
    }
    c4pi_accum_free(a);
    c4pi_accum_free(b);
    close_world(&w);
}

static void
other_messages_are_no_results(void)
{
    world_t w;
    open_world(&w, 1);
    c4p_msg_t *msg = c4pi_msg_alloc(&w.msgs, 128);
    c4p_result_t result;
    c4p_gathered_t part;
    size_t cursor = 0;

    memset(c4pi_msg_payload(msg), 0, 128);
    CHECK(!c4p_msg_is_result(msg));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_result_get(msg, &result));
    msg->env.flags = C4PI_FLAG_RESULT; /* but no result inside */
    CHECK_STATUS(C4P_ERR_DATA, c4p_result_get(msg, &result));
    CHECK(!c4p_gathered_next(msg, &cursor, &part));
    CHECK_EQ(0, c4p_gathered_count(msg));
    c4pi_msg_drop(msg);
    close_world(&w);
}

/* ---- what does not go together --------------------------------------------------------------- */

typedef struct offer {
    c4p_reduce_t how;
    const void *data;
    size_t len;
} offer_t;

static void
check_mismatch(world_t *w, const offer_t *one, const offer_t *two, const char *text)
{
    c4pi_accum_t *a = make_accum(w), *b = make_accum(w);
    const char *why = "no reason";
    c4p_result_t result;

    CHECK_OK(c4pi_accum_add(a, key_1d(1), &one->how, one->data, one->len, &why));
    CHECK_STATUS(C4P_ERR_TYPE, c4pi_accum_add(a, key_1d(2), &two->how, two->data, two->len, &why));
    CHECK_STR_EQ(text, why);
    CHECK_OK(c4pi_accum_add(b, key_1d(2), &two->how, two->data, two->len, &why));
    why = "no reason";
    CHECK_STATUS(C4P_ERR_TYPE, send_partial(w, b, a, &why));
    CHECK_STR_EQ(text, why);
    c4p_msg_t *msg = finish(a, &result); /* the refused ones left no trace */
    CHECK_EQ(one->how.op, result.op);
    if (one->how.op == C4P_OP_GATHER)
        CHECK_EQ(1, c4p_gathered_count(msg));
    c4pi_msg_drop(msg);
    c4pi_accum_free(a);
    c4pi_accum_free(b);
}

static void
mixed_contributions_are_refused_with_a_text(void)
{
    static uint8_t zeros[64], one_part[32], two_parts[64];
    size_t at = 0;
    CHECK_OK(c4p_tuple_add(one_part, 32, &at, C4P_OP_AND, C4P_INT64, zeros, 16));
    at = 0;
    CHECK_OK(c4p_tuple_add(two_parts, 64, &at, C4P_OP_AND, C4P_INT64, zeros, 16));
    CHECK_OK(c4p_tuple_add(two_parts, 64, &at, C4P_OP_SUM_COMPENSATED, C4P_FLOAT32, zeros, 4));
    const offer_t sum3 = {how_of(C4P_OP_SUM, C4P_INT64), zeros, 24},
                  sum4 = {how_of(C4P_OP_SUM, C4P_INT64), zeros, 32},
                  max3 = {how_of(C4P_OP_MAX, C4P_INT64), zeros, 24},
                  sumf = {how_of(C4P_OP_SUM, C4P_FLOAT64), zeros, 24},
                  and8 = {how_of(C4P_OP_AND, C4P_INT8), zeros, 2},
                  andb = {how_of(C4P_OP_AND, C4P_BOOL), zeros, 2},
                  none = {how_of(C4P_OP_NOP, C4P_INT64), zeros, 0},
                  list = {how_of(C4P_OP_GATHER, C4P_INT64), zeros, 5},
                  ord1 = {how_of(C4P_OP_SUM_ORDERED, C4P_FLOAT32), zeros, 4},
                  ord2 = {how_of(C4P_OP_SUM_ORDERED, C4P_FLOAT32), zeros, 8},
                  own7 = {{.op = C4P_OP_CUSTOM, .custom = 7}, zeros, 8},
                  own9 = {{.op = C4P_OP_CUSTOM, .custom = 9}, zeros, 8},
                  tup1 = {how_of(C4P_OP_TUPLE, C4P_INT64), one_part, 32},
                  tup2 = {how_of(C4P_OP_TUPLE, C4P_INT64), two_parts, 64};
    const struct {
        const offer_t *a, *b;
        const char *text;
    } cases[] = {
        {&sum3, &sum4, "sum of 3 int64 meets sum of 4 int64"},
        {&sum4, &sum3, "sum of 4 int64 meets sum of 3 int64"},
        {&sum3, &max3, "sum of 3 int64 meets max of 3 int64"},
        {&sum3, &sumf, "sum of 3 int64 meets sum of 3 float64"},
        {&and8, &andb, "and of 2 int8 meets and of 2 bool"},
        {&sum3, &none, "sum of 3 int64 meets barrier"},
        {&none, &list, "barrier meets gather"},
        {&list, &sum3, "gather meets sum of 3 int64"},
        {&ord1, &ord2, "ordered sum of 1 float32 meets ordered sum of 2 float32"},
        {&own7, &own9, "custom reducer 7 meets custom reducer 9"},
        {&tup1, &tup2,
         "tuple (and of 2 int64) meets tuple (and of 2 int64, compensated sum of 1 float32)"},
        {&tup2, &tup1,
         "tuple (and of 2 int64, compensated sum of 1 float32) meets tuple (and of 2 int64)"},
        {&tup1, &none, "tuple (and of 2 int64) meets barrier"},
    };
    world_t w;

    open_world(&w, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_mismatch(&w, cases[i].a, cases[i].b, cases[i].text);
    close_world(&w);
}

static void
the_text_about_long_tuples_names_both_sides(void)
{
    static uint8_t tuple[2][40 * 32], v[8];
    size_t used[2] = {0, 0};
    world_t w;
    open_world(&w, 1);
    c4pi_accum_t *a = make_accum(&w);
    const c4p_reduce_t how = how_of(C4P_OP_TUPLE, (c4p_dtype_t)0);
    const char *why;

    for (int i = 0; i < 40; i++) {
        CHECK_OK(c4p_tuple_add(tuple[0], sizeof(tuple[0]), &used[0], C4P_OP_SUM, C4P_INT64, v, 8));
        CHECK_OK(c4p_tuple_add(tuple[1], sizeof(tuple[1]), &used[1], C4P_OP_MAX, C4P_INT64, v, 8));
    }
    CHECK_OK(c4pi_accum_add(a, key_1d(0), &how, tuple[0], used[0], &why));
    CHECK_STATUS(C4P_ERR_TYPE, c4pi_accum_add(a, key_1d(1), &how, tuple[1], used[1], &why));
    CHECK_STR_HAS("tuple (sum of 1 int64", why);
    CHECK_STR_HAS(" meets tuple (max of 1 int64", why);
    c4pi_accum_free(a);
    close_world(&w);
}

TEST_CASES(only_the_promised_pairs_are_taken, check_refuses_what_cannot_be_contributed,
           any_tree_gives_the_plain_result, integers_wrap_around,
           compensated_sum_keeps_what_rounding_drops,
           compensated_sum_of_infinities_is_that_of_plain_ones, gather_comes_in_index_order,
           equal_indices_stay_as_they_came, ordered_sum_has_the_same_bits_from_any_tree,
           values_keep_their_error_marks, a_large_gather_in_reverse_is_sorted,
           custom_reducer_adds_up_over_any_tree, a_single_custom_contribution_passes_unchanged,
           failing_custom_reducers_are_passed_on, tuple_parts_combine_each_by_their_own,
           tuple_add_stays_inside_its_buffer, a_barrier_has_no_data,
           meta_bytes_travel_with_the_result, other_messages_are_no_results,
           mixed_contributions_are_refused_with_a_text, the_text_about_long_tuples_names_both_sides)
