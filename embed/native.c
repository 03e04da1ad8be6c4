/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <stdio.h>
#include <string.h>

#include "args.h"
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
    c4p_typed_run(rt, entry->native->typed, state_of(chare), msg, NULL);
    c4pe_after_entry(chare);
}

bool
c4pe_native_may_run(const c4pe_chare_t *chare, const c4pe_entry_t *entry, c4p_msg_t *msg)
{
    const c4pe_cond_t *cond = (const c4pe_cond_t *)entry->cond;
    return c4p_typed_test(entry->state->rt, entry->native->typed, cond->test, cond->num_params,
                          state_of(chare), msg);
}

static void
never_called(c4p_rt_t *rt, void *Py_UNUSED(object), c4p_msg_t *Py_UNUSED(msg), void *ctx)
{
    const c4pe_cond_t *cond = ctx;
    c4p_log(rt, C4P_LOG_ERROR, "a message came for the condition %s, which is no method",
            PyUnicode_AsUTF8(cond->text));
}

c4p_status_t
c4pe_native_announce_cond(c4pe_entry_t *entry, const char *name)
{
    c4pe_cond_t *cond = (c4pe_cond_t *)entry->cond;
    char text[256];
    if (cond == NULL || cond->kind != C4PE_COND_CALL)
        return C4P_OK;
    snprintf(text, sizeof text, "<condition of %s>", name);
    Py_XSETREF(cond->attr, Py_NewRef(entry->qualname));
    return c4p_entry_add_typed_around(entry->state->rt, entry->cls->id, text,
                                      cond->native->signature, cond->native->fn, never_called, cond,
                                      &cond->native->typed);
}

int
c4pe_native_ask(const c4pe_cond_t *cond, c4pe_chare_t *chare, PyObject *args)
{
    const c4pe_native_t *native = cond->native;
    const c4pe_callee_t callee = {.name = cond->attr,
                                  .signature = native->signature,
                                  .params = native->params,
                                  .num_params = native->num_params,
                                  .typed = native->typed};
    PyObject *items[C4P_MAX_PARAMS];
    c4p_rt_t *rt = chare->state->rt;
    c4p_msg_t *msg;
    for (uint32_t k = 0; k < native->num_params; k++) {
        if (cond->at[k] >= PyTuple_GET_SIZE(args)) {
            PyErr_Format(PyExc_TypeError, "the condition '%U' needs argument %d, the call has %zd",
                         cond->text, cond->at[k] + 1, PyTuple_GET_SIZE(args));
            return -1;
        }
        items[k] = PyTuple_GET_ITEM(args, cond->at[k]);
    }
    if (c4pe_args_message(chare->state, &callee, items, native->num_params, &msg) < 0)
        return -1;
    bool yes =
        c4p_typed_test(rt, native->typed, native->fn, native->num_params, state_of(chare), msg);
    c4p_msg_free(msg);
    return yes;
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
    c4p_reply_t owed = *reply;
    c4p_typed_run(st->rt, entry->native->typed, state_of(chare), msg, &owed);
    if (entry->stats != NULL)
        c4pe_profile_leave(st, before);
    if (owed.kind != C4P_REPLY_NONE && !st->exiting)
        c4p_reply_send(st->rt, &owed, NULL, false);
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

int
c4pe_native_message(const c4pe_proxy_t *proxy, const c4pe_entry_t *entry, PyObject *const *args,
                    Py_ssize_t nargs, c4p_msg_t **msg_out)
{
    const c4pe_native_t *native = entry->native;
    const c4pe_callee_t callee = {.name = entry->qualname,
                                  .signature = native->signature,
                                  .params = native->params,
                                  .num_params = native->num_params,
                                  .typed = native->typed};
    if (c4pe_proxy_is_section(proxy) && !c4pe_proxy_is_partial(proxy) && proxy->ref.key.w[1]) {
        PyErr_Format(PyExc_TypeError,
                     "%U() is native: it cannot be called of a section that has members of several "
                     "collections",
                     entry->qualname);
        return -1;
    }
    return c4pe_args_message(entry->state, &callee, args, nargs, msg_out);
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
