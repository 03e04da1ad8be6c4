/* SPDX-License-Identifier: Apache-2.0 */
/* rt.h: struct c4p_rt: what one runtime is made of. Modules keep their state behind pointers or in
 * the small structs below; nothing is global, so that many runtimes can live in one process. Pump
 * thread only. */
#ifndef C4PI_RT_H
#define C4PI_RT_H

#include <c4p/chare.h>
#include <c4p/runtime.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "comm/flow.h"
#include "comm/perturb.h"
#include "comm/tree.h"
#include "core/queue.h"
#include "msg/msg.h"

typedef struct c4pi_registry c4pi_registry_t;
typedef struct c4pi_coll c4pi_coll_t;
typedef struct c4pi_elem c4pi_elem_t;
struct c4pi_version;
typedef struct c4pi_timers c4pi_timers_t;
typedef struct c4pi_futures c4pi_futures_t;
typedef struct c4pi_waves c4pi_waves_t;
typedef struct c4pi_starter c4pi_starter_t;

typedef enum c4pi_phase {
    C4PI_PHASE_NEW,      /* types may be registered */
    C4PI_PHASE_STARTING, /* tables are being compared */
    C4PI_PHASE_ACTIVE,
    C4PI_PHASE_EXITING, /* no entry method runs any more; draining */
    C4PI_PHASE_ENDED
} c4pi_phase_t;

/* Handles an arrived or locally sent message of one kind; takes over one owner. The message counts
 * as processed when this returns, unless the handler queued or held it (then c4pi_count_processed()
 * is called by whoever finishes it). */
typedef void (*c4pi_kind_fn_t)(c4p_rt_t *rt, c4p_msg_t *msg);

typedef enum c4pi_chaos_queue {
    C4PI_CHAOS_FIFO,
    C4PI_CHAOS_RANDOM,
    C4PI_CHAOS_LIFO,
    C4PI_CHAOS_PRIO_SHUFFLE,
    C4PI_CHAOS_ANYORDER
} c4pi_chaos_queue_t;

/* A rank that takes this many times as long for all that it runs. */
typedef struct c4pi_slow {
    uint64_t rank, times; /* times 0: none */
} c4pi_slow_t;

/* Legal but rare behaviour on demand, for tests: each is a chance in 1/65536. All 0 in production,
 * unless C4PY_CHAOS says otherwise. */
typedef struct c4pi_chaos {
    bool on;
    uint64_t seed, state; /* of C4PY_CHAOS; state 0: drawn from the port's random numbers */
    c4pi_chaos_queue_t queue;
    uint32_t migrate;   /* after an entry method its element moves */
    uint32_t collect;   /* after an entry method the language collects garbage */
    uint32_t idle;      /* a message that waits is not seen in this turn */
    c4pi_perturb_t net; /* messages are late, batches split */
    c4pi_slow_t slow;
    uint64_t since_ns, owed_ns; /* the slow rank: when a message was taken; how long to stand still
                                 */
    bool credit_min;
    c4p_ref_t ran;         /* by the message that was taken last */
    bool worked;           /* a message was taken last */
    char said[240];        /* for reports: a line, or nothing */
    uint32_t forget_cache; /* drop a location cache entry when it is looked at */
    uint32_t flush_early;  /* send a partial reduction before it is complete */
    uint32_t wave_now;     /* start a release wave of a broadcast log */
} c4pi_chaos_t;

struct c4p_rt {
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_flow_t *flow;
    c4p_opts_t opts;
    int rank, num_ranks;
    int num_creators; /* a collection's creator is below this: after a restart on fewer ranks more
                       */
    c4pi_phase_t phase;
    bool gate_closed;
    bool frozen;       /* a checkpoint is written: nothing of the user's runs, timers neither */
    bool stop;         /* leave the scheduler loop at the next turn */
    bool in_scheduler; /* a scheduler call is on the stack */
    bool until_exit;   /* it is c4p_run() */
    bool short_visit;  /* which returns by itself; then the host may do anything */
    bool freeing;      /* c4p_free() is on the stack */
    int ending;        /* the job is being ended with this status; 0: it is not */

    /* Work created (sent or queued) and processed here, over all counted kinds; equal over all
     * ranks when the job is quiescent. */
    uint64_t created, processed;

    c4pi_queue_t queue;
    c4pi_kind_fn_t on_kind[C4PI_NUM_KINDS]; /* a message arrived, or was sent to this rank by itself
                                             */
    c4pi_kind_fn_t run_kind[C4PI_NUM_KINDS]; /* a queued message has its turn */
    /* Upcalls into svc: an element that is marked DOOMED or LEAVING is neither running nor
     * suspended any more; the home knows that an element which left here arrived elsewhere. */
    void (*on_elem_free)(c4pi_elem_t *elem);
    /* Nothing to run: send what was held back for company, start or answer waves. True if that made
     * work. */
    bool (*on_idle)(c4p_rt_t *rt, uint64_t now_ns);
    void (*on_departure_known)(c4pi_coll_t *coll, c4p_key_t key, struct c4pi_version version);
    /* Rank 0: a synchronization point is reached; ends with c4pi_sync_resume(). NULL: nothing to
     * do.
     */
    void (*on_sync)(c4p_rt_t *rt);
    /* An element that load balancing moves has come; or stays instead of going to a rank. */
    void (*on_balanced_comes)(c4p_rt_t *rt);
    void (*on_balanced_stays)(c4p_rt_t *rt, int rank);
    /* The next message to run. NULL: the first in the queue. */
    c4p_msg_t *(*take)(c4p_rt_t *rt);
    c4pi_registry_t *registry;
    c4pi_timers_t *timers;

    c4pi_map_t colls;         /* id -> c4pi_coll_t */
    c4pi_coll_t *last_coll;   /* the one looked up last */
    c4pi_fifo_t before_start; /* arrived from ranks that have started before this one knew */
    c4pi_map_t strangers; /* id of a collection not yet heard of -> c4pi_fifo_t of messages for it
                           */
    uint64_t num_strangers;
    c4pi_map_t aways;     /* section -> contributions whose way to it is not known yet, see
                           * svc/section.c
                           */
    c4pi_link_t distants; /* executions elsewhere of awaited broadcasts, see svc/bcast_await.c */
    c4pi_pool_t elem_pool, loc_pool;
    uint64_t next_coll;       /* serial number of the next collection created here */
    uint32_t next_chare_rank; /* round robin of single chares */
    c4pi_link_t loc_caches;   /* location cache entries, oldest first */
    uint64_t num_loc_caches;
    uint64_t num_unclaimed; /* messages parked for an index that nobody created */
    uint64_t num_dead_letters;

    /* What runs now. */
    c4p_ref_t self;
    c4pi_elem_t *running;
    c4p_reply_t reply; /* owed by the entry method in progress */

    c4pi_futures_t *futures;
    c4pi_waves_t *waves;
    struct c4pi_sync *sync;
    struct c4pi_load *load; /* NULL: not measured */
    struct c4pi_talk *talk; /* NULL: who talks to whom is not recorded */
    struct c4pi_round *round;
    c4pi_starter_t *starter;
    struct stall_state *stall; /* a stall report is being collected */
    struct c4pi_ckpt *ckpt;    /* NULL: there was neither checkpoint nor restart */
    c4p_hooks_t hooks;
    c4pi_chaos_t chaos;

    int exit_code;
    c4p_status_t end_status;
    uint64_t start_ns, last_work_ns, last_tick_ns;
    uint64_t work_seen;     /* value of work_done when the clock was last set back by work */
    uint32_t quiet_handler; /* behind run-until-quiescent */
    uint64_t quiet_calls;   /* of run-until-quiescent, which is collective */
    uint64_t quiet_seen;    /* how often it was reached */
    uint64_t work_done;     /* messages and entries handled, for "did anything happen" */
    bool reductions_held;   /* some rank-level partial waits for more, */
    bool reductions_owed;   /* or did when the rank was idle last: an element here owes its part */
    uint32_t idle_flushes;
};

static inline void
c4pi_count_created(c4p_rt_t *rt)
{
    rt->created++;
}

static inline void
c4pi_count_processed(c4p_rt_t *rt)
{
    rt->processed++;
}

/* End the job on all ranks because of a broken invariant, no memory or a failed collaborator: one
 * report with this cause. Does not return in the real port; the simulator's port unwinds. */
C4P_NORETURN void
c4pi_die(c4p_rt_t *rt, c4p_status_t status, const char *fmt, ...) C4P_PRINTF(3, 4);

/* The end of all ranks, after this report. When many ranks of a host fail at once, the first of
 * them tells the story, and the others wait for their end. Returns as c4pi_die() does. */
C4P_NORETURN void
c4pi_end_job(c4p_rt_t *rt, int exit_status, const char *report, size_t report_len);

/* The same with a report of one text by whoever uses the runtime. */
C4P_NORETURN void c4pi_end_with_text(c4p_rt_t *rt, int exit_status, const char *text);

/* A message or die: the pump path has nobody to hand C4P_ERR_NOMEM to. */
c4p_msg_t *c4pi_msg_or_die(c4p_rt_t *rt, size_t payload_len);

/* Chaos is on: its next random number. */
static inline uint64_t
c4pi_chaos_draw(c4p_rt_t *rt)
{
    return rt->chaos.state ? c4pi_hash_u64(rt->chaos.state++) : rt->port->ops->random_u64(rt->port);
}

/* A decision that chaos may turn: true with chance p / 65536. */
static inline bool
c4pi_chaos(c4p_rt_t *rt, uint32_t p)
{
    return rt->chaos.on && p && (c4pi_chaos_draw(rt) & 0xffff) < p;
}

#endif
