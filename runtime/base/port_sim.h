/* SPDX-License-Identifier: Apache-2.0 */
/* port_sim.h: the simulated world: one virtual clock, one tape of choices and one log for all
 * ranks, and a port per rank. For tests only; not in the library. Memory comes from libc, block by
 * block (so that sanitizers see each), and is counted. Nothing here depends on addresses or real
 * time: the same tape gives the same run. One thread. */
#ifndef C4PI_PORT_SIM_H
#define C4PI_PORT_SIM_H

#include <setjmp.h>

#include "base/port.h"
#include "base/port_sim_files.h"

/* ---- the tape: every choice of a run, byte by byte. Byte 0 is always the boring choice. -------- */

typedef struct c4pi_tape {
    uint64_t prng;        /* state, for a tape made from a seed */
    const uint8_t *bytes; /* for an explicit tape, borrowed; after its end all bytes are 0 */
    size_t len;
    bool explicit_bytes;
    uint8_t *record; /* what was consumed so far: an explicit tape that repeats the run */
    size_t used, record_cap;
} c4pi_tape_t;

void c4pi_tape_from_seed(c4pi_tape_t *tape, uint64_t seed);
void c4pi_tape_from_bytes(c4pi_tape_t *tape, const uint8_t *bytes, size_t len);
void c4pi_tape_fini(c4pi_tape_t *tape);
uint8_t c4pi_tape_byte(c4pi_tape_t *tape);
/* One of n choices, 0 <= result < n, 0 being the boring one. Takes no byte for n <= 1, one up to
 * 256, two up to 65536, else four. */
uint32_t c4pi_tape_choose(c4pi_tape_t *tape, uint32_t n);

/* ---- the world ---------------------------------------------------------------------------------- */

typedef struct c4pi_simworld_opts {
    const char *const *env; /* "NAME=value", ended by NULL; NULL: an empty environment. Borrowed. */
    c4p_log_level_t log_level; /* what is logged at all; default warnings and errors */
    bool echo;                 /* copy log lines and reports to standard error */
    uint64_t start_ns;         /* first value of the clock */
    uint64_t fail_alloc; /* the n-th allocation (from 1) of all ranks together fails; 0: none */
    uint64_t fail_from;  /* as fail_alloc, and all later ones fail too */
} c4pi_simworld_opts_t;

/* Fields may be read by anybody; those marked may be set. */
typedef struct c4pi_simworld {
    uint64_t now_ns; /* may be set forward */
    c4pi_tape_t tape;
    c4pi_simworld_opts_t opts; /* fail_alloc, fail_from, echo may be set */
    uint64_t allocs;           /* allocations tried so far */
    uint64_t live_blocks, live_bytes, peak_bytes;
    void *blocks; /* list of all live blocks */
    void *ports;  /* list of all ports */
    char *log;    /* captured lines and reports with newlines, NUL-terminated; NULL: nothing yet */
    size_t log_len, log_cap;
    uint64_t num_log[C4P_LOG_DEBUG + 1]; /* lines by level */
    uint64_t num_reports;
    /* dying: set by c4pi_simworld_die() */
    bool dead;
    int exit_status, dead_rank;
    jmp_buf *landing;
    c4pi_simdisk_t disk;
} c4pi_simworld_t;

/* The tape is set up by the caller afterwards (c4pi_tape_from_...); until then it is the all-boring
 * one. opts may be NULL. */
void c4pi_simworld_init(c4pi_simworld_t *world, const c4pi_simworld_opts_t *opts);
/* Frees also all blocks still alive, so that a run that died half-way leaks nothing. Ports become
 * invalid. */
void c4pi_simworld_fini(c4pi_simworld_t *world);

/* Run fn(ctx); true if it returned, false if c4pi_simworld_die() was called inside. Does not nest.
 */
bool c4pi_simworld_run(c4pi_simworld_t *world, void (*fn)(void *ctx), void *ctx);
/* End the job with this exit status (the first one counts); does not return. Outside
 * c4pi_simworld_run(): a message and abort(). */
C4P_NORETURN void c4pi_simworld_die(c4pi_simworld_t *world, int rank, int exit_status);

/* A port of rank `rank` of `num_ranks`. It belongs to the world; c4pi_port_free() does nothing. */
c4pi_port_t *c4pi_port_sim_new(c4pi_simworld_t *world, int rank, int num_ranks);
c4pi_simworld_t *c4pi_port_sim_world(c4pi_port_t *port);
/* The harness's own zeroed memory, not counted and never failing: without memory the process ends.
 */
void *c4pi_sim_memory(size_t len);
void c4pi_sim_memory_free(void *p);

/* Pretend that the rank does what takes a rank of speed 1 this long: its CPU time and the clock
 * advance. */
void c4pi_port_sim_burn(c4pi_port_t *port, uint64_t ns);
void c4pi_port_sim_set_speed(c4pi_port_t *port, double speed); /* 1 at first */

#endif
