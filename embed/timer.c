/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c: Python functions that the scheduler calls: after a time, before the next message, or as
 * coroutines of no chare. */
#include "coroutine.h"
#include "life.h"
#include "profile.h"

/* One function call that is due later. */
typedef struct call {
    c4pe_state_t *st;
    PyObject *func, *args;
    uint64_t id; /* of the timer */
} call_t;

static call_t *
call_new(c4pe_state_t *st, PyObject *func, PyObject *args)
{
    if (!PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "%s is not callable", Py_TYPE(func)->tp_name), NULL;
    call_t *call = PyMem_Calloc(1, sizeof(*call));
    if (call == NULL)
        return PyErr_NoMemory(), NULL;
    call->st = st;
    call->func = Py_NewRef(func);
    call->args = args ? PySequence_Tuple(args) : Py_NewRef(st->empty_tuple);
    if (call->args == NULL) {
        Py_DECREF(func);
        PyMem_Free(call);
        return NULL;
    }
    return call;
}

static void
call_free(call_t *call)
{
    Py_DECREF(call->func);
    Py_DECREF(call->args);
    PyMem_Free(call);
}

static void
call_run(call_t *call, const char *doing)
{
    c4pe_charged_t before = c4pe_profile_enter(call->st, C4PE_ACCOUNT_TIMER);
    PyObject *result =
        call->st->exiting ? Py_NewRef(Py_None) : PyObject_Call(call->func, call->args, NULL);
    if (result == NULL)
        c4pe_err_uncaught(call->st, NULL, NULL, doing);
    c4pe_profile_leave(call->st, before);
    Py_XDECREF(result);
    call_free(call);
}

/* ---- timers -------------------------------------------------------------------------------------- */

/* st->timers: dict of timer number -> address of the call_t. */
static void
forget(c4pe_state_t *st, uint64_t id)
{
    PyObject *key = PyLong_FromUnsignedLongLong(id);
    if (key != NULL && st->timers != NULL)
        PyDict_DelItem(st->timers, key);
    Py_XDECREF(key);
    PyErr_Clear();
}

static void
timer_fired(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    call_t *call = ctx;
    forget(call->st, call->id);
    call_run(call, "running the function of a timer in");
}

static PyObject *
remember(c4pe_state_t *st, call_t *call)
{
    PyObject *key = PyLong_FromUnsignedLongLong(call->id);
    PyObject *address = PyLong_FromVoidPtr(call);
    if (key == NULL || address == NULL || PyDict_SetItem(st->timers, key, address) < 0)
        Py_CLEAR(key);
    Py_XDECREF(address);
    return key;
}

PyObject *
c4pe_timer_call_later(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    double secs;
    PyObject *func, *func_args = NULL;
    if (!PyArg_ParseTuple(args, "dO|O:call_later", &secs, &func, &func_args) ||
        c4pe_need_rt(st, "a timer") == NULL)
        return NULL;
    if (st->timers == NULL && (st->timers = PyDict_New()) == NULL)
        return NULL;
    call_t *call = call_new(st, func, func_args);
    if (call == NULL)
        return NULL;
    c4p_status_t status = c4p_timer(st->rt, secs > 0 ? secs : 0, timer_fired, call, &call->id);
    if (status != C4P_OK) {
        call_free(call);
        return c4pe_raise_status(st, status, "a timer");
    }
    return remember(st, call);
}

PyObject *
c4pe_timer_cancel_later(PyObject *module, PyObject *number)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *found = st->timers ? PyDict_GetItemWithError(st->timers, number) : NULL; /* borrowed
                                                                                        */
    if (found == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    call_t *call = PyLong_AsVoidPtr(found);
    if (st->rt == NULL || c4p_timer_cancel(st->rt, call->id) != C4P_OK)
        Py_RETURN_FALSE;
    forget(st, call->id);
    call_free(call);
    Py_RETURN_TRUE;
}

/* The runtime is going: no timer fires any more. */
void
c4pe_timers_clear(c4pe_state_t *st)
{
    PyObject *timers = st->timers, *key, *value;
    Py_ssize_t at = 0;
    st->timers = NULL;
    while (timers != NULL && PyDict_Next(timers, &at, &key, &value)) {
        call_t *call = PyLong_AsVoidPtr(value);
        c4p_timer_cancel(st->rt, call->id);
        call_free(call);
    }
    Py_XDECREF(timers);
}

/* ---- posts and coroutines ------------------------------------------------------------------------ */

static void
post_run(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    call_run(ctx, "running a posted function in");
}

PyObject *
c4pe_timer_post(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *func, *func_args = NULL;
    if (!PyArg_ParseTuple(args, "O|O:post", &func, &func_args) ||
        c4pe_need_rt(st, "post()") == NULL)
        return NULL;
    call_t *call = call_new(st, func, func_args);
    if (call == NULL)
        return NULL;
    c4p_status_t status = c4p_post(st->rt, post_run, call);
    if (status != C4P_OK) {
        call_free(call);
        return c4pe_raise_status(st, status, "post()");
    }
    Py_RETURN_NONE;
}

/* c4pe_coro_done_fn of spawn(..., done): ctx is the function, owned. */
static void
spawn_done(c4pe_state_t *st, void *ctx, PyObject *result)
{
    PyObject *func = ctx;
    PyObject *type = NULL, *exc = NULL, *tb = NULL;
    if (result == NULL && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        Py_DECREF(func);
        c4pe_err_uncaught(st, NULL, NULL, NULL);
        return;
    }
    if (result == NULL) {
        PyErr_Fetch(&type, &exc, &tb);
        PyErr_NormalizeException(&type, &exc, &tb);
        if (tb != NULL)
            PyException_SetTraceback(exc, tb);
    }
    PyObject *done =
        PyObject_CallFunctionObjArgs(func, result ? result : Py_None, exc ? exc : Py_None, NULL);
    if (done == NULL)
        c4pe_err_uncaught(st, NULL, NULL, "finishing a coroutine of");
    Py_XDECREF(done);
    Py_XDECREF(type);
    Py_XDECREF(exc);
    Py_XDECREF(tb);
    Py_XDECREF(result);
    Py_DECREF(func);
}

PyObject *
c4pe_timer_spawn(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *func, *func_args = NULL, *done = Py_None;
    if (!PyArg_ParseTuple(args, "O|OO:spawn", &func, &func_args, &done) ||
        c4pe_need_rt(st, "spawn()") == NULL)
        return NULL;
    PyObject *tuple = func_args ? PySequence_Tuple(func_args) : Py_NewRef(st->empty_tuple);
    if (tuple == NULL)
        return NULL;
    c4pe_job_t job = {.chare = NULL};
    if (done != Py_None) {
        job.done = spawn_done;
        job.ctx = Py_NewRef(done);
    }
    PyObject *code = PyObject_GetAttrString(func, "__code__");
    bool is_async =
        code != NULL && PyCode_Check(code) && (((PyCodeObject *)code)->co_flags & CO_COROUTINE);
    Py_XDECREF(code);
    PyErr_Clear();
    c4pe_charged_t before = c4pe_profile_enter(st, C4PE_ACCOUNT_PROGRAM);
    int result = c4pe_coro_start(st, &job, func, NULL, tuple, NULL, is_async);
    c4pe_profile_leave(st, before);
    Py_DECREF(tuple);
    if (result < 0) {
        Py_XDECREF((PyObject *)job.ctx);
        return NULL;
    }
    Py_RETURN_NONE;
}
