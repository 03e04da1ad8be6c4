/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h: how much the runtime keeps on a rank, and has sent. For tests, and for whoever looks for
 * a leak or counts messages. */
#ifndef C4P_STATS_H
#define C4P_STATS_H

#include <c4p/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What c4p_stats() counts. */
typedef struct c4p_stats {
    size_t struct_size;  /**< sizeof(c4p_stats_t) of the caller */
    uint64_t elements;   /**< live here */
    uint64_t locations;  /**< what is known of elements elsewhere; of these entries */
    uint64_t caches;     /**< may be forgotten (C4PY_LOC_CACHE is their bound), */
    uint64_t homes;      /**< are kept as home of an element that is away, */
    uint64_t pointers;   /**< point to where an element went, until its home has confirmed it */
    uint64_t held;       /**< messages that wait for an element to arrive or to be made */
    uint64_t broadcasts; /**< kept for elements that may still have to run them */
    uint64_t departures; /**< elements for which broadcasts are kept while they move */
    uint64_t queued;     /**< messages that wait for their turn */
    uint64_t messages;   /**< all that are not freed, those above included */
    uint64_t sent;       /**< messages to other ranks since the start, the runtime's own included */
    uint64_t sent_bytes; /**< of these, envelopes included */
} c4p_stats_t;

/** Count. O(what is kept). Set struct_size first. Returns: C4P_OK; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_stats(c4p_rt_t *rt, c4p_stats_t *stats_out);

#ifdef __cplusplus
}
#endif
#endif
