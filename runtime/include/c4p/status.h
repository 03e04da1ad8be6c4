/* SPDX-License-Identifier: Apache-2.0 */
/* status.h: what a call can answer. One list defines code, name, text and the exit status that the
 * launcher uses when the job ends because of it. */
#ifndef C4P_STATUS_H
#define C4P_STATUS_H

#include <c4p/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All statuses: X(name, value, exit status, text). */
#define C4P_STATUS_LIST(X)                                                                         \
    X(OK, 0, 0, "success")                                                                         \
    X(ERR_ARG, 100, 2, "an argument is not valid")                                                 \
    X(ERR_RANGE, 101, 2, "a rank, index or number is out of range")                                \
    X(ERR_TYPE, 102, 2, "the object is not of the kind that this call needs")                      \
    X(ERR_STATE, 103, 2, "the call is not allowed at this time")                                   \
    X(ERR_EXISTS, 104, 2, "the name or index exists already")                                      \
    X(ERR_NOT_FOUND, 105, 2, "no such collection, element, entry method or name")                  \
    X(ERR_LIMIT, 106, 2, "a limit of the runtime is reached")                                      \
    X(ERR_BUSY, 107, 2, "the element has a suspended coroutine")                                   \
    X(ERR_OPTION, 108, 2, "an option or environment setting is not valid")                         \
    X(ERR_USER, 200, 1, "user code failed")                                                        \
    X(ERR_DATA, 300, 65, "received or stored data is damaged")                                     \
    X(ERR_NO_INPUT, 301, 66, "an input file is missing")                                           \
    X(ERR_NO_ELEMENT, 310, 75, "the target was never created")                                     \
    X(ERR_DEAD, 311, 75, "the target was deleted")                                                 \
    X(ERR_STALL, 320, 75, "the job is quiescent while something still waits")                      \
    X(ERR_MISMATCH, 400, 76, "the ranks disagree")                                                 \
    X(ERR_SINGLETON, 401, 76, "several single-rank jobs were started where one job was meant")     \
    X(ERR_NOMEM, 710, 71, "out of memory")                                                         \
    X(ERR_IO, 730, 73, "cannot write")                                                             \
    X(ERR_MPI, 740, 74, "an MPI call failed")                                                      \
    X(ERR_INTERNAL, 700, 70, "an invariant of the runtime is broken; please report this")

/** What a call answers: C4P_OK, which is 0, or an error. #C4P_STATUS_LIST says what they mean. */
typedef enum c4p_status {
/** @cond */
#define C4P_STATUS_ENUM(name, value, exit_status, text) C4P_##name = value,
    /** @endcond */
    C4P_STATUS_LIST(C4P_STATUS_ENUM)
#undef C4P_STATUS_ENUM
} c4p_status_t;

/** The text of a status, for example "out of memory"; "unknown status" for a value not in the list.
 * Static, never NULL. Any thread. */
C4P_API const char *c4p_strerror(c4p_status_t status);

/** The name of a status, for example "C4P_ERR_NOMEM". Static, never NULL. Any thread. */
C4P_API const char *c4p_status_name(c4p_status_t status);

/** The exit status a program should end with because of this status: 0, 1, 2 or one of the table in
 * docs/running.md. Any thread. */
C4P_API int c4p_exit_status(c4p_status_t status);

#ifdef __cplusplus
}
#endif
#endif
