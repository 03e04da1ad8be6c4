/* SPDX-License-Identifier: Apache-2.0 */
/* collection.h: collections and the elements of them that live here. Answers questions and changes
 * its own state; sends nothing. Pump thread only. An element record outlives its element while
 * queued messages still point to it. */
#ifndef C4PI_COLLECTION_H
#define C4PI_COLLECTION_H

#include <c4p/chare.h>

#include "core/registry.h"
#include "core/rt.h"

/* A statement about where an element is: which incarnation (nonce, given by the home) and which
 * move of it (epoch). 0,0: nothing known. */
typedef struct c4pi_version {
    uint32_t nonce, epoch;
} c4pi_version_t;

static inline bool
c4pi_version_none(c4pi_version_t v)
{
    return v.nonce == 0 && v.epoch == 0;
}

static inline bool
c4pi_version_eq(c4pi_version_t a, c4pi_version_t b)
{
    return a.nonce == b.nonce && a.epoch == b.epoch;
}

/* Is a newer than b? Safe when the counters wrap; anything is newer than nothing. */
static inline bool
c4pi_version_newer(c4pi_version_t a, c4pi_version_t b)
{
    if (c4pi_version_none(a) || c4pi_version_none(b))
        return !c4pi_version_none(a);
    if (a.nonce != b.nonce)
        return (int32_t)(a.nonce - b.nonce) > 0;
    return (int32_t)(a.epoch - b.epoch) > 0;
}

typedef enum c4pi_elem_state {
    C4PI_ELEM_NEW, /* the record is here, the constructor has not run yet */
    C4PI_ELEM_LIVE,
    C4PI_ELEM_GONE /* moved or deleted: only queued messages still know the record */
} c4pi_elem_state_t;

enum {
    C4PI_ELEM_BORN = 1,    /* has not given its first reduction token: counts as new in its round */
    C4PI_ELEM_DOOMED = 2,  /* to be deleted when it is neither running nor suspended */
    C4PI_ELEM_LEAVING = 4, /* to be moved likewise, to leaving_to in the extra part */
    C4PI_ELEM_INSERTED = 8, /* made by insertion, not with the collection */
    C4PI_ELEM_RUNNING = 16,
    C4PI_ELEM_DYING = 32, /* at home: a deletion is queued for it */
    C4PI_ELEM_DEAD = 64,  /* GONE because it was deleted, not because it moved */
    C4PI_ELEM_SYNC = 128  /* takes part in synchronization points */
};

/* How far a member of a section is; travels with it. */
typedef struct c4pi_membership {
    c4p_coll_t section;
    uint64_t given; /* contributions it has made */
    uint64_t heard; /* broadcasts that it has run: the number of the next one */
} c4pi_membership_t;

/* What an element did since it was asked for last, see load.h; travels with it. */
typedef struct c4pi_work {
    uint64_t ns;              /* processor time in entry methods */
    uint64_t messages, bytes; /* that it sent, of participants in synchronization points */
    double given_s;           /* the load in seconds that the program gave instead of `ns`, */
    uint64_t given;           /* if it gave one: 1 */
} c4pi_work_t;

/* What few elements have. */
typedef struct c4pi_elem_extra {
    c4pi_membership_t *memberships; /* the one asked for last is first */
    uint32_t num_memberships, cap_memberships;
    c4pi_membership_t one_membership; /* while there is only one: where they are */
    c4pi_fifo_t ahead;                /* broadcasts of sections that overtook others */
    c4pi_fifo_t early;                /* messages that came before the constructor had run */
    c4p_msg_t *args;                  /* constructor message of an inserted element */
    int leaving_to;
    c4p_reply_t leaving_answer; /* who waits for that */
    c4pi_work_t work;
    uint64_t packed_bytes;  /* what it was packed into when it moved last; 0: never */
    bool fixed;             /* load balancing does not move it */
    bool leaving_balanced;  /* load balancing moves it now */
    int corrected_rank;     /* who was told last where this element is */
    bool reborn;            /* it may not be the first of its index */
    uint64_t record_end;    /* a section's: from this broadcast on another stands for its member */
    uint64_t sync_step;     /* participants: the synchronization point that comes next for it, */
    uint64_t sync_since;    /* the last wave that was over here when it began to take part, */
    bool sync_waits;        /* whether it waits for the point, */
    c4p_entry_t sync_entry; /* and what is called then */
} c4pi_elem_extra_t;

struct c4pi_elem {
    c4p_key_t key; /* first: see keymap */
    c4pi_coll_t *coll;
    void *object;
    c4pi_elem_extra_t *extra;
    c4pi_version_t version;
    uint64_t bcast_next; /* number of the next broadcast to run */
    uint64_t redn_next;  /* number of the next reduction it owes a token to */
    uint32_t births;     /* inserted by it since its last token */
    uint32_t suspended;  /* activities that wait inside it */
    uint32_t vec_at;     /* its place in coll->vec */
    uint32_t queued;     /* messages in the queue that point to this record */
    uint8_t state, flags;
};

/* Where a collection's messages go that travel along a tree, if not along that of all ranks. */
typedef struct c4pi_tree_links {
    int parent, count, children[C4PI_TREE_ARITY];
} c4pi_tree_links_t;

struct c4pi_coll {
    c4p_rt_t *rt;
    c4p_coll_t id;
    c4p_coll_kind_t kind;
    bool guarded; /* a send by index looks closer, see c4pi_coll_guard() */
    c4pi_type_t *type;
    uint64_t unguarded_below;
    int root;                      /* see c4pi_coll_root(): numbers broadcasts, closes reductions */
    const c4pi_tree_links_t *tree; /* NULL: the tree of all ranks below the root */
    const char *label;             /* in reports; NULL: the type's name */
    int ndims;
    bool dense;
    int64_t dims[C4P_MAX_DIMS];
    c4p_map_t map;
    uint64_t map_arg;
    uint32_t tag;        /* of the language layer */
    bool restored;       /* comes from a checkpoint: its elements follow one by one */
    bool at_sync;        /* its elements take part in synchronization points */
    int chare_rank;      /* single chares: where */
    uint64_t num_static; /* elements made with it */
    c4p_msg_t *args;     /* the constructor message of static elements, while needed */

    c4pi_keymap_t elems;
    c4pi_elem_t **vec; /* the same elements, for walking: in index order until one leaves */
    uint32_t count, vec_cap;
    uint32_t removals; /* ever; a walk that sees it change starts again */

    c4pi_keymap_t locs;     /* location entries, see location.h */
    c4pi_keymap_t homes;    /* remembered answers of a user's placement map */
    c4pi_keymap_t newborns; /* insertions from here that are under way, see newborn.h */
    uint32_t first_nonce, next_nonce;
    bool some_died; /* of those whose home is here */

    struct c4pi_bcast *bcast; /* svc */
    struct c4pi_redn *redn;
    struct c4pi_grow *grow;
    struct c4pi_section *section;
};

/* This rank's children in the collection's tree; returns how many. */
static inline int
c4pi_coll_children(const c4pi_coll_t *coll, int children_out[C4PI_TREE_ARITY])
{
    if (!coll->tree)
        return c4pi_tree_children(coll->rt->rank, coll->root, coll->rt->num_ranks, children_out);
    for (int i = 0; i < coll->tree->count; i++)
        children_out[i] = coll->tree->children[i];
    return coll->tree->count;
}

static inline int
c4pi_coll_parent(const c4pi_coll_t *coll)
{
    return coll->tree ? coll->tree->parent
                      : c4pi_tree_parent(coll->rt->rank, coll->root, coll->rt->num_ranks);
}

/* Can the collection never have an element of this key? So it is with a group, beyond the ranks. */
static inline bool
c4pi_coll_lacks(const c4pi_coll_t *coll, c4p_key_t key)
{
    return coll->kind == C4P_KIND_GROUP && (key.w[0] >= (uint64_t)coll->rt->num_ranks || key.w[1]);
}

/* What reports call it. */
static inline const char *
c4pi_coll_label(const c4pi_coll_t *coll)
{
    return coll->label ? coll->label : c4pi_type_shown(coll->type);
}

/* Can its elements neither move nor come and go? */
static inline bool
c4pi_coll_is_fixed(const c4pi_coll_t *coll)
{
    return coll->kind == C4P_KIND_GROUP || coll->kind == C4P_KIND_SECTION;
}

static inline c4p_coll_t
c4pi_coll_id(int rank, uint64_t serial)
{
    return (uint64_t)rank << 40 | (serial & 0xffffffffffu);
}

static inline int
c4pi_coll_creator(c4p_coll_t id)
{
    return (int)(id >> 40);
}

/* The rank that numbers its broadcasts and closes its reductions: its creator, or who stands for
 * that after a restart on fewer ranks. */
static inline int
c4pi_coll_root(const c4p_rt_t *rt, c4p_coll_t id)
{
    int creator = c4pi_coll_creator(id);
    return creator < rt->num_ranks ? creator : creator % rt->num_ranks;
}

/* The slow part of c4pi_coll_find(). */
c4pi_coll_t *c4pi_coll_find_slow(c4p_rt_t *rt, c4p_coll_t id);

/* NULL while this rank has not heard of it. */
static inline c4pi_coll_t *
c4pi_coll_find(c4p_rt_t *rt, c4p_coll_t id)
{
    return rt->last_coll && rt->last_coll->id == id ? rt->last_coll : c4pi_coll_find_slow(rt, id);
}

/* `proto` has the descriptive fields (id .. map_arg, chare_rank); the rest is set up empty.
 * Registers it in rt->colls. */
c4p_status_t c4pi_coll_new(c4p_rt_t *rt, const c4pi_coll_t *proto, c4pi_coll_t **coll_out);
void c4pi_coll_free(c4pi_coll_t *coll); /* destroys the objects of its elements */

/* Newborns came or went, or load is measured from now on, or not. A send looks closer at its key if
 * the collection is guarded and the key is not below `unguarded_below`: at all keys while there are
 * newborns or sends are counted, and in a group otherwise at those that are no ranks. So a send by
 * a common key has one test for all of these. */
void c4pi_coll_guard(c4pi_coll_t *coll);

/* The home of an index: a pure function, the same on every rank. -1 and a log line when a user's
 * map answers no rank. */
int c4pi_coll_home(c4pi_coll_t *coll, c4p_key_t key);
/* Row-major place of a key in a dense array; false if it is outside. */
bool c4pi_coll_offset(const c4pi_coll_t *coll, c4p_key_t key, uint64_t *offset_out);
/* The index at a row-major place. */
c4p_key_t c4pi_coll_key_at(const c4pi_coll_t *coll, uint64_t offset);
/* First element and number of elements of `rank` in the default block placement of n elements. */
void c4pi_block_of(uint64_t n, int rank, int num_ranks, uint64_t *first_out, uint64_t *count_out);

/* A record for a new local element (state NEW). Dies when out of memory. */
c4pi_elem_t *c4pi_elem_add(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version);
/* Take it out of the collection: GONE, its object forgotten (not destroyed). The record is freed
 * now or with its last queued message. */
void c4pi_elem_remove(c4pi_elem_t *elem);
/* The broadcasts of sections that came too early, taken out: the element is about to be removed. */
c4pi_fifo_t c4pi_elem_take_ahead(c4pi_elem_t *elem);
/* One queued message fewer points to this record. */
void c4pi_elem_release(c4pi_elem_t *elem);
c4pi_elem_extra_t *c4pi_elem_need_extra(c4pi_elem_t *elem); /* dies when out of memory */

/* How far an element is in a section; made if need be, then 0 and 0 (*new_out, which may be NULL,
 * says so). The pointer holds until the next call. Dies when out of memory. */
c4pi_membership_t *c4pi_elem_membership_slow(c4pi_elem_t *elem, c4p_coll_t section, bool *new_out);

/* The same, for the one asked for last at once. */
static inline c4pi_membership_t *
c4pi_elem_membership(c4pi_elem_t *elem, c4p_coll_t section, bool *new_out)
{
    const c4pi_elem_extra_t *extra = elem->extra;
    if (!extra || !extra->num_memberships || extra->memberships[0].section != section)
        return c4pi_elem_membership_slow(elem, section, new_out);
    if (new_out)
        *new_out = false;
    return extra->memberships;
}

static inline c4pi_elem_t *
c4pi_elem_find(const c4pi_coll_t *coll, c4p_key_t key)
{
    return c4pi_keymap_get(&coll->elems, key);
}

/* The chare that a reference names, if it lives here; not a section's record. */
static inline c4pi_elem_t *
c4pi_elem_local(c4p_rt_t *rt, c4p_ref_t ref)
{
    const c4pi_coll_t *coll = c4pi_coll_find(rt, ref.coll);
    return coll && !coll->section ? c4pi_elem_find(coll, ref.key) : NULL;
}

static inline c4p_ref_t
c4pi_elem_ref(const c4pi_elem_t *elem)
{
    return (c4p_ref_t){elem->coll->id, elem->key};
}

/* "Grid(4,7)" for reports; returns buf. */
const char *c4pi_ref_text(c4pi_coll_t *coll, c4p_key_t key, char *buf, size_t size);

#endif
