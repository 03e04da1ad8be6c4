/* SPDX-License-Identifier: Apache-2.0 */
/* typed.c: a message of four scalars to an entry method that unpacks it by hand, against one to an
 * entry method with four parameters (c4p/typed.h): from a chare to itself, and to and fro between
 * two ranks. Usage: mpirun -n 2 bench_typed [repetitions [messages]]. Prints one JSON line per row,
 * the ratio of typed to hand-packed. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"

enum { MAX_REPS = 200, NUM_WAYS = 4 };

/* The four measurements of a repetition, one after the other. */
typedef enum way { HAND_LOCAL, TYPED_LOCAL, HAND_REMOTE, TYPED_REMOTE } way_t;

/* The chare of each rank; that of rank 0 drives. */
typedef struct bench {
    c4p_coll_t group;
    c4p_entry_t hand, next;
    c4p_typed_t typed;
    int reps, messages, rep, way;
    double start, times[NUM_WAYS][MAX_REPS];
} bench_t;

typedef struct scalars {
    int64_t left;
    double dt;
    int32_t row, way;
} scalars_t;

static void
must(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, 70, c4p_strerror(st));
}

static c4p_ref_t
chare_of(const bench_t *bench, int rank)
{
    return (c4p_ref_t){bench->group, {{(uint64_t)rank, 0}}};
}

static void
send_hand(c4p_rt_t *rt, bench_t *bench, int rank, const scalars_t *args)
{
    c4p_msg_t *msg;
    must(rt, c4p_msg_new(rt, sizeof *args, &msg));
    memcpy(c4p_msg_data(msg), args, sizeof *args);
    must(rt, c4p_send(rt, chare_of(bench, rank), bench->hand, msg));
}

static void
send_typed(c4p_rt_t *rt, bench_t *bench, int rank, const scalars_t *args)
{
    must(rt, c4p_send_typed(rt, chare_of(bench, rank), bench->typed, args->left, args->dt,
                            args->row, args->way));
}

static void
measured(c4p_rt_t *rt, bench_t *bench)
{
    bench->times[bench->way][bench->rep] = (c4p_time_s(rt) - bench->start) / bench->messages;
    if (++bench->way == NUM_WAYS) {
        bench->way = 0;
        bench->rep++;
    }
    c4p_msg_t *msg;
    must(rt, c4p_msg_new(rt, 0, &msg));
    must(rt, c4p_send(rt, chare_of(bench, 0), bench->next, msg));
}

/* One message more, or the end. */
static void
go_on(c4p_rt_t *rt, bench_t *bench, const scalars_t *was)
{
    scalars_t args = {was->left - 1, was->dt + 0.5, was->row + 1, was->way};
    bool typed = was->way == TYPED_LOCAL || was->way == TYPED_REMOTE,
         remote = was->way >= HAND_REMOTE;
    if (was->dt != 0.5 * was->row)
        c4p_abort(rt, 70, "an argument got lost");
    if (was->left == 0)
        measured(rt, bench);
    else
        (typed ? send_typed : send_hand)(rt, bench, remote ? 1 - c4p_rank(rt) : 0, &args);
}

static void
on_hand(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)ctx;
    scalars_t args;
    memcpy(&args, c4p_msg_data(msg), sizeof args);
    go_on(rt, object, &args);
}

static void
on_typed(c4p_rt_t *rt, void *object, int64_t left, double dt, int32_t row, int32_t way)
{
    go_on(rt, object, &(scalars_t){left, dt, row, way});
}

static void
on_next(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object;
    (void)msg;
    bench_t *bench = ctx;
    if (bench->rep == bench->reps) {
        bench_report("c_typed_local", bench->times[TYPED_LOCAL], bench->times[HAND_LOCAL],
                     bench->reps);
        bench_report("c_typed_remote", bench->times[TYPED_REMOTE], bench->times[HAND_REMOTE],
                     bench->reps);
        c4p_exit(rt, 0);
        return;
    }
    bench->start = c4p_time_s(rt);
    int hops = bench->way >= HAND_REMOTE ? 2 * bench->messages : bench->messages;
    go_on(rt, bench, &(scalars_t){.left = hops, .way = bench->way});
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt;
    (void)args;
    bench_t *bench = *object_out = ctx; /* each rank has one chare */
    bench->group = self.coll;
    return C4P_OK;
}

int
main(int argc, char **argv)
{
    static bench_t bench;
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_coll_t group;
    int code = 1;
    bench.reps = argc > 1 ? atoi(argv[1]) : 101;
    bench.messages = argc > 2 ? atoi(argv[2]) : 2000;
    if (bench.reps < 1 || bench.reps > MAX_REPS || bench.messages < 1) {
        fprintf(stderr, "usage: bench_typed [repetitions 1..%d [messages]]\n", MAX_REPS);
        return 2;
    }
    if (c4p_init(NULL, &rt) != C4P_OK)
        return 1;
    c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "Bench", .construct = construct, .ctx = &bench};
    must(rt, c4p_type_add(rt, &desc, &type));
    must(rt, c4p_entry_add(rt, type, "hand", on_hand, NULL, &bench.hand));
    must(rt, c4p_entry_add(rt, type, "next", on_next, &bench, &bench.next));
    must(rt,
         c4p_entry_add_typed(rt, type, "typed", "int64_t left, double dt, int32_t row, int32_t way",
                             (c4p_any_fn_t)on_typed, &bench.typed));
    if (c4p_num_ranks(rt) != 2) {
        fprintf(stderr, "bench_typed needs exactly 2 ranks\n");
        c4p_free(rt);
        return 2;
    }
    c4p_status_t st = c4p_start(rt);
    if (st == C4P_OK && c4p_rank(rt) == 0) {
        must(rt, c4p_group_new(rt, type, NULL, 0, &group));
        bench.group = group;
        c4p_msg_t *msg;
        must(rt, c4p_msg_new(rt, 0, &msg));
        must(rt, c4p_send(rt, chare_of(&bench, 0), bench.next, msg));
    }
    if (st == C4P_OK)
        st = c4p_run(rt, &code);
    c4p_free(rt);
    return st == C4P_OK ? code : 1;
}
