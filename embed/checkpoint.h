/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h: checkpoints of Python programs, and going on from one. Chares are written as when
 * they move (move.c). Main thread with the interpreter lock held. */
#ifndef C4PE_CHECKPOINT_H
#define C4PE_CHECKPOINT_H

#include "state.h"

/* Functions of the module; see _c4py.pyi. */
PyObject *c4pe_checkpoint_ask(PyObject *module, PyObject *dir);
PyObject *c4pe_checkpoint_restart(PyObject *module, PyObject *args);
PyObject *c4pe_checkpoint_key(PyObject *module, PyObject *file);
PyObject *c4pe_checkpoint_main_chare(PyObject *module, PyObject *ignored);

int c4pe_checkpoint_attach(c4pe_state_t *st);
/* May this leave in a message? -1 with an exception while a checkpoint is written: what it refers
 * to is not kept. */
int c4pe_checkpoint_check(c4pe_state_t *st, const char *what);

#endif
