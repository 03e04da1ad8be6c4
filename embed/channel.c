/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c: ordered streams between two chares. Opening an end sends one message to the other
 * chare, which says the opener's port and that this is its n-th channel towards that chare; whoever
 * has the n-th channel back is connected by it. Data goes to the port, with a number. */
#include "channel.h"

#include "codec.h"

/* ---- records ------------------------------------------------------------------------------------- */

/* One received message: as it came, or its value. */
typedef struct packet {
    c4p_msg_t *msg; /* kept */
    PyObject *value;
} packet_t;

struct c4pe_channel {
    PyObject_HEAD
    c4pe_state_t *st;
    c4pe_chare_t *chare; /* borrowed; NULL when it has gone */
    PyObject *remote;
    c4p_ref_t peer;
    uint64_t ordinal; /* how many channels towards the same chare this one had before it */
    int64_t port, remote_port;
    uint64_t send_next, recv_next; /* numbers of the next message out, and of the next one to be put
                                      into the ring */
    packet_t *ring;
    size_t room, head, count; /* room is a power of two */
    PyObject *early;  /* dict number -> value: overtook others while an end moved; NULL none */
    PyObject *unsent; /* list of argument tuples of async coroutines; NULL none */
    c4pe_waiters_t receivers, connectors;
    c4pe_watch_t *watches;
};

/* A request of a peer for which this side has no channel yet. */
typedef struct request {
    struct request *next;
    c4p_ref_t peer;
    uint64_t ordinal;
    int64_t port;
} request_t;

struct c4pe_chantab {
    c4pe_channel_t **channels; /* by port; strong */
    size_t count, room;
    request_t *requests;
};

/* What the message that opens a channel says. */
typedef struct open_wire {
    uint64_t coll, key0, key1; /* who opens */
    uint64_t ordinal;
    int64_t port;
} open_wire_t;

typedef struct data_head {
    int64_t port;
    uint64_t number;
} data_head_t;

/* Data for a chare on the same rank. */
typedef struct local_data {
    data_head_t head;
    PyObject *value; /* strong */
    c4pe_state_t *st;
    struct local_data *next;
} local_data_t;

struct c4pe_chans {
    local_data_t *free;
};

/* ---- the table of a chare ------------------------------------------------------------------------ */

static struct c4pe_chantab *
table_of(c4pe_chare_t *chare)
{
    if (!chare->channels && !(chare->channels = PyMem_Calloc(1, sizeof(*chare->channels))))
        PyErr_NoMemory();
    return chare->channels;
}

static int
table_add(struct c4pe_chantab *table, c4pe_channel_t *channel)
{
    if (table->count == table->room) {
        size_t room = table->room ? table->room * 2 : 4;
        c4pe_channel_t **channels = PyMem_Realloc(table->channels, room * sizeof(*channels));
        if (!channels) {
            PyErr_NoMemory();
            return -1;
        }
        table->channels = channels;
        table->room = room;
    }
    channel->port = (int64_t)table->count;
    table->channels[table->count++] = (c4pe_channel_t *)Py_NewRef(channel);
    return 0;
}

static c4pe_channel_t *
table_find(const struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->channels[i]->ordinal == ordinal && c4p_ref_eq(table->channels[i]->peer, peer))
            return table->channels[i];
    return NULL;
}

static uint64_t
table_count_towards(const struct c4pe_chantab *table, c4p_ref_t peer)
{
    uint64_t n = 0;
    for (size_t i = 0; i < table->count; i++)
        n += c4p_ref_eq(table->channels[i]->peer, peer);
    return n;
}

void
c4pe_channel_drop_table(c4pe_chare_t *chare)
{
    struct c4pe_chantab *table = chare->channels;
    if (!table)
        return;
    chare->channels = NULL;
    for (size_t i = 0; i < table->count; i++) {
        table->channels[i]->chare = NULL;
        Py_DECREF(table->channels[i]);
    }
    while (table->requests) {
        request_t *request = table->requests;
        table->requests = request->next;
        PyMem_Free(request);
    }
    PyMem_Free(table->channels);
    PyMem_Free(table);
}

int
c4pe_channel_traverse_table(c4pe_chare_t *chare, visitproc visit, void *arg)
{
    for (size_t i = 0; chare->channels && i < chare->channels->count; i++)
        Py_VISIT(chare->channels->channels[i]);
    return 0;
}

/* ---- received messages --------------------------------------------------------------------------- */

static int
ring_grow(c4pe_channel_t *ch)
{
    size_t room = ch->room ? ch->room * 2 : 4;
    packet_t *ring = PyMem_Malloc(room * sizeof(*ring));
    if (!ring) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < ch->count; i++)
        ring[i] = ch->ring[(ch->head + i) & (ch->room - 1)];
    PyMem_Free(ch->ring);
    ch->ring = ring;
    ch->room = room;
    ch->head = 0;
    return 0;
}

/* The next message in order; the packet is taken. */
static int
ring_push(c4pe_channel_t *ch, packet_t packet)
{
    if (ch->count == ch->room && ring_grow(ch) < 0)
        return -1;
    ch->ring[(ch->head + ch->count++) & (ch->room - 1)] = packet;
    ch->recv_next++;
    return 0;
}

static packet_t
ring_pop(c4pe_channel_t *ch)
{
    packet_t packet = ch->ring[ch->head];
    ch->head = (ch->head + 1) & (ch->room - 1);
    ch->count--;
    return packet;
}

/* What recv() returns for so many arguments. The reference to args is taken. */
static PyObject *
value_of_args(PyObject *args)
{
    if (!args || PyTuple_GET_SIZE(args) != 1)
        return args;
    PyObject *value = Py_NewRef(PyTuple_GET_ITEM(args, 0));
    Py_DECREF(args);
    return value;
}

static PyObject *
packet_value(c4pe_state_t *st, packet_t packet)
{
    if (!packet.msg)
        return packet.value;
    PyObject *value = value_of_args(c4pe_codec_unpack_args_at(st, packet.msg, sizeof(data_head_t)));
    c4p_msg_free(packet.msg);
    return value;
}

/* A message that overtook others is kept by its number; its value, because the message is only
 * lent. */
static int
keep_early(c4pe_channel_t *ch, uint64_t number, packet_t packet)
{
    PyObject *value = packet_value(ch->st, packet);
    PyObject *key = value ? PyLong_FromUnsignedLongLong(number) : NULL;
    int err = -1;
    if (key && (ch->early || (ch->early = PyDict_New())))
        err = PyDict_SetItem(ch->early, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return err;
}

/* Those that waited for the number that came now. */
static int
take_early(c4pe_channel_t *ch)
{
    while (ch->early) {
        PyObject *key = PyLong_FromUnsignedLongLong(ch->recv_next);
        PyObject *value = key ? Py_XNewRef(PyDict_GetItemWithError(ch->early, key)) : NULL;
        int err = !value ? -1 : PyDict_DelItem(ch->early, key);
        Py_XDECREF(key);
        if (!value)
            return PyErr_Occurred() ? -1 : 0;
        if (err < 0 || ring_push(ch, (packet_t){.value = value}) < 0) {
            Py_DECREF(value);
            return -1;
        }
        if (PyDict_GET_SIZE(ch->early) == 0)
            Py_CLEAR(ch->early);
    }
    return 0;
}

/* Somebody may go on, one per message. */
static void
wake_receivers(c4pe_channel_t *ch, size_t before)
{
    Py_INCREF(ch);
    if (ch->watches)
        c4pe_watch_fire(&ch->watches);
    for (size_t n = ch->count - before; n > 0; n--) {
        c4pe_coro_t *coro = c4pe_waiters_pop(&ch->receivers);
        if (!coro)
            break;
        c4pe_coro_wake(coro);
    }
    Py_DECREF(ch);
}

static int
deliver(c4pe_channel_t *ch, uint64_t number, packet_t packet)
{
    size_t before = ch->count;
    if (number != ch->recv_next)
        return keep_early(ch, number, packet);
    if (ring_push(ch, packet) < 0 || take_early(ch) < 0)
        return -1;
    wake_receivers(ch, before);
    return 0;
}

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

static int
remember_request(struct c4pe_chantab *table, c4p_ref_t peer, const open_wire_t *open)
{
    request_t *request = PyMem_Malloc(sizeof(*request));
    if (!request) {
        PyErr_NoMemory();
        return -1;
    }
    *request = (request_t){
        .next = table->requests, .peer = peer, .ordinal = open->ordinal, .port = open->port};
    table->requests = request;
    return 0;
}

/* The port of a peer that asked already; -1 if it has not. */
static int64_t
take_request(struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal)
{
    for (request_t **at = &table->requests; *at; at = &(*at)->next) {
        request_t *request = *at;
        if (request->ordinal == ordinal && c4p_ref_eq(request->peer, peer)) {
            int64_t port = request->port;
            *at = request->next;
            PyMem_Free(request);
            return port;
        }
    }
    return -1;
}

void
c4pe_channel_on_open(c4p_rt_t *Py_UNUSED(rt), void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_chare_t *chare = object;
    open_wire_t open;
    struct c4pe_chantab *table = table_of(chare);
    if (!table || c4p_msg_len(msg) != sizeof(open)) {
        if (table)
            c4pe_raise(entry->state, "damaged message: a channel was opened with %zu bytes",
                       c4p_msg_len(msg));
        c4pe_err_uncaught(entry->state, chare, entry, "opening a channel to");
        return;
    }
    memcpy(&open, c4p_msg_data(msg), sizeof(open));
    c4p_ref_t peer = {.coll = open.coll, .key = {{open.key0, open.key1}}};
    c4pe_channel_t *ch = table_find(table, peer, open.ordinal);
    if (ch)
        connected(ch, open.port);
    else if (remember_request(table, peer, &open) < 0)
        c4pe_err_uncaught(entry->state, chare, entry, "opening a channel to");
}

static int
receive(c4pe_chare_t *chare, c4p_msg_t *msg)
{
    data_head_t head;
    packet_t packet = {0};
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
    return deliver(table->channels[head.port], head.number, packet);
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

static const c4p_object_ops_t local_ops = {.flatten = flatten_local, .drop = drop_local};

static PyObject *
capture_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 1)
        return c4pe_codec_capture(st, args[0]);
    return c4pe_codec_capture_tuple(st, args, nargs, NULL, 0);
}

static int
local_message(c4pe_channel_t *ch, const data_head_t *head, PyObject *const *args, Py_ssize_t nargs,
              c4p_msg_t **msg_out)
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
    const data_head_t head = {.port = ch->remote_port, .number = ch->send_next};
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
    if (value_out && !(*value_out = packet_value(ch->st, ring_pop(ch))))
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
    return packet_value(ch->st, ring_pop(ch));
}

static PyObject *
channel_ready(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(((c4pe_channel_t *)op)->count > 0);
}

/* ---- opening ------------------------------------------------------------------------------------- */

static c4pe_channel_t *
channel_alloc(c4pe_state_t *st, PyObject *remote)
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
    const open_wire_t open = {.coll = self.coll,
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
    ch->remote_port = take_request(table, ch->peer, ch->ordinal);
    return send_open(ch);
}

static PyObject *
make_channel(c4pe_state_t *st, c4pe_chare_t *chare, PyObject *remote, c4p_ref_t peer)
{
    struct c4pe_chantab *table = table_of(chare);
    c4pe_channel_t *ch = table ? channel_alloc(st, remote) : NULL;
    if (!ch)
        return NULL;
    ch->chare = chare;
    ch->peer = peer;
    ch->ordinal = table_count_towards(table, peer);
    if (table_add(table, ch) < 0) {
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
        PyErr_Format(PyExc_TypeError, "Channel(chare, remote): remote must be a proxy, not %.100s",
                     Py_TYPE(c4pe_proxy_check(st, remote) ? local : remote)->tp_name);
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

/* ---- moving -------------------------------------------------------------------------------------- */

/* Values that have arrived but were not received, in order; they stay in the ring. */
static PyObject *
received_values(c4pe_channel_t *ch)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < ch->count; i++) {
        packet_t *packet = &ch->ring[(ch->head + i) & (ch->room - 1)];
        if (packet->msg) {
            PyObject *value = packet_value(ch->st, *packet);
            *packet = (packet_t){.value = value};
            if (!value)
                packet->value = Py_NewRef(Py_None);
            if (!value) {
                Py_DECREF(list);
                return NULL;
            }
        }
        if (PyList_Append(list, packet->value) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
channel_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    if (ch->remote_port < 0)
        return c4pe_raise(ch->st, "a channel that is not connected yet cannot move with its chare");
    PyObject *load = PyObject_GetAttrString(ch->st->module, "_channel_load");
    PyObject *received = load ? received_values(ch) : NULL;
    if (!received) {
        Py_XDECREF(load);
        return NULL;
    }
    return Py_BuildValue("N(OKKKKLLKKNO)", load, ch->remote, (unsigned long long)ch->peer.coll,
                         (unsigned long long)ch->peer.key.w[0],
                         (unsigned long long)ch->peer.key.w[1], (unsigned long long)ch->ordinal,
                         (long long)ch->port, (long long)ch->remote_port,
                         (unsigned long long)ch->send_next, (unsigned long long)ch->recv_next,
                         received, ch->early ? ch->early : Py_None);
}

static int
fill_ring(c4pe_channel_t *ch, PyObject *received)
{
    uint64_t recv_next = ch->recv_next;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(received); i++) {
        PyObject *value = Py_NewRef(PyList_GET_ITEM(received, i));
        if (ring_push(ch, (packet_t){.value = value}) < 0) {
            Py_DECREF(value);
            return -1;
        }
    }
    ch->recv_next = recv_next;
    return 0;
}

static PyObject *
module_channel_load(PyObject *module, PyObject *args)
{
    PyObject *remote, *received, *early;
    unsigned long long coll, key0, key1, ordinal, send_next, recv_next;
    long long port, remote_port;
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!st ||
        !PyArg_ParseTuple(args, "OKKKKLLKKO!O", &remote, &coll, &key0, &key1, &ordinal, &port,
                          &remote_port, &send_next, &recv_next, &PyList_Type, &received, &early))
        return NULL;
    c4pe_channel_t *ch = channel_alloc(st, remote);
    if (!ch)
        return NULL;
    ch->peer = (c4p_ref_t){.coll = coll, .key = {{key0, key1}}};
    ch->ordinal = ordinal;
    ch->port = port;
    ch->remote_port = remote_port;
    ch->send_next = send_next;
    ch->recv_next = recv_next;
    if (PyDict_Check(early))
        ch->early = Py_NewRef(early);
    if (fill_ring(ch, received) < 0)
        Py_CLEAR(ch);
    return (PyObject *)ch;
}

/* Requests of peers for which this chare has no channel yet, as tuples. */
static PyObject *
pack_requests(const struct c4pe_chantab *table)
{
    PyObject *list = PyList_New(0);
    for (const request_t *r = table->requests; list && r; r = r->next) {
        PyObject *tuple = Py_BuildValue("(KKKKL)", (unsigned long long)r->peer.coll,
                                        (unsigned long long)r->peer.key.w[0],
                                        (unsigned long long)r->peer.key.w[1],
                                        (unsigned long long)r->ordinal, (long long)r->port);
        if (!tuple || PyList_Append(list, tuple) < 0)
            Py_CLEAR(list);
        Py_XDECREF(tuple);
    }
    return list;
}

PyObject *
c4pe_channel_pack(c4pe_chare_t *chare)
{
    const struct c4pe_chantab *table = chare->channels;
    if (!table)
        Py_RETURN_NONE;
    PyObject *list = PyList_New((Py_ssize_t)table->count);
    for (size_t i = 0; list && i < table->count; i++) {
        c4pe_channel_t *ch = table->channels[i];
        if (ch->remote_port < 0) {
            Py_DECREF(list);
            return c4pe_raise(chare->state,
                              "a chare with a channel that is not connected yet cannot move");
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(ch));
    }
    PyObject *requests = list ? pack_requests(table) : NULL;
    if (!requests) {
        Py_XDECREF(list);
        return NULL;
    }
    return Py_BuildValue("(NN)", list, requests);
}

static int
unpack_request(struct c4pe_chantab *table, PyObject *tuple)
{
    unsigned long long coll, key0, key1, ordinal;
    long long port;
    if (!PyArg_ParseTuple(tuple, "KKKKL", &coll, &key0, &key1, &ordinal, &port))
        return -1;
    const open_wire_t open = {.ordinal = ordinal, .port = port};
    return remember_request(table, (c4p_ref_t){.coll = coll, .key = {{key0, key1}}}, &open);
}

int
c4pe_channel_unpack(c4pe_chare_t *chare, PyObject *packed)
{
    PyObject *list, *requests;
    if (packed == Py_None)
        return 0;
    if (!PyArg_ParseTuple(packed, "O!O!", &PyList_Type, &list, &PyList_Type, &requests))
        return -1;
    struct c4pe_chantab *table = table_of(chare);
    if (!table)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *op = PyList_GET_ITEM(list, i);
        if (!c4pe_channel_check(chare->state, op)) {
            PyErr_SetString(PyExc_TypeError, "the channels of a chare arrived damaged");
            return -1;
        }
        if (table_add(table, (c4pe_channel_t *)op) < 0)
            return -1;
        ((c4pe_channel_t *)op)->chare = chare;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(requests); i++)
        if (unpack_request(table, PyList_GET_ITEM(requests, i)) < 0)
            return -1;
    return 0;
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
    PyObject *remote = PyObject_Repr(ch->remote);
    const char *text = remote ? PyUnicode_AsUTF8(remote) : NULL;
    PyOS_snprintf(buf, size, "%s channel %lld to %s", what, (long long)ch->port, text ? text : "?");
    PyErr_Clear();
    Py_XDECREF(remote);
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
        packet_t packet = ring_pop(ch);
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
     "send(*args)\n--\n\nSend one message. Waits only until the other end is open. In `async def`: "
     "await it."},
    {"recv", channel_recv, METH_NOARGS,
     "recv()\n--\n\nThe next message: the argument of send(), or a tuple of several. In `async "
     "def`: await it."},
    {"ready", channel_ready, METH_NOARGS, "ready()\n--\n\nTrue if recv() would not wait."},
    {"__reduce__", channel_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef channel_members[] = {
    {"remote", T_OBJECT, offsetof(c4pe_channel_t, remote), READONLY,
     "The proxy of the other end, as given."},
    {"port", T_LONGLONG, offsetof(c4pe_channel_t, port), READONLY,
     "Number of the channel in its chare."},
    {"remote_port", T_LONGLONG, offsetof(c4pe_channel_t, remote_port), READONLY,
     "Number at the other end; -1 before it is open."},
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
    {Py_tp_doc, (void *)"Channel(chare, remote, local=None)\n--\n\nOne end of an ordered stream "
                        "between two chares."},
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
    {"_channel_load", module_channel_load, METH_VARARGS, NULL},
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
