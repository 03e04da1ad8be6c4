/* SPDX-License-Identifier: Apache-2.0 */
/* restart.c: see checkpoint.h. */
#include <stdio.h>
#include <string.h>

#include "core/dispatch.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/checkpoint.h"
#include "svc/future.h"
#include "svc/grow.h"
#include "svc/reduce.h"
#include "svc/section.h"
#include "svc/sync.h"
#include "svc/wave.h"

/* What is sent to where it belongs, one after the other. */
enum { SPREAD_ELEMENTS, SPREAD_MAPPED, SPREAD_SECTIONS, NUM_SPREADS };

/* ---- making the collections ------------------------------------------------------------------- */

static void
make_coll(c4p_rt_t *rt, const c4pi_coll_desc_t *desc)
{
    c4pi_coll_t *coll;
    c4pi_coll_t proto = {.id = desc->id,
                         .kind = desc->kind,
                         .type = c4pi_registry_type(rt->registry, desc->type),
                         .ndims = desc->ndims,
                         .dense = desc->dense,
                         .map = desc->map,
                         .map_arg = desc->map_arg,
                         .tag = desc->tag,
                         .at_sync = desc->at_sync,
                         .chare_rank = desc->chare_rank % rt->num_ranks,
                         .restored = true};
    memcpy(proto.dims, desc->dims, sizeof proto.dims);
    if (desc->kind == C4P_KIND_GROUP)
        proto.dims[0] = rt->num_ranks;
    if (c4pi_grow_make(rt, &proto, NULL, 0, &coll) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a collection of %s",
                 c4pi_type_shown(proto.type));
}

void
c4pi_restart_make(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    const c4pi_manifest_t *m = &ckpt->manifest;
    (void)order;
    if (m->num_creators > (uint32_t)rt->num_creators)
        rt->num_creators = (int)m->num_creators;
    if (m->next_coll > rt->next_coll)
        rt->next_coll = m->next_coll;
    c4pi_futures_skip(rt, m->next_future);
    for (uint64_t i = 0; i < m->num_colls; i++)
        make_coll(rt, &m->colls[i]);
    if (!ckpt->hooks.unpack)
        return;
    c4p_pup_t p;
    c4pi_pup_unpack_init(&p, m->language, m->language_len);
    c4p_status_t st = ckpt->hooks.unpack(rt, &p, ckpt->hooks.ctx);
    if (st != C4P_OK || (st = c4p_pup_status(&p)) != C4P_OK)
        c4pi_outcome_fail(rt, outcome, st, "%s/manifest: %s", ckpt->dir,
                          p.why[0] ? p.why : c4p_strerror(st));
    c4pi_pup_fini(&p);
}

/* ---- sending ---------------------------------------------------------------------------------- */

void
c4pi_restart_send(c4p_rt_t *rt, int rank, const c4pi_body_t *body, c4p_key_t key, uint16_t entry)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, (size_t)body->len);
    memcpy(c4pi_msg_payload(msg), body->data, (size_t)body->len);
    msg->env.kind = C4PI_RESTORE;
    msg->env.entry = entry;
    msg->env.coll = body->coll;
    msg->env.key = key;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, rank, msg);
}

static void
count(c4p_rt_t *rt, c4pi_map_t *counts, c4p_coll_t id, uint64_t more)
{
    uintptr_t n = (uintptr_t)c4pi_map_get(counts, id) + (uintptr_t)more;
    if (c4pi_map_put(counts, id, (void *)n) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to restart");
}

/* If it is of the sort that is sent now. */
static void
spread_body(c4p_rt_t *rt, uint32_t step, const c4pi_body_t *body)
{
    if (body->sort == C4PI_BODY_SECTION) {
        if (step == SPREAD_SECTIONS)
            c4pi_restart_send(rt, c4pi_coll_root(rt, body->coll), body, body->key,
                              C4PI_RESTORE_SECTION);
        return;
    }
    c4pi_coll_t *coll = c4pi_coll_find(rt, body->coll);
    if (step != (coll->map ? (uint32_t)SPREAD_MAPPED : (uint32_t)SPREAD_ELEMENTS))
        return;
    if (coll->kind == C4P_KIND_GROUP) {
        c4pi_regroup_send(rt, coll, body);
        return;
    }
    count(rt, &rt->ckpt->sent, coll->id, 1);
    c4pi_restart_send(rt, c4pi_home_or_die(coll, body->key), body, body->key, C4PI_RESTORE_ELEMENT);
}

/* How many of each collection this rank has sent: its root adds up. */
static void
send_counts(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *n;
    while (c4pi_map_next(&rt->ckpt->sent, &at, &id, &n)) {
        c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
        msg->env.kind = C4PI_RESTORE;
        msg->env.entry = C4PI_RESTORE_COUNT;
        msg->env.coll = id;
        msg->env.reference = (uintptr_t)n;
        msg->env.source = (uint32_t)rt->rank & 0xffffff;
        c4pi_send_to(rt, c4pi_coll_root(rt, id), msg);
    }
}

void
c4pi_restart_spread(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    uint32_t step = c4p_get_u32(order);
    (void)outcome;
    if (step == SPREAD_SECTIONS)
        send_counts(rt);
    for (int i = 0; i < ckpt->num_files; i++)
        for (uint64_t k = 0; k < ckpt->files[i].count; k++) {
            c4pi_body_t body;
            c4pi_setfile_body(&ckpt->files[i], k, &body);
            spread_body(rt, step, &body);
        }
}

/* ---- arriving --------------------------------------------------------------------------------- */

c4pi_elem_head_t
c4pi_restart_head(c4p_pup_t *p)
{
    c4pi_elem_head_t head = {.flags = c4p_get_u8(p)};
    head.sync_waits = c4p_get_u8(p);
    head.sync_entry = (c4p_entry_t)c4p_get_u32(p);
    return head;
}

static void
wake_sync(c4pi_elem_t *elem, const c4pi_elem_head_t *head)
{
    if (!(head->flags & C4PI_ELEM_SYNC))
        return;
    c4pi_sync_join(elem);
    if (head->sync_waits)
        (void)c4pi_sync_wait(elem, head->sync_entry);
}

static void
restore_element(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    const c4p_type_desc_t *desc = &coll->type->desc;
    c4p_key_t key = msg->env.key;
    c4p_pup_t p;
    char who[160];
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    c4pi_elem_head_t head = c4pi_restart_head(&p);
    c4pi_elem_t *elem = c4pi_elem_add(coll, key, (c4pi_version_t){coll->first_nonce, 0});
    elem->bcast_next = c4pi_bcast_first(coll);
    elem->redn_next = c4pi_reduce_first(coll);
    elem->flags = head.flags & C4PI_ELEM_INSERTED;
    c4pi_reduce_arrived(elem);
    c4p_status_t st = desc->unpack
                          ? desc->unpack(rt, c4pi_elem_ref(elem), &p, desc->ctx, &elem->object)
                          : C4P_ERR_TYPE;
    if (st == C4P_OK)
        st = c4p_pup_status(&p);
    if (st != C4P_OK)
        c4pi_die(rt, C4P_ERR_DATA, "%s cannot be made again from checkpoint %s: %s",
                 c4pi_ref_text(coll, key, who, sizeof who), rt->ckpt->dir,
                 p.why[0] ? p.why : c4p_strerror(st));
    c4pi_pup_fini(&p);
    elem->state = C4PI_ELEM_LIVE;
    wake_sync(elem, &head);
    c4pi_release_held(coll, key);
    if ((elem = c4pi_elem_find(coll, key)) != NULL)
        c4pi_bcast_catch_up(elem);
    c4pi_reduce_settle(coll);
}

void
c4pi_restart_on_element(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    bool sound = rt->ckpt && rt->ckpt->restarting;
    if (sound && msg->env.entry == C4PI_RESTORE_COUNT) {
        count(rt, &rt->ckpt->counts, msg->env.coll, msg->env.reference);
    } else if (sound && coll && msg->env.entry == C4PI_RESTORE_STATE) {
        c4pi_regroup_compare(rt, coll, msg->env.reference);
    } else if (sound && coll && msg->env.entry == C4PI_RESTORE_OLD) {
        c4pi_regroup_keep(rt, c4pi_msg_keep(msg));
    } else if (sound && msg->env.entry == C4PI_RESTORE_SECTION) {
        c4p_pup_t p;
        c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
        sound = c4pi_section_restore(rt, msg->env.coll, &p) == C4P_OK;
        c4pi_pup_fini(&p);
    } else if (sound && coll && !c4pi_elem_find(coll, msg->env.key)) {
        restore_element(coll, msg);
    } else {
        sound = false;
    }
    if (!sound)
        c4pi_die(rt, C4P_ERR_DATA, "checkpoint %s: a chare or section of it makes no sense",
                 rt->ckpt ? rt->ckpt->dir : "");
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* ---- the end ---------------------------------------------------------------------------------- */

void
c4pi_restart_forget(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    for (int i = 0; i < ckpt->num_files; i++)
        c4pi_setfile_unload(&ckpt->files[i]);
    c4pi_free(rt->port, ckpt->files, (size_t)ckpt->num_files * sizeof *ckpt->files);
    ckpt->files = NULL;
    ckpt->num_files = 0;
    c4pi_regroup_forget(rt);
    c4pi_manifest_fini(rt, &ckpt->manifest);
    c4p_msg_free(ckpt->manifest_bytes);
    ckpt->manifest_bytes = NULL;
}

static void
over(c4p_rt_t *rt, c4p_status_t result)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4pi_restart_forget(rt);
    c4pi_map_fini(&ckpt->sent);
    c4pi_map_fini(&ckpt->counts);
    c4pi_map_fini(&ckpt->states);
    ckpt->result = result;
    ckpt->restarting = false;
    ckpt->over = true;
    rt->stop = true;
}

static void
open_coll(c4p_rt_t *rt, const c4pi_coll_desc_t *desc)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, desc->id);
    uint64_t count = (uintptr_t)c4pi_map_get(&rt->ckpt->counts, desc->id);
    bool group = desc->kind == C4P_KIND_GROUP, chare = desc->kind == C4P_KIND_CHARE;
    if ((group && coll->count != 1) || (chare && coll->root == rt->rank && count != 1))
        c4pi_die(rt, C4P_ERR_DATA, "checkpoint %s has no chare of %s for rank %d", rt->ckpt->dir,
                 c4pi_coll_label(coll), rt->rank);
    if (coll->root == rt->rank)
        c4pi_grow_restored(coll, group ? (uint64_t)rt->num_ranks : count, desc->known,
                           desc->dynamic);
}

void
c4pi_restart_open(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    const c4pi_manifest_t *m = &rt->ckpt->manifest;
    (void)order, (void)outcome;
    for (uint64_t i = 0; i < m->num_colls; i++)
        open_coll(rt, &m->colls[i]);
    c4pi_regroup_all(rt);
}

/* The host may now wait for others by other means: what they wait for has been passed on. */
void
c4pi_restart_opened(c4p_rt_t *rt, c4pi_outcome_t *outcome)
{
    (void)outcome;
    over(rt, C4P_OK);
}

void
c4pi_restart_stop(c4p_rt_t *rt, c4p_pup_t *order, c4pi_outcome_t *outcome)
{
    (void)outcome;
    rt->phase = C4PI_PHASE_ENDED;
    over(rt, (c4p_status_t)c4p_get_u32(order));
}

/* ---- rank 0 goes from step to step ------------------------------------------------------------ */

static void
stop(c4p_rt_t *rt, const c4pi_outcome_t *outcome)
{
    c4p_pup_t p;
    c4pi_log(rt->port, C4P_LOG_ERROR,
             "error[C4P-E%d] cannot go on from the checkpoint: rank %d: %s", (int)outcome->status,
             outcome->rank, outcome->why);
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, (uint32_t)outcome->status);
    c4pi_round_begin(rt, C4PI_ORDER_STOP, &p);
}

static void
next_step(c4p_rt_t *rt, uint64_t created)
{
    uint32_t step = rt->ckpt->step;
    c4p_pup_t p;
    (void)created;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, step);
    c4pi_round_begin(rt, step < NUM_SPREADS ? C4PI_ORDER_SPREAD : C4PI_ORDER_OPEN, &p);
}

void
c4pi_restart_step_over(c4p_rt_t *rt, c4pi_outcome_t *outcome)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4p_pup_t p;
    if (outcome->status != C4P_OK) {
        stop(rt, outcome);
        return;
    }
    switch (ckpt->rounds.order) {
    case C4PI_ORDER_LOAD:
        c4pi_pup_pack_init(&p, &rt->msgs);
        c4p_put_u8(&p, 0);
        c4pi_round_begin(rt, C4PI_ORDER_MAKE, &p);
        break;
    case C4PI_ORDER_MAKE:
        ckpt->step = 0;
        next_step(rt, 0);
        break;
    default:
        ckpt->step++;
        c4pi_wave_call(rt, next_step);
    }
}
