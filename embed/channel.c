/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c: ordered streams between two chares. Opening an end sends one message to the other
 * chare, which says the opener's port and that this is its n-th channel towards that chare; whoever
 * has the n-th channel back is connected by it. Data goes to the port, with a number. */
#include "channel_int.h"

#include "codec.h"

/* Data for a chare on the same rank. */
typedef struct local_data {
    c4pe_chan_head_t head;
    PyObject *value; /* strong */
    c4pe_state_t *st;
    struct local_data *next;
} local_data_t;

struct c4pe_chans {
    local_data_t *free;
};

/* ---- messages of the runtime --------------------------------------------------------------------- */

static void
connected(c4pe_channel_t *ch, int64_t remote_port)
{
    c4pe_coro_t *coro;
    ch->remote_port = remote_port;
    Py_INCREF(ch);
    while ((coro = c4pe_waiters_pop(&ch->connectors)))
        c4pe_coro_wake(coro);
    if (ch->unsent && c4pe_channel_send_unsent(ch) < 0)
        c4pe_err_uncaught(ch->st, ch->chare, NULL, "sending on a channel of");
    Py_DECREF(ch);
}

void
c4pe_channel_on_open(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_chare_t *chare = object;
    c4pe_chan_open_t open;
    struct c4pe_chantab *table = c4pe_chantab_of(chare);
    if (!table || c4p_msg_len(msg) != sizeof(open)) {
        if (table)
            c4pe_raise(entry->state, "damaged message: a channel was opened with %zu bytes",
                       c4p_msg_len(msg));
        c4pe_err_uncaught(entry->state, chare, entry, "opening a channel to");
        return;
    }
    memcpy(&open, c4p_msg_data(msg), sizeof(open));
    c4p_ref_t peer = {.coll = open.coll, .key = {{open.key0, open.key1}}};
    c4pe_channel_t *ch = c4pe_chantab_find(table, peer, open.ordinal);
    if (ch)
        connected(ch, open.port);
    else if (c4pe_chantab_remember(table, peer, &open) < 0)
        c4pe_err_uncaught(entry->state, chare, entry, "opening a channel to");
}

static int
receive(c4pe_chare_t *chare, c4p_msg_t *msg)
{
    c4pe_chan_head_t head;
    c4pe_packet_t packet = {0};
    local_data_t *local = c4p_msg_object(msg);
    if (local)
        head = local->head;
    else if (c4p_msg_len(msg) >= sizeof(head))
        memcpy(&head, c4p_msg_data(msg), sizeof(head));
    else
        head.port = -1;
    struct c4pe_chantab *table = chare->channels;
    if (!table || head.port < 0 || (uint64_t)head.port >= table->count) {
        c4pe_raise(chare->state, "damaged message: data for channel %lld, which does not exist",
                   (long long)head.port);
        return -1;
    }
    if (local) {
        packet.value = Py_NewRef(local->value);
    } else {
        c4p_msg_keep(msg);
        packet.msg = msg;
    }
    return c4pe_channel_deliver(table->channels[head.port], head.number, packet);
}

void
c4pe_channel_on_data(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_chare_t *chare = object;
    if (!entry->state->exiting && receive(chare, msg) < 0)
        c4pe_err_uncaught(entry->state, chare, entry, "receiving on a channel of");
}
/* ---- sending ------------------------------------------------------------------------------------- */

static void
drop_local(c4p_rt_t *Py_UNUSED(rt), void *object)
{
    local_data_t *local = object;
    struct c4pe_chans *chans = local->st->chans;
    if (Py_IsInitialized())
        Py_DECREF(local->value);
    if (!chans) {
        PyMem_RawFree(local);
        return;
    }
    local->next = chans->free;
    chans->free = local;
}

/* The other end has moved away meanwhile. recv() cannot tell one tuple from several arguments, so
 * the value goes as one. */
static c4p_status_t
flatten_local(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_msg_t **flat_out)
{
    local_data_t *local = object;
    if (c4pe_codec_pack_args_after(local->st, &local->head, sizeof(local->head), &local->value, 1,
                                   C4PE_PACK_FLAT, flat_out) == 0)
        return C4P_OK;
    c4pe_err_uncaught(local->st, NULL, NULL, "sending on a channel whose other end has moved");
    return C4P_ERR_USER;
}

static size_t
size_of_local(c4p_rt_t *Py_UNUSED(rt), const void *object)
{
    const local_data_t *local = object;
    return sizeof(local->head) + c4pe_codec_size(local->value);
}

static const c4p_object_ops_t local_ops = {
    .flatten = flatten_local, .drop = drop_local, .size = size_of_local};

static PyObject *
capture_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 1)
        return c4pe_codec_capture(st, args[0]);
    return c4pe_codec_capture_tuple(st, args, nargs, NULL, 0);
}

static int
local_message(c4pe_channel_t *ch, const c4pe_chan_head_t *head, PyObject *const *args,
              Py_ssize_t nargs, c4p_msg_t **msg_out)
{
    c4pe_state_t *st = ch->st;
    PyObject *value = capture_args(st, args, nargs);
    if (!value)
        return -1;
    local_data_t *local = st->chans->free;
    if (local)
        st->chans->free = local->next;
    else if (!(local = PyMem_RawMalloc(sizeof(*local))))
        goto no_memory;
    *local = (local_data_t){.head = *head, .value = value, .st = st};
    if (c4p_msg_new_object(st->rt, local, &local_ops, msg_out) == C4P_OK)
        return 0;
    local->next = st->chans->free;
    st->chans->free = local;
no_memory:
    Py_DECREF(value);
    PyErr_NoMemory();
    return -1;
}

/* Send on a connected channel. */
static int
send_args(c4pe_channel_t *ch, PyObject *const *args, Py_ssize_t nargs, unsigned flags)
{
    c4pe_state_t *st = ch->st;
    c4p_msg_t *msg;
    const c4pe_chan_head_t head = {.port = ch->remote_port, .number = ch->send_next};
    bool here = c4p_local(st->rt, ch->peer) != NULL;
    int err = here ? local_message(ch, &head, args, nargs, &msg)
                   : c4pe_codec_pack_args_after(st, &head, sizeof(head), args, nargs, flags, &msg);
    if (err < 0)
        return -1;
    c4p_msg_set_tag(msg, C4PE_TAG_NATIVE);
    c4p_status_t status = c4p_send(st->rt, ch->peer, C4PE_ENTRY_CHAN_DATA, msg);
    if (status != C4P_OK) {
        c4p_msg_free(msg);
        if (status == C4P_ERR_STATE && c4p_exiting(st->rt))
            return 0; /* the job ends, nobody will receive */
        c4pe_raise_status(st, status, "Channel.send()");
        return -1;
    }
    ch->send_next++;
    return here ? 0 : c4pe_coro_throttle(st);
}

int
c4pe_channel_send_unsent(c4pe_channel_t *ch)
{
    PyObject *list = ch->unsent;
    int err = 0;
    ch->unsent = NULL;
    for (Py_ssize_t i = 0; err == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *args = PyList_GET_ITEM(list, i);
        err = send_args(ch, ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), 0);
    }
    Py_DECREF(list);
    return err;
}

/* In an async coroutine nothing waits here: what cannot be sent yet is kept. Returns something to
 * await. */
static PyObject *
send_async(c4pe_channel_t *ch, PyObject *const *args, Py_ssize_t nargs)
{
    if (ch->remote_port >= 0) {
        if (send_args(ch, args, nargs, 0) < 0)
            return NULL;
    } else {
        PyObject *tuple = c4pe_codec_capture_tuple(ch->st, args, nargs, NULL, 0);
        int err = -1;
        if (tuple && (ch->unsent || (ch->unsent = PyList_New(0))))
            err = PyList_Append(ch->unsent, tuple);
        Py_XDECREF(tuple);
        if (err < 0)
            return NULL;
    }
    PyObject *done = c4pe_local_future_new(ch->st, false);
    if (done && c4pe_local_future_set(ch->st, done, Py_None, false) < 0)
        Py_CLEAR(done);
    return done;
}

static int
wait_connected(c4pe_channel_t *ch)
{
    while (ch->remote_port < 0) {
        c4pe_coro_t *coro = c4pe_coro_need(ch->st, "Channel.send() before the other end is open");
        if (!coro)
            return -1;
        c4pe_waiters_add(&ch->connectors, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_CONNECT, (PyObject *)ch) < 0)
            return -1;
    }
    return 0;
}

static PyObject *
channel_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    if (!c4pe_need_rt(ch->st, "Channel.send()"))
        return NULL;
    if (!ch->chare)
        return c4pe_raise(ch->st, "Channel.send(): the chare of this channel has gone");
    if (c4pe_await_wanted(ch->st))
        return send_async(ch, args, nargs);
    if (ch->remote_port < 0 && wait_connected(ch) < 0)
        return NULL;
    if (send_args(ch, args, nargs, c4pe_codec_temps(args)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- receiving ----------------------------------------------------------------------------------- */

static int
poll_channel(PyObject *op, PyObject **value_out)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    if (ch->count == 0)
        return 0;
    if (value_out && !(*value_out = c4pe_channel_value(ch->st, c4pe_channel_pop(ch))))
        return -1;
    return 1;
}

static c4pe_waiters_t *
channel_receivers(PyObject *op)
{
    return &((c4pe_channel_t *)op)->receivers;
}

static c4pe_watch_t **
channel_watches(PyObject *op)
{
    return &((c4pe_channel_t *)op)->watches;
}

static const c4pe_waitable_t channel_waitable = {poll_channel, channel_receivers, channel_watches,
                                                 C4PE_WAIT_CHANNEL};

const c4pe_waitable_t *
c4pe_channel_waitable(void)
{
    return &channel_waitable;
}

static PyObject *
channel_recv(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    if (c4pe_await_wanted(ch->st))
        return c4pe_await_new(ch->st, &channel_waitable, op);
    while (ch->count == 0) {
        c4pe_coro_t *coro = c4pe_coro_need(ch->st, "Channel.recv()");
        if (!coro)
            return NULL;
        c4pe_waiters_add(&ch->receivers, coro);
        if (c4pe_coro_suspend(coro, C4PE_WAIT_CHANNEL, op) < 0)
            return NULL;
    }
    return c4pe_channel_value(ch->st, c4pe_channel_pop(ch));
}

static PyObject *
channel_ready(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((c4pe_channel_t *)op)->count > 0);
}

/* ---- opening ------------------------------------------------------------------------------------- */

c4pe_channel_t *
c4pe_channel_alloc(c4pe_state_t *st, PyObject *remote)
{
    c4pe_channel_t *ch = PyObject_GC_New(c4pe_channel_t, st->channel_type);
    if (!ch)
        return NULL;
    memset((char *)ch + sizeof(PyObject), 0, sizeof(*ch) - sizeof(PyObject));
    ch->st = st;
    ch->remote = Py_NewRef(remote);
    ch->port = ch->remote_port = -1;
    PyObject_GC_Track(ch);
    return ch;
}

static int
send_open(c4pe_channel_t *ch)
{
    c4pe_state_t *st = ch->st;
    c4p_ref_t self = c4pe_chare_ref(ch->chare);
    const c4pe_chan_open_t open = {.coll = self.coll,
                                   .key0 = self.key.w[0],
                                   .key1 = self.key.w[1],
                                   .ordinal = ch->ordinal,
                                   .port = ch->port};
    c4p_msg_t *msg;
    c4p_status_t status = c4p_msg_new(st->rt, sizeof(open), &msg);
    if (status == C4P_OK) {
        memcpy(c4p_msg_data(msg), &open, sizeof(open));
        c4p_msg_set_tag(msg, C4PE_TAG_NATIVE);
        status = c4p_send(st->rt, ch->peer, C4PE_ENTRY_CHAN_OPEN, msg);
        if (status != C4P_OK)
            c4p_msg_free(msg);
    }
    if (status == C4P_OK || (status == C4P_ERR_STATE && c4p_exiting(st->rt)))
        return 0;
    c4pe_raise_status(st, status, "Channel()");
    return -1;
}

/* The new channel is in the chare's table; connect it as far as possible. */
static int
open_channel(c4pe_channel_t *ch, struct c4pe_chantab *table)
{
    if (c4p_ref_eq(ch->peer, c4pe_chare_ref(ch->chare))) {
        ch->remote_port = ch->port; /* to itself: what is sent comes back on the same object */
        return 0;
    }
    ch->remote_port = c4pe_chantab_take(table, ch->peer, ch->ordinal);
    return send_open(ch);
}

static PyObject *
make_channel(c4pe_state_t *st, c4pe_chare_t *chare, PyObject *remote, c4p_ref_t peer)
{
    struct c4pe_chantab *table = c4pe_chantab_of(chare);
    c4pe_channel_t *ch = table ? c4pe_channel_alloc(st, remote) : NULL;
    if (!ch)
        return NULL;
    ch->chare = chare;
    ch->peer = peer;
    ch->ordinal = c4pe_chantab_count(table, peer);
    if (c4pe_chantab_add(table, ch) < 0) {
        Py_DECREF(ch);
        return NULL;
    }
    if (open_channel(ch, table) < 0) {
        table->count--; /* as if it had never been */
        ch->chare = NULL;
        Py_DECREF(ch);
        Py_DECREF(ch);
        return NULL;
    }
    return (PyObject *)ch;
}

static PyObject *
channel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"chare", "remote", "local", NULL};
    PyObject *chare, *remote, *local = Py_None;
    c4p_ref_t peer, own;
    c4pe_state_t *st = c4pe_state_of_type(type);
    if (!st || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:Channel", (char **)names, &chare,
                                            &remote, &local))
        return NULL;
    if (!c4pe_need_rt(st, "Channel()"))
        return NULL;
    if (!c4pe_chare_check(st, chare) || !((c4pe_chare_t *)chare)->coll) {
        PyErr_Format(
            PyExc_TypeError,
            "Channel(chare, remote): chare must be the chare that opens the channel, not %.100s",
            Py_TYPE(chare)->tp_name);
        return NULL;
    }
    if (!c4pe_proxy_check(st, remote) || (local != Py_None && !c4pe_proxy_check(st, local))) {
        bool is_local = c4pe_proxy_check(st, remote);
        PyErr_Format(PyExc_TypeError,
                     "Channel(chare, remote, local): %s must be a proxy, not %.100s",
                     is_local ? "local" : "remote", Py_TYPE(is_local ? local : remote)->tp_name);
        return NULL;
    }
    if (c4pe_proxy_element(st, remote, &peer, "Channel(chare, remote)") < 0 ||
        (local != Py_None &&
         c4pe_proxy_element(st, local, &own, "Channel(chare, remote, local)") < 0))
        return NULL;
    if (local != Py_None && !c4p_ref_eq(own, c4pe_chare_ref((c4pe_chare_t *)chare))) {
        PyErr_SetString(PyExc_ValueError,
                        "Channel(chare, remote, local): local must be a proxy of the chare itself");
        return NULL;
    }
    return make_channel(st, (c4pe_chare_t *)chare, remote, peer);
}

/* ---- the type ------------------------------------------------------------------------------------ */

bool
c4pe_channel_check(c4pe_state_t *st, PyObject *op)
{
    return Py_TYPE(op) == st->channel_type;
}

void
c4pe_channel_describe(PyObject *channel, const char *what, char *buf, size_t size)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)channel;
    char peer[200];
    PyOS_snprintf(buf, size, "%s channel %lld to %s", what, (long long)ch->port,
                  c4pe_describe_proxy(ch->remote, peer, sizeof(peer)));
}

static PyObject *
channel_repr(PyObject *op)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    return PyUnicode_FromFormat("<Channel %lld to %R%s>", (long long)ch->port, ch->remote,
                                ch->remote_port < 0 ? ", not connected" : "");
}

static int
channel_traverse(PyObject *op, visitproc visit, void *arg)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(ch->remote);
    Py_VISIT(ch->early);
    Py_VISIT(ch->unsent);
    for (size_t i = 0; i < ch->count; i++)
        Py_VISIT(ch->ring[(ch->head + i) & (ch->room - 1)].value);
    return 0;
}

static int
channel_clear(PyObject *op)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    while (ch->count) {
        c4pe_packet_t packet = c4pe_channel_pop(ch);
        Py_XDECREF(packet.value);
        if (ch->st->rt)
            c4p_msg_free(packet.msg);
    }
    Py_CLEAR(ch->early);
    Py_CLEAR(ch->unsent);
    return 0;
}

static void
channel_dealloc(PyObject *op)
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    channel_clear(op);
    Py_CLEAR(ch->remote);
    PyMem_Free(ch->ring);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyMethodDef channel_methods[] = {
    {"send", (PyCFunction)(void (*)(void))channel_send, METH_FASTCALL,
     "send($self, *args)\n"
     "--\n"
     "\n"
     "Send one message, made of any number of args, to the other end.\n"
     "\n"
     "The args are captured now. Waits only until the other end is open, and then only in a\n"
     "coroutine, else NotThreadedError; in an async def: await it. Messages arrive in the\n"
     "order sent. TypeError for what cannot be pickled."},
    {"recv", channel_recv, METH_NOARGS,
     "recv($self, /)\n"
     "--\n"
     "\n"
     "The next message: the argument of send(), or a tuple if there were none or several.\n"
     "\n"
     "Blocks the coroutine until there is one; in an async def: await it. NotThreadedError\n"
     "if it would have to wait outside a coroutine. Several who wait get the messages in the\n"
     "order in which they came."},
    {"ready", channel_ready, METH_NOARGS,
     "ready($self, /)\n"
     "--\n"
     "\n"
     "True if a message is here, so that recv() would not wait. Does not block."},
    {"__reduce__", c4pe_channel_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef channel_members[] = {
    {"remote", T_OBJECT, offsetof(c4pe_channel_t, remote), READONLY,
     "The proxy of the other end, as given. Read-only."},
    {"port", T_LONGLONG, offsetof(c4pe_channel_t, port), READONLY,
     "Number of the channel in its chare, from 0. Read-only."},
    {"remote_port", T_LONGLONG, offsetof(c4pe_channel_t, remote_port), READONLY,
     "Number of the channel in the chare at the other end; -1 before it is open. Read-only."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot channel_slots[] = {
    {Py_tp_new, channel_new},
    {Py_tp_dealloc, channel_dealloc},
    {Py_tp_traverse, channel_traverse},
    {Py_tp_clear, channel_clear},
    {Py_tp_repr, channel_repr},
    {Py_tp_methods, channel_methods},
    {Py_tp_members, channel_members},
    {Py_tp_doc,
     (void
          *)"Channel(chare, remote, local=None)\n"
            "--\n"
            "\n"
            "One end of an ordered stream of messages between two chares.\n"
            "\n"
            "chare: the chare that opens this end, self. remote: proxy of the chare at the other\n"
            "end, which opens a channel to this one; it may be the same chare. local: proxy of "
            "this\n"
            "chare as the other end names it, where that is not self.thisProxy[self.thisIndex], "
            "as\n"
            "in a section.\n"
            "\n"
            "The n-th channel from one chare to another is joined to the n-th of the other to it.\n"
            "Opening does not block and works in any context. Can be given to charm.wait() and\n"
            "charm.iwait(). Raises TypeError for other things than chares and proxies of single\n"
            "chares or elements."},
    {0, NULL},
};

static PyType_Spec channel_spec = {
    .name = "c4py.channel.Channel",
    .basicsize = sizeof(c4pe_channel_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = channel_slots,
};

/* ---- module -------------------------------------------------------------------------------------- */

static PyMethodDef channel_functions[] = {
    {"_channel_load", c4pe_channel_load, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int
c4pe_channel_exec(PyObject *module, c4pe_state_t *st)
{
    st->chans = PyMem_Calloc(1, sizeof(*st->chans));
    if (!st->chans) {
        PyErr_NoMemory();
        return -1;
    }
    st->channel_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &channel_spec, NULL);
    if (!st->channel_type || PyModule_AddType(module, st->channel_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, channel_functions);
}

int
c4pe_channel_attach(c4pe_state_t *Py_UNUSED(st))
{
    return 0;
}

int
c4pe_channel_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    Py_VISIT(st->channel_type);
    return 0;
}

void
c4pe_channel_clear(c4pe_state_t *st)
{
    Py_CLEAR(st->channel_type);
}

void
c4pe_channel_free(c4pe_state_t *st)
{
    struct c4pe_chans *chans = st->chans;
    st->chans = NULL;
    while (chans && chans->free) {
        local_data_t *local = chans->free;
        chans->free = local->next;
        PyMem_RawFree(local);
    }
    PyMem_Free(chans);
}
