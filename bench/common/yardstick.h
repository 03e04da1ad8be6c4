/* SPDX-License-Identifier: Apache-2.0 */
/* yardstick.h: what the benchmarks are compared with, inside the processes that they measure: plain
 * MPI. MPI must be initialised. */
#ifndef C4P_YARDSTICK_H
#define C4P_YARDSTICK_H

#include <stddef.h>

/* Blocking send and receive between ranks 0 and 1, which call together; other ranks do not call.
 * Seconds per round trip of `bytes` bytes, the mean over `reps` round trips; measured on rank 0,
 * 0.0 on rank 1. */
double c4p_yardstick_pingpong(size_t bytes, int reps);

/* Messages of a stream that are sent before the receiver acknowledges them. */
enum { C4P_YARDSTICK_WINDOW = 32 };

/* What all ranks of the job do together, `count` times. Seconds for each time; measured on rank 0,
 * 0.0 on the others; negative if there is no pattern of that name:
 *
 *   stream        one message of `bytes` from rank 0 to rank 1; WINDOW of them, then an answer
 *   many_to_one   one message of `bytes` to rank 0, from each other rank in turn
 *   all_to_all    MPI_Alltoall with `bytes` for each rank
 *   bcast         MPI_Bcast of `bytes`, and MPI_Barrier, by which rank 0 knows that all have it
 *   reduce        MPI_Reduce, the sum of `bytes` / 8 numbers
 *   allreduce     MPI_Allreduce, likewise
 *   barrier       MPI_Barrier */
double c4p_yardstick_pattern(const char *name, size_t bytes, int count);

#endif
