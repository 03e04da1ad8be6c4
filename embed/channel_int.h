/* SPDX-License-Identifier: Apache-2.0 */
/* channel_int.h: what the files of channels share. channel.c sends, receives and opens;
 * channel_queue.c keeps what arrived in order; channel_table.c knows the channels of a chare;
 * channel_move.c takes them along. Main thread with the interpreter lock held. */
#ifndef C4PE_CHANNEL_INT_H
#define C4PE_CHANNEL_INT_H

#include "channel.h"

/* One received message: as it came, or its value. */
typedef struct c4pe_packet {
    c4p_msg_t *msg; /* kept */
    PyObject *value;
} c4pe_packet_t;

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
    c4pe_packet_t *ring;
    size_t room, head, count; /* room is a power of two */
    PyObject *early;  /* dict number -> value: overtook others while an end moved; NULL none */
    PyObject *unsent; /* list of argument tuples of async coroutines; NULL none */
    c4pe_waiters_t receivers, connectors;
    c4pe_watch_t *watches;
};

/* A request of a peer for which this side has no channel yet. */
typedef struct c4pe_chanreq {
    struct c4pe_chanreq *next;
    c4p_ref_t peer;
    uint64_t ordinal;
    int64_t port;
} c4pe_chanreq_t;

struct c4pe_chantab {
    c4pe_channel_t **channels; /* by port; strong */
    size_t count, room;
    c4pe_chanreq_t *requests;
};

/* What the message that opens a channel says. */
typedef struct c4pe_chan_open {
    uint64_t coll, key0, key1; /* who opens */
    uint64_t ordinal;
    int64_t port;
} c4pe_chan_open_t;

typedef struct c4pe_chan_head {
    int64_t port;
    uint64_t number;
} c4pe_chan_head_t;

/* ---- channel_table.c ----------------------------------------------------------------------------- */

/* The table of a chare, made when first asked for; NULL with MemoryError. */
struct c4pe_chantab *c4pe_chantab_of(c4pe_chare_t *chare);
/* Add a channel, which gets the next port. -1 with MemoryError. */
int c4pe_chantab_add(struct c4pe_chantab *table, c4pe_channel_t *channel);
/* The channel that was the ordinal-th towards this peer; NULL if it is not open yet. */
c4pe_channel_t *
c4pe_chantab_find(const struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal);
/* How many channels there are towards this peer. */
uint64_t c4pe_chantab_count(const struct c4pe_chantab *table, c4p_ref_t peer);
/* A peer asked for a channel that is not open here yet. -1 with MemoryError. */
int c4pe_chantab_remember(struct c4pe_chantab *table, c4p_ref_t peer, const c4pe_chan_open_t *open);
/* The port of a peer that asked already, which is forgotten; -1 if it has not. */
int64_t c4pe_chantab_take(struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal);

/* ---- channel_queue.c ----------------------------------------------------------------------------- */

/* A message arrived: it, and early ones that waited for it, can be received; wakes receivers. Takes
 * the packet. -1 with an exception. */
int c4pe_channel_deliver(c4pe_channel_t *ch, uint64_t number, c4pe_packet_t packet);
/* The next message in order; the packet is taken. -1 with MemoryError. */
int c4pe_channel_push(c4pe_channel_t *ch, c4pe_packet_t packet);
/* The oldest message; there must be one. */
c4pe_packet_t c4pe_channel_pop(c4pe_channel_t *ch);
/* What recv() returns for it: new reference; NULL with an exception. The packet is used up. */
PyObject *c4pe_channel_value(c4pe_state_t *st, c4pe_packet_t packet);

/* ---- channel_move.c ------------------------------------------------------------------------------ */

PyObject *c4pe_channel_reduce(PyObject *op, PyObject *unused); /* __reduce__ */
PyObject *c4pe_channel_load(PyObject *module, PyObject *args); /* its inverse, a function of the
                                                                  module */

/* ---- channel.c ----------------------------------------------------------------------------------- */

/* A channel of no chare, not connected. */
c4pe_channel_t *c4pe_channel_alloc(c4pe_state_t *st, PyObject *remote);

#endif
