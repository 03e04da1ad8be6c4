/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.c: proxies of collections and their elements: small immutable values that name a chare,
 * valid on every rank. */
#include "bound.h"
#include "codec.h"
#include "collections.h"
#include "state.h"

#include <string.h>

enum { MAX_FREE = 16 };

/* ---- objects ------------------------------------------------------------------------------------- */

bool
c4pe_proxy_check(c4pe_state_t *st, PyObject *op)
{
    return PyObject_TypeCheck(op, st->proxy_type);
}

static c4pe_proxy_t *
proxy_alloc(c4pe_pclass_t *pclass)
{
    if (pclass->num_free > 0) {
        c4pe_proxy_t *self = pclass->free_list;
        pclass->free_list = (c4pe_proxy_t *)self->creation;
        pclass->num_free--;
        return (c4pe_proxy_t *)PyObject_Init((PyObject *)self, pclass->type);
    }
    return PyObject_New(c4pe_proxy_t, pclass->type);
}

PyObject *
c4pe_proxy_new(c4pe_pclass_t *pclass, c4p_ref_t ref, int ndims, bool element)
{
    c4pe_proxy_t *self = proxy_alloc(pclass);
    if (self == NULL)
        return NULL;
    self->pclass = pclass;
    self->ref = ref;
    self->flags = element ? C4PE_PROXY_ELEMENT : 0;
    self->ndims = (int16_t)ndims;
    self->creation = NULL;
    return (PyObject *)self;
}

static void
proxy_dealloc(PyObject *op)
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_pclass_t *pclass = self->pclass;
    PyTypeObject *type = Py_TYPE(op);
    Py_CLEAR(self->creation);
    if (pclass->num_free < MAX_FREE && pclass->type == type) {
        self->creation = (PyObject *)pclass->free_list;
        pclass->free_list = self;
        pclass->num_free++;
    } else {
        type->tp_free(op);
    }
    Py_DECREF(type);
}

void
c4pe_proxy_drop_free(c4pe_pclass_t *pclass)
{
    while (pclass->num_free > 0) {
        c4pe_proxy_t *self = pclass->free_list;
        pclass->free_list = (c4pe_proxy_t *)self->creation;
        pclass->num_free--;
        PyObject_Free(self);
    }
}

/* ---- indices ------------------------------------------------------------------------------------- */

/* One coordinate; -1 with an exception. */
static int
coordinate(PyObject *item, int64_t *out)
{
    if (PyLong_Check(item)) {
        *out = PyLong_AsLongLong(item);
    } else {
        PyObject *as_int = PyNumber_Index(item);
        if (as_int == NULL)
            return -1;
        *out = PyLong_AsLongLong(as_int);
        Py_DECREF(as_int);
    }
    if (*out == -1 && PyErr_Occurred()) {
        PyErr_Format(PyExc_IndexError, "index %R does not fit into 64 bits", item);
        return -1;
    }
    return 0;
}

static int
coordinates(PyObject *index, int ndims, c4p_index_t *out)
{
    PyObject *items = PySequence_Fast(index, "an index is an integer or a sequence of integers");
    if (items == NULL)
        return -1;
    int result = -1;
    if (PySequence_Fast_GET_SIZE(items) != ndims) {
        PyErr_Format(PyExc_AssertionError, "index %R has %zd dimensions, the array has %d", index,
                     PySequence_Fast_GET_SIZE(items), ndims);
        goto done;
    }
    for (int i = 0; i < ndims; i++)
        if (coordinate(PySequence_Fast_GET_ITEM(items, i), &out->at[i]) < 0)
            goto done;
    result = 0;
done:
    Py_DECREF(items);
    return result;
}

static int
check_group_index(c4pe_state_t *st, int64_t at)
{
    if (at >= 0 && at < st->num_ranks)
        return 0;
    PyErr_Format(PyExc_IndexError, "group index %lld: there are ranks 0 to %d", (long long)at,
                 st->num_ranks - 1);
    return -1;
}

int
c4pe_index_key(c4pe_state_t *st, PyObject *index, int ndims, bool group, c4p_key_t *key_out)
{
    c4p_index_t at = {.ndims = ndims};
    if (ndims == 1 && PyLong_CheckExact(index)) {
        if (coordinate(index, &at.at[0]) < 0)
            return -1;
    } else if (PyIndex_Check(index) && !PySequence_Check(index)) { /* numpy's arrays are both */
        if (ndims != 1) {
            PyErr_Format(PyExc_AssertionError, "index %R has 1 dimension, the array has %d", index,
                         ndims);
            return -1;
        }
        if (coordinate(index, &at.at[0]) < 0)
            return -1;
    } else if (coordinates(index, ndims, &at) < 0) {
        return -1;
    }
    if (group && check_group_index(st, at.at[0]) < 0)
        return -1;
    if (c4p_index_pack(&at, key_out) != C4P_OK) {
        PyErr_Format(
            PyExc_IndexError,
            "index %R is out of range: with %d dimensions a coordinate lies between -%lld and %lld",
            index, ndims, (long long)c4p_index_max(ndims), (long long)c4p_index_max(ndims));
        return -1;
    }
    return 0;
}

PyObject *
c4pe_index_object(c4p_key_t key, int ndims, int kind)
{
    c4p_index_t index;
    c4p_index_unpack(key, ndims, &index);
    if (kind == C4PE_KIND_GROUP)
        return PyLong_FromLongLong(index.at[0]);
    PyObject *tuple = PyTuple_New(ndims);
    for (int i = 0; tuple != NULL && i < ndims; i++) {
        PyObject *item = PyLong_FromLongLong(index.at[i]);
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

/* True if the index is a slice or a tuple with one. */
static bool
has_slice(PyObject *index)
{
    if (PySlice_Check(index))
        return true;
    if (PyTuple_Check(index))
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++)
            if (PySlice_Check(PyTuple_GET_ITEM(index, i)))
                return true;
    return false;
}

static PyObject *
proxy_subscript(PyObject *op, PyObject *index)
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    c4pe_pclass_t *pclass = self->pclass;
    c4p_ref_t ref = {.coll = self->ref.coll};
    if (!PyLong_CheckExact(index) && has_slice(index)) {
        PyObject *slice = PyDict_GetItemString(pclass->state->hooks, "slice"); /* borrowed */
        if (slice == NULL)
            return c4pe_raise(pclass->state,
                              "a slice of %s cannot be taken: the package has not been started",
                              Py_TYPE(op)->tp_name);
        return PyObject_CallFunctionObjArgs(slice, op, index, NULL);
    }
    if (c4pe_proxy_is_section(self)) {
        if (self->ref.key.w[1] != 0)
            return PyErr_Format(PyExc_TypeError,
                                "%R has members of several collections: an index says not which is "
                                "meant; keep the proxy of the element, array[index]",
                                op);
        ref.coll = c4pe_proxy_base(self);
        pclass = &pclass->cls->proxies[pclass->kind == C4PE_KIND_GROUP_SECTION ? C4PE_KIND_GROUP
                                                                               : C4PE_KIND_ARRAY];
    }
    if (c4pe_index_key(pclass->state, index, self->ndims, pclass->kind == C4PE_KIND_GROUP,
                       &ref.key) < 0)
        return NULL;
    return c4pe_proxy_new(pclass, ref, self->ndims, true);
}

int
c4pe_proxy_element(c4pe_state_t *st, PyObject *proxy, c4p_ref_t *ref_out, const char *what)
{
    if (!c4pe_proxy_check(st, proxy)) {
        PyErr_Format(PyExc_TypeError, "%s needs the proxy of one chare, not %s", what,
                     Py_TYPE(proxy)->tp_name);
        return -1;
    }
    if (!(((c4pe_proxy_t *)proxy)->flags & C4PE_PROXY_ELEMENT)) {
        PyErr_Format(PyExc_TypeError,
                     "%s needs the proxy of one chare, not of a whole collection: %R", what, proxy);
        return -1;
    }
    *ref_out = ((c4pe_proxy_t *)proxy)->ref;
    return 0;
}

/* ---- attributes ---------------------------------------------------------------------------------- */

static PyObject *
proxy_coll(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(c4pe_proxy_base((c4pe_proxy_t *)op));
}

static PyObject *
proxy_index(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    int kind = self->pclass->kind;
    if (self->flags & C4PE_PROXY_ELEMENT)
        return c4pe_index_object(self->ref.key, self->ndims, kind);
    return kind == C4PE_KIND_GROUP || kind == C4PE_KIND_GROUP_SECTION ? PyLong_FromLong(-1)
                                                                      : PyTuple_New(0);
}

static PyObject *
proxy_issec(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(c4pe_proxy_is_section((c4pe_proxy_t *)op));
}

/* Which rank made it, and its number. */
static PyObject *
proxy_section(PyObject *op, void *Py_UNUSED(closure))
{
    uint64_t id = ((c4pe_proxy_t *)op)->ref.coll;
    return Py_BuildValue("(iK)", (int)(id >> 40), (unsigned long long)id);
}

static PyObject *
proxy_ndims(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((c4pe_proxy_t *)op)->ndims);
}

static PyObject *
proxy_get_creation(PyObject *op, void *Py_UNUSED(closure))
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    if (self->creation == NULL) {
        PyErr_Format(PyExc_AttributeError,
                     "%R has no creation_future: it was not made in a coroutine here, or was "
                     "awaited already",
                     op);
        return NULL;
    }
    return Py_NewRef(self->creation);
}

static int
proxy_set_creation(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    if (value == NULL && self->creation == NULL) {
        PyErr_SetString(PyExc_AttributeError, "creation_future");
        return -1;
    }
    Py_XSETREF(self->creation, Py_XNewRef(value));
    return 0;
}

static PyObject *
proxy_repr(PyObject *op)
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    const char *name = Py_TYPE(op)->tp_name;
    const char *dot = strrchr(name, '.');
    name = dot ? dot + 1 : name;
    if (!(self->flags & C4PE_PROXY_ELEMENT) || self->pclass->kind == C4PE_KIND_MAIN)
        return PyUnicode_FromFormat("<%s of collection %llu>", name,
                                    (unsigned long long)self->ref.coll);
    PyObject *index = proxy_index(op, NULL);
    if (index == NULL)
        return NULL;
    PyObject *repr = PyUnicode_FromFormat("<%s of element %R of collection %llu>", name, index,
                                          (unsigned long long)self->ref.coll);
    Py_DECREF(index);
    return repr;
}

static PyObject *
proxy_compare(PyObject *a, PyObject *b, int op)
{
    c4pe_proxy_t *x = (c4pe_proxy_t *)a;
    if ((op != Py_EQ && op != Py_NE) || !PyObject_TypeCheck(b, x->pclass->state->proxy_type))
        Py_RETURN_NOTIMPLEMENTED;
    c4pe_proxy_t *y = (c4pe_proxy_t *)b;
    bool equal =
        c4p_ref_eq(x->ref, y->ref) && x->flags == y->flags && x->pclass->kind == y->pclass->kind;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static Py_hash_t
proxy_hash(PyObject *op)
{
    c4pe_proxy_t *self = (c4pe_proxy_t *)op;
    uint64_t h = self->ref.coll * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 29) ^ self->ref.key.w[0]) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 32) ^ self->ref.key.w[1] ^ self->flags) * 0x94d049bb133111ebu;
    h ^= h >> 31;
    return (Py_hash_t)h == -1 ? -2 : (Py_hash_t)h;
}

static PyObject *
proxy_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    c4pe_wire_proxy_t wire;
    c4pe_state_t *st = ((c4pe_proxy_t *)op)->pclass->state;
    c4pe_proxy_to_wire(op, &wire);
    PyObject *load = PyObject_GetAttrString(st->module, "_load_proxy");
    if (load == NULL)
        return NULL;
    return Py_BuildValue("N(y#)", load, (const char *)&wire, (Py_ssize_t)sizeof(wire));
}

/* Module function behind __reduce__. */
PyObject *
c4pe_proxy_load(c4pe_state_t *st, PyObject *bytes)
{
    c4pe_wire_proxy_t wire;
    if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != (Py_ssize_t)sizeof(wire))
        return c4pe_raise(st, "a pickled proxy is damaged");
    memcpy(&wire, PyBytes_AS_STRING(bytes), sizeof(wire));
    return c4pe_proxy_from_wire(st, &wire);
}

/* ---- types --------------------------------------------------------------------------------------- */

static PyMethodDef proxy_methods[] = {
    {"__reduce__", proxy_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef proxy_getset[] = {
    {"elemIdx", proxy_index, NULL,
     "Index of the element: an int for groups, a tuple for arrays; -1 or () for the whole\n"
     "collection. Read-only.",
     NULL},
    {"issec", proxy_issec, NULL, "True if this is the proxy of a section. Read-only.", NULL},
    {"creation_future", proxy_get_creation, proxy_set_creation,
     "Future that is ready when all constructors have finished; what charm.awaitCreation() waits\n"
     "for. AttributeError unless this is the proxy that a creation in a coroutine returned.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot proxy_slots[] = {
    {Py_tp_doc,
     (void
          *)"Names a chare, an element or a collection of chares, on every rank. Not constructed "
            "by\n"
            "users.\n"
            "\n"
            "Has the methods of its chare class: proxy.method(*args, **kwargs) sends a call and\n"
            "returns None at once, in any context. proxy[index] is the proxy of an element.\n"
            "Keywords of each call: awaitable=True returns a future that is ready when the method\n"
            "has finished, ret=True one with what it returned (a list by index for a collection),\n"
            "both in coroutines only; priority=n: of the calls that wait on a rank the smallest\n"
            "runs first, 0 by default. Arguments are captured at the call; TypeError for what\n"
            "cannot be pickled or does not fit the method. Proxies can be sent, compared, hashed\n"
            "and pickled."},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_repr, proxy_repr},
    {Py_tp_richcompare, proxy_compare},
    {Py_tp_hash, proxy_hash},
    {Py_tp_methods, proxy_methods},
    {Py_tp_getset, proxy_getset},
    {0, NULL},
};

/* Proxies refer to no container (creation futures hold None), hence no garbage collection. */
enum { PROXY_FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION };

static PyType_Spec proxy_spec = {
    .name = "c4py._c4py.Proxy",
    .basicsize = sizeof(c4pe_proxy_t),
    .flags = PROXY_FLAGS,
    .slots = proxy_slots,
};

static PyGetSetDef group_getset[] = {
    {"gid", proxy_coll, NULL, "Number of the group, the same on all ranks. Read-only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef group_methods[] = {
    {"ckLocalBranch", c4pe_proxy_local_branch, METH_NOARGS,
     "ckLocalBranch($self, /)\n"
     "--\n"
     "\n"
     "The element of the group on this rank: the object itself, no proxy. Does not block.\n"
     "Any rank; Charm4PyError if it has not been made here yet."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot group_slots[] = {
    {Py_tp_doc, (void *)"Proxy of a group or of one of its elements: one chare on every rank, "
                        "indexes are ranks. See Proxy."},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_mp_subscript, proxy_subscript},
    {Py_tp_methods, group_methods},
    {Py_tp_getset, group_getset},
    {0, NULL},
};

static PyType_Spec group_spec = {
    .name = "c4py._c4py.GroupProxy", .flags = PROXY_FLAGS, .slots = group_slots};

static PyGetSetDef array_getset[] = {
    {"aid", proxy_coll, NULL, "Number of the array, the same on all ranks. Read-only.", NULL},
    {"ndims", proxy_ndims, NULL, "Number of dimensions of the array. Read-only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef array_methods[] = {
    {"ckInsert", (PyCFunction)(void (*)(void))c4pe_proxy_insert, METH_VARARGS | METH_KEYWORDS,
     "ckInsert($self, index, args=[], onPE=-1, useAtSync=False)\n"
     "--\n"
     "\n"
     "Insert one element into an array made with ndims=, or whose element was deleted.\n"
     "\n"
     "index: an int or a tuple of ints. args: list or tuple of constructor arguments. onPE:\n"
     "the rank, -1: by the array's map. useAtSync: it takes part in load balancing. Any rank\n"
     "and context; does not block. IndexError or TypeError for an index that cannot be; an\n"
     "index that is taken ends the job."},
    {"ckDestroy", (PyCFunction)(void (*)(void))c4pe_proxy_destroy, METH_VARARGS | METH_KEYWORDS,
     "ckDestroy($self, index=None)\n"
     "--\n"
     "\n"
     "Delete one element: proxy[index].ckDestroy(), or proxy.ckDestroy(index).\n"
     "\n"
     "Any rank; does not block. The element ends when no method of it runs or waits. Calls\n"
     "that come later wait until its index is inserted again."},
    {"ckDoneInserting", c4pe_proxy_done_inserting, METH_NOARGS,
     "ckDoneInserting($self, /)\n"
     "--\n"
     "\n"
     "The initial insertions into an array made with ndims= are complete: reductions and\n"
     "awaited broadcasts may finish. To be called once, on one rank, after the last\n"
     "ckInsert(). Does not block."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_tp_doc,
     (void *)"Proxy of an array, of one of its elements or of a single chare. See Proxy."},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_mp_subscript, proxy_subscript},
    {Py_tp_methods, array_methods},
    {Py_tp_getset, array_getset},
    {0, NULL},
};

static PyType_Spec array_spec = {
    .name = "c4py._c4py.ArrayProxy", .flags = PROXY_FLAGS, .slots = array_slots};

static PyGetSetDef main_getset[] = {
    {"cid", proxy_coll, NULL, "Number of the chare, the same on all ranks. Read-only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot main_slots[] = {
    {Py_tp_doc, (void *)"Proxy of the chare that the program started with. See Proxy."},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_getset, main_getset},
    {0, NULL},
};

static PyType_Spec main_spec = {
    .name = "c4py._c4py.MainProxy", .flags = PROXY_FLAGS, .slots = main_slots};

static PyGetSetDef section_getset[] = {
    {"section", proxy_section, NULL,
     "(rank that made the section, its number there), the same on all ranks. Read-only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot section_slots[] = {
    {Py_tp_doc, (void *)"Proxy of a section of collections, made by charm.split(), charm.combine() "
                        "or slices. See Proxy."},
    {Py_tp_dealloc, proxy_dealloc},
    {Py_mp_subscript, proxy_subscript},
    {Py_tp_getset, section_getset},
    {0, NULL},
};

static PyType_Spec section_spec = {
    .name = "c4py._c4py.SectionProxy", .flags = PROXY_FLAGS, .slots = section_slots};

static PyType_Slot group_section_slots[] = {
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_methods, group_methods},
    {Py_tp_getset, group_getset},
    {0, NULL},
};

static PyType_Spec group_section_spec = {
    .name = "c4py._c4py.GroupSecProxy", .flags = PROXY_FLAGS, .slots = group_section_slots};

static PyType_Slot array_section_slots[] = {
    {Py_tp_dealloc, proxy_dealloc},
    {Py_tp_getset, array_getset},
    {0, NULL},
};

static PyType_Spec array_section_spec = {
    .name = "c4py._c4py.ArraySecProxy", .flags = PROXY_FLAGS, .slots = array_section_slots};

/* ---- one type per class and kind ----------------------------------------------------------------- */

static PyType_Slot leaf_slots[] = {
    {Py_tp_dealloc, proxy_dealloc},
    {0, NULL},
};

/* Show the type in the module of its class, as a class statement would. */
static int
publish_type(c4pe_class_t *cls, PyTypeObject *type, const char *short_name)
{
    PyObject *module_name = PyObject_GetAttrString((PyObject *)cls->type, "__module__");
    if (module_name == NULL)
        return -1;
    int result = PyObject_SetAttrString((PyObject *)type, "__module__", module_name);
    PyObject *module = result == 0 ? PyImport_GetModule(module_name) : NULL;
    if (module != NULL)
        result = PyObject_SetAttrString(module, short_name, (PyObject *)type);
    else if (PyErr_Occurred())
        result = -1;
    Py_XDECREF(module);
    Py_DECREF(module_name);
    return result;
}

/* Only elements of arrays move: the methods for it, which no class may redefine, exist on their
 * proxies alone. */
static bool
is_for_arrays(const c4pe_entry_t *entry)
{
    static const char *const names[] = {"AtSync", "migrate", "setMigratable"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(entry->name, names[i]) == 0)
            return true;
    }
    return false;
}

static int
add_descriptors(c4pe_class_t *cls, PyTypeObject *type, int kind)
{
    for (uint32_t i = C4PE_NUM_RESERVED; i < cls->num_entries; i++) {
        if (kind != C4PE_KIND_ARRAY && is_for_arrays(&cls->entries[i]))
            continue;
        PyObject *descr = c4pe_descr_new(&cls->entries[i], type);
        int result = descr ? PyObject_SetAttr((PyObject *)type, cls->entries[i].name, descr) : -1;
        Py_XDECREF(descr);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
make_type(c4pe_class_t *cls, int kind, PyTypeObject *base, const char *suffix)
{
    const char *dot = strrchr(cls->name, '.');
    PyObject *name = PyUnicode_FromFormat("%s%s", cls->name, suffix);
    PyObject *short_name = PyUnicode_FromFormat("%s%s", dot ? dot + 1 : cls->name, suffix);
    int result = -1;
    if (name == NULL || short_name == NULL)
        goto done;
    PyType_Spec spec = {.name = PyUnicode_AsUTF8(name),
                        .flags = PROXY_FLAGS & ~Py_TPFLAGS_BASETYPE,
                        .slots = leaf_slots};
    PyTypeObject *type =
        (PyTypeObject *)PyType_FromModuleAndSpec(cls->state->module, &spec, (PyObject *)base);
    if (type == NULL)
        goto done;
    cls->proxies[kind] = (c4pe_pclass_t){
        .state = cls->state, .cls = cls, .type = type, .kind = kind, .name = Py_NewRef(name)};
    result = add_descriptors(cls, type, kind);
    if (result == 0)
        result = publish_type(cls, type, PyUnicode_AsUTF8(short_name));
done:
    Py_XDECREF(name);
    Py_XDECREF(short_name);
    return result;
}

int
c4pe_proxy_make_types(c4pe_class_t *cls)
{
    c4pe_state_t *st = cls->state;
    if (make_type(cls, C4PE_KIND_GROUP, st->group_proxy_type, "GroupProxy") < 0 ||
        make_type(cls, C4PE_KIND_ARRAY, st->array_proxy_type, "ArrayProxy") < 0)
        return -1;
    if (make_type(cls, C4PE_KIND_GROUP_SECTION, st->group_section_type, "GroupSecProxy") < 0 ||
        make_type(cls, C4PE_KIND_ARRAY_SECTION, st->array_section_type, "ArraySecProxy") < 0)
        return -1;
    return make_type(cls, C4PE_KIND_MAIN, st->main_proxy_type, "Proxy");
}

/* ---- wire form ----------------------------------------------------------------------------------- */

void
c4pe_proxy_to_wire(PyObject *proxy, c4pe_wire_proxy_t *wire)
{
    const c4pe_proxy_t *self = (const c4pe_proxy_t *)proxy;
    *wire = (c4pe_wire_proxy_t){
        .coll = self->ref.coll,
        .key0 = self->ref.key.w[0],
        .key1 = self->ref.key.w[1],
        .type = self->pclass->cls->id,
        .flags = self->flags,
        .kind = (uint8_t)self->pclass->kind,
        .ndims = (uint8_t)self->ndims,
    };
}

PyObject *
c4pe_proxy_from_wire(c4pe_state_t *st, const c4pe_wire_proxy_t *wire)
{
    c4pe_class_t *cls = c4pe_class_by_id(st, wire->type);
    if (cls == NULL || wire->kind >= C4PE_NUM_KINDS || wire->ndims < 1 ||
        wire->ndims > C4P_MAX_DIMS)
        return c4pe_raise(st,
                          "a proxy arrived that this rank cannot understand: chare type %u is not "
                          "registered here",
                          (unsigned)wire->type);
    c4p_ref_t ref = {.coll = wire->coll, .key = {{wire->key0, wire->key1}}};
    return c4pe_proxy_new(&cls->proxies[wire->kind], ref, wire->ndims,
                          wire->flags & C4PE_PROXY_ELEMENT);
}

static int
proxy_encode(c4pe_state_t *Py_UNUSED(st), PyObject *op, c4pe_writer_t *w)
{
    c4pe_wire_proxy_t wire;
    c4pe_proxy_to_wire(op, &wire);
    return c4pe_write(w, &wire, sizeof(wire));
}

static PyObject *
proxy_decode(c4pe_state_t *st, c4pe_reader_t *r)
{
    c4pe_wire_proxy_t wire;
    if (c4pe_read(r, &wire, sizeof(wire)) < 0)
        return NULL;
    return c4pe_proxy_from_wire(st, &wire);
}

/* ---- module -------------------------------------------------------------------------------------- */

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type != NULL && PyModule_AddType(module, type) < 0)
        Py_CLEAR(type);
    return type;
}

int
c4pe_proxy_exec(PyObject *module, c4pe_state_t *st)
{
    if ((st->proxy_type = add_type(module, &proxy_spec, NULL)) == NULL)
        return -1;
    st->group_proxy_type = add_type(module, &group_spec, st->proxy_type);
    st->array_proxy_type = add_type(module, &array_spec, st->proxy_type);
    st->section_proxy_type = add_type(module, &section_spec, st->proxy_type);
    st->main_proxy_type = add_type(module, &main_spec, st->proxy_type);
    if (st->group_proxy_type == NULL || st->array_proxy_type == NULL ||
        st->section_proxy_type == NULL || st->main_proxy_type == NULL)
        return -1;
    st->group_section_type = add_type(module, &group_section_spec, st->section_proxy_type);
    st->array_section_type = add_type(module, &array_section_spec, st->section_proxy_type);
    if (st->group_section_type == NULL || st->array_section_type == NULL)
        return -1;
    c4pe_coder_t coder = {.type = st->proxy_type, .encode = proxy_encode, .decode = proxy_decode};
    return c4pe_codec_add(st, C4PE_CODE_PROXY, &coder);
}
