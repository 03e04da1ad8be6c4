/* SPDX-License-Identifier: Apache-2.0 */
/* process.h: what this process owes its surroundings: output that is not lost, and child processes
 * that never touch the runtime. Main thread with the interpreter lock held. */
#ifndef C4PE_PROCESS_H
#define C4PE_PROCESS_H

#include "state.h"

/* Write out what Python's standard streams hold. Never leaves an exception. */
void c4pe_process_flush(void);
/* End the job with this report, as c4p_abort() does, after what the program has printed. */
C4P_NORETURN void c4pe_process_abort(c4pe_state_t *st, int status, const char *text);
/* From now on standard output goes out line by line, also into a pipe: what a rank has printed must
 * not be lost when another rank ends the job. */
void c4pe_process_print_by_lines(void);
/* Let children made by os.fork() know that they have no runtime. 0; -1 with an exception. */
int c4pe_process_watch_forks(PyObject *module);
PyObject *c4pe_process_before_fork(PyObject *module, PyObject *ignored); /* _before_fork() */
PyObject *c4pe_process_after_fork(PyObject *module, PyObject *ignored);  /* _after_fork() */
/* A method returned in a child: end it, rather than go back to the scheduler. Prints the exception
 * that is set. */
C4P_NORETURN void c4pe_process_leave_child(int status);

#endif
