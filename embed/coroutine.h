/* SPDX-License-Identifier: Apache-2.0 */
/* coroutine.h: calls that may suspend. A coroutine method runs on a pooled greenlet, an `async def`
 * one is driven by hand; both are a c4pe_coro_t here. The greenlet in which the scheduler runs is
 * called the hub. All live coroutines that wait are in one list, with what they wait for, for the
 * stall report. Main thread with the interpreter lock held. */
#ifndef C4PE_COROUTINE_H
#define C4PE_COROUTINE_H

#include "state.h"

typedef struct c4pe_coro c4pe_coro_t;

/* ---- starting ----------------------------------------------------------------------------------- */

/* Called on the hub when a coroutine has ended. result is a new reference that is taken, or NULL
 * with the exception set. */
typedef void (*c4pe_coro_done_fn)(c4pe_state_t *st, void *ctx, PyObject *result);

/* On whose behalf a coroutine runs, and who gets its result. */
typedef struct c4pe_job {
    c4pe_chare_t *chare;       /* NULL: a plain function */
    const c4pe_entry_t *entry; /* NULL: a plain function */
    c4p_reply_t reply; /* done == NULL: c4pe_invoke_done(st, chare, entry, &reply, result) */
    c4pe_coro_done_fn done;
    void *ctx;
} c4pe_job_t;

/*
 * Run func(self, *args, **kwargs) as a new coroutine until it first waits or ends. self, args and
 * kwargs may be NULL. is_async: func is an `async def` function. Job is copied; chare is kept alive
 * as long as needed. When called inside another coroutine the new one starts from the hub, soon. 0,
 * or -1 with an exception, and then it has not started and `done` is not called.
 */
int c4pe_coro_start(c4pe_state_t *st, const c4pe_job_t *job, PyObject *func, PyObject *self,
                    PyObject *args, PyObject *kwargs, bool is_async);

/* ---- waiting ------------------------------------------------------------------------------------ */

typedef enum c4pe_wait_kind {
    C4PE_WAIT_FUTURE = 1, /* object: the future */
    C4PE_WAIT_CHANNEL,    /* object: the channel; a message */
    C4PE_WAIT_CONNECT,    /* object: the channel; the peer's end */
    C4PE_WAIT_COND,       /* object: the text of the condition */
    C4PE_WAIT_ANY,        /* object: the list given to wait() or iwait() */
    C4PE_WAIT_CREDIT,     /* slow receivers */
    C4PE_WAIT_TIMER,      /* sleep: not a reason for a stall report */
} c4pe_wait_kind_t;

/* The running coroutine; NULL in the main context. */
c4pe_coro_t *c4pe_coro_current(c4pe_state_t *st);
/* The running coroutine if it can be suspended from a plain function; else NULL with
 * NotThreadedError that names class and method, or says to use await. `what` ("Future.get") is what
 * wanted to wait. */
c4pe_coro_t *c4pe_coro_need(c4pe_state_t *st, const char *what);
/* 0 if a future may be made here (any coroutine, also async); -1 with NotThreadedError. */
int c4pe_coro_may_create(c4pe_state_t *st, const char *what);

/*
 * Suspend the running coroutine, which must be the one from c4pe_coro_need(), until
 * c4pe_coro_wake(). `object` is borrowed for as long as it waits. 0 when woken; -1 with an
 * exception when the interpreter ends.
 */
int c4pe_coro_suspend(c4pe_coro_t *coro, c4pe_wait_kind_t kind, PyObject *object);
/* For __next__ of an awaitable in an async coroutine: note what it waits for, then return the token
 * to yield (new reference). */
PyObject *c4pe_coro_yield_token(c4pe_coro_t *coro, c4pe_wait_kind_t kind, PyObject *object);

/* Let a suspended coroutine go on: at once when called on the hub outside of any entry method (a
 * callback of the runtime), otherwise before the next message. */
void c4pe_coro_wake(c4pe_coro_t *coro);
/* The same, always before the next message. */
void c4pe_coro_wake_soon(c4pe_coro_t *coro);

/* A list of coroutines that wait for one thing, oldest first. Each coroutine is in at most one.
 * Zero-initialised when empty. */
typedef struct c4pe_waiters {
    c4pe_coro_t *head, *tail;
} c4pe_waiters_t;
void c4pe_waiters_add(c4pe_waiters_t *w, c4pe_coro_t *coro);
void c4pe_waiters_remove(c4pe_waiters_t *w, c4pe_coro_t *coro);
c4pe_coro_t *c4pe_waiters_pop(c4pe_waiters_t *w);

/* Suspend the running coroutine for at least that long; outside coroutines the whole rank sleeps.
 */
int c4pe_coro_sleep(c4pe_state_t *st, double seconds);
/* Call after a send to another rank: a coroutine waits here while slow receivers have let too much
 * pile up; a plain method is warned about once. Cheap when there is no backlog. 0; -1 with an
 * exception. */
int c4pe_coro_throttle(c4pe_state_t *st);

/* True, once, if the coroutine was woken in vain by cancel_wait(): it should not wait again. */
bool c4pe_coro_take_cancelled(c4pe_coro_t *coro);
/* blocked(chare), num_timers(), cancel_wait(chare), interrupt_wait(chare) of the module, see
 * _c4py.pyi. */
PyObject *c4pe_coro_blocked(PyObject *module, PyObject *chare);
PyObject *c4pe_coro_num_timers(PyObject *module, PyObject *ignored);
PyObject *c4pe_coro_cancel_wait(PyObject *module, PyObject *chare);
PyObject *c4pe_coro_interrupt_wait(PyObject *module, PyObject *chare);

/* ---- reports ------------------------------------------------------------------------------------ */

/* Coroutines that wait for something other than a timer. */
uint64_t c4pe_coro_count_waiters(c4pe_state_t *st);
void c4pe_coro_list_waiters(c4pe_state_t *st, struct c4p_report *report);
/* Write the Python stack of every suspended coroutine to a file descriptor. From the scheduler, not
 * from a signal handler. */
void c4pe_coro_dump(c4pe_state_t *st, int fd);
/* Where the innermost frame of the user's code that is now running stands: "main.py:12", or "".
 * Returns buf. */
const char *c4pe_coro_here(c4pe_state_t *st, char *buf, size_t size);
/* The same, to be told later, if at all: a code object (new reference; NULL, without exception, if
 * there is none) and a place in it. */
PyObject *c4pe_coro_place(c4pe_state_t *st, int *at_out);
void c4pe_coro_place_text(PyObject *place, int at, char *buf, size_t size);

/* ---- module ------------------------------------------------------------------------------------- */

/* Adds sleep() and the type of coroutine tokens. */
int c4pe_coroutine_exec(PyObject *module, c4pe_state_t *st);
int c4pe_coroutine_attach(c4pe_state_t *st); /* remembers the calling greenlet as the hub */
int c4pe_coroutine_traverse(c4pe_state_t *st, visitproc visit, void *arg);
/* Suspended coroutines are given up: their frames stay as they are and no code of theirs runs any
 * more. */
void c4pe_coroutine_clear(c4pe_state_t *st);
void c4pe_coroutine_free(c4pe_state_t *st);

#endif
