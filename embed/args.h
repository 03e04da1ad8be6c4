/* SPDX-License-Identifier: Apache-2.0 */
/* args.h: arguments in Python of a typed entry method (c4p/typed.h): checked against its signature
 * and laid out in a message. Main thread with the interpreter lock held. */
#ifndef C4PE_ARGS_H
#define C4PE_ARGS_H

#include "state.h"

/* Whom the arguments are for. Borrowed. */
typedef struct c4pe_callee {
    PyObject *name; /* "Class.method" */
    c4p_typed_t typed;
    const char *signature;
    const c4p_param_t *params; /* what c4p_signature_read() says of it */
    uint32_t num_params;
} c4pe_callee_t;

/*
 * The arguments as a message, which is the caller's. -1 with an exception that names the method and
 * the parameter: TypeError for another type, or not so many arguments; ValueError for a number out
 * of range, a length that the signature does not say, memory that is not contiguous.
 */
int c4pe_args_message(c4pe_state_t *st, const c4pe_callee_t *callee, PyObject *const *args,
                      Py_ssize_t num_args, c4p_msg_t **msg_out);

/* Has Python an argument for each parameter? Not for arrays of references. */
bool c4pe_args_possible(const c4p_param_t *params, uint32_t num_params);

#endif
