/* SPDX-License-Identifier: Apache-2.0 */
/* collections.c: creating groups, arrays and single chares from Python, inserting elements, placing
 * them with user-written maps, and this rank's records of collections. */
#include "collections.h"

#include "codec.h"
#include "future.h"

/* ---- records ------------------------------------------------------------------------------------- */

/* Open addressing by collection number; records are never removed while the runtime lives. */
typedef struct c4pe_colltab {
    uint32_t count, mask;
    c4pe_coll_t **slots;
} colltab_t;

static uint32_t
slot_of(const colltab_t *t, c4p_coll_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15u) >> 32) & t->mask;
}

static c4pe_coll_t *
table_find(const colltab_t *t, c4p_coll_t id)
{
    for (uint32_t i = slot_of(t, id); t->slots[i] != NULL; i = (i + 1) & t->mask)
        if (t->slots[i]->id == id)
            return t->slots[i];
    return NULL;
}

static void
table_put(colltab_t *t, c4pe_coll_t *coll)
{
    uint32_t i = slot_of(t, coll->id);
    while (t->slots[i] != NULL)
        i = (i + 1) & t->mask;
    t->slots[i] = coll;
    t->count++;
}

static int
table_grow(colltab_t *t, uint32_t size)
{
    colltab_t grown = {
        .count = 0, .mask = size - 1, .slots = PyMem_Calloc(size, sizeof(c4pe_coll_t *))};
    if (grown.slots == NULL)
        return PyErr_NoMemory(), -1;
    for (uint32_t i = 0; t->slots != NULL && i <= t->mask; i++)
        if (t->slots[i] != NULL)
            table_put(&grown, t->slots[i]);
    PyMem_Free(t->slots);
    *t = grown;
    return 0;
}

static colltab_t *
table_of(c4pe_state_t *st)
{
    if (st->colls == NULL) {
        st->colls = PyMem_Calloc(1, sizeof(colltab_t));
        if (st->colls == NULL || table_grow(st->colls, 64) < 0)
            return PyErr_NoMemory(), NULL;
    }
    return st->colls;
}

/* The proxy of a group of some ranks. */
static PyObject *
partial_proxy(c4pe_class_t *cls, c4p_coll_t id)
{
    c4p_ref_t ref = {.coll = id, .key = {{id, 0}}};
    return c4pe_proxy_new(&cls->proxies[C4PE_KIND_GROUP_SECTION], ref, 1, false);
}

static c4pe_coll_t *
coll_new(c4pe_state_t *st, c4p_coll_t id, c4pe_class_t *cls, const c4p_coll_info_t *info)
{
    c4pe_coll_t *coll = PyMem_Calloc(1, sizeof(*coll));
    if (coll == NULL)
        return PyErr_NoMemory(), NULL;
    coll->id = id;
    coll->cls = cls;
    coll->ndims = info->ndims;
    coll->single = info->kind == C4P_KIND_CHARE;
    bool some_ranks = info->kind == C4P_KIND_ARRAY && info->tag & C4PE_SOME_RANKS;
    coll->some_ranks = some_ranks;
    coll->kind = info->kind == C4P_KIND_GROUP || some_ranks ? C4PE_KIND_GROUP : C4PE_KIND_ARRAY;
    if (st->making_main)
        st->main_coll = id;
    if (id == st->main_coll)
        coll->kind = C4PE_KIND_MAIN;
    c4p_ref_t ref = {.coll = id};
    c4p_index_t zero = {.ndims = 1};
    if (coll->single)
        c4p_index_pack(&zero, &ref.key);
    coll->proxy = some_ranks
                      ? partial_proxy(cls, id)
                      : c4pe_proxy_new(&cls->proxies[coll->kind], ref, coll->ndims, coll->single);
    if (coll->proxy == NULL) {
        PyMem_Free(coll);
        return NULL;
    }
    return coll;
}

c4pe_coll_t *
c4pe_coll_get(c4pe_state_t *st, c4p_coll_t id, c4pe_class_t *cls)
{
    if (st->last_coll != NULL && st->last_coll->id == id)
        return st->last_coll;
    colltab_t *t = table_of(st);
    if (t == NULL)
        return NULL;
    c4pe_coll_t *coll = table_find(t, id);
    if (coll == NULL) {
        c4p_coll_info_t info;
        c4p_status_t status = c4p_coll_info(st->rt, id, &info);
        if (status != C4P_OK)
            return c4pe_raise_status(st, status, "collection"), NULL;
        if (2 * (t->count + 1) > t->mask && table_grow(t, 2 * (t->mask + 1)) < 0)
            return NULL;
        if ((coll = coll_new(st, id, cls, &info)) == NULL)
            return NULL;
        table_put(t, coll);
    }
    st->last_coll = coll;
    return coll;
}

int
c4pe_colls_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    colltab_t *t = st->colls;
    for (uint32_t i = 0; t != NULL && i <= t->mask; i++)
        if (t->slots[i] != NULL)
            Py_VISIT(t->slots[i]->proxy);
    return 0;
}

void
c4pe_colls_clear(c4pe_state_t *st)
{
    colltab_t *t = st->colls;
    for (uint32_t i = 0; t != NULL && i <= t->mask; i++)
        if (t->slots[i] != NULL)
            Py_CLEAR(t->slots[i]->proxy);
}

void
c4pe_colls_free(c4pe_state_t *st)
{
    colltab_t *t = st->colls;
    st->colls = NULL;
    st->last_coll = NULL;
    if (t == NULL)
        return;
    for (uint32_t i = 0; i <= t->mask; i++)
        PyMem_Free(t->slots[i]);
    PyMem_Free(t->slots);
    PyMem_Free(t);
}

/* ---- arguments of creations ---------------------------------------------------------------------- */

static c4pe_class_t *
need_class(c4pe_state_t *st, PyObject *type, const char *what)
{
    c4pe_class_t *cls = PyType_Check(type) ? c4pe_class_of(st, (PyTypeObject *)type) : NULL;
    if (cls == NULL && PyType_Check(type) && PyType_IsSubtype((PyTypeObject *)type, st->chare_type))
        c4pe_raise(st,
                   "%s: the chare class %s is not registered on this rank: put @register above it, "
                   "or name it in charm.start(classes=[...])",
                   what, ((PyTypeObject *)type)->tp_name);
    else if (cls == NULL)
        c4pe_raise(st, "%s: %R is not a chare class (it does not derive from Chare)", what, type);
    return cls;
}

/* The message with constructor arguments; all local elements share it. */
static int
pack_init_args(c4pe_state_t *st, c4pe_class_t *cls, PyObject *args, c4p_msg_t **msg_out)
{
    PyObject *items = PySequence_Fast(args, "args must be a list or tuple");
    if (items == NULL)
        return -1;
    st->copies = 0;
    int result = c4pe_codec_pack_args(st, PySequence_Fast_ITEMS(items),
                                      PySequence_Fast_GET_SIZE(items), &cls->init, 0, msg_out);
    st->copies = 1;
    Py_DECREF(items);
    if (result == 0)
        c4p_msg_set_tag(*msg_out, C4PE_TAG_SHARED);
    return result;
}

/* A future for the end of all constructors, or None. New reference. */
static PyObject *
creation_future(c4pe_state_t *st, bool wanted, c4p_future_t *id_out)
{
    *id_out = 0;
    if (!wanted)
        Py_RETURN_NONE;
    PyObject *future = c4pe_future_new(st, 1, C4PE_VALUE_DONE);
    if (future != NULL)
        *id_out = c4pe_future_id(future);
    return future;
}

/* The proxy that a creation returns, or NULL after a refusal. Steals `future`. */
static PyObject *
creation_result(c4pe_state_t *st, c4p_status_t status, c4p_msg_t *msg, PyObject *future,
                c4pe_pclass_t *pclass, c4p_ref_t ref, int ndims, bool element, const char *what)
{
    PyObject *proxy = NULL;
    if (status != C4P_OK) {
        c4p_msg_free(msg);
        if (future != Py_None)
            c4pe_future_cancel(st, future);
        if (!PyErr_Occurred())
            c4pe_raise_status(st, status, what);
    } else {
        proxy = c4pe_proxy_new(pclass, ref, ndims, element);
        if (proxy != NULL && future != Py_None)
            ((c4pe_proxy_t *)proxy)->creation = Py_NewRef(future);
    }
    Py_DECREF(future);
    return proxy;
}

/* ---- creations ----------------------------------------------------------------------------------- */

PyObject *
c4pe_group_new(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *init_args;
    int awaitable;
    if (!PyArg_ParseTuple(args, "OOp:group_new", &type, &init_args, &awaitable) ||
        c4pe_need_rt(st, "Group()") == NULL)
        return NULL;
    c4pe_class_t *cls = need_class(st, type, "Group()");
    c4p_msg_t *msg;
    if (cls == NULL || pack_init_args(st, cls, init_args, &msg) < 0)
        return NULL;
    c4p_future_t created;
    PyObject *future = creation_future(st, awaitable, &created);
    if (future == NULL) {
        c4p_msg_free(msg);
        return NULL;
    }
    c4p_ref_t ref = {.coll = 0};
    c4p_status_t status = c4p_group_new(st->rt, cls->id, msg, created, &ref.coll);
    return creation_result(st, status, msg, future, &cls->proxies[C4PE_KIND_GROUP], ref, 1, false,
                           "Group()");
}

/* One element on each of these ranks, each of which answers `created` if that is not 0; -1 with an
 * exception. */
static int
insert_on_ranks(c4pe_state_t *st, c4pe_class_t *cls, c4p_coll_t coll, PyObject *ranks,
                PyObject *init_args, c4p_future_t created)
{
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(ranks); i++) {
        c4p_index_t index = {.ndims = 1};
        c4p_msg_t *msg;
        index.at[0] = PyLong_AsLong(PySequence_Fast_GET_ITEM(ranks, i));
        if (PyErr_Occurred() || pack_init_args(st, cls, init_args, &msg) < 0)
            return -1;
        c4p_status_t status =
            c4p_insert_awaited(st->rt, coll, &index, (int)index.at[0], msg, created);
        if (status != C4P_OK) {
            c4p_msg_free(msg);
            c4pe_raise_status(st, status, "Group(onPEs=[...])");
            return -1;
        }
    }
    return 0;
}

/* The array that such a group is to the runtime, filled; -1 with an exception. */
static int
make_on_ranks(c4pe_state_t *st, c4pe_class_t *cls, PyObject *ranks, PyObject *init_args,
              c4p_future_t created, c4p_coll_t *coll_out)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    opts.tag = C4PE_SOME_RANKS;
    c4p_status_t status = c4p_array_new(st->rt, cls->id, &opts, NULL, coll_out);
    if (status == C4P_OK && insert_on_ranks(st, cls, *coll_out, ranks, init_args, created) < 0)
        return -1;
    if (status == C4P_OK)
        status = c4p_done_inserting(st->rt, *coll_out);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, "Group(onPEs=[...])");
    return -1;
}

PyObject *
c4pe_group_new_on(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *init_args, *ranks;
    int awaitable;
    if (!PyArg_ParseTuple(args, "OOO!p:group_new_on", &type, &init_args, &PyList_Type, &ranks,
                          &awaitable) ||
        c4pe_need_rt(st, "Group()") == NULL)
        return NULL;
    c4pe_class_t *cls = need_class(st, type, "Group()");
    c4p_coll_t coll;
    if (cls == NULL)
        return NULL;
    PyObject *future = NULL, *proxy = NULL;
    if (awaitable) {
        future = c4pe_future_new(st, (uint64_t)PyList_GET_SIZE(ranks), C4PE_VALUE_DONE);
        if (future == NULL)
            return NULL;
    }
    if (make_on_ranks(st, cls, ranks, init_args, future ? c4pe_future_id(future) : 0, &coll) == 0)
        proxy = partial_proxy(cls, coll);
    if (proxy != NULL)
        ((c4pe_proxy_t *)proxy)->creation = Py_XNewRef(future);
    else if (future != NULL)
        c4pe_future_cancel(st, future);
    Py_XDECREF(future);
    return proxy;
}

static int
fill_dims(c4pe_state_t *st, PyObject *dims, c4p_array_opts_t *opts)
{
    if (dims == Py_None)
        return 0;
    PyObject *items = PySequence_Fast(dims, "dims must be a sequence of integers");
    if (items == NULL)
        return -1;
    int result = -1;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(items);
    if (n != opts->ndims) {
        c4pe_raise(st, "Array(): dims has %zd entries, ndims is %d", n, opts->ndims);
        goto done;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(items, i);
        long long v = PyIndex_Check(item) ? PyNumber_AsSsize_t(item, PyExc_IndexError) : -1;
        if (PyErr_Occurred())
            goto done;
        if (v < 0 || v > c4p_index_max((int)n)) {
            c4pe_raise(st, "Array(): dimension %zd is %R; it must be an integer between 0 and %lld",
                       i, item, (long long)c4p_index_max((int)n));
            goto done;
        }
        opts->dims[i] = v;
    }
    opts->dense = true;
    result = 0;
done:
    Py_DECREF(items);
    return result;
}

static int
fill_map(c4pe_state_t *st, PyObject *map, c4p_array_opts_t *opts)
{
    if (map == Py_None)
        return 0;
    if (!c4pe_proxy_check(st, map) || ((c4pe_proxy_t *)map)->pclass->kind != C4PE_KIND_GROUP) {
        PyErr_Format(PyExc_TypeError, "Array(): map must be a group of an ArrayMap class, not %s",
                     Py_TYPE(map)->tp_name);
        return -1;
    }
    opts->map = st->python_map;
    opts->map_arg = ((c4pe_proxy_t *)map)->ref.coll;
    return 0;
}

PyObject *
c4pe_array_new(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *dims, *init_args, *map;
    int ndims, at_sync, awaitable;
    if (!PyArg_ParseTuple(args, "OOiOOpp:array_new", &type, &dims, &ndims, &init_args, &map,
                          &at_sync, &awaitable) ||
        c4pe_need_rt(st, "Array()") == NULL)
        return NULL;
    c4pe_class_t *cls = need_class(st, type, "Array()");
    if (cls == NULL)
        return NULL;
    if (ndims < 1 || ndims > C4P_MAX_DIMS)
        return c4pe_raise(st, "Array(): %d dimensions; there must be 1 to %d", ndims, C4P_MAX_DIMS);
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = ndims;
    opts.at_sync = at_sync;
    c4p_msg_t *msg;
    if (fill_dims(st, dims, &opts) < 0 || fill_map(st, map, &opts) < 0 ||
        pack_init_args(st, cls, init_args, &msg) < 0)
        return NULL;
    PyObject *future = creation_future(st, awaitable && opts.dense, &opts.created);
    if (future == NULL) {
        c4p_msg_free(msg);
        return NULL;
    }
    c4p_ref_t ref = {.coll = 0};
    c4p_status_t status = c4p_array_new(st->rt, cls->id, &opts, msg, &ref.coll);
    return creation_result(st, status, msg, future, &cls->proxies[C4PE_KIND_ARRAY], ref, ndims,
                           false, "Array()");
}

PyObject *
c4pe_chare_new(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *init_args;
    int pe, awaitable;
    if (!PyArg_ParseTuple(args, "OOip:chare_new", &type, &init_args, &pe, &awaitable) ||
        c4pe_need_rt(st, "Chare()") == NULL)
        return NULL;
    c4pe_class_t *cls = need_class(st, type, "Chare()");
    c4p_msg_t *msg;
    if (cls == NULL)
        return NULL;
    if (pe < -1 || pe >= st->num_ranks)
        return PyErr_Format(PyExc_IndexError, "Chare(): onPE is %d; there are ranks 0 to %d", pe,
                            st->num_ranks - 1);
    if (pack_init_args(st, cls, init_args, &msg) < 0)
        return NULL;
    c4p_future_t created;
    PyObject *future = creation_future(st, awaitable, &created);
    if (future == NULL) {
        c4p_msg_free(msg);
        return NULL;
    }
    c4p_ref_t ref = {.coll = 0};
    c4p_status_t status = c4p_chare_new(st->rt, cls->id, pe, msg, created, &ref);
    return creation_result(st, status, msg, future, &cls->proxies[C4PE_KIND_ARRAY], ref, 1, true,
                           "Chare()");
}

PyObject *
c4pe_main_new(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *init_args;
    if (!PyArg_ParseTuple(args, "OO:main_new", &type, &init_args) ||
        c4pe_need_rt(st, "the main chare") == NULL)
        return NULL;
    c4pe_class_t *cls = need_class(st, type, "charm.start()");
    c4p_msg_t *msg;
    if (cls == NULL || pack_init_args(st, cls, init_args, &msg) < 0)
        return NULL;
    c4p_ref_t ref = {.coll = 0};
    st->making_main = true;
    c4p_status_t status = c4p_chare_new(st->rt, cls->id, st->rank, msg, 0, &ref);
    st->making_main = false;
    return creation_result(st, status, msg, Py_NewRef(Py_None), &cls->proxies[C4PE_KIND_MAIN], ref,
                           1, true, "the main chare");
}

/* ---- methods of proxies -------------------------------------------------------------------------- */

PyObject *
c4pe_proxy_local_branch(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_state_t *st = self->pclass->state;
    c4p_ref_t ref = {.coll = c4pe_proxy_base(self)};
    c4p_index_t index = {.ndims = 1, .at = {st->rank}};
    if (c4pe_need_rt(st, "ckLocalBranch()") == NULL)
        return NULL;
    c4p_index_pack(&index, &ref.key);
    PyObject *object = c4p_local(st->rt, ref);
    if (object == NULL)
        return c4pe_raise(st, "ckLocalBranch(): %R has no element on this rank yet", op);
    return Py_NewRef(object);
}

PyObject *
c4pe_proxy_insert(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"index", "args", "onPE", "useAtSync", NULL};
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_state_t *st = self->pclass->state;
    PyObject *index, *init_args = st->empty_tuple;
    int pe = -1, at_sync = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|Oip:ckInsert", (char **)names, &index,
                                     &init_args, &pe, &at_sync) ||
        c4pe_need_rt(st, "ckInsert()") == NULL)
        return NULL;
    c4p_index_t at;
    c4p_key_t key;
    c4p_msg_t *msg;
    if (pe < -1 || pe >= st->num_ranks)
        return PyErr_Format(PyExc_IndexError, "ckInsert(): onPE is %d; there are ranks 0 to %d", pe,
                            st->num_ranks - 1);
    if (c4pe_index_key(st, index, self->ndims, false, &key) < 0 ||
        pack_init_args(st, self->pclass->cls, init_args, &msg) < 0)
        return NULL;
    c4p_index_unpack(key, self->ndims, &at);
    c4p_status_t status = at_sync ? c4p_insert_participant(st->rt, self->ref.coll, &at, pe, msg)
                                  : c4p_insert(st->rt, self->ref.coll, &at, pe, msg);
    if (status != C4P_OK) {
        c4p_msg_free(msg);
        return PyErr_Occurred() ? NULL : c4pe_raise_status(st, status, "ckInsert()");
    }
    Py_RETURN_NONE;
}

/* Which element ckDestroy() is asked to delete: that of an element proxy, or the index given. */
static int
doomed_key(c4pe_proxy_t *self, PyObject *index, c4p_key_t *key_out)
{
    if (self->flags & C4PE_PROXY_ELEMENT) {
        *key_out = self->ref.key;
        if (index == NULL)
            return 0;
        PyErr_Format(PyExc_TypeError, "ckDestroy(): %R is one element already: give no index",
                     self);
        return -1;
    }
    if (index == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "ckDestroy(): which element of %R? Give an index, or call it on proxy[index]",
                     self);
        return -1;
    }
    return c4pe_index_key(self->pclass->state, index, self->ndims, false, key_out);
}

PyObject *
c4pe_proxy_destroy(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static const char *names[] = {"index", NULL};
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_state_t *st = self->pclass->state;
    PyObject *index = NULL;
    c4p_ref_t ref = {.coll = self->ref.coll};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:ckDestroy", (char **)names, &index) ||
        c4pe_need_rt(st, "ckDestroy()") == NULL || doomed_key(self, index, &ref.key) < 0)
        return NULL;
    c4p_status_t status = c4p_destroy(st->rt, ref);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "ckDestroy()");
    Py_RETURN_NONE;
}

PyObject *
c4pe_proxy_done_inserting(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_state_t *st = self->pclass->state;
    if (c4pe_need_rt(st, "ckDoneInserting()") == NULL)
        return NULL;
    c4p_status_t status = c4p_done_inserting(st->rt, self->ref.coll);
    if (status != C4P_OK)
        return c4pe_raise_status(st, status, "ckDoneInserting()");
    Py_RETURN_NONE;
}

/* ---- maps ---------------------------------------------------------------------------------------- */

/* The rank that map.procNum(index) names; -1 with an exception. */
static int
ask_map(c4pe_state_t *st, c4pe_chare_t *map, const c4p_index_t *index)
{
    c4p_key_t key;
    c4p_index_pack(index, &key);
    PyObject *tuple = c4pe_index_object(key, index->ndims, C4PE_KIND_ARRAY);
    PyObject *result = tuple ? PyObject_CallMethod((PyObject *)map, "procNum", "(O)", tuple) : NULL;
    int rank = -1;
    if (result != NULL) {
        Py_ssize_t v = PyIndex_Check(result) ? PyNumber_AsSsize_t(result, NULL) : -1;
        if (v >= 0 && v < st->num_ranks)
            rank = (int)v;
        else if (!PyErr_Occurred())
            c4pe_raise(st, "%s.procNum(%R) returned %R; it must return a rank between 0 and %d",
                       Py_TYPE(map)->tp_name, tuple, result, st->num_ranks - 1);
    }
    Py_XDECREF(result);
    Py_XDECREF(tuple);
    return rank;
}

/* c4p_map_fn_t: arg is the number of the map's group. */
static int
map_place(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    c4pe_state_t *st = ctx;
    c4p_ref_t ref = {.coll = arg};
    c4p_index_t here = {.ndims = 1, .at = {st->rank}};
    c4p_index_pack(&here, &ref.key);
    c4pe_chare_t *map = c4p_local(rt, ref);
    int rank = -1;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    st->no_suspend++;
    if (map == NULL)
        c4pe_raise(st, "an array needs its ArrayMap before that has been created on this rank: "
                       "create the map's group first");
    else
        rank = ask_map(st, map, index);
    st->no_suspend--;
    if (rank < 0) {
        c4pe_err_uncaught(st, map, NULL, "placing an element with");
        rank = 0;
    }
    PyErr_Restore(type, value, tb);
    return rank;
}

int
c4pe_colls_attach(c4pe_state_t *st)
{
    c4p_status_t status = c4p_map_add(st->rt, "python.ArrayMap", map_place, st, &st->python_map);
    if (status == C4P_OK)
        return 0;
    c4pe_raise_status(st, status, "ArrayMap");
    return -1;
}
