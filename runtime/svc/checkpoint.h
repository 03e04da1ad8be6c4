/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h: writing all elements to files, and making them again from files on another number
 * of ranks.
 *
 * Writing: rank 0 waits for quiescence, then has every rank stand still. If as much work was
 * created in all as at the quiescence, nothing has happened since and nothing is on its way, so
 * that what is written is one consistent state; else it waits again. Every rank writes its elements
 * to one file; then rank 0 puts the manifest in place of the former one by renaming it. Only then
 * the former files go.
 *
 * At quiescence all elements of a collection have run all of its broadcasts, and none has
 * contributed to a reduction that is not closed (such a reduction is in the way). So no numbers of
 * the two streams are kept: they begin anew.
 *
 * Restarting: every rank reads its share of the files. When all have found them good, the
 * collections are made, without elements, and each element is sent to its home, where it is
 * unpacked; first those whose home needs no map of the user's, then the others, then the sections.
 * Pump thread only. */
#ifndef C4PI_CHECKPOINT_H
#define C4PI_CHECKPOINT_H

#include <c4p/checkpoint.h>

#include "core/collection.h"
#include "svc/checkpoint_round.h"

/* A checkpoint is being written, or a restart is under way: more will happen. */
bool c4pi_ckpt_busy(const c4p_rt_t *rt);
/* Rank 0: the same, or one is asked for. */
bool c4pi_ckpt_pending(const c4p_rt_t *rt);

/* What the manifest says. */
typedef struct c4pi_manifest {
    uint64_t generation;
    int num_ranks;
    uint32_t num_creators;
    uint64_t next_coll, next_future;
    c4pi_setfile_sum_t *files; /* by rank */
    struct c4pi_coll_desc *colls;
    size_t num_colls, cap_colls;
    c4pi_map_t by_id;     /* of colls: place + 1 */
    const void *language; /* borrowed from the bytes */
    size_t language_len;
} c4pi_manifest_t;

/* A collection as it was. */
typedef struct c4pi_coll_desc {
    c4p_coll_t id;
    c4p_coll_kind_t kind;
    c4p_type_t type;
    int ndims;
    bool dense, at_sync, known, dynamic; /* known: its reductions are open */
    int64_t dims[C4P_MAX_DIMS];
    c4p_map_t map;
    uint64_t map_arg;
    uint32_t tag;
    int chare_rank;
} c4pi_coll_desc_t;

typedef struct c4pi_ckpt_request {
    struct c4pi_ckpt_request *next;
    char *dir;
    c4p_ref_t waits;
    c4p_target_t done;
} c4pi_ckpt_request_t;

typedef struct c4pi_ckpt {
    c4pi_rounds_t rounds;
    c4p_checkpoint_hooks_t hooks;
    char dir[C4PI_DIR_MAX];
    uint8_t key[4096]; /* rank 0 */
    size_t key_len;    /* 0: none */
    int lock;          /* of the directory that was written to last; -1: none */
    /* Standing still. */
    bool gate_before;
    bool wrote; /* this rank's file of the set that is being written */
    uint64_t generation;
    /* Rank 0. */
    c4pi_ckpt_request_t *requests; /* the first is being served */
    uint64_t quiet_created;
    uint64_t former; /* generation of the set before; 0: none */
    int former_ranks;
    uint64_t elements, bytes;
    bool again; /* it has to wait for quiescence once more */
    c4p_status_t status;
    char why[C4PI_WHY_MAX + 40];
    /* A restart. */
    bool restarting, over;
    c4p_status_t result;
    c4p_msg_t *manifest_bytes;
    c4pi_manifest_t manifest;
    c4pi_setfile_t *files; /* this rank's share */
    int num_files;
    uint32_t step;
    c4pi_map_t sent;   /* collection -> how many of its elements this rank has sent */
    c4pi_map_t counts; /* at its root: how many there are */
    c4pi_map_t states; /* at a group's root: its elements' state, if one */
    c4p_msg_t **olds;  /* states of groups that types take apart themselves */
    size_t num_olds, cap_olds;
} c4pi_ckpt_t;

/* checkpoint.c */
void c4pi_ckpt_ask(c4p_rt_t *rt, const char *dir, c4p_ref_t waits, const c4p_target_t *done);
void c4pi_ckpt_on_ask(c4p_rt_t *rt, c4p_msg_t *msg);
void c4pi_ckpt_prepare(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_ckpt_write(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_ckpt_finish(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_ckpt_prepared(c4p_rt_t *rt, c4pi_outcome_t *outcome);
void c4pi_ckpt_written(c4p_rt_t *rt, c4pi_outcome_t *outcome);
void c4pi_ckpt_finished(c4p_rt_t *rt, c4pi_outcome_t *outcome);

/* checkpoint_dir.c */
void c4pi_ckpt_dir_path(const char *dir, const char *name, char *path, size_t size);
void c4pi_ckpt_set_path(const char *dir, uint64_t generation, int rank, char *path, size_t size);
void c4pi_ckpt_dir_remove(c4p_rt_t *rt, uint64_t generation, int rank);
/* Rank 0: make the directory if need be, keep other jobs out of it, see which set it has (former),
 * remove what belongs to no set, and choose the next generation. C4P_ERR_IO, C4P_ERR_BUSY. */
c4p_status_t c4pi_ckpt_dir_open(c4p_rt_t *rt, const char *dir, char *why, size_t size);
void c4pi_ckpt_dir_close(c4p_rt_t *rt);

/* checkpoint_key.c, rank 0 */
c4p_status_t c4pi_ckpt_key_read(c4p_rt_t *rt, const char *path, char *why, size_t size);
/* That of the environment, if there is none yet and it names one. */
c4p_status_t c4pi_ckpt_key_need(c4p_rt_t *rt, char *why, size_t size);
/* Add a seal to a manifest, if there is a key. */
c4p_status_t c4pi_ckpt_seal(c4p_rt_t *rt, c4pi_setfile_writer_t *writer);
/* C4P_ERR_DATA if key and seal do not fit. */
c4p_status_t c4pi_ckpt_seal_check(c4p_rt_t *rt, const c4pi_setfile_t *seg, const char **why_out);

/* manifest.c: its bytes */
void c4pi_manifest_put_coll(const c4pi_coll_t *coll, c4p_pup_t *p);
/* Everything but the parts, which come last. */
c4p_status_t c4pi_manifest_put(c4p_rt_t *rt, const c4pi_outcome_t *outcome, c4p_pup_t *p);
/* Read and check. C4P_ERR_DATA, C4P_ERR_MISMATCH, C4P_ERR_NOMEM with the reason. */
c4p_status_t c4pi_manifest_parse(c4p_rt_t *rt, const c4pi_setfile_head_t *head, const void *data,
                                 size_t len, c4pi_manifest_t *manifest, char *why, size_t size);
void c4pi_manifest_fini(c4p_rt_t *rt, c4pi_manifest_t *manifest);
const c4pi_coll_desc_t *c4pi_manifest_find(const c4pi_manifest_t *manifest, c4p_coll_t id);

/* restart_load.c */
void c4pi_restart_begin(c4p_rt_t *rt, const char *dir);
void c4pi_restart_load(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);

/* restart.c */
void c4pi_restart_make(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_restart_spread(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_restart_open(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_restart_opened(c4p_rt_t *rt, c4pi_outcome_t *outcome);
void c4pi_restart_stop(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome);
void c4pi_restart_step_over(c4p_rt_t *rt, c4pi_outcome_t *outcome);
void c4pi_restart_on_element(c4p_rt_t *rt, c4p_msg_t *msg);
void c4pi_restart_forget(c4p_rt_t *rt); /* what it has read */
/* In env.entry of RESTORE. */
enum {
    C4PI_RESTORE_ELEMENT,
    C4PI_RESTORE_SECTION,
    C4PI_RESTORE_COUNT, /* how many elements of a collection a rank has sent */
    C4PI_RESTORE_STATE, /* a number that stands for the state of a group's element */
    C4PI_RESTORE_OLD    /* a state for regroup() */
};
/* What stands before the bytes of a type's pack function. */
typedef struct c4pi_elem_head {
    uint8_t flags;
    bool sync_waits;
    c4p_entry_t sync_entry;
} c4pi_elem_head_t;
c4pi_elem_head_t c4pi_restart_head(c4p_pup_t *p);
void
c4pi_restart_send(c4p_rt_t *rt, int rank, const c4pi_body_t *body, c4p_key_t key, uint16_t entry);

/* restart_group.c: groups, which have as many elements as there are ranks */
void c4pi_regroup_send(c4p_rt_t *rt, const c4pi_coll_t *coll, const c4pi_body_t *body);
void c4pi_regroup_compare(c4p_rt_t *rt, const c4pi_coll_t *coll, uint64_t state);
void c4pi_regroup_keep(c4p_rt_t *rt, c4p_msg_t *msg); /* takes msg */
void c4pi_regroup_all(c4p_rt_t *rt);
void c4pi_regroup_forget(c4p_rt_t *rt);

#endif
