/* SPDX-License-Identifier: Apache-2.0 */
/* watching.c: what it costs to measure load and to record who talks to whom: nanoseconds of one
 * message between two chares of a rank, from send to the end of the entry method, which does
 * nothing else; and what that is of an entry method of 10 us. The three ways take turns, medians
 * are shown. One process. Usage: bench_watching [turns [messages in a turn]]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <c4p/balance.h>
#include <c4p/c4p.h>

enum { ELEMENTS = 64, MODES = 3, MOST_TURNS = 1000 };

typedef struct program {
    c4p_entry_t hop;
    int turns, turn;
    long messages, left;
    double start, ns[MODES][MOST_TURNS];
} program_t;

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args;
    *object_out = ctx;
    return C4P_OK;
}

static void
show(program_t *p)
{
    static const char *const what[MODES] = {"nothing", "load", "load and the graph"};
    double off = median(p->ns[0], p->turns);
    for (int mode = 0; mode < MODES; mode++) {
        double ns = median(p->ns[mode], p->turns);
        printf("%-20s %6.0f ns  %+6.2f %% of 10 us\n", what[mode], ns, (ns - off) / 100);
    }
    fflush(stdout);
}

/* The next way; false after the last turn. */
static bool
next_turn(c4p_rt_t *rt, program_t *p)
{
    int mode = p->turn % MODES;
    if (p->start > 0)
        p->ns[mode][p->turn++ / MODES] = (now_ns() - p->start) / (double)p->messages;
    if (p->turn == MODES * p->turns)
        return false;
    mode = p->turn % MODES;
    c4p_lb_measure(rt, mode > 0);
    c4p_lb_graph(rt, mode > 1);
    p->left = p->messages;
    p->start = now_ns();
    return true;
}

static void
hop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    program_t *p = object;
    (void)msg, (void)ctx;
    if (p->left-- == 0 && !next_turn(rt, p)) {
        show(p);
        c4p_exit(rt, 0);
        return;
    }
    c4p_msg_t *next;
    if (c4p_msg_new(rt, 16, &next) != C4P_OK)
        c4p_abort(rt, 71, "no memory");
    memset(c4p_msg_data(next), 0, 16);
    c4p_ref_t to = c4p_self(rt);
    to.key.w[0] = (to.key.w[0] + 1 + (uint64_t)(p->left & 7)) % ELEMENTS;
    c4p_send(rt, to, p->hop, next);
}

int
main(int argc, char **argv)
{
    static program_t program;
    program.turns = argc > 1 ? atoi(argv[1]) : 101;
    program.messages = argc > 2 ? atol(argv[2]) : 20000;
    if (program.turns < 1 || program.turns > MOST_TURNS || program.messages < 1) {
        fprintf(stderr, "usage: bench_watching [turns, at most 1000 [messages in a turn]]\n");
        return 2;
    }
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_coll_t array;
    c4p_msg_t *msg;
    int code = 1;
    if (c4p_init(NULL, &rt) != C4P_OK)
        return 1;
    c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "Hop", .construct = construct, .ctx = &program};
    c4p_type_add(rt, &desc, &type);
    c4p_entry_add(rt, type, "hop", hop, NULL, &program.hop);
    c4p_status_t st = c4p_start(rt);
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = ELEMENTS;
    opts.at_sync = true;
    if (st == C4P_OK)
        st = c4p_array_new(rt, type, &opts, NULL, &array);
    if (st == C4P_OK && (st = c4p_msg_new(rt, 16, &msg)) == C4P_OK)
        st = c4p_send(rt, (c4p_ref_t){array, {{0, 0}}}, program.hop, msg);
    if (st == C4P_OK)
        st = c4p_run(rt, &code);
    c4p_free(rt);
    return st == C4P_OK ? code : 1;
}
