/* SPDX-License-Identifier: Apache-2.0 */
#include "core/collection.h"

#include <stdio.h>
#include <string.h>

#include "core/load.h"
#include "core/location.h"
#include "core/newborn.h"

typedef struct home_memo {
    c4p_key_t key;
    int rank;
} home_memo_t;

enum { MAX_HOME_MEMOS = 1 << 16 };

c4pi_coll_t *
c4pi_coll_find_slow(c4p_rt_t *rt, c4p_coll_t id)
{
    c4pi_coll_t *coll = c4pi_map_get(&rt->colls, id);
    if (coll)
        rt->last_coll = coll;
    return coll;
}

c4p_status_t
c4pi_coll_new(c4p_rt_t *rt, const c4pi_coll_t *proto, c4pi_coll_t **coll_out)
{
    c4pi_coll_t *coll = c4pi_calloc(rt->port, sizeof *coll);
    if (!coll)
        return C4P_ERR_NOMEM;
    *coll = *proto;
    coll->rt = rt;
    coll->root = c4pi_coll_root(rt, coll->id);
    coll->args = NULL;
    coll->vec = NULL;
    coll->count = coll->vec_cap = coll->removals = 0;
    c4pi_keymap_init(&coll->elems, rt->port);
    c4pi_keymap_init(&coll->locs, rt->port);
    c4pi_keymap_init(&coll->homes, rt->port);
    c4pi_keymap_init(&coll->newborns, rt->port);
    c4pi_coll_guard(coll);
    coll->first_nonce = (uint32_t)rt->opts.counter_base;
    if (!coll->first_nonce)
        coll->first_nonce = 1;
    coll->next_nonce = coll->first_nonce + 1;
    coll->next_nonce += coll->next_nonce == 0; /* 0, 0 is no version */
    coll->bcast = NULL;
    coll->redn = NULL;
    coll->grow = NULL;
    c4p_status_t st = c4pi_map_put(&rt->colls, coll->id, coll);
    if (st != C4P_OK) {
        c4pi_free(rt->port, coll, sizeof *coll);
        return st;
    }
    *coll_out = coll;
    return C4P_OK;
}

void
c4pi_coll_guard(c4pi_coll_t *coll)
{
    bool group = coll->kind == C4P_KIND_GROUP;
    bool watched = coll->rt->load != NULL;
    coll->guarded = watched || group || coll->newborns.count || coll->kind == C4P_KIND_SECTION;
    coll->unguarded_below = group && !watched ? (uint64_t)coll->rt->num_ranks : 0;
}

static void
forget_homes(c4pi_coll_t *coll)
{
    size_t at = 0;
    void *memo;
    while (c4pi_keymap_next(&coll->homes, &at, &memo))
        c4pi_free(coll->rt->port, memo, sizeof(home_memo_t));
    c4pi_keymap_fini(&coll->homes);
    c4pi_keymap_init(&coll->homes, coll->rt->port);
}

void
c4pi_coll_free(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    while (coll->count) {
        c4pi_elem_t *elem = coll->vec[coll->count - 1];
        void *object = elem->object;
        elem->queued = 0; /* what waits for its constructor goes with it */
        c4pi_elem_remove(elem);
        if (object && coll->type->desc.destroy)
            coll->type->desc.destroy(rt, object, coll->type->desc.ctx);
    }
    c4pi_loc_free_all(coll);
    c4pi_newborn_free_all(coll);
    forget_homes(coll);
    c4pi_keymap_fini(&coll->elems);
    c4pi_keymap_fini(&coll->locs);
    c4pi_keymap_fini(&coll->homes);
    c4pi_keymap_fini(&coll->newborns);
    c4pi_free(rt->port, coll->vec, coll->vec_cap * sizeof *coll->vec);
    c4p_msg_free(coll->args);
    c4pi_map_remove(&rt->colls, coll->id);
    if (rt->last_coll == coll)
        rt->last_coll = NULL;
    c4pi_free(rt->port, coll, sizeof *coll);
}

/* ---- placement -------------------------------------------------------------------------------- */

void
c4pi_block_of(uint64_t n, int rank, int num_ranks, uint64_t *first_out, uint64_t *count_out)
{
    uint64_t p = (uint64_t)num_ranks, r = (uint64_t)rank;
    uint64_t share = n / p, extra = n % p;
    *first_out = r * share + (r < extra ? r : extra);
    *count_out = share + (r < extra);
}

static int
block_owner(uint64_t n, uint64_t offset, int num_ranks)
{
    uint64_t p = (uint64_t)num_ranks, share = n / p, extra = n % p;
    uint64_t in_big = extra * (share + 1);
    if (offset < in_big)
        return (int)(offset / (share + 1));
    return (int)(extra + (offset - in_big) / share);
}

bool
c4pi_coll_offset(const c4pi_coll_t *coll, c4p_key_t key, uint64_t *offset_out)
{
    c4p_index_t index;
    uint64_t offset = 0;
    if (!coll->dense)
        return false;
    c4p_index_unpack(key, coll->ndims, &index);
    for (int d = 0; d < coll->ndims; d++) {
        if (index.at[d] < 0 || index.at[d] >= coll->dims[d])
            return false;
        offset = offset * (uint64_t)coll->dims[d] + (uint64_t)index.at[d];
    }
    *offset_out = offset;
    return true;
}

c4p_key_t
c4pi_coll_key_at(const c4pi_coll_t *coll, uint64_t offset)
{
    c4p_index_t index = {.ndims = coll->ndims};
    c4p_key_t key = {{0, 0}};
    for (int d = coll->ndims - 1; d >= 0; d--) {
        index.at[d] = (int64_t)(offset % (uint64_t)coll->dims[d]);
        offset /= (uint64_t)coll->dims[d];
    }
    (void)c4p_index_pack(&index, &key); /* dims were checked when the array was made */
    return key;
}

static int
default_home(const c4pi_coll_t *coll, c4p_key_t key)
{
    int p = coll->rt->num_ranks;
    uint64_t offset;
    if (c4pi_coll_offset(coll, key, &offset))
        return block_owner(coll->num_static, offset, p);
    if (coll->ndims == 1) {
        int64_t i = (int64_t)key.w[0] % p;
        return (int)(i < 0 ? i + p : i);
    }
    return (int)(c4pi_hash_key(key) % (uint64_t)p);
}

/* A user's map may be slow (Python): ask it once per index. */
static int
mapped_home(c4pi_coll_t *coll, c4p_key_t key)
{
    c4p_rt_t *rt = coll->rt;
    home_memo_t *memo = c4pi_keymap_get(&coll->homes, key);
    if (memo)
        return memo->rank;
    const c4pi_named_t *map = c4pi_registry_named(rt->registry, C4PI_MAPS, coll->map);
    c4p_index_t index;
    char text[160];
    c4p_index_unpack(key, coll->ndims, &index);
    int rank = map ? map->fn.map(rt, &index, coll->map_arg, map->ctx) : -1;
    if (rank < 0 || rank >= rt->num_ranks) {
        c4pi_log(rt->port, C4P_LOG_ERROR,
                 "placement map '%s' answers rank %d for %s; it must be 0..%d",
                 map ? map->name : "?", rank, c4pi_ref_text(coll, key, text, sizeof text),
                 rt->num_ranks - 1);
        return -1;
    }
    if (coll->homes.count >= MAX_HOME_MEMOS)
        forget_homes(coll);
    memo = c4pi_alloc(rt->port, sizeof *memo);
    if (memo) {
        *memo = (home_memo_t){key, rank};
        if (c4pi_keymap_add(&coll->homes, memo) != C4P_OK)
            c4pi_free(rt->port, memo, sizeof *memo);
    }
    return rank;
}

int
c4pi_coll_home(c4pi_coll_t *coll, c4p_key_t key)
{
    if (coll->kind == C4P_KIND_GROUP)
        return (int)key.w[0];
    if (coll->kind == C4P_KIND_CHARE)
        return coll->chare_rank;
    return coll->map ? mapped_home(coll, key) : default_home(coll, key);
}

/* ---- elements --------------------------------------------------------------------------------- */

c4pi_elem_t *
c4pi_elem_add(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version)
{
    c4p_rt_t *rt = coll->rt;
    if (coll->count == coll->vec_cap) {
        uint32_t cap = coll->vec_cap ? 2 * coll->vec_cap : 4;
        void *vec = c4pi_regrow(rt->port, coll->vec, coll->vec_cap * sizeof *coll->vec,
                                cap * sizeof *coll->vec);
        if (!vec)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for %u elements of %s", cap,
                     c4pi_type_shown(coll->type));
        coll->vec = vec;
        coll->vec_cap = cap;
    }
    c4pi_elem_t *elem = c4pi_pool_get(&rt->elem_pool);
    if (elem) {
        *elem = (c4pi_elem_t){.key = key, .coll = coll, .version = version};
        elem->vec_at = coll->count;
    }
    if (!elem || c4pi_keymap_add(&coll->elems, elem) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for one more element of %s",
                 c4pi_type_shown(coll->type));
    coll->vec[coll->count++] = elem;
    return elem;
}

static void
free_record(c4pi_elem_t *elem)
{
    c4p_rt_t *rt = elem->coll->rt;
    if (elem->extra) {
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&elem->extra->early)) != NULL;)
            c4pi_msg_drop(msg);
        c4p_msg_free(elem->extra->args);
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&elem->extra->ahead)) != NULL;)
            c4pi_msg_drop(msg);
        if (elem->extra->memberships != &elem->extra->one_membership)
            c4pi_free(rt->port, elem->extra->memberships,
                      elem->extra->cap_memberships * sizeof *elem->extra->memberships);
        c4pi_free(rt->port, elem->extra, sizeof *elem->extra);
    }
    c4pi_pool_put(&rt->elem_pool, elem);
}

void
c4pi_elem_remove(c4pi_elem_t *elem)
{
    c4pi_coll_t *coll = elem->coll;
    if (coll->rt->load)
        c4pi_load_forget(coll->rt, elem);
    c4pi_keymap_remove(&coll->elems, elem->key);
    c4pi_elem_t *last = coll->vec[--coll->count];
    coll->vec[elem->vec_at] = last;
    last->vec_at = elem->vec_at;
    coll->removals++;
    elem->state = C4PI_ELEM_GONE;
    elem->object = NULL;
    if (coll->rt->running == elem)
        coll->rt->running = NULL;
    if (elem->queued == 0)
        free_record(elem);
}

c4pi_fifo_t
c4pi_elem_take_ahead(c4pi_elem_t *elem)
{
    c4pi_fifo_t ahead = {0};
    if (elem->extra) {
        ahead = elem->extra->ahead;
        elem->extra->ahead = (c4pi_fifo_t){0};
    }
    return ahead;
}

void
c4pi_elem_release(c4pi_elem_t *elem)
{
    if (--elem->queued == 0 && elem->state == C4PI_ELEM_GONE)
        free_record(elem);
}

static void
membership_add(c4p_rt_t *rt, c4pi_elem_extra_t *extra, c4p_coll_t section)
{
    if (!extra->cap_memberships) {
        extra->memberships = &extra->one_membership;
        extra->cap_memberships = 1;
    } else if (extra->num_memberships == extra->cap_memberships) {
        uint32_t old = extra->cap_memberships, cap = 2 * old;
        c4pi_membership_t *more = c4pi_alloc(rt->port, cap * sizeof *more);
        if (!more)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for one more section of an element");
        memcpy(more, extra->memberships, old * sizeof *more);
        if (extra->memberships != &extra->one_membership)
            c4pi_free(rt->port, extra->memberships, old * sizeof *more);
        extra->memberships = more;
        extra->cap_memberships = cap;
    }
    extra->memberships[extra->num_memberships++] = (c4pi_membership_t){.section = section};
}

c4pi_membership_t *
c4pi_elem_membership_slow(c4pi_elem_t *elem, c4p_coll_t section, bool *new_out)
{
    c4pi_elem_extra_t *extra = c4pi_elem_need_extra(elem);
    c4pi_membership_t *all = extra->memberships;
    uint32_t at = 0;
    while (at < extra->num_memberships && all[at].section != section)
        at++;
    if (new_out)
        *new_out = at == extra->num_memberships;
    if (at == extra->num_memberships)
        membership_add(elem->coll->rt, extra, section);
    all = extra->memberships;
    if (at > 0) {
        c4pi_membership_t found = all[at];
        all[at] = all[0];
        all[0] = found;
    }
    return &all[0];
}

c4pi_elem_extra_t *
c4pi_elem_need_extra(c4pi_elem_t *elem)
{
    if (!elem->extra) {
        c4p_rt_t *rt = elem->coll->rt;
        elem->extra = c4pi_calloc(rt->port, sizeof *elem->extra);
        if (!elem->extra)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for an element of %s",
                     c4pi_type_shown(elem->coll->type));
        elem->extra->corrected_rank = -1;
    }
    return elem->extra;
}

const char *
c4pi_ref_text(c4pi_coll_t *coll, c4p_key_t key, char *buf, size_t size)
{
    c4p_index_t index;
    c4p_index_unpack(key, coll->ndims, &index);
    int at = snprintf(buf, size, "%s", c4pi_type_shown(coll->type));
    if (coll->kind == C4P_KIND_CHARE)
        return buf;
    for (int d = 0; d < coll->ndims && at >= 0 && (size_t)at < size; d++)
        at +=
            snprintf(buf + at, size - (size_t)at, "%s%lld", d ? "," : "(", (long long)index.at[d]);
    if (at >= 0 && (size_t)at < size)
        snprintf(buf + at, size - (size_t)at, ")");
    return buf;
}
