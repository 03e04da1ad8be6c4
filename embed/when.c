/* SPDX-License-Identifier: Apache-2.0 */
/* when.c: conditions, and what waits in a chare until one becomes true. */
#include "when.h"

#include "cond.h"
#include "coro_int.h"
#include "future.h"
#include "native.h"

struct c4pe_whens {
    PyTypeObject *cond_type, *wait_type;
    PyObject *cache; /* dict (module, text) -> condition, of self.wait() */
    struct c4pe_waitq *queues;
    uint64_t num_calls;
};

PyTypeObject *
c4pe_when_cond_type(c4pe_state_t *st)
{
    return st->whens->cond_type;
}

/* ---- the queue of a chare ------------------------------------------------------------------------ */

/* self.wait() in progress. */
typedef struct wait_obj {
    PyObject_HEAD
    c4pe_chare_t *chare; /* strong */
    c4pe_cond_t *cond;   /* strong */
    c4pe_waiters_t waiters;
    bool queued;
} wait_obj_t;

/* A call or a coroutine that waits. */
typedef struct item {
    struct item *next, *prev;
    c4pe_entry_t *entry;     /* a call; NULL: a coroutine */
    PyObject *args, *kwargs; /* as they came */
    PyObject *full;          /* with defaults */
    c4p_msg_t *msg;          /* of a call of a native method, in place of these */
    c4p_reply_t reply;
    double since;
    wait_obj_t *wait; /* strong */
} item_t;

struct c4pe_waitq {
    c4pe_chare_t *chare; /* borrowed: the queue is its own */
    item_t *head, *tail;
    bool flushing, again, posted;
    struct c4pe_waitq *next, *prev; /* all queues of this rank */
};

static struct c4pe_waitq *
queue_of(c4pe_chare_t *chare)
{
    struct c4pe_whens *whens = chare->state->whens;
    struct c4pe_waitq *q = chare->waitq;
    if (q)
        return q;
    q = PyMem_Calloc(1, sizeof(*q));
    if (!q) {
        PyErr_NoMemory();
        return NULL;
    }
    q->chare = chare;
    q->next = whens->queues;
    if (q->next)
        q->next->prev = q;
    whens->queues = q;
    chare->waitq = q;
    return q;
}

static void
queue_free(struct c4pe_waitq *q)
{
    struct c4pe_whens *whens = q->chare->state->whens;
    q->chare->waitq = NULL;
    if (q->prev)
        q->prev->next = q->next;
    else if (whens)
        whens->queues = q->next;
    if (q->next)
        q->next->prev = q->prev;
    PyMem_Free(q);
}

static item_t *
item_add(c4pe_chare_t *chare)
{
    struct c4pe_waitq *q = queue_of(chare);
    item_t *item = q ? PyMem_Calloc(1, sizeof(*item)) : NULL;
    if (!item) {
        PyErr_NoMemory();
        return NULL;
    }
    item->since = c4p_time_s(chare->state->rt);
    item->prev = q->tail;
    if (q->tail)
        q->tail->next = item;
    else
        q->head = item;
    q->tail = item;
    return item;
}

static void
item_unlink(struct c4pe_waitq *q, item_t *item)
{
    if (item->prev)
        item->prev->next = item->next;
    else
        q->head = item->next;
    if (item->next)
        item->next->prev = item->prev;
    else
        q->tail = item->prev;
    if (item->entry && q->chare->state->whens)
        q->chare->state->whens->num_calls--;
    if (item->wait)
        item->wait->queued = false;
}

/* A chare may outlive the runtime, whose memory messages are. */
static void
item_free(const c4pe_state_t *st, item_t *item)
{
    if (st->rt)
        c4p_msg_free(item->msg);
    Py_XDECREF(item->args);
    Py_XDECREF(item->kwargs);
    Py_XDECREF(item->full);
    Py_XDECREF(item->wait);
    PyMem_Free(item);
}

int
c4pe_when_push(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
               const c4p_reply_t *reply)
{
    PyObject *full = c4pe_when_args(entry, args, kwargs);
    item_t *item = full ? item_add(chare) : NULL;
    if (!item) {
        Py_XDECREF(full);
        return -1;
    }
    item->entry = entry;
    item->args = Py_NewRef(args);
    item->kwargs = Py_XNewRef(kwargs);
    item->full = full;
    item->reply = *reply;
    chare->state->whens->num_calls++;
    return 0;
}

int
c4pe_when_push_native(c4pe_chare_t *chare, c4pe_entry_t *entry, c4p_msg_t *msg,
                      const c4p_reply_t *reply)
{
    item_t *item = item_add(chare);
    if (!item)
        return -1;
    c4p_msg_keep(msg);
    item->entry = entry;
    item->msg = msg;
    item->reply = *reply;
    chare->state->whens->num_calls++;
    return 0;
}

void
c4pe_when_drop_queue(c4pe_chare_t *chare)
{
    struct c4pe_waitq *q = chare->waitq;
    while (q && q->head) {
        item_t *item = q->head;
        item_unlink(q, item);
        item_free(chare->state, item);
    }
    if (q)
        queue_free(q);
}

int
c4pe_when_traverse_queue(c4pe_chare_t *chare, visitproc visit, void *arg)
{
    for (item_t *item = chare->waitq ? chare->waitq->head : NULL; item; item = item->next) {
        Py_VISIT(item->args);
        Py_VISIT(item->kwargs);
        Py_VISIT(item->full);
        Py_VISIT(item->wait);
    }
    return 0;
}

/* ---- looking again ------------------------------------------------------------------------------- */

/* What was found false in this round; nothing ran since, so the same question has the same answer.
 */
typedef struct round {
    const c4pe_cond_t *is_false; /* C4PE_COND_STATE */
    const c4pe_cond_t *tag;      /* C4PE_COND_TAG whose attribute was fetched last */
    PyObject *attr;              /* strong */
} round_t;

static int
test_tag_again(round_t *round, const c4pe_cond_t *cond, PyObject *chare, PyObject *full)
{
    if (cond->arg >= PyTuple_GET_SIZE(full))
        return c4pe_cond_test(cond, chare, full);
    if (round->tag != cond) {
        PyObject *attr = PyObject_GetAttr(chare, cond->attr);
        if (!attr)
            return -1;
        Py_XSETREF(round->attr, attr);
        round->tag = cond;
    }
    return c4pe_cond_tags_equal(round->attr, PyTuple_GET_ITEM(full, cond->arg));
}

static int
test_item(round_t *round, c4pe_chare_t *chare, item_t *item)
{
    if (item->msg)
        return c4pe_native_may_run(chare, item->entry, item->msg);
    const c4pe_cond_t *cond =
        item->wait ? item->wait->cond : (const c4pe_cond_t *)item->entry->cond;
    if (cond->kind == C4PE_COND_TAG && item->full)
        return test_tag_again(round, cond, (PyObject *)chare, item->full);
    if (cond == round->is_false)
        return 0;
    int result = c4pe_cond_test(cond, (PyObject *)chare, item->full);
    if (result == 0 && cond->kind == C4PE_COND_STATE)
        round->is_false = cond;
    return result;
}

/* The item's turn has come: its condition is true (result 1) or failed (-1, exception set). Takes
 * the item. */
static void
run_item(c4pe_chare_t *chare, item_t *item, int result)
{
    c4pe_state_t *st = chare->state;
    if (item->wait) {
        c4pe_coro_t *coro;
        PyErr_Clear(); /* the coroutine evaluates it again and gets the exception */
        while ((coro = c4pe_waiters_pop(&item->wait->waiters)))
            c4pe_coro_wake(coro);
    } else if (item->msg) {
        c4pe_native_resume(chare, item->entry, item->msg, &item->reply);
    } else if (result < 0) {
        c4pe_invoke_done(st, chare, item->entry, &item->reply, NULL);
    } else {
        st->invoke(chare, item->entry, item->args, item->kwargs, &item->reply);
    }
    item_free(chare->state, item);
}

/* Let the oldest that can go on do so; false if none can. */
static bool
flush_one(c4pe_chare_t *chare)
{
    struct c4pe_waitq *q = chare->waitq;
    round_t round = {0};
    item_t *item = q->head;
    int result = 0;
    while (item && !chare->state->exiting && (result = test_item(&round, chare, item)) == 0)
        item = item->next;
    Py_XDECREF(round.attr);
    if (!item || chare->state->exiting)
        return false;
    item_unlink(q, item);
    run_item(chare, item, result);
    return true;
}

static void
flush_later(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_chare_t *chare = ctx;
    if (chare->waitq) {
        chare->waitq->posted = false;
        c4pe_when_flush(chare);
    }
    Py_DECREF(chare);
}

static void
post_flush(c4pe_chare_t *chare)
{
    if (chare->waitq->posted)
        return;
    chare->waitq->posted = true;
    if (c4p_post(chare->state->rt, flush_later, Py_NewRef(chare)) != C4P_OK)
        Py_DECREF(chare);
}

void
c4pe_when_flush(c4pe_chare_t *chare)
{
    c4pe_state_t *st = chare->state;
    struct c4pe_waitq *q = chare->waitq;
    if (!q || !chare->coll)
        return;
    if (q->flushing) {
        q->again = true;
        return;
    }
    if (st->coros->current || st->now_entry) {
        post_flush(chare); /* a method runs: it must end first */
        return;
    }
    Py_INCREF(chare);
    c4p_ref_t saved = c4p_set_self(st->rt, c4pe_chare_ref(chare));
    q->flushing = true;
    do {
        q->again = false;
    } while (flush_one(chare) || q->again);
    q->flushing = false;
    if (!q->head && !q->posted)
        queue_free(q);
    if (st->rt)
        c4p_set_self(st->rt, saved);
    Py_DECREF(chare);
}

/* ---- self.wait() --------------------------------------------------------------------------------- */

static int
wait_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((wait_obj_t *)op)->chare);
    Py_VISIT(((wait_obj_t *)op)->cond);
    return 0;
}

static void
wait_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((wait_obj_t *)op)->chare);
    Py_XDECREF(((wait_obj_t *)op)->cond);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyType_Slot wait_slots[] = {
    {Py_tp_dealloc, wait_dealloc},
    {Py_tp_traverse, wait_traverse},
    {Py_tp_doc, (void *)"A condition that a coroutine waits for."},
    {0, NULL},
};

static PyType_Spec wait_spec = {
    .name = "c4py._c4py.CondWait",
    .basicsize = sizeof(wait_obj_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = wait_slots,
};

static int
poll_cond(PyObject *op, PyObject **value_out)
{
    wait_obj_t *wait = (wait_obj_t *)op;
    int result = c4pe_cond_test(wait->cond, (PyObject *)wait->chare, NULL);
    if (result == 1 && value_out)
        *value_out = Py_NewRef(Py_None);
    return result;
}

/* From now on the chare looks at the condition after each of its entry methods. */
static int
enqueue(wait_obj_t *wait)
{
    if (wait->queued)
        return 0;
    item_t *item = item_add(wait->chare);
    if (!item)
        return -1;
    item->wait = (wait_obj_t *)Py_NewRef(wait);
    wait->queued = true;
    return 0;
}

static c4pe_waiters_t *
cond_waiters(PyObject *op)
{
    wait_obj_t *wait = (wait_obj_t *)op;
    if (enqueue(wait) < 0)
        c4p_abort(wait->chare->state->rt, c4p_exit_status(C4P_ERR_NOMEM),
                  "no memory for a waiting coroutine");
    return &wait->waiters;
}

static const c4pe_waitable_t cond_waitable = {poll_cond, cond_waiters, NULL, C4PE_WAIT_COND};

/* The condition for a text, parsed once per module and text. */
static PyObject *
cached_cond(c4pe_chare_t *chare, PyObject *text)
{
    enum { MAX_KNOWN = 1024 };
    c4pe_state_t *st = chare->state;
    PyObject *module = PyObject_GetAttrString((PyObject *)Py_TYPE(chare), "__module__");
    PyObject *key = module ? PyTuple_Pack(2, module, text) : NULL;
    PyObject *cond = key ? Py_XNewRef(PyDict_GetItemWithError(st->whens->cache, key)) : NULL;
    if (key && !cond && !PyErr_Occurred()) {
        PyObject *parsed = PyObject_CallFunctionObjArgs(st->parse_cond, text, module, NULL);
        cond = parsed ? c4pe_when_compile(st, parsed) : NULL;
        Py_XDECREF(parsed);
        if (cond && PyDict_GET_SIZE(st->whens->cache) >= MAX_KNOWN)
            PyDict_Clear(st->whens->cache);
        if (cond && PyDict_SetItem(st->whens->cache, key, cond) < 0)
            Py_CLEAR(cond);
    }
    Py_XDECREF(key);
    Py_XDECREF(module);
    return cond;
}

static int
wait_here(c4pe_state_t *st, wait_obj_t *wait)
{
    int result;
    while ((result = poll_cond((PyObject *)wait, NULL)) == 0) {
        c4pe_coro_t *coro = c4pe_coro_need(st, "self.wait()");
        if (!coro || enqueue(wait) < 0)
            return -1;
        c4pe_waiters_add(&wait->waiters, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_COND, wait->cond->text) < 0)
            return -1;
    }
    return result < 0 ? -1 : 0;
}

PyObject *
c4pe_when_wait(c4pe_chare_t *chare, PyObject *cond_str)
{
    c4pe_state_t *st = chare->state;
    PyObject *result = NULL, *cond = cached_cond(chare, cond_str);
    wait_obj_t *wait = cond ? PyObject_GC_New(wait_obj_t, st->whens->wait_type) : NULL;
    if (!wait) {
        Py_XDECREF(cond);
        return NULL;
    }
    wait->chare = (c4pe_chare_t *)Py_NewRef(chare);
    wait->cond = (c4pe_cond_t *)cond;
    wait->waiters = (c4pe_waiters_t){0};
    wait->queued = false;
    PyObject_GC_Track(wait);
    if (c4pe_await_wanted(st))
        result = c4pe_await_new(st, &cond_waitable, (PyObject *)wait);
    else if (wait_here(st, wait) == 0)
        result = Py_NewRef(Py_None);
    Py_DECREF(wait);
    return result;
}

/* ---- moving -------------------------------------------------------------------------------------- */

/* Who waits for a call, wherever the chare lives then. The job that goes on from a checkpoint has
 * nobody who waits: futures are not kept. */
static c4p_reply_t
reply_to_pack(c4p_rt_t *rt, item_t *item)
{
    if (c4p_checkpointing(rt))
        return (c4p_reply_t){.kind = C4P_REPLY_NONE};
    (void)c4p_reply_detach(rt, &item->reply); /* of an awaited broadcast */
    return item->reply;
}

PyObject *
c4pe_when_pack(c4pe_chare_t *chare)
{
    if (!chare->waitq || !chare->waitq->head)
        Py_RETURN_NONE;
    PyObject *list = PyList_New(0);
    for (item_t *item = chare->waitq->head; list && item; item = item->next) {
        if (item->wait)
            continue; /* a coroutine: the chare cannot move at all */
        c4p_reply_t reply = reply_to_pack(chare->state->rt, item);
        PyObject *args = item->msg ? PyBytes_FromStringAndSize(c4p_msg_data(item->msg),
                                                               (Py_ssize_t)c4p_msg_len(item->msg))
                                   : Py_NewRef(item->args);
        PyObject *call =
            Py_BuildValue("(ONOy#)", item->entry->name, args, item->kwargs ? item->kwargs : Py_None,
                          (const char *)&reply, (Py_ssize_t)sizeof(reply));
        if (!call || PyList_Append(list, call) < 0)
            Py_CLEAR(list);
        Py_XDECREF(call);
    }
    return list;
}

static int
unpack_native(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *bytes, const c4p_reply_t *reply)
{
    c4p_msg_t *msg;
    const size_t len = (size_t)PyBytes_GET_SIZE(bytes);
    c4p_status_t status = c4p_msg_new(chare->state->rt, len, &msg);
    if (status != C4P_OK) {
        c4pe_raise_status(chare->state, status, "a waiting call");
        return -1;
    }
    memcpy(c4p_msg_data(msg), PyBytes_AS_STRING(bytes), len);
    int result = c4pe_when_push_native(chare, entry, msg, reply);
    c4p_msg_free(msg);
    return result;
}

static int
unpack_call(c4pe_chare_t *chare, PyObject *call)
{
    PyObject *name, *args, *kwargs;
    const char *reply_bytes;
    Py_ssize_t len;
    c4p_reply_t reply;
    if (!PyArg_ParseTuple(call, "UOOy#", &name, &args, &kwargs, &reply_bytes, &len))
        return -1;
    c4pe_entry_t *entry = c4pe_class_entry(chare->coll->cls, name);
    if (!entry || len != (Py_ssize_t)sizeof(reply) ||
        !(entry->native ? PyBytes_Check(args) : PyTuple_Check(args))) {
        c4pe_raise(chare->state, "a waiting call of %U arrived damaged", name);
        return -1;
    }
    memcpy(&reply, reply_bytes, sizeof(reply));
    if (entry->native)
        return unpack_native(chare, entry, args, &reply);
    return c4pe_when_push(chare, entry, args, kwargs == Py_None ? NULL : kwargs, &reply);
}

int
c4pe_when_unpack(c4pe_chare_t *chare, PyObject *packed)
{
    if (packed == Py_None)
        return 0;
    if (!PyList_Check(packed)) {
        PyErr_SetString(PyExc_TypeError, "waiting calls arrived damaged");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(packed); i++)
        if (unpack_call(chare, PyList_GET_ITEM(packed, i)) < 0)
            return -1;
    return 0;
}

/* ---- reports ------------------------------------------------------------------------------------- */

uint64_t
c4pe_when_count_waiters(c4pe_state_t *st)
{
    return st->whens->num_calls;
}

static void
report_call(struct c4p_report *report, c4pe_chare_t *chare, const item_t *item)
{
    char whose[200];
    const char *name = PyUnicode_AsUTF8(item->entry->qualname);
    const char *text = PyUnicode_AsUTF8(((c4pe_cond_t *)item->entry->cond)->text);
    c4p_report_line(report, "call of %s on %s, rank %d, waits for its condition '%s' since %.1f s",
                    name ? name : "?", c4pe_describe_chare(chare, whose, sizeof(whose)),
                    chare->state->rank, text ? text : "?",
                    c4p_time_s(chare->state->rt) - item->since);
    PyErr_Clear();
}

void
c4pe_when_list_waiters(c4pe_state_t *st, struct c4p_report *report)
{
    for (struct c4pe_waitq *q = st->whens->queues; q; q = q->next)
        for (const item_t *item = q->head; item; item = item->next)
            if (item->entry)
                report_call(report, q->chare, item);
}

/* ---- module -------------------------------------------------------------------------------------- */

int
c4pe_when_exec(PyObject *module, c4pe_state_t *st)
{
    struct c4pe_whens *whens = PyMem_Calloc(1, sizeof(*whens));
    if (!whens) {
        PyErr_NoMemory();
        return -1;
    }
    st->whens = whens;
    whens->cond_type = c4pe_cond_make_type(module);
    whens->wait_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &wait_spec, NULL);
    whens->cache = PyDict_New();
    return whens->cond_type && whens->wait_type && whens->cache ? 0 : -1;
}

int
c4pe_when_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    if (!st->whens)
        return 0;
    Py_VISIT(st->whens->cond_type);
    Py_VISIT(st->whens->wait_type);
    Py_VISIT(st->whens->cache);
    return 0;
}

void
c4pe_when_clear(c4pe_state_t *st)
{
    if (!st->whens)
        return;
    Py_CLEAR(st->whens->cond_type);
    Py_CLEAR(st->whens->wait_type);
    Py_CLEAR(st->whens->cache);
}

void
c4pe_when_free(c4pe_state_t *st)
{
    PyMem_Free(st->whens);
    st->whens = NULL;
}
