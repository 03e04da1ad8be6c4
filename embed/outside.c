/* SPDX-License-Identifier: Apache-2.0 */
/* outside.c: see outside.h. */
#include "outside.h"

#include <math.h>
#include <poll.h>

PyObject *
c4pe_outside_listen(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *func;
    int fd;
    if (!PyArg_ParseTuple(args, "iO:listen_outside", &fd, &func) ||
        c4pe_need_rt(st, "listen_outside()") == NULL)
        return NULL;
    if (func == Py_None) {
        Py_CLEAR(st->outside_func);
        Py_RETURN_NONE;
    }
    if (!PyCallable_Check(func) || fd < 0)
        return PyErr_Format(PyExc_TypeError,
                            "listen_outside() needs a descriptor and a function, not %d and %s", fd,
                            Py_TYPE(func)->tp_name);
    st->outside_fd = fd;
    st->outside_due_s = INFINITY;
    Py_XSETREF(st->outside_func, Py_NewRef(func));
    Py_RETURN_NONE;
}

/* When the function wants to be called again: the value that it returned, None or seconds. */
static double
due(c4pe_state_t *st, PyObject *wish)
{
    if (wish == Py_None)
        return INFINITY;
    return c4p_time_s(st->rt) + PyFloat_AsDouble(wish); /* -1 with an exception: at once */
}

void
c4pe_outside_tick(c4pe_state_t *st)
{
    if (st->outside_func == NULL || st->exiting || c4p_exiting(st->rt))
        return;
    struct pollfd look = {.fd = st->outside_fd, .events = POLLIN};
    if (poll(&look, 1, 0) <= 0 && c4p_time_s(st->rt) < st->outside_due_s)
        return;
    PyObject *func = Py_NewRef(st->outside_func); /* it may put another one in its place */
    PyObject *wish = PyObject_CallNoArgs(func);
    Py_DECREF(func);
    if (wish != NULL)
        st->outside_due_s = due(st, wish);
    Py_XDECREF(wish);
    if (PyErr_Occurred())
        c4pe_err_uncaught(st, NULL, NULL, "serving clients in");
}

bool
c4pe_outside_open(const c4pe_state_t *st)
{
    return st->outside_func != NULL;
}
