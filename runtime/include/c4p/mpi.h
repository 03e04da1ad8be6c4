/* SPDX-License-Identifier: Apache-2.0 */
/* mpi.h: init on a communicator of the host's. The only public header that needs <mpi.h>. */
#ifndef C4P_MPI_H
#define C4P_MPI_H

#include <mpi.h>

#include <c4p/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * As c4p_init(), on the ranks of `comm`, which is duplicated and never used itself. MPI must be
 * initialised, and is not finalised by c4p_free(). Any level of thread support will do: the runtime
 * has no threads. Below MPI_THREAD_SERIALIZED it belongs to the thread that initialised MPI.
 * Collective over comm. Returns also C4P_ERR_STATE if MPI is not initialised or already finalised,
 * or allows this thread no calls; C4P_ERR_ARG for MPI_COMM_NULL.
 */
C4P_API c4p_status_t c4p_init_comm(MPI_Comm comm, const c4p_opts_t *opts, c4p_rt_t **rt_out);

/**
 * The same for a communicator by its Fortran handle: an INTEGER of the modules mpi and mpif.h,
 * comm%MPI_VAL of mpi_f08, comm.py2f() of mpi4py. For programs in other languages, too: nothing of
 * MPI's C types is needed. Returns C4P_ERR_ARG also for a handle that names no communicator, where
 * MPI can tell.
 */
C4P_API c4p_status_t c4p_init_comm_f(MPI_Fint comm, const c4p_opts_t *opts, c4p_rt_t **rt_out);

#ifdef __cplusplus
}
#endif
#endif
