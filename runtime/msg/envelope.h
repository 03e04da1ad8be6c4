/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h: what goes over the wire before every payload: one cache line. All ranks of a job run
 * the same build on machines of the same byte order (checked at start), so the struct is sent as it
 * is. */
#ifndef C4PI_ENVELOPE_H
#define C4PI_ENVELOPE_H

#include <c4p/types.h>

/* Kinds. Counted kinds take part in quiescence detection and in flow control; the others are the
 * runtime's own bookkeeping, which must not keep itself alive. Order inside one pair of ranks is
 * kept among counted kinds. X(NAME, counted) */
#define C4PI_KIND_LIST(X)                                                                          \
    X(NONE, 0)          /* not a message */                                                        \
    X(BATCH, 0)         /* several messages in one; never seen above comm */                       \
    X(USER, 1)          /* to an entry method of one element */                                    \
    X(HANDLER, 1)       /* to a C function on a rank */                                            \
    X(HANDLER_TREE, 1)  /* the same, forwarded down the tree of ranks from `source` */             \
    X(POST, 1)          /* local only: a posted function */                                        \
    X(COLL_NEW, 1)      /* a collection's descriptor, down the tree from its creator */            \
    X(COLL_BORN, 1)     /* up: constructors finished */                                            \
    X(CONSTRUCT, 1)     /* local only: a constructor to run */                                     \
    X(INSERT, 1)        /* to the root of the collection, then to the home */                      \
    X(INSERT_DO, 1)     /* home to the rank that constructs */                                     \
    X(INSERT_ACK, 1)    /* home to the rank that asked: constructed */                             \
    X(DESTROY, 1)       /* to an element: delete yourself */                                       \
    X(DONE_INSERT, 1)   /* to the root, and its waves */                                           \
    X(MIGRATE, 1)       /* an element on its way */                                                \
    X(LOC_UPDATE, 1)    /* to the home: element (version) lives at rank, or is dead */             \
    X(LOC_ACK, 1)       /* home to the rank the element left: the update is known */               \
    X(LOC_QUERY, 1)     /* to the home: where is it? */                                            \
    X(LOC_REPLY, 1)     /* home's answer, or a correction to a sender */                           \
    X(BCAST_UP, 1)      /* a broadcast on its way to the root */                                   \
    X(BCAST_DOWN, 1)    /* numbered, down the tree */                                              \
    X(BCAST_DONE, 1)    /* up: completions of an awaited broadcast */                              \
    X(BCAST_WAVE, 1)    /* release waves, down and up */                                           \
    X(REDUCE, 1)        /* a partial result */                                                     \
    X(REDUCE_HINT, 1)   /* a sub-tree became active or idle */                                     \
    X(SECTION_NEW, 1)   /* the parts of a section for a sub-tree */                                \
    X(SECTION_TOKEN, 1) /* a contribution to the record of a member */                             \
    X(SECTION_CALL, 1)  /* to a member that is not where its record is */                          \
    X(SECTION_ASK, 1)   /* to its creator: where is the record of this member? */                  \
    X(SECTION_TOLD, 1)  /* its answer */                                                           \
    X(SECTION_MOVE, 1)  /* the record of a member that moves */                                    \
    X(SECTION_TAKEN, 1) /* back: from which broadcast on the record stands for it there */         \
    X(SECTION_JOIN, 1)  /* to its creator: a record came to me, but I am not in the tree */        \
    X(SECTION_ADOPT, 1) /* down the tree: make this rank your child, or a child's */               \
    X(SYNC, 1)          /* synchronization points: hints, waves, going on */                       \
    X(BALANCE, 1)       /* rounds of load balancing */                                             \
    X(FUTURE, 1)        /* a value for a future */                                                 \
    X(CKPT_ASK, 1)      /* to rank 0: write a checkpoint */                                        \
    X(RESTORE, 1)       /* an element or section of a checkpoint, to its home */                   \
    X(QD_ASK, 1)        /* to rank 0: tell me about quiescence */                                  \
    X(WAVE, 0)          /* counting waves of quiescence and stall detection, down and up */        \
    X(CHECKPOINT, 0)    /* rounds of checkpoint and restart, down and up */                        \
    X(CREDIT, 0)        /* flow control: bytes taken so far */                                     \
    X(EXIT_ASK, 0)      /* to rank 0: please end the job */                                        \
    X(EXIT, 0)          /* down: the job ends; up: drained */                                      \
    X(STALL, 0)         /* down: list who waits; up: the lists */                                  \
    X(START, 0)         /* agreement on tables at start */

typedef enum c4pi_kind {
#define C4PI_KIND_ENUM(name, counted) C4PI_##name,
    C4PI_KIND_LIST(C4PI_KIND_ENUM)
#undef C4PI_KIND_ENUM
        C4PI_NUM_KINDS
} c4pi_kind_t;

enum {
    C4PI_FLAG_LARGE = 1,  /* comm: announces a body that follows apart */
    C4PI_FLAG_RESULT = 2, /* payload is a reduction result */
    C4PI_FLAG_ERROR = 4,  /* a value that stands for an error */
    C4PI_FLAG_EMPTY = 8,  /* a value without bytes */
    C4PI_FLAG_WANTS = 16, /* the caller wants the values (gather) */
    C4PI_FLAG_ALIVE = 32  /* the target was alive once: the message carries a hint */
};

typedef struct c4pi_env {
    uint8_t kind;
    uint8_t flags;
    uint16_t entry;
    uint32_t tag; /* of the language layer */
    uint64_t len; /* payload bytes with segments */
    uint64_t coll;
    c4p_key_t key;
    uint64_t reference;   /* future, broadcast number, handler, by kind */
    uint32_t source : 24; /* the rank that sent it first */
    uint32_t hops : 8;    /* saturating */
    int32_t priority;
    uint32_t hint_epoch; /* with hint_nonce: what the last router believed; 0, 0: nothing */
    uint32_t hint_nonce;
} c4pi_env_t;

_Static_assert(sizeof(c4pi_env_t) == 64, "the envelope is one cache line");

bool c4pi_kind_counted(c4pi_kind_t kind);
const char *c4pi_kind_name(c4pi_kind_t kind);

/* Are these `total` received bytes, from any address, a plausible message: envelope and payload?
 * NULL: yes; else what is wrong, as the end of a sentence. Kind known and one that travels, flags
 * known, length = received, source in range. Reads no more than the envelope. */
const char *c4pi_env_check(const void *data, size_t total, int num_ranks);

#endif
