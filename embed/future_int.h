/* SPDX-License-Identifier: Apache-2.0 */
/* future_int.h: what the files of futures share. future.c makes them, takes values in and gives
 * them out; future_type.c is what Python sees. Main thread with the interpreter lock held. */
#ifndef C4PE_FUTURE_INT_H
#define C4PE_FUTURE_INT_H

#include "future.h"

/* One value: as it came, until somebody asks for it. */
typedef struct c4pe_value {
    c4p_msg_t *msg;   /* kept; NULL: no bytes, or decoded */
    PyObject *object; /* decoded */
    bool is_error;
} c4pe_value_t;

enum {
    C4PE_FUTURE_OWNED = 1,    /* this rank made it: it can be waited for here */
    C4PE_FUTURE_LOCAL = 2,    /* no number: values come from this rank only */
    C4PE_FUTURE_OPEN = 4,     /* the runtime knows it and calls back */
    C4PE_FUTURE_EXPORTED = 8, /* in futures->exported */
    C4PE_FUTURE_PINNED = 16,  /* one more reference to itself, until the values are there: somebody
                     may bring it  back */
    C4PE_FUTURE_CANCELLED = 32,
    C4PE_FUTURE_STORED = 64, /* stands for an object of the object store, see c4py/_store.py */
    C4PE_FUTURE_NAMED = 128, /* its number has been given away: values may come */
};

struct c4pe_future {
    PyObject_HEAD
    c4pe_state_t *st;
    c4p_future_t id;
    uint64_t num_values, num_got;
    unsigned flags;
    int how;                   /* C4PE_VALUE… */
    c4pe_value_t *values, one; /* values == &one for one value */
    uint64_t room;
    PyObject *error; /* the last exception among the values, once they were looked at */
    PyObject *made;  /* where in the program: a code object; NULL */
    int made_at;     /* and the place in it */
    PyObject *call;  /* str: whose answer it gets; NULL */
    c4pe_waiters_t waiters;
    c4pe_watch_t *watches;
    PyObject *weakrefs;
};

/* The part of a number that counts the futures of a rank. */
#define C4PE_FUTURE_SERIAL (((uint64_t)1 << 40) - 1)

static inline bool
c4pe_future_is_ready(const c4pe_future_t *f)
{
    return f->num_got >= f->num_values;
}

/* ---- future.c ------------------------------------------------------------------------------------ */

/* 0 if this rank may wait for the future; -1 with Charm4PyError that says why not. */
int c4pe_future_check_owned(c4pe_future_t *f, const char *what);
/* The values that have arrived, as a list. */
PyObject *c4pe_future_values(c4pe_future_t *f);
/* The result of get() once all values are there. */
PyObject *c4pe_future_result(c4pe_future_t *f);
/* The future goes away: it cannot come back any more. */
void c4pe_future_forget(c4pe_future_t *f);
PyObject *c4pe_future_reduce(PyObject *op, PyObject *unused); /* __reduce__ */

/* ---- future_done.c ------------------------------------------------------------------------------- */

/* add_done_callback(): func(future) is called from the scheduler, soon after the last value came
 * or, if that was before, soon; until then the future is kept. None, or NULL with an exception. */
PyObject *c4pe_future_add_done(PyObject *future, PyObject *func);

/* ---- future_type.c ------------------------------------------------------------------------------- */

/* Make the three types and add them to the module. -1 with an exception. */
int c4pe_future_add_types(PyObject *module, c4pe_state_t *st);

#endif
