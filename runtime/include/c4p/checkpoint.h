/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h: the state of all chares as files, and a job that goes on from them, on any number
 * of ranks. docs/checkpoint.md says what travels and what the files look like. */
#ifndef C4P_CHECKPOINT_H
#define C4P_CHECKPOINT_H

#include <c4p/chare.h>
#include <c4p/collective.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a checkpoint went, see c4p_checkpoint_result(). */
typedef struct c4p_checkpoint_result {
    c4p_status_t status; /**< C4P_OK: the set is complete */
    const char *why;     /**< "" or the reason, with the rank; borrowed from the message */
    uint64_t generation; /**< of the set: 1 for the first in its directory */
    uint64_t elements;   /**< chares in it */
    uint64_t bytes;      /**< of its files */
} c4p_checkpoint_result_t;

/**
 * Write all chares, with what the runtime knows of them, into directory `dir` (made if need be; the
 * same path on all ranks) as soon as the whole job is quiescent; then `done` gets a message for
 * c4p_checkpoint_result(). Nothing of the user's runs while the files are written. Objects are
 * written by the pack functions of their types. `waits`: the chare that asks, one suspended
 * activity of which does not count, or coll 0. Any rank, inside or outside entry methods; requests
 * are served one by one.
 *
 * A set is complete when it replaces the former one, which is kept until then. With any failure the
 * former set stays and the job goes on: C4P_ERR_BUSY while activities wait in other chares, a
 * reduction has contributions but not all, a message waits for an element that nobody created, or
 * another job that runs writes to `dir`;
 * C4P_ERR_TYPE for a type without a pack function; what a pack function returned; C4P_ERR_IO.
 *
 * Returns: C4P_OK; C4P_ERR_ARG, C4P_ERR_LIMIT for a path that is too long, C4P_ERR_STATE.
 */
C4P_API c4p_status_t c4p_checkpoint(c4p_rt_t *rt, const char *dir, c4p_ref_t waits,
                                    const c4p_target_t *done);
/** Read the message that `done` got. Returns: C4P_OK; C4P_ERR_DATA if it is another one. Touches no
 * runtime. */
C4P_API c4p_status_t c4p_checkpoint_result(const c4p_msg_t *msg,
                                           c4p_checkpoint_result_t *result_out);

/**
 * Go on from the set in `dir`: make its collections, chares and sections again, under the same
 * references, on however many ranks there are now. Collective; after c4p_start(), before anything
 * is created, with the same types, entries, maps, handlers and reducers. All files are checked
 * before any unpack function runs; `arrived` functions are not called. Elements go to their homes.
 * A group on another number of ranks gets the state of its element 0 everywhere; a warning says so
 * if their states differed, unless its type has `regroup`. Returns on all ranks: C4P_OK;
 * C4P_ERR_NO_INPUT, C4P_ERR_DATA, C4P_ERR_MISMATCH (other types), C4P_ERR_NOMEM, with one line in
 * the log that names file and reason; then only c4p_free() is left. A chare that cannot be unpacked
 * ends the job with a report.
 */
C4P_API c4p_status_t c4p_restart(c4p_rt_t *rt, const char *dir);

/**
 * Seal checkpoints from now on with the key that this file holds, 16 to 4096 bytes that nobody else
 * may read, and go on only from such that are sealed with it (HMAC-SHA-256). Rank 0 reads the file;
 * on other ranks nothing happens. Without a call the file that C4PY_CHECKPOINT_KEY names is taken.
 * Returns C4P_OK; C4P_ERR_NO_INPUT, C4P_ERR_DATA with one line in the log; C4P_ERR_ARG.
 */
C4P_API c4p_status_t c4p_checkpoint_set_key(c4p_rt_t *rt, const char *path);

/** What a language layer keeps besides the chares. Set before it is needed. */
typedef struct c4p_checkpoint_hooks {
    size_t struct_size; /**< sizeof(c4p_checkpoint_hooks_t) of the caller */
    /** Rank 0: write what all ranks need again. A failure, perhaps with c4p_pup_fail(), fails the
     * checkpoint. */
    c4p_status_t (*pack)(c4p_rt_t *rt, c4p_pup_t *p, void *ctx);
    /** Every rank: read it; before any chare is unpacked. */
    c4p_status_t (*unpack)(c4p_rt_t *rt, c4p_pup_t *p, void *ctx);
    /** Every rank, while all stand still before writing: does anything of the language's stand in
     * the way? If so, what, into `why`; then the checkpoint is refused. */
    bool (*in_the_way)(c4p_rt_t *rt, char *why, size_t size, void *ctx);
    void *ctx; /**< last argument of each */
} c4p_checkpoint_hooks_t;
/** Take these hooks, instead of those before. They are copied. Returns: C4P_OK; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_checkpoint_set_hooks(c4p_rt_t *rt, const c4p_checkpoint_hooks_t *hooks);

/** Is a checkpoint being written, so that pack functions are called for that and not for a move? */
C4P_API bool c4p_checkpointing(const c4p_rt_t *rt);

#ifdef __cplusplus
}
#endif
#endif
