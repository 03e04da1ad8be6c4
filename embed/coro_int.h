/* SPDX-License-Identifier: Apache-2.0 */
/* coro_int.h: what the files of coroutines share: the record of a coroutine and greenlet's
 * table of functions, which is found at run time, so that building needs no greenlet. Main thread
 * with the interpreter lock held. */
#ifndef C4PE_CORO_INT_H
#define C4PE_CORO_INT_H

#include "coroutine.h"

/* ---- greenlet ------------------------------------------------------------------------------------ */

/* Places in greenlet's table; part of its stable interface. */
enum {
    GREENLET_EXIT = 2,
    GREENLET_NEW = 3,
    GREENLET_CURRENT = 4,
    GREENLET_SWITCH = 6,
    GREENLET_SET_PARENT = 7
};

typedef struct c4pe_greenlet_api {
    PyObject *exit_type; /* borrowed: GreenletExit */
    PyObject *(*make)(PyObject *run, PyObject *parent);
    PyObject *(*current)(void);
    PyObject *(*switch_to)(PyObject *greenlet, PyObject *args, PyObject *kwargs);
    int (*set_parent)(PyObject *greenlet, PyObject *parent);
} c4pe_greenlet_api_t;

/* A greenlet that runs one coroutine after the other. As a Python object it is what its greenlet
 * calls. */
typedef struct c4pe_worker {
    PyObject_HEAD
    c4pe_state_t *st;
    PyObject *greenlet; /* strong; the greenlet refers to the worker until it has ended */
    c4pe_coro_t *coro;  /* what it runs */
    struct c4pe_worker *next;
    bool retire; /* too many are idle: end */
} c4pe_worker_t;

/* ---- coroutines ---------------------------------------------------------------------------------- */

enum c4pe_coro_state { C4PE_CORO_RUNNING = 1, C4PE_CORO_WAITING, C4PE_CORO_WOKEN, C4PE_CORO_ENDED };

struct c4pe_coro {
    c4pe_state_t *st;
    c4pe_job_t job;
    c4p_ref_t self;
    PyObject *func, *args, *kwargs; /* strong */
    PyObject *first;                /* self; strong */
    c4pe_worker_t *worker;          /* NULL: async */
    PyObject *awaitable;            /* async: the coroutine object */
    PyObject *starter; /* the greenlet that let it run and gets control back; borrowed */
    PyObject *result;  /* ended: the value, or NULL and the exception */
    PyObject *exc_type, *exc_value, *exc_tb;
    enum c4pe_coro_state state;
    uint32_t saved_no_suspend;
    c4p_future_t checkpoint; /* the future of the last checkpoint it asked for; 0: none */
    bool cancelled;          /* it was woken because it waited in vain */
    bool interrupted;        /* it was woken to raise KeyboardInterrupt */
    c4pe_wait_kind_t kind;   /* while it waits: for what */
    PyObject *object;        /* borrowed */
    double since;
    struct c4pe_coro *prev, *next;   /* all that wait */
    struct c4pe_coro *qprev, *qnext; /* one list of c4pe_waiters_t, or those that were woken */
    c4pe_waiters_t *queue;
};

/* The part of the module state. */
typedef struct c4pe_coros {
    c4pe_greenlet_api_t greenlet;
    PyTypeObject *worker_type, *token_type;
    PyObject *token;      /* what async coroutines yield */
    PyObject *hub;        /* greenlet of the scheduler; strong */
    PyObject *here;       /* greenlet that runs; borrowed */
    c4pe_coro_t *current; /* NULL on the hub */
    c4pe_worker_t *idle;  /* strong references */
    uint32_t num_idle;
    c4pe_coro_t *free; /* records for reuse, through next */
    c4pe_coro_t *waiting, *last_waiting;
    uint64_t num_waiting;
    c4pe_waiters_t woken, throttled;
    bool drain_posted, poll_set, warned;
    uint64_t backlog_limit;
    PyObject *package; /* str: folder of our own Python files, which reports skip */
    PyObject *s_gr_frame, *s_gr_context, *s_paused, *s_resumed;
} c4pe_coros_t;

/* It was woken by interrupt_wait(): -1 with KeyboardInterrupt. */
int c4pe_coro_raise_interrupt(c4pe_coro_t *coro);

/* Let it run until it waits again or ends; then everything that follows from that. On the hub, or
 * nested in another coroutine. */
void c4pe_coro_resume(c4pe_coro_t *coro);

/* ---- coro_run.c ---------------------------------------------------------------------------------- */

PyTypeObject *c4pe_worker_make_type(PyObject *module);
/* A worker from the pool, or a new one; NULL with an exception. */
c4pe_worker_t *c4pe_worker_take(c4pe_state_t *st);
/* Back into the pool, after its coroutine ended. */
void c4pe_worker_put(c4pe_worker_t *worker);
/* From a coroutine on a worker: give control to whoever let it run. 0 when it is let run again; -1
 * with an exception when it is to end. */
int c4pe_coro_switch_back(c4pe_coro_t *coro);
/* Run an async coroutine until it waits or has ended. */
void c4pe_coro_async_step(c4pe_coro_t *coro);
/* It has ended, with this result (taken) or, NULL, with the exception that is set. */
void c4pe_coro_keep_result(c4pe_coro_t *coro, PyObject *result);

/* ---- coro_cancel.c ------------------------------------------------------------------------------- */

/* It wants to wait again after it was woken in vain: forget the wait; -1 with an exception. */
int c4pe_coro_refuse_wait(c4pe_coro_t *coro);

/* ---- coro_report.c ------------------------------------------------------------------------------- */

/* A future that gets None after so many seconds, for async coroutines. */
PyObject *c4pe_coro_sleep_awaitable(c4pe_state_t *st, double seconds);
/* Which coroutine it is, and since when it waits for what. */
void c4pe_coro_describe(c4pe_coro_t *coro, char *buf, size_t size);
/* What a waiting coroutine waits for, in words. */
void c4pe_coro_describe_wait(c4pe_coro_t *coro, char *buf, size_t size);
/* From how many bytes on, waiting for slow receivers, a sender is held back. */
uint64_t c4pe_coro_backlog_limit(void);

#endif
