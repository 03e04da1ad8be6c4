/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <math.h>
#include <string.h>

#include "cond.h"
#include "npy.h"
#include "profile.h"

/* ---- what is registered -------------------------------------------------------------------------- */

static int
read_signature(const char *text, c4p_param_t *params, uint32_t *num_out)
{
    const char *why;
    size_t at;
    if (c4p_signature_read(text, params, num_out, &why, &at) == C4P_OK)
        return 0;
    PyErr_Format(PyExc_ValueError, "signature \"%s\", at \"%.20s\": %s", text, text + at, why);
    return -1;
}

c4pe_native_t *
c4pe_native_new(PyObject *spec)
{
    unsigned long long address;
    const char *signature;
    PyObject *keep;
    if (!PyArg_ParseTuple(spec, "KsO;a native method is (address, signature, keep)", &address,
                          &signature, &keep))
        return NULL;
    c4pe_native_t *native = PyMem_Calloc(1, sizeof(*native));
    size_t len = strlen(signature) + 1;
    if (native == NULL || (native->signature = PyMem_Malloc(len)) == NULL) {
        PyMem_Free(native);
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(native->signature, signature, len);
    uintptr_t code = (uintptr_t)address;
    memcpy(&native->fn, &code, sizeof(native->fn));
    native->keep = Py_NewRef(keep);
    if (read_signature(signature, native->params, &native->num_params) < 0) {
        c4pe_native_free(native);
        return NULL;
    }
    return native;
}

void
c4pe_native_free(c4pe_native_t *native)
{
    if (native == NULL)
        return;
    Py_CLEAR(native->keep);
    PyMem_Free(native->signature);
    PyMem_Free(native);
}

/* ---- running ------------------------------------------------------------------------------------- */

static inline void *
state_of(const c4pe_chare_t *chare)
{
    const c4pe_ndarray_t *state = (const c4pe_ndarray_t *)chare->native;
    return state ? state->data : NULL;
}

static void
run(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const c4pe_entry_t *entry = ctx;
    c4pe_chare_t *chare = object;
    c4pe_state_t *st = entry->state;
    if (st->exiting)
        return;
    st->last_entry = entry;
    c4p_typed_run(rt, entry->native->typed, state_of(chare), msg);
    c4pe_after_entry(chare);
}

bool
c4pe_native_may_run(const c4pe_chare_t *chare, const c4pe_entry_t *entry, c4p_msg_t *msg)
{
    const c4pe_cond_t *cond = (const c4pe_cond_t *)entry->cond;
    return c4p_typed_test(entry->state->rt, entry->native->typed, cond->test, cond->num_params,
                          state_of(chare), msg);
}

/* Of methods with a condition. */
static void
run_if(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4p_reply_t reply;
    if (entry->state->exiting)
        return;
    if (c4pe_native_may_run(object, entry, msg)) {
        run(rt, object, msg, ctx);
        return;
    }
    c4p_reply_take(rt, msg, &reply);
    if (c4pe_when_push_native(object, entry, msg, &reply) < 0)
        c4pe_invoke_done(entry->state, object, entry, &reply, NULL);
}

void
c4pe_native_resume(c4pe_chare_t *chare, c4pe_entry_t *entry, c4p_msg_t *msg,
                   const c4p_reply_t *reply)
{
    c4pe_state_t *st = entry->state;
    c4pe_charged_t before = {0};
    if (entry->stats != NULL)
        before = c4pe_profile_charge(st, entry->stats, &entry->stats->run);
    st->last_entry = entry;
    c4p_typed_run(st->rt, entry->native->typed, state_of(chare), msg);
    if (entry->stats != NULL)
        c4pe_profile_leave(st, before);
    if (reply->kind != C4P_REPLY_NONE && !st->exiting)
        c4p_reply_send(st->rt, reply, NULL, false);
}

static void
run_profiled(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const c4pe_entry_t *entry = ctx;
    c4pe_charged_t before = c4pe_profile_charge(entry->state, entry->stats, &entry->stats->run);
    entry->stats->calls++;
    c4pe_profile_received(entry->state, msg);
    (entry->cond ? run_if : run)(rt, object, msg, ctx);
    c4pe_profile_leave(entry->state, before);
}

c4p_status_t
c4pe_native_announce(c4pe_entry_t *entry, const char *name)
{
    c4pe_native_t *native = entry->native;
    c4p_status_t status = c4p_entry_add_typed_around(entry->state->rt, entry->cls->id, name,
                                                     native->signature, native->fn,
                                                     entry->state->profile ? run_profiled
                                                     : entry->cond         ? run_if
                                                                           : run,
                                                     entry, &native->typed);
    entry->id = native->typed.entry;
    return status;
}

/* ---- arguments ----------------------------------------------------------------------------------- */

/* The arguments of one call on their way. */
typedef struct layout {
    const c4pe_entry_t *entry;
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
        PyErr_Format(type, "%U(): parameter '%s' %U", l->entry->qualname, l->params[k].name, why);
    Py_XDECREF(why);
    return -1;
}

static int
take_floating(layout_t *l, uint32_t k, PyObject *value)
{
    const c4p_param_t *param = &l->params[k];
    double x = PyFloat_AsDouble(value);
    if (x == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        return refuse(l, k, PyExc_TypeError, "is a %s: it cannot be %.100s", type_names[param->of],
                      Py_TYPE(value)->tp_name);
    }
    if (param->of == C4P_ARG_OF_float && isfinite(x) && !isfinite((float)x))
        return refuse(l, k, PyExc_ValueError, "is a float: %R does not fit", value);
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

static int
take_integer(layout_t *l, uint32_t k, PyObject *value)
{
    const c4p_param_t *param = &l->params[k];
    PyObject *number = PyNumber_Index(value);
    int overflow = 0;
    if (number == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        return refuse(l, k, PyExc_TypeError, "is a %s: it cannot be %.100s", type_names[param->of],
                      Py_TYPE(value)->tp_name);
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
        return refuse(l, k, PyExc_ValueError, "is a %s: %R does not fit", type_names[param->of],
                      value);
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
    c4pe_state_t *st = l->entry->state;
    if (!c4pe_proxy_check(st, value) || !(((c4pe_proxy_t *)value)->flags & C4PE_PROXY_ELEMENT))
        return refuse(l, k, PyExc_TypeError, "is a ref: it takes the proxy of one element, not %R",
                      value);
    l->refs[k] = ((c4pe_proxy_t *)value)->ref;
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
        fits = fits && !__builtin_mul_overflow(want, (uint64_t)factor, &want);
    }
    if (!fits)
        return refuse(l, k, PyExc_ValueError, "cannot be that long");
    if (want == (uint64_t)view->len)
        return 0;
    return refuse(l, k, PyExc_ValueError,
                  "has %zd elements; by the signature, \"%s\", it must have %llu",
                  view->len / (Py_ssize_t)param->size, l->entry->native->signature,
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
take_all(layout_t *l, PyObject *const *args, uint32_t num)
{
    for (uint32_t k = 0; k < num; k++)
        if (take(l, k, args[k]) < 0)
            return -1;
    for (uint32_t k = 0, v = 0; v < l->num_views; k++)
        if (l->params[k].sort == C4P_PARAM_ARRAY || l->params[k].sort == C4P_PARAM_STRUCT)
            if (check_length(l, k, &l->views[v++]) < 0)
                return -1;
    return 0;
}

static int
check_call(const c4pe_proxy_t *proxy, const c4pe_entry_t *entry, Py_ssize_t nargs)
{
    const c4pe_native_t *native = entry->native;
    if (nargs != (Py_ssize_t)native->num_params)
        PyErr_Format(PyExc_TypeError, "%U() takes %u argument%s (%s), %zd %s given",
                     entry->qualname, native->num_params, native->num_params == 1 ? "" : "s",
                     native->signature, nargs, nargs == 1 ? "was" : "were");
    else if (c4pe_proxy_is_section(proxy) && !c4pe_proxy_is_partial(proxy) && proxy->ref.key.w[1])
        PyErr_Format(PyExc_TypeError,
                     "%U() is native: it cannot be called of a section that has members of several "
                     "collections",
                     entry->qualname);
    else
        return 0;
    return -1;
}

int
c4pe_native_message(const c4pe_proxy_t *proxy, const c4pe_entry_t *entry, PyObject *const *args,
                    Py_ssize_t nargs, c4p_msg_t **msg_out)
{
    const c4pe_native_t *native = entry->native;
    c4pe_state_t *st = entry->state;
    layout_t l;
    if (check_call(proxy, entry, nargs) < 0)
        return -1;
    l.entry = entry;
    l.params = native->params;
    l.num_views = 0;
    int result = take_all(&l, args, native->num_params);
    if (result == 0) {
        c4p_status_t status =
            c4p_msg_args(st->rt, native->typed, l.args, native->num_params, msg_out);
        if (status != C4P_OK) {
            c4pe_raise_status(st, status, PyUnicode_AsUTF8(entry->qualname));
            result = -1;
        }
    }
    while (l.num_views > 0)
        PyBuffer_Release(&l.views[--l.num_views]);
    return result;
}

/* ---- native state -------------------------------------------------------------------------------- */

int
c4pe_native_declare(c4pe_class_t *cls, PyObject *spec)
{
    Py_ssize_t size;
    if (spec == Py_None)
        return 0;
    if (!PyArg_ParseTuple(spec, "UOn;a native state is (name, make, size)", &cls->native_name,
                          &cls->make_native, &size)) {
        cls->native_name = cls->make_native = NULL;
        return -1;
    }
    Py_INCREF(cls->native_name);
    Py_INCREF(cls->make_native);
    cls->native_size = (size_t)size;
    return 0;
}

int
c4pe_native_give_state(c4pe_chare_t *chare, const c4pe_class_t *cls)
{
    chare->native = PyObject_CallNoArgs(cls->make_native);
    return chare->native ? 0 : -1;
}

void
c4pe_native_put_state(const c4pe_chare_t *chare, c4p_pup_t *p)
{
    c4p_put_blob(p, ((const c4pe_ndarray_t *)chare->native)->data, chare->coll->cls->native_size);
}

/* len 0: there was none. */
static int
read_state(const c4pe_class_t *cls, PyObject *array, const void *packed, size_t len)
{
    if (len != cls->native_size) {
        c4pe_raise(cls->state, "it has %zu bytes of native state; class %s declares %zu", len,
                   cls->name, cls->native_size);
        return -1;
    }
    if (len > 0)
        memcpy(((c4pe_ndarray_t *)array)->data, packed, len);
    return 0;
}

int
c4pe_native_set_state(c4pe_chare_t *chare, const void *packed, size_t len)
{
    return read_state(chare->coll->cls, chare->native, packed, len);
}

PyObject *
c4pe_native_record(const c4pe_class_t *cls, const void *packed, size_t len)
{
    PyObject *array = cls->make_native ? PyObject_CallNoArgs(cls->make_native) : Py_NewRef(Py_None);
    PyObject *record = NULL;
    if (array != NULL && read_state(cls, array, packed, len) == 0)
        record = PyObject_GetItem(array, cls->state->empty_tuple);
    Py_XDECREF(array);
    return record;
}

/* ---- functions of the module --------------------------------------------------------------------- */

/* What numpy calls such a number. */
static PyObject *
dtype_name(const c4p_param_t *param)
{
    const char kind = param->of == C4P_ARG_OF_bool      ? 'b'
                      : param->kind == C4P_ARG_SIGNED   ? 'i'
                      : param->kind == C4P_ARG_UNSIGNED ? 'u'
                      : param->kind == C4P_ARG_FLOATING ? 'f'
                                                        : 'V';
    return PyUnicode_FromFormat("%c%zd", kind, (Py_ssize_t)param->size);
}

static PyObject *
factors_tuple(const c4p_param_t *param)
{
    PyObject *tuple = PyTuple_New(param->num_factors);
    for (uint32_t f = 0; tuple != NULL && f < param->num_factors; f++) {
        PyObject *factor = PyLong_FromLong(param->factors[f]);
        if (factor == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, f, factor);
    }
    return tuple;
}

PyObject *
c4pe_signature_read(PyObject *Py_UNUSED(module), PyObject *text)
{
    static const char *const sorts[] = {"number", "array", "text", "ref", "struct"};
    c4p_param_t params[C4P_MAX_PARAMS];
    uint32_t num;
    const char *signature = PyUnicode_AsUTF8(text);
    if (signature == NULL || read_signature(signature, params, &num) < 0)
        return NULL;
    PyObject *list = PyList_New(num);
    for (uint32_t k = 0; list != NULL && k < num; k++) {
        PyObject *item =
            Py_BuildValue("(ssNKN)", params[k].name, sorts[params[k].sort], dtype_name(&params[k]),
                          (unsigned long long)params[k].count, factors_tuple(&params[k]));
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, item);
    }
    return list;
}

PyObject *
c4pe_native_state(PyObject *module, PyObject *op)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *native = st != NULL && c4pe_chare_check(st, op) ? ((c4pe_chare_t *)op)->native : NULL;
    if (native == NULL)
        return PyErr_Format(PyExc_TypeError, "%.100s has no native state", Py_TYPE(op)->tp_name);
    return Py_NewRef(native);
}
