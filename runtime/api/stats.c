/* SPDX-License-Identifier: Apache-2.0 */
/* stats.c: c4p_stats(), which goes through all that is kept and counts. */
#include <c4p/stats.h>

#include <string.h>

#include "core/location.h"
#include "svc/bcast.h"

static void
count_locations(const c4pi_coll_t *coll, c4p_stats_t *stats)
{
    size_t at = 0;
    void *object;
    while (c4pi_keymap_next(&coll->locs, &at, &object)) {
        const c4pi_loc_t *loc = object;
        stats->locations++;
        stats->homes += (loc->flags & C4PI_LOC_HOME) != 0;
        stats->pointers += (loc->flags & C4PI_LOC_POINTER) != 0;
        stats->held += loc->held.count;
    }
}

static void
count_in(c4pi_coll_t *coll, c4p_stats_t *stats)
{
    if (coll->kind != C4P_KIND_SECTION)
        stats->elements += coll->count;
    stats->broadcasts += c4pi_bcast_kept(coll, &stats->departures);
    count_locations(coll, stats);
}

c4p_status_t
c4p_stats(c4p_rt_t *rt, c4p_stats_t *stats_out)
{
    size_t at = 0;
    uint64_t id;
    void *coll;
    c4pi_flow_counts_t counts;
    if (!rt || !stats_out || stats_out->struct_size < sizeof stats_out->struct_size)
        return C4P_ERR_ARG;
    c4pi_flow_counts(rt->flow, &counts);
    c4p_stats_t stats = {.struct_size = stats_out->struct_size,
                         .caches = rt->num_loc_caches,
                         .queued = c4pi_queue_count(&rt->queue),
                         .messages = rt->msgs.live,
                         .sent = counts.all_sent,
                         .sent_bytes = counts.bytes_sent};
    while (c4pi_map_next(&rt->colls, &at, &id, &coll))
        count_in(coll, &stats);
    memcpy(stats_out, &stats, stats.struct_size < sizeof stats ? stats.struct_size : sizeof stats);
    return C4P_OK;
}
