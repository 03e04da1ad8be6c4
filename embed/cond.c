/* SPDX-License-Identifier: Apache-2.0 */
/* cond.c: compiled conditions: the common form, an attribute that equals an argument, without
 * calling Python code. */
#include "cond.h"

#include "native.h"

static int
cond_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((c4pe_cond_t *)op)->func);
    return 0;
}

static int
cond_clear(PyObject *op)
{
    Py_CLEAR(((c4pe_cond_t *)op)->func);
    return 0;
}

static void
cond_dealloc(PyObject *op)
{
    c4pe_cond_t *cond = (c4pe_cond_t *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(cond->attr);
    Py_CLEAR(cond->func);
    Py_CLEAR(cond->text);
    c4pe_native_free(cond->native);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyType_Slot cond_slots[] = {
    {Py_tp_dealloc, cond_dealloc},
    {Py_tp_traverse, cond_traverse},
    {Py_tp_clear, cond_clear},
    {Py_tp_doc, (void *)"A compiled condition."},
    {0, NULL},
};

static PyType_Spec cond_spec = {
    .name = "c4py._c4py.Cond",
    .basicsize = sizeof(c4pe_cond_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = cond_slots,
};

static int
read_native(c4pe_cond_t *cond, PyObject *parsed)
{
    PyObject *spec = PyObject_GetAttrString(parsed, "spec");
    unsigned long long address = 0;
    cond->kind = C4PE_COND_NATIVE;
    if (!spec || !PyArg_ParseTuple(spec, "KIO", &address, &cond->num_params, &cond->func)) {
        cond->func = NULL;
        Py_XDECREF(spec);
        return -1;
    }
    Py_INCREF(cond->func);
    Py_DECREF(spec);
    uintptr_t code = (uintptr_t)address;
    memcpy(&cond->test, &code, sizeof(cond->test));
    return 0;
}

/* Of a method in Python. */
static int
read_call(c4pe_cond_t *cond, PyObject *parsed)
{
    PyObject *spec = PyObject_GetAttrString(parsed, "spec");
    PyObject *at = spec ? PyObject_GetAttrString(parsed, "positions") : NULL;
    cond->kind = C4PE_COND_CALL;
    cond->native = at ? c4pe_native_new(spec) : NULL;
    Py_XDECREF(spec);
    for (uint32_t k = 0; cond->native && k < cond->native->num_params; k++) {
        const unsigned long position = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(at, k));
        cond->at[k] = (uint8_t)position;
    }
    Py_XDECREF(at);
    return cond->native ? 0 : -1;
}

/* Fill in what the parser's object says. The class tells which of the five it is. */
static int
read_parsed(c4pe_cond_t *cond, PyObject *parsed)
{
    cond->text = PyObject_GetAttrString(parsed, "cond_str");
    if (!cond->text)
        return -1;
    if (strcmp(Py_TYPE(parsed)->tp_name, "MsgTagCond") == 0) {
        PyObject *arg = PyObject_GetAttrString(parsed, "arg_idx");
        cond->kind = C4PE_COND_TAG;
        cond->arg = arg ? PyLong_AsSsize_t(arg) : -1;
        Py_XDECREF(arg);
        cond->attr = PyErr_Occurred() ? NULL : PyObject_GetAttrString(parsed, "attrib_name");
        if (!cond->attr)
            return -1;
        PyUnicode_InternInPlace(&cond->attr);
        return 0;
    }
    if (strcmp(Py_TYPE(parsed)->tp_name, "NativeCond") == 0)
        return read_native(cond, parsed);
    if (strcmp(Py_TYPE(parsed)->tp_name, "NativeCallCond") == 0)
        return read_call(cond, parsed);
    cond->kind = strcmp(Py_TYPE(parsed)->tp_name, "ChareStateCond") == 0 ? C4PE_COND_STATE
                                                                         : C4PE_COND_STATE_MSG;
    cond->func = PyObject_GetAttrString(parsed, "cond_func");
    return cond->func ? 0 : -1;
}

PyObject *
c4pe_when_compile(c4pe_state_t *st, PyObject *parsed)
{
    if (Py_TYPE(parsed) == c4pe_when_cond_type(st))
        return Py_NewRef(parsed);
    c4pe_cond_t *cond = PyObject_GC_New(c4pe_cond_t, c4pe_when_cond_type(st));
    if (!cond)
        return NULL;
    cond->attr = cond->func = cond->text = NULL;
    cond->arg = 0;
    cond->native = NULL;
    PyObject_GC_Track(cond);
    if (read_parsed(cond, parsed) < 0)
        Py_CLEAR(cond);
    return (PyObject *)cond;
}

/* ---- evaluation ---------------------------------------------------------------------------------- */

/* Parameter number i when the call did not give it by position: borrowed; NULL with TypeError. */
static PyObject *
missing_arg(const c4pe_entry_t *entry, Py_ssize_t i, PyObject *kwargs)
{
    PyObject *name = PyTuple_GET_ITEM(entry->params, i);
    PyObject *value = kwargs ? PyDict_GetItemWithError(kwargs, name) : NULL; /* borrowed */
    if (value || PyErr_Occurred())
        return value;
    Py_ssize_t from_end = entry->nparams - i,
               n = entry->defaults ? PyTuple_GET_SIZE(entry->defaults) : 0;
    if (from_end <= n)
        return PyTuple_GET_ITEM(entry->defaults, n - from_end);
    PyErr_Format(PyExc_TypeError, "%U() misses the argument '%U'", entry->qualname, name);
    return NULL;
}

/* Keyword-only parameters follow the others, in the order of the signature. */
static int
fill_kwonly(const c4pe_entry_t *entry, PyObject *kwargs, PyObject *full)
{
    PyObject *name, *value;
    Py_ssize_t at = 0, i = entry->nparams;
    while (entry->kwonly && PyDict_Next(entry->kwonly, &at, &name, &value)) {
        PyObject *given = kwargs ? PyDict_GetItemWithError(kwargs, name) : NULL; /* borrowed */
        if (!given && PyErr_Occurred())
            return -1;
        if (!given && value == entry->state->required) {
            PyErr_Format(PyExc_TypeError, "%U() misses the argument '%U'", entry->qualname, name);
            return -1;
        }
        PyTuple_SET_ITEM(full, i++, Py_NewRef(given ? given : value));
    }
    return 0;
}

PyObject *
c4pe_when_args(const c4pe_entry_t *entry, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!entry->params || (n >= entry->nparams && !entry->kwonly))
        return Py_NewRef(args);
    PyObject *full =
        PyTuple_New(entry->nparams + (entry->kwonly ? PyDict_GET_SIZE(entry->kwonly) : 0));
    for (Py_ssize_t i = 0; full && i < entry->nparams; i++) {
        PyObject *arg = i < n ? PyTuple_GET_ITEM(args, i) : missing_arg(entry, i, kwargs);
        if (arg)
            PyTuple_SET_ITEM(full, i, Py_NewRef(arg));
        else
            Py_CLEAR(full);
    }
    if (full && fill_kwonly(entry, kwargs, full) < 0)
        Py_CLEAR(full);
    return full;
}

static int
truth(PyObject *value)
{
    int yes = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return yes;
}

int
c4pe_cond_tags_equal(PyObject *attr, PyObject *arg)
{
    if (PyLong_CheckExact(attr) && PyLong_CheckExact(arg))
        return PyObject_RichCompareBool(attr, arg, Py_EQ);
    return truth(PyObject_RichCompare(attr, arg, Py_EQ));
}

static int
test_tag(const c4pe_cond_t *cond, PyObject *chare, PyObject *args)
{
    if (cond->arg >= PyTuple_GET_SIZE(args)) {
        PyErr_Format(PyExc_TypeError, "the condition '%U' needs argument %zd, the call has %zd",
                     cond->text, cond->arg + 1, PyTuple_GET_SIZE(args));
        return -1;
    }
    PyObject *attr = PyObject_GetAttr(chare, cond->attr);
    if (!attr)
        return -1;
    int equal = c4pe_cond_tags_equal(attr, PyTuple_GET_ITEM(args, cond->arg));
    Py_DECREF(attr);
    return equal;
}

int
c4pe_cond_test(const c4pe_cond_t *cond, PyObject *chare, PyObject *args)
{
    if (cond->kind == C4PE_COND_TAG)
        return test_tag(cond, chare, args);
    if (cond->kind == C4PE_COND_CALL)
        return c4pe_native_ask(cond, (c4pe_chare_t *)chare, args);
    if (cond->kind == C4PE_COND_STATE || !args)
        return truth(PyObject_CallOneArg(cond->func, chare));
    return truth(PyObject_CallFunctionObjArgs(cond->func, chare, args, NULL));
}

int
c4pe_when_test(c4pe_chare_t *chare, const c4pe_entry_t *entry, PyObject *args, PyObject *kwargs)
{
    const c4pe_cond_t *cond = (const c4pe_cond_t *)entry->cond;
    if (!kwargs && PyTuple_GET_SIZE(args) == entry->nparams && !entry->kwonly)
        return c4pe_cond_test(cond, (PyObject *)chare, args);
    PyObject *full = c4pe_when_args(entry, args, kwargs);
    if (!full)
        return -1;
    int result = c4pe_cond_test(cond, (PyObject *)chare, full);
    Py_DECREF(full);
    return result;
}

PyTypeObject *
c4pe_cond_make_type(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &cond_spec, NULL);
}
