/* SPDX-License-Identifier: Apache-2.0 */
/* pymodule.c: model and kernel for the Python version, as module _leanmd. Arrays are anything that
 * gives a contiguous buffer of doubles, numpy's faster than others; nothing is copied. */
#include "npy.h"

#include <stdlib.h>
#include <string.h>

#include "model.h"

typedef struct model {
    PyObject_HEAD
    leanmd_model_t c;
    c4pe_npy_t npy;
} model_t;

static const char *const variants[] = {"a", "b", "exact"};

/* ---- arguments --------------------------------------------------------------------------------- */

static int
get_ints(PyObject *obj, int n, int *out)
{
    PyObject *seq = PySequence_Fast(obj, "a sequence of integers is wanted");
    if (seq == NULL)
        return -1;
    int status = 0;
    if (PySequence_Fast_GET_SIZE(seq) != n) {
        PyErr_Format(PyExc_ValueError, "%d integers are wanted", n);
        status = -1;
    }
    for (int i = 0; status == 0 && i < n; i++) {
        out[i] = (int)PyLong_AsLong(PySequence_Fast_GET_ITEM(seq, i));
        status = PyErr_Occurred() ? -1 : 0;
    }
    Py_DECREF(seq);
    return status;
}

static PyObject *
ints_new(const int *at, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = PyLong_FromLong(at[i]);
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

/* Buffers of planes of doubles, released together. */
enum { MAX_ARRAYS = 4, NPY_DOUBLE = 12 };
typedef struct arrays {
    const c4pe_npy_t *npy;
    Py_buffer view[MAX_ARRAYS];
    int num;
} arrays_t;

static void
arrays_release(arrays_t *a)
{
    while (a->num > 0)
        PyBuffer_Release(&a->view[--a->num]);
}

/* numpy's struct says at once what the buffer protocol would compute. */
static bool
is_simple(const c4pe_npy_t *npy, PyObject *obj, bool writable)
{
    const int flags = C4PE_NPY_C_CONTIGUOUS | (writable ? C4PE_NPY_WRITEABLE : 0);
    const c4pe_ndarray_t *array = (const c4pe_ndarray_t *)obj;
    return c4pe_npy_is_array(npy, obj) && (array->flags & flags) == flags &&
           ((const c4pe_descr_t *)array->descr)->type_num == NPY_DOUBLE;
}

static void *
memory_of(arrays_t *a, PyObject *obj, bool writable, Py_ssize_t *len_out)
{
    if (is_simple(a->npy, obj, writable)) {
        const c4pe_ndarray_t *array = (const c4pe_ndarray_t *)obj;
        *len_out = c4pe_npy_nbytes(a->npy, array->nd, array->dims, array->descr);
        return array->data;
    }
    Py_buffer *view = &a->view[a->num];
    if (PyObject_GetBuffer(obj, view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return NULL;
    a->num++;
    *len_out = view->len;
    return view->buf;
}

/* The doubles of an object, of which there are three for each of *n_io particles (-1: to be found).
 */
static double *
arrays_get(arrays_t *a, PyObject *obj, bool writable, Py_ssize_t *n_io)
{
    Py_ssize_t len;
    double *data = memory_of(a, obj, writable, &len);
    if (data == NULL)
        return NULL;
    const Py_ssize_t unit = 3 * (Py_ssize_t)sizeof(double), n = len / unit;
    if (len % unit != 0 || (*n_io >= 0 && n != *n_io)) {
        PyErr_SetString(PyExc_ValueError, "an array has not three doubles for each particle");
        return NULL;
    }
    *n_io = n;
    return data;
}

static int
need_args(const char *name, Py_ssize_t nargs, Py_ssize_t wanted)
{
    if (nargs == wanted)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, wanted, nargs);
    return -1;
}

/* ---- forces and motion --------------------------------------------------------------------------- */

static PyObject *
sums_new(const leanmd_sums_t *sums, bool wanted)
{
    if (!wanted)
        Py_RETURN_NONE;
    return Py_BuildValue("dL", sums->potential, (long long)sums->inside);
}

PyDoc_STRVAR(
    pair_doc,
    "pair(pos, other, shift, force, other_force, wanted)\n--\n\n"
    "Add the forces on `pos`, whose positions are shifted, to `force`; subtract those on "
    "`other` from `other_force`. Returns (potential, pairs within reach) if wanted, or None.");
static PyObject *
model_pair(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    arrays_t a = {.npy = &self->npy};
    Py_ssize_t n = -1, m = -1;
    double shift[3], *force, *other_force;
    leanmd_sums_t sums;
    PyObject *result = NULL;
    if (need_args("pair", nargs, 6) < 0)
        return NULL;
    const bool wanted = args[5] == Py_True;
    const double *pos = arrays_get(&a, args[0], false, &n);
    const double *other = pos ? arrays_get(&a, args[1], false, &m) : NULL;
    if (other == NULL || (force = arrays_get(&a, args[3], true, &n)) == NULL ||
        (other_force = arrays_get(&a, args[4], true, &m)) == NULL)
        goto done;
    if (!PyTuple_Check(args[2]) || PyTuple_GET_SIZE(args[2]) != 3) {
        PyErr_SetString(PyExc_TypeError, "shift is a tuple of three numbers");
        goto done;
    }
    for (int d = 0; d < 3; d++)
        shift[d] = PyFloat_AsDouble(PyTuple_GET_ITEM(args[2], d));
    if (PyErr_Occurred())
        goto done;
    leanmd_pair(&self->c.law, pos, (size_t)n, shift, other, (size_t)m, force, other_force,
                wanted ? &sums : NULL);
    result = sums_new(&sums, wanted);
done:
    arrays_release(&a);
    return result;
}

PyDoc_STRVAR(
    alone_doc,
    "alone(pos, force, wanted)\n--\n\n"
    "Add the forces of the particles of one cell on each other to `force`. Returns as pair().");
static PyObject *
model_alone(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    arrays_t a = {.npy = &self->npy};
    Py_ssize_t n = -1;
    leanmd_sums_t sums;
    PyObject *result = NULL;
    if (need_args("alone", nargs, 3) < 0)
        return NULL;
    const bool wanted = args[2] == Py_True;
    const double *pos = arrays_get(&a, args[0], false, &n);
    double *force = pos ? arrays_get(&a, args[1], true, &n) : NULL;
    if (force) {
        leanmd_self(&self->c.self_law, pos, (size_t)n, force, wanted ? &sums : NULL);
        result = sums_new(&sums, wanted);
    }
    arrays_release(&a);
    return result;
}

PyDoc_STRVAR(
    advance_doc,
    "advance(begun, pos, vel, force)\n--\n\n"
    "One step of motion, in place. Returns (kinetic energy, sum of the forces' components, "
    "sum of squared velocities, clamped components).");
static PyObject *
model_advance(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    arrays_t a = {.npy = &self->npy};
    Py_ssize_t n = -1;
    leanmd_motion_t m;
    if (need_args("advance", nargs, 4) < 0)
        return NULL;
    double *pos = arrays_get(&a, args[1], true, &n);
    double *vel = pos ? arrays_get(&a, args[2], true, &n) : NULL;
    const double *force = vel ? arrays_get(&a, args[3], false, &n) : NULL;
    if (force)
        leanmd_advance(&self->c, args[0] == Py_True, (size_t)n, pos, vel, force, &m);
    arrays_release(&a);
    return force ? Py_BuildValue("dddd", m.kinetic, m.abs_force, m.v2, m.clamped) : NULL;
}

PyDoc_STRVAR(destinations_doc,
             "destinations(cell, pos)\n--\n\n"
             "Bring positions back into the box; the number of the neighbour that each particle "
             "belongs to, as bytes of 32-bit integers.");
static PyObject *
model_destinations(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    arrays_t a = {.npy = &self->npy};
    Py_ssize_t n = -1;
    int cell[3];
    if (need_args("destinations", nargs, 2) < 0 || get_ints(args[0], 3, cell) < 0)
        return NULL;
    double *pos = arrays_get(&a, args[1], true, &n);
    PyObject *result = pos ? PyBytes_FromStringAndSize(NULL, n * (Py_ssize_t)sizeof(int)) : NULL;
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        int num = leanmd_destination(&self->c, cell, (size_t)n, pos, (size_t)i);
        memcpy(PyBytes_AS_STRING(result) + i * (Py_ssize_t)sizeof num, &num, sizeof num);
    }
    arrays_release(&a);
    return result;
}

/* ---- geometry ------------------------------------------------------------------------------------ */

PyDoc_STRVAR(particles_doc, "particles(cell)\n--\n\nHow many particles a cell has at first.");
static PyObject *
model_particles(model_t *self, PyObject *arg)
{
    int cell[3];
    if (get_ints(arg, 3, cell) < 0)
        return NULL;
    return PyLong_FromSize_t(leanmd_cell_particles(&self->c, leanmd_cell_id(&self->c, cell)));
}

PyDoc_STRVAR(fill_doc, "fill(cell, pos, vel)\n--\n\nA cell's first state.");
static PyObject *
model_fill(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    arrays_t a = {.npy = &self->npy};
    int cell[3];
    if (need_args("fill", nargs, 3) < 0 || get_ints(args[0], 3, cell) < 0)
        return NULL;
    Py_ssize_t n = (Py_ssize_t)leanmd_cell_particles(&self->c, leanmd_cell_id(&self->c, cell));
    double *pos = arrays_get(&a, args[1], true, &n);
    double *vel = pos ? arrays_get(&a, args[2], true, &n) : NULL;
    if (vel)
        leanmd_cell_fill(&self->c, cell, pos, vel);
    arrays_release(&a);
    if (!vel)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cell_id_doc, "cell_id(cell)\n--\n\nThe number of a cell.");
static PyObject *
model_cell_id(model_t *self, PyObject *arg)
{
    int cell[3];
    if (get_ints(arg, 3, cell) < 0)
        return NULL;
    return PyLong_FromLongLong(leanmd_cell_id(&self->c, cell));
}

PyDoc_STRVAR(neighbour_doc,
             "neighbour(cell, num)\n--\n\nNeighbour `num` of a cell: (its index, the number under "
             "which it knows this cell).");
static PyObject *
model_neighbour(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    int cell[3], offset[3], at[3];
    if (need_args("neighbour", nargs, 2) < 0 || get_ints(args[0], 3, cell) < 0)
        return NULL;
    const int num = (int)PyLong_AsLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    leanmd_neighbour(&self->c, cell, num, offset, at);
    return Py_BuildValue("Ni", ints_new(at, 3), leanmd_reverse(&self->c, num));
}

PyDoc_STRVAR(compute_index_doc,
             "compute_index(cell, num)\n--\n\nThe compute that joins a cell to its neighbour: "
             "(its index, whether this cell makes it).");
static PyObject *
model_compute_index(model_t *self, PyObject *const *args, Py_ssize_t nargs)
{
    int cell[3], index[6];
    if (need_args("compute_index", nargs, 2) < 0 || get_ints(args[0], 3, cell) < 0)
        return NULL;
    const int num = (int)PyLong_AsLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    const bool mine = leanmd_compute_index(&self->c, cell, num, index);
    return Py_BuildValue("NO", ints_new(index, 6), mine ? Py_True : Py_False);
}

PyDoc_STRVAR(
    compute_maker_doc,
    "compute_maker(index)\n--\n\nThe cell that makes a compute, and which of those that it "
    "makes, from 0.");
static PyObject *
model_compute_maker(model_t *self, PyObject *arg)
{
    int index[6], cell[3];
    if (get_ints(arg, 6, index) < 0)
        return NULL;
    const int num = leanmd_compute_maker(&self->c, index, cell);
    return Py_BuildValue("Ni", ints_new(cell, 3), num);
}

PyDoc_STRVAR(compute_cells_doc,
             "compute_cells(index)\n--\n\nThe cells of a compute: (first, second, shift of the "
             "first one's positions).");
static PyObject *
model_compute_cells(model_t *self, PyObject *arg)
{
    int index[6], first[3], second[3];
    double shift[3];
    if (get_ints(arg, 6, index) < 0)
        return NULL;
    leanmd_compute_cells(&self->c, index, first, second, shift);
    return Py_BuildValue("NN(ddd)", ints_new(first, 3), ints_new(second, 3), shift[0], shift[1],
                         shift[2]);
}

/* ---- the type ------------------------------------------------------------------------------------ */

static PyObject *
model_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"variant", (char *)"grid", (char *)"away", (char *)"particles",
                            NULL};
    const char *variant;
    PyObject *grid_obj, *away_obj = Py_None, *particles_obj = Py_None;
    int grid[3], particles[2], v = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO|OO", names, &variant, &grid_obj, &away_obj,
                                     &particles_obj) ||
        get_ints(grid_obj, 3, grid) < 0)
        return NULL;
    while (v < 3 && strcmp(variant, variants[v]) != 0)
        v++;
    if (v == 3)
        return PyErr_Format(PyExc_ValueError, "variant '%s': a, b or exact is wanted", variant);
    model_t *self = (model_t *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    c4pe_npy_load(&self->npy, true);
    leanmd_model_init(&self->c, (leanmd_variant_t)v, grid);
    if ((away_obj != Py_None && get_ints(away_obj, 3, self->c.away) < 0) ||
        (particles_obj != Py_None && get_ints(particles_obj, 2, particles) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    if (particles_obj != Py_None) {
        self->c.first = particles[0];
        self->c.last = particles[1];
    }
    const char *why = leanmd_model_finish(&self->c);
    if (why == NULL)
        return (PyObject *)self;
    PyErr_SetString(PyExc_ValueError, why);
    Py_DECREF(self);
    return NULL;
}

static void
model_dealloc(model_t *self)
{
    PyTypeObject *type = Py_TYPE(self);
    c4pe_npy_clear(&self->npy);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
model_neighbours(model_t *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong(leanmd_num_neighbours(&self->c));
}

static PyObject *
model_side(model_t *self, void *closure)
{
    (void)closure;
    return Py_BuildValue("ddd", self->c.side[0], self->c.side[1], self->c.side[2]);
}

static PyObject *
law_new(const leanmd_law_t *law)
{
    return Py_BuildValue("ddddddi", law->a, law->b, law->fa, law->fb, law->near2, law->far2,
                         law->per_r);
}

static PyObject *
model_law(model_t *self, void *closure)
{
    (void)closure;
    return law_new(&self->c.law);
}

static PyObject *
model_self_law(model_t *self, void *closure)
{
    (void)closure;
    return law_new(&self->c.self_law);
}

#define FAST(name)                                                                                 \
    {                                                                                              \
#name, (PyCFunction)(void (*)(void))model_##name, METH_FASTCALL, name##_doc                \
    }
#define ONE(name)                                                                                  \
    {                                                                                              \
#name, (PyCFunction)(void (*)(void))model_##name, METH_O, name##_doc                       \
    }

static PyMethodDef model_methods[] = {
    FAST(pair),          FAST(alone),        FAST(advance),      FAST(destinations),
    ONE(particles),      FAST(fill),         ONE(cell_id),       FAST(neighbour),
    FAST(compute_index), ONE(compute_maker), ONE(compute_cells), {NULL, NULL, 0, NULL}};

static PyGetSetDef model_getset[] = {
    {"neighbours", (getter)model_neighbours, NULL, "Neighbours of a cell, with itself.", NULL},
    {"side", (getter)model_side, NULL, "Of a cell, in angstrom.", NULL},
    {"law", (getter)model_law, NULL, "(a, b, fa, fb, near2, far2, per_r) of kernel.h.", NULL},
    {"self_law", (getter)model_self_law, NULL, "Of computes of one cell.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot model_slots[] = {
    {Py_tp_new, model_new},
    {Py_tp_dealloc, model_dealloc},
    {Py_tp_methods, model_methods},
    {Py_tp_getset, model_getset},
    {Py_tp_doc, (char *)"Model(variant, grid, away=None, particles=None)\n--\n\n"
                        "Constants, geometry and arithmetic of LeanMD; see model.h."},
    {0, NULL}};

static PyType_Spec model_spec = {.name = "_leanmd.Model",
                                 .basicsize = sizeof(model_t),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                 .slots = model_slots};

static PyObject *
module_isa(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    return PyUnicode_FromString(leanmd_isa());
}

static int
module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &model_spec, NULL);
    int status = type != NULL ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
    Py_XDECREF(type);
    return status;
}

static PyMethodDef module_methods[] = {
    {"isa", module_isa, METH_NOARGS, "isa()\n--\n\nThe instruction set that the kernel uses."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "_leanmd",
                                        .m_methods = module_methods,
                                        .m_slots = module_slots};

PyMODINIT_FUNC PyInit__leanmd(void);
PyMODINIT_FUNC
PyInit__leanmd(void)
{
    return PyModuleDef_Init(&module_def);
}
