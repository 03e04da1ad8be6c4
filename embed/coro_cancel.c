/* SPDX-License-Identifier: Apache-2.0 */
/* coro_cancel.c: for the interactive shell: what its coroutine waits for, and giving that up. */
#include "coro_int.h"

#include "life.h"

/* The coroutine of this chare that waits for something that must come from outside, or, if that is
 * wanted, for a timer; NULL if none does. */
static c4pe_coro_t *
blocked_coro(c4pe_state_t *st, PyObject *chare, bool or_sleeps)
{
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next)
        if ((PyObject *)coro->job.chare == chare && coro->kind != C4PE_WAIT_CREDIT &&
            (or_sleeps || coro->kind != C4PE_WAIT_TIMER))
            return coro;
    return NULL;
}

PyObject *
c4pe_coro_blocked(PyObject *module, PyObject *chare)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    char what[300];
    if (!c4pe_need_rt(st, "blocked()"))
        return NULL;
    c4pe_coro_t *coro = blocked_coro(st, chare, false);
    if (!coro)
        Py_RETURN_NONE;
    c4pe_coro_describe_wait(coro, what, sizeof(what));
    return Py_BuildValue("(sd)", what, coro->since);
}

PyObject *
c4pe_coro_num_timers(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    Py_ssize_t count = st->timers ? PyDict_GET_SIZE(st->timers) : 0;
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next)
        count += coro->kind == C4PE_WAIT_TIMER;
    return PyLong_FromSsize_t(count);
}

PyObject *
c4pe_coro_cancel_wait(PyObject *module, PyObject *chare)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!c4pe_need_rt(st, "cancel_wait()"))
        return NULL;
    c4pe_coro_t *coro = blocked_coro(st, chare, false);
    if (!coro || !coro->worker)
        Py_RETURN_FALSE;
    coro->cancelled = true;
    c4pe_coro_wake_soon(coro);
    Py_RETURN_TRUE;
}

PyObject *
c4pe_coro_interrupt_wait(PyObject *module, PyObject *chare)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!c4pe_need_rt(st, "interrupt_wait()"))
        return NULL;
    c4pe_coro_t *coro = blocked_coro(st, chare, true);
    if (!coro || !coro->worker)
        Py_RETURN_FALSE;
    coro->interrupted = true;
    c4pe_coro_wake_soon(coro);
    Py_RETURN_TRUE;
}

int
c4pe_coro_raise_interrupt(c4pe_coro_t *coro)
{
    coro->interrupted = false;
    if (!PyErr_Occurred())
        PyErr_SetNone(PyExc_KeyboardInterrupt);
    return -1;
}

bool
c4pe_coro_take_cancelled(c4pe_coro_t *coro)
{
    bool cancelled = coro->cancelled;
    coro->cancelled = false;
    return cancelled;
}

int
c4pe_coro_refuse_wait(c4pe_coro_t *coro)
{
    coro->cancelled = false;
    if (coro->queue)
        c4pe_waiters_remove(coro->queue, coro);
    c4pe_raise(coro->st, "the wait was cancelled: nothing happens any more on any rank");
    return -1;
}
