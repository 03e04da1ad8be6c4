/* SPDX-License-Identifier: Apache-2.0 */
/* call.c: proxy.method(...). A target on this rank gets its arguments captured, without packing;
 * every other target gets bytes. */
#include "call.h"

#include "codec.h"
#include "future.h"
#include "native.h"
#include "profile.h"

/* The functions that end in _how are compiled twice, with and without counting; the constant
 * `profiled` says which. */
#define BOTH_WAYS static inline __attribute__((always_inline))

/* ---- the common case ----------------------------------------------------------------------------- */

/* Each rank with elements reads the arguments once; for arrays nobody knows how many those are. */
static int
pack_broadcast(c4pe_state_t *st, const c4pe_proxy_t *proxy, c4pe_entry_t *entry,
               PyObject *const *args, Py_ssize_t nargs, c4p_msg_t **msg_out)
{
    uint32_t saved = st->copies;
    st->copies = proxy->pclass->kind == C4PE_KIND_GROUP ? (uint32_t)st->num_ranks : 0;
    int result = c4pe_codec_pack_args(st, args, nargs, entry, c4pe_codec_temps(args), msg_out);
    st->copies = saved;
    return result;
}

static int
make_message(c4pe_state_t *st, const c4pe_proxy_t *proxy, c4pe_entry_t *entry,
             PyObject *const *args, Py_ssize_t nargs, c4p_msg_t **msg_out)
{
    if (!(proxy->flags & C4PE_PROXY_ELEMENT))
        return pack_broadcast(st, proxy, entry, args, nargs, msg_out);
    if (c4p_local(st->rt, proxy->ref) != NULL)
        return c4pe_codec_capture_args(st, args, nargs, entry, c4pe_codec_temps(args), msg_out);
    return c4pe_codec_pack_args(st, args, nargs, entry, c4pe_codec_temps(args), msg_out);
}

static PyObject *
refused(c4pe_state_t *st, c4p_status_t status, const c4pe_proxy_t *proxy, const c4pe_entry_t *entry,
        c4p_msg_t *msg)
{
    c4p_msg_free(msg);
    if (status == C4P_ERR_RANGE && proxy->pclass->kind == C4PE_KIND_GROUP) {
        PyErr_Format(PyExc_IndexError, "%U: group element %llu does not exist: there are %d ranks",
                     entry->qualname, (unsigned long long)proxy->ref.key.w[0], st->num_ranks);
        return NULL;
    }
    return c4pe_raise_status(st, status, PyUnicode_AsUTF8(entry->qualname));
}

static PyObject *
refuse_call(c4pe_state_t *st, const c4pe_entry_t *entry)
{
    const char *name = PyUnicode_AsUTF8(entry->qualname);
    if (name != NULL)
        c4pe_need_rt(st, name);
    return NULL;
}

BOTH_WAYS PyObject *
call_plain_how(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs,
               bool profiled)
{
    c4pe_state_t *st = entry->state;
    c4p_msg_t *msg;
    c4p_status_t status;
    if (!c4pe_may_call(st))
        return refuse_call(st, entry);
    if (make_message(st, proxy, entry, args, nargs, &msg) < 0)
        return NULL;
    if (profiled)
        c4pe_profile_sent(st, msg);
    if (proxy->flags & C4PE_PROXY_ELEMENT) {
        status = c4p_send(st->rt, proxy->ref, entry->id, msg);
    } else {
        c4p_msg_set_tag(msg, C4PE_TAG_SHARED | c4pe_section_tag(proxy));
        status = c4p_bcast(st->rt, proxy->ref.coll, entry->id, msg, C4P_BCAST_NO_REPLY, 0);
    }
    if (status != C4P_OK)
        return refused(st, status, proxy, entry, msg);
    if (c4pe_coro_throttle(st) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
c4pe_call_plain(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs)
{
    return call_plain_how(proxy, entry, args, nargs, false);
}

/* ---- answers ------------------------------------------------------------------------------------- */

/* Send with an answer: the future (new reference); NULL with an exception. */
static PyObject *
send_with_reply(c4pe_proxy_t *proxy, c4pe_entry_t *entry, c4p_msg_t *msg, uint32_t tag,
                const c4pe_call_how_t *how)
{
    c4pe_state_t *st = entry->state;
    bool element = proxy->flags & C4PE_PROXY_ELEMENT;
    int read_as = element ? C4PE_VALUE : how->ret ? C4PE_VALUE_GATHER : C4PE_VALUE_DONE;
    PyObject *future = c4pe_future_new(st, 1, read_as);
    if (future == NULL) {
        c4p_msg_free(msg);
        return NULL;
    }
    c4p_status_t status;
    c4pe_future_label(future, entry->qualname);
    if (element) {
        c4p_msg_set_tag(msg, tag);
        status = c4p_call(st->rt, proxy->ref, entry->id, msg, c4pe_future_id(future));
    } else {
        c4p_msg_set_tag(msg, tag | C4PE_TAG_SHARED | c4pe_section_tag(proxy));
        status = c4p_bcast(st->rt, proxy->ref.coll, entry->id, msg,
                           how->ret ? C4P_BCAST_GATHER : C4P_BCAST_DONE, c4pe_future_id(future));
    }
    if (status != C4P_OK) {
        c4pe_future_cancel(st, future);
        Py_DECREF(future);
        return refused(st, status, proxy, entry, msg);
    }
    return future;
}

static PyObject *
send_without_reply(c4pe_proxy_t *proxy, c4pe_entry_t *entry, c4p_msg_t *msg, uint32_t tag)
{
    c4pe_state_t *st = entry->state;
    c4p_status_t status;
    if (proxy->flags & C4PE_PROXY_ELEMENT) {
        c4p_msg_set_tag(msg, tag);
        status = c4p_send(st->rt, proxy->ref, entry->id, msg);
    } else {
        c4p_msg_set_tag(msg, tag | C4PE_TAG_SHARED | c4pe_section_tag(proxy));
        status = c4p_bcast(st->rt, proxy->ref.coll, entry->id, msg, C4P_BCAST_NO_REPLY, 0);
    }
    if (status != C4P_OK)
        return refused(st, status, proxy, entry, msg);
    Py_RETURN_NONE;
}

/* Is waiting, or making a future, allowed here? Before anything is sent. */
static int
check_context(c4pe_state_t *st, const c4pe_entry_t *entry, const c4pe_call_how_t *how)
{
    const char *name = PyUnicode_AsUTF8(entry->qualname);
    if (name == NULL)
        return -1;
    if (how->block)
        return c4pe_coro_need(st, name) != NULL ? 0 : -1;
    return c4pe_coro_may_create(st, name);
}

BOTH_WAYS PyObject *
send_as_asked_how(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs,
                  uint32_t tag, const c4pe_call_how_t *how, bool profiled)
{
    c4pe_state_t *st = entry->state;
    bool wants = how->awaitable || how->ret || how->block;
    c4p_msg_t *msg;
    if (!c4pe_may_call(st))
        return refuse_call(st, entry);
    if (wants && check_context(st, entry, how) < 0)
        return NULL;
    if ((entry->native ? c4pe_native_message(proxy, entry, args, nargs, &msg)
                       : make_message(st, proxy, entry, args, nargs, &msg)) < 0)
        return NULL;
    c4p_msg_set_priority(msg, how->priority);
    if (profiled)
        c4pe_profile_sent(st, msg);
    if (!wants)
        return send_without_reply(proxy, entry, msg, tag);
    PyObject *future = send_with_reply(proxy, entry, msg, tag, how);
    if (future == NULL || !how->block)
        return future;
    PyObject *result = c4pe_future_get(st, future);
    Py_DECREF(future);
    return result;
}

/* ---- keywords ------------------------------------------------------------------------------------ */

/* Is it this name of ours, which is interned? So are names in compiled code; those made at run time
 * or received are not. */
static bool
is_name(PyObject *given, PyObject *ours)
{
    return given == ours ||
           (!PyUnicode_CHECK_INTERNED(given) && PyUnicode_Compare(given, ours) == 0);
}

static bool
has_parameter(const c4pe_entry_t *entry, PyObject *name)
{
    if (entry->params != NULL && PySequence_Contains(entry->params, name) == 1)
        return true;
    return entry->kwonly != NULL && PyDict_Contains(entry->kwonly, name) == 1;
}

/* Is it one of the keywords that a method may have as a parameter of its own? Then it is that. */
static bool
is_soft_keyword(const c4pe_entry_t *entry, PyObject *name, PyObject *ours)
{
    return is_name(name, ours) && !has_parameter(entry, name);
}

static int
take_priority(const c4pe_entry_t *entry, PyObject *value, c4pe_call_how_t *how)
{
    PyObject *number = PyNumber_Index(value);
    int overflow = 0;
    long long priority = number ? PyLong_AsLongLongAndOverflow(number, &overflow) : 0;
    Py_XDECREF(number);
    if (number == NULL) {
        PyErr_Format(PyExc_TypeError, "%U(): priority must be a whole number, not %.100s",
                     entry->qualname, Py_TYPE(value)->tp_name);
        return -1;
    }
    if (overflow || priority < INT32_MIN || priority > INT32_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "%U(): priority %R does not fit; it goes from -2**31 to 2**31-1",
                     entry->qualname, value);
        return -1;
    }
    how->priority = (int32_t)priority;
    return 0;
}

/* Take the runtime's own keywords; how many there are, or -1 with an exception. */
static Py_ssize_t
take_runtime_keywords(const c4pe_entry_t *entry, PyObject *const *values, PyObject *kwnames,
                      c4pe_call_how_t *how)
{
    const c4pe_state_t *st = entry->state;
    Py_ssize_t taken = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        bool *flag = is_name(name, st->s_awaitable)              ? &how->awaitable
                     : is_name(name, st->s_ret)                  ? &how->ret
                     : is_soft_keyword(entry, name, st->s_block) ? &how->block
                                                                 : NULL;
        if (flag == NULL) {
            if (!is_soft_keyword(entry, name, st->s_priority))
                continue;
            if (take_priority(entry, values[i], how) < 0)
                return -1;
            taken++;
            continue;
        }
        int truth = PyObject_IsTrue(values[i]);
        if (truth < 0)
            return -1;
        *flag = truth;
        taken++;
    }
    return taken;
}

static bool
is_runtime_keyword(const c4pe_entry_t *entry, PyObject *name)
{
    const c4pe_state_t *st = entry->state;
    return is_name(name, st->s_awaitable) || is_name(name, st->s_ret) ||
           is_soft_keyword(entry, name, st->s_block) ||
           is_soft_keyword(entry, name, st->s_priority);
}

/* What a call with keywords becomes: positional arguments and a dict of the rest (NULL: none). */
typedef struct binding {
    PyObject *args; /* list */
    PyObject *kwargs;
} binding_t;

static int
bind_extra(const c4pe_entry_t *entry, binding_t *b, PyObject *name, PyObject *value)
{
    if (entry->params != NULL && !(entry->flags & C4PE_VARKW) &&
        !(entry->kwonly && PyDict_Contains(entry->kwonly, name) == 1)) {
        bool twice = PySequence_Contains(entry->params, name) == 1;
        PyErr_Format(PyExc_TypeError,
                     twice ? "%U() got multiple values for argument %R"
                           : "%U() got an unexpected keyword argument %R",
                     entry->qualname, name);
        return -1;
    }
    if (b->kwargs == NULL && (b->kwargs = PyDict_New()) == NULL)
        return -1;
    return PyDict_SetItem(b->kwargs, name, value);
}

/* The value of a keyword, borrowed, or NULL. */
static PyObject *
keyword_value(PyObject *const *values, PyObject *kwnames, PyObject *name)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *given = PyTuple_GET_ITEM(kwnames, i);
        if (given == name || PyUnicode_Compare(given, name) == 0)
            return values[i];
    }
    return NULL;
}

/* Positional parameters that were not given by position: keyword, else default, else an error at
 * the caller. */
static int
bind_missing(const c4pe_entry_t *entry, binding_t *b, PyObject *const *values, PyObject *kwnames)
{
    for (Py_ssize_t i = PyList_GET_SIZE(b->args); i < entry->nparams; i++) {
        PyObject *name = PyTuple_GET_ITEM(entry->params, i);
        PyObject *value =
            is_runtime_keyword(entry, name) ? NULL : keyword_value(values, kwnames, name);
        if (value == NULL && i >= entry->nrequired)
            value = PyTuple_GET_ITEM(entry->defaults, i - entry->nrequired);
        if (value == NULL) {
            PyErr_Format(PyExc_AssertionError, "%U(): the parameter %R got no value",
                         entry->qualname, name);
            return -1;
        }
        if (PyList_Append(b->args, value) < 0)
            return -1;
    }
    return 0;
}

/* Keyword-only parameters without default must have a value. */
static int
check_kwonly(const c4pe_entry_t *entry, const binding_t *b)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (entry->kwonly != NULL && PyDict_Next(entry->kwonly, &at, &name, &value))
        if (value == entry->state->required &&
            (b->kwargs == NULL || PyDict_Contains(b->kwargs, name) != 1)) {
            PyErr_Format(PyExc_TypeError, "%U() misses the keyword-only argument %R",
                         entry->qualname, name);
            return -1;
        }
    return 0;
}

static int
bind_keywords(const c4pe_entry_t *entry, binding_t *b, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    PyObject *const *values = args + nargs;
    b->kwargs = NULL;
    if ((b->args = PyList_New(nargs)) == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyList_SET_ITEM(b->args, i, Py_NewRef(args[i]));
    if (entry->params != NULL && bind_missing(entry, b, values, kwnames) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (is_runtime_keyword(entry, name))
            continue;
        Py_ssize_t at = entry->params ? PySequence_Index(entry->params, name) : -1;
        if (at < 0)
            PyErr_Clear();
        if (at >= nargs)
            continue; /* bind_missing took it */
        if (bind_extra(entry, b, name, values[i]) < 0)
            return -1;
    }
    return check_kwonly(entry, b);
}

BOTH_WAYS PyObject *
call_keywords_how(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames, bool profiled)
{
    c4pe_call_how_t how = {.priority = 0};
    Py_ssize_t taken = take_runtime_keywords(entry, args + nargs, kwnames, &how);
    if (taken < 0)
        return NULL;
    if (taken == PyTuple_GET_SIZE(kwnames) && entry->kwonly == NULL &&
        (entry->params == NULL || nargs >= entry->nrequired) && c4pe_section_tag(proxy) == 0)
        /* the receiver fills in the same defaults */
        return send_as_asked_how(proxy, entry, args, nargs, 0, &how, profiled);
    binding_t b;
    PyObject *result = NULL;
    uint32_t tag = 0;
    if (bind_keywords(entry, &b, args, nargs, kwnames) == 0) {
        if (b.kwargs != NULL && PyList_Append(b.args, b.kwargs) == 0)
            tag = C4PE_TAG_KWARGS;
        if (!PyErr_Occurred())
            result = send_as_asked_how(proxy, entry, PySequence_Fast_ITEMS(b.args),
                                       PyList_GET_SIZE(b.args), tag, &how, profiled);
    }
    Py_XDECREF(b.args);
    Py_XDECREF(b.kwargs);
    return result;
}

PyObject *
c4pe_call_keywords(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args,
                   Py_ssize_t nargs, PyObject *kwnames)
{
    return call_keywords_how(proxy, entry, args, nargs, kwnames, false);
}

/* ---- entry methods in C -------------------------------------------------------------------------- */

static PyObject *
call_native_plain(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs)
{
    c4pe_state_t *st = entry->state;
    c4p_msg_t *msg;
    if (!c4pe_may_call(st))
        return refuse_call(st, entry);
    if (c4pe_native_message(proxy, entry, args, nargs, &msg) < 0)
        return NULL;
    if (st->profile)
        c4pe_profile_sent(st, msg);
    PyObject *done = send_without_reply(proxy, entry, msg, 0);
    if (done != NULL && c4pe_coro_throttle(st) < 0)
        Py_CLEAR(done);
    return done;
}

PyObject *
c4pe_call_native(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    c4pe_state_t *st = entry->state;
    if (kwnames != NULL)
        return st->profile ? c4pe_call_profiled(proxy, entry, args, nargs, kwnames)
                           : c4pe_call_keywords(proxy, entry, args, nargs, kwnames);
    if (st->profile == NULL)
        return call_native_plain(proxy, entry, args, nargs);
    c4pe_stats_t *caller = st->profile->stats;
    c4pe_charged_t before = c4pe_profile_charge(st, caller, &caller->send);
    PyObject *result = call_native_plain(proxy, entry, args, nargs);
    c4pe_profile_leave(st, before);
    return result;
}

/* ---- profiling ----------------------------------------------------------------------------------- */

PyObject *
c4pe_call_profiled(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args,
                   Py_ssize_t nargs, PyObject *kwnames)
{
    c4pe_state_t *st = entry->state;
    c4pe_stats_t *caller = st->profile->stats;
    c4pe_charged_t before = c4pe_profile_charge(st, caller, &caller->send);
    PyObject *result = kwnames ? call_keywords_how(proxy, entry, args, nargs, kwnames, true)
                               : call_plain_how(proxy, entry, args, nargs, true);
    c4pe_profile_leave(st, before);
    return result;
}
