/* SPDX-License-Identifier: Apache-2.0 */
/* host_value.c: c4p/python.h: values of C as Python objects, and back. */
#include "codec_int.h"
#include "future.h"
#include "host.h"
#include "typed.h"

/* ---- arrays -------------------------------------------------------------------------------------- */

/* numpy's numbers of types. */
static const int type_nums[] = {
    [C4P_BOOL] = 0,        [C4P_INT8] = 1,     [C4P_UINT8] = 2,    [C4P_INT16] = 3,
    [C4P_UINT16] = 4,      [C4P_INT32] = 5,    [C4P_UINT32] = 6,   [C4P_INT64] = 7,
    [C4P_UINT64] = 8,      [C4P_FLOAT32] = 11, [C4P_FLOAT64] = 12, [C4P_COMPLEX64] = 14,
    [C4P_COMPLEX128] = 15,
};

static c4pe_npy_t *
need_numpy(c4p_python_t *py)
{
    c4pe_npy_t *npy = &py->st->codec->npy;
    if (!c4pe_npy_load(npy, true)) {
        c4pe_raise(py->st, "a view of memory is a numpy array, and numpy cannot be imported");
        return NULL;
    }
    return npy;
}

/* What keeps a view's memory: it knows who wants to hear of the end. */
typedef struct lender {
    void (*release)(void *ctx);
    void *ctx;
} lender_t;

static const char lender_name[] = "memory of the host";

static void
end_of_view(PyObject *capsule)
{
    lender_t *lender = PyCapsule_GetPointer(capsule, lender_name);
    if (lender->release != NULL)
        lender->release(lender->ctx);
    PyMem_Free(lender);
}

static PyObject *
lender_new(void)
{
    lender_t *lender = PyMem_Malloc(sizeof(*lender));
    if (lender == NULL)
        return PyErr_NoMemory();
    *lender = (lender_t){.release = NULL};
    PyObject *capsule = PyCapsule_New(lender, lender_name, end_of_view);
    if (capsule == NULL)
        PyMem_Free(lender);
    return capsule;
}

void
c4pe_host_disarm(PyObject *list)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *item = PyList_GET_ITEM(list, i); /* NULL in a list that was not finished */
        PyObject *base = item ? PyObject_GetAttrString(item, "base") : NULL;
        PyErr_Clear();
        if (base != NULL && PyCapsule_IsValid(base, lender_name))
            ((lender_t *)PyCapsule_GetPointer(base, lender_name))->release = NULL;
        Py_XDECREF(base);
    }
    PyErr_Restore(type, value, tb);
}

/* Sizes as numpy wants them. -1 with an exception. */
static int
fill_shape(const c4p_py_array_t *array, Py_ssize_t *dims, Py_ssize_t *strides)
{
    Py_ssize_t step = (Py_ssize_t)c4p_dtype_size(array->dtype);
    bool gaps = false, empty = false;
    if (step == 0 || array->ndims < 0 || array->ndims > C4P_MAX_DIMS) {
        PyErr_Format(PyExc_ValueError, "a view of %d dimensions and elements of type %d",
                     array->ndims, (int)array->dtype);
        return -1;
    }
    for (int i = 0; i < array->ndims; i++)
        gaps = gaps || array->strides[i] != 0;
    for (int i = array->ndims - 1; i >= 0; i--) {
        if (array->dims[i] < 0) {
            PyErr_Format(PyExc_ValueError, "dimension %d of a view is %lld", i,
                         (long long)array->dims[i]);
            return -1;
        }
        empty = empty || array->dims[i] == 0;
        dims[i] = (Py_ssize_t)array->dims[i];
        strides[i] = gaps ? (Py_ssize_t)array->strides[i] : step;
        step *= dims[i];
    }
    if (array->data == NULL && !empty) {
        PyErr_SetString(PyExc_ValueError, "a view of memory at NULL");
        return -1;
    }
    return 0;
}

/* A numpy array over the memory. */
static PyObject *
view_of(c4p_python_t *py, const c4p_py_array_t *array)
{
    Py_ssize_t dims[C4P_MAX_DIMS], strides[C4P_MAX_DIMS];
    c4pe_npy_t *npy = need_numpy(py);
    PyObject *capsule = npy && fill_shape(array, dims, strides) == 0 ? lender_new() : NULL;
    if (capsule == NULL)
        return NULL;
    lender_t *lender = PyCapsule_GetPointer(capsule, lender_name);
    PyObject *descr = npy->descr_from_type(type_nums[array->dtype]);
    PyObject *view =
        descr ? npy->new_from_descr(npy->array, descr, array->ndims, dims, strides, array->data,
                                    array->writable ? C4PE_NPY_WRITEABLE : 0, NULL)
              : NULL;
    if (view == NULL)
        Py_DECREF(capsule);
    else if (npy->set_base(view, capsule) < 0)
        Py_CLEAR(view);
    if (view != NULL)
        *lender = (lender_t){.release = array->release, .ctx = array->ctx};
    return view;
}

/* ---- to Python ----------------------------------------------------------------------------------- */

static PyObject *
proxy_object(c4p_python_t *py, const c4p_proxy_t *proxy)
{
    const c4pe_wire_proxy_t wire = {.coll = proxy->ref.coll,
                                    .key0 = proxy->ref.key.w[0],
                                    .key1 = proxy->ref.key.w[1],
                                    .type = proxy->type,
                                    .flags = proxy->flags,
                                    .kind = proxy->kind,
                                    .ndims = proxy->ndims};
    return c4pe_proxy_from_wire(py->st, &wire);
}

PyObject *
c4pe_host_object(c4p_python_t *py, const c4p_pyval_t *value)
{
    if ((value->kind == C4P_PY_STR || value->kind == C4P_PY_BYTES) && value->v.text.data == NULL &&
        value->v.text.len > 0)
        return PyErr_Format(PyExc_ValueError, "%zu bytes of text at NULL", value->v.text.len);
    switch (value->kind) {
    case C4P_PY_NONE:
        Py_RETURN_NONE;
    case C4P_PY_BOOL:
        return PyBool_FromLong(value->v.truth);
    case C4P_PY_INT:
        return PyLong_FromLongLong(value->v.i);
    case C4P_PY_FLOAT:
        return PyFloat_FromDouble(value->v.f);
    case C4P_PY_STR:
        return PyUnicode_DecodeUTF8(value->v.text.data, (Py_ssize_t)value->v.text.len, NULL);
    case C4P_PY_BYTES:
        return PyBytes_FromStringAndSize(value->v.text.data, (Py_ssize_t)value->v.text.len);
    case C4P_PY_ARRAY:
        return view_of(py, &value->v.array);
    case C4P_PY_PROXY:
        return proxy_object(py, &value->v.proxy);
    case C4P_PY_CHARE:
        return c4pe_hostchare_new(py->st, value->v.proxy.type, value->v.proxy.ref,
                                  value->v.proxy.flags != 0);
    case C4P_PY_FUTURE:
        return c4pe_future_from_id(py->st, value->v.future);
    default:
        return PyErr_Format(PyExc_TypeError, "a value of kind %d cannot be given to Python",
                            (int)value->kind);
    }
}

PyObject *
c4pe_host_args(c4p_python_t *py, const c4p_pyval_t *args, size_t num_args)
{
    PyObject *list = PyList_New((Py_ssize_t)num_args);
    for (size_t i = 0; list != NULL && i < num_args; i++) {
        PyObject *item = c4pe_host_object(py, &args[i]);
        if (item != NULL) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
            continue;
        }
        c4pe_host_disarm(list);
        Py_CLEAR(list);
    }
    return list;
}

/* ---- from Python --------------------------------------------------------------------------------- */

/* The element type of an array; 0: none of ours. */
static c4p_dtype_t
dtype_of(const c4pe_npy_t *npy, PyObject *descr)
{
    const c4pe_descr_t *d = (const c4pe_descr_t *)descr;
    const size_t size = (size_t)c4pe_npy_elsize(npy, descr);
    static const struct {
        char kind;
        c4p_dtype_t dtype;
    } kinds[] = {
        {'b', C4P_BOOL},       {'i', C4P_INT8},    {'u', C4P_UINT8},   {'i', C4P_INT16},
        {'u', C4P_UINT16},     {'i', C4P_INT32},   {'u', C4P_UINT32},  {'i', C4P_INT64},
        {'u', C4P_UINT64},     {'f', C4P_FLOAT32}, {'f', C4P_FLOAT64}, {'c', C4P_COMPLEX64},
        {'c', C4P_COMPLEX128},
    };
    for (size_t i = 0; c4pe_npy_is_plain(descr) && i < Py_ARRAY_LENGTH(kinds); i++)
        if (kinds[i].kind == d->kind && c4p_dtype_size(kinds[i].dtype) == size)
            return kinds[i].dtype;
    return (c4p_dtype_t)0;
}

/* False: it is not an array that C can read. */
static bool
read_array(c4p_python_t *py, PyObject *object, c4p_pyval_t *value)
{
    const c4pe_npy_t *npy = &py->st->codec->npy;
    if (!c4pe_npy_load(&py->st->codec->npy, false) || !PyObject_TypeCheck(object, npy->array))
        return false;
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)object;
    const c4p_dtype_t dtype = dtype_of(npy, a->descr);
    if (dtype == 0 || a->nd > C4P_MAX_DIMS)
        return false;
    c4p_py_array_t *array = &value->v.array;
    *array = (c4p_py_array_t){.data = a->data, .dtype = dtype, .ndims = a->nd};
    array->writable = (a->flags & C4PE_NPY_WRITEABLE) != 0;
    for (int i = 0; i < a->nd; i++) {
        array->dims[i] = a->dims[i];
        array->strides[i] = a->strides[i];
    }
    value->kind = C4P_PY_ARRAY;
    return true;
}

/* A future that others can send to. */
static bool
read_future(c4p_python_t *py, PyObject *object, c4p_pyval_t *value)
{
    if (!c4pe_future_check(py->st, object) || (value->v.future = c4pe_future_id(object)) == 0)
        return false;
    value->kind = C4P_PY_FUTURE;
    return true;
}

static void
read_proxy(PyObject *object, c4p_pyval_t *value)
{
    c4pe_wire_proxy_t wire;
    c4pe_proxy_to_wire(object, &wire);
    value->kind = C4P_PY_PROXY;
    value->v.proxy = (c4p_proxy_t){.ref = {.coll = wire.coll, .key = {{wire.key0, wire.key1}}},
                                   .type = wire.type,
                                   .flags = wire.flags,
                                   .kind = wire.kind,
                                   .ndims = wire.ndims};
}

/* The text of any object by its repr(), which the value holds from then on. */
static int
read_other(PyObject **object, c4p_pyval_t *value)
{
    PyObject *text = PyObject_Repr(*object);
    if (text == NULL)
        return -1;
    Py_SETREF(*object, text);
    value->kind = C4P_PY_OTHER;
    Py_ssize_t len;
    value->v.text.data = PyUnicode_AsUTF8AndSize(text, &len);
    value->v.text.len = (size_t)len;
    return value->v.text.data ? 0 : -1;
}

static bool
read_number(PyObject *object, c4p_pyval_t *value)
{
    int overflow = 0;
    if (object == Py_None) {
        value->kind = C4P_PY_NONE;
    } else if (PyBool_Check(object)) {
        value->kind = C4P_PY_BOOL;
        value->v.truth = object == Py_True;
    } else if (PyLong_Check(object)) {
        value->kind = C4P_PY_INT;
        value->v.i = PyLong_AsLongLongAndOverflow(object, &overflow);
    } else if (PyFloat_Check(object)) { /* numpy.float64, too */
        value->kind = C4P_PY_FLOAT;
        value->v.f = PyFloat_AS_DOUBLE(object);
    } else {
        return false;
    }
    return overflow == 0;
}

static bool
read_text(PyObject *object, c4p_pyval_t *value)
{
    Py_ssize_t len = 0;
    if (PyUnicode_Check(object)) {
        value->kind = C4P_PY_STR;
        value->v.text.data = PyUnicode_AsUTF8AndSize(object, &len);
        if (value->v.text.data == NULL) { /* lone surrogates */
            PyErr_Clear();
            return false;
        }
    } else if (PyBytes_Check(object)) {
        value->kind = C4P_PY_BYTES;
        value->v.text.data = PyBytes_AS_STRING(object);
        len = PyBytes_GET_SIZE(object);
    } else if (PyByteArray_Check(object)) {
        value->kind = C4P_PY_BYTES;
        value->v.text.data = PyByteArray_AS_STRING(object);
        len = PyByteArray_GET_SIZE(object);
    } else {
        return false;
    }
    value->v.text.len = (size_t)len;
    return true;
}

static bool
read_chare(c4p_python_t *py, PyObject *object, c4p_pyval_t *value)
{
    if (!c4pe_hostchare_check(py->st, object))
        return false;
    const c4pe_hostchare_t *chare = (c4pe_hostchare_t *)object;
    *value = c4p_py_chare(chare->type, chare->ref);
    value->v.proxy.flags = chare->element;
    return true;
}

/* What is neither number nor text nor proxy nor list. `*object` is what the value will hold. */
static int
read_object(c4p_python_t *py, PyObject **object, c4p_pyval_t *value)
{
    if (read_text(*object, value) || read_future(py, *object, value) ||
        read_array(py, *object, value) || read_chare(py, *object, value))
        return 0;
    return read_other(object, value);
}

/* numpy's scalars become Python's. */
static PyObject *
plain_scalar(c4p_python_t *py, PyObject *object)
{
    c4pe_npy_t *npy = &py->st->codec->npy;
    if (PyFloat_Check(object) || !c4pe_npy_load(npy, false) ||
        !PyObject_TypeCheck(object, npy->generic))
        return object;
    PyObject *plain = PyObject_CallMethod(object, "item", NULL);
    Py_DECREF(object);
    return plain;
}

c4p_status_t
c4pe_host_value(c4p_python_t *py, PyObject *object, c4p_pyval_t *value_out)
{
    c4p_pyval_t value = c4p_py_none();
    if (object != NULL)
        object = plain_scalar(py, object);
    if (object == NULL)
        return c4pe_host_failed(py);
    if (read_number(object, &value)) {
        Py_CLEAR(object);
    } else if (c4pe_proxy_check(py->st, object)) {
        read_proxy(object, &value);
        Py_CLEAR(object);
    } else if (PyTuple_Check(object) || PyList_Check(object)) {
        value.kind = C4P_PY_TUPLE;
        value.v.count = (size_t)PySequence_Fast_GET_SIZE(object);
    } else if (read_object(py, &object, &value) < 0) {
        Py_DECREF(object);
        return c4pe_host_failed(py);
    }
    value.owner = object;
    *value_out = value;
    return C4P_OK;
}

c4p_status_t
c4p_python_item(c4p_python_t *py, const c4p_pyval_t *tuple, size_t i, c4p_pyval_t *item_out)
{
    if (py == NULL || tuple == NULL || item_out == NULL)
        return C4P_ERR_ARG;
    if (tuple->kind != C4P_PY_TUPLE)
        return C4P_ERR_TYPE;
    if (i >= (size_t)PySequence_Fast_GET_SIZE((PyObject *)tuple->owner))
        return C4P_ERR_RANGE;
    PyObject *item = PySequence_Fast_GET_ITEM((PyObject *)tuple->owner, (Py_ssize_t)i);
    return c4pe_host_value(py, Py_NewRef(item), item_out);
}

void
c4p_python_release(c4p_python_t *py, c4p_pyval_t *value)
{
    if (py == NULL || value == NULL)
        return;
    Py_XDECREF((PyObject *)value->owner);
    *value = c4p_py_none();
}
