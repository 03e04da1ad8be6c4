/* SPDX-License-Identifier: Apache-2.0 */
/* joined.h: entry methods of members of combined sections. A call of a section names a method of
 * one class; a member of another class runs its own of that name, marked as in that class: it waits
 * for that condition, and may suspend if that may. Main thread with the interpreter lock held. */
#ifndef C4PE_JOINED_H
#define C4PE_JOINED_H

#include "state.h"

/* The entry for a call with this tag (of C4PE_TAG_CLASSES): itself, or a record that belongs to it.
 * NULL with MemoryError. */
c4pe_entry_t *c4pe_joined_entry(c4pe_entry_t *entry, uint32_t tag);
/* The class of the entry is going. */
void c4pe_joined_free(c4pe_entry_t *entry);

#endif
