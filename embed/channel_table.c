/* SPDX-License-Identifier: Apache-2.0 */
/* channel_table.c: the channels of a chare, and the requests of peers that were faster. */
#include "channel_int.h"

struct c4pe_chantab *
c4pe_chantab_of(c4pe_chare_t *chare)
{
    if (!chare->channels && !(chare->channels = PyMem_Calloc(1, sizeof(*chare->channels))))
        PyErr_NoMemory();
    return chare->channels;
}

int
c4pe_chantab_add(struct c4pe_chantab *table, c4pe_channel_t *channel)
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

c4pe_channel_t *
c4pe_chantab_find(const struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->channels[i]->ordinal == ordinal && c4p_ref_eq(table->channels[i]->peer, peer))
            return table->channels[i];
    return NULL;
}

uint64_t
c4pe_chantab_count(const struct c4pe_chantab *table, c4p_ref_t peer)
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
        c4pe_chanreq_t *request = table->requests;
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

int
c4pe_chantab_remember(struct c4pe_chantab *table, c4p_ref_t peer, const c4pe_chan_open_t *open)
{
    c4pe_chanreq_t *request = PyMem_Malloc(sizeof(*request));
    if (!request) {
        PyErr_NoMemory();
        return -1;
    }
    *request = (c4pe_chanreq_t){
        .next = table->requests, .peer = peer, .ordinal = open->ordinal, .port = open->port};
    table->requests = request;
    return 0;
}

/* The port of a peer that asked already; -1 if it has not. */
int64_t
c4pe_chantab_take(struct c4pe_chantab *table, c4p_ref_t peer, uint64_t ordinal)
{
    for (c4pe_chanreq_t **at = &table->requests; *at; at = &(*at)->next) {
        c4pe_chanreq_t *request = *at;
        if (request->ordinal == ordinal && c4p_ref_eq(request->peer, peer)) {
            int64_t port = request->port;
            *at = request->next;
            PyMem_Free(request);
            return port;
        }
    }
    return -1;
}
