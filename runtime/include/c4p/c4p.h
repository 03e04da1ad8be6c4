/* SPDX-License-Identifier: Apache-2.0 */
/* c4p.h: everything but c4p/mpi.h. */
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
