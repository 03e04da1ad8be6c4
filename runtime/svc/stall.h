/* SPDX-License-Identifier: Apache-2.0 */
/* stall.h: the report of a job that is quiescent while something waits: every rank lists who waits
 * for what, rank 0 prints it once and, unless told otherwise, ends the job with exit status 75.
 * Called only when wave.h has proved that nothing can happen any more. Pump thread only. */
#ifndef C4PI_STALL_H
#define C4PI_STALL_H

#include "core/rt.h"
#include "msg/pup.h"

/* Lines of text under construction. */
struct c4p_report {
    c4p_rt_t *rt;
    c4p_pup_t text;
    uint32_t lines, more;
};

void c4pi_stall_init(c4p_rt_t *rt);
/* Rank 0: collect, print, end. */
void c4pi_stall_report(c4p_rt_t *rt);

#endif
