/* SPDX-License-Identifier: Apache-2.0 */
/* typed.c: see typed.h. */
#include "typed.h"

#include "coroutine.h"
#include "future.h"

#include <string.h>

/* The arguments of one call: copied into the message before they are given back. */
typedef struct call {
    c4p_arg_t args[C4P_MAX_PARAMS];
    Py_buffer views[C4P_MAX_PARAMS];
    size_t num_args, num_views;
} call_t;

static void
end_call(call_t *call)
{
    while (call->num_views > 0)
        PyBuffer_Release(&call->views[--call->num_views]);
}

/* ---- arguments ----------------------------------------------------------------------------------- */

/* The elements of a buffer by the letter of its format; ANY: none that C knows. */
static c4p_arg_of_t
elements_of(const char *format)
{
    static const struct {
        char letter;
        c4p_arg_of_t of;
    } letters[] = {
        {'?', C4P_ARG_OF_bool},  {'b', C4P_ARG_OF_schar},  {'B', C4P_ARG_OF_uchar},
        {'c', C4P_ARG_OF_uchar}, {'h', C4P_ARG_OF_short},  {'H', C4P_ARG_OF_ushort},
        {'i', C4P_ARG_OF_int},   {'I', C4P_ARG_OF_uint},   {'l', C4P_ARG_OF_long},
        {'L', C4P_ARG_OF_ulong}, {'q', C4P_ARG_OF_llong},  {'Q', C4P_ARG_OF_ullong},
        {'f', C4P_ARG_OF_float}, {'d', C4P_ARG_OF_double},
    };
    if (format == NULL)
        return C4P_ARG_OF_uchar;
    if (format[0] == '@' || format[0] == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(letters); i++)
        if (letters[i].letter == format[0] && format[1] == '\0')
            return letters[i].of;
    return C4P_ARG_OF_ANY;
}

/* An array of `bytes` bytes in elements of `size`. -1 with an exception that says what is wrong
 * with it, but not with which. */
static int
add_array(call_t *call, PyObject *object, Py_ssize_t bytes, Py_ssize_t size)
{
    Py_buffer *view = &call->views[call->num_views];
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    call->num_views++;
    c4p_arg_of_t of = elements_of(view->format);
    if (of == C4P_ARG_OF_ANY || view->itemsize != size) {
        PyErr_Format(PyExc_TypeError, "an array of other elements (format '%s') was given",
                     view->format ? view->format : "B");
        return -1;
    }
    if (view->len != bytes) {
        PyErr_Format(PyExc_ValueError, "%zd elements are wanted, and %zd were given", bytes / size,
                     view->len / size);
        return -1;
    }
    if (of == C4P_ARG_OF_uchar)
        of = C4P_ARG_OF_ANY; /* bytes are any that are one byte long */
    call->args[call->num_args++] =
        (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = of, .value.p = view->buf};
    return 0;
}

static int
add_text(call_t *call, PyObject *object)
{
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(object, &len);
    if (text == NULL)
        return -1;
    if ((size_t)len != strlen(text)) {
        PyErr_SetString(PyExc_ValueError, "a text with a null character ends there in C");
        return -1;
    }
    call->args[call->num_args++] =
        (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = C4P_ARG_OF_char, .value.p = text};
    return 0;
}

static int
add_integer(call_t *call, PyObject *object)
{
    PyObject *number = PyNumber_Index(object);
    int overflow = 0;
    c4p_arg_t arg = {.kind = C4P_ARG_SIGNED, .of = C4P_ARG_OF_llong};
    if (number == NULL)
        return -1;
    arg.value.i = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow > 0) {
        arg.kind = C4P_ARG_UNSIGNED;
        arg.of = C4P_ARG_OF_ullong;
        arg.value.u = PyLong_AsUnsignedLongLong(number);
    } else if (overflow < 0) {
        PyErr_SetString(PyExc_OverflowError, "an integer does not fit into 64 bits");
    }
    Py_DECREF(number);
    if (PyErr_Occurred())
        return -1;
    call->args[call->num_args++] = arg;
    return 0;
}

static int
add_number(call_t *call, PyObject *object)
{
    if (PyIndex_Check(object))
        return add_integer(call, object);
    const double f = PyFloat_AsDouble(object);
    if (f == -1 && PyErr_Occurred())
        return -1;
    call->args[call->num_args++] =
        (c4p_arg_t){.kind = C4P_ARG_FLOATING, .of = C4P_ARG_OF_double, .value.f = f};
    return 0;
}

/* One argument: (value, None) is a number or a text, (value, elements, bytes of one) an array. */
static int
add_argument(call_t *call, PyObject *item)
{
    PyObject *object, *count;
    Py_ssize_t size = 0;
    if (!PyArg_ParseTuple(item, "OO|n:typed_call", &object, &count, &size))
        return -1;
    if (count == Py_None)
        return PyUnicode_Check(object) ? add_text(call, object) : add_number(call, object);
    const Py_ssize_t num = PyLong_AsSsize_t(count);
    if (num < 0 || size < 1 || num > PY_SSIZE_T_MAX / size) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "%zd elements are wanted", num);
        return -1;
    }
    return add_array(call, object, num * size, size);
}

/* ---- calling ------------------------------------------------------------------------------------- */

/* On failure the message is still the caller's. */
static c4p_status_t
send(c4p_rt_t *rt, c4p_ref_t to, bool element, c4p_entry_t entry, c4p_msg_t *msg,
     c4p_future_t reply)
{
    if (!element)
        return c4p_bcast(rt, to.coll, entry, msg, reply ? C4P_BCAST_DONE : C4P_BCAST_NO_REPLY,
                         reply);
    return reply ? c4p_call(rt, to, entry, msg, reply) : c4p_send(rt, to, entry, msg);
}

/* c4p_msg_args() refused a number or a text, and has logged which. Always NULL. */
static PyObject *
raise_unfit(c4pe_state_t *st, c4p_status_t status, const char *who)
{
    if (status == C4P_ERR_TYPE)
        return PyErr_Format(PyExc_TypeError, "%s: an argument is of another type (see the log)",
                            who);
    if (status == C4P_ERR_RANGE)
        return PyErr_Format(PyExc_OverflowError, "%s: a number does not fit its type (see the log)",
                            who);
    return c4pe_raise_status(st, status, who);
}

/* An error of an argument says whose: "Cell.push(int n), argument 2: ...". */
static void
name_argument(const char *who, Py_ssize_t i)
{
    PyObject *exc = c4pe_err_take();
    if (exc != NULL)
        PyErr_Format((PyObject *)Py_TYPE(exc), "%s, argument %zd: %S", who, i + 1, exc);
    Py_XDECREF(exc);
}

PyObject *
c4pe_typed_call(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_typed_t typed;
    unsigned long long coll, key0, key1;
    PyObject *items, *future;
    const char *who;
    int element;
    call_t call = {.num_args = 0};
    c4p_msg_t *msg;
    if (!PyArg_ParseTuple(args, "sIH(KKKp)O!O:typed_call", &who, &typed.type, &typed.entry, &coll,
                          &key0, &key1, &element, &PyTuple_Type, &items, &future) ||
        c4pe_need_rt(st, who) == NULL)
        return NULL;
    if (PyTuple_GET_SIZE(items) > C4P_MAX_PARAMS)
        return PyErr_Format(PyExc_TypeError, "%s: too many arguments", who);
    const c4p_ref_t to = {.coll = coll, .key = {{key0, key1}}};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++)
        if (add_argument(&call, PyTuple_GET_ITEM(items, i)) < 0) {
            name_argument(who, i);
            goto refused;
        }
    c4p_status_t status = c4p_msg_args(st->rt, typed, call.args, call.num_args, &msg);
    if (status != C4P_OK) {
        raise_unfit(st, status, who);
        goto refused;
    }
    status =
        send(st->rt, to, element, typed.entry, msg, future != Py_None ? c4pe_future_id(future) : 0);
    if (status != C4P_OK) {
        c4p_msg_free(msg);
        c4pe_raise_status(st, status, who);
        goto refused;
    }
    end_call(&call);
    return c4pe_coro_throttle(st) < 0 ? NULL : Py_NewRef(future);
refused:
    end_call(&call);
    if (future != Py_None)
        c4pe_future_cancel(st, future);
    return NULL;
}

PyObject *
c4pe_typed_at(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    unsigned long long coll;
    PyObject *index;
    c4p_coll_info_t info;
    c4p_key_t key;
    if (!PyArg_ParseTuple(args, "KO:typed_at", &coll, &index) ||
        c4pe_need_rt(st, "an element of chares in C") == NULL)
        return NULL;
    c4p_status_t status = c4p_coll_info(st->rt, coll, &info);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "an element of chares in C");
    if (c4pe_index_key(st, index, info.ndims, info.kind == C4P_KIND_GROUP, &key) < 0)
        return NULL;
    return Py_BuildValue("(KK)", (unsigned long long)key.w[0], (unsigned long long)key.w[1]);
}
