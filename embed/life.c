/* SPDX-License-Identifier: Apache-2.0 */
/* life.c: the life of the runtime as Python sees it. */
#include "life.h"

#include "channel.h"
#include "checkpoint.h"
#include "codec.h"
#include "collections.h"
#include "coroutine.h"
#include "future.h"
#include "outside.h"
#include "process.h"
#include "profile.h"
#include "signals.h"
#include "when.h"

#include <string.h>
#include <unistd.h>

/* ---- hooks of the scheduler ---------------------------------------------------------------------- */

/* KeyboardInterrupt, or whatever a signal handler of the program raised. False: end at once. */
static bool
handle_python_signals(c4pe_state_t *st)
{
    if (PyErr_CheckSignals() == 0)
        return true;
    c4pe_err_uncaught(st, NULL, NULL, "handling a signal in"); /* returns for SystemExit and
                                                                  KeyboardInterrupt only */
    return true;
}

static bool
hook_tick(c4p_rt_t *rt, void *ctx)
{
    c4pe_state_t *st = ctx;
    if (c4pe_signals_take_dump())
        c4pe_coro_dump(st, STDERR_FILENO);
    if (st->shared_msg != NULL && c4p_self(rt).coll == 0)
        c4pe_drop_shared(st);
    c4pe_outside_tick(st);
    PyEval_RestoreThread(PyEval_SaveThread()); /* other threads of the program get a turn */
    return handle_python_signals(st);
}

static void
hook_idle_begin(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_state_t *st = ctx;
    if (st->shared_msg != NULL)
        c4pe_drop_shared(st);
    st->idle_thread = PyEval_SaveThread();
}

static void
hook_idle_end(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_state_t *st = ctx;
    PyEval_RestoreThread(st->idle_thread);
    st->idle_thread = NULL;
}

static uint64_t
hook_count_waiters(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_state_t *st = ctx;
    return c4pe_coro_count_waiters(st) + c4pe_when_count_waiters(st);
}

static void
hook_list_waiters(c4p_rt_t *Py_UNUSED(rt), void *ctx, struct c4p_report *report)
{
    c4pe_state_t *st = ctx;
    c4pe_coro_list_waiters(st, report);
    c4pe_when_list_waiters(st, report);
}

static bool
hook_outside(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    return c4pe_outside_open(ctx);
}

static void
hook_nothing_left(c4p_rt_t *rt, void *ctx)
{
    const c4pe_state_t *st = ctx;
    c4p_log(
        rt, C4P_LOG_WARN,
        "the program has nothing left to do but has not called %s: no method runs, no "
        "message is in flight, nothing waits and no timer is set, on any rank; it goes on until "
        "it is told to end",
        st->hosted ? "c4p_exit()" : "charm.exit()");
}

/* What finalisers raise is printed by Python. */
static void
hook_collect(c4p_rt_t *Py_UNUSED(rt), void *Py_UNUSED(ctx))
{
    PyGC_Collect();
}

static int
set_hooks(c4pe_state_t *st)
{
    c4p_hooks_t hooks = {
        .struct_size = sizeof(hooks),
        .tick = hook_tick,
        .idle_begin = hook_idle_begin,
        .idle_end = hook_idle_end,
        .count_waiters = hook_count_waiters,
        .list_waiters = hook_list_waiters,
        .ctx = st,
        .nothing_left = hook_nothing_left,
        .outside = hook_outside,
        .collect = hook_collect,
    };
    c4p_status_t status = c4p_set_hooks(st->rt, &hooks);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, "init()");
    return -1;
}

/* ---- what rank 0 sends before the others run ----------------------------------------------------- */

/* Give it to the package; chares may run from now on. */
static void
take_snapshot(c4pe_state_t *st, c4p_msg_t *msg)
{
    PyObject *value = c4pe_codec_unpack_value(st, msg);
    PyObject *done = value ? PyObject_CallOneArg(st->on_snapshot, value) : NULL;
    if (done == NULL)
        c4pe_err_uncaught(st, NULL, NULL, "receiving the readonlies in");
    Py_XDECREF(done);
    Py_XDECREF(value);
    c4p_gate(st->rt, false);
}

/* c4p_handler_fn_t: the snapshot has arrived, perhaps while this rank is still in start(). */
static void
on_snapshot(c4p_rt_t *Py_UNUSED(rt), c4p_msg_t *msg, void *ctx)
{
    c4pe_state_t *st = ctx;
    if (st->rank == 0)
        return;
    if (st->on_snapshot != NULL) {
        take_snapshot(st, msg);
        return;
    }
    c4p_msg_keep(msg);
    st->early_snapshot = msg;
}

static void
take_early_snapshot(c4pe_state_t *st)
{
    c4p_msg_t *msg = st->early_snapshot;
    st->early_snapshot = NULL;
    if (msg != NULL)
        take_snapshot(st, msg);
    c4p_msg_free(msg);
}

static int
send_snapshot(c4pe_state_t *st, PyObject *snapshot)
{
    if (st->num_ranks == 1)
        return 0;
    PyObject *value = PyObject_CallNoArgs(snapshot);
    c4p_msg_t *msg;
    if (value == NULL)
        return -1;
    st->copies = 0;
    int packed = c4pe_codec_pack_value(st, value, C4PE_PACK_FLAT, &msg);
    st->copies = 1;
    Py_DECREF(value);
    if (packed < 0)
        return -1;
    c4p_status_t status = c4p_bcast_handler(st->rt, st->handler_snapshot, msg);
    if (status == C4P_OK)
        return 0;
    c4p_msg_free(msg);
    c4pe_raise_status(st, status, "sending the readonlies");
    return -1;
}

/* ---- init, start --------------------------------------------------------------------------------- */

/* The position of a word in a list that ends with NULL; -1 with ValueError. NULL word: 0. */
static int
choice(const char *what, const char *word, const char *const *words)
{
    if (word == NULL)
        return 0;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    PyErr_Format(PyExc_ValueError,
                 "%s: '%s' is none of the possible values (the first one is '%s')", what, word,
                 words[0]);
    return -1;
}

static int
fill_options(c4p_opts_t *opts, const char *log, const char *stall, const char *idle)
{
    static const char *const logs[] = {"error", "warn", "info", "debug", NULL};
    static const char *const stalls[] = {"abort", "warn", "off", NULL};
    static const char *const idles[] = {"auto", "spin", "yield", "sleep", NULL};
    int l = choice("log", log ? log : "warn", logs), s = choice("stall", stall, stalls),
        i = choice("idle", idle, idles);
    if (l < 0 || s < 0 || i < 0)
        return -1;
    opts->log_level = (c4p_log_level_t)(C4P_LOG_ERROR + l);
    opts->stall = (c4p_stall_mode_t)s;
    opts->idle = (c4p_idle_mode_t)i;
    return 0;
}

/* Register what the embedding itself needs, in the same order on all ranks. */
static int
attach(c4pe_state_t *st)
{
    if (set_hooks(st) < 0)
        return -1;
    c4p_status_t status =
        c4p_handler_add(st->rt, "python.snapshot", on_snapshot, st, &st->handler_snapshot);
    if (status != C4P_OK) {
        c4pe_raise_status(st, status, "init()");
        return -1;
    }
    if (c4pe_checkpoint_attach(st) < 0 || c4pe_colls_attach(st) < 0 || c4pe_reduce_attach(st) < 0)
        return -1;
    if (c4pe_coroutine_attach(st) < 0 || c4pe_future_attach(st) < 0 || c4pe_channel_attach(st) < 0)
        return -1;
    return 0;
}

/* The runtime has said why: end with the exit status that belongs to it, without a traceback.
 * Always NULL. */
static PyObject *
cannot_start(c4pe_state_t *st, c4p_status_t status)
{
    st->refused = status;
    if (status == C4P_ERR_STATE || status == C4P_ERR_ARG)
        return c4pe_raise_status(st, status, "the runtime cannot start");
    PyObject *code = PyLong_FromLong(c4p_exit_status(status));
    if (code != NULL)
        PyErr_SetObject(PyExc_SystemExit, code);
    Py_XDECREF(code);
    return NULL;
}

/* st->rt is there, fresh. */
static int
settle_in(c4pe_state_t *st)
{
    st->rank = c4p_rank(st->rt);
    st->num_ranks = c4p_num_ranks(st->rt);
    st->thread = PyThreadState_Get();
    c4pe_signals_attach(st->rank, st->num_ranks);
    c4pe_process_print_by_lines();
    if (c4pe_process_watch_forks(st->module) < 0)
        return -1;
    return attach(st);
}

static int
check_fresh(c4pe_state_t *st)
{
    if (st->rt == NULL && !st->finished)
        return 0;
    c4pe_raise(st, st->rt ? "the runtime is up already"
                          : "the runtime has ended and cannot start again");
    return -1;
}

PyObject *
c4pe_life_init(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"log", "stall", "idle", "quiet", NULL};
    c4pe_state_t *st = c4pe_state_of_module(module);
    const char *log = NULL, *stall = NULL, *idle = NULL;
    int quiet = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$zzzp:init", (char **)names, &log, &stall,
                                     &idle, &quiet))
        return NULL;
    c4p_opts_t opts = C4P_OPTS_INIT;
    if (check_fresh(st) < 0 || fill_options(&opts, log, stall, idle) < 0)
        return NULL;
    c4p_status_t status = c4p_init(&opts, &st->rt);
    if (status != C4P_OK) {
        st->rt = NULL;
        return cannot_start(st, status);
    }
    if (settle_in(st) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
c4pe_life_adopt(PyObject *module, PyObject *capsule)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_rt_t *rt = PyCapsule_GetPointer(capsule, "c4p_rt_t");
    if (rt == NULL || check_fresh(st) < 0)
        return NULL;
    st->rt = rt;
    st->hosted = true;
    if (settle_in(st) < 0) {
        st->rt = NULL;
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
c4pe_life_start(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (c4pe_need_rt(st, "start()") == NULL)
        return NULL;
    if (st->rank != 0)
        c4p_gate(st->rt, true);
    c4p_status_t status = c4p_start(st->rt);
    if (status != C4P_OK)
        return cannot_start(st, status);
    st->started = true;
    Py_RETURN_NONE;
}

/* ---- run ----------------------------------------------------------------------------------------- */

/* The program has returned: it goes on serving messages. */
static void
main_done(c4pe_state_t *st, void *Py_UNUSED(ctx), PyObject *result)
{
    if (result == NULL)
        c4pe_err_uncaught(st, NULL, NULL, NULL);
    Py_XDECREF(result);
}

static int
start_main(c4pe_state_t *st, PyObject *main, PyObject *snapshot)
{
    c4pe_job_t job = {.done = main_done};
    c4pe_charged_t before = c4pe_profile_enter(st, C4PE_ACCOUNT_PROGRAM);
    if (c4pe_coro_start(st, &job, main, NULL, st->empty_tuple, NULL, false) < 0)
        return -1;
    c4pe_profile_leave(st, before);
    return st->exiting ? 0 : send_snapshot(st, snapshot);
}

/* The part of c4pe_life_run() before the scheduler; NULL with an exception. */
static c4pe_state_t *
begin_run(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *main, *snapshot, *receive;
    if (!PyArg_ParseTuple(args, "OOO:run", &main, &snapshot, &receive))
        return NULL;
    if (!st->started || st->running) {
        c4pe_raise(st, st->running ? "run() was called before" : "run() needs start() first");
        return NULL;
    }
    st->running = true;
    Py_XSETREF(st->on_snapshot, Py_NewRef(receive));
    take_early_snapshot(st);
    if (st->rank == 0 && main != Py_None && start_main(st, main, snapshot) < 0)
        c4pe_err_uncaught(st, NULL, NULL, NULL);
    return st;
}

PyObject *
c4pe_life_begin(PyObject *module, PyObject *args)
{
    if (begin_run(module, args) == NULL)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
c4pe_life_run(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = begin_run(module, args);
    int code = 0;
    if (st == NULL)
        return NULL;
    c4p_status_t status = c4p_run(st->rt, &code);
    st->exiting = true;
    c4pe_drop_shared(st);
    if (status != C4P_OK)
        code = c4p_exit_status(status);
    return PyLong_FromLong(code);
}

/* ---- the end ------------------------------------------------------------------------------------- */

static void
free_runtime(c4pe_state_t *st)
{
    c4p_rt_t *rt = st->rt;
    if (rt == NULL)
        return;
    st->exiting = true;
    c4pe_drop_shared(st);
    c4p_msg_free(st->early_snapshot);
    st->early_snapshot = NULL;
    c4pe_timers_clear(st);
    c4p_free(rt);
    st->rt = NULL;
    st->started = st->running = false;
    st->finished = true;
    st->rank = st->num_ranks = -1;
}

PyObject *
c4pe_life_finish(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    free_runtime(c4pe_state_of_module(module));
    Py_RETURN_NONE;
}

enum { MAX_EXITS = 100 };

/* exit() again and again: the program catches the exception that leaves the method and goes on in a
 * loop. The exit was accepted, so a coroutine simply gets no more turns; everything else cannot be
 * left. 0 if the coroutine was let run in spite of that. */
static int
leave_endless_loop(c4pe_state_t *st, int code)
{
    c4pe_coro_t *coro = c4pe_coro_need(st, "exit()");
    if (coro != NULL)
        return c4pe_coro_suspend(coro, C4PE_WAIT_TIMER, NULL);
    PyErr_Clear();
    char text[400], where[200];
    PyOS_snprintf(
        text, sizeof(text),
        "charm.exit() was called %d times, but the program catches the SystemExit that it "
        "raises and goes on: %s\n  hint: use 'except Exception', or leave the method",
        MAX_EXITS, c4pe_coro_here(st, where, sizeof(where)));
    c4pe_process_abort(st, code > 0 && code < 126 ? code : 1, text);
}

PyObject *
c4pe_life_exit(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    int code = 0;
    if (!PyArg_ParseTuple(args, "|i:exit", &code))
        return NULL;
    if (c4pe_need_rt(st, "exit()") == NULL)
        return NULL;
    if (!st->exiting)
        c4p_exit(st->rt, code);
    st->exiting = true;
    if (++st->num_exits > MAX_EXITS && leave_endless_loop(st, code) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
c4pe_life_abort(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    const char *text;
    int status = 1;
    if (!PyArg_ParseTuple(args, "s|i:abort", &text, &status))
        return NULL;
    if (status < 1 || status > 125)
        return PyErr_Format(PyExc_ValueError, "the exit status of an abort is 1 to 125, not %d",
                            status);
    if (c4pe_need_rt(st, "abort()") == NULL)
        return NULL;
    c4pe_process_abort(st, status, text);
}
