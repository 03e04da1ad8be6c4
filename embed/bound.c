/* SPDX-License-Identifier: Apache-2.0 */
/* bound.c: entry methods as attributes of proxies. `proxy.work(x)` finds the descriptor and calls
 * it with the proxy in front, so no bound object is made; `proxy.work` alone gives one: a callback
 * that can be stored, sent and called. */
#include "bound.h"

#include "call.h"
#include "codec.h"
#include "future.h"
#include "profile.h"

/* ---- descriptor ---------------------------------------------------------------------------------- */

typedef struct descr {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    c4pe_entry_t *entry;
    PyTypeObject *owner; /* borrowed: the type whose dict holds this descriptor */
} descr_t;

static PyObject *
descr_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    descr_t *self = (descr_t *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || !PyObject_TypeCheck(args[0], self->owner))
        return PyErr_Format(PyExc_TypeError, "%U needs a %s in front", self->entry->qualname,
                            self->owner->tp_name);
    c4pe_proxy_t *proxy = (c4pe_proxy_t *)args[0];
    if (kwnames == NULL)
        return c4pe_call_plain(proxy, self->entry, args + 1, nargs - 1);
    return c4pe_call_keywords(proxy, self->entry, args + 1, nargs - 1, kwnames);
}

/* The same, for profiling. */
static PyObject *
descr_call_profiled(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    descr_t *self = (descr_t *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || !PyObject_TypeCheck(args[0], self->owner))
        return descr_call(op, args, nargsf, kwnames);
    return c4pe_call_profiled((c4pe_proxy_t *)args[0], self->entry, args + 1, nargs - 1, kwnames);
}

/* The same of an entry method in C. */
static PyObject *
descr_call_native(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    descr_t *self = (descr_t *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs < 1 || !PyObject_TypeCheck(args[0], self->owner))
        return descr_call(op, args, nargsf, kwnames);
    return c4pe_call_native((c4pe_proxy_t *)args[0], self->entry, args + 1, nargs - 1, kwnames);
}

static PyObject *
descr_get(PyObject *op, PyObject *obj, PyObject *Py_UNUSED(type))
{
    descr_t *self = (descr_t *)op;
    if (obj == NULL || obj == Py_None)
        return Py_NewRef(op);
    if (!PyObject_TypeCheck(obj, self->owner))
        return PyErr_Format(PyExc_TypeError, "%U does not belong to a %s", self->entry->qualname,
                            Py_TYPE(obj)->tp_name);
    return c4pe_bound_new((c4pe_proxy_t *)obj, self->entry);
}

static PyObject *
descr_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<entry method %U>", ((descr_t *)op)->entry->qualname);
}

static PyObject *
descr_name(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((descr_t *)op)->entry->name);
}

static PyObject *
descr_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((descr_t *)op)->entry->qualname);
}

static void
descr_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef descr_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(descr_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef descr_getset[] = {
    {"__name__", descr_name, NULL, NULL, NULL},
    {"__qualname__", descr_qualname, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot descr_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, descr_get},
    {Py_tp_dealloc, descr_dealloc},
    {Py_tp_repr, descr_repr},
    {Py_tp_members, descr_members},
    {Py_tp_getset, descr_getset},
    {0, NULL},
};

/* Holds no references, hence no garbage collection. */
static PyType_Spec descr_spec = {
    .name = "c4py._c4py.EntryDescr",
    .basicsize = sizeof(descr_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = descr_slots,
};

PyObject *
c4pe_descr_new(c4pe_entry_t *entry, PyTypeObject *owner)
{
    PyTypeObject *type = entry->state->descr_type;
    descr_t *self = PyObject_New(descr_t, type);
    if (self == NULL)
        return NULL;
    self->vectorcall = entry->native           ? descr_call_native
                       : entry->state->profile ? descr_call_profiled
                                               : descr_call;
    self->entry = entry;
    self->owner = owner;
    return (PyObject *)self;
}

/* ---- bound method -------------------------------------------------------------------------------- */

static PyObject *
bound_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (kwnames == NULL)
        return c4pe_call_plain(self->proxy, self->entry, args, nargs);
    return c4pe_call_keywords(self->proxy, self->entry, args, nargs, kwnames);
}

static PyObject *
bound_call_profiled(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    return c4pe_call_profiled(self->proxy, self->entry, args, PyVectorcall_NARGS(nargsf), kwnames);
}

static PyObject *
bound_call_native(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    return c4pe_call_native(self->proxy, self->entry, args, PyVectorcall_NARGS(nargsf), kwnames);
}

void
c4pe_bound_profile(c4pe_state_t *st)
{
    st->bound_call = bound_call_profiled;
}

PyObject *
c4pe_bound_new(c4pe_proxy_t *proxy, c4pe_entry_t *entry)
{
    PyTypeObject *type = entry->state->bound_type;
    c4pe_bound_t *self = PyObject_New(c4pe_bound_t, type);
    if (self == NULL)
        return NULL;
    self->vectorcall = entry->native ? bound_call_native : entry->state->bound_call;
    self->proxy = (c4pe_proxy_t *)Py_NewRef(proxy);
    self->entry = entry;
    return (PyObject *)self;
}

static void
bound_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_DECREF(((c4pe_bound_t *)op)->proxy);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
bound_repr(PyObject *op)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    return PyUnicode_FromFormat("<entry method %U of %R>", self->entry->name, self->proxy);
}

static PyObject *
bound_compare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    c4pe_bound_t *x = (c4pe_bound_t *)a, *y = (c4pe_bound_t *)b;
    if (x->entry != y->entry)
        return PyBool_FromLong(op == Py_NE);
    return PyObject_RichCompare((PyObject *)x->proxy, (PyObject *)y->proxy, op);
}

static Py_hash_t
bound_hash(PyObject *op)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    Py_hash_t h = PyObject_Hash((PyObject *)self->proxy) ^ (Py_hash_t)(self->entry->id * 1000003u);
    return h == -1 ? -2 : h;
}

static PyObject *
bound_name(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((c4pe_bound_t *)op)->entry->name);
}

static PyObject *
bound_qualname(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((c4pe_bound_t *)op)->entry->qualname);
}

static PyObject *
bound_self(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((c4pe_bound_t *)op)->proxy);
}

static PyObject *
bound_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    PyObject *builtins = PyEval_GetBuiltins();                     /* borrowed */
    PyObject *getattr = PyDict_GetItemString(builtins, "getattr"); /* borrowed */
    if (getattr == NULL)
        return c4pe_raise(self->entry->state, "builtins has no getattr");
    return Py_BuildValue("O(OO)", getattr, self->proxy, self->entry->name);
}

static PyMethodDef bound_methods[] = {
    {"__reduce__", bound_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(c4pe_bound_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef bound_getset[] = {
    {"__name__", bound_name, NULL, "Name of the method.", NULL},
    {"__qualname__", bound_qualname, NULL, "Name of class and method.", NULL},
    {"__self__", bound_self, NULL, "The proxy.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(
    bound_doc,
    "An entry method of a chare or collection, proxy.method. Calling it sends the call, see\n"
    "Proxy. It can be stored, compared, sent, and used as the target of reductions and of\n"
    "charm.startQD().");

static PyType_Slot bound_slots[] = {
    {Py_tp_doc, (void *)bound_doc},     {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, bound_dealloc},     {Py_tp_repr, bound_repr},
    {Py_tp_richcompare, bound_compare}, {Py_tp_hash, bound_hash},
    {Py_tp_methods, bound_methods},     {Py_tp_members, bound_members},
    {Py_tp_getset, bound_getset},       {0, NULL},
};

/* A proxy holds no container, so no cycle can go through here. */
static PyType_Spec bound_spec = {
    .name = "c4py._c4py.BoundEntry",
    .basicsize = sizeof(c4pe_bound_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

bool
c4pe_bound_check(c4pe_state_t *st, PyObject *op)
{
    return Py_IS_TYPE(op, st->bound_type);
}

/* ---- wire form ----------------------------------------------------------------------------------- */

typedef struct wire_bound {
    c4pe_wire_proxy_t proxy;
    uint32_t entry;
    uint32_t zero;
} wire_bound_t;

static int
bound_encode(c4pe_state_t *Py_UNUSED(st), PyObject *op, c4pe_writer_t *w)
{
    c4pe_bound_t *self = (c4pe_bound_t *)op;
    wire_bound_t wire = {.entry = self->entry->id, .zero = 0};
    c4pe_proxy_to_wire((PyObject *)self->proxy, &wire.proxy);
    return c4pe_write(w, &wire, sizeof(wire));
}

static PyObject *
bound_decode(c4pe_state_t *st, c4pe_reader_t *r)
{
    wire_bound_t wire;
    if (c4pe_read(r, &wire, sizeof(wire)) < 0)
        return NULL;
    PyObject *proxy = c4pe_proxy_from_wire(st, &wire.proxy);
    if (proxy == NULL)
        return NULL;
    PyObject *bound = NULL;
    c4pe_class_t *cls = ((c4pe_proxy_t *)proxy)->pclass->cls;
    if (wire.entry < cls->num_entries)
        bound = c4pe_bound_new((c4pe_proxy_t *)proxy, &cls->entries[wire.entry]);
    else
        c4pe_raise(st, "a callback arrived damaged: %s has no entry method %u", cls->name,
                   (unsigned)wire.entry);
    Py_DECREF(proxy);
    return bound;
}

/* ---- callbacks ----------------------------------------------------------------------------------- */

int
c4pe_callback_call(c4pe_state_t *st, PyObject *callback, PyObject *value)
{
    if (c4pe_future_check(st, callback))
        return c4pe_future_send(st, callback, value ? value : Py_None);
    PyObject *done = PyObject_Vectorcall(callback, &value, value ? 1 : 0, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int
c4pe_callback_target(c4pe_state_t *st, PyObject *callback, c4p_target_t *target_out)
{
    c4p_target_t target = {.kind = C4P_TARGET_NONE};
    if (c4pe_future_check(st, callback)) {
        target.kind = C4P_TARGET_FUTURE;
        target.number = c4pe_future_id(callback);
        if (target.number == 0)
            return c4pe_raise(st,
                              "this future belongs to one chare alone and cannot be the target"),
                   -1;
    } else if (c4pe_bound_check(st, callback)) {
        c4pe_bound_t *bound = (c4pe_bound_t *)callback;
        bool element = bound->proxy->flags & C4PE_PROXY_ELEMENT;
        if (bound->entry->native)
            return PyErr_Format(PyExc_TypeError,
                                "%U is native: it cannot be a callback; give a method in Python",
                                bound->entry->qualname),
                   -1;
        target.kind = element ? C4P_TARGET_ELEMENT : C4P_TARGET_BROADCAST;
        target.entry = bound->entry->id;
        target.flags = element ? 0 : C4PE_TAG_SHARED;
        target.ref.coll = bound->proxy->ref.coll;
        if (element)
            target.ref.key = bound->proxy->ref.key;
    } else {
        PyErr_Format(
            PyExc_TypeError,
            "a callback must be a future or an entry method of a proxy (proxy.method), not %s",
            Py_TYPE(callback)->tp_name);
        return -1;
    }
    *target_out = target;
    return 0;
}

/* ---- module -------------------------------------------------------------------------------------- */

int
c4pe_bound_exec(PyObject *module, c4pe_state_t *st)
{
    st->bound_call = bound_call;
    st->descr_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &descr_spec, NULL);
    st->bound_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    if (st->descr_type == NULL || st->bound_type == NULL ||
        PyModule_AddType(module, st->bound_type) < 0)
        return -1;
    c4pe_coder_t coder = {.type = st->bound_type, .encode = bound_encode, .decode = bound_decode};
    return c4pe_codec_add(st, C4PE_CODE_BOUND, &coder);
}
