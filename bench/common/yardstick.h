/* SPDX-License-Identifier: Apache-2.0 */
/* yardstick.h: what the benchmarks are compared with, inside the processes that they measure: plain
 * blocking MPI between ranks 0 and 1. MPI must be initialised. Both ranks call together; other
 * ranks do not call. */
#ifndef C4P_YARDSTICK_H
#define C4P_YARDSTICK_H

#include <stddef.h>

/* Seconds per round trip of `bytes` bytes, the mean over `reps` round trips; measured on rank 0,
 * 0.0 on rank 1. */
double c4p_yardstick_pingpong(size_t bytes, int reps);

#endif
