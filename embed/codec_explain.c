/* SPDX-License-Identifier: Apache-2.0 */
/* codec_explain.c: when an argument cannot be sent, find out which part of it is to blame and say
 * so. Off the path: it pickles the parts one by one. */
#include "codec_int.h"

enum { MAX_STEPS = 12, MAX_TRIED = 2000 };

/* The walk from an argument to the part that cannot be pickled. */
typedef struct search {
    c4pe_state_t *st;
    int tried;
    PyObject *path; /* str, grows from the front */
    PyObject *culprit;
} search_t;

/* Does this part fail on its own? No exception is left. */
static bool
fails(search_t *s, PyObject *part)
{
    if (PyType_Check(part) || ++s->tried > MAX_TRIED)
        return false;
    size_t num_lent = s->st->codec->num_lent;
    PyObject *buffers = PyList_New(0);
    PyObject *bytes = buffers ? c4pe_pickle_dumps(s->st, part, buffers) : NULL;
    bool failed = bytes == NULL;
    PyErr_Clear();
    c4pe_lent_settle(s->st, num_lent, true); /* it is not sent */
    Py_XDECREF(buffers);
    Py_XDECREF(bytes);
    return failed;
}

static bool look_into(search_t *s, PyObject *obj, int steps);

/* Put one step in front of the path. The reference to `step` is taken; NULL is taken as "out of
 * memory" and ignored. */
static void
prepend(search_t *s, PyObject *step)
{
    PyObject *path = step && s->path ? PyUnicode_Concat(step, s->path) : NULL;
    Py_XDECREF(step);
    if (path)
        Py_SETREF(s->path, path);
    PyErr_Clear();
}

static bool
blame(search_t *s, PyObject *part, int steps)
{
    if (!fails(s, part))
        return false;
    if (!look_into(s, part, steps - 1))
        s->culprit = Py_NewRef(part);
    return true;
}

static bool
look_into_sequence(search_t *s, PyObject *obj, int steps)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(obj);
    for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(obj); i++) {
        PyObject *part = Py_NewRef(PySequence_Fast_GET_ITEM(obj, i));
        bool found = blame(s, part, steps);
        Py_DECREF(part);
        if (found) {
            prepend(s, PyUnicode_FromFormat("[%zd]", i));
            return true;
        }
    }
    return false;
}

static bool
look_into_dict(search_t *s, PyObject *obj, int steps, const char *format)
{
    PyObject *items = PyDict_Items(obj); /* a copy: pickling runs user code */
    bool found = false;
    for (Py_ssize_t i = 0; items && !found && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i), *key = PyTuple_GET_ITEM(pair, 0);
        if (blame(s, PyTuple_GET_ITEM(pair, 1), steps)) {
            found = true;
            prepend(s, PyUnicode_FromFormat(format, key));
        } else if (blame(s, key, steps)) {
            found = true;
            prepend(s, PyUnicode_FromString("<key>"));
        }
    }
    Py_XDECREF(items);
    PyErr_Clear();
    return found;
}

static bool
look_into_set(search_t *s, PyObject *obj, int steps)
{
    PyObject *items = PySequence_List(obj);
    bool found = false;
    for (Py_ssize_t i = 0; items && !found && i < PyList_GET_SIZE(items); i++)
        found = blame(s, PyList_GET_ITEM(items, i), steps);
    if (found)
        prepend(s, PyUnicode_FromString("<item>"));
    Py_XDECREF(items);
    PyErr_Clear();
    return found;
}

/* Attributes, if pickle would send those. */
static bool
look_into_object(search_t *s, PyObject *obj, int steps)
{
    PyObject *dict = PyObject_GetAttrString(obj, "__dict__");
    bool found = dict && PyDict_Check(dict) && look_into_dict(s, dict, steps, ".%S");
    Py_XDECREF(dict);
    PyErr_Clear();
    return found;
}

static bool
look_into(search_t *s, PyObject *obj, int steps)
{
    if (steps <= 0)
        return false;
    if (PyList_Check(obj) || PyTuple_Check(obj))
        return look_into_sequence(s, obj, steps);
    if (PyDict_Check(obj))
        return look_into_dict(s, obj, steps, "[%R]");
    if (PyAnySet_Check(obj))
        return look_into_set(s, obj, steps);
    return look_into_object(s, obj, steps);
}

/* "argument 2 ('sock') of Grid.step", or "the value". */
static PyObject *
name_argument(Py_ssize_t number, const c4pe_entry_t *callee)
{
    if (number == 0)
        return PyUnicode_FromString("the value");
    PyObject *name = NULL;
    if (callee && callee->params && number <= PyTuple_GET_SIZE(callee->params))
        name = PyTuple_GET_ITEM(callee->params, number - 1); /* borrowed */
    if (callee && callee->qualname)
        return name ? PyUnicode_FromFormat("argument %zd ('%U') of %U", number, name,
                                           callee->qualname)
                    : PyUnicode_FromFormat("argument %zd of %U", number, callee->qualname);
    return PyUnicode_FromFormat("argument %zd", number);
}

/* What to do about it. */
static const char *
advice(c4pe_state_t *st, PyObject *culprit, PyObject *type)
{
    if (PyObject_TypeCheck(culprit, st->chare_type))
        return "; a chare stays where it is, send its proxy: self.thisProxy[self.thisIndex]";
    if (PyGen_Check(culprit))
        return "; send a list of what it yields";
    if (type == PyExc_RecursionError)
        return "; send something less deeply nested";
    return "; send data that can be pickled, or give the class a __reduce__";
}

/* The whole sentence. */
static PyObject *
compose(c4pe_state_t *st, search_t *s, PyObject *arg, Py_ssize_t number, const c4pe_entry_t *callee,
        PyObject *type, PyObject *value)
{
    const char *fix = advice(st, s->culprit ? s->culprit : arg, type);
    PyObject *name = name_argument(number, callee);
    PyObject *reason = name ? PyObject_Str(value) : NULL;
    PyObject *text = NULL;
    if (reason && s->culprit)
        text =
            PyUnicode_FromFormat("cannot send %U, of type %s: its part %U, of type %s: %s: %U%s",
                                 name, Py_TYPE(arg)->tp_name, s->path, Py_TYPE(s->culprit)->tp_name,
                                 ((PyTypeObject *)type)->tp_name, reason, fix);
    else if (reason)
        text = PyUnicode_FromFormat("cannot send %U, of type %s: %s: %U%s", name,
                                    Py_TYPE(arg)->tp_name, ((PyTypeObject *)type)->tp_name, reason,
                                    fix);
    Py_XDECREF(name);
    Py_XDECREF(reason);
    return text;
}

/* Types that are made from one text and mean no more than that. */
static bool
is_simple(c4pe_codec_t *codec, PyObject *type)
{
    return type == PyExc_TypeError || type == PyExc_AttributeError ||
           type == codec->pickling_error || type == PyExc_RecursionError ||
           type == PyExc_ValueError;
}

/* Exceptions of the user's classes keep their type and get a note, where Python has notes. */
static void
add_note(PyObject *value, PyObject *text)
{
    PyObject *none = PyObject_CallMethod(value, "add_note", "O", text);
    Py_XDECREF(none);
    PyErr_Clear();
}

void
c4pe_codec_explain(c4pe_state_t *st, PyObject *arg, Py_ssize_t number, const c4pe_entry_t *callee)
{
    if (PyErr_ExceptionMatches(PyExc_MemoryError) || !PyErr_ExceptionMatches(PyExc_Exception))
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    search_t s = {.st = st, .path = PyUnicode_FromString("")};
    if (s.path && type != PyExc_RecursionError)
        look_into(&s, arg, MAX_STEPS);
    PyErr_Clear();
    PyObject *text = s.path ? compose(st, &s, arg, number, callee, type, value) : NULL;
    PyErr_Clear();
    if (text && is_simple(st->codec, type)) {
        PyObject *better = PyObject_CallOneArg(type, text);
        if (better) {
            PyException_SetCause(better, value); /* takes the reference */
            value = better;
            Py_CLEAR(traceback);
        }
        PyErr_Clear();
    } else if (text) {
        add_note(value, text);
    }
    Py_XDECREF(text);
    Py_XDECREF(s.path);
    Py_XDECREF(s.culprit);
    PyErr_Restore(type, value, traceback);
}
