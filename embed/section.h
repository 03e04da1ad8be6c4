/* SPDX-License-Identifier: Apache-2.0 */
/* section.h: sections: making them of members, and asking the members of a collection who they are.
 * What cutting and joining mean is decided in the package (_sections.py). Main thread with the
 * interpreter lock held. */
#ifndef C4PE_SECTION_H
#define C4PE_SECTION_H

#include "state.h"

/* section_new(proxy, members) and section_members(proxy, func) of the module, see _c4py.pyi. */
PyObject *c4pe_section_new(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_section_members(c4pe_state_t *st, PyObject *args);

/* c4p_entry_fn_t, reserved: answer with (own proxy, func(self)). */
void c4pe_section_on_member(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);

#endif
