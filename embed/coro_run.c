/* SPDX-License-Identifier: Apache-2.0 */
/* coro_run.c: the two ways in which a coroutine runs: on a pooled greenlet, or as an `async def`
 * object that is sent None. */
#include "coro_int.h"

/* ---- workers: pooled greenlets ------------------------------------------------------------------- */

static PyObject *
call_function(c4pe_coro_t *coro)
{
    enum { SMALL = 6 };
    PyObject *stack[SMALL + 2];
    Py_ssize_t n = coro->args ? PyTuple_GET_SIZE(coro->args) : 0;
    if (n > SMALL || coro->kwargs) {
        PyObject *method =
            coro->first ? PyMethod_New(coro->func, coro->first) : Py_NewRef(coro->func);
        PyObject *args = coro->args ? coro->args : coro->st->empty_tuple;
        PyObject *result = method ? PyObject_Call(method, args, coro->kwargs) : NULL;
        Py_XDECREF(method);
        return result;
    }
    stack[1] = coro->first;
    for (Py_ssize_t i = 0; i < n; i++)
        stack[i + 2] = PyTuple_GET_ITEM(coro->args, i);
    PyObject **first = coro->first ? stack + 1 : stack + 2;
    size_t count = (size_t)n + (coro->first ? 1 : 0);
    return PyObject_Vectorcall(coro->func, first, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

void
c4pe_coro_keep_result(c4pe_coro_t *coro, PyObject *result)
{
    coro->state = C4PE_CORO_ENDED;
    coro->result = result;
    if (!result)
        PyErr_Fetch(&coro->exc_type, &coro->exc_value, &coro->exc_tb);
}

/* Back to whoever let this coroutine run. 0 when it is let run again; -1 with an exception when it
 * is to end. */
int
c4pe_coro_switch_back(c4pe_coro_t *coro)
{
    PyObject *nothing = coro->st->coros->greenlet.switch_to(coro->starter, NULL, NULL);
    Py_XDECREF(nothing);
    return nothing ? 0 : -1;
}

/* Context variables that a coroutine set on this worker, the running greenlet, are not for the next
 * one. */
static void
drop_context(c4pe_worker_t *worker)
{
    if (PyThreadState_Get()->context == NULL)
        return; /* as nearly always */
    if (PyObject_SetAttr(worker->greenlet, worker->st->coros->s_gr_context, Py_None) < 0)
        PyErr_WriteUnraisable(worker->greenlet);
}

/* What a worker's greenlet runs: one coroutine after the other. */
static PyObject *
worker_run(PyObject *op, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    c4pe_worker_t *worker = (c4pe_worker_t *)op;
    for (;;) {
        c4pe_coro_t *coro = worker->coro;
        c4pe_coro_keep_result(coro, call_function(coro));
        drop_context(worker);
        if (worker->retire) {
            worker->st->coros->greenlet.set_parent(worker->greenlet, coro->starter);
            Py_RETURN_NONE;
        }
        if (c4pe_coro_switch_back(coro) < 0)
            return NULL;
    }
}

static void
worker_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_CLEAR(((c4pe_worker_t *)op)->greenlet);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyType_Slot worker_slots[] = {
    {Py_tp_call, worker_run},
    {Py_tp_dealloc, worker_dealloc},
    {Py_tp_doc, (void *)"Runs coroutines on a greenlet of its own."},
    {0, NULL},
};

static PyType_Spec worker_spec = {
    .name = "c4py._c4py.Worker",
    .basicsize = sizeof(c4pe_worker_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = worker_slots,
};

static c4pe_worker_t *
worker_new(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    c4pe_worker_t *worker = PyObject_New(c4pe_worker_t, coros->worker_type);
    if (!worker)
        return NULL;
    worker->st = st;
    worker->coro = NULL;
    worker->next = NULL;
    worker->retire = false;
    worker->greenlet = coros->greenlet.make((PyObject *)worker, coros->hub);
    if (!worker->greenlet)
        Py_CLEAR(worker);
    return worker;
}

c4pe_worker_t *
c4pe_worker_take(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    c4pe_worker_t *worker = coros->idle;
    if (!worker)
        return worker_new(st);
    coros->idle = worker->next;
    coros->num_idle--;
    return worker;
}

void
c4pe_worker_put(c4pe_worker_t *worker)
{
    c4pe_coros_t *coros = worker->st->coros;
    worker->coro = NULL;
    if (worker->retire) {
        Py_DECREF(worker);
        return;
    }
    worker->next = coros->idle;
    coros->idle = worker;
    coros->num_idle++;
}

/* ---- async def ----------------------------------------------------------------------------------- */

/* Something that is sent None: the object itself, or what its __await__ gives. */
static PyObject *
get_awaitable(PyObject *obj)
{
    if (PyCoro_CheckExact(obj) || PyGen_CheckExact(obj))
        return Py_NewRef(obj);
    PyAsyncMethods *methods = Py_TYPE(obj)->tp_as_async;
    if (methods && methods->am_await)
        return methods->am_await(obj);
    PyErr_Format(PyExc_TypeError, "an async method returned %.100s, which cannot be awaited",
                 Py_TYPE(obj)->tp_name);
    return NULL;
}

/* The coroutine awaited something that is not ours, such as an asyncio future: tell it. */
static PyObject *
throw_foreign(c4pe_coro_t *coro, PyObject *yielded)
{
    PyObject *text = PyUnicode_FromFormat(
        "an async method may await futures, channels and coroutines, not %.100s",
        Py_TYPE(yielded)->tp_name);
    PyObject *error = text ? PyObject_CallOneArg(PyExc_TypeError, text) : NULL;
    PyObject *next = error ? PyObject_CallMethod(coro->awaitable, "throw", "O", error) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(error);
    return next;
}

/* The value of the StopIteration that is set, which is cleared; NULL if another exception is set,
 * which stays. */
static PyObject *
take_stop_value(void)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration))
        return NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *result = value ? PyObject_GetAttrString(value, "value") : NULL;
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return result;
}

void
c4pe_coro_async_step(c4pe_coro_t *coro)
{
    c4pe_coros_t *coros = coro->st->coros;
    PyObject *out = NULL;
    if (!coro->awaitable) {
        PyObject *made = call_function(coro);
        coro->awaitable = made ? get_awaitable(made) : NULL;
        Py_XDECREF(made);
        if (!coro->awaitable) {
            c4pe_coro_keep_result(coro, NULL);
            return;
        }
    }
    PySendResult how = PyIter_Send(coro->awaitable, Py_None, &out);
    while (how == PYGEN_NEXT && out != coros->token) {
        PyObject *next = throw_foreign(coro, out);
        Py_SETREF(out, next);
        if (out)
            continue;
        out = take_stop_value();
        how = out ? PYGEN_RETURN : PYGEN_ERROR;
    }
    if (how == PYGEN_NEXT)
        Py_DECREF(out);
    else
        c4pe_coro_keep_result(coro, how == PYGEN_RETURN ? out : NULL);
}

PyTypeObject *
c4pe_worker_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &worker_spec, NULL);
}
