/* SPDX-License-Identifier: Apache-2.0 */
/* coro_report.c: what suspended coroutines wait for and where they stand; sleeping; holding senders
 * back. */
#include "coro_int.h"

#include <frameobject.h> /* its functions, before 3.11 */
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "future.h"

/* ---- places in the program ----------------------------------------------------------------------- */

/* Does this frame belong to our own package or to frozen modules, in which the user has no
 * interest? */
static bool
is_ours(c4pe_coros_t *coros, PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool ours = false;
    if (coros->package)
        ours = PyUnicode_Tailmatch(code->co_filename, coros->package, 0, PY_SSIZE_T_MAX, -1) > 0;
    Py_DECREF(code);
    PyErr_Clear();
    return ours;
}

/* The innermost frame, at or outside of this one, of the user's code; frame itself if there is
 * none. Takes and gives a reference. */
static PyFrameObject *
user_frame(c4pe_coros_t *coros, PyFrameObject *frame)
{
    PyFrameObject *at = (PyFrameObject *)Py_NewRef(frame);
    while (at && is_ours(coros, at)) {
        PyFrameObject *back = PyFrame_GetBack(at);
        Py_SETREF(at, back);
    }
    if (!at)
        return frame;
    Py_DECREF(frame);
    return at;
}

/* "main.py:12" */
static void
describe_place(PyCodeObject *code, int line, char *buf, size_t size)
{
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    const char *slash = file ? strrchr(file, '/') : NULL;
    PyOS_snprintf(buf, size, "%s:%d", slash ? slash + 1 : file ? file : "?", line);
    PyErr_Clear();
}

static void
describe_frame(PyFrameObject *frame, char *buf, size_t size)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    describe_place(code, PyFrame_GetLineNumber(frame), buf, size);
    Py_DECREF(code);
}

/* The innermost frame of an object awaited by an async coroutine, following what it awaits in turn.
 */
static PyObject *
async_frame(PyObject *awaitable)
{
    PyObject *at = Py_NewRef(awaitable), *frame = NULL;
    while (at && (PyCoro_CheckExact(at) || PyGen_CheckExact(at))) {
        bool coro = PyCoro_CheckExact(at);
        PyObject *found = PyObject_GetAttrString(at, coro ? "cr_frame" : "gi_frame");
        if (found && found != Py_None)
            Py_XSETREF(frame, Py_NewRef(found));
        Py_XDECREF(found);
        PyObject *inner = PyObject_GetAttrString(at, coro ? "cr_await" : "gi_yieldfrom");
        Py_SETREF(at, inner);
    }
    Py_XDECREF(at);
    PyErr_Clear();
    return frame;
}

/* The innermost frame of a suspended coroutine; NULL without exception if Python does not tell. */
static PyFrameObject *
coro_frame(c4pe_coro_t *coro)
{
    PyObject *frame = coro->worker
                          ? PyObject_GetAttr(coro->worker->greenlet, coro->st->coros->s_gr_frame)
                          : async_frame(coro->awaitable);
    PyErr_Clear();
    if (frame && !PyFrame_Check(frame))
        Py_CLEAR(frame);
    return (PyFrameObject *)frame;
}

const char *
c4pe_coro_here(c4pe_state_t *st, char *buf, size_t size)
{
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */
    buf[0] = '\0';
    if (frame) {
        frame = user_frame(st->coros, (PyFrameObject *)Py_NewRef(frame));
        describe_frame(frame, buf, size);
        Py_DECREF(frame);
    }
    return buf;
}

PyObject *
c4pe_coro_place(c4pe_state_t *st, int *at_out)
{
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */
    if (!frame)
        return NULL;
    frame = user_frame(st->coros, (PyFrameObject *)Py_NewRef(frame));
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
#if PY_VERSION_HEX >= 0x030b0000
    *at_out = PyFrame_GetLasti(frame);
#else
    *at_out = frame->f_lasti * 2; /* in units of instructions */
#endif
    Py_DECREF(frame);
    return code;
}

void
c4pe_coro_place_text(PyObject *place, int at, char *buf, size_t size)
{
    describe_place((PyCodeObject *)place, PyCode_Addr2Line((PyCodeObject *)place, at), buf, size);
}

/* ---- the stall report ---------------------------------------------------------------------------- */

void
c4pe_coro_describe_wait(c4pe_coro_t *coro, char *buf, size_t size)
{
    const char *text = NULL;
    switch (coro->kind) {
    case C4PE_WAIT_FUTURE:
        c4pe_future_describe(coro->object, buf, size);
        return;
    case C4PE_WAIT_CHANNEL:
        c4pe_channel_describe(coro->object, "a message on", buf, size);
        return;
    case C4PE_WAIT_CONNECT:
        c4pe_channel_describe(coro->object, "the other end of", buf, size);
        return;
    case C4PE_WAIT_COND:
        text = coro->object ? PyUnicode_AsUTF8(coro->object) : NULL;
        PyErr_Clear();
        PyOS_snprintf(buf, size, "the condition '%s'", text ? text : "?");
        return;
    case C4PE_WAIT_ANY:
        PyOS_snprintf(buf, size, "one of %zd things",
                      coro->object ? PySequence_Size(coro->object) : 0);
        PyErr_Clear();
        return;
    case C4PE_WAIT_CREDIT:
        PyOS_snprintf(buf, size, "slow receivers of what it sent");
        return;
    case C4PE_WAIT_TIMER:
        PyOS_snprintf(buf, size, "a timer");
        return;
    }
    PyOS_snprintf(buf, size, "?");
}

/* "Grid.step", or the name of a plain function. */
static PyObject *
coro_name(c4pe_coro_t *coro)
{
    if (coro->job.entry && coro->job.entry->qualname)
        return Py_NewRef(coro->job.entry->qualname);
    PyObject *name = coro->func ? PyObject_GetAttrString(coro->func, "__qualname__") : NULL;
    PyErr_Clear();
    return name ? name : PyUnicode_FromString("?");
}

/* "coroutine Worker.run of Worker(3) at main.py:12 on rank 0 waits for future 17 (made at
 * main.py:11) since 2.3 s" */
void
c4pe_coro_describe(c4pe_coro_t *coro, char *buf, size_t size)
{
    char where[200] = "?", what[300], whose[200] = "";
    PyFrameObject *frame = coro_frame(coro);
    if (frame) {
        frame = user_frame(coro->st->coros, frame);
        describe_frame(frame, where, sizeof(where));
        Py_DECREF(frame);
    }
    if (coro->job.chare)
        c4pe_describe_chare(coro->job.chare, whose, sizeof(whose));
    c4pe_coro_describe_wait(coro, what, sizeof(what));
    PyObject *name = coro_name(coro);
    const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
    PyOS_snprintf(buf, size, "coroutine %s%s%s at %s on rank %d waits for %s since %.1f s",
                  text ? text : "?", whose[0] ? " of " : "", whose, where, coro->st->rank, what,
                  c4p_time_s(coro->st->rt) - coro->since);
    PyErr_Clear();
    Py_XDECREF(name);
}

uint64_t
c4pe_coro_count_waiters(c4pe_state_t *st)
{
    return st->coros->num_waiting;
}

void
c4pe_coro_list_waiters(c4pe_state_t *st, struct c4p_report *report)
{
    char line[1000];
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next) {
        if (coro->kind == C4PE_WAIT_TIMER)
            continue;
        c4pe_coro_describe(coro, line, sizeof(line));
        c4p_report_line(report, "%s", line);
    }
}

/* One write per piece: nothing may be lost when the process dies next. */
static void
put_line(int fd, const char *text)
{
    char line[1200];
    int len = PyOS_snprintf(line, sizeof(line), "%s\n", text);
    if (len >= (int)sizeof(line))
        len = (int)sizeof(line) - 1;
    ssize_t written = write(fd, line, (size_t)len);
    (void)written;
}

void
c4pe_coro_dump(c4pe_state_t *st, int fd)
{
    char line[1000], where[200];
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next) {
        c4pe_coro_describe(coro, line, sizeof(line));
        put_line(fd, line);
        PyFrameObject *frame = coro_frame(coro);
        while (frame) {
            PyCodeObject *code = PyFrame_GetCode(frame);
            const char *name = PyUnicode_AsUTF8(code->co_name);
            describe_frame(frame, where, sizeof(where));
            PyOS_snprintf(line, sizeof(line), "    %s in %s", where, name ? name : "?");
            put_line(fd, line);
            Py_DECREF(code);
            PyFrameObject *back = PyFrame_GetBack(frame);
            Py_SETREF(frame, back);
        }
    }
    PyErr_Clear();
}

/* ---- sleeping ------------------------------------------------------------------------------------ */

static void
sleep_over(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_coro_wake(ctx);
}

static int
block_rank(double seconds)
{
    PyObject *module = PyImport_ImportModule("time");
    PyObject *none = module ? PyObject_CallMethod(module, "sleep", "d", seconds) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

int
c4pe_coro_sleep(c4pe_state_t *st, double seconds)
{
    c4pe_coro_t *coro = st->coros->current;
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "sleep length must be non-negative");
        return -1;
    }
    if (!coro || !coro->worker || st->no_suspend)
        return block_rank(seconds);
    uint64_t timer;
    c4p_status_t status = c4p_timer(st->rt, seconds, sleep_over, coro, &timer);
    if (status != C4P_OK) {
        c4pe_raise_status(st, status, "sleep()");
        return -1;
    }
    int err = c4pe_coro_suspend(coro, C4PE_WAIT_TIMER, NULL);
    if (err < 0)
        c4p_timer_cancel(st->rt, timer);
    return err;
}

static void
future_over(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    PyObject *future = ctx;
    c4pe_local_future_set(NULL, future, Py_None, false);
    Py_DECREF(future);
}

PyObject *
c4pe_coro_sleep_awaitable(c4pe_state_t *st, double seconds)
{
    PyObject *future = c4pe_local_future_new(st, false);
    if (!future)
        return NULL;
    c4p_status_t status =
        c4p_timer(st->rt, seconds > 0 ? seconds : 0, future_over, Py_NewRef(future), NULL);
    if (status == C4P_OK)
        return future;
    Py_DECREF(future);
    Py_DECREF(future);
    return c4pe_raise_status(st, status, "sleep()");
}

/* ---- senders that are too fast ------------------------------------------------------------------- */

/* Twice the credit of a pair of ranks, see docs/running.md, C4PY_CREDIT_BYTES. */
uint64_t
c4pe_coro_backlog_limit(void)
{
    const char *text = getenv("C4PY_CREDIT_BYTES");
    char *end = NULL;
    uint64_t bytes = text ? strtoull(text, &end, 10) : 0;
    if (end && (*end == 'K' || *end == 'k'))
        bytes <<= 10;
    else if (end && (*end == 'M' || *end == 'm'))
        bytes <<= 20;
    else if (end && (*end == 'G' || *end == 'g'))
        bytes <<= 30;
    return 2 * (bytes ? bytes : (uint64_t)8 << 20);
}

static void poll_backlog(c4p_rt_t *rt, void *ctx);

static int
poll_again(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    if (coros->poll_set)
        return 0;
    c4p_status_t status = c4p_timer(st->rt, 0.0002, poll_backlog, st, NULL);
    if (status != C4P_OK) {
        c4pe_raise_status(st, status, "waiting for slow receivers");
        return -1;
    }
    coros->poll_set = true;
    return 0;
}

static void
poll_backlog(c4p_rt_t *rt, void *ctx)
{
    c4pe_state_t *st = ctx;
    c4pe_coros_t *coros = st->coros;
    coros->poll_set = false;
    if (c4p_backlog_bytes(rt) <= coros->backlog_limit / 2) {
        c4pe_coro_t *coro;
        while ((coro = c4pe_waiters_pop(&coros->throttled)))
            c4pe_coro_wake_soon(coro);
    } else if (coros->throttled.head && poll_again(st) < 0) {
        c4pe_err_uncaught(st, NULL, NULL, "waiting for slow receivers in");
    }
}

static void
warn_once(c4pe_state_t *st)
{
    char where[200];
    if (st->coros->warned)
        return;
    st->coros->warned = true;
    c4p_log(st->rt, C4P_LOG_WARN,
            "%s sends faster than its receivers take: %.0f MB wait in this rank's memory; in a "
            "coroutine (@coro) it would be held back",
            c4pe_coro_here(st, where, sizeof(where)), (double)c4p_backlog_bytes(st->rt) / 1e6);
}

static int
hold_back(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    c4pe_coro_t *coro = coros->current;
    if (!coro || !coro->worker || st->no_suspend) {
        warn_once(st);
        return 0;
    }
    if (poll_again(st) < 0)
        return -1;
    c4pe_waiters_add(&coros->throttled, coro);
    return c4pe_coro_suspend(coro, C4PE_WAIT_CREDIT, NULL);
}

int
c4pe_coro_throttle(c4pe_state_t *st)
{
    return c4p_backlog_bytes(st->rt) <= st->coros->backlog_limit ? 0 : hold_back(st);
}
