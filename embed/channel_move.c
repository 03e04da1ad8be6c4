/* SPDX-License-Identifier: Apache-2.0 */
/* channel_move.c: the channels of a chare that moves: state and messages that were not received
 * yet, as picklable objects. */
#include "channel_int.h"

/* Values that have arrived but were not received, in order; they stay in the ring. */
static PyObject *
received_values(c4pe_channel_t *ch)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < ch->count; i++) {
        c4pe_packet_t *packet = &ch->ring[(ch->head + i) & (ch->room - 1)];
        if (packet->msg) {
            PyObject *value = c4pe_channel_value(ch->st, *packet);
            *packet = (c4pe_packet_t){.value = value};
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

PyObject *
c4pe_channel_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_channel_t *ch = (c4pe_channel_t *)op;
    if (ch->st->moving != NULL && ch->st->moving == ch->chare) { /* an attribute of the chare */
        PyObject *func = PyObject_GetAttrString(ch->st->module, "_moving_channel");
        return func ? Py_BuildValue("(N(L))", func, (long long)ch->port) : NULL;
    }
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
        if (c4pe_channel_push(ch, (c4pe_packet_t){.value = value}) < 0) {
            Py_DECREF(value);
            return -1;
        }
    }
    ch->recv_next = recv_next;
    return 0;
}

/* Always NULL. What comes from a file may be anything. */
static PyObject *
damaged(void)
{
    PyErr_SetString(PyExc_TypeError, "the channels of a chare arrived damaged");
    return NULL;
}

PyObject *
c4pe_channel_load(PyObject *module, PyObject *args)
{
    PyObject *remote, *received, *early;
    unsigned long long coll, key0, key1, ordinal, send_next, recv_next;
    long long port, remote_port;
    c4pe_state_t *st = c4pe_state_of_module(module);
    if (!st ||
        !PyArg_ParseTuple(args, "OKKKKLLKKO!O", &remote, &coll, &key0, &key1, &ordinal, &port,
                          &remote_port, &send_next, &recv_next, &PyList_Type, &received, &early))
        return NULL;
    if (!c4pe_proxy_check(st, remote) || port < 0 || remote_port < 0)
        return damaged();
    c4pe_channel_t *ch = c4pe_channel_alloc(st, remote);
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
    for (const c4pe_chanreq_t *r = table->requests; list && r; r = r->next) {
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
    const c4pe_chan_open_t open = {.ordinal = ordinal, .port = port};
    return c4pe_chantab_remember(table, (c4p_ref_t){.coll = coll, .key = {{key0, key1}}}, &open);
}

int
c4pe_channel_unpack(c4pe_chare_t *chare, PyObject *packed)
{
    PyObject *list, *requests;
    if (packed == Py_None)
        return 0;
    if (!PyArg_ParseTuple(packed, "O!O!", &PyList_Type, &list, &PyList_Type, &requests))
        return -1;
    struct c4pe_chantab *table = c4pe_chantab_of(chare);
    if (!table)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *op = PyList_GET_ITEM(list, i);
        if (!c4pe_channel_check(chare->state, op) || ((c4pe_channel_t *)op)->chare) {
            damaged();
            return -1;
        }
        if (c4pe_chantab_add(table, (c4pe_channel_t *)op) < 0)
            return -1;
        ((c4pe_channel_t *)op)->chare = chare;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(requests); i++)
        if (unpack_request(table, PyList_GET_ITEM(requests, i)) < 0)
            return -1;
    return 0;
}
