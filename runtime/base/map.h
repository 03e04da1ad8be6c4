/* SPDX-License-Identifier: Apache-2.0 */
/* map.h: two open-addressing hash maps (linear probing, backward-shift deletion, power-of-two
 * capacity, load <= 3/4, shrinking when mostly empty).
 *
 * c4pi_map: uint64 key -> pointer. c4pi_keymap: 128-bit chare key -> pointer, the key kept in the
 * object itself, so that a slot is one pointer: objects start with a c4p_key_t. Iteration is in
 * insertion-independent slot order: do not let behaviour depend on it; hashing is the same in every
 * run. Values are never NULL. Owner's thread only. */
#ifndef C4PI_MAP_H
#define C4PI_MAP_H

#include "base/port.h"

typedef struct c4pi_map {
    c4pi_port_t *port;
    struct c4pi_map_slot {
        uint64_t key;
        void *value;
    } * slots;
    size_t capacity, count;
} c4pi_map_t;

void c4pi_map_init(c4pi_map_t *map, c4pi_port_t *port);
void c4pi_map_fini(c4pi_map_t *map);                     /* the values stay the caller's */
void *c4pi_map_get(const c4pi_map_t *map, uint64_t key); /* NULL: absent */
/* Insert or replace. C4P_OK or C4P_ERR_NOMEM (then unchanged). */
c4p_status_t c4pi_map_put(c4pi_map_t *map, uint64_t key, void *value);
void *c4pi_map_remove(c4pi_map_t *map, uint64_t key); /* the former value or NULL */
/* Walk: start with *at = 0; false at the end. The map must not change meanwhile, but
 * c4pi_map_remove() of the key just given is allowed if the walk is then repeated from 0. */
bool c4pi_map_next(const c4pi_map_t *map, size_t *at, uint64_t *key_out, void **value_out);

static inline uint64_t
c4pi_hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

static inline uint64_t
c4pi_hash_key(c4p_key_t key)
{
    return c4pi_hash_u64(key.w[0] + 0x632be59bd9b4e019u * key.w[1]);
}

typedef struct c4pi_keymap {
    c4pi_port_t *port;
    void **slots; /* each points to an object whose first member is its c4p_key_t */
    size_t capacity, count;
} c4pi_keymap_t;

void c4pi_keymap_init(c4pi_keymap_t *map, c4pi_port_t *port);
void c4pi_keymap_fini(c4pi_keymap_t *map);
/* Make room for `count` objects in all, so that adding up to that many cannot fail unless some are
 * removed meanwhile. */
c4p_status_t c4pi_keymap_reserve(c4pi_keymap_t *map, size_t count);
/* The object's key must be absent. C4P_OK or C4P_ERR_NOMEM (then unchanged). */
c4p_status_t c4pi_keymap_add(c4pi_keymap_t *map, void *object);
void *c4pi_keymap_remove(c4pi_keymap_t *map, c4p_key_t key);
bool c4pi_keymap_next(const c4pi_keymap_t *map, size_t *at, void **object_out);

static inline void *
c4pi_keymap_get(const c4pi_keymap_t *map, c4p_key_t key)
{
    if (!map->count)
        return NULL;
    size_t mask = map->capacity - 1;
    for (size_t i = (size_t)c4pi_hash_key(key) & mask;; i = (i + 1) & mask) {
        void *object = map->slots[i];
        if (!object || c4p_key_eq(*(const c4p_key_t *)object, key))
            return object;
    }
}

#endif
