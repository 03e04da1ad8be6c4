/* SPDX-License-Identifier: Apache-2.0 */
/* types.h: names of things: runtimes, messages, chares, entry methods, futures. References are
 * small values, valid on every rank, and are checked when they are used. */
#ifndef C4P_TYPES_H
#define C4P_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <c4p/export.h>
#include <c4p/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One runtime: one processing element (PE) of one job. All calls belong to the thread that created
 * it. */
typedef struct c4p_rt c4p_rt_t;
/** A message buffer; see msg.h for who owns it when. */
typedef struct c4p_msg c4p_msg_t;

/** A chare type (class) by its place in the type table, which is the same on all ranks. */
typedef uint32_t c4p_type_t;
/** An entry method by its place in its type's table. */
typedef uint16_t c4p_entry_t;
/** A collection: a group, an array or a single chare. Creator's rank in the upper 24 bits, its
 * counter below; 0 names none. */
typedef uint64_t c4p_coll_t;
/** A placement map, see chare.h; 0 is the default placement. */
typedef uint32_t c4p_map_t;
/** A handler: a C function by number, the same on all ranks; see send.h. */
typedef uint32_t c4p_handler_t;
/** A future: the rank that owns it in the upper 24 bits, its serial number below, never used again;
 * 0 names none. */
typedef uint64_t c4p_future_t;

/** An index packed without loss into 128 bits; see c4p_index_pack(). A group element's key is its
 * rank. */
typedef struct c4p_key {
    uint64_t w[2]; /**< to be compared with c4p_key_eq(), not to be looked into */
} c4p_key_t;

/** One chare: element `key` of collection `coll`. */
typedef struct c4p_ref {
    c4p_coll_t coll; /**< 0: nobody */
    c4p_key_t key;   /**< of the element within it */
} c4p_ref_t;

#define C4P_MAX_DIMS  6         /**< of an index */
#define C4P_MAX_RANKS (1 << 24) /**< of a job */

/** An index as the user writes it: 1 to 6 signed coordinates. */
typedef struct c4p_index {
    int ndims;                /**< how many of them */
    int64_t at[C4P_MAX_DIMS]; /**< these; others do not matter */
} c4p_index_t;

/**
 * Pack an index. Each coordinate gets 128/ndims bits, at most 64 (1-D and 2-D: 64, 3-D: 42, 4-D:
 * 32, 5-D: 25, 6-D: 21), signed. Returns C4P_OK; C4P_ERR_ARG for NULL; C4P_ERR_RANGE if a
 * coordinate does not fit or ndims is not 1..6. Any thread.
 */
C4P_API c4p_status_t c4p_index_pack(const c4p_index_t *index, c4p_key_t *key_out);

/** The inverse of c4p_index_pack(). ndims must be the number of dimensions the key was packed with.
 * Any thread. */
C4P_API void c4p_index_unpack(c4p_key_t key, int ndims, c4p_index_t *index_out);

/** The largest magnitude of a coordinate that c4p_index_pack() takes with this many dimensions; 0
 * if there are none such. Any thread. */
C4P_API int64_t c4p_index_max(int ndims);

/** Are they the same? Any thread. */
static inline bool
c4p_key_eq(c4p_key_t a, c4p_key_t b)
{
    return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

/** Do they name the same chare? Any thread. */
static inline bool
c4p_ref_eq(c4p_ref_t a, c4p_ref_t b)
{
    return a.coll == b.coll && c4p_key_eq(a.key, b.key);
}

#ifdef __cplusplus
}
#endif
#endif
