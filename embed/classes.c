/* SPDX-License-Identifier: Apache-2.0 */
/* classes.c: records of chare classes and their entry methods, the same numbers on every rank
 * because the package adds them in an order that does not depend on the rank. */
#include "move.h"
#include "channel.h"
#include "joined.h"
#include "native.h"
#include "section.h"
#include "profile.h"
#include "state.h"
#include "when.h"

#include <string.h>

/* ---- looking up ---------------------------------------------------------------------------------- */

c4pe_class_t *
c4pe_class_by_id(c4pe_state_t *st, c4p_type_t id)
{
    /* Numbers are given out one after the other, unless a C library of the program registers types
     * in between. */
    uint32_t guess = st->num_classes > 0 ? id - st->classes[0]->id : 0;
    if (guess < st->num_classes && st->classes[guess]->id == id)
        return st->classes[guess];
    for (uint32_t i = 0; i < st->num_classes; i++)
        if (st->classes[i]->id == id)
            return st->classes[i];
    return NULL;
}

c4pe_class_t *
c4pe_class_of(c4pe_state_t *st, PyTypeObject *type)
{
    for (uint32_t i = 0; i < st->num_classes; i++)
        if (st->classes[i]->type == type)
            return st->classes[i];
    return NULL;
}

c4pe_entry_t *
c4pe_class_entry(c4pe_class_t *cls, PyObject *name)
{
    PyObject *at = PyDict_GetItemWithError(cls->by_name, name); /* borrowed */
    if (at == NULL) {
        PyErr_Clear();
        return NULL;
    }
    return &cls->entries[PyLong_AsLong(at)];
}

/* A plain function that is looked up with self bound: what most methods are. Borrowed. */
static PyObject *
find_plain_function(PyTypeObject *type, PyObject *name)
{
    PyObject *found = _PyType_Lookup(type, name); /* borrowed */
    return found != NULL && PyFunction_Check(found) ? found : NULL;
}

PyObject *
c4pe_entry_func(c4pe_entry_t *entry)
{
    PyTypeObject *type = entry->cls->type;
    if (type->tp_version_tag == entry->func_version && entry->func_version != 0)
        return entry->func;
    PyObject *found = find_plain_function(type, entry->name);
    if (entry->flags & C4PE_OWN)
        found = NULL;
    Py_XSETREF(entry->func, Py_XNewRef(found));
    entry->func_version = type->tp_version_tag; /* the look-up gave it one, unless they have run
                                                   out: then 0 */
    return entry->func;
}

void
c4pe_class_look(c4pe_chare_t *chare)
{
    c4pe_class_t *cls = chare->coll->cls;
    PyObject *dict = PyObject_GenericGetDict((PyObject *)chare, NULL);
    for (uint32_t i = C4PE_NUM_RESERVED; dict != NULL && i < cls->num_entries; i++) {
        c4pe_entry_t *entry = &cls->entries[i];
        if (entry->flags & C4PE_OWN || PyDict_Contains(dict, entry->name) <= 0)
            continue;
        entry->flags |= C4PE_OWN;
        entry->func_version = 0;
    }
    PyErr_Clear(); /* a class with __slots__ has no dict */
    Py_XDECREF(dict);
}

/* ---- adding -------------------------------------------------------------------------------------- */

static void
entry_clear(c4pe_entry_t *entry)
{
    c4pe_joined_free(entry);
    Py_CLEAR(entry->name);
    Py_CLEAR(entry->func);
    Py_CLEAR(entry->params);
    Py_CLEAR(entry->defaults);
    Py_CLEAR(entry->kwonly);
    Py_CLEAR(entry->cond);
    Py_CLEAR(entry->qualname);
    entry->func_version = 0;
}

static void
class_clear(c4pe_class_t *cls)
{
    for (uint32_t i = 0; i < cls->num_entries; i++)
        entry_clear(&cls->entries[i]);
    entry_clear(&cls->init);
    entry_clear(&cls->migrated);
    for (int k = 0; k < C4PE_NUM_KINDS; k++) {
        c4pe_proxy_drop_free(&cls->proxies[k]);
        Py_CLEAR(cls->proxies[k].type);
        Py_CLEAR(cls->proxies[k].name);
    }
    Py_CLEAR(cls->by_name);
    Py_CLEAR(cls->make_native);
    Py_CLEAR(cls->native_name);
    Py_CLEAR(cls->type);
}

static void
class_free(c4pe_class_t *cls)
{
    if (cls == NULL)
        return;
    class_clear(cls);
    for (uint32_t i = 0; cls->entries != NULL && i < cls->num_entries; i++)
        c4pe_native_free(cls->entries[i].native);
    PyMem_Free(cls->entries);
    PyMem_Free(cls->stats);
    PyMem_Free(cls->name);
    PyMem_Free(cls);
}

static int
entry_fill(c4pe_class_t *cls, c4pe_entry_t *entry, const char *name, unsigned flags)
{
    entry->state = cls->state;
    entry->cls = cls;
    entry->flags = flags;
    entry->nparams = -1;
    entry->name = PyUnicode_InternFromString(name);
    entry->qualname = PyUnicode_FromFormat(
        "%s.%s", strrchr(cls->name, '.') ? strrchr(cls->name, '.') + 1 : cls->name, name);
    return entry->name && entry->qualname ? 0 : -1;
}

static int
entry_fill_from_spec(c4pe_class_t *cls, c4pe_entry_t *entry, PyObject *spec)
{
    const char *name;
    unsigned flags;
    PyObject *params, *defaults, *kwonly, *cond, *native = Py_None;
    if (!PyTuple_Check(spec) ||
        !PyArg_ParseTuple(
            spec, "sIOO!OO|O;an entry is (name, flags, params, defaults, kwonly, cond, native)",
            &name, &flags, &params, &PyTuple_Type, &defaults, &kwonly, &cond, &native))
        return PyErr_Occurred()
                   ? -1
                   : (PyErr_SetString(PyExc_TypeError, "an entry must be a tuple"), -1);
    if (entry_fill(cls, entry, name, flags) < 0)
        return -1;
    if (params != Py_None) {
        if (!PyTuple_Check(params))
            return PyErr_Format(PyExc_TypeError, "entry %s: params must be a tuple or None", name),
                   -1;
        entry->params = Py_NewRef(params);
        entry->nparams = PyTuple_GET_SIZE(params);
        entry->nrequired = entry->nparams - PyTuple_GET_SIZE(defaults);
    }
    if (PyTuple_GET_SIZE(defaults) > 0)
        entry->defaults = Py_NewRef(defaults);
    if (kwonly != Py_None)
        entry->kwonly = Py_NewRef(kwonly);
    if (cond != Py_None && (entry->cond = c4pe_when_compile(cls->state, cond)) == NULL)
        return -1;
    if (native != Py_None && (entry->native = c4pe_native_new(native)) == NULL)
        return -1;
    return 0;
}

typedef struct reserved {
    const char *name;
    c4p_entry_fn_t fn;
} reserved_t;

/* In the order of the C4PE_ENTRY_… numbers. */
static const reserved_t reserved_entries[C4PE_NUM_RESERVED] = {
    [C4PE_ENTRY_ALLREDUCE] = {"<allreduce>", c4pe_reduce_arrived},
    [C4PE_ENTRY_CHAN_OPEN] = {"<channel open>", c4pe_channel_on_open},
    [C4PE_ENTRY_CHAN_DATA] = {"<channel data>", c4pe_channel_on_data},
    [C4PE_ENTRY_MEMBER] = {"<member>", c4pe_section_on_member},
};

/* Tell the runtime about the class; entry numbers must come out as our table says. */
static int
class_announce(c4pe_class_t *cls)
{
    c4p_rt_t *rt = cls->state->rt;
    bool profiled = cls->state->profile != NULL;
    c4p_type_desc_t desc = profiled ? c4pe_type_desc_profiled : c4pe_type_desc;
    c4p_entry_fn_t run = profiled ? c4pe_entry_run_profiled : c4pe_entry_run;
    desc.name = cls->name;
    desc.ctx = cls;
    desc.regroup = cls->regroups ? c4pe_move_regroup : NULL;
    c4p_status_t status = c4p_type_add(rt, &desc, &cls->id);
    for (uint32_t i = 0; status == C4P_OK && i < cls->num_entries; i++) {
        c4pe_entry_t *entry = &cls->entries[i];
        const char *name = PyUnicode_AsUTF8(entry->name);
        if (name == NULL)
            return -1;
        c4p_entry_fn_t fn = i < C4PE_NUM_RESERVED          ? reserved_entries[i].fn
                            : strcmp(name, "migrate") == 0 ? c4pe_move_on_request
                                                           : run;
        status = entry->native ? c4pe_native_announce(entry, name)
                               : c4p_entry_add(rt, cls->id, name, fn, entry, &entry->id);
        if (status == C4P_OK && entry->id != i)
            status = C4P_ERR_INTERNAL;
    }
    for (uint32_t i = 0; status == C4P_OK && i < cls->num_entries; i++)
        if (!cls->entries[i].native)
            status =
                c4pe_native_announce_cond(&cls->entries[i], PyUnicode_AsUTF8(cls->entries[i].name));
    if (status != C4P_OK) {
        c4pe_raise_status(cls->state, status, cls->name);
        return -1;
    }
    return 0;
}

static int
class_fill_entries(c4pe_class_t *cls, PyObject *specs, unsigned init_flags, unsigned hook_flags)
{
    Py_ssize_t own = PyTuple_GET_SIZE(specs);
    cls->num_entries = C4PE_NUM_RESERVED + (uint32_t)own;
    cls->entries = PyMem_Calloc(cls->num_entries, sizeof(c4pe_entry_t));
    cls->by_name = PyDict_New();
    if (cls->entries == NULL || cls->by_name == NULL)
        return PyErr_NoMemory(), -1;
    for (uint32_t i = 0; i < C4PE_NUM_RESERVED; i++)
        if (entry_fill(cls, &cls->entries[i], reserved_entries[i].name, C4PE_RESERVED) < 0)
            return -1;
    for (Py_ssize_t i = 0; i < own; i++) {
        c4pe_entry_t *entry = &cls->entries[C4PE_NUM_RESERVED + i];
        if (entry_fill_from_spec(cls, entry, PyTuple_GET_ITEM(specs, i)) < 0)
            return -1;
        PyObject *at = PyLong_FromSsize_t(C4PE_NUM_RESERVED + i);
        if (at == NULL || PyDict_SetItem(cls->by_name, entry->name, at) < 0) {
            Py_XDECREF(at);
            return -1;
        }
        Py_DECREF(at);
    }
    if (entry_fill(cls, &cls->migrated, "migrated", hook_flags) < 0)
        return -1;
    return entry_fill(cls, &cls->init, "__init__", init_flags);
}

static int
remember_class(c4pe_state_t *st, c4pe_class_t *cls)
{
    if (st->num_classes == st->cap_classes) {
        uint32_t cap = st->cap_classes ? 2 * st->cap_classes : 16;
        c4pe_class_t **grown = PyMem_Realloc(st->classes, cap * sizeof(*grown));
        if (grown == NULL)
            return PyErr_NoMemory(), -1;
        st->classes = grown;
        st->cap_classes = cap;
    }
    st->classes[st->num_classes++] = cls;
    return 0;
}

/* True if tp_new is not the base type's own: the class or one of its mixins defines __new__. */
static bool
defines_new(const c4pe_state_t *st, const PyTypeObject *type)
{
    return type->tp_new != st->chare_type->tp_new;
}

/* Does the class have its own idea of this attribute? -1 with an exception. */
static int
redefines(const c4pe_state_t *st, PyTypeObject *type, const char *name)
{
    PyObject *own = PyObject_GetAttrString((PyObject *)type, name);
    PyObject *base = own ? PyObject_GetAttrString((PyObject *)st->chare_type, name) : NULL;
    bool differs = own != base;
    Py_XDECREF(own);
    Py_XDECREF(base);
    if (!PyErr_Occurred())
        return differs;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return own != NULL; /* pointers: the class has it, Chare does not */
}

/* What there is to know of how its objects move. */
static int
class_look_at_moves(c4pe_class_t *cls)
{
    static const char *const names[] = {"__getstate__", "__setstate__", "__reduce__",
                                        "__reduce_ex__", "__slots__"};
    int hears = redefines(cls->state, cls->type, "migrated");
    cls->hears_moves = hears > 0;
    cls->regroups = PyObject_HasAttrString((PyObject *)cls->type, "regrouped");
    cls->plain_state = true;
    for (size_t i = 0; hears >= 0 && i < Py_ARRAY_LENGTH(names); i++) {
        int own = redefines(cls->state, cls->type, names[i]);
        if (own < 0)
            return -1;
        if (own)
            cls->plain_state = false;
    }
    return hears < 0 ? -1 : 0;
}

PyObject *
c4pe_class_add(c4pe_state_t *st, PyObject *args)
{
    PyObject *type, *specs;
    const char *name;
    unsigned init_flags = 0;
    PyObject *native = Py_None;
    if (!PyArg_ParseTuple(args, "O!sO|IO:class_add", &PyType_Type, &type, &name, &specs,
                          &init_flags, &native))
        return NULL;
    if (c4pe_need_rt(st, "class_add()") == NULL)
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, st->chare_type))
        return c4pe_raise(st, "%s is no chare class: it does not derive from Chare", name);
    c4pe_class_t *there = c4pe_class_of(st, (PyTypeObject *)type);
    if (there != NULL)
        return PyLong_FromUnsignedLong(there->id);
    specs = PySequence_Tuple(specs);
    if (specs == NULL)
        return NULL;
    c4pe_class_t *cls = PyMem_Calloc(1, sizeof(*cls));
    size_t len = strlen(name) + 1;
    if (cls == NULL || (cls->name = PyMem_Malloc(len)) == NULL) {
        PyErr_NoMemory();
        goto undo;
    }
    memcpy(cls->name, name, len);
    cls->state = st;
    cls->type = (PyTypeObject *)Py_NewRef(type);
    cls->own_new = defines_new(st, cls->type);
    unsigned hook_flags = init_flags >> C4PE_HOOK_SHIFT;
    cls->init_flags = init_flags & ((1u << C4PE_HOOK_SHIFT) - 1);
    if (c4pe_native_declare(cls, native) < 0 || class_look_at_moves(cls) < 0 ||
        class_fill_entries(cls, specs, cls->init_flags, hook_flags) < 0 ||
        c4pe_profile_class(cls) < 0 || c4pe_proxy_make_types(cls) < 0 || class_announce(cls) < 0)
        goto undo;
    if (remember_class(st, cls) < 0)
        goto undo;
    Py_DECREF(specs);
    return PyLong_FromUnsignedLong(cls->id);
undo:
    class_free(cls);
    Py_DECREF(specs);
    return NULL;
}

/* ---- the module's part --------------------------------------------------------------------------- */

int
c4pe_classes_traverse(c4pe_state_t *st, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < st->num_classes; i++) {
        c4pe_class_t *cls = st->classes[i];
        Py_VISIT(cls->type);
        Py_VISIT(cls->make_native);
        for (int k = 0; k < C4PE_NUM_KINDS; k++)
            Py_VISIT(cls->proxies[k].type);
        for (uint32_t e = 0; e < cls->num_entries; e++) {
            Py_VISIT(cls->entries[e].func);
            Py_VISIT(cls->entries[e].defaults);
            Py_VISIT(cls->entries[e].kwonly);
            Py_VISIT(cls->entries[e].cond);
        }
    }
    return 0;
}

void
c4pe_classes_clear(c4pe_state_t *st)
{
    for (uint32_t i = 0; i < st->num_classes; i++)
        class_clear(st->classes[i]);
}

void
c4pe_classes_free(c4pe_state_t *st)
{
    while (st->num_classes > 0)
        class_free(st->classes[--st->num_classes]);
    PyMem_Free(st->classes);
    st->classes = NULL;
    st->cap_classes = 0;
}
