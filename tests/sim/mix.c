/* SPDX-License-Identifier: Apache-2.0 */
/* mix.c: scenarios of the random world, each with its own taste. */
#include "sim/sim_scenarios.h"
#include "sim/sim_world.h"

#define WORLD(id, about, ...)                                                                      \
    static const world_params_t id##_params = {__VA_ARGS__};                                       \
    const sim_scenario_t sim_##id = {.name = #id,                                                  \
                                     .what = about,                                                \
                                     .min_ranks = 1,                                               \
                                     .max_ranks = MAX_RANKS,                                       \
                                     .add = world_add,                                             \
                                     .begin = world_begin,                                         \
                                     .end = world_end,                                             \
                                     .params = &id##_params}

#define STATIC_SETS (1 << SET_DENSE | 1 << SET_GROUP | 1 << SET_CHARE)

WORLD(storm, "messages between chares that move, come, go and come again at random",
      .weights = {[OP_SEND] = 12,
                  [OP_CALL] = 3,
                  [OP_MIGRATE] = 8,
                  [OP_INSERT] = 2,
                  [OP_DESTROY] = 2,
                  [OP_REPLACE] = 1,
                  [OP_DONE] = 1},
      .budget = 150, .sets = STATIC_SETS | 1 << SET_MAPPED | 1 << SET_SPARSE, .late = 30,
      .large = 40);
WORLD(churn, "insert, delete and insert again, with messages under way",
      .weights = {[OP_SEND] = 10,
                  [OP_CALL] = 2,
                  [OP_MIGRATE] = 4,
                  [OP_INSERT] = 6,
                  [OP_DESTROY] = 6,
                  [OP_DONE] = 1},
      .budget = 150, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_MAPPED, .late = 30);
WORLD(replace, "delete, insert and send, all from one rank at once",
      .weights = {[OP_SEND] = 8,
                  [OP_CALL] = 2,
                  [OP_SHOUT] = 1,
                  [OP_CONTRIBUTE] = 2,
                  [OP_MIGRATE] = 5,
                  [OP_REPLACE] = 6,
                  [OP_DESTROY] = 2,
                  [OP_INSERT] = 2,
                  [OP_DONE] = 1},
      .budget = 120, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_MAPPED, .late = 30,
      .large = 30);
WORLD(
    shout, "broadcasts while elements move, come and go",
    .weights = {[OP_SEND] = 4, [OP_SHOUT] = 5, [OP_MIGRATE] = 5, [OP_INSERT] = 3, [OP_DESTROY] = 3},
    .budget = 60, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_GROUP);
WORLD(await, "awaited broadcasts, answered at once or later",
      .weights = {[OP_SEND] = 4,
                  [OP_AWAIT] = 5,
                  [OP_SHOUT] = 2,
                  [OP_MIGRATE] = 4,
                  [OP_INSERT] = 2,
                  [OP_DESTROY] = 2},
      .budget = 60, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_GROUP | 1 << SET_CHARE,
      .late = 80);
WORLD(reduce, "reductions while contributors move, come and go",
      .weights = {[OP_SEND] = 6,
                  [OP_CONTRIBUTE] = 10,
                  [OP_MIGRATE] = 5,
                  [OP_INSERT] = 3,
                  [OP_DESTROY] = 3,
                  [OP_DONE] = 1,
                  [OP_SHOUT] = 1},
      .budget = 150, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_GROUP | 1 << SET_GRID);
WORLD(choir, "broadcasts and reductions of sections while members move, come and go",
      .weights = {[OP_SEND] = 6,
                  [OP_SECTION] = 3,
                  [OP_CHANT] = 6,
                  [OP_HYMN] = 2,
                  [OP_OFFER] = 10,
                  [OP_MIGRATE] = 7,
                  [OP_INSERT] = 2,
                  [OP_DESTROY] = 2,
                  [OP_DONE] = 1},
      .budget = 120, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_GROUP | 1 << SET_MAPPED,
      .large = 20);
WORLD(sync, "synchronization points while participants move, come and go",
      .weights = {[OP_SEND] = 8,
                  [OP_READY] = 12,
                  [OP_JOIN] = 1,
                  [OP_MIGRATE] = 6,
                  [OP_INSERT] = 2,
                  [OP_DESTROY] = 2,
                  [OP_CREATE] = 1,
                  [OP_SHOUT] = 1,
                  [OP_DONE] = 1},
      .budget = 120, .sets = 1 << SET_SPARSE | 1 << SET_DENSE | 1 << SET_GROUP, .sync = 150);
WORLD(point, "few participants, always on their way, and one point after the other",
      .weights = {[OP_SEND] = 6,
                  [OP_READY] = 12,
                  [OP_JOIN] = 1,
                  [OP_MIGRATE] = 10,
                  [OP_INSERT] = 1,
                  [OP_DESTROY] = 1},
      .budget = 150, .sets = 1 << SET_DENSE | 1 << SET_CHARE, .sync = 100);
WORLD(balance, "balancing rounds while participants move, come and go",
      .weights = {[OP_SEND] = 8,
                  [OP_CALL] = 2,
                  [OP_READY] = 14,
                  [OP_JOIN] = 1,
                  [OP_MIGRATE] = 4,
                  [OP_INSERT] = 2,
                  [OP_DESTROY] = 2,
                  [OP_CONTRIBUTE] = 2,
                  [OP_SHOUT] = 1,
                  [OP_DONE] = 1},
      .budget = 150, .sets = 1 << SET_DENSE | 1 << SET_SPARSE | 1 << SET_MAPPED | 1 << SET_CHARE,
      .late = 20, .sync = 180, .balanced = true);
WORLD(create, "collections made on all ranks, awaited or not",
      .weights = {[OP_SEND] = 8,
                  [OP_CREATE] = 6,
                  [OP_SHOUT] = 2,
                  [OP_AWAIT] = 2,
                  [OP_CONTRIBUTE] = 4,
                  [OP_MIGRATE] = 2,
                  [OP_INSERT] = 2,
                  [OP_DONE] = 2},
      .budget = 100, .sets = 1 << SET_CHARE, .late = 80, .gated = true);
WORLD(quiet, "quiescence, futures, handlers and posts",
      .weights = {[OP_SEND] = 6,
                  [OP_CALL] = 2,
                  [OP_HANDLER] = 6,
                  [OP_POST] = 4,
                  [OP_WISH] = 4,
                  [OP_QUIET] = 3,
                  [OP_MIGRATE] = 3},
      .budget = 120, .sets = STATIC_SETS, .late = 40, .large = 40);
WORLD(mix, "everything at once",
      .weights = {[OP_SEND] = 12,
                  [OP_CALL] = 4,
                  [OP_SHOUT] = 2,
                  [OP_AWAIT] = 2,
                  [OP_CONTRIBUTE] = 6,
                  [OP_MIGRATE] = 8,
                  [OP_INSERT] = 4,
                  [OP_DESTROY] = 4,
                  [OP_DONE] = 1,
                  [OP_HANDLER] = 2,
                  [OP_POST] = 1,
                  [OP_WISH] = 2,
                  [OP_QUIET] = 1,
                  [OP_CREATE] = 1},
      .budget = 150, .sets = 0x3f, .late = 40, .large = 30);
WORLD(whole, "mix, with sections and synchronization points",
      .weights = {[OP_SEND] = 12,      [OP_CALL] = 4,     [OP_SHOUT] = 2,   [OP_AWAIT] = 2,
                  [OP_CONTRIBUTE] = 6, [OP_MIGRATE] = 10, [OP_INSERT] = 4,  [OP_DESTROY] = 4,
                  [OP_REPLACE] = 1,    [OP_DONE] = 1,     [OP_HANDLER] = 1, [OP_POST] = 1,
                  [OP_WISH] = 1,       [OP_QUIET] = 1,    [OP_CREATE] = 1,  [OP_SECTION] = 2,
                  [OP_CHANT] = 4,      [OP_HYMN] = 1,     [OP_OFFER] = 6,   [OP_JOIN] = 1,
                  [OP_READY] = 8},
      .budget = 180, .sets = 0x3f, .late = 40, .large = 30, .sync = 80);
WORLD(exit, "several ranks end the job in the middle of everything",
      .weights = {[OP_SEND] = 12,
                  [OP_CALL] = 4,
                  [OP_SHOUT] = 2,
                  [OP_AWAIT] = 2,
                  [OP_CONTRIBUTE] = 6,
                  [OP_MIGRATE] = 8,
                  [OP_INSERT] = 4,
                  [OP_DESTROY] = 4,
                  [OP_HANDLER] = 2,
                  [OP_WISH] = 2,
                  [OP_QUIET] = 1,
                  [OP_CREATE] = 1,
                  [OP_EXIT] = 2},
      .budget = 150, .sets = 0x3f, .late = 40, .large = 30);
