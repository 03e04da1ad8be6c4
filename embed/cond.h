/* SPDX-License-Identifier: Apache-2.0 */
/* cond.h: compiled conditions of @when and self.wait(), and what is true now. Main thread with the
 * interpreter lock held. */
#ifndef C4PE_COND_H
#define C4PE_COND_H

#include "when.h"

typedef enum c4pe_cond_kind {
    C4PE_COND_TAG,       /* self.attr == argument */
    C4PE_COND_STATE,     /* func(self) */
    C4PE_COND_STATE_MSG, /* func(self, args) */
    C4PE_COND_NATIVE,    /* test(rt, native state, the first arguments), of a native method */
    C4PE_COND_CALL,      /* native->fn(rt, native state, some arguments), of one in Python */
} c4pe_cond_kind_t;

typedef struct c4pe_cond {
    PyObject_HEAD
    c4pe_cond_kind_t kind;
    PyObject *attr; /* TAG: interned; CALL: the method, for messages */
    Py_ssize_t arg; /* TAG */
    PyObject *func; /* NATIVE: what owns the function */
    PyObject *text;
    c4p_any_fn_t test;          /* NATIVE */
    uint32_t num_params;        /* NATIVE */
    struct c4pe_native *native; /* CALL: owned */
    uint8_t at[C4P_MAX_PARAMS]; /* CALL: the positions of its arguments among those of the method */
} c4pe_cond_t;

/* Is it true now? args are the arguments of the call, complete; NULL for self.wait(). 1, 0, -1 with
 * an exception. */
int c4pe_cond_test(const c4pe_cond_t *cond, PyObject *chare, PyObject *args);
/* attr is of the chare, arg of the message. 1, 0, -1 with an exception. */
int c4pe_cond_tags_equal(PyObject *attr, PyObject *arg);
/* The type of conditions; NULL with an exception. */
PyTypeObject *c4pe_cond_make_type(PyObject *module);

#endif
