/* SPDX-License-Identifier: Apache-2.0 */
/* collective.h: to all elements and from all elements: broadcasts, reductions, quiescence. */
#ifndef C4P_COLLECTIVE_H
#define C4P_COLLECTIVE_H

#include <c4p/chare.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- broadcast -------------------------------------------------------------------------------- */

/** What a broadcast's sender wants to hear of it. */
typedef enum c4p_bcast_reply {
    C4P_BCAST_NO_REPLY = 0, /**< nothing */
    C4P_BCAST_DONE = 1,     /**< that all have finished */
    C4P_BCAST_GATHER = 2    /**< and what they answered */
} c4p_bcast_reply_t;

/**
 * Run an entry method on every element of a collection. Broadcasts from one rank to one collection
 * run in the order sent on every element, each once, whatever moves. The message is shared by the
 * elements of a rank, which must not change it. `reply` (with DONE or GATHER): gets one value when
 * every element that executed it has finished. DONE: no bytes, or the first error in index order.
 * GATHER: see c4p_gathered_next(). Ownership and statuses as c4p_send(), and C4P_ERR_ARG if there
 * is a reply without one of these, or none with one. Cost: a tree over the ranks, so a few messages
 * of each rank's, and each element's method.
 */
C4P_API c4p_status_t c4p_bcast(c4p_rt_t *rt, c4p_coll_t coll, c4p_entry_t entry, c4p_msg_t *msg,
                               c4p_bcast_reply_t how, c4p_future_t reply);

/** One member's part of a gathered result, in index order. Pointers are borrowed from the message.
 */
typedef struct c4p_gathered {
    c4p_index_t index; /**< who answered */
    bool is_error;     /**< data is what it failed with */
    const void *data;  /**< aligned to 16 bytes */
    size_t len;        /**< bytes of data */
} c4p_gathered_t;
/** Walk over the parts of a gathered message: start with *cursor = 0; false at the end. Also for
 * the gather reducer's results. Touches no runtime. */
C4P_API bool c4p_gathered_next(c4p_msg_t *msg, size_t *cursor, c4p_gathered_t *part_out);
/** How many parts a gathered message has; 0 for another one. Cost: O(parts). */
C4P_API uint64_t c4p_gathered_count(c4p_msg_t *msg);

/* ---- reduction -------------------------------------------------------------------------------- */

/** Element types of typed contributions; sizes are those of the C type named. */
typedef enum c4p_dtype {
    C4P_BOOL = 1,  /**< bool */
    C4P_INT8,      /**< int8_t */
    C4P_UINT8,     /**< uint8_t */
    C4P_INT16,     /**< int16_t */
    C4P_UINT16,    /**< uint16_t */
    C4P_INT32,     /**< int32_t */
    C4P_UINT32,    /**< uint32_t */
    C4P_INT64,     /**< int64_t */
    C4P_UINT64,    /**< uint64_t */
    C4P_FLOAT32,   /**< float */
    C4P_FLOAT64,   /**< double */
    C4P_COMPLEX64, /**< float _Complex */
    C4P_COMPLEX128 /**< double _Complex */
} c4p_dtype_t;

/** How contributions are combined, item by item; docs/c-api.md has the element types that each
 * takes. */
typedef enum c4p_op {
    C4P_OP_NOP = 0, /**< a barrier: no data */
    C4P_OP_SUM,     /**< in any order */
    C4P_OP_PRODUCT, /**< in any order */
    C4P_OP_MIN,     /**< a NaN wins */
    C4P_OP_MAX,     /**< a NaN wins */
    C4P_OP_AND,     /**< logical */
    C4P_OP_OR,      /**< logical */
    C4P_OP_XOR,     /**< logical: parity */
    C4P_OP_BIT_AND, /**< integers and C4P_BOOL */
    C4P_OP_BIT_OR,  /**< likewise */
    C4P_OP_BIT_XOR, /**< likewise */
    C4P_OP_MINLOC,  /**< data: count x { value of dtype padded to 8 bytes, int64 location }; ties:
                       the  smaller location */
    C4P_OP_MAXLOC,  /**< likewise */
    C4P_OP_GATHER,  /**< any bytes; result as c4p_gathered_next() */
    C4P_OP_SUM_ORDERED, /**< sum folded in index order at the root: the same bits in every run */
    C4P_OP_SUM_COMPENSATED, /**< floating sum with compensation (Neumaier 1974), nearly independent
                               of order */
    C4P_OP_TUPLE,           /**< data: several typed parts, see c4p_tuple_add() */
    C4P_OP_CUSTOM           /**< a registered function, see c4p_reducer_add() */
} c4p_op_t;

/** How to combine. Members of one reduction must agree on it; the root ends the job with a report
 * if they do not. */
typedef struct c4p_reduce {
    c4p_op_t op;       /**< of all members the same */
    c4p_dtype_t dtype; /**< typed operations */
    uint32_t custom;   /**< C4P_OP_CUSTOM: from c4p_reducer_add() */
    uint64_t meta_len; /**< bytes of `meta` that travel with the result, for example a shape; taken
                          from any one member; at most 4096 */
    const void *meta;  /**< copied */
} c4p_reduce_t;

/** What a target is. */
typedef enum c4p_target_kind {
    C4P_TARGET_NONE = 0,  /**< nobody wants the result */
    C4P_TARGET_FUTURE,    /**< a value of a future */
    C4P_TARGET_ELEMENT,   /**< a call of an entry method of one element */
    C4P_TARGET_BROADCAST, /**< of all elements of a collection or section */
    C4P_TARGET_HANDLER    /**< a C function on a rank */
} c4p_target_kind_t;
/** Where a result goes. Plain data: may be stored, sent and used on any rank. */
typedef struct c4p_target {
    uint32_t kind;   /**< c4p_target_kind_t */
    uint16_t entry;  /**< ELEMENT, BROADCAST */
    uint16_t flags;  /**< for the language layer; arrives as the low 16 bits of the message's tag */
    uint64_t number; /**< FUTURE: the future; HANDLER: rank << 32 | handler */
    c4p_ref_t ref;   /**< ELEMENT: the element; BROADCAST: coll only */
} c4p_target_t;

/**
 * Give member `self`'s contribution to the next reduction of its collection; the k-th contributions
 * of all members form the k-th reduction. `data` is copied. The result goes to `target` (all
 * members should name the same) as a message whose payload c4p_result_get() reads. Returns: C4P_OK;
 * C4P_ERR_NOT_FOUND if self does not live here; C4P_ERR_TYPE if op and dtype do not go together or
 * len is no multiple of the item size; C4P_ERR_RANGE for a target that does not exist. Cost: the
 * bytes of data; a rank sends one message when all its elements have contributed. *number_out (may
 * be NULL): which reduction of the collection this one is, counted from 0.
 */
C4P_API c4p_status_t c4p_contribute(c4p_rt_t *rt, c4p_ref_t self, const c4p_reduce_t *how,
                                    const void *data, size_t len, const c4p_target_t *target,
                                    uint64_t *number_out);

/** A reduction's result, read from a message. Pointers are borrowed from the message; data is
 * aligned to 16 bytes. */
typedef struct c4p_result {
    c4p_op_t op;           /**< as contributed, with dtype, custom, meta and meta_len */
    c4p_dtype_t dtype;     /**< see op; of the result: C4P_BOOL after a logical operation */
    uint32_t custom;       /**< see op */
    uint64_t number;       /**< which reduction of its collection */
    uint64_t contributors; /**< how many members contributed */
    const void *meta;      /**< see op */
    uint64_t meta_len;     /**< see op */
    void *data;            /**< the result itself */
    uint64_t len;          /**< bytes of data */
    c4p_coll_t coll;       /**< collection or section that was reduced over */
} c4p_result_t;
/** Read a result. Returns: C4P_OK; C4P_ERR_TYPE if the message is not a reduction result. Touches
 * no runtime. */
C4P_API c4p_status_t c4p_result_get(c4p_msg_t *msg, c4p_result_t *result_out);
/** True if the message is a reduction result. */
C4P_API bool c4p_msg_is_result(const c4p_msg_t *msg);

/** How many bytes of a buffer a part of a TUPLE contribution takes that has `len` bytes of data.
 * Any thread. */
C4P_API size_t c4p_tuple_size(uint64_t len);
/** Append one part of a TUPLE contribution to a buffer that the caller owns: `len` bytes of data at
 * *at, which is 0 at first and advances. Any thread. Returns: C4P_OK; C4P_ERR_TYPE as
 * c4p_contribute(); C4P_ERR_RANGE if there is no room. */
C4P_API c4p_status_t c4p_tuple_add(void *buf, size_t buf_len, size_t *at, c4p_op_t op,
                                   c4p_dtype_t dtype, const void *data, uint64_t len);
/** Walk over the parts of a TUPLE result: start with *at = 0; false at the end. Any thread. */
C4P_API bool c4p_tuple_next(const void *buf, size_t buf_len, size_t *at, c4p_op_t *op_out,
                            c4p_dtype_t *dtype_out, const void **data_out, uint64_t *len_out);

/** Bytes of one item of a dtype; 0 if unknown. Any thread. */
C4P_API size_t c4p_dtype_size(c4p_dtype_t dtype);

/** Some bytes, borrowed. */
typedef struct c4p_blob {
    const void *data; /**< where they begin */
    size_t len;       /**< how many */
} c4p_blob_t;
/**
 * A reducer of the user's: combine `n` >= 2 contributions or partial results into one new message.
 * Must be associative and commutative. Failure ends the job with a report; the function should have
 * said why through c4p_log().
 */
typedef c4p_status_t (*c4p_combine_fn_t)(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx,
                                         c4p_msg_t **out);
/** Register a reducer, on all ranks in the same order. Returns: C4P_OK; C4P_ERR_EXISTS for a name
 * in use; C4P_ERR_NOMEM. Cost: O(reducers). */
C4P_API c4p_status_t c4p_reducer_add(c4p_rt_t *rt, const char *name, c4p_combine_fn_t fn, void *ctx,
                                     uint32_t *custom_out);
/** The number of the reducer of this name. Returns: C4P_OK; C4P_ERR_NOT_FOUND. Cost: O(reducers).
 */
C4P_API c4p_status_t c4p_reducer_find(const c4p_rt_t *rt, const char *name, uint32_t *custom_out);

/* ---- quiescence ------------------------------------------------------------------------------- */

/** Send one value without bytes to `target` when no entry method runs and no message is in flight
 * or queued anywhere. Several requests may be outstanding. Returns: C4P_OK; C4P_ERR_RANGE for a
 * target that does not exist; C4P_ERR_STATE. Cost: two waves over a tree of the ranks, at least. */
C4P_API c4p_status_t c4p_detect_quiescence(c4p_rt_t *rt, const c4p_target_t *target);

#ifdef __cplusplus
}
#endif
#endif
