/* SPDX-License-Identifier: Apache-2.0 */
/* coro_cancel.c: for the interactive shell: what its coroutine waits for, and giving that up. */
#include "coro_int.h"

#include "life.h"

/* The coroutine of this chare that waits for something that must come from outside; NULL if none
 * does. */
static c4pe_coro_t *
blocked_coro(c4pe_state_t *st, PyObject *chare)
{
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next)
        if ((PyObject *)coro->job.chare == chare && coro->kind != C4PE_WAIT_TIMER &&
            coro->kind != C4PE_WAIT_CREDIT)
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
    c4pe_coro_t *coro = blocked_coro(st, chare);
    if (!coro)
        Py_RETURN_NONE;
    c4pe_coro_describe_wait(coro, what, sizeof(what));
    return Py_BuildValue("(sd)", what, coro->since);
}

PyObject *
c4pe_coro_cancel_wait(PyObject *module, PyObject *chare)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!c4pe_need_rt(st, "cancel_wait()"))
        return NULL;
    c4pe_coro_t *coro = blocked_coro(st, chare);
    if (!coro || !coro->worker)
        Py_RETURN_FALSE;
    coro->cancelled = true;
    c4pe_coro_wake_soon(coro);
    Py_RETURN_TRUE;
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
