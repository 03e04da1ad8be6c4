/* SPDX-License-Identifier: Apache-2.0 */
/* sim_scenarios.h: the scenarios, by the file that defines them; simrun.c lists them. */
#ifndef C4PT_SIM_SCENARIOS_H
#define C4PT_SIM_SCENARIOS_H

#include "sim/sim_driver.h"

/* mix.c */
extern const sim_scenario_t sim_storm, sim_churn, sim_replace, sim_shout, sim_await, sim_reduce,
    sim_create, sim_quiet, sim_mix, sim_exit, sim_choir, sim_sync, sim_point, sim_whole,
    sim_balance;
/* stall.c */
extern const sim_scenario_t sim_stall, sim_patient, sim_idle, sim_visited;
/* small.c */
extern const sim_scenario_t sim_priority, sim_mistake, sim_differ, sim_token, sim_fill;

#endif
