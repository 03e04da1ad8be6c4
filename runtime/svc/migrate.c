/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/migrate.h"

#include "core/dispatch.h"
#include "core/route.h"
#include "msg/pup.h"
#include "svc/bcast.h"
#include "svc/grow.h"
#include "svc/reduce.h"

enum { TRAVELLING_FLAGS = C4PI_ELEM_BORN | C4PI_ELEM_INSERTED };

/* All of an element as one message, or the reason why not; then nothing has changed. */
static c4p_status_t
pack(c4pi_elem_t *elem, c4p_msg_t **msg_out)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4p_pup_t p;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u64(&p, elem->bcast_next);
    c4p_put_u64(&p, elem->redn_next);
    c4p_put_u32(&p, elem->births);
    c4p_put_u8(&p, elem->flags & TRAVELLING_FLAGS);
    c4p_status_t st = coll->type->desc.pack(rt, elem->object, &p, coll->type->desc.ctx);
    if (st == C4P_OK)
        st = c4pi_pup_pack_finish(&p, msg_out);
    else
        c4pi_pup_fini(&p);
    return st;
}

static void
leave_now(c4pi_elem_t *elem, int dest)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4p_msg_t *msg;
    c4p_status_t st = pack(elem, &msg);
    if (st != C4P_OK) {
        char who[160];
        c4pi_log(rt->port, C4P_LOG_WARN, "%s stays on rank %d: it cannot be packed (%s)",
                 c4pi_ref_text(coll, elem->key, who, sizeof who), rt->rank, c4p_strerror(st));
        return;
    }
    c4pi_version_t version = {elem->version.nonce, elem->version.epoch + 1};
    c4p_key_t key = elem->key;
    void *object = elem->object;
    bool dying = elem->flags & C4PI_ELEM_DYING;
    c4pi_bcast_departed(coll, key, version, elem->bcast_next);
    c4pi_reduce_leaving(elem);
    c4pi_elem_remove(elem);
    if (coll->type->desc.destroy)
        coll->type->desc.destroy(rt, object, coll->type->desc.ctx);
    c4pi_loc_t *loc = c4pi_loc_need(coll, key);
    loc->version = loc->pointer = version;
    loc->rank = dest;
    uint32_t why = C4PI_LOC_POINTER;
    if (c4pi_home_or_die(coll, key) == rt->rank)
        why |= C4PI_LOC_HOME | (dying ? (uint32_t)C4PI_LOC_DYING : 0u);
    c4pi_loc_set(loc, why);
    msg->env.kind = C4PI_MIGRATE;
    msg->env.coll = coll->id;
    msg->env.key = key;
    msg->env.hint_nonce = version.nonce;
    msg->env.hint_epoch = version.epoch;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, dest, msg);
    c4pi_reduce_settle(coll);
}

/* The element neither runs nor waits any more. */
static void
on_free(c4pi_elem_t *elem)
{
    if (elem->flags & C4PI_ELEM_DOOMED) {
        c4pi_grow_destroy_now(elem);
    } else {
        elem->flags &= (uint8_t)~C4PI_ELEM_LEAVING;
        leave_now(elem, elem->extra->leaving_to);
    }
}

c4p_status_t
c4pi_migrate(c4pi_elem_t *elem, int rank)
{
    c4pi_coll_t *coll = elem->coll;
    if (rank < 0 || rank >= coll->rt->num_ranks)
        return C4P_ERR_RANGE;
    if (coll->kind == C4P_KIND_GROUP || !coll->type->desc.pack || !coll->type->desc.unpack)
        return C4P_ERR_TYPE;
    if (rank == coll->rt->rank)
        return C4P_OK;
    if (elem->suspended || elem->state != C4PI_ELEM_LIVE)
        return C4P_ERR_BUSY;
    c4pi_elem_need_extra(elem)->leaving_to = rank;
    elem->flags |= C4PI_ELEM_LEAVING;
    c4pi_elem_idle(elem);
    return C4P_OK;
}

static void
on_migrate(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    if (rt->phase >= C4PI_PHASE_EXITING) { /* no code of the user's runs any more */
        c4pi_msg_drop(msg);
        c4pi_count_processed(rt);
        return;
    }
    c4p_key_t key = msg->env.key;
    c4pi_version_t version = {msg->env.hint_nonce, msg->env.hint_epoch};
    c4p_pup_t p;
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    c4pi_elem_t *elem = c4pi_elem_add(coll, key, version);
    elem->bcast_next = c4p_get_u64(&p);
    elem->redn_next = c4p_get_u64(&p);
    elem->births = c4p_get_u32(&p);
    elem->flags = c4p_get_u8(&p);
    c4p_status_t st =
        coll->type->desc.unpack(rt, c4pi_elem_ref(elem), &p, coll->type->desc.ctx, &elem->object);
    if (st == C4P_OK)
        st = c4p_pup_status(&p);
    if (st != C4P_OK) {
        char who[160];
        c4pi_die(rt, st, "%s came from rank %d and cannot be unpacked: %s",
                 c4pi_ref_text(coll, key, who, sizeof who), (int)msg->env.source, c4p_strerror(st));
    }
    elem->state = C4PI_ELEM_LIVE;
    int from = (int)msg->env.source;
    c4pi_msg_drop(msg);
    c4pi_reduce_arrived(elem);
    c4pi_tell_home(coll, key, version, from, false);
    c4pi_release_held(coll, key);
    c4pi_bcast_catch_up(elem);
    c4pi_reduce_settle(coll);
    c4pi_count_processed(rt);
}

void
c4pi_migrate_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_MIGRATE] = on_migrate;
    rt->on_elem_free = on_free;
}
