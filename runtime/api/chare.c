/* SPDX-License-Identifier: Apache-2.0 */
/* chare.c: c4p/chare.h: types, collections, insertion, replies. */
#include <c4p/chare.h>
#include <c4p/sync.h>
#include <c4p/future.h>
#include <string.h>

#include "core/load.h"
#include "core/dispatch.h"
#include "core/route.h"
#include "svc/bcast.h"
#include "svc/future.h"
#include "svc/grow.h"
#include "svc/migrate.h"

/* ---- types ------------------------------------------------------------------------------------ */

c4p_status_t
c4p_type_add(c4p_rt_t *rt, const c4p_type_desc_t *desc, c4p_type_t *type_out)
{
    if (!rt || !desc || desc->struct_size < sizeof *desc || !desc->name || !desc->construct ||
        !type_out)
        return C4P_ERR_ARG;
    return c4pi_registry_add_type(rt->registry, desc, type_out);
}

c4p_status_t
c4p_entry_add(c4p_rt_t *rt, c4p_type_t type, const char *name, c4p_entry_fn_t fn, void *ctx,
              c4p_entry_t *entry_out)
{
    if (!rt || !name || !fn || !entry_out)
        return C4P_ERR_ARG;
    c4pi_entry_t entry = {.fn = fn, .ctx = ctx, .name = (char *)(uintptr_t)name};
    return c4pi_registry_add_entry(rt->registry, type, &entry, entry_out);
}

c4p_status_t
c4p_entry_find(const c4p_rt_t *rt, c4p_type_t type_id, const char *name, c4p_entry_t *entry_out)
{
    if (!rt || !name || !entry_out)
        return C4P_ERR_ARG;
    const c4pi_type_t *type = c4pi_registry_type(rt->registry, type_id);
    for (uint32_t i = 0; type && i < type->num_entries; i++)
        if (strcmp(type->entries[i].name, name) == 0) {
            *entry_out = (c4p_entry_t)i;
            return C4P_OK;
        }
    return C4P_ERR_NOT_FOUND;
}

const char *
c4p_type_name(const c4p_rt_t *rt, c4p_type_t type_id)
{
    const c4pi_type_t *type = rt ? c4pi_registry_type(rt->registry, type_id) : NULL;
    return type ? type->desc.name : NULL;
}

const char *
c4p_entry_name(const c4p_rt_t *rt, c4p_type_t type_id, c4p_entry_t entry)
{
    const c4pi_type_t *type = rt ? c4pi_registry_type(rt->registry, type_id) : NULL;
    const c4pi_entry_t *found = type ? c4pi_type_entry(type, entry) : NULL;
    return found ? found->name : NULL;
}

c4p_ref_t
c4p_self(const c4p_rt_t *rt)
{
    return rt ? rt->self : (c4p_ref_t){0, {{0, 0}}};
}

c4p_ref_t
c4p_set_self(c4p_rt_t *rt, c4p_ref_t self)
{
    c4p_ref_t former = c4p_self(rt);
    if (!rt)
        return former;
    c4pi_coll_t *coll = self.coll ? c4pi_coll_find(rt, self.coll) : NULL;
    rt->self = self;
    rt->running = coll ? c4pi_elem_find(coll, self.key) : NULL;
    if (rt->load)
        c4pi_load_switch(rt, rt->running);
    return former;
}

c4p_status_t
c4p_map_add(c4p_rt_t *rt, const char *name, c4p_map_fn_t fn, void *ctx, c4p_map_t *map_out)
{
    if (!rt || !name || !fn || !map_out)
        return C4P_ERR_ARG;
    c4pi_named_t named = {.name = (char *)(uintptr_t)name, .fn.map = fn, .ctx = ctx};
    return c4pi_registry_add_named(rt->registry, C4PI_MAPS, &named, map_out);
}

/* ---- creation --------------------------------------------------------------------------------- */

static c4p_status_t
may_create(const c4p_rt_t *rt, c4p_type_t type)
{
    if (!rt)
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    return c4pi_registry_type(rt->registry, type) ? C4P_OK : C4P_ERR_NOT_FOUND;
}

static c4p_status_t
create(c4p_rt_t *rt, c4pi_coll_t *proto, c4p_type_t type, c4p_msg_t *args, c4p_future_t created)
{
    if (rt->next_coll > 0xffffffffffu)
        return C4P_ERR_LIMIT;
    if (c4p_future_rank(created) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if (args) {
        c4p_status_t st = c4pi_msg_flatten(&args); /* local constructors read it in one piece */
        if (st != C4P_OK)
            return st;
        args->env.source = (uint32_t)rt->rank & 0xffffff;
    }
    proto->id = c4pi_coll_id(rt->rank, rt->next_coll++);
    proto->type = c4pi_registry_type(rt->registry, type);
    return c4pi_grow_create(rt, proto, args, created);
}

c4p_status_t
c4p_group_new(c4p_rt_t *rt, c4p_type_t type, c4p_msg_t *args, c4p_future_t created,
              c4p_coll_t *coll_out)
{
    c4p_status_t st = may_create(rt, type);
    if (st != C4P_OK)
        return st;
    if (!coll_out)
        return C4P_ERR_ARG;
    c4pi_coll_t proto = {.kind = C4P_KIND_GROUP, .ndims = 1, .dense = true};
    proto.dims[0] = rt->num_ranks;
    st = create(rt, &proto, type, args, created);
    if (st == C4P_OK)
        *coll_out = proto.id;
    return st;
}

static c4p_status_t
check_dims(const c4p_array_opts_t *opts)
{
    uint64_t n = 1;
    int64_t max = c4p_index_max(opts->ndims);
    for (int d = 0; opts->dense && d < opts->ndims; d++) {
        if (opts->dims[d] < 0 || opts->dims[d] - 1 > max)
            return C4P_ERR_RANGE;
        if (__builtin_mul_overflow(n, (uint64_t)opts->dims[d], &n) ||
            n > UINT32_MAX * (uint64_t)1024)
            return C4P_ERR_RANGE;
    }
    return C4P_OK;
}

c4p_status_t
c4p_array_new(c4p_rt_t *rt, c4p_type_t type, const c4p_array_opts_t *opts, c4p_msg_t *args,
              c4p_coll_t *coll_out)
{
    c4p_status_t st = may_create(rt, type);
    if (st != C4P_OK)
        return st;
    if (!opts || opts->struct_size < sizeof *opts || !coll_out || opts->ndims < 1 ||
        opts->ndims > C4P_MAX_DIMS)
        return C4P_ERR_ARG;
    if ((st = check_dims(opts)) != C4P_OK)
        return st;
    if (opts->map && !c4pi_registry_named(rt->registry, C4PI_MAPS, opts->map))
        return C4P_ERR_NOT_FOUND;
    c4pi_coll_t proto = {.kind = C4P_KIND_ARRAY,
                         .ndims = opts->ndims,
                         .dense = opts->dense,
                         .map = opts->map,
                         .map_arg = opts->map_arg,
                         .tag = opts->tag,
                         .at_sync = opts->at_sync};
    if (opts->dense)
        memcpy(proto.dims, opts->dims, sizeof proto.dims);
    st = create(rt, &proto, type, args, opts->created);
    if (st == C4P_OK)
        *coll_out = proto.id;
    return st;
}

c4p_status_t
c4p_chare_new(c4p_rt_t *rt, c4p_type_t type, int rank, c4p_msg_t *args, c4p_future_t created,
              c4p_ref_t *ref_out)
{
    c4p_status_t st = may_create(rt, type);
    if (st != C4P_OK)
        return st;
    if (!ref_out)
        return C4P_ERR_ARG;
    if (rank < -1 || rank >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if (rank < 0)
        rank = (int)(rt->next_chare_rank++ % (uint32_t)rt->num_ranks);
    c4pi_coll_t proto = {.kind = C4P_KIND_CHARE, .ndims = 1, .dense = true, .chare_rank = rank};
    proto.dims[0] = 1;
    st = create(rt, &proto, type, args, created);
    if (st == C4P_OK)
        *ref_out = (c4p_ref_t){proto.id, {{0, 0}}};
    return st;
}

/* ---- insertion, deletion ---------------------------------------------------------------------- */

/* A collection named by the user: its creator must be a rank; if it is known here, an array. */
static c4p_status_t
check_array(c4p_rt_t *rt, c4p_coll_t id, c4pi_coll_t **coll_out)
{
    if (!rt || id == 0)
        return C4P_ERR_ARG;
    if (c4pi_coll_creator(id) >= rt->num_creators)
        return C4P_ERR_RANGE;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    *coll_out = c4pi_coll_find(rt, id);
    return *coll_out && (*coll_out)->kind != C4P_KIND_ARRAY ? C4P_ERR_TYPE : C4P_OK;
}

static c4p_status_t
insert(c4p_rt_t *rt, c4p_coll_t id, const c4p_index_t *index, int rank, c4p_msg_t *args,
       c4p_future_t created, bool takes_part)
{
    c4pi_coll_t *coll;
    c4p_key_t key;
    c4p_status_t st = check_array(rt, id, &coll);
    if (st != C4P_OK)
        return st;
    if (!index || (coll && coll->ndims != index->ndims))
        return C4P_ERR_ARG;
    if (rank < -1 || rank >= rt->num_ranks || c4p_future_rank(created) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if ((st = c4p_index_pack(index, &key)) != C4P_OK)
        return st;
    return c4pi_grow_insert(rt, id, key, rank, args, created, takes_part);
}

c4p_status_t
c4p_insert(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index, int rank, c4p_msg_t *args)
{
    return insert(rt, coll, index, rank, args, 0, false);
}

c4p_status_t
c4p_insert_awaited(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index, int rank,
                   c4p_msg_t *args, c4p_future_t created)
{
    return insert(rt, coll, index, rank, args, created, false);
}

c4p_status_t
c4p_insert_participant(c4p_rt_t *rt, c4p_coll_t coll, const c4p_index_t *index, int rank,
                       c4p_msg_t *args)
{
    return insert(rt, coll, index, rank, args, 0, true);
}

c4p_status_t
c4p_done_inserting(c4p_rt_t *rt, c4p_coll_t id)
{
    c4pi_coll_t *coll;
    c4p_status_t st = check_array(rt, id, &coll);
    if (st == C4P_OK)
        c4pi_grow_done(rt, id);
    return st;
}

c4p_status_t
c4p_destroy(c4p_rt_t *rt, c4p_ref_t ref)
{
    c4pi_coll_t *coll;
    c4p_status_t st = check_array(rt, ref.coll, &coll);
    if (st == C4P_OK)
        c4pi_grow_destroy(rt, ref);
    return st;
}

/* ---- questions -------------------------------------------------------------------------------- */

c4p_status_t
c4p_coll_info(const c4p_rt_t *rt, c4p_coll_t id, c4p_coll_info_t *info_out)
{
    if (!rt || !info_out)
        return C4P_ERR_ARG;
    const c4pi_coll_t *coll = c4pi_map_get(&rt->colls, id);
    if (!coll)
        return C4P_ERR_NOT_FOUND;
    *info_out = (c4p_coll_info_t){.kind = coll->kind,
                                  .type = coll->type->id,
                                  .ndims = coll->ndims,
                                  .dense = coll->dense,
                                  .map = coll->map,
                                  .map_arg = coll->map_arg,
                                  .tag = coll->tag};
    memcpy(info_out->dims, coll->dims, sizeof info_out->dims);
    return C4P_OK;
}

static c4pi_elem_t *
local_elem(const c4p_rt_t *rt, c4p_ref_t ref)
{
    const c4pi_coll_t *coll = rt->last_coll && rt->last_coll->id == ref.coll
                                  ? rt->last_coll
                                  : c4pi_map_get(&rt->colls, ref.coll);
    return coll ? c4pi_elem_find(coll, ref.key) : NULL;
}

void *
c4p_local(const c4p_rt_t *rt, c4p_ref_t ref)
{
    const c4pi_elem_t *elem = rt ? local_elem(rt, ref) : NULL;
    return elem && !elem->coll->section ? elem->object : NULL;
}

uint64_t
c4p_local_count(const c4p_rt_t *rt, c4p_coll_t id)
{
    const c4pi_coll_t *coll = rt ? c4pi_map_get(&rt->colls, id) : NULL;
    return coll ? coll->count : 0;
}

c4p_status_t
c4p_suspended(c4p_rt_t *rt, c4p_ref_t self, uint32_t count)
{
    c4pi_elem_t *elem = rt ? local_elem(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    elem->suspended = count;
    if (count == 0 && (elem->flags & (C4PI_ELEM_DOOMED | C4PI_ELEM_LEAVING)))
        c4pi_elem_idle(elem);
    return C4P_OK;
}

c4p_status_t
c4p_migrate(c4p_rt_t *rt, c4p_ref_t self, int rank, const c4p_reply_t *answer)
{
    c4pi_elem_t *elem = rt ? c4pi_elem_local(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    return c4pi_migrate(elem, rank, answer);
}

/* ---- replies ---------------------------------------------------------------------------------- */

c4p_status_t
c4p_reply_take(c4p_rt_t *rt, const c4p_msg_t *msg, c4p_reply_t *reply_out)
{
    (void)msg;
    if (!rt || !reply_out)
        return C4P_ERR_ARG;
    *reply_out = rt->reply;
    rt->reply.kind = C4PI_REPLY_NONE;
    return reply_out->kind ? C4P_OK : C4P_ERR_NOT_FOUND;
}

bool
c4p_reply_wants_value(const c4p_reply_t *reply)
{
    return reply && (reply->kind == C4PI_REPLY_FUTURE || (reply->flags & C4PI_FLAG_WANTS));
}

c4p_status_t
c4p_reply_detach(c4p_rt_t *rt, c4p_reply_t *reply)
{
    if (!rt || !reply || reply->kind > C4PI_REPLY_BCAST)
        return C4P_ERR_ARG;
    if (reply->kind == C4PI_REPLY_BCAST) {
        reply->number = c4pi_bcast_hear(rt, reply);
        reply->kind = C4PI_REPLY_FUTURE;
    }
    return C4P_OK;
}

c4p_status_t
c4p_reply_send(c4p_rt_t *rt, const c4p_reply_t *reply, c4p_msg_t *value, bool is_error)
{
    if (!rt || !reply || reply->kind > C4PI_REPLY_BCAST) {
        c4p_msg_free(value);
        return C4P_ERR_ARG;
    }
    if (rt->phase >= C4PI_PHASE_EXITING || reply->kind == C4PI_REPLY_NONE) {
        c4p_msg_free(value);
        return C4P_OK;
    }
    if (reply->kind == C4PI_REPLY_FUTURE) {
        if (value && c4pi_msg_prepare(&value) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for the value of a call");
        c4pi_future_deliver(rt, reply->number, value, is_error);
        return C4P_OK;
    }
    c4pi_coll_t *coll = c4pi_coll_find(rt, reply->member.coll);
    if (value) {
        value = c4pi_msg_as_bytes(rt, value);
        if (c4pi_msg_flatten(&value) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for the value of a broadcast");
    }
    c4pi_bcast_finished(coll, reply->number, reply->member.key, value, is_error);
    c4p_msg_free(value);
    return C4P_OK;
}
