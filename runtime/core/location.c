/* SPDX-License-Identifier: Apache-2.0 */
#include "core/location.h"

static bool
is_cache(const c4pi_loc_t *loc)
{
    return loc->flags == 0 && loc->held.count == 0;
}

static void
leave_cache(c4pi_loc_t *loc)
{
    if (!c4pi_list_empty(&loc->lru)) {
        c4pi_list_remove(&loc->lru);
        loc->coll->rt->num_loc_caches--;
    }
}

void
c4pi_loc_drop(c4pi_loc_t *loc)
{
    c4pi_coll_t *coll = loc->coll;
    leave_cache(loc);
    c4pi_keymap_remove(&coll->locs, loc->key);
    c4pi_pool_put(&coll->rt->loc_pool, loc);
}

static void
enter_cache(c4pi_loc_t *loc)
{
    c4p_rt_t *rt = loc->coll->rt;
    if (c4pi_version_none(loc->version)) {
        c4pi_loc_drop(loc); /* knows nothing and holds nothing */
        return;
    }
    if (!c4pi_list_empty(&loc->lru))
        return;
    c4pi_list_push(&rt->loc_caches, &loc->lru);
    rt->num_loc_caches++;
    while (rt->num_loc_caches > rt->opts.loc_cache)
        c4pi_loc_drop(C4PI_CONTAINER(rt->loc_caches.next, c4pi_loc_t, lru));
}

void
c4pi_loc_settle(c4pi_loc_t *loc)
{
    if (is_cache(loc))
        enter_cache(loc);
    else
        leave_cache(loc);
}

c4pi_loc_t *
c4pi_loc_need(c4pi_coll_t *coll, c4p_key_t key)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    if (loc)
        return loc;
    c4p_rt_t *rt = coll->rt;
    loc = c4pi_pool_get(&rt->loc_pool);
    if (loc) {
        *loc = (c4pi_loc_t){.key = key, .coll = coll, .rank = -1};
        c4pi_list_init(&loc->lru);
    }
    if (!loc || c4pi_keymap_add(&coll->locs, loc) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for one more location entry");
    return loc;
}

c4pi_loc_t *
c4pi_loc_learn(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, int rank)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    if (loc && !c4pi_version_newer(version, loc->version))
        return NULL;
    loc = loc ? loc : c4pi_loc_need(coll, key);
    loc->version = version;
    loc->rank = rank;
    return loc;
}

void
c4pi_loc_set(c4pi_loc_t *loc, uint32_t flags)
{
    loc->flags |= flags;
    leave_cache(loc);
}

void
c4pi_loc_clear(c4pi_loc_t *loc, uint32_t flags)
{
    loc->flags &= ~flags;
    c4pi_loc_settle(loc);
}

void
c4pi_loc_free_all(c4pi_coll_t *coll)
{
    size_t at = 0;
    void *object;
    while (c4pi_keymap_next(&coll->locs, &at, &object)) {
        c4pi_loc_t *loc = object;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&loc->held)) != NULL;)
            c4pi_msg_drop(msg);
        leave_cache(loc);
        c4pi_pool_put(&coll->rt->loc_pool, loc);
    }
    c4pi_keymap_fini(&coll->locs);
    c4pi_keymap_init(&coll->locs, coll->rt->port);
}
