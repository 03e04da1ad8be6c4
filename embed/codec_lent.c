/* SPDX-License-Identifier: Apache-2.0 */
/* codec_lent.c: references to stored objects that leave in messages. Each is counted when it is
 * packed; what is packed twice, because the first way failed, or never sent is counted back. */
#include "checkpoint.h"
#include "codec_int.h"

static int
note(c4pe_codec_t *codec, PyObject *ref, PyObject *copies)
{
    if (!codec->lent && !(codec->lent = PyList_New(0)))
        return -1;
    PyObject *pair = PyTuple_Pack(2, ref, copies);
    int err = pair ? PyList_Append(codec->lent, pair) : -1;
    Py_XDECREF(pair);
    codec->num_lent += err == 0;
    return err;
}

static PyObject *
lend(c4pe_state_t *st, PyObject *ref, uint32_t num_copies, bool packing)
{
    PyObject *hook = PyDict_GetItemString(st->hooks, "ref_leaves"); /* borrowed */
    if (c4pe_checkpoint_check(st, "a reference to a stored object") < 0)
        return NULL;
    PyObject *copies = hook ? PyLong_FromUnsignedLong(num_copies) : NULL;
    PyObject *token = copies ? PyObject_CallFunctionObjArgs(hook, ref, copies, NULL) : NULL;
    if (token && packing && note(st->codec, ref, copies) < 0)
        Py_CLEAR(token);
    Py_XDECREF(copies);
    return token;
}

PyObject *
c4pe_codec_lend(c4pe_state_t *st, PyObject *ref)
{
    return lend(st, ref, st->copies, true);
}

PyObject *
c4pe_codec_lend_pickled(c4pe_state_t *st, PyObject *ref)
{
    return lend(st, ref, st->packing ? st->copies : 0, st->packing > 0);
}

void
c4pe_lent_settle(c4pe_state_t *st, size_t from, bool undo)
{
    c4pe_codec_t *codec = st->codec;
    PyObject *type, *value, *traceback;
    if (codec->num_lent == from)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *hook = undo ? PyDict_GetItemString(st->hooks, "ref_stays") : NULL; /* borrowed */
    for (size_t i = from; hook && i < codec->num_lent; i++) {
        PyObject *none = PyObject_CallObject(hook, PyList_GET_ITEM(codec->lent, (Py_ssize_t)i));
        if (!none)
            PyErr_WriteUnraisable(hook);
        Py_XDECREF(none);
    }
    codec->num_lent = from;
    PyList_SetSlice(codec->lent, (Py_ssize_t)from, PY_SSIZE_T_MAX, NULL);
    PyErr_Restore(type, value, traceback);
}
