/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c: charm.checkpoint() and restart. */
#include "checkpoint.h"

#include <c4p/checkpoint.h>

#include "codec_int.h"
#include "coro_int.h"
#include "future.h"
#include "move.h"

/* ---- asking -------------------------------------------------------------------------------------- */

/* The chare whose coroutine asks; coll 0: the program's own. */
static c4p_ref_t
who_waits(c4pe_state_t *st)
{
    c4pe_coro_t *coro = st->coros->current;
    return coro ? coro->self : (c4p_ref_t){.coll = 0};
}

static int
note_asked(c4pe_state_t *st, PyObject *future)
{
    if (st->coros->current)
        st->coros->current->checkpoint = c4pe_future_id(future);
    PyObject *id = PyLong_FromUnsignedLongLong(c4pe_future_id(future));
    if (st->asked == NULL)
        st->asked = PyList_New(0);
    int result = id && st->asked ? PyList_Append(st->asked, id) : -1;
    Py_XDECREF(id);
    return result;
}

PyObject *
c4pe_checkpoint_ask(PyObject *module, PyObject *dir)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *path = NULL, *future = NULL;
    if (c4pe_need_rt(st, "checkpoint()") == NULL || !PyUnicode_FSConverter(dir, &path))
        return NULL;
    if (c4pe_coro_may_create(st, "checkpoint()") == 0)
        future = c4pe_future_new(st, 1, C4PE_VALUE);
    if (future && note_asked(st, future) < 0)
        Py_CLEAR(future);
    if (future) {
        const c4p_target_t done = {.kind = C4P_TARGET_HANDLER,
                                   .number = (uint64_t)st->rank << 32 | st->handler_checkpoint};
        c4p_status_t status = c4p_checkpoint(st->rt, PyBytes_AS_STRING(path), who_waits(st), &done);
        if (status != C4P_OK) {
            PyList_SetSlice(st->asked, PyList_GET_SIZE(st->asked) - 1, PY_SSIZE_T_MAX, NULL);
            c4pe_future_cancel(st, future);
            Py_CLEAR(future);
            c4pe_raise_status(st, status, "checkpoint()");
        }
    }
    Py_DECREF(path);
    return future;
}

/* ---- the answer ---------------------------------------------------------------------------------- */

/* (generation, elements, bytes) as a message; NULL with an exception. */
static c4p_msg_t *
encode_result(c4pe_state_t *st, const c4p_checkpoint_result_t *result)
{
    c4p_msg_t *msg = NULL;
    if (result->status != C4P_OK) {
        c4pe_raise(st, "no checkpoint was written: %s", result->why);
        return NULL;
    }
    PyObject *hook = PyDict_GetItemString(st->hooks, "checkpoint_written"); /* borrowed */
    PyObject *heard = hook ? PyObject_CallNoArgs(hook) : Py_NewRef(Py_None);
    if (heard == NULL)
        return NULL;
    Py_DECREF(heard);
    PyObject *value =
        Py_BuildValue("(KKK)", (unsigned long long)result->generation,
                      (unsigned long long)result->elements, (unsigned long long)result->bytes);
    if (value && c4pe_codec_pack_value(st, value, C4PE_PACK_FLAT, &msg) < 0)
        msg = NULL;
    Py_XDECREF(value);
    return msg;
}

/* Requests of one rank are served in their order. */
static void
on_done(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    c4pe_state_t *st = ctx;
    c4p_checkpoint_result_t result;
    if (st->exiting || !st->asked || PyList_GET_SIZE(st->asked) == 0 ||
        c4p_checkpoint_result(msg, &result) != C4P_OK)
        return;
    const c4p_reply_t reply = {.kind = C4P_REPLY_FUTURE,
                               .number = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(st->asked, 0))};
    PyList_SetSlice(st->asked, 0, 1, NULL);
    c4p_msg_t *value = encode_result(st, &result);
    bool failed = value == NULL;
    if (failed)
        value = c4pe_err_encode(st);
    c4p_reply_send(rt, &reply, value, failed);
}

/* ---- what is in the way -------------------------------------------------------------------------- */

static bool
is_asked(const c4pe_state_t *st, c4p_future_t id)
{
    for (Py_ssize_t i = 0; id && st->asked && i < PyList_GET_SIZE(st->asked); i++)
        if (PyLong_AsUnsignedLongLong(PyList_GET_ITEM(st->asked, i)) == id)
            return true;
    return false;
}

/* Coroutines that are no chare's would be lost, but for those that wait for a checkpoint. */
static bool
is_in_the_way(c4p_rt_t *Py_UNUSED(rt), char *why, size_t size, void *ctx)
{
    c4pe_state_t *st = ctx;
    for (c4pe_coro_t *coro = st->coros->waiting; coro; coro = coro->next)
        if (coro->self.coll == 0 && !is_asked(st, coro->checkpoint)) {
            char what[1000];
            c4pe_coro_describe(coro, what, sizeof(what));
            PyOS_snprintf(why, size, "a coroutine which is no chare's: %s", what);
            return true;
        }
    return false;
}

/* ---- what rank 0 keeps for all ------------------------------------------------------------------- */

static c4p_status_t
pack_program(c4p_rt_t *Py_UNUSED(rt), c4p_pup_t *p, void *ctx)
{
    c4pe_state_t *st = ctx;
    PyObject *hook = PyDict_GetItemString(st->hooks, "checkpoint_state"); /* borrowed */
    PyObject *value = NULL;
    if (hook)
        value = PyObject_CallNoArgs(hook);
    c4p_put_u64(p, st->main_coll);
    c4p_status_t status =
        value && c4pe_move_put(st, p, value) == 0 ? c4p_pup_status(p) : c4pe_move_fail(st, p);
    Py_XDECREF(value);
    return status;
}

static c4p_status_t
unpack_program(c4p_rt_t *Py_UNUSED(rt), c4p_pup_t *p, void *ctx)
{
    c4pe_state_t *st = ctx;
    PyObject *hook = PyDict_GetItemString(st->hooks, "restore_state"); /* borrowed */
    st->main_coll = c4p_get_u64(p);
    PyObject *value = c4pe_move_get(st, p);
    PyObject *done = value && hook ? PyObject_CallOneArg(hook, value) : NULL;
    c4p_status_t status = done ? C4P_OK : c4pe_move_fail(st, p);
    Py_XDECREF(done);
    Py_XDECREF(value);
    return status;
}

int
c4pe_checkpoint_check(c4pe_state_t *st, const char *what)
{
    if (!c4p_checkpointing(st->rt))
        return 0;
    c4pe_raise(st, "%s is not kept in checkpoints; delete what refers to it before", what);
    return -1;
}

/* ---- going on ------------------------------------------------------------------------------------ */

/* Meanwhile pickles are read by a function that finds only what is known to do no harm. */
PyObject *
c4pe_checkpoint_restart(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    const char *dir;
    int trust;
    if (!PyArg_ParseTuple(args, "sp:restart", &dir, &trust))
        return NULL;
    if (c4pe_need_rt(st, "restart()") == NULL)
        return NULL;
    PyObject *loads = PyDict_GetItemString(st->hooks, "safe_loads"); /* borrowed */
    PyObject *before = Py_NewRef(st->codec->loads);
    if (!trust && loads)
        Py_SETREF(st->codec->loads, Py_NewRef(loads));
    c4p_status_t status = c4p_restart(st->rt, dir);
    Py_SETREF(st->codec->loads, before);
    if (status == C4P_OK)
        Py_RETURN_NONE;
    st->refused = status;
    if (status == C4P_ERR_STATE || status == C4P_ERR_ARG || status == C4P_ERR_LIMIT)
        return c4pe_raise_status(st, status, "restart()");
    PyObject *code = PyLong_FromLong(c4p_exit_status(status)); /* the runtime has said why */
    if (code != NULL)
        PyErr_SetObject(PyExc_SystemExit, code);
    Py_XDECREF(code);
    return NULL;
}

PyObject *
c4pe_checkpoint_key(PyObject *module, PyObject *file)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *path = NULL;
    if (c4pe_need_rt(st, "checkpoint_key()") == NULL || !PyUnicode_FSConverter(file, &path))
        return NULL;
    c4p_status_t status = c4p_checkpoint_set_key(st->rt, PyBytes_AS_STRING(path));
    Py_DECREF(path);
    if (status != C4P_OK) /* the runtime has said why */
        c4p_abort(st->rt, c4p_exit_status(status), "no run without the key of its checkpoints");
    Py_RETURN_NONE;
}

PyObject *
c4pe_checkpoint_main_chare(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    const c4p_ref_t ref = {.coll = st->main_coll};
    PyObject *chare = ref.coll ? c4p_local(st->rt, ref) : NULL;
    return Py_NewRef(chare ? chare : Py_None);
}

int
c4pe_checkpoint_attach(c4pe_state_t *st)
{
    const c4p_checkpoint_hooks_t hooks = {.struct_size = sizeof(hooks),
                                          .pack = pack_program,
                                          .unpack = unpack_program,
                                          .in_the_way = is_in_the_way,
                                          .ctx = st};
    c4p_status_t status =
        c4p_handler_add(st->rt, "python.checkpoint", on_done, st, &st->handler_checkpoint);
    if (status == C4P_OK)
        status = c4p_checkpoint_set_hooks(st->rt, &hooks);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, "init()");
    return -1;
}
