/* SPDX-License-Identifier: Apache-2.0 */
/* section.h: some members of one or several collections, as a target of broadcasts and for
 * reductions among them. */
#ifndef C4P_SECTION_H
#define C4P_SECTION_H

#include <c4p/collective.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A section of n >= 1 members, in this order; one that occurs again is left out. Any rank; does not
 * block: messages for the section wait until it is known where they are. `type`: whose entry
 * methods broadcasts to the section name; members of another type run theirs of the same name.
 * Members may be of collections that this rank has not heard of. *section_out serves as the
 * collection of c4p_bcast() and as the target of reductions; its members have no elements of it:
 * c4p_send() to it is refused. Each member runs each broadcast to the section once, in the order of
 * its numbers; one that was inserted into an array after elements of that were deleted may run
 * them out of order while it moves. Lives as long as the runtime. Returns: C4P_OK; C4P_ERR_ARG
 * without members or when a member is a section; C4P_ERR_RANGE for a group element that does not
 * exist; C4P_ERR_NOT_FOUND for an unknown type; C4P_ERR_LIMIT; C4P_ERR_STATE. Cost: O(n), and a
 * message to each member.
 */
C4P_API c4p_status_t c4p_section_new(c4p_rt_t *rt, c4p_type_t type, const c4p_ref_t *members,
                                     size_t n, c4p_coll_t *section_out);

/**
 * As c4p_contribute(), to a reduction over the section: the n-th contribution of each member makes
 * the n-th reduction, also while members move. Returns also C4P_ERR_NOT_FOUND if self does not live
 * on this rank and, on the rank that made the section, if it is no member; elsewhere such a
 * contribution ends the job with a report.
 */
C4P_API c4p_status_t c4p_section_contribute(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self,
                                            const c4p_reduce_t *how, const void *data, size_t len,
                                            const c4p_target_t *target);

#ifdef __cplusplus
}
#endif
#endif
