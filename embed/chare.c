/* SPDX-License-Identifier: Apache-2.0 */
/* chare.c: the base type of Python chares. The runtime's part of a chare lives in the C struct, so
 * nothing that a class does with its __dict__, its
 * __slots__ or its pickling can disturb it. */
#include "channel.h"
#include "coroutine.h"
#include "move.h"
#include "state.h"
#include "when.h"

/* ---- making -------------------------------------------------------------------------------------- */

static PyObject *
not_constructed(c4pe_state_t *st, PyTypeObject *type)
{
    return c4pe_raise(
        st,
        "chares are not made by calling their class: use Group(%s), Array(%s, dims) or Chare(%s)",
        type->tp_name, type->tp_name, type->tp_name);
}

/* Chare(cls, ...) is the factory of single chares; a subclass is only made by the runtime. */
static PyObject *
chare_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    c4pe_state_t *st = c4pe_state_of_type(type);
    if (st == NULL)
        return NULL;
    if (type == st->chare_type) {
        if (st->make_chare == NULL)
            return c4pe_raise(st, "Chare(): the package is not loaded");
        return PyObject_Call(st->make_chare, args, kwargs);
    }
    if (!st->making)
        return not_constructed(st, type);
    /* as object.__new__() does it: attributes lie in the object itself, where Python's specialized
     * instructions find them, and not in a dict */
    c4pe_chare_t *self = (c4pe_chare_t *)PyBaseObject_Type.tp_new(type, st->empty_tuple, NULL);
    if (self != NULL)
        self->state = st;
    return (PyObject *)self;
}

static int
chare_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    if (PyTuple_GET_SIZE(args) > 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes no arguments (%zd given): the class defines no __init__",
                     Py_TYPE(self)->tp_name, PyTuple_GET_SIZE(args));
        return -1;
    }
    return 0;
}

static int
chare_traverse(PyObject *op, visitproc visit, void *arg)
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->index);
    Py_VISIT(self->pending);
    Py_VISIT(self->subscribers);
    Py_VISIT(self->native);
    int result = self->waitq ? c4pe_when_traverse_queue(self, visit, arg) : 0;
    if (result == 0 && self->channels)
        result = c4pe_channel_traverse_table(self, visit, arg);
    return result;
}

static int
chare_clear(PyObject *op)
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    Py_CLEAR(self->index);
    Py_CLEAR(self->pending);
    Py_CLEAR(self->subscribers);
    Py_CLEAR(self->native);
    if (self->waitq != NULL)
        c4pe_when_drop_queue(self);
    if (self->channels != NULL)
        c4pe_channel_drop_table(self);
    return 0;
}

static void
chare_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    chare_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- attributes ---------------------------------------------------------------------------------- */

bool
c4pe_chare_check(c4pe_state_t *st, PyObject *op)
{
    return PyObject_TypeCheck(op, st->chare_type);
}

PyObject *
c4pe_chare_index(c4pe_chare_t *self)
{
    if (self->index == NULL) {
        if (self->coll == NULL || self->coll->kind == C4PE_KIND_MAIN)
            return PyTuple_New(0);
        self->index = c4pe_index_object(self->key, self->coll->ndims, self->coll->kind);
    }
    return Py_XNewRef(self->index);
}

static PyObject *
chare_get_index(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    if (self->coll == NULL || self->coll->kind == C4PE_KIND_MAIN) {
        PyErr_Format(PyExc_AttributeError,
                     "%s has no thisIndex: it is not an element of a collection",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    return c4pe_chare_index(self);
}

static PyObject *
chare_get_proxy(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    if (self->coll == NULL) {
        PyErr_Format(PyExc_AttributeError,
                     "%s has no thisProxy: the runtime does not know this object",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    return Py_NewRef(self->coll->proxy);
}

PyObject *
c4pe_chare_self_proxy(c4pe_chare_t *self)
{
    if (self->coll == NULL)
        return c4pe_raise(self->state, "%s: the runtime does not know this object",
                          Py_TYPE(self)->tp_name);
    c4pe_coll_t *coll = self->coll;
    return c4pe_proxy_new(&coll->cls->proxies[coll->kind], c4pe_chare_ref(self), coll->ndims, true);
}

/* 0 for an element of an array; else -1 with AttributeError: other chares stay where they are made.
 */
static int
check_movable(c4pe_chare_t *self, const char *name)
{
    char who[256];
    if (self->coll != NULL && self->coll->kind == C4PE_KIND_ARRAY)
        return 0;
    PyErr_Format(PyExc_AttributeError,
                 "%s has no %s: only elements of arrays and single chares can move",
                 c4pe_describe_chare(self, who, sizeof(who)), name);
    return -1;
}

static PyObject *
chare_get_migratable(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    if (check_movable(self, "migratable") < 0)
        return NULL;
    return PyBool_FromLong(self->flags & C4PE_CHARE_MIGRATABLE);
}

static int
chare_set_migratable(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    if (check_movable(self, "migratable") < 0)
        return -1;
    int truth = value ? PyObject_IsTrue(value) : -1;
    if (truth < 0) {
        if (value == NULL)
            PyErr_SetString(PyExc_AttributeError, "migratable cannot be deleted");
        return -1;
    }
    self->flags = truth ? self->flags | C4PE_CHARE_MIGRATABLE
                        : self->flags & ~(uint32_t)C4PE_CHARE_MIGRATABLE;
    if (self->coll != NULL && self->state->rt != NULL)
        c4p_set_movable(self->state->rt, c4pe_chare_ref(self), truth);
    return 0;
}

static PyObject *
chare_get_threads(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((c4pe_chare_t *)op)->num_coroutines);
}

static PyGetSetDef chare_getset[] = {
    {"thisIndex", chare_get_index, NULL,
     "Index in the collection: the rank (an int) in groups, a tuple of ints in arrays, (0,) of a\n"
     "single chare. Read-only.",
     NULL},
    {"thisProxy", chare_get_proxy, NULL,
     "Proxy of the whole collection; of the section for members of Group(cls, onPEs=...), of the\n"
     "chare itself for single chares. self.thisProxy[self.thisIndex] is the element. Read-only.",
     NULL},
    {"migratable", chare_get_migratable, chare_set_migratable,
     "Whether load balancing may move this element: a bool, True at first.", NULL},
    {"_numthreads", chare_get_threads, NULL,
     "Number of coroutines of this chare that have not ended.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- methods ------------------------------------------------------------------------------------- */

/* Put positional and keyword arguments into slots by the names of the parameters; slots not given
 * keep their value (borrowed). */
static int
parse_args(const char *func, const char *const *names, int max, int required, PyObject *const *args,
           Py_ssize_t nargs, PyObject *kwnames, PyObject **slots)
{
    if (nargs > max) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", func, max,
                     nargs);
        return -1;
    }
    int given = (int)nargs;
    unsigned mask = (1u << given) - 1;
    for (Py_ssize_t i = 0; i < nargs; i++)
        slots[i] = args[i];
    for (Py_ssize_t k = 0; kwnames != NULL && k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int at = 0;
        while (at < max && PyUnicode_CompareWithASCIIString(name, names[at]) != 0)
            at++;
        if (at == max || (mask & (1u << at))) {
            PyErr_Format(PyExc_TypeError,
                         at == max ? "%s() got an unexpected keyword argument %R"
                                   : "%s() got two values for argument %R",
                         func, name);
            return -1;
        }
        mask |= 1u << at;
        slots[at] = args[nargs + k];
    }
    for (int i = 0; i < required; i++)
        if (!(mask & (1u << i))) {
            PyErr_Format(PyExc_TypeError, "%s() misses the argument '%s'", func, names[i]);
            return -1;
        }
    return 0;
}

static PyObject *
chare_reduce(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"callback", "data", "reducer", "section"};
    PyObject *slots[] = {NULL, Py_None, Py_None, Py_None};
    if (parse_args("reduce", names, 4, 1, args, nargs, kwnames, slots) < 0)
        return NULL;
    if (!PyCallable_Check(slots[0])) {
        PyErr_Format(
            PyExc_AssertionError,
            "reduce(): the first argument must be a callback (a future or proxy.method), not %s",
            Py_TYPE(slots[0])->tp_name);
        return NULL;
    }
    return c4pe_reduce_contribute((c4pe_chare_t *)op, slots[1], slots[2], slots[0], slots[3]);
}

static PyObject *
chare_contribute(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"data", "reducer", "callback", "section"};
    PyObject *slots[] = {NULL, NULL, NULL, Py_None};
    if (parse_args("contribute", names, 4, 3, args, nargs, kwnames, slots) < 0)
        return NULL;
    return c4pe_reduce_contribute((c4pe_chare_t *)op, slots[0], slots[1], slots[2], slots[3]);
}

static PyObject *
chare_allreduce(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"data", "reducer", "section"};
    PyObject *slots[] = {Py_None, Py_None, Py_None};
    if (parse_args("allreduce", names, 3, 0, args, nargs, kwnames, slots) < 0)
        return NULL;
    return c4pe_reduce_allreduce((c4pe_chare_t *)op, slots[0], slots[1], slots[2]);
}

static PyObject *
chare_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *cond = c4pe_one_arg("wait", "cond_str", args, nargs, kwnames); /* borrowed */
    return cond == NULL ? NULL : c4pe_when_wait((c4pe_chare_t *)op, cond);
}

static PyObject *
chare_flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_when_flush((c4pe_chare_t *)op);
    Py_RETURN_NONE;
}

static PyObject *
chare_subscribe(PyObject *op, PyObject *args)
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    PyObject *target, *data;
    if (!PyArg_ParseTuple(args, "OO:__addThreadEventSubscriber__", &target, &data))
        return NULL;
    if (self->subscribers == NULL && (self->subscribers = PyList_New(0)) == NULL)
        return NULL;
    if (PyList_Append(self->subscribers, args) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
chare_set_migratable_method(PyObject *op, PyObject *flag)
{
    if (chare_set_migratable(op, flag, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
chare_set_obj_time(PyObject *op, PyObject *number)
{
    c4pe_chare_t *self = (c4pe_chare_t *)op;
    double seconds = PyFloat_AsDouble(number);
    if ((seconds == -1 && PyErr_Occurred()) || check_movable(self, "setObjTime()") < 0 ||
        c4pe_need_rt(self->state, "setObjTime()") == NULL)
        return NULL;
    c4p_status_t status = c4p_lb_set_load(self->state->rt, c4pe_chare_ref(self), seconds);
    if (status == C4P_ERR_ARG)
        return PyErr_Format(PyExc_ValueError,
                            "setObjTime(): a load is a number of seconds, 0 or more, not %R",
                            number);
    if (status != C4P_OK)
        return c4pe_raise_status(self->state, status, "setObjTime()");
    Py_RETURN_NONE;
}

static PyObject *
chare_at_sync(PyObject *op, PyObject *ignored)
{
    return check_movable((c4pe_chare_t *)op, "AtSync()") < 0 ? NULL
                                                             : c4pe_move_at_sync(op, ignored);
}

static PyObject *
chare_migrate(PyObject *op, PyObject *to)
{
    return check_movable((c4pe_chare_t *)op, "migrate()") < 0 ? NULL : c4pe_move_request(op, to);
}

static PyObject *
chare_nothing(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

static PyMethodDef chare_methods[] = {
    {"reduce", (PyCFunction)(void (*)(void))chare_reduce, METH_FASTCALL | METH_KEYWORDS,
     "reduce($self, callback, data=None, reducer=None, section=None)\n"
     "--\n"
     "\n"
     "Contribute to the next reduction of the collection, or of a section. Does not block.\n"
     "\n"
     "callback: who gets the result: a future, or a method of a proxy. data: a number, a\n"
     "list or array (all contributions of one shape, combined element by element), or an\n"
     "object. reducer: how they are combined, such as Reducer.sum; None with data None:\n"
     "nothing is combined, and the callback gets no argument. section: proxy of a section\n"
     "that this chare is a member of.\n"
     "\n"
     "To be called once per reduction by every member, in any order and context. Raises\n"
     "AssertionError for a callback that is none, TypeError for data that the reducer cannot\n"
     "take."},
    {"contribute", (PyCFunction)(void (*)(void))chare_contribute, METH_FASTCALL | METH_KEYWORDS,
     "contribute($self, data, reducer, callback, section=None)\n"
     "--\n"
     "\n"
     "The same as reduce(), in an older order of arguments.\n"
     "\n"
     "data, reducer, callback, section: as there. Does not block."},
    {"allreduce", (PyCFunction)(void (*)(void))chare_allreduce, METH_FASTCALL | METH_KEYWORDS,
     "allreduce($self, data=None, reducer=None, section=None)\n"
     "--\n"
     "\n"
     "Contribute, and return a future that gets the result: every member gets it.\n"
     "\n"
     "data, reducer, section: as in reduce(). To be called once per reduction by every\n"
     "member, in a coroutine, else NotThreadedError. Does not block itself; get() of the\n"
     "future does."},
    {"wait", (PyCFunction)(void (*)(void))chare_wait, METH_FASTCALL | METH_KEYWORDS,
     "wait($self, cond_str)\n"
     "--\n"
     "\n"
     "Suspend the coroutine until a condition is true; at once if it is.\n"
     "\n"
     "cond_str: a Python expression in a string, of self and of globals of the class's\n"
     "module, such as 'self.count == 3'. It is looked at again after each method of this\n"
     "chare. Only in a coroutine of the chare, else NotThreadedError; in an async def: await\n"
     "it. SyntaxError for what is no expression."},
    {"AtSync", chare_at_sync, METH_NOARGS,
     "AtSync($self, /)\n"
     "--\n"
     "\n"
     "This array element is ready for load balancing; return from the method. Does not block.\n"
     "\n"
     "When all elements of all arrays made with useAtSync=True, on all ranks, have called it,\n"
     "the balancer moves what it wants to move, and resumeFromSync() is called on each of\n"
     "them, where it is then. Until then other calls run as always. Raises Charm4PyError for\n"
     "elements that do not take part and for classes without resumeFromSync(),\n"
     "AttributeError in groups."},
    {"migrate", chare_migrate, METH_O,
     "migrate($self, toPe, /)\n"
     "--\n"
     "\n"
     "Move this array element to the rank toPe, as soon as the method in progress has\n"
     "returned; what is sent to it finds it there. Does not block.\n"
     "\n"
     "Its attributes must be picklable (__getstate__ and __setstate__ are used); __init__ is\n"
     "not called again, migrated() is. Through a proxy, proxy.migrate(toPe, awaitable=True)\n"
     "is completed when it has arrived. Raises IndexError for a rank that does not exist,\n"
     "AttributeError in groups; through a proxy Charm4PyError while coroutines of the element\n"
     "wait (self.migrate(toPe) takes effect when they have ended)."},
    {"__reduce_ex__", c4pe_move_reduce, METH_O, NULL},
    {"setMigratable", chare_set_migratable_method, METH_O,
     "setMigratable($self, flag, /)\n"
     "--\n"
     "\n"
     "Set the attribute migratable to the truth value flag: whether load balancing may move\n"
     "this element. Does not block. AttributeError in groups."},
    {"setObjTime", chare_set_obj_time, METH_O,
     "setObjTime($self, seconds, /)\n"
     "--\n"
     "\n"
     "Say the load of this array element for the next round of load balancing: seconds from\n"
     "one AtSync() to the next, or any unit that all elements use, instead of what is\n"
     "measured. Does not block. Raises ValueError for a number below 0 or none, AttributeError\n"
     "in groups."},
    {"migrated", chare_nothing, METH_NOARGS,
     "migrated($self, /)\n"
     "--\n"
     "\n"
     "Called by the runtime on the destination after each move, before any other method; does\n"
     "nothing unless it is redefined. May be a coroutine."},
    {"__flush_wait_queues__", chare_flush, METH_NOARGS,
     "__flush_wait_queues__($self, /)\n"
     "--\n"
     "\n"
     "Look again at what waits for conditions of this chare; needed only when\n"
     "charm.options.auto_flush_wait_queues is False. Does not block."},
    {"__addThreadEventSubscriber__", chare_subscribe, METH_VARARGS,
     "__addThreadEventSubscriber__(target, data)\n"
     "\n"
     "Call target.threadPaused(data) and target.threadResumed(data) when a coroutine of this\n"
     "chare that is marked with @coro_ext(event_notify=True) stops and goes on."},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    chare_doc,
    "Base class of chares: objects that the runtime places on ranks and whose methods are\n"
    "called through proxies.\n"
    "\n"
    "Derive from it, then make one object per rank with Group, many with Array, or a single\n"
    "one:\n"
    "\n"
    "    proxy = Chare(cls, args=[], onPE=-1)\n"
    "\n"
    "cls: the class. args: list or tuple of constructor arguments. onPE: the rank, -1: the\n"
    "runtime's choice. Any rank; does not block, but for the constructor if the chare is\n"
    "made on this rank. In a coroutine the proxy can be given to charm.awaitCreation().\n"
    "Raises Charm4PyError for a class that is no chare class or is not registered.\n"
    "\n"
    "Inside the methods, the constructor included, self.thisIndex and self.thisProxy say\n"
    "who it is.");

static PyType_Slot chare_slots[] = {
    {Py_tp_doc, (void *)chare_doc},   {Py_tp_new, chare_new},       {Py_tp_init, chare_init},
    {Py_tp_traverse, chare_traverse}, {Py_tp_clear, chare_clear},   {Py_tp_dealloc, chare_dealloc},
    {Py_tp_methods, chare_methods},   {Py_tp_getset, chare_getset}, {0, NULL},
};

static PyType_Spec chare_spec = {
    .name = "c4py._c4py.Chare",
    .basicsize = sizeof(c4pe_chare_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = chare_slots,
};

int
c4pe_chare_exec(PyObject *module, c4pe_state_t *st)
{
    st->chare_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &chare_spec, NULL);
    return st->chare_type != NULL ? PyModule_AddType(module, st->chare_type) : -1;
}
