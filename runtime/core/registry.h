/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h: chare types with their entry methods, placement maps, handlers and custom reducers,
 * each by a small number that is the same on all ranks. Looked up on the message path, so the
 * tables are plain arrays. Pump thread only. */
#ifndef C4PI_REGISTRY_H
#define C4PI_REGISTRY_H

#include <c4p/collective.h>
#include <c4p/send.h>

#include "base/port.h"
#include "msg/pup.h"

typedef struct c4pi_entry {
    c4p_entry_fn_t fn;
    void *ctx;
    char *name;
    size_t own_len;        /* ctx is the entry's own, of so many bytes; 0: somebody else's */
    const char *signature; /* in ctx; NULL: not typed */
} c4pi_entry_t;

typedef struct c4pi_type {
    c4p_type_desc_t desc; /* desc.name is owned */
    c4p_type_t id;
    uint32_t name_hash; /* to notice that another rank means another type by this number */
    uint32_t num_entries;
    size_t cap_entries;
    c4pi_entry_t *entries;
    bool said_stays, said_back, said_waits; /* once per type: elements cannot be packed, unpacked,
                                             * or moved now */
} c4pi_type_t;

/* The type's name as messages show it: without the module that stands before it. */
const char *c4pi_type_shown(const c4pi_type_t *type);

/* A named function of one of three sorts; fn's type depends on the table it is in. */
typedef struct c4pi_named {
    char *name;
    union {
        c4p_map_fn_t map;
        c4p_handler_fn_t handler;
        c4p_combine_fn_t combine;
    } fn;
    void *ctx;
} c4pi_named_t;

typedef enum c4pi_named_sort {
    C4PI_MAPS,
    C4PI_HANDLERS,
    C4PI_REDUCERS,
    C4PI_NUM_NAMED
} c4pi_named_sort_t;

typedef struct c4pi_registry c4pi_registry_t;

c4p_status_t c4pi_registry_new(c4pi_port_t *port, c4pi_registry_t **registry_out);
void c4pi_registry_free(c4pi_registry_t *registry);

/* C4P_ERR_EXISTS for a name in use, C4P_ERR_LIMIT, C4P_ERR_NOMEM. */
c4p_status_t c4pi_registry_add_type(c4pi_registry_t *registry, const c4p_type_desc_t *desc,
                                    c4p_type_t *type_out);
/* name is copied; ctx is taken over, if it is its own, after C4P_OK. */
c4p_status_t c4pi_registry_add_entry(c4pi_registry_t *registry, c4p_type_t type,
                                     const c4pi_entry_t *entry, c4p_entry_t *entry_out);
c4pi_type_t *c4pi_registry_type(const c4pi_registry_t *registry, c4p_type_t type); /* NULL: unknown
                                                                                    */

/* Numbers start at 1. `named` is copied, name included. */
c4p_status_t c4pi_registry_add_named(c4pi_registry_t *registry, c4pi_named_sort_t sort,
                                     const c4pi_named_t *named, uint32_t *number_out);
bool c4pi_registry_find_named(const c4pi_registry_t *registry, c4pi_named_sort_t sort,
                              const char *name, uint32_t *number_out);
const c4pi_named_t *c4pi_registry_named(const c4pi_registry_t *registry, c4pi_named_sort_t sort,
                                        uint32_t number); /* NULL:
                                                             unknown
                                                           */

/* All names in order, one "sort name" line each: what the ranks must agree on. */
void c4pi_registry_list(const c4pi_registry_t *registry, c4p_pup_t *p);

static inline c4pi_entry_t *
c4pi_type_entry(const c4pi_type_t *type, c4p_entry_t entry)
{
    return entry < type->num_entries ? &type->entries[entry] : NULL;
}

#endif
