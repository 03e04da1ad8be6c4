/* SPDX-License-Identifier: Apache-2.0 */
/* core_world.h: a runtime without a transport, for tests of the modules that send nothing. */
#ifndef C4PT_CORE_WORLD_H
#define C4PT_CORE_WORLD_H

#include "api/assemble.h"
#include "base/port_sim.h"
#include "core/collection.h"
#include "support/test.h"

typedef struct core_world {
    c4pi_simworld_t sim;
    c4p_rt_t *rt;
    c4p_type_t type;
} core_world_t;

static c4p_status_t
core_world_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args, (void)ctx, (void)object_out;
    return C4P_OK;
}

static inline void
core_world_begin(core_world_t *w, int rank, int num_ranks, uint32_t loc_cache, uint64_t base)
{
    c4p_opts_t opts = {.struct_size = sizeof opts,
                       .loc_cache = loc_cache,
                       .counter_base = base,
                       .bcast_log = 64,
                       .stall_after_ms = 500};
    c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "Cell", .construct = core_world_construct};
    c4pi_simworld_init(&w->sim, NULL);
    CHECK_OK(c4pi_rt_new(c4pi_port_sim_new(&w->sim, rank, num_ranks), &opts, &w->rt));
    w->rt->rank = rank;
    w->rt->num_ranks = num_ranks;
    CHECK_OK(c4p_type_add(w->rt, &desc, &w->type));
}

static inline void
core_world_end(core_world_t *w)
{
    c4pi_rt_free(w->rt);
    CHECK_EQ(0, w->sim.live_blocks);
    c4pi_simworld_fini(&w->sim);
}

/* A collection; `proto` has kind, dims, dense and so on. */
static inline c4pi_coll_t *
core_world_coll(core_world_t *w, c4pi_coll_t proto)
{
    static uint64_t serial = 1;
    c4pi_coll_t *coll;
    uint64_t n = 1;
    proto.id = c4pi_coll_id(0, serial++);
    proto.type = c4pi_registry_type(w->rt->registry, w->type);
    proto.ndims = proto.ndims ? proto.ndims : 1;
    CHECK_OK(c4pi_coll_new(w->rt, &proto, &coll));
    for (int d = 0; proto.dense && d < proto.ndims; d++)
        n *= (uint64_t)proto.dims[d];
    coll->num_static = proto.dense ? n : 0;
    return coll;
}

static inline c4p_key_t
key_of(int ndims, int64_t a, int64_t b, int64_t c)
{
    c4p_index_t index = {.ndims = ndims, .at = {a, b, c}};
    c4p_key_t key;
    CHECK_OK(c4p_index_pack(&index, &key));
    return key;
}

#endif
