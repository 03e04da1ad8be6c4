/* SPDX-License-Identifier: Apache-2.0 */
#include "reduce_native.h"

#include <string.h>

#include "codec_int.h"
#include "profile.h"

/* ---- combining ----------------------------------------------------------------------------------- */

static c4p_status_t
check_lengths(c4p_rt_t *rt, const c4pe_reducer_t *self, const c4p_blob_t *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len == parts[0].len && parts[i].len % self->size == 0)
            continue;
        c4p_log(rt, C4P_LOG_ERROR,
                "members of one reduction with %s contributed %zu and %zu bytes; an element has "
                "%zu, and all must give as many",
                PyUnicode_AsUTF8(self->name), parts[0].len, parts[i].len, self->size);
        return C4P_ERR_USER;
    }
    return C4P_OK;
}

/* c4p_combine_fn_t */
static c4p_status_t
combine(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    const c4pe_reducer_t *self = ctx;
    c4pe_state_t *st = c4pe_state_of_type(Py_TYPE(self));
    c4p_msg_t *msg;
    c4p_status_t status = check_lengths(rt, self, parts, n);
    if (status == C4P_OK)
        status = c4p_msg_new(rt, parts[0].len, &msg);
    if (status != C4P_OK)
        return status;
    c4pe_charged_t before = c4pe_profile_enter(st, C4PE_ACCOUNT_CUSTOM);
    memcpy(c4p_msg_data(msg), parts[0].data, parts[0].len);
    for (size_t i = 1; i < n; i++)
        self->fold(c4p_msg_data(msg), parts[i].data, parts[0].len / self->size);
    c4pe_profile_leave(st, before);
    *out = msg;
    return C4P_OK;
}

/* ---- adding -------------------------------------------------------------------------------------- */

static int
announce(c4pe_state_t *st, c4pe_reducer_t *self)
{
    const char *name = PyUnicode_AsUTF8(self->name);
    c4p_status_t status =
        name ? c4p_reducer_add(st->rt, name, combine, self, &self->number) : C4P_ERR_NOMEM;
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, name);
    return -1;
}

int
c4pe_reduce_native_attach(c4pe_state_t *st)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(st->native_reducers); i++)
        if (announce(st, (c4pe_reducer_t *)PyList_GET_ITEM(st->native_reducers, i)) < 0)
            return -1;
    return 0;
}

/* Remember it, and tell the runtime if there is one. */
static int
enlist(c4pe_state_t *st, PyObject *reducer)
{
    if (PyList_Append(st->native_reducers, reducer) < 0)
        return -1;
    if (st->rt == NULL || announce(st, (c4pe_reducer_t *)reducer) == 0)
        return 0;
    Py_ssize_t n = PyList_GET_SIZE(st->native_reducers);
    PyObject *type, *error, *tb;
    PyErr_Fetch(&type, &error, &tb);
    PyList_SetSlice(st->native_reducers, n - 1, n, NULL);
    PyDict_DelItem(st->reducers, ((c4pe_reducer_t *)reducer)->name);
    PyErr_Restore(type, error, tb);
    return -1;
}

PyObject *
c4pe_reducer_add_native(c4pe_state_t *st, PyObject *args)
{
    const char *name;
    unsigned long long address;
    PyObject *keep, *dtype, *func, *pre, *post;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "sKOOnOOO:reducer_add_native", &name, &address, &keep, &dtype,
                          &size, &func, &pre, &post))
        return NULL;
    if (st->started || st->finished)
        return c4pe_raise(st,
                          "the native reducer '%s' comes too late: add it at the top level of "
                          "a module that is loaded before charm.start(), on every rank",
                          name);
    PyObject *reducer = c4pe_reducer_new(st, name, C4P_OP_CUSTOM, func, pre, post);
    if (reducer == NULL)
        return NULL;
    c4pe_reducer_t *self = (c4pe_reducer_t *)reducer;
    uintptr_t code = (uintptr_t)address;
    memcpy(&self->fold, &code, sizeof(self->fold));
    self->keep = Py_NewRef(keep);
    self->dtype = Py_NewRef(dtype);
    self->size = (size_t)size;
    if (enlist(st, reducer) < 0)
        Py_CLEAR(reducer);
    return reducer;
}

/* ---- contributions and results ------------------------------------------------------------------- */

/* An array that lies as the function takes it. */
static bool
is_ready(const c4pe_npy_t *npy, const c4pe_reducer_t *self, PyObject *data)
{
    enum { SIMPLE = C4PE_NPY_C_CONTIGUOUS | C4PE_NPY_ALIGNED };
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)data;
    return c4pe_npy_is_array(npy, data) && a->descr == self->dtype &&
           (a->flags & SIMPLE) == SIMPLE && c4pe_npy_nbytes(npy, a->nd, a->dims, a->descr) > 0;
}

PyObject *
c4pe_reduce_native_get(c4pe_state_t *st, const c4pe_reducer_t *self, PyObject *data,
                       PyObject *chare, c4pe_typed_t *out)
{
    c4pe_npy_t *npy = &st->codec->npy;
    if (!c4pe_npy_load(npy, true))
        return c4pe_raise(st, "the native reducer %U needs numpy, which cannot be imported",
                          self->name);
    PyObject *array = is_ready(npy, self, data)
                          ? Py_NewRef(data)
                          : PyObject_CallFunctionObjArgs(self->pre, data, chare, NULL);
    if (array == NULL)
        return NULL;
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)array;
    out->owned = NULL;
    out->view.obj = NULL;
    out->data = a->data;
    out->len = (size_t)c4pe_npy_nbytes(npy, a->nd, a->dims, a->descr);
    c4pe_typed_set_shape(out, a->nd, a->dims);
    return array;
}

static const c4pe_reducer_t *
find(const c4pe_state_t *st, uint32_t number)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(st->native_reducers); i++) {
        const c4pe_reducer_t *it = (c4pe_reducer_t *)PyList_GET_ITEM(st->native_reducers, i);
        if (it->number == number)
            return it;
    }
    return NULL;
}

/* Methods in C say nothing of shapes. */
static int
read_shape(const c4pe_reducer_t *self, const c4p_result_t *result, Py_ssize_t *shape)
{
    if (result->len == 0 || result->len % self->size != 0)
        return -1;
    if (result->meta_len > 0)
        return c4pe_typed_shape(result, self->size, shape);
    shape[0] = (Py_ssize_t)(result->len / self->size);
    return shape[0] > 1;
}

PyObject *
c4pe_reduce_native_result(c4pe_state_t *st, const c4p_result_t *result)
{
    Py_ssize_t shape[C4PE_NPY_MAX_DIMS];
    c4pe_npy_t *npy = &st->codec->npy;
    const c4pe_reducer_t *self = find(st, result->custom);
    if (self == NULL)
        return c4pe_raise(st, "a result came of reducer %u, which Python does not know",
                          (unsigned)result->custom);
    int nd = read_shape(self, result, shape);
    if (nd < 0)
        return c4pe_raise(st,
                          "members of one reduction with %U contributed arrays of different shapes",
                          self->name);
    if (!c4pe_npy_load(npy, true))
        return c4pe_raise(st, "the native reducer %U needs numpy, which cannot be imported",
                          self->name);
    PyObject *array = c4pe_npy_new(npy, Py_NewRef(self->dtype), nd, shape);
    if (array == NULL)
        return NULL;
    memcpy(((c4pe_ndarray_t *)array)->data, result->data, result->len);
    if (nd == 0)
        Py_SETREF(array, PyObject_CallOneArg(self->post, array));
    return array;
}
