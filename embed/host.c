/* SPDX-License-Identifier: Apache-2.0 */
/* host.c: c4p/python.h: Python's life in somebody else's program, and its exceptions as text. */
#include "host.h"

#include "interp.h"
#include "life.h"

#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

/* ---- errors -------------------------------------------------------------------------------------- */

static c4p_status_t
status_of(PyObject *exc)
{
    if (PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))
        return C4P_ERR_STATE;
    return PyErr_GivenExceptionMatches(exc, PyExc_MemoryError) ? C4P_ERR_NOMEM : C4P_ERR_USER;
}

c4p_status_t
c4pe_host_failed(c4p_python_t *py)
{
    PyObject *exc = c4pe_err_take();
    if (exc == NULL) {
        PyErr_Clear();
        return C4P_ERR_NOMEM;
    }
    const c4p_status_t status = status_of(exc);
    PyObject *texts = py->package ? PyObject_CallMethod(py->package, "describe", "O", exc) : NULL;
    if (texts == NULL) {
        PyErr_Clear();
        texts = Py_BuildValue("(sss)", Py_TYPE(exc)->tp_name, "", "");
    }
    PyErr_Clear();
    Py_XSETREF(py->error, texts);
    Py_DECREF(exc);
    return status;
}

static const char *
error_text(const c4p_python_t *py, Py_ssize_t i)
{
    const char *text =
        py != NULL && py->error != NULL ? PyUnicode_AsUTF8(PyTuple_GET_ITEM(py->error, i)) : "";
    if (text == NULL)
        PyErr_Clear();
    return text ? text : "";
}

c4p_python_error_t
c4p_python_error(const c4p_python_t *py)
{
    const c4p_python_error_t error = {
        .type = error_text(py, 0), .message = error_text(py, 1), .traceback = error_text(py, 2)};
    return error;
}

c4p_status_t
c4pe_host_check(const c4p_python_t *py)
{
    if (py == NULL)
        return C4P_ERR_ARG;
    return py->started && !c4p_exiting(py->rt) ? C4P_OK : C4P_ERR_STATE;
}

/* ---- init ---------------------------------------------------------------------------------------- */

/* c4pe_program_t.say */
static void
log_line(void *ctx, const char *line)
{
    c4p_log(ctx, C4P_LOG_ERROR, "%s", line);
}

/* The folder of this library. */
static bool
find_home(char *buf)
{
    Dl_info info;
    void *self;
    c4p_status_t (*here)(c4p_rt_t *, const c4p_python_opts_t *, c4p_python_t **) = c4p_python_init;
    memcpy(&self, &here, sizeof(self));
    if (dladdr(self, &info) == 0 || realpath(info.dli_fname, buf) == NULL)
        return false;
    char *slash = strrchr(buf, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* Loading it takes SIGINT, however Python was configured: now, while the host's is put back, and
 * not in some later import. */
static int
import_signal(void)
{
    struct sigaction hosts;
    sigaction(SIGINT, NULL, &hosts);
    PyObject *module = PyImport_ImportModule("signal");
    sigaction(SIGINT, &hosts, NULL);
    PyErr_Clear();
    Py_XDECREF(module);
    return module ? 0 : -1;
}

static c4p_status_t
start_interpreter(c4p_rt_t *rt, const c4p_python_opts_t *opts)
{
    char home[PATH_MAX];
    c4pe_program_t program = {.hosted = true, .name = "", .say = log_line, .say_ctx = rt};
    if (find_home(home))
        program.home = home;
    if (opts != NULL && opts->argc > 0) {
        program.name = opts->argv[0];
        program.argc = opts->argc - 1;
        program.argv = (char **)(uintptr_t)(opts->argv + 1);
    }
    const int failed = c4pe_interp_start(&program);
    if (failed == 0 && import_signal() == 0)
        return C4P_OK;
    return failed == 2 ? C4P_ERR_NOT_FOUND : failed == 71 ? C4P_ERR_NOMEM : C4P_ERR_INTERNAL;
}

/* The package, from which on errors have texts. */
static c4p_status_t
load_package(c4p_python_t *py, const c4p_python_opts_t *opts)
{
    const char *path = opts ? opts->path : NULL;
    PyObject *done = NULL;
    py->module = PyImport_ImportModule("c4py._c4py");
    py->st = py->module ? c4pe_state_of_module(py->module) : NULL;
    py->package = py->module ? PyImport_ImportModule("c4py._host") : NULL;
    if (py->package != NULL)
        done = PyObject_CallMethod(py->package, "prepare", "z", path);
    Py_XDECREF(done);
    if (done != NULL)
        return C4P_OK;
    c4p_status_t status = c4pe_host_failed(py);
    c4p_log(py->rt, C4P_LOG_ERROR, "the package c4py cannot be used: %s: %s",
            c4p_python_error(py).type, c4p_python_error(py).message);
    return status == C4P_ERR_USER ? C4P_ERR_NOT_FOUND : status;
}

static void
drop(c4p_python_t *py)
{
    Py_XDECREF(py->error);
    Py_XDECREF(py->package);
    Py_XDECREF(py->module);
    PyMem_RawFree(py);
}

c4p_status_t
c4p_python_init(c4p_rt_t *rt, const c4p_python_opts_t *opts, c4p_python_t **py_out)
{
    if (rt == NULL || py_out == NULL || (opts != NULL && opts->struct_size == 0) ||
        (opts != NULL && opts->argc > 0 && opts->argv == NULL))
        return C4P_ERR_ARG;
    if (c4p_step(rt, 0, NULL) != C4P_ERR_STATE) {
        c4p_log(rt, C4P_LOG_ERROR, "c4p_python_init(): the runtime has been started already");
        return C4P_ERR_STATE;
    }
    if (Py_IsInitialized()) {
        c4p_log(rt, C4P_LOG_ERROR,
                "c4p_python_init(): this process has a Python interpreter already");
        return C4P_ERR_STATE;
    }
    c4p_status_t status = start_interpreter(rt, opts);
    if (status != C4P_OK)
        return status;
    c4p_python_t *py = PyMem_RawCalloc(1, sizeof(*py));
    if (py == NULL)
        return C4P_ERR_NOMEM;
    py->rt = rt;
    if ((status = load_package(py, opts)) != C4P_OK) {
        drop(py);
        return status;
    }
    *py_out = py;
    return C4P_OK;
}

/* ---- import, start, free ------------------------------------------------------------------------- */

c4p_status_t
c4p_python_import(c4p_python_t *py, const char *module)
{
    if (py == NULL || module == NULL)
        return C4P_ERR_ARG;
    if (py->started)
        return C4P_ERR_STATE;
    PyObject *done = PyObject_CallMethod(py->package, "load", "s", module);
    Py_XDECREF(done);
    return done ? C4P_OK : c4pe_host_failed(py);
}

/* dir: of a checkpoint, or NULL. */
static c4p_status_t
start(c4p_python_t *py, const char *dir, bool trust)
{
    if (py->st->rt != NULL || py->st->finished)
        return C4P_ERR_STATE;
    PyObject *capsule = PyCapsule_New(py->rt, "c4p_rt_t", NULL);
    PyObject *done = capsule ? PyObject_CallMethod(py->package, "start", "OzO", capsule, dir,
                                                   trust ? Py_True : Py_False)
                             : NULL;
    Py_XDECREF(capsule);
    Py_XDECREF(done);
    if (done == NULL) {
        const c4p_status_t status = c4pe_host_failed(py);
        return py->st->refused != C4P_OK ? py->st->refused : status;
    }
    py->started = true;
    return c4p_run_until_quiescent(py->rt, NULL);
}

c4p_status_t
c4p_python_start(c4p_python_t *py)
{
    return py ? start(py, NULL, false) : C4P_ERR_ARG;
}

c4p_status_t
c4p_python_restart(c4p_python_t *py, const char *dir, bool trust)
{
    return py && dir && dir[0] ? start(py, dir, trust) : C4P_ERR_ARG;
}

void
c4p_python_free(c4p_python_t *py)
{
    if (py == NULL)
        return;
    c4p_rt_t *rt = py->rt;
    const bool adopted = py->st->rt != NULL;
    PyObject *done = PyObject_CallMethod(py->package, "leave", NULL);
    if (done != NULL && adopted)
        Py_XSETREF(done, c4pe_life_finish(py->module, NULL));
    else if (done == NULL)
        c4pe_host_failed(py);
    Py_XDECREF(done);
    if (!adopted || py->st->rt != NULL)
        c4p_free(rt);
    py->st->rt = NULL;
    drop(py);
}
