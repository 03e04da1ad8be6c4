/* SPDX-License-Identifier: Apache-2.0 */
#include "section.h"

#include <c4p/section.h>

#include "codec.h"
#include "future.h"

/* ---- making ------------------------------------------------------------------------------------- */

static int
fill_refs(c4pe_state_t *st, PyObject *items, c4p_ref_t *refs)
{
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); i++)
        if (c4pe_proxy_element(st, PySequence_Fast_GET_ITEM(items, i), &refs[i], "a section") < 0)
            return -1;
    return 0;
}

/* The proxy of a section of these members, cut from what `origin` names. */
static PyObject *
make(c4pe_state_t *st, const c4pe_proxy_t *origin, const c4p_ref_t *refs, size_t n)
{
    c4pe_class_t *cls = origin->pclass->cls;
    int kind = origin->pclass->kind;
    if (kind == C4PE_KIND_GROUP || kind == C4PE_KIND_GROUP_SECTION)
        kind = C4PE_KIND_GROUP_SECTION;
    else
        kind = C4PE_KIND_ARRAY_SECTION;
    c4p_ref_t ref = {.key = {{c4pe_proxy_base(origin), 0}}};
    for (size_t i = 0; i < n; i++)
        ref.key.w[1] |= refs[i].coll != ref.key.w[0];
    c4p_status_t status = c4p_section_new(st->rt, cls->id, refs, n, &ref.coll);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "making a section");
    return c4pe_proxy_new(&cls->proxies[kind], ref, origin->ndims, false);
}

PyObject *
c4pe_section_new(c4pe_state_t *st, PyObject *args)
{
    PyObject *origin, *members, *proxy = NULL;
    if (!PyArg_ParseTuple(args, "OO:section_new", &origin, &members) ||
        c4pe_need_rt(st, "making a section") == NULL)
        return NULL;
    if (!c4pe_proxy_check(st, origin))
        return PyErr_Format(PyExc_TypeError, "section_new() needs a proxy, not %s",
                            Py_TYPE(origin)->tp_name);
    PyObject *items = PySequence_Fast(members, "members must be a sequence of proxies");
    if (items == NULL)
        return NULL;
    size_t n = (size_t)PySequence_Fast_GET_SIZE(items);
    c4p_ref_t *refs = PyMem_Malloc(n ? n * sizeof *refs : 1);
    if (refs == NULL) {
        PyErr_NoMemory();
    } else if (fill_refs(st, items, refs) == 0) {
        proxy = make(st, (c4pe_proxy_t *)origin, refs, n);
    }
    PyMem_Free(refs);
    Py_DECREF(items);
    return proxy;
}

/* ---- who are the members? ----------------------------------------------------------------------- */

PyObject *
c4pe_section_members(c4pe_state_t *st, PyObject *args)
{
    PyObject *proxy, *func;
    if (!PyArg_ParseTuple(args, "OO:section_members", &proxy, &func) ||
        c4pe_need_rt(st, "asking for the members of a collection") == NULL)
        return NULL;
    const c4pe_proxy_t *self = (const c4pe_proxy_t *)proxy;
    c4p_msg_t *msg;
    if (!c4pe_proxy_check(st, proxy) || (self->flags & C4PE_PROXY_ELEMENT)) {
        PyErr_Format(PyExc_TypeError, "%R is no whole collection", proxy);
        return NULL;
    }
    if (c4pe_codec_pack_args(st, &func, 1, NULL, C4PE_PACK_FLAT, &msg) < 0)
        return NULL;
    PyObject *future = c4pe_future_new(st, 1, C4PE_VALUE_GATHER);
    if (future == NULL) {
        c4p_msg_free(msg);
        return NULL;
    }
    c4p_msg_set_tag(msg, C4PE_TAG_SHARED | C4PE_TAG_NATIVE);
    c4p_status_t status = c4p_bcast(st->rt, self->ref.coll, C4PE_ENTRY_MEMBER, msg,
                                    C4P_BCAST_GATHER, c4pe_future_id(future));
    if (status == C4P_OK)
        return future;
    c4p_msg_free(msg);
    c4pe_future_cancel(st, future);
    Py_DECREF(future);
    return c4pe_raise_status(st, status, "asking for the members of a collection");
}

/* The proxy of a chare's own element; new reference. */
static PyObject *
own_proxy(c4pe_chare_t *chare)
{
    c4pe_coll_t *coll = chare->coll;
    return c4pe_proxy_new(&coll->cls->proxies[coll->kind], c4pe_chare_ref(chare), coll->ndims,
                          true);
}

/* (own proxy, what the function says of this chare). */
static PyObject *
introduce(c4pe_state_t *st, c4pe_chare_t *chare, c4p_msg_t *msg)
{
    PyObject *args = c4pe_codec_unpack_args(st, msg);
    if (args == NULL)
        return NULL;
    PyObject *func = PyTuple_GET_ITEM(args, 0), *value = Py_None;
    st->no_suspend++;
    value = func == Py_None ? Py_NewRef(Py_None) : PyObject_CallOneArg(func, (PyObject *)chare);
    st->no_suspend--;
    PyObject *own = value ? own_proxy(chare) : NULL;
    PyObject *pair = own ? PyTuple_Pack(2, own, value) : NULL;
    Py_XDECREF(own);
    Py_XDECREF(value);
    Py_DECREF(args);
    return pair;
}

void
c4pe_section_on_member(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4pe_entry_t *entry = ctx;
    c4pe_state_t *st = entry->state;
    c4p_reply_t reply;
    if (st->exiting || c4p_reply_take(rt, msg, &reply) != C4P_OK)
        return;
    c4pe_invoke_done(st, object, entry, &reply, introduce(st, object, msg));
}
