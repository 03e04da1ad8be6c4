/* SPDX-License-Identifier: Apache-2.0 */
/* codec_write.c: values to bytes. */
#include "codec_int.h"

/* ---- sharing ------------------------------------------------------------------------------------ */

/* Give up on this argument: pickle can do it. */
static int
give_up(c4pe_writer_t *w)
{
    w->picky = true;
    return -1;
}

/* Note an object that may occur a second time in this argument; -1 if it does. */
static int
note(c4pe_writer_t *w, PyObject *obj)
{
    for (size_t i = 0; i < w->num_seen; i++)
        if (w->seen[i] == obj)
            return give_up(w);
    if (w->num_seen == C4PE_FEW)
        return give_up(w);
    w->seen[w->num_seen++] = obj;
    return 0;
}

/* Whoever writes the items of a container holds each while it is written: two references are
 * normal. */
static inline int
note_if_shared(c4pe_writer_t *w, PyObject *obj)
{
    return w->depth == 0 || Py_REFCNT(obj) > 2 ? note(w, obj) : 0;
}

static inline bool
is_container(PyObject *obj)
{
    return PyTuple_CheckExact(obj) || PyList_CheckExact(obj) || PyDict_CheckExact(obj) ||
           PyAnySet_CheckExact(obj);
}

/* ---- simple values ------------------------------------------------------------------------------ */

static int
write_int(c4pe_writer_t *w, PyObject *obj)
{
    int overflow;
    int64_t v = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow)
        return c4pe_pickle_write(w, obj);
    if (c4pe_writer_room(w, 9) < 0)
        return -1;
    w->buf[w->len] = C4PE_TAG_INT;
    memcpy(w->buf + w->len + 1, &v, 8);
    w->len += 9;
    return 0;
}

static int
write_float(c4pe_writer_t *w, PyObject *obj)
{
    double v = PyFloat_AS_DOUBLE(obj);
    if (c4pe_writer_room(w, 9) < 0)
        return -1;
    w->buf[w->len] = C4PE_TAG_FLOAT;
    memcpy(w->buf + w->len + 1, &v, 8);
    w->len += 9;
    return 0;
}

static int
write_complex(c4pe_writer_t *w, PyObject *obj)
{
    Py_complex v = PyComplex_AsCComplex(obj);
    if (c4pe_write_tag(w, C4PE_TAG_COMPLEX) < 0)
        return -1;
    return c4pe_write(w, &v, sizeof(v));
}

/* Memory of an immutable object: here when small, else as a piece. */
static int
write_fixed(c4pe_writer_t *w, PyObject *obj, const void *data, size_t len)
{
    return len < C4PE_BIG ? c4pe_write(w, data, len)
                          : c4pe_writer_piece(w, C4PE_PIECE_SEGMENT, data, len, obj);
}

static int
write_str(c4pe_writer_t *w, PyObject *obj)
{
    if (PyUnicode_READY(obj) < 0)
        return -1;
    size_t kind = (size_t)PyUnicode_KIND(obj);
    size_t len = (size_t)PyUnicode_GET_LENGTH(obj) * kind;
    if (len >= C4PE_BIG && w->depth && note_if_shared(w, obj) < 0)
        return -1;
    if (c4pe_writer_room(w, 11) < 0)
        return -1;
    w->buf[w->len++] = len < C4PE_BIG ? C4PE_TAG_STR : C4PE_TAG_BIG_STR;
    w->buf[w->len++] = (char)kind;
    if (c4pe_write_len(w, len) < 0)
        return -1;
    return write_fixed(w, obj, PyUnicode_DATA(obj), len);
}

static int
write_bytes(c4pe_writer_t *w, PyObject *obj)
{
    size_t len = (size_t)PyBytes_GET_SIZE(obj);
    if (len >= C4PE_BIG && w->depth && note_if_shared(w, obj) < 0)
        return -1;
    if (c4pe_write_tag(w, len < C4PE_BIG ? C4PE_TAG_BYTES : C4PE_TAG_BIG_BYTES) < 0 ||
        c4pe_write_len(w, len) < 0)
        return -1;
    return write_fixed(w, obj, PyBytes_AS_STRING(obj), len);
}

static int
write_bytearray(c4pe_writer_t *w, PyObject *obj)
{
    size_t len = (size_t)PyByteArray_GET_SIZE(obj);
    if (note_if_shared(w, obj) < 0)
        return -1;
    if (c4pe_write_tag(w, len < C4PE_BIG ? C4PE_TAG_BYTEARRAY : C4PE_TAG_BIG_BYTEARRAY) < 0 ||
        c4pe_write_len(w, len) < 0)
        return -1;
    if (len < C4PE_BIG)
        return c4pe_write(w, PyByteArray_AS_STRING(obj), len);
    return c4pe_writer_piece(w, C4PE_PIECE_COPY, PyByteArray_AS_STRING(obj), len, obj);
}

/* ---- containers --------------------------------------------------------------------------------- */

static int
write_item(c4pe_writer_t *w, PyObject *item)
{
    Py_INCREF(item);
    int err = c4pe_write_value(w, item);
    Py_DECREF(item);
    return err;
}

static int
begin_container(c4pe_writer_t *w, enum c4pe_tag tag, Py_ssize_t n)
{
    w->depth++;
    return c4pe_write_tag(w, tag) < 0 ? -1 : c4pe_write_len(w, (size_t)n);
}

static int
changed_size(void)
{
    PyErr_SetString(PyExc_RuntimeError, "a container changed its size while it was being sent");
    return -1;
}

static int
write_tuple(c4pe_writer_t *w, PyObject *obj)
{
    Py_ssize_t n = PyTuple_GET_SIZE(obj);
    bool noted = w->depth > 0 && Py_REFCNT(obj) <= 2;
    if (begin_container(w, C4PE_TAG_TUPLE, n) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(obj, i);
        if (!noted && is_container(item)) { /* a tuple of simple values may occur twice, nobody can
                                               tell */
            noted = true;
            if (note(w, obj) < 0)
                return -1;
        }
        if (write_item(w, item) < 0)
            return -1;
    }
    w->depth--;
    return 0;
}

static int
write_list(c4pe_writer_t *w, PyObject *obj)
{
    Py_ssize_t n = PyList_GET_SIZE(obj);
    if (note_if_shared(w, obj) < 0 || begin_container(w, C4PE_TAG_LIST, n) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_GET_SIZE(obj) != n)
            return changed_size();
        if (write_item(w, PyList_GET_ITEM(obj, i)) < 0)
            return -1;
    }
    w->depth--;
    return 0;
}

static int
write_dict(c4pe_writer_t *w, PyObject *obj)
{
    Py_ssize_t n = PyDict_GET_SIZE(obj), at = 0;
    PyObject *key, *value;
    if (note_if_shared(w, obj) < 0 || begin_container(w, C4PE_TAG_DICT, n) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyDict_Next(obj, &at, &key, &value))
            return changed_size();
        Py_INCREF(value);
        int err = write_item(w, key);
        if (err == 0)
            err = c4pe_write_value(w, value);
        Py_DECREF(value);
        if (err < 0)
            return -1;
        if (PyDict_GET_SIZE(obj) != n)
            return changed_size();
    }
    w->depth--;
    return 0;
}

static int
write_set(c4pe_writer_t *w, PyObject *obj, enum c4pe_tag tag)
{
    Py_ssize_t n = PySet_GET_SIZE(obj), i = 0;
    PyObject *item;
    if (note_if_shared(w, obj) < 0 || begin_container(w, tag, n) < 0)
        return -1;
    PyObject *it = PyObject_GetIter(obj);
    if (!it)
        return -1;
    while ((item = PyIter_Next(it))) {
        int err = c4pe_write_value(w, item);
        Py_DECREF(item);
        if (err < 0 || ++i > n)
            break;
    }
    Py_DECREF(it);
    if (item || PyErr_Occurred() || w->picky)
        return i > n ? changed_size() : -1;
    w->depth--;
    return i == n ? 0 : changed_size();
}

/* ---- numpy and array.array ---------------------------------------------------------------------- */

/* The dtype: its number, or 255 and its pickle. 1 if it holds objects. */
static int
write_dtype(c4pe_writer_t *w, PyObject *descr)
{
    if (c4pe_npy_is_plain(descr)) {
        const char number = (char)((c4pe_descr_t *)descr)->type_num;
        return c4pe_write(w, &number, 1);
    }
    PyObject *bytes =
        c4pe_npy_is_memory(descr) ? c4pe_codec_dtype_bytes(w->st, descr) : NULL; /* borrowed
                                                                                  */
    if (!bytes)
        return PyErr_Occurred() ? -1 : 1;
    const unsigned char more = 255;
    if (c4pe_write(w, &more, 1) < 0 || c4pe_write_len(w, (size_t)PyBytes_GET_SIZE(bytes)) < 0)
        return -1;
    return c4pe_write(w, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

/* Can this array be sent without a copy, because nobody will be able to change it? */
static bool
may_keep(c4pe_writer_t *w, PyObject *obj, size_t len)
{
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)obj;
    if (len < C4PE_SEGMENT)
        return false;
    if (w->temp && w->depth == 0 && c4pe_codec_is_temporary(obj))
        return (a->flags & C4PE_NPY_OWNDATA) && !a->weakrefs;
    return c4pe_npy_is_frozen(&w->st->codec->npy, obj);
}

/* Items of an array that is small or has gaps, here, in C order. */
static int
write_items(c4pe_writer_t *w, PyObject *obj, size_t len)
{
    const c4pe_npy_t *npy = &w->st->codec->npy;
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)obj;
    if (a->flags & C4PE_NPY_C_CONTIGUOUS)
        return c4pe_write(w, a->data, len);
    PyObject *copy = npy->new_copy(obj, 0);
    if (!copy)
        return -1;
    int err = c4pe_write(w, ((c4pe_ndarray_t *)copy)->data, len);
    Py_DECREF(copy);
    return err;
}

static int
write_ndarray_as(c4pe_writer_t *w, PyObject *obj, bool handed_over)
{
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)obj;
    Py_ssize_t bytes = c4pe_npy_nbytes(&w->st->codec->npy, a->nd, a->dims, a->descr);
    size_t len = (size_t)bytes;
    if (c4pe_write_tag(w, len < C4PE_BIG ? C4PE_TAG_NDARRAY : C4PE_TAG_BIG_NDARRAY) < 0)
        return -1;
    int err = write_dtype(w, a->descr);
    if (err)
        return err < 0 ? -1 : give_up(w);
    if (c4pe_writer_room(w, 1 + (size_t)a->nd * 8) < 0)
        return -1;
    w->buf[w->len++] = (char)a->nd;
    for (int i = 0; i < a->nd; i++, w->len += 8)
        memcpy(w->buf + w->len, &a->dims[i], 8);
    if (len < C4PE_BIG)
        return write_items(w, obj, len);
    if (!(a->flags & C4PE_NPY_C_CONTIGUOUS))
        return c4pe_writer_piece(w, C4PE_PIECE_STRIDED, NULL, len, obj);
    return c4pe_writer_piece(
        w, handed_over || may_keep(w, obj, len) ? C4PE_PIECE_SEGMENT : C4PE_PIECE_COPY, a->data,
        len, obj);
}

static int
write_ndarray(c4pe_writer_t *w, PyObject *obj)
{
    return note_if_shared(w, obj) < 0 ? -1 : write_ndarray_as(w, obj, false);
}

static int
write_give(c4pe_writer_t *w, PyObject *obj)
{
    PyObject *array = ((c4pe_give_t *)obj)->array;
    if (note(w, array) < 0)
        return -1;
    return c4pe_npy_is_array(&w->st->codec->npy, array) ? write_ndarray_as(w, array, true)
                                                        : c4pe_write_value(w, array);
}

static int
write_scalar(c4pe_writer_t *w, PyObject *obj)
{
    const c4pe_npy_t *npy = &w->st->codec->npy;
    PyObject *descr = npy->descr_from_scalar(obj);
    if (!descr)
        return -1;
    if (!c4pe_npy_is_plain(descr) || ((c4pe_descr_t *)descr)->scalar_type != Py_TYPE(obj)) {
        Py_DECREF(descr);
        return c4pe_pickle_write(w, obj);
    }
    char number = (char)((c4pe_descr_t *)descr)->type_num, item[64];
    size_t size = (size_t)c4pe_npy_elsize(npy, descr);
    Py_DECREF(descr);
    if (size > sizeof(item))
        return c4pe_pickle_write(w, obj);
    npy->scalar_as_ctype(obj, item);
    if (c4pe_write_tag(w, C4PE_TAG_SCALAR) < 0 || c4pe_write(w, &number, 1) < 0)
        return -1;
    return c4pe_write(w, item, size);
}

/* array.array; buf is its memory. */
static int
write_array_memory(c4pe_writer_t *w, PyObject *obj, const Py_buffer *buf)
{
    PyObject *code = PyObject_GetAttr(obj, w->st->codec->s_typecode);
    if (!code)
        return -1;
    char letter = (char)PyUnicode_READ_CHAR(code, 0);
    size_t len = (size_t)buf->len;
    Py_DECREF(code);
    if (c4pe_write_tag(w, len < C4PE_BIG ? C4PE_TAG_ARRAY : C4PE_TAG_BIG_ARRAY) < 0 ||
        c4pe_write(w, &letter, 1) < 0 || c4pe_write_len(w, len) < 0)
        return -1;
    return len < C4PE_BIG ? c4pe_write(w, buf->buf, len)
                          : c4pe_writer_piece(w, C4PE_PIECE_COPY, buf->buf, len, obj);
}

static int
write_array(c4pe_writer_t *w, PyObject *obj)
{
    Py_buffer buf;
    if (note_if_shared(w, obj) < 0 || PyObject_GetBuffer(obj, &buf, PyBUF_SIMPLE) < 0)
        return -1;
    int err = write_array_memory(w, obj, &buf);
    PyBuffer_Release(&buf);
    return err;
}

/* ---- any value ---------------------------------------------------------------------------------- */

/* Types that are met less often. */
static int
write_other(c4pe_writer_t *w, PyObject *obj)
{
    c4pe_codec_t *codec = w->st->codec;
    PyTypeObject *type = Py_TYPE(obj);
    if (type == &PyComplex_Type)
        return write_complex(w, obj);
    if (type == &PyByteArray_Type)
        return write_bytearray(w, obj);
    if (type == &PySet_Type)
        return write_set(w, obj, C4PE_TAG_SET);
    if (type == &PyFrozenSet_Type)
        return write_set(w, obj, C4PE_TAG_FROZENSET);
    if (type == codec->give_type)
        return write_give(w, obj);
    int code = c4pe_codec_find_coder(w->st, type);
    if (code < -1)
        return -1;
    if (code >= 0) {
        const char number[2] = {C4PE_TAG_CODER, (char)code};
        return c4pe_write(w, number, 2) < 0 ? -1 : codec->coders[code].encode(w->st, obj, w);
    }
    if (c4pe_npy_load(&codec->npy, false)) {
        if (type == codec->npy.array)
            return write_ndarray(w, obj);
        if (PyType_IsSubtype(type, codec->npy.generic))
            return write_scalar(w, obj);
    }
    if (c4pe_codec_is_array(codec, type))
        return write_array(w, obj);
    return w->depth ? give_up(w) : c4pe_pickle_write(w, obj);
}

/* Exact types only: a subclass, such as a named tuple or an enum, must arrive as what it is. */
static int
write_any(c4pe_writer_t *w, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (type == &PyLong_Type)
        return write_int(w, obj);
    if (type == &PyFloat_Type)
        return write_float(w, obj);
    if (type == &PyUnicode_Type)
        return write_str(w, obj);
    if (obj == Py_None)
        return c4pe_write_tag(w, C4PE_TAG_NONE);
    if (type == &PyBool_Type)
        return c4pe_write_tag(w, obj == Py_True ? C4PE_TAG_TRUE : C4PE_TAG_FALSE);
    if (type == w->st->codec->npy.array)
        return write_ndarray(w, obj);
    if (type == &PyTuple_Type)
        return write_tuple(w, obj);
    if (type == &PyList_Type)
        return write_list(w, obj);
    if (type == &PyDict_Type)
        return write_dict(w, obj);
    if (type == &PyBytes_Type)
        return write_bytes(w, obj);
    return write_other(w, obj);
}

int
c4pe_write_value(c4pe_writer_t *w, PyObject *obj)
{
    return w->depth > C4PE_MAX_DEPTH ? give_up(w) : write_any(w, obj);
}

int
c4pe_writer_top(c4pe_writer_t *w, PyObject *obj)
{
    size_t len = w->len, num_pieces = w->num_pieces, num_lent = w->st->codec->num_lent;
    w->num_seen = 0;
    w->depth = 0;
    if (write_any(w, obj) == 0)
        return 0;
    if (!w->picky)
        return -1;
    w->picky = false;
    w->depth = 0;
    w->len = len;
    c4pe_writer_drop_pieces(w, num_pieces);
    c4pe_lent_settle(w->st, num_lent, true);
    return c4pe_pickle_write(w, obj);
}
