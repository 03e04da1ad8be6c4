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

PyObject *
c4pe_balancing_use(c4pe_state_t *st, PyObject *names)
{
    const char *text = PyUnicode_AsUTF8(names);
    if (text == NULL || c4pe_need_rt(st, "lb_use()") == NULL)
        return NULL;
    c4p_status_t status = c4p_lb_use(st->rt, text);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, text);
    Py_RETURN_NONE;
}

PyObject *
c4pe_balancing_measure(c4pe_state_t *st, PyObject *on)
{
    int truth = PyObject_IsTrue(on);
    if (truth < 0 || c4pe_need_rt(st, "lb_measure()") == NULL)
        return NULL;
    c4p_status_t status = c4p_lb_measure(st->rt, truth);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "measuring load");
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
                    "{s:K,s:s,s:n,s:n,s:O,s:d,s:O}", "number", (unsigned long long)round->number,
                    "strategy", round->strategy, "num_objects", (Py_ssize_t)round->num_objects,
                    "refused", (Py_ssize_t)round->refused, "skipped",
                    round->skipped ? Py_True : Py_False, "seconds", round->seconds, "worth", worth)
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
