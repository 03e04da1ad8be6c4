/* SPDX-License-Identifier: Apache-2.0 */
/* move.c: chares that move to another rank. */
#include "move.h"

#include "channel_int.h"
#include "codec.h"
#include "native.h"
#include "profile.h"
#include "when.h"

/* In the word of flags: calls or channels follow; native state follows. */
enum { HAS_PARTS = 0x100, HAS_NATIVE = 0x200 };

/* ---- leaving ------------------------------------------------------------------------------------- */

/* The result of an allreduce comes to where the chare is then, and its future stays here. */
static int
check_pending(c4pe_chare_t *chare)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (chare->pending != NULL && PyDict_Next(chare->pending, &at, &key, &value))
        if (PyList_CheckExact(value) || Py_REFCNT(value) > 1) {
            c4pe_raise(chare->state, "it has a future of allreduce() that is not ready; get() its "
                                     "value before the chare moves");
            return -1;
        }
    return 0;
}

/* What pickle would take of the chare: new reference. */
static PyObject *
get_state(c4pe_chare_t *chare)
{
    if (chare->coll->cls->plain_state)
        return PyObject_GenericGetDict((PyObject *)chare, NULL);
    PyObject *func = PyDict_GetItemString(chare->state->hooks, "get_state"); /* borrowed */
    return PyObject_CallOneArg(func, (PyObject *)chare);
}

int
c4pe_move_put(c4pe_state_t *st, c4p_pup_t *p, PyObject *value)
{
    c4p_msg_t *msg;
    if (c4pe_codec_pack_value(st, value, C4PE_PACK_FLAT, &msg) < 0)
        return -1;
    c4p_put_blob(p, c4p_msg_data(msg), c4p_msg_len(msg));
    c4p_msg_free(msg);
    return 0;
}

static int
put_parts(c4pe_chare_t *chare, c4p_pup_t *p)
{
    PyObject *channels = c4pe_channel_pack(chare);
    PyObject *calls = channels ? c4pe_when_pack(chare) : NULL;
    PyObject *parts =
        calls ? PyTuple_Pack(3, channels, calls, chare->subscribers ? chare->subscribers : Py_None)
              : NULL;
    int result = parts ? c4pe_move_put(chare->state, p, parts) : -1;
    Py_XDECREF(channels);
    Py_XDECREF(calls);
    Py_XDECREF(parts);
    return result;
}

static int
put_with(c4pe_chare_t *chare, PyObject *state, c4p_pup_t *p)
{
    c4pe_state_t *st = chare->state;
    bool parts = chare->channels || chare->waitq || chare->subscribers;
    if (check_pending(chare) < 0)
        return -1;
    c4p_put_u32(p, chare->flags | (parts ? (uint32_t)HAS_PARTS : 0) |
                       (chare->native ? (uint32_t)HAS_NATIVE : 0));
    if (parts && put_parts(chare, p) < 0)
        return -1;
    if (chare->native)
        c4pe_native_put_state(chare, p);
    st->moving = chare;
    int result = c4pe_move_put(st, p, state);
    st->moving = NULL;
    return result;
}

static int
put_chare(c4pe_chare_t *chare, c4p_pup_t *p)
{
    PyObject *state = get_state(chare); /* first: it may make channels */
    int result = state ? put_with(chare, state, p) : -1;
    Py_XDECREF(state);
    return result;
}

c4p_status_t
c4pe_move_fail(c4pe_state_t *st, c4p_pup_t *p)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    PyObject *text =
        PyUnicode_FromFormat("%s: %S", ((PyTypeObject *)type)->tp_name, value ? value : Py_None);
    if (PyErr_GivenExceptionMatches(type, PyExc_SystemExit)) { /* asks for the end, wherever */
        PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(tb));
        c4pe_err_uncaught(st, NULL, NULL, NULL);
    }
    PyErr_Clear();
    const char *why = text ? PyUnicode_AsUTF8(text) : NULL;
    PyErr_Clear();
    PyErr_Restore(type, value, tb);
    c4p_msg_t *error = c4pe_err_encode(st);
    PyErr_Clear();
    c4p_pup_fail(p, why, error);
    Py_XDECREF(text);
    return C4P_ERR_USER;
}

/* Code of the class runs: reports name the chare. */
static c4pe_chare_t *
enter(c4pe_state_t *st, c4pe_chare_t *chare)
{
    c4pe_chare_t *before = st->now_chare;
    st->now_chare = chare;
    st->no_suspend++;
    return before;
}

static void
leave(c4pe_state_t *st, c4pe_chare_t *before)
{
    st->no_suspend--;
    st->now_chare = before;
}

c4p_status_t
c4pe_move_pack(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_pup_t *p, void *Py_UNUSED(ctx))
{
    c4pe_chare_t *chare = object;
    c4pe_state_t *st = chare->state;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb); /* moved by code that is handling an exception */
    c4pe_charged_t charged = c4pe_profile_enter(st, C4PE_ACCOUNT_MOVE);
    c4pe_chare_t *before = enter(st, chare);
    c4p_status_t status = put_chare(chare, p) < 0 ? c4pe_move_fail(st, p) : c4p_pup_status(p);
    leave(st, before);
    c4pe_profile_leave(st, charged);
    PyErr_Restore(type, value, tb);
    return status;
}

/* ---- arriving ------------------------------------------------------------------------------------ */

PyObject *
c4pe_move_get(c4pe_state_t *st, c4p_pup_t *p)
{
    size_t len;
    const void *data = c4p_get_blob(p, &len);
    if (data == NULL)
        return c4pe_raise(st, "it arrived damaged");
    return c4pe_codec_unpack_bytes(st, data, len);
}

static int
get_parts(c4pe_chare_t *chare, c4p_pup_t *p)
{
    PyObject *channels, *calls, *subscribers, *parts = c4pe_move_get(chare->state, p);
    int result = -1;
    if (parts && PyArg_ParseTuple(parts, "OOO", &channels, &calls, &subscribers) &&
        c4pe_channel_unpack(chare, channels) == 0)
        result = c4pe_when_unpack(chare, calls);
    if (result == 0 && subscribers != Py_None)
        chare->subscribers = Py_NewRef(subscribers);
    Py_XDECREF(parts);
    return result;
}

/* Attributes found by interned names are found faster. */
static int
set_attributes(c4pe_chare_t *chare, PyObject *state)
{
    PyObject *dict = PyObject_GenericGetDict((PyObject *)chare, NULL), *key, *value;
    Py_ssize_t at = 0;
    if (dict == NULL)
        return -1;
    int result = 0;
    while (result == 0 && PyDict_Next(state, &at, &key, &value)) {
        Py_INCREF(key);
        if (PyUnicode_CheckExact(key))
            PyUnicode_InternInPlace(&key);
        result = PyDict_SetItem(dict, key, value);
        Py_DECREF(key);
    }
    Py_DECREF(dict);
    return result;
}

static int
set_state(c4pe_chare_t *chare, PyObject *state)
{
    if (chare->coll->cls->plain_state && PyDict_CheckExact(state))
        return set_attributes(chare, state);
    PyObject *func = PyDict_GetItemString(chare->state->hooks, "set_state"); /* borrowed */
    PyObject *done = PyObject_CallFunctionObjArgs(func, chare, state, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int
get_state_of(c4pe_chare_t *chare, c4p_pup_t *p)
{
    c4pe_state_t *st = chare->state;
    st->arriving = chare;
    PyObject *state = c4pe_move_get(st, p);
    st->arriving = NULL;
    int result = state ? set_state(chare, state) : -1;
    Py_XDECREF(state);
    return result;
}

static int
get_chare(c4pe_chare_t *chare, c4p_pup_t *p)
{
    uint32_t flags = c4p_get_u32(p);
    chare->flags = flags & C4PE_CHARE_MIGRATABLE;
    if (flags & HAS_PARTS && get_parts(chare, p) < 0)
        return -1;
    size_t len = 0;
    const void *native = flags & HAS_NATIVE ? c4p_get_blob(p, &len) : NULL;
    if (c4pe_native_set_state(chare, native, native ? len : 0) < 0)
        return -1;
    if (get_state_of(chare, p) < 0)
        return -1;
    if (chare->coll->cls->init_flags & C4PE_LOOK)
        c4pe_class_look(chare);
    return 0;
}

c4p_status_t
c4pe_move_unpack(c4p_rt_t *Py_UNUSED(rt), c4p_ref_t self, c4p_pup_t *p, void *ctx,
                 void **object_out)
{
    c4pe_class_t *cls = ctx;
    c4pe_state_t *st = cls->state;
    c4p_status_t status = C4P_OK;
    c4pe_coll_t *coll = c4pe_coll_get(st, self.coll, cls);
    c4pe_chare_t *chare = coll ? c4pe_chare_make(cls) : NULL;
    c4pe_chare_t *before = enter(st, chare);
    if (chare) {
        chare->coll = coll;
        chare->key = self.key;
    }
    if (!chare || get_chare(chare, p) < 0) {
        status = c4pe_move_fail(st, p);
        Py_CLEAR(chare);
    }
    leave(st, before);
    *object_out = chare;
    return status;
}

/* What one of these was packed into, read as if it were the chare's; native state is an item of it.
 */
static PyObject *
old_state(c4pe_chare_t *chare, c4p_pup_t *p)
{
    const uint32_t flags = c4p_get_u32(p);
    size_t len = 0;
    if (flags & HAS_PARTS)
        (void)c4p_get_blob(p, &len);
    const void *native = flags & HAS_NATIVE ? c4p_get_blob(p, &len) : NULL;
    chare->state->arriving = chare;
    PyObject *state = c4pe_move_get(chare->state, p);
    chare->state->arriving = NULL;
    if (!native || !state || !PyDict_Check(state))
        return state;
    PyObject *record = c4pe_native_record(chare->coll->cls, native, len);
    if (!record || PyDict_SetItem(state, chare->coll->cls->native_name, record) < 0)
        Py_CLEAR(state);
    Py_XDECREF(record);
    return state;
}

/* {old rank: state} of these states. */
static PyObject *
old_states(c4pe_chare_t *chare, const c4p_group_state_t *states, uint32_t count)
{
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict && i < count; i++) {
        PyObject *state = old_state(chare, states[i].p);
        PyObject *rank = state ? PyLong_FromLong(states[i].rank) : NULL;
        if (!rank || PyDict_SetItem(dict, rank, state) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(rank);
        Py_XDECREF(state);
    }
    return dict;
}

c4p_status_t
c4pe_move_regroup(c4p_rt_t *Py_UNUSED(rt), void *object, const c4p_group_state_t *states,
                  uint32_t count, c4p_pup_t *why, void *Py_UNUSED(ctx))
{
    c4pe_chare_t *chare = object;
    c4pe_state_t *st = chare->state;
    c4pe_chare_t *before = enter(st, chare);
    PyObject *dict = old_states(chare, states, count);
    PyObject *done = dict ? PyObject_CallMethod((PyObject *)chare, "regrouped", "O", dict) : NULL;
    c4p_status_t status = done ? C4P_OK : c4pe_move_fail(st, why);
    Py_XDECREF(done);
    Py_XDECREF(dict);
    leave(st, before);
    return status;
}

void
c4pe_move_arrived(c4p_rt_t *Py_UNUSED(rt), void *object, void *ctx)
{
    const c4p_reply_t nobody = {.kind = C4P_REPLY_NONE};
    c4pe_class_t *cls = ctx;
    c4pe_chare_t *chare = object;
    if (cls->state->exiting)
        return;
    Py_INCREF(chare); /* the method may destroy the element */
    if (cls->hears_moves)
        c4pe_invoke(chare, &cls->migrated, cls->state->empty_tuple, NULL, &nobody);
    c4pe_after_entry(chare);
    Py_DECREF(chare);
}

bool
c4pe_move_allowed(c4p_rt_t *rt, void *object, void *ctx)
{
    const c4pe_chare_t *chare = object;
    (void)rt, (void)ctx;
    return chare->flags & C4PE_CHARE_MIGRATABLE;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static void
explain_busy(c4pe_chare_t *chare)
{
    char whose[200];
    c4pe_raise(chare->state,
               "%s cannot move: %u of its coroutines %s; let it end first, for example by "
               "calling migrate() from outside when its work is done",
               c4pe_describe_chare(chare, whose, sizeof(whose)), chare->num_coroutines,
               chare->num_coroutines == 1 ? "waits" : "wait");
}

/* -1 with an exception. */
static int
request(c4pe_chare_t *chare, PyObject *rank, const c4p_reply_t *answer)
{
    c4pe_state_t *st = chare->state;
    PyObject *number = PyNumber_Index(rank);
    long to = number ? PyLong_AsLong(number) : -1;
    char whose[200];
    Py_XDECREF(number);
    if (to == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
    }
    c4p_status_t status =
        to != (int)to ? C4P_ERR_RANGE : c4p_migrate(st->rt, c4pe_chare_ref(chare), (int)to, answer);
    if (status == C4P_OK)
        return 0;
    if (status == C4P_ERR_RANGE)
        PyErr_Format(PyExc_IndexError, "%s.migrate(%S): there is no such PE; they are 0 to %d",
                     c4pe_describe_chare(chare, whose, sizeof(whose)), rank, st->num_ranks - 1);
    else if (status == C4P_ERR_BUSY && chare->num_coroutines > 0) {
        if (answer && answer->kind == C4P_REPLY_NONE) /* the runtime has said so */
            return 0;
        explain_busy(chare);
    } else if (status == C4P_ERR_BUSY || status == C4P_ERR_TYPE)
        c4pe_raise(st,
                   "%s cannot move: only elements of arrays can, once they are constructed or "
                   "have arrived",
                   c4pe_describe_chare(chare, whose, sizeof(whose)));
    else
        c4pe_raise_status(st, status, "migrate()");
    return -1;
}

PyObject *
c4pe_move_request(PyObject *op, PyObject *rank)
{
    c4pe_chare_t *chare = (c4pe_chare_t *)op;
    if (chare->coll == NULL || c4pe_need_rt(chare->state, "migrate()") == NULL)
        return PyErr_Occurred() ? NULL
                                : c4pe_raise(chare->state, "migrate(): the runtime does not know "
                                                           "this object");
    if (request(chare, rank, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

void
c4pe_move_on_request(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_state_t *st = entry->state;
    c4p_reply_t reply = {.kind = C4P_REPLY_NONE};
    if (st->exiting)
        return;
    c4p_reply_take(rt, msg, &reply);
    PyObject *args = c4pe_msg_args(st, msg);
    if (args && PyTuple_GET_SIZE(args) != 1) /* proxies check that, C hosts may not */
        PyErr_SetString(PyExc_TypeError, "migrate() takes one argument, the PE to move to");
    else if (args)
        (void)request(object, PyTuple_GET_ITEM(args, 0), &reply);
    if (PyErr_Occurred())
        c4pe_invoke_done(st, object, entry, &reply, NULL);
    Py_XDECREF(args);
}

/* ---- synchronization points ---------------------------------------------------------------------- */

static PyObject *
cannot_sync(c4pe_chare_t *chare, c4p_status_t status)
{
    char whose[200];
    c4pe_describe_chare(chare, whose, sizeof(whose));
    if (status == C4P_ERR_BUSY)
        return c4pe_raise(chare->state,
                          "%s.AtSync() on rank %d: it has been called already; the next call is "
                          "for resumeFromSync() or later",
                          whose, chare->state->rank);
    if (status != C4P_ERR_STATE)
        return c4pe_raise_status(chare->state, status, "AtSync()");
    return c4pe_raise(chare->state,
                      "%s.AtSync() on rank %d: only elements that take part in load balancing call "
                      "it, and not before they have arrived: create the array with useAtSync=True",
                      whose, chare->state->rank);
}

PyObject *
c4pe_move_at_sync(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_chare_t *chare = (c4pe_chare_t *)op;
    c4pe_state_t *st = chare->state;
    if (chare->coll == NULL || chare->coll->kind != C4PE_KIND_ARRAY)
        return PyErr_Format(PyExc_AttributeError, "%s has no AtSync(): it is no array element",
                            Py_TYPE(op)->tp_name);
    PyObject *name = PyUnicode_FromString("resumeFromSync");
    c4pe_entry_t *entry = name ? c4pe_class_entry(chare->coll->cls, name) : NULL;
    Py_XDECREF(name);
    if (entry == NULL)
        return c4pe_raise(st,
                          "AtSync(): class %s must define resumeFromSync(), which is called "
                          "when the load has been balanced",
                          Py_TYPE(op)->tp_name);
    c4p_status_t status = c4p_sync(st->rt, c4pe_chare_ref(chare), entry->id);
    if (status != C4P_OK)
        return cannot_sync(chare, status);
    Py_RETURN_NONE;
}

/* ---- references to what moves -------------------------------------------------------------------- */

PyObject *
c4pe_move_reduce(PyObject *op, PyObject *protocol)
{
    c4pe_chare_t *chare = (c4pe_chare_t *)op;
    c4pe_state_t *st = chare->state;
    if (st->moving == chare) {
        PyObject *func = PyObject_GetAttrString(st->module, "_moving_self");
        return func ? Py_BuildValue("(N())", func) : NULL;
    }
    return PyObject_CallMethod((PyObject *)&PyBaseObject_Type, "__reduce_ex__", "OO", op, protocol);
}

static c4pe_chare_t *
arriving(PyObject *module)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (st && !st->arriving)
        c4pe_raise(st, "this is what a chare that moves was packed into; it can be read only where "
                       "it arrives");
    return st ? st->arriving : NULL;
}

PyObject *
c4pe_move_self(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return Py_XNewRef((PyObject *)arriving(module));
}

PyObject *
c4pe_move_channel(PyObject *module, PyObject *port)
{
    c4pe_chare_t *chare = arriving(module);
    size_t at = chare ? PyLong_AsSize_t(port) : 0;
    if (!chare || (at == (size_t)-1 && PyErr_Occurred()))
        return NULL;
    if (!chare->channels || at >= chare->channels->count)
        return c4pe_raise(chare->state, "the channels of a chare arrived damaged");
    return Py_NewRef((PyObject *)chare->channels->channels[at]);
}
