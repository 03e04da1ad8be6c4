/* SPDX-License-Identifier: Apache-2.0 */
/* scenarios.c: the list of all scenarios. */
#include "sim/sim_scenarios.h"

const sim_scenario_t *const sim_scenarios[] = {
    &sim_storm,  &sim_churn, &sim_shout,   &sim_await,   &sim_reduce,  &sim_create,   &sim_quiet,
    &sim_mix,    &sim_exit,  &sim_stall,   &sim_patient, &sim_idle,    &sim_priority, &sim_mistake,
    &sim_differ, &sim_token, &sim_fill,    &sim_replace, &sim_visited, &sim_choir,    &sim_sync,
    &sim_point,  &sim_whole, &sim_balance, NULL,
};
