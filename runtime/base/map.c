/* SPDX-License-Identifier: Apache-2.0 */
/* map.c: the two hash maps. They share the shape of their code, not the code: a slot of one is a
 * pair, of the other a pointer. */
#include "base/map.h"

enum { FIRST_CAPACITY = 16 };

/* Both grow before more than 3/4 of the slots are taken and shrink when fewer than 1/8 are. */
static bool
is_full(size_t count, size_t capacity)
{
    return count >= capacity / 4 * 3;
}

static bool
is_sparse(size_t count, size_t capacity)
{
    return capacity > FIRST_CAPACITY && count < capacity / 8;
}

/* May the entry in slot `from`, whose first choice is `ideal`, fill the hole? Only if that does not
 * put it before its first choice. */
static bool
may_fill(size_t hole, size_t from, size_t ideal, size_t mask)
{
    return ((from - ideal) & mask) >= ((from - hole) & mask);
}

/* ---- uint64 -> pointer ----------------------------------------------------------------------- */

void
c4pi_map_init(c4pi_map_t *map, c4pi_port_t *port)
{
    *map = (c4pi_map_t){.port = port};
}

void
c4pi_map_fini(c4pi_map_t *map)
{
    c4pi_free(map->port, map->slots, map->capacity * sizeof(*map->slots));
    c4pi_map_init(map, map->port);
}

/* The slot that holds the key, or the free one where it belongs. There is always a free one. */
static size_t
map_find(const c4pi_map_t *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)c4pi_hash_u64(key) & mask;
    while (map->slots[i].value && map->slots[i].key != key)
        i = (i + 1) & mask;
    return i;
}

static c4p_status_t
map_resize(c4pi_map_t *map, size_t capacity)
{
    c4pi_map_t to = {.port = map->port, .capacity = capacity, .count = map->count};
    if (capacity > SIZE_MAX / sizeof(*to.slots))
        return C4P_ERR_NOMEM;
    to.slots = c4pi_calloc(map->port, capacity * sizeof(*to.slots));
    if (!to.slots)
        return C4P_ERR_NOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value)
            to.slots[map_find(&to, map->slots[i].key)] = map->slots[i];
    }
    c4pi_free(map->port, map->slots, map->capacity * sizeof(*map->slots));
    *map = to;
    return C4P_OK;
}

void *
c4pi_map_get(const c4pi_map_t *map, uint64_t key)
{
    return map->count ? map->slots[map_find(map, key)].value : NULL;
}

c4p_status_t
c4pi_map_put(c4pi_map_t *map, uint64_t key, void *value)
{
    if (map->capacity) {
        struct c4pi_map_slot *slot = &map->slots[map_find(map, key)];
        if (slot->value) {
            slot->value = value;
            return C4P_OK;
        }
    }
    if (is_full(map->count, map->capacity)) {
        c4p_status_t st = map_resize(map, map->capacity ? 2 * map->capacity : FIRST_CAPACITY);
        if (st != C4P_OK)
            return st;
    }
    map->slots[map_find(map, key)] = (struct c4pi_map_slot){.key = key, .value = value};
    map->count++;
    return C4P_OK;
}

void *
c4pi_map_remove(c4pi_map_t *map, uint64_t key)
{
    if (!map->count)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = map_find(map, key);
    void *value = map->slots[hole].value;
    if (!value)
        return NULL;
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        if (may_fill(hole, i, (size_t)c4pi_hash_u64(map->slots[i].key) & mask, mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    if (is_sparse(map->count, map->capacity))
        (void)map_resize(map, map->capacity / 2); /* without memory it just stays large */
    return value;
}

bool
c4pi_map_next(const c4pi_map_t *map, size_t *at, uint64_t *key_out, void **value_out)
{
    while (*at < map->capacity) {
        const struct c4pi_map_slot *slot = &map->slots[(*at)++];
        if (slot->value) {
            *key_out = slot->key;
            *value_out = slot->value;
            return true;
        }
    }
    return false;
}

/* ---- chare key -> object that starts with it ------------------------------------------------- */

void
c4pi_keymap_init(c4pi_keymap_t *map, c4pi_port_t *port)
{
    *map = (c4pi_keymap_t){.port = port};
}

void
c4pi_keymap_fini(c4pi_keymap_t *map)
{
    c4pi_free(map->port, map->slots, map->capacity * sizeof(*map->slots));
    c4pi_keymap_init(map, map->port);
}

static c4p_key_t
object_key(const void *object)
{
    return *(const c4p_key_t *)object;
}

static size_t
keymap_find(const c4pi_keymap_t *map, c4p_key_t key)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)c4pi_hash_key(key) & mask;
    while (map->slots[i] && !c4p_key_eq(object_key(map->slots[i]), key))
        i = (i + 1) & mask;
    return i;
}

static c4p_status_t
keymap_resize(c4pi_keymap_t *map, size_t capacity)
{
    c4pi_keymap_t to = {.port = map->port, .capacity = capacity, .count = map->count};
    if (capacity > SIZE_MAX / sizeof(*to.slots))
        return C4P_ERR_NOMEM;
    to.slots = c4pi_calloc(map->port, capacity * sizeof(*to.slots));
    if (!to.slots)
        return C4P_ERR_NOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i])
            to.slots[keymap_find(&to, object_key(map->slots[i]))] = map->slots[i];
    }
    c4pi_free(map->port, map->slots, map->capacity * sizeof(*map->slots));
    *map = to;
    return C4P_OK;
}

c4p_status_t
c4pi_keymap_reserve(c4pi_keymap_t *map, size_t count)
{
    size_t capacity = map->capacity ? map->capacity : FIRST_CAPACITY;
    while (count > capacity / 4 * 3) {
        if (capacity > SIZE_MAX / 2)
            return C4P_ERR_NOMEM;
        capacity *= 2;
    }
    return capacity == map->capacity ? C4P_OK : keymap_resize(map, capacity);
}

c4p_status_t
c4pi_keymap_add(c4pi_keymap_t *map, void *object)
{
    if (is_full(map->count, map->capacity)) {
        c4p_status_t st = keymap_resize(map, map->capacity ? 2 * map->capacity : FIRST_CAPACITY);
        if (st != C4P_OK)
            return st;
    }
    map->slots[keymap_find(map, object_key(object))] = object;
    map->count++;
    return C4P_OK;
}

void *
c4pi_keymap_remove(c4pi_keymap_t *map, c4p_key_t key)
{
    if (!map->count)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = keymap_find(map, key);
    void *object = map->slots[hole];
    if (!object)
        return NULL;
    for (size_t i = (hole + 1) & mask; map->slots[i]; i = (i + 1) & mask) {
        if (may_fill(hole, i, (size_t)c4pi_hash_key(object_key(map->slots[i])) & mask, mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = NULL;
    map->count--;
    if (is_sparse(map->count, map->capacity))
        (void)keymap_resize(map, map->capacity / 2);
    return object;
}

bool
c4pi_keymap_next(const c4pi_keymap_t *map, size_t *at, void **object_out)
{
    while (*at < map->capacity) {
        void *object = map->slots[(*at)++];
        if (object) {
            *object_out = object;
            return true;
        }
    }
    return false;
}
