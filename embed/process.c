/* SPDX-License-Identifier: Apache-2.0 */
/* process.c: see process.h. */
#include "process.h"

#include <signal.h>
#include <unistd.h>

/* obj.method(keyword=value); 0, or -1 with an exception. */
static int
call_with(PyObject *obj, const char *name, const char *keyword, PyObject *value)
{
    PyObject *method = PyObject_GetAttrString(obj, name);
    PyObject *kwargs = method ? Py_BuildValue("{s:O}", keyword, value) : NULL;
    PyObject *args = kwargs ? PyTuple_New(0) : NULL;
    PyObject *done = args ? PyObject_Call(method, args, kwargs) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(method);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* ---- output ------------------------------------------------------------------------------------- */

static void
flush(const char *name)
{
    PyObject *file = PySys_GetObject(name); /* borrowed */
    PyObject *done = file && file != Py_None ? PyObject_CallMethod(file, "flush", NULL) : NULL;
    Py_XDECREF(done);
    PyErr_Clear();
}

void
c4pe_process_flush(void)
{
    flush("stdout");
    flush("stderr");
}

void
c4pe_process_abort(c4pe_state_t *st, int status, const char *text)
{
    c4pe_process_flush();
    if (!st->hosted) /* that is how another rank that fails ends this one, and Python is not asked
                      */
        signal(SIGTERM, SIG_DFL);
    c4p_abort(st->rt, status, text);
}

void
c4pe_process_print_by_lines(void)
{
    PyObject *file = PySys_GetObject("stdout"); /* borrowed */
    if (file != NULL && file != Py_None &&
        call_with(file, "reconfigure", "line_buffering", Py_True) < 0)
        PyErr_Clear(); /* replaced by something of the program's own */
}

/* ---- child processes ----------------------------------------------------------------------------- */

int
c4pe_process_watch_forks(PyObject *module)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *before = os ? PyObject_GetAttrString(module, "_before_fork") : NULL;
    PyObject *after = before ? PyObject_GetAttrString(module, "_after_fork") : NULL;
    int result = after ? call_with(os, "register_at_fork", "before", before) : -1;
    if (result == 0)
        result = call_with(os, "register_at_fork", "after_in_child", after);
    Py_XDECREF(after);
    Py_XDECREF(before);
    Py_XDECREF(os);
    return result;
}

/* What was received may lie in memory that other ranks reach too: the child gets a copy, not a
 * window. */
PyObject *
c4pe_process_before_fork(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (st->rt != NULL && c4p_before_fork(st->rt) != C4P_OK)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

PyObject *
c4pe_process_after_fork(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (st->rt != NULL) {
        st->rt = NULL;
        st->forked = true;
    }
    Py_RETURN_NONE;
}

void
c4pe_process_leave_child(int status)
{
    if (PyErr_Occurred()) {
        PyErr_Print();
        status = 1;
    }
    c4pe_process_flush();
    _exit(status & 0xff);
}
