/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.c: C chares, one on each rank, stream, send all to one, all to all, broadcast, reduce
 * and wait for one another; plain MPI does the same in between, in the same processes. Usage:
 * mpirun -n N bench_exchange [repetitions [percent of the usual counts]]. Prints one line of JSON
 * per row. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "yardstick.h"

enum { MAX_REPS = 200, WINDOW = C4P_YARDSTICK_WINDOW };

typedef struct peer peer_t;

/* How chares do what a pattern of the yardstick does: on `go` on all ranks; when a message has
 * come; when a reduction, or what else was waited for, is done. */
typedef struct pattern {
    const char *name, *yardstick;
    void (*go)(peer_t *p);
    void (*take)(peer_t *p, c4p_msg_t *msg);
    void (*turn)(peer_t *p);
} pattern_t;

typedef struct row {
    const char *name;
    const pattern_t *pattern;
    size_t bytes;
    int count; /* of a repetition; a multiple of WINDOW */
} row_t;

typedef struct program {
    c4p_entry_t measure, begin, go, take, turn;
    int reps, percent;
} program_t;

/* One per rank. `done` of the pattern's `count` turns are over; `came[]` counts messages, of this
 * turn and of the next one for which a fast peer is ready already. */
struct peer {
    c4p_rt_t *rt;
    const program_t *program;
    c4p_ref_t self;
    const row_t *row;
    int count, done, came[2];
    int num_row, rep; /* rank 0: where it is */
    double start, seconds[MAX_REPS], yardsticks[MAX_REPS];
};

/* ---- sending ------------------------------------------------------------------------------------ */

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, 70, c4p_strerror(st));
}

/* A message of the row's size, filled from memory of the sender's, as data that are sent are. */
static c4p_msg_t *
make(peer_t *p, size_t bytes, int64_t number)
{
    static const char zeros[1 << 20];
    c4p_msg_t *msg;
    check(p->rt, c4p_msg_new(p->rt, bytes < sizeof number ? sizeof number : bytes, &msg));
    memcpy(c4p_msg_data(msg), zeros, bytes);
    memcpy(c4p_msg_data(msg), &number, sizeof number);
    return msg;
}

static void
send(peer_t *p, int rank, c4p_entry_t entry, c4p_msg_t *msg)
{
    check(p->rt, c4p_send(p->rt, (c4p_ref_t){p->self.coll, {{(uint64_t)rank, 0}}}, entry, msg));
}

static void
send_to_all(peer_t *p, c4p_entry_t entry, int64_t number)
{
    c4p_msg_t *msg = make(p, sizeof number, number);
    check(p->rt, c4p_bcast(p->rt, p->self.coll, entry, msg, C4P_BCAST_NO_REPLY, 0));
}

/* Contribute the row's bytes; the result, or a signal without any, is a turn of rank 0 or of all.
 */
static void
contribute(peer_t *p, c4p_op_t op, c4p_target_kind_t to, c4p_entry_t entry)
{
    static const double zeros[1 << 10];
    c4p_reduce_t how = {.op = op, .dtype = op == C4P_OP_NOP ? 0 : C4P_FLOAT64};
    c4p_target_t target = {.kind = to, .entry = entry, .ref = {p->self.coll, {{0, 0}}}};
    check(p->rt, c4p_contribute(p->rt, p->self, &how, zeros, op == C4P_OP_NOP ? 0 : p->row->bytes,
                                &target, NULL));
}

static void next_repetition(peer_t *p);

static void
finish(peer_t *p)
{
    p->seconds[p->rep] = (c4p_time_s(p->rt) - p->start) / p->count;
    next_repetition(p);
}

/* One of `count` turns is over: whether others are to come. Rank 0 ends the repetition. */
static bool
goes_on(peer_t *p)
{
    if (++p->done < p->count)
        return true;
    if (c4p_rank(p->rt) == 0)
        finish(p);
    return false;
}

/* ---- patterns ----------------------------------------------------------------------------------- */

static void
stream_window(peer_t *p)
{
    for (int i = 0; i < WINDOW && c4p_rank(p->rt) == 0; i++)
        send(p, 1, p->program->take, make(p, p->row->bytes, i));
}

static void
stream_take(peer_t *p, c4p_msg_t *msg)
{
    (void)msg;
    if (++p->came[0] % WINDOW == 0)
        send(p, 0, p->program->turn, make(p, 1, 0));
}

static void
stream_turn(peer_t *p)
{
    p->done += WINDOW - 1;
    if (goes_on(p))
        stream_window(p);
}

static void
many_to_one_go(peer_t *p)
{
    const int rank = c4p_rank(p->rt), senders = c4p_num_ranks(p->rt) - 1;
    for (int i = rank - 1; rank > 0 && i < p->count; i += senders)
        send(p, 0, p->program->take, make(p, p->row->bytes, i));
}

static void
many_to_one_take(peer_t *p, c4p_msg_t *msg)
{
    (void)msg;
    goes_on(p);
}

static void
all_to_all_go(peer_t *p)
{
    for (int i = 1; i < c4p_num_ranks(p->rt); i++)
        send(p, (c4p_rank(p->rt) + i) % c4p_num_ranks(p->rt), p->program->take,
             make(p, p->row->bytes, p->done));
}

static void
all_to_all_take(peer_t *p, c4p_msg_t *msg)
{
    int64_t turn;
    memcpy(&turn, c4p_msg_data(msg), sizeof turn);
    p->came[turn % 2]++;
    while (p->done < p->count && p->came[p->done % 2] == c4p_num_ranks(p->rt) - 1) {
        p->came[p->done % 2] = 0;
        if (++p->done < p->count)
            all_to_all_go(p);
        else
            contribute(p, C4P_OP_NOP, C4P_TARGET_ELEMENT, p->program->turn);
    }
}

/* Of rank 0, when all have done all turns: what others still have to take from one another must not
 * come into the next repetition. */
static void
all_to_all_turn(peer_t *p)
{
    finish(p);
}

static void
bcast_arrived(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last,
              void *ctx)
{
    peer_t *p = ctx;
    (void)rt, (void)future, (void)msg, (void)is_error, (void)last;
    if (goes_on(p))
        p->row->pattern->go(p);
}

/* `take` does nothing with it; the reply says that all have it. */
static void
bcast_go(peer_t *p)
{
    c4p_future_t arrived;
    if (c4p_rank(p->rt) != 0)
        return;
    check(p->rt, c4p_future_new(p->rt, 1, bcast_arrived, p, &arrived));
    check(p->rt, c4p_bcast(p->rt, p->self.coll, p->program->take, make(p, p->row->bytes, 0),
                           C4P_BCAST_DONE, arrived));
}

static void
bcast_take(peer_t *p, c4p_msg_t *msg)
{
    (void)p, (void)msg;
}

static void
reduce_go(peer_t *p)
{
    for (int i = 0; i < p->count; i++)
        contribute(p, C4P_OP_SUM, C4P_TARGET_ELEMENT, p->program->turn);
}

static void
reduce_turn(peer_t *p)
{
    goes_on(p);
}

static void
allreduce_go(peer_t *p)
{
    contribute(p, C4P_OP_SUM, C4P_TARGET_BROADCAST, p->program->turn);
}

static void
barrier_go(peer_t *p)
{
    contribute(p, C4P_OP_NOP, C4P_TARGET_BROADCAST, p->program->turn);
}

static void
quiet_go(peer_t *p)
{
    c4p_target_t target = {.kind = C4P_TARGET_ELEMENT, .entry = p->program->turn, .ref = p->self};
    if (c4p_rank(p->rt) == 0)
        check(p->rt, c4p_detect_quiescence(p->rt, &target));
}

static void
go_again(peer_t *p)
{
    if (goes_on(p))
        p->row->pattern->go(p);
}

static const pattern_t stream = {"stream", "stream", stream_window, stream_take, stream_turn},
                       many = {"many_to_one", "many_to_one", many_to_one_go, many_to_one_take,
                               NULL},
                       all = {"all_to_all", "all_to_all", all_to_all_go, all_to_all_take,
                              all_to_all_turn},
                       bcast = {"bcast", "bcast", bcast_go, bcast_take, NULL},
                       reduce = {"reduce", "reduce", reduce_go, NULL, reduce_turn},
                       allreduce = {"allreduce", "allreduce", allreduce_go, NULL, go_again},
                       barrier = {"barrier", "barrier", barrier_go, NULL, go_again},
                       quiet = {"quiet", "barrier", quiet_go, NULL, go_again};

static const row_t rows[] = {{"stream_8", &stream, 8, 1 << 14},
                             {"stream_1k", &stream, 1 << 10, 1 << 13},
                             {"stream_64k", &stream, 1 << 16, 512},
                             {"stream_1m", &stream, 1 << 20, 64},
                             {"many_to_one", &many, 8, 1 << 13},
                             {"all_to_all", &all, 1 << 10, 512},
                             {"bcast", &bcast, 8, 512},
                             {"reduce", &reduce, 8, 2048},
                             {"allreduce", &allreduce, 8, 512},
                             {"allreduce_8k", &allreduce, 1 << 13, 256},
                             {"barrier", &barrier, 8, 512},
                             {"quiet", &quiet, 8, 256}};
enum { NUM_ROWS = sizeof rows / sizeof *rows };

/* ---- one repetition after the other --------------------------------------------------------------- */

static int
count_of(const row_t *row, int percent)
{
    int windows = row->count / WINDOW * percent / 100;
    return WINDOW * (windows < 1 ? 1 : windows);
}

/* All ranks, at the same time: the yardstick. */
static void
measure(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    peer_t *p = object;
    int64_t number;
    (void)ctx;
    memcpy(&number, c4p_msg_data(msg), sizeof number);
    p->row = &rows[number];
    p->count = count_of(p->row, p->program->percent);
    p->done = p->came[0] = p->came[1] = 0;
    p->yardsticks[p->rep] =
        c4p_yardstick_pattern(p->row->pattern->yardstick, p->row->bytes, p->count);
    if (p->yardsticks[p->rep] < 0)
        c4p_abort(rt, 70, p->row->pattern->yardstick);
    contribute(p, C4P_OP_NOP, C4P_TARGET_ELEMENT, p->program->begin);
}

/* Rank 0, when all have done that. */
static void
begin(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    peer_t *p = object;
    (void)msg, (void)ctx;
    p->start = c4p_time_s(rt);
    send_to_all(p, p->program->go, 0);
}

static void
go(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    peer_t *p = object;
    (void)rt, (void)msg, (void)ctx;
    p->row->pattern->go(p);
}

static void
take(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    peer_t *p = object;
    (void)rt, (void)ctx;
    p->row->pattern->take(p, msg);
}

static void
turn(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    peer_t *p = object;
    (void)rt, (void)msg, (void)ctx;
    p->row->pattern->turn(p);
}

/* c_NAME_RANKS, as it stands in bench/rows.py. */
static const char *
full_name(const peer_t *p, int num_row, char *text, size_t size)
{
    snprintf(text, size, "c_%s_%d", rows[num_row].name, c4p_num_ranks(p->rt));
    return text;
}

/* The next row that is wanted, from this one on, or the end. */
static void
start_row(peer_t *p)
{
    char name[64];
    while (p->num_row < NUM_ROWS && !bench_wants(full_name(p, p->num_row, name, sizeof name)))
        p->num_row++;
    if (p->num_row == NUM_ROWS)
        c4p_exit(p->rt, 0);
    else
        send_to_all(p, p->program->measure, p->num_row);
}

static void
next_repetition(peer_t *p)
{
    char name[64];
    if (++p->rep == p->program->reps) {
        bench_report(full_name(p, p->num_row, name, sizeof name), p->seconds, p->yardsticks,
                     p->rep);
        p->rep = 0;
        p->num_row++;
    }
    start_row(p);
}

/* ---- the program -------------------------------------------------------------------------------- */

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    peer_t *p = calloc(1, sizeof *p);
    (void)args;
    if (!p)
        return C4P_ERR_NOMEM;
    p->rt = rt;
    p->program = ctx;
    p->self = self;
    *object_out = p;
    return C4P_OK;
}

static void
destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

static c4p_type_t
add_type(c4p_rt_t *rt, program_t *program)
{
    c4p_type_t type;
    c4p_type_desc_t desc = {.struct_size = sizeof desc,
                            .name = "Peer",
                            .construct = construct,
                            .destroy = destroy,
                            .ctx = program};
    check(rt, c4p_type_add(rt, &desc, &type));
    check(rt, c4p_entry_add(rt, type, "measure", measure, program, &program->measure));
    check(rt, c4p_entry_add(rt, type, "begin", begin, program, &program->begin));
    check(rt, c4p_entry_add(rt, type, "go", go, program, &program->go));
    check(rt, c4p_entry_add(rt, type, "take", take, program, &program->take));
    check(rt, c4p_entry_add(rt, type, "turn", turn, program, &program->turn));
    return type;
}

/* The exit status. */
static int
run(c4p_rt_t *rt, program_t *program)
{
    c4p_coll_t group;
    int code = 1;
    if (c4p_num_ranks(rt) < 2) {
        fprintf(stderr, "bench_exchange needs 2 ranks or more\n");
        return 2;
    }
    c4p_type_t type = add_type(rt, program);
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        check(rt, c4p_group_new(rt, type, NULL, 0, &group));
        start_row(c4p_local(rt, (c4p_ref_t){group, {{0, 0}}}));
    }
    check(rt, c4p_run(rt, &code));
    return code;
}

int
main(int argc, char **argv)
{
    program_t program = {.reps = argc > 1 ? atoi(argv[1]) : 31,
                         .percent = argc > 2 ? atoi(argv[2]) : 100};
    c4p_rt_t *rt;
    if (program.reps < 1 || program.reps > MAX_REPS || program.percent < 1) {
        fprintf(stderr, "usage: bench_exchange [repetitions 1..%d [percent]]\n", MAX_REPS);
        return 2;
    }
    if (c4p_init(NULL, &rt) != C4P_OK)
        return 1;
    int code = run(rt, &program);
    c4p_free(rt);
    return code;
}
