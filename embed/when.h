/* SPDX-License-Identifier: Apache-2.0 */
/* when.h: conditions. Messages whose @when condition is false and coroutines in self.wait() queue
 * in their chare in order of arrival; after each entry method they are looked at again, oldest
 * first, until none can go on. Main thread with the interpreter lock held. */
#ifndef C4PE_WHEN_H
#define C4PE_WHEN_H

#include "coroutine.h"

/*
 * Compile what wait.parse_cond_str() returned into the object kept in c4pe_entry_t.cond: new
 * reference; NULL with an exception. Idempotent on objects that are compiled already.
 */
PyObject *c4pe_when_compile(c4pe_state_t *st, PyObject *parsed);

/* The type of what it returns. */
PyTypeObject *c4pe_when_cond_type(c4pe_state_t *st);

/* The arguments with the entry's defaults filled in, as conditions see them, those of keyword-only
 * parameters last: new reference to a tuple (args itself when complete). */
PyObject *c4pe_when_args(const c4pe_entry_t *entry, PyObject *args, PyObject *kwargs);
/* Is the condition of entry->cond true now? 1, 0, or -1 with the exception, which belongs to the
 * call. */
int
c4pe_when_test(c4pe_chare_t *chare, const c4pe_entry_t *entry, PyObject *args, PyObject *kwargs);
/* Queue a call whose condition is false. args and kwargs (may be NULL) are borrowed and kept. -1
 * with MemoryError. */
int c4pe_when_push(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
                   const c4p_reply_t *reply);

/* The same for a call of a native method, whose arguments are in the message, which is kept. */
int c4pe_when_push_native(c4pe_chare_t *chare, c4pe_entry_t *entry, c4p_msg_t *msg,
                          const c4p_reply_t *reply);

/* Look again at everything that waits in the chare. Calls c4pe_invoke() for calls and wakes
 * coroutines. Cheap when chare->waitq is NULL; called inside itself it only asks the outer one for
 * another round. */
void c4pe_when_flush(c4pe_chare_t *chare);

/* self.wait(cond_str): new reference to None at once or after suspension; NULL with an exception.
 */
PyObject *c4pe_when_wait(c4pe_chare_t *chare, PyObject *cond_str);

/* Waiting calls of a chare that moves: as for channels. Coroutines cannot move. */
PyObject *c4pe_when_pack(c4pe_chare_t *chare);
int c4pe_when_unpack(c4pe_chare_t *chare, PyObject *packed);
void c4pe_when_drop_queue(c4pe_chare_t *chare);
int c4pe_when_traverse_queue(c4pe_chare_t *chare, visitproc visit, void *arg);

/* Calls that wait, over all chares of this rank, and one line per call. */
uint64_t c4pe_when_count_waiters(c4pe_state_t *st);
void c4pe_when_list_waiters(c4pe_state_t *st, struct c4p_report *report);

/* ---- module ------------------------------------------------------------------------------------- */

int c4pe_when_exec(PyObject *module, c4pe_state_t *st);
int c4pe_when_traverse(c4pe_state_t *st, visitproc visit, void *arg);
void c4pe_when_clear(c4pe_state_t *st);
void c4pe_when_free(c4pe_state_t *st);

#endif
