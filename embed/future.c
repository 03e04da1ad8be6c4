/* SPDX-License-Identifier: Apache-2.0 */
/* future.c: futures as Python objects. */
#include "codec.h"
#include "future.h"

/* One value: as it came, until somebody asks for it. */
typedef struct value {
    c4p_msg_t *msg;   /* kept; NULL: no bytes, or decoded */
    PyObject *object; /* decoded */
    bool is_error;
} value_t;

enum {
    OWNED = 1,    /* this rank made it: it can be waited for here */
    LOCAL = 2,    /* no number: values come from this rank only */
    OPEN = 4,     /* the runtime knows it and calls back */
    EXPORTED = 8, /* in futures->exported */
    PINNED = 16,  /* one more reference to itself, until the values are there: somebody may bring it
                     back */
    CANCELLED = 32
};

struct c4pe_future {
    PyObject_HEAD
    c4pe_state_t *st;
    c4p_future_t id;
    uint64_t num_values, num_got;
    unsigned flags;
    int how;              /* C4PE_VALUE… */
    value_t *values, one; /* values == &one for one value */
    uint64_t room;
    PyObject *error; /* the last exception among the values, once they were looked at */
    PyObject *made;  /* str: where in the program; NULL */
    PyObject *call;  /* str: whose answer it gets; NULL */
    c4pe_waiters_t waiters;
    c4pe_watch_t *watches;
    PyObject *weakrefs;
};

static const uint64_t serial_mask = ((uint64_t)1 << 40) - 1;

static inline bool
is_ready(const c4pe_future_t *f)
{
    return f->num_got >= f->num_values;
}

/* ---- making -------------------------------------------------------------------------------------- */

static c4pe_future_t *
future_alloc(c4pe_state_t *st, PyTypeObject *type, uint64_t num_values, unsigned flags)
{
    c4pe_future_t *f = PyObject_GC_New(c4pe_future_t, type);
    if (!f)
        return NULL;
    f->st = st;
    f->id = 0;
    f->num_values = num_values;
    f->num_got = 0;
    f->flags = flags;
    f->how = C4PE_VALUE;
    f->one = (value_t){0};
    f->values = &f->one;
    f->room = 1;
    f->error = f->made = f->call = f->weakrefs = NULL;
    f->waiters = (c4pe_waiters_t){0};
    f->watches = NULL;
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
    c4pe_future_t *f = future_alloc(st, st->future_type, num_values, OWNED);
    if (!f)
        return NULL;
    f->how = how;
    c4p_status_t status = c4p_future_new(st->rt, num_values, on_value, f, &f->id);
    if (status != C4P_OK) {
        Py_DECREF(f);
        return c4pe_raise_status(st, status, "a future");
    }
    f->flags |= OPEN;
    return (PyObject *)f;
}

PyObject *
c4pe_local_future_new(c4pe_state_t *st, bool collective)
{
    return (PyObject *)future_alloc(
        st, collective ? st->collective_future_type : st->local_future_type, 1, OWNED | LOCAL);
}

bool
c4pe_future_check(c4pe_state_t *st, PyObject *op)
{
    return Py_TYPE(op) == st->future_type || PyObject_TypeCheck(op, st->future_type);
}

c4p_future_t
c4pe_future_id(PyObject *future)
{
    return ((c4pe_future_t *)future)->id;
}

/* ---- values come --------------------------------------------------------------------------------- */

static value_t *
next_slot(c4pe_future_t *f)
{
    if (f->num_got < f->room)
        return &f->values[f->num_got];
    uint64_t room = f->room * 2 < 8 ? 8 : f->room * 2;
    value_t *values = f->values == &f->one ? NULL : f->values;
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
    if (f->flags & PINNED) {
        f->flags &= ~(unsigned)PINNED;
        Py_DECREF(f);
    }
    Py_DECREF(f);
}

static void
on_value(c4p_rt_t *rt, c4p_future_t Py_UNUSED(id), c4p_msg_t *msg, bool is_error, bool last,
         void *ctx)
{
    c4pe_future_t *f = ctx;
    value_t *v = next_slot(f);
    if (!v)
        c4p_abort(rt, c4p_exit_status(C4P_ERR_NOMEM), "no memory for the value of a future");
    if (msg)
        c4p_msg_keep(msg);
    *v = (value_t){.msg = msg, .is_error = is_error};
    f->num_got++;
    if (last) {
        f->flags &= ~(unsigned)OPEN;
        completed(f, false);
    }
}

int
c4pe_local_future_set(c4pe_state_t *Py_UNUSED(st), PyObject *future, PyObject *value, bool is_error)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    if (is_ready(f)) {
        c4pe_raise(f->st, "this local future has its value already");
        return -1;
    }
    f->one = (value_t){.object = Py_NewRef(value), .is_error = is_error};
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
    if (f->flags & OPEN)
        c4p_future_free(st->rt, f->id);
    f->flags = (f->flags & ~(unsigned)OPEN) | CANCELLED;
}

/* ---- values go out ------------------------------------------------------------------------------- */

/* The value in its final form; remembers exceptions. */
static PyObject *
decode(c4pe_future_t *f, value_t *v)
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

static PyObject *
decode_all(c4pe_future_t *f)
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
static PyObject *
take_result(c4pe_future_t *f)
{
    PyObject *result;
    if (f->num_values == 1)
        result = Py_XNewRef(decode(f, &f->values[0]));
    else
        result = decode_all(f);
    if (result && f->error) {
        PyErr_SetObject((PyObject *)Py_TYPE(f->error), f->error);
        Py_CLEAR(result);
    }
    return result;
}

static int
check_owned(c4pe_future_t *f, const char *what)
{
    if ((f->flags & OWNED) && !(f->flags & CANCELLED))
        return 0;
    if (f->flags & CANCELLED)
        c4pe_raise(f->st, "%s: the call of this future was refused", what);
    else if (c4p_future_rank(f->id) == f->st->rank)
        c4pe_raise(f->st, "%s: future %llu has been received and dropped by its owner", what,
                   (unsigned long long)(f->id & serial_mask));
    else
        c4pe_raise(f->st,
                   "%s: future %llu belongs to rank %d, which alone can wait for it; here it can "
                   "only be sent to",
                   what, (unsigned long long)(f->id & serial_mask), c4p_future_rank(f->id));
    return -1;
}

PyObject *
c4pe_future_get(c4pe_state_t *st, PyObject *future)
{
    c4pe_future_t *f = (c4pe_future_t *)future;
    while (!is_ready(f) || !(f->flags & OWNED)) {
        if (check_owned(f, "Future.get()") < 0)
            return NULL;
        c4pe_coro_t *coro = c4pe_coro_need(st, "Future.get()");
        if (!coro)
            return NULL;
        c4pe_waiters_add(&f->waiters, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_FUTURE, future) < 0)
            return NULL;
    }
    return take_result(f);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static int
send_local(c4pe_future_t *f, PyObject *value)
{
    if (is_ready(f)) {
        c4pe_raise(f->st, "this local future has its value already");
        return -1;
    }
    f->one = (value_t){.object = Py_NewRef(value)};
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
    if (f->flags & LOCAL)
        return send_local(f, value);
    if (!c4pe_need_rt(st, "Future.send()"))
        return -1;
    bool here = c4p_future_rank(f->id) == st->rank;
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
    if ((f->flags & LOCAL) != 0) {
        PyErr_Format(PyExc_TypeError,
                     "a %s cannot be sent: it belongs to the coroutines of one rank",
                     Py_TYPE(f)->tp_name);
        return -1;
    }
    if (!(f->flags & OWNED) || (f->flags & EXPORTED))
        return 0;
    PyObject *key = PyLong_FromUnsignedLongLong(f->id), *address = PyLong_FromVoidPtr(f);
    int err = key && address ? PyDict_SetItem(f->st->futures->exported, key, address) : -1;
    Py_XDECREF(key);
    Py_XDECREF(address);
    if (err < 0)
        return -1;
    f->flags |= EXPORTED;
    if (f->flags & OPEN) {
        f->flags |= PINNED;
        Py_INCREF(f);
    }
    return 0;
}

static void
forget_export(c4pe_future_t *f)
{
    PyObject *exported = f->st->futures ? f->st->futures->exported : NULL;
    PyObject *key = exported ? PyLong_FromUnsignedLongLong(f->id) : NULL;
    if (!key || PyDict_DelItem(exported, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
}

/* The object for a future's number: itself on its own rank, otherwise something that values can be
 * sent to. */
static PyObject *
future_from_id(c4pe_state_t *st, c4p_future_t id)
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

static int
encode_future(c4pe_state_t *Py_UNUSED(st), PyObject *obj, c4pe_writer_t *w)
{
    c4pe_future_t *f = (c4pe_future_t *)obj;
    return note_export(f) < 0 ? -1 : c4pe_write(w, &f->id, sizeof(f->id));
}

static PyObject *
decode_future(c4pe_state_t *st, c4pe_reader_t *r)
{
    c4p_future_t id;
    return c4pe_read(r, &id, sizeof(id)) < 0 ? NULL : future_from_id(st, id);
}

static PyObject *
future_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (note_export(f) < 0)
        return NULL;
    PyObject *load = PyObject_GetAttrString(f->st->module, "_future_load");
    return load ? Py_BuildValue("N(K)", load, (unsigned long long)f->id) : NULL;
}

/* ---- the type ------------------------------------------------------------------------------------ */

static PyObject *
future_get(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return c4pe_future_get(((c4pe_future_t *)op)->st, op);
}

static PyObject *
future_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "a future takes at most 1 value, %zd were given", nargs);
        return NULL;
    }
    if (c4pe_future_send(((c4pe_future_t *)op)->st, op, nargs ? args[0] : Py_None) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
future_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "a future takes no keyword arguments");
        return NULL;
    }
    return future_send(op, ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args));
}

static PyObject *
future_ready(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    if (!(f->flags & OWNED) && check_owned(f, "Future.ready()") < 0)
        return NULL;
    return PyBool_FromLong(is_ready(f));
}

static PyObject *
get_fid(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((c4pe_future_t *)op)->id & serial_mask);
}

static PyObject *
get_src(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    return PyLong_FromLong(f->flags & LOCAL ? f->st->rank : c4p_future_rank(f->id));
}

static PyObject *
get_nvals(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((c4pe_future_t *)op)->num_values);
}

static PyObject *
get_values(PyObject *op, void *Py_UNUSED(closure))
{
    return decode_all((c4pe_future_t *)op);
}

static PyObject *
get_gotvalues(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    return PyBool_FromLong((f->flags & OWNED) && is_ready(f));
}

static PyObject *
get_error(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    PyObject *all = decode_all(f);
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
    const char *state = !(f->flags & OWNED) ? "elsewhere" : is_ready(f) ? "ready" : "waiting";
    if (f->flags & LOCAL)
        return PyUnicode_FromFormat("<%s %s>", Py_TYPE(op)->tp_name, state);
    return PyUnicode_FromFormat("<Future %llu of rank %d, %s>",
                                (unsigned long long)(f->id & serial_mask), c4p_future_rank(f->id),
                                state);
}

void
c4pe_future_describe(PyObject *op, char *buf, size_t size)
{
    c4pe_future_t *f = (c4pe_future_t *)op;
    PyObject *note = f->made ? f->made : f->call;
    const char *text = note ? PyUnicode_AsUTF8(note) : NULL;
    char more[300] = "", count[60] = "";
    PyErr_Clear();
    if (text)
        PyOS_snprintf(more, sizeof(more), " (%s %s)", f->made ? "made at" : "the answer of", text);
    if (f->num_values > 1)
        PyOS_snprintf(count, sizeof(count), ", which has %llu of %llu values",
                      (unsigned long long)f->num_got, (unsigned long long)f->num_values);
    if (f->flags & LOCAL)
        PyOS_snprintf(buf, size, "a collective result");
    else
        PyOS_snprintf(buf, size, "future %llu%s%s", (unsigned long long)(f->id & serial_mask), more,
                      count);
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
    if ((f->flags & OPEN) && f->st->rt)
        c4p_future_free(f->st->rt, f->id);
    if (f->flags & EXPORTED)
        forget_export(f);
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
    if (!(f->flags & OWNED) || (f->flags & CANCELLED))
        return check_owned(f, "waiting");
    if (!is_ready(f))
        return 0;
    if (value_out && !(*value_out = take_result(f)))
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

static PyMethodDef future_methods[] = {
    {"get", future_get, METH_NOARGS,
     "get()\n--\n\nWait for the value, or with several the list of them in order of arrival. "
     "Raises the exception that was sent."},
    {"send", (PyCFunction)(void (*)(void))future_send, METH_FASTCALL,
     "send(result=None, /)\n--\n\nDeliver one value; any rank, at once."},
    {"ready", future_ready, METH_NOARGS, "ready()\n--\n\nTrue if all values have arrived."},
    {"__reduce__", future_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef future_getset[] = {
    {"fid", get_fid, NULL, "Number of the future on its rank.", NULL},
    {"src", get_src, NULL, "The rank that made it and can wait for it.", NULL},
    {"nvals", get_nvals, NULL, "How many values it waits for.", NULL},
    {"values", get_values, NULL, "The values that have arrived.", NULL},
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
     (void *)"A value that will arrive. Made by calls with awaitable=True, and by Future()."},
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
    if (!c4pe_need_rt(st, "LocalFuture()") || c4pe_coro_may_create(st, "LocalFuture()") < 0)
        return NULL;
    return c4pe_local_future_new(st, false);
}

static PyType_Slot local_slots[] = {
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_new, local_new},
    {Py_tp_doc, (void *)"A future for coroutines of one rank only."},
    {0, NULL},
};

static PyType_Spec local_spec = {
    .name = "c4py.threads.LocalFuture",
    .basicsize = sizeof(c4pe_future_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = local_slots,
};

static PyType_Slot collective_slots[] = {
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_traverse, future_traverse},
    {Py_tp_clear, future_clear},
    {Py_tp_doc,
     (void *)"The result of a collective operation, such as allreduce(), on one of its members."},
    {0, NULL},
};

static PyType_Spec collective_spec = {
    .name = "c4py.threads.CollectiveFuture",
    .basicsize = sizeof(c4pe_future_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = collective_slots,
};

/* ---- module -------------------------------------------------------------------------------------- */

static PyObject *
module_future_new(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"num_vals", NULL};
    char where[200];
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
    if (future)
        ((c4pe_future_t *)future)->made =
            PyUnicode_FromString(c4pe_coro_here(st, where, sizeof(where)));
    PyErr_Clear();
    return future;
}

static PyObject *
module_future_load(PyObject *module, PyObject *arg)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_future_t id = PyLong_AsUnsignedLongLong(arg);
    if (!st || (id == (c4p_future_t)-1 && PyErr_Occurred()))
        return NULL;
    return future_from_id(st, id);
}

static PyMethodDef future_functions[] = {
    {"future_new", (PyCFunction)(void (*)(void))module_future_new, METH_VARARGS | METH_KEYWORDS,
     "future_new(num_vals=1)\n--\n\nA future for so many values. Coroutine only."},
    {"_future_load", module_future_load, METH_O, NULL},
    {NULL, NULL, 0, NULL},
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
c4pe_future_exec(PyObject *module, c4pe_state_t *st)
{
    st->futures = PyMem_Calloc(1, sizeof(*st->futures));
    if (!st->futures) {
        PyErr_NoMemory();
        return -1;
    }
    st->futures->exported = PyDict_New();
    st->future_type = add_type(module, &future_spec, NULL);
    st->local_future_type = st->future_type ? add_type(module, &local_spec, st->future_type) : NULL;
    st->collective_future_type =
        st->future_type ? add_type(module, &collective_spec, st->future_type) : NULL;
    if (!st->futures->exported || !st->local_future_type || !st->collective_future_type)
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
