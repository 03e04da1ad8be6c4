/* SPDX-License-Identifier: Apache-2.0 */
/* codec_size.c: about how long arguments that travel by reference would be as bytes. For
 * statistics: nothing is packed, no code of the user's runs, and what is not known counts a little.
 */
#include "codec.h"

enum { NUMBER = 8, UNKNOWN = 64, MOST_ITEMS = 32, MOST_DEPTH = 4 };

static size_t size_of(PyObject *obj, int depth);

/* All of a sequence, judged by its first items. */
static size_t
size_of_items(PyObject *const *items, Py_ssize_t n, int depth)
{
    size_t sum = 0;
    Py_ssize_t seen = n < MOST_ITEMS ? n : MOST_ITEMS;
    for (Py_ssize_t i = 0; i < seen; i++)
        sum += size_of(items[i], depth + 1);
    return seen < n ? sum / (size_t)seen * (size_t)n : sum;
}

static size_t
size_of_dict(PyObject *dict, int depth)
{
    size_t sum = 0, n = (size_t)PyDict_GET_SIZE(dict), seen = 0;
    Py_ssize_t at = 0;
    PyObject *key, *value;
    while (seen < MOST_ITEMS && PyDict_Next(dict, &at, &key, &value)) {
        sum += size_of(key, depth + 1) + size_of(value, depth + 1);
        seen++;
    }
    return seen < n ? sum / seen * n : sum;
}

static size_t
size_of_buffer(PyObject *obj)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(obj, &buffer, PyBUF_STRIDED_RO) < 0) {
        PyErr_Clear();
        return UNKNOWN;
    }
    size_t len = (size_t)buffer.len;
    PyBuffer_Release(&buffer);
    return len;
}

static size_t
size_of(PyObject *obj, int depth)
{
    if (obj == Py_None || PyLong_CheckExact(obj) || PyFloat_CheckExact(obj) || PyBool_Check(obj))
        return NUMBER;
    if (PyBytes_CheckExact(obj))
        return (size_t)PyBytes_GET_SIZE(obj);
    if (PyUnicode_CheckExact(obj))
        return (size_t)PyUnicode_GET_LENGTH(obj);
    if (depth > MOST_DEPTH)
        return UNKNOWN;
    if (PyTuple_CheckExact(obj) || PyList_CheckExact(obj))
        return size_of_items(PySequence_Fast_ITEMS(obj), PySequence_Fast_GET_SIZE(obj), depth);
    if (PyDict_CheckExact(obj))
        return size_of_dict(obj, depth);
    return PyObject_CheckBuffer(obj) ? size_of_buffer(obj) : UNKNOWN;
}

size_t
c4pe_codec_size(PyObject *value)
{
    return size_of(value, 0);
}
