/* SPDX-License-Identifier: Apache-2.0 */
/* host_make.c: c4p/python.h: collections of Python chares made from C, and proxies of them. */
#include "collections.h"
#include "host.h"

/* ---- proxies ------------------------------------------------------------------------------------- */

c4p_status_t
c4p_proxy_at(const c4p_proxy_t *coll, const c4p_index_t *index, c4p_proxy_t *element_out)
{
    if (coll == NULL || index == NULL || element_out == NULL)
        return C4P_ERR_ARG;
    if (coll->flags & C4PE_PROXY_ELEMENT || index->ndims != coll->ndims ||
        (coll->kind != C4PE_KIND_GROUP && coll->kind != C4PE_KIND_ARRAY))
        return C4P_ERR_TYPE;
    c4p_proxy_t element = *coll;
    element.flags |= C4PE_PROXY_ELEMENT;
    const c4p_status_t status = c4p_index_pack(index, &element.ref.key);
    if (status == C4P_OK)
        *element_out = element;
    return status;
}

/* ---- creating ------------------------------------------------------------------------------------ */

/* What a function of the module that creates has returned, which is taken. */
static c4p_status_t
created(c4p_python_t *py, PyObject *proxy, c4p_proxy_t *proxy_out)
{
    c4p_pyval_t value;
    const c4p_status_t status = c4pe_host_value(py, proxy, &value);
    if (status == C4P_OK)
        *proxy_out = value.v.proxy;
    return status;
}

static c4p_status_t
check_creation(const c4p_python_t *py, const char *cls, const c4p_pyval_t *args, size_t num_args,
               const c4p_proxy_t *proxy_out)
{
    if (py == NULL || cls == NULL || (args == NULL && num_args > 0) || proxy_out == NULL)
        return C4P_ERR_ARG;
    return c4pe_host_check(py);
}

/* The class and the arguments of a creation. On failure the exception is set. */
static int
prepare_creation(c4p_python_t *py, const char *cls, const c4p_pyval_t *args, size_t num_args,
                 PyObject **cls_out, PyObject **args_out)
{
    *cls_out = PyObject_CallMethod(py->package, "class_of", "s", cls);
    *args_out = *cls_out ? c4pe_host_args(py, args, num_args) : NULL;
    if (*args_out != NULL)
        return 0;
    Py_CLEAR(*cls_out);
    return -1;
}

/* Arguments, which were lent, and their class are given back; `proxy` NULL: to no avail. */
static void
end_creation(PyObject *cls, PyObject *args, PyObject *proxy)
{
    if (proxy == NULL && args != NULL)
        c4pe_host_disarm(args);
    Py_XDECREF(cls);
    Py_XDECREF(args);
}

c4p_status_t
c4p_python_group_new(c4p_python_t *py, const char *cls, const c4p_pyval_t *args, size_t num_args,
                     c4p_proxy_t *group_out)
{
    PyObject *type, *list, *proxy = NULL;
    const c4p_status_t status = check_creation(py, cls, args, num_args, group_out);
    if (status != C4P_OK)
        return status;
    if (prepare_creation(py, cls, args, num_args, &type, &list) == 0) {
        PyObject *how = Py_BuildValue("(OOO)", type, list, Py_False);
        proxy = how ? c4pe_group_new(py->st, how) : NULL;
        Py_XDECREF(how);
        end_creation(type, list, proxy);
    }
    return created(py, proxy, group_out);
}

static PyObject *
numbers_tuple(int n, const int64_t *numbers)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) {
        PyObject *number = PyLong_FromLongLong(numbers[i]);
        if (number == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, number);
    }
    return tuple;
}

/* What Python would refuse with an exception, and c4p_array_new() with this status. */
static c4p_status_t
check_dims(int ndims, const int64_t *dims)
{
    uint64_t elements = 1;
    if (ndims < 1 || ndims > C4P_MAX_DIMS)
        return C4P_ERR_RANGE;
    for (int d = 0; dims != NULL && d < ndims; d++)
        if (dims[d] < 0 || dims[d] - 1 > c4p_index_max(ndims) ||
            __builtin_mul_overflow(elements, (uint64_t)dims[d], &elements))
            return C4P_ERR_RANGE;
    return elements > UINT32_MAX * (uint64_t)1024 ? C4P_ERR_RANGE : C4P_OK;
}

c4p_status_t
c4p_python_array_new(c4p_python_t *py, const char *cls, int ndims, const int64_t *dims,
                     const c4p_pyval_t *args, size_t num_args, c4p_proxy_t *array_out)
{
    PyObject *type, *list, *proxy = NULL;
    c4p_status_t status = check_creation(py, cls, args, num_args, array_out);
    if (status == C4P_OK)
        status = dims == NULL && num_args > 0 ? C4P_ERR_ARG : check_dims(ndims, dims);
    if (status != C4P_OK)
        return status;
    if (prepare_creation(py, cls, args, num_args, &type, &list) == 0) {
        PyObject *shape = dims ? numbers_tuple(ndims, dims) : Py_NewRef(Py_None);
        PyObject *how = shape ? Py_BuildValue("(OOiOOOO)", type, shape, ndims, list, Py_None,
                                              Py_False, Py_False)
                              : NULL;
        proxy = how ? c4pe_array_new(py->st, how) : NULL;
        Py_XDECREF(how);
        Py_XDECREF(shape);
        end_creation(type, list, proxy);
    }
    return created(py, proxy, array_out);
}

c4p_status_t
c4p_python_chare_new(c4p_python_t *py, const char *cls, int rank, const c4p_pyval_t *args,
                     size_t num_args, c4p_proxy_t *chare_out)
{
    PyObject *type, *list, *proxy = NULL;
    const c4p_status_t status = check_creation(py, cls, args, num_args, chare_out);
    if (status != C4P_OK)
        return status;
    if (rank < -1 || rank >= py->st->num_ranks)
        return C4P_ERR_RANGE;
    if (prepare_creation(py, cls, args, num_args, &type, &list) == 0) {
        PyObject *how = Py_BuildValue("(OOiO)", type, list, rank, Py_False);
        proxy = how ? c4pe_chare_new(py->st, how) : NULL;
        Py_XDECREF(how);
        end_creation(type, list, proxy);
    }
    return created(py, proxy, chare_out);
}

/* ---- elements ------------------------------------------------------------------------------------ */

/* On failure the exception is set. */
static int
insert(c4p_python_t *py, const c4p_proxy_t *array, const c4p_index_t *index, int rank,
       PyObject *list)
{
    const c4p_pyval_t value = c4p_py_proxy(*array);
    PyObject *proxy = c4pe_host_object(py, &value), *done = NULL;
    PyObject *at = proxy ? numbers_tuple(index->ndims, index->at) : NULL;
    PyObject *how = at ? Py_BuildValue("(OOi)", at, list, rank) : NULL;
    if (how != NULL)
        done = c4pe_proxy_insert(proxy, how, NULL);
    Py_XDECREF(how);
    Py_XDECREF(at);
    Py_XDECREF(proxy);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

c4p_status_t
c4p_python_insert(c4p_python_t *py, const c4p_proxy_t *array, const c4p_index_t *index, int rank,
                  const c4p_pyval_t *args, size_t num_args)
{
    c4p_proxy_t element;
    if (py == NULL || array == NULL || index == NULL || (args == NULL && num_args > 0))
        return C4P_ERR_ARG;
    c4p_status_t status = c4pe_host_check(py);
    if (status == C4P_OK)
        status =
            array->kind == C4PE_KIND_ARRAY ? c4p_proxy_at(array, index, &element) : C4P_ERR_TYPE;
    if (status != C4P_OK)
        return status;
    if (rank < -1 || rank >= py->st->num_ranks)
        return C4P_ERR_RANGE;
    PyObject *list = c4pe_host_args(py, args, num_args);
    if (list == NULL)
        return c4pe_host_failed(py);
    const int result = insert(py, array, index, rank, list);
    if (result < 0)
        c4pe_host_disarm(list);
    Py_DECREF(list);
    return result < 0 ? c4pe_host_failed(py) : C4P_OK;
}

/* ---- sections ------------------------------------------------------------------------------------ */

static c4p_status_t
fill_refs(const c4p_proxy_t *coll, const c4p_index_t *indices, size_t num, c4p_ref_t *refs)
{
    c4p_proxy_t element;
    c4p_status_t status = C4P_OK;
    for (size_t i = 0; i < num && status == C4P_OK; i++) {
        status = c4p_proxy_at(coll, &indices[i], &element);
        if (status == C4P_OK)
            refs[i] = element.ref;
    }
    return status;
}

c4p_status_t
c4p_python_section_new(c4p_python_t *py, const c4p_proxy_t *coll, const c4p_index_t *indices,
                       size_t num, c4p_proxy_t *section_out)
{
    if (py == NULL || coll == NULL || indices == NULL || num == 0 || section_out == NULL)
        return C4P_ERR_ARG;
    c4p_status_t status = c4pe_host_check(py);
    if (status != C4P_OK)
        return status;
    if (c4pe_class_by_id(py->st, coll->type) == NULL)
        return C4P_ERR_TYPE;
    c4p_ref_t *refs = PyMem_Calloc(num, sizeof(*refs));
    if (refs == NULL)
        return C4P_ERR_NOMEM;
    c4p_proxy_t section = *coll;
    section.ref.key.w[0] = coll->ref.coll;
    section.kind =
        coll->kind == C4PE_KIND_GROUP ? C4PE_KIND_GROUP_SECTION : C4PE_KIND_ARRAY_SECTION;
    status = fill_refs(coll, indices, num, refs);
    if (status == C4P_OK)
        status = c4p_section_new(py->rt, coll->type, refs, num, &section.ref.coll);
    PyMem_Free(refs);
    if (status == C4P_OK)
        *section_out = section;
    return status;
}

/* ---- references ---------------------------------------------------------------------------------- */

c4p_status_t
c4p_python_ref(c4p_python_t *py, c4p_ref_t ref, c4p_pyval_t *value_out)
{
    c4p_coll_info_t info;
    if (py == NULL || value_out == NULL)
        return C4P_ERR_ARG;
    c4p_status_t status = c4pe_host_check(py);
    if (status == C4P_OK)
        status = c4p_coll_info(py->rt, ref.coll, &info);
    if (status != C4P_OK)
        return status;
    if (info.kind == C4P_KIND_SECTION)
        return C4P_ERR_TYPE;
    c4pe_class_t *cls = c4pe_class_by_id(py->st, info.type);
    if (cls == NULL) {
        *value_out = c4p_py_chare(info.type, ref);
        return C4P_OK;
    }
    const c4pe_coll_t *coll = c4pe_coll_get(py->st, ref.coll, cls);
    PyObject *proxy =
        coll ? c4pe_proxy_new(&cls->proxies[coll->kind], ref, coll->ndims, true) : NULL;
    return c4pe_host_value(py, proxy, value_out);
}
