/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c: a group, an array, messages between their elements, and a count of those that were
 * reached. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS = 8 };

/* One chare. What a chare looks like is the program's business; this one knows its name and whether
 * it was greeted. */
typedef struct greeter {
    c4p_ref_t self;
    int64_t greeted;
} greeter_t;

/* What the program registers. All ranks register the same, in the same order. */
typedef struct hello {
    c4p_type_t greeter;
    c4p_entry_t greet, pass_on, count;
} hello_t;

/* End the job if a call was refused. */
static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

static c4p_msg_t *
empty_message(c4p_rt_t *rt)
{
    c4p_msg_t *msg;
    check(rt, c4p_msg_new(rt, 0, &msg));
    return msg;
}

/* ---- life of a greeter ------------------------------------------------------------------------ */

static c4p_status_t
greeter_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    greeter_t *greeter = calloc(1, sizeof *greeter);
    (void)rt, (void)args, (void)ctx;
    if (!greeter)
        return C4P_ERR_NOMEM;
    greeter->self = self;
    *object_out = greeter;
    return C4P_OK;
}

static void
greeter_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

/* ---- entry methods: what messages to a greeter do ---------------------------------------------- */

/* Of the group: every rank has one member, whose key is the rank. */
static void
greet(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    printf("Hello from rank %d of %d\n", c4p_rank(rt), c4p_num_ranks(rt));
}

/* Of the array: say hello, and pass it on to the next element, wherever that lives. */
static void
pass_on(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    greeter_t *greeter = object;
    const hello_t *hello = ctx;
    c4p_index_t index;
    (void)msg;

    c4p_index_unpack(greeter->self.key, 1, &index);
    printf("Hello from element %d on rank %d\n", (int)index.at[0], c4p_rank(rt));
    greeter->greeted++;
    if (++index.at[0] < ELEMENTS) {
        c4p_ref_t next = greeter->self; /* the same collection, another index */
        check(rt, c4p_index_pack(&index, &next.key));
        check(rt, c4p_send(rt, next, hello->pass_on, empty_message(rt)));
    } else { /* the last one asks all of them */
        check(rt, c4p_bcast(rt, greeter->self.coll, hello->count, empty_message(rt),
                            C4P_BCAST_NO_REPLY, 0));
    }
}

static c4p_future_t all_greeted; /* made on rank 0, known everywhere: see start() */

/* Give this element's part of the sum, which goes to the future. */
static void
count(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const greeter_t *greeter = object;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_target_t to = {.kind = C4P_TARGET_FUTURE, .number = all_greeted};
    (void)msg, (void)ctx;
    check(rt, c4p_contribute(rt, greeter->self, &sum, &greeter->greeted, sizeof greeter->greeted,
                             &to, NULL));
}

/* ---- the program -------------------------------------------------------------------------------- */

/* On rank 0: the sum has come. */
static void
on_count(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    c4p_result_t result;
    int64_t greeted;
    (void)future, (void)is_error, (void)last, (void)ctx;
    check(rt, c4p_result_get(msg, &result));
    memcpy(&greeted, result.data, sizeof greeted);
    printf("All %d elements said hello\n", (int)greeted);
    check(rt, c4p_exit(rt, greeted == ELEMENTS ? 0 : 1));
}

/* A handler is a C function that messages can be sent to by rank: here, everybody learns the
 * future's name. */
static void
on_future(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)ctx;
    memcpy(&all_greeted, c4p_msg_data(msg), sizeof all_greeted);
}

/* On rank 0, before the scheduler runs. */
static void
start(c4p_rt_t *rt, const hello_t *hello, c4p_handler_t tell_future)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_coll_t group, array;
    c4p_msg_t *msg;

    check(rt, c4p_future_new(rt, 1, on_count, NULL, &all_greeted));
    check(rt, c4p_msg_new(rt, sizeof all_greeted, &msg));
    memcpy(c4p_msg_data(msg), &all_greeted, sizeof all_greeted);
    check(rt, c4p_bcast_handler(rt, tell_future, msg));

    check(rt, c4p_group_new(rt, hello->greeter, NULL, 0, &group));
    check(rt, c4p_bcast(rt, group, hello->greet, empty_message(rt), C4P_BCAST_NO_REPLY, 0));

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = ELEMENTS;
    check(rt, c4p_array_new(rt, hello->greeter, &opts, NULL, &array));
    check(rt,
          c4p_send(rt, (c4p_ref_t){.coll = array}, hello->pass_on, empty_message(rt))); /* element
                                                                                           0 */
}

int
main(void)
{
    c4p_rt_t *rt;
    hello_t hello;
    c4p_handler_t tell_future;
    int exit_code = 1;
    const c4p_type_desc_t greeter = {.struct_size = sizeof greeter,
                                     .name = "Greeter",
                                     .construct = greeter_construct,
                                     .destroy = greeter_destroy};
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        return c4p_exit_status(st); /* the cause has been logged */

    check(rt, c4p_type_add(rt, &greeter, &hello.greeter));
    check(rt, c4p_entry_add(rt, hello.greeter, "greet", greet, NULL, &hello.greet));
    check(rt, c4p_entry_add(rt, hello.greeter, "pass_on", pass_on, &hello, &hello.pass_on));
    check(rt, c4p_entry_add(rt, hello.greeter, "count", count, NULL, &hello.count));
    check(rt, c4p_handler_add(rt, "tell_future", on_future, NULL, &tell_future));
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        start(rt, &hello, tell_future);
    st = c4p_run(rt, &exit_code); /* until somebody calls c4p_exit() */
    c4p_free(rt);
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
