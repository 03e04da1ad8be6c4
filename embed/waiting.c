/* SPDX-License-Identifier: Apache-2.0 */
/* waiting.c: waiting for futures and channels in other ways than their own methods: await, wait(),
 * iwait(). */
#include "channel.h"
#include "coro_int.h"
#include "future.h"

/* ---- watches ------------------------------------------------------------------------------------- */

void
c4pe_watch_link(c4pe_watch_t **list, c4pe_watch_t *watch)
{
    watch->list = list;
    watch->next = watch->prev = NULL;
    if (!*list) {
        *list = watch;
        return;
    }
    c4pe_watch_t *last = *list; /* a few at most: one per loop that watches the same thing */
    while (last->next)
        last = last->next;
    last->next = watch;
    watch->prev = last;
}

void
c4pe_watch_unlink(c4pe_watch_t *watch)
{
    if (!watch->list)
        return;
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        *watch->list = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    watch->list = NULL;
    watch->next = watch->prev = NULL;
}

void
c4pe_watch_fire(c4pe_watch_t **list)
{
    while (*list) {
        c4pe_watch_t *watch = *list;
        c4pe_watch_unlink(watch);
        watch->ready(watch);
    }
}

/* ---- await --------------------------------------------------------------------------------------- */

typedef struct await {
    PyObject_HEAD
    c4pe_state_t *st;
    const c4pe_waitable_t *how;
    PyObject *object;
} await_t;

bool
c4pe_await_wanted(c4pe_state_t *st)
{
    c4pe_coro_t *coro = st->coros->current;
    return coro && !coro->worker && !st->no_suspend;
}

PyObject *
c4pe_await_new(c4pe_state_t *st, const c4pe_waitable_t *how, PyObject *object)
{
    await_t *self = PyObject_GC_New(await_t, st->futures->await_type);
    if (!self)
        return NULL;
    self->st = st;
    self->how = how;
    self->object = Py_NewRef(object);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static PySendResult
await_send(PyObject *op, PyObject *Py_UNUSED(value), PyObject **result)
{
    await_t *self = (await_t *)op;
    int ready = self->how->poll(self->object, result);
    if (ready)
        return ready > 0 ? PYGEN_RETURN : PYGEN_ERROR;
    c4pe_coro_t *coro = self->st->coros->current;
    if (!c4pe_await_wanted(self->st)) {
        PyErr_SetString(self->st->exc_not_threaded,
                        "await waits only inside an `async def` entry method");
        return PYGEN_ERROR;
    }
    *result = c4pe_coro_yield_token(coro, self->how->kind, self->object);
    if (!*result)
        return PYGEN_ERROR;
    c4pe_waiters_add(self->how->waiters(self->object), coro);
    return PYGEN_NEXT;
}

static PyObject *
await_next(PyObject *op)
{
    PyObject *value;
    PySendResult how = await_send(op, Py_None, &value);
    if (how != PYGEN_RETURN)
        return how == PYGEN_NEXT ? value : NULL;
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    if (stop)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    Py_DECREF(value);
    return NULL;
}

static int
await_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((await_t *)op)->object);
    return 0;
}

static int
await_clear(PyObject *op)
{
    Py_CLEAR(((await_t *)op)->object);
    return 0;
}

static void
await_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    await_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyType_Slot await_slots[] = {
    {Py_tp_dealloc, await_dealloc},
    {Py_tp_traverse, await_traverse},
    {Py_tp_clear, await_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, await_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, await_send},
    {Py_tp_doc, (void *)"Something to await."},
    {0, NULL},
};

static PyType_Spec await_spec = {
    .name = "c4py._c4py.Await",
    .basicsize = sizeof(await_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = await_slots,
};

/* ---- wait() -------------------------------------------------------------------------------------- */

const c4pe_waitable_t *
c4pe_waitable_of(c4pe_state_t *st, PyObject *object)
{
    if (c4pe_future_check(st, object))
        return c4pe_future_waitable();
    if (c4pe_channel_check(st, object))
        return c4pe_channel_waitable();
    PyErr_Format(PyExc_TypeError, "only futures and channels can be waited for, not %.100s",
                 Py_TYPE(object)->tp_name);
    return NULL;
}

static int
prepare(c4pe_state_t *st, PyObject *object)
{
    const c4pe_waitable_t *how = c4pe_waitable_of(st, object);
    if (!how)
        return -1;
    return how == c4pe_future_waitable() ? c4pe_future_demand(st, object) : 0;
}

/* The things to wait for, as a tuple of nothing but such. */
static PyObject *
check_objects(c4pe_state_t *st, PyObject *objs, const char *what)
{
    if (PyObject_Size(objs) < 0) {
        PyErr_Format(PyExc_TypeError, "%s needs a list of futures and channels, not %.100s", what,
                     Py_TYPE(objs)->tp_name);
        return NULL;
    }
    PyObject *tuple = PySequence_Tuple(objs);
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++)
        if (prepare(st, PyTuple_GET_ITEM(tuple, i)) < 0)
            Py_CLEAR(tuple);
    return tuple;
}

/* The first that is not ready (borrowed) from number *at on; NULL if there is none, or with an
 * exception. */
static PyObject *
first_unready(PyObject *tuple, Py_ssize_t *at, c4pe_state_t *st)
{
    for (; *at < PyTuple_GET_SIZE(tuple); ++*at) {
        PyObject *object = PyTuple_GET_ITEM(tuple, *at);
        int ready = c4pe_waitable_of(st, object)->poll(object, NULL);
        if (ready < 0)
            return NULL;
        if (!ready)
            return object;
    }
    return NULL;
}

/* A tuple whose first item is the state's module; the rest is waited for. */
static PyObject *
all_unready(PyObject *pair)
{
    Py_ssize_t at = 0;
    c4pe_state_t *st = c4pe_state_of_module(PyTuple_GET_ITEM(pair, 0));
    return first_unready(PyTuple_GET_ITEM(pair, 1), &at, st);
}

static int
poll_all(PyObject *pair, PyObject **value_out)
{
    if (all_unready(pair))
        return 0;
    if (PyErr_Occurred())
        return -1;
    if (value_out)
        *value_out = Py_NewRef(Py_None);
    return 1;
}

static c4pe_waiters_t *
all_waiters(PyObject *pair)
{
    c4pe_state_t *st = c4pe_state_of_module(PyTuple_GET_ITEM(pair, 0));
    PyObject *object = all_unready(pair); /* not NULL: it was polled just now */
    return c4pe_waitable_of(st, object)->waiters(object);
}

static const c4pe_waitable_t all_waitable = {poll_all, all_waiters, NULL, C4PE_WAIT_ANY};

static int
wait_all(c4pe_state_t *st, PyObject *tuple)
{
    Py_ssize_t at = 0;
    PyObject *object;
    while ((object = first_unready(tuple, &at, st))) {
        const c4pe_waitable_t *how = c4pe_waitable_of(st, object);
        c4pe_coro_t *coro = c4pe_coro_need(st, "charm.wait()");
        if (!coro)
            return -1;
        c4pe_waiters_add(how->waiters(object), coro);
        if (c4pe_coro_suspend(coro, how->kind, object) < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
module_wait(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *objs = c4pe_one_arg("wait", "objs", args, nargs, kwnames); /* borrowed */
    PyObject *tuple = st && objs ? check_objects(st, objs, "charm.wait()") : NULL, *result = NULL;
    if (!tuple)
        return NULL;
    if (c4pe_await_wanted(st)) {
        PyObject *pair = PyTuple_Pack(2, module, tuple);
        result = pair ? c4pe_await_new(st, &all_waitable, pair) : NULL;
        Py_XDECREF(pair);
    } else if (wait_all(st, tuple) == 0) {
        result = Py_NewRef(Py_None);
    }
    Py_DECREF(tuple);
    return result;
}

/* ---- iwait() ------------------------------------------------------------------------------------- */

typedef struct slot {
    c4pe_watch_t watch; /* first: the callback gets its address */
    struct iwait *owner;
    PyObject *object;
    const c4pe_waitable_t *how;
    struct slot *next; /* in the queue of ready ones */
} slot_t;

typedef struct iwait {
    PyObject_HEAD
    c4pe_state_t *st;
    slot_t *slots;
    Py_ssize_t num_slots, num_left;
    slot_t *ready, *last_ready;
    c4pe_waiters_t waiters;
    PyObject *tuple; /* for reports */
} iwait_t;

static void
push_ready(iwait_t *it, slot_t *slot)
{
    slot->next = NULL;
    if (it->last_ready)
        it->last_ready->next = slot;
    else
        it->ready = slot;
    it->last_ready = slot;
}

static void
slot_ready(c4pe_watch_t *watch)
{
    slot_t *slot = (slot_t *)watch;
    push_ready(slot->owner, slot);
    c4pe_coro_t *coro = c4pe_waiters_pop(&slot->owner->waiters);
    if (coro)
        c4pe_coro_wake_soon(coro);
}

/* Queue it if it is ready now, else watch it. */
static int
arm(slot_t *slot)
{
    int ready = slot->how->poll(slot->object, NULL);
    if (ready > 0)
        push_ready(slot->owner, slot);
    else if (ready == 0)
        c4pe_watch_link(slot->how->watches(slot->object), &slot->watch);
    return ready < 0 ? -1 : 0;
}

/* Other coroutines that take from the same iterator: nothing more will come. */
static void
wake_rest(iwait_t *it)
{
    c4pe_coro_t *coro;
    while ((coro = c4pe_waiters_pop(&it->waiters)))
        c4pe_coro_wake_soon(coro);
}

/* The next ready object: 1 and a new reference, 0 not yet, 2 at the end, -1 with an exception. */
static int
take_ready(iwait_t *it, PyObject **object_out)
{
    slot_t *slot;
    if (it->num_left == 0)
        return 2;
    while ((slot = it->ready)) {
        it->ready = slot->next;
        if (!it->ready)
            it->last_ready = NULL;
        int ready = slot->how->poll(slot->object, NULL);
        if (ready < 0)
            return -1;
        if (ready) {
            it->num_left--;
            if (it->num_left == 0)
                wake_rest(it);
            *object_out = Py_NewRef(slot->object);
            return 1;
        }
        c4pe_watch_link(slot->how->watches(slot->object), &slot->watch); /* somebody else took its
                                                                            message */
    }
    return 0;
}

static PyObject *
iwait_next(PyObject *op)
{
    iwait_t *it = (iwait_t *)op;
    PyObject *object = NULL;
    int ready;
    while ((ready = take_ready(it, &object)) == 0) {
        c4pe_coro_t *coro = c4pe_coro_need(it->st, "charm.iwait()");
        if (!coro)
            return NULL;
        c4pe_waiters_add(&it->waiters, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_ANY, it->tuple) < 0)
            return NULL;
    }
    return ready == 1 ? object : NULL;
}

static int
poll_iwait(PyObject *op, PyObject **value_out)
{
    int ready = take_ready((iwait_t *)op, value_out);
    if (ready != 2)
        return ready;
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return -1;
}

static c4pe_waiters_t *
iwait_waiters(PyObject *op)
{
    return &((iwait_t *)op)->waiters;
}

static const c4pe_waitable_t iwait_waitable = {poll_iwait, iwait_waiters, NULL, C4PE_WAIT_ANY};

static PyObject *
iwait_anext(PyObject *op)
{
    return c4pe_await_new(((iwait_t *)op)->st, &iwait_waitable, op);
}

static int
iwait_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((iwait_t *)op)->tuple);
    return 0;
}

static void
iwait_dealloc(PyObject *op)
{
    iwait_t *it = (iwait_t *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    for (Py_ssize_t i = 0; i < it->num_slots; i++)
        c4pe_watch_unlink(&it->slots[i].watch);
    PyMem_Free(it->slots);
    Py_CLEAR(it->tuple);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyType_Slot iwait_slots[] = {
    {Py_tp_dealloc, iwait_dealloc},
    {Py_tp_traverse, iwait_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iwait_next},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, iwait_anext},
    {Py_tp_doc, (void *)"Futures and channels in the order in which they become ready."},
    {0, NULL},
};

static PyType_Spec iwait_spec = {
    .name = "c4py._c4py.Iwait",
    .basicsize = sizeof(iwait_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iwait_slots,
};

/* tuple: the reference is taken. */
static PyObject *
iwait_new(c4pe_state_t *st, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    iwait_t *it = PyObject_GC_New(iwait_t, st->futures->iwait_type);
    if (!it) {
        Py_DECREF(tuple);
        return NULL;
    }
    it->st = st;
    it->num_slots = it->num_left = 0;
    it->ready = it->last_ready = NULL;
    it->waiters = (c4pe_waiters_t){0};
    it->tuple = tuple;
    it->slots = PyMem_Calloc(n ? (size_t)n : 1, sizeof(slot_t));
    PyObject_GC_Track(it);
    if (!it->slots) {
        Py_DECREF(it);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *object = PyTuple_GET_ITEM(tuple, i);
        it->slots[i] = (slot_t){.watch.ready = slot_ready,
                                .owner = it,
                                .object = object,
                                .how = c4pe_waitable_of(st, object)};
        it->num_slots = it->num_left = i + 1;
        if (arm(&it->slots[i]) < 0) {
            Py_DECREF(it);
            return NULL;
        }
    }
    return (PyObject *)it;
}

static PyObject *
module_iwait(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    PyObject *objs = c4pe_one_arg("iwait", "objs", args, nargs, kwnames); /* borrowed */
    PyObject *tuple = st && objs ? check_objects(st, objs, "charm.iwait()") : NULL;
    return tuple ? iwait_new(st, tuple) : NULL;
}

/* ---- module -------------------------------------------------------------------------------------- */

static PyMethodDef waiting_functions[] = {
    {"wait", (PyCFunction)(void (*)(void))module_wait, METH_FASTCALL | METH_KEYWORDS,
     "wait(objs)\n"
     "--\n"
     "\n"
     "Wait until all of these futures and channels are ready; returns None.\n"
     "\n"
     "objs: a list or tuple. Blocks the coroutine; in an async def: await charm.wait(objs).\n"
     "Raises NotThreadedError if it would have to wait outside a coroutine, TypeError for\n"
     "other objects. What was sent as an exception is raised by get() only."},
    {"iwait", (PyCFunction)(void (*)(void))module_iwait, METH_FASTCALL | METH_KEYWORDS,
     "iwait(objs)\n"
     "--\n"
     "\n"
     "Iterate over futures and channels in the order in which they become ready, each once.\n"
     "\n"
     "objs: a list or tuple. Each step blocks the coroutine until the next is ready; in an\n"
     "async def: async for. The body may wait for other things. Raises as wait() does."},
    {NULL, NULL, 0, NULL},
};

int
c4pe_waiting_exec(PyObject *module, c4pe_state_t *st)
{
    st->futures->await_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &await_spec, NULL);
    st->futures->iwait_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &iwait_spec, NULL);
    if (!st->futures->await_type || !st->futures->iwait_type)
        return -1;
    return PyModule_AddFunctions(module, waiting_functions);
}
