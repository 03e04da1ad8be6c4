/* SPDX-License-Identifier: Apache-2.0 */
/* future_done.c: functions to be called when a future has all its values. */
#include "future_int.h"

typedef struct done {
    c4pe_watch_t watch; /* first: the callback gets its address */
    c4pe_state_t *st;
    PyObject *future, *func; /* strong: the future stays until it is complete */
} done_t;

static void
done_free(done_t *done)
{
    Py_DECREF(done->future);
    Py_DECREF(done->func);
    PyMem_Free(done);
}

static void
done_run(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    done_t *done = ctx;
    PyObject *result = PyObject_CallOneArg(done->func, done->future);
    if (!result)
        c4pe_err_uncaught(done->st, NULL, NULL, "running a done-callback of a future in");
    Py_XDECREF(result);
    done_free(done);
}

static void
done_ready(c4pe_watch_t *watch)
{
    done_t *done = (done_t *)watch;
    c4p_status_t status = c4p_post(done->st->rt, done_run, done);
    if (status == C4P_OK)
        return;
    if (!c4p_exiting(done->st->rt))
        c4p_abort(done->st->rt, c4p_exit_status(status), "cannot schedule a done-callback");
    done_free(done);
}

PyObject *
c4pe_future_add_done(PyObject *op, PyObject *func)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (!PyCallable_Check(func)) {
        PyErr_Format(PyExc_TypeError, "add_done_callback needs something to call, not %.100s",
                     Py_TYPE(func)->tp_name);
        return NULL;
    }
    if (!c4pe_need_rt(f->st, "Future.add_done_callback()") ||
        c4pe_future_check_owned(f, "Future.add_done_callback()") < 0 ||
        c4pe_future_demand(f->st, op) < 0)
        return NULL;
    done_t *done = PyMem_Calloc(1, sizeof(*done));
    if (!done)
        return PyErr_NoMemory();
    done->st = f->st;
    done->future = Py_NewRef(op);
    done->func = Py_NewRef(func);
    done->watch.ready = done_ready;
    if (c4pe_future_is_ready(f))
        done_ready(&done->watch);
    else
        c4pe_watch_link(&f->watches, &done->watch);
    Py_RETURN_NONE;
}
