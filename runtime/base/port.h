/* SPDX-License-Identifier: Apache-2.0 */
/* port.h: the runtime's door to the world, but for messages: time, randomness, memory, files, log,
 * dying.
 * Two back ends: port_real.c (libc) and the simulator's. Nothing outside a port calls the libc
 * functions it wraps. One port belongs to one runtime and its thread. The two hottest calls, time
 * and small memory, are reached without knowing the back end. */
#ifndef C4PI_PORT_H
#define C4PI_PORT_H

#include <stdarg.h>

#include <c4p/runtime.h>

#include "base/files.h"

typedef struct c4pi_port c4pi_port_t;

typedef struct c4pi_port_ops {
    uint64_t (*now_ns)(c4pi_port_t *port); /* monotonic */
    uint64_t (*cpu_ns)(c4pi_port_t *port); /* CPU time of this thread */
    /* Seeded per rank; the simulator draws from its tape. */
    uint64_t (*random_u64)(c4pi_port_t *port);
    /* Aligned to 64 bytes; NULL when out of memory. */
    void *(*alloc)(c4pi_port_t *port, size_t len);
    /* len as given to alloc; p may be NULL. */
    void (*free)(c4pi_port_t *port, void *p, size_t len);
    void (*sleep_ns)(c4pi_port_t *port, uint64_t ns); /* may return early */
    void (*yield)(c4pi_port_t *port);
    /* One whole line without newline. */
    void (*write_log)(c4pi_port_t *port, c4p_log_level_t level, const char *line);
    /* A report of several lines: to standard error, in one piece as far as the system allows, or
     * line by line to the host's log function. */
    void (*write_report)(c4pi_port_t *port, const char *text, size_t len);
    /* Write out what the program has printed so far; may be NULL. */
    void (*flush)(c4pi_port_t *port);
    const char *(*getenv)(c4pi_port_t *port, const char *name);
    void (*die)(c4pi_port_t *port, int exit_status); /* end this process at once; does not return */
    /* Until what was written to standard output and error, if they are pipes, has been read. */
    void (*wait_for_readers)(c4pi_port_t *port, uint64_t wait_ns);
    /* From here on exit() ends the process without a call of the functions of atexit(), but waits
     * up to so long before that somebody else ends it. For libraries that call it. */
    void (*exit_is_end)(c4pi_port_t *port, uint64_t wait_ns);
    void (*free_port)(c4pi_port_t *port);
    const c4pi_file_ops_t *files;
} c4pi_port_ops_t;

/* Private but for back ends, which embed it as their first member. */
struct c4pi_port {
    const c4pi_port_ops_t *ops;
    c4p_log_level_t log_level;
    int rank; /* for the prefix of log lines; -1 until known */
    int num_ranks;
};

/* The libc port. opts may be NULL. */
c4p_status_t c4pi_port_real_new(const c4p_opts_t *opts, c4pi_port_t **port_out);
void c4pi_port_free(c4pi_port_t *port);

static inline uint64_t
c4pi_now_ns(c4pi_port_t *port)
{
    return port->ops->now_ns(port);
}

static inline void *
c4pi_alloc(c4pi_port_t *port, size_t len)
{
    return port->ops->alloc(port, len);
}

static inline void
c4pi_free(c4pi_port_t *port, void *p, size_t len)
{
    port->ops->free(port, p, len);
}

/* Zeroed memory; NULL when out of memory. */
void *c4pi_calloc(c4pi_port_t *port, size_t len);
/* Grow to new_len, keeping old_len bytes; on failure NULL and the old block stays. */
void *c4pi_regrow(c4pi_port_t *port, void *p, size_t old_len, size_t new_len);
/* Room for `more` items, 1 or more, behind the first num of a growing array of items of this size:
 * the array, moved if *cap, how many items it has room for, had to grow. At first items is NULL and
 * *cap 0; at last c4pi_free(port, items, *cap * size). NULL when out of memory, also when there is
 * no such size; the old array and *cap stay. */
void *
c4pi_make_room(c4pi_port_t *port, void *items, size_t num, size_t more, size_t *cap, size_t size);
/* A copy of a string; free with c4pi_free(port, s, strlen(s) + 1). NULL when out of memory. */
char *c4pi_strdup(c4pi_port_t *port, const char *s);

/* One log line, "c4py: rank 3/8: text"; dropped below the port's level. */
void c4pi_log(c4pi_port_t *port, c4p_log_level_t level, const char *fmt, ...) C4P_PRINTF(3, 4);
void c4pi_vlog(c4pi_port_t *port, c4p_log_level_t level, const char *fmt, va_list args);

#endif
