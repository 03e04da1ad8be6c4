/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_part.c: see reduce_part.h. */
#include "reduce_part.h"

#include <string.h>

/* ---- one contribution ---------------------------------------------------------------------------- */

/* A number of any type, numpy's too: integers stay integers, so that all members agree. */
static int
read_number(PyObject *obj, c4p_dtype_t *dtype_out, int64_t *i_out, double *d_out)
{
    PyObject *integer = PyIndex_Check(obj) ? PyNumber_Index(obj) : NULL;
    if (integer != NULL) {
        *dtype_out = C4P_INT64;
        *i_out = PyLong_AsLongLong(integer);
        Py_DECREF(integer);
    } else {
        PyErr_Clear(); /* arrays of one float have an __index__ that fails */
        *dtype_out = C4P_FLOAT64;
        *d_out = PyFloat_AsDouble(obj);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* (value, location) for minloc and maxloc. */
static int
get_location(const c4pe_reducer_t *reducer, PyObject *data, c4pe_typed_t *out)
{
    if (!PyTuple_Check(data) || PyTuple_GET_SIZE(data) != 2 ||
        !PyIndex_Check(PyTuple_GET_ITEM(data, 1))) {
        PyErr_Format(PyExc_TypeError, "%U needs a tuple (number, location as an int), not %R",
                     reducer->name, data);
        return -1;
    }
    PyObject *location = PyNumber_Index(PyTuple_GET_ITEM(data, 1));
    if (location == NULL)
        return -1;
    out->small.location = PyLong_AsLongLong(location);
    Py_DECREF(location);
    if (PyErr_Occurred() || read_number(PyTuple_GET_ITEM(data, 0), &out->dtype, &out->small.value.i,
                                        &out->small.value.d) < 0)
        return -1;
    out->data = &out->small;
    out->len = sizeof(out->small);
    return 1;
}

static bool
is_logical(c4p_op_t op)
{
    return op == C4P_OP_AND || op == C4P_OP_OR || op == C4P_OP_XOR;
}

/* Has the runtime a loop for this operation on these items? Otherwise Python does it, as numpy
 * would. */
static bool
combines_in_c(c4p_op_t op, c4p_dtype_t dtype)
{
    bool is_complex = dtype == C4P_COMPLEX64 || dtype == C4P_COMPLEX128;
    bool is_float = dtype == C4P_FLOAT32 || dtype == C4P_FLOAT64;
    switch (op) {
    case C4P_OP_SUM:
    case C4P_OP_PRODUCT:
    case C4P_OP_SUM_ORDERED:
        return dtype != C4P_BOOL;
    case C4P_OP_MIN:
    case C4P_OP_MAX:
        return dtype != C4P_BOOL && !is_complex;
    case C4P_OP_SUM_COMPENSATED:
        return is_float;
    case C4P_OP_BIT_AND:
    case C4P_OP_BIT_OR:
    case C4P_OP_BIT_XOR:
        return dtype != C4P_BOOL && !is_complex && !is_float;
    default:
        return is_logical(op);
    }
}

/* Operations that exist in Python, too. */
bool
c4pe_op_in_python(c4p_op_t op)
{
    return op == C4P_OP_SUM || op == C4P_OP_PRODUCT || op == C4P_OP_MIN || op == C4P_OP_MAX ||
           is_logical(op);
}

int
c4pe_part_get(c4pe_state_t *st, const c4pe_reducer_t *reducer, PyObject *data, c4pe_typed_t *out)
{
    c4p_op_t op = reducer->op;
    out->meta_len = 0;
    out->owned = NULL;
    out->view.obj = NULL;
    if (op == C4P_OP_MINLOC || op == C4P_OP_MAXLOC)
        return get_location(reducer, data, out);
    int kind = c4pe_typed_get(st, data, out);
    if (kind > 0 && is_logical(op) && c4pe_typed_to_bool(out) < 0)
        return -1;
    if (kind < 0 || (kind > 0 && combines_in_c(op, out->dtype)))
        return kind;
    if (c4pe_op_in_python(op))
        return 0;
    PyErr_Format(PyExc_TypeError, "the reducer %U cannot combine %s", reducer->name,
                 Py_TYPE(data)->tp_name);
    return -1;
}

static PyObject *
location_result(const c4p_result_t *result)
{
    int64_t location, i;
    double d;
    if (result->len < 16)
        return PyErr_Format(PyExc_RuntimeError, "the result of a reduction arrived damaged");
    memcpy(&location, (const char *)result->data + 8, 8);
    memcpy(&i, result->data, 8);
    memcpy(&d, result->data, 8);
    return result->dtype == C4P_INT64 ? Py_BuildValue("(LL)", (long long)i, (long long)location)
                                      : Py_BuildValue("(dL)", d, (long long)location);
}

PyObject *
c4pe_part_result(c4pe_state_t *st, const c4p_result_t *result)
{
    if (result->op == C4P_OP_MINLOC || result->op == C4P_OP_MAXLOC)
        return location_result(result);
    return c4pe_typed_result(st, result);
}

/* ---- tuples -------------------------------------------------------------------------------------- */

enum { SHAPE_HEAD = 8 }; /* a shape begins with the number of dimensions; 0: a scalar */

static int
grow(char **buf, size_t len, size_t more)
{
    char *grown = PyMem_Realloc(*buf, len + more);
    if (grown == NULL)
        return PyErr_NoMemory(), -1;
    memset(grown + len, 0, more);
    *buf = grown;
    return 0;
}

static int
append(c4pe_parts_t *parts, c4p_op_t op, const c4pe_typed_t *typed)
{
    size_t shape = typed->meta_len ? (size_t)typed->meta_len : SHAPE_HEAD;
    size_t size = c4p_tuple_size(typed->len);
    if (grow(&parts->data, parts->len, size) < 0 || grow(&parts->meta, parts->meta_len, shape) < 0)
        return -1;
    memcpy(parts->meta + parts->meta_len, typed->meta, (size_t)typed->meta_len);
    parts->meta_len += shape;
    size_t room = parts->len + size;
    if (c4p_tuple_add(parts->data, room, &parts->len, op, typed->dtype, typed->data, typed->len) ==
        C4P_OK)
        return 0;
    PyErr_SetString(PyExc_TypeError, "this cannot be a part of a reduction of a tuple");
    return -1;
}

static int
check_count(const c4pe_reducer_t *reducer, PyObject *data)
{
    Py_ssize_t n = PyTuple_GET_SIZE(reducer->parts);
    if ((PyTuple_Check(data) || PyList_Check(data)) && PySequence_Fast_GET_SIZE(data) == n)
        return 0;
    PyErr_Format(PyExc_TypeError, "%U needs a tuple of %zd values, one for each reducer, not %R",
                 reducer->name, n, data);
    return -1;
}

int
c4pe_parts_get(c4pe_state_t *st, const c4pe_reducer_t *reducer, PyObject *data, c4pe_parts_t *out)
{
    *out = (c4pe_parts_t){0};
    if (check_count(reducer, data) < 0)
        return -1;
    int kind = 1;
    for (Py_ssize_t i = 0; kind >= 0 && i < PyTuple_GET_SIZE(reducer->parts); i++) {
        const c4pe_reducer_t *part = (c4pe_reducer_t *)PyTuple_GET_ITEM(reducer->parts, i);
        if (part->op == C4P_OP_CUSTOM) {
            kind = 0;
            continue;
        }
        c4pe_typed_t typed;
        int how = c4pe_part_get(st, part, PySequence_Fast_GET_ITEM(data, i), &typed);
        if (how > 0 && append(out, part->op, &typed) < 0)
            how = -1;
        c4pe_typed_release(&typed);
        kind = how < kind ? how : kind;
    }
    return kind;
}

void
c4pe_parts_release(c4pe_parts_t *parts)
{
    PyMem_Free(parts->data);
    PyMem_Free(parts->meta);
    *parts = (c4pe_parts_t){0};
}

PyObject *
c4pe_parts_names(const c4pe_reducer_t *reducer)
{
    Py_ssize_t n = PyTuple_GET_SIZE(reducer->parts);
    PyObject *names = PyTuple_New(n);
    for (Py_ssize_t i = 0; names != NULL && i < n; i++) {
        const c4pe_reducer_t *part = (c4pe_reducer_t *)PyTuple_GET_ITEM(reducer->parts, i);
        if (part->op == C4P_OP_CUSTOM || c4pe_op_in_python(part->op)) {
            PyTuple_SET_ITEM(names, i, Py_NewRef(part->name));
        } else {
            PyErr_Format(PyExc_TypeError,
                         "%U: %U cannot stand beside reducers or values that Python combines",
                         reducer->name, part->name);
            Py_CLEAR(names);
        }
    }
    return names;
}

PyObject *
c4pe_parts_pre(const c4pe_reducer_t *reducer, PyObject *data, PyObject *chare)
{
    Py_ssize_t n = PyTuple_GET_SIZE(reducer->parts);
    PyObject *all = PyTuple_New(n);
    for (Py_ssize_t i = 0; all != NULL && i < n; i++) {
        const c4pe_reducer_t *part = (c4pe_reducer_t *)PyTuple_GET_ITEM(reducer->parts, i);
        PyObject *value = PySequence_GetItem(data, i);
        if (value != NULL && part->pre != NULL)
            Py_SETREF(value, PyObject_CallFunctionObjArgs(part->pre, value, chare, NULL));
        if (value == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, value);
    }
    return all;
}

/* The shape of the next part; false if there is none. */
static bool
next_shape(const c4p_result_t *result, size_t *at, c4p_result_t *part)
{
    const unsigned char *meta = (const unsigned char *)result->meta + *at;
    if (result->meta_len - *at < SHAPE_HEAD)
        return false;
    size_t len = SHAPE_HEAD + 8 * (size_t)meta[0];
    if (result->meta_len - *at < len)
        return false;
    part->meta = meta;
    part->meta_len = meta[0] ? len : 0;
    *at += len;
    return true;
}

PyObject *
c4pe_parts_result(c4pe_state_t *st, const c4p_result_t *result)
{
    PyObject *list = PyList_New(0);
    c4p_result_t part = *result;
    size_t at = 0, meta_at = 0;
    const void *data;
    while (list != NULL && c4p_tuple_next(result->data, result->len, &at, &part.op, &part.dtype,
                                          &data, &part.len)) {
        part.data = (void *)(uintptr_t)data;
        PyObject *value =
            next_shape(result, &meta_at, &part)
                ? c4pe_part_result(st, &part)
                : c4pe_raise(st, "members of one reduction contributed tuples of different kinds");
        if (value == NULL || PyList_Append(list, value) < 0)
            Py_CLEAR(list);
        Py_XDECREF(value);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}
