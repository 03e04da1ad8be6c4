/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c: the Python side of reductions. Numbers and arrays of numbers are combined by the
 * runtime; everything else is combined in Python, through one reducer of the runtime whose
 * contributions carry the name of the operation. */
#include "codec.h"
#include "coroutine.h"
#include "future.h"
#include "reduce_data.h"
#include "reducer.h"

#include <string.h>

/* ---- combining in Python ------------------------------------------------------------------------- */

/* A contribution that is combined in Python is the encoded pair (name of the operation, value). */
static int
encode_named(c4pe_state_t *st, PyObject *name, PyObject *value, c4p_msg_t **msg_out)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    if (pair == NULL)
        return -1;
    int result = c4pe_codec_pack_value(st, pair, C4PE_PACK_FLAT, msg_out);
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

static PyObject *
combine_values(c4pe_state_t *st, PyObject *name, PyObject *values)
{
    PyObject *found = PyDict_GetItemWithError(st->reducers, name); /* borrowed */
    if (found == NULL)
        return PyErr_Occurred()
                   ? NULL
                   : c4pe_raise(st, "the reducer %R is not known on rank %d: add it on every rank",
                                name, st->rank);
    if (((c4pe_reducer_t *)found)->func != NULL)
        return PyObject_CallOneArg(((c4pe_reducer_t *)found)->func, values);
    return PyObject_CallFunctionObjArgs(st->combine, name, values, NULL);
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
    if (status != C4P_OK)
        c4pe_err_uncaught(st, NULL, NULL, "combining the contributions of a reduction in");
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
    uint64_t *number_out;
} contribution_t;

static int
give(const contribution_t *c, const c4p_reduce_t *how, const void *data, size_t len)
{
    c4pe_state_t *st = c->chare->state;
    c4p_status_t status =
        c4p_contribute(st->rt, c4pe_chare_ref(c->chare), how, data, len, c->target, c->number_out);
    if (status == C4P_OK)
        return 0;
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
    if (c4pe_codec_pack_value(c->chare->state, c->data, C4PE_PACK_FLAT, &msg) < 0)
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

/* A number of any type, numpy's too: integers stay integers, so that all members agree. */
static int
read_number(PyObject *obj, c4p_dtype_t *dtype_out, int64_t *i_out, double *d_out)
{
    PyObject *integer = PyIndex_Check(obj) ? PyNumber_Index(obj) : NULL;
    if (integer != NULL) {
        *dtype_out = C4P_INT64;
        *i_out = PyLong_AsLongLong(integer);
        Py_DECREF(integer);
    } else {
        PyErr_Clear(); /* arrays of one float have an __index__ that fails */
        *dtype_out = C4P_FLOAT64;
        *d_out = PyFloat_AsDouble(obj);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* (value, location) for minloc and maxloc. */
static int
give_location(const contribution_t *c)
{
    struct {
        union {
            int64_t i;
            double d;
        } value;
        int64_t location;
    } item;
    c4p_reduce_t how = {.op = c->reducer->op, .dtype = C4P_FLOAT64};
    if (!PyTuple_Check(c->data) || PyTuple_GET_SIZE(c->data) != 2 ||
        !PyIndex_Check(PyTuple_GET_ITEM(c->data, 1))) {
        PyErr_Format(PyExc_TypeError, "%U needs a tuple (number, location as an int), not %R",
                     c->reducer->name, c->data);
        return -1;
    }
    PyObject *location = PyNumber_Index(PyTuple_GET_ITEM(c->data, 1));
    if (location == NULL)
        return -1;
    item.location = PyLong_AsLongLong(location);
    Py_DECREF(location);
    if (PyErr_Occurred() ||
        read_number(PyTuple_GET_ITEM(c->data, 0), &how.dtype, &item.value.i, &item.value.d) < 0)
        return -1;
    return give(c, &how, &item, sizeof(item));
}

static bool
is_logical(c4p_op_t op)
{
    return op == C4P_OP_AND || op == C4P_OP_OR || op == C4P_OP_XOR;
}

/* Has the runtime a loop for this operation on these items? Otherwise Python does it, as numpy
 * would. */
static bool
combines_in_c(c4p_op_t op, c4p_dtype_t dtype)
{
    bool is_complex = dtype == C4P_COMPLEX64 || dtype == C4P_COMPLEX128;
    bool is_float = dtype == C4P_FLOAT32 || dtype == C4P_FLOAT64;
    switch (op) {
    case C4P_OP_SUM:
    case C4P_OP_PRODUCT:
    case C4P_OP_SUM_ORDERED:
        return dtype != C4P_BOOL;
    case C4P_OP_MIN:
    case C4P_OP_MAX:
        return dtype != C4P_BOOL && !is_complex;
    case C4P_OP_SUM_COMPENSATED:
        return is_float;
    case C4P_OP_BIT_AND:
    case C4P_OP_BIT_OR:
    case C4P_OP_BIT_XOR:
        return dtype != C4P_BOOL && !is_complex && !is_float;
    default:
        return is_logical(op);
    }
}

/* Operations that exist in Python, too. */
static bool
combines_in_python(c4p_op_t op)
{
    return op == C4P_OP_SUM || op == C4P_OP_PRODUCT || op == C4P_OP_MIN || op == C4P_OP_MAX ||
           is_logical(op);
}

static int
give_typed(const contribution_t *c)
{
    c4pe_typed_t typed;
    c4p_op_t op = c->reducer->op;
    int kind = c4pe_typed_get(c->data, &typed);
    int result = -1;
    if (kind > 0 && is_logical(op) && c4pe_typed_to_bool(&typed) < 0)
        kind = -1;
    if (kind > 0 && combines_in_c(op, typed.dtype)) {
        c4p_reduce_t how = {.op = op,
                            .dtype = typed.dtype,
                            .meta = typed.meta,
                            .meta_len = (uint64_t)typed.meta_len};
        result = give(c, &how, typed.data, typed.len);
    } else if (kind >= 0 && combines_in_python(op)) {
        result = give_named(c);
    } else if (kind >= 0) {
        PyErr_Format(PyExc_TypeError, "the reducer %U cannot combine %s", c->reducer->name,
                     Py_TYPE(c->data)->tp_name);
    }
    c4pe_typed_release(&typed);
    return result;
}

static int
give_custom(contribution_t *c)
{
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
    case C4P_OP_MINLOC:
    case C4P_OP_MAXLOC:
        return give_location(c);
    default:
        return give_typed(c);
    }
}

/* Checks that are the same for reduce and allreduce; fills in the reducer. */
static int
prepare(contribution_t *c, PyObject *reducer, PyObject *section)
{
    c4pe_state_t *st = c->chare->state;
    if (c4pe_need_rt(st, "a reduction") == NULL)
        return -1;
    if (c->chare->coll == NULL || c->chare->coll->kind == C4PE_KIND_MAIN) {
        c4pe_raise(st, "%s is no member of a collection and cannot contribute to a reduction",
                   Py_TYPE(c->chare)->tp_name);
        return -1;
    }
    if (section != Py_None) {
        c4pe_raise(st,
                   "sections are not available in this version: reduce over the whole collection");
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
        c4pe_callback_target(chare->state, callback, &target) < 0 || contribute(&c) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- allreduce ----------------------------------------------------------------------------------- */

/* Remember which future waits for reduction `number` of the chare's collection. */
static int
remember(c4pe_chare_t *chare, uint64_t number, PyObject *future)
{
    if (chare->pending == NULL && (chare->pending = PyDict_New()) == NULL)
        return -1;
    PyObject *key = PyLong_FromUnsignedLongLong(number);
    int result = key ? PyDict_SetItem(chare->pending, key, future) : -1;
    Py_XDECREF(key);
    return result;
}

PyObject *
c4pe_reduce_allreduce(c4pe_chare_t *chare, PyObject *data, PyObject *reducer, PyObject *section)
{
    c4pe_state_t *st = chare->state;
    uint64_t number;
    contribution_t c = {.chare = chare, .data = data, .number_out = &number};
    if (prepare(&c, reducer, section) < 0 || c4pe_coro_may_create(st, "allreduce()") < 0)
        return NULL;
    c4p_target_t target = {.kind = C4P_TARGET_BROADCAST,
                           .entry = C4PE_ENTRY_ALLREDUCE,
                           .flags = C4PE_TAG_SHARED,
                           .ref = {.coll = chare->coll->id}};
    c.target = &target;
    PyObject *future = c4pe_local_future_new(st, true);
    if (future == NULL)
        return NULL;
    if (contribute(&c) < 0 || remember(chare, number, future) < 0) {
        Py_DECREF(future);
        return NULL;
    }
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
    PyObject *key = PyLong_FromUnsignedLongLong(result.number);
    PyObject *future = key ? PyDict_GetItemWithError(chare->pending, key) : NULL; /* borrowed */
    if (future != NULL) {
        Py_INCREF(future);
        PyDict_DelItem(chare->pending, key);
        PyObject *args = c4pe_msg_args(st, msg);
        PyObject *value = args == NULL                 ? NULL
                          : PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0)
                                                       : Py_None;
        if (value != NULL)
            c4pe_local_future_set(st, future, value, false);
        Py_XDECREF(args);
        Py_DECREF(future);
    }
    Py_XDECREF(key);
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

static PyObject *
named_result(c4pe_state_t *st, const c4p_result_t *result)
{
    PyObject *pair = decode_named(st, result->data, result->len);
    if (pair == NULL)
        return NULL;
    PyObject *found = PyDict_GetItemWithError(st->reducers, PyTuple_GET_ITEM(pair, 0)); /* borrowed
                                                                                         */
    PyObject *value = PyTuple_GET_ITEM(pair, 1);
    if (found != NULL && ((c4pe_reducer_t *)found)->post != NULL)
        value = PyObject_CallOneArg(((c4pe_reducer_t *)found)->post, value);
    else
        value = PyErr_Occurred() ? NULL : Py_NewRef(value);
    Py_DECREF(pair);
    return value;
}

static PyObject *
location_result(const c4p_result_t *result)
{
    int64_t location, i;
    double d;
    if (result->len < 16)
        return PyErr_Format(PyExc_RuntimeError, "the result of a reduction arrived damaged");
    memcpy(&location, (const char *)result->data + 8, 8);
    memcpy(&i, result->data, 8);
    memcpy(&d, result->data, 8);
    return result->dtype == C4P_INT64 ? Py_BuildValue("(LL)", (long long)i, (long long)location)
                                      : Py_BuildValue("(dL)", d, (long long)location);
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
        return named_result(st, &result);
    case C4P_OP_MINLOC:
    case C4P_OP_MAXLOC:
        return location_result(&result);
    default:
        return c4pe_typed_result(st, &result);
    }
}

/* ---- module -------------------------------------------------------------------------------------- */

int
c4pe_reduce_attach(c4pe_state_t *st)
{
    c4p_status_t status = c4p_reducer_add(st->rt, "python", combine, st, &st->custom_reducer);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, "reductions in Python");
    return -1;
}
