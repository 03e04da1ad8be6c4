/* SPDX-License-Identifier: Apache-2.0 */
/* module.c: the module c4py._c4py: its state and its table of functions. */
#include "module.h"
#include "native.h"

#include "balance.h"
#include "balancing.h"
#include "bound.h"
#include "channel.h"
#include "checkpoint.h"
#include "codec.h"
#include "collections.h"
#include "coroutine.h"
#include "future.h"
#include "life.h"
#include "move.h"
#include "outside.h"
#include "process.h"
#include "profile.h"
#include "reduce_native.h"
#include "reducer.h"
#include "section.h"
#include "signals.h"
#include "typed.h"
#include "when.h"

static struct PyModuleDef module_def;

/* ---- state --------------------------------------------------------------------------------------- */

c4pe_state_t *
c4pe_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

c4pe_state_t *
c4pe_state_of_type(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030b0000
    PyObject *module = PyType_GetModuleByDef(type, &module_def); /* borrowed */
#else
    PyObject *module = _PyType_GetModuleByDef(type, &module_def);
#endif
    return module ? PyModule_GetState(module) : NULL;
}

c4p_rt_t *
c4pe_need_rt(c4pe_state_t *st, const char *what)
{
    if (c4pe_may_call(st))
        return st->rt;
    if (st->forked)
        c4pe_raise(st,
                   "%s: not in a child process made by fork(): the runtime stays with its parent",
                   what);
    else if (st->rt != NULL)
        c4pe_raise(st,
                   "%s: the runtime can be used by the main thread only; let other threads leave "
                   "their results in a queue that a method reads",
                   what);
    else
        c4pe_raise(st, "%s: the runtime is not up; this works after charm.start() only", what);
    return NULL;
}

/* ---- functions ----------------------------------------------------------------------------------- */

typedef struct binding {
    const char *name;
    size_t offset;
} binding_t;

static const binding_t bindings[] = {
    {"Charm4PyError", offsetof(c4pe_state_t, exc_error)},
    {"NotThreadedError", offsetof(c4pe_state_t, exc_not_threaded)},
    {"parse_cond", offsetof(c4pe_state_t, parse_cond)},
    {"combine", offsetof(c4pe_state_t, combine)},
    {"make_chare", offsetof(c4pe_state_t, make_chare)},
    {"format_exception", offsetof(c4pe_state_t, format_exc)},
    {"describe_exception", offsetof(c4pe_state_t, describe_exc)},
    {"RemoteStacktrace", offsetof(c4pe_state_t, remote_trace)},
};

static PyObject *
module_bind(PyObject *module, PyObject *args, PyObject *kwargs)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "bind() takes keyword arguments only");
        return NULL;
    }
    for (size_t i = 0; kwargs != NULL && i < Py_ARRAY_LENGTH(bindings); i++) {
        PyObject *value = PyDict_GetItemString(kwargs, bindings[i].name); /* borrowed */
        PyObject **slot = (PyObject **)((char *)st + bindings[i].offset);
        if (value != NULL)
            Py_XSETREF(*slot, Py_NewRef(value));
    }
    if (kwargs != NULL && PyDict_Update(st->hooks, kwargs) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
module_rank(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(c4pe_state_of_module(module)->rank);
}

static PyObject *
module_num_ranks(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(c4pe_state_of_module(module)->num_ranks);
}

static PyObject *
module_host_rank(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "host_rank()");
    return rt ? PyLong_FromLong(c4p_host_rank(rt)) : NULL;
}

static PyObject *
module_host_ranks(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "host_ranks()");
    return rt ? PyLong_FromLong(c4p_host_ranks(rt)) : NULL;
}

static PyObject *
module_num_hosts(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "num_hosts()");
    return rt ? PyLong_FromLong(c4p_num_hosts(rt)) : NULL;
}

static PyObject *
module_host_of(PyObject *module, PyObject *args)
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "host_of()");
    int rank;
    if (rt == NULL || !PyArg_ParseTuple(args, "i:host_of", &rank))
        return NULL;
    return PyLong_FromLong(c4p_host_of(rt, rank));
}

static PyObject *
module_host_next(PyObject *module, PyObject *args)
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "host_next()");
    int host, after;
    if (rt == NULL || !PyArg_ParseTuple(args, "ii:host_next", &host, &after))
        return NULL;
    return PyLong_FromLong(c4p_host_next(rt, host, after));
}

static PyObject *
module_time_s(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "time_s()");
    return rt ? PyFloat_FromDouble(c4p_time_s(rt)) : NULL;
}

static PyObject *
module_exiting(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    return PyBool_FromLong(st->exiting || (st->rt != NULL && c4p_exiting(st->rt)));
}

static PyObject *
module_log(PyObject *module, PyObject *args)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    c4pe_state_t *st = c4pe_state_of_module(module);
    const char *level, *text;
    if (!PyArg_ParseTuple(args, "ss:log", &level, &text) || c4pe_need_rt(st, "log()") == NULL)
        return NULL;
    for (int i = 0; i < 4; i++)
        if (strcmp(level, levels[i]) == 0) {
            c4p_log(st->rt, (c4p_log_level_t)(C4P_LOG_ERROR + i), "%s", text);
            Py_RETURN_NONE;
        }
    return PyErr_Format(PyExc_ValueError,
                        "log(): the level is error, warn, info or debug, not '%s'", level);
}

static PyObject *
module_poll(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "poll()");
    if (rt == NULL)
        return NULL;
    c4p_poll(rt);
    Py_RETURN_NONE;
}

static PyObject *
module_backlog_bytes(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "backlog_bytes()");
    return rt ? PyLong_FromUnsignedLongLong(c4p_backlog_bytes(rt)) : NULL;
}

static PyObject *
module_set_option(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    const char *name;
    PyObject *value;
    if (!PyArg_ParseTuple(args, "sO:set_option", &name, &value))
        return NULL;
    if (strcmp(name, "pickle_protocol") == 0) {
        long protocol = PyLong_AsLong(value);
        if (protocol == -1 && PyErr_Occurred())
            return NULL;
        c4pe_codec_set_protocol(st, (int)protocol);
        Py_RETURN_NONE;
    }
    if (strcmp(name, "dumps") == 0) {
        c4pe_codec_set_dumps(st, value);
        Py_RETURN_NONE;
    }
    int truth = PyObject_IsTrue(value);
    if (truth < 0)
        return NULL;
    if (strcmp(name, "profiling") == 0) {
        if (truth && (c4pe_need_rt(st, "profiling") == NULL || c4pe_profile_start(st) < 0))
            return NULL;
    } else if (strcmp(name, "local_msg_optim") == 0)
        st->by_reference = truth;
    else if (strcmp(name, "auto_flush_wait_queues") == 0)
        st->auto_flush = truth;
    else
        return PyErr_Format(PyExc_ValueError, "there is no option '%s'", name);
    Py_RETURN_NONE;
}

/* The module of the class and the method that started last, or None. */
static PyObject *
module_context(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    const c4pe_entry_t *entry = st->last_entry;
    if (entry == NULL || entry->cls->type == NULL)
        Py_RETURN_NONE;
    return Py_BuildValue("(sO)", entry->cls->type->tp_name, entry->name);
}

static PyObject *
module_in_coroutine(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(c4pe_coro_current(c4pe_state_of_module(module)) != NULL);
}

/* How calls that have to wait do so here; the numbers stand in _c4py.pyi. */
static PyObject *
module_wait_kind(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    bool waits = c4pe_coro_current(st) != NULL && st->no_suspend == 0;
    return PyLong_FromLong(!waits ? 0 : c4pe_await_wanted(st) ? 2 : 1);
}

static PyObject *
module_class_add(PyObject *module, PyObject *args)
{
    return c4pe_class_add(c4pe_state_of_module(module), args);
}

static PyObject *
module_class_registered(PyObject *module, PyObject *type)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    return PyBool_FromLong(PyType_Check(type) && c4pe_class_of(st, (PyTypeObject *)type) != NULL);
}

static PyObject *
module_group_new(PyObject *module, PyObject *args)
{
    return c4pe_group_new(c4pe_state_of_module(module), args);
}

static PyObject *
module_group_new_on(PyObject *module, PyObject *args)
{
    return c4pe_group_new_on(c4pe_state_of_module(module), args);
}

static PyObject *
module_section_new(PyObject *module, PyObject *args)
{
    return c4pe_section_new(c4pe_state_of_module(module), args);
}

static PyObject *
module_section_is_mixed(PyObject *module, PyObject *op)
{
    const c4pe_proxy_t *proxy = (c4pe_proxy_t *)op;
    return PyBool_FromLong(c4pe_proxy_check(c4pe_state_of_module(module), op) &&
                           c4pe_proxy_is_section(proxy) && proxy->ref.key.w[1] != 0);
}

static PyObject *
module_section_members(PyObject *module, PyObject *args)
{
    return c4pe_section_members(c4pe_state_of_module(module), args);
}

static PyObject *
module_array_new(PyObject *module, PyObject *args)
{
    return c4pe_array_new(c4pe_state_of_module(module), args);
}

static PyObject *
module_chare_new(PyObject *module, PyObject *args)
{
    return c4pe_chare_new(c4pe_state_of_module(module), args);
}

static PyObject *
module_main_new(PyObject *module, PyObject *args)
{
    return c4pe_main_new(c4pe_state_of_module(module), args);
}

static PyObject *
module_load_proxy(PyObject *module, PyObject *bytes)
{
    return c4pe_proxy_load(c4pe_state_of_module(module), bytes);
}

static PyObject *
module_load_reducer(PyObject *module, PyObject *name)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    return PyTuple_Check(name) ? c4pe_reducer_tuple(st, name) : c4pe_reducer_builtin(st, name);
}

static PyObject *
need_proxy(PyObject *module, PyObject *op, const char *what)
{
    if (c4pe_proxy_check(c4pe_state_of_module(module), op))
        return op;
    return PyErr_Format(PyExc_TypeError, "%s needs a proxy, not %s", what, Py_TYPE(op)->tp_name);
}

static PyObject *
module_proxy_class(PyObject *module, PyObject *op)
{
    if (need_proxy(module, op, "proxy_class()") == NULL)
        return NULL;
    return Py_NewRef(((c4pe_proxy_t *)op)->pclass->cls->type);
}

static PyObject *
module_proxy_is_element(PyObject *module, PyObject *op)
{
    if (need_proxy(module, op, "proxy_is_element()") == NULL)
        return NULL;
    return PyBool_FromLong(((c4pe_proxy_t *)op)->flags & C4PE_PROXY_ELEMENT);
}

static PyObject *
module_reducer_builtin(PyObject *module, PyObject *name)
{
    return c4pe_reducer_builtin(c4pe_state_of_module(module), name);
}

static PyObject *
module_reducer_tuple(PyObject *module, PyObject *parts)
{
    return c4pe_reducer_tuple(c4pe_state_of_module(module), parts);
}

static PyObject *
module_reducer_add(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return c4pe_reducer_add(c4pe_state_of_module(module), args, kwargs);
}

static PyObject *
module_reducer_add_native(PyObject *module, PyObject *args)
{
    return c4pe_reducer_add_native(c4pe_state_of_module(module), args);
}

static PyObject *
module_contribute(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *data, *reducer, *target, *chare, *section = Py_None;
    if (!PyArg_ParseTuple(args, "OOOO|O:contribute", &data, &reducer, &target, &chare, &section))
        return NULL;
    if (!c4pe_chare_check(st, chare))
        return PyErr_Format(PyExc_TypeError, "contribute() needs a chare, not %s",
                            Py_TYPE(chare)->tp_name);
    return c4pe_reduce_contribute((c4pe_chare_t *)chare, data, reducer, target, section);
}

static PyObject *
module_detect_quiescence(PyObject *module, PyObject *callback)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4p_target_t target;
    if (c4pe_need_rt(st, "startQD()") == NULL || c4pe_callback_target(st, callback, &target) < 0)
        return NULL;
    uint32_t section = target.kind == C4P_TARGET_BROADCAST
                           ? c4pe_section_tag(((c4pe_bound_t *)callback)->proxy)
                           : 0;
    if (section != 0)
        target.flags |= (uint16_t)(section | C4PE_TAG_SECTION);
    c4p_status_t status = c4p_detect_quiescence(st->rt, &target);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "startQD()");
    Py_RETURN_NONE;
}

static PyObject *
module_lb_use(PyObject *module, PyObject *names)
{
    return c4pe_balancing_use(c4pe_state_of_module(module), names);
}

static PyObject *
module_lb_measure(PyObject *module, PyObject *on)
{
    return c4pe_balancing_measure(c4pe_state_of_module(module), on);
}

static PyObject *
module_lb_graph(PyObject *module, PyObject *on)
{
    return c4pe_balancing_graph(c4pe_state_of_module(module), on);
}

static PyObject *
module_lb_predict(PyObject *module, PyObject *predictor)
{
    return c4pe_balancing_predict(c4pe_state_of_module(module), predictor);
}

static PyObject *
module_lb_speed(PyObject *module, PyObject *speed)
{
    return c4pe_balancing_speed(c4pe_state_of_module(module), speed);
}

static PyObject *
module_lb_period(PyObject *module, PyObject *points)
{
    return c4pe_balancing_period(c4pe_state_of_module(module), points);
}

static PyObject *
module_lb_add(PyObject *module, PyObject *args)
{
    return c4pe_balancing_add(c4pe_state_of_module(module), args);
}

static PyObject *
module_lb_on_view(PyObject *module, PyObject *func)
{
    return c4pe_balancing_on_view(c4pe_state_of_module(module), func);
}

static PyObject *
module_lb_on_round(PyObject *module, PyObject *func)
{
    return c4pe_balancing_on_round(c4pe_state_of_module(module), func);
}

static PyObject *
module_lb_builtins(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return c4pe_balance_builtins();
}

static PyObject *
module_lb_find(PyObject *Py_UNUSED(module), PyObject *name)
{
    return c4pe_balance_find(name);
}

static PyObject *
module_lb_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    return c4pe_balance_run(args);
}

static PyObject *
module_lb_judge(PyObject *Py_UNUSED(module), PyObject *args)
{
    return c4pe_balance_judge(args);
}

static PyObject *
module_build_info(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("{s:s,s:s,s:s}", "c4py", c4p_version_string(), "compiler", C4PE_BUILD_INFO,
                         "python (built for)", PY_VERSION);
}

/* [(name, default, meaning)] of every C4PY_* setting. */
static PyObject *
module_settings(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    c4p_setting_t setting;
    PyObject *list = PyList_New(0);
    for (size_t n = 0; list != NULL && c4p_setting_get(n, &setting); n++) {
        PyObject *item =
            Py_BuildValue("(sss)", setting.name, setting.default_value, setting.meaning);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

#define VARKW METH_VARARGS | METH_KEYWORDS
#define FN(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef module_methods[] = {
    {"bind", FN(module_bind), VARKW, NULL},
    {"_end_by_signal", c4pe_signals_end, METH_VARARGS, NULL},
    {"_before_fork", c4pe_process_before_fork, METH_NOARGS, NULL},
    {"_after_fork", c4pe_process_after_fork, METH_NOARGS, NULL},
    {"init", FN(c4pe_life_init), VARKW, NULL},
    {"start", c4pe_life_start, METH_NOARGS, NULL},
    {"_adopt", c4pe_life_adopt, METH_O, NULL},
    {"_begin", c4pe_life_begin, METH_VARARGS, NULL},
    {"run", c4pe_life_run, METH_VARARGS, NULL},
    {"restart", c4pe_checkpoint_restart, METH_VARARGS, NULL},
    {"checkpoint", c4pe_checkpoint_ask, METH_O, NULL},
    {"checkpoint_key", c4pe_checkpoint_key, METH_O, NULL},
    {"main_chare", c4pe_checkpoint_main_chare, METH_NOARGS, NULL},
    {"finish", c4pe_life_finish, METH_NOARGS, NULL},
    {"exit", c4pe_life_exit, METH_VARARGS, NULL},
    {"abort", c4pe_life_abort, METH_VARARGS, NULL},
    {"exiting", module_exiting, METH_NOARGS, NULL},
    {"rank", module_rank, METH_NOARGS,
     "rank($module, /)\n"
     "--\n"
     "\n"
     "The rank of this process, from 0; -1 before the start. Does not block; any context."},
    {"num_ranks", module_num_ranks, METH_NOARGS,
     "num_ranks($module, /)\n"
     "--\n"
     "\n"
     "How many ranks the job has; -1 before the start. Does not block; any context."},
    {"host_rank", module_host_rank, METH_NOARGS, NULL},
    {"host_ranks", module_host_ranks, METH_NOARGS, NULL},
    {"num_hosts", module_num_hosts, METH_NOARGS, NULL},
    {"host_of", module_host_of, METH_VARARGS, NULL},
    {"host_next", module_host_next, METH_VARARGS, NULL},
    {"time_s", module_time_s, METH_NOARGS, NULL},
    {"log", module_log, METH_VARARGS, NULL},
    {"poll", module_poll, METH_NOARGS, NULL},
    {"backlog_bytes", module_backlog_bytes, METH_NOARGS, NULL},
    {"set_option", module_set_option, METH_VARARGS, NULL},
    {"profile", c4pe_profile_get, METH_NOARGS, NULL},
    {"stats", c4pe_profile_stats, METH_NOARGS, NULL},
    {"profile_enter_send", c4pe_profile_enter_send, METH_NOARGS, NULL},
    {"profile_leave_send", c4pe_profile_leave_send, METH_O, NULL},
    {"blocked", c4pe_coro_blocked, METH_O, NULL},
    {"num_timers", c4pe_coro_num_timers, METH_NOARGS, NULL},
    {"cancel_wait", c4pe_coro_cancel_wait, METH_O, NULL},
    {"interrupt_wait", c4pe_coro_interrupt_wait, METH_O, NULL},
    {"context", module_context, METH_NOARGS, NULL},
    {"in_coroutine", module_in_coroutine, METH_NOARGS, NULL},
    {"wait_kind", module_wait_kind, METH_NOARGS, NULL},
    {"class_add", module_class_add, METH_VARARGS, NULL},
    {"signature_read", c4pe_signature_read, METH_O, NULL},
    {"native_state", c4pe_native_state, METH_O, NULL},
    {"class_registered", module_class_registered, METH_O, NULL},
    {"group_new", module_group_new, METH_VARARGS, NULL},
    {"group_new_on", module_group_new_on, METH_VARARGS, NULL},
    {"section_new", module_section_new, METH_VARARGS, NULL},
    {"section_is_mixed", module_section_is_mixed, METH_O, NULL},
    {"section_members", module_section_members, METH_VARARGS, NULL},
    {"array_new", module_array_new, METH_VARARGS, NULL},
    {"chare_new", module_chare_new, METH_VARARGS, NULL},
    {"main_new", module_main_new, METH_VARARGS, NULL},
    {"proxy_class", module_proxy_class, METH_O, NULL},
    {"proxy_is_element", module_proxy_is_element, METH_O, NULL},
    {"_load_proxy", module_load_proxy, METH_O, NULL},
    {"_moving_self", c4pe_move_self, METH_NOARGS, NULL},
    {"_moving_channel", c4pe_move_channel, METH_O, NULL},
    {"_load_reducer", module_load_reducer, METH_O, NULL},
    {"reducer_builtin", module_reducer_builtin, METH_O, NULL},
    {"reducer_tuple", module_reducer_tuple, METH_O, NULL},
    {"reducer_add", FN(module_reducer_add), VARKW, NULL},
    {"reducer_add_native", module_reducer_add_native, METH_VARARGS, NULL},
    {"contribute", module_contribute, METH_VARARGS, NULL},
    {"detect_quiescence", module_detect_quiescence, METH_O, NULL},
    {"call_later", c4pe_timer_call_later, METH_VARARGS, NULL},
    {"cancel_later", c4pe_timer_cancel_later, METH_O, NULL},
    {"listen_outside", c4pe_outside_listen, METH_VARARGS, NULL},
    {"post", c4pe_timer_post, METH_VARARGS, NULL},
    {"spawn", c4pe_timer_spawn, METH_VARARGS, NULL},
    {"_load_host_chare", c4pe_typed_load, METH_O, NULL},
    {"settings", module_settings, METH_NOARGS, NULL},
    {"build_info", module_build_info, METH_NOARGS, NULL},
    {"lb_use", module_lb_use, METH_O, NULL},
    {"lb_measure", module_lb_measure, METH_O, NULL},
    {"lb_graph", module_lb_graph, METH_O, NULL},
    {"lb_predict", module_lb_predict, METH_O, NULL},
    {"lb_period", module_lb_period, METH_O, NULL},
    {"lb_speed", module_lb_speed, METH_O, NULL},
    {"lb_add", module_lb_add, METH_VARARGS, NULL},
    {"lb_on_round", module_lb_on_round, METH_O, NULL},
    {"lb_on_view", module_lb_on_view, METH_O, NULL},
    {"lb_builtins", module_lb_builtins, METH_NOARGS, NULL},
    {"lb_find", module_lb_find, METH_O, NULL},
    {"lb_run", module_lb_run, METH_VARARGS, NULL},
    {"lb_judge", module_lb_judge, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---- making the module --------------------------------------------------------------------------- */

static int
intern_names(c4pe_state_t *st)
{
    st->s_awaitable = PyUnicode_InternFromString("awaitable");
    st->s_ret = PyUnicode_InternFromString("ret");
    st->s_block = PyUnicode_InternFromString("block");
    st->s_priority = PyUnicode_InternFromString("priority");
    st->s_init = PyUnicode_InternFromString("__init__");
    st->s_remote_stacktrace = PyUnicode_InternFromString("remote_stacktrace");
    st->empty_tuple = PyTuple_New(0);
    st->hooks = PyDict_New();
    st->required = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    return st->s_awaitable && st->s_ret && st->s_block && st->s_priority && st->s_init &&
                   st->s_remote_stacktrace && st->empty_tuple && st->hooks && st->required
               ? 0
               : -1;
}

static int
add_constants(PyObject *module, c4pe_state_t *st)
{
    static const struct {
        const char *name;
        long value;
    } numbers[] = {
        {"CORO", C4PE_CORO},        {"ASYNC", C4PE_ASYNC},           {"NOTIFY", C4PE_NOTIFY},
        {"VARARGS", C4PE_VARARGS},  {"VARKW", C4PE_VARKW},           {"OWN", C4PE_OWN},
        {"LOOK", C4PE_LOOK},        {"HOOK_SHIFT", C4PE_HOOK_SHIFT}, {"GROUP", C4PE_KIND_GROUP},
        {"ARRAY", C4PE_KIND_ARRAY}, {"MAIN", C4PE_KIND_MAIN},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(numbers); i++)
        if (PyModule_AddIntConstant(module, numbers[i].name, numbers[i].value) < 0)
            return -1;
    if (PyModule_AddStringConstant(module, "version", c4p_version_string()) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "REQUIRED", st->required);
}

static int
module_exec(PyObject *module)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    st->module = module;
    st->rank = st->num_ranks = -1;
    st->auto_flush = true;
    st->invoke = c4pe_invoke;
    st->copies = 1;
    if (intern_names(st) < 0 || add_constants(module, st) < 0)
        return -1;
    if (c4pe_codec_exec(module, st) < 0 || c4pe_chare_exec(module, st) < 0 ||
        c4pe_bound_exec(module, st) < 0 || c4pe_proxy_exec(module, st) < 0)
        return -1;
    if (c4pe_reduce_exec(module, st) < 0 || c4pe_coroutine_exec(module, st) < 0 ||
        c4pe_future_exec(module, st) < 0)
        return -1;
    return c4pe_channel_exec(module, st) < 0 || c4pe_when_exec(module, st) < 0 ||
                   c4pe_typed_exec(module, st) < 0
               ? -1
               : 0;
}

/* The Python objects that the state owns. */
#define AT(field) offsetof(c4pe_state_t, field)
static const size_t owned_objects[] = {
    AT(chare_type),
    AT(proxy_type),
    AT(group_proxy_type),
    AT(array_proxy_type),
    AT(main_proxy_type),
    AT(section_proxy_type),
    AT(group_section_type),
    AT(array_section_type),
    AT(descr_type),
    AT(bound_type),
    AT(reducer_type),
    AT(hostchare_type),
    AT(hostmethod_type),
    AT(future_type),
    AT(collective_future_type),
    AT(local_future_type),
    AT(channel_type),
    AT(exc_error),
    AT(exc_not_threaded),
    AT(parse_cond),
    AT(combine),
    AT(make_chare),
    AT(format_exc),
    AT(describe_exc),
    AT(remote_trace),
    AT(required),
    AT(hooks),
    AT(balancers),
    AT(on_round),
    AT(on_view),
    AT(s_awaitable),
    AT(s_ret),
    AT(s_block),
    AT(s_priority),
    AT(s_init),
    AT(s_remote_stacktrace),
    AT(empty_tuple),
    AT(reducers),
    AT(native_reducers),
    AT(on_snapshot),
    AT(asked),
    AT(timers),
    AT(outside_func),
    AT(shared_args),
};
#undef AT

static PyObject **
owned_object(c4pe_state_t *st, size_t i)
{
    return (PyObject **)((char *)st + owned_objects[i]);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(owned_objects); i++)
        Py_VISIT(*owned_object(st, i));
    int result = c4pe_classes_traverse(st, visit, arg);
    if (result == 0)
        result = c4pe_colls_traverse(st, visit, arg);
    if (result == 0 && st->codec != NULL)
        result = c4pe_codec_traverse(st, visit, arg);
    if (result == 0 && st->coros != NULL)
        result = c4pe_coroutine_traverse(st, visit, arg);
    if (result == 0 && st->futures != NULL)
        result = c4pe_future_traverse(st, visit, arg);
    if (result == 0 && st->chans != NULL)
        result = c4pe_channel_traverse(st, visit, arg);
    if (result == 0 && st->whens != NULL)
        result = c4pe_when_traverse(st, visit, arg);
    return result;
}

static int
module_clear(PyObject *module)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4pe_colls_clear(st);
    c4pe_classes_clear(st);
    if (st->whens != NULL)
        c4pe_when_clear(st);
    if (st->chans != NULL)
        c4pe_channel_clear(st);
    if (st->futures != NULL)
        c4pe_future_clear(st);
    if (st->coros != NULL)
        c4pe_coroutine_clear(st);
    if (st->codec != NULL)
        c4pe_codec_clear(st);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(owned_objects); i++)
        Py_CLEAR(*owned_object(st, i));
    return 0;
}

static void
module_free(void *module)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (st == NULL)
        return;
    module_clear(module);
    c4pe_when_free(st);
    c4pe_channel_free(st);
    c4pe_future_free(st);
    c4pe_coroutine_free(st);
    c4pe_codec_free(st);
    c4pe_colls_free(st);
    c4pe_classes_free(st);
    c4pe_typed_free(st);
    c4pe_profile_free(st);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "c4py._c4py",
    .m_doc = "The C module under the package c4py.",
    .m_size = sizeof(c4pe_state_t),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__c4py(void)
{
    return PyModuleDef_Init(&module_def);
}
