/* SPDX-License-Identifier: Apache-2.0 */
/* args.c: see args.h. */
#include "args.h"

#include "typed.h"

#include <math.h>
#include <string.h>

/* The arguments of one call on their way. */
typedef struct layout {
    c4pe_state_t *st;
    const c4pe_callee_t *to;
    const c4p_param_t *params;
    c4p_arg_t args[C4P_MAX_PARAMS];
    c4p_ref_t refs[C4P_MAX_PARAMS];
    uint32_t num_views;
    Py_buffer views[C4P_MAX_PARAMS];
} layout_t;

static const char *const type_names[] = {"struct",
#define TYPE_NAME(name, type, kind, member) #type,
                                         C4P_ARG_LIST(TYPE_NAME)
#undef TYPE_NAME
};

/* Raise for a parameter, naming it; always -1. */
static int
refuse(const layout_t *l, uint32_t k, PyObject *type, const char *fmt, ...)
{
    va_list more;
    va_start(more, fmt);
    PyObject *why = PyUnicode_FromFormatV(fmt, more);
    va_end(more);
    if (why != NULL)
        PyErr_Format(type, "%U(): parameter '%s' %U", l->to->name, l->params[k].name, why);
    Py_XDECREF(why);
    return -1;
}

/* ---- values ------------------------------------------------------------------------------------ */

static int
take_floating(layout_t *l, uint32_t k, PyObject *value)
{
    const c4p_param_t *param = &l->params[k];
    double x = PyFloat_AsDouble(value);
    if (x == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError))
            return refuse(l, k, PyExc_ValueError, "is of type %s: this number does not fit",
                          type_names[param->of]);
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        return refuse(l, k, PyExc_TypeError, "is of type %s: it cannot be %.100s",
                      type_names[param->of], Py_TYPE(value)->tp_name);
    }
    if (param->of == C4P_ARG_OF_float && isfinite(x) && !isfinite((float)x))
        return refuse(l, k, PyExc_ValueError, "is of type float: %R does not fit", value);
    l->args[k] = (c4p_arg_t){.kind = C4P_ARG_FLOATING, .of = C4P_ARG_OF_double, .value.f = x};
    return 0;
}

/* Is a number in the range of the parameter's type? overflow as PyLong_AsLongLongAndOverflow() says
 * it: above 0, the number is x as an unsigned one. */
static bool
in_range(const c4p_param_t *param, long long x, int overflow)
{
    const bool is_signed = param->kind == C4P_ARG_SIGNED;
    const unsigned bits = (unsigned)param->size * 8 - is_signed;
    const uint64_t most = param->of == C4P_ARG_OF_bool ? 1 : UINT64_MAX >> (64 - bits);
    if (overflow < 0)
        return false;
    if (overflow > 0 || x >= 0)
        return (uint64_t)x <= most;
    return is_signed && (uint64_t) - (x + 1) <= most;
}

/* A truth value of numpy, as comparisons give it; it is no integer. */
static bool
is_truth_value(PyObject *value)
{
    Py_buffer view;
    if (PyLong_Check(value) || PyObject_GetBuffer(value, &view, PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return false;
    }
    bool is = view.ndim == 0 && view.format != NULL && strcmp(view.format, "?") == 0;
    PyBuffer_Release(&view);
    return is;
}

static int
take_integer(layout_t *l, uint32_t k, PyObject *value)
{
    const c4p_param_t *param = &l->params[k];
    if (param->of == C4P_ARG_OF_bool && is_truth_value(value)) {
        l->args[k] = (c4p_arg_t){
            .kind = param->kind, .of = param->of, .value.i = PyObject_IsTrue(value) == 1};
        return 0;
    }
    PyObject *number = PyNumber_Index(value);
    int overflow = 0;
    if (number == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        return refuse(l, k, PyExc_TypeError, "is of type %s: it cannot be %.100s",
                      type_names[param->of], Py_TYPE(value)->tp_name);
    }
    long long x = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow > 0) {
        x = (long long)PyLong_AsUnsignedLongLong(number);
        if (PyErr_Occurred()) {
            PyErr_Clear();
            overflow = -1;
        }
    }
    Py_DECREF(number);
    if (!in_range(param, x, overflow))
        return refuse(l, k, PyExc_ValueError, "is of type %s: %R does not fit",
                      type_names[param->of], value);
    l->args[k] = (c4p_arg_t){.kind = param->kind, .of = param->of, .value.i = x};
    return 0;
}

static int
take_text(layout_t *l, uint32_t k, PyObject *value)
{
    Py_ssize_t len;
    if (!PyUnicode_Check(value))
        return refuse(l, k, PyExc_TypeError, "is a str: it cannot be %.100s",
                      Py_TYPE(value)->tp_name);
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);
    if (text == NULL)
        return -1;
    if (strlen(text) != (size_t)len)
        return refuse(l, k, PyExc_ValueError, "has a NUL inside, where a text in C ends");
    l->args[k] = (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = C4P_ARG_OF_char, .value.p = text};
    return 0;
}

static int
take_ref(layout_t *l, uint32_t k, PyObject *value)
{
    const c4pe_proxy_t *proxy = (c4pe_proxy_t *)value;
    if (c4pe_proxy_check(l->st, value) && proxy->flags & C4PE_PROXY_ELEMENT)
        l->refs[k] = proxy->ref;
    else if (c4pe_hostchare_check(l->st, value) && ((c4pe_hostchare_t *)value)->element)
        l->refs[k] = ((c4pe_hostchare_t *)value)->ref;
    else
        return refuse(l, k, PyExc_TypeError, "is a ref: it takes the proxy of one element, not %R",
                      value);
    l->args[k] = (c4p_arg_t){.kind = C4P_ARG_POINTER, .value.p = &l->refs[k]};
    return 0;
}

/* ---- arrays -------------------------------------------------------------------------------------- */

/* Are elements of this format, as in the module struct, what the parameter takes? */
static bool
is_format(const c4p_param_t *param, const char *format, Py_ssize_t size)
{
    if (format == NULL)
        format = "B";
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    if (format[0] == '\0' || format[1] != '\0' || (size_t)size != param->size)
        return false;
    if (param->of == C4P_ARG_OF_char)
        return strchr("cbB", *format) != NULL;
    if (param->of == C4P_ARG_OF_bool)
        return *format == '?';
    return strchr(param->kind == C4P_ARG_FLOATING ? "fd"
                  : param->kind == C4P_ARG_SIGNED ? "bhilqn"
                                                  : "?BHILQN",
                  *format) != NULL;
}

static int
refuse_elements(const layout_t *l, uint32_t k, PyObject *value, const Py_buffer *view)
{
    PyObject *dtype = PyObject_GetAttrString(value, "dtype");
    const char *want = type_names[l->params[k].of];
    if (dtype != NULL)
        refuse(l, k, PyExc_TypeError, "is an array of %s, not of %S", want, dtype);
    else {
        PyErr_Clear();
        refuse(l, k, PyExc_TypeError, "is an array of %s, not of format '%s'", want,
               view->format ? view->format : "B");
    }
    Py_XDECREF(dtype);
    return -1;
}

static int
refuse_buffer(const layout_t *l, uint32_t k, PyObject *value)
{
    PyObject *why = c4pe_err_take();
    if (why != NULL)
        refuse(l, k, PyExc_ValueError,
               "cannot take this %.100s: %S; numpy.ascontiguousarray() makes a contiguous copy",
               Py_TYPE(value)->tp_name, why);
    Py_XDECREF(why);
    return -1;
}

static int
take_memory(layout_t *l, uint32_t k, PyObject *value)
{
    const c4p_param_t *param = &l->params[k];
    const bool of_numbers = param->sort == C4P_PARAM_ARRAY;
    Py_buffer *view = &l->views[l->num_views];
    if (!PyObject_CheckBuffer(value))
        return refuse(l, k, PyExc_TypeError, "is %s %s: it takes a buffer, as of numpy, not %.100s",
                      of_numbers ? "an array of" : "a", type_names[param->of],
                      Py_TYPE(value)->tp_name);
    if (PyObject_GetBuffer(value, view, PyBUF_C_CONTIGUOUS | (of_numbers ? PyBUF_FORMAT : 0)) < 0)
        return refuse_buffer(l, k, value);
    l->num_views++;
    if (of_numbers && !is_format(param, view->format, view->itemsize))
        return refuse_elements(l, k, value, view);
    l->args[k] = (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = param->of, .value.p = view->buf};
    return 0;
}

/* The length of an array, or of structs, is what the signature says; all numbers have been taken.
 */
static int
check_length(layout_t *l, uint32_t k, const Py_buffer *view)
{
    const c4p_param_t *param = &l->params[k];
    uint64_t want = param->count * param->size;
    bool fits = true;
    for (uint32_t f = 0; f < param->num_factors; f++) {
        const uint32_t by = param->factors[f];
        const int64_t factor = l->args[by].value.i;
        if (factor < 0 && l->params[by].kind == C4P_ARG_SIGNED)
            return refuse(l, by, PyExc_ValueError, "is a length: it cannot be %lld",
                          (long long)factor);
        if (factor < 0)
            return refuse(l, by, PyExc_ValueError, "is a length: it cannot be that large");
        fits = fits && !__builtin_mul_overflow(want, (uint64_t)factor, &want);
    }
    if (!fits)
        return refuse(l, k, PyExc_ValueError, "cannot be that long");
    if (want == (uint64_t)view->len)
        return 0;
    return refuse(l, k, PyExc_ValueError,
                  "has %zd elements; by the signature, \"%s\", it must have %llu",
                  view->len / (Py_ssize_t)param->size, l->to->signature,
                  (unsigned long long)(want / param->size));
}

static int
take(layout_t *l, uint32_t k, PyObject *value)
{
    switch (l->params[k].sort) {
    case C4P_PARAM_NUMBER:
        return (l->params[k].kind == C4P_ARG_FLOATING ? take_floating : take_integer)(l, k, value);
    case C4P_PARAM_TEXT:
        return take_text(l, k, value);
    case C4P_PARAM_REF:
        return take_ref(l, k, value);
    default:
        return take_memory(l, k, value);
    }
}

static int
take_all(layout_t *l, PyObject *const *args)
{
    for (uint32_t k = 0; k < l->to->num_params; k++)
        if (take(l, k, args[k]) < 0)
            return -1;
    for (uint32_t k = 0, v = 0; v < l->num_views; k++)
        if (l->params[k].sort == C4P_PARAM_ARRAY || l->params[k].sort == C4P_PARAM_STRUCT)
            if (check_length(l, k, &l->views[v++]) < 0)
                return -1;
    return 0;
}

/* ---- all of them --------------------------------------------------------------------------------- */

static int
make_message(const layout_t *l, c4p_msg_t **msg_out)
{
    c4p_status_t status =
        c4p_msg_args(l->st->rt, l->to->typed, l->args, l->to->num_params, msg_out);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(l->st, status, PyUnicode_AsUTF8(l->to->name));
    return -1;
}

int
c4pe_args_message(c4pe_state_t *st, const c4pe_callee_t *callee, PyObject *const *args,
                  Py_ssize_t num_args, c4p_msg_t **msg_out)
{
    layout_t l;
    if (num_args != (Py_ssize_t)callee->num_params) {
        PyErr_Format(PyExc_TypeError, "%U() takes %u argument%s (%s), %zd %s given", callee->name,
                     callee->num_params, callee->num_params == 1 ? "" : "s", callee->signature,
                     num_args, num_args == 1 ? "was" : "were");
        return -1;
    }
    l.st = st;
    l.to = callee;
    l.params = callee->params;
    l.num_views = 0;
    int result = take_all(&l, args);
    if (result == 0)
        result = make_message(&l, msg_out);
    while (l.num_views > 0)
        PyBuffer_Release(&l.views[--l.num_views]);
    return result;
}

bool
c4pe_args_possible(const c4p_param_t *params, uint32_t num_params)
{
    for (uint32_t k = 0; k < num_params; k++)
        if (params[k].sort == C4P_PARAM_REF && (params[k].count != 1 || params[k].num_factors > 0))
            return false;
    return true;
}
