/* SPDX-License-Identifier: Apache-2.0 */
/* npy.c: numpy's run-time table of functions. */
#include "npy.h"

/* Places in the table. */
enum {
    API_VERSION = 0,
    API_ARRAY_TYPE = 2,
    API_GENERIC_TYPE = 10,
    API_DESCR_FROM_TYPE = 45,
    API_DESCR_FROM_SCALAR = 57,
    API_SCALAR = 60,
    API_SCALAR_AS_CTYPE = 62,
    API_COPY_INTO_1 = 82, /* numpy 1.x */
    API_COPY_INTO_2 = 50, /* numpy 2.x */
    API_NEW_COPY = 85,
    API_NEW_FROM_DESCR = 94,
    API_DESCR_CONVERTER = 174,
    API_SET_BASE = 282
};

static PyObject *
find_capsule(bool import)
{
    const char *const homes[] = {"numpy._core._multiarray_umath", "numpy.core._multiarray_umath"};
    if (import) {
        PyObject *numpy = PyImport_ImportModule("numpy");
        if (!numpy)
            return NULL;
        Py_DECREF(numpy);
    }
    PyObject *modules = PyImport_GetModuleDict();
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        PyObject *module = PyDict_GetItemString(modules, homes[i]); /* borrowed */
        PyObject *capsule = module ? PyObject_GetAttrString(module, "_ARRAY_API") : NULL;
        if (capsule)
            return capsule;
        PyErr_Clear();
    }
    return NULL;
}

/* A function of the table; the detour through memory keeps compilers from warning about the kind of
 * pointer. */
#define TAKE(field, place) memcpy(&npy->field, &api[place], sizeof(npy->field))

static void
fill_table(c4pe_npy_t *npy, void **api)
{
    unsigned (*version)(void);
    memcpy(&version, &api[API_VERSION], sizeof(version));
    npy->abi = (int)(version() >> 24);
    if (npy->abi != 1 && npy->abi != 2)
        return;
    npy->array = (PyTypeObject *)Py_NewRef(api[API_ARRAY_TYPE]);
    npy->generic = (PyTypeObject *)Py_NewRef(api[API_GENERIC_TYPE]);
    TAKE(descr_from_type, API_DESCR_FROM_TYPE);
    TAKE(descr_from_scalar, API_DESCR_FROM_SCALAR);
    TAKE(scalar, API_SCALAR);
    TAKE(scalar_as_ctype, API_SCALAR_AS_CTYPE);
    TAKE(copy_into, npy->abi == 1 ? API_COPY_INTO_1 : API_COPY_INTO_2);
    TAKE(new_copy, API_NEW_COPY);
    TAKE(new_from_descr, API_NEW_FROM_DESCR);
    TAKE(set_base, API_SET_BASE);
    TAKE(convert_descr, API_DESCR_CONVERTER);
}

bool
c4pe_npy_load(c4pe_npy_t *npy, bool import)
{
    if (npy->array || npy->tried)
        return npy->array != NULL;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *capsule = find_capsule(import);
    void **api = capsule ? PyCapsule_GetPointer(capsule, NULL) : NULL;
    if (api) {
        npy->tried = true;
        fill_table(npy, api);
    }
    Py_XDECREF(capsule);
    PyErr_Restore(type, value, traceback);
    return npy->array != NULL;
}

void
c4pe_npy_clear(c4pe_npy_t *npy)
{
    Py_CLEAR(npy->array);
    Py_CLEAR(npy->generic);
    npy->tried = true;
}

Py_ssize_t
c4pe_npy_nbytes(const c4pe_npy_t *npy, int nd, const Py_ssize_t *dims, PyObject *descr)
{
    Py_ssize_t bytes = c4pe_npy_elsize(npy, descr);
    bool empty = false;
    for (int i = 0; i < nd; i++) {
        if (dims[i] < 0)
            return -1;
        if (dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            return -1;
    }
    return empty ? 0 : bytes;
}

PyObject *
c4pe_npy_new(const c4pe_npy_t *npy, PyObject *descr, int nd, const Py_ssize_t *dims)
{
    return npy->new_from_descr(npy->array, descr, nd, dims, NULL, NULL, 0, NULL);
}

PyObject *
c4pe_npy_view(const c4pe_npy_t *npy, PyObject *descr, int nd, const Py_ssize_t *dims, void *data,
              PyObject *base)
{
    PyObject *array =
        npy->new_from_descr(npy->array, descr, nd, dims, NULL, data,
                            C4PE_NPY_C_CONTIGUOUS | C4PE_NPY_ALIGNED | C4PE_NPY_WRITEABLE, NULL);
    if (!array) {
        Py_DECREF(base);
        return NULL;
    }
    if (npy->set_base(array, base) < 0)
        Py_CLEAR(array);
    return array;
}

PyObject *
c4pe_npy_copy(const c4pe_npy_t *npy, PyObject *array)
{
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)array;
    if (!(a->flags & C4PE_NPY_C_CONTIGUOUS))
        return npy->new_copy(array, 0);
    PyObject *copy = c4pe_npy_new(npy, Py_NewRef(a->descr), a->nd, a->dims);
    Py_ssize_t len = copy ? c4pe_npy_nbytes(npy, a->nd, a->dims, a->descr) : 0;
    if (len)
        memcpy(((c4pe_ndarray_t *)copy)->data, a->data, (size_t)len);
    return copy;
}

bool
c4pe_npy_is_frozen(const c4pe_npy_t *npy, PyObject *array)
{
    PyObject *at = array;
    while (at && PyObject_TypeCheck(at, npy->array)) {
        const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)at;
        if (a->flags & C4PE_NPY_WRITEABLE)
            return false;
        if (!a->base)
            return (a->flags & C4PE_NPY_OWNDATA) != 0;
        at = a->base;
    }
    return at && PyBytes_CheckExact(at);
}
