/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c: the Python side of reductions. Numbers and arrays of numbers are combined by the
 * runtime; everything else is combined in Python, through one reducer of the runtime whose
 * contributions carry the name of the operation. */
#include "codec.h"
#include "coroutine.h"
#include "future.h"
#include "reduce_data.h"
#include "profile.h"
#include "reduce_native.h"
#include "reduce_part.h"
#include "section.h"

#include <c4p/section.h>

#include <string.h>

/* ---- combining in Python ------------------------------------------------------------------------- */

/* A contribution that is combined in Python is the encoded pair (name of the operation, value). */
static int
encode_named(c4pe_state_t *st, PyObject *name, PyObject *value, c4p_msg_t **msg_out)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    if (pair == NULL)
        return -1;
    st->copies = 0;
    int result = c4pe_codec_pack_value(st, pair, C4PE_PACK_FLAT, msg_out);
    st->copies = 1;
    Py_DECREF(pair);
    return result;
}

/* The pair, checked; new reference. */
static PyObject *
decode_named(c4pe_state_t *st, const void *data, size_t len)
{
    PyObject *pair = c4pe_codec_unpack_bytes(st, data, len);
    if (pair != NULL && (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)) {
        Py_DECREF(pair);
        return c4pe_raise(st, "a contribution arrived damaged");
    }
    return pair;
}

/* All values as a list, and their common name in *name_out (new references). */
static PyObject *
decode_parts(c4pe_state_t *st, const c4p_blob_t *parts, size_t n, PyObject **name_out)
{
    PyObject *name = NULL, *values = PyList_New(0);
    for (size_t i = 0; values != NULL && i < n; i++) {
        PyObject *pair = decode_named(st, parts[i].data, parts[i].len);
        if (pair != NULL && name == NULL)
            name = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
        else if (pair != NULL &&
                 PyObject_RichCompareBool(name, PyTuple_GET_ITEM(pair, 0), Py_EQ) != 1)
            c4pe_raise(st, "members of one reduction use different reducers: %S and %S", name,
                       PyTuple_GET_ITEM(pair, 0));
        if (pair == NULL || PyErr_Occurred() ||
            PyList_Append(values, PyTuple_GET_ITEM(pair, 1)) < 0)
            Py_CLEAR(values);
        Py_XDECREF(pair);
    }
    if (values == NULL)
        Py_CLEAR(name);
    *name_out = name;
    return values;
}

static PyObject *combine_values(c4pe_state_t *st, PyObject *name, PyObject *values);

/* The i-th items of all values. */
static PyObject *
column(PyObject *values, Py_ssize_t at)
{
    Py_ssize_t n = PyList_GET_SIZE(values);
    PyObject *items = PyList_New(n);
    for (Py_ssize_t i = 0; items != NULL && i < n; i++) {
        PyObject *item = PySequence_GetItem(PyList_GET_ITEM(values, i), at);
        if (item == NULL)
            Py_CLEAR(items);
        else
            PyList_SET_ITEM(items, i, item);
    }
    return items;
}

/* Values that are tuples: part by part. */
static PyObject *
combine_parts(c4pe_state_t *st, PyObject *names, PyObject *values)
{
    Py_ssize_t n = PyTuple_GET_SIZE(names);
    PyObject *all = PyTuple_New(n);
    for (Py_ssize_t i = 0; all != NULL && i < n; i++) {
        PyObject *items = column(values, i);
        PyObject *part = items ? combine_values(st, PyTuple_GET_ITEM(names, i), items) : NULL;
        Py_XDECREF(items);
        if (part == NULL)
            Py_CLEAR(all);
        else
            PyTuple_SET_ITEM(all, i, part);
    }
    return all;
}

static PyObject *
combine_values(c4pe_state_t *st, PyObject *name, PyObject *values)
{
    if (PyTuple_Check(name))
        return combine_parts(st, name, values);
    PyObject *found = PyDict_GetItemWithError(st->reducers, name); /* borrowed */
    if (found == NULL)
        return PyErr_Occurred()
                   ? NULL
                   : c4pe_raise(st, "the reducer %R is not known on rank %d: add it on every rank",
                                name, st->rank);
    PyObject *func = ((c4pe_reducer_t *)found)->func;
    c4pe_charged_t before =
        c4pe_profile_enter(st, func ? C4PE_ACCOUNT_CUSTOM : C4PE_ACCOUNT_REDUCE);
    PyObject *result = func ? PyObject_CallOneArg(func, values)
                            : PyObject_CallFunctionObjArgs(st->combine, name, values, NULL);
    c4pe_profile_leave(st, before);
    return result;
}

/* c4p_combine_fn_t of the one reducer behind all that combine in Python. */
static c4p_status_t
combine(c4p_rt_t *Py_UNUSED(rt), const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    c4pe_state_t *st = ctx;
    PyObject *name, *type, *error, *tb;
    PyErr_Fetch(&type, &error, &tb);
    st->no_suspend++;
    PyObject *values = decode_parts(st, parts, n, &name);
    PyObject *value = values ? combine_values(st, name, values) : NULL;
    c4p_status_t status =
        value != NULL && encode_named(st, name, value, out) == 0 ? C4P_OK : C4P_ERR_USER;
    st->no_suspend--;
    if (status != C4P_OK) {
        c4pe_err_uncaught(st, NULL, NULL, "combining the contributions of a reduction in");
        /* It returns when the program is ending: any result will do. */
        if (encode_named(st, Py_None, Py_None, out) == 0)
            status = C4P_OK;
    }
    Py_XDECREF(value);
    Py_XDECREF(values);
    Py_XDECREF(name);
    PyErr_Restore(type, error, tb);
    return status;
}

/* ---- contributing -------------------------------------------------------------------------------- */

/* One contribution on its way to the runtime. */
typedef struct contribution {
    c4pe_chare_t *chare;
    c4pe_reducer_t *reducer; /* NULL: none */
    PyObject *data;          /* borrowed */
    const c4p_target_t *target;
    c4p_coll_t section; /* 0: the chare's whole collection */
    uint64_t *number_out;
} contribution_t;

static PyObject *
no_member(c4pe_chare_t *chare)
{
    char who[160];
    return c4pe_raise(chare->state, "%s is no member of the section that it contributes to",
                      c4pe_describe_chare(chare, who, sizeof who));
}

static int
give(const contribution_t *c, const c4p_reduce_t *how, const void *data, size_t len)
{
    c4pe_state_t *st = c->chare->state;
    c4p_ref_t self = c4pe_chare_ref(c->chare);
    c4p_status_t status =
        c->section ? c4p_section_contribute(st->rt, c->section, self, how, data, len, c->target)
                   : c4p_contribute(st->rt, self, how, data, len, c->target, c->number_out);
    if (status == C4P_OK)
        return 0;
    if (c->section && status == C4P_ERR_NOT_FOUND) {
        no_member(c->chare);
        return -1;
    }
    c4pe_raise_status(st, status, "contributing to a reduction");
    return -1;
}

static int
give_encoded(const contribution_t *c, c4p_msg_t *msg, c4p_op_t op)
{
    c4p_reduce_t how = {.op = op,
                        .custom = op == C4P_OP_CUSTOM ? c->chare->state->custom_reducer : 0};
    int result = give(c, &how, c4p_msg_data(msg), c4p_msg_len(msg));
    c4p_msg_free(msg);
    return result;
}

static int
give_gather(const contribution_t *c)
{
    c4p_msg_t *msg;
    c4pe_state_t *st = c->chare->state;
    st->copies = 0;
    int packed = c4pe_codec_pack_value(st, c->data, C4PE_PACK_FLAT, &msg);
    st->copies = 1;
    if (packed < 0)
        return -1;
    return give_encoded(c, msg, C4P_OP_GATHER);
}

static int
give_named(const contribution_t *c)
{
    c4p_msg_t *msg;
    if (encode_named(c->chare->state, c->reducer->name, c->data, &msg) < 0)
        return -1;
    return give_encoded(c, msg, C4P_OP_CUSTOM);
}

static int
give_typed(const contribution_t *c)
{
    c4pe_typed_t typed;
    int kind = c4pe_part_get(c->chare->state, c->reducer, c->data, &typed);
    int result = kind;
    if (kind > 0) {
        c4p_reduce_t how = {.op = c->reducer->op,
                            .dtype = typed.dtype,
                            .meta = typed.meta,
                            .meta_len = (uint64_t)typed.meta_len};
        result = give(c, &how, typed.data, typed.len);
    } else if (kind == 0) {
        result = give_named(c);
    }
    c4pe_typed_release(&typed);
    return result;
}

static int
give_tuple(contribution_t *c)
{
    c4pe_state_t *st = c->chare->state;
    c4pe_parts_t parts;
    int kind = c4pe_parts_get(st, c->reducer, c->data, &parts);
    int result = kind;
    if (kind > 0) {
        c4p_reduce_t how = {
            .op = C4P_OP_TUPLE, .meta = parts.meta, .meta_len = (uint64_t)parts.meta_len};
        result = give(c, &how, parts.data, parts.len);
    } else if (kind == 0) {
        PyObject *names = c4pe_parts_names(c->reducer);
        PyObject *data = names ? c4pe_parts_pre(c->reducer, c->data, (PyObject *)c->chare) : NULL;
        c4p_msg_t *msg;
        result = data && encode_named(st, names, data, &msg) == 0
                     ? give_encoded(c, msg, C4P_OP_CUSTOM)
                     : -1;
        Py_XDECREF(data);
        Py_XDECREF(names);
    }
    c4pe_parts_release(&parts);
    return result;
}

static int
give_native(const contribution_t *c)
{
    c4pe_typed_t typed;
    PyObject *array =
        c4pe_reduce_native_get(c->chare->state, c->reducer, c->data, (PyObject *)c->chare, &typed);
    if (array == NULL)
        return -1;
    c4p_reduce_t how = {.op = C4P_OP_CUSTOM,
                        .custom = c->reducer->number,
                        .meta = typed.meta,
                        .meta_len = (uint64_t)typed.meta_len};
    int result = give(c, &how, typed.data, typed.len);
    Py_DECREF(array);
    return result;
}

static int
give_custom(contribution_t *c)
{
    if (c->reducer->fold != NULL)
        return give_native(c);
    if (c->reducer->pre == NULL)
        return give_named(c);
    PyObject *data = PyObject_CallFunctionObjArgs(c->reducer->pre, c->data, c->chare, NULL);
    if (data == NULL)
        return -1;
    c->data = data;
    int result = give_named(c);
    Py_DECREF(data);
    return result;
}

static int
contribute(contribution_t *c)
{
    c4p_reduce_t nothing = {.op = C4P_OP_NOP};
    switch (c->reducer ? c->reducer->op : C4P_OP_NOP) {
    case C4P_OP_NOP:
        return give(c, &nothing, NULL, 0);
    case C4P_OP_GATHER:
        return give_gather(c);
    case C4P_OP_CUSTOM:
        return give_custom(c);
    case C4P_OP_TUPLE:
        return give_tuple(c);
    default:
        return give_typed(c);
    }
}

/* Which section the contribution is for. A group of some ranks is one to the program, and its
 * reductions are those of the group. */
static int
take_section(contribution_t *c, PyObject *section)
{
    c4pe_state_t *st = c->chare->state;
    const c4pe_proxy_t *proxy = (c4pe_proxy_t *)section;
    if (!c4pe_proxy_check(st, section) || !c4pe_proxy_is_section(proxy)) {
        PyErr_Format(PyExc_TypeError,
                     "section must be the proxy of a section, as charm.split() and charm.combine() "
                     "make it, not %R",
                     section);
        return -1;
    }
    if (!c4pe_proxy_is_partial(proxy)) {
        c->section = proxy->ref.coll;
    } else if (c->chare->coll == NULL || c->chare->coll->id != proxy->ref.coll) {
        c4pe_raise(st, "%s is no member of %R, over which it is to contribute",
                   Py_TYPE(c->chare)->tp_name, section);
        return -1;
    }
    return 0;
}

/* Checks that are the same for reduce and allreduce; fills in the reducer. */
static int
prepare(contribution_t *c, PyObject *reducer, PyObject *section)
{
    c4pe_state_t *st = c->chare->state;
    if (c4pe_need_rt(st, "a reduction") == NULL)
        return -1;
    c->section = 0;
    if (section != Py_None && take_section(c, section) < 0)
        return -1;
    if (c->chare->coll == NULL || (c->chare->coll->kind == C4PE_KIND_MAIN && !c->section)) {
        c4pe_raise(st, "%s is no member of a collection and cannot contribute to a reduction",
                   Py_TYPE(c->chare)->tp_name);
        return -1;
    }
    if (reducer != Py_None && !Py_IS_TYPE(reducer, st->reducer_type)) {
        c4pe_raise(st,
                   "%R is not a reducer: use an attribute of Reducer; functions are added with "
                   "Reducer.addReducer()",
                   reducer);
        return -1;
    }
    c->reducer = reducer == Py_None ? NULL : (c4pe_reducer_t *)reducer;
    return 0;
}

PyObject *
c4pe_reduce_contribute(c4pe_chare_t *chare, PyObject *data, PyObject *reducer, PyObject *callback,
                       PyObject *section)
{
    c4p_target_t target;
    contribution_t c = {.chare = chare, .data = data, .target = &target};
    if (prepare(&c, reducer, section) < 0 ||
        c4pe_callback_target(chare->state, callback, &target) < 0)
        return NULL;
    if (c.section || chare->coll->some_ranks)
        target.flags |= C4PE_TAG_SECTION;
    if (target.kind == C4P_TARGET_BROADCAST)
        target.flags |= (uint16_t)c4pe_section_tag(((c4pe_bound_t *)callback)->proxy);
    if (contribute(&c) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- allreduce ----------------------------------------------------------------------------------- */

/* The results of a section's reductions come in the order of the contributions. */
static int
remember_in_order(c4pe_chare_t *chare, PyObject *key, PyObject *future)
{
    PyObject *list = PyDict_GetItemWithError(chare->pending, key); /* borrowed */
    if (list != NULL)
        return PyList_Append(list, future);
    if (PyErr_Occurred() || (list = PyList_New(0)) == NULL)
        return -1;
    int result = PyList_Append(list, future);
    if (result == 0)
        result = PyDict_SetItem(chare->pending, key, list);
    Py_DECREF(list);
    return result;
}

/* In the dict of what waits: a tuple, since plain numbers are those of the collection's reductions.
 */
static PyObject *
section_key(c4p_coll_t section)
{
    return Py_BuildValue("(K)", (unsigned long long)section);
}

/* Remember which future waits for reduction `number` of the chare's collection. */
static int
remember(c4pe_chare_t *chare, uint64_t number, c4p_coll_t section, PyObject *future)
{
    if (chare->pending == NULL && (chare->pending = PyDict_New()) == NULL)
        return -1;
    PyObject *key = section ? section_key(section) : PyLong_FromUnsignedLongLong(number);
    int result = key == NULL ? -1
                 : section   ? remember_in_order(chare, key, future)
                             : PyDict_SetItem(chare->pending, key, future);
    Py_XDECREF(key);
    return result;
}

PyObject *
c4pe_reduce_allreduce(c4pe_chare_t *chare, PyObject *data, PyObject *reducer, PyObject *section)
{
    c4pe_state_t *st = chare->state;
    uint64_t number = 0;
    contribution_t c = {.chare = chare, .data = data, .number_out = &number};
    if (prepare(&c, reducer, section) < 0 || c4pe_coro_may_create(st, "allreduce()") < 0)
        return NULL;
    c4p_target_t target = {.kind = C4P_TARGET_BROADCAST,
                           .entry = C4PE_ENTRY_ALLREDUCE,
                           .flags = C4PE_TAG_SHARED,
                           .ref = {.coll = c.section ? c.section : chare->coll->id}};
    c.target = &target;
    PyObject *future = c4pe_local_future_new(st, true);
    if (future == NULL)
        return NULL;
    if (contribute(&c) < 0 || remember(chare, number, c.section, future) < 0) {
        Py_DECREF(future);
        return NULL;
    }
    return future;
}

/* The future that waits for this result; new reference, or NULL, perhaps with an exception. */
static PyObject *
take_pending(c4pe_chare_t *chare, const c4p_result_t *result)
{
    PyObject *future = NULL, *key;
    if (result->coll == chare->coll->id) {
        key = PyLong_FromUnsignedLongLong(result->number);
        future = key ? PyDict_GetItemWithError(chare->pending, key) : NULL; /* borrowed */
        Py_XINCREF(future);
        if (future != NULL)
            PyDict_DelItem(chare->pending, key);
        Py_XDECREF(key);
        return future;
    }
    key = section_key(result->coll);
    PyObject *list = key ? PyDict_GetItemWithError(chare->pending, key) : NULL; /* borrowed */
    if (list != NULL && PyList_GET_SIZE(list) > 0) {
        future = Py_NewRef(PyList_GET_ITEM(list, 0));
        if (PyList_GET_SIZE(list) == 1)
            PyDict_DelItem(chare->pending, key);
        else
            PyList_SetSlice(list, 0, 1, NULL);
    }
    Py_XDECREF(key);
    return future;
}

void
c4pe_reduce_arrived(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_chare_t *chare = object;
    c4pe_state_t *st = entry->state;
    c4p_result_t result;
    if (st->exiting || c4p_result_get(msg, &result) != C4P_OK || chare->pending == NULL)
        return;
    PyObject *future = take_pending(chare, &result);
    if (future != NULL) {
        PyObject *args = c4pe_msg_args(st, msg);
        PyObject *value = args == NULL                 ? NULL
                          : PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0)
                                                       : Py_None;
        if (value != NULL)
            c4pe_local_future_set(st, future, value, false);
        Py_XDECREF(args);
        Py_DECREF(future);
    }
    if (PyErr_Occurred())
        c4pe_err_uncaught(st, chare, entry, "receiving the result of allreduce() in");
}

/* ---- results ------------------------------------------------------------------------------------- */

static PyObject *
gathered_result(c4pe_state_t *st, c4p_msg_t *msg)
{
    c4p_gathered_t part;
    size_t cursor = 0;
    PyObject *list = PyList_New(0);
    while (list != NULL && c4p_gathered_next(msg, &cursor, &part)) {
        PyObject *value = c4pe_codec_unpack_bytes(st, part.data, part.len);
        if (value == NULL || PyList_Append(list, value) < 0)
            Py_CLEAR(list);
        Py_XDECREF(value);
    }
    return list;
}

/* Apply `post` of the reducer of that name, or of those whose names stand in a tuple. Takes the
 * reference to value. */
static PyObject *
finish_named(c4pe_state_t *st, PyObject *name, PyObject *value)
{
    if (PyTuple_Check(name)) {
        Py_ssize_t n = PyTuple_GET_SIZE(name);
        PyObject *all = PyTuple_New(n);
        for (Py_ssize_t i = 0; all != NULL && i < n; i++) {
            PyObject *part = PySequence_GetItem(value, i);
            part = part ? finish_named(st, PyTuple_GET_ITEM(name, i), part) : NULL;
            if (part == NULL)
                Py_CLEAR(all);
            else
                PyTuple_SET_ITEM(all, i, part);
        }
        Py_DECREF(value);
        return all;
    }
    PyObject *found = PyDict_GetItemWithError(st->reducers, name); /* borrowed */
    if (found != NULL && ((c4pe_reducer_t *)found)->post != NULL)
        Py_SETREF(value, PyObject_CallOneArg(((c4pe_reducer_t *)found)->post, value));
    else if (PyErr_Occurred())
        Py_CLEAR(value);
    return value;
}

static PyObject *
named_result(c4pe_state_t *st, const c4p_result_t *result)
{
    PyObject *pair = decode_named(st, result->data, result->len);
    if (pair == NULL)
        return NULL;
    PyObject *value =
        finish_named(st, PyTuple_GET_ITEM(pair, 0), Py_NewRef(PyTuple_GET_ITEM(pair, 1)));
    Py_DECREF(pair);
    return value;
}

PyObject *
c4pe_reduce_decode(c4pe_state_t *st, c4p_msg_t *msg, bool *empty_out)
{
    c4p_result_t result;
    c4p_status_t status = c4p_result_get(msg, &result);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "the result of a reduction");
    if (empty_out != NULL)
        *empty_out = result.op == C4P_OP_NOP;
    switch (result.op) {
    case C4P_OP_NOP:
        Py_RETURN_NONE;
    case C4P_OP_GATHER:
        return gathered_result(st, msg);
    case C4P_OP_CUSTOM:
        return result.custom == st->custom_reducer ? named_result(st, &result)
                                                   : c4pe_reduce_native_result(st, &result);
    case C4P_OP_TUPLE:
        return c4pe_parts_result(st, &result);
    default:
        return c4pe_part_result(st, &result);
    }
}

/* ---- module -------------------------------------------------------------------------------------- */

int
c4pe_reduce_attach(c4pe_state_t *st)
{
    c4p_status_t status = c4p_reducer_add(st->rt, "python", combine, st, &st->custom_reducer);
    if (status == C4P_OK)
        return c4pe_reduce_native_attach(st);
    c4pe_raise_status(st, status, "reductions in Python");
    return -1;
}
