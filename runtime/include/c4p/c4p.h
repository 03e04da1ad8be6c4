/* SPDX-License-Identifier: Apache-2.0 */
/* c4p.h: everything but c4p/mpi.h.
 *
 * What holds for all functions, unless one says otherwise:
 *
 * - Errors: A call that is refused has done nothing: nothing sent, nothing counted, outputs
 *   untouched. C4P_ERR_ARG: NULL where a pointer is needed, or a struct without its struct_size;
 *   C4P_ERR_RANGE: a rank, index or number that does not exist; C4P_ERR_NOT_FOUND: a type, entry,
 *   element or name that is not there; C4P_ERR_STATE: before c4p_start(), after the end of the job,
 *   or, of scheduler calls, inside an entry method. Functions without a status answer NULL with 0,
 *   NULL, false, of a rank -1, or do nothing; those of msg.h and pup.h that only read or set
 *   something need valid pointers, being on every message's way.
 * - Ends: What fails where nobody can be told ends the job on all ranks: one report, then
 *   MPI_Abort() on a duplicate of the host's communicator, with c4p_exit_status() of the cause. The
 *   library ends a process in no other way.
 * - Callbacks: Entry methods, constructors, hooks and all else that the runtime calls return to it;
 *   no exception of C++ and no longjmp() may leave them.
 * - Output: None but the log and reports, which go to standard error or to c4p_opts_t.log_fn; by
 *   default only when something is wrong. No signal handlers, no atexit().
 * - Ownership: Strings and structs that are passed in are copied or used during the call only. What
 *   is handed out is borrowed, unless there is a function to free it.
 * - Context: The thread that created the runtime; inside or outside entry methods.
 * - Cost: O(1), and the bytes that are copied. Only init, start, restart, free and the scheduler
 *   calls wait for other ranks.
 *
 * Functions that have "any thread" in their description touch no runtime and may be called at any
 * time. */
#ifndef C4P_C4P_H
#define C4P_C4P_H

#include <c4p/balance.h>
#include <c4p/chare.h>
#include <c4p/checkpoint.h>
#include <c4p/collective.h>
#include <c4p/future.h>
#include <c4p/msg.h>
#include <c4p/pup.h>
#include <c4p/runtime.h>
#include <c4p/section.h>
#include <c4p/send.h>
#include <c4p/stats.h>
#include <c4p/status.h>
#include <c4p/sync.h>
#include <c4p/typed.h>
#include <c4p/types.h>
#include <c4p/version.h>

#endif
