/* SPDX-License-Identifier: Apache-2.0 */
/* balancing.c: load balancing of a running job. */
#include "balancing.h"

#include <c4p/balance.h>

#include "balance.h"

/* ---- strategies written in Python ---------------------------------------------------------------- */

/* Read a plan that Python returned: a buffer of C ints. */
static int
take_plan(PyObject *op, const c4p_lb_view_t *view, int *plan)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(op, &buffer, PyBUF_C_CONTIGUOUS) < 0)
        return -1;
    bool fits = (size_t)buffer.len == view->num_objects * sizeof(int);
    if (fits)
        memcpy(plan, buffer.buf, (size_t)buffer.len);
    else
        PyErr_SetString(PyExc_ValueError, "the plan has the wrong length");
    PyBuffer_Release(&buffer);
    return fits ? 0 : -1;
}

/* c4p_lb_fn_t; ctx is a tuple (state, function). The function gets the view as a dict. */
static c4p_status_t
run_python(const c4p_lb_view_t *view, int *plan, void *ctx)
{
    c4pe_state_t *st = PyCapsule_GetPointer(PyTuple_GET_ITEM((PyObject *)ctx, 0), NULL);
    PyObject *fields = c4pe_balance_fields(view);
    st->no_suspend++;
    PyObject *result =
        fields ? PyObject_CallOneArg(PyTuple_GET_ITEM((PyObject *)ctx, 1), fields) : NULL;
    st->no_suspend--;
    int taken = result ? take_plan(result, view, plan) : -1;
    Py_XDECREF(fields);
    Py_XDECREF(result);
    if (taken < 0)
        c4pe_err_uncaught(st, NULL, NULL, "balancing the load in");
    return taken < 0 ? C4P_ERR_USER : C4P_OK;
}

PyObject *
c4pe_balancing_add(c4pe_state_t *st, PyObject *args)
{
    const char *name;
    PyObject *func;
    if (!PyArg_ParseTuple(args, "sO:lb_add", &name, &func) || c4pe_need_rt(st, "lb_add()") == NULL)
        return NULL;
    PyObject *capsule = PyCapsule_New(st, NULL, NULL);
    PyObject *ctx = capsule ? PyTuple_Pack(2, capsule, func) : NULL;
    Py_XDECREF(capsule);
    if (ctx == NULL || (st->balancers == NULL && (st->balancers = PyList_New(0)) == NULL) ||
        PyList_Append(st->balancers, ctx) < 0) { /* keeps it */
        Py_XDECREF(ctx);
        return NULL;
    }
    Py_DECREF(ctx);
    c4p_status_t status = c4p_lb_add(st->rt, name, run_python, ctx);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, name);
    Py_RETURN_NONE;
}

/* ---- which, and whether to measure --------------------------------------------------------------- */

/* Call what takes a text, or raise; name is that of the function in Python. */
static PyObject *
by_text(c4pe_state_t *st, PyObject *op, const char *name,
        c4p_status_t (*call)(c4p_rt_t *rt, const char *text))
{
    const char *text = PyUnicode_AsUTF8(op);
    if (text == NULL || c4pe_need_rt(st, name) == NULL)
        return NULL;
    c4p_status_t status = call(st->rt, text);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, text);
    Py_RETURN_NONE;
}

/* Likewise what is on or off; what: the words of an error. */
static PyObject *
by_truth(c4pe_state_t *st, PyObject *op, const char *name, const char *what,
         c4p_status_t (*call)(c4p_rt_t *rt, bool on))
{
    int truth = PyObject_IsTrue(op);
    if (truth < 0 || c4pe_need_rt(st, name) == NULL)
        return NULL;
    c4p_status_t status = call(st->rt, truth);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, what);
    Py_RETURN_NONE;
}

PyObject *
c4pe_balancing_use(c4pe_state_t *st, PyObject *names)
{
    return by_text(st, names, "lb_use()", c4p_lb_use);
}

PyObject *
c4pe_balancing_predict(c4pe_state_t *st, PyObject *predictor)
{
    return by_text(st, predictor, "lb_predict()", c4p_lb_predict);
}

PyObject *
c4pe_balancing_measure(c4pe_state_t *st, PyObject *on)
{
    return by_truth(st, on, "lb_measure()", "measuring load", c4p_lb_measure);
}

PyObject *
c4pe_balancing_graph(c4pe_state_t *st, PyObject *on)
{
    return by_truth(st, on, "lb_graph()", "recording who talks to whom", c4p_lb_graph);
}

PyObject *
c4pe_balancing_period(c4pe_state_t *st, PyObject *points)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(points);
    if ((value == (unsigned long long)-1 && PyErr_Occurred()) ||
        c4pe_need_rt(st, "lb_period()") == NULL)
        return NULL;
    c4p_lb_period(st->rt, value);
    Py_RETURN_NONE;
}

PyObject *
c4pe_balancing_speed(c4pe_state_t *st, PyObject *speed)
{
    double value = PyFloat_AsDouble(speed);
    if ((value == -1 && PyErr_Occurred()) || c4pe_need_rt(st, "lb_speed()") == NULL)
        return NULL;
    c4p_status_t status = c4p_lb_speed(st->rt, value);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "the speed of a rank");
    Py_RETURN_NONE;
}

/* ---- records ------------------------------------------------------------------------------------- */

/* "__main__.Grid#1000002[4,7]" for each object: class, collection, index. */
static PyObject *
names_of(c4pe_state_t *st, const c4p_ref_t *refs, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list != NULL && i < n; i++) {
        c4p_coll_info_t info = {.ndims = 1};
        c4p_index_t at;
        char text[400];
        c4p_coll_info(st->rt, refs[i].coll, &info);
        c4p_index_unpack(refs[i].key, info.ndims, &at);
        const char *type = c4p_type_name(st->rt, info.type);
        size_t len = (size_t)PyOS_snprintf(text, sizeof(text) - 160, "%s#%llx[", type ? type : "?",
                                           (unsigned long long)refs[i].coll);
        len = len < sizeof(text) - 160 ? len : sizeof(text) - 161;
        for (int d = 0; d < info.ndims; d++)
            len += (size_t)PyOS_snprintf(text + len, sizeof(text) - len, d ? ",%lld" : "%lld",
                                         (long long)at.at[d]);
        PyOS_snprintf(text + len, sizeof(text) - len, "]");
        PyObject *name = PyUnicode_FromString(text);
        if (name == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, name);
    }
    return list;
}

static void
look(c4p_rt_t *Py_UNUSED(rt), const c4p_lb_view_t *view, const c4p_ref_t *refs, void *ctx)
{
    c4pe_state_t *st = ctx;
    PyObject *fields = c4pe_balance_fields(view);
    PyObject *names = fields ? names_of(st, refs, view->num_objects) : NULL;
    st->no_suspend++;
    PyObject *none = names ? PyObject_CallFunctionObjArgs(st->on_view, fields, names, NULL) : NULL;
    st->no_suspend--;
    if (none == NULL)
        c4pe_err_uncaught(st, NULL, NULL, "recording loads in");
    Py_XDECREF(none);
    Py_XDECREF(names);
    Py_XDECREF(fields);
}

PyObject *
c4pe_balancing_on_view(c4pe_state_t *st, PyObject *func)
{
    if (c4pe_need_rt(st, "lb_on_view()") == NULL)
        return NULL;
    Py_XSETREF(st->on_view, func == Py_None ? NULL : Py_NewRef(func));
    c4p_lb_on_view(st->rt, st->on_view ? look : NULL, st);
    Py_RETURN_NONE;
}

/* ---- reports ------------------------------------------------------------------------------------- */

static void
report(c4p_rt_t *Py_UNUSED(rt), const c4p_lb_round_t *round, void *ctx)
{
    c4pe_state_t *st = ctx;
    PyObject *worth = c4pe_balance_worth(&round->worth);
    PyObject *dict =
        worth ? Py_BuildValue(
                    "{s:K,s:K,s:s,s:n,s:n,s:O,s:d,s:d,s:d,s:O}", "number",
                    (unsigned long long)round->number, "points", (unsigned long long)round->points,
                    "strategy", round->strategy, "num_objects", (Py_ssize_t)round->num_objects,
                    "refused", (Py_ssize_t)round->refused, "skipped",
                    round->skipped ? Py_True : Py_False, "seconds", round->seconds, "point_s",
                    round->point_s, "expected_s", round->expected_s, "worth", worth)
              : NULL;
    st->no_suspend++;
    PyObject *none = dict ? PyObject_CallOneArg(st->on_round, dict) : NULL;
    st->no_suspend--;
    if (none == NULL)
        c4pe_err_uncaught(st, NULL, NULL, "reporting on load balancing in");
    Py_XDECREF(none);
    Py_XDECREF(dict);
    Py_XDECREF(worth);
}

PyObject *
c4pe_balancing_on_round(c4pe_state_t *st, PyObject *func)
{
    if (c4pe_need_rt(st, "lb_on_round()") == NULL)
        return NULL;
    Py_XSETREF(st->on_round, func == Py_None ? NULL : Py_NewRef(func));
    c4p_lb_on_round(st->rt, st->on_round ? report : NULL, st);
    Py_RETURN_NONE;
}
