/* SPDX-License-Identifier: Apache-2.0 */
/* pyerr.c: exceptions out of Python, statuses into it. Every exception that leaves Python does so
 * here. */
#include "codec.h"
#include "process.h"
#include "state.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* ---- statuses in --------------------------------------------------------------------------------- */

PyObject *
c4pe_raise(c4pe_state_t *st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    PyErr_FormatV(st && st->exc_error ? st->exc_error : PyExc_RuntimeError, fmt, ap);
    va_end(ap);
    return NULL;
}

PyObject *
c4pe_raise_status(c4pe_state_t *st, c4p_status_t status, const char *what)
{
    switch (status) {
    case C4P_ERR_NOMEM:
        return PyErr_NoMemory();
    case C4P_ERR_RANGE:
        return PyErr_Format(PyExc_IndexError, "%s: %s", what, c4p_strerror(status));
    case C4P_ERR_STATE:
        if (st->exiting || (st->rt != NULL && c4p_exiting(st->rt))) {
            PyErr_Format(PyExc_SystemExit, "%s: the program is ending", what);
            return NULL;
        }
        break;
    default:
        break;
    }
    return c4pe_raise(st, "%s: %s (%s)", what, c4p_strerror(status), c4p_status_name(status));
}

/* ---- describing ---------------------------------------------------------------------------------- */

/* "Grid(4,7)", or "Grid" for ndims 0. */
static const char *
describe(const char *name, c4p_key_t key, int ndims, char *buf, size_t size)
{
    const char *dot = strrchr(name, '.');
    c4p_index_t index = {.ndims = 0};
    if (ndims > 0)
        c4p_index_unpack(key, ndims, &index);
    size_t at = (size_t)snprintf(buf, size, "%s", dot ? dot + 1 : name);
    for (int i = 0; i < index.ndims && at < size; i++)
        at +=
            (size_t)snprintf(buf + at, size - at, "%s%lld", i ? "," : "(", (long long)index.at[i]);
    if (index.ndims > 0 && at < size)
        snprintf(buf + at, size - at, ")");
    return buf;
}

const char *
c4pe_describe_chare(c4pe_chare_t *chare, char *buf, size_t size)
{
    if (chare == NULL) {
        snprintf(buf, size, "(no chare)");
        return buf;
    }
    c4pe_coll_t *coll = chare->coll;
    bool alone = coll == NULL || coll->kind == C4PE_KIND_MAIN || coll->single;
    return describe(Py_TYPE(chare)->tp_name, chare->key, alone ? 0 : coll->ndims, buf, size);
}

const char *
c4pe_describe_proxy(PyObject *op, char *buf, size_t size)
{
    const c4pe_proxy_t *proxy = (c4pe_proxy_t *)op;
    const c4pe_pclass_t *pclass = proxy->pclass;
    c4p_coll_info_t info;
    bool alone = !(proxy->flags & C4PE_PROXY_ELEMENT) || pclass->kind == C4PE_KIND_MAIN;
    if (!alone && pclass->state->rt != NULL &&
        c4p_coll_info(pclass->state->rt, proxy->ref.coll, &info) == C4P_OK)
        alone = info.kind == C4P_KIND_CHARE;
    return describe(pclass->cls->name, proxy->ref.key, alone ? 0 : proxy->ndims, buf, size);
}

/* The traceback text of an exception, by the package's formatter or, failing that, by traceback's.
 * New reference, never NULL with an exception. */
static PyObject *
format_exception(c4pe_state_t *st, PyObject *exc)
{
    PyObject *text = NULL;
    if (st->format_exc != NULL)
        text = PyObject_CallOneArg(st->format_exc, exc);
    if (text == NULL) {
        PyErr_Clear();
        PyObject *tb = PyImport_ImportModule("traceback");
        PyObject *list =
            tb ? PyObject_CallMethod(tb, "format_exception", "OOO", Py_TYPE(exc), exc, Py_None)
               : NULL;
        PyObject *empty = list ? PyUnicode_FromString("") : NULL;
        text = empty ? PyUnicode_Join(empty, list) : NULL;
        Py_XDECREF(empty);
        Py_XDECREF(list);
        Py_XDECREF(tb);
    }
    if (text == NULL || !PyUnicode_Check(text)) {
        PyErr_Clear();
        Py_XDECREF(text);
        text =
            PyUnicode_FromFormat("%s (its traceback cannot be formatted)\n", Py_TYPE(exc)->tp_name);
        PyErr_Clear();
    }
    return text;
}

PyObject *
c4pe_err_take(void)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (type == NULL)
        return PyObject_CallFunction(PyExc_SystemError, "s", "failure without an exception");
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb != NULL)
        PyException_SetTraceback(value, tb);
    Py_XDECREF(tb);
    Py_DECREF(type);
    return value;
}

/* (pe, text, or what the text will be made of) if the exception came from another rank; new
 * reference or NULL without exception. */
static PyObject *
remote_stacktrace(c4pe_state_t *st, PyObject *exc)
{
    PyObject *got = PyObject_GetAttr(exc, st->s_remote_stacktrace);
    if (got == NULL)
        PyErr_Clear();
    else if (!PyTuple_Check(got) || PyTuple_GET_SIZE(got) != 2)
        Py_CLEAR(got);
    return got;
}

/* What to do about frequent mistakes; NULL: nothing to say. */
static const char *
hint_for(c4pe_state_t *st, PyObject *exc)
{
    if (st->exc_not_threaded && PyErr_GivenExceptionMatches(exc, st->exc_not_threaded))
        return "mark the method with @coro (or make it an async def); only coroutines can wait";
    if (PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt))
        return NULL;
    if (PyErr_GivenExceptionMatches(exc, PyExc_RecursionError))
        return "look for an unbounded recursion, or for a value that refers to itself";
    return NULL;
}

/* ---- an exception that nobody waits for ---------------------------------------------------------- */

/* The exit code of a SystemExit as python-like programs expect it; prints a non-integer argument.
 */
static int
system_exit_code(PyObject *exc)
{
    PyObject *code = PyObject_GetAttrString(exc, "code");
    int result = 1;
    if (code == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (code == Py_None) {
        result = 0;
    } else if (PyLong_Check(code)) {
        result = (int)(PyLong_AsUnsignedLongMask(code) & 0xff);
    } else {
        c4pe_process_flush();
        PyObject *err = PySys_GetObject("stderr"); /* borrowed */
        if (err != NULL && err != Py_None) {
            PyFile_WriteObject(code, err, Py_PRINT_RAW);
            PyFile_WriteString("\n", err);
        }
        c4pe_process_flush();
        PyErr_Clear();
    }
    Py_DECREF(code);
    return result;
}

static void
exit_orderly(c4pe_state_t *st, PyObject *exc)
{
    /* When the end is decided the exception may be that of a call which is refused for that. */
    int code = st->exiting ? 0 : system_exit_code(exc);
    if (!st->exiting && st->rt != NULL)
        c4p_exit(st->rt, code);
    st->exiting = true;
}

/* ^C: the job ends in an orderly way, after one line that says where this rank was. */
static void
exit_interrupted(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry)
{
    char who[256];
    if (entry != NULL && entry->name != NULL)
        c4p_log(st->rt, C4P_LOG_WARN, "interrupted in %s entry %s",
                c4pe_describe_chare(chare, who, sizeof(who)), PyUnicode_AsUTF8(entry->name));
    else
        c4p_log(st->rt, C4P_LOG_WARN, "interrupted");
    st->exiting = true;
    c4p_exit(st->rt, 130);
}

/* The exception left a method in a child process. */
static void
leave_child(void)
{
    int code = 1;
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyObject *exc = c4pe_err_take();
        code = exc ? system_exit_code(exc) : 1;
        Py_XDECREF(exc);
    }
    c4pe_process_leave_child(code);
}

/* Appends to a buffer of fixed size; what does not fit is cut. */
typedef struct text {
    char *buf;
    size_t at, size;
} text_t;

static void
text_add(text_t *t, const char *fmt, ...)
{
    va_list ap;
    if (t->at + 1 >= t->size)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(t->buf + t->at, t->size - t->at, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->at += (size_t)n;
    if (t->at >= t->size)
        t->at = t->size - 1;
}

static const char *
host_name(char *buf, size_t size)
{
    if (gethostname(buf, size) != 0)
        snprintf(buf, size, "?");
    buf[size - 1] = '\0';
    return buf;
}

/* The lines of the report after its head: who, what, traceback, hint. The head with rank, host and
 * time is the runtime's. */
static void
write_report(c4pe_state_t *st, text_t *t, c4pe_chare_t *chare, const c4pe_entry_t *entry,
             const char *doing, PyObject *exc)
{
    char who[256], host[128];
    const char *short_name = Py_TYPE(exc)->tp_name;
    PyObject *str = PyObject_Str(exc);
    PyErr_Clear();
    const char *msg = str ? PyUnicode_AsUTF8(str) : NULL;
    PyErr_Clear();
    PyObject *remote = remote_stacktrace(st, exc);
    const char *more = remote && msg ? strchr(msg, '\n') : NULL; /* which follows with the traceback
                                                                  */
    int shown = more && more - msg < 600 ? (int)(more - msg) : 600;
    text_add(t, "%s%s%.*s\n  ", short_name, msg && *msg ? ": " : "", shown, msg ? msg : "");
    text_add(t, "%s", doing ? doing : "running");
    if (chare != NULL)
        text_add(t, " chare %s", c4pe_describe_chare(chare, who, sizeof(who)));
    if (entry != NULL && entry->name != NULL)
        text_add(t, "%s entry %s", chare ? "" : " a chare,", PyUnicode_AsUTF8(entry->name));
    else if (chare == NULL)
        text_add(t, " the program");
    text_add(t, ", host %s pid %ld\n", host_name(host, sizeof(host)), (long)getpid());
    PyObject *tb = remote ? NULL : format_exception(st, exc);
    if (remote != NULL) {
        PyObject *where = PyObject_Str(PyTuple_GET_ITEM(remote, 0));
        text_add(t, "raised on rank %s:\n", where ? PyUnicode_AsUTF8(where) : "?");
        Py_XDECREF(where);
    }
    if (remote != NULL)
        tb = PySequence_GetItem(remote, 1); /* makes the text */
    const char *lines = tb && PyUnicode_Check(tb) ? PyUnicode_AsUTF8(tb) : NULL;
    PyErr_Clear();
    text_add(t, "%s", lines ? lines : "(no traceback)\n");
    if (t->at > 0 && t->buf[t->at - 1] == '\n')
        t->buf[--t->at] = '\0';
    const char *hint = hint_for(st, exc);
    if (hint != NULL)
        text_add(t, "\nhint: %s", hint);
    PyErr_Clear();
    Py_XDECREF(str);
    Py_XDECREF(tb);
    Py_XDECREF(remote);
}

/* The interactive shell goes on after a mistake. True if the package's hook took the exception. */
static bool
tell_hook(c4pe_state_t *st, PyObject *exc, c4pe_chare_t *chare, const c4pe_entry_t *entry)
{
    char who[256] = "";
    PyObject *hook = PyDict_GetItemString(st->hooks, "on_uncaught"); /* borrowed */
    if (hook == NULL || hook == Py_None)
        return false;
    if (chare != NULL)
        c4pe_describe_chare(chare, who, sizeof(who));
    PyObject *done = PyObject_CallFunction(hook, "OsO", exc, who,
                                           entry && entry->qualname ? entry->qualname : Py_None);
    if (done == NULL)
        PyErr_Print();
    Py_XDECREF(done);
    return done != NULL;
}

void
c4pe_err_uncaught(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
                  const char *doing)
{
    if (st->forked)
        leave_child();
    PyObject *exc = c4pe_err_take();
    if (exc == NULL) {
        PyErr_Clear();
        exc = Py_NewRef(Py_None);
    }
    bool interrupted = PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt);
    if (PyErr_GivenExceptionMatches(exc, PyExc_SystemExit) || (st->exiting && interrupted)) {
        exit_orderly(st, exc);
        Py_DECREF(exc);
        return;
    }
    if (interrupted && st->rt != NULL) {
        exit_interrupted(st, chare, entry);
        Py_DECREF(exc);
        return;
    }
    if (st->rt != NULL && tell_hook(st, exc, chare, entry)) {
        Py_DECREF(exc);
        return;
    }
    size_t size = 64 * 1024;
    char *buf = PyMem_RawMalloc(size);
    char small[512];
    text_t t = {.buf = buf ? buf : small, .size = buf ? size : sizeof(small)};
    t.buf[0] = '\0';
    write_report(st, &t, chare, entry, doing, exc);
    if (st->rt != NULL)
        c4pe_process_abort(st, 1, t.buf);
    c4pe_process_flush();
    fprintf(stderr, "c4py: error[C4P-E%d]\n  %s\n", C4P_ERR_USER, t.buf);
    _exit(1);
}

/* ---- an exception for a waiter ------------------------------------------------------------------- */

/* The frames of an exception and of those that caused it, as plain data from which the text is made
 * when somebody wants to see it; else the text. New reference, never NULL with an exception. */
static PyObject *
describe_exception(c4pe_state_t *st, PyObject *exc)
{
    PyObject *frames = st->describe_exc ? PyObject_CallOneArg(st->describe_exc, exc) : NULL;
    PyErr_Clear();
    return frames ? frames : format_exception(st, exc);
}

/* "TypeError: cannot pickle ..." of the set exception, which is cleared. New reference; NULL only
 * when out of memory. */
static PyObject *
why_not(void)
{
    PyObject *cause = c4pe_err_take();
    PyObject *why = cause ? PyUnicode_FromFormat("%s: %S", Py_TYPE(cause)->tp_name, cause) : NULL;
    if (cause && !why && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        why = PyUnicode_FromString(Py_TYPE(cause)->tp_name);
    }
    Py_XDECREF(cause);
    return why;
}

/* The pickled exception, or as a str why it cannot be pickled. New reference; NULL only when out of
 * memory. */
static PyObject *
pickle_exception(c4pe_state_t *st, PyObject *exc)
{
    PyObject *bytes = c4pe_codec_pickle(st, exc);
    if (bytes == NULL && !PyErr_ExceptionMatches(PyExc_MemoryError))
        return why_not();
    return bytes;
}

c4p_msg_t *
c4pe_err_encode(c4pe_state_t *st)
{
    PyObject *exc = c4pe_err_take();
    if (exc == NULL)
        return NULL;
    c4p_msg_t *msg = NULL;
    PyObject *remote = remote_stacktrace(st, exc);
    PyObject *where = NULL, *text = NULL, *bytes = NULL, *all = NULL;
    if (remote != NULL) {
        where = Py_NewRef(PyTuple_GET_ITEM(remote, 0));
        text = Py_NewRef(PyTuple_GET_ITEM(remote, 1));
    } else {
        where = PyLong_FromLong(st->rank);
        text = describe_exception(st, exc);
    }
    PyObject *str = PyObject_Str(exc);
    if (str == NULL) {
        PyErr_Clear();
        str = PyUnicode_FromString("(its text cannot be made)");
    }
    bytes = pickle_exception(st, exc);
    if (where && text && str && bytes)
        all = Py_BuildValue("(OsOOO)", bytes, Py_TYPE(exc)->tp_name, str, where, text);
    if (all != NULL && c4pe_codec_pack_value(st, all, 0, &msg) < 0)
        msg = NULL;
    Py_XDECREF(all);
    Py_XDECREF(bytes);
    Py_XDECREF(str);
    Py_XDECREF(text);
    Py_XDECREF(where);
    Py_XDECREF(remote);
    Py_DECREF(exc);
    return msg;
}

/* What pickle_exception() gave as an exception again; NULL if that is impossible, and then *why_out
 * (new reference, NULL when out of memory) says why. No exception is left. */
static PyObject *
unpickle_exception(PyObject *bytes, PyObject **why_out)
{
    *why_out = NULL;
    if (!PyBytes_Check(bytes)) {
        *why_out = Py_NewRef(bytes);
        return NULL;
    }
    PyObject *pickle = PyImport_ImportModule("pickle");
    PyObject *exc = pickle ? PyObject_CallMethod(pickle, "loads", "O", bytes) : NULL;
    Py_XDECREF(pickle);
    if (exc == NULL)
        *why_out = why_not();
    else if (!PyExceptionInstance_Check(exc))
        *why_out = PyUnicode_FromFormat("its __reduce__, which makes a %s", Py_TYPE(exc)->tp_name);
    if (exc != NULL && !PyExceptionInstance_Check(exc))
        Py_CLEAR(exc);
    PyErr_Clear();
    return exc;
}

/* What the waiter gets instead of an exception that cannot travel. */
static PyObject *
substitute(c4pe_state_t *st, const char *type_name, PyObject *text, PyObject *why, PyObject *where,
           PyObject *trace)
{
    PyObject *make = PyDict_GetItemString(st->hooks, "substitute"); /* borrowed */
    PyObject *exc = make && why && trace
                        ? PyObject_CallFunction(make, "sOOOO", type_name, text, why, where, trace)
                        : NULL;
    if (exc != NULL)
        return exc;
    PyErr_Clear();
    PyObject *str = PyUnicode_FromFormat("%s: %S", type_name, text);
    exc = str ? PyObject_CallOneArg(st->exc_error ? st->exc_error : PyExc_RuntimeError, str) : NULL;
    Py_XDECREF(str);
    return exc;
}

/* The exception from (pickle or why there is none, type name, text, pe, traceback). Steals `all`.
 */
static PyObject *
rebuild_exception(c4pe_state_t *st, PyObject *all)
{
    PyObject *bytes, *text, *where, *tb, *why;
    const char *type_name;
    if (all == NULL)
        return NULL;
    if (!PyTuple_Check(all) ||
        !PyArg_ParseTuple(all, "OsOOO", &bytes, &type_name, &text, &where, &tb)) {
        Py_DECREF(all);
        return c4pe_raise(st, "an exception from another rank arrived damaged");
    }
    PyObject *exc = unpickle_exception(bytes, &why);
    PyObject *remote = st->remote_trace
                           ? PyObject_CallFunctionObjArgs(st->remote_trace, where, tb, NULL)
                           : PyTuple_Pack(2, where, tb);
    PyErr_Clear();
    if (exc == NULL)
        exc = substitute(st, type_name, text, why, where, remote);
    if (exc != NULL &&
        (remote == NULL || PyObject_SetAttr(exc, st->s_remote_stacktrace, remote) < 0))
        PyErr_Clear(); /* an exception class with __slots__ goes without */
    Py_XDECREF(remote);
    Py_XDECREF(why);
    Py_DECREF(all);
    return exc;
}

/* An error of the runtime's own, such as a deleted target, is plain text and its status in the tag.
 */
static PyObject *
runtime_error(c4pe_state_t *st, c4p_msg_t *msg)
{
    PyObject *text =
        PyUnicode_DecodeUTF8(c4p_msg_data(msg), (Py_ssize_t)c4p_msg_len(msg), "replace");
    PyObject *exc =
        text ? PyObject_CallOneArg(st->exc_error ? st->exc_error : PyExc_RuntimeError, text) : NULL;
    Py_XDECREF(text);
    return exc;
}

PyObject *
c4pe_err_decode(c4pe_state_t *st, c4p_msg_t *msg)
{
    if (c4p_msg_tag(msg) >= (uint32_t)C4P_ERR_ARG)
        return runtime_error(st, msg);
    return rebuild_exception(st, c4pe_codec_unpack_value(st, msg));
}

PyObject *
c4pe_err_decode_bytes(c4pe_state_t *st, const void *data, size_t len)
{
    return rebuild_exception(st, c4pe_codec_unpack_bytes(st, data, len));
}

/* ---- arguments ----------------------------------------------------------------------------------- */

PyObject *
c4pe_one_arg_named(const char *func, const char *name, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (nargs + named != 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes exactly one argument, %s (%zd given)", func, name,
                     nargs + named);
        return NULL;
    }
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), name) != 0) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument %R", func,
                     PyTuple_GET_ITEM(kwnames, 0));
        return NULL;
    }
    return args[0];
}
