/* SPDX-License-Identifier: Apache-2.0 */
/* codec.c: messages of arguments and of values; the table of encodings; the functions that Python
 * sees. */
#include "codec_int.h"

/* ---- encodings by type -------------------------------------------------------------------------- */

int
c4pe_codec_add(c4pe_state_t *st, int code, const c4pe_coder_t *coder)
{
    if (code < 0 || code >= C4PE_NUM_CODES || st->codec->coders[code].encode) {
        PyErr_Format(PyExc_SystemError, "encoding %d is taken or does not exist", code);
        return -1;
    }
    st->codec->coders[code] = *coder;
    PyDict_Clear(st->codec->coder_of);
    return 0;
}

static int
search_coder(c4pe_codec_t *codec, PyTypeObject *type)
{
    for (int code = 0; code < C4PE_NUM_CODES; code++)
        if (codec->coders[code].type && PyType_IsSubtype(type, codec->coders[code].type))
            return code;
    return -1;
}

int
c4pe_codec_find_coder(c4pe_state_t *st, PyTypeObject *type)
{
    enum { MAX_KNOWN = 4096 };
    c4pe_codec_t *codec = st->codec;
    if (type == codec->last_type)
        return codec->last_code;
    PyObject *known = PyDict_GetItemWithError(codec->coder_of, (PyObject *)type); /* borrowed */
    if (!known && PyErr_Occurred())
        return -2;
    int code = known ? (int)PyLong_AsLong(known) : search_coder(codec, type);
    if (!known) {
        if (PyDict_GET_SIZE(codec->coder_of) >= MAX_KNOWN)
            PyDict_Clear(codec->coder_of);
        PyObject *number = PyLong_FromLong(code);
        int err = number ? PyDict_SetItem(codec->coder_of, (PyObject *)type, number) : -1;
        Py_XDECREF(number);
        if (err < 0)
            return -2;
    }
    if (code >= 0) { /* proxies come one after the other; the dict keeps the type alive */
        codec->last_type = type;
        codec->last_code = code;
    }
    return code;
}

bool
c4pe_codec_is_array(c4pe_codec_t *codec, PyTypeObject *type)
{
    if (codec->array)
        return type == codec->array;
    if (strcmp(type->tp_name, "array.array") != 0 ||
        PyType_HasFeature(type, Py_TPFLAGS_BASETYPE) == 0)
        return false;
    PyObject *module = PyImport_ImportModule("array");
    PyObject *array = module ? PyObject_GetAttrString(module, "array") : NULL;
    Py_XDECREF(module);
    if (!array)
        PyErr_Clear();
    codec->array = (PyTypeObject *)array;
    return array && type == codec->array;
}

/* (dtype, bytes) for the table; bytes is None if the dtype holds objects. */
static PyObject *
describe_dtype(c4pe_state_t *st, PyObject *dtype)
{
    PyObject *holds = PyObject_GetAttr(dtype, st->codec->s_hasobject);
    if (!holds)
        return NULL;
    int objects = PyObject_IsTrue(holds);
    Py_DECREF(holds);
    if (objects < 0)
        return NULL;
    PyObject *bytes = objects ? Py_NewRef(Py_None) : c4pe_pickle_dumps(st, dtype, NULL);
    PyObject *pair = bytes ? PyTuple_Pack(2, dtype, bytes) : NULL;
    Py_XDECREF(bytes);
    return pair;
}

PyObject *
c4pe_codec_dtype_bytes(c4pe_state_t *st, PyObject *dtype)
{
    enum { MAX_KNOWN = 1024 };
    c4pe_codec_t *codec = st->codec;
    PyObject *id = PyLong_FromVoidPtr(dtype);
    if (!id)
        return NULL;
    PyObject *pair = PyDict_GetItemWithError(codec->dtype_bytes, id); /* borrowed; holds the dtype,
                                                                         so the id stays its own */
    if (!pair && !PyErr_Occurred()) {
        if (PyDict_GET_SIZE(codec->dtype_bytes) >= MAX_KNOWN)
            PyDict_Clear(codec->dtype_bytes);
        pair = describe_dtype(st, dtype);
        if (pair) {
            int err = PyDict_SetItem(codec->dtype_bytes, id, pair);
            Py_DECREF(pair);
            if (err < 0)
                pair = NULL;
        }
    }
    Py_DECREF(id);
    PyObject *bytes = pair ? PyTuple_GET_ITEM(pair, 1) : NULL;
    return bytes == Py_None ? NULL : bytes;
}

/* ---- messages ----------------------------------------------------------------------------------- */

unsigned
c4pe_codec_temps(PyObject *const *args)
{
#if PY_VERSION_HEX >= 0x030e0000
    (void)args;
    return C4PE_PACK_TEMPS;
#elif PY_VERSION_HEX >= 0x030b0000
    PyThreadState *ts = PyThreadState_Get();
    PyObject **chunk = (PyObject **)ts->datastack_chunk;
    return chunk && args > (PyObject *const *)chunk && args < (PyObject *const *)ts->datastack_limit
               ? C4PE_PACK_TEMPS
               : 0;
#else
    (void)args;
    return 0;
#endif
}

static int
write_args(c4pe_writer_t *w, PyObject *const *args, Py_ssize_t nargs, const c4pe_entry_t *callee)
{
    if (c4pe_write_tag(w, (enum c4pe_tag)C4PE_MARK_ARGS) < 0 ||
        c4pe_write_len(w, (size_t)nargs) < 0)
        return -1;
    w->temp = (w->flags & C4PE_PACK_TEMPS) != 0;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (c4pe_writer_top(w, args[i]) < 0) {
            c4pe_codec_explain(w->st, args[i], i + 1, callee);
            return -1;
        }
    }
    return 0;
}

static int
pack_args(c4pe_state_t *st, const void *head, size_t head_len, PyObject *const *args,
          Py_ssize_t nargs, const c4pe_entry_t *callee, unsigned flags, c4p_msg_t **msg_out)
{
    c4pe_writer_t w;
    c4pe_writer_init(&w, st, flags);
    int err = head_len ? c4pe_write(&w, head, head_len) : 0;
    if (err == 0)
        err = write_args(&w, args, nargs, callee);
    if (err == 0)
        err = c4pe_writer_finish(&w, msg_out);
    c4pe_writer_fini(&w);
    return err;
}

int
c4pe_codec_pack_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                     const c4pe_entry_t *callee, unsigned flags, c4p_msg_t **msg_out)
{
    return pack_args(st, NULL, 0, args, nargs, callee, flags, msg_out);
}

int
c4pe_codec_pack_args_after(c4pe_state_t *st, const void *head, size_t head_len,
                           PyObject *const *args, Py_ssize_t nargs, unsigned flags,
                           c4p_msg_t **msg_out)
{
    return pack_args(st, head, head_len, args, nargs, NULL, flags, msg_out);
}

int
c4pe_codec_pack_value(c4pe_state_t *st, PyObject *value, unsigned flags, c4p_msg_t **msg_out)
{
    c4pe_writer_t w;
    c4pe_writer_init(&w, st, flags);
    w.temp = (flags & C4PE_PACK_TEMPS) != 0;
    int err = c4pe_write_tag(&w, (enum c4pe_tag)C4PE_MARK_VALUE);
    if (err == 0 && (err = c4pe_writer_top(&w, value)) < 0)
        c4pe_codec_explain(st, value, 0, NULL);
    if (err == 0)
        err = c4pe_writer_finish(&w, msg_out);
    c4pe_writer_fini(&w);
    return err;
}

/* ---- give() ------------------------------------------------------------------------------------- */

static PyObject *
give_make(PyObject *module, PyObject *array)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!st)
        return NULL;
    c4pe_give_t *self = PyObject_GC_New(c4pe_give_t, st->codec->give_type);
    if (!self)
        return NULL;
    self->array = Py_NewRef(array);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int
give_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((c4pe_give_t *)op)->array);
    return 0;
}

static int
give_clear(PyObject *op)
{
    Py_CLEAR(((c4pe_give_t *)op)->array);
    return 0;
}

static void
give_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    give_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

/* Inside something that is pickled the mark has no meaning: the array goes. */
static PyObject *
give_reduce(PyObject *op, PyObject *protocol)
{
    return PyObject_CallMethod(((c4pe_give_t *)op)->array, "__reduce_ex__", "O", protocol);
}

static PyMethodDef give_methods[] = {
    {"__reduce_ex__", give_reduce, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot give_slots[] = {
    {Py_tp_traverse, give_traverse},
    {Py_tp_clear, give_clear},
    {Py_tp_dealloc, give_dealloc},
    {Py_tp_methods, give_methods},
    {Py_tp_doc, (void *)"An array that is handed over to whoever receives it."},
    {0, NULL},
};

static PyType_Spec give_spec = {
    .name = "c4py._c4py.Give",
    .basicsize = sizeof(c4pe_give_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = give_slots,
};

/* ---- for tests ---------------------------------------------------------------------------------- */

static PyObject *
roundtrip(PyObject *module, PyObject *obj)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_msg_t *msg;
    if (!st || !c4pe_need_rt(st, "_codec_roundtrip()") ||
        c4pe_codec_pack_args(st, &obj, 1, NULL, C4PE_PACK_FLAT, &msg) < 0)
        return NULL;
    PyObject *args = c4pe_codec_unpack_args(st, msg);
    c4p_msg_free(msg);
    PyObject *copy =
        args && PyTuple_GET_SIZE(args) == 1 ? Py_NewRef(PyTuple_GET_ITEM(args, 0)) : NULL;
    Py_XDECREF(args);
    return copy;
}

static PyObject *
encode(PyObject *module, PyObject *obj)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_msg_t *msg;
    if (!st || !c4pe_need_rt(st, "_codec_encode()") ||
        c4pe_codec_pack_value(st, obj, C4PE_PACK_FLAT, &msg) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(c4p_msg_data(msg), (Py_ssize_t)c4p_msg_len(msg));
    c4p_msg_free(msg);
    return bytes;
}

static PyObject *
decode(PyObject *module, PyObject *bytes)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    char *data;
    Py_ssize_t len;
    if (!st || PyBytes_AsStringAndSize(bytes, &data, &len) < 0)
        return NULL;
    return c4pe_codec_unpack_bytes(st, data, (size_t)len);
}

static PyObject *
capture(PyObject *module, PyObject *obj)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    return st ? c4pe_codec_capture(st, obj) : NULL;
}

static PyObject *
copy(PyObject *module, PyObject *obj)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *same = st ? c4pe_codec_copy(st, obj) : NULL;
    if (st && !same)
        c4pe_codec_explain(st, obj, 0, NULL);
    return same;
}

static PyMethodDef codec_functions[] = {
    {"give", give_make, METH_O,
     "give(array)\n"
     "--\n"
     "\n"
     "Hand an array over: used as an argument of a call it is sent without being copied.\n"
     "\n"
     "array: a contiguous array of numpy that owns its memory; anything else is captured as\n"
     "ever. Returns what is to be passed instead of it. Once passed the array is read-only\n"
     "here. Any rank and context; does not block."},
    {"_codec_roundtrip", roundtrip, METH_O,
     "_codec_roundtrip(obj)\n--\n\nobj as a receiver on another rank would get it."},
    {"_codec_capture", capture, METH_O,
     "_codec_capture(obj)\n--\n\nobj as a receiver on this rank would get it."},
    {"_codec_copy", copy, METH_O,
     "_codec_copy(obj)\n--\n\nThe same, also when arguments go by reference."},
    {"_codec_encode", encode, METH_O, "_codec_encode(obj)\n--\n\nThe bytes that stand for obj."},
    {"_codec_decode", decode, METH_O,
     "_codec_decode(data)\n--\n\nThe value that such bytes stand for."},
    {NULL, NULL, 0, NULL},
};

/* ---- module ------------------------------------------------------------------------------------- */

static const char state_key[] = "c4py.state";

/* The codec of an interpreter is needed where the runtime knows only itself: a captured call has to
 * be flattened. */
c4pe_state_t *
c4pe_codec_state_of(c4p_rt_t *rt)
{
    (void)rt;
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get());   /* borrowed */
    PyObject *capsule = dict ? PyDict_GetItemString(dict, state_key) : NULL; /* borrowed */
    return capsule ? PyCapsule_GetPointer(capsule, state_key) : NULL;
}

static int
publish_state(c4pe_state_t *st)
{
    PyObject *dict = PyInterpreterState_GetDict(PyInterpreterState_Get()); /* borrowed */
    PyObject *capsule = PyCapsule_New(st, state_key, NULL);
    int err = dict && capsule ? PyDict_SetItemString(dict, state_key, capsule) : -1;
    Py_XDECREF(capsule);
    return err;
}

int
c4pe_codec_exec(PyObject *module, c4pe_state_t *st)
{
    c4pe_codec_t *codec = PyMem_Calloc(1, sizeof(*codec));
    if (!codec) {
        PyErr_NoMemory();
        return -1;
    }
    st->codec = codec;
    codec->coder_of = PyDict_New();
    codec->dtype_bytes = PyDict_New();
    codec->dtype_of = PyDict_New();
    codec->s_typecode = PyUnicode_InternFromString("typecode");
    codec->s_frombytes = PyUnicode_InternFromString("frombytes");
    codec->s_append = PyUnicode_InternFromString("append");
    codec->s_hasobject = PyUnicode_InternFromString("hasobject");
    codec->give_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &give_spec, NULL);
    if (!codec->coder_of || !codec->dtype_bytes || !codec->dtype_of || !codec->s_typecode ||
        !codec->s_frombytes || !codec->s_append || !codec->s_hasobject || !codec->give_type)
        return -1;
    if (c4pe_pickle_exec(codec) < 0 || c4pe_payload_add_type(module, codec) < 0 ||
        publish_state(st) < 0)
        return -1;
    return PyModule_AddFunctions(module, codec_functions);
}

int
c4pe_codec_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    c4pe_codec_t *codec = st->codec;
    if (!codec)
        return 0;
    Py_VISIT(codec->trash);
    Py_VISIT(codec->lent);
    Py_VISIT(codec->coder_of);
    Py_VISIT(codec->dtype_bytes);
    Py_VISIT(codec->dtype_of);
    Py_VISIT(codec->give_type);
    Py_VISIT(codec->payload_type);
    Py_VISIT(codec->dumps);
    Py_VISIT(codec->loads);
    Py_VISIT(codec->cloud_dumps);
    return 0;
}

void
c4pe_codec_clear(c4pe_state_t *st)
{
    c4pe_codec_t *codec = st->codec;
    if (!codec)
        return;
    codec->last_type = NULL;
    Py_CLEAR(codec->trash);
    Py_CLEAR(codec->lent);
    Py_CLEAR(codec->coder_of);
    Py_CLEAR(codec->dtype_bytes);
    Py_CLEAR(codec->dtype_of);
    Py_CLEAR(codec->array);
    Py_CLEAR(codec->give_type);
    Py_CLEAR(codec->payload_type);
    Py_CLEAR(codec->s_typecode);
    Py_CLEAR(codec->s_frombytes);
    Py_CLEAR(codec->s_append);
    Py_CLEAR(codec->s_hasobject);
    c4pe_pickle_clear(codec);
    c4pe_npy_clear(&codec->npy);
}

void
c4pe_codec_free(c4pe_state_t *st)
{
    PyMem_Free(st->codec);
    st->codec = NULL;
}
