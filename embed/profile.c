/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c: accounts of time and messages, for charm.printStats(). */
#include "profile.h"

#include <c4p/stats.h>

#include "bound.h"

/* ---- life ---------------------------------------------------------------------------------------- */

int
c4pe_profile_start(c4pe_state_t *st)
{
    if (st->profile != NULL)
        return 0;
    if (st->num_classes > 0)
        return c4pe_raise(st, "profiling must be switched on before classes are added"), -1;
    c4pe_profile_t *p = PyMem_Calloc(1, sizeof(*p));
    if (p == NULL)
        return PyErr_NoMemory(), -1;
    p->st = st;
    p->stats = &p->accounts[C4PE_ACCOUNT_REST];
    p->slot = &p->stats->run;
    p->since = c4p_time_s(st->rt);
    p->sent.least = p->received.least = UINT64_MAX;
    st->profile = p;
    st->invoke = c4pe_invoke_profiled;
    c4pe_bound_profile(st);
    return 0;
}

void
c4pe_profile_free(c4pe_state_t *st)
{
    PyMem_Free(st->profile);
    st->profile = NULL;
}

int
c4pe_profile_class(c4pe_class_t *cls)
{
    if (cls->state->profile == NULL)
        return 0;
    cls->stats = PyMem_Calloc(cls->num_entries + 1, sizeof(*cls->stats));
    if (cls->stats == NULL)
        return PyErr_NoMemory(), -1;
    for (uint32_t i = 0; i <= cls->num_entries; i++) {
        c4pe_entry_t *entry = i < cls->num_entries ? &cls->entries[i] : &cls->init;
        entry->stats = &cls->stats[i];
        entry->flags |= C4PE_COUNTED;
    }
    return 0;
}

/* ---- charging ------------------------------------------------------------------------------------ */

c4pe_charged_t
c4pe_profile_charge(c4pe_state_t *st, c4pe_stats_t *stats, double *slot)
{
    c4pe_profile_t *p = st->profile;
    c4pe_charged_t before = {p->stats, p->slot};
    if (st->rt != NULL) {
        double now = c4p_time_s(st->rt);
        *p->slot += now - p->since;
        p->since = now;
    }
    p->stats = stats;
    p->slot = slot;
    return before;
}

c4pe_charged_t
c4pe_profile_enter(c4pe_state_t *st, c4pe_account_t account)
{
    if (st->profile == NULL)
        return (c4pe_charged_t){NULL, NULL};
    c4pe_stats_t *stats = &st->profile->accounts[account];
    stats->calls++;
    return c4pe_profile_charge(st, stats, &stats->run);
}

void
c4pe_profile_leave(c4pe_state_t *st, c4pe_charged_t before)
{
    if (before.slot != NULL && st->profile != NULL)
        c4pe_profile_charge(st, before.stats, before.slot);
}

void
c4pe_profile_resumed(c4pe_state_t *st, const c4pe_entry_t *entry)
{
    c4pe_stats_t *stats =
        entry && entry->stats ? entry->stats : &st->profile->accounts[C4PE_ACCOUNT_PROGRAM];
    c4pe_profile_charge(st, stats, &stats->run);
}

void
c4pe_profile_paused(c4pe_state_t *st)
{
    c4pe_stats_t *rest = &st->profile->accounts[C4PE_ACCOUNT_REST];
    c4pe_profile_charge(st, rest, &rest->run);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static void
count(c4pe_sizes_t *sizes, c4p_msg_t *msg)
{
    uint64_t len = c4p_msg_len(msg);
    sizes->count++;
    if (c4p_msg_object(msg) != NULL) {
        sizes->by_reference++;
        return;
    }
    sizes->total += len;
    sizes->least = len < sizes->least ? len : sizes->least;
    sizes->most = len > sizes->most ? len : sizes->most;
}

void
c4pe_profile_sent(c4pe_state_t *st, c4p_msg_t *msg)
{
    count(&st->profile->sent, msg);
}

void
c4pe_profile_received(c4pe_state_t *st, c4p_msg_t *msg)
{
    count(&st->profile->received, msg);
}

/* ---- for the package ----------------------------------------------------------------------------- */

static PyObject *
row(const char *cls, PyObject *name, const c4pe_stats_t *s)
{
    return Py_BuildValue("(sOdddK)", cls, name, s->run, s->send, s->recv,
                         (unsigned long long)s->calls);
}

/* Append a row (taken; NULL: failed) to a list, which is given up after a failure. */
static void
append(PyObject **list, PyObject *item)
{
    if (item == NULL || PyList_Append(*list, item) < 0)
        Py_CLEAR(*list);
    Py_XDECREF(item);
}

static PyObject *
list_entries(c4pe_state_t *st)
{
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; i < st->num_classes; i++) {
        c4pe_class_t *cls = st->classes[i];
        for (uint32_t e = 0; list != NULL && cls->stats != NULL && e <= cls->num_entries; e++) {
            const c4pe_entry_t *entry = e < cls->num_entries ? &cls->entries[e] : &cls->init;
            if (entry->stats->calls > 0)
                append(&list, row(cls->name, entry->name, entry->stats));
        }
    }
    return list;
}

static PyObject *
list_accounts(c4pe_profile_t *p)
{
    static const char *const names[C4PE_NUM_ACCOUNTS] = {
        "rest", "program", "reductions", "custom reductions", "timers", "migrating out"};
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < C4PE_NUM_ACCOUNTS; i++)
        append(&list, row(names[i], Py_None, &p->accounts[i]));
    return list;
}

static PyObject *
sizes(const c4pe_sizes_t *s)
{
    return Py_BuildValue("(KKKKK)", (unsigned long long)s->count,
                         (unsigned long long)s->by_reference, (unsigned long long)s->least,
                         (unsigned long long)s->most, (unsigned long long)s->total);
}

PyObject *
c4pe_profile_get(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4pe_profile_t *p = st->profile;
    if (p == NULL)
        Py_RETURN_NONE;
    c4pe_profile_charge(st, p->stats, p->slot); /* up to now */
    PyObject *entries = list_entries(st), *accounts = list_accounts(p), *sent = sizes(&p->sent),
             *received = sizes(&p->received), *result = NULL;
    if (entries && accounts && sent && received)
        result = PyTuple_Pack(4, entries, accounts, sent, received);
    Py_XDECREF(entries);
    Py_XDECREF(accounts);
    Py_XDECREF(sent);
    Py_XDECREF(received);
    return result;
}

PyObject *
c4pe_profile_stats(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4p_rt_t *rt = c4pe_need_rt(c4pe_state_of_module(module), "stats()");
    c4p_stats_t s = {.struct_size = sizeof(s)};
    if (rt == NULL)
        return NULL;
    c4p_stats(rt, &s);
    return Py_BuildValue(
        "{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "elements",
        (unsigned long long)s.elements, "locations", (unsigned long long)s.locations, "caches",
        (unsigned long long)s.caches, "homes", (unsigned long long)s.homes, "pointers",
        (unsigned long long)s.pointers, "held", (unsigned long long)s.held, "broadcasts",
        (unsigned long long)s.broadcasts, "departures", (unsigned long long)s.departures, "queued",
        (unsigned long long)s.queued, "messages", (unsigned long long)s.messages, "sent",
        (unsigned long long)s.sent, "sent_bytes", (unsigned long long)s.sent_bytes);
}

/* Whether sending was charged already stands in the token. */
PyObject *
c4pe_profile_enter_send(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4pe_profile_t *p = st->profile;
    if (p == NULL || p->slot == &p->stats->send)
        Py_RETURN_FALSE;
    c4pe_profile_charge(st, p->stats, &p->stats->send);
    Py_RETURN_TRUE;
}

PyObject *
c4pe_profile_leave_send(PyObject *module, PyObject *token)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    c4pe_profile_t *p = st->profile;
    if (p != NULL && token == Py_True)
        c4pe_profile_charge(st, p->stats, &p->stats->run);
    Py_RETURN_NONE;
}
