/* SPDX-License-Identifier: Apache-2.0 */
/* pi.c: the elements of an array integrate 4/(1+x^2) over their parts of [0, 1]; a reduction adds
 * the parts up. Usage: pi_c [intervals] */
#include <c4p/c4p.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_PER_RANK = 4 };

typedef struct pi {
    int64_t intervals;
    c4p_type_t type;
    c4p_entry_t integrate;
} pi_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

/* The chare keeps nothing but its name. */
static c4p_status_t
part_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    c4p_ref_t *part = malloc(sizeof *part);
    (void)rt, (void)args, (void)ctx;
    if (!part)
        return C4P_ERR_NOMEM;
    *part = self;
    *object_out = part;
    return C4P_OK;
}

static void
part_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

/* Entry method: the message says where the sum goes. */
static void
integrate(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const c4p_ref_t *self = object;
    const pi_t *pi = ctx;
    const int64_t parts = (int64_t)ELEMENTS_PER_RANK * c4p_num_ranks(rt);
    const c4p_reduce_t how = {.op = C4P_OP_SUM_ORDERED, .dtype = C4P_FLOAT64}; /* the same bits in
                                                                                  every run */
    c4p_target_t to;
    c4p_index_t index;
    double sum = 0;

    memcpy(&to, c4p_msg_data(msg), sizeof to);
    c4p_index_unpack(self->key, 1, &index);
    for (int64_t i = index.at[0]; i < pi->intervals; i += parts) { /* midpoints of every parts-th
                                                                      interval */
        const double x = ((double)i + 0.5) / (double)pi->intervals;
        sum += 4 / (1 + x * x);
    }
    sum /= (double)pi->intervals;
    check(rt, c4p_contribute(rt, *self, &how, &sum, sizeof sum, &to, NULL));
}

/* Future: the sum of all parts. */
static void
on_sum(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    const pi_t *pi = ctx;
    c4p_result_t result;
    double sum;
    (void)future, (void)is_error, (void)last;

    check(rt, c4p_result_get(msg, &result));
    memcpy(&sum, result.data, sizeof sum);
    /* The midpoint rule errs by h^2/24 times f'(1) - f'(0) = -2 here, apart from higher orders; and
     * each of so many additions rounds. */
    const double h = 1 / (double)pi->intervals, error = fabs(sum - acos(-1));
    const double bound = h * h / 12 * 1.01 + 1e-15 * sqrt((double)pi->intervals);
    printf("pi is about %.12f, from %d parts; the error is %.1e\n", sum, (int)result.contributors,
           error);
    check(rt, c4p_exit(rt, error <= bound ? 0 : 1));
}

static void
begin(c4p_rt_t *rt, pi_t *pi)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
    c4p_coll_t parts;
    c4p_msg_t *msg;

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = (int64_t)ELEMENTS_PER_RANK * c4p_num_ranks(rt);
    check(rt, c4p_array_new(rt, pi->type, &opts, NULL, &parts));
    check(rt, c4p_future_new(rt, 1, on_sum, pi, &to.number));
    check(rt, c4p_msg_new(rt, sizeof to, &msg));
    memcpy(c4p_msg_data(msg), &to, sizeof to);
    check(rt, c4p_bcast(rt, parts, pi->integrate, msg, C4P_BCAST_NO_REPLY, 0));
}

int
main(int argc, char **argv)
{
    c4p_rt_t *rt;
    pi_t pi = {.intervals = argc > 1 ? atol(argv[1]) : 1000000};
    int exit_code = 1;
    const c4p_type_desc_t part = {.struct_size = sizeof part,
                                  .name = "Part",
                                  .construct = part_construct,
                                  .destroy = part_destroy};

    if (pi.intervals < 1) {
        fprintf(stderr, "usage: pi_c [intervals]\n");
        return 2;
    }
    c4p_status_t st = c4p_init(NULL, &rt);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    check(rt, c4p_type_add(rt, &part, &pi.type));
    check(rt, c4p_entry_add(rt, pi.type, "integrate", integrate, &pi, &pi.integrate));
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        begin(rt, &pi);
    st = c4p_run(rt, &exit_code);
    c4p_free(rt);
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
