/* SPDX-License-Identifier: Apache-2.0 */
/* future.h: the Future type, its value-free copies on other ranks, LocalFuture, and waiting for
 * several things at once. Values are kept as messages and decoded when somebody asks. Main thread
 * with the interpreter lock held. */
#ifndef C4PE_FUTURE_H
#define C4PE_FUTURE_H

#include "coroutine.h"

typedef struct c4pe_future c4pe_future_t;

/* The part of the module state. */
typedef struct c4pe_futures {
    PyObject *exported; /* dict id -> address of futures of this rank that were sent somewhere, to
                           find them when they come back */
    PyTypeObject *await_type, *iwait_type;
} c4pe_futures_t;

/*
 * A future of this rank for `num_values` values; `how` (C4PE_VALUE…) says how each is to be read,
 * see c4pe_value_decode(). Any context: where the language asks for a coroutine the caller checks
 * with c4pe_coro_may_create(). NULL with an exception.
 */
PyObject *c4pe_future_new(c4pe_state_t *st, uint64_t num_values, int how);
bool c4pe_future_check(c4pe_state_t *st, PyObject *op);
/* Its number, for somebody who will send a value. */
c4p_future_t c4pe_future_id(PyObject *future);
/* The object for a future's number: itself on its own rank, otherwise something that values can be
 * sent to. New reference; NULL with an exception. */
PyObject *c4pe_future_from_id(c4pe_state_t *st, c4p_future_t id);
/* Wait for the value(s); as Future.get(). New reference; NULL with an exception (that of the value,
 * too). */
PyObject *c4pe_future_get(c4pe_state_t *st, PyObject *future);
/* Send one value to a future, which may belong to any rank. */
int c4pe_future_send(c4pe_state_t *st, PyObject *future, PyObject *value);
/* For reports: the name of the call whose answer it gets. */
void c4pe_future_label(PyObject *future, PyObject *call);
/* Leave to the collector: the call that should have answered was refused. */
void c4pe_future_cancel(c4pe_state_t *st, PyObject *future);

/* A future without number, which only this rank can fill: for allreduce (collective: the type is
 * CollectiveFuture), sleep and so on. */
PyObject *c4pe_local_future_new(c4pe_state_t *st, bool collective);
/* A local future of a subclass: a reference to an object of the object store (c4py/_store.py),
 * whose value says only that the object is on this rank. Travels as the package's hooks say. */
PyObject *c4pe_stored_future_new(c4pe_state_t *st, PyTypeObject *type);
/* Somebody is about to wait for it: a reference to a stored object has it fetched. */
int c4pe_future_demand(c4pe_state_t *st, PyObject *future);
/* Give it its value (borrowed), or with is_error the exception that get() raises. */
int c4pe_local_future_set(c4pe_state_t *st, PyObject *future, PyObject *value, bool is_error);

/* "future 17 (made at main.py:11)" into buf. */
void c4pe_future_describe(PyObject *future, char *buf, size_t size);

/* ---- waiting in other ways (waiting.c) ------------------------------------------------------------ */

/* One who is told, once, that something has become ready; then it is no longer linked. */
typedef struct c4pe_watch {
    struct c4pe_watch *next, *prev;
    struct c4pe_watch **list; /* NULL: not linked */
    void (*ready)(struct c4pe_watch *watch);
} c4pe_watch_t;
void c4pe_watch_link(c4pe_watch_t **list, c4pe_watch_t *watch);
void c4pe_watch_unlink(c4pe_watch_t *watch);
void c4pe_watch_fire(c4pe_watch_t **list);

/* What can be waited for: by `await` in async coroutines, by wait() and by iwait(). */
typedef struct c4pe_waitable {
    /* 1 and a new reference to the value (value_out may be NULL: only look), 0 not yet, -1 with an
     * exception. */
    int (*poll)(PyObject *object, PyObject **value_out);
    c4pe_waiters_t *(*waiters)(PyObject *object);
    c4pe_watch_t **(*watches)(PyObject *object); /* NULL: cannot be watched */
    c4pe_wait_kind_t kind;
} c4pe_waitable_t;
/* The awaitable of one use of `await`, for the running async coroutine. */
PyObject *c4pe_await_new(c4pe_state_t *st, const c4pe_waitable_t *how, PyObject *object);
/* True if the running code is directly in an async coroutine, where functions that wait return an
 * awaitable instead. */
bool c4pe_await_wanted(c4pe_state_t *st);
/* What wait() and iwait() need to know of an object: borrowed; NULL with TypeError. */
const c4pe_waitable_t *c4pe_waitable_of(c4pe_state_t *st, PyObject *object);

/* How futures and channels are waited for. */
const c4pe_waitable_t *c4pe_future_waitable(void);
int c4pe_waiting_exec(PyObject *module, c4pe_state_t *st);

/* ---- module ------------------------------------------------------------------------------------- */

/* Adds Future, CollectiveFuture, LocalFuture, future_new(num_vals=1), wait() and iwait(). */
int c4pe_future_exec(PyObject *module, c4pe_state_t *st);
int c4pe_future_attach(c4pe_state_t *st);
int c4pe_future_traverse(c4pe_state_t *st, visitproc visit, void *arg);
void c4pe_future_clear(c4pe_state_t *st);
void c4pe_future_free(c4pe_state_t *st);

#endif
