/* SPDX-License-Identifier: Apache-2.0 */
/* codec_read.c: bytes to values. The bytes come from a rank of the same job, but every length is
 * checked: damage is an exception. */
#include "codec_int.h"

#include <stddef.h>

/* ---- memory of a message, kept alive by what is decoded from it --------------------------------- */

typedef struct payload {
    PyObject_HEAD
    c4p_msg_t *msg;
    void *data;
    Py_ssize_t len;
    int readonly;
} payload_t;

PyObject *
c4pe_payload_new(c4pe_reader_t *r, const void *data, size_t len, bool readonly)
{
    payload_t *self = PyObject_New(payload_t, r->st->codec->payload_type);
    if (!self)
        return NULL;
    c4p_msg_keep(r->msg);
    self->msg = r->msg;
    self->data = (void *)data;
    self->len = (Py_ssize_t)len;
    self->readonly = readonly;
    return (PyObject *)self;
}

static void
payload_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    c4p_msg_free(((payload_t *)op)->msg);
    PyObject_Free(op);
    Py_DECREF(type);
}

static int
payload_get_buffer(PyObject *op, Py_buffer *view, int flags)
{
    payload_t *self = (payload_t *)op;
    return PyBuffer_FillInfo(view, op, self->data, self->len, self->readonly, flags);
}

static PyType_Slot payload_slots[] = {
    {Py_tp_dealloc, payload_dealloc},
    {Py_bf_getbuffer, payload_get_buffer},
    {Py_tp_doc, (void *)"Memory of a received message."},
    {0, NULL},
};

static PyType_Spec payload_spec = {
    .name = "c4py._c4py.Payload",
    .basicsize = sizeof(payload_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = payload_slots,
};

int
c4pe_payload_add_type(PyObject *module, c4pe_codec_t *codec)
{
    codec->payload_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &payload_spec, NULL);
    return codec->payload_type ? 0 : -1;
}

/* ---- the stream --------------------------------------------------------------------------------- */

int
c4pe_reader_damaged(c4pe_reader_t *r)
{
    if (!PyErr_Occurred())
        c4pe_raise(
            r->st,
            "damaged message: the encoded values end too early or make no sense at byte %zd of %zd",
            (Py_ssize_t)(r->at - r->base), (Py_ssize_t)(r->end - r->base));
    return -1;
}

static PyObject *
damaged(c4pe_reader_t *r)
{
    c4pe_reader_damaged(r);
    return NULL;
}

const void *
c4pe_reader_take(c4pe_reader_t *r, size_t len)
{
    if (c4pe_reader_left(r) < len)
        return damaged(r);
    const void *data = r->at;
    r->at += len;
    return data;
}

const void *
c4pe_reader_piece(c4pe_reader_t *r, size_t len)
{
    uint64_t place;
    const size_t total = (size_t)(r->end - r->base);
    if (c4pe_read(r, &place, sizeof(place)) < 0)
        return NULL;
    if (place > total || len > total - place)
        return damaged(r);
    return r->base + place;
}

int
c4pe_read(c4pe_reader_t *r, void *data, size_t len)
{
    if (c4pe_reader_left(r) < len)
        return c4pe_reader_damaged(r);
    memcpy(data, r->at, len);
    r->at += len;
    return 0;
}

/* ---- simple values ------------------------------------------------------------------------------ */

static PyObject *
read_int(c4pe_reader_t *r)
{
    int64_t v;
    return c4pe_read(r, &v, sizeof(v)) < 0 ? NULL : PyLong_FromLongLong(v);
}

static PyObject *
read_float(c4pe_reader_t *r)
{
    double v;
    return c4pe_read(r, &v, sizeof(v)) < 0 ? NULL : PyFloat_FromDouble(v);
}

static PyObject *
read_complex(c4pe_reader_t *r)
{
    Py_complex v;
    return c4pe_read(r, &v, sizeof(v)) < 0 ? NULL : PyComplex_FromCComplex(v);
}

/* A length and so many bytes, here or elsewhere; NULL with an exception. */
static const void *
read_memory(c4pe_reader_t *r, bool big, size_t *len_out)
{
    if (c4pe_read_len(r, len_out) < 0)
        return NULL;
    return big ? c4pe_reader_piece(r, *len_out) : c4pe_reader_take(r, *len_out);
}

/* Text of four-byte characters that may not be aligned. */
static PyObject *
wide_text(c4pe_reader_t *r, const void *data, size_t len)
{
    Py_UCS4 *copy = PyMem_Malloc(len ? len : 1);
    PyObject *text = NULL;
    if (!copy)
        return PyErr_NoMemory();
    memcpy(copy, data, len);
    size_t i = 0;
    while (i < len / 4 && copy[i] <= 0x10ffff)
        i++;
    if (i < len / 4)
        c4pe_reader_damaged(r);
    else
        text = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, copy, (Py_ssize_t)(len / 4));
    PyMem_Free(copy);
    return text;
}

static PyObject *
half_wide_text(const void *data, size_t len)
{
    Py_UCS2 *copy = PyMem_Malloc(len ? len : 1);
    if (!copy)
        return PyErr_NoMemory();
    memcpy(copy, data, len);
    PyObject *text = PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, copy, (Py_ssize_t)(len / 2));
    PyMem_Free(copy);
    return text;
}

static PyObject *
read_str(c4pe_reader_t *r, bool big)
{
    const unsigned char *kind = c4pe_reader_take(r, 1);
    size_t len;
    const void *data = kind ? read_memory(r, big, &len) : NULL;
    if (!data)
        return NULL;
    if (*kind == 1)
        return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, data, (Py_ssize_t)len);
    if (*kind == 2 && len % 2 == 0)
        return half_wide_text(data, len);
    if (*kind == 4 && len % 4 == 0)
        return wide_text(r, data, len);
    return damaged(r);
}

static PyObject *
read_bytes(c4pe_reader_t *r, bool big)
{
    size_t len;
    const void *data = read_memory(r, big, &len);
    return data ? PyBytes_FromStringAndSize(data, (Py_ssize_t)len) : NULL;
}

static PyObject *
read_bytearray(c4pe_reader_t *r, bool big)
{
    size_t len;
    const void *data = read_memory(r, big, &len);
    return data ? PyByteArray_FromStringAndSize(data, (Py_ssize_t)len) : NULL;
}

/* ---- containers --------------------------------------------------------------------------------- */

/* The number of items of a container; each takes a byte at least, so that a damaged number cannot
 * ask for much memory. */
static int
begin_container(c4pe_reader_t *r, size_t *n_out)
{
    if (c4pe_read_len(r, n_out) < 0)
        return -1;
    if (*n_out > c4pe_reader_left(r) || r->depth > C4PE_MAX_DEPTH + 1)
        return c4pe_reader_damaged(r);
    r->depth++;
    return 0;
}

static PyObject *
read_tuple(c4pe_reader_t *r)
{
    size_t n;
    if (begin_container(r, &n) < 0)
        return NULL;
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (size_t i = 0; tuple && i < n; i++) {
        PyObject *item = c4pe_read_value(r);
        if (item)
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
        else
            Py_CLEAR(tuple);
    }
    r->depth--;
    return tuple;
}

static PyObject *
read_list(c4pe_reader_t *r)
{
    size_t n;
    if (begin_container(r, &n) < 0)
        return NULL;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = c4pe_read_value(r);
        if (item)
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        else
            Py_CLEAR(list);
    }
    r->depth--;
    return list;
}

static int
read_pair(c4pe_reader_t *r, PyObject *dict)
{
    PyObject *key = c4pe_read_value(r);
    PyObject *value = key ? c4pe_read_value(r) : NULL;
    int err = value ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return err;
}

static PyObject *
read_dict(c4pe_reader_t *r)
{
    size_t n;
    if (begin_container(r, &n) < 0)
        return NULL;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < n; i++)
        if (read_pair(r, dict) < 0)
            Py_CLEAR(dict);
    r->depth--;
    return dict;
}

static PyObject *
read_set(c4pe_reader_t *r, bool frozen)
{
    PyObject *items = read_list(r);
    if (!items)
        return NULL;
    PyObject *set = frozen ? PyFrozenSet_New(items) : PySet_New(items);
    Py_DECREF(items);
    return set;
}

/* ---- numpy and array.array ---------------------------------------------------------------------- */

static int
need_numpy(c4pe_reader_t *r)
{
    if (c4pe_npy_load(&r->st->codec->npy, true))
        return 0;
    c4pe_raise(r->st, "a numpy array arrived, but numpy cannot be imported on rank %d",
               r->st->rank);
    return -1;
}

/* A dtype from its pickle, each decoded once. */
static PyObject *
read_odd_dtype(c4pe_reader_t *r)
{
    c4pe_codec_t *codec = r->st->codec;
    size_t len;
    const void *data = read_memory(r, false, &len);
    PyObject *bytes = data ? PyBytes_FromStringAndSize(data, (Py_ssize_t)len) : NULL;
    if (!bytes)
        return NULL;
    PyObject *descr = PyDict_GetItemWithError(codec->dtype_of, bytes); /* borrowed */
    if (descr) {
        Py_INCREF(descr);
    } else if (!PyErr_Occurred()) {
        PyObject *loaded = c4pe_pickle_loads(codec, data, len, NULL);
        if (loaded && codec->npy.convert_descr(loaded, &descr) &&
            PyDict_SetItem(codec->dtype_of, bytes, descr) < 0)
            Py_CLEAR(descr);
        Py_XDECREF(loaded);
    }
    Py_DECREF(bytes);
    if (descr && !c4pe_npy_is_memory(descr)) {
        Py_DECREF(descr);
        return damaged(r);
    }
    return descr;
}

static PyObject *
read_dtype(c4pe_reader_t *r)
{
    const unsigned char *number = c4pe_reader_take(r, 1);
    if (!number || need_numpy(r) < 0)
        return NULL;
    if (*number == 255)
        return read_odd_dtype(r);
    if (*number > 23 || (*number > 16 && *number < 23))
        return damaged(r);
    return r->st->codec->npy.descr_from_type(*number);
}

/* Shape of an array; -1 with an exception. */
static int
read_shape(c4pe_reader_t *r, Py_ssize_t *dims)
{
    const unsigned char *nd = c4pe_reader_take(r, 1);
    if (!nd)
        return -1;
    if (*nd > C4PE_NPY_MAX_DIMS)
        return c4pe_reader_damaged(r);
    return c4pe_read(r, dims, (size_t)*nd * 8) < 0 ? -1 : *nd;
}

/* The array for items at `data`. The reference to descr is taken. */
static PyObject *
make_ndarray(c4pe_reader_t *r, PyObject *descr, int nd, const Py_ssize_t *dims, const void *data,
             size_t len)
{
    const c4pe_npy_t *npy = &r->st->codec->npy;
    if (r->msg && len >= C4PE_BIG && (uintptr_t)data % 16 == 0) {
        PyObject *payload = c4pe_payload_new(r, data, len, false);
        if (payload)
            return c4pe_npy_view(npy, descr, nd, dims, (void *)data, payload);
        Py_DECREF(descr);
        return NULL;
    }
    PyObject *array = c4pe_npy_new(npy, descr, nd, dims);
    if (array && len)
        memcpy(((c4pe_ndarray_t *)array)->data, data, len);
    return array;
}

static PyObject *
read_ndarray(c4pe_reader_t *r, bool big)
{
    Py_ssize_t dims[C4PE_NPY_MAX_DIMS];
    PyObject *descr = read_dtype(r);
    if (!descr)
        return NULL;
    int nd = read_shape(r, dims);
    Py_ssize_t len = nd < 0 ? -1 : c4pe_npy_nbytes(&r->st->codec->npy, nd, dims, descr);
    const void *data = NULL;
    if (len < 0)
        c4pe_reader_damaged(r);
    else
        data = big ? c4pe_reader_piece(r, (size_t)len) : c4pe_reader_take(r, (size_t)len);
    if (!data) {
        Py_DECREF(descr);
        return NULL;
    }
    return make_ndarray(r, descr, nd, dims, data, (size_t)len);
}

static PyObject *
read_scalar(c4pe_reader_t *r)
{
    const c4pe_npy_t *npy = &r->st->codec->npy;
    _Alignas(16) char item[64];
    PyObject *descr = read_dtype(r), *scalar = NULL;
    if (!descr)
        return NULL;
    size_t size = (size_t)c4pe_npy_elsize(npy, descr);
    if (size > sizeof(item) || !c4pe_npy_is_plain(descr))
        c4pe_reader_damaged(r);
    else if (c4pe_read(r, item, size) == 0)
        scalar = npy->scalar(item, descr, NULL);
    Py_DECREF(descr);
    return scalar;
}

static PyObject *
read_array(c4pe_reader_t *r, bool big)
{
    c4pe_codec_t *codec = r->st->codec;
    const char *letter = c4pe_reader_take(r, 1);
    size_t len;
    const void *data = letter ? read_memory(r, big, &len) : NULL;
    if (!data)
        return NULL;
    if (!codec->array) {
        PyObject *module = PyImport_ImportModule("array");
        codec->array = module ? (PyTypeObject *)PyObject_GetAttrString(module, "array") : NULL;
        Py_XDECREF(module);
        if (!codec->array)
            return NULL;
    }
    PyObject *array =
        PyObject_CallFunction((PyObject *)codec->array, "C", (int)(unsigned char)*letter);
    PyObject *view =
        array ? PyMemoryView_FromMemory((char *)data, (Py_ssize_t)len, PyBUF_READ) : NULL;
    PyObject *none = view ? PyObject_CallMethodOneArg(array, codec->s_frombytes, view) : NULL;
    Py_XDECREF(view);
    if (!none)
        Py_CLEAR(array);
    Py_XDECREF(none);
    return array;
}

/* ---- any value ---------------------------------------------------------------------------------- */

static PyObject *
read_coder(c4pe_reader_t *r)
{
    const unsigned char *code = c4pe_reader_take(r, 1);
    if (!code)
        return NULL;
    if (*code >= C4PE_NUM_CODES || !r->st->codec->coders[*code].decode)
        return damaged(r);
    return r->st->codec->coders[*code].decode(r->st, r);
}

PyObject *
c4pe_read_value(c4pe_reader_t *r)
{
    const unsigned char *tag = c4pe_reader_take(r, 1);
    if (!tag)
        return NULL;
    switch ((int)*tag) {
    case C4PE_TAG_NONE:
        Py_RETURN_NONE;
    case C4PE_TAG_TRUE:
        Py_RETURN_TRUE;
    case C4PE_TAG_FALSE:
        Py_RETURN_FALSE;
    case C4PE_TAG_INT:
        return read_int(r);
    case C4PE_TAG_FLOAT:
        return read_float(r);
    case C4PE_TAG_COMPLEX:
        return read_complex(r);
    case C4PE_TAG_STR:
    case C4PE_TAG_BIG_STR:
        return read_str(r, *tag == C4PE_TAG_BIG_STR);
    case C4PE_TAG_BYTES:
    case C4PE_TAG_BIG_BYTES:
        return read_bytes(r, *tag == C4PE_TAG_BIG_BYTES);
    case C4PE_TAG_BYTEARRAY:
    case C4PE_TAG_BIG_BYTEARRAY:
        return read_bytearray(r, *tag == C4PE_TAG_BIG_BYTEARRAY);
    case C4PE_TAG_TUPLE:
        return read_tuple(r);
    case C4PE_TAG_LIST:
        return read_list(r);
    case C4PE_TAG_DICT:
        return read_dict(r);
    case C4PE_TAG_SET:
    case C4PE_TAG_FROZENSET:
        return read_set(r, *tag == C4PE_TAG_FROZENSET);
    case C4PE_TAG_NDARRAY:
    case C4PE_TAG_BIG_NDARRAY:
        return read_ndarray(r, *tag == C4PE_TAG_BIG_NDARRAY);
    case C4PE_TAG_SCALAR:
        return read_scalar(r);
    case C4PE_TAG_ARRAY:
    case C4PE_TAG_BIG_ARRAY:
        return read_array(r, *tag == C4PE_TAG_BIG_ARRAY);
    case C4PE_TAG_CODER:
        return read_coder(r);
    case C4PE_TAG_PICKLE:
        return c4pe_pickle_read(r);
    }
    return damaged(r);
}

/* ---- messages ----------------------------------------------------------------------------------- */

/* A reader of the payload behind the caller's head and our mark; -1 with an exception. */
static int
open_message(c4pe_reader_t *r, c4pe_state_t *st, c4p_msg_t *msg, size_t head_len, int mark)
{
    const size_t len = c4p_msg_len(msg);
    r->st = st;
    r->base = c4p_msg_data(msg);
    r->end = r->base + len;
    r->at = r->base + (head_len < len ? head_len : len);
    r->depth = 0;
    r->msg = c4p_msg_exclusive(msg) && !(c4p_msg_tag(msg) & C4PE_TAG_SHARED) ? msg : NULL;
    if (r->at == r->end || *r->at++ != mark)
        return c4pe_reader_damaged(r);
    return 0;
}

PyObject *
c4pe_codec_unpack_args_at(c4pe_state_t *st, c4p_msg_t *msg, size_t head_len)
{
    c4pe_reader_t r;
    return open_message(&r, st, msg, head_len, C4PE_MARK_ARGS) < 0 ? NULL : read_tuple(&r);
}

PyObject *
c4pe_codec_unpack_args(c4pe_state_t *st, c4p_msg_t *msg)
{
    PyObject *captured = c4p_msg_object(msg); /* borrowed */
    return captured ? Py_NewRef(captured) : c4pe_codec_unpack_args_at(st, msg, 0);
}

PyObject *
c4pe_codec_unpack_value(c4pe_state_t *st, c4p_msg_t *msg)
{
    c4pe_reader_t r;
    PyObject *captured = c4p_msg_object(msg); /* borrowed */
    if (captured)
        return Py_NewRef(captured);
    return open_message(&r, st, msg, 0, C4PE_MARK_VALUE) < 0 ? NULL : c4pe_read_value(&r);
}

PyObject *
c4pe_codec_unpack_bytes(c4pe_state_t *st, const void *data, size_t len)
{
    c4pe_reader_t r = {
        .st = st, .base = data, .at = data, .end = (const unsigned char *)data + len};
    if (len == 0 || *r.at++ != C4PE_MARK_VALUE) {
        c4pe_reader_damaged(&r);
        return NULL;
    }
    return c4pe_read_value(&r);
}
