/* SPDX-License-Identifier: Apache-2.0 */
#include "balance.h"

#include <c4p/balance.h>

#include <stddef.h>
#include <string.h>

/* ---- views ----------------------------------------------------------------------------------------- */

/* How many items an array of a view has. */
typedef enum per { PER_RANK, PER_OBJECT, PER_COORD, PER_OBJECT_AND_END, PER_EDGE } per_t;

typedef struct field {
    const char *name;
    size_t offset;
    const char *formats; /* of the buffer protocol */
    size_t item;
    per_t per;
} field_t;

/* clang-format off */
#define FIELD(name, formats, item, per) {#name, offsetof(c4p_lb_view_t, name), formats, item, per}
/* clang-format on */

static const field_t fields[] = {
    FIELD(node, "il", sizeof(int), PER_RANK),
    FIELD(speed, "d", sizeof(double), PER_RANK),
    FIELD(background, "d", sizeof(double), PER_RANK),
    FIELD(memory, "LQN", sizeof(uint64_t), PER_RANK),
    FIELD(load, "d", sizeof(double), PER_OBJECT),
    FIELD(rank, "il", sizeof(int), PER_OBJECT),
    FIELD(bytes, "LQN", sizeof(uint64_t), PER_OBJECT),
    FIELD(coords, "d", sizeof(double), PER_COORD),
    FIELD(edge_first, "LQN", sizeof(size_t), PER_OBJECT_AND_END),
    FIELD(edge_to, "IL", sizeof(uint32_t), PER_EDGE),
    FIELD(edge_bytes, "LQN", sizeof(uint64_t), PER_EDGE),
    FIELD(messages, "LQN", sizeof(uint64_t), PER_OBJECT),
    FIELD(bytes_sent, "LQN", sizeof(uint64_t), PER_OBJECT),
};

enum { NUM_FIELDS = Py_ARRAY_LENGTH(fields) };

/* A view and what keeps its arrays alive. */
typedef struct borrowed {
    c4p_lb_view_t view;
    Py_buffer buffers[NUM_FIELDS];
    int num_buffers;
} borrowed_t;

static int
read_number(PyObject *op, const char *name, unsigned long long most, unsigned long long *out)
{
    PyObject *value = PyObject_GetAttrString(op, name);
    PyObject *number = value ? PyNumber_Index(value) : NULL;
    Py_XDECREF(value);
    if (number == NULL)
        return -1;
    *out = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (*out == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    if (*out <= most)
        return 0;
    PyErr_Format(PyExc_ValueError, "the view's %s is too large: %llu", name, *out);
    return -1;
}

/* Whether a buffer's format is that of one of these types, in this machine's order. */
static bool
has_format(const Py_buffer *buffer, const char *formats, size_t item)
{
    const char *format = buffer->format ? buffer->format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    return *format && strchr(formats, *format) && format[1] == '\0' &&
           (size_t)buffer->itemsize == item;
}

static int
check_buffer(const field_t *field, const Py_buffer *buffer, size_t count)
{
    if (!has_format(buffer, field->formats, field->item)) {
        PyErr_Format(PyExc_TypeError,
                     "the view's %s must be an array of items of %zu bytes and a type out of '%s', "
                     "not '%s' (%zd bytes)",
                     field->name, field->item, field->formats,
                     buffer->format ? buffer->format : "B", buffer->itemsize);
        return -1;
    }
    if ((size_t)buffer->len / field->item == count)
        return 0;
    PyErr_Format(PyExc_ValueError, "the view's %s must have %zu items, not %zd", field->name, count,
                 buffer->len / buffer->itemsize);
    return -1;
}

/* The number of edges is known from edge_first, which comes before the others. */
static int
count_of(const borrowed_t *borrowed, per_t per, size_t *count_out)
{
    const c4p_lb_view_t *view = &borrowed->view;
    size_t objects = view->num_objects, dims = (size_t)view->num_coords;
    switch (per) {
    case PER_RANK:
        *count_out = (size_t)view->num_ranks;
        return 0;
    case PER_OBJECT:
        *count_out = objects;
        return 0;
    case PER_COORD:
        *count_out = objects * dims;
        return 0;
    case PER_OBJECT_AND_END:
        *count_out = objects + 1;
        return 0;
    case PER_EDGE:
        break;
    }
    if (view->edge_first == NULL) {
        PyErr_SetString(PyExc_ValueError, "the view has edges, but no edge_first");
        return -1;
    }
    *count_out = view->edge_first[objects];
    return 0;
}

static int
borrow_field(borrowed_t *borrowed, const field_t *field, PyObject *op)
{
    size_t count;
    Py_buffer *buffer = &borrowed->buffers[borrowed->num_buffers];
    PyObject *value = PyObject_GetAttrString(op, field->name);
    if (value == NULL || value == Py_None) {
        Py_XDECREF(value);
        return value ? 0 : -1;
    }
    int rc = PyObject_GetBuffer(value, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
    Py_DECREF(value);
    if (rc < 0)
        return -1;
    borrowed->num_buffers++;
    if (count_of(borrowed, field->per, &count) < 0 || check_buffer(field, buffer, count) < 0)
        return -1;
    memcpy((char *)&borrowed->view + field->offset, &buffer->buf, sizeof(void *));
    return 0;
}

static void
give_back(borrowed_t *borrowed)
{
    while (borrowed->num_buffers > 0)
        PyBuffer_Release(&borrowed->buffers[--borrowed->num_buffers]);
}

/* Read a view from an object with its fields as attributes. On failure nothing is borrowed. */
static int
borrow_view(borrowed_t *borrowed, PyObject *op)
{
    unsigned long long seed, round, ranks, nodes, objects, coords;
    memset(borrowed, 0, sizeof(*borrowed));
    if (read_number(op, "seed", UINT64_MAX, &seed) < 0 ||
        read_number(op, "round", UINT64_MAX, &round) < 0 ||
        read_number(op, "num_ranks", C4P_MAX_RANKS, &ranks) < 0 ||
        read_number(op, "num_nodes", C4P_MAX_RANKS, &nodes) < 0 ||
        read_number(op, "num_objects", UINT32_MAX - 1u, &objects) < 0 ||
        read_number(op, "num_coords", 16, &coords) < 0)
        return -1;
    borrowed->view.struct_size = sizeof(borrowed->view);
    borrowed->view.seed = seed;
    borrowed->view.round = round;
    borrowed->view.num_ranks = (int)ranks;
    borrowed->view.num_nodes = (int)nodes;
    borrowed->view.num_objects = (size_t)objects;
    borrowed->view.num_coords = (int)coords;
    for (size_t i = 0; i < NUM_FIELDS; i++) {
        if (borrow_field(borrowed, &fields[i], op) < 0) {
            give_back(borrowed);
            return -1;
        }
    }
    return 0;
}

static int
borrow_plan(Py_buffer *plan, PyObject *op, const c4p_lb_view_t *view, int flags)
{
    if (PyObject_GetBuffer(op, plan, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags) < 0)
        return -1;
    if (has_format(plan, "il", sizeof(int)) && (size_t)plan->len == view->num_objects * sizeof(int))
        return 0;
    PyErr_Format(PyExc_ValueError, "the plan must be an array of %zu C ints", view->num_objects);
    PyBuffer_Release(plan);
    return -1;
}

static PyObject *
raise_status(c4p_status_t status, const char *why)
{
    if (status == C4P_ERR_NOMEM)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_ValueError, why ? why : c4p_strerror(status));
    return NULL;
}

/* ---- functions ------------------------------------------------------------------------------------- */

PyObject *
c4pe_balance_builtins(void)
{
    const char *name, *what;
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && c4p_lb_builtin(i, &name, &what); i++) {
        PyObject *item = Py_BuildValue("(ss)", name, what);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

PyObject *
c4pe_balance_find(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL)
        return NULL;
    return Py_BuildValue("z", c4p_lb_find(text));
}

PyObject *
c4pe_balance_run(PyObject *args)
{
    const char *name, *why = NULL;
    PyObject *view, *plan;
    borrowed_t borrowed;
    Py_buffer into;
    c4p_status_t status;
    if (!PyArg_ParseTuple(args, "sOO:lb_run", &name, &view, &plan) ||
        borrow_view(&borrowed, view) < 0)
        return NULL;
    if (borrow_plan(&into, plan, &borrowed.view, PyBUF_WRITABLE) < 0) {
        give_back(&borrowed);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS status = c4p_lb_check(name, &borrowed.view, &why);
    if (status == C4P_OK)
        status = c4p_lb_run(name, &borrowed.view, into.buf);
    Py_END_ALLOW_THREADS PyBuffer_Release(&into);
    give_back(&borrowed);
    if (status == C4P_ERR_LIMIT && why == NULL)
        why = "no placement was found within the memory of the ranks";
    if (status != C4P_OK)
        return raise_status(status, why);
    Py_RETURN_NONE;
}

PyObject *
c4pe_balance_worth(const c4p_lb_worth_t *worth)
{
    return Py_BuildValue(
        "{s:d,s:d,s:d,s:n,s:K,s:K,s:K,s:K}", "max_before", worth->max_before, "max_after",
        worth->max_after, "mean", worth->mean, "moved", (Py_ssize_t)worth->moved, "moved_bytes",
        (unsigned long long)worth->moved_bytes, "cut_before", (unsigned long long)worth->cut_before,
        "cut_after", (unsigned long long)worth->cut_after, "most_memory",
        (unsigned long long)worth->most_memory);
}

static int
put_field(PyObject *dict, const c4p_lb_view_t *view, const field_t *field)
{
    const borrowed_t borrowed = {.view = *view};
    const void *array;
    size_t count;
    memcpy(&array, (const char *)view + field->offset, sizeof array);
    if (array == NULL)
        return 0;
    if (count_of(&borrowed, field->per, &count) < 0)
        return -1;
    PyObject *bytes = PyBytes_FromStringAndSize(array, (Py_ssize_t)(count * field->item));
    int result = bytes ? PyDict_SetItemString(dict, field->name, bytes) : -1;
    Py_XDECREF(bytes);
    return result;
}

PyObject *
c4pe_balance_fields(const c4p_lb_view_t *view)
{
    PyObject *dict =
        Py_BuildValue("{s:K,s:K,s:i,s:n,s:i}", "seed", (unsigned long long)view->seed, "round",
                      (unsigned long long)view->round, "num_ranks", view->num_ranks, "num_objects",
                      (Py_ssize_t)view->num_objects, "num_coords", view->num_coords);
    for (size_t i = 0; dict != NULL && i < NUM_FIELDS; i++)
        if (put_field(dict, view, &fields[i]) < 0)
            Py_CLEAR(dict);
    return dict;
}

PyObject *
c4pe_balance_judge(PyObject *args)
{
    const char *why = NULL;
    PyObject *view, *plan;
    borrowed_t borrowed;
    Py_buffer from;
    c4p_lb_worth_t worth;
    if (!PyArg_ParseTuple(args, "OO:lb_judge", &view, &plan) || borrow_view(&borrowed, view) < 0)
        return NULL;
    if (borrow_plan(&from, plan, &borrowed.view, 0) < 0) {
        give_back(&borrowed);
        return NULL;
    }
    c4p_status_t status = c4p_lb_check(NULL, &borrowed.view, &why);
    if (status == C4P_OK)
        status = c4p_lb_judge(&borrowed.view, from.buf, &worth);
    PyBuffer_Release(&from);
    give_back(&borrowed);
    if (status != C4P_OK)
        return raise_status(status, why ? why : "the plan names a rank that does not exist");
    return c4pe_balance_worth(&worth);
}
