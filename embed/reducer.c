/* SPDX-License-Identifier: Apache-2.0 */
/* reducer.c: the type of reducers, the built-in ones, and those that programs add. */
#include "reducer.h"

#include <string.h>

enum { MAX_PARTS = 100 };

/* ---- the reducer object -------------------------------------------------------------------------- */

static int
c4pe_reducer_traverse(PyObject *op, visitproc visit, void *arg)
{
    c4pe_reducer_t *self = (c4pe_reducer_t *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->func);
    Py_VISIT(self->pre);
    Py_VISIT(self->post);
    Py_VISIT(self->parts);
    Py_VISIT(self->keep);
    Py_VISIT(self->dtype);
    return 0;
}

static int
reducer_clear(PyObject *op)
{
    c4pe_reducer_t *self = (c4pe_reducer_t *)op;
    Py_CLEAR(self->name);
    Py_CLEAR(self->func);
    Py_CLEAR(self->pre);
    Py_CLEAR(self->post);
    Py_CLEAR(self->parts);
    Py_CLEAR(self->keep);
    Py_CLEAR(self->dtype);
    return 0;
}

static void
reducer_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    reducer_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
reducer_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<reducer %U>", ((c4pe_reducer_t *)op)->name);
}

/* By name: Reducer.<name> on the receiver; a tuple by its parts. */
static PyObject *
reducer_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_reducer_t *self = (c4pe_reducer_t *)op;
    c4pe_state_t *st = c4pe_state_of_type(Py_TYPE(op));
    PyObject *load = st ? PyObject_GetAttrString(st->module, "_load_reducer") : NULL;
    return load ? Py_BuildValue("N(O)", load, self->parts ? self->parts : self->name) : NULL;
}

static PyMemberDef reducer_members[] = {
    {"name", T_OBJECT, offsetof(c4pe_reducer_t, name), READONLY,
     "Name of the reducer, under which Reducer has it."},
    {"__name__", T_OBJECT, offsetof(c4pe_reducer_t, name), READONLY, "The same as name."},
    {"func", T_OBJECT, offsetof(c4pe_reducer_t, func), READONLY,
     "The function that combines, of a reducer written in Python; None for those in C."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef reducer_methods[] = {
    {"__reduce__", reducer_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reducer_slots[] = {
    {Py_tp_doc,
     (void *)"How contributions to a reduction are combined: an attribute of Reducer, given to\n"
             "reduce(), contribute() and allreduce(). Not constructed by users."},
    {Py_tp_traverse, c4pe_reducer_traverse},
    {Py_tp_clear, reducer_clear},
    {Py_tp_dealloc, reducer_dealloc},
    {Py_tp_repr, reducer_repr},
    {Py_tp_members, reducer_members},
    {Py_tp_methods, reducer_methods},
    {0, NULL},
};

static PyType_Spec reducer_spec = {
    .name = "c4py._c4py.Op",
    .basicsize = sizeof(c4pe_reducer_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reducer_slots,
};

static PyObject *
optional(PyObject *obj)
{
    return obj == NULL || obj == Py_None ? NULL : Py_NewRef(obj);
}

PyObject *
c4pe_reducer_new(c4pe_state_t *st, const char *name, c4p_op_t op, PyObject *func, PyObject *pre,
                 PyObject *post)
{
    if (PyDict_GetItemString(st->reducers, name) != NULL)
        return c4pe_raise(st, "there is already a reducer named '%s'", name);
    c4pe_reducer_t *self = (c4pe_reducer_t *)st->reducer_type->tp_alloc(st->reducer_type, 0);
    if (self == NULL)
        return NULL;
    self->op = op;
    self->func = optional(func);
    self->pre = optional(pre);
    self->post = optional(post);
    self->name = PyUnicode_InternFromString(name);
    if (self->name == NULL || PyDict_SetItem(st->reducers, self->name, (PyObject *)self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static const struct {
    const char *name;
    c4p_op_t op;
} builtins[] = {
    {"sum", C4P_OP_SUM},
    {"product", C4P_OP_PRODUCT},
    {"max", C4P_OP_MAX},
    {"min", C4P_OP_MIN},
    {"logical_and", C4P_OP_AND},
    {"logical_or", C4P_OP_OR},
    {"logical_xor", C4P_OP_XOR},
    {"gather", C4P_OP_GATHER},
    {"nop", C4P_OP_NOP},
    {"bit_and", C4P_OP_BIT_AND},
    {"bit_or", C4P_OP_BIT_OR},
    {"bit_xor", C4P_OP_BIT_XOR},
    {"minloc", C4P_OP_MINLOC},
    {"maxloc", C4P_OP_MAXLOC},
    {"sum_ordered", C4P_OP_SUM_ORDERED},
    {"sum_compensated", C4P_OP_SUM_COMPENSATED},
};

PyObject *
c4pe_reducer_builtin(c4pe_state_t *st, PyObject *name)
{
    PyObject *there = PyDict_GetItemWithError(st->reducers, name); /* borrowed */
    if (there != NULL)
        return Py_NewRef(there);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(builtins) && !PyErr_Occurred(); i++)
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, builtins[i].name) == 0)
            return c4pe_reducer_new(st, builtins[i].name, builtins[i].op, NULL, NULL, NULL);
    return PyErr_Occurred() ? NULL : c4pe_raise(st, "there is no reducer named %R", name);
}

PyObject *
c4pe_reducer_add(c4pe_state_t *st, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"name", "func", "pre", "post", NULL};
    const char *name;
    PyObject *func, *pre = NULL, *post = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO|OO:reducer_add", (char **)names, &name,
                                     &func, &pre, &post))
        return NULL;
    if (!PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "a reducer must be callable, not %s",
                            Py_TYPE(func)->tp_name);
    return c4pe_reducer_new(st, name, C4P_OP_CUSTOM, func, pre, post);
}

static int
check_part(c4pe_state_t *st, PyObject *part)
{
    c4p_op_t op = Py_IS_TYPE(part, st->reducer_type) ? ((c4pe_reducer_t *)part)->op : C4P_OP_NOP;
    if (!Py_IS_TYPE(part, st->reducer_type))
        PyErr_Format(PyExc_TypeError, "Reducer.tuple() takes reducers such as Reducer.sum, not %R",
                     part);
    else if (op == C4P_OP_NOP || op == C4P_OP_GATHER || op == C4P_OP_SUM_ORDERED ||
             op == C4P_OP_TUPLE)
        PyErr_Format(PyExc_TypeError, "%U cannot be a part of Reducer.tuple()",
                     ((c4pe_reducer_t *)part)->name);
    else
        return 0;
    return -1;
}

/* "tuple(sum, max)" */
static PyObject *
tuple_name(PyObject *parts)
{
    PyObject *names = PyList_New(0);
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(parts); i++)
        if (PyList_Append(names, ((c4pe_reducer_t *)PyTuple_GET_ITEM(parts, i))->name) < 0)
            Py_CLEAR(names);
    PyObject *comma = names ? PyUnicode_FromString(", ") : NULL;
    PyObject *joined = comma ? PyUnicode_Join(comma, names) : NULL;
    PyObject *name = joined ? PyUnicode_FromFormat("tuple(%U)", joined) : NULL;
    Py_XDECREF(joined);
    Py_XDECREF(comma);
    Py_XDECREF(names);
    return name;
}

PyObject *
c4pe_reducer_tuple(c4pe_state_t *st, PyObject *parts)
{
    Py_ssize_t n = PyTuple_Check(parts) ? PyTuple_GET_SIZE(parts) : 0;
    if (n < 1 || n > MAX_PARTS)
        return PyErr_Format(PyExc_TypeError, "Reducer.tuple() takes 1 to %d reducers, not %zd",
                            MAX_PARTS, n);
    for (Py_ssize_t i = 0; i < n; i++)
        if (check_part(st, PyTuple_GET_ITEM(parts, i)) < 0)
            return NULL;
    c4pe_reducer_t *self = (c4pe_reducer_t *)st->reducer_type->tp_alloc(st->reducer_type, 0);
    if (self == NULL)
        return NULL;
    self->op = C4P_OP_TUPLE;
    self->parts = Py_NewRef(parts);
    if ((self->name = tuple_name(parts)) == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* ---- module -------------------------------------------------------------------------------------- */

int
c4pe_reduce_exec(PyObject *module, c4pe_state_t *st)
{
    st->reducer_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reducer_spec, NULL);
    st->reducers = PyDict_New();
    st->native_reducers = PyList_New(0);
    if (st->reducer_type == NULL || st->reducers == NULL || st->native_reducers == NULL)
        return -1;
    return PyModule_AddType(module, st->reducer_type);
}
