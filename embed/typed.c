/* SPDX-License-Identifier: Apache-2.0 */
/* typed.c: see typed.h. */
#include "typed.h"

#include "args.h"
#include "codec.h"
#include "coroutine.h"
#include "future.h"

#include <string.h>

/* An entry method that Python may call. */
typedef struct method {
    struct method *next; /* of the same type */
    PyObject *name;      /* interned */
    c4pe_callee_t callee;
    c4p_param_t params[C4P_MAX_PARAMS];
    char signature[];
} method_t;

/* The part of the module's state. */
typedef struct c4pe_methods {
    method_t **of_type; /* by number of the type */
    uint32_t num_types;
} methods_t;

/* ---- what Python may call ------------------------------------------------------------------------ */

static method_t **
methods_of(methods_t *all, c4p_type_t type)
{
    return type < all->num_types ? &all->of_type[type] : NULL;
}

static const method_t *
find_method(methods_t *all, c4p_type_t type, PyObject *name)
{
    method_t **list = methods_of(all, type);
    for (const method_t *m = list ? *list : NULL; m != NULL; m = m->next)
        if (m->name == name || (!PyUnicode_CHECK_INTERNED(name) && PyUnicode_Check(name) &&
                                PyUnicode_Compare(m->name, name) == 0))
            return m;
    return NULL;
}

static void
method_free(method_t *method)
{
    if (method == NULL)
        return;
    Py_XDECREF(method->name);
    Py_XDECREF(method->callee.name);
    PyMem_Free(method);
}

static method_t *
method_new(c4p_typed_t typed, const char *type_name, const char *name, const char *signature)
{
    const char *why;
    size_t at, len = strlen(signature) + 1;
    method_t *method = PyMem_Calloc(1, sizeof(*method) + len);
    if (method == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(method->signature, signature, len);
    method->name = PyUnicode_InternFromString(name);
    method->callee = (c4pe_callee_t){.name = PyUnicode_FromFormat("%s.%s", type_name, name),
                                     .typed = typed,
                                     .signature = method->signature,
                                     .params = method->params};
    c4p_signature_read(signature, method->params, &method->callee.num_params, &why, &at);
    if (method->name != NULL && method->callee.name != NULL)
        return method;
    method_free(method);
    return NULL;
}

static int
make_room(methods_t *all, c4p_type_t type)
{
    if (type < all->num_types)
        return 0;
    method_t **of_type = PyMem_Realloc(all->of_type, (type + 1) * sizeof(method_t *));
    if (of_type == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memset(of_type + all->num_types, 0, (type + 1 - all->num_types) * sizeof(method_t *));
    all->of_type = of_type;
    all->num_types = type + 1;
    return 0;
}

int
c4pe_typed_expose(c4pe_state_t *st, c4p_typed_t typed, const char *type_name, const char *name,
                  const char *signature)
{
    if (make_room(st->methods, typed.type) < 0)
        return -1;
    method_t *method = method_new(typed, type_name, name, signature);
    if (method == NULL)
        return -1;
    method->next = st->methods->of_type[typed.type];
    st->methods->of_type[typed.type] = method;
    return 0;
}

/* ---- calling ------------------------------------------------------------------------------------- */

/* On failure the message is still the caller's. */
static c4p_status_t
send(const c4pe_hostchare_t *to, c4p_entry_t entry, c4p_msg_t *msg, c4p_future_t reply)
{
    c4p_rt_t *rt = to->state->rt;
    if (!to->element)
        return c4p_bcast(rt, to->ref.coll, entry, msg, reply ? C4P_BCAST_DONE : C4P_BCAST_NO_REPLY,
                         reply);
    return reply ? c4p_call(rt, to->ref, entry, msg, reply) : c4p_send(rt, to->ref, entry, msg);
}

/* `future` (NULL: nobody waits) is taken, and returned. */
static PyObject *
send_and_return(const c4pe_hostchare_t *to, const method_t *method, c4p_msg_t *msg,
                PyObject *future)
{
    c4pe_state_t *st = to->state;
    const c4p_future_t reply = future ? c4pe_future_id(future) : 0;
    c4p_status_t status = send(to, method->callee.typed.entry, msg, reply);
    if (status == C4P_OK && future == NULL)
        return c4pe_coro_throttle(st) < 0 ? NULL : Py_NewRef(Py_None);
    if (status == C4P_OK)
        return future;
    c4p_msg_free(msg);
    if (future != NULL)
        c4pe_future_cancel(st, future);
    Py_XDECREF(future);
    return c4pe_raise_status(st, status, PyUnicode_AsUTF8(method->callee.name));
}

static PyObject *
call(const c4pe_hostchare_t *to, const method_t *method, PyObject *const *args, Py_ssize_t nargs,
     bool wants)
{
    c4pe_state_t *st = to->state;
    PyObject *future = NULL;
    c4p_msg_t *msg;
    if (wants && c4pe_coro_may_create(st, PyUnicode_AsUTF8(method->callee.name)) < 0)
        return NULL;
    if (c4pe_args_message(st, &method->callee, args, nargs, &msg) < 0)
        return NULL;
    if (wants) {
        future = c4pe_future_new(st, 1, to->element ? C4PE_VALUE : C4PE_VALUE_DONE);
        if (future == NULL) {
            c4p_msg_free(msg);
            return NULL;
        }
        c4pe_future_label(future, method->callee.name);
    }
    return send_and_return(to, method, msg, future);
}

/* An argument by keyword goes to its place in `all`. -1 with an exception. */
static int
place(const c4pe_callee_t *callee, PyObject *name, PyObject *value, PyObject **all)
{
    for (uint32_t k = 0; k < callee->num_params; k++) {
        if (PyUnicode_CompareWithASCIIString(name, callee->params[k].name) != 0)
            continue;
        if (all[k] != NULL) {
            PyErr_Format(PyExc_TypeError, "%U() got multiple values for argument %R", callee->name,
                         name);
            return -1;
        }
        all[k] = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%U() got an unexpected keyword argument %R", callee->name, name);
    return -1;
}

/* Arguments by position, not too many, and by keyword, into `all`: how many there are. -1 with an
 * exception. */
static Py_ssize_t
place_all(const c4pe_state_t *st, const c4pe_callee_t *callee, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames, PyObject **all, bool *wants)
{
    Py_ssize_t placed = nargs;
    memset(all, 0, C4P_MAX_PARAMS * sizeof(*all));
    memcpy(all, args, (size_t)nargs * sizeof(*all));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i), *value = args[nargs + i];
        if (PyUnicode_Compare(name, st->s_ret) == 0 ||
            PyUnicode_Compare(name, st->s_awaitable) == 0) {
            const int truth = PyObject_IsTrue(value);
            if (truth < 0)
                return -1;
            *wants = *wants || truth;
        } else {
            if (place(callee, name, value, all) < 0)
                return -1;
            placed++;
        }
    }
    return placed;
}

/* ---- bound methods ------------------------------------------------------------------------------- */

typedef struct bound {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    c4pe_hostchare_t *chare;
    const method_t *method;
} bound_t;

static PyObject *
bound_call(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    const bound_t *self = (bound_t *)op;
    const c4pe_callee_t *callee = &self->method->callee;
    c4pe_state_t *st = self->chare->state;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyObject *all[C4P_MAX_PARAMS];
    bool wants = false;
    if (!c4pe_may_call(st)) {
        c4pe_need_rt(st, PyUnicode_AsUTF8(callee->name));
        return NULL;
    }
    if (kwnames != NULL && nargs <= (Py_ssize_t)callee->num_params) {
        if ((nargs = place_all(st, callee, args, nargs, kwnames, all, &wants)) < 0)
            return NULL;
        args = all;
    }
    return call(self->chare, self->method, args, nargs, wants);
}

static PyObject *
bound_new(c4pe_hostchare_t *chare, const method_t *method)
{
    bound_t *self = PyObject_New(bound_t, chare->state->hostmethod_type);
    if (self == NULL)
        return NULL;
    self->vectorcall = bound_call;
    self->chare = (c4pe_hostchare_t *)Py_NewRef(chare);
    self->method = method;
    return (PyObject *)self;
}

static void
bound_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_DECREF(((bound_t *)op)->chare);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
bound_repr(PyObject *op)
{
    const c4pe_callee_t *callee = &((bound_t *)op)->method->callee;
    return PyUnicode_FromFormat("<entry method in C %U(%s)>", callee->name, callee->signature);
}

static PyObject *
bound_name(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((bound_t *)op)->method->name);
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(bound_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef bound_getset[] = {
    {"__name__", bound_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_call, PyVectorcall_Call}, {Py_tp_dealloc, bound_dealloc}, {Py_tp_repr, bound_repr},
    {Py_tp_members, bound_members},  {Py_tp_getset, bound_getset},   {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "c4py._c4py.HostMethod",
    .basicsize = sizeof(bound_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};

/* ---- chares -------------------------------------------------------------------------------------- */

PyObject *
c4pe_hostchare_new(c4pe_state_t *st, c4p_type_t type, c4p_ref_t ref, bool element)
{
    c4pe_hostchare_t *self = PyObject_New(c4pe_hostchare_t, st->hostchare_type);
    if (self == NULL)
        return NULL;
    self->state = st;
    self->ref = ref;
    self->type = type;
    self->element = element;
    return (PyObject *)self;
}

bool
c4pe_hostchare_check(const c4pe_state_t *st, PyObject *op)
{
    return Py_IS_TYPE(op, st->hostchare_type);
}

static void
chare_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* "add, get"; new reference. */
static PyObject *
names_of(methods_t *all, c4p_type_t type)
{
    method_t **list = methods_of(all, type);
    PyObject *names = PyList_New(0), *comma = PyUnicode_FromString(", "), *text = NULL;
    int failed = names == NULL || comma == NULL ? -1 : 0;
    for (const method_t *m = list ? *list : NULL; m != NULL && failed == 0; m = m->next)
        failed = PyList_Append(names, m->name);
    if (failed == 0 && PyList_Sort(names) == 0)
        text = PyList_GET_SIZE(names) > 0 ? PyUnicode_Join(comma, names)
                                          : PyUnicode_FromString("none");
    Py_XDECREF(comma);
    Py_XDECREF(names);
    return text;
}

static PyObject *
chare_getattro(PyObject *op, PyObject *name)
{
    c4pe_hostchare_t *self = (c4pe_hostchare_t *)op;
    methods_t *all = self->state->methods;
    const method_t *method = find_method(all, self->type, name);
    if (method != NULL)
        return bound_new(self, method);
    PyObject *other = PyObject_GenericGetAttr(op, name);
    if (other != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return other;
    PyErr_Clear();
    PyObject *known = names_of(all, self->type);
    if (known != NULL)
        PyErr_Format(PyExc_AttributeError,
                     "this chare in C has no method %R that Python may call; there are: %U", name,
                     known);
    Py_XDECREF(known);
    return NULL;
}

static PyObject *
chare_subscript(PyObject *op, PyObject *index)
{
    const c4pe_hostchare_t *self = (c4pe_hostchare_t *)op;
    c4pe_state_t *st = self->state;
    c4p_ref_t ref = {.coll = self->ref.coll};
    c4p_coll_info_t info;
    if (self->element)
        return PyErr_Format(PyExc_TypeError, "this is one chare in C already: it has no elements");
    if (c4pe_need_rt(st, "an element of chares in C") == NULL)
        return NULL;
    c4p_status_t status = c4p_coll_info(st->rt, ref.coll, &info);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "an element of chares in C");
    if (c4pe_index_key(st, index, info.ndims, info.kind == C4P_KIND_GROUP, &ref.key) < 0)
        return NULL;
    return c4pe_hostchare_new(st, self->type, ref, true);
}

static PyObject *
chare_repr(PyObject *op)
{
    const c4pe_hostchare_t *self = (c4pe_hostchare_t *)op;
    return PyUnicode_FromFormat("<HostChare: %s of collection %llu>",
                                self->element ? "an element" : "all",
                                (unsigned long long)self->ref.coll);
}

static PyObject *
chare_compare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    const c4pe_hostchare_t *x = (c4pe_hostchare_t *)a, *y = (c4pe_hostchare_t *)b;
    const bool equal = c4p_ref_eq(x->ref, y->ref) && x->type == y->type && x->element == y->element;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static Py_hash_t
chare_hash(PyObject *op)
{
    const c4pe_hostchare_t *self = (c4pe_hostchare_t *)op;
    const uint64_t words[] = {self->ref.coll, self->ref.key.w[0], self->ref.key.w[1],
                              self->type * 2u + self->element};
    uint64_t h = 0;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(words); i++) {
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return (Py_hash_t)h == -1 ? -2 : (Py_hash_t)h;
}

/* ---- chares on their way ------------------------------------------------------------------------- */

typedef struct wire {
    c4p_ref_t ref;
    uint32_t type, element;
} wire_t;

static wire_t
to_wire(PyObject *op)
{
    const c4pe_hostchare_t *self = (c4pe_hostchare_t *)op;
    return (wire_t){.ref = self->ref, .type = self->type, .element = self->element};
}

static int
chare_encode(c4pe_state_t *Py_UNUSED(st), PyObject *op, c4pe_writer_t *w)
{
    const wire_t wire = to_wire(op);
    return c4pe_write(w, &wire, sizeof(wire));
}

static PyObject *
chare_decode(c4pe_state_t *st, c4pe_reader_t *r)
{
    wire_t wire;
    if (c4pe_read(r, &wire, sizeof(wire)) < 0)
        return NULL;
    return c4pe_hostchare_new(st, wire.type, wire.ref, wire.element != 0);
}

static PyObject *
chare_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const wire_t wire = to_wire(op);
    c4pe_state_t *st = ((c4pe_hostchare_t *)op)->state;
    PyObject *load = PyObject_GetAttrString(st->module, "_load_host_chare");
    if (load == NULL)
        return NULL;
    return Py_BuildValue("N(y#)", load, (const char *)&wire, (Py_ssize_t)sizeof(wire));
}

PyObject *
c4pe_typed_load(PyObject *module, PyObject *bytes)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    wire_t wire;
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != (Py_ssize_t)sizeof(wire))
        return c4pe_raise(st, "a pickled HostChare is damaged");
    memcpy(&wire, PyBytes_AS_STRING(bytes), sizeof(wire));
    return c4pe_hostchare_new(st, wire.type, wire.ref, wire.element != 0);
}

/* ---- module -------------------------------------------------------------------------------------- */

PyDoc_STRVAR(
    chare_doc,
    "A chare in C, or all those of a collection: made by the host, and given to methods.\n\n"
    "Its methods are the entry methods that the host lets Python call, with the parameters of\n"
    "their signatures: numbers, texts, numpy arrays or other contiguous buffers for arrays and\n"
    "structs, proxies of one element and HostChares for references. They return None; with\n"
    "ret=True (or awaitable=True), in a coroutine, a future that gets what the method answers.\n"
    "chares[index] is one of a collection. Raises TypeError and ValueError that name the\n"
    "parameter, with nothing sent. Can be sent, stored and compared.");

static PyMethodDef chare_methods[] = {
    {"__reduce__", chare_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot chare_slots[] = {
    {Py_tp_doc, (void *)chare_doc},
    {Py_tp_dealloc, chare_dealloc},
    {Py_tp_getattro, chare_getattro},
    {Py_mp_subscript, chare_subscript},
    {Py_tp_repr, chare_repr},
    {Py_tp_hash, chare_hash},
    {Py_tp_richcompare, chare_compare},
    {Py_tp_methods, chare_methods},
    {0, NULL},
};

static PyType_Spec chare_spec = {
    .name = "c4py._c4py.HostChare",
    .basicsize = sizeof(c4pe_hostchare_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = chare_slots,
};

int
c4pe_typed_exec(PyObject *module, c4pe_state_t *st)
{
    if ((st->methods = PyMem_Calloc(1, sizeof(methods_t))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    st->hostchare_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &chare_spec, NULL);
    st->hostmethod_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    if (st->hostchare_type == NULL || st->hostmethod_type == NULL ||
        PyModule_AddType(module, st->hostchare_type) < 0)
        return -1;
    const c4pe_coder_t coder = {
        .type = st->hostchare_type, .encode = chare_encode, .decode = chare_decode};
    return c4pe_codec_add(st, C4PE_CODE_HOSTCHARE, &coder);
}

void
c4pe_typed_free(c4pe_state_t *st)
{
    methods_t *all = st->methods;
    if (all == NULL)
        return;
    for (uint32_t type = 0; type < all->num_types; type++)
        while (all->of_type[type] != NULL) {
            method_t *method = all->of_type[type];
            all->of_type[type] = method->next;
            method_free(method);
        }
    PyMem_Free(all->of_type);
    PyMem_Free(all);
    st->methods = NULL;
}
