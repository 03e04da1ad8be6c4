/* SPDX-License-Identifier: Apache-2.0 */
/* rt_storm_test.c: nothing is lost, doubled or damaged while elements move at any time. The number
 * of messages, and that of broadcasts, can be given; docs/testing.md has the long runs:
 * mpirun -n 4 build/tests/mpi_rt_storm messages_find_chares_that_move -- 10000000 */
#include "rt_support.h"

enum { NUM_ELEMS = 64, NUM_TOKENS = 400, MOVE_EVERY = 64, PER_BCAST = 10, WINDOW = 6 };

typedef struct storm {
    c4p_coll_t array;
    c4p_entry_t on_token, on_shout;
    c4p_handler_t on_result;
    uint64_t random;
    int64_t bcasts, sent, results; /* rank 0 */
} storm_t;

static storm_t storm;

/* What an element is. */
typedef struct walker {
    struct walker *next, **link; /* of those on this rank */
    int64_t index, count, sum, moves, next_shout;
} walker_t;

static walker_t *walkers;

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t
draw(uint64_t n)
{
    return mix(storm.random++) % n;
}

/* ---- elements that move ------------------------------------------------------------------------- */

static walker_t *
add_walker(walker_t state)
{
    walker_t *walker = malloc(sizeof *walker);
    CHECK(walker != NULL);
    *walker = state;
    walker->next = walkers;
    walker->link = &walkers;
    if (walkers)
        walkers->link = &walker->next;
    walkers = walker;
    return walker;
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    c4p_index_t index;
    (void)rt, (void)args, (void)ctx;
    c4p_index_unpack(self.key, 1, &index);
    *object_out = add_walker((walker_t){.index = index.at[0]});
    return C4P_OK;
}

static void
destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    walker_t *walker = object;
    (void)rt, (void)ctx;
    *walker->link = walker->next;
    if (walker->next)
        walker->next->link = walker->link;
    free(walker);
}

static c4p_status_t
pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    walker_t *walker = object;
    (void)rt, (void)ctx;
    c4p_put_bytes(p, walker, sizeof *walker);
    return c4p_pup_status(p);
}

static c4p_status_t
unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    walker_t state = {0};
    c4p_index_t index;
    (void)rt, (void)ctx;
    c4p_get_bytes(p, &state, sizeof state);
    c4p_index_unpack(self.key, 1, &index);
    CHECK_EQ(index.at[0], state.index);
    state.moves++;
    *object_out = add_walker(state);
    return c4p_pup_status(p);
}

static void
move_self(c4p_rt_t *rt)
{
    CHECK_OK(c4p_migrate(rt, c4p_self(rt), (int)draw((uint64_t)c4p_num_ranks(rt)), NULL));
}

static int64_t
sum_moves(void)
{
    int64_t mine = 0;
    for (const walker_t *walker = walkers; walker; walker = walker->next)
        mine += walker->moves;
    return rts_sum(mine);
}

/* ---- a storm of messages ------------------------------------------------------------------------ */

/* A message: who it is, how far it has still to go, then some bytes that follow from these. */
typedef struct token {
    int64_t id, left;
} token_t;

static void
send_token(c4p_rt_t *rt, token_t token)
{
    uint8_t bytes[sizeof token + 256];
    const size_t len = mix((uint64_t)(token.id << 32 ^ token.left)) % 200;
    memcpy(bytes, &token, sizeof token);
    for (size_t i = 0; i < len; i++)
        bytes[sizeof token + i] = (uint8_t)(token.id * 31 + token.left + (int64_t)i);
    const c4p_ref_t to = rts_ref(storm.array, (int64_t)draw(NUM_ELEMS));
    CHECK_OK(c4p_send(rt, to, storm.on_token, rts_msg(rt, bytes, sizeof token + len)));
}

static int64_t
worth(token_t token)
{
    return (int64_t)(mix((uint64_t)token.id * 1000003u ^ mix((uint64_t)token.left)) >> 24);
}

static void
take_token(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    walker_t *walker = object;
    token_t token;
    const uint8_t *bytes = c4p_msg_data(msg);
    (void)ctx;
    memcpy(&token, bytes, sizeof token);
    const size_t len = mix((uint64_t)(token.id << 32 ^ token.left)) % 200;
    CHECK_EQ(sizeof token + len, c4p_msg_len(msg));
    for (size_t i = 0; i < len; i++)
        CHECK_EQ((uint8_t)(token.id * 31 + token.left + (int64_t)i), bytes[sizeof token + i]);
    walker->count++;
    walker->sum += worth(token);
    if (draw(MOVE_EVERY) == 0)
        move_self(rt);
    if (--token.left > 0)
        send_token(rt, token);
}

static c4p_rt_t *
begin(c4p_type_t *type_out)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Walker",
                                  .construct = construct,
                                  .destroy = destroy,
                                  .pack = pack,
                                  .unpack = unpack};
    c4p_rt_t *rt = rts_open(NULL);
    storm = (storm_t){.random = mix((uint64_t)c4p_rank(rt) + 12345)};
    walkers = NULL;
    CHECK_OK(c4p_type_add(rt, &desc, type_out));
    return rt;
}

static void
make_array(c4p_rt_t *rt, c4p_type_t type)
{
    if (c4p_rank(rt) == 0)
        storm.array = rts_array(rt, type, NUM_ELEMS);
    MPI_Bcast(&storm.array, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
}

static void
messages_find_chares_that_move(void)
{
    rts_mpi();
    const int64_t hops = c4pt_arg(0, 400000) / NUM_TOKENS;
    c4p_type_t type;
    c4p_rt_t *rt = begin(&type);
    storm.on_token = rts_entry(rt, type, "token", take_token);
    CHECK_OK(c4p_start(rt));
    make_array(rt, type);
    const double start_s = c4p_time_s(rt);
    for (int64_t id = c4p_rank(rt); id < NUM_TOKENS; id += c4p_num_ranks(rt))
        send_token(rt, (token_t){id, hops});
    rts_settle(rt);
    const double took_s = c4p_time_s(rt) - start_s;

    int64_t count = 0, sum = 0, alive = 0, want = 0;
    for (const walker_t *walker = walkers; walker; walker = walker->next) {
        count += walker->count;
        sum += walker->sum;
        alive++;
    }
    for (int64_t id = 0; id < NUM_TOKENS; id++)
        for (int64_t left = hops; left > 0; left--)
            want += worth((token_t){id, left});
    count = rts_sum(count);
    const int64_t moves = sum_moves();
    if (c4p_rank(rt) == 0)
        printf("%lld messages, %lld moves, %.1f s\n", (long long)count, (long long)moves, took_s);
    CHECK_EQ(NUM_TOKENS * hops, count);
    CHECK_EQ(want, rts_sum(sum));
    CHECK_EQ(NUM_ELEMS, rts_sum(alive));
    CHECK(c4p_num_ranks(rt) == 1 ? moves == 0 : moves > count / MOVE_EVERY / 4);
    rts_close(rt);
}

/* ---- broadcasts and reductions -------------------------------------------------------------------- */

static void
send_shouts(c4p_rt_t *rt)
{
    while (storm.sent < storm.bcasts && storm.sent < storm.results / PER_BCAST + WINDOW) {
        c4p_msg_t *msg = rts_number(rt, storm.sent++);
        CHECK_OK(c4p_bcast(rt, storm.array, storm.on_shout, msg, C4P_BCAST_NO_REPLY, 0));
    }
}

/* Each element runs each broadcast once and in order; half of them move after most. */
static void
take_shout(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    walker_t *walker = object;
    const int64_t shout = rts_number_in(msg);
    const c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_target_t target = {.kind = C4P_TARGET_HANDLER, .number = storm.on_result};
    (void)ctx;
    CHECK_EQ(walker->next_shout, shout);
    walker->next_shout++;
    for (int64_t k = 0; k < PER_BCAST; k++) {
        const int64_t value = (shout * PER_BCAST + k) * 1000 + walker->index;
        CHECK_OK(c4p_contribute(rt, c4p_self(rt), &how, &value, sizeof value, &target, NULL));
    }
    if (walker->index % 2)
        move_self(rt);
}

static void
take_result(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    c4p_result_t result;
    int64_t sum, number = storm.results++;
    (void)ctx;
    CHECK_OK(c4p_result_get(msg, &result));
    memcpy(&sum, result.data, sizeof sum);
    CHECK_EQ(rts_counter_base() + (uint64_t)number, result.number);
    CHECK_EQ(NUM_ELEMS, result.contributors);
    CHECK_EQ(NUM_ELEMS * number * 1000 + NUM_ELEMS * (NUM_ELEMS - 1) / 2, sum);
    send_shouts(rt);
}

static void
broadcasts_and_reductions_reach_all_while_half_of_them_move(void)
{
    rts_mpi();
    const int64_t bcasts = c4pt_arg(0, 400);
    c4p_type_t type;
    c4p_rt_t *rt = begin(&type);
    storm.on_shout = rts_entry(rt, type, "shout", take_shout);
    storm.bcasts = bcasts;
    CHECK_OK(c4p_handler_add(rt, "result", take_result, NULL, &storm.on_result));
    CHECK_OK(c4p_start(rt));
    make_array(rt, type);
    const double start_s = c4p_time_s(rt);
    if (c4p_rank(rt) == 0)
        send_shouts(rt);
    rts_settle(rt);
    const double took_s = c4p_time_s(rt) - start_s;

    int64_t ran = 0;
    for (const walker_t *walker = walkers; walker; walker = walker->next)
        ran += walker->next_shout;
    CHECK_EQ(NUM_ELEMS * bcasts, rts_sum(ran));
    const int64_t moves = sum_moves();
    CHECK(c4p_num_ranks(rt) == 1 || moves > NUM_ELEMS / 2 * bcasts / 4);
    if (c4p_rank(rt) == 0) {
        printf("%lld broadcasts, %lld reductions, %lld moves, %.1f s\n", (long long)bcasts,
               (long long)storm.results, (long long)moves, took_s);
        CHECK_EQ(PER_BCAST * bcasts, storm.results);
    }
    rts_close(rt);
}

TEST_CASES(messages_find_chares_that_move,
           broadcasts_and_reductions_reach_all_while_half_of_them_move)
