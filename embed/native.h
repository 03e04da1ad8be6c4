/* SPDX-License-Identifier: Apache-2.0 */
/* native.h: entry methods of Python chares that are C functions (c4p/typed.h), and the memory in a
 * chare that they work on. A call checks its arguments against the signature and lays them out in a
 * message; where the chare is, the scheduler calls the function without the interpreter. */
#ifndef C4PE_NATIVE_H
#define C4PE_NATIVE_H

#include "state.h"

struct c4pe_cond;

typedef struct c4pe_native {
    c4p_any_fn_t fn;
    c4p_typed_t typed; /* after c4pe_native_announce() */
    PyObject *keep;    /* what keeps the function in memory */
    char *signature;
    uint32_t num_params;
    c4p_param_t params[C4P_MAX_PARAMS];
} c4pe_native_t;

/* Of the last member of an entry's specification, (address, signature, keep). NULL with an
 * exception. */
c4pe_native_t *c4pe_native_new(PyObject *spec);
void c4pe_native_free(c4pe_native_t *native); /* may be NULL */
/* Tell the runtime of a native entry method. */
c4p_status_t c4pe_native_announce(c4pe_entry_t *entry, const char *name);
/* Tell the runtime of the condition in C of a method in Python, if it has one: a typed entry method
 * that nobody calls. After all methods of the class. */
c4p_status_t c4pe_native_announce_cond(c4pe_entry_t *entry, const char *name);
/* Is that condition true now? args are those of the call, complete. 1, 0, -1 with an exception. */
int c4pe_native_ask(const struct c4pe_cond *cond, c4pe_chare_t *chare, PyObject *args);
/* Is the condition of entry->cond true now, for the call whose arguments these are? */
bool c4pe_native_may_run(const c4pe_chare_t *chare, const c4pe_entry_t *entry, c4p_msg_t *msg);
/* Run a call that has waited for its condition, and answer it, unless the method took that over. */
void c4pe_native_resume(c4pe_chare_t *chare, c4pe_entry_t *entry, c4p_msg_t *msg,
                        const c4p_reply_t *reply);

/* The arguments of a call as a message, which is the caller's. -1 with an exception that names the
 * method and the parameter. */
int c4pe_native_message(const c4pe_proxy_t *proxy, const c4pe_entry_t *entry, PyObject *const *args,
                        Py_ssize_t nargs, c4p_msg_t **msg_out);

/* What class_add() is told of the native state of a class: None, or (name, make, size). -1 with an
 * exception. */
int c4pe_native_declare(c4pe_class_t *cls, PyObject *spec);
/* A new object gets the memory that its class declares, zeroed. -1 with an exception. */
int c4pe_native_give_state(c4pe_chare_t *chare, const c4pe_class_t *cls);
/* That memory as it travels; len 0: nothing was packed. -1 with an exception. */
void c4pe_native_put_state(const c4pe_chare_t *chare, c4p_pup_t *p);
int c4pe_native_set_state(c4pe_chare_t *chare, const void *packed, size_t len);
/* The same as a record that belongs to no chare; new reference. */
PyObject *c4pe_native_record(const c4pe_class_t *cls, const void *packed, size_t len);

/* Functions of the module, see _c4py.pyi. */
PyObject *c4pe_signature_read(PyObject *module, PyObject *text);
PyObject *c4pe_native_state(PyObject *module, PyObject *chare);

#endif
