/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: what a C chare costs in memory, and that messages leave none behind. One rank. Usage:
 * bench_memory [elements [messages]]. Prints one JSON line per row. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
    c4p_entry_t hop;
    long elements, messages;
    double before, settled;
} program_t;

static double
resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* The object is the runtime's record alone: nothing is allocated here. */
static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt;
    (void)self;
    (void)args;
    *object_out = ctx;
    return C4P_OK;
}

static void
hop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    program_t *program = object;
    (void)ctx;
    long left;
    memcpy(&left, c4p_msg_data(msg), sizeof left);
    if (left == program->messages * 9 / 10)
        program->settled = resident_bytes();
    if (left == 0) {
        printf("BENCH {\"row\": \"c_growth\", \"bytes\": %.4g}\n",
               (resident_bytes() - program->settled) / ((double)program->messages * 0.9));
        fflush(stdout);
        c4p_exit(rt, 0);
        return;
    }
    c4p_msg_t *next;
    if (c4p_msg_new(rt, sizeof left, &next) != C4P_OK)
        c4p_abort(rt, 71, "no memory");
    left--;
    memcpy(c4p_msg_data(next), &left, sizeof left);
    c4p_ref_t to = c4p_self(rt);
    to.key.w[0] = (uint64_t)(left % program->elements);
    c4p_send(rt, to, program->hop, next);
}

int
main(int argc, char **argv)
{
    program_t program = {.elements = argc > 1 ? atol(argv[1]) : 20000,
                         .messages = argc > 2 ? atol(argv[2]) : 1000000};
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_coll_t array;
    int code = 1;
    if (program.elements < 1 || program.messages < 10) {
        fprintf(stderr, "usage: bench_memory [elements [messages]]\n");
        return 2;
    }
    if (c4p_init(NULL, &rt) != C4P_OK)
        return 1;
    c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "Empty", .construct = construct, .ctx = &program};
    c4p_type_add(rt, &desc, &type);
    c4p_entry_add(rt, type, "hop", hop, NULL, &program.hop);
    c4p_status_t st = c4p_start(rt);
    if (st == C4P_OK && c4p_rank(rt) == 0) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        opts.ndims = 1;
        opts.dense = true;
        opts.dims[0] = program.elements;
        program.before = resident_bytes();
        st = c4p_array_new(rt, type, &opts, NULL, &array);
        printf("BENCH {\"row\": \"c_record\", \"bytes\": %.4g}\n",
               (resident_bytes() - program.before) / (double)program.elements);
        c4p_msg_t *msg;
        if (st == C4P_OK && (st = c4p_msg_new(rt, sizeof(long), &msg)) == C4P_OK) {
            memcpy(c4p_msg_data(msg), &program.messages, sizeof(long));
            st = c4p_send(rt, (c4p_ref_t){array, {{0, 0}}}, program.hop, msg);
        }
    }
    if (st == C4P_OK)
        st = c4p_run(rt, &code);
    c4p_free(rt);
    return st == C4P_OK ? code : 1;
}
