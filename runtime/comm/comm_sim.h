/* SPDX-License-Identifier: Apache-2.0 */
/* comm_sim.h: N virtual ranks in one process: a simulated network with a back end (comm.h) and a
 * port per rank, and the picker of what happens next. For tests only; not in the library. One
 * thread.
 *
 * A run is a loop of the driver's:
 *
 *     net = c4pi_simnet_new(&opts);                    per rank: c4pi_simnet_port(), then a runtime
 * on it with c4pi_simnet_comm_new() while (!over) { int rank = c4pi_simnet_step(net); one event;
 * delivery and time are done inside (rank < 0) if (rank >= 0) { if (!c4pi_simnet_call(net, step_it,
 * ...))  break;   the job was aborted: net->world.exit_status, .log c4pi_simnet_ran(net, rank,
 * did_something, next_timer_ns);
 *         }
 *     }
 *
 * Links are first in, first out for each (source, destination); everything else is in any order.
 * All choices come from the tape: byte 0 is the boring one: oldest message first, then the rank
 * that waits longest, no delays. Same tape, same program: same run, same trace hash. */
#ifndef C4PI_COMM_SIM_H
#define C4PI_COMM_SIM_H

#include "base/port_sim.h"
#include "comm/comm.h"

typedef enum c4pi_sim_mode {
    C4PI_SIM_RANDOM, /* any enabled event with the same probability */
    C4PI_SIM_PCT, /* links and ranks have random priorities; the highest enabled runs; `depth` - 1
                     times one of them falls to the bottom */
    C4PI_SIM_STARVE,  /* now and then one rank neither runs nor receives until nothing else can
                         happen, or for a long while */
    C4PI_SIM_BURST,   /* the link or rank chosen last is likely to go on */
    C4PI_SIM_SWIZZLE, /* links are clogged one after another, then opened in another order */
    C4PI_SIM_NUM_MODES,
    /* What is due next: each rank has a clock of its own, which goes on while it computes
     * (c4pi_port_sim_burn()), all at the same time. The way to see how long something takes. Not
     * one of those that a seed chooses between. */
    C4PI_SIM_TIMED = C4PI_SIM_NUM_MODES
} c4pi_sim_mode_t;

typedef struct c4pi_simnet_opts {
    int num_ranks;
    c4pi_sim_mode_t mode;
    uint64_t seed;        /* of the tape, when bytes is NULL */
    const uint8_t *bytes; /* an explicit tape, borrowed; its first choices are those of the run with
                             which it was recorded */
    size_t num_bytes;
    int pct_depth;       /* 1..; default 3 */
    uint32_t pct_events; /* about how many events the run has; default 2000 */
    uint64_t tick_ns;  /* an idle rank without a timer runs again after this long, then after twice
                          that, ... 64 times; default 1 ms */
    uint64_t event_ns; /* virtual time per event, if timed per turn of a rank; default 200 */
    uint64_t latency_ns; /* if timed, a message is under way for so long; default 1000 */
    size_t small_bytes;  /* larger messages stay with the sender until delivered; default 4032 */
    uint64_t corrupt_message; /* fault: flip a byte of the n-th message delivered (from 1); 0: none
                               */
    uint64_t drop_message;    /* fault: lose the n-th message */
    uint64_t repeat_message;  /* fault: deliver the n-th message twice */
    c4pi_simworld_opts_t world;
} c4pi_simnet_opts_t;

typedef struct c4pi_simnet c4pi_simnet_t;

c4pi_simnet_t *c4pi_simnet_new(const c4pi_simnet_opts_t *opts);
/* After all runtimes on it were freed, or were lost by an abort. */
void c4pi_simnet_free(c4pi_simnet_t *net);

c4pi_simworld_t *c4pi_simnet_world(c4pi_simnet_t *net);
/* The port of a rank. It belongs to the net; freeing it does nothing. */
c4pi_port_t *c4pi_simnet_port(c4pi_simnet_t *net, int rank);
/* The back end of a rank, once per rank; freed through its ops. From now on the rank is stepped. */
c4p_status_t
c4pi_simnet_comm_new(c4pi_simnet_t *net, int rank, c4pi_msgs_t *msgs, c4pi_comm_t **comm_out);

/* Pick and do one event. >= 0: the driver must now run this rank's scheduler for a little and then
 * call c4pi_simnet_ran(). C4PI_SIM_DELIVERED: a message reached a rank's inbox. C4PI_SIM_TIME: the
 * clock went on. C4PI_SIM_END: no rank is left (all freed their back end). */
enum { C4PI_SIM_DELIVERED = -1, C4PI_SIM_TIME = -2, C4PI_SIM_END = -3 };
int c4pi_simnet_step(c4pi_simnet_t *net);
/* The rank ran. `busy`: it can go on at once; else it sleeps until a message reaches it, the clock
 * reaches wake_ns (0: no timer), or its tick. */
void c4pi_simnet_ran(c4pi_simnet_t *net, int rank, bool busy, uint64_t wake_ns);
/* Run fn(ctx) so that an abort inside (comm's abort) lands here: false. Then nothing of any rank
 * may be used but through the world. */
bool c4pi_simnet_call(c4pi_simnet_t *net, void (*fn)(void *ctx), void *ctx);

/* A choice of the driver's own, from the same tape: 0 <= result < n, 0 boring. */
uint32_t c4pi_simnet_choose(c4pi_simnet_t *net, uint32_t n);
/* Mix something the driver saw into the trace hash. */
void c4pi_simnet_note(c4pi_simnet_t *net, uint64_t value);
uint64_t c4pi_simnet_trace_hash(const c4pi_simnet_t *net);

typedef struct c4pi_simnet_stats {
    uint64_t events, delivered, sent;
    uint64_t in_flight;  /* on links */
    uint64_t in_inboxes; /* delivered to a rank that did not poll since */
    uint64_t max_in_flight;
    uint64_t depth;       /* the longest chain of messages, each sent after the one before had
                             arrived, since c4pi_simnet_depth_from_here() */
    uint64_t withheld_ns; /* of the time that passed, while something else could have happened */
    int sleeping;         /* ranks that wait for a message or time */
    int ranks;            /* ranks with a back end */
    uint64_t broken; /* promises the layers above broke, logged as errors: a message changed while
                        it was being sent, a message to oneself or outside, lost at finish */
} c4pi_simnet_stats_t;
void c4pi_simnet_depth_from_here(c4pi_simnet_t *net);
void c4pi_simnet_stats(const c4pi_simnet_t *net, c4pi_simnet_stats_t *stats_out);
/* No message in flight or in an inbox and every rank sleeps. */
bool c4pi_simnet_quiet(const c4pi_simnet_t *net);

#endif
