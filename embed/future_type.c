/* SPDX-License-Identifier: Apache-2.0 */
/* future_type.c: the types Future, LocalFuture and CollectiveFuture as Python sees them. */
#include "future_int.h"

static PyObject *
future_get(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return c4pe_future_get(((c4pe_future_t *)op)->st, op);
}

/* Send one value, by position or as the keyword `name`. The number of both together is `num`. */
static PyObject *
send_value(PyObject *op, PyObject *value, PyObject *name, Py_ssize_t num)
{
    if (num > 1) {
        PyErr_Format(PyExc_TypeError, "a future takes at most 1 value, %zd were given", num);
        return NULL;
    }
    if (name != NULL && PyUnicode_CompareWithASCIIString(name, "result") != 0) {
        PyErr_Format(PyExc_TypeError, "a future takes the keyword argument 'result', not %R", name);
        return NULL;
    }
    if (c4pe_future_send(((c4pe_future_t *)op)->st, op, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
future_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t num_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *name = num_named ? PyTuple_GET_ITEM(kwnames, 0) : NULL;
    return send_value(op, nargs + num_named ? args[0] : Py_None, name, nargs + num_named);
}

static PyObject *
future_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *value = Py_None, *name = NULL;
    Py_ssize_t at = 0, num = PyTuple_GET_SIZE(args);
    if (num > 0)
        value = PyTuple_GET_ITEM(args, 0);
    if (kwargs) {
        PyDict_Next(kwargs, &at, &name, &value);
        num += PyDict_GET_SIZE(kwargs);
    }
    return send_value(op, value, name, num);
}

static PyObject *
future_ready(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (!(f->flags & C4PE_FUTURE_OWNED) && c4pe_future_check_owned(f, "Future.ready()") < 0)
        return NULL;
    return PyBool_FromLong(c4pe_future_is_ready(f));
}

static PyObject *
get_fid(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((c4pe_future_t *)op)->id & C4PE_FUTURE_SERIAL);
}

static PyObject *
get_src(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    return PyLong_FromLong(f->flags & C4PE_FUTURE_LOCAL ? f->st->rank : c4p_future_rank(f->id));
}

static PyObject *
get_nvals(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((c4pe_future_t *)op)->num_values);
}

static PyObject *
get_values(PyObject *op, void *Py_UNUSED(closure))
{
    return c4pe_future_values((c4pe_future_t *)op);
}

static PyObject *
get_gotvalues(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    return PyBool_FromLong((f->flags & C4PE_FUTURE_OWNED) && c4pe_future_is_ready(f));
}

static PyObject *
get_error(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    PyObject *all = c4pe_future_values(f);
    if (!all)
        return NULL;
    Py_DECREF(all);
    return Py_NewRef(f->error ? f->error : Py_None);
}

static PyObject *
get_blocked(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((c4pe_future_t *)op)->waiters.head != NULL);
}

static PyObject *
future_repr(PyObject *op)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    const char *state = !(f->flags & C4PE_FUTURE_OWNED) ? "elsewhere"
                        : c4pe_future_is_ready(f)       ? "ready"
                                                        : "waiting";
    if (f->flags & C4PE_FUTURE_LOCAL)
        return PyUnicode_FromFormat("<%s %s>", Py_TYPE(op)->tp_name, state);
    return PyUnicode_FromFormat("<Future %llu of rank %d, %s>",
                                (unsigned long long)(f->id & C4PE_FUTURE_SERIAL),
                                c4p_future_rank(f->id), state);
}

void
c4pe_future_describe(PyObject *op, char *buf, size_t size)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    char more[300] = "", count[60] = "", place[200];
    const char *text = f->call ? PyUnicode_AsUTF8(f->call) : NULL;
    PyErr_Clear();
    if (f->made) {
        c4pe_coro_place_text(f->made, f->made_at, place, sizeof(place));
        text = place;
    }
    if (text)
        PyOS_snprintf(more, sizeof(more), " (%s %s)", f->made ? "made at" : "the answer of", text);
    if (f->num_values > 1)
        PyOS_snprintf(count, sizeof(count), ", which has %llu of %llu values",
                      (unsigned long long)f->num_got, (unsigned long long)f->num_values);
    if (f->flags & C4PE_FUTURE_STORED)
        PyOS_snprintf(buf, size, "a stored object");
    else if (f->flags & C4PE_FUTURE_LOCAL)
        PyOS_snprintf(buf, size, "a collective result");
    else
        PyOS_snprintf(buf, size, "future %llu%s%s",
                      (unsigned long long)(f->id & C4PE_FUTURE_SERIAL), more, count);
}

static int
future_traverse(PyObject *op, visitproc visit, void *arg)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(f->error);
    for (uint64_t i = 0; i < f->num_got && i < f->room; i++)
        Py_VISIT(f->values[i].object);
    return 0;
}

static int
future_clear(PyObject *op)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    Py_CLEAR(f->error);
    Py_CLEAR(f->made);
    Py_CLEAR(f->call);
    for (uint64_t i = 0; i < f->num_got && i < f->room; i++) {
        if (f->values[i].object)
            Py_SETREF(f->values[i].object, Py_NewRef(Py_None));
    }
    return 0;
}

static void
future_dealloc(PyObject *op)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (f->weakrefs)
        PyObject_ClearWeakRefs(op);
    if ((f->flags & C4PE_FUTURE_OPEN) && f->st->rt) {
        if (f->flags & C4PE_FUTURE_NAMED)
            c4p_future_free(f->st->rt, f->id);
        else
            c4p_future_discard(f->st->rt, f->id);
    }
    if (f->flags & C4PE_FUTURE_EXPORTED)
        c4pe_future_forget(f);
    for (uint64_t i = 0; i < f->num_got && i < f->room; i++) {
        Py_CLEAR(f->values[i].object);
        if (f->st->rt)
            c4p_msg_free(f->values[i].msg);
    }
    if (f->values != &f->one)
        PyMem_Free(f->values);
    Py_CLEAR(f->error);
    Py_CLEAR(f->made);
    Py_CLEAR(f->call);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static int
poll_future(PyObject *op, PyObject **value_out)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (!(f->flags & C4PE_FUTURE_OWNED) || (f->flags & C4PE_FUTURE_CANCELLED))
        return c4pe_future_check_owned(f, "waiting");
    if (!c4pe_future_is_ready(f))
        return 0;
    if (value_out && !(*value_out = c4pe_future_result(f)))
        return -1;
    return 1;
}

static c4pe_waiters_t *
future_waiters(PyObject *op)
{
    return &((c4pe_future_t *)op)->waiters;
}

static c4pe_watch_t **
future_watches(PyObject *op)
{
    return &((c4pe_future_t *)op)->watches;
}

static const c4pe_waitable_t future_waitable = {poll_future, future_waiters, future_watches,
                                                C4PE_WAIT_FUTURE};

const c4pe_waitable_t *
c4pe_future_waitable(void)
{
    return &future_waitable;
}

static PyObject *
future_await(PyObject *op)
{
    return c4pe_await_new(((c4pe_future_t *)op)->st, &future_waitable, op);
}

static PyObject *
future_as_concurrent(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = ((c4pe_future_t *)op)->st;
    PyObject *hook = PyDict_GetItemString(st->hooks, "as_concurrent"); /* borrowed */
    if (!hook)
        return c4pe_raise(st, "Future.as_concurrent() needs the package c4py");
    return PyObject_CallOneArg(hook, op);
}

static PyMethodDef future_methods[] = {
    {"get", future_get, METH_NOARGS,
     "get($self, /)\n"
     "--\n"
     "\n"
     "The value; of a future for several values the list of them, in order of arrival.\n"
     "\n"
     "Blocks the coroutine until all have arrived; in an async def: await future. May be\n"
     "called again, and by several coroutines. Raises the exception that was sent instead of\n"
     "a value, NotThreadedError if it would have to wait outside a coroutine, Charm4PyError\n"
     "on another rank than the one that made the future."},
    {"send", (PyCFunction)(void (*)(void))future_send, METH_FASTCALL | METH_KEYWORDS,
     "send($self, result=None)\n"
     "--\n"
     "\n"
     "Deliver one value, or an exception that get() shall raise. Calling the future does the\n"
     "same.\n"
     "\n"
     "result: the value, captured now. Any rank and context; does not block. One value more\n"
     "than the future waits for ends the job, with a report that names the future."},
    {"ready", future_ready, METH_NOARGS,
     "ready($self, /)\n"
     "--\n"
     "\n"
     "True if all values have arrived, so that get() would not wait. Does not block."},
    {"add_done_callback", c4pe_future_add_done, METH_O,
     "add_done_callback($self, func, /)\n"
     "--\n"
     "\n"
     "Call func(future) on this rank, outside of coroutines, when all values have arrived;\n"
     "soon, if they have. Does not block.\n"
     "\n"
     "An exception in func ends the job. Only on the rank that made the future, else\n"
     "Charm4PyError; TypeError if func cannot be called."},
    {"as_concurrent", future_as_concurrent, METH_NOARGS,
     "as_concurrent($self, /)\n"
     "--\n"
     "\n"
     "A concurrent.futures.Future that gets the same value or exception. Does not block.\n"
     "\n"
     "Other threads may wait for it with result(), a loop of asyncio there through\n"
     "asyncio.wrap_future(); result() in a coroutine suspends it. It cannot be cancelled.\n"
     "Only on the rank that made the future, else Charm4PyError."},
    {"__reduce__", c4pe_future_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef future_getset[] = {
    {"fid", get_fid, NULL, "Number of the future on the rank that made it. Read-only.", NULL},
    {"src", get_src, NULL, "The rank that made it, which alone can wait for it. Read-only.", NULL},
    {"nvals", get_nvals, NULL, "How many values it waits for. Read-only.", NULL},
    {"values", get_values, NULL, "List of the values that have arrived so far, in that order.",
     NULL},
    {"gotvalues", get_gotvalues, NULL, "True if all values have arrived.", NULL},
    {"error", get_error, NULL, "The last exception among the values, or None.", NULL},
    {"blocked", get_blocked, NULL, "True if a coroutine waits for it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef future_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(c4pe_future_t, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot future_slots[] = {
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_call, future_call},
    {Py_tp_repr, future_repr},
    {Py_tp_methods, future_methods},
    {Py_tp_getset, future_getset},
    {Py_tp_members, future_members},
    {Py_am_await, future_await},
    {Py_tp_doc,
     (void *)"A value, or several, that will arrive: what coroutines wait for.\n"
             "\n"
             "Made by Future(), and by calls with ret=True or awaitable=True; not to be "
             "constructed.\n"
             "get(), or await in an async def, waits on the rank that made it. It can be sent to "
             "any\n"
             "rank; whoever has it delivers a value with send() or by calling it. It may be the\n"
             "target of reductions and of charm.startQD(), and be given to charm.wait() and\n"
             "charm.iwait()."},
    {0, NULL},
};

static PyType_Spec future_spec = {
    .name = "c4py.threads.Future",
    .basicsize = sizeof(c4pe_future_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = future_slots,
};

static PyObject *
local_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    c4pe_state_t *st = c4pe_state_of_type(type);
    if (!st)
        return NULL;
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "LocalFuture() takes no arguments");
        return NULL;
    }
    if (type != st->local_future_type)
        return c4pe_need_rt(st, "a reference") ? c4pe_stored_future_new(st, type) : NULL;
    if (!c4pe_need_rt(st, "LocalFuture()") || c4pe_coro_may_create(st, "LocalFuture()") < 0)
        return NULL;
    return c4pe_local_future_new(st, false);
}

static PyType_Slot local_slots[] = {
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_new, local_new},
    {Py_tp_doc, (void *)"LocalFuture()\n"
                        "--\n"
                        "\n"
                        "A future for one value that stays on its rank: it cannot be sent. "
                        "Coroutine only, else\n"
                        "NotThreadedError. Takes no arguments; does not block."},
    {0, NULL},
};

static PyType_Spec local_spec = {
    .name = "c4py.threads.LocalFuture",
    .basicsize = sizeof(c4pe_future_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = local_slots,
};

static PyType_Slot collective_slots[] = {
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_doc, (void *)"The result of a collective operation, such as allreduce(), on one of its "
                        "members. Made\n"
                        "by it; not to be constructed. The methods are those of Future."},
    {0, NULL},
};

static PyType_Spec collective_spec = {
    .name = "c4py.threads.CollectiveFuture",
    .basicsize = sizeof(c4pe_future_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = collective_slots,
};

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

int
c4pe_future_add_types(PyObject *module, c4pe_state_t *st)
{
    st->future_type = add_type(module, &future_spec, NULL);
    if (!st->future_type)
        return -1;
    st->local_future_type = add_type(module, &local_spec, st->future_type);
    st->collective_future_type = add_type(module, &collective_spec, st->future_type);
    return st->local_future_type && st->collective_future_type ? 0 : -1;
}
