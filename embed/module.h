/* SPDX-License-Identifier: Apache-2.0 */
/* module.h: the module's entry point: built into the launcher, or found by python in the extension
 * module. */
#ifndef C4PE_MODULE_H
#define C4PE_MODULE_H

#include "state.h"

PyMODINIT_FUNC PyInit__c4py(void);

#endif
