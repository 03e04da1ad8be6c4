/* SPDX-License-Identifier: Apache-2.0 */
/* chare.h: chare types and their entry methods; groups, arrays and single chares made of them;
 * insertion and deletion. */
#ifndef C4P_CHARE_H
#define C4P_CHARE_H

#include <c4p/msg.h>
#include <c4p/pup.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types and entries ----------------------------------------------------------------------- */

/** What the element of a group on an old rank was packed into, see c4p_type_desc_t. */
typedef struct c4p_group_state {
    int rank;     /**< the old one */
    c4p_pup_t *p; /**< to be read; borrowed */
} c4p_group_state_t;

/**
 * What the runtime needs to know of a chare type. `args` is the constructor message, borrowed
 * (c4p_msg_keep() to keep), or NULL; all elements made on a rank by one creation share it, so it
 * must not be changed. ctx is the descriptor's.
 */
typedef struct c4p_type_desc {
    size_t struct_size; /**< sizeof(c4p_type_desc_t) of the caller */
    const char *name;   /**< copied; unique */
    /** Make the object of element `self`. Failure ends the job with a report that names type, index
     * and rank. */
    c4p_status_t (*construct)(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx,
                              void **object_out);
    /** Free the object: on deletion, after it was packed for a move, and at the end. */
    void (*destroy)(c4p_rt_t *rt, void *object, void *ctx);
    /** Write the object into `p`; NULL: elements of this type cannot move. A failure leaves it
     * where it is. */
    c4p_status_t (*pack)(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx);
    /** Make the object again from what pack wrote. After a failure the element goes back to where
     * it was, and is made again there; a failure there, too, ends the job with a report. */
    c4p_status_t (*unpack)(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx,
                           void **object_out);
    void *ctx; /**< last argument of these functions, or the one before the last */
    /** NULL, or: the object has moved here and lives. Runs like an entry method, before any other.
     */
    void (*arrived)(c4p_rt_t *rt, void *object, void *ctx);
    /** NULL: always, or: may the runtime move the object of its own accord? */
    bool (*movable)(c4p_rt_t *rt, void *object, void *ctx);
    /** NULL, or, for groups after a restart on another number of ranks: `object`, which was
     * unpacked from the state of element 0, makes what it should be of the states that fall to its
     * rank: that of old rank i to rank i mod the number of ranks now. In the order of old ranks;
     * perhaps none. It may look at these only and send nothing. Failure ends the job; `why` is for
     * c4p_pup_fail(). */
    c4p_status_t (*regroup)(c4p_rt_t *rt, void *object, const c4p_group_state_t *states,
                            uint32_t count, c4p_pup_t *why, void *ctx);
} c4p_type_desc_t;

/**
 * Add a type, on all ranks in the same order. The descriptor is copied. Returns: C4P_OK;
 * C4P_ERR_ARG without a name or construct; C4P_ERR_EXISTS for a name in use; C4P_ERR_NOMEM. Cost:
 * O(types).
 */
C4P_API c4p_status_t c4p_type_add(c4p_rt_t *rt, const c4p_type_desc_t *desc, c4p_type_t *type_out);

/** An entry method. `msg` is borrowed: keep it to use it after the return. Runs to its end before
 * anything else runs on this rank. */
typedef void (*c4p_entry_fn_t)(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);

/** Add an entry method to a type, on all ranks in the same order. At most 65 535 per type; the name
 * is copied and serves reports and c4p_entry_find(). Returns: C4P_OK; C4P_ERR_NOT_FOUND for an
 * unknown type; C4P_ERR_LIMIT; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_entry_add(c4p_rt_t *rt, c4p_type_t type, const char *name,
                                   c4p_entry_fn_t fn, void *ctx, c4p_entry_t *entry_out);
/** The first entry method of this name. Returns: C4P_OK; C4P_ERR_NOT_FOUND. Cost: O(entry methods
 * of the type). */
C4P_API c4p_status_t c4p_entry_find(const c4p_rt_t *rt, c4p_type_t type, const char *name,
                                    c4p_entry_t *entry_out);
/** The name of a type; NULL if there is none such. Borrowed from the runtime. */
C4P_API const char *c4p_type_name(const c4p_rt_t *rt, c4p_type_t type);
/** The name of an entry method; NULL if there is none such. Borrowed until the type gets another
 * one.
 */
C4P_API const char *c4p_entry_name(const c4p_rt_t *rt, c4p_type_t type, c4p_entry_t entry);

/** The element whose entry method or constructor runs now; coll is 0 outside. */
C4P_API c4p_ref_t c4p_self(const c4p_rt_t *rt);
/** For a language layer that resumes a suspended entry method outside a dispatch: say which element
 * runs. Returns the former one. */
C4P_API c4p_ref_t c4p_set_self(c4p_rt_t *rt, c4p_ref_t self);

/* ---- replies ---------------------------------------------------------------------------------- */

/** Who waits for an answer: nobody, the future `number` of a call, or the completion of a broadcast
 * or creation. */
typedef enum c4p_reply_kind {
    C4P_REPLY_NONE = 0,   /**< nobody */
    C4P_REPLY_FUTURE = 1, /**< a future */
    C4P_REPLY_BCAST = 2   /**< whoever awaits a broadcast or creation */
} c4p_reply_kind_t;

/** Where the completion of one entry method is owed. Plain data; `kind` 0: nobody waits. */
typedef struct c4p_reply {
    uint32_t kind;    /**< c4p_reply_kind_t */
    uint32_t flags;   /**< the runtime's */
    uint64_t number;  /**< future, or broadcast or creation number */
    c4p_ref_t member; /**< who answers */
} c4p_reply_t;

/**
 * Inside an entry method or constructor: take over the duty to answer. Without it the runtime
 * answers "finished, no value" when the method returns. Returns C4P_ERR_NOT_FOUND, with kind 0, if
 * nobody waits.
 */
C4P_API c4p_status_t c4p_reply_take(c4p_rt_t *rt, const c4p_msg_t *msg, c4p_reply_t *reply_out);
/** True if the caller asked for the values and not only for completion: a broadcast then collects
 * them in index order. */
C4P_API bool c4p_reply_wants_value(const c4p_reply_t *reply);
/** Make a reply that was taken on this rank valid on all, so that whoever owes it can move. Once.
 * Returns: C4P_OK; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_reply_detach(c4p_rt_t *rt, c4p_reply_t *reply);
/** Answer, once. `value` may be NULL (no value); is_error marks it for the waiter. Ownership: the
 * runtime owns value in every case. Context: on the rank that took it, unless it is detached.
 * Returns: C4P_OK, also once the job ends, when nothing is sent; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_reply_send(c4p_rt_t *rt, const c4p_reply_t *reply, c4p_msg_t *value,
                                    bool is_error);

/* ---- moving ----------------------------------------------------------------------------------- */

/**
 * Move an element that lives on this rank to another one: as soon as neither an entry method of it
 * runs nor an activity waits in it. Whatever is sent to it finds it; broadcasts, reductions and
 * sections go on. `answer` (may be NULL), from c4p_reply_take(), is completed when the element has
 * arrived; if its type's pack or unpack function fails, it stays or goes back, a warning says so,
 * and the answer is an error. Moving to this rank completes at once.
 * Returns: C4P_OK; C4P_ERR_NOT_FOUND if it does not live here; C4P_ERR_RANGE for a rank that does
 * not exist; C4P_ERR_TYPE for a group's element and a type that cannot be packed; C4P_ERR_BUSY
 * while activities wait in it, see c4p_suspended(), unless it asks itself (c4p_self()) and without
 * an answer: then it moves when they have ended (refused without anybody who hears of it, a warning
 * says so, once of its type). After anything but C4P_OK the answer is still
 * owed by the caller.
 */
C4P_API c4p_status_t c4p_migrate(c4p_rt_t *rt, c4p_ref_t self, int rank, const c4p_reply_t *answer);

/* ---- placement -------------------------------------------------------------------------------- */

/** A placement: the home rank of an index. Pure: the same answer on every rank, for ever. `arg` is
 * the array's map_arg. */
typedef int (*c4p_map_fn_t)(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx);
/** Register a placement, on all ranks in the same order. `name` serves reports. Returns: C4P_OK;
 * C4P_ERR_EXISTS for a name in use; C4P_ERR_NOMEM. Cost: O(maps). */
C4P_API c4p_status_t c4p_map_add(c4p_rt_t *rt, const char *name, c4p_map_fn_t fn, void *ctx,
                                 c4p_map_t *map_out);

/* ---- collections ------------------------------------------------------------------------------ */

/**
 * A new group: one element per rank, whose key is the rank.
 *
 * As each creation it may be called on any rank, inside or outside entry methods, and does not
 * block. Elements that belong to this rank are constructed before it returns, unless the gate is
 * closed, the others asynchronously; messages sent meanwhile wait for them. `created`: a future
 * that gets one value without bytes when all constructors have finished; 0: nobody waits.
 *
 * Ownership: after C4P_OK the runtime owns args (which may be NULL); after anything else it is
 * still the caller's. Returns: C4P_OK; C4P_ERR_NOT_FOUND for an unknown type; C4P_ERR_RANGE if the
 * future is of no rank; C4P_ERR_STATE; C4P_ERR_LIMIT after 2^40 collections of this rank. Cost: the
 * constructors of this rank; a few messages with a copy of args.
 */
C4P_API c4p_status_t c4p_group_new(c4p_rt_t *rt, c4p_type_t type, c4p_msg_t *args,
                                   c4p_future_t created, c4p_coll_t *coll_out);

/** What an array is like; start from C4P_ARRAY_OPTS_INIT. */
typedef struct c4p_array_opts {
    size_t struct_size; /**< sizeof(c4p_array_opts_t) of the caller */
    int ndims;          /**< 1..6 */
    bool dense; /**< create all indices 0 <= i[d] < dims[d]; false: an empty array, to be filled by
                   c4p_insert() */
    int64_t dims[C4P_MAX_DIMS]; /**< dense only; a 0 makes an array without elements */
    c4p_map_t map; /**< 0: dense: row-major blocks, the first N mod P ranks one more; else 1-D i mod
                      P, hash above */
    uint64_t map_arg;     /**< what the map gets as `arg` */
    c4p_future_t created; /**< as that of c4p_group_new() */
    uint32_t tag;         /**< for the language layer, which asks for it with c4p_coll_info() */
    bool at_sync;         /**< all elements take part in synchronization points, see c4p/sync.h */
} c4p_array_opts_t;
/** Zero in each field: what that means is said there. ndims must be set. */
#define C4P_ARRAY_OPTS_INIT                                                                        \
    {                                                                                              \
        .struct_size = sizeof(c4p_array_opts_t)                                                    \
    }
/** A new array, as c4p_group_new(). Returns also C4P_ERR_ARG for a number of dimensions that is not
 * 1..6; C4P_ERR_RANGE for dimensions that are negative, do not fit a key, or have a product above
 * 2^42; C4P_ERR_NOT_FOUND for an unknown map. */
C4P_API c4p_status_t c4p_array_new(c4p_rt_t *rt, c4p_type_t type, const c4p_array_opts_t *opts,
                                   c4p_msg_t *args, c4p_coll_t *coll_out);

/** A single chare: an array of the one index 0, placed on `rank` (-1: round robin). As
 * c4p_group_new(). Returns also C4P_ERR_RANGE for a rank that does not exist. */
C4P_API c4p_status_t c4p_chare_new(c4p_rt_t *rt, c4p_type_t type, int rank, c4p_msg_t *args,
                                   c4p_future_t created, c4p_ref_t *ref_out);

/** Insert one element into an array, on `rank` or (-1) where the map says. An index that exists
 * already, and that this rank has not deleted before, ends the job with a report. What this rank
 * does to the index afterwards waits until the element has been made. Ownership as c4p_group_new().
 * Returns: C4P_OK; C4P_ERR_TYPE for what is no array; C4P_ERR_ARG for another number of dimensions;
 * C4P_ERR_RANGE for a rank or array that does not exist, or an index that fits no key;
 * C4P_ERR_STATE. */
C4P_API c4p_status_t c4p_insert(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index, int rank,
                                c4p_msg_t *args);
/** The same; `created` gets one value without bytes when the constructor has finished. Returns also
 * C4P_ERR_RANGE if that future is of no rank. */
C4P_API c4p_status_t c4p_insert_awaited(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index,
                                        int rank, c4p_msg_t *args, c4p_future_t created);
/** The initial insertions, here and causally before this call elsewhere, are complete: reductions
 * may close. Once per sparse array, any rank. Returns: C4P_OK; C4P_ERR_TYPE, C4P_ERR_RANGE,
 * C4P_ERR_STATE as c4p_insert(). */
C4P_API c4p_status_t c4p_done_inserting(c4p_rt_t *rt, c4p_coll_t coll);
/** Delete an array element, which runs its destructor after the entry method in progress. It owes
 * no further reductions. Returns: C4P_OK; C4P_ERR_TYPE for what is no array's; C4P_ERR_RANGE,
 * C4P_ERR_STATE as c4p_insert(). */
C4P_API c4p_status_t c4p_destroy(c4p_rt_t *rt, c4p_ref_t ref);

/** What a collection is. */
typedef enum c4p_coll_kind {
    C4P_KIND_GROUP = 1,  /**< one element per rank */
    C4P_KIND_ARRAY = 2,  /**< elements by index */
    C4P_KIND_CHARE = 3,  /**< one element */
    C4P_KIND_SECTION = 4 /**< see c4p/section.h */
} c4p_coll_kind_t;
/** What a rank knows of a collection. */
typedef struct c4p_coll_info {
    c4p_coll_kind_t kind;       /**< what it is */
    c4p_type_t type;            /**< of its elements; of a section, as given */
    int ndims;                  /**< 1 for groups and single chares */
    bool dense;                 /**< as given when it was made; true for groups and single chares */
    int64_t dims[C4P_MAX_DIMS]; /**< of a dense one */
    c4p_map_t map;              /**< of an array, as given when it was made */
    uint64_t map_arg;           /**< likewise */
    uint32_t tag;               /**< likewise */
} c4p_coll_info_t;
/** What this rank knows of a collection. Returns: C4P_OK; C4P_ERR_NOT_FOUND while it has not heard
 * of it. */
C4P_API c4p_status_t c4p_coll_info(const c4p_rt_t *rt, c4p_coll_t coll, c4p_coll_info_t *info_out);

/** The object of an element that lives here now; NULL otherwise. Borrowed until the next scheduler
 * call. */
C4P_API void *c4p_local(const c4p_rt_t *rt, c4p_ref_t ref);
/** Elements of a collection that live here now. */
C4P_API uint64_t c4p_local_count(const c4p_rt_t *rt, c4p_coll_t coll);

/** Say that the element has `count` suspended activities: while not 0 it does not move
 * (C4P_ERR_BUSY) and is not destroyed. Returns: C4P_OK; C4P_ERR_NOT_FOUND if it does not live here.
 */
C4P_API c4p_status_t c4p_suspended(c4p_rt_t *rt, c4p_ref_t self, uint32_t count);

#ifdef __cplusplus
}
#endif
#endif
