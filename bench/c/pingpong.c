/* SPDX-License-Identifier: Apache-2.0 */
/* pingpong.c: two C chares on two ranks send a message of 8 bytes to and fro, and one floods the
 * other. Plain MPI is measured in between, in the same processes. Usage: mpirun -n 2 bench_pingpong
 * [repetitions [messages]]. Prints one JSON line per row: the ratio of the medians, and that of the
 * best times, which says more on a machine that others use too. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "yardstick.h"

enum { MAX_REPS = 200 };

/* One per rank; the program's state, reached through the chare. */
typedef struct bench {
    c4p_ref_t self;
    int reps, rep, messages;
    double start, raw[MAX_REPS], ping[MAX_REPS], flood[MAX_REPS];
    int64_t seen;
} bench_t;

typedef struct entries {
    c4p_entry_t yardstick, ping, flood, drop, flooded;
} entries_t;

typedef struct program {
    entries_t entry;
    int reps, messages;
} program_t;

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt;
    (void)args;
    program_t *program = ctx;
    bench_t *bench = calloc(1, sizeof *bench);
    if (!bench)
        return C4P_ERR_NOMEM;
    bench->self = self;
    bench->reps = program->reps;
    bench->messages = program->messages;
    *object_out = bench;
    return C4P_OK;
}

static void
destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt;
    (void)ctx;
    free(object);
}

static void
send_number(c4p_rt_t *rt, bench_t *bench, int rank, c4p_entry_t entry, int64_t number)
{
    c4p_msg_t *msg;
    if (c4p_msg_new(rt, sizeof number, &msg) != C4P_OK)
        c4p_abort(rt, 71, "no memory");
    memcpy(c4p_msg_data(msg), &number, sizeof number);
    c4p_ref_t to = {bench->self.coll, {{(uint64_t)rank, 0}}};
    c4p_status_t st = c4p_send(rt, to, entry, msg);
    if (st != C4P_OK)
        c4p_abort(rt, 70, c4p_strerror(st));
}

static int64_t
number_of(c4p_msg_t *msg)
{
    int64_t number;
    memcpy(&number, c4p_msg_data(msg), sizeof number);
    return number;
}

/* Both ranks, at the same time: the yardstick; then rank 0 starts the ping-pong. */
static void
yardstick(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)msg;
    bench_t *bench = object;
    program_t *program = ctx;
    double raw = c4p_yardstick_pingpong(8, bench->messages);
    if (c4p_rank(rt) != 0)
        return;
    bench->raw[bench->rep] = raw;
    bench->start = c4p_time_s(rt);
    send_number(rt, bench, 1, program->entry.ping, 2 * (int64_t)bench->messages - 1);
}

static void
ping(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    bench_t *bench = object;
    program_t *program = ctx;
    int64_t left = number_of(msg);
    if (left > 0) {
        send_number(rt, bench, 1 - c4p_rank(rt), program->entry.ping, left - 1);
        return;
    }
    bench->ping[bench->rep] = (c4p_time_s(rt) - bench->start) / bench->messages; /* on rank 0 */
    bench->start = c4p_time_s(rt);
    send_number(rt, bench, 0, program->entry.flood, 0);
}

static void
flood(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)msg;
    bench_t *bench = object;
    program_t *program = ctx;
    for (int64_t i = bench->messages; i-- > 0;)
        send_number(rt, bench, 1, program->entry.drop, i);
}

static void
drop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    bench_t *bench = object;
    program_t *program = ctx;
    if (number_of(msg) == 0)
        send_number(rt, bench, 0, program->entry.flooded, 0);
}

static void
flooded(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)msg;
    bench_t *bench = object;
    program_t *program = ctx;
    bench->flood[bench->rep] = (c4p_time_s(rt) - bench->start) / bench->messages;
    if (++bench->rep < bench->reps) {
        send_number(rt, bench, 0, program->entry.yardstick, 0);
        send_number(rt, bench, 1, program->entry.yardstick, 0);
        return;
    }
    bench_report("c_pingpong", bench->ping, bench->raw, bench->reps);
    bench_report("c_flood", bench->flood, bench->raw, bench->reps);
    c4p_exit(rt, 0);
}

int
main(int argc, char **argv)
{
    program_t program = {.reps = argc > 1 ? atoi(argv[1]) : 101,
                         .messages = argc > 2 ? atoi(argv[2]) : 500};
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_coll_t group;
    int code = 1;
    if (program.reps < 1 || program.reps > MAX_REPS || program.messages < 1) {
        fprintf(stderr, "usage: bench_pingpong [repetitions 1..%d [messages]]\n", MAX_REPS);
        return 2;
    }
    if (c4p_init(NULL, &rt) != C4P_OK)
        return 1;
    c4p_type_desc_t desc = {.struct_size = sizeof desc,
                            .name = "Bench",
                            .construct = construct,
                            .destroy = destroy,
                            .ctx = &program};
    c4p_type_add(rt, &desc, &type);
    c4p_entry_add(rt, type, "yardstick", yardstick, &program, &program.entry.yardstick);
    c4p_entry_add(rt, type, "ping", ping, &program, &program.entry.ping);
    c4p_entry_add(rt, type, "flood", flood, &program, &program.entry.flood);
    c4p_entry_add(rt, type, "drop", drop, &program, &program.entry.drop);
    c4p_entry_add(rt, type, "flooded", flooded, &program, &program.entry.flooded);
    if (c4p_num_ranks(rt) != 2) {
        fprintf(stderr, "bench_pingpong needs exactly 2 ranks\n");
        c4p_free(rt);
        return 2;
    }
    c4p_status_t st = c4p_start(rt);
    if (st == C4P_OK && c4p_rank(rt) == 0) {
        st = c4p_group_new(rt, type, NULL, 0, &group);
        bench_t *bench = c4p_local(rt, (c4p_ref_t){group, {{0, 0}}});
        send_number(rt, bench, 0, program.entry.yardstick, 0);
        send_number(rt, bench, 1, program.entry.yardstick, 0);
    }
    if (st == C4P_OK)
        st = c4p_run(rt, &code);
    c4p_free(rt);
    return st == C4P_OK ? code : 1;
}
