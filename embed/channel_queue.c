/* SPDX-License-Identifier: Apache-2.0 */
/* channel_queue.c: what arrived on a channel, in order. */
#include "channel_int.h"
#include "codec.h"

static int
ring_grow(c4pe_channel_t *ch)
{
    size_t room = ch->room ? ch->room * 2 : 4;
    c4pe_packet_t *ring = PyMem_Malloc(room * sizeof(*ring));
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
int
c4pe_channel_push(c4pe_channel_t *ch, c4pe_packet_t packet)
{
    if (ch->count == ch->room && ring_grow(ch) < 0)
        return -1;
    ch->ring[(ch->head + ch->count++) & (ch->room - 1)] = packet;
    ch->recv_next++;
    return 0;
}

c4pe_packet_t
c4pe_channel_pop(c4pe_channel_t *ch)
{
    c4pe_packet_t packet = ch->ring[ch->head];
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

PyObject *
c4pe_channel_value(c4pe_state_t *st, c4pe_packet_t packet)
{
    if (!packet.msg)
        return packet.value;
    PyObject *value =
        value_of_args(c4pe_codec_unpack_args_at(st, packet.msg, sizeof(c4pe_chan_head_t)));
    c4p_msg_free(packet.msg);
    return value;
}

/* A message that overtook others is kept by its number; its value, because the message is only
 * lent. */
static int
keep_early(c4pe_channel_t *ch, uint64_t number, c4pe_packet_t packet)
{
    PyObject *value = c4pe_channel_value(ch->st, packet);
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
        if (err < 0 || c4pe_channel_push(ch, (c4pe_packet_t){.value = value}) < 0) {
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

int
c4pe_channel_deliver(c4pe_channel_t *ch, uint64_t number, c4pe_packet_t packet)
{
    size_t before = ch->count;
    if (number != ch->recv_next)
        return keep_early(ch, number, packet);
    if (c4pe_channel_push(ch, packet) < 0 || take_early(ch) < 0)
        return -1;
    wake_receivers(ch, before);
    return 0;
}
