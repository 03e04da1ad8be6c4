/* SPDX-License-Identifier: Apache-2.0 */
/* future.c: futures as Python objects. */
#include "codec.h"
#include "checkpoint.h"
#include "future_int.h"

/* ---- making -------------------------------------------------------------------------------------- */

static inline void
future_init(c4pe_state_t *st, c4pe_future_t *f, uint64_t num_values, unsigned flags)
{
    f->st = st;
    f->id = 0;
    f->num_values = num_values;
    f->num_got = 0;
    f->flags = flags;
    f->how = C4PE_VALUE;
    f->one = (c4pe_value_t){0};
    f->values = &f->one;
    f->room = 1;
    f->error = f->made = f->call = f->weakrefs = NULL;
    f->waiters = (c4pe_waiters_t){0};
    f->watches = NULL;
}

static c4pe_future_t *
future_alloc(c4pe_state_t *st, PyTypeObject *type, uint64_t num_values, unsigned flags)
{
    c4pe_future_t *f = PyObject_GC_New(c4pe_future_t, type);
    if (!f)
        return NULL;
    future_init(st, f, num_values, flags);
    PyObject_GC_Track(f);
    return f;
}

static void
on_value(c4p_rt_t *rt, c4p_future_t id, c4p_msg_t *msg, bool is_error, bool last, void *ctx);

PyObject *
c4pe_future_new(c4pe_state_t *st, uint64_t num_values, int how)
{
    if (!c4pe_need_rt(st, "a future"))
        return NULL;
    c4pe_future_t *f = future_alloc(st, st->future_type, num_values, C4PE_FUTURE_OWNED);
    if (!f)
        return NULL;
    f->how = how;
    c4p_status_t status = c4p_future_new(st->rt, num_values, on_value, f, &f->id);
    if (status != C4P_OK) {
        Py_DECREF(f);
        return c4pe_raise_status(st, status, "a future");
    }
    f->flags |= C4PE_FUTURE_OPEN;
    return (PyObject *)f;
}

PyObject *
c4pe_local_future_new(c4pe_state_t *st, bool collective)
{
    return (PyObject *)future_alloc(st,
                                    collective ? st->collective_future_type : st->local_future_type,
                                    1, C4PE_FUTURE_OWNED | C4PE_FUTURE_LOCAL);
}

PyObject *
c4pe_stored_future_new(c4pe_state_t *st, PyTypeObject *type)
{
    c4pe_future_t *f = (c4pe_future_t *)type->tp_alloc(type, 0); /* tracked, all fields 0 */
    if (f)
        future_init(st, f, 1, C4PE_FUTURE_OWNED | C4PE_FUTURE_LOCAL | C4PE_FUTURE_STORED);
    return (PyObject *)f;
}

int
c4pe_future_demand(c4pe_state_t *st, PyObject *future)
{
    if (!(((c4pe_future_t *)future)->flags & C4PE_FUTURE_STORED))
        return 0;
    PyObject *hook = PyDict_GetItemString(st->hooks, "ref_demand"); /* borrowed */
    PyObject *done = hook ? PyObject_CallOneArg(hook, future) : NULL;
    Py_XDECREF(done);
    return done ? 0 : -1;
}

bool
c4pe_future_check(c4pe_state_t *st, PyObject *op)
{
    return Py_TYPE(op) == st->future_type || PyObject_TypeCheck(op, st->future_type);
}

c4p_future_t
c4pe_future_id(PyObject *future)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    f->flags |= C4PE_FUTURE_NAMED;
    return f->id;
}

/* ---- values come --------------------------------------------------------------------------------- */

static c4pe_value_t *
next_slot(c4pe_future_t *f)
{
    if (f->num_got < f->room)
        return &f->values[f->num_got];
    uint64_t room = f->room * 2 < 8 ? 8 : f->room * 2;
    c4pe_value_t *values = f->values == &f->one ? NULL : f->values;
    values = PyMem_Realloc(values, (size_t)room * sizeof(*values));
    if (!values)
        return NULL;
    if (f->values == &f->one)
        values[0] = f->one;
    f->values = values;
    f->room = room;
    return &values[f->num_got];
}

/* Everybody who waits may go on. */
static void
completed(c4pe_future_t *f, bool soon)
{
    c4pe_coro_t *coro;
    Py_INCREF(f);
    if (f->watches)
        c4pe_watch_fire(&f->watches);
    while ((coro = c4pe_waiters_pop(&f->waiters))) {
        if (soon)
            c4pe_coro_wake_soon(coro);
        else
            c4pe_coro_wake(coro);
    }
    if (f->flags & C4PE_FUTURE_PINNED) {
        f->flags &= ~(unsigned)C4PE_FUTURE_PINNED;
        Py_DECREF(f);
    }
    Py_DECREF(f);
}

static void
on_value(c4p_rt_t *rt, c4p_future_t Py_UNUSED(id), c4p_msg_t *msg, bool is_error, bool last,
         void *ctx)
{
    c4pe_future_t *f = ctx;
    c4pe_value_t *v = next_slot(f);
    if (!v)
        c4p_abort(rt, c4p_exit_status(C4P_ERR_NOMEM), "no memory for the value of a future");
    if (msg)
        c4p_msg_keep(msg);
    *v = (c4pe_value_t){.msg = msg, .is_error = is_error};
    f->num_got++;
    if (last) {
        f->flags &= ~(unsigned)C4PE_FUTURE_OPEN;
        completed(f, false);
    }
}

int
c4pe_local_future_set(c4pe_state_t *Py_UNUSED(st), PyObject *future, PyObject *value, bool is_error)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    if (c4pe_future_is_ready(f)) {
        c4pe_raise(f->st, "this local future has its value already");
        return -1;
    }
    f->one = (c4pe_value_t){.object = Py_NewRef(value), .is_error = is_error};
    f->num_got = 1;
    completed(f, false);
    return 0;
}

void
c4pe_future_label(PyObject *future, PyObject *call)
{
    Py_XSETREF(((c4pe_future_t *)future)->call, Py_NewRef(call));
}

void
c4pe_future_cancel(c4pe_state_t *st, PyObject *future)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    if (f->flags & C4PE_FUTURE_OPEN)
        c4p_future_discard(st->rt, f->id); /* who was to send a value was not reached */
    f->flags = (f->flags & ~(unsigned)C4PE_FUTURE_OPEN) | C4PE_FUTURE_CANCELLED;
}

/* ---- values go out ------------------------------------------------------------------------------- */

/* The value in its final form; remembers exceptions. */
static PyObject *
decode(c4pe_future_t *f, c4pe_value_t *v)
{
    if (!v->object) {
        PyObject *object = c4pe_value_decode(f->st, v->msg, v->is_error, f->how);
        if (!object)
            return NULL;
        if (v->object) /* decoding ran user code, which asked, too */
            Py_DECREF(object);
        else
            v->object = object;
        c4p_msg_free(v->msg);
        v->msg = NULL;
    }
    if (PyExceptionInstance_Check(v->object) &&
        PyObject_TypeCheck(v->object, (PyTypeObject *)PyExc_Exception))
        Py_XSETREF(f->error, Py_NewRef(v->object));
    return v->object; /* borrowed */
}

PyObject *
c4pe_future_values(c4pe_future_t *f)
{
    PyObject *list = PyList_New((Py_ssize_t)f->num_got);
    for (uint64_t i = 0; list && i < f->num_got; i++) {
        PyObject *object = decode(f, &f->values[i]);
        if (object)
            PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(object));
        else
            Py_CLEAR(list);
    }
    return list;
}

/* The result of get() once all values are there. */
PyObject *
c4pe_future_result(c4pe_future_t *f)
{
    PyObject *result;
    if (f->num_values == 1)
        result = Py_XNewRef(decode(f, &f->values[0]));
    else
        result = c4pe_future_values(f);
    if (result && f->error) {
        PyErr_SetObject((PyObject *)Py_TYPE(f->error), f->error);
        Py_CLEAR(result);
    }
    return result;
}

int
c4pe_future_check_owned(c4pe_future_t *f, const char *what)
{
    if ((f->flags & C4PE_FUTURE_OWNED) && !(f->flags & C4PE_FUTURE_CANCELLED))
        return 0;
    if (f->flags & C4PE_FUTURE_CANCELLED)
        c4pe_raise(f->st, "%s: the call of this future was refused", what);
    else if (c4p_future_rank(f->id) == f->st->rank)
        c4pe_raise(f->st, "%s: future %llu has been received and dropped by its owner", what,
                   (unsigned long long)(f->id & C4PE_FUTURE_SERIAL));
    else
        c4pe_raise(f->st,
                   "%s: future %llu belongs to rank %d, which alone can wait for it; here it can "
                   "only be sent to",
                   what, (unsigned long long)(f->id & C4PE_FUTURE_SERIAL), c4p_future_rank(f->id));
    return -1;
}

PyObject *
c4pe_future_get(c4pe_state_t *st, PyObject *future)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    while (!c4pe_future_is_ready(f) || !(f->flags & C4PE_FUTURE_OWNED)) {
        if (c4pe_future_check_owned(f, "Future.get()") < 0)
            return NULL;
        c4pe_coro_t *coro = c4pe_coro_need(st, "Future.get()");
        if (!coro)
            return NULL;
        if (c4pe_coro_take_cancelled(coro))
            Py_RETURN_NONE;
        c4pe_waiters_add(&f->waiters, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_FUTURE, future) < 0)
            return NULL;
    }
    return c4pe_future_result(f);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static int
send_local(c4pe_future_t *f, PyObject *value)
{
    if (Py_TYPE(f) == f->st->collective_future_type) {
        c4pe_raise(f->st, "this future gets its value from allreduce(); nobody can send it one");
        return -1;
    }
    if (c4pe_future_is_ready(f)) {
        c4pe_raise(f->st, "this local future has its value already");
        return -1;
    }
    f->one = (c4pe_value_t){.object = Py_NewRef(value)};
    f->num_got = 1;
    completed(f, true);
    return 0;
}

int
c4pe_future_send(c4pe_state_t *st, PyObject *future, PyObject *value)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    c4p_msg_t *msg = NULL;
    int err = 0;
    if (f->flags & C4PE_FUTURE_LOCAL)
        return send_local(f, value);
    if (!c4pe_need_rt(st, "Future.send()"))
        return -1;
    bool here = c4p_future_rank(f->id) == st->rank;
    f->flags |= C4PE_FUTURE_NAMED; /* to this message */
    if (value != Py_None)
        err = here ? c4pe_codec_capture_value(st, value, 0, &msg)
                   : c4pe_codec_pack_value(st, value, 0, &msg);
    if (err < 0)
        return -1;
    c4p_status_t status = c4p_future_send(st->rt, f->id, msg, false);
    if (status == C4P_OK)
        return here ? 0 : c4pe_coro_throttle(st);
    c4p_msg_free(msg);
    if (status == C4P_ERR_STATE && c4p_exiting(st->rt))
        return 0; /* the job ends, nobody will look */
    c4pe_raise_status(st, status, "Future.send()");
    return -1;
}

/* ---- travelling ---------------------------------------------------------------------------------- */

/* Before the future leaves: it must be found again when it comes back, and must not go away
 * meanwhile. */
static int
note_export(c4pe_future_t *f)
{
    if (c4pe_checkpoint_check(f->st, "a future") < 0)
        return -1;
    if ((f->flags & C4PE_FUTURE_LOCAL) != 0) {
        PyErr_Format(PyExc_TypeError,
                     "a %s cannot be sent: it belongs to the coroutines of one rank",
                     Py_TYPE(f)->tp_name);
        return -1;
    }
    if (!(f->flags & C4PE_FUTURE_OWNED) || (f->flags & C4PE_FUTURE_EXPORTED))
        return 0;
    PyObject *key = PyLong_FromUnsignedLongLong(f->id), *address = PyLong_FromVoidPtr(f);
    int err = key && address ? PyDict_SetItem(f->st->futures->exported, key, address) : -1;
    Py_XDECREF(key);
    Py_XDECREF(address);
    if (err < 0)
        return -1;
    f->flags |= C4PE_FUTURE_EXPORTED | C4PE_FUTURE_NAMED;
    if (f->flags & C4PE_FUTURE_OPEN) {
        f->flags |= C4PE_FUTURE_PINNED;
        Py_INCREF(f);
    }
    return 0;
}

void
c4pe_future_forget(c4pe_future_t *f)
{
    PyObject *exported = f->st->futures ? f->st->futures->exported : NULL;
    PyObject *key = exported ? PyLong_FromUnsignedLongLong(f->id) : NULL;
    if (!key || PyDict_DelItem(exported, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
}

PyObject *
c4pe_future_from_id(c4pe_state_t *st, c4p_future_t id)
{
    if (c4p_future_rank(id) == st->rank) {
        PyObject *key = PyLong_FromUnsignedLongLong(id);
        PyObject *address =
            key ? PyDict_GetItemWithError(st->futures->exported, key) : NULL; /* borrowed
                                                                               */
        Py_XDECREF(key);
        if (address)
            return Py_NewRef(PyLong_AsVoidPtr(address));
        if (PyErr_Occurred())
            return NULL;
    }
    c4pe_future_t *f = future_alloc(st, st->future_type, 1, 0);
    if (f)
        f->id = id;
    return (PyObject *)f;
}

/* A reference to a stored object: number 0, then what the hook says. */
static int
encode_stored(c4pe_state_t *st, PyObject *obj, c4pe_writer_t *w)
{
    const c4p_future_t none = 0;
    PyObject *token = c4pe_codec_lend(st, obj);
    int err = token && c4pe_write(w, &none, sizeof(none)) == 0 ? c4pe_write_value(w, token) : -1;
    Py_XDECREF(token);
    return err;
}

static PyObject *
decode_stored(c4pe_state_t *st, c4pe_reader_t *r)
{
    PyObject *hook = PyDict_GetItemString(st->hooks, "ref_arrives"); /* borrowed */
    PyObject *token = c4pe_read_value(r);
    PyObject *ref = token && hook ? PyObject_CallOneArg(hook, token) : NULL;
    Py_XDECREF(token);
    return ref;
}

static int
encode_future(c4pe_state_t *st, PyObject *obj, c4pe_writer_t *w)
{
    c4pe_future_t *f = (c4pe_future_t *)obj;
    if (f->flags & C4PE_FUTURE_STORED)
        return encode_stored(st, obj, w);
    return note_export(f) < 0 ? -1 : c4pe_write(w, &f->id, sizeof(f->id));
}

static PyObject *
decode_future(c4pe_state_t *st, c4pe_reader_t *r)
{
    c4p_future_t id;
    if (c4pe_read(r, &id, sizeof(id)) < 0)
        return NULL;
    return id ? c4pe_future_from_id(st, id) : decode_stored(st, r);
}

PyObject *
c4pe_future_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (note_export(f) < 0)
        return NULL;
    PyObject *load = PyObject_GetAttrString(f->st->module, "_future_load");
    return load ? Py_BuildValue("N(K)", load, (unsigned long long)f->id) : NULL;
}

/* ---- module -------------------------------------------------------------------------------------- */

static PyObject *
module_future_new(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"num_vals", NULL};
    Py_ssize_t num_values = 1;
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!st || !PyArg_ParseTupleAndKeywords(args, kwargs, "|n:Future", (char **)names, &num_values))
        return NULL;
    if (!c4pe_need_rt(st, "Future()") || c4pe_coro_may_create(st, "Future()") < 0)
        return NULL;
    if (num_values < 1) {
        PyErr_Format(PyExc_ValueError, "Future(num_vals=%zd): a future waits for at least 1 value",
                     num_values);
        return NULL;
    }
    PyObject *future = c4pe_future_new(st, (uint64_t)num_values, C4PE_VALUE);
    if (!future)
        return NULL;
    c4pe_future_t *f = (c4pe_future_t *)future;
    f->made = c4pe_coro_place(st, &f->made_at);
    return future;
}

static PyObject *
module_future_load(PyObject *module, PyObject *arg)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_future_t id = PyLong_AsUnsignedLongLong(arg);
    if (!st || (id == (c4p_future_t)-1 && PyErr_Occurred()))
        return NULL;
    return c4pe_future_from_id(st, id);
}

/* For __reduce__ of references to stored objects. */
static PyObject *
module_lend(PyObject *module, PyObject *ref)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    return st ? c4pe_codec_lend_pickled(st, ref) : NULL;
}

static PyMethodDef future_functions[] = {
    {"future_new", (PyCFunction)(void (*)(void))module_future_new, METH_VARARGS | METH_KEYWORDS,
     "future_new(num_vals=1)\n"
     "--\n"
     "\n"
     "A future for num_vals values, owned by this rank: Future(), charm.Future(),\n"
     "charm.createFuture().\n"
     "\n"
     "It can be passed anywhere; whoever calls it, or its send(), delivers a value. get()\n"
     "waits for all values: for one it returns that, else a list in the order of arrival.\n"
     "Does not block. Raises NotThreadedError outside coroutines, ValueError for a num_vals\n"
     "below 1."},
    {"_lend", module_lend, METH_O, NULL},
    {"_future_load", module_future_load, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int
c4pe_future_exec(PyObject *module, c4pe_state_t *st)
{
    st->futures = PyMem_Calloc(1, sizeof(*st->futures));
    if (!st->futures) {
        PyErr_NoMemory();
        return -1;
    }
    st->futures->exported = PyDict_New();
    if (!st->futures->exported || c4pe_future_add_types(module, st) < 0)
        return -1;
    const c4pe_coder_t coder = {
        .type = st->future_type, .encode = encode_future, .decode = decode_future};
    if (c4pe_codec_add(st, C4PE_CODE_FUTURE, &coder) < 0 ||
        PyModule_AddFunctions(module, future_functions) < 0)
        return -1;
    return c4pe_waiting_exec(module, st);
}

int
c4pe_future_attach(c4pe_state_t *Py_UNUSED(st))
{
    return 0;
}

int
c4pe_future_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    Py_VISIT(st->future_type);
    Py_VISIT(st->local_future_type);
    Py_VISIT(st->collective_future_type);
    if (st->futures) {
        Py_VISIT(st->futures->await_type);
        Py_VISIT(st->futures->iwait_type);
    }
    return 0;
}

void
c4pe_future_clear(c4pe_state_t *st)
{
    Py_CLEAR(st->future_type);
    Py_CLEAR(st->local_future_type);
    Py_CLEAR(st->collective_future_type);
    if (st->futures) {
        Py_CLEAR(st->futures->exported);
        Py_CLEAR(st->futures->await_type);
        Py_CLEAR(st->futures->iwait_type);
    }
}

void
c4pe_future_free(c4pe_state_t *st)
{
    PyMem_Free(st->futures);
    st->futures = NULL;
}
