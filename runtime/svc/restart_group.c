/* SPDX-License-Identifier: Apache-2.0 */
/* restart_group.c: groups after a restart. On the same number of ranks each element goes on with
 * its own state. On another number all get that of element 0; a type with regroup() then gets the
 * old states, spread over the ranks, to make of them what it should be; of others the root of the
 * group looks whether they differed, and warns. */
#include <stdlib.h>

#include "core/route.h"
#include "svc/checkpoint.h"

static c4p_msg_t *
number_of_state(c4p_rt_t *rt, const c4pi_coll_t *coll, const c4pi_body_t *body)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    c4pi_crc_t tables;
    c4pi_crc_init(&tables);
    uint64_t sum = c4pi_crc_add(&tables, 0, body->data, (size_t)body->len);
    msg->env.kind = C4PI_RESTORE;
    msg->env.entry = C4PI_RESTORE_STATE;
    msg->env.coll = coll->id;
    msg->env.reference = (sum | body->len << 32) | 1; /* not 0, not even */
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    return msg;
}

void
c4pi_regroup_send(c4p_rt_t *rt, const c4pi_coll_t *coll, const c4pi_body_t *body)
{
    uint64_t old = body->key.w[0];
    if (rt->ckpt->manifest.num_ranks == rt->num_ranks) {
        c4pi_restart_send(rt, (int)old, body, body->key, C4PI_RESTORE_ELEMENT);
        return;
    }
    if (coll->type->desc.regroup)
        c4pi_restart_send(rt, (int)(old % (uint64_t)rt->num_ranks), body, body->key,
                          C4PI_RESTORE_OLD);
    else
        c4pi_send_to(rt, coll->root, number_of_state(rt, coll, body));
    for (int rank = 0; old == 0 && rank < rt->num_ranks; rank++)
        c4pi_restart_send(rt, rank, body, (c4p_key_t){{(uint64_t)rank, 0}}, C4PI_RESTORE_ELEMENT);
}

void
c4pi_regroup_compare(c4p_rt_t *rt, const c4pi_coll_t *coll, uint64_t state)
{
    c4pi_map_t *states = &rt->ckpt->states;
    uintptr_t known = (uintptr_t)c4pi_map_get(states, coll->id);
    const uintptr_t several = 2; /* no state has this number */
    if (known == several || known == (uintptr_t)state)
        return;
    if (known)
        c4pi_log(rt->port, C4P_LOG_WARN,
                 "group %s was written by %d ranks, in different states: on each of the %d ranks "
                 "it goes on with that of its element 0",
                 c4pi_coll_label(coll), rt->ckpt->manifest.num_ranks, rt->num_ranks);
    if (c4pi_map_put(states, coll->id, (void *)(known ? several : (uintptr_t)state)) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to restart");
}

void
c4pi_regroup_keep(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    c4p_msg_t **olds =
        c4pi_make_room(rt->port, ckpt->olds, ckpt->num_olds, 1, &ckpt->cap_olds, sizeof *olds);
    if (!olds)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to restart");
    ckpt->olds = olds;
    ckpt->olds[ckpt->num_olds++] = msg;
}

static int
by_group_and_rank(const void *one, const void *other)
{
    const c4p_msg_t *a = *(c4p_msg_t *const *)one, *b = *(c4p_msg_t *const *)other;
    if (a->env.coll != b->env.coll)
        return a->env.coll < b->env.coll ? -1 : 1;
    return (a->env.key.w[0] > b->env.key.w[0]) - (a->env.key.w[0] < b->env.key.w[0]);
}

/* The states of one group, which stand together. */
static void
regroup(c4p_rt_t *rt, c4pi_elem_t *elem, c4p_msg_t **olds, uint32_t count)
{
    const c4p_type_desc_t *desc = &elem->coll->type->desc;
    c4p_pup_t *pups = c4pi_calloc(rt->port, (count + 1) * sizeof *pups);
    c4p_group_state_t *states = c4pi_calloc(rt->port, (count + 1) * sizeof *states);
    c4p_pup_t why;
    if (!pups || !states)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to restart");
    for (uint32_t i = 0; i < count; i++) {
        states[i] = (c4p_group_state_t){(int)olds[i]->env.key.w[0], &pups[i]};
        c4pi_pup_unpack_init(&pups[i], c4pi_msg_payload(olds[i]), (size_t)olds[i]->env.len);
        (void)c4pi_restart_head(&pups[i]);
    }
    c4pi_pup_unpack_init(&why, NULL, 0);
    c4p_status_t st = desc->regroup(rt, elem->object, states, count, &why, desc->ctx);
    if (st != C4P_OK)
        c4pi_die(rt, C4P_ERR_DATA, "group %s cannot go on on %d ranks from checkpoint %s: %s",
                 c4pi_coll_label(elem->coll), rt->num_ranks, rt->ckpt->dir,
                 why.why[0] ? why.why : c4p_strerror(st));
    c4pi_pup_fini(&why);
    for (uint32_t i = 0; i < count; i++)
        c4pi_pup_fini(&pups[i]);
    c4pi_free(rt->port, pups, (count + 1) * sizeof *pups);
    c4pi_free(rt->port, states, (count + 1) * sizeof *states);
}

/* Where the states of a group begin, and how many there are. */
static c4p_msg_t **
olds_of(const c4pi_ckpt_t *ckpt, c4p_coll_t id, uint32_t *count_out)
{
    size_t first = 0, end;
    while (first < ckpt->num_olds && ckpt->olds[first]->env.coll != id)
        first++;
    for (end = first; end < ckpt->num_olds && ckpt->olds[end]->env.coll == id;)
        end++;
    *count_out = (uint32_t)(end - first);
    return *count_out ? ckpt->olds + first : NULL;
}

void
c4pi_regroup_all(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    const c4pi_manifest_t *m = &ckpt->manifest;
    if (m->num_ranks == rt->num_ranks)
        return;
    if (ckpt->num_olds)
        qsort(ckpt->olds, ckpt->num_olds, sizeof *ckpt->olds, by_group_and_rank);
    for (uint64_t i = 0; i < m->num_colls; i++) {
        c4pi_coll_t *coll = c4pi_coll_find(rt, m->colls[i].id);
        uint32_t count;
        if (coll->kind != C4P_KIND_GROUP || !coll->type->desc.regroup)
            continue;
        c4p_msg_t **olds = olds_of(ckpt, coll->id, &count);
        regroup(rt, coll->vec[0], olds, count);
    }
}

void
c4pi_regroup_forget(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    while (ckpt->num_olds)
        c4p_msg_free(ckpt->olds[--ckpt->num_olds]);
    c4pi_free(rt->port, ckpt->olds, ckpt->cap_olds * sizeof *ckpt->olds);
    ckpt->olds = NULL;
    ckpt->cap_olds = 0;
}
