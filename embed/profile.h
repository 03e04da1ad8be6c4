/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h: where the time goes, per entry method: charm.options.profiling. A clock that is
 * switched from one account to the next: whatever runs, exactly one account is charged. When
 * profiling is off nothing of this is on the way of a message: other functions are registered
 * instead. Main thread with the interpreter lock held. */
#ifndef C4PE_PROFILE_H
#define C4PE_PROFILE_H

#include "state.h"

/* Seconds, and how often. */
typedef struct c4pe_stats {
    double run;  /* in the method, sends excluded */
    double send; /* in calls of proxies, contributions, sends on channels */
    double recv; /* unpacking its arguments */
    uint64_t calls;
} c4pe_stats_t;

/* Numbers and bytes of messages. */
typedef struct c4pe_sizes {
    uint64_t count, by_reference; /* the latter went to this rank without being packed */
    uint64_t least, most, total;  /* of those that were packed */
} c4pe_sizes_t;

/* Accounts that belong to no entry method. */
typedef enum c4pe_account {
    C4PE_ACCOUNT_REST,    /* the scheduler, waiting included */
    C4PE_ACCOUNT_PROGRAM, /* functions that run as coroutines: the entry function, tasks */
    C4PE_ACCOUNT_REDUCE,  /* built-in reducers of objects */
    C4PE_ACCOUNT_CUSTOM,  /* the program's reducers */
    C4PE_ACCOUNT_TIMER,   /* functions called by timers */
    C4PE_ACCOUNT_MOVE,    /* packing chares that move */
    C4PE_NUM_ACCOUNTS
} c4pe_account_t;

typedef struct c4pe_profile {
    c4pe_state_t *st;
    double since; /* when `slot` began to run */
    double *slot; /* is being charged: a member of *stats */
    c4pe_stats_t *stats;
    c4pe_stats_t accounts[C4PE_NUM_ACCOUNTS];
    c4pe_sizes_t sent, received;
} c4pe_profile_t;

/* What was charged before; to be given back. Nothing when profiling is off. */
typedef struct c4pe_charged {
    c4pe_stats_t *stats;
    double *slot;
} c4pe_charged_t;

/* Begin; before classes are added. 0, or -1 with an exception. */
int c4pe_profile_start(c4pe_state_t *st);
void c4pe_profile_free(c4pe_state_t *st);
/* Give the entries of a class their accounts, if profiling is on. 0, or -1 with an exception. */
int c4pe_profile_class(c4pe_class_t *cls);

/* From now on charge this slot of this account. Profiling is on. */
c4pe_charged_t c4pe_profile_charge(c4pe_state_t *st, c4pe_stats_t *stats, double *slot);
void c4pe_profile_sent(c4pe_state_t *st, c4p_msg_t *msg);
void c4pe_profile_received(c4pe_state_t *st, c4p_msg_t *msg);
/* A coroutine goes on (entry NULL: a function), or stops. Profiling is on. */
void c4pe_profile_resumed(c4pe_state_t *st, const c4pe_entry_t *entry);
void c4pe_profile_paused(c4pe_state_t *st);

/* For rare events: does nothing when profiling is off. */
c4pe_charged_t c4pe_profile_enter(c4pe_state_t *st, c4pe_account_t account);
void c4pe_profile_leave(c4pe_state_t *st, c4pe_charged_t before);

/* Functions of the module: profile(), profile_enter(), profile_leave(). */
PyObject *c4pe_profile_get(PyObject *module, PyObject *ignored);
PyObject *c4pe_profile_stats(PyObject *module, PyObject *ignored);
PyObject *c4pe_profile_enter_send(PyObject *module, PyObject *ignored);
PyObject *c4pe_profile_leave_send(PyObject *module, PyObject *token);

#endif
