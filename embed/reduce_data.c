/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_data.c: see reduce_data.h. Memory of numpy's plain arrays is found in their struct, that
 * of all others through the buffer protocol; strided memory is copied into C order. */
#include "reduce_data.h"

#include "codec_int.h"

#include <string.h>

enum { META_HEAD = 8, MAX_NDIM = 64 };

/* ---- scalars ------------------------------------------------------------------------------------- */

static int
from_int(PyObject *data, c4pe_typed_t *out)
{
    out->small.value.i = PyLong_AsLongLong(data);
    if (out->small.value.i == -1 && PyErr_Occurred())
        return -1;
    out->dtype = C4P_INT64;
    out->data = &out->small.value;
    out->len = sizeof(int64_t);
    return 1;
}

static int
from_float(double value, c4pe_typed_t *out)
{
    out->small.value.d = value;
    out->dtype = C4P_FLOAT64;
    out->data = &out->small.value;
    out->len = sizeof(double);
    return 1;
}

static int
from_bool(bool value, c4pe_typed_t *out)
{
    out->small.value.b = value;
    out->dtype = C4P_BOOL;
    out->data = &out->small.value;
    out->len = 1;
    return 1;
}

/* ---- lists --------------------------------------------------------------------------------------- */

void
c4pe_typed_set_shape(c4pe_typed_t *out, int ndim, const Py_ssize_t *shape)
{
    memset(out->meta, 0, META_HEAD);
    out->meta[0] = (char)ndim;
    for (int i = 0; i < ndim; i++) {
        int64_t n = shape[i];
        memcpy(out->meta + META_HEAD + 8 * i, &n, sizeof(n));
    }
    out->meta_len = META_HEAD + 8 * ndim;
}

/* The type that all items have, if it is one of int, float, bool; else NULL. Borrowed. */
static PyTypeObject *
common_type(PyObject *const *items, Py_ssize_t n)
{
    PyTypeObject *type = n > 0 ? Py_TYPE(items[0]) : NULL;
    if (type != &PyLong_Type && type != &PyFloat_Type && type != &PyBool_Type)
        return NULL;
    for (Py_ssize_t i = 1; i < n; i++)
        if (Py_TYPE(items[i]) != type)
            return NULL;
    return type;
}

static int
fill_items(c4pe_typed_t *out, PyTypeObject *type, PyObject *const *items, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        if (type == &PyFloat_Type) {
            ((double *)out->owned)[i] = PyFloat_AS_DOUBLE(items[i]);
        } else if (type == &PyBool_Type) {
            ((char *)out->owned)[i] = items[i] == Py_True;
        } else {
            int64_t v = PyLong_AsLongLong(items[i]);
            if (v == -1 && PyErr_Occurred())
                return -1;
            ((int64_t *)out->owned)[i] = v;
        }
    }
    return 1;
}

static int
from_items(PyObject *const *items, Py_ssize_t n, c4pe_typed_t *out)
{
    PyTypeObject *type = common_type(items, n);
    if (type == NULL)
        return 0;
    out->dtype = type == &PyFloat_Type ? C4P_FLOAT64 : type == &PyBool_Type ? C4P_BOOL : C4P_INT64;
    out->len = (size_t)n * c4p_dtype_size(out->dtype);
    if ((out->owned = PyMem_Malloc(out->len)) == NULL)
        return PyErr_NoMemory(), -1;
    out->data = out->owned;
    int result = fill_items(out, type, items, n);
    if (n > 1)
        c4pe_typed_set_shape(out, 1, &n);
    return result;
}

static int
from_sequence(PyObject *data, c4pe_typed_t *out)
{
    PyObject *items = PySequence_Fast(data, "not a sequence");
    if (items == NULL)
        return -1;
    int result = from_items(PySequence_Fast_ITEMS(items), PySequence_Fast_GET_SIZE(items), out);
    Py_DECREF(items);
    return result;
}

/* ---- arrays -------------------------------------------------------------------------------------- */

static c4p_dtype_t
int_dtype(Py_ssize_t size, bool is_signed)
{
    switch (size) {
    case 1:
        return is_signed ? C4P_INT8 : C4P_UINT8;
    case 2:
        return is_signed ? C4P_INT16 : C4P_UINT16;
    case 4:
        return is_signed ? C4P_INT32 : C4P_UINT32;
    case 8:
        return is_signed ? C4P_INT64 : C4P_UINT64;
    default:
        return 0;
    }
}

/* The runtime's type for a struct-like format; 0 if there is none (other byte order, records, half
 * precision, ...). */
static c4p_dtype_t
format_dtype(const char *format, Py_ssize_t size)
{
    if (format == NULL)
        return 0;
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    if (format[0] == 'Z' && format[1] != '\0' && format[2] == '\0')
        return format[1] == 'f' ? C4P_COMPLEX64 : format[1] == 'd' ? C4P_COMPLEX128 : 0;
    if (format[0] == '\0' || format[1] != '\0')
        return 0;
    switch (format[0]) {
    case '?':
        return C4P_BOOL;
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
    case 'n':
        return int_dtype(size, true);
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'N':
        return int_dtype(size, false);
    case 'f':
        return C4P_FLOAT32;
    case 'd':
        return C4P_FLOAT64;
    default:
        return 0;
    }
}

static int
from_view(c4pe_typed_t *out)
{
    Py_buffer *view = &out->view;
    out->dtype = format_dtype(view->format, view->itemsize);
    if (out->dtype == 0 || view->ndim > MAX_NDIM || view->len == 0 ||
        c4p_dtype_size(out->dtype) != (size_t)view->itemsize)
        return 0;
    out->len = (size_t)view->len;
    if (PyBuffer_IsContiguous(view, 'C')) {
        out->data = view->buf;
    } else {
        if ((out->owned = PyMem_Malloc(out->len)) == NULL)
            return PyErr_NoMemory(), -1;
        if (PyBuffer_ToContiguous(out->owned, view, view->len, 'C') < 0)
            return -1;
        out->data = out->owned;
    }
    if (view->len != view->itemsize)
        c4pe_typed_set_shape(out, view->ndim, view->shape);
    return 1;
}

static int
from_buffer(PyObject *data, c4pe_typed_t *out)
{
    if (PyObject_GetBuffer(data, &out->view, PyBUF_FULL_RO) < 0) {
        PyErr_Clear(); /* object arrays, dates: combined in Python */
        out->view.obj = NULL;
        return 0;
    }
    return from_view(out);
}

/* ---- numpy's arrays ------------------------------------------------------------------------------ */

/* By numpy's number of the type; half, long double and the like have none of ours. */
static const c4p_dtype_t numpy_dtypes[] = {
    C4P_BOOL,    C4P_INT8,  C4P_UINT8,     C4P_INT16,      C4P_UINT16, C4P_INT32,
    C4P_UINT32,  C4P_INT64, C4P_UINT64,    C4P_INT64,      C4P_UINT64, C4P_FLOAT32,
    C4P_FLOAT64, 0,         C4P_COMPLEX64, C4P_COMPLEX128,
};

/* An array of ordinary numbers in C order: 1, and *out filled; 0: from_buffer() has to look at it.
 */
static int
from_ndarray(const c4pe_npy_t *npy, PyObject *data, c4pe_typed_t *out)
{
    enum { SIMPLE = C4PE_NPY_C_CONTIGUOUS | C4PE_NPY_ALIGNED };
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)data;
    const size_t type = (size_t)((const c4pe_descr_t *)a->descr)->type_num;
    if ((a->flags & SIMPLE) != SIMPLE || !c4pe_npy_is_plain(a->descr) ||
        type >= sizeof numpy_dtypes / sizeof numpy_dtypes[0] || a->nd > MAX_NDIM)
        return 0;
    const Py_ssize_t size = c4pe_npy_elsize(npy, a->descr);
    const Py_ssize_t len = c4pe_npy_nbytes(npy, a->nd, a->dims, a->descr);
    out->dtype = numpy_dtypes[type];
    if (out->dtype == 0 || c4p_dtype_size(out->dtype) != (size_t)size || len <= 0)
        return 0;
    out->data = a->data;
    out->len = (size_t)len;
    if (len != size)
        c4pe_typed_set_shape(out, a->nd, a->dims);
    return 1;
}

/* Anything that gives a buffer; numpy's arrays are known once the program has imported numpy. */
static int
from_memory(c4pe_npy_t *npy, PyObject *data, c4pe_typed_t *out)
{
    if (c4pe_npy_load(npy, false) && c4pe_npy_is_array(npy, data) &&
        from_ndarray(npy, data, out) > 0)
        return 1;
    return from_buffer(data, out);
}

/* ---- looking at a contribution ------------------------------------------------------------------- */

int
c4pe_typed_get(c4pe_state_t *st, PyObject *data, c4pe_typed_t *out)
{
    c4pe_npy_t *npy = &st->codec->npy;
    out->meta_len = 0;
    out->owned = NULL;
    out->view.obj = NULL;
    if (c4pe_npy_is_array(npy, data))
        return from_memory(npy, data, out);
    if (PyLong_CheckExact(data))
        return from_int(data, out);
    if (PyFloat_Check(data))
        return from_float(PyFloat_AS_DOUBLE(data), out);
    if (PyBool_Check(data))
        return from_bool(data == Py_True, out);
    if (PyLong_Check(data))
        return from_int(data, out);
    if (PyList_CheckExact(data) || PyTuple_CheckExact(data) || PyRange_Check(data))
        return from_sequence(data, out);
    if (PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data) ||
        !PyObject_CheckBuffer(data))
        return 0;
    return from_memory(npy, data, out);
}

void
c4pe_typed_release(c4pe_typed_t *typed)
{
    PyMem_Free(typed->owned);
    typed->owned = NULL;
    if (typed->view.obj != NULL)
        PyBuffer_Release(&typed->view);
}

/* ---- booleans ------------------------------------------------------------------------------------ */

static bool
all_zero(const unsigned char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static bool
truth(c4p_dtype_t dtype, const char *at, size_t size)
{
    float f[2];
    double d[2];
    switch (dtype) {
    case C4P_FLOAT32:
    case C4P_COMPLEX64:
        memcpy(f, at, size);
        return f[0] != 0 || (dtype == C4P_COMPLEX64 && f[1] != 0);
    case C4P_FLOAT64:
    case C4P_COMPLEX128:
        memcpy(d, at, size);
        return d[0] != 0 || (dtype == C4P_COMPLEX128 && d[1] != 0);
    default:
        return !all_zero((const unsigned char *)at, size);
    }
}

int
c4pe_typed_to_bool(c4pe_typed_t *typed)
{
    if (typed->dtype == C4P_BOOL)
        return 0;
    size_t size = c4p_dtype_size(typed->dtype);
    size_t n = typed->len / size;
    char *bools = PyMem_Malloc(n);
    if (bools == NULL)
        return PyErr_NoMemory(), -1;
    for (size_t i = 0; i < n; i++)
        bools[i] = truth(typed->dtype, (const char *)typed->data + i * size, size);
    PyMem_Free(typed->owned);
    typed->owned = bools;
    typed->data = bools;
    typed->len = n;
    typed->dtype = C4P_BOOL;
    return 0;
}

/* ---- results ------------------------------------------------------------------------------------- */

/* numpy's numbers of types and the type codes of array.array, by c4p_dtype_t. */
static const struct {
    int numpy;
    char array;
} kinds[] = {
    [C4P_BOOL] = {0, 'B'},      [C4P_INT8] = {1, 'b'},     [C4P_UINT8] = {2, 'B'},
    [C4P_INT16] = {3, 'h'},     [C4P_UINT16] = {4, 'H'},   [C4P_INT32] = {5, 'i'},
    [C4P_UINT32] = {6, 'I'},    [C4P_INT64] = {7, 'q'},    [C4P_UINT64] = {8, 'Q'},
    [C4P_FLOAT32] = {11, 'f'},  [C4P_FLOAT64] = {12, 'd'}, [C4P_COMPLEX64] = {14, 0},
    [C4P_COMPLEX128] = {15, 0},
};

static PyObject *
scalar_result(c4p_dtype_t dtype, const void *data)
{
    union {
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
        float f[2];
        double d[2];
    } v;
    memcpy(&v, data, c4p_dtype_size(dtype));
    switch (dtype) {
    case C4P_BOOL:
    case C4P_UINT8:
        return PyLong_FromLong(v.u8);
    case C4P_INT8:
        return PyLong_FromLong(v.i8);
    case C4P_INT16:
        return PyLong_FromLong(v.i16);
    case C4P_UINT16:
        return PyLong_FromLong(v.u16);
    case C4P_INT32:
        return PyLong_FromLong(v.i32);
    case C4P_UINT32:
        return PyLong_FromUnsignedLong(v.u32);
    case C4P_INT64:
        return PyLong_FromLongLong(v.i64);
    case C4P_UINT64:
        return PyLong_FromUnsignedLongLong(v.u64);
    case C4P_FLOAT32:
        return PyFloat_FromDouble((double)v.f[0]);
    case C4P_FLOAT64:
        return PyFloat_FromDouble(v.d[0]);
    case C4P_COMPLEX64:
        return PyComplex_FromDoubles((double)v.f[0], (double)v.f[1]);
    case C4P_COMPLEX128:
        return PyComplex_FromDoubles(v.d[0], v.d[1]);
    }
    return NULL;
}

/* Without numpy: a flat array.array, or a list of complex numbers. */
static PyObject *
plain_array_result(const c4p_result_t *result)
{
    size_t size = c4p_dtype_size(result->dtype);
    char code[2] = {kinds[result->dtype].array, '\0'};
    if (code[0] != '\0') {
        PyObject *module = PyImport_ImportModule("array");
        PyObject *array =
            module ? PyObject_CallMethod(module, "array", "sy#", code, (const char *)result->data,
                                         (Py_ssize_t)result->len)
                   : NULL;
        Py_XDECREF(module);
        return array;
    }
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list != NULL && at + size <= result->len; at += size) {
        PyObject *item = scalar_result(result->dtype, (const char *)result->data + at);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

int
c4pe_typed_shape(const c4p_result_t *result, size_t size, Py_ssize_t *shape)
{
    const unsigned char *meta = result->meta;
    int ndim = result->meta_len >= META_HEAD ? meta[0] : -1;
    if (ndim < 0 || ndim > MAX_NDIM || result->meta_len != (uint64_t)(META_HEAD + 8 * ndim))
        return -1;
    uint64_t items = result->len / size, product = 1;
    for (int i = 0; i < ndim; i++) {
        int64_t n;
        memcpy(&n, meta + META_HEAD + 8 * i, sizeof(n));
        if (n < 1 || (uint64_t)n > items / product)
            return -1;
        shape[i] = (Py_ssize_t)n;
        product *= (uint64_t)n;
    }
    return product == items ? ndim : -1;
}

PyObject *
c4pe_typed_result(c4pe_state_t *st, const c4p_result_t *result)
{
    size_t size = c4p_dtype_size(result->dtype);
    if (size == 0 || result->len < size || result->len % size != 0)
        return c4pe_raise(st, "the result of a reduction arrived damaged");
    if (result->meta_len == 0 && result->len == size)
        return scalar_result(result->dtype, result->data);
    Py_ssize_t shape[MAX_NDIM] = {(Py_ssize_t)(result->len / size)}; /* contributed by C: in a row
                                                                      */
    int ndim = result->meta_len == 0 ? 1 : c4pe_typed_shape(result, size, shape);
    if (ndim < 0)
        return c4pe_raise(st, "members of one reduction contributed arrays of different shapes");
    c4pe_npy_t *npy = &st->codec->npy;
    if (!c4pe_npy_load(npy, true))
        return plain_array_result(result);
    PyObject *descr = npy->descr_from_type(kinds[result->dtype].numpy);
    PyObject *array = descr ? c4pe_npy_new(npy, descr, ndim, shape) : NULL;
    if (array != NULL)
        memcpy(((c4pe_ndarray_t *)array)->data, result->data, result->len);
    return array;
}
