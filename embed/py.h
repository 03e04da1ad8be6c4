/* SPDX-License-Identifier: Apache-2.0 */
/* py.h: the only place that includes Python.h, so that every file of the embedding sees it first
 * and in the same way. */
#ifndef C4PE_PY_H
#define C4PE_PY_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030a0000
#error "C4Py needs CPython 3.10 or newer"
#endif

#endif
