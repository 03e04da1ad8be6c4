/* SPDX-License-Identifier: Apache-2.0 */
#include "joined.h"

/* An entry as calls of a section see it whose proxy is of another class. */
typedef struct c4pe_joined {
    c4pe_entry_t entry; /* borrows everything but func */
    const c4pe_entry_t *first;
    struct c4pe_joined *next;
} joined_t;

static joined_t *
joined_new(c4pe_entry_t *entry, const c4pe_entry_t *first)
{
    joined_t *joined = PyMem_Calloc(1, sizeof(*joined));
    if (joined == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    joined->first = first;
    joined->entry = *entry;
    joined->entry.func = NULL;
    joined->entry.func_version = 0;
    joined->entry.joined = NULL;
    joined->entry.cond = first->cond;
    joined->entry.params = first->params;
    joined->entry.defaults = first->defaults;
    joined->entry.kwonly = first->kwonly;
    joined->entry.nparams = first->nparams;
    joined->entry.nrequired = first->nrequired;
    joined->next = entry->joined;
    entry->joined = joined;
    return joined;
}

c4pe_entry_t *
c4pe_joined_entry(c4pe_entry_t *entry, uint32_t tag)
{
    uint32_t id = (tag & C4PE_TAG_CLASSES) / C4PE_TAG_CLASS - 1;
    if (id == entry->cls->id)
        return entry;
    c4pe_class_t *cls = c4pe_class_by_id(entry->state, id);
    const c4pe_entry_t *first = cls ? c4pe_class_entry(cls, entry->name) : NULL;
    if (first == NULL)
        return entry;
    bool suspends = first->flags & (C4PE_CORO | C4PE_ASYNC);
    if (first->cond == NULL && entry->cond == NULL && !suspends)
        return entry;
    joined_t *joined = entry->joined;
    while (joined != NULL && joined->first != first)
        joined = joined->next;
    if (joined == NULL && (joined = joined_new(entry, first)) == NULL)
        return NULL;
    joined->entry.flags = entry->flags | (suspends ? C4PE_CORO : 0); /* they may have changed */
    return &joined->entry;
}

void
c4pe_joined_free(c4pe_entry_t *entry)
{
    while (entry->joined != NULL) {
        joined_t *joined = entry->joined;
        entry->joined = joined->next;
        Py_CLEAR(joined->entry.func);
        PyMem_Free(joined);
    }
}
