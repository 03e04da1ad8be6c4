/* SPDX-License-Identifier: Apache-2.0 */
/* accum.h: the data side of reductions: what contributions are combined into, how that travels as
 * bytes, and what a result message looks like. Knows nothing of ranks, counting or messages in
 * flight; reduce.h has the protocol. Pump thread only.
 *
 * An accumulator holds one reduction's data at one rank: typed data combined in place; gather and
 * ordered sums as a list of (key, bytes) kept as they came and sorted by index when finished;
 * custom reducers as a list of blobs combined when packed or finished (n >= 2 at a time); tuples
 * part by part. Mixed contributions (another op, dtype, count, custom or tuple layout) are refused
 * with C4P_ERR_TYPE and a text for the report. Meta bytes: those of the first contribution that has
 * any. */
#ifndef C4PI_ACCUM_H
#define C4PI_ACCUM_H

#include <c4p/collective.h>

#include "msg/msg.h"
#include "msg/pup.h"

typedef struct c4pi_accum c4pi_accum_t;

/* How to reach custom reducers: their function by number; NULL if unknown. */
typedef struct c4pi_accum_env {
    c4pi_port_t *port;
    c4pi_msgs_t *msgs;
    c4p_rt_t *rt;
    c4p_combine_fn_t (*custom)(c4p_rt_t *rt, uint32_t number, void **ctx_out);
    int ndims; /* of the collection, to sort keys by index: signed coordinates, row-major */
} c4pi_accum_env_t;

/* Can these bytes be contributed so? C4P_OK, or C4P_ERR_TYPE / C4P_ERR_ARG / C4P_ERR_RANGE. Cheap.
 * Allowed pairs: SUM PRODUCT MIN MAX: all dtypes but that MIN and MAX refuse complex (SUM, PRODUCT,
 * MIN, MAX of BOOL: refused); AND OR XOR: C4P_BOOL and integers (result C4P_BOOL per item); BIT_*:
 * integers and BOOL; MINLOC, MAXLOC: real dtypes; SUM_ORDERED: as SUM; SUM_COMPENSATED: floats and
 * complex. NOP: len 0. */
c4p_status_t c4pi_accum_check(const c4p_reduce_t *how, const void *data, size_t len);

c4p_status_t c4pi_accum_new(const c4pi_accum_env_t *env, c4pi_accum_t **accum_out);
void c4pi_accum_free(c4pi_accum_t *accum);

/* Add one member's contribution (already checked); copies. On C4P_ERR_TYPE *why_out is a text like
 * "sum of 3 int64 meets sum of 4 int64" in storage of the accumulator. */
c4p_status_t c4pi_accum_add(c4pi_accum_t *accum, c4p_key_t member, const c4p_reduce_t *how,
                            const void *data, size_t len, const char **why_out);

/* Append the accumulated data to p; the accumulator is empty afterwards and can be reused. An empty
 * one writes a marker. */
c4p_status_t c4pi_accum_pack(c4pi_accum_t *accum, c4p_pup_t *p);
/* Read what pack wrote and combine it in. C4P_ERR_DATA for damaged input. */
c4p_status_t c4pi_accum_merge(c4pi_accum_t *accum, c4p_pup_t *p, const char **why_out);

/* The result message (flag C4PI_FLAG_RESULT set), readable by c4p_result_get(); for gather also by
 * c4p_gathered_next(). The accumulator is empty afterwards. */
c4p_status_t c4pi_accum_finish(c4pi_accum_t *accum, uint64_t number, uint64_t contributors,
                               c4p_msg_t **result_out);

/* Gathered lists outside reductions: the completions of an awaited broadcast. Same format as a
 * gather result, so c4p_gathered_next() reads it. */
c4p_status_t c4pi_accum_add_value(c4pi_accum_t *accum, c4p_key_t member, bool is_error,
                                  const void *data, size_t len);

#endif
