/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c: names and properties of message kinds, and the check of what came in. */
#include "msg/envelope.h"

#include <string.h>

typedef struct kind_info {
    const char *name;
    bool counted;
} kind_info_t;

static const kind_info_t kinds[C4PI_NUM_KINDS] = {
#define KIND_INFO(kind_name, is_counted)                                                           \
    [C4PI_##kind_name] = {.name = #kind_name, .counted = is_counted},
    C4PI_KIND_LIST(KIND_INFO)
#undef KIND_INFO
};

enum {
    ALL_FLAGS = C4PI_FLAG_LARGE | C4PI_FLAG_RESULT | C4PI_FLAG_ERROR | C4PI_FLAG_EMPTY |
                C4PI_FLAG_WANTS | C4PI_FLAG_ALIVE
};

bool
c4pi_kind_counted(c4pi_kind_t kind)
{
    return (unsigned)kind < C4PI_NUM_KINDS && kinds[kind].counted;
}

const char *
c4pi_kind_name(c4pi_kind_t kind)
{
    return (unsigned)kind < C4PI_NUM_KINDS ? kinds[kind].name : "?";
}

const char *
c4pi_env_check(const void *data, size_t total, int num_ranks)
{
    c4pi_env_t env;
    if (total < sizeof(env))
        return "it is shorter than an envelope";
    memcpy(&env, data, sizeof(env)); /* inside a batch it need not be aligned */
    if (env.kind == C4PI_NONE || env.kind >= C4PI_NUM_KINDS)
        return "its kind is unknown";
    if (env.kind == C4PI_POST || env.kind == C4PI_CONSTRUCT)
        return "its kind never leaves a rank";
    if (env.flags & ~ALL_FLAGS)
        return "it has unknown flags";
    if (env.len != total - sizeof(env))
        return "its length is not what was received";
    if ((uint64_t)env.source >= (uint64_t)num_ranks)
        return "it names a source rank that does not exist";
    return NULL;
}
