/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c: a token goes round the elements of an array; each adds its index. Usage: ring_c
 * [elements] [rounds] */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Known on every rank, from the command line and from the registration: entry methods get it as
 * their context. */
typedef struct ring {
    int64_t size, rounds;
    c4p_type_t type;
    c4p_entry_t take;
    double begin_s; /* on rank 0 */
} ring_t;

typedef struct station {
    c4p_ref_t self;
    int64_t passed;
} station_t;

typedef struct token {
    int64_t hops_left, marks;
} token_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

static c4p_status_t
station_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    station_t *station = calloc(1, sizeof *station);
    (void)rt, (void)args, (void)ctx;
    if (!station)
        return C4P_ERR_NOMEM;
    station->self = self;
    *object_out = station;
    return C4P_OK;
}

static void
station_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

static void
send_token(c4p_rt_t *rt, const ring_t *ring, c4p_coll_t coll, int64_t to, const token_t *token)
{
    const c4p_index_t index = {1, {to}};
    c4p_ref_t ref = {.coll = coll};
    c4p_msg_t *msg;

    check(rt, c4p_index_pack(&index, &ref.key));
    check(rt, c4p_msg_new(rt, sizeof *token, &msg));
    memcpy(c4p_msg_data(msg), token, sizeof *token);
    check(rt, c4p_send(rt, ref, ring->take, msg)); /* the message is the runtime's now */
}

/* The token is back after the last round, at the element that it started from, which lives on rank
 * 0. */
static void
finish(c4p_rt_t *rt, const ring_t *ring, const station_t *station, int64_t marks)
{
    const int64_t hops = ring->size * ring->rounds,
                  expected = ring->rounds * (ring->size * (ring->size - 1) / 2);
    const bool right = marks == expected && station->passed == ring->rounds + 1;

    printf("%lld hops over %d ranks, %.2f us each\n", (long long)hops, c4p_num_ranks(rt),
           (c4p_time_s(rt) - ring->begin_s) / (double)hops * 1e6);
    if (!right)
        fprintf(stderr, "wrong: marks %lld instead of %lld\n", (long long)marks,
                (long long)expected);
    check(rt, c4p_exit(rt, right ? 0 : 1));
}

/* Entry method: take the token, mark it and pass it on. */
static void
take(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    station_t *station = object;
    const ring_t *ring = ctx;
    c4p_index_t index;
    token_t token;

    memcpy(&token, c4p_msg_data(msg), sizeof token); /* msg is lent: it ends with this call */
    station->passed++;
    if (token.hops_left == 0) {
        finish(rt, ring, station, token.marks);
        return;
    }
    c4p_index_unpack(station->self.key, 1, &index);
    token.hops_left--;
    token.marks += index.at[0];
    send_token(rt, ring, station->self.coll, (index.at[0] + 1) % ring->size, &token);
}

/* Make the array and start the token. */
static void
begin(c4p_rt_t *rt, ring_t *ring)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    const token_t token = {.hops_left = ring->size * ring->rounds};
    c4p_coll_t coll;

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = ring->size;
    check(rt, c4p_array_new(rt, ring->type, &opts, NULL, &coll));
    ring->begin_s = c4p_time_s(rt);
    send_token(rt, ring, coll, 0, &token);
}

int
main(int argc, char **argv)
{
    c4p_rt_t *rt;
    ring_t ring = {.size = argc > 1 ? atol(argv[1]) : 16,
                   .rounds = argc > 2 ? atol(argv[2]) : 1000};
    int exit_code = 1;
    const c4p_type_desc_t station = {.struct_size = sizeof station,
                                     .name = "Station",
                                     .construct = station_construct,
                                     .destroy = station_destroy};

    if (ring.size < 1 || ring.size > 1000000 || ring.rounds < 1 || ring.rounds > 1000000) {
        fprintf(stderr, "usage: ring_c [elements 1..1000000] [rounds 1..1000000]\n");
        return 2;
    }
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    check(rt, c4p_type_add(rt, &station, &ring.type));
    check(rt, c4p_entry_add(rt, ring.type, "take", take, &ring, &ring.take));
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        begin(rt, &ring);
    st = c4p_run(rt, &exit_code);
    c4p_free(rt);
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
