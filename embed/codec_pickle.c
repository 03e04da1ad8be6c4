/* SPDX-License-Identifier: Apache-2.0 */
/* codec_pickle.c: values without an encoding of their own: pickle with buffers out of band, and
 * cloudpickle where pickle refuses. */
#include "codec_int.h"

/* ---- the two functions of pickle ----------------------------------------------------------------- */

static PyObject *
import_attr(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *attr = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return attr;
}

int
c4pe_pickle_exec(c4pe_codec_t *codec)
{
    codec->dumps = import_attr("pickle", "dumps");
    codec->loads = import_attr("pickle", "loads");
    codec->pickling_error = import_attr("pickle", "PicklingError");
    codec->dumps_names = Py_BuildValue("(ss)", "protocol", "buffer_callback");
    codec->loads_names = Py_BuildValue("(s)", "buffers");
    codec->protocol = PyLong_FromLong(5);
    codec->out_of_band = true;
    return codec->dumps && codec->loads && codec->pickling_error && codec->dumps_names &&
                   codec->loads_names && codec->protocol
               ? 0
               : -1;
}

void
c4pe_pickle_clear(c4pe_codec_t *codec)
{
    Py_CLEAR(codec->dumps);
    Py_CLEAR(codec->loads);
    Py_CLEAR(codec->cloud_dumps);
    Py_CLEAR(codec->pickling_error);
    Py_CLEAR(codec->dumps_names);
    Py_CLEAR(codec->loads_names);
    Py_CLEAR(codec->protocol);
}

void
c4pe_codec_set_protocol(c4pe_state_t *st, int protocol)
{
    c4pe_codec_t *codec = st->codec;
    PyObject *number = PyLong_FromLong(protocol);
    if (number) {
        Py_SETREF(codec->protocol, number);
        codec->out_of_band = protocol < 0 || protocol >= 5;
    }
}

void
c4pe_codec_set_dumps(c4pe_state_t *st, PyObject *dumps)
{
    Py_SETREF(st->codec->dumps, Py_NewRef(dumps));
}

/* dumps(obj, protocol, buffer_callback) of either module. */
static PyObject *
dump_with(c4pe_codec_t *codec, PyObject *dumps, PyObject *obj, PyObject *buffers)
{
    PyObject *append = NULL;
    if (buffers && codec->out_of_band) {
        append = PyObject_GetAttr(buffers, codec->s_append);
        if (!append)
            return NULL;
    }
    PyObject *args[] = {NULL, obj, codec->protocol, append ? append : Py_None};
    PyObject *bytes = PyObject_Vectorcall(dumps, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                          codec->dumps_names);
    Py_XDECREF(append);
    if (bytes && !PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_TypeError, "pickling gave %.100s, not bytes", Py_TYPE(bytes)->tp_name);
        Py_CLEAR(bytes);
    }
    return bytes;
}

/* Pickle says in one of these ways that it cannot find a class or function by its name. */
static bool
refused(c4pe_codec_t *codec)
{
    return PyErr_ExceptionMatches(codec->pickling_error) ||
           PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError);
}

/* Try cloudpickle; if it cannot do it either, pickle's own exception stays. */
static PyObject *
dump_by_value(c4pe_codec_t *codec, PyObject *obj, PyObject *buffers)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!codec->cloud_dumps)
        codec->cloud_dumps = import_attr("cloudpickle", "dumps");
    PyObject *bytes = NULL;
    if (codec->cloud_dumps && (!buffers || PyList_SetSlice(buffers, 0, PY_SSIZE_T_MAX, NULL) == 0))
        bytes = dump_with(codec, codec->cloud_dumps, obj, buffers);
    if (!bytes) {
        PyErr_Restore(type, value, traceback);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return bytes;
}

PyObject *
c4pe_pickle_dumps(c4pe_state_t *st, PyObject *obj, PyObject *buffers)
{
    c4pe_codec_t *codec = st->codec;
    size_t num_lent = codec->num_lent;
    st->packing++;
    PyObject *bytes = dump_with(codec, codec->dumps, obj, buffers);
    if (!bytes && refused(codec)) {
        c4pe_lent_settle(st, num_lent, true);
        bytes = dump_by_value(codec, obj, buffers);
    }
    st->packing--;
    return bytes;
}

/* Is one of the buffers the memory of a numpy array that must not be written to? */
static bool
has_read_only_array(c4pe_codec_t *codec, PyObject *buffers)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(buffers); i++) {
        const Py_buffer *view = PyPickleBuffer_GetBuffer(PyList_GET_ITEM(buffers, i));
        if (view && view->readonly && view->obj && c4pe_npy_is_array(&codec->npy, view->obj))
            return true;
        if (!view)
            PyErr_Clear(); /* released by a reducer of the user's; met again when it is written */
    }
    return false;
}

/* The same for a receiver, which may write to all arrays: those that are read-only here are pickled
 * as writable ones. */
static PyObject *
dump_for_receiver(c4pe_state_t *st, PyObject *obj, PyObject *buffers)
{
    c4pe_codec_t *codec = st->codec;
    size_t num_lent = codec->num_lent;
    st->packing++;
    PyObject *bytes = c4pe_pickle_dumps(st, obj, buffers);
    if (bytes && has_read_only_array(codec, buffers)) {
        PyObject *dumps = PyDict_GetItemString(st->hooks, "dumps_writable"); /* borrowed */
        if (dumps && PyList_SetSlice(buffers, 0, PY_SSIZE_T_MAX, NULL) == 0) {
            c4pe_lent_settle(st, num_lent, true); /* counted once more now */
            Py_SETREF(bytes, dump_with(codec, dumps, obj, buffers));
        }
    }
    st->packing--;
    return bytes;
}

PyObject *
c4pe_codec_pickle(c4pe_state_t *st, PyObject *value)
{
    return c4pe_pickle_dumps(st, value, NULL);
}

PyObject *
c4pe_pickle_loads(c4pe_codec_t *codec, const void *data, size_t len, PyObject *buffers)
{
    PyObject *view = PyMemoryView_FromMemory((char *)data, (Py_ssize_t)len, PyBUF_READ);
    if (!view)
        return NULL;
    PyObject *args[] = {NULL, view, buffers};
    PyObject *obj = PyObject_Vectorcall(codec->loads, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                        buffers ? codec->loads_names : NULL);
    Py_DECREF(view);
    return obj;
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* One buffer: whether it is read-only, its length, its place. */
static int
write_buffer(c4pe_writer_t *w, PyObject *pickle_buffer)
{
    const Py_buffer *view = PyPickleBuffer_GetBuffer(pickle_buffer);
    if (!view)
        return -1;
    const char readonly = (char)view->readonly;
    if (c4pe_write(w, &readonly, 1) < 0 || c4pe_write_len(w, (size_t)view->len) < 0)
        return -1;
    return c4pe_writer_piece(w, C4PE_PIECE_COPY, view->buf, (size_t)view->len, pickle_buffer);
}

static int
write_dumped(c4pe_writer_t *w, PyObject *bytes, PyObject *buffers)
{
    Py_ssize_t n = PyList_GET_SIZE(buffers);
    size_t len = (size_t)PyBytes_GET_SIZE(bytes);
    if (c4pe_write_tag(w, C4PE_TAG_PICKLE) < 0 || c4pe_write_len(w, (size_t)n) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        if (write_buffer(w, PyList_GET_ITEM(buffers, i)) < 0)
            return -1;
    if (c4pe_write_len(w, len) < 0)
        return -1;
    return len < C4PE_BIG
               ? c4pe_write(w, PyBytes_AS_STRING(bytes), len)
               : c4pe_writer_piece(w, C4PE_PIECE_SEGMENT, PyBytes_AS_STRING(bytes), len, bytes);
}

int
c4pe_pickle_write(c4pe_writer_t *w, PyObject *obj)
{
    PyObject *buffers = PyList_New(0);
    if (!buffers)
        return -1;
    int err = -1;
    PyObject *bytes = dump_for_receiver(w->st, obj, buffers);
    if (bytes) {
        err = write_dumped(w, bytes, buffers);
        Py_DECREF(bytes);
    }
    Py_DECREF(buffers);
    return err;
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* A buffer as pickle gets it: a view of the message when big and the message is ours, else a copy.
 */
static PyObject *
make_buffer(c4pe_reader_t *r, const void *data, size_t len, bool readonly)
{
    if (!r->msg || len < C4PE_BIG)
        return readonly ? PyBytes_FromStringAndSize(data, (Py_ssize_t)len)
                        : PyByteArray_FromStringAndSize(data, (Py_ssize_t)len);
    PyObject *payload = c4pe_payload_new(r, data, len, readonly);
    if (!payload)
        return NULL;
    PyObject *view = PyMemoryView_FromObject(payload);
    Py_DECREF(payload);
    return view;
}

static int
read_buffers(c4pe_reader_t *r, PyObject *buffers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char *readonly = c4pe_reader_take(r, 1);
        size_t len;
        if (!readonly || c4pe_read_len(r, &len) < 0)
            return -1;
        const void *data = c4pe_reader_piece(r, len);
        PyObject *buffer = data ? make_buffer(r, data, len, *readonly) : NULL;
        if (!buffer)
            return -1;
        int err = PyList_Append(buffers, buffer);
        Py_DECREF(buffer);
        if (err < 0)
            return -1;
    }
    return 0;
}

PyObject *
c4pe_pickle_read(c4pe_reader_t *r)
{
    size_t n, len;
    PyObject *obj = NULL, *buffers = NULL;
    if (c4pe_read_len(r, &n) < 0)
        return NULL;
    if (n && !(buffers = PyList_New(0)))
        return NULL;
    if (n && read_buffers(r, buffers, n) < 0)
        goto done;
    if (c4pe_read_len(r, &len) < 0)
        goto done;
    const void *data = len < C4PE_BIG ? c4pe_reader_take(r, len) : c4pe_reader_piece(r, len);
    if (data)
        obj = c4pe_pickle_loads(r->st->codec, data, len, buffers);
done:
    Py_XDECREF(buffers);
    return obj;
}

/* ---- copying ------------------------------------------------------------------------------------ */

/* Replace each buffer by a private copy. */
static int
own_buffers(PyObject *buffers)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(buffers); i++) {
        const Py_buffer *view = PyPickleBuffer_GetBuffer(PyList_GET_ITEM(buffers, i));
        if (!view)
            return -1;
        PyObject *copy = view->readonly ? PyBytes_FromStringAndSize(view->buf, view->len)
                                        : PyByteArray_FromStringAndSize(view->buf, view->len);
        if (!copy || PyList_SetItem(buffers, i, copy) < 0)
            return -1;
    }
    return 0;
}

PyObject *
c4pe_pickle_copy(c4pe_state_t *st, PyObject *obj)
{
    PyObject *copy = NULL, *bytes = NULL;
    PyObject *buffers = PyList_New(0);
    size_t num_lent = st->codec->num_lent;
    if (!buffers)
        return NULL;
    bytes = dump_for_receiver(st, obj, buffers);
    c4pe_lent_settle(st, num_lent, bytes == NULL);
    if (bytes && own_buffers(buffers) == 0)
        copy = c4pe_pickle_loads(st->codec, PyBytes_AS_STRING(bytes),
                                 (size_t)PyBytes_GET_SIZE(bytes), buffers);
    Py_XDECREF(bytes);
    Py_DECREF(buffers);
    return copy;
}
