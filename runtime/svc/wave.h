/* SPDX-License-Identifier: Apache-2.0 */
/* wave.h: counting waves over all ranks, and what is decided by them: quiescence, stall, the end of
 * the job.
 *
 * Rank 0 runs one wave at a time down and up a tree of ranks. A rank answers when it has nothing to
 * run and has sent what it held back. Quiescent is the job when two successive waves see created =
 * processed with equal sums (four counters: Mattern 1987; tests/models/qd.pml, variant 3). Waves
 * run while somebody waits for quiescence, when the job has been quiet for a while (is it
 * stalled?), and after exit was decided, then over all messages sent and received, until the
 * network is empty. Wave messages themselves are not counted. Pump thread only. */
#ifndef C4PI_WAVE_H
#define C4PI_WAVE_H

#include <c4p/collective.h>

#include "core/rt.h"

c4p_status_t c4pi_waves_new(c4p_rt_t *rt);
void c4pi_waves_free(c4p_rt_t *rt);

/* Tell `target` at the next quiescence. */
void c4pi_wave_request(c4p_rt_t *rt, const c4p_target_t *target);

/* Rank 0: call fn at the next quiescence, with how much work had been created in all. */
void c4pi_wave_call(c4p_rt_t *rt, void (*fn)(c4p_rt_t *rt, uint64_t created));

/* Ask rank 0 to end the job. */
void c4pi_exit_ask(c4p_rt_t *rt, int code);

/* The scheduler has nothing to run: flush what was held back, answer a waiting wave, start one if
 * it is time. True if there is new work. */
bool c4pi_waves_idle(c4p_rt_t *rt, uint64_t now_ns);

/* Everything that waits on this rank and would never wake by itself. */
uint64_t c4pi_count_waiters(c4p_rt_t *rt);

#endif
