/* SPDX-License-Identifier: Apache-2.0 */
/* coroutine.c: start, suspend, wake, end. Whoever lets a coroutine run gets control back when it
 * waits or ends: normally the hub, another coroutine when that one creates a chare whose
 * constructor is a coroutine. */
#include "coro_int.h"

#include "future.h"
#include "profile.h"
#include "when.h"

enum { MAX_IDLE = 1024 };

/* ---- records ------------------------------------------------------------------------------------- */

static c4pe_coro_t *
coro_new(c4pe_state_t *st, const c4pe_job_t *job)
{
    c4pe_coros_t *coros = st->coros;
    c4pe_coro_t *coro = coros->free;
    if (coro)
        coros->free = coro->next;
    else if (!(coro = PyMem_Malloc(sizeof(*coro)))) {
        PyErr_NoMemory();
        return NULL;
    }
    *coro = (c4pe_coro_t){.st = st, .job = *job, .state = C4PE_CORO_RUNNING};
    if (job->chare) {
        Py_INCREF(job->chare);
        job->chare->num_coroutines++;
        coro->self = c4pe_chare_ref(job->chare);
    }
    return coro;
}

static void
drop_call(c4pe_coro_t *coro)
{
    Py_CLEAR(coro->func);
    Py_CLEAR(coro->first);
    Py_CLEAR(coro->args);
    Py_CLEAR(coro->kwargs);
    Py_CLEAR(coro->awaitable);
}

static void
coro_free(c4pe_coro_t *coro)
{
    c4pe_coros_t *coros = coro->st->coros;
    drop_call(coro);
    coro->next = coros->free;
    coros->free = coro;
}

/* The runtime must not move or destroy an element with suspended coroutines. All live ones are
 * counted once one was suspended. */
static void
tell_runtime(c4pe_chare_t *chare)
{
    c4pe_state_t *st = chare->state;
    if (!chare->coll || !st->rt)
        return;
    c4p_suspended(st->rt, c4pe_chare_ref(chare), chare->num_coroutines);
    if (chare->num_coroutines)
        chare->flags |= C4PE_CHARE_SUSPENDED;
    else
        chare->flags &= ~(uint32_t)C4PE_CHARE_SUSPENDED;
}

/* ---- lists --------------------------------------------------------------------------------------- */

void
c4pe_waiters_add(c4pe_waiters_t *w, c4pe_coro_t *coro)
{
    coro->queue = w;
    coro->qnext = NULL;
    coro->qprev = w->tail;
    if (w->tail)
        w->tail->qnext = coro;
    else
        w->head = coro;
    w->tail = coro;
}

void
c4pe_waiters_remove(c4pe_waiters_t *w, c4pe_coro_t *coro)
{
    if (coro->queue != w)
        return;
    if (coro->qprev)
        coro->qprev->qnext = coro->qnext;
    else
        w->head = coro->qnext;
    if (coro->qnext)
        coro->qnext->qprev = coro->qprev;
    else
        w->tail = coro->qprev;
    coro->queue = NULL;
    coro->qprev = coro->qnext = NULL;
}

c4pe_coro_t *
c4pe_waiters_pop(c4pe_waiters_t *w)
{
    c4pe_coro_t *coro = w->head;
    if (coro)
        c4pe_waiters_remove(w, coro);
    return coro;
}

static void
list_as_waiting(c4pe_coro_t *coro, c4pe_wait_kind_t kind, PyObject *object)
{
    c4pe_coros_t *coros = coro->st->coros;
    coro->state = C4PE_CORO_WAITING;
    coro->kind = kind;
    coro->object = object;
    coro->since = c4p_time_s(coro->st->rt);
    coro->next = NULL;
    coro->prev = coros->last_waiting;
    if (coros->last_waiting)
        coros->last_waiting->next = coro;
    else
        coros->waiting = coro;
    coros->last_waiting = coro;
    if (kind != C4PE_WAIT_TIMER)
        coros->num_waiting++;
}

static void
unlist(c4pe_coro_t *coro)
{
    c4pe_coros_t *coros = coro->st->coros;
    if (coro->prev)
        coro->prev->next = coro->next;
    else
        coros->waiting = coro->next;
    if (coro->next)
        coro->next->prev = coro->prev;
    else
        coros->last_waiting = coro->prev;
    coro->prev = coro->next = NULL;
    coro->object = NULL;
    if (coro->kind != C4PE_WAIT_TIMER)
        coros->num_waiting--;
}

/* ---- running ------------------------------------------------------------------------------------- */

static void
notify_subscribers(c4pe_coro_t *coro, PyObject *method)
{
    c4pe_chare_t *chare = coro->job.chare;
    if (!chare || !chare->subscribers)
        return;
    PyObject *list = PySequence_List(chare->subscribers);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = PyList_GET_ITEM(list, i);
        PyObject *none =
            PyObject_CallMethodOneArg(PyTuple_GET_ITEM(pair, 0), method, PyTuple_GET_ITEM(pair, 1));
        if (!none)
            c4pe_err_uncaught(coro->st, chare, coro->job.entry, "notifying a subscriber of");
        Py_XDECREF(none);
    }
    if (!list)
        PyErr_Clear();
    Py_XDECREF(list);
}

static void
notify_counted(c4pe_coro_t *coro, PyObject *method)
{
    if (coro->st->profile && method == coro->st->coros->s_resumed)
        c4pe_profile_resumed(coro->st, coro->job.entry);
    if (coro->job.entry && coro->job.entry->flags & C4PE_NOTIFY)
        notify_subscribers(coro, method);
    if (coro->st->profile && method == coro->st->coros->s_paused)
        c4pe_profile_paused(coro->st);
}

/* It goes on, or stops; few want to know. */
static void
notify(c4pe_coro_t *coro, PyObject *method)
{
    const c4pe_entry_t *entry = coro->job.entry;
    if (entry ? (entry->flags & (C4PE_NOTIFY | C4PE_COUNTED)) != 0 : coro->st->profile != NULL)
        notify_counted(coro, method);
}

/* After a constructor or a coroutine that is counted. */
static void
look_back(c4pe_state_t *st, const c4pe_job_t *job, bool failed)
{
    if (st->profile)
        c4pe_profile_paused(st);
    if (!failed && job->entry && job->entry->flags & C4PE_LOOK)
        c4pe_class_look(job->chare);
}

/* The coroutine has ended: its worker is free, its result goes where it is wanted. */
static void
finish(c4pe_coro_t *coro)
{
    c4pe_state_t *st = coro->st;
    c4pe_job_t job = coro->job;
    PyObject *result = coro->result;
    if (coro->worker)
        c4pe_worker_put(coro->worker);
    if (job.chare) {
        job.chare->num_coroutines--;
        if (job.chare->flags & C4PE_CHARE_SUSPENDED)
            tell_runtime(job.chare);
    }
    if (!job.entry || job.entry->flags & (C4PE_LOOK | C4PE_COUNTED))
        look_back(st, &job, !result);
    if (!result)
        PyErr_Restore(coro->exc_type, coro->exc_value, coro->exc_tb);
    coro_free(coro);
    if (job.done)
        job.done(st, job.ctx, result);
    else
        c4pe_invoke_done(st, job.chare, job.entry, &job.reply, result);
    Py_XDECREF(job.chare);
}

/* Control goes to the coroutine and comes back when it waits or has ended. */
static void
enter(c4pe_coro_t *coro)
{
    c4pe_coros_t *coros = coro->st->coros;
    c4pe_coro_t *saved_current = coros->current;
    PyObject *saved_here = coros->here;
    uint32_t saved_no_suspend = coro->st->no_suspend;
    coro->state = C4PE_CORO_RUNNING;
    coro->starter = saved_here;
    coros->current = coro;
    coro->st->no_suspend = coro->saved_no_suspend;
    if (coro->worker) {
        coros->here = coro->worker->greenlet;
        coro->worker->retire = coros->num_idle >= MAX_IDLE;
        PyObject *nothing = coros->greenlet.switch_to(coro->worker->greenlet, NULL, NULL);
        if (!nothing && coro->state == C4PE_CORO_RUNNING)
            c4pe_coro_keep_result(coro, NULL); /* it could not be started */
        Py_XDECREF(nothing);
    } else {
        c4pe_coro_async_step(coro);
    }
    coro->saved_no_suspend = coro->st->no_suspend;
    coro->st->no_suspend = saved_no_suspend;
    coros->here = saved_here;
    coros->current = saved_current;
}

/* After control came back. */
static void
settle(c4pe_coro_t *coro)
{
    if (coro->state == C4PE_CORO_ENDED) {
        finish(coro);
        return;
    }
    c4pe_chare_t *chare = coro->job.chare;
    if (chare && !(chare->flags & C4PE_CHARE_SUSPENDED))
        tell_runtime(chare);
    notify(coro, coro->st->coros->s_paused);
}

int
c4pe_coro_start(c4pe_state_t *st, const c4pe_job_t *job, PyObject *func, PyObject *self,
                PyObject *args, PyObject *kwargs, bool is_async)
{
    c4pe_coro_t *coro = coro_new(st, job);
    if (!coro)
        return -1;
    if (!is_async && !(coro->worker = c4pe_worker_take(st))) {
        if (job->chare) {
            job->chare->num_coroutines--;
            Py_DECREF(job->chare);
        }
        coro_free(coro);
        return -1;
    }
    if (coro->worker)
        coro->worker->coro = coro;
    coro->func = Py_NewRef(func);
    coro->first = Py_XNewRef(self);
    coro->args = Py_XNewRef(args);
    coro->kwargs = Py_XNewRef(kwargs);
    enter(coro);
    settle(coro);
    return 0;
}

void
c4pe_coro_resume(c4pe_coro_t *coro)
{
    c4pe_state_t *st = coro->st;
    c4pe_chare_t *chare = coro->job.chare, *saved_chare = st->now_chare;
    const c4pe_entry_t *saved_entry = st->now_entry;
    if (st->exiting)
        return; /* it stays where it is */
    notify(coro, st->coros->s_resumed);
    Py_XINCREF(chare);
    c4p_ref_t saved_self = c4p_set_self(st->rt, coro->self);
    st->now_chare = chare;
    st->now_entry = coro->job.entry;
    if (coro->job.entry)
        st->last_entry = coro->job.entry;
    enter(coro);
    settle(coro);
    st->now_chare = saved_chare;
    st->now_entry = saved_entry;
    if (chare)
        c4pe_after_entry(chare);
    if (st->rt)
        c4p_set_self(st->rt, saved_self);
    Py_XDECREF(chare);
}

/* ---- waiting ------------------------------------------------------------------------------------- */

c4pe_coro_t *
c4pe_coro_current(c4pe_state_t *st)
{
    return st->coros->current;
}

/* "Grid.step", the method that should have been a coroutine, as far as is known. */
static PyObject *
culprit(c4pe_state_t *st)
{
    const c4pe_entry_t *entry = st->now_entry ? st->now_entry : st->last_entry;
    return entry ? Py_NewRef(entry->qualname) : PyUnicode_FromString("the calling function");
}

static int
not_threaded(c4pe_state_t *st, const char *what)
{
    c4pe_coro_t *coro = st->coros->current;
    PyObject *name = culprit(st), *text = NULL;
    if (!name)
        return -1;
    if (st->no_suspend)
        text = PyUnicode_FromFormat(
            "%s cannot wait here: mark %U with @coro, so that it can be suspended", what, name);
    else if (coro && !coro->worker)
        text = PyUnicode_FromFormat("%s cannot wait inside async def %U: use await", what, name);
    else
        text = PyUnicode_FromFormat(
            "%s needs a coroutine: mark %U with @coro, so that it can be suspended", what, name);
    if (text)
        PyErr_SetObject(st->exc_not_threaded, text);
    Py_DECREF(name);
    Py_XDECREF(text);
    return -1;
}

c4pe_coro_t *
c4pe_coro_need(c4pe_state_t *st, const char *what)
{
    c4pe_coros_t *coros = st->coros;
    c4pe_coro_t *coro = coros->current;
    if (!coro || !coro->worker || st->no_suspend) {
        not_threaded(st, what);
        return NULL;
    }
    PyObject *here = coros->greenlet.current();
    Py_XDECREF(here);
    if (here != coros->here) { /* a greenlet of the user's own */
        PyErr_Format(st->exc_not_threaded,
                     "%s cannot wait inside a greenlet that the program made itself", what);
        return NULL;
    }
    return coro;
}

int
c4pe_coro_may_create(c4pe_state_t *st, const char *what)
{
    return st->coros->current && !st->no_suspend ? 0 : not_threaded(st, what);
}

int
c4pe_coro_suspend(c4pe_coro_t *coro, c4pe_wait_kind_t kind, PyObject *object)
{
    if (coro->cancelled)
        return c4pe_coro_refuse_wait(coro);
    list_as_waiting(coro, kind, object);
    int err = c4pe_coro_switch_back(coro);
    return coro->interrupted ? c4pe_coro_raise_interrupt(coro) : err;
}

PyObject *
c4pe_coro_yield_token(c4pe_coro_t *coro, c4pe_wait_kind_t kind, PyObject *object)
{
    if (coro->state != C4PE_CORO_RUNNING) {
        PyErr_SetString(PyExc_RuntimeError, "this coroutine waits for something already");
        return NULL;
    }
    list_as_waiting(coro, kind, object);
    return Py_NewRef(coro->st->coros->token);
}

/* ---- waking -------------------------------------------------------------------------------------- */

/* Resume those that were woken until now; what they wake comes with the next turn. */
static void
drain(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_state_t *st = ctx;
    c4pe_coros_t *coros = st->coros;
    c4pe_coro_t *last = coros->woken.tail, *coro;
    coros->drain_posted = false;
    do {
        coro = c4pe_waiters_pop(&coros->woken);
        if (coro)
            c4pe_coro_resume(coro);
    } while (coro && coro != last);
}

static void
mark_woken(c4pe_coro_t *coro)
{
    if (coro->queue)
        c4pe_waiters_remove(coro->queue, coro);
    unlist(coro);
    coro->state = C4PE_CORO_WOKEN;
}

void
c4pe_coro_wake_soon(c4pe_coro_t *coro)
{
    c4pe_coros_t *coros = coro->st->coros;
    if (coro->state != C4PE_CORO_WAITING)
        return;
    mark_woken(coro);
    c4pe_waiters_add(&coros->woken, coro);
    if (coros->drain_posted)
        return;
    coros->drain_posted = true;
    c4p_status_t status = c4p_post(coro->st->rt, drain, coro->st);
    if (status != C4P_OK && !c4p_exiting(coro->st->rt))
        c4p_abort(coro->st->rt, c4p_exit_status(status), "cannot schedule a coroutine");
}

void
c4pe_coro_wake(c4pe_coro_t *coro)
{
    c4pe_state_t *st = coro->st;
    if (st->coros->current || st->now_entry || st->coros->woken.head) {
        c4pe_coro_wake_soon(coro);
        return;
    }
    if (coro->state != C4PE_CORO_WAITING)
        return;
    mark_woken(coro);
    c4pe_coro_resume(coro);
}

/* ---- module -------------------------------------------------------------------------------------- */

static PyType_Slot token_slots[] = {
    {Py_tp_doc, (void *)"What an async coroutine yields when it waits."},
    {0, NULL},
};

static PyType_Spec token_spec = {
    .name = "c4py._c4py.Token",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = token_slots,
};

static int
load_greenlet(c4pe_greenlet_api_t *g)
{
    PyObject *module = PyImport_ImportModule("greenlet");
    void **api = module ? PyCapsule_Import("greenlet._C_API", 0) : NULL;
    Py_XDECREF(module);
    if (!api)
        return -1;
    g->exit_type = api[GREENLET_EXIT];
    memcpy(&g->make, &api[GREENLET_NEW], sizeof(g->make));
    memcpy(&g->current, &api[GREENLET_CURRENT], sizeof(g->current));
    memcpy(&g->switch_to, &api[GREENLET_SWITCH], sizeof(g->switch_to));
    memcpy(&g->set_parent, &api[GREENLET_SET_PARENT], sizeof(g->set_parent));
    return 0;
}

static PyObject *
module_sleep(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *arg = c4pe_one_arg("sleep", "secs", args, nargs, kwnames); /* borrowed */
    if (!arg)
        return NULL;
    double seconds = PyFloat_AsDouble(arg);
    if (!st || (seconds == -1.0 && PyErr_Occurred()) || !c4pe_need_rt(st, "sleep()"))
        return NULL;
    if (c4pe_await_wanted(st))
        return c4pe_coro_sleep_awaitable(st, seconds);
    if (c4pe_coro_sleep(st, seconds) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef coroutine_functions[] = {
    {"sleep", (PyCFunction)(void (*)(void))module_sleep, METH_FASTCALL | METH_KEYWORDS,
     "sleep(secs)\n"
     "--\n"
     "\n"
     "Wait at least secs seconds while other methods run; in an async def: await\n"
     "charm.sleep(secs).\n"
     "\n"
     "Outside coroutines it blocks the whole rank. ValueError for a negative secs."},
    {NULL, NULL, 0, NULL},
};

int
c4pe_coroutine_exec(PyObject *module, c4pe_state_t *st)
{
    c4pe_coros_t *coros = PyMem_Calloc(1, sizeof(*coros));
    if (!coros) {
        PyErr_NoMemory();
        return -1;
    }
    st->coros = coros;
    if (load_greenlet(&coros->greenlet) < 0)
        return -1;
    coros->s_gr_frame = PyUnicode_InternFromString("gr_frame");
    coros->s_gr_context = PyUnicode_InternFromString("gr_context");
    coros->s_paused = PyUnicode_InternFromString("threadPaused");
    coros->s_resumed = PyUnicode_InternFromString("threadResumed");
    coros->worker_type = c4pe_worker_make_type(module);
    coros->token_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &token_spec, NULL);
    if (!coros->s_gr_frame || !coros->s_gr_context || !coros->s_paused || !coros->s_resumed ||
        !coros->worker_type || !coros->token_type)
        return -1;
    coros->token = PyObject_New(PyObject, coros->token_type);
    return coros->token ? PyModule_AddFunctions(module, coroutine_functions) : -1;
}

int
c4pe_coroutine_attach(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    PyObject *hub = coros->greenlet.current();
    if (!hub)
        return -1;
    Py_XSETREF(coros->hub, hub);
    coros->here = hub;
    coros->backlog_limit = c4pe_coro_backlog_limit();
    PyObject *package = PyImport_ImportModule("c4py");
    PyObject *file = package ? PyModule_GetFilenameObject(package) : NULL;
    if (file) {
        Py_ssize_t len = PyUnicode_GET_LENGTH(file);
        Py_ssize_t slash = PyUnicode_FindChar(file, '/', 0, len, -1);
        Py_XSETREF(coros->package, PyUnicode_Substring(file, 0, slash + 1));
        Py_DECREF(file);
    }
    Py_XDECREF(package);
    PyErr_Clear();
    return 0;
}

int
c4pe_coroutine_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    c4pe_coros_t *coros = st->coros;
    if (!coros)
        return 0;
    Py_VISIT(coros->worker_type);
    Py_VISIT(coros->token_type);
    Py_VISIT(coros->token);
    return 0;
}

/* Greenlets that wait, idle ones included, are never ended: that would run their `finally` blocks
 * when the program is over. They keep their references and go with the process. */
void
c4pe_coroutine_clear(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    if (!coros)
        return;
    coros->idle = NULL;
    coros->num_idle = 0;
    coros->waiting = coros->last_waiting = NULL;
    coros->num_waiting = 0;
    coros->woken = coros->throttled = (c4pe_waiters_t){0};
    Py_CLEAR(coros->token);
    Py_CLEAR(coros->token_type);
    Py_CLEAR(coros->package);
    Py_CLEAR(coros->s_gr_frame);
    Py_CLEAR(coros->s_gr_context);
    Py_CLEAR(coros->s_paused);
    Py_CLEAR(coros->s_resumed);
}

void
c4pe_coroutine_free(c4pe_state_t *st)
{
    c4pe_coros_t *coros = st->coros;
    while (coros && coros->free) {
        c4pe_coro_t *coro = coros->free;
        coros->free = coro->next;
        PyMem_Free(coro);
    }
    PyMem_Free(coros);
    st->coros = NULL;
}
