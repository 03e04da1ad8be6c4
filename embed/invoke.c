/* SPDX-License-Identifier: Apache-2.0 */
/* invoke.c: the runtime's calls into Python: construct a chare, run an entry method, answer,
 * destroy. */
#include "codec.h"
#include "coroutine.h"
#include "joined.h"
#include "move.h"
#include "native.h"
#include "process.h"
#include "profile.h"
#include "state.h"
#include "when.h"

/* ---- arguments ----------------------------------------------------------------------------------- */

/* What a reduction's result becomes for a method: one argument, or none. */
static PyObject *
result_args(c4pe_state_t *st, c4p_msg_t *msg)
{
    bool empty = false;
    PyObject *value = c4pe_reduce_decode(st, msg, &empty);
    if (value == NULL)
        return NULL;
    PyObject *args = empty ? Py_NewRef(st->empty_tuple) : PyTuple_Pack(1, value);
    Py_DECREF(value);
    return args;
}

static PyObject *
decode_args(c4pe_state_t *st, c4p_msg_t *msg)
{
    if (c4p_msg_is_result(msg))
        return result_args(st, msg);
    if (c4p_msg_len(msg) == 0 && c4p_msg_object(msg) == NULL)
        return Py_NewRef(st->empty_tuple);
    return c4pe_codec_unpack_args(st, msg);
}

static PyObject *
shared_args(c4pe_state_t *st, c4p_msg_t *msg)
{
    if (st->shared_msg != msg) {
        PyObject *args = decode_args(st, msg);
        if (args == NULL)
            return NULL;
        c4pe_drop_shared(st);
        c4p_msg_keep(msg);
        st->shared_msg = msg;
        st->shared_args = args;
    }
    return Py_NewRef(st->shared_args);
}

PyObject *
c4pe_msg_args(c4pe_state_t *st, c4p_msg_t *msg)
{
    return c4p_msg_tag(msg) & C4PE_TAG_SHARED ? shared_args(st, msg) : decode_args(st, msg);
}

void
c4pe_drop_shared(c4pe_state_t *st)
{
    PyObject *args = st->shared_args;
    c4p_msg_t *msg = st->shared_msg;
    st->shared_args = NULL;
    st->shared_msg = NULL;
    c4p_msg_free(msg);
    Py_XDECREF(args);
}

/* Split off the dict of keyword arguments, borrowed from `*args`, which is replaced. -1 with an
 * exception. */
static int
take_keywords(PyObject **args, PyObject **kwargs_out)
{
    Py_ssize_t n = PyTuple_GET_SIZE(*args);
    if (n == 0 || !PyDict_Check(PyTuple_GET_ITEM(*args, n - 1))) {
        PyErr_SetString(PyExc_RuntimeError, "the keyword arguments of a call arrived damaged");
        return -1;
    }
    PyObject *kwargs = Py_NewRef(PyTuple_GET_ITEM(*args, n - 1));
    PyObject *rest = PyTuple_GetSlice(*args, 0, n - 1);
    if (rest == NULL) {
        Py_DECREF(kwargs);
        return -1;
    }
    Py_SETREF(*args, rest);
    *kwargs_out = kwargs;
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void
answer_error(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
             const c4p_reply_t *reply)
{
    bool constructor = entry != NULL && entry == &entry->cls->init; /* its failure always ends the
                                                                       job */
    if (PyErr_Occurred() == NULL)
        PyErr_SetString(PyExc_SystemError, "a call failed without an exception");
    if (reply->kind == C4P_REPLY_NONE || constructor || !PyErr_ExceptionMatches(PyExc_Exception)) {
        c4pe_err_uncaught(st, chare, entry, constructor ? "constructing" : NULL);
        if (reply->kind != C4P_REPLY_NONE && !st->exiting)
            c4p_reply_send(st->rt, reply, NULL, false);
        return;
    }
    c4p_msg_t *msg = c4pe_err_encode(st);
    if (msg == NULL) {
        c4pe_err_uncaught(st, chare, entry, "reporting a failure of");
        return;
    }
    c4p_reply_send(st->rt, reply, msg, true);
}

static int
encode_answer(c4pe_state_t *st, const c4p_reply_t *reply, PyObject *result, c4p_msg_t **msg_out)
{
    *msg_out = NULL;
    if (result == Py_None || !c4p_reply_wants_value(reply))
        return 0;
    if (reply->kind != C4P_REPLY_FUTURE)
        return c4pe_codec_pack_value(st, result, C4PE_PACK_FLAT, msg_out);
    if (c4p_future_rank(reply->number) == st->rank)
        return c4pe_codec_capture_value(st, result, 0, msg_out);
    return c4pe_codec_pack_value(st, result, 0, msg_out);
}

/* The set exception says why the result cannot be encoded; the waiter learns whose result it was.
 */
static void
explain_unsendable(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
                   PyObject *result)
{
    PyObject *type, *value, *tb;
    char who[256];
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (chare != NULL && entry != NULL && entry->name != NULL)
        c4pe_raise(st,
                   "the result of %s.%U on rank %d, of type %s, cannot be sent to the caller: %S",
                   c4pe_describe_chare(chare, who, sizeof(who)), entry->name, st->rank,
                   Py_TYPE(result)->tp_name, value ? value : Py_None);
    else
        c4pe_raise(st, "a result on rank %d, of type %s, cannot be sent to the caller: %S",
                   st->rank, Py_TYPE(result)->tp_name, value ? value : Py_None);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(tb);
}

void
c4pe_invoke_done(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
                 const c4p_reply_t *reply, PyObject *result)
{
    c4p_msg_t *msg;
    if (st->forked && result != NULL)
        c4pe_process_leave_child(0);
    if (st->forked)
        c4pe_err_uncaught(st, chare, entry, NULL); /* ends the child */
    if (result == NULL) {
        answer_error(st, chare, entry, reply);
        return;
    }
    if (reply->kind != C4P_REPLY_NONE) {
        if (encode_answer(st, reply, result, &msg) < 0) {
            explain_unsendable(st, chare, entry, result);
            answer_error(st, chare, entry, reply);
        } else {
            c4p_reply_send(st->rt, reply, msg, false);
        }
    }
    Py_DECREF(result);
}

/* ---- running a method ---------------------------------------------------------------------------- */

enum { SMALL_ARGS = 6 };

/* func(self, *args, **kwargs) without making a new tuple for a few arguments. */
static PyObject *
call_with_self(PyObject *func, PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *stack[SMALL_ARGS + 2];
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject **items = n <= SMALL_ARGS ? stack : PyMem_Malloc(sizeof(PyObject *) * ((size_t)n + 2));
    if (items == NULL)
        return PyErr_NoMemory();
    items[1] = self;
    for (Py_ssize_t i = 0; i < n; i++)
        items[i + 2] = PyTuple_GET_ITEM(args, i);
    Py_INCREF(func); /* the method may replace itself in its class */
    const size_t nargsf = (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET;
    PyObject *result = kwargs == NULL ? PyObject_Vectorcall(func, items + 1, nargsf, NULL)
                                      : PyObject_VectorcallDict(func, items + 1, nargsf, kwargs);
    Py_DECREF(func);
    if (items != stack)
        PyMem_Free(items);
    return result;
}

static PyObject *
call_plain(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs)
{
    PyObject *func = c4pe_entry_func(entry); /* borrowed */
    if (func != NULL)
        return call_with_self(func, (PyObject *)chare, args, kwargs);
    PyObject *method = PyObject_GetAttr((PyObject *)chare, entry->name);
    if (method == NULL)
        return NULL;
    PyObject *result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
}

static int
start_coroutine(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
                const c4p_reply_t *reply)
{
    c4pe_state_t *st = entry->state;
    c4pe_job_t job = {.chare = chare, .entry = entry, .reply = *reply};
    bool is_async = entry->flags & C4PE_ASYNC;
    PyObject *func = c4pe_entry_func(entry); /* borrowed */
    if (func != NULL)
        return c4pe_coro_start(st, &job, func, (PyObject *)chare, args, kwargs, is_async);
    func = PyObject_GetAttr((PyObject *)chare, entry->name);
    if (func == NULL)
        return -1;
    int result = c4pe_coro_start(st, &job, func, NULL, args, kwargs, is_async);
    Py_DECREF(func);
    return result;
}

void
c4pe_invoke(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
            const c4p_reply_t *reply)
{
    c4pe_state_t *st = entry->state;
    c4pe_chare_t *saved_chare = st->now_chare;
    const c4pe_entry_t *saved_entry = st->now_entry;
    st->now_chare = chare;
    st->now_entry = st->last_entry = entry;
    if (entry->flags & (C4PE_CORO | C4PE_ASYNC)) {
        if (start_coroutine(chare, entry, args, kwargs, reply) < 0)
            c4pe_invoke_done(st, chare, entry, reply, NULL);
    } else {
        PyObject *result = call_plain(chare, entry, args, kwargs);
        if (result == Py_None && reply->kind == C4P_REPLY_NONE && !st->forked)
            Py_DECREF(result);
        else
            c4pe_invoke_done(st, chare, entry, reply, result);
    }
    st->now_chare = saved_chare;
    st->now_entry = saved_entry;
}

void
c4pe_after_entry(c4pe_chare_t *chare)
{
    if (chare->waitq != NULL && chare->state->auto_flush && !chare->state->exiting)
        c4pe_when_flush(chare);
}

/* ---- dispatch ------------------------------------------------------------------------------------ */

/* A call that has a condition: 1 if it may run now, 0 if it was queued, -1 with an exception. */
static int
admit(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
      const c4p_reply_t *reply)
{
    int now = c4pe_when_test(chare, entry, args, kwargs);
    if (now == 0 && c4pe_when_push(chare, entry, args, kwargs, reply) < 0)
        return -1;
    return now;
}

/* A reduction without data, and quiescence, call methods without arguments. One that insists on a
 * parameter gets None; of a section, one that can take an argument. */
static int
pad_empty_result(const c4pe_entry_t *entry, bool of_section, PyObject **args)
{
    bool takes_one = entry->nparams > 0 || (entry->flags & C4PE_VARARGS);
    if (entry->nparams < 0 || (entry->nrequired < 1 && !(of_section && takes_one)))
        return 0;
    PyObject *padded = PyTuple_Pack(1, Py_None);
    if (padded == NULL)
        return -1;
    Py_SETREF(*args, padded);
    return 0;
}

static bool
is_empty(const c4p_msg_t *msg, PyObject *args)
{
    return PyTuple_GET_SIZE(args) == 0 && (c4p_msg_is_result(msg) || c4p_msg_len(msg) == 0) &&
           c4p_msg_object(msg) == NULL;
}

/* A call with keywords, or one of a section. */
static c4pe_entry_t *
prepare_tagged(c4pe_entry_t *entry, const c4p_msg_t *msg, PyObject **args, PyObject **kwargs_out)
{
    const uint32_t tag = c4p_msg_tag(msg);
    if (tag & C4PE_TAG_KWARGS
            ? take_keywords(args, kwargs_out) < 0
            : is_empty(msg, *args) && pad_empty_result(entry, tag & C4PE_TAG_SECTION, args) < 0)
        return NULL;
    return tag & C4PE_TAG_CLASSES ? c4pe_joined_entry(entry, tag) : entry;
}

/* The rare cases before the call: keywords, results of reductions, sections. The entry that is to
 * run; NULL with an exception. */
static c4pe_entry_t *
prepare(c4pe_entry_t *entry, const c4p_msg_t *msg, PyObject **args, PyObject **kwargs_out)
{
    const uint32_t tag = c4p_msg_tag(msg);
    if (tag & (C4PE_TAG_KWARGS | C4PE_TAG_CLASSES))
        return prepare_tagged(entry, msg, args, kwargs_out);
    if (is_empty(msg, *args) && pad_empty_result(entry, tag & C4PE_TAG_SECTION, args) < 0)
        return NULL;
    return entry;
}

/* The arguments of a call cannot be read: its exception gets a note (where Python has notes), since
 * its frames do not say what was called. */
static void
note_call(c4pe_chare_t *chare, const c4pe_entry_t *entry)
{
    char who[256];
    PyObject *exc = c4pe_err_take();
    if (exc == NULL)
        return;
    PyObject *text = PyUnicode_FromFormat("while unpacking the arguments of %s.%U on rank %d",
                                          c4pe_describe_chare(chare, who, sizeof(who)), entry->name,
                                          entry->state->rank);
    PyObject *none = text ? PyObject_CallMethod(exc, "add_note", "O", text) : NULL;
    PyErr_Clear();
    Py_XDECREF(none);
    Py_XDECREF(text);
    PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    Py_DECREF(exc);
}

/* Compiled twice, with and without counting. */
static inline __attribute__((always_inline)) void
entry_run_how(c4p_rt_t *rt, c4pe_chare_t *chare, c4p_msg_t *msg, c4pe_entry_t *entry, bool profiled)
{
    c4pe_state_t *st = entry->state;
    PyObject *kwargs = NULL;
    c4p_reply_t reply;
    if (st->exiting)
        return;
    reply.kind = C4P_REPLY_NONE;
    c4p_reply_take(rt, msg, &reply);
    PyObject *args = c4pe_msg_args(st, msg);
    if (profiled)
        c4pe_profile_charge(st, entry->stats, &entry->stats->run);
    c4pe_entry_t *called = args != NULL ? prepare(entry, msg, &args, &kwargs) : NULL;
    if (called == NULL) {
        if (args == NULL)
            note_call(chare, entry);
        c4pe_invoke_done(st, chare, entry, &reply, NULL);
        goto done;
    }
    entry = called;
    if (entry->cond != NULL) {
        int now = admit(chare, entry, args, kwargs, &reply);
        if (now < 0)
            c4pe_invoke_done(st, chare, entry, &reply, NULL);
        if (now <= 0)
            goto done;
    }
    c4pe_invoke(chare, entry, args, kwargs, &reply);
    c4pe_after_entry(chare);
done:
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
}

void
c4pe_entry_run(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    entry_run_how(rt, object, msg, ctx, false);
}

void
c4pe_entry_run_profiled(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_state_t *st = entry->state;
    c4pe_charged_t before = c4pe_profile_charge(st, entry->stats, &entry->stats->recv);
    entry->stats->calls++;
    c4pe_profile_received(st, msg);
    entry_run_how(rt, object, msg, entry, true);
    c4pe_profile_leave(st, before);
}

/* A call that has waited for its condition: it was counted when it arrived. */
void
c4pe_invoke_profiled(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
                     const c4p_reply_t *reply)
{
    c4pe_state_t *st = entry->state;
    c4pe_charged_t before = c4pe_profile_charge(st, entry->stats, &entry->stats->run);
    c4pe_invoke(chare, entry, args, kwargs, reply);
    c4pe_profile_leave(st, before);
}

/* ---- values of futures --------------------------------------------------------------------------- */

static PyObject *
decode_gathered(c4pe_state_t *st, c4p_msg_t *msg)
{
    c4p_gathered_t part;
    size_t cursor = 0;
    PyObject *list = PyList_New(0);
    while (list != NULL && c4p_gathered_next(msg, &cursor, &part)) {
        PyObject *value;
        if (part.is_error)
            value = c4pe_err_decode_bytes(st, part.data, part.len);
        else if (part.len == 0)
            value = Py_NewRef(Py_None);
        else
            value = c4pe_codec_unpack_bytes(st, part.data, part.len);
        if (value == NULL && !PyErr_ExceptionMatches(PyExc_MemoryError) &&
            PyErr_ExceptionMatches(PyExc_Exception))
            value = c4pe_err_take(); /* a result that cannot be read stands for its failure */
        if (value == NULL || PyList_Append(list, value) < 0)
            Py_CLEAR(list);
        Py_XDECREF(value);
    }
    return list;
}

PyObject *
c4pe_value_decode(c4pe_state_t *st, c4p_msg_t *msg, bool is_error, int how)
{
    if (is_error)
        return msg ? c4pe_err_decode(st, msg)
                   : PyObject_CallFunction(st->exc_error, "s", "the call failed");
    if (how == C4PE_VALUE_GATHER)
        return msg ? decode_gathered(st, msg) : PyList_New(0);
    if (msg == NULL)
        Py_RETURN_NONE;
    if (c4p_msg_object(msg) != NULL)
        return c4pe_codec_unpack_value(st, msg);
    if (c4p_msg_is_result(msg))
        return c4pe_reduce_decode(st, msg, NULL);
    if (how == C4PE_VALUE_DONE || c4p_msg_len(msg) == 0)
        Py_RETURN_NONE;
    return c4pe_codec_unpack_value(st, msg);
}

/* ---- life of a chare ----------------------------------------------------------------------------- */

c4pe_chare_t *
c4pe_chare_make(c4pe_class_t *cls)
{
    c4pe_state_t *st = cls->state;
    bool was = st->making;
    PyObject *object;
    st->making = true;
    if (cls->own_new)
        object = PyObject_CallMethod((PyObject *)cls->type, "__new__", "O", cls->type);
    else
        object = cls->type->tp_new(cls->type, st->empty_tuple, NULL);
    st->making = was;
    if (object != NULL && !PyObject_TypeCheck(object, cls->type)) {
        PyErr_Format(PyExc_TypeError, "%s.__new__() returned %s, which is no %s", cls->name,
                     Py_TYPE(object)->tp_name, cls->name);
        Py_CLEAR(object);
    }
    if (object != NULL && cls->make_native != NULL &&
        c4pe_native_give_state((c4pe_chare_t *)object, cls) < 0)
        Py_CLEAR(object);
    return (c4pe_chare_t *)object;
}

static int
start_init(c4pe_chare_t *chare, PyObject *args, const c4p_reply_t *reply, unsigned flags)
{
    c4pe_state_t *st = chare->state;
    c4pe_class_t *cls = chare->coll->cls;
    c4pe_job_t job = {.chare = chare, .entry = &cls->init, .reply = *reply};
    PyObject *func = PyObject_GetAttr((PyObject *)cls->type, st->s_init);
    if (func == NULL)
        return -1;
    int result = c4pe_coro_start(st, &job, func, (PyObject *)chare, args, NULL, flags & C4PE_ASYNC);
    Py_DECREF(func);
    return result;
}

/* Run __init__; its exceptions always end the job. */
static void
run_init(c4pe_chare_t *chare, PyObject *args, const c4p_reply_t *reply)
{
    c4pe_state_t *st = chare->state;
    c4pe_class_t *cls = chare->coll->cls;
    unsigned flags = cls->init_flags | (st->making_main ? C4PE_CORO : 0);
    c4pe_chare_t *saved_chare = st->now_chare;
    const c4pe_entry_t *saved_entry = st->now_entry;
    st->now_chare = chare;
    st->now_entry = st->last_entry = &cls->init;
    if (flags & (C4PE_CORO | C4PE_ASYNC)) {
        st->making_main = false;
        if (start_init(chare, args, reply, flags) < 0)
            c4pe_err_uncaught(st, chare, &cls->init, "constructing");
    } else {
        st->no_suspend++;
        int result = Py_TYPE(chare)->tp_init((PyObject *)chare, args, NULL);
        st->no_suspend--;
        if (result < 0)
            c4pe_err_uncaught(st, chare, &cls->init, "constructing"); /* returns: it goes on */
        if (reply->kind != C4P_REPLY_NONE && !st->exiting)
            c4p_reply_send(st->rt, reply, NULL, false);
    }
    if (flags & C4PE_LOOK)
        c4pe_class_look(chare);
    st->now_chare = saved_chare;
    st->now_entry = saved_entry;
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *msg, void *ctx, void **object_out)
{
    c4pe_class_t *cls = ctx;
    c4pe_state_t *st = cls->state;
    c4p_reply_t reply = {.kind = C4P_REPLY_NONE};
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb); /* created by code that is handling an exception */
    c4pe_coll_t *coll = c4pe_coll_get(st, self.coll, cls);
    c4pe_chare_t *chare = coll ? c4pe_chare_make(cls) : NULL;
    PyObject *args = chare == NULL ? NULL
                     : msg != NULL ? shared_args(st, msg)
                                   : Py_NewRef(st->empty_tuple);
    if (args == NULL) {
        Py_XDECREF(chare);
        c4pe_err_uncaught(st, NULL, &cls->init, "constructing");
        PyErr_Restore(type, value, tb);
        return C4P_ERR_USER;
    }
    chare->coll = coll;
    chare->key = self.key;
    chare->flags = C4PE_CHARE_MIGRATABLE;
    *object_out = chare;
    c4p_reply_take(rt, msg, &reply);
    run_init(chare, args, &reply);
    Py_DECREF(args);
    c4pe_after_entry(chare);
    PyErr_Restore(type, value, tb);
    return C4P_OK;
}

static void
destroy(c4p_rt_t *Py_UNUSED(rt), void *object, void *Py_UNUSED(ctx))
{
    Py_DECREF((PyObject *)object);
}

static c4p_status_t
construct_profiled(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *msg, void *ctx, void **object_out)
{
    c4pe_class_t *cls = ctx;
    c4pe_charged_t before = c4pe_profile_charge(cls->state, cls->init.stats, &cls->init.stats->run);
    cls->init.stats->calls++;
    c4p_status_t status = construct(rt, self, msg, ctx, object_out);
    c4pe_profile_leave(cls->state, before);
    return status;
}

const c4p_type_desc_t c4pe_type_desc_profiled = {
    .struct_size = sizeof(c4p_type_desc_t),
    .construct = construct_profiled,
    .destroy = destroy,
    .pack = c4pe_move_pack,
    .unpack = c4pe_move_unpack,
    .arrived = c4pe_move_arrived,
    .movable = c4pe_move_allowed,
};

const c4p_type_desc_t c4pe_type_desc = {
    .struct_size = sizeof(c4p_type_desc_t),
    .construct = construct,
    .destroy = destroy,
    .pack = c4pe_move_pack,
    .unpack = c4pe_move_unpack,
    .arrived = c4pe_move_arrived,
    .movable = c4pe_move_allowed,
};
