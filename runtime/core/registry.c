/* SPDX-License-Identifier: Apache-2.0 */
#include "core/registry.h"

#include <string.h>

struct c4pi_registry {
    c4pi_port_t *port;
    c4pi_type_t **types; /* by id - 1; separate blocks, since collections point to them */
    uint32_t num_types;
    size_t cap_types;
    struct named_table {
        c4pi_named_t *items;
        uint32_t count;
        size_t cap;
    } named[C4PI_NUM_NAMED];
};

c4p_status_t
c4pi_registry_new(c4pi_port_t *port, c4pi_registry_t **registry_out)
{
    c4pi_registry_t *registry = c4pi_calloc(port, sizeof *registry);
    if (!registry)
        return C4P_ERR_NOMEM;
    registry->port = port;
    *registry_out = registry;
    return C4P_OK;
}

static void
free_string(c4pi_port_t *port, char *s)
{
    if (s)
        c4pi_free(port, s, strlen(s) + 1);
}

static void
free_type(c4pi_port_t *port, c4pi_type_t *type)
{
    for (uint32_t i = 0; i < type->num_entries; i++) {
        c4pi_entry_t *entry = &type->entries[i];
        free_string(port, entry->name);
        if (entry->own_len)
            c4pi_free(port, entry->ctx, entry->own_len);
    }
    c4pi_free(port, type->entries, type->cap_entries * sizeof *type->entries);
    free_string(port, (char *)(uintptr_t)type->desc.name);
    c4pi_free(port, type, sizeof *type);
}

void
c4pi_registry_free(c4pi_registry_t *registry)
{
    if (!registry)
        return;
    c4pi_port_t *port = registry->port;
    for (int sort = 0; sort < C4PI_NUM_NAMED; sort++) {
        struct named_table *table = &registry->named[sort];
        for (uint32_t i = 0; i < table->count; i++)
            free_string(port, table->items[i].name);
        c4pi_free(port, table->items, table->cap * sizeof *table->items);
    }
    for (uint32_t i = 0; i < registry->num_types; i++)
        free_type(port, registry->types[i]);
    c4pi_free(port, registry->types, registry->cap_types * sizeof *registry->types);
    c4pi_free(port, registry, sizeof *registry);
}

/* FNV-1a */
static uint32_t
hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

c4p_status_t
c4pi_registry_add_type(c4pi_registry_t *registry, const c4p_type_desc_t *desc, c4p_type_t *type_out)
{
    for (uint32_t i = 0; i < registry->num_types; i++)
        if (strcmp(registry->types[i]->desc.name, desc->name) == 0)
            return C4P_ERR_EXISTS;
    c4pi_port_t *port = registry->port;
    c4pi_type_t **types = c4pi_make_room(port, registry->types, registry->num_types, 1,
                                         &registry->cap_types, sizeof *types);
    if (!types)
        return C4P_ERR_NOMEM;
    registry->types = types;
    c4pi_type_t *type = c4pi_calloc(port, sizeof *type);
    char *name = c4pi_strdup(port, desc->name);
    if (!type || !name) {
        c4pi_free(port, type, sizeof *type);
        free_string(port, name);
        return C4P_ERR_NOMEM;
    }
    memcpy(&type->desc, desc,
           desc->struct_size < sizeof type->desc ? desc->struct_size : sizeof type->desc);
    type->desc.name = name;
    type->name_hash = hash_of(name);
    types[registry->num_types++] = type;
    type->id = registry->num_types;
    *type_out = type->id;
    return C4P_OK;
}

c4p_status_t
c4pi_registry_add_entry(c4pi_registry_t *registry, c4p_type_t type_id, const c4pi_entry_t *entry,
                        c4p_entry_t *entry_out)
{
    c4pi_type_t *type = c4pi_registry_type(registry, type_id);
    if (!type)
        return C4P_ERR_NOT_FOUND;
    if (type->num_entries >= UINT16_MAX)
        return C4P_ERR_LIMIT;
    c4pi_port_t *port = registry->port;
    c4pi_entry_t *entries = c4pi_make_room(port, type->entries, type->num_entries, 1,
                                           &type->cap_entries, sizeof *entries);
    if (!entries)
        return C4P_ERR_NOMEM;
    type->entries = entries;
    char *name = c4pi_strdup(port, entry->name);
    if (!name)
        return C4P_ERR_NOMEM;
    entries[type->num_entries] = *entry;
    entries[type->num_entries].name = name;
    *entry_out = (c4p_entry_t)type->num_entries++;
    return C4P_OK;
}

const char *
c4pi_type_shown(const c4pi_type_t *type)
{
    const char *dot = strrchr(type->desc.name, '.');
    return dot ? dot + 1 : type->desc.name;
}

c4pi_type_t *
c4pi_registry_type(const c4pi_registry_t *registry, c4p_type_t type)
{
    return type >= 1 && type <= registry->num_types ? registry->types[type - 1] : NULL;
}

bool
c4pi_registry_find_named(const c4pi_registry_t *registry, c4pi_named_sort_t sort, const char *name,
                         uint32_t *number_out)
{
    const struct named_table *table = &registry->named[sort];
    for (uint32_t i = 0; i < table->count; i++) {
        if (strcmp(table->items[i].name, name) != 0)
            continue;
        *number_out = i + 1;
        return true;
    }
    return false;
}

c4p_status_t
c4pi_registry_add_named(c4pi_registry_t *registry, c4pi_named_sort_t sort,
                        const c4pi_named_t *named, uint32_t *number_out)
{
    struct named_table *table = &registry->named[sort];
    uint32_t number;
    if (c4pi_registry_find_named(registry, sort, named->name, &number))
        return C4P_ERR_EXISTS;
    c4pi_named_t *items =
        c4pi_make_room(registry->port, table->items, table->count, 1, &table->cap, sizeof *items);
    if (!items)
        return C4P_ERR_NOMEM;
    table->items = items;
    char *name = c4pi_strdup(registry->port, named->name);
    if (!name)
        return C4P_ERR_NOMEM;
    items[table->count] = *named;
    items[table->count].name = name;
    *number_out = ++table->count;
    return C4P_OK;
}

const c4pi_named_t *
c4pi_registry_named(const c4pi_registry_t *registry, c4pi_named_sort_t sort, uint32_t number)
{
    const struct named_table *table = &registry->named[sort];
    return number >= 1 && number <= table->count ? &table->items[number - 1] : NULL;
}

static void
put_text(c4p_pup_t *p, const char *text)
{
    c4p_put_bytes(p, text, strlen(text));
}

static void
put_line(c4p_pup_t *p, const char *sort, const char *name)
{
    put_text(p, sort);
    put_text(p, name);
    c4p_put_u8(p, '\n');
}

static void
put_entry(c4p_pup_t *p, const c4pi_entry_t *entry)
{
    put_text(p, "entry method ");
    put_text(p, entry->name);
    if (entry->signature) {
        put_text(p, " of ");
        put_text(p, entry->signature);
    }
    c4p_put_u8(p, '\n');
}

void
c4pi_registry_list(const c4pi_registry_t *registry, c4p_pup_t *p)
{
    static const char *const sorts[C4PI_NUM_NAMED] = {"map ", "handler ", "reducer "};
    for (uint32_t i = 0; i < registry->num_types; i++) {
        const c4pi_type_t *type = registry->types[i];
        put_line(p, "chare type ", type->desc.name);
        for (uint32_t k = 0; k < type->num_entries; k++)
            put_entry(p, &type->entries[k]);
    }
    for (int sort = 0; sort < C4PI_NUM_NAMED; sort++)
        for (uint32_t i = 0; i < registry->named[sort].count; i++)
            put_line(p, sorts[sort], registry->named[sort].items[i].name);
}
