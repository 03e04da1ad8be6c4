/* SPDX-License-Identifier: Apache-2.0 */
/* report.h: what a run says about itself: lines for people, a line of JSON for programs. Rank 0. */
#ifndef LEANMD_REPORT_H
#define LEANMD_REPORT_H

#include "leanmd.h"
#include "rounds.h"

/* Of the state at the beginning of a step. */
typedef struct leanmd_energy {
    int step;
    leanmd_progress_t progress;
    leanmd_work_t work;
} leanmd_energy_t;

typedef struct leanmd_report {
    leanmd_energy_t *energies;
    int num_energies;
    double *ended_s; /* when cell 0 finished each step of this run */
    size_t num_steps, cap_steps;
    uint64_t computes;
    leanmd_rounds_t rounds; /* of load balancing */
} leanmd_report_t;

void leanmd_report_begin(const leanmd_options_t *opt, c4p_rt_t *rt);
void leanmd_report_energy(const leanmd_options_t *opt, const leanmd_energy_t *energy);
/* The result, and the record if one is wanted. */
void leanmd_report_end(const leanmd_options_t *opt, const leanmd_report_t *report, c4p_rt_t *rt);
void leanmd_report_free(leanmd_report_t *report);

#endif
