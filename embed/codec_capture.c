/* SPDX-License-Identifier: Apache-2.0 */
/* codec_capture.c: arguments for a receiver on the same rank. Values that nobody can change go by
 * reference; everything else is copied, so that the receiver gets what a receiver elsewhere would
 * get. */
#include "codec_int.h"

/* One value on its way: containers that somebody else refers to, too, and how deep we are. */
typedef struct capture {
    c4pe_state_t *st;
    unsigned depth;
    bool temp;  /* at depth 0: perhaps only the caller's stack refers to it */
    bool picky; /* shared or too deep: pickle must do it */
    size_t num_seen;
    PyObject *seen[C4PE_FEW]; /* borrowed */
} capture_t;

static PyObject *capture_any(capture_t *c, PyObject *obj);

static PyObject *
give_up(capture_t *c)
{
    c->picky = true;
    return NULL;
}

static int
enter(capture_t *c, PyObject *obj)
{
    if (++c->depth > C4PE_MAX_DEPTH)
        goto picky;
    if (c->depth == 1 || Py_REFCNT(obj) > 2) {
        for (size_t i = 0; i < c->num_seen; i++)
            if (c->seen[i] == obj)
                goto picky;
        if (c->num_seen == C4PE_FEW)
            goto picky;
        c->seen[c->num_seen++] = obj;
    }
    return 0;
picky:
    c->picky = true;
    return -1;
}

/* Functions and classes are named things: pickle would send their names. */
static bool
is_named(PyObject *obj)
{
    if (PyType_Check(obj) || PyFunction_Check(obj))
        return true;
    if (PyCFunction_CheckExact(obj)) {
        PyObject *self = PyCFunction_GET_SELF(obj); /* borrowed */
        return !self || PyModule_Check(self);
    }
    return false;
}

static bool
is_scalar(c4pe_codec_t *codec, PyTypeObject *type)
{
    return c4pe_npy_load(&codec->npy, false) && PyType_IsSubtype(type, codec->npy.generic) &&
           !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) &&
           strcmp(type->tp_name, "numpy.void") != 0;
}

static inline bool
is_atom(PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyUnicode_Type ||
           obj == Py_None || type == &PyBool_Type || type == &PyBytes_Type ||
           type == &PyComplex_Type;
}

/* An item of a container, which is held meanwhile. */
static PyObject *
capture_item(capture_t *c, PyObject *item)
{
    if (is_atom(item))
        return Py_NewRef(item);
    Py_INCREF(item);
    PyObject *copy = capture_any(c, item);
    Py_DECREF(item);
    return copy;
}

/* The tuple itself, unless an item had to be copied. */
static PyObject *
capture_tuple(capture_t *c, PyObject *obj)
{
    Py_ssize_t n = PyTuple_GET_SIZE(obj), i = 0;
    while (i < n && is_atom(PyTuple_GET_ITEM(obj, i)))
        i++;
    if (i == n)
        return Py_NewRef(obj);
    if (enter(c, obj) < 0)
        return NULL;
    PyObject *copy = PyTuple_New(n);
    bool same = true;
    for (i = 0; copy && i < n; i++) {
        PyObject *item = capture_item(c, PyTuple_GET_ITEM(obj, i));
        if (!item) {
            Py_DECREF(copy);
            return NULL;
        }
        same = same && item == PyTuple_GET_ITEM(obj, i);
        PyTuple_SET_ITEM(copy, i, item);
    }
    c->depth--;
    if (!copy || !same)
        return copy;
    Py_DECREF(copy);
    return Py_NewRef(obj);
}

static PyObject *
changed_size(void)
{
    PyErr_SetString(PyExc_RuntimeError, "a container changed its size while it was being sent");
    return NULL;
}

static PyObject *
capture_list(capture_t *c, PyObject *obj)
{
    Py_ssize_t n = PyList_GET_SIZE(obj);
    if (enter(c, obj) < 0)
        return NULL;
    PyObject *copy = PyList_New(n);
    for (Py_ssize_t i = 0; copy && i < n; i++) {
        PyObject *item =
            i < PyList_GET_SIZE(obj) ? capture_item(c, PyList_GET_ITEM(obj, i)) : changed_size();
        if (!item) {
            Py_DECREF(copy);
            return NULL;
        }
        PyList_SET_ITEM(copy, i, item);
    }
    c->depth--;
    return copy;
}

static int
capture_pair(capture_t *c, PyObject *copy, PyObject *key, PyObject *value)
{
    Py_INCREF(value);
    PyObject *new_key = capture_item(c, key);
    PyObject *new_value = new_key ? capture_item(c, value) : NULL;
    Py_DECREF(value);
    int err = new_value ? PyDict_SetItem(copy, new_key, new_value) : -1;
    Py_XDECREF(new_key);
    Py_XDECREF(new_value);
    return err;
}

static PyObject *
capture_dict(capture_t *c, PyObject *obj)
{
    Py_ssize_t n = PyDict_GET_SIZE(obj), at = 0;
    PyObject *key, *value;
    if (enter(c, obj) < 0)
        return NULL;
    PyObject *copy = PyDict_New();
    while (copy && PyDict_Next(obj, &at, &key, &value)) {
        if (capture_pair(c, copy, key, value) < 0)
            Py_CLEAR(copy);
        else if (PyDict_GET_SIZE(obj) != n) {
            changed_size();
            Py_CLEAR(copy);
        }
    }
    c->depth--;
    return copy;
}

static PyObject *
capture_set(capture_t *c, PyObject *obj, bool frozen)
{
    if (enter(c, obj) < 0)
        return NULL;
    PyObject *it = PyObject_GetIter(obj), *item;
    bool same = true;
    PyObject *items = it ? PyList_New(0) : NULL;
    while (items && (item = PyIter_Next(it))) {
        PyObject *copy = capture_item(c, item);
        same = same && copy == item;
        if (!copy || PyList_Append(items, copy) < 0)
            Py_CLEAR(items);
        Py_XDECREF(copy);
        Py_DECREF(item);
    }
    Py_XDECREF(it);
    if (items && PyErr_Occurred())
        Py_CLEAR(items);
    c->depth--;
    if (!items)
        return NULL;
    PyObject *set = !frozen ? PySet_New(items) : same ? Py_NewRef(obj) : PyFrozenSet_New(items);
    Py_DECREF(items);
    return set;
}

static PyObject *
capture_ndarray(capture_t *c, PyObject *obj)
{
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)obj;
    if (!c4pe_npy_is_memory(a->descr))
        return give_up(c);
    if (!c4pe_npy_is_plain(a->descr) && !c4pe_codec_dtype_bytes(c->st, a->descr))
        return PyErr_Occurred() ? NULL : give_up(c);
    if (enter(c, obj) < 0)
        return NULL;
    c->depth--;
    const int whole = C4PE_NPY_OWNDATA | C4PE_NPY_C_CONTIGUOUS | C4PE_NPY_WRITEABLE;
    if (c->temp && c->depth == 0 && (a->flags & whole) == whole && !a->weakrefs &&
        c4pe_codec_is_temporary(obj))
        return Py_NewRef(obj);
    return c4pe_npy_copy(&c->st->codec->npy, obj);
}

static PyObject *
capture_array(capture_t *c, PyObject *obj)
{
    if (enter(c, obj) < 0)
        return NULL;
    c->depth--;
    return PySequence_GetSlice(obj, 0, PY_SSIZE_T_MAX);
}

static PyObject *
capture_any(capture_t *c, PyObject *obj)
{
    c4pe_codec_t *codec = c->st->codec;
    PyTypeObject *type = Py_TYPE(obj);
    if (is_atom(obj))
        return Py_NewRef(obj);
    if (type == codec->npy.array)
        return capture_ndarray(c, obj);
    if (type == &PyTuple_Type)
        return capture_tuple(c, obj);
    if (type == &PyList_Type)
        return capture_list(c, obj);
    if (type == &PyDict_Type)
        return capture_dict(c, obj);
    if (type == codec->give_type)
        return Py_NewRef(((c4pe_give_t *)obj)->array);
    int code = c4pe_codec_find_coder(c->st, type);
    if (code < -1)
        return NULL;
    if (code >= 0 || is_named(obj) || is_scalar(codec, type))
        return Py_NewRef(obj);
    if (type == &PySet_Type || type == &PyFrozenSet_Type)
        return capture_set(c, obj, type == &PyFrozenSet_Type);
    if (type == &PyByteArray_Type)
        return PyByteArray_FromStringAndSize(PyByteArray_AS_STRING(obj), PyByteArray_GET_SIZE(obj));
    if (c4pe_npy_load(&codec->npy, false) && type == codec->npy.array)
        return capture_ndarray(c, obj);
    if (c4pe_codec_is_array(codec, type))
        return capture_array(c, obj);
    return give_up(c);
}

/* One value, by itself or through pickle. */
static PyObject *
capture_top(c4pe_state_t *st, PyObject *obj, unsigned flags)
{
    capture_t c;
    c.st = st;
    c.depth = 0;
    c.temp = (flags & C4PE_PACK_TEMPS) != 0;
    c.picky = false;
    c.num_seen = 0;
    PyObject *copy = capture_any(&c, obj);
    return copy || !c.picky ? copy : c4pe_pickle_copy(st, obj);
}

PyObject *
c4pe_codec_capture(c4pe_state_t *st, PyObject *value)
{
    if (is_atom(value))
        return Py_NewRef(value);
    return st->by_reference ? Py_NewRef(value) : capture_top(st, value, 0);
}

PyObject *
c4pe_codec_copy(c4pe_state_t *st, PyObject *value)
{
    return is_atom(value) ? Py_NewRef(value) : capture_top(st, value, 0);
}

/* ---- messages of objects ------------------------------------------------------------------------ */

static void
drop_object(c4p_rt_t *rt, void *object)
{
    (void)rt;
    if (Py_IsInitialized())
        Py_DECREF((PyObject *)object);
}

/* What was captured must be sent after all. What cannot be pickled, with local_msg_optim, ends the
 * job: nobody can be told. */
static c4p_status_t
flattened(c4pe_state_t *st, int err)
{
    if (err < 0)
        c4pe_err_uncaught(st, NULL, NULL, "sending a call after an object that has moved");
    return err < 0 ? C4P_ERR_USER : C4P_OK;
}

static c4p_status_t
flatten_args(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out)
{
    c4pe_state_t *st = c4pe_codec_state_of(rt);
    PyObject *args = object;
    return flattened(st,
                     c4pe_codec_pack_args(st, ((PyTupleObject *)args)->ob_item,
                                          PyTuple_GET_SIZE(args), NULL, C4PE_PACK_FLAT, flat_out));
}

static c4p_status_t
flatten_value(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out)
{
    c4pe_state_t *st = c4pe_codec_state_of(rt);
    return flattened(st, c4pe_codec_pack_value(st, object, C4PE_PACK_FLAT, flat_out));
}

static size_t
size_of_object(c4p_rt_t *Py_UNUSED(rt), const void *object)
{
    return c4pe_codec_size((PyObject *)(uintptr_t)object);
}

static const c4p_object_ops_t args_ops = {
    .flatten = flatten_args, .drop = drop_object, .size = size_of_object};
static const c4p_object_ops_t value_ops = {
    .flatten = flatten_value, .drop = drop_object, .size = size_of_object};

/* A message of an object; the reference is taken. */
static int
object_message(c4pe_state_t *st, PyObject *object, const c4p_object_ops_t *ops, c4p_msg_t **msg_out)
{
    if (c4p_msg_new_object(st->rt, object, ops, msg_out) == C4P_OK)
        return 0;
    Py_DECREF(object);
    PyErr_NoMemory();
    return -1;
}

PyObject *
c4pe_codec_capture_tuple(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                         const c4pe_entry_t *callee, unsigned flags)
{
    PyObject *tuple = PyTuple_New(nargs);
    if (!tuple)
        return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyObject *arg = is_atom(args[i]) || st->by_reference ? Py_NewRef(args[i])
                                                             : capture_top(st, args[i], flags);
        if (!arg) {
            c4pe_codec_explain(st, args[i], i + 1, callee);
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, arg);
    }
    return tuple;
}

int
c4pe_codec_capture_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                        const c4pe_entry_t *callee, unsigned flags, c4p_msg_t **msg_out)
{
    PyObject *tuple = c4pe_codec_capture_tuple(st, args, nargs, callee, flags);
    return tuple ? object_message(st, tuple, &args_ops, msg_out) : -1;
}

int
c4pe_codec_capture_value(c4pe_state_t *st, PyObject *value, unsigned flags, c4p_msg_t **msg_out)
{
    PyObject *copy = st->by_reference ? Py_NewRef(value) : capture_top(st, value, flags);
    if (copy)
        return object_message(st, copy, &value_ops, msg_out);
    c4pe_codec_explain(st, value, 0, NULL);
    return -1;
}
