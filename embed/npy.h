/* SPDX-License-Identifier: Apache-2.0 */
/* npy.h: numpy arrays through the table of functions that numpy exports at run time, so that
 * building needs no numpy and one binary works with any of its versions from 1.20 to 2.x. The
 * layout of the array struct and the places in the table are part of numpy's stable binary
 * interface. Main thread with the interpreter lock held. */
#ifndef C4PE_NPY_H
#define C4PE_NPY_H

#include "py.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct c4pe_npy {
    bool tried;            /* numpy was loaded, or is of a kind that we do not know */
    PyTypeObject *array;   /* numpy.ndarray; NULL: no numpy */
    PyTypeObject *generic; /* numpy.generic */
    int abi;               /* 1 or 2 */
    PyObject *(*descr_from_type)(int type_num);
    PyObject *(*descr_from_scalar)(PyObject *scalar);
    PyObject *(*scalar)(void *data, PyObject *descr, PyObject *base);
    void (*scalar_as_ctype)(PyObject *scalar, void *data_out);
    int (*copy_into)(PyObject *dst, PyObject *src);
    PyObject *(*new_copy)(PyObject *array, int order);
    PyObject *(*new_from_descr)(PyTypeObject *type, PyObject *descr, int nd, const Py_ssize_t *dims,
                                const Py_ssize_t *strides, void *data, int flags, PyObject *obj);
    int (*set_base)(PyObject *array, PyObject *base); /* takes the reference to base */
    int (*convert_descr)(PyObject *any, PyObject **descr_out);
} c4pe_npy_t;

enum { C4PE_NPY_MAX_DIMS = 64 };

/* The fields of an array object. */
typedef struct c4pe_ndarray {
    PyObject_HEAD
    char *data;
    int nd;
    Py_ssize_t *dims;
    Py_ssize_t *strides;
    PyObject *base;
    PyObject *descr;
    int flags;
    PyObject *weakrefs;
} c4pe_ndarray_t;

enum {
    C4PE_NPY_C_CONTIGUOUS = 0x1,
    C4PE_NPY_OWNDATA = 0x4,
    C4PE_NPY_ALIGNED = 0x100,
    C4PE_NPY_WRITEABLE = 0x400
};

/* The start of a dtype object, the same in both generations. */
typedef struct c4pe_descr {
    PyObject_HEAD
    PyTypeObject *scalar_type;
    char kind, type, byteorder, flags;
    int type_num;
    union {
        struct {
            int elsize, alignment;
        } v1;
        struct {
            uint64_t flags;
            Py_ssize_t elsize, alignment;
        } v2;
    } u;
} c4pe_descr_t;

/* Fill in the table; import: load numpy if the program has not done it yet. True if arrays can be
 * handled. Never leaves an exception. */
bool c4pe_npy_load(c4pe_npy_t *npy, bool import);
void c4pe_npy_clear(c4pe_npy_t *npy);

static inline bool
c4pe_npy_is_array(const c4pe_npy_t *npy, PyObject *obj)
{
    return Py_TYPE(obj) == npy->array;
}

static inline Py_ssize_t
c4pe_npy_elsize(const c4pe_npy_t *npy, PyObject *descr)
{
    const c4pe_descr_t *d = (const c4pe_descr_t *)descr;
    return npy->abi == 1 ? d->u.v1.elsize : d->u.v2.elsize;
}

/* True for booleans and numbers of this machine's byte order: the type number alone says what they
 * are. */
static inline bool
c4pe_npy_is_plain(PyObject *descr)
{
    const c4pe_descr_t *d = (const c4pe_descr_t *)descr;
    return ((d->type_num >= 0 && d->type_num <= 16) || d->type_num == 23) &&
           d->byteorder != (PY_LITTLE_ENDIAN ? '>' : '<');
}

/* True if the items are plain bytes, strings, records, dates: memory that may be copied, unless the
 * dtype holds objects. */
static inline bool
c4pe_npy_is_memory(PyObject *descr)
{
    const c4pe_descr_t *d = (const c4pe_descr_t *)descr;
    return (d->type_num >= 0 && d->type_num <= 23) && d->type_num != 17;
}

/* Bytes of all items; -1 on overflow. */
Py_ssize_t c4pe_npy_nbytes(const c4pe_npy_t *npy, int nd, const Py_ssize_t *dims, PyObject *descr);
/* A new array in C order over new memory. NULL with an exception. descr: the reference is taken. */
PyObject *c4pe_npy_new(const c4pe_npy_t *npy, PyObject *descr, int nd, const Py_ssize_t *dims);
/* A writable array over memory that `base` keeps alive. Both references are taken. */
PyObject *c4pe_npy_view(const c4pe_npy_t *npy, PyObject *descr, int nd, const Py_ssize_t *dims,
                        void *data, PyObject *base);
/* A copy in C order of an array that holds no objects. */
PyObject *c4pe_npy_copy(const c4pe_npy_t *npy, PyObject *array);
/* True if nobody can write to the items: the array and everything that it is a view of are
 * read-only. */
bool c4pe_npy_is_frozen(const c4pe_npy_t *npy, PyObject *array);

#endif
