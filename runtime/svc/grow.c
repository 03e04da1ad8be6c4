/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/grow.h"

#include <string.h>

#include "core/dispatch.h"
#include "core/newborn.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/reduce.h"
#include "svc/section.h"
#include "svc/sync.h"

typedef struct c4pi_grow {
    uint64_t issued; /* insertions asked for here from outside the collection */
    uint32_t next_ticket;
    /* Root. */
    uint64_t received; /* of those of all ranks */
    uint64_t inserted; /* before reductions were opened */
    bool dynamic;
    bool wave_open;
    uint64_t received_before; /* when the wave began */
    uint64_t wanted;          /* not 0: another wave when so many were received */
    /* The wave, at every rank. */
    uint64_t wave_sum;
    int wave_missing;
} c4pi_grow_t;

bool
c4pi_grow_dynamic(const c4pi_coll_t *coll)
{
    return coll->grow->dynamic;
}

void
c4pi_grow_set_dynamic(c4pi_coll_t *coll)
{
    if (!coll->grow->dynamic) {
        coll->grow->dynamic = true;
        c4pi_bcast_population_changed(coll);
    }
}

void
c4pi_grow_restored(c4pi_coll_t *coll, uint64_t count, bool known, bool dynamic)
{
    coll->grow->dynamic = dynamic || count != coll->num_static;
    coll->grow->inserted = count;
    if (known)
        c4pi_reduce_open(coll, count);
}

void
c4pi_grow_free(c4pi_coll_t *coll)
{
    c4pi_free(coll->rt->port, coll->grow, sizeof *coll->grow);
    coll->grow = NULL;
}

/* ---- creation --------------------------------------------------------------------------------- */

static void
add_static(c4pi_coll_t *coll, c4p_key_t key)
{
    c4pi_elem_t *elem = c4pi_elem_add(coll, key, (c4pi_version_t){coll->first_nonce, 0});
    elem->bcast_next = c4pi_bcast_first(coll);
    elem->redn_next = c4pi_reduce_first(coll);
    if (coll->at_sync)
        c4pi_sync_born(elem);
}

/* Records of all elements that the placement gives to this rank, in index order. */
static void
add_static_elements(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    uint64_t first = 0, count = coll->num_static;
    if (coll->kind == C4P_KIND_SECTION) /* whoever makes it adds its records */
        return;
    if (coll->kind == C4P_KIND_GROUP) {
        add_static(coll, (c4p_key_t){{(uint64_t)rt->rank, 0}});
        return;
    }
    if (coll->kind == C4P_KIND_CHARE) {
        if (coll->chare_rank == rt->rank)
            add_static(coll, (c4p_key_t){{0, 0}});
        return;
    }
    if (!coll->dense)
        return;
    if (!coll->map) {
        c4pi_block_of(coll->num_static, rt->rank, rt->num_ranks, &first, &count);
        if (c4pi_keymap_reserve(&coll->elems, count) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for %llu elements of %s",
                     (unsigned long long)count, c4pi_type_shown(coll->type));
    }
    for (uint64_t i = first; i < first + count; i++) {
        c4p_key_t key = c4pi_coll_key_at(coll, i);
        if (!coll->map || c4pi_home_or_die(coll, key) == rt->rank)
            add_static(coll, key);
    }
}

static uint64_t
population_of(const c4pi_coll_t *proto, int num_ranks)
{
    uint64_t n = 1;
    if (proto->kind == C4P_KIND_GROUP)
        return (uint64_t)num_ranks;
    if (proto->kind == C4P_KIND_CHARE)
        return 1;
    for (int d = 0; d < proto->ndims; d++)
        n *= (uint64_t)proto->dims[d];
    return proto->dense ? n : 0;
}

c4p_status_t
c4pi_grow_make(c4p_rt_t *rt, const c4pi_coll_t *proto, c4p_msg_t *args, c4p_future_t created,
               c4pi_coll_t **coll_out)
{
    c4pi_coll_t *coll = NULL;
    c4p_status_t st = c4pi_coll_new(rt, proto, &coll);
    if (st != C4P_OK)
        return st;
    coll->num_static = population_of(proto, rt->num_ranks);
    coll->grow = c4pi_calloc(rt->port, sizeof *coll->grow);
    if (!coll->grow || c4pi_bcast_new(coll) != C4P_OK || c4pi_reduce_new(coll) != C4P_OK) {
        c4pi_reduce_free(coll);
        c4pi_bcast_free(coll);
        c4pi_grow_free(coll);
        c4pi_coll_free(coll);
        return C4P_ERR_NOMEM;
    }
    coll->grow->dynamic = coll->kind == C4P_KIND_ARRAY && !coll->dense;
    coll->args = args;
    if (!coll->restored)
        add_static_elements(coll);
    if (created)
        c4pi_await_creation(coll, created);
    if (rt->rank == coll->root && !coll->restored && (coll->kind != C4P_KIND_ARRAY || coll->dense))
        c4pi_reduce_open(coll, coll->num_static);
    *coll_out = coll;
    return C4P_OK;
}

/* Run the constructors that wait, up to a budget; true when all have run. `at` has how far it is
 * and how many removals it has seen: after one the elements have changed places, and it starts
 * again. */
static bool
construct_some(c4pi_coll_t *coll, c4p_key_t *at, uint32_t budget, bool awaited)
{
    c4p_rt_t *rt = coll->rt;
    for (;;) {
        if (coll->removals != (uint32_t)at->w[1])
            *at = (c4p_key_t){{0, coll->removals}};
        if (at->w[0] >= coll->count)
            return true;
        c4pi_elem_t *elem = coll->vec[at->w[0]];
        if (elem->state != C4PI_ELEM_NEW || (elem->flags & C4PI_ELEM_INSERTED)) {
            at->w[0]++;
            continue;
        }
        if (budget-- == 0)
            return false;
        c4p_reply_t reply = {0};
        if (awaited) {
            reply.kind = C4PI_REPLY_BCAST;
            reply.number = C4PI_REPLY_CREATION;
            reply.member = c4pi_elem_ref(elem);
        }
        c4p_key_t key = elem->key;
        c4pi_run_constructor(elem, coll->args, &reply);
        if (rt->phase >= C4PI_PHASE_EXITING)
            return true;
        elem = c4pi_elem_find(coll, key);
        if (elem)
            c4pi_bcast_catch_up(elem);
    }
}

static void
all_constructed(c4pi_coll_t *coll)
{
    c4p_msg_free(coll->args);
    coll->args = NULL;
    c4pi_reduce_settle(coll);
}

static void
run_construct(c4p_rt_t *rt, c4p_msg_t *item)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, item->env.coll);
    c4p_key_t at = item->env.key;
    if (!construct_some(coll, &at, 256, item->env.entry)) {
        item->env.key = at;
        c4pi_queue_push_front(&rt->queue, item);
        return;
    }
    all_constructed(coll);
    c4pi_msg_drop(item);
    c4pi_count_processed(rt);
}

static void
queue_construct(c4pi_coll_t *coll, bool awaited)
{
    c4p_msg_t *item = c4pi_msg_or_die(coll->rt, 0);
    item->env.kind = C4PI_CONSTRUCT;
    item->env.coll = coll->id;
    item->env.entry = awaited;
    item->env.key.w[1] = coll->removals;
    c4pi_enqueue_new(coll->rt, item);
}

/* The descriptor as it travels: fixed fields, then the constructor's arguments. */
static c4p_msg_t *
pack_descriptor(c4p_rt_t *rt, const c4pi_coll_t *proto, c4p_type_t type, c4p_msg_t *args,
                c4p_future_t created)
{
    c4p_pup_t p;
    c4p_msg_t *msg = NULL;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u8(&p, (uint8_t)proto->kind);
    c4p_put_u8(&p, proto->dense);
    c4p_put_u8(&p, args != NULL);
    c4p_put_u8(&p, (uint8_t)proto->ndims);
    c4p_put_u32(&p, type);
    c4p_put_u32(&p, c4pi_registry_type(rt->registry, type)->name_hash);
    for (int d = 0; d < C4P_MAX_DIMS; d++)
        c4p_put_u64(&p, (uint64_t)proto->dims[d]);
    c4p_put_u32(&p, proto->map);
    c4p_put_u32(&p, (uint32_t)proto->chare_rank);
    c4p_put_u64(&p, proto->map_arg);
    c4p_put_u32(&p, proto->tag);
    c4p_put_u8(&p, proto->at_sync);
    c4p_put_u64(&p, created);
    if (args) {
        c4p_msg_t *bytes = c4pi_msg_as_bytes(rt, c4pi_msg_keep(args));
        if (c4pi_msg_flatten(&bytes) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for constructor arguments");
        c4p_put_bytes(&p, c4pi_msg_payload(bytes), (size_t)bytes->env.len);
        c4pi_msg_drop(bytes);
    }
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to announce a collection");
    msg->env.kind = C4PI_COLL_NEW;
    msg->env.coll = proto->id;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    return msg;
}

static void
announce(c4p_rt_t *rt, int root, c4p_msg_t *msg)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_tree_children(rt->rank, root, rt->num_ranks, children);
    for (int i = 0; i < n; i++)
        c4pi_send_to(rt, children[i], c4pi_msg_keep(msg));
}

c4p_status_t
c4pi_grow_create(c4p_rt_t *rt, const c4pi_coll_t *proto, c4p_msg_t *args, c4p_future_t created)
{
    c4pi_coll_t *coll;
    if (proto->at_sync)
        c4pi_sync_made(rt, population_of(proto, rt->num_ranks));
    if (rt->num_ranks > 1) {
        c4p_msg_t *msg = pack_descriptor(rt, proto, proto->type->id, args, created);
        announce(rt, rt->rank, msg);
        c4pi_msg_drop(msg);
    }
    c4p_status_t st = c4pi_grow_make(rt, proto, args, created, &coll);
    if (st != C4P_OK)
        c4pi_die(rt, st, "no memory for a collection of %s", c4pi_type_shown(proto->type));
    c4p_key_t at = {{0, coll->removals}};
    uint32_t count = coll->count;
    if (created)
        c4pi_await_creation_started(coll, count);
    if (rt->gate_closed)
        queue_construct(coll, created != 0);
    else if (construct_some(coll, &at, UINT32_MAX, created != 0))
        all_constructed(coll);
    return C4P_OK;
}

/* What pack_descriptor() wrote, up to the constructor's arguments. */
static bool
unpack_descriptor(c4p_rt_t *rt, c4p_msg_t *msg, c4p_pup_t *p, c4pi_coll_t *proto,
                  c4p_future_t *created_out)
{
    c4pi_pup_unpack_init(p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    *proto = (c4pi_coll_t){.id = msg->env.coll};
    proto->kind = (c4p_coll_kind_t)c4p_get_u8(p);
    proto->dense = c4p_get_u8(p);
    bool has_args = c4p_get_u8(p);
    proto->ndims = c4p_get_u8(p);
    proto->type = c4pi_registry_type(rt->registry, c4p_get_u32(p));
    uint32_t name_hash = c4p_get_u32(p);
    for (int d = 0; d < C4P_MAX_DIMS; d++)
        proto->dims[d] = (int64_t)c4p_get_u64(p);
    proto->map = c4p_get_u32(p);
    proto->chare_rank = (int)c4p_get_u32(p);
    proto->map_arg = c4p_get_u64(p);
    proto->tag = c4p_get_u32(p);
    proto->at_sync = c4p_get_u8(p);
    *created_out = c4p_get_u64(p);
    if (c4p_pup_status(p) != C4P_OK || !proto->type)
        c4pi_die(rt, C4P_ERR_MISMATCH,
                 "rank %d made a collection of a chare type that this rank has not registered",
                 (int)msg->env.source);
    if (proto->type->name_hash != name_hash)
        c4pi_die(rt, C4P_ERR_MISMATCH,
                 "rank %d made a collection of a chare type whose number means '%s' on this rank: "
                 "types were not added in the same order on all ranks",
                 (int)msg->env.source, proto->type->desc.name);
    return has_args;
}

/* The collection exists here from now on. */
static void
run_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t proto, *coll;
    c4p_pup_t p;
    c4p_future_t created;
    c4p_msg_t *args = NULL;
    if (unpack_descriptor(rt, msg, &p, &proto, &created)) {
        size_t left = c4pi_pup_left(&p);
        args = c4pi_msg_or_die(rt, left);
        c4p_get_bytes(&p, c4pi_msg_payload(args), left);
        args->env.source = msg->env.source;
    }
    c4pi_msg_drop(msg);
    c4p_status_t st = c4pi_grow_make(rt, &proto, args, created, &coll);
    if (st != C4P_OK)
        c4pi_die(rt, st, "no memory for a collection of %s", c4pi_type_shown(proto.type));
    if (created)
        c4pi_await_creation_started(coll, coll->count);
    if (coll->count)
        queue_construct(coll, created != 0);
    c4pi_claim_strangers(rt, coll->id);
    c4pi_count_processed(rt);
}

/* A placement may itself be made of chares, created before: then it is the turn of their
 * constructors first. */
static void
on_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t proto;
    c4p_pup_t p;
    c4p_future_t created;
    announce(rt, c4pi_coll_root(rt, msg->env.coll), msg);
    (void)unpack_descriptor(rt, msg, &p, &proto, &created);
    if (proto.map)
        c4pi_enqueue(rt, msg);
    else
        run_new(rt, msg);
}

/* ---- insertion -------------------------------------------------------------------------------- */

/* Where an insertion or deletion stands: its envelope's entry field. */
enum { AT_INSERTER, AT_ROOT, AT_HOME, AT_ELEMENT };

enum { TAKES_PART = 1, MAYBE };

/* What an insertion carries before the constructor's arguments. */
typedef struct insert_body {
    uint64_t bcast_next, redn_next;
    uint64_t created; /* future of its constructor's end; 0 none */
    int32_t rank;     /* where to, or -1 */
    uint32_t ticket;  /* of the inserter's, for its cover of the broadcast log */
    uint32_t nonce;
    uint32_t inserter;
    uint8_t member; /* inserted by an element of the collection: its creator declares the birth */
    uint8_t born;   /* counts as new in its first reduction */
    uint8_t has_args;
    uint8_t takes_part; /* in synchronization points: TAKES_PART, or MAYBE until it is known whether
                           all of the collection do */
    uint8_t reborn;     /* there may have been another one of its index */
    uint8_t spare[3];
} insert_body_t;
_Static_assert(sizeof(insert_body_t) == 48, "no holes");

static void done_begin(c4pi_coll_t *coll);
static void done_begin_root(c4pi_coll_t *coll);

static insert_body_t *
body_of(c4p_msg_t *msg)
{
    return c4pi_msg_payload(msg);
}

/* The element: a record, its constructor in the queue. Takes over one owner. */
static void
insert_here(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    insert_body_t *body = body_of(msg);
    c4pi_version_t version = {body->nonce, 0};
    c4pi_elem_t *elem = c4pi_elem_add(coll, msg->env.key, version);
    elem->bcast_next = body->bcast_next;
    elem->redn_next = body->redn_next;
    elem->flags = (uint8_t)(C4PI_ELEM_INSERTED | (body->born ? C4PI_ELEM_BORN : 0));
    if (body->reborn)
        c4pi_elem_need_extra(elem)->reborn = true;
    c4pi_reduce_arrived(elem);
    if (body->takes_part)
        c4pi_sync_born(elem);
    else if (coll->at_sync)
        c4pi_sync_join(elem);
    if (body->has_args) {
        size_t len = (size_t)msg->env.len - sizeof *body;
        c4p_msg_t *args = c4pi_msg_or_die(rt, len);
        memcpy(c4pi_msg_payload(args), body + 1, len);
        args->env.source = msg->env.source;
        c4pi_elem_need_extra(elem)->args = args;
    }
    c4p_msg_t *item = c4pi_msg_or_die(rt, 0);
    item->env.kind = C4PI_INSERT_DO;
    item->env.coll = coll->id;
    item->env.key = elem->key;
    item->env.reference = body->created;
    c4pi_enqueue_new(rt, item);
    c4p_msg_t *ack = c4pi_msg_or_die(rt, 0);
    ack->env.kind = C4PI_INSERT_ACK;
    ack->env.coll = coll->id;
    ack->env.key = elem->key;
    ack->env.hint_nonce = body->ticket;
    ack->env.source = body->inserter & 0xffffff;
    int inserter = (int)body->inserter;
    c4p_key_t key = elem->key;
    c4pi_msg_drop(msg);
    c4pi_reduce_settle(coll);
    c4pi_release_held(coll, key);
    /* Now may follow what the inserter sent after the insertion. What it sent before may still be
     * on its way from the home to here: if that is the inserter, the acknowledgement goes behind
     * it. */
    c4pi_send_to(rt, inserter == rt->rank ? c4pi_home_or_die(coll, key) : inserter, ack);
}

static void
run_insert(c4p_rt_t *rt, c4p_msg_t *item)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, item->env.coll);
    c4p_key_t key = item->env.key;
    c4pi_elem_t *elem = c4pi_elem_find(coll, key);
    c4p_reply_t reply = {.kind = item->env.reference ? C4P_REPLY_FUTURE : C4P_REPLY_NONE,
                         .number = item->env.reference,
                         .member = c4pi_elem_ref(elem)};
    c4p_msg_t *args = elem->extra ? elem->extra->args : NULL;
    if (elem->extra)
        elem->extra->args = NULL;
    c4pi_run_constructor(elem, args, &reply);
    c4p_msg_free(args);
    elem = c4pi_elem_find(coll, key);
    if (elem && rt->phase < C4PI_PHASE_EXITING)
        c4pi_bcast_catch_up(elem);
    c4pi_msg_drop(item);
    c4pi_count_processed(rt);
}

/* On its way to the root, counted twice meanwhile. */
static void
insert_leaves(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    msg->env.entry = AT_ROOT;
    c4pi_send_to(rt, coll->root, msg);
    c4pi_count_processed(rt);
}

static void
destroy_leaves(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_send_to(rt, coll->root, msg);
    c4pi_count_processed(rt);
}

/* The line behind an insertion moves on, up to the next insertion. */
static void
born(c4pi_coll_t *coll, c4pi_newborn_t *newborn)
{
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&newborn->held)) != NULL;) {
        if (msg->env.kind == C4PI_INSERT) { /* it may be made at once, and the line end with it */
            insert_leaves(coll, msg);
            return;
        }
        if (msg->env.kind == C4PI_DESTROY)
            destroy_leaves(coll, msg);
        else
            c4pi_route(coll->rt, msg);
    }
    c4pi_newborn_forget(coll, newborn);
}

static void
on_insert_ack(c4p_rt_t *rt, c4p_msg_t *msg)
{
    int inserter = (int)msg->env.source;
    if (inserter != rt->rank) {
        c4pi_send_to(rt, inserter, msg);
        c4pi_count_processed(rt);
        return;
    }
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4p_key_t key = msg->env.key;
    c4pi_bcast_arrived(coll, key, (c4pi_version_t){msg->env.hint_nonce, 0});
    c4pi_msg_drop(msg);
    born(coll, c4pi_newborn_find(coll, key));
    c4pi_count_processed(rt);
}

static void
on_insert_do(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    insert_here(coll, msg);
    c4pi_count_processed(rt);
}

/* The home decides. */
static void
insert_at_home(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_elem_t *elem = c4pi_elem_find(coll, msg->env.key);
    c4pi_loc_t *loc = c4pi_loc_find(coll, msg->env.key);
    bool away = loc && (loc->flags & C4PI_LOC_HOME) && !c4pi_version_none(loc->version);
    if ((elem && (elem->flags & (C4PI_ELEM_DYING | C4PI_ELEM_DOOMED))) ||
        (away && (loc->flags & C4PI_LOC_DYING))) {
        loc = loc ? loc : c4pi_loc_need(coll, msg->env.key); /* wait for the death */
        c4pi_fifo_push(&loc->held, msg);
        c4pi_loc_settle(loc);
        return;
    }
    if (elem || away) {
        char who[160];
        c4pi_die(rt, C4P_ERR_EXISTS, "insertion of %s: that element exists already",
                 c4pi_ref_text(coll, msg->env.key, who, sizeof who));
    }
    insert_body_t *body = body_of(msg);
    body->reborn = coll->some_died;
    body->nonce = coll->next_nonce++;
    coll->next_nonce += coll->next_nonce == 0;
    int dest = body->rank < 0 ? rt->rank : body->rank;
    if (dest == rt->rank) {
        insert_here(coll, msg);
        c4pi_count_processed(rt);
        return;
    }
    c4p_key_t key = msg->env.key;
    c4pi_version_t version = {body->nonce, 0};
    msg->env.kind = C4PI_INSERT_DO;
    c4pi_send_to(rt, dest, msg);
    loc = c4pi_loc_need(coll, key);
    loc->version = version;
    loc->rank = dest;
    c4pi_loc_set(loc, C4PI_LOC_HOME);
    c4pi_reroute_held(loc);
    c4pi_count_processed(rt);
}

/* The root counts: it decides in which reduction the new element first takes part, unless its
 * creator does. */
static void
insert_at_root(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_grow_t *grow = coll->grow;
    insert_body_t *body = body_of(msg);
    c4pi_grow_set_dynamic(coll);
    if (body->member) {
        body->born = true;
        c4pi_reduce_member_birth(coll, body->redn_next);
    } else {
        grow->received++;
        body->born = c4pi_reduce_is_open(coll);
        body->redn_next = body->born ? c4pi_reduce_birth(coll) : c4pi_reduce_first(coll);
        grow->inserted += !body->born;
    }
    msg->env.entry = AT_HOME;
    c4pi_send_to(rt, c4pi_home_or_die(coll, msg->env.key), msg);
    if (grow->wanted && grow->received >= grow->wanted)
        done_begin_root(coll);
    c4pi_count_processed(rt);
}

static void
insert_at_inserter(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    insert_body_t *body = body_of(msg);
    c4pi_loc_t *stale = c4pi_loc_find(coll, msg->env.key);
    if (stale && !stale->flags && !stale->held.count)
        c4pi_loc_drop(stale); /* what this rank believed was about an earlier incarnation */
    body->bcast_next = c4pi_bcast_first(coll);
    if (body->takes_part == MAYBE) {
        body->takes_part = coll->at_sync;
        if (!coll->at_sync)
            c4pi_sync_not_made(coll->rt);
    }
    body->ticket = ++coll->grow->next_ticket;
    if (body->ticket == 0)
        body->ticket = ++coll->grow->next_ticket;
    if (!body->member)
        coll->grow->issued++;
    c4pi_bcast_departed(coll, msg->env.key, (c4pi_version_t){body->ticket, 0}, body->bcast_next);
    c4pi_newborn_t *before = c4pi_newborn_find(coll, msg->env.key);
    if (before) { /* its deletion and calls to it may wait there, too */
        c4pi_fifo_push(&before->held, msg);
        return;
    }
    c4pi_newborn_expect(coll, msg->env.key);
    insert_leaves(coll, msg);
}

static void
on_insert(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    if (msg->env.entry == AT_HOME)
        insert_at_home(coll, msg);
    else if (msg->env.entry == AT_ROOT)
        insert_at_root(coll, msg);
    else
        insert_at_inserter(coll, msg);
}

c4p_status_t
c4pi_grow_insert(c4p_rt_t *rt, c4p_coll_t id, c4p_key_t key, int rank, c4p_msg_t *args,
                 c4p_future_t created, bool takes_part)
{
    const c4pi_coll_t *coll = c4pi_coll_find(rt, id);
    c4p_msg_t *bytes = NULL;
    if (args) {
        bytes = c4pi_msg_as_bytes(rt, args);
        if (c4pi_msg_flatten(&bytes) != C4P_OK)
            return C4P_ERR_NOMEM;
    }
    size_t len = bytes ? (size_t)bytes->env.len : 0;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof(insert_body_t) + len);
    insert_body_t *body = body_of(msg);
    memset(body, 0, sizeof *body);
    body->rank = rank;
    body->created = created;
    body->inserter = (uint32_t)rt->rank;
    body->has_args = bytes != NULL;
    body->takes_part = takes_part || (coll && coll->at_sync) ? TAKES_PART : coll ? 0 : MAYBE;
    if (body->takes_part)
        c4pi_sync_made(rt, 1);
    if (bytes)
        memcpy(body + 1, c4pi_msg_payload(bytes), len);
    if (rt->running && rt->running->coll->id == id) {
        body->member = true;
        body->redn_next = rt->running->redn_next;
        rt->running->births++;
    }
    c4p_msg_free(bytes);
    msg->env.kind = C4PI_INSERT;
    msg->env.entry = AT_INSERTER;
    msg->env.coll = id;
    msg->env.key = key;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, rt->rank, msg);
    return C4P_OK;
}

/* ---- done inserting --------------------------------------------------------------------------- */

/* A wave asks every rank how many insertions it has issued. The root knows how many it had received
 * before the wave began: if that is the sum, all were in and nothing issued by then is missing.
 * Else once more, when it has received so many. */
enum { DONE_ASK, DONE_DOWN, DONE_UP };

static void
done_send(c4pi_coll_t *coll, int rank, uint16_t stage, uint64_t sum)
{
    c4p_msg_t *msg = c4pi_msg_or_die(coll->rt, 0);
    msg->env.kind = C4PI_DONE_INSERT;
    msg->env.coll = coll->id;
    msg->env.entry = stage;
    msg->env.reference = sum;
    c4pi_send_to(coll->rt, rank, msg);
}

static void
done_begin_root(c4pi_coll_t *coll)
{
    coll->grow->wanted = 0;
    coll->grow->wave_open = true;
    coll->grow->received_before = coll->grow->received;
    done_begin(coll);
}

static void
done_answer(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_grow_t *grow = coll->grow;
    uint64_t sum = grow->wave_sum + grow->issued;
    if (rt->rank != coll->root) {
        done_send(coll, c4pi_coll_parent(coll), DONE_UP, sum);
        return;
    }
    grow->wave_open = false;
    if (sum == grow->received_before)
        c4pi_reduce_open(coll, grow->inserted);
    else if (grow->received >= sum)
        done_begin_root(coll);
    else
        grow->wanted = sum;
}

static void
done_begin(c4pi_coll_t *coll)
{
    int children[C4PI_TREE_ARITY];
    coll->grow->wave_sum = 0;
    coll->grow->wave_missing = c4pi_coll_children(coll, children);
    for (int i = 0; i < coll->grow->wave_missing; i++)
        done_send(coll, children[i], DONE_DOWN, 0);
    if (coll->grow->wave_missing == 0)
        done_answer(coll);
}

static void
on_done(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    c4pi_grow_t *grow = coll->grow;
    uint16_t stage = msg->env.entry;
    uint64_t sum = msg->env.reference;
    c4pi_msg_drop(msg);
    if (stage == DONE_UP) {
        grow->wave_sum += sum;
        if (--grow->wave_missing == 0)
            done_answer(coll);
    } else if (stage == DONE_DOWN) {
        done_begin(coll);
    } else if (!grow->wave_open && !grow->wanted && !c4pi_reduce_is_open(coll)) {
        done_begin_root(coll);
    }
    c4pi_count_processed(rt);
}

void
c4pi_grow_done(c4p_rt_t *rt, c4p_coll_t id)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.kind = C4PI_DONE_INSERT;
    msg->env.coll = id;
    msg->env.entry = DONE_ASK;
    c4pi_send_to(rt, c4pi_coll_root(rt, id), msg);
}

/* ---- deletion --------------------------------------------------------------------------------- */

static void
on_destroy(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    if (msg->env.entry == AT_INSERTER) {
        c4pi_newborn_t *newborn = c4pi_newborn_find(coll, msg->env.key);
        msg->env.entry = AT_ROOT;
        if (newborn)
            c4pi_fifo_push(&newborn->held, msg);
        else
            destroy_leaves(coll, msg);
        return;
    }
    if (msg->env.entry == AT_ROOT) {
        c4pi_grow_set_dynamic(coll);
        msg->env.entry = AT_HOME;
        c4pi_send_to(rt, c4pi_home_or_die(coll, msg->env.key), msg);
        c4pi_count_processed(rt);
        return;
    }
    if (msg->env.entry == AT_HOME && msg->env.hops == 0) {
        c4pi_elem_t *elem = c4pi_elem_find(coll, msg->env.key);
        c4pi_loc_t *loc = elem ? NULL : c4pi_loc_find(coll, msg->env.key);
        if (elem)
            elem->flags |= C4PI_ELEM_DYING;
        else if (loc && (loc->flags & C4PI_LOC_HOME))
            c4pi_loc_set(loc, C4PI_LOC_DYING);
        msg->env.entry = AT_ELEMENT; /* marked; from here on it looks for the element */
    }
    c4pi_route(rt, msg);
}

void
c4pi_grow_destroy(c4p_rt_t *rt, c4p_ref_t ref)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.kind = C4PI_DESTROY;
    msg->env.coll = ref.coll;
    msg->env.key = ref.key;
    msg->env.entry = AT_INSERTER;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, rt->rank, msg);
}

void
c4pi_grow_destroy_now(c4pi_elem_t *elem)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4p_key_t key = elem->key;
    c4pi_version_t version = elem->version;
    void *object = elem->object;
    c4pi_reduce_death(elem);
    c4pi_sync_left(elem, false);
    elem->flags |= C4PI_ELEM_DEAD;
    c4pi_fifo_t ahead = c4pi_elem_take_ahead(elem);
    c4pi_elem_remove(elem);
    for (c4p_msg_t *early; (early = c4pi_fifo_pop(&ahead)) != NULL;) {
        c4pi_count_created(rt);
        c4pi_dead_letter(rt, early, C4P_ERR_DEAD);
    }
    if (coll->type->desc.destroy)
        coll->type->desc.destroy(rt, object, coll->type->desc.ctx);
    c4pi_reduce_settle(coll);
    c4pi_bcast_died(coll);
    c4pi_tell_home(coll, key, version, -1, true);
}

void
c4pi_grow_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_COLL_NEW] = on_new;
    rt->run_kind[C4PI_COLL_NEW] = run_new;
    rt->run_kind[C4PI_CONSTRUCT] = run_construct;
    rt->on_kind[C4PI_INSERT] = on_insert;
    rt->on_kind[C4PI_INSERT_DO] = on_insert_do;
    rt->run_kind[C4PI_INSERT_DO] = run_insert;
    rt->on_kind[C4PI_INSERT_ACK] = on_insert_ack;
    rt->on_kind[C4PI_DONE_INSERT] = on_done;
    rt->on_kind[C4PI_DESTROY] = on_destroy;
}
