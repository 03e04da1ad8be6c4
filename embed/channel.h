/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h: ordered streams between two chares. Both ends hold numbers for what they sent and
 * received, so that order holds while either end moves; the n-th channel that A opens towards B
 * belongs to the n-th that B opens towards A. The messages are calls of the reserved entries. Main
 * thread with the interpreter lock held. */
#ifndef C4PE_CHANNEL_H
#define C4PE_CHANNEL_H

#include "future.h"

typedef struct c4pe_channel c4pe_channel_t;

/* Entries C4PE_ENTRY_CHAN_OPEN and C4PE_ENTRY_CHAN_DATA of every class: c4p_entry_fn_t with the
 * entry record as ctx. */
void c4pe_channel_on_open(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void c4pe_channel_on_data(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);

/*
 * For a chare that moves. pack: a picklable object with the chare's channels, which must be pickled
 * together with the chare's own state so that references to its channels stay the same objects;
 * None without channels; NULL with Charm4PyError while one is not connected. unpack: the inverse on
 * the new chare; -1 with an exception.
 */
PyObject *c4pe_channel_pack(c4pe_chare_t *chare);
int c4pe_channel_unpack(c4pe_chare_t *chare, PyObject *packed);
/* The chare is going away. */
void c4pe_channel_drop_table(c4pe_chare_t *chare);
int c4pe_channel_traverse_table(c4pe_chare_t *chare, visitproc visit, void *arg);

/* Send what async coroutines gave before the other end was open. */
int c4pe_channel_send_unsent(c4pe_channel_t *channel);
bool c4pe_channel_check(c4pe_state_t *st, PyObject *op);
const c4pe_waitable_t *c4pe_channel_waitable(void);
/* "a message on the channel to Grid(3) (no. 0)" into buf; `what` is the start of it. */
void c4pe_channel_describe(PyObject *channel, const char *what, char *buf, size_t size);

/* ---- module ------------------------------------------------------------------------------------- */

int c4pe_channel_exec(PyObject *module, c4pe_state_t *st); /* adds Channel(chare, remote,
                                                              local=None) */
int c4pe_channel_attach(c4pe_state_t *st);
int c4pe_channel_traverse(c4pe_state_t *st, visitproc visit, void *arg);
void c4pe_channel_clear(c4pe_state_t *st);
void c4pe_channel_free(c4pe_state_t *st);

#endif
