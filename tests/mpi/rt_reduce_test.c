/* SPDX-License-Identifier: Apache-2.0 */
/* rt_reduce_test.c: broadcasts and reductions over all elements of arrays on real ranks; every
 * operation with every element type against a serial computation that shares no code with the
 * library. */
#include <complex.h>

#include "rt_support.h"
#include "support/prng.h"

enum { MEMBERS = 13, ITEMS = 5 }; /* of an array; of one contribution */

/* ---- an array that contributes what a table says ------------------------------------------------- */

typedef struct plan {
    c4p_reduce_t how;
    size_t len;                  /* of each contribution */
    uint8_t data[MEMBERS][2048]; /* by member */
    size_t lens[MEMBERS];        /* used instead of len where vary is set */
    bool vary;
} plan_t;

static plan_t plan;
static uint64_t numbers_seen[MEMBERS];

/* Every rank knows the plan; the message says where the result goes. */
static void
contribute_plan(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    c4p_target_t target;
    int64_t i = obj->index.at[0];
    (void)ctx;
    CHECK_EQ(sizeof target, c4p_msg_len(msg));
    memcpy(&target, c4p_msg_data(msg), sizeof target);
    CHECK_OK(c4p_contribute(rt, obj->self, &plan.how, plan.data[i],
                            plan.vary ? plan.lens[i] : plan.len, &target, &numbers_seen[i]));
}

typedef struct world {
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_entry_t give, got;
    c4p_coll_t array;
} world_t;

static int64_t results_got, results_right;
static int64_t want_result;

static void
take_result(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4p_result_t result;
    (void)rt, (void)object, (void)ctx;
    CHECK(c4p_msg_is_result(msg));
    CHECK_OK(c4p_result_get(msg, &result));
    CHECK_EQ(sizeof want_result, result.len);
    results_got++;
    results_right += memcmp(result.data, &want_result, sizeof want_result) == 0;
    CHECK_EQ(0x2a, c4p_msg_tag(msg) & 0xffff); /* the target's flags */
}

static void
open_world(world_t *w, const c4p_opts_t *opts)
{
    w->rt = rts_open(opts);
    w->type = rts_type(w->rt, "Giver");
    w->give = rts_entry(w->rt, w->type, "give", contribute_plan);
    w->got = rts_entry(w->rt, w->type, "got", take_result);
}

static void
start_world(world_t *w)
{
    CHECK_OK(c4p_start(w->rt));
    if (c4p_rank(w->rt) == 0)
        w->array = rts_array(w->rt, w->type, MEMBERS);
    MPI_Bcast(&w->array, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
}

/* One reduction to a future on rank 0; there *result_out reads wait->kept, which the caller frees.
 */
static void
reduce_once(world_t *w, rts_wait_t *wait, c4p_result_t *result_out)
{
    if (c4p_rank(w->rt) == 0) {
        c4p_target_t target = rts_to_future(rts_future(w->rt, 1, wait));
        CHECK_OK(c4p_bcast(w->rt, w->array, w->give, rts_msg(w->rt, &target, sizeof target),
                           C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(w->rt);
    if (c4p_rank(w->rt) != 0)
        return;
    CHECK_EQ(1, wait->values);
    CHECK_OK(c4p_result_get(wait->kept, result_out));
    CHECK_EQ(MEMBERS, result_out->contributors);
    CHECK_EQ(0, (uintptr_t)result_out->data % 16);
    CHECK_EQ(plan.how.op, result_out->op);
}

/* ---- every operation, every type -------------------------------------------------------------------- */

static const struct {
    c4p_dtype_t dtype;
    size_t size;
    enum { BOOL, INT, UINT, REAL, COMPLEX } sort;
} dtypes[] = {
    {C4P_BOOL, 1, BOOL},           {C4P_INT8, 1, INT},     {C4P_UINT8, 1, UINT},
    {C4P_INT16, 2, INT},           {C4P_UINT16, 2, UINT},  {C4P_INT32, 4, INT},
    {C4P_UINT32, 4, UINT},         {C4P_INT64, 8, INT},    {C4P_UINT64, 8, UINT},
    {C4P_FLOAT32, 4, REAL},        {C4P_FLOAT64, 8, REAL}, {C4P_COMPLEX64, 8, COMPLEX},
    {C4P_COMPLEX128, 16, COMPLEX},
};

/* A value and how it lies in memory as each type. */
static void
store(int d, void *to, double complex value)
{
    long long i = (long long)creal(value);
    float f[2] = {(float)creal(value), (float)cimag(value)};
    double g[2] = {creal(value), cimag(value)};
    unsigned char b = value != 0;
    if (dtypes[d].sort == BOOL)
        memcpy(to, &b, 1);
    else if (dtypes[d].sort == INT || dtypes[d].sort == UINT)
        memcpy(to, &i, dtypes[d].size); /* little-endian */
    else if (dtypes[d].dtype == C4P_FLOAT32 || dtypes[d].dtype == C4P_COMPLEX64)
        memcpy(to, f, dtypes[d].size);
    else
        memcpy(to, g, dtypes[d].size);
}

/* Small whole numbers, exact in every type; products stay in range because all but a few are 1. */
static double complex
value_of(c4p_op_t op, int d, int member, int item)
{
    bool sign = dtypes[d].sort == INT || dtypes[d].sort == REAL || dtypes[d].sort == COMPLEX;
    if (op == C4P_OP_PRODUCT) {
        if (member == 4 && item != 0)
            return dtypes[d].sort == COMPLEX ? 1 + 2 * I : 3;
        if (member == 9)
            return sign ? -2 : 2;
        return member == 11 && dtypes[d].sort == COMPLEX ? I : 1;
    }
    if (op == C4P_OP_AND || op == C4P_OP_BIT_AND)
        return (member + item) % MEMBERS == 3 && item < 2 ? (op == C4P_OP_AND ? 0 : 5)
                                                          : (op == C4P_OP_AND ? 1 + member % 2 : 7);
    if (op == C4P_OP_OR || op == C4P_OP_BIT_OR)
        return member == item * 2 && item < 3 ? 2 : 0;
    if (op == C4P_OP_XOR || op == C4P_OP_BIT_XOR)
        return (member * 7 + item * 3) % 4;
    double re = (member * 5 + item * 3) % 8 - (sign ? 4 : 0);
    return dtypes[d].sort == COMPLEX ? re + I * ((member + item) % 5) : re;
}

static double complex
combine(c4p_op_t op, double complex a, double complex b)
{
    long long i = (long long)creal(a), j = (long long)creal(b);
    switch (op) {
    case C4P_OP_PRODUCT:
        return a * b;
    case C4P_OP_MIN:
        return creal(a) < creal(b) ? a : b;
    case C4P_OP_MAX:
        return creal(a) > creal(b) ? a : b;
    case C4P_OP_AND:
        return i && j;
    case C4P_OP_OR:
        return i || j;
    case C4P_OP_XOR:
        return (i != 0) != (j != 0);
    case C4P_OP_BIT_AND:
        return (double)(i & j);
    case C4P_OP_BIT_OR:
        return (double)(i | j);
    case C4P_OP_BIT_XOR:
        return (double)(i ^ j);
    default:
        return a + b;
    }
}

/* What goes together, as the header says. */
static bool
allowed(c4p_op_t op, int d)
{
    switch (op) {
    case C4P_OP_SUM:
    case C4P_OP_PRODUCT:
    case C4P_OP_SUM_ORDERED:
        return dtypes[d].sort != BOOL;
    case C4P_OP_MIN:
    case C4P_OP_MAX:
        return dtypes[d].sort != BOOL && dtypes[d].sort != COMPLEX;
    case C4P_OP_AND:
    case C4P_OP_OR:
    case C4P_OP_XOR:
    case C4P_OP_BIT_AND:
    case C4P_OP_BIT_OR:
    case C4P_OP_BIT_XOR:
        return dtypes[d].sort == BOOL || dtypes[d].sort == INT || dtypes[d].sort == UINT;
    case C4P_OP_SUM_COMPENSATED:
        return dtypes[d].sort == REAL || dtypes[d].sort == COMPLEX;
    default:
        return false;
    }
}

static bool
is_logical(c4p_op_t op)
{
    return op == C4P_OP_AND || op == C4P_OP_OR || op == C4P_OP_XOR;
}

/* The same bytes; for complex numbers, of which a zero part may have either sign, equal parts. */
static bool
same_value(int d, const void *want, const void *got)
{
    float f[4];
    double g[4];
    if (dtypes[d].sort != COMPLEX)
        return memcmp(want, got, dtypes[d].size) == 0;
    if (dtypes[d].dtype == C4P_COMPLEX64)
        return memcpy(f, want, 8), memcpy(f + 2, got, 8), f[0] == f[2] && f[1] == f[3];
    return memcpy(g, want, 16), memcpy(g + 2, got, 16), g[0] == g[2] && g[1] == g[3];
}

static void
reduce_and_compare(world_t *w, c4p_op_t op, int d)
{
    rts_wait_t wait;
    c4p_result_t result;
    uint8_t want[ITEMS * 16] = {0};
    int out = is_logical(op) ? 0 : d; /* logical results are bools */

    plan.how = (c4p_reduce_t){.op = op, .dtype = dtypes[d].dtype};
    plan.len = ITEMS * dtypes[d].size;
    for (int item = 0; item < ITEMS; item++) {
        double complex all = value_of(op, d, 0, item);
        if (is_logical(op))
            all = all != 0;
        for (int m = 0; m < MEMBERS; m++) {
            store(d, plan.data[m] + (size_t)item * dtypes[d].size, value_of(op, d, m, item));
            if (m)
                all = combine(op, all,
                              dtypes[d].sort == BOOL ? value_of(op, d, m, item) != 0
                                                     : value_of(op, d, m, item));
        }
        if (dtypes[d].sort == BOOL && !is_logical(op)) { /* bits of bools are those of 0 and 1 */
            all = value_of(op, d, 0, item) != 0;
            for (int m = 1; m < MEMBERS; m++)
                all = combine(op, all, value_of(op, d, m, item) != 0);
        }
        store(out, want + (size_t)item * dtypes[out].size, all);
    }
    reduce_once(w, &wait, &result);
    if (c4p_rank(w->rt) == 0) {
        CHECK_EQ(dtypes[out].dtype, result.dtype);
        CHECK_EQ(ITEMS * dtypes[out].size, result.len);
        for (int item = 0; item < ITEMS; item++)
            if (!same_value(out, want + (size_t)item * dtypes[out].size,
                            (uint8_t *)result.data + (size_t)item * dtypes[out].size))
                FAIL("operation %d of type %d: item %d is wrong", (int)op, (int)dtypes[d].dtype,
                     item);
        rts_wait_end(&wait);
    }
}

static void
every_operation_with_every_type_matches_a_serial_computation(void)
{
    static const c4p_op_t ops[] = {C4P_OP_SUM,     C4P_OP_PRODUCT,     C4P_OP_MIN,
                                   C4P_OP_MAX,     C4P_OP_AND,         C4P_OP_OR,
                                   C4P_OP_XOR,     C4P_OP_BIT_AND,     C4P_OP_BIT_OR,
                                   C4P_OP_BIT_XOR, C4P_OP_SUM_ORDERED, C4P_OP_SUM_COMPENSATED};
    world_t w;
    int done = 0;
    open_world(&w, NULL);
    start_world(&w);
    rts_settle(w.rt);
    for (size_t o = 0; o < sizeof ops / sizeof ops[0]; o++) {
        for (int d = 0; d < (int)(sizeof dtypes / sizeof dtypes[0]); d++) {
            CHECK_EQ(dtypes[d].size, c4p_dtype_size(dtypes[d].dtype));
            if (allowed(ops[o], d)) {
                reduce_and_compare(&w, ops[o], d);
                done++;
            } else if (rts_world.objs) {
                c4p_reduce_t how = {.op = ops[o], .dtype = dtypes[d].dtype};
                c4p_target_t none = {0};
                CHECK_STATUS(C4P_ERR_TYPE,
                             c4p_contribute(w.rt, rts_world.objs->self, &how, plan.data[0],
                                            dtypes[d].size, &none, NULL));
            }
        }
    }
    CHECK_EQ(3 * 12 + 2 * 10 + 6 * 9 + 4, done);
    rts_close(w.rt);
}

/* ---- the other operations ----------------------------------------------------------------------------- */

static void
a_barrier_has_no_data(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    open_world(&w, NULL);
    start_world(&w);
    for (int round = 0; round < 3; round++) {
        plan.how = (c4p_reduce_t){.op = C4P_OP_NOP};
        plan.len = 0;
        reduce_once(&w, &wait, &result);
        if (c4p_rank(w.rt) == 0) {
            CHECK_EQ(0, result.len);
            CHECK_EQ(rts_counter_base() + (uint64_t)round, result.number);
            rts_wait_end(&wait);
        }
    }
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        CHECK_EQ(rts_counter_base() + 2, numbers_seen[obj->index.at[0]]);
    rts_close(w.rt);
}

typedef struct located {
    double value;
    int64_t at;
} located_t;

static void
locations_of_least_and_greatest(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    open_world(&w, NULL);
    start_world(&w);
    for (int max = 0; max < 2; max++) {
        plan.how = (c4p_reduce_t){.op = max ? C4P_OP_MAXLOC : C4P_OP_MINLOC, .dtype = C4P_FLOAT64};
        plan.len = 2 * sizeof(located_t);
        for (int m = 0; m < MEMBERS; m++) {
            /* The first item has its extremes twice, so the smaller location decides. */
            located_t pair[2] = {{(m * 5) % 6 == 0 ? -7.5 : (m % 4 == 3 ? 9.25 : 1), 1000 - m},
                                 {m * (max ? 1 : -1), m}};
            memcpy(plan.data[m], pair, sizeof pair);
        }
        reduce_once(&w, &wait, &result);
        if (c4p_rank(w.rt) == 0) {
            located_t got[2];
            CHECK_EQ(sizeof got, result.len);
            memcpy(got, result.data, sizeof got);
            CHECK_EQ(max ? 9.25 : -7.5, got[0].value);
            CHECK_EQ(max ? 1000 - 11 : 1000 - 12, got[0].at); /* members 3 7 11; 0 6 12 */
            CHECK_EQ(MEMBERS - 1, got[1].at);
            rts_wait_end(&wait);
        }
    }
    rts_close(w.rt);
}

static void
gather_keeps_every_byte_in_index_order(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    open_world(&w, NULL);
    start_world(&w);
    plan.how = (c4p_reduce_t){.op = C4P_OP_GATHER};
    plan.vary = true;
    for (int m = 0; m < MEMBERS; m++) {
        plan.lens[m] = (size_t)m * 37 % 101; /* member 0 gives nothing */
        memset(plan.data[m], 'a' + m, plan.lens[m]);
    }
    reduce_once(&w, &wait, &result);
    plan.vary = false;
    if (c4p_rank(w.rt) == 0) {
        c4p_gathered_t part;
        size_t at = 0;
        CHECK_EQ(MEMBERS, c4p_gathered_count(wait.kept));
        for (int m = 0; m < MEMBERS; m++) {
            CHECK(c4p_gathered_next(wait.kept, &at, &part));
            CHECK_EQ(m, part.index.at[0]);
            CHECK(!part.is_error);
            CHECK_EQ(plan.lens[m], part.len);
            CHECK_MEM_EQ(plan.data[m], part.data, part.len);
            CHECK_EQ(0, (uintptr_t)part.data % 16);
        }
        CHECK(!c4p_gathered_next(wait.kept, &at, &part));
        rts_wait_end(&wait);
    }
    rts_close(w.rt);
}

/* The same bits whatever the number of ranks: equal to adding up from the first to the last. */
static void
an_ordered_sum_is_the_serial_sum_to_the_last_bit(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    prng_t prng = {99};
    double want[4] = {0};

    open_world(&w, NULL);
    start_world(&w);
    plan.how = (c4p_reduce_t){.op = C4P_OP_SUM_ORDERED, .dtype = C4P_FLOAT64};
    plan.len = sizeof want;
    for (int m = 0; m < MEMBERS; m++) {
        double values[4];
        for (int i = 0; i < 4; i++) {
            int exponent = (int)prng_below(&prng, 60) - 30;
            values[i] = ldexp((double)prng_below(&prng, 1 << 30) - (1 << 29), exponent);
            want[i] = m ? want[i] + values[i] : values[i];
        }
        memcpy(plan.data[m], values, sizeof values);
    }
    for (int again = 0; again < 20; again++) {
        reduce_once(&w, &wait, &result);
        if (c4p_rank(w.rt) == 0) {
            CHECK_EQ(sizeof want, result.len);
            CHECK_MEM_EQ(want, result.data, sizeof want);
            rts_wait_end(&wait);
        }
    }
    rts_close(w.rt);
}

static void
a_compensated_sum_loses_nothing_that_matters(void)
{
    /* 1 is lost next to 1e17 and comes back: the plain sum of doubles in index order is 0, the true
     * one is 5. */
    static const double values[MEMBERS] = {1, 1e17, 1, -1e17, 1, 3e20, 1, -3e20, 1, 0, 0, 0, 0};
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;

    open_world(&w, NULL);
    start_world(&w);
    plan.how = (c4p_reduce_t){.op = C4P_OP_SUM_COMPENSATED, .dtype = C4P_FLOAT64};
    plan.len = sizeof(double);
    for (int m = 0; m < MEMBERS; m++)
        memcpy(plan.data[m], &values[m], sizeof(double));
    reduce_once(&w, &wait, &result);
    if (c4p_rank(w.rt) == 0) {
        CHECK_EQ(5.0, *(double *)result.data);
        rts_wait_end(&wait);
    }
    rts_close(w.rt);
}

static void
a_tuple_reduces_each_part_by_its_own_rule(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    open_world(&w, NULL);
    start_world(&w);
    plan.how = (c4p_reduce_t){.op = C4P_OP_TUPLE};
    for (int m = 0; m < MEMBERS; m++) {
        size_t at = 0;
        int32_t count[3] = {m, 1, -m};
        double least = 100 - m;
        uint16_t bits = (uint16_t)(1u << m);
        plan.len = c4p_tuple_size(sizeof count) + c4p_tuple_size(sizeof least) +
                   c4p_tuple_size(sizeof bits);
        CHECK_OK(
            c4p_tuple_add(plan.data[m], plan.len, &at, C4P_OP_SUM, C4P_INT32, count, sizeof count));
        CHECK_OK(c4p_tuple_add(plan.data[m], plan.len, &at, C4P_OP_MIN, C4P_FLOAT64, &least,
                               sizeof least));
        CHECK_OK(c4p_tuple_add(plan.data[m], plan.len, &at, C4P_OP_BIT_OR, C4P_UINT16, &bits,
                               sizeof bits));
        CHECK_EQ(plan.len, at);
        CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(plan.data[m], plan.len, &at, C4P_OP_MIN,
                                                  C4P_FLOAT64, &least, sizeof least));
    }
    reduce_once(&w, &wait, &result);
    if (c4p_rank(w.rt) == 0) {
        static const c4p_op_t ops[] = {C4P_OP_SUM, C4P_OP_MIN, C4P_OP_BIT_OR};
        static const c4p_dtype_t types[] = {C4P_INT32, C4P_FLOAT64, C4P_UINT16};
        static const int32_t sums[3] = {MEMBERS * (MEMBERS - 1) / 2, MEMBERS,
                                        -MEMBERS * (MEMBERS - 1) / 2};
        const double least = 100 - (MEMBERS - 1);
        const uint16_t bits = (1u << MEMBERS) - 1;
        const void *want[] = {sums, &least, &bits};
        static const size_t lens[] = {12, 8, 2};
        size_t at = 0;
        c4p_op_t op;
        c4p_dtype_t dtype;
        const void *data;
        uint64_t len;
        for (int i = 0; i < 3; i++) {
            CHECK(c4p_tuple_next(result.data, result.len, &at, &op, &dtype, &data, &len));
            CHECK_EQ(ops[i], op);
            CHECK_EQ(types[i], dtype);
            CHECK_EQ(lens[i], len);
            CHECK_MEM_EQ(want[i], data, len);
        }
        CHECK(!c4p_tuple_next(result.data, result.len, &at, &op, &dtype, &data, &len));
        rts_wait_end(&wait);
    }
    rts_close(w.rt);
}

static int64_t combined;

/* The longest of all strings, the first in order of the alphabet among equals. */
static c4p_status_t
longest(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    const c4p_blob_t *best = &parts[0];
    CHECK(ctx == &combined);
    CHECK(n >= 2);
    combined++;
    for (size_t i = 1; i < n; i++) {
        if (parts[i].len > best->len ||
            (parts[i].len == best->len && memcmp(parts[i].data, best->data, best->len) < 0))
            best = &parts[i];
    }
    *out = rts_msg(rt, best->data, best->len);
    return C4P_OK;
}

static void
a_reducer_of_the_users_combines_any_bytes(void)
{
    world_t w;
    rts_wait_t wait;
    c4p_result_t result;
    uint32_t custom;
    combined = 0;
    open_world(&w, NULL);
    CHECK_OK(c4p_reducer_add(w.rt, "longest", longest, &combined, &custom));
    start_world(&w);
    static const char shape[] = "3x4";
    plan.how = (c4p_reduce_t){
        .op = C4P_OP_CUSTOM, .custom = custom, .meta = shape, .meta_len = sizeof shape};
    plan.vary = true;
    for (int m = 0; m < MEMBERS; m++) {
        plan.lens[m] = (size_t)(m * 7 % 10) + (m % 10 == 7);
        memset(plan.data[m], 'z' - m, plan.lens[m]);
    }
    reduce_once(&w, &wait, &result);
    plan.vary = false;
    CHECK(rts_sum(combined) >= 1);
    if (c4p_rank(w.rt) == 0) {
        CHECK_EQ(custom, result.custom);
        CHECK_EQ(10, result.len); /* member 7: 49 % 10 + 1 */
        for (int i = 0; i < 10; i++)
            CHECK_EQ('z' - 7, ((char *)result.data)[i]);
        CHECK_EQ(sizeof shape, result.meta_len);
        CHECK_STR_EQ("3x4", result.meta);
        rts_wait_end(&wait);
    }
    rts_close(w.rt);
}

/* ---- many at once, and where results go ------------------------------------------------------------------ */

static int64_t handler_results;

static void
on_result(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    c4p_result_t result;
    (void)ctx;
    CHECK_OK(c4p_result_get(msg, &result));
    CHECK_MEM_EQ(&want_result, result.data, 8);
    handler_results += 1 + 1000 * c4p_rank(rt);
}

static void
results_go_to_a_future_an_element_all_elements_or_a_handler(void)
{
    world_t w;
    c4p_handler_t handler;
    int last;
    open_world(&w, NULL);
    last = c4p_num_ranks(w.rt) - 1;
    CHECK_OK(c4p_handler_add(w.rt, "result", on_result, NULL, &handler));
    start_world(&w);
    results_got = results_right = handler_results = 0;
    want_result = 4 * MEMBERS;
    plan.how = (c4p_reduce_t){.op = C4P_OP_SUM, .dtype = C4P_INT64};
    plan.len = 8;
    for (int m = 0; m < MEMBERS; m++)
        memcpy(plan.data[m], &(int64_t){4}, 8);
    c4p_target_t targets[] = {
        {.kind = C4P_TARGET_ELEMENT,
         .entry = w.got,
         .flags = 0x2a,
         .ref = rts_ref(w.array, MEMBERS - 1)},
        {.kind = C4P_TARGET_BROADCAST, .entry = w.got, .flags = 0x2a, .ref = {.coll = w.array}},
        {.kind = C4P_TARGET_HANDLER, .number = (uint64_t)last << 32 | handler},
        {.kind = C4P_TARGET_NONE},
    };
    for (int i = 0; c4p_rank(w.rt) == 0 && i < 4; i++)
        CHECK_OK(c4p_bcast(w.rt, w.array, w.give, rts_msg(w.rt, &targets[i], sizeof targets[i]),
                           C4P_BCAST_NO_REPLY, 0));
    rts_settle(w.rt);
    CHECK_EQ(1 + MEMBERS, rts_sum(results_got));
    CHECK_EQ(1 + MEMBERS, rts_sum(results_right));
    CHECK_EQ(c4p_rank(w.rt) == last ? 1 + 1000 * last : 0, handler_results);
    rts_close(w.rt);
}

enum { ROUNDS = 500 };
static int64_t rounds_got;

/* Round k sums 13 x (m + k). Results of all rounds come in order. */
static void
on_round(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    c4p_result_t result;
    (void)rt, (void)future, (void)is_error, (void)ctx;
    CHECK_OK(c4p_result_get(msg, &result));
    CHECK_EQ(rts_counter_base() + (uint64_t)rounds_got, result.number);
    CHECK_EQ(MEMBERS * (MEMBERS - 1) / 2 + MEMBERS * rounds_got, *(int64_t *)result.data);
    rounds_got++;
    CHECK_EQ(rounds_got == ROUNDS, last);
}

static void
contribute_many(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t to = rts_to_future((c4p_future_t)rts_number_in(msg));
    (void)ctx;
    for (int64_t k = 0; k < ROUNDS; k++) {
        int64_t value = obj->index.at[0] + k;
        uint64_t number;
        CHECK_OK(c4p_contribute(rt, obj->self, &sum, &value, sizeof value, &to, &number));
        CHECK_EQ(rts_counter_base() + (uint64_t)k, number);
    }
}

static void
many_reductions_are_in_flight_and_arrive_in_order(void)
{
    world_t w;
    open_world(&w, NULL);
    c4p_entry_t many = rts_entry(w.rt, w.type, "many", contribute_many);
    rounds_got = 0;
    start_world(&w);
    if (c4p_rank(w.rt) == 0) {
        c4p_future_t future;
        CHECK_OK(c4p_future_new(w.rt, ROUNDS, on_round, NULL, &future));
        CHECK_OK(c4p_bcast(w.rt, w.array, many, rts_number(w.rt, (int64_t)future),
                           C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(w.rt);
    if (c4p_rank(w.rt) == 0)
        CHECK_EQ(ROUNDS, rounds_got);
    rts_close(w.rt);
}

static void
large_contributions_and_counters_near_their_ends(void)
{
    static const uint64_t bases[] = {(UINT64_C(1) << 31) - 3, (UINT64_C(1) << 32) - 3};
    for (int b = 0; b < 2; b++) {
        c4p_opts_t opts = C4P_OPTS_INIT;
        world_t w;
        rts_wait_t wait;
        c4p_result_t result;
        opts.counter_base = bases[b];
        open_world(&w, &opts);
        start_world(&w);
        for (int round = 0; round < 8; round++) {
            plan.how = (c4p_reduce_t){.op = C4P_OP_MAX, .dtype = C4P_UINT8};
            plan.len = sizeof plan.data[0];
            for (int m = 0; m < MEMBERS; m++)
                for (size_t i = 0; i < plan.len; i++)
                    plan.data[m][i] = (uint8_t)(i % MEMBERS == (size_t)m ? 200 + round : m);
            reduce_once(&w, &wait, &result);
            if (c4p_rank(w.rt) == 0) {
                for (size_t i = 0; i < result.len; i++)
                    CHECK_EQ(200 + round, ((uint8_t *)result.data)[i]);
                rts_wait_end(&wait);
            }
        }
        rts_close(w.rt);
    }
}

/* ---- broadcasts ---------------------------------------------------------------------------------------- */

static int64_t last_from[MEMBERS][64];

/* Broadcasts of one rank come in its order, each once: number k of rank r is r << 32 | k. */
static void
take_bcast(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    int64_t both = rts_number_in(msg), from = both >> 32, k = both & 0xffffffff;
    (void)rt, (void)ctx;
    CHECK_EQ(from, c4p_msg_source(msg));
    CHECK_EQ(last_from[obj->index.at[0]][from] + 1, k);
    last_from[obj->index.at[0]][from] = k;
    obj->count++;
}

static void
broadcasts_of_a_rank_reach_every_element_once_and_in_order(void)
{
    enum { N = 400 };
    world_t w;
    open_world(&w, NULL);
    c4p_entry_t take = rts_entry(w.rt, w.type, "take", take_bcast);
    start_world(&w);
    memset(last_from, 0, sizeof last_from);
    for (int64_t k = 1; k <= N; k++)
        CHECK_OK(c4p_bcast(w.rt, w.array, take, rts_number(w.rt, (int64_t)c4p_rank(w.rt) << 32 | k),
                           C4P_BCAST_NO_REPLY, 0));
    rts_settle(w.rt);
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        CHECK_EQ(N * c4p_num_ranks(w.rt), obj->count);
    rts_close(w.rt);
}

static c4p_reply_t late[MEMBERS];

/* Every third answers later, every fifth with an error; the value is ten times the index. */
static void
answer_bcast(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    int64_t i = obj->index.at[0];
    c4p_reply_t reply;
    (void)ctx;
    CHECK_OK(c4p_reply_take(rt, msg, &reply));
    if (i % 3 == 0)
        late[i] = reply;
    else
        CHECK_OK(
            c4p_reply_send(rt, &reply, rts_number(rt, 10 * i), rts_number_in(msg) && i % 5 == 4));
}

static void
send_late_answers(c4p_rt_t *rt)
{
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        if (obj->index.at[0] % 3 == 0)
            CHECK_OK(c4p_reply_send(rt, &late[obj->index.at[0]],
                                    rts_number(rt, 10 * obj->index.at[0]), false));
}

static void
awaited_broadcasts_complete_after_the_last_element(void)
{
    world_t w;
    rts_wait_t done, gathered, failed;
    int asker;
    open_world(&w, NULL);
    asker = c4p_num_ranks(w.rt) - 1;
    c4p_entry_t answer = rts_entry(w.rt, w.type, "answer", answer_bcast);
    start_world(&w);
    const bool am_asker = c4p_rank(w.rt) == asker;

    if (am_asker)
        CHECK_OK(c4p_bcast(w.rt, w.array, answer, rts_number(w.rt, 0), C4P_BCAST_DONE,
                           rts_future(w.rt, 1, &done)));
    rts_settle(w.rt);
    if (am_asker)
        CHECK_EQ(0, done.values);
    send_late_answers(w.rt);
    rts_settle(w.rt);
    if (am_asker) {
        CHECK_EQ(1, done.values);
        CHECK_EQ(0, done.errors);
        CHECK_EQ(1, done.empty);
    }

    if (am_asker)
        CHECK_OK(c4p_bcast(w.rt, w.array, answer, rts_number(w.rt, 1), C4P_BCAST_GATHER,
                           rts_future(w.rt, 1, &gathered)));
    rts_settle(w.rt);
    send_late_answers(w.rt);
    rts_settle(w.rt);
    if (am_asker) {
        size_t at = 0;
        c4p_gathered_t part;
        CHECK_EQ(1, gathered.values);
        CHECK_EQ(MEMBERS, c4p_gathered_count(gathered.kept));
        for (int64_t i = 0; i < MEMBERS; i++) {
            CHECK(c4p_gathered_next(gathered.kept, &at, &part));
            CHECK_EQ(i, part.index.at[0]);
            CHECK_EQ(i % 5 == 4 && i % 3 != 0, part.is_error);
            CHECK_EQ(8, part.len);
            CHECK_EQ(10 * i, *(const int64_t *)part.data);
        }
        rts_wait_end(&gathered);
    }

    /* Without values the first error in index order is what arrives: that of element 4. */
    if (am_asker)
        CHECK_OK(c4p_bcast(w.rt, w.array, answer, rts_number(w.rt, 1), C4P_BCAST_DONE,
                           rts_future(w.rt, 1, &failed)));
    rts_settle(w.rt);
    send_late_answers(w.rt);
    rts_settle(w.rt);
    if (am_asker) {
        CHECK_EQ(1, failed.errors);
        CHECK_EQ(40, failed.sum);
        rts_wait_end(&failed);
    }
    rts_close(w.rt);
}

static void
a_broadcast_over_nothing_completes(void)
{
    world_t w;
    rts_wait_t wait, gathered;
    open_world(&w, NULL);
    c4p_entry_t answer = rts_entry(w.rt, w.type, "answer", answer_bcast);
    CHECK_OK(c4p_start(w.rt));
    if (c4p_rank(w.rt) == 0) {
        c4p_coll_t none = rts_array(w.rt, w.type, 0);
        CHECK_OK(c4p_bcast(w.rt, none, answer, rts_number(w.rt, 0), C4P_BCAST_DONE,
                           rts_future(w.rt, 1, &wait)));
        CHECK_OK(c4p_bcast(w.rt, none, answer, rts_number(w.rt, 0), C4P_BCAST_GATHER,
                           rts_future(w.rt, 1, &gathered)));
    }
    rts_settle(w.rt);
    if (c4p_rank(w.rt) == 0) {
        CHECK_EQ(1, wait.values);
        CHECK_EQ(1, gathered.values);
        CHECK_EQ(0, c4p_gathered_count(gathered.kept));
        rts_wait_end(&gathered);
    }
    rts_close(w.rt);
}

TEST_CASES(every_operation_with_every_type_matches_a_serial_computation, a_barrier_has_no_data,
           locations_of_least_and_greatest, gather_keeps_every_byte_in_index_order,
           an_ordered_sum_is_the_serial_sum_to_the_last_bit,
           a_compensated_sum_loses_nothing_that_matters, a_tuple_reduces_each_part_by_its_own_rule,
           a_reducer_of_the_users_combines_any_bytes,
           results_go_to_a_future_an_element_all_elements_or_a_handler,
           many_reductions_are_in_flight_and_arrive_in_order,
           large_contributions_and_counters_near_their_ends,
           broadcasts_of_a_rank_reach_every_element_once_and_in_order,
           awaited_broadcasts_complete_after_the_last_element, a_broadcast_over_nothing_completes)
